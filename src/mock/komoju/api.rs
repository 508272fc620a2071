//! `/api/v1`: who asks, what for, and the answer (KOMOJU sheet, "Auth", "Status query" and "Refund / cancel / capture",
//! 2026-11-23).

use std::time::SystemTime;

use base64ct::{Base64, Encoding as _};
use http::{HeaderMap, Method};
use serde_json::{Map, Value};
use wiremock::Request;

use super::ask;
use super::error::ApiError;
use super::fault::{Fault, Operation};
use super::idempotency::Stored;
use super::world::{Shared, World};
use crate::mock::call::RequestView;
use crate::mock::front::{Reply, Travel};

const JSON: &str = "application/json";
const KEY: &str = "x-komoju-idempotency";

/// Answers a request to the API.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.settle_what_is_due(now);
    let account = authenticate(&world, &request.headers);
    let reply = match &account {
        Ok(account) => match Asked::read(account, request) {
            Ok(asked) => asked.run(&mut world, now),
            Err(error) => refusal(&error),
        },
        Err(error) => refusal(error),
    };
    let key = request.headers.get(KEY);
    let seen = RequestView {
        method: request.method.to_string(),
        path: request.url.path().to_owned(),
        idempotency_key: key.map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned()),
        status: reply.status,
    };
    world.requests.push((account.ok(), seen));
    drop(world);
    shared.wake.notify_one();
    reply
}

/// One request, as far as it is understood.
struct Asked<'r> {
    account: &'r str,
    operation: Operation,
    /// The id in the path.
    id: &'r str,
    path: &'r str,
    raw: &'r [u8],
    body: Map<String, Value>,
    key: Option<&'r str>,
}

impl<'r> Asked<'r> {
    /// Everything that can be refused before an endpoint starts: none of it is kept under the idempotency key.
    fn read(account: &'r str, request: &'r Request) -> Result<Self, ApiError> {
        check_version(&request.headers)?;
        let path = request.url.path();
        let (operation, id) = route(&request.method, path).ok_or_else(|| ApiError::not_found("address", path))?;
        let post = request.method == Method::POST;
        Ok(Self {
            account,
            operation,
            id,
            path,
            raw: &request.body,
            body: if post { read_body(request)? } else { Map::new() },
            // On POST only; elsewhere it means nothing.
            key: if post { key(&request.headers)? } else { None },
        })
    }

    /// Faults, idempotency, and the work between them.
    fn run(&self, world: &mut World, now: SystemTime) -> Reply {
        let fault = world.faults.strike(&self.operation);
        if let Some(reply) = fault.as_ref().and_then(before_work) {
            return reply;
        }
        if let Some(key) = self.key {
            match world.keys.look_up(self.account, key, self.path, self.raw) {
                Ok(None) => {}
                Ok(Some(stored)) => {
                    return after_work(world, fault.as_ref(), plain(stored.status, stored.body), now);
                }
                Err(error) => return refusal(&error),
            }
        }
        let (reply, keep) = match self.work(world, now) {
            Ok(body) => (plain(200, text(&body)), true),
            Err(error) => (refusal(&error), error.executed),
        };
        if let (Some(key), true) = (self.key, keep) {
            let stored = Stored {
                status: reply.status,
                body: reply.body.clone(),
            };
            let delay = match fault {
                Some(Fault::Delay(delay)) => Some(delay),
                _ => None,
            };
            world
                .keys
                .keep((self.account, key), (self.path, self.raw), now, stored, delay);
        }
        after_work(world, fault.as_ref(), reply, now)
    }

    /// What the endpoint does.
    fn work(&self, world: &mut World, now: SystemTime) -> Result<Value, ApiError> {
        let mut desk = world.desk(self.account, now).ok_or_else(ApiError::server)?;
        let id = self.id;
        match self.operation {
            Operation::CreateSession => {
                let id = desk.create(ask::read(&self.body)?);
                desk.account.session_json(&id, now)
            }
            Operation::RetrieveSession => desk.account.session_json(id, now),
            Operation::CancelSession => {
                ask::read_nothing(&self.body)?;
                desk.cancel_session(id)?;
                desk.account.session_json(id, now)
            }
            Operation::RetrievePayment => Ok(desk.account.payment(id)?.json()),
            Operation::CapturePayment => {
                ask::read_nothing(&self.body)?;
                desk.capture(id)?;
                Ok(desk.account.payment(id)?.json())
            }
            Operation::CancelPayment => {
                ask::read_nothing(&self.body)?;
                desk.cancel(id)?;
                Ok(desk.account.payment(id)?.json())
            }
            Operation::RefundPayment => {
                let amount = ask::read_refund(&self.body)?;
                if desk.account.payment(id)?.way.is_slip() {
                    // The sheet's own way for konbini and the like: the shopper names a bank account first.
                    return Err(ApiError::state("Ask for a refund request: this was not paid by card."));
                }
                desk.refund(id, amount, false)?;
                Ok(desk.account.payment(id)?.json())
            }
            // Pages are not routed here.
            Operation::HostedPage => Err(ApiError::server()),
        }
    }
}

/// Faults that leave the endpoint untouched.
pub(super) fn before_work(fault: &Fault) -> Option<Reply> {
    let html = |status, title: &str| {
        let body =
            format!("<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        Some(Reply {
            mime: "text/html",
            ..plain(status, body.into_bytes())
        })
    };
    match fault {
        Fault::LostRequest => Some(Reply {
            travel: Travel::CutAfter(0),
            ..plain(500, Vec::new())
        }),
        Fault::KeyInUse => Some(refusal(&ApiError::key_in_use())),
        Fault::ServerError => Some(refusal(&ApiError::server())),
        Fault::Unavailable => html(503, "503 Service Unavailable"),
        Fault::HtmlPage => html(200, "Sign in to this network"),
        _ => None,
    }
}

/// What happens to the answer on its way.
fn after_work(world: &World, fault: Option<&Fault>, mut reply: Reply, now: SystemTime) -> Reply {
    match fault {
        Some(Fault::ServerErrorAfterWork) => return refusal(&ApiError::server()),
        Some(Fault::BadGateway) => return refusal(&ApiError::bad_gateway()),
        Some(Fault::LostReply) => reply.travel = Travel::CutAfter(0),
        // A fair guess at the length of status line and headers; a break-off needs no more.
        Some(Fault::BrokenOff) => reply.travel = Travel::CutAfter(120 + reply.body.len() / 2),
        Some(Fault::Delay(delay)) => reply.delay = Some(*delay),
        Some(Fault::Drip { bytes, pause }) => {
            reply.travel = Travel::Drip {
                bytes: *bytes,
                pause: *pause,
            }
        }
        // White space after a JSON value is still JSON.
        Some(Fault::HugeBody(size)) => reply.body.resize(reply.body.len().max(*size), b' '),
        Some(Fault::TruncatedJson) => reply.body.truncate(reply.body.len() / 2),
        Some(Fault::Swapped) => reply.body = swapped(world, &reply.body, now),
        _ => {}
    }
    reply
}

/// The answer, but about another session; about an invented one if there is no other.
fn swapped(world: &World, body: &[u8], now: SystemTime) -> Vec<u8> {
    let Ok(mut own) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    let id = own.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(other) = world.other_session(&id, now) {
        return text(&other);
    }
    if let Some(fields) = own.as_object_mut() {
        fields.insert("id".into(), "0somebody0elses0session00".into());
    }
    text(&own)
}

/// Basic: the secret key is the user, the password is empty.
fn authenticate(world: &World, headers: &HeaderMap) -> Result<String, ApiError> {
    let given = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let key = match given.and_then(|value| value.split_once(' ')) {
        Some((scheme, coded)) if scheme.eq_ignore_ascii_case("basic") => Base64::decode_vec(coded.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|pair| pair.strip_suffix(':').map(str::to_owned)),
        _ => None,
    };
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(ApiError::unauthorized(
            "Send the secret key as the user of Basic, with no password.",
        ));
    };
    if key.starts_with("sk_live_") || key.starts_with("pk_") {
        return Err(ApiError::unauthorized(
            "This is a simulator and knows secret test keys only.",
        ));
    }
    // Test keys of a simulator on loopback: nothing is learned from how long this takes.
    let owner = world.accounts.iter().find(|account| account.api_key == key);
    owner
        .map(|account| account.id.clone())
        .ok_or_else(|| ApiError::unauthorized("There is no such key."))
}

/// A date such as `2025-01-28`.
fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(version) = headers.get("x-komoju-api-version") else {
        return Ok(());
    };
    let shape = version.as_bytes().iter().map(|byte| match byte {
        b'0'..=b'9' => b'0',
        other => *other,
    });
    if shape.eq(*b"0000-00-00") {
        Ok(())
    } else {
        Err(ApiError::bad_request("The API version is a date."))
    }
}

/// 100 ASCII characters at most.
fn key(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=100).contains(&key.len()));
    key.map(Some)
        .ok_or_else(|| ApiError::bad_request("Idempotency keys have 1 to 100 ASCII characters."))
}

/// An object in JSON; a POST without a body says nothing.
fn read_body(request: &Request) -> Result<Map<String, Value>, ApiError> {
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    let kind = request
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case(JSON)
    {
        return Err(ApiError::bad_request("Send the body as application/json."));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(ApiError::bad_request("The body is not a JSON object.")),
    }
}

fn route<'p>(method: &Method, path: &'p str) -> Option<(Operation, &'p str)> {
    let parts: Vec<&str> = path.strip_prefix("/api/v1/")?.split('/').collect();
    Some(match (method.as_str(), parts.as_slice()) {
        ("POST", ["sessions"]) => (Operation::CreateSession, ""),
        ("GET", ["sessions", id]) => (Operation::RetrieveSession, *id),
        ("POST", ["sessions", id, "cancel"]) => (Operation::CancelSession, *id),
        ("GET", ["payments", id]) => (Operation::RetrievePayment, *id),
        ("POST", ["payments", id, "capture"]) => (Operation::CapturePayment, *id),
        ("POST", ["payments", id, "cancel"]) => (Operation::CancelPayment, *id),
        ("POST", ["payments", id, "refund"]) => (Operation::RefundPayment, *id),
        _ => return None,
    })
}

fn refusal(error: &ApiError) -> Reply {
    plain(error.status, text(&error.body()))
}

fn plain(status: u16, body: Vec<u8>) -> Reply {
    Reply {
        status,
        headers: Vec::new(),
        mime: JSON,
        body,
        delay: None,
        travel: Travel::Whole,
    }
}

fn text(value: &Value) -> Vec<u8> {
    // A JSON value always prints.
    serde_json::to_vec(value).unwrap_or_default()
}
