//! Is this proven event the payment that was expected? Eight things have to be equal: gateway, merchant account,
//! environment, order, attempt, amount, currency and a paid status. (That the gateway's transaction is not bound to
//! another attempt is decided inside the ledger, where it can be atomic.)

use std::fmt;

use super::expected::{ExpectedPayment, StoredAttempt};
use crate::event::PaymentEvent;
use crate::payment::PaymentStatus;
use crate::reference::AttemptReference;
use crate::verified::Verified;

/// In what a proven event differs from what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another gateway.
    Gateway,
    /// Another merchant account: the money went to somebody else (PAY-26).
    Account,
    /// Test instead of live, or the reverse (PAY-51).
    Environment,
    /// Another order, or another name for the checkout or the payment than the one bound to this attempt (PAY-27).
    Reference,
    /// Another attempt, or no attempt is named.
    Attempt,
    /// Another amount (PAY-25).
    Amount,
    /// Another currency.
    Currency,
    /// Everything else is equal, but nothing was paid.
    Status,
}

impl Mismatch {
    /// The word used in records and on pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Account => "account",
            Self::Environment => "environment",
            Self::Reference => "reference",
            Self::Attempt => "attempt",
            Self::Amount => "amount",
            Self::Currency => "currency",
            Self::Status => "status",
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} is not the expected one", self.as_str())
    }
}

impl std::error::Error for Mismatch {}

/// A proven event that is not the expected payment. It keeps the event, because authentic news is never thrown away.
#[derive(Clone, Debug)]
pub struct Rejected {
    // Boxed, because it is the error of a function whose success is small.
    event: Box<Verified<PaymentEvent>>,
    mismatch: Mismatch,
}

impl Rejected {
    /// In what it differs.
    #[must_use]
    pub fn mismatch(&self) -> Mismatch {
        self.mismatch
    }

    /// The event.
    pub fn event(&self) -> &Verified<PaymentEvent> {
        &self.event
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mismatch.fmt(f)
    }
}

impl std::error::Error for Rejected {}

/// The expected payment, proven. The second proof of the flow, and the only thing that can create a right to fulfil.
///
/// ```compile_fail
/// // There is no way to write one down.
/// let forged = kessai::Accepted { attempt: unreachable!(), event: unreachable!() };
/// ```
#[derive(Clone, Debug)]
#[must_use = "an accepted payment that is not applied pays nothing"]
pub struct Accepted {
    attempt: AttemptReference,
    event: Verified<PaymentEvent>,
}

/// Something proven about the attempt that does not pay it: it failed, it is pending, it was refunded.
#[derive(Clone, Debug)]
pub struct News {
    attempt: AttemptReference,
    event: Verified<PaymentEvent>,
}

/// Something proven that contradicts what was expected.
#[derive(Clone, Debug)]
pub struct Contradiction {
    attempt: AttemptReference,
    event: Verified<PaymentEvent>,
    mismatch: Mismatch,
}

/// Something proven that says too little to decide anything.
#[derive(Clone, Debug)]
pub struct Unclear {
    attempt: AttemptReference,
    event: Verified<PaymentEvent>,
    reason: AskReason,
}

/// What a proven event means for an attempt.
#[derive(Clone, Debug)]
#[must_use = "a judgement that is not applied changes nothing"]
pub enum Judgement {
    /// The expected payment.
    Accepted(Accepted),
    /// Something else about the same attempt.
    News(News),
    /// Not what was expected.
    Contradiction(Contradiction),
    /// It does not say enough to decide: ask the gateway.
    Ask(Unclear),
}

/// Why an event decides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AskReason {
    /// It says that something was paid and not how much (PAY-25: never a pass).
    AmountMissing,
    /// Its status is one this version has no word for, or it is only a sign that something changed.
    StatusUnknown,
}

/// A judgement without its proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Pays,
    Tells,
    Contradicts(Mismatch),
    Asks(AskReason),
}

macro_rules! evidence {
    ($name:ident) => {
        impl $name {
            /// The attempt it was held against.
            #[must_use]
            pub fn attempt(&self) -> &AttemptReference {
                &self.attempt
            }

            /// The proven event.
            pub fn event(&self) -> &Verified<PaymentEvent> {
                &self.event
            }
        }
    };
}
evidence!(Accepted);
evidence!(News);
evidence!(Contradiction);
evidence!(Unclear);

impl Unclear {
    /// Why it decides nothing.
    #[must_use]
    pub fn reason(&self) -> AskReason {
        self.reason
    }
}

impl Contradiction {
    /// In what it differs.
    #[must_use]
    pub fn mismatch(&self) -> Mismatch {
        self.mismatch
    }
}

impl Judgement {
    /// The attempt and the event.
    pub fn evidence(&self) -> (&AttemptReference, &Verified<PaymentEvent>) {
        match self {
            Self::Accepted(Accepted { attempt, event })
            | Self::News(News { attempt, event })
            | Self::Contradiction(Contradiction { attempt, event, .. })
            | Self::Ask(Unclear { attempt, event, .. }) => (attempt, event),
        }
    }
}

impl ExpectedPayment {
    /// Is this the payment that was expected? All eight things, none of them optional: an event that does not name the
    /// attempt, or does not say the amount, is not accepted.
    pub fn accept(&self, event: Verified<PaymentEvent>) -> Result<Accepted, Rejected> {
        let said = event.value();
        let mismatch = self
            .contradicted_by(said)
            .or_else(|| (said.subject.attempt.is_none()).then_some(Mismatch::Attempt))
            .or_else(|| (said.snapshot.amount.is_none()).then_some(Mismatch::Amount))
            .or_else(|| (!self.capture.is_paid_by(said.snapshot.status)).then_some(Mismatch::Status));
        match mismatch {
            Some(mismatch) => Err(Rejected {
                event: Box::new(event),
                mismatch,
            }),
            None => Ok(Accepted {
                attempt: self.attempt.clone(),
                event,
            }),
        }
    }

    /// The first thing that the event says and that is not as expected. What it does not say is no contradiction.
    fn contradicted_by(&self, said: &PaymentEvent) -> Option<Mismatch> {
        let amount = said.snapshot.amount;
        [
            (said.gateway != self.gateway, Mismatch::Gateway),
            (said.account != self.account, Mismatch::Account),
            (said.environment != self.environment, Mismatch::Environment),
            (
                said.subject
                    .attempt
                    .as_ref()
                    .is_some_and(|attempt| *attempt != self.attempt),
                Mismatch::Attempt,
            ),
            (
                said.subject.order.as_ref().is_some_and(|order| *order != self.order),
                Mismatch::Reference,
            ),
            (
                amount.is_some_and(|amount| amount.currency() != self.amount.currency()),
                Mismatch::Currency,
            ),
            (
                amount.is_some_and(|amount| amount.minor_units() != self.amount.minor_units()),
                Mismatch::Amount,
            ),
        ]
        .into_iter()
        .find_map(|(differs, mismatch)| differs.then_some(mismatch))
    }
}

impl StoredAttempt {
    /// What a proven event means for this attempt. Beyond [`ExpectedPayment::accept`] it knows the gateway's own names
    /// that were bound to the attempt: an event that names only those is about it too.
    pub fn judge(&self, event: Verified<PaymentEvent>) -> Judgement {
        let attempt = self.expected.attempt.clone();
        match self.meaning_of(event.value()) {
            Meaning::Pays => Judgement::Accepted(Accepted { attempt, event }),
            Meaning::Tells => Judgement::News(News { attempt, event }),
            Meaning::Contradicts(mismatch) => Judgement::Contradiction(Contradiction {
                attempt,
                event,
                mismatch,
            }),
            Meaning::Asks(reason) => Judgement::Ask(Unclear { attempt, event, reason }),
        }
    }

    /// The same question without the proof. A ledger asks it again inside its transaction, because a name can have been
    /// bound since the judgement was made, and because an [`ExpectedPayment`] in the caller's hands is not the stored one.
    pub(super) fn meaning_of(&self, said: &PaymentEvent) -> Meaning {
        if let Some(mismatch) = self.expected.contradicted_by(said).or_else(|| self.misnamed_by(said)) {
            return Meaning::Contradicts(mismatch);
        }
        let status = said.snapshot.status;
        if status == PaymentStatus::Unknown {
            return Meaning::Asks(AskReason::StatusUnknown);
        }
        if status.has_money() && said.snapshot.amount.is_none() {
            return Meaning::Asks(AskReason::AmountMissing);
        }
        if self.expected.capture.is_paid_by(status) {
            return Meaning::Pays;
        }
        Meaning::Tells
    }

    /// Does the event name this attempt, by any name, and none of another?
    fn misnamed_by(&self, said: &PaymentEvent) -> Option<Mismatch> {
        let subject = &said.subject;
        let differs = |ours: &Option<_>, theirs: &Option<_>| ours.is_some() && theirs.is_some() && ours != theirs;
        if differs(&self.checkout, &subject.checkout) {
            return Some(Mismatch::Reference);
        }
        // Another payment under the same checkout would be a second payment of the same page.
        if differs(&self.payment, &subject.payment) {
            return Some(Mismatch::Reference);
        }
        let same = |ours: &Option<_>, theirs: &Option<_>| ours.is_some() && ours == theirs;
        let named = subject.attempt.is_some()
            || same(&self.checkout, &subject.checkout)
            || same(&self.payment, &subject.payment);
        (!named).then_some(Mismatch::Attempt)
    }
}

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::conformance::{Statement, TestGateway};
    use crate::money::{Currency, Money};
    use crate::payment::CaptureMode;
    use crate::reference::{Environment, GatewayId, GatewayReference, MerchantAccount, ReferenceFormat};

    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000)
    }

    struct Desk {
        gateway: TestGateway,
        expected: ExpectedPayment,
    }

    impl Desk {
        fn new() -> Self {
            let gateway = TestGateway::new().unwrap();
            let expected = gateway.expected("EC-1", at()).unwrap();
            Self { gateway, expected }
        }

        fn paid(&self) -> Statement {
            Statement::about(&self.expected, PaymentStatus::Captured).unwrap()
        }

        fn accepts(&self, said: &Statement) -> Result<AttemptReference, Mismatch> {
            let accepted = self.expected.accept(self.gateway.prove(said, at()).unwrap());
            accepted
                .map(|accepted| accepted.attempt().clone())
                .map_err(|rejected| rejected.mismatch())
        }

        fn means(&self, stored: &StoredAttempt, said: &Statement) -> Meaning {
            stored.meaning_of(self.gateway.prove(said, at()).unwrap().value())
        }
    }

    type Change = Box<dyn Fn(&mut Statement)>;

    /// One thing that is said otherwise, with what has to be found.
    fn differences() -> Vec<(Mismatch, Change)> {
        let other = || AttemptReference::random(ReferenceFormat::RANDOM_128).unwrap();
        vec![
            (
                Mismatch::Gateway,
                Box::new(|said| said.gateway = GatewayId::from_static("another")),
            ),
            (
                Mismatch::Account,
                Box::new(|said| said.account = MerchantAccount::new("acct-other").unwrap()),
            ),
            (
                Mismatch::Environment,
                Box::new(|said| said.environment = Environment::Live),
            ),
            (
                Mismatch::Reference,
                Box::new(|said| said.order = Some("EC-2".parse().unwrap())),
            ),
            (Mismatch::Attempt, Box::new(move |said| said.attempt = Some(other()))),
            (
                Mismatch::Amount,
                Box::new(|said| said.amount = Some(Money::new(1979, Currency::JPY))),
            ),
            (
                Mismatch::Amount,
                Box::new(|said| said.amount = Some(Money::new(1981, Currency::JPY))),
            ),
            (
                Mismatch::Amount,
                Box::new(|said| said.amount = Some(Money::new(0, Currency::JPY))),
            ),
            (
                Mismatch::Currency,
                Box::new(|said| said.amount = Some(Money::new(1980, Currency::USD))),
            ),
        ]
    }

    #[test]
    fn all_eight_things_have_to_be_equal() {
        let desk = Desk::new();
        assert_eq!(desk.accepts(&desk.paid()), Ok(desk.expected.attempt.clone()));
        for (mismatch, change) in differences() {
            let said = desk.paid().but(|said| change(said));
            assert_eq!(desk.accepts(&said), Err(mismatch), "{said:?}");
        }
        let silent = desk.paid().but(|said| said.attempt = None);
        assert_eq!(desk.accepts(&silent), Err(Mismatch::Attempt), "no attempt is named");
        let silent = desk.paid().but(|said| said.amount = None);
        assert_eq!(desk.accepts(&silent), Err(Mismatch::Amount), "no amount is said");
        // The attempt names the order already.
        let silent = desk.paid().but(|said| said.order = None);
        assert_eq!(desk.accepts(&silent), Ok(desk.expected.attempt.clone()));
    }

    #[test]
    fn only_the_state_that_the_store_waits_for_pays() {
        let mut desk = Desk::new();
        for capture in [CaptureMode::Automatic, CaptureMode::Manual] {
            desk.expected.capture = capture;
            for status in PaymentStatus::ALL {
                let said = desk.paid().but(|said| said.status = status);
                let paid = status == PaymentStatus::Captured
                    || (status == PaymentStatus::Authorized && capture == CaptureMode::Manual);
                let wanted = if paid {
                    Ok(desk.expected.attempt.clone())
                } else {
                    Err(Mismatch::Status)
                };
                assert_eq!(desk.accepts(&said), wanted, "{capture:?} {status}");
            }
        }
    }

    #[test]
    fn each_difference_has_its_own_word() {
        use Mismatch as M;
        let all = [
            M::Gateway,
            M::Account,
            M::Environment,
            M::Reference,
            M::Attempt,
            M::Amount,
            M::Currency,
            M::Status,
        ];
        let words = [
            "gateway",
            "account",
            "environment",
            "reference",
            "attempt",
            "amount",
            "currency",
            "status",
        ];
        assert_eq!(all.map(M::as_str), words);
        assert_eq!(M::Amount.to_string(), "the amount is not the expected one");
    }

    #[test]
    fn a_rejected_event_keeps_what_it_said() {
        let desk = Desk::new();
        let said = desk.paid().but(|said| said.amount = Some(Money::new(1, Currency::JPY)));
        let rejected = desk
            .expected
            .accept(desk.gateway.prove(&said, at()).unwrap())
            .unwrap_err();
        assert_eq!(rejected.event().value().snapshot.amount, said.amount);
    }

    #[test]
    fn names_that_were_bound_are_compared_and_one_of_them_is_enough() {
        let desk = Desk::new();
        let name = |text: &str| Some(GatewayReference::new(text).unwrap());
        let mut stored = StoredAttempt::new(desk.expected.clone());
        // What only a name says is about an attempt that has it, and about no other.
        let by = |checkout: &str, payment: &str| {
            desk.paid().but(|said| {
                said.attempt = None;
                said.checkout = name(checkout);
                said.payment = name(payment);
            })
        };
        let unnamed = Meaning::Contradicts(Mismatch::Attempt);
        let other = Meaning::Contradicts(Mismatch::Reference);
        assert_eq!(
            desk.means(&stored, &by("page", "pay")),
            unnamed,
            "nothing was bound yet"
        );
        stored.checkout = name("page");
        assert_eq!(desk.means(&stored, &by("page", "pay")), Meaning::Pays);
        assert_eq!(desk.means(&stored, &by("other", "pay")), other);
        stored.payment = name("pay");
        assert_eq!(
            desk.means(&stored, &by("page", "other")),
            other,
            "a second payment of one page"
        );
        assert_eq!(desk.means(&stored, &by("other", "pay")), other);
        stored.checkout = None;
        assert_eq!(desk.means(&stored, &by("page", "pay")), Meaning::Pays);
        let nameless = desk.paid().but(|said| {
            said.attempt = None;
            said.checkout = None;
            said.payment = None;
        });
        assert_eq!(desk.means(&stored, &nameless), unnamed);
        stored.checkout = name("page");
        assert_eq!(desk.means(&stored, &nameless), unnamed);
    }

    #[test]
    fn what_says_too_little_is_asked_about_and_what_is_no_money_is_told() {
        let desk = Desk::new();
        let stored = StoredAttempt::new(desk.expected.clone());
        for status in PaymentStatus::ALL {
            let silent = desk.paid().but(|said| {
                said.status = status;
                said.amount = None;
            });
            let wanted = match status {
                PaymentStatus::Unknown => Meaning::Asks(AskReason::StatusUnknown),
                money if money.has_money() => Meaning::Asks(AskReason::AmountMissing),
                _ => Meaning::Tells,
            };
            assert_eq!(desk.means(&stored, &silent), wanted, "{status}");
        }
    }

    #[test]
    fn a_refusal_says_what_differed() {
        let desk = Desk::new();
        let other = desk.paid().but(|said| said.amount = Some(Money::new(1, Currency::JPY)));
        let refused = desk
            .expected
            .accept(desk.gateway.prove(&other, at()).unwrap())
            .unwrap_err();
        assert_eq!(refused.to_string(), refused.mismatch().to_string());
        assert_eq!(refused.to_string(), "the amount is not the expected one");
    }
}
