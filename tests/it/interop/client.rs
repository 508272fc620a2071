//! Stripe's SDKs as clients of the mock gateway: what they can do with Stripe, they can do with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kessai::mock::stripe::{MockStripe, TestCard};
use serde_json::{Value, json};

use super::sdk::{Client, Refused, Sdk};

type Fields<'f> = Vec<(&'f str, Value)>;

const LATER: &str = "payment_intent.latest_charge";

/// Parameters of a session over 3960 yen, and more.
pub fn session(more: &[(&str, Value)]) -> Value {
    let mut params = json!({
        "mode": "payment",
        "success_url": "https://shop.example/return?session_id={CHECKOUT_SESSION_ID}",
        "line_items": [{"quantity": 2, "price_data": {
            "currency": "jpy", "unit_amount": 1980, "product_data": {"name": "煎茶 100 g"},
        }}],
    });
    for (name, value) in more {
        params[*name] = value.clone();
    }
    params
}

/// A session that a shopper has paid, and its payment.
pub async fn paid(mock: &MockStripe, client: &mut Client<'_>, more: &[(&str, Value)]) -> (String, String) {
    let made = client.call("checkout.sessions.create", session(more)).await.unwrap();
    let page = mock.shopper().open(made["url"].as_str().unwrap()).await.unwrap();
    page.pay(TestCard::Succeeds).await.unwrap();
    let id = made["id"].as_str().unwrap().to_owned();
    let found = client
        .about("checkout.sessions.retrieve", &id, json!({}))
        .await
        .unwrap();
    (id, found["payment_intent"].as_str().unwrap().to_owned())
}

pub fn manual() -> (&'static str, Value) {
    ("payment_intent_data", json!({"capture_method": "manual"}))
}

pub fn unix(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn sessions_are_made_from_every_form_of_parameters() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        let soon = unix(mock.clock().now()) + 3600;
        let item = |currency: &str, amount: Value| {
            json!({"quantity": 1, "price_data": {
                "currency": currency, "unit_amount": amount, "product_data": {"name": "x", "description": "a & b = c + d"},
            }})
        };
        let decimal = json!([{"quantity": 3, "price_data": {
            "currency": "eur", "unit_amount_decimal": "33.5", "product_data": {"name": "x"},
        }}]);
        let hundred: Vec<Value> = (1..=100).map(|n| item("usd", json!(n))).collect();
        let table: Vec<(&str, Fields<'_>, Fields<'_>)> = vec![
            (
                "plain",
                vec![],
                vec![
                    ("/amount_total", json!(3960)),
                    ("/currency", json!("jpy")),
                    ("/status", json!("open")),
                    ("/payment_status", json!("unpaid")),
                    ("/livemode", json!(false)),
                    ("/mode", json!("payment")),
                    ("/object", json!("checkout.session")),
                    ("/payment_intent", json!(null)),
                    ("/cancel_url", json!(null)),
                    ("/metadata", json!({})),
                    ("/ui_mode", json!("hosted_page")),
                    (
                        "/success_url",
                        json!("https://shop.example/return?session_id={CHECKOUT_SESSION_ID}"),
                    ),
                ],
            ),
            (
                "texts",
                vec![
                    ("client_reference_id", json!("注文 #1 & 2 = 100% + [税] \"込\"")),
                    ("customer_email", json!("taro+tea@shop.example")),
                    ("locale", json!("ja")),
                    ("submit_type", json!("pay")),
                    ("cancel_url", json!("https://shop.example/cancel?a=1&b=%E8%8C%B6")),
                    (
                        "metadata",
                        json!({"order_id": "EC-1", "空 白": "a&b=c", "number": 42, "yes": true}),
                    ),
                ],
                vec![
                    ("/client_reference_id", json!("注文 #1 & 2 = 100% + [税] \"込\"")),
                    ("/customer_email", json!("taro+tea@shop.example")),
                    ("/locale", json!("ja")),
                    ("/cancel_url", json!("https://shop.example/cancel?a=1&b=%E8%8C%B6")),
                    (
                        "/metadata",
                        json!({"order_id": "EC-1", "空 白": "a&b=c", "number": "42", "yes": "true"}),
                    ),
                ],
            ),
            (
                "several items",
                vec![(
                    "line_items",
                    json!([item("usd", json!(1000)), item("usd", json!(0)), item("usd", json!(99))]),
                )],
                vec![("/amount_total", json!(1099)), ("/currency", json!("usd"))],
            ),
            (
                "a hundred items",
                vec![("line_items", json!(hundred))],
                vec![("/amount_total", json!(5050))],
            ),
            (
                "a decimal price",
                vec![("line_items", decimal)],
                vec![("/amount_total", json!(101))],
            ),
            (
                "an expiry",
                vec![("expires_at", json!(soon))],
                vec![("/expires_at", json!(soon))],
            ),
            (
                "chosen methods",
                vec![
                    ("allowed_payment_method_types", json!(["card"])),
                    ("expand", json!(["payment_intent"])),
                ],
                vec![
                    ("/allowed_payment_method_types", json!(["card"])),
                    ("/payment_method_types", json!(["card"])),
                ],
            ),
            (
                "the page named",
                vec![("ui_mode", json!("hosted_page"))],
                vec![("/ui_mode", json!("hosted_page"))],
            ),
            (
                "payment data",
                vec![(
                    "payment_intent_data",
                    json!({
                        "capture_method": "manual", "description": "お茶", "statement_descriptor_suffix": "TEA",
                        "metadata": {"order_id": "EC-1"},
                    }),
                )],
                vec![("/amount_total", json!(3960))],
            ),
        ];
        for (what, more, wanted) in table {
            let made = client.call("checkout.sessions.create", session(&more)).await;
            let made = made.unwrap_or_else(|refused| panic!("{name} {what}: {refused:?}"));
            for (at, value) in &wanted {
                assert_eq!(made.value.pointer(at), Some(value), "{name} {what} {at}");
            }
            assert!(made["id"].as_str().unwrap().starts_with("cs_test_"), "{name} {what}");
            let url = made["url"].as_str().unwrap();
            assert!(url.starts_with(mock.base_url().as_str()), "{name} {what} {url}");
            assert_eq!(made.reply["status"], 200, "{name} {what}");
            assert_eq!(made.reply["version"], "2026-10-28.endive", "{name} {what}");
            assert!(
                made.reply["request_id"].as_str().unwrap().starts_with("req_"),
                "{name} {what}"
            );
            // Read again it is the same.
            let id = made["id"].as_str().unwrap();
            let found = client.about("checkout.sessions.retrieve", id, json!({})).await.unwrap();
            assert_eq!(found.value, made.value, "{name} {what}");
        }
    }
}

#[tokio::test]
async fn a_payment_is_read_captured_cancelled_and_refunded() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);

        // Three ways to look at a paid session.
        let data = json!({"metadata": {"order_id": "EC-1"}, "description": "お茶"});
        let (id, payment) = paid(&mock, &mut client, &[("payment_intent_data", data)]).await;
        let whole = client
            .about("checkout.sessions.retrieve", &id, json!({"expand": [LATER]}))
            .await
            .unwrap();
        let half = client
            .about("checkout.sessions.retrieve", &id, json!({"expand": ["payment_intent"]}))
            .await
            .unwrap();
        assert_eq!(
            (&whole["status"], &whole["payment_status"]),
            (&json!("complete"), &json!("paid")),
            "{name}"
        );
        assert_eq!(whole["url"], json!(null), "{name}");
        for (found, charge) in [
            (&whole, "/payment_intent/latest_charge/id"),
            (&half, "/payment_intent/latest_charge"),
        ] {
            assert_eq!(found["payment_intent"]["id"], json!(payment), "{name}");
            assert_eq!(found["payment_intent"]["status"], "succeeded", "{name}");
            assert_eq!(found["payment_intent"]["amount_received"], 3960, "{name}");
            assert_eq!(
                found["payment_intent"]["metadata"],
                json!({"order_id": "EC-1"}),
                "{name}"
            );
            assert_eq!(found["payment_intent"]["description"], "お茶", "{name}");
            assert!(
                found
                    .value
                    .pointer(charge)
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .starts_with("ch_"),
                "{name} {charge}"
            );
        }
        let alone = client
            .about(
                "payment_intents.retrieve",
                &payment,
                json!({"expand": ["latest_charge"]}),
            )
            .await
            .unwrap();
        assert_eq!(alone.value, whole["payment_intent"], "{name}");

        // Two refunds, and one too many.
        let part = json!({"payment_intent": payment, "amount": 960, "reason": "requested_by_customer", "metadata": {"case": "7"}});
        let first = client.call("refunds.create", part).await.unwrap();
        assert_eq!(
            (&first["amount"], &first["status"]),
            (&json!(960), &json!("succeeded")),
            "{name}"
        );
        assert_eq!(first["metadata"], json!({"case": "7"}), "{name}");
        let again = client
            .about("refunds.retrieve", first["id"].as_str().unwrap(), json!({}))
            .await
            .unwrap();
        assert_eq!(again.value, first.value, "{name}");
        let charge = whole["payment_intent"]["latest_charge"]["id"].as_str().unwrap();
        let rest = client.call("refunds.create", json!({"charge": charge})).await.unwrap();
        assert_eq!(rest["amount"], 3000, "{name}");
        let more = client
            .call("refunds.create", json!({"payment_intent": payment}))
            .await
            .unwrap_err();
        assert_refused(
            &more,
            "InvalidRequestError",
            400,
            Some("charge_already_refunded"),
            None,
            name,
        );
        let listed = client
            .call("refunds.list", json!({"payment_intent": payment}))
            .await
            .unwrap();
        assert_eq!(listed["data"], json!([rest.value, first.value]), "{name}");
        let whole = client
            .about("checkout.sessions.retrieve", &id, json!({"expand": [LATER]}))
            .await
            .unwrap();
        assert_eq!(whole["payment_status"], "paid", "{name}");
        assert_eq!(whole["payment_intent"]["latest_charge"]["refunded"], true, "{name}");

        // Authorized, then captured in part.
        let (id, payment) = paid(&mock, &mut client, &[manual()]).await;
        let held = client
            .about("checkout.sessions.retrieve", &id, json!({"expand": ["payment_intent"]}))
            .await
            .unwrap();
        assert_eq!(
            (&held["status"], &held["payment_status"]),
            (&json!("complete"), &json!("unpaid")),
            "{name}"
        );
        assert_eq!(held["payment_intent"]["status"], "requires_capture", "{name}");
        assert_eq!(held["payment_intent"]["amount_capturable"], 3960, "{name}");
        let much = client
            .about("payment_intents.capture", &payment, json!({"amount_to_capture": 3961}))
            .await
            .unwrap_err();
        assert_eq!(
            (much.class.as_str(), much.status),
            ("InvalidRequestError", Some(400)),
            "{name} {much:?}"
        );
        let taken = client
            .about("payment_intents.capture", &payment, json!({"amount_to_capture": 3000}))
            .await
            .unwrap();
        assert_eq!(
            (&taken["status"], &taken["amount_received"]),
            (&json!("succeeded"), &json!(3000)),
            "{name}"
        );
        let twice = client
            .about("payment_intents.capture", &payment, json!({}))
            .await
            .unwrap_err();
        assert_refused(
            &twice,
            "InvalidRequestError",
            400,
            Some("payment_intent_unexpected_state"),
            None,
            name,
        );

        // Authorized, then let go.
        let (_, payment) = paid(&mock, &mut client, &[manual()]).await;
        let reason = json!({"cancellation_reason": "requested_by_customer"});
        let gone = client.about("payment_intents.cancel", &payment, reason).await.unwrap();
        assert_eq!(
            (&gone["status"], &gone["cancellation_reason"]),
            (&json!("canceled"), &json!("requested_by_customer"))
        );
        let late = client
            .about("payment_intents.capture", &payment, json!({}))
            .await
            .unwrap_err();
        assert_refused(
            &late,
            "InvalidRequestError",
            400,
            Some("payment_intent_unexpected_state"),
            None,
            name,
        );
    }
}

#[tokio::test]
async fn sessions_are_listed_in_pages_and_expired_once() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        let mut newest_first = Vec::new();
        for _ in 0..5 {
            let made = client.call("checkout.sessions.create", session(&[])).await.unwrap();
            newest_first.insert(0, made["id"].clone());
        }
        let mut listed = Vec::new();
        let mut more = true;
        while more {
            let mut page = json!({"limit": 2});
            if let Some(last) = listed.last() {
                page["starting_after"] = Value::clone(last);
            }
            let page = client.call("checkout.sessions.list", page).await.unwrap();
            assert_eq!(
                (&page["object"], &page["url"]),
                (&json!("list"), &json!("/v1/checkout/sessions")),
                "{name}"
            );
            listed.extend(page["data"].as_array().unwrap().iter().map(|one| one["id"].clone()));
            more = page["has_more"].as_bool().unwrap();
            assert!(listed.len() <= 5, "{name}: the list has no end");
        }
        assert_eq!(listed, newest_first, "{name}");

        let id = newest_first[0].as_str().unwrap();
        let closed = client.about("checkout.sessions.expire", id, json!({})).await.unwrap();
        assert_eq!(
            (&closed["status"], &closed["url"]),
            (&json!("expired"), &json!(null)),
            "{name}"
        );
        let twice = client
            .about("checkout.sessions.expire", id, json!({}))
            .await
            .unwrap_err();
        assert_eq!(
            (twice.class.as_str(), twice.status),
            ("InvalidRequestError", Some(400)),
            "{name} {twice:?}"
        );

        let (paid_id, payment) = paid(&mock, &mut client, &[]).await;
        let found = client
            .call("checkout.sessions.list", json!({"payment_intent": payment}))
            .await
            .unwrap();
        let found: Vec<_> = found["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["id"].clone())
            .collect();
        assert_eq!(found, [json!(paid_id)], "{name}");
        let late = client
            .about("checkout.sessions.expire", &paid_id, json!({}))
            .await
            .unwrap_err();
        assert_eq!(
            (late.class.as_str(), late.status),
            ("InvalidRequestError", Some(400)),
            "{name} {late:?}"
        );
    }
}

#[tokio::test]
async fn an_older_version_has_its_older_words() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        let old = [("payment_method_types", json!(["card"])), ("ui_mode", json!("hosted"))];
        let new = [
            ("allowed_payment_method_types", json!(["card"])),
            ("ui_mode", json!("hosted_page")),
        ];
        for (version, takes, refuses) in [("2025-09-30.clover", &old, &new), ("2026-10-28.endive", &new, &old)] {
            client.plain().with("version", version);
            let made = client.call("checkout.sessions.create", session(takes)).await.unwrap();
            assert_eq!(
                (&made["ui_mode"], &made.reply["version"]),
                (&takes[1].1, &json!(version)),
                "{name}"
            );
            assert_eq!(made["payment_method_types"], json!(["card"]), "{name} {version}");
            for one in refuses {
                let refused = client
                    .call("checkout.sessions.create", session(std::slice::from_ref(one)))
                    .await;
                assert_eq!(
                    refused.map(|made| made.value).unwrap_err().param.as_deref(),
                    Some(one.0),
                    "{name} {version}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_event_can_be_read_again() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        paid(&mock, &mut client, &[("metadata", json!({"order_id": "EC-1"}))]).await;
        mock.quiet(Duration::from_secs(10)).await.unwrap();
        let events = mock.merchant().events();
        assert!(events.len() >= 2, "{name}");
        for event in events {
            let found = client.about("events.retrieve", &event.id, json!({})).await.unwrap();
            assert_eq!(found.value, event.json, "{name} {}", event.event_type);
            assert_eq!(found["type"], json!(event.event_type), "{name}");
        }
    }
}

/// The error has these parts, and none where none is named.
#[track_caller]
pub fn assert_refused(
    refused: &Refused,
    class: &str,
    status: u64,
    code: Option<&str>,
    param: Option<&str>,
    what: &str,
) {
    let got = (
        refused.class.as_str(),
        refused.status,
        refused.code.as_deref(),
        refused.param.as_deref(),
    );
    assert_eq!(got, (class, Some(status), code, param), "{what}: {refused:?}");
}
