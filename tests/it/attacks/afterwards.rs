//! What is to be had afterwards: an original that was kept elsewhere is matched with its record (PAY-59), held money is in the
//! report (PAY-48), and while the store is stopped everything but a new checkout goes on (PAY-67).

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use kessai::ledger::{SwitchText, Window};
use kessai::report::Format;
use kessai::{Callback, Gateway, OpenError, Received, Standing};
use serde_json::Value;

use super::Gw;
use super::arena::{Arena, Cell, Paid, Verdict};
use crate::support::yen;

const PRICE: u64 = 1776;

fn text(text: &str) -> SwitchText {
    SwitchText::new(text).unwrap()
}

/// The digests of the originals about a payment, made anew by a client with its keys.
async fn digests(arena: &Arena, client: &dyn Gateway, cell: &Cell<'_>, paid: &Paid) -> BTreeSet<String> {
    let mut digests = BTreeSet::new();
    for callback in &paid.callbacks {
        // At the time at which it came, which is what a signature may hang on.
        let original = Callback::new(callback.clone(), arena.clock.now()).unwrap();
        if let Ok(Received::Proven(notification)) = client.receive(&original).await {
            digests.insert(notification.evidence().to_hex());
        }
    }
    arena.wire.answers(&paid.answers);
    let attempt = cell.attempt(paid.attempt()).await;
    if let Ok(event) = client.status(&attempt, arena.clock.now()).await {
        digests.insert(event.evidence().to_hex());
    }
    digests
}

/// A store that heard of the payment, and the digests that are on record about it.
async fn heard<'a>(arena: &'a Arena, paid: &Paid) -> (Cell<'a>, BTreeSet<String>) {
    arena.wire.answers(&paid.answers);
    let cell = arena.cell(&[&paid.page]).await;
    for callback in &paid.callbacks {
        let _ = cell.reply(callback).await;
    }
    // Where a message does not settle it, the answer to a question does.
    let _ = cell.sweep().await;
    assert!(cell.is_due(paid.attempt()).await);
    let mut kept = BTreeSet::new();
    for record in cell.cashier.ledger().records(0, 1_000).await.unwrap() {
        let body: Value = serde_json::from_str(&record.body).unwrap();
        if let Some(evidence) = body["evidence"].as_str() {
            assert_eq!(evidence.len(), 64, "{}", record.body);
            kept.insert(evidence.to_owned());
        }
    }
    assert!(!kept.is_empty(), "what paid is on record with its digest");
    (cell, kept)
}

pub async fn pay_59_an_original_that_was_kept_is_matched_with_its_record_and_another_is_not(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let (paid, other) = (arena.buy("EC-1", PRICE).await, arena.buy("EC-2", PRICE).await);
    let (cell, kept) = heard(&arena, &paid).await;
    let own = digests(&arena, &*arena.store, &cell, &paid).await;
    assert!(kept.is_subset(&own), "{kept:?} are not of {own:?}");
    let (others, anothers_kept) = heard(&arena, &other).await;
    let anothers = digests(&arena, &*arena.store, &others, &other).await;
    assert!(anothers_kept.is_subset(&anothers));
    assert!(kept.is_disjoint(&anothers), "{kept:?} are among {anothers:?}");
    // Without the key it is no digest at all.
    let without = digests(&arena, &*arena.thief, &cell, &paid).await;
    assert!(kept.is_disjoint(&without), "whoever has no key cannot match them");
}

async fn report(cell: &Cell<'_>) -> Value {
    let window = Window::new(SystemTime::UNIX_EPOCH, cell.clock.now() + Duration::from_secs(1)).unwrap();
    let mut out = Vec::new();
    cell.cashier.report(window, Format::Json, &mut out).await.unwrap();
    serde_json::from_slice(&out).unwrap()
}

pub async fn pay_48_held_money_is_in_the_report(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    // Paid at the gateway is less than what was written down.
    let mut paid = arena.buy("EC-1", PRICE).await;
    paid.page.attempt.expected.amount = yen(99_000);
    arena.wire.answers(&paid.answers);
    let cell = arena.cell(&[&paid.page]).await;
    for callback in &paid.callbacks {
        let _ = cell.reply(callback).await;
    }
    let _ = cell.sweep().await;
    let held = cell.cashier.ledger().held(10).await.unwrap();
    assert!(!held.is_empty(), "it is listed for a human");
    let report = report(&cell).await;
    let [attempt] = report["attempts"].as_array().unwrap().as_slice() else {
        panic!("{report}")
    };
    let lines = attempt["records"].as_array().unwrap();
    let told: Vec<&Value> = lines.iter().filter(|line| line["kind"] == "held").collect();
    assert_eq!(told.len(), held.len(), "{report}");
    for line in told {
        let detail = line["detail"].as_str().unwrap();
        assert!(detail.contains("amount"), "it says why: {line}");
    }
    assert_eq!(report["chain"]["intact"], true);
    assert!(cell.fulfil().await.is_empty());
}

pub async fn pay_67_messages_returns_sweeps_and_fulfilment_go_on_while_stopped(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    for way in ["messages", "return", "sweep"] {
        arena.wire.answers(&paid.answers);
        let cell = arena.cell(&[&paid.page]).await;
        let turned = cell.cashier.stop(text("an operator"), text("a drill")).await.unwrap();
        assert_eq!(turned.open_attempts, Some(1));
        let refused = cell
            .cashier
            .open(&Arena::request("EC-NEW", PRICE), &arena.store.id())
            .await;
        assert!(matches!(refused, Err(OpenError::Stopped(_))), "{refused:?}");
        assert_eq!(arena.wire.asked(), 0, "nothing was sent for it");
        if way == "messages" || gateway == Gw::Sbps {
            let mut best = Verdict::Refused;
            for callback in &paid.callbacks {
                best = best.max(cell.callback(callback).await);
            }
            assert_eq!(best, arena.told_of_money());
        }
        match way {
            "return" => assert_eq!(cell.page(&paid.back).await.unwrap().standing, Standing::Paid),
            _ => drop(cell.sweep().await),
        }
        assert_eq!(cell.fulfil().await, ["EC-1"], "by {way}");
        let mode = cell.cashier.mode().await.unwrap();
        assert_eq!(mode.stopped.unwrap().actor.as_str(), "an operator", "still stopped");
    }
}
