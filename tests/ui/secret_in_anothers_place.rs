//! The key that checks, the key that asks and the word that hints are three types.
use kessai::gateways::stripe::Stripe;
use kessai::sign::SigningKeys;
use kessai::{Addresses, ApiKey, SharedToken, SigningKey};

fn swapped(key: SigningKey, keys: SigningKeys, addresses: Addresses) {
    let _ = Stripe::builder(key, keys, addresses); //~ E0308
}

fn hint_as_proof(token: SharedToken) -> SigningKeys {
    SigningKeys::new(token) //~ E0308
}

fn sent_key(key: ApiKey) -> SigningKeys {
    SigningKeys::new(key) //~ E0308
}

fn main() {}
