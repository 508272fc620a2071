//! Where the gateway sends the browser and the messages: the store's public address and a path of ours, both from
//! configuration and never from an inbound request (PAY-07).

use url::Url;

use crate::error::ConfigError;
use crate::ledger::ExpectedPayment;
use crate::redirect::is_safe_scheme;
use crate::reference::AttemptReference;

/// The addresses of one gateway at the store.
///
/// ```
/// use kessai::Addresses;
///
/// let addresses = Addresses::new("https://shop.example", "/pay/stripe")?;
/// assert_eq!(addresses.notification_url(), "https://shop.example/pay/stripe/notification");
/// assert_eq!(addresses.return_path(), "/pay/stripe/return");
/// assert!(Addresses::new("http://shop.example", "/pay/stripe").is_err(), "plain HTTP is for loopback only");
/// # Ok::<(), kessai::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    base: String,
    path: String,
}

/// The query name under which the attempt comes back.
pub(crate) const ATTEMPT: &str = "attempt";
/// The query name under which the return token comes back.
pub(crate) const STATE: &str = "state";

impl Addresses {
    /// `public_url` is the store's origin as shoppers see it, `path` where it routes this gateway's traffic. Below the
    /// path lie `/return`, `/cancel` and `/notification`.
    pub fn new(public_url: &str, path: &str) -> Result<Self, ConfigError> {
        let wrong = |hint| ConfigError::Address {
            setting: "the public address",
            hint,
        };
        let url = Url::parse(public_url).map_err(|_| wrong("write it as https://shop.example"))?;
        if !is_safe_scheme(&url) {
            return Err(wrong("it must be HTTPS; plain HTTP is for loopback only"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("it must not hold credentials"));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it is an origin, without path, query or fragment"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.');
        let odd = path.contains("//") || path.contains("..") || path.ends_with('/');
        if !path.starts_with('/') || odd || !path.bytes().all(plain) {
            let hint = "it starts with '/', does not end with one, and holds letters, digits, '-', '_' and '.'";
            return Err(ConfigError::Address {
                setting: "the path",
                hint,
            });
        }
        Ok(Self {
            base: url.origin().ascii_serialization(),
            path: path.to_owned(),
        })
    }

    /// The path the shopper's browser comes back to.
    #[must_use]
    pub fn return_path(&self) -> String {
        format!("{}/return", self.path)
    }

    /// The path the shopper's browser comes back to after giving up.
    #[must_use]
    pub fn cancel_path(&self) -> String {
        format!("{}/cancel", self.path)
    }

    /// The path the gateway's messages come to.
    #[must_use]
    pub fn notification_path(&self) -> String {
        format!("{}/notification", self.path)
    }

    /// The address for the gateway's messages, to be entered in its dashboard or sent with the checkout.
    #[must_use]
    pub fn notification_url(&self) -> String {
        format!("{}{}", self.base, self.notification_path())
    }

    /// The return address of one attempt: plain ASCII, with the attempt and its token in the query.
    #[must_use]
    pub fn return_url(&self, expected: &ExpectedPayment) -> String {
        self.with_state(&self.return_path(), &expected.attempt, expected.return_token.as_str())
    }

    /// The cancel address of one attempt.
    #[must_use]
    pub fn cancel_url(&self, expected: &ExpectedPayment) -> String {
        self.with_state(&self.cancel_path(), &expected.attempt, expected.return_token.as_str())
    }

    /// Is this target one below the cancel path?
    #[allow(dead_code, reason = "only gateways ask, and a build may have none")]
    pub(crate) fn is_cancel(&self, target: &str) -> bool {
        target.split('?').next() == Some(self.cancel_path().as_str())
    }

    fn with_state(&self, path: &str, attempt: &AttemptReference, token: &str) -> String {
        // Both are letters and digits by their grammar: nothing to encode.
        format!("{}{path}?{ATTEMPT}={attempt}&{STATE}={token}", self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_could_be_steered_or_overheard_are_refused() {
        for base in [
            "",
            "shop.example",
            "http://shop.example",
            "ftp://shop.example",
            "https://",
            "https://user@shop.example",
            "https://shop.example/sub",
            "https://shop.example?x=1",
            "https://shop.example#x",
            "javascript:alert(1)",
        ] {
            assert!(Addresses::new(base, "/pay").is_err(), "{base:?}");
        }
        for path in [
            "", "pay", "/pay/", "/pay//x", "/../pay", "/pay?x", "/pay#x", "/pay x", "/{id}", "/支払",
        ] {
            assert!(Addresses::new("https://shop.example", path).is_err(), "{path:?}");
        }
        assert!(Addresses::new("http://127.0.0.1:8080", "/pay").is_ok());
        assert!(Addresses::new("https://shop.example:8443/", "/pay/stripe").is_ok());
    }

    #[test]
    fn every_path_and_address_is_below_the_one_that_was_given() {
        let addresses = Addresses::new("https://shop.example:8443/", "/pay/stripe").unwrap();
        assert_eq!(addresses.return_path(), "/pay/stripe/return");
        assert_eq!(addresses.cancel_path(), "/pay/stripe/cancel");
        assert_eq!(addresses.notification_path(), "/pay/stripe/notification");
        assert_eq!(
            addresses.notification_url(),
            "https://shop.example:8443/pay/stripe/notification"
        );
    }
}
