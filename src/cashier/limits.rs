//! How many attempts one order and one client may open (PAY-66). It counts and refuses, and judges nobody: what it counts stays in
//! this process, in bounded memory, and nothing of it goes to disk.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::asking::recent;
use crate::checkout::ClientKey;
use crate::error::ConfigError;
use crate::ledger::StoredAttempt;
use crate::reference::ReferenceFormat;

/// How many attempts to pay may be opened within a while.
///
/// | limit | counted in | holds |
/// | --- | --- | --- |
/// | one page that can be paid per order | the ledger | on all machines together, always |
/// | [`per_order`](Self::per_order) | the ledger | on all machines together, after restarts |
/// | [`per_client`](Self::per_client) | the process | on each machine by itself, until it is restarted |
///
/// Only new attempts count: a double click and the way back to a page that is open do not. A client is whatever the store gives as
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
    /// So many clients are remembered at most. Default 10,000. When there are more, those who opened least are forgotten first, so
    /// that new names in any number hide no one who opens much.
    pub clients: u32,
}

impl Default for CheckoutLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(600),
            per_order: 20,
            per_client: 30,
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

    /// So many clients are remembered at most.
    #[must_use]
    pub fn clients(mut self, clients: u32) -> Self {
        self.clients = clients;
        self
    }

    /// What bounds the memory: clients times attempts.
    const MOST: u64 = 10_000_000;

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let bounds = |setting, bounds| Err(ConfigError::Bounds { setting, bounds });
        if self.window.is_zero() || self.window > Duration::from_secs(24 * 3600) {
            return bounds(
                "the window of the checkout limits",
                "more than nothing and at most a day",
            );
        }
        if self.per_order == 0 || self.per_client == 0 || self.clients == 0 {
            return bounds("each of the checkout limits", "at least 1");
        }
        if u64::from(self.per_client) * u64::from(self.clients) > Self::MOST {
            return bounds("clients times attempts per client", "at most 10,000,000");
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
    clients: Mutex<HashMap<[u8; 32], Vec<SystemTime>>>,
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
        Self {
            policy,
            // Without random bits no checkout can be opened either.
            salt: ReferenceFormat::RANDOM_128.random().unwrap_or_default(),
            clients: Mutex::default(),
        }
    }

    pub(super) fn policy(&self) -> &CheckoutLimits {
        &self.policy
    }

    /// How long to wait until the order may be tried again, given the attempts there are.
    pub(super) fn wait_of_order(&self, attempts: &[StoredAttempt], now: SystemTime) -> Option<Duration> {
        let times = attempts.iter().map(|attempt| attempt.expected.created_at);
        self.wait(times, self.policy.per_order, now)
    }

    /// Takes room for an attempt of this client, if there is any; else says how long to wait. Without a client there always is.
    pub(super) fn room(&self, client: Option<&ClientKey>, at: SystemTime) -> Result<Room<'_>, Duration> {
        let mut room = self.later(client, at);
        if let Some(client) = room.client {
            let mut clients = self.clients();
            if let Some(times) = clients.get_mut(&client) {
                times.retain(|time| recent(*time, at, self.policy.window));
                if let Some(wait) = self.wait(times.iter().copied(), self.policy.per_client, at) {
                    return Err(wait);
                }
            }
            self.count(&mut clients, client, at);
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

    /// `None` if there is room.
    fn wait(&self, times: impl Iterator<Item = SystemTime>, most: u32, now: SystemTime) -> Option<Duration> {
        let window = self.policy.window;
        let mut times: Vec<_> = times.filter(|time| recent(*time, now, window)).collect();
        let over = times.len().checked_sub(usize::try_from(most).unwrap_or(usize::MAX))?;
        // So many have to become old first.
        times.sort_unstable();
        let passed = now.duration_since(*times.get(over)?).unwrap_or_default();
        Some(window.saturating_sub(passed).max(Duration::from_secs(1)))
    }

    fn count(&self, clients: &mut HashMap<[u8; 32], Vec<SystemTime>>, client: [u8; 32], at: SystemTime) {
        let most = usize::try_from(self.policy.clients).unwrap_or(usize::MAX);
        if !clients.contains_key(&client) && clients.len() >= most {
            self.make_room(clients, most, at);
        }
        clients.entry(client).or_default().push(at);
    }

    /// Forgets who opened nothing lately, and if that is not enough a quarter of all: those who opened least, the oldest of them first.
    /// A quarter, so that a flood of new names does not pay for this each time.
    fn make_room(&self, clients: &mut HashMap<[u8; 32], Vec<SystemTime>>, most: usize, now: SystemTime) {
        clients.retain(|_, times| times.last().is_some_and(|last| recent(*last, now, self.policy.window)));
        if clients.len() < most {
            return;
        }
        let mut all: Vec<_> = clients
            .iter()
            .map(|(client, times)| (times.len(), times.last().copied(), *client))
            .collect();
        all.sort_unstable();
        for (_, _, client) in all.into_iter().take((most / 4).max(1)) {
            clients.remove(&client);
        }
        clients.shrink_to(most);
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<[u8; 32], Vec<SystemTime>>> {
        // A panic while it was held leaves at most a count that is off.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room<'_> {
    /// The attempt was written down.
    pub(super) fn used(mut self) {
        if let (false, Some(client)) = (self.held, self.client) {
            self.limits.count(&mut self.limits.clients(), client, self.at);
        }
        self.held = false;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let Some(client) = self.client.filter(|_| self.held) else {
            return;
        };
        let mut clients = self.limits.clients();
        if let Some(times) = clients.get_mut(&client) {
            if let Some(place) = times.iter().rposition(|time| *time == self.at) {
                times.remove(place);
            }
            if times.is_empty() {
                clients.remove(&client);
            }
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
        assert!(limits.clients().is_empty());
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
        assert!(limits.clients().is_empty());
    }

    #[test]
    fn a_flood_of_names_fills_no_memory_and_hides_nobody_who_opens_much() {
        let limits = Limits::new(CheckoutLimits::default().clients(1000));
        let mut by_one = 0;
        for n in 0..100_000 {
            assert!(opens(&limits, 10 + n, 0));
            by_one += usize::from(n % 100 == 0 && opens(&limits, 1, 0));
            assert!(limits.clients().len() <= 1000);
        }
        // 1,000 tries between 100,000 names.
        assert!(by_one <= 35, "{by_one} instead of 30");
        assert!(limits.clients().capacity() < 8000);
        // What is old makes room by itself.
        assert!(opens(&limits, 1, 600));
        for n in 0..1000 {
            assert!(opens(&limits, 200_000 + n, 700));
        }
        assert!(limits.clients().len() <= 1000);
        let one = Limits::new(CheckoutLimits::default().clients(1));
        assert!((0..100).all(|n| opens(&one, n, 0)) && one.clients().len() == 1);
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
            ok.clone().clients(0),
            ok.clone().clients(u32::MAX),
            ok.clone().per_client(u32::MAX),
        ] {
            assert!(limits.check().is_err(), "{limits:?}");
        }
    }
}
