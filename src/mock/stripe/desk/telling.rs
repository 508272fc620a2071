//! The events each happening sends (Stripe sheet §7, 2026-11-23).

use serde_json::Value;

use super::{By, Desk};
use crate::mock::stripe::error::ApiError;
use crate::mock::stripe::objects::{Expand, dispute_json};
use crate::mock::stripe::version::Version;
use crate::mock::stripe::webhook::Event;

impl Desk<'_> {
    /// Sends an event once more to every endpoint that wants it, as the dashboard's button does.
    pub(in crate::mock::stripe) fn resend(&mut self, id: &str) -> Result<(), ApiError> {
        let Some(event) = self.account.events.find(id) else {
            return Err(ApiError::no_such("event", id, "id"));
        };
        for endpoint in self
            .account
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(&event.kind))
        {
            self.outbox.publish(event.posted(&self.account.id, endpoint), self.time);
        }
        Ok(())
    }

    pub(super) fn tell_session(&mut self, kind: &str, id: &str) {
        // Events are rendered in the account's version, not in that of any request (Stripe sheet §7, version).
        let books = &self.account.books;
        let object = books
            .sessions
            .find(id)
            .map(|it| books.session_json(it, &Expand::default(), &Version::newest()));
        self.tell(kind, object);
    }

    pub(super) fn tell_intent(&mut self, kind: &str, id: &str) {
        let books = &self.account.books;
        let object = books
            .intents
            .find(id)
            .map(|intent| books.intent_json(intent, &Expand::default()));
        self.tell(kind, object);
    }

    pub(super) fn tell_charge(&mut self, kind: &str, id: &str) {
        let books = &self.account.books;
        let object = books.charges.find(id).map(|charge| books.charge_json(charge));
        self.tell(kind, object);
    }

    pub(super) fn tell_refund(&mut self, kind: &str, id: &str) {
        let books = &self.account.books;
        let object = books
            .refunds
            .find(id)
            .map(|refund| books.refund_json(refund, &Expand::default()));
        self.tell(kind, object);
    }

    pub(super) fn tell_dispute(&mut self, kind: &str, id: &str) {
        let object = self.account.books.disputes.find(id).map(dispute_json);
        self.tell(kind, object);
    }

    /// Writes an event and queues it for every endpoint that wants it.
    pub(super) fn tell(&mut self, kind: &str, object: Option<Value>) {
        let Some(object) = object else { return };
        let id = self.ids.make("evt_1", 23);
        let wanting = || self.account.endpoints.iter().filter(|endpoint| endpoint.wants(kind));
        let event = Event {
            id: id.clone(),
            kind: kind.to_owned(),
            created: self.now,
            object,
            request: match &self.by {
                By::Request { id, key } => Some((id.clone(), key.clone())),
                By::Nobody => None,
            },
            pending: wanting().map(|endpoint| endpoint.id.clone()).collect(),
        };
        for endpoint in wanting() {
            self.outbox.publish(event.posted(&self.account.id, endpoint), self.time);
        }
        self.account.events.add(id, event);
    }
}
