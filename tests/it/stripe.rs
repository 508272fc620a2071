//! Stripe's wire: what is sent, how every answer is read, what every event means. The tables are those of the sheet.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kessai::gateways::stripe::signature_header;
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::transport::{RetryPolicy, TransportErrorKind};
use kessai::{
    Ack, AllowedOrigins, Callback, CaptureMode, CheckoutRequest, Currency, Email, Environment, Error, ErrorKind,
    ExpectedPayment, Gateway, GatewayReference, IdempotencyKey, LineItem, Locale, MerchantReference, Money, Outcome,
    PaymentStatus, Redirect, Trust, VerifyError,
};
use serde_json::{Value, json};

use crate::support::scripted::Scripted;
use crate::support::{SIGNING_SECRET, order, start, stripe, yen};

const SESSION: &str = "cs_test_a1B2c3";

fn once() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    policy
}

/// A gateway over a script, with one attempt planned for the given request.
fn planned(request: &CheckoutRequest) -> (Scripted, kessai::gateways::stripe::Stripe, ExpectedPayment) {
    let script = Scripted::new();
    let stripe = stripe()
        .transport(Arc::new(script.clone()))
        .retry(once())
        .build()
        .unwrap();
    let expected = ExpectedPayment::plan(&stripe, request, start()).unwrap();
    (script, stripe, expected)
}

fn session_for(expected: &ExpectedPayment) -> Value {
    json!({
        "id": SESSION, "object": "checkout.session", "mode": "payment", "livemode": false,
        "url": "https://checkout.stripe.com/c/pay/cs_test_a1B2c3#fid%2Fx",
        "status": "open", "payment_status": "unpaid", "payment_intent": null,
        "amount_total": expected.amount.minor_units(), "currency": expected.amount.currency().code().to_lowercase(),
        "client_reference_id": expected.order.as_str(), "expires_at": 1_795_486_400,
        "metadata": {"order_id": expected.order.as_str(), "attempt_id": expected.attempt.as_str()},
    })
}

fn opened(expected: &ExpectedPayment) -> StoredAttempt {
    let mut attempt = StoredAttempt::new(expected.clone());
    attempt.checkout = Some(GatewayReference::new(SESSION).unwrap());
    attempt.opened = true;
    attempt
}

fn decoded(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

#[tokio::test]
async fn the_create_call_carries_every_field_of_the_request_in_stripes_words() {
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new("Sencha 緑茶 & \"cup\"", yen(1980), 2).unwrap())
        .item(LineItem::new("Gift wrap", yen(0), 1).unwrap())
        .email(Email::new("a+b@shop.example").unwrap())
        .locale(Locale::new("ja-JP").unwrap())
        .capture(CaptureMode::Manual)
        .valid_for(Duration::from_secs(3600))
        .build()
        .unwrap();
    let (script, stripe, expected) = planned(&request);
    script.answer(200, session_for(&expected).to_string());
    let checkout = stripe.checkout(&expected, &request).await.unwrap();

    let sent = script.one_request();
    assert_eq!(sent.method(), "POST");
    assert_eq!(sent.uri(), "https://api.stripe.com/v1/checkout/sessions");
    assert_eq!(sent.headers()["authorization"], "Bearer sk_test_0123456789abcdef");
    assert!(sent.headers()["authorization"].is_sensitive());
    assert_eq!(sent.headers()["stripe-version"], "2026-10-28.endive");
    assert_eq!(sent.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(sent.headers()["idempotency-key"], expected.idempotency_key.as_str());
    let attempt = expected.attempt.as_str();
    let state = expected.return_token.as_str();
    let wanted = [
        ("mode", "payment"),
        ("client_reference_id", "EC-1"),
        (
            "success_url",
            &format!(
                "https://shop.example/pay/stripe/return?attempt={attempt}&state={state}&session_id={{CHECKOUT_SESSION_ID}}"
            ),
        ),
        (
            "cancel_url",
            &format!("https://shop.example/pay/stripe/cancel?attempt={attempt}&state={state}"),
        ),
        ("customer_email", "a+b@shop.example"),
        ("locale", "ja"),
        ("expires_at", "1795403600"),
        ("line_items[0][quantity]", "2"),
        ("line_items[0][price_data][currency]", "jpy"),
        ("line_items[0][price_data][unit_amount]", "1980"),
        ("line_items[0][price_data][product_data][name]", "Sencha 緑茶 & \"cup\""),
        ("line_items[1][quantity]", "1"),
        ("line_items[1][price_data][currency]", "jpy"),
        ("line_items[1][price_data][unit_amount]", "0"),
        ("line_items[1][price_data][product_data][name]", "Gift wrap"),
        ("payment_intent_data[capture_method]", "manual"),
        ("metadata[order_id]", "EC-1"),
        ("metadata[attempt_id]", attempt),
        ("payment_intent_data[metadata][order_id]", "EC-1"),
        ("payment_intent_data[metadata][attempt_id]", attempt),
    ];
    let wanted: Vec<_> = wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(decoded(sent.body()), wanted);
    // No plus for a space and no raw reserved character: the encoder of the vectors.
    assert!(
        sent.body()
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%=&[]".contains(byte))
    );

    let Redirect::Get(url) = &checkout.redirect else {
        panic!("a link was expected")
    };
    assert_eq!(url.as_str(), "https://checkout.stripe.com/c/pay/cs_test_a1B2c3#fid%2Fx");
    assert_eq!(checkout.reference.unwrap().as_str(), SESSION);
}

#[tokio::test]
async fn the_default_expiry_and_unknown_languages_are_not_sent() {
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .total(yen(500))
        .locale(Locale::new("tlh").unwrap())
        .build()
        .unwrap();
    let (script, stripe, expected) = planned(&request);
    script.answer(200, session_for(&expected).to_string());
    let _ = stripe.checkout(&expected, &request).await.unwrap();
    let names: Vec<_> = decoded(script.one_request().body())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for absent in [
        "expires_at",
        "locale",
        "customer_email",
        "ui_mode",
        "payment_method_types[0]",
    ] {
        assert!(!names.contains(&absent.to_owned()), "{absent}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_the_one_written_down_is_not_sent() {
    let (script, stripe, expected) = planned(&order("EC-1"));
    let error = stripe.checkout(&expected, &order("EC-2")).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Request, Outcome::NotSent));
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn a_session_that_is_not_what_was_asked_for_leads_nowhere() {
    let changes: [(&str, Value); 14] = [
        ("livemode", json!(true)),
        ("livemode", json!(null)),
        ("amount_total", json!(3961)),
        ("amount_total", json!(null)),
        ("currency", json!("usd")),
        ("currency", json!("JPY")),
        ("client_reference_id", json!("EC-2")),
        ("client_reference_id", json!(null)),
        ("id", json!("")),
        ("url", json!(null)),
        ("url", json!("http://checkout.stripe.com/c/pay/1")),
        ("url", json!("https://checkout.stripe.com.evil.example/c/pay/1")),
        ("url", json!("https://checkout.stripe.com@evil.example/")),
        ("url", json!("javascript:alert(1)")),
    ];
    for (field, value) in changes {
        let (script, stripe, expected) = planned(&order("EC-1"));
        let mut session = session_for(&expected);
        session[field] = value.clone();
        script.answer(200, session.to_string());
        let error = stripe.checkout(&expected, &order("EC-1")).await.unwrap_err();
        // The gateway acted, so it is unknown and not refused.
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Protocol, Outcome::Unknown),
            "{field} {value}"
        );
        assert_eq!(error.request_id(), Some("req_Test1"), "{field} {value}");
    }
}

#[tokio::test]
async fn every_refusal_of_the_sheet_has_its_kind_and_outcome() {
    let body =
        |kind: &str, code: Option<&str>| json!({"error": {"type": kind, "code": code, "param": "mode"}}).to_string();
    let invalid = |code| body("invalid_request_error", Some(code));
    let html = "<html>maintenance</html>".to_owned();
    let table: Vec<(u16, String, ErrorKind, Outcome)> = vec![
        (400, invalid("parameter_missing"), ErrorKind::Request, Outcome::Refused),
        (400, invalid("parameter_unknown"), ErrorKind::Request, Outcome::Refused),
        (400, invalid("amount_too_small"), ErrorKind::Request, Outcome::Refused),
        (400, invalid("url_invalid"), ErrorKind::Request, Outcome::Refused),
        (
            400,
            invalid("payment_intent_unexpected_state"),
            ErrorKind::Conflict,
            Outcome::Refused,
        ),
        (
            400,
            invalid("charge_already_refunded"),
            ErrorKind::Conflict,
            Outcome::Refused,
        ),
        (
            400,
            body("idempotency_error", None),
            ErrorKind::Conflict,
            Outcome::Refused,
        ),
        (400, invalid("resource_missing"), ErrorKind::NotFound, Outcome::Refused),
        (404, invalid("resource_missing"), ErrorKind::NotFound, Outcome::Refused),
        (
            401,
            invalid("api_key_expired"),
            ErrorKind::Authentication,
            Outcome::Refused,
        ),
        (
            402,
            body("card_error", Some("card_declined")),
            ErrorKind::Declined,
            Outcome::Refused,
        ),
        (
            403,
            body("invalid_request_error", None),
            ErrorKind::Authentication,
            Outcome::Refused,
        ),
        (
            409,
            invalid("idempotency_key_in_use"),
            ErrorKind::Conflict,
            Outcome::Unknown,
        ),
        (429, invalid("lock_timeout"), ErrorKind::RateLimited, Outcome::Refused),
        (500, body("api_error", None), ErrorKind::Unavailable, Outcome::Unknown),
        (503, html.clone(), ErrorKind::Unavailable, Outcome::Unknown),
        (200, html.clone(), ErrorKind::Protocol, Outcome::Unknown),
        (200, String::new(), ErrorKind::Protocol, Outcome::Unknown),
        (200, "{\"id\":".to_owned(), ErrorKind::Protocol, Outcome::Unknown),
        (200, "[]".to_owned(), ErrorKind::Protocol, Outcome::Unknown),
        (204, String::new(), ErrorKind::Protocol, Outcome::Unknown),
        (302, String::new(), ErrorKind::Protocol, Outcome::Unknown),
        (400, html.clone(), ErrorKind::Protocol, Outcome::Unknown),
        (404, html, ErrorKind::Protocol, Outcome::Unknown),
    ];
    for (status, body, kind, outcome) in table {
        let (script, stripe, expected) = planned(&order("EC-1"));
        script.answer(status, body.clone());
        let error = stripe.checkout(&expected, &order("EC-1")).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{status} {body}");
        assert_eq!(error.request_id(), Some("req_Test1"), "{status} {body}");
    }
    for (failure, outcome) in [
        (TransportErrorKind::Refused, Outcome::NotSent),
        (TransportErrorKind::Connect, Outcome::NotSent),
        (TransportErrorKind::Timeout, Outcome::Unknown),
        (TransportErrorKind::Broken, Outcome::Unknown),
        (TransportErrorKind::Reply, Outcome::Unknown),
    ] {
        let (script, stripe, expected) = planned(&order("EC-1"));
        script.fail(failure);
        let error = stripe.checkout(&expected, &order("EC-1")).await.unwrap_err();
        assert_eq!(error.outcome(), outcome, "{failure:?}");
    }
}

/// The whole table of sheet section 8, and what is in none of its rows.
#[tokio::test]
async fn every_row_of_the_status_table_is_read_as_the_sheet_says() {
    use PaymentStatus as S;
    let intent = |status: &str| json!({"id": "pi_1", "status": status, "latest_charge": null});
    let charged = |charge: Value| json!({"id": "pi_1", "status": "succeeded", "latest_charge": charge});
    let charge = |refunded: bool, amount_refunded: u64, disputed: bool| {
        charged(json!({
            "id": "ch_1", "amount": 3960, "amount_refunded": amount_refunded, "currency": "jpy",
            "refunded": refunded, "disputed": disputed,
        }))
    };
    let of_part = |refunded: bool, amount_refunded: u64| {
        charged(json!({
            "id": "ch_1", "amount": 3960, "amount_captured": 3000, "amount_refunded": amount_refunded, "currency": "jpy",
            "refunded": refunded, "disputed": false,
        }))
    };
    let table: Vec<(Value, Value, Value, PaymentStatus)> = vec![
        (json!("open"), json!("unpaid"), json!(null), S::Created),
        (
            json!("open"),
            json!("unpaid"),
            intent("requires_payment_method"),
            S::Created,
        ),
        (
            json!("open"),
            json!("unpaid"),
            intent("requires_confirmation"),
            S::Created,
        ),
        (
            json!("open"),
            json!("unpaid"),
            intent("requires_action"),
            S::RequiresAction,
        ),
        (json!("open"), json!("unpaid"), intent("processing"), S::Pending),
        (json!("complete"), json!("unpaid"), intent("processing"), S::Pending),
        (
            json!("complete"),
            json!("unpaid"),
            intent("requires_capture"),
            S::Authorized,
        ),
        (
            json!("complete"),
            json!("unpaid"),
            intent("requires_payment_method"),
            S::Failed,
        ),
        (json!("complete"), json!("unpaid"), intent("canceled"), S::Cancelled),
        (json!("complete"), json!("unpaid"), json!("pi_1"), S::Pending),
        (json!("complete"), json!("paid"), intent("succeeded"), S::Captured),
        (json!("complete"), json!("paid"), json!("pi_1"), S::Captured),
        (
            json!("complete"),
            json!("no_payment_required"),
            json!(null),
            S::Captured,
        ),
        (json!("expired"), json!("unpaid"), json!(null), S::Expired),
        (json!("expired"), json!("unpaid"), intent("canceled"), S::Expired),
        (json!("complete"), json!("paid"), charge(false, 0, false), S::Captured),
        (
            json!("complete"),
            json!("paid"),
            charge(false, 1, false),
            S::PartiallyRefunded,
        ),
        (json!("complete"), json!("paid"), charge(true, 3960, false), S::Refunded),
        // More cannot go back than came, and of what was captured in part that part is all.
        (json!("complete"), json!("paid"), charge(false, 3961, false), S::Unknown),
        (json!("complete"), json!("paid"), charge(true, 3961, false), S::Unknown),
        (json!("complete"), json!("paid"), of_part(true, 3000), S::Refunded),
        (
            json!("complete"),
            json!("paid"),
            of_part(false, 2999),
            S::PartiallyRefunded,
        ),
        (json!("complete"), json!("paid"), of_part(false, 3001), S::Unknown),
        (json!("complete"), json!("paid"), charge(true, 3960, true), S::Disputed),
        (json!("complete"), json!("paid"), charge(false, 0, true), S::Disputed),
        // Words that are not in the table, and contradictions: neither paid nor failed.
        (json!("complete"), json!("Paid"), intent("succeeded"), S::Unknown),
        (json!("complete"), json!("paid "), intent("succeeded"), S::Unknown),
        (json!("complete"), json!("unpaid-paid"), intent("succeeded"), S::Unknown),
        (json!("complete"), json!("paid"), intent("SUCCEEDED"), S::Unknown),
        (json!("complete"), json!("paid"), intent("canceled"), S::Unknown),
        (json!("complete"), json!("paid"), intent("processing"), S::Unknown),
        (json!("complete"), json!("paid"), intent("newly_invented"), S::Unknown),
        (json!("complete"), json!("paid"), json!({"id": "pi_1"}), S::Unknown),
        (
            json!("complete"),
            json!("newly_invented"),
            intent("succeeded"),
            S::Unknown,
        ),
        (json!("complete"), json!(null), intent("succeeded"), S::Unknown),
        (json!("open"), json!("paid"), intent("succeeded"), S::Unknown),
        (json!("expired"), json!("paid"), intent("succeeded"), S::Unknown),
        (json!("newly_invented"), json!("paid"), intent("succeeded"), S::Unknown),
        (json!(null), json!("paid"), intent("succeeded"), S::Unknown),
    ];
    for (status, payment_status, payment_intent, expected_status) in table {
        let (script, stripe, expected) = planned(&order("EC-1"));
        let mut session = session_for(&expected);
        session["status"] = status.clone();
        session["payment_status"] = payment_status.clone();
        session["payment_intent"] = payment_intent.clone();
        script.answer(200, session.to_string());
        let event = stripe.status(&opened(&expected), start()).await.unwrap();
        assert_eq!(event.trust(), Trust::StatusQuery);
        let got = event.value().snapshot.status;
        assert_eq!(got, expected_status, "{status} {payment_status} {payment_intent}");
        let sent = script.one_request();
        assert_eq!(sent.method(), "GET");
        let wanted =
            "https://api.stripe.com/v1/checkout/sessions/cs_test_a1B2c3?expand[0]=payment_intent.latest_charge";
        assert_eq!(sent.uri(), wanted);
        assert!(!sent.headers().contains_key("idempotency-key"));
    }
}

#[tokio::test]
async fn an_answer_about_another_session_is_no_answer() {
    for id in ["cs_test_other", "", "CS_TEST_A1B2C3", "cs_test_a1B2c3 "] {
        let (script, stripe, expected) = planned(&order("EC-1"));
        let mut session = session_for(&expected);
        session["id"] = json!(id);
        script.answer(200, session.to_string());
        let error = stripe.status(&opened(&expected), start()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{id:?}");
    }
    let (script, stripe, expected) = planned(&order("EC-1"));
    let error = stripe.status(&StoredAttempt::new(expected), start()).await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(script.requests().is_empty());
}

#[tokio::test]
async fn an_identifier_stays_one_path_segment() {
    for hostile in [
        "../../v1/refunds",
        "x?expand=1",
        "x#y",
        "x@evil.example",
        "x%2f..",
        "//evil.example",
        "x\\y",
        "..",
    ] {
        let (script, stripe, expected) = planned(&order("EC-1"));
        let mut attempt = opened(&expected);
        attempt.checkout = Some(GatewayReference::new(hostile).unwrap());
        script.answer(404, "{\"error\":{\"type\":\"invalid_request_error\"}}");
        let _ = stripe.status(&attempt, start()).await.unwrap_err();
        let sent = script.one_request();
        assert_eq!(sent.uri().host(), Some("api.stripe.com"), "{hostile}");
        assert_eq!(sent.uri().path().matches('/').count(), 4, "{hostile}: {}", sent.uri());
        // As the HTTP client reads it.
        let url = url::Url::parse(&sent.uri().to_string()).unwrap();
        assert_eq!(url.path_segments().unwrap().count(), 4, "{hostile}: {url}");
    }
}

#[tokio::test]
async fn expire_capture_void_and_refund_send_what_the_sheet_says() {
    let (script, stripe, expected) = planned(&order("EC-1"));
    let mut attempt = opened(&expected);
    attempt.payment = Some(GatewayReference::new("pi_1").unwrap());
    let key = IdempotencyKey::new("op-1").unwrap();
    let abilities = stripe.abilities();

    let mut session = session_for(&expected);
    session["status"] = json!("expired");
    script.answer(200, session.to_string());
    let event = abilities.expire.unwrap().expire(&attempt, start()).await.unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Expired);
    let sent = script.one_request();
    assert_eq!(sent.uri().path(), "/v1/checkout/sessions/cs_test_a1B2c3/expire");
    assert!(sent.body().is_empty());
    // A key of its own each time: a failure that Stripe has stored under one is not all that is ever heard again.
    let first = sent.headers()["idempotency-key"].clone();
    script.answer(200, session.to_string());
    let _ = abilities.expire.unwrap().expire(&attempt, start()).await.unwrap();
    let second = script.one_request().headers()["idempotency-key"].clone();
    assert!(!first.is_empty() && first != second);

    script.answer(200, "{\"id\":\"pi_1\"}");
    abilities
        .capture
        .unwrap()
        .capture(&attempt, Some(yen(1500)), &key, start())
        .await
        .unwrap();
    let sent = script.one_request();
    assert_eq!(
        (sent.uri().path(), &sent.body()[..]),
        ("/v1/payment_intents/pi_1/capture", &b"amount_to_capture=1500"[..])
    );
    assert_eq!(sent.headers()["idempotency-key"], "op-1");

    script.answer(200, "{\"id\":\"pi_1\"}");
    abilities.void.unwrap().void(&attempt, &key, start()).await.unwrap();
    let sent = script.one_request();
    assert_eq!(sent.uri().path(), "/v1/payment_intents/pi_1/cancel");
    assert_eq!(&sent.body()[..], b"cancellation_reason=requested_by_customer");

    script.answer(200, "{\"id\":\"re_1\",\"status\":\"pending\"}");
    let receipt = abilities
        .refund
        .unwrap()
        .refund(&attempt, Some(yen(1000)), &key, start())
        .await
        .unwrap();
    assert_eq!(
        (receipt.reference.as_str(), receipt.gateway_status.as_str()),
        ("re_1", "pending")
    );
    let sent = script.one_request();
    assert_eq!(
        (sent.uri().path(), &sent.body()[..]),
        ("/v1/refunds", &b"payment_intent=pi_1&amount=1000"[..])
    );

    // About another payment, or without one: no success.
    script.answer(200, r#"{"id":"re_1","status":"pending","payment_intent":"pi_2"}"#);
    let refund = abilities.refund.unwrap();
    let error = refund
        .refund(&attempt, Some(yen(1000)), &key, start())
        .await
        .unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "it may have been made");
    script.answer(200, "{\"id\":\"pi_2\"}");
    assert!(
        abilities
            .capture
            .unwrap()
            .capture(&attempt, None, &key, start())
            .await
            .is_err()
    );
    attempt.payment = None;
    assert!(
        abilities
            .refund
            .unwrap()
            .refund(&attempt, None, &key, start())
            .await
            .is_err()
    );
}

// ----- money -----

#[test]
fn amounts_are_sent_in_stripes_units_and_read_back_as_ours() {
    // Golden values of sheet section 10: what five units are on the wire.
    for (code, ours, wire) in [
        ("JPY", 5, "5"),
        ("KRW", 5, "5"),
        ("VND", 5, "5"),
        ("XOF", 5, "5"),
        ("CLP", 5, "5"),
        ("MGA", 500, "5"),
        ("ISK", 5, "500"),
        ("UGX", 5, "500"),
        ("USD", 500, "500"),
        ("EUR", 500, "500"),
        ("HUF", 500, "500"),
        ("TWD", 500, "500"),
        ("KWD", 5000, "5000"),
        ("BHD", 5000, "5000"),
        ("JOD", 5000, "5000"),
        ("OMR", 5000, "5000"),
        ("TND", 5000, "5000"),
    ] {
        let currency: Currency = code.parse().unwrap();
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .total(Money::new(ours, currency))
            .build()
            .unwrap();
        let (_, stripe, expected) = planned(&request);
        let call = stripe.create_session(&expected, &request);
        let pairs = decoded(call.body().unwrap().as_bytes());
        let amount = pairs
            .iter()
            .find(|(name, _)| name == "line_items[0][price_data][unit_amount]")
            .unwrap();
        assert_eq!(amount.1, wire, "{code}");
    }
}

#[test]
fn amounts_that_stripe_cannot_express_are_refused_before_anything_is_written() {
    for (code, minor) in [
        ("KWD", 5001),
        ("BHD", 1),
        ("TND", 9),
        ("MGA", 501),
        ("MGA", 99),
        ("JPY", 1_000_000_000_000),
        // Listed nowhere, and two decimals would be another amount.
        ("IQD", 1980),
        ("LYD", 1000),
        ("CLF", 10_000),
        ("UYW", 10_000),
        ("UYI", 1980),
    ] {
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .total(Money::new(minor, code.parse().unwrap()))
            .build()
            .unwrap();
        let stripe = stripe().build().unwrap();
        assert!(
            ExpectedPayment::plan(&stripe, &request, start()).is_err(),
            "{code} {minor}"
        );
    }
    for seconds in [0, 1799, 24 * 3600 + 1] {
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .total(yen(500))
            .valid_for(Duration::from_secs(seconds))
            .build()
            .unwrap();
        assert!(
            ExpectedPayment::plan(&stripe().build().unwrap(), &request, start()).is_err(),
            "{seconds}"
        );
    }
    for (total, seconds) in [(999_999_999_999, 24 * 3600), (1, 1800)] {
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .total(yen(total))
            .valid_for(Duration::from_secs(seconds))
            .build()
            .unwrap();
        let planned = ExpectedPayment::plan(&stripe().build().unwrap(), &request, start());
        assert!(planned.is_ok(), "{total} {seconds}");
    }
}

// ----- webhooks -----

fn signed(body: &str, age: u64) -> Callback {
    signed_within(kessai::CallbackLimits::default(), body, age)
}

fn signed_within(limits: kessai::CallbackLimits, body: &str, age: u64) -> Callback {
    let keys = SigningKeys::from_texts([SIGNING_SECRET]).unwrap();
    let header = signature_header(&keys, start() - Duration::from_secs(age), body.as_bytes());
    let request = http::Request::post("/pay/stripe/notification")
        .header("Stripe-Signature", header)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    Callback::within(limits, request, start()).unwrap()
}

fn event(kind: &str, object: &Value) -> Value {
    json!({
        "id": "evt_1", "object": "event", "type": kind, "created": 1_795_399_990, "livemode": false,
        "api_version": "2026-10-28.endive", "data": {"object": object}, "pending_webhooks": 1, "request": null,
    })
}

#[test]
fn every_event_type_of_the_sheet_says_what_the_sheet_says() {
    use PaymentStatus as S;
    let stripe = stripe().build().unwrap();
    let session = |status: &str, payment_status: &str| {
        json!({
            "id": SESSION, "mode": "payment", "status": status, "payment_status": payment_status, "livemode": false,
            "amount_total": 3960, "currency": "jpy", "payment_intent": "pi_1", "client_reference_id": "EC-1",
            "metadata": {"order_id": "EC-1", "attempt_id": "a1"},
        })
    };
    let intent = |status: &str| {
        json!({
            "id": "pi_1", "status": status, "amount": 3960, "currency": "jpy", "livemode": false,
            "metadata": {"order_id": "EC-1", "attempt_id": "a1"},
        })
    };
    let charge = |refunded: bool, amount: u64| {
        json!({
            "id": "ch_1", "payment_intent": "pi_1", "amount": 3960, "amount_captured": 3960, "amount_refunded": amount,
            "currency": "jpy", "refunded": refunded, "livemode": false,
        })
    };
    let about = json!({"id": "re_1", "payment_intent": "pi_1"});
    let table = [
        (
            "checkout.session.completed",
            session("complete", "paid"),
            Some(S::Captured),
        ),
        (
            "checkout.session.completed",
            session("complete", "no_payment_required"),
            Some(S::Captured),
        ),
        (
            "checkout.session.completed",
            session("complete", "unpaid"),
            Some(S::Pending),
        ),
        (
            "checkout.session.completed",
            session("complete", "PAID"),
            Some(S::Unknown),
        ),
        (
            "checkout.session.completed",
            session("complete", "partially_paid"),
            Some(S::Unknown),
        ),
        ("checkout.session.completed", session("open", "paid"), Some(S::Unknown)),
        (
            "checkout.session.completed",
            session("expired", "paid"),
            Some(S::Unknown),
        ),
        (
            "checkout.session.async_payment_succeeded",
            session("complete", "paid"),
            Some(S::Captured),
        ),
        (
            "checkout.session.async_payment_succeeded",
            session("complete", "unpaid"),
            Some(S::Unknown),
        ),
        (
            "checkout.session.async_payment_succeeded",
            session("complete", "no_payment_required"),
            Some(S::Unknown),
        ),
        (
            "checkout.session.async_payment_failed",
            session("complete", "unpaid"),
            Some(S::Failed),
        ),
        (
            "checkout.session.async_payment_failed",
            session("complete", "paid"),
            Some(S::Unknown),
        ),
        (
            "checkout.session.expired",
            session("expired", "unpaid"),
            Some(S::Expired),
        ),
        ("checkout.session.expired", session("expired", "paid"), Some(S::Unknown)),
        (
            "payment_intent.amount_capturable_updated",
            intent("requires_capture"),
            Some(S::Authorized),
        ),
        (
            "payment_intent.amount_capturable_updated",
            intent("succeeded"),
            Some(S::Unknown),
        ),
        ("payment_intent.succeeded", intent("succeeded"), Some(S::Captured)),
        ("payment_intent.succeeded", intent("processing"), Some(S::Unknown)),
        ("payment_intent.canceled", intent("canceled"), Some(S::Cancelled)),
        ("payment_intent.payment_failed", intent("requires_payment_method"), None),
        ("charge.refunded", charge(true, 3960), Some(S::Refunded)),
        ("charge.refunded", charge(false, 1000), Some(S::PartiallyRefunded)),
        // News of a refund without a sum is no news of money that was taken, and more cannot go back than came.
        ("charge.refunded", charge(false, 0), Some(S::Unknown)),
        ("charge.refunded", charge(false, 3961), Some(S::Unknown)),
        ("charge.refunded", charge(true, 3961), Some(S::Unknown)),
        ("refund.created", about.clone(), Some(S::Unknown)),
        ("refund.updated", about.clone(), Some(S::Unknown)),
        ("refund.failed", about.clone(), Some(S::Unknown)),
        ("charge.expired", about.clone(), Some(S::Unknown)),
        ("charge.dispute.created", about.clone(), Some(S::Unknown)),
        ("charge.dispute.closed", about.clone(), Some(S::Unknown)),
        ("charge.dispute.funds_withdrawn", about, Some(S::Unknown)),
        ("customer.created", json!({"id": "cus_1"}), None),
        ("checkout.session.completed.extra", session("complete", "paid"), None),
        ("CHECKOUT.SESSION.COMPLETED", session("complete", "paid"), None),
    ];
    for (kind, object, wanted) in table {
        let proven = stripe.verify(&signed(&event(kind, &object).to_string(), 0)).unwrap();
        assert_eq!(proven.trust(), Trust::Signature);
        // A failed try is a sign of card testing, and nothing else is one.
        let failed = proven.value().failed_try.clone();
        let failed = failed.and_then(|subject| subject.payment);
        let named = failed.as_ref().map(GatewayReference::as_str);
        assert_eq!(
            named,
            (kind == "payment_intent.payment_failed").then_some("pi_1"),
            "{kind}"
        );
        let events = proven.into_events();
        let got = events.first().map(|event| event.value().snapshot.status);
        assert_eq!(got, wanted, "{kind} {object}");
        if let Some(event) = events.first() {
            assert_eq!(
                event.value().subject.payment.as_ref().unwrap().as_str(),
                "pi_1",
                "{kind}"
            );
            assert_eq!(event.value().environment, Environment::Sandbox, "{kind}");
        }
    }
    // In the other environment nobody tests cards of ours.
    let mut live = event(
        "payment_intent.payment_failed",
        &json!({"id": "pi_1", "status": "requires_payment_method"}),
    );
    live["livemode"] = json!(true);
    let proven = stripe.verify(&signed(&live.to_string(), 0)).unwrap();
    assert!(proven.value().failed_try.is_none());
    let subscription = json!({"id": SESSION, "mode": "subscription", "status": "complete", "payment_status": "paid"});
    let proven = stripe
        .verify(&signed(
            &event("checkout.session.completed", &subscription).to_string(),
            0,
        ))
        .unwrap();
    assert!(proven.into_events().is_empty());
}

#[test]
fn the_mode_and_the_account_are_read_from_what_was_signed() {
    let stripe = stripe().build().unwrap();
    let session = json!({
        "id": SESSION, "mode": "payment", "status": "complete", "payment_status": "paid", "livemode": false,
        "amount_total": 3960, "currency": "jpy", "metadata": {"attempt_id": "a1"},
    });
    let mode = |change: &dyn Fn(&mut Value)| {
        let mut event = event("checkout.session.completed", &session);
        change(&mut event);
        let proven = stripe.verify(&signed(&event.to_string(), 0)).unwrap();
        let event = proven.into_events().remove(0).into_value();
        (event.environment, event.account.to_string())
    };
    assert_eq!(mode(&|_| ()), (Environment::Sandbox, "default".to_owned()));
    assert_eq!(mode(&|event| event["livemode"] = json!(true)).0, Environment::Live);
    assert_eq!(mode(&|event| event["livemode"] = json!(null)).0, Environment::Live);
    assert_eq!(
        mode(&|event| event["data"]["object"]["livemode"] = json!(true)).0,
        Environment::Live
    );
    assert_eq!(
        mode(&|event| event["account"] = json!("acct_attacker")).1,
        "acct_attacker"
    );
}

#[test]
fn signed_bodies_that_are_no_events_are_refused() {
    let stripe = stripe().build().unwrap();
    for body in [
        "",
        "null",
        "[]",
        "\"event\"",
        "not json",
        "{}",
        "{\"object\":\"event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"object\":\"event\"}",
        "{\"id\":1,\"object\":\"event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":null}",
        "{\"id\":\"\",\"object\":\"event\",\"type\":\"x\"}",
        "{\"id\":\"evt 1\",\"object\":\"event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"object\":\"v2.core.event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"object\":\"Event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x\"} trailing",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x\"}{}",
        "\u{feff}{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"id\":\"evt_2\",\"object\":\"event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x\",\"livemode\":false,\"livemode\":true}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"object\":\"v2.core.event\",\"type\":\"x\"}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":{\"id\":\"cs_1\",\"amount_total\":1,\"amount_total\":2}}}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":{\"id\":\"cs_1\",\"amount_total\":\"1\"}}}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":{\"id\":\"cs_1\",\"amount_total\":-1}}}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":{\"id\":\"cs_1\",\"amount_total\":1.5}}}",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":{\"id\":\"cs_1\",\"amount_total\":18446744073709551616}}}",
        "[\"evt_1\",\"event\",\"x\",1,false,null,null,null]",
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"checkout.session.completed\",\"data\":{\"object\":[\"cs_1\"]}}",
    ] {
        let limit = 200_000;
        let mut limits = kessai::CallbackLimits::default();
        limits.body = limit;
        let callback = signed_within(limits, body, 0);
        let refused = stripe.verify(&callback).err();
        assert!(
            matches!(refused, Some(VerifyError::Payload(_))),
            "{body:.100}: {refused:?}"
        );
    }
}

#[test]
fn a_deeply_nested_part_that_nobody_reads_costs_no_stack() {
    let stripe = stripe().build().unwrap();
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = format!("{}1{}", open.repeat(9_000), close.repeat(9_000));
        let body = format!(
            "{{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"x\",\"data\":{{\"object\":{{\"x\":{nested}}}}}}}"
        );
        let mut limits = kessai::CallbackLimits::default();
        limits.body = 200_000;
        // An unhandled type with a whole envelope: acknowledged, and nothing is said about a payment.
        assert!(
            stripe
                .verify(&signed_within(limits, &body, 0))
                .unwrap()
                .into_events()
                .is_empty()
        );
    }
}

#[test]
fn a_signature_counts_near_its_own_time_and_at_no_end_of_the_clock() {
    let stripe = stripe().build().unwrap();
    let body = event("customer.created", &json!({"id": "cus_1"})).to_string();
    let keys = SigningKeys::from_texts([SIGNING_SECRET]).unwrap();
    let now = start().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let arrives = |t: &str, at: SystemTime| {
        let tag = keys.sign(kessai::sign::Mac::HmacSha256, &[t.as_bytes(), b".", body.as_bytes()]);
        let header = format!("t={t},v1={}", base16ct::lower::encode_string(&tag));
        let request = http::Request::post("/pay/stripe/notification")
            .header("Stripe-Signature", header)
            .body(Bytes::from(body.clone()))
            .unwrap();
        stripe.verify(&Callback::new(request, at).unwrap())
    };
    assert!(arrives(&now.to_string(), start()).is_ok());
    for (what, t) in [
        ("the beginning of the epoch", "0".to_owned()),
        ("the last second of 63 bits", i64::MAX.to_string()),
        ("one more than that", "9223372036854775808".to_owned()),
        ("the last of 64 bits", u64::MAX.to_string()),
        ("more than that", "18446744073709551616".to_owned()),
        ("before the epoch", "-1".to_owned()),
        ("the first of 63 bits", i64::MIN.to_string()),
        ("milliseconds", (now * 1000).to_string()),
    ] {
        assert!(arrives(&t, start()).is_err(), "{what}");
    }
    // Nor is there an overflow for a clock that was never set.
    for t in ["0", "9223372036854775807"] {
        let _ = arrives(t, SystemTime::UNIX_EPOCH);
        let _ = arrives(t, SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_799));
    }
}

#[test]
fn every_flipped_byte_under_the_signature_is_refused() {
    let stripe = stripe().build().unwrap();
    let body = event(
        "checkout.session.completed",
        &json!({"id": "cs_1", "payment_status": "paid"}),
    )
    .to_string();
    let genuine = signed(&body, 0);
    assert!(stripe.verify(&genuine).is_ok());
    for at in 0..body.len() {
        let mut bytes = body.clone().into_bytes();
        bytes[at] ^= 1;
        let mut request = http::Request::post("/").body(Bytes::from(bytes)).unwrap();
        request.headers_mut().clone_from(genuine.headers());
        let callback = Callback::new(request, genuine.received_at()).unwrap();
        assert_eq!(stripe.verify(&callback).err(), Some(VerifyError::Mismatch), "byte {at}");
    }
    // A GET with everything right is not a delivery.
    let mut request = http::Request::get("/").body(Bytes::from(body)).unwrap();
    request.headers_mut().clone_from(genuine.headers());
    assert!(
        stripe
            .verify(&Callback::new(request, genuine.received_at()).unwrap())
            .is_err()
    );
}

#[test]
fn refusals_look_alike_and_say_nothing() {
    let stripe = stripe().build().unwrap();
    let refusals = [
        VerifyError::Missing("x"),
        VerifyError::Malformed("y"),
        VerifyError::Mismatch,
        VerifyError::Stale,
        VerifyError::Payload("z"),
    ];
    let mut seen: Vec<String> = refusals
        .iter()
        .map(|refusal| {
            let reply = stripe.acknowledge(Err(refusal), Ack::Refused);
            assert_eq!(reply.status(), 400);
            assert!(reply.body().is_empty());
            format!("{reply:?}")
        })
        .collect();
    seen.dedup();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        stripe.acknowledge(Err(&VerifyError::Key("k")), Ack::Retry).status(),
        503
    );
    assert_eq!(stripe.acknowledge(Err(&VerifyError::Mismatch), Ack::Done).status(), 200);
}

#[test]
fn without_a_transport_nothing_is_sent_and_the_error_says_what_to_do() {
    let error: Error = Error::config("no transport");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Config, Outcome::NotSent));
    assert!(AllowedOrigins::new(["https://checkout.stripe.com"]).is_ok());
}
