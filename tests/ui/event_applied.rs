//! A ledger takes judgements only: not even a verified event gets in before it was held against what was expected.
use std::time::SystemTime;

use kessai::{Ledger, PaymentEvent, Verified};

fn apply(ledger: &dyn Ledger, event: &Verified<PaymentEvent>) {
    let _ = ledger.apply(event, SystemTime::now()); //~ E0308
}

fn main() {}
