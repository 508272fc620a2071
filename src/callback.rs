//! One inbound request as data: what arrived, when, and not one byte changed.
//!
//! A [`Callback`] is still unverified. It offers bytes and never parsed values, because a body that was parsed and
//! written again no longer is what the gateway signed (the most frequent complaint about every peer, `peers.md` 2.2).
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::error::VerifyError;

/// Upper bounds for what is taken in before anything is verified (PAY-61, PAY-63).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackLimits {
    /// Bytes of the body. Default 64 KiB: gateways send a few kilobytes.
    pub body: usize,
    /// Number of header fields. Default 100.
    pub headers: usize,
    /// Bytes of all header names and values. Default 16 KiB.
    pub header_bytes: usize,
    /// Bytes of path and query. Default 8 KiB.
    pub target: usize,
}

impl Default for CallbackLimits {
    fn default() -> Self {
        Self {
            body: 64 * 1024,
            headers: 100,
            header_bytes: 16 * 1024,
            target: 8 * 1024,
        }
    }
}

/// Why a request is not taken in at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// More bytes, headers or parameters than any gateway sends.
    #[error("the request's {0} is larger than the limit")]
    TooLarge(&'static str),
    /// A compressed body. It would have to be inflated before it can be checked, so it is refused as it stands (PAY-62).
    #[error("the request has a content encoding; gateways send bodies as they are")]
    Encoded,
    /// The body did not arrive in time, or broke off.
    #[error("the request's body did not arrive whole")]
    Incomplete,
}

/// One inbound request: method, target, headers in order, raw body, and when it came.
///
/// Cloning is cheap: the body is shared, never copied.
///
/// ```
/// use std::time::SystemTime;
/// use kessai::Callback;
///
/// let request = http::Request::post("/pay/stripe/notification")
///     .header("Stripe-Signature", "t=1,v1=00")
///     .body(bytes::Bytes::from_static(b"{}"))?;
/// let callback = Callback::new(request, SystemTime::now())?;
/// assert_eq!(&callback.body()[..], b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Callback {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
    received_at: SystemTime,
    peer: Option<IpAddr>,
}

impl Callback {
    /// Takes a request in, within the default limits.
    pub fn new(request: http::Request<Bytes>, received_at: SystemTime) -> Result<Self, CallbackError> {
        Self::within(CallbackLimits::default(), request, received_at)
    }

    /// Takes a request in, within the given limits.
    pub fn within(
        limits: CallbackLimits,
        request: http::Request<Bytes>,
        received_at: SystemTime,
    ) -> Result<Self, CallbackError> {
        let (parts, body) = request.into_parts();
        Self::check_head(limits, &parts)?;
        if body.len() > limits.body {
            return Err(CallbackError::TooLarge("body"));
        }
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str())
            .to_owned();
        Ok(Self {
            method: parts.method,
            target,
            headers: parts.headers,
            body,
            received_at,
            peer: None,
        })
    }

    /// Adds who sent it: the address of the connection's other end, never a header that a sender can write. It proves
    /// nothing; a gateway may be told to compare it.
    #[must_use]
    pub fn with_peer(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The checks that need no body, for a framework that reads it afterwards.
    pub fn check_head(limits: CallbackLimits, parts: &http::request::Parts) -> Result<(), CallbackError> {
        let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
        if target > limits.target {
            return Err(CallbackError::TooLarge("target"));
        }
        if parts.headers.len() > limits.headers {
            return Err(CallbackError::TooLarge("number of headers"));
        }
        let bytes: usize = parts.headers.iter().fold(0, |sum: usize, (name, value)| {
            sum.saturating_add(name.as_str().len()).saturating_add(value.len())
        });
        if bytes > limits.header_bytes {
            return Err(CallbackError::TooLarge("header section"));
        }
        let encodings = parts.headers.get_all(http::header::CONTENT_ENCODING);
        if encodings
            .iter()
            .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        {
            return Err(CallbackError::Encoded);
        }
        Ok(())
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Path and query as they came, nothing decoded.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The query without its `?`, as it came.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// Every header, repeated ones in order.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The value of a header that must be there exactly once (PAY-57). More than one field of the name is refused, even
    /// when they are equal: a proxy and an application could read different ones.
    pub fn header_once(&self, name: &'static str) -> Result<&[u8], VerifyError> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().ok_or(VerifyError::Missing(name))?;
        if values.next().is_some() {
            return Err(VerifyError::Malformed("a security header is there more than once"));
        }
        Ok(value.as_bytes())
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The address of the connection's other end, if the store passed it on.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// When it came in.
    #[must_use]
    pub fn received_at(&self) -> SystemTime {
        self.received_at
    }
}

/// Prints sizes. A callback holds personal data, tokens and signatures; none of them belongs in a log (PAY-59).
impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            method,
            target,
            headers,
            body,
            received_at,
            peer,
        } = self;
        f.debug_struct("Callback")
            .field("method", method)
            .field("path", &target.split('?').next().map_or(0, str::len))
            .field(
                "query_bytes",
                &target.split_once('?').map_or(0, |(_, query)| query.len()),
            )
            .field("headers", &headers.len())
            .field("body_bytes", &body.len())
            .field("received_at", received_at)
            .field("peer", peer)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> http::request::Builder {
        http::Request::post("/pay/notification?a=1")
    }

    fn take(request: http::Request<Bytes>) -> Result<Callback, CallbackError> {
        Callback::new(request, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn too_much_of_anything_is_refused_before_it_is_read() {
        let limits = CallbackLimits::default();
        let body = Bytes::from(vec![b' '; limits.body + 1]);
        assert_eq!(
            take(request().body(body).unwrap()).err(),
            Some(CallbackError::TooLarge("body"))
        );
        let long = format!("/?{}", "a".repeat(limits.target));
        let request_with_long_target = http::Request::post(long).body(Bytes::new()).unwrap();
        assert_eq!(
            take(request_with_long_target).err(),
            Some(CallbackError::TooLarge("target"))
        );
        let mut many = request();
        for n in 0..=limits.headers {
            many = many.header(format!("x-{n}"), "1");
        }
        assert_eq!(
            take(many.body(Bytes::new()).unwrap()).err(),
            Some(CallbackError::TooLarge("number of headers"))
        );
        let wide = request()
            .header("x-wide", "a".repeat(limits.header_bytes))
            .body(Bytes::new())
            .unwrap();
        assert_eq!(take(wide).err(), Some(CallbackError::TooLarge("header section")));
    }

    #[test]
    fn as_much_as_the_limits_say_is_taken_and_one_more_is_not() {
        let limits = CallbackLimits {
            body: 8,
            target: 12,
            headers: 2,
            // x-a: 1 and x-bcd: 22.
            header_bytes: 11,
        };
        let within = |target: &str, second: &str, body: &'static str| {
            let request = http::Request::post(target).header("x-a", "1").header("x-bcd", second);
            let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
            Callback::within(limits, request, SystemTime::UNIX_EPOCH).err()
        };
        assert_eq!(within("/pay?a=12345", "22", "12345678"), None);
        let refused = |what| Some(CallbackError::TooLarge(what));
        assert_eq!(within("/pay?a=123456", "22", "12345678"), refused("target"));
        assert_eq!(within("/pay?a=12345", "223", "12345678"), refused("header section"));
        assert_eq!(within("/pay?a=12345", "22", "123456789"), refused("body"));
    }

    #[test]
    fn compressed_bodies_are_refused_without_inflating_them() {
        for encoding in [
            "gzip",
            "deflate",
            "br",
            "zstd",
            "gzip, identity",
            "identity, gzip",
            "x-unknown",
            "",
        ] {
            let request = request()
                .header("content-encoding", encoding)
                .body(Bytes::new())
                .unwrap();
            assert_eq!(take(request).err(), Some(CallbackError::Encoded), "{encoding:?}");
        }
        let two = request()
            .header("content-encoding", "identity")
            .header("content-encoding", "gzip");
        assert_eq!(
            take(two.body(Bytes::new()).unwrap()).err(),
            Some(CallbackError::Encoded)
        );
        let identity = request()
            .header("content-encoding", "Identity")
            .body(Bytes::new())
            .unwrap();
        assert!(take(identity).is_ok());
    }

    #[test]
    fn a_security_header_must_be_there_exactly_once() {
        let none = take(request().body(Bytes::new()).unwrap()).unwrap();
        assert_eq!(
            none.header_once("stripe-signature"),
            Err(VerifyError::Missing("stripe-signature"))
        );
        let twice = request()
            .header("Stripe-Signature", "a")
            .header("stripe-signature", "a");
        let twice = take(twice.body(Bytes::new()).unwrap()).unwrap();
        assert!(matches!(
            twice.header_once("stripe-signature"),
            Err(VerifyError::Malformed(_))
        ));
        let once = take(request().header("STRIPE-SIGNATURE", "a").body(Bytes::new()).unwrap()).unwrap();
        assert_eq!(once.header_once("stripe-signature"), Ok(&b"a"[..]));
    }

    #[test]
    fn a_callback_prints_sizes_and_no_content() {
        let callback = http::Request::post("/canary-path?canary-query=1")
            .header("x-canary", "canary-header")
            .body(Bytes::from_static(b"canary-body"));
        let shown = format!("{:?}", take(callback.unwrap()).unwrap());
        assert!(!shown.contains("canary"), "{shown}");
        assert!(shown.contains("body_bytes: 11"), "{shown}");
    }
}
