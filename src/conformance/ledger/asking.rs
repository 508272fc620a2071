//! What the sweep is to ask about: in order, and each attempt to one sweep at a time.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, ensure, same};
use crate::conformance::proofs::say;
use crate::ledger::{AskDue, Asked, CloseReason, Cue, StoredAttempt};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, GatewayId};

impl Desk {
    async fn handed_out(&self, gateway: &GatewayId, seconds: u64, limit: usize) -> Result<Vec<StoredAttempt>, String> {
        let due = AskDue {
            gateway: gateway.clone(),
            now: at(seconds),
            lease: Duration::from_secs(60),
            limit,
        };
        self.ledger.attempts_to_ask(&due).await.map_err(say)
    }

    async fn due(&self, seconds: u64, limit: usize) -> Result<Vec<AttemptReference>, String> {
        let attempts = self.handed_out(&self.gateway.id(), seconds, limit).await?;
        Ok(attempts.iter().map(|attempt| attempt.reference().clone()).collect())
    }

    /// The attempt as it is handed out to be asked about.
    async fn taken(&self, attempt: &AttemptReference, seconds: u64) -> Result<StoredAttempt, String> {
        let taken = self.handed_out(&self.gateway.id(), seconds, 1).await?.pop();
        let taken = taken.filter(|taken| taken.reference() == attempt);
        taken.ok_or_else(|| format!("{attempt} is not due at {seconds}"))
    }

    async fn answers(&self, seen: &StoredAttempt, next: Option<u64>, begun: u64) -> Found {
        let next = next.map(at);
        let asked = Asked { answered: true, next };
        self.ledger.asked(seen, &asked, at(begun)).await.map_err(say)
    }

    async fn left(&self, seconds: u64) -> Result<u64, String> {
        self.ledger.left_to_ask(at(seconds)).await.map_err(say)
    }

    async fn message(&self, attempt: &AttemptReference, cue: Cue, seconds: u64) -> Found {
        self.ledger.make_due(attempt, cue, at(seconds)).await.map_err(say)
    }

    async fn next_ask(&self, attempt: &AttemptReference) -> Result<Option<SystemTime>, String> {
        Ok(self.stored(attempt).await?.next_ask)
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

pub(super) async fn a_gateway_that_is_not_asked_holds_nothing_of_the_others_back(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let dead = GatewayId::from_static("dead");
    for order in 0..30 {
        let mut expected = desk.gateway.expected(&format!("order-{order}"), at(0))?;
        expected.gateway = dead.clone();
        desk.write(&expected).await?;
    }
    let younger = desk.written_at("order-of-another", at(10)).await?.attempt;
    same("all are due", &desk.left(1000).await?, &31)?;
    same("the younger one", &desk.due(1000, 9).await?, &vec![younger])?;
    same("the others are left", &desk.left(1000).await?, &30)?;
    same("of the other", &desk.handed_out(&dead, 1000, 9).await?.len(), &9)?;
    same(
        "one gateway takes nothing twice",
        &desk.handed_out(&dead, 1000, 99).await?.len(),
        &21,
    )?;
    same("nothing is left", &desk.left(1000).await?, &0)?;
    same("their leases are over", &desk.left(1060).await?, &31)
}

pub(super) async fn an_older_question_takes_back_neither_a_message_nor_a_lease(source: &dyn LedgerSource) -> Found {
    for cue in [Cue::Proven, Cue::Hint] {
        let desk = Desk::fresh(source).await?;
        let attempt = desk.due_at("order-1", 10).await?;
        // One node asks, another one gets a message about it.
        let asking = desk.taken(&attempt, 20).await?;
        same("when it was begun", &asking.asked_at, &Some(at(20)))?;
        desk.message(&attempt, cue, 21).await?;
        same("nobody else asks meanwhile", &desk.due(21, 9).await?, &vec![])?;
        let due = desk.next_ask(&attempt).await?;
        desk.answers(&asking, Some(9000), 20).await?;
        same("the message counts", &desk.next_ask(&attempt).await?, &due)?;
        let after = due
            .and_then(|due| due.duration_since(at(0)).ok())
            .ok_or("it is not due")?;
        let again = desk.taken(&attempt, after.as_secs().max(22)).await?;
        desk.answers(&again, Some(9000), 30).await?;
        same("once", &desk.next_ask(&attempt).await?, &Some(at(9000)))?;
    }
    // A message that is as old as what was due, by a clock that stands still.
    let desk = Desk::fresh(source).await?;
    let attempt = desk.due_at("order-1", 10).await?;
    let asking = desk.taken(&attempt, 10).await?;
    desk.message(&attempt, Cue::Proven, 10).await?;
    desk.answers(&asking, Some(9000), 10).await?;
    same("the message counts", &desk.due(10, 9).await?, &vec![attempt])?;

    // Its lease ran out, and another node is asking.
    let desk = Desk::fresh(source).await?;
    let attempt = desk.due_at("order-1", 10).await?;
    let slow = desk.taken(&attempt, 10).await?;
    let quick = desk.taken(&attempt, 70).await?;
    desk.answers(&slow, None, 10).await?;
    same("it is being asked about", &desk.due(129, 9).await?, &vec![])?;
    same("as it was", &desk.next_ask(&attempt).await?, &Some(at(10)))?;
    desk.answers(&quick, Some(100), 70).await?;
    same("given back", &desk.due(100, 9).await?, &vec![attempt])
}

pub(super) async fn what_was_proven_is_asked_about_at_once_and_a_hint_after_a_wait(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let attempt = &desk.open("order-1").await?.attempt;
    desk.message(attempt, Cue::Hint, 5).await?;
    same("nobody asked before", &desk.next_ask(attempt).await?, &Some(at(5)))?;
    for cue in [Cue::Hint, Cue::Proven] {
        desk.message(attempt, cue, 6).await?;
        same("a question is to come", &desk.next_ask(attempt).await?, &Some(at(5)))?;
    }
    // Forged ones by the hundred cost a question each time the wait is over, and the wait grows.
    let (mut questions, mut asked_at) = (Vec::new(), 0);
    for second in (10..4000).step_by(10) {
        desk.message(attempt, Cue::Hint, second).await?;
        if let Some(seen) = desk.handed_out(&desk.gateway.id(), second, 1).await?.pop() {
            desk.message(attempt, Cue::Hint, second).await?;
            desk.answers(&seen, Some(1_000_000), second).await?;
            questions.push(second - asked_at);
            asked_at = second;
        }
    }
    same("the waits", &questions, &vec![10, 30, 60, 120, 240, 480, 960, 1920])?;
    // What was proven does not wait for them.
    desk.message(attempt, Cue::Proven, 4000).await?;
    same("at once", &desk.next_ask(attempt).await?, &Some(at(4000)))?;
    desk.message(attempt, Cue::Hint, 4001).await?;
    same(
        "and a hint does not delay it",
        &desk.next_ask(attempt).await?,
        &Some(at(4000)),
    )?;
    same("as often as it was asked", &desk.stored(attempt).await?.asks, &8)
}

pub(super) async fn an_attempt_that_is_over_is_asked_about_after_a_message(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    for (number, status) in [PaymentStatus::Captured, PaymentStatus::Expired]
        .into_iter()
        .enumerate()
    {
        let expected = desk.open(&format!("order-{number}")).await?;
        let attempt = &expected.attempt;
        let _over = desk.hears(&expected, status).await?;
        same("over", &desk.due(100_000, 9).await?, &vec![])?;
        for (cue, seconds) in [(Cue::Hint, 100_000), (Cue::Proven, 200_000)] {
            desk.message(attempt, cue, seconds).await?;
            let seen = desk.taken(attempt, seconds).await?;
            desk.answers(&seen, None, seconds).await?;
            same("one answer is enough", &desk.due(seconds + 50_000, 9).await?, &vec![])?;
            same("it counts anew", &desk.stored(attempt).await?.asks, &0)?;
        }
        // An hour passes between two questions that hints cause.
        desk.message(attempt, Cue::Hint, 200_001).await?;
        same("later", &desk.next_ask(attempt).await?, &Some(at(203_600)))?;
        desk.message(attempt, Cue::Proven, 200_002).await?;
        ensure(desk.taken(attempt, 200_002).await.is_ok(), "at once")?;
        desk.asked(attempt, None).await?;
    }
    Ok(())
}
