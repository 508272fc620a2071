//! Asking the gateway: one question per attempt at a time, and a budget, so that nobody outside can make us ask without
//! bounds (PAY-64). What the answer means is decided at the same gate as everything else.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::Cashier;
use crate::error::{Error, ErrorKind, Outcome};
use crate::ledger::{Applied, Asked, Note, StoreError, StoredAttempt, rules};
use crate::reference::{AttemptReference, GatewayId};
use crate::trace::notice;

/// How many status questions may be asked because a browser came back. The sweep has its own bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AskBudget {
    /// The least time between two questions about one attempt. Default 2 s.
    pub per_attempt: Duration,
    /// The most questions to one gateway within a second. Default 10: Stripe's sandbox takes 25 requests of all kinds (sheet
    /// section 12).
    pub per_second: u32,
}

impl Default for AskBudget {
    fn default() -> Self {
        Self {
            per_attempt: Duration::from_secs(2),
            per_second: 10,
        }
    }
}

impl AskBudget {
    /// At most one question about one attempt in this time.
    #[must_use]
    pub fn per_attempt(mut self, least: Duration) -> Self {
        self.per_attempt = least;
        self
    }

    /// At most so many questions to one gateway within a second.
    #[must_use]
    pub fn per_second(mut self, most: u32) -> Self {
        self.per_second = most;
        self
    }
}

/// What came of wanting to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was asked, and this is what the answer did.
    Applied(Applied),
    /// It was asked and there was no answer that can be used. Nothing is known that was not known before.
    None,
    /// There is no question that could be sent: the gateway has not named this payment yet, or cannot be asked at all. That
    /// says nothing about the gateway.
    CannotAsk,
    /// It was not asked: somebody else is asking, or the budget is used up.
    NotAsked,
}

/// Who is being asked about, and how much was asked lately.
pub(super) struct Asking {
    budget: AskBudget,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    in_flight: HashSet<AttemptReference>,
    last: HashMap<AttemptReference, SystemTime>,
    seconds: HashMap<GatewayId, (SystemTime, u32)>,
}

/// Only attempts that exist get in here, with their token shown; still, memory is bounded.
const MOST_REMEMBERED: usize = 10_000;

impl Asking {
    pub(super) fn new(budget: AskBudget) -> Self {
        Self {
            budget,
            state: Mutex::default(),
        }
    }

    /// Takes the turn to ask about an attempt, if nobody has it. It is given back when the ticket is dropped, also when
    /// the caller's future is.
    fn turn(&self, attempt: &AttemptReference) -> Option<Turn<'_>> {
        let free = self.state().in_flight.insert(attempt.clone());
        free.then(|| Turn {
            asking: self,
            attempt: attempt.clone(),
        })
    }

    /// Counts a question that a browser caused. False if it is one too many.
    fn spend(&self, attempt: &AttemptReference, gateway: &GatewayId, now: SystemTime) -> bool {
        let AskBudget {
            per_attempt,
            per_second,
        } = self.budget;
        let mut state = self.state();
        if state
            .last
            .get(attempt)
            .is_some_and(|last| recent(*last, now, per_attempt))
        {
            return false;
        }
        let (since, count) = state.seconds.get(gateway).copied().unwrap_or((now, 0));
        let (since, count) = if recent(since, now, Duration::from_secs(1)) {
            (since, count)
        } else {
            (now, 0)
        };
        if count >= per_second {
            return false;
        }
        state.seconds.insert(gateway.clone(), (since, count + 1));
        if state.last.len() >= MOST_REMEMBERED {
            state.last.retain(|_, last| recent(*last, now, per_attempt));
        }
        if state.last.len() >= MOST_REMEMBERED {
            // All of them were asked about lately. What is forgotten is still held by the gateway's own budget.
            state.last.clear();
        }
        state.last.insert(attempt.clone(), now);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves at most a count that is too high.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back counts as recent: it must not open the budget.
pub(super) fn recent(then: SystemTime, now: SystemTime, within: Duration) -> bool {
    now.duration_since(then).map_or(true, |passed| passed < within)
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

struct Turn<'a> {
    asking: &'a Asking,
    attempt: AttemptReference,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.asking.state().in_flight.remove(&self.attempt);
    }
}

impl Cashier {
    /// Asks about an attempt on behalf of a browser: within the budget.
    pub(super) async fn ask_for_browser(&self, attempt: &StoredAttempt) -> Result<Answer, StoreError> {
        let expected = &attempt.expected;
        if !self.0.asking.spend(&expected.attempt, &expected.gateway, self.now()) {
            return Ok(Answer::NotAsked);
        }
        self.ask(attempt).await
    }

    /// Asks about an attempt that was handed out for it, and says when to ask next.
    pub(super) async fn ask_in_turn(&self, attempt: &StoredAttempt) -> Result<Answer, StoreError> {
        let (reference, begun) = (attempt.reference(), self.now());
        let (answer, made_due) = self.ask_noting(attempt).await?;
        if answer == Answer::NotAsked {
            return Ok(answer);
        }
        let Some(mut seen) = self.0.ledger.attempt(reference).await? else {
            return Ok(answer);
        };
        let answered = matches!(answer, Answer::Applied(_));
        let later = rules::next_ask(&seen, answered, self.now(), &self.0.times);
        // A message that came meanwhile, here or on another node, may be newer than the answer.
        let since = seen.next_ask.filter(|_| seen.next_ask != attempt.next_ask);
        let next = [made_due, since, later].into_iter().flatten().min();
        // What comes from here on is seen by the ledger.
        seen.asked_at = attempt.asked_at;
        self.0.ledger.asked(&seen, &Asked { answered, next }, begun).await?;
        Ok(answer)
    }

    /// Asks about an attempt, unless somebody is asking already, and applies the answer. When the sweep asks stays as it is.
    pub(super) async fn ask(&self, attempt: &StoredAttempt) -> Result<Answer, StoreError> {
        let (answer, _) = self.ask_noting(attempt).await?;
        Ok(answer)
    }

    /// The same, and gives when the attempt is due because of a message that came before the answer was applied: an answer that
    /// ends the attempt ends its asking too.
    async fn ask_noting(&self, attempt: &StoredAttempt) -> Result<(Answer, Option<SystemTime>), StoreError> {
        let reference = attempt.reference();
        let Some(_turn) = self.0.asking.turn(reference) else {
            return Ok((Answer::NotAsked, None));
        };
        let Some(gateway) = self.gateway(&attempt.expected.gateway) else {
            return Ok((Answer::CannotAsk, None));
        };
        let event = match gateway.status(attempt, self.now()).await {
            Ok(event) => event,
            Err(error) if cannot_ask(&error) => {
                notice!(attempt = %reference, error = %error, "it cannot be asked about");
                return Ok((Answer::CannotAsk, None));
            }
            Err(error) => {
                notice!(attempt = %reference, error = %error, "no answer to a status question");
                self.tell_unanswered(attempt, gateway.as_ref(), &error);
                let _ = self.0.ledger.note(reference, Note::Unanswered, self.now()).await?;
                return Ok((Answer::None, None));
            }
        };
        let before = self.0.ledger.attempt(reference).await?;
        let next = before.and_then(|before| before.next_ask);
        let made_due = next.filter(|_| next != attempt.next_ask);
        Ok((Answer::Applied(self.take_evidence(attempt, event).await?), made_due))
    }
}

/// Nothing left this machine, because there is nothing to send.
fn cannot_ask(error: &Error) -> bool {
    error.outcome() == Outcome::NotSent && matches!(error.kind(), ErrorKind::Request | ErrorKind::Config)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::ReferenceFormat;

    fn attempt() -> AttemptReference {
        AttemptReference::random(ReferenceFormat::RANDOM_128).unwrap()
    }

    #[test]
    fn one_turn_per_attempt_and_it_comes_back_when_dropped() {
        let asking = Asking::new(AskBudget::default());
        let (one, other) = (attempt(), attempt());
        let turn = asking.turn(&one);
        assert!(turn.is_some());
        assert!(asking.turn(&one).is_none());
        assert!(asking.turn(&other).is_some());
        drop(turn);
        assert!(asking.turn(&one).is_some());
    }

    #[test]
    fn ten_thousand_returns_of_one_attempt_cost_one_question() {
        let asking = Asking::new(AskBudget::default());
        let one = attempt();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let spent = (0..10_000)
            .filter(|_| asking.spend(&one, &GatewayId::STRIPE, now))
            .count();
        assert_eq!(spent, 1);
        assert!(!asking.spend(&one, &GatewayId::STRIPE, now + Duration::from_millis(1_999)));
        assert!(
            !asking.spend(&one, &GatewayId::STRIPE, now - Duration::from_secs(500)),
            "a clock that was set back"
        );
        assert!(asking.spend(&one, &GatewayId::STRIPE, now + Duration::from_secs(2)));
    }

    #[test]
    fn many_attempts_share_the_gateways_budget_and_memory_is_bounded() {
        let asking = Asking::new(AskBudget::default());
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let spent = (0..1_000)
            .filter(|_| asking.spend(&attempt(), &GatewayId::STRIPE, start))
            .count();
        assert_eq!(spent, 10);
        for second in 0..3_000 {
            let now = start + Duration::from_secs(second * 10);
            for _ in 0..10 {
                asking.spend(&attempt(), &GatewayId::STRIPE, now);
            }
        }
        assert!(asking.state().last.len() <= MOST_REMEMBERED);
        let patient = Asking::new(AskBudget::default().per_attempt(Duration::MAX).per_second(u32::MAX));
        for _ in 0..MOST_REMEMBERED + 10 {
            assert!(patient.spend(&attempt(), &GatewayId::STRIPE, start));
        }
        assert!(
            patient.state().last.len() <= MOST_REMEMBERED,
            "however long they are recent"
        );
    }
}
