//! KOMOJU on the bench.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kessai::conformance::gateway::{
    Ability, Answer, Asked, Bench, Case, Message, Reply, Returns, Says, Shape, Style, Wrong, arrives,
};
use kessai::gateways::komoju::{Komoju, signature_header};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::transport::Transport;
use kessai::{
    Ack, Addresses, ApiKey, Callback, CheckoutRequest, ExpectedPayment, Gateway, GatewayReference, Money,
    PaymentStatus as S,
};
use serde_json::{Value, json};

use super::{FOREIGN_KEY, PAST_KEY, RETIRING_KEY, get, keys, of, once, one_key, passes, tea, way_back};
use crate::support::{start, yen};

const API_KEY: &str = "sk_test_0123456789abcdef";
const SIGNING_KEY: &str = "whsec-komoju-0123456789abcdefOfTheBench";
const SESSION: &str = "a1b2c3d4e5f6g7h8i9j0k1l2m";
const PAYMENT: &str = "b3kq0x8d2m5n7p1r4t6v8w0y2";

struct KomojuBench;

fn addresses() -> Addresses {
    Addresses::new("https://shop.example", "/pay/komoju").unwrap()
}

/// A payment in some state. Without a fee: a missing one counts as none, so a message that lost a real one tells another
/// amount (`komoju::the_fee_of_a_method_is_not_part_of_the_amount`).
fn payment(attempt: &StoredAttempt, status: &str, method: &str, refunded: u64) -> Value {
    json!({
        "id": PAYMENT, "resource": "payment", "status": status, "amount": 1980, "tax": 0,
        "payment_details": {"type": method}, "payment_method_fee": 0, "total": 1980, "currency": "JPY",
        "external_order_num": attempt.expected.attempt.as_str(), "amount_refunded": refunded, "session": SESSION,
        "refunds": [], "refund_requests": [],
    })
}

fn event(kind: &str, payment: &Value) -> Value {
    json!({"id": "evtofthebench", "type": kind, "resource": "event", "data": payment, "created_at": "x", "reason": null})
}

fn session(status: &str, expired: bool, payment: &Value) -> Value {
    json!({
        "id": SESSION, "resource": "session", "mode": "payment", "amount": 1980, "currency": "JPY", "status": status,
        "expired": expired, "session_url": format!("https://komoju.com/sessions/{SESSION}"), "payment": payment,
    })
}

fn signed_with(keys: &SigningKeys, body: &[u8]) -> Result<Callback, String> {
    let request = http::Request::post("/pay/komoju/notification")
        .header("Content-Type", "application/json")
        .header("X-Komoju-Signature", signature_header(keys, body));
    arrives(request, Bytes::copy_from_slice(body), start())
}

impl Bench for KomojuBench {
    fn gateway(&self, over: Arc<dyn Transport>) -> Result<Arc<dyn Gateway>, String> {
        let komoju = Komoju::builder(ApiKey::new(API_KEY).unwrap(), keys(SIGNING_KEY), addresses());
        let komoju = komoju.transport(over).retry(once()).build();
        // Once more behind an `Arc`, which is a gateway as well.
        Ok(Arc::new(Arc::new(komoju.map_err(|error| error.to_string())?)))
    }

    fn skip(&self, case: Case) -> Option<&'static str> {
        match case {
            Case::ForeignCurrency => {
                Some("KOMOJU takes several currencies and converts; which ones an account has is not told")
            }
            Case::OtherMerchant => Some(
                "KOMOJU's messages name no account: another merchant's are signed with another key, which is a case of its own",
            ),
            Case::OldMessage => Some("KOMOJU's signature holds no time: a message that comes again is known by its id"),
            Case::OtherEnvironment => {
                Some("KOMOJU's messages name no mode: each mode has a key of its own, which is a case of its own")
            }
            Case::ReturnChanged => {
                Some("KOMOJU's return is a plain link with the session's id, and nothing in it is signed")
            }
            _ => None,
        }
    }

    fn now(&self) -> SystemTime {
        start()
    }

    fn secrets(&self) -> Vec<String> {
        [API_KEY, SIGNING_KEY, PAST_KEY, RETIRING_KEY].map(str::to_owned).into()
    }

    fn style(&self) -> Style {
        Style {
            shape: Shape::Json,
            any_order: false,
            signed_return: false,
            amount: &["data.total", "data.currency"],
        }
    }

    fn request(&self) -> Result<CheckoutRequest, String> {
        Ok(tea())
    }

    fn requests_to_refuse(&self) -> Result<Vec<(&'static str, CheckoutRequest)>, String> {
        Ok(vec![
            (
                "a page of 25 hours",
                of(yen(1980), Some(Duration::from_secs(25 * 3600))),
            ),
            (
                "a page of half a second",
                of(yen(1980), Some(Duration::from_millis(500))),
            ),
        ])
    }

    fn request_in_a_foreign_currency(&self) -> Result<Option<CheckoutRequest>, String> {
        Ok(None)
    }

    fn takes_reference(&self, text: &str) -> bool {
        // Sheet, "Identifiers": free text, 50 ASCII characters to be safe.
        (1..=50).contains(&text.len()) && text.is_ascii()
    }

    fn granted(&self, _expected: &ExpectedPayment, page: &str) -> Option<Vec<Answer>> {
        let mut open = session("pending", false, &Value::Null);
        open["session_url"] = page.into();
        Some(vec![Answer::ok(open.to_string())])
    }

    fn page_path(&self) -> &'static str {
        "/sessions/a1b2c3d4e5f6g7h8i9j0k1l2m"
    }

    fn opened(&self, mut attempt: StoredAttempt) -> Result<StoredAttempt, String> {
        attempt.checkout = Some(GatewayReference::new(SESSION).unwrap());
        attempt.payment = Some(GatewayReference::new(PAYMENT).unwrap());
        attempt.opened = true;
        Ok(attempt)
    }

    fn genuine(&self, attempt: &StoredAttempt) -> Result<Vec<Message>, String> {
        let message = |name, key: &str, event: &Value, says: &[(S, Option<Money>)]| {
            let callback = signed_with(&one_key(key), event.to_string().as_bytes())?;
            Ok::<_, String>(Message::new(name, callback, Says::Proven(says.to_vec())))
        };
        let of = |kind: &str, status: &str, method: &str, refunded: u64| {
            event(kind, &payment(attempt, status, method, refunded))
        };
        let money = Some(yen(1980));
        let card = of("payment.captured", "captured", "credit_card", 0);
        Ok(vec![
            message("paid by card", SIGNING_KEY, &card, &[(S::Captured, money)])?,
            message(
                "slip printed",
                SIGNING_KEY,
                &of("payment.authorized", "authorized", "konbini", 0),
                &[(S::Pending, money)],
            )?,
            message(
                "slip paid",
                SIGNING_KEY,
                &of("payment.captured", "captured", "konbini", 0),
                &[(S::Captured, money)],
            )?,
            message(
                "slip expired",
                SIGNING_KEY,
                &of("payment.expired", "expired", "konbini", 0),
                &[(S::Unknown, money)],
            )?,
            message(
                "some of it given back",
                SIGNING_KEY,
                &of("payment.refunded", "captured", "credit_card", 80),
                &[(S::PartiallyRefunded, money)],
            )?,
            message(
                "one try was declined",
                SIGNING_KEY,
                &of("payment.failed", "failed", "credit_card", 0),
                &[],
            )?,
            message(
                "paid, signed with the retiring key",
                RETIRING_KEY,
                &card,
                &[(S::Captured, money)],
            )?,
        ])
    }

    fn wrong(&self, attempt: &StoredAttempt, how: Wrong) -> Result<Option<Callback>, String> {
        let key = match how {
            Wrong::Key => FOREIGN_KEY,
            Wrong::KeyOfThePast => PAST_KEY,
            Wrong::Merchant | Wrong::Age | Wrong::Environment => return Ok(None),
        };
        let event = event("payment.captured", &payment(attempt, "captured", "credit_card", 0));
        signed_with(&one_key(key), event.to_string().as_bytes()).map(Some)
    }

    fn signed(&self, body: &[u8]) -> Result<Callback, String> {
        signed_with(&one_key(SIGNING_KEY), body)
    }

    fn harmless(&self, genuine: &Callback, changed: &Callback) -> Option<&'static str> {
        let signed = |callback: &Callback| {
            let signatures: Vec<_> = callback
                .headers()
                .get_all("x-komoju-signature")
                .iter()
                .cloned()
                .collect();
            (callback.method().clone(), callback.body().clone(), signatures)
        };
        (signed(genuine) == signed(changed)).then_some("the signature covers the body: no other header is read")
    }

    fn reply(&self, ack: Ack) -> Reply {
        let status = match ack {
            Ack::Done => 200,
            Ack::Retry => 503,
            Ack::Refused => 401,
        };
        Reply {
            status,
            content_type: None,
            body: b"",
        }
    }

    fn returns(&self, attempt: &StoredAttempt) -> Result<Returns, String> {
        let back = way_back(&addresses(), &attempt.expected, false);
        let cancel = way_back(&addresses(), &attempt.expected, true);
        Ok(Returns {
            genuine: get(&format!("{back}&session_id={SESSION}")),
            cancelled: get(&format!("{cancel}&session_id={SESSION}")),
            forged: vec![
                (
                    "another session",
                    get(&format!("{back}&session_id=zzzzz3d4e5f6g7h8i9j0k1l2m")),
                ),
                ("no session", get(&back)),
                ("an empty session", get(&format!("{back}&session_id="))),
                (
                    "two sessions",
                    get(&format!("{back}&session_id=b1&session_id={SESSION}")),
                ),
                (
                    "the same session twice",
                    get(&format!("{back}&session_id={SESSION}&session_id={SESSION}")),
                ),
                ("another path in it", get(&format!("{back}&session_id=..%2F{SESSION}"))),
                ("a broken escape", get(&format!("{back}&session_id={SESSION}%2"))),
            ],
        })
    }

    fn answers(&self, attempt: &StoredAttempt, what: Asked) -> Result<Option<Vec<Answer>>, String> {
        let mut answer = session("completed", false, &payment(attempt, "captured", "credit_card", 0));
        match what {
            Asked::Paid => {}
            Asked::UnknownWord => answer["payment"]["status"] = "settled".into(),
            Asked::LessMoney => answer["payment"]["total"] = 1979.into(),
            Asked::NoAmount => answer["payment"]["total"] = Value::Null,
            Asked::OtherOrder => answer["payment"]["external_order_num"] = "of-a-stranger".into(),
        }
        Ok(Some(vec![Answer::ok(answer.to_string())]))
    }

    fn other_states(&self, attempt: &StoredAttempt) -> Result<Vec<(S, Vec<Answer>)>, String> {
        let of = |status: &str, method: &str, refunded: u64| payment(attempt, status, method, refunded);
        let mut disputed = of("refunded", "credit_card", 1980);
        disputed["refunds"] = json!([{"id": "r1", "chargeback": true}]);
        let states = [
            (S::Created, session("pending", false, &Value::Null)),
            (S::Expired, session("pending", true, &Value::Null)),
            (S::Cancelled, session("cancelled", false, &Value::Null)),
            (S::Unknown, session("completed", false, &Value::Null)),
            (S::Created, session("pending", false, &of("failed", "credit_card", 0))),
            (S::Failed, session("pending", true, &of("failed", "credit_card", 0))),
            (S::Pending, session("completed", false, &of("authorized", "konbini", 0))),
            (
                S::Authorized,
                session("completed", false, &of("authorized", "credit_card", 0)),
            ),
            (S::Expired, session("completed", false, &of("expired", "konbini", 0))),
            (
                S::PartiallyRefunded,
                session("completed", false, &of("captured", "credit_card", 1)),
            ),
            (
                S::Refunded,
                session("completed", false, &of("refunded", "credit_card", 1980)),
            ),
            (S::Disputed, session("completed", false, &disputed)),
        ];
        Ok(states
            .into_iter()
            .map(|(state, answer)| (state, vec![Answer::ok(answer.to_string())]))
            .collect())
    }

    fn grants(
        &self,
        attempt: &StoredAttempt,
        ability: Ability,
    ) -> Result<Option<(StoredAttempt, Vec<Answer>)>, String> {
        let answer = match ability {
            Ability::Expire => session("cancelled", false, &Value::Null),
            Ability::Capture => payment(attempt, "captured", "credit_card", 0),
            Ability::Void => payment(attempt, "cancelled", "credit_card", 0),
            Ability::Refund => payment(attempt, "refunded", "credit_card", 1980),
        };
        Ok(Some((attempt.clone(), vec![Answer::ok(answer.to_string())])))
    }
}

#[tokio::test]
async fn komoju_passes_the_suite() {
    passes(&KomojuBench, 5, 10_000).await;
}
