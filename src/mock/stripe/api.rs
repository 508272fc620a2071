//! `/v1`: who asks, what for, and the answer (Stripe sheet §2, §3, §8, §9 and §12, 2026-11-23).

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use wiremock::Request;

use super::desk::By;
use super::error::ApiError;
use super::fault::{Fault, Operation};
use super::idempotency::{self, Stored};
use super::objects::Expand;
use super::params::Params;
use super::validate;
use super::version::Version;
use super::world::{Shared, World};
use crate::mock::call::RequestView;
use crate::mock::clock::unix;
use crate::mock::front::{Reply, Travel};

const JSON: &str = "application/json";

/// How deep `expand` reaches.
const EXPAND_DEPTH: usize = 4;

/// Answers a request to the API.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.settle_what_is_due(now);
    let id = world.ids.make("req_", 14);
    let mut call = Call {
        id,
        now,
        version: Version::newest(),
        key: None,
    };
    let (account, reply) = match call.read(&world, request) {
        Ok(asked) => {
            let reply = call.run(&mut world, &asked);
            (Some(asked.account), reply)
        }
        Err(error) => (account_of(&world, request), Answer::from(error).into()),
    };
    let seen = RequestView {
        method: request.method.to_string(),
        path: request.url.path().to_owned(),
        idempotency_key: call.key_text(),
        status: reply.status,
    };
    world.requests.push((account, seen));
    drop(world);
    shared.wake.notify_one();
    call.dress(reply)
}

/// One request, as far as it is understood.
struct Asked {
    account: String,
    restricted: bool,
    operation: Operation,
    /// The id in the path.
    object: String,
    path: String,
    params: Params,
}

/// What identifies a request in its reply.
struct Call {
    id: String,
    now: std::time::SystemTime,
    version: Version,
    key: Option<HeaderValue>,
}

/// A status and a JSON body.
struct Answer {
    status: u16,
    body: Vec<u8>,
    /// Whether the idempotency key remembers it.
    keep: bool,
}

impl Answer {
    fn ok(body: &Value) -> Self {
        Self {
            status: 200,
            body: pretty(body),
            keep: true,
        }
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            body: pretty(&error.body()),
            keep: error.executed,
        }
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        Self {
            status: answer.status,
            headers: Vec::new(),
            mime: JSON,
            body: answer.body,
            delay: None,
            travel: Travel::Whole,
        }
    }
}

impl Call {
    /// Everything that can be refused before an endpoint starts: none of it is kept under the idempotency key.
    fn read(&mut self, world: &World, request: &Request) -> Result<Asked, ApiError> {
        let (account, restricted) = authenticate(world, &request.headers)?;
        if let Some(version) = request.headers.get("stripe-version") {
            self.version = Version::parse(version.to_str().unwrap_or_default())?;
        }
        let path = request.url.path().to_owned();
        let (operation, object) = route(&request.method, &path).ok_or_else(|| unrecognized(&request.method, &path))?;
        let post = request.method == Method::POST;
        let params = if post {
            self.key = idempotency_key(&request.headers)?;
            check_content_type(&request.headers, &request.body)?;
            Params::decode(&request.body)?
        } else {
            Params::decode(request.url.query().unwrap_or_default().as_bytes())?
        };
        Ok(Asked {
            account,
            restricted,
            operation,
            object,
            path,
            params,
        })
    }

    /// Faults, idempotency, and the work between them.
    fn run(&self, world: &mut World, asked: &Asked) -> Reply {
        let fault = world.faults.strike(&asked.operation);
        if let Some(reply) = fault.as_ref().and_then(before_work) {
            return reply;
        }
        let key = self.key_text();
        let print = idempotency::fingerprint(&asked.path, &asked.params);
        if let Some(key) = &key {
            match world.keys.look_up(&asked.account, key, &print) {
                Ok(None) => {}
                Ok(Some(stored)) => {
                    let answer = Answer {
                        status: stored.status,
                        body: stored.body,
                        keep: false,
                    };
                    return self.after_work(world, fault.as_ref(), answer);
                }
                Err(error) => return Answer::from(error).into(),
            }
        }
        let answer = match fault {
            Some(Fault::ServerError) => Answer::from(ApiError::server()),
            Some(Fault::ServerErrorAfterWork) => match self.work(world, asked) {
                Ok(_) => Answer::from(ApiError::server()),
                Err(error) => Answer::from(error),
            },
            _ => self
                .work(world, asked)
                .map_or_else(Answer::from, |body| Answer::ok(&body)),
        };
        if let (Some(key), true) = (&key, answer.keep) {
            let stored = Stored {
                status: answer.status,
                body: answer.body.clone(),
            };
            let delay = if let Some(Fault::Delay(delay)) = fault {
                Some(delay)
            } else {
                None
            };
            world.keys.keep(&asked.account, key, print, self.now, stored, delay);
        }
        self.after_work(world, fault.as_ref(), answer)
    }

    /// What the endpoint does.
    fn work(&self, world: &mut World, asked: &Asked) -> Result<Value, ApiError> {
        if asked.restricted && needs_full_key(asked.operation) {
            return Err(ApiError::forbidden());
        }
        let by = By::Request {
            id: self.id.clone(),
            key: self.key_text(),
        };
        let version = &self.version;
        let params = &asked.params;
        let id = asked.object.as_str();
        // The account was found a moment ago, under the same lock.
        let Some(mut desk) = world.desk(&asked.account, self.now, by) else {
            return Err(ApiError::server());
        };
        match asked.operation {
            Operation::CreateSession => {
                let new = validate::new_session(params, version, unix(self.now))?;
                let expand = session_expand(params)?;
                let id = desk.create(new);
                session_json(&desk.account.books, &id, &expand, version)
            }
            Operation::RetrieveSession => {
                params.only(&["expand[#]"])?;
                session_json(&desk.account.books, id, &session_expand(params)?, version)
            }
            Operation::ExpireSession => {
                params.only(&["expand[#]"])?;
                let expand = session_expand(params)?;
                desk.expire(id)?;
                session_json(&desk.account.books, id, &expand, version)
            }
            Operation::ListSessions => list_sessions(&desk.account.books, params, version),
            Operation::RetrieveIntent => {
                params.only(&["expand[#]", "client_secret"])?;
                intent_json(&desk.account.books, id, &intent_expand(params)?)
            }
            Operation::CaptureIntent => {
                params.only(&["amount_to_capture", "final_capture", "expand[#]"])?;
                let expand = intent_expand(params)?;
                let amount = params.unsigned("amount_to_capture")?;
                if params.boolean("final_capture")? == Some(false) {
                    let message = "This PaymentIntent does not support multicapture.";
                    return Err(ApiError::invalid(message).at("final_capture"));
                }
                desk.capture(id, amount)?;
                intent_json(&desk.account.books, id, &expand)
            }
            Operation::CancelIntent => {
                params.only(&["cancellation_reason", "expand[#]"])?;
                let expand = intent_expand(params)?;
                let reasons = &["abandoned", "duplicate", "fraudulent", "requested_by_customer"];
                let reason = params.choice("cancellation_reason", reasons)?;
                desk.cancel(id, reason)?;
                intent_json(&desk.account.books, id, &expand)
            }
            Operation::CreateRefund => {
                params.only(&[
                    "payment_intent",
                    "charge",
                    "amount",
                    "reason",
                    "metadata[*]",
                    "expand[#]",
                ])?;
                let expand = refund_expand(params)?;
                let amount = params.unsigned("amount")?;
                let reason = params.choice("reason", &["duplicate", "fraudulent", "requested_by_customer"])?;
                let metadata = params.metadata("metadata")?;
                let charge = charge_to_refund(&desk.account.books, params)?;
                let id = desk.refund(&charge, amount, reason, metadata)?;
                refund_json(&desk.account.books, &id, &expand)
            }
            Operation::RetrieveRefund => {
                params.only(&["expand[#]"])?;
                refund_json(&desk.account.books, id, &refund_expand(params)?)
            }
            Operation::ListRefunds => list_refunds(&desk.account.books, params),
            Operation::RetrieveEvent => {
                params.only(&["expand[#]"])?;
                expand(params, &[])?;
                let event = desk
                    .account
                    .events
                    .find(id)
                    .ok_or_else(|| ApiError::no_such("event", id, "id"))?;
                Ok(event.json())
            }
            // Pages are not routed here.
            Operation::HostedPage => Err(ApiError::server()),
        }
    }

    /// What happens to the answer on its way.
    fn after_work(&self, world: &World, fault: Option<&Fault>, answer: Answer) -> Reply {
        let mut reply = Reply::from(answer);
        match fault {
            Some(Fault::LostReply) => reply.travel = Travel::CutAfter(0),
            Some(Fault::BrokenOff) => reply.travel = Travel::CutAfter(self.head_length() + reply.body.len() / 2),
            Some(Fault::Delay(delay)) => reply.delay = Some(*delay),
            Some(Fault::Drip { bytes, pause }) => {
                reply.travel = Travel::Drip {
                    bytes: *bytes,
                    pause: *pause,
                }
            }
            Some(Fault::HugeBody(size)) => {
                // White space after a JSON value is still JSON.
                reply.body.resize(reply.body.len().max(*size), b' ');
            }
            Some(Fault::TruncatedJson) => reply.body.truncate(reply.body.len() / 2),
            Some(Fault::Swapped) => reply.body = swapped(world, &reply.body),
            _ => {}
        }
        reply
    }

    /// A fair guess at the length of status line and headers; a break-off needs no more.
    fn head_length(&self) -> usize {
        220 + self.key.as_ref().map_or(0, |key| key.len() + 20)
    }

    fn key_text(&self) -> Option<String> {
        self.key
            .as_ref()
            .map(|key| String::from_utf8_lossy(key.as_bytes()).into_owned())
    }

    /// The headers of every reply of the API.
    fn dress(self, mut reply: Reply) -> Reply {
        let mut add = |name: &'static str, value: Option<HeaderValue>| {
            if let Some(value) = value {
                reply.headers.push((HeaderName::from_static(name), value));
            }
        };
        add("request-id", HeaderValue::from_str(&self.id).ok());
        add("stripe-version", HeaderValue::from_str(self.version.name()).ok());
        add("idempotency-key", self.key);
        reply
    }
}

/// Faults that leave the endpoint untouched.
pub(super) fn before_work(fault: &Fault) -> Option<Reply> {
    let plain = |error: ApiError| Some(Reply::from(Answer::from(error)));
    let html = |status, title: &str| {
        let body =
            format!("<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        Some(Reply {
            mime: "text/html",
            ..Reply::from(Answer {
                status,
                body: body.into_bytes(),
                keep: false,
            })
        })
    };
    match fault {
        Fault::LostRequest => {
            let answer = Answer {
                status: 500,
                body: Vec::new(),
                keep: false,
            };
            Some(Reply {
                travel: Travel::CutAfter(0),
                ..Reply::from(answer)
            })
        }
        Fault::RateLimited(reason) => {
            let mut reply = plain(ApiError::too_many("rate_limit", "Too many requests. (simulated)"))?;
            let name = HeaderName::from_static("stripe-rate-limited-reason");
            reply.headers.push((name, HeaderValue::from_static(reason.wire())));
            Some(reply)
        }
        Fault::LockTimeout => plain(ApiError::too_many(
            "lock_timeout",
            "This object is locked by another request.",
        )),
        Fault::KeyInUse => plain(idempotency::in_use()),
        Fault::Unavailable => html(503, "503 Service Unavailable"),
        Fault::HtmlPage => html(200, "Sign in to this network"),
        Fault::Redirect(target) => {
            let answer = Answer {
                status: 302,
                body: Vec::new(),
                keep: false,
            };
            let location = HeaderValue::from_str(target.as_str()).ok()?;
            Some(Reply {
                headers: vec![(http::header::LOCATION, location)],
                ..Reply::from(answer)
            })
        }
        _ => None,
    }
}

/// The answer, but about another session; about an invented one if there is no other.
fn swapped(world: &World, body: &[u8]) -> Vec<u8> {
    let Ok(mut own) = serde_json::from_slice::<Value>(body) else {
        return body.to_vec();
    };
    let id = own.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(other) = world.other_session(&id) {
        return pretty(&other);
    }
    if let Some(fields) = own.as_object_mut() {
        fields.insert("id".into(), "cs_test_a1SomebodyElse".into());
        fields.insert("client_reference_id".into(), "somebody-else".into());
    }
    pretty(&own)
}

fn account_of(world: &World, request: &Request) -> Option<String> {
    authenticate(world, &request.headers).ok().map(|(account, _)| account)
}

fn authenticate(world: &World, headers: &HeaderMap) -> Result<(String, bool), ApiError> {
    let given = headers
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let key = match given.and_then(|value| value.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Some(key.trim().to_owned()),
        // The key is the user name, the password is empty.
        Some((scheme, coded)) if scheme.eq_ignore_ascii_case("basic") => {
            let decoded = base64(coded.trim()).and_then(|bytes| String::from_utf8(bytes).ok());
            decoded.and_then(|pair| pair.strip_suffix(':').map(str::to_owned))
        }
        _ => None,
    };
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(ApiError::unauthorized(
            "You did not provide an API key. Send it as `Authorization: Bearer YOUR_SECRET_KEY`.",
        ));
    };
    if key.starts_with("sk_live_") || key.starts_with("rk_live_") {
        return Err(ApiError::unauthorized(
            "Invalid API Key provided: a live key. This is a simulator and knows test keys only.",
        ));
    }
    for account in &world.accounts {
        // Test keys of a simulator on loopback: nothing is learned from how long this takes.
        if key == account.api_key || key == account.restricted_key {
            return Ok((account.id.clone(), key == account.restricted_key));
        }
    }
    let tail = key
        .char_indices()
        .rev()
        .nth(3)
        .and_then(|(at, _)| key.get(at..))
        .unwrap_or_default();
    Err(ApiError::unauthorized(format!("Invalid API Key provided: ****{tail}")))
}

/// A restricted key here may do everything with sessions, and only read the rest.
fn needs_full_key(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CaptureIntent | Operation::CancelIntent | Operation::CreateRefund
    )
}

fn route(method: &Method, path: &str) -> Option<(Operation, String)> {
    let parts: Vec<&str> = path.strip_prefix("/v1/")?.split('/').collect();
    let (operation, id) = match (method.as_str(), parts.as_slice()) {
        ("POST", ["checkout", "sessions"]) => (Operation::CreateSession, ""),
        ("GET", ["checkout", "sessions"]) => (Operation::ListSessions, ""),
        ("GET", ["checkout", "sessions", id]) => (Operation::RetrieveSession, *id),
        ("POST", ["checkout", "sessions", id, "expire"]) => (Operation::ExpireSession, *id),
        ("GET", ["payment_intents", id]) => (Operation::RetrieveIntent, *id),
        ("POST", ["payment_intents", id, "capture"]) => (Operation::CaptureIntent, *id),
        ("POST", ["payment_intents", id, "cancel"]) => (Operation::CancelIntent, *id),
        ("POST", ["refunds"]) => (Operation::CreateRefund, ""),
        ("GET", ["refunds"]) => (Operation::ListRefunds, ""),
        ("GET", ["refunds", id]) => (Operation::RetrieveRefund, *id),
        ("GET", ["events", id]) => (Operation::RetrieveEvent, *id),
        _ => return None,
    };
    Some((operation, id.to_owned()))
}

fn unrecognized(method: &Method, path: &str) -> ApiError {
    let message = format!("Unrecognized request URL ({method}: {path}).");
    ApiError::not_found(message)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<HeaderValue>, ApiError> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    if key.is_empty() || key.len() > 255 {
        return Err(ApiError::idempotency(
            400,
            None,
            "Idempotency keys have 1 to 255 characters.",
        ));
    }
    Ok(Some(key.clone()))
}

/// Forms only. How Stripe refuses JSON is unconfirmed (Stripe sheet §14, 8); that it does not understand it is not.
fn check_content_type(headers: &HeaderMap, body: &[u8]) -> Result<(), ApiError> {
    let given = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") || (body.is_empty() && kind.is_empty()) {
        return Ok(());
    }
    Err(ApiError::invalid(
        "Send the request body as application/x-www-form-urlencoded.",
    ))
}

fn expand(params: &Params, allowed: &[&str]) -> Result<Expand, ApiError> {
    let wanted = params.list("expand")?;
    for path in &wanted {
        if path.split('.').count() > EXPAND_DEPTH {
            return Err(ApiError::invalid("You cannot expand more than 4 levels of a property.").at("expand"));
        }
        if !allowed.contains(&path.as_str()) {
            return Err(ApiError::invalid(format!("This property cannot be expanded ({path}).")).at("expand"));
        }
    }
    Ok(Expand(wanted))
}

fn session_expand(params: &Params) -> Result<Expand, ApiError> {
    expand(params, &["payment_intent", "payment_intent.latest_charge"])
}

fn intent_expand(params: &Params) -> Result<Expand, ApiError> {
    expand(params, &["latest_charge"])
}

fn refund_expand(params: &Params) -> Result<Expand, ApiError> {
    expand(params, &["charge", "payment_intent", "payment_intent.latest_charge"])
}

type Books = super::objects::Books;

fn session_json(books: &Books, id: &str, expand: &Expand, version: &Version) -> Result<Value, ApiError> {
    let session = books
        .sessions
        .find(id)
        .ok_or_else(|| ApiError::no_such("checkout.session", id, "session"))?;
    Ok(books.session_json(session, expand, version))
}

fn intent_json(books: &Books, id: &str, expand: &Expand) -> Result<Value, ApiError> {
    let intent = books
        .intents
        .find(id)
        .ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))?;
    Ok(books.intent_json(intent, expand))
}

fn refund_json(books: &Books, id: &str, expand: &Expand) -> Result<Value, ApiError> {
    let refund = books
        .refunds
        .find(id)
        .ok_or_else(|| ApiError::no_such("refund", id, "refund"))?;
    Ok(books.refund_json(refund, expand))
}

fn charge_to_refund(books: &Books, params: &Params) -> Result<String, ApiError> {
    match (params.optional("payment_intent")?, params.optional("charge")?) {
        (Some(_), Some(_)) => Err(ApiError::invalid("Name the charge or the payment intent, not both.").at("charge")),
        (None, None) => Err(super::params::missing("payment_intent")),
        (None, Some(charge)) => Ok(charge.to_owned()),
        (Some(id), None) => {
            let intent = books
                .intents
                .find(id)
                .ok_or_else(|| ApiError::no_such("payment_intent", id, "payment_intent"))?;
            let unpaid = || {
                let message = format!("PaymentIntent {id} does not have a successful charge to refund.");
                ApiError::state("payment_intent_unexpected_state", message)
            };
            intent.charge.clone().ok_or_else(unpaid)
        }
    }
}

fn list_sessions(books: &Books, params: &Params, version: &Version) -> Result<Value, ApiError> {
    params.only(&["limit", "payment_intent", "starting_after", "expand[#]"])?;
    let expand = expand(params, &["data.payment_intent", "data.payment_intent.latest_charge"])?.below("data");
    let intent = params.optional("payment_intent")?;
    let fits =
        |session: &&super::objects::Session| intent.is_none_or(|wanted| session.intent.as_deref() == Some(wanted));
    let found = books.sessions.iter().rev().filter(fits);
    let found: Vec<(&str, Value)> = found
        .map(|session| (session.id.as_str(), books.session_json(session, &expand, version)))
        .collect();
    page_of(params, found, "/v1/checkout/sessions", "checkout.session")
}

fn list_refunds(books: &Books, params: &Params) -> Result<Value, ApiError> {
    params.only(&["limit", "payment_intent", "starting_after", "expand[#]"])?;
    let expand = expand(params, &["data.charge", "data.payment_intent"])?.below("data");
    let intent = params.optional("payment_intent")?;
    let found = books
        .refunds
        .iter()
        .rev()
        .filter(|refund| intent.is_none_or(|wanted| refund.intent == wanted));
    let found: Vec<(&str, Value)> = found
        .map(|refund| (refund.id.as_str(), books.refund_json(refund, &expand)))
        .collect();
    page_of(params, found, "/v1/refunds", "refund")
}

/// The newest first, `limit` of them (10 unless told, 100 at most), after the one that was named.
fn page_of(params: &Params, found: Vec<(&str, Value)>, url: &str, kind: &'static str) -> Result<Value, ApiError> {
    let limit = params.unsigned("limit")?.unwrap_or(10);
    let limit = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
    let limit = limit.ok_or_else(|| ApiError::coded("parameter_invalid_integer", "limit is 1 to 100").at("limit"))?;
    let from = match params.optional("starting_after")? {
        None => 0,
        Some(id) => {
            let at = found.iter().position(|(own, _)| *own == id);
            at.ok_or_else(|| ApiError::no_such(kind, id, "starting_after"))? + 1
        }
    };
    let more = found.len() > from + limit;
    let data: Vec<Value> = found
        .into_iter()
        .skip(from)
        .take(limit)
        .map(|(_, value)| value)
        .collect();
    Ok(json!({ "object": "list", "url": url, "has_more": more, "data": data }))
}

fn pretty(value: &Value) -> Vec<u8> {
    // A JSON value always prints.
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

/// Standard base64 with padding, for Basic authentication; strict enough for a key.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in digits.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0x00ff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).unwrap_or_default());
        }
    }
    Some(out)
}
