//! The [`Transport`](super::Transport) made of reqwest.

mod address;
mod answer;
mod build;
#[cfg(feature = "rustls")]
mod tls;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;

pub use self::build::HttpTransportBuilder;
use super::{BoxFuture, CallLimits, Transport, TransportError, TransportErrorKind};
use crate::error::ConfigError;

/// Sends over one reused reqwest client. Clones share its connections.
///
/// - HTTPS only; plain HTTP for `localhost`, `127.0.0.0/8` and `::1`. No credentials in an address.
/// - With the `rustls` feature: TLS 1.2 and 1.3 by a provider of its own (aws-lc-rs) that is never made the process's,
///   certificates checked by the platform's trust store. Without it, HTTPS is what the store's own reqwest features bring.
/// - No redirect followed, no proxy (neither from the environment nor from the system), no cookie, no retry, HTTP/1.1.
/// - No compressed answer, whatever features reqwest has been given: its size would say nothing.
/// - The deadline of a try covers everything from the name to the last byte; the answer is counted while it comes in.
///
/// It needs a tokio runtime with its timer and I/O drivers.
///
/// ```
/// use std::time::Duration;
/// use kessai::transport::HttpTransport;
///
/// let transport = HttpTransport::builder()
///     .connect_timeout(Duration::from_secs(5))
///     .user_agent_suffix("example-shop/3.1")
///     .build()?;
/// # Ok::<(), kessai::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct HttpTransport {
    client: Client,
    connect_timeout: Duration,
    pool_idle: Duration,
}

impl HttpTransport {
    /// With the defaults.
    pub fn new() -> Result<Self, ConfigError> {
        Self::builder().build()
    }

    /// With settings.
    #[must_use]
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder::new()
    }

    async fn exchange(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> Result<http::Response<Bytes>, TransportError> {
        // Without a runtime, the connection and the timer would panic.
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(refused("the transport needs a tokio runtime"));
        }
        let request = address::checked(request)?;
        // The timer counts whole milliseconds, and an answer from nearby can be faster: nothing goes out then.
        if limits.total.is_zero() {
            return Err(TransportError::new(TransportErrorKind::Timeout));
        }
        // One deadline over all of it: the name, the connection, the headers, the body.
        tokio::time::timeout(limits.total, async {
            let response = self.client.execute(request).await.map_err(sorted)?;
            answer::read(response, limits.reply).await
        })
        .await
        .unwrap_or_else(|_| Err(TransportError::new(TransportErrorKind::Timeout)))
    }
}

impl Transport for HttpTransport {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(self.exchange(request, limits))
    }

    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()> {
        // Inside, so that the timer is looked for when the wait begins.
        Box::pin(async move { tokio::time::sleep(wait).await })
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            client: _,
            connect_timeout,
            pool_idle,
        } = self;
        f.debug_struct("HttpTransport")
            .field("connect_timeout", connect_timeout)
            .field("pool_idle", pool_idle)
            .finish_non_exhaustive()
    }
}

fn refused(why: &'static str) -> TransportError {
    TransportError::new(TransportErrorKind::Refused).with_source(why)
}

/// Sorts an error by whether the request can have reached the gateway. In doubt it can.
fn sorted(error: reqwest::Error) -> TransportError {
    let kind = if error.is_builder() {
        TransportErrorKind::Refused
    } else if error.is_connect() {
        // The connect deadline too: it is a connect error that timed out.
        TransportErrorKind::Connect
    } else if error.is_timeout() {
        TransportErrorKind::Timeout
    } else {
        TransportErrorKind::Broken
    };
    TransportError::new(kind).with_source(error.without_url())
}
