//! What breaks between a client and a gateway, whichever it is.

use std::time::Duration;

use http::{HeaderValue, header};
use url::Url;

use super::front::{Reply, Travel, reply};

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
    /// The gateway's own refusal with this error, written as the gateway's documents have it. Nothing is carried out.
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
    /// The request is carried out; the reply is well-formed and padded to at least this many bytes.
    HugeBody(usize),
    /// The request is carried out; the reply is cut in the middle, with a matching length header.
    Truncated,
    /// The request is carried out; the connection breaks in the middle of the reply.
    BrokenOff,
    /// The request is carried out; the reply is about something else than what was asked.
    Swapped,
    /// 302 to this address. Nothing is carried out.
    Redirect(Url),
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

/// What a fault does to the reply of a request that was carried out. `about` is what a reply says where it says what it is
/// about, and `other` what it says if it is about something else.
pub(super) fn spoil(fault: &Fault, mut good: Reply, (about, other): (&str, &str)) -> Reply {
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
        Fault::Truncated => good.body.truncate(good.body.len() / 2),
        // The head of a reply is shorter than this, so that it breaks inside the body.
        Fault::BrokenOff => good.travel = Travel::CutAfter(200 + good.body.len() / 2),
        Fault::Swapped => {
            good.body = String::from_utf8_lossy(&good.body).replace(about, other).into_bytes();
        }
        _ => {}
    }
    good
}
