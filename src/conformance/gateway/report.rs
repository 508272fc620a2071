//! What came of a run: each case with its verdict, and how many messages were tried.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Case;

/// What came of a run of the suite. Prints as a table.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every case of the suite, in its order.
    pub cases: Vec<(Case, Verdict)>,
    /// How many messages were tried, from every side: callbacks, returns, answers.
    pub counts: Counts,
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is so.
    Held,
    /// It does not apply to this gateway, and why.
    Skipped(&'static str),
    /// It is not so, and what was found instead.
    Failed(String),
}

/// How many messages were tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Genuine, and taken for what they are.
    pub accepted: usize,
    /// Changed or made up, and of no effect: they say exactly the same, or name something for a question and prove nothing.
    pub harmless: usize,
    /// Refused.
    pub refused: usize,
}

impl Report {
    /// Nothing failed; more was refused than accepted, and at least thirty messages.
    pub fn result(&self) -> Result<(), String> {
        let mut failures: Vec<String> = self
            .cases
            .iter()
            .filter_map(|(case, verdict)| match verdict {
                Verdict::Failed(found) => Some(format!("{}: {found}", case.name())),
                Verdict::Held | Verdict::Skipped(_) => None,
            })
            .collect();
        let Counts { accepted, refused, .. } = self.counts;
        if refused < 30 || refused <= accepted {
            failures.push(format!(
                "{accepted} messages were accepted and {refused} refused: too few to tell anything"
            ));
        }
        if failures.is_empty() {
            Ok(())
        } else {
            Err(failures.join("\n"))
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (case, verdict) in &self.cases {
            match verdict {
                Verdict::Held => writeln!(f, "held     {}", case.name())?,
                Verdict::Skipped(why) => writeln!(f, "skipped  {}: {why}", case.name())?,
                Verdict::Failed(found) => writeln!(f, "FAILED   {}: {found}", case.name())?,
            }
        }
        let Counts {
            accepted,
            harmless,
            refused,
        } = self.counts;
        write!(
            f,
            "messages accepted: {accepted}, without effect: {harmless}, refused: {refused}"
        )
    }
}

/// Counts while the cases run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    accepted: AtomicUsize,
    harmless: AtomicUsize,
    refused: AtomicUsize,
}

impl Tally {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn harmless(&self) {
        self.harmless.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            accepted: self.accepted.load(Ordering::Relaxed),
            harmless: self.harmless.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}
