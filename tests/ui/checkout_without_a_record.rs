//! A redirect is built from what was written down, not from the request alone.
use kessai::{CheckoutRequest, Gateway};

fn open(gateway: &dyn Gateway, request: &CheckoutRequest) {
    drop(gateway.checkout(request, request)); //~ E0308
}

fn main() {}
