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

use std::fmt;
use std::io::{self, Write};

pub use self::totals::{Line, Totals};
use crate::ledger::{Record, StoredAttempt};
pub use crate::ledger::{Window, WindowError};
use crate::verified::Trust;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// One object: the window, every attempt, the totals, and what was checked.
    Json,
    /// One line for each attempt, with a heading. Every value is in quotes; one that a spreadsheet would take for a formula has an
    /// apostrophe before it. What was checked and the totals have no line in it: they are what writing it [gives](Reported).
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

/// What the check said about the records that the report was written from, and about the rows that were made of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainNote {
    /// True if nothing was wrong: neither with the records of the window nor with a row.
    pub intact: bool,
    /// What was checked, or what is wrong, in words.
    pub text: String,
    /// How many attempts are not what their records tell.
    pub differing: u64,
    /// How many attempts have records outside of the stretch that was followed.
    pub outside: u64,
}

/// What was found when an attempt was held against its records: what was expected, the state, the gateway's names, the right to
/// fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowCheck {
    /// It is what its records tell, and all of these are in the stretch that was followed.
    AsRecorded,
    /// It is what its records tell, and some of these are outside of that stretch.
    Outside,
    /// It is not what its records tell, in this.
    Differs(&'static str),
}

/// The word, as it is in a report: `as_recorded`, `as_recorded_outside`, or `differs:` and in what.
impl fmt::Display for RowCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsRecorded => f.write_str("as_recorded"),
            Self::Outside => f.write_str("as_recorded_outside"),
            Self::Differs(what) => write!(f, "differs: {what}"),
        }
    }
}

/// What a report said at its end, whatever its format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reported {
    /// What was counted.
    pub totals: Totals,
    /// What was checked.
    pub chain: ChainNote,
}

impl ChainNote {
    /// What was found.
    #[must_use]
    pub fn new(intact: bool, text: impl Into<String>) -> Self {
        Self {
            intact,
            text: text.into(),
            differing: 0,
            outside: 0,
        }
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

    /// Writes one attempt: as it stands now, with what happened to it within the window. The records are all there are about it.
    pub fn attempt(&mut self, attempt: &StoredAttempt, records: &[Record], check: RowCheck) -> io::Result<()> {
        let first = self.totals.attempts() == 0;
        let shopper = self.totals.count(attempt, records);
        let row = Row {
            attempt,
            records: records
                .iter()
                .filter(|record| self.window.contains(record.at))
                .collect(),
            shopper,
            check,
        };
        match self.format {
            Format::Json => json::attempt(&mut self.to, &row, first),
            Format::Csv => csv::attempt(&mut self.to, &row),
            Format::Html => html::attempt(&mut self.to, &row),
        }
    }

    /// Writes the totals and what was checked, and gives both, too.
    pub fn end(mut self, chain: ChainNote) -> io::Result<Reported> {
        match self.format {
            Format::Json => json::end(&mut self.to, &self.totals, &chain)?,
            // A table has no end: who reads it as one would take it for an attempt.
            Format::Csv => {}
            Format::Html => html::end(&mut self.to, &self.totals, &chain)?,
        }
        self.to.flush()?;
        let totals = self.totals;
        Ok(Reported { totals, chain })
    }
}

impl<W> fmt::Debug for ReportWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// One attempt on its way into a report.
struct Row<'a> {
    attempt: &'a StoredAttempt,
    /// Those within the window.
    records: Vec<&'a Record>,
    /// True if there was a sign of a shopper, within the window or not.
    shopper: bool,
    check: RowCheck,
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
