//! [`PostgresLedger`]: one memory for a store on several machines.
//!
//! Every operation is one transaction that locks the rows it decides about. Records of all nodes stand in one line without
//! gaps: their head is locked last and to the commit. Rights to fulfil and attempts to ask about are picked with
//! `SKIP LOCKED` and leased, so that nodes share them without waiting for each other.

mod apply_in;
mod connect;
mod db;
mod pool;
mod read;
mod window;
mod write;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};

pub use self::connect::ConnectError;
use self::db::Trouble;
use self::pool::{End, Line, Pool};
use crate::event::Subject;
use crate::ledger::{
    Applied, AskDue, Asked, Binding, CloseReason, Cue, Expected, ExpectedPayment, Fulfilment, Head, HeldEvidence,
    Judgement, KeptRecord, Ledger, Mode, ModeChange, Note, Opened, Record, StoreError, StoreNote, StoredAttempt, Which,
    Window, WindowCursor, WindowRow,
};
use crate::ledgers::time::bounds;
use crate::reference::{AttemptReference, FulfilmentKey, GatewayId, MerchantAccount, MerchantReference};
use crate::transport::BoxFuture;

/// A ledger in a PostgreSQL database, shared by any number of processes on any number of machines.
///
/// ```no_run
/// use kessai::ledgers::{PostgresLedger, tokio_postgres::NoTls};
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// // On this machine. A server elsewhere is reached by TLS only, with a connector of the store's choice.
/// let config = "host=/run/postgresql user=shop dbname=shop".parse()?;
/// let ledger = PostgresLedger::connect(config, NoTls).await?;
/// # Ok(()) }
/// ```
///
/// It lives in a schema of its own, `kessai` unless told otherwise, beside whatever else the database holds. A proxy between
/// the store and the server may lend connections for one transaction each, if it carries prepared statements over: what the
/// ledger needs of a connection it says in each transaction. One that lends them for one statement each cannot be used. Its
/// futures need a tokio runtime with timers.
///
/// If the connection breaks while a commit is under way nobody can know whether it took place. The operation says so and
/// fails; doing it again is always right.
pub struct PostgresLedger {
    pool: Pool,
    patience: Duration,
}

/// Settings for a [`PostgresLedger`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PostgresLedgerBuilder {
    config: Config,
    schema: String,
    connections: NonZeroUsize,
    patience: Duration,
}

const EIGHT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// How often a transaction is tried that others got in the way of.
const TRIES: u32 = 8;

/// Something that only reads, on a connection that works and on one state of the database.
macro_rules! snapshot {
    ($ledger:expr, $db:ident => $work:expr) => {
        async move {
            let begin = $ledger.pool.begin_reading();
            loop {
                let mut turn = $ledger.pool.turn(Line::All).await?;
                let (begun, outcome) = {
                    let mut db = turn.db();
                    let client = db.client;
                    let $db = &mut db;
                    tokio::join!(biased; client.batch_execute(&begin), $work)
                };
                let outcome = begun.map_err(Trouble::Sql).and(outcome);
                match turn.end_reading(outcome).await {
                    End::Done(value) => return Ok(value),
                    // It broke while nobody used it.
                    End::Again(_) => {}
                    End::Failed(error) => return Err(error),
                }
            }
        }
    };
}

/// The same, for no longer than the ledger's patience.
macro_rules! reading {
    ($ledger:expr, $db:ident => $work:expr) => {
        Box::pin(async move {
            let work = snapshot!($ledger, $db => $work);
            $ledger.within_patience(&AtomicBool::new(false), work).await
        })
    };
}

impl PostgresLedger {
    /// Connects, makes the tables if there are none, and refuses a schema that is something else or newer.
    pub async fn connect<T>(config: Config, tls: T) -> Result<Self, ConnectError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self::builder(config).connect(tls).await
    }

    /// Starts with the settings that [`connect`](Self::connect) uses.
    pub fn builder(config: Config) -> PostgresLedgerBuilder {
        PostgresLedgerBuilder {
            config,
            schema: "kessai".to_owned(),
            connections: EIGHT,
            patience: Duration::from_secs(10),
        }
    }

    /// Do the records follow each other without a gap? Reads all of them, so it takes its time on a large ledger.
    pub async fn check(&self) -> Result<(), StoreError> {
        snapshot!(self, db => read::check(db)).await
    }

    /// No operation takes longer than the ledger's patience. What is given up leaves nothing behind, except a commit that was
    /// sent and not answered.
    async fn within_patience<T>(
        &self,
        committing: &AtomicBool,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(self.patience, work).await {
            Ok(outcome) => outcome,
            Err(elapsed) if committing.load(Ordering::Relaxed) => Err(StoreError::new(pool::UNKNOWN, elapsed)),
            Err(elapsed) => Err(StoreError::new("the database did not answer in time", elapsed)),
        }
    }
}

impl PostgresLedgerBuilder {
    /// The schema, made if it is not there: 1 to 48 of `a-z`, `0-9` and `_`. Default: `kessai`.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// How many connections there are at most; they are made when they are needed. Default: eight. One more is for the switch: a stop
    /// does not wait behind everything else.
    pub fn connections(mut self, most: NonZeroUsize) -> Self {
        self.connections = most;
        self
    }

    /// How long an operation may take, waiting for a connection and for other nodes included. Default: ten seconds.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Connects and makes the tables if there are none. `NoTls` is for this machine only: unix sockets, loopback addresses
    /// and `localhost`. To any other host TLS is required, whatever the configuration prefers.
    pub async fn connect<T>(self, tls: T) -> Result<PostgresLedger, ConnectError>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let schema = connect::quoted(&self.schema)?;
        let connector = connect::connector(self.config, tls, self.patience)?;
        let settings = connect::settings(self.patience);
        let pool = Pool::new(connector, schema, settings, self.connections.get());
        let turn = pool.turn(Line::All).await?;
        connect::migrate(turn.client(), pool.schema(), pool.settings()).await?;
        turn.give_back();
        Ok(PostgresLedger {
            pool,
            patience: self.patience,
        })
    }
}

impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresLedger(..)")
    }
}

/// Waits a little, longer each time, and never as long as another that failed at the same moment.
async fn step_back(tries: u32) {
    let most = 2_u32.saturating_pow(tries).saturating_mul(2);
    let random = getrandom::u32().unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(u64::from(random % most))).await;
}

/// One transaction, done again if others got in its way.
macro_rules! transaction {
    ($ledger:expr, $db:ident => $work:expr) => {
        transaction!($ledger, Line::All, $db => $work)
    };
    ($ledger:expr, $line:expr, $db:ident => $work:expr) => {
        Box::pin(async move {
            let committing = AtomicBool::new(false);
            let work = async {
                let mut tries = 1;
                loop {
                    let mut turn = $ledger.pool.transaction($line).await?;
                    let outcome = {
                        let mut db = turn.db();
                        let $db = &mut db;
                        $work.await
                    };
                    match turn.end(outcome, &committing).await {
                        End::Done(value) => return Ok(value),
                        End::Again(trouble) if tries == TRIES => return Err(trouble.into_store_error()),
                        End::Again(_) => {
                            step_back(tries).await;
                            tries += 1;
                        }
                        End::Failed(error) => return Err(error),
                    }
                }
            };
            $ledger.within_patience(&committing, work).await
        })
    };
}

impl Ledger for PostgresLedger {
    fn expect<'a>(&'a self, expected: &'a ExpectedPayment) -> BoxFuture<'a, Result<Expected, StoreError>> {
        transaction!(self, db => write::expect(db, expected))
    }

    fn opened<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        opened: &'a Opened,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Binding, StoreError>> {
        transaction!(self, db => write::opened(db, attempt, opened, at))
    }

    fn close<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        why: CloseReason,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        transaction!(self, db => write::close(db, attempt, why, at))
    }

    fn attempt<'a>(
        &'a self,
        attempt: &'a AttemptReference,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        reading!(self, db => read::attempt(db, attempt))
    }

    fn find<'a>(
        &'a self,
        gateway: &'a GatewayId,
        account: &'a MerchantAccount,
        subject: &'a Subject,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        reading!(self, db => read::find(db, gateway, account, subject))
    }

    fn apply<'a>(&'a self, judgement: &'a Judgement, at: SystemTime) -> BoxFuture<'a, Result<Applied, StoreError>> {
        transaction!(self, db => write::apply(db, judgement, at))
    }

    fn attempts_to_ask<'a>(&'a self, due: &'a AskDue) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>> {
        Box::pin(async move {
            let found = transaction!(self, db => write::attempts_to_ask(db, due)).await;
            if found.as_ref().is_err_and(StoreError::is_damage) {
                transaction!(self, db => write::reserve_damaged(db, due)).await?;
            }
            found
        })
    }

    fn asked<'a>(
        &'a self,
        seen: &'a StoredAttempt,
        asked: &'a Asked,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        transaction!(self, db => write::asked(db, seen, asked, at))
    }

    fn left_to_ask(&self, now: SystemTime) -> BoxFuture<'_, Result<u64, StoreError>> {
        reading!(self, db => read::left_to_ask(db, now))
    }

    fn make_due<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        cue: Cue,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        transaction!(self, db => write::make_due(db, attempt, cue, at))
    }

    fn note<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        note: Note,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        transaction!(self, db => write::note(db, attempt, note, at))
    }

    fn next_fulfilment(
        &self,
        at: SystemTime,
        lease: Duration,
    ) -> BoxFuture<'_, Result<Option<Fulfilment>, StoreError>> {
        Box::pin(async move { transaction!(self, db => write::next_fulfilment(db, at, lease)).await? })
    }

    fn done<'a>(&'a self, key: &'a FulfilmentKey, at: SystemTime) -> BoxFuture<'a, Result<bool, StoreError>> {
        transaction!(self, db => write::done(db, key, at))
    }

    fn attempts_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>> {
        reading!(self, db => read::attempts_of(db, order))
    }

    fn latest(&self, limit: usize) -> BoxFuture<'_, Result<Vec<StoredAttempt>, StoreError>> {
        reading!(self, db => read::latest(db, limit))
    }

    fn timeline<'a>(&'a self, attempt: &'a AttemptReference) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        reading!(self, db => read::timeline(db, attempt))
    }

    fn held(&self, limit: usize) -> BoxFuture<'_, Result<Vec<HeldEvidence>, StoreError>> {
        reading!(self, db => read::held(db, limit))
    }

    fn fulfilment_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Option<Fulfilment>, StoreError>> {
        reading!(self, db => read::fulfilment_of(db, order))
    }

    fn mode(&self) -> BoxFuture<'_, Result<Mode, StoreError>> {
        reading!(self, db => read::mode(db))
    }

    fn set_mode<'a>(&'a self, change: &'a ModeChange, at: SystemTime) -> BoxFuture<'a, Result<Mode, StoreError>> {
        transaction!(self, Line::Switch, db => write::set_mode(db, change, at))
    }

    fn note_store<'a>(&'a self, note: &'a StoreNote, at: SystemTime) -> BoxFuture<'a, Result<(), StoreError>> {
        transaction!(self, db => async { write::note_store(db, note, at) })
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>> {
        reading!(self, db => read::head(db))
    }

    fn records(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<KeptRecord>, StoreError>> {
        reading!(self, db => read::records(db, after, limit))
    }

    fn attempts_after(
        &self,
        after: u64,
        which: Which,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(u64, StoredAttempt)>, StoreError>> {
        reading!(self, db => read::attempts_after(db, after, which, limit))
    }

    fn window<'a>(
        &'a self,
        window: &'a Window,
        after: Option<WindowCursor>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WindowRow>, StoreError>> {
        reading!(self, db => window::window(db, bounds(window), after, limit))
    }

    fn window_span<'a>(&'a self, window: &'a Window) -> BoxFuture<'a, Result<Option<(u64, u64)>, StoreError>> {
        reading!(self, db => window::window_span(db, bounds(window)))
    }
}
