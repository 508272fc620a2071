//! A hint is a reason to ask. A ledger takes none, and it is no proof.
use std::time::SystemTime;

use kessai::{Ledger, Received, Subject};

fn apply(ledger: &dyn Ledger, hint: Received) {
    let _ = ledger.apply(&hint, SystemTime::now()); //~ E0308
}

fn prove(subject: Subject) -> Received {
    Received::Proven(subject) //~ E0308
}

fn main() {}
