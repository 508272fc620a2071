//! What callbacks missed, asked for: every attempt that is not over gets asked about, less and less often (PAY-69).

use std::time::Duration;

use super::Cashier;
use super::asking::Answer;
use crate::ledger::{Applied, AskDue, StoreError};

/// How much one sweep may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepPolicy {
    /// The most questions of one sweep. Default 100.
    pub most: usize,
    /// How long an attempt is reserved for the node that asks about it. Default 60 s: longer than any call may take.
    pub lease: Duration,
}

impl Default for SweepPolicy {
    fn default() -> Self {
        Self {
            most: 100,
            lease: Duration::from_secs(60),
        }
    }
}

impl SweepPolicy {
    /// At most so many questions.
    #[must_use]
    pub fn most(mut self, most: usize) -> Self {
        self.most = most;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Questions asked.
    pub asked: usize,
    /// Of these, without an answer that could be used.
    pub unanswered: usize,
    /// Differences found and repaired: the state moved.
    pub moved: usize,
    /// Orders found paid.
    pub paid: usize,
    /// Answers that wait for a human.
    pub held: usize,
}

/// How many are taken from the ledger at a time, so that a node that dies holds few of them back.
const BATCH: usize = 10;

impl Cashier {
    /// Asks about attempts that are due. Call it every minute or so, on every node: no attempt is asked about by two at
    /// once. An error stops the sweep; what was found until then is on record.
    pub async fn sweep(&self, policy: &SweepPolicy) -> Result<SweepReport, StoreError> {
        let mut report = SweepReport::default();
        while report.asked < policy.most {
            let limit = BATCH.min(policy.most - report.asked);
            let due = AskDue {
                now: self.now(),
                lease: policy.lease,
                limit,
            };
            let batch = self.0.ledger.attempts_to_ask(&due).await?;
            if batch.is_empty() {
                break;
            }
            for attempt in batch {
                let answer = self.ask(&attempt).await?;
                report.count(answer);
            }
        }
        Ok(report)
    }
}

impl SweepReport {
    fn count(&mut self, answer: Answer) {
        self.asked += 1;
        match answer {
            Answer::Applied(Applied::Now) => {
                self.moved += 1;
                self.paid += 1;
            }
            Answer::Applied(Applied::Moved) => self.moved += 1,
            Answer::Applied(Applied::Held(_)) => self.held += 1,
            Answer::Applied(Applied::Already | Applied::Older) => {}
            Answer::Applied(Applied::Ask(_)) | Answer::None | Answer::NotAsked => self.unanswered += 1,
        }
    }
}
