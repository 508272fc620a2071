//! The API type: status, capture, cancel and refunds in parts (SBPS sheet, "Status query", "Refund / cancel / capture" and
//! "Errors", 2026-11-23). XML in `Shift_JIS` under HTTP Basic; answers carry no hash.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding};
use http::{HeaderValue, Method, header};
use wiremock::Request;

use super::call::RequestView;
use super::fault::{Fault, Operation};
use super::purchase::{Way, way};
use super::wire::{self, CHARSET, HASH, Over};
use super::world::{Deal, DealState, Shared, World};
use super::xml::Node;
use crate::mock::fault;
use crate::mock::front::{Reply, reply};
use crate::mock::jst;
use crate::mock::outbox::Office as _;

const XML: &str = "text/xml;charset=Shift_JIS";
/// "The API manual's error list says the default is 10 minutes" (sheet, row n+1).
const DEFAULT_LIMIT: u64 = 600;
/// Months after the one of the sale or the authorization within which it can still be changed (errors 42 and 56).
const WINDOW: i64 = 3;

/// What an answer says it is about, and what a swapped one says.
const SWAPPED: (&str, &str) = ("sps-api-response id=\"", "sps-api-response id=\"XX");

/// Two characters that say what an error is about.
type Kind = &'static str;

/// Which request it is.
struct What {
    operation: Operation,
    /// The last part of its id: the first part of its error codes.
    method: &'static str,
    elements: &'static [Element],
}

struct Element {
    path: &'static str,
    most: usize,
    required: bool,
}

const fn need(path: &'static str, most: usize) -> Element {
    Element {
        path,
        most,
        required: true,
    }
}

const fn may(path: &'static str, most: usize) -> Element {
    Element {
        path,
        most,
        required: false,
    }
}

const CARD_STATUS: &[Element] = &[
    need("merchant_id", 5),
    need("service_id", 3),
    may("sps_transaction_id", 32),
    need("tracking_id", 14),
    may("response_info_type", 1),
    may("pay_option_manage/cardbrand_return_flg", 1),
    may("encrypted_flg", 1),
    need("request_date", 14),
    may("limit_second", 4),
];
/// Unconfirmed: the sheet has the ids of these two, and that a tracking id is enough.
const OTHER_STATUS: &[Element] = &[
    need("merchant_id", 5),
    need("service_id", 3),
    may("sps_transaction_id", 32),
    need("tracking_id", 14),
    need("request_date", 14),
    may("limit_second", 4),
];
const CAPTURE: &[Element] = &[
    need("merchant_id", 5),
    need("service_id", 3),
    may("sps_transaction_id", 32),
    need("tracking_id", 14),
    need("processing_datetime", 14),
    may("pay_option_manage/amount", 7),
    need("request_date", 14),
    may("limit_second", 4),
];
const CANCEL: &[Element] = &[
    need("merchant_id", 5),
    need("service_id", 3),
    may("sps_transaction_id", 32),
    need("tracking_id", 14),
    need("processing_datetime", 14),
    need("request_date", 14),
    may("limit_second", 4),
];
const PART: &[Element] = &[
    need("merchant_id", 5),
    need("service_id", 3),
    may("sps_transaction_id", 32),
    need("tracking_id", 14),
    need("processing_datetime", 14),
    need("pay_option_manage/amount", 7),
    need("request_date", 14),
    may("limit_second", 4),
];

fn what(id: &str) -> Option<What> {
    let (operation, method, elements) = match id {
        "MG01-00101-101" => (Operation::Status, "101", CARD_STATUS),
        "MG01-00101-311" => (Operation::Status, "311", OTHER_STATUS),
        "MG01-00101-701" => (Operation::Status, "701", OTHER_STATUS),
        "ST02-00201-101" => (Operation::Capture, "101", CAPTURE),
        "ST02-00303-101" => (Operation::Cancel, "101", CANCEL),
        "ST02-00307-101" => (Operation::PartialRefund, "101", PART),
        _ => return None,
    };
    Some(What {
        operation,
        method,
        elements,
    })
}

/// Answers a request to the API.
pub(super) fn answer(shared: &Shared, request: &Request) -> Reply {
    let now = shared.clock.now();
    let mut world = shared.lock();
    world.pass_time(now);
    let mut seen = RequestView {
        id: String::new(),
        tracking_id: String::new(),
        status: 0,
        error: String::new(),
    };
    let shop = shop_of(&world, request);
    let reply = match shop {
        _ if request.method != Method::POST => reply(405, "text/plain", Vec::new()),
        None => {
            let mut refused = reply(401, "text/plain", Vec::new());
            let realm = HeaderValue::from_static("Basic realm=\"SPS\"");
            refused.headers.push((header::WWW_AUTHENTICATE, realm));
            refused
        }
        Some(shop) => serve(&mut world, shop, request, now, &mut seen),
    };
    seen.status = reply.status;
    world.requests.push((shop, seen));
    drop(world);
    shared.wake.notify_one();
    reply
}

/// The shop whose Basic credentials these are. Keys of a real shop are nobody's here.
fn shop_of(world: &World, request: &Request) -> Option<usize> {
    let value = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let plain = Base64::decode_vec(value.strip_prefix("Basic ")?.trim()).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (user, password) = plain.split_once(':')?;
    world
        .shops
        .iter()
        .position(|shop| shop.basic_user() == user && shop.password == password)
}

fn serve(world: &mut World, shop: usize, request: &Request, now: SystemTime, seen: &mut RequestView) -> Reply {
    let node = CHARSET.decode(&request.body).and_then(|text| Node::parse(&text));
    let id = node.as_ref().and_then(|node| node.id.clone()).unwrap_or_default();
    seen.id.clone_from(&id);
    let what = what(&id);
    let operation = what.as_ref().map_or(Operation::Status, |what| what.operation);
    let method = what.as_ref().map_or("999", |what| what.method);
    let fault = world.faults.strike(&operation);
    let ng = |kind: &str, seen: &mut RequestView| {
        // The last three name the element; their list is not published.
        seen.error = format!("{method}{kind}999");
        xml(
            &id,
            &format!(
                "<res_result>NG</res_result><res_err_code>{}</res_err_code><res_date>{}</res_date>",
                seen.error,
                jst::digits(now)
            ),
        )
    };
    if let Some(fault) = &fault {
        if let Some(reply) = fault::instead(fault) {
            return reply;
        }
        if let Fault::Refused(kind) = fault {
            return ng(kind, seen);
        }
    }
    let done = match (node, what) {
        (None, _) => Err("00"),
        (Some(node), _) if node.name != "sps-api-request" => Err("00"),
        (Some(_), None) => Err("02"),
        (Some(node), Some(what)) => {
            let leaves = node.leaves();
            let asked = Asked { leaves: &leaves };
            asked.value("tracking_id").clone_into(&mut seen.tracking_id);
            asked
                .check(world, shop, what.elements, now)
                .and_then(|()| work(world, shop, &what, &asked, now))
        }
    };
    let answered = match (done, &fault) {
        (Ok(_), Some(Fault::RefusedAfterWork(kind))) => ng(kind, seen),
        (Ok(inside), _) => {
            let transaction = world.ids.make("B", 30).to_ascii_uppercase();
            let stamp = jst::digits(now);
            xml(
                &id,
                &format!(
                    "<res_result>OK</res_result><res_sps_transaction_id>{transaction}</res_sps_transaction_id>{inside}\
                     <res_process_date>{stamp}</res_process_date><res_err_code></res_err_code><res_date>{stamp}</res_date>"
                ),
            )
        }
        (Err(kind), _) => ng(kind, seen),
    };
    match &fault {
        Some(fault) => fault::spoil(fault, answered, SWAPPED),
        None => answered,
    }
}

fn xml(id: &str, inside: &str) -> Reply {
    // An id that was not understood is echoed, so it is escaped like anything else from outside.
    let id = crate::mock::markup::escaped(id);
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><sps-api-response id=\"{id}\">{inside}</sps-api-response>"
    );
    reply(200, XML, CHARSET.encode(&text).into_owned())
}

struct Asked<'a> {
    leaves: &'a [(String, &'a str)],
}

impl Asked<'_> {
    fn value(&self, path: &str) -> &str {
        let found = self.leaves.iter().find(|(name, _)| name == path);
        found.map_or("", |(_, value)| value.trim())
    }

    /// Everything that can be refused before the deal is looked at.
    fn check(&self, world: &World, shop: usize, elements: &[Element], now: SystemTime) -> Result<(), Kind> {
        // The order of the elements is the order of the hash, so another one is no small matter.
        let mut left = elements.iter();
        let mut hash = None;
        for (path, value) in self.leaves {
            if path == HASH {
                hash = Some(value.trim());
            } else if hash.is_some() || !left.any(|element| element.path == path) {
                return Err("00");
            }
        }
        let empty = |element: &&Element| element.required && self.value(element.path).is_empty();
        let hash = hash.filter(|hash| !hash.is_empty()).ok_or("03")?;
        if elements.iter().any(|element| empty(&element)) {
            return Err("03");
        }
        let shop = world.shops.get(shop).ok_or("14")?;
        if self.value("merchant_id") != shop.merchant_id || self.value("service_id") != shop.service_id {
            return Err("14");
        }
        let values = self.leaves.iter().filter(|(path, _)| path != HASH);
        let right = wire::hash(Over::ShiftJis, values.map(|(_, value)| *value), &shop.hash_key);
        if !wire::is_hash(hash, &right) {
            return Err("09");
        }
        for element in elements {
            let value = self.value(element.path);
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            if !digits && element.path != "sps_transaction_id" {
                return Err("04");
            }
            if value.len() > element.most {
                return Err("05");
            }
        }
        let flags = [
            ("response_info_type", "012"),
            ("pay_option_manage/cardbrand_return_flg", "01"),
            // Encrypted answers (3DES) are not played.
            ("encrypted_flg", "0"),
        ];
        if flags.iter().any(|(path, allowed)| !allowed.contains(self.value(path))) {
            return Err("07");
        }
        let date = |path: &str| jst::time(self.value(path)).ok_or("06");
        if elements.iter().any(|element| element.path == "processing_datetime") {
            date("processing_datetime")?;
        }
        let made = date("request_date")?;
        let limit = self.value("limit_second").parse().unwrap_or(DEFAULT_LIMIT);
        if now.duration_since(made).unwrap_or_default() > Duration::from_secs(limit) {
            return Err("10");
        }
        // The id of the API request that made the deal; a deal of the link type was made by none.
        if !self.value("sps_transaction_id").is_empty() {
            return Err("11");
        }
        Ok(())
    }
}

fn work(world: &mut World, shop: usize, what: &What, asked: &Asked<'_>, now: SystemTime) -> Result<String, Kind> {
    let shop = world.shops.get_mut(shop).ok_or("14")?;
    let on_demand = shop.on_demand;
    let deal = shop
        .orders
        .iter_mut()
        .filter_map(|order| order.deal.as_mut())
        .find(|deal| deal.tracking_id == asked.value("tracking_id") && method_of(deal) == Some(what.method))
        .ok_or("12")?;
    let amount = match asked.value("pay_option_manage/amount") {
        "" => None,
        text => Some(text.parse::<u64>().ok().filter(|amount| *amount > 0).ok_or("07")?),
    };
    match what.operation {
        Operation::Capture => capture(deal, on_demand, amount, now)?,
        Operation::Cancel => cancel(deal, now)?,
        Operation::PartialRefund => give_back(deal, amount.ok_or("03")?, now)?,
        Operation::Status | Operation::HostedPage => return Ok(status(deal, asked)),
    }
    Ok(String::new())
}

/// The last part of the ids that can be asked about this deal.
fn method_of(deal: &Deal) -> Option<&'static str> {
    match (way(&deal.method)?, deal.method.as_str()) {
        (Way::Card { .. }, _) => Some("101"),
        (_, "paypay") => Some("311"),
        (_, "webcvs") => Some("701"),
        _ => None,
    }
}

/// Until the end of the third month after this one.
fn within(since: SystemTime, now: SystemTime) -> bool {
    jst::months(now) <= jst::months(since) + WINDOW
}

fn capture(deal: &mut Deal, on_demand: bool, amount: Option<u64>, now: SystemTime) -> Result<(), Kind> {
    if !on_demand {
        return Err("37");
    }
    match deal.state {
        DealState::Authorized => {}
        DealState::Captured => return Err("41"),
        DealState::Refunded => return Err("46"),
        _ => return Err("52"),
    }
    let amount = amount.unwrap_or(deal.amount);
    if amount > deal.amount {
        return Err("79");
    }
    if !within(deal.made, now) {
        return Err("42");
    }
    deal.amount = amount;
    deal.state = DealState::Captured;
    deal.sold = Some(now);
    Ok(())
}

fn cancel(deal: &mut Deal, now: SystemTime) -> Result<(), Kind> {
    match deal.state {
        DealState::Refunded => return Err("46"),
        DealState::Authorized => deal.state = DealState::Cancelled,
        DealState::Captured => {
            if !within(deal.sold.unwrap_or(deal.made), now) {
                return Err("56");
            }
            deal.refunded = deal.amount;
            deal.state = DealState::Refunded;
        }
        _ => return Err("52"),
    }
    Ok(())
}

fn give_back(deal: &mut Deal, amount: u64, now: SystemTime) -> Result<(), Kind> {
    match deal.state {
        DealState::Captured => {}
        DealState::Refunded => return Err("46"),
        DealState::Cancelled => return Err("52"),
        _ => return Err("K0"),
    }
    let refunded = deal.refunded.saturating_add(amount);
    if refunded > deal.amount {
        return Err("K1");
    }
    if !within(deal.sold.unwrap_or(deal.made), now) {
        return Err("56");
    }
    deal.refunded = refunded;
    // No value for "in part" is known.
    if refunded == deal.amount {
        deal.state = DealState::Refunded;
    }
    Ok(())
}

/// The tables of the sheet's "Status query".
fn status(deal: &Deal, asked: &Asked<'_>) -> String {
    let mut out = String::from("<res_status>0</res_status><res_pay_method_info>");
    let state = match method_of(deal) {
        Some("701") => match deal.state {
            DealState::Captured => "3",
            DealState::Cancelled | DealState::Lapsed | DealState::Refunded => "9",
            DealState::Authorized | DealState::Unpaid => "1",
        },
        Some("311") => match deal.state {
            DealState::Captured => "3",
            DealState::Cancelled | DealState::Lapsed => "4",
            DealState::Refunded => "5",
            DealState::Authorized | DealState::Unpaid => "1",
        },
        _ => match deal.state {
            DealState::Captured => "2",
            DealState::Cancelled | DealState::Lapsed => "3",
            DealState::Refunded => "4",
            DealState::Authorized | DealState::Unpaid => "1",
        },
    };
    if let Some(last4) = &deal.last4 {
        let number = match asked.value("response_info_type") {
            "1" => Some("****************".to_owned()),
            "2" => Some(format!("************{last4}")),
            _ => None,
        };
        // Writing into a String cannot fail.
        if let Some(number) = number {
            let _ = write!(
                out,
                "<res_pay_method_info_detail><cc_number>{number}</cc_number><dealings_type>10</dealings_type>\
                 <divide_times></divide_times><bonus_details_times></bonus_details_times></res_pay_method_info_detail>"
            );
        }
        out.push_str("<cc_company_code>99661</cc_company_code>");
        if asked.value("pay_option_manage/cardbrand_return_flg") == "1" {
            out.push_str("<cardbrand_code>V</cardbrand_code>");
        }
        out.push_str("<recognized_no>0000001</recognized_no><commit_status>1</commit_status>");
    }
    let _ = write!(out, "<payment_status>{state}</payment_status></res_pay_method_info>");
    out
}
