//! Is everything in place to take payments? Asked before a store reopens, and worth asking before it opens.

use std::fmt;
use std::time::Duration;

use super::Cashier;
use crate::ledger::{self, ChainCheck, Checkpoint, StoreError};
use crate::reference::{Environment, GatewayId};

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
    pub passed: bool,
    /// What was found, in words.
    pub found: String,
}

/// What a self-check looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checked {
    /// The keys tell a genuine message from another, and so does the code: a known signed message, and one of our own.
    Keys,
    /// All gateways are of one environment.
    Environment,
    /// The hosted pages are reached over HTTPS, or on this machine in the sandbox.
    Hosts,
    /// The gateway's clock and ours agree, as far as its last answer tells.
    Clock,
    /// The ledger is what was written.
    Chain,
    /// The events reach whoever watches.
    Events,
}

impl SelfCheck {
    /// Is everything as it has to be?
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.passed)
    }
}

/// What failed; "passed" if nothing did.
impl fmt::Display for SelfCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failed = self.checks.iter().filter(|check| !check.passed).peekable();
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
    /// Looks at everything that has to be in place: keys, environment, hosts, clocks, ledger and events. With a checkpoint, the
    /// ledger is held against it. Reads the whole ledger.
    pub async fn self_check(&self, checkpoint: Option<&Checkpoint>) -> Result<SelfCheck, StoreError> {
        let mut checks = Vec::new();
        let mut say = |what, gateway: Option<GatewayId>, passed, found: String| {
            checks.push(Check {
                what,
                gateway,
                passed,
                found,
            });
        };
        let mut environments = Vec::new();
        for gateway in self.0.gateways.iter() {
            let id = Some(gateway.id());
            environments.push(gateway.environment());
            match gateway.self_check(self.now()) {
                Ok(()) => say(
                    Checked::Keys,
                    id.clone(),
                    true,
                    "a known message and its own are taken".to_owned(),
                ),
                Err(error) => say(Checked::Keys, id.clone(), false, error.to_string()),
            }
            let live = gateway.environment() == Environment::Live;
            let plain = gateway
                .pages()
                .iter()
                .find(|page| live && !page.starts_with("https://"));
            match plain {
                None => say(
                    Checked::Hosts,
                    id.clone(),
                    true,
                    "the pages are where they may be".to_owned(),
                ),
                Some(page) => say(
                    Checked::Hosts,
                    id.clone(),
                    false,
                    format!("the page at {page} is not reached over HTTPS"),
                ),
            }
            match gateway.clock_ahead() {
                None => say(
                    Checked::Clock,
                    id,
                    true,
                    "not asked yet, so nothing is known of its clock".to_owned(),
                ),
                Some(ahead) => {
                    let agrees = ahead.unsigned_abs() <= MOST_SKEW.as_secs();
                    say(
                        Checked::Clock,
                        id,
                        agrees,
                        format!("its clock is {ahead} s ahead of ours"),
                    );
                }
            }
        }
        let one = environments.windows(2).all(|two| two.first() == two.last());
        let found = if one {
            "all gateways are of one environment"
        } else {
            "there are gateways of both environments"
        };
        say(Checked::Environment, None, one, found.to_owned());
        match ledger::verify(self.0.ledger.as_ref(), checkpoint).await? {
            ChainCheck::Intact { head, exposed } => {
                let found = format!("{} records, {exposed} of them after the last checkpoint", head.count);
                say(Checked::Chain, None, true, found);
            }
            broken @ ChainCheck::Broken(at) => {
                self.tell_chain(broken);
                say(Checked::Chain, None, false, at.to_string());
            }
        }
        let failing = self.security_health().sinks.iter().filter(|sink| sink.failing).count();
        let found = match failing {
            0 => "every event sink took its last event".to_owned(),
            _ => format!("{failing} event sinks do not work"),
        };
        say(Checked::Events, None, failing == 0, found);
        Ok(SelfCheck { checks })
    }
}
