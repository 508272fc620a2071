//! What callbacks missed, asked for: every attempt that is not over gets asked about, less and less often (PAY-69). One that is
//! over gets asked about after a message about it.

use std::collections::VecDeque;
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
    /// How long an attempt is reserved for the node that asks about it. Default five minutes. It has to be longer than a question
    /// may take: some gateways are asked with several calls, each of which may take its
    /// [`total`](crate::transport::RetryPolicy::total). A node that dies holds one attempt back for so long.
    pub lease: Duration,
}

impl Default for SweepPolicy {
    fn default() -> Self {
        Self {
            most: 100,
            per_gateway: 50,
            give_up_after: 3,
            lease: Duration::from_secs(5 * 60),
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
    /// Due attempts of which nothing has been named yet that a question could be about, or whose gateway cannot be asked. They are
    /// no questions; they are looked at again later.
    pub not_askable: usize,
    /// Due attempts of which nothing can be read, because their rows have lost their form. They hold up no other; that they are there
    /// is told as `payment.ledger.failed`, and [`verify`](Cashier::verify) names the first of them.
    pub damaged: usize,
    /// Due attempts that were left for the next sweep: because a share was used up, because their gateway gave no answers, or
    /// because it is not configured any more.
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

/// How many attempts that cannot be asked about are looked at for each question that may be asked.
const LOOKS_PER_QUESTION: usize = 10;

impl Cashier {
    /// Asks about attempts that are due, at each gateway in turn. Call it every minute or so, on every node: no attempt is asked
    /// about by two sweeps at once, as long as [`lease`](SweepPolicy::lease) is longer than a question takes. An error stops
    /// the sweep; what was found until then is on record.
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
        let mut shares: VecDeque<Share> = self.0.gateways.iter().map(|gateway| Share::of(gateway.id())).collect();
        while report.asked < policy.most {
            let Some(mut share) = shares.pop_front() else { break };
            if !share.goes_on(policy) {
                continue;
            }
            // One at a time, so that its lease begins with its question.
            let due = AskDue {
                gateway: share.gateway.clone(),
                now: self.now(),
                lease: policy.lease,
                limit: 1,
            };
            let attempt = match self.0.ledger.attempts_to_ask(&due).await.map(|mut due| due.pop()) {
                Ok(Some(attempt)) => attempt,
                Ok(None) => continue,
                Err(error) if error.is_damage() => {
                    self.ledger_failed(Step::Sweep)(&error);
                    report.damaged += 1;
                    // As if it had been asked about: also a ledger that names the same one again has an end.
                    share.asked += 1;
                    shares.push_back(share);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let answer = self.ask_in_turn(&attempt).await?;
            share.count(answer);
            shares.push_back(share);
            if answer == Answer::CannotAsk {
                report.not_askable += 1;
                continue;
            }
            self.count(&mut report, &attempt, answer).await?;
            watch(&report);
        }
        let left = self.0.ledger.left_to_ask(self.now()).await?;
        report.left = usize::try_from(left).unwrap_or(usize::MAX);
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
            Answer::Applied(Applied::Ask(_)) | Answer::None | Answer::CannotAsk | Answer::NotAsked => {
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
struct Share {
    gateway: GatewayId,
    asked: usize,
    /// Attempts that could not be asked about.
    passed: usize,
    /// Questions without an answer since the last one that had one.
    silent: usize,
}

impl Share {
    fn of(gateway: GatewayId) -> Self {
        Self {
            gateway,
            asked: 0,
            passed: 0,
            silent: 0,
        }
    }

    fn goes_on(&self, policy: &SweepPolicy) -> bool {
        self.asked < policy.per_gateway
            && self.passed < policy.per_gateway.saturating_mul(LOOKS_PER_QUESTION)
            && self.silent < policy.give_up_after.max(1)
    }

    fn count(&mut self, answer: Answer) {
        match answer {
            // It says nothing about the gateway, and costs it nothing.
            Answer::CannotAsk => {
                self.passed += 1;
                return;
            }
            Answer::None => self.silent += 1,
            Answer::Applied(_) => self.silent = 0,
            // Somebody else is asking: that says nothing about the gateway.
            Answer::NotAsked => {}
        }
        self.asked += 1;
    }
}
