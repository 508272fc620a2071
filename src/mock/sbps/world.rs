//! The state behind everything: shops, their orders, and what becomes of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::call::RequestView;
use super::fault::{DeliveryFault, Fault, Operation};
use super::purchase::{Purchase, Refusal, Way, way};
use crate::mock::armed::Quiver;
use crate::mock::card::Taken;
use crate::mock::ids::Ids;
use crate::mock::jst;
use crate::mock::loopback;
use crate::mock::notification::{Outbox, Report};
use crate::mock::outbox;

pub(super) type Shared = outbox::Shared<World>;

/// Every shop here has one service.
pub(super) const SERVICE_ID: &str = "001";

/// How the simulator behaves, fixed when it starts.
#[derive(Clone)]
pub(super) struct Settings {
    /// How long a slip takes to be paid, or to lapse.
    pub(super) delayed: Duration,
    pub(super) cards: Taken,
    pub(super) japanese: bool,
    /// Whether a sale is undone whose report nobody took.
    pub(super) undo_unreported: bool,
    /// `http://127.0.0.1:port`, known once it listens.
    pub(super) base: String,
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) ids: Ids,
    pub(super) shops: Vec<Shop>,
    pub(super) outbox: Outbox<DeliveryFault>,
    pub(super) faults: Arc<Quiver<Fault, Operation>>,
    pub(super) refusals: Vec<Refusal>,
    /// The calls of the API, each with the shop whose credentials it carried.
    pub(super) requests: Vec<(Option<usize>, RequestView)>,
}

/// One merchant id and service id.
pub(super) struct Shop {
    pub(super) merchant_id: String,
    pub(super) service_id: String,
    pub(super) hash_key: String,
    pub(super) password: String,
    pub(super) name: String,
    /// Sales on demand instead of at once.
    pub(super) on_demand: bool,
    /// Where results go instead of to the address in the form.
    pub(super) notify_at: Option<String>,
    pub(super) orders: Vec<Order>,
}

impl Shop {
    pub(super) fn basic_user(&self) -> String {
        format!("{}{}", self.merchant_id, self.service_id)
    }
}

/// One accepted purchase request.
pub(super) struct Order {
    /// Opens its page to whoever has it.
    pub(super) session: String,
    pub(super) purchase: Purchase,
    pub(super) stage: Stage,
    pub(super) challenge: Option<Challenge>,
    pub(super) deal: Option<Deal>,
    /// The last result, as both channels report it.
    pub(super) report: Option<Vec<(&'static str, String)>>,
}

impl Order {
    pub(super) fn id(&self) -> &str {
        self.purchase.value("order_id")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// The shopper went back.
    Cancelled,
    /// Refused by the bank.
    Failed,
    /// Accepted; the deal tells the rest.
    Done,
}

/// The bank's question, and the card it is about.
pub(super) struct Challenge {
    pub(super) token: String,
    pub(super) method: String,
    pub(super) last4: String,
}

/// A payment as SBPS keeps it.
#[derive(Clone)]
pub(super) struct Deal {
    pub(super) tracking_id: String,
    pub(super) method: String,
    pub(super) last4: Option<String>,
    pub(super) state: DealState,
    /// What was authorized and then sold.
    pub(super) amount: u64,
    pub(super) refunded: u64,
    pub(super) made: SystemTime,
    pub(super) sold: Option<SystemTime>,
    /// When a slip is decided, and how.
    pub(super) due: Option<(SystemTime, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DealState {
    Authorized,
    Captured,
    Cancelled,
    Refunded,
    /// A slip or a number was issued.
    Unpaid,
    /// The term of a slip has passed.
    Lapsed,
}

/// A person's try to pay, as far as the page is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    Accepted,
    Declined,
    Challenge,
    /// The order is not open any more.
    Closed,
}

impl World {
    pub(super) fn new(settings: Settings, ids: Ids, retry_after: Vec<Duration>) -> Self {
        Self {
            settings,
            ids,
            shops: Vec::new(),
            outbox: Outbox::new(retry_after),
            faults: Arc::default(),
            refusals: Vec::new(),
            requests: Vec::new(),
        }
    }

    /// Opens a shop; its place is its handle. Returns its merchant id, its hash key and its password, too.
    pub(super) fn open_shop(&mut self, name: &str) -> (usize, [String; 3]) {
        let place = self.shops.len();
        let merchant_id = format!("{}", 90_000 + (place % 9_000));
        let hash_key = hex40(&mut self.ids);
        let password = hex40(&mut self.ids);
        self.shops.push(Shop {
            merchant_id: merchant_id.clone(),
            service_id: SERVICE_ID.to_owned(),
            hash_key: hash_key.clone(),
            password: password.clone(),
            name: name.to_owned(),
            on_demand: false,
            notify_at: None,
            orders: Vec::new(),
        });
        (place, [merchant_id, hash_key, password])
    }

    /// Gives a shop another hash key and another password.
    pub(super) fn change_keys(&mut self, at: usize) -> (String, String) {
        let keys = (hex40(&mut self.ids), hex40(&mut self.ids));
        if let Some(shop) = self.shops.get_mut(at) {
            (shop.hash_key, shop.password) = keys.clone();
        }
        keys
    }

    /// Judges a purchase request and, if it is good, opens a page for it; gives the page's session.
    pub(super) fn take(&mut self, body: &[u8], now: SystemTime, keep: bool) -> Result<String, Refusal> {
        let purchase = Purchase::read(body)?;
        let named = |shop: &Shop| {
            purchase.value("merchant_id") == shop.merchant_id && purchase.value("service_id") == shop.service_id
        };
        let shop = self.shops.iter_mut().find(|shop| named(shop)).ok_or(Refusal::Shop)?;
        if !purchase.is_signed_with(&shop.hash_key) {
            return Err(Refusal::Hash);
        }
        purchase.check(now)?;
        // No result leaves this machine.
        let target = shop.notify_at.as_deref().unwrap_or(purchase.value("pagecon_url"));
        if loopback(target).is_err() {
            return Err(Refusal::Address);
        }
        // Unique for good: a double click, a reload, or a second try after the shopper went back are refused alike.
        if shop.orders.iter().any(|order| order.id() == purchase.value("order_id")) {
            return Err(Refusal::Used);
        }
        let session = self.ids.make("", 32);
        if keep {
            shop.orders.push(Order {
                session: session.clone(),
                purchase,
                stage: Stage::Open,
                challenge: None,
                deal: None,
                report: None,
            });
        }
        Ok(session)
    }

    /// The shop and the order whose page this is.
    pub(super) fn session(&self, session: &str) -> Option<(usize, usize)> {
        self.shops.iter().enumerate().find_map(|(at, shop)| {
            let order = shop.orders.iter().position(|order| order.session == session)?;
            Some((at, order))
        })
    }

    pub(super) fn order(&self, (shop, order): (usize, usize)) -> Option<(&Shop, &Order)> {
        let shop = self.shops.get(shop)?;
        Some((shop, shop.orders.get(order)?))
    }

    pub(super) fn order_mut(&mut self, (shop, order): (usize, usize)) -> Option<&mut Order> {
        self.shops.get_mut(shop)?.orders.get_mut(order)
    }

    /// A card, known to be good as a card. With 3-D Secure the bank asks first, if the card wants it to.
    pub(super) fn present(
        &mut self,
        at: (usize, usize),
        method: &str,
        last4: &str,
        asks: bool,
        good: bool,
        now: SystemTime,
    ) -> Tried {
        if !self.is_open(at) {
            return Tried::Closed;
        }
        if asks && way(method) == Some(Way::Card { secure: true }) {
            let token = self.ids.make("", 24);
            if let Some(order) = self.order_mut(at) {
                order.challenge = Some(Challenge {
                    token,
                    method: method.to_owned(),
                    last4: last4.to_owned(),
                });
            }
            return Tried::Challenge;
        }
        if good {
            self.accept(at, method, Some(last4), now)
        } else {
            self.refuse(at, method, now)
        }
    }

    /// The answer to the bank's question.
    pub(super) fn answer_challenge(&mut self, at: (usize, usize), token: &str, passed: bool, now: SystemTime) -> Tried {
        if !self.is_open(at) {
            return Tried::Closed;
        }
        let asked = self
            .order_mut(at)
            .and_then(|order| order.challenge.take_if(|asked| asked.token == token));
        match asked {
            Some(asked) if passed => self.accept(at, &asked.method, Some(&asked.last4), now),
            Some(asked) => self.refuse(at, &asked.method, now),
            None => Tried::Closed,
        }
    }

    /// A wallet: accepted at once.
    pub(super) fn by_wallet(&mut self, at: (usize, usize), method: &str, now: SystemTime) -> Tried {
        if self.is_open(at) {
            self.accept(at, method, None, now)
        } else {
            Tried::Closed
        }
    }

    /// A slip or a number; it will be paid, or it will not.
    pub(super) fn by_slip(&mut self, at: (usize, usize), method: &str, arrives: bool, now: SystemTime) -> Tried {
        if !self.is_open(at) {
            return Tried::Closed;
        }
        let due = now.checked_add(self.settings.delayed).unwrap_or(now);
        let tried = self.accept(at, method, None, now);
        if let Some(deal) = self.order_mut(at).and_then(|order| order.deal.as_mut()) {
            deal.state = DealState::Unpaid;
            deal.sold = None;
            deal.due = Some((due, arrives));
        }
        tried
    }

    pub(super) fn go_back(&mut self, at: (usize, usize)) -> Tried {
        if !self.is_open(at) {
            return Tried::Closed;
        }
        if let Some(order) = self.order_mut(at) {
            order.stage = Stage::Cancelled;
            order.challenge = None;
        }
        Tried::Accepted
    }

    fn is_open(&self, at: (usize, usize)) -> bool {
        self.order(at).is_some_and(|(_, order)| order.stage == Stage::Open)
    }

    fn accept(&mut self, at: (usize, usize), method: &str, last4: Option<&str>, now: SystemTime) -> Tried {
        let tracking_id = digits14(&mut self.ids);
        let Some(shop) = self.shops.get_mut(at.0) else {
            return Tried::Closed;
        };
        let on_demand = shop.on_demand;
        let Some(order) = shop.orders.get_mut(at.1) else {
            return Tried::Closed;
        };
        order.stage = Stage::Done;
        order.challenge = None;
        order.deal = Some(Deal {
            tracking_id,
            method: method.to_owned(),
            last4: last4.map(str::to_owned),
            state: if on_demand {
                DealState::Authorized
            } else {
                DealState::Captured
            },
            amount: order.purchase.amount(),
            refunded: 0,
            made: now,
            sold: (!on_demand).then_some(now),
            due: None,
        });
        self.report(at, method, "OK", "", now);
        Tried::Accepted
    }

    fn refuse(&mut self, at: (usize, usize), method: &str, now: SystemTime) -> Tried {
        if let Some(order) = self.order_mut(at) {
            order.stage = Stage::Failed;
            order.challenge = None;
        }
        // Four digits, as in the one table that was seen; what they mean is not published.
        self.report(at, method, "NG", "1101", now);
        Tried::Declined
    }

    /// Writes a result down and sends it on its way to the store.
    fn report(&mut self, at: (usize, usize), method: &str, result: &'static str, error: &str, now: SystemTime) {
        let Some((shop, order)) = self.order(at) else { return };
        let stamp = jst::digits(now);
        let tracking_id = order.deal.as_ref().map_or("", |deal| deal.tracking_id.as_str());
        let paid_at = if result == "NG" { "" } else { stamp.as_str() };
        let fields = super::wire::RESULT
            .iter()
            .map(|name| {
                let value = match *name {
                    "res_pay_method" => method,
                    "res_result" => result,
                    "res_tracking_id" => tracking_id,
                    "res_payment_date" => paid_at,
                    "res_err_code" => error,
                    "res_date" => &stamp,
                    "res_sps_cust_no" | "res_sps_payment_no" | "res_payinfo_key" => "",
                    echoed => order.purchase.value(echoed),
                };
                (*name, value.to_owned())
            })
            .collect::<Vec<_>>();
        let url = shop
            .notify_at
            .clone()
            .unwrap_or_else(|| order.purchase.value("pagecon_url").to_owned());
        let report = Report {
            at,
            order_id: order.id().to_owned(),
            result,
            url,
            fields: fields.clone(),
            // Only the reports of deposits are repeated (sheet, "Retries").
            repeats: matches!(result, "PY" | "CN"),
        };
        // The browser comes back from the page, not from the counter.
        if let Some(order) = self.order_mut(at).filter(|_| matches!(result, "OK" | "NG")) {
            order.report = Some(fields);
        }
        self.outbox.publish(report, now);
    }

    /// Decides a slip.
    pub(super) fn settle(&mut self, at: (usize, usize), arrived: bool, now: SystemTime) -> bool {
        let Some(deal) = self.order_mut(at).and_then(|order| order.deal.as_mut()) else {
            return false;
        };
        if deal.state != DealState::Unpaid {
            return false;
        }
        deal.due = None;
        let method = deal.method.clone();
        if arrived {
            deal.state = DealState::Captured;
            deal.sold = Some(now);
        } else {
            deal.state = DealState::Lapsed;
        }
        self.report(at, &method, if arrived { "PY" } else { "CN" }, "", now);
        true
    }

    /// Does everything that has become due.
    pub(super) fn settle_what_is_due(&mut self, now: SystemTime) {
        let mut due = Vec::new();
        for (shop_at, shop) in self.shops.iter().enumerate() {
            for (order_at, order) in shop.orders.iter().enumerate() {
                if let Some((when, arrives)) = order.deal.as_ref().and_then(|deal| deal.due)
                    && when <= now
                {
                    due.push((when, (shop_at, order_at), arrives));
                }
            }
        }
        // In the order in which they became due, and dated so.
        due.sort_by_key(|(when, ..)| *when);
        for (when, at, arrives) in due {
            self.settle(at, arrives, when);
        }
    }
}

/// 40 hex digits, as every published hash key has.
fn hex40(ids: &mut Ids) -> String {
    let random = ids.make("", 40);
    base16ct::lower::encode_string(&super::wire::hash(super::wire::Over::Utf8, [random.as_str()], ""))
}

/// 14 digits. The first is an 8, as in the published sample, so that no test depends on leading zeros by luck.
fn digits14(ids: &mut Ids) -> String {
    let random = ids.make("", 13);
    let digits = random.bytes().map(|byte| char::from(b'0' + byte % 10));
    std::iter::once('8').chain(digits).collect()
}
