//! How results reach the store, what counts as taken, and what a store makes of broken ones.

use std::time::Duration;

use kessai::gateways::sbps::Channel;
use kessai::mock::sbps::{DeliveryFault, DeliveryOutcome, MockSbps, TestCard};
use kessai::{Callback, PaymentStatus};

use super::shop::{DAY, Store, Words, field, page_of, visit_of};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn only_the_exact_words_count_as_taken() {
    let wrong: [Words; 12] = [
        (200, "text/plain", "OK"),
        (200, "text/plain", "OK,\n"),
        (200, "text/plain", "\u{feff}OK,"),
        (200, "text/plain", " OK,"),
        (200, "text/plain", "ok,"),
        (200, "text/plain", "OK, "),
        (200, "text/plain", ""),
        (200, "text/html", "OK,"),
        (200, "application/json", "OK,"),
        (201, "text/plain", "OK,"),
        (500, "text/plain", "OK,"),
        (302, "text/plain", "OK,"),
    ];
    for words in wrong {
        let store = Store::open().await;
        store.answer([words]);
        visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
        store.quiet().await;
        let status = words.0;
        let outcomes: Vec<_> = store
            .merchant
            .deliveries()
            .into_iter()
            .map(|sent| sent.outcome)
            .collect();
        assert_eq!(outcomes, [DeliveryOutcome::NotAnAck { status }], "{words:?}");
        assert_eq!(store.merchant.undelivered().len(), 1);
        // A card's result is not sent again, however long one waits.
        store.advance(DAY);
        store.quiet().await;
        assert_eq!(store.received().len(), 1);
    }
    let store = Store::open().await;
    store.answer([(200, "text/plain; charset=Shift_JIS", "NG,no such order")]);
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let refused = DeliveryOutcome::Refused("no such order".to_owned());
    assert_eq!(store.merchant.deliveries()[0].outcome, refused);
    assert_eq!(store.merchant.undelivered().len(), 1);
}

#[tokio::test]
async fn a_deposit_report_is_repeated_as_booked_until_it_is_taken() {
    let waits = vec![MINUTE, MINUTE * 10];
    let store = Store::with(MockSbps::builder().retry_after(waits), |shop| shop.methods(["webcvs"])).await;
    page_of(store.at_page().await.pay_later(true).await.unwrap());
    store.quiet().await;
    store.answer([(200, "text/html", "<h1>Error</h1>"), (503, "text/plain", "OK,")]);
    store.advance(DAY * 2);
    store.quiet().await;
    assert_eq!(store.results(), ["OK", "PY"]);
    store.advance(MINUTE);
    store.quiet().await;
    assert_eq!(store.results(), ["OK", "PY", "PY"]);
    store.advance(MINUTE * 9);
    store.quiet().await;
    assert_eq!(store.results().len(), 3, "the second wait is longer");
    assert_eq!(store.merchant.undelivered().len(), 1);
    store.advance(MINUTE);
    store.quiet().await;
    let tries: Vec<u32> = store.merchant.deliveries().iter().map(|sent| sent.attempt).collect();
    assert_eq!(tries, [1, 1, 2, 3]);
    assert!(store.merchant.undelivered().is_empty());
    store.advance(DAY);
    store.quiet().await;
    assert_eq!(store.results().len(), 4, "what was taken is not sent again");
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_deposit_report_is_given_up_after_the_last_try() {
    let store = Store::with(MockSbps::builder().retry_after(vec![MINUTE]), |shop| {
        shop.methods(["webcvs"])
    })
    .await;
    page_of(store.at_page().await.pay_later(true).await.unwrap());
    store.quiet().await;
    store.answer([(500, "text/plain", ""), (500, "text/plain", "")]);
    for _ in 0..4 {
        store.advance(DAY * 2);
        store.quiet().await;
    }
    assert_eq!(store.results(), ["OK", "PY", "PY"]);
    assert_eq!(store.merchant.undelivered()[0].1, "PY");
    // The sweep finds the money all the same.
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_result_that_comes_twice_is_paid_once() {
    for fault in [DeliveryFault::Duplicate, DeliveryFault::TwiceAtOnce] {
        for settles in [true, false] {
            let store = Store::with(MockSbps::builder(), |shop| {
                if settles { shop.notifications_settle() } else { shop }
            })
            .await;
            let armed = store.mock.delivery_fault(fault).arm();
            visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
            store.quiet().await;
            assert_eq!(armed.hits(), 1);
            assert_eq!(store.results(), ["OK", "OK"]);
            assert!(
                store
                    .merchant
                    .deliveries()
                    .iter()
                    .all(kessai::mock::sbps::DeliveryView::acknowledged)
            );
            store.sweep().await;
            assert_eq!(store.fulfil_all().await, 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_late_result_pays_late() {
    let store = Store::open().await;
    store.mock.delivery_fault(DeliveryFault::Late(MINUTE * 90)).arm();
    let visit = visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert!(store.received().is_empty());
    assert_eq!(store.come_back(&visit).await.standing, kessai::Standing::AskAgain);
    store.advance(MINUTE * 90);
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_deposit_that_is_reported_before_its_slip_is_paid_once() {
    for settles in [true, false] {
        let store = Store::with(MockSbps::builder(), |shop| {
            let shop = shop.methods(["webcvs"]);
            if settles { shop.notifications_settle() } else { shop }
        })
        .await;
        store.mock.delivery_fault(DeliveryFault::Reordered).on("OK").arm();
        page_of(store.at_page().await.pay_later(true).await.unwrap());
        store.quiet().await;
        assert!(store.received().is_empty());
        store.advance(DAY * 2);
        store.quiet().await;
        assert_eq!(store.results(), ["PY", "OK"]);
        store.sweep().await;
        assert_eq!(store.status().await, PaymentStatus::Captured, "settles: {settles}");
        assert_eq!(store.fulfil_all().await, 1);
    }
}

#[tokio::test]
async fn a_result_that_is_not_genuine_is_answered_ng_and_pays_nothing() {
    for fault in [
        DeliveryFault::WrongKey,
        DeliveryFault::WrongChannel,
        DeliveryFault::Tampered,
    ] {
        for settles in [true, false] {
            let store = Store::with(MockSbps::builder(), |shop| {
                if settles { shop.notifications_settle() } else { shop }
            })
            .await;
            store.mock.delivery_fault(fault).arm();
            visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
            store.quiet().await;
            let refused = DeliveryOutcome::Refused("refused".to_owned());
            assert_eq!(store.merchant.deliveries()[0].outcome, refused, "{fault:?}");
            store.sweep().await;
            assert_eq!(store.fulfil_all().await, 0, "{fault:?}");
            assert!(store.held().await.is_empty());
            // The genuine one still counts.
            let id = store.there().await.order_id;
            store.merchant.resend(&id).unwrap();
            store.quiet().await;
            store.sweep().await;
            assert_eq!(store.fulfil_all().await, 1, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn a_digit_that_moved_under_a_right_hash_pays_nothing_and_is_seen() {
    let store = Store::with(
        MockSbps::builder(),
        kessai::gateways::sbps::SbpsBuilder::notifications_settle,
    )
    .await;
    store.mock.delivery_fault(DeliveryFault::MovedDigit).arm();
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let body = &store.received()[0];
    assert_eq!(
        (field(body, "tax"), field(body, "amount")),
        ("3".to_owned(), "960".to_owned())
    );
    // Its hash is right.
    let request = http::Request::post("/pay/sbps/notification")
        .body(body.clone())
        .unwrap();
    let callback = Callback::new(request, store.mock.clock().now()).unwrap();
    assert!(store.sbps.report(&callback, Channel::Notification).is_ok());
    assert_eq!(store.fulfil_all().await, 0);
    assert_eq!(store.held().await.len(), 1);
}

#[tokio::test]
async fn a_store_that_is_away_is_noted_and_nothing_leaves_this_machine() {
    let store = Store::open().await;
    store.merchant.notify_at("http://127.0.0.1:1/result").unwrap();
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let sent = &store.merchant.deliveries()[0];
    assert_eq!(sent.outcome, DeliveryOutcome::NoAnswer);
    assert_eq!(sent.url, "http://127.0.0.1:1/result");
    assert!(store.received().is_empty());
}

#[tokio::test]
async fn the_fields_come_in_another_order_each_time_and_in_capitals() {
    let store = Store::open().await;
    store.mock.delivery_fault(DeliveryFault::Duplicate).arm();
    let visit = visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let bodies = store.received();
    assert_ne!(bodies[0], bodies[1]);
    let hash = field(&bodies[0], "sps_hashcode");
    assert_eq!(hash, field(&bodies[1], "sps_hashcode"));
    assert_eq!(hash, hash.to_uppercase());
    // Through the browser it is another hash, in small letters.
    let returned = field(&visit.body, "sps_hashcode");
    assert_eq!(returned, returned.to_lowercase());
    assert!(!returned.eq_ignore_ascii_case(&hash));
    assert_eq!(
        field(&visit.body, "res_tracking_id"),
        field(&bodies[0], "res_tracking_id")
    );
    for name in ["success_url", "pagecon_url", "free_csv"] {
        assert!(!String::from_utf8_lossy(&bodies[0]).contains(name));
    }
}

#[tokio::test]
async fn a_fault_that_is_disarmed_or_aimed_elsewhere_does_not_happen() {
    let store = Store::open().await;
    let off = store.mock.delivery_fault(DeliveryFault::Dropped).arm();
    off.disarm();
    let elsewhere = store.mock.delivery_fault(DeliveryFault::Dropped).on("PY").arm();
    let later = store.mock.delivery_fault(DeliveryFault::Dropped).after(1).arm();
    store.paid().await;
    assert_eq!((off.hits(), elsewhere.hits(), later.hits()), (0, 0, 0));
    assert_eq!(store.fulfil_all().await, 1);
}
