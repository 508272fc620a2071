//! A merchant's account, from the inside: keys, endpoints, books, and what the dashboard can do.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::desk::{By, Desk};
use super::error::ApiError;
use super::views::{EventView, SessionView};
use super::webhook::{self, SIGNATURE};
use super::world::{Shared, World};
use crate::mock::call::RequestView;
use crate::mock::webhook::DeliveryView;
use crate::mock::{MockError, loopback};

/// The longest an old secret stays active after a roll (Stripe sheet §7, step 6).
const LONGEST_OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

/// One account. Clones are the same account.
#[derive(Clone)]
pub struct Merchant {
    shared: Arc<Shared>,
    id: String,
    name: String,
    api_key: String,
    restricted_key: String,
}

impl Merchant {
    pub(super) fn open(shared: &Arc<Shared>, name: &str) -> Self {
        let (id, api_key, restricted_key) = shared.lock().open_account(name);
        Self {
            shared: Arc::clone(shared),
            id,
            name: name.to_owned(),
            api_key,
            restricted_key,
        }
    }

    /// `acct_...`.
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

    /// A key that may do everything with sessions and only read the rest, `rk_test_...`.
    #[must_use]
    pub fn restricted_key(&self) -> &str {
        &self.restricted_key
    }

    /// Has every event delivered to this address, which must be on this machine.
    pub fn add_endpoint(&self, url: &str) -> Result<Endpoint, MockError> {
        self.add_endpoint_for(url, &[])
    }

    /// Has events of these types delivered to this address; of all types if none is named.
    pub fn add_endpoint_for(&self, url: &str, types: &[&str]) -> Result<Endpoint, MockError> {
        let url = loopback(url)?.to_string();
        let mut world = self.shared.lock();
        let id = world.ids.make("we_1", 23);
        let secret = webhook::new_secret(&mut world.ids);
        let endpoint = webhook::Endpoint {
            id: id.clone(),
            url: url.clone(),
            types: types.iter().map(|kind| (*kind).to_owned()).collect(),
            secrets: vec![(secret.clone(), None)],
        };
        self.account_in(&mut world)?.endpoints.push(endpoint);
        Ok(Endpoint {
            shared: Arc::clone(&self.shared),
            account: self.id.clone(),
            id,
            url,
            secret,
        })
    }

    /// Every session, in the order they were made.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionView> {
        let mut world = self.shared.current();
        let Ok(account) = self.account_in(&mut world) else {
            return Vec::new();
        };
        account
            .books
            .sessions
            .iter()
            .map(|session| SessionView::of(&account.books, session))
            .collect()
    }

    /// One session.
    pub fn session(&self, id: &str) -> Result<SessionView, MockError> {
        let mut world = self.shared.current();
        let account = self.account_in(&mut world)?;
        let session = account.books.sessions.find(id).ok_or_else(|| unknown("session", id))?;
        Ok(SessionView::of(&account.books, session))
    }

    /// Ends an open session, as the API's expire does.
    pub fn expire(&self, session: &str) -> Result<(), MockError> {
        self.at_desk(|desk| desk.expire(session))
    }

    /// Decides a delayed payment now instead of when it is due.
    pub fn settle(&self, session: &str, arrived: bool) -> Result<(), MockError> {
        self.at_desk(|desk| desk.settle(session, arrived))
    }

    /// Sends money of a paid session back: this much, or all that is left. Returns the refund's id.
    pub fn refund(&self, session: &str, amount: Option<u64>) -> Result<String, MockError> {
        let charge = self.charge_of(session)?;
        self.at_desk(|desk| desk.refund(&charge, amount, None, std::collections::BTreeMap::new()))
    }

    /// The bank sends a refund back: it failed after all.
    pub fn fail_refund(&self, refund: &str) -> Result<(), MockError> {
        self.at_desk(|desk| desk.fail_refund(refund))
    }

    /// The card holder disputes the payment of a session. Returns the dispute's id.
    pub fn dispute(&self, session: &str) -> Result<String, MockError> {
        let charge = self.charge_of(session)?;
        self.at_desk(|desk| desk.dispute(&charge))
    }

    /// Decides a dispute.
    pub fn close_dispute(&self, dispute: &str, won: bool) -> Result<(), MockError> {
        self.at_desk(|desk| desk.close_dispute(dispute, won))
    }

    /// Takes authorized money: this much, or all of it.
    pub fn capture(&self, session: &str, amount: Option<u64>) -> Result<(), MockError> {
        let intent = self.intent_of(session)?;
        self.at_desk(|desk| desk.capture(&intent, amount))
    }

    /// Gives authorized money back.
    pub fn cancel(&self, session: &str) -> Result<(), MockError> {
        let intent = self.intent_of(session)?;
        self.at_desk(|desk| desk.cancel(&intent, Some("requested_by_customer")))
    }

    /// Every event, in the order they happened.
    #[must_use]
    pub fn events(&self) -> Vec<EventView> {
        let mut world = self.shared.current();
        let Ok(account) = self.account_in(&mut world) else {
            return Vec::new();
        };
        account.events.iter().map(EventView::of).collect()
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

    /// Every call of the API with this account's keys, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        let world = self.shared.lock();
        let own = world
            .requests
            .iter()
            .filter(|(account, _)| account.as_deref() == Some(&self.id));
        own.map(|(_, request)| request.clone()).collect()
    }

    fn account_in<'w>(&self, world: &'w mut World) -> Result<&'w mut super::account::Account, MockError> {
        world.account_mut(&self.id).ok_or_else(|| unknown("account", &self.id))
    }

    fn intent_of(&self, session: &str) -> Result<String, MockError> {
        let unpaid = || MockError::State("nobody has tried to pay this session".to_owned());
        self.session(session)?.payment_intent.ok_or_else(unpaid)
    }

    fn charge_of(&self, session: &str) -> Result<String, MockError> {
        let intent = self.intent_of(session)?;
        let mut world = self.shared.current();
        let account = self.account_in(&mut world)?;
        let charge = account
            .books
            .intents
            .find(&intent)
            .and_then(|intent| intent.charge.clone());
        charge.ok_or_else(|| MockError::State("this session has no charge".to_owned()))
    }

    fn at_desk<T>(&self, work: impl FnOnce(&mut Desk<'_>) -> Result<T, ApiError>) -> Result<T, MockError> {
        let done = {
            let mut world = self.shared.current();
            let mut desk = world
                .desk(&self.id, self.shared.clock.now(), By::Nobody)
                .ok_or_else(|| unknown("account", &self.id))?;
            work(&mut desk).map_err(|error| match error.missing() {
                Some((kind, id)) => MockError::Unknown {
                    kind,
                    id: id.to_owned(),
                },
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
            restricted_key: _,
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
    /// `we_...`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The signing secret it was added with, `whsec_...`. A roll hands out another one.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Rolls the signing secret and returns the new one. The old one goes on signing for this long, 24 hours at most.
    #[must_use = "the new secret is shown once"]
    pub fn roll_secret(&self, keep_old_for: Duration) -> String {
        let now = self.shared.clock.now();
        let until = now.checked_add(keep_old_for.min(LONGEST_OVERLAP)).unwrap_or(now);
        let mut world = self.shared.lock();
        let secret = webhook::new_secret(&mut world.ids);
        if let Some(account) = world.account_mut(&self.account)
            && let Some(endpoint) = account.endpoints.iter_mut().find(|endpoint| endpoint.id == self.id)
        {
            for (_, active_until) in &mut endpoint.secrets {
                *active_until = Some(active_until.unwrap_or(until).min(until));
            }
            endpoint.secrets.insert(0, (secret.clone(), None));
            endpoint
                .secrets
                .retain(|(_, active)| active.is_none_or(|active: SystemTime| now < active));
        }
        secret
    }

    /// Deletes it. What was not delivered yet never will be.
    pub fn remove(&self) {
        if let Some(account) = self.shared.lock().account_mut(&self.account) {
            account.endpoints.retain(|endpoint| endpoint.id != self.id);
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
