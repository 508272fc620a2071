//! What was expected, what was proven, what was applied: the store's memory of its payments.
//!
//! The types here carry the second proof of the flow. An event whose origin was proven is held against what was written
//! down before the redirect, and only an [`Accepted`] one can create the right to fulfil:
//!
//! ```text
//! Verified<PaymentEvent> ── StoredAttempt::judge ──► Judgement ── Ledger::apply (one transaction) ──► Applied
//! ```
//!
//! [`Ledger`] is the trait behind which it is kept; [`rules`] holds the decisions, so that every backend decides alike.

pub mod chain;
mod checkpoint;
mod expected;
mod judgement;
mod mode;
mod record;
pub mod rules;
mod story;
pub mod verify;
mod window;

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime};

pub use self::chain::{Break, BreakReason, Digest, Head, KeptRecord};
pub use self::checkpoint::{Checkpoint, CheckpointError};
pub use self::expected::{ExpectedPayment, PlanError, StoredAttempt};
pub use self::judgement::{Accepted, AskReason, Contradiction, Judgement, Mismatch, News, Rejected, Unclear};
pub use self::mode::{Mode, ModeChange, Switch, SwitchText, SwitchTextError, Switched};
pub use self::record::{HeldEvidence, Note, Record, RecordKind};
pub use self::verify::{ChainCheck, continues, verify};
pub use self::window::{Window, WindowCursor, WindowError, WindowRow};
use crate::checkout::ContentDigest;
use crate::event::Subject;
use crate::money::Money;
use crate::redirect::KeptLink;
use crate::reference::{
    AttemptReference, CustomerReference, FulfilmentKey, GatewayId, GatewayReference, MerchantAccount, MerchantReference,
};
use crate::transport::BoxFuture;

/// A store's memory. A small set of operations, each of them atomic and durable when it returns.
///
/// Every backend passes the shared suite in [`conformance`](crate::conformance) (feature `conformance`). No card data, no
/// callback body and no header is ever handed to it: typed fields and a keyed digest only (PAY-59).
pub trait Ledger: fmt::Debug + Send + Sync + 'static {
    /// Writes down what is expected, before anything leaves. Refused while the store is stopped, if the order is paid already, or if another attempt
    /// of it could still be paid; all in one transaction with the writing, so that of two callers one writes.
    ///
    /// The attempt is written as [`StoredAttempt::new`] has it, so it is due to be asked about by itself from the start:
    /// a process that dies right afterwards leaves nothing behind that nobody asks about.
    fn expect<'a>(&'a self, expected: &'a ExpectedPayment) -> BoxFuture<'a, Result<Expected, StoreError>>;

    /// Binds what the gateway called the checkout to the attempt. A reference belongs to one attempt for ever, and an attempt
    /// that ended without money gets none any more.
    fn opened<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        opened: &'a Opened,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Binding, StoreError>>;

    /// Ends an attempt whose checkout the gateway refused, or that was never sent. Without effect on an attempt that was
    /// opened, and never called for an unknown outcome.
    fn close<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        why: CloseReason,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The attempt of this name.
    fn attempt<'a>(&'a self, attempt: &'a AttemptReference)
    -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>>;

    /// The attempt that a message is about: by our attempt reference if the message has one that is known here, else by
    /// the gateway's name for the checkout, else by its name for the payment. The attempt reference counts for every
    /// gateway and account, the other names within theirs. Whether the rest agrees is judged afterwards: a message that
    /// names our attempt from another account has to be found to be held against it.
    fn find<'a>(
        &'a self,
        gateway: &'a GatewayId,
        account: &'a MerchantAccount,
        subject: &'a Subject,
    ) -> BoxFuture<'a, Result<Option<StoredAttempt>, StoreError>>;

    /// Records a proof, moves the state, binds the transaction, creates the right to fulfil: one transaction, decided by
    /// [`rules::decide`]. For one order exactly one call ever returns [`Applied::Now`]. When the state moves the asking
    /// starts to count anew, and at a final state it ends.
    fn apply<'a>(&'a self, judgement: &'a Judgement, at: SystemTime) -> BoxFuture<'a, Result<Applied, StoreError>>;

    /// Attempts of a gateway that are due to be asked about, oldest due first. Each is handed out to one caller only until its
    /// lease is over, across all nodes; the question counts as begun now, and [`StoredAttempt::asked_at`] says so.
    ///
    /// If one has lost its form, the call is an error ([`StoreError::is_damage`]) and nothing is handed out, but the damaged one is
    /// reserved: the next call passes over it, so that it holds up no other.
    fn attempts_to_ask<'a>(&'a self, due: &'a AskDue) -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>>;

    /// How many attempts are due and not handed out, at all gateways together.
    fn left_to_ask(&self, now: SystemTime) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Says how a question went that was begun at a time, and gives back the lease. `seen` is the attempt as it was handed out,
    /// or as it was looked up since: what others wrote after that stays, as [`rules::after_question`] says.
    fn asked<'a>(
        &'a self,
        seen: &'a StoredAttempt,
        asked: &'a Asked,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// A message came that is a reason to ask: makes the attempt due as [`rules::due_by_cue`] says, also one that is over.
    fn make_due<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        cue: Cue,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Remembers the first time that something of little weight happened to an attempt; later ones leave no trace, so that
    /// a browser cannot fill the disk (PAY-64). True the first time.
    fn note<'a>(
        &'a self,
        attempt: &'a AttemptReference,
        note: Note,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The next right to fulfil, leased to the caller. If it is not [`done`](Self::done) when the lease is over it is handed
    /// out again, with the same key.
    ///
    /// One that has lost its form is an error ([`StoreError::is_damage`]), and is reserved all the same: the next call passes over
    /// it, so that it holds up no other.
    fn next_fulfilment(&self, at: SystemTime, lease: Duration)
    -> BoxFuture<'_, Result<Option<Fulfilment>, StoreError>>;

    /// The order was fulfilled. True the first time.
    fn done<'a>(&'a self, key: &'a FulfilmentKey, at: SystemTime) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Every attempt of an order, oldest first.
    fn attempts_of<'a>(&'a self, order: &'a MerchantReference)
    -> BoxFuture<'a, Result<Vec<StoredAttempt>, StoreError>>;

    /// The latest attempts, newest first.
    fn latest(&self, limit: usize) -> BoxFuture<'_, Result<Vec<StoredAttempt>, StoreError>>;

    /// Everything on record about an attempt, oldest first.
    fn timeline<'a>(&'a self, attempt: &'a AttemptReference) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;

    /// Evidence that waits for a human, newest first.
    fn held(&self, limit: usize) -> BoxFuture<'_, Result<Vec<HeldEvidence>, StoreError>>;

    /// The fulfilment of an order, if it was paid.
    fn fulfilment_of<'a>(
        &'a self,
        order: &'a MerchantReference,
    ) -> BoxFuture<'a, Result<Option<Fulfilment>, StoreError>>;

    /// What the store does at the moment, on every node.
    fn mode(&self) -> BoxFuture<'_, Result<Mode, StoreError>>;

    /// Turns the switch and writes that down, in one transaction. Gives the mode that holds from now on.
    fn set_mode<'a>(&'a self, change: &'a ModeChange, at: SystemTime) -> BoxFuture<'a, Result<Mode, StoreError>>;

    /// Writes down something about the whole store.
    fn note_store<'a>(&'a self, note: &'a StoreNote, at: SystemTime) -> BoxFuture<'a, Result<(), StoreError>>;

    /// How far the ledger goes.
    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>>;

    /// The records behind a position, in order, exactly as they are kept.
    fn records(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<KeptRecord>, StoreError>>;

    /// The attempts behind a place, in the order in which they were written, each with its place.
    fn attempts_after(
        &self,
        after: u64,
        which: Which,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<(u64, StoredAttempt)>, StoreError>>;

    /// The attempts with which something happened in a window, each once, in the order of the first such record; from behind
    /// `after` on.
    fn window<'a>(
        &'a self,
        window: &'a Window,
        after: Option<WindowCursor>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<WindowRow>, StoreError>>;

    /// The lowest and the highest position of the records of a window, if it has any.
    fn window_span<'a>(&'a self, window: &'a Window) -> BoxFuture<'a, Result<Option<(u64, u64)>, StoreError>>;
}

/// Which attempts are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    All,
    /// Those that are not over: they can still be paid.
    Open,
}

/// Something about the whole store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreNote {
    /// Other keys are in use.
    KeysChanged {
        /// Of which gateway.
        gateway: GatewayId,
        /// Of which account.
        account: MerchantAccount,
        /// Who changed them.
        actor: SwitchText,
        /// A label that the store gave: never a key, nor a part of one.
        label: SwitchText,
    },
}

impl StoreNote {
    /// The record it becomes.
    #[must_use]
    pub fn record(&self) -> RecordKind {
        match self.clone() {
            Self::KeysChanged {
                gateway,
                account,
                actor,
                label,
            } => RecordKind::KeysChanged {
                gateway,
                account,
                actor,
                label,
            },
        }
    }
}

/// What became of an expectation.
#[derive(Clone, Debug)]
#[must_use]
pub enum Expected {
    /// It is written down. Send the checkout.
    Written,
    /// Another attempt of this order could still be paid. Nothing was written.
    Open(Box<StoredAttempt>),
    /// The order is paid. Nothing was written.
    Paid(AttemptReference),
    /// The store takes no new checkouts. Nothing was written.
    Stopped(Switched),
}

/// What the gateway called a checkout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Its name for the checkout.
    pub checkout: Option<GatewayReference>,
    /// Its name for the payment.
    pub payment: Option<GatewayReference>,
    /// Until when the page can be used, as the gateway says.
    pub expires_at: Option<SystemTime>,
    /// The way to the page, if the gateway gives it only once.
    pub link: Option<KeptLink>,
}

/// What became of a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Binding {
    /// Bound now.
    Now,
    /// Bound before, to the same.
    Already,
    /// The reference belongs to another attempt, or the attempt has another reference. Nothing changed.
    Conflict,
    /// The attempt ended without money before this came. Nothing changed, and nobody may be shown its page: another attempt may
    /// be under way.
    Over,
}

/// Why an attempt ended before a page was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The request did not leave this machine.
    NotSent,
    /// The gateway refused it.
    Refused,
}

/// What a ledger did with a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Applied {
    /// The order is paid by this, and the right to fulfil it was created. Exactly one caller ever gets this for an order.
    Now,
    /// The state moved; there is nothing to fulfil.
    Moved,
    /// Known already.
    Already,
    /// Older than what is known. Nothing changed.
    Older,
    /// Authentic, but it contradicts the record, or money came where none may. Kept for a human; never fulfils.
    Held(HeldReason),
    /// It does not say enough. Neither paid nor failed: ask the gateway. That it was heard is on record.
    Ask(AskReason),
}

/// Why evidence waits for a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeldReason {
    /// It differs from what was expected.
    Mismatch(Mismatch),
    /// Money came after the attempt had ended without any.
    Late,
    /// The order had been paid by another attempt.
    Excess,
    /// The gateway's transaction belongs to another attempt.
    TransactionBound,
    /// The money had gone back, in whole or in part, before the order could be fulfilled.
    Refunded,
}

impl HeldReason {
    /// The word used in records and on pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mismatch(mismatch) => mismatch.as_str(),
            Self::Late => "late",
            Self::Excess => "excess",
            Self::TransactionBound => "transaction_bound",
            Self::Refunded => "refunded",
        }
    }
}

impl fmt::Display for HeldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mismatch(mismatch) => return write!(f, "{mismatch}"),
            Self::Late => "money came after the attempt had ended",
            Self::Excess => "the order had been paid already",
            Self::TransactionBound => "the transaction belongs to another attempt",
            Self::Refunded => "the money had gone back before the order could be fulfilled",
        })
    }
}

/// What is to be handed out for asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskDue {
    /// At which gateway: one that gives no answers, or that nobody is configured to ask, keeps nothing from the others.
    pub gateway: GatewayId,
    /// The time now.
    pub now: SystemTime,
    /// How long each is reserved for the caller.
    pub lease: Duration,
    /// At most so many.
    pub limit: usize,
}

/// How an asking went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// True if the gateway answered.
    pub answered: bool,
    /// When to ask next; `None` means not again by itself.
    pub next: Option<SystemTime>,
}

/// What kind of message is a reason to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cue {
    /// Its origin was proven: it is asked about at once.
    Proven,
    /// Anybody may have sent it: it is asked about after a wait, so that forged ones cost little (PAY-64).
    Hint,
}

/// The right to fulfil one order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fulfilment {
    /// The stable key: hand it on as the idempotency key of whatever ships, mails or credits.
    pub key: FulfilmentKey,
    /// The order.
    pub order: MerchantReference,
    /// The attempt that paid it.
    pub attempt: AttemptReference,
    /// What was paid.
    pub amount: Money,
    /// Digest of what was sold: compare it with the order as it stands now (PAY-46).
    pub content: ContentDigest,
    /// The store's own key of the customer, if it gave one.
    pub customer: Option<CustomerReference>,
    /// How often it was handed out, this time included.
    pub deliveries: u32,
    /// When it was done, if it is.
    pub done_at: Option<SystemTime>,
}

impl Fulfilment {
    /// The right that this attempt gives.
    #[must_use]
    pub fn of(expected: &ExpectedPayment) -> Self {
        Self {
            key: FulfilmentKey::of(&expected.attempt),
            order: expected.order.clone(),
            attempt: expected.attempt.clone(),
            amount: expected.amount,
            content: expected.content.clone(),
            customer: expected.customer.clone(),
            deliveries: 0,
            done_at: None,
        }
    }
}

/// The ledger could not be read or written. Nothing was changed, unless it says that this is not known. Doing it again is right
/// in both cases: the gateway can deliver again.
#[derive(Debug)]
pub struct StoreError {
    what: &'static str,
    source: Option<Box<dyn StdError + Send + Sync>>,
    damage: bool,
}

impl StoreError {
    /// An error with a cause. The cause must not print what is stored.
    #[must_use]
    pub fn new(what: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self {
            what,
            source: Some(source.into()),
            damage: false,
        }
    }

    /// An error without a cause: the caller asked for something that is not there.
    #[must_use]
    pub const fn missing(what: &'static str) -> Self {
        Self {
            what,
            source: None,
            damage: false,
        }
    }

    /// An attempt is written once, whatever became of it.
    pub(crate) const fn written_before() -> Self {
        Self::missing("this attempt was written before: a new one takes a new reference")
    }

    /// What is kept has lost its form: no version of this crate wrote it so.
    #[must_use]
    pub const fn damaged(what: &'static str) -> Self {
        Self {
            what,
            source: None,
            damage: true,
        }
    }

    /// The same error, of which is known that what is kept has lost its form.
    #[must_use]
    pub fn as_damage(mut self) -> Self {
        self.damage = true;
        self
    }

    /// Has what is kept lost its form? Asking again does not help; [`verify`](fn@verify) tells where.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        self.damage
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ledger failed: {}", self.what)
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_ledger_tells_what_failed_why_and_whether_it_is_damage() {
        let lost = StoreError::new("the record was not written", fmt::Error);
        assert_eq!(lost.to_string(), "the ledger failed: the record was not written");
        let source = lost.source().map(ToString::to_string);
        assert_eq!(source, Some(fmt::Error.to_string()));
        assert!(!lost.is_damage());
        assert!(lost.as_damage().is_damage());
        assert!(StoreError::missing("there is no such attempt").source().is_none());
        assert!(!StoreError::missing("there is no such attempt").is_damage());
        assert!(StoreError::damaged("a record has lost its form").is_damage());
    }

    #[test]
    fn every_reason_to_hold_has_a_word_and_a_sentence_of_its_own() {
        let reasons = [
            HeldReason::Mismatch(Mismatch::Amount),
            HeldReason::Mismatch(Mismatch::Currency),
            HeldReason::Late,
            HeldReason::Excess,
            HeldReason::TransactionBound,
            HeldReason::Refunded,
        ];
        let words: std::collections::HashSet<_> = reasons.iter().map(|reason| reason.as_str()).collect();
        let sentences: std::collections::HashSet<_> = reasons.iter().map(ToString::to_string).collect();
        assert_eq!((words.len(), sentences.len()), (reasons.len(), reasons.len()));
        assert!(sentences.iter().all(|sentence| sentence.contains(' ')));
    }
}
