//! The ledger fails at each step in turn, between receipt and fulfilment (PAY-29, PAY-40, PAY-47): before it did anything, and
//! once it has done it and its answer is lost. Nothing is said that is not on record, and what comes afterwards pays once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use kessai::ledgers::MemoryLedger;
use kessai::{Standing, SweepPolicy};

use super::Gw;
use super::arena::{Arena, Cell, Paid};
use crate::support::around::{Faults, Surrounded, When};
use crate::support::told::Told;

const PRICE: u64 = 1776;
const SIDES: [When; 2] = [When::Before, When::Behind];
/// No flow has so many steps.
const MOST_STEPS: usize = 30;

/// A store whose ledger fails when it is told to.
struct Stand<'a> {
    cell: Cell<'a>,
    paid: &'a Paid,
    faults: Arc<Faults>,
    told: Told,
}

impl<'a> Stand<'a> {
    async fn new(arena: &'a Arena, paid: &'a Paid) -> Self {
        arena.wire.answers(&paid.answers);
        let (faults, told) = (Arc::new(Faults::default()), Told::default());
        let ledger = Surrounded::new(Arc::new(MemoryLedger::new()), Arc::clone(&faults));
        let cell = arena.cell_over(Arc::new(ledger), told.clone(), &[&paid.page]).await;
        Self {
            cell,
            paid,
            faults,
            told,
        }
    }

    /// The same, where so many messages have come already.
    async fn told(arena: &'a Arena, paid: &'a Paid, messages: usize) -> Self {
        let stand = Self::new(arena, paid).await;
        for callback in &paid.callbacks[..messages] {
            let _ = stand.cell.reply(callback).await;
        }
        let _ = stand.told.take();
        stand
    }

    /// One that can ask about the payment.
    async fn asking(arena: &'a Arena, paid: &'a Paid) -> Self {
        let needed = !is_found_without_a_message(arena.gateway);
        Self::told(arena, paid, if needed { paid.callbacks.len() } else { 0 }).await
    }

    /// Everything that is on record about the payment.
    async fn record(&self) -> String {
        let ledger = self.cell.cashier.ledger();
        let attempt = self.cell.attempt(self.paid.attempt()).await;
        let story = ledger.timeline(attempt.reference()).await.unwrap();
        let story: Vec<&str> = story.iter().map(|record| record.kind.as_str()).collect();
        let right = ledger.fulfilment_of(&attempt.expected.order).await.unwrap();
        // Paid and its right are written together, or not at all.
        let rights = story.iter().filter(|kind| **kind == "fulfilment").count();
        assert_eq!(usize::from(right.is_some()), rights, "{story:?}");
        let next = attempt.next_ask;
        format!(
            "{:?} {:?} {:?} {next:?} {right:?} {story:?}",
            attempt.status, attempt.checkout, attempt.payment
        )
    }

    /// What failed is over, and was told once.
    fn heal(&self) -> Option<&'static str> {
        let failed = self.faults.disarm();
        let told = self.told.take();
        let failures = told.iter().filter(|name| **name == "payment.ledger.failed").count();
        assert_eq!(failures, usize::from(failed.is_some()), "{failed:?} failed: {told:?}");
        failed
    }

    /// Time goes by, and what was missed is asked about; the gateway delivers again, or never does.
    async fn recover(&self, redelivers: bool) {
        if redelivers {
            for callback in &self.paid.callbacks {
                let _ = self.cell.reply(callback).await;
            }
        }
        for _ in 0..3 {
            // Whoever died with a lease gives nothing back.
            self.cell.clock.advance(SweepPolicy::default().lease);
            let _ = self.cell.sweep().await;
        }
    }

    async fn pays_once(&self, what: &str) {
        let ledger = self.cell.cashier.ledger();
        assert_eq!(self.cell.fulfil().await.len(), 1, "{what}");
        self.recover(true).await;
        assert!(self.cell.fulfil().await.is_empty(), "{what}");
        assert!(kessai::ledger::verify(ledger.as_ref(), &[]).await.unwrap().is_intact());
        let _ = self.record().await;
    }
}

/// Can a sweep find it without any message? SB Payment Service can only be asked by a name that a message brings.
fn is_found_without_a_message(gateway: Gw) -> bool {
    gateway != Gw::Sbps
}

fn bare(reply: Response<Bytes>) -> (u16, Bytes) {
    (reply.status().as_u16(), reply.into_body())
}

pub async fn a_fault_at_each_step_of_a_callback_pays_once(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let mut failed = Vec::new();
    for place in 0..paid.callbacks.len() {
        let callback = &paid.callbacks[place];
        let well = Stand::told(&arena, &paid, place).await;
        let success = bare(well.cell.reply(callback).await);
        let wanted = well.record().await;
        for (when, redelivers) in [
            (When::Before, true),
            (When::Behind, true),
            (When::Before, false),
            (When::Behind, false),
        ] {
            for nth in 0..MOST_STEPS {
                let stand = Stand::told(&arena, &paid, place).await;
                stand.faults.arm(nth, when);
                let reply = bare(stand.cell.reply(callback).await);
                let Some(call) = stand.heal() else {
                    assert_eq!(reply, success);
                    break;
                };
                failed.push(call);
                let what = format!("{call} fails, {when:?}");
                if reply == success {
                    assert_eq!(stand.record().await, wanted, "{what}: acknowledged, and not on record");
                } else if matches!(gateway, Gw::Stripe | Gw::Komoju) {
                    assert_eq!(reply.0, 503, "{what}: it is our trouble and not the sender's");
                }
                let _ = stand.record().await;
                if redelivers || is_found_without_a_message(gateway) {
                    stand.recover(redelivers).await;
                    stand.pays_once(&what).await;
                }
            }
        }
    }
    println!("{}: {failed:?}", gateway.name());
    assert!(failed.contains(&"find"), "{failed:?}");
    assert!(failed.len() >= 6 && failed.len() < 4 * MOST_STEPS, "{failed:?}");
}

pub async fn a_fault_at_each_step_of_a_return_pays_once(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let mut failed = Vec::new();
    for when in SIDES {
        for nth in 0..MOST_STEPS {
            let stand = Stand::asking(&arena, &paid).await;
            stand.faults.arm(nth, when);
            let shown = stand.cell.page(&paid.back).await.unwrap().standing;
            let Some(call) = stand.heal() else {
                assert_eq!(shown, Standing::Paid);
                break;
            };
            failed.push(call);
            let what = format!("{call} fails, {when:?}");
            assert_eq!(shown, Standing::AskAgain, "{what}");
            let _ = stand.record().await;
            if nth.is_multiple_of(2) {
                stand.cell.clock.advance(Duration::from_secs(5));
                let _ = stand.cell.page(&paid.back).await;
            }
            stand.recover(false).await;
            assert_eq!(
                stand.cell.page(&paid.back).await.unwrap().standing,
                Standing::Paid,
                "{what}"
            );
            stand.pays_once(&what).await;
        }
    }
    println!("{}: {failed:?}", gateway.name());
    for call in ["attempt", "note", "apply", "fulfilment_of"] {
        assert!(failed.iter().filter(|failed| **failed == call).count() >= 2, "{call}");
    }
}

pub async fn a_fault_at_each_step_of_a_sweep_pays_once(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let mut failed = Vec::new();
    for when in SIDES {
        for nth in 0..MOST_STEPS {
            let stand = Stand::asking(&arena, &paid).await;
            stand.cell.clock.advance(Duration::from_secs(10 * 60));
            stand.faults.arm(nth, when);
            let swept = stand.cell.cashier.sweep(&SweepPolicy::default()).await;
            let Some(call) = stand.heal() else {
                assert_eq!(swept.unwrap().paid, 1);
                break;
            };
            failed.push(call);
            let what = format!("{call} fails, {when:?}");
            assert!(swept.is_err(), "{what}: a sweep that did not end said that it did");
            let _ = stand.record().await;
            stand.recover(false).await;
            stand.pays_once(&what).await;
        }
    }
    println!("{}: {failed:?}", gateway.name());
    for call in ["attempts_to_ask", "apply", "asked", "attempt"] {
        assert!(failed.iter().filter(|failed| **failed == call).count() >= 2, "{call}");
    }
}

/// Takes what is due, ships it, and says so; a fault is its end.
async fn work(cell: &Cell<'_>, shipped: &mut Vec<String>, done: &mut usize) {
    while let Ok(Some(due)) = cell.cashier.next_fulfilment().await {
        shipped.push(due.key.to_string());
        match due.done().await {
            Ok(first) => *done += usize::from(first),
            Err(_) => return,
        }
    }
}

pub async fn a_fault_at_each_step_of_fulfilling_ships_under_one_key(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    let mut failed = Vec::new();
    for when in SIDES {
        for nth in 0..MOST_STEPS {
            let stand = Stand::told(&arena, &paid, paid.callbacks.len()).await;
            stand.recover(false).await;
            let _ = stand.told.take();
            let (mut shipped, mut done) = (Vec::new(), 0);
            stand.faults.arm(nth, when);
            work(&stand.cell, &mut shipped, &mut done).await;
            let Some(call) = stand.heal() else {
                assert_eq!((shipped.len(), done), (1, 1));
                break;
            };
            failed.push(call);
            // Until the lease of whoever failed is over, nobody else has it.
            let before = shipped.len();
            stand.cell.clock.advance(Duration::from_secs(5 * 60 - 1));
            if call != "next_fulfilment" || when == When::Behind {
                work(&stand.cell, &mut shipped, &mut done).await;
                assert_eq!(shipped.len(), before, "{call} fails, {when:?}");
            }
            stand.cell.clock.advance(Duration::from_secs(1));
            work(&stand.cell, &mut shipped, &mut done).await;
            work(&stand.cell, &mut shipped, &mut done).await;
            let what = format!("{call} fails, {when:?}: {shipped:?}");
            assert!((1..=2).contains(&shipped.len()), "{what}");
            assert!(shipped.iter().all(|key| *key == shipped[0]), "{what}");
            assert!(done <= 1, "{what}");
            let order = &paid.attempt().expected.order;
            let right = stand.cell.cashier.ledger().fulfilment_of(order).await.unwrap().unwrap();
            assert!(right.done_at.is_some(), "{what}");
            stand.recover(true).await;
            assert!(stand.cell.fulfil().await.is_empty(), "{what}");
        }
    }
    println!("{}: {failed:?}", gateway.name());
    assert!(
        failed.contains(&"next_fulfilment") && failed.contains(&"done"),
        "{failed:?}"
    );
}
