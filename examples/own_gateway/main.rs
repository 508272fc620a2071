//! A gateway of one's own, on the test bench of this crate.
//!
//! `gateway.rs` is an invented gateway, "Hako": JSON over HTTPS, a link to its page, messages signed with HMAC-SHA-256.
//! `bench.rs` is what its author tells the suite. `cargo run --example own_gateway` runs every case, prints what came of
//! each, and ends with success only if all of them held.
//!
//! In the manifest of a crate that has a gateway:
//!
//! ```toml
//! kessai = { version = "0.1", default-features = false }
//!
//! [dev-dependencies]
//! kessai = { version = "0.1", features = ["conformance"] }
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]

mod bench;
mod gateway;

use std::process::ExitCode;

use kessai::conformance::gateway::suite;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let report = suite(&bench::HakoBench).await;
    println!("{report}");
    match report.result() {
        Ok(()) => ExitCode::SUCCESS,
        Err(found) => {
            eprintln!("\n{found}");
            ExitCode::FAILURE
        }
    }
}
