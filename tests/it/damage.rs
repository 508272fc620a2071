//! Rows that have lost their form, in a ledger that goes on: each is an error once, and holds up no other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kessai::conformance::TestGateway;
use kessai::ledger::{AskDue, StoredAttempt};
use kessai::ledgers::SqliteLedger;
use kessai::ledgers::tokio_postgres::Client;
use kessai::security_event::SecurityPolicy;
use kessai::{Ledger, StoreError, SweepPolicy};
use rusqlite::Connection;

use crate::chain_tampering::sample::{at, beside, open, pay};
use crate::postgres;
use crate::security_events::{Kept, world_with};
use crate::support::around::ByName;
use crate::support::order;

const LEASE: Duration = Duration::from_secs(60);

/// A way into a ledger's tables for which no rule holds.
enum Owner {
    File(Connection),
    Server(Client),
}

impl Owner {
    async fn run(&self, sql: &str) {
        match self {
            Self::File(raw) => raw.execute_batch(sql).unwrap(),
            Self::Server(client) => client.batch_execute(sql).await.unwrap(),
        }
    }
}

/// A test over both ledgers on disk. What it needs is dropped after it.
async fn over_each(test: impl AsyncFn(&dyn Ledger, &Owner)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damage.db");
    let file = SqliteLedger::open(&path).unwrap();
    test(&file, &Owner::File(beside(&path))).await;

    let Some(server) = postgres::server() else { return };
    let schema = postgres::schema("damage");
    let [ledger] = postgres::nodes(&server, &schema).await;
    let owner = postgres::client(&server).await;
    let sql = format!("SET session_replication_role = replica; SET search_path = {schema};");
    owner.batch_execute(&sql).await.unwrap();
    test(ledger.as_ref(), &Owner::Server(owner)).await;
}

/// Everything is due a day after it was opened.
fn due(gateway: &TestGateway, now: SystemTime, limit: usize) -> AskDue {
    AskDue {
        gateway: gateway.id(),
        now,
        lease: LEASE,
        limit,
    }
}

fn names(handed: Result<Vec<StoredAttempt>, StoreError>) -> Result<Vec<String>, bool> {
    let name = |attempt: StoredAttempt| attempt.expected.order.to_string();
    let names = handed.map(|handed| handed.into_iter().map(name).collect());
    names.map_err(|error| error.is_damage())
}

#[tokio::test]
async fn an_attempt_that_lost_its_form_holds_up_no_other() {
    over_each(async |ledger, owner| {
        let gateway = TestGateway::new().unwrap();
        for (place, name) in ["order-1", "order-2", "order-3", "order-4"].into_iter().enumerate() {
            open(ledger, &gateway, name, place as u64 * 10).await;
        }
        let now = at(60 * 60 * 24);
        owner
            .run("UPDATE attempts SET expected = '{}' WHERE merchant_order IN ('order-1', 'order-3')")
            .await;
        let ask = async |now, limit| names(ledger.attempts_to_ask(&due(&gateway, now, limit)).await);
        assert_eq!(ledger.left_to_ask(now).await.unwrap(), 4, "{ledger:?}");

        // Asked for together: nothing is handed out, and only the damaged are reserved.
        assert_eq!(ask(now, 9).await, Err(true), "{ledger:?}");
        assert_eq!(ledger.left_to_ask(now).await.unwrap(), 2, "{ledger:?}");
        let handed = ledger.attempts_to_ask(&due(&gateway, now, 9)).await.unwrap();
        assert!(handed.iter().all(|attempt| attempt.asked_at == Some(now)), "{handed:?}");
        assert_eq!(names(Ok(handed)), Ok(vec!["order-2".to_owned(), "order-4".to_owned()]));
        assert_eq!(ask(now, 9).await, Ok(Vec::new()), "{ledger:?}");

        // One at a time, as a sweep does, when those reservations are over.
        let later = now + LEASE;
        let mut heard = Vec::new();
        for _ in 0..5 {
            heard.push(ask(later, 1).await);
        }
        let one = |name: &str| Ok(vec![name.to_owned()]);
        assert_eq!(
            heard,
            [Err(true), one("order-2"), Err(true), one("order-4"), Ok(Vec::new())],
            "{ledger:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_right_that_lost_its_form_holds_up_no_other() {
    for damage in [
        "UPDATE attempts SET expected = '{}' WHERE merchant_order = 'order-1'",
        // The right of somebody else's attempt, and of one that is not there.
        "UPDATE fulfilments SET attempt = 'nobodys' WHERE merchant_order = 'order-1'",
        "UPDATE fulfilments SET key = 'fulfil-another' WHERE merchant_order = 'order-1'",
    ] {
        over_each(async |ledger, owner| {
            let gateway = TestGateway::new().unwrap();
            pay(ledger, &gateway, "order-1", 0).await;
            pay(ledger, &gateway, "order-2", 10).await;
            owner.run(damage).await;
            let next = async |now| {
                let next = ledger.next_fulfilment(now, LEASE).await;
                let next = next.map(|due| due.map(|due| (due.order.to_string(), due.deliveries)));
                next.map_err(|error| error.is_damage())
            };
            let second = |deliveries| Ok(Some(("order-2".to_owned(), deliveries)));
            let (now, later) = (at(100), at(100) + LEASE);
            assert_eq!(next(now).await, Err(true), "{damage} {ledger:?}");
            assert_eq!(next(now).await, second(1), "{damage} {ledger:?}");
            assert_eq!(next(now).await, Ok(None), "{damage} {ledger:?}");
            assert_eq!(next(later).await, Err(true), "{damage} {ledger:?}");
            assert_eq!(next(later).await, second(2), "{damage} {ledger:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_sweep_goes_on_behind_what_it_cannot_read_and_tells() {
    let (kept, (memory, ledger)) = (Kept::default(), ByName::over_memory());
    let world = world_with(memory, vec![Box::new(kept.clone())], SecurityPolicy::default());
    world.open(&order("EC-1"), "cs_test_1").await;
    world.clock.advance(Duration::from_secs(60 * 60));
    let _ = kept.take();

    // A ledger that names damage for ever does not keep a sweep for ever.
    ledger.damage("attempts_to_ask", 0);
    let policy = SweepPolicy::default().per_gateway(4);
    let report = world.cashier.sweep(&policy).await.unwrap();
    assert_eq!((report.damaged, report.asked, report.left), (4, 0, 1));
    assert!(kept.words().contains(&"payment.ledger.failed".to_owned()));

    // An error that is about more than one row stops it.
    ledger.fail("attempts_to_ask", 0);
    assert!(world.cashier.sweep(&policy).await.is_err());
    ledger.mend();
    world.script.answer(503, "");
    let report = world.cashier.sweep(&policy).await.unwrap();
    assert_eq!((report.damaged, report.asked), (0, 1));
}

#[tokio::test]
async fn a_sweep_over_a_damaged_file_asks_about_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sweep.db");
    let file = Arc::new(SqliteLedger::open(&path).unwrap());
    let world = world_with(file, Vec::new(), SecurityPolicy::default());
    for number in 1..=5 {
        let page = format!("cs_test_{number}");
        world.open(&order(&format!("EC-{number}")), &page).await;
    }
    let raw = beside(&path);
    raw.execute_batch("UPDATE attempts SET status = 'unheard of' WHERE merchant_order IN ('EC-1', 'EC-3')")
        .unwrap();
    world.clock.advance(Duration::from_secs(60 * 60));
    for _ in 0..3 {
        world.script.answer(503, "");
    }
    let policy = SweepPolicy::default().give_up_after(9);
    let report = world.cashier.sweep(&policy).await.unwrap();
    assert_eq!((report.damaged, report.asked, report.left), (2, 3, 0), "{report:?}");
}
