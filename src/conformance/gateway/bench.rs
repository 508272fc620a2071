//! What somebody who wrote a gateway hands to the suite: the gateway, and messages as the real one would send them.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::script::{Answer, Script};
use crate::callback::Callback;
use crate::checkout::CheckoutRequest;
use crate::gateway::Gateway;
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::payment::PaymentStatus;

/// Why a case cannot be tried at a gateway. It is part of the report, so it is a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip(pub &'static str);

/// A gateway on the bench.
///
/// Messages are made here and not by the gateway under test: sign them with what the gateway's documents say, or take them from
/// recorded traffic.
pub trait Bench: Send + Sync {
    /// The gateway under test, sending through this script.
    fn gateway(&self, script: &Script) -> Result<Arc<dyn Gateway>, String>;

    /// Texts that it may never print.
    fn secrets(&self) -> Vec<String>;

    /// An order that it takes.
    fn request(&self, order: &str) -> Result<CheckoutRequest, String>;

    /// Orders that it has to refuse before anything is sent: what is wrong with each.
    fn refused(&self) -> Vec<(&'static str, CheckoutRequest)>;

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

    /// What a genuine message that says this is worth.
    fn worth(&self, says: Says) -> Worth;

    /// The replies: taken, to be sent again, refused.
    fn acknowledgements(&self) -> [(u16, &'static [u8]); 3];
}

/// What a message or an answer says about an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum From {
    /// The gateway, for this store.
    Gateway,
    /// The gateway, for another of its merchants: a genuine signature under another key.
    OtherMerchant,
    /// The gateway, a day ago.
    Yesterday,
}

/// What a genuine message is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// It is proven, and its events say this, in order. Nothing in it: it is proven and says nothing about any payment.
    Proof(&'static [PaymentStatus]),
    /// It is a reason to ask.
    Hint,
    /// It is refused.
    Nothing,
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

    /// As the store sees it; nothing if no web server would take it.
    pub(super) fn callback(&self, at: SystemTime) -> Option<Callback> {
        let mut request = http::Request::builder().method(&self.method).uri(&self.target);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Bytes::from(self.body.clone())).ok()?;
        Callback::new(request, at).ok()
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
