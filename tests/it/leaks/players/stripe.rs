//! Stripe on the bench: the messages of its sheet, sections 6 to 8.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kessai::gateways::stripe::signature_header;
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::{CheckoutRequest, ExpectedPayment, Gateway, GatewayReference};
use serde_json::{Value, json};

use super::{Answer, From, Message, Player, Says, Script, Skip, once, tea, transport};
use crate::support::{SIGNING_SECRET, stripe};

const JSON: &str = "application/json";
const SESSION: &str = "cs_test_a1VectorSession";

pub struct StripePlayer;

fn session(about: &ExpectedPayment, says: Says) -> Value {
    let other = says == Says::OtherAttempt;
    let (order, attempt) = if other {
        ("ORD-2026-000999", "someothername0000000000000")
    } else {
        (about.order.as_str(), about.attempt.as_str())
    };
    let (status, payment_status) = match says {
        Says::Pending => ("complete", "unpaid"),
        Says::Failed => ("expired", "unpaid"),
        Says::UnknownWord => ("complete", "settled_in_gold"),
        _ => ("complete", "paid"),
    };
    let mut session = json!({
        "id": if other { "cs_test_other" } else { SESSION }, "object": "checkout.session", "mode": "payment", "livemode": false,
        "status": status, "payment_status": payment_status, "payment_intent": "pi_3VectorIntent",
        "amount_total": if says == Says::OtherAmount { 1 } else { about.amount.minor_units() },
        "currency": "jpy", "client_reference_id": order, "metadata": {"order_id": order, "attempt_id": attempt},
        "url": format!("https://checkout.stripe.com/c/pay/{SESSION}"),
    });
    if says == Says::NoAmount {
        session["amount_total"] = Value::Null;
    }
    session
}

impl Player for StripePlayer {
    fn gateway(&self, script: &Script) -> Result<Arc<dyn Gateway>, String> {
        let stripe = stripe().transport(transport(script)).retry(once()).build();
        Ok(Arc::new(stripe.map_err(|error| error.to_string())?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![SIGNING_SECRET.to_owned(), "sk_test_0123456789abcdef".to_owned()]
    }

    fn request(&self, order: &str) -> Result<CheckoutRequest, String> {
        Ok(tea(order))
    }

    fn created(&self, expected: &ExpectedPayment) -> Option<Answer> {
        let mut made = session(expected, Says::Paid);
        made["status"] = "open".into();
        made["payment_status"] = "unpaid".into();
        made["expires_at"] = 1_795_486_400.into();
        Some(Answer::ok(JSON, made.to_string()))
    }

    fn message(&self, about: &ExpectedPayment, says: Says, from: From, at: SystemTime) -> Result<Message, Skip> {
        let kind = match says {
            Says::Failed => "checkout.session.expired",
            _ => "checkout.session.completed",
        };
        let body = json!({
            "id": "evt_1", "object": "event", "type": kind, "created": 1_795_400_000, "livemode": false,
            "data": {"object": session(about, says)},
        })
        .to_string();
        let (key, at) = match from {
            From::OtherMerchant => ("whsec_ofAnotherMerchantsEndpoint", at),
            From::Yesterday => (SIGNING_SECRET, at - Duration::from_secs(24 * 3600)),
            From::Gateway => (SIGNING_SECRET, at),
        };
        let keys = SigningKeys::from_texts([key]).unwrap();
        let header = signature_header(&keys, at, body.as_bytes());
        Ok(Message::post(JSON, body).header("stripe-signature", header))
    }

    fn returned(&self, _about: &ExpectedPayment, _forged: bool) -> Result<Message, Skip> {
        Err(Skip(
            "the gateway adds nothing to the return address, so there is nothing to forge",
        ))
    }

    fn status(&self, about: &StoredAttempt, says: Says) -> Result<Vec<Answer>, Skip> {
        Ok(vec![Answer::ok(JSON, session(&about.expected, says).to_string())])
    }

    fn bound(&self, mut attempt: StoredAttempt) -> StoredAttempt {
        attempt.checkout = Some(GatewayReference::new(SESSION).unwrap());
        attempt.opened = true;
        attempt
    }
}
