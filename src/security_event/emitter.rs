//! Where events start: numbered, sampled, and given to every sink.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::event::SecurityEvent;
use super::patterns::{Patterns, Seen, Turn};
use super::policy::SecurityPolicy;
use super::record::SecurityRecord;
use super::sampling::{Sampled, Sampler};
use super::sink::{SecuritySink, SinkError, give, settle};
use crate::clock::Clock;
use crate::ledger::ExpectedPayment;
use crate::reference::{AttemptReference, EventId, ReferenceFormat};

/// A sink that keeps failing and recovering is told at most once in this time.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);

pub(crate) struct Emitter {
    sinks: Vec<Watched>,
    clock: Arc<dyn Clock>,
    policy: SecurityPolicy,
    run: String,
    sequence: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sampler: Sampler,
    patterns: Patterns,
    held: Seen<(AttemptReference, EventId)>,
    since_heartbeat: Counts,
    last_heartbeat: Option<SystemTime>,
    suppressed: u64,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    emitted: u64,
    suppressed: u64,
    refused: u64,
    accepted: u64,
    held: u64,
}

struct Watched {
    sink: Box<dyn SecuritySink>,
    state: Mutex<SinkState>,
}

#[derive(Clone, Copy, Default)]
struct SinkState {
    failing: bool,
    /// True if the others were told that it fails.
    told: bool,
    told_at: Option<SystemTime>,
    failures: u64,
    missed: u64,
}

/// How the telling of events is. For a health page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecurityHealth {
    /// Events told since the start.
    pub emitted: u64,
    /// Events that were only counted.
    pub suppressed: u64,
    /// The sinks, in the order in which they were added.
    pub sinks: Vec<SinkHealth>,
}

/// How a sink is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkHealth {
    /// True if it did not take the latest event.
    pub failing: bool,
    /// How many events it did not take since the start.
    pub failures: u64,
}

impl Emitter {
    pub(crate) fn new(sinks: Vec<Box<dyn SecuritySink>>, clock: Arc<dyn Clock>, policy: SecurityPolicy) -> Self {
        let sinks = sinks.into_iter().map(|sink| Watched {
            sink,
            state: Mutex::default(),
        });
        Self {
            sinks: sinks.collect(),
            clock,
            policy,
            // Without random bits no checkout can be opened either; events are told nevertheless.
            run: RUN.random().unwrap_or_default(),
            sequence: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    /// Tells an event to every sink, or only counts it. Never fails, never panics, and returns when every sink has it.
    pub(crate) fn emit(&self, event: SecurityEvent) {
        if self.sinks.is_empty() {
            return;
        }
        let now = self.clock.now();
        let Sampled { tell, summary } = self.state().take(&event, now);
        if let Some(summary) = summary {
            self.send(summary, now);
        }
        if tell {
            self.send(event, now);
        }
    }

    /// A page was opened.
    pub(crate) fn opened(&self, expected: &ExpectedPayment, again: bool) {
        self.emit(SecurityEvent::RedirectIssued {
            payment: expected.into(),
            again,
        });
        if !again {
            let events = self.watch(|patterns, policy, now| patterns.opened(expected, policy, now));
            for event in events {
                self.emit(event);
            }
        }
    }

    /// Gives every sink an event and asks whether it arrived, for the self-check. It may take a second for each.
    pub(crate) fn probe(&self) {
        self.emit(SecurityEvent::MonitorProbe {});
        let now = self.clock.now();
        for (n, watched) in self.sinks.iter().enumerate() {
            let settled = settle(watched.sink.as_ref());
            // That nothing is missing says less than an event that is taken: only what failed counts.
            if settled.is_err() {
                let told = watched.state().took(settled, n, now);
                if let Some(told) = told {
                    self.send_to_others(told, now, Some(n));
                }
            }
        }
    }

    /// Something became of an attempt.
    pub(crate) fn turned(&self, expected: &ExpectedPayment, turn: Turn) {
        let events = self.watch(|patterns, policy, now| patterns.turned(expected, turn, policy, now));
        for event in events {
            self.emit(event);
        }
    }

    /// The store closes the page of an attempt by itself: what becomes of it says nothing about a shopper, whichever way it is
    /// heard of.
    pub(crate) fn closing(&self, expected: &ExpectedPayment) {
        self.state().patterns.closing(&expected.attempt);
    }

    /// True the first time that this evidence is held against this attempt: the gateway may send it again, and says it again
    /// whenever it is asked.
    pub(crate) fn held_first(&self, attempt: &AttemptReference, evidence: &EventId) -> bool {
        self.state().held.add(&(attempt.clone(), evidence.clone()))
    }

    fn watch(
        &self,
        look: impl FnOnce(&mut Patterns, &SecurityPolicy, SystemTime) -> Vec<SecurityEvent>,
    ) -> Vec<SecurityEvent> {
        if self.sinks.is_empty() {
            return Vec::new();
        }
        let now = self.clock.now();
        look(&mut self.state().patterns, &self.policy, now)
    }

    /// Ends the minutes that are over, and gives a sign of life if it is time.
    pub(crate) fn tick(&self) {
        if self.sinks.is_empty() {
            return;
        }
        let now = self.clock.now();
        let summaries = self.state().sampler.flush(now);
        for summary in summaries {
            self.emit(summary);
        }
        let heartbeat = self.state().heartbeat(now, self.policy.heartbeat, || self.failing());
        if let Some(heartbeat) = heartbeat {
            self.emit(heartbeat);
        }
    }

    pub(crate) fn health(&self) -> SecurityHealth {
        let sinks = self.sinks.iter().map(|watched| {
            let state = watched.state();
            SinkHealth {
                failing: state.failing,
                failures: state.failures,
            }
        });
        SecurityHealth {
            emitted: self.sequence.load(Ordering::Relaxed),
            suppressed: self.state().suppressed,
            sinks: sinks.collect(),
        }
    }

    pub(crate) fn sinks(&self) -> usize {
        self.sinks.len()
    }

    fn failing(&self) -> u64 {
        self.sinks
            .iter()
            .map(|watched| u64::from(watched.state().failing))
            .sum()
    }

    /// Gives an event to the sinks. What that does to them is told as well; each of them can fail and recover once meanwhile.
    fn send(&self, event: SecurityEvent, at: SystemTime) {
        self.send_to_others(event, at, None);
    }

    /// The same, but for one of them.
    fn send_to_others(&self, event: SecurityEvent, at: SystemTime, except: Option<usize>) {
        let mut queue = VecDeque::from([(event, except)]);
        let mut most = 1 + 2 * self.sinks.len();
        while let (Some((event, except)), true) = (queue.pop_front(), most > 0) {
            most -= 1;
            let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
            self.state().since_heartbeat.emitted += 1;
            let record = SecurityRecord::new(at, sequence, &self.run, &event);
            for (n, watched) in self.sinks.iter().enumerate() {
                if except == Some(n) {
                    continue;
                }
                let taken = give(watched.sink.as_ref(), &record);
                if let Some(told) = watched.state().took(taken, n, at) {
                    // A sink that just failed need not be told of it.
                    queue.push_back((told, taken.is_err().then_some(n)));
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves at most a count that is off.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 80 random bits: enough to tell the runs of a store apart.
const RUN: ReferenceFormat = match ReferenceFormat::new(b"0123456789abcdefghjkmnpqrstvwxyz", 16) {
    Some(format) => format,
    None => ReferenceFormat::RANDOM_128,
};

impl State {
    fn take(&mut self, event: &SecurityEvent, now: SystemTime) -> Sampled {
        let counts = &mut self.since_heartbeat;
        match event {
            SecurityEvent::CallbackRefused { .. } => counts.refused += 1,
            SecurityEvent::Accepted { .. } => counts.accepted += 1,
            SecurityEvent::EvidenceHeld { .. } => counts.held += 1,
            _ => {}
        }
        if !event.kind().sampled {
            return Sampled {
                tell: true,
                summary: None,
            };
        }
        let sampled = self.sampler.take(event, now);
        if !sampled.tell {
            counts.suppressed += 1;
            self.suppressed += 1;
        }
        sampled
    }

    fn heartbeat(
        &mut self,
        now: SystemTime,
        interval: Duration,
        failing: impl FnOnce() -> u64,
    ) -> Option<SecurityEvent> {
        let window = match self.last_heartbeat {
            None => Duration::ZERO,
            // A clock that was set back does not silence it.
            Some(last) => match now.duration_since(last) {
                Ok(passed) if passed < interval => return None,
                Ok(passed) => passed,
                Err(_) => Duration::ZERO,
            },
        };
        self.last_heartbeat = Some(now);
        let Counts {
            emitted,
            suppressed,
            refused,
            accepted,
            held,
        } = std::mem::take(&mut self.since_heartbeat);
        Some(SecurityEvent::Heartbeat {
            window_seconds: window.as_secs(),
            emitted,
            suppressed,
            refused,
            accepted,
            held,
            sinks_failing: failing(),
        })
    }
}

/// What was only counted is told before the end.
impl Drop for Emitter {
    fn drop(&mut self) {
        let summaries = self.state().sampler.flush_all();
        for summary in summaries {
            self.emit(summary);
        }
    }
}

impl Watched {
    fn state(&self) -> MutexGuard<'_, SinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SinkState {
    /// What is to be told after an event was given to it.
    fn took(&mut self, taken: Result<(), SinkError>, n: usize, at: SystemTime) -> Option<SecurityEvent> {
        let sink = u64::try_from(n).unwrap_or(u64::MAX);
        match taken {
            Ok(()) if self.failing => {
                self.failing = false;
                let missed = std::mem::take(&mut self.missed);
                let told = std::mem::take(&mut self.told);
                told.then_some(SecurityEvent::SinkRecovered { sink, missed })
            }
            Ok(()) => None,
            Err(error) => {
                self.failures += 1;
                self.missed += 1;
                self.failing = true;
                let lately = |told: SystemTime| at.duration_since(told).is_ok_and(|passed| passed < TOLD_AGAIN_AFTER);
                if self.told || self.told_at.is_some_and(lately) {
                    return None;
                }
                self.told = true;
                self.told_at = Some(at);
                let reason = error.into();
                Some(SecurityEvent::SinkDegraded { sink, reason })
            }
        }
    }
}

impl fmt::Debug for Emitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sinks: Vec<_> = self.sinks.iter().map(|watched| &watched.sink).collect();
        f.debug_struct("Emitter")
            .field("sinks", &sinks)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
