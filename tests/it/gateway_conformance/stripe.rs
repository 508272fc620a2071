//! Stripe on the bench.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kessai::conformance::gateway::{
    Ability, Answer, Asked, Bench, Case, Message, Reply, Returns, Says, Shape, Style, Wrong, arrives,
};
use kessai::gateways::stripe::{Stripe, signature_header};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::transport::Transport;
use kessai::{
    Ack, Addresses, ApiKey, Callback, CheckoutRequest, Currency, ExpectedPayment, Gateway, GatewayReference, Money,
    PaymentStatus as S,
};
use serde_json::{Value, json};

use super::{FOREIGN_KEY, PAST_KEY, RETIRING_KEY, get, keys, of, once, one_key, passes, tea, way_back};
use crate::support::{start, yen};

pub(super) const API_KEY: &str = "sk_test_0123456789abcdef";
const SIGNING_KEY: &str = "whsec_0123456789abcdefOfTheBench";
pub(super) const SESSION: &str = "cs_test_a1OfTheBench";
const INTENT: &str = "pi_3OfTheBench";

pub(super) struct StripeBench;

fn addresses() -> Addresses {
    Addresses::new("https://shop.example", "/pay/stripe").unwrap()
}

fn session(attempt: &StoredAttempt, (status, payment_status): (&str, &str), intent: &Value) -> Value {
    let expected = &attempt.expected;
    json!({
        "id": SESSION, "object": "checkout.session", "mode": "payment", "livemode": false, "status": status,
        "payment_status": payment_status, "payment_intent": intent, "amount_total": 1980, "currency": "jpy",
        "client_reference_id": expected.order.as_str(), "expires_at": 1_795_486_400,
        "metadata": {"order_id": expected.order.as_str(), "attempt_id": expected.attempt.as_str()},
    })
}

fn intent(status: &str, charge: &Value) -> Value {
    json!({"id": INTENT, "object": "payment_intent", "status": status, "latest_charge": charge})
}

fn charge(refunded: u64, disputed: bool) -> Value {
    json!({
        "id": "ch_3OfTheBench", "object": "charge", "amount": 1980, "amount_refunded": refunded, "currency": "jpy",
        "refunded": refunded == 1980, "disputed": disputed,
    })
}

fn paid(attempt: &StoredAttempt) -> Value {
    session(attempt, ("complete", "paid"), &intent("succeeded", &charge(0, false)))
}

fn event(kind: &str, object: &Value) -> Value {
    json!({
        "id": "evt_1OfTheBench", "object": "event", "type": kind, "created": 1_795_399_990, "livemode": false,
        "api_version": "2026-08-26.dahlia", "data": {"object": object},
    })
}

fn signed_with(keys: &SigningKeys, at: SystemTime, body: &[u8]) -> Result<Callback, String> {
    let request = http::Request::post("/pay/stripe/notification")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("Stripe-Signature", signature_header(keys, at, body));
    arrives(request, Bytes::copy_from_slice(body), start())
}

/// The message that a paid session brings.
fn completed(attempt: &StoredAttempt, payment_status: &str) -> Value {
    let object = session(attempt, ("complete", payment_status), &json!(INTENT));
    event("checkout.session.completed", &object)
}

impl Bench for StripeBench {
    fn gateway(&self, over: Arc<dyn Transport>) -> Result<Arc<dyn Gateway>, String> {
        let stripe = Stripe::builder(ApiKey::new(API_KEY).unwrap(), keys(SIGNING_KEY), addresses());
        let stripe = stripe.transport(over).retry(once()).build();
        Ok(Arc::new(stripe.map_err(|error| error.to_string())?))
    }

    fn skip(&self, case: Case) -> Option<&'static str> {
        match case {
            Case::ForeignCurrency => {
                Some("Stripe takes every currency that this crate knows; which ones an account has is not told")
            }
            Case::ReturnChanged => {
                Some("Stripe's return is a plain link with the session's id, and nothing in it is signed")
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
            amount: &["data.object.amount_total", "data.object.currency"],
        }
    }

    fn request(&self) -> Result<CheckoutRequest, String> {
        Ok(tea())
    }

    fn requests_to_refuse(&self) -> Result<Vec<(&'static str, CheckoutRequest)>, String> {
        let ariary = Money::new(150, "MGA".parse::<Currency>().unwrap());
        Ok(vec![
            ("a page of ten minutes", of(yen(1980), Some(Duration::from_secs(600)))),
            ("a page of two days", of(yen(1980), Some(Duration::from_secs(172_800)))),
            ("more than twelve digits", of(yen(1_000_000_000_000), None)),
            ("a fraction of an ariary", of(ariary, None)),
        ])
    }

    fn request_in_a_foreign_currency(&self) -> Result<Option<CheckoutRequest>, String> {
        Ok(None)
    }

    fn takes_reference(&self, text: &str) -> bool {
        // Sheet section 11: 200 characters of any text.
        (1..=200).contains(&text.len())
    }

    fn granted(&self, expected: &ExpectedPayment, page: &str) -> Option<Vec<Answer>> {
        let mut open = session(&StoredAttempt::new(expected.clone()), ("open", "unpaid"), &Value::Null);
        open["url"] = page.into();
        Some(vec![Answer::ok(open.to_string())])
    }

    fn page_path(&self) -> &'static str {
        "/c/pay/cs_test_a1OfTheBench#fidkdWxOYHwnPyd1"
    }

    fn opened(&self, mut attempt: StoredAttempt) -> Result<StoredAttempt, String> {
        attempt.checkout = Some(GatewayReference::new(SESSION).unwrap());
        attempt.payment = Some(GatewayReference::new(INTENT).unwrap());
        attempt.opened = true;
        Ok(attempt)
    }

    fn genuine(&self, attempt: &StoredAttempt) -> Result<Vec<Message>, String> {
        let ours = keys(SIGNING_KEY);
        let message = |name, keys: &SigningKeys, event: &Value, says: &[(S, Option<Money>)]| {
            let callback = signed_with(keys, start(), event.to_string().as_bytes())?;
            Ok::<_, String>(Message::new(name, callback, Says::Proven(says.to_vec())))
        };
        let money = Some(yen(1980));
        let expired = session(attempt, ("expired", "unpaid"), &Value::Null);
        let failed = session(attempt, ("complete", "unpaid"), &json!(INTENT));
        Ok(vec![
            message("paid", &ours, &completed(attempt, "paid"), &[(S::Captured, money)])?,
            message(
                "slip printed",
                &ours,
                &completed(attempt, "unpaid"),
                &[(S::Pending, money)],
            )?,
            message(
                "declined later",
                &ours,
                &event("checkout.session.async_payment_failed", &failed),
                &[(S::Failed, money)],
            )?,
            message(
                "expired",
                &ours,
                &event("checkout.session.expired", &expired),
                &[(S::Expired, money)],
            )?,
            message(
                "paid, signed with the retiring key",
                &one_key(RETIRING_KEY),
                &completed(attempt, "paid"),
                &[(S::Captured, money)],
            )?,
            message(
                "a customer was made",
                &ours,
                &event("customer.created", &json!({"id": "cus_1"})),
                &[],
            )?,
        ])
    }

    fn wrong(&self, attempt: &StoredAttempt, how: Wrong) -> Result<Option<Callback>, String> {
        let mut event = completed(attempt, "paid");
        let mut signer = keys(SIGNING_KEY);
        let mut at = start();
        match how {
            Wrong::Key => signer = one_key(FOREIGN_KEY),
            Wrong::KeyOfThePast => signer = one_key(PAST_KEY),
            Wrong::Merchant => event["account"] = "acct_1OfSomebodyElse".into(),
            Wrong::Age => at -= Duration::from_secs(601),
            Wrong::Environment => {
                event["livemode"] = true.into();
                event["data"]["object"]["livemode"] = true.into();
            }
        }
        signed_with(&signer, at, event.to_string().as_bytes()).map(Some)
    }

    fn signed(&self, body: &[u8]) -> Result<Callback, String> {
        signed_with(&keys(SIGNING_KEY), start(), body)
    }

    fn harmless(&self, genuine: &Callback, changed: &Callback) -> Option<&'static str> {
        let signed = |callback: &Callback| {
            let signatures: Vec<_> = callback.headers().get_all("stripe-signature").iter().cloned().collect();
            (callback.method().clone(), callback.body().clone(), signatures)
        };
        (signed(genuine) == signed(changed))
            .then_some("the signature covers the body and its time: no other header is read")
    }

    fn reply(&self, ack: Ack) -> Reply {
        let status = match ack {
            Ack::Done => 200,
            Ack::Retry => 503,
            Ack::Refused => 400,
        };
        Reply {
            status,
            content_type: None,
            body: b"",
        }
    }

    fn returns(&self, attempt: &StoredAttempt) -> Result<Returns, String> {
        let back = way_back(&addresses(), &attempt.expected, false);
        Ok(Returns {
            genuine: get(&format!("{back}&session_id={SESSION}")),
            cancelled: get(&way_back(&addresses(), &attempt.expected, true)),
            forged: vec![
                (
                    "another session",
                    get(&format!("{back}&session_id=cs_test_ofAStranger")),
                ),
                ("no session", get(&back)),
                ("an empty session", get(&format!("{back}&session_id="))),
                (
                    "two sessions",
                    get(&format!("{back}&session_id=cs_test_1&session_id={SESSION}")),
                ),
                (
                    "the same session twice",
                    get(&format!("{back}&session_id={SESSION}&session_id={SESSION}")),
                ),
                (
                    "twice in disguise",
                    get(&format!("{back}&session_id={SESSION}&session%5Fid={SESSION}")),
                ),
                ("a broken escape", get(&format!("{back}&session_id={SESSION}&x=%2"))),
                (
                    "not filled in",
                    get(&format!("{back}&session_id={{CHECKOUT_SESSION_ID}}")),
                ),
            ],
        })
    }

    fn answers(&self, attempt: &StoredAttempt, what: Asked) -> Result<Option<Vec<Answer>>, String> {
        let mut answer = paid(attempt);
        match what {
            Asked::Paid => {}
            Asked::UnknownWord => answer["payment_status"] = "settled".into(),
            Asked::LessMoney => answer["amount_total"] = 1979.into(),
            Asked::NoAmount => answer["amount_total"] = Value::Null,
            Asked::OtherOrder => answer["id"] = "cs_test_ofAStranger".into(),
        }
        Ok(Some(vec![Answer::ok(answer.to_string())]))
    }

    fn other_states(&self, attempt: &StoredAttempt) -> Result<Vec<(S, Vec<Answer>)>, String> {
        let done = |charge: &Value| (("complete", "paid"), intent("succeeded", charge));
        let plain = |status: &str| intent(status, &Value::Null);
        let states = [
            (S::Created, ("open", "unpaid"), Value::Null),
            (S::RequiresAction, ("open", "unpaid"), plain("requires_action")),
            (S::Pending, ("complete", "unpaid"), plain("processing")),
            (S::Authorized, ("complete", "unpaid"), plain("requires_capture")),
            (S::Failed, ("complete", "unpaid"), plain("requires_payment_method")),
            (S::Cancelled, ("complete", "unpaid"), plain("canceled")),
            (S::Expired, ("expired", "unpaid"), Value::Null),
            (
                S::PartiallyRefunded,
                done(&charge(1, false)).0,
                done(&charge(1, false)).1,
            ),
            (S::Refunded, done(&charge(1980, false)).0, done(&charge(1980, false)).1),
            (S::Disputed, done(&charge(0, true)).0, done(&charge(0, true)).1),
        ];
        Ok(states
            .into_iter()
            .map(|(state, words, intent)| (state, vec![Answer::ok(session(attempt, words, &intent).to_string())]))
            .collect())
    }

    fn grants(
        &self,
        attempt: &StoredAttempt,
        ability: Ability,
    ) -> Result<Option<(StoredAttempt, Vec<Answer>)>, String> {
        let answer = match ability {
            Ability::Expire => session(attempt, ("expired", "unpaid"), &Value::Null),
            Ability::Capture => intent("succeeded", &Value::Null),
            Ability::Void => intent("canceled", &Value::Null),
            Ability::Refund => json!({
                "id": "re_3OfTheBench", "object": "refund", "status": "succeeded", "payment_intent": INTENT,
            }),
        };
        Ok(Some((attempt.clone(), vec![Answer::ok(answer.to_string())])))
    }
}

#[tokio::test]
async fn stripe_passes_the_suite() {
    passes(&StripeBench, 2, 10_000).await;
}
