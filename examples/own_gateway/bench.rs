//! What the author of Hako tells the suite.
#![allow(clippy::indexing_slicing, reason = "a JSON object takes a member by its name")]

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kessai::conformance::gateway::{
    Ability, Answer, Asked, Bench, Case, Message, Reply, Returns, Says, Shape, Style, Wrong, arrives,
};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::transport::Transport;
use kessai::{
    Ack, Addresses, ApiKey, Callback, CheckoutRequest, Currency, ExpectedPayment, Gateway, LineItem, MerchantReference,
    Money, PaymentStatus, SigningKey,
};
use serde_json::{Value, json};

use crate::gateway::{Hako, signature};

pub(crate) struct HakoBench;

// These open nothing: Hako does not exist.
const API_KEY: &str = "hako-api-key-0123456789abcdef";
const KEY: &str = "hako-signing-key-0123456789abcdef";
const KEY_OF_THE_PAST: &str = "hako-signing-key-fedcba9876543210";
const SHOP: &str = "shop-1";
const PAGE: &str = "page-0123456789";

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn key(text_of_key: &str) -> Result<SigningKeys, String> {
    SigningKeys::from_texts([text_of_key]).map_err(text)
}

fn addresses() -> Result<Addresses, String> {
    Addresses::new("https://shop.example", "/pay/hako").map_err(text)
}

fn order(price: Money, valid_for: Option<Duration>) -> Result<CheckoutRequest, String> {
    let order = MerchantReference::new("ORD-2026-000123").map_err(text)?;
    let request = CheckoutRequest::builder(order).item(LineItem::new("Sencha, 100 g", price, 1).map_err(text)?);
    let request = match valid_for {
        Some(valid_for) => request.valid_for(valid_for),
        None => request,
    };
    request.build().map_err(text)
}

fn yen(amount: u64) -> Money {
    Money::new(amount, Currency::JPY)
}

/// A page as Hako tells it.
fn page(expected: &ExpectedPayment, status: &str) -> Value {
    json!({
        "id": PAGE, "attempt": expected.attempt.as_str(), "order": expected.order.as_str(), "status": status,
        "amount": expected.amount.minor_units(), "currency": "JPY", "mode": "test",
    })
}

fn message(shop: &str, page: &Value) -> Vec<u8> {
    let event = format!("evt-of-{}", page["status"].as_str().unwrap_or_default());
    json!({"event": event, "shop": shop, "page": page})
        .to_string()
        .into_bytes()
}

impl HakoBench {
    fn sent(&self, keys: &SigningKeys, at: SystemTime, body: &[u8]) -> Result<Callback, String> {
        let (time, tag) = signature(keys, at, body);
        let request = http::Request::post("/pay/hako/notification")
            .header("Hako-Time", time)
            .header("Hako-Signature", tag);
        arrives(request, Bytes::copy_from_slice(body), self.now())
    }

    /// What the browser brings back.
    fn back(&self, attempt: &StoredAttempt, cancelled: bool, more: &str) -> Result<Callback, String> {
        let url = if cancelled {
            addresses()?.cancel_url(&attempt.expected)
        } else {
            addresses()?.return_url(&attempt.expected)
        };
        let target = url.trim_start_matches("https://shop.example");
        arrives(http::Request::get(format!("{target}{more}")), Bytes::new(), self.now())
    }
}

impl Bench for HakoBench {
    fn gateway(&self, over: Arc<dyn Transport>) -> Result<Arc<dyn Gateway>, String> {
        let over_since = self.now() - Duration::from_secs(60);
        let keys = SigningKeys::new(SigningKey::new(KEY).map_err(text)?)
            .and_until(SigningKey::new(KEY_OF_THE_PAST).map_err(text)?, over_since);
        let hako = Hako::new(SHOP, ApiKey::new(API_KEY).map_err(text)?, keys, addresses()?, over).map_err(text)?;
        Ok(Arc::new(hako))
    }

    fn skip(&self, case: Case) -> Option<&'static str> {
        match case {
            Case::ReturnChanged => {
                Some("Hako's return is a plain link with the id of the page, and nothing in it is signed")
            }
            Case::AbilityLost | Case::NoPart => {
                Some("Hako can neither close, capture, void nor refund through its API")
            }
            _ => None,
        }
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_400_000)
    }

    fn secrets(&self) -> Vec<String> {
        [API_KEY, KEY, KEY_OF_THE_PAST].map(str::to_owned).into()
    }

    fn style(&self) -> Style {
        Style {
            shape: Shape::Json,
            any_order: false,
            signed_return: false,
            amount: &["page.amount", "page.currency"],
        }
    }

    fn request(&self) -> Result<CheckoutRequest, String> {
        order(yen(1980), None)
    }

    fn requests_to_refuse(&self) -> Result<Vec<(&'static str, CheckoutRequest)>, String> {
        Ok(vec![(
            "a page of a day",
            order(yen(1980), Some(Duration::from_secs(86_400)))?,
        )])
    }

    fn request_in_a_foreign_currency(&self) -> Result<Option<CheckoutRequest>, String> {
        order(Money::new(1980, Currency::EUR), None).map(Some)
    }

    fn takes_reference(&self, text: &str) -> bool {
        (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    fn granted(&self, expected: &ExpectedPayment, address: &str) -> Option<Vec<Answer>> {
        let mut page = page(expected, "open");
        page["url"] = address.into();
        Some(vec![Answer::ok(page.to_string())])
    }

    fn page_path(&self) -> &'static str {
        "/page-0123456789"
    }

    fn opened(&self, mut attempt: StoredAttempt) -> Result<StoredAttempt, String> {
        attempt.checkout = Some(PAGE.parse().map_err(text)?);
        attempt.opened = true;
        Ok(attempt)
    }

    fn genuine(&self, attempt: &StoredAttempt) -> Result<Vec<Message>, String> {
        [
            ("paid", PaymentStatus::Captured),
            ("waiting", PaymentStatus::Pending),
            ("declined", PaymentStatus::Failed),
        ]
        .into_iter()
        .map(|(word, status)| {
            let body = message(SHOP, &page(&attempt.expected, word));
            let says = Says::Proven(vec![(status, Some(attempt.expected.amount))]);
            Ok(Message::new(word, self.sent(&key(KEY)?, self.now(), &body)?, says))
        })
        .collect()
    }

    fn wrong(&self, attempt: &StoredAttempt, how: Wrong) -> Result<Option<Callback>, String> {
        let (mut shop, mut page) = (SHOP, page(&attempt.expected, "paid"));
        let (mut signer, mut at) = (KEY, self.now());
        match how {
            Wrong::Key => signer = "hako-signing-key-of-a-stranger-01",
            Wrong::KeyOfThePast => signer = KEY_OF_THE_PAST,
            Wrong::Merchant => shop = "shop-2",
            Wrong::Age => at -= Duration::from_secs(301),
            Wrong::Environment => page["mode"] = "live".into(),
        }
        self.sent(&key(signer)?, at, &message(shop, &page)).map(Some)
    }

    fn signed(&self, body: &[u8]) -> Result<Callback, String> {
        self.sent(&key(KEY)?, self.now(), body)
    }

    fn harmless(&self, _genuine: &Callback, _changed: &Callback) -> Option<&'static str> {
        // Every byte counts: a changed message is refused.
        None
    }

    fn reply(&self, ack: Ack) -> Reply {
        let (status, body): (u16, &[u8]) = match ack {
            Ack::Done => (200, b"taken"),
            Ack::Retry => (503, b"again"),
            Ack::Refused => (403, b"refused"),
        };
        Reply {
            status,
            content_type: None,
            body,
        }
    }

    fn returns(&self, attempt: &StoredAttempt) -> Result<Returns, String> {
        let twice = format!("&page={PAGE}&page={PAGE}");
        Ok(Returns {
            genuine: self.back(attempt, false, &format!("&page={PAGE}"))?,
            cancelled: self.back(attempt, true, "")?,
            forged: vec![
                ("another page", self.back(attempt, false, "&page=page-of-a-stranger")?),
                ("no page", self.back(attempt, false, "&page=")?),
                ("the page twice", self.back(attempt, false, &twice)?),
                (
                    "a broken escape",
                    self.back(attempt, false, &format!("&page={PAGE}%2"))?,
                ),
            ],
        })
    }

    fn answers(&self, attempt: &StoredAttempt, what: Asked) -> Result<Option<Vec<Answer>>, String> {
        let mut page = page(&attempt.expected, "paid");
        match what {
            Asked::Paid => {}
            Asked::UnknownWord => page["status"] = "settled".into(),
            Asked::LessMoney => page["amount"] = 1979.into(),
            Asked::NoAmount => page["amount"] = Value::Null,
            Asked::OtherOrder => page["attempt"] = "of-a-stranger".into(),
        }
        Ok(Some(vec![Answer::ok(page.to_string())]))
    }

    fn other_states(&self, attempt: &StoredAttempt) -> Result<Vec<(PaymentStatus, Vec<Answer>)>, String> {
        let states = [
            ("open", PaymentStatus::Created),
            ("waiting", PaymentStatus::Pending),
            ("returned", PaymentStatus::Refunded),
            ("declined", PaymentStatus::Failed),
            ("over", PaymentStatus::Expired),
        ];
        let answer = |word: &str| vec![Answer::ok(page(&attempt.expected, word).to_string())];
        Ok(states.map(|(word, status)| (status, answer(word))).into())
    }

    fn grants(
        &self,
        _attempt: &StoredAttempt,
        _ability: Ability,
    ) -> Result<Option<(StoredAttempt, Vec<Answer>)>, String> {
        Ok(None)
    }
}
