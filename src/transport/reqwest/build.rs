//! The settings of the transport.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, redirect, retry};

use super::HttpTransport;
use crate::error::ConfigError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers commonly close a connection that idles for 60 to 75 s. A connection that is kept longer than the other side
/// keeps it breaks the next call after it may have been sent.
const POOL_IDLE: Duration = Duration::from_secs(30);
const LONGEST_SUFFIX: usize = 200;

/// Builds an [`HttpTransport`].
#[derive(Clone, Debug)]
pub struct HttpTransportBuilder {
    connect_timeout: Duration,
    pool_idle: Duration,
    suffix: Option<String>,
    #[cfg(feature = "rustls")]
    roots: Vec<Vec<u8>>,
}

impl HttpTransportBuilder {
    pub(super) fn new() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            pool_idle: POOL_IDLE,
            suffix: None,
            #[cfg(feature = "rustls")]
            roots: Vec::new(),
        }
    }

    /// How long the name, the connection and the TLS handshake may take: 0.1 s to 60 s. Default 10 s.
    ///
    /// Keep it below [`RetryPolicy::per_try`](crate::transport::RetryPolicy): when it passes, it is certain that nothing was
    /// sent; when the try's deadline passes first, it is not.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long an unused connection is kept: up to 300 s; zero keeps none. Default 30 s, below what servers commonly allow.
    #[must_use]
    pub fn pool_idle(mut self, limit: Duration) -> Self {
        self.pool_idle = limit;
        self
    }

    /// What follows `kessai/<version>` in the `User-Agent`, for instance `example-shop/3.1`.
    #[must_use]
    pub fn user_agent_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = Some(suffix.into());
        self
    }

    /// Trusts this certificate authority besides the platform's: DER, or PEM with one or more certificates.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn add_root_certificate(mut self, certificate: impl Into<Vec<u8>>) -> Self {
        self.roots.push(certificate.into());
        self
    }

    /// Checks the settings and makes the client. Connects to nothing.
    pub fn build(self) -> Result<HttpTransport, ConfigError> {
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&self.connect_timeout) {
            return Err(bounds("connect_timeout", "0.1 s to 60 s"));
        }
        if self.pool_idle > Duration::from_secs(300) {
            return Err(bounds("pool_idle", "at most 300 s"));
        }
        let client = base()
            .user_agent(user_agent(self.suffix.as_deref())?)
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(self.pool_idle)
            .pool_max_idle_per_host(if self.pool_idle.is_zero() { 0 } else { usize::MAX });
        #[cfg(feature = "rustls")]
        let client = client.tls_backend_preconfigured(super::tls::config(&self.roots)?);
        Ok(HttpTransport {
            client: client
                .build()
                .map_err(|error| ConfigError::Transport(error.without_url().into()))?,
            connect_timeout: self.connect_timeout,
            pool_idle: self.pool_idle,
        })
    }
}

/// What is the same for everybody. Much of it is switched off although our own features never switched it on: the features
/// of one reqwest are shared by everybody in a store's program.
fn base() -> reqwest::ClientBuilder {
    let mut headers = HeaderMap::new();
    // Without the header any coding would be welcome (RFC 9110 section 12.5.3).
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Client::builder()
        .default_headers(headers)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .http1_only()
        // Plain HTTP goes there, so no resolver is asked where it is (the port is the address's).
        .resolve_to_addrs(
            "localhost",
            &[
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
            ],
        )
}

fn user_agent(suffix: Option<&str>) -> Result<String, ConfigError> {
    const OURS: &str = concat!("kessai/", env!("CARGO_PKG_VERSION"));
    match suffix {
        None => Ok(OURS.to_owned()),
        Some(suffix)
            if (1..=LONGEST_SUFFIX).contains(&suffix.len())
                && suffix.trim() == suffix
                && suffix.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) =>
        {
            Ok(format!("{OURS} {suffix}"))
        }
        Some(_) => Err(bounds("user_agent_suffix", "1 to 200 visible ASCII characters")),
    }
}

fn bounds(setting: &'static str, bounds: &'static str) -> ConfigError {
    ConfigError::Bounds { setting, bounds }
}
