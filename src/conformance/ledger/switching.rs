//! The stop switch: at once, everywhere, and for good until somebody reopens.

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, ensure, same};
use crate::conformance::proofs::say;
use crate::ledger::{Applied, Expected, Ledger, Mode, ModeChange, Switch, SwitchText};
use crate::payment::PaymentStatus;

fn change(switch: Switch) -> Result<ModeChange, String> {
    Ok(ModeChange {
        switch,
        actor: SwitchText::new("the operator").map_err(say)?,
        reason: SwitchText::new("a case of the suite").map_err(say)?,
    })
}

async fn turn(ledger: &dyn Ledger, switch: Switch) -> Result<Mode, String> {
    ledger.set_mode(&change(switch)?, at(7)).await.map_err(say)
}

pub(super) async fn a_stop_refuses_new_attempts_and_nothing_else(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    same("at first", &desk.ledger.mode().await.map_err(say)?, &Mode::default())?;
    let open = desk.open("order-1").await?;
    let stopped = turn(desk.ledger.as_ref(), Switch::Stop).await?;
    let by = stopped.stopped.clone().ok_or("it is stopped")?;
    same("who", &by.actor.as_str(), &"the operator")?;
    same("since", &by.since, &at(7))?;
    let before = desk.ledger.head().await.map_err(say)?;
    let new = desk.gateway.expected("order-2", at(8))?;
    match desk.ledger.expect(&new).await.map_err(say)? {
        Expected::Stopped(said) => same("what is said", &said, &by)?,
        other => return Err(format!("a new attempt was not refused: {other:?}")),
    }
    same("the head", &desk.ledger.head().await.map_err(say)?, &before)?;
    // Who has paid is served.
    same(
        "the money",
        &desk.hears(&open, PaymentStatus::Captured).await?,
        &Applied::Now,
    )?;
    let due = desk.fulfilment_of(&open.order).await?.ok_or("a right")?;
    ensure(desk.ledger.done(&due.key, at(9)).await.map_err(say)?, "it is fulfilled")?;
    // A stopped store can be told to ask first, and is stopped still.
    let both = turn(desk.ledger.as_ref(), Switch::AskBeforeApply).await?;
    ensure(
        both.stopped == stopped.stopped && both.asks_first.is_some(),
        "both hold",
    )?;
    ensure(turn(desk.ledger.as_ref(), Switch::Reopen).await?.is_usual(), "as usual")?;
    desk.write(&new).await
}

pub(super) async fn a_stop_outlasts_a_restart_and_ends_by_reopening(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let stopped = turn(desk.ledger.as_ref(), Switch::Stop).await?;
    let Desk { ledger, gateway } = desk;
    let Some(ledger) = source.reopen(ledger).await? else {
        return Ok(());
    };
    let desk = Desk { ledger, gateway };
    same("the mode", &desk.ledger.mode().await.map_err(say)?, &stopped)?;
    let new = desk.gateway.expected("order-1", at(8))?;
    let refused = desk.ledger.expect(&new).await.map_err(say)?;
    ensure(matches!(refused, Expected::Stopped(_)), "refused after the restart")?;
    turn(desk.ledger.as_ref(), Switch::Reopen).await?;
    desk.write(&new).await
}

pub(super) async fn of_checkouts_and_a_stop_at_once_none_is_written_after_it(source: &dyn LedgerSource) -> Found {
    let desk = &Desk::fresh(source).await?;
    let callers = (0..64).map(async |n: u32| {
        if n == 32 {
            turn(desk.ledger.as_ref(), Switch::Stop).await?;
            return Ok(None);
        }
        let expected = desk.gateway.expected(&format!("order-{n}"), at(8))?;
        desk.ledger.expect(&expected).await.map(Some).map_err(say)
    });
    let answers: Vec<Option<Expected>> = all(callers).await?;
    let written = answers
        .iter()
        .flatten()
        .filter(|answer| matches!(answer, Expected::Written))
        .count();
    let refused = answers
        .iter()
        .flatten()
        .filter(|answer| matches!(answer, Expected::Stopped(_)))
        .count();
    same("written and refused", &(written + refused), &63)?;
    // In the order of the records, nothing is expected behind the stop.
    let records = desk.ledger.records(0, 1000).await.map_err(say)?;
    let kinds: Vec<&str> = records.iter().map(|record| record.kind.as_str()).collect();
    same("the last record", &kinds.last(), &Some(&"mode_changed"))?;
    same("the records", &kinds.len(), &(written + 1))
}
