//! Two nodes on one database: whatever comes to both is done once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kessai::conformance::TestGateway;
use kessai::ledger::{AskDue, Expected};
use kessai::ledgers::PostgresLedger;
use kessai::{Applied, ExpectedPayment, Ledger};
use tokio::sync::Barrier;

use super::{deliver, now, open, paid};

const CALLBACKS: usize = 64;
const ORDERS: usize = 12;

/// Every node hands out what is to be fulfilled until nothing is left.
async fn everything_is_fulfilled_once(ledgers: &[Arc<PostgresLedger>], orders: &[ExpectedPayment]) {
    let mut workers = Vec::new();
    for worker in 0..8 {
        let ledger = Arc::clone(&ledgers[worker % ledgers.len()]);
        workers.push(tokio::spawn(async move {
            let mut rights = Vec::new();
            while let Some(right) = ledger.next_fulfilment(now(), Duration::from_secs(60)).await.unwrap() {
                assert_eq!(right.deliveries, 1);
                assert!(ledger.done(&right.key, now()).await.unwrap());
                rights.push((right.order, right.key));
            }
            rights
        }));
    }
    let mut rights = Vec::new();
    for worker in workers {
        rights.extend(worker.await.unwrap());
    }
    let fulfilled: HashSet<_> = rights.iter().map(|(order, _)| order.clone()).collect();
    let wanted: HashSet<_> = orders.iter().map(|expected| expected.order.clone()).collect();
    assert_eq!(fulfilled, wanted);
    assert_eq!(rights.len(), orders.len(), "a right was handed out twice");
    for expected in orders {
        let timeline = ledgers[0].timeline(&expected.attempt).await.unwrap();
        let lines = timeline.iter().filter(|record| record.kind.as_str() == "fulfilment");
        assert_eq!(lines.count(), 1, "{}", expected.order);
    }
    ledgers[0].check().await.unwrap();
    let whole = kessai::ledger::verify(ledgers[0].as_ref(), &[]).await.unwrap();
    assert!(whole.is_intact(), "{whole:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callbacks_for_each_of_several_orders_on_two_nodes_fulfil_each_once() {
    let Some(server) = super::server() else { return };
    let ledgers: [_; 2] = super::nodes(&server, &super::schema("nodes")).await;
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        orders.push(open(ledgers[number % 2].as_ref(), &gateway, &format!("order-{number}")).await);
    }
    let start = Arc::new(Barrier::new(ORDERS * CALLBACKS));
    let mut tasks = Vec::new();
    for (number, expected) in orders.iter().enumerate() {
        for callback in 0..CALLBACKS {
            let (ledger, gateway) = (Arc::clone(&ledgers[callback % 2]), Arc::clone(&gateway));
            let start = Arc::clone(&start);
            // Some are the same fact, some the same money heard of in another way.
            let said = paid(expected).heard_as(&format!("way-{}", callback % 5)).unwrap();
            tasks.push(tokio::spawn(async move {
                start.wait().await;
                (number, deliver(ledger.as_ref(), &gateway, &said).await.unwrap())
            }));
        }
    }
    let clock = Instant::now();
    let mut paid = [0; ORDERS];
    let mut known = [0; ORDERS];
    for task in tasks {
        let (number, applied) = task.await.unwrap();
        match applied {
            Applied::Now => paid[number] += 1,
            Applied::Already => known[number] += 1,
            other => panic!("order-{number}: {other:?}"),
        }
    }
    println!(
        "{} callbacks for {ORDERS} orders on two nodes in {:.1?}",
        ORDERS * CALLBACKS,
        clock.elapsed()
    );
    assert_eq!(paid, [1; ORDERS]);
    assert_eq!(known, [CALLBACKS - 1; ORDERS]);
    everything_is_fulfilled_once(&ledgers, &orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_nodes_that_open_one_order_at_once_one_writes() {
    let Some(server) = super::server() else { return };
    let ledgers: [_; 2] = super::nodes(&server, &super::schema("nodes")).await;
    let gateway = TestGateway::new().unwrap();
    for order in 0..10 {
        let mut tasks = Vec::new();
        for caller in 0..16 {
            let ledger = Arc::clone(&ledgers[caller % 2]);
            let expected = gateway.expected(&format!("order-{order}"), now()).unwrap();
            tasks.push(tokio::spawn(async move { ledger.expect(&expected).await.unwrap() }));
        }
        let mut written = 0;
        for task in tasks {
            match task.await.unwrap() {
                Expected::Written => written += 1,
                Expected::Open(_) => {}
                other @ (Expected::Paid(_) | Expected::Stopped(_)) => panic!("{other:?}"),
            }
        }
        assert_eq!(written, 1);
    }
    ledgers[0].check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_share_the_sweep_and_ask_about_nothing_twice() {
    let Some(server) = super::server() else { return };
    let ledgers: [_; 2] = super::nodes(&server, &super::schema("nodes")).await;
    let gateway = TestGateway::new().unwrap();
    for number in 0..60 {
        open(ledgers[number % 2].as_ref(), &gateway, &format!("order-{number}")).await;
    }
    let due = AskDue {
        gateway: gateway.id(),
        now: now() + Duration::from_secs(500),
        lease: Duration::from_secs(60),
        limit: 7,
    };
    let mut sweeps = Vec::new();
    for sweep in 0..16 {
        let (ledger, due) = (Arc::clone(&ledgers[sweep % 2]), due.clone());
        sweeps.push(tokio::spawn(async move {
            let mut given = Vec::new();
            loop {
                let some = ledger.attempts_to_ask(&due).await.unwrap();
                if some.is_empty() {
                    return given;
                }
                given.extend(some.iter().map(|attempt| attempt.reference().clone()));
            }
        }));
    }
    let mut given = Vec::new();
    for sweep in sweeps {
        given.extend(sweep.await.unwrap());
    }
    assert_eq!(given.len(), 60);
    assert_eq!(given.iter().collect::<HashSet<_>>().len(), 60);
}

#[tokio::test]
async fn what_another_node_holds_is_passed_over_and_not_waited_for() {
    let Some(server) = super::server() else { return };
    let schema = super::schema("nodes");
    let [ledger] = super::nodes(&server, &schema).await;
    let gateway = TestGateway::new().unwrap();
    let mut orders = Vec::new();
    for number in 0..2 {
        let expected = open(ledger.as_ref(), &gateway, &format!("order-{number}")).await;
        assert_eq!(
            deliver(ledger.as_ref(), &gateway, &paid(&expected)).await.unwrap(),
            Applied::Now
        );
        orders.push(expected);
    }
    let waiting = [
        open(ledger.as_ref(), &gateway, "order-2").await,
        open(ledger.as_ref(), &gateway, "order-3").await,
    ];
    let mut other = super::client(&server).await;
    let held = other.transaction().await.unwrap();
    for (table, column, value) in [
        ("fulfilments", "merchant_order", orders[0].order.as_str()),
        ("attempts", "attempt", waiting[0].attempt.as_str()),
    ] {
        let sql = format!("SELECT FROM {schema}.{table} WHERE {column} = $1 FOR UPDATE");
        assert_eq!(held.execute(&sql, &[&value]).await.unwrap(), 1);
    }
    let clock = Instant::now();
    let lease = Duration::from_secs(60);
    let right = ledger.next_fulfilment(now(), lease).await.unwrap().unwrap();
    assert_eq!(right.order, orders[1].order);
    assert_eq!(ledger.next_fulfilment(now(), lease).await.unwrap(), None);
    let due = AskDue {
        gateway: gateway.id(),
        now: now() + Duration::from_secs(500),
        lease,
        limit: 9,
    };
    let asked = ledger.attempts_to_ask(&due).await.unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].reference(), &waiting[1].attempt);
    assert!(clock.elapsed() < Duration::from_secs(2), "it waited");
    held.rollback().await.unwrap();
    let right = ledger.next_fulfilment(now(), lease).await.unwrap().unwrap();
    assert_eq!(right.order, orders[0].order);
    assert_eq!(ledger.attempts_to_ask(&due).await.unwrap().len(), 1);
}
