//! The ledgers of this crate. Each is one [`Ledger`](crate::Ledger), decides by [`ledger::rules`](crate::ledger::rules)
//! and passes the shared suite in `conformance::ledger`.
//!
//! | ledger | feature | for |
//! | --- | --- | --- |
//! | [`MemoryLedger`] | | tests: it forgets when the process ends |
//! | `SqliteLedger` | `sqlite` | one machine, one file, several processes |

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
mod time;

pub use self::memory::MemoryLedger;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{OpenError, SqliteLedger, SqliteLedgerBuilder};
