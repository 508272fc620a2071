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

use self::calls::{Change, ChangePayment, CreateSession, PaymentCall, SessionCall};
use self::config::Config;
pub use self::config::KomojuBuilder;
pub use self::sign::signature_header;
use crate::addresses::Addresses;
use crate::callback::Callback;
use crate::checkout::{Checkout, CheckoutRequest, RequestError};
use crate::error::{Error, ErrorKind, VerifyError};
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

/// KOMOJU sessions of one merchant in one mode.
///
/// ```
/// use kessai::gateways::komoju::Komoju;
/// use kessai::sign::SigningKeys;
/// use kessai::{Addresses, ApiKey};
///
/// let komoju = Komoju::builder(
///     ApiKey::new("sk_test_51Example0Example1")?,
///     SigningKeys::from_texts(["whsec-komoju-example-1"])?,
///     Addresses::new("https://shop.example", "/pay/komoju")?,
/// )
/// .methods(["credit_card", "konbini"])
/// .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Komoju {
    config: Config,
    client: Option<Client>,
}

impl Komoju {
    /// Starts with what is required: the secret key, the webhook secrets, and the store's addresses. The key decides
    /// between sandbox and live.
    pub fn builder(api_key: ApiKey, signing_keys: SigningKeys, addresses: Addresses) -> KomojuBuilder {
        KomojuBuilder::new(api_key, signing_keys, addresses)
    }

    /// Checks a webhook delivery, at once and without any network.
    pub fn verify(&self, callback: &Callback) -> Result<Verified<Notification>, VerifyError> {
        let at = callback.received_at();
        sign::verify(callback, &self.config.signing_keys)?.try_map(|body| map::notification(body, &self.config, at))
    }

    fn client(&self) -> Result<&Client, Error> {
        setup::needed(self.client.as_ref())
    }
}

impl Gateway for Komoju {
    fn id(&self) -> GatewayId {
        GatewayId::KOMOJU
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
            self.client()?
                .call(&CreateSession::new(&self.config, expected, request)?)
                .await
        })
    }

    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        Box::pin(std::future::ready(self.verify(callback).map(Received::Proven)))
    }

    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        let query = callback.query().unwrap_or_default();
        let params =
            Params::parse(query.as_bytes()).map_err(|_| VerifyError::Malformed("the return's query is not a form"))?;
        // The same for success and for giving up, and unsigned (sheet section "Return").
        let plain = |id: &&str| {
            id.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let session = match params.value("session_id") {
            None => None,
            Some(id) => {
                let id = Some(id).filter(plain).and_then(|id| GatewayReference::new(id).ok());
                Some(id.ok_or(VerifyError::Malformed("the session's id is not an id"))?)
            }
        };
        Ok(ReturnHint {
            subject: Subject::new().with_checkout(session),
            cancelled: self.config.addresses.is_cancel(callback.target()),
        })
    }

    fn acknowledge(&self, _about: Result<&Received, &VerifyError>, ack: Ack) -> http::Response<Bytes> {
        // 200 with any body is taken; 401 is what the gateway's own plug-in answers to a wrong signature.
        let mut reply = http::Response::new(Bytes::new());
        *reply.status_mut() = match ack {
            Ack::Done => StatusCode::OK,
            Ack::Retry => StatusCode::SERVICE_UNAVAILABLE,
            Ack::Refused => StatusCode::UNAUTHORIZED,
        };
        reply
    }

    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move {
            let (client, key) = (self.client()?, &self.config.api_key);
            if attempt.checkout.is_some() {
                let call = SessionCall::<false>::new(&self.config, attempt, at)?;
                match client.ask(&call, key, at).await {
                    // A slip outlives its session (trap 10), and how long a session can be asked for is not said.
                    Err(error) if error.kind() == ErrorKind::NotFound && attempt.payment.is_some() => {}
                    answered => return answered,
                }
            }
            let call = PaymentCall::new(&self.config, attempt, at)?;
            client.ask(&call, key, at).await
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

impl Expire for Komoju {
    fn expire<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move {
            let call = SessionCall::<true>::new(&self.config, attempt, at)?;
            self.client()?.ask(&call, &self.config.api_key, at).await
        })
    }
}

impl Capture for Komoju {
    fn capture<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        key: &'a IdempotencyKey,
        _at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if amount.is_some_and(|amount| amount != attempt.expected.amount) {
                return Err(Error::request("this gateway captures the whole amount and no other"));
            }
            let call = ChangePayment::new(&self.config, attempt, Change::Capture, key)?;
            self.client()?.call(&call).await.map(|_| ())
        })
    }
}

impl Void for Komoju {
    fn void<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        key: &'a IdempotencyKey,
        _at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let call = ChangePayment::new(&self.config, attempt, Change::Cancel, key)?;
            self.client()?.call(&call).await.map(|_| ())
        })
    }
}

impl Refund for Komoju {
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
            let change = Change::Refund(amount.map(Money::minor_units));
            self.client()?
                .call(&ChangePayment::new(&self.config, attempt, change, key)?)
                .await
        })
    }
}

impl fmt::Debug for Komoju {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, client } = self;
        f.debug_struct("Komoju")
            .field("config", config)
            .field("client", client)
            .finish()
    }
}
