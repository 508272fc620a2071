//! [`MemoryLedger`]: the same memory without a disk, for tests.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::time::{kept, lease_end, micros};
use crate::event::Subject;
use crate::ledger::rules::{self, Situation};
use crate::ledger::{
    Applied, AskDue, Asked, Binding, CloseReason, Cue, Expected, ExpectedPayment, Fulfilment, Head, HeldEvidence,
    Judgement, KeptRecord, Ledger, Mode, ModeChange, Note, Opened, Record, RecordKind, StoreError, StoreNote,
    StoredAttempt, Which, Window, WindowCursor, WindowRow,
};
use crate::payment::PaymentStatus;
use crate::reference::{
    AttemptReference, FulfilmentKey, GatewayId, GatewayReference, MerchantAccount, MerchantReference,
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
                state.record(at, Some(attempt), RecordKind::Closed { refused })?;
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
        self.turn(move |state| state.attempts_to_ask(due))
    }

    fn left_to_ask(&self, now: SystemTime) -> BoxFuture<'_, Result<u64, StoreError>> {
        self.turn(move |state| {
            let now = kept(now)?;
            let due = state.attempts.values().filter(|row| row.is_due(now));
            Ok(due.count() as u64)
        })
    }

    fn asked<'a>(
        &'a self,
        seen: &'a StoredAttempt,
        asked: &'a Asked,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.turn(move |state| {
            let at = kept(at)?;
            let next = asked.next.map(kept).transpose()?;
            let row = state.row(seen.reference())?;
            let after = rules::after_question(
                &row.attempt,
                seen,
                &Asked {
                    answered: asked.answered,
                    next,
                },
                at,
            );
            row.attempt.asks = after.asks;
            row.attempt.asked_at = after.asked_at;
            row.attempt.next_ask = after.next_ask;
            if after.gives_back {
                row.ask_lease_until = None;
            }
            Ok(())
        })
    }

    fn make_due<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        cue: Cue,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.turn(move |state| {
            let at = kept(at)?;
            let row = state.row(attempt)?;
            if let Some(due) = rules::due_by_cue(&row.attempt, cue, at) {
                row.attempt.next_ask = Some(kept(due)?);
            }
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
                state.record(at, Some(attempt), note.record())?;
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
            state.record(at, Some(&attempt), RecordKind::Fulfilled { key: key.clone() })?;
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
        self.turn(move |state| Ok(state.timeline(attempt)))
    }

    fn held(&self, limit: usize) -> BoxFuture<'_, Result<Vec<HeldEvidence>, StoreError>> {
        self.turn(move |state| {
            let held = state.records.iter().rev().map(|(record, _)| record);
            let held = held.filter(|record| matches!(record.kind, RecordKind::Held { .. }));
            let evidence = |record: &Record| {
                let attempt = record.attempt.clone()?;
                let order = state.attempts.get(&attempt)?.attempt.expected.order.clone();
                Some(HeldEvidence::new(attempt, order, record.clone()))
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

    fn mode(&self) -> BoxFuture<'_, Result<Mode, StoreError>> {
        self.turn(|state| Ok(state.mode.clone()))
    }

    fn set_mode<'a>(&'a self, change: &'a ModeChange, at: SystemTime) -> BoxFuture<'a, Result<Mode, StoreError>> {
        self.turn(move |state| {
            let at = kept(at)?;
            let ModeChange { switch, actor, reason } = change.clone();
            state.record(at, None, RecordKind::ModeChanged { switch, actor, reason })?;
            state.mode = state.mode.after(change, at);
            Ok(state.mode.clone())
        })
    }

    fn note_store<'a>(&'a self, note: &'a StoreNote, at: SystemTime) -> BoxFuture<'a, Result<(), StoreError>> {
        self.turn(move |state| state.record(kept(at)?, None, note.record()))
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>> {
        self.turn(|state| Ok(state.head()))
    }

    fn records(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<KeptRecord>, StoreError>> {
        self.turn(move |state| {
            let behind = state.records.iter().filter(|(record, _)| record.position > after);
            Ok(behind.take(limit).map(|(_, kept)| kept.clone()).collect())
        })
    }

    fn attempts_after(
        &self,
        after: u64,
        which: Which,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(u64, StoredAttempt)>, StoreError>> {
        self.turn(move |state| {
            let placed = (1_u64..).zip(&state.written).filter(|(place, _)| *place > after);
            let stored = placed.filter_map(|(place, attempt)| Some((place, state.stored(attempt)?)));
            let wanted = stored.filter(|(_, attempt)| which == Which::All || !attempt.status.is_final());
            Ok(wanted.take(limit).collect())
        })
    }

    fn window<'a>(
        &'a self,
        window: &'a Window,
        after: Option<WindowCursor>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WindowRow>, StoreError>> {
        self.turn(move |state| {
            let mut firsts: HashMap<&AttemptReference, WindowCursor> = HashMap::new();
            for (record, kept) in &state.records {
                let Some(attempt) = record.attempt.as_ref().filter(|_| window.contains(record.at)) else {
                    continue;
                };
                let cursor = WindowCursor {
                    at_micros: kept.at_micros,
                    position: record.position,
                };
                let first = firsts.entry(attempt).or_insert(cursor);
                *first = cursor.min(*first);
            }
            let mut rows: Vec<_> = firsts.into_iter().map(|(attempt, cursor)| (cursor, attempt)).collect();
            rows.retain(|(cursor, _)| after.is_none_or(|after| *cursor > after));
            rows.sort_by_key(|(cursor, _)| *cursor);
            let row = |(cursor, attempt): (WindowCursor, &AttemptReference)| {
                let stored = state.stored(attempt)?;
                let right = state.right_of(&stored.expected.order).cloned();
                Some(WindowRow::new(cursor, stored, state.timeline(attempt)).with_right(right))
            };
            Ok(rows.into_iter().take(limit).filter_map(row).collect())
        })
    }

    fn window_span<'a>(&'a self, window: &'a Window) -> BoxFuture<'a, Result<Option<(u64, u64)>, StoreError>> {
        self.turn(move |state| {
            let inside = state.records.iter().filter(|(record, _)| window.contains(record.at));
            let positions = inside.map(|(record, _)| record.position);
            Ok(positions.clone().min().zip(positions.max()))
        })
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
    heard: HashSet<(AttemptReference, String)>,
    notes: HashSet<(AttemptReference, Note)>,
    /// Each as it is read, and as it is kept.
    records: Vec<(Record, KeptRecord)>,
    mode: Mode,
}

struct Row {
    attempt: StoredAttempt,
    ask_lease_until: Option<SystemTime>,
}

impl Row {
    /// Is it to be asked about, and handed out to nobody?
    fn is_due(&self, now: SystemTime) -> bool {
        let free = self.ask_lease_until.is_none_or(|lease_until| lease_until <= now);
        free && self.attempt.next_ask.is_some_and(|next| next <= now)
    }
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
        if let Some(stopped) = &self.mode.stopped {
            return Ok(Expected::Stopped(stopped.clone()));
        }
        if let Some(paid) = self.right_of(&expected.order) {
            return Ok(Expected::Paid(paid.attempt.clone()));
        }
        let of_order = self.attempts_of(&expected.order);
        if let Some(open) = of_order.into_iter().find(|other| rules::blocks(other, at)) {
            return Ok(Expected::Open(Box::new(open)));
        }
        if self.attempts.contains_key(&expected.attempt) {
            return Err(StoreError::written_before());
        }
        let row = Row {
            attempt,
            ask_lease_until: None,
        };
        self.attempts.insert(expected.attempt.clone(), row);
        self.written.push(expected.attempt.clone());
        self.record(at, Some(&expected.attempt), RecordKind::expected(expected))?;
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
        let record = RecordKind::opened(&stored, opened);
        self.bind(attempt, opened.checkout.clone(), opened.payment.clone())?;
        let row = self.row(attempt)?;
        row.attempt.opened = true;
        row.attempt.expires_at = expires_at.unwrap_or(row.attempt.expires_at);
        row.attempt.link = row.attempt.link.take().or_else(|| opened.link.clone());
        self.record(at, Some(attempt), record)?;
        Ok(binding)
    }

    fn apply(&mut self, judgement: &Judgement, at: SystemTime) -> Result<Applied, StoreError> {
        let at = kept(at)?;
        let (attempt, event) = judgement.evidence();
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
        let heard = (attempt.clone(), rules::heard_as(&stored, said).into_owned());
        let situation = Situation {
            attempt: &stored,
            paid_by: self.right_of(&stored.expected.order).map(|right| &right.attempt),
            transaction_of: rules::owner_of_transaction(attempt, owners),
            heard_before: self.heard.contains(&heard),
        };
        let decision = rules::decide(situation, judgement);
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
            self.record(at, Some(attempt), kind)?;
        }
        Ok(decision.verdict)
    }

    fn attempts_to_ask(&mut self, due: &AskDue) -> Result<Vec<StoredAttempt>, StoreError> {
        let (now, until) = (kept(due.now)?, lease_end(due.now, due.lease)?);
        let mut ready: Vec<(SystemTime, AttemptReference)> = Vec::new();
        for attempt in &self.written {
            let Some(row) = self.attempts.get(attempt) else {
                continue;
            };
            let wanted = row.is_due(now) && row.attempt.expected.gateway == due.gateway;
            if let Some(next) = row.attempt.next_ask.filter(|_| wanted) {
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
            row.attempt.asked_at = Some(now);
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
    fn record(
        &mut self,
        at: SystemTime,
        attempt: Option<&AttemptReference>,
        kind: RecordKind,
    ) -> Result<(), StoreError> {
        let body =
            serde_json::to_string(&kind).map_err(|error| StoreError::new("a record cannot be written", error))?;
        let at_micros = micros(at)?;
        let (name, word) = (attempt.map(AttemptReference::as_str), kind.as_str());
        let head = self.head().then(at_micros, name, word, &body);
        let kept = KeptRecord {
            position: head.count,
            at_micros,
            attempt: name.map(str::to_owned),
            kind: word.to_owned(),
            body,
            digest: head.digest,
        };
        self.records
            .push((Record::new(head.count, at, attempt.cloned(), kind), kept));
        Ok(())
    }

    fn head(&self) -> Head {
        self.records.last().map_or_else(Head::empty, |(_, kept)| Head {
            count: kept.position,
            digest: kept.digest,
        })
    }

    fn timeline(&self, attempt: &AttemptReference) -> Vec<Record> {
        let own = self.records.iter().map(|(record, _)| record);
        own.filter(|record| record.attempt.as_ref() == Some(attempt))
            .cloned()
            .collect()
    }
}
