//! Every order in which up to five messages can come, repetitions included (PAY-35). A shorter sequence is the beginning of a
//! longer one, and each step is compared, so the sequences of five hold them all.
//!
//! And three callers at once, each of which finds and judges a message and applies it later (PAY-45): whatever the others did in
//! between. Every message of three, in every order of the six steps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use kessai::PaymentStatus as S;
use tokio::task::JoinSet;

use super::driver::{Driver, Tally};
use super::homes::Home;
use super::reference::PAGE;
use super::run;
use super::steps::{Plan, START, Step, Tell, Twist, What};

const LENGTH: u32 = 5;

/// Callers at once.
const CALLERS: usize = 3;

/// How the messages of a sequence are handled.
#[derive(Clone, Copy, PartialEq)]
enum Handled {
    /// One after the other, each found, judged and applied at once.
    InTurn,
    /// Found and judged by one, and applied by it while others do the same.
    AtOnce,
}
use Handled::{AtOnce, InTurn};

/// Two attempts, and the messages that can come about them: of which one, what, and under which name of the payment.
struct Scene {
    name: &'static str,
    orders: Orders,
    manual: bool,
    letters: &'static [(u32, S, Payment)],
}

/// How many messages of a scene are told in every order, unless all are asked for.
const USUAL: usize = 5;

fn asked_for_all() -> bool {
    std::env::var("KESSAI_MODEL_WIDE").is_ok_and(|value| value == "1")
}

#[derive(Clone, Copy, PartialEq)]
enum Orders {
    /// Of one order: the answer to the first was lost, it lapsed, and the second was opened. Both pages exist.
    One,
    /// Of two orders.
    Two,
}

#[derive(Clone, Copy)]
enum Payment {
    Own,
    /// The same transaction for both.
    Shared,
    Unnamed,
}
use Payment::{Own, Shared, Unnamed};

const SCENES: [Scene; 4] = [
    Scene {
        name: "two attempts of one order",
        orders: Orders::One,
        manual: false,
        letters: &[
            (0, S::Captured, Own),
            (0, S::Failed, Unnamed),
            (0, S::Refunded, Own),
            (1, S::Captured, Own),
            (1, S::Failed, Unnamed),
            (0, S::Pending, Unnamed),
            (1, S::Pending, Unnamed),
            (1, S::Refunded, Own),
        ],
    },
    Scene {
        name: "two attempts of one order, captured later",
        orders: Orders::One,
        manual: true,
        letters: &[
            (0, S::Authorized, Own),
            (0, S::Captured, Own),
            (0, S::Cancelled, Own),
            (1, S::Authorized, Own),
            (1, S::Cancelled, Own),
            (1, S::Captured, Own),
        ],
    },
    Scene {
        name: "money that goes back",
        orders: Orders::One,
        manual: false,
        letters: &[
            (0, S::Captured, Own),
            (0, S::PartiallyRefunded, Own),
            (0, S::Disputed, Own),
            (1, S::Captured, Own),
            (1, S::Expired, Unnamed),
            (1, S::RequiresAction, Unnamed),
        ],
    },
    Scene {
        name: "two orders and one transaction",
        orders: Orders::Two,
        manual: false,
        letters: &[
            (0, S::Captured, Shared),
            (0, S::Captured, Own),
            (0, S::Failed, Unnamed),
            (1, S::Captured, Shared),
            (1, S::Refunded, Shared),
            (1, S::Pending, Own),
        ],
    },
];

impl Scene {
    fn letters(&self) -> &'static [(u32, S, Payment)] {
        if asked_for_all() {
            self.letters
        } else {
            &self.letters[..USUAL]
        }
    }

    fn sequences(&self, handled: Handled) -> usize {
        match handled {
            InTurn => self.letters().len().pow(LENGTH),
            AtOnce => self.letters().len().pow(3) * ways().len(),
        }
    }

    /// One sequence, on two attempts of its own.
    fn steps(&self, handled: Handled, sequence: usize, place: usize) -> Vec<Step> {
        let place = u32::try_from(place).unwrap();
        let numbers = [2 * place, 2 * place + 1];
        let later = START + PAGE + 3600;
        let mut steps = self.opened(numbers, later);
        let (letters, mut rest) = (self.letters(), sequence);
        let mut tell = || {
            let letter = letters[rest % letters.len()];
            rest /= letters.len();
            tell(letter, numbers)
        };
        let whats: Vec<What> = match handled {
            InTurn => (0..LENGTH).map(|_| What::Tell(tell())).collect(),
            AtOnce => {
                let tells: [Tell; CALLERS] = std::array::from_fn(|_| tell());
                let mut judged = [false; CALLERS];
                let steps = ways()[rest].iter().map(|caller| {
                    let slot = u8::try_from(*caller).unwrap();
                    if std::mem::replace(&mut judged[*caller], true) {
                        return What::ApplyKept { slot };
                    }
                    let tell = tells[*caller];
                    What::Judge { slot, tell }
                });
                steps.collect()
            }
        };
        let times = later..;
        steps.extend(times.zip(whats).map(|(at, what)| Step::new(at, what)));
        steps
    }

    /// Both attempts are written down and can be paid.
    fn opened(&self, numbers: [u32; 2], later: u64) -> Vec<Step> {
        let second = match self.orders {
            Orders::One => 0,
            Orders::Two => 1,
        };
        let plan = |of: usize, order, created| Plan {
            attempt: numbers[of],
            order,
            manual: self.manual,
            created,
        };
        let open = |attempt| What::Open {
            attempt,
            checkout: Some(attempt),
            payment: None,
            expires: None,
        };
        let mut steps = vec![Step::new(START, What::Expect(plan(0, numbers[0], START)))];
        if self.orders == Orders::Two {
            steps.push(Step::new(START, open(numbers[0])));
        }
        steps.push(Step::new(later, What::Expect(plan(1, numbers[0] + second, later))));
        steps.push(Step::new(later, open(numbers[1])));
        steps
    }
}

fn tell((of, status, payment): (u32, S, Payment), numbers: [u32; 2]) -> Tell {
    let about = numbers[of as usize];
    Tell {
        about,
        status,
        checkout: Some(about),
        payment: match payment {
            Own => Some(2 * about),
            // No attempt's own name is odd.
            Shared => Some(2 * numbers[0] + 1),
            Unnamed => None,
        },
        twist: Twist::None,
        way: 0,
    }
}

/// Every order of the steps of the callers, two of each; which of them has which name makes no difference.
fn ways() -> &'static [Vec<usize>] {
    static WAYS: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
        let mut ways = vec![Vec::new()];
        for _ in 0..2 * CALLERS {
            ways = ways
                .iter()
                .flat_map(|way: &Vec<usize>| {
                    let met = way.iter().max().map_or(0, |most| most + 1);
                    let free =
                        (0..CALLERS.min(met + 1)).filter(|caller| way.iter().filter(|one| *one == caller).count() < 2);
                    free.map(|caller| [way.as_slice(), &[caller]].concat())
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        ways
    });
    &WAYS
}

/// Every `stride`-th sequence of every scene; `together` of them in one ledger.
async fn every_order(home: Home, handled: Handled, stride: usize, together: usize) {
    let start = Instant::now();
    for scene in &SCENES {
        let sequences: Vec<usize> = (0..scene.sequences(handled)).step_by(stride).collect();
        let chunks: Arc<Vec<Vec<usize>>> = Arc::new(sequences.chunks(together).map(<[_]>::to_vec).collect());
        let tally = go(&home, scene, handled, &chunks).await;
        println!(
            "{}, {}: {} of {} sequences, {tally:?}",
            home.name,
            scene.name,
            sequences.len(),
            scene.sequences(handled)
        );
        assert!(tally.paid > 0 && tally.held > 0 && tally.older > 0, "{tally:?}");
    }
    println!("{}: all scenes in {:.1?}", home.name, start.elapsed());
}

async fn go(home: &Home, scene: &'static Scene, handled: Handled, chunks: &Arc<Vec<Vec<usize>>>) -> Tally {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        let (home, next, chunks) = (home.clone(), Arc::clone(&next), Arc::clone(chunks));
        workers.spawn(async move {
            let mut driver: Option<Driver> = None;
            while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let ledger = home.source.fresh().await.unwrap();
                // Each ledger holds attempts of the same names, so that each proof is made once.
                let driver = match &mut driver {
                    Some(driver) => {
                        driver.begin_again(ledger);
                        driver
                    }
                    None => driver.insert(Driver::new(ledger, home.keeps, usize::MAX)),
                };
                let steps: Vec<Step> = (0..)
                    .zip(chunk)
                    .flat_map(|(place, sequence)| scene.steps(handled, *sequence, place))
                    .collect();
                if let Err((prefix, found)) = run::go_through(driver, &home, &steps).await {
                    let failing = steps[..prefix].to_vec();
                    let (cut, cut_found) = run::cut_down(&home, failing, found.clone()).await;
                    panic!(
                        "{}, {}: {found}\ncut down: {cut_found}\n{cut:#?}",
                        home.name, scene.name
                    );
                }
            }
            driver.map_or_else(Tally::default, |driver| driver.tally)
        });
    }
    let mut tally = Tally::default();
    while let Some(worker) = workers.join_next().await {
        tally.add(&worker.expect("a sequence differs"));
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_five_messages_on_the_memory_ledger_goes_as_the_model_says() {
    every_order(Home::memory(), InTurn, 1, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_five_messages_on_the_sqlite_ledger_goes_as_the_model_says() {
    every_order(Home::sqlite(), InTurn, 1, 125).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_five_messages_on_the_postgres_ledger_goes_as_the_model_says() {
    if let Some(home) = Home::postgres() {
        every_order(home, InTurn, 1, 125).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_three_callers_on_the_memory_ledger_goes_as_the_model_says() {
    every_order(Home::memory(), AtOnce, 1, 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_three_callers_on_the_sqlite_ledger_goes_as_the_model_says() {
    every_order(Home::sqlite(), AtOnce, 1, 125).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_three_callers_on_the_postgres_ledger_go_as_the_model_says() {
    // A server takes its time for each step: every so manieth, by default, spread over all.
    let stride = if asked_for_all() { 1 } else { 7 };
    if let Some(home) = Home::postgres() {
        every_order(home, AtOnce, stride, 125).await;
    }
}

#[test]
fn three_callers_of_two_steps_each_have_fifteen_orders() {
    assert_eq!(ways().len(), 15);
    assert_eq!(ways()[0], [0, 0, 1, 1, 2, 2]);
    assert_eq!(ways()[14], [0, 1, 2, 2, 1, 0]);
}
