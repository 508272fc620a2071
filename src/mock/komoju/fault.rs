//! Faults on demand: what breaks, where, how often.

use std::time::Duration;

use crate::mock::armed::{Aim, Plan};
use crate::mock::outbox::Mishap;

/// A [`Fault`] being aimed: without further words at the next request of any kind.
pub type FaultPlan = Plan<Fault, Operation>;

/// A [`DeliveryFault`] being aimed, at all events or at those of one type, such as `payment.captured`.
pub type DeliveryFaultPlan = Plan<DeliveryFault, String>;

/// Something that goes wrong between a client and the API (or the hosted page).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out, then the connection breaks before the first byte of the reply.
    LostReply,
    /// The connection breaks before the request is carried out.
    LostRequest,
    /// 409: the first request with this key is said to be running. Nothing is carried out.
    KeyInUse,
    /// 500 before anything is carried out. Nothing is kept under the idempotency key.
    ServerError,
    /// 500 although the request was carried out. A repeat with the same key gets the real answer.
    ServerErrorAfterWork,
    /// 502 in the gateway's own envelope, although the request was carried out.
    BadGateway,
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
}

/// What a request asks for; where a [`Fault`] can be aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each name is its endpoint")]
pub enum Operation {
    CreateSession,
    RetrieveSession,
    CancelSession,
    RetrievePayment,
    CapturePayment,
    CancelPayment,
    RefundPayment,
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
            DeliveryFault::WrongSecret | DeliveryFault::Tampered => Self::Inside,
        }
    }
}
