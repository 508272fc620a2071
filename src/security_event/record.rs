//! What a sink is given: the event, when, and which one in order.

use std::time::SystemTime;

use super::SecurityEvent;

/// One event on its way to the sinks.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SecurityRecord<'a> {
    /// When, by the cashier's clock.
    pub at: SystemTime,
    /// Its number, from 1, without gaps within a run. Records of different threads can arrive in another order.
    pub sequence: u64,
    /// A random name of this run of the program: with the number it names the record.
    pub run: &'a str,
    /// What.
    pub event: &'a SecurityEvent,
}

impl<'a> SecurityRecord<'a> {
    /// A record, for tests of sinks.
    #[must_use]
    pub fn new(at: SystemTime, sequence: u64, run: &'a str, event: &'a SecurityEvent) -> Self {
        Self {
            at,
            sequence,
            run,
            event,
        }
    }
}
