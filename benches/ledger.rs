//! How many payments a second reach the disk: 64 callers whose commits are shared, beside 64 callers with a transaction
//! each. Same code, same file system, `synchronous = FULL` in both; only the size of the group differs.
//!
//! `cargo bench --bench ledger`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people who measure"
)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use criterion::{Criterion, Throughput};
use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{Applied, Judgement};
use kessai::ledgers::SqliteLedger;
use kessai::{Ledger, PaymentStatus};
use tokio::runtime::Runtime;

const CALLERS: usize = 64;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str, group: usize| {
        let ledger = SqliteLedger::builder(folder.path().join(name)).group(NonZeroUsize::new(group).unwrap());
        Arc::new(ledger.open().unwrap())
    };
    let (grouped, single) = (open("grouped.db", 512), open("single.db", 1));

    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("apply, 64 callers");
    group.throughput(Throughput::Elements(1));
    for (name, ledger) in [("shared commits", &grouped), ("a transaction each", &single)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|count| run(&runtime, ledger, count));
        });
    }
    group.finish();

    // Side by side and in turns, so that whatever else the machine does hits both.
    let (mut shared, mut each) = (Duration::ZERO, Duration::ZERO);
    let (rounds, count) = (5, 2_000);
    for _ in 0..rounds {
        shared += run(&runtime, &grouped, count);
        each += run(&runtime, &single, count);
    }
    let rate = |time: Duration| f64::from(rounds) * 2_000.0 / time.as_secs_f64();
    println!(
        "shared commits {:.0}/s, a transaction each {:.0}/s, ratio {:.1}",
        rate(shared),
        rate(each),
        rate(shared) / rate(each)
    );
}

/// Applies `count` first payments and says how long that alone took.
fn run(runtime: &Runtime, ledger: &Arc<SqliteLedger>, count: u64) -> Duration {
    let gateway = TestGateway::new().unwrap();
    let judgements = runtime.block_on(prepare(ledger, &gateway, count));
    let start = Instant::now();
    runtime.block_on(async {
        let mut tasks = Vec::new();
        for part in judgements {
            let ledger = Arc::clone(ledger);
            tasks.push(tokio::spawn(async move {
                for judgement in part {
                    assert_eq!(ledger.apply(&judgement, now()).await.unwrap(), Applied::Now);
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    start.elapsed()
}

/// Attempts that were written down and the evidence that pays them, one part for each caller.
async fn prepare(ledger: &Arc<SqliteLedger>, gateway: &TestGateway, count: u64) -> Vec<Vec<Judgement>> {
    let mut tasks = Vec::new();
    for caller in 0..CALLERS {
        let (ledger, gateway) = (Arc::clone(ledger), gateway.clone());
        tasks.push(tokio::spawn(async move {
            let mut part = Vec::new();
            for _ in (caller..usize::try_from(count).unwrap()).step_by(CALLERS) {
                let mut expected = gateway.expected("order", now()).unwrap();
                expected.order = expected.attempt.as_str().parse().unwrap();
                let _written = ledger.expect(&expected).await.unwrap();
                let said = Statement::about(&expected, PaymentStatus::Captured).unwrap();
                let stored = ledger.attempt(&expected.attempt).await.unwrap().unwrap();
                part.push(stored.judge(gateway.prove(&said, now()).unwrap()));
            }
            part
        }));
    }
    let mut parts = Vec::new();
    for task in tasks {
        parts.push(task.await.unwrap());
    }
    parts
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}
