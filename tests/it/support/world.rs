//! A cashier over a script, a memory and a clock that tests move.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kessai::gateways::stripe::signature_header;
use kessai::ledger::{Ledger, Record, RecordKind, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{Callback, Cashier, CheckoutRequest, Clock, GatewayId, MerchantReference, OpenError};
use serde_json::{Value, json};

use super::scripted::Scripted;
use super::{SIGNING_SECRET, start, stripe};

#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<SystemTime>>);

impl TestClock {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(start())))
    }

    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

pub struct World {
    pub cashier: Cashier,
    pub script: Scripted,
    pub clock: TestClock,
}

impl World {
    pub fn new() -> Self {
        Self::over(Arc::new(MemoryLedger::new()))
    }

    pub fn over(ledger: Arc<dyn Ledger>) -> Self {
        let (script, clock) = (Scripted::new(), TestClock::new());
        let mut once = RetryPolicy::default();
        once.tries = 1;
        let stripe = stripe()
            .transport(Arc::new(script.clone()))
            .retry(once)
            .build()
            .unwrap();
        let cashier = Cashier::builder_over(ledger)
            .gateway(stripe)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { cashier, script, clock }
    }

    /// Opens a checkout that the gateway grants under this session id.
    pub async fn open(&self, request: &CheckoutRequest, session: &str) -> StoredAttempt {
        self.script.answer(200, created(request, session).to_string());
        let _ = self.cashier.open(request, &GatewayId::STRIPE).await.unwrap();
        let _ = self.script.requests();
        self.attempts(request.order()).await.pop().unwrap()
    }

    pub async fn try_open(&self, request: &CheckoutRequest) -> Result<kessai::Checkout, OpenError> {
        self.cashier.open(request, &GatewayId::STRIPE).await
    }

    pub async fn attempts(&self, order: &MerchantReference) -> Vec<StoredAttempt> {
        self.cashier.ledger().attempts_of(order).await.unwrap()
    }

    pub async fn timeline(&self, attempt: &StoredAttempt) -> Vec<Record> {
        self.cashier.ledger().timeline(attempt.reference()).await.unwrap()
    }

    pub async fn kinds(&self, attempt: &StoredAttempt) -> Vec<&'static str> {
        self.timeline(attempt)
            .await
            .iter()
            .map(|record| record.kind.as_str())
            .collect()
    }

    pub async fn held_reasons(&self) -> Vec<String> {
        let held = self.cashier.ledger().held(100).await.unwrap();
        held.into_iter()
            .map(|held| match held.record.kind {
                RecordKind::Held { reason, .. } => reason,
                other => panic!("not held: {other:?}"),
            })
            .collect()
    }

    /// Delivers a signed event and gives the status of the reply.
    pub async fn deliver(&self, event: &Value) -> u16 {
        self.deliver_signed_with(SIGNING_SECRET, event).await
    }

    pub async fn deliver_signed_with(&self, secret: &str, event: &Value) -> u16 {
        let body = event.to_string();
        let keys = SigningKeys::from_texts([secret]).unwrap();
        let header = signature_header(&keys, self.clock.now(), body.as_bytes());
        let request = http::Request::post("/pay/stripe/notification")
            .header("Stripe-Signature", header)
            .body(Bytes::from(body))
            .unwrap();
        self.deliver_raw(request).await
    }

    pub async fn deliver_raw(&self, request: http::Request<Bytes>) -> u16 {
        let callback = Callback::new(request, self.clock.now()).unwrap();
        self.cashier
            .callback(&GatewayId::STRIPE, callback)
            .await
            .status()
            .as_u16()
    }

    /// How many orders may be fulfilled; each is done.
    pub async fn fulfil_all(&self) -> Vec<String> {
        let mut keys = Vec::new();
        while let Some(due) = self.cashier.next_fulfilment().await.unwrap() {
            keys.push(due.key.to_string());
            assert!(due.done().await.unwrap());
        }
        keys
    }
}

/// What Stripe answers to a create call.
pub fn created(request: &CheckoutRequest, session: &str) -> Value {
    json!({
        "id": session, "mode": "payment", "livemode": false, "status": "open", "payment_status": "unpaid",
        "url": format!("https://checkout.stripe.com/c/pay/{session}"), "payment_intent": null,
        "amount_total": request.total().minor_units(), "currency": request.total().currency().code().to_lowercase(),
        "client_reference_id": request.order().as_str(), "expires_at": 1_795_486_400,
    })
}

/// The session of an attempt, in some state.
pub fn session(attempt: &StoredAttempt, status: &str, payment_status: &str) -> Value {
    let expected = &attempt.expected;
    let id = attempt
        .checkout
        .as_ref()
        .map_or("cs_none", |checkout| checkout.as_str());
    json!({
        "id": id, "mode": "payment", "livemode": false, "status": status, "payment_status": payment_status,
        "payment_intent": format!("pi_of_{id}"), "amount_total": expected.amount.minor_units(),
        "currency": expected.amount.currency().code().to_lowercase(), "client_reference_id": expected.order.as_str(),
        "metadata": {"order_id": expected.order.as_str(), "attempt_id": expected.attempt.as_str()},
    })
}

/// An event around an object.
pub fn event(id: &str, kind: &str, object: &Value) -> Value {
    json!({
        "id": id, "object": "event", "type": kind, "created": 1_795_400_000, "livemode": false,
        "data": {"object": object},
    })
}

/// The event of a payment that went well.
pub fn paid(id: &str, attempt: &StoredAttempt) -> Value {
    event(id, "checkout.session.completed", &session(attempt, "complete", "paid"))
}

/// One of each: paid and fulfilled, paid, declined, open, and the switch turned both ways.
pub async fn tell_a_story(world: &World) {
    use kessai::ledger::SwitchText;
    let order = super::order;
    let shipped = world.open(&order("EC-1"), "cs_test_1").await;
    world.deliver(&paid("evt_1", &shipped)).await;
    assert_eq!(world.fulfil_all().await.len(), 1);
    let declined = world.open(&order("EC-2"), "cs_test_2").await;
    let expired = session(&declined, "expired", "unpaid");
    world
        .deliver(&event("evt_2", "checkout.session.expired", &expired))
        .await;
    world.open(&order("EC-3"), "cs_test_3").await;
    let text = |text: &str| SwitchText::new(text).unwrap();
    let _ = world.cashier.stop(text("an operator"), text("a story")).await.unwrap();
    let _ = world
        .cashier
        .ask_before_apply(text("an operator"), text("a story"))
        .await
        .unwrap();
    world
        .cashier
        .reopen(text("an operator"), text("a story"), &[])
        .await
        .unwrap();
    let waiting = world.open(&order("EC-4"), "cs_test_4").await;
    world.deliver(&paid("evt_4", &waiting)).await;
    let note = kessai::ledger::Note::Returned;
    let now = kessai::Clock::now(&world.clock);
    let _ = world
        .cashier
        .ledger()
        .note(waiting.reference(), note, now)
        .await
        .unwrap();
    let _ = world.cashier.stop(text("an operator"), text("the end")).await.unwrap();
}
