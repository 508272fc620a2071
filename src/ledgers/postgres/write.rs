//! The operations that write. Each runs inside a transaction that somebody else began and commits.
//!
//! Locks are taken in one order: the order's row with the attempt's, or one of them, or the right's; then, only while
//! something is being put on record, the head of the records. So nobody who holds the head waits for anything but the disk.

use std::time::{Duration, SystemTime};

use tokio_postgres::{Client, Row, Statement};

use super::connect::lock_of;
use super::db::{Db, NewRecord, Trouble, Values};
use super::read::{self, attempt_columns};
use crate::ledger::rules::{self, Situation};
use crate::ledger::{
    Applied, AskDue, Asked, Binding, CloseReason, Cue, Expected, ExpectedPayment, Fulfilment, Head, Judgement, Mode,
    ModeChange, Note, Opened, RecordKind, StoreError, StoreNote, StoredAttempt,
};
use crate::ledgers::time::{kept, lease_end, micros, time_of};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, FulfilmentKey, GatewayReference};

pub(super) async fn expect(db: &mut Db<'_>, expected: &ExpectedPayment) -> Result<Expected, Trouble> {
    let new = StoredAttempt::new(expected.clone());
    let (at, expires_at) = (micros(expected.created_at)?, micros(new.expires_at)?);
    let next_ask = new.next_ask.map(micros).transpose()?;
    if let Some(stopped) = mode_for_a_checkout(db).await?.stopped {
        return Ok(Expected::Stopped(stopped));
    }
    let order = expected.order.as_str();
    let sql = "INSERT INTO {s}.orders (merchant_order) VALUES ($1) ON CONFLICT DO NOTHING";
    db.run(sql, &[&order]).await?;
    let sql = "SELECT FROM {s}.orders WHERE merchant_order = $1 FOR NO KEY UPDATE";
    db.run(sql, &[&order]).await?;
    if let Some(payer) = read::payer_of(db, &expected.order).await? {
        return Ok(Expected::Paid(payer));
    }
    let of_order = read::attempts_of(db, &expected.order).await?;
    let now = time_of(at)?;
    if let Some(open) = of_order.into_iter().find(|other| rules::blocks(other, now)) {
        return Ok(Expected::Open(Box::new(open)));
    }
    let json = serde_json::to_string(expected).map_err(|error| StoreError::new("it cannot be written down", error))?;
    let sql = "INSERT INTO {s}.attempts (attempt, merchant_order, gateway, account, expected, created_at, status, \
               expires_at, next_ask) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (attempt) DO NOTHING";
    let row: Values<'_> = &[
        &expected.attempt.as_str(),
        &order,
        &expected.gateway.as_str(),
        &expected.account.as_str(),
        &json,
        &at,
        &new.status.as_str(),
        &expires_at,
        &next_ask,
    ];
    if db.run(sql, row).await? == 0 {
        return Err(StoreError::written_before().into());
    }
    record(db, at, Some(&expected.attempt), &[RecordKind::expected(expected)])?;
    Ok(Expected::Written)
}

pub(super) async fn opened(
    db: &mut Db<'_>,
    attempt: &AttemptReference,
    opened: &Opened,
    at: SystemTime,
) -> Result<Binding, Trouble> {
    let at = micros(at)?;
    let stored = read::attempt_locked(db, attempt).await?.ok_or(NO_SUCH_ATTEMPT)?;
    let ExpectedPayment { gateway, account, .. } = &stored.expected;
    let owners = read::owners(db, gateway, account, opened.payment.as_ref(), opened.checkout.as_ref()).await?;
    let binding = rules::bind_opened(&stored, opened, owners.iter().flatten());
    if binding != Binding::Now {
        return Ok(binding);
    }
    let expires_at = micros(opened.expires_at.unwrap_or(stored.expires_at))?;
    let link = opened.link.as_ref().map(serde_json::to_string).transpose();
    let link = link.map_err(|_| StoreError::missing("the link cannot be written down"))?;
    let sql = "UPDATE {s}.attempts SET opened = true, expires_at = $2, link = coalesce(link, $3), \
               checkout = coalesce($4, checkout), payment = coalesce($5, payment) WHERE attempt = $1";
    let row: Values<'_> = &[
        &attempt.as_str(),
        &expires_at,
        &link,
        &opened.checkout.as_ref().map(GatewayReference::as_str),
        &opened.payment.as_ref().map(GatewayReference::as_str),
    ];
    db.run(sql, row).await?;
    record(db, at, Some(attempt), &[RecordKind::opened(&stored, opened)])?;
    Ok(binding)
}

pub(super) async fn close(
    db: &mut Db<'_>,
    attempt: &AttemptReference,
    why: CloseReason,
    at: SystemTime,
) -> Result<(), Trouble> {
    let at = micros(at)?;
    let stored = read::attempt_locked(db, attempt).await?.ok_or(NO_SUCH_ATTEMPT)?;
    if !rules::may_close(&stored) {
        return Ok(());
    }
    let sql = "UPDATE {s}.attempts SET status = $2, next_ask = NULL, ask_lease_until = NULL WHERE attempt = $1";
    db.run(sql, &[&attempt.as_str(), &PaymentStatus::Failed.as_str()])
        .await?;
    let refused = why == CloseReason::Refused;
    record(db, at, Some(attempt), &[RecordKind::Closed { refused }])
}

pub(super) async fn apply(db: &mut Db<'_>, judgement: &Judgement, at: SystemTime) -> Result<Applied, Trouble> {
    let at = micros(at)?;
    let (attempt, event) = judgement.evidence();
    let said = event.value();
    let stored = read::attempt_and_order_locked(db, attempt)
        .await?
        .ok_or(NO_SUCH_ATTEMPT)?;
    let heard_as = rules::heard_as(&stored, said);
    let around = read::around(db, &stored, said, &heard_as).await?;
    let situation = Situation {
        attempt: &stored,
        paid_by: around.paid_by.as_ref(),
        transaction_of: rules::owner_of_transaction(attempt, around.owners.each_ref().map(Option::as_ref)),
        heard_before: around.heard_before,
    };
    let decision = rules::decide(situation, judgement);
    if decision.status.is_some() || decision.bind_checkout.is_some() || decision.bind_payment.is_some() {
        let ends = decision.status.is_some_and(PaymentStatus::is_final);
        let sql = "UPDATE {s}.attempts SET checkout = coalesce($2, checkout), payment = coalesce($3, payment), \
                   status = coalesce($4, status), asks = CASE WHEN $4 IS NULL THEN asks ELSE 0 END, \
                   next_ask = CASE WHEN $5 THEN NULL ELSE next_ask END, \
                   ask_lease_until = CASE WHEN $5 THEN NULL ELSE ask_lease_until END WHERE attempt = $1";
        let row: Values<'_> = &[
            &attempt.as_str(),
            &decision.bind_checkout.as_ref().map(GatewayReference::as_str),
            &decision.bind_payment.as_ref().map(GatewayReference::as_str),
            &decision.status.map(PaymentStatus::as_str),
            &ends,
        ];
        db.run(sql, row).await?;
    }
    if let Some(key) = &decision.fulfilment {
        let sql = "INSERT INTO {s}.fulfilments (merchant_order, attempt, key) VALUES ($1, $2, $3)";
        let order = stored.expected.order.as_str();
        db.run(sql, &[&order, &attempt.as_str(), &key.as_str()]).await?;
    }
    if !around.heard_before {
        let sql = "INSERT INTO {s}.events_heard (attempt, event) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        db.run(sql, &[&attempt.as_str(), &&*heard_as]).await?;
    }
    record(db, at, Some(attempt), &decision.records)?;
    Ok(decision.verdict)
}

/// What somebody else holds at the moment is passed over and not waited for.
pub(super) async fn attempts_to_ask(db: &mut Db<'_>, due: &AskDue) -> Result<Vec<StoredAttempt>, Trouble> {
    let until = micros(lease_end(due.now, due.lease)?)?;
    // MATERIALIZED, because it must be picked once and not once for each row that is tried.
    let sql = concat!(
        "WITH picked AS MATERIALIZED (SELECT seq FROM {s}.attempts \
         WHERE gateway = $4 AND next_ask <= $1 AND (ask_lease_until IS NULL OR ask_lease_until <= $1) \
         ORDER BY next_ask, seq LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED), \
         leased AS (UPDATE {s}.attempts a SET asked_at = $1, ask_lease_until = $2 FROM picked p WHERE a.seq = p.seq RETURNING a.*) \
         SELECT ",
        attempt_columns!(),
        " FROM leased a ORDER BY a.next_ask, a.seq"
    );
    let gateway = due.gateway.as_str();
    let values: Values<'_> = &[&micros(due.now)?, &until, &read::rows(due.limit), &gateway];
    read::all(db, sql, values, read::read_attempt).await
}

/// Reserves those that would be handed out now and have lost their form, so that the next call passes over them.
pub(super) async fn reserve_damaged(db: &mut Db<'_>, due: &AskDue) -> Result<(), Trouble> {
    let until = micros(lease_end(due.now, due.lease)?)?;
    let sql = read::attempts_where!(
        "WHERE a.gateway = $3 AND a.next_ask <= $1 AND (a.ask_lease_until IS NULL OR a.ask_lease_until <= $1) \
         ORDER BY a.next_ask, a.seq LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED"
    );
    let gateway = due.gateway.as_str();
    let values: Values<'_> = &[&micros(due.now)?, &read::rows(due.limit), &gateway];
    let read = |row: &Row| Ok((read::column::<i64>(row, 13)?, read::read_attempt(row).is_err()));
    let found = read::all(db, sql, values, read).await?;
    let damaged: Vec<i64> = found
        .into_iter()
        .filter_map(|(seq, lost)| lost.then_some(seq))
        .collect();
    let sql = "UPDATE {s}.attempts SET ask_lease_until = $2 WHERE seq = ANY($1)";
    db.run(sql, &[&damaged, &until]).await.map(drop)
}

pub(super) async fn asked(db: &mut Db<'_>, seen: &StoredAttempt, asked: &Asked, at: SystemTime) -> Result<(), Trouble> {
    let at = kept(at)?;
    let next = asked.next.map(kept).transpose()?;
    let attempt = seen.reference();
    let stored = read::attempt_locked(db, attempt).await?.ok_or(NO_SUCH_ATTEMPT)?;
    let after = rules::after_question(
        &stored,
        seen,
        &Asked {
            answered: asked.answered,
            next,
        },
        at,
    );
    let sql = "UPDATE {s}.attempts SET asks = $2, asked_at = $3, next_ask = $4, \
               ask_lease_until = CASE WHEN $5 THEN NULL ELSE ask_lease_until END WHERE attempt = $1";
    let row: Values<'_> = &[
        &attempt.as_str(),
        &i64::from(after.asks),
        &after.asked_at.map(micros).transpose()?,
        &after.next_ask.map(micros).transpose()?,
        &after.gives_back,
    ];
    db.run(sql, row).await.map(drop)
}

pub(super) async fn make_due(
    db: &mut Db<'_>,
    attempt: &AttemptReference,
    cue: Cue,
    at: SystemTime,
) -> Result<(), Trouble> {
    let at = kept(at)?;
    let stored = read::attempt_locked(db, attempt).await?.ok_or(NO_SUCH_ATTEMPT)?;
    let Some(due) = rules::due_by_cue(&stored, cue, at) else {
        return Ok(());
    };
    let sql = "UPDATE {s}.attempts SET next_ask = $2 WHERE attempt = $1";
    db.run(sql, &[&attempt.as_str(), &micros(due)?]).await.map(drop)
}

pub(super) async fn note(
    db: &mut Db<'_>,
    attempt: &AttemptReference,
    note: Note,
    at: SystemTime,
) -> Result<bool, Trouble> {
    let at = micros(at)?;
    read::attempt(db, attempt).await?.ok_or(NO_SUCH_ATTEMPT)?;
    let sql = "INSERT INTO {s}.notes (attempt, note) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    let first = db.run(sql, &[&attempt.as_str(), &note.as_str()]).await? > 0;
    if first {
        record(db, at, Some(attempt), &[note.record()])?;
    }
    Ok(first)
}

/// A right that somebody else is being handed at the moment is passed over and not waited for. The inner error is about a right
/// that cannot be read: it is reserved all the same, so that the next call passes over it.
pub(super) async fn next_fulfilment(
    db: &mut Db<'_>,
    at: SystemTime,
    lease: Duration,
) -> Result<Result<Option<Fulfilment>, StoreError>, Trouble> {
    let until = micros(lease_end(at, lease)?)?;
    let sql = "WITH picked AS MATERIALIZED (SELECT seq, attempt FROM {s}.fulfilments \
               WHERE done_at IS NULL AND (lease_until IS NULL OR lease_until <= $1) \
               ORDER BY seq LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) \
               UPDATE {s}.fulfilments f SET lease_until = $2, deliveries = least(f.deliveries + 1, $3) \
               FROM picked p LEFT JOIN {s}.attempts a USING (attempt) WHERE f.seq = p.seq \
               RETURNING f.key, f.deliveries, f.done_at, a.expected, f.merchant_order";
    let values: Values<'_> = &[&micros(at)?, &until, &i64::from(u32::MAX)];
    let found = db.first(sql, values).await?;
    match found.as_ref().map(read::read_fulfilment).transpose() {
        Err(Trouble::Store(lost)) => Ok(Err(lost)),
        read => read.map(Ok),
    }
}

pub(super) async fn done(db: &mut Db<'_>, key: &FulfilmentKey, at: SystemTime) -> Result<bool, Trouble> {
    let at = micros(at)?;
    let right = read::right_locked(db, key).await?;
    let (attempt, before) = right.ok_or(StoreError::missing("there is no such right to fulfil"))?;
    if before {
        return Ok(false);
    }
    let sql = "UPDATE {s}.fulfilments SET done_at = $2 WHERE key = $1";
    db.run(sql, &[&key.as_str(), &at]).await?;
    record(db, at, Some(&attempt), &[RecordKind::Fulfilled { key: key.clone() }])?;
    Ok(true)
}

/// The mode, which does not change until this transaction is over: what a stop finds open is all that there is, and whoever
/// comes after it is refused, on every node.
async fn mode_for_a_checkout(db: &mut Db<'_>) -> Result<Mode, Trouble> {
    let sql = "SELECT pg_advisory_xact_lock_shared($1)";
    db.run(sql, &[&lock_of("mode", db.schema)]).await?;
    read::mode(db).await
}

pub(super) async fn set_mode(db: &mut Db<'_>, change: &ModeChange, at: SystemTime) -> Result<Mode, Trouble> {
    let at = micros(at)?;
    let sql = "SELECT pg_advisory_xact_lock($1)";
    db.run(sql, &[&lock_of("mode", db.schema)]).await?;
    let mode = read::mode(db).await?.after(change, time_of(at)?);
    let body = serde_json::to_string(&mode).map_err(|error| StoreError::new("the mode cannot be written", error))?;
    let sql = "INSERT INTO {s}.mode (body) VALUES ($1) ON CONFLICT (only_one) DO UPDATE SET body = excluded.body";
    db.run(sql, &[&body]).await?;
    let ModeChange { switch, actor, reason } = change.clone();
    record(db, at, None, &[RecordKind::ModeChanged { switch, actor, reason }])?;
    Ok(mode)
}

pub(super) fn note_store(db: &mut Db<'_>, note: &StoreNote, at: SystemTime) -> Result<(), Trouble> {
    record(db, micros(at)?, None, &[note.record()])
}

const NO_SUCH_ATTEMPT: StoreError = StoreError::missing("there is no such attempt");

/// The one place where records come to be. They are put in their places by [`append`] when everything else is done.
fn record(db: &mut Db<'_>, at: i64, attempt: Option<&AttemptReference>, kinds: &[RecordKind]) -> Result<(), Trouble> {
    for kind in kinds {
        let body = serde_json::to_string(kind).map_err(|error| StoreError::new("a record cannot be written", error))?;
        db.records.push(NewRecord {
            at,
            attempt: attempt.map(|attempt| attempt.as_str().to_owned()),
            kind: kind.as_str(),
            body,
        });
    }
    Ok(())
}

/// Puts on record what the operation has to say: the last thing before the commit. From here on every other writer on every
/// node waits.
pub(super) async fn append(db: &mut Db<'_>) -> Result<(), Trouble> {
    let Some(lines) = places(db).await? else { return Ok(()) };
    let statement = db.prepared(LINES).await?;
    lines.write(db.client, &statement).await?;
    Ok(())
}

/// The same with the commit sent right behind it, so that the head is held for no longer than it takes. `sends` is called
/// before. The outer error says that no commit was sent.
pub(super) async fn append_and_commit(
    db: &mut Db<'_>,
    sends: impl FnOnce(),
) -> Result<Result<(), tokio_postgres::Error>, Trouble> {
    let Some(lines) = places(db).await? else {
        sends();
        return Ok(db.client.batch_execute("COMMIT").await);
    };
    let statement = db.prepared(LINES).await?;
    sends();
    // Sent in this order, and the server does them in this order. If it refuses the first, the second undoes everything.
    let (appended, committed) = tokio::join!(
        biased;
        lines.write(db.client, &statement),
        db.client.batch_execute("COMMIT"),
    );
    Ok(appended.and(committed))
}

const LINES: &str = "INSERT INTO {s}.records (position, at, attempt, kind, body, digest) SELECT * FROM \
    unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[]) \
    AS new (position, at, attempt, kind, body, digest) ORDER BY position";

/// Records with their places behind the head.
#[derive(Default)]
struct Lines {
    positions: Vec<i64>,
    at: Vec<i64>,
    attempts: Vec<Option<String>>,
    kinds: Vec<&'static str>,
    bodies: Vec<String>,
    digests: Vec<Vec<u8>>,
}

impl Lines {
    async fn write(&self, client: &Client, statement: &Statement) -> Result<(), tokio_postgres::Error> {
        let Self {
            positions,
            at,
            attempts,
            kinds,
            bodies,
            digests,
        } = self;
        let values: Values<'_> = &[positions, at, attempts, kinds, bodies, digests];
        client.execute(statement, values).await.map(drop)
    }
}

/// Waits for the end of the line and finds the head there; nothing if there is nothing to write.
///
/// The line is a lock on a number, because that is handed on from one waiter to the next. A row that each holder changes
/// would wake all who wait for it: with sixteen writers on two nodes that took half as long again.
async fn places(db: &mut Db<'_>) -> Result<Option<Lines>, Trouble> {
    let records = std::mem::take(db.records);
    if records.is_empty() {
        return Ok(None);
    }
    let lock = db.prepared("SELECT pg_advisory_xact_lock($1)").await?;
    let last = db.prepared(read::HEAD).await?;
    let number: Values<'_> = &[&lock_of("records", db.schema)];
    // Sent in this order and done in this order: the second sees what was committed while the first one waited.
    let (locked, last) = tokio::join!(
        biased;
        db.client.execute(&lock, number),
        db.client.query_opt(&last, &[]),
    );
    locked?;
    let mut head = last?
        .as_ref()
        .map(read::read_head)
        .transpose()?
        .unwrap_or_else(Head::empty);
    let mut lines = Lines::default();
    for NewRecord {
        at,
        attempt,
        kind,
        body,
    } in records
    {
        head = head.then(at, attempt.as_deref(), kind, &body);
        let position = i64::try_from(head.count).map_err(|_| StoreError::missing("there is no room for a record"))?;
        lines.positions.push(position);
        lines.at.push(at);
        lines.attempts.push(attempt);
        lines.kinds.push(kind);
        lines.bodies.push(body);
        lines.digests.push(head.digest.as_bytes().to_vec());
    }
    Ok(Some(lines))
}
