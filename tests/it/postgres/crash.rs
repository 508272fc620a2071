//! Two workers on one database, one of them killed at a random moment, again and again. What was told is on record stays on
//! record, no order gets a second key, and at the end everything that was paid is fulfilled once.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{Expected, Opened};
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::{Config, NoTls};
use kessai::{Applied, ExpectedPayment, FulfilmentKey, Ledger, MerchantReference, PaymentStatus};

const SERVER: &str = "KESSAI_POSTGRES_CRASH_SERVER";
const SCHEMA: &str = "KESSAI_POSTGRES_CRASH_SCHEMA";
const WORKER: &str = "KESSAI_POSTGRES_CRASH_WORKER";

const KILLS: u32 = 40;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn workers_killed_at_random_lose_nothing_and_do_nothing_twice() {
    // The process that is killed is this test as well, told so by its environment.
    if let [Ok(server), Ok(schema), Ok(worker)] = [SERVER, SCHEMA, WORKER].map(std::env::var) {
        return sell_until_killed(&server, &schema, &worker);
    }
    let Some(server) = super::server() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(kill_and_compare(&server));
}

async fn kill_and_compare(server: &Config) {
    let seed = match std::env::var("KESSAI_CRASH_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos(),
    };
    println!("seed {seed}: set KESSAI_CRASH_SEED to try the same moments again");
    let mut random = Random(u64::from(seed) | 1);
    let schema = super::schema("crash");
    let start = Instant::now();
    let mut told = Told::default();
    // The first two also make the tables, at once.
    let mut workers = [0, 1].map(|worker| Worker::start(&schema, worker));
    let ledger = super::node(server, &schema).connect(NoTls).await.unwrap();
    let mut kills = 0;
    // On a machine that is busy with other things it takes more of them to show something.
    while kills < KILLS || (!told.shows_something() && start.elapsed() < PATIENCE) {
        std::thread::sleep(Duration::from_millis(50 + random.below(250)));
        let slot = usize::try_from(random.below(2)).unwrap();
        let next = Worker::start(&schema, kills + 2);
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
    let whole = kessai::ledger::verify(ledger, None).await.unwrap();
    assert!(whole.is_intact(), "{whole:?}");
}

/// A process that sells until it is killed, and what it says meanwhile.
struct Worker {
    child: Child,
    lines: JoinHandle<Vec<String>>,
}

impl Worker {
    fn start(schema: &str, number: u32) -> Self {
        let server = super::server_text();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "postgres::crash::workers_killed_at_random_lose_nothing_and_do_nothing_twice",
                "--nocapture",
            ])
            .env(SERVER, server)
            .env(SCHEMA, schema)
            .env(WORKER, number.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = std::thread::spawn(move || {
            let lines = output.lines().map_while(Result::ok);
            lines
                .filter_map(|line| line.strip_prefix("@ ").map(str::to_owned))
                .collect()
        });
        Self { child, lines }
    }

    fn kill(mut self) -> Vec<String> {
        let ended = self.child.try_wait().unwrap();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let lines = self.lines.join().unwrap();
        assert!(
            ended.is_none(),
            "it ended by itself: {ended:?} after {:?}",
            lines.last()
        );
        lines
    }
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

/// Numbers that can be had again from their seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What the test does in a process of its own, until it is killed.
fn sell_until_killed(server: &str, schema: &str, worker: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ledger = super::node(&server.parse().unwrap(), schema).connect(NoTls).await;
        let ledger = Arc::new(ledger.unwrap());
        let gateway = Arc::new(TestGateway::new().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(deliver_again(Arc::clone(&ledger), Arc::clone(&gateway)));
        for buyer in 0..4 {
            let orders = format!("order-{worker}-{buyer}");
            tasks.spawn(buy(Arc::clone(&ledger), Arc::clone(&gateway), orders));
        }
        tasks.spawn(fulfil(ledger));
        // None of them ends, unless something is wrong; then this process ends too, and that is seen.
        tasks.join_next().await.unwrap().unwrap();
    });
}

/// One system call for each line, so that a kill leaves whole lines only.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("@ {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
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
