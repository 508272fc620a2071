//! Long random histories: crashes, lost replies, repeated deliveries, clocks that jump, a switch that is turned.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::driver::Tally;
use super::homes::Home;
use super::run;
use super::steps::history;

/// Steps of one history, each on a ledger of its own.
const LENGTH: usize = 500;

/// The whole state is compared so often.
const AUDIT: usize = 250;

/// The seed of this run, told so that it can be had again.
pub fn seed() -> u64 {
    let seed = match std::env::var("KESSAI_SEED") {
        Ok(seed) => seed.parse().expect("KESSAI_SEED is a number"),
        Err(_) => u64::from(SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos()),
    };
    println!("seed {seed}: set KESSAI_SEED to have the same histories again");
    seed
}

fn steps(usual: usize) -> usize {
    match std::env::var("KESSAI_MODEL_STEPS") {
        Ok(steps) => steps.parse().expect("KESSAI_MODEL_STEPS is a number"),
        Err(_) => usual,
    }
}

async fn agrees(home: Home, usual: usize) {
    let seed = seed();
    let count = steps(usual).div_ceil(LENGTH);
    let deaths = home.deaths;
    let start = Instant::now();
    let maker = move |number| history(seed.wrapping_add(number as u64), LENGTH, deaths);
    let tally = match run::all(&home, count, AUDIT, Arc::new(maker)).await {
        Ok(tally) => tally,
        Err(failure) => panic!("{} with KESSAI_SEED={seed}: {failure}", home.name),
    };
    println!("{}: {count} histories in {:.1?}, {tally:?}", home.name, start.elapsed());
    assert_eq!(tally.steps, count * LENGTH);
    shows_something(&tally);
}

/// A run in which nothing was paid, held or lost would agree with anything.
fn shows_something(tally: &Tally) {
    let Tally {
        steps,
        paid,
        held,
        older,
        done,
        lost_replies,
        deaths,
        doubts,
    } = *tally;
    assert!(paid * 200 > steps, "too little was paid: {tally:?}");
    assert!(
        held * 50 > steps && older * 100 > steps,
        "too little was refused: {tally:?}"
    );
    assert!(done * 1000 > steps, "too little was fulfilled: {tally:?}");
    assert!(lost_replies * 50 > steps, "too few replies were lost: {tally:?}");
    assert!(deaths > 0 && doubts > 0, "too few deaths: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_random_steps_on_the_memory_ledger_go_as_the_model_says() {
    agrees(Home::memory(), 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_random_steps_on_the_sqlite_ledger_go_as_the_model_says() {
    agrees(Home::sqlite(), 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_random_steps_on_the_postgres_ledger_go_as_the_model_says() {
    if let Some(home) = Home::postgres() {
        agrees(home, 100_000).await;
    }
}
