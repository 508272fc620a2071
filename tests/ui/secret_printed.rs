//! Secrets do not print, do not compare, and are not handed out.
use kessai::{ApiKey, SharedToken, SigningKey};

fn print(key: &SigningKey, token: &SharedToken) -> String {
    format!("{key} {token}") //~ E0277
}

fn compare(one: &ApiKey, other: &ApiKey) -> bool {
    one == other //~ E0369
}

fn expose(key: &SigningKey) -> String {
    key.expose().to_owned() //~ E0624
}

fn open(key: SigningKey) {
    let SigningKey(_text) = key; //~ E0532
}

fn main() {}
