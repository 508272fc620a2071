//! How many, by gateway, account and state.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ledger::StoredAttempt;
use crate::money::Currency;

/// What a report counted. Its size is that of the store's set-up, not of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    lines: BTreeMap<Key, (u64, u64)>,
    attempts: u64,
    accounts: BTreeSet<(String, String)>,
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
}

impl Totals {
    pub(super) fn count(&mut self, attempt: &StoredAttempt) {
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
        let (attempts, sum) = self.lines.entry(key).or_default();
        *attempts += 1;
        *sum = sum.saturating_add(expected.amount.minor_units());
    }

    /// How many attempts in all.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.attempts
    }

    /// The merchant accounts that were in use: gateway and account.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.accounts
            .iter()
            .map(|(gateway, account)| (gateway.as_str(), account.as_str()))
    }

    /// The counts, by gateway, account, environment, state and currency, in that order.
    pub fn lines(&self) -> impl Iterator<Item = Line> {
        self.lines.iter().map(|(key, (attempts, sum))| {
            let (gateway, account, environment, status, currency, decimals) = key.clone();
            Line {
                gateway,
                account,
                environment,
                status,
                currency,
                attempts: *attempts,
                expected_minor_units: *sum,
                decimals,
            }
        })
    }
}
