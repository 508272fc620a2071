//! The state behind everything, and the merchants in it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::account::{Account, Settings};
use super::desk::Desk;
use super::fault::{DeliveryFault, Fault, Operation};
use super::idempotency::Keys;
use super::webhook::Endpoint;
use crate::mock::armed::Quiver;
use crate::mock::call::RequestView;
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

    /// Opens an account; returns its id and its secret key.
    pub(super) fn open_account(&mut self, name: &str) -> (String, String) {
        let id = self.plain_id();
        let api_key = self.ids.make("sk_test_", 24);
        self.accounts.push(Account {
            id: id.clone(),
            name: name.to_owned(),
            api_key: api_key.clone(),
            endpoints: Vec::new(),
            events: Vec::new(),
            sessions: Vec::new(),
            payments: Vec::new(),
        });
        (id, api_key)
    }

    /// 25 lower-case letters and digits (sheet section "Identifiers").
    pub(super) fn plain_id(&mut self) -> String {
        self.ids.make("", 25).to_ascii_lowercase()
    }

    pub(super) fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }

    pub(super) fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.iter_mut().find(|account| account.id == id)
    }

    pub(super) fn endpoint(&self, account: &str, id: &str) -> Option<&Endpoint> {
        let endpoints = &self.account(account)?.endpoints;
        endpoints.iter().find(|endpoint| endpoint.id == id)
    }

    /// The account whose session this is.
    pub(super) fn owner_of_session(&self, session: &str) -> Option<String> {
        let owner = self.accounts.iter().find(|account| account.session(session).is_ok());
        owner.map(|account| account.id.clone())
    }

    /// One merchant's books, open for business.
    pub(super) fn desk(&mut self, account: &str, now: SystemTime) -> Option<Desk<'_>> {
        let account = self.accounts.iter_mut().find(|candidate| candidate.id == account)?;
        Some(Desk {
            account,
            ids: &mut self.ids,
            outbox: &mut self.outbox,
            settings: &self.settings,
            now,
        })
    }

    /// Does everything that has become due: slips are paid or lapse, sessions close, keys are forgotten.
    pub(super) fn settle_what_is_due(&mut self, now: SystemTime) {
        let ids: Vec<String> = self.accounts.iter().map(|account| account.id.clone()).collect();
        for id in ids {
            if let Some(mut desk) = self.desk(&id, now) {
                desk.pass_time();
            }
        }
        self.keys.forget_before(now);
    }

    /// Any session but this one: what a mixed-up reply would be about.
    pub(super) fn other_session(&self, own: &str, now: SystemTime) -> Option<Value> {
        self.accounts.iter().find_map(|account| {
            let other = account.sessions.iter().find(|session| session.id != own)?;
            account.session_json(&other.id, now).ok()
        })
    }
}
