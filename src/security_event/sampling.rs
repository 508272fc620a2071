//! Counting what outsiders can cause in any number, and telling a few of them, so that a flood fills no disk and drowns no alarm
//! (PAY-64).

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use super::event::SecurityEvent;
use super::show::AtGateway;
use super::words::Reason;
use crate::reference::GatewayId;

/// Of each kind of event that is sampled, so many are told one by one for each gateway, place and reason, in each minute counted
/// from the first of them. The others are told as one number at the end of the minute.
///
/// There are nine reasons to refuse a message, so that any number of forged messages makes at most 9 × (5 + 1) = 54 events a minute
/// for each gateway.
pub const SAMPLED_PER_MINUTE: u64 = 5;

const MINUTE: Duration = Duration::from_secs(60);

/// Gateways are configured, names and reasons are closed lists, places are written in code, so there are far fewer. A bound nevertheless.
const MOST_KEYS: usize = 1024;

/// The event's name, its gateway, its place and its reason: what somebody causes at one place must not hide what happens at
/// another.
type Key = (&'static str, Option<GatewayId>, Option<&'static str>, Option<Reason>);

#[derive(Default)]
pub(super) struct Sampler {
    minutes: HashMap<Key, Minute>,
}

struct Minute {
    since: SystemTime,
    count: u64,
    at: Option<AtGateway>,
}

/// What became of an event.
pub(super) struct Sampled {
    /// True if it is to be told.
    pub(super) tell: bool,
    /// The minute before, if it held back anything.
    pub(super) summary: Option<SecurityEvent>,
}

impl Sampler {
    /// Counts an event.
    pub(super) fn take(&mut self, event: &SecurityEvent, now: SystemTime) -> Sampled {
        let at = event.at();
        let key: Key = (
            event.name(),
            at.map(|at| at.gateway.clone()),
            event.place(),
            event.reason(),
        );
        if !self.minutes.contains_key(&key) && self.minutes.len() >= MOST_KEYS {
            return Sampled {
                tell: false,
                summary: None,
            };
        }
        let mut summary = None;
        let minute = self.minutes.entry(key).or_insert_with_key(|_| Minute {
            since: now,
            count: 0,
            at: at.cloned(),
        });
        if minute.is_over(now) {
            summary = minute.summary(event.name(), event.place(), event.reason());
            minute.since = now;
            minute.count = 0;
        }
        minute.count += 1;
        Sampled {
            tell: minute.count <= SAMPLED_PER_MINUTE,
            summary,
        }
    }

    /// Ends the minutes that are over.
    pub(super) fn flush(&mut self, now: SystemTime) -> Vec<SecurityEvent> {
        self.end(|minute| minute.is_over(now))
    }

    /// Ends every minute: nothing comes after it.
    pub(super) fn flush_all(&mut self) -> Vec<SecurityEvent> {
        self.end(|_| true)
    }

    fn end(&mut self, mut over: impl FnMut(&mut Minute) -> bool) -> Vec<SecurityEvent> {
        let mut summaries = Vec::new();
        self.minutes.retain(|(name, _, place, reason), minute| {
            let over = over(minute);
            if over {
                summaries.extend(minute.summary(name, *place, *reason));
            }
            !over
        });
        summaries
    }
}

impl Minute {
    /// A clock that was set back begins the minute anew and keeps the count.
    fn is_over(&mut self, now: SystemTime) -> bool {
        if let Ok(passed) = now.duration_since(self.since) {
            return passed >= MINUTE;
        }
        self.since = now;
        false
    }

    fn summary(
        &self,
        event: &'static str,
        place: Option<&'static str>,
        reason: Option<Reason>,
    ) -> Option<SecurityEvent> {
        let suppressed = self.count.saturating_sub(SAMPLED_PER_MINUTE);
        if suppressed == 0 {
            return None;
        }
        let window_seconds = MINUTE.as_secs();
        let count = self.count;
        match (&self.at, reason) {
            (Some(at), Some(reason)) if event == "payment.callback.refused" => {
                Some(SecurityEvent::CallbackRefusedBurst {
                    at: at.clone(),
                    reason,
                    count,
                    suppressed,
                    window_seconds,
                })
            }
            _ => Some(SecurityEvent::EventsSuppressed {
                event,
                place,
                at: self.at.clone(),
                reason,
                count,
                suppressed,
                window_seconds,
            }),
        }
    }
}
