//! Our client against Stripe's API description, served and checked by prism.
//!
//! What prism refuses it marks in the header `sl-violations` and in its log, and what it finds no path for it answers in
//! words of its own. Names that the description does not have, prism lets pass, so we look for those. Every test looks in all
//! these places, and one test shows that they are the places to look in.

use std::time::Duration;

use kessai::gateways::stripe::Stripe;
use kessai::ledger::StoredAttempt;
use kessai::{
    CaptureMode, CheckoutRequest, Currency, Email, ErrorKind, ExpectedPayment, Gateway, GatewayReference,
    IdempotencyKey, LineItem, Locale, MerchantReference, Money, Outcome, PaymentStatus, Redirect, Trust,
};

use super::description::Prism;
use crate::support::{start, stripe, yen};

/// The session and the payment of the description's examples.
const SESSION: &str = "cs_test_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6a7B8c9";
const PAYMENT: &str = "pi_3QexampleAbCdEfGhIjKlMnO";
/// What is sold in them.
const ORDER: &str = "ORD-2026-000123";
const PAID: u64 = 2599;

#[tokio::test]
async fn no_create_call_is_refused_by_stripes_description() {
    let Some(prism) = Prism::start().await else { return };
    let named = |name: &str| CheckoutRequest::builder(MerchantReference::new(name).unwrap());
    let item = |name: &str, price: u64| LineItem::new(name, yen(price), 3).unwrap();
    let full = named("EC-1_full.9")
        .item(item("煎茶 & <玉露> \"100 g\" = 50% + 税", 1980))
        .item(item("Gift wrap", 0))
        .email(Email::new("taro+tea@shop.example").unwrap())
        .locale(Locale::new("zh-TW").unwrap())
        .capture(CaptureMode::Manual)
        .valid_for(Duration::from_secs(3600))
        .build()
        .unwrap();
    let hundred = (0..100).fold(named("EC-2"), |builder, n| {
        builder.item(item(&format!("品 {n}"), 10 + n))
    });
    let requests = [
        named("EC-3").total(yen(50)).build().unwrap(),
        named("EC-4").total(Money::new(5_000, Currency::USD)).build().unwrap(),
        named("EC-5")
            .total(Money::new(1_500, "ISK".parse().unwrap()))
            .build()
            .unwrap(),
        named("EC-6")
            .total(Money::new(5_120, "KWD".parse().unwrap()))
            .build()
            .unwrap(),
        named("EC-7").total(yen(999_999_999_999)).build().unwrap(),
        named("EC-8")
            .total(yen(500))
            .locale(Locale::new("ja-JP").unwrap())
            .build()
            .unwrap(),
        named("EC-9")
            .total(yen(500))
            .locale(Locale::new("tlh").unwrap())
            .build()
            .unwrap(),
        named("EC-10")
            .total(yen(500))
            .valid_for(Duration::from_secs(30 * 60))
            .build()
            .unwrap(),
        named(&"x".repeat(128)).total(yen(500)).build().unwrap(),
        full,
        hundred.build().unwrap(),
    ];
    for request in &requests {
        let (stripe, way) = prism.gateway(Some("code=200"));
        let expected = ExpectedPayment::plan(&stripe, request, start()).unwrap();
        let error = stripe.checkout(&expected, request).await.unwrap_err();
        // The description's one answer is about another order, and that is seen: prism took the request, we refuse the page.
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Protocol, Outcome::Unknown),
            "{request:?}"
        );
        assert_eq!(way.only(), (200, None), "{request:?}");
    }
    prism.took(requests.len()).await;
}

#[tokio::test]
async fn the_descriptions_own_session_becomes_a_redirect() {
    let Some(prism) = Prism::start().await else { return };
    for methods in [&[][..], &["card", "link"][..]] {
        let (stripe, way) = prism.gateway_of(stripe().methods(methods.iter().copied()), None);
        let request = example();
        let expected = ExpectedPayment::plan(&stripe, &request, start()).unwrap();
        let checkout = stripe.checkout(&expected, &request).await.unwrap();
        assert_eq!(way.only(), (200, None));
        assert_eq!(checkout.reference.unwrap().as_str(), SESSION);
        let Redirect::Get(url) = checkout.redirect else {
            panic!("a link was expected")
        };
        assert_eq!(
            url.as_str(),
            "https://checkout.stripe.com/c/pay/cs_test_a1B2c3D4e5F6g7H8i9J0#fidkdWxOYHwn"
        );
    }
    prism.took(2).await;
}

#[tokio::test]
async fn every_example_of_a_session_is_read_as_its_name_says() {
    let Some(prism) = Prism::start().await else { return };
    let table = [
        ("example=open", PaymentStatus::Created),
        // Not expanded, though we ask for it: paid is enough.
        ("example=complete_paid", PaymentStatus::Captured),
        ("example=complete_paid_expanded", PaymentStatus::Captured),
        ("example=complete_unpaid_async", PaymentStatus::Pending),
        ("example=complete_authorized", PaymentStatus::Authorized),
        ("example=expired", PaymentStatus::Expired),
    ];
    for (example, status) in table {
        let (stripe, way) = prism.gateway(Some(example));
        let answer = stripe.status(&attempt(&stripe), start()).await.unwrap();
        assert_eq!(way.only(), (200, None), "{example}");
        assert_eq!(answer.trust(), Trust::StatusQuery);
        let event = answer.into_value();
        assert_eq!(event.snapshot.status, status, "{example}");
        assert_eq!(
            event.snapshot.amount,
            Some(Money::new(PAID, Currency::EUR)),
            "{example}"
        );
        assert_eq!(event.subject.order.unwrap().as_str(), ORDER, "{example}");
        assert_eq!(event.subject.checkout.unwrap().as_str(), SESSION, "{example}");
        let payment = event.subject.payment.map(|payment| payment.as_str().to_owned());
        let has_payment = !matches!(status, PaymentStatus::Created | PaymentStatus::Expired);
        assert_eq!(payment.as_deref(), has_payment.then_some(PAYMENT), "{example}");
    }
    prism.took(table.len()).await;
}

#[tokio::test]
async fn expire_capture_void_and_refund_are_calls_of_the_description() {
    let Some(prism) = Prism::start().await else { return };
    let key = IdempotencyKey::new("op-1").unwrap();
    let part = Some(Money::new(1_000, Currency::EUR));

    let (stripe, way) = prism.gateway(None);
    let attempt = attempt(&stripe);
    let able = stripe.abilities();
    let expired = able.expire.unwrap().expire(&attempt, start()).await.unwrap();
    assert_eq!(expired.into_value().snapshot.status, PaymentStatus::Expired);
    for amount in [None, part] {
        able.capture
            .unwrap()
            .capture(&attempt, amount, &key, start())
            .await
            .unwrap();
    }
    able.void.unwrap().void(&attempt, &key, start()).await.unwrap();
    way.prefer("example=succeeded");
    for amount in [None, part] {
        let refund = able
            .refund
            .unwrap()
            .refund(&attempt, amount, &key, start())
            .await
            .unwrap();
        assert_eq!(refund.reference.as_str(), "re_3QexampleAbCdEfGhIjKlMnO");
        assert_eq!(refund.gateway_status.as_str(), "succeeded");
    }
    way.prefer("example=pending");
    let refund = able
        .refund
        .unwrap()
        .refund(&attempt, None, &key, start())
        .await
        .unwrap();
    assert_eq!(refund.gateway_status.as_str(), "pending");
    assert_eq!(way.seen(), vec![(200, None); 7]);
    prism.took(7).await;
}

#[tokio::test]
async fn every_refusal_of_the_description_is_a_typed_error() {
    use ErrorKind as K;
    let Some(prism) = Prism::start().await else { return };
    let table = [
        (400, K::Request, Outcome::Refused, "parameter_unknown"),
        (401, K::Authentication, Outcome::Refused, "invalid_request_error"),
        (402, K::Declined, Outcome::Refused, "card_declined"),
        (404, K::NotFound, Outcome::Refused, "resource_missing"),
        (409, K::Conflict, Outcome::Unknown, "idempotency_key_in_use"),
        (429, K::RateLimited, Outcome::Refused, "lock_timeout"),
        (500, K::Unavailable, Outcome::Unknown, "api_error"),
    ];
    let key = IdempotencyKey::new("op-1").unwrap();
    for (status, kind, outcome, code) in table {
        let (stripe, way) = prism.gateway(Some(&format!("code={status}")));
        let (request, attempt) = (example(), attempt(&stripe));
        let able = stripe.abilities();
        let errors = [
            stripe.checkout(&attempt.expected, &request).await.unwrap_err(),
            stripe.status(&attempt, start()).await.unwrap_err(),
            able.expire.unwrap().expire(&attempt, start()).await.unwrap_err(),
            able.capture
                .unwrap()
                .capture(&attempt, None, &key, start())
                .await
                .unwrap_err(),
            able.void.unwrap().void(&attempt, &key, start()).await.unwrap_err(),
            able.refund
                .unwrap()
                .refund(&attempt, None, &key, start())
                .await
                .unwrap_err(),
        ];
        for error in &errors {
            assert_eq!(
                (error.kind(), error.outcome(), error.code()),
                (kind, outcome, Some(code)),
                "{error:?}"
            );
        }
        assert_eq!(way.seen(), vec![(status, None); 6]);
    }
    prism.took(6 * table.len()).await;
}

/// Without this the tests above could not fail.
#[tokio::test]
async fn a_bad_request_is_seen_in_the_header_in_the_log_and_in_the_words() {
    const CREATE: &str = "/v1/checkout/sessions";
    let Some(prism) = Prism::start().await else { return };
    let good = "mode=payment&line_items[0][quantity]=1";
    let refused = [
        (CREATE, "mode=pay&line_items[0][quantity]=1".to_owned()),
        (CREATE, "mode=payment".to_owned()),
        (CREATE, format!("{good}&locale=tlh")),
        (CREATE, format!("{good}&expires_at=soon")),
        (CREATE, format!("{good}&line_items[1][quantity]=0")),
        (CREATE, format!("{good}&line_items[99][price_data][currency]=JPY")),
        (CREATE, format!("{good}&metadata[order_id]={}", "x".repeat(501))),
        ("/v1/refunds", "payment_intent=pi_1&amount=1.5".to_owned()),
        (
            "/v1/payment_intents/pi_1/cancel",
            "cancellation_reason=changed_mind".to_owned(),
        ),
        ("/v1/checkout/session", good.to_owned()),
    ];
    for (path, form) in &refused {
        let (status, complaint) = prism.post(path, form).await;
        assert!((400..500).contains(&status), "{path} {form}: {status}");
        assert!(
            complaint.is_some_and(|why| !why.starts_with("unknown")),
            "{path} {form}"
        );
    }
    prism.wait_for("Request received", refused.len()).await;
    prism.wait_for("✖  error", refused.len()).await;
    assert_eq!(prism.count("passed the validation rules"), 0);

    let unknown = [
        (CREATE, "payment_method_types[0]"),
        (CREATE, "line_items[100][quantity]"),
        (CREATE, "metadata[other]"),
        ("/v1/checkout/sessions/cs_1/expire", "reason"),
        ("/v1/payment_intents/pi_1/capture", "amount"),
        ("/v1/refunds", "payment"),
    ];
    for (path, name) in unknown {
        let (_, complaint) = prism.post(path, &format!("{good}&{name}=1")).await;
        assert!(complaint.is_some_and(|why| why.contains(name)), "{path} {name}");
    }
}

fn example() -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(ORDER).unwrap())
        .total(Money::new(PAID, Currency::EUR))
        .build()
        .unwrap()
}

/// An attempt that was opened as the description's session.
fn attempt(stripe: &Stripe) -> StoredAttempt {
    let expected = ExpectedPayment::plan(stripe, &example(), start()).unwrap();
    let mut attempt = StoredAttempt::new(expected);
    attempt.checkout = Some(GatewayReference::new(SESSION).unwrap());
    attempt.payment = Some(GatewayReference::new(PAYMENT).unwrap());
    attempt.opened = true;
    attempt
}
