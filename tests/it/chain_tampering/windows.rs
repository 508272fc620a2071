//! What a window costs: it grows with the window, and not with the ledger around it.

use std::time::{Duration, Instant, SystemTime};

use kessai::Ledger;
use kessai::ledger::{Window, WindowCursor};
use kessai::ledgers::SqliteLedger;
use rusqlite::Connection;

use super::sample::{beside, write};

const ATTEMPTS: u64 = 40_000;

/// A large ledger, multiplied from one attempt beside the crate: one attempt and one record for each second. Its chain is not
/// looked at here.
fn multiply(raw: &Connection) {
    raw.execute_batch(&format!(
        "BEGIN; CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ATTEMPTS}) \
         SELECT i FROM n; \
         INSERT INTO attempts (attempt, merchant_order, gateway, account, expected, created_at, status, expires_at) \
         SELECT 'many' || i, 'order' || i, gateway, account, \
         json_set(expected, '$.attempt', 'many' || i, '$.order', 'order' || i), created_at + i * 1000000, status, expires_at \
         FROM attempts, n WHERE seq = 1; \
         INSERT INTO records (position, at, attempt, kind, body, digest) \
         SELECT 1 + i, at + i * 1000000, 'many' || i, kind, body, digest FROM records, n WHERE position = 1; COMMIT; ANALYZE"
    ))
    .unwrap();
}

/// Reads a window from behind a cursor, and says how long the fastest of some readings took: what else the machine does makes
/// it slower, never faster.
async fn fastest(ledger: &SqliteLedger, window: &Window, after: Option<WindowCursor>, limit: usize) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..15 {
        let start = Instant::now();
        let rows = ledger.window(window, after, limit).await.unwrap();
        fastest = fastest.min(start.elapsed());
        assert_eq!(rows.len(), limit);
        assert!(rows.first().map(|row| row.cursor) > after);
    }
    fastest
}

#[tokio::test]
async fn a_window_costs_what_is_in_it_and_not_what_is_around_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.db");
    let ledger = SqliteLedger::open(&path).unwrap();
    let gateway = kessai::conformance::TestGateway::new().unwrap();
    let first = write(&ledger, &gateway, "order-first", 0).await;
    multiply(&beside(&path));
    let second = |n: u64| first.created_at + Duration::from_secs(n);
    let window = |from, to| Window::new(second(from), second(to)).unwrap();

    // Of the same size at the beginning, in the middle and at the end.
    let mut took = Vec::new();
    for from in [1, ATTEMPTS / 2, ATTEMPTS - 20] {
        took.push(fastest(&ledger, &window(from, from + 20), None, 20).await);
    }
    println!("20 attempts of {ATTEMPTS}, at the beginning, in the middle, at the end: {took:.1?}");
    assert!(took[1] < took[0] * 4 && took[2] < took[0] * 4, "{took:?}");

    // In a window of everything: a page far inside goes on where the last one ended, and does not begin anew.
    let all = window(0, ATTEMPTS + 1);
    let head = fastest(&ledger, &all, None, 1).await;
    let before = second(ATTEMPTS - 1).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let late = WindowCursor {
        at_micros: i64::try_from(before.as_micros()).unwrap(),
        position: ATTEMPTS,
    };
    let tail = fastest(&ledger, &all, Some(late), 1).await;
    println!("one attempt at its beginning {head:.1?}, one at its end {tail:.1?}");
    assert!(tail < head * 4, "{tail:?} at the end, {head:?} at the beginning");
}
