//! The ledgers of this crate. Each is one [`Ledger`](crate::Ledger), decides by [`ledger::rules`](crate::ledger::rules)
//! and passes the shared suite in `conformance::ledger`.
//!
//! | ledger | feature | for |
//! | --- | --- | --- |
//! | [`MemoryLedger`] | | tests: it forgets when the process ends |
//! | `SqliteLedger` | `sqlite` | one machine, one file, several processes |
//! | `PostgresLedger` | `postgres` | several machines, one database |

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod time;

pub use self::memory::MemoryLedger;
#[cfg(feature = "postgres")]
pub use self::postgres::{ConnectError, PostgresLedger, PostgresLedgerBuilder};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{OpenError, SqliteLedger, SqliteLedgerBuilder};
/// The PostgreSQL client in the version that [`PostgresLedger`] takes its settings from.
#[cfg(feature = "postgres")]
pub use tokio_postgres;
