//! What a browser sees: the purchase request arrives here, and every page after it. All of it in `Shift_JIS`.
//!
//! No cookies, nothing from elsewhere, one script: the page that posts the result to the store submits itself. A typed
//! card lives as long as the request that carried it, and the connection it came on is closed with the reply.

use std::time::SystemTime;

use base64ct::{Base64, Encoding};
use http::{HeaderName, HeaderValue, Method, header};
use sha2::{Digest, Sha256};
use url::{Host, Url};
use wiremock::Request;

use super::fault::{self, Operation, reply};
use super::html::{self, Sheet};
use super::purchase::{Refusal, Way, way};
use super::wire;
use super::world::{Shared, Stage, Tried, World};
use crate::mock::card::{Behaviour, Flaw, Presented, Typed, year_and_month};
use crate::mock::clock::unix;
use crate::mock::front::Reply;
use crate::mock::language::speaks_japanese;

/// Where the form is posted to (sheet, "Endpoints").
pub(super) const FORM: &str = "/f01/FepBuyInfoReceive.do";
/// Says whether a form is well formed, and takes nothing (same place).
pub(super) const CHECK: &str = "/Extra/BuyRequestAction.do";

const HTML: &str = "text/html; charset=Shift_JIS";

/// Answers a browser.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.pass_time(now);
    let answered = match (request.method.as_str(), request.url.path()) {
        ("GET" | "HEAD", "/") => page(200, &html::home(&world.settings.base)),
        ("GET" | "HEAD", "/page.css") => reply(200, "text/css; charset=utf-8", include_bytes!("../page.css").to_vec()),
        _ => match fault::strike(&mut world.faults, Operation::HostedPage) {
            None => visit(&mut world, request, now),
            Some(fault) => match fault::instead(&fault) {
                Some(reply) => reply,
                None => fault::spoil(&fault, visit(&mut world, request, now)),
            },
        },
    };
    drop(world);
    shared.wake.notify_one();
    answered
}

fn visit(world: &mut World, request: &Request, now: SystemTime) -> Reply {
    let parts: Vec<&str> = request.url.path().split('/').skip(1).collect();
    match (request.url.path(), parts.as_slice()) {
        (FORM, _) => purchase(world, request, now, true),
        (CHECK, _) => purchase(world, request, now, false),
        (_, ["pay", session, rest @ ..]) => session_page(world, request, session, rest, now),
        _ => page(404, &html::unknown(speaks(world, request))),
    }
}

/// A01-1. Whatever is wrong with it leads to SBPS's own error page, never to an address that the request itself names.
fn purchase(world: &mut World, request: &Request, now: SystemTime, keep: bool) -> Reply {
    let form = request
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|mime| mime.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    let taken = if request.method == Method::POST && form {
        world.take(&request.body, now, keep)
    } else {
        Err(Refusal::Form)
    };
    match taken {
        Ok(session) if keep => see_other(&format!("/pay/{session}")),
        Ok(_) => page(200, &html::checked(speaks(world, request))),
        Err(refusal) => {
            let html = html::refused(speaks(world, request), &refusal.word());
            world.refusals.push(refusal);
            page(200, &html)
        }
    }
}

fn session_page(world: &mut World, request: &Request, session: &str, rest: &[&str], now: SystemTime) -> Reply {
    let Some(at) = world.session(session) else {
        return page(404, &html::unknown(speaks(world, request)));
    };
    if request.method == Method::GET || request.method == Method::HEAD {
        return match rest {
            [] => show(world, request, at, None),
            _ => page(404, &html::unknown(speaks(world, request))),
        };
    }
    if request.method != Method::POST {
        return page(405, &html::unknown(speaks(world, request)));
    }
    let Some(fields) = Typing::read(&request.body) else {
        return closing(page(400, &html::bad_form(speaks(world, request))));
    };
    let method = offered(world, at, &fields, rest);
    let tried = match (rest, method) {
        (["card"], Some(method)) => match card(&fields, unix(now)) {
            Ok(card) => {
                let good = card.behaviour != Behaviour::Declines;
                let asks = card.behaviour == Behaviour::AsksForSecure;
                world.present(at, &method, &card.last4, asks, good, now)
            }
            Err(flaw) => {
                let again = show(world, request, at, Some(flaw));
                return closing(Reply { status: 422, ..again });
            }
        },
        (["wallet"], Some(method)) => world.by_wallet(at, &method, now),
        (["slip"], Some(method)) => world.by_slip(at, &method, fields.value("arrives") == "true", now),
        (["secure"], _) => world.answer_challenge(at, fields.value("token"), fields.value("answer") == "pass", now),
        (["cancel"], _) => world.go_back(at),
        _ => return closing(page(400, &html::bad_form(speaks(world, request)))),
    };
    // Wherever it leads, by 303: a reload repeats nothing.
    match tried {
        Tried::Accepted | Tried::Declined | Tried::Challenge | Tried::Closed => {
            closing(see_other(&format!("/pay/{session}")))
        }
    }
}

/// The method of a step, if the order offers it.
fn offered(world: &World, at: (usize, usize), fields: &Typing, rest: &[&str]) -> Option<String> {
    let (_, order) = world.order(at)?;
    let fits = |method: &str| {
        matches!(
            (rest, way(method)),
            (["card"], Some(Way::Card { .. })) | (["wallet"], Some(Way::Wallet)) | (["slip"], Some(Way::Later))
        )
    };
    let wanted = fields.value("method");
    order
        .purchase
        .methods()
        .into_iter()
        .find(|method| fits(method) && (wanted.is_empty() || wanted == method))
}

/// The order as it stands.
fn show(world: &World, request: &Request, at: (usize, usize), flaw: Option<Flaw>) -> Reply {
    let japanese = speaks(world, request);
    let Some((shop, order)) = world.order(at) else {
        return page(404, &html::unknown(japanese));
    };
    let sheet = Sheet { japanese, shop, order };
    let (html, script) = match (order.stage, &order.challenge) {
        (Stage::Open, Some(challenge)) => (sheet.secure(challenge), false),
        (Stage::Open, None) => (sheet.pay(flaw), false),
        (Stage::Done, _) if sheet.is_slip() => (sheet.slip(), false),
        _ => (sheet.back_to_store(), true),
    };
    let mut reply = page(200, &html);
    let stores: Vec<String> = ["success_url", "cancel_url", "error_url"]
        .iter()
        .filter_map(|name| Url::parse(order.purchase.value(name)).ok())
        .map(|url| source(&url))
        .collect();
    let scripts = if script {
        let hash = Base64::encode_string(&Sha256::digest(html::SUBMIT));
        format!("script-src 'sha256-{hash}'; ")
    } else {
        String::new()
    };
    let policy = format!(
        "default-src 'none'; {scripts}style-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        stores.join(" ")
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

/// What a person typed, borrowed for one request.
struct Typing(Vec<(String, String)>);

impl Typing {
    fn read(body: &[u8]) -> Option<Self> {
        let pairs = wire::form(body)?;
        let text = |(name, value): (Vec<u8>, Vec<u8>)| Some((wire::decode(&name)?, wire::decode(&value)?));
        Some(Self(pairs.into_iter().map(text).collect::<Option<_>>()?))
    }

    fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// Reads the card from the form; the number is gone when this returns.
fn card(fields: &Typing, now: i64) -> Result<Presented, Flaw> {
    let (year, month) = year_and_month(now);
    Typed {
        number: fields.value("number"),
        expiry: fields.value("expiry"),
        code: fields.value("code"),
        holder: fields.value("holder"),
    }
    .read(year, month)
}

fn speaks(world: &World, request: &Request) -> bool {
    let accepted = request
        .headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    speaks_japanese(None, accepted, world.settings.japanese)
}

fn page(status: u16, html: &str) -> Reply {
    let mut reply = reply(status, HTML, wire::encode(html).into_owned());
    set(&mut reply, header::CACHE_CONTROL, "no-store");
    set(&mut reply, header::REFERRER_POLICY, "no-referrer");
    reply
}

fn see_other(to: &str) -> Reply {
    let mut reply = page(303, "");
    set(&mut reply, header::LOCATION, to);
    reply
}

/// The connection that carried a card goes away with its memory.
fn closing(mut reply: Reply) -> Reply {
    set(&mut reply, header::CONNECTION, "close");
    reply
}

fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        reply.headers.push((name, value));
    }
}
