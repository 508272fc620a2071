//! What tests see of the inside.

use std::time::SystemTime;

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

/// One call of the API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestView {
    /// The request id, such as `MG01-00101-101`; empty if the call was not read that far.
    pub id: String,
    /// The deal it was about.
    pub tracking_id: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// `res_err_code` of the answer; empty if all went well.
    pub error: String,
}

/// One delivery of one result, as the simulator saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryView {
    pub(super) shop: usize,
    /// The order it was about.
    pub order_id: String,
    /// `OK`, `NG`, `PY` or `CN`.
    pub result: String,
    /// Where it went.
    pub url: String,
    /// 1 for the first try; repeated tries of the same delivery count up.
    pub attempt: u32,
    /// When, by the simulator's clock.
    pub at: SystemTime,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// The body that was sent; empty if nothing was.
    pub body: Vec<u8>,
}

impl DeliveryView {
    /// Whether the store took it.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        self.outcome == DeliveryOutcome::Taken
    }
}

/// It holds what the customer bought; its length is shown.
impl std::fmt::Debug for DeliveryView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shop: _,
            order_id,
            result,
            url,
            attempt,
            at,
            outcome,
            body,
        } = self;
        f.debug_struct("DeliveryView")
            .field("order_id", order_id)
            .field("result", result)
            .field("url", url)
            .field("attempt", attempt)
            .field("at", at)
            .field("outcome", outcome)
            .field("body_bytes", &body.len())
            .finish_non_exhaustive()
    }
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// 200, `text/plain`, and exactly `OK,`.
    Taken,
    /// 200, `text/plain`, and `NG,` with this reason.
    Refused(String),
    /// An answer that is neither: another status, another type, a line break too many.
    NotAnAck {
        /// Its status.
        status: u16,
    },
    /// No answer: refused connection, time-out, broken reply.
    NoAnswer,
    /// Never sent, because of [`DeliveryFault::Dropped`](super::DeliveryFault::Dropped).
    Dropped,
}
