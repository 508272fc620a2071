//! The desk: [`Cashier`] opens checkouts, takes callbacks and returns, asks about what it did not hear of, and hands out
//! the right to fulfil. No wire formats here, and no policy in the gateways.
//!
//! Every channel ends in the same gate: a proven event is judged against the stored attempt and applied in one transaction
//! (`take_evidence`). There is no other way in (I17).

mod asking;
mod callback;
mod fulfil;
mod open;
mod report;
mod returned;
mod self_check;
mod sweep;
mod switch;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

pub use self::asking::AskBudget;
use self::asking::Asking;
pub use self::fulfil::Due;
pub use self::open::OpenError;
pub use self::report::ReportError;
pub use self::returned::{ReturnPage, Standing};
pub use self::self_check::{Check, Checked, SelfCheck};
pub use self::sweep::{Drift, SweepPolicy, SweepReport};
pub use self::switch::{ExpireReport, ReopenError, Turned};
use crate::clock::{Clock, SystemClock};
use crate::error::ConfigError;
use crate::event::PaymentEvent;
use crate::gateway::{Gateway, Gateways};
use crate::ledger::rules::AskTimes;
use crate::ledger::{Applied, AskReason, Ledger, StoreError, StoredAttempt};
use crate::reference::GatewayId;
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
    times: AskTimes,
}

/// Collects the parts of a [`Cashier`].
#[must_use]
pub struct CashierBuilder {
    ledger: Arc<dyn Ledger>,
    gateways: Vec<Arc<dyn Gateway>>,
    clock: Arc<dyn Clock>,
    budget: AskBudget,
    times: AskTimes,
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
            times: AskTimes::default(),
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
        let judgement = attempt.judge(event);
        self.0.ledger.apply(&judgement, self.now()).await
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

    /// How long the sweep waits at most between two questions about one attempt.
    pub fn ask_times(mut self, times: AskTimes) -> Self {
        self.times = times;
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
            times,
        } = self;
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
        Ok(Cashier(Arc::new(Desk {
            ledger,
            gateways: registry,
            clock,
            asking,
            times,
        })))
    }
}

impl fmt::Debug for Cashier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Desk {
            ledger,
            gateways,
            clock,
            asking,
            times,
        } = &*self.0;
        f.debug_struct("Cashier")
            .field("ledger", ledger)
            .field("gateways", gateways)
            .field("clock", clock)
            .field("asking", asking)
            .field("times", times)
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
            times,
        } = self;
        f.debug_struct("CashierBuilder")
            .field("ledger", ledger)
            .field("gateways", gateways)
            .field("clock", clock)
            .field("budget", budget)
            .field("times", times)
            .finish()
    }
}
