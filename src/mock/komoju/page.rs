//! The hosted payment page: what a browser sees, and what it can do there.
//!
//! No scripts, no cookies, nothing from elsewhere. A typed card lives as long as the request that carried it, and the
//! connection it came on is closed with the reply.

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, StatusCode, header};
use url::{Host, Url, form_urlencoded};
use wiremock::Request;

use super::api;
use super::desk::{Desk, Tried};
use super::error::ApiError;
use super::fault::{Fault, Operation};
use super::html::{self, Sheet};
use super::objects::{Session, SessionStatus, Way};
use super::world::{Shared, World};
use crate::mock::card::{Flaw, Presented, Taken, Typed};
use crate::mock::clock::unix;
use crate::mock::front::{Reply, Travel};
use crate::mock::language::speaks_japanese;

/// Answers a browser.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.settle_what_is_due(now);
    let parts: Vec<&str> = request.url.path().split('/').skip(1).collect();
    let reply = match (request.method.as_str(), parts.as_slice()) {
        ("GET" | "HEAD", [""]) => plain(StatusCode::OK, html::home(&world.settings.base)),
        ("GET" | "HEAD", ["sessions", "page.css"]) => stylesheet(),
        (_, ["sessions", session, rest @ ..]) => visit(&mut world, request, session, rest, now),
        _ => unknown(&world, request),
    };
    drop(world);
    shared.wake.notify_one();
    reply
}

/// Faults, and the page between them.
fn visit(world: &mut World, request: &Request, id: &str, rest: &[&str], now: SystemTime) -> Reply {
    let fault = world.faults.strike(&Operation::HostedPage);
    if matches!(fault, Some(Fault::ServerError)) {
        return broken();
    }
    if let Some(reply) = fault.as_ref().and_then(api::before_work) {
        return reply;
    }
    let mut reply = page(world, request, id, rest, now);
    match fault {
        Some(Fault::ServerErrorAfterWork | Fault::BadGateway) => return broken(),
        Some(Fault::LostReply) => reply.travel = Travel::CutAfter(0),
        Some(Fault::BrokenOff) => reply.travel = Travel::CutAfter(300 + reply.body.len() / 2),
        Some(Fault::Delay(delay)) => reply.delay = Some(delay),
        Some(Fault::Drip { bytes, pause }) => reply.travel = Travel::Drip { bytes, pause },
        _ => {}
    }
    reply
}

fn page(world: &mut World, request: &Request, id: &str, rest: &[&str], now: SystemTime) -> Reply {
    let Some(owner) = world.owner_of_session(id) else {
        return unknown(world, request);
    };
    let tried = match (request.method.as_str(), rest) {
        ("GET" | "HEAD", []) => return show(world, request, &owner, id, now, View::Form(None)),
        ("GET" | "HEAD", ["secure"]) => return show(world, request, &owner, id, now, View::Secure),
        ("POST", ["card"]) => match typed_card(&request.body, unix(now), world.settings.cards) {
            Ok(card) => at_desk(world, &owner, now, |desk| desk.pay_by_card(id, &card)),
            Err(flaw) => {
                let again = show(world, request, &owner, id, now, View::Form(Some(flaw)));
                return closing(Reply { status: 422, ..again });
            }
        },
        ("POST", ["secure"]) => {
            let token = field(&request.body, "token");
            match field(&request.body, "answer").as_str() {
                answer @ ("pass" | "fail") => at_desk(world, &owner, now, |desk| {
                    desk.answer_challenge(id, &token, answer == "pass")
                }),
                _ => return bad_form(world, request),
            }
        }
        ("POST", [way, "later"]) => match (Way::named(way), field(&request.body, "arrives").as_str()) {
            (Some(way), arrives @ ("true" | "false")) => {
                at_desk(world, &owner, now, |desk| desk.pay_later(id, way, arrives == "true"))
            }
            _ => return bad_form(world, request),
        },
        _ => return unknown(world, request),
    };
    closing(match tried {
        Ok(tried) => lead_on(world, request, &owner, id, tried),
        Err(_) => bad_form(world, request),
    })
}

/// One field of a form; the last one if it comes twice, nothing if it is missing.
fn field(body: &[u8], name: &str) -> String {
    let found = form_urlencoded::parse(body).filter(|(own, _)| own == name).last();
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Reads the card from the form; both are gone when the request is.
fn typed_card(body: &[u8], now: i64, taken: Taken) -> Result<Presented, Flaw> {
    Typed {
        number: &field(body, "number"),
        expiry: &field(body, "expiry"),
        code: &field(body, "code"),
        holder: &field(body, "holder"),
    }
    .read(now, taken)
}

fn at_desk<T>(
    world: &mut World,
    owner: &str,
    now: SystemTime,
    work: impl FnOnce(&mut Desk<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let mut desk = world.desk(owner, now).ok_or_else(ApiError::server)?;
    work(&mut desk)
}

/// Where a try sends the browser: always 303, so that a reload repeats nothing.
fn lead_on(world: &World, request: &Request, owner: &str, id: &str, tried: Tried) -> Reply {
    let session = world.account(owner).and_then(|account| {
        let session = account.session(id).ok()?;
        let slip = account.payment_of(session).is_some_and(|payment| payment.way.is_slip());
        Some((session, slip))
    });
    let Some((session, slip)) = session else {
        return unknown(world, request);
    };
    let own = format!("{}/sessions/{id}", world.settings.base);
    match tried {
        Tried::Complete => see_other(&return_address(session)),
        Tried::Challenge => see_other(&format!("{own}/secure")),
        // The second half of a double click ends where the first one did.
        Tried::Closed if session.status == SessionStatus::Completed && !slip => see_other(&return_address(session)),
        Tried::Again | Tried::Closed | Tried::Slip => see_other(&own),
    }
}

/// Which part of an open session is wanted.
enum View {
    Form(Option<Flaw>),
    Secure,
}

/// The session as it stands.
fn show(world: &World, request: &Request, owner: &str, id: &str, now: SystemTime, view: View) -> Reply {
    let found = world
        .account(owner)
        .and_then(|account| Some((account, account.session(id).ok()?)));
    let Some((account, session)) = found else {
        return unknown(world, request);
    };
    let back = return_address(session);
    let sheet = Sheet {
        japanese: speaks(world, request, session.ask.locale),
        merchant: &account.name,
        session,
        back: &back,
        now: unix(now),
    };
    let payment = account.payment_of(session);
    let body = match (session.status, payment) {
        (SessionStatus::Completed, Some(payment)) if payment.way.is_slip() => sheet.slip(payment),
        (SessionStatus::Completed, _) => sheet.complete(),
        _ if !session.is_open(unix(now)) => sheet.closed(),
        (_, payment) => match (view, &session.challenge, payment) {
            (View::Secure, Some(token), Some(payment)) => sheet.secure(token, payment),
            (View::Secure, ..) => return see_other(&format!("{}/sessions/{id}", world.settings.base)),
            (View::Form(flaw), ..) => sheet.pay(flaw),
        },
    };
    let mut reply = plain(StatusCode::OK, body);
    // A form's action includes where its redirects lead, so the store has to be in the list.
    let store = Url::parse(&back).map(|url| source(&url)).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self' {store}; base-uri 'none'; frame-ancestors 'none'"
    );
    set(&mut reply, header::CONTENT_SECURITY_POLICY, &policy);
    reply
}

/// An origin as a content policy writes it. It has no way to write an IPv6 address, so those get their scheme.
fn source(url: &Url) -> String {
    match url.host() {
        Some(Host::Ipv6(_)) | None => format!("{}:", url.scheme()),
        Some(_) => url.origin().ascii_serialization(),
    }
}

/// The return address with `session_id`, unsigned and the same for success and for giving up (sheet section "Return").
fn return_address(session: &Session) -> String {
    let (address, fragment) = match session.ask.return_url.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (session.ask.return_url.as_str(), String::new()),
    };
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}session_id={}{fragment}", session.id)
}

fn speaks(world: &World, request: &Request, locale: Option<&str>) -> bool {
    let accepted = request
        .headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    speaks_japanese(locale, accepted, world.settings.japanese)
}

fn see_other(to: &str) -> Reply {
    let mut reply = plain(StatusCode::SEE_OTHER, String::new());
    set(&mut reply, header::LOCATION, to);
    reply
}

fn unknown(world: &World, request: &Request) -> Reply {
    plain(StatusCode::NOT_FOUND, html::unknown(speaks(world, request, None)))
}

fn bad_form(world: &World, request: &Request) -> Reply {
    let body = html::bad_form(speaks(world, request, None));
    closing(plain(StatusCode::BAD_REQUEST, body))
}

fn broken() -> Reply {
    plain(StatusCode::INTERNAL_SERVER_ERROR, html::broken())
}

fn stylesheet() -> Reply {
    Reply {
        status: 200,
        headers: vec![(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"))],
        mime: "text/css; charset=utf-8",
        body: include_bytes!("../page.css").to_vec(),
        delay: None,
        travel: Travel::Whole,
    }
}

/// What came on this connection is forgotten with it.
fn closing(mut reply: Reply) -> Reply {
    set(&mut reply, header::CONNECTION, "close");
    reply
}

fn plain(status: StatusCode, body: String) -> Reply {
    let mut reply = Reply {
        status: status.as_u16(),
        headers: Vec::new(),
        mime: "text/html; charset=utf-8",
        body: body.into_bytes(),
        delay: None,
        travel: Travel::Whole,
    };
    set(&mut reply, header::CACHE_CONTROL, "no-store");
    set(&mut reply, header::REFERRER_POLICY, "no-referrer");
    set(&mut reply, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(
        &mut reply,
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    );
    reply
}

/// One header, once.
fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    reply.headers.retain(|(known, _)| *known != name);
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers.push((name, value));
    }
}
