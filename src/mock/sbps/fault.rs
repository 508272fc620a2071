//! Faults on demand: what breaks, where, how often.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use url::Url;

use super::world::Shared;
use crate::mock::armed::{Armed, Rule};
use crate::mock::front::{Reply, Travel};

/// Something that goes wrong between a client and the API (or a browser and the hosted page).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The request is carried out, then the connection breaks before the first byte of the reply.
    LostReply,
    /// The connection breaks before the request is carried out.
    LostRequest,
    /// 500 before anything is carried out.
    ServerError,
    /// 500 although the request was carried out.
    ServerErrorAfterWork,
    /// 503 with an HTML page, as a load balancer sends it. Nothing is carried out.
    Unavailable,
    /// 200 with an HTML page, as a captive portal sends it. Nothing is carried out.
    HtmlPage,
    /// 200 with `NG` and an error of this type, such as `80` for system trouble or `96` for a double request (sheet,
    /// "Errors"). Nothing is carried out.
    Refused(&'static str),
    /// As [`Refused`](Self::Refused), although the request was carried out.
    RefusedAfterWork(&'static str),
    /// The request is carried out and its reply arrives late.
    Delay(Duration),
    /// The request is carried out and its reply arrives a few bytes at a time.
    Drip {
        /// Bytes per step.
        bytes: usize,
        /// Time between two steps.
        pause: Duration,
    },
    /// The request is carried out; the reply is well-formed XML padded to at least this many bytes.
    HugeBody(usize),
    /// The request is carried out; the reply is cut in the middle of its XML, with a matching length header.
    TruncatedXml,
    /// The request is carried out; the connection breaks in the middle of the reply.
    BrokenOff,
    /// The request is carried out; the reply names another kind of request than the one that was asked.
    Swapped,
    /// 302 to this address. Nothing is carried out.
    Redirect(Url),
}

/// What a request asks for; where a [`Fault`] can be aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `MG01-00101-...`.
    Status,
    /// `ST02-00201-101`.
    Capture,
    /// `ST02-00303-101`.
    Cancel,
    /// `ST02-00307-101`.
    PartialRefund,
    /// The purchase request and every page after it.
    HostedPage,
}

/// Something that goes wrong with the delivery of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFault {
    /// Delivered once more after it was delivered.
    Duplicate,
    /// Delivered twice at the same moment, over two connections.
    TwiceAtOnce,
    /// Held back until the next result of the same shop was delivered.
    Reordered,
    /// Delivered this much later, by the simulator's clock.
    Late(Duration),
    /// Never delivered, nor retried.
    Dropped,
    /// Signed with a key that no shop has.
    WrongKey,
    /// Signed as a return is, over `Shift_JIS`.
    WrongChannel,
    /// One digit of the amount is changed after signing.
    Tampered,
    /// The first digit of the amount becomes the tax: the hash stays right.
    MovedDigit,
}

/// A fault being aimed; nothing happens until [`arm`](Self::arm).
///
/// Without further words it hits the next request to the API, once.
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
/// Without further words it hits the next result, once.
#[must_use = "a fault does nothing until it is armed"]
pub struct DeliveryFaultPlan {
    pub(super) shared: Arc<Shared>,
    pub(super) fault: DeliveryFault,
    pub(super) result: Option<String>,
    pub(super) rule: Rule,
}

impl DeliveryFaultPlan {
    /// Only reports with this `res_result`: `OK`, `NG`, `PY` or `CN`.
    pub fn on(mut self, result: &str) -> Self {
        self.result = Some(result.to_owned());
        self
    }

    /// How many reports are hit; 1 without it.
    pub fn times(mut self, times: u32) -> Self {
        self.rule.left = times;
        self
    }

    /// Lets this many matching reports pass first.
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
            result: self.result,
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
    result: Option<String>,
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
pub(super) fn strike_delivery(faults: &mut Vec<ArmedDeliveryFault>, result: &str) -> Option<DeliveryFault> {
    faults.retain(|armed| armed.rule.left > 0);
    faults
        .iter_mut()
        .filter(|armed| armed.result.as_deref().is_none_or(|wanted| wanted == result))
        .find_map(|armed| armed.rule.strike().then_some(armed.fault))
}

/// The reply of a fault that keeps the request from being carried out.
pub(super) fn instead(fault: &Fault) -> Option<Reply> {
    const PAGE: &str =
        "<!doctype html><html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>\n";
    let html = |status| reply(status, "text/html", PAGE.as_bytes().to_vec());
    Some(match fault {
        Fault::LostRequest => Reply {
            travel: Travel::CutAfter(0),
            ..html(500)
        },
        Fault::ServerError => html(500),
        Fault::Unavailable => html(503),
        Fault::HtmlPage => html(200),
        Fault::Redirect(url) => {
            let mut reply = html(302);
            if let Ok(url) = HeaderValue::try_from(url.as_str()) {
                reply.headers.push((header::LOCATION, url));
            }
            reply
        }
        _ => return None,
    })
}

/// What a fault does to the reply of a request that was carried out.
pub(super) fn spoil(fault: &Fault, mut good: Reply) -> Reply {
    match fault {
        Fault::LostReply => good.travel = Travel::CutAfter(0),
        Fault::ServerErrorAfterWork => return reply(500, "text/html", b"<h1>500</h1>".to_vec()),
        Fault::Delay(delay) => good.delay = Some(*delay),
        Fault::Drip { bytes, pause } => {
            good.travel = Travel::Drip {
                bytes: *bytes,
                pause: *pause,
            };
        }
        Fault::HugeBody(size) => good.body.resize(good.body.len().max(*size), b' '),
        Fault::TruncatedXml => good.body.truncate(good.body.len() / 2),
        // The head of a reply is shorter than this, so that it breaks inside the body.
        Fault::BrokenOff => good.travel = Travel::CutAfter(200 + good.body.len() / 2),
        Fault::Swapped => {
            let text =
                String::from_utf8_lossy(&good.body).replace("sps-api-response id=\"", "sps-api-response id=\"XX");
            good.body = text.into_bytes();
        }
        _ => {}
    }
    good
}

pub(super) fn reply(status: u16, mime: &'static str, body: Vec<u8>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        mime,
        body,
        delay: None,
        travel: Travel::Whole,
    }
}
