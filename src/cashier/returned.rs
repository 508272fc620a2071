//! The browser is back. It is shown a page, and the gateway may be asked; nothing the browser says pays, fails or
//! identifies anything (I4).

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};

use super::Cashier;
use super::asking::Answer;
use crate::addresses;
use crate::callback::Callback;
use crate::form::Params;
use crate::ledger::{Applied, Note, RecordKind, StoreError, StoredAttempt};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, GatewayId, MerchantReference};
use crate::security_event::{Reason, Step};
use crate::trace::notice;

/// Which page to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// The order is paid.
    Paid,
    /// The shopper did what was to be done, and the money is on its way: a slip, a transfer, a delayed method. Or it came, and does
    /// not fit the record, so a human looks. The shopper need not pay again.
    Pending,
    /// It is not paid, and no money for the order waits for a human. The shopper may try again.
    NotPaid,
    /// It could not be found out now. Show "being confirmed" and look again.
    AskAgain,
    /// This is not a return of any attempt. The same for every wrong value, so nothing can be learned from it.
    Unknown,
}

/// What the store's return page may know. No customer, no address, no amount: the page belongs to whoever holds the link
/// (PAY-15, PAY-16).
///
/// ```compile_fail
/// fn log_in(page: kessai::ReturnPage) {
///     let customer = page.customer;
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReturnPage {
    /// Which page to show.
    pub standing: Standing,
    /// The attempt, if the return is one of its.
    pub attempt: Option<AttemptReference>,
    /// Its order, for the store to look up and to compare with what this browser's session holds.
    pub order: Option<MerchantReference>,
    /// True if the browser came by the cancel address. The page at the gateway may still be open.
    pub cancelled: bool,
    /// If this is there, answer it as it is: a cross-site POST is turned into a GET of our own site, which carries the
    /// store's cookies again and can be reloaded.
    pub see_other: Option<Response<Bytes>>,
}

impl ReturnPage {
    fn unknown() -> Self {
        Self {
            standing: Standing::Unknown,
            attempt: None,
            order: None,
            cancelled: false,
            see_other: None,
        }
    }
}

impl Cashier {
    /// Takes a browser's return and says which page to show.
    ///
    /// A return that is missing its token, or has a wrong, foreign or doubled one, gives [`Standing::Unknown`] whatever
    /// else it holds. Coming back twice, late or by reloading is normal.
    pub async fn returned(&self, gateway: &GatewayId, callback: Callback) -> ReturnPage {
        match self.look(gateway, &callback).await {
            Ok(Some(page)) => page,
            Ok(None) => ReturnPage::unknown(),
            Err(error) => {
                notice!(gateway = %gateway, error = %error, "a return could not be looked up");
                self.ledger_failed(Step::Return)(&error);
                ReturnPage {
                    standing: Standing::AskAgain,
                    ..ReturnPage::unknown()
                }
            }
        }
    }

    async fn look(&self, gateway: &GatewayId, callback: &Callback) -> Result<Option<ReturnPage>, StoreError> {
        let Some(gateway) = self.gateway(gateway) else {
            return Ok(None);
        };
        let found = self.attempt_of(gateway.id(), callback).await?;
        self.tell_card_fields(gateway.as_ref(), callback, found.is_ok());
        let attempt = match found {
            Ok(attempt) => attempt,
            Err(reason) => {
                self.tell_forged(gateway.as_ref(), reason);
                return Ok(None);
            }
        };
        let Ok(hint) = gateway.returned(callback) else {
            self.tell_forged(gateway.as_ref(), Reason::Payload);
            return Ok(None);
        };
        // The gateway's part names another checkout: two tabs were mixed up, by accident or not (PAY-13).
        let other_page = hint.subject.checkout.is_some() && hint.subject.checkout != attempt.checkout;
        let other_attempt = hint.subject.attempt.is_some_and(|named| named != *attempt.reference());
        if other_page || other_attempt {
            self.tell_forged(gateway.as_ref(), Reason::OtherCheckout);
            return Ok(None);
        }
        self.tell_returned(&attempt);
        let note = if hint.cancelled {
            Note::Cancelled
        } else {
            Note::Returned
        };
        let _ = self.0.ledger.note(attempt.reference(), note, self.now()).await?;
        let answer = if attempt.status.is_final() {
            Answer::NotAsked
        } else {
            self.ask_for_browser(&attempt).await?
        };
        let attempt = self.0.ledger.attempt(attempt.reference()).await?.unwrap_or(attempt);
        let paid = self.0.ledger.fulfilment_of(&attempt.expected.order).await?.is_some();
        let mut standing = standing(&attempt, paid, answer);
        if standing == Standing::NotPaid && self.holds_money(&attempt).await? {
            standing = Standing::Pending;
        }
        Ok(Some(ReturnPage {
            standing,
            see_other: (callback.method() != Method::GET).then(|| see_other(callback, &attempt)),
            cancelled: hint.cancelled,
            order: Some(attempt.expected.order),
            attempt: Some(attempt.expected.attempt),
        }))
    }

    /// Does the store hold money for the order that a human has to look at, whichever attempt it came for? Money of which the last
    /// that was heard is that it went back is not held.
    async fn holds_money(&self, attempt: &StoredAttempt) -> Result<bool, StoreError> {
        for attempt in self.0.ledger.attempts_of(&attempt.expected.order).await? {
            let timeline = self.0.ledger.timeline(attempt.reference()).await?;
            let held = timeline.iter().rev().find_map(|record| match record.kind {
                RecordKind::Held { status, .. } if status.has_money() => Some(status),
                _ => None,
            });
            if held.is_some_and(|last| !matches!(last, PaymentStatus::Refunded | PaymentStatus::Disputed)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The attempt that this return belongs to: named once, with its own token beside it.
    /// Otherwise says why not, for the store's own eyes.
    async fn attempt_of(
        &self,
        gateway: GatewayId,
        callback: &Callback,
    ) -> Result<Result<StoredAttempt, Reason>, StoreError> {
        let Ok(params) = Params::parse(callback.query().unwrap_or_default().as_bytes()) else {
            return Ok(Err(Reason::Malformed));
        };
        let Some(state) = params.value(addresses::STATE) else {
            return Ok(Err(Reason::Token));
        };
        let named = params
            .value(addresses::ATTEMPT)
            .and_then(|attempt| attempt.parse().ok());
        let Some(named) = named else {
            return Ok(Err(Reason::Malformed));
        };
        let Some(attempt) = self.0.ledger.attempt(&named).await? else {
            return Ok(Err(Reason::UnknownAttempt));
        };
        let is_its = attempt.expected.return_token.matches(state) && attempt.expected.gateway == gateway;
        Ok(if is_its { Ok(attempt) } else { Err(Reason::Token) })
    }
}

fn standing(attempt: &StoredAttempt, paid: bool, answer: Answer) -> Standing {
    match attempt.status {
        _ if paid => Standing::Paid,
        PaymentStatus::Cancelled | PaymentStatus::Failed | PaymentStatus::Expired => Standing::NotPaid,
        // Money is on its way; or it came, and the order may not be fulfilled by it, so a human looks.
        PaymentStatus::Pending
        | PaymentStatus::Authorized
        | PaymentStatus::Captured
        | PaymentStatus::PartiallyRefunded
        | PaymentStatus::Refunded
        | PaymentStatus::Disputed => Standing::Pending,
        PaymentStatus::Created | PaymentStatus::RequiresAction | PaymentStatus::Unknown => match answer {
            // It may be money: a human looks before anybody pays again.
            Answer::Applied(Applied::Held(_)) => Standing::Pending,
            Answer::Applied(applied) if super::decides(applied) => Standing::NotPaid,
            Answer::Applied(_) | Answer::None | Answer::CannotAsk | Answer::NotAsked => Standing::AskAgain,
        },
    }
}

/// 303 to the same path with only our own two values: what the gateway posted stays behind.
fn see_other(callback: &Callback, attempt: &StoredAttempt) -> Response<Bytes> {
    let path = callback.target().split('?').next().unwrap_or_default();
    // Whoever posts chooses the path, and a router may take any. One that a browser could read as another host, or that is no
    // text of a header, is left out: a query alone keeps the path where it is.
    let plain = path.starts_with('/') && !path.starts_with("//");
    let plain = plain && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let path = if plain { path } else { "" };
    let expected = &attempt.expected;
    let location = format!(
        "{path}?{}={}&{}={}",
        addresses::ATTEMPT,
        expected.attempt,
        addresses::STATE,
        expected.return_token.as_str()
    );
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
        .headers_mut()
        .insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(mut location) = HeaderValue::from_str(&location) {
        // The token in it does not print with the response.
        location.set_sensitive(true);
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::conformance::TestGateway;
    use crate::ledger::{AskReason, HeldReason};

    #[test]
    fn not_paid_is_said_only_if_the_gateway_said_so() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000);
        let mut attempt = StoredAttempt::new(TestGateway::new().unwrap().expected("EC-1", at).unwrap());
        for status in [
            PaymentStatus::Created,
            PaymentStatus::RequiresAction,
            PaymentStatus::Unknown,
        ] {
            attempt.status = status;
            for (answer, shown) in [
                (Answer::Applied(Applied::Moved), Standing::NotPaid),
                (Answer::Applied(Applied::Already), Standing::NotPaid),
                (Answer::Applied(Applied::Older), Standing::NotPaid),
                (Answer::Applied(Applied::Held(HeldReason::Late)), Standing::Pending),
                (
                    Answer::Applied(Applied::Ask(AskReason::AmountMissing)),
                    Standing::AskAgain,
                ),
                (
                    Answer::Applied(Applied::Ask(AskReason::StatusUnknown)),
                    Standing::AskAgain,
                ),
                (Answer::None, Standing::AskAgain),
                (Answer::CannotAsk, Standing::AskAgain),
                (Answer::NotAsked, Standing::AskAgain),
            ] {
                assert_eq!(standing(&attempt, false, answer), shown, "{status} {answer:?}");
                assert_eq!(standing(&attempt, true, answer), Standing::Paid, "{status} {answer:?}");
            }
        }
    }
}
