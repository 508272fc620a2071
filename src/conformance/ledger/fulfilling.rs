//! The right to fulfil: at least once, under one key, to one caller at a time.

use std::collections::HashSet;
use std::time::Duration;

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, count, ensure, refused, same};
use crate::conformance::proofs::say;
use crate::ledger::Fulfilment;
use crate::payment::PaymentStatus;
use crate::reference::FulfilmentKey;

const LEASE: Duration = Duration::from_secs(60);

impl Desk {
    async fn next(&self, seconds: u64) -> Result<Option<Fulfilment>, String> {
        self.ledger.next_fulfilment(at(seconds), LEASE).await.map_err(say)
    }

    async fn next_key(&self, seconds: u64) -> Result<Option<FulfilmentKey>, String> {
        Ok(self.next(seconds).await?.map(|right| right.key))
    }
}

pub(super) async fn nothing_is_handed_out_before_payment(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    same("an empty ledger", &desk.next(10).await?, &None)?;
    let expected = desk.open("order-1").await?;
    for status in [
        PaymentStatus::Pending,
        PaymentStatus::RequiresAction,
        PaymentStatus::Authorized,
    ] {
        let _moved = desk.hears(&expected, status).await?;
        same(status.as_str(), &desk.next(10).await?, &None)?;
        desk.is_not_to_be_fulfilled(&expected.order).await?;
    }
    let key = FulfilmentKey::of(&expected.attempt);
    refused("done without a right", &desk.ledger.done(&key, at(10)).await)
}

pub(super) async fn a_right_is_handed_out_until_it_is_done_and_always_with_the_same_key(
    source: &dyn LedgerSource,
) -> Found {
    let desk = Desk::fresh(source).await?;
    let paid = desk.paid("order-1").await?;
    let mut wanted = Fulfilment::of(&paid);
    for (delivery, seconds) in [(1, 10), (2, 70), (3, 500)] {
        wanted.deliveries = delivery;
        same("the right", &desk.next(seconds).await?, &Some(wanted.clone()))?;
        same("while it is handed out", &desk.next(seconds).await?, &None)?;
        same("to the end of its lease", &desk.next(seconds + 59).await?, &None)?;
    }
    // Done counts, even when the lease is over.
    let done = desk.ledger.done(&wanted.key, at(900)).await.map_err(say)?;
    ensure(done, "the first time is the first time")?;
    let again = desk.ledger.done(&wanted.key, at(901)).await.map_err(say)?;
    ensure(!again, "the second time is not")?;
    same("afterwards", &desk.next(10_000).await?, &None)?;
    wanted.done_at = Some(at(900));
    same("on record", &desk.fulfilment_of(&paid.order).await?, &Some(wanted))?;
    let kinds = desk.kinds(&paid.attempt).await?;
    same("lines of it", &count(&"fulfilled", &kinds), &1)
}

pub(super) async fn rights_are_handed_out_oldest_first_and_none_twice_at_once(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let mut keys = Vec::new();
    // Paid in another order than they were opened in: the payment counts.
    let opened = [
        desk.open("order-1").await?,
        desk.open("order-2").await?,
        desk.open("order-3").await?,
    ];
    for expected in opened.iter().rev() {
        let _paid = desk.hears(expected, PaymentStatus::Captured).await?;
        keys.push(Some(FulfilmentKey::of(&expected.attempt)));
    }
    for key in &keys {
        same("the next", &desk.next_key(10).await?, key)?;
    }
    same("all are handed out", &desk.next_key(11).await?, &None)?;
    let [_, Some(second), _] = keys.as_slice() else {
        return Err("three were paid".to_owned());
    };
    ensure(desk.ledger.done(second, at(12)).await.map_err(say)?, "done")?;
    for key in [keys.first(), keys.last()] {
        same(
            "when their time is over",
            &desk.next_key(80).await?,
            &key.cloned().flatten(),
        )?;
    }
    same("the one that is done", &desk.next_key(80).await?, &None)
}

pub(super) async fn many_callers_never_get_the_same_right(source: &dyn LedgerSource) -> Found {
    let desk = &Desk::fresh(source).await?;
    for order in 0..10 {
        desk.paid(&format!("order-{order}")).await?;
    }
    for seconds in [10, 80] {
        let given = all((0..64).map(|_| desk.next_key(seconds))).await?;
        let given: Vec<_> = given.into_iter().flatten().collect();
        same("handed out", &given.len(), &10)?;
        same("different ones", &given.iter().collect::<HashSet<_>>().len(), &10)?;
    }
    Ok(())
}
