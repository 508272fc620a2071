//! The way to the gateway: one trait that sends bytes, one client that knows when a call may be repeated.
//!
//! Nothing here needs a runtime or an HTTP library. The `reqwest` feature brings a [`Transport`] made of it; a store can
//! plug in its own.

mod client;
#[cfg(feature = "reqwest")]
mod reqwest;
mod retry;
mod retry_after;

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

pub use self::client::Client;
#[cfg(feature = "reqwest")]
pub use self::reqwest::{HttpTransport, HttpTransportBuilder};
pub use self::retry::RetryPolicy;
use crate::error::Error;

/// A boxed future that can be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends one request, once, and reads the answer within limits.
///
/// What an implementation promises: HTTPS with full validation (plain HTTP for loopback only), no redirect followed, no
/// retry of its own, no more than `limits.reply` bytes read, done after `limits.total` at the latest, nothing logged.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends the request.
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>>;

    /// Waits. Part of the transport so that nothing else needs a timer, and tests can let time pass by themselves.
    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()>;
}

/// Upper bounds of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// The longest the try may take, reading the answer included. With none left nothing is sent, and it is a
    /// [`TransportErrorKind::Timeout`].
    pub total: Duration,
    /// The most bytes of an answer's body.
    pub reply: usize,
}

/// Why no usable answer came.
#[derive(Debug)]
pub struct TransportError {
    /// What happened.
    pub kind: TransportErrorKind,
    /// The cause, without any address in it.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What happened, sorted by whether the request can have reached the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// The address is not allowed, or the request cannot be formed. Nothing was sent.
    Refused,
    /// No connection came to be: name, route, TLS or connect deadline. Nothing was sent.
    Connect,
    /// The deadline passed after the request may have been sent.
    Timeout,
    /// The connection broke after the request may have been sent, or what came over it is not HTTP.
    Broken,
    /// An answer came that is larger than the limit, or compressed. The gateway may have acted.
    Reply,
}

impl TransportError {
    /// An error without a cause.
    #[must_use]
    pub fn new(kind: TransportErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Adds the cause. It must not print an address with a query, a header or a body.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Refused => "the request was not sent",
            TransportErrorKind::Connect => "no connection to the gateway",
            TransportErrorKind::Timeout => "the gateway did not answer in time",
            TransportErrorKind::Broken => "the connection to the gateway broke",
            TransportErrorKind::Reply => "the gateway's answer could not be read",
        })
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// May a call be sent again after it failed?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// It changes nothing at the gateway.
    Safe,
    /// It carries an idempotency key: the gateway acts once however often it comes.
    WithKey,
    /// Sending it twice could act twice.
    Never,
}

/// What to do after an answer that is not a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAdvice {
    /// Another try may help.
    Again,
    /// Another try cannot help.
    Stop,
}

/// One call in a gateway's words. Pure: what to send, and how to read the answer.
pub trait Call: Send + Sync {
    /// What the answer is read into.
    type Reply;

    /// May it be sent again?
    const REPEAT: Repeat;

    /// The whole request: absolute address, headers, body.
    fn request(&self) -> Result<http::Request<Bytes>, Error>;

    /// Should an unsuccessful answer (any status but 2xx) be tried again? Asked only where [`Call::REPEAT`] allows another
    /// try.
    fn advice(&self, response: &http::Response<Bytes>) -> RetryAdvice;

    /// Reads the answer, whatever its status: raw headers and raw body are there. Also asked of an answer that another try
    /// follows: its [`Outcome`](crate::Outcome) counts for the whole call.
    fn reply(&self, response: http::Response<Bytes>) -> Result<Self::Reply, Error>;
}
