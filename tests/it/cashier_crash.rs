//! A store that answers messages is killed at random moments and started again (PAY-40, PAY-47). Every message that it answered
//! with success is on record, what it had not answered comes again, and each order ships under one key.
//!
//! The control is a store that answers first and records then. It has to be caught.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use kessai::gateways::stripe::{Stripe, signature_header};
use kessai::ledger::{Expected, Opened, RecordKind, StoredAttempt, verify};
use kessai::ledgers::SqliteLedger;
use kessai::sign::SigningKeys;
use kessai::{
    Callback, Cashier, Clock, ExpectedPayment, FulfilmentKey, GatewayId, GatewayReference, Ledger, MerchantReference,
    PaymentStatus,
};

use crate::ledger_crash::{FILE, ROUND, Random, run_and_kill, tell};
use crate::support::scripted::Scripted;
use crate::support::{SIGNING_SECRET, order, stripe, world};

const TEST: &str = "cashier_crash::sixty_kills_of_a_store_lose_no_acknowledged_message_and_ship_under_one_key";
const KILLS: u32 = 60;
/// Files are begun anew so that kills also hit the making of one.
const KILLS_PER_FILE: u32 = 10;

const CONTROL: &str = "cashier_crash::a_store_that_acknowledges_before_it_records_is_caught";
const ACKNOWLEDGES_FIRST: &str = "KESSAI_CRASH_ACKNOWLEDGES_FIRST";
/// A few kills are enough.
const MOST_KILLS_OF_THE_CONTROL: u32 = 60;

#[test]
fn sixty_kills_of_a_store_lose_no_acknowledged_message_and_ship_under_one_key() {
    // The process that is killed is this test as well, told so by its environment.
    match (std::env::var(FILE), std::env::var(ROUND)) {
        (Ok(path), Ok(round)) => Store::open(&path, round.parse().unwrap()).answer_until_killed(),
        _ => tokio::runtime::Runtime::new().unwrap().block_on(kill_and_compare()),
    }
}

#[test]
fn a_store_that_acknowledges_before_it_records_is_caught() {
    if let (Ok(path), Ok(round)) = (std::env::var(FILE), std::env::var(ROUND)) {
        return Store::open(&path, round.parse().unwrap()).answer_until_killed();
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut random = Random::new();
    let caught = (0..MOST_KILLS_OF_THE_CONTROL).find(|kill| {
        let path = folder.path().join(format!("ledger-{kill}.db"));
        let after = Duration::from_millis(20 + random.below(60));
        // The first round is killed from its very start: this one is killed at work.
        let lines = run_and_kill(CONTROL, &path, 1, after, &[(ACKNOWLEDGES_FIRST, "1")]);
        let mut heard = Heard::default();
        heard.take(&lines);
        runtime.block_on(heard.lost(&path)) > 0
    });
    println!("caught by kill {caught:?}");
    assert!(caught.is_some(), "a store that loses messages would not be noticed");
}

async fn kill_and_compare() {
    let mut random = Random::new();
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (mut acknowledged, mut shipped, mut twice) = (0, 0, 0);
    for file in 0..KILLS / KILLS_PER_FILE {
        let path = folder.path().join(format!("ledger-{file}.db"));
        let mut heard = Heard::default();
        for round in 0..KILLS_PER_FILE {
            let after = Duration::from_millis(random.below(120));
            heard.take(&run_and_kill(TEST, &path, round, after, &[]));
            heard.compare_with(&path).await;
        }
        heard.end_well(&path).await;
        acknowledged += heard.acknowledged.len();
        shipped += heard.shipped.len();
        twice += heard.shipped_again;
    }
    println!(
        "{KILLS} kills in {:.1?}: {acknowledged} messages acknowledged, {shipped} orders shipped, {twice} shipped again under the \
         same key",
        start.elapsed()
    );
    assert!(acknowledged > 200, "only {acknowledged}: too few to show anything");
    assert!(twice > 0, "nothing was shipped twice: the kills missed that part");
}

/// What the gateway and the warehouse heard of the stores that were killed.
#[derive(Default)]
struct Heard {
    /// Orders, each with the attempt whose message was answered with success.
    acknowledged: HashMap<String, String>,
    /// Orders, each with the key under which it was shipped.
    shipped: HashMap<String, String>,
    done: HashSet<String>,
    shipped_again: usize,
}

impl Heard {
    fn take(&mut self, lines: &[String]) {
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                // A message that was answered before may come again: the gateway never says why.
                ["acknowledged", order, attempt] => {
                    let before = self.acknowledged.insert(order.to_owned(), attempt.to_owned());
                    assert!(before.is_none_or(|before| before == attempt), "{line}");
                }
                ["shipped", order, key] => {
                    assert!(!self.done.contains(key), "{key} was done and came again");
                    let before = self.shipped.insert(order.to_owned(), key.to_owned());
                    self.shipped_again += usize::from(before.is_some());
                    assert!(before.is_none_or(|before| before == key), "{order} has two keys");
                }
                ["done", key] => assert!(self.done.insert(key.to_owned()), "{key} was done twice"),
                _ => panic!("not a line of the killed process: {line:?}"),
            }
        }
    }

    /// Acknowledged messages of which there is no record.
    async fn lost(&self, path: &Path) -> usize {
        let ledger = SqliteLedger::open(path).unwrap();
        let mut lost = 0;
        for (order, attempt) in &self.acknowledged {
            let order = MerchantReference::new(order.as_str()).unwrap();
            let right = ledger.fulfilment_of(&order).await.unwrap();
            lost += usize::from(right.is_none_or(|right| right.attempt.as_str() != attempt));
        }
        lost
    }

    async fn compare_with(&self, path: &Path) {
        assert_eq!(self.lost(path).await, 0, "an acknowledged message is not on record");
        let ledger = SqliteLedger::open(path).unwrap();
        assert!(verify(&ledger, &[]).await.unwrap().is_intact());
        for (order, key) in &self.shipped {
            let order = MerchantReference::new(order.as_str()).unwrap();
            let right = ledger.fulfilment_of(&order).await.unwrap();
            let right = right.expect("an order was shipped, and its right is not on record");
            assert_eq!(
                (right.key.as_str(), &right.key),
                (key.as_str(), &FulfilmentKey::of(&right.attempt))
            );
            assert!(
                right.done_at.is_some() || !self.done.contains(key),
                "what was done is forgotten"
            );
        }
        // Paid, its right and its record are there together, or none of them is.
        for attempt in ledger.latest(usize::MAX).await.unwrap() {
            let right = ledger.fulfilment_of(&attempt.expected.order).await.unwrap();
            let story = ledger.timeline(attempt.reference()).await.unwrap();
            let rights = story
                .iter()
                .filter(|record| matches!(record.kind, RecordKind::Fulfilment { .. }));
            let paid = attempt.status == PaymentStatus::Captured;
            assert_eq!((right.is_some(), rights.count()), (paid, usize::from(paid)));
        }
    }

    /// The store runs again, nobody kills it, and the gateway delivers what was not acknowledged: every order is shipped.
    async fn end_well(&mut self, path: &Path) {
        let store = Store::open(path.to_str().unwrap(), KILLS_PER_FILE);
        for attempt in store.ledger.latest(usize::MAX).await.unwrap() {
            // None: killed before its page was there, so nobody could pay.
            if attempt.checkout.is_some() && !self.acknowledged.contains_key(attempt.expected.order.as_str()) {
                assert_eq!(store.answer(&attempt).await, 200);
            }
        }
        while let Some(due) = store.cashier.next_fulfilment().await.unwrap() {
            self.take(&[format!("shipped {} {}", due.order, due.key)]);
            assert!(due.done().await.unwrap());
        }
        for attempt in store.ledger.latest(usize::MAX).await.unwrap() {
            let right = store.ledger.fulfilment_of(&attempt.expected.order).await.unwrap();
            assert_eq!(right.is_some(), attempt.checkout.is_some());
            assert!(
                right.is_none_or(|right| right.done_at.is_some()),
                "an order was never shipped"
            );
        }
        assert!(
            self.acknowledged.keys().all(|order| self.shipped.contains_key(order)),
            "money was acknowledged and nothing shipped"
        );
    }
}

/// Ten minutes on in each round: whoever was killed with a lease holds nothing up.
#[derive(Clone, Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> SystemTime {
        SystemTime::now() + self.0
    }
}

#[derive(Clone)]
struct Store {
    ledger: Arc<SqliteLedger>,
    gateway: Arc<Stripe>,
    cashier: Cashier,
    clock: Ahead,
    round: u32,
    acknowledges_first: bool,
}

impl Store {
    fn open(path: &str, round: u32) -> Self {
        let ledger = Arc::new(SqliteLedger::open(path).unwrap());
        // Nobody is asked: a transport without answers.
        let gateway = Arc::new(stripe().transport(Arc::new(Scripted::new())).build().unwrap());
        let clock = Ahead(Duration::from_secs(600) * round);
        let cashier = Cashier::builder_over(Arc::clone(&ledger) as Arc<dyn Ledger>)
            .shared_gateway(Arc::clone(&gateway) as Arc<dyn kessai::Gateway>)
            .clock(clock.clone());
        Self {
            ledger,
            gateway,
            cashier: cashier.build().unwrap(),
            clock,
            round,
            acknowledges_first: std::env::var_os(ACKNOWLEDGES_FIRST).is_some(),
        }
    }

    /// What the test does in a process of its own.
    fn answer_until_killed(self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            for shopper in 0..8 {
                tokio::spawn(self.clone().sell(shopper));
            }
            tokio::spawn(self.clone().ship());
            // The gateway never heard of what happened, so it delivers all of it again.
            for attempt in self.ledger.latest(50).await.unwrap() {
                if attempt.checkout.is_some() {
                    self.deliver(&attempt).await;
                }
            }
            std::future::pending::<()>().await;
        });
    }

    /// The gateway delivers, and hears the reply.
    async fn deliver(&self, attempt: &StoredAttempt) {
        let expected = &attempt.expected;
        let acknowledged = format!("acknowledged {} {}", expected.order, expected.attempt);
        if self.acknowledges_first {
            tell(&acknowledged);
            self.answer(attempt).await;
        } else if self.answer(attempt).await == 200 {
            tell(&acknowledged);
        }
    }

    async fn answer(&self, attempt: &StoredAttempt) -> u16 {
        let now = self.clock.now();
        let body = world::paid(&format!("evt_{}", attempt.reference()), attempt).to_string();
        let keys = SigningKeys::from_texts([SIGNING_SECRET]).unwrap();
        let request = http::Request::post("/pay/stripe/notification")
            .header("Stripe-Signature", signature_header(&keys, now, body.as_bytes()))
            .body(Bytes::from(body))
            .unwrap();
        let callback = Callback::new(request, now).unwrap();
        self.cashier
            .callback(&GatewayId::STRIPE, callback)
            .await
            .status()
            .as_u16()
    }

    async fn sell(self, shopper: u32) {
        for number in 0.. {
            let name = format!("EC-{}-{shopper}-{number}", self.round);
            let now = self.clock.now();
            let expected = ExpectedPayment::plan(self.gateway.as_ref(), &order(&name), now).unwrap();
            assert!(matches!(
                self.ledger.expect(&expected).await.unwrap(),
                Expected::Written
            ));
            let opened = Opened {
                checkout: Some(GatewayReference::new(format!("cs_test_{name}")).unwrap()),
                ..Opened::default()
            };
            let _bound = self.ledger.opened(&expected.attempt, &opened, now).await.unwrap();
            let attempt = self.ledger.attempt(&expected.attempt).await.unwrap().unwrap();
            self.deliver(&attempt).await;
        }
    }

    async fn ship(self) {
        for number in 0_u32.. {
            let Some(due) = self.cashier.next_fulfilment().await.unwrap() else {
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            };
            let key = due.key.clone();
            tell(&format!("shipped {} {key}", due.order));
            // Some are shipped and the worker dies before it says so; then they come again.
            if number % 3 != 0 && due.done().await.unwrap() {
                tell(&format!("done {key}"));
            }
        }
    }
}
