//! What is fixed about every event: its name, how much it matters, the attack it belongs to, and its words in the vocabularies
//! that monitoring systems know.

use super::words::{EventOutcome, Reason, Severity};

/// One row of [`EVENTS`](super::EVENTS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventKind {
    /// The name: `event.action`. Never changes its meaning.
    pub name: &'static str,
    /// How much it matters: `event.severity` as a number, `kessai.severity` as a word.
    pub severity: Severity,
    /// `event.outcome`.
    pub outcome: EventOutcome,
    /// The entries of the attack catalogue that it shows: `event.code` is the one that fits the reason, or the first.
    pub pay: &'static [&'static str],
    /// The word of OWASP's logging vocabulary, where it has one: `kessai.owasp`.
    pub owasp: Option<&'static str>,
    /// `event.category` of the Elastic Common Schema.
    pub category: &'static [&'static str],
    /// `event.type` of the Elastic Common Schema.
    pub types: &'static [&'static str],
    /// Its fields, sent as `kessai.<name>`; `payment` stands for `gateway`, `account`, `attempt` and `order`, and `at` for
    /// `gateway` and `account`.
    pub fields: &'static [&'static str],
    /// The reasons it can have: `event.reason`.
    pub reasons: &'static [Reason],
    /// True if outsiders can cause any number of it, so that it is counted and sampled (PAY-64).
    pub sampled: bool,
}

impl EventKind {
    /// `event.kind` of the Elastic Common Schema.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.severity {
            Severity::High | Severity::Critical => "alert",
            Severity::Informational | Severity::Low | Severity::Medium => "event",
        }
    }
}
