//! What a test can see of a merchant's books.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

use super::objects::{Books, Session};
use super::webhook::Event;

/// A session and its payment, as they stand.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionView {
    /// `cs_test_...`.
    pub id: String,
    /// `open`, `complete` or `expired`.
    pub status: String,
    /// `unpaid`, `paid` or `no_payment_required`.
    pub payment_status: String,
    /// Minor units.
    pub amount: u64,
    /// Lower case, as on the wire.
    pub currency: String,
    /// The store's reference.
    pub client_reference_id: Option<String>,
    /// `pi_...`, from the first try to pay on.
    pub payment_intent: Option<String>,
    /// The payment's own status, such as `requires_capture`.
    pub payment_intent_status: Option<String>,
    /// Minor units that have been taken.
    pub captured: u64,
    /// Minor units that have been sent back.
    pub refunded: u64,
    /// Whether a dispute was ever opened.
    pub disputed: bool,
    /// The session's own metadata.
    pub metadata: BTreeMap<String, String>,
    /// When the page closes by itself.
    pub expires_at: SystemTime,
    /// The hosted page, as long as it is open.
    pub url: Option<String>,
}

impl SessionView {
    pub(super) fn of(books: &Books, session: &Session) -> Self {
        let intent = session.intent.as_deref().and_then(|id| books.intents.find(id));
        let charge = intent.and_then(|intent| books.charges.find(intent.charge.as_deref()?));
        Self {
            id: session.id.clone(),
            status: session.status.name().to_owned(),
            payment_status: session.paid.name().to_owned(),
            amount: session.ask.amount,
            currency: session.ask.currency.clone(),
            client_reference_id: session.ask.client_reference_id.clone(),
            payment_intent: session.intent.clone(),
            payment_intent_status: intent.map(|intent| intent.status.to_owned()),
            captured: charge.map_or(0, |charge| charge.captured_amount),
            refunded: charge.map_or(0, |charge| charge.refunded_amount),
            disputed: charge.is_some_and(|charge| charge.disputed),
            metadata: session.ask.metadata.clone(),
            expires_at: super::at(session.ask.expires_at),
            url: (session.status == super::objects::SessionStatus::Open).then(|| session.url.clone()),
        }
    }
}

impl std::fmt::Debug for SessionView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address opens the page to whoever has it, so it stays out.
        let Self {
            id,
            status,
            payment_status,
            amount,
            currency,
            client_reference_id,
            payment_intent,
            payment_intent_status,
            captured,
            refunded,
            disputed,
            metadata: _,
            expires_at: _,
            url: _,
        } = self;
        f.debug_struct("SessionView")
            .field("id", id)
            .field("status", status)
            .field("payment_status", payment_status)
            .field("amount", amount)
            .field("currency", currency)
            .field("client_reference_id", client_reference_id)
            .field("payment_intent", payment_intent)
            .field("payment_intent_status", payment_intent_status)
            .field("captured", captured)
            .field("refunded", refunded)
            .field("disputed", disputed)
            .finish_non_exhaustive()
    }
}

/// An event that has happened, delivered or not.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventView {
    /// `evt_...`.
    pub id: String,
    /// Such as `checkout.session.completed`.
    pub event_type: String,
    /// When, by the simulator's clock.
    pub created: SystemTime,
    /// The id of the object that it shows.
    pub object: String,
    /// Endpoints that have not acknowledged it.
    pub pending: usize,
    /// The whole event, as the API shows it.
    pub json: Value,
}

impl EventView {
    pub(super) fn of(event: &Event) -> Self {
        Self {
            id: event.id.clone(),
            event_type: event.kind.clone(),
            created: super::at(event.created),
            object: event
                .object
                .get("id")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            pending: event.pending.len(),
            json: event.json(),
        }
    }
}

impl std::fmt::Debug for EventView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            id,
            event_type,
            created,
            object,
            pending,
            json: _,
        } = self;
        f.debug_struct("EventView")
            .field("id", id)
            .field("event_type", event_type)
            .field("created", created)
            .field("object", object)
            .field("pending", pending)
            .finish_non_exhaustive()
    }
}
