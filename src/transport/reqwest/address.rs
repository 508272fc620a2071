//! Which addresses may be called.

use bytes::Bytes;
use reqwest::Request;

use super::refused;
use crate::redirect::is_safe_scheme;
use crate::transport::TransportError;

/// The request as reqwest will send it, if its address is allowed. Judged is what reqwest parsed, not the text, so that two
/// readings of one address cannot differ.
pub(super) fn checked(request: http::Request<Bytes>) -> Result<Request, TransportError> {
    let has_userinfo = request
        .uri()
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    // Its error would print the address.
    let request = Request::try_from(request).map_err(|_| refused("the request has no usable address"))?;
    let url = request.url();
    if has_userinfo || !url.username().is_empty() || url.password().is_some() {
        return Err(refused("credentials do not belong into an address"));
    }
    if !is_safe_scheme(url) {
        return Err(refused("the address is not HTTPS; plain HTTP is for loopback only"));
    }
    Ok(request)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use super::*;

    fn check(address: &str) -> Result<Request, TransportError> {
        checked(http::Request::get(address).body(Bytes::new()).unwrap())
    }

    #[test]
    fn https_anywhere_and_http_on_this_machine_only() {
        for address in [
            "https://api.gateway.example/v1",
            "https://api.gateway.example:8443/v1?a=b",
            "http://localhost:4242/",
            "http://LOCALHOST:4242/",
            "http://127.0.0.1/",
            "http://127.8.9.10:1/",
            "http://[::1]:4242/",
        ] {
            assert!(check(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn everything_else_is_refused_and_not_repeated_in_the_error() {
        for address in [
            "http://api.gateway.example/secret",
            "http://127.0.0.1.evil.example/secret",
            "http://localhost.evil.example/secret",
            "http://evil.example.localhost/secret",
            "http://localhost./secret",
            "http://localhost.localdomain/secret",
            "http://localhost-evil.example/secret",
            "http://0.0.0.0/secret",
            "http://10.0.0.1/secret",
            "http://128.0.0.1/secret",
            "http://169.254.169.254/secret",
            "http://192.168.0.1/secret",
            "http://[::]/secret",
            "http://[::ffff:127.0.0.1]/secret",
            "http://[fe80::1]/secret",
            "http://secret@127.0.0.1/",
            "http://secret:secret@127.0.0.1/",
            "http://127.0.0.1:80@evil.example/secret",
            "http://:@127.0.0.1/secret",
            "http://@127.0.0.1/secret",
            "https://secret@api.gateway.example/",
            "https://:secret@api.gateway.example/",
            "ftp://127.0.0.1/secret",
            "ws://127.0.0.1/secret",
            "wss://api.gateway.example/secret",
            "file://localhost/secret",
            "/secret",
            "127.0.0.1:80",
            "*",
        ] {
            // What `http` itself does not take cannot be sent either.
            let Ok(request) = http::Request::get(address).body(Bytes::new()) else {
                continue;
            };
            let error = checked(request).map(|_| ()).unwrap_err();
            assert_eq!(error.kind, crate::transport::TransportErrorKind::Refused, "{address}");
            assert!(!format!("{error:?} {error}").contains("secret"), "{address}: {error:?}");
        }
    }
}
