//! Events, their signature, and who gets them (KOMOJU sheet, "Callback", 2026-11-23).

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::Value;

use crate::mock::webhook::{self, Posted};

pub(super) const SIGNATURE: &str = "x-komoju-signature";

/// The value of `X-Komoju-Signature` for a body: lower-case hex of HMAC-SHA256 over the raw body, keyed with the bytes of
/// the webhook secret.
///
/// For tests that want to send their own callbacks, genuine or nearly so.
#[must_use]
pub fn signature_header(secret: &str, body: &[u8]) -> String {
    webhook::signature(secret, &[body])
}

/// A place a merchant wants events delivered to.
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) secret: String,
}

/// Something that happened.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: SystemTime,
    pub(super) json: Value,
}

impl Event {
    /// On its way, under this name. Compact.
    pub(super) fn posted(&self, account: &str, endpoint: &Endpoint, delivery: String) -> Posted {
        // A JSON value without exotic keys always prints.
        let body = serde_json::to_vec(&self.json).unwrap_or_default();
        Posted {
            account: account.to_owned(),
            endpoint: endpoint.id.clone(),
            url: endpoint.url.clone(),
            event: self.id.clone(),
            kind: self.kind.clone(),
            delivery,
            body: Bytes::from(body),
        }
    }
}
