//! The desk: [`Cashier`] opens checkouts, takes callbacks and returns, asks about what it did not hear of, and hands out
//! the right to fulfil. No wire formats here, and no policy in the gateways.
//!
//! Every channel ends in the same gate: a proven event is judged against the stored attempt and applied in one transaction
//! (`take_evidence`). There is no other way in (I17).

mod asking;
mod callback;
mod fulfil;
mod limits;
mod open;
mod report;
mod returned;
mod self_check;
mod sweep;
mod switch;
mod telling;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use self::asking::AskBudget;
use self::asking::Asking;
pub use self::fulfil::Due;
use self::limits::Limits;
pub use self::limits::{CheckoutLimits, LimitedBy};
pub use self::open::OpenError;
pub use self::report::{NoCheckpoint, ReportError};
pub use self::returned::{ReturnPage, Standing};
pub use self::self_check::{Check, Checked, SelfCheck, Verdict};
pub use self::sweep::{Drift, SweepPolicy, SweepReport};
pub use self::switch::{ExpireReport, ReopenError, Turned};
use self::telling::Heard;
use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
use crate::event::PaymentEvent;
use crate::gateway::{Gateway, Gateways};
use crate::ledger::rules::AskTimes;
use crate::ledger::{Applied, AskReason, Cue, Ledger, StoreError, StoredAttempt};
use crate::reference::GatewayId;
use crate::security_event::{Emitter, SecurityEvent, SecurityPolicy, SecuritySink};
use crate::verified::Verified;

/// The paved path: five methods, and every rule of this crate holds by construction.
///
/// Cloning is cheap; all clones are the same cashier. It needs no runtime of its own.
#[derive(Clone)]
pub struct Cashier(Arc<Desk>);

struct Desk {
    ledger: Arc<dyn Ledger>,
    gateways: Gateways,
    clock: Arc<dyn Clock>,
    asking: Asking,
    limits: Limits,
    times: AskTimes,
    events: Arc<Emitter>,
}

/// Collects the parts of a [`Cashier`].
#[must_use]
pub struct CashierBuilder {
    ledger: Arc<dyn Ledger>,
    gateways: Vec<Arc<dyn Gateway>>,
    clock: Arc<dyn Clock>,
    budget: AskBudget,
    limits: CheckoutLimits,
    times: AskTimes,
    sinks: Vec<Box<dyn SecuritySink>>,
    security: SecurityPolicy,
}

impl Cashier {
    /// Starts with the memory.
    pub fn builder(ledger: impl Ledger) -> CashierBuilder {
        Self::builder_over(Arc::new(ledger))
    }

    /// Starts with a memory that is shared with other parts of the store.
    pub fn builder_over(ledger: Arc<dyn Ledger>) -> CashierBuilder {
        CashierBuilder {
            ledger,
            gateways: Vec::new(),
            clock: Arc::new(SystemClock),
            budget: AskBudget::default(),
            limits: CheckoutLimits::default(),
            times: AskTimes::default(),
            sinks: Vec::new(),
            security: SecurityPolicy::default(),
        }
    }

    /// The memory, for pages and reports.
    #[must_use]
    pub fn ledger(&self) -> &Arc<dyn Ledger> {
        &self.0.ledger
    }

    /// The gateways, for the choice at checkout and for their abilities.
    #[must_use]
    pub fn gateways(&self) -> &Gateways {
        &self.0.gateways
    }

    fn now(&self) -> SystemTime {
        self.0.clock.now()
    }

    fn gateway(&self, id: &GatewayId) -> Option<&Arc<dyn Gateway>> {
        self.0.gateways.find(id)
    }

    /// The one gate: whatever was proven, wherever it came from, is held against what was expected and applied.
    async fn take_evidence(
        &self,
        attempt: &StoredAttempt,
        event: Verified<PaymentEvent>,
    ) -> Result<Applied, StoreError> {
        let (heard, says) = (Heard::of(&event), event.value().snapshot.status);
        let judgement = attempt.judge(event);
        let applied = self.0.ledger.apply(&judgement, self.now()).await?;
        self.tell_applied(attempt, &heard, applied);
        if applied == Applied::Moved && attempt.next_ask.is_none() && !says.is_final() {
            // Nobody asked about it any more, and it is alive after all.
            self.0
                .ledger
                .make_due(attempt.reference(), Cue::Proven, self.now())
                .await?;
        }
        Ok(applied)
    }
}

/// Is it worth asking again by itself after this?
fn decides(applied: Applied) -> bool {
    !matches!(
        applied,
        Applied::Ask(AskReason::AmountMissing | AskReason::StatusUnknown)
    )
}

impl CashierBuilder {
    /// Adds a gateway.
    pub fn gateway(self, gateway: impl Gateway) -> Self {
        self.shared_gateway(Arc::new(gateway))
    }

    /// Adds a gateway that is shared with other parts of the store.
    pub fn shared_gateway(mut self, gateway: Arc<dyn Gateway>) -> Self {
        self.gateways.push(gateway);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How many status questions browsers may cause.
    pub fn ask_budget(mut self, budget: AskBudget) -> Self {
        self.budget = budget;
        self
    }

    /// How many attempts one order and one client may open.
    pub fn checkout_limits(mut self, limits: CheckoutLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long the sweep waits at most between two questions about one attempt.
    pub fn ask_times(mut self, times: AskTimes) -> Self {
        self.times = times;
        self
    }

    /// Adds a sink of security events. Each sink gets every event; one that fails changes no verdict.
    pub fn security_sink(mut self, sink: impl SecuritySink) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// When heartbeats and suspicions are told.
    pub fn security_policy(mut self, policy: SecurityPolicy) -> Self {
        self.security = policy;
        self
    }

    /// Puts it together. Refused without a gateway, with two under one id, and with gateways of both environments: a store
    /// that takes real money must not ship for play money (PAY-51).
    pub fn build(self) -> Result<Cashier, ConfigError> {
        let Self {
            ledger,
            gateways,
            clock,
            budget,
            limits,
            times,
            sinks,
            security,
        } = self;
        limits.check()?;
        let mut registry = Gateways::new();
        let mut environments = gateways.iter().map(Gateway::environment);
        let first = environments
            .next()
            .ok_or(ConfigError::Gateways("no gateway is configured"))?;
        if environments.any(|environment| environment != first) {
            return Err(ConfigError::Environment {
                setting: "one gateway",
                against: "another gateway of this cashier",
            });
        }
        for gateway in gateways {
            registry.add(gateway)?;
        }
        let asking = Asking::new(budget);
        let events = Arc::new(Emitter::new(or_default(sinks), Arc::clone(&clock), security));
        events.emit(SecurityEvent::MonitorStarted {
            environment: first,
            gateways: u64::try_from(registry.iter().count()).unwrap_or(u64::MAX),
            sinks: u64::try_from(events.sinks()).unwrap_or(u64::MAX),
        });
        Ok(Cashier(Arc::new(Desk {
            ledger,
            gateways: registry,
            clock,
            asking,
            limits: Limits::new(limits),
            times,
            events,
        })))
    }
}

/// Where events go if the store did not say: to `tracing` where that is on, for silence would look like peace (PAY-70).
fn or_default(sinks: Vec<Box<dyn SecuritySink>>) -> Vec<Box<dyn SecuritySink>> {
    #[cfg(feature = "tracing")]
    if sinks.is_empty() {
        return vec![Box::new(crate::security_event::TracingSink::new())];
    }
    sinks
}

impl fmt::Debug for Cashier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Desk {
            ledger,
            gateways,
            clock,
            asking,
            limits,
            times,
            events,
        } = &*self.0;
        f.debug_struct("Cashier")
            .field("ledger", ledger)
            .field("gateways", gateways)
            .field("clock", clock)
            .field("asking", asking)
            .field("limits", limits)
            .field("times", times)
            .field("events", events)
            .finish()
    }
}

impl fmt::Debug for CashierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ledger,
            gateways,
            clock,
            budget,
            limits,
            times,
            sinks,
            security,
        } = self;
        f.debug_struct("CashierBuilder")
            .field("ledger", ledger)
            .field("gateways", gateways)
            .field("clock", clock)
            .field("budget", budget)
            .field("limits", limits)
            .field("times", times)
            .field("sinks", sinks)
            .field("security", security)
            .finish()
    }
}
