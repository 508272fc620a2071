//! Where the ledgers under the model live, and what the end of a process means there.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kessai::Ledger;
use kessai::conformance::ledger::LedgerSource;
use kessai::ledgers::tokio_postgres::{Config, NoTls};
use kessai::transport::BoxFuture;

use crate::ledger::{InFiles, InMemory};
use crate::postgres;

/// A kind of ledger.
#[derive(Clone)]
pub struct Home {
    pub name: &'static str,
    pub source: Arc<dyn LedgerSource>,
    /// What it holds is there after a restart.
    pub keeps: bool,
    /// Of a thousand steps so many meet the end of the process. Where opening takes long they are fewer.
    pub deaths: u64,
}

impl Home {
    pub fn memory() -> Self {
        Self {
            name: "memory",
            source: Arc::new(InMemory),
            keeps: false,
            deaths: 50,
        }
    }

    /// In memory as well if the machine has a folder for that: what the disk does is not the question here, and a sync for each
    /// of a hundred thousand steps takes minutes.
    pub fn sqlite() -> Self {
        let shared = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(shared).or_else(|_| tempfile::tempdir());
        Self {
            name: "sqlite",
            source: Arc::new(InFiles::in_folder(folder.unwrap())),
            keeps: true,
            deaths: 10,
        }
    }

    /// Nothing if there is no PostgreSQL here. It forces nothing to disk, as above.
    pub fn postgres() -> Option<Self> {
        Self::postgres_with(NonZeroUsize::MIN)
    }

    /// With so many connections to each ledger.
    pub fn postgres_with(connections: NonZeroUsize) -> Option<Self> {
        let server = postgres::forgetful_server()?;
        Some(Self {
            name: "postgres",
            source: Arc::new(InSchemas {
                server,
                connections,
                schemas: Mutex::default(),
            }),
            keeps: true,
            deaths: 10,
        })
    }
}

/// Each ledger in a schema of its own, with connections of its own name.
struct InSchemas {
    server: Config,
    connections: NonZeroUsize,
    schemas: Mutex<HashMap<usize, String>>,
}

impl InSchemas {
    async fn open(&self, schema: String) -> Result<Arc<dyn Ledger>, String> {
        let mut server = self.server.clone();
        server.application_name(&schema);
        let node = postgres::node(&server, &schema).connections(self.connections);
        let ledger = node.connect(NoTls).await.map_err(|error| postgres::said(&error))?;
        let ledger: Arc<dyn Ledger> = Arc::new(ledger);
        self.schemas.lock().unwrap().insert(address(&ledger), schema);
        Ok(ledger)
    }

    /// Until the server has seen that they are gone, and has finished or undone what they asked for.
    async fn wait_for_the_end_of(&self, schema: &str) -> Result<(), String> {
        let client = postgres::client(&self.server).await;
        let query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        for _ in 0..2000 {
            let left = client.query_one(query, &[&schema]).await;
            if left.map_err(|error| postgres::said(&error))?.get::<_, i64>(0) == 0 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(format!("the connections of {schema} are still there after ten seconds"))
    }
}

impl LedgerSource for InSchemas {
    fn fresh(&self) -> BoxFuture<'_, Result<Arc<dyn Ledger>, String>> {
        Box::pin(self.open(postgres::schema("model")))
    }

    fn reopen(&self, ledger: Arc<dyn Ledger>) -> BoxFuture<'_, Result<Option<Arc<dyn Ledger>>, String>> {
        Box::pin(async move {
            let schema = self.schemas.lock().unwrap().remove(&address(&ledger)).unwrap();
            assert_eq!(Arc::strong_count(&ledger), 1, "the driver kept a handle");
            drop(ledger);
            self.wait_for_the_end_of(&schema).await?;
            self.open(schema).await.map(Some)
        })
    }
}

fn address(ledger: &Arc<dyn Ledger>) -> usize {
    Arc::as_ptr(ledger).cast::<()>() as usize
}
