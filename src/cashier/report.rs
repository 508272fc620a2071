//! What can be said about a window of time, and about the ledger as a whole.

use std::io::{self, Write};

use super::Cashier;
use crate::ledger::chain::{self, Head};
use crate::ledger::{self, ChainCheck, Checkpoint, StoreError, Window};
use crate::report::{ChainNote, Format, ReportWriter, Totals};
use crate::secret::CheckpointKey;

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

/// How many attempts are read at a time.
const PAGE: usize = 500;

impl Cashier {
    /// Writes what happened in a window of time: every attempt with which something happened in it, the totals, and whether the
    /// records of the window are what was written.
    ///
    /// It reads the window and not the ledger, page by page, so its memory stays flat. Written again over the same records, it
    /// has the same bytes. While others write, an attempt is told as it stands when it is read.
    pub async fn report<W: Write + Send>(&self, window: Window, format: Format, to: W) -> Result<Totals, ReportError> {
        let ledger = self.0.ledger.as_ref();
        let mut writer = ReportWriter::begin(format, window, to)?;
        let mut after = None;
        loop {
            let page = ledger.window(&window, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.cursor);
            for row in &page {
                writer.attempt(&row.attempt, &row.records)?;
            }
        }
        let note = self.chain_of(&window).await?;
        Ok(writer.end(&note)?)
    }

    /// Are the records of a window what was written? Those from its first to its last, whatever their times are.
    async fn chain_of(&self, window: &Window) -> Result<ChainNote, StoreError> {
        let ledger = self.0.ledger.as_ref();
        let Some((first, last)) = ledger.window_span(window).await? else {
            return Ok(ChainNote::new(true, "There are no records in this window."));
        };
        let before = match first {
            0 | 1 => Head::empty(),
            _ => {
                let page = ledger.records(first - 2, 1).await?;
                let Some(kept) = page.first().filter(|kept| kept.position == first - 1) else {
                    return Ok(ChainNote::new(
                        false,
                        format!("The record before position {first} is missing."),
                    ));
                };
                Head {
                    count: kept.position,
                    digest: kept.digest,
                }
            }
        };
        Ok(match chain::walk(ledger, before, Some(last), |_| {}).await? {
            Ok(head) if head.count == last => ChainNote::new(
                true,
                format!(
                    "Records {first} to {last} follow each other unchanged, from the digest {} to the digest {}. Whether the chain \
                     was written anew as a whole is shown by a checkpoint that is kept elsewhere.",
                    before.digest, head.digest
                ),
            ),
            Ok(head) => ChainNote::new(
                false,
                format!("The records behind position {} are missing.", head.count),
            ),
            Err(broken) => ChainNote::new(false, format!("This cannot be relied on: {broken}.")),
        })
    }

    /// Checks the whole ledger, and holds it against a checkpoint of its, [read](Checkpoint::read) with its key.
    pub async fn verify(&self, checkpoint: Option<&Checkpoint>) -> Result<ChainCheck, StoreError> {
        let check = ledger::verify(self.0.ledger.as_ref(), checkpoint).await?;
        self.tell_chain(check);
        Ok(check)
    }

    /// How far the ledger goes now, under a key that is kept elsewhere. Send it away as soon as it is made.
    pub async fn checkpoint(&self, key: &CheckpointKey) -> Result<Checkpoint, StoreError> {
        let head = self.0.ledger.head().await?;
        self.tell_checkpoint(head.count);
        Ok(Checkpoint::make(key, head, self.now()))
    }
}
