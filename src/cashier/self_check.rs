//! Is everything in place to take payments? Asked before a store reopens, and worth asking before it opens.

use std::fmt;
use std::time::Duration;

use super::Cashier;
use crate::gateway::{Gateway, SelfCheckError};
use crate::ledger::{self, ChainCheck, Checkpoint, StoreError};
use crate::reference::{Environment, GatewayId};
use crate::security_event::Step;

/// What was looked at, and what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SelfCheck {
    /// Each thing that was looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// What.
    pub what: Checked,
    /// At which gateway, if at one.
    pub gateway: Option<GatewayId>,
    /// Is it as it has to be?
    pub verdict: Verdict,
    /// What was found, in words.
    pub found: String,
}

/// What a look at one thing gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It is as it has to be.
    Passed,
    /// It is not.
    Failed,
    /// It could not be found out. It holds nobody up, and proves nothing.
    NotKnown,
}

/// What a self-check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checked {
    /// What our own key signs is taken as genuine.
    Keys,
    /// The code takes a known signed message of the gateway's documents, and refuses it with a change.
    Vector,
    /// All gateways are of one environment, and a ledger of real money is not opened with keys of the sandbox.
    Environment,
    /// The hosted pages are reached over HTTPS, or on this machine in the sandbox.
    Hosts,
    /// The gateway's clock and ours agree, as far as its last answer tells.
    Clock,
    /// The ledger is what was written.
    Chain,
    /// The events reach whoever watches: there is a sink, and each took an event just now.
    Events,
}

impl SelfCheck {
    /// Did nothing fail? What is not known is no failure; it is listed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failed().next().is_none()
    }

    /// What failed.
    pub fn failed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.verdict == Verdict::Failed)
    }
}

/// What failed; "passed" if nothing did.
impl fmt::Display for SelfCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failed = self.failed().peekable();
        if failed.peek().is_none() {
            return f.write_str("passed");
        }
        while let Some(check) = failed.next() {
            if let Some(gateway) = &check.gateway {
                write!(f, "{gateway}: ")?;
            }
            f.write_str(&check.found)?;
            if failed.peek().is_some() {
                f.write_str("; ")?;
            }
        }
        Ok(())
    }
}

/// Signatures of most gateways count for five minutes; half of that leaves room for the way.
const MOST_SKEW: Duration = Duration::from_secs(150);

impl Cashier {
    /// Looks at everything that has to be in place: keys, known messages, environment, hosts, clocks, ledger and events. The ledger
    /// is held against the checkpoints: give it every one that was kept. Reads the whole ledger.
    pub async fn self_check(&self, checkpoints: &[Checkpoint]) -> Result<SelfCheck, StoreError> {
        let mut checks: Vec<Check> = self
            .0
            .gateways
            .iter()
            .flat_map(|gateway| self.look_at(gateway.as_ref()))
            .collect();
        let environment = self.look_at_environment().await;
        checks.push(environment.inspect_err(self.ledger_failed(Step::Check))?);
        let verified = ledger::verify(self.0.ledger.as_ref(), checkpoints).await;
        let chain = verified.inspect_err(self.ledger_failed(Step::Check))?;
        self.tell_chain(chain);
        checks.push(match chain {
            ChainCheck::Intact { head, exposed } => {
                let found = format!("{} records, {exposed} of them after the last checkpoint", head.count);
                Check::of(Checked::Chain, true, found)
            }
            ChainCheck::Broken(at) => Check::of(Checked::Chain, false, at.to_string()),
        });
        self.0.events.probe();
        checks.push(self.look_at_events());
        Ok(SelfCheck { checks })
    }

    fn look_at(&self, gateway: &dyn Gateway) -> Vec<Check> {
        let mut checks = match gateway.self_check(self.now()) {
            Ok(()) => vec![
                Check::of(
                    Checked::Vector,
                    true,
                    "a known message is taken, and a changed one is not",
                ),
                Check::of(Checked::Keys, true, "what the key signs is taken"),
            ],
            Err(error @ SelfCheckError::OwnKey) => vec![
                Check::of(
                    Checked::Vector,
                    true,
                    "a known message is taken, and a changed one is not",
                ),
                Check::of(Checked::Keys, false, error.to_string()),
            ],
            // Where genuine and changed cannot be told apart, what the key signs says nothing.
            Err(error) => vec![
                Check::of(Checked::Vector, false, error.to_string()),
                Check::not_known(Checked::Keys, "the check of the known message failed"),
            ],
        };
        let live = gateway.environment() == Environment::Live;
        let plain = |page: &&str| live && !page.starts_with("https://");
        checks.push(match gateway.pages().iter().find(plain) {
            None => Check::of(Checked::Hosts, true, "the pages are where they may be"),
            Some(page) => Check::of(
                Checked::Hosts,
                false,
                format!("the page at {page} is not reached over HTTPS"),
            ),
        });
        checks.push(match gateway.clock_ahead() {
            None => Check::not_known(
                Checked::Clock,
                "the gateway was not asked since the start, so nothing is known of its clock; a sweep asks",
            ),
            Some(ahead) => {
                let agrees = ahead.unsigned_abs() <= MOST_SKEW.as_secs();
                Check::of(Checked::Clock, agrees, format!("its clock is {ahead} s ahead of ours"))
            }
        });
        for check in &mut checks {
            check.gateway = Some(gateway.id());
        }
        checks
    }

    /// The ledger may go from the sandbox to real money, as a store does once. The way back is a mix-up of keys: orders would be
    /// paid with play money (PAY-51).
    async fn look_at_environment(&self) -> Result<Check, StoreError> {
        let environments: Vec<_> = self.0.gateways.iter().map(Gateway::environment).collect();
        let Some(ours) = environments
            .first()
            .filter(|one| environments.iter().all(|other| other == *one))
        else {
            return Ok(Check::of(
                Checked::Environment,
                false,
                "there are gateways of both environments",
            ));
        };
        let last = match self.0.ledger.latest(1).await {
            Ok(latest) => latest.first().map(|attempt| attempt.expected.environment),
            Err(error) if error.is_damage() => {
                let found = "the ledger's latest attempt cannot be read, so its environment is not known";
                return Ok(Check::of(Checked::Environment, false, found));
            }
            Err(error) => return Err(error),
        };
        Ok(match (ours, last) {
            (Environment::Sandbox, Some(Environment::Live)) => Check::of(
                Checked::Environment,
                false,
                "the ledger's latest attempt is about real money, and the gateways are of the sandbox",
            ),
            (ours, None) => Check::of(
                Checked::Environment,
                true,
                format!("all gateways are {ours}, and the ledger has no attempt yet"),
            ),
            (ours, Some(last)) => Check::of(
                Checked::Environment,
                true,
                format!("all gateways are {ours}, and the ledger's latest attempt is {last}"),
            ),
        })
    }

    fn look_at_events(&self) -> Check {
        let sinks = self.security_health().sinks;
        let failing = sinks.iter().filter(|sink| sink.failing).count();
        match (sinks.len(), failing) {
            (0, _) => Check::of(
                Checked::Events,
                false,
                "there is no event sink, so nobody watches: give the builder one, or turn the feature `tracing` on",
            ),
            (_, 0) => Check::of(Checked::Events, true, "every event sink took an event just now"),
            _ => Check::of(Checked::Events, false, format!("{failing} event sinks do not work")),
        }
    }
}

impl Check {
    fn of(what: Checked, passed: bool, found: impl Into<String>) -> Self {
        Self {
            what,
            gateway: None,
            verdict: if passed { Verdict::Passed } else { Verdict::Failed },
            found: found.into(),
        }
    }

    fn not_known(what: Checked, found: &str) -> Self {
        Self {
            what,
            gateway: None,
            verdict: Verdict::NotKnown,
            found: found.to_owned(),
        }
    }
}
