//! Faults on demand: what breaks, where, how often.

use std::time::Duration;

use url::Url;

use crate::mock::armed::{Aim, Plan};
use crate::mock::outbox::Mishap;

/// A [`Fault`] being aimed: without further words at the next request of any kind.
pub type FaultPlan = Plan<Fault, Operation>;

/// A [`DeliveryFault`] being aimed, at all events or at those of one type, such as `checkout.session.completed`.
pub type DeliveryFaultPlan = Plan<DeliveryFault, String>;

/// Something that goes wrong between a client and the API (or the hosted page).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out, then the connection breaks before the first byte of the reply.
    LostReply,
    /// The connection breaks before the request is carried out.
    LostRequest,
    /// 429 with `Stripe-Rate-Limited-Reason`. Nothing is carried out.
    RateLimited(RateLimit),
    /// 429 with code `lock_timeout` and without that header. Nothing is carried out.
    LockTimeout,
    /// 409 with code `idempotency_key_in_use`. Nothing is carried out.
    KeyInUse,
    /// 500 before anything is carried out. Kept under the idempotency key and replayed, as Stripe does.
    ServerError,
    /// 500 although the request was carried out. Kept under the idempotency key and replayed.
    ServerErrorAfterWork,
    /// 503 with an HTML page, as a load balancer sends it. Nothing is carried out.
    Unavailable,
    /// 200 with an HTML page, as a captive portal sends it. Nothing is carried out.
    HtmlPage,
    /// The request is carried out and its reply arrives late. Until then its idempotency key is in use.
    Delay(Duration),
    /// The request is carried out and its reply arrives a few bytes at a time.
    Drip {
        /// Bytes per step.
        bytes: usize,
        /// Time between two steps.
        pause: Duration,
    },
    /// The request is carried out; the reply is valid JSON padded to at least this many bytes.
    HugeBody(usize),
    /// The request is carried out; the reply is cut in the middle of its JSON, with a matching length header.
    TruncatedJson,
    /// The request is carried out; the connection breaks in the middle of the reply.
    BrokenOff,
    /// The request is carried out; the reply is about another session.
    Swapped,
    /// 302 to this address. Nothing is carried out.
    Redirect(Url),
}

/// The values of `Stripe-Rate-Limited-Reason` (Stripe sheet §12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the wire values")]
pub enum RateLimit {
    GlobalRate,
    EndpointRate,
    GlobalConcurrency,
    EndpointConcurrency,
    ResourceSpecific,
}

impl RateLimit {
    pub(super) fn wire(self) -> &'static str {
        match self {
            Self::GlobalRate => "global-rate",
            Self::EndpointRate => "endpoint-rate",
            Self::GlobalConcurrency => "global-concurrency",
            Self::EndpointConcurrency => "endpoint-concurrency",
            Self::ResourceSpecific => "resource-specific",
        }
    }
}

/// What a request asks for; where a [`Fault`] can be aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each name is its endpoint")]
pub enum Operation {
    CreateSession,
    RetrieveSession,
    ListSessions,
    ExpireSession,
    RetrieveIntent,
    CaptureIntent,
    CancelIntent,
    CreateRefund,
    RetrieveRefund,
    ListRefunds,
    RetrieveEvent,
    /// Every page a shopper sees.
    HostedPage,
}

impl Aim for Operation {
    fn is_hit_without_aim(&self) -> bool {
        *self != Self::HostedPage
    }
}

/// Something that goes wrong with the delivery of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFault {
    /// Delivered once more after it was delivered.
    Duplicate,
    /// Delivered twice at the same moment, over two connections.
    TwiceAtOnce,
    /// Held back until the next event for the same endpoint was delivered.
    Reordered,
    /// Delivered this much later, by the simulator's clock.
    Late(Duration),
    /// Never delivered, nor retried.
    Dropped,
    /// Genuinely signed, with a timestamp this long ago. Retries are fresh.
    OldTimestamp(Duration),
    /// Signed with a secret that no endpoint has. Retries are genuine.
    WrongSecret,
    /// One digit of the body is changed after signing. Retries are genuine.
    Tampered,
}

impl From<DeliveryFault> for Mishap {
    fn from(fault: DeliveryFault) -> Self {
        match fault {
            DeliveryFault::Duplicate => Self::Duplicate,
            DeliveryFault::TwiceAtOnce => Self::TwiceAtOnce,
            DeliveryFault::Reordered => Self::Reordered,
            DeliveryFault::Late(by) => Self::Late(by),
            DeliveryFault::Dropped => Self::Dropped,
            DeliveryFault::OldTimestamp(_) | DeliveryFault::WrongSecret | DeliveryFault::Tampered => Self::Inside,
        }
    }
}
