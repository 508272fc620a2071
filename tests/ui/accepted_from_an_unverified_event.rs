//! An event that nobody verified is not accepted, whatever it says.
use kessai::{ExpectedPayment, PaymentEvent};

fn accept(expected: &ExpectedPayment, event: PaymentEvent) {
    let _ = expected.accept(event); //~ E0308
}

fn main() {}
