//! One merchant, and how the simulator behaves towards all of them.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::error::ApiError;
use super::objects::{Payment, Session};
use super::webhook::{Endpoint, Event};
use crate::mock::card::Taken;
use crate::mock::clock::unix;

/// How the simulator behaves, fixed when it starts.
pub(super) struct Settings {
    /// How long the shopper takes to pay a slip.
    pub(super) delayed: Duration,
    pub(super) cards: Taken,
    /// How long a slip can be paid.
    pub(super) slip_valid: Duration,
    /// What a slip costs the shopper on top of the amount.
    pub(super) slip_fee: u64,
    /// The language of a page whose session and browser name none.
    pub(super) japanese: bool,
    /// `http://127.0.0.1:port`, known once it listens.
    pub(super) base: String,
}

/// One merchant.
pub(super) struct Account {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) api_key: String,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) events: Vec<Event>,
    pub(super) sessions: Vec<Session>,
    pub(super) payments: Vec<Payment>,
}

impl Account {
    pub(super) fn session(&self, id: &str) -> Result<&Session, ApiError> {
        self.sessions
            .iter()
            .find(|session| session.id == id)
            .ok_or_else(|| ApiError::not_found("session", id))
    }

    pub(super) fn payment(&self, id: &str) -> Result<&Payment, ApiError> {
        self.payments
            .iter()
            .find(|payment| payment.id == id)
            .ok_or_else(|| ApiError::not_found("payment", id))
    }

    /// The last try to pay a session.
    pub(super) fn payment_of(&self, session: &Session) -> Option<&Payment> {
        self.payment(session.payment.as_deref()?).ok()
    }

    pub(super) fn session_json(&self, id: &str, now: SystemTime) -> Result<Value, ApiError> {
        let session = self.session(id)?;
        let payment = self.payment_of(session).map(Payment::json);
        Ok(session.json(payment.as_ref(), unix(now)))
    }
}
