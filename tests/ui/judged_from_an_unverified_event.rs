//! Nor is it judged.
use kessai::PaymentEvent;
use kessai::ledger::StoredAttempt;

fn judge(stored: &StoredAttempt, event: PaymentEvent) {
    let _ = stored.judge(event); //~ E0308
}

fn main() {}
