//! Everybody at once, on one file: exactly one of them pays.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{AskDue, Asked, Expected, Note, Opened};
use kessai::ledgers::SqliteLedger;
use kessai::{Applied, ExpectedPayment, Ledger, PaymentStatus};
use tokio::sync::Barrier;

const TASKS: usize = 64;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

async fn open(ledger: &dyn Ledger, gateway: &TestGateway, order: &str) -> ExpectedPayment {
    let expected = gateway.expected(order, now()).unwrap();
    assert!(matches!(ledger.expect(&expected).await.unwrap(), Expected::Written));
    let opened = Opened {
        checkout: Some(Statement::page_of(&expected.attempt).unwrap()),
        ..Opened::default()
    };
    let _bound = ledger.opened(&expected.attempt, &opened, now()).await.unwrap();
    expected
}

/// What a store does with proven news: finds the attempt, judges, applies.
async fn deliver(ledger: &dyn Ledger, gateway: &TestGateway, said: &Statement) -> Applied {
    let event = gateway.prove(said, now()).unwrap();
    let found = ledger.find(&said.gateway, &said.account, &event.value().subject).await;
    let judgement = found.unwrap().unwrap().judge(event);
    ledger.apply(&judgement, now()).await.unwrap()
}

/// The browser comes back, so the gateway is asked.
async fn come_back(
    ledger: &dyn Ledger,
    gateway: &TestGateway,
    expected: &ExpectedPayment,
    said: &Statement,
) -> Applied {
    ledger.note(&expected.attempt, Note::Returned, now()).await.unwrap();
    deliver(ledger, gateway, &said.clone().heard_as("asked").unwrap()).await
}

/// The sweep asks about what is due.
async fn sweep(ledger: &dyn Ledger, gateway: &TestGateway, said: &Statement) -> Vec<Applied> {
    let due = AskDue {
        gateway: said.gateway.clone(),
        now: now() + Duration::from_secs(200),
        lease: Duration::from_secs(60),
        limit: 10,
    };
    let mut verdicts = Vec::new();
    for attempt in ledger.attempts_to_ask(&due).await.unwrap() {
        assert_eq!(Some(attempt.reference()), said.attempt.as_ref());
        verdicts.push(deliver(ledger, gateway, &said.clone().heard_as("swept").unwrap()).await);
        let asked = Asked {
            answered: true,
            next: None,
        };
        ledger.asked(&attempt, &asked, now()).await.unwrap();
    }
    verdicts
}

/// One order, everybody at once. Gives back how many were told that it is theirs to fulfil.
async fn race(ledgers: &[Arc<SqliteLedger>], gateway: &Arc<TestGateway>, order: String) -> ExpectedPayment {
    let expected = Arc::new(open(ledgers[0].as_ref(), gateway, &order).await);
    let said = Arc::new(Statement::about(&expected, PaymentStatus::Captured).unwrap());
    let start = Arc::new(Barrier::new(TASKS + 2));
    let mut tasks = Vec::new();
    for task in 0..TASKS + 2 {
        let ledger = Arc::clone(&ledgers[task % ledgers.len()]);
        let (gateway, expected) = (Arc::clone(gateway), Arc::clone(&expected));
        let (said, start) = (Arc::clone(&said), Arc::clone(&start));
        tasks.push(tokio::spawn(async move {
            start.wait().await;
            match task {
                TASKS => vec![come_back(ledger.as_ref(), &gateway, &expected, &said).await],
                task if task > TASKS => sweep(ledger.as_ref(), &gateway, &said).await,
                _ => vec![deliver(ledger.as_ref(), &gateway, &said).await],
            }
        }));
    }
    let mut verdicts = Vec::new();
    for task in tasks {
        verdicts.extend(task.await.unwrap());
    }
    let paid = verdicts.iter().filter(|verdict| **verdict == Applied::Now).count();
    assert_eq!(paid, 1, "{order}: {verdicts:?}");
    let known = verdicts.iter().filter(|verdict| **verdict == Applied::Already).count();
    assert_eq!(known + paid, verdicts.len(), "{order}: {verdicts:?}");
    assert!(verdicts.len() > TASKS);
    Arc::into_inner(expected).unwrap()
}

async fn everything_is_fulfilled_once(ledgers: &[Arc<SqliteLedger>], orders: &[ExpectedPayment]) {
    let mut workers = Vec::new();
    for worker in 0..8 {
        let ledger = Arc::clone(&ledgers[worker % ledgers.len()]);
        workers.push(tokio::spawn(async move {
            let mut keys = Vec::new();
            while let Some(right) = ledger.next_fulfilment(now(), Duration::from_secs(60)).await.unwrap() {
                assert_eq!(right.deliveries, 1);
                assert!(ledger.done(&right.key, now()).await.unwrap());
                keys.push((right.order, right.key));
            }
            keys
        }));
    }
    let mut keys = Vec::new();
    for worker in workers {
        keys.extend(worker.await.unwrap());
    }
    let fulfilled: HashSet<_> = keys.iter().map(|(order, _)| order.clone()).collect();
    let wanted: HashSet<_> = orders.iter().map(|expected| expected.order.clone()).collect();
    assert_eq!(fulfilled, wanted);
    assert_eq!(keys.len(), orders.len(), "a right was handed out twice");
    for expected in orders {
        let timeline = ledgers[0].timeline(&expected.attempt).await.unwrap();
        let lines = timeline.iter().filter(|record| record.kind.as_str() == "fulfilment");
        assert_eq!(lines.count(), 1, "{}", expected.order);
    }
    ledgers[0].check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_tasks_a_return_and_a_sweep_at_once_fulfil_two_hundred_orders_once_each() {
    let folder = tempfile::tempdir().unwrap();
    let ledgers = [Arc::new(SqliteLedger::open(folder.path().join("ledger.db")).unwrap())];
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut orders = Vec::new();
    for number in 0..200 {
        orders.push(race(&ledgers, &gateway, format!("order-{number}")).await);
    }
    everything_is_fulfilled_once(&ledgers, &orders).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_ledgers_on_one_file_behave_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let ledgers = [0, 1].map(|_| Arc::new(SqliteLedger::open(&path).unwrap()));
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut orders = Vec::new();
    for number in 0..40 {
        orders.push(race(&ledgers, &gateway, format!("order-{number}")).await);
    }
    everything_is_fulfilled_once(&ledgers, &orders).await;
}
