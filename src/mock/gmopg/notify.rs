//! Result notifications: what they say, and what an answer means (sheet, "Callback", 2026-11-23). Nothing in them is
//! signed, and the two passwords are stars.

use std::time::SystemTime;

use super::fault::DeliveryFault;
use super::link::Method;
use super::wire::PAGES;
use super::world::{Deal, Shop, World};
use crate::mock::form;
use crate::mock::jst;
use crate::mock::outbox::{DeliveryOutcome, Office, Outbox, Report};

/// The fields of one notification.
pub(super) fn fields(shop: &Shop, order_id: &str, deal: &Deal, now: SystemTime) -> Vec<(&'static str, String)> {
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

impl Office for World {
    type Fault = DeliveryFault;

    fn pass_time(&mut self, now: SystemTime) {
        self.settle_what_is_due(now);
    }

    fn outbox(&mut self) -> &mut Outbox<DeliveryFault> {
        &mut self.outbox
    }

    fn letter(&mut self, report: &Report, blemish: Option<DeliveryFault>) -> Vec<u8> {
        let mut fields = report.fields.clone();
        let mut set = |name: &str, into: &str| {
            for (_, value) in fields.iter_mut().filter(|(field, _)| *field == name) {
                into.clone_into(value);
            }
        };
        match blemish {
            Some(DeliveryFault::OtherShop) => set("ShopID", "tshop99999999"),
            Some(DeliveryFault::OtherAmount) => set("Amount", "1"),
            Some(DeliveryFault::SaysPaid) => set("Status", "CAPTURE"),
            Some(DeliveryFault::Doubled) => fields.push(("Status", "CAPTURE".to_owned())),
            _ => {}
        }
        // Every value of these is ASCII, so the charset, which is not confirmed, makes no difference.
        form::write(PAGES, fields.iter().map(|(name, value)| (*name, value.as_str())))
    }

    /// 200 and exactly one digit, whatever its type.
    fn judge(status: u16, _plain: bool, body: &[u8]) -> DeliveryOutcome {
        match (status, body) {
            (200, b"0") => DeliveryOutcome::Taken,
            (200, b"1") => DeliveryOutcome::Refused(String::new()),
            _ => DeliveryOutcome::NotAnAck { status },
        }
    }

    /// A mail to the shop, which nobody reads here: `undelivered` tells.
    fn given_up(&mut self, _report: &Report) {}
}
