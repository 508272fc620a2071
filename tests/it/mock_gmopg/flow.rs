//! Whole payments: opened by this crate, paid by a shopper on the hosted page, reported to a store that listens.

use std::time::Duration;

use kessai::gateways::gmopg::LinkType;
use kessai::mock::gmopg::{DeliveryFault, MockGmoPg, Operation, PageStatus, TestCard};
use kessai::{
    CaptureMode, CheckoutRequest, Gateway, IdempotencyKey, LineItem, MerchantReference, PaymentStatus, Standing,
};

use super::shop::{DAY, Store, field, page_of, visit_of};
use crate::support::{order, yen};

#[tokio::test]
async fn a_card_payment_is_reported_returned_from_asked_about_and_fulfilled_once() {
    let store = Store::open().await;
    let page = store.at_page().await;
    assert!(page.has_card_form());
    let visit = visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(store.statuses(), ["CAPTURE"]);
    assert!(store.merchant.deliveries()[0].acknowledged());
    let told = store.inbox.received().pop().unwrap();
    assert_eq!(field(&told, "ShopPass"), "**********");
    assert_eq!(field(&told, "Currency"), "JPN");
    assert!(field(&told, "Approve").starts_with(' '));

    let back = store.come_back(&visit).await;
    assert_eq!(back.standing, Standing::Paid);
    assert_eq!(store.there().await.status.as_deref(), Some("CAPTURE"));
    assert_eq!(store.fulfil_all().await, 1);
    // A reload of the way back, and of the page, change nothing.
    assert_eq!(store.come_back(&visit).await.standing, Standing::Paid);
    assert_eq!(visit_of(page.reload().await.unwrap()).url, visit.url);
    assert_eq!(store.fulfil_all().await, 0);
}

#[tokio::test]
async fn a_link_of_the_parameter_type_is_paid_like_any_other() {
    let store = Store::with(MockGmoPg::builder(), |shop| shop.link(LinkType::Parameter)).await;
    let link = store.link(&order("ORD-1")).await;
    assert!(store.merchant.requests().is_empty(), "nothing was asked for");
    assert!(store.merchant.orders().is_empty(), "nobody has opened it");
    let shopper = store.mock.shopper();
    let page = shopper.visit(&link).await.unwrap();
    // The same link is the same order, and another one is nobody's.
    shopper.visit(&link).await.unwrap();
    assert_eq!(store.merchant.orders().len(), 1);
    let last = link.chars().last().unwrap();
    let changed = format!("{}{}", &link[..link.len() - 1], if last == '0' { '1' } else { '0' });
    assert_eq!(
        shopper.visit(&changed).await.unwrap().refused().as_deref(),
        Some("E01030002")
    );
    let visit = visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(store.come_back(&visit).await.standing, Standing::Paid);
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_declined_card_ends_the_attempt_and_frees_the_order() {
    let store = Store::open().await;
    let visit = visit_of(store.at_page().await.pay(TestCard::Declines).await.unwrap());
    store.quiet().await;
    assert_eq!(store.statuses(), ["UNPROCESSED"]);
    assert!(store.merchant.deliveries()[0].acknowledged());
    assert_eq!(store.come_back(&visit).await.standing, Standing::NotPaid);
    assert_eq!(store.status().await, PaymentStatus::Failed);
    assert_eq!(store.there().await.page, PageStatus::Failed);
    assert_eq!(store.fulfil_all().await, 0);
    let page = store.at_page().await;
    assert_eq!(store.merchant.orders().len(), 2);
    visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn the_bank_asks_first_and_a_wrong_answer_pays_nothing() {
    for (passed, status) in [(true, PaymentStatus::Captured), (false, PaymentStatus::Failed)] {
        let store = Store::open().await;
        let asked = page_of(store.at_page().await.pay(TestCard::AsksForSecure).await.unwrap());
        assert!(asked.asks_for_secure());
        store.quiet().await;
        store.sweep().await;
        assert_eq!(store.there().await.status.as_deref(), Some("AUTHENTICATED"));
        assert_eq!(store.fulfil_all().await, 0, "nothing has happened yet");
        visit_of(asked.answer_secure(passed).await.unwrap());
        // The same answer once more, and the other one, are too late.
        visit_of(asked.answer_secure(true).await.unwrap());
        store.quiet().await;
        store.advance(Duration::from_secs(120));
        store.sweep().await;
        assert_eq!(store.status().await, status);
        assert_eq!(store.fulfil_all().await, usize::from(passed));
    }
}

#[tokio::test]
async fn a_payment_that_was_at_the_bank_when_the_page_ended_still_counts() {
    let store = Store::open().await;
    let asked = page_of(store.at_page().await.pay(TestCard::AsksForSecure).await.unwrap());
    store.advance(DAY * 2);
    visit_of(asked.answer_secure(true).await.unwrap());
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_page_whose_time_is_over_takes_nothing() {
    let store = Store::open().await;
    let page = store.at_page().await;
    store.advance(DAY * 2);
    let over = page_of(page.pay(TestCard::Succeeds).await.unwrap());
    assert!(!over.is_open() && !over.has_card_form());
    assert!(over.text().contains("ご利用いただけません"), "{}", over.text());
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Expired);
    assert_eq!(store.fulfil_all().await, 0);
}

#[tokio::test]
async fn a_konbini_slip_is_paid_days_later() {
    let store = Store::with(MockGmoPg::builder(), |shop| shop.methods(["credit", "cvs"])).await;
    let slip = page_of(store.at_page().await.pay_later(true).await.unwrap());
    assert!(slip.is_slip());
    let visit = slip.back_to_store().unwrap();
    store.quiet().await;
    assert_eq!(store.come_back(&visit).await.standing, Standing::Pending);
    assert_eq!(store.status().await, PaymentStatus::Pending);
    assert_eq!(store.fulfil_all().await, 0);
    store.advance(DAY * 2);
    store.quiet().await;
    assert_eq!(store.statuses(), ["REQSUCCESS", "PAYSUCCESS"]);
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_konbini_slip_that_nobody_pays_lapses() {
    let store = Store::with(MockGmoPg::builder(), |shop| shop.methods(["cvs"])).await;
    let page = store.at_page().await;
    assert!(!page.has_card_form());
    page_of(page.pay_later(false).await.unwrap());
    store.quiet().await;
    store.advance(DAY * 3);
    store.quiet().await;
    assert_eq!(store.statuses(), ["REQSUCCESS", "EXPIRED"]);
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Expired);
    assert_eq!(store.fulfil_all().await, 0);
}

#[tokio::test]
async fn going_back_leaves_the_page_open_and_paying_later_counts() {
    let store = Store::open().await;
    let page = store.at_page().await;
    let visit = visit_of(page.cancel().await.unwrap());
    let back = store.come_back(&visit).await;
    assert_ne!(back.standing, Standing::Paid);
    assert_eq!(store.fulfil_all().await, 0);
    // The shopper presses "back" and pays after all.
    visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_page_that_was_left_at_the_bank_ends_and_the_order_is_opened_again() {
    let store = Store::open().await;
    let first = store.link(&order("ORD-1")).await;
    page_of(store.at_page().await.pay(TestCard::AsksForSecure).await.unwrap());
    // The page lives a day, and the shopper may be at the bank a little longer.
    for (hours_more, status) in [
        (23, PaymentStatus::RequiresAction),
        (1, PaymentStatus::RequiresAction),
        (2, PaymentStatus::Expired),
    ] {
        store.advance(Duration::from_secs(hours_more * 3600));
        store.sweep().await;
        assert_eq!(store.status().await, status);
    }
    assert_ne!(store.link(&order("ORD-1")).await, first);
    assert_eq!(store.fulfil_all().await, 0);
}

#[tokio::test]
async fn two_windows_on_one_link_pay_once() {
    let store = Store::open().await;
    let page = store.at_page().await;
    let (one, other) = tokio::join!(page.pay(TestCard::Succeeds), page.pay(TestCard::Succeeds));
    visit_of(one.unwrap());
    visit_of(other.unwrap());
    store.quiet().await;
    assert_eq!(store.statuses(), ["CAPTURE"]);
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
    let again = store.cashier.open(&order("ORD-1"), &kessai::GatewayId::GMOPG).await;
    assert!(again.is_err(), "the order is paid");
}

#[tokio::test]
async fn a_second_click_gives_the_same_link_without_another_call() {
    let store = Store::open().await;
    let first = store.link(&order("ORD-1")).await;
    assert_eq!(store.link(&order("ORD-1")).await, first);
    let created = |request: &&kessai::mock::gmopg::RequestView| request.call == "GetLinkplusUrlPayment.json";
    assert_eq!(store.merchant.requests().iter().filter(created).count(), 1);
}

#[tokio::test]
async fn lost_notifications_are_found_by_the_sweep() {
    let store = Store::open().await;
    let lost = store.mock.delivery_fault(DeliveryFault::Dropped).arm();
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(lost.hits(), 1);
    assert!(store.statuses().is_empty());
    store.advance(Duration::from_secs(3600));
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_link_whose_reply_was_lost_is_closed_before_another_is_made() {
    use kessai::mock::gmopg::Fault;
    let store = Store::open().await;
    store.mock.fault(Fault::LostReply).on(Operation::Create).arm();
    let lost = store.cashier.open(&order("ORD-1"), &kessai::GatewayId::GMOPG).await;
    assert!(lost.is_err());
    let first = store.merchant.orders();
    assert_eq!((first.len(), first[0].page), (1, PageStatus::Open));
    store.at_page().await;
    let orders = store.merchant.orders();
    assert_eq!(orders.len(), 2);
    assert_eq!(
        (orders[0].page, orders[1].page),
        (PageStatus::Rejected, PageStatus::Open)
    );
}

#[tokio::test]
async fn an_authorized_payment_is_captured_or_let_go() {
    let key = IdempotencyKey::new("op-1").unwrap();
    for captured in [true, false] {
        let store = Store::open().await;
        let request = CheckoutRequest::builder(MerchantReference::new("ORD-1").unwrap())
            .item(LineItem::new("Sencha 緑茶", yen(1980), 2).unwrap())
            .capture(CaptureMode::Manual)
            .build()
            .unwrap();
        let page = store.mock.shopper().visit(&store.link(&request).await).await.unwrap();
        visit_of(page.pay(TestCard::Succeeds).await.unwrap());
        store.quiet().await;
        store.sweep().await;
        let attempt = store.attempt().await;
        assert_eq!(attempt.status, PaymentStatus::Authorized);
        let abilities = store.gmopg.abilities();
        let at = store.mock.clock().now();
        let (capture, void) = (abilities.capture.unwrap(), abilities.void.unwrap());
        if captured {
            assert!(capture.capture(&attempt, Some(yen(1)), &key, at).await.is_err());
            capture.capture(&attempt, None, &key, at).await.unwrap();
            assert_eq!(store.there().await.status.as_deref(), Some("SALES"));
            assert!(capture.capture(&attempt, None, &key, at).await.is_err(), "only once");
        } else {
            void.void(&attempt, &key, at).await.unwrap();
            assert_eq!(store.there().await.status.as_deref(), Some("VOID"));
            assert!(capture.capture(&attempt, None, &key, at).await.is_err(), "too late");
        }
    }
}

#[tokio::test]
async fn a_payment_is_sent_back_by_the_way_that_fits_its_age() {
    let key = IdempotencyKey::new("op-1").unwrap();
    // Sold on 23 November: void on that day, return in that month, late return afterwards, nothing after 180 days.
    for (days, status) in [
        (0, Some("VOID")),
        (3, Some("RETURN")),
        (20, Some("RETURNX")),
        (200, None),
    ] {
        let store = Store::open().await;
        visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
        store.quiet().await;
        store.sweep().await;
        store.advance(DAY * days);
        let attempt = store.attempt().await;
        let at = store.mock.clock().now();
        let refund = store.gmopg.abilities().refund.unwrap();
        let part = refund.refund(&attempt, Some(yen(960)), &key, at).await;
        assert!(part.is_ok(), "{part:?}");
        assert_eq!(store.there().await.taken, 3000);
        let rest = refund.refund(&attempt, Some(yen(3000)), &key, at).await;
        assert_eq!(rest.is_ok(), status.is_some(), "{rest:?}");
        let now = store.there().await.status;
        assert_eq!(now.as_deref(), status.or(Some("CAPTURE")));
        // By whatever word, all of it went back, or a part.
        let told = store.gmopg.status(&attempt, at).await.unwrap().into_value().snapshot;
        let wanted = match status {
            Some(_) => PaymentStatus::Refunded,
            None => PaymentStatus::PartiallyRefunded,
        };
        assert_eq!((told.status, told.amount), (wanted, Some(yen(3960))));
    }
}
