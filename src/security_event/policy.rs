//! What a store can set.

use std::time::Duration;

/// When the cashier tells what by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityPolicy {
    /// At most one heartbeat in this time, from the sweep. Default five minutes.
    pub heartbeat: Duration,
    /// When card testing is suspected.
    pub testing: TestingPolicy,
    /// When too many redirects lead nowhere.
    pub unused: UnusedPolicy,
}

impl Default for SecurityPolicy {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(300),
            testing: TestingPolicy::default(),
            unused: UnusedPolicy::default(),
        }
    }
}

impl SecurityPolicy {
    /// At most one heartbeat in this time.
    #[must_use]
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// When card testing is suspected.
    #[must_use]
    pub fn testing(mut self, testing: TestingPolicy) -> Self {
        self.testing = testing;
        self
    }

    /// When too many redirects lead nowhere.
    #[must_use]
    pub fn unused(mut self, unused: UnusedPolicy) -> Self {
        self.unused = unused;
        self
    }
}

/// When card testing is suspected (PAY-66). Counted per gateway, from what the cashier sees: attempts that end declined, and attempts
/// that are opened and not paid. It is only ever told; nobody is refused by it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestingPolicy {
    /// The window. Default ten minutes.
    pub window: Duration,
    /// So many declined attempts. Default 20.
    pub declined: u64,
    /// And at least this share of the attempts that ended. Default 50 %.
    pub percent: u8,
    /// So many declined attempts of one amount, with the same share among those of that amount. Default 10.
    pub same_amount: u64,
    /// So many attempts of one customer without one that was paid. Default 10.
    pub same_customer: u64,
}

impl Default for TestingPolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            declined: 20,
            percent: 50,
            same_amount: 10,
            same_customer: 10,
        }
    }
}

impl TestingPolicy {
    /// Within which time.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// So many declined attempts, and at least this share of those that ended, in percent.
    #[must_use]
    pub fn declined(mut self, declined: u64, percent: u8) -> Self {
        self.declined = declined;
        self.percent = percent;
        self
    }

    /// So many declined attempts of one amount.
    #[must_use]
    pub fn same_amount(mut self, declined: u64) -> Self {
        self.same_amount = declined;
        self
    }

    /// So many attempts of one customer without one that was paid.
    #[must_use]
    pub fn same_customer(mut self, attempts: u64) -> Self {
        self.same_customer = attempts;
        self
    }
}

/// When too many redirects lead nowhere (PAY-06): attempts that expire without any sign of a shopper.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnusedPolicy {
    /// The window. Default one hour.
    pub window: Duration,
    /// So many unused attempts. Default 50.
    pub unused: u64,
    /// And at least this share of the attempts that were used or ended. Default 90 %.
    pub percent: u8,
}

impl Default for UnusedPolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(3600),
            unused: 50,
            percent: 90,
        }
    }
}

impl UnusedPolicy {
    /// Within which time.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// So many unused attempts, and at least this share, in percent.
    #[must_use]
    pub fn unused(mut self, unused: u64, percent: u8) -> Self {
        self.unused = unused;
        self.percent = percent;
        self
    }
}
