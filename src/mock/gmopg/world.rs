//! The state behind everything: shops, their orders, and what becomes of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::books::{self, Challenge, Deal, Order, Shop, Stage};
use super::call::RequestView;
use super::fault::{DeliveryFault, Fault, Operation};
use super::link::{self, Method};
use super::wire::{self, BAD_SHOP, CARD_REFUSED, Complaint, NO_SUCH_ORDER, NOT_POSSIBLE, ORDER_USED, TOO_LATE};
use crate::mock::armed::Quiver;
use crate::mock::card::Taken;
use crate::mock::ids::Ids;
use crate::mock::jst;
use crate::mock::notification::{Outbox, Report};
use crate::mock::outbox;

pub(super) type Shared = outbox::Shared<World>;

/// How the simulator behaves, fixed when it starts.
#[derive(Clone)]
pub(super) struct Settings {
    /// How long a slip takes to be paid, or to lapse.
    pub(super) delayed: Duration,
    pub(super) cards: Taken,
    pub(super) japanese: bool,
    /// `http://127.0.0.1:port`, known once it listens.
    pub(super) base: String,
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) ids: Ids,
    pub(super) shops: Vec<Shop>,
    pub(super) outbox: Outbox<DeliveryFault>,
    pub(super) faults: Arc<Quiver<Fault, Operation>>,
    /// The calls of the API, each with the shop whose credentials it carried.
    pub(super) requests: Vec<(Option<usize>, RequestView)>,
}

/// A person's try to pay, as far as the page is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// It was taken, declined, or the bank asks: the page shows what comes next.
    Seen,
    /// The page is not open any more.
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
            requests: Vec::new(),
        }
    }

    /// Opens a shop; its place is its handle. Returns its id and its password, too.
    pub(super) fn open_shop(&mut self, name: &str) -> (usize, [String; 2]) {
        let place = self.shops.len();
        // Test shops are seen to start with these five letters; 13 characters in all.
        let shop_id = format!("tshop{:08}", 90_000 + place);
        let shop_pass = self.ids.make("", 10);
        self.shops.push(Shop {
            id: shop_id.clone(),
            pass: shop_pass.clone(),
            name: name.to_owned(),
            notify_at: None,
            orders: Vec::new(),
        });
        (place, [shop_id, shop_pass])
    }

    /// Gives a shop another password.
    pub(super) fn change_pass(&mut self, at: usize) -> String {
        let pass = self.ids.make("", 10);
        if let Some(shop) = self.shops.get_mut(at) {
            shop.pass.clone_from(&pass);
        }
        pass
    }

    /// The shop whose credentials these are. Those of a real shop are nobody's here.
    pub(super) fn shop(&self, id: &str, pass: &str) -> Result<usize, Complaint> {
        let own = |shop: &Shop| shop.id == id && shop.pass == pass;
        self.shops.iter().position(own).ok_or(BAD_SHOP)
    }

    /// Makes a link, or refuses; gives its order.
    pub(super) fn create(&mut self, shop: usize, body: &Map<String, Value>) -> Result<usize, Complaint> {
        let link = link::read(body)?;
        let token: String = (0..2).map(|_| hex32(&mut self.ids)).collect();
        let shop = self.shops.get_mut(shop).ok_or(BAD_SHOP)?;
        if shop.orders.iter().any(|order| order.link.order_id == link.order_id) {
            return Err(ORDER_USED);
        }
        shop.orders.push(Order {
            token,
            link,
            opened: None,
            stage: Stage::Open,
            challenge: None,
            deal: None,
            result: None,
        });
        Ok(shop.orders.len() - 1)
    }

    /// Disables a link. It undoes no payment.
    pub(super) fn reject(&mut self, at: (usize, usize)) {
        if let Some(order) = self.order_mut(at)
            && order.stage == Stage::Open
            && order.challenge.is_none()
        {
            order.stage = Stage::Rejected;
        }
    }

    pub(super) fn by_order_id(&self, shop: usize, order_id: &str) -> Option<(usize, usize)> {
        let orders = &self.shops.get(shop)?.orders;
        let order = orders.iter().position(|order| order.link.order_id == order_id)?;
        Some((shop, order))
    }

    /// The order of the page with this shop and token.
    pub(super) fn by_token(&self, shop_id: &str, token: &str) -> Option<(usize, usize)> {
        let shop = self.shops.iter().position(|shop| shop.id == shop_id)?;
        let orders = &self.shops.get(shop)?.orders;
        let order = orders.iter().position(|order| order.token == token)?;
        Some((shop, order))
    }

    /// The order of a link of the parameter type. It comes to be when somebody opens it.
    pub(super) fn by_segment(&mut self, shop_id: &str, segment: &str) -> Result<(usize, usize), Complaint> {
        let shop = self.shops.iter().position(|shop| shop.id == shop_id).ok_or(BAD_SHOP)?;
        let pass = self.shops.get(shop).map_or("", |shop| shop.pass.as_str());
        let json = wire::opened(segment, pass).ok_or(BAD_SHOP)?;
        let body: Map<String, Value> = serde_json::from_slice(&json).map_err(|_| wire::LINK_INPUT)?;
        let order_id = body
            .get("transaction")
            .and_then(|transaction| transaction.get("OrderID"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        match self.by_order_id(shop, order_id) {
            Some(at) => Ok(at),
            None => self.create(shop, &body).map(|order| (shop, order)),
        }
    }

    pub(super) fn order(&self, (shop, order): (usize, usize)) -> Option<(&Shop, &Order)> {
        let shop = self.shops.get(shop)?;
        Some((shop, shop.orders.get(order)?))
    }

    pub(super) fn order_mut(&mut self, (shop, order): (usize, usize)) -> Option<&mut Order> {
        self.shops.get_mut(shop)?.orders.get_mut(order)
    }

    /// Somebody looks at the page.
    pub(super) fn visited(&mut self, at: (usize, usize), now: SystemTime) {
        if let Some(order) = self.order_mut(at) {
            order.opened.get_or_insert(now);
        }
    }

    /// Whether a payment can begin. The earlier limit wins (sheet, "Create hosted payment").
    pub(super) fn is_open(&self, at: (usize, usize), now: SystemTime) -> bool {
        let Some((_, order)) = self.order(at) else { return false };
        let by_days = order
            .opened
            .zip(order.link.expire_days)
            .map(|(opened, days)| jst::end_of_day(opened, days));
        let over = |limit: Option<SystemTime>| limit.is_some_and(|limit| limit < now);
        order.stage == Stage::Open && !over(order.link.expires) && !over(by_days)
    }

    /// A card, known to be good as a card. With 3-D Secure the bank asks first, if the card wants it to.
    pub(super) fn by_card(
        &mut self,
        at: (usize, usize),
        last4: &str,
        (asks, good): (bool, bool),
        now: SystemTime,
    ) -> Tried {
        if !self.is_open(at, now) {
            return Tried::Closed;
        }
        let secure = self.order(at).is_some_and(|(_, order)| order.link.secure);
        self.begin(at, Method::Credit, now);
        if asks && secure {
            let token = self.ids.make("", 24);
            if let Some(order) = self.order_mut(at) {
                order.challenge = Some(Challenge {
                    token,
                    last4: last4.to_owned(),
                });
            }
            self.change(at, |deal| deal.status = "AUTHENTICATED");
            return Tried::Seen;
        }
        self.decide(at, good, now);
        Tried::Seen
    }

    /// The answer to the bank's question. It counts although the page's time is over (trap 9).
    pub(super) fn answer_challenge(&mut self, at: (usize, usize), token: &str, passed: bool, now: SystemTime) -> Tried {
        let asked = self
            .order_mut(at)
            .and_then(|order| order.challenge.take_if(|asked| asked.token == token));
        if asked.is_none() {
            return Tried::Closed;
        }
        self.decide(at, passed, now);
        Tried::Seen
    }

    /// A wallet: accepted at once.
    pub(super) fn by_wallet(&mut self, at: (usize, usize), now: SystemTime) -> Tried {
        if !self.is_open(at, now) {
            return Tried::Closed;
        }
        self.begin(at, Method::PayPay, now);
        self.decide(at, true, now);
        Tried::Seen
    }

    /// A slip; it will be paid, or it will not.
    pub(super) fn by_slip(&mut self, at: (usize, usize), arrives: bool, now: SystemTime) -> Tried {
        if !self.is_open(at, now) {
            return Tried::Closed;
        }
        let due = now.checked_add(self.settings.delayed).unwrap_or(now);
        self.begin(at, Method::Cvs, now);
        self.change(at, |deal| {
            deal.status = "REQSUCCESS";
            deal.due = Some((due, arrives));
        });
        if let Some(order) = self.order_mut(at) {
            order.stage = Stage::Done;
        }
        self.tell(at, Some("REQSUCCESS"), now);
        Tried::Seen
    }

    /// The way back without paying. The page stays as it is: whoever comes again can pay.
    pub(super) fn cancelled_result(&self, at: (usize, usize), now: SystemTime) -> String {
        self.order(at)
            .map(|(shop, order)| result(shop, order, "PAYSTART", now))
            .unwrap_or_default()
    }

    /// Registers a deal, unpaid.
    fn begin(&mut self, at: (usize, usize), method: Method, now: SystemTime) {
        let (access_id, access_pass) = (hex32(&mut self.ids), hex32(&mut self.ids));
        let (tran_id, receipt) = (digits(&mut self.ids, 28), digits(&mut self.ids, 11));
        // Seven characters, and the first one may be a space, as in the sample of the sheet.
        let approve = format!(" {}", digits(&mut self.ids, 6));
        if let Some(order) = self.order_mut(at) {
            order.deal = Some(Deal {
                access_id,
                access_pass,
                method,
                status: "UNPROCESSED",
                job: order.link.job,
                amount: order.link.amount,
                tax: order.link.tax,
                tran_id,
                approve,
                made: now,
                sold: None,
                error: None,
                due: None,
                receipt,
            });
        }
    }

    /// The card company, or the wallet, answers.
    fn decide(&mut self, at: (usize, usize), good: bool, now: SystemTime) {
        self.change(at, |deal| {
            if good {
                deal.status = deal.job;
                deal.sold = (deal.job == "CAPTURE").then_some(now);
            } else {
                deal.status = "UNPROCESSED";
                deal.error = Some(CARD_REFUSED);
            }
        });
        if let Some(order) = self.order_mut(at) {
            order.stage = if good { Stage::Done } else { Stage::Failed };
        }
        self.tell(at, Some(if good { "PAYSUCCESS" } else { "ERROR" }), now);
    }

    fn change(&mut self, at: (usize, usize), change: impl FnOnce(&mut Deal)) {
        if let Some(deal) = self.order_mut(at).and_then(|order| order.deal.as_mut()) {
            change(deal);
        }
    }

    /// Writes the result for the browser, if it is still on the page, and sends the notification on its way.
    fn tell(&mut self, at: (usize, usize), word: Option<&str>, now: SystemTime) {
        if let Some(word) = word {
            let text = self.order(at).map(|(shop, order)| result(shop, order, word, now));
            if let Some(order) = self.order_mut(at) {
                order.result = text;
            }
        }
        let Some((shop, order)) = self.order(at) else { return };
        let (Some(url), Some(deal)) = (&shop.notify_at, &order.deal) else {
            return;
        };
        let report = Report {
            at,
            order_id: order.link.order_id.clone(),
            result: deal.status,
            url: url.clone(),
            fields: books::notification(shop, &order.link.order_id, deal, now),
            repeats: true,
        };
        self.outbox.publish(report, now);
    }

    /// Decides a slip.
    pub(super) fn settle(&mut self, at: (usize, usize), arrived: bool, now: SystemTime) -> bool {
        let Some(deal) = self.order_mut(at).and_then(|order| order.deal.as_mut()) else {
            return false;
        };
        if deal.status != "REQSUCCESS" {
            return false;
        }
        deal.due = None;
        deal.status = if arrived { "PAYSUCCESS" } else { "EXPIRED" };
        deal.sold = arrived.then_some(now);
        self.tell(at, None, now);
        true
    }

    /// Settles every slip that is due.
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

    /// The deal by card with this id and password.
    fn deal(&self, shop: usize, access_id: &str, access_pass: &str) -> Option<(usize, usize)> {
        let orders = &self.shops.get(shop)?.orders;
        let own = |order: &Order| {
            let deal = order.deal.as_ref();
            deal.is_some_and(|deal| deal.access_id == access_id && deal.access_pass == access_pass)
        };
        orders.iter().position(own).map(|order| (shop, order))
    }

    /// `AlterTran` (sheet, "Refund / cancel / capture"). Until when a sale can be called off is not confirmed; here it is
    /// the same day in Japan for a void, the same month for a return, and 180 days for a late return.
    pub(super) fn alter(
        &mut self,
        shop: usize,
        (id, pass): (&str, &str),
        job: &str,
        amount: Option<(u64, u64)>,
        now: SystemTime,
    ) -> Result<(usize, usize), Complaint> {
        let at = self.deal(shop, id, pass).ok_or(NO_SUCH_ORDER)?;
        let deal = self
            .order(at)
            .and_then(|(_, order)| order.deal.as_ref())
            .ok_or(NO_SUCH_ORDER)?;
        let paid = matches!(deal.status, "CAPTURE" | "SALES");
        let sold = deal.sold.unwrap_or(deal.made);
        let (day, month) = (jst::digits(sold), jst::digits(now));
        let same = |length: usize| day.get(..length) == month.get(..length);
        let status = match job {
            _ if deal.method != Method::Credit => return Err(NOT_POSSIBLE),
            "SALES" if deal.status == "AUTH" => {
                if amount != Some((deal.amount, deal.tax)) {
                    return Err(wire::INPUT);
                }
                "SALES"
            }
            "VOID" if deal.status == "AUTH" || (paid && same(8)) => "VOID",
            "RETURN" if paid && same(6) => "RETURN",
            "RETURNX" if paid && !same(6) => {
                let age = now.duration_since(sold).unwrap_or_default();
                if age > Duration::from_secs(180 * 24 * 3600) {
                    return Err(TOO_LATE);
                }
                "RETURNX"
            }
            "SALES" | "VOID" | "RETURN" | "RETURNX" => return Err(NOT_POSSIBLE),
            _ => return Err(wire::INPUT),
        };
        self.change(at, |deal| {
            deal.status = status;
            deal.job = status;
            if status == "SALES" {
                deal.sold = Some(now);
            }
        });
        self.tell(at, None, now);
        Ok(at)
    }

    /// `ChangeTran`: another amount, which is how a part is sent back.
    pub(super) fn change_amount(
        &mut self,
        shop: usize,
        (id, pass): (&str, &str),
        job: &str,
        (amount, tax): (u64, u64),
        now: SystemTime,
    ) -> Result<(usize, usize), Complaint> {
        let at = self.deal(shop, id, pass).ok_or(NO_SUCH_ORDER)?;
        let deal = self
            .order(at)
            .and_then(|(_, order)| order.deal.as_ref())
            .ok_or(NO_SUCH_ORDER)?;
        if !matches!(deal.status, "AUTH" | "CAPTURE" | "SALES") || deal.method != Method::Credit {
            return Err(NOT_POSSIBLE);
        }
        if job != deal.status || amount + tax == 0 {
            return Err(wire::INPUT);
        }
        self.change(at, |deal| {
            deal.amount = amount;
            deal.tax = tax;
        });
        self.tell(at, None, now);
        Ok(at)
    }
}

/// What the browser brings back: signed, without amount, without anything that ends its life (sheet, "Return").
fn result(shop: &Shop, order: &Order, word: &str, now: SystemTime) -> String {
    let deal = order.deal.as_ref();
    let error = deal.and_then(|deal| deal.error);
    let known = |value: Option<String>| value.map_or(Value::Null, Value::String);
    let mut body = json!({
        "transactionresult": {
            "AccessID": known(deal.map(|deal| deal.access_id.clone())),
            // Whether it is masked is not confirmed. A store has no use for it here.
            "AccessPass": known(deal.map(|_| "*".repeat(32))),
            "OrderID": order.link.order_id,
            "Result": word,
            "Processdate": jst::digits(now),
            "ErrCode": known(error.and_then(|info| info.get(..3)).map(str::to_owned)),
            "ErrInfo": known(error.map(str::to_owned)),
            "Paymethod": known(deal.map(|deal| deal.method.name().to_owned())),
        }
    });
    if let (Some(deal), Some(members)) = (deal, body.as_object_mut())
        && deal.method == Method::Credit
    {
        members.insert(
            "credit".to_owned(),
            json!({
                "Status": deal.status,
                "Forward": "2a99662",
                "Method": "1",
                "PayTimes": "",
                "TranID": deal.tran_id,
                "Approve": deal.approve,
                "TranDate": jst::digits(deal.made),
            }),
        );
    }
    wire::signed(&body.to_string(), &shop.pass)
}

/// 32 hex digits.
fn hex32(ids: &mut Ids) -> String {
    let random = ids.make("", 32);
    let hex = |byte: u8| char::from(*b"0123456789abcdef".get(usize::from(byte % 16)).unwrap_or(&b'0'));
    random.bytes().map(hex).collect()
}

fn digits(ids: &mut Ids, length: usize) -> String {
    let random = ids.make("", length);
    random.bytes().map(|byte| char::from(b'0' + byte % 10)).collect()
}
