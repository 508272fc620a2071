#![doc = include_str!("docs.md")]

mod calls;
mod config;
mod map;
mod purchase;
mod report;
mod status;

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Response};

pub use self::calls::request_hash;
use self::calls::{AskStatus, Order, What};
use self::config::{Api, Config};
pub use self::config::{SbpsBuilder, ShopId};
use self::map::Deal;
pub use self::purchase::purchase_hash;
pub use self::report::{Channel, Report, report_hash};
use crate::addresses::Addresses;
use crate::callback::Callback;
use crate::checkout::{Checkout, CheckoutRequest, RequestError};
use crate::error::{Error, ErrorKind, Outcome, VerifyError};
use crate::event::{Notification, PaymentEvent, Received, ReturnHint, Subject};
use crate::form::RawParams;
use crate::gateway::{Abilities, Ack, AttemptPlan, Capture, Gateway, Refund, RefundReceipt, SelfCheckError, Void};
use crate::gateways::setup;
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::money::Money;
use crate::payment::PaymentStatus;
use crate::redirect::{AllowedOrigins, PostForm, Redirect};
use crate::reference::{Environment, GatewayId, IdempotencyKey, MerchantAccount};
use crate::sign::SigningKeys;
use crate::transport::{BoxFuture, Client};
use crate::verified::Verified;

/// SB Payment Service, link type, of one shop in one environment.
///
/// ```
/// use kessai::{Addresses, ApiKey, Environment, SigningKey};
/// use kessai::gateways::sbps::{Sbps, ShopId};
/// use kessai::sign::SigningKeys;
///
/// let sbps = Sbps::builder(
///     Environment::Sandbox,
///     ShopId::new("99661", "001")?,
///     SigningKeys::new(SigningKey::new("0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07")?),
///     Addresses::new("https://shop.example", "/pay/sbps")?,
/// )
/// .api(ApiKey::new("basic-word-of-the-api-type")?)
/// .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Sbps {
    config: Config,
    client: Option<Client>,
}

impl Sbps {
    /// Starts with what is required: the environment, the shop's two numbers, its hash key and the store's addresses. What
    /// confirms a payment has to be chosen too: [`SbpsBuilder::api`], or [`SbpsBuilder::notifications_settle`].
    pub fn builder(
        environment: Environment,
        shop: ShopId,
        signing_keys: SigningKeys,
        addresses: Addresses,
    ) -> SbpsBuilder {
        SbpsBuilder::new(environment, shop, signing_keys, addresses)
    }

    /// Checks a result notification (A02-1), at once and without any network. What [`Gateway::receive`] does, for those who
    /// have no runtime.
    pub fn verify(&self, callback: &Callback) -> Result<Verified<Notification>, VerifyError> {
        let report = self.report(callback, Channel::Notification)?;
        let at = callback.received_at();
        report.try_map(|report| map::notification(&report, &self.config, at))
    }

    /// Checks the hash of a result, and that it is about this shop. It says who made it and no more: what it is worth as news
    /// about a payment, [`verify`](Self::verify) decides.
    pub fn report(&self, callback: &Callback, channel: Channel) -> Result<Verified<Report>, VerifyError> {
        let report = report::verify(callback, channel, &self.config.signing_keys)?;
        map::check_shop(report.value(), &self.config)?;
        Ok(report)
    }

    /// The form of an attempt, for those who send it themselves. The same attempt gives the same form.
    pub fn purchase_form(&self, expected: &ExpectedPayment, request: &CheckoutRequest) -> Result<PostForm, Error> {
        expected.check_request(request)?;
        purchase::form(&self.config, expected, request)
    }

    fn api(&self) -> Result<(&Client, &Api), Error> {
        let api = self.config.api.as_ref().ok_or_else(|| {
            Error::config("this shop is configured without the API type, so there is nothing that can be asked")
        })?;
        Ok((setup::needed(self.client.as_ref())?, api))
    }

    async fn ask(&self, attempt: &StoredAttempt, at: SystemTime) -> Result<Verified<PaymentEvent>, Error> {
        let (client, api) = self.api()?;
        let call = AskStatus::new(&self.config, api, (deal_of(attempt)?, attempt.status), at)?;
        client.ask(&call, &api.password, at).await
    }

    fn order(&self, attempt: &StoredAttempt, what: What, at: SystemTime) -> Result<(&Client, Order), Error> {
        let (client, api) = self.api()?;
        Ok((client, Order::new(&self.config, api, deal_of(attempt)?, what, at)?))
    }
}

fn deal_of(attempt: &StoredAttempt) -> Result<Deal, Error> {
    Deal::of(attempt).ok_or_else(|| {
        Error::request("no notification has named this payment yet, and it cannot be asked about before")
    })
}

impl Gateway for Sbps {
    fn id(&self) -> GatewayId {
        GatewayId::SBPS
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
        map::plan(&self.config, request)
    }

    fn checkout<'a>(
        &'a self,
        expected: &'a ExpectedPayment,
        request: &'a CheckoutRequest,
    ) -> BoxFuture<'a, Result<Checkout, Error>> {
        let form = self.purchase_form(expected, request);
        Box::pin(std::future::ready(form.map(|form| {
            Checkout::new(Redirect::Post(form))
                .with_expiry(Some(expected.expires_at))
                .unconfirmed()
        })))
    }

    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        Box::pin(std::future::ready(self.verify(callback).map(Received::Proven)))
    }

    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        let mut hint = ReturnHint {
            subject: Subject::new(),
            cancelled: self.config.addresses.is_cancel(callback.target()),
        };
        if callback.method() == Method::POST {
            let params = RawParams::parse(callback.body())
                .map_err(|_| VerifyError::Malformed("the return's body is not a form"))?;
            // What comes to the cancel address is unconfirmed: perhaps nothing. What has a hash has to have the right one.
            if params.value(report::HASH_FIELD).is_some() {
                let report = self.report(callback, Channel::Return)?;
                hint.subject = hint.subject.with_attempt(Some(map::order_of(report.value())?));
            }
        }
        Ok(hint)
    }

    fn acknowledge(&self, _about: Result<&Received, &VerifyError>, ack: Ack) -> Response<Bytes> {
        // The comma belongs to it, and so does the 200 for a refusal (sheet, "Acknowledgement"). The same words for every
        // refusal: whoever forges learns nothing.
        let body: &'static [u8] = match ack {
            Ack::Done => b"OK,",
            Ack::Retry => b"NG,try again",
            Ack::Refused => b"NG,refused",
        };
        let mut reply = Response::new(Bytes::from_static(body));
        reply.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=Shift_JIS"),
        );
        reply
    }

    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(self.ask(attempt, at))
    }

    fn self_check(&self, at: SystemTime) -> Result<(), SelfCheckError> {
        report::self_check(&self.config.signing_keys, at)
    }

    fn clock_ahead(&self) -> Option<i64> {
        self.client.as_ref().and_then(Client::clock_ahead)
    }

    fn abilities(&self) -> Abilities<'_> {
        match self.config.api {
            Some(_) => Abilities::none().with_capture(self).with_void(self).with_refund(self),
            None => Abilities::none(),
        }
    }
}

impl Capture for Sbps {
    fn capture<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        _key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if let Some(part) = amount {
                attempt.expected.check_part(part)?;
            }
            let (client, call) = self.order(attempt, What::Capture(amount), at)?;
            client.call(&call).await.map(drop)
        })
    }
}

impl Void for Sbps {
    fn void<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        _key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let (client, call) = self.order(attempt, What::Cancel, at)?;
            // The same order gives captured money back (sheet, "cancel or full refund"), and that is not what a void is.
            let known = self.ask(attempt, at).await?;
            if known.value().snapshot.status != PaymentStatus::Authorized {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    Outcome::NotSent,
                    "the payment is not merely authorized",
                ));
            }
            client.call(&call).await.map(drop)
        })
    }
}

impl Refund for Sbps {
    fn refund<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        _key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<RefundReceipt, Error>> {
        Box::pin(async move {
            if let Some(part) = amount {
                attempt.expected.check_part(part)?;
            }
            let what = match amount {
                Some(part) if part != attempt.expected.amount => What::Return(part),
                _ => What::Cancel,
            };
            if matches!(what, What::Return(_)) && !self.config.partial_refunds {
                return Err(Error::request(
                    "refunds in parts are turned off, because SBPS knows no idempotency key",
                ));
            }
            let (client, call) = self.order(attempt, what, at)?;
            let receipt = client.call(&call).await?;
            receipt.ok_or_else(|| Error::protocol("the refund has no usable id"))
        })
    }
}

impl fmt::Debug for Sbps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, client } = self;
        f.debug_struct("Sbps")
            .field("config", config)
            .field("client", client)
            .finish()
    }
}
