//! Floods: forged messages and returns in any number leave no record, cause no question, fill no log and no memory (PAY-64).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::{Request, Response};
use kessai::gateways::stripe::Stripe;
use kessai::ledger::Ledger;
use kessai::security_event::{SAMPLED_PER_MINUTE, SecurityRecord, SinkError};
use kessai::sign::SigningKeys;
use kessai::transport::{BoxFuture, CallLimits, RetryPolicy, Transport, TransportError};
use kessai::{Addresses, ApiKey, Callback, Cashier, Clock, GatewayId, SecuritySink, Standing};

use crate::fuzz_smoke::targets::callbacks::report;
use crate::fuzz_smoke::targets::line::{self, now};
use crate::fuzz_smoke::targets::shop::{self, ATTEMPT, Shop, TOKEN, World};

/// Six reasons to refuse a message, and the few that are told of each, with one line for the others.
const MOST_EVENTS: u64 = 6 * (SAMPLED_PER_MINUTE + 1);

/// How many forged messages each gateway gets.
fn flood() -> u64 {
    let asked = std::env::var("KESSAI_FLOOD").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(10_000)
}

/// A clock that tests move.
#[derive(Clone, Debug)]
struct Moving(Arc<AtomicU64>);

impl Moving {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(shop::START * 1000)))
    }

    fn advance(&self, milliseconds: u64) {
        self.0.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for Moving {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Counts events by the minute in which they are told.
#[derive(Clone, Debug, Default)]
pub struct Counted(Arc<Mutex<HashMap<u64, u64>>>);

impl SecuritySink for Counted {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        let since = record.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        *self.0.lock().unwrap().entry(since.as_secs() / 60).or_default() += 1;
        Ok(())
    }
}

/// The n-th forged message: of the form that the gateway's messages have, and every one different.
pub fn forged(gateway: &str, n: u64) -> Request<Bytes> {
    let request = Request::post(format!("/pay/{gateway}/notification"));
    let json = format!(
        "{{\"id\":\"evt_{n}\",\"object\":\"event\",\"type\":\"checkout.session.completed\",\"resource\":\"event\"}}"
    );
    let tag = format!("{n:064x}");
    let (request, body) = match (gateway, n % 4) {
        ("stripe", 0) => (
            request.header("stripe-signature", format!("t={},v1={tag}", shop::START + n)),
            json,
        ),
        ("stripe", 1) => (request.header("stripe-signature", format!("t={n},v1=,v0={tag}")), json),
        ("komoju", 0 | 1) => (request.header("x-komoju-signature", tag), json),
        ("gmopg", 0) => (
            request,
            format!("ShopID=tshop{n:08}&OrderID={ATTEMPT}&Status=CAPTURE&Amount=1"),
        ),
        // Looks like a genuine one, of an order that is not known.
        ("gmopg", 1) => (
            request,
            format!("ShopID={}&OrderID=x{n}&Status=CAPTURE&Amount=1980", shop::GMOPG_SHOP),
        ),
        // And of one that is: a reason to ask, once.
        ("gmopg", 2) => (
            request,
            format!(
                "ShopID={}&OrderID={ATTEMPT}&Status=CAPTURE&AccessID=a{n}",
                shop::GMOPG_SHOP
            ),
        ),
        ("sbps", 0 | 1) => (
            request,
            format!("order_id={ATTEMPT}&amount={n}&res_result=OK&sps_hashcode={n:040x}"),
        ),
        ("sbps", 2) => (
            request,
            format!("order_id={n}&order_id={ATTEMPT}&sps_hashcode={n:040x}"),
        ),
        (_, 3) => (request, format!("\u{0}{n}&=%")),
        (_, _) => (request, json),
    };
    request.body(Bytes::from(body)).unwrap()
}

fn flooded(gateway: &'static str, shop: &Shop) {
    let (clock, counted) = (Moving::new(), Counted::default());
    let ledger = shop::ledger(shop);
    let cashier = Cashier::builder_over(Arc::clone(&ledger)).shared_gateway(Arc::clone(&shop.gateway));
    let cashier = cashier
        .clock(clock.clone())
        .security_sink(counted.clone())
        .build()
        .unwrap();
    let head = now(ledger.head()).unwrap();
    let total = flood();
    line::set(Vec::new());

    let deliver = |numbers: std::ops::Range<u64>| {
        for n in numbers {
            let callback = Callback::new(forged(gateway, n), clock.now()).unwrap();
            let reply = now(cashier.callback(&shop.id(), callback));
            assert!(reply.body().len() < 64);
            // An hour for all of them.
            clock.advance(3_600_000 / total.max(3_600_000 / 1000));
        }
    };
    // The first ones fill what is bounded and empty.
    let first = total / 10;
    deliver(0..first);
    let started = Instant::now();
    let memory = allocation_counter::measure(|| deliver(first..total));
    let took = started.elapsed();

    let minutes = counted.0.lock().unwrap().clone();
    let most = minutes.values().copied().max().unwrap_or_default();
    println!(
        "{gateway}: {total} forged messages, {} a second; events a minute: at most {most} in {} minutes; memory: {} bytes more \
         at the end, at most {} in between",
        u128::from(total - first) * 1000 / took.as_millis().max(1),
        minutes.len(),
        memory.bytes_current,
        memory.bytes_max
    );
    assert_eq!(now(ledger.head()).unwrap(), head, "a record was left");
    assert!(line::asked().is_empty(), "somebody was asked");
    assert!(most <= MOST_EVENTS, "{most} events in a minute");
    assert!(
        memory.bytes_current.unsigned_abs() < 64 * 1024,
        "{} bytes stay",
        memory.bytes_current
    );
    assert!(memory.bytes_max < 256 * 1024, "{} bytes at once", memory.bytes_max);
    let paid = now(ledger.fulfilment_of(&"EC-7".parse().unwrap())).unwrap();
    assert!(paid.is_none());
    let attempts = now(ledger.latest(10)).unwrap();
    assert_eq!(attempts.len(), 1);
}

#[test]
fn a_flood_at_stripe_leaves_nothing_behind() {
    flooded("stripe", &shop::STRIPE);
}

#[test]
fn a_flood_at_komoju_leaves_nothing_behind() {
    flooded("komoju", &shop::KOMOJU);
}

#[test]
fn a_flood_at_gmopg_leaves_nothing_behind() {
    flooded("gmopg", &shop::GMOPG);
}

#[test]
fn a_flood_at_sbps_leaves_nothing_behind() {
    flooded("sbps", &shop::SBPS);
}

/// A genuine message that is replayed in any number is known after the first time.
#[test]
fn a_flood_of_one_genuine_message_is_one_record() {
    let body = Bytes::from(report(&[], kessai::gateways::sbps::Channel::Notification));
    let world = World::new(&shop::SBPS, *shop::START_TIME);
    let deliver = || {
        let request = Request::post("/pay/sbps/notification").body(body.clone()).unwrap();
        let callback = Callback::new(request, *shop::START_TIME).unwrap();
        assert_eq!(now(world.cashier.callback(&GatewayId::SBPS, callback)).body(), "OK,");
    };
    deliver();
    assert!(world.paid());
    let head = world.head();
    let memory = allocation_counter::measure(|| (0..2_000).for_each(|_| deliver()));
    assert_eq!(world.head(), head);
    assert!(
        memory.bytes_current.unsigned_abs() < 64 * 1024,
        "{} bytes stay",
        memory.bytes_current
    );
}

/// Answers after a while, and counts how many wait for it at once.
#[derive(Clone, Debug, Default)]
struct Slow(Arc<Gauge>);

#[derive(Debug, Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
    asked: AtomicUsize,
}

impl Transport for Slow {
    fn send(
        &self,
        _request: Request<Bytes>,
        _limits: CallLimits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(async move {
            self.0.asked.fetch_add(1, Ordering::SeqCst);
            let waiting = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.0.most.fetch_max(waiting, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.0.now.fetch_sub(1, Ordering::SeqCst);
            let open = format!(
                "{{\"id\":\"{}\",\"object\":\"checkout.session\",\"mode\":\"payment\",\"livemode\":false,\"status\":\"open\",\
                 \"payment_status\":\"unpaid\",\"amount_total\":1980,\"currency\":\"jpy\",\"client_reference_id\":\"EC-7\",\
                 \"metadata\":{{\"order_id\":\"EC-7\",\"attempt_id\":\"{ATTEMPT}\"}}}}",
                shop::STRIPE_SESSION
            );
            Ok(Response::new(Bytes::from(open)))
        })
    }

    fn pause(&self, _wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn ten_thousand_returns_of_one_attempt_are_one_question_at_a_time_within_the_budget() {
    const RETURNS: usize = 10_000;
    let (gauge, clock) = (Slow::default(), Moving::new());
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let stripe = Stripe::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        SigningKeys::from_texts([shop::STRIPE_KEY]).unwrap(),
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    );
    let stripe = stripe.transport(Arc::new(gauge.clone())).retry(once).build().unwrap();
    let ledger: Arc<dyn Ledger> = shop::ledger(&shop::STRIPE);
    let cashier = Cashier::builder_over(Arc::clone(&ledger))
        .gateway(stripe)
        .clock(clock.clone());
    let cashier = cashier.build().unwrap();

    let mut heads = Vec::new();
    for wave in 1..=3 {
        let mut returns = tokio::task::JoinSet::new();
        for n in 0..RETURNS {
            let (cashier, at) = (cashier.clone(), clock.now());
            returns.spawn(async move {
                let target = format!("/pay/stripe/return?attempt={ATTEMPT}&state={TOKEN}&n={n}");
                let request = Request::get(target).body(Bytes::new()).unwrap();
                cashier
                    .returned(&GatewayId::STRIPE, Callback::new(request, at).unwrap())
                    .await
                    .standing
            });
        }
        let mut standings: HashMap<Standing, usize> = HashMap::new();
        while let Some(standing) = returns.join_next().await {
            *standings.entry(standing.unwrap()).or_default() += 1;
        }
        assert_eq!(gauge.0.most.load(Ordering::SeqCst), 1, "two questions at once");
        assert_eq!(
            gauge.0.asked.load(Ordering::SeqCst),
            wave,
            "one question for each two seconds"
        );
        // The one that asked knows; the others are told to look again.
        assert_eq!(standings[&Standing::NotPaid], 1);
        assert_eq!(standings[&Standing::AskAgain], RETURNS - 1);
        heads.push(ledger.head().await.unwrap());
        clock.advance(2_000);
    }
    // The first return is on record, and what the answers said; not each of them.
    assert_eq!(heads[1], heads[2]);
    assert!(heads[2].count < 10, "{:?}", heads[2]);
}

/// Nor do returns that are none cost anything: 10,000 with the wrong token.
#[test]
fn ten_thousand_forged_returns_leave_nothing_behind() {
    let world = World::new(&shop::STRIPE, *shop::START_TIME);
    let head = world.head();
    line::set(Vec::new());
    let come = |n: u64| {
        let target = format!("/pay/stripe/return?attempt={ATTEMPT}&state=x{n}");
        let request = Request::get(target).body(Bytes::new()).unwrap();
        let callback = Callback::new(request, *shop::START_TIME).unwrap();
        let page = now(world.cashier.returned(&GatewayId::STRIPE, callback));
        assert_eq!(page.standing, Standing::Unknown);
    };
    (0..100).for_each(come);
    let memory = allocation_counter::measure(|| (100..10_000).for_each(come));
    assert_eq!(world.head(), head);
    assert!(line::asked().is_empty());
    assert!(
        memory.bytes_current.unsigned_abs() < 16 * 1024,
        "{} bytes stay",
        memory.bytes_current
    );
}
