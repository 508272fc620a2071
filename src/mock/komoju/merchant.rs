//! A merchant's account, from the inside: keys, webhooks, books, and what the dashboard can do.

use std::sync::Arc;

use super::account::Account;
use super::desk::Desk;
use super::error::ApiError;
use super::views::{EventView, SessionView};
use super::webhook::{self, SIGNATURE};
use super::world::Shared;
use crate::mock::call::RequestView;
use crate::mock::clock::unix;
use crate::mock::webhook::DeliveryView;
use crate::mock::{MockError, loopback};

/// One account. Clones are the same account.
#[derive(Clone)]
pub struct Merchant {
    shared: Arc<Shared>,
    id: String,
    name: String,
    api_key: String,
}

impl Merchant {
    pub(super) fn open(shared: &Arc<Shared>, name: &str) -> Self {
        let (id, api_key) = shared.lock().open_account(name);
        Self {
            shared: Arc::clone(shared),
            id,
            name: name.to_owned(),
            api_key,
        }
    }

    /// The account's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name that shoppers read on the page.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The secret key, `sk_test_...`.
    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Registers a webhook at this address, which must be on this machine, with a secret made up for it. A `ping` goes
    /// there at once.
    pub fn add_endpoint(&self, url: &str) -> Result<Endpoint, MockError> {
        let secret = self.shared.lock().ids.make("", 32);
        self.add_endpoint_with(url, &secret)
    }

    /// The same with a secret of the merchant's own choice, as on the dashboard. An empty one is refused.
    pub fn add_endpoint_with(&self, url: &str, secret: &str) -> Result<Endpoint, MockError> {
        let url = loopback(url)?.to_string();
        if secret.is_empty() {
            return Err(MockError::Setting {
                setting: "the webhook secret",
                hint: "it is not empty",
            });
        }
        let id = self.shared.lock().plain_id();
        let endpoint = webhook::Endpoint {
            id: id.clone(),
            url: url.clone(),
            secret: secret.to_owned(),
        };
        self.at_desk(|desk| {
            desk.account.endpoints.push(endpoint);
            desk.ping(&id);
            Ok(())
        })?;
        Ok(Endpoint {
            shared: Arc::clone(&self.shared),
            account: self.id.clone(),
            id,
            url,
            secret: secret.to_owned(),
        })
    }

    /// Every session, in the order they were made.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        let world = self.shared.current();
        let now = unix(self.shared.clock.now());
        let account = world.account(&self.id);
        let all = account
            .into_iter()
            .flat_map(|account| account.sessions.iter().map(move |one| (account, one)));
        all.map(|(account, session)| SessionView::of(account, session, now))
            .collect()
    }

    /// One session.
    pub fn session(&self, id: &str) -> Result<SessionView, MockError> {
        let found = self.sessions().into_iter().find(|session| session.id == id);
        found.ok_or_else(|| unknown("session", id))
    }

    /// Decides a slip now instead of when it is due: paid at the till, or lapsed.
    pub fn settle(&self, session: &str, paid: bool) -> Result<(), MockError> {
        self.at_desk(|desk| desk.settle(session, paid))
    }

    /// Closes a session that nobody has paid.
    pub fn cancel_session(&self, session: &str) -> Result<(), MockError> {
        self.at_desk(|desk| desk.cancel_session(session))
    }

    /// Takes the authorized money of a session.
    pub fn capture(&self, session: &str) -> Result<(), MockError> {
        self.at_desk(|desk| {
            let payment = desk.payment_id(session)?;
            desk.capture(&payment)
        })
    }

    /// Gives authorized money back, or takes a slip back.
    pub fn cancel(&self, session: &str) -> Result<(), MockError> {
        self.at_desk(|desk| {
            let payment = desk.payment_id(session)?;
            desk.cancel(&payment)
        })
    }

    /// Sends money of a paid session back: this much, or all that is left. Returns the refund's id.
    pub fn refund(&self, session: &str, amount: Option<u64>) -> Result<String, MockError> {
        self.on_payment(session, |desk, payment| desk.refund(payment, amount, false))
    }

    /// The card holder's bank takes everything back. Returns the refund's id.
    pub fn charge_back(&self, session: &str) -> Result<String, MockError> {
        self.on_payment(session, |desk, payment| desk.refund(payment, None, true))
    }

    /// Something about the payment changed that is no news: `payment.updated`.
    pub fn touch(&self, session: &str) -> Result<(), MockError> {
        self.on_payment(session, |desk, payment| desk.announce(payment, "payment.updated"))
    }

    /// Every event, in the order they happened.
    #[must_use]
    pub fn events(&self) -> Vec<EventView> {
        let world = self.shared.current();
        let account = world.account(&self.id);
        account
            .into_iter()
            .flat_map(|account| account.events.iter())
            .map(EventView::of)
            .collect()
    }

    /// Delivers an event once more, as the dashboard's button does.
    pub fn resend(&self, event: &str) -> Result<(), MockError> {
        self.at_desk(|desk| desk.resend(event))
    }

    /// Every delivery that was made (or dropped on purpose), in order.
    #[must_use]
    pub fn deliveries(&self) -> Vec<DeliveryView> {
        self.shared.lock().outbox.of_account(&self.id, SIGNATURE)
    }

    /// Every call of the API with this account's key, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        let world = self.shared.lock();
        let own = world
            .requests
            .iter()
            .filter(|(account, _)| account.as_deref() == Some(&self.id));
        own.map(|(_, request)| request.clone()).collect()
    }

    fn on_payment<T>(
        &self,
        session: &str,
        work: impl FnOnce(&mut Desk<'_>, &str) -> Result<T, ApiError>,
    ) -> Result<T, MockError> {
        self.at_desk(|desk| {
            let payment = desk.payment_id(session)?;
            work(desk, &payment)
        })
    }

    fn at_desk<T>(&self, work: impl FnOnce(&mut Desk<'_>) -> Result<T, ApiError>) -> Result<T, MockError> {
        let done = {
            let mut world = self.shared.current();
            let desk = world.desk(&self.id, self.shared.clock.now());
            let mut desk = desk.ok_or_else(|| unknown("account", &self.id))?;
            work(&mut desk).map_err(|error| match error.absent() {
                Some((kind, id)) => unknown(kind, id),
                None => MockError::State(error.message().to_owned()),
            })
        };
        self.shared.wake.notify_one();
        done
    }
}

impl std::fmt::Debug for Merchant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shared: _,
            id,
            name,
            api_key: _,
        } = self;
        f.debug_struct("Merchant")
            .field("id", id)
            .field("name", name)
            .finish_non_exhaustive()
    }
}

/// A place that events are delivered to.
#[derive(Clone)]
pub struct Endpoint {
    shared: Arc<Shared>,
    account: String,
    id: String,
    url: String,
    secret: String,
}

impl Endpoint {
    /// The webhook's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The webhook secret; another one than the API key.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Deletes it. What was not delivered yet never will be.
    pub fn remove(&self) {
        if let Some(Account { endpoints, .. }) = self.shared.lock().account_mut(&self.account) {
            endpoints.retain(|endpoint| endpoint.id != self.id);
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shared: _,
            account,
            id,
            url,
            secret: _,
        } = self;
        f.debug_struct("Endpoint")
            .field("account", account)
            .field("id", id)
            .field("url", url)
            .finish_non_exhaustive()
    }
}

fn unknown(kind: &'static str, id: &str) -> MockError {
    MockError::Unknown {
        kind,
        id: id.to_owned(),
    }
}
