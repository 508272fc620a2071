//! The suite that every ledger passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kessai::Ledger;
use kessai::conformance::ledger::{LedgerSource, cases};
use kessai::ledgers::tokio_postgres::{Config, NoTls};
use kessai::transport::BoxFuture;

/// Each ledger in a schema of its own, and which is in which.
struct InSchemas {
    server: Config,
    schemas: Mutex<HashMap<usize, String>>,
}

impl InSchemas {
    async fn open(&self, schema: String) -> Result<Arc<dyn Ledger>, String> {
        let ledger = super::node(&self.server, &schema).connect(NoTls).await;
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.map_err(|error| super::said(&error))?);
        self.schemas.lock().unwrap().insert(address(&ledger), schema);
        Ok(ledger)
    }
}

impl LedgerSource for InSchemas {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>> {
        Box::pin(self.open(super::schema("suite")))
    }

    fn reopen(&self, ledger: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>> {
        Box::pin(async move {
            let schema = self.schemas.lock().unwrap().remove(&address(&ledger)).unwrap();
            assert_eq!(Arc::strong_count(&ledger), 1, "the case kept a handle");
            drop(ledger);
            self.open(schema).await.map(Some)
        })
    }
}

fn address(ledger: &Arc<dyn Ledger>) -> usize {
    Arc::as_ptr(ledger).cast::<()>() as usize
}

#[tokio::test]
async fn the_postgres_ledger_passes_every_case() {
    let Some(server) = super::server() else { return };
    let source = InSchemas {
        server,
        schemas: Mutex::default(),
    };
    let mut failures = Vec::new();
    for case in cases() {
        let start = std::time::Instant::now();
        let found = (case.run)(&source).await;
        println!("{:>8.1?} {}", start.elapsed(), case.name);
        if let Err(found) = found {
            failures.push(format!("{}: {found}", case.name));
        }
    }
    let again = source.fresh().await.unwrap();
    crate::ledger::says_that_it_was_written_before(again.as_ref()).await;
    assert!(cases().len() > 40, "the suite lost cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
