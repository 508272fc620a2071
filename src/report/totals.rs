//! How many, by gateway, account and state.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ledger::{Record, RecordKind, StoredAttempt};
use crate::money::Currency;

/// What a report counted. Its size is that of the store's set-up, not of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    lines: BTreeMap<Key, Counts>,
    attempts: u64,
    accounts: BTreeSet<(String, String)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    attempts: u64,
    expected: u64,
    issued: u64,
    never_opened: u64,
}

type Key = (String, String, String, String, String, u8);

/// One line of the totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Line {
    /// The gateway.
    pub gateway: String,
    /// The merchant account there.
    pub account: String,
    /// `live` or `sandbox`.
    pub environment: String,
    /// The state in which the attempts are now.
    pub status: String,
    /// The currency.
    pub currency: String,
    /// How many attempts.
    pub attempts: u64,
    /// The sum of what was expected for them, in minor units. Only where the money was taken was it paid.
    pub expected_minor_units: u64,
    /// The decimal places of the currency.
    pub decimals: u8,
    /// Attempts whose way to the page was given out, or may have been: all but those that the gateway refused or that were never
    /// sent.
    pub issued: u64,
    /// Of these, without any sign that a shopper reached the page (PAY-06). Many are normal for attempts that are hours old; nearly
    /// all are not.
    pub never_opened: u64,
}

impl Totals {
    /// Counts one, and says whether there was a sign of its shopper.
    pub(super) fn count(&mut self, attempt: &StoredAttempt, records: &[Record]) -> bool {
        let expected = &attempt.expected;
        self.attempts += 1;
        let account = (expected.gateway.to_string(), expected.account.to_string());
        self.accounts.insert(account.clone());
        let currency: Currency = expected.amount.currency();
        let key = (
            account.0,
            account.1,
            expected.environment.to_string(),
            attempt.status.to_string(),
            currency.to_string(),
            currency.exponent(),
        );
        let shopper = records.iter().any(|record| record.kind.shows_shopper());
        let closed = |record: &Record| matches!(record.kind, RecordKind::Closed { .. });
        let issued = shopper || !records.iter().any(closed);
        let counts = self.lines.entry(key).or_default();
        counts.attempts += 1;
        counts.expected = counts.expected.saturating_add(expected.amount.minor_units());
        counts.issued += u64::from(issued);
        counts.never_opened += u64::from(issued && !shopper);
        shopper
    }

    /// How many attempts in all.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// How many ways to a page were given out.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.lines.values().map(|counts| counts.issued).sum()
    }

    /// How many of these led no shopper to the page, as far as is known (PAY-06).
    #[must_use]
    pub fn never_opened(&self) -> u64 {
        self.lines.values().map(|counts| counts.never_opened).sum()
    }

    /// The merchant accounts that were in use: gateway and account.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.accounts
            .iter()
            .map(|(gateway, account)| (gateway.as_str(), account.as_str()))
    }

    /// The counts, by gateway, account, environment, state and currency, in that order.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        self.lines.iter().map(|(key, counts)| {
            let (gateway, account, environment, status, currency, decimals) = key.clone();
            Line {
                gateway,
                account,
                environment,
                status,
                currency,
                attempts: counts.attempts,
                expected_minor_units: counts.expected,
                decimals,
                issued: counts.issued,
                never_opened: counts.never_opened,
            }
        })
    }
}
