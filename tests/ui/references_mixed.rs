//! Three texts that look alike and are not the same.
use kessai::{AttemptReference, FulfilmentKey, GatewayReference, MerchantReference};

fn key(order: &MerchantReference) -> FulfilmentKey {
    FulfilmentKey::of(order) //~ E0308
}

fn attempt(order: MerchantReference) -> AttemptReference {
    order //~ E0308
}

fn theirs(attempt: AttemptReference) -> GatewayReference {
    attempt //~ E0308
}

fn main() {}
