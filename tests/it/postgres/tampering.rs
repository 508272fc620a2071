//! The tables in the hands of somebody who owns the database and minds no rule of it: what he changes is named (PAY-60).
//! `chain_tampering` does the same to a file of SQLite, with every bit of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use kessai::Ledger;
use kessai::ledger::{BreakReason, ChainCheck, Checkpoint, KeptRecord, verify};
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::types::ToSql;
use kessai::ledgers::tokio_postgres::{Client, NoTls};

use crate::chain_tampering::sample::{at, broken, fill, key};

const TABLES: [&str; 6] = ["records", "attempts", "fulfilments", "orders", "events_heard", "mode"];

/// A filled ledger with a copy of its tables beside it, and a way into them for which no rule holds.
struct Sample {
    ledger: Arc<PostgresLedger>,
    schema: String,
    owner: Client,
    records: Vec<KeptRecord>,
    checkpoint: Checkpoint,
}

impl Sample {
    async fn make() -> Option<Self> {
        let server = super::server()?;
        let schema = super::schema("tampering");
        let [ledger] = super::nodes(&server, &schema).await;
        fill(ledger.as_ref()).await;
        let owner = super::client(&server).await;
        // Triggers and foreign keys are off for this connection.
        let mut sql = format!("SET session_replication_role = replica; SET search_path = {schema};");
        for table in TABLES {
            let _ = write!(sql, "CREATE TABLE kept_{table} AS TABLE {table};");
        }
        owner.batch_execute(&sql).await.unwrap();
        let checkpoint = Checkpoint::make(&key(), ledger.head().await.unwrap(), at(100));
        let sample = Self {
            records: ledger.records(0, 1000).await.unwrap(),
            ledger,
            schema,
            owner,
            checkpoint,
        };
        // What follows shows something only if nothing is wrong yet.
        assert!(sample.records.len() > 25);
        sample.expect_whole().await;
        Some(sample)
    }

    async fn run(&self, sql: &str) {
        self.owner
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {}", super::said(&error)));
    }

    async fn check(&self, checkpoint: Option<&Checkpoint>) -> Result<ChainCheck, String> {
        verify(self.ledger.as_ref(), checkpoint.copied().as_slice())
            .await
            .map_err(|error| super::said(&error))
    }

    async fn expect_whole(&self) {
        let found = self.check(Some(&self.checkpoint)).await;
        assert!(found.as_ref().is_ok_and(ChainCheck::is_intact), "{found:?}");
    }

    /// Changes something, asks, and puts everything back.
    async fn expect_broken(&self, sql: &str, wanted: (u64, BreakReason)) {
        self.run(sql).await;
        let found = self.check(Some(&self.checkpoint)).await;
        assert_eq!(broken(&found), Some(wanted), "{sql}: {found:?}");
        let mut back = String::from("BEGIN;");
        for table in TABLES {
            let _ = write!(
                back,
                "DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table};"
            );
        }
        self.run(&(back + "COMMIT")).await;
    }

    fn last(&self) -> u64 {
        self.checkpoint.head().count
    }

    /// The positions of the records about the attempt of an order.
    fn positions_of(&self, order: &str) -> Vec<u64> {
        let quoted = format!("\"{order}\"");
        let first = self
            .records
            .iter()
            .find(|record| record.body.contains(&quoted))
            .unwrap();
        let own = self.records.iter().filter(|record| record.attempt == first.attempt);
        own.map(|record| record.position).collect()
    }

    fn last_of(&self, order: &str) -> u64 {
        self.positions_of(order).pop().unwrap()
    }
}

/// The columns of a record with the bytes that are in them.
fn columns(record: &KeptRecord) -> Vec<(&'static str, Vec<u8>)> {
    let mut columns = vec![
        ("at", record.at_micros.to_be_bytes().to_vec()),
        ("kind", record.kind.clone().into_bytes()),
        ("body", record.body.clone().into_bytes()),
        ("digest", record.digest.as_bytes().to_vec()),
    ];
    if let Some(attempt) = &record.attempt {
        columns.push(("attempt", attempt.clone().into_bytes()));
    }
    columns
}

/// Bytes in a column of its own type; `None` if the column cannot hold them.
fn value(column: &str, bytes: &[u8]) -> Option<Box<dyn ToSql + Sync + Send>> {
    match column {
        // A rule of the table keeps times above zero, also from its owner.
        "at" => Some(i64::from_be_bytes(bytes.try_into().unwrap()))
            .filter(|micros| *micros >= 0)
            .map(|micros| Box::new(micros) as _),
        "digest" => Some(Box::new(bytes.to_vec())),
        _ => String::from_utf8(bytes.to_vec())
            .ok()
            .filter(|text| !text.contains('\0'))
            .map(|text| Box::new(text) as _),
    }
}

#[tokio::test]
async fn a_flipped_bit_in_any_byte_of_every_kind_of_record_is_named() {
    let Some(sample) = Sample::make().await else { return };
    let (mut flips, mut kinds) = (0, BTreeSet::new());
    for record in &sample.records {
        if !kinds.insert(record.kind.as_str()) {
            continue;
        }
        let position = record.position.cast_signed();
        for (column, bytes) in columns(record) {
            let sql = format!("UPDATE records SET {column} = $1 WHERE position = $2");
            let put = sample.owner.prepare(&sql).await.unwrap();
            for byte in 0..bytes.len() {
                let mut flipped = bytes.clone();
                // Another bit of each byte; never the highest, which no text can have alone.
                flipped[byte] ^= 1 << (byte % 7);
                let Some(value) = value(column, &flipped) else { continue };
                assert_eq!(sample.owner.execute(&put, &[&*value, &position]).await.unwrap(), 1);
                let found = sample.check(None).await;
                assert_eq!(
                    broken(&found),
                    Some((record.position, BreakReason::Altered)),
                    "{column} of {position}, byte {byte}: {found:?}"
                );
                flips += 1;
            }
            let was = value(column, &bytes).unwrap();
            assert_eq!(sample.owner.execute(&put, &[&*was, &position]).await.unwrap(), 1);
        }
    }
    assert_eq!(kinds.len(), 12);
    assert!(flips > 1_500, "only {flips} bits");
    sample.expect_whole().await;
}

#[tokio::test]
async fn records_removed_cut_off_swapped_and_doubled_are_named() {
    use BreakReason::{Altered, Missing, Position};

    let Some(sample) = Sample::make().await else { return };
    let last = sample.last();
    for position in 1..=last {
        let removed = format!("DELETE FROM records WHERE position = {position}");
        let why = if position == last { Missing } else { Position };
        sample.expect_broken(&removed, (position, why)).await;
        let cut = format!("DELETE FROM records WHERE position >= {position}");
        sample.expect_broken(&cut, (position, Missing)).await;
        let moved = format!(
            "UPDATE records SET position = -position WHERE position > {position}; \
             UPDATE records SET position = -position"
        );
        if position < last {
            let closed = format!("{removed}; {moved} - 1 WHERE position < 0");
            sample.expect_broken(&closed, (position, Altered)).await;
            let swapped = format!(
                "UPDATE records SET position = -1 WHERE position = {position}; \
                 UPDATE records SET position = {position} WHERE position = {position} + 1; \
                 UPDATE records SET position = {position} + 1 WHERE position = -1"
            );
            sample.expect_broken(&swapped, (position, Altered)).await;
        }
        let again = "at, attempt, kind, body, digest FROM records WHERE position";
        let doubled =
            format!("{moved} + 1 WHERE position < 0; INSERT INTO records SELECT {position} + 1, {again} = {position}");
        sample.expect_broken(&doubled, (position + 1, Altered)).await;
        let behind = format!("INSERT INTO records SELECT {last} + 1, {again} = {position}");
        sample.expect_broken(&behind, (last + 1, Altered)).await;
    }
    sample.expect_whole().await;
}

#[tokio::test]
async fn state_that_the_records_do_not_tell_is_named() {
    let Some(sample) = Sample::make().await else { return };
    let whole_store = sample.records.iter().find(|record| record.attempt.is_none()).unwrap();
    let nameless =
        "UPDATE records SET attempt = '' WHERE position = (SELECT min(position) FROM records WHERE attempt IS NULL)";
    sample
        .expect_broken(nameless, (whole_store.position, BreakReason::Altered))
        .await;
    let of = |order: &str| format!("(SELECT attempt FROM attempts WHERE merchant_order = '{order}')");
    let (open, paid, done) = (of("order-open"), of("order-paid"), of("order-done"));
    let set = |what: &str, order: &str| format!("UPDATE attempts SET {what} WHERE merchant_order = '{order}'");
    let invented = "UPDATE attempts SET attempt = 'invented', expected = \
        replace(expected, attempt, 'invented') WHERE merchant_order = 'order-closed'";
    let last = |order: &str| sample.last_of(order);
    let first = |order: &str| sample.positions_of(order)[0];
    for (sql, position) in [
        (set("status = 'captured'", "order-open"), last("order-open")),
        (set("status = 'created'", "order-paid"), last("order-paid")),
        (set("status = 'pending'", "order-failed"), last("order-failed")),
        (set("status = 'created'", "order-closed"), last("order-closed")),
        (set("opened = true", "order-closed"), last("order-closed")),
        (set("opened = false", "order-open"), last("order-open")),
        (set("checkout = 'page-of-somebody'", "order-open"), last("order-open")),
        (set("checkout = NULL", "order-open"), last("order-open")),
        (
            set("expected = replace(expected, '1980', '1')", "order-open"),
            first("order-open"),
        ),
        (set("expected = '{}'", "order-open"), 0),
        (set("status = 'rich'", "order-open"), 0),
        (set("account = 'acct-else'", "order-open"), 0),
        (invented.to_owned(), 0),
        (
            "DELETE FROM attempts WHERE merchant_order = 'order-open'".to_owned(),
            first("order-open"),
        ),
        (
            format!(
                "INSERT INTO fulfilments (merchant_order, attempt, key) \
                 SELECT 'order-open', attempt, 'fulfil-' || attempt FROM attempts WHERE attempt = {open}"
            ),
            last("order-open"),
        ),
        (
            format!("UPDATE fulfilments SET attempt = {open} WHERE merchant_order = 'order-paid'"),
            last("order-paid"),
        ),
        (
            "UPDATE fulfilments SET merchant_order = 'order-of-nobody' WHERE merchant_order = 'order-paid'".to_owned(),
            last("order-paid"),
        ),
        (
            format!("UPDATE fulfilments SET key = 'fulfil-again' WHERE attempt = {done}"),
            last("order-done"),
        ),
        (
            format!("DELETE FROM fulfilments WHERE attempt = {paid}"),
            last("order-paid"),
        ),
        (
            format!("UPDATE fulfilments SET done_at = 1795400090000000 WHERE attempt = {paid}"),
            last("order-paid"),
        ),
        (
            format!("UPDATE fulfilments SET done_at = NULL WHERE attempt = {done}"),
            last("order-done"),
        ),
        ("DELETE FROM mode".to_owned(), sample.last()),
        (
            "UPDATE mode SET body = '{\"stopped\":null,\"asks_first\":null}'".to_owned(),
            sample.last(),
        ),
        ("UPDATE mode SET body = 'open'".to_owned(), sample.last()),
    ] {
        sample.expect_broken(&sql, (position, BreakReason::State)).await;
    }
    sample.expect_whole().await;
}

#[tokio::test]
async fn what_has_lost_its_form_is_named_and_not_only_an_error() {
    let Some(sample) = Sample::make().await else { return };
    // Somebody who owns the database takes its rules away as well, and the types of its columns are his.
    sample
        .run(
            "ALTER TABLE attempts DROP CONSTRAINT attempts_asks_check, DROP CONSTRAINT attempts_expires_at_check, \
             DROP CONSTRAINT attempts_next_ask_check, ALTER expected DROP NOT NULL, ALTER status DROP NOT NULL, \
             ALTER opened DROP NOT NULL, ALTER expires_at DROP NOT NULL, ALTER asks DROP NOT NULL; \
             ALTER TABLE fulfilments DROP CONSTRAINT fulfilments_deliveries_check, ALTER deliveries DROP NOT NULL, \
             ALTER key DROP NOT NULL; ALTER TABLE mode ALTER body DROP NOT NULL; \
             ALTER TABLE records DROP CONSTRAINT records_at_check, DROP CONSTRAINT records_digest_check, \
             ALTER at DROP NOT NULL, ALTER kind DROP NOT NULL, ALTER body DROP NOT NULL, ALTER digest DROP NOT NULL",
        )
        .await;
    for change in [
        "asks = 4294967296",
        "asks = -1",
        "asks = NULL",
        "expires_at = -1",
        "expires_at = NULL",
        "next_ask = -1",
        "status = NULL",
        "status = 'rich'",
        "opened = NULL",
        "expected = NULL",
        "expected = '{}'",
        "account = 'acct-else'",
        "checkout = 'two words'",
        "payment = ''",
        "link = 'no link'",
    ] {
        let sql = format!("UPDATE attempts SET {change} WHERE merchant_order = 'order-open'");
        sample.expect_broken(&sql, (0, BreakReason::State)).await;
    }
    let paid = sample.last_of("order-paid");
    for change in [
        "deliveries = 4294967296",
        "deliveries = -1",
        "deliveries = NULL",
        "done_at = -1",
        "key = NULL",
        "attempt = 'nobody'",
    ] {
        let sql = format!("UPDATE fulfilments SET {change} WHERE merchant_order = 'order-paid'");
        sample.expect_broken(&sql, (paid, BreakReason::State)).await;
    }
    for body in ["NULL", "''", "'{}'"] {
        let sql = format!("UPDATE mode SET body = {body}");
        sample.expect_broken(&sql, (sample.last(), BreakReason::State)).await;
    }
    for position in [1, 7, sample.last()] {
        for change in [
            "at = NULL",
            "at = -1",
            "kind = NULL",
            "body = NULL",
            "digest = NULL",
            "digest = sha224('')",
            "digest = ''",
        ] {
            let sql = format!("UPDATE records SET {change} WHERE position = {position}");
            sample.expect_broken(&sql, (position, BreakReason::Altered)).await;
        }
    }
    sample.expect_whole().await;
}

#[tokio::test]
async fn a_column_of_another_type_is_named_too() {
    let Some(sample) = Sample::make().await else { return };
    for (sql, wanted) in [
        (
            "ALTER TABLE attempts DROP CONSTRAINT attempts_asks_check; ALTER TABLE attempts ALTER asks TYPE text",
            (0, BreakReason::State),
        ),
        (
            "DROP INDEX records_held; ALTER TABLE records ALTER kind TYPE bytea USING kind::bytea",
            (1, BreakReason::Altered),
        ),
    ] {
        sample.run(sql).await;
        // By a node that starts now: one that knew the table as it was is told that it changed.
        let server = super::server().unwrap();
        let fresh = super::node(&server, &sample.schema).connect(NoTls).await.unwrap();
        let found = verify(&fresh, &[]).await.map_err(|error| super::said(&error));
        assert_eq!(broken(&found), Some(wanted), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn a_right_under_the_name_of_another_order_is_never_handed_out() {
    let Some(sample) = Sample::make().await else { return };
    sample
        .run(
            "DELETE FROM fulfilments; INSERT INTO fulfilments (merchant_order, attempt, key) \
             SELECT 'order-of-nobody', attempt, 'fulfil-' || attempt FROM attempts WHERE merchant_order = 'order-open'",
        )
        .await;
    let found = sample.ledger.next_fulfilment(at(500), Duration::from_secs(60)).await;
    assert!(found.is_err(), "{found:?}");
}
