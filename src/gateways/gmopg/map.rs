//! GMO-PG's words to ours and back. Every documented value is listed; any other is `Unknown` and asks again.
#![expect(
    clippy::match_same_arms,
    reason = "tables are kept row by row, as the sheet has them"
)]

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

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

/// `yyyyMMddHHmm` in Japan's time, rounded down so that the page never outlives what was written down.
pub(super) fn japan_minute(time: SystemTime) -> Option<String> {
    let japan = TimeZone::fixed(jiff::tz::offset(9));
    let time = Timestamp::try_from(time).ok().filter(|time| time.as_second() >= 0)?;
    Some(time.to_zoned(japan).strftime("%Y%m%d%H%M").to_string())
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

/// A deal as `SearchTradeMulti` tells it. `None` if the answer contradicts the question or lacks its status.
pub(super) fn deal(
    fields: &Fields<'_>,
    attempt: &StoredAttempt,
    config: &Config,
    at: SystemTime,
) -> Option<PaymentEvent> {
    let expected = &attempt.expected;
    // The recorded answer has no OrderID; if one has, it has to be ours (PAY-42).
    if fields
        .filled("OrderID")
        .is_some_and(|order| order != expected.attempt.as_str())
    {
        return None;
    }
    if fields.filled("Currency").is_some_and(|currency| currency != "JPN") {
        return None;
    }
    let word = fields.filled("Status")?;
    let failed_try = fields.filled("ErrCode").is_some();
    let charged = fields
        .amount("Amount")
        // Without tax the field may be missing; a tax that cannot be read makes the amount unknown.
        .zip(fields.text("Tax").map_or(
            Some(0),
            |tax| if tax.is_empty() { Some(0) } else { fields.amount("Tax") },
        ))
        .and_then(|(amount, tax)| amount.checked_add(tax))
        .map(|yen| Money::new(yen, Currency::JPY));
    let (status, amount, refunded) = match (status(word, failed_try), charged) {
        // A partial refund is a smaller amount and no other word. Only of money that was seen whole before: a payment that
        // starts out smaller is not ours.
        (PaymentStatus::Captured, Some(now))
            if attempt.status.has_money() && now.minor_units() < expected.amount.minor_units() =>
        {
            let back = expected.amount.minor_units() - now.minor_units();
            let back = Money::new(back, Currency::JPY);
            (PaymentStatus::PartiallyRefunded, Some(expected.amount), Some(back))
        }
        // After a void or a return some methods tell no amount; what was expected is not put in its place.
        (status, charged) => (status, charged, None),
    };
    let payment = fields.filled("AccessID").and_then(|id| GatewayReference::new(id).ok());
    event(attempt, config, at, (status, word), payment, amount, refunded)
}

/// There is no deal under this order: the page was not used. Once its end is past, it cannot be used any more.
pub(super) fn unused(attempt: &StoredAttempt, config: &Config, at: SystemTime) -> Option<PaymentEvent> {
    let over = attempt.expires_at.checked_add(Duration::from_secs(3600));
    if over.is_some_and(|over| at >= over) {
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
    use std::time::UNIX_EPOCH;

    #[test]
    fn times_are_japans_and_rounded_down() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (seconds, text) in [
            (0, "197001010900"),
            (951_782_399, "200002290859"),
            (1_793_495_759, "202611011015"),
            (1_798_729_199, "202612312359"),
            (1_798_729_200, "202701010000"),
        ] {
            assert_eq!(japan_minute(at(seconds)).as_deref(), Some(text), "{seconds}");
        }
        assert_eq!(japan_minute(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(japan_minute(at(300_000_000_000)), None);
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
            "",
            " CAPTURE",
            "SUCCESS",
        ];
        let paid: Vec<_> = words
            .into_iter()
            .filter(|word| status(word, false) == PaymentStatus::Captured)
            .collect();
        assert_eq!(paid, ["CAPTURE", "SALES", "PAYSUCCESS"]);
        for word in ["PAID", "capture", "", " CAPTURE", "SUCCESS"] {
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
