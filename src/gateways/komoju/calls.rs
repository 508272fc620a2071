//! The calls to KOMOJU's API: what is sent, and how the answer is read. Pure, so that each can be tested as text.

use std::time::SystemTime;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};

use super::config::Config;
use super::{map, wire};
use crate::checkout::{Checkout, CheckoutRequest, Email};
use crate::error::{Error, ErrorKind, Outcome};
use crate::event::PaymentEvent;
use crate::form::path_segment;
use crate::gateway::RefundReceipt;
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::payment::{CaptureMode, GatewayWord};
use crate::redirect::{Redirect, RedirectUrl};
use crate::reference::{GatewayReference, IdempotencyKey};
use crate::transport::{Call, Repeat, RetryAdvice};

/// `POST /sessions`.
#[derive(Clone)]
pub(super) struct CreateSession {
    config: Config,
    expected: ExpectedPayment,
    body: String,
}

impl CreateSession {
    pub(super) fn new(config: &Config, expected: &ExpectedPayment, request: &CheckoutRequest) -> Result<Self, Error> {
        let seconds = request.valid_for().map(|valid| valid.as_secs());
        let return_url = config.addresses.return_url(expected);
        let currency = expected.amount.currency();
        let body = wire::CreateSession {
            mode: "payment",
            amount: expected.amount.minor_units(),
            currency: currency.code(),
            return_url: &return_url,
            email: request.email().map(Email::as_str),
            default_locale: request.locale().and_then(map::language),
            expires_in_seconds: seconds,
            payment_types: &config.methods,
            payment_data: wire::PaymentData {
                external_order_num: expected.attempt.as_str(),
                capture: match expected.capture {
                    CaptureMode::Automatic => "auto",
                    CaptureMode::Manual => "manual",
                },
            },
            metadata: wire::Metadata {
                order: expected.order.as_str(),
            },
        };
        Ok(Self {
            config: config.clone(),
            expected: expected.clone(),
            body: json(&body)?,
        })
    }
}

impl Call for CreateSession {
    type Reply = Checkout;
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        post(
            &self.config,
            "/sessions",
            &self.body,
            self.expected.idempotency_key.as_str(),
        )
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<Checkout, Error> {
        let session: wire::Session<'_> = success(&response)?;
        // The page would ask the shopper for something else than what was written down.
        if map::money(session.amount, None, session.currency.as_deref()) != Some(self.expected.amount) {
            return Err(Error::protocol("the session's amount is not the expected one"));
        }
        // The answer repeats what was sent (sheet, the example of "Create hosted payment"); the return address is this
        // attempt's alone (PAY-42).
        let return_url = self.config.addresses.return_url(&self.expected);
        let order = session.metadata.as_ref().and_then(|echo| echo.order.as_deref());
        let other = |echo: Option<&str>, ours: &str| echo.is_some_and(|echo| echo != ours);
        if other(session.return_url.as_deref(), &return_url) || other(order, self.expected.order.as_str()) {
            return Err(Error::protocol("the session is about another attempt"));
        }
        let reference =
            GatewayReference::new(session.id.as_ref()).map_err(|_| Error::protocol("the session has no usable id"))?;
        let url = session
            .session_url
            .as_deref()
            .ok_or_else(|| Error::protocol("the session has no page"))?;
        let url = RedirectUrl::new(url, &self.config.pages).map_err(|error| {
            Error::protocol("the hosted payment page is at an address that is not allowed").with_source(error)
        })?;
        Ok(Checkout::new(Redirect::Get(url)).with_reference(reference))
    }
}

impl std::fmt::Debug for CreateSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateSession")
            .field("attempt", &self.expected.attempt)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// `GET /sessions/{id}`, and `POST /sessions/{id}/cancel`, which is taken to answer with the session as well.
#[derive(Clone, Debug)]
pub(super) struct SessionCall<const CANCEL: bool> {
    config: Config,
    session: GatewayReference,
    attempt: StoredAttempt,
    /// One for each call and its repeats: what was answered under a key may come again for a day, whatever has become of the
    /// session since. Cancelling twice cancels once.
    key: IdempotencyKey,
    at: SystemTime,
}

impl<const CANCEL: bool> SessionCall<CANCEL> {
    pub(super) fn new(config: &Config, attempt: &StoredAttempt, at: SystemTime) -> Result<Self, Error> {
        let missing = || Error::request("this attempt was never confirmed, so it has no session");
        Ok(Self {
            config: config.clone(),
            session: attempt.checkout.clone().ok_or_else(missing)?,
            attempt: attempt.clone(),
            key: IdempotencyKey::random()
                .map_err(|error| Error::config("no random key can be made").with_source(error))?,
            at,
        })
    }
}

impl<const CANCEL: bool> Call for SessionCall<CANCEL> {
    type Reply = PaymentEvent;
    const REPEAT: Repeat = if CANCEL { Repeat::WithKey } else { Repeat::Safe };

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let path = format!("/sessions/{}", path_segment(self.session.as_str()));
        if CANCEL {
            return post(&self.config, &format!("{path}/cancel"), "{}", self.key.as_str());
        }
        finish(request(&self.config, Method::GET, &path)?, Bytes::new())
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<PaymentEvent, Error> {
        let session: wire::Session<'_> = success(&response)?;
        if session.id != self.session.as_str() {
            return Err(Error::protocol("the answer is about another session"));
        }
        map::status_event(&session, &self.attempt, &self.config, self.at)
            .ok_or_else(|| Error::protocol("the answer cannot be read as a status of this attempt"))
    }
}

/// `GET /payments/{id}`.
#[derive(Clone, Debug)]
pub(super) struct PaymentCall {
    config: Config,
    payment: GatewayReference,
    attempt: StoredAttempt,
    at: SystemTime,
}

impl PaymentCall {
    pub(super) fn new(config: &Config, attempt: &StoredAttempt, at: SystemTime) -> Result<Self, Error> {
        let missing = || Error::request("this attempt was never confirmed, so it has no session and no payment");
        Ok(Self {
            config: config.clone(),
            payment: attempt.payment.clone().ok_or_else(missing)?,
            attempt: attempt.clone(),
            at,
        })
    }
}

impl Call for PaymentCall {
    type Reply = PaymentEvent;
    const REPEAT: Repeat = Repeat::Safe;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let path = format!("/payments/{}", path_segment(self.payment.as_str()));
        finish(request(&self.config, Method::GET, &path)?, Bytes::new())
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<PaymentEvent, Error> {
        let payment: wire::Payment<'_> = success(&response)?;
        if payment.id != self.payment.as_str() {
            return Err(Error::protocol("the answer is about another payment"));
        }
        map::payment_event(&payment, &self.attempt, &self.config, self.at)
            .ok_or_else(|| Error::protocol("the answer cannot be read as a status of this attempt"))
    }
}

/// What is to become of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Capture,
    Cancel,
    /// In the smallest unit; nothing means the rest.
    Refund(Option<u64>),
}

/// `POST /payments/{id}/capture`, `/cancel` and `/refund`.
#[derive(Clone, Debug)]
pub(super) struct ChangePayment {
    config: Config,
    payment: GatewayReference,
    change: Change,
    key: IdempotencyKey,
}

impl ChangePayment {
    pub(super) fn new(
        config: &Config,
        attempt: &StoredAttempt,
        change: Change,
        key: &IdempotencyKey,
    ) -> Result<Self, Error> {
        let missing = || Error::request("no payment is known for this attempt yet");
        Ok(Self {
            config: config.clone(),
            payment: attempt.payment.clone().ok_or_else(missing)?,
            change,
            key: key.clone(),
        })
    }
}

impl Call for ChangePayment {
    type Reply = RefundReceipt;
    const REPEAT: Repeat = Repeat::WithKey;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let (action, body) = match self.change {
            Change::Capture => ("capture", "{}".to_owned()),
            Change::Cancel => ("cancel", "{}".to_owned()),
            Change::Refund(amount) => ("refund", json(&wire::CreateRefund { amount })?),
        };
        let path = format!("/payments/{}/{action}", path_segment(self.payment.as_str()));
        post(&self.config, &path, &body, self.key.as_str())
    }

    fn advice(&self, response: &Response<Bytes>) -> RetryAdvice {
        advice(response)
    }

    fn reply(&self, response: Response<Bytes>) -> Result<RefundReceipt, Error> {
        let payment: wire::Payment<'_> = success(&response)?;
        if payment.id != self.payment.as_str() {
            return Err(Error::protocol("the answer is about another payment"));
        }
        let refund = payment.refunds().last().and_then(|refund| refund.id.as_deref());
        let reference = GatewayReference::new(refund.unwrap_or(&payment.id))
            .map_err(|_| Error::protocol("the answer has no usable id"))?;
        let word = GatewayWord::new(payment.status.as_deref().unwrap_or_default());
        Ok(RefundReceipt::new(reference, word))
    }
}

fn json(body: &impl serde::Serialize) -> Result<String, Error> {
    serde_json::to_string(body).map_err(|error| Error::request("the request cannot be written").with_source(error))
}

/// Basic, the secret key as user and no password (sheet section "Auth").
fn request(config: &Config, method: Method, path: &str) -> Result<http::request::Builder, Error> {
    let basic = Base64::encode_string(format!("{}:", config.api_key.expose()).as_bytes());
    let mut authorization = HeaderValue::try_from(format!("Basic {basic}"))
        .map_err(|_| Error::config("the API key holds characters that no header can carry"))?;
    authorization.set_sensitive(true);
    let mut builder = http::Request::builder()
        .method(method)
        .uri(format!("{}/api/v1{path}", config.endpoint))
        .header("Accept", "application/json")
        .header("Authorization", authorization);
    if let Some(version) = &config.version {
        builder = builder.header("X-KOMOJU-API-VERSION", version);
    }
    Ok(builder)
}

fn post(config: &Config, path: &str, body: &str, key: &str) -> Result<http::Request<Bytes>, Error> {
    let builder = request(config, Method::POST, path)?
        .header("Content-Type", "application/json")
        .header("X-KOMOJU-IDEMPOTENCY", key);
    finish(builder, Bytes::from(body.to_owned()))
}

fn finish(builder: http::request::Builder, body: Bytes) -> Result<http::Request<Bytes>, Error> {
    builder
        .body(body)
        .map_err(|error| Error::config("the request cannot be formed").with_source(error))
}

fn success<'a, T: serde::Deserialize<'a>>(response: &'a Response<Bytes>) -> Result<T, Error> {
    if response.status() != StatusCode::OK {
        return Err(failure(response));
    }
    wire::object(response.body()).ok_or_else(|| Error::protocol("the answer is not of the documented form"))
}

/// The table of sheet section "Errors".
fn failure(response: &Response<Bytes>) -> Error {
    let body: Option<wire::ErrorBody<'_>> = wire::object(response.body());
    let detail = body.as_ref().map(|body| &body.error);
    let code = detail.and_then(|detail| detail.code.as_deref());
    let (kind, outcome, message) = match (response.status().as_u16(), detail) {
        // Without KOMOJU's own envelope it was not KOMOJU who answered, so nothing is known of what it did.
        (400..=499, None) => (
            ErrorKind::Protocol,
            Outcome::Unknown,
            "a refusal came that is not in the gateway's words",
        ),
        (400 | 422, _) => (ErrorKind::Request, Outcome::Refused, "the gateway refused the request"),
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
        (404, _) => (
            ErrorKind::NotFound,
            Outcome::Refused,
            "the gateway does not know what was asked about",
        ),
        // The first request with this key is still running.
        (409, _) => (
            ErrorKind::Conflict,
            Outcome::Unknown,
            "another request with the same key is running",
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
}

/// Every POST carries a key, so what may have failed in between may be sent again.
fn advice(response: &Response<Bytes>) -> RetryAdvice {
    match response.status().as_u16() {
        409 | 500..=599 => RetryAdvice::Again,
        _ => RetryAdvice::Stop,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_over_in_a_moment_is_sent_again() {
        for (status, again) in [
            (200, RetryAdvice::Stop),
            (400, RetryAdvice::Stop),
            (401, RetryAdvice::Stop),
            (404, RetryAdvice::Stop),
            (408, RetryAdvice::Stop),
            (409, RetryAdvice::Again),
            (410, RetryAdvice::Stop),
            (422, RetryAdvice::Stop),
            (499, RetryAdvice::Stop),
            (500, RetryAdvice::Again),
            (503, RetryAdvice::Again),
            (599, RetryAdvice::Again),
        ] {
            let answer = Response::builder().status(status).body(Bytes::new()).unwrap();
            assert_eq!(advice(&answer), again, "{status}");
        }
    }
}
