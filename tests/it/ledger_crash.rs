//! A process that applies payments is killed at random moments and started again. What it was told is on record stays on
//! record, and no order gets a second key.
//!
//! SIGKILL takes the process and not the machine: that a commit also outlives the power is what `synchronous = FULL` is
//! for, and no test on a running machine can show it.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{Expected, Opened};
use kessai::ledgers::SqliteLedger;
use kessai::{Applied, ExpectedPayment, FulfilmentKey, Ledger, MerchantReference, PaymentStatus};

pub const FILE: &str = "KESSAI_CRASH_FILE";
pub const ROUND: &str = "KESSAI_CRASH_ROUND";

const TEST: &str = "ledger_crash::two_hundred_kills_lose_no_acknowledged_payment_and_make_no_second_key";
const KILLS: u32 = 200;
/// Files are begun anew so that kills also hit the making of one.
const KILLS_PER_FILE: u32 = 10;

#[test]
fn two_hundred_kills_lose_no_acknowledged_payment_and_make_no_second_key() {
    // The process that is killed is this test as well, told so by its environment.
    match (std::env::var(FILE), std::env::var(ROUND)) {
        (Ok(path), Ok(round)) => sell_until_killed(&path, &round),
        _ => tokio::runtime::Runtime::new().unwrap().block_on(kill_and_compare()),
    }
}

async fn kill_and_compare() {
    let mut random = Random::new();
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (mut acknowledged, mut redelivered) = (0, 0);
    for file in 0..KILLS / KILLS_PER_FILE {
        let path = folder.path().join(format!("ledger-{file}.db"));
        let mut told = Told::default();
        for round in 0..KILLS_PER_FILE {
            // From before the file is open until well into the work.
            let lines = run_and_kill(TEST, &path, round, Duration::from_millis(random.below(120)), &[]);
            told.take(&lines);
            told.compare_with(&path).await;
        }
        acknowledged += told.paid.len();
        redelivered += told.redelivered;
    }
    println!(
        "{KILLS} kills in {:.1?}: {acknowledged} payments acknowledged, {redelivered} rights handed out again",
        start.elapsed()
    );
    assert!(
        acknowledged > 500,
        "only {acknowledged} payments: too few to show anything"
    );
    assert!(
        redelivered > 0,
        "no right was handed out twice: the kills missed that part"
    );
}

/// Everything that the killed processes said was done.
#[derive(Default)]
struct Told {
    paid: HashMap<String, String>,
    keys: HashMap<String, String>,
    done: HashSet<String>,
    redelivered: usize,
}

impl Told {
    fn take(&mut self, lines: &[String]) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["paid", order, attempt] => {
                    let before = self.paid.insert(order.to_owned(), attempt.to_owned());
                    assert_eq!(before, None, "{order} was paid twice");
                }
                ["key", order, key, deliveries] => {
                    assert!(!self.done.contains(key), "{key} was done and came again");
                    let before = self.keys.insert(order.to_owned(), key.to_owned());
                    assert!(before.is_none_or(|before| before == key), "{order} got a second key");
                    self.redelivered += usize::from(deliveries != "1");
                }
                ["done", key] => assert!(self.done.insert(key.to_owned()), "{key} was done twice"),
                ["wrong", ..] => panic!("{line}"),
                _ => panic!("not a line of the killed process: {line:?}"),
            }
        }
    }

    async fn compare_with(&self, path: &Path) {
        let ledger = SqliteLedger::open(path).unwrap();
        ledger.check().await.unwrap();
        for (order, attempt) in &self.paid {
            let order = MerchantReference::new(order.as_str()).unwrap();
            let right = ledger.fulfilment_of(&order).await.unwrap().expect("a payment was lost");
            assert_eq!(right.attempt.as_str(), attempt);
            assert_eq!(right.key, FulfilmentKey::of(&right.attempt));
            assert!(
                self.keys
                    .get(order.as_str())
                    .is_none_or(|key| key == right.key.as_str())
            );
            if self.done.contains(right.key.as_str()) {
                assert!(right.done_at.is_some(), "what was done is forgotten");
            }
        }
        // An attempt whose state says paid has its right, and none other has: they are written together.
        for attempt in ledger.latest(usize::MAX).await.unwrap() {
            let right = ledger.fulfilment_of(&attempt.expected.order).await.unwrap();
            assert_eq!(right.is_some(), attempt.status == PaymentStatus::Captured);
        }
    }
}

/// Runs a test of this program as a process of its own, kills it, and gives the lines that it told until then.
pub fn run_and_kill(test: &str, path: &Path, round: u32, after: Duration, settings: &[(&str, &str)]) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .envs(settings.iter().copied())
        .env(FILE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = stderr.read_to_end(&mut all);
        String::from_utf8_lossy(&all).into_owned()
    });
    let output = BufReader::new(child.stdout.take().unwrap());
    let (at_work, works) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let lines = output.lines().map_while(Result::ok);
        let own = lines.filter_map(|line| line.strip_prefix("@ ").map(str::to_owned));
        own.inspect(|_| {
            let _ = at_work.send(());
        })
        .collect::<Vec<String>>()
    });
    // One round in four is killed from its very start; the others once they are at work, however busy the machine is.
    if !round.is_multiple_of(4) {
        let _ = works.recv_timeout(Duration::from_secs(10));
    }
    std::thread::sleep(after);
    let ended = child.try_wait().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let errors = errors.join().unwrap();
    assert!(ended.is_none(), "it ended by itself: {ended:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    reader.join().unwrap()
}

/// Numbers that can be had again from their seed.
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let seed = match std::env::var("KESSAI_CRASH_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos(),
        };
        println!("seed {seed}: set KESSAI_CRASH_SEED to try the same moments again");
        Self(u64::from(seed) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What the test does in a process of its own, until it is killed.
fn sell_until_killed(path: &str, round: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let ledger = Arc::new(SqliteLedger::open(path).unwrap());
    let gateway = Arc::new(TestGateway::new().unwrap());
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for buyer in 0..8 {
            let orders = format!("order-{round}-{buyer}");
            tasks.spawn(buy(Arc::clone(&ledger), Arc::clone(&gateway), orders));
        }
        tasks.spawn(fulfil(Arc::clone(&ledger)));
        // The gateway never heard of what happened, so it delivers all of it again.
        tasks.spawn(deliver_again(ledger, gateway));
        // That ends, and the others do not; what is wrong ends this process, and that is seen.
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
}

/// One system call for each line, so that a kill leaves whole lines only.
pub fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("@ {line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn now() -> SystemTime {
    SystemTime::now()
}

async fn pay(ledger: &SqliteLedger, gateway: &TestGateway, expected: &ExpectedPayment) {
    let said = Statement::about(expected, PaymentStatus::Captured).unwrap();
    let event = gateway.prove(&said, now()).unwrap();
    let stored = ledger.attempt(&expected.attempt).await.unwrap().unwrap();
    match ledger.apply(&stored.judge(event), now()).await.unwrap() {
        Applied::Now => tell(&format!("paid {} {}", expected.order, expected.attempt)),
        Applied::Already => {}
        other => tell(&format!("wrong {} {other:?}", expected.order)),
    }
}

async fn deliver_again(ledger: Arc<SqliteLedger>, gateway: Arc<TestGateway>) {
    for attempt in ledger.latest(50).await.unwrap() {
        pay(&ledger, &gateway, &attempt.expected).await;
    }
}

async fn buy(ledger: Arc<SqliteLedger>, gateway: Arc<TestGateway>, orders: String) {
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

async fn fulfil(ledger: Arc<SqliteLedger>) {
    for number in 0_u32.. {
        let lease = Duration::from_millis(30);
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
