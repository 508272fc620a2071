//! Evidence that is authentic and still pays nothing.

use std::time::Duration;

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, count, ensure, same};
use crate::conformance::proofs::{PAGE, Statement, say};
use crate::ledger::{Applied, ExpectedPayment, Fulfilment, HeldReason, Judgement, Mismatch, RecordKind};
use crate::money::{Currency, Money};
use crate::payment::PaymentStatus;
use crate::reference::{Environment, GatewayId, GatewayReference, MerchantAccount, MerchantReference};

pub(super) async fn a_second_paid_attempt_of_an_order_is_held(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    // The first one lost its answer and stopped blocking; its page had come to be all the same.
    let first = desk.written("order-1").await?;
    let later = at(0) + PAGE + Duration::from_secs(4000);
    let second = desk.written_at("order-1", later).await?;
    same(
        "the second",
        &desk.hears(&second, PaymentStatus::Captured).await?,
        &Applied::Now,
    )?;
    for _ in 0..3 {
        let verdict = desk.hears(&first, PaymentStatus::Captured).await?;
        same("the first", &verdict, &Applied::Held(HeldReason::Excess))?;
    }
    // The money is there, so the state says so; only the right is not.
    same(
        "its state",
        &desk.status(&first.attempt).await?,
        &PaymentStatus::Captured,
    )?;
    same("held", &desk.held().await?, &1)?;
    let right = desk.fulfilment_of(&first.order).await?;
    same("the right", &right, &Some(Fulfilment::of(&second)))?;
    same(
        "rights of the first",
        &count(&"fulfilment", &desk.kinds(&first.attempt).await?),
        &0,
    )
}

pub(super) async fn one_transaction_pays_one_of_a_hundred_orders(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let payment = GatewayReference::new("pay-one").map_err(say)?;
    presented_a_hundred_times(&desk, |said| said.payment = Some(payment)).await
}

pub(super) async fn one_page_pays_one_of_a_hundred_orders(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let page = GatewayReference::new("page-one").map_err(say)?;
    // Each names a payment of its own, so that the page alone gives them away.
    presented_a_hundred_times(&desk, |said| said.checkout = Some(page)).await
}

async fn presented_a_hundred_times(desk: &Desk, change: impl FnOnce(&mut Statement) + Clone) -> Found {
    let attempts = all((0..100).map(async |n: u32| desk.written(&format!("order-{n}")).await)).await?;
    let tell = async |expected: &ExpectedPayment| {
        let said = Statement::about(expected, PaymentStatus::Captured)?.but(change.clone());
        desk.tell(&expected.attempt, &said).await
    };
    for _ in 0..2 {
        let verdicts = all(attempts.iter().map(tell)).await?;
        let held = count(&Applied::Held(HeldReason::TransactionBound), &verdicts);
        same("held", &held, &99)?;
        ensure(
            verdicts.contains(&Applied::Now) || verdicts.contains(&Applied::Already),
            "the one that came first is paid",
        )?;
    }
    let rights = all(attempts
        .iter()
        .map(async |expected: &ExpectedPayment| desk.fulfilment_of(&expected.order).await));
    same("rights", &rights.await?.into_iter().flatten().count(), &1)?;
    same("held evidence", &desk.held().await?, &99)
}

pub(super) async fn money_after_the_end_is_held(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    for end in [PaymentStatus::Cancelled, PaymentStatus::Failed, PaymentStatus::Expired] {
        let expected = desk.open(&format!("order-{end}")).await?;
        same(end.as_str(), &desk.hears(&expected, end).await?, &Applied::Moved)?;
        for money in [
            PaymentStatus::Authorized,
            PaymentStatus::Captured,
            PaymentStatus::Refunded,
        ] {
            let verdict = desk.hears(&expected, money).await?;
            same(money.as_str(), &verdict, &Applied::Held(HeldReason::Late))?;
        }
        same("the state", &desk.status(&expected.attempt).await?, &end)?;
        desk.is_not_to_be_fulfilled(&expected.order).await?;
    }
    same("held", &desk.held().await?, &9)?;
    let right = desk
        .ledger
        .next_fulfilment(at(9), Duration::from_secs(1))
        .await
        .map_err(say)?;
    same("handed out", &right, &None)
}

pub(super) async fn money_that_went_back_before_is_held(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    for back in [
        PaymentStatus::PartiallyRefunded,
        PaymentStatus::Refunded,
        PaymentStatus::Disputed,
    ] {
        let expected = desk.open(&format!("order-{back}")).await?;
        let verdict = desk.hears(&expected, back).await?;
        same(back.as_str(), &verdict, &Applied::Held(HeldReason::Refunded))?;
        same("the state", &desk.status(&expected.attempt).await?, &back)?;
        same(
            "then captured",
            &desk.hears(&expected, PaymentStatus::Captured).await?,
            &Applied::Older,
        )?;
        desk.is_not_to_be_fulfilled(&expected.order).await?;
    }
    same("held", &desk.held().await?, &3)
}

type Change = Box<dyn Fn(&mut Statement) + Send + Sync>;

pub(super) async fn every_difference_is_held_once_and_pays_nothing(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let other = desk.open("order-other").await?;
    let names = Statement::about(&other, PaymentStatus::Captured)?;
    let stranger = MerchantAccount::new("acct-stranger").map_err(say)?;
    let order = MerchantReference::new("order-elsewhere").map_err(say)?;
    let (fewer, more) = (Money::new(1979, Currency::JPY), Money::new(1981, Currency::JPY));
    let dollars = Money::new(1980, Currency::USD);
    let changes: Vec<(Mismatch, Change)> = vec![
        (
            Mismatch::Gateway,
            Box::new(|said| said.gateway = GatewayId::from_static("another")),
        ),
        (Mismatch::Account, Box::new(move |said| said.account = stranger.clone())),
        (
            Mismatch::Environment,
            Box::new(|said| said.environment = Environment::Live),
        ),
        (
            Mismatch::Reference,
            Box::new(move |said| said.order = Some(order.clone())),
        ),
        (Mismatch::Reference, {
            let checkout = names.checkout.clone();
            Box::new(move |said| said.checkout.clone_from(&checkout))
        }),
        (Mismatch::Attempt, {
            let attempt = names.attempt.clone();
            Box::new(move |said| said.attempt.clone_from(&attempt))
        }),
        (
            Mismatch::Attempt,
            // Nothing in it names the attempt: neither our reference nor a name that is bound to it.
            Box::new(|said| (said.attempt, said.checkout) = (None, None)),
        ),
        (Mismatch::Amount, Box::new(move |said| said.amount = Some(fewer))),
        (Mismatch::Amount, Box::new(move |said| said.amount = Some(more))),
        (
            Mismatch::Amount,
            Box::new(|said| said.amount = Some(Money::new(0, Currency::JPY))),
        ),
        (Mismatch::Currency, Box::new(move |said| said.amount = Some(dollars))),
    ];
    for (number, (mismatch, change)) in changes.iter().enumerate() {
        let expected = desk.open(&format!("order-{number}")).await?;
        let said = Statement::about(&expected, PaymentStatus::Captured)?.but(change);
        for _ in 0..3 {
            let verdict = desk.tell(&expected.attempt, &said).await?;
            same("the verdict", &verdict, &Applied::Held(HeldReason::Mismatch(*mismatch)))?;
        }
        same(
            "the state",
            &desk.status(&expected.attempt).await?,
            &PaymentStatus::Created,
        )?;
        same("its names", &desk.stored(&expected.attempt).await?.payment, &None)?;
        desk.is_not_to_be_fulfilled(&expected.order).await?;
        same("held", &desk.held().await?, &(number + 1))?;
        let last = desk.timeline(&expected.attempt).await?.pop().map(|record| record.kind);
        let Some(RecordKind::Held { reason, .. }) = last else {
            return Err(format!("the last record is {last:?}"));
        };
        same("the reason on record", &reason.as_str(), &mismatch.as_str())?;
        // What is true still pays afterwards, under an event of its own.
        let truth = Statement::about(&expected, PaymentStatus::Captured)?.heard_as("true")?;
        same("the truth", &desk.tell(&expected.attempt, &truth).await?, &Applied::Now)?;
    }
    same(
        "the other order",
        &desk.status(&other.attempt).await?,
        &PaymentStatus::Created,
    )?;
    desk.is_not_to_be_fulfilled(&other.order).await
}

pub(super) async fn a_second_payment_of_one_page_is_held_even_if_judged_too_early(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let expected = desk.open("order-1").await?;
    let first = Statement::about(&expected, PaymentStatus::Captured)?;
    let other = GatewayReference::new("pay-second").map_err(say)?;
    let second = first.clone().heard_as("second")?.but(|said| said.payment = Some(other));
    // Both are judged while no payment is bound, so each looks like the first.
    let judged = [
        desk.judge(&expected.attempt, &first).await?,
        desk.judge(&expected.attempt, &second).await?,
    ];
    ensure(
        judged
            .iter()
            .all(|judgement| matches!(judgement, Judgement::Accepted(_))),
        "both were accepted",
    )?;
    let verdicts = all(judged
        .iter()
        .map(async |judgement: &Judgement| desk.ledger.apply(judgement, at(3)).await.map_err(say)));
    let verdicts = verdicts.await?;
    same("paid", &count(&Applied::Now, &verdicts), &1)?;
    let held = Applied::Held(HeldReason::Mismatch(Mismatch::Reference));
    same("held", &count(&held, &verdicts), &1)?;
    same("held evidence", &desk.held().await?, &1)
}

pub(super) async fn an_expectation_changed_in_the_callers_hands_pays_nothing(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let expected = desk.open("order-1").await?;
    let cheap = Money::new(1, Currency::JPY);
    let mut changed = expected.clone();
    changed.amount = cheap;
    let said = Statement::about(&expected, PaymentStatus::Captured)?.but(|said| said.amount = Some(cheap));
    let accepted = changed.accept(desk.gateway.prove(&said, at(2))?).map_err(say)?;
    let verdict = desk
        .ledger
        .apply(&Judgement::Accepted(accepted), at(2))
        .await
        .map_err(say)?;
    same(
        "the verdict",
        &verdict,
        &Applied::Held(HeldReason::Mismatch(Mismatch::Amount)),
    )?;
    same(
        "the state",
        &desk.status(&expected.attempt).await?,
        &PaymentStatus::Created,
    )?;
    desk.is_not_to_be_fulfilled(&expected.order).await
}

pub(super) async fn held_evidence_is_listed_newest_first(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let mut newest_first = Vec::new();
    for order in ["order-1", "order-2", "order-3"] {
        let expected = desk.open(order).await?;
        let wrong = Statement::about(&expected, PaymentStatus::Captured)?
            .but(|said| said.amount = Some(Money::new(7, Currency::JPY)));
        for _ in 0..2 {
            let _held = desk.tell(&expected.attempt, &wrong).await?;
        }
        newest_first.insert(0, (expected.order.clone(), expected.attempt.clone()));
    }
    let held = desk.ledger.held(10).await.map_err(say)?;
    let listed: Vec<_> = held
        .iter()
        .map(|held| (held.order.clone(), held.attempt.clone()))
        .collect();
    same("the list", &listed, &newest_first)?;
    let Some(RecordKind::Held { amount, status, .. }) = held.first().map(|held| held.record.kind.clone()) else {
        return Err("the first one is not held".to_owned());
    };
    let said = (Some(Money::new(7, Currency::JPY)), PaymentStatus::Captured);
    same("what it said", &(amount, status), &said)?;
    same("one of them", &desk.ledger.held(1).await.map_err(say)?.len(), &1)
}
