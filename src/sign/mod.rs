//! Keyed hashes over received bytes. Pure: no network, no clock of its own.

#[cfg(feature = "__sha1")]
mod joined;
mod mac;
#[cfg(all(test, feature = "__sha1"))]
mod wycheproof;

#[cfg(feature = "__sha1")]
pub use joined::{Joined, JoinedHash};
pub(crate) use mac::evidence_of_answer;
pub use mac::{Mac, MacVerifier, SigningKeys};
