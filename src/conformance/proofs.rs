//! Proofs made the honest way: a small gateway signs what it says, and what it said is verified like everything else.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::checkout::CheckoutRequest;
use crate::event::{PaymentEvent, Subject};
use crate::ledger::ExpectedPayment;
use crate::money::{Currency, Money};
use crate::payment::{CaptureMode, GatewayWord, PaymentSnapshot, PaymentStatus};
use crate::reference::{
    AttemptReference, Environment, EventId, GatewayId, GatewayReference, IdempotencyKey, MerchantAccount,
    MerchantReference, ReferenceFormat, ReturnToken,
};
use crate::sign::{Mac, SigningKeys};
use crate::verified::Verified;

/// A gateway that exists in tests only. It has a signing key and no page.
#[derive(Clone, Debug)]
pub struct TestGateway {
    keys: SigningKeys,
    account: MerchantAccount,
}

/// What the test gateway says of one payment. Change any field before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Under which the fact is known.
    pub id: EventId,
    /// Which gateway speaks.
    pub gateway: GatewayId,
    /// Of which account.
    pub account: MerchantAccount,
    /// Real money or not.
    pub environment: Environment,
    /// Our order.
    pub order: Option<MerchantReference>,
    /// Our attempt.
    pub attempt: Option<AttemptReference>,
    /// The gateway's name for the checkout.
    pub checkout: Option<GatewayReference>,
    /// The gateway's name for the payment.
    pub payment: Option<GatewayReference>,
    /// The state.
    pub status: PaymentStatus,
    /// What was to be paid.
    pub amount: Option<Money>,
}

/// How long the page of an attempt made here can be used.
pub(super) const PAGE: std::time::Duration = std::time::Duration::from_secs(30 * 60);

impl TestGateway {
    /// One with its own account.
    pub fn new() -> Result<Self, String> {
        Ok(Self {
            keys: SigningKeys::from_texts(["the-key-of-the-conformance-suite"]).map_err(say)?,
            account: MerchantAccount::new("acct-conformance").map_err(say)?,
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> GatewayId {
        GatewayId::from_static("conformance")
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &MerchantAccount {
        &self.account
    }

    /// A fresh attempt to pay 1980 yen for an order, written down nowhere yet. Its page can be used for half an hour.
    pub fn expected(&self, order: &str, at: SystemTime) -> Result<ExpectedPayment, String> {
        let order = MerchantReference::new(order).map_err(say)?;
        let amount = Money::new(1980, Currency::JPY);
        let request = CheckoutRequest::builder(order.clone()).total(amount);
        Ok(ExpectedPayment {
            gateway: self.id(),
            account: self.account.clone(),
            environment: Environment::Sandbox,
            order,
            attempt: AttemptReference::random(ReferenceFormat::RANDOM_128).map_err(say)?,
            amount,
            capture: CaptureMode::Automatic,
            idempotency_key: IdempotencyKey::random().map_err(say)?,
            return_token: ReturnToken::random().map_err(say)?,
            content: request.build().map_err(say)?.content(),
            customer: None,
            created_at: at,
            expires_at: at.checked_add(PAGE).ok_or("a time beyond all times")?,
            expiry_asked: false,
        })
    }

    /// Signs the statement, checks the signature, and reads the event out of the bytes that were checked.
    pub fn prove(&self, statement: &Statement, at: SystemTime) -> Result<Verified<PaymentEvent>, String> {
        let body = serde_json::to_vec(statement).map_err(say)?;
        let tag = self.keys.sign(Mac::HmacSha256, &[PREFIX, &body]);
        let proven = self
            .keys
            .verify(Mac::HmacSha256, PREFIX, &body, &[tag], at)
            .map_err(say)?;
        proven.try_map(|body| read(body, at))
    }
}

impl Statement {
    /// A true statement about an attempt. Its page and its payment are named after it, and so is the event: the same
    /// statement made twice is the same fact.
    pub fn about(expected: &ExpectedPayment, status: PaymentStatus) -> Result<Self, String> {
        let attempt = &expected.attempt;
        Ok(Self {
            id: EventId::new(format!("evt-{attempt}-{status}")).map_err(say)?,
            gateway: expected.gateway.clone(),
            account: expected.account.clone(),
            environment: expected.environment,
            order: Some(expected.order.clone()),
            attempt: Some(attempt.clone()),
            checkout: Some(Self::page_of(attempt)?),
            payment: Some(GatewayReference::new(format!("pay-{attempt}")).map_err(say)?),
            status,
            amount: Some(expected.amount),
        })
    }

    /// What the test gateway calls the page of an attempt.
    pub fn page_of(attempt: &AttemptReference) -> Result<GatewayReference, String> {
        GatewayReference::new(format!("page-{attempt}")).map_err(say)
    }

    /// The same statement with changes.
    #[must_use]
    pub fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// The same fact heard by another way, for instance as the answer to a question: another event.
    pub fn heard_as(mut self, id: &str) -> Result<Self, String> {
        self.id = EventId::new(format!("{id}-{}", self.id)).map_err(say)?;
        Ok(self)
    }
}

const PREFIX: &[u8] = b"conformance.";

fn read(body: &[u8], at: SystemTime) -> Result<PaymentEvent, String> {
    let said: Statement = serde_json::from_slice(body).map_err(say)?;
    let subject = Subject::new()
        .with_order(said.order)
        .with_attempt(said.attempt)
        .with_checkout(said.checkout)
        .with_payment(said.payment);
    let snapshot =
        PaymentSnapshot::new(said.status, GatewayWord::new(said.status.as_str()), at).with_amount(said.amount);
    let origin = (said.gateway, said.account, said.environment);
    Ok(PaymentEvent::new(said.id, origin, subject, snapshot))
}

/// Every error of the suite is a text for whoever runs it.
#[allow(clippy::needless_pass_by_value)] // the shape that `map_err` wants
pub(super) fn say(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
