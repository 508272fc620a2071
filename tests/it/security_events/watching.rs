//! Whether anybody watches: the self-check gives every sink an event, and a store that nobody watches stays closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kessai::cashier::{Checked, ReopenError, Verdict};
use kessai::security_event::{Background, SecurityPolicy, SecurityRecord, SecuritySink, SinkError};

use super::{Kept, text, world, world_with};
use crate::support::world::World;

/// Takes nothing.
#[derive(Debug)]
struct Deaf;

impl SecuritySink for Deaf {
    fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
        Err(SinkError::Failed)
    }
}

/// Takes events until it is told to break.
#[derive(Clone, Debug, Default)]
struct Breaks(Arc<AtomicBool>);

impl SecuritySink for Breaks {
    fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(SinkError::Failed);
        }
        Ok(())
    }
}

/// Never comes back.
#[derive(Debug)]
struct Hangs;

impl SecuritySink for Hangs {
    fn emit(&self, _: &SecurityRecord<'_>) -> Result<(), SinkError> {
        loop {
            std::thread::park();
        }
    }
}

async fn verdict(world: &World, what: Checked) -> Verdict {
    let check = world.cashier.self_check(&[]).await.unwrap();
    let found = check.checks.iter().find(|check| check.what == what);
    found.unwrap().verdict
}

#[tokio::test]
async fn a_store_that_nobody_watches_is_not_reopened() {
    let over = |sinks: Vec<Box<dyn SecuritySink>>| {
        let ledger = Arc::new(kessai::ledgers::MemoryLedger::new());
        world_with(ledger, sinks, SecurityPolicy::default())
    };
    assert_eq!(
        verdict(&over(vec![Box::new(Kept::default())]), Checked::Events).await,
        Verdict::Passed
    );
    assert_eq!(
        verdict(&over(vec![Box::new(Deaf)]), Checked::Events).await,
        Verdict::Failed
    );
    // One that broke since the last event: nothing was told in the meantime, and the check finds it.
    let breaks = Breaks::default();
    let kept = Kept::default();
    let world = over(vec![Box::new(kept.clone()), Box::new(breaks.clone())]);
    assert_eq!(verdict(&world, Checked::Events).await, Verdict::Passed);
    breaks.0.store(true, Ordering::SeqCst);
    let _ = kept.take();
    let refused = world.cashier.reopen(text("operator"), text("over"), &[]).await;
    assert!(matches!(refused, Err(ReopenError::SelfCheck(_))), "{refused:?}");
    let words = kept.words();
    assert_eq!(
        words.last().map(String::as_str),
        Some("payment.self_check.failed sink"),
        "{words:?}"
    );
    // Behind a queue the check waits for the answer; and no longer than a second for one that hangs.
    let breaks = Breaks::default();
    let world = over(vec![Box::new(Background::new(breaks.clone(), 10).unwrap())]);
    assert_eq!(verdict(&world, Checked::Events).await, Verdict::Passed);
    breaks.0.store(true, Ordering::SeqCst);
    assert_eq!(verdict(&world, Checked::Events).await, Verdict::Failed);
    let world = over(vec![Box::new(Background::new(Hangs, 10).unwrap())]);
    assert_eq!(verdict(&world, Checked::Events).await, Verdict::Failed);
}

#[tokio::test]
async fn what_is_not_known_of_a_clock_is_not_said_to_be_right() {
    let (world, _) = world();
    assert_eq!(verdict(&world, Checked::Clock).await, Verdict::NotKnown);
    assert!(world.cashier.self_check(&[]).await.unwrap().passed(), "nothing failed");
}
