//! Whoever cannot show that he is the gateway gives no evidence: the cashier asks, hears nothing, and says so (PAY-55).
//!
//! Every impostor here would say "paid" to whoever asked, so a check that is left out shows as a paid order.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use kessai::ledger::{Ledger, StoredAttempt, SwitchText};
use kessai::ledgers::MemoryLedger;
use kessai::transport::{HttpTransport, RetryPolicy};
use kessai::{Callback, Cashier, GatewayId, PaymentStatus, Standing, SweepPolicy};

use crate::security_events::{Kept, field};
use crate::support::world::{World, paid, session};
use crate::support::{order, start, stripe};
use crate::transport::tls::serve_body;

const ROOT: &[u8] = include_bytes!("../certs/root.pem");
const STRANGER: &[u8] = include_bytes!("../certs/stranger.pem");
const SERVER: &[u8] = include_bytes!("../certs/server.pem");
const OTHER_NAME: &[u8] = include_bytes!("../certs/other_name.pem");
const EXPIRED: &[u8] = include_bytes!("../certs/expired.pem");
const EARLY: &[u8] = include_bytes!("../certs/early.pem");
const CLIENT_ONLY: &[u8] = include_bytes!("../certs/client_only.pem");
const SELF_SIGNED: &[u8] = include_bytes!("../certs/self_signed.pem");

/// Who answers where the gateway should be.
#[derive(Clone, Copy)]
enum Peer {
    /// TLS with this certificate, the client trusting that root.
    Certified(&'static [u8], Option<&'static [u8]>),
    /// A server that picks an old version of the protocol, whatever it was offered: the second byte of its number.
    Picks(u8),
    /// A server that knows old versions alone and says so when it sees what is offered.
    Declines,
    /// HTTP without TLS, where TLS should be.
    Plain,
}

/// Name, peer, and the reason that the event has to give.
const IMPOSTORS: [(&str, Peer, &str); 13] = [
    ("untrusted", Peer::Certified(SERVER, None), "certificate"),
    (
        "untrusted, beside another root",
        Peer::Certified(SERVER, Some(STRANGER)),
        "certificate",
    ),
    ("self-signed", Peer::Certified(SELF_SIGNED, None), "certificate"),
    (
        "self-signed, beside a trusted root",
        Peer::Certified(SELF_SIGNED, Some(ROOT)),
        "certificate",
    ),
    ("expired", Peer::Certified(EXPIRED, Some(ROOT)), "certificate"),
    ("not valid yet", Peer::Certified(EARLY, Some(ROOT)), "certificate"),
    ("another name", Peer::Certified(OTHER_NAME, Some(ROOT)), "certificate"),
    (
        "not for servers",
        Peer::Certified(CLIENT_ONLY, Some(ROOT)),
        "certificate",
    ),
    ("SSL 3.0", Peer::Picks(0), "tls"),
    ("TLS 1.0", Peer::Picks(1), "tls"),
    ("TLS 1.1", Peer::Picks(2), "tls"),
    ("old versions alone", Peer::Declines, "tls"),
    ("plain HTTP", Peer::Plain, "tls"),
];

/// How the cashier comes to ask.
#[derive(Clone, Copy, Debug)]
enum Path {
    Sweep,
    Return,
    /// A proven notification while the store asks before it applies: the sweep asks.
    Notification,
}

#[tokio::test]
async fn nobody_without_proof_of_being_the_gateway_gives_evidence() {
    for (name, peer, reason) in IMPOSTORS {
        for path in [Path::Sweep, Path::Return, Path::Notification] {
            let seen = ask(peer, path).await;
            assert_eq!(seen.status, PaymentStatus::Created, "{name}, {path:?}");
            assert_eq!(seen.fulfilments, 0, "{name}, {path:?}");
            assert!(
                !seen.records.contains(&"applied"),
                "{name}, {path:?}: {:?}",
                seen.records
            );
            let untrusted = format!("payment.query.untrusted_peer {reason} query");
            for event in [untrusted.as_str(), "payment.query.unanswered"] {
                let count = seen.events.iter().filter(|told| *told == event).count();
                assert_eq!(count, 1, "{name}, {path:?}: {event} in {:?}", seen.events);
            }
            for secret in ["sk_test", "Authorization", "authorization", "cs_test_1", "GET "] {
                assert!(!seen.arrived.contains(secret), "{name}, {path:?}: {secret} left");
            }
        }
    }
}

#[tokio::test]
async fn the_same_answer_from_the_gateway_itself_is_evidence() {
    for path in [Path::Sweep, Path::Return, Path::Notification] {
        let seen = ask(Peer::Certified(SERVER, Some(ROOT)), path).await;
        assert_eq!(seen.status, PaymentStatus::Captured, "{path:?}");
        assert_eq!(seen.fulfilments, 1, "{path:?}");
        assert!(
            seen.arrived.starts_with("GET /v1/checkout/sessions/cs_test_1"),
            "{path:?}"
        );
        assert!(!seen.events.iter().any(|event| event.contains("untrusted")), "{path:?}");
    }
}

#[tokio::test]
async fn what_is_offered_begins_with_tls_1_2() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        hello(&mut stream)
    });
    let http = HttpTransport::new().unwrap();
    let attempt = opened(&World::new()).await;
    let gateway = stripe()
        .endpoint(format!("https://localhost:{port}"))
        .transport(Arc::new(http))
        .retry(once())
        .build()
        .unwrap();
    assert!(kessai::Gateway::status(&gateway, &attempt, start()).await.is_err());
    let hello = server.join().unwrap();
    // Extension 43, supported_versions: a list of 1.3 and 1.2 (RFC 8446 section 4.2.1).
    let offered = [0x00, 0x2b, 0x00, 0x05, 0x04, 0x03, 0x04, 0x03, 0x03];
    assert!(hello.windows(offered.len()).any(|window| window == offered));
}

/// What came of asking.
struct Seen {
    status: PaymentStatus,
    records: Vec<&'static str>,
    events: Vec<String>,
    fulfilments: usize,
    /// What the peer could read, where TLS did not hide it.
    arrived: String,
}

async fn ask(peer: Peer, path: Path) -> Seen {
    let ledger = Arc::new(MemoryLedger::new());
    let world = World::over(ledger.clone());
    let attempt = opened(&world).await;
    let (port, server) = stand_in(peer, session(&attempt, "complete", "paid").to_string());
    let transport = match peer {
        Peer::Certified(_, Some(root)) => HttpTransport::builder().add_root_certificate(root).build(),
        _ => HttpTransport::new(),
    };
    let kept = Kept::default();
    let gateway = stripe()
        .endpoint(format!("https://localhost:{port}"))
        .transport(Arc::new(transport.unwrap()))
        .retry(once())
        .build()
        .unwrap();
    let cashier = Cashier::builder_over(ledger as Arc<dyn Ledger>)
        .gateway(gateway)
        .clock(world.clock.clone())
        .security_sink(kept.clone())
        .build()
        .unwrap();
    let world = World { cashier, ..world };
    if matches!(path, Path::Notification) {
        let text = |text: &str| SwitchText::new(text).unwrap();
        let _ = world
            .cashier
            .ask_before_apply(text("an operator"), text("a leaked key"))
            .await
            .unwrap();
    }
    let _ = kept.take();
    match path {
        Path::Sweep => {}
        Path::Return => {
            let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
            let target = format!("/pay/stripe/return?attempt={name}&state={state}&session_id=cs_test_1");
            let request = http::Request::get(target).body(Bytes::new()).unwrap();
            let back = Callback::new(request, start()).unwrap();
            let page = world.cashier.returned(&GatewayId::STRIPE, back).await;
            let _: Standing = page.standing;
        }
        Path::Notification => {
            assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
        }
    }
    if !matches!(path, Path::Return) {
        world.clock.advance(Duration::from_secs(3 * 60));
        let _ = world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    }
    // A peer that nobody asked does not wait for ever: the test says what is wrong instead.
    drop(TcpStream::connect(("127.0.0.1", port)));
    let events = kept.take();
    let events = events.iter().map(|event| match event.name() {
        name @ "payment.query.untrusted_peer" => {
            format!("{name} {} {}", event.reason().unwrap(), field(event, "during"))
        }
        name => name.to_owned(),
    });
    Seen {
        events: events.collect(),
        records: world.kinds(&attempt).await,
        status: world.attempts(&attempt.expected.order).await.remove(0).status,
        fulfilments: world.fulfil_all().await.len(),
        arrived: server.join().unwrap(),
    }
}

async fn opened(world: &World) -> StoredAttempt {
    world.open(&order("EC-1"), "cs_test_1").await
}

fn once() -> RetryPolicy {
    let mut once = RetryPolicy::default();
    once.tries = 1;
    once
}

/// Serves one connection and says what it could read after the greeting.
fn stand_in(peer: Peer, body: String) -> (u16, JoinHandle<String>) {
    if let Peer::Certified(certificate, _) = peer {
        return serve_body(certificate, &rustls::version::TLS13, body);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = hello(&mut stream);
        let reply = match peer {
            Peer::Picks(minor) => server_hello(minor),
            // A fatal alert, protocol_version (RFC 8446 section 6.2), in a record of TLS 1.0.
            Peer::Declines => vec![0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 70],
            _ => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes(),
        };
        let _ = stream.write_all(&reply);
        let _ = stream.shutdown(Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        // Nothing but alerts, if anything: a record of type 21.
        assert!(rest.is_empty() || rest[0] == 21, "{rest:?}");
        String::from_utf8_lossy(&rest).into_owned()
    });
    (port, server)
}

/// The first record whole: the greeting.
fn hello(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut head = [0; 5];
    if stream.read_exact(&mut head).is_err() {
        return Vec::new();
    }
    assert_eq!(head[0], 22, "a handshake comes first");
    let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut record).unwrap();
    record
}

/// A greeting back that picks an old version and a suite of its time (RFC 4346 section 7.4.1.3).
fn server_hello(minor: u8) -> Vec<u8> {
    let mut body = vec![0x03, minor];
    body.extend([0x5a; 32]);
    body.extend([0x00, 0xc0, 0x13, 0x00]);
    let length = u8::try_from(body.len()).unwrap();
    let mut record = vec![0x16, 0x03, minor, 0x00, length + 4, 0x02, 0x00, 0x00, length];
    record.extend(body);
    record
}
