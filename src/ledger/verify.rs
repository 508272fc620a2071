//! The check of a whole ledger: the chain, the checkpoints, and whether the state is the one that the records tell.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::chain::{Break, BreakReason, Head, KeptRecord, walk};
use super::story::{Difference, Story};
use super::window::RightRead;
use super::{
    Checkpoint, Digest, Ledger, Mode, ModeChange, Record, RecordKind, StoreError, StoredAttempt, Which, WindowRow,
};
use crate::reference::AttemptReference;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChainCheck {
    /// Nothing is wrong.
    Intact {
        /// How far the ledger goes.
        head: Head,
        /// How many records came after the last of the checkpoints. Whoever can write the database can write these anew, and the
        /// check cannot tell: everything, if there was no checkpoint.
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

/// Walks the whole chain, holds it against checkpoints, and the state against what the records tell.
///
/// Give it every checkpoint that was kept, in any order. One alone shows what was written anew since it was made, and says
/// nothing about what had been written anew before: that the earlier ones show.
///
/// It reads everything, page by page: its time grows with the ledger, its memory does not. What others write in the meantime
/// is not checked, and raises no alarm. What is kept and cannot be read is a [`Break`]; an error is a ledger that cannot be
/// reached.
pub async fn verify(ledger: &dyn Ledger, checkpoints: &[Checkpoint]) -> Result<ChainCheck, StoreError> {
    let mut told = Told::default();
    let heads: Vec<Head> = checkpoints.iter().map(Checkpoint::head).collect();
    match check(ledger, &heads, &mut told).await {
        Ok(head) => {
            let counted = heads.iter().map(|then| then.count).max().unwrap_or_default();
            let exposed = head.count.saturating_sub(counted);
            Ok(ChainCheck::Intact { head, exposed })
        }
        Err(trouble) => trouble.into_break().map(ChainCheck::Broken),
    }
}

/// Walks from a checkpoint, or from the beginning, to where the ledger goes now. Gives how far that is, or where the chain does
/// not go on from the checkpoint.
///
/// What lies before the checkpoint is not read: its cost is that of what came since. The state is not looked at; both is what
/// [`verify`](fn@verify) does.
pub async fn continues(ledger: &dyn Ledger, previous: Option<&Checkpoint>) -> Result<Result<Head, Break>, StoreError> {
    match go_on(ledger, previous.map_or(Head::empty(), Checkpoint::head)).await {
        Ok(head) => Ok(Ok(head)),
        Err(trouble) => trouble.into_break().map(Err),
    }
}

async fn go_on(ledger: &dyn Ledger, then: Head) -> Result<Head, Trouble> {
    let end = end_of(ledger).await?;
    // The record that the checkpoint counted last still has to be the one that it counted.
    if let Some(before) = then.count.checked_sub(1) {
        let page = ledger.records(before, 1).await?;
        let kept = page.first().filter(|kept| kept.position == then.count);
        match kept {
            None => return Err(missing(then.count).into()),
            Some(kept) if kept.digest != then.digest => return Err(rewritten(then.count).into()),
            Some(_) => {}
        }
    }
    let head = walk(ledger, then, end, |_| {}).await??;
    match end {
        // What the ledger takes for its end is what the next record will follow.
        Some(end) if head.count < end => Err(missing(head.count.saturating_add(1)).into()),
        _ => Ok(head),
    }
}

fn missing(position: u64) -> Break {
    let why = BreakReason::Missing;
    Break { position, why }
}

fn rewritten(position: u64) -> Break {
    let why = BreakReason::Rewritten;
    Break { position, why }
}

/// Holds one row of a window against its records, with the same eyes as [`verify`](fn@verify).
pub(crate) async fn difference(ledger: &dyn Ledger, row: &WindowRow) -> Result<Option<Difference>, StoreError> {
    match hold_against(ledger, &row.attempt, row.records.clone(), row.right.clone()).await {
        Ok(_) => Ok(None),
        Err(Trouble::Differs(found)) => Ok(Some(found)),
        Err(trouble) => {
            let position = trouble.into_break()?.position;
            let what = "form";
            Ok(Some(Difference { position, what }))
        }
    }
}

enum Trouble {
    Broken(Break),
    Differs(Difference),
    Store(StoreError),
}

impl Trouble {
    fn into_break(self) -> Result<Break, StoreError> {
        match self {
            Self::Broken(found) => Ok(found),
            Self::Differs(Difference { position, .. }) => {
                let why = BreakReason::State;
                Ok(Break { position, why })
            }
            Self::Store(error) => Err(error),
        }
    }
}

impl From<Difference> for Trouble {
    fn from(found: Difference) -> Self {
        Self::Differs(found)
    }
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

async fn check(ledger: &dyn Ledger, checkpoints: &[Head], told: &mut Told) -> Result<Head, Trouble> {
    let mut then: BTreeMap<u64, Vec<Digest>> = BTreeMap::new();
    for head in checkpoints {
        then.entry(head.count).or_default().push(head.digest);
    }
    let mut differs = None;
    // To where it goes now: a store that sells faster than it is checked would keep the walk going for ever.
    let end = end_of(ledger).await?;
    let walked = walk(ledger, Head::empty(), end, |record| {
        let counted = then.get(&record.position).into_iter().flatten();
        if differs.is_none() && counted.into_iter().any(|digest| *digest != record.digest) {
            differs = Some(rewritten(record.position));
        }
        told.hear(record);
    })
    .await?;
    // The walk ends where it is broken, so what was seen on the way comes before that.
    let head = match (differs, walked) {
        (Some(earlier), _) => return Err(earlier.into()),
        (None, Err(broken)) => return Err(broken.into()),
        (None, Ok(head)) => head,
    };
    if then.last_key_value().is_some_and(|(count, _)| head.count < *count) {
        return Err(missing(head.count.saturating_add(1)).into());
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
    let records = readable(ledger.timeline(attempt.reference()).await, 0)?;
    hold_against(ledger, attempt, records, RightRead::No).await
}

/// The same with records that were read with the attempt, and perhaps the right that it gives.
async fn hold_against(
    ledger: &dyn Ledger,
    attempt: &StoredAttempt,
    mut records: Vec<Record>,
    right: RightRead,
) -> Result<u64, Trouble> {
    let name = attempt.reference();
    let (mut attempt, mut read) = (attempt.clone(), right);
    for _ in 0..TRIES {
        let last = last_of(&records);
        let right = match std::mem::replace(&mut read, RightRead::No) {
            RightRead::Yes(right) => right,
            RightRead::No => readable(ledger.fulfilment_of(&attempt.expected.order).await, last)?,
        };
        let story = Story::of(&records);
        let Err(found) = story.agrees_with(&attempt, right.as_ref(), last) else {
            return Ok(story.written);
        };
        // Somebody may have written between the readings: it counts only if nothing came in the meantime.
        attempt = readable(ledger.attempt(name).await, last)?.ok_or_else(|| state_differs(found.position))?;
        let right = readable(ledger.fulfilment_of(&attempt.expected.order).await, last)?;
        let same = story.agrees_with(&attempt, right.as_ref(), last);
        let now = readable(ledger.timeline(name).await, 0)?;
        match same {
            Ok(()) => return Ok(story.written),
            Err(found) if last_of(&now) == last => return Err(found.into()),
            Err(_) => records = now,
        }
    }
    Err(state_differs(last_of(&records)))
}

fn last_of(records: &[Record]) -> u64 {
    records.last().map_or(0, |record| record.position)
}
