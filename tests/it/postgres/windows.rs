//! The report's window: one state of the database, and the same bounds in every ledger.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kessai::conformance::TestGateway;
use kessai::ledger::{RecordKind, Window};
use kessai::ledgers::{MemoryLedger, SqliteLedger};
use kessai::{Ledger, PaymentStatus};

use super::{deliver, now, open, paid};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_attempt_in_a_window_stands_as_its_records_tell_also_while_others_write() {
    const ORDERS: usize = 40;
    let Some(server) = super::server() else { return };
    let ledgers: [_; 2] = super::nodes(&server, &super::schema("windows")).await;
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        orders.push(open(ledgers[0].as_ref(), &gateway, &format!("order-{number}")).await);
    }
    let sells = tokio::spawn({
        let (ledger, gateway) = (Arc::clone(&ledgers[1]), Arc::clone(&gateway));
        async move {
            for expected in &orders {
                let _ = deliver(ledger.as_ref(), &gateway, &paid(expected)).await.unwrap();
            }
        }
    });
    let window = Window::new(now(), now() + Duration::from_secs(1)).unwrap();
    let (mut readings, mut mixed) = (0, 0);
    while !sells.is_finished() {
        let rows = ledgers[0].window(&window, None, 100).await.unwrap();
        assert_eq!(rows.len(), ORDERS);
        for row in &rows {
            let told = row.records.iter().rev().find_map(|record| match record.kind {
                RecordKind::Applied { to, .. } => Some(to),
                _ => None,
            });
            assert_eq!(
                told.unwrap_or(PaymentStatus::Created),
                row.attempt.status,
                "{:?}",
                row.records
            );
        }
        let sold = rows.iter().filter(|row| row.attempt.status == PaymentStatus::Captured);
        mixed += u32::from((1..ORDERS).contains(&sold.count()));
        readings += 1;
    }
    sells.await.unwrap();
    println!("{readings} readings, {mixed} of them in the middle");
    assert!(mixed > 0, "nothing was sold in the meantime");
}

#[tokio::test]
async fn a_window_may_end_beyond_all_times_that_can_be_kept_in_every_ledger() {
    let Some(server) = super::server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteLedger::open(folder.path().join("window.db")).unwrap();
    let [postgres] = super::nodes(&server, &super::schema("windows")).await;
    let (gateway, memory) = (TestGateway::new().unwrap(), MemoryLedger::new());
    let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000_000_000_000);
    for ledger in [&memory as &dyn Ledger, &file, postgres.as_ref()] {
        open(ledger, &gateway, "order-1").await;
        for (from, to, inside) in [
            (now(), beyond, true),
            (SystemTime::UNIX_EPOCH - Duration::from_secs(1), beyond, true),
            (now() + Duration::from_secs(1), beyond, false),
            (beyond, beyond, false),
        ] {
            let window = Window::new(from, to).unwrap();
            let rows = ledger.window(&window, None, 9).await.unwrap();
            assert_eq!(rows.len(), usize::from(inside), "{ledger:?} {window:?}");
            let span = ledger.window_span(&window).await.unwrap();
            assert_eq!(span, inside.then_some((1, 2)), "{ledger:?} {window:?}");
        }
    }
}
