//! Rows to types. A row that does not have its form is an error and never a panic: somebody else may have written it.

use std::time::SystemTime;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use super::db::{Db, Trouble, Values};
use crate::event::{PaymentEvent, Subject};
use crate::ledger::{
    Digest, Fulfilment, Head, HeldEvidence, KeptRecord, Mode, Record, RecordKind, StoreError, StoredAttempt, Which,
};
use crate::ledgers::time::{micros, time_of};
use crate::payment::PaymentStatus;
use crate::redirect::KeptLink;
use crate::reference::{
    AttemptReference, FulfilmentKey, GatewayId, GatewayReference, MerchantAccount, MerchantReference, ReferenceError,
};

/// What [`read_attempt`] wants, of a table that is called `a` here.
macro_rules! attempt_columns {
    () => {
        "a.attempt, a.merchant_order, a.gateway, a.account, a.expected, a.status, a.checkout, a.payment, a.opened, \
         a.expires_at, a.asks, a.next_ask, a.link, a.seq, a.asked_at"
    };
}
pub(super) use attempt_columns;

macro_rules! attempts_where {
    ($rest:literal) => {
        concat!("SELECT ", attempt_columns!(), " FROM {s}.attempts a ", $rest)
    };
}
pub(super) use attempts_where;

pub(super) async fn attempt(db: &mut Db<'_>, attempt: &AttemptReference) -> Result<Option<StoredAttempt>, Trouble> {
    let sql = attempts_where!("WHERE a.attempt = $1");
    first(db, sql, &[&attempt.as_str()], read_attempt).await
}

/// How many are due at a time and not handed out.
pub(super) async fn left_to_ask(db: &mut Db<'_>, now: SystemTime) -> Result<u64, Trouble> {
    let sql = "SELECT count(*) FROM {s}.attempts \
               WHERE next_ask <= $1 AND (ask_lease_until IS NULL OR ask_lease_until <= $1)";
    let left: Option<i64> = first(db, sql, &[&micros(now)?], |row| column(row, 0)).await?;
    Ok(left.unwrap_or_default().unsigned_abs())
}

/// The attempt, kept as it is until the transaction is over.
pub(super) async fn attempt_locked(
    db: &mut Db<'_>,
    attempt: &AttemptReference,
) -> Result<Option<StoredAttempt>, Trouble> {
    let sql = attempts_where!("WHERE a.attempt = $1 FOR NO KEY UPDATE");
    first(db, sql, &[&attempt.as_str()], read_attempt).await
}

/// The attempt and everything that is decided about its order, kept as it is until the transaction is over. What belongs to
/// the order is read by later statements: they see what was committed while this one waited.
pub(super) async fn attempt_and_order_locked(
    db: &mut Db<'_>,
    attempt: &AttemptReference,
) -> Result<Option<StoredAttempt>, Trouble> {
    let sql = attempts_where!("JOIN {s}.orders o USING (merchant_order) WHERE a.attempt = $1 FOR NO KEY UPDATE");
    first(db, sql, &[&attempt.as_str()], read_attempt).await
}

pub(super) async fn attempts_of(db: &mut Db<'_>, order: &MerchantReference) -> Result<Vec<StoredAttempt>, Trouble> {
    let sql = attempts_where!("WHERE a.merchant_order = $1 ORDER BY a.seq");
    all(db, sql, &[&order.as_str()], read_attempt).await
}

pub(super) async fn latest(db: &mut Db<'_>, limit: usize) -> Result<Vec<StoredAttempt>, Trouble> {
    let sql = attempts_where!("ORDER BY a.seq DESC LIMIT $1");
    all(db, sql, &[&rows(limit)], read_attempt).await
}

pub(super) async fn find(
    db: &mut Db<'_>,
    gateway: &GatewayId,
    account: &MerchantAccount,
    subject: &Subject,
) -> Result<Option<StoredAttempt>, Trouble> {
    if let Some(ours) = &subject.attempt
        && let Some(found) = attempt(db, ours).await?
    {
        return Ok(Some(found));
    }
    for (name, sql) in [
        (
            &subject.checkout,
            attempts_where!("WHERE a.gateway = $1 AND a.account = $2 AND a.checkout = $3"),
        ),
        (
            &subject.payment,
            attempts_where!("WHERE a.gateway = $1 AND a.account = $2 AND a.payment = $3"),
        ),
    ] {
        let Some(name) = name else { continue };
        let key: Values<'_> = &[&gateway.as_str(), &account.as_str(), &name.as_str()];
        if let Some(found) = first(db, sql, key, read_attempt).await? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Whose the gateway's names are: of the payment, and of the checkout.
pub(super) async fn owners(
    db: &mut Db<'_>,
    gateway: &GatewayId,
    account: &MerchantAccount,
    payment: Option<&GatewayReference>,
    checkout: Option<&GatewayReference>,
) -> Result<[Option<AttemptReference>; 2], Trouble> {
    let sql = "SELECT \
        (SELECT attempt FROM {s}.attempts WHERE gateway = $1 AND account = $2 AND payment = $3), \
        (SELECT attempt FROM {s}.attempts WHERE gateway = $1 AND account = $2 AND checkout = $4)";
    let payment = payment.map(GatewayReference::as_str);
    let checkout = checkout.map(GatewayReference::as_str);
    let key: Values<'_> = &[&gateway.as_str(), &account.as_str(), &payment, &checkout];
    let owners = first(db, sql, key, |row| Ok([attempt_name(row, 0)?, attempt_name(row, 1)?])).await?;
    owners.ok_or_else(says_too_little)
}

/// What a decision needs beside the attempt.
pub(super) struct Around {
    pub(super) paid_by: Option<AttemptReference>,
    pub(super) owners: [Option<AttemptReference>; 2],
    pub(super) heard_before: bool,
}

pub(super) async fn around(
    db: &mut Db<'_>,
    stored: &StoredAttempt,
    said: &PaymentEvent,
    heard_as: &str,
) -> Result<Around, Trouble> {
    let sql = "SELECT \
        (SELECT attempt FROM {s}.fulfilments WHERE merchant_order = $1), \
        (SELECT attempt FROM {s}.attempts WHERE gateway = $2 AND account = $3 AND payment = $4), \
        (SELECT attempt FROM {s}.attempts WHERE gateway = $2 AND account = $3 AND checkout = $5), \
        EXISTS (SELECT FROM {s}.events_heard WHERE attempt = $6 AND event = $7)";
    let values: Values<'_> = &[
        &stored.expected.order.as_str(),
        &said.gateway.as_str(),
        &said.account.as_str(),
        &said.subject.payment.as_ref().map(GatewayReference::as_str),
        &said.subject.checkout.as_ref().map(GatewayReference::as_str),
        &stored.reference().as_str(),
        &heard_as,
    ];
    let around = first(db, sql, values, |row| {
        Ok(Around {
            paid_by: attempt_name(row, 0)?,
            owners: [attempt_name(row, 1)?, attempt_name(row, 2)?],
            heard_before: column(row, 3)?,
        })
    });
    around.await?.ok_or_else(says_too_little)
}

/// The attempt that paid an order.
pub(super) async fn payer_of(db: &mut Db<'_>, order: &MerchantReference) -> Result<Option<AttemptReference>, Trouble> {
    let sql = "SELECT attempt FROM {s}.fulfilments WHERE merchant_order = $1";
    let payer = first(db, sql, &[&order.as_str()], |row| attempt_name(row, 0)).await?;
    Ok(payer.flatten())
}

pub(super) async fn fulfilment_of(db: &mut Db<'_>, order: &MerchantReference) -> Result<Option<Fulfilment>, Trouble> {
    // Also a right of one of its attempts under the name of another order, and one of an attempt that is not there: both are
    // read as what they are, a contradiction. Two questions and no OR, so that each goes by its own index.
    let sql = "SELECT f.key, f.deliveries, f.done_at, a.expected, f.merchant_order FROM (\
               SELECT * FROM {s}.fulfilments WHERE merchant_order = $1 UNION \
               SELECT f.* FROM {s}.attempts o JOIN {s}.fulfilments f USING (attempt) WHERE o.merchant_order = $1\
               ) AS f LEFT JOIN {s}.attempts a USING (attempt)";
    Ok(all(db, sql, &[&order.as_str()], read_fulfilment)
        .await?
        .into_iter()
        .next())
}

/// Whose right a key is, and whether it was used; kept as it is until the transaction is over.
pub(super) async fn right_locked(
    db: &mut Db<'_>,
    key: &FulfilmentKey,
) -> Result<Option<(AttemptReference, bool)>, Trouble> {
    let sql = "SELECT attempt, done_at IS NOT NULL FROM {s}.fulfilments WHERE key = $1 FOR NO KEY UPDATE";
    first(db, sql, &[&key.as_str()], |row| {
        Ok((reference(column(row, 0)?, AttemptReference::new)?, column(row, 1)?))
    })
    .await
}

pub(super) async fn timeline(db: &mut Db<'_>, attempt: &AttemptReference) -> Result<Vec<Record>, Trouble> {
    let sql = "SELECT position, at, attempt, kind, body FROM {s}.records WHERE attempt = $1 ORDER BY position";
    all(db, sql, &[&attempt.as_str()], read_record).await
}

pub(super) async fn held(db: &mut Db<'_>, limit: usize) -> Result<Vec<HeldEvidence>, Trouble> {
    let sql = "SELECT r.position, r.at, r.attempt, r.kind, r.body, a.merchant_order FROM {s}.records r \
               JOIN {s}.attempts a USING (attempt) WHERE r.kind = 'held' ORDER BY r.position DESC LIMIT $1";
    all(db, sql, &[&rows(limit)], |row| {
        let order = reference(column(row, 5)?, MerchantReference::new)?;
        let attempt = reference(column(row, 2)?, AttemptReference::new)?;
        Ok(HeldEvidence::new(attempt, order, read_record(row)?))
    })
    .await
}

pub(super) async fn mode(db: &mut Db<'_>) -> Result<Mode, Trouble> {
    let read = |row: &Row| {
        let mode = serde_json::from_str(column(row, 0)?);
        Ok(mode.map_err(|_| StoreError::damaged("the mode on record has lost its form"))?)
    };
    Ok(first(db, "SELECT body FROM {s}.mode", &[], read)
        .await?
        .unwrap_or_default())
}

/// The last record's position and digest, for [`read_head`].
pub(super) const HEAD: &str = "SELECT position, digest FROM {s}.records ORDER BY position DESC LIMIT 1";

pub(super) async fn head(db: &mut Db<'_>) -> Result<Head, Trouble> {
    Ok(first(db, HEAD, &[], read_head).await?.unwrap_or_else(Head::empty))
}

pub(super) fn read_head(row: &Row) -> Result<Head, Trouble> {
    let (count, digest) = (position(column(row, 0)?)?, digest(row, 1)?);
    Ok(Head { count, digest })
}

/// The records behind a position, as they are kept.
pub(super) async fn records(db: &mut Db<'_>, after: u64, limit: usize) -> Result<Vec<KeptRecord>, Trouble> {
    // Those behind 0 are all of them: also what somebody put in front of the first one.
    let sql = "SELECT position, at, attempt, kind, body, digest FROM {s}.records WHERE position >= $1 \
               ORDER BY position LIMIT $2";
    let from = match after {
        0 => i64::MIN,
        after => place(after.saturating_add(1)),
    };
    all(db, sql, &[&from, &rows(limit)], |row| Ok(read_kept(row))).await
}

/// A record for checking. What has lost its form is read as something that was never written, so that the check names its
/// position; an error would not.
fn read_kept(row: &Row) -> KeptRecord {
    let number = |place| row.try_get::<_, i64>(place).ok();
    let text = |place| row.try_get::<_, String>(place).unwrap_or_else(|_| NO_TEXT.to_owned());
    let attempt = row.try_get::<_, Option<String>>(2);
    KeptRecord {
        // A position below 0 becomes one that is far beyond all others.
        position: number(0).unwrap_or_default().cast_unsigned(),
        at_micros: number(1).unwrap_or(-1),
        attempt: attempt.unwrap_or_else(|_| Some(NO_TEXT.to_owned())),
        kind: text(3),
        body: text(4),
        digest: digest(row, 5).unwrap_or(Digest::from_bytes([0; 32])),
    }
}

/// No kind, no name and no JSON.
const NO_TEXT: &str = "\u{fffd}";

/// The attempts behind a place, each with its place.
pub(super) async fn attempts_after(
    db: &mut Db<'_>,
    after: u64,
    which: Which,
    limit: usize,
) -> Result<Vec<(u64, StoredAttempt)>, Trouble> {
    let sql = match which {
        Which::All => attempts_where!("WHERE a.seq > $1 ORDER BY a.seq LIMIT $2"),
        // The words of the index, so that it is used; that they are those that are not final has a test.
        Which::Open => attempts_where!(
            "WHERE a.status IN ('created', 'pending', 'requires_action', 'authorized', 'unknown') AND a.seq > $1 \
             ORDER BY a.seq LIMIT $2"
        ),
    };
    all(db, sql, &[&place(after), &rows(limit)], |row| {
        Ok((position(column(row, 13)?)?, read_attempt(row)?))
    })
    .await
}

/// Do the records follow each other from the first to the last?
pub(super) async fn check(db: &mut Db<'_>) -> Result<(), Trouble> {
    let sql = "SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0) FROM {s}.records";
    let found = first(db, sql, &[], |row| {
        let (count, lowest, highest): (i64, i64, i64) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
        Ok(lowest == 1 && highest == count)
    });
    if found.await? == Some(true) {
        return Ok(());
    }
    Err(StoreError::missing("a record is missing").into())
}

pub(super) fn read_attempt(row: &Row) -> Result<StoredAttempt, Trouble> {
    let expected: crate::ledger::ExpectedPayment = serde_json::from_str(column(row, 4)?)
        .map_err(|_| StoreError::damaged("an expected payment on record has lost its form"))?;
    let same = expected.attempt.as_str() == column::<&str>(row, 0)?
        && expected.order.as_str() == column::<&str>(row, 1)?
        && expected.gateway.as_str() == column::<&str>(row, 2)?
        && expected.account.as_str() == column::<&str>(row, 3)?;
    if !same {
        return Err(StoreError::damaged("an attempt on record contradicts itself").into());
    }
    let mut attempt = StoredAttempt::new(expected);
    attempt.status = status(column(row, 5)?)?;
    attempt.checkout = name(column(row, 6)?)?;
    attempt.payment = name(column(row, 7)?)?;
    attempt.opened = column(row, 8)?;
    attempt.expires_at = time_of(column(row, 9)?)?;
    attempt.asks = count(column(row, 10)?)?;
    attempt.next_ask = column::<Option<i64>>(row, 11)?.map(time_of).transpose()?;
    attempt.link = link(column(row, 12)?)?;
    attempt.asked_at = column::<Option<i64>>(row, 14)?.map(time_of).transpose()?;
    Ok(attempt)
}

/// The columns are: key, deliveries, `done_at`, what was expected, the order.
pub(super) fn read_fulfilment(row: &Row) -> Result<Fulfilment, Trouble> {
    let expected = serde_json::from_str(column(row, 3)?)
        .map_err(|_| StoreError::damaged("an expected payment on record has lost its form"))?;
    let mut fulfilment = Fulfilment::of(&expected);
    // Whoever is handed this ships goods: it is the right of this attempt, for the order of this attempt.
    if fulfilment.key.as_str() != column::<&str>(row, 0)? || fulfilment.order.as_str() != column::<&str>(row, 4)? {
        return Err(StoreError::damaged("a right on record contradicts its attempt").into());
    }
    fulfilment.deliveries = count(column(row, 1)?)?;
    fulfilment.done_at = column::<Option<i64>>(row, 2)?.map(time_of).transpose()?;
    Ok(fulfilment)
}

pub(super) fn read_record(row: &Row) -> Result<Record, Trouble> {
    let lost = || StoreError::damaged("a record has lost its form");
    let position = position(column(row, 0)?)?;
    let kind: RecordKind = serde_json::from_str(column(row, 4)?).map_err(|_| lost())?;
    if kind.as_str() != column::<&str>(row, 3)? {
        return Err(lost().into());
    }
    let attempt = attempt_name(row, 2)?;
    Ok(Record::new(position, time_of(column(row, 1)?)?, attempt, kind))
}

fn link(kept: Option<&str>) -> Result<Option<KeptLink>, Trouble> {
    let link = kept.map(serde_json::from_str).transpose();
    Ok(link.map_err(|_| StoreError::damaged("the link of an attempt has lost its form"))?)
}

fn status(word: &str) -> Result<PaymentStatus, Trouble> {
    let mut all = PaymentStatus::ALL.into_iter();
    let found = all.find(|status| status.as_str() == word);
    Ok(found.ok_or(StoreError::damaged("a status on record has no meaning"))?)
}

pub(super) fn position(number: i64) -> Result<u64, Trouble> {
    Ok(u64::try_from(number).map_err(|_| StoreError::damaged("a position on record is none"))?)
}

fn digest(row: &Row, place: usize) -> Result<Digest, Trouble> {
    let bytes: &[u8] = column(row, place)?;
    let bytes = bytes
        .try_into()
        .map_err(|_| StoreError::damaged("a digest on record is none"))?;
    Ok(Digest::from_bytes(bytes))
}

pub(super) fn place(after: u64) -> i64 {
    i64::try_from(after).unwrap_or(i64::MAX)
}

fn count(number: i64) -> Result<u32, Trouble> {
    Ok(u32::try_from(number).map_err(|_| StoreError::damaged("a count on record is none"))?)
}

fn attempt_name(row: &Row, position: usize) -> Result<Option<AttemptReference>, Trouble> {
    let text: Option<String> = column(row, position)?;
    text.map(|text| reference(text, AttemptReference::new)).transpose()
}

fn name(text: Option<String>) -> Result<Option<GatewayReference>, Trouble> {
    text.map(|text| reference(text, GatewayReference::new)).transpose()
}

pub(super) fn reference<T>(text: String, check: fn(String) -> Result<T, ReferenceError>) -> Result<T, Trouble> {
    Ok(check(text).map_err(|error| StoreError::new("a reference on record has lost its form", error).as_damage())?)
}

fn says_too_little() -> Trouble {
    StoreError::missing("the database says too little").into()
}

pub(super) fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A value of another type, or none where one has to be, is not what this crate writes.
pub(super) fn column<'r, T: FromSql<'r>>(row: &'r Row, position: usize) -> Result<T, Trouble> {
    let value = row.try_get(position);
    Ok(value.map_err(|error| StoreError::new("a value on record has lost its form", error).as_damage())?)
}

pub(super) async fn first<T>(
    db: &mut Db<'_>,
    sql: &'static str,
    values: Values<'_>,
    read: impl FnOnce(&Row) -> Result<T, Trouble>,
) -> Result<Option<T>, Trouble> {
    db.first(sql, values).await?.as_ref().map(read).transpose()
}

pub(super) async fn all<T>(
    db: &mut Db<'_>,
    sql: &'static str,
    values: Values<'_>,
    read: impl FnMut(&Row) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    db.all(sql, values).await?.iter().map(read).collect()
}
