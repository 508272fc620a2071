//! Two workers on one database, one of them killed at a random moment, again and again. What was told is on record stays on
//! record, no order gets a second key, and at the end everything that was paid is fulfilled once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{Expected, Opened};
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::{Config, NoTls};
use kessai::{Applied, ExpectedPayment, FulfilmentKey, Ledger, MerchantReference, PaymentStatus};

use super::worker::{Place, Random, Worker, place, tell, work};

const NAME: &str = "postgres::crash::workers_killed_at_random_lose_nothing_and_do_nothing_twice";
const KILLS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn workers_killed_at_random_lose_nothing_and_do_nothing_twice() {
    // The process that is killed is this test as well, told so by its environment.
    if let Some(place) = place() {
        return work(sell_until_killed(&place));
    }
    let Some(server) = super::server() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(kill_and_compare(&server));
}

async fn kill_and_compare(server: &Config) {
    let mut random = Random::new();
    let schema = super::schema("crash");
    let start = Instant::now();
    let mut told = Told::default();
    // The first two also make the tables, at once.
    let mut workers = [0, 1].map(|worker: u32| Worker::start(NAME, &schema, &worker.to_string()));
    let ledger = super::node(server, &schema).connect(NoTls).await.unwrap();
    let mut kills = 0;
    // On a machine that is busy with other things it takes more of them to show something.
    while kills < KILLS || (!told.shows_something() && start.elapsed() < PATIENCE) {
        std::thread::sleep(Duration::from_millis(50 + random.below(250)));
        let slot = usize::try_from(random.below(2)).unwrap();
        let next = Worker::start(NAME, &schema, &(kills + 2).to_string());
        told.take(std::mem::replace(&mut workers[slot], next).kill());
        kills += 1;
        if kills.is_multiple_of(5) {
            told.compare_with(&ledger).await;
        }
    }
    for worker in workers {
        told.take(worker.kill());
    }
    told.compare_with(&ledger).await;
    let took = start.elapsed();
    settle(&ledger).await;
    println!(
        "{kills} kills in {took:.1?}: {} payments acknowledged, {} rights done, {} handed out again",
        told.paid.len(),
        told.done.len(),
        told.redelivered
    );
    assert!(told.shows_something(), "too little happened to show anything");
}

/// The gateway delivers what was never acknowledged, and a worker that lives fulfils what is left.
async fn settle(ledger: &PostgresLedger) {
    let gateway = TestGateway::new().unwrap();
    let attempts = ledger.latest(usize::MAX).await.unwrap();
    for attempt in &attempts {
        let said = Statement::about(&attempt.expected, PaymentStatus::Captured).unwrap();
        let event = gateway.prove(&said, now()).unwrap();
        let applied = ledger.apply(&attempt.judge(event), now()).await.unwrap();
        assert!(matches!(applied, Applied::Now | Applied::Already), "{applied:?}");
    }
    let later = now() + Duration::from_secs(60);
    while let Some(right) = ledger.next_fulfilment(later, Duration::from_secs(600)).await.unwrap() {
        assert!(ledger.done(&right.key, later).await.unwrap());
    }
    for attempt in &attempts {
        let timeline = ledger.timeline(attempt.reference()).await.unwrap();
        for word in ["expected", "fulfilment", "fulfilled"] {
            let lines = timeline.iter().filter(|record| record.kind.as_str() == word);
            assert_eq!(lines.count(), 1, "{} {word}", attempt.expected.order);
        }
    }
    ledger.check().await.unwrap();
    let whole = kessai::ledger::verify(ledger, &[]).await.unwrap();
    assert!(whole.is_intact(), "{whole:?}");
}

/// Everything that the killed processes said was done. They work at the same time, so the order of what two of them say means
/// nothing.
#[derive(Default)]
struct Told {
    paid: HashMap<String, String>,
    keys: HashMap<String, String>,
    done: HashSet<String>,
    redelivered: usize,
}

impl Told {
    fn take(&mut self, lines: Vec<String>) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["paid", order, attempt] => {
                    let before = self.paid.insert(order.to_owned(), attempt.to_owned());
                    assert_eq!(before, None, "{order} was paid twice");
                }
                ["key", order, key, deliveries] => {
                    let before = self.keys.insert(order.to_owned(), key.to_owned());
                    assert!(before.is_none_or(|before| before == key), "{order} got a second key");
                    self.redelivered += usize::from(deliveries != "1");
                }
                ["done", key] => assert!(self.done.insert(key.to_owned()), "{key} was done twice"),
                _ => panic!("not a line of the killed process: {line:?}"),
            }
        }
    }

    /// Enough was paid, and the kills hit fulfilments as well.
    fn shows_something(&self) -> bool {
        self.paid.len() > 200 && self.redelivered > 0
    }

    async fn compare_with(&self, ledger: &PostgresLedger) {
        ledger.check().await.unwrap();
        for (order, attempt) in &self.paid {
            let order = MerchantReference::new(order.as_str()).unwrap();
            let right = ledger.fulfilment_of(&order).await.unwrap().expect("a payment was lost");
            assert_eq!(right.attempt.as_str(), attempt);
            assert_eq!(right.key, FulfilmentKey::of(&right.attempt));
            let told = self.keys.get(order.as_str());
            assert!(told.is_none_or(|key| key == right.key.as_str()));
            if self.done.contains(right.key.as_str()) {
                assert!(right.done_at.is_some(), "what was done is forgotten");
            }
        }
    }
}

/// What the test does in a process of its own, until it is killed.
async fn sell_until_killed(place: &Place) {
    let ledger = super::node(&place.server.parse().unwrap(), &place.schema)
        .connect(NoTls)
        .await;
    let ledger = Arc::new(ledger.unwrap());
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(deliver_again(Arc::clone(&ledger), Arc::clone(&gateway)));
    for buyer in 0..4 {
        let orders = format!("order-{}-{buyer}", place.name);
        tasks.spawn(buy(Arc::clone(&ledger), Arc::clone(&gateway), orders));
    }
    tasks.spawn(fulfil(ledger));
    // None of them ends, unless something is wrong.
    tasks.join_next().await.unwrap().unwrap();
}

fn now() -> SystemTime {
    SystemTime::now()
}

async fn pay(ledger: &PostgresLedger, gateway: &TestGateway, expected: &ExpectedPayment) {
    let said = Statement::about(expected, PaymentStatus::Captured).unwrap();
    let event = gateway.prove(&said, now()).unwrap();
    let stored = ledger.attempt(&expected.attempt).await.unwrap().unwrap();
    match ledger.apply(&stored.judge(event), now()).await.unwrap() {
        Applied::Now => tell(&format!("paid {} {}", expected.order, expected.attempt)),
        Applied::Already => {}
        other => tell(&format!("wrong {} {other:?}", expected.order)),
    }
}

/// The gateway never heard of what happened, so it delivers all of it again; some of it is the other worker's, who is about to
/// hear of it as well.
async fn deliver_again(ledger: Arc<PostgresLedger>, gateway: Arc<TestGateway>) {
    loop {
        for attempt in ledger.latest(20).await.unwrap() {
            pay(&ledger, &gateway, &attempt.expected).await;
        }
    }
}

async fn buy(ledger: Arc<PostgresLedger>, gateway: Arc<TestGateway>, orders: String) {
    for number in 0.. {
        let expected = gateway.expected(&format!("{orders}-{number}"), now()).unwrap();
        assert!(matches!(ledger.expect(&expected).await.unwrap(), Expected::Written));
        let opened = Opened {
            checkout: Some(Statement::page_of(&expected.attempt).unwrap()),
            ..Opened::default()
        };
        let _bound = ledger.opened(&expected.attempt, &opened, now()).await.unwrap();
        pay(&ledger, &gateway, &expected).await;
    }
}

async fn fulfil(ledger: Arc<PostgresLedger>) {
    for number in 0_u32.. {
        let lease = Duration::from_millis(100);
        let Some(right) = ledger.next_fulfilment(now(), lease).await.unwrap() else {
            tokio::time::sleep(Duration::from_millis(1)).await;
            continue;
        };
        tell(&format!("key {} {} {}", right.order, right.key, right.deliveries));
        // Some are shipped and the worker forgets to say so; then they come again.
        if number % 3 != 0 && ledger.done(&right.key, now()).await.unwrap() {
            tell(&format!("done {}", right.key));
        }
    }
}
