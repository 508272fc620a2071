//! Stripe's objects as the simulator keeps them, and their JSON (Stripe sheet §4, §7 and §8, 2026-11-23).
//!
//! No object has a field that could hold a card number.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::version::Version;
use crate::mock::card::Brand;

/// Things with an id, in the order they were made.
pub(super) struct Table<T> {
    rows: Vec<T>,
    by_id: HashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            by_id: HashMap::new(),
        }
    }
}

impl<T> Table<T> {
    pub(super) fn add(&mut self, id: String, row: T) {
        self.by_id.insert(id, self.rows.len());
        self.rows.push(row);
    }

    pub(super) fn find(&self, id: &str) -> Option<&T> {
        self.rows.get(*self.by_id.get(id)?)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut T> {
        self.rows.get_mut(*self.by_id.get(id)?)
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.iter()
    }
}

/// An object some field of which can be sent whole instead of as an id.
#[derive(Default, Clone)]
pub(super) struct Expand(pub(super) Vec<String>);

impl Expand {
    /// Whether `path` is wanted whole, because it was named or because something inside it was.
    pub(super) fn wants(&self, path: &str) -> bool {
        self.0.iter().any(|wanted| {
            wanted
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The part below `path`.
    pub(super) fn below(&self, path: &str) -> Self {
        let inner = self
            .0
            .iter()
            .filter_map(|wanted| wanted.strip_prefix(path)?.strip_prefix('.'));
        Self(inner.map(str::to_owned).collect())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

impl SessionStatus {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Expired => "expired",
        }
    }
}

/// The session's word for its money.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Unpaid,
    Paid,
    NotRequired,
}

impl Word {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unpaid => "unpaid",
            Self::Paid => "paid",
            Self::NotRequired => "no_payment_required",
        }
    }
}

pub(super) struct LineItem {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) quantity: u64,
    pub(super) total: u64,
}

/// What a valid request to create a session asked for.
pub(super) struct NewSession {
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) line_items: Vec<LineItem>,
    pub(super) client_reference_id: Option<String>,
    pub(super) customer_email: Option<String>,
    pub(super) locale: Option<&'static str>,
    pub(super) submit_type: Option<&'static str>,
    pub(super) success_url: String,
    pub(super) cancel_url: Option<String>,
    pub(super) expires_at: i64,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) allowed: Vec<String>,
    /// The methods the page offers.
    pub(super) methods: Vec<String>,
    pub(super) capture_method: &'static str,
    pub(super) intent_description: Option<String>,
    pub(super) intent_suffix: Option<String>,
    pub(super) intent_metadata: BTreeMap<String, String>,
}

/// A 3-D Secure step that waits for the shopper. The card is down to what a receipt shows.
pub(super) struct Challenge {
    pub(super) token: String,
    pub(super) brand: Brand,
    pub(super) last4: String,
}

/// Money that was promised and has not come yet.
pub(super) struct Delayed {
    pub(super) due: i64,
    pub(super) arrives: bool,
}

pub(super) struct Session {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) url: String,
    pub(super) status: SessionStatus,
    pub(super) paid: Word,
    pub(super) ask: NewSession,
    pub(super) intent: Option<String>,
    pub(super) challenge: Option<Challenge>,
    pub(super) delayed: Option<Delayed>,
    /// What the page tells the shopper about the last try.
    pub(super) notice: Option<super::text::Notice>,
}

pub(super) struct Intent {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) session: String,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) capturable: u64,
    pub(super) received: u64,
    pub(super) currency: String,
    pub(super) capture_method: &'static str,
    pub(super) status: &'static str,
    pub(super) description: Option<String>,
    pub(super) suffix: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) methods: Vec<String>,
    pub(super) method: Option<String>,
    pub(super) charge: Option<String>,
    pub(super) error: Option<Decline>,
    pub(super) canceled_at: Option<i64>,
    pub(super) cancellation_reason: Option<&'static str>,
    pub(super) authorized_at: Option<i64>,
}

/// Why an attempt did not go through.
#[derive(Clone)]
pub(super) struct Decline {
    pub(super) code: &'static str,
    pub(super) bank_code: Option<&'static str>,
    pub(super) message: &'static str,
    pub(super) charge: Option<String>,
}

/// How a charge was paid: all that is left of a card.
pub(super) enum Means {
    Card { brand: Brand, last4: String },
    Other(String),
}

pub(super) struct Charge {
    pub(super) id: String,
    pub(super) intent: String,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) captured_amount: u64,
    pub(super) refunded_amount: u64,
    pub(super) currency: String,
    pub(super) captured: bool,
    pub(super) disputed: bool,
    pub(super) status: &'static str,
    pub(super) failure: Option<Decline>,
    pub(super) means: Means,
    pub(super) method: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

pub(super) struct Refund {
    pub(super) id: String,
    pub(super) charge: String,
    pub(super) intent: String,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) reason: Option<&'static str>,
    pub(super) status: &'static str,
    pub(super) failure_reason: Option<&'static str>,
    pub(super) metadata: BTreeMap<String, String>,
}

pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) charge: String,
    pub(super) intent: String,
    pub(super) created: i64,
    pub(super) amount: u64,
    pub(super) currency: String,
    pub(super) status: &'static str,
}

/// All objects of one merchant.
#[derive(Default)]
pub(super) struct Books {
    pub(super) sessions: Table<Session>,
    pub(super) intents: Table<Intent>,
    pub(super) charges: Table<Charge>,
    pub(super) refunds: Table<Refund>,
    pub(super) disputes: Table<Dispute>,
}

impl Books {
    pub(super) fn session_json(&self, session: &Session, expand: &Expand, version: &Version) -> Value {
        let ask = &session.ask;
        let active = session.status == SessionStatus::Open;
        let intent = session.intent.as_deref().map(|id| match self.intents.find(id) {
            Some(intent) if expand.wants("payment_intent") => self.intent_json(intent, &expand.below("payment_intent")),
            _ => json!(id),
        });
        let mut out = json!({
            "id": session.id,
            "object": "checkout.session",
            "adaptive_pricing": null,
            "allow_promotion_codes": null,
            "amount_subtotal": ask.amount,
            "amount_total": ask.amount,
            "billing_address_collection": null,
            "cancel_url": ask.cancel_url,
            "client_reference_id": ask.client_reference_id,
            "created": session.created,
            "currency": ask.currency,
            "customer": null,
            "customer_creation": "if_required",
            "customer_email": ask.customer_email,
            "expires_at": ask.expires_at,
            "invoice": null,
            "livemode": false,
            "locale": ask.locale,
            "metadata": ask.metadata,
            "mode": "payment",
            "payment_intent": intent,
            "payment_link": null,
            "payment_method_collection": "if_required",
            "payment_method_types": ask.methods,
            "payment_status": session.paid.name(),
            "recovered_from": null,
            "setup_intent": null,
            "status": session.status.name(),
            "submit_type": ask.submit_type,
            "subscription": null,
            "success_url": ask.success_url,
            "ui_mode": version.hosted_ui_mode(),
            "url": active.then_some(&session.url),
        });
        if version.has_allowed_methods()
            && let Some(fields) = out.as_object_mut()
        {
            let allowed = (!ask.allowed.is_empty()).then_some(&ask.allowed);
            fields.insert("allowed_payment_method_types".into(), json!(allowed));
        }
        out
    }

    pub(super) fn intent_json(&self, intent: &Intent, expand: &Expand) -> Value {
        let charge = intent.charge.as_deref().map(|id| match self.charges.find(id) {
            Some(charge) if expand.wants("latest_charge") => self.charge_json(charge),
            _ => json!(id),
        });
        let error = intent.error.as_ref().map(|decline| {
            json!({
                "type": "card_error",
                "code": decline.code,
                "decline_code": decline.bank_code,
                "message": decline.message,
                "charge": decline.charge,
            })
        });
        json!({
            "id": intent.id,
            "object": "payment_intent",
            "amount": intent.amount,
            "amount_capturable": intent.capturable,
            "amount_received": intent.received,
            "canceled_at": intent.canceled_at,
            "cancellation_reason": intent.cancellation_reason,
            "capture_method": intent.capture_method,
            "client_secret": intent.secret,
            "confirmation_method": "automatic",
            "created": intent.created,
            "currency": intent.currency,
            "customer": null,
            "description": intent.description,
            "last_payment_error": error,
            "latest_charge": charge,
            "livemode": false,
            "metadata": intent.metadata,
            "payment_method": intent.method,
            "payment_method_types": intent.methods,
            "receipt_email": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": intent.suffix,
            "status": intent.status,
        })
    }

    #[expect(clippy::unused_self, reason = "reads like its siblings, which do need the books")]
    pub(super) fn charge_json(&self, charge: &Charge) -> Value {
        let details = match &charge.means {
            Means::Card { brand, last4 } => {
                json!({ "type": "card", "card": { "brand": brand.wire(), "last4": last4 } })
            }
            Means::Other(kind) => json!({ "type": kind, kind: {} }),
        };
        json!({
            "id": charge.id,
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": charge.captured_amount,
            "amount_refunded": charge.refunded_amount,
            "balance_transaction": null,
            "captured": charge.captured,
            "created": charge.created,
            "currency": charge.currency,
            "disputed": charge.disputed,
            "failure_code": charge.failure.as_ref().map(|decline| decline.code),
            "failure_message": charge.failure.as_ref().map(|decline| decline.message),
            "livemode": false,
            "metadata": charge.metadata,
            "paid": charge.status == "succeeded",
            "payment_intent": charge.intent,
            "payment_method": charge.method,
            "payment_method_details": details,
            "refunded": charge.captured && charge.refunded_amount == charge.captured_amount,
            "status": charge.status,
        })
    }

    pub(super) fn refund_json(&self, refund: &Refund, expand: &Expand) -> Value {
        let charge = match self.charges.find(&refund.charge) {
            Some(charge) if expand.wants("charge") => self.charge_json(charge),
            _ => json!(refund.charge),
        };
        let intent = match self.intents.find(&refund.intent) {
            Some(intent) if expand.wants("payment_intent") => self.intent_json(intent, &expand.below("payment_intent")),
            _ => json!(refund.intent),
        };
        let mut out = json!({
            "id": refund.id,
            "object": "refund",
            "amount": refund.amount,
            "balance_transaction": null,
            "charge": charge,
            "created": refund.created,
            "currency": refund.currency,
            "metadata": refund.metadata,
            "payment_intent": intent,
            "reason": refund.reason,
            "receipt_number": null,
            "status": refund.status,
        });
        if let (Some(reason), Some(fields)) = (refund.failure_reason, out.as_object_mut()) {
            fields.insert("failure_reason".into(), reason.into());
        }
        out
    }
}

/// Disputes have no endpoint here; they travel in events.
pub(super) fn dispute_json(dispute: &Dispute) -> Value {
    json!({
        "id": dispute.id,
        "object": "dispute",
        "amount": dispute.amount,
        "charge": dispute.charge,
        "created": dispute.created,
        "currency": dispute.currency,
        "livemode": false,
        "metadata": {},
        "payment_intent": dispute.intent,
        "reason": "fraudulent",
        "status": dispute.status,
    })
}
