//! Plain hashes over values one behind the other with the key at the end: what some older interfaces call a signature.
//!
//! Such a hash shows that its maker knew the key. It does not show where one value ends, so the values have to be held
//! against a fixed grammar afterwards; and it is weaker than a MAC, so the proof says [`Trust::KeyedHash`] (PAY-02, PAY-24).
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::borrow::Cow;
use std::time::SystemTime;

use sha1::Sha1;

use super::key_last::{key_last, same_tag};
use super::mac::{SigningKeys, evidence_of};
use crate::error::VerifyError;
use crate::verified::{Proof, Trust, Verified};

/// A message whose hash covers its values one behind the other.
pub trait Joined {
    /// The bytes that are hashed, without the key: made of the very values that the message hands out.
    fn joined(&self) -> Cow<'_, [u8]>;
}

/// The hash. Fixed by the gateway's code, never read from a message (PAY-22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinedHash {
    /// SHA-1 over the values and then the key. The key comes last, so the values cannot be extended.
    Sha1KeyLast,
}

impl SigningKeys {
    /// Hands back the message as proven if one of the keys made its hash. `at` decides which keys still count.
    pub fn verify_joined<M: Joined>(
        &self,
        hash: JoinedHash,
        message: M,
        tag: &[u8],
        at: SystemTime,
    ) -> Result<Verified<M>, VerifyError> {
        let joined = message.joined();
        let matching = self.usable(at).find(|(_, key)| {
            let made = digest(hash, &joined, key.expose().as_bytes());
            same_tag(&made, tag)
        });
        let Some((slot, _)) = matching else {
            return Err(VerifyError::Mismatch);
        };
        drop(joined);
        let proof = Proof {
            trust: Trust::KeyedHash,
            key: Some(slot),
            evidence: evidence_of(tag),
            at,
        };
        Ok(Verified::after_check(message, proof))
    }

    /// Makes a hash with the current key: for what we send, and for test messages.
    #[must_use]
    pub fn hash_joined(&self, hash: JoinedHash, joined: &[u8]) -> Vec<u8> {
        self.current()
            .map_or_else(Vec::new, |key| digest(hash, joined, key.expose().as_bytes()))
    }
}

fn digest(hash: JoinedHash, joined: &[u8], key: &[u8]) -> Vec<u8> {
    match hash {
        JoinedHash::Sha1KeyLast => key_last::<Sha1>(joined, key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    struct Text(&'static [u8]);

    impl Joined for Text {
        fn joined(&self) -> Cow<'_, [u8]> {
            Cow::Borrowed(self.0)
        }
    }

    #[test]
    fn every_shortened_lengthened_and_flipped_hash_is_refused() {
        let keys = SigningKeys::from_texts(["the-current-hash-key", "the-retiring-hash-key"]).unwrap();
        let verify =
            |text, tag: &[u8]| keys.verify_joined(JoinedHash::Sha1KeyLast, Text(text), tag, SystemTime::UNIX_EPOCH);
        let tag = keys.hash_joined(JoinedHash::Sha1KeyLast, b"values");
        let proven = verify(b"values", &tag).unwrap();
        assert_eq!((proven.trust(), proven.key().unwrap().index()), (Trust::KeyedHash, 0));
        for length in 0..tag.len() {
            assert_eq!(verify(b"values", &tag[..length]).err(), Some(VerifyError::Mismatch));
        }
        assert!(verify(b"values", &[&tag[..], &[0]].concat()).is_err());
        for bit in 0..tag.len() * 8 {
            let mut flipped = tag.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(b"values", &flipped).is_err(), "bit {bit}");
        }
        assert!(verify(b"value", &tag).is_err());
        assert!(verify(b"valuesthe-current-hash-key", &tag).is_err());
        let old = SigningKeys::from_texts(["the-retiring-hash-key"]).unwrap();
        let tag = old.hash_joined(JoinedHash::Sha1KeyLast, b"values");
        assert!(verify(b"values", &tag).unwrap().key().unwrap().is_retiring());
    }

    #[test]
    fn a_key_stops_at_its_time_and_not_before() {
        let old = || crate::SigningKey::new("the-retiring-hash-key").unwrap();
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let tag = SigningKeys::new(old()).hash_joined(JoinedHash::Sha1KeyLast, b"values");
        let keys = SigningKeys::from_texts(["the-current-hash-key"])
            .unwrap()
            .and_until(old(), until);
        let taken = |seconds| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            keys.verify_joined(JoinedHash::Sha1KeyLast, Text(b"values"), &tag, at)
                .is_ok()
        };
        assert!(taken(0) && taken(99));
        assert!(!taken(100) && !taken(101));
    }
}
