//! Answers that come to the wrong question (PAY-42): of two questions that are under way at once each gets the other's. They are
//! genuine, from the gateway itself and about the store's own payments, and pay for nothing but what they are about.
//!
//! Answers of GMO Payment Gateway repeat the amount and no order, so that two of one amount look alike: there a transaction still
//! pays for one order only. Those of SB Payment Service repeat nothing; its connection alone binds them, and there is nothing to
//! show (row PAY-42 of the table).

use kessai::{Cashier, OpenError, Redirect, Standing};

use super::Gw;
use super::arena::{Arena, Cell};

const PRICE: u64 = 1776;

async fn crossed_answers_pay_nothing(gateway: Gw, prices: &[u64]) {
    let arena = Arena::open(gateway).await;
    for price in prices {
        let one = arena.buy(&format!("EC-{price}-1"), PRICE).await;
        let other = arena.buy(&format!("EC-{price}-2"), *price).await;
        let cell = arena.cell(&[&one.page, &other.page]).await;
        arena.wire.crosses();
        let (shown, also) = tokio::join!(cell.page(&one.back), cell.page(&other.back));
        assert!(arena.wire.asked() >= 2, "both were asked about");
        for (paid, shown) in [(&one, shown), (&other, also)] {
            assert_ne!(shown.unwrap().standing, Standing::Paid, "{price}");
            assert!(!cell.is_due(paid.attempt()).await, "{price}");
            assert!(!cell.attempt(paid.attempt()).await.status.is_final(), "{price}");
        }
        assert!(cell.fulfil().await.is_empty());
        // The right answers afterwards are believed, and each pays its own.
        assert_eq!(
            fulfilled_at_last(&arena, &cell).await,
            [format!("EC-{price}-1"), format!("EC-{price}-2")]
        );
    }
}

async fn fulfilled_at_last(arena: &Arena, cell: &Cell<'_>) -> Vec<String> {
    arena.wire.live();
    for _ in 0..3 {
        let _ = cell.sweep().await;
    }
    let mut orders = cell.fulfil().await;
    orders.sort();
    orders
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossed_answers_of_two_paid_orders_pay_neither_at_stripe() {
    crossed_answers_pay_nothing(Gw::Stripe, &[PRICE, 99_000]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossed_answers_of_two_paid_orders_pay_neither_at_komoju() {
    crossed_answers_pay_nothing(Gw::Komoju, &[PRICE, 99_000]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossed_answers_about_other_amounts_pay_nothing_at_gmopg() {
    crossed_answers_pay_nothing(Gw::Gmopg, &[99_000]).await;
}

/// One has paid, the other one only opened the page and comes back at the same moment. Gives the orders that were fulfilled after
/// that, and in the end.
async fn one_paid_and_one_not(gateway: Gw) -> (Vec<String>, Vec<String>, usize) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-PAID", PRICE).await;
    let page = arena.page("EC-OPEN", PRICE).await;
    let cell = arena.cell(&[&paid.page, &page]).await;
    arena.wire.crosses();
    let back = arena.bare_return(&page.attempt);
    let _ = tokio::join!(cell.page(&paid.back), cell.page(&back));
    assert!(arena.wire.asked() >= 2, "both were asked about");
    assert!(
        !cell.attempt(paid.attempt()).await.status.is_final(),
        "nothing failed by it"
    );
    let at_once = cell.fulfil().await;
    let at_last = fulfilled_at_last(&arena, &cell).await;
    (at_once, at_last, cell.cashier.ledger().held(10).await.unwrap().len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crossed_answer_does_not_pay_for_somebody_who_did_not_at_stripe() {
    let (at_once, at_last, _) = one_paid_and_one_not(Gw::Stripe).await;
    assert!(at_once.is_empty(), "{at_once:?}");
    assert_eq!(at_last, ["EC-PAID"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crossed_answer_does_not_pay_for_somebody_who_did_not_at_komoju() {
    let (at_once, at_last, _) = one_paid_and_one_not(Gw::Komoju).await;
    assert!(at_once.is_empty(), "{at_once:?}");
    assert_eq!(at_last, ["EC-PAID"]);
}

/// Of one amount, and without an order in the answer: the transaction is the first one's that it is told of. It is no second
/// one's, and whose it really was has evidence that waits for a human.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_transaction_of_a_crossed_answer_pays_one_order_at_gmopg() {
    let (at_once, at_last, held) = one_paid_and_one_not(Gw::Gmopg).await;
    assert_eq!(at_once.len() + at_last.len(), 1, "{at_once:?}, then {at_last:?}");
    assert!(at_last == ["EC-PAID"] || held > 0, "the money is shown to somebody");
}

/// Two pages are opened at once, and each shopper's request gets the answer to the other's.
pub async fn pay_42_crossed_create_answers_lead_nobody_to_anothers_page(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let cell = arena.cell(&[]).await;
    let (cheap, dear) = (Arena::request("EC-CHEAP", PRICE), Arena::request("EC-DEAR", 99_000));
    let id = arena.store.id();
    arena.wire.crosses();
    let open = |cashier: Cashier, request| {
        let id = id.clone();
        async move { cashier.open(request, &id).await }
    };
    let (one, other) = tokio::join!(open(cell.cashier.clone(), &cheap), open(cell.cashier.clone(), &dear));
    if arena.wire.asked() == 0 {
        // The form is made here and the browser takes it there: nothing is asked.
        assert!(matches!(
            (one.unwrap().redirect, other.unwrap().redirect),
            (Redirect::Post(_), Redirect::Post(_))
        ));
        return;
    }
    let mut names = Vec::new();
    for (request, opened) in [(&cheap, one), (&dear, other)] {
        let error = opened.expect_err("an answer about another order");
        assert!(matches!(error, OpenError::Gateway(_)), "{error:?}");
        let attempt = cell
            .cashier
            .ledger()
            .attempts_of(request.order())
            .await
            .unwrap()
            .pop()
            .unwrap();
        assert!(
            !attempt.status.is_final(),
            "its own page may exist: {:?}",
            attempt.status
        );
        assert_eq!(attempt.checkout, None, "the name of another's page");
        // Nothing else is opened for it meanwhile; asked again, the same call leads to its own page.
        arena.wire.live();
        let page = cell.cashier.open(request, &id).await.unwrap();
        names.push((request, page));
    }
    // Whoever pays there pays for the own order.
    for (request, checkout) in names {
        let back = arena.played.pay(&checkout.redirect).await;
        arena.played.quiet().await;
        let _ = cell.page(&back).await;
        for _ in 0..2 {
            let _ = cell.sweep().await;
        }
        assert_eq!(cell.fulfil().await, [request.order().as_str()]);
    }
}
