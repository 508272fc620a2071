//! Where requests go, and where they never go.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use kessai::transport::{HttpTransport, Transport, TransportErrorKind};

use super::server::{Server, answer};
use super::{error, failure, get, http, limits};

#[tokio::test]
async fn an_allowed_address_is_called_as_ourselves() {
    let server = Server::saying(answer(200, "X-Gateway: yes\r\n", "hello")).await;
    for host in ["127.0.0.1", "localhost"] {
        let address = format!("http://{host}:{}/v1/things?a=b%20c", server.port());
        let reply = http().send(get(&address), limits()).await.unwrap();
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["x-gateway"], "yes");
        assert_eq!(reply.body(), "hello");
    }
    for text in server.texts() {
        assert!(text.starts_with("get /v1/things?a=b%20c http/1.1\r\n"), "{text}");
        let agent = format!("\r\nuser-agent: kessai/{}\r\n", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&agent), "{text}");
        assert!(text.contains("\r\naccept-encoding: identity\r\n"), "{text}");
        assert!(!text.contains("cookie") && !text.contains("referer"), "{text}");
    }
}

#[tokio::test]
async fn method_headers_and_body_leave_as_they_were_given() {
    let server = Server::saying(answer(204, "", "")).await;
    let transport = HttpTransport::builder()
        .user_agent_suffix("example-shop/3.1")
        .build()
        .unwrap();
    let request = http::Request::post(server.url("/v1/pay"))
        .header("Idempotency-Key", "key-1")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(Bytes::from_static(b"a=1&b=%E7%B7%91"))
        .unwrap();
    assert_eq!(transport.send(request, limits()).await.unwrap().status(), 204);
    let texts = server.texts();
    let text = &texts[0];
    assert!(text.starts_with("post /v1/pay http/1.1\r\n"), "{text}");
    assert!(text.contains("\r\nidempotency-key: key-1\r\n"), "{text}");
    assert!(text.contains(" example-shop/3.1\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\na=1&b=%e7%b7%91"), "{text}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let target = Server::saying(answer(200, "", "stolen")).await;
    for status in [300, 301, 302, 303, 305, 307, 308] {
        let location = format!("Location: {}\r\n", target.url("/elsewhere"));
        let server = Server::saying(answer(status, &location, "")).await;
        for request in [
            http::Request::get(server.url("/")),
            http::Request::post(server.url("/")),
        ] {
            let request = request.body(Bytes::from_static(b"amount=1")).unwrap();
            let reply = http().send(request, limits()).await.unwrap();
            assert_eq!(reply.status(), status);
            assert_eq!(reply.headers()["location"], target.url("/elsewhere").as_str());
        }
        assert_eq!(server.requests().len(), 2);
    }
    assert_eq!(target.accepted(), 0);
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_not_even_connected_to() {
    let server = Server::saying(answer(200, "", "reached")).await;
    let port = server.port();
    // All of these would reach the server if nobody looked: the system takes them for this machine.
    for address in [
        format!("http://0.0.0.0:{port}/"),
        format!("http://0:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://user@127.0.0.1:{port}/"),
        format!("http://user:password@127.0.0.1:{port}/"),
        format!("http://:password@127.0.0.1:{port}/"),
        format!("http://user@localhost:{port}/"),
        format!("https://user@127.0.0.1:{port}/"),
        format!("http://localhost.:{port}/"),
        format!("http://shop.localhost:{port}/"),
    ] {
        assert_eq!(
            failure(&address, limits()).await,
            TransportErrorKind::Refused,
            "{address}"
        );
    }
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn names_that_only_look_like_this_machine_are_refused() {
    for host in [
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example",
        "127.0.0.1@evil.example",
        "localhost:80@evil.example",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "[fe80::1]",
        "[2001:db8::1]",
    ] {
        let address = format!("http://{host}/?token=1");
        let error = error(http().send(get(&address), limits()).await);
        assert_eq!(error.kind, TransportErrorKind::Refused, "{address}");
    }
    for address in [
        "ftp://127.0.0.1/",
        "ws://127.0.0.1/",
        "wss://gateway.example/",
        "/v1",
        "127.0.0.1:80",
    ] {
        assert_eq!(
            failure(address, limits()).await,
            TransportErrorKind::Refused,
            "{address}"
        );
    }
}

/// Plays both sides: started once more by itself, with the environment set, it is the store.
#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    const ROLE: &str = "KESSAI_TEST_GATEWAY";
    if let Ok(address) = std::env::var(ROLE) {
        let reply = http().send(get(&address), limits()).await.unwrap();
        assert_eq!(reply.body(), "gateway");
        return;
    }
    let gateway = Server::saying(answer(200, "", "gateway")).await;
    let proxy = Server::saying(answer(200, "", "proxy")).await;
    let mut store = Command::new(std::env::current_exe().unwrap());
    store
        .args([
            "--exact",
            "transport::addresses::proxies_of_the_environment_are_ignored",
        ])
        .env(ROLE, gateway.url("/"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy");
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ] {
        store.env(name, proxy.url(""));
    }
    let output = tokio::task::spawn_blocking(move || store.output())
        .await
        .unwrap()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!((gateway.accepted(), proxy.accepted()), (1, 0));
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let seconds = Duration::from_secs;
    for limit in [Duration::ZERO, Duration::from_millis(99), seconds(61), Duration::MAX] {
        assert!(
            HttpTransport::builder().connect_timeout(limit).build().is_err(),
            "{limit:?}"
        );
    }
    for limit in [seconds(301), Duration::MAX] {
        assert!(HttpTransport::builder().pool_idle(limit).build().is_err(), "{limit:?}");
    }
    let long = "x".repeat(201);
    for suffix in [
        "",
        " ",
        " shop",
        "shop ",
        "shop\r\nX-Evil: 1",
        "shop\0",
        "店",
        "a\tb",
        long.as_str(),
    ] {
        let error = HttpTransport::builder().user_agent_suffix(suffix).build().unwrap_err();
        assert!(error.to_string().contains("user_agent_suffix"), "{error}");
    }
    assert!(HttpTransport::builder().pool_idle(Duration::ZERO).build().is_ok());
}
