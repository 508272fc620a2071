//! The time a simulator lives in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

/// The clock of a simulator. Clones show the same time; whoever holds one can move it.
///
/// Everything a simulator does by itself follows this clock: sessions expire, delayed payments arrive, deliveries are
/// retried, idempotency keys are forgotten. Time never goes back.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kessai::mock::Clock;
///
/// let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_500_000);
/// let clock = Clock::stopped_at(start);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), start + Duration::from_secs(60));
/// ```
#[derive(Clone)]
pub struct Clock {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    moved: watch::Sender<()>,
}

struct State {
    time: SystemTime,
    /// Since when real time is added; `None` while the clock stands still.
    running_since: Option<Instant>,
}

impl Clock {
    /// A clock that shows the real time, runs with it, and can be put forward.
    #[must_use]
    pub fn live() -> Self {
        Self::with(State {
            time: SystemTime::now(),
            running_since: Some(Instant::now()),
        })
    }

    /// A clock that starts at the real time and stands still until it is put forward.
    #[must_use]
    pub fn stopped() -> Self {
        Self::stopped_at(SystemTime::now())
    }

    /// A clock that stands still at `time` until it is put forward.
    #[must_use]
    pub fn stopped_at(time: SystemTime) -> Self {
        Self::with(State {
            time,
            running_since: None,
        })
    }

    /// A clock that starts at `time` and runs as fast as the real one.
    #[must_use]
    pub fn running_from(time: SystemTime) -> Self {
        Self::with(State {
            time,
            running_since: Some(Instant::now()),
        })
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        let state = self.state();
        let run = state.running_since.map_or(Duration::ZERO, |since| since.elapsed());
        state.time.checked_add(run).unwrap_or(state.time)
    }

    /// Puts the clock forward. What becomes due is done in the background; wait for it with the simulator's `quiet`.
    ///
    /// A step beyond what the system's time can hold is ignored.
    pub fn advance(&self, by: Duration) {
        {
            let mut state = self.state();
            state.time = state.time.checked_add(by).unwrap_or(state.time);
        }
        self.inner.moved.send_replace(());
    }

    /// Wakes whenever the clock is put forward.
    pub(super) fn moves(&self) -> watch::Receiver<()> {
        self.inner.moved.subscribe()
    }

    fn with(state: State) -> Self {
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                moved: watch::Sender::new(()),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::live()
    }
}

/// A store under test can live in the same time: hand a clone to the cashier.
impl crate::Clock for Clock {
    fn now(&self) -> SystemTime {
        Clock::now(self)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let running = self.state().running_since.is_some();
        f.debug_struct("Clock")
            .field("now", &self.now())
            .field("running", &running)
            .finish()
    }
}

/// Seconds since 1970, as gateways count them; 0 for anything earlier.
pub(super) fn unix(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
