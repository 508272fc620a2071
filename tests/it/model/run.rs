//! Running many histories, and cutting one that fails down to what is needed to fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::driver::{Driver, Tally};
use super::homes::Home;
use super::steps::{Luck, Step};

/// How many histories run beside each other: two cores, and some that wait.
const TOGETHER: usize = 4;

/// How long a failing history is cut.
const CUTTING: Duration = Duration::from_secs(30);

/// Makes the history of this number, each time the same.
pub type Maker = dyn Fn(usize) -> Vec<Step> + Send + Sync;

/// What failed, cut down.
#[derive(Debug)]
pub struct Failure {
    pub number: usize,
    /// How many steps of it were needed to fail.
    pub prefix: usize,
    pub found: String,
    /// Fewer steps that still fail, and how.
    pub cut: Vec<Step>,
    pub cut_found: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "history {} fails at step {}: {}",
            self.number, self.prefix, self.found
        )?;
        writeln!(f, "{} of its steps are enough: {}", self.cut.len(), self.cut_found)?;
        self.cut.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

/// All histories, on a fresh ledger each.
pub async fn all(home: &Home, count: usize, audit_every: usize, maker: Arc<Maker>) -> Result<Tally, Box<Failure>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..TOGETHER {
        let (home, next, maker) = (home.clone(), Arc::clone(&next), Arc::clone(&maker));
        workers.spawn(async move {
            let mut tally = Tally::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(tally);
                }
                match one(&home, audit_every, &maker(number)).await {
                    Ok(more) => tally.add(&more),
                    Err((prefix, found)) => {
                        next.store(count, Ordering::Relaxed);
                        return Err((number, prefix, found));
                    }
                }
            }
        });
    }
    let mut tally = Tally::default();
    let mut failed = None;
    while let Some(worker) = workers.join_next().await {
        match worker.expect("a worker panicked") {
            Ok(more) => tally.add(&more),
            Err(failure) => failed = Some(failure),
        }
    }
    let Some((number, prefix, found)) = failed else {
        return Ok(tally);
    };
    let mut steps = maker(number);
    steps.truncate(prefix);
    let (cut, cut_found) = cut_down(home, steps, found.clone()).await;
    Err(Box::new(Failure {
        number,
        prefix,
        found,
        cut,
        cut_found,
    }))
}

/// One history on a fresh ledger. The error says after how many steps, and what.
pub async fn one(home: &Home, audit_every: usize, steps: &[Step]) -> Result<Tally, (usize, String)> {
    let ledger = home.source.fresh().await.map_err(|found| (0, found))?;
    let mut driver = Driver::new(ledger, home.keeps, audit_every);
    go_through(&mut driver, home, steps).await?;
    Ok(driver.tally)
}

/// The same on a ledger that the driver has already.
pub async fn go_through(driver: &mut Driver, home: &Home, steps: &[Step]) -> Result<(), (usize, String)> {
    for (number, step) in steps.iter().enumerate() {
        let compared = driver.step(home.source.as_ref(), step).await;
        compared.map_err(|found| (number + 1, found))?;
    }
    driver.finish().await.map_err(|found| (steps.len(), found))
}

/// Leaves out what is not needed: halves first, single steps at last.
pub async fn cut_down(home: &Home, mut steps: Vec<Step>, mut found: String) -> (Vec<Step>, String) {
    let end = Instant::now() + CUTTING;
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut start = 0;
        while start < steps.len() && Instant::now() < end {
            let mut fewer = steps.clone();
            fewer.drain(start..(start + size).min(steps.len()));
            // Looking at everything after every step finds the first one that is wrong, and takes its time.
            let audit_every = if size > 8 { 100 } else { 1 };
            if let Err((prefix, still)) = one(home, audit_every, &fewer).await {
                fewer.truncate(prefix);
                (steps, found) = (fewer, still);
            } else {
                start += size;
            }
        }
        size /= 2;
    }
    // Bad luck only where it is needed.
    for place in 0..steps.len() {
        let mut calmer = steps.clone();
        if calmer[place].luck == Luck::Good || Instant::now() >= end {
            continue;
        }
        calmer[place].luck = Luck::Good;
        if let Err((prefix, still)) = one(home, 1, &calmer).await {
            calmer.truncate(prefix);
            (steps, found) = (calmer, still);
            if place >= steps.len() {
                break;
            }
        }
    }
    (steps, found)
}
