//! The proof inside a verified value can be neither named nor taken out and put to another value.
use kessai::{Notification, Verified};

fn take(genuine: Verified<Notification>) {
    let _ = genuine.proof; //~ E0616
}

fn name(_: kessai::verified::Proof) {} //~ E0603

fn main() {}
