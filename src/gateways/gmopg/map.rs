//! GMO-PG's words to ours and back. Every documented value is listed; any other is `Unknown` and asks again.
#![expect(
    clippy::match_same_arms,
    reason = "tables are kept row by row, as the sheet has them"
)]

use std::time::{Duration, SystemTime};

use super::config::Config;
use super::wire::Fields;
use crate::checkout::{CheckoutRequest, Locale, RequestError};
use crate::error::{Error, ErrorKind, Outcome};
use crate::event::{PaymentEvent, Subject};
use crate::gateway::AttemptPlan;
use crate::ledger::StoredAttempt;
use crate::money::{Currency, Money};
use crate::payment::{GatewayWord, PaymentSnapshot, PaymentStatus};
use crate::reference::{EventId, GatewayId, GatewayReference, ReferenceFormat};

/// Amounts are 1 to 9999999 yen (sheet section "Money").
const MOST: u64 = 9_999_999;
/// The page's end is written to the minute and is ours to choose; the sheet names no bounds, so these are modest ones.
const SHORTEST: Duration = Duration::from_secs(10 * 60);
const LONGEST: Duration = Duration::from_secs(60 * 24 * 3600);
const DEFAULT: Duration = Duration::from_secs(24 * 3600);

/// What an attempt looks like here, or why the request cannot be one. The attempt is GMO-PG's `OrderID`: 27 characters of
/// letters, digits and `-`, unique for ever (sheet section "Identifiers").
pub(super) fn plan(request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
    let bounds = |field, bounds| RequestError::Bounds { field, bounds };
    if request.total().currency() != Currency::JPY {
        return Err(RequestError::Unsupported("another currency than JPY"));
    }
    if !(1..=MOST).contains(&request.total().minor_units()) {
        return Err(bounds("the total", "1 to 9999999 yen"));
    }
    if request
        .valid_for()
        .is_some_and(|valid| valid < SHORTEST || valid > LONGEST)
    {
        return Err(bounds("the validity", "10 minutes to 60 days"));
    }
    Ok(AttemptPlan {
        format: ReferenceFormat::RANDOM_128,
        valid_for: request.valid_for().unwrap_or(DEFAULT),
    })
}

/// The languages of the page (sheet: ja, en, zh).
pub(super) fn language(locale: &Locale) -> Option<&'static str> {
    ["ja", "en", "zh"]
        .into_iter()
        .find(|listed| listed.eq_ignore_ascii_case(locale.language()))
}

/// The table of the sheet, section "Status query".
fn status(word: &str, failed_try: bool) -> PaymentStatus {
    match word {
        // A refused card also leaves it here, and then there is an error beside it.
        "UNPROCESSED" if failed_try => PaymentStatus::Failed,
        "UNPROCESSED" => PaymentStatus::Created,
        "AUTHENTICATED" => PaymentStatus::RequiresAction,
        "AUTHPROCESS" | "TRADING" | "REQSALES" | "REQSUCCESS" => PaymentStatus::Pending,
        // Card validity only: no money (trap 7).
        "CHECK" => PaymentStatus::Created,
        "AUTH" | "SAUTH" => PaymentStatus::Authorized,
        "CAPTURE" | "SALES" | "PAYSUCCESS" => PaymentStatus::Captured,
        "VOID" => PaymentStatus::Cancelled,
        "RETURN" | "RETURNX" => PaymentStatus::Refunded,
        "CANCEL" | "STOP" | "FORCECANCEL" | "PAYCANCEL" => PaymentStatus::Cancelled,
        "PAYFAIL" => PaymentStatus::Failed,
        "EXPIRED" => PaymentStatus::Expired,
        "INVOICE" | "SHIPPED" => PaymentStatus::Pending,
        _ => PaymentStatus::Unknown,
    }
}

/// What the page of an attempt can still do when a deal is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Perhaps somebody is on it. Its end is told by its time alone.
    Unknown,
    /// GMO-PG has just taken our word that it is closed.
    Closed,
}

/// A deal as `SearchTradeMulti` tells it under one `PayType`. `None` if the answer contradicts the question or lacks its
/// status.
pub(super) fn deal(
    fields: &Fields<'_>,
    (attempt, pay_type): (&StoredAttempt, &str),
    page: Page,
    config: &Config,
    at: SystemTime,
) -> Option<PaymentEvent> {
    let expected = &attempt.expected;
    // The recorded answer has no OrderID; if one has, it has to be ours (PAY-42).
    if fields
        .filled("OrderID")
        .is_some_and(|order| order != expected.attempt.as_str())
        || fields.filled("PayType").is_some_and(|echo| echo != pay_type)
        || fields.filled("Currency").is_some_and(|currency| currency != "JPN")
    {
        return None;
    }
    let word = fields.filled("Status")?;
    let failed_try = fields.filled("ErrCode").is_some();
    let status = match status(word, failed_try) {
        // Registered and unpaid is where an abandoned deal stays for ever. It is over with its page; a question at the
        // bank can be answered after the page was closed, but not long after its end (trap 9).
        PaymentStatus::Created if page == Page::Closed || page_is_over(attempt, at) => PaymentStatus::Expired,
        PaymentStatus::RequiresAction if page_is_over(attempt, at) => PaymentStatus::Expired,
        // A sale of the same day goes back as a VOID, too.
        PaymentStatus::Cancelled => attempt.status.called_off(),
        status => status,
    };
    let charged = charged(fields);
    // A part that went back is a smaller amount and no other word. Only of money that was seen whole before: a payment that
    // starts out smaller is not ours.
    let back = charged
        .filter(|_| attempt.status.has_money())
        .and_then(|now| expected.amount.minor_units().checked_sub(now.minor_units()))
        .filter(|back| *back > 0);
    let (status, amount, refunded) = match (status, back) {
        (PaymentStatus::Captured, Some(back)) => {
            let back = Money::new(back, Currency::JPY);
            (PaymentStatus::PartiallyRefunded, Some(expected.amount), Some(back))
        }
        // The rest went back as well.
        (PaymentStatus::Refunded, Some(_)) => (PaymentStatus::Refunded, Some(expected.amount), None),
        // After a void or a return some methods tell no amount; what was expected is not put in its place.
        (status, _) => (status, charged, None),
    };
    // Another method can be tried on the same page, and is a deal with a name of its own: the name is bound when the deal
    // has, or had, the money of the page.
    let names = status.has_money() || word == "VOID" || attempt.payment.is_some();
    let payment = fields.filled("AccessID").filter(|_| names);
    let payment = payment.and_then(|id| GatewayReference::new(id).ok());
    event(attempt, config, at, (status, word), payment, amount, refunded)
}

/// What the shopper pays: amount and tax together (trap 4).
pub(super) fn charged(fields: &Fields<'_>) -> Option<Money> {
    let yen = fields.amount("Amount")?.checked_add(fields.tax()?)?;
    Some(Money::new(yen, Currency::JPY))
}

/// How much the answer under one method decides when those under others say something else: more counts. Whether one order
/// can have a deal under each of several methods is not in the sheet.
pub(super) fn strength(event: &PaymentEvent, attempt: &StoredAttempt) -> u8 {
    let status = event.snapshot.status;
    let bound = attempt.payment.is_some() && attempt.payment == event.subject.payment;
    match status {
        status if status.has_money() => 5,
        _ if bound => 4,
        PaymentStatus::Unknown => 3,
        PaymentStatus::Pending | PaymentStatus::RequiresAction => 2,
        PaymentStatus::Created => 1,
        _ => 0,
    }
}

/// How long after its end a page may still bring something: for clocks that differ, and for a shopper who is at the bank.
const GRACE: Duration = Duration::from_secs(3600);

fn page_is_over(attempt: &StoredAttempt, at: SystemTime) -> bool {
    let over = attempt.expires_at.checked_add(GRACE);
    over.is_some_and(|over| at >= over)
}

/// There is no deal under this order: the page was not used. Once its end is past, it cannot be used any more.
pub(super) fn unused(attempt: &StoredAttempt, config: &Config, at: SystemTime) -> Option<PaymentEvent> {
    if page_is_over(attempt, at) {
        return closed(attempt, config, at);
    }
    event(
        attempt,
        config,
        at,
        (PaymentStatus::Created, NO_SUCH_ORDER),
        None,
        None,
        None,
    )
}

/// There is no deal, and the page is closed.
pub(super) fn closed(attempt: &StoredAttempt, config: &Config, at: SystemTime) -> Option<PaymentEvent> {
    event(
        attempt,
        config,
        at,
        (PaymentStatus::Expired, NO_SUCH_ORDER),
        None,
        None,
        None,
    )
}

fn event(
    attempt: &StoredAttempt,
    config: &Config,
    at: SystemTime,
    (status, word): (PaymentStatus, &str),
    payment: Option<GatewayReference>,
    amount: Option<Money>,
    refunded: Option<Money>,
) -> Option<PaymentEvent> {
    let word = GatewayWord::new(word);
    let reference = attempt.reference();
    // The same fact has the same id however often it is asked for.
    let sums = amount.map_or(0, Money::minor_units);
    let id = EventId::new(format!("ask:{reference}/{}/{status}/{sums}", word.as_str())).ok()?;
    let snapshot = PaymentSnapshot::new(status, word, at)
        .with_amount(amount)
        .with_refunded(refunded);
    // Asked under our credentials by this very reference, so the answer is about it.
    let subject = Subject::new()
        .with_attempt(Some(reference.clone()))
        .with_payment(payment);
    let origin = (GatewayId::GMOPG, config.shop_id.clone(), config.environment);
    Some(PaymentEvent::new(id, origin, subject, snapshot))
}

/// No such order, of the query (sheet section "Status query").
pub(super) const NO_SUCH_ORDER: &str = "M01004002";

/// The codes of the sheet, section "Errors". `code` is an `ErrInfo`, nine characters.
pub(super) fn failure(code: &str) -> Error {
    let (kind, outcome, message) = match code {
        "E01030002" => (
            ErrorKind::Authentication,
            Outcome::Refused,
            "the gateway refused the shop id or the shop password",
        ),
        // A link may exist that nobody has: asking again cannot give it (trap 5).
        "E01040010" | "M01004010" => (
            ErrorKind::Conflict,
            Outcome::Unknown,
            "this attempt was sent before, and its link is told only once",
        ),
        NO_SUCH_ORDER => (
            ErrorKind::NotFound,
            Outcome::Refused,
            "the gateway does not know what was asked about",
        ),
        "E90010001" => (
            ErrorKind::Conflict,
            Outcome::Unknown,
            "another request about the same thing is running",
        ),
        "E92000001" | "E92000002" => (ErrorKind::RateLimited, Outcome::Refused, "the gateway is busy"),
        _ if code.starts_with("E9") => (ErrorKind::Unavailable, Outcome::Unknown, "the gateway has trouble"),
        _ if code.starts_with("E11") => (
            ErrorKind::Conflict,
            Outcome::Refused,
            "the payment is in a state that does not allow this",
        ),
        _ if code.starts_with("42") => (ErrorKind::Declined, Outcome::Refused, "the payment was declined"),
        _ if code.starts_with("E01") || code.starts_with("M01") || code.starts_with("EZ1") => {
            (ErrorKind::Request, Outcome::Refused, "the gateway refused the request")
        }
        _ => (
            ErrorKind::Protocol,
            Outcome::Unknown,
            "the gateway answered with a code that is not in its documents",
        ),
    };
    Error::new(kind, outcome, message).with_code(Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::LineItem;
    use crate::conformance::{Statement, TestGateway};
    use crate::reference::MerchantReference;

    #[test]
    fn a_page_lives_as_long_as_asked_within_the_bounds_and_a_day_if_nothing_is_said() {
        let of = |valid_for: Option<u64>| {
            let item = LineItem::new("Sencha", Money::new(1980, Currency::JPY), 1).unwrap();
            let mut request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap()).item(item);
            if let Some(seconds) = valid_for {
                request = request.valid_for(Duration::from_secs(seconds));
            }
            plan(&request.build().unwrap())
                .ok()
                .map(|plan| plan.valid_for.as_secs())
        };
        assert_eq!(of(None), Some(86_400));
        for within in [600, 600 + 1, 5_184_000 - 1, 5_184_000] {
            assert_eq!(of(Some(within)), Some(within));
        }
        for outside in [600 - 1, 5_184_000 + 1] {
            assert_eq!(of(Some(outside)), None, "{outside}");
        }
    }

    #[test]
    fn under_several_methods_what_decides_more_is_heard() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000);
        let gateway = TestGateway::new().unwrap();
        let mut attempt = StoredAttempt::new(gateway.expected("EC-1", at).unwrap());
        let mut of = |status, bound| {
            let said = Statement::about(&attempt.expected, status).unwrap();
            let event = gateway.prove(&said, at).unwrap().into_value();
            attempt.payment = if bound { event.subject.payment.clone() } else { None };
            strength(&event, &attempt)
        };
        for (status, decides) in [
            (PaymentStatus::Captured, 5),
            (PaymentStatus::Refunded, 5),
            (PaymentStatus::Unknown, 3),
            (PaymentStatus::Pending, 2),
            (PaymentStatus::RequiresAction, 2),
            (PaymentStatus::Created, 1),
            (PaymentStatus::Failed, 0),
            (PaymentStatus::Cancelled, 0),
            (PaymentStatus::Expired, 0),
        ] {
            assert_eq!(of(status, false), decides, "{status}");
            assert_eq!(of(status, true), decides.max(4), "{status}");
        }
    }

    #[test]
    fn only_three_words_mean_money_that_was_taken() {
        let words = [
            "UNPROCESSED",
            "AUTHENTICATED",
            "AUTHPROCESS",
            "TRADING",
            "REQSALES",
            "REQSUCCESS",
            "CHECK",
            "AUTH",
            "SAUTH",
            "CAPTURE",
            "SALES",
            "PAYSUCCESS",
            "VOID",
            "RETURN",
            "RETURNX",
            "CANCEL",
            "STOP",
            "FORCECANCEL",
            "PAYCANCEL",
            "PAYFAIL",
            "EXPIRED",
            "INVOICE",
            "SHIPPED",
            "PAID",
            "capture",
            "Capture",
            "",
            " CAPTURE",
            "CAPTURE ",
            "CAPTURED",
            "CAPTUR",
            "RECAPTURE",
            "SUCCESS",
            "1",
            "1.0",
            "true",
        ];
        let paid: Vec<_> = words
            .into_iter()
            .filter(|word| status(word, false) == PaymentStatus::Captured)
            .collect();
        assert_eq!(paid, ["CAPTURE", "SALES", "PAYSUCCESS"]);
        for word in words.into_iter().skip_while(|word| *word != "PAID") {
            assert_eq!(status(word, false), PaymentStatus::Unknown, "{word:?}");
        }
        assert_eq!(status("UNPROCESSED", true), PaymentStatus::Failed);
    }

    #[test]
    fn every_family_of_codes_has_its_meaning_and_one_that_is_in_no_document_is_unknown() {
        for (code, kind, outcome) in [
            ("E01030002", ErrorKind::Authentication, Outcome::Refused),
            ("E01040010", ErrorKind::Conflict, Outcome::Unknown),
            ("M01004010", ErrorKind::Conflict, Outcome::Unknown),
            ("M01004002", ErrorKind::NotFound, Outcome::Refused),
            ("E90010001", ErrorKind::Conflict, Outcome::Unknown),
            ("E92000001", ErrorKind::RateLimited, Outcome::Refused),
            ("E92000002", ErrorKind::RateLimited, Outcome::Refused),
            ("E91099997", ErrorKind::Unavailable, Outcome::Unknown),
            ("E92000003", ErrorKind::Unavailable, Outcome::Unknown),
            ("E11010003", ErrorKind::Conflict, Outcome::Refused),
            ("42G020000", ErrorKind::Declined, Outcome::Refused),
            ("E01010001", ErrorKind::Request, Outcome::Refused),
            ("M01001001", ErrorKind::Request, Outcome::Refused),
            ("EZ1999999", ErrorKind::Request, Outcome::Refused),
            ("E41170002", ErrorKind::Protocol, Outcome::Unknown),
            ("", ErrorKind::Protocol, Outcome::Unknown),
        ] {
            let error = failure(code);
            assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{code}");
        }
    }
}
