//! Sends calls: tries again only what may be repeated, within a budget of time and tries.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use bytes::Bytes;

use super::retry::{Effort, RetryPolicy};
use super::retry_after::{asked_wait, clock_ahead};
use super::{Call, Repeat, RetryAdvice, Transport, TransportError, TransportErrorKind};
use crate::error::{Error, ErrorKind, Outcome};
use crate::secret::{ApiKey, OwnSecrets};
use crate::sign::{SigningKeys, evidence_of_answer};
use crate::trace::notice;
use crate::verified::{Proof, Trust, Verified};

/// Sends calls through one transport.
///
/// What is tried again:
///
/// | the try ended with | [`Repeat::Never`] | [`Repeat::WithKey`], [`Repeat::Safe`] |
/// | --- | --- | --- |
/// | a request that is not allowed or cannot be formed | no | no |
/// | no connection | yes: nothing was sent | yes |
/// | no answer in time, a broken connection | no | yes, the same bytes with the same key |
/// | an answer that cannot be read (too large, compressed) | no | no |
/// | a success | no | no |
/// | any other answer | no | if [`Call::advice`] says so |
///
/// Between two tries it waits 0.5 s, doubling to 5 s, with jitter, and at least as long as `Retry-After` asks. When that,
/// and a try after it, does not fit into [`RetryPolicy::total`], the error is returned at once, with
/// [`Error::retry_after`].
///
/// The error that is returned is that of the last try, with the worst [`Outcome`] of all of them: once the gateway may
/// have acted, a later refusal does not take that back. It may be about the repetition only (a limit on requests, a key
/// revoked in between), while the first request still runs. Only a success settles it: a gateway that honours the
/// idempotency key tells with it what became of the call, whichever try it was that arrived. [`Repeat::Safe`] calls change
/// nothing, so the last try's outcome stands.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    policy: RetryPolicy,
    /// Seconds that the gateway's clock was ahead when it answered last; `i64::MIN` while that is not known.
    ahead: Arc<AtomicI64>,
    /// What no answer may repeat.
    secrets: Arc<OwnSecrets>,
}

impl Client {
    /// A client over the given transport.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, policy: RetryPolicy) -> Self {
        Self {
            transport,
            policy,
            ahead: Arc::new(AtomicI64::new(i64::MIN)),
            secrets: Arc::default(),
        }
    }

    /// Withholds the words of an answer that repeats a secret of the gateway's set-up, in whatever form: a refusal keeps its meaning
    /// and loses its words, and a success is an error (PAY-52). Give it what the gateway sends and what it checks messages with.
    #[must_use]
    pub fn withholding(mut self, api_key: &ApiKey, signing_keys: Option<&SigningKeys>) -> Self {
        self.secrets = Arc::new(OwnSecrets::of(api_key, signing_keys));
        self
    }

    /// How far the clock of whoever answers was ahead of this machine's at the last answer that had a date, in seconds.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|seconds| *seconds != i64::MIN)
    }

    /// Sends a call and reads its answer.
    pub async fn call<C: Call>(&self, call: &C) -> Result<C::Reply, Error> {
        Ok(self.exchange(call).await?.0)
    }

    /// Asks a question under our credentials. The answer is proven: it came over the transport's validated connection from
    /// the configured address, to a request this method sent. One of the two makers of [`Verified`].
    pub async fn ask<C: Call>(
        &self,
        call: &C,
        credential: &ApiKey,
        at: SystemTime,
    ) -> Result<Verified<C::Reply>, Error> {
        let (reply, body) = self.exchange(call).await?;
        let proof = Proof {
            trust: Trust::StatusQuery,
            key: None,
            evidence: evidence_of_answer(credential, &body),
            at,
        };
        Ok(Verified::after_check(reply, proof))
    }

    /// The answer, read, and the bytes it was read from.
    async fn exchange<C: Call>(&self, call: &C) -> Result<(C::Reply, Bytes), Error> {
        // Formed once: every try sends the same bytes, and with them the same key.
        let request = call.request()?;
        let mut effort = Effort::new(self.policy);
        let mut past = Past::new();
        loop {
            let limits = effort.start();
            let started = Instant::now();
            let sent = self.transport.send(request.clone(), limits).await;
            effort.spend(started.elapsed());

            let (again, asked, result) = match sent {
                Ok(response) => {
                    let body = response.body().clone();
                    let now = SystemTime::now();
                    if let Some(ahead) = clock_ahead(response.headers(), now) {
                        self.ahead.store(ahead, Ordering::Relaxed);
                    }
                    let asked = asked_wait(response.headers(), now);
                    let again = may_repeat(call, &response);
                    let reply = self.secrets.guard(response, |response| call.reply(response));
                    (again, asked, reply.map(|reply| (reply, body)))
                }
                Err(error) => (may_resend(C::REPEAT, error.kind), None, Err(from_transport(error))),
            };
            let wait = if again { effort.next_wait(asked) } else { None };
            let Some(wait) = wait else {
                return result.map_err(|error| {
                    let error = match error.retry_after() {
                        None => error.with_retry_after(asked),
                        Some(_) => error,
                    };
                    past.judge(error.with_tries(effort.tries()), C::REPEAT)
                });
            };
            past.note(result.err().as_ref());

            notice!(tries = %effort.tries(), wait_ms = %wait.as_millis(), "a call to the gateway is tried again");
            let started = Instant::now();
            self.transport.pause(wait).await;
            effort.spend(started.elapsed().max(wait));
        }
    }
}

/// What the tries before the last one left behind.
struct Past {
    worst: Outcome,
    request_id: Option<String>,
}

impl Past {
    fn new() -> Self {
        Self {
            worst: Outcome::NotSent,
            request_id: None,
        }
    }

    /// Remembers a try that is followed by another. An answer that was to be repeated and yet could be read tells nothing
    /// certain.
    fn note(&mut self, error: Option<&Error>) {
        self.worst = worse(self.worst, error.map_or(Outcome::Unknown, Error::outcome));
        if let Some(id) = error.and_then(Error::request_id) {
            self.request_id = Some(id.to_owned());
        }
    }

    /// The last try's error in the light of the earlier ones. Its request id may be an earlier try's: without an answer
    /// there is none, and the gateway's support finds the call by any.
    fn judge(self, error: Error, repeat: Repeat) -> Error {
        let error = match error.request_id() {
            None => error.with_request_id(self.request_id.as_deref()),
            Some(_) => error,
        };
        let outcome = match repeat {
            Repeat::Safe => error.outcome(),
            Repeat::WithKey | Repeat::Never => worse(self.worst, error.outcome()),
        };
        error.with_outcome(outcome)
    }
}

fn worse(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::Unknown, _) | (_, Outcome::Unknown) => Outcome::Unknown,
        (Outcome::Refused, _) | (_, Outcome::Refused) => Outcome::Refused,
        (Outcome::NotSent, Outcome::NotSent) => Outcome::NotSent,
    }
}

fn may_repeat<C: Call>(call: &C, response: &http::Response<Bytes>) -> bool {
    !response.status().is_success()
        && match C::REPEAT {
            Repeat::Never => false,
            Repeat::Safe | Repeat::WithKey => call.advice(response) == RetryAdvice::Again,
        }
}

fn may_resend(repeat: Repeat, kind: TransportErrorKind) -> bool {
    match kind {
        TransportErrorKind::Connect => true,
        TransportErrorKind::Timeout | TransportErrorKind::Broken => match repeat {
            Repeat::Never => false,
            Repeat::Safe | Repeat::WithKey => true,
        },
        // The same request would be refused again, and the same answer would come again.
        TransportErrorKind::Refused | TransportErrorKind::Reply => false,
    }
}

fn from_transport(error: TransportError) -> Error {
    let (kind, outcome) = match error.kind {
        TransportErrorKind::Refused => (ErrorKind::Config, Outcome::NotSent),
        TransportErrorKind::Connect => (ErrorKind::Transport, Outcome::NotSent),
        TransportErrorKind::Timeout => (ErrorKind::Timeout, Outcome::Unknown),
        TransportErrorKind::Broken => (ErrorKind::Transport, Outcome::Unknown),
        TransportErrorKind::Reply => (ErrorKind::Protocol, Outcome::Unknown),
    };
    Error::new(kind, outcome, "the call to the gateway failed").with_source(error)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            transport,
            policy,
            ahead: _,
            secrets: _,
        } = self;
        f.debug_struct("Client")
            .field("transport", transport)
            .field("policy", policy)
            .field("clock_ahead", &self.clock_ahead())
            .finish()
    }
}
