//! What is inside a message once it was verified: zero or more events, each about one payment.

use crate::payment::PaymentSnapshot;
use crate::reference::{
    AttemptReference, Environment, EventId, GatewayId, GatewayReference, MerchantAccount, MerchantReference,
};
use crate::verified::Verified;

/// Which of our attempts something is about, in as many words as the message had. At least one of them is there, or the
/// message is about nothing of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subject {
    /// Our order, as the gateway repeated it.
    pub order: Option<MerchantReference>,
    /// Our attempt, as the gateway repeated it.
    pub attempt: Option<AttemptReference>,
    /// The gateway's name for the checkout: what [`Checkout::reference`](crate::Checkout::reference) bound to the attempt.
    pub checkout: Option<GatewayReference>,
    /// The gateway's name for the payment: the transaction that money, refunds and disputes hang on.
    pub payment: Option<GatewayReference>,
}

impl Subject {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds our order.
    #[must_use]
    pub fn with_order(mut self, order: Option<MerchantReference>) -> Self {
        self.order = order;
        self
    }

    /// Adds our attempt.
    #[must_use]
    pub fn with_attempt(mut self, attempt: Option<AttemptReference>) -> Self {
        self.attempt = attempt;
        self
    }

    /// Adds the gateway's name for the checkout.
    #[must_use]
    pub fn with_checkout(mut self, checkout: Option<GatewayReference>) -> Self {
        self.checkout = checkout;
        self
    }

    /// Adds the gateway's name for the payment.
    #[must_use]
    pub fn with_payment(mut self, payment: Option<GatewayReference>) -> Self {
        self.payment = payment;
        self
    }
}

/// One statement about one payment: where it comes from, what it is about, and what it says.
///
/// Only typed fields are carried. Free text of the message (a payer's name, a note) is dropped, and nothing outside the
/// signed bytes ever gets in (PAY-36, PAY-38).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentEvent {
    /// Under which a redelivery of the same fact is known.
    pub id: EventId,
    /// The gateway.
    pub gateway: GatewayId,
    /// The account the money went to: the one the message names, or the one whose credentials proved it.
    pub account: MerchantAccount,
    /// Real money or not, as the message says.
    pub environment: Environment,
    /// Which of our attempts.
    pub subject: Subject,
    /// What is said of it.
    pub snapshot: PaymentSnapshot,
}

impl PaymentEvent {
    /// An event of the given origin.
    #[must_use]
    pub fn new(
        id: EventId,
        (gateway, account, environment): (GatewayId, MerchantAccount, Environment),
        subject: Subject,
        snapshot: PaymentSnapshot,
    ) -> Self {
        Self {
            id,
            gateway,
            account,
            environment,
            subject,
            snapshot,
        }
    }
}

/// One verified delivery: a ping holds no event, most gateways send one, some send several and all of them count.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The gateway's own type of the message, for logs.
    pub kind: crate::payment::GatewayWord,
    /// The version the gateway rendered it in, if it says.
    pub version: Option<crate::payment::GatewayWord>,
    /// What it says about payments.
    pub events: Vec<PaymentEvent>,
    /// A try that failed on a page that stays open. It changes nothing; many of them are a sign of card testing (PAY-66).
    pub failed_try: Option<Subject>,
}

impl Notification {
    /// A notification with these events.
    #[must_use]
    pub fn new(kind: crate::payment::GatewayWord, events: Vec<PaymentEvent>) -> Self {
        Self {
            kind,
            version: None,
            events,
            failed_try: None,
        }
    }

    /// Adds a try that failed on a page that stays open.
    #[must_use]
    pub fn with_failed_try(mut self, subject: Option<Subject>) -> Self {
        self.failed_try = subject;
        self
    }

    /// Adds the version it was rendered in.
    #[must_use]
    pub fn with_version(mut self, version: Option<crate::payment::GatewayWord>) -> Self {
        self.version = version;
        self
    }
}

impl Verified<Notification> {
    /// The events, each as proven as the whole.
    #[must_use]
    pub fn into_events(self) -> Vec<Verified<PaymentEvent>> {
        self.spread(|notification| notification.events)
    }
}

/// What a callback turned out to be.
#[derive(Clone, Debug)]
#[must_use]
pub enum Received {
    /// The signature covers everything that was read.
    Proven(Verified<Notification>),
    /// Unsigned, or under a scheme too weak to settle money: a reason to ask the gateway, and nothing more.
    Hint(Subject),
}

/// What a browser's return says. It can name what to ask about; it has no word for "paid" (PAY-12).
///
/// ```compile_fail
/// fn settle(hint: kessai::ReturnHint) -> bool {
///     hint.paid
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReturnHint {
    /// What the gateway appended, if anything. Only ever used to choose what to ask.
    pub subject: Subject,
    /// True if the browser came by the cancel address. The page may still be open, and may still be paid.
    pub cancelled: bool,
}
