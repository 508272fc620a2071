//! GMO Payment Gateway on the bench. Its notifications are unsigned: whatever they say, they are hints.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use kessai::conformance::gateway::{
    Ability, Answer, Asked, Bench, Case, Message, Reply, Returns, Says, Shape, Style, Wrong,
};
use kessai::gateways::gmopg::GmoPg;
use kessai::ledger::StoredAttempt;
use kessai::transport::Transport;
use kessai::{
    Ack, Addresses, ApiKey, Callback, CheckoutRequest, Currency, Environment, ExpectedPayment, Gateway,
    GatewayReference, MerchantAccount, Money, Params, PaymentStatus as S,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{get, of, once, passes, post, tea, way_back};
use crate::support::{start, yen};

const SHOP: &str = "tshop00099661";
const PASS: &str = "kq7w2x9e";
const ACCESS: &str = "5f2c9a1e7b3d40688c11aa02d94e6f73";

struct GmoBench;

fn addresses() -> Addresses {
    Addresses::new("https://shop.example", "/pay/gmo").unwrap()
}

fn note(shop: &str, order: &str, status: &str) -> String {
    format!(
        "ShopID={shop}&ShopPass=**********&AccessID={ACCESS}&AccessPass=**********&OrderID={order}&Status={status}\
         &Amount=1980&Tax=0&Currency=JPN&TranID=2611011016311111111111878654&ErrCode=&ErrInfo=&PayType=0"
    )
}

/// What the browser brings back about an order.
fn result(pass: &str, order: &str) -> String {
    let said = json!({"transactionresult": {
        "AccessID": ACCESS, "AccessPass": "*".repeat(32), "OrderID": order, "Result": "PAYSUCCESS", "ErrCode": "", "ErrInfo": "",
    }});
    let text = Base64::encode_string(said.to_string().as_bytes());
    let hash = Sha256::new().chain_update(&text).chain_update(pass).finalize();
    format!("result={}.{}", escaped(&text), base16ct::lower::encode_string(&hash))
}

fn escaped(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// An answer to `SearchTradeMulti`, as it was recorded.
fn deal(status: &str, amount: &str) -> String {
    format!(
        "Status={status}&ProcessDate=20261101101639&JobCd=CAPTURE&AccessID={ACCESS}&AccessPass=4099664bd4b110800e09805539d1d7b5&\
         ItemCode=0000990&Amount={amount}&Tax=0&SiteID=&MemberID=&CardNo=&Expire=&Method=1&PayTimes=&Forward=2a99662&\
         TranID=2611011016311111111111878654&Approve= 019292&ClientField1=&PayType=0&CvsCode=&PaymentTerm=&Currency=JPN"
    )
}

const CHANGED: &str = "AccessID=5f2c9a1e7b3d40688c11aa02d94e6f73&AccessPass=4099664bd4b110800e09805539d1d7b5&\
                       Forward=2a99662&Approve=019292&TranID=2611011016311111111111878655&TranDate=20261101111639";
const NO_SUCH_ORDER: &str = "ErrCode=M01&ErrInfo=M01004002";

impl Bench for GmoBench {
    fn gateway(&self, over: Arc<dyn Transport>) -> Result<Arc<dyn Gateway>, String> {
        let gmo = GmoPg::builder(
            MerchantAccount::new(SHOP).unwrap(),
            ApiKey::new(PASS).unwrap(),
            "shop01",
            Environment::Sandbox,
            addresses(),
        );
        let gmo = gmo.methods(["credit"]).transport(over).retry(once()).build();
        Ok(Arc::new(gmo.map_err(|error| error.to_string())?))
    }

    fn skip(&self, case: Case) -> Option<&'static str> {
        match case {
            Case::PaysItsAttempt => {
                Some("notifications are unsigned, so that none of them pays: each is a reason to ask (PAY-24)")
            }
            Case::LackingAmount => Some("notifications are unsigned, and no amount is ever read out of one"),
            Case::ForeignKey | Case::KeyOfThePast => {
                Some("notifications are unsigned: there is no key, and what anybody sends is a hint at best")
            }
            Case::OldMessage => Some("notifications are unsigned: an old one is a hint like any other"),
            Case::OtherEnvironment => Some(
                "each environment has shops of its own: a message of the other one is another merchant's, which is a case",
            ),
            _ => None,
        }
    }

    fn now(&self) -> SystemTime {
        start()
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASS.to_owned()]
    }

    fn style(&self) -> Style {
        Style {
            shape: Shape::Form,
            any_order: true,
            signed_return: true,
            amount: &[],
        }
    }

    fn request(&self) -> Result<CheckoutRequest, String> {
        Ok(tea())
    }

    fn requests_to_refuse(&self) -> Result<Vec<(&'static str, CheckoutRequest)>, String> {
        Ok(vec![
            ("eight digits", of(yen(10_000_000), None)),
            ("a page of five minutes", of(yen(1980), Some(Duration::from_secs(300)))),
            (
                "a page of three months",
                of(yen(1980), Some(Duration::from_secs(90 * 86_400))),
            ),
        ])
    }

    fn request_in_a_foreign_currency(&self) -> Result<Option<CheckoutRequest>, String> {
        Ok(Some(of(Money::new(1980, Currency::EUR), None)))
    }

    fn takes_reference(&self, text: &str) -> bool {
        // Sheet, "Identifiers": 27 letters, digits and '-'.
        (1..=27).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    }

    fn granted(&self, expected: &ExpectedPayment, page: &str) -> Option<Vec<Answer>> {
        let link = json!({"OrderID": expected.attempt.as_str(), "LinkUrl": page, "ProcessDate": "20261101101500"});
        Some(vec![Answer::ok(link.to_string())])
    }

    fn page_path(&self) -> &'static str {
        "/v2/plus/tshop00099661/checkout/abababab"
    }

    fn opened(&self, mut attempt: StoredAttempt) -> Result<StoredAttempt, String> {
        attempt.payment = Some(GatewayReference::new(ACCESS).unwrap());
        attempt.opened = true;
        Ok(attempt)
    }

    fn genuine(&self, attempt: &StoredAttempt) -> Result<Vec<Message>, String> {
        let message = |name, status| {
            let body = note(SHOP, attempt.reference().as_str(), status);
            Message::new(name, post("/pay/gmo/notification", body), Says::Hint)
        };
        Ok(vec![
            message("paid by card", "CAPTURE"),
            message("slip printed", "REQSUCCESS"),
            message("slip paid", "PAYSUCCESS"),
            message("declined", "PAYFAIL"),
        ])
    }

    fn wrong(&self, attempt: &StoredAttempt, how: Wrong) -> Result<Option<Callback>, String> {
        Ok(match how {
            Wrong::Merchant => {
                let body = note("tshop00099662", attempt.reference().as_str(), "CAPTURE");
                Some(post("/pay/gmo/notification", body))
            }
            Wrong::Key | Wrong::KeyOfThePast | Wrong::Age | Wrong::Environment => None,
        })
    }

    fn signed(&self, body: &[u8]) -> Result<Callback, String> {
        Ok(post("/pay/gmo/notification", Bytes::copy_from_slice(body)))
    }

    fn harmless(&self, genuine: &Callback, changed: &Callback) -> Option<&'static str> {
        // Of a return, the text and its hash, as they are after decoding.
        let result = |callback: &Callback| {
            let params = Params::parse(callback.body()).ok()?;
            params.value("result").map(str::to_owned)
        };
        (result(genuine)? == result(changed)?)
            .then_some("of a return only the result is signed, and nothing else of the body is read")
    }

    fn reply(&self, ack: Ack) -> Reply {
        Reply {
            status: 200,
            content_type: Some("text/plain"),
            body: match ack {
                Ack::Done => b"0",
                Ack::Retry | Ack::Refused => b"1",
            },
        }
    }

    fn returns(&self, attempt: &StoredAttempt) -> Result<Returns, String> {
        let back = way_back(&addresses(), &attempt.expected, false);
        let ours = result(PASS, attempt.reference().as_str());
        let in_capitals = ours
            .rsplit_once('.')
            .map(|(text, hash)| format!("{text}.{}", hash.to_uppercase()));
        Ok(Returns {
            genuine: post(&back, ours.clone()),
            cancelled: get(&way_back(&addresses(), &attempt.expected, true)),
            forged: vec![
                (
                    "under a foreign password",
                    post(&back, result("zz7w2x9e", attempt.reference().as_str())),
                ),
                (
                    "of another order",
                    post(&back, result(PASS, "zzzzzzzzzzzzzzzzzzzzzzzzzz")),
                ),
                ("of an order that cannot be", post(&back, result(PASS, "a&b"))),
                ("a hash in capitals", post(&back, in_capitals.unwrap())),
                ("no hash", post(&back, ours.split('.').next().unwrap().to_owned())),
                ("twice in the body", post(&back, format!("{ours}&{ours}"))),
                (
                    "in the address and in the body",
                    post(&format!("{back}&{ours}"), ours.clone()),
                ),
                ("without a result", post(&back, "")),
                ("an empty result", post(&back, "result=")),
                (
                    "a notification",
                    post(&back, note(SHOP, attempt.reference().as_str(), "CAPTURE")),
                ),
            ],
        })
    }

    fn answers(&self, _attempt: &StoredAttempt, what: Asked) -> Result<Option<Vec<Answer>>, String> {
        let answer = match what {
            Asked::Paid => deal("CAPTURE", "1980"),
            Asked::UnknownWord => deal("PAID", "1980"),
            Asked::LessMoney => deal("CAPTURE", "1979"),
            Asked::NoAmount => deal("CAPTURE", ""),
            Asked::OtherOrder => format!("{}&OrderID=of-a-stranger", deal("CAPTURE", "1980")),
        };
        Ok(Some(vec![Answer::ok(answer)]))
    }

    fn other_states(&self, _attempt: &StoredAttempt) -> Result<Vec<(S, Vec<Answer>)>, String> {
        let states = [
            (S::Created, NO_SUCH_ORDER.to_owned()),
            (S::Created, deal("UNPROCESSED", "1980")),
            (S::RequiresAction, deal("AUTHENTICATED", "1980")),
            (S::Pending, deal("REQSUCCESS", "1980")),
            (S::Created, deal("CHECK", "")),
            (S::Authorized, deal("AUTH", "1980")),
            (S::Cancelled, deal("VOID", "1980")),
            (S::Refunded, deal("RETURN", "1980")),
            (S::Cancelled, deal("CANCEL", "1980")),
            (S::Failed, deal("PAYFAIL", "1980")),
            (S::Expired, deal("EXPIRED", "1980")),
        ];
        Ok(states
            .into_iter()
            .map(|(state, answer)| (state, vec![Answer::ok(answer)]))
            .collect())
    }

    fn grants(
        &self,
        attempt: &StoredAttempt,
        ability: Ability,
    ) -> Result<Option<(StoredAttempt, Vec<Answer>)>, String> {
        let closed = json!({"OrderID": attempt.reference().as_str()}).to_string();
        let answers = match ability {
            Ability::Expire => [closed, NO_SUCH_ORDER.to_owned()],
            Ability::Capture | Ability::Void => [deal("AUTH", "1980"), CHANGED.to_owned()],
            Ability::Refund => [deal("CAPTURE", "1980"), CHANGED.to_owned()],
        };
        Ok(Some((attempt.clone(), answers.map(Answer::ok).into())))
    }
}

#[tokio::test]
async fn gmopg_passes_the_suite() {
    passes(&GmoBench, 6, 1_000).await;
}
