//! The calls of a store: links by JSON, everything else by idPass (sheet, "Create hosted payment", "Status query" and
//! "Refund / cancel / capture", 2026-11-23).

use std::time::SystemTime;

use http::Method as Verb;
use serde_json::{Map, Value, json};
use wiremock::Request;

use super::books::Deal;
use super::call::RequestView;
use super::fault::{Fault, Operation};
use super::link::{self, Method};
use super::wire::{self, BAD_SHOP, Complaint, ID_PASS, IGNORED, INPUT, LINK_INPUT, NO_SUCH_ORDER};
use super::world::{Shared, World};
use crate::mock::fault;
use crate::mock::form::Typing;
use crate::mock::front::{Reply, reply};
use crate::mock::jst;
use crate::mock::outbox::Office as _;
use crate::mock::web;

/// Where every call is.
pub(super) const PATH: &str = "/payment/";

/// Answers a call.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.pass_time(now);
    let name = request.url.path().trim_start_matches(PATH);
    let mut seen = RequestView {
        call: name.to_owned(),
        about: String::new(),
        status: 0,
        error: String::new(),
    };
    let (shop, reply) = match call(name) {
        Some((operation, kind)) if request.method == Verb::POST => {
            let fault = world.faults.strike(&operation);
            match fault.as_ref().and_then(fault::instead) {
                Some(reply) => (None, reply),
                None => serve(&mut world, request, (operation, kind), fault.as_ref(), now, &mut seen),
            }
        }
        Some(_) => (None, reply(405, "text/plain", Vec::new())),
        None => (None, reply(404, "text/plain", Vec::new())),
    };
    seen.status = reply.status;
    world.requests.push((shop, seen));
    drop(world);
    shared.wake.notify_one();
    reply
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    IdPass,
}

fn call(name: &str) -> Option<(Operation, Kind)> {
    Some(match name {
        "GetLinkplusUrlPayment.json" => (Operation::Create, Kind::Json),
        "RejectLinkplusUrlPayment.json" => (Operation::Reject, Kind::Json),
        "SearchTrade.idPass" | "SearchTradeMulti.idPass" => (Operation::Search, Kind::IdPass),
        "AlterTran.idPass" => (Operation::Alter, Kind::IdPass),
        "ChangeTran.idPass" => (Operation::Change, Kind::IdPass),
        _ => return None,
    })
}

fn serve(
    world: &mut World,
    request: &Request,
    (operation, kind): (Operation, Kind),
    fault: Option<&Fault>,
    now: SystemTime,
    seen: &mut RequestView,
) -> (Option<usize>, Reply) {
    let refused = |info: &str, seen: &mut RequestView| {
        info.clone_into(&mut seen.error);
        match kind {
            Kind::Json => wire::json_error(info),
            Kind::IdPass => wire::pass_error(info),
        }
    };
    if let Some(Fault::Refused(info)) = fault {
        return (None, refused(info, seen));
    }
    let (shop, done) = match kind {
        Kind::Json => by_json(world, request, operation, now, seen),
        Kind::IdPass => by_pass(world, request, operation, now, seen),
    };
    let answered = match (done, fault) {
        (Ok(_), Some(Fault::RefusedAfterWork(info))) => refused(info, seen),
        (Err(info), _) => refused(info, seen),
        (Ok(reply), _) => reply,
    };
    let swapped = match kind {
        Kind::Json => ("\"OrderID\":\"", "\"OrderID\":\"X"),
        Kind::IdPass => ("Status=", "OrderID=X&Status="),
    };
    let reply = match fault {
        Some(fault) => fault::spoil(fault, answered, swapped),
        None => answered,
    };
    (shop, reply)
}

type Done = (Option<usize>, Result<Reply, Complaint>);

fn by_json(
    world: &mut World,
    request: &Request,
    operation: Operation,
    now: SystemTime,
    seen: &mut RequestView,
) -> Done {
    let body: Option<Map<String, Value>> = serde_json::from_slice(&request.body).ok();
    let Some(body) = body.filter(|_| web::is_type(request, "application/json")) else {
        return (None, Err(LINK_INPUT));
    };
    let nothing = Map::new();
    // The link has its shop in an object of its own, the rejection at the top.
    let (own, about) = match operation {
        Operation::Create => (
            body.get("geturlparam").and_then(Value::as_object).unwrap_or(&nothing),
            body.get("transaction").and_then(Value::as_object).unwrap_or(&nothing),
        ),
        _ => (&body, &body),
    };
    let text = |map, name| link::text(map, name).unwrap_or_default();
    text(about, "OrderID").clone_into(&mut seen.about);
    let shop = match world.shop(text(own, "ShopID"), text(own, "ShopPass")) {
        Ok(shop) => shop,
        Err(complaint) => return (None, Err(complaint)),
    };
    let done = if operation == Operation::Create {
        world
            .create(shop, &body)
            .and_then(|order| made(world, (shop, order), now))
    } else {
        let order = world.by_order_id(shop, text(&body, "OrderID"));
        order.ok_or(LINK_INPUT).map(|at| {
            world.reject(at);
            // The words of `Status` are not in the sheet.
            wire::json(&json!({ "OrderID": text(&body, "OrderID"), "Status": "REJECTED" }))
        })
    };
    (Some(shop), done)
}

fn made(world: &World, at: (usize, usize), now: SystemTime) -> Result<Reply, Complaint> {
    let (shop, order) = world.order(at).ok_or(LINK_INPUT)?;
    let mut answer = json!({
        "OrderID": order.link.order_id,
        "LinkUrl": format!(
            "{}/v2/plus/{}/checkout/{}",
            world.settings.base, shop.id, order.token
        ),
        "ProcessDate": jst::digits(now),
    });
    if let (true, Some(members)) = (order.link.warned, answer.as_object_mut()) {
        let warning = json!([{ "warnCode": IGNORED.get(..3), "warnInfo": IGNORED }]);
        members.insert("WarnList".to_owned(), warning);
    }
    Ok(wire::json(&answer))
}

fn by_pass(
    world: &mut World,
    request: &Request,
    operation: Operation,
    now: SystemTime,
    seen: &mut RequestView,
) -> Done {
    let form = web::is_type(request, "application/x-www-form-urlencoded");
    let asked = Typing::read(ID_PASS, &request.body).filter(|_| form);
    let Some(asked) = asked else { return (None, Err(INPUT)) };
    let about = if operation == Operation::Search {
        "OrderID"
    } else {
        "AccessID"
    };
    asked.value(about).clone_into(&mut seen.about);
    let shop = match world.shop(asked.value("ShopID"), asked.value("ShopPass")) {
        Ok(shop) => shop,
        // The same complaint has the letters of the call before it.
        Err(complaint) => return (None, Err(complaint)),
    };
    let access = (asked.value("AccessID"), asked.value("AccessPass"));
    let job = asked.value("JobCd");
    let done = match operation {
        Operation::Search => {
            let multi = seen.call == "SearchTradeMulti.idPass";
            let pay_type = if multi { asked.value("PayType") } else { "0" };
            found(world, (shop, asked.value("OrderID")), pay_type, multi)
        }
        Operation::Alter => world
            .alter(shop, access, job, sum(&asked), now)
            .and_then(|at| altered(world, at, now)),
        _ => match sum(&asked) {
            Some(sum) => world
                .change_amount(shop, access, job, sum, now)
                .and_then(|at| altered(world, at, now)),
            None => Err(INPUT),
        },
    };
    (Some(shop), done)
}

/// Amount and tax; `None` if the amount is missing or is not an amount.
fn sum(asked: &Typing) -> Option<(u64, u64)> {
    let yen = |name: &str| {
        let text = asked.value(name);
        let digits = text.len() <= 7 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| digits)
    };
    let tax = if asked.value("Tax").is_empty() {
        Some(0)
    } else {
        yen("Tax")
    };
    yen("Amount").zip(tax)
}

/// A deal is known under the method it was made with, and under no other.
fn found(world: &World, (shop, order_id): (usize, &str), pay_type: &str, multi: bool) -> Result<Reply, Complaint> {
    let at = world.by_order_id(shop, order_id).ok_or(NO_SUCH_ORDER)?;
    let (_, order) = world.order(at).ok_or(NO_SUCH_ORDER)?;
    let deal = order.deal.as_ref().filter(|deal| deal.method.pay_type() == pay_type);
    let deal = deal.ok_or(NO_SUCH_ORDER)?;
    let by_card = deal.method == Method::Credit && deal.error.is_none();
    let card = |text: &str| if by_card { text.to_owned() } else { String::new() };
    let [first, second, third] = order.link.client_fields.clone();
    let mut fields = Vec::new();
    if !multi {
        fields.push(("OrderID", order_id.to_owned()));
    }
    fields.extend([
        ("Status", deal.status.to_owned()),
        ("ProcessDate", jst::digits(deal.sold.unwrap_or(deal.made))),
        ("JobCd", deal.job.to_owned()),
        ("AccessID", deal.access_id.clone()),
        ("AccessPass", deal.access_pass.clone()),
        ("ItemCode", "0000990".to_owned()),
        ("Amount", deal.amount.to_string()),
        ("Tax", deal.tax.to_string()),
        ("SiteID", String::new()),
        ("MemberID", String::new()),
        // Nothing of a card is kept here, not even what a mask leaves.
        ("CardNo", String::new()),
        ("Expire", String::new()),
        ("Method", card("1")),
        ("PayTimes", String::new()),
        ("Forward", card("2a99662")),
        ("TranID", card(&deal.tran_id)),
        ("Approve", card(&deal.approve)),
        ("ClientField1", first),
        ("ClientField2", second),
        ("ClientField3", third),
    ]);
    if multi {
        let konbini = deal.method == Method::Cvs;
        let slip = |text: &str| if konbini { text.to_owned() } else { String::new() };
        fields.extend([
            ("PayType", pay_type.to_owned()),
            ("CvsCode", slip("00007")),
            ("CvsConfNo", String::new()),
            ("CvsReceiptNo", slip(&deal.receipt)),
            (
                "PaymentTerm",
                deal.due.map(|(due, _)| jst::digits(due)).unwrap_or_default(),
            ),
            ("Currency", "JPN".to_owned()),
        ]);
    }
    if let Some(info) = deal.error {
        fields.extend([
            ("ErrCode", info.get(..3).unwrap_or_default().to_owned()),
            ("ErrInfo", info.to_owned()),
        ]);
    }
    Ok(wire::pass(&fields))
}

fn altered(world: &World, at: (usize, usize), now: SystemTime) -> Result<Reply, Complaint> {
    let deal = world.order(at).and_then(|(_, order)| order.deal.as_ref());
    let Deal {
        access_id,
        access_pass,
        approve,
        tran_id,
        ..
    } = deal.ok_or(BAD_SHOP)?;
    Ok(wire::pass(&[
        ("AccessID", access_id.clone()),
        ("AccessPass", access_pass.clone()),
        ("Forward", "2a99662".to_owned()),
        ("Approve", approve.clone()),
        ("TranID", tran_id.clone()),
        ("TranDate", jst::digits(now)),
    ]))
}
