//! What stays: notes, records, and everything over a restart.

use std::time::Duration;

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, count, ensure, same};
use crate::conformance::proofs::{Statement, say};
use crate::ledger::{Applied, AskDue, Note, Record};
use crate::payment::PaymentStatus;

pub(super) async fn a_note_is_taken_once(source: &dyn LedgerSource) -> Found {
    let desk = &Desk::fresh(source).await?;
    let expected = &desk.open("order-1").await?;
    let before = desk.timeline(&expected.attempt).await?.len();
    let notes = [Note::Returned, Note::Cancelled, Note::Unanswered];
    for (number, note) in notes.into_iter().enumerate() {
        let take = async |_: u32| desk.ledger.note(&expected.attempt, note, at(5)).await.map_err(say);
        let taken = all((0..64).map(take)).await?;
        same("the first time", &count(&true, &taken), &1)?;
        let timeline = desk.timeline(&expected.attempt).await?;
        same("lines", &timeline.len(), &(before + number + 1))?;
        let last = timeline.last().map(|record| (record.at, record.kind.clone()));
        same("the last line", &last, &Some((at(5), note.record())))?;
    }
    // Another attempt has notes of its own.
    let other = desk.open("order-2").await?;
    let first = desk
        .ledger
        .note(&other.attempt, Note::Returned, at(5))
        .await
        .map_err(say)?;
    ensure(first, "it is the other one's first")?;
    // And a note says nothing about payment.
    same(
        "the state",
        &desk.status(&expected.attempt).await?,
        &PaymentStatus::Created,
    )?;
    desk.is_not_to_be_fulfilled(&expected.order).await
}

pub(super) async fn records_follow_each_other_without_a_gap_and_never_change(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let mut before: Vec<Record> = Vec::new();
    for round in 0..10 {
        let expected = desk.open(&format!("order-{round}")).await?;
        // Something that fails, something that changes nothing, and something that is refused leave no gap.
        let _failed = desk.ledger.expect(&expected).await;
        let status = if round % 2 == 0 {
            PaymentStatus::Captured
        } else {
            PaymentStatus::Failed
        };
        let said = Statement::about(&expected, status)?;
        all((0..8).map(|_| desk.tell(&expected.attempt, &said))).await?;

        let mut now: Vec<Record> = Vec::new();
        for attempt in desk.ledger.latest(usize::MAX).await.map_err(say)? {
            now.extend(desk.timeline(attempt.reference()).await?);
        }
        now.sort_by_key(|record| record.position);
        let positions: Vec<u64> = now.iter().map(|record| record.position).collect();
        let gapless: Vec<u64> = (1..).take(now.len()).collect();
        same("positions", &positions, &gapless)?;
        ensure(now.starts_with(&before), "what was on record stays as it was")?;
        ensure(now.len() > before.len(), "something was added")?;
        before = now;
    }
    Ok(())
}

pub(super) async fn everything_is_still_there_after_a_restart(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let paid = desk.paid("order-1").await?;
    let open = desk.open("order-2").await?;
    let held = desk.open("order-3").await?;
    let unopened = desk.written("order-4").await?;
    let wrong =
        Statement::about(&held, PaymentStatus::Captured)?.but(|said| said.environment = crate::Environment::Live);
    let _held = desk.tell(&held.attempt, &wrong).await?;
    let lease = Duration::from_secs(60);
    let handed_out = desk.ledger.next_fulfilment(at(10), lease).await.map_err(say)?;
    ensure(handed_out.is_some(), "a right is handed out")?;
    desk.asked(&open.attempt, Some(at(5))).await?;
    let due = AskDue {
        gateway: open.gateway.clone(),
        now: at(10),
        lease,
        limit: 9,
    };
    same("due", &desk.ledger.attempts_to_ask(&due).await.map_err(say)?.len(), &1)?;
    let first = desk
        .ledger
        .note(&open.attempt, Note::Returned, at(10))
        .await
        .map_err(say)?;
    ensure(first, "a note is taken")?;

    let all_of_it = async |desk: &Desk| {
        let mut seen = Vec::new();
        for expected in [&paid, &open, &held, &unopened] {
            seen.push(format!("{:?}", desk.stored(&expected.attempt).await?));
            seen.push(format!("{:?}", desk.timeline(&expected.attempt).await?));
            seen.push(format!("{:?}", desk.fulfilment_of(&expected.order).await?));
        }
        seen.push(format!("{:?}", desk.ledger.held(9).await.map_err(say)?));
        Ok::<_, String>(seen)
    };
    let before = all_of_it(&desk).await?;
    let Desk { ledger, gateway } = desk;
    let Some(ledger) = source.reopen(ledger).await? else {
        return Ok(());
    };
    let desk = Desk { ledger, gateway };
    same("what is there", &all_of_it(&desk).await?, &before)?;

    // What was decided stays decided, and what is handed out stays handed out.
    same(
        "the same event",
        &desk.hears(&paid, PaymentStatus::Captured).await?,
        &Applied::Already,
    )?;
    let due = AskDue { now: at(69), ..due };
    same(
        "leased",
        &desk.ledger.attempts_to_ask(&due).await.map_err(say)?.len(),
        &0,
    )?;
    same(
        "handed out",
        &desk.ledger.next_fulfilment(at(69), lease).await.map_err(say)?,
        &None,
    )?;
    let again = desk
        .ledger
        .note(&open.attempt, Note::Returned, at(69))
        .await
        .map_err(say)?;
    ensure(!again, "the note is known")?;
    let redelivered = desk.ledger.next_fulfilment(at(70), lease).await.map_err(say)?;
    let deliveries = redelivered.map(|right| (right.key, right.deliveries));
    same("afterwards", &deliveries, &handed_out.map(|right| (right.key, 2)))?;
    same(
        "the payer",
        &desk.hears(&open, PaymentStatus::Captured).await?,
        &Applied::Now,
    )
}
