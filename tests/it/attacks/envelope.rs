//! The envelope of a message: method, headers, type of its content. Proxy and store must not see two different messages in one (PAY-57).

use std::fmt::Write as _;
use std::net::SocketAddr;

use axum::extract::State;
use axum::{Extension, Router};
use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use kessai::integrations::axum::{Intake, Reply};
use kessai::{Callback, Cashier, GatewayId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Gw;
use super::arena::{Arena, Cell, Verdict};
use super::verdicts::{signature_header, tag_of, with_tag};

const PRICE: u64 = 1776;

/// Types that a proxy, a framework or a careless gateway may write. None of them is read: the bytes have one reading, and it is not
/// chosen by whoever names their type.
const TYPES: [&str; 8] = [
    "",
    "text/plain",
    "text/xml",
    "application/json",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded; charset=Shift_JIS",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
];

pub async fn pay_57_one_envelope_is_read_in_one_way(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.cut();
    for callback in &paid.callbacks {
        let tried = async |request: &Request<Bytes>| {
            let cell = arena.cell(&[&paid.page]).await;
            let verdict = cell.callback(request).await;
            let attempt = cell.attempt(paid.attempt()).await;
            (verdict, attempt.status, attempt.payment)
        };
        let genuine = tried(callback).await;
        assert_ne!(genuine.0, Verdict::Refused);
        for method in [
            Method::GET,
            Method::HEAD,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ] {
            let mut other = callback.clone();
            *other.method_mut() = method.clone();
            assert_eq!(tried(&other).await.0, Verdict::Refused, "{method}");
        }
        for kind in TYPES {
            let mut other = callback.clone();
            other
                .headers_mut()
                .insert("content-type", HeaderValue::from_static(kind));
            assert_eq!(tried(&other).await, genuine, "{kind:?}");
            other
                .headers_mut()
                .append("content-type", HeaderValue::from_static("text/html"));
            assert_eq!(tried(&other).await, genuine, "{kind:?} and another");
        }
        let mut other = callback.clone();
        let _ = other.headers_mut().remove("content-type");
        assert_eq!(tried(&other).await, genuine, "without a type");
        // What others take for another method, another address or another sender says nothing here.
        for (name, value) in [
            ("x-http-method-override", "GET"),
            ("x-original-url", "/pay/other/notification"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-for", "203.0.113.1"),
            ("content-length", "1"),
        ] {
            let mut other = callback.clone();
            other.headers_mut().insert(name, HeaderValue::from_static(value));
            assert_eq!(tried(&other).await, genuine, "{name}");
        }
        if signature_header(callback).is_none() {
            continue;
        }
        let tag = tag_of(callback);
        let whole = with_tag(callback, &tag);
        assert_eq!(tried(&whole).await, genuine);
        for changed in [
            [b" ", tag.as_slice()].concat(),
            [tag.as_slice(), b" "].concat(),
            [b"\t", tag.as_slice()].concat(),
            // Two fields as some proxies join them, and a line that was folded, as some read it.
            [tag.as_slice(), b",", tag.as_slice()].concat(),
            [&tag[..tag.len() / 2], b" ", &tag[tag.len() / 2..]].concat(),
            Vec::new(),
        ] {
            let shown = String::from_utf8_lossy(&changed).into_owned();
            assert_eq!(
                tried(&with_tag(callback, &changed)).await.0,
                Verdict::Refused,
                "{shown:?}"
            );
        }
        let name = signature_header(callback).unwrap();
        for (first, second) in [
            (tag.as_slice(), tag.as_slice()),
            (tag.as_slice(), b"x"),
            (b"x", tag.as_slice()),
            (b"", tag.as_slice()),
            (tag.as_slice(), b""),
        ] {
            let mut twice = with_tag(callback, first);
            twice
                .headers_mut()
                .append(&name, HeaderValue::from_bytes(second).unwrap());
            assert_eq!(tried(&twice).await.0, Verdict::Refused);
        }
    }
}

/// What HTTP itself makes of such fields, by the server that a store has in front of the library.
pub async fn pay_57_over_a_socket_the_tag_comes_once_and_whole(gateway: Gw) {
    let arena = Arena::open(gateway).await;
    let paid = arena.buy("EC-1", PRICE).await;
    arena.wire.cut();
    let callback = &paid.callbacks[0];
    // Where no header holds a tag, another one is bent in its place.
    let bent = signature_header(callback).unwrap_or(http::header::CONTENT_TYPE);
    let is_tag = signature_header(callback).is_some();
    let value = String::from_utf8(callback.headers()[&bent].as_bytes().to_vec()).unwrap();
    let (front, end) = value.split_at(value.len() / 2);
    for (lines, taken) in [
        (format!("{bent}: {value}\r\n"), true),
        // Blanks around a value are no part of it (RFC 9110, 5.5): every reader takes them away before anybody sees them.
        (format!("{bent}:   {value} \t \r\n"), true),
        // Obsolete, and two readings of one message (RFC 9112, 5.1 and 5.2).
        (format!("{bent}:\r\n {value}\r\n"), false),
        (format!("{bent}: {front}\r\n\t{end}\r\n"), false),
        (format!("{bent} : {value}\r\n"), false),
        (format!("{bent}\r\n: {value}\r\n"), false),
        (format!("{bent}: {value}\r\n{bent}: {value}\r\n"), !is_tag),
        (format!("{bent}:\r\n{bent}: {value}\r\n"), !is_tag),
        (String::new(), !is_tag),
    ] {
        let cell = arena.cell(&[&paid.page]).await;
        let before = cell.cashier.ledger().head().await.unwrap();
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\ncontent-length: {}\r\n{lines}",
            arena.path("notification"),
            callback.body().len()
        );
        for (name, value) in callback.headers() {
            let ours = ["host", "connection", "content-length", "transfer-encoding"];
            if *name != bent && !ours.contains(&name.as_str()) {
                write!(head, "{name}: {}\r\n", value.to_str().unwrap()).unwrap();
            }
        }
        let (status, body) = sent(store(&arena, &cell).await, &head, callback.body()).await;
        let refused = status == 400 || arena.is_refusal(status, &body);
        assert_eq!(!refused, taken, "{lines:?}: {status}");
        if refused {
            assert_eq!(cell.cashier.ledger().head().await.unwrap(), before, "{lines:?}");
        }
    }
}

/// A store on axum over the cashier of this cell.
async fn store(arena: &Arena, cell: &Cell<'_>) -> SocketAddr {
    async fn notification(State((cashier, gateway)): State<(Cashier, GatewayId)>, callback: Callback) -> Reply {
        cashier.callback(&gateway, callback).await.into()
    }
    let router = Router::new()
        .fallback(notification)
        .layer(Extension(Intake::new().clock(cell.clock.clone())))
        .with_state((cell.cashier.clone(), arena.store.id()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn sent(address: SocketAddr, head: &str, body: &[u8]) -> (u16, Bytes) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let message = [head.as_bytes(), b"\r\n", body].concat();
    // It may hang up before it has read all of it.
    let _ = stream.write_all(&message).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (status.unwrap_or(0), Bytes::from(body.to_owned()))
}
