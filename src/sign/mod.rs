//! Keyed hashes over received bytes. Pure: no network, no clock of its own.

#[cfg(feature = "__sha1")]
mod joined;
#[cfg(any(feature = "__sha1", feature = "gmopg"))]
mod key_last;
mod mac;
#[cfg(all(test, feature = "__sha1"))]
mod wycheproof;

#[cfg(feature = "__sha1")]
pub use joined::{Joined, JoinedHash};
#[cfg(feature = "gmopg")]
pub(crate) use key_last::{key_last, same_tag};
pub(crate) use mac::evidence_of_answer;
pub use mac::{Mac, MacVerifier, SigningKeys};
