//! Checking and making keyed hashes. A MAC is compared here and nowhere else, by the MAC library itself: constant time, full
//! length or nothing (PAY-19, PAY-20). The tags of plain hashes are compared in `key_last.rs`.

use std::fmt;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::{Digest, Sha256, Sha512};

use crate::error::{ConfigError, VerifyError};
use crate::secret::{ApiKey, SecretError, SigningKey};
use crate::verified::{EvidenceDigest, KeySlot, Proof, Trust, Verified};

/// The hash under the MAC. Fixed by the gateway's code, never read from a message (PAY-22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mac {
    /// HMAC-SHA-256, 32 bytes.
    HmacSha256,
    /// HMAC-SHA-512, 64 bytes.
    HmacSha512,
}

/// How many keys may be configured at once: the cost of a forged message stays bounded.
const MOST_KEYS: usize = 5;

/// The signing keys of one endpoint: the current one and those on their way out. Any of them may match.
///
/// A retiring key can carry a time after which it no longer verifies, so that a rotation ends by itself (PAY-53).
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kessai::{SigningKey, sign::SigningKeys};
///
/// let until = SystemTime::now() + Duration::from_secs(24 * 3600);
/// let keys = SigningKeys::new(SigningKey::new("whsec_the-new-one-0123456789")?)
///     .and_until(SigningKey::new("whsec_the-old-one-9876543210")?, until);
/// # Ok::<(), kessai::SecretError>(())
/// ```
#[derive(Clone)]
pub struct SigningKeys {
    keys: Vec<(SigningKey, Option<SystemTime>)>,
}

impl SigningKeys {
    /// One key.
    #[must_use]
    pub fn new(current: SigningKey) -> Self {
        Self {
            keys: vec![(current, None)],
        }
    }

    /// The keys themselves, to know them again in what comes from outside.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(key, _)| key.expose())
    }

    /// From texts, current one first. A blank one is refused and named by its position.
    pub fn from_texts<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let mut keys = Vec::new();
        for (index, text) in texts.into_iter().enumerate() {
            let key = SigningKey::new(text).map_err(|reason| ConfigError::Secret {
                setting: format!("signing key {index}"),
                reason,
            })?;
            keys.push((key, None));
        }
        if keys.is_empty() {
            return Err(ConfigError::Secret {
                setting: "signing key 0".to_owned(),
                reason: SecretError::Blank,
            });
        }
        let keys = Self { keys };
        keys.check()?;
        Ok(keys)
    }

    /// Adds a key that is on its way out but still verifies.
    #[must_use]
    pub fn and(mut self, retiring: SigningKey) -> Self {
        self.keys.push((retiring, None));
        self
    }

    /// Adds a key that verifies until the given time, and not at it or after.
    #[must_use]
    pub fn and_until(mut self, retiring: SigningKey, until: SystemTime) -> Self {
        self.keys.push((retiring, Some(until)));
        self
    }

    /// Refuses more keys than a rotation needs.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.keys.len() > MOST_KEYS {
            return Err(ConfigError::Bounds {
                setting: "signing keys",
                bounds: "at most 5 at once",
            });
        }
        Ok(())
    }

    /// Is there a key whose text has this property? For telling apart secrets that were put in each other's place.
    #[allow(dead_code, reason = "only gateways ask, and a build may have none")]
    pub(crate) fn any(&self, property: impl Fn(&str) -> bool) -> bool {
        self.keys.iter().any(|(key, _)| property(key.expose()))
    }

    /// The keys that still count, with their places.
    #[cfg(feature = "__sha1")]
    pub(super) fn usable(&self, at: SystemTime) -> impl Iterator<Item = (KeySlot, &SigningKey)> {
        let keys = self.keys.iter().enumerate();
        keys.filter(move |(_, (_, until))| until.is_none_or(|until| at < until))
            .map(|(index, (key, _))| (KeySlot(index), key))
    }

    /// The key that makes new tags.
    #[cfg(feature = "__sha1")]
    pub(super) fn current(&self) -> Option<&SigningKey> {
        self.keys.first().map(|(key, _)| key)
    }

    /// Checks `tags` over `prefix` followed by `message`, and hands back the message as proven if one of the keys made
    /// one of the tags. `at` decides which keys still count.
    ///
    /// The message is borrowed all the way: nothing is copied, and every key is hashed once however many tags came.
    pub fn verify<'m, T: AsRef<[u8]>>(
        &self,
        mac: Mac,
        prefix: &[u8],
        message: &'m [u8],
        tags: &[T],
        at: SystemTime,
    ) -> Result<Verified<&'m [u8]>, VerifyError> {
        for (index, (key, until)) in self.keys.iter().enumerate() {
            if until.is_some_and(|until| at >= until) {
                continue;
            }
            let Some(verifier) = MacVerifier::over(mac, key, &[prefix, message]) else {
                continue;
            };
            for tag in tags {
                if let Some(evidence) = verifier.check(tag.as_ref()) {
                    let proof = Proof {
                        trust: Trust::Signature,
                        key: Some(KeySlot(index)),
                        evidence,
                        at,
                    };
                    return Ok(Verified::after_check(message, proof));
                }
            }
        }
        Err(VerifyError::Mismatch)
    }

    /// Makes a tag with the current key, for test messages.
    #[must_use]
    pub fn sign(&self, mac: Mac, parts: &[&[u8]]) -> Vec<u8> {
        let first = self
            .keys
            .first()
            .and_then(|(key, _)| MacVerifier::over(mac, key, parts));
        first.map_or_else(Vec::new, MacVerifier::into_tag)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({} keys)", self.keys.len())
    }
}

/// A keyed hash over some bytes, ready to be compared with tags.
#[derive(Clone)]
pub struct MacVerifier(Inner);

#[derive(Clone)]
enum Inner {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl MacVerifier {
    /// Hashes the parts one after the other under the key. `None` if the hash cannot take the key, which then matches
    /// nothing.
    #[must_use]
    pub fn over(mac: Mac, key: &SigningKey, parts: &[&[u8]]) -> Option<Self> {
        Self::with_key_bytes(mac, key.expose().as_bytes(), parts)
    }

    pub(crate) fn with_key_bytes(mac: Mac, key: &[u8], parts: &[&[u8]]) -> Option<Self> {
        Some(Self(match mac {
            Mac::HmacSha256 => Inner::Sha256(keyed(key, parts)?),
            Mac::HmacSha512 => Inner::Sha512(keyed(key, parts)?),
        }))
    }

    /// The evidence digest if `tag` is the whole right tag, else nothing. `verify_slice` looks at the length first.
    #[must_use]
    pub fn check(&self, tag: &[u8]) -> Option<EvidenceDigest> {
        match self.0.clone() {
            Inner::Sha256(mac) => mac.verify_slice(tag).ok(),
            Inner::Sha512(mac) => mac.verify_slice(tag).ok(),
        }
        .map(|()| evidence_of(tag))
    }

    pub(crate) fn into_tag(self) -> Vec<u8> {
        match self.0 {
            Inner::Sha256(mac) => mac.finalize().into_bytes().to_vec(),
            Inner::Sha512(mac) => mac.finalize().into_bytes().to_vec(),
        }
    }
}

impl fmt::Debug for MacVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacVerifier(..)")
    }
}

pub(super) fn keyed<M: hmac::Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

/// The tag is already a keyed digest of the bytes; hashing it once more keeps a usable signature out of the records.
pub(crate) fn evidence_of(tag: &[u8]) -> EvidenceDigest {
    let mut hash = Sha256::new();
    hash.update(b"kessai evidence 1\0");
    hash.update(tag);
    EvidenceDigest(hash.finalize().into())
}

/// The keyed digest of an answer that came under our own credential.
pub(crate) fn evidence_of_answer(credential: &ApiKey, body: &[u8]) -> EvidenceDigest {
    let keyed = MacVerifier::with_key_bytes(Mac::HmacSha256, credential.expose().as_bytes(), &[body]);
    evidence_of(&keyed.map_or_else(Vec::new, MacVerifier::into_tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn keys() -> SigningKeys {
        SigningKeys::from_texts(["the-current-signing-key", "the-retiring-signing-key"]).unwrap()
    }

    fn verify(keys: &SigningKeys, message: &[u8], tag: &[u8]) -> Result<usize, VerifyError> {
        let verified = keys.verify(Mac::HmacSha256, b"1.", message, &[tag], SystemTime::UNIX_EPOCH)?;
        Ok(verified.key().unwrap().index())
    }

    #[test]
    fn every_shortened_lengthened_and_flipped_tag_is_refused() {
        let keys = keys();
        let tag = keys.sign(Mac::HmacSha256, &[b"1.", b"body"]);
        assert_eq!(verify(&keys, b"body", &tag), Ok(0));
        for length in 0..tag.len() {
            assert_eq!(
                verify(&keys, b"body", &tag[..length]),
                Err(VerifyError::Mismatch),
                "{length}"
            );
        }
        assert!(verify(&keys, b"body", &[&tag[..], &[0]].concat()).is_err());
        for bit in 0..tag.len() * 8 {
            let mut flipped = tag.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&keys, b"body", &flipped).is_err(), "bit {bit}");
        }
        for byte in 0..4 {
            let mut body = b"body".to_vec();
            body[byte] ^= 1;
            assert!(verify(&keys, &body, &tag).is_err(), "byte {byte}");
        }
    }

    #[test]
    fn the_key_that_matched_is_told_and_an_expired_one_matches_nothing() {
        let old = SigningKeys::new(SigningKey::new("the-retiring-signing-key").unwrap());
        let tag = old.sign(Mac::HmacSha256, &[b"1.", b"body"]);
        assert_eq!(verify(&keys(), b"body", &tag), Ok(1));

        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let rotating = SigningKeys::new(SigningKey::new("the-current-signing-key").unwrap())
            .and_until(SigningKey::new("the-retiring-signing-key").unwrap(), until);
        let at = |seconds| {
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            rotating.verify(Mac::HmacSha256, b"1.", b"body", &[&tag], at).is_ok()
        };
        assert!(at(99));
        assert!(!at(100));
        assert!(!at(101));
    }

    #[test]
    fn a_tag_of_another_hash_is_refused() {
        let keys = keys();
        let long = keys.sign(Mac::HmacSha512, &[b"1.", b"body"]);
        assert!(verify(&keys, b"body", &long).is_err());
        assert!(verify(&keys, b"body", &long[..32]).is_err());
        assert!(
            keys.verify(Mac::HmacSha512, b"1.", b"body", &[&long], SystemTime::UNIX_EPOCH)
                .is_ok()
        );
    }

    #[test]
    fn blank_keys_are_named_by_their_position_and_too_many_are_refused() {
        let blank = SigningKeys::from_texts(["the-current-signing-key", " "]).unwrap_err();
        assert_eq!(blank.to_string(), "signing key 1 is empty or blank");
        assert!(SigningKeys::from_texts(Vec::<String>::new()).is_err());
        assert!(SigningKeys::from_texts((0..6).map(|n| format!("signing-key-number-{n}"))).is_err());
    }

    #[test]
    fn five_keys_are_taken_and_each_counts_in_its_place() {
        let names = ["number-one", "number-two", "number-three", "number-four", "number-five"];
        let keys = SigningKeys::from_texts(names).unwrap();
        for (place, name) in names.into_iter().enumerate() {
            let one = SigningKeys::from_texts([name]).unwrap();
            assert_eq!(
                verify(&keys, b"body", &one.sign(Mac::HmacSha256, &[b"1.", b"body"])),
                Ok(place)
            );
        }
        assert!(keys.any(|text| text == "number-five"));
        assert!(!keys.any(|text| text == "number-six"));
        let more = keys.and(SigningKey::new("number-six").unwrap());
        assert!(more.check().is_err());
    }

    #[test]
    fn neither_keys_nor_a_hash_in_the_making_print() {
        assert_eq!(format!("{:?}", keys()), "SigningKeys(2 keys)");
        let verifier = MacVerifier::over(Mac::HmacSha256, &SigningKey::new("number-one").unwrap(), &[b"body"]);
        assert_eq!(format!("{verifier:?}"), "Some(MacVerifier(..))");
    }

    #[test]
    fn evidence_matches_its_bytes_and_is_no_usable_tag() {
        let keys = keys();
        let tag = keys.sign(Mac::HmacSha256, &[b"body"]);
        let evidence = |message: &'static [u8], tag: &[u8]| {
            let proven = keys.verify(Mac::HmacSha256, b"", message, &[tag], SystemTime::UNIX_EPOCH);
            proven.unwrap().evidence()
        };
        let first = evidence(b"body", &tag);
        assert_eq!(first, evidence(b"body", &tag));
        assert_ne!(first, evidence(b"other", &keys.sign(Mac::HmacSha256, &[b"other"])));
        assert_ne!(first.to_hex(), base16ct::lower::encode_string(&tag));
        let (one, other) = (
            ApiKey::new("credential-one").unwrap(),
            ApiKey::new("credential-two").unwrap(),
        );
        assert_eq!(evidence_of_answer(&one, b"{}"), evidence_of_answer(&one, b"{}"));
        assert_ne!(evidence_of_answer(&one, b"{}"), evidence_of_answer(&other, b"{}"));
        assert_ne!(evidence_of_answer(&one, b"{}"), evidence_of_answer(&one, b"[]"));
    }
}
