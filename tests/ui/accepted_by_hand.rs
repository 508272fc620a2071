//! The expected payment, proven: there is no way to write one down.
use kessai::{Accepted, AttemptReference, PaymentEvent, Verified};

fn forge(attempt: AttemptReference, event: Verified<PaymentEvent>) -> Accepted {
    Accepted { attempt, event } //~ E0451
}

fn main() {}
