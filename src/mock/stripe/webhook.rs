//! Events: their envelope, their signature, and who gets them (Stripe sheet §7, 2026-11-23).

use std::collections::HashSet;
use std::fmt::Write as _;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Value, json};

use super::version::NEWEST;
use crate::mock::ids::Ids;
use crate::mock::webhook::{self, Posted};

pub(super) const SIGNATURE: &str = "stripe-signature";

/// The value of `Stripe-Signature` for a body, as Stripe computes it: HMAC-SHA256 over `t.body`, keyed with the whole
/// secret text, prefix included.
///
/// For tests that want to send their own callbacks, genuine or nearly so.
#[must_use]
pub fn signature_header(secret: &str, timestamp: i64, body: &[u8]) -> String {
    format!("t={timestamp},v1={}", signature(secret, timestamp, body))
}

fn signature(secret: &str, timestamp: i64, body: &[u8]) -> String {
    webhook::signature(secret, &[timestamp.to_string().as_bytes(), b".", body])
}

/// A place a merchant wants events delivered to.
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) types: Vec<String>,
    /// The newest first; with it, until when it still signs (`None` for the current one).
    pub(super) secrets: Vec<(String, Option<SystemTime>)>,
}

impl Endpoint {
    pub(super) fn wants(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == event_type)
    }

    /// One `t`, one `v1` per active secret, and the fake `v0` that test events carry.
    pub(super) fn header(&self, timestamp: i64, now: SystemTime, body: &[u8]) -> String {
        let mut header = format!("t={timestamp}");
        for (secret, until) in &self.secrets {
            if until.is_none_or(|until| now < until) {
                // Writing into a String cannot fail.
                let _ = write!(header, ",v1={}", signature(secret, timestamp, body));
            }
        }
        let _ = write!(header, ",v0={}", signature("v0-is-no-secret", timestamp, body));
        header
    }
}

/// An event as it can be read again through the API.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: i64,
    pub(super) object: Value,
    pub(super) request: Option<(String, Option<String>)>,
    /// Endpoints that have not acknowledged it yet.
    pub(super) pending: HashSet<String>,
}

impl Event {
    pub(super) fn json(&self) -> Value {
        let (id, key) = match &self.request {
            Some((id, key)) => (Some(id), key.as_ref()),
            None => (None, None),
        };
        json!({
            "id": self.id,
            "object": "event",
            "api_version": NEWEST,
            "created": self.created,
            "data": { "object": self.object },
            "livemode": false,
            "pending_webhooks": self.pending.len(),
            "request": { "id": id, "idempotency_key": key },
            "type": self.kind,
        })
    }

    /// On its way. Pretty-printed, as Stripe sends it.
    pub(super) fn posted(&self, account: &str, endpoint: &Endpoint) -> Posted {
        // A JSON value without exotic keys always prints.
        let body = serde_json::to_vec_pretty(&self.json()).unwrap_or_default();
        Posted {
            account: account.to_owned(),
            endpoint: endpoint.id.clone(),
            url: endpoint.url.clone(),
            event: self.id.clone(),
            kind: self.kind.clone(),
            delivery: String::new(),
            body: Bytes::from(body),
        }
    }
}

/// A new endpoint secret.
pub(super) fn new_secret(ids: &mut Ids) -> String {
    ids.make("whsec_", 32)
}
