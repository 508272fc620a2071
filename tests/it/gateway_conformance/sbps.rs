//! SB Payment Service on the bench, with the API type and without it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kessai::RawParams;
use kessai::charset::{self, Reading};
use kessai::conformance::gateway::{
    Ability, Answer, Asked, Bench, Case, Message, Reply, Returns, Says, Shape, Style, Wrong,
};
use kessai::gateways::sbps::{Channel, Sbps, ShopId, report_hash};
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::transport::Transport;
use kessai::{
    Ack, Addresses, ApiKey, Callback, CheckoutRequest, Currency, Environment, ExpectedPayment, Gateway,
    GatewayReference, Money, PaymentStatus as S,
};

use super::{FOREIGN_KEY, PAST_KEY, RETIRING_KEY, keys, of, once, one_key, passes, post, tea, way_back};
use crate::sbps::{Fields, HASH_KEY, PASSWORD, TRACKING_ID, accepted, answer, credit, with};
use crate::support::{start, yen};

/// A shop that asks before it believes, or one whose notifications settle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SbpsBench {
    Asks,
    Settles,
}

/// The fields under the hash (sheet, "Callback").
const HASHED: &[&str] = &[
    "pay_method",
    "merchant_id",
    "service_id",
    "cust_code",
    "sps_cust_no",
    "sps_payment_no",
    "order_id",
    "item_id",
    "pay_item_id",
    "item_name",
    "tax",
    "amount",
    "pay_type",
    "auto_charge_type",
    "service_type",
    "div_settele",
    "last_charge_month",
    "camp_type",
    "tracking_id",
    "terminal_type",
    "free1",
    "free2",
    "free3",
    "request_date",
    "res_pay_method",
    "res_result",
    "res_tracking_id",
    "res_sps_cust_no",
    "res_sps_payment_no",
    "res_payinfo_key",
    "res_payment_date",
    "res_err_code",
    "res_date",
    "limit_second",
];

const NOTIFICATION: &str = "/pay/sbps/notification";

fn addresses() -> Addresses {
    Addresses::new("https://shop.example", "/pay/sbps").unwrap()
}

fn hashed(channel: Channel, keys: &SigningKeys, fields: &Fields) -> String {
    let mut all: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let hash = report_hash(keys, channel, &all).unwrap();
    all.push(("sps_hashcode", &hash));
    charset::form_body(all).unwrap()
}

fn notice(fields: &Fields) -> String {
    hashed(Channel::Notification, &one_key(HASH_KEY), fields)
}

impl SbpsBench {
    fn asks(self) -> bool {
        self == Self::Asks
    }

    /// What a result says here: a shop that asks takes money for a reason to ask.
    fn says(self, status: S) -> Says {
        let money = Some(yen(1980));
        Says::Proven(match (self, status) {
            (Self::Asks, S::Captured) => vec![(S::Pending, money), (S::Unknown, None)],
            _ => vec![(status, money)],
        })
    }
}

impl Bench for SbpsBench {
    fn gateway(&self, over: Arc<dyn Transport>) -> Result<Arc<dyn Gateway>, String> {
        let shop = ShopId::new("99661", "001").unwrap();
        let sbps = Sbps::builder(Environment::Sandbox, shop, keys(HASH_KEY), addresses())
            .methods(["credit3d2", "webcvs"])
            .transport(over)
            .retry(once());
        let sbps = match self {
            Self::Asks => sbps.api(ApiKey::new(PASSWORD).unwrap()),
            Self::Settles => sbps.notifications_settle(),
        };
        Ok(Arc::new(sbps.build().map_err(|error| error.to_string())?))
    }

    fn skip(&self, case: Case) -> Option<&'static str> {
        match case {
            Case::PageElsewhere | Case::CheckoutLost | Case::CheckoutNotSent => Some(
                "SBPS's page is opened by a form that the browser posts: no call is made, and its address is a setting",
            ),
            Case::OldMessage => {
                Some("the hash covers no time of sending: a result that comes again is known by its id")
            }
            Case::OtherEnvironment => {
                Some("results name no environment: each has a hash key of its own, which is a case of its own")
            }
            Case::PaysItsAttempt if self.asks() => {
                Some("with the API type a result is a reason to ask and settles nothing (PAY-02, PAY-24)")
            }
            Case::MissingAmount | Case::OtherAmount if self.asks() => {
                Some("SBPS's answers hold no amount: it is the one that the hashed result bound to the tracking id")
            }
            Case::Https
            | Case::Clock
            | Case::PaidWord
            | Case::UnknownWord
            | Case::MissingAmount
            | Case::OtherAmount
            | Case::OtherOrder
            | Case::NoAnswer
            | Case::WrongStatus
            | Case::CutAnswer
            | Case::AbilityLost
            | Case::NoPart
                if !self.asks() =>
            {
                Some("a shop without the API type has nobody to ask: it sends nothing at all")
            }
            _ => None,
        }
    }

    fn now(&self) -> SystemTime {
        start()
    }

    fn secrets(&self) -> Vec<String> {
        [HASH_KEY, PASSWORD, PAST_KEY, RETIRING_KEY].map(str::to_owned).into()
    }

    fn style(&self) -> Style {
        Style {
            shape: Shape::Form,
            any_order: true,
            signed_return: true,
            amount: &["amount"],
        }
    }

    fn request(&self) -> Result<CheckoutRequest, String> {
        Ok(tea())
    }

    fn requests_to_refuse(&self) -> Result<Vec<(&'static str, CheckoutRequest)>, String> {
        Ok(vec![
            ("eight digits", of(yen(10_000_000), None)),
            (
                "a page of three hours",
                of(yen(1980), Some(Duration::from_secs(10_800))),
            ),
        ])
    }

    fn request_in_a_foreign_currency(&self) -> Result<Option<CheckoutRequest>, String> {
        Ok(Some(of(Money::new(1980, Currency::EUR), None)))
    }

    fn takes_reference(&self, text: &str) -> bool {
        // Sheet, "Identifiers": 38 characters, [0-9A-Za-z_-].
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        (1..=38).contains(&text.len()) && text.bytes().all(plain)
    }

    fn granted(&self, _expected: &ExpectedPayment, _page: &str) -> Option<Vec<Answer>> {
        None
    }

    fn page_path(&self) -> &'static str {
        "/f01/FepBuyInfoReceive.do"
    }

    fn opened(&self, mut attempt: StoredAttempt) -> Result<StoredAttempt, String> {
        // The names come with the first result.
        attempt.checkout = Some(GatewayReference::new(format!("{TRACKING_ID}/credit3d2/1980")).unwrap());
        attempt.payment = Some(GatewayReference::new(TRACKING_ID).unwrap());
        Ok(attempt)
    }

    fn genuine(&self, attempt: &StoredAttempt) -> Result<Vec<Message>, String> {
        let card = accepted(&attempt.expected);
        let slip = |result| with(card.clone(), &[("res_pay_method", "webcvs"), ("res_result", result)]);
        let message = |name, body: String, status| Message::new(name, post(NOTIFICATION, body), self.says(status));
        let declined = [
            ("res_result", "NG"),
            ("res_err_code", "10123999"),
            ("res_tracking_id", ""),
        ];
        Ok(vec![
            message("paid by card", notice(&card), S::Captured),
            message("slip printed", notice(&slip("OK")), S::Pending),
            message("slip paid", notice(&slip("PY")), S::Captured),
            message("slip expired", notice(&slip("CN")), S::Expired),
            message("declined", notice(&with(card.clone(), &declined)), S::Failed),
            message(
                "paid, hashed with the retiring key",
                hashed(Channel::Notification, &one_key(RETIRING_KEY), &card),
                S::Captured,
            ),
        ])
    }

    fn wrong(&self, attempt: &StoredAttempt, how: Wrong) -> Result<Option<Callback>, String> {
        let mut fields = accepted(&attempt.expected);
        let key = match how {
            Wrong::Key => FOREIGN_KEY,
            Wrong::KeyOfThePast => PAST_KEY,
            Wrong::Merchant => {
                // Two services of one merchant can share a key.
                fields = with(fields, &[("service_id", "002")]);
                HASH_KEY
            }
            Wrong::Age | Wrong::Environment => return Ok(None),
        };
        Ok(Some(post(
            NOTIFICATION,
            hashed(Channel::Notification, &one_key(key), &fields),
        )))
    }

    fn signed(&self, body: &[u8]) -> Result<Callback, String> {
        // Hashed over the first of each name, as it stands there.
        let parts: Vec<&[u8]> = body
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.starts_with(b"sps_hashcode"))
            .collect();
        let decoded = parts.iter().map(|pair| {
            let (name, value) = match pair.iter().position(|&byte| byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (*pair, &b""[..]),
            };
            let raw: Vec<u8> = percent_encoding::percent_decode(value)
                .map(|byte| if byte == b'+' { b' ' } else { byte })
                .collect();
            let text = charset::decode(&raw, Reading::Windows31J).map_err(|error| error.to_string())?;
            Ok::<_, String>((String::from_utf8_lossy(name).into_owned(), text.into_owned()))
        });
        let decoded = decoded.collect::<Result<Vec<(String, String)>, _>>()?;
        let fields: Vec<(&str, &str)> = decoded
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let hash = report_hash(&one_key(HASH_KEY), Channel::Notification, &fields).map_err(|e| e.to_string())?;
        let mut body = parts.join(&b'&');
        body.extend_from_slice(format!("&sps_hashcode={hash}").as_bytes());
        Ok(post(NOTIFICATION, body))
    }

    fn harmless(&self, genuine: &Callback, changed: &Callback) -> Option<&'static str> {
        // The values that are hashed, trimmed, and the hash, whose case says nothing.
        let hashed = |callback: &Callback| {
            let params = RawParams::parse(callback.body()).ok()?;
            let value = |name: &str| params.value(name).unwrap_or_default().trim_ascii().to_vec();
            let hash = value("sps_hashcode").to_ascii_lowercase();
            let values: Vec<_> = HASHED.iter().map(|name| value(name)).collect();
            Some((callback.method().clone(), values, hash))
        };
        (hashed(genuine)? == hashed(changed)?).then_some(
            "the hash covers decoded and trimmed values in a fixed order: escapes, other fields and headers are not read",
        )
    }

    fn reply(&self, ack: Ack) -> Reply {
        Reply {
            status: 200,
            content_type: Some("text/plain; charset=Shift_JIS"),
            body: match ack {
                Ack::Done => b"OK,",
                Ack::Retry => b"NG,try again",
                Ack::Refused => b"NG,refused",
            },
        }
    }

    fn returns(&self, attempt: &StoredAttempt) -> Result<Returns, String> {
        let back = way_back(&addresses(), &attempt.expected, false);
        let card = accepted(&attempt.expected);
        let ours = one_key(HASH_KEY);
        let result = |fields: &Fields| post(&back, hashed(Channel::Return, &ours, fields));
        let genuine = hashed(Channel::Return, &ours, &card);
        let stranger = "zzzzzzzzzzzzzzzzzzzzzzzzzz";
        let bare: Vec<(&str, &str)> = card.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let foreign = hashed(Channel::Return, &one_key(FOREIGN_KEY), &card);
        Ok(Returns {
            genuine: post(&back, genuine.clone()),
            cancelled: post(
                &way_back(&addresses(), &attempt.expected, true),
                charset::form_body(bare.clone()).unwrap(),
            ),
            forged: vec![
                ("under a foreign key", post(&back, foreign)),
                ("under the hash of the other channel", post(&back, notice(&card))),
                (
                    "of another shop",
                    result(&with(card.clone(), &[("merchant_id", "99662")])),
                ),
                (
                    "of another attempt",
                    result(&with(card.clone(), &[("order_id", stranger), ("cust_code", stranger)])),
                ),
                ("without a hash", post(&back, charset::form_body(bare).unwrap())),
                (
                    "with an empty hash",
                    post(&back, format!("{}&sps_hashcode=", notice(&Vec::new()))),
                ),
                ("with two hashes", post(&back, format!("{genuine}&sps_hashcode=00"))),
                ("with two orders", post(&back, format!("{genuine}&order_id={stranger}"))),
            ],
        })
    }

    fn answers(&self, _attempt: &StoredAttempt, what: Asked) -> Result<Option<Vec<Answer>>, String> {
        if !self.asks() {
            return Ok(None);
        }
        let answer = match what {
            Asked::Paid => credit("1", "2"),
            Asked::UnknownWord => credit("1", "7"),
            // An answer repeats no order; it names the question, and this is the answer to another one.
            Asked::OtherOrder => credit("1", "2").replace("MG01-00101-101", "MG01-00101-701"),
            Asked::LessMoney | Asked::NoAmount => return Ok(None),
        };
        Ok(Some(vec![Answer::ok(answer)]))
    }

    fn other_states(&self, _attempt: &StoredAttempt) -> Result<Vec<(S, Vec<Answer>)>, String> {
        let states = [
            (S::Pending, credit("0", "1")),
            (S::Authorized, credit("1", "1")),
            (S::Cancelled, credit("1", "3")),
            (S::Cancelled, credit("2", "")),
            (S::Cancelled, credit("3", "")),
            (S::Refunded, credit("1", "4")),
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
        let id = match ability {
            _ if !self.asks() => return Ok(None),
            Ability::Expire => return Ok(None),
            Ability::Capture => "ST02-00201-101",
            Ability::Void | Ability::Refund => "ST02-00303-101",
        };
        let ok = "<res_result>OK</res_result><res_sps_transaction_id>B99661001ST020020110100361052543</res_sps_transaction_id>";
        let done = Answer::ok(Bytes::from(answer(id, ok)));
        let answers = match ability {
            Ability::Void => vec![Answer::ok(credit("1", "1")), done],
            _ => vec![done],
        };
        Ok(Some((attempt.clone(), answers)))
    }
}

#[tokio::test]
async fn sbps_with_the_api_type_passes_the_suite() {
    passes(&SbpsBench::Asks, 8, 10_000).await;
}

#[tokio::test]
async fn sbps_without_the_api_type_passes_the_suite() {
    passes(&SbpsBench::Settles, 17, 10_000).await;
}
