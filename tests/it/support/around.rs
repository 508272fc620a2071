//! A ledger around another one: every call goes through, and what stands around it counts it or fails it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kessai::ledger::{
    AskDue, Asked, Binding, CloseReason, Cue, Expected, Fulfilment, Head, HeldEvidence, Judgement, KeptRecord, Mode,
    ModeChange, Note, Opened, Record, StoreNote, StoredAttempt, Which, Window, WindowCursor, WindowRow,
};
use kessai::ledgers::MemoryLedger;
use kessai::transport::BoxFuture;
use kessai::{
    Applied, AttemptReference, ExpectedPayment, FulfilmentKey, GatewayId, Ledger, MerchantAccount, MerchantReference,
    StoreError, Subject,
};

/// Methods of a ledger that go on to `self.inner` by way of the method named first.
macro_rules! straight {
    ($way:ident: $($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)+) => {
        $(#[allow(
            clippy::elidable_lifetime_names,
            clippy::needless_lifetimes,
            reason = "some of these have arguments that live as long, and some have none"
        )]
        fn $name<'a>(&'a self, $($arg: $type),*) -> BoxFuture<'a, Result<$answer, StoreError>> {
            self.$way(stringify!($name), self.inner.$name($($arg),*))
        })+
    };
}
pub(crate) use straight;

/// What stands around every call. An error before it means that nothing was done, one behind it that the answer was lost.
pub trait Around: fmt::Debug + Send + Sync + 'static {
    fn before(&self, call: &'static str) -> Result<(), StoreError>;

    fn behind(&self, call: &'static str) -> Result<(), StoreError>;
}

/// A ledger with something around every call.
#[derive(Debug)]
pub struct Surrounded<A> {
    inner: Arc<dyn Ledger>,
    around: Arc<A>,
}

impl<A: Around> Surrounded<A> {
    pub fn new(inner: Arc<dyn Ledger>, around: Arc<A>) -> Self {
        Self { inner, around }
    }

    /// A future does nothing before it is waited for.
    fn surround<'a, T: Send + 'a>(
        &'a self,
        call: &'static str,
        work: BoxFuture<'a, Result<T, StoreError>>,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            self.around.before(call)?;
            let answer = work.await?;
            self.around.behind(call)?;
            Ok(answer)
        })
    }
}

impl<A: Around> Ledger for Surrounded<A> {
    straight! { surround:
        expect(expected: &'a ExpectedPayment) -> Expected;
        opened(attempt: &'a AttemptReference, opened: &'a Opened, at: SystemTime) -> Binding;
        close(attempt: &'a AttemptReference, why: CloseReason, at: SystemTime) -> ();
        attempt(attempt: &'a AttemptReference) -> Option<StoredAttempt>;
        find(gateway: &'a GatewayId, account: &'a MerchantAccount, subject: &'a Subject) -> Option<StoredAttempt>;
        apply(judgement: &'a Judgement, at: SystemTime) -> Applied;
        attempts_to_ask(due: &'a AskDue) -> Vec<StoredAttempt>;
        left_to_ask(now: SystemTime) -> u64;
        asked(seen: &'a StoredAttempt, asked: &'a Asked, at: SystemTime) -> ();
        make_due(attempt: &'a AttemptReference, cue: Cue, at: SystemTime) -> ();
        note(attempt: &'a AttemptReference, note: Note, at: SystemTime) -> bool;
        next_fulfilment(at: SystemTime, lease: Duration) -> Option<Fulfilment>;
        done(key: &'a FulfilmentKey, at: SystemTime) -> bool;
        attempts_of(order: &'a MerchantReference) -> Vec<StoredAttempt>;
        latest(limit: usize) -> Vec<StoredAttempt>;
        timeline(attempt: &'a AttemptReference) -> Vec<Record>;
        held(limit: usize) -> Vec<HeldEvidence>;
        fulfilment_of(order: &'a MerchantReference) -> Option<Fulfilment>;
        mode() -> Mode;
        set_mode(change: &'a ModeChange, at: SystemTime) -> Mode;
        note_store(note: &'a StoreNote, at: SystemTime) -> ();
        head() -> Head;
        records(after: u64, limit: usize) -> Vec<KeptRecord>;
        attempts_after(after: u64, which: Which, limit: usize) -> Vec<(u64, StoredAttempt)>;
        window(window: &'a Window, after: Option<WindowCursor>, limit: usize) -> Vec<WindowRow>;
        window_span(window: &'a Window) -> Option<(u64, u64)>;
    }
}

/// Which side of a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Nothing was done.
    Before,
    /// It was done, and the answer was lost.
    Behind,
}

/// Fails one call, the so manieth from when it is told.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Plan>);

#[derive(Debug, Default)]
struct Plan {
    /// How many calls go well before the one that fails.
    left: Option<(usize, When)>,
    failed: Option<&'static str>,
}

impl Faults {
    pub fn arm(&self, nth: usize, when: When) {
        *self.0.lock().unwrap() = Plan {
            left: Some((nth, when)),
            failed: None,
        };
    }

    /// Nothing fails from now on. Says which call failed, if one did.
    pub fn disarm(&self) -> Option<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap()).failed
    }

    fn meet(&self, side: When, call: &'static str) -> Result<(), StoreError> {
        let mut plan = self.0.lock().unwrap();
        let Some((left, when)) = &mut plan.left else {
            return Ok(());
        };
        if *when != side {
            return Ok(());
        }
        if *left > 0 {
            *left -= 1;
            return Ok(());
        }
        (plan.left, plan.failed) = (None, Some(call));
        Err(StoreError::new("a fault of the test", std::io::Error::other(call)))
    }
}

impl Around for Faults {
    fn before(&self, call: &'static str) -> Result<(), StoreError> {
        self.meet(When::Before, call)
    }

    fn behind(&self, call: &'static str) -> Result<(), StoreError> {
        self.meet(When::Behind, call)
    }
}

/// Counts the calls by their names.
#[derive(Debug, Default)]
pub struct Calls(Mutex<BTreeMap<&'static str, u64>>);

impl Calls {
    /// How often each was called since this was asked last.
    pub fn take(&self) -> Vec<(&'static str, u64)> {
        std::mem::take(&mut *self.0.lock().unwrap()).into_iter().collect()
    }
}

impl Around for Calls {
    fn before(&self, call: &'static str) -> Result<(), StoreError> {
        *self.0.lock().unwrap().entry(call).or_default() += 1;
        Ok(())
    }

    fn behind(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Fails calls by their names, each after so many that go well.
#[derive(Debug, Default)]
pub struct ByName(Mutex<HashMap<&'static str, (usize, bool)>>);

impl ByName {
    /// A memory of which calls fail when this says so.
    pub fn over_memory() -> (Arc<dyn Ledger>, Arc<Self>) {
        let around = Arc::<Self>::default();
        let ledger = Surrounded::new(Arc::new(MemoryLedger::new()), Arc::clone(&around));
        (Arc::new(ledger), around)
    }

    /// From now on this call fails, after so many that go well.
    pub fn fail(&self, call: &'static str, after: usize) {
        self.0.lock().unwrap().insert(call, (after, false));
    }

    /// The same, and what is kept has lost its form.
    pub fn damage(&self, call: &'static str, after: usize) {
        self.0.lock().unwrap().insert(call, (after, true));
    }

    pub fn mend(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Around for ByName {
    fn before(&self, call: &'static str) -> Result<(), StoreError> {
        let mut fails = self.0.lock().unwrap();
        let Some((left, damaged)) = fails.get_mut(call) else {
            return Ok(());
        };
        if *left > 0 {
            *left -= 1;
            return Ok(());
        }
        let error = StoreError::missing("a test said so");
        Err(if *damaged { error.as_damage() } else { error })
    }

    fn behind(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Does something right before each call of one name.
pub struct Meddler {
    pub call: &'static str,
    pub does: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meddler({})", self.call)
    }
}

impl Around for Meddler {
    fn before(&self, call: &'static str) -> Result<(), StoreError> {
        if call == self.call {
            (self.does)();
        }
        Ok(())
    }

    fn behind(&self, _call: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}
