//! Callers that are truly at work at once, on every ledger (PAY-45): an order of their steps has to explain what they heard and what
//! is on record.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use kessai::PaymentStatus as S;
use tokio::task::JoinSet;

use super::driver::{Driver, Found, Tally};
use super::histories::seed;
use super::homes::Home;
use super::reference::PAGE;
use super::steps::{Plan, Random, START, Step, Tell, Twist, What};

const CALLERS: u8 = 4;
/// One after the other on one ledger.
const RACES_PER_LEDGER: usize = 10;

/// When everything happens: the first attempt of each order has lapsed and was never opened.
const NOW: u64 = START + PAGE + 3600;

/// What is there when a race begins: two orders with two attempts each, as in the scenes.
fn setting(base: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for order in 0..2 {
        let (first, second) = (base + 2 * order, base + 2 * order + 1);
        for (attempt, created) in [(first, START), (second, NOW)] {
            steps.push(Step::new(created, What::Expect(plan(attempt, base + order, created))));
        }
        steps.push(Step::new(NOW, open(second)));
    }
    steps
}

fn plan(attempt: u32, order: u32, created: u64) -> Plan {
    Plan {
        attempt,
        order,
        manual: false,
        created,
    }
}

fn open(attempt: u32) -> What {
    What::Open {
        attempt,
        checkout: Some(attempt),
        payment: None,
        expires: None,
    }
}

/// What one caller does: callbacks with their time between judging and applying, a worker that ships, a shopper who tries again.
fn steps(caller: u8, base: u32, random: &mut Random) -> Vec<Step> {
    let mut whats = Vec::new();
    match random.below(6) {
        // One shopper at a time: attempts are listed in the order of a database's numbers.
        5 if caller == 0 => {
            let (attempt, order) = (base + 4, base + u32::try_from(random.below(2)).unwrap());
            whats.push(What::Expect(plan(attempt, order, NOW)));
            whats.push(open(attempt));
            whats.push(What::Note { attempt, note: 0 });
        }
        4 => {
            let attempt = base + u32::try_from(random.below(4)).unwrap();
            whats.push(What::NextFulfilment { lease: 60 });
            whats.push(What::Fulfilled { attempt });
            whats.push(What::NextFulfilment { lease: 60 });
        }
        _ => {
            for _ in 0..2 {
                let about = base + u32::try_from(random.below(4)).unwrap();
                let status = random.of(&[S::Captured, S::Captured, S::Failed, S::Refunded, S::Pending]);
                let tell = Tell {
                    about,
                    status,
                    checkout: Some(about),
                    // Now and then two attempts are paid by one transaction.
                    payment: Some(if random.below(4) == 0 { 2 * base + 1 } else { 2 * about }),
                    twist: Twist::None,
                    way: u8::try_from(random.below(2)).unwrap(),
                };
                whats.push(What::Judge { slot: caller, tell });
                whats.push(What::ApplyKept { slot: caller });
            }
        }
    }
    whats.into_iter().map(|what| Step::new(NOW, what)).collect()
}

/// Races on one fresh ledger.
pub async fn on_one_ledger(home: &Home, random: &mut Random) -> Found<Tally> {
    let ledger = home.source.fresh().await?;
    let mut driver = Driver::new(ledger, home.keeps, usize::MAX);
    for race in 0..RACES_PER_LEDGER {
        let base = u32::try_from(race).unwrap() * 16;
        for step in setting(base) {
            driver.step(home.source.as_ref(), &step).await?;
        }
        let callers: Vec<Vec<Step>> = (0..CALLERS).map(|caller| steps(caller, base, random)).collect();
        driver.race(&callers).await?;
    }
    driver.finish().await?;
    Ok(driver.tally)
}

async fn races(home: Home, ledgers: usize) {
    let (seed, start) = (seed(), Instant::now());
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..2 {
        let (home, next) = (home.clone(), Arc::clone(&next));
        workers.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= ledgers {
                    return tally;
                }
                // The steps are the same again with the same seed; what comes first is not.
                let mut random = Random::new(seed.wrapping_add(number as u64));
                match on_one_ledger(&home, &mut random).await {
                    Ok(more) => tally.add(&more),
                    Err(found) => panic!("{}, ledger {number} with KESSAI_SEED={seed}: {found}", home.name),
                }
            }
        });
    }
    let mut tally = Tally::default();
    while let Some(worker) = workers.join_next().await {
        tally.add(&worker.expect("a race has no explanation"));
    }
    println!(
        "{}: {} races in {:.1?}, {tally:?}",
        home.name,
        ledgers * RACES_PER_LEDGER,
        start.elapsed()
    );
    assert!(
        tally.paid > ledgers && tally.held > ledgers && tally.done > 0,
        "{tally:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_four_callers_hear_at_once_on_the_memory_ledger_has_an_order() {
    races(Home::memory(), 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_four_callers_hear_at_once_on_the_sqlite_ledger_has_an_order() {
    races(Home::sqlite(), 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_four_callers_hear_at_once_on_the_postgres_ledger_has_an_order() {
    if let Some(home) = Home::postgres_with(NonZeroUsize::new(usize::from(CALLERS)).unwrap()) {
        races(home, 40).await;
    }
}
