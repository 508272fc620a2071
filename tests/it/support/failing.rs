//! A ledger that fails where a test wants it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kessai::ledger::{
    Applied, AskDue, Asked, Binding, CloseReason, Cue, Expected, Fulfilment, Head, HeldEvidence, Judgement, KeptRecord,
    Ledger, Mode, ModeChange, Note, Opened, Record, StoreError, StoreNote, StoredAttempt, Which, Window, WindowCursor,
    WindowRow,
};
use kessai::ledgers::MemoryLedger;
use kessai::transport::BoxFuture;
use kessai::{
    AttemptReference, ExpectedPayment, FulfilmentKey, GatewayId, MerchantAccount, MerchantReference, Subject,
};

/// A memory whose operations fail by name, after so many that go well.
#[derive(Debug)]
pub struct Failing {
    inner: MemoryLedger,
    fails: Mutex<HashMap<&'static str, (usize, bool)>>,
}

impl Failing {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryLedger::new(),
            fails: Mutex::default(),
        })
    }

    /// From now on this operation fails, after so many that go well.
    pub fn fail(&self, operation: &'static str, after: usize) {
        self.fails.lock().unwrap().insert(operation, (after, false));
    }

    /// The same, and what is kept has lost its form.
    pub fn damage(&self, operation: &'static str, after: usize) {
        self.fails.lock().unwrap().insert(operation, (after, true));
    }

    pub fn mend(&self) {
        self.fails.lock().unwrap().clear();
    }

    fn failure(&self, operation: &str) -> Option<StoreError> {
        let mut fails = self.fails.lock().unwrap();
        let (left, damaged) = fails.get_mut(operation)?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let error = StoreError::missing("a test said so");
        Some(if *damaged { error.as_damage() } else { error })
    }
}

macro_rules! operations {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty;)+) => {
        impl Ledger for Failing {
            $(#[allow(
                clippy::elidable_lifetime_names,
                clippy::needless_lifetimes,
                reason = "some of these have arguments that live as long, and some have none"
            )]
            fn $name<'a>(&'a self, $($arg: $type),*) -> BoxFuture<'a, Result<$answer, StoreError>> {
                match self.failure(stringify!($name)) {
                    Some(error) => Box::pin(async move { Err(error) }),
                    None => self.inner.$name($($arg),*),
                }
            })+
        }
    };
}

operations! {
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
