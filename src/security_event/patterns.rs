//! What only shows in many payments together: card testing, and redirects that lead nowhere.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::time::SystemTime;

use super::event::SecurityEvent;
use super::policy::SecurityPolicy;
use super::rates::{Frequent, Share, Window};
use super::show::AboutPayment;
use super::words::Reason;
use crate::ledger::ExpectedPayment;
use crate::money::Money;
use crate::reference::{AttemptReference, CustomerReference, GatewayId};

/// Gateways are configured, so there are few. A bound nevertheless.
const MOST_GATEWAYS: usize = 64;
/// Of so many attempts it is remembered that a sign of their shopper was told, of as many that the store closed their page, and of
/// so much evidence that it was held.
const MOST_SEEN: usize = 4096;

#[derive(Default)]
pub(super) struct Patterns {
    gateways: HashMap<GatewayId, Counts>,
    seen: Seen<AttemptReference>,
    /// Attempts whose page the store closes by itself.
    ours: Seen<AttemptReference>,
}

struct Counts {
    declined: Window,
    unused: Window,
    amounts: Frequent<Money>,
    customers: Frequent<CustomerReference>,
}

/// How an attempt ended, or that a shopper was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The browser came back, or the gateway reports what a shopper did.
    Seen,
    /// Paid.
    Paid,
    /// Ended declined.
    Declined,
    /// A try was declined on a page that is still open.
    FailedTry,
    /// Expired without a sign of a shopper, as far as is known.
    Expired,
    /// Ended cancelled.
    Cancelled,
}

impl Patterns {
    /// A page was opened.
    pub(super) fn opened(
        &mut self,
        expected: &ExpectedPayment,
        policy: &SecurityPolicy,
        now: SystemTime,
    ) -> Vec<SecurityEvent> {
        let Some(counts) = self.counts(&expected.gateway) else {
            return Vec::new();
        };
        let Some(customer) = &expected.customer else {
            return Vec::new();
        };
        let testing = &policy.testing;
        let share = counts
            .customers
            .add(customer, (now, testing.window), testing.same_customer, 0);
        let suspected = share.map(|share| suspected(expected, Reason::SameCustomer, share, policy));
        suspected.into_iter().collect()
    }

    /// Something became of an attempt.
    pub(super) fn turned(
        &mut self,
        expected: &ExpectedPayment,
        turn: Turn,
        policy: &SecurityPolicy,
        now: SystemTime,
    ) -> Vec<SecurityEvent> {
        let mut events = Vec::new();
        if matches!(turn, Turn::Expired | Turn::Cancelled) && self.ours.holds(&expected.attempt) {
            return events;
        }
        let was_seen = self.seen.holds(&expected.attempt);
        let first = turn != Turn::Expired && self.seen.add(&expected.attempt);
        if first {
            events.push(SecurityEvent::RedirectOpened {
                payment: expected.into(),
            });
        }
        let Some(counts) = self.counts(&expected.gateway) else {
            return events;
        };
        if first || (turn == Turn::Expired && !was_seen) {
            let unused = &policy.unused;
            let share = counts.unused.count(turn == Turn::Expired, now, unused.window);
            if counts.unused.passes(share.is_at_least(unused.unused, unused.percent)) {
                events.push(SecurityEvent::RedirectsUnused {
                    at: AboutPayment::from(expected).at,
                    count: share.count,
                    of: share.of,
                    window_seconds: unused.window.as_secs(),
                });
            }
        }
        if matches!(turn, Turn::Seen | Turn::Cancelled) {
            return events;
        }
        let testing = &policy.testing;
        let over = (now, testing.window);
        let declined = matches!(turn, Turn::Declined | Turn::FailedTry);
        let share = counts.declined.count(declined, now, testing.window);
        if counts
            .declined
            .passes(share.is_at_least(testing.declined, testing.percent))
        {
            events.push(suspected(expected, Reason::DeclineRate, share, policy));
        }
        if declined {
            let share = counts
                .amounts
                .add(&expected.amount, over, testing.same_amount, testing.percent);
            events.extend(share.map(|share| suspected(expected, Reason::SameAmount, share, policy)));
        } else {
            counts.amounts.dilute(&expected.amount, over);
        }
        if let (Turn::Paid, Some(customer)) = (turn, &expected.customer) {
            counts.customers.forget(customer);
        }
        events
    }

    /// The store closes the page of this attempt by itself.
    pub(super) fn closing(&mut self, attempt: &AttemptReference) {
        self.ours.add(attempt);
    }

    fn counts(&mut self, gateway: &GatewayId) -> Option<&mut Counts> {
        if !self.gateways.contains_key(gateway) && self.gateways.len() >= MOST_GATEWAYS {
            return None;
        }
        Some(self.gateways.entry(gateway.clone()).or_insert_with(|| Counts {
            declined: Window::new(),
            unused: Window::new(),
            amounts: Frequent::new(),
            customers: Frequent::new(),
        }))
    }
}

fn suspected(expected: &ExpectedPayment, reason: Reason, share: Share, policy: &SecurityPolicy) -> SecurityEvent {
    SecurityEvent::TestingSuspected {
        payment: expected.into(),
        reason,
        count: share.count,
        of: share.of,
        window_seconds: policy.testing.window.as_secs(),
    }
}

/// The latest of something, to know them again.
pub(super) struct Seen<K> {
    known: HashSet<K>,
    order: VecDeque<K>,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self {
            known: HashSet::new(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Clone + Eq + Hash> Seen<K> {
    fn holds(&self, one: &K) -> bool {
        self.known.contains(one)
    }

    /// True if it is new.
    pub(super) fn add(&mut self, one: &K) -> bool {
        if !self.known.insert(one.clone()) {
            return false;
        }
        self.order.push_back(one.clone());
        if self.order.len() > MOST_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_again_and_the_oldest_is_forgotten() {
        let mut seen = Seen::default();
        for n in 0..100_000 {
            assert!(seen.add(&n));
            assert!(!seen.add(&n));
            assert!(seen.known.len() <= MOST_SEEN && seen.order.len() <= MOST_SEEN);
        }
        assert!(seen.holds(&99_999) && !seen.holds(&0));
    }
}
