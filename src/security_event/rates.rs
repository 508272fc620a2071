//! Counts over a sliding window, and counts of the most frequent among many, both in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SLOTS: usize = 10;

/// How many, and how many of a kind, within a window that moves on in tenths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) count: u64,
    pub(super) of: u64,
}

impl Share {
    pub(super) fn is_at_least(self, count: u64, percent: u8) -> bool {
        self.count >= count.max(1) && self.count.saturating_mul(100) >= self.of.saturating_mul(u64::from(percent))
    }
}

pub(super) struct Window {
    slots: [(u64, Share); SLOTS],
    /// True while the threshold is passed and was told.
    told: bool,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            slots: [(0, Share::default()); SLOTS],
            told: false,
        }
    }

    /// Counts one, of the kind or not, and gives the sums.
    pub(super) fn count(&mut self, counts: bool, now: SystemTime, length: Duration) -> Share {
        let tick = tick(now, length);
        let place = usize::try_from(tick % SLOTS as u64).unwrap_or_default();
        if let Some(slot) = self.slots.get_mut(place) {
            if slot.0 != tick {
                *slot = (tick, Share::default());
            }
            slot.1.of += 1;
            slot.1.count += u64::from(counts);
        }
        let within = self.slots.iter().filter(|(then, _)| recent(*then, tick));
        within.fold(Share::default(), |sum, (_, share)| Share {
            count: sum.count + share.count,
            of: sum.of + share.of,
        })
    }

    /// Takes one of the kind out, the oldest there is. False if none is left.
    fn loses_one(&mut self, now: SystemTime, length: Duration) -> bool {
        let tick = tick(now, length);
        let within = self.slots.iter_mut().filter(|(then, _)| recent(*then, tick));
        let mut within: Vec<_> = within.filter(|(_, share)| share.count > 0).collect();
        if let Some((_, share)) = within.iter_mut().min_by_key(|(then, _)| *then) {
            share.count -= 1;
        }
        within.iter().any(|(_, share)| share.count > 0)
    }

    /// True the first time that the threshold is passed since it was last not.
    pub(super) fn passes(&mut self, passed: bool) -> bool {
        let first = passed && !self.told;
        self.told = passed;
        first
    }
}

/// Which tenth it is.
fn tick(now: SystemTime, length: Duration) -> u64 {
    let tenth = u64::try_from(length.as_millis() / SLOTS as u128)
        .unwrap_or(u64::MAX)
        .max(1);
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX) / tenth
}

fn recent(then: u64, tick: u64) -> bool {
    then <= tick && tick - then < SLOTS as u64
}

/// Counts per key over the same sliding window, for the keys that come most often. When there is no room every count loses one, so
/// that what comes rarely makes room: no number of different keys can hide a frequent one for long, or fill the memory.
pub(super) struct Frequent<K> {
    counts: HashMap<K, Window>,
}

const MOST_KEYS: usize = 256;

impl<K: Clone + Eq + Hash> Frequent<K> {
    pub(super) fn new() -> Self {
        Self { counts: HashMap::new() }
    }

    /// Counts one of the kind. Gives the sums if the key passes the threshold, the first time since it was last below.
    pub(super) fn add(
        &mut self,
        key: &K,
        (now, length): (SystemTime, Duration),
        least: u64,
        percent: u8,
    ) -> Option<Share> {
        if !self.counts.contains_key(key) && self.counts.len() >= MOST_KEYS {
            self.counts.retain(|_, window| window.loses_one(now, length));
            return None;
        }
        let window = self.counts.entry(key.clone()).or_insert_with(Window::new);
        let share = window.count(true, now, length);
        window.passes(share.is_at_least(least, percent)).then_some(share)
    }

    /// Counts one that is not of the kind, if the key is there.
    pub(super) fn dilute(&mut self, key: &K, (now, length): (SystemTime, Duration)) {
        if let Some(window) = self.counts.get_mut(key) {
            window.count(false, now, length);
        }
    }

    /// Forgets a key.
    pub(super) fn forget(&mut self, key: &K) {
        self.counts.remove(key);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.counts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(minutes: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_400_000 + minutes * 60)
    }

    #[test]
    fn what_is_older_than_the_window_no_longer_counts() {
        let mut window = Window::new();
        for minute in 0..30 {
            window.count(minute % 2 == 0, at(minute), HOUR);
        }
        assert_eq!(window.count(true, at(30), HOUR), Share { count: 16, of: 31 });
        assert_eq!(window.count(false, at(200), HOUR), Share { count: 0, of: 1 });
        // A clock that was set back counts from there on.
        assert_eq!(window.count(true, at(0) - 100 * HOUR, HOUR), Share { count: 1, of: 1 });
    }

    #[test]
    fn a_window_of_no_length_panics_nowhere() {
        let mut window = Window::new();
        window.count(true, UNIX_EPOCH, Duration::ZERO);
        window.count(true, at(0), Duration::MAX);
        let mut frequent = Frequent::new();
        assert_eq!(frequent.add(&1, (at(0), Duration::ZERO), 2, 0), None);
    }

    #[test]
    fn a_frequent_key_is_found_among_a_million_rare_ones_in_bounded_memory() {
        let mut frequent = Frequent::new();
        let mut found = 0;
        for n in 0..1_000_000_u64 {
            frequent.add(&n, (at(0), HOUR), 50, 50);
            if n % 20 == 0 && frequent.add(&u64::MAX, (at(0), HOUR), 50, 50).is_some() {
                found += 1;
            }
            assert!(frequent.len() <= MOST_KEYS);
        }
        assert_eq!(found, 1, "once");
    }

    #[test]
    fn no_boundary_in_time_divides_what_comes_within_the_window() {
        for start in 0..60 {
            let mut frequent = Frequent::new();
            let told = (0..18).find_map(|n| frequent.add(&1, (at(start + n), HOUR), 18, 0));
            assert_eq!(told, Some(Share { count: 18, of: 18 }), "from minute {start} on");
            assert_eq!(frequent.add(&1, (at(start + 18), HOUR), 18, 0), None, "once");
            assert_eq!(frequent.add(&1, (at(start + 200), HOUR), 18, 0), None, "it was quiet");
            let again = (0..17).find_map(|_| frequent.add(&1, (at(start + 200), HOUR), 18, 0));
            assert!(again.is_some());
        }
    }

    #[test]
    fn a_key_whose_payments_mostly_succeed_does_not_pass() {
        let mut frequent = Frequent::new();
        for _ in 0..100 {
            assert_eq!(frequent.add(&1980, (at(0), HOUR), 10, 60), None);
            frequent.dilute(&1980, (at(0), HOUR));
            frequent.dilute(&1980, (at(0), HOUR));
        }
        let told = (0..300).find_map(|_| frequent.add(&1980, (at(0), HOUR), 10, 60));
        // 200 others beside c of the kind: 60 % is reached at c = 300.
        assert_eq!(told, Some(Share { count: 300, of: 500 }));
    }
}
