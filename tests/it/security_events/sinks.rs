//! A sink that fails, panics, hangs or is full changes no verdict, and is seen (PAY-70).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kessai::ledgers::MemoryLedger;
use kessai::security_event::{Background, SecurityPolicy, SecurityRecord, SecuritySink, SinkError};
use serde_json::Value;

use super::{Kept, MINUTE, Written, field, lines, world_with};
use crate::support::order;
use crate::support::world::{World, paid};

/// Fails in some way while it is told to.
#[derive(Clone, Debug, Default)]
struct Shaky {
    how: Arc<Mutex<Option<How>>>,
    calls: Arc<AtomicU64>,
}

#[derive(Clone, Copy, Debug)]
enum How {
    Fails,
    Panics,
    IsFull,
}

impl Shaky {
    fn set(&self, how: Option<How>) {
        *self.how.lock().unwrap() = how;
    }
}

impl SecuritySink for Shaky {
    fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let how = *self.how.lock().unwrap();
        match how {
            None => Ok(()),
            Some(How::Fails) => Err(SinkError::Failed),
            Some(How::IsFull) => Err(SinkError::Full),
            Some(How::Panics) => panic!("a sink that panics"),
        }
    }
}

fn watched(sinks: Vec<Box<dyn SecuritySink>>) -> World {
    world_with(Arc::new(MemoryLedger::new()), sinks, SecurityPolicy::default())
}

/// Everything that a payment gives, whatever becomes of its events.
async fn buys(world: &World, reference: &str) -> (u16, u16, u16, usize) {
    let attempt = world.open(&order(reference), &format!("cs_test_{reference}")).await;
    let forged = world
        .deliver_signed_with("whsec_the_attackers_own_endpoint", &paid("evt_0", &attempt))
        .await;
    let taken = world.deliver(&paid(&format!("evt_{reference}"), &attempt)).await;
    let again = world.deliver(&paid(&format!("evt_{reference}"), &attempt)).await;
    (forged, taken, again, world.fulfil_all().await.len())
}

#[tokio::test]
async fn a_sink_that_fails_changes_no_verdict_and_is_told_to_the_others() {
    for (how, reason) in [(How::Fails, "failed"), (How::IsFull, "full"), (How::Panics, "panicked")] {
        let (shaky, kept) = (Shaky::default(), Kept::default());
        let world = watched(vec![Box::new(shaky.clone()), Box::new(kept.clone())]);
        let well = buys(&world, "EC-1").await;
        assert_eq!(well, (400, 200, 200, 1));
        let all = kept.names();
        shaky.set(Some(how));
        assert_eq!(buys(&world, "EC-2").await, well, "{how:?}");
        let events = kept.take();
        let degraded: Vec<_> = events
            .iter()
            .filter(|event| event.name() == "payment.sink.degraded")
            .collect();
        assert_eq!(degraded.len(), 1, "once");
        assert_eq!(
            (
                field(degraded[0], "sink").as_str(),
                field(degraded[0], "reason").as_str()
            ),
            ("0", reason)
        );
        // The others miss nothing: the same events as before, without the start and with the notice.
        assert_eq!(events.len(), all.len());
        let health = world.cashier.security_health();
        assert!(health.sinks[0].failing && !health.sinks[1].failing);
        assert_eq!(health.sinks[0].failures, u64::try_from(events.len()).unwrap() - 1);

        world.clock.advance(2 * MINUTE);
        shaky.set(None);
        assert_eq!(buys(&world, "EC-3").await, well);
        let recovered: Vec<_> = kept
            .take()
            .into_iter()
            .filter(|event| event.name() == "payment.sink.recovered")
            .collect();
        assert_eq!(recovered.len(), 1);
        assert_eq!(field(&recovered[0], "missed"), health.sinks[0].failures.to_string());
        assert!(!world.cashier.security_health().sinks[0].failing);
    }
}

#[tokio::test]
async fn all_sinks_may_fail_at_once_and_payments_go_on() {
    let shaky: Vec<Shaky> = (0..4).map(|_| Shaky::default()).collect();
    let world = watched(
        shaky
            .iter()
            .map(|sink| Box::new(sink.clone()) as Box<dyn SecuritySink>)
            .collect(),
    );
    for how in [How::Panics, How::Fails] {
        for sink in &shaky {
            sink.set(Some(how));
        }
        assert_eq!(buys(&world, &format!("EC-{how:?}")).await, (400, 200, 200, 1));
    }
    assert!(world.cashier.security_health().sinks.iter().all(|sink| sink.failing));
}

#[tokio::test]
async fn a_sink_that_flaps_is_told_once_a_minute() {
    let (shaky, kept) = (Shaky::default(), Kept::default());
    let world = watched(vec![Box::new(shaky.clone()), Box::new(kept.clone())]);
    for n in 0..50 {
        shaky.set((n % 2 == 0).then_some(How::Fails));
        world.open(&order(&format!("EC-{n}")), &format!("cs_test_{n}")).await;
    }
    let names = kept.names();
    let told = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
    assert_eq!((told("payment.sink.degraded"), told("payment.sink.recovered")), (1, 1));
    assert_eq!(world.cashier.security_health().sinks[0].failures, 25);
}

/// Hangs until it is let go.
#[derive(Debug)]
struct Hanging(Mutex<Receiver<()>>, Arc<AtomicBool>);

impl SecuritySink for Hanging {
    fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
        self.1.store(true, Ordering::Relaxed);
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

fn hanging() -> (Hanging, Sender<()>, Arc<AtomicBool>) {
    let (release, wait) = channel();
    let called = Arc::new(AtomicBool::new(false));
    (Hanging(Mutex::new(wait), Arc::clone(&called)), release, called)
}

#[tokio::test]
async fn a_sink_that_hangs_behind_a_queue_holds_up_nothing() {
    let (sink, release, called) = hanging();
    let kept = Kept::default();
    let queue = Background::new(sink, 8).unwrap();
    let world = watched(vec![Box::new(queue), Box::new(kept.clone())]);
    let started = Instant::now();
    while !called.load(Ordering::Relaxed) {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
    for n in 0..20 {
        assert_eq!(buys(&world, &format!("EC-{n}")).await, (400, 200, 200, 1));
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    let events = kept.take();
    let degraded = events
        .iter()
        .find(|event| event.name() == "payment.sink.degraded")
        .unwrap();
    assert_eq!(field(degraded, "reason"), "full");
    let health = world.cashier.security_health();
    assert!(health.sinks[0].failing);
    drop(release);
    // Let go, it takes what is in the queue and then what comes.
    let until = Instant::now() + Duration::from_secs(10);
    world.clock.advance(2 * MINUTE);
    let mut n = 100;
    while world.cashier.security_health().sinks[0].failing {
        assert!(Instant::now() < until, "it did not recover");
        n += 1;
        buys(&world, &format!("EC-{n}")).await;
    }
    assert!(kept.names().contains(&"payment.sink.recovered"));
}

#[tokio::test]
async fn an_error_behind_a_queue_is_told_with_the_next_event() {
    let (shaky, kept) = (Shaky::default(), Kept::default());
    shaky.set(Some(How::Panics));
    let queue = Background::new(shaky.clone(), 100).unwrap();
    let world = watched(vec![Box::new(queue), Box::new(kept.clone())]);
    let until = Instant::now() + Duration::from_secs(10);
    let mut n = 0;
    let degraded = loop {
        assert!(Instant::now() < until, "it was not told");
        n += 1;
        assert_eq!(buys(&world, &format!("EC-{n}")).await, (400, 200, 200, 1));
        // Each is told with one event, and the next one may be taken again: what counts is that it was said.
        let mut told = kept.take().into_iter();
        if let Some(degraded) = told.find(|event| event.name() == "payment.sink.degraded") {
            break degraded;
        }
    };
    assert_eq!(field(&degraded, "reason"), "panicked");
}

#[tokio::test]
async fn lines_hold_no_secret_no_token_and_nothing_of_the_shopper() {
    let written = Written::default();
    let world = watched(vec![Box::new(lines(&written))]);
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    for n in 0..3 {
        assert_eq!(world.deliver(&paid(&format!("evt_{n}"), &attempt)).await, 200);
    }
    assert_eq!(world.fulfil_all().await.len(), 1);
    let text = written.take();
    let mut before = 0;
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        assert!(record["event.action"].as_str().unwrap().starts_with("payment."));
        assert!(record["@timestamp"].as_str().unwrap().ends_with('Z'));
        assert_eq!(record["event.sequence"].as_u64(), Some(before + 1));
        before += 1;
    }
    assert!(before >= 5, "{before}");
    for secret in [
        crate::support::SIGNING_SECRET,
        super::OLD_SECRET,
        "sk_test_",
        attempt.expected.return_token.as_str(),
        attempt.expected.idempotency_key.as_str(),
        "checkout.stripe.com",
        "Sencha",
        "cs_test_1",
        "evt_",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn tracing_gets_one_line_per_event_with_its_fields() {
    #[derive(Clone, Default)]
    struct Log(Written);
    impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
        type Writer = Written;
        fn make_writer(&'a self) -> Written {
            self.0.clone()
        }
    }
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    tracing::subscriber::with_default(subscriber, || {
        // Without a sink of the store's own.
        let world = watched(Vec::new());
        assert_eq!(runtime.block_on(buys(&world, "EC-1")), (400, 200, 200, 1));
    });
    let text = log.0.take();
    let told: Vec<_> = text.lines().filter(|line| line.contains("kessai::security")).collect();
    let action = |name: &str| {
        told.iter()
            .filter(|line| line.contains(&format!("action=\"{name}\"")))
            .count()
    };
    assert_eq!(action("payment.accepted"), 1, "{text}");
    assert_eq!(action("payment.callback.refused"), 1, "{text}");
    let refused = told
        .iter()
        .find(|line| line.contains("payment.callback.refused"))
        .unwrap();
    for part in [
        "code=\"PAY-18\"",
        "reason=\"signature\"",
        "gateway=\"stripe\"",
        "severity=\"low\"",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
    assert!(told.iter().any(|line| line.contains("order=\"EC-1\"")));
}
