//! The model can fail: ledgers with one fault each, which the same driver has to catch. A faultless one behind the same wrapper
//! passes, so that it is the fault that is caught and not the wrapper.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::ledger::LedgerSource;
use kessai::ledger::{
    AskDue, Asked, Binding, CloseReason, Cue, Expected, Fulfilment, Head, HeldEvidence, HeldReason, Judgement,
    KeptRecord, Mode, ModeChange, Note, Opened, Record, StoreNote, StoredAttempt, Switch, Which, Window, WindowCursor,
    WindowRow,
};
use kessai::ledgers::MemoryLedger;
use kessai::transport::BoxFuture;
use kessai::{
    Applied, AttemptReference, ExpectedPayment, FulfilmentKey, GatewayId, Ledger, MerchantAccount, MerchantReference,
    PaymentStatus, StoreError, Subject,
};

use super::homes::Home;
use super::steps::{Random, history};
use super::{races, run};
use crate::support::around::straight;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Older news moves the state back.
    OlderWins,
    /// A transaction that belongs to one attempt pays another.
    BindsTwice,
    /// A second paid attempt of an order gives a second right.
    PaysTwice,
    /// Money after the end pays.
    LatePays,
    /// What it knows already it takes for news.
    ForgetsEvents,
    /// Handed out again, a right has another key.
    ForgetsTheKey,
    /// A right is handed out to two at once.
    ForgetsTheLease,
    /// An attempt is handed out to two sweeps at once.
    ForgetsTheSweep,
    /// What was done comes again.
    ForgetsDone,
    /// A checkout's name is taken by a second attempt.
    BindsAnybodysPage,
    /// A second attempt is written while the first can be paid.
    OpensTwo,
    /// New attempts are written though the store is stopped.
    NeverStops,
    /// A final state ends no question.
    AsksForEver,
    /// An older question takes back what a message made due.
    TakesBack,
    /// A record is missing in the story.
    LosesALine,
    /// A right tells another sum than was paid.
    TellsTheWrongSum,
    /// It looks whether the order is paid, and writes a little later. Only callers at once can notice.
    LooksFirst,
}

const FAULTS: [Fault; 16] = [
    Fault::OlderWins,
    Fault::BindsTwice,
    Fault::PaysTwice,
    Fault::LatePays,
    Fault::ForgetsEvents,
    Fault::ForgetsTheKey,
    Fault::ForgetsTheLease,
    Fault::ForgetsTheSweep,
    Fault::ForgetsDone,
    Fault::BindsAnybodysPage,
    Fault::OpensTwo,
    Fault::NeverStops,
    Fault::AsksForEver,
    Fault::TakesBack,
    Fault::LosesALine,
    Fault::TellsTheWrongSum,
];

/// A memory ledger with a fault.
struct Wrong {
    inner: MemoryLedger,
    fault: Fault,
    /// What the fault made of the states.
    bent: Mutex<HashMap<AttemptReference, PaymentStatus>>,
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrong({:?})", self.fault)
    }
}

impl Wrong {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// Without a fault on the way.
    #[allow(clippy::unused_self, reason = "the shape that `straight` wants")]
    fn on<'a, T>(&'a self, _call: &'static str, work: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        work
    }

    fn bend(&self, mut attempt: StoredAttempt) -> StoredAttempt {
        if let Some(status) = self.bent.lock().unwrap().get(attempt.reference()) {
            attempt.status = *status;
        }
        if self.has(Fault::AsksForEver) && attempt.status.is_final() && attempt.next_ask.is_none() {
            attempt.next_ask = Some(attempt.expected.created_at);
        }
        attempt
    }

    fn verdict(&self, verdict: Applied, judgement: &Judgement) -> Applied {
        let paid = judgement.evidence().1.value().snapshot.status == PaymentStatus::Captured;
        match (self.fault, verdict) {
            (Fault::OlderWins, Applied::Older) => {
                let (attempt, event) = judgement.evidence();
                let status = event.value().snapshot.status;
                self.bent.lock().unwrap().insert(attempt.clone(), status);
                Applied::Moved
            }
            (Fault::BindsTwice, Applied::Held(HeldReason::TransactionBound))
            | (Fault::PaysTwice, Applied::Held(HeldReason::Excess))
            | (Fault::LatePays, Applied::Held(HeldReason::Late))
                if paid =>
            {
                Applied::Now
            }
            (Fault::ForgetsEvents, Applied::Already) if paid => Applied::Now,
            (_, verdict) => verdict,
        }
    }
}

impl Ledger for Wrong {
    fn expect<'a>(&'a self, expected: &'a ExpectedPayment) -> BoxFuture<'a, Result<Expected, StoreError>> {
        Box::pin(async move {
            let answer = self.inner.expect(expected).await?;
            Ok(match answer {
                Expected::Open(_) if self.has(Fault::OpensTwo) => Expected::Written,
                other => other,
            })
        })
    }

    fn opened<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        opened: &'a Opened,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Binding, StoreError>> {
        Box::pin(async move {
            let binding = self.inner.opened(attempt, opened, at).await?;
            Ok(match binding {
                Binding::Conflict if self.has(Fault::BindsAnybodysPage) => Binding::Now,
                other => other,
            })
        })
    }

    fn attempt<'a>(
        &'a self,
        attempt: &'a AttemptReference,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        Box::pin(async move {
            let found = self.inner.attempt(attempt).await?;
            Ok(found.map(|found| self.bend(found)))
        })
    }

    fn find<'a>(
        &'a self,
        gateway: &'a GatewayId,
        account: &'a MerchantAccount,
        subject: &'a Subject,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        Box::pin(async move {
            let found = self.inner.find(gateway, account, subject).await?;
            Ok(found.map(|found| self.bend(found)))
        })
    }

    fn apply<'a>(&'a self, judgement: &'a Judgement, at: SystemTime) -> BoxFuture<'a, Result<Applied, StoreError>> {
        Box::pin(async move {
            if self.has(Fault::LooksFirst)
                && let Some(stored) = self.inner.attempt(judgement.evidence().0).await?
            {
                let unpaid = self.inner.fulfilment_of(&stored.expected.order).await?.is_none();
                tokio::time::sleep(Duration::from_millis(1)).await;
                let verdict = self.inner.apply(judgement, at).await?;
                let paid = stored.status != PaymentStatus::Captured && verdict == Applied::Already;
                return Ok(if unpaid && paid { Applied::Now } else { verdict });
            }
            let verdict = self.inner.apply(judgement, at).await?;
            Ok(self.verdict(verdict, judgement))
        })
    }

    fn attempts_to_ask<'a>(&'a self, due: &'a AskDue) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>> {
        Box::pin(async move {
            let mut due = due.clone();
            if self.has(Fault::ForgetsTheSweep) {
                due.lease = Duration::ZERO;
            }
            self.inner.attempts_to_ask(&due).await
        })
    }

    fn asked<'a>(
        &'a self,
        seen: &'a StoredAttempt,
        asked: &'a Asked,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let now = self.inner.attempt(seen.reference()).await?;
            let now = now.filter(|_| self.has(Fault::TakesBack));
            self.inner.asked(now.as_ref().unwrap_or(seen), asked, at).await
        })
    }

    fn note<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        note: Note,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            if self.has(Fault::LosesALine) && note == Note::Cancelled {
                // The answer is the right one, and nothing was written.
                let before = self.inner.timeline(attempt).await?;
                if self.inner.attempt(attempt).await?.is_some() && !before.iter().any(|line| line.kind == note.record())
                {
                    return Ok(true);
                }
            }
            self.inner.note(attempt, note, at).await
        })
    }

    fn next_fulfilment(
        &self,
        at: SystemTime,
        lease: Duration,
    ) -> BoxFuture<'_, Result<Option<Fulfilment>, StoreError>> {
        Box::pin(async move {
            let forgets = self.has(Fault::ForgetsTheLease);
            let lease = if forgets { Duration::ZERO } else { lease };
            let mut right = self.inner.next_fulfilment(at, lease).await?;
            let again = right.as_mut().filter(|right| right.deliveries > 1);
            if let Some(right) = again.filter(|_| self.has(Fault::ForgetsTheKey)) {
                let other = AttemptReference::random(kessai::ReferenceFormat::RANDOM_128);
                right.key = FulfilmentKey::of(&other.unwrap());
            }
            Ok(right)
        })
    }

    fn done<'a>(&'a self, key: &'a FulfilmentKey, at: SystemTime) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let first = self.inner.done(key, at).await?;
            Ok(first || self.has(Fault::ForgetsDone))
        })
    }

    fn fulfilment_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Option<Fulfilment>, StoreError>> {
        Box::pin(async move {
            let right = self.inner.fulfilment_of(order).await?;
            Ok(right.map(|mut right| {
                if self.has(Fault::TellsTheWrongSum) {
                    right.amount = kessai::Money::new(right.amount.minor_units() + 1, right.amount.currency());
                }
                right
            }))
        })
    }

    fn set_mode<'a>(&'a self, change: &'a ModeChange, at: SystemTime) -> BoxFuture<'a, Result<Mode, StoreError>> {
        Box::pin(async move {
            let mode = self.inner.set_mode(change, at).await?;
            if self.has(Fault::NeverStops) && change.switch == Switch::Stop {
                let mut back = change.clone();
                back.switch = Switch::Reopen;
                self.inner.set_mode(&back, at).await?;
            }
            Ok(mode)
        })
    }

    straight! { on:
        close(attempt: &'a AttemptReference, why: CloseReason, at: SystemTime) -> ();
        left_to_ask(now: SystemTime) -> u64;
        make_due(attempt: &'a AttemptReference, cue: Cue, at: SystemTime) -> ();
        attempts_of(order: &'a MerchantReference) -> Vec<StoredAttempt>;
        latest(limit: usize) -> Vec<StoredAttempt>;
        timeline(attempt: &'a AttemptReference) -> Vec<Record>;
        held(limit: usize) -> Vec<HeldEvidence>;
        mode() -> Mode;
        note_store(note: &'a StoreNote, at: SystemTime) -> ();
        head() -> Head;
        records(after: u64, limit: usize) -> Vec<KeptRecord>;
        attempts_after(after: u64, which: Which, limit: usize) -> Vec<(u64, StoredAttempt)>;
        window(window: &'a Window, after: Option<WindowCursor>, limit: usize) -> Vec<WindowRow>;
        window_span(window: &'a Window) -> Option<(u64, u64)>;
    }
}

struct WrongOnes(Fault);

impl LedgerSource for WrongOnes {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>> {
        let ledger = Wrong {
            inner: MemoryLedger::new(),
            fault: self.0,
            bent: Mutex::default(),
        };
        Box::pin(async move { Ok(Arc::new(ledger) as Arc<dyn Ledger>) })
    }

    fn reopen(&self, _: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>> {
        Box::pin(async { Ok(None) })
    }
}

fn home(fault: Fault) -> Home {
    Home {
        name: "wrong",
        source: Arc::new(WrongOnes(fault)),
        keeps: false,
        deaths: 50,
    }
}

async fn run_with(fault: Fault) -> Result<(), Box<run::Failure>> {
    let home = home(fault);
    // The same histories for each: a fault that is caught by luck is not caught.
    let maker = |number: usize| history(number as u64, 500, 50);
    run::all(&home, 10, 100, Arc::new(maker)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_wrong_ledger_is_caught_and_the_history_cut_to_a_few_steps() {
    run_with(Fault::None)
        .await
        .expect("without a fault it is a good ledger");
    for fault in FAULTS {
        let start = Instant::now();
        let failure = run_with(fault).await.expect_err(&format!("{fault:?} was not caught"));
        println!(
            "{fault:?}: history {} at step {}, cut to {} in {:.1?}: {}",
            failure.number,
            failure.prefix,
            failure.cut.len(),
            start.elapsed(),
            failure.cut_found
        );
        assert!(failure.cut.len() <= 8, "{fault:?} needs few steps:\n{failure}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_that_looks_first_and_writes_later_is_caught_by_callers_at_once() {
    let mut caught = None;
    for number in 0..50 {
        let mut random = Random::new(number);
        if let Err(found) = races::on_one_ledger(&home(Fault::LooksFirst), &mut random).await {
            caught = Some((number, found));
            break;
        }
    }
    let (number, found) = caught.expect("two callers who were both told to ship were not noticed");
    println!(
        "caught on ledger {number}: {}",
        found.lines().next().unwrap_or_default()
    );
}
