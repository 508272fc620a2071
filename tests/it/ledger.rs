//! Both ledgers pass the shared suite, and the file is guarded as its page says.
#![allow(clippy::print_stdout, reason = "which case takes how long")]

use std::collections::HashMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kessai::Ledger;
use kessai::conformance::TestGateway;
use kessai::conformance::ledger::{LedgerSource, cases};
use kessai::ledger::{CloseReason, Expected};
use kessai::ledgers::{MemoryLedger, SqliteLedger};
use kessai::transport::BoxFuture;
use tempfile::TempDir;

use crate::support::start;

/// A ledger that forgets.
pub struct InMemory;

impl LedgerSource for InMemory {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>> {
        Box::pin(async { Ok(Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>) })
    }

    fn reopen(&self, _: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>> {
        Box::pin(async { Ok(None) })
    }
}

/// Files in a folder of their own, and which ledger is in which.
pub struct InFiles {
    folder: TempDir,
    paths: Mutex<HashMap<usize, PathBuf>>,
    count: AtomicUsize,
}

impl InFiles {
    fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    pub fn in_folder(folder: TempDir) -> Self {
        Self {
            folder,
            paths: Mutex::default(),
            count: AtomicUsize::new(0),
        }
    }

    fn open(&self, path: &Path) -> Result<Arc<dyn Ledger>, String> {
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(path).map_err(|error| error.to_string())?);
        self.paths.lock().unwrap().insert(address(&ledger), path.to_owned());
        Ok(ledger)
    }
}

impl LedgerSource for InFiles {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.path().join(format!("ledger-{number}.db"));
        Box::pin(async move { self.open(&path) })
    }

    fn reopen(&self, ledger: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>> {
        Box::pin(async move {
            let path = self.paths.lock().unwrap().remove(&address(&ledger)).unwrap();
            assert_eq!(Arc::strong_count(&ledger), 1, "the case kept a handle");
            drop(ledger);
            self.open(&path).map(Some)
        })
    }
}

fn address(ledger: &Arc<dyn Ledger>) -> usize {
    Arc::as_ptr(ledger).cast::<()>() as usize
}

async fn passes_every_case(source: &dyn LedgerSource) {
    let mut failures = Vec::new();
    for case in cases() {
        let start = std::time::Instant::now();
        let found = (case.run)(source).await;
        println!("{:>8.1?} {}", start.elapsed(), case.name);
        if let Err(found) = found {
            failures.push(format!("{}: {found}", case.name));
        }
    }
    assert!(cases().len() > 40, "the suite lost cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test]
async fn the_memory_ledger_passes_every_case() {
    passes_every_case(&InMemory).await;
}

#[tokio::test]
async fn the_sqlite_ledger_passes_every_case() {
    passes_every_case(&InFiles::new()).await;
}

/// A second writing of an attempt that is closed, and of one that moved to another order.
pub async fn says_that_it_was_written_before(ledger: &dyn Ledger) {
    let gateway = TestGateway::new().unwrap();
    let first = gateway.expected("order-1", start()).unwrap();
    let written = ledger.expect(&first).await.unwrap();
    assert!(matches!(written, Expected::Written), "{written:?}");
    let close = ledger.close(&first.attempt, CloseReason::NotSent, start());
    close.await.unwrap();
    let mut moved = gateway.expected("order-2", start()).unwrap();
    moved.attempt = first.attempt.clone();
    for again in [&first, &moved] {
        let error = ledger.expect(again).await.unwrap_err();
        assert!(error.to_string().contains("was written before"), "{error}");
        assert!(error.source().is_none() && !error.is_damage(), "{error:?}");
    }
    // The order that was named in vain is as free as before.
    let own = gateway.expected("order-2", start()).unwrap();
    let written = ledger.expect(&own).await.unwrap();
    assert!(matches!(written, Expected::Written), "{written:?}");
}

#[tokio::test]
async fn every_ledger_says_in_the_same_words_that_an_attempt_was_written_before() {
    says_that_it_was_written_before(&MemoryLedger::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteLedger::open(folder.path().join("ledger.db")).unwrap();
    says_that_it_was_written_before(&file).await;
}
