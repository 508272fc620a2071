//! Names for orders, attempts and payments, each with its own type, so that one can never be passed for another.
//!
//! A reference is never a credential: knowing one proves nothing (PAY-10).

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// A text that cannot be the reference it was given as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be 1 to {max} characters of {grammar}")]
pub struct ReferenceError {
    what: &'static str,
    max: usize,
    grammar: &'static str,
}

impl ReferenceError {
    /// Which reference was refused.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }
}

/// A newtype over text with a grammar and a length, checked wherever it is made, reading it back from a store included.
macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $grammar:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The longest one there can be, in characters.
            pub const MAX_LENGTH: usize = $max;

            /// Checks the grammar and takes the text.
            pub fn new(text: impl Into<String>) -> Result<Self, ReferenceError> {
                let text = text.into();
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || text.len() > $max || !text.bytes().all(allowed) {
                    return Err(ReferenceError { what: $what, max: $max, grammar: $grammar });
                }
                Ok(Self(text))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ReferenceError;
            fn try_from(text: String) -> Result<Self, ReferenceError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(reference: $name) -> Self {
                reference.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = ReferenceError;
            fn from_str(text: &str) -> Result<Self, ReferenceError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

reference! {
    /// The store's own name for an order. One order may see several attempts to pay it; it is fulfilled at most once.
    ///
    /// Letters, digits, `.`, `_` and `-`, so that every gateway can carry it and nothing has to be escaped. A gateway
    /// with a shorter limit refuses a longer one before anything is written down.
    ///
    /// ```
    /// use kessai::MerchantReference;
    ///
    /// let order = MerchantReference::new("EC20261101-000123")?;
    /// assert!(MerchantReference::new("").is_err());
    /// assert!(MerchantReference::new("x&amount=1").is_err());
    /// # assert_eq!(order.as_str(), "EC20261101-000123");
    /// # Ok::<(), kessai::ReferenceError>(())
    /// ```
    MerchantReference, "the merchant reference", 128, "letters, digits, '.', '_' and '-'", plain
}

reference! {
    /// Our own random name for one attempt to pay an order: at least 128 random bits, or as many as the gateway's grammar
    /// holds. Made by kessai, never by the store.
    AttemptReference, "the attempt reference", 64, "letters, digits, '.', '_' and '-'", plain
}

reference! {
    /// The gateway's name for something of ours: a checkout session, a payment, a transaction. Opaque; 255 characters is
    /// what Stripe advises to store (sheet section 11), and the longest of the gateways read so far.
    GatewayReference, "the gateway reference", 255, "printable ASCII without spaces", printable
}

reference! {
    /// Which account at the gateway the money goes to. For gateways that name it in their messages it is that name; for
    /// the others it is a label the store chooses, bound to the credentials it configures beside it.
    MerchantAccount, "the merchant account", 128, "printable ASCII without spaces", printable
}

reference! {
    /// The store's own name for a customer, for reports. Not a name, not an e-mail address: a key of the store's database.
    CustomerReference, "the customer reference", 128, "letters, digits, '.', '_' and '-'", plain
}

reference! {
    /// One per attempt, made once, written to the ledger before the first call and used for every repeat of that call.
    IdempotencyKey, "the idempotency key", 100, "letters, digits, '.', '_' and '-'", plain
}

reference! {
    /// The key under which a notification is known: a redelivery of the same fact has the same one.
    EventId, "the event id", 255, "printable ASCII without spaces", printable
}

reference! {
    /// The stable key of one right to fulfil one order. Hand it to whatever ships, mails or credits as its own
    /// idempotency key: it is the same for every redelivery of the same right.
    FulfilmentKey, "the fulfilment key", 128, "letters, digits, '.', '_' and '-'", plain
}

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

fn printable(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// Which gateway. A string newtype and not an enum, so that a gateway written outside this crate is no second class.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayId(Cow<'static, str>);

impl GatewayId {
    /// SB Payment Service, link type.
    pub const SBPS: Self = Self::from_static("sbps");
    /// Stripe Checkout Sessions.
    pub const STRIPE: Self = Self::from_static("stripe");
    /// KOMOJU sessions.
    pub const KOMOJU: Self = Self::from_static("komoju");
    /// GMO Payment Gateway, Link Type Plus.
    pub const GMOPG: Self = Self::from_static("gmopg");

    /// A name known at compile time: lower-case letters, digits and `-`.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for GatewayId {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl fmt::Display for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GatewayId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GatewayId({})", self.0)
    }
}

/// Real money or not. A property of each configured gateway, never of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// The gateway's test environment, or the mock.
    Sandbox,
    /// Real money.
    Live,
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sandbox => "sandbox",
            Self::Live => "live",
        })
    }
}

/// What an attempt reference may look like at one gateway: an alphabet and a length. Each gateway states its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceFormat {
    alphabet: &'static [u8],
    length: usize,
}

impl ReferenceFormat {
    /// 26 characters of a 32-letter alphabet without look-alikes: 130 random bits. The one to use unless a gateway's
    /// grammar is narrower.
    pub const RANDOM_128: Self = Self {
        alphabet: b"0123456789abcdefghjkmnpqrstvwxyz",
        length: 26,
    };

    /// A narrower grammar. The alphabet must have a power of two of letters (at least two), so that every letter is
    /// equally likely.
    #[must_use]
    pub const fn new(alphabet: &'static [u8], length: usize) -> Option<Self> {
        let fits = alphabet.len() >= 2 && alphabet.len() <= 128 && alphabet.len().is_power_of_two();
        if fits && length >= 1 && length <= AttemptReference::MAX_LENGTH {
            Some(Self { alphabet, length })
        } else {
            None
        }
    }

    /// A fresh random text of this format.
    pub(crate) fn random(self) -> Result<String, RandomError> {
        let mut bytes = vec![0_u8; self.length];
        getrandom::fill(&mut bytes).map_err(|_| RandomError)?;
        let mask = self.alphabet.len() - 1;
        Ok(bytes
            .into_iter()
            .filter_map(|byte| self.alphabet.get(usize::from(byte) & mask))
            .map(|&letter| char::from(letter))
            .collect())
    }
}

/// The operating system gave no random bytes. Nothing was sent and nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct RandomError;

impl AttemptReference {
    /// A fresh one in the given format.
    pub fn random(format: ReferenceFormat) -> Result<Self, RandomError> {
        Self::new(format.random()?).map_err(|_| RandomError)
    }
}

impl IdempotencyKey {
    /// A fresh one.
    pub fn random() -> Result<Self, RandomError> {
        Self::new(ReferenceFormat::RANDOM_128.random()?).map_err(|_| RandomError)
    }
}

impl FulfilmentKey {
    /// The key of the right that this attempt's payment gives. Derived, so that it is the same whoever computes it.
    #[must_use]
    pub fn of(attempt: &AttemptReference) -> Self {
        Self(format!("fulfil-{attempt}"))
    }
}

/// A random value that ties a browser's return to the attempt it left for (PAY-14). It lets a page be shown and a
/// question be asked; it never pays, fails or identifies anything.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReturnToken(String);

impl ReturnToken {
    /// A fresh one, 130 random bits.
    pub fn random() -> Result<Self, RandomError> {
        Ok(Self(ReferenceFormat::RANDOM_128.random()?))
    }

    /// The text, for the return URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares without telling by its time how much was right. An empty token matches nothing.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(candidate.as_bytes()))
    }
}

impl fmt::Debug for ReturnToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReturnToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn references_refuse_what_would_need_escaping() {
        for text in [
            "", " ", "a b", "a&b", "a=b", "a\r\nb", "a\0", "注文", "a/b", "a%20", "<a>", "a'b", "１",
        ] {
            assert!(MerchantReference::new(text).is_err(), "{text:?}");
        }
        for text in ["", " ", "a b", "a\nb", "é", "\u{202e}"] {
            assert!(GatewayReference::new(text).is_err(), "{text:?}");
        }
        assert!(MerchantReference::new("x".repeat(129)).is_err());
        assert!(GatewayReference::new("x".repeat(256)).is_err());
    }

    #[test]
    fn a_reference_read_back_from_a_store_is_checked_again() {
        assert!(serde_json::from_str::<MerchantReference>("\"EC-1\"").is_ok());
        assert!(serde_json::from_str::<MerchantReference>("\"EC 1\"").is_err());
        assert!(serde_json::from_str::<MerchantReference>("\"\"").is_err());
    }

    #[test]
    fn a_hundred_thousand_attempts_never_repeat_and_share_no_prefix() {
        let mut seen = HashSet::new();
        let mut prefixes = HashSet::new();
        for _ in 0..100_000 {
            let attempt = AttemptReference::random(ReferenceFormat::RANDOM_128).unwrap();
            prefixes.insert(attempt.as_str()[..3].to_owned());
            assert!(seen.insert(attempt), "repeated");
        }
        assert!(
            prefixes.len() > 30_000,
            "three letters take {} of 32768 values",
            prefixes.len()
        );
    }

    #[test]
    fn an_alphabet_that_would_favour_letters_is_refused() {
        assert!(ReferenceFormat::new(b"0123456789", 12).is_none());
        assert!(ReferenceFormat::new(b"", 12).is_none());
        assert!(ReferenceFormat::new(b"01234567", 0).is_none());
        assert!(ReferenceFormat::new(b"01234567", 12).is_some());
    }

    #[test]
    fn a_return_token_matches_only_itself_whole() {
        let token = ReturnToken::random().unwrap();
        let text = token.as_str().to_owned();
        assert!(token.matches(&text));
        assert!(!token.matches(""));
        assert!(!token.matches(&text[1..]));
        assert!(!token.matches(&text[..text.len() - 1]));
        assert!(!token.matches(&format!("{text} ")));
        assert!(!ReturnToken(String::new()).matches(""));
        assert_eq!(format!("{token:?}"), "ReturnToken(..)");
    }

    #[test]
    fn every_gateway_and_environment_goes_by_its_own_name() {
        for (gateway, name) in [
            (GatewayId::SBPS, "sbps"),
            (GatewayId::STRIPE, "stripe"),
            (GatewayId::KOMOJU, "komoju"),
            (GatewayId::GMOPG, "gmopg"),
            (GatewayId::from("own".to_owned()), "own"),
        ] {
            assert_eq!(gateway.as_str(), name);
            assert_eq!(gateway.to_string(), name);
            assert_eq!(format!("{gateway:?}"), format!("GatewayId({name})"));
        }
        assert_eq!(Environment::Sandbox.to_string(), "sandbox");
        assert_eq!(Environment::Live.to_string(), "live");
        assert_eq!(GatewayReference::new("").unwrap_err().what(), "the gateway reference");
    }
}
