//! What the author of a gateway has to provide: the gateway, genuine messages, and messages that are not.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::{Answer, Case};
use crate::callback::Callback;
use crate::checkout::CheckoutRequest;
use crate::gateway::{Ack, Gateway};
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::money::Money;
use crate::payment::PaymentStatus;
use crate::transport::Transport;

/// A gateway on the test bench. There are no default methods: what is not there has to be said.
///
/// Where a method gives `None` or an empty list, the cases that need it are skipped if [`skip`](Self::skip) says why, and
/// fail if it does not.
pub trait Bench: Send + Sync {
    /// Builds the gateway under test over the suite's transport. Called for each case.
    fn gateway(&self, over: Arc<dyn Transport>) -> Result<Arc<dyn Gateway>, String>;

    /// Why a case cannot be run here. A whole sentence: it is printed in the report.
    fn skip(&self, case: Case) -> Option<&'static str>;

    /// The time at which everything happens. Messages arrive then.
    fn now(&self) -> SystemTime;

    /// Every secret that is configured: keys, passwords. Searched for in all that prints.
    fn secrets(&self) -> Vec<String>;

    /// How its messages are written.
    fn style(&self) -> Style;

    // ----- checkout -----

    /// A request that it takes, of at least 10 minor units.
    fn request(&self) -> Result<CheckoutRequest, String>;

    /// Requests that it does not take, each with its reason.
    fn requests_to_refuse(&self) -> Result<Vec<(&'static str, CheckoutRequest)>, String>;

    /// A request in a currency that it does not take; `None` if it takes every one.
    fn request_in_a_foreign_currency(&self) -> Result<Option<CheckoutRequest>, String>;

    /// Can an attempt of this name be sent to it? By the gateway's documents and not by its code here.
    fn takes_reference(&self, text: &str) -> bool;

    /// The answers with which the gateway grants a checkout whose page is at this address; `None` if nothing is sent.
    fn granted(&self, expected: &ExpectedPayment, page: &str) -> Option<Vec<Answer>>;

    /// The path, with a leading `/`, of a hosted payment page on one of the gateway's origins.
    fn page_path(&self) -> &'static str;

    /// The attempt as the ledger knows it when the shopper has been sent on and the gateway has named what it names.
    fn opened(&self, attempt: StoredAttempt) -> Result<StoredAttempt, String>;

    // ----- callbacks -----

    /// Genuine messages about the attempt, at least one of them about money that was taken.
    fn genuine(&self, attempt: &StoredAttempt) -> Result<Vec<Message>, String>;

    /// A message that is wrong in one way and right in every other; `None` if there is no such thing.
    fn wrong(&self, attempt: &StoredAttempt, how: Wrong) -> Result<Option<Callback>, String>;

    /// The message that the gateway would send with this body: signed as it signs. The body is a genuine one's with fields
    /// left out, emptied or doubled.
    fn signed(&self, body: &[u8]) -> Result<Callback, String>;

    /// Why a message or a return that was changed like this may still say exactly the same; `None` if it has to be refused.
    /// For instance: another header than the signed ones, or an escape that a hash over decoded values leaves open. Compare
    /// what is signed, and allow nothing else: what is allowed here is not tested.
    fn harmless(&self, genuine: &Callback, changed: &Callback) -> Option<&'static str>;

    /// The exact reply that the gateway waits for.
    fn reply(&self, ack: Ack) -> Reply;

    // ----- the return -----

    /// What the browser brings back, and what somebody else could.
    fn returns(&self, attempt: &StoredAttempt) -> Result<Returns, String>;

    // ----- status and abilities -----

    /// The answers to one question about the attempt; `None` if there is no such answer.
    fn answers(&self, attempt: &StoredAttempt, what: Asked) -> Result<Option<Vec<Answer>>, String>;

    /// Every other documented state that a question can find, with the answers that say so. None of them is paid.
    fn other_states(&self, attempt: &StoredAttempt) -> Result<Vec<(PaymentStatus, Vec<Answer>)>, String>;

    /// An attempt on which the ability can be used, and the answers with which the gateway grants it; `None` if the gateway
    /// does not have the ability.
    fn grants(&self, attempt: &StoredAttempt, ability: Ability)
    -> Result<Option<(StoredAttempt, Vec<Answer>)>, String>;
}

/// How a gateway's messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// What a body is.
    pub shape: Shape,
    /// True if the fields may come in any order; false if another order is another message.
    pub any_order: bool,
    /// True if what the browser brings back is signed.
    pub signed_return: bool,
    /// The fields without which a message tells no amount; `a.b` for a field inside an object. Empty if no message proves
    /// anything.
    pub amount: &'static [&'static str],
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One JSON object.
    Json,
    /// `a=1&b=2`.
    Form,
}

/// A genuine message and what it has to say.
#[derive(Clone, Debug)]
pub struct Message {
    /// For the report.
    pub name: &'static str,
    /// As it arrives.
    pub callback: Callback,
    /// What has to come of it.
    pub says: Says,
}

/// What a message has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Proven, with an event of each of these states and amounts, in order. None at all: it is about no payment.
    Proven(Vec<(PaymentStatus, Option<Money>)>),
    /// A hint about the attempt, and nothing more.
    Hint,
}

/// In which way a message is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Signed with a key that is not ours.
    Key,
    /// Signed with a key of ours whose time is over.
    KeyOfThePast,
    /// About another merchant, and signed as its messages are.
    Merchant,
    /// Signed too long ago.
    Age,
    /// Of the other environment.
    Environment,
}

/// What the gateway waits for after a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The content type, if it matters.
    pub content_type: Option<&'static str>,
    /// The body, byte for byte.
    pub body: &'static [u8],
}

/// What comes back with the browser.
#[derive(Clone, Debug)]
pub struct Returns {
    /// The shopper paid, or did what was to be done.
    pub genuine: Callback,
    /// The shopper gave up.
    pub cancelled: Callback,
    /// What nobody but a forger or a broken browser sends, each with its reason.
    pub forged: Vec<(&'static str, Callback)>,
}

/// What a question finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Money that was taken, of the expected amount.
    Paid,
    /// The same with a word for the state that is in no document.
    UnknownWord,
    /// Money that was taken, and one minor unit less than expected.
    LessMoney,
    /// Money that was taken, and no word of how much.
    NoAmount,
    /// The same answer about somebody else's payment.
    OtherOrder,
}

/// What only some gateways can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ability {
    /// [`Expire`](crate::Expire).
    Expire,
    /// [`Capture`](crate::Capture).
    Capture,
    /// [`Void`](crate::Void).
    Void,
    /// [`Refund`](crate::Refund).
    Refund,
}

impl Ability {
    pub(super) const ALL: [Self; 4] = [Self::Expire, Self::Capture, Self::Void, Self::Refund];
}

impl Message {
    /// A message.
    #[must_use]
    pub fn new(name: &'static str, callback: Callback, says: Says) -> Self {
        Self { name, callback, says }
    }
}

/// A request as data: for benches, which make many.
pub fn arrives(
    request: http::request::Builder,
    body: impl Into<Bytes>,
    received_at: SystemTime,
) -> Result<Callback, String> {
    let request = request.body(body.into()).map_err(crate::conformance::proofs::say)?;
    Callback::new(request, received_at).map_err(crate::conformance::proofs::say)
}
