//! What a test can see of a merchant's books.

use std::time::SystemTime;

use serde_json::Value;

use super::account::Account;
use super::objects::Session;
use super::webhook::Event;

/// A session and its last payment, as they stand.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionView {
    /// 25 lower-case letters and digits.
    pub id: String,
    /// `pending`, `completed` or `cancelled`.
    pub status: String,
    /// Whether its time is over; the status does not say.
    pub expired: bool,
    /// Smallest units, without any fee.
    pub amount: u64,
    /// Upper case, as on the wire.
    pub currency: String,
    /// The store's reference.
    pub external_order_num: Option<String>,
    /// The last try to pay.
    pub payment: Option<String>,
    /// The payment's own status, such as `authorized`.
    pub payment_status: Option<String>,
    /// What the shopper pays, the fee included.
    pub total: u64,
    /// Smallest units that have been sent back.
    pub refunded: u64,
    /// When the page closes by itself.
    pub expires_at: SystemTime,
    /// The hosted page.
    pub url: String,
}

impl SessionView {
    pub(super) fn of(account: &Account, session: &Session, now: i64) -> Self {
        let payment = account.payment_of(session);
        Self {
            id: session.id.clone(),
            status: session.status.name().to_owned(),
            expired: session.over(now),
            amount: session.ask.amount,
            currency: session.ask.currency.clone(),
            external_order_num: session.ask.order.clone(),
            payment: session.payment.clone(),
            payment_status: payment.map(|payment| payment.status.name().to_owned()),
            total: payment.map_or(session.ask.amount, super::objects::Payment::total),
            refunded: payment.map_or(0, super::objects::Payment::refunded),
            expires_at: super::at(session.ends()),
            url: session.url.clone(),
        }
    }
}

impl std::fmt::Debug for SessionView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address opens the page to whoever has it, so it stays out.
        let Self {
            id,
            status,
            expired,
            amount,
            currency,
            external_order_num,
            payment,
            payment_status,
            total,
            refunded,
            expires_at: _,
            url: _,
        } = self;
        f.debug_struct("SessionView")
            .field("id", id)
            .field("status", status)
            .field("expired", expired)
            .field("amount", amount)
            .field("currency", currency)
            .field("external_order_num", external_order_num)
            .field("payment", payment)
            .field("payment_status", payment_status)
            .field("total", total)
            .field("refunded", refunded)
            .finish_non_exhaustive()
    }
}

/// An event that has happened, delivered or not.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventView {
    /// As its body names it.
    pub id: String,
    /// Such as `payment.captured`.
    pub event_type: String,
    /// When, by the simulator's clock.
    pub created: SystemTime,
    /// The whole event.
    pub json: Value,
}

impl EventView {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            event_type: event.kind.clone(),
            created: event.created,
            json: event.json.clone(),
        }
    }
}

impl std::fmt::Debug for EventView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventView")
            .field("id", &self.id)
            .field("event_type", &self.event_type)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}
