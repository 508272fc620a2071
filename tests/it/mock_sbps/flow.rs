//! Whole payments: opened by this crate, paid by a shopper on the hosted page, reported to a store that listens.

use kessai::mock::sbps::{DeliveryFault, MockSbps, OrderStatus, TestCard};
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
    assert_eq!(store.results(), ["OK"]);
    assert!(store.merchant.deliveries()[0].acknowledged());
    assert_eq!(store.fulfil_all().await, 0, "a notification is a reason to ask");

    let back = store.come_back(&visit).await;
    assert_eq!(back.standing, Standing::Paid);
    assert_eq!(store.there().await.status, OrderStatus::Captured);
    assert_eq!(store.fulfil_all().await, 1);
    // A reload of the way back, and of the page, change nothing.
    assert_eq!(store.come_back(&visit).await.standing, Standing::Paid);
    assert_eq!(visit_of(page.reload().await.unwrap()).url, visit.url);
    assert_eq!(store.fulfil_all().await, 0);
    let requests = store.merchant.requests();
    assert_eq!(requests[0].id, "MG01-00101-101");
    assert!(requests.iter().all(|request| request.error.is_empty()));
}

#[tokio::test]
async fn a_shop_without_the_api_type_is_paid_by_the_result() {
    let store = Store::with(MockSbps::builder(), SbpsSettles::set).await;
    let visit = visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.come_back(&visit).await.standing, Standing::Paid);
    assert_eq!(store.fulfil_all().await, 1);
    assert!(store.merchant.requests().is_empty());
}

/// Without any question to the API.
struct SbpsSettles;

impl SbpsSettles {
    fn set(shop: kessai::gateways::sbps::SbpsBuilder) -> kessai::gateways::sbps::SbpsBuilder {
        shop.notifications_settle()
    }
}

#[tokio::test]
async fn a_declined_card_ends_the_attempt_and_frees_the_order() {
    let store = Store::open().await;
    let visit = visit_of(store.at_page().await.pay(TestCard::Declines).await.unwrap());
    store.quiet().await;
    assert_eq!(store.results(), ["NG"]);
    // Also a refusal is taken with OK.
    assert!(store.merchant.deliveries()[0].acknowledged());
    assert_eq!(store.status().await, PaymentStatus::Failed);
    assert_eq!(store.come_back(&visit).await.standing, Standing::NotPaid);
    assert_eq!(store.fulfil_all().await, 0);
    // Another try is another order id, and may succeed.
    let page = store.at_page().await;
    assert_eq!(store.merchant.orders().len(), 2);
    visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn the_bank_asks_first_where_the_card_and_the_method_want_it() {
    for (passed, status) in [(true, PaymentStatus::Captured), (false, PaymentStatus::Failed)] {
        let store = Store::open().await;
        let page = store.at_page().await;
        let asked = page_of(page.pay(TestCard::AsksForSecure).await.unwrap());
        assert!(asked.asks_for_secure());
        store.quiet().await;
        assert!(store.received().is_empty(), "nothing has happened yet");
        visit_of(asked.answer_secure(passed).await.unwrap());
        // The same answer once more, and the other one, are too late.
        visit_of(asked.answer_secure(true).await.unwrap());
        store.quiet().await;
        store.sweep().await;
        assert_eq!(store.status().await, status);
        assert_eq!(store.received().len(), 1);
        assert_eq!(store.fulfil_all().await, usize::from(passed));
    }
    let plain = Store::with(MockSbps::builder(), |shop| shop.methods(["credit"])).await;
    visit_of(plain.at_page().await.pay(TestCard::AsksForSecure).await.unwrap());
}

#[tokio::test]
async fn a_konbini_slip_is_paid_days_later() {
    for settles in [false, true] {
        let store = Store::with(MockSbps::builder(), |shop| {
            let shop = shop.methods(["webcvs"]);
            if settles { shop.notifications_settle() } else { shop }
        })
        .await;
        let slip = page_of(store.at_page().await.pay_later(true).await.unwrap());
        assert!(slip.is_slip());
        let visit = slip.back_to_store().unwrap();
        store.quiet().await;
        assert_eq!(store.come_back(&visit).await.standing, Standing::Pending);
        store.sweep().await;
        assert_eq!(store.status().await, PaymentStatus::Pending);
        assert_eq!(store.fulfil_all().await, 0);

        store.advance(DAY);
        store.quiet().await;
        assert_eq!(store.results(), ["OK"], "not paid yet");
        store.advance(DAY);
        store.quiet().await;
        assert_eq!(store.results(), ["OK", "PY"]);
        store.sweep().await;
        assert_eq!(store.status().await, PaymentStatus::Captured, "settles: {settles}");
        assert_eq!(store.fulfil_all().await, 1);
    }
}

#[tokio::test]
async fn a_slip_that_nobody_pays_expires_and_frees_the_order() {
    let store = Store::with(MockSbps::builder(), |shop| shop.methods(["webcvs"])).await;
    page_of(store.at_page().await.pay_later(false).await.unwrap());
    store.quiet().await;
    store.advance(DAY * 2);
    store.quiet().await;
    assert_eq!(store.results(), ["OK", "CN"]);
    assert_eq!(store.status().await, PaymentStatus::Expired);
    assert_eq!(store.there().await.status, OrderStatus::Expired);
    assert_eq!(store.fulfil_all().await, 0);
    assert!(store.at_page().await.is_open());
}

#[tokio::test]
async fn a_slip_is_settled_by_hand_once_and_nothing_else_is() {
    let store = Store::with(MockSbps::builder(), |shop| shop.methods(["webcvs"])).await;
    let page = store.at_page().await;
    let id = store.there().await.order_id;
    assert!(store.merchant.settle(&id, true).is_err(), "there is no slip yet");
    page_of(page.pay_later(false).await.unwrap());
    store.merchant.settle(&id, true).unwrap();
    assert!(store.merchant.settle(&id, false).is_err());
    assert!(store.merchant.settle("another", true).is_err());
    store.advance(DAY * 5);
    store.quiet().await;
    assert_eq!(store.results(), ["OK", "PY"], "it does not lapse after that");
}

#[tokio::test]
async fn a_shopper_who_goes_back_has_paid_nothing_and_cannot_go_on_there() {
    let store = Store::open().await;
    let page = store.at_page().await;
    let visit = visit_of(page.cancel().await.unwrap());
    assert!(visit.url.contains("/pay/sbps/cancel"), "{}", visit.url);
    assert!(visit.body.is_empty());
    store.quiet().await;
    assert!(store.received().is_empty());
    // Nothing has named a payment, so nobody can be asked: the client does not know more than that.
    assert_eq!(store.come_back(&visit).await.standing, Standing::AskAgain);
    assert_eq!(store.fulfil_all().await, 0);
    // The page that stayed open in another tab.
    visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert!(store.received().is_empty());
    assert_eq!(store.there().await.status, OrderStatus::Cancelled);
    // The same form once more: SBPS has seen this order id.
    let form = store.form(&order("ORD-1")).await;
    let again = store.mock.shopper().open(&form).await.unwrap();
    assert_eq!(again.refused().as_deref(), Some("used"));
}

#[tokio::test]
async fn a_double_click_is_charged_once_and_lands_at_the_store_twice() {
    let store = Store::open().await;
    let form = store.form(&order("ORD-1")).await;
    let page = store.mock.shopper().open(&form).await.unwrap();
    let second = store.mock.shopper().open(&form).await.unwrap();
    assert_eq!(second.refused().as_deref(), Some("used"));
    let (one, other) = tokio::join!(page.pay(TestCard::Succeeds), page.pay(TestCard::Succeeds));
    visit_of(one.unwrap());
    visit_of(other.unwrap());
    store.quiet().await;
    assert_eq!(store.received().len(), 1);
}

#[tokio::test]
async fn a_wallet_pays_at_once() {
    let store = Store::with(MockSbps::builder(), |shop| shop.methods(["credit3d2", "paypay"])).await;
    let page = store.at_page().await;
    assert!(page.has_card_form());
    visit_of(page.pay_by_wallet().await.unwrap());
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.merchant.requests()[0].id, "MG01-00101-311");
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_lost_card_result_leaves_the_order_open_until_it_is_sent_again() {
    let store = Store::open().await;
    let lost = store.mock.delivery_fault(DeliveryFault::Dropped).arm();
    let visit = visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(lost.hits(), 1);
    // Nothing names the payment, so there is nothing to ask about; the return alone proves nothing.
    assert_eq!(store.come_back(&visit).await.standing, Standing::AskAgain);
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 0);
    let id = store.there().await.order_id;
    assert_eq!(store.merchant.undelivered(), [(id.clone(), "OK".to_owned())]);

    store.merchant.resend(&id).unwrap();
    store.quiet().await;
    assert!(store.merchant.undelivered().is_empty());
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn a_lost_deposit_report_is_found_by_the_sweep() {
    let store = Store::with(MockSbps::builder(), |shop| shop.methods(["webcvs"])).await;
    store.mock.delivery_fault(DeliveryFault::Dropped).on("PY").arm();
    page_of(store.at_page().await.pay_later(true).await.unwrap());
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 0);
    store.advance(DAY * 3);
    store.quiet().await;
    assert_eq!(store.results(), ["OK"]);
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Captured);
    assert_eq!(store.fulfil_all().await, 1);
}

#[tokio::test]
async fn an_authorized_payment_is_captured_in_part_or_let_go() {
    let key = IdempotencyKey::new("op-1").unwrap();
    for captured in [true, false] {
        let store = Store::with(MockSbps::builder(), |shop| shop.capture(CaptureMode::Manual)).await;
        store.merchant.sell_on_demand();
        let request = CheckoutRequest::builder(MerchantReference::new("ORD-1").unwrap())
            .item(LineItem::new("Sencha 緑茶", yen(1980), 2).unwrap())
            .capture(CaptureMode::Manual)
            .build()
            .unwrap();
        let page = store.mock.shopper().open(&store.form(&request).await).await.unwrap();
        visit_of(page.pay(TestCard::Succeeds).await.unwrap());
        store.quiet().await;
        store.sweep().await;
        let attempt = store.attempt().await;
        assert_eq!(attempt.status, PaymentStatus::Authorized);
        let due = store.cashier.next_fulfilment().await.unwrap().unwrap();
        assert_eq!(due.status(), PaymentStatus::Authorized);
        let now = store.mock.clock().now();
        let abilities = store.sbps.abilities();
        if captured {
            let capture = abilities.capture.unwrap();
            let more = capture.capture(&attempt, Some(yen(3961)), &key, now).await;
            assert!(more.is_err());
            capture.capture(&attempt, Some(yen(3000)), &key, now).await.unwrap();
            assert!(capture.capture(&attempt, None, &key, now).await.is_err(), "not twice");
            let there = store.there().await;
            assert_eq!((there.status, there.captured), (OrderStatus::Captured, 3000));
        } else {
            abilities.void.unwrap().void(&attempt, &key, now).await.unwrap();
            assert!(
                abilities.void.unwrap().void(&attempt, &key, now).await.is_err(),
                "not twice"
            );
            assert_eq!(store.there().await.status, OrderStatus::Voided);
        }
        let event = store.sbps.status(&attempt, now).await.unwrap();
        let wanted = if captured {
            PaymentStatus::Captured
        } else {
            PaymentStatus::Cancelled
        };
        assert_eq!(event.value().snapshot.status, wanted);
    }
}

#[tokio::test]
async fn money_is_sent_back_in_parts_and_never_more_than_was_taken() {
    let key = IdempotencyKey::new("op-1").unwrap();
    let store = Store::with(
        MockSbps::builder(),
        kessai::gateways::sbps::SbpsBuilder::partial_refunds,
    )
    .await;
    let attempt = store.paid().await;
    let now = store.mock.clock().now();
    let refund = store.sbps.abilities().refund.unwrap();
    refund.refund(&attempt, Some(yen(960)), &key, now).await.unwrap();
    let there = store.there().await;
    assert_eq!((there.status, there.refunded), (OrderStatus::Captured, 960));
    let more = refund.refund(&attempt, Some(yen(3001)), &key, now).await.unwrap_err();
    assert_eq!(more.code(), Some("101K1999"));
    refund.refund(&attempt, Some(yen(3000)), &key, now).await.unwrap();
    assert_eq!(store.there().await.status, OrderStatus::Refunded);
    let again = refund.refund(&attempt, None, &key, now).await.unwrap_err();
    assert_eq!(again.code(), Some("10146999"));
    let event = store.sbps.status(&attempt, now).await.unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Refunded);
}

#[tokio::test]
async fn a_result_of_another_shop_is_refused_even_at_our_own_address() {
    let store = Store::open().await;
    let attacker = store.mock.open_merchant("Somebody Else");
    assert_ne!(attacker.merchant_id(), store.merchant.merchant_id());
    let ours = store.form(&order("ORD-1")).await;
    let pick = |name: &str| ours.fields().find(|(field, _)| *field == name).unwrap().1.to_owned();
    // The attacker buys the same order at the own shop, and has the result sent to the victim.
    let forged = super::shop::Request::valid(&attacker)
        .with("order_id", &pick("order_id"))
        .with("cust_code", &pick("cust_code"))
        .with("item_name", &pick("item_name"))
        .with("tax", "")
        .with("amount", &pick("amount"))
        .with("pagecon_url", &pick("pagecon_url"));
    let page = store
        .mock
        .shopper()
        .post(&store.mock.form_url(), forged.signed(&attacker))
        .await
        .unwrap();
    visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(field(&store.received()[0], "res_result"), "OK");
    let refused = kessai::mock::sbps::DeliveryOutcome::Refused("refused".to_owned());
    assert_eq!(attacker.deliveries()[0].outcome, refused);
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 0);
    assert!(store.merchant.deliveries().is_empty());
}

#[tokio::test]
async fn a_sale_that_is_undone_because_nobody_took_its_result_is_not_paid() {
    let store = Store::with(MockSbps::builder().undo_unreported(), |shop| shop).await;
    store.answer([(200, "text/plain", "NG,not now")]);
    visit_of(store.at_page().await.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(store.there().await.status, OrderStatus::Voided);
    // The report comes after all, from the merchant screen; the question finds out.
    let id = store.there().await.order_id;
    store.merchant.resend(&id).unwrap();
    store.quiet().await;
    store.sweep().await;
    assert_eq!(store.status().await, PaymentStatus::Cancelled);
    assert_eq!(store.fulfil_all().await, 0);
}

#[tokio::test]
async fn names_with_a_backslash_inside_reach_the_page_as_they_were() {
    let store = Store::with(MockSbps::builder(), |shop| shop.item_name("表ソ能ポ").details()).await;
    let request = CheckoutRequest::builder(MerchantReference::new("ORD-1").unwrap())
        .item(LineItem::new("ソ連の地図", yen(1980), 1).unwrap())
        .item(LineItem::new("能面と表札", yen(500), 2).unwrap())
        .build()
        .unwrap();
    let page = store.mock.shopper().open(&store.form(&request).await).await.unwrap();
    for name in ["ソ連の地図", "能面と表札", "1,000円", "2,980円"] {
        assert!(page.text().contains(name), "{}", page.text());
    }
    visit_of(page.pay(TestCard::Succeeds).await.unwrap());
    store.quiet().await;
    assert_eq!(field(&store.received()[0], "item_name"), "表ソ能ポ");
    store.sweep().await;
    assert_eq!(store.fulfil_all().await, 1);
}
