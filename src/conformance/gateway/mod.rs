//! What every [`Gateway`](crate::Gateway) has to do, as cases that anybody can run against their own.
//!
//! The one who wrote the gateway makes the messages ([`Bench`]); the suite breaks them in every way it knows and looks whether
//! anything broken is believed. This crate runs it for every gateway of its own, in `tests/it/gateway_conformance`.

mod bench;
mod callbacks;
mod checkouts;
mod questions;
mod returns;
mod script;

use std::fmt;
use std::time::{Duration, SystemTime};

pub use self::bench::{Bench, From, Message, Says, Skip, Worth};
pub use self::script::{Answer, Script};
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::transport::BoxFuture;

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// As it must.
    Passed,
    /// It cannot be tried here, and this is why.
    Skipped(&'static str),
    /// It did not, and this is what was found.
    Failed(String),
}

/// What a run of the suite found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Every case, in order.
    pub cases: Vec<(&'static str, Ended)>,
    /// How many messages and answers were believed.
    pub accepted: usize,
    /// How many were refused, or believed no more than a hint.
    pub refused: usize,
}

impl Report {
    /// Did nothing fail?
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.cases.iter().any(|(_, ended)| matches!(ended, Ended::Failed(_)))
    }

    /// The cases that were skipped, and why.
    pub fn skipped(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.cases.iter().filter_map(|(name, ended)| match ended {
            Ended::Skipped(why) => Some((*name, *why)),
            _ => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, ended) in &self.cases {
            match ended {
                Ended::Passed => writeln!(f, "passed   {name}")?,
                Ended::Skipped(why) => writeln!(f, "skipped  {name}: {why}")?,
                Ended::Failed(found) => writeln!(f, "FAILED   {name}: {found}")?,
            }
        }
        write!(f, "{} messages accepted, {} refused", self.accepted, self.refused)
    }
}

/// A case that could not be tried, or that found something.
enum Stopped {
    Skip(Skip),
    Found(String),
}

impl std::convert::From<Skip> for Stopped {
    fn from(skip: Skip) -> Self {
        Self::Skip(skip)
    }
}

impl std::convert::From<String> for Stopped {
    fn from(found: String) -> Self {
        Self::Found(found)
    }
}

/// How many messages a case had believed and refused.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    accepted: usize,
    refused: usize,
}

type Tried = Result<Count, Stopped>;
type Case = for<'a> fn(&'a dyn Bench) -> BoxFuture<'a, Tried>;

macro_rules! cases {
    ($($topic:ident: $($name:ident),+;)+) => {
        const CASES: &[(&str, Case)] = &[$($((stringify!($name), |bench| Box::pin($topic::$name(bench)))),+),+];
    };
}

cases! {
    checkouts:
        it_says_the_same_of_itself_and_prints_no_secret,
        its_own_check_passes,
        what_it_cannot_take_is_refused_before_anything_is_sent,
        a_checkout_carries_its_attempt_and_leads_to_an_allowed_page,
        another_request_than_the_one_written_down_is_refused,
        a_lost_or_broken_answer_to_a_checkout_is_unknown;
    callbacks:
        a_genuine_message_is_worth_what_it_must_be,
        a_changed_byte_is_refused_or_changes_nothing,
        a_message_cut_short_or_lengthened_is_refused_or_says_the_same,
        a_header_that_is_missing_empty_or_doubled_is_refused_or_changes_nothing,
        a_field_that_is_missing_empty_or_doubled_is_refused_or_changes_nothing,
        a_message_for_another_merchant_is_no_proof,
        a_message_of_yesterday_is_refused,
        nothing_at_all_is_refused,
        an_unknown_word_is_never_money,
        acknowledgements_are_exact,
        receiving_asks_nobody;
    returns:
        a_return_names_its_attempt_and_nothing_else,
        a_forged_return_names_nothing;
    questions:
        an_answer_says_what_the_gateway_says,
        an_unknown_or_incomplete_answer_is_never_the_expected_payment,
        an_answer_about_another_attempt_is_never_about_this_one,
        a_broken_answer_is_unknown,
        an_ability_without_a_clear_answer_did_nothing_for_certain;
}

/// The names of the cases, in order.
#[must_use]
pub fn cases() -> Vec<&'static str> {
    CASES.iter().map(|(name, _)| *name).collect()
}

/// Runs every case.
pub async fn run_all(bench: &dyn Bench) -> Report {
    let mut report = Report {
        cases: Vec::with_capacity(CASES.len()),
        accepted: 0,
        refused: 0,
    };
    for (name, case) in CASES {
        let ended = match case(bench).await {
            Ok(count) => {
                report.accepted += count.accepted;
                report.refused += count.refused;
                Ended::Passed
            }
            Err(Stopped::Skip(Skip(why))) => Ended::Skipped(why),
            Err(Stopped::Found(found)) => Ended::Failed(found),
        };
        report.cases.push((name, ended));
    }
    report
}

/// The time of every case.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_100)
}

/// A gateway on the bench with an attempt that was planned for it.
struct Table {
    gateway: std::sync::Arc<dyn crate::Gateway>,
    script: Script,
    request: crate::CheckoutRequest,
    expected: ExpectedPayment,
}

impl Table {
    fn set(bench: &dyn Bench) -> Result<Self, String> {
        let script = Script::default();
        let gateway = bench.gateway(&script)?;
        let request = bench.request("ORD-2026-000123")?;
        let expected = ExpectedPayment::plan(gateway.as_ref(), &request, now()).map_err(|error| error.to_string())?;
        Ok(Self {
            gateway,
            script,
            request,
            expected,
        })
    }

    fn stored(&self, bench: &dyn Bench) -> StoredAttempt {
        bench.bound(StoredAttempt::new(self.expected.clone()))
    }
}
