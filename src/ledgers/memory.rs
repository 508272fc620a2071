//! [`MemoryLedger`]: the same memory without a disk, for tests.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::time::{kept, lease_end};
use crate::event::Subject;
use crate::ledger::rules::{self, Situation};
use crate::ledger::{
    Applied, AskDue, Asked, Binding, CloseReason, Expected, ExpectedPayment, Fulfilment, HeldEvidence, Judgement,
    Ledger, Note, Opened, Record, RecordKind, StoreError, StoredAttempt,
};
use crate::payment::PaymentStatus;
use crate::reference::{
    AttemptReference, EventId, FulfilmentKey, GatewayId, GatewayReference, MerchantAccount, MerchantReference,
};
use crate::transport::BoxFuture;

/// A ledger that forgets everything when the process ends. For tests: a store that takes money with it loses orders.
///
/// ```
/// let ledger = std::sync::Arc::new(kessai::ledgers::MemoryLedger::new());
/// # let _: std::sync::Arc<dyn kessai::Ledger> = ledger;
/// ```
#[derive(Default)]
pub struct MemoryLedger {
    state: Mutex<State>,
}

impl MemoryLedger {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every operation is one turn under one lock, which is never held while something is waited for.
    fn turn<'a, T: 'a>(
        &'a self,
        work: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move { work(&mut self.lock()) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        write!(
            f,
            "MemoryLedger({} attempts, {} records)",
            state.attempts.len(),
            state.records.len()
        )
    }
}

impl Ledger for MemoryLedger {
    fn expect<'a>(&'a self, expected: &'a ExpectedPayment) -> BoxFuture<'a, Result<Expected, StoreError>> {
        self.turn(move |state| state.expect(expected))
    }

    fn opened<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        opened: &'a Opened,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Binding, StoreError>> {
        self.turn(move |state| state.opened(attempt, opened, at))
    }

    fn close<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        why: CloseReason,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.turn(move |state| {
            let at = kept(at)?;
            let row = state.row(attempt)?;
            if rules::may_close(&row.attempt) {
                row.attempt.status = PaymentStatus::Failed;
                row.attempt.next_ask = None;
                row.ask_lease_until = None;
                let refused = why == CloseReason::Refused;
                state.record(at, attempt, RecordKind::Closed { refused });
            }
            Ok(())
        })
    }

    fn attempt<'a>(
        &'a self,
        attempt: &'a AttemptReference,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        self.turn(move |state| Ok(state.stored(attempt)))
    }

    fn find<'a>(
        &'a self,
        gateway: &'a GatewayId,
        account: &'a MerchantAccount,
        subject: &'a Subject,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        self.turn(move |state| {
            let by_name = |name: &Option<GatewayReference>, what| {
                let name = name.clone()?;
                let owner = state.names.get(&(gateway.clone(), account.clone(), what, name))?;
                state.stored(owner)
            };
            let ours = subject.attempt.as_ref().and_then(|attempt| state.stored(attempt));
            Ok(ours
                .or_else(|| by_name(&subject.checkout, Named::Checkout))
                .or_else(|| by_name(&subject.payment, Named::Payment)))
        })
    }

    fn apply<'a>(&'a self, judgement: &'a Judgement, at: SystemTime) -> BoxFuture<'a, Result<Applied, StoreError>> {
        self.turn(move |state| state.apply(judgement, at))
    }

    fn attempts_to_ask<'a>(&'a self, due: &'a AskDue) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>> {
        self.turn(move |state| state.attempts_to_ask(*due))
    }

    fn asked<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        asked: &'a Asked,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.turn(move |state| {
            kept(at)?;
            let next = asked.next.map(kept).transpose()?;
            let row = state.row(attempt)?;
            row.attempt.asks = row.attempt.asks.saturating_add(1);
            row.attempt.next_ask = next;
            row.ask_lease_until = None;
            Ok(())
        })
    }

    fn note<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        note: Note,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.turn(move |state| {
            let at = kept(at)?;
            state.row(attempt)?;
            let first = state.notes.insert((attempt.clone(), note));
            if first {
                state.record(at, attempt, note.record());
            }
            Ok(first)
        })
    }

    fn next_fulfilment(
        &self,
        at: SystemTime,
        lease: Duration,
    ) -> BoxFuture<'_, Result<Option<Fulfilment>, StoreError>> {
        self.turn(move |state| {
            let (at, until) = (kept(at)?, lease_end(at, lease)?);
            let due = state.rights.iter_mut().find(|right| {
                right.fulfilment.done_at.is_none() && right.lease_until.is_none_or(|lease_until| lease_until <= at)
            });
            Ok(due.map(|right| {
                right.lease_until = Some(until);
                right.fulfilment.deliveries = right.fulfilment.deliveries.saturating_add(1);
                right.fulfilment.clone()
            }))
        })
    }

    fn done<'a>(&'a self, key: &'a FulfilmentKey, at: SystemTime) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.turn(move |state| {
            let at = kept(at)?;
            let right = state.rights.iter_mut().find(|right| right.fulfilment.key == *key);
            let fulfilment = &mut right.ok_or(NO_SUCH_RIGHT)?.fulfilment;
            if fulfilment.done_at.is_some() {
                return Ok(false);
            }
            fulfilment.done_at = Some(at);
            let attempt = fulfilment.attempt.clone();
            state.record(at, &attempt, RecordKind::Fulfilled { key: key.clone() });
            Ok(true)
        })
    }

    fn attempts_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>> {
        self.turn(move |state| Ok(state.attempts_of(order)))
    }

    fn latest(&self, limit: usize) -> BoxFuture<'_, Result<Vec<StoredAttempt>, StoreError>> {
        self.turn(move |state| {
            let newest_first = state.written.iter().rev().take(limit);
            Ok(newest_first.filter_map(|attempt| state.stored(attempt)).collect())
        })
    }

    fn timeline<'a>(&'a self, attempt: &'a AttemptReference) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        self.turn(move |state| {
            let own = state.records.iter().filter(|record| record.attempt == *attempt);
            Ok(own.cloned().collect())
        })
    }

    fn held(&self, limit: usize) -> BoxFuture<'_, Result<Vec<HeldEvidence>, StoreError>> {
        self.turn(move |state| {
            let held = state.records.iter().rev();
            let held = held.filter(|record| matches!(record.kind, RecordKind::Held { .. }));
            let evidence = |record: &Record| {
                let order = state.attempts.get(&record.attempt)?.attempt.expected.order.clone();
                Some(HeldEvidence::new(order, record.clone()))
            };
            Ok(held.take(limit).filter_map(evidence).collect())
        })
    }

    fn fulfilment_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Option<Fulfilment>, StoreError>> {
        self.turn(move |state| Ok(state.right_of(order).cloned()))
    }
}

const NO_SUCH_ATTEMPT: StoreError = StoreError::missing("there is no such attempt");
const NO_SUCH_RIGHT: StoreError = StoreError::missing("there is no such right to fulfil");

#[derive(Default)]
struct State {
    attempts: HashMap<AttemptReference, Row>,
    /// In the order in which they were written.
    written: Vec<AttemptReference>,
    names: HashMap<(GatewayId, MerchantAccount, Named, GatewayReference), AttemptReference>,
    rights: Vec<Right>,
    heard: HashSet<(AttemptReference, EventId)>,
    notes: HashSet<(AttemptReference, Note)>,
    records: Vec<Record>,
}

struct Row {
    attempt: StoredAttempt,
    ask_lease_until: Option<SystemTime>,
}

struct Right {
    fulfilment: Fulfilment,
    lease_until: Option<SystemTime>,
}

/// The gateway's names live in two worlds: a checkout and a payment may be called the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Named {
    Checkout,
    Payment,
}

impl State {
    fn expect(&mut self, expected: &ExpectedPayment) -> Result<Expected, StoreError> {
        let at = kept(expected.created_at)?;
        let mut attempt = StoredAttempt::new(expected.clone());
        attempt.expires_at = kept(attempt.expires_at)?;
        attempt.next_ask = attempt.next_ask.map(kept).transpose()?;
        if let Some(paid) = self.right_of(&expected.order) {
            return Ok(Expected::Paid(paid.attempt.clone()));
        }
        let of_order = self.attempts_of(&expected.order);
        if let Some(open) = of_order.into_iter().find(|other| rules::blocks(other, at)) {
            return Ok(Expected::Open(Box::new(open)));
        }
        if self.attempts.contains_key(&expected.attempt) {
            return Err(StoreError::missing("the attempt was written before"));
        }
        let row = Row {
            attempt,
            ask_lease_until: None,
        };
        self.attempts.insert(expected.attempt.clone(), row);
        self.written.push(expected.attempt.clone());
        self.record(at, &expected.attempt, RecordKind::expected(expected));
        Ok(Expected::Written)
    }

    fn opened(&mut self, attempt: &AttemptReference, opened: &Opened, at: SystemTime) -> Result<Binding, StoreError> {
        let at = kept(at)?;
        let expires_at = opened.expires_at.map(kept).transpose()?;
        let stored = self.stored(attempt).ok_or(NO_SUCH_ATTEMPT)?;
        let names = [
            (Named::Checkout, opened.checkout.clone()),
            (Named::Payment, opened.payment.clone()),
        ];
        let owners = names.iter().filter_map(|(what, name)| {
            let name = name.clone()?;
            let key = (
                stored.expected.gateway.clone(),
                stored.expected.account.clone(),
                *what,
                name,
            );
            self.names.get(&key)
        });
        let binding = rules::bind_opened(&stored, opened, owners);
        if binding != Binding::Now {
            return Ok(binding);
        }
        self.bind(attempt, opened.checkout.clone(), opened.payment.clone())?;
        let row = self.row(attempt)?;
        row.attempt.opened = true;
        row.attempt.expires_at = expires_at.unwrap_or(row.attempt.expires_at);
        row.attempt.link = row.attempt.link.take().or_else(|| opened.link.clone());
        let checkout = row.attempt.checkout.clone();
        self.record(at, attempt, RecordKind::Opened { checkout });
        Ok(binding)
    }

    fn apply(&mut self, judgement: &Judgement, at: SystemTime) -> Result<Applied, StoreError> {
        let at = kept(at)?;
        let (attempt, event) = match (judgement.evidence(), judgement) {
            (Some(evidence), _) => evidence,
            (None, Judgement::Ask(reason)) => return Ok(Applied::Ask(*reason)),
            (None, _) => return Err(StoreError::missing("a judgement without evidence")),
        };
        let said = event.value();
        let stored = self.stored(attempt).ok_or(NO_SUCH_ATTEMPT)?;
        let owner = |what, name: &Option<GatewayReference>| {
            let key = (said.gateway.clone(), said.account.clone(), what, name.clone()?);
            self.names.get(&key)
        };
        let owners = [
            owner(Named::Payment, &said.subject.payment),
            owner(Named::Checkout, &said.subject.checkout),
        ];
        let heard = (attempt.clone(), said.id.clone());
        let situation = Situation {
            attempt: &stored,
            paid_by: self.right_of(&stored.expected.order).map(|right| &right.attempt),
            transaction_of: rules::owner_of_transaction(attempt, owners),
            heard_before: self.heard.contains(&heard),
        };
        let decision = rules::decide(situation, judgement);
        if matches!(decision.verdict, Applied::Ask(_)) {
            return Ok(decision.verdict);
        }
        self.bind(attempt, decision.bind_checkout, decision.bind_payment)?;
        if let Some(status) = decision.status {
            let row = self.row(attempt)?;
            row.attempt.status = status;
            row.attempt.asks = 0;
            if status.is_final() {
                row.attempt.next_ask = None;
                row.ask_lease_until = None;
            }
        }
        if decision.fulfilment.is_some() {
            self.rights.push(Right {
                fulfilment: Fulfilment::of(&stored.expected),
                lease_until: None,
            });
        }
        self.heard.insert(heard);
        for kind in decision.records {
            self.record(at, attempt, kind);
        }
        Ok(decision.verdict)
    }

    fn attempts_to_ask(&mut self, due: AskDue) -> Result<Vec<StoredAttempt>, StoreError> {
        let (now, until) = (kept(due.now)?, lease_end(due.now, due.lease)?);
        let mut ready: Vec<(SystemTime, AttemptReference)> = Vec::new();
        for attempt in &self.written {
            let Some(row) = self.attempts.get(attempt) else {
                continue;
            };
            let free = row.ask_lease_until.is_none_or(|lease_until| lease_until <= now);
            if let Some(next) = row.attempt.next_ask.filter(|next| *next <= now && free) {
                ready.push((next, attempt.clone()));
            }
        }
        // Stable: of those due at one time the one written first comes first.
        ready.sort_by_key(|(next, _)| *next);
        ready.truncate(due.limit);
        let mut handed_out = Vec::with_capacity(ready.len());
        for (_, attempt) in ready {
            let row = self.row(&attempt)?;
            row.ask_lease_until = Some(until);
            handed_out.push(row.attempt.clone());
        }
        Ok(handed_out)
    }

    fn bind(
        &mut self,
        attempt: &AttemptReference,
        checkout: Option<GatewayReference>,
        payment: Option<GatewayReference>,
    ) -> Result<(), StoreError> {
        let Row { attempt: stored, .. } = self.attempts.get_mut(attempt).ok_or(NO_SUCH_ATTEMPT)?;
        for (what, place, name) in [
            (Named::Checkout, &mut stored.checkout, checkout),
            (Named::Payment, &mut stored.payment, payment),
        ] {
            if let Some(name) = name {
                let (gateway, account) = (stored.expected.gateway.clone(), stored.expected.account.clone());
                self.names
                    .insert((gateway, account, what, name.clone()), attempt.clone());
                *place = Some(name);
            }
        }
        Ok(())
    }

    fn row(&mut self, attempt: &AttemptReference) -> Result<&mut Row, StoreError> {
        self.attempts.get_mut(attempt).ok_or(NO_SUCH_ATTEMPT)
    }

    fn stored(&self, attempt: &AttemptReference) -> Option<StoredAttempt> {
        self.attempts.get(attempt).map(|row| row.attempt.clone())
    }

    fn attempts_of(&self, order: &MerchantReference) -> Vec<StoredAttempt> {
        let all = self.written.iter().filter_map(|attempt| self.attempts.get(attempt));
        let of_order = all.filter(|row| row.attempt.expected.order == *order);
        of_order.map(|row| row.attempt.clone()).collect()
    }

    fn right_of(&self, order: &MerchantReference) -> Option<&Fulfilment> {
        let mut all = self.rights.iter().map(|right| &right.fulfilment);
        all.find(|fulfilment| fulfilment.order == *order)
    }

    /// The one place where a record is written.
    fn record(&mut self, at: SystemTime, attempt: &AttemptReference, kind: RecordKind) {
        let position = u64::try_from(self.records.len()).unwrap_or(u64::MAX).saturating_add(1);
        self.records.push(Record::new(position, at, attempt.clone(), kind));
    }
}
