//! What can happen to a payment, and the events each happening sends (KOMOJU sheet, 2026-11-23).

use std::time::SystemTime;

use serde_json::{Value, json};

use super::account::{Account, Settings};
use super::error::ApiError;
use super::fault::DeliveryFault;
use super::objects::{Ask, Payment, PaymentStatus, Refund, Session, SessionStatus, Way, timestamp};
use super::webhook::Event;
use crate::mock::card::{Behaviour, Presented};
use crate::mock::clock::unix;
use crate::mock::ids::Ids;
use crate::mock::webhook::Outbox;

/// Where a try to pay leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// Back to the store.
    Complete,
    /// To the slip.
    Slip,
    /// To the bank's question.
    Challenge,
    /// The page once more, with what went wrong.
    Again,
    /// The page was closed in the meantime.
    Closed,
}

/// One merchant's books while something is done to them.
pub(super) struct Desk<'w> {
    pub(super) account: &'w mut Account,
    pub(super) ids: &'w mut Ids,
    pub(super) outbox: &'w mut Outbox<DeliveryFault>,
    pub(super) settings: &'w Settings,
    pub(super) now: SystemTime,
}

impl Desk<'_> {
    /// Puts a new session in the books; returns its id.
    pub(super) fn create(&mut self, ask: Ask) -> String {
        let id = self.plain_id();
        let url = format!("{}/sessions/{id}", self.settings.base);
        self.account.sessions.push(Session {
            id: id.clone(),
            url,
            ask,
            created: unix(self.now),
            status: SessionStatus::Pending,
            completed: None,
            cancelled: None,
            payment: None,
            challenge: None,
            notice: None,
        });
        id
    }

    /// Closes a session that nobody has paid (`POST /sessions/{id}/cancel`).
    pub(super) fn cancel_session(&mut self, id: &str) -> Result<(), ApiError> {
        let now = unix(self.now);
        let session = self.session_mut(id)?;
        if session.status != SessionStatus::Pending {
            return Err(ApiError::state(format!(
                "This session is {} already.",
                session.status.name()
            )));
        }
        session.status = SessionStatus::Cancelled;
        session.cancelled = Some(now);
        session.challenge = None;
        // A payment that still waits for the bank goes with it.
        if let Some(payment) = session.payment.clone()
            && self.account.payment(&payment)?.status == PaymentStatus::Pending
        {
            self.turn(&payment, PaymentStatus::Cancelled, "payment.cancelled")?;
        }
        Ok(())
    }

    /// A card was typed on the page.
    pub(super) fn pay_by_card(&mut self, id: &str, card: &Presented) -> Result<Tried, ApiError> {
        if !self.takes(id, Way::Card)? {
            return Ok(Tried::Closed);
        }
        let payment = self.new_payment(id, Way::Card, &card.last4)?;
        match card.behaviour {
            Behaviour::Succeeds => self.card_passed(id, &payment),
            Behaviour::Declines => self.card_failed(id, &payment, "declined"),
            Behaviour::AsksForSecure => {
                let token = self.ids.make("", 24);
                let session = self.session_mut(id)?;
                session.challenge = Some(token);
                session.notice = None;
                Ok(Tried::Challenge)
            }
        }
    }

    /// The bank's question was answered.
    pub(super) fn answer_challenge(&mut self, id: &str, token: &str, passed: bool) -> Result<Tried, ApiError> {
        let open = self.open(id)?;
        let session = self.session_mut(id)?;
        // The back button, or a second click: what was asked is asked no more.
        if !open || session.challenge.as_deref() != Some(token) {
            return Ok(Tried::Closed);
        }
        session.challenge = None;
        let Some(payment) = session.payment.clone() else {
            return Ok(Tried::Closed);
        };
        if passed {
            self.card_passed(id, &payment)
        } else {
            self.card_failed(id, &payment, "not_authenticated")
        }
    }

    /// A slip was chosen on the page; the shopper will pay it, or let it lapse.
    pub(super) fn pay_later(&mut self, id: &str, way: Way, arrives: bool) -> Result<Tried, ApiError> {
        if !way.is_slip() || !self.takes(id, way)? {
            return Ok(Tried::Closed);
        }
        let payment = self.new_payment(id, way, "")?;
        let (now, fee) = (self.now, self.settings.slip_fee);
        let (pays, lapses) = (self.settings.delayed, self.settings.slip_valid);
        let slip = self.payment_mut(&payment)?;
        slip.fee = fee;
        slip.deadline = now.checked_add(lapses);
        slip.pays_at = now.checked_add(pays).filter(|_| arrives);
        self.complete(id)?;
        // "Authorized" says that a slip is out, and nothing of money (trap 1).
        self.turn(&payment, PaymentStatus::Authorized, "payment.authorized")?;
        Ok(Tried::Slip)
    }

    /// Decides a slip now instead of when it is due.
    pub(super) fn settle(&mut self, session: &str, paid: bool) -> Result<(), ApiError> {
        let payment = self.payment_id(session)?;
        let slip = self.account.payment(&payment)?;
        if !slip.way.is_slip() || slip.status != PaymentStatus::Authorized {
            return Err(ApiError::state("There is no open slip to settle."));
        }
        if paid {
            self.capture_now(&payment)
        } else {
            self.turn(&payment, PaymentStatus::Expired, "payment.expired")
        }
    }

    /// Takes authorized money: all of it (partial capture is unconfirmed in the sheet).
    pub(super) fn capture(&mut self, payment: &str) -> Result<(), ApiError> {
        let found = self.account.payment(payment)?;
        if found.way.is_slip() || found.status != PaymentStatus::Authorized {
            return Err(ApiError::state(format!(
                "A payment that is {} cannot be captured.",
                found.status.name()
            )));
        }
        self.capture_now(payment)
    }

    /// Gives authorized money back, or takes a slip back.
    pub(super) fn cancel(&mut self, payment: &str) -> Result<(), ApiError> {
        let status = self.account.payment(payment)?.status;
        if !matches!(status, PaymentStatus::Pending | PaymentStatus::Authorized) {
            return Err(ApiError::state(format!(
                "A payment that is {} cannot be cancelled.",
                status.name()
            )));
        }
        for session in &mut self.account.sessions {
            if session.payment.as_deref() == Some(payment) {
                session.challenge = None;
            }
        }
        self.turn(payment, PaymentStatus::Cancelled, "payment.cancelled")
    }

    /// Sends money back: this much, or the rest. Returns the refund's id.
    pub(super) fn refund(&mut self, payment: &str, amount: Option<u64>, chargeback: bool) -> Result<String, ApiError> {
        let id = self.plain_id();
        let now = unix(self.now);
        let found = self.payment_mut(payment)?;
        if found.status != PaymentStatus::Captured {
            return Err(ApiError::state(format!(
                "A payment that is {} cannot be refunded.",
                found.status.name()
            )));
        }
        let left = found.amount.saturating_sub(found.refunded());
        let amount = amount.unwrap_or(left);
        if amount == 0 || amount > left {
            return Err(ApiError::state("The amount is more than what is left.").at("amount"));
        }
        found.refunds.push(Refund {
            id: id.clone(),
            amount,
            created: now,
            chargeback,
        });
        // In part, the payment stays captured (trap 2).
        let whole = amount == left;
        if whole {
            found.status = PaymentStatus::Refunded;
        }
        self.announce(payment, "payment.refund.created")?;
        if whole {
            self.announce(payment, "payment.refunded")?;
        }
        Ok(id)
    }

    /// Tells every endpoint about a payment as it stands.
    pub(super) fn announce(&mut self, payment: &str, kind: &str) -> Result<(), ApiError> {
        let data = self.account.payment(payment)?.json();
        let endpoints: Vec<String> = self
            .account
            .endpoints
            .iter()
            .map(|endpoint| endpoint.id.clone())
            .collect();
        self.post(kind, &data, &endpoints);
        Ok(())
    }

    /// What a new endpoint gets first (sheet section "Callback", `ping`).
    pub(super) fn ping(&mut self, endpoint: &str) {
        self.post("ping", &json!({}), &[endpoint.to_owned()]);
    }

    /// Delivers an event once more.
    pub(super) fn resend(&mut self, event: &str) -> Result<(), ApiError> {
        let known = self.account.events.iter().find(|known| known.id == event);
        let known = known.ok_or_else(|| ApiError::not_found("event", event))?;
        for endpoint in &self.account.endpoints {
            let delivery = self.ids.make("", 25).to_ascii_lowercase();
            let posted = known.posted(&self.account.id, endpoint, delivery);
            self.outbox.publish(posted, self.now);
        }
        Ok(())
    }

    /// The last payment of a session.
    pub(super) fn payment_id(&self, session: &str) -> Result<String, ApiError> {
        let payment = self.account.session(session)?.payment.clone();
        payment.ok_or_else(|| ApiError::state("Nobody has tried to pay this session."))
    }

    pub(super) fn pass_time(&mut self) {
        let now = self.now;
        let due = |at: Option<SystemTime>| at.is_some_and(|at| at <= now);
        let slips: Vec<(String, bool)> = self
            .account
            .payments
            .iter()
            .filter(|payment| payment.way.is_slip() && payment.status == PaymentStatus::Authorized)
            .filter(|payment| due(payment.pays_at) || due(payment.deadline))
            .map(|payment| {
                // Whichever comes first, however far the clock was put forward.
                let paid = payment
                    .pays_at
                    .is_some_and(|pays| payment.deadline.is_none_or(|end| pays < end));
                (payment.id.clone(), paid)
            })
            .collect();
        for (payment, paid) in slips {
            // The payment was found a moment ago.
            drop(if paid {
                self.capture_now(&payment)
            } else {
                self.turn(&payment, PaymentStatus::Expired, "payment.expired")
            });
        }
        // The page closes; the session's status stays pending. A slip is not affected (trap 10).
        let mut waiting = Vec::new();
        for session in &mut self.account.sessions {
            if session.status == SessionStatus::Pending && session.over(unix(now)) {
                session.challenge = None;
                waiting.extend(session.payment.clone());
            }
        }
        for payment in waiting {
            if self
                .account
                .payment(&payment)
                .is_ok_and(|payment| payment.status == PaymentStatus::Pending)
            {
                drop(self.turn(&payment, PaymentStatus::Expired, "payment.expired"));
            }
        }
    }

    fn card_passed(&mut self, session: &str, payment: &str) -> Result<Tried, ApiError> {
        self.complete(session)?;
        if self.account.session(session)?.ask.manual {
            self.turn(payment, PaymentStatus::Authorized, "payment.authorized")?;
        } else {
            self.capture_now(payment)?;
        }
        Ok(Tried::Complete)
    }

    /// One try failed and the page stays open (trap 8).
    fn card_failed(&mut self, session: &str, payment: &str, notice: &'static str) -> Result<Tried, ApiError> {
        self.session_mut(session)?.notice = Some(notice);
        self.turn(payment, PaymentStatus::Failed, "payment.failed")?;
        Ok(Tried::Again)
    }

    fn complete(&mut self, id: &str) -> Result<(), ApiError> {
        let now = unix(self.now);
        let session = self.session_mut(id)?;
        session.status = SessionStatus::Completed;
        session.completed = Some(now);
        session.challenge = None;
        session.notice = None;
        Ok(())
    }

    fn capture_now(&mut self, payment: &str) -> Result<(), ApiError> {
        let now = unix(self.now);
        self.payment_mut(payment)?.captured = Some(now);
        self.turn(payment, PaymentStatus::Captured, "payment.captured")
    }

    fn turn(&mut self, payment: &str, to: PaymentStatus, kind: &str) -> Result<(), ApiError> {
        self.payment_mut(payment)?.status = to;
        self.announce(payment, kind)
    }

    fn new_payment(&mut self, session: &str, way: Way, last4: &str) -> Result<String, ApiError> {
        // A try that still waits for the bank is given up with the next one.
        let before = self.account.session(session)?.payment.clone();
        if let Some(before) = before
            && self.account.payment(&before)?.status == PaymentStatus::Pending
        {
            self.turn(&before, PaymentStatus::Cancelled, "payment.cancelled")?;
        }
        let id = self.plain_id();
        let now = unix(self.now);
        let found = self.session_mut(session)?;
        found.payment = Some(id.clone());
        let payment = Payment {
            id: id.clone(),
            session: session.to_owned(),
            way,
            last4: last4.to_owned(),
            status: PaymentStatus::Pending,
            amount: found.ask.amount,
            fee: 0,
            currency: found.ask.currency.clone(),
            order: found.ask.order.clone(),
            metadata: found.ask.metadata.clone(),
            locale: found.ask.locale,
            created: now,
            captured: None,
            deadline: None,
            pays_at: None,
            refunds: Vec::new(),
        };
        self.account.payments.push(payment);
        Ok(id)
    }

    /// Whether the page is open and offers this.
    fn takes(&self, id: &str, way: Way) -> Result<bool, ApiError> {
        Ok(self.open(id)? && self.account.session(id)?.ask.ways.contains(&way))
    }

    fn open(&self, id: &str) -> Result<bool, ApiError> {
        Ok(self.account.session(id)?.is_open(unix(self.now)))
    }

    fn post(&mut self, kind: &str, data: &Value, endpoints: &[String]) {
        let id = self.plain_id();
        let event = Event {
            id: id.clone(),
            kind: kind.to_owned(),
            created: self.now,
            json: json!({
                "id": id,
                "type": kind,
                "resource": "event",
                "data": data,
                "created_at": timestamp(unix(self.now)),
                "reason": null,
            }),
        };
        let wanted = self
            .account
            .endpoints
            .iter()
            .filter(|endpoint| endpoints.contains(&endpoint.id));
        for endpoint in wanted {
            let delivery = self.ids.make("", 25).to_ascii_lowercase();
            let posted = event.posted(&self.account.id, endpoint, delivery);
            self.outbox.publish(posted, self.now);
        }
        self.account.events.push(event);
    }

    fn session_mut(&mut self, id: &str) -> Result<&mut Session, ApiError> {
        let found = self.account.sessions.iter_mut().find(|session| session.id == id);
        found.ok_or_else(|| ApiError::not_found("session", id))
    }

    fn payment_mut(&mut self, id: &str) -> Result<&mut Payment, ApiError> {
        let found = self.account.payments.iter_mut().find(|payment| payment.id == id);
        found.ok_or_else(|| ApiError::not_found("payment", id))
    }

    fn plain_id(&mut self) -> String {
        self.ids.make("", 25).to_ascii_lowercase()
    }
}
