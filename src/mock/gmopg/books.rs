//! The books of a shop: its links, and the deals that came of them.

use std::time::SystemTime;

use super::link::{Link, Method};
use super::wire::Complaint;
use crate::mock::jst;

/// One shop id.
pub(super) struct Shop {
    pub(super) id: String,
    pub(super) pass: String,
    pub(super) name: String,
    /// Where notifications go, set in the shop admin screen; without it none is sent.
    pub(super) notify_at: Option<String>,
    pub(super) orders: Vec<Order>,
}

/// One link.
pub(super) struct Order {
    /// Opens its page to whoever has it: the last part of its address.
    pub(super) token: String,
    pub(super) link: Link,
    /// When it was first opened: `ExpireDays` counts from there.
    pub(super) opened: Option<SystemTime>,
    pub(super) stage: Stage,
    pub(super) challenge: Option<Challenge>,
    pub(super) deal: Option<Deal>,
    /// The value of `result` on the way back.
    pub(super) result: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    /// Disabled by the store.
    Rejected,
    /// Refused by the card company. The order id is used up.
    Failed,
    /// Accepted; the deal tells the rest.
    Done,
}

/// The bank's question, and the card it is about.
pub(super) struct Challenge {
    pub(super) token: String,
    pub(super) last4: String,
}

/// A deal as GMO-PG keeps it.
#[derive(Clone)]
pub(super) struct Deal {
    pub(super) access_id: String,
    pub(super) access_pass: String,
    pub(super) method: Method,
    /// GMO-PG's word.
    pub(super) status: &'static str,
    pub(super) job: &'static str,
    pub(super) amount: u64,
    pub(super) tax: u64,
    pub(super) tran_id: String,
    pub(super) approve: String,
    pub(super) made: SystemTime,
    /// When money was taken.
    pub(super) sold: Option<SystemTime>,
    /// What was refused, if it was.
    pub(super) error: Option<Complaint>,
    /// When a slip is decided, and how.
    pub(super) due: Option<(SystemTime, bool)>,
    pub(super) receipt: String,
}

/// The fields of one notification.
pub(super) fn notification(shop: &Shop, order_id: &str, deal: &Deal, now: SystemTime) -> Vec<(&'static str, String)> {
    let by_card = deal.method == Method::Credit && deal.error.is_none();
    let card = |text: &str| if by_card { text.to_owned() } else { String::new() };
    let error = deal.error.unwrap_or_default();
    let mut fields = vec![
        ("ShopID", shop.id.clone()),
        ("ShopPass", "*".repeat(10)),
        ("AccessID", deal.access_id.clone()),
        ("AccessPass", "*".repeat(32)),
        ("OrderID", order_id.to_owned()),
        ("Status", deal.status.to_owned()),
        ("JobCd", deal.job.to_owned()),
        ("Amount", deal.amount.to_string()),
        ("Tax", deal.tax.to_string()),
        ("Currency", "JPN".to_owned()),
        ("Forward", card("2a99662")),
        ("Method", card("1")),
        ("PayTimes", String::new()),
        ("TranID", card(&deal.tran_id)),
        ("Approve", card(&deal.approve)),
        ("TranDate", jst::digits(now)),
        ("ErrCode", error.get(..3).unwrap_or_default().to_owned()),
        ("ErrInfo", error.to_owned()),
        ("PayType", deal.method.pay_type().to_owned()),
    ];
    if deal.method == Method::Cvs {
        let until = deal.due.map(|(due, _)| jst::digits(due)).unwrap_or_default();
        fields.extend([
            ("CvsCode", "00007".to_owned()),
            ("CvsConfNo", String::new()),
            ("CvsReceiptNo", deal.receipt.clone()),
            ("PaymentTerm", until),
            ("FinishDate", deal.sold.map(jst::digits).unwrap_or_default()),
        ]);
    }
    fields
}
