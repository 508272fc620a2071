//! Who asks for a checkout, as far as the store can tell clients apart.

use std::fmt;

use sha2::{Digest, Sha256};

use super::RequestError;
use crate::guard;

/// What the store tells its clients apart by, so that one of them cannot open any number of payment pages (PAY-66): a session, an
/// account, an address, or a hash of one of these. The best is what costs something to get anew. Behind one address there may be a whole
/// company or a mobile network; a session that is given to whoever has no cookie costs nothing.
///
/// The text is forgotten at once. A digest of it is kept in the memory of the process while attempts are counted, under a key that is
/// drawn at every start. It is not sent, not stored, not told in events, and does not print.
///
/// ```
/// use kessai::{CheckoutRequest, ClientKey, Currency, MerchantReference, Money};
///
/// let request = CheckoutRequest::builder(MerchantReference::new("EC20261123-000123")?)
///     .total(Money::new(1980, Currency::JPY))
///     .client(ClientKey::new("session 5f0c1d")?)
///     .build()?;
/// assert!(!format!("{request:?}").contains("5f0c1d"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClientKey([u8; 32]);

/// In bytes. A whole user agent beside an address fits.
const LONGEST: usize = 1024;

impl ClientKey {
    /// Takes what the store tells clients apart by. Refused are nothing, more than 1,024 bytes, and card data.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, RequestError> {
        const FIELD: &str = "the client key";
        let text = text.as_ref();
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(RequestError::Empty { field: FIELD });
        }
        if text.len() > LONGEST {
            return Err(RequestError::TooLong {
                field: FIELD,
                max: LONGEST,
            });
        }
        guard::check_text(FIELD, &String::from_utf8_lossy(text))?;
        let mut hash = Sha256::new_with_prefix(b"kessai client key 1");
        hash.update(text);
        Ok(Self(hash.finalize().into()))
    }

    /// The same client under this process's key: what the counters know it by.
    pub(crate) fn under(&self, salt: &str) -> [u8; 32] {
        let mut hash = Sha256::new_with_prefix(salt.as_bytes());
        hash.update(self.0);
        hash.finalize().into()
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_too_much_and_card_data_are_no_client() {
        let field = "the client key";
        for text in ["", " ", "\t\r\n"] {
            assert_eq!(ClientKey::new(text).unwrap_err(), RequestError::Empty { field });
        }
        let max = LONGEST;
        assert_eq!(
            ClientKey::new("a".repeat(LONGEST + 1)).unwrap_err(),
            RequestError::TooLong { field, max }
        );
        let card = ClientKey::new("4242 4242 4242 4242").unwrap_err();
        assert!(matches!(card, RequestError::CardData(_)));
        assert!(!format!("{card:?} {card}").contains("4242"));
    }

    #[test]
    fn addresses_sessions_and_raw_bytes_are_told_apart_and_do_not_print() {
        let texts: [&[u8]; 4] = [b"192.0.2.1", b"192.0.2.2", b"\xff\x00\x01", &[b'a'; LONGEST]];
        let keys: Vec<_> = texts.map(|text| ClientKey::new(text).unwrap()).into();
        for (n, key) in keys.iter().enumerate() {
            assert_eq!(*key, ClientKey::new(texts[n]).unwrap());
            assert!(keys.iter().skip(n + 1).all(|other| other != key));
            assert_ne!(
                key.under("a"),
                key.under("b"),
                "another process knows it by another name"
            );
            assert_eq!(format!("{key:?}"), "ClientKey(..)");
        }
    }
}
