//! What can happen to a payment (Stripe sheet §7 to §9, 2026-11-23).

mod afterwards;
mod telling;
mod time;

use std::time::SystemTime;

use crate::mock::card::{Behaviour, Presented};
use crate::mock::ids::Ids;
use crate::mock::stripe::account::{Account, Settings};
use crate::mock::stripe::error::ApiError;
use crate::mock::stripe::fault::DeliveryFault;
use crate::mock::stripe::objects::{
    Challenge, Charge, Decline, Delayed, Intent, Means, NewSession, Session, SessionStatus, Word,
};
use crate::mock::stripe::text::Notice;
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
}

/// The delayed method among those a session offers.
pub(super) fn delayed_method(methods: &[String]) -> Option<&str> {
    methods
        .iter()
        .map(String::as_str)
        .find(|method| matches!(*method, "konbini" | "customer_balance"))
}
