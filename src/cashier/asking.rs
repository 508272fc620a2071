//! Asking the gateway: one question per attempt at a time, and a budget, so that nobody outside can make us ask without
//! bounds (PAY-64). What the answer means is decided at the same gate as everything else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Cashier, decides};
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
    /// Each with whether a message came while it was being asked about.
    in_flight: HashMap<AttemptReference, bool>,
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
        match self.state().in_flight.entry(attempt.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(false);
                Some(Turn {
                    asking: self,
                    attempt: attempt.clone(),
                })
            }
        }
    }

    /// A message came. If a question is under way its answer may be older.
    fn heard(&self, attempt: &AttemptReference) {
        if let Some(heard) = self.state().in_flight.get_mut(attempt) {
            *heard = true;
        }
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
        state.last.insert(attempt.clone(), now);
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves at most a count that is too high.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back counts as recent: it must not open the budget.
fn recent(then: SystemTime, now: SystemTime, within: Duration) -> bool {
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

impl Turn<'_> {
    /// Did a message come since the turn was taken?
    fn heard(&self) -> bool {
        self.asking
            .state()
            .in_flight
            .get(&self.attempt)
            .is_some_and(|heard| *heard)
    }
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

    /// Asks about an attempt, unless somebody is asking already, and applies the answer.
    pub(super) async fn ask(&self, attempt: &StoredAttempt) -> Result<Answer, StoreError> {
        let reference = attempt.reference();
        let Some(turn) = self.0.asking.turn(reference) else {
            return Ok(Answer::NotAsked);
        };
        let Some(gateway) = self.gateway(&attempt.expected.gateway) else {
            return Ok(Answer::None);
        };
        let answer = match gateway.status(attempt, self.now()).await {
            Ok(event) => Answer::Applied(self.take_evidence(attempt, event).await?),
            Err(error) => {
                notice!(attempt = %reference, error = %error, "no answer to a status question");
                self.tell_unanswered(attempt, gateway.as_ref(), &error);
                let _ = self.0.ledger.note(reference, Note::Unanswered, self.now()).await?;
                Answer::None
            }
        };
        let answered = matches!(answer, Answer::Applied(applied) if decides(applied));
        let now = self.now();
        // What the answer changed decides when to ask again. A message that came meanwhile, here or on another node, may be
        // newer than the answer: then it is due at once.
        let next = self.0.ledger.attempt(reference).await?.and_then(|stored| {
            let later = rules::next_ask(&stored, now, &self.0.times)?;
            let made_due = stored.next_ask.filter(|_| stored.next_ask != attempt.next_ask);
            let heard = turn.heard().then_some(now);
            [made_due, heard, Some(later)].into_iter().flatten().min()
        });
        self.0.ledger.asked(reference, &Asked { answered, next }, now).await?;
        Ok(answer)
    }

    /// Makes an attempt due for the next sweep.
    pub(super) async fn ask_soon(&self, attempt: &StoredAttempt) -> Result<(), StoreError> {
        let now = self.now();
        self.0.asking.heard(attempt.reference());
        if attempt.next_ask.is_some_and(|next| next <= now) {
            return Ok(());
        }
        self.0
            .ledger
            .asked(
                attempt.reference(),
                &Asked {
                    answered: true,
                    next: Some(now),
                },
                now,
            )
            .await
    }
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
        let turn = asking.turn(&one).unwrap();
        asking.heard(&other);
        assert!(!turn.heard());
        asking.heard(&one);
        assert!(turn.heard(), "while it is asked about");
        drop(turn);
        asking.heard(&one);
        assert!(!asking.turn(&one).unwrap().heard(), "before it was asked about");
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
    }
}
