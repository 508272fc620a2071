//! A transport without a network: it answers what the test says, and remembers what it was asked.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

use kessai::transport::{BoxFuture, CallLimits, Transport, TransportError, TransportErrorKind};

/// One answer of a gateway's API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The content type.
    pub mime: &'static str,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with status 200.
    #[must_use]
    pub fn ok(mime: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            mime,
            body: body.into(),
        }
    }
}

/// The gateway's API as the test plays it. Clones are the same. Hand a clone to the gateway as its transport.
#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Inside>>);

#[derive(Default)]
struct Inside {
    answers: VecDeque<Result<Answer, TransportErrorKind>>,
    asked: Vec<http::Request<Bytes>>,
}

impl Script {
    /// The next answers.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.lock().answers.extend(answers.into_iter().map(Ok));
    }

    /// The next calls fail like this.
    pub fn fail(&self, kind: TransportErrorKind, times: usize) {
        self.lock().answers.extend(std::iter::repeat_n(Err(kind), times));
    }

    /// What was asked since the last time, and forgets it, together with answers that nobody fetched.
    #[must_use]
    pub fn take_asked(&self) -> Vec<http::Request<Bytes>> {
        let mut inside = self.lock();
        inside.answers.clear();
        std::mem::take(&mut inside.asked)
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints nothing of what was sent.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script(..)")
    }
}

impl Transport for Script {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let next = {
            let mut inside = self.lock();
            inside.asked.push(request);
            inside.answers.pop_front()
        };
        Box::pin(async move {
            // Nobody is there when nothing was said.
            let answer = next
                .unwrap_or(Err(TransportErrorKind::Connect))
                .map_err(TransportError::new)?;
            if answer.body.len() > limits.reply {
                return Err(TransportError::new(TransportErrorKind::Reply));
            }
            http::Response::builder()
                .status(answer.status)
                .header("content-type", answer.mime)
                .body(Bytes::from(answer.body))
                .map_err(|_| TransportError::new(TransportErrorKind::Broken))
        })
    }

    fn pause(&self, _wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
