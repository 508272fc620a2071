//! What errors and `Debug` do not say.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kessai::transport::{HttpTransport, RetryPolicy, Transport, TransportError, TransportErrorKind};
use kessai::{ExpectedPayment, Gateway, Outcome};

use super::server::{Server, Step, answer, say, wait};
use super::{error, http, within};
use crate::support::{order, start, stripe};

const CANARY: &str = "canary";

/// Everything an error can be made to say.
fn everything(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        writeln!(text, "{error} {error:?} {error:#?}").unwrap();
        next = error.source();
    }
    text
}

fn telling(address: &str) -> http::Request<Bytes> {
    http::Request::post(address)
        .header("Authorization", "Bearer canary-key")
        .header("X-Other", "canary-header")
        .body(Bytes::from_static(b"canary-body"))
        .unwrap()
}

#[tokio::test]
async fn no_failure_repeats_address_header_or_body() {
    let path = "/canary-path?token=canary-query";
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let silent = Server::saying(vec![wait(20_000)]).await;
    let closing = Server::saying(vec![Step::Close]).await;
    let garbage = Server::saying(vec![say("canary-garbage\r\n\r\n"), Step::Close]).await;
    let large = Server::saying(answer(200, "X: canary\r\n", &"canary".repeat(1000))).await;
    let packed = Server::saying(answer(200, "Content-Encoding: canary\r\n", "canary")).await;
    let cut = Server::saying(vec![
        say("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncanary"),
        Step::Close,
    ])
    .await;
    for (address, kind) in [
        (format!("http://gateway.example{path}"), TransportErrorKind::Refused),
        (
            format!("http://canary:canary@127.0.0.1{path}"),
            TransportErrorKind::Refused,
        ),
        (format!("ftp://127.0.0.1{path}"), TransportErrorKind::Refused),
        (path.to_owned(), TransportErrorKind::Refused),
        (format!("http://{closed}{path}"), TransportErrorKind::Connect),
        (silent.url(path), TransportErrorKind::Timeout),
        (closing.url(path), TransportErrorKind::Broken),
        (garbage.url(path), TransportErrorKind::Broken),
        (cut.url(path), TransportErrorKind::Broken),
        (large.url(path), TransportErrorKind::Reply),
        (packed.url(path), TransportErrorKind::Reply),
    ] {
        let limits = within(Duration::from_millis(1500));
        let error: TransportError = error(http().send(telling(&address), limits).await);
        assert_eq!(error.kind, kind, "{address}");
        let text = everything(&error);
        assert!(!text.contains(CANARY) && !text.contains("http://"), "{address}: {text}");
    }
}

#[tokio::test]
async fn a_gateways_error_and_debug_hold_no_key_and_no_address() {
    let server = Server::saying(vec![Step::Close]).await;
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    let stripe = stripe()
        .endpoint(server.url(""))
        .transport(Arc::new(http()))
        .retry(policy)
        .build()
        .unwrap();
    let request = order("EC-1");
    let expected = ExpectedPayment::plan(&stripe, &request, start()).unwrap();
    let error = stripe.checkout(&expected, &request).await.unwrap_err();
    assert_eq!((error.outcome(), error.tries()), (Outcome::Unknown, 1));
    let text = everything(&error) + &format!("{stripe:?} {:?}", stripe.create_session(&expected, &request));
    assert!(
        server.texts()[0].contains("bearer sk_test_0123456789abcdef"),
        "the key was sent"
    );
    for secret in [
        "sk_test_",
        "0123456789abcdef",
        "Bearer",
        "return_token",
        expected.idempotency_key.as_str(),
    ] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn debug_of_the_transport_shows_its_limits_only() {
    let builder = HttpTransport::builder().user_agent_suffix("shop/1");
    assert_eq!(
        format!("{:?}", builder.build().unwrap()),
        "HttpTransport { connect_timeout: 10s, pool_idle: 30s, .. }"
    );
}
