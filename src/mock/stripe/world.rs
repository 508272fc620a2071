//! The state behind everything, and the merchants in it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::account::{Account, Settings};
use super::desk::{By, Desk};
use super::fault::{DeliveryFault, Fault, Operation};
use super::idempotency::Keys;
use super::objects::Books;
use super::webhook::{Endpoint, Event};
use crate::mock::armed::Quiver;
use crate::mock::call::RequestView;
use crate::mock::clock::unix;
use crate::mock::ids::Ids;
use crate::mock::outbox;
use crate::mock::webhook::Outbox;

pub(super) type Shared = outbox::Shared<World>;

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) ids: Ids,
    pub(super) accounts: Vec<Account>,
    pub(super) outbox: Outbox<DeliveryFault>,
    pub(super) keys: Keys,
    pub(super) faults: Arc<Quiver<Fault, Operation>>,
    /// The calls of the API, each with the account whose key it carried.
    pub(super) requests: Vec<(Option<String>, RequestView)>,
}

impl World {
    pub(super) fn new(settings: Settings, ids: Ids, retry_after: Vec<Duration>) -> Self {
        Self {
            settings,
            ids,
            accounts: Vec::new(),
            outbox: Outbox::new(retry_after),
            keys: Keys::default(),
            faults: Arc::default(),
            requests: Vec::new(),
        }
    }

    /// Opens an account; returns its id, its secret key and its restricted key.
    pub(super) fn open_account(&mut self, name: &str) -> (String, String, String) {
        let id = self.ids.make("acct_1", 15);
        let api_key = self.ids.make("sk_test_51", 90);
        let restricted_key = self.ids.make("rk_test_51", 90);
        self.accounts.push(Account {
            id: id.clone(),
            name: name.to_owned(),
            api_key: api_key.clone(),
            restricted_key: restricted_key.clone(),
            endpoints: Vec::new(),
            events: super::objects::Table::default(),
            books: Books::default(),
        });
        (id, api_key, restricted_key)
    }

    pub(super) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    pub(super) fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.id == id)
    }

    pub(super) fn endpoint(&self, account: &str, id: &str) -> Option<&Endpoint> {
        self.account(account)?
            .endpoints
            .iter()
            .find(|endpoint| endpoint.id == id)
    }

    pub(super) fn event_mut(&mut self, account: &str, id: &str) -> Option<&mut Event> {
        self.account_mut(account)?.events.find_mut(id)
    }

    /// The account whose session this is. Session ids are unique over all accounts.
    pub(super) fn owner_of_session(&self, session: &str) -> Option<String> {
        let owner = self
            .accounts
            .iter()
            .find(|account| account.books.sessions.find(session).is_some());
        owner.map(|account| account.id.clone())
    }

    /// One merchant's books, open for business.
    pub(super) fn desk(&mut self, account: &str, now: SystemTime, by: By) -> Option<Desk<'_>> {
        let account = self.accounts.iter_mut().find(|candidate| candidate.id == account)?;
        Some(Desk {
            account,
            ids: &mut self.ids,
            outbox: &mut self.outbox,
            settings: &self.settings,
            time: now,
            now: unix(now),
            by,
        })
    }

    /// Does everything that has become due: sessions expire, money arrives, authorizations lapse, keys are forgotten.
    pub(super) fn settle_what_is_due(&mut self, now: SystemTime) {
        let ids: Vec<String> = self.accounts.iter().map(|account| account.id.clone()).collect();
        for id in ids {
            if let Some(mut desk) = self.desk(&id, now, By::Nobody) {
                desk.pass_time();
            }
        }
        self.keys.forget_before(now);
    }

    /// Any session but this one: what a mixed-up reply would be about.
    pub(super) fn other_session(&self, own: &str) -> Option<Value> {
        let newest_first = self.accounts.iter().flat_map(|account| {
            account
                .books
                .sessions
                .iter()
                .rev()
                .map(move |session| (&account.books, session))
        });
        let (books, session) = newest_first.into_iter().find(|(_, session)| session.id != own)?;
        Some(books.session_json(
            session,
            &super::objects::Expand::default(),
            &super::version::Version::newest(),
        ))
    }
}
