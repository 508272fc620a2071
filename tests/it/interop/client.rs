//! Stripe's SDKs as clients of the mock gateway: what they can do with Stripe, they can do with it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kessai::mock::stripe::{Fault, MockStripe, Operation, RateLimit, TestCard};
use serde_json::{Value, json};

use super::sdk::{Client, Refused, Sdk};

const LATER: &str = "payment_intent.latest_charge";

fn session(more: &[(&str, Value)]) -> Value {
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
async fn paid(mock: &MockStripe, client: &mut Client<'_>, more: &[(&str, Value)]) -> (String, String) {
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

fn manual() -> (&'static str, Value) {
    ("payment_intent_data", json!({"capture_method": "manual"}))
}

fn unix(at: SystemTime) -> u64 {
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
        let table: Vec<(&str, Vec<(&str, Value)>, Vec<(&str, Value)>)> = vec![
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
async fn bad_parameters_are_refused_in_errors_the_sdks_know() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        let now = unix(mock.clock().now());
        let price = |price: Value| ("line_items", json!([{"quantity": 1, "price_data": price}]));
        let tea = json!({"name": "tea"});
        let amount = "line_items[0][price_data][unit_amount]";
        let table: Vec<((&str, Value), Option<&str>, Option<&str>)> = vec![
            (("mode", json!(null)), None, Some("mode")),
            (("mode", json!("pay")), None, Some("mode")),
            (
                ("success_url", json!("shop.example/return")),
                Some("url_invalid"),
                Some("success_url"),
            ),
            (("success_url", json!("")), None, Some("success_url")),
            (
                ("cancel_url", json!("javascript:alert(1)")),
                Some("url_invalid"),
                Some("cancel_url"),
            ),
            (("locale", json!("tlh")), None, Some("locale")),
            (
                ("client_reference_id", json!("x".repeat(201))),
                None,
                Some("client_reference_id"),
            ),
            (
                ("customer_email", json!("taro")),
                Some("email_invalid"),
                Some("customer_email"),
            ),
            (("customer", json!("cus_1")), Some("resource_missing"), Some("customer")),
            (("expires_at", json!(now + 60)), None, Some("expires_at")),
            (("expires_at", json!(now + 90_000)), None, Some("expires_at")),
            (("ui_mode", json!("hosted")), None, Some("ui_mode")),
            (
                ("payment_method_types", json!(["card"])),
                Some("parameter_unknown"),
                Some("payment_method_types"),
            ),
            (("surprise", json!("x")), Some("parameter_unknown"), Some("surprise")),
            (("line_items", json!([])), Some("parameter_missing"), Some("line_items")),
            (
                price(json!({"currency": "jpy", "unit_amount": 1.5, "product_data": tea})),
                Some("parameter_invalid_integer"),
                Some(amount),
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": -1, "product_data": tea})),
                Some("parameter_invalid_integer"),
                Some(amount),
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": 49, "product_data": tea})),
                Some("amount_too_small"),
                None,
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": 1_000_000_000_000_u64, "product_data": tea})),
                Some("amount_too_large"),
                None,
            ),
            (
                price(json!({"currency": "JPY", "unit_amount": 500, "product_data": tea})),
                None,
                Some("line_items[0][price_data][currency]"),
            ),
            (
                price(json!({"currency": "jpy", "product_data": tea})),
                Some("parameter_missing"),
                Some(amount),
            ),
            (
                price(json!({"currency": "jpy", "unit_amount": 500})),
                Some("parameter_missing"),
                Some("line_items[0][price_data][product_data][name]"),
            ),
        ];
        for ((field, value), code, param) in table {
            let what = format!("{name} {field} {value}");
            let mut params = session(&[(field, value.clone())]);
            if value.is_null() {
                params.as_object_mut().unwrap().remove(field);
            }
            let refused = client
                .call("checkout.sessions.create", params)
                .await
                .map(|made| made.value)
                .unwrap_err();
            let status = if code == Some("resource_missing") { 404 } else { 400 };
            assert_eq!(
                (refused.class.as_str(), refused.status),
                ("InvalidRequestError", Some(status)),
                "{what}: {refused:?}"
            );
            assert_eq!(
                refused.kind.as_deref(),
                Some("invalid_request_error"),
                "{what}: {refused:?}"
            );
            if code.is_some() {
                assert_eq!(refused.code.as_deref(), code, "{what}: {refused:?}");
            }
            assert_eq!(refused.param.as_deref(), param, "{what}: {refused:?}");
            assert!(
                refused.request_id.as_deref().is_some_and(|id| id.starts_with("req_")),
                "{what}: {refused:?}"
            );
        }
        for (method, param) in [
            ("checkout.sessions.retrieve", Some("session")),
            ("checkout.sessions.expire", Some("session")),
            ("payment_intents.retrieve", Some("intent")),
            ("payment_intents.capture", Some("intent")),
            ("payment_intents.cancel", Some("intent")),
            ("refunds.retrieve", Some("refund")),
            ("events.retrieve", Some("id")),
        ] {
            let refused = client
                .about(method, "xx_unknown", json!({}))
                .await
                .map(|found| found.value)
                .unwrap_err();
            assert_refused(
                &refused,
                "InvalidRequestError",
                404,
                Some("resource_missing"),
                param,
                &format!("{name} {method}"),
            );
        }
        let deep = json!({"expand": ["payment_intent.latest_charge.x.y.z"]});
        let refused = client
            .call("checkout.sessions.list", deep)
            .await
            .map(|found| found.value)
            .unwrap_err();
        assert_eq!(refused.class, "InvalidRequestError", "{name}");
        assert!(mock.merchant().sessions().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let name = sdk.name;
        let wrong = [
            "sk_test_0123456789abcdef",
            "sk_live_0123456789abcdef",
            "rk_live_0123456789abcdef",
            "pk_test_0123456789abcdef",
        ];
        for key in wrong {
            let refused = sdk
                .client(&mock, key)
                .call("checkout.sessions.create", session(&[]))
                .await;
            let refused = refused.map(|made| made.value).unwrap_err();
            assert_refused(
                &refused,
                "AuthenticationError",
                401,
                None,
                None,
                &format!("{name} {key}"),
            );
            assert!(!refused.message.contains(key), "{name} the key is in the message");
        }
        let key = mock.merchant().api_key().to_owned();
        let (id, payment) = paid(&mock, &mut sdk.client(&mock, &key), &[manual()]).await;

        // A restricted key reads, but does not move money.
        let restricted = mock.merchant().restricted_key().to_owned();
        let mut client = sdk.client(&mock, &restricted);
        assert!(
            client.about("checkout.sessions.retrieve", &id, json!({})).await.is_ok(),
            "{name}"
        );
        for (method, about) in [
            ("payment_intents.capture", true),
            ("payment_intents.cancel", true),
            ("refunds.create", false),
        ] {
            let refused = if about {
                client.about(method, &payment, json!({})).await
            } else {
                client.call(method, json!({"payment_intent": payment})).await
            };
            let refused = refused.map(|done| done.value).unwrap_err();
            assert_refused(
                &refused,
                "PermissionError",
                403,
                None,
                None,
                &format!("{name} {method}"),
            );
        }

        // Another merchant's session looks like none.
        let other = mock.open_merchant("Somebody else");
        let refused = sdk
            .client(&mock, other.api_key())
            .about("checkout.sessions.retrieve", &id, json!({}))
            .await;
        assert_refused(
            &refused.unwrap_err(),
            "InvalidRequestError",
            404,
            Some("resource_missing"),
            Some("session"),
            name,
        );
        assert_eq!(
            mock.merchant().session(&id).unwrap().payment_intent_status.as_deref(),
            Some("requires_capture")
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
async fn a_key_is_good_for_one_set_of_parameters() {
    for mut sdk in Sdk::all() {
        let mock = MockStripe::start().unwrap();
        let (name, key) = (sdk.name, mock.merchant().api_key().to_owned());
        let mut client = sdk.client(&mock, &key);
        client.with("idempotency_key", "order-1 / try-1");
        let first = client.call("checkout.sessions.create", session(&[])).await.unwrap();
        let again = client.call("checkout.sessions.create", session(&[])).await.unwrap();
        assert_eq!(first.value, again.value, "{name}");
        assert_eq!(first.reply["idempotency_key"], "order-1 / try-1", "{name}");
        let other = client
            .call("checkout.sessions.create", session(&[("locale", json!("ja"))]))
            .await;
        assert_refused(&other.unwrap_err(), "IdempotencyError", 400, None, None, name);
        assert_eq!(mock.merchant().sessions().len(), 1, "{name}");

        // What validation refused was not kept.
        client.with("idempotency_key", "order-2");
        let refused = client
            .call("checkout.sessions.create", session(&[("locale", json!("tlh"))]))
            .await;
        assert_eq!(refused.unwrap_err().class, "InvalidRequestError", "{name}");
        assert!(
            client.call("checkout.sessions.create", session(&[])).await.is_ok(),
            "{name}"
        );

        // Another merchant's keys are others.
        let merchant = mock.open_merchant("Somebody else");
        let mut theirs = sdk.client(&mock, merchant.api_key());
        theirs.with("idempotency_key", "order-1 / try-1");
        let made = theirs.call("checkout.sessions.create", session(&[])).await.unwrap();
        assert_ne!(made["id"], first["id"], "{name}");
    }
}

#[tokio::test]
async fn the_sdks_repeat_what_may_be_repeated_under_the_same_key() {
    for mut sdk in Sdk::all() {
        let name = sdk.name;
        let passing = [
            Fault::Unavailable,
            Fault::KeyInUse,
            Fault::LostRequest,
            Fault::LostReply,
        ];
        for fault in passing {
            let what = format!("{name} {fault:?}");
            let mock = MockStripe::start().unwrap();
            let key = mock.merchant().api_key().to_owned();
            let mut client = sdk.client(&mock, &key);
            client.with("retries", 2);
            let armed = mock.fault(fault).on(Operation::CreateSession).arm();
            let made = client.call("checkout.sessions.create", session(&[])).await;
            let made = made.unwrap_or_else(|refused| panic!("{what}: {refused:?}"));
            assert_eq!(armed.hits(), 1, "{what}");
            // Carried out once, whatever was lost on the way.
            let sessions = mock.merchant().sessions();
            assert_eq!(sessions.len(), 1, "{what}");
            assert_eq!(made["id"], json!(sessions[0].id), "{what}");
            assert_eq!(keys_of(&mock), 1, "{what}");
        }
        // Node's SDK leaves a reply that broke off in the middle to its caller, who has the key.
        let mock = MockStripe::start().unwrap();
        let api_key = mock.merchant().api_key().to_owned();
        let mut client = sdk.client(&mock, &api_key);
        client.with("retries", 2).with("idempotency_key", "order-1");
        let armed = mock.fault(Fault::BrokenOff).on(Operation::CreateSession).arm();
        if let Err(broken) = client.call("checkout.sessions.create", session(&[])).await {
            assert!(broken.class.ends_with("ConnectionError"), "{name} {broken:?}");
        }
        assert_eq!(armed.hits(), 1, "{name}");
        let made = client.call("checkout.sessions.create", session(&[])).await.unwrap();
        let sessions = mock.merchant().sessions();
        assert_eq!((sessions.len(), &made["id"]), (1, &json!(sessions[0].id)), "{name}");

        // A 500 that was carried out, or kept, stays a 500 under its key.
        for fault in [Fault::ServerError, Fault::ServerErrorAfterWork] {
            let what = format!("{name} {fault:?}");
            let mock = MockStripe::start().unwrap();
            let key = mock.merchant().api_key().to_owned();
            let mut client = sdk.client(&mock, &key);
            client.with("retries", 2);
            let after = matches!(fault, Fault::ServerErrorAfterWork);
            mock.fault(fault).on(Operation::CreateSession).arm();
            let refused = client
                .call("checkout.sessions.create", session(&[]))
                .await
                .map(|made| made.value)
                .unwrap_err();
            assert_refused(&refused, "APIError", 500, None, None, &what);
            assert_eq!(refused.kind.as_deref(), Some("api_error"), "{what}");
            assert_eq!(mock.requests().len(), 3, "{what}");
            assert_eq!(keys_of(&mock), 1, "{what}");
            assert_eq!(mock.merchant().sessions().len(), usize::from(after), "{what}");
        }
    }
}

#[tokio::test]
async fn rate_limits_and_locks_are_told_apart() {
    for mut sdk in Sdk::all() {
        let name = sdk.name;
        let faults = [
            (Fault::RateLimited(RateLimit::GlobalRate), "rate_limit"),
            (Fault::LockTimeout, "lock_timeout"),
        ];
        for (fault, code) in faults {
            let mock = MockStripe::start().unwrap();
            let key = mock.merchant().api_key().to_owned();
            let mut client = sdk.client(&mock, &key);
            mock.fault(fault).on(Operation::CreateSession).arm();
            let refused = client
                .call("checkout.sessions.create", session(&[]))
                .await
                .map(|made| made.value)
                .unwrap_err();
            assert_refused(
                &refused,
                "RateLimitError",
                429,
                Some(code),
                None,
                &format!("{name} {code}"),
            );
            assert!(mock.merchant().sessions().is_empty(), "{name}");
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

/// How many different keys the creating calls had; each had one.
fn keys_of(mock: &MockStripe) -> usize {
    let keys: std::collections::BTreeSet<_> = mock
        .requests()
        .into_iter()
        .map(|request| request.idempotency_key.expect("a key"))
        .collect();
    keys.len()
}

#[track_caller]
fn assert_refused(refused: &Refused, class: &str, status: u64, code: Option<&str>, param: Option<&str>, what: &str) {
    let got = (
        refused.class.as_str(),
        refused.status,
        refused.code.as_deref(),
        refused.param.as_deref(),
    );
    assert_eq!(got, (class, Some(status), code, param), "{what}: {refused:?}");
}
