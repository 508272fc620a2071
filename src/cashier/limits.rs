//! How many attempts one order and one client may open (PAY-66), and how often opening again may call a gateway (PAY-64). It counts
//! and refuses, and judges nobody: what it counts stays in this process, in bounded memory, and nothing of it goes to disk.

mod counter;

use std::fmt;
use std::time::{Duration, SystemTime};

use self::counter::Counter;
use crate::checkout::ClientKey;
use crate::error::ConfigError;
use crate::ledger::StoredAttempt;
use crate::reference::{AttemptReference, ReferenceFormat};

/// How many attempts to pay may be opened within a while.
///
/// | limit | counted in | holds |
/// | --- | --- | --- |
/// | one page that can be paid per order | the ledger | on all machines together, always |
/// | [`per_order`](Self::per_order) | the ledger | on all machines together, after restarts |
/// | [`per_client`](Self::per_client) | the process | on each machine by itself, until it is restarted |
/// | [`per_page`](Self::per_page) | the process | on each machine by itself, until it is restarted |
///
/// Only new attempts count against the order and the client. A double click and the way back to a page that is open do not; they may
/// call the gateway again, and so they have a limit of their own. A client is whatever the store gives as
/// [`ClientKey`]; requests without one have no limit of this kind. The store stays in charge: a limit in front of the checkout, by
/// address or by challenge, goes well with this and is not replaced by it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckoutLimits {
    /// The window. Default ten minutes.
    pub window: Duration,
    /// So many attempts of one order within the window. Default 20.
    pub per_order: u32,
    /// So many attempts of one client within the window. Default 30: a shared address has several shoppers behind it.
    pub per_client: u32,
    /// So many times the gateway is called again about one attempt within the window, because it is opened again. Default 60.
    pub per_page: u32,
    /// So many clients, and so many attempts that are opened again, are remembered at most. Default 10,000 of each. When there are more,
    /// those that opened least are forgotten first, so that new names in any number hide no one who opens much.
    pub clients: u32,
}

impl Default for CheckoutLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            per_order: 20,
            per_client: 30,
            per_page: 60,
            clients: 10_000,
        }
    }
}

impl CheckoutLimits {
    /// The window.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// So many attempts of one order within the window.
    #[must_use]
    pub fn per_order(mut self, attempts: u32) -> Self {
        self.per_order = attempts;
        self
    }

    /// So many attempts of one client within the window.
    #[must_use]
    pub fn per_client(mut self, attempts: u32) -> Self {
        self.per_client = attempts;
        self
    }

    /// So many calls about one attempt that is opened again within the window.
    #[must_use]
    pub fn per_page(mut self, calls: u32) -> Self {
        self.per_page = calls;
        self
    }

    /// So many clients, and so many attempts that are opened again, are remembered at most.
    #[must_use]
    pub fn clients(mut self, clients: u32) -> Self {
        self.clients = clients;
        self
    }

    /// What bounds the memory: clients times attempts, and attempts times calls.
    const MOST: u64 = 10_000_000;

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let bounds = |setting, bounds| Err(ConfigError::Bounds { setting, bounds });
        if self.window.is_zero() || self.window > Duration::from_secs(24 * 3600) {
            return bounds(
                "the window of the checkout limits",
                "more than nothing and at most a day",
            );
        }
        if [self.per_order, self.per_client, self.per_page, self.clients].contains(&0) {
            return bounds("each of the checkout limits", "at least 1");
        }
        if u64::from(self.per_client.max(self.per_page)) * u64::from(self.clients) > Self::MOST {
            return bounds(
                "clients times attempts per client, or times calls per page",
                "at most 10,000,000",
            );
        }
        Ok(())
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitedBy {
    /// That of the order.
    Order,
    /// That of the client.
    Client,
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "order",
            Self::Client => "client",
        })
    }
}

pub(super) struct Limits {
    policy: CheckoutLimits,
    salt: String,
    clients: Counter<[u8; 32]>,
    pages: Counter<AttemptReference>,
}

/// Room for one attempt of a client. Given back when dropped, unless it was used.
pub(super) struct Room<'a> {
    limits: &'a Limits,
    client: Option<[u8; 32]>,
    at: SystemTime,
    held: bool,
}

impl Limits {
    pub(super) fn new(policy: CheckoutLimits) -> Self {
        let most = usize::try_from(policy.clients).unwrap_or(usize::MAX);
        Self {
            // Without random bits no checkout can be opened either.
            salt: ReferenceFormat::RANDOM_128.random().unwrap_or_default(),
            clients: Counter::new(policy.per_client, policy.window, most),
            pages: Counter::new(policy.per_page, policy.window, most),
            policy,
        }
    }

    pub(super) fn policy(&self) -> &CheckoutLimits {
        &self.policy
    }

    /// How long to wait until the order may be tried again, given the attempts there are.
    pub(super) fn wait_of_order(&self, attempts: &[StoredAttempt], now: SystemTime) -> Option<Duration> {
        let times = attempts.iter().map(|attempt| attempt.expected.created_at);
        counter::wait(times, self.policy.per_order, self.policy.window, now)
    }

    /// Takes room for one more call about this attempt, if there is any; else says how long to wait.
    pub(super) fn call_again(&self, attempt: &AttemptReference, at: SystemTime) -> Result<(), Duration> {
        self.pages.take(attempt, at)
    }

    /// Takes room for an attempt of this client, if there is any; else says how long to wait. Without a client there always is.
    pub(super) fn room(&self, client: Option<&ClientKey>, at: SystemTime) -> Result<Room<'_>, Duration> {
        let mut room = self.later(client, at);
        if let Some(client) = &room.client {
            self.clients.take(client, at)?;
            room.held = true;
        }
        Ok(room)
    }

    /// No room is taken as long as it is not [used](Room::used): the page is expected to be there.
    pub(super) fn later(&self, client: Option<&ClientKey>, at: SystemTime) -> Room<'_> {
        Room {
            limits: self,
            client: client.map(|client| client.under(&self.salt)),
            at,
            held: false,
        }
    }
}

impl Room<'_> {
    /// The attempt was written down.
    pub(super) fn used(mut self) {
        if let (false, Some(client)) = (self.held, &self.client) {
            self.limits.clients.count(client, self.at);
        }
        self.held = false;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.client.filter(|_| self.held) {
            self.limits.clients.give_back(&client, self.at);
        }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000 + seconds)
    }

    fn client(n: usize) -> ClientKey {
        ClientKey::new(format!("client {n}")).unwrap()
    }

    fn opens(limits: &Limits, n: usize, seconds: u64) -> bool {
        limits.room(Some(&client(n)), at(seconds)).map(Room::used).is_ok()
    }

    #[test]
    fn a_client_opens_so_many_within_any_window_and_no_more() {
        let limits = Limits::new(CheckoutLimits::default().per_client(3));
        let opened: Vec<_> = (0..100).filter(|n| opens(&limits, 1, n * 100)).collect();
        assert_eq!(
            opened[..7],
            [0, 1, 2, 6, 7, 8, 12],
            "three within any six hundred seconds"
        );
        assert!(opens(&limits, 2, 0), "another client has room");
        let limits = Limits::new(CheckoutLimits::default().per_client(1));
        assert!(opens(&limits, 1, 0));
        for (seconds, wait) in [(0, 600), (1, 599), (599, 1)] {
            let refused = limits.room(Some(&client(1)), at(seconds)).err();
            assert_eq!(refused, Some(Duration::from_secs(wait)));
        }
        assert!(!opens(&limits, 1, 0), "a clock that was set back opens nothing");
        assert!(opens(&limits, 1, 600));
    }

    #[test]
    fn room_that_is_not_used_is_given_back_and_a_page_that_was_gone_counts() {
        let limits = Limits::new(CheckoutLimits::default().per_client(2));
        for _ in 0..100 {
            let (first, second) = (
                limits.room(Some(&client(1)), at(0)),
                limits.room(Some(&client(1)), at(0)),
            );
            assert!(first.is_ok() && second.is_ok());
            assert!(
                limits.room(Some(&client(1)), at(0)).is_err(),
                "both are taken for the moment"
            );
        }
        assert!(limits.clients.is_empty());
        limits.later(Some(&client(1)), at(0)).used();
        drop(limits.later(Some(&client(1)), at(0)));
        limits.later(Some(&client(1)), at(0)).used();
        assert!(!opens(&limits, 1, 0));
    }

    #[test]
    fn without_a_client_key_nothing_is_counted() {
        let limits = Limits::new(CheckoutLimits::default().per_client(1));
        for _ in 0..1000 {
            limits.room(None, at(0)).map(Room::used).unwrap();
        }
        assert!(limits.clients.is_empty());
    }

    #[test]
    fn a_flood_of_names_fills_no_memory_and_hides_nobody_who_opens_much() {
        let limits = Limits::new(CheckoutLimits::default().clients(1000));
        let mut by_one = 0;
        for n in 0..100_000 {
            assert!(opens(&limits, 10 + n, 0));
            by_one += usize::from(n % 100 == 0 && opens(&limits, 1, 0));
            assert!(limits.clients.len() <= 1000);
        }
        // 1,000 tries between 100,000 names.
        assert!(by_one <= 35, "{by_one} instead of 30");
        assert!(limits.clients.capacity() < 8000);
        // What is old makes room by itself.
        assert!(opens(&limits, 1, 600));
        for n in 0..1000 {
            assert!(opens(&limits, 200_000 + n, 700));
        }
        assert!(limits.clients.len() <= 1000);
        let one = Limits::new(CheckoutLimits::default().clients(1));
        assert!((0..100).all(|n| opens(&one, n, 0)) && one.clients.len() == 1);
    }

    #[test]
    fn the_gateway_is_called_so_often_about_one_attempt_that_is_opened_again() {
        let limits = Limits::new(CheckoutLimits::default().per_page(2));
        let attempt = || AttemptReference::random(ReferenceFormat::RANDOM_128).unwrap();
        let (one, other) = (attempt(), attempt());
        assert!(limits.call_again(&one, at(0)).is_ok() && limits.call_again(&one, at(10)).is_ok());
        assert_eq!(limits.call_again(&one, at(20)), Err(Duration::from_secs(580)));
        assert!(limits.call_again(&other, at(20)).is_ok(), "another attempt has room");
        assert!(limits.call_again(&one, at(600)).is_ok());
        assert_eq!(limits.call_again(&one, at(600)), Err(Duration::from_secs(10)));
    }

    #[test]
    fn limits_that_bound_nothing_or_refuse_all_are_no_limits() {
        let ok = CheckoutLimits::default();
        assert!(ok.check().is_ok());
        for limits in [
            ok.clone().window(Duration::ZERO),
            ok.clone().window(Duration::from_secs(24 * 3600 + 1)),
            ok.clone().per_order(0),
            ok.clone().per_client(0),
            ok.clone().per_page(0),
            ok.clone().clients(0),
            ok.clone().clients(u32::MAX),
            ok.clone().per_client(u32::MAX),
            ok.clone().per_page(u32::MAX),
        ] {
            assert!(limits.check().is_err(), "{limits:?}");
        }
    }
}
