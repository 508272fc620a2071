//! Opening the file: whose it is, which schema it has, and the settings that make an answer durable.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::ledger::StoreError;

/// Marks the file as ours: "kess" (SQLite file format, `application_id`).
const APPLICATION: i32 = 0x6b65_7373;

/// One step for each schema; the position of a step is the version it starts from.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// Why a file cannot be opened as a ledger. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It cannot be read or made.
    #[error("the ledger's file cannot be opened")]
    File(#[source] io::Error),
    /// It is something else: another program's database, or no database.
    #[error("the file is not a ledger of this crate")]
    OtherApplication,
    /// A newer version of this crate wrote it.
    #[error("the ledger has schema {found}, and this version knows none newer than {known}")]
    NewerSchema {
        /// The schema of the file.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// The file system cannot keep a write-ahead log. Network file systems cannot.
    #[error("no write-ahead log can be kept beside the file; is it on a network file system?")]
    NoWriteAheadLog,
    /// Anything else.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A connection that writes, to a file whose schema is up to date.
pub(super) fn writer(path: &Path, busy: Duration) -> Result<Connection, OpenError> {
    make_private(path)?;
    let mut connection = connect(path, busy)?;
    check_owner(&connection)?;
    use_write_ahead_log(&connection, busy)?;
    // FULL: every commit is synced before it is answered. The two of macOS make its sync reach the platter.
    for pragma in [
        "PRAGMA synchronous = FULL",
        "PRAGMA fullfsync = ON",
        "PRAGMA checkpoint_fullfsync = ON",
        "PRAGMA foreign_keys = ON",
        "PRAGMA trusted_schema = OFF",
    ] {
        connection.execute_batch(pragma).map_err(unexpected)?;
    }
    migrate(&mut connection)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path, busy: Duration) -> Result<Connection, OpenError> {
    let connection = connect(path, busy)?;
    // A report reads its records twice, in pages: what was read a moment ago is still there in eight megabytes.
    for pragma in [
        "PRAGMA query_only = ON",
        "PRAGMA trusted_schema = OFF",
        "PRAGMA cache_size = -8000",
    ] {
        connection.execute_batch(pragma).map_err(unexpected)?;
    }
    Ok(connection)
}

/// Makes the file if there is none, for its owner alone; SQLite gives the files beside it the same permissions. A file
/// that exists is left alone: closing a second handle to it would drop the locks of this process (SQLite, "How To
/// Corrupt", section 2.2).
fn make_private(path: &Path) -> Result<(), OpenError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(OpenError::File(error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn connect(path: &Path, busy: Duration) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(unexpected)?;
    connection.busy_timeout(busy).map_err(unexpected)?;
    // One plan for each statement, whatever values it is given. Without this a file on which somebody ran ANALYZE has its
    // statements planned anew at each use.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(unexpected)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Nothing is written to a file before it is known to be ours or empty.
fn check_owner(connection: &Connection) -> Result<(), OpenError> {
    let known = schema_known();
    let tables: i64 = number(connection, "SELECT count(*) FROM sqlite_schema")?;
    let found = number(connection, "PRAGMA user_version")?;
    match number(connection, "PRAGMA application_id")? {
        ours if ours == i64::from(APPLICATION) && found > known => Err(OpenError::NewerSchema { found, known }),
        ours if ours == i64::from(APPLICATION) => Ok(()),
        0 if tables == 0 && found == 0 => Ok(()),
        _ => Err(OpenError::OtherApplication),
    }
}

fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    // Of two processes that open a new file at once the second one finds the work done.
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(unexpected)?;
    check_owner(&transaction)?;
    let found = number(&transaction, "PRAGMA user_version")?;
    let done = usize::try_from(found).map_err(|_| OpenError::OtherApplication)?;
    let steps = MIGRATIONS.get(done..).unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    for step in steps {
        transaction.execute_batch(step).map_err(unexpected)?;
    }
    let mark = format!(
        "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {}",
        schema_known()
    );
    transaction.execute_batch(&mark).map_err(unexpected)?;
    transaction.commit().map_err(unexpected)
}

/// Changing the journal needs the file for itself for a moment, and SQLite does not wait for that by itself.
fn use_write_ahead_log(connection: &Connection, busy: Duration) -> Result<(), OpenError> {
    let start = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", (), |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(OpenError::NoWriteAheadLog),
            Err(error) if is_busy(&error) && start.elapsed() < busy => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(unexpected(error)),
        }
    }
}

fn number(connection: &Connection, sql: &str) -> Result<i64, OpenError> {
    connection.query_row(sql, (), |row| row.get(0)).map_err(unexpected)
}

fn schema_known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Somebody else holds the file.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

fn unexpected(error: rusqlite::Error) -> OpenError {
    if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
        return OpenError::OtherApplication;
    }
    OpenError::Store(StoreError::new("its file cannot be opened", error))
}
