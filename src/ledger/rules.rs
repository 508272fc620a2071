//! The decisions of a ledger as pure functions, so that every backend decides alike and a test needs no store.
//!
//! A backend reads what [`decide`] needs, calls it, and writes what it answers: all three inside one transaction.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::expected::FIRST_ASK;
use super::judgement::Meaning;
use super::{Applied, Asked, Binding, Cue, HeldReason, Judgement, Opened, RecordKind, StoredAttempt};
use crate::event::PaymentEvent;
use crate::payment::{Move, PaymentStatus};
use crate::reference::{AttemptReference, FulfilmentKey, GatewayReference};
use crate::verified::Verified;

/// What a ledger knows at the moment of deciding.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The attempt, as stored.
    pub attempt: &'a StoredAttempt,
    /// The attempt that paid the order, if one did.
    pub paid_by: Option<&'a AttemptReference>,
    /// The attempt that the event's payment or its checkout is bound to; where the two differ, the one that is not
    /// this attempt.
    pub transaction_of: Option<&'a AttemptReference>,
    /// True if [what the event is heard as](heard_as) was recorded for this attempt before.
    pub heard_before: bool,
}

/// What a ledger has to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to answer.
    pub verdict: Applied,
    /// The new state, if it moves.
    pub status: Option<PaymentStatus>,
    /// The gateway's name for the checkout, to bind to the attempt.
    pub bind_checkout: Option<GatewayReference>,
    /// The gateway's name for the payment, to bind to the attempt.
    pub bind_payment: Option<GatewayReference>,
    /// The right to fulfil, if it comes to be now.
    pub fulfilment: Option<FulfilmentKey>,
    /// What to put on record, in this order.
    pub records: Vec<RecordKind>,
}

impl Decision {
    fn nothing(verdict: Applied) -> Self {
        Self {
            verdict,
            status: None,
            bind_checkout: None,
            bind_payment: None,
            fulfilment: None,
            records: Vec::new(),
        }
    }
}

/// What [`Situation::transaction_of`] is, given the attempts to which the event's names are bound.
#[must_use]
pub fn owner_of_transaction<'a>(
    ours: &AttemptReference,
    owners: [Option<&'a AttemptReference>; 2],
) -> Option<&'a AttemptReference> {
    let bound = owners.into_iter().flatten();
    // Another attempt's claim counts more than our own.
    bound.max_by_key(|owner| *owner != ours)
}

/// Under which name an event is remembered, so that it goes on record once: its id; but what says too little to decide anything
/// has a name of its own. An answer of the gateway has one id for as long as its words are the same, and one that gave no sum
/// must not hide one that gives another.
#[must_use]
pub fn heard_as<'a>(attempt: &StoredAttempt, said: &'a PaymentEvent) -> Cow<'a, str> {
    match attempt.meaning_of(said) {
        Meaning::Asks(_) => Cow::Owned(format!("{} unclear", said.id)),
        Meaning::Pays | Meaning::Tells | Meaning::Contradicts(_) => Cow::Borrowed(said.id.as_str()),
    }
}

/// Decides what a judgement does.
#[must_use]
pub fn decide(situation: Situation<'_>, judgement: &Judgement) -> Decision {
    match judgement {
        Judgement::Ask(unclear) => judge_again(situation, unclear.event()),
        Judgement::Contradiction(contradiction) => hold(
            situation,
            contradiction.event(),
            HeldReason::Mismatch(contradiction.mismatch()),
        ),
        Judgement::Accepted(accepted) => judge_again(situation, accepted.event()),
        Judgement::News(news) => judge_again(situation, news.event()),
    }
}

/// The judgement was made outside the transaction. Two payments of one page, judged at the same moment, both looked like
/// the first one; here the second is seen.
fn judge_again(situation: Situation<'_>, event: &Verified<PaymentEvent>) -> Decision {
    match situation.attempt.meaning_of(event.value()) {
        Meaning::Pays => weigh(situation, event, true),
        Meaning::Tells => weigh(situation, event, false),
        Meaning::Contradicts(mismatch) => hold(situation, event, HeldReason::Mismatch(mismatch)),
        Meaning::Asks(reason) => heard(situation, event, Applied::Ask(reason)),
    }
}

fn weigh(situation: Situation<'_>, event: &Verified<PaymentEvent>, pays: bool) -> Decision {
    let Situation {
        attempt,
        paid_by,
        transaction_of,
        ..
    } = situation;
    let said = event.value().snapshot.status;
    let ours = attempt.reference();
    if transaction_of.is_some_and(|owner| owner != ours) {
        return hold(situation, event, HeldReason::TransactionBound);
    }
    let hearing = attempt.status.hearing(said);
    let moves = match hearing {
        Move::Late => return hold(situation, event, HeldReason::Late),
        Move::Older => return heard_of(situation, event, Applied::Older),
        Move::Nothing => return Decision::nothing(Applied::Ask(super::AskReason::StatusUnknown)),
        Move::Same => false,
        Move::Forward => true,
    };
    let mut decision = match (pays, paid_by) {
        // Money for an order that another attempt paid: the state is true, the right to fulfil is not.
        (_, Some(payer)) if payer != ours && said.has_money() => hold(situation, event, HeldReason::Excess),
        (true, None) => {
            let key = FulfilmentKey::of(ours);
            let mut decision = Decision::nothing(Applied::Now);
            decision.records.push(RecordKind::Fulfilment { key: key.clone() });
            decision.fulfilment = Some(key);
            decision
        }
        // The money came and went before we heard of it.
        (false, None) if went_back(said) => hold(situation, event, HeldReason::Refunded),
        _ if moves => Decision::nothing(Applied::Moved),
        _ => return heard_of(situation, event, Applied::Already),
    };
    if moves {
        decision.status = Some(said);
        decision.records.insert(0, applied(attempt.status, event));
    }
    bind(&mut decision, attempt, event);
    decision
}

fn went_back(status: PaymentStatus) -> bool {
    matches!(
        status,
        PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded | PaymentStatus::Disputed
    )
}

/// What an attempt does not know yet of the gateway's names it learns from evidence that was found to be about it. A name goes
/// on record with what bound it, or nobody could tell later whether it was changed.
fn bind(decision: &mut Decision, attempt: &StoredAttempt, event: &Verified<PaymentEvent>) {
    let subject = &event.value().subject;
    let learned = |known: &Option<_>, named: &Option<GatewayReference>| named.clone().filter(|_| known.is_none());
    decision.bind_checkout = learned(&attempt.checkout, &subject.checkout);
    decision.bind_payment = learned(&attempt.payment, &subject.payment);
    if decision.bind_checkout.is_none() && decision.bind_payment.is_none() {
        return;
    }
    let tells = |record: &RecordKind| matches!(record, RecordKind::Applied { .. } | RecordKind::Heard { .. });
    if !decision.records.iter().any(tells) {
        decision.records.insert(0, heard_again(event));
    }
    for record in &mut decision.records {
        if let RecordKind::Applied { checkout, payment, .. } | RecordKind::Heard { checkout, payment, .. } = record {
            checkout.clone_from(&decision.bind_checkout);
            payment.clone_from(&decision.bind_payment);
        }
    }
}

/// It changes nothing, and names may be new.
fn heard_of(situation: Situation<'_>, event: &Verified<PaymentEvent>, verdict: Applied) -> Decision {
    let mut decision = heard(situation, event, verdict);
    bind(&mut decision, situation.attempt, event);
    decision
}

fn heard(situation: Situation<'_>, event: &Verified<PaymentEvent>, verdict: Applied) -> Decision {
    let mut decision = Decision::nothing(verdict);
    if !situation.heard_before {
        decision.records.push(heard_again(event));
    }
    decision
}

fn heard_again(event: &Verified<PaymentEvent>) -> RecordKind {
    let said = event.value();
    RecordKind::Heard {
        status: said.snapshot.status,
        trust: event.trust(),
        event: said.id.clone(),
        checkout: None,
        payment: None,
    }
}

fn hold(situation: Situation<'_>, event: &Verified<PaymentEvent>, reason: HeldReason) -> Decision {
    let mut decision = Decision::nothing(Applied::Held(reason));
    if !situation.heard_before {
        let said = event.value();
        decision.records.push(RecordKind::Held {
            reason: reason.as_str().to_owned(),
            status: said.snapshot.status,
            trust: event.trust(),
            event: said.id.clone(),
            amount: said.snapshot.amount,
            payment: said.subject.payment.clone(),
            evidence: event.evidence().to_hex(),
        });
    }
    decision
}

fn applied(from: PaymentStatus, event: &Verified<PaymentEvent>) -> RecordKind {
    let said = event.value();
    RecordKind::Applied {
        from,
        to: said.snapshot.status,
        trust: event.trust(),
        event: said.id.clone(),
        gateway_status: said.snapshot.gateway_status.clone(),
        evidence: event.evidence().to_hex(),
        checkout: None,
        payment: None,
    }
}

/// The longest wait between two questions about one attempt. Each is twice as long as the one before, up to this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AskTimes {
    /// While its page can be used, and after a card: an answer is expected within minutes. Default one hour.
    pub page: Duration,
    /// While money is on its way, as after a konbini slip or a transfer: an answer is expected within days. Default six hours.
    pub pending: Duration,
}

impl Default for AskTimes {
    fn default() -> Self {
        Self {
            page: Duration::from_secs(3600),
            pending: Duration::from_secs(6 * 3600),
        }
    }
}

impl AskTimes {
    /// The longest wait while an answer is expected within minutes.
    #[must_use]
    pub fn page(mut self, longest: Duration) -> Self {
        self.page = longest;
        self
    }

    /// The longest wait while an answer is expected within days.
    #[must_use]
    pub fn pending(mut self, longest: Duration) -> Self {
        self.pending = longest;
        self
    }
}

/// When to ask about an attempt again by itself: twice as late each time up to the longest wait, and once more right after its
/// page expires. One that is over is asked about because of a message alone: until the gateway answered, and that
/// [so often](MOST_ASKS_WHEN_OVER) at most.
#[must_use]
pub fn next_ask(attempt: &StoredAttempt, answered: bool, now: SystemTime, times: &AskTimes) -> Option<SystemTime> {
    let doubled = FIRST_ASK.saturating_mul(2_u32.saturating_pow(attempt.asks.min(16)));
    if attempt.status.is_final() {
        let again = !answered && attempt.asks < MOST_ASKS_WHEN_OVER;
        return now.checked_add(doubled.min(times.pending)).filter(|_| again);
    }
    if !blocks(attempt, now) {
        return None;
    }
    let longest = if attempt.status == PaymentStatus::Pending {
        times.pending
    } else {
        times.page
    };
    let next = now.checked_add(doubled.min(longest))?;
    let after_expiry = attempt.expires_at.checked_add(FIRST_ASK);
    let ahead = after_expiry.filter(|after_expiry| now < *after_expiry);
    Some(ahead.map_or(next, |after_expiry| after_expiry.min(next)))
}

/// How often the gateway is asked in vain about an attempt that is over: two days and a half, with the usual times. Then it takes
/// another message.
pub const MOST_ASKS_WHEN_OVER: u32 = 16;

/// The longest that a hint waits, counted from the last question about its attempt.
const HINT_WAIT: Duration = Duration::from_secs(3600);

/// When an attempt is to be asked about because of a message; nothing if that changes nothing.
///
/// A question that is still to be begun is newer than the message, and is enough. One that was begun before may not be: then
/// the time is another one than before, so that whoever is asking sees it.
///
/// What was proven is asked about at once. A hint waits, counted from the last question: half a minute, twice as long after each
/// question that brought no news, an hour at most, and an hour where the attempt is over. So hints in any number cost as many
/// questions about an attempt as the hours they go on, and eight.
#[must_use]
pub fn due_by_cue(attempt: &StoredAttempt, cue: Cue, at: SystemTime) -> Option<SystemTime> {
    let due = attempt.next_ask.filter(|next| *next <= at);
    if due.is_some_and(|due| attempt.asked_at.is_none_or(|asked_at| asked_at < due)) {
        return None;
    }
    let wait = match cue {
        Cue::Proven => Duration::ZERO,
        Cue::Hint if attempt.status.is_final() => HINT_WAIT,
        Cue::Hint => (FIRST_ASK / 4)
            .saturating_mul(2_u32.saturating_pow(attempt.asks.min(16)))
            .min(HINT_WAIT),
    };
    let waited = attempt.asked_at.and_then(|asked_at| asked_at.checked_add(wait));
    let soonest = waited.filter(|_| cue == Cue::Hint).map_or(at, |waited| waited.max(at));
    match (due, attempt.next_ask) {
        // Its question was begun. Clocks that stand still must not make two times equal.
        (Some(due), _) if due == soonest => due.checked_sub(Duration::from_micros(1)),
        (None, Some(next)) if next <= soonest => None,
        _ => Some(soonest),
    }
}

/// What is known of the asking about an attempt after a question that was begun at a time; `seen` is the attempt as whoever
/// asked knows it, and `attempt` as it is now.
///
/// If it was handed out to somebody else since, the lease is theirs. If a message made it due since, it stays due. Neither is
/// taken back by an older question.
#[must_use]
pub fn after_question(attempt: &StoredAttempt, seen: &StoredAttempt, asked: &Asked, at: SystemTime) -> AfterQuestion {
    let ours = attempt.asked_at == seen.asked_at;
    let undisturbed = ours && attempt.next_ask == seen.next_ask;
    AfterQuestion {
        asks: if asked.answered && attempt.status.is_final() {
            0
        } else {
            attempt.asks.saturating_add(1)
        },
        asked_at: if ours { Some(at) } else { attempt.asked_at },
        next_ask: if undisturbed { asked.next } else { attempt.next_ask },
        gives_back: ours,
    }
}

/// What a ledger has to write after a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AfterQuestion {
    /// How often it was asked.
    pub asks: u32,
    /// When the last question was begun.
    pub asked_at: Option<SystemTime>,
    /// When to ask next.
    pub next_ask: Option<SystemTime>,
    /// True if the lease ends.
    pub gives_back: bool,
}

/// How long after its expiry an attempt that was never confirmed stops blocking its order. The shopper never got an
/// address for it, so nobody can have paid it; the hour is for clocks that differ.
const UNOPENED_GRACE: Duration = Duration::from_secs(3600);

/// Could this attempt still be paid, so that a second one must not be opened beside it (PAY-11)?
#[must_use]
pub fn blocks(attempt: &StoredAttempt, at: SystemTime) -> bool {
    if attempt.status.is_final() {
        return false;
    }
    let over = attempt.expires_at.checked_add(UNOPENED_GRACE);
    is_known_to_gateway(attempt) || over.is_none_or(|over| at < over)
}

/// May this attempt be ended because its checkout never came to be? Not once anything showed that it did.
#[must_use]
pub fn may_close(attempt: &StoredAttempt) -> bool {
    attempt.status == PaymentStatus::Created && !is_known_to_gateway(attempt)
}

/// A proof can come before the answer to the checkout, and then the page exists whether that answer arrives or not.
fn is_known_to_gateway(attempt: &StoredAttempt) -> bool {
    attempt.opened
        || attempt.checkout.is_some()
        || attempt.payment.is_some()
        || attempt.status != PaymentStatus::Created
}

/// What becomes of an attempt to bind the gateway's names. `owners` are the attempts to which the names are bound
/// already, at the same gateway and account.
pub fn bind_opened<'a>(
    attempt: &StoredAttempt,
    opened: &Opened,
    owners: impl IntoIterator<Item = &'a AttemptReference>,
) -> Binding {
    let differs = |ours: &Option<_>, theirs: &Option<_>| ours.is_some() && theirs.is_some() && ours != theirs;
    let taken = owners.into_iter().any(|owner| owner != attempt.reference());
    if taken || differs(&attempt.checkout, &opened.checkout) || differs(&attempt.payment, &opened.payment) {
        return Binding::Conflict;
    }
    if attempt.status.is_dead() {
        return Binding::Over;
    }
    let news = |ours: &Option<GatewayReference>, theirs: &Option<_>| ours.is_none() && theirs.is_some();
    if attempt.opened && !news(&attempt.checkout, &opened.checkout) && !news(&attempt.payment, &opened.payment) {
        return Binding::Already;
    }
    Binding::Now
}

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests {
    use super::*;
    use crate::conformance::TestGateway;

    const MINUTE: u64 = 60;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000 + seconds)
    }

    /// An attempt whose page was opened, and can be used until half an hour after the beginning.
    fn opened(asks: u32, status: PaymentStatus) -> StoredAttempt {
        let expected = TestGateway::new().unwrap().expected("EC-1", at(0)).unwrap();
        let mut attempt = StoredAttempt::new(expected);
        (attempt.opened, attempt.asks, attempt.status) = (true, asks, status);
        attempt
    }

    fn waits(attempt: &StoredAttempt, now: u64, times: &AskTimes) -> Option<u64> {
        let next = next_ask(attempt, true, at(now), times)?;
        Some(next.duration_since(at(now)).unwrap().as_secs())
    }

    #[test]
    fn of_two_owners_of_a_transaction_the_stranger_counts() {
        let [ours, other] = [0, 1].map(|_| opened(0, PaymentStatus::Created).expected.attempt);
        for (bound, owner) in [
            ([None, None], None),
            ([Some(&ours), None], Some(&ours)),
            ([None, Some(&other)], Some(&other)),
            ([Some(&ours), Some(&other)], Some(&other)),
            ([Some(&other), Some(&ours)], Some(&other)),
        ] {
            assert_eq!(owner_of_transaction(&ours, bound), owner);
        }
    }

    #[test]
    fn an_attempt_of_which_the_gateway_knows_anything_is_not_closed_as_unsent() {
        let unsent = StoredAttempt {
            opened: false,
            ..opened(0, PaymentStatus::Created)
        };
        assert!(may_close(&unsent));
        let name = || Some(GatewayReference::new("of-the-gateway").unwrap());
        for known in [
            opened(0, PaymentStatus::Created),
            StoredAttempt {
                checkout: name(),
                ..unsent.clone()
            },
            StoredAttempt {
                payment: name(),
                ..unsent.clone()
            },
            StoredAttempt {
                status: PaymentStatus::RequiresAction,
                ..unsent
            },
        ] {
            assert!(!may_close(&known), "{known:?}");
            assert!(blocks(&known, at(40 * 24 * 3600)), "{known:?}");
        }
    }

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest() {
        let first = FIRST_ASK.as_secs();
        let times = AskTimes::default();
        // Long after the page has expired.
        let late = 5 * 3600;
        for (asks, wait) in [
            (0, first),
            (1, 2 * first),
            (2, 4 * first),
            (3, 8 * first),
            (9, 3600),
            (4_000_000_000, 3600),
        ] {
            let attempt = opened(asks, PaymentStatus::Created);
            assert_eq!(waits(&attempt, late, &times), Some(wait), "{asks} questions");
        }
        assert_eq!(waits(&opened(9, PaymentStatus::Pending), late, &times), Some(6 * 3600));
        let own = times
            .page(Duration::from_secs(7 * MINUTE))
            .pending(Duration::from_secs(9 * MINUTE));
        assert_eq!(waits(&opened(9, PaymentStatus::Created), late, &own), Some(7 * MINUTE));
        assert_eq!(waits(&opened(9, PaymentStatus::Pending), late, &own), Some(9 * MINUTE));
    }

    #[test]
    fn once_more_right_after_the_page_expires_and_never_in_the_past() {
        let (times, expiry) = (AskTimes::default(), 30 * MINUTE + FIRST_ASK.as_secs());
        let attempt = opened(9, PaymentStatus::Created);
        assert_eq!(waits(&attempt, 0, &times), Some(expiry), "before the hour is over");
        assert_eq!(waits(&attempt, expiry - 1, &times), Some(1));
        assert_eq!(waits(&attempt, expiry, &times), Some(3600), "that was the moment");
        assert_eq!(waits(&attempt, expiry + 1, &times), Some(3600));
        // A wait that ends before then, or just then, stays as it is.
        let first = FIRST_ASK.as_secs();
        assert_eq!(waits(&opened(0, PaymentStatus::Created), 0, &times), Some(first));
        assert_eq!(
            waits(&opened(0, PaymentStatus::Created), expiry - first, &times),
            Some(first)
        );
    }

    #[test]
    fn what_is_over_or_blocks_nothing_is_not_asked_about() {
        let times = AskTimes::default();
        for status in PaymentStatus::ALL {
            let asked = next_ask(&opened(0, status), true, at(0), &times).is_some();
            assert_eq!(asked, !status.is_final(), "{status}");
        }
        // Nobody got an address for it, and it expired more than an hour ago.
        let mut never = opened(0, PaymentStatus::Created);
        never.opened = false;
        let end = 30 * MINUTE + UNOPENED_GRACE.as_secs();
        assert!(next_ask(&never, true, at(end - 1), &times).is_some());
        assert!(next_ask(&never, true, at(end), &times).is_none());
    }
}
