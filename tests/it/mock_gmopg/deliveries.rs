//! How notifications reach the store, what counts as taken, and what a store makes of those that lie.

use std::time::Duration;

use kessai::PaymentStatus;
use kessai::mock::gmopg::{DeliveryFault, DeliveryOutcome, MockGmoPg, TestCard};

use super::shop::{DAY, Store, field, page_of, visit_of};
use crate::support::inbox::Words;

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test]
async fn only_the_exact_digit_counts_as_taken() {
    let wrong: [Words; 9] = [
        (200, "text/plain", "0\n"),
        (200, "text/plain", " 0"),
        (200, "text/plain", "00"),
        (200, "text/plain", "OK"),
        (200, "text/plain", ""),
        (200, "text/html", "<p>0</p>"),
        (201, "text/plain", "0"),
        (302, "text/plain", "0"),
        (500, "text/plain", "0"),
    ];
    for words in wrong {
        let store = Store::open().await;
        store.inbox.answer([words]);
        visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
        store.quiet().await;
        let status = words.0;
        assert_eq!(
            store.merchant.deliveries()[0].outcome,
            DeliveryOutcome::NotAnAck { status },
            "{words:?}"
        );
        assert_eq!(store.merchant.undelivered().len(), 1);
        // It comes again after an hour, and is taken then.
        store.advance(HOUR);
        store.quiet().await;
        assert_eq!(store.statuses(), ["CAPTURE", "CAPTURE"]);
        assert!(store.merchant.undelivered().is_empty());
    }
    let store = Store::open().await;
    store.inbox.answer([(200, "text/plain", "1")]);
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(
        store.merchant.deliveries()[0].outcome,
        DeliveryOutcome::Refused(String::new())
    );
}

#[tokio::test]
async fn a_notification_is_sent_six_times_and_then_given_up() {
    let store = Store::open().await;
    store.inbox.answer([(500, "text/plain", ""); 9]);
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    for _ in 0..9 {
        store.quiet().await;
        store.advance(HOUR);
    }
    store.quiet().await;
    let tries: Vec<u32> = store.merchant.deliveries().iter().map(|sent| sent.attempt).collect();
    assert_eq!(tries, [1, 2, 3, 4, 5, 6]);
    assert_eq!(store.merchant.undelivered()[0].1, "CAPTURE");
    // The sweep finds the money all the same.
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_notification_that_comes_twice_pays_once() {
    for fault in [DeliveryFault::Duplicate, DeliveryFault::TwiceAtOnce] {
        let store = Store::open().await;
        store.mock.delivery_fault(fault).arm();
        visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
        store.quiet().await;
        store.sweep().await;
        assert_eq!(store.statuses().len(), 2);
        assert_eq!(store.fulfil_all().await, 1);
    }
}

#[tokio::test]
async fn a_notification_that_says_paid_pays_nothing() {
    // A slip was issued, and somebody claims that it is paid, with every other field right.
    let store = Store::with(MockGmoPg::builder(), |shop| shop.methods(["cvs"])).await;
    let lie = store.mock.delivery_fault(DeliveryFault::SaysPaid).arm();
    page_of(store.at_page().await.pay_later(false).await.unwrap());
    store.quiet().await;
    assert_eq!(lie.hits(), 1);
    assert_eq!(store.statuses(), ["CAPTURE"]);
    // It is taken, because it is a reason to ask; the answer decides.
    assert!(store.merchant.deliveries()[0].acknowledged());
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Pending);
    assert_eq!(store.fulfil_all().await, 0);
    store.advance(DAY * 5);
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Expired);
    assert_eq!(store.fulfil_all().await, 0);
}

#[tokio::test]
async fn notifications_about_others_or_about_nothing_clear_are_not_taken() {
    for fault in [DeliveryFault::OtherShop, DeliveryFault::Doubled] {
        let store = Store::open().await;
        store.mock.delivery_fault(fault).arm();
        visit_of(store.at_page().await.pay(TestCard::Declines).await.unwrap());
        store.quiet().await;
        assert!(!store.merchant.deliveries()[0].acknowledged(), "{fault:?}");
        assert_eq!(store.status().await, PaymentStatus::Created, "{fault:?}: nobody asked");
        assert_eq!(store.fulfil_all().await, 0);
    }
}

#[tokio::test]
async fn another_amount_in_a_notification_is_noticed_and_decides_nothing() {
    let store = Store::open().await;
    store.mock.delivery_fault(DeliveryFault::OtherAmount).arm();
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    let body = store.inbox.received().pop().unwrap();
    assert_eq!(field(&body, "Amount"), "1");
    let attempt = store.attempt().await;
    let request = http::Request::post("/pay/gmopg/notification").body(body).unwrap();
    let callback = kessai::Callback::new(request, store.mock.clock().now()).unwrap();
    assert_eq!(store.gmopg.notification_agrees(&callback, &attempt), Ok(false));
    store.sweep().await;
    assert_eq!(
        store.status().await,
        PaymentStatus::Captured,
        "what the gateway answers counts"
    );
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn late_and_overtaken_notifications_move_nothing_back() {
    let store = Store::with(MockGmoPg::builder(), |shop| shop.methods(["cvs"])).await;
    store
        .mock
        .delivery_fault(DeliveryFault::Reordered)
        .on("REQSUCCESS")
        .arm();
    page_of(store.at_page().await.pay_later(true).await.unwrap());
    store.advance(DAY * 2);
    store.quiet().await;
    assert_eq!(store.statuses(), ["PAYSUCCESS", "REQSUCCESS"]);
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    let order = store.there().await.order_id;
    store.mock.delivery_fault(DeliveryFault::Late(HOUR)).arm();
    store.merchant.resend(&order).unwrap();
    store.advance(HOUR * 2);
    store.quiet().await;
    assert_eq!(store.statuses().len(), 3);
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn nothing_is_sent_beyond_this_machine_and_nothing_without_an_address() {
    let mock = MockGmoPg::start().unwrap();
    let other = mock.open_merchant("Another");
    assert_ne!(other.shop_id(), mock.merchant().shop_id());
    for url in [
        "https://shop.example/n",
        "http://192.0.2.1/n",
        "ftp://127.0.0.1/",
        "127.0.0.1",
    ] {
        assert!(other.notify_at(url).is_err(), "{url}");
    }
    assert!(other.settle("none", true).is_err());
    assert!(other.resend("none").is_err());
    assert!(other.order("none").is_err());
    assert!(MockGmoPg::builder().language("fr").start().is_err());
    let shown = format!("{mock:?} {other:?}");
    assert!(!shown.contains(other.shop_pass()) && !shown.contains(mock.merchant().shop_pass()));
}
