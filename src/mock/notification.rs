//! Notifications in the form of an HTML form, as the Japanese link types send them, and what a test sees of them.

use std::time::SystemTime;

use super::form::{self, Charset};
use super::outbox::{self, Delivery, DeliveryOutcome, Item, Letter, Mishap};

/// What there is to tell.
#[derive(Clone)]
pub(super) struct Report {
    /// Shop and order.
    pub(super) at: (usize, usize),
    pub(super) order_id: String,
    /// The gateway's word for what happened.
    pub(super) result: &'static str,
    pub(super) url: String,
    pub(super) fields: Vec<(&'static str, String)>,
    /// Whether it is sent again if the store does not take it.
    pub(super) repeats: bool,
}

impl Item for Report {
    fn result(&self) -> &str {
        self.result
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn is_for_the_same_as(&self, other: &Self) -> bool {
        self.at.0 == other.at.0
    }

    fn repeats(&self) -> bool {
        self.repeats
    }
}

/// The notifications of one simulator.
pub(super) type Outbox<F> = outbox::Outbox<Report, F>;

impl<F: Copy + Into<Mishap>> Outbox<F> {
    /// Sends the last report of an order once more; whether there is one.
    pub(super) fn resend(&mut self, at: (usize, usize), now: SystemTime) -> bool {
        let last = self.published.iter().rev().find(|report| report.at == at).cloned();
        let known = last.is_some();
        if let Some(report) = last {
            self.publish(report, now);
        }
        known
    }

    /// Every delivery to this shop, in order.
    pub(super) fn of_shop(&self, shop: usize) -> Vec<DeliveryView> {
        let own = self.log.iter().filter(|delivery| delivery.item.at.0 == shop);
        own.map(DeliveryView::of).collect()
    }
}

/// These fields as a form.
pub(super) fn letter(charset: Charset, fields: &[(&'static str, String)]) -> Letter {
    let body = form::write(charset, fields.iter().map(|(name, value)| (*name, value.as_str())));
    Letter {
        headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
        body: body.into(),
    }
}

/// What nobody has taken of these: order id and result.
pub(super) fn untaken(deliveries: &[DeliveryView]) -> Vec<(String, String)> {
    let mut missing: Vec<(String, String)> = Vec::new();
    for delivery in deliveries {
        let about = (delivery.order_id.clone(), delivery.result.clone());
        missing.retain(|known| *known != about);
        if delivery.outcome != DeliveryOutcome::Taken {
            missing.push(about);
        }
    }
    missing
}

/// One delivery of one notification, as the simulator saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryView {
    /// The order it was about.
    pub order_id: String,
    /// The gateway's word for what it reports.
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
    fn of(delivery: &Delivery<Report>) -> Self {
        let letter = delivery.letter.as_ref();
        Self {
            order_id: delivery.item.order_id.clone(),
            result: delivery.item.result.to_owned(),
            url: delivery.item.url.clone(),
            attempt: delivery.attempt,
            at: delivery.at,
            outcome: delivery.outcome.clone(),
            body: letter.map(|letter| letter.body.to_vec()).unwrap_or_default(),
        }
    }

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
