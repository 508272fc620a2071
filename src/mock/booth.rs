//! What every simulator has: a port, the world behind it, the task that delivers, and a client for its shoppers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use url::Url;
use wiremock::Request;

use super::front::{self, Front, Play, Reply};
use super::outbox::{self, Office, Shared};
use super::{Clock, MockError, http_client};

/// A simulator that listens on 127.0.0.1 until it is dropped.
pub(super) struct Booth<W> {
    // Dropped first: the port is closed before anything else goes.
    _front: Front,
    pub(super) shared: Arc<Shared<W>>,
    pub(super) client: reqwest::Client,
    /// `http://127.0.0.1:PORT/`
    pub(super) base_url: Url,
}

/// How a world answers what comes in.
pub(super) type Answer<W> = fn(&Shared<W>, &Request) -> Reply;

impl<W: Office> Booth<W> {
    /// Listens. The world is made for its own address, `http://127.0.0.1:PORT`; a store has so long to acknowledge.
    pub(super) fn start(
        port: u16,
        clock: Clock,
        acknowledge_within: Duration,
        world: impl FnOnce(String) -> W,
        answer: Answer<W>,
    ) -> Result<Self, MockError> {
        let client = http_client(acknowledge_within)?;
        let (listener, address) = front::listen(port)?;
        let base = format!("http://{address}");
        let base_url = Url::parse(&base).map_err(|_| MockError::BadUrl)?;
        let shared = Arc::new(Shared::new(clock, world(base)));
        let desk = Desk {
            shared: Arc::clone(&shared),
            answer,
        };
        let background = outbox::deliver(Arc::clone(&shared), client.clone());
        let front = Front::start(listener, Arc::new(desk), background)?;
        Ok(Self {
            _front: front,
            shared,
            client,
            base_url,
        })
    }

    /// An address of its own.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.origin().ascii_serialization())
    }
}

impl<W> fmt::Debug for Booth<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            _front: _,
            shared,
            client: _,
            base_url,
        } = self;
        f.debug_struct("Booth")
            .field("base_url", &base_url.as_str())
            .field("clock", &shared.clock)
            .finish_non_exhaustive()
    }
}

/// Who answers what comes in.
struct Desk<W> {
    shared: Arc<Shared<W>>,
    answer: Answer<W>,
}

impl<W: Office> Play for Desk<W> {
    fn answer(&self, request: &Request) -> Reply {
        (self.answer)(&self.shared, request)
    }
}
