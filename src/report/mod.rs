//! Who was affected: every attempt of a time window, with what happened to it, as JSON, CSV or a page to print (PAY-68).
//!
//! A report is written while the ledger is read, so its memory does not grow with the window. It holds no card data, because
//! the ledger holds none, and no secret: neither return tokens nor idempotency keys nor links are in it. What can be handed to
//! an agency for monitoring is the gateways' own names of the transactions, by account.
//!
//! It depends on nothing but the ledger's records: written again over the same records, it has the same bytes.

mod csv;
mod html;
mod json;
mod totals;

use std::io::{self, Write};

pub use self::totals::{Line, Totals};
use crate::ledger::{Record, StoredAttempt};
pub use crate::ledger::{Window, WindowError};
use crate::verified::Trust;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One object: the window, every attempt, the totals, and what the chain says.
    Json,
    /// One line for each attempt, with a heading. Every value is in quotes; one that a spreadsheet would take for a formula has an
    /// apostrophe before it.
    Csv,
    /// A page to print, without anything from elsewhere.
    Html,
}

/// Writes one report: [`begin`](Self::begin), every attempt in the order of the ledger, [`end`](Self::end).
pub struct ReportWriter<W> {
    format: Format,
    to: W,
    window: Window,
    totals: Totals,
}

/// What the check of the chain said about the records that the report was written from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainNote {
    /// True if nothing was wrong.
    pub intact: bool,
    /// What was checked, or what is wrong, in words.
    pub text: String,
}

impl ChainNote {
    /// What was found.
    #[must_use]
    pub fn new(intact: bool, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { intact, text }
    }
}

impl<W: Write> ReportWriter<W> {
    /// Writes the beginning.
    pub fn begin(format: Format, window: Window, mut to: W) -> io::Result<Self> {
        match format {
            Format::Json => json::begin(&mut to, &window)?,
            Format::Csv => csv::begin(&mut to)?,
            Format::Html => html::begin(&mut to, &window)?,
        }
        Ok(Self {
            format,
            to,
            window,
            totals: Totals::default(),
        })
    }

    /// Writes one attempt: as it stands now, with what happened to it within the window.
    pub fn attempt(&mut self, attempt: &StoredAttempt, records: &[Record]) -> io::Result<()> {
        let first = self.totals.attempts() == 0;
        self.totals.count(attempt);
        let records: Vec<&Record> = records
            .iter()
            .filter(|record| self.window.contains(record.at))
            .collect();
        match self.format {
            Format::Json => json::attempt(&mut self.to, attempt, &records, first),
            Format::Csv => csv::attempt(&mut self.to, attempt, &records),
            Format::Html => html::attempt(&mut self.to, attempt, &records),
        }
    }

    /// Writes the totals and what the chain says, and gives the totals, too.
    pub fn end(mut self, chain: &ChainNote) -> io::Result<Totals> {
        match self.format {
            Format::Json => json::end(&mut self.to, &self.totals, chain)?,
            Format::Csv => {}
            Format::Html => html::end(&mut self.to, &self.totals, chain)?,
        }
        self.to.flush()?;
        Ok(self.totals)
    }
}

impl<W> std::fmt::Debug for ReportWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            format,
            to: _,
            window,
            totals,
        } = self;
        f.debug_struct("ReportWriter")
            .field("format", format)
            .field("window", window)
            .field("totals", totals)
            .finish_non_exhaustive()
    }
}

/// What happened, in one line: the same words in every format.
fn words(record: &Record) -> String {
    use crate::ledger::RecordKind as Kind;
    match &record.kind {
        Kind::Applied { from, to, trust, .. } => format!("{from} to {to}, by {}", proof(*trust)),
        Kind::Heard { status, trust, .. } => format!("{status} again, by {}", proof(*trust)),
        Kind::Held { reason, status, .. } => format!("{status}, held: {reason}"),
        Kind::Returned { cancelled: true } => "by the cancel address".to_owned(),
        Kind::Closed { refused: true } => "refused by the gateway".to_owned(),
        Kind::Closed { refused: false } => "never sent".to_owned(),
        Kind::Asked { answered: false } => "no answer".to_owned(),
        Kind::Fulfilment { key } | Kind::Fulfilled { key } => key.to_string(),
        _ => String::new(),
    }
}

fn proof(trust: Trust) -> &'static str {
    match trust {
        Trust::Signature => "a signature",
        Trust::KeyedHash => "a keyed hash",
        Trust::StatusQuery => "the answer to a question",
    }
}

#[cfg(test)]
mod tests;
