//! Two processes on one database, as two storefronts are: whatever comes to both is done once, also when one of them is killed
//! in the middle of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::TestGateway;
use kessai::ledger::{Expected, ModeChange, Switch, SwitchText, verify};
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::NoTls;
use kessai::{Applied, ExpectedPayment, Ledger};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

use super::worker::{Place, Random, Worker, place, tell, work};
use super::{deliver, node, open, paid};

const ORDERS: usize = 8;
/// For each order, half of them to each process.
const CALLBACKS: usize = 64;
const HALF: usize = CALLBACKS / 2;
const KILLS: usize = 6;

/// What a worker works with.
#[derive(Clone)]
struct Shop {
    ledger: Arc<PostgresLedger>,
    gateway: Arc<TestGateway>,
}

impl Shop {
    async fn at(place: &Place) -> Self {
        let ledger = node(&place.server.parse().unwrap(), &place.schema).connect(NoTls).await;
        Self {
            ledger: Arc::new(ledger.unwrap()),
            gateway: Arc::new(TestGateway::new().unwrap()),
        }
    }

    async fn orders(&self) -> Vec<ExpectedPayment> {
        let attempts = self.ledger.latest(ORDERS).await.unwrap();
        attempts.into_iter().map(|attempt| attempt.expected).collect()
    }

    /// One callback, and its acknowledgement.
    async fn callback(self, expected: ExpectedPayment, number: usize) {
        // Some are the same fact, some the same money heard of in another way.
        let said = paid(&expected).heard_as(&format!("way-{}", number % 5)).unwrap();
        match deliver(self.ledger.as_ref(), &self.gateway, &said).await.unwrap() {
            Applied::Now => tell(&format!("paid {}", expected.order)),
            Applied::Already => tell(&format!("known {}", expected.order)),
            other => panic!("{}: {other:?}", expected.order),
        }
    }

    async fn fulfil(self) {
        let now = SystemTime::now;
        loop {
            let lease = Duration::from_millis(200);
            let Some(right) = self.ledger.next_fulfilment(now(), lease).await.unwrap() else {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            };
            if self.ledger.done(&right.key, now()).await.unwrap() {
                tell(&format!("done {}", right.order));
            }
        }
    }
}

/// Callbacks for every order at once, and the rights they give, until it is killed.
async fn take_callbacks(place: &Place) {
    let shop = Shop::at(place).await;
    let orders = shop.orders().await;
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    tell("ready");
    assert_eq!(input.next_line().await.unwrap().as_deref(), Some("go"));
    let mut callbacks = JoinSet::new();
    for number in 0..HALF {
        for expected in &orders {
            callbacks.spawn(shop.clone().callback(expected.clone(), number));
        }
    }
    let mut fulfils = JoinSet::new();
    fulfils.spawn(shop.fulfil());
    while let Some(callback) = callbacks.join_next().await {
        callback.unwrap();
    }
    tell("over");
    fulfils.join_next().await.unwrap().unwrap();
}

/// What was told of each order.
#[derive(Default)]
struct Told {
    paid: HashMap<String, usize>,
    acknowledged: HashMap<String, usize>,
    done: HashMap<String, usize>,
}

impl Told {
    fn take(&mut self, line: &str) {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["over"] => {}
            ["paid", order] => {
                count(&mut self.paid, order);
                count(&mut self.acknowledged, order);
            }
            ["known", order] => count(&mut self.acknowledged, order),
            ["done", order] => count(&mut self.done, order),
            _ => panic!("not a line of a worker: {line:?}"),
        }
    }
}

fn count(told: &mut HashMap<String, usize>, order: &str) {
    *told.entry(order.to_owned()).or_default() += 1;
}

#[test]
fn sixty_four_callbacks_for_each_order_on_two_processes_fulfil_each_once_though_one_is_killed() {
    if let Some(place) = place() {
        return work(take_callbacks(&place));
    }
    if super::server().is_none() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut random = Random::new();
    let mut cut = 0;
    for _ in 0..KILLS {
        cut += usize::from(runtime.block_on(kill_one_of_two(&mut random)) < HALF * ORDERS);
    }
    println!("{cut} of {KILLS} were killed in the middle of their callbacks");
    assert!(cut > KILLS / 2, "too few to show anything");
}

/// How many callbacks the one that was killed had acknowledged.
async fn kill_one_of_two(random: &mut Random) -> usize {
    const NAME: &str = "postgres::processes::\
                        sixty_four_callbacks_for_each_order_on_two_processes_fulfil_each_once_though_one_is_killed";
    let server = super::server().unwrap();
    let schema = super::schema("processes");
    let [ledger] = super::nodes(&server, &schema).await;
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        orders.push(open(ledger.as_ref(), &gateway, &format!("order-{number}")).await);
    }
    let mut workers = ["a", "b"].map(|name| Worker::start(NAME, &schema, name));
    for worker in &workers {
        assert_eq!(worker.line(), "ready");
    }
    for worker in &mut workers {
        worker.say("go");
    }
    let [victim, survivor] = workers;
    let mut told = Told::default();
    for _ in 0..random.below(u64::try_from(HALF * ORDERS / 2).unwrap()) {
        told.take(&victim.line());
    }
    for line in victim.kill() {
        told.take(&line);
    }
    let of_victim = told.acknowledged.clone();
    loop {
        let line = survivor.line();
        told.take(&line);
        if line == "over" {
            break;
        }
    }
    // What the dead one did not acknowledge the gateway delivers again, to whoever is there.
    let mut again = JoinSet::new();
    for expected in &orders {
        let known = of_victim.get(expected.order.as_str()).copied().unwrap_or_default();
        for number in known..HALF {
            let (ledger, gateway) = (Arc::clone(&ledger), Arc::clone(&gateway));
            let said = paid(expected).heard_as(&format!("way-{}", number % 5)).unwrap();
            again.spawn(async move { deliver(ledger.as_ref(), &gateway, &said).await.unwrap() });
        }
    }
    while let Some(applied) = again.join_next().await {
        // The survivor had callbacks for every order, so each of them is paid.
        assert_eq!(applied.unwrap(), Applied::Already);
    }
    is_fulfilled(&ledger, &orders).await;
    for line in survivor.kill() {
        told.take(&line);
    }
    for expected in &orders {
        let of = |told: &HashMap<String, usize>| told.get(expected.order.as_str()).copied().unwrap_or_default();
        // Nobody is told twice; and nobody at all only if the one that was told so died of it.
        assert!(of(&told.paid) <= 1 && of(&told.done) <= 1, "{}", expected.order);
        assert!(of(&told.acknowledged) >= HALF, "{}", expected.order);
        let timeline = ledger.timeline(&expected.attempt).await.unwrap();
        for word in ["applied", "fulfilment", "fulfilled"] {
            let lines = timeline.iter().filter(|record| record.kind.as_str() == word);
            assert_eq!(lines.count(), 1, "{} {word}", expected.order);
        }
    }
    ledger.check().await.unwrap();
    let whole = verify(ledger.as_ref(), &[]).await.unwrap();
    assert!(whole.is_intact(), "{whole:?}");
    of_victim.values().sum()
}

/// Waits until every order is fulfilled: also those whose right the dead one had taken.
async fn is_fulfilled(ledger: &PostgresLedger, orders: &[ExpectedPayment]) {
    let clock = Instant::now();
    for expected in orders {
        loop {
            let right = ledger.fulfilment_of(&expected.order).await.unwrap();
            if right.expect("a payment was lost").done_at.is_some() {
                break;
            }
            assert!(
                clock.elapsed() < Duration::from_secs(30),
                "{} is not fulfilled",
                expected.order
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Opens, and takes callbacks for everything that is open, until it is killed. It stops the store when it is told to.
async fn sell(place: &Place) {
    let shop = Shop::at(place).await;
    let orders = shop.orders().await;
    let mut tasks = JoinSet::new();
    for number in 0..HALF {
        let (shop, orders) = (shop.clone(), orders.clone());
        tasks.spawn(async move {
            for expected in orders.iter().cycle() {
                let said = paid(expected).heard_as(&format!("way-{}", number % 5)).unwrap();
                let _ = deliver(shop.ledger.as_ref(), &shop.gateway, &said).await.unwrap();
            }
        });
    }
    for shopper in 0..4 {
        tasks.spawn(open_until_refused(shop.clone(), format!("{}-{shopper}", place.name)));
    }
    tasks.spawn(async move {
        let mut input = BufReader::new(tokio::io::stdin()).lines();
        assert_eq!(input.next_line().await.unwrap().as_deref(), Some("stop"));
        let change = ModeChange {
            switch: Switch::Stop,
            actor: SwitchText::new("operator-7").unwrap(),
            reason: SwitchText::new("incident 12").unwrap(),
        };
        assert!(
            shop.ledger
                .set_mode(&change, SystemTime::now())
                .await
                .unwrap()
                .stopped
                .is_some()
        );
        tell(&format!("stopped {}", micros()));
        std::future::pending::<()>().await;
    });
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

async fn open_until_refused(shop: Shop, name: String) {
    for number in 0.. {
        let begun = micros();
        let expected = shop
            .gateway
            .expected(&format!("{name}-{number}"), SystemTime::now())
            .unwrap();
        match shop.ledger.expect(&expected).await.unwrap() {
            Expected::Written => tell(&format!("opened {begun}")),
            Expected::Stopped(_) => return tell(&format!("refused {}", micros())),
            other => panic!("{other:?}"),
        }
    }
}

/// Of one clock, on one machine.
fn micros() -> u128 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()
}

/// The number behind the word.
fn moment(line: &str, word: &str) -> Option<u128> {
    let (first, rest) = line.split_once(' ')?;
    (first == word).then(|| rest.parse().unwrap())
}

#[test]
fn a_stop_in_one_process_refuses_in_the_other_within_a_second_while_both_take_callbacks() {
    const NAME: &str = "postgres::processes::\
                        a_stop_in_one_process_refuses_in_the_other_within_a_second_while_both_take_callbacks";
    if let Some(place) = place() {
        return work(sell(&place));
    }
    let Some(server) = super::server() else { return };
    let schema = super::schema("processes");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = runtime.block_on(async {
        let [ledger] = super::nodes(&server, &schema).await;
        let gateway = TestGateway::new().unwrap();
        for number in 0..ORDERS {
            open(ledger.as_ref(), &gateway, &format!("order-{number}")).await;
        }
        ledger
    });
    let [other, mut stops] = ["other", "stops"].map(|name| Worker::start(NAME, &schema, name));
    for worker in [&other, &stops] {
        for _ in 0..40 {
            assert!(moment(&worker.line(), "opened").is_some());
        }
    }
    stops.say("stop");
    let stopped = loop {
        if let Some(stopped) = moment(&stops.line(), "stopped") {
            break stopped;
        }
    };
    let (mut refused, mut last) = (0, 0);
    while refused < 4 {
        let line = other.line();
        if let Some(begun) = moment(&line, "opened") {
            assert!(begun <= stopped, "it was opened after the stop was answered");
        } else {
            last = moment(&line, "refused").unwrap();
            refused += 1;
            assert!(last < stopped + 1_000_000, "{} µs", last.saturating_sub(stopped));
        }
    }
    println!(
        "the last of four was refused {} µs after the stop",
        last.saturating_sub(stopped)
    );
    // The callbacks went on all the while.
    assert!(other.kill().is_empty());
    stops.kill();
    let whole = runtime.block_on(verify(ledger.as_ref(), &[])).unwrap();
    assert!(whole.is_intact(), "{whole:?}");
}
