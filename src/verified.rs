//! [`Verified`]: a value whose origin was proven. Its fields are private and there are two makers, so that a path which
//! skips the check does not compile.
//!
//! The makers are the keyed-hash check ([`SigningKeys::verify`](crate::sign::SigningKeys::verify), and `verify_joined` for hashes that are
//! weaker than a MAC and say so) and the authenticated status call ([`Client::ask`](crate::transport::Client::ask)). A gateway written outside this crate uses the same two.
//!
//! ```compile_fail
//! use kessai::Verified;
//! let forged = Verified { value: "paid", proof: unreachable!() };
//! ```
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// How a fact was proven. There is no other way: a token, a source address or an unkeyed hash gives a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// A keyed hash or signature over the very bytes the value was read from.
    Signature,
    /// A plain hash over values one behind the other with the key at the end. It shows that the sender knew the key; where
    /// one value ends and the next begins it does not show, so the gateway's part holds every value against a grammar of
    /// its own, and such a message pays by itself only where the store chose so (PAY-02, PAY-24).
    KeyedHash,
    /// The gateway's own answer to a question we sent under our credentials, over validated TLS.
    StatusQuery,
}

/// Which of several configured keys matched: 0 is the current one, the others are on their way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeySlot(pub(crate) usize);

impl KeySlot {
    /// Position in the configured order, current key first.
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }

    /// True if an older key matched: the rotation is not over yet.
    #[must_use]
    pub fn is_retiring(self) -> bool {
        self.0 > 0
    }
}

/// A keyed digest of the raw bytes that were proven. Kept instead of the bytes: a copy kept elsewhere can be matched
/// against it, and it tells nothing by itself (PAY-59).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EvidenceDigest(pub(crate) [u8; 32]);

impl EvidenceDigest {
    /// Lower-case hex, 64 characters.
    #[must_use]
    pub fn to_hex(self) -> String {
        base16ct::lower::encode_string(&self.0)
    }
}

impl fmt::Debug for EvidenceDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceDigest({})", self.to_hex())
    }
}

/// A value read from bytes whose origin was proven.
#[derive(Clone)]
#[must_use = "a proof that nobody uses pays nothing"]
pub struct Verified<T> {
    value: T,
    proof: Proof,
}

/// What is known about the check itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    pub(crate) trust: Trust,
    pub(crate) key: Option<KeySlot>,
    pub(crate) evidence: EvidenceDigest,
    pub(crate) at: SystemTime,
}

impl<T> Verified<T> {
    /// The one constructor. Called by these checks and by nothing else: search for `Verified::after_check`.
    pub(crate) fn after_check(value: T, proof: Proof) -> Self {
        Self { value, proof }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The value alone; the proof is dropped.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// How it was proven.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.proof.trust
    }

    /// Which configured key matched, for a signature.
    #[must_use]
    pub fn key(&self) -> Option<KeySlot> {
        self.proof.key
    }

    /// The keyed digest of the bytes that were proven.
    #[must_use]
    pub fn evidence(&self) -> EvidenceDigest {
        self.proof.evidence
    }

    /// When it was checked.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.proof.at
    }

    /// Parses onward. What comes out is proven because it was read from what was proven; a closure that ignores its
    /// input is the hole that is left, and it stands out in review.
    pub fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Verified<U>, E> {
        Ok(Verified {
            value: read(self.value)?,
            proof: self.proof,
        })
    }

    /// Several proven values out of one, each with the same proof.
    pub fn spread<U, I: IntoIterator<Item = U>>(self, read: impl FnOnce(T) -> I) -> Vec<Verified<U>> {
        let proof = self.proof;
        read(self.value)
            .into_iter()
            .map(|value| Verified { value, proof })
            .collect()
    }
}

/// Prints a value that was read, and of bytes only that they are there: a message is full of personal data (PAY-59).
impl<T: fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, proof } = self;
        let mut shown = f.debug_struct("Verified");
        // There is no asking a type whether it is bytes, but for its name, which is good enough for what is printed.
        if std::any::type_name::<T>().contains("[u8") {
            shown.field("value", &format_args!("bytes"));
        } else {
            shown.field("value", value);
        }
        shown.field("proof", proof).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn proof() -> Proof {
        Proof {
            trust: Trust::KeyedHash,
            key: Some(KeySlot(1)),
            evidence: EvidenceDigest([0xab; 32]),
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(7),
        }
    }

    #[test]
    fn only_the_first_key_is_not_on_its_way_out() {
        assert_eq!([0, 1, 2].map(|slot| KeySlot(slot).is_retiring()), [false, true, true]);
        assert_eq!(KeySlot(3).index(), 3);
    }

    #[test]
    fn evidence_is_written_in_small_hex() {
        let mut bytes = [0; 32];
        bytes[0] = 0xf1;
        bytes[31] = 0x0a;
        let hex = EvidenceDigest(bytes).to_hex();
        assert_eq!(hex, format!("f1{}0a", "0".repeat(60)));
        assert_eq!(format!("{:?}", EvidenceDigest(bytes)), format!("EvidenceDigest({hex})"));
    }

    #[test]
    fn what_is_read_from_the_proven_keeps_its_proof() {
        let proven = Verified::after_check("1 2", proof());
        let read = proven.try_map(|text| text.split_once(' ').ok_or(())).unwrap();
        assert_eq!(*read.value(), ("1", "2"));
        let parts = read.spread(|(one, other)| [one, other]);
        assert_eq!(parts.iter().map(|part| *part.value()).collect::<Vec<_>>(), ["1", "2"]);
        for part in parts {
            assert_eq!((part.trust(), part.key()), (Trust::KeyedHash, Some(KeySlot(1))));
            assert_eq!((part.evidence(), part.at()), (proof().evidence, proof().at));
        }
        let failed = Verified::after_check("", proof()).try_map(|_| Err::<(), _>("no"));
        assert_eq!(failed.map(|_| ()), Err("no"));
    }

    #[test]
    fn raw_bytes_are_never_printed_and_values_are() {
        let bytes: &[u8] = b"canary";
        for shown in [
            format!("{:?}", Verified::after_check(bytes, proof())),
            format!("{:?}", Verified::after_check(*b"canary", proof())),
        ] {
            assert!(shown.contains("value: bytes, proof: Proof {"), "{shown}");
            assert!(!shown.contains("99, 97"), "{shown}");
        }
        let shown = format!("{:?}", Verified::after_check("canary", proof()));
        assert!(shown.contains("value: \"canary\""), "{shown}");
    }
}
