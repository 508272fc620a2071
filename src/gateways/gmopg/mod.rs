#![doc = include_str!("docs.md")]

mod calls;
mod config;
mod map;
mod orders;
mod sign;
mod wire;

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;
use http::Method;
use http::header::{self, HeaderValue};

use self::calls::{CreateLink, Deal, RejectLink, SearchTrade};
use self::config::Config;
pub use self::config::{GmoPgBuilder, LinkType};
use self::map::Page;
use self::wire::Fields;
use crate::addresses::Addresses;
use crate::callback::Callback;
use crate::checkout::{Checkout, CheckoutRequest, RequestError};
use crate::error::{Error, VerifyError};
use crate::event::{PaymentEvent, Received, ReturnHint, Subject};
use crate::form::Params;
use crate::gateway::{Abilities, Ack, AttemptPlan, Expire, Gateway, SelfCheckError};
use crate::gateways::setup;
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::redirect::AllowedOrigins;
use crate::reference::{AttemptReference, Environment, GatewayId, GatewayReference, MerchantAccount};
use crate::secret::ApiKey;
use crate::transport::{BoxFuture, Client};
use crate::verified::Verified;

/// One shop at GMO-PG, on its Link Type Plus pages.
///
/// ```
/// use kessai::gateways::gmopg::GmoPg;
/// use kessai::{Addresses, ApiKey, Environment, MerchantAccount};
///
/// let gmo = GmoPg::builder(
///     MerchantAccount::new("tshop00099661")?,
///     ApiKey::new("kq7w2x9e")?,
///     "shop01",
///     Environment::Sandbox,
///     Addresses::new("https://shop.example", "/pay/gmo")?,
/// )
/// .methods(["credit", "cvs"])
/// .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct GmoPg {
    config: Config,
    client: Option<Client>,
}

impl GmoPg {
    /// Starts with what is required: shop id and shop password, the id of the page's settings made in the shop admin
    /// screen, the environment, and the store's addresses.
    pub fn builder(
        shop_id: MerchantAccount,
        shop_pass: ApiKey,
        config_id: impl Into<String>,
        environment: Environment,
        addresses: Addresses,
    ) -> GmoPgBuilder {
        GmoPgBuilder::new(shop_id, shop_pass, config_id.into(), environment, addresses)
    }

    /// Reads a result notification, at once and without any network. It is unsigned: whoever knows the shop id and an order
    /// can post one, so all it gives is what to ask about.
    pub fn read_notification(&self, callback: &Callback) -> Result<Subject, VerifyError> {
        let sources = &self.config.sources;
        if !sources.is_empty() && !callback.peer().is_some_and(|peer| sources.contains(&peer)) {
            return Err(VerifyError::Malformed("the sender's address is not in the list"));
        }
        // Another method is another view of the same bytes, for a proxy or for us (PAY-57).
        if callback.method() != Method::POST {
            return Err(VerifyError::Malformed("a notification comes by POST"));
        }
        let fields = Fields::of_form(callback.body())?;
        let shop = fields.text("ShopID").ok_or(VerifyError::Missing("ShopID"))?;
        if shop != self.config.shop_id.as_str() {
            return Err(VerifyError::Malformed("the notification is about another shop"));
        }
        if fields.filled("Currency").is_some_and(|currency| currency != "JPN") {
            return Err(VerifyError::Malformed("the notification is in another currency"));
        }
        let order = fields.filled("OrderID").ok_or(VerifyError::Missing("OrderID"))?;
        let order = AttemptReference::new(order).map_err(|_| VerifyError::Malformed("the OrderID is none of ours"))?;
        let access = fields.filled("AccessID").and_then(|id| GatewayReference::new(id).ok());
        Ok(Subject::new().with_attempt(Some(order)).with_payment(access))
    }

    /// Does a result notification say what was written down for this attempt? It is asked about in either case; a store
    /// can use the answer to notice somebody who guesses.
    pub fn notification_agrees(&self, callback: &Callback, attempt: &StoredAttempt) -> Result<bool, VerifyError> {
        let subject = self.read_notification(callback)?;
        let charged = map::charged(&Fields::of_form(callback.body())?);
        let same_payment = attempt.payment.is_none() || attempt.payment == subject.payment;
        Ok(subject.attempt.as_ref() == Some(attempt.reference())
            && charged == Some(attempt.expected.amount)
            && same_payment)
    }

    fn client(&self) -> Result<&Client, Error> {
        setup::needed(self.client.as_ref())
    }

    /// Asks for each offered method in turn: a deal is known only under the method it was made with, and the shopper chose
    /// that on the page. One without money is not the end of it, because another method may have been tried after it.
    async fn search(
        &self,
        attempt: &StoredAttempt,
        page: Page,
        at: SystemTime,
    ) -> Result<Verified<Option<Deal>>, Error> {
        let client = self.client()?;
        let strength = |answer: &Verified<Option<Deal>>| {
            let deal = answer.value().as_ref();
            deal.map(|deal| map::strength(&deal.event, attempt))
        };
        let mut strongest: Option<Verified<Option<Deal>>> = None;
        for method in &self.config.methods {
            let call = SearchTrade::new(&self.config, (attempt, &method.pay_type), page, at);
            let answer = client.ask(&call, &self.config.shop_pass, at).await?;
            let found = answer.value().as_ref();
            let paid = found.is_some_and(|deal| deal.event.snapshot.status.has_money());
            if strongest
                .as_ref()
                .is_none_or(|so_far| strength(&answer) > strength(so_far))
            {
                strongest = Some(answer);
            }
            if paid {
                break;
            }
        }
        strongest.ok_or_else(|| Error::config("no payment method is configured"))
    }
}

impl Gateway for GmoPg {
    fn id(&self) -> GatewayId {
        GatewayId::GMOPG
    }

    fn account(&self) -> &MerchantAccount {
        &self.config.shop_id
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
            match self.config.link {
                LinkType::Parameter => calls::parameter_link(&self.config, expected, request),
                LinkType::Key => {
                    self.client()?
                        .call(&CreateLink::new(&self.config, expected, request)?)
                        .await
                }
            }
        })
    }

    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        Box::pin(std::future::ready(self.read_notification(callback).map(Received::Hint)))
    }

    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        let query = callback.query().unwrap_or_default();
        let query =
            Params::parse(query.as_bytes()).map_err(|_| VerifyError::Malformed("the return's query is not a form"))?;
        let body = Fields::of_form(callback.body())?;
        let given_up = self.config.addresses.is_cancel(callback.target());
        // By POST as seen, by GET as it may be (unconfirmed); never by both.
        let posted = match (body.bytes("result"), body.text("result")) {
            (Some(_), None) => return Err(VerifyError::Malformed("the result is not a text")),
            (_, text) => text,
        };
        let result = match (query.value("result"), posted) {
            (Some(_), Some(_)) => return Err(VerifyError::Malformed("the result is there more than once")),
            (result, None) | (None, result) => result,
        };
        // A reload of the return page comes without one.
        let Some(result) = result else {
            return Ok(ReturnHint {
                subject: Subject::new(),
                cancelled: given_up,
            });
        };
        let bytes = sign::open_result(result, &self.config.shop_pass)?;
        let payload = VerifyError::Payload("the result is not of the documented form");
        let text = std::str::from_utf8(&bytes).map_err(|_| payload)?;
        let result: wire::ReturnResult<'_> = serde_json::from_str(text).map_err(|_| payload)?;
        let result = result.transactionresult;
        let order = AttemptReference::new(result.order_id.as_ref()).map_err(|_| payload)?;
        // Empty when nothing was paid.
        let access = result.access_id.and_then(|id| GatewayReference::new(id).ok());
        Ok(ReturnHint {
            subject: Subject::new().with_attempt(Some(order)).with_payment(access),
            // The shopper left before paying.
            cancelled: given_up || result.result.as_deref() == Some("PAYSTART"),
        })
    }

    fn acknowledge(&self, _about: Result<&Received, &VerifyError>, ack: Ack) -> http::Response<Bytes> {
        // HTTP 200 and exactly one digit: taken, or not taken and to be sent again.
        let mut reply = http::Response::new(Bytes::from_static(match ack {
            Ack::Done => b"0",
            Ack::Retry | Ack::Refused => b"1",
        }));
        reply
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        reply
    }

    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move {
            let found = self.search(attempt, Page::Unknown, at).await?;
            found.try_map(|found| match found {
                Some(deal) => Ok(deal.event),
                None => map::unused(attempt, &self.config, at).ok_or_else(unreadable),
            })
        })
    }

    fn self_check(&self, _at: SystemTime) -> Result<(), SelfCheckError> {
        sign::self_check(&self.config.shop_pass)
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

impl Expire for GmoPg {
    fn expire<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move {
            self.client()?
                .call(&RejectLink::new(&self.config, attempt.reference()))
                .await?;
            // Closing undoes no payment, so what there is decides; what has not begun can not begin any more.
            let found = self.search(attempt, Page::Closed, at).await?;
            found.try_map(|found| match found {
                Some(deal) => Ok(deal.event),
                None => map::closed(attempt, &self.config, at).ok_or_else(unreadable),
            })
        })
    }
}

fn unreadable() -> Error {
    Error::protocol("the answer cannot be read as a status of this order")
}

impl fmt::Debug for GmoPg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, client } = self;
        f.debug_struct("GmoPg")
            .field("config", config)
            .field("client", client)
            .finish()
    }
}
