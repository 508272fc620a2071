//! Replies kept under the idempotency key (Stripe sheet §3, 2026-11-23).

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::params::Params;

/// Keys may be forgotten after this long. Ours are, at once, so that a late reuse shows.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// What a request asks, whatever the order of its parameters.
pub(super) type Fingerprint = [u8; 32];

/// A reply that is repeated for the same key.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

struct Entry {
    asked: Fingerprint,
    at: SystemTime,
    stored: Stored,
    /// The reply is still on its way to the first caller. Real time, as it is the real connection that waits.
    running_until: Option<Instant>,
}

#[derive(Default)]
pub(super) struct Keys {
    entries: HashMap<(String, String), Entry>,
}

impl Keys {
    /// The stored reply, nothing if the key is new, or why it cannot be used.
    pub(super) fn look_up(&self, account: &str, key: &str, asked: &Fingerprint) -> Result<Option<Stored>, ApiError> {
        let Some(entry) = self.entries.get(&(account.to_owned(), key.to_owned())) else {
            return Ok(None);
        };
        if entry.asked != *asked {
            return Err(ApiError::idempotency(
                400,
                None,
                "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            ));
        }
        if entry.running_until.is_some_and(|until| Instant::now() < until) {
            return Err(in_use());
        }
        Ok(Some(entry.stored.clone()))
    }

    /// Keeps a reply. `delay` is how long its first caller has to wait for it.
    pub(super) fn keep(
        &mut self,
        account: &str,
        key: &str,
        asked: Fingerprint,
        at: SystemTime,
        stored: Stored,
        delay: Option<Duration>,
    ) {
        let running_until = delay.and_then(|delay| Instant::now().checked_add(delay));
        self.entries.insert(
            (account.to_owned(), key.to_owned()),
            Entry {
                asked,
                at,
                stored,
                running_until,
            },
        );
    }

    pub(super) fn forget_before(&mut self, now: SystemTime) {
        self.entries
            .retain(|_, entry| now.duration_since(entry.at).is_ok_and(|age| age < KEPT) || now < entry.at);
    }
}

/// The error while another request with the same key runs.
pub(super) fn in_use() -> ApiError {
    ApiError::idempotency(
        409,
        Some("idempotency_key_in_use"),
        "Another request is using this idempotency key.",
    )
}

/// What a request asks. Every part carries its length, so that no two different requests read the same.
pub(super) fn fingerprint(path: &str, params: &Params) -> Fingerprint {
    let mut pairs: Vec<_> = params.pairs().iter().collect();
    pairs.sort();
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    add(path);
    for (name, value) in pairs {
        add(name);
        add(value);
    }
    hash.finalize().into()
}
