//! The stop switch, for the day on which something is wrong (PAY-67). It stops new checkouts at once, on every node, and
//! nothing else: who has paid is served, and evidence is never turned away.

use super::Cashier;
use super::self_check::SelfCheck;
use crate::error::Error;
use crate::ledger::{Mode, ModeChange, StoreError, StoreNote, StoredAttempt, Switch, SwitchText, Which};
use crate::reference::{AttemptReference, GatewayId, MerchantAccount};
use crate::trace::notice;

/// What holds after a turn of the switch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Turned {
    /// The mode from now on.
    pub mode: Mode,
    /// How many attempts could still be paid at that moment. [`Cashier::open_attempts`] lists them.
    pub open_attempts: u64,
}

/// Why the store was not reopened. It stays as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReopenError {
    /// The self-check found something. Mend it, or find out why it is not as it has to be.
    #[error("the self-check failed: {0}")]
    SelfCheck(SelfCheck),
    /// The ledger could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of the pages that were to be closed.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ExpireReport {
    /// Attempts that are over now: their pages were closed, or were not used and cannot be any more.
    pub closed: Vec<AttemptReference>,
    /// Attempts whose money had come: they are settled now, and their orders are fulfilled.
    pub paid: Vec<AttemptReference>,
    /// Attempts whose gateway cannot close a page. They stay payable until their end.
    pub cannot: Vec<AttemptReference>,
    /// Attempts whose page could not be closed this time, and why.
    pub failed: Vec<(AttemptReference, Error)>,
}

impl Cashier {
    /// What the store does at the moment.
    pub async fn mode(&self) -> Result<Mode, StoreError> {
        self.0.ledger.mode().await
    }

    /// No new checkout from now on, on any node, until somebody reopens. Durable when it returns.
    pub async fn stop(&self, actor: SwitchText, reason: SwitchText) -> Result<Turned, StoreError> {
        self.turn(Switch::Stop, actor, reason).await
    }

    /// Signed callbacks are reasons to ask from now on, and nothing more: for when the keys may be known to somebody else. What
    /// the gateway answers to our own questions still counts. A store that is stopped stays stopped.
    ///
    /// A gateway that can be asked only about what its own messages named (SBPS) settles nothing new in the meantime: what it
    /// reports comes again from its merchant screen, after the reopening.
    pub async fn ask_before_apply(&self, actor: SwitchText, reason: SwitchText) -> Result<Turned, StoreError> {
        self.turn(Switch::AskBeforeApply, actor, reason).await
    }

    /// As usual again, if the self-check finds nothing. What it found otherwise is in the error, and nothing was changed.
    pub async fn reopen(&self, actor: SwitchText, reason: SwitchText) -> Result<SelfCheck, ReopenError> {
        let check = self.self_check(None).await?;
        if !check.passed() {
            self.tell_self_check(&check);
            return Err(ReopenError::SelfCheck(check));
        }
        self.turn(Switch::Reopen, actor, reason).await?;
        Ok(check)
    }

    /// Writes down that other keys are in use. The label is the store's own name for them, never a key.
    pub async fn keys_changed(
        &self,
        gateway: GatewayId,
        account: MerchantAccount,
        actor: SwitchText,
        label: SwitchText,
    ) -> Result<(), StoreError> {
        let note = StoreNote::KeysChanged {
            gateway: gateway.clone(),
            account: account.clone(),
            actor: actor.clone(),
            label,
        };
        self.0.ledger.note_store(&note, self.now()).await?;
        self.tell_keys_changed(gateway, account, &actor);
        Ok(())
    }

    /// The attempts that can still be paid, in the order in which they were written: so many behind a place, each with its
    /// place.
    pub async fn open_attempts(&self, after: u64, limit: usize) -> Result<Vec<(u64, StoredAttempt)>, StoreError> {
        self.0.ledger.attempts_after(after, Which::Open, limit).await
    }

    /// Closes the pages of every attempt that can still be paid, where the gateway can. Each is asked about first, so that
    /// nobody who paid a moment ago is turned away.
    pub async fn expire_open(&self) -> Result<ExpireReport, StoreError> {
        let mut report = ExpireReport::default();
        let mut after = 0;
        loop {
            let page = self.open_attempts(after, PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(report);
            };
            after = *last;
            for (_, attempt) in page {
                self.expire_one(&attempt, &mut report).await?;
            }
        }
    }

    async fn expire_one(&self, attempt: &StoredAttempt, report: &mut ExpireReport) -> Result<(), StoreError> {
        let reference = attempt.reference().clone();
        self.ask(attempt).await?;
        let Some(now) = self.0.ledger.attempt(&reference).await? else {
            return Ok(());
        };
        let gateway = self.gateway(&now.expected.gateway);
        let expire = gateway.and_then(|gateway| gateway.abilities().expire);
        match (now.status.is_final(), expire) {
            (true, _) => {}
            (false, None) => {
                report.cannot.push(reference);
                return Ok(());
            }
            (false, Some(expire)) => match expire.expire(&now, self.now()).await {
                Ok(event) => {
                    let _ = self.take_evidence(&now, event).await?;
                }
                Err(error) => {
                    notice!(attempt = %reference, error = %error, "the page could not be closed");
                    report.failed.push((reference, error));
                    return Ok(());
                }
            },
        }
        let after = self.0.ledger.attempt(&reference).await?;
        match after.map(|after| (after.status.is_final(), after.status.has_money())) {
            Some((true, true)) => report.paid.push(reference),
            Some((true, false)) => report.closed.push(reference),
            // Money is on its way, or the gateway said nothing clear: it is asked about again by the sweep.
            _ => report.cannot.push(reference),
        }
        Ok(())
    }

    async fn turn(&self, switch: Switch, actor: SwitchText, reason: SwitchText) -> Result<Turned, StoreError> {
        let change = ModeChange { switch, actor, reason };
        let mode = self.0.ledger.set_mode(&change, self.now()).await?;
        let mut open_attempts = 0;
        let mut after = 0;
        loop {
            let page = self.open_attempts(after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            open_attempts += page.len() as u64;
        }
        self.tell_turned(&change, open_attempts);
        Ok(Turned { mode, open_attempts })
    }
}

/// How many attempts are read at a time.
const PAGE: usize = 200;
