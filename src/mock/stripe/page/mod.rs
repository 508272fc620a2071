//! The hosted payment page: what a browser sees, and what it can do there.
//!
//! No scripts, no cookies, nothing from elsewhere. A typed card lives as long as the request that carried it, and the
//! connection it came on is closed with the reply.

mod html;

use std::time::SystemTime;

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use url::{Host, Url};
use wiremock::Request;

use self::html::Sheet;
use super::api;
use super::desk::{By, Tried};
use super::error::ApiError;
use super::fault::{Fault, Operation};
use super::objects::{Session, SessionStatus};
use super::params::Params;
use super::text::Notice;
use super::world::{Shared, World};
use crate::mock::card::{Flaw, Presented, Taken, Typed};
use crate::mock::clock::unix;
use crate::mock::front::{Reply, Travel};
use crate::mock::language::speaks_japanese;

const HTML: &str = "text/html; charset=utf-8";

/// Answers a browser.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.settle_what_is_due(now);
    let parts: Vec<&str> = request.url.path().split('/').skip(1).collect();
    let reply = match (request.method.as_str(), parts.as_slice()) {
        ("GET" | "HEAD", [""]) => plain(StatusCode::OK, html::home(&world.settings.base)),
        ("GET" | "HEAD", ["c", "page.css"]) => stylesheet(),
        (_, ["c", "pay", session, rest @ ..]) => visit(&mut world, request, session, rest, now),
        _ => unknown(&world, request),
    };
    drop(world);
    shared.wake.notify_one();
    reply
}

/// Faults, and the page between them.
fn visit(world: &mut World, request: &Request, id: &str, rest: &[&str], now: SystemTime) -> Reply {
    let fault = world.faults.strike(&Operation::HostedPage);
    match &fault {
        Some(Fault::ServerError) => return broken(),
        Some(fault) => {
            if let Some(reply) = api::before_work(fault) {
                return reply;
            }
        }
        None => {}
    }
    let mut reply = page(world, request, id, rest, now);
    match fault {
        Some(Fault::ServerErrorAfterWork) => return broken(),
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
    let posted = request.method == Method::POST;
    let tried = match (posted, rest) {
        (false, [] | ["secure"]) => {
            return show(
                world,
                request,
                &owner,
                id,
                now,
                if rest.is_empty() {
                    View::Form(None)
                } else {
                    View::Secure
                },
            );
        }
        (true, ["card"]) => {
            let read = match Params::decode(&request.body) {
                Ok(params) => typed_card(&params, unix(now), world.settings.cards),
                Err(_) => return bad_form(world, request),
            };
            match read {
                Ok(card) => at_desk(world, &owner, now, |desk| desk.pay_by_card(id, card)),
                Err(flaw) => {
                    let again = show(world, request, &owner, id, now, View::Form(Some(Notice::Flaw(flaw))));
                    return closing(Reply { status: 422, ..again });
                }
            }
        }
        (true, ["secure"]) => match Params::decode(&request.body) {
            Ok(params) => {
                let passed = params.optional("answer").ok().flatten() == Some("pass");
                let token = params.optional("token").ok().flatten().unwrap_or_default().to_owned();
                at_desk(world, &owner, now, |desk| desk.answer_challenge(id, &token, passed))
            }
            Err(_) => return bad_form(world, request),
        },
        (true, ["later"]) => match Params::decode(&request.body).and_then(|params| params.boolean("arrives")) {
            Ok(Some(arrives)) => at_desk(world, &owner, now, |desk| desk.pay_later(id, arrives)),
            _ => return bad_form(world, request),
        },
        (true, ["confirm"]) => at_desk(world, &owner, now, |desk| desk.confirm_free(id)),
        _ => return unknown(world, request),
    };
    closing(match tried {
        Ok(tried) => lead_on(world, request, &owner, id, &tried),
        Err(_) => bad_form(world, request),
    })
}

/// Borrows the card from the form; both are gone when this returns.
fn typed_card(params: &Params, now: i64, taken: Taken) -> Result<Presented, Flaw> {
    let field = |name: &str| params.optional(name).ok().flatten().unwrap_or_default();
    Typed {
        number: field("number"),
        expiry: field("expiry"),
        code: field("code"),
        holder: field("holder"),
    }
    .read(now, taken)
}

fn at_desk<T>(
    world: &mut World,
    owner: &str,
    now: SystemTime,
    work: impl FnOnce(&mut super::desk::Desk<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let mut desk = world.desk(owner, now, By::Nobody).ok_or_else(ApiError::server)?;
    work(&mut desk)
}

/// Where a try sends the browser: always 303, so that a reload repeats nothing.
fn lead_on(world: &World, request: &Request, owner: &str, id: &str, tried: &Tried) -> Reply {
    let Some(session) = world.account(owner).and_then(|account| account.books.sessions.find(id)) else {
        return unknown(world, request);
    };
    let own = format!("{}/c/pay/{id}", world.settings.base);
    match tried {
        Tried::Complete => see_other(&success_address(session)),
        Tried::Challenge => see_other(&format!("{own}/secure")),
        // The second half of a double click ends where the first one would have: the return says nothing about money.
        Tried::Closed if session.status == SessionStatus::Complete => see_other(&success_address(session)),
        Tried::Again | Tried::Closed => see_other(&own),
    }
}

/// Which part of an open session is wanted.
enum View {
    Form(Option<Notice>),
    Secure,
}

/// The session as it stands.
fn show(world: &World, request: &Request, owner: &str, id: &str, now: SystemTime, view: View) -> Reply {
    let Some(account) = world.account(owner) else {
        return unknown(world, request);
    };
    let Some(session) = account.books.sessions.find(id) else {
        return unknown(world, request);
    };
    let japanese = speaks(world, request, session.ask.locale);
    let sheet = Sheet {
        japanese,
        merchant: &account.name,
        session,
        success: success_address(session),
        now: unix(now),
    };
    let body = match session.status {
        SessionStatus::Complete => sheet.complete(),
        SessionStatus::Expired => sheet.expired(),
        SessionStatus::Open => match (view, &session.challenge) {
            (View::Secure, Some(challenge)) => sheet.secure(challenge),
            (View::Secure, None) => return see_other(&format!("{}/c/pay/{id}", world.settings.base)),
            (View::Form(notice), _) => sheet.pay(notice.or(session.notice)),
        },
    };
    let mut reply = plain(StatusCode::OK, body);
    // A form's action includes where its redirects lead, so the store has to be in the list.
    let store = Url::parse(&sheet.success).map(|url| source(&url)).unwrap_or_default();
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

/// The literal placeholder is replaced, and nothing else is added (Stripe sheet §6).
fn success_address(session: &Session) -> String {
    session.ask.success_url.replace("{CHECKOUT_SESSION_ID}", &session.id)
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
    // Letters beyond ASCII cannot stand in a header; the URL type escapes them.
    let ascii = if to.is_ascii() {
        to.to_owned()
    } else {
        Url::parse(to).map(String::from).unwrap_or_default()
    };
    set(&mut reply, header::LOCATION, &ascii);
    reply
}

fn unknown(world: &World, request: &Request) -> Reply {
    plain(StatusCode::NOT_FOUND, html::unknown(speaks(world, request, None)))
}

fn bad_form(world: &World, request: &Request) -> Reply {
    closing(plain(
        StatusCode::BAD_REQUEST,
        html::bad_form(speaks(world, request, None)),
    ))
}

fn broken() -> Reply {
    plain(StatusCode::INTERNAL_SERVER_ERROR, html::broken())
}

fn stylesheet() -> Reply {
    Reply {
        status: 200,
        headers: vec![(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"))],
        mime: "text/css; charset=utf-8",
        body: include_bytes!("../../page.css").to_vec(),
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
        mime: HTML,
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
