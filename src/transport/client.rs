//! Sends calls: tries again only what may be repeated, within a budget of time and tries.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Call, CallLimits, Transport, TransportErrorKind};
use crate::error::{Error, ErrorKind, Outcome};
use crate::secret::ApiKey;
use crate::sign::evidence_of_answer;
use crate::verified::{Proof, Trust, Verified};

/// How often and how long to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most tries, the first included. Default 3.
    pub tries: u32,
    /// The longest all tries and waits may take together. Default 30 s.
    pub total: Duration,
    /// The longest one try may take. Default 20 s.
    pub per_try: Duration,
    /// The most bytes of an answer. Default 1 MiB.
    pub reply: usize,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 3,
            total: Duration::from_secs(30),
            per_try: Duration::from_secs(20),
            reply: 1024 * 1024,
        }
    }
}

/// Sends calls through one transport.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    policy: RetryPolicy,
}

impl Client {
    /// A client over the given transport.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, policy: RetryPolicy) -> Self {
        Self { transport, policy }
    }

    /// Sends a call and reads its answer.
    pub async fn call<C: Call>(&self, call: &C) -> Result<C::Reply, Error> {
        call.reply(self.exchange(call).await?)
    }

    /// Asks a question under our credentials. The answer is proven: it came over the transport's validated connection from
    /// the configured address, to a request this method sent. One of the two makers of [`Verified`].
    pub async fn ask<C: Call>(
        &self,
        call: &C,
        credential: &ApiKey,
        at: SystemTime,
    ) -> Result<Verified<C::Reply>, Error> {
        let response = self.exchange(call).await?;
        let evidence = evidence_of_answer(credential, response.body());
        let proof = Proof {
            trust: Trust::StatusQuery,
            key: None,
            evidence,
            at,
        };
        Ok(Verified::after_check(call.reply(response)?, proof))
    }

    async fn exchange<C: Call>(&self, call: &C) -> Result<http::Response<bytes::Bytes>, Error> {
        let limits = CallLimits {
            total: self.policy.per_try,
            reply: self.policy.reply,
        };
        self.transport.send(call.request()?, limits).await.map_err(|error| {
            let (kind, outcome) = match error.kind {
                TransportErrorKind::Refused => (ErrorKind::Config, Outcome::NotSent),
                TransportErrorKind::Connect => (ErrorKind::Transport, Outcome::NotSent),
                TransportErrorKind::Timeout => (ErrorKind::Timeout, Outcome::Unknown),
                TransportErrorKind::Broken => (ErrorKind::Transport, Outcome::Unknown),
                TransportErrorKind::Reply => (ErrorKind::Protocol, Outcome::Unknown),
            };
            Error::new(kind, outcome, "the call to the gateway failed")
                .with_tries(1)
                .with_source(error)
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, policy } = self;
        f.debug_struct("Client")
            .field("transport", transport)
            .field("policy", policy)
            .finish()
    }
}
