//! Ten thousand orders over ninety days, on a clock that is set back again and again (PAY-68): the report of any window equals a
//! list that was kept beside it, attempt by attempt and record by record, and has the same bytes when it is written again, by
//! another process and in another time zone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{Applied, Expected, Opened, Window};
use kessai::ledgers::SqliteLedger;
use kessai::report::Format;
use kessai::{Cashier, ExpectedPayment, FulfilmentKey, Ledger, PaymentStatus as S};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{start, stripe};

const ORDERS: usize = 10_000;
/// So many come at once.
const TOGETHER: usize = 20;
const DAY: Duration = Duration::from_secs(24 * 3600);

const TEST: &str = "ninety_days::a_report_over_ten_thousand_orders_equals_a_list_kept_beside_it";
const FILE: &str = "KESSAI_REPORT_FILE";
const OUT: &str = "KESSAI_REPORT_OUT";

/// What became of an order, as the store saw it: when, and what kind of record.
#[derive(Debug, PartialEq)]
struct Line {
    attempt: String,
    status: S,
    records: Vec<(String, &'static str)>,
}

#[test]
fn a_report_over_ten_thousand_orders_equals_a_list_kept_beside_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    // The process that writes the report again is this test as well, told so by its environment.
    if let (Ok(file), Ok(out)) = (std::env::var(FILE), std::env::var(OUT)) {
        let reports = runtime.block_on(reports(Path::new(&file)));
        std::fs::write(out, reports.concat()).unwrap();
        return;
    }
    // In memory if the machine has a folder for that: what the disk does is not the question here.
    let shared = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = shared.unwrap();
    let path = folder.path().join("ledger.db");
    let begun = Instant::now();
    let list = runtime.block_on(trade(&path));
    println!("{ORDERS} orders in {:.1?}", begun.elapsed());
    runtime.block_on(compare(&path, &list));
    let once = runtime.block_on(reports(&path)).concat();
    for zone in ["Asia/Tokyo", "America/St_Johns"] {
        let out = folder.path().join("again");
        let again = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST])
            .env(FILE, &path)
            .env(OUT, &out)
            .env("TZ", zone)
            .env("LC_ALL", "ja_JP.UTF-8")
            .output()
            .unwrap();
        assert!(again.status.success(), "{again:?}");
        assert!(std::fs::read(&out).unwrap() == once, "written in {zone} it differs");
    }
    println!("all in {:.1?}, {} bytes of reports", begun.elapsed(), once.len());
}

/// Days of the windows that are asked about. The first order comes on the tenth.
const WINDOWS: [(f64, f64); 5] = [(0.0, 110.0), (30.0, 72.0), (40.0, 41.0), (54.5, 54.6), (200.0, 300.0)];

fn window((from, to): (f64, f64)) -> Window {
    Window::new(start() + DAY.mul_f64(from), start() + DAY.mul_f64(to)).unwrap()
}

fn cashier(path: &Path) -> Cashier {
    let ledger = SqliteLedger::open(path).unwrap();
    Cashier::builder(ledger)
        .gateway(stripe().build().unwrap())
        .build()
        .unwrap()
}

async fn reports(path: &Path) -> Vec<Vec<u8>> {
    let cashier = cashier(path);
    let mut all = Vec::new();
    for days in WINDOWS {
        // Of all ninety days in one form only: it is the same code, and large.
        let all_of_it = days == WINDOWS[0];
        for format in [Format::Json, Format::Csv, Format::Html]
            .into_iter()
            .take(if all_of_it { 1 } else { 3 })
        {
            let mut out = Vec::new();
            cashier.report(window(days), format, &mut out).await.unwrap();
            all.push(out);
        }
    }
    all
}

/// The clock of the days: on, by seventeen minutes for twenty orders; now and then back, by hours or by two days.
fn clock(batch: usize) -> SystemTime {
    let batches = u32::try_from(ORDERS / TOGETHER).unwrap();
    let on = DAY * 90 / batches * u32::try_from(batch).unwrap();
    let back = match batch {
        _ if batch % 101 == 100 => DAY * 2,
        _ if batch % 37 == 36 => DAY / 8,
        _ => Duration::ZERO,
    };
    start() + DAY * 10 + on - back
}

async fn trade(path: &Path) -> BTreeMap<String, Line> {
    let ledger = Arc::new(SqliteLedger::open(path).unwrap());
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut list = BTreeMap::new();
    for batch in 0..ORDERS / TOGETHER {
        let mut tasks = JoinSet::new();
        for number in batch * TOGETHER..(batch + 1) * TOGETHER {
            tasks.spawn(buy(Arc::clone(&ledger), Arc::clone(&gateway), number, clock(batch)));
        }
        while let Some(bought) = tasks.join_next().await {
            let (order, line) = bought.unwrap();
            assert!(list.insert(order, line).is_none());
        }
    }
    list
}

/// One order, from its page to its end, some of which come days later.
async fn buy(ledger: Arc<SqliteLedger>, gateway: Arc<TestGateway>, number: usize, now: SystemTime) -> (String, Line) {
    let order = format!("EC-{number}");
    let expected = gateway.expected(&order, now).unwrap();
    assert!(matches!(ledger.expect(&expected).await.unwrap(), Expected::Written));
    let opened = Opened {
        checkout: Some(Statement::page_of(&expected.attempt).unwrap()),
        ..Opened::default()
    };
    let _bound = ledger.opened(&expected.attempt, &opened, now).await.unwrap();
    let mut records = vec![(text(now), "expected"), (text(now), "opened")];
    // Paid at once and shipped, paid at a till days later, given back, lapsed, declined, left alone.
    let days = DAY * u32::try_from(number % 6).unwrap();
    let ends: &[(S, Duration)] = match number % 7 {
        0 | 1 => &[(S::Captured, Duration::ZERO)],
        2 => &[(S::Pending, Duration::ZERO), (S::Captured, days)],
        3 => &[(S::Captured, Duration::ZERO), (S::Refunded, days)],
        4 => &[(S::Expired, DAY)],
        5 => &[(S::Failed, Duration::ZERO)],
        _ => &[],
    };
    let mut status = S::Created;
    for (end, after) in ends {
        let at = now + *after;
        status = *end;
        records.push((text(at), "applied"));
        if tell(&ledger, &gateway, &expected, *end, at).await == Applied::Now {
            records.push((text(at), "fulfilment"));
            let shipped = at + Duration::from_secs(60);
            assert!(
                ledger
                    .done(&FulfilmentKey::of(&expected.attempt), shipped)
                    .await
                    .unwrap()
            );
            records.push((text(shipped), "fulfilled"));
        }
    }
    let attempt = expected.attempt.to_string();
    let line = Line {
        attempt,
        status,
        records,
    };
    (order, line)
}

async fn tell(
    ledger: &SqliteLedger,
    gateway: &TestGateway,
    expected: &ExpectedPayment,
    status: S,
    at: SystemTime,
) -> Applied {
    let said = Statement::about(expected, status).unwrap();
    let event = gateway.prove(&said, at).unwrap();
    let stored = ledger.attempt(&expected.attempt).await.unwrap().unwrap();
    ledger.apply(&stored.judge(event), at).await.unwrap()
}

/// A time as seconds, so that nothing of the crate's own writing of times is in the list.
fn text(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs().to_string()
}

/// `2026-11-23T11:07:00.000000Z` as seconds, by the civil calendar.
fn seconds(written: &str) -> String {
    assert!(written.ends_with(".000000Z"), "whole seconds of UTC: {written}");
    let part = |range: std::ops::Range<usize>| written[range].parse::<i64>().unwrap();
    let (year, month, day) = (part(0..4), part(5..7), part(8..10));
    // Days since 1970 (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_era =
        y.rem_euclid(400) * 365 + y.rem_euclid(400) / 4 - y.rem_euclid(400) / 100 + (153 * m + 2) / 5 + day - 1;
    let days = y.div_euclid(400) * 146_097 + of_era - 719_468;
    (days * 86_400 + part(11..13) * 3_600 + part(14..16) * 60 + part(17..19)).to_string()
}

/// Everything that a report tells of an attempt: no field of a card, and none for free text.
const FIELDS: [&str; 15] = [
    "attempt",
    "order",
    "customer",
    "gateway",
    "account",
    "environment",
    "amount_minor_units",
    "currency",
    "created_at",
    "status",
    "checkout",
    "payment",
    "checked",
    "shopper_seen",
    "records",
];
const RECORD: [&str; 4] = ["position", "at", "kind", "detail"];

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

async fn compare(path: &Path, list: &BTreeMap<String, Line>) {
    let cashier = cashier(path);
    for days in WINDOWS {
        let window = window(days);
        let inside = |at: &str| window.contains(SystemTime::UNIX_EPOCH + Duration::from_secs(at.parse().unwrap()));
        let mut wanted: BTreeMap<&str, Line> = BTreeMap::new();
        for (order, line) in list {
            let records: Vec<_> = line.records.iter().filter(|(at, _)| inside(at)).cloned().collect();
            if !records.is_empty() {
                let (attempt, status) = (line.attempt.clone(), line.status);
                wanted.insert(
                    order,
                    Line {
                        attempt,
                        status,
                        records,
                    },
                );
            }
        }
        let mut out = Vec::new();
        cashier.report(window, Format::Json, &mut out).await.unwrap();
        let report: Value = serde_json::from_slice(&out).unwrap();
        let rows = report["attempts"].as_array().unwrap();
        assert_eq!(rows.len(), wanted.len(), "{days:?}");
        assert_eq!(report["count"], wanted.len(), "{days:?}");
        assert_eq!(report["chain"]["intact"], true, "{}", report["chain"]);
        let mut places = Vec::new();
        for row in rows {
            assert!(keys(row).iter().all(|key| FIELDS.contains(key)), "{row}");
            let order = row["order"].as_str().unwrap();
            let line = wanted
                .remove(order)
                .unwrap_or_else(|| panic!("{order} is there and should not, or twice"));
            assert_eq!(row["attempt"], line.attempt.as_str());
            assert_eq!(row["status"], line.status.to_string(), "{order}");
            let records = row["records"].as_array().unwrap();
            assert!(records.iter().flat_map(keys).all(|key| RECORD.contains(&key)), "{row}");
            let told = records.iter().map(|record| {
                (
                    seconds(record["at"].as_str().unwrap()),
                    record["kind"].as_str().unwrap(),
                )
            });
            assert!(
                told.eq(line.records.iter().map(|(at, kind)| (at.clone(), *kind))),
                "{order}: {row}"
            );
            let first = records.iter().map(|record| {
                let at = seconds(record["at"].as_str().unwrap()).parse::<u64>().unwrap();
                (at, record["position"].as_u64().unwrap())
            });
            places.push(first.min().unwrap());
        }
        assert!(wanted.is_empty(), "missing: {:?}", wanted.keys().next());
        assert!(places.is_sorted(), "in the order of what happened first");
        println!("days {days:?}: {} attempts, {}", rows.len(), report["chain"]["text"]);
    }
}
