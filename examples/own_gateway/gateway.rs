//! Hako, a gateway that does not exist. Its whole wire:
//!
//! ```text
//! POST /v1/pages       {"attempt", "order", "amount", "currency", "back", "give_up"}    ->  a page
//! GET  /v1/pages/{id}                                                                   ->  a page
//! a page               {"id", "attempt", "order", "status", "amount", "currency", "mode", "url"?}
//! a message            {"event", "shop", "page": a page}, by POST, with two headers:
//!                      Hako-Time: seconds; Hako-Signature: hex of HMAC-SHA-256 over the time, a dot and the body
//! a return             ?page={id} behind our own address
//! ```

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use kessai::ledger::StoredAttempt;
use kessai::sign::{Mac, SigningKeys};
use kessai::transport::{BoxFuture, Call, Client, Repeat, RetryAdvice, RetryPolicy, Transport};
use kessai::{
    Abilities, Ack, Addresses, AllowedOrigins, ApiKey, AttemptPlan, Callback, Checkout, CheckoutRequest, Currency,
    Environment, Error, ErrorKind, EventId, ExpectedPayment, Gateway, GatewayId, GatewayReference, GatewayWord,
    MerchantAccount, Money, Notification, Outcome, Params, PaymentEvent, PaymentSnapshot, PaymentStatus, Received,
    Redirect, RedirectUrl, ReferenceFormat, RequestError, ReturnHint, SelfCheckError, Subject, Verified, VerifyError,
    path_segment,
};
use serde::{Deserialize, Serialize};

type Failure = Box<dyn std::error::Error>;

const API: &str = "https://api.hako.example";
const TOLERANCE: Duration = Duration::from_secs(300);
const PAGE: Duration = Duration::from_secs(30 * 60);

/// One shop at Hako. Prints no secret: each of them is of a type that does not.
#[derive(Debug)]
pub(crate) struct Hako {
    account: MerchantAccount,
    api_key: ApiKey,
    authorization: HeaderValue,
    keys: SigningKeys,
    addresses: Addresses,
    pages: AllowedOrigins,
    client: Client,
}

impl Hako {
    /// A shop of the sandbox.
    pub(crate) fn new(
        shop: &str,
        api_key: ApiKey,
        keys: SigningKeys,
        addresses: Addresses,
        over: Arc<dyn Transport>,
    ) -> Result<Self, Failure> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", api_key.expose_secret()))?;
        authorization.set_sensitive(true);
        let client = Client::new(over, RetryPolicy::default()).withholding(&api_key, Some(&keys));
        Ok(Self {
            account: MerchantAccount::new(shop)?,
            api_key,
            authorization,
            keys,
            addresses,
            pages: AllowedOrigins::new(["https://pay.hako.example"])?,
            client,
        })
    }

    /// Checks a message, at once and without any network: the signature over the very bytes first, everything else after.
    fn verify(&self, callback: &Callback) -> Result<Verified<Notification>, VerifyError> {
        let at = callback.received_at();
        let body = signed_body(callback, &self.keys)?;
        body.try_map(|body| {
            let message: Message =
                serde_json::from_slice(body).map_err(|_| VerifyError::Payload("it is no message"))?;
            let event = self.event(&message.event, &message.shop, &message.page, at);
            let event = event.ok_or(VerifyError::Payload("a name in it is no name"))?;
            Ok(Notification::new(GatewayWord::new(&message.page.status), vec![event]))
        })
    }

    /// What a page says, from a message or an answer. Nothing that is missing is made up.
    fn event(&self, id: &str, shop: &str, page: &Page, at: SystemTime) -> Option<PaymentEvent> {
        let environment = match page.mode.as_deref() {
            Some("test") => Environment::Sandbox,
            _ => Environment::Live,
        };
        let status = match page.status.as_str() {
            "open" => PaymentStatus::Created,
            "waiting" => PaymentStatus::Pending,
            "paid" => PaymentStatus::Captured,
            "returned" => PaymentStatus::Refunded,
            "declined" => PaymentStatus::Failed,
            "over" => PaymentStatus::Expired,
            _ => PaymentStatus::Unknown,
        };
        let subject = Subject::new()
            .with_order(page.order.as_deref().and_then(|text| text.parse().ok()))
            .with_attempt(page.attempt.as_deref().and_then(|text| text.parse().ok()))
            .with_checkout(Some(page.id.parse().ok()?));
        let snapshot = PaymentSnapshot::new(status, GatewayWord::new(&page.status), at).with_amount(page.money());
        let origin = (self.id(), MerchantAccount::new(shop).ok()?, environment);
        Some(PaymentEvent::new(EventId::new(id).ok()?, origin, subject, snapshot))
    }
}

/// The signature over time and body, then the age: "too old" is only ever said of a genuine message.
fn signed_body<'c>(callback: &'c Callback, keys: &SigningKeys) -> Result<Verified<&'c [u8]>, VerifyError> {
    if callback.method() != Method::POST {
        return Err(VerifyError::Malformed("a message comes by POST"));
    }
    let (time, hex) = (
        callback.header_once("hako-time")?,
        callback.header_once("hako-signature")?,
    );
    let mut tag = [0_u8; 32];
    if hex.len() != 64 || base16ct::lower::decode(hex, &mut tag).is_err() {
        return Err(VerifyError::Malformed("the signature is not 64 lower-case hex digits"));
    }
    let (prefix, at) = ([time, b"."].concat(), callback.received_at());
    let body = keys.verify(Mac::HmacSha256, &prefix, callback.body(), &[tag], at)?;
    let seconds = std::str::from_utf8(time).ok().and_then(|time| time.parse().ok());
    let sent = seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let sent = sent.ok_or(VerifyError::Malformed("the time is no number"))?;
    let age = at.duration_since(sent).or_else(|_| sent.duration_since(at));
    if age.is_ok_and(|age| age <= TOLERANCE) {
        Ok(body)
    } else {
        Err(VerifyError::Stale)
    }
}

/// The two headers of a message, for the bench: what Hako's server does.
pub(crate) fn signature(keys: &SigningKeys, at: SystemTime, body: &[u8]) -> (String, String) {
    let seconds = at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        .to_string();
    let tag = keys.sign(Mac::HmacSha256, &[seconds.as_bytes(), b".", body]);
    (seconds, base16ct::lower::encode_string(&tag))
}

// ----- the wire -----

#[derive(Deserialize)]
struct Message {
    event: String,
    shop: String,
    page: Page,
}

#[derive(Deserialize)]
struct Page {
    id: String,
    attempt: Option<String>,
    order: Option<String>,
    status: String,
    amount: Option<u64>,
    currency: Option<String>,
    mode: Option<String>,
    url: Option<String>,
}

impl Page {
    fn money(&self) -> Option<Money> {
        let currency: Currency = self.currency.as_deref()?.parse().ok()?;
        Some(Money::new(self.amount?, currency))
    }
}

#[derive(Serialize)]
struct NewPage<'a> {
    attempt: &'a str,
    order: &'a str,
    amount: u64,
    currency: &'a str,
    back: String,
    give_up: String,
}

/// Reads a page, or says what came instead. A refusal counts only in Hako's own words.
fn page(response: &Response<Bytes>) -> Result<Page, Error> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let refusal: Option<Refusal> = serde_json::from_slice(response.body()).ok();
    match (response.status(), refusal) {
        (StatusCode::OK, _) => {
            serde_json::from_slice(response.body()).map_err(|_| Error::protocol("the answer is not a page"))
        }
        (status, Some(refusal)) if status.is_client_error() => {
            let refused = Error::new(ErrorKind::Request, Outcome::Refused, "Hako refused the request");
            Err(refused.with_code(Some(&refusal.error)))
        }
        (status, _) if status.is_server_error() => {
            Err(Error::new(ErrorKind::Unavailable, Outcome::Unknown, "Hako has trouble"))
        }
        _ => Err(Error::protocol("the answer is not one of Hako's")),
    }
}

fn advice(response: &Response<Bytes>) -> RetryAdvice {
    if response.status().is_server_error() {
        RetryAdvice::Again
    } else {
        RetryAdvice::Stop
    }
}

fn formed(request: http::request::Builder, body: impl Into<Bytes>) -> Result<http::Request<Bytes>, Error> {
    let request = request.body(body.into());
    request.map_err(|error| Error::config("the request cannot be formed").with_source(error))
}

struct OpenPage<'a>(&'a Hako, &'a ExpectedPayment);

impl Call for OpenPage<'_> {
    type Reply = Checkout;
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let Self(hako, expected) = self;
        let body = serde_json::to_vec(&NewPage {
            attempt: expected.attempt.as_str(),
            order: expected.order.as_str(),
            amount: expected.amount.minor_units(),
            currency: expected.amount.currency().code(),
            back: hako.addresses.return_url(expected),
            give_up: hako.addresses.cancel_url(expected),
        });
        let body = body.map_err(|error| Error::request("the request cannot be written").with_source(error))?;
        let request = http::Request::post(format!("{API}/v1/pages"))
            .header("Authorization", &hako.authorization)
            .header("Idempotency-Key", expected.idempotency_key.as_str());
        formed(request, body)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    /// The answer is held against the question before anybody is sent on.
    fn reply(&self, response: Response<Bytes>) -> Result<Checkout, Error> {
        let (Self(hako, expected), page) = (self, page(&response)?);
        if page.attempt.as_deref() != Some(expected.attempt.as_str()) || page.money() != Some(expected.amount) {
            return Err(Error::protocol("the page is not the one that was asked for"));
        }
        let id = page
            .id
            .parse()
            .map_err(|_| Error::protocol("the page has no usable id"))?;
        let url = RedirectUrl::new(page.url.unwrap_or_default(), &hako.pages)
            .map_err(|error| Error::protocol("the page is at an address that is not allowed").with_source(error))?;
        Ok(Checkout::new(Redirect::Get(url)).with_reference(id))
    }
}

struct AskPage<'a>(&'a Hako, &'a StoredAttempt, SystemTime);

impl Call for AskPage<'_> {
    type Reply = PaymentEvent;
    const REPEAT: Repeat = Repeat::Safe;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let Self(hako, attempt, _) = self;
        let id = attempt
            .checkout
            .as_ref()
            .ok_or_else(|| Error::request("this attempt was never confirmed"))?;
        let request = http::Request::get(format!("{API}/v1/pages/{}", path_segment(id.as_str())))
            .header("Authorization", &hako.authorization);
        formed(request, Bytes::new())
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<PaymentEvent, Error> {
        let (Self(hako, attempt, at), page) = (self, page(&response)?);
        let asked = attempt.checkout.as_ref().map(GatewayReference::as_str);
        if asked != Some(page.id.as_str()) || page.attempt.as_deref() != Some(attempt.reference().as_str()) {
            return Err(Error::protocol("the answer is about another page"));
        }
        // The same fact has the same id however often it is asked for.
        let id = format!("ask:{}/{}", page.id, GatewayWord::new(&page.status).as_str());
        let event = hako.event(&id, hako.account.as_str(), &page, *at);
        event.ok_or_else(|| Error::protocol("the answer cannot be read as a status"))
    }
}

// ----- the trait -----

impl Gateway for Hako {
    fn id(&self) -> GatewayId {
        GatewayId::from_static("hako")
    }

    fn account(&self) -> &MerchantAccount {
        &self.account
    }

    fn environment(&self) -> Environment {
        Environment::Sandbox
    }

    fn pages(&self) -> &AllowedOrigins {
        &self.pages
    }

    fn plan(&self, request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
        if request.total().currency() != Currency::JPY {
            return Err(RequestError::Unsupported("another currency than yen"));
        }
        if request.valid_for().is_some_and(|valid_for| valid_for != PAGE) {
            return Err(RequestError::Unsupported("another validity than half an hour"));
        }
        Ok(AttemptPlan {
            format: ReferenceFormat::RANDOM_128,
            valid_for: PAGE,
        })
    }

    fn checkout<'a>(
        &'a self,
        expected: &'a ExpectedPayment,
        request: &'a CheckoutRequest,
    ) -> BoxFuture<'a, Result<Checkout, Error>> {
        Box::pin(async move {
            expected.check_request(request)?;
            self.client.call(&OpenPage(self, expected)).await
        })
    }

    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        Box::pin(std::future::ready(self.verify(callback).map(Received::Proven)))
    }

    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        let params = Params::parse(callback.query().unwrap_or_default().as_bytes())
            .map_err(|_| VerifyError::Malformed("the return's query is not a form"))?;
        let mut hint = ReturnHint::default();
        hint.cancelled = callback.target().split('?').next() == Some(self.addresses.cancel_path().as_str());
        hint.subject = Subject::new().with_checkout(params.value("page").and_then(|id| id.parse().ok()));
        Ok(hint)
    }

    fn acknowledge(&self, _about: Result<&Received, &VerifyError>, ack: Ack) -> Response<Bytes> {
        let (status, body) = match ack {
            Ack::Done => (StatusCode::OK, "taken"),
            Ack::Retry => (StatusCode::SERVICE_UNAVAILABLE, "again"),
            Ack::Refused => (StatusCode::FORBIDDEN, "refused"),
        };
        let mut reply = Response::new(Bytes::from_static(body.as_bytes()));
        *reply.status_mut() = status;
        reply
    }

    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        Box::pin(async move { self.client.ask(&AskPage(self, attempt, at), &self.api_key, at).await })
    }

    /// The worked example of Hako's documents, the same with one byte changed, and one of our own.
    fn self_check(&self, at: SystemTime) -> Result<(), SelfCheckError> {
        let known =
            SigningKeys::from_texts(["hako-signing-key-of-the-self-check"]).map_err(|_| SelfCheckError::Known)?;
        let then = UNIX_EPOCH + Duration::from_secs(1_795_400_000);
        let tag = "05b8142638e95669f7aec64e3aa8416bc0642ee56c9202ad8f5bda848c2fb461";
        let taken = |keys: &SigningKeys, (time, tag): (&str, &str), body: &'static str, at: SystemTime| {
            let request = http::Request::post("/")
                .header("Hako-Time", time)
                .header("Hako-Signature", tag);
            let request = request.body(Bytes::from_static(body.as_bytes())).ok();
            let callback = request.and_then(|request| Callback::new(request, at).ok());
            callback.is_some_and(|callback| signed_body(&callback, keys).is_ok())
        };
        let (time, own) = signature(&self.keys, at, b"{}");
        SelfCheckError::judge(
            taken(&known, ("1795400000", tag), r#"{"id":"evt-known","kind":"ping"}"#, then),
            taken(&known, ("1795400000", tag), r#"{"id":"evt-known","kind":"pinh"}"#, then),
            taken(&self.keys, (&time, &own), "{}", at),
        )
    }

    fn clock_ahead(&self) -> Option<i64> {
        self.client.clock_ahead()
    }

    fn abilities(&self) -> Abilities<'_> {
        Abilities::none()
    }
}
