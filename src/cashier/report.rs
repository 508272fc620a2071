//! What can be said about a window of time, and about the ledger as a whole.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::Cashier;
use crate::ledger::chain::{self, Head};
use crate::ledger::verify::difference;
use crate::ledger::{self, Break, BreakReason, ChainCheck, Checkpoint, StoreError, Window, WindowRow};
use crate::report::{ChainNote, Format, ReportWriter, Reported, RowCheck};
use crate::secret::CheckpointKey;
use crate::security_event::Step;

/// Why there is no report, or only the beginning of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// It could not be written.
    #[error("the report could not be written")]
    Write(#[from] io::Error),
    /// The ledger could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why no checkpoint was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoCheckpoint {
    /// The chain does not go on from the checkpoint before, so a new one would cover up what happened. Keep all of them, stop the
    /// store, and find out who changed the ledger.
    #[error("no checkpoint is made of a broken chain: {0}")]
    Broken(#[from] Break),
    /// The ledger could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many attempts are read at a time.
const PAGE: usize = 500;

impl Cashier {
    /// Writes what happened in a window of time: every attempt with which something happened in it, the totals, and what was
    /// checked. Gives the totals and the check, too: in the table format there is no other place for them.
    ///
    /// The records of the window are followed as a chain, and each row is held against its own records. It reads the window and
    /// not the ledger, page by page, so its memory stays flat. Written again over the same records, it has the same bytes. While
    /// others write, an attempt is told as it stands when it is read.
    ///
    /// # Errors
    ///
    /// If it cannot be written, or the ledger cannot be read. That the ledger is not what was written is no error: the report
    /// says so, and the event `payment.ledger.broken` is told.
    pub async fn report<W: Write + Send>(
        &self,
        window: Window,
        format: Format,
        to: W,
    ) -> Result<Reported, ReportError> {
        let written = self.write_report(window, format, to).await;
        written.inspect_err(|error| {
            if let ReportError::Store(error) = error {
                self.ledger_failed(Step::Report)(error);
            }
        })
    }

    async fn write_report<W: Write + Send>(
        &self,
        window: Window,
        format: Format,
        to: W,
    ) -> Result<Reported, ReportError> {
        let ledger = self.0.ledger.as_ref();
        let followed = self.follow(&window).await?;
        let mut found = followed.broken;
        let mut writer = ReportWriter::begin(format, window, to)?;
        let (mut rows, mut differing, mut outside) = (0_u64, 0_u64, 0_u64);
        let mut after = None;
        loop {
            let page = ledger.window(&window, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.cursor);
            for row in &page {
                let differs = difference(ledger, row).await?;
                let beyond = followed.leaves_out(row);
                rows += 1;
                differing += u64::from(differs.is_some());
                outside += u64::from(beyond);
                let why = BreakReason::State;
                found = found.or(differs.map(|differs| Break {
                    position: differs.position,
                    why,
                }));
                let check = match differs {
                    Some(differs) => RowCheck::Differs(differs.what),
                    None if beyond => RowCheck::Outside,
                    None => RowCheck::AsRecorded,
                };
                writer.attempt(&row.attempt, &row.records, check)?;
            }
        }
        if let Some(found) = found {
            self.tell_chain(ChainCheck::Broken(found));
        }
        let mut text = followed.text;
        if rows > 0 {
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                " Of {rows} attempts, each held against its own records, {differing} are not what these tell. {outside} have records \
                 outside of what was followed: these were read and not checked. The check of the whole ledger does both, and a \
                 checkpoint that is kept elsewhere shows whether the chain was written anew."
            );
        }
        let mut note = ChainNote::new(found.is_none(), text);
        (note.differing, note.outside) = (differing, outside);
        Ok(writer.end(note)?)
    }

    /// Are the records of a window what was written? Those from its first to its last, whatever their times are.
    async fn follow(&self, window: &Window) -> Result<Followed, StoreError> {
        let ledger = self.0.ledger.as_ref();
        let Some((first, last)) = ledger.window_span(window).await? else {
            return Ok(Followed {
                stretch: None,
                broken: None,
                text: "There are no records in this window.".to_owned(),
            });
        };
        let mut before = Head::empty();
        if let Some(left) = first.checked_sub(2) {
            let page = ledger.records(left, 1).await?;
            let Some(kept) = page.first().filter(|kept| kept.position == first - 1) else {
                return Ok(Followed::broken(first - 1, BreakReason::Position));
            };
            before = Head {
                count: kept.position,
                digest: kept.digest,
            };
        }
        Ok(match chain::walk(ledger, before, Some(last), |_| {}).await? {
            Ok(head) if head.count == last => Followed {
                stretch: Some((first, last)),
                broken: None,
                text: format!(
                    "Records {first} to {last} follow each other unchanged, from the digest {} to the digest {}.",
                    before.digest, head.digest
                ),
            },
            Ok(head) => Followed::broken(head.count.saturating_add(1), BreakReason::Position),
            Err(Break { position, why }) => Followed::broken(position, why),
        })
    }

    /// Checks the whole ledger, and holds it against checkpoints of its, [read](Checkpoint::read) with their key. Give it every one
    /// that was kept.
    pub async fn verify(&self, checkpoints: &[Checkpoint]) -> Result<ChainCheck, StoreError> {
        let check = ledger::verify(self.0.ledger.as_ref(), checkpoints).await;
        let check = check.inspect_err(self.ledger_failed(Step::Check))?;
        self.tell_chain(check);
        Ok(check)
    }

    /// How far the ledger goes now, under a key that is kept elsewhere. Send it away as soon as it is made, and keep it beside all
    /// those before it.
    ///
    /// Give it the checkpoint before: the chain is followed from there, and if it does not go on, no new one is made that would
    /// cover that up. Without one the whole chain is followed. The state beside the records is not looked at, nor what came
    /// before: [`verify`](Self::verify) does both.
    ///
    /// # Errors
    ///
    /// If the chain is broken, which is told as `payment.ledger.broken`, or if the ledger cannot be read.
    pub async fn checkpoint(
        &self,
        key: &CheckpointKey,
        previous: Option<&Checkpoint>,
    ) -> Result<Checkpoint, NoCheckpoint> {
        let continues = ledger::continues(self.0.ledger.as_ref(), previous).await;
        let head = match continues.inspect_err(self.ledger_failed(Step::Check))? {
            Ok(head) => head,
            Err(found) => {
                self.tell_chain(ChainCheck::Broken(found));
                return Err(found.into());
            }
        };
        self.tell_checkpoint(head.count);
        Ok(Checkpoint::make(key, head, self.now()))
    }
}

/// What came of following the records of a window.
struct Followed {
    /// From which position to which.
    stretch: Option<(u64, u64)>,
    broken: Option<Break>,
    text: String,
}

impl Followed {
    fn broken(position: u64, why: BreakReason) -> Self {
        let broken = Break { position, why };
        Self {
            stretch: None,
            broken: Some(broken),
            text: format!("This cannot be relied on: {broken}."),
        }
    }

    /// Does an attempt have records that were not followed?
    fn leaves_out(&self, row: &WindowRow) -> bool {
        let followed = |position| {
            self.stretch
                .is_some_and(|(first, last)| (first..=last).contains(&position))
        };
        row.records.iter().any(|record| !followed(record.position))
    }
}
