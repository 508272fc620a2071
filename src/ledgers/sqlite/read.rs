//! Rows to types. A row that does not have its form is an error and never a panic: somebody else may have written it.

use std::time::SystemTime;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params, Row};

use super::Trouble;
use crate::event::Subject;
use crate::ledger::{
    Digest, Fulfilment, Head, HeldEvidence, KeptRecord, Mode, Record, RecordKind, StoreError, StoredAttempt, Which,
    WindowCursor, WindowRow,
};
use crate::ledgers::time::{micros, time_of};
use crate::payment::PaymentStatus;
use crate::redirect::KeptLink;
use crate::reference::{
    AttemptReference, FulfilmentKey, GatewayId, GatewayReference, MerchantAccount, MerchantReference, ReferenceError,
};

macro_rules! attempts_where {
    ($rest:literal) => {
        concat!(
            "SELECT attempt, merchant_order, gateway, account, expected, status, checkout, payment, opened, expires_at, \
             asks, next_ask, link, seq, asked_at FROM attempts ",
            $rest
        )
    };
}

pub(super) fn attempt(db: &Connection, attempt: &AttemptReference) -> Result<Option<StoredAttempt>, Trouble> {
    let sql = attempts_where!("WHERE attempt = ?1");
    first(db, sql, [attempt.as_str()], read_attempt)
}

pub(super) fn attempts_of(db: &Connection, order: &MerchantReference) -> Result<Vec<StoredAttempt>, Trouble> {
    let sql = attempts_where!("WHERE merchant_order = ?1 ORDER BY seq");
    all(db, sql, [order.as_str()], read_attempt)
}

pub(super) fn latest(db: &Connection, limit: usize) -> Result<Vec<StoredAttempt>, Trouble> {
    let sql = attempts_where!("ORDER BY seq DESC LIMIT ?1");
    all(db, sql, [rows(limit)], read_attempt)
}

/// The place of a row, and what reading it said.
pub(super) type Placed<T> = (i64, Result<T, Trouble>);

/// Those of a gateway that are due at a time and not handed out, oldest due first, each with its place and what reading it said.
pub(super) fn due(
    db: &Connection,
    gateway: &GatewayId,
    now: i64,
    limit: usize,
) -> Result<Vec<Placed<StoredAttempt>>, Trouble> {
    let sql = attempts_where!(
        "WHERE gateway = ?1 AND next_ask <= ?2 AND (ask_lease_until IS NULL OR ask_lease_until <= ?2) \
         ORDER BY next_ask, seq LIMIT ?3"
    );
    all(db, sql, (gateway.as_str(), now, rows(limit)), |row| {
        Ok((row.get(13)?, read_attempt(row)))
    })
}

/// How many are due at a time and not handed out.
pub(super) fn left_to_ask(db: &Connection, now: SystemTime) -> Result<u64, Trouble> {
    let sql = "SELECT count(*) FROM attempts \
               WHERE next_ask <= ?1 AND (ask_lease_until IS NULL OR ask_lease_until <= ?1)";
    let left: i64 = db.query_row(sql, [micros(now)?], |row| row.get(0))?;
    Ok(left.unsigned_abs())
}

pub(super) fn find(
    db: &Connection,
    gateway: &GatewayId,
    account: &MerchantAccount,
    subject: &Subject,
) -> Result<Option<StoredAttempt>, Trouble> {
    let ours = subject.attempt.as_ref().map(|ours| attempt(db, ours)).transpose()?;
    if let Some(found) = ours.flatten() {
        return Ok(Some(found));
    }
    for (name, sql) in [
        (
            &subject.checkout,
            attempts_where!("WHERE gateway = ?1 AND account = ?2 AND checkout = ?3"),
        ),
        (
            &subject.payment,
            attempts_where!("WHERE gateway = ?1 AND account = ?2 AND payment = ?3"),
        ),
    ] {
        let Some(name) = name else { continue };
        let key = (gateway.as_str(), account.as_str(), name.as_str());
        if let Some(found) = first(db, sql, key, read_attempt)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whose checkout this is.
pub(super) fn owner_of_checkout(
    db: &Connection,
    gateway: &GatewayId,
    account: &MerchantAccount,
    name: Option<&GatewayReference>,
) -> Result<Option<AttemptReference>, Trouble> {
    let sql = "SELECT attempt FROM attempts WHERE gateway = ?1 AND account = ?2 AND checkout = ?3";
    owner(db, sql, gateway, account, name)
}

/// Whose payment this is.
pub(super) fn owner_of_payment(
    db: &Connection,
    gateway: &GatewayId,
    account: &MerchantAccount,
    name: Option<&GatewayReference>,
) -> Result<Option<AttemptReference>, Trouble> {
    let sql = "SELECT attempt FROM attempts WHERE gateway = ?1 AND account = ?2 AND payment = ?3";
    owner(db, sql, gateway, account, name)
}

fn owner(
    db: &Connection,
    sql: &'static str,
    gateway: &GatewayId,
    account: &MerchantAccount,
    name: Option<&GatewayReference>,
) -> Result<Option<AttemptReference>, Trouble> {
    let Some(name) = name else { return Ok(None) };
    let key = (gateway.as_str(), account.as_str(), name.as_str());
    first(db, sql, key, |row| reference(row.get(0)?, AttemptReference::new))
}

/// The attempt that paid an order.
pub(super) fn payer_of(db: &Connection, order: &MerchantReference) -> Result<Option<AttemptReference>, Trouble> {
    let sql = "SELECT attempt FROM fulfilments WHERE merchant_order = ?1";
    first(db, sql, [order.as_str()], |row| {
        reference(row.get(0)?, AttemptReference::new)
    })
}

pub(super) fn fulfilment_of(db: &Connection, order: &MerchantReference) -> Result<Option<Fulfilment>, Trouble> {
    // Also a right of one of its attempts under the name of another order, and one of an attempt that is not there: both are
    // read as what they are, a contradiction.
    let sql = "SELECT f.key, f.deliveries, f.done_at, a.expected, f.merchant_order \
               FROM fulfilments f LEFT JOIN attempts a ON a.attempt = f.attempt WHERE f.merchant_order = ?1 \
               OR f.attempt IN (SELECT attempt FROM attempts WHERE merchant_order = ?1)";
    Ok(all(db, sql, [order.as_str()], read_fulfilment)?.into_iter().next())
}

/// The right that an attempt gives.
fn right_of(db: &Connection, attempt: &AttemptReference) -> Result<Option<Fulfilment>, Trouble> {
    let sql = "SELECT f.key, f.deliveries, f.done_at, a.expected, f.merchant_order \
               FROM fulfilments f JOIN attempts a USING (attempt) WHERE f.attempt = ?1";
    first(db, sql, [attempt.as_str()], read_fulfilment)
}

/// The oldest right that is not done and not handed out, with its place and what reading it said.
pub(super) fn fulfilment_to_do(db: &Connection, now: i64) -> Result<Option<Placed<Fulfilment>>, Trouble> {
    // One whose attempt is not there is read as what it is, a contradiction.
    let sql = "SELECT f.key, f.deliveries, f.done_at, a.expected, f.merchant_order, f.seq \
               FROM fulfilments f LEFT JOIN attempts a USING (attempt) \
               WHERE f.done_at IS NULL AND (f.lease_until IS NULL OR f.lease_until <= ?1) ORDER BY f.seq LIMIT 1";
    first(db, sql, [now], |row| Ok((row.get(5)?, read_fulfilment(row))))
}

/// Whose right a key is, and whether it was used.
pub(super) fn right(db: &Connection, key: &FulfilmentKey) -> Result<Option<(AttemptReference, bool)>, Trouble> {
    let sql = "SELECT attempt, done_at IS NOT NULL FROM fulfilments WHERE key = ?1";
    first(db, sql, [key.as_str()], |row| {
        Ok((reference(row.get(0)?, AttemptReference::new)?, row.get(1)?))
    })
}

pub(super) fn heard(db: &Connection, attempt: &AttemptReference, event: &str) -> Result<bool, Trouble> {
    let sql = "SELECT 1 FROM events_heard WHERE attempt = ?1 AND event = ?2";
    Ok(first(db, sql, [attempt.as_str(), event], |_| Ok(()))?.is_some())
}

pub(super) fn timeline(db: &Connection, attempt: &AttemptReference) -> Result<Vec<Record>, Trouble> {
    let sql = "SELECT position, at, attempt, kind, body FROM records WHERE attempt = ?1 ORDER BY position";
    all(db, sql, [attempt.as_str()], read_record)
}

pub(super) fn held(db: &Connection, limit: usize) -> Result<Vec<HeldEvidence>, Trouble> {
    let sql = "SELECT r.position, r.at, r.attempt, r.kind, r.body, a.merchant_order \
               FROM records r JOIN attempts a USING (attempt) WHERE r.kind = 'held' ORDER BY r.position DESC LIMIT ?1";
    all(db, sql, [rows(limit)], |row| {
        let order = reference(row.get(5)?, MerchantReference::new)?;
        let attempt = reference(row.get(2)?, AttemptReference::new)?;
        Ok(HeldEvidence::new(attempt, order, read_record(row)?))
    })
}

pub(super) fn mode(db: &Connection) -> Result<Mode, Trouble> {
    let body = first(db, "SELECT body FROM mode", (), |row| Ok(row.get::<_, String>(0)?))?;
    let Some(body) = body else { return Ok(Mode::default()) };
    Ok(serde_json::from_str(&body).map_err(|_| StoreError::damaged("the mode on record has lost its form"))?)
}

pub(super) fn head(db: &Connection) -> Result<Head, Trouble> {
    let sql = "SELECT position, digest FROM records ORDER BY position DESC LIMIT 1";
    let head = first(db, sql, (), |row| {
        let count = position(row.get(0)?)?;
        let digest = Digest::from_bytes(row.get(1)?);
        Ok(Head { count, digest })
    })?;
    Ok(head.unwrap_or_else(Head::empty))
}

/// The records behind a position, as they are kept. Those behind 0 are all of them: also what somebody put in front of the
/// first one.
pub(super) fn records(db: &Connection, after: u64, limit: usize) -> Result<Vec<KeptRecord>, Trouble> {
    let sql =
        "SELECT position, at, attempt, kind, body, digest FROM records WHERE position >= ?1 ORDER BY position LIMIT ?2";
    let from = match after {
        0 => i64::MIN,
        after => i64::try_from(after.saturating_add(1)).unwrap_or(i64::MAX),
    };
    all(db, sql, (from, rows(limit)), read_kept)
}

/// A record for checking. What has lost its form is read as something that was never written, so that the check names its
/// position; an error would not.
fn read_kept(row: &Row<'_>) -> Result<KeptRecord, Trouble> {
    let number = |column| Ok::<_, Trouble>(row.get_ref(column)?.as_i64().ok());
    let text = |column| {
        let value = row.get_ref(column)?.as_str();
        Ok::<_, Trouble>(value.unwrap_or(NO_TEXT).to_owned())
    };
    let digest = row.get_ref(5)?.as_blob().ok().and_then(|blob| blob.try_into().ok());
    Ok(KeptRecord {
        // A position below 0 becomes one that is far beyond all others.
        position: number(0)?.unwrap_or_default().cast_unsigned(),
        at_micros: number(1)?.unwrap_or(-1),
        attempt: match row.get_ref(2)? {
            ValueRef::Null => None,
            _ => Some(text(2)?),
        },
        kind: text(3)?,
        body: text(4)?,
        digest: Digest::from_bytes(digest.unwrap_or_default()),
    })
}

/// No kind, no name and no JSON.
const NO_TEXT: &str = "\u{fffd}";

/// The attempts behind a place, each with its place.
pub(super) fn attempts_after(
    db: &Connection,
    after: u64,
    which: Which,
    limit: usize,
) -> Result<Vec<(u64, StoredAttempt)>, Trouble> {
    let sql = match which {
        Which::All => attempts_where!("WHERE seq > ?1 ORDER BY seq LIMIT ?2"),
        // The words of the index, so that it is used; that they are those that are not final has a test.
        Which::Open => attempts_where!(
            "WHERE status IN ('created', 'pending', 'requires_action', 'authorized', 'unknown') AND seq > ?1 \
             ORDER BY seq LIMIT ?2"
        ),
    };
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    all(db, sql, (after, rows(limit)), |row| {
        Ok((position(row.get(13)?)?, read_attempt(row)?))
    })
}

/// The attempts of a window, each at its first record in it.
pub(super) fn window(
    db: &Connection,
    (from, to): (i64, i64),
    after: Option<WindowCursor>,
    limit: usize,
) -> Result<Vec<WindowRow>, Trouble> {
    // One lower bound for the index to begin at: of two, it could begin at the one that is further away.
    let sql = "SELECT r.at, r.position, r.attempt FROM records r \
               WHERE r.at >= ?3 AND r.at < ?2 AND (r.at > ?3 OR r.position > ?4) AND r.attempt IS NOT NULL \
               AND NOT EXISTS (SELECT 1 FROM records e WHERE e.attempt = r.attempt AND e.at >= ?1 \
               AND (e.at, e.position) < (r.at, r.position)) ORDER BY r.at, r.position LIMIT ?5";
    let after = after
        .filter(|after| after.at_micros >= from)
        .map_or((from, 0), |after| {
            (after.at_micros, i64::try_from(after.position).unwrap_or(i64::MAX))
        });
    let firsts = all(db, sql, (from, to, after.0, after.1, rows(limit)), |row| {
        let cursor = WindowCursor {
            at_micros: row.get(0)?,
            position: position(row.get(1)?)?,
        };
        Ok((cursor, reference(row.get(2)?, AttemptReference::new)?))
    })?;
    let mut found = Vec::with_capacity(firsts.len());
    for (cursor, name) in firsts {
        let stored =
            attempt(db, &name)?.ok_or(StoreError::damaged("a record is about an attempt that is not there"))?;
        let row = WindowRow::new(cursor, stored, timeline(db, &name)?);
        // One that lost its form is found out by whoever asks for it.
        found.push(match right_of(db, &name) {
            Ok(right) => row.with_right(right),
            Err(_) => row,
        });
    }
    Ok(found)
}

pub(super) fn window_span(db: &Connection, (from, to): (i64, i64)) -> Result<Option<(u64, u64)>, Trouble> {
    let sql = "SELECT min(position), max(position) FROM records WHERE at >= ?1 AND at < ?2";
    let span = first(db, sql, (from, to), |row| {
        let (low, high): (Option<i64>, Option<i64>) = (row.get(0)?, row.get(1)?);
        Ok(low.map(position).transpose()?.zip(high.map(position).transpose()?))
    })?;
    Ok(span.flatten())
}

fn position(number: i64) -> Result<u64, Trouble> {
    Ok(u64::try_from(number).map_err(|_| StoreError::damaged("a position on record is none"))?)
}

/// Is the file whole, and do the records follow each other?
pub(super) fn check(db: &Connection) -> Result<(), Trouble> {
    let found: String = db.query_row("PRAGMA integrity_check", (), |row| row.get(0))?;
    if found != "ok" {
        return Err(StoreError::missing("the file is damaged").into());
    }
    let strays = first(db, "PRAGMA foreign_key_check", (), |_| Ok(()))?;
    if strays.is_some() {
        return Err(StoreError::missing("a row belongs to an attempt that is not there").into());
    }
    let sql = "SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM records";
    let (count, lowest, highest): (i64, i64, i64) =
        db.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if lowest != 1 || highest != count {
        return Err(StoreError::missing("a record is missing").into());
    }
    Ok(())
}

fn read_attempt(row: &Row<'_>) -> Result<StoredAttempt, Trouble> {
    let expected: String = row.get(4)?;
    let expected: crate::ledger::ExpectedPayment = serde_json::from_str(&expected)
        .map_err(|_| StoreError::damaged("an expected payment on record has lost its form"))?;
    let same = expected.attempt.as_str() == text(row, 0)?
        && expected.order.as_str() == text(row, 1)?
        && expected.gateway.as_str() == text(row, 2)?
        && expected.account.as_str() == text(row, 3)?;
    if !same {
        return Err(StoreError::damaged("an attempt on record contradicts itself").into());
    }
    let mut attempt = StoredAttempt::new(expected);
    attempt.status = status(text(row, 5)?)?;
    attempt.checkout = name(row.get(6)?)?;
    attempt.payment = name(row.get(7)?)?;
    attempt.opened = row.get(8)?;
    attempt.expires_at = time_of(row.get(9)?)?;
    attempt.asks = row.get(10)?;
    attempt.next_ask = row.get::<_, Option<i64>>(11)?.map(time_of).transpose()?;
    attempt.link = link(row.get(12)?)?;
    attempt.asked_at = row.get::<_, Option<i64>>(14)?.map(time_of).transpose()?;
    Ok(attempt)
}

fn link(kept: Option<String>) -> Result<Option<KeptLink>, Trouble> {
    let read = |text: String| serde_json::from_str(&text);
    let link = kept.map(read).transpose();
    Ok(link.map_err(|_| StoreError::damaged("the link of an attempt has lost its form"))?)
}

fn read_fulfilment(row: &Row<'_>) -> Result<Fulfilment, Trouble> {
    let expected = serde_json::from_str(text(row, 3)?)
        .map_err(|_| StoreError::damaged("an expected payment on record has lost its form"))?;
    let mut fulfilment = Fulfilment::of(&expected);
    // Whoever is handed this ships goods: it is the right of this attempt, for the order of this attempt.
    if fulfilment.key.as_str() != text(row, 0)? || fulfilment.order.as_str() != text(row, 4)? {
        return Err(StoreError::damaged("a right on record contradicts its attempt").into());
    }
    fulfilment.deliveries = row.get(1)?;
    fulfilment.done_at = row.get::<_, Option<i64>>(2)?.map(time_of).transpose()?;
    Ok(fulfilment)
}

fn read_record(row: &Row<'_>) -> Result<Record, Trouble> {
    let lost = || StoreError::damaged("a record has lost its form");
    let position = u64::try_from(row.get::<_, i64>(0)?).map_err(|_| lost())?;
    let kind: RecordKind = serde_json::from_str(text(row, 4)?).map_err(|_| lost())?;
    if kind.as_str() != text(row, 3)? {
        return Err(lost().into());
    }
    let attempt: Option<String> = row.get(2)?;
    let attempt = attempt
        .map(|attempt| reference(attempt, AttemptReference::new))
        .transpose()?;
    Ok(Record::new(position, time_of(row.get(1)?)?, attempt, kind))
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, Trouble> {
    let value = row.get_ref(column)?;
    Ok(value
        .as_str()
        .map_err(|_| StoreError::damaged("a text on record is none"))?)
}

fn status(word: &str) -> Result<PaymentStatus, Trouble> {
    let mut all = PaymentStatus::ALL.into_iter();
    let found = all.find(|status| status.as_str() == word);
    Ok(found.ok_or(StoreError::damaged("a status on record has no meaning"))?)
}

fn name(text: Option<String>) -> Result<Option<GatewayReference>, Trouble> {
    text.map(|text| reference(text, GatewayReference::new)).transpose()
}

fn reference<T>(text: String, check: fn(String) -> Result<T, ReferenceError>) -> Result<T, Trouble> {
    Ok(check(text).map_err(|error| StoreError::new("a reference on record has lost its form", error).as_damage())?)
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn first<T>(
    db: &Connection,
    sql: &'static str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Option<T>, Trouble> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

fn all<T>(
    db: &Connection,
    sql: &'static str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
