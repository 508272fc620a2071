//! A queue in front of a sink that may be slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, SystemTime};
use std::{fmt, thread};

use super::SecurityEvent;
use super::record::SecurityRecord;
use super::sink::{SecuritySink, SinkError, give, settle};

/// Writes events from a thread of its own, so that a sink that is slow or hangs holds up no payment.
///
/// When the queue is full, events are not taken, and the sink counts as degraded. An event that the sink behind the queue did not
/// take is told with a later event, once: that one is queued nevertheless. Events that are in the queue when the program ends may be lost.
pub struct Background {
    queue: SyncSender<Queued>,
    lost: Arc<Lost>,
}

/// What the sink behind the queue did not take, and nobody was told of yet.
#[derive(Default)]
struct Lost {
    count: AtomicU64,
    /// How the last of them was lost.
    how: AtomicU8,
}

enum Queued {
    Event {
        at: SystemTime,
        sequence: u64,
        run: Arc<str>,
        event: SecurityEvent,
    },
    /// Everything before it was given to the sink.
    Settle(SyncSender<()>),
}

impl Background {
    /// Puts a queue of so many events in front of a sink. Fails if no thread can be started.
    pub fn new(sink: impl SecuritySink, capacity: usize) -> std::io::Result<Self> {
        let (queue, events) = sync_channel(capacity.max(1));
        let lost = Arc::new(Lost::default());
        let told = Arc::clone(&lost);
        thread::Builder::new()
            .name("kessai-events".to_owned())
            .spawn(move || work(&sink, &events, &told))?;
        Ok(Self { queue, lost })
    }
}

const FAILED: u8 = 1;
const FULL: u8 = 2;
const PANICKED: u8 = 3;

fn work(sink: &dyn SecuritySink, events: &Receiver<Queued>, lost: &Lost) {
    for queued in events {
        let how = match queued {
            Queued::Event {
                at,
                sequence,
                run,
                event,
            } => give(sink, &SecurityRecord::new(at, sequence, &run, &event)),
            Queued::Settle(done) => {
                let settled = settle(sink);
                if let Err(error) = settled {
                    lost.add(error);
                }
                // Nobody may be waiting any more.
                let _ = done.try_send(());
                continue;
            }
        };
        if let Err(error) = how {
            lost.add(error);
        }
    }
}

impl Lost {
    fn add(&self, error: SinkError) {
        let how = match error {
            SinkError::Failed => FAILED,
            SinkError::Full => FULL,
            SinkError::Panicked => PANICKED,
        };
        self.how.store(how, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Each that was lost is told once, whoever tells it.
    fn tell_one(&self) -> Result<(), SinkError> {
        let one = self
            .count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| count.checked_sub(1));
        if one.is_err() {
            return Ok(());
        }
        Err(match self.how.load(Ordering::Relaxed) {
            FULL => SinkError::Full,
            PANICKED => SinkError::Panicked,
            _ => SinkError::Failed,
        })
    }
}

fn not_queued(error: &TrySendError<Queued>) -> SinkError {
    match error {
        TrySendError::Full(_) => SinkError::Full,
        TrySendError::Disconnected(_) => SinkError::Failed,
    }
}

/// How long the self-check waits for what is in the queue.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl SecuritySink for Background {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        let queued = Queued::Event {
            at: record.at,
            sequence: record.sequence,
            run: record.run.into(),
            event: record.event.clone(),
        };
        self.queue.try_send(queued).map_err(|error| not_queued(&error))?;
        self.lost.tell_one()
    }

    fn settle(&self) -> Result<(), SinkError> {
        let (done, settled) = sync_channel(1);
        let queued = self.queue.try_send(Queued::Settle(done));
        queued.map_err(|error| not_queued(&error))?;
        // Whoever is still at work then does not keep up.
        settled.recv_timeout(LONGEST_WAIT).map_err(|_| SinkError::Full)?;
        self.lost.tell_one()
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::Mutex;
    use std::time::{Instant, UNIX_EPOCH};

    use super::*;

    /// Loses the first event. Waits with each until the gate is open.
    #[derive(Debug, Default)]
    struct FirstLost {
        calls: AtomicU64,
        gate: Mutex<()>,
    }

    impl SecuritySink for FirstLost {
        fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
            let is_first = self.calls.fetch_add(1, Ordering::SeqCst) == 0;
            drop(self.gate.lock());
            if is_first { Err(SinkError::Failed) } else { Ok(()) }
        }
    }

    #[test]
    fn an_event_that_was_lost_is_told_once_however_many_are_queued_before_the_next_is_written() {
        let sink = Arc::new(FirstLost::default());
        let queue = Background::new(Arc::clone(&sink), 100).unwrap();
        let event = SecurityEvent::MonitorProbe {};
        let emit = || queue.emit(&SecurityRecord::new(UNIX_EPOCH, 1, "run", &event));
        let shut = sink.gate.lock().unwrap();
        assert_eq!(emit(), Ok(()), "nothing is known yet");
        drop(shut);
        let start = Instant::now();
        while queue.lost.count.load(Ordering::SeqCst) == 0 {
            assert!(start.elapsed() < Duration::from_secs(10));
            thread::yield_now();
        }
        let shut = sink.gate.lock().unwrap();
        let told: Vec<_> = (0..10).map(|_| emit()).collect();
        assert_eq!(told.iter().filter(|told| told.is_err()).count(), 1, "{told:?}");
        drop(shut);
        assert_eq!(queue.settle(), Ok(()));
        assert_eq!(
            sink.calls.load(Ordering::SeqCst),
            11,
            "those that told it were queued nevertheless"
        );
    }
}
