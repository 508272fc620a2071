//! The stop switch, for the day on which something is wrong (PAY-67). It stops new checkouts at once, on every node, and
//! nothing else: who has paid is served, and evidence is never turned away.

use std::collections::HashMap;

use super::Cashier;
use super::asking::Answer;
use super::self_check::SelfCheck;
use crate::error::{Error, Outcome};
use crate::ledger::{
    Checkpoint, Mode, ModeChange, StoreError, StoreNote, StoredAttempt, Switch, SwitchText, Which, rules,
};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, GatewayId, MerchantAccount};
use crate::security_event::Step;
use crate::trace::notice;

/// What holds after a turn of the switch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Turned {
    /// The mode from now on.
    pub mode: Mode,
    /// How many attempts could still be paid right after that. [`Cashier::open_attempts`] lists them. Nothing if they could not be
    /// counted: the switch is turned nevertheless.
    pub open_attempts: Option<u64>,
}

/// Why the store was not reopened. It stays as it was, unless the ledger says that this is not known.
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

/// What became of the pages that were to be closed. Each attempt that was looked at is in one of the lists.
#[derive(Debug, Default)]
#[non_exhaustive]
#[must_use = "what is not closed can still be paid"]
pub struct ExpireReport {
    /// Attempts that are over now: their pages were closed, or were not used and cannot be any more.
    pub closed: Vec<AttemptReference>,
    /// Attempts whose money had come: they are settled now, and their orders are fulfilled.
    pub paid: Vec<AttemptReference>,
    /// Attempts whose gateway cannot close a page. They stay payable until their end.
    pub cannot: Vec<AttemptReference>,
    /// Attempts that are left as they are: money is on its way, or nothing clear was said of them. The sweep asks again.
    pub undecided: Vec<AttemptReference>,
    /// Attempts whose page could not be closed this time, and why.
    pub failed: Vec<(AttemptReference, Error)>,
    /// Attempts that were left alone, because their gateway gave no answers. Call again later.
    pub left: Vec<AttemptReference>,
    /// The ledger failed, and what came behind was not looked at. What is listed was done.
    pub broke_off: Option<StoreError>,
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

    /// As usual again, if the self-check finds nothing. What it found otherwise is in the error, and nothing was changed. Give it
    /// every checkpoint that was kept, [read](Checkpoint::read) with its key.
    pub async fn reopen(
        &self,
        actor: SwitchText,
        reason: SwitchText,
        checkpoints: &[Checkpoint],
    ) -> Result<SelfCheck, ReopenError> {
        let check = self.self_check(checkpoints).await?;
        if !check.passed() {
            self.tell_self_check(&check);
            return Err(ReopenError::SelfCheck(check));
        }
        self.set_mode(Switch::Reopen, actor, reason).await?;
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
        let noted = self.0.ledger.note_store(&note, self.now()).await;
        noted.inspect_err(self.ledger_failed(Step::Switch))?;
        self.tell_keys_changed(gateway, account, &actor);
        Ok(())
    }

    /// The attempts that can still be paid, in the order in which they were written: so many behind a place, each with its
    /// place. One that nobody confirmed counts until it [no longer blocks](rules::blocks) its order.
    pub async fn open_attempts(&self, after: u64, limit: usize) -> Result<Vec<(u64, StoredAttempt)>, StoreError> {
        let now = self.now();
        let (mut after, mut open) = (after, Vec::new());
        while open.len() < limit {
            let page = self.0.ledger.attempts_after(after, Which::Open, limit).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            open.extend(page.into_iter().filter(|(_, attempt)| rules::blocks(attempt, now)));
        }
        open.truncate(limit);
        Ok(open)
    }

    /// Closes the pages of every attempt that can still be paid, where the gateway can. Each is asked about first, so that
    /// nobody who paid a moment ago is turned away. A gateway that does not answer is left alone after a few questions.
    ///
    /// It may take long: a question and a request for each attempt. What it did is in the report also if the ledger fails on the
    /// way; calling it again goes on with what is still open.
    pub async fn expire_open(&self) -> ExpireReport {
        let mut report = ExpireReport::default();
        if let Err(error) = self.expire_all(&mut report).await {
            self.ledger_failed(Step::Switch)(&error);
            report.broke_off = Some(error);
        }
        report
    }

    async fn expire_all(&self, report: &mut ExpireReport) -> Result<(), StoreError> {
        let mut silent: HashMap<GatewayId, usize> = HashMap::new();
        let mut after = 0;
        loop {
            let page = self.open_attempts(after, PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = *last;
            for (_, attempt) in page {
                let silent = silent.entry(attempt.expected.gateway.clone()).or_default();
                if *silent >= GIVE_UP_AFTER {
                    report.left.push(attempt.expected.attempt);
                    continue;
                }
                *silent = if self.expire_one(&attempt, report).await? {
                    0
                } else {
                    *silent + 1
                };
            }
        }
    }

    /// False if the gateway gave no answer.
    async fn expire_one(&self, attempt: &StoredAttempt, report: &mut ExpireReport) -> Result<bool, StoreError> {
        let reference = attempt.reference().clone();
        let mut answered = self.ask(attempt).await? != Answer::None;
        let Some(now) = self.0.ledger.attempt(&reference).await? else {
            return Ok(answered);
        };
        let gateway = self.gateway(&now.expected.gateway);
        if !now.status.is_final() {
            let Some((gateway, expire)) = gateway.and_then(|gateway| Some((gateway, gateway.abilities().expire?)))
            else {
                report.cannot.push(reference);
                return Ok(answered);
            };
            if !matches!(now.status, PaymentStatus::Created | PaymentStatus::RequiresAction) {
                // Money is on its way, and a slip that was handed out can be paid: nothing is taken back.
                report.undecided.push(reference);
                return Ok(answered);
            }
            self.closing(&now);
            match expire.expire(&now, self.now()).await {
                Ok(event) => {
                    answered = true;
                    let _ = self.take_evidence(&now, event).await?;
                }
                Err(error) => {
                    notice!(attempt = %reference, error = %error, "the page could not be closed");
                    self.tell_unanswered(&now, gateway.as_ref(), &error);
                    answered |= error.outcome() == Outcome::Refused;
                    report.failed.push((reference, error));
                    return Ok(answered);
                }
            }
        }
        let after = self.0.ledger.attempt(&reference).await?;
        match after.map(|after| (after.status.is_final(), after.status.has_money())) {
            Some((true, true)) => report.paid.push(reference),
            Some((true, false)) => report.closed.push(reference),
            // The gateway said nothing clear.
            _ => report.undecided.push(reference),
        }
        Ok(answered)
    }

    async fn turn(&self, switch: Switch, actor: SwitchText, reason: SwitchText) -> Result<Turned, StoreError> {
        let mode = self.set_mode(switch, actor, reason).await?;
        // The switch is turned. What cannot be counted now can be counted later.
        let counted = self.count_open().await.inspect_err(self.ledger_failed(Step::Switch));
        let open_attempts = counted.ok();
        Ok(Turned { mode, open_attempts })
    }

    /// Turns the switch, and tells so before anything else can fail.
    async fn set_mode(&self, switch: Switch, actor: SwitchText, reason: SwitchText) -> Result<Mode, StoreError> {
        let change = ModeChange { switch, actor, reason };
        let turned = self.0.ledger.set_mode(&change, self.now()).await;
        let mode = turned.inspect_err(self.ledger_failed(Step::Switch))?;
        self.tell_turned(&change);
        Ok(mode)
    }

    async fn count_open(&self) -> Result<u64, StoreError> {
        let (mut count, mut after) = (0, 0);
        loop {
            let page = self.open_attempts(after, PAGE).await?;
            let Some((last, _)) = page.last() else {
                return Ok(count);
            };
            after = *last;
            count += page.len() as u64;
        }
    }
}

/// How many attempts are read at a time.
const PAGE: usize = 200;

/// After so many attempts in a row without an answer, a gateway is left alone.
const GIVE_UP_AFTER: usize = 3;
