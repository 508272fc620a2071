//! Reaching the server, what holds for every connection, and making the tables.

use std::any::TypeId;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, Socket};

use super::db::{Db, Refusal, Statements, Trouble};
use crate::ledger::StoreError;
use crate::transport::BoxFuture;

/// One step for each schema; the position of a step is the version it starts from.
const MIGRATIONS: &[&str] = &[include_str!("schema.sql")];

/// Why a database cannot be used as a ledger. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host is another machine, and there is no TLS on the way to it.
    #[error("a server on another machine is reached by TLS only")]
    PlainText,
    /// No such name for a schema.
    #[error("a schema's name is 1 to 48 of a-z, 0-9 and '_', begins with a letter, and does not begin with pg_")]
    SchemaName,
    /// The schema holds something else.
    #[error("the schema is not a ledger of this crate")]
    OtherApplication,
    /// A newer version of this crate wrote it.
    #[error("the ledger has schema {found}, and this version knows none newer than {known}")]
    NewerSchema {
        /// The schema of the database.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// The database cannot keep every text.
    #[error("the database's encoding is not UTF8")]
    Encoding,
    /// Anything else: it cannot be reached, it refuses the user, it is read-only.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A way to the server, with its TLS and its settings chosen.
pub(super) type Connector = Box<dyn Fn() -> BoxFuture<'static, Result<Client, Refusal>> + Send + Sync>;

/// Checks the way to the server and remembers it.
pub(super) fn connector<T>(mut config: Config, tls: T, patience: Duration) -> Result<Connector, ConnectError>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    if !stays_on_this_machine(&config) {
        if TypeId::of::<T>() == TypeId::of::<NoTls>() || config.get_ssl_mode() == SslMode::Disable {
            return Err(ConnectError::PlainText);
        }
        // "Prefer" would go on in plain text when the server, or somebody in between, says that it has no TLS.
        config.ssl_mode(SslMode::Require);
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(patience);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(patience);
    }
    if config.get_application_name().is_none() {
        config.application_name("kessai");
    }
    Ok(Box::new(move || {
        let (config, tls) = (config.clone(), tls.clone());
        Box::pin(async move { connect(&config, tls).await.map_err(Refusal::from) })
    }))
}

async fn connect<T>(config: &Config, tls: T) -> Result<Client, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
{
    let (client, connection) = config.connect(tls).await?;
    // It ends by itself when the client is dropped. What breaks it, the client's next call is told.
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// What holds to the end of the transaction in which it is said. The locks of a node that hangs are not to hold up the others
/// for long. A commit is answered when it is on the disk. Whoever runs the server may ask for more than that, but not for less.
///
/// It is said in each transaction and never of the connection: in between, a proxy may hand the connection to somebody else.
pub(super) fn settings(patience: Duration) -> String {
    format!(
        "SELECT set_config(name, '{wait}', true) \
         FROM (VALUES ('lock_timeout'), ('idle_in_transaction_session_timeout')) AS limits (name) \
         WHERE current_setting(name)::interval NOT BETWEEN '1 ms' AND '{wait} ms' \
         UNION ALL SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
        wait = patience.as_millis().clamp(1, 3_600_000)
    )
}

/// Names of this machine, and sockets in its files. `localhost` never leaves it (RFC 6761, section 6.3).
fn stays_on_this_machine(config: &Config) -> bool {
    if !config.get_hostaddrs().is_empty() {
        // Addresses win over names.
        return config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            let address = name.parse::<std::net::IpAddr>();
            name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

/// The schema's name as it goes into statements. Only names that mean the same quoted and unquoted.
pub(super) fn quoted(schema: &str) -> Result<String, ConnectError> {
    let mut letters = schema.bytes();
    let first = letters.next().is_some_and(|first| first.is_ascii_lowercase());
    let rest = letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_');
    // The server cuts names off at 63 bytes, and reserves those in pg_.
    if !first || !rest || schema.len() > 48 || schema.starts_with("pg_") {
        return Err(ConnectError::SchemaName);
    }
    Ok(format!("\"{schema}\""))
}

/// Makes the tables, or brings them up to date, or finds that nothing is to be done. Of two nodes that start at once the
/// second waits and finds the work done.
pub(super) async fn migrate(client: &Client, schema: &str, settings: &str) -> Result<(), ConnectError> {
    let (mut statements, mut records) = (Statements::new(), Vec::new());
    let mut db = Db {
        client,
        statements: &mut statements,
        records: &mut records,
        schema,
    };
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {settings}");
    client.batch_execute(&begin).await.map_err(unexpected)?;
    let outcome = migrate_in(&mut db).await;
    // Nothing of a step stays if a later one fails.
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = client.batch_execute(end).await;
    outcome?;
    ended.map_err(unexpected)
}

async fn migrate_in(db: &mut Db<'_>) -> Result<(), ConnectError> {
    let encoding = text(db, "SELECT current_setting('server_encoding')").await?;
    if encoding != "UTF8" {
        return Err(ConnectError::Encoding);
    }
    let lock = "SELECT pg_advisory_xact_lock($1)";
    db.first(lock, &[&lock_of("tables", db.schema)])
        .await
        .map_err(trouble)?;
    let found = version(db).await?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(ConnectError::NewerSchema { found, known });
    }
    let done = usize::try_from(found).map_err(|_| ConnectError::OtherApplication)?;
    let steps = MIGRATIONS.get(done..).unwrap_or_default();
    if steps.is_empty() {
        return Ok(());
    }
    if done == 0 {
        // Also IF NOT EXISTS wants the right to make one, which nobody needs for a schema that is there.
        let bare = db.schema.trim_matches('"').to_owned();
        let there = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1";
        if db.first(there, &[&bare]).await.map_err(trouble)?.is_none() {
            batch(db, "CREATE SCHEMA {s}").await?;
        }
        let first =
            "CREATE TABLE {s}.kessai_ledger (version bigint NOT NULL); INSERT INTO {s}.kessai_ledger VALUES (0)";
        batch(db, first).await?;
    }
    for step in steps {
        batch(db, step).await?;
    }
    let mark = "UPDATE {s}.kessai_ledger SET version = $1";
    db.run(mark, &[&known]).await.map_err(trouble)?;
    Ok(())
}

/// The version of what is there; 0 for a schema that is empty or does not exist.
async fn version(db: &mut Db<'_>) -> Result<i64, ConnectError> {
    let bare = db.schema.trim_matches('"').to_owned();
    let count = "SELECT count(*), count(*) FILTER (WHERE c.relname = 'kessai_ledger') \
                 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1";
    let row = db.first(count, &[&bare]).await.map_err(trouble)?;
    let row = row.ok_or(ConnectError::OtherApplication)?;
    let tables: i64 = row.try_get(0).map_err(unexpected)?;
    let ours: i64 = row.try_get(1).map_err(unexpected)?;
    match (tables, ours) {
        (0, _) => return Ok(0),
        (_, 1) => {}
        _ => return Err(ConnectError::OtherApplication),
    }
    let row = db.first("SELECT version FROM {s}.kessai_ledger", &[]).await;
    let row = row.map_err(trouble)?.ok_or(ConnectError::OtherApplication)?;
    row.try_get(0).map_err(|_| ConnectError::OtherApplication)
}

/// One number for each use and schema, for the server's locks on numbers.
pub(super) fn lock_of(what: &str, schema: &str) -> i64 {
    let parts = ["kessai ledger ", what, " ", schema];
    let digest = Sha256::digest(parts.concat());
    let mut number = [0; 8];
    for (to, from) in number.iter_mut().zip(digest) {
        *to = from;
    }
    i64::from_be_bytes(number)
}

async fn batch(db: &Db<'_>, sql: &str) -> Result<(), ConnectError> {
    let sql = sql.replace("{s}", db.schema);
    db.client.batch_execute(&sql).await.map_err(unexpected)
}

async fn text(db: &mut Db<'_>, sql: &'static str) -> Result<String, ConnectError> {
    let row = db.first(sql, &[]).await.map_err(trouble)?;
    let row = row.ok_or(StoreError::missing("the server says too little"))?;
    row.try_get(0).map_err(unexpected)
}

fn trouble(trouble: Trouble) -> ConnectError {
    ConnectError::Store(trouble.into_store_error())
}

fn unexpected(error: tokio_postgres::Error) -> ConnectError {
    trouble(Trouble::Sql(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_have_to_be_escaped_is_no_name_for_a_schema() {
        let long = "a".repeat(49);
        for name in [
            "",
            "Kessai",
            "a b",
            "a\"b",
            "a;b",
            "a.b",
            "1a",
            "_a",
            "pg_ledger",
            "é",
            "a-b",
            "a\0",
            &long,
        ] {
            assert!(matches!(quoted(name), Err(ConnectError::SchemaName)), "{name:?}");
        }
        assert_eq!(quoted("kessai").unwrap(), "\"kessai\"");
        assert_eq!(quoted("user").unwrap(), "\"user\"");
        assert_eq!(quoted(&"a".repeat(48)).unwrap().len(), 50);
    }

    #[test]
    fn only_this_machine_is_reached_without_tls() {
        let plain = |text: &str| connector(text.parse().unwrap(), NoTls, Duration::from_secs(1)).map(drop);
        for far in [
            "host=db.example",
            "host=192.0.2.1",
            "host=10.0.0.7 sslmode=require",
            "host=localhost,db.example",
            "host=localhost hostaddr=192.0.2.1",
            "host=localhost.example",
            "host=0.0.0.0",
            "host=::ffff:192.0.2.1",
        ] {
            assert!(matches!(plain(far), Err(ConnectError::PlainText)), "{far}");
        }
        for near in [
            "host=localhost",
            "host=127.0.0.1",
            "host=::1",
            "host=/run/postgresql",
            "host=db hostaddr=127.0.0.1",
        ] {
            assert!(plain(near).is_ok(), "{near}");
        }
    }

    #[test]
    fn every_schema_has_a_lock_of_its_own() {
        assert_ne!(lock_of("tables", "\"a\""), lock_of("tables", "\"b\""));
        assert_ne!(lock_of("tables", "\"a\""), lock_of("records", "\"a\""));
        assert_eq!(lock_of("tables", "\"a\""), lock_of("tables", "\"a\""));
    }
}
