//! How often and how long a call is tried, and how long to wait in between.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::CallLimits;

/// The first wait, and the shortest (Stripe sheet section 12, 2026-11-23).
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait that nobody asked for (the same).
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// With less time than this left, one more try would rather add an unknown outcome than an answer.
const SHORTEST_TRY: Duration = Duration::from_secs(1);

const TRIES: (u32, u32) = (1, 10);
const TOTAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(600));

/// How often and how long to try.
///
/// Values out of bounds count as the nearest bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most tries, the first included: 1 to 10. Default 3.
    pub tries: u32,
    /// The longest all tries and waits may take together: 0.1 s to 10 minutes. Default 30 s.
    ///
    /// Counted is what the tries took by the clock, and of every wait at least what was asked of
    /// [`Transport::pause`](super::Transport::pause): a transport that lets no time pass does not stretch the budget.
    pub total: Duration,
    /// The longest one try may take: 0.1 s to `total`. Default 20 s. Less when less of `total` is left.
    pub per_try: Duration,
    /// The most bytes of an answer. Default 1 MiB.
    pub reply: usize,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 3,
            total: Duration::from_secs(30),
            per_try: Duration::from_secs(20),
            reply: 1024 * 1024,
        }
    }
}

/// What is left of a policy while one call runs.
pub(super) struct Effort {
    policy: RetryPolicy,
    waits: ExponentialBackoff,
    tries: u32,
    spent: Duration,
}

impl Effort {
    pub(super) fn new(policy: RetryPolicy) -> Self {
        let total = policy.total.clamp(TOTAL.0, TOTAL.1);
        Self {
            policy: RetryPolicy {
                tries: policy.tries.clamp(TRIES.0, TRIES.1),
                total,
                per_try: policy.per_try.clamp(TOTAL.0, total),
                reply: policy.reply,
            },
            waits: ExponentialBuilder::new()
                .with_factor(2.0)
                .with_min_delay(FIRST_WAIT)
                .with_max_delay(LONGEST_WAIT)
                .without_max_times()
                .with_jitter()
                .with_jitter_seed(seed())
                .build(),
            tries: 0,
            spent: Duration::ZERO,
        }
    }

    /// Counts one more try and says what it may cost.
    pub(super) fn start(&mut self) -> CallLimits {
        self.tries += 1;
        CallLimits {
            total: self.policy.per_try.min(self.left()),
            reply: self.policy.reply,
        }
    }

    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    pub(super) fn spend(&mut self, time: Duration) {
        self.spent = self.spent.saturating_add(time);
    }

    /// How long to wait before the next try; none if there is no next try.
    pub(super) fn next_wait(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.tries >= self.policy.tries {
            return None;
        }
        let wait = self
            .waits
            .next()
            .unwrap_or(LONGEST_WAIT)
            .clamp(FIRST_WAIT, LONGEST_WAIT)
            .max(asked.unwrap_or_default());
        let needed = wait.saturating_add(SHORTEST_TRY.min(self.policy.per_try));
        (needed <= self.left()).then_some(wait)
    }

    fn left(&self) -> Duration {
        self.policy.total.saturating_sub(self.spent)
    }
}

/// The jitter keeps shops from coming back all at once; nothing secret depends on it, so without randomness it is the same
/// each time.
fn seed() -> u64 {
    getrandom::u64().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use super::*;

    fn policy(tries: u32, total: Duration, per_try: Duration) -> RetryPolicy {
        RetryPolicy {
            tries,
            total,
            per_try,
            reply: 10,
        }
    }

    #[test]
    fn waits_double_with_jitter_and_stay_within_half_a_second_and_five() {
        let mut first = std::collections::HashSet::new();
        for _ in 0..50 {
            let mut effort = Effort::new(policy(10, Duration::from_secs(600), Duration::from_secs(1)));
            for at_least in [500, 1000, 2000, 4000, 5000, 5000, 5000, 5000, 5000] {
                effort.start();
                let wait = effort.next_wait(None).unwrap().as_millis();
                assert!(
                    wait >= at_least && wait <= 5000 && wait <= at_least * 2,
                    "{wait} after {at_least}"
                );
                first.insert(wait);
            }
            effort.start();
            assert_eq!(effort.next_wait(None), None, "ten tries are all");
        }
        assert!(first.len() > 10, "the jitter varies");
    }

    #[test]
    fn policies_out_of_bounds_are_brought_back() {
        for (given, tries, total, per_try) in [
            (policy(0, Duration::ZERO, Duration::ZERO), 1, 100, 100),
            (policy(u32::MAX, Duration::MAX, Duration::MAX), 10, 600_000, 600_000),
            (
                policy(3, Duration::from_secs(2), Duration::from_secs(20)),
                3,
                2000,
                2000,
            ),
        ] {
            let mut effort = Effort::new(given);
            assert_eq!(effort.start().total, Duration::from_millis(per_try));
            assert_eq!(
                (effort.policy.tries, effort.policy.total),
                (tries, Duration::from_millis(total))
            );
        }
    }

    #[test]
    fn a_try_gets_what_is_left_and_no_wait_outlives_the_budget() {
        let mut effort = Effort::new(policy(9, Duration::from_secs(10), Duration::from_secs(6)));
        assert_eq!(effort.start().total, Duration::from_secs(6));
        effort.spend(Duration::from_secs(5));
        assert_eq!(effort.start().total, Duration::from_secs(5));
        assert_eq!(
            effort.next_wait(Some(Duration::from_millis(4001))),
            None,
            "a second has to be left"
        );
        assert_eq!(effort.next_wait(Some(Duration::MAX)), None);
        assert_eq!(
            effort.next_wait(Some(Duration::from_secs(4))),
            Some(Duration::from_secs(4))
        );
        effort.spend(Duration::MAX);
        assert_eq!(effort.next_wait(None), None);
        assert_eq!(effort.start().total, Duration::ZERO);
    }
}
