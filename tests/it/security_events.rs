//! Security events, told by a cashier: what is decided is told under its name, floods are counted, and a sink that fails changes
//! no verdict (PAY-64, PAY-66, PAY-70).

mod counted;
mod faults;
mod flow;
mod operator;
mod page;
mod patterns;
mod sinks;
mod watching;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kessai::gateways::stripe::{Stripe, StripeBuilder};
use kessai::ledger::{Ledger, SwitchText};
use kessai::ledgers::MemoryLedger;
use kessai::security_event::{
    FieldValue, JsonLines, SecurityEvent, SecurityPolicy, SecurityRecord, SecuritySink, SinkError,
};
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{Addresses, ApiKey, Cashier};

use crate::support::SIGNING_SECRET;
use crate::support::scripted::Scripted;
use crate::support::world::{TestClock, World};

/// The key before the current one.
const OLD_SECRET: &str = "whsec_TheKeyBefore0123456789abc";

/// Keeps what it is given.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<(u64, SecurityEvent)>>>);

impl SecuritySink for Kept {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        self.0.lock().unwrap().push((record.sequence, record.event.clone()));
        Ok(())
    }
}

impl Kept {
    pub fn take(&self) -> Vec<SecurityEvent> {
        let all = std::mem::take(&mut *self.0.lock().unwrap());
        all.into_iter().map(|(_, event)| event).collect()
    }

    /// Name and reason of each since the last time.
    pub fn words(&self) -> Vec<String> {
        self.take().iter().map(word).collect()
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.take().iter().map(SecurityEvent::name).collect()
    }
}

fn word(event: &SecurityEvent) -> String {
    match event.reason() {
        Some(reason) => format!("{} {reason}", event.name()),
        None => event.name().to_owned(),
    }
}

/// One field of an event, as text.
pub fn field(event: &SecurityEvent, wanted: &str) -> String {
    let mut found = None;
    event.fields(&mut |name, value| {
        if name == wanted {
            found = Some(match value {
                FieldValue::Number(number) => number.to_string(),
                FieldValue::Flag(flag) => flag.to_string(),
                FieldValue::Text(text) => text.to_owned(),
                _ => panic!("another kind of value"),
            });
        }
    });
    found.unwrap_or_else(|| panic!("no {wanted} in {event:?}"))
}

/// A Stripe of the sandbox with these signing keys, the current one first.
pub fn stripe_with(secrets: &[&str]) -> StripeBuilder {
    Stripe::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        SigningKeys::from_texts(secrets.iter().copied()).unwrap(),
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    )
}

/// A world whose cashier tells its events to the given sinks.
pub fn world_with(ledger: Arc<dyn Ledger>, sinks: Vec<Box<dyn SecuritySink>>, policy: SecurityPolicy) -> World {
    let (script, clock) = (Scripted::new(), TestClock::new());
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let gateway = stripe_with(&[SIGNING_SECRET, OLD_SECRET])
        .transport(Arc::new(script.clone()))
        .retry(once)
        .build()
        .unwrap();
    let mut builder = Cashier::builder_over(ledger)
        .gateway(gateway)
        .clock(clock.clone())
        .security_policy(policy);
    for sink in sinks {
        builder = builder.security_sink(sink);
    }
    let cashier = builder.build().unwrap();
    World { cashier, script, clock }
}

/// A world, and what its cashier tells from now on.
pub fn world() -> (World, Kept) {
    world_by(SecurityPolicy::default())
}

pub fn world_by(policy: SecurityPolicy) -> (World, Kept) {
    let kept = Kept::default();
    let world = world_with(Arc::new(MemoryLedger::new()), vec![Box::new(kept.clone())], policy);
    assert_eq!(kept.names(), ["payment.monitor.started"]);
    (world, kept)
}

pub fn text(text: &str) -> SwitchText {
    SwitchText::new(text).unwrap()
}

/// A writer that tests can read.
#[derive(Clone, Default)]
pub struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn lines(written: &Written) -> JsonLines<Written> {
    JsonLines::new(written.clone())
}

pub const MINUTE: Duration = Duration::from_secs(60);
