//! How often a fault happens, and how often it did.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
struct Rule {
    skip: u32,
    left: u32,
    armed: Armed,
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
    fn strike(&mut self) -> bool {
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

/// Where a fault can be aimed.
pub trait Aim: PartialEq {
    /// Whether a fault that is aimed at nothing in particular hits here.
    fn is_hit_without_aim(&self) -> bool;
}

/// Results of a delivery, by the gateway's own word for them.
impl Aim for String {
    fn is_hit_without_aim(&self) -> bool {
        true
    }
}

/// A fault being aimed; nothing happens until [`arm`](Self::arm).
///
/// Without further words it hits the next that comes along, once.
#[must_use = "a fault does nothing until it is armed"]
pub struct Plan<F, A> {
    quiver: Arc<Quiver<F, A>>,
    waiting: Waiting<F, A>,
}

impl<F, A: Aim> Plan<F, A> {
    /// Only there. Without it a fault hits everything of its kind; the hosted page is hit only if it is aimed at.
    pub fn on(mut self, aim: impl Into<A>) -> Self {
        self.waiting.aim = Some(aim.into());
        self
    }

    /// How often it hits; 1 without it.
    pub fn times(mut self, times: u32) -> Self {
        self.waiting.rule.left = times;
        self
    }

    /// Lets so many pass first.
    pub fn after(mut self, passing: u32) -> Self {
        self.waiting.rule.skip = passing;
        self
    }

    /// Makes it happen from now on.
    pub fn arm(self) -> Armed {
        let armed = self.waiting.rule.armed.clone();
        self.quiver.lock().push(self.waiting);
        armed
    }
}

/// Deliveries have a second aim.
impl<F> Plan<F, String> {
    /// Only deliveries to this address.
    pub fn to(mut self, url: &str) -> Self {
        self.waiting.to = Some(url.to_owned());
        self
    }
}

impl<F: fmt::Debug, A: fmt::Debug> fmt::Debug for Plan<F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("fault", &self.waiting.fault)
            .field("aim", &self.waiting.aim)
            .finish_non_exhaustive()
    }
}

/// A fault that waits to happen.
struct Waiting<F, A> {
    fault: F,
    aim: Option<A>,
    to: Option<String>,
    rule: Rule,
}

/// The faults that wait to happen.
pub(super) struct Quiver<F, A>(Mutex<Vec<Waiting<F, A>>>);

impl<F, A> Default for Quiver<F, A> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<F: Clone, A: Aim> Quiver<F, A> {
    pub(super) fn plan(self: &Arc<Self>, fault: F) -> Plan<F, A> {
        Plan {
            quiver: Arc::clone(self),
            waiting: Waiting {
                fault,
                aim: None,
                to: None,
                rule: Rule::default(),
            },
        }
    }

    /// The fault that hits a request, if any.
    pub(super) fn strike(&self, here: &A) -> Option<F> {
        self.find(here, None)
    }

    fn find(&self, here: &A, url: Option<&str>) -> Option<F> {
        let mut all = self.lock();
        all.retain(|waiting| waiting.rule.left > 0);
        let is_aimed = |waiting: &&mut Waiting<F, A>| {
            let at_this = match &waiting.aim {
                Some(aim) => aim == here,
                None => here.is_hit_without_aim(),
            };
            at_this && (waiting.to.is_none() || waiting.to.as_deref() == url)
        };
        all.iter_mut()
            .filter(is_aimed)
            .find_map(|waiting| waiting.rule.strike().then(|| waiting.fault.clone()))
    }
}

impl<F: Clone> Quiver<F, String> {
    /// The fault that hits the delivery of such a result to this address, if any.
    pub(super) fn strike_delivery(&self, result: &str, url: &str) -> Option<F> {
        self.find(&result.to_owned(), Some(url))
    }
}

impl<F, A> Quiver<F, A> {
    fn lock(&self) -> MutexGuard<'_, Vec<Waiting<F, A>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
