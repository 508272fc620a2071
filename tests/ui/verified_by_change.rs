//! What was verified cannot be changed afterwards.
use kessai::{Money, PaymentEvent, Verified};

fn raise(event: &Verified<PaymentEvent>, amount: Money) {
    event.value().snapshot.amount = Some(amount); //~ E0594
}

fn main() {}
