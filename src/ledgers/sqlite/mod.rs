//! [`SqliteLedger`]: everything in one file, durable when it answers.
//!
//! One thread owns the connection that writes. It takes what waits, does all of it in one transaction and answers when
//! the commit is synced, so that many callers share one sync. A few threads read. The futures need no runtime.
//!
//! Several processes may open the same file on one machine: leases are in the database, and `BEGIN IMMEDIATE` puts the
//! writers behind each other.

mod answer;
mod open;
mod read;
mod threads;
mod write;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use self::open::OpenError;
use self::open::is_busy;
use self::threads::{Readers, Writer};
use crate::event::Subject;
use crate::ledger::{
    Applied, AskDue, Asked, Binding, CloseReason, Cue, Expected, ExpectedPayment, Fulfilment, Head, HeldEvidence,
    Judgement, KeptRecord, Ledger, Mode, ModeChange, Note, Opened, Record, StoreError, StoreNote, StoredAttempt, Which,
    Window, WindowCursor, WindowRow,
};
use crate::ledgers::time::bounds;
use crate::reference::{AttemptReference, FulfilmentKey, GatewayId, MerchantAccount, MerchantReference};
use crate::transport::BoxFuture;

/// A ledger in one SQLite file, with a write-ahead log beside it and full durability: an answer is given only after its
/// transaction was synced to the disk.
///
/// Dropping it waits until everything that was handed to it is written.
pub struct SqliteLedger {
    // Dropped in this order: the last connection to close tidies up the log, and that is work for the one that writes.
    readers: Readers,
    writer: Writer,
}

/// Settings for a [`SqliteLedger`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteLedgerBuilder {
    path: PathBuf,
    busy_timeout: Duration,
    readers: NonZeroUsize,
    group: NonZeroUsize,
}

const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
/// SQLite counts milliseconds in 31 bits: 24 days.
const LONGEST: Duration = Duration::from_millis(0x7fff_ffff);
const MOST_IN_A_GROUP: NonZeroUsize = NonZeroUsize::MIN.saturating_add(511);

impl SqliteLedger {
    /// Opens a file, or makes one that only its owner can read. A file that is not a ledger, or that a newer version of
    /// this crate wrote, is refused and not changed. Blocks for a moment: call it while starting up.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open()
    }

    /// Starts with the settings that [`open`](Self::open) uses.
    pub fn builder(path: impl AsRef<Path>) -> SqliteLedgerBuilder {
        SqliteLedgerBuilder {
            path: path.as_ref().to_owned(),
            busy_timeout: Duration::from_secs(10),
            readers: TWO,
            group: MOST_IN_A_GROUP,
        }
    }

    /// Looks at the whole file: is it undamaged, do all rows belong together, do the records follow each other without a
    /// gap? Reads everything, so it takes its time on a large file.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.readers.run(read::check).await
    }
}

impl SqliteLedgerBuilder {
    /// How long an operation waits for another process that holds the file, the wait for its turn included. After that it is an
    /// error that says so, and nothing was written. Default: ten seconds.
    pub fn busy_timeout(mut self, wait: Duration) -> Self {
        self.busy_timeout = wait.min(LONGEST);
        self
    }

    /// How many threads read. Default: two.
    pub fn readers(mut self, readers: NonZeroUsize) -> Self {
        self.readers = readers;
        self
    }

    /// How many operations may share one commit. Default: 512. With 1 every operation has a transaction to itself.
    pub fn group(mut self, most: NonZeroUsize) -> Self {
        self.group = most;
        self
    }

    /// Opens the file.
    pub fn open(self) -> Result<SqliteLedger, OpenError> {
        // An absolute path is only ever a file's name. ":memory:", "" and "file:" would mean something else to SQLite.
        let path = std::path::absolute(&self.path).map_err(OpenError::File)?;
        let writer = open::writer(&path, self.busy_timeout)?;
        let readers = (0..self.readers.get()).map(|_| open::reader(&path, self.busy_timeout));
        let readers = readers.collect::<Result<_, _>>()?;
        Ok(SqliteLedger {
            writer: Writer::start(writer, self.group, self.busy_timeout)?,
            readers: Readers::start(readers)?,
        })
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteLedger(..)")
    }
}

/// What goes wrong inside an operation: the database's own errors, and ours.
enum Trouble {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl Trouble {
    fn into_store_error(self) -> StoreError {
        match self {
            Self::Sql(error) if has_lost_its_form(&error) => {
                StoreError::new("a value on record has lost its form", error).as_damage()
            }
            Self::Sql(error) if is_busy(&error) => StoreError::new(BUSY, error),
            Self::Sql(error) => StoreError::new("the database said no", error),
            Self::Store(error) => error,
        }
    }
}

const BUSY: &str = "another process holds the file; try again";

/// A value of another type, or beyond its bounds: not what this crate writes.
fn has_lost_its_form(error: &rusqlite::Error) -> bool {
    use rusqlite::Error as E;
    matches!(
        error,
        E::InvalidColumnType(..) | E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::Utf8Error(..)
    )
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Ledger for SqliteLedger {
    fn expect<'a>(&'a self, expected: &'a ExpectedPayment) -> BoxFuture<'a, Result<Expected, StoreError>> {
        let expected = expected.clone();
        Box::pin(self.writer.run(move |db| write::expect(db, &expected)))
    }

    fn opened<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        opened: &'a Opened,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Binding, StoreError>> {
        let (attempt, opened) = (attempt.clone(), opened.clone());
        Box::pin(self.writer.run(move |db| write::opened(db, &attempt, &opened, at)))
    }

    fn close<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        why: CloseReason,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let attempt = attempt.clone();
        Box::pin(self.writer.run(move |db| write::close(db, &attempt, why, at)))
    }

    fn attempt<'a>(
        &'a self,
        attempt: &'a AttemptReference,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        let attempt = attempt.clone();
        Box::pin(self.readers.run(move |db| read::attempt(db, &attempt)))
    }

    fn find<'a>(
        &'a self,
        gateway: &'a GatewayId,
        account: &'a MerchantAccount,
        subject: &'a Subject,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>> {
        let (gateway, account, subject) = (gateway.clone(), account.clone(), subject.clone());
        Box::pin(self.readers.run(move |db| read::find(db, &gateway, &account, &subject)))
    }

    fn apply<'a>(&'a self, judgement: &'a Judgement, at: SystemTime) -> BoxFuture<'a, Result<Applied, StoreError>> {
        let judgement = judgement.clone();
        Box::pin(self.writer.run(move |db| write::apply(db, &judgement, at)))
    }

    fn attempts_to_ask<'a>(&'a self, due: &'a AskDue) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>> {
        let due = due.clone();
        Box::pin(async move { self.writer.run(move |db| write::attempts_to_ask(db, &due)).await? })
    }

    fn asked<'a>(
        &'a self,
        seen: &'a StoredAttempt,
        asked: &'a Asked,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let (seen, asked) = (seen.clone(), asked.clone());
        Box::pin(self.writer.run(move |db| write::asked(db, &seen, &asked, at)))
    }

    fn left_to_ask(&self, now: SystemTime) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.readers.run(move |db| read::left_to_ask(db, now)))
    }

    fn make_due<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        cue: Cue,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let attempt = attempt.clone();
        Box::pin(self.writer.run(move |db| write::make_due(db, &attempt, cue, at)))
    }

    fn note<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        note: Note,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let attempt = attempt.clone();
        Box::pin(self.writer.run(move |db| write::note(db, &attempt, note, at)))
    }

    fn next_fulfilment(
        &self,
        at: SystemTime,
        lease: Duration,
    ) -> BoxFuture<'_, Result<Option<Fulfilment>, StoreError>> {
        Box::pin(async move { self.writer.run(move |db| write::next_fulfilment(db, at, lease)).await? })
    }

    fn done<'a>(&'a self, key: &'a FulfilmentKey, at: SystemTime) -> BoxFuture<'a, Result<bool, StoreError>> {
        let key = key.clone();
        Box::pin(self.writer.run(move |db| write::done(db, &key, at)))
    }

    fn attempts_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>> {
        let order = order.clone();
        Box::pin(self.readers.run(move |db| read::attempts_of(db, &order)))
    }

    fn latest(&self, limit: usize) -> BoxFuture<'_, Result<Vec<StoredAttempt>, StoreError>> {
        Box::pin(self.readers.run(move |db| read::latest(db, limit)))
    }

    fn timeline<'a>(&'a self, attempt: &'a AttemptReference) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        let attempt = attempt.clone();
        Box::pin(self.readers.run(move |db| read::timeline(db, &attempt)))
    }

    fn held(&self, limit: usize) -> BoxFuture<'_, Result<Vec<HeldEvidence>, StoreError>> {
        Box::pin(self.readers.run(move |db| read::held(db, limit)))
    }

    fn fulfilment_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Option<Fulfilment>, StoreError>> {
        let order = order.clone();
        Box::pin(self.readers.run(move |db| read::fulfilment_of(db, &order)))
    }

    fn mode(&self) -> BoxFuture<'_, Result<Mode, StoreError>> {
        Box::pin(self.readers.run(read::mode))
    }

    fn set_mode<'a>(&'a self, change: &'a ModeChange, at: SystemTime) -> BoxFuture<'a, Result<Mode, StoreError>> {
        let change = change.clone();
        Box::pin(self.writer.run_first(move |db| write::set_mode(db, &change, at)))
    }

    fn note_store<'a>(&'a self, note: &'a StoreNote, at: SystemTime) -> BoxFuture<'a, Result<(), StoreError>> {
        let note = note.clone();
        Box::pin(self.writer.run(move |db| write::note_store(db, &note, at)))
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>> {
        Box::pin(self.readers.run(read::head))
    }

    fn records(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<KeptRecord>, StoreError>> {
        Box::pin(self.readers.run(move |db| read::records(db, after, limit)))
    }

    fn attempts_after(
        &self,
        after: u64,
        which: Which,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(u64, StoredAttempt)>, StoreError>> {
        Box::pin(
            self.readers
                .run(move |db| read::attempts_after(db, after, which, limit)),
        )
    }

    fn window<'a>(
        &'a self,
        window: &'a Window,
        after: Option<WindowCursor>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WindowRow>, StoreError>> {
        let window = *window;
        Box::pin(
            self.readers
                .run(move |db| read::window(db, bounds(&window), after, limit)),
        )
    }

    fn window_span<'a>(&'a self, window: &'a Window) -> BoxFuture<'a, Result<Option<(u64, u64)>, StoreError>> {
        let window = *window;
        Box::pin(self.readers.run(move |db| read::window_span(db, bounds(&window))))
    }
}
