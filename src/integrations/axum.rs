//! axum: [`Callback`] as an extractor that keeps the raw body, and our answers as responses.
//!
//! The extractor takes the request as it came, within limits: no middleware that parses, sanitises or inflates bodies may
//! run before it, or the gateway's signature will not fit any more. [`Intake`] changes the limits for a router.
//!
//! ```
//! use axum::{Router, extract::State, response::Response, routing::post};
//! use kessai::integrations::axum::answer;
//! use kessai::{Callback, CallbackError, Cashier, GatewayId};
//!
//! type Taken = Result<Callback, CallbackError>;
//!
//! async fn notification(State(cashier): State<Cashier>, taken: Taken) -> Response {
//!     answer(&cashier, &GatewayId::STRIPE, taken).await
//! }
//!
//! fn routes(cashier: Cashier) -> Router {
//!     Router::new().route("/pay/stripe/notification", post(notification)).with_state(cashier)
//! }
//! # let _ = routes;
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum_core::body::Body;
use axum_core::extract::{FromRequest, Request};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use crate::callback::{Callback, CallbackError, CallbackLimits};
use crate::cashier::Cashier;
use crate::clock::{Clock, SystemClock};
use crate::redirect::{Nonce, Redirect};
use crate::reference::GatewayId;

/// How requests are taken in: limits, deadline and clock. Set it for a router with `axum::Extension`.
///
/// ```
/// use std::time::Duration;
/// use axum::{Extension, Router};
/// use kessai::CallbackLimits;
/// use kessai::integrations::axum::Intake;
///
/// let mut limits = CallbackLimits::default();
/// limits.body = 16 * 1024;
/// let intake = Intake::new().limits(limits).deadline(Duration::from_secs(5));
/// let router: Router = Router::new().layer(Extension(intake));
/// # let _ = router;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Intake {
    limits: CallbackLimits,
    deadline: Duration,
    clock: Arc<dyn Clock>,
}

impl Intake {
    /// The default limits, 10 s for the body to arrive, the machine's clock.
    pub fn new() -> Self {
        Self {
            limits: CallbackLimits::default(),
            deadline: Duration::from_secs(10),
            clock: Arc::new(SystemClock),
        }
    }

    /// Other limits.
    pub fn limits(mut self, limits: CallbackLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How long a body may take to arrive whole (PAY-61: a sender that drips holds no connection for long).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Another clock, for tests that move the time.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Send + Sync> FromRequest<S> for Callback {
    type Rejection = CallbackError;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let intake = parts.extensions.get::<Intake>().cloned().unwrap_or_default();
        Self::check_head(intake.limits, &parts)?;
        // What it says of itself first: then nothing of it has to be waited for.
        if announced(&body) > intake.limits.body as u64 {
            return Err(CallbackError::TooLarge("body"));
        }
        let reading = read(body, intake.limits.body);
        let body = tokio::time::timeout(intake.deadline, reading)
            .await
            .map_err(|_| CallbackError::Incomplete)??;
        Self::within(
            intake.limits,
            http::Request::from_parts(parts, body),
            intake.clock.now(),
        )
    }
}

/// Hands a gateway's message to the cashier, or tells it what was refused before it was one ([`Cashier::refused`]), and gives the
/// answer. A handler that takes a plain [`Callback`] answers what was refused by itself, and nobody hears of it.
pub async fn answer(cashier: &Cashier, gateway: &GatewayId, taken: Result<Callback, CallbackError>) -> Response {
    match taken {
        Ok(callback) => Reply(cashier.callback(gateway, callback).await).into_response(),
        Err(error) => {
            cashier.refused(gateway, &error);
            error.into_response()
        }
    }
}

/// The least number of bytes that will come, as the length before the body has it.
fn announced(body: &impl BodyExt) -> u64 {
    body.size_hint().lower()
}

async fn read(body: Body, limit: usize) -> Result<Bytes, CallbackError> {
    let whole = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            CallbackError::TooLarge("body")
        } else {
            CallbackError::Incomplete
        }
    })?;
    Ok(whole.to_bytes())
}

/// What cannot be taken in is answered with a status and nothing else.
impl IntoResponse for CallbackError {
    fn into_response(self) -> Response {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encoded => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Incomplete => StatusCode::REQUEST_TIMEOUT,
        }
        .into_response()
    }
}

/// An answer of this crate on its way out, byte for byte: an acknowledgement, a redirect, a 303 after a cross-site return.
#[derive(Debug)]
pub struct Reply(pub http::Response<Bytes>);

impl From<http::Response<Bytes>> for Reply {
    fn from(response: http::Response<Bytes>) -> Self {
        Self(response)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        self.0.map(Body::from)
    }
}

/// With a fresh nonce, and a button in English for shoppers without scripts. [`Redirect::into_response`] takes the store's own
/// nonce and its own words.
impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        let Ok(nonce) = Nonce::random() else {
            // Without randomness nothing leaves: a guessable nonce is no nonce.
            return (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
            )
                .into_response();
        };
        Reply(Self::into_response(self, &nonce, "Continue to payment")).into_response()
    }
}
