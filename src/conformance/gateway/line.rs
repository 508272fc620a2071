//! The wire to the gateway, played: a transport that answers from a script and counts what was sent.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::transport::{BoxFuture, CallLimits, Transport, TransportError, TransportErrorKind};

/// What comes back for one request.
#[derive(Clone, Debug)]
pub struct Answer(Result<Response<Bytes>, TransportErrorKind>);

impl Answer {
    /// An answer of this status.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        let mut response = Response::new(body.into());
        // An impossible status is no answer at all.
        match http::StatusCode::from_u16(status) {
            Ok(status) => *response.status_mut() = status,
            Err(_) => return Self::lost(TransportErrorKind::Broken),
        }
        Self(Ok(response))
    }

    /// A success.
    #[must_use]
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Self::new(200, body)
    }

    /// No answer.
    #[must_use]
    pub fn lost(why: TransportErrorKind) -> Self {
        Self(Err(why))
    }

    /// With the time of the clock it was given by.
    pub(super) fn dated(mut self, date: &'static str) -> Self {
        if let Ok(response) = &mut self.0 {
            let date = http::HeaderValue::from_static(date);
            response.headers_mut().insert(http::header::DATE, date);
        }
        self
    }

    /// The body, if there is an answer.
    pub(super) fn body(&self) -> Option<&Bytes> {
        self.0.as_ref().ok().map(Response::body)
    }
}

/// The transport. Answers come in the order of the script, and the last one again and again; without a script nothing is
/// sent on, but it is counted.
#[derive(Clone, Default)]
pub(super) struct Line(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    script: VecDeque<Answer>,
    sent: Vec<Request<Bytes>>,
}

impl Line {
    pub(super) fn script(&self, answers: &[Answer]) {
        let mut state = self.state();
        state.script = answers.iter().cloned().collect();
        state.sent.clear();
    }

    /// What was sent since the script began.
    pub(super) fn sent(&self) -> Vec<Request<Bytes>> {
        self.state().sent.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Line {
    fn send(
        &self,
        request: Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let mut state = self.state();
        state.sent.push(request);
        let answer = match state.script.len() {
            0 => Err(TransportErrorKind::Refused),
            1 => state
                .script
                .front()
                .cloned()
                .map_or(Err(TransportErrorKind::Refused), |last| last.0),
            _ => state
                .script
                .pop_front()
                .map_or(Err(TransportErrorKind::Refused), |next| next.0),
        };
        let within = |response: &Response<Bytes>| response.body().len() <= limits.reply;
        let answer = match answer {
            Ok(response) if !within(&response) => Err(TransportErrorKind::Reply),
            other => other,
        };
        Box::pin(std::future::ready(answer.map_err(TransportError::new)))
    }

    /// No time passes.
    fn pause(&self, _wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Prints nothing of what was sent.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Line(..)")
    }
}
