//! Keyed hashes over received bytes. Pure: no network, no clock of its own.

mod mac;

pub(crate) use mac::evidence_of_answer;
pub use mac::{Mac, MacVerifier, SigningKeys};
