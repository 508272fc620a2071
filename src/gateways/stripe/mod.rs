#![doc = include_str!("docs.md")]

mod calls;
mod config;
mod map;
mod sign;
mod wire;

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;

use self::calls::{CancelPayment, CapturePayment, CreateRefund};
pub use self::calls::{CreateSession, ExpireSession, RetrieveSession};
use self::config::Config;
pub use self::config::{DEFAULT_VERSION, StripeBuilder};
pub use self::sign::signature_header;
use crate::addresses::Addresses;
use crate::callback::Callback;
use crate::checkout::{Checkout, CheckoutRequest, RequestError};
use crate::error::{Error, VerifyError};
use crate::event::{Notification, PaymentEvent, Received, ReturnHint, Subject};
use crate::form::Params;
use crate::gateway::{
    Abilities, Ack, AttemptPlan, Capture, Expire, Gateway, Refund, RefundReceipt, SelfCheckError, Void,
};
use crate::gateways::setup;
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::money::Money;
use crate::redirect::AllowedOrigins;
use crate::reference::{Environment, GatewayId, GatewayReference, IdempotencyKey, MerchantAccount};
use crate::secret::ApiKey;
use crate::sign::SigningKeys;
use crate::transport::{BoxFuture, Client};
use crate::verified::Verified;

/// Stripe Checkout Sessions of one account in one mode.
///
/// ```
/// use kessai::{Addresses, ApiKey, SigningKey};
/// use kessai::gateways::stripe::Stripe;
/// use kessai::sign::SigningKeys;
///
/// let stripe = Stripe::builder(
///     ApiKey::new("sk_test_51Example0Example1")?,
///     SigningKeys::new(SigningKey::new("whsec_Example0Example1Example2")?),
///     Addresses::new("https://shop.example", "/pay/stripe")?,
/// )
/// .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Stripe {
    config: Config,
    client: Option<Client>,
}

impl Stripe {
    /// Starts with what is required: the secret or restricted key, the signing secrets of the webhook endpoint, and the
    /// store's addresses. The key decides between sandbox and live.
    pub fn builder(api_key: ApiKey, signing_keys: SigningKeys, addresses: Addresses) -> StripeBuilder {
        StripeBuilder::new(api_key, signing_keys, addresses)
    }

    /// Checks a webhook delivery, at once and without any network. What [`Gateway::receive`] does, for those who have no
    /// runtime.
    pub fn verify(&self, callback: &Callback) -> Result<Verified<Notification>, VerifyError> {
        let event = sign::verify(callback, &self.config.signing_keys, self.config.tolerance)?;
        let at = callback.received_at();
        event.try_map(|body| map::notification(&wire::Event::read(body)?, &self.config, at))
    }

    /// The create call as plain data, for those who send it themselves.
    #[must_use]
    pub fn create_session(&self, expected: &ExpectedPayment, request: &CheckoutRequest) -> CreateSession {
        CreateSession::new(&self.config, expected, request)
    }

    /// The status call as plain data, for those who send it themselves. Fails for an attempt that was never opened.
    pub fn retrieve_session(&self, attempt: &StoredAttempt, at: SystemTime) -> Result<RetrieveSession, Error> {
        Ok(RetrieveSession::new(&self.config, session_of(attempt)?, at))
    }

    fn client(&self) -> Result<&Client, Error> {
        setup::needed(self.client.as_ref())
    }
}

impl Gateway for Stripe {
    fn id(&self) -> GatewayId {
        GatewayId::STRIPE
    }

    fn account(&self) -> &MerchantAccount {
        &self.config.account
    }

    fn environment(&self) -> Environment {
        self.config.environment
    }

    fn pages(&self) -> &AllowedOrigins {
        &self.config.pages
    }

    fn plan(&self, request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
        map::plan(request)
    }

    fn checkout<'a>(
        &'a self,
        expected: &'a ExpectedPayment,
        request: &'a CheckoutRequest,
    ) -> BoxFuture<'a, Result<Checkout, Error>> {
        Box::pin(async move {
            expected.check_request(request)?;
            self.client()?.call(&self.create_session(expected, request)).await
        })
    }

    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        Box::pin(std::future::ready(self.verify(callback).map(Received::Proven)))
    }

    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        let query = callback.query().unwrap_or_default();
        let params =
            Params::parse(query.as_bytes()).map_err(|_| VerifyError::Malformed("the return's query is not a form"))?;
        // The one thing that Stripe puts into a return, and only because the return URL asked for it (sheet section 6).
        let session = params.value("session_id").and_then(|id| GatewayReference::new(id).ok());
        Ok(ReturnHint {
            subject: Subject::new().with_checkout(session),
            cancelled: self.config.addresses.is_cancel(callback.target()),
        })
    }

    fn acknowledge(&self, _about: Result<&Received, &VerifyError>, ack: Ack) -> http::Response<Bytes> {
        // Any 2xx ends the delivery, anything else brings it back; the body is ignored (sheet section 7).
        let mut reply = http::Response::new(Bytes::new());
        *reply.status_mut() = match ack {
            Ack::Done => StatusCode::OK,
            Ack::Retry => StatusCode::SERVICE_UNAVAILABLE,
            Ack::Refused => StatusCode::BAD_REQUEST,
        };
        reply
    }

    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move {
            let call = self.retrieve_session(attempt, at)?;
            self.client()?.ask(&call, &self.config.api_key, at).await
        })
    }

    fn self_check(&self, at: SystemTime) -> Result<(), SelfCheckError> {
        sign::self_check(&self.config.signing_keys, at)
    }

    fn clock_ahead(&self) -> Option<i64> {
        self.client.as_ref().and_then(Client::clock_ahead)
    }

    fn abilities(&self) -> Abilities<'_> {
        Abilities::none()
            .with_expire(self)
            .with_capture(self)
            .with_void(self)
            .with_refund(self)
    }
}

impl Expire for Stripe {
    fn expire<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move {
            let call = ExpireSession::new(&self.config, session_of(attempt)?, at);
            self.client()?.ask(&call, &self.config.api_key, at).await
        })
    }
}

impl Capture for Stripe {
    fn capture<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        key: &'a IdempotencyKey,
        _at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if let Some(part) = amount {
                attempt.expected.check_part(part)?;
            }
            let call = CapturePayment::new(&self.config, payment_of(attempt)?, amount, key)?;
            self.client()?.call(&call).await
        })
    }
}

impl Void for Stripe {
    fn void<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        key: &'a IdempotencyKey,
        _at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.client()?
                .call(&CancelPayment::new(&self.config, payment_of(attempt)?, key))
                .await
        })
    }
}

impl Refund for Stripe {
    fn refund<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        key: &'a IdempotencyKey,
        _at: SystemTime,
    ) -> BoxFuture<'a, Result<RefundReceipt, Error>> {
        Box::pin(async move {
            if let Some(part) = amount {
                attempt.expected.check_part(part)?;
            }
            let call = CreateRefund::new(&self.config, payment_of(attempt)?, amount, key)?;
            self.client()?.call(&call).await
        })
    }
}

fn session_of(attempt: &StoredAttempt) -> Result<&GatewayReference, Error> {
    attempt
        .checkout
        .as_ref()
        .ok_or_else(|| Error::request("this attempt was never confirmed, so it has no session"))
}

fn payment_of(attempt: &StoredAttempt) -> Result<&GatewayReference, Error> {
    attempt
        .payment
        .as_ref()
        .ok_or_else(|| Error::request("no payment is known for this attempt yet"))
}

impl fmt::Debug for Stripe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, client } = self;
        f.debug_struct("Stripe")
            .field("config", config)
            .field("client", client)
            .finish()
    }
}
