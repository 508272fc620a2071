//! One merchant, and how the simulator behaves towards all of them.

use std::time::Duration;

use super::objects::{Books, Table};
use super::webhook::{Endpoint, Event};
use crate::mock::card::Taken;

/// How the simulator behaves, fixed when it starts.
#[derive(Clone)]
pub(super) struct Settings {
    /// How long a delayed payment takes.
    pub(super) delayed: Duration,
    pub(super) cards: Taken,
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
    pub(super) restricted_key: String,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) events: Table<Event>,
    pub(super) books: Books,
}
