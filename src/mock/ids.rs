//! Ids and keys nobody can guess.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::mock::MockError;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A stream of random ids. Seeded once from the operating system, so that making an id cannot fail later.
pub(super) struct Ids {
    stream: Hmac<Sha256>,
    count: u64,
}

impl Ids {
    pub(super) fn new() -> Result<Self, MockError> {
        let mut seed = [0_u8; 32];
        getrandom::fill(&mut seed).map_err(|error| MockError::Start(error.to_string()))?;
        let stream = Hmac::new_from_slice(&seed).map_err(|error| MockError::Start(error.to_string()))?;
        Ok(Self { stream, count: 0 })
    }

    /// `prefix` followed by `length` letters and digits.
    pub(super) fn make(&mut self, prefix: &str, length: usize) -> String {
        let mut id = prefix.to_owned();
        while id.len() < prefix.len() + length {
            self.count += 1;
            let block = self
                .stream
                .clone()
                .chain_update(self.count.to_be_bytes())
                .finalize()
                .into_bytes();
            // Bytes above the last full round of the alphabet would make some letters likelier than others.
            let fair = block.iter().filter(|byte| **byte < 248);
            let letters = fair.filter_map(|byte| ALPHABET.get(usize::from(byte % 62)));
            id.extend(
                letters
                    .take(prefix.len() + length - id.len())
                    .map(|byte| char::from(*byte)),
            );
        }
        id
    }
}
