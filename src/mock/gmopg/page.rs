//! What a browser sees, in UTF-8. No cookies, nothing from elsewhere, one script: the page that posts the result to the
//! store submits itself. A typed card lives as long as the request that carried it, and the connection it came on is
//! closed with the reply.

use std::time::SystemTime;

use http::Method as Verb;
use wiremock::Request;

use super::fault::Operation;
use super::html::{self, Pages};
use super::link::Method;
use super::wire::PAGES;
use super::world::{Shared, Tried, World};
use crate::mock::card::{Behaviour, Flaw};
use crate::mock::clock::unix;
use crate::mock::fault;
use crate::mock::form::Typing;
use crate::mock::front::Reply;
use crate::mock::outbox::Office as _;
use crate::mock::sheet;
use crate::mock::web::{self, closing, page, see_other};

/// Answers a browser.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.pass_time(now);
    let answered = match (request.method.as_str(), request.url.path()) {
        ("GET" | "HEAD", "/") => page(200, PAGES, &html::home(&world.settings.base)),
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
    let path = request.url.path().to_owned();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    match parts.as_slice() {
        ["v2", "plus", shop, "checkout", token, step @ ..] => match world.by_token(shop, token) {
            Some(at) => order(world, request, at, step, now),
            None => page(404, PAGES, &sheet::unknown(speaks(world, request), PAGES)),
        },
        ["v1", "plus", shop, "checkout", segment] => match world.by_segment(shop, segment) {
            // The page is the same as that of a link that was asked for.
            Ok(at) => see_other(&address(world, at)),
            Err(complaint) => page(400, PAGES, &sheet::refused(speaks(world, request), PAGES, complaint)),
        },
        _ => page(404, PAGES, &sheet::unknown(speaks(world, request), PAGES)),
    }
}

fn address(world: &World, at: (usize, usize)) -> String {
    world.order(at).map_or_else(String::new, |(shop, order)| {
        format!("/v2/plus/{}/checkout/{}", shop.id, order.token)
    })
}

fn order(world: &mut World, request: &Request, at: (usize, usize), step: &[&str], now: SystemTime) -> Reply {
    world.visited(at, now);
    if request.method == Verb::GET || request.method == Verb::HEAD {
        return match step {
            [] => show(world, request, at, None, now),
            _ => page(404, PAGES, &sheet::unknown(speaks(world, request), PAGES)),
        };
    }
    if request.method != Verb::POST {
        return page(405, PAGES, &sheet::unknown(speaks(world, request), PAGES));
    }
    let bad = |world: &World| closing(page(400, PAGES, &sheet::bad_form(speaks(world, request), PAGES)));
    let Some(typed) = Typing::read(PAGES, &request.body) else {
        return bad(world);
    };
    let offers = |method: Method| {
        let order = world.order(at);
        order.is_some_and(|(_, order)| order.link.methods.contains(&method))
    };
    let tried = match step {
        ["card"] if offers(Method::Credit) => match typed.card(unix(now), world.settings.cards) {
            Ok(card) => {
                let asks = card.behaviour == Behaviour::AsksForSecure;
                let good = card.behaviour != Behaviour::Declines;
                world.by_card(at, &card.last4, (asks, good), now)
            }
            Err(flaw) => {
                let again = show(world, request, at, Some(flaw), now);
                return closing(Reply { status: 422, ..again });
            }
        },
        ["wallet"] if offers(Method::PayPay) => world.by_wallet(at, now),
        ["slip"] if offers(Method::Cvs) => world.by_slip(at, typed.value("arrives") == "true", now),
        ["secure"] => world.answer_challenge(at, typed.value("token"), typed.value("answer") == "pass", now),
        ["cancel"] => return closing(back(world, request, at, now)),
        _ => return bad(world),
    };
    match tried {
        Tried::Seen | Tried::Closed => closing(see_other(&address(world, at))),
    }
}

/// The order as it stands.
fn show(world: &World, request: &Request, at: (usize, usize), flaw: Option<Flaw>, now: SystemTime) -> Reply {
    framed(world, request, at, |pages| pages.now(world.is_open(at, now), flaw))
}

/// The shopper goes back without paying.
fn back(world: &World, request: &Request, at: (usize, usize), now: SystemTime) -> Reply {
    let result = world.cancelled_result(at, now);
    framed(world, request, at, |pages| (pages.cancelled(&result), true))
}

fn framed(
    world: &World,
    request: &Request,
    at: (usize, usize),
    write: impl FnOnce(&Pages<'_>) -> (String, bool),
) -> Reply {
    let Some((shop, order)) = world.order(at) else {
        return page(404, PAGES, &sheet::unknown(speaks(world, request), PAGES));
    };
    let wished = order.link.lang.as_deref();
    let pages = Pages {
        japanese: web::japanese(request, wished, world.settings.japanese),
        steps: &address(world, at),
        shop,
        order,
    };
    let (html, leads_back) = write(&pages);
    let link = &order.link;
    let stores = [link.ret_url.as_str(), &link.complete_url, &link.cancel_url];
    web::guard(page(200, PAGES, &html), &stores, leads_back)
}

fn speaks(world: &World, request: &Request) -> bool {
    web::japanese(request, None, world.settings.japanese)
}
