//! Events as signed JSON, and what a test sees of their deliveries.

use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::outbox::{self, Delivery, DeliveryOutcome, Item, Mishap};

/// One event on its way to one endpoint.
#[derive(Clone)]
pub(super) struct Posted {
    pub(super) account: String,
    /// The endpoint's id.
    pub(super) endpoint: String,
    pub(super) url: String,
    /// The event's id.
    pub(super) event: String,
    pub(super) kind: String,
    /// The gateway's name for this delivery; empty where it gives none.
    pub(super) delivery: String,
    /// Fixed when the event happens: a retry repeats the same bytes.
    pub(super) body: Bytes,
}

impl Item for Posted {
    fn result(&self) -> &str {
        &self.kind
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn is_for_the_same_as(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint
    }
}

/// The events of one simulator.
pub(super) type Outbox<F> = outbox::Outbox<Posted, F>;

impl<F: Copy + Into<Mishap>> Outbox<F> {
    /// Every delivery of this account, in order. The header holds the signature.
    pub(super) fn of_account(&self, account: &str, header: &str) -> Vec<DeliveryView> {
        let own = self.log.iter().filter(|delivery| delivery.item.account == account);
        own.map(|delivery| DeliveryView::of(delivery, header)).collect()
    }
}

/// One delivery of one event to one endpoint, as the simulator saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryView {
    /// The event, as its body names it.
    pub event: String,
    /// Its type, such as `checkout.session.completed`.
    pub event_type: String,
    /// Where it went.
    pub endpoint: String,
    /// The gateway's name for this delivery, which repeated tries keep; empty if it gives none.
    pub delivery: String,
    /// 1 for the first try; repeated tries of the same delivery count up.
    pub attempt: u32,
    /// When, by the simulator's clock.
    pub at: SystemTime,
    /// What the store answered; nothing if it did not, or if nothing was sent.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// The value of the signature's header; empty if nothing was sent.
    pub signature: String,
    /// The body that was sent, or would have been.
    pub body: Bytes,
}

impl DeliveryView {
    fn of(delivery: &Delivery<Posted>, header: &str) -> Self {
        let letter = delivery.letter.as_ref();
        let signature = letter
            .and_then(|letter| letter.headers.iter().find(|(name, _)| *name == header))
            .map(|(_, value)| value.clone());
        let item = &delivery.item;
        Self {
            event: item.event.clone(),
            event_type: item.kind.clone(),
            endpoint: item.url.clone(),
            delivery: item.delivery.clone(),
            attempt: delivery.attempt,
            at: delivery.at,
            status: delivery.status,
            outcome: delivery.outcome.clone(),
            signature: signature.unwrap_or_default(),
            body: letter.map_or(&item.body, |letter| &letter.body).clone(),
        }
    }

    /// Whether the store took it.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        self.outcome == DeliveryOutcome::Taken
    }
}

impl std::fmt::Debug for DeliveryView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            event,
            event_type,
            endpoint,
            delivery,
            attempt,
            at,
            status,
            outcome,
            signature: _,
            body,
        } = self;
        f.debug_struct("DeliveryView")
            .field("event", event)
            .field("event_type", event_type)
            .field("endpoint", endpoint)
            .field("delivery", delivery)
            .field("attempt", attempt)
            .field("at", at)
            .field("status", status)
            .field("outcome", outcome)
            .field("body_bytes", &body.len())
            .finish_non_exhaustive()
    }
}

/// HMAC-SHA256 over these parts, in lower-case hex.
pub(super) fn signature(key: &str, parts: &[&[u8]]) -> String {
    // HMAC takes keys of any length, so there is no error to report.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    for part in parts {
        mac.update(part);
    }
    let tag = mac.finalize().into_bytes();
    tag.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The same body with one digit changed: behind the first of these names that is in it, or the first of all.
pub(super) fn tampered(body: &[u8], names: &[&str]) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let start = names.iter().find_map(|name| text.find(name)).unwrap_or(0);
    let mut bytes = body.to_vec();
    if let Some(digit) = bytes.iter_mut().skip(start).find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'1' } else { *digit + 1 };
    }
    bytes.into()
}
