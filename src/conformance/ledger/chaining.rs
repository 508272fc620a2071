//! Every record carries the digest of everything before it.

use super::LedgerSource;
use super::desk::{Desk, Found, all, at, ensure, same};
use crate::conformance::proofs::{Statement, say};
use crate::ledger::chain::Walk;
use crate::ledger::{
    BreakReason, ChainCheck, Checkpoint, CloseReason, Head, Ledger, Note, StoreNote, SwitchText, verify,
};
use crate::payment::PaymentStatus;
use crate::secret::CheckpointKey;

async fn check(ledger: &dyn Ledger, checkpoint: Option<&Checkpoint>) -> Result<ChainCheck, String> {
    verify(ledger, checkpoint.copied().as_slice()).await.map_err(say)
}

pub(super) async fn every_record_follows_the_one_before_it(source: &dyn LedgerSource) -> Found {
    let desk = &Desk::fresh(source).await?;
    same(
        "an empty ledger",
        &desk.ledger.head().await.map_err(say)?,
        &Head::empty(),
    )?;
    let orders = all((0..16).map(async |n: u32| desk.paid(&format!("order-{n}")).await)).await?;
    for expected in &orders {
        desk.ledger
            .note(&expected.attempt, Note::Returned, at(9))
            .await
            .map_err(say)?;
    }
    let before = desk.ledger.head().await.map_err(say)?;
    let keys = StoreNote::KeysChanged {
        gateway: desk.gateway.id(),
        account: desk.gateway.account().clone(),
        actor: SwitchText::new("an operator").map_err(say)?,
        label: SwitchText::new("other keys").map_err(say)?,
    };
    desk.ledger.note_store(&keys, at(10)).await.map_err(say)?;
    let noted = desk.ledger.records(before.count, 9).await.map_err(say)?;
    let kinds: Vec<_> = noted.iter().map(|record| record.kind.as_str()).collect();
    same("a note about the store", &kinds, &vec!["keys_changed"])?;
    let head = desk.ledger.head().await.map_err(say)?;
    // In pages of any size it is the same chain.
    for size in [1, 7, 1000] {
        let mut walk = Walk::from_the_beginning();
        loop {
            let page = desk.ledger.records(walk.head().count, size).await.map_err(say)?;
            ensure(page.len() <= size, "no more than was asked for")?;
            if page.is_empty() {
                break;
            }
            for record in &page {
                walk.step(record).map_err(say)?;
            }
        }
        same("the head", &walk.head(), &head)?;
    }
    let found = check(desk.ledger.as_ref(), None).await?;
    let exposed = head.count;
    same("the check", &found, &ChainCheck::Intact { head, exposed })
}

pub(super) async fn the_state_is_the_one_that_the_records_tell(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    desk.written("order-1").await?;
    desk.open("order-2").await?;
    let paid = desk.paid("order-3").await?;
    let due = desk.fulfilment_of(&paid.order).await?.ok_or("a right")?;
    desk.ledger.done(&due.key, at(8)).await.map_err(say)?;
    let failed = desk.open("order-4").await?;
    let _ = desk.hears(&failed, PaymentStatus::Failed).await?;
    let closed = desk.written("order-5").await?;
    let why = CloseReason::NotSent;
    desk.ledger.close(&closed.attempt, why, at(9)).await.map_err(say)?;
    // The second proof moves nothing and names the payment.
    let waiting = desk.open("order-6").await?;
    let pending = Statement::about(&waiting, PaymentStatus::Pending)?;
    let unnamed = pending.clone().but(|said| said.payment = None);
    let _ = desk.tell(&waiting.attempt, &unnamed).await?;
    let _ = desk.tell(&waiting.attempt, &pending.heard_as("again")?).await?;
    let named = desk.stored(&waiting.attempt).await?.payment;
    ensure(named.is_some(), "the name of the payment is bound")?;
    ensure(check(desk.ledger.as_ref(), None).await?.is_intact(), "nothing is wrong")
}

pub(super) async fn a_checkpoint_of_another_ledger_is_noticed(source: &dyn LedgerSource) -> Found {
    let key = CheckpointKey::new("a key that is kept on another machine").map_err(say)?;
    let (desk, other) = (Desk::fresh(source).await?, Desk::fresh(source).await?);
    desk.paid("order-1").await?;
    other.paid("order-1").await?;
    let point = |head| Checkpoint::make(&key, head, at(5));
    let before = desk.ledger.head().await.map_err(say)?;
    let own = point(before);
    desk.paid("order-2").await?;
    let head = desk.ledger.head().await.map_err(say)?;
    let exposed = head.count - before.count;
    same(
        "its own",
        &check(desk.ledger.as_ref(), Some(&own)).await?,
        &ChainCheck::Intact { head, exposed },
    )?;
    // Another ledger of the same length was written with other random names, so it has another chain.
    let foreign = point(other.ledger.head().await.map_err(say)?);
    let ChainCheck::Broken(found) = check(desk.ledger.as_ref(), Some(&foreign)).await? else {
        return Err("another ledger's checkpoint was taken".to_owned());
    };
    same("why", &found.why, &BreakReason::Rewritten)?;
    // And one that counted more than there is.
    let later = point(Head {
        count: head.count + 1,
        digest: head.digest,
    });
    let ChainCheck::Broken(found) = check(desk.ledger.as_ref(), Some(&later)).await? else {
        return Err("records that are missing were not missed".to_owned());
    };
    same(
        "what is missing",
        &(found.position, found.why),
        &(head.count + 1, BreakReason::Missing),
    )
}
