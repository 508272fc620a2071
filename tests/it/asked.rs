//! What makes the store ask, and how often: messages about what is over, hints in any number, and several nodes at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kessai::gateways::gmopg::GmoPg;
use kessai::ledger::{AskDue, Asked, Expected, HeldEvidence, Ledger, Opened, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::transport::{BoxFuture, CallLimits, RetryPolicy, Transport, TransportError, TransportErrorKind};
use kessai::{
    Addresses, ApiKey, Callback, Cashier, Clock, Environment, ExpectedPayment, GatewayId, MerchantAccount,
    PaymentStatus, SweepPolicy,
};
use serde_json::json;

use crate::support::world::{TestClock, World, paid, session};
use crate::support::{order, start};

const SHOP: &str = "tshop00099661";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// GMO-PG, which tells everything by unsigned hints alone, as a transport that always answers, or never does.
#[derive(Clone, Debug)]
struct Wire(Arc<Mutex<Line>>);

struct Line {
    /// What it answers; nothing if it is down.
    says: Option<&'static str>,
    /// How often it was asked about each order.
    asked: HashMap<String, usize>,
    /// What happens while the question is on its way.
    meanwhile: Option<Box<dyn Fn() -> BoxFuture<'static, ()> + Send>>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line(..)")
    }
}

impl Wire {
    fn says(&self, says: Option<&'static str>) {
        self.0.lock().unwrap().says = says;
    }

    fn questions(&self) -> usize {
        self.0.lock().unwrap().asked.values().sum()
    }
}

impl Transport for Wire {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let body = String::from_utf8(request.body().to_vec()).unwrap();
        let order = body.split('&').find_map(|field| field.strip_prefix("OrderID="));
        *self
            .0
            .lock()
            .unwrap()
            .asked
            .entry(order.unwrap().to_owned())
            .or_default() += 1;
        Box::pin(async move {
            let meanwhile = self.0.lock().unwrap().meanwhile.as_ref().map(|happens| happens());
            if let Some(meanwhile) = meanwhile {
                meanwhile.await;
            }
            let says = self.0.lock().unwrap().says;
            let says = says.ok_or(TransportError::new(TransportErrorKind::Connect))?;
            Ok(http::Response::new(Bytes::from_static(says.as_bytes())))
        })
    }

    fn pause(&self, _: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// A store on so many nodes.
struct Store {
    nodes: Vec<Cashier>,
    ledger: Arc<dyn Ledger>,
    gateway: GmoPg,
    wire: Wire,
    clock: TestClock,
}

impl Store {
    fn on(nodes: usize) -> Self {
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
        let clock = TestClock::new();
        let wire = Wire(Arc::new(Mutex::new(Line {
            says: None,
            asked: HashMap::new(),
            meanwhile: None,
        })));
        let mut once = RetryPolicy::default();
        once.tries = 1;
        let gateway = GmoPg::builder(
            MerchantAccount::new(SHOP).unwrap(),
            ApiKey::new("kq7w2x9e").unwrap(),
            "shop01",
            Environment::Sandbox,
            Addresses::new("https://shop.example", "/pay/gmo").unwrap(),
        )
        .methods(["credit"])
        .transport(Arc::new(wire.clone()))
        .retry(once)
        .build()
        .unwrap();
        let node = || {
            Cashier::builder_over(Arc::clone(&ledger))
                .gateway(gateway.clone())
                .clock(clock.clone())
                .build()
                .unwrap()
        };
        Self {
            nodes: (0..nodes).map(|_| node()).collect(),
            ledger,
            gateway,
            wire,
            clock,
        }
    }

    /// An attempt with its page open.
    async fn open(&self, name: &str) -> ExpectedPayment {
        let expected = ExpectedPayment::plan(&self.gateway, &order(name), self.clock.now()).unwrap();
        assert!(matches!(
            self.ledger.expect(&expected).await.unwrap(),
            Expected::Written
        ));
        let opened = Opened::default();
        let _now = self
            .ledger
            .opened(&expected.attempt, &opened, self.clock.now())
            .await
            .unwrap();
        expected
    }

    /// Anybody can send this.
    async fn hint(&self, node: usize, about: &ExpectedPayment) {
        let body = format!("ShopID={SHOP}&OrderID={}", about.attempt);
        let request = http::Request::post("/pay/gmo/notification")
            .body(Bytes::from(body))
            .unwrap();
        let callback = Callback::new(request, self.clock.now()).unwrap();
        let reply = self.nodes[node].callback(&GatewayId::GMOPG, callback).await;
        assert_eq!(&reply.body()[..], b"0");
    }

    async fn sweep(&self, node: usize) -> usize {
        self.nodes[node].sweep(&SweepPolicy::default()).await.unwrap().asked
    }

    async fn attempt(&self, about: &ExpectedPayment) -> StoredAttempt {
        self.ledger.attempt(&about.attempt).await.unwrap().unwrap()
    }

    async fn held(&self) -> Vec<HeldEvidence> {
        self.ledger.held(100).await.unwrap()
    }
}

const CAPTURED: &str = "Status=CAPTURE&ProcessDate=20261101101639&JobCd=CAPTURE&Amount=3960&Tax=0";
const REFUNDED: &str = "Status=RETURN&ProcessDate=20261101101639&JobCd=RETURN&Amount=3960&Tax=0";
const FAILED: &str = "Status=PAYFAIL&ProcessDate=20261101101639&Amount=3960&Tax=0";
const WORKING: &str = "Status=AUTHPROCESS&ProcessDate=20261101101639&Amount=3960&Tax=0";

#[tokio::test]
async fn money_after_the_end_is_held_though_nothing_but_a_hint_tells_of_it() {
    let store = Store::on(1);
    let about = store.open("EC-1").await;
    store.wire.says(Some(FAILED));
    store.hint(0, &about).await;
    assert_eq!(store.sweep(0).await, 1);
    assert_eq!(store.attempt(&about).await.status, PaymentStatus::Failed);
    store.clock.advance(HOUR);
    assert_eq!(store.sweep(0).await, 0, "over, so not asked about");

    store.wire.says(Some(CAPTURED));
    store.hint(0, &about).await;
    assert_eq!(store.sweep(0).await, 1);
    assert_eq!(store.held().await.len(), 1, "a human looks");
    assert!(store.nodes[0].next_fulfilment().await.unwrap().is_none());
    store.clock.advance(HOUR * 100);
    assert_eq!(store.sweep(0).await, 0, "one answer is enough");
}

#[tokio::test]
async fn a_refund_that_only_a_hint_tells_of_is_seen_before_the_goods_leave() {
    let store = Store::on(1);
    let about = store.open("EC-1").await;
    for (says, status) in [(CAPTURED, PaymentStatus::Captured), (REFUNDED, PaymentStatus::Refunded)] {
        store.clock.advance(HOUR);
        store.wire.says(Some(says));
        store.hint(0, &about).await;
        assert_eq!(store.sweep(0).await, 1);
        assert_eq!(store.attempt(&about).await.status, status);
    }
    let due = store.nodes[0].next_fulfilment().await.unwrap().unwrap();
    assert_eq!(due.status(), PaymentStatus::Refunded);
    store.clock.advance(HOUR * 100);
    assert_eq!(store.sweep(0).await, 0);
}

#[tokio::test]
async fn what_is_over_is_asked_about_until_the_gateway_answers_but_not_for_ever() {
    for silent in [5, usize::MAX] {
        let store = Store::on(1);
        let about = store.open("EC-1").await;
        store.wire.says(Some(CAPTURED));
        store.hint(0, &about).await;
        assert_eq!(store.sweep(0).await, 1);
        store.clock.advance(HOUR);
        store.hint(0, &about).await;
        let mut questions = 0;
        for _ in 0..30 * 24 * 6 {
            store.wire.says((questions >= silent).then_some(REFUNDED));
            questions += store.sweep(0).await;
            store.clock.advance(MINUTE * 10);
        }
        if silent == 5 {
            assert_eq!(questions, 6);
            assert_eq!(store.attempt(&about).await.status, PaymentStatus::Refunded);
            continue;
        }
        assert_eq!(questions, 17, "two days and a half");
        // The next message begins anew.
        store.wire.says(Some(REFUNDED));
        store.hint(0, &about).await;
        assert_eq!(store.sweep(0).await, 1);
        assert_eq!(store.attempt(&about).await.status, PaymentStatus::Refunded);
    }
}

/// The bound that `rules::due_by_cue` states: for each attempt as many questions as hours, and eight.
#[tokio::test]
async fn hints_for_known_orders_with_a_sweep_each_minute_cost_a_bounded_number_of_questions() {
    const ORDERS: usize = 20;
    const HOURS: usize = 24;
    for says in [WORKING, CAPTURED, FAILED] {
        let store = Store::on(2);
        store.wire.says(Some(says));
        let mut all = Vec::new();
        for n in 0..ORDERS {
            all.push(store.open(&format!("EC-{n}")).await);
        }
        for minute in 0..HOURS * 60 {
            for about in &all {
                store.hint(minute % 2, about).await;
                store.hint((minute + 1) % 2, about).await;
            }
            store.sweep(0).await;
            store.sweep(1).await;
            store.clock.advance(MINUTE);
        }
        let questions = store.wire.questions();
        assert!(
            questions >= ORDERS * HOURS,
            "{says}: a hint is still worth a question: {questions}"
        );
        assert!(questions <= ORDERS * (HOURS + 8), "{says}: {questions}");
    }
}

#[tokio::test]
async fn hints_during_each_question_cost_no_more() {
    let store = Arc::new(Store::on(2));
    store.wire.says(Some(WORKING));
    let about = store.open("EC-1").await;
    let (other, told) = (Arc::clone(&store), about.clone());
    store.wire.0.lock().unwrap().meanwhile = Some(Box::new(move || {
        let (other, told) = (Arc::clone(&other), told.clone());
        Box::pin(async move { other.hint(1, &told).await })
    }));
    store.hint(0, &about).await;
    for _ in 0..24 * 60 {
        store.sweep(0).await;
        store.clock.advance(MINUTE);
    }
    assert!(store.wire.questions() <= 24 + 8, "{}", store.wire.questions());
}

#[tokio::test]
async fn two_nodes_never_ask_about_one_attempt_at_once_however_slow_the_gateway_is() {
    let store = Arc::new(Store::on(2));
    store.wire.says(Some(WORKING));
    for n in 0..20 {
        store.open(&format!("EC-{n}")).await;
    }
    store.clock.advance(MINUTE * 2);
    // Each question of the first node takes half a minute, and the second one sweeps meanwhile.
    let slow = Arc::clone(&store);
    let inside = Arc::new(Mutex::new(false));
    store.wire.0.lock().unwrap().meanwhile = Some(Box::new(move || {
        let (slow, inside) = (Arc::clone(&slow), Arc::clone(&inside));
        Box::pin(async move {
            if std::mem::replace(&mut *inside.lock().unwrap(), true) {
                return;
            }
            slow.clock.advance(MINUTE / 2);
            let few = SweepPolicy::default().most(1);
            slow.nodes[1].sweep(&few).await.unwrap();
            *inside.lock().unwrap() = false;
        })
    }));
    store.sweep(0).await;
    let asked = store.wire.0.lock().unwrap().asked.clone();
    assert_eq!(asked.len(), 20);
    // After two minutes without news the next question is a fair one.
    let most = asked.values().max().unwrap();
    assert!(*most <= 3, "{asked:?}");
    let twice = asked.values().filter(|times| **times > 1).count();
    println!("{twice} were due again by the end");
}

/// Node A is asking, and its answer is older than the message that node B gets meanwhile.
#[tokio::test]
async fn a_message_that_another_node_hears_during_a_question_is_not_lost() {
    for (says, next, status) in [
        // The answer ends the attempt, and its asking with it.
        (CAPTURED, REFUNDED, PaymentStatus::Refunded),
        (WORKING, CAPTURED, PaymentStatus::Captured),
    ] {
        let store = Arc::new(Store::on(2));
        let about = store.open("EC-1").await;
        store.wire.says(Some(says));
        store.clock.advance(MINUTE * 3);
        let (other, told) = (Arc::clone(&store), about.clone());
        store.wire.0.lock().unwrap().meanwhile = Some(Box::new(move || {
            let (other, told) = (Arc::clone(&other), told.clone());
            Box::pin(async move {
                other.clock.advance(Duration::from_millis(200));
                other.hint(1, &told).await;
            })
        }));
        assert_eq!(store.sweep(0).await, 1);
        store.wire.0.lock().unwrap().meanwhile = None;
        store.wire.says(Some(next));
        store.clock.advance(MINUTE);
        assert_eq!(store.sweep(1).await, 1, "{says}");
        assert_eq!(store.attempt(&about).await.status, status);
    }
}

/// The same with a message that was proven: it is asked about at once.
#[tokio::test]
async fn a_proven_message_that_another_node_hears_during_a_question_is_asked_about_at_once() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let (asking, hearing) = (World::over(Arc::clone(&ledger)), World::over(ledger));
    let attempt = asking.open(&order("EC-1"), "cs_test_1").await;
    asking.clock.advance(MINUTE * 3);
    hearing.clock.advance(MINUTE * 3);
    let due = AskDue {
        gateway: GatewayId::STRIPE,
        now: asking.clock.now(),
        lease: HOUR,
        limit: 1,
    };
    let seen = asking.cashier.ledger().attempts_to_ask(&due).await.unwrap().remove(0);
    hearing.clock.advance(Duration::from_millis(200));
    let mut silent = paid("evt_1", &attempt);
    silent["data"]["object"]["amount_total"] = json!(null);
    assert_eq!(
        hearing.deliver(&silent).await,
        200,
        "it says that something was paid and not how much"
    );
    let asked = Asked {
        answered: true,
        next: Some(asking.clock.now() + HOUR),
    };
    let ledger = asking.cashier.ledger();
    ledger.asked(&seen, &asked, asking.clock.now()).await.unwrap();
    hearing
        .script
        .answer(200, session(&attempt, "complete", "paid").to_string());
    let swept = hearing.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((swept.asked, swept.paid), (1, 1));
    assert_eq!(hearing.deliver(&paid("evt_2", &attempt)).await, 200);
    assert_eq!(hearing.fulfil_all().await.len(), 1);
}

#[tokio::test]
async fn a_gateway_that_was_taken_out_of_the_configuration_holds_nothing_back() {
    let store = Store::on(1);
    store.wire.says(Some(CAPTURED));
    for n in 0..1500 {
        let mut expected = ExpectedPayment::plan(&store.gateway, &order(&format!("EC-{n}")), start()).unwrap();
        expected.gateway = GatewayId::KOMOJU;
        assert!(matches!(
            store.ledger.expect(&expected).await.unwrap(),
            Expected::Written
        ));
    }
    store.clock.advance(MINUTE);
    store.open("EC-PAID").await;
    store.clock.advance(MINUTE * 3);
    let swept = store.nodes[0].sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((swept.asked, swept.paid, swept.left), (1, 1, 1500));
}
