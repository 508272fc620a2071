//! The other side of each gateway: what it sends to the store, what it answers, and what a browser brings back, as bytes that a
//! test can put anything into. The bench of the conformance suite hands out finished requests, which nobody can look into.

mod gmopg;
mod komoju;
mod sbps;
mod script;
mod stripe;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use kessai::ledger::StoredAttempt;
use kessai::transport::RetryPolicy;
use kessai::{CheckoutRequest, ExpectedPayment, Gateway, LineItem, MerchantReference};

pub use self::script::{Answer, Script};
use crate::support::yen;

/// The gateways of this crate. A new one adds a line.
pub fn players() -> Vec<(&'static str, Arc<dyn Player>)> {
    vec![
        ("gmopg", Arc::new(gmopg::GmopgPlayer)),
        ("komoju", Arc::new(komoju::KomojuPlayer)),
        ("sbps, asking", Arc::new(sbps::SbpsPlayer { settles: false })),
        ("sbps, settling", Arc::new(sbps::SbpsPlayer { settles: true })),
        ("stripe", Arc::new(stripe::StripePlayer)),
    ]
}

#[test]
fn every_gateway_of_the_crate_is_played() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateways");
    let played: Vec<&str> = players().iter().map(|(name, _)| *name).collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let gateway = entry.file_name().into_string().unwrap();
            assert!(
                played.iter().any(|name| name.starts_with(&gateway)),
                "{gateway} is not played"
            );
        }
    }
}

fn tea(order: &str) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(order).unwrap())
        .item(LineItem::new("Sencha", yen(1980), 1).unwrap())
        .build()
        .unwrap()
}

fn once() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    policy
}

fn transport(script: &Script) -> Arc<Script> {
    Arc::new(script.clone())
}

/// One gateway's side.
pub trait Player: Send + Sync {
    /// The gateway under test, sending through this script.
    fn gateway(&self, script: &Script) -> Result<Arc<dyn Gateway>, String>;

    /// Texts that it may never print.
    fn secrets(&self) -> Vec<String>;

    /// An order that it takes.
    fn request(&self, order: &str) -> Result<CheckoutRequest, String>;

    /// What the API answers when a page is asked for; nothing if the page is built without a call.
    fn created(&self, expected: &ExpectedPayment) -> Option<Answer>;

    /// A message that the gateway sends to the store.
    fn message(&self, about: &ExpectedPayment, says: Says, from: From, at: SystemTime) -> Result<Message, Skip>;

    /// What the browser brings back; with `forged`, from somebody who does not have the key.
    fn returned(&self, about: &ExpectedPayment, forged: bool) -> Result<Message, Skip>;

    /// What the API answers, one after the other, when it is asked about an attempt.
    fn status(&self, about: &StoredAttempt, says: Says) -> Result<Vec<Answer>, Skip>;

    /// The attempt as the ledger has it when the gateway is asked: with the names that its messages bind. Without need for
    /// them, the attempt as it is.
    fn bound(&self, attempt: StoredAttempt) -> StoredAttempt {
        attempt
    }
}

/// Why a case cannot be tried at a gateway. It is part of the report, so it is a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip(pub &'static str);

/// What a message or an answer says about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// The whole amount was taken.
    Paid,
    /// A slip was issued, or something else that is not money yet.
    Pending,
    /// The payment failed.
    Failed,
    /// Another amount than the expected one was taken.
    OtherAmount,
    /// The whole amount was taken, of another attempt.
    OtherAttempt,
    /// A word for the state that is in no document.
    UnknownWord,
    /// It was taken, and how much is missing.
    NoAmount,
}

/// Who made a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The gateway, for this store.
    Gateway,
    /// The gateway, for another of its merchants: a genuine signature under another key.
    OtherMerchant,
    /// The gateway, a day ago.
    Yesterday,
}

/// A request as it comes to the store.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub target: String,
    /// The headers, in order.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// A posted body of this type.
    #[must_use]
    pub fn post(mime: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: http::Method::POST,
            target: "/pay/notification".to_owned(),
            headers: vec![("content-type", mime.to_owned())],
            body: body.into(),
        }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// It may hold a genuine signature: its size is shown.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("method", &self.method)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
