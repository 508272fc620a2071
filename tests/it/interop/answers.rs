//! The mock gateway's answers against Stripe's API description: prism stands between it and our client.

use std::time::{Duration, SystemTime};

use kessai::gateways::stripe::{Stripe, StripeBuilder};
use kessai::ledger::StoredAttempt;
use kessai::mock::stripe::{MockStripe, TestCard};
use kessai::sign::SigningKeys;
use kessai::{
    Addresses, ApiKey, CaptureMode, CheckoutRequest, ErrorKind, ExpectedPayment, Gateway, GatewayReference,
    IdempotencyKey, LineItem, MerchantReference, Outcome, PaymentStatus,
};
use serde_json::json;

use super::description::Prism;
use crate::support::{SIGNING_SECRET, yen};

#[tokio::test]
async fn the_mock_gateway_answers_as_stripes_description_says() {
    let mock = MockStripe::start().unwrap();
    let Some(prism) = Prism::in_front_of(origin(&mock)).await else {
        return;
    };
    let (stripe, way) = prism.gateway_of(of(&mock), None);
    let able = stripe.abilities();
    let key = |name: &str| IdempotencyKey::new(name).unwrap();
    let look = async |attempt: &StoredAttempt, status: PaymentStatus| {
        let answer = stripe.status(attempt, SystemTime::now()).await.unwrap();
        assert_eq!(answer.value().snapshot.status, status);
    };

    // Open, paid, refunded in two parts.
    let mut paid = opened(&mock, &stripe, "EC-1", CaptureMode::Automatic).await;
    look(&paid, PaymentStatus::Created).await;
    pay(&mock, &mut paid).await;
    look(&paid, PaymentStatus::Captured).await;
    able.refund
        .unwrap()
        .refund(&paid, Some(yen(960)), &key("refund-1"), SystemTime::now())
        .await
        .unwrap();
    look(&paid, PaymentStatus::PartiallyRefunded).await;
    able.refund
        .unwrap()
        .refund(&paid, None, &key("refund-2"), SystemTime::now())
        .await
        .unwrap();
    look(&paid, PaymentStatus::Refunded).await;
    let refused = able
        .refund
        .unwrap()
        .refund(&paid, None, &key("refund-3"), SystemTime::now())
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code()),
        (ErrorKind::Conflict, Some("charge_already_refunded"))
    );
    // Authorized; one captured, one let go, and neither twice.
    let mut taken = opened(&mock, &stripe, "EC-2", CaptureMode::Manual).await;
    let mut gone = opened(&mock, &stripe, "EC-3", CaptureMode::Manual).await;
    for attempt in [&mut taken, &mut gone] {
        pay(&mock, attempt).await;
        look(attempt, PaymentStatus::Authorized).await;
    }
    able.capture
        .unwrap()
        .capture(&taken, None, &key("capture-1"), SystemTime::now())
        .await
        .unwrap();
    look(&taken, PaymentStatus::Captured).await;
    able.void
        .unwrap()
        .void(&gone, &key("void-1"), SystemTime::now())
        .await
        .unwrap();
    let refused = able
        .void
        .unwrap()
        .void(&taken, &key("void-2"), SystemTime::now())
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind(), refused.outcome()),
        (ErrorKind::Conflict, Outcome::Refused)
    );
    // Closed, and not twice.
    let closed = opened(&mock, &stripe, "EC-4", CaptureMode::Automatic).await;
    let event = able.expire.unwrap().expire(&closed, SystemTime::now()).await.unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Expired);
    look(&closed, PaymentStatus::Expired).await;
    // Never heard of.
    let mut unknown = closed.clone();
    unknown.checkout = Some(GatewayReference::new("cs_test_unknown").unwrap());
    let refused = stripe.status(&unknown, SystemTime::now()).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.outcome()),
        (ErrorKind::NotFound, Outcome::Refused)
    );
    for (status, complaint) in way.seen() {
        assert_eq!(complaint, None, "{status}");
    }

    // What our client never asks for.
    let payment = paid.payment.unwrap();
    let mut paths = vec![
        "/v1/checkout/sessions".to_owned(),
        "/v1/checkout/sessions?limit=1".to_owned(),
        format!("/v1/checkout/sessions?payment_intent={}", payment.as_str()),
        format!("/v1/refunds?payment_intent={}", payment.as_str()),
        format!("/v1/payment_intents/{}", payment.as_str()),
        format!("/v1/payment_intents/{}?expand%5B0%5D=latest_charge", payment.as_str()),
    ];
    mock.quiet(Duration::from_secs(10)).await.unwrap();
    paths.extend(
        mock.merchant()
            .events()
            .iter()
            .map(|event| format!("/v1/events/{}", event.id)),
    );
    for path in &paths {
        assert_eq!(prism.get(path, mock.merchant().api_key()).await, (200, None), "{path}");
    }
    prism.passed_on_without_complaint();
}

/// A checkout that the mock made, as the ledger would have it.
async fn opened(mock: &MockStripe, stripe: &Stripe, order: &str, capture: CaptureMode) -> StoredAttempt {
    let request = CheckoutRequest::builder(MerchantReference::new(order).unwrap())
        .item(LineItem::new("煎茶", yen(1980), 2).unwrap())
        .capture(capture)
        .build()
        .unwrap();
    let expected = ExpectedPayment::plan(stripe, &request, mock.clock().now()).unwrap();
    let checkout = stripe.checkout(&expected, &request).await.unwrap();
    let mut attempt = StoredAttempt::new(expected);
    attempt.checkout = checkout.reference;
    attempt.opened = true;
    attempt
}

/// The shopper pays; the payment's id is what a callback would have brought.
async fn pay(mock: &MockStripe, attempt: &mut StoredAttempt) {
    let session = mock
        .merchant()
        .session(attempt.checkout.as_ref().unwrap().as_str())
        .unwrap();
    let page = mock.shopper().open(&session.url.unwrap()).await.unwrap();
    page.pay(TestCard::Succeeds).await.unwrap();
    let payment = mock.merchant().session(&session.id).unwrap().payment_intent.unwrap();
    attempt.payment = Some(GatewayReference::new(payment).unwrap());
}

fn of(mock: &MockStripe) -> StripeBuilder {
    let builder = Stripe::builder(
        ApiKey::new(mock.merchant().api_key()).unwrap(),
        SigningKeys::from_texts([SIGNING_SECRET]).unwrap(),
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    );
    builder.pages([origin(mock)])
}

fn origin(mock: &MockStripe) -> &str {
    mock.base_url().as_str().trim_end_matches('/')
}

/// Without this the test above could not fail.
#[tokio::test]
async fn a_bad_answer_is_seen_too() {
    let good = json!({
        "id": "cs_test_1", "object": "checkout.session", "created": 1, "expires_at": 2, "livemode": false, "mode": "payment",
        "payment_method_types": ["card"], "payment_status": "unpaid", "status": "open",
    });
    let changes = [
        ("id", json!(1), false),
        ("status", json!("done"), false),
        ("payment_status", json!(null), false),
        ("livemode", json!("false"), false),
        ("amount_total", json!("3960"), false),
        ("payment_intent", json!({"id": "pi_1"}), false),
        ("status", json!("complete"), true),
    ];
    let answers: Vec<_> = changes
        .iter()
        .map(|(field, value, _)| {
            let mut session = good.clone();
            session[*field] = value.clone();
            session
        })
        .collect();
    let routes = axum::Router::new().route(
        "/v1/checkout/sessions/{n}",
        axum::routing::get(async move |axum::extract::Path(n): axum::extract::Path<usize>| {
            ([("content-type", "application/json")], answers[n].to_string())
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let Some(prism) = Prism::in_front_of(&upstream).await else {
        return;
    };
    for (n, (field, value, fits)) in changes.iter().enumerate() {
        let (status, complaint) = prism
            .get(&format!("/v1/checkout/sessions/{n}"), "sk_test_0123456789abcdef")
            .await;
        assert_eq!(
            (status == 200, complaint.is_none()),
            (*fits, *fits),
            "{field} {value}: {status} {complaint:?}"
        );
    }
}
