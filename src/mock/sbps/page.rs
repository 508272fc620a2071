//! What a browser sees: the purchase request arrives here, and every page after it. All of it in `Shift_JIS`.
//!
//! No cookies, nothing from elsewhere, one script: the page that posts the result to the store submits itself. A typed
//! card lives as long as the request that carried it, and the connection it came on is closed with the reply.

use std::time::SystemTime;

use http::Method;
use wiremock::Request;

use super::fault::Operation;
use super::html::{self, Pages};
use super::purchase::{Refusal, Way, way};
use super::wire::{CHARSET, FORM};
use super::world::{Shared, Tried, World};
use crate::mock::card::{Behaviour, Flaw};
use crate::mock::clock::unix;
use crate::mock::fault;
use crate::mock::form::Typing;
use crate::mock::front::Reply;
use crate::mock::outbox::Office as _;
use crate::mock::sheet;
use crate::mock::web::{self, closing, page, see_other};

/// Says whether a form is well formed, and takes nothing (same place).
pub(super) const CHECK: &str = "/Extra/BuyRequestAction.do";

/// Answers a browser.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.pass_time(now);
    let answered = match (request.method.as_str(), request.url.path()) {
        ("GET" | "HEAD", "/") => page(200, CHARSET, &html::home(&world.settings.base)),
        ("GET" | "HEAD", "/page.css") => web::style(),
        _ => match world.faults.strike(&Operation::HostedPage) {
            None => visit(&mut world, request, now),
            Some(fault) => match fault::instead(&fault) {
                Some(reply) => reply,
                None => fault::spoil(&fault, visit(&mut world, request, now), ("", "")),
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
        _ => page(404, CHARSET, &sheet::unknown(speaks(world, request), CHARSET)),
    }
}

/// A01-1. Whatever is wrong with it leads to SBPS's own error page, never to an address that the request itself names.
fn purchase(world: &mut World, request: &Request, now: SystemTime, keep: bool) -> Reply {
    let form = web::is_type(request, "application/x-www-form-urlencoded");
    let taken = if request.method == Method::POST && form {
        world.take(&request.body, now, keep)
    } else {
        Err(Refusal::Form)
    };
    match taken {
        Ok(session) if keep => see_other(&format!("/pay/{session}")),
        Ok(_) => page(200, CHARSET, &html::checked(speaks(world, request))),
        Err(refusal) => {
            let html = sheet::refused(speaks(world, request), CHARSET, &refusal.word());
            world.refusals.push(refusal);
            page(200, CHARSET, &html)
        }
    }
}

fn session_page(world: &mut World, request: &Request, session: &str, rest: &[&str], now: SystemTime) -> Reply {
    let Some(at) = world.session(session) else {
        return page(404, CHARSET, &sheet::unknown(speaks(world, request), CHARSET));
    };
    if request.method == Method::GET || request.method == Method::HEAD {
        return match rest {
            [] => show(world, request, at, None),
            _ => page(404, CHARSET, &sheet::unknown(speaks(world, request), CHARSET)),
        };
    }
    if request.method != Method::POST {
        return page(405, CHARSET, &sheet::unknown(speaks(world, request), CHARSET));
    }
    let Some(fields) = Typing::read(CHARSET, &request.body) else {
        return closing(page(400, CHARSET, &sheet::bad_form(speaks(world, request), CHARSET)));
    };
    let method = offered(world, at, &fields, rest);
    let tried = match (rest, method) {
        (["card"], Some(method)) => match fields.card(unix(now), world.settings.cards) {
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
        _ => return closing(page(400, CHARSET, &sheet::bad_form(speaks(world, request), CHARSET))),
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
        return page(404, CHARSET, &sheet::unknown(japanese, CHARSET));
    };
    let (html, leads_back) = Pages { japanese, shop, order }.now(flaw);
    let stores = ["success_url", "cancel_url", "error_url"].map(|name| order.purchase.value(name));
    web::guard(page(200, CHARSET, &html), &stores, leads_back)
}

fn speaks(world: &World, request: &Request) -> bool {
    web::japanese(request, None, world.settings.japanese)
}
