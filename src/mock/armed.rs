//! How often a fault happens, and how often it did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A fault that is waiting to happen, or has happened. Dropping it changes nothing.
#[derive(Clone, Debug, Default)]
pub struct Armed {
    hits: Arc<AtomicU32>,
    off: Arc<AtomicBool>,
}

impl Armed {
    /// How often it has happened.
    #[must_use]
    pub fn hits(&self) -> u32 {
        self.hits.load(Ordering::SeqCst)
    }

    /// Stops it from happening again.
    pub fn disarm(&self) {
        self.off.store(true, Ordering::SeqCst);
    }
}

/// When a fault happens.
pub(super) struct Rule {
    pub(super) skip: u32,
    pub(super) left: u32,
    pub(super) armed: Armed,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            skip: 0,
            left: 1,
            armed: Armed::default(),
        }
    }
}

impl Rule {
    /// Counts a match down; whether the fault happens this time.
    pub(super) fn strike(&mut self) -> bool {
        if self.left == 0 || self.armed.off.load(Ordering::SeqCst) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.left -= 1;
        self.armed.hits.fetch_add(1, Ordering::SeqCst);
        true
    }
}
