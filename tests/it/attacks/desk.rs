//! What the store's desk does with genuine messages at every gateway: two pages of one order, a browser that comes back again and again,
//! cards that are tried, a store that was stopped, sinks that fail.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kessai::ledger::{CloseReason, Expected, StoredAttempt, SwitchText};
use kessai::security_event::{SecurityPolicy, SecurityRecord, SinkError, TestingPolicy};
use kessai::{CheckoutRequest, CustomerReference, MerchantReference, OpenError, SecuritySink, Standing, SweepPolicy};

use super::Gw;
use super::arena::{Arena, Cell, Fate, Open, Paid, Verdict};
use crate::support::yen;

const PRICE: u64 = 1776;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Two pages of one order, both paid: the reply about the first one was lost, so the store gave it up and opened another one.
async fn two_pages(arena: &Arena) -> (Paid, Paid) {
    let (first, second) = (arena.buy("EC-1", PRICE).await, arena.buy("EC-1", PRICE).await);
    assert_ne!(first.attempt().reference(), second.attempt().reference());
    (first, second)
}

/// A store that gave the first page up and knows the second one.
async fn given_up<'a>(arena: &'a Arena, first: &Open, second: &Open) -> Cell<'a> {
    let cell = arena.cell(&[]).await;
    let ledger = cell.cashier.ledger();
    let expected = &first.attempt.expected;
    assert!(matches!(ledger.expect(expected).await.unwrap(), Expected::Written));
    let closed = ledger.close(&expected.attempt, CloseReason::Refused, expected.created_at);
    closed.await.unwrap();
    cell.writes(second).await;
    cell
}

/// Everything that is sent and can be asked about one of them. Gives the best that came of it.
async fn all_of(arena: &Arena, cell: &Cell<'_>, paid: &Paid) -> Verdict {
    arena.wire.answers(&paid.answers);
    let mut best = Verdict::Refused;
    for callback in &paid.callbacks {
        best = best.max(cell.callback(callback).await);
    }
    best = best.max(cell.sweep().await);
    cell.clock.advance(Duration::from_secs(5));
    best.max(cell.back(&paid.back).await)
}

async fn is_held(cell: &Cell<'_>, attempt: &StoredAttempt) -> bool {
    let held = cell.cashier.ledger().held(100).await.unwrap();
    held.iter()
        .any(|held| held.record.attempt.as_ref() == Some(attempt.reference()))
}

pub async fn pay_10_news_of_an_attempt_that_was_given_up_moves_no_other(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let (first, second) = two_pages(&arena).await;
    let cell = given_up(&arena, &first.page, &second.page).await;
    let before = cell.attempt(second.attempt()).await;
    for _ in 0..2 {
        let _ = all_of(&arena, &cell, &first).await;
        let after = cell.attempt(second.attempt()).await;
        assert_eq!((after.status, after.payment), (before.status, before.payment.clone()));
        assert!(
            !cell.is_due(second.attempt()).await,
            "the money of another attempt pays nothing here"
        );
    }
    assert_eq!(all_of(&arena, &cell, &second).await, Verdict::Paid);
    let right = cell.cashier.next_fulfilment().await.unwrap().unwrap();
    assert_eq!(right.attempt, *second.attempt().reference());
}

pub async fn pay_48_money_that_comes_late_or_twice_is_held_and_listed(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let (first, second) = two_pages(&arena).await;
    // Late: the attempt was over.
    let cell = given_up(&arena, &first.page, &second.page).await;
    let _ = all_of(&arena, &cell, &first).await;
    assert!(
        is_held(&cell, first.attempt()).await,
        "money of an attempt that is over"
    );
    assert!(cell.fulfil().await.is_empty());
    // Twice: the order is paid by the other one already.
    let cell = given_up(&arena, &first.page, &second.page).await;
    assert_eq!(all_of(&arena, &cell, &second).await, Verdict::Paid);
    for _ in 0..2 {
        assert_ne!(all_of(&arena, &cell, &first).await, Verdict::Paid);
    }
    assert!(is_held(&cell, first.attempt()).await, "money that came twice");
    assert_eq!(cell.fulfil().await, ["EC-1"]);
}

pub async fn pay_14_a_return_again_late_or_of_another_shows_a_page_and_moves_nothing(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .total(yen(PRICE))
        .customer(CustomerReference::new("Canary9Customer").unwrap())
        .build()
        .unwrap();
    let expected = kessai::ExpectedPayment::plan(&*arena.store, &request, arena.clock.now()).unwrap();
    let page = arena.page_of(expected, &request).await;
    let paid = arena.pay(page).await;
    let other = arena.page("EC-2", PRICE).await;
    let cell = arena.cell(&[&paid.page, &other]).await;
    let head = async || cell.cashier.ledger().head().await.unwrap();
    arena.wire.live();
    // Missing, foreign, cut off, grown: one page for all of them, which names nothing, and nobody is asked.
    let before = head().await;
    let (own, token) = (
        paid.attempt().reference(),
        paid.attempt().expected.return_token.as_str(),
    );
    let foreign = other.attempt.expected.return_token.as_str();
    let mut states: Vec<Option<String>> = (0..token.len()).map(|end| Some(token[..end].to_owned())).collect();
    states.extend([
        None,
        Some(format!("{token}0")),
        Some(foreign.to_owned()),
        Some("%20".to_owned()),
    ]);
    for state in states {
        let state = state.map_or_else(String::new, |state| format!("&state={state}"));
        let target = format!("{}?attempt={own}{state}", arena.path("return"));
        let mut wrong = paid.back.clone();
        *wrong.uri_mut() = target.parse().unwrap();
        let page = cell.page(&wrong).await.unwrap();
        let named = (page.attempt.is_some(), page.order.is_some(), page.see_other.is_some());
        assert_eq!(
            (page.standing, named),
            (Standing::Unknown, (false, false, false)),
            "{state}"
        );
        assert!(!page.cancelled, "{state}");
    }
    assert_eq!((head().await, arena.wire.asked()), (before, 0));
    // The right one: again, and long after. It has no end of its own and may be used again, for it shows a page and no more.
    arena.wire.answers(&paid.answers);
    for callback in &paid.callbacks {
        let _ = cell.callback(callback).await;
    }
    let _ = cell.sweep().await;
    let _ = cell.page(&paid.back).await;
    let known = head().await;
    arena.wire.cut();
    for wait in [Duration::ZERO, DAY, DAY * 400] {
        cell.clock.advance(wait);
        for back in [&paid.back, &arena.bare_return(paid.attempt())] {
            let page = cell.page(back).await.unwrap();
            assert_eq!(page.standing, Standing::Paid);
            assert_eq!(page.attempt.as_ref(), Some(own));
            assert_eq!(page.order.as_ref().map(MerchantReference::as_str), Some("EC-1"));
            // Who bought it is nobody's who holds the link (PAY-15).
            assert!(!format!("{page:?}").contains("Canary9Customer"));
        }
    }
    assert_eq!((head().await, arena.wire.asked()), (known, 0), "and moves nothing");
    assert_eq!(cell.fulfil().await, ["EC-1"]);
}

pub async fn pay_64_returns_and_sweeps_ask_within_their_bounds(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let cell = arena.asking(&paid).await;
    arena.wire.cut();
    let back = arena.bare_return(paid.attempt());
    let _ = cell.page(&back).await;
    let one = arena.wire.asked();
    assert!(one > 0, "the first one asks");
    let mut returns = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let callback = kessai::Callback::new(back.clone(), cell.clock.now()).unwrap();
        let (cashier, id) = (cell.cashier.clone(), arena.store.id());
        returns.spawn(async move { cashier.returned(&id, callback).await });
    }
    while let Some(page) = returns.join_next().await {
        assert_ne!(page.unwrap().standing, Standing::Paid);
    }
    assert_eq!(arena.wire.asked(), one, "no second question within the budget");
    // A sweep asks no more than it may, whatever is due, and says what it did.
    let mut open = Vec::new();
    for number in 0..6 {
        open.push(arena.page(&format!("EC-{number}"), PRICE).await);
    }
    let cell = arena.cell(&open.iter().collect::<Vec<_>>()).await;
    arena.wire.cut();
    cell.clock.advance(Duration::from_secs(10 * 60));
    let report = cell.cashier.sweep(&SweepPolicy::default().most(2)).await.unwrap();
    // Where no message has named a payment there is no question to send.
    let asked = if gateway == Gw::Sbps { 0 } else { 2 };
    assert_eq!((report.asked, report.unanswered), (asked, asked));
    assert!(arena.wire.asked() <= 2 * one, "{}", arena.wire.asked());
}

pub async fn pay_66_declined_cards_are_told(gateway: Gw) {
    const CARDS: u64 = 8;
    let arena = Arena::open(gateway).await;
    let told = Told::default();
    let testing = TestingPolicy::default().declined(CARDS - 2, 50).same_amount(CARDS * 10);
    let cell = arena.told(told.clone(), SecurityPolicy::default().testing(testing));
    arena.wire.live();
    for number in 0..CARDS {
        let page = arena.page(&format!("EC-{number}"), PRICE + number).await;
        let messages = arena
            .live(&page, Fate::Declined)
            .await
            .expect("cards are declined everywhere");
        cell.writes(&page).await;
        for message in &messages {
            assert!(cell.callback(message).await < Verdict::Paid);
        }
        assert!(!messages.is_empty(), "and told");
        // Where a message is a reason to ask and no more, it is asked.
        let _ = cell.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    }
    let signs = told.count("payment.testing.suspected");
    assert_eq!(signs, 1, "once, and not for each card");
    assert!(cell.fulfil().await.is_empty());
}

pub async fn pay_67_a_stop_stops_checkouts_and_no_evidence(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    for way in ["callback", "return", "sweep"] {
        let cell = arena.asking(&paid).await;
        let turned = cell.cashier.stop(text("an operator"), text("a drill")).await.unwrap();
        assert_eq!(turned.open_attempts, Some(1), "what is open is told");
        arena.wire.answers(&paid.answers);
        let refused = cell
            .cashier
            .open(&Arena::request("EC-2", PRICE), &arena.store.id())
            .await;
        assert!(matches!(refused, Err(OpenError::Stopped(_))), "{refused:?}");
        assert_eq!(arena.wire.asked(), 0, "nothing was sent");
        let _ = match way {
            "callback" => {
                for callback in &paid.callbacks {
                    let _ = cell.callback(callback).await;
                }
                if arena.told_of_money() == Verdict::Paid {
                    Verdict::Paid
                } else {
                    cell.sweep().await
                }
            }
            "return" => cell.back(&paid.back).await,
            _ => cell.sweep().await,
        };
        assert_eq!(cell.fulfil().await, ["EC-1"], "{way}");
    }
    // The other position: the keys may be known, so that a perfectly signed message is a reason to ask and no more.
    for way in ["callback", "return", "sweep"] {
        let cell = arena.asking(&paid).await;
        let asked_first = cell
            .cashier
            .ask_before_apply(text("an operator"), text("the keys may be known"));
        let _ = asked_first.await.unwrap();
        arena.wire.cut();
        for callback in &paid.callbacks {
            assert_ne!(cell.callback(callback).await, Verdict::Paid);
        }
        assert!(!cell.is_due(paid.attempt()).await, "asking first");
        arena.wire.answers(&paid.answers);
        cell.clock.advance(Duration::from_secs(5));
        let verdict = if way == "return" {
            cell.back(&paid.back).await
        } else {
            cell.sweep().await
        };
        assert_eq!(verdict, Verdict::Paid, "a matching answer does: {way}");
        assert_eq!(cell.fulfil().await, ["EC-1"], "{way}");
    }
}

pub async fn pay_70_a_sink_that_fails_changes_no_verdict(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let nonsense = super::generators::with_body(&paid.callbacks[0], b"nonsense");
    let verdicts = async |cell: Cell<'_>| {
        cell.writes(&paid.page).await;
        let mut verdicts = vec![cell.callback(&nonsense).await];
        arena.wire.cut();
        for callback in &paid.callbacks {
            verdicts.push(cell.callback(callback).await);
        }
        arena.wire.answers(&paid.answers);
        verdicts.push(cell.back(&paid.back).await);
        verdicts.push(cell.sweep().await);
        verdicts.push(cell.callback(&paid.callbacks[0]).await);
        assert_eq!(cell.fulfil().await, ["EC-1"]);
        verdicts
    };
    let plain = verdicts(arena.cell(&[]).await).await;
    assert!(plain.contains(&Verdict::Paid) && plain.contains(&Verdict::Refused));
    assert_eq!(verdicts(arena.told(Full, SecurityPolicy::default())).await, plain);
    assert_eq!(verdicts(arena.told(Falls, SecurityPolicy::default())).await, plain);
}

fn text(text: &str) -> SwitchText {
    SwitchText::new(text).unwrap()
}

/// Keeps the names of what it is told.
#[derive(Clone, Debug, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    fn count(&self, name: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|told| **told == name).count()
    }
}

impl SecuritySink for Told {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(record.event.name());
        Ok(())
    }
}

#[derive(Debug)]
struct Full;

impl SecuritySink for Full {
    fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull).into())
    }
}

#[derive(Debug)]
struct Falls;

impl SecuritySink for Falls {
    fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
        panic!("a sink that falls over")
    }
}
