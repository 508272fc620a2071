//! The check of a whole ledger: the chain, the checkpoint, and whether the state is the one that the records tell.

use super::chain::{Break, BreakReason, Head, walk};
use super::record::whole;
use super::{Checkpoint, Ledger, Mode, ModeChange, RecordKind, StoreError, StoredAttempt, Which};
use crate::payment::PaymentStatus;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainCheck {
    /// Nothing is wrong.
    Intact {
        /// How far the ledger goes.
        head: Head,
        /// How many records came after the checkpoint. Whoever can write the database can write these anew, and the check
        /// cannot tell: everything, if there was no checkpoint.
        exposed: u64,
    },
    /// Something is wrong. What comes after the position says nothing any more.
    Broken(Break),
}

impl ChainCheck {
    /// Is nothing wrong?
    #[must_use]
    pub fn is_intact(&self) -> bool {
        matches!(self, Self::Intact { .. })
    }
}

/// How many attempts are read at a time.
const PAGE: usize = 500;

/// Walks the whole chain, holds it against a checkpoint that was found genuine, and the state against what the records tell.
///
/// It reads everything, page by page: its time grows with the ledger, its memory does not. While others write, what they
/// change in the meantime is checked as it was when it was read.
pub async fn verify(ledger: &dyn Ledger, checkpoint: Option<&Checkpoint>) -> Result<ChainCheck, StoreError> {
    let at_checkpoint = checkpoint.map(Checkpoint::head);
    let mut mode = Mode::default();
    let mut rewritten = None;
    let walked = walk(ledger, Head::empty(), None, |record| {
        if let Some(then) = at_checkpoint.filter(|then| then.count == record.position)
            && then.digest != record.digest
        {
            rewritten = Some(Break {
                position: record.position,
                why: BreakReason::Rewritten,
            });
        }
        if let Ok(RecordKind::ModeChanged { switch, actor, reason }) = serde_json::from_str(&record.body) {
            let change = ModeChange { switch, actor, reason };
            let at = std::time::SystemTime::UNIX_EPOCH
                .checked_add(std::time::Duration::from_micros(record.at_micros.unsigned_abs()));
            mode = mode.after(&change, at.unwrap_or(std::time::SystemTime::UNIX_EPOCH));
        }
    })
    .await?;
    let head = match (walked, rewritten) {
        (Err(broken), Some(earlier)) if earlier.position < broken.position => return Ok(ChainCheck::Broken(earlier)),
        (Err(broken), _) | (Ok(_), Some(broken)) => return Ok(ChainCheck::Broken(broken)),
        (Ok(head), None) => head,
    };
    if let Some(then) = at_checkpoint
        && head.count < then.count
    {
        return Ok(ChainCheck::Broken(Break {
            position: head.count.saturating_add(1),
            why: BreakReason::Missing,
        }));
    }
    if let Some(broken) = state(ledger, &mode, head).await? {
        return Ok(ChainCheck::Broken(broken));
    }
    let exposed = head.count.saturating_sub(at_checkpoint.map_or(0, |then| then.count));
    Ok(ChainCheck::Intact { head, exposed })
}

/// The first attempt whose state is not the one that its records tell.
async fn state(ledger: &dyn Ledger, mode: &Mode, head: Head) -> Result<Option<Break>, StoreError> {
    let broken = |position| {
        Some(Break {
            position,
            why: BreakReason::State,
        })
    };
    let unchanged = ledger.head().await? == head;
    if unchanged && ledger.mode().await? != *mode {
        return Ok(broken(head.count));
    }
    let mut after = 0;
    loop {
        let page = ledger.attempts_after(after, Which::All, PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        after = *last;
        for (_, attempt) in &page {
            if let Some(position) = differs(ledger, attempt).await? {
                // Somebody may have written between the two readings: look once more at one moment.
                let Some(now) = ledger.attempt(attempt.reference()).await? else {
                    return Ok(broken(position));
                };
                if let Some(position) = differs(ledger, &now).await? {
                    return Ok(broken(position));
                }
            }
        }
    }
}

/// The position of the attempt's last record, if its state is not the one that its records tell.
async fn differs(ledger: &dyn Ledger, attempt: &StoredAttempt) -> Result<Option<u64>, StoreError> {
    let mut told = None;
    let (mut opened, mut right, mut done) = (false, None, false);
    let timeline = ledger.timeline(attempt.reference()).await?;
    let last = timeline.last().map_or(0, |record| record.position);
    for record in timeline {
        match record.kind {
            RecordKind::Expected { whole: written, .. } => {
                if written != whole(&attempt.expected) {
                    return Ok(Some(record.position));
                }
                told = Some(PaymentStatus::Created);
            }
            RecordKind::Opened { .. } => opened = true,
            RecordKind::Closed { .. } => told = Some(PaymentStatus::Failed),
            RecordKind::Applied { to, .. } => told = Some(to),
            RecordKind::Fulfilment { key } => right = Some(key),
            RecordKind::Fulfilled { .. } => done = true,
            _ => {}
        }
    }
    let kept = ledger.fulfilment_of(&attempt.expected.order).await?;
    let kept = kept.filter(|kept| kept.attempt == *attempt.reference());
    let same = told == Some(attempt.status)
        && opened == attempt.opened
        && right == kept.as_ref().map(|kept| kept.key.clone())
        && done == kept.is_some_and(|kept| kept.done_at.is_some());
    Ok(if same { None } else { Some(last) })
}
