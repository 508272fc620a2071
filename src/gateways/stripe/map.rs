//! Stripe's words to ours and back. Every documented value is listed; any other is `Unknown` and asks again.
#![expect(
    clippy::match_same_arms,
    reason = "tables are kept row by row, as the sheet has them"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::config::Config;
use super::wire;
use crate::checkout::{CheckoutRequest, Locale, RequestError};
use crate::error::VerifyError;
use crate::event::{Notification, PaymentEvent, Subject};
use crate::gateway::AttemptPlan;
use crate::money::{Currency, Money, MoneyError};
use crate::payment::{GatewayWord, PaymentSnapshot, PaymentStatus};
use crate::reference::{
    Environment, EventId, GatewayId, GatewayReference, MerchantAccount, MerchantReference, ReferenceFormat,
};

/// The metadata entry that carries the order; the name is the sheet's own example (section 4).
pub(super) const ORDER_ENTRY: &str = "order_id";
/// The metadata entry that carries the attempt.
pub(super) const ATTEMPT_ENTRY: &str = "attempt_id";

/// A session lives 30 minutes to 24 hours; a day if nothing is said (sheet section 4).
const SHORTEST: Duration = Duration::from_secs(30 * 60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Cards take up to 12 digits; what is too much for a method, Stripe decides (sheet section 10).
const MOST: u64 = 999_999_999_999;

/// What an attempt looks like here, or why the request cannot be one.
pub(super) fn plan(request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
    if matches!(units(request.total().currency()), Units::Undocumented) {
        return Err(RequestError::Unsupported("a currency whose decimals it does not name"));
    }
    for item in request.items() {
        to_wire(item.unit_price())?;
    }
    if to_wire(request.total())? > MOST {
        return Err(RequestError::Bounds {
            field: "the total",
            bounds: "at most 12 digits in Stripe's units",
        });
    }
    if request
        .valid_for()
        .is_some_and(|valid| valid < SHORTEST || valid > LONGEST)
    {
        return Err(RequestError::Bounds {
            field: "the validity",
            bounds: "30 minutes to 24 hours",
        });
    }
    let valid_for = request.valid_for().unwrap_or(LONGEST);
    Ok(AttemptPlan {
        format: ReferenceFormat::RANDOM_128,
        valid_for,
    })
}

/// Stripe's units beside those of ISO 4217: two decimals, unless a currency is listed (sheet section 10).
enum Units {
    /// As in ISO 4217.
    Iso,
    /// Stripe sends whole units of a currency that has decimals in ISO 4217.
    WholeOfHundredths,
    /// Stripe sends hundredths of a currency that has none in ISO 4217, and the fraction must be 00.
    HundredthsOfWhole,
    /// Thousandths, of which the last digit must be 0. That this still holds is unconfirmed, so it is refused, not rounded.
    ThousandthsEndingInZero,
    /// Not listed, and not of two decimals in ISO 4217 either: a power of ten too much or too little, so it is refused.
    Undocumented,
}

fn units(currency: Currency) -> Units {
    match currency.code() {
        "MGA" => Units::WholeOfHundredths,
        "ISK" | "UGX" => Units::HundredthsOfWhole,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Units::ThousandthsEndingInZero,
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "VND" | "VUV" | "XAF" | "XOF"
        | "XPF" => Units::Iso,
        _ if currency.exponent() == 2 => Units::Iso,
        _ => Units::Undocumented,
    }
}

/// An amount in Stripe's units.
pub(super) fn to_wire(money: Money) -> Result<u64, MoneyError> {
    let minor = money.minor_units();
    match units(money.currency()) {
        Units::Iso => Ok(minor),
        Units::WholeOfHundredths if minor.is_multiple_of(100) => Ok(minor / 100),
        Units::HundredthsOfWhole => minor.checked_mul(100).ok_or(MoneyError::Overflow),
        Units::ThousandthsEndingInZero if minor.is_multiple_of(10) => Ok(minor),
        Units::WholeOfHundredths | Units::ThousandthsEndingInZero => Err(MoneyError::Precision),
        Units::Undocumented => Err(MoneyError::UnknownCurrency),
    }
}

/// An amount out of Stripe's units, or nothing if it is not one. Currency codes are lower case on this wire, and only that.
pub(super) fn from_wire(amount: Option<u64>, currency: Option<&str>) -> Option<Money> {
    let (amount, code) = (amount?, currency?);
    let code: [u8; 3] = code.as_bytes().try_into().ok()?;
    if !code.iter().all(u8::is_ascii_lowercase) {
        return None;
    }
    let code = code.map(|byte| byte.to_ascii_uppercase());
    let currency: Currency = std::str::from_utf8(&code).ok()?.parse().ok()?;
    let minor = match units(currency) {
        Units::Iso | Units::ThousandthsEndingInZero => amount,
        Units::WholeOfHundredths => amount.checked_mul(100)?,
        // A fraction that must not be there makes it another amount than any we asked for.
        Units::HundredthsOfWhole if amount.is_multiple_of(100) => amount / 100,
        Units::HundredthsOfWhole | Units::Undocumented => return None,
    };
    Some(Money::new(minor, currency))
}

/// The languages of the hosted payment page (sheet section 4). Unknown ones are refused there, so they are not sent.
const LOCALES: &[&str] = &[
    "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hi-IN", "hr", "hu",
    "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv",
    "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];

/// The page's language for ours: the same tag, else the language alone, else none, which means the browser's.
pub(super) fn locale(locale: &Locale) -> Option<&'static str> {
    let listed = |tag: &str| LOCALES.iter().copied().find(|listed| listed.eq_ignore_ascii_case(tag));
    listed(locale.as_str()).or_else(|| listed(locale.language()))
}

/// What a verified delivery says.
pub(super) fn notification(
    event: &wire::Event<'_>,
    config: &Config,
    received_at: SystemTime,
) -> Result<Notification, VerifyError> {
    let as_of = event.created.and_then(time).unwrap_or(received_at);
    let id = EventId::new(event.id.as_ref()).map_err(|_| VerifyError::Payload("the event's id is not an id"))?;
    let mut events = Vec::new();
    if let Some(news) = news(event)? {
        let status = PaymentSnapshot::new(news.status, GatewayWord::new(&news.word), as_of)
            .with_amount(news.amount)
            .with_refunded(news.refunded);
        let livemode = if event.livemode == news.livemode {
            event.livemode
        } else {
            None
        };
        // A message that does not say its mode, or says two, is none of ours: it is read as of the other mode.
        let environment = livemode.map_or(other(config.environment), environment);
        let account = account(event.account.as_deref(), config)?;
        events.push(PaymentEvent::new(
            id,
            (GatewayId::STRIPE, account, environment),
            news.subject,
            status,
        ));
    }
    let version = event.api_version.as_deref().map(GatewayWord::new);
    Ok(Notification::new(GatewayWord::new(&event.kind), events)
        .with_version(version)
        .with_failed_try(failed_try(event, config)))
}

/// The payment of a try that failed inside an open session.
fn failed_try(event: &wire::Event<'_>, config: &Config) -> Option<Subject> {
    if event.kind.as_ref() != "payment_intent.payment_failed"
        || event.livemode.map(environment) != Some(config.environment)
    {
        return None;
    }
    let intent: wire::PaymentIntent<'_> = event.resource().ok()??;
    Some(subject_of_metadata(intent.metadata.as_ref()).with_payment(reference(&intent.id)))
}

/// Events of the account itself do not name it: the secret that matched belongs to it. Events of a connected account do,
/// and then it has to be the configured one.
fn account(named: Option<&str>, config: &Config) -> Result<MerchantAccount, VerifyError> {
    match named {
        None => Ok(config.account.clone()),
        Some(id) => MerchantAccount::new(id).map_err(|_| VerifyError::Payload("the account's id is not an id")),
    }
}

/// One event's statement, before it is put into our shape.
struct Statement {
    subject: Subject,
    status: PaymentStatus,
    word: String,
    amount: Option<Money>,
    refunded: Option<Money>,
    livemode: Option<bool>,
}

/// The event types of this integration (sheet section 7). A type that is not here says nothing about a payment of ours and
/// is acknowledged.
fn news(event: &wire::Event<'_>) -> Result<Option<Statement>, VerifyError> {
    match event.kind.as_ref() {
        kind @ ("checkout.session.completed"
        | "checkout.session.async_payment_succeeded"
        | "checkout.session.async_payment_failed"
        | "checkout.session.expired") => Ok(event.resource()?.and_then(|session| session_news(kind, &session))),
        kind
        @ ("payment_intent.amount_capturable_updated" | "payment_intent.succeeded" | "payment_intent.canceled") => {
            Ok(event.resource()?.map(|intent| intent_news(kind, &intent)))
        }
        "charge.refunded" => Ok(event.resource()?.map(|charge| charge_news(&charge))),
        // A life cycle of its own, or sums of its own: a sign that something changed, and the status query tells what.
        "refund.created"
        | "refund.updated"
        | "refund.failed"
        | "charge.expired"
        | "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.closed"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => Ok(event.resource()?.map(|about| sign_of_change(event, &about))),
        // Also `payment_intent.payment_failed`: one failed try inside an open session is not the end, the shopper can try again until
        // it expires.
        _ => Ok(None),
    }
}

fn session_news(kind: &str, session: &wire::Session<'_>) -> Option<Statement> {
    // Subscriptions and set-ups run through the same event types and are not payments of ours.
    if session.mode.as_deref().is_some_and(|mode| mode != "payment") {
        return None;
    }
    let paid = session.payment_status.as_deref();
    let status = match (kind, session.status.as_deref(), paid) {
        ("checkout.session.completed", Some("complete"), Some("paid" | "no_payment_required"))
        | ("checkout.session.async_payment_succeeded", Some("complete"), Some("paid")) => PaymentStatus::Captured,
        // Completed is not paid: a delayed method, or only authorized (sheet trap 1).
        ("checkout.session.completed", Some("complete"), Some("unpaid")) => PaymentStatus::Pending,
        ("checkout.session.async_payment_failed", Some("complete"), Some("unpaid")) => PaymentStatus::Failed,
        ("checkout.session.expired", Some("expired"), Some("unpaid")) => PaymentStatus::Expired,
        _ => PaymentStatus::Unknown,
    };
    Some(Statement {
        subject: subject_of_session(session),
        status,
        word: format!("{kind}/{}", paid.unwrap_or("-")),
        amount: from_wire(session.amount_total, session.currency.as_deref()),
        refunded: None,
        livemode: session.livemode,
    })
}

fn intent_news(kind: &str, intent: &wire::PaymentIntent<'_>) -> Statement {
    let status = match (kind, intent.status.as_deref()) {
        ("payment_intent.amount_capturable_updated", Some("requires_capture")) => PaymentStatus::Authorized,
        ("payment_intent.succeeded", Some("succeeded")) => PaymentStatus::Captured,
        ("payment_intent.canceled", Some("canceled")) => PaymentStatus::Cancelled,
        _ => PaymentStatus::Unknown,
    };
    Statement {
        subject: subject_of_metadata(intent.metadata.as_ref()).with_payment(reference(&intent.id)),
        status,
        word: kind.to_owned(),
        amount: from_wire(intent.amount, intent.currency.as_deref()),
        refunded: None,
        livemode: intent.livemode,
    }
}

fn charge_news(charge: &wire::Charge<'_>) -> Statement {
    let currency = charge.currency.as_deref();
    Statement {
        subject: Subject::new().with_payment(charge.payment_intent.as_ref().and_then(|intent| reference(intent.id()))),
        // News of a refund that tells of none pays nothing: what is true is asked for.
        status: match after_capture(charge) {
            PaymentStatus::Captured => PaymentStatus::Unknown,
            status => status,
        },
        word: "charge.refunded".to_owned(),
        amount: from_wire(charge.amount, currency),
        refunded: from_wire(charge.amount_refunded, currency),
        livemode: charge.livemode,
    }
}

fn sign_of_change(event: &wire::Event<'_>, about: &wire::AboutPayment<'_>) -> Statement {
    Statement {
        subject: Subject::new().with_payment(about.payment_intent.as_ref().and_then(|intent| reference(intent.id()))),
        status: PaymentStatus::Unknown,
        word: event.kind.to_string(),
        amount: None,
        refunded: None,
        // Refunds carry no mode of their own in every version; the envelope's counts then.
        livemode: about.livemode.or(event.livemode),
    }
}

/// What an answer to the status question says: the whole table of sheet section 8.
pub(super) fn status_event(session: &wire::Session<'_>, config: &Config, at: SystemTime) -> Option<PaymentEvent> {
    let intent = session.payment_intent.as_ref().and_then(wire::IdOr::object);
    let charge = intent
        .and_then(|intent| intent.latest_charge.as_ref())
        .and_then(wire::IdOr::object);
    let status = session_status(session, charge);
    let word = [
        session.status.as_deref().unwrap_or("-"),
        session.payment_status.as_deref().unwrap_or("-"),
        intent.and_then(|intent| intent.status.as_deref()).unwrap_or("-"),
    ]
    .join("/");
    let refunded = charge.and_then(|charge| from_wire(charge.amount_refunded, charge.currency.as_deref()));
    let snapshot = PaymentSnapshot::new(status, GatewayWord::new(&word), at)
        .with_amount(from_wire(session.amount_total, session.currency.as_deref()))
        .with_refunded(refunded);
    // An answer has no id. The same fact gives the same one, so that asking twice is heard once, and another state or sum
    // another one.
    let word = snapshot.gateway_status.as_str();
    let sum = |money: Option<Money>| money.map_or(0, Money::minor_units);
    let (amount, refunded) = (sum(snapshot.amount), sum(snapshot.refunded));
    let fact = format!("{}/{word}/{status}/{amount}/{refunded}", &*session.id);
    let id = EventId::new(format!("ask:{fact}")).ok()?;
    let environment = session.livemode.map_or(other(config.environment), environment);
    let account = config.account.clone();
    Some(PaymentEvent::new(
        id,
        (GatewayId::STRIPE, account, environment),
        subject_of_session(session),
        snapshot,
    ))
}

fn session_status(session: &wire::Session<'_>, charge: Option<&wire::Charge<'_>>) -> PaymentStatus {
    use PaymentStatus as S;
    let expanded = session.payment_intent.as_ref().and_then(wire::IdOr::object);
    let intent = expanded.and_then(|intent| intent.status.as_deref());
    if expanded.is_some() && intent.is_none() {
        return S::Unknown;
    }
    match (session.status.as_deref(), session.payment_status.as_deref(), intent) {
        (Some("open"), Some("unpaid"), None | Some("requires_payment_method" | "requires_confirmation")) => S::Created,
        (Some("open"), Some("unpaid"), Some("requires_action")) => S::RequiresAction,
        (Some("open" | "complete"), Some("unpaid"), Some("processing")) => S::Pending,
        (Some("complete"), Some("unpaid"), Some("requires_capture")) => S::Authorized,
        (Some("complete"), Some("unpaid"), Some("requires_payment_method")) => S::Failed,
        (Some("complete"), Some("unpaid"), Some("canceled")) => S::Cancelled,
        (Some("complete"), Some("unpaid"), None) => S::Pending,
        (Some("complete"), Some("paid"), Some("succeeded")) => charge.map_or(S::Captured, after_capture),
        (Some("complete"), Some("paid"), None) => S::Captured,
        (Some("complete"), Some("no_payment_required"), None) => S::Captured,
        // The table says "any"; an expired session that says it was paid contradicts itself, and is asked about again.
        (Some("expired"), Some("unpaid") | None, _) => S::Expired,
        // Paid after a manual capture is unconfirmed for the session, and the sheet says to rely on the PaymentIntent.
        (Some("complete"), Some("unpaid"), Some("succeeded")) => charge.map_or(S::Captured, after_capture),
        _ => S::Unknown,
    }
}

/// What became of captured money shows on the charge alone.
fn after_capture(charge: &wire::Charge<'_>) -> PaymentStatus {
    // More cannot go back than came (sheet section 7: compare with what was captured).
    let came = charge.amount_captured.or(charge.amount);
    if charge.amount_refunded.zip(came).is_some_and(|(back, came)| back > came) {
        return PaymentStatus::Unknown;
    }
    match charge {
        wire::Charge {
            disputed: Some(true), ..
        } => PaymentStatus::Disputed,
        wire::Charge {
            refunded: Some(true), ..
        } => PaymentStatus::Refunded,
        wire::Charge {
            amount_refunded: Some(1..),
            ..
        } => PaymentStatus::PartiallyRefunded,
        wire::Charge { .. } => PaymentStatus::Captured,
    }
}

fn subject_of_session(session: &wire::Session<'_>) -> Subject {
    let subject = subject_of_metadata(session.metadata.as_ref());
    let order = session
        .client_reference_id
        .as_deref()
        .and_then(|order| MerchantReference::new(order).ok());
    let order = order.or_else(|| subject.order.clone());
    subject
        .with_order(order)
        .with_checkout(reference(&session.id))
        .with_payment(
            session
                .payment_intent
                .as_ref()
                .and_then(|intent| reference(intent.id())),
        )
}

/// Other users of the account may write whatever they like into theirs, so what is not a reference of ours is none.
fn subject_of_metadata(metadata: Option<&wire::Braced<wire::Metadata<'_>>>) -> Subject {
    let Some(wire::Braced(wire::Metadata { order_id, attempt_id })) = metadata else {
        return Subject::new();
    };
    Subject::new()
        .with_order(order_id.as_deref().and_then(|order| order.parse().ok()))
        .with_attempt(attempt_id.as_deref().and_then(|attempt| attempt.parse().ok()))
}

fn reference(id: &str) -> Option<GatewayReference> {
    GatewayReference::new(id).ok()
}

fn environment(livemode: bool) -> Environment {
    if livemode {
        Environment::Live
    } else {
        Environment::Sandbox
    }
}

fn other(environment: Environment) -> Environment {
    match environment {
        Environment::Live => Environment::Sandbox,
        Environment::Sandbox => Environment::Live,
    }
}

/// Unix seconds of the wire as a time. Far-off ones are none.
pub(super) fn time(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkout::LineItem;
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
        for within in [1800, 1800 + 1, 86_400 - 1, 86_400] {
            assert_eq!(of(Some(within)), Some(within));
        }
        for outside in [1800 - 1, 86_400 + 1] {
            assert_eq!(of(Some(outside)), None, "{outside}");
        }
    }

    #[test]
    fn amounts_go_there_and_come_back_in_stripes_units() {
        for (code, minor, wire) in [
            ("JPY", 1980, 1980),
            ("USD", 1980, 1980),
            ("ISK", 5, 500),
            ("UGX", 1980, 198_000),
            ("MGA", 1900, 19),
            ("KWD", 5000, 5000),
        ] {
            let money = Money::new(minor, code.parse().unwrap());
            assert_eq!(to_wire(money), Ok(wire), "{code}");
            assert_eq!(from_wire(Some(wire), Some(&code.to_lowercase())), Some(money), "{code}");
        }
        for (amount, code) in [
            (Some(501), Some("isk")),
            (Some(1), Some("ugx")),
            (Some(u64::MAX), Some("mga")),
            (Some(500), Some("iqd")),
            (Some(500), Some("uyi")),
            (Some(500), Some("JPY")),
            (Some(500), Some("jpyx")),
            (Some(500), Some("")),
            (None, Some("jpy")),
            (Some(500), None),
        ] {
            assert_eq!(from_wire(amount, code), None, "{amount:?} {code:?}");
        }
    }

    #[test]
    fn a_currency_of_other_decimals_than_two_is_sent_only_if_it_is_listed() {
        let refused: Vec<_> = Currency::all()
            .filter(|currency| to_wire(Money::new(0, *currency)).is_err())
            .map(|currency| currency.code().to_owned())
            .collect();
        assert_eq!(refused, ["UYI", "IQD", "LYD", "CLF", "UYW"]);
        for code in refused {
            assert_eq!(from_wire(Some(500), Some(&code.to_lowercase())), None, "{code}");
        }
    }

    #[test]
    fn a_time_is_that_of_the_wire_and_one_beyond_all_clocks_is_none() {
        assert_eq!(time(0), Some(UNIX_EPOCH));
        assert_eq!(
            time(1_793_495_759),
            Some(UNIX_EPOCH + Duration::from_secs(1_793_495_759))
        );
        assert_eq!(time(u64::MAX), None);
    }

    #[test]
    fn a_session_says_paid_in_two_ways_and_nothing_else_does() {
        use PaymentStatus as S;
        let status = |session: &str, payment: &str, intent: &str| {
            let text =
                format!(r#"{{"id":"cs_1","status":{session},"payment_status":{payment},"payment_intent":{intent}}}"#);
            let session: wire::Session<'_> = serde_json::from_str(&text).unwrap();
            session_status(&session, None)
        };
        let intent = |word: &str| format!(r#"{{"id":"pi_1","status":"{word}"}}"#);
        for (session, payment, intent, expected) in [
            ("\"complete\"", "\"paid\"", intent("succeeded"), S::Captured),
            ("\"complete\"", "\"unpaid\"", intent("succeeded"), S::Captured),
            ("\"complete\"", "\"paid\"", "null".to_owned(), S::Captured),
            ("\"complete\"", "\"paid\"", intent("canceled"), S::Unknown),
            ("\"open\"", "\"paid\"", intent("succeeded"), S::Unknown),
            ("\"open\"", "\"unpaid\"", intent("succeeded"), S::Unknown),
            ("\"expired\"", "\"paid\"", intent("succeeded"), S::Unknown),
            ("\"complete\"", "\"unpaid\"", intent("requires_capture"), S::Authorized),
            ("\"complete\"", "\"unpaid\"", intent("other"), S::Unknown),
            ("null", "\"paid\"", intent("succeeded"), S::Unknown),
            ("\"complete\"", "null", intent("succeeded"), S::Unknown),
            ("\"complete\"", "\"paid\"", r#"{"id":"pi_1"}"#.to_owned(), S::Unknown),
        ] {
            assert_eq!(
                status(session, payment, &intent),
                expected,
                "{session} {payment} {intent}"
            );
        }
    }
}
