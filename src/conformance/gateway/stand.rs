//! What the cases share: a gateway over a played line, an attempt, and comparing without panics.

use std::sync::Arc;

use super::alter::Altered;
use super::bench::{Bench, Message, Says};
use super::line::{Answer, Line};
use super::report::Tally;
use crate::callback::Callback;
use crate::checkout::CheckoutRequest;
use crate::conformance::proofs::say;
use crate::error::VerifyError;
use crate::event::{PaymentEvent, Received, Subject};
use crate::gateway::Gateway;
use crate::ledger::{ExpectedPayment, StoredAttempt};
use crate::payment::PaymentStatus;

pub(super) type Found = Result<(), String>;

pub(super) struct Stand<'b> {
    pub(super) bench: &'b dyn Bench,
    pub(super) tally: &'b Tally,
    pub(super) line: Line,
    pub(super) gateway: Arc<dyn Gateway>,
    pub(super) request: CheckoutRequest,
    pub(super) expected: ExpectedPayment,
    /// Opened, and named by the gateway.
    pub(super) attempt: StoredAttempt,
}

impl<'b> Stand<'b> {
    pub(super) fn new(bench: &'b dyn Bench, tally: &'b Tally) -> Result<Self, String> {
        let line = Line::default();
        let gateway = bench.gateway(Arc::new(line.clone()))?;
        let request = bench.request()?;
        let expected = ExpectedPayment::plan(&gateway, &request, bench.now()).map_err(say)?;
        let attempt = bench.opened(StoredAttempt::new(expected.clone()))?;
        Ok(Self {
            bench,
            tally,
            line,
            gateway,
            request,
            expected,
            attempt,
        })
    }

    pub(super) fn genuine(&self) -> Result<Vec<Message>, String> {
        let messages = self.bench.genuine(&self.attempt)?;
        if messages.is_empty() {
            return Err("the bench has no genuine message".to_owned());
        }
        Ok(messages)
    }

    /// Hears a message, and makes sure that nothing was sent for it.
    pub(super) async fn hear(&self, callback: &Callback) -> Result<Result<Heard, VerifyError>, String> {
        self.line.script(&[]);
        let received = self.gateway.receive(callback).await;
        ensure(self.line.sent().is_empty(), "a message makes no call to the gateway")?;
        Ok(received.map(Heard::of))
    }

    /// Hears changed messages: each is refused, or says exactly what the genuine one said and the bench says why that can
    /// be.
    pub(super) async fn hear_changed(&self, message: &Message, changed: Vec<Altered>) -> Found {
        let original = self.heard_genuine(message).await?;
        for Altered { what, callback } in changed {
            match self.hear(&callback).await? {
                Err(_) => self.tally.refused(),
                // A hint says nothing that is believed, so it may say anything.
                Ok(Heard::Hint(_)) if message.says == Says::Hint => self.tally.harmless(),
                Ok(heard) if heard == original && self.is_harmless(&message.callback, &callback) => {
                    self.tally.harmless();
                }
                Ok(heard) if heard == original => {
                    return Err(format!(
                        "{}, {what}: was accepted, and no reason is given why",
                        message.name
                    ));
                }
                Ok(heard) => return Err(format!("{}, {what}: was accepted as {heard:?}", message.name)),
            }
        }
        Ok(())
    }

    /// Does the bench say why the change changes nothing?
    pub(super) fn is_harmless(&self, genuine: &Callback, changed: &Callback) -> bool {
        let why = self.bench.harmless(genuine, changed);
        why.is_some_and(|why| why.trim().len() >= super::SHORTEST_REASON)
    }

    /// Hears messages that the gateway signed and that lack something: what comes of one is never more than what came of
    /// the whole.
    pub(super) async fn hear_lacking(&self, message: &Message, lacking: Vec<Altered>) -> Found {
        let original = self.heard_genuine(message).await?;
        for Altered { what, callback } in lacking {
            match self.hear(&callback).await? {
                Err(_) => self.tally.refused(),
                Ok(heard) if heard.is_no_more_than(&original) => self.tally.harmless(),
                Ok(heard) => {
                    let name = message.name;
                    return Err(format!(
                        "{name}, {what}: the whole says {original:?} and this says {heard:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    pub(super) async fn heard_genuine(&self, message: &Message) -> Result<Heard, String> {
        let heard = self.hear(&message.callback).await?;
        let heard = heard.map_err(|error| format!("{}, genuine, was refused: {error}", message.name))?;
        self.tally.accepted();
        Ok(heard)
    }

    /// The origins, account and environment that an event has to carry.
    pub(super) fn is_ours(&self, event: &PaymentEvent) -> bool {
        event.gateway == self.gateway.id()
            && event.account == *self.gateway.account()
            && event.environment == self.gateway.environment()
    }

    /// Does the subject name this attempt, by any of its names, and nothing else?
    pub(super) fn names_ours(&self, subject: &Subject) -> bool {
        let ours = self.own_names();
        let shared = [
            subject.attempt.is_some() && subject.attempt == ours.attempt,
            subject.checkout.is_some() && subject.checkout == ours.checkout,
            subject.payment.is_some() && subject.payment == ours.payment,
        ];
        shared.contains(&true) && is_part_of(subject, &ours)
    }

    /// Could the subject lead to this attempt?
    pub(super) fn leads_to_ours(&self, subject: &Subject) -> bool {
        let ours = self.own_names();
        let differs = |named: bool, same: bool| named && !same;
        *subject != Subject::new()
            && !differs(subject.attempt.is_some(), subject.attempt == ours.attempt)
            && !differs(subject.checkout.is_some(), subject.checkout == ours.checkout)
    }

    pub(super) fn own_names(&self) -> Subject {
        Subject::new()
            .with_order(Some(self.expected.order.clone()))
            .with_attempt(Some(self.expected.attempt.clone()))
            .with_checkout(self.attempt.checkout.clone())
            .with_payment(self.attempt.payment.clone())
    }

    /// Nothing that prints holds a secret.
    pub(super) fn prints_no_secret(&self, what: &str, printed: &str) -> Found {
        let told = self
            .bench
            .secrets()
            .iter()
            .any(|secret| printed.contains(secret.as_str()));
        ensure(!told, &format!("{what} prints no secret"))
    }

    /// What comes back besides the words of the gateway: lost, empty, or somebody else's.
    pub(super) fn no_answers() -> Vec<(&'static str, Answer)> {
        use crate::transport::TransportErrorKind as Kind;
        const HTML: &str = "<!doctype html><html><body>Sign in to the network</body></html>";
        vec![
            ("no answer in time", Answer::lost(Kind::Timeout)),
            ("a broken connection", Answer::lost(Kind::Broken)),
            ("an answer that cannot be read", Answer::lost(Kind::Reply)),
            ("an answer beyond every limit", Answer::ok(vec![b' '; 8 * 1024 * 1024])),
            ("an empty answer", Answer::ok("")),
            ("a page of HTML", Answer::ok(HTML)),
            ("a page of HTML with 400", Answer::new(400, HTML)),
            ("a page of HTML with 404", Answer::new(404, HTML)),
            ("a page of HTML with 502", Answer::new(502, HTML)),
            ("nothing with 500", Answer::new(500, "")),
            ("nothing with 204", Answer::new(204, "")),
            ("nothing with 302", Answer::new(302, "")),
            ("null", Answer::ok("null")),
            ("a list", Answer::ok("[]")),
            ("an empty object", Answer::ok("{}")),
            ("a truth", Answer::ok("true")),
            ("a text", Answer::ok("\"paid\"")),
            ("a word", Answer::ok("paid")),
            ("bytes that are no text", Answer::ok(vec![0xff_u8; 64])),
            ("very deep nesting", Answer::ok("[".repeat(100_000))),
        ]
    }
}

/// What came of a message, without its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Proven(Vec<PaymentEvent>),
    Hint(Subject),
}

impl Heard {
    pub(super) fn of(received: Received) -> Self {
        match received {
            Received::Proven(notification) => Self::Proven(notification.into_value().events),
            Received::Hint(subject) => Self::Hint(subject),
        }
    }

    /// Nothing in it that is not in the other.
    fn is_no_more_than(&self, whole: &Self) -> bool {
        match (self, whole) {
            (Self::Hint(part), Self::Hint(whole)) => is_part_of(part, whole),
            (Self::Hint(part), Self::Proven(whole)) => whole.iter().any(|whole| is_part_of(part, &whole.subject)),
            (Self::Proven(_), Self::Hint(_)) => false,
            (Self::Proven(parts), Self::Proven(wholes)) => parts
                .iter()
                .all(|part| wholes.iter().any(|whole| says_no_more(part, whole))),
        }
    }
}

fn says_no_more(part: &PaymentEvent, whole: &PaymentEvent) -> bool {
    let (said, all) = (&part.snapshot, &whole.snapshot);
    // Of another environment or account it is about nothing of ours.
    let elsewhere = part.environment != whole.environment || part.account != whole.account;
    elsewhere
        || (is_part_of(&part.subject, &whole.subject)
            && (said.status == all.status || said.status == PaymentStatus::Unknown)
            && (said.amount.is_none() || said.amount == all.amount)
            && (said.refunded.is_none() || said.refunded == all.refunded))
}

/// Every name that is there is the same one.
pub(super) fn is_part_of(part: &Subject, whole: &Subject) -> bool {
    (part.order.is_none() || part.order == whole.order)
        && (part.attempt.is_none() || part.attempt == whole.attempt)
        && (part.checkout.is_none() || part.checkout == whole.checkout)
        && (part.payment.is_none() || part.payment == whole.payment)
}

pub(super) fn ensure(holds: bool, what: &str) -> Found {
    if holds { Ok(()) } else { Err(format!("not so: {what}")) }
}

/// What a case says when the bench has nothing for it and gives no reason.
pub(super) fn nothing_for_it(what: &str) -> String {
    format!("the bench has no {what}, and no reason why")
}
