//! Secrets, one type for each role. None of them prints, serialises or compares; each is wiped when dropped.
//!
//! | type | role | what it is good for |
//! | --- | --- | --- |
//! | [`SigningKey`] | key of a keyed hash | proof: the sender knew it |
//! | [`ApiKey`] | credential we send | asking and ordering in our name |
//! | [`CheckpointKey`] | key of checkpoints, kept elsewhere | proof: the ledger went so far |
//! | [`SharedToken`] | fixed value they send | a hint: it shows who called, not what is true |

mod own;

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

pub(crate) use self::own::OwnSecrets;

/// Why a text cannot be a secret. It names the rule, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Nothing in it, or nothing but white space. Whoever knows that a key is empty can sign (PAY-50).
    #[error("is empty or blank")]
    Blank,
    /// White space or a line break at an end: a slip of copying, and the key would never match.
    #[error("has white space or a control character at an end or inside; copy it again")]
    WhiteSpace,
    /// Shorter than anything a gateway gives out.
    #[error("is too short to be one a gateway gave out")]
    TooShort,
    /// One character over and over, or a word out of a manual.
    #[error("looks like a placeholder; put the real one in")]
    Placeholder,
}

/// The shortest secret of any gateway read so far is eight characters (a GMO-PG shop password); a gateway whose secrets
/// are longer asks for more in its own builder.
const SHORTEST: usize = 8;

/// Words that stand in manuals and templates where the secret belongs. Compared without case.
const PLACEHOLDERS: &[&str] = &[
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "your_secret",
    "your-secret",
    "yoursecret",
    "your_api_key",
    "your_key_here",
    "insert_",
    "replace_me",
    "replace-me",
    "xxxxxxxx",
    "<secret",
    "${",
    "{{",
    "password",
    "undefined",
    "whsec_...",
    "sk_test_...",
    "sk_live_...",
    "...",
];

fn check(text: &str, shortest: usize) -> Result<(), SecretError> {
    if text.trim().is_empty() {
        return Err(SecretError::Blank);
    }
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(SecretError::WhiteSpace);
    }
    if text.len() < shortest {
        return Err(SecretError::TooShort);
    }
    let mut bytes = text.bytes();
    let first = bytes.next();
    let lower = text.to_ascii_lowercase();
    if bytes.all(|byte| Some(byte) == first) || PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
        return Err(SecretError::Placeholder);
    }
    Ok(())
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        secret! { $(#[$doc])* (SHORTEST) $name }
    };
    ($(#[$doc:meta])* ($shortest:expr) $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes the secret, whole and as the gateway shows it. Blank, clipped and placeholder values are refused.
            pub fn new(text: impl Into<String>) -> Result<Self, SecretError> {
                let secret = SecretString::from(text.into());
                check(secret.expose_secret(), $shortest)?;
                Ok(Self(secret))
            }

            pub(crate) fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

secret! {
    /// The key of a keyed hash over messages. What it verifies is proven ([`Verified`](crate::Verified)).
    SigningKey
}

secret! {
    /// A credential that we send to the gateway with every call.
    ApiKey
}

secret! {
    /// A fixed value that the gateway sends with every message. It shows who called at best, so a match gives a hint to
    /// ask the gateway and never a proof (PAY-39).
    SharedToken
}

secret! {
    /// The key of [`Checkpoint`](crate::ledger::Checkpoint)s. It is the store's own and lives on another machine than the ledger:
    /// whoever has both can write the past anew. At least 32 characters.
    (32) CheckpointKey
}

impl ApiKey {
    /// The key itself: for a gateway written outside this crate, which has to send it, and for nobody else. Mark the header that it
    /// goes into as sensitive, and keep it out of every text.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        self.expose()
    }
}

impl SharedToken {
    /// Compares without telling by its time how much was right.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        bool::from(self.expose().as_bytes().ct_eq(candidate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_clipped_short_and_placeholder_secrets_are_refused() {
        for (text, why) in [
            ("", SecretError::Blank),
            ("   ", SecretError::Blank),
            ("\n", SecretError::Blank),
            ("\u{3000}\u{3000}", SecretError::Blank),
            ("whsec_5WbX2vectorSharedSecret\n", SecretError::WhiteSpace),
            (" whsec_5WbX2vectorSharedSecret", SecretError::WhiteSpace),
            ("whsec_5WbX2vector\0SharedSecret", SecretError::WhiteSpace),
            ("abc", SecretError::TooShort),
            ("1234567", SecretError::TooShort),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", SecretError::Placeholder),
            ("00000000000000000000", SecretError::Placeholder),
            ("CHANGEME-please-now", SecretError::Placeholder),
            ("whsec_...", SecretError::Placeholder),
            ("${STRIPE_SECRET}", SecretError::Placeholder),
            ("your_secret_goes_here", SecretError::Placeholder),
        ] {
            assert_eq!(SigningKey::new(text).err(), Some(why), "{text:?}");
            assert_eq!(ApiKey::new(text).err(), Some(why), "{text:?}");
            assert_eq!(SharedToken::new(text).err(), Some(why), "{text:?}");
        }
    }

    #[test]
    fn a_secret_never_prints() {
        let canary = "canary-5up3r-53cr3t";
        let shown = format!(
            "{:?} {:?} {:?}",
            SigningKey::new(canary).unwrap(),
            ApiKey::new(canary).unwrap(),
            SharedToken::new(canary).unwrap()
        );
        assert_eq!(shown, "SigningKey(..) ApiKey(..) SharedToken(..)");
    }

    #[test]
    fn an_api_key_is_read_as_it_was_given() {
        let text = "sk_test_5WbX2 with+inner/signs";
        assert_eq!(ApiKey::new(text).unwrap().expose_secret(), text);
    }

    #[test]
    fn a_shared_token_matches_only_itself_whole() {
        let token = SharedToken::new("token-of-the-gateway").unwrap();
        assert!(token.matches(b"token-of-the-gateway"));
        for wrong in [
            &b""[..],
            b"token-of-the-gatewa",
            b"token-of-the-gateway ",
            b"Token-of-the-gateway",
        ] {
            assert!(!token.matches(wrong));
        }
    }
}
