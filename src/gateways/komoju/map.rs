//! KOMOJU's words to ours and back. Every documented value is listed; any other is `Unknown` and asks again.

use std::time::{Duration, SystemTime};

use super::config::Config;
use super::wire;
use crate::checkout::{CheckoutRequest, Locale, RequestError};
use crate::error::VerifyError;
use crate::event::{Notification, PaymentEvent, Subject};
use crate::gateway::AttemptPlan;
use crate::ledger::StoredAttempt;
use crate::money::{Currency, Money};
use crate::payment::{GatewayWord, PaymentSnapshot, PaymentStatus};
use crate::reference::{AttemptReference, EventId, GatewayId, GatewayReference, ReferenceFormat};

/// A session lives a day at most, and that long if nothing is said (sheet section "Create hosted payment").
const LONGEST: Duration = Duration::from_secs(86_400);

/// How long after its page's end a failed try is still not taken for the end: the gateway's clock is not ours.
const GRACE: Duration = Duration::from_secs(3600);

/// What an attempt looks like here, or why the request cannot be one. The attempt is KOMOJU's `external_order_num`, which
/// the sheet advises to keep to 50 ASCII characters.
pub(super) fn plan(request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
    let bounds = |field, bounds| RequestError::Bounds { field, bounds };
    if request.total().minor_units() == 0 {
        return Err(bounds("the total", "more than nothing"));
    }
    if request
        .valid_for()
        .is_some_and(|valid| valid.as_secs() == 0 || valid > LONGEST)
    {
        return Err(bounds("the validity", "1 second to 24 hours"));
    }
    Ok(AttemptPlan {
        format: ReferenceFormat::RANDOM_128,
        valid_for: request.valid_for().unwrap_or(LONGEST),
    })
}

/// The languages of the page that were seen.
pub(super) fn language(locale: &Locale) -> Option<&'static str> {
    ["ja", "en", "ko"]
        .into_iter()
        .find(|listed| listed.eq_ignore_ascii_case(locale.language()))
}

/// What the shopper was asked to pay: the fee of a method is KOMOJU's own and on top (trap 3).
pub(super) fn money(total: Option<u64>, fee: Option<u64>, currency: Option<&str>) -> Option<Money> {
    let currency: Currency = currency?.parse().ok()?;
    Some(Money::new(total?.checked_sub(fee.unwrap_or(0))?, currency))
}

/// What a verified delivery says.
pub(super) fn notification(body: &[u8], config: &Config, at: SystemTime) -> Result<Notification, VerifyError> {
    let event: wire::Event<'_> =
        wire::object(body).ok_or(VerifyError::Payload("the body is not an event of the documented form"))?;
    if event.resource != "event" {
        return Err(VerifyError::Payload("the body is not an event"));
    }
    let kind = GatewayWord::new(&event.kind);
    let news = match event.kind.as_ref() {
        "payment.authorized"
        | "payment.captured"
        | "payment.updated"
        | "payment.expired"
        | "payment.cancelled"
        | "payment.refund.created"
        | "payment.refunded" => Some(event.kind.as_ref()),
        // One failed try inside an open session is not the end (trap 8); the others are not about one payment's money.
        _ => None,
    };
    let Some(news) = news else {
        let failed = (event.kind.as_ref() == "payment.failed").then(|| event.data.map(|data| data.get().as_bytes()));
        let payment: Option<wire::Payment<'_>> = failed.flatten().and_then(wire::object);
        return Ok(Notification::new(kind, Vec::new()).with_failed_try(payment.as_ref().map(subject)));
    };
    let payment = event.data.map(|data| data.get().as_bytes()).and_then(wire::object);
    let payment: wire::Payment<'_> =
        payment.ok_or(VerifyError::Payload("the payment inside is not of the documented form"))?;
    let said = statement(&payment);
    // What the type says and what the payment says have to be the same news; if not, the gateway is asked. So it is about a
    // try that was cancelled or ran out: the session may be open for another one, and only the session tells (trap 6).
    let agrees = match news {
        "payment.authorized" => payment.status.as_deref() == Some("authorized") && said != PaymentStatus::Unknown,
        "payment.captured" => said == PaymentStatus::Captured,
        "payment.refund.created" | "payment.refunded" => matches!(
            said,
            PaymentStatus::PartiallyRefunded | PaymentStatus::Refunded | PaymentStatus::Disputed
        ),
        _ => false,
    };
    let status = if agrees { said } else { PaymentStatus::Unknown };
    // Two refunds in part have one type and one payment (trap 7): the sum tells them apart.
    let told_apart = |id: EventId| EventId::new(format!("{id}/{}", payment.amount_refunded.unwrap_or(0)));
    let id = EventId::new(event.id.as_ref()).and_then(told_apart);
    let id = id.map_err(|_| VerifyError::Payload("the event's id is not an id"))?;
    let mut subject = subject(&payment);
    let named = subject.attempt.is_some() || subject.checkout.is_some();
    if matches!(news, "payment.expired" | "payment.cancelled") && named {
        // Of a try that is over, the attempt is asked about and not the try.
        subject.payment = None;
    }
    let snapshot = snapshot(&payment, status, at);
    Ok(Notification::new(
        kind,
        vec![PaymentEvent::new(
            id,
            (GatewayId::KOMOJU, config.account.clone(), config.environment),
            subject,
            snapshot,
        )],
    ))
}

/// What a payment is about, in its own words.
fn subject(payment: &wire::Payment<'_>) -> Subject {
    let attempt = payment.external_order_num.as_deref();
    Subject::new()
        .with_attempt(attempt.and_then(|text| AttemptReference::new(text).ok()))
        .with_checkout(payment.session.as_deref().and_then(|id| GatewayReference::new(id).ok()))
        .with_payment(GatewayReference::new(payment.id.as_ref()).ok())
}

/// A payment's own status (sheet section "Status query").
fn statement(payment: &wire::Payment<'_>) -> PaymentStatus {
    let method = payment
        .payment_details
        .as_ref()
        .and_then(|details| details.kind.as_deref());
    let refunded = payment.amount_refunded;
    match payment.status.as_deref().unwrap_or_default() {
        "pending" => PaymentStatus::Pending,
        "authorized" => match method {
            // A slip was issued, and nothing is paid (trap 1).
            Some("konbini" | "bank_transfer" | "pay_easy") => PaymentStatus::Pending,
            // An empty one tells no card from a slip.
            Some("") | None => PaymentStatus::Unknown,
            Some(_) => PaymentStatus::Authorized,
        },
        // The sum that went back decides between the two; without it nothing is known (trap 2).
        "captured" => match refunded {
            Some(0) => PaymentStatus::Captured,
            Some(_) => PaymentStatus::PartiallyRefunded,
            None => PaymentStatus::Unknown,
        },
        "refunded" if payment.refunds().iter().any(|refund| refund.chargeback == Some(true)) => PaymentStatus::Disputed,
        "refunded" => PaymentStatus::Refunded,
        "cancelled" => PaymentStatus::Cancelled,
        "expired" => PaymentStatus::Expired,
        "failed" => PaymentStatus::Failed,
        _ => PaymentStatus::Unknown,
    }
}

fn snapshot(payment: &wire::Payment<'_>, status: PaymentStatus, at: SystemTime) -> PaymentSnapshot {
    let currency = payment.currency.as_deref();
    let amount = money(payment.total, payment.payment_method_fee, currency);
    let refunded = money(payment.amount_refunded, None, currency).filter(|refunded| refunded.minor_units() > 0);
    // More cannot go back than came.
    let sums_fit = match (amount, refunded) {
        (Some(amount), Some(refunded)) => refunded.minor_units() <= amount.minor_units(),
        _ => true,
    };
    let status = if sums_fit { status } else { PaymentStatus::Unknown };
    let word = GatewayWord::new(payment.status.as_deref().unwrap_or_default());
    PaymentSnapshot::new(status, word, at)
        .with_amount(amount)
        .with_refunded(refunded)
}

/// A session as it was asked for (sheet section "Status query"). `None` if it lacks what the sheet promises.
pub(super) fn status_event(
    session: &wire::Session<'_>,
    attempt: &StoredAttempt,
    config: &Config,
    at: SystemTime,
) -> Option<PaymentEvent> {
    let word = session.status.as_deref()?;
    let expired = session.expired == Some(true);
    let (snapshot, payment) = match &session.payment {
        None => {
            let status = match word {
                "pending" if expired => PaymentStatus::Expired,
                "pending" => PaymentStatus::Created,
                "cancelled" => PaymentStatus::Cancelled,
                _ => PaymentStatus::Unknown,
            };
            let amount = money(session.amount, None, session.currency.as_deref());
            let snapshot = PaymentSnapshot::new(status, GatewayWord::new(word), at).with_amount(amount);
            (snapshot, None)
        }
        Some(payment) => {
            let said = statement(payment);
            // One try that came to nothing inside an open session is not the end, and another one can follow it there.
            let over_inside = said.is_dead() && word == "pending" && !expired;
            let status = if over_inside { PaymentStatus::Created } else { said };
            if !is_about(payment, attempt) || payment.session.as_deref().is_some_and(|id| id != session.id) {
                return None;
            }
            // Once a name is bound, every answer is held against it.
            let bound = attempt.payment.is_some();
            let name = name_of(payment, bound).filter(|_| bound || !over_inside);
            (snapshot(payment, status, at), name)
        }
    };
    // It goes on record: nothing of theirs that was not looked at.
    let word = GatewayWord::new(word);
    let paid_by = session.payment.as_ref().map_or("-", |payment| payment.id.as_ref());
    let about = format!("{}/{}/{expired}/{paid_by}", session.id, word.as_str());
    let id = id_of(&about, &snapshot)?;
    let subject = Subject::new()
        .with_attempt(Some(attempt.reference().clone()))
        .with_checkout(GatewayReference::new(session.id.as_ref()).ok())
        .with_payment(payment);
    let origin = (GatewayId::KOMOJU, config.account.clone(), config.environment);
    Some(PaymentEvent::new(id, origin, subject, snapshot))
}

/// A payment as it was asked for by its own name, where no session can be asked. `None` if it lacks what the sheet promises.
pub(super) fn payment_event(
    payment: &wire::Payment<'_>,
    attempt: &StoredAttempt,
    config: &Config,
    at: SystemTime,
) -> Option<PaymentEvent> {
    payment.status.as_deref()?;
    let session = payment.session.as_deref();
    let other = |bound: &GatewayReference| session.is_some_and(|id| id != bound.as_str());
    if !is_about(payment, attempt) || attempt.checkout.as_ref().is_some_and(other) {
        return None;
    }
    let page_is_over = attempt
        .expected
        .expires_at
        .checked_add(GRACE)
        .is_some_and(|over| at >= over);
    let status = match statement(payment) {
        // The page on which it came to nothing may still be open for another try.
        said if said.is_dead() && !page_is_over => PaymentStatus::Created,
        said => said,
    };
    let snapshot = snapshot(payment, status, at);
    let id = id_of(&payment.id, &snapshot)?;
    let subject = Subject::new()
        .with_attempt(Some(attempt.reference().clone()))
        .with_checkout(session.and_then(|id| GatewayReference::new(id).ok()))
        .with_payment(name_of(payment, false));
    let origin = (GatewayId::KOMOJU, config.account.clone(), config.environment);
    Some(PaymentEvent::new(id, origin, subject, snapshot))
}

/// Another order's payment would be an answer to another question (PAY-42).
fn is_about(payment: &wire::Payment<'_>, attempt: &StoredAttempt) -> bool {
    let order = payment.external_order_num.as_deref();
    order.is_none_or(|order| order == attempt.reference().as_str())
}

/// An answer has no id. The same fact gives the same one, and another payment, state or sum another one.
fn id_of(about: &str, said: &PaymentSnapshot) -> Option<EventId> {
    let sum = |money: Option<Money>| money.map_or(0, Money::minor_units);
    let (status, word) = (said.status, said.gateway_status.as_str());
    let (amount, refunded) = (sum(said.amount), sum(said.refunded));
    EventId::new(format!("ask:{about}/{word}/{status}/{amount}/{refunded}")).ok()
}

/// The payment's name, to bind to the attempt: once it is the payment of the page. A try that failed or is still under way
/// can be followed by another one on the same page (trap 8), and that one's money has to find the place free.
fn name_of(payment: &wire::Payment<'_>, bound: bool) -> Option<GatewayReference> {
    let undecided = matches!(payment.status.as_deref(), Some("pending" | "failed"));
    GatewayReference::new(payment.id.as_ref())
        .ok()
        .filter(|_| bound || !undecided)
}
