//! The suites that everything behind a trait of this crate passes, for those who write one of their own.
//!
//! Not covered by semver: a new version may ask for more. The suites need no runtime and no network; they return what is
//! wrong as text and never panic.

pub mod gateway;
pub mod ledger;
mod proofs;

pub use self::proofs::{Statement, TestGateway};
