//! A queue in front of a sink that may be slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::SystemTime;
use std::{fmt, thread};

use super::SecurityEvent;
use super::record::SecurityRecord;
use super::sink::{SecuritySink, SinkError, give};

/// Writes events from a thread of its own, so that a sink that is slow or hangs holds up no payment.
///
/// When the queue is full, events are not taken, and the sink counts as degraded. An error of the sink behind the queue is told
/// with the event after it. Events that are in the queue when the program ends may be lost.
pub struct Background {
    queue: SyncSender<Queued>,
    last: Arc<AtomicU8>,
}

struct Queued {
    at: SystemTime,
    sequence: u64,
    run: Arc<str>,
    event: SecurityEvent,
}

impl Background {
    /// Puts a queue of so many events in front of a sink. Fails if no thread can be started.
    pub fn new(sink: impl SecuritySink, capacity: usize) -> std::io::Result<Self> {
        let (queue, events) = sync_channel(capacity.max(1));
        let last = Arc::new(AtomicU8::new(WELL));
        let told = Arc::clone(&last);
        thread::Builder::new()
            .name("kessai-events".to_owned())
            .spawn(move || work(&sink, &events, &told))?;
        Ok(Self { queue, last })
    }
}

const WELL: u8 = 0;
const FAILED: u8 = 1;
const FULL: u8 = 2;
const PANICKED: u8 = 3;

fn work(sink: &dyn SecuritySink, events: &Receiver<Queued>, told: &AtomicU8) {
    for Queued {
        at,
        sequence,
        run,
        event,
    } in events
    {
        let how = match give(sink, &SecurityRecord::new(at, sequence, &run, &event)) {
            Ok(()) => WELL,
            Err(SinkError::Failed) => FAILED,
            Err(SinkError::Full) => FULL,
            Err(SinkError::Panicked) => PANICKED,
        };
        told.store(how, Ordering::Relaxed);
    }
}

impl SecuritySink for Background {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        let queued = Queued {
            at: record.at,
            sequence: record.sequence,
            run: record.run.into(),
            event: record.event.clone(),
        };
        self.queue.try_send(queued).map_err(|error| match error {
            TrySendError::Full(_) => SinkError::Full,
            TrySendError::Disconnected(_) => SinkError::Failed,
        })?;
        match self.last.load(Ordering::Relaxed) {
            FAILED => Err(SinkError::Failed),
            FULL => Err(SinkError::Full),
            PANICKED => Err(SinkError::Panicked),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Background {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").finish_non_exhaustive()
    }
}
