//! Who was affected: what the report about a window of time costs in a ledger of a million paid orders, beside its floor, and
//! beside the same window in a ledger of ten thousand. The floor reads the same rows by the same indexes and throws them away.
//!
//! `cargo bench --bench window`; needs three gigabytes of disk. `KESSAI_ATTEMPTS=100000` makes the large ledger smaller.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for people who measure"
)]

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::gateways::stripe::Stripe;
use kessai::ledger::{Head, Opened, RecordKind, Window};
use kessai::ledgers::SqliteLedger;
use kessai::report::Format;
use kessai::sign::SigningKeys;
use kessai::{Addresses, ApiKey, Cashier, ExpectedPayment, Ledger, PaymentStatus};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params, params_from_iter};
use tokio::runtime::Runtime;

/// One order is sold in each of these.
const APART: Duration = Duration::from_secs(8);
const SMALL: u64 = 10_000;
/// As many orders as there were cards in the incident, and ten and a hundred times as many.
const WINDOWS: [u64; 3] = [480, 4_800, 48_000];
const TURNS: u32 = 5;

fn main() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let large = std::env::var("KESSAI_ATTEMPTS").map_or(1_000_000, |text| text.parse().unwrap());
    let small = Sold::fill(&runtime, folder.path().join("small.db"), SMALL);
    let large = Sold::fill(&runtime, folder.path().join("large.db"), large);

    println!("\nthe window lies in the middle; best of {TURNS} turns, JSON");
    for orders in WINDOWS {
        // In turns, so that whatever else the machine does hits all three.
        let (mut bare, mut told, mut beside) = (Duration::MAX, Duration::MAX, None);
        for _ in 0..TURNS {
            bare = bare.min(large.floor(orders));
            told = told.min(large.report(&runtime, orders, Format::Json).0);
            if orders <= small.attempts {
                let took = small.report(&runtime, orders, Format::Json).0;
                beside = Some(beside.unwrap_or(Duration::MAX).min(took));
            }
        }
        let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        println!(
            "{orders:>7} of {}: {told:>8.1?}, floor {bare:.1?}, ratio {:.2}{}",
            large.attempts,
            ratio(told, bare),
            beside.map_or_else(String::new, |beside| format!(
                "; in a ledger of {SMALL}: {beside:.1?}, ratio {:.2}",
                ratio(told, beside)
            ))
        );
    }

    println!("\nthe whole ledger as one window");
    let floor = large.floor(large.attempts);
    println!("  floor: {floor:.1?}");
    for (name, format) in [("JSON", Format::Json), ("CSV", Format::Csv), ("HTML", Format::Html)] {
        let before = peak_from_here();
        let (took, bytes) = large.report(&runtime, large.attempts, format);
        let grown = peak().saturating_sub(before);
        println!(
            "  {name}: {took:.1?}, {} MB written, memory grew by {grown} kB",
            bytes / 1_000_000
        );
    }
}

/// A ledger in which orders were sold, one behind the other.
struct Sold {
    path: PathBuf,
    cashier: Cashier,
    attempts: u64,
    begun: SystemTime,
}

impl Sold {
    /// Sells one order by the ledger's own means and the others as copies of it, chained like every record.
    fn fill(runtime: &Runtime, path: PathBuf, attempts: u64) -> Self {
        let begun = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let start = Instant::now();
        let ledger = SqliteLedger::open(&path).unwrap();
        runtime.block_on(sell(&ledger, begun));
        drop(ledger);
        let records = Copies::of(&path).write(attempts);
        let size = std::fs::metadata(&path).unwrap().len() / 1_000_000;
        println!(
            "{attempts} paid orders, {records} records, {size} MB, filled in {:.1?}",
            start.elapsed()
        );
        let stripe = Stripe::builder(
            ApiKey::new("sk_test_0123456789abcdef").unwrap(),
            SigningKeys::from_texts(["whsec_0123456789abcdefBench"]).unwrap(),
            Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
        );
        let cashier = Cashier::builder(SqliteLedger::open(&path).unwrap())
            .gateway(stripe.build().unwrap())
            .build()
            .unwrap();
        Self {
            path,
            cashier,
            attempts,
            begun,
        }
    }

    /// So many orders from the middle of the ledger.
    fn window(&self, orders: u64) -> Window {
        let first = u32::try_from((self.attempts - orders) / 2).unwrap();
        let from = self.begun + APART * first;
        Window::new(from, from + APART * u32::try_from(orders).unwrap()).unwrap()
    }

    fn report(&self, runtime: &Runtime, orders: u64, format: Format) -> (Duration, u64) {
        let mut written = Counted::default();
        let window = self.window(orders);
        let start = Instant::now();
        let reported = runtime
            .block_on(self.cashier.report(window, format, &mut written))
            .unwrap();
        let took = start.elapsed();
        assert_eq!(reported.totals.attempts(), orders);
        // What differs from its records is read again, which would be measured instead.
        assert!(reported.chain.intact, "{}", reported.chain.text);
        (took, written.0)
    }

    /// Every row that the report needs, by the same indexes, and nothing done with it.
    fn floor(&self, orders: u64) -> Duration {
        let db = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let window = self.window(orders);
        let (from, to) = (micros(window.from()), micros(window.to()));
        let start = Instant::now();
        let mut attempts = db
            .prepare("SELECT DISTINCT attempt FROM records WHERE at >= ? AND at < ? AND attempt IS NOT NULL")
            .unwrap();
        let mut attempt = db.prepare("SELECT * FROM attempts WHERE attempt = ?").unwrap();
        let mut records = db
            .prepare("SELECT * FROM records WHERE attempt = ? ORDER BY position")
            .unwrap();
        let (mut found, mut seen) = (0, 0);
        let mut names = attempts.query(params![from, to]).unwrap();
        while let Some(name) = names.next().unwrap() {
            let name: String = name.get(0).unwrap();
            for rows in [&mut attempt, &mut records] {
                let columns = rows.column_count();
                let mut rows = rows.query([&name]).unwrap();
                while let Some(row) = rows.next().unwrap() {
                    for column in 0..columns {
                        seen += usize::from(row.get_ref(column).unwrap() != rusqlite::types::ValueRef::Null);
                    }
                }
            }
            found += 1;
        }
        assert!(found == orders && seen > 0);
        start.elapsed()
    }
}

const ORDER: &str = "order-0000000000";

/// Everything that happens to an order which goes well.
async fn sell(ledger: &SqliteLedger, at: SystemTime) {
    let gateway = TestGateway::new().unwrap();
    let expected = gateway.expected(ORDER, at).unwrap();
    let _written = ledger.expect(&expected).await.unwrap();
    let opened = Opened {
        checkout: Some(Statement::page_of(&expected.attempt).unwrap()),
        ..Opened::default()
    };
    let _opened = ledger.opened(&expected.attempt, &opened, at).await.unwrap();
    let paid = Statement::about(&expected, PaymentStatus::Captured).unwrap();
    let stored = ledger.attempt(&expected.attempt).await.unwrap().unwrap();
    let _now = ledger
        .apply(&stored.judge(gateway.prove(&paid, at).unwrap()), at)
        .await
        .unwrap();
    let lease = Duration::from_secs(60);
    let due = ledger.next_fulfilment(at, lease).await.unwrap().unwrap();
    assert!(ledger.done(&due.key, at).await.unwrap());
}

/// The rows of one order, and how to write them again under other names and at other times.
struct Copies {
    db: Connection,
    attempt: String,
    key: String,
    tables: Vec<Table>,
    head: Head,
}

struct Table {
    insert: String,
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    /// What was expected for the order that is copied.
    expected: String,
}

impl Copies {
    fn of(path: &Path) -> Self {
        let db = Connection::open(path).unwrap();
        // Nothing here has to outlive a failure of the machine.
        db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")
            .unwrap();
        let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        let (attempt, key) = (one("SELECT attempt FROM attempts"), one("SELECT key FROM fulfilments"));
        let head = db
            .query_row(
                "SELECT position, digest FROM records ORDER BY position DESC",
                [],
                |row| {
                    let digest = kessai::ledger::Digest::from_bytes(row.get(1)?);
                    let count: i64 = row.get(0)?;
                    Ok(Head {
                        count: count.unsigned_abs(),
                        digest,
                    })
                },
            )
            .unwrap();
        let tables = ["attempts", "records", "events_heard", "fulfilments"].map(|table| Table::of(&db, table));
        Self {
            attempt,
            key,
            tables: tables.into(),
            head,
            db,
        }
    }

    /// Writes the orders from the second one on, and says how many records there are then.
    fn write(mut self, attempts: u64) -> u64 {
        for first in (1..attempts).step_by(50_000) {
            let transaction = self.db.transaction().unwrap();
            for order in first..attempts.min(first + 50_000) {
                let later = i64::try_from(APART.as_micros()).unwrap() * i64::try_from(order).unwrap();
                let width = self.attempt.len();
                let names = [
                    (self.attempt.as_str(), format!("{order:0width$}")),
                    (ORDER, format!("order-{order:010}")),
                    (self.key.as_str(), format!("{order:0width$}", width = self.key.len())),
                ];
                let renamed = |text: &str| {
                    names
                        .iter()
                        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
                };
                for table in &self.tables {
                    let mut insert = transaction.prepare_cached(&table.insert).unwrap();
                    for row in &table.rows {
                        let copied = table.copied(row, later, renamed, &mut self.head);
                        let _one = insert.execute(params_from_iter(copied)).unwrap();
                    }
                }
            }
            transaction.commit().unwrap();
        }
        self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        self.head.count
    }
}

impl Table {
    fn of(db: &Connection, table: &str) -> Self {
        let mut all = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns: Vec<String> = all.column_names().into_iter().map(str::to_owned).collect();
        let count = columns.len();
        let rows = all
            .query_map([], |row| (0..count).map(|at| row.get(at)).collect())
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let places = vec!["?"; count].join(", ");
        let expected = db.query_row("SELECT expected FROM attempts", (), |row| row.get(0));
        Self {
            insert: format!("INSERT INTO {table} VALUES ({places})"),
            columns,
            rows,
            expected: expected.unwrap(),
        }
    }

    /// A row under other names, later, and behind the last record if it is one.
    fn copied(&self, row: &[Value], later: i64, renamed: impl Fn(&str) -> String, head: &mut Head) -> Vec<Value> {
        let mut copied: Vec<Value> = self
            .columns
            .iter()
            .zip(row)
            .map(|(column, value)| match (column.as_str(), value) {
                ("seq", _) => Value::Null,
                (_, Value::Text(text)) => Value::Text(renamed(text)),
                ("at" | "created_at" | "expires_at" | "done_at" | "lease_until" | "next_ask", Value::Integer(at)) => {
                    Value::Integer(at + later)
                }
                _ => value.clone(),
            })
            .collect();
        if let [
            position,
            Value::Integer(at),
            Value::Text(attempt),
            Value::Text(kind),
            Value::Text(body),
            digest,
        ] = copied.as_mut_slice()
        {
            if kind == "expected" {
                *body = expectation(&renamed(&self.expected));
            }
            *head = head.then(*at, Some(attempt), kind, body);
            *position = Value::Integer(i64::try_from(head.count).unwrap());
            *digest = Value::Blob(head.digest.as_bytes().to_vec());
        }
        copied
    }
}

/// The record of an expectation under other names: the digest in it is of these.
fn expectation(expected: &str) -> String {
    let expected: ExpectedPayment = serde_json::from_str(expected).unwrap();
    serde_json::to_string(&RecordKind::expected(&expected)).unwrap()
}

/// Counts what is written and forgets it.
#[derive(Default)]
struct Counted(u64);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn micros(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

/// The most memory that this process ever had, in kilobytes; nothing where the system does not say.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

/// Forgets what was the most before, where the system can, and gives what there is now.
fn peak_from_here() -> u64 {
    let _may_be_refused = std::fs::write("/proc/self/clear_refs", "5");
    peak()
}
