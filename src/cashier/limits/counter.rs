//! How often each of many names came up within a while, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::cashier::asking::recent;

pub(super) struct Counter<K> {
    most: u32,
    window: Duration,
    names: usize,
    times: Mutex<HashMap<K, Vec<SystemTime>>>,
}

/// How long to wait until one of so many is old; `None` if there is room.
pub(super) fn wait(
    times: impl Iterator<Item = SystemTime>,
    most: u32,
    window: Duration,
    now: SystemTime,
) -> Option<Duration> {
    let mut times: Vec<_> = times.filter(|time| recent(*time, now, window)).collect();
    let over = times.len().checked_sub(usize::try_from(most).unwrap_or(usize::MAX))?;
    // So many have to become old first.
    times.sort_unstable();
    let passed = now.duration_since(*times.get(over)?).unwrap_or_default();
    Some(window.saturating_sub(passed).max(Duration::from_secs(1)))
}

impl<K: Clone + Eq + Hash + Ord> Counter<K> {
    /// `most` times for each of `names` within a window.
    pub(super) fn new(most: u32, window: Duration, names: usize) -> Self {
        Self {
            most,
            window,
            names,
            times: Mutex::default(),
        }
    }

    /// Counts once more if there is room, else says how long to wait.
    pub(super) fn take(&self, name: &K, at: SystemTime) -> Result<(), Duration> {
        let mut all = self.times();
        if let Some(times) = all.get_mut(name) {
            times.retain(|time| recent(*time, at, self.window));
            if let Some(wait) = wait(times.iter().copied(), self.most, self.window, at) {
                return Err(wait);
            }
        }
        self.add(&mut all, name, at);
        Ok(())
    }

    /// Counts, whether there is room or not.
    pub(super) fn count(&self, name: &K, at: SystemTime) {
        self.add(&mut self.times(), name, at);
    }

    /// What was counted at that time did not come to be.
    pub(super) fn give_back(&self, name: &K, at: SystemTime) {
        let mut all = self.times();
        if let Some(times) = all.get_mut(name) {
            if let Some(place) = times.iter().rposition(|time| *time == at) {
                times.remove(place);
            }
            if times.is_empty() {
                all.remove(name);
            }
        }
    }

    fn add(&self, all: &mut HashMap<K, Vec<SystemTime>>, name: &K, at: SystemTime) {
        if !all.contains_key(name) && all.len() >= self.names {
            self.make_room(all, at);
        }
        all.entry(name.clone()).or_default().push(at);
    }

    /// Forgets what did not come up lately, and if that is not enough a quarter of all: what came up least, the oldest of it first.
    /// A quarter, so that a flood of new names does not pay for this each time.
    fn make_room(&self, all: &mut HashMap<K, Vec<SystemTime>>, now: SystemTime) {
        all.retain(|_, times| times.last().is_some_and(|last| recent(*last, now, self.window)));
        if all.len() < self.names {
            return;
        }
        let mut ranked: Vec<_> = all
            .iter()
            .map(|(name, times)| (times.len(), times.last().copied(), name.clone()))
            .collect();
        ranked.sort_unstable();
        for (_, _, name) in ranked.into_iter().take((self.names / 4).max(1)) {
            all.remove(&name);
        }
        all.shrink_to(self.names);
    }

    fn times(&self) -> MutexGuard<'_, HashMap<K, Vec<SystemTime>>> {
        // A panic while it was held leaves at most a count that is off.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl<K: Clone + Eq + Hash + Ord> Counter<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.times().is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.times().len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.times().capacity()
    }
}
