//! Writing down what is expected: one attempt of an order at a time.

use std::time::{Duration, SystemTime};

use super::LedgerSource;
use super::desk::{Desk, Found, at, ensure, refused, same, together};
use crate::conformance::proofs::{PAGE, say};
use crate::ledger::{CloseReason, Expected, ExpectedPayment, Opened, StoredAttempt};
use crate::payment::PaymentStatus;
use crate::reference::CustomerReference;

pub(super) async fn what_was_expected_is_read_back_as_it_was_written(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let mut expected = desk
        .gateway
        .expected("order-1", at(0) + Duration::from_nanos(1_234_567))?;
    expected.customer = Some(CustomerReference::new("customer-1").map_err(say)?);
    desk.write(&expected).await?;

    let stored = desk.stored(&expected.attempt).await?;
    same("what was expected", &json(&stored.expected)?, &json(&expected)?)?;
    ensure(
        stored.expected.return_token.matches(expected.return_token.as_str()),
        "the return token is kept",
    )?;
    same("the status", &stored.status, &PaymentStatus::Created)?;
    same("the names", &(&stored.checkout, &stored.payment), &(&None, &None))?;
    same("opened", &stored.opened, &false)?;
    same("asked", &stored.asks, &0)?;
    let first_ask = StoredAttempt::new(expected.clone()).next_ask.map(kept);
    same("the first asking", &stored.next_ask, &first_ask)?;
    same("the end", &stored.expires_at, &kept(expected.expires_at))?;
    same("the records", &desk.kinds(&expected.attempt).await?, &vec!["expected"])?;

    let newer = desk.written("order-2").await?;
    let latest = desk.ledger.latest(10).await.map_err(say)?;
    same("the latest", &names(&latest), &vec![&newer.attempt, &expected.attempt])?;
    same("one of them", &desk.ledger.latest(1).await.map_err(say)?.len(), &1)?;
    let of_order = desk.ledger.attempts_of(&expected.order).await.map_err(say)?;
    same("of the order", &names(&of_order), &vec![&expected.attempt])
}

pub(super) async fn a_second_attempt_is_refused_while_one_is_open(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let first = desk.open("order-1").await?;
    for status in [PaymentStatus::Pending, PaymentStatus::RequiresAction] {
        let second = desk.gateway.expected("order-1", at(5))?;
        match desk.ledger.expect(&second).await.map_err(say)? {
            Expected::Open(open) => same("the open one", open.reference(), &first.attempt)?,
            other => return Err(format!("wanted the open attempt, found {other:?}")),
        }
        ensure(
            desk.ledger.attempt(&second.attempt).await.map_err(say)?.is_none(),
            "nothing of the second one was written",
        )?;
        let _moved = desk.hears(&first, status).await?;
    }
    let of_order = desk.ledger.attempts_of(&first.order).await.map_err(say)?;
    same("attempts of the order", &of_order.len(), &1)?;
    // Another order is nobody's business.
    desk.written("order-2").await.map(drop)
}

pub(super) async fn a_second_attempt_is_refused_once_the_order_is_paid(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let first = desk.paid("order-1").await?;
    for (status, seconds) in [
        (None, 3),
        (Some(PaymentStatus::Refunded), 400_000),
        (Some(PaymentStatus::Disputed), 9_000_000),
    ] {
        if let Some(status) = status {
            let _moved = desk.hears(&first, status).await?;
        }
        let second = desk.gateway.expected("order-1", at(seconds))?;
        match desk.ledger.expect(&second).await.map_err(say)? {
            Expected::Paid(payer) => same("the payer", &payer, &first.attempt)?,
            other => return Err(format!("wanted the payer, found {other:?}")),
        }
        ensure(
            desk.ledger.attempt(&second.attempt).await.map_err(say)?.is_none(),
            "nothing of the second one was written",
        )?;
    }
    Ok(())
}

pub(super) async fn of_many_callers_that_expect_one_order_one_writes(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let callers = (0..64).map(|_| desk.gateway.expected("order-1", at(0)));
    let callers: Vec<ExpectedPayment> = callers.collect::<Result<_, _>>()?;
    let answers = together(callers.iter().map(|expected| desk.ledger.expect(expected))).await;
    let (mut written, mut open) = (0, 0);
    for answer in answers {
        match answer.map_err(say)? {
            Expected::Written => written += 1,
            Expected::Open(_) => open += 1,
            Expected::Paid(_) => return Err("nobody paid".to_owned()),
            Expected::Stopped(_) => return Err("nobody stopped".to_owned()),
        }
    }
    same("written and refused", &(written, open), &(1, 63))
}

pub(super) async fn an_attempt_without_a_page_stops_blocking_an_hour_after_its_end(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    desk.written("order-1").await?;
    let free = at(0) + PAGE + Duration::from_secs(3600);
    let early = desk.gateway.expected("order-1", free - Duration::from_secs(1))?;
    let answer = desk.ledger.expect(&early).await.map_err(say)?;
    ensure(matches!(answer, Expected::Open(_)), "a second before, it blocks")?;
    desk.written_at("order-1", free).await?;
    same(
        "attempts of the order",
        &desk.ledger.attempts_of(&early.order).await.map_err(say)?.len(),
        &2,
    )
}

pub(super) async fn an_attempt_that_the_gateway_knows_never_stops_blocking_by_itself(
    source: &dyn LedgerSource,
) -> Found {
    let desk = Desk::fresh(source).await?;
    desk.open("order-1").await?;
    let unopened = desk.written("order-2").await?;
    let _moved = desk.hears(&unopened, PaymentStatus::Pending).await?;
    // Authentic, and it says nothing new but the gateway's names.
    let named = desk.written("order-3").await?;
    let _heard = desk.hears(&named, PaymentStatus::Created).await?;
    for order in ["order-1", "order-2", "order-3"] {
        let later = desk
            .gateway
            .expected(order, at(0) + PAGE + Duration::from_secs(1_000_000))?;
        let answer = desk.ledger.expect(&later).await.map_err(say)?;
        ensure(matches!(answer, Expected::Open(_)), order)?;
    }
    Ok(())
}

pub(super) async fn an_attempt_that_ended_blocks_nothing(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let mut second = 10;
    for status in [PaymentStatus::Cancelled, PaymentStatus::Failed, PaymentStatus::Expired] {
        let order = format!("order-{status}");
        let first = desk.open(&order).await?;
        let _moved = desk.hears(&first, status).await?;
        second += 1;
        desk.written_at(&order, at(second)).await?;
    }
    Ok(())
}

pub(super) async fn an_attempt_is_never_written_twice(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let first = desk.written("order-1").await?;
    let close = desk.ledger.close(&first.attempt, CloseReason::NotSent, at(1));
    close.await.map_err(say)?;
    let before = desk.timeline(&first.attempt).await?;

    refused("the same attempt again", &desk.ledger.expect(&first).await)?;
    let mut moved = desk.gateway.expected("order-2", at(2))?;
    moved.attempt = first.attempt.clone();
    refused("the same attempt for another order", &desk.ledger.expect(&moved).await)?;

    same("its records", &desk.timeline(&first.attempt).await?, &before)?;
    let of_other = desk.ledger.attempts_of(&moved.order).await.map_err(say)?;
    same("attempts of the other order", &of_other.len(), &0)?;
    same("all attempts", &desk.ledger.latest(10).await.map_err(say)?.len(), &1)
}

pub(super) async fn a_time_that_cannot_be_kept_is_refused_and_leaves_nothing(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let far = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1 << 60));

    let mut expected = desk.gateway.expected("order-1", early)?;
    refused("an attempt before 1970", &desk.ledger.expect(&expected).await)?;
    expected.created_at = at(0);
    expected.expires_at = early;
    refused("an end before 1970", &desk.ledger.expect(&expected).await)?;
    if let Some(far) = far {
        expected.expires_at = far;
        refused("an end beyond all clocks", &desk.ledger.expect(&expected).await)?;
    }
    same("attempts", &desk.ledger.latest(10).await.map_err(say)?.len(), &0)?;

    let open = desk.open("order-2").await?;
    let before = desk.timeline(&open.attempt).await?;
    let judgement = desk
        .judge(
            &open.attempt,
            &super::super::Statement::about(&open, PaymentStatus::Captured)?,
        )
        .await?;
    refused("applying before 1970", &desk.ledger.apply(&judgement, early).await)?;
    let opened = Opened {
        payment: Some(super::super::Statement::page_of(&open.attempt)?),
        ..Opened::default()
    };
    let answer = desk.ledger.opened(&open.attempt, &opened, early).await;
    refused("opening before 1970", &answer)?;
    let lease = Duration::MAX;
    refused("a lease without end", &desk.ledger.next_fulfilment(at(0), lease).await)?;
    same("its records", &desk.timeline(&open.attempt).await?, &before)?;
    desk.is_not_to_be_fulfilled(&open.order).await
}

/// To the microsecond: no store is asked for more.
fn kept(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    at - Duration::from_nanos(u64::from(since.subsec_nanos() % 1_000))
}

fn names(attempts: &[StoredAttempt]) -> Vec<&crate::reference::AttemptReference> {
    attempts.iter().map(StoredAttempt::reference).collect()
}

fn json(expected: &ExpectedPayment) -> Result<String, String> {
    serde_json::to_string(expected).map_err(say)
}
