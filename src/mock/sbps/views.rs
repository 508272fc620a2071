//! What tests see of the inside.

use super::world::{DealState, Order, Stage};

/// One accepted purchase request, as it stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OrderView {
    /// The store's order id.
    pub order_id: String,
    /// Yen, tax included.
    pub amount: u64,
    /// Where it stands.
    pub status: OrderStatus,
    /// The method that was used.
    pub method: Option<String>,
    /// `res_tracking_id`, once there is a deal.
    pub tracking_id: Option<String>,
    /// Yen that were sold; less than `amount` after a capture in part.
    pub captured: u64,
    /// Yen that were sent back.
    pub refunded: u64,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OrderStatus {
    /// The shopper is on the page.
    Open,
    /// The shopper went back to the store.
    Cancelled,
    /// Refused.
    Failed,
    /// A slip or a number was issued, and nobody has paid.
    Unpaid,
    /// The slip's term has passed.
    Expired,
    /// The card is good for it.
    Authorized,
    /// Sold.
    Captured,
    /// Let go after it was authorized.
    Voided,
    /// Sent back, all of it.
    Refunded,
}

impl OrderView {
    pub(super) fn of(order: &Order) -> Self {
        let deal = order.deal.as_ref();
        let status = match (order.stage, deal.map(|deal| deal.state)) {
            (Stage::Open, _) => OrderStatus::Open,
            (Stage::Cancelled, _) => OrderStatus::Cancelled,
            (Stage::Failed, _) | (Stage::Done, None) => OrderStatus::Failed,
            (Stage::Done, Some(DealState::Unpaid)) => OrderStatus::Unpaid,
            (Stage::Done, Some(DealState::Lapsed)) => OrderStatus::Expired,
            (Stage::Done, Some(DealState::Authorized)) => OrderStatus::Authorized,
            (Stage::Done, Some(DealState::Captured)) => OrderStatus::Captured,
            (Stage::Done, Some(DealState::Cancelled)) => OrderStatus::Voided,
            (Stage::Done, Some(DealState::Refunded)) => OrderStatus::Refunded,
        };
        Self {
            order_id: order.id().to_owned(),
            amount: order.purchase.amount(),
            status,
            method: deal.map(|deal| deal.method.clone()),
            tracking_id: deal.map(|deal| deal.tracking_id.clone()),
            captured: deal.filter(|deal| deal.sold.is_some()).map_or(0, |deal| deal.amount),
            refunded: deal.map_or(0, |deal| deal.refunded),
        }
    }
}
