//! The calls to Stripe's API: what is sent, and how the answer is read. Pure, so that each can be tested as text.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::config::Config;
use super::{map, wire};
use crate::checkout::{Checkout, CheckoutRequest, Email};
use crate::error::{Error, ErrorKind, Outcome};
use crate::event::PaymentEvent;
use crate::form::{FormBody, path_segment};
use crate::gateway::RefundReceipt;
use crate::ledger::ExpectedPayment;
use crate::money::{Money, MoneyError};
use crate::payment::GatewayWord;
use crate::redirect::{Redirect, RedirectUrl};
use crate::reference::{Environment, GatewayReference, IdempotencyKey, RandomError};
use crate::transport::{Call, Repeat, RetryAdvice};

/// `POST /v1/checkout/sessions` (sheet section 4).
#[derive(Clone)]
pub struct CreateSession {
    config: Config,
    body: Result<String, MoneyError>,
    key: IdempotencyKey,
    expected: ExpectedPayment,
}

impl CreateSession {
    pub(super) fn new(config: &Config, expected: &ExpectedPayment, request: &CheckoutRequest) -> Self {
        Self {
            config: config.clone(),
            body: create_body(config, expected, request),
            key: expected.idempotency_key.clone(),
            expected: expected.clone(),
        }
    }

    /// The form that is sent.
    pub fn body(&self) -> Result<&str, Error> {
        self.body.as_deref().map_err(|error| Error::from(*error))
    }
}

fn create_body(config: &Config, expected: &ExpectedPayment, request: &CheckoutRequest) -> Result<String, MoneyError> {
    let (order, attempt) = (expected.order.as_str(), expected.attempt.as_str());
    // Raw text, so that only the form encoder escapes the braces: a URL builder would turn them into something that is
    // not substituted (sheet trap 2).
    let success_url = format!(
        "{}&session_id={{CHECKOUT_SESSION_ID}}",
        config.addresses.return_url(expected)
    );
    let seconds = expected
        .expires_at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        .to_string();
    let mut form = FormBody::new()
        .pair("mode", "payment")
        .pair("client_reference_id", order)
        .pair("success_url", &success_url)
        .pair("cancel_url", &config.addresses.cancel_url(expected))
        .pair_if("customer_email", request.email().map(Email::as_str))
        .pair_if("locale", request.locale().and_then(map::locale))
        // Only if the store asked for a time: the default of a day, sent from a clock that is ahead, would be refused.
        .pair_if("expires_at", expected.expiry_asked.then_some(seconds.as_str()));
    for (index, method) in config.methods.iter().enumerate() {
        form = form.pair(&format!("{}[{index}]", config.methods_field()), method);
    }
    for (index, item) in request.items().iter().enumerate() {
        let field = |name: &str| format!("line_items[{index}]{name}");
        let currency = item.unit_price().currency().code().to_ascii_lowercase();
        form = form
            .pair(&field("[quantity]"), &item.quantity().to_string())
            .pair(&field("[price_data][currency]"), &currency)
            .pair(
                &field("[price_data][unit_amount]"),
                &map::to_wire(item.unit_price())?.to_string(),
            )
            .pair(&field("[price_data][product_data][name]"), item.name());
    }
    if request.capture() == crate::payment::CaptureMode::Manual {
        form = form.pair("payment_intent_data[capture_method]", "manual");
    }
    // Both, because the session's entries are not on the PaymentIntent that later events carry (sheet trap 5).
    for place in ["metadata", "payment_intent_data[metadata]"] {
        form = form
            .pair(&format!("{place}[{}]", map::ORDER_ENTRY), order)
            .pair(&format!("{place}[{}]", map::ATTEMPT_ENTRY), attempt);
    }
    Ok(form.into_string())
}

impl Call for CreateSession {
    type Reply = Checkout;
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        post(
            &self.config,
            "/v1/checkout/sessions",
            self.body()?.to_owned(),
            &self.key,
        )
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<Checkout, Error> {
        self.config.secrets.guard(response, |response| self.read(&response))
    }
}

impl CreateSession {
    fn read(&self, response: &Response<Bytes>) -> Result<Checkout, Error> {
        let id = request_id(response);
        let session: wire::Session<'_> = success(response)?;
        let wrong = |message: &'static str| Error::protocol(message).with_request_id(id.as_deref());
        if session.livemode != Some(self.config.environment == Environment::Live) {
            return Err(wrong("the session is not of the configured mode"));
        }
        // The page would ask the shopper for something else than what was written down.
        if map::from_wire(session.amount_total, session.currency.as_deref()) != Some(self.expected.amount) {
            return Err(wrong("the session's amount is not the expected one"));
        }
        if session.client_reference_id.as_deref() != Some(self.expected.order.as_str()) {
            return Err(wrong("the session is about another order"));
        }
        let reference =
            GatewayReference::new(session.id.as_ref()).map_err(|_| wrong("the session has no usable id"))?;
        let url = session
            .url
            .as_deref()
            .ok_or_else(|| wrong("the session has no page any more"))?;
        let url = RedirectUrl::new(url, &self.config.pages).map_err(|error| {
            wrong("the hosted payment page is at an address that is not allowed").with_source(error)
        })?;
        let payment = session
            .payment_intent
            .as_ref()
            .and_then(|intent| GatewayReference::new(intent.id()).ok());
        Ok(Checkout::new(Redirect::Get(url))
            .with_reference(reference)
            .with_payment(payment)
            .with_expiry(session.expires_at.and_then(map::time)))
    }
}

impl std::fmt::Debug for CreateSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            config,
            body,
            key: _,
            expected,
        } = self;
        f.debug_struct("CreateSession")
            .field("config", config)
            .field("body_bytes", &body.as_ref().map_or(0, String::len))
            .field("attempt", &expected.attempt)
            .finish_non_exhaustive()
    }
}

/// `GET /v1/checkout/sessions/{id}`, with the payment and its charge inside (sheet section 8).
#[derive(Clone, Debug)]
pub struct RetrieveSession {
    config: Config,
    session: GatewayReference,
    at: SystemTime,
}

impl RetrieveSession {
    pub(super) fn new(config: &Config, session: &GatewayReference, at: SystemTime) -> Self {
        Self {
            config: config.clone(),
            session: session.clone(),
            at,
        }
    }
}

impl Call for RetrieveSession {
    type Reply = PaymentEvent;
    const REPEAT: Repeat = Repeat::Safe;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let path = format!(
            "/v1/checkout/sessions/{}?{}",
            path_segment(self.session.as_str()),
            FormBody::new()
                .pair("expand[0]", "payment_intent.latest_charge")
                .into_string()
        );
        finish(request(&self.config, Method::GET, &path), Bytes::new())
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<PaymentEvent, Error> {
        let read = |response| session_event(&self.config, &self.session, self.at, &response);
        self.config.secrets.guard(response, read)
    }
}

/// `POST /v1/checkout/sessions/{id}/expire`: only while it is open (sheet section 9).
#[derive(Clone, Debug)]
pub struct ExpireSession {
    config: Config,
    session: GatewayReference,
    key: Result<IdempotencyKey, RandomError>,
    at: SystemTime,
}

impl ExpireSession {
    pub(super) fn new(config: &Config, session: &GatewayReference, at: SystemTime) -> Self {
        // One for each call and its repeats. What was answered under a key is answered again for a day, a failure of theirs
        // as well (sheet section 3), and with one key for all of them the page could not be closed until then.
        let key = IdempotencyKey::random();
        Self {
            config: config.clone(),
            session: session.clone(),
            key,
            at,
        }
    }
}

impl Call for ExpireSession {
    type Reply = PaymentEvent;
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let path = format!("/v1/checkout/sessions/{}/expire", path_segment(self.session.as_str()));
        let key = self.key.as_ref();
        let key = key.map_err(|_| Error::config("no random key can be made"))?;
        post(&self.config, &path, String::new(), key)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<PaymentEvent, Error> {
        let read = |response| session_event(&self.config, &self.session, self.at, &response);
        self.config.secrets.guard(response, read)
    }
}

/// `POST /v1/payment_intents/{id}/capture`.
#[derive(Clone, Debug)]
pub(super) struct CapturePayment {
    config: Config,
    payment: GatewayReference,
    amount: Option<u64>,
    key: IdempotencyKey,
}

impl CapturePayment {
    pub(super) fn new(
        config: &Config,
        payment: &GatewayReference,
        amount: Option<Money>,
        key: &IdempotencyKey,
    ) -> Result<Self, Error> {
        let amount = amount.map(map::to_wire).transpose()?;
        Ok(Self {
            config: config.clone(),
            payment: payment.clone(),
            amount,
            key: key.clone(),
        })
    }
}

impl Call for CapturePayment {
    type Reply = ();
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let path = format!("/v1/payment_intents/{}/capture", path_segment(self.payment.as_str()));
        let amount = self.amount.map(|amount| amount.to_string());
        let body = FormBody::new()
            .pair_if("amount_to_capture", amount.as_deref())
            .into_string();
        post(&self.config, &path, body, &self.key)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<(), Error> {
        let read = |response| about(&self.payment, &response);
        self.config.secrets.guard(response, read)
    }
}

/// `POST /v1/payment_intents/{id}/cancel`: lets an authorization go.
#[derive(Clone, Debug)]
pub(super) struct CancelPayment {
    config: Config,
    payment: GatewayReference,
    key: IdempotencyKey,
}

impl CancelPayment {
    pub(super) fn new(config: &Config, payment: &GatewayReference, key: &IdempotencyKey) -> Self {
        Self {
            config: config.clone(),
            payment: payment.clone(),
            key: key.clone(),
        }
    }
}

impl Call for CancelPayment {
    type Reply = ();
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let path = format!("/v1/payment_intents/{}/cancel", path_segment(self.payment.as_str()));
        let body = FormBody::new()
            .pair("cancellation_reason", "requested_by_customer")
            .into_string();
        post(&self.config, &path, body, &self.key)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<(), Error> {
        let read = |response| about(&self.payment, &response);
        self.config.secrets.guard(response, read)
    }
}

/// `POST /v1/refunds`.
#[derive(Clone, Debug)]
pub(super) struct CreateRefund {
    config: Config,
    payment: GatewayReference,
    amount: Option<u64>,
    key: IdempotencyKey,
}

impl CreateRefund {
    pub(super) fn new(
        config: &Config,
        payment: &GatewayReference,
        amount: Option<Money>,
        key: &IdempotencyKey,
    ) -> Result<Self, Error> {
        let amount = amount.map(map::to_wire).transpose()?;
        Ok(Self {
            config: config.clone(),
            payment: payment.clone(),
            amount,
            key: key.clone(),
        })
    }
}

impl Call for CreateRefund {
    type Reply = RefundReceipt;
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let amount = self.amount.map(|amount| amount.to_string());
        let body = FormBody::new()
            .pair("payment_intent", self.payment.as_str())
            .pair_if("amount", amount.as_deref())
            .into_string();
        post(&self.config, "/v1/refunds", body, &self.key)
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<RefundReceipt, Error> {
        self.config.secrets.guard(response, |response| self.read(&response))
    }
}

impl CreateRefund {
    fn read(&self, response: &Response<Bytes>) -> Result<RefundReceipt, Error> {
        let refund: wire::Refund<'_> = success(response)?;
        let wrong = |message: &'static str| Error::protocol(message).with_request_id(request_id(response).as_deref());
        let other = |named: &wire::IdOr<'_, wire::Id<'_>>| named.id() != self.payment.as_str();
        if refund.payment_intent.as_ref().is_some_and(other) {
            return Err(wrong("the refund is about another payment"));
        }
        let reference = GatewayReference::new(refund.id.as_ref()).map_err(|_| wrong("the refund has no usable id"))?;
        Ok(RefundReceipt::new(
            reference,
            GatewayWord::new(refund.status.as_deref().unwrap_or_default()),
        ))
    }
}

/// Headers of every call (sheet section 3).
fn request(config: &Config, method: Method, path_and_query: &str) -> http::request::Builder {
    let mut authorization = http::HeaderValue::try_from(format!("Bearer {}", config.api_key.expose()));
    if let Ok(value) = &mut authorization {
        value.set_sensitive(true);
    }
    let mut builder = http::Request::builder()
        .method(method)
        .uri(format!("{}{path_and_query}", config.endpoint))
        .header("Accept", "application/json")
        .header("Stripe-Version", &config.version);
    if let Ok(value) = authorization {
        builder = builder.header("Authorization", value);
    }
    builder
}

fn post(config: &Config, path: &str, body: String, key: &IdempotencyKey) -> Result<http::Request<Bytes>, Error> {
    let builder = request(config, Method::POST, path)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Idempotency-Key", key.as_str());
    finish(builder, Bytes::from(body))
}

fn finish(builder: http::request::Builder, body: Bytes) -> Result<http::Request<Bytes>, Error> {
    let request = builder
        .body(body)
        .map_err(|error| Error::config("the request cannot be formed").with_source(error))?;
    if !request.headers().contains_key("Authorization") {
        return Err(Error::config("the API key holds characters that no header can carry"));
    }
    Ok(request)
}

/// The answer as a session, which has to be the one that was asked about (PAY-42).
fn session_event(
    config: &Config,
    asked: &GatewayReference,
    at: SystemTime,
    response: &Response<Bytes>,
) -> Result<PaymentEvent, Error> {
    let id = request_id(response);
    let session: wire::Session<'_> = success(response)?;
    let wrong = |message: &'static str| Error::protocol(message).with_request_id(id.as_deref());
    if *session.id != *asked.as_str() {
        return Err(wrong("the answer is about another session"));
    }
    map::status_event(&session, config, at).ok_or_else(|| wrong("the answer cannot be read as a status"))
}

/// The answer as an object of the right id; what became of it is asked for, not taken from here.
fn about(payment: &GatewayReference, response: &Response<Bytes>) -> Result<(), Error> {
    let answer: wire::Id<'_> = success(response)?;
    if *answer.id == *payment.as_str() {
        Ok(())
    } else {
        Err(Error::protocol("the answer is about another payment").with_request_id(request_id(response).as_deref()))
    }
}

/// Reads the body of a 200, or turns anything else into an error.
fn success<'a, T: serde::Deserialize<'a>>(response: &'a Response<Bytes>) -> Result<T, Error> {
    if response.status() != StatusCode::OK {
        return Err(failure(response));
    }
    std::str::from_utf8(response.body())
        .ok()
        .and_then(wire::object)
        .ok_or_else(|| {
            Error::protocol("the answer is not of the documented form").with_request_id(request_id(response).as_deref())
        })
}

/// The table of sheet section 12.
fn failure(response: &Response<Bytes>) -> Error {
    let body: Option<wire::ErrorBody<'_>> = serde_json::from_slice(response.body()).ok();
    let detail = body.as_ref().map(|body| &body.error);
    let code = detail.and_then(|detail| detail.code.as_deref().or(detail.kind.as_deref()));
    let (kind, outcome, message) = match (response.status().as_u16(), code) {
        // Without Stripe's own envelope it was not Stripe who answered, so nothing is known of what it did.
        (400..=499, None) => (
            ErrorKind::Protocol,
            Outcome::Unknown,
            "a refusal came that is not in the gateway's words",
        ),
        (_, Some("resource_missing")) | (404, _) => (
            ErrorKind::NotFound,
            Outcome::Refused,
            "the gateway does not know what was asked about",
        ),
        (400, Some("payment_intent_unexpected_state" | "charge_already_refunded")) => (
            ErrorKind::Conflict,
            Outcome::Refused,
            "the payment is in a state that does not allow this",
        ),
        (400, Some("idempotency_error")) => (
            ErrorKind::Conflict,
            Outcome::Refused,
            "the idempotency key was used with other parameters",
        ),
        (400, _) => (ErrorKind::Request, Outcome::Refused, "the gateway refused the request"),
        (401, _) => (
            ErrorKind::Authentication,
            Outcome::Refused,
            "the gateway refused the API key",
        ),
        (402, _) => (ErrorKind::Declined, Outcome::Refused, "the payment was declined"),
        (403, _) => (
            ErrorKind::Authentication,
            Outcome::Refused,
            "the API key lacks the permission",
        ),
        // Somebody else's request with the same key is running: what it does is not known yet.
        (409, _) => (
            ErrorKind::Conflict,
            Outcome::Unknown,
            "another request about the same thing is running",
        ),
        (429, _) => (
            ErrorKind::RateLimited,
            Outcome::Refused,
            "the gateway asks for fewer requests",
        ),
        (500..=599, _) => (ErrorKind::Unavailable, Outcome::Unknown, "the gateway has trouble"),
        _ => (
            ErrorKind::Protocol,
            Outcome::Unknown,
            "the gateway answered with an unexpected status",
        ),
    };
    Error::new(kind, outcome, message)
        .with_field(detail.and_then(|detail| detail.param.as_deref()))
        .with_code(code)
        .with_request_id(request_id(response).as_deref())
}

/// `Stripe-Should-Retry` first, then the table of sheet section 12.
fn advice(response: &Response<Bytes>) -> RetryAdvice {
    let asked = response
        .headers()
        .get("stripe-should-retry")
        .map(http::HeaderValue::as_bytes);
    let again = match asked {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => matches!(response.status().as_u16(), 409 | 429 | 500..=599),
    };
    if again { RetryAdvice::Again } else { RetryAdvice::Stop }
}

fn request_id(response: &Response<Bytes>) -> Option<String> {
    response
        .headers()
        .get("request-id")
        .and_then(|id| id.to_str().ok())
        .map(str::to_owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_the_gateway_counts_before_the_status() {
        for (status, word, again) in [
            (200, None, RetryAdvice::Stop),
            (400, None, RetryAdvice::Stop),
            (408, None, RetryAdvice::Stop),
            (409, None, RetryAdvice::Again),
            (410, None, RetryAdvice::Stop),
            (429, None, RetryAdvice::Again),
            (500, None, RetryAdvice::Again),
            (599, None, RetryAdvice::Again),
            (400, Some("true"), RetryAdvice::Again),
            (500, Some("false"), RetryAdvice::Stop),
            (429, Some("false"), RetryAdvice::Stop),
            (400, Some("TRUE"), RetryAdvice::Stop),
            (500, Some(""), RetryAdvice::Again),
        ] {
            let mut answer = Response::builder().status(status);
            if let Some(word) = word {
                answer = answer.header("Stripe-Should-Retry", word);
            }
            assert_eq!(advice(&answer.body(Bytes::new()).unwrap()), again, "{status} {word:?}");
        }
    }
}
