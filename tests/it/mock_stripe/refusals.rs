//! What the API does not take, and in which words it says so (Stripe sheet §1, §3, §4, §10 and §12).

use http::Method;
use kessai::mock::Clock;
use kessai::mock::stripe::MockStripe;

use super::shop::{Form, HOUR, MINUTE, Shop};
use crate::support::start;

/// Every change to a valid body that must be refused: what is set (nothing takes the field out), and the answer.
type Case<'a> = (&'a str, Option<&'a str>, &'a str, &'a str);

const NAME: &str = "line_items[0][price_data][product_data][name]";
const UNIT: &str = "line_items[0][price_data][unit_amount]";
const DECIMAL: &str = "line_items[0][price_data][unit_amount_decimal]";
const CURRENCY: &str = "line_items[0][price_data][currency]";
const QUANTITY: &str = "line_items[0][quantity]";
const SESSIONS: &str = "/v1/checkout/sessions";

async fn refuse(shop: &Shop, form: &Form, code: &str, param: &str) {
    let answer = shop.create(form).await;
    assert_eq!(answer.refusal(), (400, code.to_owned(), param.to_owned()), "{form}");
    assert_eq!(shop.merchant.sessions(), [], "{form}");
}

#[tokio::test]
async fn a_field_that_is_missing_or_malformed_is_named() {
    let long = "x".repeat(5001);
    let long_url = format!("https://shop.example/{long}");
    let cases: Vec<Case<'_>> = vec![
        ("mode", None, "parameter_missing", "mode"),
        ("mode", Some("buy"), "invalid_request_error", "mode"),
        ("mode", Some("subscription"), "invalid_request_error", "mode"),
        ("success_url", None, "parameter_missing", "success_url"),
        ("success_url", Some(""), "parameter_invalid_empty", "success_url"),
        ("success_url", Some("/return"), "url_invalid", "success_url"),
        ("success_url", Some("shop.example/return"), "url_invalid", "success_url"),
        ("success_url", Some("javascript:alert(1)"), "url_invalid", "success_url"),
        (
            "success_url",
            Some("https://shop.example/a b"),
            "url_invalid",
            "success_url",
        ),
        (
            "success_url",
            Some("https://shop.example/\r\nx: y"),
            "url_invalid",
            "success_url",
        ),
        ("success_url", Some(&long_url), "invalid_request_error", "success_url"),
        ("cancel_url", Some("ftp://shop.example/"), "url_invalid", "cancel_url"),
        (QUANTITY, None, "parameter_missing", QUANTITY),
        (QUANTITY, Some("0"), "parameter_invalid_integer", QUANTITY),
        (QUANTITY, Some("-1"), "parameter_invalid_integer", QUANTITY),
        (QUANTITY, Some("1.5"), "parameter_invalid_integer", QUANTITY),
        (QUANTITY, Some("two"), "parameter_invalid_integer", QUANTITY),
        (
            QUANTITY,
            Some("99999999999999999999"),
            "parameter_invalid_integer",
            QUANTITY,
        ),
        (CURRENCY, None, "parameter_missing", CURRENCY),
        (CURRENCY, Some("JPY"), "invalid_request_error", CURRENCY),
        (CURRENCY, Some("yen1"), "invalid_request_error", CURRENCY),
        (UNIT, None, "parameter_missing", UNIT),
        (UNIT, Some("-1980"), "parameter_invalid_integer", UNIT),
        (UNIT, Some("19.80"), "parameter_invalid_integer", UNIT),
        (UNIT, Some("+1980"), "parameter_invalid_integer", UNIT),
        (DECIMAL, Some("10"), "invalid_request_error", UNIT),
        (NAME, None, "parameter_missing", NAME),
        (NAME, Some(""), "parameter_invalid_empty", NAME),
        (NAME, Some(&long), "invalid_request_error", NAME),
        (
            "client_reference_id",
            Some(&long[..201]),
            "invalid_request_error",
            "client_reference_id",
        ),
        ("customer_email", Some("nobody"), "email_invalid", "customer_email"),
        (
            "customer_email",
            Some("a b@shop.example"),
            "email_invalid",
            "customer_email",
        ),
        ("customer", Some("cus_1"), "resource_missing", "customer"),
        ("locale", Some("jp"), "invalid_request_error", "locale"),
        ("locale", Some("ja-JP"), "invalid_request_error", "locale"),
        ("locale", Some("JA"), "invalid_request_error", "locale"),
        ("submit_type", Some("buy"), "invalid_request_error", "submit_type"),
        (
            "payment_intent_data[capture_method]",
            Some("later"),
            "invalid_request_error",
            "payment_intent_data[capture_method]",
        ),
        (
            "payment_intent_data[statement_descriptor]",
            Some("SHOP"),
            "invalid_request_error",
            "payment_intent_data[statement_descriptor]",
        ),
        (
            "payment_intent_data[statement_descriptor_suffix]",
            Some("12345678901234567890123"),
            "invalid_request_error",
            "payment_intent_data[statement_descriptor_suffix]",
        ),
        ("expand[0]", Some("payment_link"), "invalid_request_error", "expand"),
        ("expand[0]", Some("a.b.c.d.e"), "invalid_request_error", "expand"),
    ];
    let shop = Shop::open().await;
    for (name, value, code, param) in cases {
        let answer = shop.create(&Form::valid().with(name, value)).await;
        let status = if code == "resource_missing" { 404 } else { 400 };
        assert_eq!(
            answer.refusal(),
            (status, code.to_owned(), param.to_owned()),
            "{name} = {value:?}"
        );
    }
    assert_eq!(shop.merchant.sessions(), []);
    assert_eq!(shop.create(&Form::valid()).await.status, 200);
}

#[tokio::test]
async fn unknown_parameters_are_refused_wherever_they_sit() {
    let shop = Shop::open().await;
    for name in [
        "amount",
        "return_url",
        "notification_url",
        "line_items[0][amount]",
        "line_items[0][price_data][tax]",
        "line_items[0][price_data][product_data][sku]",
        "line_items[x][quantity]",
        "payment_intent_data[amount]",
        "metadata",
        "metadata[a][b]",
        "Mode",
    ] {
        refuse(&shop, &Form::valid().with(name, "1"), "parameter_unknown", name).await;
    }
}

#[tokio::test]
async fn each_side_of_a_renaming_refuses_the_names_of_the_other() {
    const NEW: &str = "2026-10-28.endive";
    const BETWEEN: &str = "2026-03-25.dahlia";
    const OLD: &str = "2025-09-30.clover";
    let shop = Shop::open().await;
    for (version, name, value, taken) in [
        (NEW, "ui_mode", "hosted_page", true),
        (NEW, "ui_mode", "hosted", false),
        (BETWEEN, "ui_mode", "hosted_page", true),
        (BETWEEN, "ui_mode", "hosted", false),
        (OLD, "ui_mode", "hosted", true),
        (OLD, "ui_mode", "hosted_page", false),
        (NEW, "ui_mode", "embedded_page", false),
        (NEW, "payment_method_types[0]", "card", false),
        (NEW, "allowed_payment_method_types[0]", "card", true),
        (NEW, "excluded_payment_method_types[0]", "konbini", true),
        (BETWEEN, "payment_method_types[0]", "card", true),
        (BETWEEN, "allowed_payment_method_types[0]", "card", false),
        (NEW, "allowed_payment_method_types[0]", "Card", false),
        (NEW, "allowed_payment_method_types[0]", "klarna", false),
    ] {
        let body = Form::valid().with(name, value).to_string();
        let answer = shop
            .call(Method::POST, SESSIONS, &body, &[("stripe-version", version)])
            .await;
        assert_eq!(
            answer.status,
            if taken { 200 } else { 400 },
            "{version} {name}={value}: {}",
            answer.text
        );
        assert_eq!(answer.headers["stripe-version"], version);
        if taken {
            let mode = if version == OLD { "hosted" } else { "hosted_page" };
            assert_eq!(answer.json()["ui_mode"], mode);
        }
    }
    for version in [
        "endive",
        "2026-10-28.Endive",
        "2026-1-28.endive",
        "2026-10-28.",
        "latest",
    ] {
        let answer = shop
            .call(
                Method::POST,
                SESSIONS,
                &Form::valid().to_string(),
                &[("stripe-version", version)],
            )
            .await;
        assert_eq!(answer.refusal().0, 400, "{version}");
    }
}

#[tokio::test]
async fn a_page_lives_half_an_hour_to_a_day() {
    let shop = Shop::open().await;
    let now = start().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (least, most) = ((30 * MINUTE).as_secs(), (24 * HOUR).as_secs());
    for wrong in [now, now - 1, now + least - 1, now + most + 1, 0, u64::MAX / 2] {
        refuse(
            &shop,
            &Form::valid().with("expires_at", wrong.to_string().as_str()),
            "invalid_request_error",
            "expires_at",
        )
        .await;
    }
    for wrong in ["", "soon", "-1", "1e9"] {
        let answer = shop.create(&Form::valid().with("expires_at", wrong)).await;
        assert_eq!(
            (answer.refusal().0, answer.refusal().2.as_str()),
            (400, "expires_at"),
            "{wrong}"
        );
    }
    for right in [now + least, now + most] {
        let answer = shop
            .create(&Form::valid().with("expires_at", right.to_string().as_str()))
            .await;
        assert_eq!(answer.json()["expires_at"], right);
    }
}

#[tokio::test]
async fn amounts_that_cannot_be_charged_are_refused() {
    let shop = Shop::open().await;
    // Minor units, two pieces of each.
    for (currency, unit, code) in [
        ("jpy", "24", "amount_too_small"),
        ("usd", "24", "amount_too_small"),
        ("gbp", "14", "amount_too_small"),
        ("huf", "8749", "amount_too_small"),
        ("jpy", "500000000000", "amount_too_large"),
        ("isk", "525", "parameter_invalid_integer"),
        ("ugx", "50", ""),
        ("kwd", "1", "parameter_invalid_integer"),
        ("jpy", "25", ""),
        ("usd", "25", ""),
        ("jpy", "0", ""),
        ("jpy", "499999999999", ""),
        ("kwd", "5", ""),
    ] {
        let answer = shop
            .create(&Form::valid().with(CURRENCY, currency).with(UNIT, unit))
            .await;
        if code.is_empty() {
            assert_eq!(answer.status, 200, "{currency} {unit}: {}", answer.text);
        } else {
            assert_eq!(
                (answer.status, answer.refusal().1.as_str()),
                (400, code),
                "{currency} {unit}"
            );
        }
    }
}

#[tokio::test]
async fn a_basket_has_one_currency_and_at_most_a_hundred_lines() {
    let shop = Shop::open().await;
    let line = |form: Form, index: usize, currency: &str| {
        form.with(&format!("line_items[{index}][quantity]"), "1")
            .with(&format!("line_items[{index}][price_data][currency]"), currency)
            .with(&format!("line_items[{index}][price_data][unit_amount]"), "100")
            .with(
                &format!("line_items[{index}][price_data][product_data][name]"),
                "Bancha",
            )
    };
    let mixed = line(Form::valid(), 1, "eur");
    refuse(
        &shop,
        &mixed,
        "invalid_request_error",
        "line_items[1][price_data][currency]",
    )
    .await;
    let by_hand = Form::valid().with("currency", "eur");
    refuse(&shop, &by_hand, "invalid_request_error", CURRENCY).await;
    let full = (1..100).fold(Form::valid(), |form, index| line(form, index, "jpy"));
    refuse(
        &shop,
        &line(full.clone(), 100, "jpy"),
        "invalid_request_error",
        "line_items",
    )
    .await;
    let empty = [QUANTITY, CURRENCY, UNIT, NAME]
        .iter()
        .fold(Form::valid(), |form, name| form.with(name, None));
    refuse(&shop, &empty, "parameter_missing", "line_items").await;
    let stored = shop
        .create(&Form::valid().with("line_items[0][price]", "price_1"))
        .await;
    assert_eq!(stored.refusal().0, 404);
    assert_eq!(shop.create(&full).await.json()["amount_total"], 3960 + 99 * 100);
}

#[tokio::test]
async fn metadata_has_limits() {
    let shop = Shop::open().await;
    let many = |count: usize| {
        (0..count).fold(Form::valid(), |form, index| {
            form.with(&format!("metadata[key{index}]"), "value")
        })
    };
    refuse(&shop, &many(51), "invalid_request_error", "metadata").await;
    for place in ["metadata", "payment_intent_data[metadata]"] {
        let long_key = format!("{place}[{}]", "k".repeat(41));
        refuse(
            &shop,
            &Form::valid().with(&long_key, "v"),
            "invalid_request_error",
            &long_key,
        )
        .await;
        let full = format!("{place}[k]");
        let long_value = "あ".repeat(501);
        refuse(
            &shop,
            &Form::valid().with(&full, long_value.as_str()),
            "invalid_request_error",
            &full,
        )
        .await;
    }
    let fits = many(49).with(&format!("metadata[{}]", "k".repeat(40)), "あ".repeat(500).as_str());
    assert_eq!(shop.create(&fits).await.status, 200);
}

#[tokio::test]
async fn only_forms_are_understood() {
    let shop = Shop::open().await;
    let key = format!("Bearer {}", shop.merchant.api_key());
    let form = Form::valid().to_string();
    for (kind, body) in [
        ("application/json", r#"{"mode":"payment"}"#),
        ("application/json", form.as_str()),
        ("multipart/form-data; boundary=x", form.as_str()),
        ("text/plain", form.as_str()),
        ("", form.as_str()),
        ("application/x-www-form-urlencoded", "mode=%zz"),
        ("application/x-www-form-urlencoded", "mode=%ff"),
        ("application/x-www-form-urlencoded", "mode=payment&mode=payment"),
        ("application/x-www-form-urlencoded", "line_items[0[quantity]=1"),
        ("application/x-www-form-urlencoded", "mode=お支払い"),
    ] {
        let headers = [("authorization", key.as_str()), ("content-type", kind)];
        let answer = shop.call_bare(Method::POST, SESSIONS, body, &headers).await.unwrap();
        assert_eq!(
            (answer.status, answer.refusal().1.as_str()),
            (400, "invalid_request_error"),
            "{kind} {body}"
        );
    }
    assert_eq!(shop.merchant.sessions(), []);
}

#[tokio::test]
async fn addresses_and_methods_that_the_api_does_not_have_are_404() {
    let shop = Shop::open().await;
    for (method, path) in [
        (Method::GET, "/v1/"),
        (Method::GET, "/v1/charges"),
        (Method::DELETE, "/v1/checkout/sessions"),
        (Method::PUT, "/v1/checkout/sessions"),
        (Method::GET, "/v1/checkout/sessions/cs_1/expire"),
        (Method::POST, "/v1/checkout/sessions/cs_1/pay"),
        (Method::POST, "/v1/payment_intents/pi_1/confirm"),
        (Method::GET, "/v1/checkout/sessions/cs_test_none"),
        (Method::POST, "/v1/checkout/sessions/cs_test_none/expire"),
        (Method::GET, "/v1/payment_intents/pi_none"),
        (Method::POST, "/v1/payment_intents/pi_none/capture"),
        (Method::GET, "/v1/refunds/re_none"),
        (Method::GET, "/v1/events/evt_none"),
    ] {
        let answer = shop.call(method.clone(), path, "", &[]).await;
        assert_eq!(answer.refusal().0, 404, "{method} {path}");
        assert!(answer.headers["request-id"].to_str().unwrap().starts_with("req_"));
    }
}

#[tokio::test]
async fn lists_have_pages_and_their_limits() {
    let shop = Shop::open().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(shop.create(&Form::valid()).await.id());
    }
    let first = shop.get("/v1/checkout/sessions?limit=2").await.json();
    assert_eq!(
        (&first["data"][0]["id"], &first["has_more"]),
        (&made[2].as_str().into(), &true.into())
    );
    let rest = shop
        .get(&format!("/v1/checkout/sessions?limit=2&starting_after={}", made[1]))
        .await
        .json();
    assert_eq!(
        (&rest["data"][0]["id"], &rest["has_more"]),
        (&made[0].as_str().into(), &false.into())
    );
    for query in [
        "limit=0",
        "limit=101",
        "limit=x",
        "starting_after=cs_test_none",
        "status=open",
        "payment_intent=",
    ] {
        let status = shop.get(&format!("/v1/checkout/sessions?{query}")).await.refusal().0;
        assert!(matches!(status, 400 | 404), "{query}: {status}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    let taken = MockStripe::start().unwrap();
    let port = taken.base_url().port().unwrap();
    assert!(MockStripe::builder().port(port).start().is_err());
    for language in ["", "fr", "JA", "ja-JP"] {
        assert!(MockStripe::builder().language(language).start().is_err(), "{language}");
    }
    drop(taken);
    let again = MockStripe::builder()
        .port(port)
        .clock(Clock::stopped_at(start()))
        .start();
    assert!(again.is_ok(), "the port is free once the simulator is gone");
}
