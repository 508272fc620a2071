//! Replies kept under `X-KOMOJU-IDEMPOTENCY` (KOMOJU sheet, "Auth", 2026-11-23).

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use super::error::ApiError;

/// Keys are kept up to this long. Ours are forgotten at once then, so that a late reuse shows.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A reply that is repeated for the same key.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

struct Entry {
    asked: (String, Vec<u8>),
    at: SystemTime,
    stored: Stored,
    /// The reply is still on its way to the first caller. Real time, as it is the real connection that waits.
    running_until: Option<Instant>,
}

/// Keys are unique over the whole account, whatever the path.
#[derive(Default)]
pub(super) struct Keys {
    entries: HashMap<(String, String), Entry>,
}

impl Keys {
    /// The stored reply, nothing if the key is new, or why it cannot be used.
    pub(super) fn look_up(
        &self,
        account: &str,
        key: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Option<Stored>, ApiError> {
        let Some(entry) = self.entries.get(&(account.to_owned(), key.to_owned())) else {
            return Ok(None);
        };
        if entry.asked.0 != path || entry.asked.1 != body {
            return Err(ApiError::key_reused());
        }
        if entry.running_until.is_some_and(|until| Instant::now() < until) {
            return Err(ApiError::key_in_use());
        }
        Ok(Some(entry.stored.clone()))
    }

    /// Keeps a reply. `delay` is how long its first caller has to wait for it.
    pub(super) fn keep(
        &mut self,
        (account, key): (&str, &str),
        (path, body): (&str, &[u8]),
        at: SystemTime,
        stored: Stored,
        delay: Option<Duration>,
    ) {
        let entry = Entry {
            asked: (path.to_owned(), body.to_vec()),
            at,
            stored,
            running_until: delay.and_then(|delay| Instant::now().checked_add(delay)),
        };
        self.entries.insert((account.to_owned(), key.to_owned()), entry);
    }

    pub(super) fn forget_before(&mut self, now: SystemTime) {
        self.entries
            .retain(|_, entry| now.duration_since(entry.at).is_ok_and(|age| age < KEPT) || now < entry.at);
    }
}
