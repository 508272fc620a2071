//! KOMOJU's wire against its sheet: the shared vectors, the calls, the status table, and what its webhooks can and cannot do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use kessai::gateways::komoju::{Komoju, KomojuBuilder, signature_header};
use kessai::ledger::{Judgement, Ledger, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::sign::{Mac, SigningKeys};
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, AttemptReference, Callback, CaptureMode, Cashier, CheckoutRequest, Currency, Environment,
    ErrorKind, ExpectedPayment, Gateway, GatewayId, GatewayReference, IdempotencyKey, LineItem, MerchantReference,
    Money, Outcome, PaymentStatus, Received, Redirect, Standing, SweepPolicy, VerifyError,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::scripted::Scripted;
use crate::support::world::TestClock;
use crate::support::{order, start, yen};

const SECRET: &str = "whsec-komoju-shared-0123456789abcdef";
const SESSION: &str = "a1b2c3d4e5f6g7h8i9j0k1l2m";
const PAYMENT: &str = "b3kq0x8d2m5n7p1r4t6v8w0y2";
const ATTEMPT: &str = "EC20261101-000123";

fn komoju_with(secret: &str) -> KomojuBuilder {
    Komoju::builder(
        ApiKey::new("sk_test_sample0001").unwrap(),
        SigningKeys::from_texts([secret]).unwrap(),
        Addresses::new("https://shop.example", "/pay/komoju").unwrap(),
    )
}

fn scripted() -> (Komoju, Scripted) {
    let script = Scripted::new();
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let gateway = komoju_with(SECRET).transport(Arc::new(script.clone())).retry(once);
    (gateway.build().unwrap(), script)
}

fn request(amount: u64, capture: CaptureMode) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new("Sencha", yen(amount), 1).unwrap())
        .capture(capture)
        .build()
        .unwrap()
}

/// An attempt under names of the test's choice.
fn attempt(gateway: &Komoju, name: &str, session: &str, amount: u64, capture: CaptureMode) -> StoredAttempt {
    let mut expected = ExpectedPayment::plan(gateway, &request(amount, capture), start()).unwrap();
    expected.attempt = AttemptReference::new(name).unwrap();
    let mut stored = StoredAttempt::new(expected);
    stored.checkout = Some(GatewayReference::new(session).unwrap());
    stored.opened = true;
    stored
}

fn ours(gateway: &Komoju) -> StoredAttempt {
    attempt(gateway, ATTEMPT, SESSION, 1980, CaptureMode::Automatic)
}

fn message(headers: &[(&str, &str)], body: &str) -> Callback {
    let mut request = http::Request::post("/pay/komoju/notification");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Callback::new(request.body(Bytes::from(body.to_owned())).unwrap(), start()).unwrap()
}

fn signed(body: &str) -> Callback {
    let keys = SigningKeys::from_texts([SECRET]).unwrap();
    message(
        &[("X-Komoju-Signature", &signature_header(&keys, body.as_bytes()))],
        body,
    )
}

fn back(target: &str) -> Callback {
    let request = http::Request::get(target).body(Bytes::new()).unwrap();
    Callback::new(request, start()).unwrap()
}

/// A payment in some state, with changes.
#[expect(clippy::needless_pass_by_value, reason = "written in place at every call")]
fn payment(changes: Value) -> Value {
    let mut payment = json!({
        "id": PAYMENT, "resource": "payment", "status": "captured", "amount": 1980, "tax": 0,
        "payment_details": {"type": "credit_card"}, "payment_method_fee": 0, "total": 1980, "currency": "JPY",
        "external_order_num": ATTEMPT, "amount_refunded": 0, "session": SESSION, "refunds": [], "refund_requests": [],
    });
    for (name, value) in changes.as_object().unwrap() {
        payment[name] = value.clone();
    }
    payment
}

fn event(id: &str, kind: &str, payment: &Value) -> String {
    json!({"id": id, "type": kind, "resource": "event", "data": payment, "created_at": "x", "reason": null}).to_string()
}

fn session(status: &str, expired: bool, payment: &Value) -> String {
    json!({
        "id": SESSION, "resource": "session", "mode": "payment", "amount": 1980, "currency": "JPY", "status": status,
        "expired": expired, "session_url": format!("https://komoju.com/sessions/{SESSION}"), "payment": payment,
    })
    .to_string()
}

// ----- vectors -----

/// One shared case, as it stands in its file.
pub fn case(case: &RawValue) -> Result<(), String> {
    let case: Value = serde_json::from_str(case.get()).map_err(|error| format!("is not a case: {error}"))?;
    let found = judge(&case)?;
    if case["expect"] == if found { "valid" } else { "invalid" } || case["optional"] == true {
        return Ok(());
    }
    Err(format!("valid is {found}, and {} was expected", case["expect"]))
}

fn judge(case: &Value) -> Result<bool, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("a text is missing");
    let body = text(&case["body"])?;
    match case["kind"].as_str() {
        Some("callback") => callback_case(case, &body),
        Some("return") => {
            let gateway = komoju_with(SECRET)
                .transport(Arc::new(Scripted::new()))
                .build()
                .unwrap();
            let target = body
                .strip_prefix("https://shop.example")
                .ok_or("not an address of the shop")?;
            let hint = gateway.returned(&back(target)).map_err(|error| error.to_string())?;
            Ok(hint
                .subject
                .checkout
                .is_some_and(|named| named.as_str() == case["expected"]["session_id"]))
        }
        // The old signed address is not offered; its case still judges the hash.
        Some("request_signature") => {
            let key = text(&case["secrets"]["secret_key"])?;
            let (address, tag) = body.split_once("&hmac=").ok_or("no hash in the address")?;
            let path = address
                .strip_prefix("https://komoju.com")
                .ok_or("not an address of the page")?;
            let keys = SigningKeys::from_texts([key]).map_err(|error| error.to_string())?;
            let mut raw = [0_u8; 32];
            let read = base16ct::lower::decode(tag, &mut raw).is_ok();
            Ok(read
                && keys
                    .verify(Mac::HmacSha256, b"", path.as_bytes(), &[raw], start())
                    .is_ok())
        }
        other => Err(format!("a kind that is not known: {other:?}")),
    }
}

fn callback_case(case: &Value, body: &str) -> Result<bool, String> {
    let secret = case["secrets"]["webhook_secret"].as_str().unwrap_or_default();
    let Ok(keys) = SigningKeys::from_texts([secret]) else {
        return Ok(false);
    };
    let gateway = Komoju::builder(
        ApiKey::new("sk_test_sample0001").unwrap(),
        keys,
        Addresses::new("https://shop.example", "/pay/komoju").unwrap(),
    )
    .transport(Arc::new(Scripted::new()))
    .build()
    .map_err(|error| error.to_string())?;
    let headers: BTreeMap<String, String> =
        serde_json::from_value(case["headers"].clone()).map_err(|error| error.to_string())?;
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let Ok(proven) = gateway.verify(&message(&headers, body)) else {
        return Ok(false);
    };
    let expected = &case["expected"];
    let capture = match case["parsed"]["unified"].as_str() {
        Some("Authorized") => CaptureMode::Manual,
        _ => CaptureMode::Automatic,
    };
    for event in proven.into_events() {
        let name = expected["order_id"].as_str().ok_or("no order is expected")?;
        let page = expected["session_id"].as_str().ok_or("no session is expected")?;
        let stored = attempt(&gateway, name, page, expected["amount"].as_u64().unwrap_or(0), capture);
        if let Some(unified) = case["parsed"]["unified"].as_str() {
            let said = format!("{:?}", event.value().snapshot.status);
            if said != unified {
                return Err(format!("is read as {said} and not as {unified}"));
            }
        }
        if matches!(stored.judge(event), Judgement::Contradiction(_)) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[test]
fn a_case_that_is_turned_around_disagrees() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../vectors/komoju.json")).unwrap();
    for mut turned in cases.into_iter().filter(|case| case["optional"] != true) {
        turned["expect"] = json!(if turned["expect"] == "valid" {
            "invalid"
        } else {
            "valid"
        });
        let turned = RawValue::from_string(turned.to_string()).unwrap();
        assert!(case(&turned).is_err(), "{turned}");
    }
}

// ----- checkout -----

#[tokio::test]
async fn the_create_call_says_what_the_sheet_says() {
    let script = Scripted::new();
    let gateway = komoju_with(SECRET)
        .methods(["credit_card", "konbini"])
        .version("2025-01-28")
        .transport(Arc::new(script.clone()))
        .build()
        .unwrap();
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new("Sencha", yen(1980), 1).unwrap())
        .email(kessai::Email::new("hanako@example.com").unwrap())
        .locale(kessai::Locale::new("ja").unwrap())
        .valid_for(Duration::from_secs(3600))
        .capture(CaptureMode::Manual)
        .build()
        .unwrap();
    let expected = ExpectedPayment::plan(&gateway, &request, start()).unwrap();
    script.answer(200, session("pending", false, &Value::Null));
    let checkout = gateway.checkout(&expected, &request).await.unwrap();
    assert_eq!(checkout.reference.unwrap().as_str(), SESSION);
    assert!(
        matches!(&checkout.redirect, Redirect::Get(url) if url.as_str() == format!("https://komoju.com/sessions/{SESSION}"))
    );

    let sent = script.one_request();
    assert_eq!(sent.uri(), "https://komoju.com/api/v1/sessions");
    for (name, value) in [
        ("authorization", "Basic c2tfdGVzdF9zYW1wbGUwMDAxOg=="),
        ("content-type", "application/json"),
        ("x-komoju-idempotency", expected.idempotency_key.as_str()),
        ("x-komoju-api-version", "2025-01-28"),
    ] {
        assert_eq!(sent.headers()[name], value);
    }
    let body: Value = serde_json::from_slice(sent.body()).unwrap();
    let back = format!(
        "https://shop.example/pay/komoju/return?attempt={}&state={}",
        expected.attempt,
        expected.return_token.as_str()
    );
    assert_eq!(
        body,
        json!({
            "mode": "payment", "amount": 1980, "currency": "JPY", "return_url": back, "email": "hanako@example.com",
            "default_locale": "ja", "expires_in_seconds": 3600, "payment_types": ["credit_card", "konbini"],
            "payment_data": {"external_order_num": expected.attempt.as_str(), "capture": "manual"},
            "metadata": {"order": "EC-1"},
        })
    );
}

#[tokio::test]
async fn a_session_that_is_not_what_was_asked_for_leads_nowhere() {
    let (gateway, script) = scripted();
    let request = request(1980, CaptureMode::Automatic);
    let expected = ExpectedPayment::plan(&gateway, &request, start()).unwrap();
    let mut good: Value = serde_json::from_str(&session("pending", false, &Value::Null)).unwrap();
    // The answer repeats what was sent, as in the example of the sheet; one without its echo is taken, too.
    script.answer(200, good.to_string());
    assert!(gateway.checkout(&expected, &request).await.is_ok());
    let sent: Value = serde_json::from_slice(script.requests()[0].body()).unwrap();
    good["return_url"] = sent["return_url"].clone();
    good["metadata"] = sent["metadata"].clone();
    script.answer(200, good.to_string());
    assert!(gateway.checkout(&expected, &request).await.is_ok());
    let other = ExpectedPayment::plan(&gateway, &request, start()).unwrap();
    let elsewhere = sent["return_url"].as_str().unwrap();
    let elsewhere = elsewhere.replace(expected.attempt.as_str(), other.attempt.as_str());
    for (name, value) in [
        ("metadata", json!({"order": "EC-2"})),
        ("return_url", json!(elsewhere)),
        ("return_url", json!("https://shop.example/pay/komoju/return")),
        ("return_url", json!("")),
        ("amount", json!(198)),
        ("amount", json!(null)),
        ("amount", json!("1980")),
        ("currency", json!("USD")),
        ("currency", json!(null)),
        ("session_url", json!(null)),
        ("session_url", json!("https://evil.example/x")),
        ("session_url", json!("http://komoju.com/x")),
        ("session_url", json!("https://komoju.com.evil.example/x")),
        ("id", json!("")),
        ("id", json!("a b")),
    ] {
        let mut changed = good.clone();
        changed[name] = value.clone();
        script.answer(200, changed.to_string());
        let error = gateway.checkout(&expected, &request).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Protocol, Outcome::Unknown),
            "{name} {value}"
        );
    }
    assert_eq!(
        gateway.checkout(&expected, &order("EC-2")).await.unwrap_err().outcome(),
        Outcome::NotSent
    );
}

#[tokio::test]
async fn every_refusal_of_the_sheet_has_its_kind_and_outcome() {
    let (gateway, script) = scripted();
    let stored = ours(&gateway);
    let envelope =
        |code: &str| json!({"error": {"code": code, "message": "secret words", "param": "amount"}}).to_string();
    for (status, body, kind, outcome) in [
        (400, envelope("bad_request"), ErrorKind::Request, Outcome::Refused),
        (
            401,
            envelope("unauthorized"),
            ErrorKind::Authentication,
            Outcome::Refused,
        ),
        (402, envelope("request_failed"), ErrorKind::Declined, Outcome::Refused),
        (403, envelope("forbidden"), ErrorKind::Authentication, Outcome::Refused),
        (404, envelope("not_found"), ErrorKind::NotFound, Outcome::Refused),
        (409, envelope("idempotency"), ErrorKind::Conflict, Outcome::Unknown),
        (422, envelope("missing_parameter"), ErrorKind::Request, Outcome::Refused),
        (500, envelope("internal"), ErrorKind::Unavailable, Outcome::Unknown),
        (502, envelope("bad_gateway"), ErrorKind::Unavailable, Outcome::Unknown),
        (504, "<html>".to_owned(), ErrorKind::Unavailable, Outcome::Unknown),
        (400, "<html>".to_owned(), ErrorKind::Protocol, Outcome::Unknown),
        (404, String::new(), ErrorKind::Protocol, Outcome::Unknown),
        (302, String::new(), ErrorKind::Protocol, Outcome::Unknown),
        (
            201,
            session("pending", false, &Value::Null),
            ErrorKind::Protocol,
            Outcome::Unknown,
        ),
        (200, "[]".to_owned(), ErrorKind::Protocol, Outcome::Unknown),
    ] {
        script.answer(status, body);
        let error = gateway.status(&stored, start()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{status}");
        assert!(!format!("{error}").contains("secret words"));
    }
}

#[test]
fn what_komoju_cannot_take_is_refused_before_anything_is_written() {
    let (gateway, _) = scripted();
    assert!(gateway.plan(&request(1, CaptureMode::Automatic)).is_ok());
    for seconds in [0, 86_401, 7 * 86_400] {
        let asked = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(LineItem::new("tea", yen(1), 1).unwrap())
            .valid_for(Duration::from_secs(seconds));
        if let Ok(asked) = asked.build() {
            assert!(gateway.plan(&asked).is_err(), "{seconds}");
        }
    }
    for seconds in [1, 86_400] {
        let asked = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .item(LineItem::new("tea", yen(1), 1).unwrap())
            .valid_for(Duration::from_secs(seconds));
        assert!(gateway.plan(&asked.build().unwrap()).is_ok(), "{seconds}");
    }
}

// ----- webhook -----

#[test]
fn signatures_that_are_not_the_whole_lower_case_hash_are_refused() {
    let (gateway, _) = scripted();
    let body = event("evt-1", "payment.captured", &payment(json!({})));
    let keys = SigningKeys::from_texts([SECRET]).unwrap();
    let good = signature_header(&keys, body.as_bytes());
    assert!(gateway.verify(&signed(&body)).is_ok());
    for bad in [
        String::new(),
        good.to_uppercase(),
        good[..63].to_owned(),
        format!("{good}0"),
        format!("sha256={good}"),
        good.replace(|c: char| c.is_ascii_hexdigit(), "0"),
        signature_header(
            &SigningKeys::from_texts(["another-secret-01"]).unwrap(),
            body.as_bytes(),
        ),
        signature_header(&keys, format!("{body} ").as_bytes()),
    ] {
        assert!(
            gateway
                .verify(&message(&[("X-Komoju-Signature", &bad)], &body))
                .is_err(),
            "{bad}"
        );
    }
    assert!(gateway.verify(&message(&[], &body)).is_err());
    let twice = [
        ("X-Komoju-Signature", good.as_str()),
        ("X-Komoju-Signature", good.as_str()),
    ];
    assert!(gateway.verify(&message(&twice, &body)).is_err());
    let get = http::Request::get("/pay/komoju/notification").header("X-Komoju-Signature", &good);
    let get = Callback::new(get.body(Bytes::from(body.clone())).unwrap(), UNIX_EPOCH).unwrap();
    assert!(gateway.verify(&get).is_err());
    for at in 0..body.len() {
        let mut changed = body.clone().into_bytes();
        changed[at] ^= 1;
        let request = http::Request::post("/x").header("X-Komoju-Signature", &good);
        let changed = Callback::new(request.body(Bytes::from(changed)).unwrap(), start()).unwrap();
        assert_eq!(gateway.verify(&changed).err(), Some(VerifyError::Mismatch), "byte {at}");
    }
}

#[test]
fn signed_bodies_that_are_no_events_are_refused() {
    let (gateway, _) = scripted();
    let good = event("evt-1", "payment.captured", &payment(json!({})));
    for body in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        good.replace("\"resource\":\"event\"", "\"resource\":\"payment\""),
        good.replace("\"id\":\"evt-1\"", "\"id\":7"),
        good.replace("\"id\":\"evt-1\"", "\"id\":\"\""),
        good.replace("\"id\":\"evt-1\"", "\"id\":\"a b\""),
        good.replace("\"type\":\"payment.captured\"", "\"type\":null"),
        good.replace(",\"type\":\"payment.captured\"", ""),
        good.replace("\"total\":1980", "\"total\":\"1980\""),
        good.replace("\"total\":1980", "\"total\":-1"),
        good.replace("\"total\":1980", "\"total\":19.8"),
        good.replace("\"total\":1980", "\"total\":1980,\"total\":1"),
        good.replace("\"id\":\"evt-1\"", "\"id\":\"evt-1\",\"id\":\"evt-2\""),
        event("evt-1", "payment.captured", &json!([])),
        event("evt-1", "payment.captured", &json!(null)),
        event("evt-1", "payment.captured", &json!({"status": "captured"})),
        format!("\u{feff}{good}"),
        format!("{good}{good}"),
    ] {
        assert!(
            matches!(gateway.verify(&signed(&body)), Err(VerifyError::Payload(_))),
            "{body}"
        );
    }
}

#[tokio::test]
async fn every_event_type_says_what_the_sheet_says() {
    let (gateway, _) = scripted();
    let konbini = json!({"type": "konbini"});
    for (kind, changes, status) in [
        ("ping", json!({}), None),
        ("payment.failed", json!({"status": "failed"}), None),
        ("payment.marked.as.fraud", json!({}), None),
        ("settlement.created", json!({}), None),
        ("customer.created", json!({}), None),
        (
            "payment.authorized",
            json!({"status": "authorized"}),
            Some(PaymentStatus::Authorized),
        ),
        (
            "payment.authorized",
            json!({"status": "authorized", "payment_details": konbini}),
            Some(PaymentStatus::Pending),
        ),
        (
            "payment.authorized",
            json!({"status": "authorized", "payment_details": {"type": "bank_transfer"}}),
            Some(PaymentStatus::Pending),
        ),
        (
            "payment.authorized",
            json!({"status": "authorized", "payment_details": {"type": "pay_easy"}}),
            Some(PaymentStatus::Pending),
        ),
        (
            "payment.authorized",
            json!({"status": "pending"}),
            Some(PaymentStatus::Unknown),
        ),
        (
            "payment.authorized",
            json!({"status": "authorized", "payment_details": null}),
            Some(PaymentStatus::Unknown),
        ),
        (
            "payment.authorized",
            json!({"status": "authorized", "payment_details": {"type": ""}}),
            Some(PaymentStatus::Unknown),
        ),
        ("payment.captured", json!({}), Some(PaymentStatus::Captured)),
        (
            "payment.captured",
            json!({"refunds": null}),
            Some(PaymentStatus::Captured),
        ),
        (
            "payment.captured",
            json!({"amount_refunded": null}),
            Some(PaymentStatus::Unknown),
        ),
        (
            "payment.captured",
            json!({"status": "authorized"}),
            Some(PaymentStatus::Unknown),
        ),
        ("payment.updated", json!({}), Some(PaymentStatus::Unknown)),
        (
            "payment.expired",
            json!({"status": "expired"}),
            Some(PaymentStatus::Unknown),
        ),
        (
            "payment.expired",
            json!({"status": "captured"}),
            Some(PaymentStatus::Unknown),
        ),
        (
            "payment.cancelled",
            json!({"status": "cancelled"}),
            Some(PaymentStatus::Unknown),
        ),
        (
            "payment.refund.created",
            json!({"amount_refunded": 500}),
            Some(PaymentStatus::PartiallyRefunded),
        ),
        (
            "payment.refund.created",
            json!({"amount_refunded": 1981}),
            Some(PaymentStatus::Unknown),
        ),
        ("payment.refund.created", json!({}), Some(PaymentStatus::Unknown)),
        (
            "payment.refunded",
            json!({"status": "refunded", "amount_refunded": 1980}),
            Some(PaymentStatus::Refunded),
        ),
        (
            "payment.refunded",
            json!({"status": "refunded", "amount_refunded": 1980, "refunds": [{"id": "r", "chargeback": true}]}),
            Some(PaymentStatus::Disputed),
        ),
        (
            "payment.captured",
            json!({"status": "new word"}),
            Some(PaymentStatus::Unknown),
        ),
    ] {
        let callback = signed(&event("evt-1", kind, &payment(changes.clone())));
        // A failed try is a sign of card testing, and nothing else is one.
        let failed = gateway.verify(&callback).unwrap().into_value().failed_try;
        let failed = failed.and_then(|subject| subject.attempt);
        let named = failed.as_ref().map(AttemptReference::as_str);
        assert_eq!(named, (kind == "payment.failed").then_some(ATTEMPT), "{kind}");
        let Received::Proven(proven) = gateway.receive(&callback).await.unwrap() else {
            panic!("{kind}")
        };
        let events = proven.into_events();
        assert_eq!(
            events.first().map(|event| event.value().snapshot.status),
            status,
            "{kind} {changes}"
        );
        if let Some(event) = events.first() {
            // Nothing that went back is no sum.
            let refunded = event.value().snapshot.refunded;
            assert!(
                refunded.is_none_or(|refunded| refunded.minor_units() > 0),
                "{kind} {changes}"
            );
            assert_eq!(event.value().environment, Environment::Sandbox);
            assert_eq!(event.value().subject.attempt.as_ref().unwrap().as_str(), ATTEMPT);
        }
    }
}

#[test]
fn the_fee_of_a_method_is_not_part_of_the_amount() {
    let (gateway, _) = scripted();
    for (changes, told) in [
        (json!({"total": 2170, "payment_method_fee": 190}), Some(1980)),
        (json!({"total": 1980, "payment_method_fee": null}), Some(1980)),
        (json!({"total": 100, "payment_method_fee": 190}), None),
        (json!({"total": null}), None),
        (json!({"currency": null}), None),
        (json!({"currency": "yen"}), None),
    ] {
        let body = event("evt-1", "payment.captured", &payment(changes.clone()));
        let events = gateway.verify(&signed(&body)).unwrap().into_events();
        assert_eq!(events[0].value().snapshot.amount, told.map(yen), "{changes}");
    }
    let dollars = event("evt-1", "payment.captured", &payment(json!({"currency": "USD"})));
    let events = gateway.verify(&signed(&dollars)).unwrap().into_events();
    assert_eq!(events[0].value().snapshot.amount, Some(Money::new(1980, Currency::USD)));
}

#[test]
fn two_refunds_in_part_are_told_apart() {
    let (gateway, _) = scripted();
    let id = |sum: u64| {
        let body = event(
            "evt-1",
            "payment.refund.created",
            &payment(json!({"amount_refunded": sum})),
        );
        gateway.verify(&signed(&body)).unwrap().into_events()[0]
            .value()
            .id
            .clone()
    };
    assert_ne!(id(500), id(700));
    assert_eq!(id(500), id(500));
}

// ----- return -----

#[test]
fn a_return_names_one_session_or_none() {
    let (gateway, _) = scripted();
    let hint = gateway
        .returned(&back(&format!("/pay/komoju/return?attempt=a&session_id={SESSION}")))
        .unwrap();
    assert_eq!(hint.subject.checkout.unwrap().as_str(), SESSION);
    assert!(
        gateway
            .returned(&back("/pay/komoju/return?attempt=a"))
            .unwrap()
            .subject
            .checkout
            .is_none()
    );
    for query in [
        "session_id=",
        "session_id=a%2Fb",
        "session_id=a b".replace(' ', "+").as_str(),
        "session_id=..%2F..",
        "session_id=a&session_id=a",
        "session_id=a&%73ession_id=b",
        "session_id=%zz",
        "session_id=a%00",
    ] {
        assert!(
            gateway.returned(&back(&format!("/pay/komoju/return?{query}"))).is_err(),
            "{query}"
        );
    }
}

// ----- status and orders -----

#[tokio::test]
async fn every_row_of_the_status_table_is_read_as_the_sheet_says() {
    let (gateway, script) = scripted();
    let stored = ours(&gateway);
    let of = |changes: Value| payment(changes);
    for (status, expired, payment, wanted) in [
        ("pending", false, Value::Null, PaymentStatus::Created),
        ("pending", true, Value::Null, PaymentStatus::Expired),
        ("cancelled", false, Value::Null, PaymentStatus::Cancelled),
        ("completed", false, Value::Null, PaymentStatus::Unknown),
        ("new", false, Value::Null, PaymentStatus::Unknown),
        (
            "pending",
            false,
            of(json!({"status": "pending"})),
            PaymentStatus::Pending,
        ),
        (
            "completed",
            false,
            of(json!({"status": "authorized", "payment_details": {"type": "konbini"}})),
            PaymentStatus::Pending,
        ),
        (
            "pending",
            true,
            of(json!({"status": "authorized", "payment_details": {"type": "konbini"}})),
            PaymentStatus::Pending,
        ),
        (
            "completed",
            false,
            of(json!({"status": "authorized"})),
            PaymentStatus::Authorized,
        ),
        ("completed", false, of(json!({})), PaymentStatus::Captured),
        (
            "completed",
            false,
            of(json!({"amount_refunded": 1})),
            PaymentStatus::PartiallyRefunded,
        ),
        (
            "completed",
            false,
            of(json!({"status": "refunded", "amount_refunded": 1980})),
            PaymentStatus::Refunded,
        ),
        (
            "completed",
            false,
            of(json!({"status": "refunded", "refunds": [{"chargeback": true}]})),
            PaymentStatus::Disputed,
        ),
        (
            "completed",
            false,
            of(json!({"status": "cancelled"})),
            PaymentStatus::Cancelled,
        ),
        (
            "completed",
            false,
            of(json!({"status": "expired"})),
            PaymentStatus::Expired,
        ),
        (
            "completed",
            false,
            of(json!({"status": "failed"})),
            PaymentStatus::Failed,
        ),
        (
            "pending",
            false,
            of(json!({"status": "failed"})),
            PaymentStatus::Created,
        ),
        ("pending", true, of(json!({"status": "failed"})), PaymentStatus::Failed),
        // Nor are one that was cancelled and one whose time was over.
        (
            "pending",
            false,
            of(json!({"status": "cancelled"})),
            PaymentStatus::Created,
        ),
        (
            "pending",
            false,
            of(json!({"status": "expired"})),
            PaymentStatus::Created,
        ),
        (
            "pending",
            true,
            of(json!({"status": "expired"})),
            PaymentStatus::Expired,
        ),
        ("completed", false, of(json!({"status": "?"})), PaymentStatus::Unknown),
    ] {
        script.answer(200, session(status, expired, &payment));
        let event = gateway.status(&stored, start()).await.unwrap();
        assert_eq!(event.value().snapshot.status, wanted, "{status} {expired} {payment}");
        // A payment is bound to its attempt once no other one can follow it on the same page.
        let open = status == "pending" && !expired;
        let decided = match payment["status"].as_str() {
            None | Some("pending" | "failed") => false,
            Some("cancelled" | "expired") => !open,
            Some(_) => true,
        };
        let named = event.value().subject.payment.as_ref().map(GatewayReference::as_str);
        assert_eq!(named, decided.then_some(PAYMENT), "{status} {expired} {payment}");
    }
    let sent = script.requests();
    assert_eq!(
        sent[0].uri().to_string(),
        format!("https://komoju.com/api/v1/sessions/{SESSION}")
    );
    assert!(!sent[0].headers().contains_key("x-komoju-idempotency"), "on POST only");
}

#[tokio::test]
async fn answers_about_something_else_are_no_answer() {
    let (gateway, script) = scripted();
    let stored = ours(&gateway);
    let good = session("completed", false, &payment(json!({})));
    for body in [
        good.replace(&format!("\"id\":\"{SESSION}\""), "\"id\":\"other\""),
        session("completed", false, &payment(json!({"external_order_num": "other"}))),
        session("completed", false, &payment(json!({"session": "other"}))),
        session("", false, &payment(json!({}))).replace("\"status\":\"\"", "\"status\":null"),
        session("completed", false, &json!("an id alone")),
    ] {
        script.answer(200, body.as_str());
        assert!(gateway.status(&stored, start()).await.is_err(), "{body}");
    }
    let mut unknown = stored;
    unknown.checkout = None;
    assert_eq!(
        gateway.status(&unknown, start()).await.unwrap_err().outcome(),
        Outcome::NotSent
    );
}

#[tokio::test]
async fn a_payment_is_asked_for_by_its_name_where_no_session_answers() {
    let (gateway, script) = scripted();
    let mut stored = ours(&gateway);
    stored.payment = Some(GatewayReference::new(PAYMENT).unwrap());
    let gone = json!({"error": {"code": "not_found", "message": "no", "param": null}}).to_string();
    let slip = json!({"status": "authorized", "payment_details": {"type": "konbini"}});

    script.answer(404, gone.as_str()).answer(200, payment(slip).to_string());
    let event = gateway.status(&stored, start()).await.unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Pending);
    let paths: Vec<String> = script
        .requests()
        .iter()
        .map(|sent| sent.uri().path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            format!("/api/v1/sessions/{SESSION}"),
            format!("/api/v1/payments/{PAYMENT}")
        ]
    );

    // Trouble with the session is no reason to ask about something else.
    script.answer(503, gone.as_str());
    assert!(gateway.status(&stored, start()).await.is_err());
    assert_eq!(script.requests().len(), 1);

    stored.checkout = None;
    script.answer(
        200,
        payment(json!({"payment_method_fee": 190, "total": 2170})).to_string(),
    );
    let event = gateway.status(&stored, start()).await.unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Captured);
    assert_eq!(event.value().snapshot.amount, Some(yen(1980)));
    assert_eq!(event.value().subject.checkout.as_ref().unwrap().as_str(), SESSION);
    assert_eq!(script.requests().len(), 1);

    // A failed try is the end only when the page is.
    let over = stored.expected.expires_at + Duration::from_secs(2 * 3600);
    for (at, wanted) in [(start(), PaymentStatus::Created), (over, PaymentStatus::Failed)] {
        script.answer(200, payment(json!({"status": "failed"})).to_string());
        let event = gateway.status(&stored, at).await.unwrap();
        assert_eq!(event.value().snapshot.status, wanted);
        assert!(event.value().subject.payment.is_none());
    }

    stored.checkout = Some(GatewayReference::new(SESSION).unwrap());
    for answer in [
        payment(json!({"id": "other"})),
        payment(json!({"external_order_num": "other"})),
        payment(json!({"session": "other"})),
        payment(json!({"status": null})),
        json!([payment(json!({}))]),
    ] {
        script.answer(404, gone.as_str()).answer(200, answer.to_string());
        assert!(gateway.status(&stored, start()).await.is_err(), "{answer}");
    }
}

#[tokio::test]
async fn expire_capture_void_and_refund_send_what_the_sheet_says() {
    let (gateway, script) = scripted();
    let mut stored = ours(&gateway);
    let key = IdempotencyKey::new("key-1").unwrap();
    let abilities = gateway.abilities();
    let (capture, void, refund) = (
        abilities.capture.unwrap(),
        abilities.void.unwrap(),
        abilities.refund.unwrap(),
    );
    assert!(
        capture.capture(&stored, None, &key, start()).await.is_err(),
        "no payment is known"
    );
    stored.payment = Some(GatewayReference::new(PAYMENT).unwrap());

    script.answer(200, session("cancelled", false, &Value::Null));
    let event = abilities.expire.unwrap().expire(&stored, start()).await.unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Cancelled);
    let sent = script.one_request();
    assert_eq!(sent.uri().path(), format!("/api/v1/sessions/{SESSION}/cancel"));
    // A key of its own each time: what was answered under it before may come again for a day.
    let first = sent.headers()["x-komoju-idempotency"].clone();
    script.answer(200, session("cancelled", false, &Value::Null));
    let _ = abilities.expire.unwrap().expire(&stored, start()).await.unwrap();
    let second = script.one_request().headers()["x-komoju-idempotency"].clone();
    assert!(first != second && first.len() <= 100 && !first.is_empty());

    script.answer(200, payment(json!({})).to_string());
    capture.capture(&stored, Some(yen(1980)), &key, start()).await.unwrap();
    let sent = script.one_request();
    assert_eq!(
        (sent.uri().path(), &sent.body()[..]),
        (&*format!("/api/v1/payments/{PAYMENT}/capture"), &b"{}"[..])
    );
    assert_eq!(sent.headers()["x-komoju-idempotency"], "key-1");

    script.answer(200, payment(json!({"status": "cancelled"})).to_string());
    void.void(&stored, &key, start()).await.unwrap();
    assert!(script.one_request().uri().path().ends_with("/cancel"));

    let refunded = payment(json!({"amount_refunded": 500, "refunds": [{"id": "rf_1"}, {"id": "rf_2"}]}));
    script.answer(200, refunded.to_string());
    let receipt = refund.refund(&stored, Some(yen(500)), &key, start()).await.unwrap();
    assert_eq!(receipt.reference.as_str(), "rf_2");
    assert_eq!(&script.one_request().body()[..], b"{\"amount\":500}");
    script.answer(200, refunded.to_string());
    refund.refund(&stored, None, &key, start()).await.unwrap();
    assert_eq!(&script.one_request().body()[..], b"{}");

    for amount in [yen(0), yen(1981), Money::new(500, Currency::USD)] {
        assert!(refund.refund(&stored, Some(amount), &key, start()).await.is_err());
    }
    assert!(capture.capture(&stored, Some(yen(500)), &key, start()).await.is_err());
    script.answer(200, payment(json!({"id": "other"})).to_string());
    assert!(void.void(&stored, &key, start()).await.is_err());
    assert_eq!(script.requests().len(), 1);
}

#[test]
fn replies_are_a_status_and_nothing_else() {
    let (gateway, _) = scripted();
    for (ack, status) in [
        (kessai::Ack::Done, 200),
        (kessai::Ack::Retry, 503),
        (kessai::Ack::Refused, 401),
    ] {
        let reply = gateway.acknowledge(Err(&VerifyError::Mismatch), ack);
        assert_eq!((reply.status().as_u16(), reply.body().len()), (status, 0));
    }
}

// ----- the desk -----

async fn desk() -> (Cashier, Scripted, StoredAttempt, TestClock) {
    let (gateway, script) = scripted();
    let clock = TestClock::new();
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let cashier = Cashier::builder_over(ledger)
        .gateway(gateway)
        .clock(clock.clone())
        .build()
        .unwrap();
    let request = request(1980, CaptureMode::Automatic);
    script.answer(200, session("pending", false, &Value::Null));
    let _ = cashier.open(&request, &GatewayId::KOMOJU).await.unwrap();
    let _ = script.requests();
    let attempt = cashier
        .ledger()
        .attempts_of(request.order())
        .await
        .unwrap()
        .pop()
        .unwrap();
    (cashier, script, attempt, clock)
}

async fn deliver(cashier: &Cashier, body: &str) -> u16 {
    cashier
        .callback(&GatewayId::KOMOJU, signed(body))
        .await
        .status()
        .as_u16()
}

#[tokio::test]
async fn a_slip_is_no_payment_and_the_money_days_later_is() {
    let (cashier, script, attempt, clock) = desk().await;
    let name = attempt.reference().as_str();
    let slip = json!({"external_order_num": name, "payment_details": {"type": "konbini"}, "payment_method_fee": 190, "total": 2170});
    let mut issued = slip.clone();
    issued["status"] = json!("authorized");
    assert_eq!(
        deliver(
            &cashier,
            &event("evt-1", "payment.authorized", &payment(issued.clone()))
        )
        .await,
        200
    );
    assert!(cashier.next_fulfilment().await.unwrap().is_none());
    clock.advance(Duration::from_secs(3 * 86_400));
    // The session has expired by then, and the slip can still be paid.
    let mut answer = issued;
    answer["status"] = json!("authorized");
    script.answer(200, session("pending", true, &payment(answer)));
    assert_eq!(cashier.sweep(&SweepPolicy::default()).await.unwrap().moved(), 0);
    assert_eq!(
        deliver(&cashier, &event("evt-2", "payment.captured", &payment(slip))).await,
        200
    );
    let due = cashier.next_fulfilment().await.unwrap().unwrap();
    assert_eq!(due.amount, yen(1980));
    assert!(due.done().await.unwrap());
    assert!(cashier.next_fulfilment().await.unwrap().is_none());
}

#[tokio::test]
async fn genuine_messages_that_differ_never_pay() {
    for (what, changes) in [
        ("another amount", json!({"total": 198})),
        ("another currency", json!({"currency": "USD"})),
        ("another session", json!({"session": "z9y8x7w6v5u4t3s2r1q0p9o8n"})),
        ("no amount", json!({"total": null})),
        ("a sum that went back", json!({"amount_refunded": 1})),
    ] {
        let (cashier, _, attempt, _) = desk().await;
        let mut changed = changes.clone();
        changed["external_order_num"] = json!(attempt.reference().as_str());
        assert_eq!(
            deliver(&cashier, &event("evt-1", "payment.captured", &payment(changed))).await,
            200,
            "{what}"
        );
        assert!(cashier.next_fulfilment().await.unwrap().is_none(), "{what}");
    }
    let (cashier, _, _, _) = desk().await;
    let other = payment(json!({"external_order_num": "another-attempt", "session": "another"}));
    assert_eq!(
        deliver(&cashier, &event("evt-1", "payment.captured", &other)).await,
        200
    );
    assert!(cashier.next_fulfilment().await.unwrap().is_none());
    assert_eq!(
        cashier.callback(&GatewayId::KOMOJU, message(&[], "{}")).await.status(),
        401
    );
}

#[tokio::test]
async fn a_stale_sessions_cancel_ends_nothing() {
    let (cashier, _, attempt, _) = desk().await;
    let stale = json!({"status": "cancelled", "external_order_num": attempt.reference().as_str(), "session": "z9y8x7w6v5u4t3s2r1q0p9o8n"});
    assert_eq!(
        deliver(&cashier, &event("evt-1", "payment.cancelled", &payment(stale))).await,
        200
    );
    let stored = cashier.ledger().attempt(attempt.reference()).await.unwrap().unwrap();
    assert_eq!(stored.status, PaymentStatus::Created);
    let paid = json!({"external_order_num": attempt.reference().as_str()});
    assert_eq!(
        deliver(&cashier, &event("evt-2", "payment.captured", &payment(paid))).await,
        200
    );
    assert!(cashier.next_fulfilment().await.unwrap().is_some());
}

#[tokio::test]
async fn a_second_try_on_the_same_page_pays_although_the_first_was_asked_about() {
    // One try that came to nothing inside an open session is not the end, and neither is one that is still under way.
    for first in ["failed", "pending", "cancelled", "expired"] {
        let (cashier, script, attempt, clock) = desk().await;
        let name = attempt.reference().as_str();
        let tried = payment(json!({"id": "firsttry00000000000000001", "status": first, "external_order_num": name}));
        script.answer(200, session("pending", false, &tried));
        clock.advance(Duration::from_secs(3600));
        cashier.sweep(&SweepPolicy::default()).await.unwrap();
        assert_eq!(script.requests().len(), 1, "{first}: it was asked about");
        let paid = payment(json!({"external_order_num": name}));
        assert_eq!(deliver(&cashier, &event("evt-2", "payment.captured", &paid)).await, 200);
        let due = cashier.next_fulfilment().await.unwrap();
        assert_eq!(due.expect(first).amount, yen(1980));
    }
}

#[tokio::test]
async fn news_of_a_try_that_is_over_asks_and_ends_no_open_session() {
    for (kind, status) in [("payment.cancelled", "cancelled"), ("payment.expired", "expired")] {
        let (cashier, script, attempt, clock) = desk().await;
        let name = attempt.reference().as_str();
        let tried = payment(json!({"id": "firsttry00000000000000001", "status": status, "external_order_num": name}));
        assert_eq!(deliver(&cashier, &event("evt-1", kind, &tried)).await, 200);
        script.answer(200, session("pending", false, &tried));
        clock.advance(Duration::from_secs(1));
        cashier.sweep(&SweepPolicy::default()).await.unwrap();
        assert_eq!(script.requests().len(), 1, "{kind}: it was asked about");
        let stored = cashier.ledger().attempt(attempt.reference()).await.unwrap().unwrap();
        assert_eq!(
            (stored.status, stored.payment),
            (PaymentStatus::Created, None),
            "{kind}"
        );
        let paid = payment(json!({"external_order_num": name}));
        assert_eq!(deliver(&cashier, &event("evt-2", "payment.captured", &paid)).await, 200);
        assert_eq!(cashier.next_fulfilment().await.unwrap().expect(kind).amount, yen(1980));
        // And late news of the first try says nothing against the payment that was made.
        assert_eq!(deliver(&cashier, &event("evt-3", kind, &tried)).await, 200);
        assert!(cashier.ledger().held(10).await.unwrap().is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn another_payment_state_or_sum_is_another_fact() {
    let (gateway, script) = scripted();
    let stored = ours(&gateway);
    let mut ids = Vec::new();
    for changes in [
        json!({}),
        json!({"id": "secondpayment000000000001"}),
        json!({"total": 1979}),
        json!({"amount_refunded": 1}),
        json!({"amount_refunded": 1981}),
        json!({"status": "authorized"}),
        json!({"status": "authorized", "payment_details": {"type": "konbini"}}),
    ] {
        for _ in 0..2 {
            script.answer(200, session("completed", false, &payment(changes.clone())));
            let event = gateway.status(&stored, start()).await.unwrap().into_value();
            ids.push(event.id);
        }
    }
    assert!(
        ids.chunks(2).all(|same| same[0] == same[1]),
        "asking twice is heard once"
    );
    ids.dedup();
    let facts: std::collections::BTreeSet<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    assert_eq!(facts.len(), 7, "{facts:?}");
}

#[tokio::test]
async fn words_that_are_nearly_paid_are_not() {
    let (gateway, script) = scripted();
    let stored = ours(&gateway);
    for word in [
        "CAPTURED",
        "Captured",
        " captured",
        "captured ",
        "capture",
        "captured2",
        "re-captured",
        "1",
        "",
    ] {
        let said = payment(json!({ "status": word }));
        script.answer(200, session("completed", false, &said));
        let event = gateway.status(&stored, start()).await.unwrap();
        assert_eq!(event.value().snapshot.status, PaymentStatus::Unknown, "{word:?}");
        let events = gateway.verify(&signed(&event_of(&said))).unwrap().into_events();
        assert_eq!(events[0].value().snapshot.status, PaymentStatus::Unknown, "{word:?}");
    }
    // A number, a list or a truth instead of a word is no answer and no event.
    for odd in [
        json!(1),
        json!(true),
        json!(["captured"]),
        json!({"status": "captured"}),
    ] {
        let said = payment(json!({ "status": odd }));
        script.answer(200, session("completed", false, &said));
        let error = gateway.status(&stored, start()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Protocol, Outcome::Unknown));
        assert!(matches!(
            gateway.verify(&signed(&event_of(&said))),
            Err(VerifyError::Payload(_))
        ));
    }
}

fn event_of(payment: &Value) -> String {
    event("evt-1", "payment.captured", payment)
}

#[tokio::test]
async fn an_identifier_stays_one_path_segment() {
    let (gateway, script) = scripted();
    let key = IdempotencyKey::new("key-1").unwrap();
    let hostile = [
        "..",
        ".",
        "../payments/x",
        "a/../../b",
        "@evil.example",
        "a#b",
        "a?b=1",
        "%2f..%2f",
        "a\\b",
        "//evil.example",
        ":443",
    ];
    for id in hostile {
        let mut stored = ours(&gateway);
        stored.checkout = Some(GatewayReference::new(id).unwrap());
        stored.payment = Some(GatewayReference::new(id).unwrap());
        let abilities = gateway.abilities();
        script.answer(200, "{}").answer(200, "{}").answer(200, "{}");
        assert!(gateway.status(&stored, start()).await.is_err(), "{id}");
        assert!(
            abilities.expire.unwrap().expire(&stored, start()).await.is_err(),
            "{id}"
        );
        let refund = abilities.refund.unwrap().refund(&stored, None, &key, start()).await;
        assert!(refund.is_err(), "{id}");
        stored.checkout = None;
        script.answer(200, "{}");
        assert!(gateway.status(&stored, start()).await.is_err(), "{id}");
        let sent = script.requests();
        assert_eq!(sent.len(), 4, "{id}");
        for (request, tail) in sent.iter().zip([
            &["api", "v1", "sessions", ""][..],
            &["api", "v1", "sessions", "", "cancel"],
            &["api", "v1", "payments", "", "refund"],
            &["api", "v1", "payments", ""],
        ]) {
            // As the HTTP client reads it.
            let url = url::Url::parse(&request.uri().to_string()).unwrap();
            assert_eq!(
                (url.host_str(), url.query(), url.fragment()),
                (Some("komoju.com"), None, None),
                "{id}"
            );
            let mut segments: Vec<&str> = url.path_segments().unwrap().collect();
            assert_eq!(segments.len(), tail.len(), "{id}: {url}");
            segments[3] = "";
            assert_eq!(segments, tail, "{id}: {url}");
        }
    }
    // Line ends never become part of a reference.
    for id in ["a\r\nHost: evil.example", "a\nb", "a b"] {
        assert!(GatewayReference::new(id).is_err(), "{id:?}");
    }
}

#[tokio::test]
async fn two_refunds_in_part_are_both_on_record_and_a_repeat_is_not() {
    let (cashier, _, attempt, _) = desk().await;
    let name = attempt.reference().as_str();
    let of = |refunded: u64| payment(json!({"external_order_num": name, "amount_refunded": refunded}));
    let recorded = async || cashier.ledger().timeline(attempt.reference()).await.unwrap().len();
    assert_eq!(
        deliver(&cashier, &event("evt-1", "payment.captured", &of(0))).await,
        200
    );
    let mut before = recorded().await;
    // Both may come under one event id, and in either order.
    for (refunded, news) in [(1200, 1), (500, 1), (1200, 0), (500, 0)] {
        let body = event("evt-2", "payment.refund.created", &of(refunded));
        assert_eq!(deliver(&cashier, &body).await, 200);
        let after = recorded().await;
        assert_eq!(after - before, news, "{refunded}");
        before = after;
    }
    let stored = cashier.ledger().attempt(attempt.reference()).await.unwrap().unwrap();
    assert_eq!(stored.status, PaymentStatus::PartiallyRefunded);
}

#[tokio::test]
async fn a_return_is_a_page_and_a_question() {
    let (cashier, script, attempt, _) = desk().await;
    let target = |session: &str| {
        format!(
            "/pay/komoju/return?attempt={}&state={}&session_id={session}",
            attempt.reference(),
            attempt.expected.return_token.as_str()
        )
    };
    for wrong in ["zzzzzzzzzzzzzzzzzzzzzzzzz", "", "a%2Fb"] {
        let page = cashier.returned(&GatewayId::KOMOJU, back(&target(wrong))).await;
        assert_eq!(page.standing, Standing::Unknown, "{wrong}");
    }
    assert!(script.requests().is_empty());
    let paid = payment(json!({"external_order_num": attempt.reference().as_str()}));
    script.answer(200, session("completed", false, &paid));
    let page = cashier.returned(&GatewayId::KOMOJU, back(&target(SESSION))).await;
    assert_eq!(page.standing, Standing::Paid);
}

#[test]
fn random_messages_neither_prove_nor_panic() {
    use proptest::prelude::*;
    let (gateway, _) = scripted();
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    };
    proptest!(config, |(body in ".{0,300}", header in "[0-9a-f]{0,70}", query in "[a-z_=&%0-9]{0,60}")| {
        prop_assert!(gateway.verify(&message(&[("X-Komoju-Signature", &header)], &body)).is_err());
        // Signed garbage is no event either.
        let is_event = gateway.verify(&signed(&body)).is_ok();
        prop_assert!(!is_event);
        let _ = gateway.returned(&back(&format!("/pay/komoju/return?{query}")));
    });
}
