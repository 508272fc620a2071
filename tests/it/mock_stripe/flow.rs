//! This crate's client against the mock: every row of the status table that the mock can reach, and every event on the way.

use kessai::mock::stripe::TestCard;
use kessai::{
    CaptureMode, CheckoutRequest, Gateway, GatewayReference, IdempotencyKey, Locale, MerchantReference, Money,
    PaymentStatus,
};

use super::shop::{DAY, Form, HOUR, Shop, callback_of, id_of, page_of, store_of};
use crate::support::{order, yen};

fn manual() -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new("ORD-1").unwrap())
        .total(yen(3960))
        .capture(CaptureMode::Manual)
        .build()
        .unwrap()
}

fn said(kind: &str, status: PaymentStatus) -> (String, Option<PaymentStatus>) {
    (kind.to_owned(), Some(status))
}

#[tokio::test]
async fn an_open_page_is_created_and_stays_so_after_a_declined_card() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    assert_eq!(
        shop.snapshot(&attempt).await,
        (PaymentStatus::Created, "open/unpaid/-".to_owned())
    );

    let again = page_of(page.pay(TestCard::Declines).await.unwrap());
    assert!(again.is_open() && again.has_card_form());
    let words = "open/unpaid/requires_payment_method".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::Created, words));
    shop.quiet().await;
    // One failed try is no news: the shopper can try again.
    assert_eq!(shop.heard(), [("payment_intent.payment_failed".to_owned(), None)]);

    assert!(again.pay(TestCard::Succeeds).await.unwrap().store().is_some());
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Captured);
}

#[tokio::test]
async fn a_paid_order_is_captured_and_its_signed_event_says_the_same() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let back = store_of(page.pay(TestCard::Succeeds).await.unwrap());
    assert!(back.starts_with("http://127.0.0.1:3000/pay/stripe/return"), "{back}");
    assert!(back.ends_with(&format!("&session_id={}", id_of(&attempt))), "{back}");

    let words = "complete/paid/succeeded".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::Captured, words));
    shop.quiet().await;
    assert_eq!(
        shop.heard(),
        [
            said("payment_intent.succeeded", PaymentStatus::Captured),
            said("checkout.session.completed", PaymentStatus::Captured),
        ]
    );
    let event = shop.stripe.status(&attempt, shop.now()).await.unwrap();
    assert_eq!(event.value().snapshot.amount, Some(yen(3960)));
    assert_eq!(event.value().subject.attempt.as_ref(), Some(attempt.reference()));
    assert!(attempt.expected.accept(event).is_ok());
}

#[tokio::test]
async fn three_d_secure_waits_for_its_answer() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let step = page_of(page.pay(TestCard::AsksForSecure).await.unwrap());
    assert!(step.is_open() && step.asks_for_secure() && !step.has_card_form());
    let words = "open/unpaid/requires_action".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::RequiresAction, words));

    let again = page_of(step.answer_secure(false).await.unwrap());
    assert!(again.has_card_form());
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Created);

    let step = page_of(again.pay(TestCard::AsksForSecure).await.unwrap());
    store_of(step.answer_secure(true).await.unwrap());
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Captured);
}

#[tokio::test]
async fn a_delayed_payment_is_pending_until_the_money_comes() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    store_of(page.pay_later(true).await.unwrap());
    let words = "complete/unpaid/processing".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::Pending, words));

    shop.advance(47 * HOUR);
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Pending);
    shop.advance(HOUR);
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Captured);
    shop.quiet().await;
    let kinds: Vec<_> = shop.sink.types();
    assert_eq!(
        kinds,
        [
            "checkout.session.completed",
            "payment_intent.succeeded",
            "checkout.session.async_payment_succeeded"
        ]
    );
}

#[tokio::test]
async fn a_delayed_payment_that_never_comes_has_failed() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    store_of(page.pay_later(false).await.unwrap());
    shop.quiet().await;
    assert_eq!(
        shop.heard(),
        [said("checkout.session.completed", PaymentStatus::Pending)]
    );
    shop.merchant.settle(id_of(&attempt), false).unwrap();
    let words = "complete/unpaid/requires_payment_method".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::Failed, words));
    shop.quiet().await;
    assert_eq!(
        shop.heard().last(),
        Some(&said("checkout.session.async_payment_failed", PaymentStatus::Failed))
    );
    assert!(
        shop.merchant.settle(id_of(&attempt), true).is_err(),
        "it is decided once"
    );
}

#[tokio::test]
async fn authorized_money_is_captured_through_the_client() {
    let shop = Shop::open().await;
    let (mut attempt, url) = shop.attempt(&manual()).await;
    let page = shop.mock.shopper().open(&url).await.unwrap();
    store_of(page.pay(TestCard::Succeeds).await.unwrap());
    let words = "complete/unpaid/requires_capture".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::Authorized, words));
    shop.quiet().await;
    assert_eq!(
        shop.heard(),
        [
            said("payment_intent.amount_capturable_updated", PaymentStatus::Authorized),
            said("checkout.session.completed", PaymentStatus::Pending),
        ]
    );

    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    attempt.payment = Some(GatewayReference::new(view.payment_intent.unwrap()).unwrap());
    let capture = shop.stripe.abilities().capture.unwrap();
    let too_much = capture
        .capture(
            &attempt,
            Some(yen(3961)),
            &IdempotencyKey::random().unwrap(),
            shop.now(),
        )
        .await;
    assert_eq!(too_much.unwrap_err().outcome(), kessai::Outcome::NotSent);
    let key = IdempotencyKey::random().unwrap();
    capture
        .capture(&attempt, Some(yen(3000)), &key, shop.now())
        .await
        .unwrap();
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Captured);
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    assert_eq!((view.captured, view.payment_status.as_str()), (3000, "paid"));
    let twice = IdempotencyKey::random().unwrap();
    assert!(
        capture.capture(&attempt, None, &twice, shop.now()).await.is_err(),
        "nothing is left to capture"
    );
}

#[tokio::test]
async fn authorized_money_can_be_given_back_and_lapses_by_itself() {
    let shop = Shop::open().await;
    let (mut attempt, url) = shop.attempt(&manual()).await;
    store_of(
        shop.mock
            .shopper()
            .open(&url)
            .await
            .unwrap()
            .pay(TestCard::Succeeds)
            .await
            .unwrap(),
    );
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    attempt.payment = Some(GatewayReference::new(view.payment_intent.unwrap()).unwrap());
    let void = shop.stripe.abilities().void.unwrap();
    void.void(&attempt, &IdempotencyKey::random().unwrap(), shop.now())
        .await
        .unwrap();
    let words = "complete/unpaid/canceled".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::Cancelled, words));
    shop.quiet().await;
    assert_eq!(
        shop.heard().last(),
        Some(&said("payment_intent.canceled", PaymentStatus::Cancelled))
    );

    let (attempt, url) = shop.attempt(&manual()).await;
    store_of(
        shop.mock
            .shopper()
            .open(&url)
            .await
            .unwrap()
            .pay(TestCard::Succeeds)
            .await
            .unwrap(),
    );
    shop.advance(167 * HOUR);
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Authorized);
    shop.advance(HOUR);
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Cancelled);
    assert!(shop.merchant.capture(id_of(&attempt), None).is_err());
    shop.quiet().await;
    assert!(shop.sink.types().contains(&"charge.expired".to_owned()));
}

#[tokio::test]
async fn an_order_over_nothing_needs_no_payment() {
    let shop = Shop::open().await;
    let free = Form::valid().with("line_items[0][price_data][unit_amount]", "0");
    let session = shop.create(&free).await;
    let (mut attempt, _) = shop.at_page().await;
    attempt.checkout = Some(GatewayReference::new(session.id()).unwrap());
    let page = shop
        .mock
        .shopper()
        .open(session.json()["url"].as_str().unwrap())
        .await
        .unwrap();
    assert!(!page.has_card_form());
    assert!(page.pay(TestCard::Succeeds).await.is_err());
    store_of(page.confirm().await.unwrap());
    let words = "complete/no_payment_required/-".to_owned();
    assert_eq!(shop.snapshot(&attempt).await, (PaymentStatus::Captured, words));
}

#[tokio::test]
async fn a_page_expires_by_itself_and_on_request() {
    let shop = Shop::open().await;
    let (first, page) = shop.at_page().await;
    page_of(page.pay(TestCard::Declines).await.unwrap());
    shop.advance(DAY);
    let words = "expired/unpaid/canceled".to_owned();
    assert_eq!(shop.snapshot(&first).await, (PaymentStatus::Expired, words));
    let gone = page_of(page.pay(TestCard::Succeeds).await.unwrap());
    assert!(!gone.is_open() && !gone.has_card_form());
    assert_eq!(shop.status(&first).await, PaymentStatus::Expired);

    let (second, url) = shop.attempt(&order("ORD-2")).await;
    let expire = shop.stripe.abilities().expire.unwrap();
    let told = expire.expire(&second, shop.now()).await.unwrap();
    assert_eq!(told.value().snapshot.status, PaymentStatus::Expired);
    assert!(!shop.mock.shopper().open(&url).await.unwrap().is_open());
    shop.quiet().await;
    assert_eq!(
        shop.heard().last(),
        Some(&said("checkout.session.expired", PaymentStatus::Expired))
    );
}

#[tokio::test]
async fn a_paid_page_cannot_be_expired() {
    let shop = Shop::open().await;
    let attempt = shop.paid().await;
    let expire = shop.stripe.abilities().expire.unwrap();
    assert!(expire.expire(&attempt, shop.now()).await.is_err());
    assert!(shop.merchant.expire(id_of(&attempt)).is_err());
    shop.advance(2 * DAY);
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Captured);
}

#[tokio::test]
async fn refunds_add_up_and_can_fail_later() {
    let shop = Shop::open().await;
    let mut attempt = shop.paid().await;
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    attempt.payment = Some(GatewayReference::new(view.payment_intent.unwrap()).unwrap());
    let refund = shop.stripe.abilities().refund.unwrap();
    let send_back = async |amount: Option<Money>| {
        let key = IdempotencyKey::random().unwrap();
        refund.refund(&attempt, amount, &key, shop.now()).await
    };
    send_back(Some(yen(1000))).await.unwrap();
    assert_eq!(shop.status(&attempt).await, PaymentStatus::PartiallyRefunded);
    assert!(send_back(Some(yen(2961))).await.is_err(), "more than is left");
    assert!(send_back(Some(yen(0))).await.is_err(), "nothing");
    let rest = send_back(None).await.unwrap();
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Refunded);
    assert!(send_back(None).await.is_err(), "nothing is left");
    assert_eq!(shop.merchant.session(id_of(&attempt)).unwrap().payment_status, "paid");

    shop.merchant.fail_refund(rest.reference.as_str()).unwrap();
    assert!(shop.merchant.fail_refund(rest.reference.as_str()).is_err());
    assert_eq!(shop.status(&attempt).await, PaymentStatus::PartiallyRefunded);
    shop.quiet().await;
    let heard = shop.heard();
    assert!(heard.contains(&said("charge.refunded", PaymentStatus::PartiallyRefunded)));
    assert!(heard.contains(&said("charge.refunded", PaymentStatus::Refunded)));
    assert_eq!(heard.last(), Some(&said("refund.failed", PaymentStatus::Unknown)));
}

#[tokio::test]
async fn a_dispute_wins_over_a_refund_and_outlives_its_end() {
    let shop = Shop::open().await;
    let attempt = shop.paid().await;
    let session = id_of(&attempt);
    shop.merchant.refund(session, Some(100)).unwrap();
    let dispute = shop.merchant.dispute(session).unwrap();
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Disputed);
    assert!(shop.merchant.dispute(session).is_err(), "one at a time");
    shop.merchant.close_dispute(&dispute, true).unwrap();
    assert!(shop.merchant.close_dispute(&dispute, false).is_err(), "it is closed");
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Disputed);
    shop.quiet().await;
    let kinds = shop.sink.types();
    for kind in ["created", "funds_withdrawn", "closed", "funds_reinstated"] {
        assert!(kinds.contains(&format!("charge.dispute.{kind}")), "{kind}");
    }
    // `heard` verifies each of them.
    assert_eq!(shop.heard().len(), kinds.len());
}

#[tokio::test]
async fn money_cannot_be_moved_before_there_is_any() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let session = id_of(&attempt);
    let nothing_moves = || {
        assert!(shop.merchant.refund(session, None).is_err());
        assert!(shop.merchant.dispute(session).is_err());
        assert!(shop.merchant.capture(session, None).is_err());
        assert!(shop.merchant.cancel(session).is_err());
        assert!(shop.merchant.settle(session, true).is_err());
    };
    nothing_moves();
    page_of(page.pay(TestCard::Declines).await.unwrap());
    nothing_moves();
    assert!(shop.merchant.refund("cs_test_none", None).is_err());
    assert!(shop.merchant.session("cs_test_none").is_err());
    assert_eq!(shop.status(&attempt).await, PaymentStatus::Created);
}

#[tokio::test]
async fn the_clients_requests_arrive_as_they_were_meant() {
    let shop = Shop::open().await;
    let request = CheckoutRequest::builder(MerchantReference::new("ORD-9").unwrap())
        .total(yen(500))
        .locale(Locale::new("ja-JP").unwrap())
        .valid_for(HOUR)
        .build()
        .unwrap();
    let (attempt, _) = shop.attempt(&request).await;
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    assert_eq!((view.amount, view.currency.as_str()), (500, "jpy"));
    assert_eq!(view.client_reference_id.as_deref(), Some("ORD-9"));
    assert_eq!(view.metadata["attempt_id"], attempt.reference().as_str());
    assert_eq!(view.expires_at, shop.now() + HOUR);
    assert_eq!(
        (view.status.as_str(), view.payment_status.as_str(), view.payment_intent),
        ("open", "unpaid", None)
    );
    let requests = shop.merchant.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", "/v1/checkout/sessions")
    );
    assert_eq!(
        requests[0].idempotency_key.as_deref(),
        Some(attempt.expected.idempotency_key.as_str())
    );
    assert_eq!(requests[0].status, 200);
}

#[tokio::test]
async fn a_cashier_lives_in_the_gateways_time() {
    use kessai::mock::Clock;
    use kessai::{Cashier, GatewayId};

    let shop = Shop::open().await;
    let clock: Clock = shop.mock.clock().clone();
    let cashier = Cashier::builder(kessai::ledgers::MemoryLedger::new())
        .gateway(shop.stripe.clone())
        .clock(clock)
        .build()
        .unwrap();
    let checkout = cashier.open(&order("ORD-1"), &GatewayId::STRIPE).await.unwrap();
    let kessai::Redirect::Get(url) = &checkout.redirect else {
        panic!("a link")
    };
    let page = shop.mock.shopper().open(url.as_str()).await.unwrap();
    store_of(page.pay(TestCard::Succeeds).await.unwrap());
    shop.quiet().await;
    for request in shop.sink.received() {
        let callback = callback_of(&request);
        assert_eq!(cashier.callback(&GatewayId::STRIPE, callback).await.status(), 200);
    }
    let due = cashier.next_fulfilment().await.unwrap().expect("one order to fulfil");
    assert_eq!(due.order.as_str(), "ORD-1");
    assert!(due.done().await.unwrap());
    assert!(cashier.next_fulfilment().await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_not_expanded_is_an_id() {
    let shop = Shop::open().await;
    let attempt = shop.paid().await;
    let path = format!("/v1/checkout/sessions/{}", id_of(&attempt));
    let plain = shop.get(&path).await.json();
    let intent = plain["payment_intent"].as_str().unwrap().to_owned();
    let one = shop.get(&format!("{path}?expand[0]=payment_intent")).await.json();
    assert_eq!(one["payment_intent"]["id"], intent.as_str());
    assert!(one["payment_intent"]["latest_charge"].is_string());
    // Escaped brackets and brackets without an index mean the same.
    for two in [
        "expand[0]=payment_intent.latest_charge",
        "expand%5B%5D=payment_intent.latest_charge",
    ] {
        let two = shop.get(&format!("{path}?{two}")).await.json();
        assert_eq!(two["payment_intent"]["latest_charge"]["amount_captured"], 3960);
    }
    for refused in [
        "expand[0]=charges",
        "expand[0]=payment_intent.customer",
        "expand=payment_intent",
        "expand[0]=",
    ] {
        assert_eq!(
            shop.get(&format!("{path}?{refused}")).await.refusal().0,
            400,
            "{refused}"
        );
    }
    let found = shop
        .get(&format!("/v1/checkout/sessions?payment_intent={intent}"))
        .await
        .json();
    assert_eq!(found["data"][0]["id"], id_of(&attempt));
}
