//! KOMOJU on the bench.

use std::sync::Arc;
use std::time::SystemTime;

use kessai::gateways::komoju::{Komoju, signature_header};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::{Addresses, ApiKey, CheckoutRequest, ExpectedPayment, Gateway, GatewayReference};
use serde_json::{Value, json};

use super::{Answer, From, Message, Player, Says, Script, Skip, once, tea, transport};

const JSON: &str = "application/json";
const SECRET: &str = "whsec-komoju-bench-0123456789";
const SESSION: &str = "a1b2c3d4e5f6g7h8i9j0k1l2m";

pub struct KomojuPlayer;

fn payment(about: &ExpectedPayment, says: Says) -> Value {
    let other = says == Says::OtherAttempt;
    let status = match says {
        Says::Pending => "authorized",
        Says::Failed => "failed",
        Says::UnknownWord => "settled_in_gold",
        _ => "captured",
    };
    let amount = if says == Says::OtherAmount {
        1
    } else {
        about.amount.minor_units()
    };
    let mut payment = json!({
        "id": "b3kq0x8d2m5n7p1r4t6v8w0y2", "resource": "payment", "status": status, "amount": amount, "tax": 0,
        "payment_details": {"type": if says == Says::Pending { "konbini" } else { "credit_card" }}, "payment_method_fee": 0,
        "total": amount, "currency": "JPY", "amount_refunded": 0, "refunds": [], "refund_requests": [],
        "external_order_num": if other { "someothername0000000000000" } else { about.attempt.as_str() },
        "session": if other { "z9y8x7w6v5u4t3s2r1q0p9o8n" } else { SESSION },
    });
    if says == Says::NoAmount {
        payment["amount"] = Value::Null;
        payment["total"] = Value::Null;
    }
    payment
}

fn session(about: &ExpectedPayment, status: &str, payment: &Value) -> Value {
    json!({
        "id": SESSION, "resource": "session", "mode": "payment", "amount": about.amount.minor_units(), "currency": "JPY",
        "status": status, "expired": false, "session_url": format!("https://komoju.com/sessions/{SESSION}"),
        "external_order_num": about.attempt.as_str(), "payment": payment,
    })
}

impl Player for KomojuPlayer {
    fn gateway(&self, script: &Script) -> Result<Arc<dyn Gateway>, String> {
        let komoju = Komoju::builder(
            ApiKey::new("sk_test_0123456789abcdef").unwrap(),
            SigningKeys::from_texts([SECRET]).unwrap(),
            Addresses::new("https://shop.example", "/pay/komoju").unwrap(),
        );
        let komoju = komoju.transport(transport(script)).retry(once()).build();
        Ok(Arc::new(komoju.map_err(|error| error.to_string())?))
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned(), "sk_test_0123456789abcdef".to_owned()]
    }

    fn request(&self, order: &str) -> Result<CheckoutRequest, String> {
        Ok(tea(order))
    }

    fn created(&self, expected: &ExpectedPayment) -> Option<Answer> {
        Some(Answer::ok(JSON, session(expected, "pending", &Value::Null).to_string()))
    }

    fn message(&self, about: &ExpectedPayment, says: Says, from: From, _at: SystemTime) -> Result<Message, Skip> {
        let key = match from {
            From::OtherMerchant => "whsec-komoju-of-another-shop",
            From::Yesterday => return Err(Skip("there is no time in a message, so its age cannot be known")),
            From::Gateway => SECRET,
        };
        let kind = match says {
            Says::Pending => "payment.authorized",
            Says::Failed => "payment.failed",
            _ => "payment.captured",
        };
        let body = json!({
            "id": "evt3f9a0c2b7d1e", "type": kind, "resource": "event", "data": payment(about, says),
            "created_at": "2026-11-23T02:15:00Z", "reason": null,
        })
        .to_string();
        let keys = SigningKeys::from_texts([key]).unwrap();
        let tag = signature_header(&keys, body.as_bytes());
        Ok(Message::post(JSON, body).header("x-komoju-signature", tag))
    }

    fn returned(&self, _about: &ExpectedPayment, _forged: bool) -> Result<Message, Skip> {
        Err(Skip(
            "the return carries a session id without any signature, which is read as a hint",
        ))
    }

    fn status(&self, about: &StoredAttempt, says: Says) -> Result<Vec<Answer>, Skip> {
        let paid = payment(&about.expected, says);
        let status = if says == Says::Failed { "pending" } else { "completed" };
        if says == Says::Failed {
            return Err(Skip("a failed try leaves its session open: the shopper may try again"));
        }
        let mut answer = session(&about.expected, status, &paid);
        if says == Says::OtherAttempt {
            answer["id"] = "z9y8x7w6v5u4t3s2r1q0p9o8n".into();
            answer["external_order_num"] = "someothername0000000000000".into();
        }
        Ok(vec![Answer::ok(JSON, answer.to_string())])
    }

    fn bound(&self, mut attempt: StoredAttempt) -> StoredAttempt {
        attempt.checkout = Some(GatewayReference::new(SESSION).unwrap());
        attempt.opened = true;
        attempt
    }
}
