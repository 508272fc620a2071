//! Faults on demand: what breaks, where, how often.

use std::sync::Arc;
use std::time::Duration;

use super::world::Shared;
use crate::mock::armed::{Armed, Rule};

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

/// A fault being aimed; nothing happens until [`arm`](Self::arm).
///
/// Without further words it hits the next request of any kind, once.
#[must_use = "a fault does nothing until it is armed"]
pub struct FaultPlan {
    pub(super) shared: Arc<Shared>,
    pub(super) fault: Fault,
    pub(super) operation: Option<Operation>,
    pub(super) rule: Rule,
}

impl FaultPlan {
    /// Only requests of this kind. Without it, every request to the API (and not the hosted page).
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// How many requests are hit; 1 without it.
    pub fn times(mut self, times: u32) -> Self {
        self.rule.left = times;
        self
    }

    /// Lets this many matching requests pass first.
    pub fn after(mut self, passing: u32) -> Self {
        self.rule.skip = passing;
        self
    }

    /// Makes it happen from now on.
    #[expect(
        clippy::must_use_candidate,
        reason = "arming is the point; what it returns is for those who count"
    )]
    pub fn arm(self) -> Armed {
        let armed = self.rule.armed.clone();
        self.shared.lock().faults.push(ArmedFault {
            fault: self.fault,
            operation: self.operation,
            rule: self.rule,
        });
        armed
    }
}

impl std::fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultPlan")
            .field("fault", &self.fault)
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// A delivery fault being aimed; nothing happens until [`arm`](Self::arm).
///
/// Without further words it hits the next event for any endpoint, once.
#[must_use = "a fault does nothing until it is armed"]
pub struct DeliveryFaultPlan {
    pub(super) shared: Arc<Shared>,
    pub(super) fault: DeliveryFault,
    pub(super) event_type: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) rule: Rule,
}

impl DeliveryFaultPlan {
    /// Only events of this type, such as `payment.captured`.
    pub fn on(mut self, event_type: &str) -> Self {
        self.event_type = Some(event_type.to_owned());
        self
    }

    /// Only deliveries to this endpoint, by the address it was added with.
    pub fn to(mut self, endpoint: &str) -> Self {
        self.endpoint = Some(endpoint.to_owned());
        self
    }

    /// How many events are hit; 1 without it.
    pub fn times(mut self, times: u32) -> Self {
        self.rule.left = times;
        self
    }

    /// Lets this many matching events pass first.
    pub fn after(mut self, passing: u32) -> Self {
        self.rule.skip = passing;
        self
    }

    /// Makes it happen from now on.
    #[expect(
        clippy::must_use_candidate,
        reason = "arming is the point; what it returns is for those who count"
    )]
    pub fn arm(self) -> Armed {
        let armed = self.rule.armed.clone();
        self.shared.lock().delivery_faults.push(ArmedDeliveryFault {
            fault: self.fault,
            event_type: self.event_type,
            endpoint: self.endpoint,
            rule: self.rule,
        });
        armed
    }
}

impl std::fmt::Debug for DeliveryFaultPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryFaultPlan")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

pub(super) struct ArmedFault {
    fault: Fault,
    operation: Option<Operation>,
    rule: Rule,
}

pub(super) struct ArmedDeliveryFault {
    fault: DeliveryFault,
    event_type: Option<String>,
    endpoint: Option<String>,
    rule: Rule,
}

/// The fault that hits this request, if any.
pub(super) fn strike(faults: &mut Vec<ArmedFault>, operation: Operation) -> Option<Fault> {
    faults.retain(|armed| armed.rule.left > 0);
    let aimed = |armed: &&mut ArmedFault| match armed.operation {
        Some(wanted) => wanted == operation,
        None => operation != Operation::HostedPage,
    };
    faults
        .iter_mut()
        .filter(aimed)
        .find_map(|armed| armed.rule.strike().then(|| armed.fault.clone()))
}

/// The fault that hits this delivery, if any.
pub(super) fn strike_delivery(
    faults: &mut Vec<ArmedDeliveryFault>,
    event_type: &str,
    endpoint: &str,
) -> Option<DeliveryFault> {
    faults.retain(|armed| armed.rule.left > 0);
    let aimed = |armed: &&mut ArmedDeliveryFault| {
        armed.event_type.as_deref().is_none_or(|wanted| wanted == event_type)
            && armed.endpoint.as_deref().is_none_or(|wanted| wanted == endpoint)
    };
    faults
        .iter_mut()
        .filter(aimed)
        .find_map(|armed| armed.rule.strike().then_some(armed.fault))
}
