//! What every gateway's builder checks alike: where calls go, where shoppers may be sent, and what sends.

use std::sync::Arc;

use url::Url;

use crate::error::{ConfigError, Error};
use crate::redirect::{AllowedOrigins, is_loopback, is_safe_scheme};
use crate::reference::Environment;
use crate::transport::{Client, RetryPolicy, Transport};

/// The hosts that a gateway is known to have, of each environment. Those of one are refused in the other (PAY-51); a host
/// that is in neither list is the store's own business.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hosts {
    pub(super) sandbox: &'static [&'static str],
    pub(super) live: &'static [&'static str],
}

impl Hosts {
    /// The gateway has one host, and its keys tell the environment.
    pub(super) const ALIKE: Self = Self {
        sandbox: &[],
        live: &[],
    };

    fn has_of_other(self, url: &Url, environment: Environment) -> bool {
        let other = match environment {
            Environment::Live => self.sandbox,
            Environment::Sandbox => self.live,
        };
        // With the dot of the root behind it, it is the same host.
        let host = url.host_str().map(|host| host.trim_end_matches('.'));
        host.is_some_and(|host| other.contains(&host))
    }
}

/// What an address is held against: the environment, what makes it live (for the message), and the gateway's hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) environment: Environment,
    pub(super) live: &'static str,
    pub(super) hosts: Hosts,
}

impl Place {
    fn check(&self, setting: &'static str, url: &Url) -> Result<(), ConfigError> {
        let against = match self.environment {
            Environment::Live => self.live,
            Environment::Sandbox => "the sandbox",
        };
        // Live credentials are never sent to this machine: a mock knows only sandboxes (PAY-51).
        let mocked = self.environment == Environment::Live && is_loopback(url);
        if mocked || self.hosts.has_of_other(url, self.environment) {
            return Err(ConfigError::Environment { setting, against });
        }
        Ok(())
    }
}

/// An address that something is sent to.
pub(super) fn address(setting: &'static str, text: &str, place: &Place) -> Result<Url, ConfigError> {
    let wrong = |hint| ConfigError::Address { setting, hint };
    let url = Url::parse(text).map_err(|_| wrong("write it whole, such as https://api.gateway.example"))?;
    if !is_safe_scheme(&url) {
        return Err(wrong("it must be HTTPS; plain HTTP is for loopback only"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must not hold credentials, a query or a fragment"));
    }
    place.check(setting, &url)?;
    Ok(url)
}

/// The origin that calls go to.
pub(super) fn endpoint(text: &str, place: &Place) -> Result<String, ConfigError> {
    let setting = "the endpoint";
    let url = address(setting, text, place)?;
    if url.path() != "/" {
        let hint = "it is an origin, without a path";
        return Err(ConfigError::Address { setting, hint });
    }
    Ok(url.origin().ascii_serialization())
}

/// The origins of the hosted payment page.
pub(super) fn pages<S: AsRef<str>>(origins: &[S], place: &Place) -> Result<AllowedOrigins, ConfigError> {
    let setting = "the page origins";
    let wrong = ConfigError::Address {
        setting,
        hint: "each is an HTTPS origin",
    };
    let Ok(pages) = AllowedOrigins::new(origins) else {
        return Err(wrong);
    };
    for page in pages.iter() {
        let Ok(url) = Url::parse(page) else { return Err(wrong) };
        place.check(setting, &url)?;
    }
    Ok(pages)
}

/// The store's own transport, else the one of the `reqwest` feature, else none: what needs no network still works.
#[cfg(feature = "reqwest")]
pub(super) fn client(
    transport: Option<Arc<dyn Transport>>,
    policy: RetryPolicy,
) -> Result<Option<Client>, ConfigError> {
    let transport = match transport {
        Some(transport) => transport,
        None => Arc::new(crate::transport::HttpTransport::new()?),
    };
    Ok(Some(Client::new(transport, policy)))
}

#[cfg(not(feature = "reqwest"))]
#[expect(clippy::unnecessary_wraps, reason = "the same signature as with the HTTP client")]
pub(super) fn client(
    transport: Option<Arc<dyn Transport>>,
    policy: RetryPolicy,
) -> Result<Option<Client>, ConfigError> {
    Ok(transport.map(|transport| Client::new(transport, policy)))
}

/// The client of a gateway that is to send something.
pub(super) fn needed(client: Option<&Client>) -> Result<&Client, Error> {
    let hint = "no transport: turn the `reqwest` feature on, or give the builder a transport";
    client.ok_or_else(|| Error::config(hint))
}
