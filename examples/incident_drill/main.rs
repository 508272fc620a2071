//! An incident, drilled: a store sells 480 orders under attack, is stopped, reports, is proven whole, and reopens. Afterwards it is
//! searched for every card that its shoppers typed into the hosted pages: its memory while it lives, its files, its logs, its events
//! and every byte that it sent or received. The same search over a store that takes cards itself must find all of them.
//!
//! ```text
//! cargo run --example incident_drill    under a minute; exits 0 only if all of it held, the stop within a second and the whole
//!                                       within five minutes; Linux, for the memory of a process
//! ```
//!
//! Store, gateways and event sink are processes of their own: this program, in another role.
#![allow(clippy::print_stdout, reason = "the account is what this program is for")]
#![allow(
    clippy::indexing_slicing,
    reason = "JSON only: what is not there reads as null, and what is written to are objects that the drill made"
)]
#![allow(clippy::too_many_lines, reason = "a drill is told from beginning to end")]
#![allow(unreachable_pub, missing_docs, reason = "a program")]

mod account;
mod attack;
mod cards;
mod child;
mod drill;
mod forms;
mod gateways;
mod search;
mod sink;
mod store;
mod tee;

use std::process::ExitCode;
use std::time::Duration;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Real time that anything here may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let role: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match role.as_slice() {
        [] => drill::run().await,
        ["store"] => store::run().await.map(|()| true),
        ["gateways"] => gateways::run().await.map(|()| true),
        ["sink"] => sink::run().await.map(|()| true),
        _ => Err("usage: incident_drill".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("The drill was broken off: {error}");
            ExitCode::FAILURE
        }
    }
}
