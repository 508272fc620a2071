//! The operations that write. Each runs inside a transaction that somebody else began and commits.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, Params};

use super::{Trouble, read};
use crate::ledger::rules::{self, Situation};
use crate::ledger::{
    Applied, AskDue, Asked, Binding, CloseReason, Cue, Expected, ExpectedPayment, Fulfilment, Judgement, Mode,
    ModeChange, Note, Opened, RecordKind, StoreError, StoreNote, StoredAttempt,
};
use crate::ledgers::time::{kept, lease_end, micros, time_of};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, FulfilmentKey, GatewayReference};

pub(super) fn expect(db: &Connection, expected: &ExpectedPayment) -> Result<Expected, Trouble> {
    let new = StoredAttempt::new(expected.clone());
    let (at, expires_at) = (micros(expected.created_at)?, micros(new.expires_at)?);
    let next_ask = new.next_ask.map(micros).transpose()?;
    if let Some(stopped) = read::mode(db)?.stopped {
        return Ok(Expected::Stopped(stopped));
    }
    if let Some(payer) = read::payer_of(db, &expected.order)? {
        return Ok(Expected::Paid(payer));
    }
    let of_order = read::attempts_of(db, &expected.order)?;
    let now = time_of(at)?;
    if let Some(open) = of_order.into_iter().find(|other| rules::blocks(other, now)) {
        return Ok(Expected::Open(Box::new(open)));
    }
    let json = serde_json::to_string(expected).map_err(|error| StoreError::new("it cannot be written down", error))?;
    let sql = "INSERT INTO attempts (attempt, merchant_order, gateway, account, expected, created_at, status, expires_at, \
               next_ask) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (attempt) DO NOTHING";
    let row = (
        expected.attempt.as_str(),
        expected.order.as_str(),
        expected.gateway.as_str(),
        expected.account.as_str(),
        json,
        at,
        new.status.as_str(),
        expires_at,
        next_ask,
    );
    if db.prepare_cached(sql)?.execute(row)? == 0 {
        return Err(StoreError::written_before().into());
    }
    record(db, at, Some(&expected.attempt), &RecordKind::expected(expected))?;
    Ok(Expected::Written)
}

pub(super) fn opened(
    db: &Connection,
    attempt: &AttemptReference,
    opened: &Opened,
    at: SystemTime,
) -> Result<Binding, Trouble> {
    let at = micros(at)?;
    let stored = stored(db, attempt)?;
    let ExpectedPayment { gateway, account, .. } = &stored.expected;
    let owners = [
        read::owner_of_checkout(db, gateway, account, opened.checkout.as_ref())?,
        read::owner_of_payment(db, gateway, account, opened.payment.as_ref())?,
    ];
    let binding = rules::bind_opened(&stored, opened, owners.iter().flatten());
    if binding != Binding::Now {
        return Ok(binding);
    }
    let expires_at = micros(opened.expires_at.unwrap_or(stored.expires_at))?;
    bind(db, attempt, opened.checkout.as_ref(), opened.payment.as_ref())?;
    let link = opened.link.as_ref().map(serde_json::to_string).transpose();
    let link = link.map_err(|_| StoreError::missing("the link cannot be written down"))?;
    let sql = "UPDATE attempts SET opened = 1, expires_at = ?2, link = coalesce(link, ?3) WHERE attempt = ?1";
    run(db, sql, (attempt.as_str(), expires_at, link))?;
    record(db, at, Some(attempt), &RecordKind::opened(&stored, opened))?;
    Ok(binding)
}

pub(super) fn close(
    db: &Connection,
    attempt: &AttemptReference,
    why: CloseReason,
    at: SystemTime,
) -> Result<(), Trouble> {
    let at = micros(at)?;
    if !rules::may_close(&stored(db, attempt)?) {
        return Ok(());
    }
    let sql = "UPDATE attempts SET status = ?2, next_ask = NULL, ask_lease_until = NULL WHERE attempt = ?1";
    run(db, sql, [attempt.as_str(), PaymentStatus::Failed.as_str()])?;
    let refused = why == CloseReason::Refused;
    record(db, at, Some(attempt), &RecordKind::Closed { refused })
}

pub(super) fn apply(db: &Connection, judgement: &Judgement, at: SystemTime) -> Result<Applied, Trouble> {
    let at = micros(at)?;
    let (attempt, event) = judgement.evidence();
    let said = event.value();
    let stored = stored(db, attempt)?;
    let heard_as = rules::heard_as(&stored, said);
    let paid_by = read::payer_of(db, &stored.expected.order)?;
    let owners = [
        read::owner_of_payment(db, &said.gateway, &said.account, said.subject.payment.as_ref())?,
        read::owner_of_checkout(db, &said.gateway, &said.account, said.subject.checkout.as_ref())?,
    ];
    let situation = Situation {
        attempt: &stored,
        paid_by: paid_by.as_ref(),
        transaction_of: rules::owner_of_transaction(attempt, owners.each_ref().map(Option::as_ref)),
        heard_before: read::heard(db, attempt, &heard_as)?,
    };
    let decision = rules::decide(situation, judgement);
    bind(
        db,
        attempt,
        decision.bind_checkout.as_ref(),
        decision.bind_payment.as_ref(),
    )?;
    if let Some(status) = decision.status {
        let sql = if status.is_final() {
            "UPDATE attempts SET status = ?2, asks = 0, next_ask = NULL, ask_lease_until = NULL WHERE attempt = ?1"
        } else {
            "UPDATE attempts SET status = ?2, asks = 0 WHERE attempt = ?1"
        };
        run(db, sql, [attempt.as_str(), status.as_str()])?;
    }
    if let Some(key) = &decision.fulfilment {
        let sql = "INSERT INTO fulfilments (merchant_order, attempt, key) VALUES (?1, ?2, ?3)";
        run(
            db,
            sql,
            [stored.expected.order.as_str(), attempt.as_str(), key.as_str()],
        )?;
    }
    let sql = "INSERT OR IGNORE INTO events_heard (attempt, event) VALUES (?1, ?2)";
    run(db, sql, [attempt.as_str(), &heard_as])?;
    for kind in &decision.records {
        record(db, at, Some(attempt), kind)?;
    }
    Ok(decision.verdict)
}

/// The inner error is about rows that cannot be read. What was written stays then: only these are reserved, so that the next call passes over
/// them.
pub(super) fn attempts_to_ask(
    db: &Connection,
    due: &AskDue,
) -> Result<Result<Vec<StoredAttempt>, StoreError>, Trouble> {
    let (now, until) = (micros(due.now)?, micros(lease_end(due.now, due.lease)?)?);
    let (mut attempts, mut damage) = (Vec::new(), None);
    for (seq, read) in read::due(db, &due.gateway, now, due.limit)? {
        match read {
            Ok(attempt) => attempts.push(attempt),
            Err(lost) => {
                run(
                    db,
                    "UPDATE attempts SET ask_lease_until = ?2 WHERE seq = ?1",
                    (seq, until),
                )?;
                damage = Some(lost.into_store_error());
            }
        }
    }
    if let Some(damage) = damage {
        return Ok(Err(damage));
    }
    for attempt in &mut attempts {
        let sql = "UPDATE attempts SET asked_at = ?2, ask_lease_until = ?3 WHERE attempt = ?1";
        run(db, sql, (attempt.reference().as_str(), now, until))?;
        attempt.asked_at = Some(time_of(now)?);
    }
    Ok(Ok(attempts))
}

pub(super) fn asked(db: &Connection, seen: &StoredAttempt, asked: &Asked, at: SystemTime) -> Result<(), Trouble> {
    let at = kept(at)?;
    let next = asked.next.map(kept).transpose()?;
    let attempt = seen.reference();
    let after = rules::after_question(
        &stored(db, attempt)?,
        seen,
        &Asked {
            answered: asked.answered,
            next,
        },
        at,
    );
    let (asked_at, next_ask) = (
        after.asked_at.map(micros).transpose()?,
        after.next_ask.map(micros).transpose()?,
    );
    let sql = "UPDATE attempts SET asks = ?2, asked_at = ?3, next_ask = ?4, \
               ask_lease_until = CASE WHEN ?5 THEN NULL ELSE ask_lease_until END WHERE attempt = ?1";
    run(
        db,
        sql,
        (attempt.as_str(), after.asks, asked_at, next_ask, after.gives_back),
    )
}

pub(super) fn make_due(db: &Connection, attempt: &AttemptReference, cue: Cue, at: SystemTime) -> Result<(), Trouble> {
    let Some(due) = rules::due_by_cue(&stored(db, attempt)?, cue, kept(at)?) else {
        return Ok(());
    };
    let sql = "UPDATE attempts SET next_ask = ?2 WHERE attempt = ?1";
    run(db, sql, (attempt.as_str(), micros(due)?))
}

pub(super) fn note(db: &Connection, attempt: &AttemptReference, note: Note, at: SystemTime) -> Result<bool, Trouble> {
    let at = micros(at)?;
    stored(db, attempt)?;
    let sql = "INSERT OR IGNORE INTO notes (attempt, note) VALUES (?1, ?2)";
    let first = db.prepare_cached(sql)?.execute([attempt.as_str(), note.as_str()])? > 0;
    if first {
        record(db, at, Some(attempt), &note.record())?;
    }
    Ok(first)
}

/// The inner error is about a right that cannot be read. What was written stays then: that one is reserved, so that the next call passes over
/// it.
pub(super) fn next_fulfilment(
    db: &Connection,
    at: SystemTime,
    lease: Duration,
) -> Result<Result<Option<Fulfilment>, StoreError>, Trouble> {
    let until = micros(lease_end(at, lease)?)?;
    let Some((seq, read)) = read::fulfilment_to_do(db, micros(at)?)? else {
        return Ok(Ok(None));
    };
    let mut fulfilment = match read {
        Ok(fulfilment) => fulfilment,
        Err(lost) => {
            run(
                db,
                "UPDATE fulfilments SET lease_until = ?2 WHERE seq = ?1",
                (seq, until),
            )?;
            return Ok(Err(lost.into_store_error()));
        }
    };
    fulfilment.deliveries = fulfilment.deliveries.saturating_add(1);
    let sql = "UPDATE fulfilments SET lease_until = ?2, deliveries = ?3 WHERE key = ?1";
    run(db, sql, (fulfilment.key.as_str(), until, fulfilment.deliveries))?;
    Ok(Ok(Some(fulfilment)))
}

pub(super) fn done(db: &Connection, key: &FulfilmentKey, at: SystemTime) -> Result<bool, Trouble> {
    let at = micros(at)?;
    let (attempt, before) = read::right(db, key)?.ok_or(StoreError::missing("there is no such right to fulfil"))?;
    if before {
        return Ok(false);
    }
    let sql = "UPDATE fulfilments SET done_at = ?2 WHERE key = ?1";
    run(db, sql, (key.as_str(), at))?;
    record(db, at, Some(&attempt), &RecordKind::Fulfilled { key: key.clone() })?;
    Ok(true)
}

pub(super) fn set_mode(db: &Connection, change: &ModeChange, at: SystemTime) -> Result<Mode, Trouble> {
    let at = micros(at)?;
    let mode = read::mode(db)?.after(change, time_of(at)?);
    let body = serde_json::to_string(&mode).map_err(|error| StoreError::new("the mode cannot be written", error))?;
    let sql = "INSERT INTO mode (only, body) VALUES (1, ?1) ON CONFLICT (only) DO UPDATE SET body = excluded.body";
    run(db, sql, [body])?;
    let ModeChange { switch, actor, reason } = change.clone();
    record(db, at, None, &RecordKind::ModeChanged { switch, actor, reason })?;
    Ok(mode)
}

pub(super) fn note_store(db: &Connection, note: &StoreNote, at: SystemTime) -> Result<(), Trouble> {
    record(db, micros(at)?, None, &note.record())
}

/// The one place where a record is written.
fn record(db: &Connection, at: i64, attempt: Option<&AttemptReference>, kind: &RecordKind) -> Result<(), Trouble> {
    let body = serde_json::to_string(kind).map_err(|error| StoreError::new("a record cannot be written", error))?;
    let attempt = attempt.map(AttemptReference::as_str);
    let head = read::head(db)?.then(at, attempt, kind.as_str(), &body);
    let position = i64::try_from(head.count).map_err(|_| StoreError::missing("there is no room for a record"))?;
    let sql = "INSERT INTO records (position, at, attempt, kind, body, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let digest = head.digest.as_bytes();
    run(db, sql, (position, at, attempt, kind.as_str(), body, digest.as_slice()))
}

fn bind(
    db: &Connection,
    attempt: &AttemptReference,
    checkout: Option<&GatewayReference>,
    payment: Option<&GatewayReference>,
) -> Result<(), Trouble> {
    if checkout.is_none() && payment.is_none() {
        return Ok(());
    }
    let sql =
        "UPDATE attempts SET checkout = coalesce(?2, checkout), payment = coalesce(?3, payment) WHERE attempt = ?1";
    let name = |name: Option<&GatewayReference>| name.map(|name| name.as_str().to_owned());
    run(db, sql, (attempt.as_str(), name(checkout), name(payment)))
}

fn stored(db: &Connection, attempt: &AttemptReference) -> Result<StoredAttempt, Trouble> {
    Ok(read::attempt(db, attempt)?.ok_or(StoreError::missing("there is no such attempt"))?)
}

fn run(db: &Connection, sql: &'static str, params: impl Params) -> Result<(), Trouble> {
    db.prepare_cached(sql)?.execute(params)?;
    Ok(())
}
