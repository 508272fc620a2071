//! The check of a whole ledger: the chain, the checkpoint, and whether the state is the one that the records tell.

use std::time::{Duration, SystemTime};

use super::chain::{Break, BreakReason, Head, KeptRecord, walk};
use super::record::whole;
use super::{Checkpoint, Fulfilment, Ledger, Mode, ModeChange, Record, RecordKind, StoreError, StoredAttempt, Which};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, FulfilmentKey, GatewayReference};

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

/// How many rows are read at a time: memory stays flat.
const PAGE: usize = 500;

/// How often an attempt is read again that others change in the meantime. Each time is one more record of it, and few attempts
/// ever have ten.
const TRIES: u32 = 100;

/// Walks the whole chain, holds it against a checkpoint, and the state against what the records tell.
///
/// It reads everything, page by page: its time grows with the ledger, its memory does not. What others write in the meantime
/// is not checked, and raises no alarm. What is kept and cannot be read is a [`Break`]; an error is a ledger that cannot be
/// reached.
pub async fn verify(ledger: &dyn Ledger, checkpoint: Option<&Checkpoint>) -> Result<ChainCheck, StoreError> {
    let mut told = Told::default();
    match check(ledger, checkpoint.map(Checkpoint::head), &mut told).await {
        Ok(head) => {
            let counted = checkpoint.map_or(0, |checkpoint| checkpoint.head().count);
            let exposed = head.count.saturating_sub(counted);
            Ok(ChainCheck::Intact { head, exposed })
        }
        Err(Trouble::Broken(found)) => Ok(ChainCheck::Broken(found)),
        Err(Trouble::Store(error)) => Err(error),
    }
}

enum Trouble {
    Broken(Break),
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Break> for Trouble {
    fn from(found: Break) -> Self {
        Self::Broken(found)
    }
}

fn state_differs(position: u64) -> Trouble {
    let why = BreakReason::State;
    Trouble::Broken(Break { position, why })
}

/// What is kept and cannot be read is a break at this position. Any other error stays one.
fn readable<T>(answer: Result<T, StoreError>, position: u64) -> Result<T, Trouble> {
    answer.map_err(|error| {
        if error.is_damage() {
            state_differs(position)
        } else {
            error.into()
        }
    })
}

/// What the records tell of the store as a whole.
#[derive(Default)]
struct Told {
    mode: Mode,
    /// How many attempts were written down.
    attempts: u64,
}

impl Told {
    fn hear(&mut self, record: &KeptRecord) {
        match record.kind.as_str() {
            "expected" => self.attempts = self.attempts.saturating_add(1),
            "mode_changed" => {
                if let Ok(RecordKind::ModeChanged { switch, actor, reason }) = serde_json::from_str(&record.body) {
                    let change = ModeChange { switch, actor, reason };
                    let since = Duration::from_micros(record.at_micros.unsigned_abs());
                    let at = SystemTime::UNIX_EPOCH.checked_add(since);
                    self.mode = self.mode.after(&change, at.unwrap_or(SystemTime::UNIX_EPOCH));
                }
            }
            _ => {}
        }
    }
}

async fn check(ledger: &dyn Ledger, checkpoint: Option<Head>, told: &mut Told) -> Result<Head, Trouble> {
    let mut rewritten = None;
    // To where it goes now: a store that sells faster than it is checked would keep the walk going for ever.
    let end = end_of(ledger).await?;
    let walked = walk(ledger, Head::empty(), end, |record| {
        if let Some(then) = checkpoint.filter(|then| then.count == record.position)
            && then.digest != record.digest
        {
            rewritten = Some(Break {
                position: record.position,
                why: BreakReason::Rewritten,
            });
        }
        told.hear(record);
    })
    .await?;
    // The walk ends where it is broken, so what was seen on the way comes before that.
    let head = match (rewritten, walked) {
        (Some(earlier), _) => return Err(earlier.into()),
        (None, Err(broken)) => return Err(broken.into()),
        (None, Ok(head)) => head,
    };
    if checkpoint.is_some_and(|then| head.count < then.count) {
        let position = head.count.saturating_add(1);
        let why = BreakReason::Missing;
        return Err(Break { position, why }.into());
    }
    let head = mode_is_told(ledger, told, head).await?;
    attempts_are_told(ledger, told, head).await?;
    Ok(head)
}

/// How far the ledger goes; nothing if that cannot be read, and the walk finds where.
async fn end_of(ledger: &dyn Ledger) -> Result<Option<u64>, StoreError> {
    match ledger.head().await {
        Ok(head) => Ok(Some(head.count)),
        Err(error) if error.is_damage() => Ok(None),
        Err(error) => Err(error),
    }
}

/// The switch stands as one of the records tells that were the last one since the walk came to its end. Gives how far the
/// records go that were looked at.
async fn mode_is_told(ledger: &dyn Ledger, told: &mut Told, head: Head) -> Result<Head, Trouble> {
    let mode = readable(ledger.mode().await, head.count)?;
    // Others may have turned it before it was read: if so, that is on record by now.
    let end = end_of(ledger).await?;
    let mut is_told = mode == told.mode;
    let walked = walk(ledger, head, end, |record| {
        told.hear(record);
        is_told |= mode == told.mode;
    });
    let head = walked.await??;
    if is_told {
        Ok(head)
    } else {
        Err(state_differs(head.count))
    }
}

/// Every attempt that was written down is there, and as its records tell.
async fn attempts_are_told(ledger: &dyn Ledger, told: &Told, head: Head) -> Result<(), Trouble> {
    let (mut after, mut found) = (0, 0_u64);
    loop {
        let page = readable(ledger.attempts_after(after, Which::All, PAGE).await, 0)?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let mut newer = 0;
        for (_, attempt) in &page {
            if written_at(ledger, attempt).await? > head.count {
                newer += 1;
            } else {
                found = found.saturating_add(1);
            }
        }
        // What is written from now on is not checked, and may never end.
        if newer == page.len() {
            break;
        }
    }
    if found == told.attempts {
        return Ok(());
    }
    Err(state_differs(first_without_attempt(ledger, head).await?))
}

/// The position of the record that tells of an attempt which is not there; 0 if each of them is.
async fn first_without_attempt(ledger: &dyn Ledger, head: Head) -> Result<u64, Trouble> {
    let mut after = 0;
    loop {
        let page = ledger.records(after, PAGE).await?;
        let Some(last) = page.last().filter(|_| after < head.count) else {
            return Ok(0);
        };
        after = last.position;
        for record in page.iter().filter(|record| record.kind == "expected") {
            let name = record.attempt.clone().and_then(|name| AttemptReference::new(name).ok());
            let Some(name) = name else { return Ok(record.position) };
            if readable(ledger.attempt(&name).await, record.position)?.is_none() {
                return Ok(record.position);
            }
        }
    }
}

/// Holds an attempt against its records, and gives the position of the one that wrote it down.
async fn written_at(ledger: &dyn Ledger, attempt: &StoredAttempt) -> Result<u64, Trouble> {
    let name = attempt.reference();
    let mut attempt = attempt.clone();
    let mut records = readable(ledger.timeline(name).await, 0)?;
    for _ in 0..TRIES {
        let last = last_of(&records);
        let right = readable(ledger.fulfilment_of(&attempt.expected.order).await, last)?;
        let story = Story::of(&records);
        let Err(position) = story.agrees_with(&attempt, right.as_ref(), last) else {
            return Ok(story.written);
        };
        // Somebody may have written between the readings: it counts only if nothing came in the meantime.
        attempt = readable(ledger.attempt(name).await, last)?.ok_or_else(|| state_differs(position))?;
        let right = readable(ledger.fulfilment_of(&attempt.expected.order).await, last)?;
        let same = story.agrees_with(&attempt, right.as_ref(), last);
        let now = readable(ledger.timeline(name).await, 0)?;
        match same {
            Ok(()) => return Ok(story.written),
            Err(position) if last_of(&now) == last => return Err(state_differs(position)),
            Err(_) => records = now,
        }
    }
    Err(state_differs(last_of(&records)))
}

fn last_of(records: &[Record]) -> u64 {
    records.last().map_or(0, |record| record.position)
}

/// What the records of an attempt tell.
#[derive(Default)]
struct Story {
    /// The position of the record that wrote it down; 0 if there is none.
    written: u64,
    whole: Option<String>,
    status: Option<PaymentStatus>,
    opened: bool,
    checkout: Option<GatewayReference>,
    right: Option<FulfilmentKey>,
    done: Option<SystemTime>,
}

impl Story {
    fn of(records: &[Record]) -> Self {
        let mut story = Self::default();
        for record in records {
            match record.kind.clone() {
                RecordKind::Expected { whole, .. } => {
                    story.written = record.position;
                    story.whole = Some(whole);
                    story.status = Some(PaymentStatus::Created);
                }
                RecordKind::Opened { checkout } => {
                    story.opened = true;
                    story.checkout = checkout;
                }
                RecordKind::Closed { .. } => story.status = Some(PaymentStatus::Failed),
                RecordKind::Applied { to, .. } => story.status = Some(to),
                RecordKind::Fulfilment { key } => story.right = Some(key),
                RecordKind::Fulfilled { .. } => story.done = Some(record.at),
                _ => {}
            }
        }
        story
    }

    /// Is the state the one that is told? If not, it differs from the record at the position.
    fn agrees_with(&self, attempt: &StoredAttempt, right: Option<&Fulfilment>, last: u64) -> Result<(), u64> {
        if self.whole.as_deref() != Some(whole(&attempt.expected).as_str()) {
            return Err(self.written);
        }
        let right = right.filter(|right| right.attempt == *attempt.reference());
        // A checkout that was bound by a later proof is in no record.
        let same_checkout = self.checkout.is_none() || self.checkout == attempt.checkout;
        let same = self.status == Some(attempt.status)
            && self.opened == attempt.opened
            && same_checkout
            && self.right.as_ref() == right.map(|right| &right.key)
            && self.done == right.and_then(|right| right.done_at);
        if same { Ok(()) } else { Err(last) }
    }
}
