//! Orders about a deal by card: capture, void, refund (sheet section "Refund / cancel / capture"). The deal is asked for first,
//! because the order needs its password and depends on its state.

use std::time::SystemTime;

use bytes::Bytes;
use http::Response;

use super::GmoPg;
use super::calls::{answer, post_form, shop};
use super::config::Config;
use super::map::Page;
use super::wire::Access;
use crate::error::{Error, ErrorKind, Outcome};
use crate::gateway::{Capture, Refund, RefundReceipt, Void};
use crate::ledger::StoredAttempt;
use crate::money::{Currency, Money};
use crate::payment::{GatewayWord, PaymentStatus};
use crate::reference::{GatewayReference, IdempotencyKey};
use crate::transport::{BoxFuture, Call, Repeat, RetryAdvice};

impl GmoPg {
    /// What an order about a deal by card needs, asked for anew: the deal's password is never kept. The deal has to be the
    /// one that is bound to the attempt; before one is, the one of the expected amount (PAY-42).
    async fn access(&self, attempt: &StoredAttempt, at: SystemTime) -> Result<(Access, PaymentStatus), Error> {
        let found = self.search(attempt, Page::Unknown, at).await?.into_value();
        let nothing = || Error::request("no payment is known for this attempt yet");
        let deal = found.ok_or_else(nothing)?;
        let status = deal.event.snapshot.status;
        let access = deal.access.ok_or_else(nothing)?;
        let ours = match &attempt.payment {
            Some(bound) => access.is_of(bound),
            None => Money::new(access.total(), Currency::JPY) == attempt.expected.amount,
        };
        if !ours {
            return Err(Error::new(
                ErrorKind::Protocol,
                Outcome::NotSent,
                "the gateway knows another payment than the one of this attempt",
            ));
        }
        Ok((access, status))
    }

    async fn change(&self, access: &Access, change: Change) -> Result<RefundReceipt, Error> {
        self.client()?
            .call(&ChangeDeal::new(&self.config, access, change))
            .await
    }
}

impl Capture for GmoPg {
    fn capture<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        _key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            if let Some(part) = amount {
                attempt.expected.check_part(part)?;
            }
            let (access, status) = self.access(attempt, at).await?;
            if status != PaymentStatus::Authorized {
                return Err(not_in_state());
            }
            if amount.is_some_and(|amount| amount != Money::new(access.total(), Currency::JPY)) {
                return Err(Error::request(
                    "this gateway captures the authorized amount and no other",
                ));
            }
            self.change(&access, Change::Sales).await.map(|_| ())
        })
    }
}

impl Void for GmoPg {
    fn void<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        _key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let (access, status) = self.access(attempt, at).await?;
            if status != PaymentStatus::Authorized {
                return Err(not_in_state());
            }
            self.change(&access, Change::Void).await.map(|_| ())
        })
    }
}

impl Refund for GmoPg {
    fn refund<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        amount: Option<Money>,
        _key: &'a IdempotencyKey,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<RefundReceipt, Error>> {
        Box::pin(async move {
            if let Some(part) = amount {
                attempt.expected.check_part(part)?;
                if part != attempt.expected.amount && !self.config.partial_refunds {
                    return Err(Error::request(
                        "refunds in parts are turned off, because GMO-PG knows no idempotency key",
                    ));
                }
            }
            let (access, status) = self.access(attempt, at).await?;
            if !matches!(status, PaymentStatus::Captured | PaymentStatus::PartiallyRefunded) {
                return Err(not_in_state());
            }
            let total = access.total();
            if let Some(back) = amount.filter(|back| back.minor_units() != total) {
                let left = total.checked_sub(back.minor_units());
                let left =
                    left.ok_or_else(|| Error::request("the amount to give back is not a part of what is left"))?;
                return self.change(&access, Change::Amount(left)).await;
            }
            // Which of the three fits depends on windows that are unconfirmed. Each is tried only after a clear refusal of
            // the one before, and the state was asked for just now (sheet section "Refund").
            let mut refusal = not_in_state();
            for change in [Change::Void, Change::Return, Change::ReturnLater] {
                match self.change(&access, change).await {
                    Err(error) if error.code() == Some(NOT_POSSIBLE) => refusal = error,
                    answer => return answer,
                }
            }
            Err(refusal)
        })
    }
}

/// Not possible for this state.
const NOT_POSSIBLE: &str = "E11010003";

fn not_in_state() -> Error {
    Error::new(
        ErrorKind::Conflict,
        Outcome::NotSent,
        "the payment is in a state that does not allow this",
    )
}

/// What is to become of a deal by card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Sales,
    Void,
    Return,
    ReturnLater,
    /// The new amount, in yen: how a part goes back.
    Amount(u64),
}

/// `POST /payment/AlterTran.idPass` and `ChangeTran.idPass`.
pub(super) struct ChangeDeal<'a> {
    config: &'a Config,
    access: &'a Access,
    change: Change,
}

impl<'a> ChangeDeal<'a> {
    pub(super) fn new(config: &'a Config, access: &'a Access, change: Change) -> Self {
        Self { config, access, change }
    }
}

impl Call for ChangeDeal<'_> {
    type Reply = RefundReceipt;
    // Nothing makes a second one harmless.
    const REPEAT: Repeat = Repeat::Never;

    fn request(&self) -> Result<http::Request<Bytes>, Error> {
        let (path, job) = match self.change {
            Change::Sales => ("/payment/AlterTran.idPass", "SALES"),
            Change::Void => ("/payment/AlterTran.idPass", "VOID"),
            Change::Return => ("/payment/AlterTran.idPass", "RETURN"),
            Change::ReturnLater => ("/payment/AlterTran.idPass", "RETURNX"),
            Change::Amount(_) => ("/payment/ChangeTran.idPass", self.access.job.as_str()),
        };
        let mut body = shop(self.config)
            .pair("AccessID", &self.access.id)
            .pair("AccessPass", &self.access.pass)
            .pair("JobCd", job);
        body = match self.change {
            // The recorded RETURN has its amount as well (sheet section "Refund").
            Change::Sales | Change::Return | Change::ReturnLater => body
                .pair("Amount", &self.access.amount.to_string())
                .pair("Tax", &self.access.tax.to_string()),
            Change::Amount(yen) => body.pair("Amount", &yen.to_string()).pair("Tax", "0"),
            Change::Void => body,
        };
        post_form(self.config, path, body)
    }

    fn advice(&self, _response: &Response<Bytes>) -> RetryAdvice {
        RetryAdvice::Stop
    }

    fn reply(&self, response: Response<Bytes>) -> Result<RefundReceipt, Error> {
        let fields = answer(&response)?;
        if fields.filled("AccessID") != Some(self.access.id.as_str()) {
            return Err(Error::protocol("the answer is about another deal"));
        }
        let reference = fields.filled("TranID").unwrap_or(&self.access.id);
        let reference =
            GatewayReference::new(reference).map_err(|_| Error::protocol("the answer has no usable TranID"))?;
        let word = match self.change {
            Change::Sales => "SALES",
            Change::Void => "VOID",
            Change::Return => "RETURN",
            Change::ReturnLater => "RETURNX",
            Change::Amount(_) => "CHANGE",
        };
        Ok(RefundReceipt::new(reference, GatewayWord::new(word)))
    }
}
