//! [`Gateway`]: what every gateway can do, in one object-safe trait, and the small traits for what only some can.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::callback::Callback;
use crate::checkout::{Checkout, CheckoutRequest, RequestError};
use crate::error::{ConfigError, Error, VerifyError};
use crate::event::{PaymentEvent, Received, ReturnHint};
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::money::Money;
use crate::redirect::AllowedOrigins;
use crate::reference::{Environment, GatewayId, GatewayReference, IdempotencyKey, MerchantAccount, ReferenceFormat};
use crate::transport::BoxFuture;
use crate::verified::Verified;

/// One configured gateway: one account, one environment, one set of credentials.
///
/// Wire only: no policy, no storage, no clock of its own. There are no default methods, because a default is a promise
/// that nobody made.
pub trait Gateway: fmt::Debug + Send + Sync + 'static {
    /// Which gateway.
    fn id(&self) -> GatewayId;

    /// The account the money goes to.
    fn account(&self) -> &MerchantAccount;

    /// Real money or not. Derived from the credentials where they tell.
    fn environment(&self) -> Environment;

    /// The origins of its hosted payment page: what a redirect may lead to, and what the store's content policy has to
    /// allow as targets of forms.
    fn pages(&self) -> &AllowedOrigins;

    /// Checks a request against this gateway's limits and says what an attempt looks like here. Nothing is sent; the
    /// cashier asks this before anything is written down.
    fn plan(&self, request: &CheckoutRequest) -> Result<AttemptPlan, RequestError>;

    /// Makes the hosted payment page for an attempt that was written down. Called again with the same arguments it has to
    /// lead to the same page: the idempotency key is in `expected`. A gateway that gives a link only once says so
    /// ([`Checkout::with_link_kept`]), and is not asked again.
    fn checkout<'a>(
        &'a self,
        expected: &'a ExpectedPayment,
        request: &'a CheckoutRequest,
    ) -> BoxFuture<'a, Result<Checkout, Error>>;

    /// Checks a server-to-server callback. Never calls the gateway's API: a flood of forged callbacks costs nothing
    /// outbound (PAY-30). It is async for the rare scheme that has to fetch a certificate.
    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>>;

    /// Reads what the browser brought back. A hint at best, signed or not.
    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError>;

    /// The exact reply that this gateway waits for, for a message that was received and for one that was refused.
    fn acknowledge(&self, about: Result<&Received, &VerifyError>, ack: Ack) -> http::Response<Bytes>;

    /// Asks the gateway what became of an attempt. `at` is the time of asking.
    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>>;

    /// Can it still tell a genuine message from another? Without any network: a signed message of its documents is taken, the
    /// same with one byte changed is not, and what the configured key signs at this time is taken.
    fn self_check(&self, at: SystemTime) -> Result<(), SelfCheckError>;

    /// How far the gateway's clock was ahead of this machine's when it answered last, in seconds; negative if it was behind.
    /// `None` before the first answer, and for a gateway that is never asked.
    fn clock_ahead(&self) -> Option<i64>;

    /// What else it can do.
    fn abilities(&self) -> Abilities<'_>;
}

/// What a gateway can no longer do, by its own check. Nothing is to be trusted until somebody has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelfCheckError {
    /// A genuine message of the documents was refused.
    #[error("a genuine message of the gateway's documents was refused: do not reopen with this build")]
    Known,
    /// A changed message was taken.
    #[error("a changed message was taken as genuine: do not reopen with this build")]
    Changed,
    /// What the configured key signs was refused.
    #[error("what the configured key signs was refused: look at the keys and at the times until which they count")]
    OwnKey,
}

impl SelfCheckError {
    /// The verdict over the three messages: whether each was taken.
    pub fn judge(known: bool, changed: bool, own: bool) -> Result<(), Self> {
        match (known, changed, own) {
            (_, true, _) => Err(Self::Changed),
            (false, ..) => Err(Self::Known),
            (_, _, false) => Err(Self::OwnKey),
            (true, false, true) => Ok(()),
        }
    }
}

/// What an attempt looks like at one gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptPlan {
    /// The grammar of our random reference.
    pub format: ReferenceFormat,
    /// How long the hosted payment page can be used.
    pub valid_for: Duration,
}

/// Which reply to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ack {
    /// It is on record, or there is nothing to record. Do not deliver it again.
    Done,
    /// We could not record it. Deliver it again.
    Retry,
    /// It proves nothing. No reason is given.
    Refused,
}

/// What only some gateways can do. An ability is the object that does it, so "unsupported" is an absent handle and not a
/// surprise at run time.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Abilities<'a> {
    /// Closes a hosted payment page that was not used yet.
    pub expire: Option<&'a dyn Expire>,
    /// Takes money that was authorized.
    pub capture: Option<&'a dyn Capture>,
    /// Lets go of money that was authorized.
    pub void: Option<&'a dyn Void>,
    /// Gives captured money back.
    pub refund: Option<&'a dyn Refund>,
}

impl<'a> Abilities<'a> {
    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Can close a page.
    #[must_use]
    pub fn with_expire(mut self, expire: &'a dyn Expire) -> Self {
        self.expire = Some(expire);
        self
    }

    /// Can capture.
    #[must_use]
    pub fn with_capture(mut self, capture: &'a dyn Capture) -> Self {
        self.capture = Some(capture);
        self
    }

    /// Can void.
    #[must_use]
    pub fn with_void(mut self, void: &'a dyn Void) -> Self {
        self.void = Some(void);
        self
    }

    /// Can refund.
    #[must_use]
    pub fn with_refund(mut self, refund: &'a dyn Refund) -> Self {
        self.refund = Some(refund);
        self
    }
}

/// Closes a hosted payment page, so that an attempt that was given up cannot be paid any more.
pub trait Expire: fmt::Debug + Send + Sync {
    /// Closes it. The answer is what the gateway says of the attempt afterwards; a page that was paid in the meantime
    /// gives an error, and the status tells.
    fn expire<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>>;
}

/// Takes money that was authorized.
pub trait Capture: fmt::Debug + Send + Sync {
    /// Takes `amount`, or all that was authorized; an amount that is no part of the payment is refused before anything is
    /// sent ([`ExpectedPayment::check_part`]). `at` is the time of asking.
    ///
    /// Where the gateway knows keys, the key makes a repeat harmless: keep it for every repeat. A gateway that knows none
    /// ignores it, and its page says so; there a second capture of the same money is refused by its state.
    fn capture<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>>;
}

/// Lets go of money that was authorized. Money that was captured is never sent back by it: where the gateway has one order for
/// both, it is asked first.
pub trait Void: fmt::Debug + Send + Sync {
    /// Lets go of all of it. The key is as for [`Capture::capture`].
    fn void<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>>;
}

/// Gives captured money back. Never called by this crate itself.
pub trait Refund: fmt::Debug + Send + Sync {
    /// Gives back `amount`, or all that is left; an amount that is no part of the payment is refused before anything is sent
    /// ([`ExpectedPayment::check_part`]).
    ///
    /// Where the gateway knows keys, the key makes a repeat harmless: keep it for every repeat, and use a new one for every
    /// refund that is meant. A gateway that knows none ignores it, and its page says so. There a refund of all cannot happen
    /// twice, and refunds in parts are refused unless the store has allowed them, because one that is repeated after a lost
    /// answer could go back twice.
    fn refund<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<RefundReceipt, Error>>;
}

/// What the gateway said to a refund. Not always done at once: the status of the attempt tells the end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefundReceipt {
    /// The gateway's name for the refund.
    pub reference: GatewayReference,
    /// The gateway's own word for where it stands.
    pub gateway_status: crate::payment::GatewayWord,
}

impl RefundReceipt {
    /// A receipt.
    #[must_use]
    pub fn new(reference: GatewayReference, gateway_status: crate::payment::GatewayWord) -> Self {
        Self {
            reference,
            gateway_status,
        }
    }
}

/// The gateways of a store, by id.
#[derive(Clone, Debug, Default)]
pub struct Gateways(BTreeMap<GatewayId, Arc<dyn Gateway>>);

impl Gateways {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. A second one under the same id is refused.
    pub fn add(&mut self, gateway: Arc<dyn Gateway>) -> Result<(), ConfigError> {
        let id = gateway.id();
        if self.0.contains_key(&id) {
            return Err(ConfigError::Gateways("two gateways are configured under one id"));
        }
        self.0.insert(id, gateway);
        Ok(())
    }

    /// The one with this id.
    #[must_use]
    pub fn find(&self, id: &GatewayId) -> Option<&Arc<dyn Gateway>> {
        self.0.get(id)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Gateway>> {
        self.0.values()
    }
}

/// A shared gateway is a gateway. Every method is forwarded, none may be missing.
#[deny(clippy::missing_trait_methods)]
impl<G: Gateway + ?Sized> Gateway for Arc<G> {
    fn id(&self) -> GatewayId {
        (**self).id()
    }

    fn account(&self) -> &MerchantAccount {
        (**self).account()
    }

    fn environment(&self) -> Environment {
        (**self).environment()
    }

    fn pages(&self) -> &AllowedOrigins {
        (**self).pages()
    }

    fn plan(&self, request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
        (**self).plan(request)
    }

    fn checkout<'a>(
        &'a self,
        expected: &'a ExpectedPayment,
        request: &'a CheckoutRequest,
    ) -> BoxFuture<'a, Result<Checkout, Error>> {
        (**self).checkout(expected, request)
    }

    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        (**self).receive(callback)
    }

    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        (**self).returned(callback)
    }

    fn acknowledge(&self, about: Result<&Received, &VerifyError>, ack: Ack) -> http::Response<Bytes> {
        (**self).acknowledge(about, ack)
    }

    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        (**self).status(attempt, at)
    }

    fn self_check(&self, at: SystemTime) -> Result<(), SelfCheckError> {
        (**self).self_check(at)
    }

    fn clock_ahead(&self) -> Option<i64> {
        (**self).clock_ahead()
    }

    fn abilities(&self) -> Abilities<'_> {
        (**self).abilities()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "stripe")]
    #[test]
    fn a_stores_gateways_are_all_listed_and_none_twice() {
        use crate::addresses::Addresses;
        use crate::secret::ApiKey;
        use crate::sign::SigningKeys;
        let stripe = crate::gateways::stripe::Stripe::builder(
            ApiKey::new("sk_test_0123456789abcdef").unwrap(),
            SigningKeys::from_texts(["whsec_0123456789abcdef"]).unwrap(),
            Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
        );
        let stripe: Arc<dyn Gateway> = Arc::new(stripe.build().unwrap());
        let mut gateways = Gateways::new();
        assert_eq!(gateways.iter().count(), 0);
        gateways.add(Arc::clone(&stripe)).unwrap();
        assert!(gateways.add(stripe).is_err());
        let listed: Vec<_> = gateways.iter().map(super::Gateway::id).collect();
        assert_eq!(listed, [GatewayId::STRIPE]);
    }

    #[test]
    fn a_self_check_passes_in_one_case_of_eight_and_a_changed_message_is_the_worst() {
        use SelfCheckError as E;
        for (known, changed, own, expected) in [
            (true, false, true, Ok(())),
            (true, false, false, Err(E::OwnKey)),
            (false, false, true, Err(E::Known)),
            (false, false, false, Err(E::Known)),
            (true, true, true, Err(E::Changed)),
            (true, true, false, Err(E::Changed)),
            (false, true, true, Err(E::Changed)),
            (false, true, false, Err(E::Changed)),
        ] {
            assert_eq!(E::judge(known, changed, own), expected, "{known} {changed} {own}");
        }
    }
}
