//! What callbacks missed, asked for: every attempt that is not over gets asked about, less and less often (PAY-69).

use std::collections::HashMap;
use std::time::Duration;

use super::Cashier;
use super::asking::Answer;
use crate::ledger::{Applied, AskDue, StoreError, StoredAttempt};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, GatewayId, MerchantReference};
use crate::security_event::Step;

/// How much one sweep may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepPolicy {
    /// The most questions of one sweep. Default 100.
    pub most: usize,
    /// The most questions of one sweep to one gateway. Default 50.
    pub per_gateway: usize,
    /// After so many questions in a row without an answer, a gateway is left alone for the rest of the sweep. Default 3.
    pub give_up_after: usize,
    /// How long an attempt is reserved for the node that asks about it. Default 60 s: longer than any call may take.
    pub lease: Duration,
}

impl Default for SweepPolicy {
    fn default() -> Self {
        Self {
            most: 100,
            per_gateway: 50,
            give_up_after: 3,
            lease: Duration::from_secs(60),
        }
    }
}

impl SweepPolicy {
    /// At most so many questions, to all gateways together and to each of them.
    #[must_use]
    pub fn most(mut self, most: usize) -> Self {
        self.most = most;
        self.per_gateway = most;
        self
    }

    /// At most so many questions to one gateway.
    #[must_use]
    pub fn per_gateway(mut self, most: usize) -> Self {
        self.per_gateway = most;
        self
    }

    /// After how many questions in a row without an answer a gateway is left alone for the rest of the sweep.
    #[must_use]
    pub fn give_up_after(mut self, unanswered: usize) -> Self {
        self.give_up_after = unanswered;
        self
    }

    /// How long an attempt is reserved for the node that asks about it.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }
}

/// What a sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Questions asked.
    pub asked: usize,
    /// Of these, without an answer that could be used.
    pub unanswered: usize,
    /// Due attempts that were left for the next sweep, because their gateway's share was used up or it gave no answers.
    pub left: usize,
    /// Orders found paid.
    pub paid: usize,
    /// What the gateways said that the ledger did not know, in the order in which it was found. Never longer than `asked`.
    pub drift: Vec<Drift>,
}

/// A difference between what was held and what the gateway said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The attempt.
    pub attempt: AttemptReference,
    /// Its order.
    pub order: MerchantReference,
    /// Its gateway.
    pub gateway: GatewayId,
    /// What was held before.
    pub before: PaymentStatus,
    /// What is held now.
    pub after: PaymentStatus,
    /// True if the answer waits for a human, because it contradicts the record; false if it was applied.
    pub held: bool,
}

impl SweepReport {
    /// Differences that were found and repaired.
    #[must_use]
    pub fn moved(&self) -> usize {
        self.drift.iter().filter(|drift| !drift.held).count()
    }

    /// Answers that wait for a human.
    #[must_use]
    pub fn held(&self) -> usize {
        self.drift.len() - self.moved()
    }
}

/// How many are taken from the ledger at a time, so that a node that dies holds few of them back.
const BATCH: usize = 10;
/// How many due attempts are looked at for each question that may be asked. What is passed over is due again when its lease is
/// over.
const LOOKS_PER_QUESTION: usize = 10;

impl Cashier {
    /// Asks about attempts that are due. Call it every minute or so, on every node: no attempt is asked about by two at
    /// once. An error stops the sweep; what was found until then is on record.
    pub async fn sweep(&self, policy: &SweepPolicy) -> Result<SweepReport, StoreError> {
        self.sweep_watched(policy, |_| {}).await
    }

    /// The same, and says after each question how far it is: for long runs, such as the one after an outage.
    pub async fn sweep_watched(
        &self,
        policy: &SweepPolicy,
        watch: impl FnMut(&SweepReport) + Send,
    ) -> Result<SweepReport, StoreError> {
        self.0.events.tick();
        let swept = self.sweep_due(policy, watch).await;
        swept.inspect_err(self.ledger_failed(Step::Sweep))
    }

    async fn sweep_due(
        &self,
        policy: &SweepPolicy,
        mut watch: impl FnMut(&SweepReport) + Send,
    ) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        let mut shares: HashMap<GatewayId, Share> = HashMap::new();
        while report.asked < policy.most && report.left < policy.most.saturating_mul(LOOKS_PER_QUESTION) {
            let due = AskDue {
                now: self.now(),
                lease: policy.lease,
                limit: BATCH.min(policy.most - report.asked),
            };
            let batch = self.0.ledger.attempts_to_ask(&due).await?;
            if batch.is_empty() {
                break;
            }
            for attempt in batch {
                let share = shares.entry(attempt.expected.gateway.clone()).or_default();
                if share.asked >= policy.per_gateway || share.silent >= policy.give_up_after.max(1) {
                    report.left += 1;
                    continue;
                }
                let answer = self.ask(&attempt).await?;
                share.count(answer);
                self.count(&mut report, &attempt, answer).await?;
                watch(&report);
            }
        }
        Ok(report)
    }

    async fn count(&self, report: &mut SweepReport, attempt: &StoredAttempt, answer: Answer) -> Result<(), StoreError> {
        report.asked += 1;
        let held = match answer {
            Answer::Applied(Applied::Now) => {
                report.paid += 1;
                false
            }
            Answer::Applied(Applied::Moved) => false,
            Answer::Applied(Applied::Held(_)) => true,
            Answer::Applied(Applied::Already | Applied::Older) => return Ok(()),
            Answer::Applied(Applied::Ask(_)) | Answer::None | Answer::NotAsked => {
                report.unanswered += 1;
                return Ok(());
            }
        };
        let now = self.0.ledger.attempt(attempt.reference()).await?;
        let after = now.map_or(attempt.status, |now| now.status);
        if !held {
            self.tell_drift(attempt, after);
        }
        report.drift.push(Drift {
            attempt: attempt.reference().clone(),
            order: attempt.expected.order.clone(),
            gateway: attempt.expected.gateway.clone(),
            before: attempt.status,
            after,
            held,
        });
        Ok(())
    }
}

/// What one gateway got of a sweep.
#[derive(Default)]
struct Share {
    asked: usize,
    /// Questions without an answer since the last one that had one.
    silent: usize,
}

impl Share {
    fn count(&mut self, answer: Answer) {
        self.asked += 1;
        match answer {
            Answer::None => self.silent += 1,
            Answer::Applied(_) => self.silent = 0,
            // Somebody else is asking: that says nothing about the gateway.
            Answer::NotAsked => {}
        }
    }
}
