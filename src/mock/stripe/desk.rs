//! What can happen to a payment, and the events each happening sends (Stripe sheet §7 to §9, 2026-11-23).

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

use super::account::{Account, Settings};
use super::error::ApiError;
use super::fault::DeliveryFault;
use super::objects::{
    Challenge, Charge, Decline, Delayed, Dispute, Expand, Intent, Means, NewSession, Refund, Session, SessionStatus,
    Word, dispute_json,
};
use super::text::Notice;
use super::version::Version;
use super::webhook::Event;
use crate::mock::card::{Behaviour, Presented};
use crate::mock::ids::Ids;
use crate::mock::webhook::Outbox;

/// Authorizations lapse after 7 days by default.
const AUTHORIZED_FOR: i64 = 7 * 24 * 60 * 60;

const DECLINED: (&str, Option<&str>, &str) = ("card_declined", Some("generic_decline"), "Your card was declined.");
const NOT_AUTHENTICATED: (&str, Option<&str>, &str) = (
    "payment_intent_authentication_failure",
    None,
    "The provided payment method has failed authentication.",
);
const NEVER_ARRIVED: (&str, Option<&str>, &str) = (
    "payment_intent_payment_attempt_failed",
    None,
    "The payment did not arrive in time.",
);

/// Who caused an event: an API request (with its id and idempotency key), or somebody without one.
#[derive(Clone)]
pub(super) enum By {
    Request { id: String, key: Option<String> },
    Nobody,
}

/// Where a try on the page leads.
pub(super) enum Tried {
    /// The session is complete: the browser goes to the success address.
    Complete,
    /// One more step.
    Challenge,
    /// Not paid; the page says why.
    Again,
    /// The session had ended before.
    Closed,
}

/// What a form of the page asks for.
#[derive(Clone, Copy)]
enum Way {
    Card,
    Later,
    Free,
}

/// One merchant's books at one moment.
pub(super) struct Desk<'a> {
    pub(super) account: &'a mut Account,
    pub(super) ids: &'a mut Ids,
    pub(super) outbox: &'a mut Outbox<DeliveryFault>,
    pub(super) settings: &'a Settings,
    pub(super) time: SystemTime,
    pub(super) now: i64,
    pub(super) by: By,
}

impl Desk<'_> {
    /// Makes a session.
    pub(super) fn create(&mut self, ask: NewSession) -> String {
        let id = self.ids.make("cs_test_a1", 56);
        // The real address ends in a fragment that belongs to it; so does this one.
        let fragment = self.ids.make("fid", 24);
        let url = format!("{}/c/pay/{id}#{fragment}", self.settings.base);
        self.account.books.sessions.add(
            id.clone(),
            Session {
                id: id.clone(),
                created: self.now,
                url,
                status: SessionStatus::Open,
                paid: if ask.amount == 0 {
                    Word::NotRequired
                } else {
                    Word::Unpaid
                },
                ask,
                intent: None,
                challenge: None,
                delayed: None,
                notice: None,
            },
        );
        id
    }

    /// Ends an open session without payment.
    pub(super) fn expire(&mut self, id: &str) -> Result<(), ApiError> {
        let session = self.session(id)?;
        if session.status != SessionStatus::Open {
            return Err(ApiError::refused(
                "Only Checkout Sessions with a status in [\"open\"] can be expired.",
            ));
        }
        session.status = SessionStatus::Expired;
        session.challenge = None;
        let intent = session.intent.clone();
        if let Some(intent) = intent {
            self.drop_intent(&intent, None);
        }
        self.tell_session("checkout.session.expired", id);
        Ok(())
    }

    /// A card was typed on the page.
    pub(super) fn pay_by_card(&mut self, id: &str, card: Presented) -> Result<Tried, ApiError> {
        if self.closed(id, Way::Card)? {
            return Ok(Tried::Closed);
        }
        let intent = self.intent_of(id)?;
        let means = Means::Card {
            brand: card.brand,
            last4: card.last4.clone(),
        };
        match card.behaviour {
            Behaviour::Succeeds => self.succeed(id, &intent, means),
            Behaviour::Declines => {
                self.fail_attempt(&intent, Some(means), DECLINED);
                let session = self.session(id)?;
                session.challenge = None;
                session.notice = Some(Notice::Declined);
                Ok(Tried::Again)
            }
            Behaviour::AsksForSecure => {
                let token = self.ids.make("3ds_", 24);
                if let Some(intent) = self.account.books.intents.find_mut(&intent) {
                    intent.status = "requires_action";
                }
                let session = self.session(id)?;
                session.notice = None;
                session.challenge = Some(Challenge {
                    token,
                    brand: card.brand,
                    last4: card.last4,
                });
                Ok(Tried::Challenge)
            }
        }
    }

    /// The 3-D Secure step was answered. An answer to an older step is ignored.
    pub(super) fn answer_challenge(&mut self, id: &str, token: &str, passed: bool) -> Result<Tried, ApiError> {
        let session = self.session(id)?;
        if session.status != SessionStatus::Open {
            return Ok(Tried::Closed);
        }
        let challenge = match session.challenge.take() {
            Some(challenge) if challenge.token == token => challenge,
            other => {
                session.challenge = other;
                return Ok(if session.challenge.is_some() {
                    Tried::Challenge
                } else {
                    Tried::Again
                });
            }
        };
        let intent = self.intent_of(id)?;
        if passed {
            return self.succeed(
                id,
                &intent,
                Means::Card {
                    brand: challenge.brand,
                    last4: challenge.last4,
                },
            );
        }
        // Nobody was asked for money, so there is no charge.
        self.fail_attempt(&intent, None, NOT_AUTHENTICATED);
        self.session(id)?.notice = Some(Notice::NotAuthenticated);
        Ok(Tried::Again)
    }

    /// The shopper chose to pay later: complete, and not paid.
    pub(super) fn pay_later(&mut self, id: &str, arrives: bool) -> Result<Tried, ApiError> {
        if self.closed(id, Way::Later)? {
            return Ok(Tried::Closed);
        }
        let intent = self.intent_of(id)?;
        let wait = i64::try_from(self.settings.delayed.as_secs()).unwrap_or(i64::MAX);
        let due = self.now.saturating_add(wait);
        let method = self.ids.make("pm_1", 23);
        if let Some(intent) = self.account.books.intents.find_mut(&intent) {
            intent.status = "processing";
            intent.error = None;
            intent.method = Some(method);
        }
        let session = self.session(id)?;
        session.status = SessionStatus::Complete;
        session.challenge = None;
        session.notice = None;
        session.delayed = Some(Delayed { due, arrives });
        self.tell_session("checkout.session.completed", id);
        Ok(Tried::Complete)
    }

    /// An order over nothing is confirmed.
    pub(super) fn confirm_free(&mut self, id: &str) -> Result<Tried, ApiError> {
        if self.closed(id, Way::Free)? {
            return Ok(Tried::Closed);
        }
        self.session(id)?.status = SessionStatus::Complete;
        self.tell_session("checkout.session.completed", id);
        Ok(Tried::Complete)
    }

    /// The delayed payment is over, one way or the other.
    pub(super) fn settle(&mut self, id: &str, arrived: bool) -> Result<(), ApiError> {
        let session = self.session(id)?;
        if session.delayed.take().is_none() {
            return Err(ApiError::refused("No delayed payment is under way in this session."));
        }
        let Some(intent) = session.intent.clone() else {
            return Ok(());
        };
        if arrived {
            session.paid = Word::Paid;
            let kind = delayed_method(&session.ask.methods)
                .unwrap_or("customer_balance")
                .to_owned();
            self.charge(&intent, Means::Other(kind), true);
            self.tell_intent("payment_intent.succeeded", &intent);
            self.tell_session("checkout.session.async_payment_succeeded", id);
        } else {
            self.fail_attempt(&intent, None, NEVER_ARRIVED);
            self.tell_session("checkout.session.async_payment_failed", id);
        }
        Ok(())
    }

    /// Takes authorized money, all of it or part.
    pub(super) fn capture(&mut self, id: &str, amount: Option<u64>) -> Result<(), ApiError> {
        let intent = self.intent(id)?;
        if intent.status != "requires_capture" {
            let message = format!(
                "This PaymentIntent could not be captured because it has a status of {}. Only a PaymentIntent with one \
                 of the following statuses may be captured: requires_capture.",
                intent.status
            );
            return Err(ApiError::state("payment_intent_unexpected_state", message));
        }
        let amount = amount.unwrap_or(intent.capturable);
        if amount == 0 {
            return Err(
                ApiError::coded("parameter_invalid_integer", "Invalid positive integer").at("amount_to_capture")
            );
        }
        if amount > intent.capturable {
            return Err(ApiError::state(
                "amount_too_large",
                "The amount is greater than the amount that can be captured.",
            )
            .at("amount_to_capture"));
        }
        intent.status = "succeeded";
        intent.capturable = 0;
        intent.received = amount;
        intent.authorized_at = None;
        let (session, charge) = (intent.session.clone(), intent.charge.clone());
        if let Some(charge) = charge.and_then(|charge| self.account.books.charges.find_mut(&charge)) {
            charge.captured = true;
            charge.captured_amount = amount;
        }
        // Unconfirmed in the sheet (§8): after a capture the session counts as paid.
        self.session(&session)?.paid = Word::Paid;
        self.tell_intent("payment_intent.succeeded", id);
        Ok(())
    }

    /// Gives authorized money back. Only in `requires_capture`: before that, the session is expired instead.
    pub(super) fn cancel(&mut self, id: &str, reason: Option<&'static str>) -> Result<(), ApiError> {
        let intent = self.intent(id)?;
        if intent.status != "requires_capture" {
            let message = format!(
                "You cannot cancel this PaymentIntent because it has a status of {}. A PaymentIntent of a Checkout \
                 Session can be canceled only in requires_capture.",
                intent.status
            );
            return Err(ApiError::state("payment_intent_unexpected_state", message));
        }
        self.drop_intent(id, reason);
        Ok(())
    }

    /// Sends money back; returns the refund's id.
    pub(super) fn refund(
        &mut self,
        charge: &str,
        amount: Option<u64>,
        reason: Option<&'static str>,
        metadata: BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        let Some(found) = self.account.books.charges.find_mut(charge) else {
            return Err(ApiError::no_such("charge", charge, "charge"));
        };
        if found.status != "succeeded" || !found.captured {
            return Err(ApiError::state(
                "payment_intent_unexpected_state",
                "This charge has not been captured.",
            ));
        }
        let left = found.captured_amount.saturating_sub(found.refunded_amount);
        if left == 0 {
            return Err(ApiError::state(
                "charge_already_refunded",
                format!("Charge {charge} has already been refunded."),
            ));
        }
        let amount = amount.unwrap_or(left);
        if amount == 0 {
            return Err(ApiError::coded("parameter_invalid_integer", "Invalid positive integer").at("amount"));
        }
        if amount > left {
            // The sheet (§9) names this code for asking more than is left.
            let message = "Refund amount is greater than unrefunded amount on charge";
            return Err(ApiError::state("charge_already_refunded", message).at("amount"));
        }
        found.refunded_amount += amount;
        let id = self.ids.make("re_3", 23);
        let refund = Refund {
            id: id.clone(),
            charge: charge.to_owned(),
            intent: found.intent.clone(),
            created: self.now,
            amount,
            currency: found.currency.clone(),
            reason,
            status: "succeeded",
            failure_reason: None,
            metadata,
        };
        self.account.books.refunds.add(id.clone(), refund);
        self.tell_refund("refund.created", &id);
        self.tell_charge("charge.refunded", charge);
        Ok(id)
    }

    /// The bank sends a refund back: it failed after all.
    pub(super) fn fail_refund(&mut self, id: &str) -> Result<(), ApiError> {
        let Some(refund) = self.account.books.refunds.find_mut(id) else {
            return Err(ApiError::no_such("refund", id, "refund"));
        };
        if refund.status != "succeeded" {
            return Err(ApiError::refused("This refund has ended already."));
        }
        refund.status = "failed";
        refund.failure_reason = Some("unknown");
        let (charge, amount) = (refund.charge.clone(), refund.amount);
        if let Some(charge) = self.account.books.charges.find_mut(&charge) {
            charge.refunded_amount = charge.refunded_amount.saturating_sub(amount);
        }
        self.tell_refund("refund.updated", id);
        self.tell_refund("refund.failed", id);
        Ok(())
    }

    /// The card holder disputes the payment; returns the dispute's id.
    pub(super) fn dispute(&mut self, charge: &str) -> Result<String, ApiError> {
        let Some(found) = self.account.books.charges.find_mut(charge) else {
            return Err(ApiError::no_such("charge", charge, "charge"));
        };
        if found.status != "succeeded" || !found.captured || found.disputed {
            return Err(ApiError::refused("This charge cannot be disputed."));
        }
        found.disputed = true;
        let id = self.ids.make("du_1", 23);
        let dispute = Dispute {
            id: id.clone(),
            charge: charge.to_owned(),
            intent: found.intent.clone(),
            created: self.now,
            amount: found.captured_amount,
            currency: found.currency.clone(),
            status: "needs_response",
        };
        self.account.books.disputes.add(id.clone(), dispute);
        self.tell_dispute("charge.dispute.created", &id);
        self.tell_dispute("charge.dispute.funds_withdrawn", &id);
        Ok(id)
    }

    /// The dispute is decided. A won one gives the money back; the charge stays marked as disputed either way.
    pub(super) fn close_dispute(&mut self, id: &str, won: bool) -> Result<(), ApiError> {
        let Some(dispute) = self.account.books.disputes.find_mut(id) else {
            return Err(ApiError::no_such("dispute", id, "dispute"));
        };
        if dispute.status != "needs_response" {
            return Err(ApiError::refused("This dispute is closed already."));
        }
        dispute.status = if won { "won" } else { "lost" };
        self.tell_dispute("charge.dispute.closed", id);
        if won {
            self.tell_dispute("charge.dispute.funds_reinstated", id);
        }
        Ok(())
    }

    /// Does what has become due.
    pub(super) fn pass_time(&mut self) {
        let now = self.now;
        let sessions = &self.account.books.sessions;
        let over = |session: &&Session| session.status == SessionStatus::Open && session.ask.expires_at <= now;
        let expired: Vec<String> = sessions.iter().filter(over).map(|session| session.id.clone()).collect();
        let arrived: Vec<(String, bool)> = sessions
            .iter()
            .filter_map(|session| {
                Some((
                    session.id.clone(),
                    session.delayed.as_ref().filter(|wait| wait.due <= now)?.arrives,
                ))
            })
            .collect();
        let lapsed = |intent: &&Intent| {
            let until = intent.authorized_at.map(|at| at.saturating_add(AUTHORIZED_FOR));
            intent.status == "requires_capture" && until.is_some_and(|until| until <= now)
        };
        let lapsed: Vec<(String, Option<String>)> = self
            .account
            .books
            .intents
            .iter()
            .filter(lapsed)
            .map(|intent| (intent.id.clone(), intent.charge.clone()))
            .collect();
        // Each was found in the state that the call wants, so none can be refused.
        for id in expired {
            drop(self.expire(&id));
        }
        for (id, arrives) in arrived {
            drop(self.settle(&id, arrives));
        }
        for (intent, charge) in lapsed {
            self.drop_intent(&intent, Some("automatic"));
            if let Some(charge) = charge {
                self.tell_charge("charge.expired", &charge);
            }
        }
        let time = self.time;
        for endpoint in &mut self.account.endpoints {
            endpoint
                .secrets
                .retain(|(_, until)| until.is_none_or(|until| time < until));
        }
    }

    /// Sends an event once more to every endpoint that wants it, as the dashboard's button does.
    pub(super) fn resend(&mut self, id: &str) -> Result<(), ApiError> {
        let Some(event) = self.account.events.find(id) else {
            return Err(ApiError::no_such("event", id, "id"));
        };
        for endpoint in self
            .account
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.wants(&event.kind))
        {
            self.outbox.publish(event.posted(&self.account.id, endpoint), self.time);
        }
        Ok(())
    }

    /// Whether the session had ended before. An open one refuses ways to pay that its page does not offer.
    fn closed(&mut self, id: &str, way: Way) -> Result<bool, ApiError> {
        let session = self.session(id)?;
        if session.status != SessionStatus::Open {
            return Ok(true);
        }
        let ask = &session.ask;
        let offered = match way {
            Way::Free => ask.amount == 0,
            Way::Card => ask.amount > 0 && ask.methods.iter().any(|method| method == "card"),
            Way::Later => ask.amount > 0 && delayed_method(&ask.methods).is_some(),
        };
        if offered {
            Ok(false)
        } else {
            Err(ApiError::refused("This page does not offer that."))
        }
    }

    fn session(&mut self, id: &str) -> Result<&mut Session, ApiError> {
        self.account
            .books
            .sessions
            .find_mut(id)
            .ok_or_else(|| ApiError::no_such("checkout.session", id, "session"))
    }

    fn intent(&mut self, id: &str) -> Result<&mut Intent, ApiError> {
        self.account
            .books
            .intents
            .find_mut(id)
            .ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))
    }

    /// The session's payment intent, made at the first try.
    fn intent_of(&mut self, session: &str) -> Result<String, ApiError> {
        let id = self.ids.make("pi_3", 23);
        let secret = self.ids.make(&format!("{id}_secret_"), 25);
        let now = self.now;
        let found = self.session(session)?;
        if let Some(existing) = &found.intent {
            return Ok(existing.clone());
        }
        found.intent = Some(id.clone());
        let ask = &found.ask;
        let intent = Intent {
            id: id.clone(),
            secret,
            session: session.to_owned(),
            created: now,
            amount: ask.amount,
            capturable: 0,
            received: 0,
            currency: ask.currency.clone(),
            capture_method: ask.capture_method,
            status: "requires_payment_method",
            description: ask.intent_description.clone(),
            suffix: ask.intent_suffix.clone(),
            metadata: ask.intent_metadata.clone(),
            methods: ask.methods.clone(),
            method: None,
            charge: None,
            error: None,
            canceled_at: None,
            cancellation_reason: None,
            authorized_at: None,
        };
        self.account.books.intents.add(id.clone(), intent);
        Ok(id)
    }

    /// A card went through: captured, or authorized if the session asked for that.
    fn succeed(&mut self, session_id: &str, intent: &str, means: Means) -> Result<Tried, ApiError> {
        let session = self.session(session_id)?;
        let manual = session.ask.capture_method == "manual";
        session.status = SessionStatus::Complete;
        session.paid = if manual { Word::Unpaid } else { Word::Paid };
        session.challenge = None;
        session.notice = None;
        self.charge(intent, means, !manual);
        let event = if manual {
            "payment_intent.amount_capturable_updated"
        } else {
            "payment_intent.succeeded"
        };
        self.tell_intent(event, intent);
        self.tell_session("checkout.session.completed", session_id);
        Ok(Tried::Complete)
    }

    /// Writes the charge of a successful try.
    fn charge(&mut self, intent_id: &str, means: Means, captured: bool) {
        let id = self.ids.make("ch_3", 23);
        let method = self.ids.make("pm_1", 23);
        let now = self.now;
        let Some(intent) = self.account.books.intents.find_mut(intent_id) else {
            return;
        };
        intent.error = None;
        intent.charge = Some(id.clone());
        intent.method = Some(method.clone());
        if captured {
            intent.status = "succeeded";
            intent.received = intent.amount;
        } else {
            intent.status = "requires_capture";
            intent.capturable = intent.amount;
            intent.authorized_at = Some(now);
        }
        let charge = Charge {
            id: id.clone(),
            intent: intent_id.to_owned(),
            created: now,
            amount: intent.amount,
            captured_amount: if captured { intent.amount } else { 0 },
            refunded_amount: 0,
            currency: intent.currency.clone(),
            captured,
            disputed: false,
            status: "succeeded",
            failure: None,
            means,
            method: Some(method),
            metadata: intent.metadata.clone(),
        };
        self.account.books.charges.add(id, charge);
    }

    /// One try failed; the intent can be tried again.
    fn fail_attempt(
        &mut self,
        intent_id: &str,
        means: Option<Means>,
        why: (&'static str, Option<&'static str>, &'static str),
    ) {
        let charge_id = means.is_some().then(|| self.ids.make("ch_3", 23));
        let now = self.now;
        let Some(intent) = self.account.books.intents.find_mut(intent_id) else {
            return;
        };
        let decline = Decline {
            code: why.0,
            bank_code: why.1,
            message: why.2,
            charge: charge_id.clone(),
        };
        intent.status = "requires_payment_method";
        intent.error = Some(decline.clone());
        intent.method = None;
        if let (Some(id), Some(means)) = (charge_id, means) {
            intent.charge = Some(id.clone());
            let charge = Charge {
                id: id.clone(),
                intent: intent_id.to_owned(),
                created: now,
                amount: intent.amount,
                captured_amount: 0,
                refunded_amount: 0,
                currency: intent.currency.clone(),
                captured: false,
                disputed: false,
                status: "failed",
                failure: Some(decline),
                means,
                method: None,
                metadata: intent.metadata.clone(),
            };
            self.account.books.charges.add(id, charge);
        }
        self.tell_intent("payment_intent.payment_failed", intent_id);
    }

    fn drop_intent(&mut self, id: &str, reason: Option<&'static str>) {
        let now = self.now;
        let Some(intent) = self.account.books.intents.find_mut(id) else {
            return;
        };
        intent.status = "canceled";
        intent.capturable = 0;
        intent.authorized_at = None;
        intent.canceled_at = Some(now);
        intent.cancellation_reason = reason;
        self.tell_intent("payment_intent.canceled", id);
    }

    fn tell_session(&mut self, kind: &str, id: &str) {
        // Events are rendered in the account's version, not in that of any request (Stripe sheet §7, version).
        let books = &self.account.books;
        let object = books
            .sessions
            .find(id)
            .map(|it| books.session_json(it, &Expand::default(), &Version::newest()));
        self.tell(kind, object);
    }

    fn tell_intent(&mut self, kind: &str, id: &str) {
        let books = &self.account.books;
        let object = books
            .intents
            .find(id)
            .map(|intent| books.intent_json(intent, &Expand::default()));
        self.tell(kind, object);
    }

    fn tell_charge(&mut self, kind: &str, id: &str) {
        let books = &self.account.books;
        let object = books.charges.find(id).map(|charge| books.charge_json(charge));
        self.tell(kind, object);
    }

    fn tell_refund(&mut self, kind: &str, id: &str) {
        let books = &self.account.books;
        let object = books
            .refunds
            .find(id)
            .map(|refund| books.refund_json(refund, &Expand::default()));
        self.tell(kind, object);
    }

    fn tell_dispute(&mut self, kind: &str, id: &str) {
        let object = self.account.books.disputes.find(id).map(dispute_json);
        self.tell(kind, object);
    }

    /// Writes an event and queues it for every endpoint that wants it.
    fn tell(&mut self, kind: &str, object: Option<Value>) {
        let Some(object) = object else { return };
        let id = self.ids.make("evt_1", 23);
        let wanting = || self.account.endpoints.iter().filter(|endpoint| endpoint.wants(kind));
        let event = Event {
            id: id.clone(),
            kind: kind.to_owned(),
            created: self.now,
            object,
            request: match &self.by {
                By::Request { id, key } => Some((id.clone(), key.clone())),
                By::Nobody => None,
            },
            pending: wanting().map(|endpoint| endpoint.id.clone()).collect(),
        };
        for endpoint in wanting() {
            self.outbox.publish(event.posted(&self.account.id, endpoint), self.time);
        }
        self.account.events.add(id, event);
    }
}

/// The delayed method among those a session offers.
pub(super) fn delayed_method(methods: &[String]) -> Option<&str> {
    methods
        .iter()
        .map(String::as_str)
        .find(|method| matches!(*method, "konbini" | "customer_balance"))
}
