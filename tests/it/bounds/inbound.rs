//! Requests over a real socket to a store on axum, by a sender who does not keep to the rules.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{FromRequest, Path, State};
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use kessai::integrations::axum::{Intake, Reply};
use kessai::ledger::Ledger;
use kessai::{Callback, CallbackError, CallbackLimits, Cashier, GatewayId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::fuzz_smoke::targets::shop;

/// How long a body may take here.
const DEADLINE: Duration = Duration::from_millis(700);
/// Time that a busy machine may add.
const SLACK: Duration = Duration::from_secs(10);

const GATEWAYS: [&str; 4] = ["stripe", "komoju", "gmopg", "sbps"];

async fn notification(State(cashier): State<Cashier>, Path(gateway): Path<String>, callback: Callback) -> Reply {
    cashier.callback(&GatewayId::from(gateway), callback).await.into()
}

/// A store with the four gateways on this machine: its address, and its memory.
async fn store() -> (std::net::SocketAddr, Arc<dyn Ledger>) {
    let ledger = shop::ledger(&shop::STRIPE);
    let mut cashier = Cashier::builder_over(Arc::clone(&ledger));
    for shop in [&shop::STRIPE, &shop::KOMOJU, &shop::GMOPG, &shop::SBPS] {
        cashier = cashier.shared_gateway(Arc::clone(&shop.gateway));
    }
    let router = Router::new()
        .route("/pay/{gateway}", post(notification))
        .layer(Extension(Intake::new().deadline(DEADLINE)))
        .with_state(cashier.build().unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (address, ledger)
}

/// Sends a head, then what `more` says, piece by piece with a wait before each; gives the status of the first answer.
async fn status(address: std::net::SocketAddr, head: &str, more: impl Iterator<Item = (Duration, Vec<u8>)>) -> u16 {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    write.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut block = [0; 1024];
    for (wait, piece) in more {
        let waited = tokio::time::timeout(wait.max(Duration::from_millis(1)), read.read(&mut block)).await;
        if let Ok(count) = waited {
            answer.extend_from_slice(&block[..count.unwrap_or(0)]);
            break;
        }
        // It may have been closed by the other side.
        if write.write_all(&piece).await.is_err() {
            break;
        }
    }
    while !answer.windows(2).any(|two| two == b"\r\n") {
        match tokio::time::timeout(SLACK, read.read(&mut block))
            .await
            .expect("an answer in time")
        {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&block[..count]),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn head(gateway: &str, headers: &str) -> String {
    format!("POST /pay/{gateway} HTTP/1.1\r\nhost: shop.example\r\n{headers}\r\n")
}

fn at_once(pieces: Vec<Vec<u8>>) -> impl Iterator<Item = (Duration, Vec<u8>)> {
    pieces.into_iter().map(|piece| (Duration::ZERO, piece))
}

#[tokio::test]
async fn a_body_without_end_is_refused_soon_after_its_limit() {
    let (address, ledger) = store().await;
    let before = ledger.head().await.unwrap();
    let mut chunk = b"4000\r\n".to_vec();
    chunk.extend_from_slice(&[b'['; 0x4000]);
    chunk.extend_from_slice(b"\r\n");
    for gateway in GATEWAYS {
        let mut sent = 0_usize;
        let endless = std::iter::repeat_with(|| {
            sent += chunk.len();
            (Duration::ZERO, chunk.clone())
        });
        let got = status(
            address,
            &head(gateway, "transfer-encoding: chunked\r\n"),
            endless.take(4_000),
        )
        .await;
        assert!(matches!(got, 413 | 0), "{gateway}: {got}");
        // What the sockets buffer goes beyond the limit, and no more than that.
        assert!(sent < 16 << 20, "{gateway}: {sent} bytes were taken off the sender");
    }
    assert_eq!(ledger.head().await.unwrap(), before);
}

#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_before_the_body_comes() {
    let (address, _) = store().await;
    for length in ["65537", "10000000000", "9223372036854775807"] {
        let started = Instant::now();
        let got = status(
            address,
            &head("stripe", &format!("content-length: {length}\r\n")),
            std::iter::empty(),
        )
        .await;
        assert_eq!(got, 413, "{length}");
        assert!(started.elapsed() < DEADLINE * 5, "it was waited for");
    }
}

#[tokio::test]
async fn a_length_that_is_none_or_two_is_refused() {
    let (address, _) = store().await;
    for headers in [
        "content-length: -1\r\n",
        "content-length: 1e3\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: 2, 3\r\n",
        "transfer-encoding: gzip\r\n",
    ] {
        let got = status(address, &head("stripe", headers), at_once(vec![b"{}".to_vec()])).await;
        assert!(matches!(got, 400 | 501 | 0), "{headers:?}: {got}");
    }
}

#[tokio::test]
async fn what_comes_behind_the_announced_length_is_no_part_of_the_message() {
    let (address, ledger) = store().await;
    let before = ledger.head().await.unwrap();
    let body = b"ShopID=tshop00099661&OrderID=EC-1&Status=CAPTURE".to_vec();
    let announced = format!("content-length: {}\r\n", body.len());
    let more = b"&Amount=1980&OrderID=fz0attempt0000000000000000".to_vec();
    let got = status(address, &head("gmopg", &announced), at_once(vec![body.clone(), more])).await;
    assert_eq!(got, 200);
    // And a message that is shorter than it says is waited for until the deadline, and no longer.
    let started = Instant::now();
    let got = status(address, &head("gmopg", "content-length: 500\r\n"), at_once(vec![body])).await;
    assert_eq!(got, 408);
    assert!(started.elapsed() >= DEADLINE && started.elapsed() < DEADLINE + SLACK);
    assert_eq!(ledger.head().await.unwrap(), before);
}

#[tokio::test]
async fn a_sender_that_drips_is_left_at_the_deadline() {
    let (address, _) = store().await;
    for (way, announced, piece) in [
        ("with a length", "content-length: 60000\r\n", &b"x"[..]),
        ("in chunks", "transfer-encoding: chunked\r\n", b"1\r\nx\r\n"),
    ] {
        let started = Instant::now();
        // The rest would take ten minutes.
        let drip = std::iter::repeat_n((Duration::from_millis(10), piece.to_vec()), 60_000);
        let got = status(address, &head("komoju", announced), drip).await;
        assert_eq!(got, 408, "{way}");
        assert!(started.elapsed() < DEADLINE + SLACK, "{way}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_compressed_body_is_refused_as_it_stands_at_every_gateway() {
    let (address, ledger) = store().await;
    let before = ledger.head().await.unwrap();
    // 1 MiB of zeros under gzip, cut off: nobody looks inside.
    let bomb =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee\x08\x0a".to_vec();
    for gateway in GATEWAYS {
        for encoding in [
            "gzip",
            "deflate",
            "br",
            "zstd",
            "gzip, gzip, br",
            "identity, gzip",
            "x-gzip",
            "GZIP",
            "compress",
        ] {
            let headers = format!("content-encoding: {encoding}\r\ncontent-length: {}\r\n", bomb.len());
            let got = status(address, &head(gateway, &headers), at_once(vec![bomb.clone()])).await;
            assert_eq!(got, 415, "{gateway}, {encoding}");
        }
        // Without saying so, it is a message like any other that proves nothing.
        let headers = format!("content-length: {}\r\n", bomb.len());
        let got = status(address, &head(gateway, &headers), at_once(vec![bomb.clone()])).await;
        assert!(matches!(got, 200 | 400 | 401), "{gateway}: {got}");
    }
    assert_eq!(ledger.head().await.unwrap(), before);
}

/// Memory for one request, whatever the sender would still send.
#[test]
fn memory_for_a_body_depends_on_the_limit_and_on_nothing_else() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut most = Vec::new();
    for pieces in [10_usize, 1_000, 1_000_000] {
        let memory = allocation_counter::measure(|| {
            let body = Body::from_stream(Pieces { left: pieces });
            let request = http::Request::post("/pay/stripe").body(body).unwrap();
            let got = runtime.block_on(Callback::from_request(request, &()));
            match pieces {
                10 => assert_eq!(got.unwrap().body().len(), 10_000),
                _ => assert_eq!(got.err(), Some(CallbackError::TooLarge("body"))),
            }
        });
        println!(
            "{pieces} pieces of 1000 bytes: at most {} bytes of memory",
            memory.bytes_max
        );
        most.push(memory.bytes_max);
    }
    let limit = CallbackLimits::default().body as u64;
    assert!(most.iter().all(|bytes| *bytes < 3 * limit), "{most:?}");
    assert!(most[2] <= most[1] + 1024, "{most:?}");
}

struct Pieces {
    left: usize,
}

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let next = self.left.checked_sub(1).map(|left| {
            self.left = left;
            Ok(Bytes::from(vec![b'x'; 1000]))
        });
        std::task::Poll::Ready(next)
    }
}
