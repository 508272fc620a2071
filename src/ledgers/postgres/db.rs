//! One connection as the operations see it, and what can go wrong on it.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;

use tokio_postgres::error::{DbError, Severity, SqlState};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::ledger::StoreError;

/// What was prepared on a connection, by its text.
pub(super) type Statements = HashMap<&'static str, Statement>;

/// The values of a statement.
pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

/// A connection, what was prepared on it, and the schema in which the ledger lives. In the texts of statements the schema is
/// written `{s}`.
pub(super) struct Db<'c> {
    pub(super) client: &'c Client,
    pub(super) statements: &'c mut Statements,
    /// What the operation puts on record, in this order, at its end.
    pub(super) records: &'c mut Vec<NewRecord>,
    /// Quoted.
    pub(super) schema: &'c str,
}

/// A record before it has its place.
pub(super) struct NewRecord {
    pub(super) at: i64,
    pub(super) attempt: Option<String>,
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Db<'_> {
    /// The first row, if there is one.
    pub(super) async fn first(&mut self, sql: &'static str, values: Values<'_>) -> Result<Option<Row>, Trouble> {
        Ok(self.all(sql, values).await?.into_iter().next())
    }

    /// Every row.
    pub(super) async fn all(&mut self, sql: &'static str, values: Values<'_>) -> Result<Vec<Row>, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.query(&statement, values).await?)
    }

    /// How many rows were written.
    pub(super) async fn run(&mut self, sql: &'static str, values: Values<'_>) -> Result<u64, Trouble> {
        let statement = self.prepared(sql).await?;
        Ok(self.client.execute(&statement, values).await?)
    }

    pub(super) async fn prepared(&mut self, sql: &'static str) -> Result<Statement, Trouble> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(&sql.replace("{s}", self.schema)).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

/// What goes wrong inside an operation: the database's own errors, and ours.
#[derive(Debug)]
pub(super) enum Trouble {
    Sql(tokio_postgres::Error),
    Store(StoreError),
}

/// The indexes behind which two attempts meet when they are given one name at one moment. The one that comes second looks
/// again, and then sees whose the name is.
const NAMES: [&str; 2] = ["one_attempt_for_a_checkout", "one_attempt_for_a_payment"];

impl Trouble {
    /// Is it worth doing the whole transaction again?
    pub(super) fn passes(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        let code = error.code();
        let collides =
            code == Some(&SqlState::T_R_SERIALIZATION_FAILURE) || code == Some(&SqlState::T_R_DEADLOCK_DETECTED);
        collides || self.is_taken_name()
    }

    /// Was a name given to another attempt a moment ago?
    pub(super) fn is_taken_name(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        let index = error.as_db_error().and_then(DbError::constraint);
        error.code() == Some(&SqlState::UNIQUE_VIOLATION) && index.is_some_and(|index| NAMES.contains(&index))
    }

    pub(super) fn into_store_error(self) -> StoreError {
        match self {
            Self::Sql(error) => StoreError::new("the database said no", Refusal::from(error)),
            Self::Store(error) => error,
        }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Did the server refuse a COMMIT, so that it is certain that nothing was written? An error that ends the connection is no
/// such answer: the server may have written before it went.
pub(super) fn is_certain_refusal(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(DbError::parsed_severity) == Some(Severity::Error)
}

/// An error of the database without what is stored: its details name the values of the row.
pub(super) enum Refusal {
    Server {
        code: String,
        about: Option<String>,
        message: Option<String>,
    },
    Connection(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Refusal {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(said) = error.as_db_error() else {
            return Self::Connection(error);
        };
        let code = said.code().code();
        // 22: a value that does not fit; 23: a constraint. Their messages may repeat the value.
        let names_values = code.starts_with("22") || code.starts_with("23");
        Self::Server {
            code: code.to_owned(),
            about: said.constraint().or(said.table()).map(str::to_owned),
            message: (!names_values).then(|| said.message().to_owned()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server { code, about, message } => {
                write!(f, "SQLSTATE {code}")?;
                if let Some(about) = about {
                    write!(f, " ({about})")?;
                }
                if let Some(message) = message {
                    write!(f, ": {message}")?;
                }
                Ok(())
            }
            Self::Connection(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refusal({self})")
    }
}

impl StdError for Refusal {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Server { .. } => None,
            Self::Connection(error) => error.source(),
        }
    }
}
