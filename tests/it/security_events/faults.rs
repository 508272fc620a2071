//! The ledger fails, or the other end is not the gateway.

use std::sync::Arc;

use kessai::ledgers::SqliteLedger;
use kessai::security_event::SecurityPolicy;
use kessai::transport::{HttpTransport, RetryPolicy};
use kessai::{Cashier, GatewayId, OpenError, SweepPolicy};

use super::{Kept, field, stripe_with, word, world_with};
use crate::support::world::paid;
use crate::support::{SIGNING_SECRET, order};
use crate::transport::tls::serve;

#[tokio::test]
async fn a_ledger_that_fails_is_told_with_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledger = Arc::new(SqliteLedger::open(&path).unwrap());
    let kept = Kept::default();
    let world = world_with(ledger, vec![Box::new(kept.clone())], SecurityPolicy::default());
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    // Somebody takes the tables away under it.
    let other = rusqlite::Connection::open(&path).unwrap();
    let tables: Vec<String> = other
        .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    other
        .execute_batch("PRAGMA foreign_keys = OFF; PRAGMA busy_timeout = 5000;")
        .unwrap();
    for table in tables {
        other.execute_batch(&format!("DROP TABLE \"{table}\";")).unwrap();
    }
    assert_ne!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    assert!(world.cashier.sweep(&SweepPolicy::default()).await.is_err());
    assert!(matches!(world.try_open(&order("EC-2")).await, Err(OpenError::Store(_))));
    assert!(world.cashier.next_fulfilment().await.is_err());
    let events = kept.take();
    let steps: Vec<_> = events
        .iter()
        .filter(|event| event.name() == "payment.ledger.failed")
        .map(|event| field(event, "during"))
        .collect();
    assert_eq!(steps, ["callback", "sweep", "open", "fulfil"]);
}

const SERVER: &[u8] = include_bytes!("../../certs/server.pem");
const EXPIRED: &[u8] = include_bytes!("../../certs/expired.pem");
const ROOT: &[u8] = include_bytes!("../../certs/root.pem");

#[tokio::test]
async fn a_peer_that_cannot_show_who_it_is_gets_no_request_and_is_told() {
    for (certificate, trusted) in [(SERVER, None), (EXPIRED, Some(ROOT))] {
        let (port, server) = serve(certificate, &rustls::version::TLS13);
        let transport = match trusted {
            None => HttpTransport::new().unwrap(),
            Some(root) => HttpTransport::builder().add_root_certificate(root).build().unwrap(),
        };
        let events = opened_against(port, transport).await;
        assert_eq!(events, ["payment.query.untrusted_peer certificate open"]);
        assert_eq!(server.join().unwrap(), "", "nothing of the request arrived");
    }
    // Something that does not speak TLS at all.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let plain = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 16];
        let _ = stream.read(&mut hello);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    });
    let events = opened_against(port, HttpTransport::new().unwrap()).await;
    assert_eq!(events, ["payment.query.untrusted_peer tls open"]);
    plain.join().unwrap();
    // And where nobody listens there is no TLS to speak of.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    assert_eq!(
        opened_against(closed, HttpTransport::new().unwrap()).await,
        Vec::<String>::new()
    );
}

async fn opened_against(port: u16, transport: HttpTransport) -> Vec<String> {
    let kept = Kept::default();
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let gateway = stripe_with(&[SIGNING_SECRET])
        .endpoint(format!("https://localhost:{port}"))
        .transport(Arc::new(transport))
        .retry(once)
        .build()
        .unwrap();
    let cashier = Cashier::builder(kessai::ledgers::MemoryLedger::new())
        .gateway(gateway)
        .security_sink(kept.clone())
        .build()
        .unwrap();
    let _ = kept.take();
    let error = cashier.open(&order("EC-1"), &GatewayId::STRIPE).await.unwrap_err();
    assert!(matches!(error, OpenError::Gateway(_)), "{error:?}");
    let mut events = kept.take();
    // That no page came to be is told in any case.
    let failed = events.pop().unwrap();
    assert_eq!(
        (failed.name(), field(&failed, "order")),
        ("payment.checkout.failed", "EC-1".to_owned())
    );
    events
        .iter()
        .map(|event| format!("{} {}", word(event), field(event, "during")))
        .collect()
}
