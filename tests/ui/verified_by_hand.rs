//! Nobody outside the two checks can say that something was verified, not even with a genuine proof at hand.
use kessai::{PaymentEvent, Verified};

fn forge(event: PaymentEvent, genuine: Verified<PaymentEvent>) -> Verified<PaymentEvent> {
    Verified { value: event, ..genuine } //~ E0451
}

fn main() {}
