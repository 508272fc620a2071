//! What tests see of the inside.

use super::books::{Order, Stage};

/// One link and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OrderView {
    /// The store's order id.
    pub order_id: String,
    /// Yen, without tax.
    pub amount: u64,
    /// Yen of tax and shipping.
    pub tax: u64,
    /// Where the page stands.
    pub page: PageStatus,
    /// GMO-PG's word for the deal, such as `CAPTURE`, once there is one.
    pub status: Option<String>,
    /// The method that was used, such as `credit`.
    pub method: Option<String>,
    /// The deal's id.
    pub access_id: Option<String>,
    /// Yen that were taken and not sent back.
    pub taken: u64,
}

/// Where a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageStatus {
    /// It can be used, if its time is not over.
    Open,
    /// The store disabled it.
    Rejected,
    /// The card was refused; the order id is used up.
    Failed,
    /// Something was accepted on it: a payment, or a slip.
    Done,
}

impl OrderView {
    pub(super) fn of(order: &Order) -> Self {
        let deal = order.deal.as_ref();
        let taken = deal.filter(|deal| matches!(deal.status, "CAPTURE" | "SALES" | "PAYSUCCESS"));
        Self {
            order_id: order.link.order_id.clone(),
            amount: order.link.amount,
            tax: order.link.tax,
            page: match order.stage {
                Stage::Open => PageStatus::Open,
                Stage::Rejected => PageStatus::Rejected,
                Stage::Failed => PageStatus::Failed,
                Stage::Done => PageStatus::Done,
            },
            status: deal.map(|deal| deal.status.to_owned()),
            method: deal.map(|deal| deal.method.name().to_owned()),
            access_id: deal.map(|deal| deal.access_id.clone()),
            taken: taken.map_or(0, |deal| deal.amount + deal.tax),
        }
    }
}
