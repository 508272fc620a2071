//! A ledger's file that another process holds: whoever waits for it waits once, however many wait.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kessai::conformance::TestGateway;
use kessai::ledger::Expected;
use kessai::ledgers::SqliteLedger;
use kessai::{Ledger, StoreError};
use rusqlite::Connection;

use crate::support::start;

const PATIENCE: Duration = Duration::from_millis(500);
const CALLERS: usize = 30;

/// What another process does that writes and does not come to the end of it.
fn holding(path: &Path) -> Connection {
    let other = Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// All of them at once, each with an order of its own.
async fn open_all(ledger: &Arc<SqliteLedger>, orders: &str) -> Vec<Result<Expected, StoreError>> {
    let gateway = TestGateway::new().unwrap();
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let expected = gateway.expected(&format!("{orders}-{caller}"), start()).unwrap();
        let ledger = Arc::clone(ledger);
        callers.push(tokio::spawn(async move { ledger.expect(&expected).await }));
    }
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn callers_behind_a_file_that_somebody_holds_are_told_to_try_again_when_their_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    let ledger = Arc::new(SqliteLedger::builder(&path).busy_timeout(PATIENCE).open().unwrap());
    let other = holding(&path);
    let clock = Instant::now();
    for answer in open_all(&ledger, "refused").await {
        let error = answer.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the ledger failed: another process holds the file; try again"
        );
        assert!(!error.is_damage());
    }
    let waited = clock.elapsed();
    assert!(waited >= PATIENCE && waited < 4 * PATIENCE, "{waited:?}");
    // Reading goes on meanwhile, and nothing was written.
    assert!(ledger.latest(9).await.unwrap().is_empty());
    other.execute_batch("COMMIT").unwrap();
    for answer in open_all(&ledger, "taken").await {
        assert!(matches!(answer, Ok(Expected::Written)), "{answer:?}");
    }
    ledger.check().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_let_go_in_time_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    // Also by whoever says that he has all the time in the world.
    let builder = SqliteLedger::builder(&path).busy_timeout(Duration::MAX);
    let ledger = Arc::new(builder.open().unwrap());
    let other = holding(&path);
    let let_go = async {
        tokio::time::sleep(PATIENCE).await;
        other.execute_batch("COMMIT").unwrap();
    };
    let ((), answers) = tokio::join!(let_go, open_all(&ledger, "taken"));
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Expected::Written))));
}
