//! What happened in a window of time. It costs what is in it, and not what is around it.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::db::{Db, Trouble, Values};
use super::read::{
    all, attempt_columns, attempts_where, column, first, place, position, read_attempt, read_fulfilment,
};
use super::read::{read_record, reference, rows};
use crate::ledger::{Fulfilment, Record, StoreError, StoredAttempt, WindowCursor, WindowRow};
use crate::reference::AttemptReference;

/// The attempts of a window, each at its first record in it. Several questions: they have to be asked of one state.
pub(super) async fn window(
    db: &mut Db<'_>,
    (from, to): (i64, i64),
    after: Option<WindowCursor>,
    limit: usize,
) -> Result<Vec<WindowRow>, Trouble> {
    // One lower bound for the index to begin at: of two, the server takes the pair, however far before the window it is.
    let sql = "SELECT r.at, r.position, r.attempt FROM {s}.records r \
               WHERE (r.at, r.position) > ($3, $4) AND r.at < $2 AND r.attempt IS NOT NULL \
               AND NOT EXISTS (SELECT FROM {s}.records e WHERE e.attempt = r.attempt AND e.at >= $1 \
               AND (e.at, e.position) < (r.at, r.position)) ORDER BY r.at, r.position LIMIT $5";
    let after = after
        .filter(|after| after.at_micros >= from)
        .map_or((from, 0), |after| (after.at_micros, place(after.position)));
    let values: Values<'_> = &[&from, &to, &after.0, &after.1, &rows(limit)];
    let firsts = all(db, sql, values, |row| {
        let cursor = WindowCursor {
            at_micros: column(row, 0)?,
            position: position(column(row, 1)?)?,
        };
        Ok((cursor, reference(column(row, 2)?, AttemptReference::new)?))
    });
    let firsts = firsts.await?;
    if firsts.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = firsts.iter().map(|(_, name)| name.as_str()).collect();
    let (mut attempts, mut timelines) = (attempts(db, &names).await?, timelines(db, &names).await?);
    let mut rights = rights(db, &names).await?;
    let row = |(cursor, name)| {
        let stored = attempts.remove(&name);
        let stored = stored.ok_or(StoreError::damaged("a record is about an attempt that is not there"))?;
        let records = timelines.remove(&name).unwrap_or_default();
        let row = WindowRow::new(cursor, stored, records);
        Ok(match rights.remove(&name) {
            Some(Some(right)) => row.with_right(Some(right)),
            None => row.with_right(None),
            // One that lost its form is found out by whoever asks for it.
            Some(None) => row,
        })
    };
    firsts.into_iter().map(row).collect()
}

async fn attempts(db: &mut Db<'_>, names: &[&str]) -> Result<HashMap<AttemptReference, StoredAttempt>, Trouble> {
    let sql = attempts_where!("WHERE a.attempt = ANY($1)");
    let found = all(db, sql, &[&names], read_attempt).await?;
    Ok(found.into_iter().map(|one| (one.reference().clone(), one)).collect())
}

async fn timelines(db: &mut Db<'_>, names: &[&str]) -> Result<HashMap<AttemptReference, Vec<Record>>, Trouble> {
    let sql = "SELECT position, at, attempt, kind, body FROM {s}.records WHERE attempt = ANY($1) ORDER BY position";
    let mut timelines: HashMap<_, Vec<_>> = HashMap::new();
    for record in all(db, sql, &[&names], read_record).await? {
        if let Some(attempt) = record.attempt.clone() {
            timelines.entry(attempt).or_default().push(record);
        }
    }
    Ok(timelines)
}

/// The rights that attempts give, without those that lost their form.
async fn rights(db: &mut Db<'_>, names: &[&str]) -> Result<HashMap<AttemptReference, Option<Fulfilment>>, Trouble> {
    let sql = "SELECT f.key, f.deliveries, f.done_at, a.expected, f.merchant_order, f.attempt \
               FROM {s}.fulfilments f JOIN {s}.attempts a USING (attempt) WHERE f.attempt = ANY($1)";
    let read = |row: &Row| {
        let attempt = reference(column(row, 5)?, AttemptReference::new)?;
        Ok((attempt, read_fulfilment(row).ok()))
    };
    Ok(all(db, sql, &[&names], read).await?.into_iter().collect())
}

pub(super) async fn window_span(db: &mut Db<'_>, (from, to): (i64, i64)) -> Result<Option<(u64, u64)>, Trouble> {
    // Of the bare column the server would look for the lowest and the highest by its own index, from both ends of the ledger.
    let sql = "SELECT min(position + 0), max(position + 0) FROM {s}.records WHERE at >= $1 AND at < $2";
    let values: Values<'_> = &[&from, &to];
    let span = first(db, sql, values, |row| {
        let (low, high): (Option<i64>, Option<i64>) = (column(row, 0)?, column(row, 1)?);
        Ok(low.map(position).transpose()?.zip(high.map(position).transpose()?))
    });
    Ok(span.await?.flatten())
}
