//! What the browser brings back names no payment, gives no event and is not judged.
use kessai::ReturnHint;
use kessai::ledger::StoredAttempt;

fn paid(hint: ReturnHint) -> bool {
    hint.paid //~ E0609
}

fn events(hint: ReturnHint) {
    hint.into_events(); //~ E0599
}

fn judge(stored: &StoredAttempt, hint: ReturnHint) {
    let _ = stored.judge(hint); //~ E0308
}

fn main() {}
