//! The encoding of the guide, for an intruder who writes the chain anew.

use kessai::ledger::KeptRecord;
use sha2::{Digest as _, Sha256};

pub fn beginning() -> [u8; 32] {
    Sha256::digest(b"kessai.ledger.1\n").into()
}

pub fn digest_of(previous: &[u8; 32], record: &KeptRecord) -> [u8; 32] {
    let mut bytes = b"kessai.record.1\n".to_vec();
    bytes.extend(previous);
    bytes.extend(record.position.to_be_bytes());
    bytes.extend(record.at_micros.to_be_bytes());
    for text in [record.attempt.as_deref().unwrap_or(""), &record.kind, &record.body] {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    Sha256::digest(bytes).into()
}
