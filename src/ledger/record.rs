//! One line of an attempt's story. Append-only; typed fields and keyed digests, never a body or a header.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::mode::{Switch, SwitchText};
use super::{ExpectedPayment, Opened, StoredAttempt};
use crate::money::Money;
use crate::payment::{GatewayWord, PaymentStatus};
use crate::reference::{
    AttemptReference, Environment, EventId, FulfilmentKey, GatewayId, GatewayReference, MerchantAccount,
    MerchantReference,
};
use crate::verified::Trust;

/// One thing that happened to an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Position in the whole ledger, from 1, without gaps.
    pub position: u64,
    /// When.
    pub at: SystemTime,
    /// Which attempt; none if it is about the whole store.
    pub attempt: Option<AttemptReference>,
    /// What.
    pub kind: RecordKind,
}

impl Record {
    /// A record, for ledgers.
    #[must_use]
    pub fn new(position: u64, at: SystemTime, attempt: Option<AttemptReference>, kind: RecordKind) -> Self {
        Self {
            position,
            at,
            attempt,
            kind,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordKind {
    /// A payment was expected.
    Expected {
        /// The order.
        order: MerchantReference,
        /// The gateway.
        gateway: GatewayId,
        /// The account.
        account: MerchantAccount,
        /// Real money or not.
        environment: Environment,
        /// What is to be paid.
        amount: Money,
        /// SHA-256 over everything that was written down, as JSON, in hex: the page's end, the customer and the rest cannot be
        /// changed either.
        whole: String,
        /// True if every name that the gateway gives to this attempt is on record, with what bound it. Records that were written
        /// before names were kept do not say so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        names: bool,
    },
    /// The gateway made a hosted payment page.
    Opened {
        /// Its name for the checkout.
        checkout: Option<GatewayReference>,
        /// Its name for the payment.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<GatewayReference>,
    },
    /// No page came to be.
    Closed {
        /// True if the gateway refused it, false if it was never sent.
        refused: bool,
    },
    /// The shopper's browser came back.
    Returned {
        /// True if it came by the cancel address. Says nothing about payment.
        cancelled: bool,
    },
    /// The gateway was asked and gave no answer that decides.
    Asked {
        /// True if it answered at all.
        answered: bool,
    },
    /// A proof moved the state.
    Applied {
        /// From which state.
        from: PaymentStatus,
        /// To which.
        to: PaymentStatus,
        /// How it was proven.
        trust: Trust,
        /// The event.
        event: EventId,
        /// The gateway's own word.
        gateway_status: GatewayWord,
        /// Keyed digest of the raw bytes, in hex.
        evidence: String,
        /// The gateway's name for the checkout, if this bound it to the attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkout: Option<GatewayReference>,
        /// Its name for the payment, if this bound it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<GatewayReference>,
    },
    /// A proof that moved no state: known already, or older, or it said too little, so that the gateway is asked.
    Heard {
        /// What it said.
        status: PaymentStatus,
        /// How it was proven.
        trust: Trust,
        /// The event.
        event: EventId,
        /// The gateway's name for the checkout, if this bound it to the attempt.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        checkout: Option<GatewayReference>,
        /// Its name for the payment, if this bound it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<GatewayReference>,
    },
    /// A proof that waits for a human.
    Held {
        /// Why, as [`HeldReason::as_str`](super::HeldReason::as_str) has it.
        reason: String,
        /// What it said.
        status: PaymentStatus,
        /// How it was proven.
        trust: Trust,
        /// The event.
        event: EventId,
        /// The amount it named.
        amount: Option<Money>,
        /// The payment it named.
        payment: Option<GatewayReference>,
        /// Keyed digest of the raw bytes, in hex.
        evidence: String,
    },
    /// The order may be fulfilled.
    Fulfilment {
        /// The right.
        key: FulfilmentKey,
    },
    /// The order was fulfilled.
    Fulfilled {
        /// The right.
        key: FulfilmentKey,
    },
    /// The switch was turned.
    ModeChanged {
        /// Which way.
        switch: Switch,
        /// Who.
        actor: SwitchText,
        /// Why.
        reason: SwitchText,
    },
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

impl RecordKind {
    /// The record of an expectation.
    #[must_use]
    pub fn expected(expected: &ExpectedPayment) -> Self {
        Self::Expected {
            order: expected.order.clone(),
            gateway: expected.gateway.clone(),
            account: expected.account.clone(),
            environment: expected.environment,
            amount: expected.amount,
            whole: whole(expected),
            names: true,
        }
    }

    /// The record of a page: with the names that the attempt has from then on.
    #[must_use]
    pub fn opened(before: &StoredAttempt, opened: &Opened) -> Self {
        let now = |known: &Option<GatewayReference>, named: &Option<_>| known.clone().or_else(|| named.clone());
        Self::Opened {
            checkout: now(&before.checkout, &opened.checkout),
            payment: now(&before.payment, &opened.payment),
        }
    }

    /// Is it a sign that a shopper reached the page? The browser came back, or the gateway reports what only a shopper can
    /// cause. A cancellation counts as one, although a gateway may call a page so that the store closed.
    #[must_use]
    pub fn shows_shopper(&self) -> bool {
        match self {
            Self::Returned { .. } => true,
            Self::Applied { to: status, .. } | Self::Heard { status, .. } | Self::Held { status, .. } => !matches!(
                status,
                PaymentStatus::Created | PaymentStatus::Unknown | PaymentStatus::Expired
            ),
            _ => false,
        }
    }

    /// The word for it, as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Expected { .. } => "expected",
            Self::Opened { .. } => "opened",
            Self::Closed { .. } => "closed",
            Self::Returned { .. } => "returned",
            Self::Asked { .. } => "asked",
            Self::Applied { .. } => "applied",
            Self::Heard { .. } => "heard",
            Self::Held { .. } => "held",
            Self::Fulfilment { .. } => "fulfilment",
            Self::Fulfilled { .. } => "fulfilled",
            Self::ModeChanged { .. } => "mode_changed",
            Self::KeysChanged { .. } => "keys_changed",
        }
    }
}

/// The digest of everything that was written down about an attempt.
pub(crate) fn whole(expected: &ExpectedPayment) -> String {
    // Writing it as JSON cannot fail: it has neither odd keys nor odd numbers.
    let json = serde_json::to_vec(expected).unwrap_or_default();
    base16ct::lower::encode_string(&Sha256::digest(json))
}

/// Something of little weight, remembered once per attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Note {
    /// The browser came back by the return address.
    Returned,
    /// The browser came back by the cancel address.
    Cancelled,
    /// The gateway was asked and could not be reached.
    Unanswered,
}

impl Note {
    /// The record it becomes.
    #[must_use]
    pub fn record(self) -> RecordKind {
        match self {
            Self::Returned => RecordKind::Returned { cancelled: false },
            Self::Cancelled => RecordKind::Returned { cancelled: true },
            Self::Unanswered => RecordKind::Asked { answered: false },
        }
    }

    /// The word for it, as it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Cancelled => "cancelled",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Authentic evidence that contradicts the record, for a human to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeldEvidence {
    /// The attempt it was held against.
    pub attempt: AttemptReference,
    /// Its order.
    pub order: MerchantReference,
    /// The record.
    pub record: Record,
}

impl HeldEvidence {
    /// Held evidence, for ledgers.
    #[must_use]
    pub fn new(attempt: AttemptReference, order: MerchantReference, record: Record) -> Self {
        Self { attempt, order, record }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_shopper_can_cause_shows_one_whatever_became_of_it() {
        let (event, trust) = (EventId::new("evt_1").unwrap(), Trust::Signature);
        for status in PaymentStatus::ALL {
            let without = [PaymentStatus::Created, PaymentStatus::Unknown, PaymentStatus::Expired];
            let applied = RecordKind::Applied {
                from: PaymentStatus::Created,
                to: status,
                trust,
                event: event.clone(),
                gateway_status: GatewayWord::new("a word"),
                evidence: String::new(),
                checkout: None,
                payment: None,
            };
            let heard = RecordKind::Heard {
                status,
                trust,
                event: event.clone(),
                checkout: None,
                payment: None,
            };
            let held = RecordKind::Held {
                reason: "late".to_owned(),
                status,
                trust,
                event: event.clone(),
                amount: None,
                payment: None,
                evidence: String::new(),
            };
            for kind in [applied, heard, held] {
                assert_eq!(kind.shows_shopper(), !without.contains(&status), "{kind:?}");
            }
        }
        assert!(RecordKind::Returned { cancelled: true }.shows_shopper());
        assert!(!RecordKind::Closed { refused: true }.shows_shopper());
        assert!(!RecordKind::Asked { answered: false }.shows_shopper());
    }
}
