//! What was written down before the shopper left, and what is known of it since.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::checkout::{CheckoutRequest, ContentDigest, RequestError};
use crate::error::Error;
use crate::gateway::Gateway;
use crate::money::Money;
use crate::payment::{CaptureMode, PaymentStatus};
use crate::redirect::KeptLink;
use crate::reference::{
    AttemptReference, CustomerReference, Environment, GatewayId, GatewayReference, IdempotencyKey, MerchantAccount,
    MerchantReference, RandomError, ReturnToken,
};

/// One attempt to pay one order, as the store means it. Written to the ledger before anything leaves; every later
/// message is held against it.
///
/// A gateway can build a redirect only from one of these, so nothing can be asked for that was not written down, and no
/// amount of a browser gets in (PAY-01).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExpectedPayment {
    /// The gateway.
    pub gateway: GatewayId,
    /// The account the money is to go to.
    pub account: MerchantAccount,
    /// Real money or not.
    pub environment: Environment,
    /// The order.
    pub order: MerchantReference,
    /// This attempt.
    pub attempt: AttemptReference,
    /// What is to be paid.
    pub amount: Money,
    /// When the money is to be taken.
    pub capture: CaptureMode,
    /// One for this attempt, used for every repeat of its checkout.
    pub idempotency_key: IdempotencyKey,
    /// Ties the browser's return to this attempt.
    pub return_token: ReturnToken,
    /// Digest of what is sold.
    pub content: ContentDigest,
    /// The store's own key of the customer.
    pub customer: Option<CustomerReference>,
    /// When it was written.
    pub created_at: SystemTime,
    /// Until when the hosted payment page is to be usable.
    pub expires_at: SystemTime,
    /// True if the store asked for that time; false if it is the gateway's own default.
    pub expiry_asked: bool,
}

/// Why no attempt can be planned.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The gateway cannot take this request.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No random reference could be made.
    #[error(transparent)]
    Random(#[from] RandomError),
}

impl ExpectedPayment {
    /// Plans an attempt: checks the request against the gateway's limits and draws fresh references. Nothing is sent and
    /// nothing is written.
    pub fn plan(gateway: &dyn Gateway, request: &CheckoutRequest, at: SystemTime) -> Result<Self, PlanError> {
        let plan = gateway.plan(request)?;
        Ok(Self {
            gateway: gateway.id(),
            account: gateway.account().clone(),
            environment: gateway.environment(),
            order: request.order().clone(),
            attempt: AttemptReference::random(plan.format)?,
            amount: request.total(),
            capture: request.capture(),
            idempotency_key: IdempotencyKey::random()?,
            return_token: ReturnToken::random()?,
            content: request.content(),
            customer: request.customer().cloned(),
            created_at: at,
            expires_at: at + plan.valid_for,
            expiry_asked: request.valid_for().is_some(),
        })
    }
}

impl ExpectedPayment {
    /// Refuses a request other than the one this attempt was planned for: what is sent is what was written down, and
    /// nothing else. For gateways, before they send anything.
    pub fn check_request(&self, request: &CheckoutRequest) -> Result<(), Error> {
        if request.content() == self.content {
            return Ok(());
        }
        let message = "the request is not the one that was written down for this attempt";
        Err(Error::request(message))
    }

    /// Refuses an amount that is no part of this payment: of another currency, nothing, or more than all of it. For gateways,
    /// before they capture it or give it back.
    pub fn check_part(&self, part: Money) -> Result<(), Error> {
        let whole = self.amount;
        if part.currency() == whole.currency() && (1..=whole.minor_units()).contains(&part.minor_units()) {
            return Ok(());
        }
        Err(Error::request("the amount is no part of this payment"))
    }
}

/// An attempt as the ledger knows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredAttempt {
    /// What was written down.
    pub expected: ExpectedPayment,
    /// What is known.
    pub status: PaymentStatus,
    /// The gateway's name for the checkout, once it was opened.
    pub checkout: Option<GatewayReference>,
    /// The gateway's name for the payment, once evidence named it.
    pub payment: Option<GatewayReference>,
    /// Until when the page can be used, as the gateway said; before that, as we asked.
    pub expires_at: SystemTime,
    /// True once the gateway confirmed the checkout.
    pub opened: bool,
    /// The way to the page, if the gateway gives it only once.
    pub link: Option<KeptLink>,
    /// How often the gateway was asked about it since its state last changed.
    pub asks: u32,
    /// When the last question about it was begun.
    pub asked_at: Option<SystemTime>,
    /// When the sweep asks next; `None` means not by itself.
    pub next_ask: Option<SystemTime>,
}

/// How long after it was written an attempt is first asked about by itself: long enough for a shopper and a callback.
pub(super) const FIRST_ASK: Duration = Duration::from_secs(2 * 60);

impl StoredAttempt {
    /// An attempt that was written down just now. For ledgers, which fill in the rest from their store.
    #[must_use]
    pub fn new(expected: ExpectedPayment) -> Self {
        Self {
            expires_at: expected.expires_at,
            status: PaymentStatus::Created,
            checkout: None,
            payment: None,
            opened: false,
            link: None,
            asks: 0,
            asked_at: None,
            next_ask: expected.created_at.checked_add(FIRST_ASK),
            expected,
        }
    }

    /// This attempt's reference.
    #[must_use]
    pub fn reference(&self) -> &AttemptReference {
        &self.expected.attempt
    }
}

#[cfg(test)]
#[cfg(feature = "conformance")]
mod tests {
    use super::*;
    use crate::conformance::TestGateway;
    use crate::money::Currency;

    #[test]
    fn a_part_is_of_the_same_currency_more_than_nothing_and_not_more_than_all() {
        let gateway = TestGateway::new().unwrap();
        let expected = gateway.expected("EC-1", SystemTime::UNIX_EPOCH).unwrap();
        let (whole, currency) = (expected.amount.minor_units(), expected.amount.currency());
        for (minor, fits) in [
            (0, false),
            (1, true),
            (whole, true),
            (whole + 1, false),
            (u64::MAX, false),
        ] {
            let checked = expected.check_part(Money::new(minor, currency));
            assert_eq!(checked.is_ok(), fits, "{minor}");
        }
        for other in Currency::all().filter(|other| *other != currency) {
            assert!(expected.check_part(Money::new(whole, other)).is_err(), "{other}");
        }
    }

    #[test]
    fn a_new_attempt_ends_with_its_page_and_is_asked_about_after_two_minutes() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000);
        let gateway = TestGateway::new().unwrap();
        let expected = gateway.expected("EC-1", at).unwrap();
        let valid_for = Duration::from_secs(30 * 60);
        assert_eq!(expected.expires_at, at + valid_for);
        let stored = StoredAttempt::new(expected);
        assert_eq!(stored.next_ask, Some(at + Duration::from_secs(120)));
        assert_eq!(
            (stored.status, stored.opened, stored.asks),
            (PaymentStatus::Created, false, 0)
        );
        assert_eq!(stored.expires_at, at + valid_for);
    }
}
