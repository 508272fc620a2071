//! SBPS's messages to ours and back.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::config::Config;
use super::report::Report;
use super::status::{class, said};
use crate::charset;
use crate::checkout::{CheckoutRequest, RequestError};
use crate::error::VerifyError;
use crate::event::{Notification, PaymentEvent, Subject};
use crate::gateway::AttemptPlan;
use crate::gateways::jst;
use crate::ledger::StoredAttempt;
use crate::money::{Currency, Money};
use crate::payment::{GatewayWord, PaymentSnapshot, PaymentStatus};
use crate::reference::{AttemptReference, EventId, GatewayId, GatewayReference, ReferenceFormat};
use crate::trace::notice;

/// Seven digits (sheet, row 12).
const MOST: u64 = 9_999_999;
/// How long the form can be posted if the store does not say: 600 s are in common use (sheet, `limit_second`).
const VALID_FOR: Duration = Duration::from_secs(600);
/// Four digits.
const LONGEST: Duration = Duration::from_secs(9999);
/// Limits of a detail row.
const MOST_COUNT: u32 = 999_999;
const LONGEST_NAME: usize = 40;
/// The attempt is order id and customer code: its length is fixed, so that it ends in one place only.
const ORDER_ID: usize = 26;
/// Older results are noticed and taken all the same: SBPS defines no check of the time (sheet, "Pitfalls").
const OLD: Duration = Duration::from_secs(3600);

/// What an attempt looks like here, or why the request cannot be one.
pub(super) fn plan(config: &Config, request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
    if request.total().currency() != Currency::JPY {
        return Err(RequestError::Unsupported("another currency than yen"));
    }
    if !(1..=MOST).contains(&request.total().minor_units()) {
        return Err(RequestError::Bounds {
            field: "the total",
            bounds: "1 to 9,999,999 yen",
        });
    }
    if request.capture() != config.capture {
        return Err(RequestError::Unsupported(
            "another time of capture than the one its shop is set to",
        ));
    }
    let valid_for = request.valid_for().unwrap_or(VALID_FOR);
    if valid_for < Duration::from_secs(1) || valid_for > LONGEST {
        return Err(RequestError::Bounds {
            field: "the validity",
            bounds: "1 s to 9999 s",
        });
    }
    if config.details {
        check_details(request)?;
    }
    Ok(AttemptPlan {
        format: ReferenceFormat::RANDOM_128,
        valid_for,
    })
}

fn check_details(request: &CheckoutRequest) -> Result<(), RequestError> {
    const FIELD: &str = "the item name";
    let characters = |what| RequestError::Characters { field: FIELD, what };
    for item in request.items() {
        let bytes = charset::encode_unambiguous(item.name()).map_err(|error| {
            characters(match error {
                charset::CharsetError::Ambiguous => "a character that Shift_JIS systems read in two ways",
                charset::CharsetError::Unmappable | charset::CharsetError::Malformed => {
                    "a character that Shift_JIS does not have"
                }
            })
        })?;
        if bytes.len() > LONGEST_NAME {
            return Err(RequestError::TooLong { field: FIELD, max: 20 });
        }
        // The hash does not show where a field ends. An address in a name could become one of the addresses of the form.
        if item.name().contains("//") {
            return Err(characters("the beginning of an address"));
        }
        if item.name().trim() != item.name() {
            return Err(characters("white space at an end"));
        }
        let line = item.unit_price().checked_mul(item.quantity())?;
        if item.quantity() > MOST_COUNT || line.minor_units() > MOST {
            return Err(RequestError::Bounds {
                field: "the item",
                bounds: "at most 999,999 pieces and 9,999,999 yen",
            });
        }
    }
    Ok(())
}

/// What SBPS needs to be asked about a payment, and what its answer does not repeat: kept as the gateway's name for the
/// checkout, `80312789324672/credit3d2/1320`. The amount in it is the one that the notification said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Deal {
    pub(super) tracking_id: String,
    pub(super) method: String,
    pub(super) amount: Money,
}

impl Deal {
    /// The deal that a notification bound to the attempt.
    pub(super) fn of(attempt: &StoredAttempt) -> Option<Self> {
        let mut parts = attempt.checkout.as_ref()?.as_str().split('/');
        let (tracking_id, method, amount) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !is_tracking_id(tracking_id) {
            return None;
        }
        Some(Self {
            tracking_id: tracking_id.to_owned(),
            method: method.to_owned(),
            amount: yen(amount)?,
        })
    }

    pub(super) fn payment(&self) -> Option<GatewayReference> {
        GatewayReference::new(self.tracking_id.as_str()).ok()
    }

    pub(super) fn checkout(&self) -> Option<GatewayReference> {
        GatewayReference::new(self.to_string()).ok()
    }
}

impl fmt::Display for Deal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tracking_id, self.method, self.amount.minor_units())
    }
}

/// What a report with a right hash says. Refuses one of another shop, and results that are none of the four.
pub(super) fn notification(
    report: &Report,
    config: &Config,
    received_at: SystemTime,
) -> Result<Notification, VerifyError> {
    check_shop(report, config)?;
    let attempt = order_of(report)?;
    let amount = yen(report.value("amount")).ok_or(VerifyError::Payload("its amount is not an amount"))?;
    let result = report.value("res_result");
    if !matches!(result, "OK" | "PY" | "CN" | "NG") {
        return Err(VerifyError::Payload("its result is none of the four"));
    }
    let as_of = jst::time(report.value("res_date")).unwrap_or(received_at);
    if received_at.duration_since(as_of).is_ok_and(|age| age > OLD) {
        notice!(attempt = %attempt, "a result came more than an hour after its date");
    }
    let subject = Subject::new().with_attempt(Some(attempt.clone()));
    let tracking_id = report.value("res_tracking_id");
    let event = |part: &str, subject: &Subject, status, amount| {
        let id = EventId::new(format!("a02:{attempt}:{part}:{tracking_id}"))
            .map_err(|_| VerifyError::Payload("its tracking id is not an id"))?;
        let snapshot = PaymentSnapshot::new(status, GatewayWord::new(result), as_of).with_amount(amount);
        let origin = (GatewayId::SBPS, config.account.clone(), config.environment);
        Ok(PaymentEvent::new(id, origin, subject.clone(), snapshot))
    };
    let kind = GatewayWord::new(&format!("A02-1/{result}"));
    let Some(method) = as_sent(report, config) else {
        // Authentic, and not an answer to a form of ours as we made it. The amount is held against the record, so that
        // another one is seen by a human; nothing is paid by it.
        let odd = event(&format!("{result}:odd"), &subject, PaymentStatus::Unknown, Some(amount))?;
        return Ok(Notification::new(kind, vec![odd]));
    };
    let deal = Deal {
        tracking_id: tracking_id.to_owned(),
        method: method.to_owned(),
        amount,
    };
    let named = match result {
        "NG" => subject.clone(),
        _ => subject
            .clone()
            .with_payment(deal.payment())
            .with_checkout(deal.checkout()),
    };
    let status = said(result, method, report.value("res_payinfo_key"), config.capture);
    let mut events = Vec::new();
    if status.has_money() && !config.notifications_settle {
        // What is said has to be asked about. The first event binds the names that the question needs, if the amount is
        // the expected one; the second one lets the sweep ask at once.
        events.push(event(result, &named, PaymentStatus::Pending, Some(amount))?);
        events.push(event(&format!("{result}:ask"), &subject, PaymentStatus::Unknown, None)?);
    } else {
        events.push(event(result, &named, status, Some(amount))?);
    }
    Ok(Notification::new(kind, events))
}

/// The order that a report is about.
pub(super) fn order_of(report: &Report) -> Result<AttemptReference, VerifyError> {
    AttemptReference::new(report.value("order_id")).map_err(|_| VerifyError::Payload("its order id is none of ours"))
}

/// The hash runs over both numbers without a mark between them, so each has to be right by itself.
pub(super) fn check_shop(report: &Report, config: &Config) -> Result<(), VerifyError> {
    let ours = report.value("merchant_id") == config.shop.merchant_id()
        && report.value("service_id") == config.shop.service_id();
    if ours {
        Ok(())
    } else {
        Err(VerifyError::Payload("it is about another shop"))
    }
}

/// The method that was used, if the report answers a form of ours exactly as it was made. `None` otherwise.
///
/// This is the fixed grammar that PAY-02 asks for. Every value is a constant, or has a fixed length, or ends where
/// a digit meets a letter, up to and including the tracking id: so one text is read in one way only, as far as shop, order,
/// amount, method, result and payment go. And no text of this grammar is ever hashed for a browser to see: it holds the item
/// name, which is not ASCII, so the return hashes other bytes; and it holds no address, as every purchase request does.
fn as_sent<'r>(report: &'r Report, config: &'r Config) -> Option<&'r str> {
    let is = |field: &str, wanted: &str| report.value(field) == wanted;
    let order = report.value("order_id");
    let our_order = order.len() == ORDER_ID
        && order
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && is("cust_code", order);
    let constants = is("item_id", &config.item_id)
        && is("item_name", &config.item_name)
        && [("pay_type", "0"), ("service_type", "0"), ("terminal_type", "0")]
            .iter()
            .all(|(field, wanted)| is(field, wanted))
        && [
            "sps_cust_no",
            "sps_payment_no",
            "pay_item_id",
            "tax",
            "auto_charge_type",
            "div_settele",
            "last_charge_month",
            "camp_type",
            "tracking_id",
            "free1",
            "free2",
            "free3",
        ]
        .iter()
        .all(|field| is(field, ""));
    let result = report.value("res_result");
    let tracking_id = report.value("res_tracking_id");
    let digits = |field: &str, lengths: &[usize]| {
        let value = report.value(field);
        lengths.contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
    };
    let tracked = is_tracking_id(tracking_id) || (result == "NG" && tracking_id.is_empty());
    let error = report.value("res_err_code");
    let no_error = error.is_empty() || (result == "NG" && error.len() <= 8);
    let payinfo = report.value("res_payinfo_key");
    let rest = digits("request_date", &[14])
        && digits("res_sps_cust_no", &[0, 12])
        && digits("res_sps_payment_no", &[0, 3])
        && payinfo.len() <= 32
        && payinfo.is_ascii()
        && !payinfo.contains("//")
        && digits("res_payment_date", &[0, 14])
        && error.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && digits("res_date", &[14])
        && digits("limit_second", &[0, 1, 2, 3, 4]);
    let method = method_of(report, config)?;
    (our_order && constants && tracked && no_error && rest).then_some(method)
}

/// One of the methods that were offered. What was sent comes back, or the one that the customer chose.
fn method_of<'r>(report: &'r Report, config: &'r Config) -> Option<&'r str> {
    let (sent, used) = (report.value("pay_method"), report.value("res_pay_method"));
    let offered = |method: &str| match config.methods.as_slice() {
        [] => class(method).is_some(),
        methods => methods.iter().any(|offered| offered == method),
    };
    if sent != config.methods.join(",") && !offered(sent) {
        return None;
    }
    match (used, config.methods.as_slice()) {
        ("", [only]) => Some(only.as_str()),
        (used, _) if offered(used) => Some(used),
        _ => None,
    }
}

fn is_tracking_id(text: &str) -> bool {
    text.len() == 14 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whole yen as they are sent: digits, at most seven, no zero in front.
fn yen(text: &str) -> Option<Money> {
    if text.is_empty() || text.len() > 7 || text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Money::new(text.parse().ok()?, Currency::JPY))
}

/// The answer as an event. It repeats neither order nor amount: both hang on the tracking id by the notification that named
/// all three, and the amount is the one which that notification said.
pub(super) fn status_event(
    deal: &Deal,
    (status, word): (PaymentStatus, &str),
    config: &Config,
    at: SystemTime,
) -> Option<PaymentEvent> {
    let id = EventId::new(format!("ask:{deal}:{}:{status}", GatewayWord::new(word).as_str())).ok()?;
    let subject = Subject::new()
        .with_payment(deal.payment())
        .with_checkout(deal.checkout());
    let snapshot = PaymentSnapshot::new(status, GatewayWord::new(word), at).with_amount(Some(deal.amount));
    let origin = (GatewayId::SBPS, config.account.clone(), config.environment);
    Some(PaymentEvent::new(id, origin, subject, snapshot))
}
