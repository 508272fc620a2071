//! The time, as an argument. Nothing in this crate reads the machine's clock by itself.

use std::fmt;
use std::time::SystemTime;

/// Where the cashier gets the time. Tests move theirs.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
