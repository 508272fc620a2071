//! What every gateway's builder checks alike: where calls go, where shoppers may be sent, and what sends.

use std::sync::Arc;

use url::Url;

use crate::error::{ConfigError, Error};
use crate::redirect::{AllowedOrigins, is_loopback, is_safe_scheme};
use crate::reference::Environment;
use crate::transport::{Client, RetryPolicy, Transport};

/// The origin that calls go to. `live` names what makes the environment live, for the message.
pub(super) fn endpoint(text: &str, environment: Environment, live: &'static str) -> Result<String, ConfigError> {
    let setting = "the endpoint";
    let wrong = |hint| ConfigError::Address { setting, hint };
    let url = Url::parse(text).map_err(|_| wrong("write it as an origin, such as https://api.gateway.example"))?;
    if !is_safe_scheme(&url) {
        return Err(wrong("it must be HTTPS; plain HTTP is for loopback only"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must not hold credentials, a query or a fragment"));
    }
    if url.path() != "/" {
        return Err(wrong("it is an origin, without a path"));
    }
    // Live credentials are never sent to this machine: a mock knows only sandboxes (PAY-51).
    if environment == Environment::Live && is_loopback(&url) {
        return Err(ConfigError::Environment { setting, against: live });
    }
    Ok(url.origin().ascii_serialization())
}

/// The origins of the hosted payment page.
pub(super) fn pages<S: AsRef<str>>(
    origins: &[S],
    environment: Environment,
    live: &'static str,
) -> Result<AllowedOrigins, ConfigError> {
    let setting = "the page origins";
    let pages = AllowedOrigins::new(origins).map_err(|_| ConfigError::Address {
        setting,
        hint: "each is an HTTPS origin",
    })?;
    if environment == Environment::Live && pages.iter().any(|origin| origin.starts_with("http:")) {
        return Err(ConfigError::Environment { setting, against: live });
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
