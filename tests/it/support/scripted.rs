//! A transport that answers from a script and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use kessai::transport::{BoxFuture, CallLimits, Transport, TransportError, TransportErrorKind};

#[derive(Clone, Default)]
pub struct Scripted(Arc<Mutex<Script>>);

#[derive(Debug, Default)]
struct Script {
    answers: VecDeque<Result<http::Response<Bytes>, TransportErrorKind>>,
    requests: Vec<http::Request<Bytes>>,
    pauses: Vec<Duration>,
}

/// Prints nothing of what was sent, like the transport that ships.
impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted(..)")
    }
}

impl Scripted {
    pub fn new() -> Self {
        Self::default()
    }

    /// The next answer: a status and a body.
    pub fn answer(&self, status: u16, body: impl Into<String>) -> &Self {
        self.answer_with(status, &[], body)
    }

    pub fn answer_with(&self, status: u16, headers: &[(&str, &str)], body: impl Into<String>) -> &Self {
        let mut response = http::Response::builder()
            .status(status)
            .header("request-id", "req_Test1");
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(Bytes::from(body.into())).unwrap();
        self.0.lock().unwrap().answers.push_back(Ok(response));
        self
    }

    /// An answer that need not be text.
    pub fn answer_bytes(&self, status: u16, body: Vec<u8>) -> &Self {
        let response = http::Response::builder()
            .status(status)
            .body(Bytes::from(body))
            .unwrap();
        self.0.lock().unwrap().answers.push_back(Ok(response));
        self
    }

    pub fn fail(&self, kind: TransportErrorKind) -> &Self {
        self.0.lock().unwrap().answers.push_back(Err(kind));
        self
    }

    /// Forgets the answers that were not asked for.
    pub fn clear(&self) {
        self.0.lock().unwrap().answers.clear();
    }

    pub fn requests(&self) -> Vec<http::Request<Bytes>> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }

    pub fn one_request(&self) -> http::Request<Bytes> {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "exactly one request was expected");
        requests.remove(0)
    }
}

impl Transport for Scripted {
    fn send(
        &self,
        request: http::Request<Bytes>,
        _limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let mut script = self.0.lock().unwrap();
        script.requests.push(request);
        let answer = script
            .answers
            .pop_front()
            .expect("a request came that the script has no answer for");
        Box::pin(std::future::ready(answer.map_err(TransportError::new)))
    }

    fn pause(&self, wait: Duration) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().pauses.push(wait);
        Box::pin(std::future::ready(()))
    }
}
