//! What the sweep is to ask about: in order, and each attempt to one sweep at a time.

use std::collections::HashSet;
use std::time::Duration;

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, same};
use crate::conformance::proofs::say;
use crate::ledger::{AskDue, CloseReason, StoredAttempt};
use crate::payment::PaymentStatus;
use crate::reference::AttemptReference;

impl Desk {
    async fn due(&self, seconds: u64, limit: usize) -> Result<Vec<AttemptReference>, String> {
        let due = AskDue {
            now: at(seconds),
            lease: Duration::from_secs(60),
            limit,
        };
        let attempts = self.ledger.attempts_to_ask(&due).await.map_err(say)?;
        Ok(attempts.iter().map(|attempt| attempt.reference().clone()).collect())
    }

    async fn due_at(&self, order: &str, seconds: u64) -> Result<AttemptReference, String> {
        let expected = self.open(order).await?;
        self.asked(&expected.attempt, Some(at(seconds))).await?;
        Ok(expected.attempt)
    }
}

pub(super) async fn what_is_due_is_handed_out_in_order_and_once(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let third = desk.due_at("order-1", 30).await?;
    let first = desk.due_at("order-2", 10).await?;
    let second = desk.due_at("order-3", 20).await?;
    let later = desk.due_at("order-4", 500).await?;
    let never = desk.due_at("order-5", 5).await?;
    desk.asked(&never, None).await?;
    same("nothing is due", &desk.due(9, 10).await?, &vec![])?;
    same("none are wanted", &desk.due(40, 0).await?, &vec![])?;
    same("the first two", &desk.due(40, 2).await?, &vec![first, second])?;
    same("the rest", &desk.due(40, 10).await?, &vec![third])?;
    same("all are handed out", &desk.due(41, 10).await?, &vec![])?;
    // The leases of the three are over by then, and they are due for longer.
    let late = desk.due(500, 10).await?;
    same("with the last one", &(late.len(), late.last()), &(4, Some(&later)))
}

pub(super) async fn many_sweeps_never_get_the_same_attempt(source: &dyn LedgerSource) -> Found {
    let desk = &Desk::fresh(source).await?;
    for order in 0..50 {
        desk.due_at(&format!("order-{order}"), 10).await?;
    }
    let given = all((0..32).map(|_| desk.due(20, 3))).await?.concat();
    same("handed out", &given.len(), &50)?;
    same("different ones", &given.iter().collect::<HashSet<_>>().len(), &50)
}

pub(super) async fn a_lease_that_ran_out_hands_the_attempt_out_again(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let attempt = desk.due_at("order-1", 10).await?;
    same("due", &desk.due(10, 9).await?, &vec![attempt.clone()])?;
    same("leased", &desk.due(69, 9).await?, &vec![])?;
    same("the lease is over", &desk.due(70, 9).await?, &vec![attempt.clone()])?;
    // An answer gives the lease back, so the next question comes at its own time.
    desk.asked(&attempt, Some(at(75))).await?;
    same("not yet", &desk.due(74, 9).await?, &vec![])?;
    same("at its time", &desk.due(75, 9).await?, &vec![attempt])
}

pub(super) async fn asking_counts_until_the_state_moves_and_ends_with_it(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let expected = desk.open("order-1").await?;
    let attempt = &expected.attempt;
    for times in 1..=3 {
        desk.asked(attempt, Some(at(10))).await?;
        same("how often", &desk.stored(attempt).await?.asks, &times)?;
    }
    let _moved = desk.hears(&expected, PaymentStatus::Pending).await?;
    let stored = desk.stored(attempt).await?;
    same("after a move", &(stored.asks, stored.next_ask), &(0, Some(at(10))))?;
    desk.asked(attempt, Some(at(20))).await?;
    let _heard = desk.hears(&expected, PaymentStatus::Pending).await?;
    same("after the same again", &desk.stored(attempt).await?.asks, &1)?;
    let _paid = desk.hears(&expected, PaymentStatus::Captured).await?;
    let stored = desk.stored(attempt).await?;
    same("after the end", &(stored.asks, stored.next_ask), &(0, None))?;
    same("nothing is due", &desk.due(100_000, 9).await?, &vec![])
}

pub(super) async fn an_attempt_is_due_by_itself_from_the_start(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let unopened = desk.written("order-1").await?;
    let opened = desk.open("order-2").await?;
    for expected in [&unopened, &opened] {
        let wanted = StoredAttempt::new(expected.clone()).next_ask;
        same("due", &desk.stored(&expected.attempt).await?.next_ask, &wanted)?;
    }
    let both = vec![unopened.attempt.clone(), opened.attempt.clone()];
    same("handed out", &desk.due(100_000, 9).await?, &both)?;

    // What never came to be is not asked about any more, and what ended is not either.
    let close = desk.ledger.close(&unopened.attempt, CloseReason::NotSent, at(100_001));
    close.await.map_err(say)?;
    let _ended = desk.hears(&opened, PaymentStatus::Expired).await?;
    same("afterwards", &desk.due(200_000, 9).await?, &vec![])
}
