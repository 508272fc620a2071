//! A few connections, each lent to one operation at a time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::Client;

use super::connect::Connector;
use super::db::{Db, NewRecord, Refusal, Statements, Trouble, is_certain_refusal};
use super::write;
use crate::ledger::StoreError;

pub(super) struct Pool {
    connect: Connector,
    /// Quoted.
    schema: String,
    /// What holds in each transaction.
    settings: String,
    idle: Mutex<Vec<Connection>>,
    places: Semaphore,
    /// One more connection than the others may have.
    place_of_the_switch: Semaphore,
}

/// Which places an operation waits for.
#[derive(Clone, Copy)]
pub(super) enum Line {
    /// Those of everything.
    All,
    /// That of the switch, which an operator turns because too much comes in.
    Switch,
}

struct Connection {
    client: Client,
    statements: Statements,
    records: Vec<NewRecord>,
}

/// A connection in the hands of one operation. Dropped before its end it takes the connection with it, and the server undoes
/// what was begun: nothing is ever continued in somebody else's transaction.
pub(super) struct Turn<'p> {
    pool: &'p Pool,
    connection: Connection,
    reused: bool,
    _place: SemaphorePermit<'p>,
}

/// How the end of an operation went.
pub(super) enum End<T> {
    Done(T),
    /// Nothing was written, and it is worth another try.
    Again(Trouble),
    Failed(StoreError),
}

impl Pool {
    pub(super) fn new(connect: Connector, schema: String, settings: String, most: usize) -> Self {
        Self {
            connect,
            schema,
            settings,
            idle: Mutex::default(),
            places: Semaphore::new(most.min(Semaphore::MAX_PERMITS)),
            place_of_the_switch: Semaphore::new(1),
        }
    }

    /// A connection. Those that broke while nobody used them are passed over.
    pub(super) async fn turn(&self, line: Line) -> Result<Turn<'_>, StoreError> {
        let places = match line {
            Line::All => &self.places,
            Line::Switch => &self.place_of_the_switch,
        };
        let place = places.acquire().await;
        let place = place.map_err(|error| StoreError::new("there are no connections any more", error))?;
        if let Some(connection) = self.idle_one() {
            return Ok(self.lend(connection, true, place));
        }
        let client = (self.connect)().await.map_err(unreachable)?;
        let connection = Connection {
            client,
            statements: Statements::new(),
            records: Vec::new(),
        };
        Ok(self.lend(connection, false, place))
    }

    fn lend<'p>(&'p self, connection: Connection, reused: bool, place: SemaphorePermit<'p>) -> Turn<'p> {
        Turn {
            pool: self,
            connection,
            reused,
            _place: place,
        }
    }

    fn idle_one(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(connection) = idle.pop() {
            if !connection.client.is_closed() {
                return Some(connection);
            }
        }
        None
    }

    /// The schema in which the ledger lives, quoted.
    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// What holds in each transaction from when it is said.
    pub(super) fn settings(&self) -> &str {
        &self.settings
    }

    /// A turn whose transaction has begun. A connection can have broken without anybody noticing; before anything was
    /// done on it, another one is as good.
    pub(super) async fn transaction(&self, line: Line) -> Result<Turn<'_>, StoreError> {
        let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {}", self.settings);
        loop {
            let turn = self.turn(line).await?;
            match turn.connection.client.batch_execute(&begin).await {
                Ok(()) => return Ok(turn),
                Err(_) if turn.reused && turn.connection.client.is_closed() => {}
                Err(error) => return Err(Trouble::Sql(error).into_store_error()),
            }
        }
    }

    /// How something begins that only reads, on one state of the database. It costs no waiting: the first question goes out
    /// right behind it.
    pub(super) fn begin_reading(&self) -> String {
        format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {}", self.settings)
    }
}

impl Turn<'_> {
    pub(super) fn client(&self) -> &Client {
        &self.connection.client
    }

    pub(super) fn db(&mut self) -> Db<'_> {
        Db {
            client: &self.connection.client,
            statements: &mut self.connection.statements,
            records: &mut self.connection.records,
            schema: &self.pool.schema,
        }
    }

    /// The end of something that only read.
    pub(super) async fn end_reading<T>(self, outcome: Result<T, Trouble>) -> End<T> {
        // Sent, and not waited for: whatever comes next on this connection stands behind it.
        tokio::select! {
            biased;
            _ = self.connection.client.batch_execute("ROLLBACK") => {}
            () = std::future::ready(()) => {}
        }
        let broken = self.connection.client.is_closed();
        let again = broken && self.reused;
        if !broken {
            self.give_back();
        }
        match outcome {
            Ok(value) => End::Done(value),
            Err(trouble) if again => End::Again(trouble),
            Err(trouble) => End::Failed(trouble.into_store_error()),
        }
    }

    /// The end of a transaction: everything, or nothing. `committing` is set while a commit is under way.
    pub(super) async fn end<T>(self, outcome: Result<T, Trouble>, committing: &AtomicBool) -> End<T> {
        match outcome {
            Ok(value) => self.commit(value, committing).await,
            Err(trouble) => self.roll_back(trouble).await,
        }
    }

    async fn commit<T>(mut self, value: T, committing: &AtomicBool) -> End<T> {
        let sends = || committing.store(true, Ordering::Relaxed);
        let outcome = write::append_and_commit(&mut self.db(), sends).await;
        match outcome {
            Ok(Ok(())) => {
                self.give_back();
                End::Done(value)
            }
            Ok(Err(error)) if is_certain_refusal(&error) => {
                committing.store(false, Ordering::Relaxed);
                self.roll_back(Trouble::Sql(error)).await
            }
            Ok(Err(error)) => End::Failed(StoreError::new(UNKNOWN, Refusal::from(error))),
            Err(trouble) => self.roll_back(trouble).await,
        }
    }

    /// If even that cannot be said, the connection goes, and with it what was begun.
    async fn roll_back<T>(mut self, trouble: Trouble) -> End<T> {
        self.connection.records.clear();
        if self.connection.client.batch_execute("ROLLBACK").await.is_ok() {
            self.give_back();
        }
        or_again(trouble)
    }

    pub(super) fn give_back(self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self.connection);
    }
}

pub(super) const UNKNOWN: &str = "it is not known whether the database committed";

fn or_again<T>(trouble: Trouble) -> End<T> {
    if trouble.passes() {
        End::Again(trouble)
    } else {
        End::Failed(trouble.into_store_error())
    }
}

pub(super) fn unreachable(refusal: Refusal) -> StoreError {
    StoreError::new("the database cannot be reached", refusal)
}
