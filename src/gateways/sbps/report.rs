//! A result as SBPS reports it, to our server (A02-1) or through the browser (A03-1), and the check of its hash.
//!
//! ```text
//! body:   service_type=0&amount=1320&...&sps_hashcode=B895393B...   any order, `Shift_JIS`, percent-encoded
//! hashed: credit3d2 99661 001 CUST000042 ... 20261101101633 600     the values in FIELDS' order, nothing between, key behind
//! A02-1:  SHA-1 over the text in UTF-8                              A03-1: SHA-1 over the `Shift_JIS` bytes as they came
//! ```
//!
//! The worked example is `cmp_a02_credit_ok` in `tests/vectors/sbps.json`, the published ones are `pub_a02_ok_published` and
//! `pub_a03_ok_published` (sheet, "Callback", 2026-11-23).
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use http::Method;

use super::status;
use crate::callback::Callback;
use crate::charset::{self, Reading};
use crate::error::VerifyError;
use crate::form::{FormError, RawParams};
use crate::gateway::SelfCheckError;
use crate::payment::{CaptureMode, PaymentStatus};
use crate::sign::{Joined, JoinedHash, SigningKeys};
use crate::verified::Verified;

pub(super) const HASH_FIELD: &str = "sps_hashcode";

/// The hashed fields in the order in which they are hashed. The addresses and `free_csv` do not come back.
pub(super) const FIELDS: [&str; 34] = [
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

/// Which way a result came. Each is hashed in its own way, and neither is taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A02-1, from SBPS's server to ours: hashed as UTF-8.
    Notification,
    /// A03-1, through the browser: hashed as the `Shift_JIS` bytes that came.
    Return,
}

/// A result whose hash is right. What it is worth, [`Sbps::verify`](super::Sbps::verify) decides.
#[derive(Clone)]
pub struct Report {
    channel: Channel,
    values: Vec<(&'static str, String)>,
    /// The bytes as they came, one value behind the other.
    raw: Vec<u8>,
}

impl Report {
    /// The value of a hashed field; empty if it was empty or not there.
    #[must_use]
    pub fn value(&self, field: &str) -> &str {
        let found = self.values.iter().find(|(name, _)| *name == field);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// What its words mean by themselves, at a shop that captures at the given time. Whether it answers a form of ours,
    /// and whether it may pay anything, is another question.
    #[must_use]
    pub fn means(&self, capture: CaptureMode) -> PaymentStatus {
        let used = self.value("res_pay_method");
        let method = if used.is_empty() {
            self.value("pay_method")
        } else {
            used
        };
        status::said(self.value("res_result"), method, self.value("res_payinfo_key"), capture)
    }

    fn read(params: &RawParams<'_>, channel: Channel, reading: Reading) -> Result<Self, VerifyError> {
        let mut values = Vec::with_capacity(FIELDS.len());
        let mut raw = Vec::new();
        for field in FIELDS {
            let bytes = params.value(field).unwrap_or_default().trim_ascii();
            let text =
                charset::decode(bytes, reading).map_err(|_| VerifyError::Malformed("a value is not Shift_JIS"))?;
            raw.extend_from_slice(bytes);
            values.push((field, text.into_owned()));
        }
        Ok(Self { channel, values, raw })
    }
}

impl Joined for Report {
    fn joined(&self) -> Cow<'_, [u8]> {
        match self.channel {
            Channel::Notification => {
                let text: String = self.values.iter().map(|(_, value)| value.as_str()).collect();
                Cow::Owned(text.into_bytes())
            }
            Channel::Return => Cow::Borrowed(&self.raw),
        }
    }
}

/// A report holds what the customer bought; it prints its channel alone.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channel,
            values: _,
            raw: _,
        } = self;
        f.debug_struct("Report")
            .field("channel", channel)
            .finish_non_exhaustive()
    }
}

/// Checks the hash of a body. Field order does not matter, a repeated name is refused before anything is hashed.
pub(super) fn verify(
    callback: &Callback,
    channel: Channel,
    keys: &SigningKeys,
) -> Result<Verified<Report>, VerifyError> {
    if callback.method() != Method::POST {
        return Err(VerifyError::Malformed("a result comes by POST"));
    }
    let params = RawParams::parse(callback.body()).map_err(|error| {
        VerifyError::Malformed(match error {
            FormError::Duplicate => "a field is there more than once",
            FormError::Encoding | FormError::TooMany => "the body is not a form",
        })
    })?;
    let text = params
        .value(HASH_FIELD)
        .ok_or(VerifyError::Missing(HASH_FIELD))?
        .trim_ascii();
    let mut tag = [0_u8; 20];
    let read = base16ct::mixed::decode(text, &mut tag).map(<[u8]>::len);
    if text.len() != 40 || read != Ok(20) {
        return Err(VerifyError::Malformed("sps_hashcode is not 40 hex digits"));
    }
    let at = callback.received_at();
    let check = |reading| {
        let report = Report::read(&params, channel, reading)?;
        keys.verify_joined(JoinedHash::Sha1KeyLast, report, &tag, at)
    };
    match check(Reading::Windows31J) {
        // Which of the two readings SBPS hashes is unconfirmed, and only six characters tell them apart.
        Err(VerifyError::Mismatch) if channel == Channel::Notification && differs(&params) => check(Reading::Jis),
        checked => checked,
    }
}

fn differs(params: &RawParams<'_>) -> bool {
    FIELDS
        .iter()
        .filter_map(|field| params.value(field))
        .any(charset::differs_by_reading)
}

/// "Published proof for step 4" of the sheet.
const KNOWN_KEY: &str = "398a58952baf329cac5efbae97ea84ba17028d02";
const KNOWN_TEXT: &str = "19788001498b1fd98ebeb074ff1d50f2e2720a1a9eb2fced282c5bfc67c2417217ca2682Item ID継続課金9802000020150807161004\
                          OK803127893246712015080716102120150807161021600";
const KNOWN_HASH: [u8; 20] = [
    0xbe, 0x33, 0xa2, 0x3e, 0xc4, 0xb6, 0x1a, 0x34, 0x54, 0x5e, 0x0a, 0x48, 0x5d, 0x08, 0x97, 0xe3, 0x33, 0x83, 0xf4,
    0xde,
];

/// Is the published hash taken, is it taken with one byte changed, and is what the current key signs taken?
pub(super) fn self_check(keys: &SigningKeys, at: SystemTime) -> Result<(), SelfCheckError> {
    let taken = |keys: &SigningKeys, text: &[u8], hash: &[u8]| {
        keys.verify_joined(JoinedHash::Sha1KeyLast, Text(text), hash, at)
            .is_ok()
    };
    let known = SigningKeys::from_texts([KNOWN_KEY]).map_err(|_| SelfCheckError::Known)?;
    let mut changed = KNOWN_TEXT.as_bytes().to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    let own = keys.hash_joined(JoinedHash::Sha1KeyLast, b"values");
    SelfCheckError::judge(
        taken(&known, KNOWN_TEXT.as_bytes(), &KNOWN_HASH),
        taken(&known, &changed, &KNOWN_HASH),
        taken(keys, b"values", &own),
    )
}

/// Bytes that are joined already.
struct Text<'a>(&'a [u8]);

impl Joined for Text<'_> {
    fn joined(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}

/// The `sps_hashcode` of a result with these fields, for a store's own tests and for the mock: what it makes passes the
/// same check as a genuine one. Fields that are not hashed are passed over.
pub fn report_hash(
    keys: &SigningKeys,
    channel: Channel,
    fields: &[(&str, &str)],
) -> Result<String, crate::charset::CharsetError> {
    let mut joined = Vec::new();
    for field in FIELDS {
        let found = fields.iter().find(|(name, _)| *name == field);
        let value = found.map_or("", |(_, value)| value.trim_ascii());
        match channel {
            Channel::Notification => joined.extend_from_slice(value.as_bytes()),
            Channel::Return => joined.extend_from_slice(&charset::encode(value)?),
        }
    }
    let hash = keys.hash_joined(JoinedHash::Sha1KeyLast, &joined);
    // In capitals on one channel and in small letters on the other, as published.
    Ok(match channel {
        Channel::Notification => base16ct::upper::encode_string(&hash),
        Channel::Return => base16ct::lower::encode_string(&hash),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> SigningKeys {
        SigningKeys::from_texts(["0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07"]).unwrap()
    }

    fn check(method: Method, channel: Channel, body: &str) -> Result<Verified<Report>, VerifyError> {
        let request = http::Request::builder().method(method).uri("/");
        let callback = Callback::new(request.body(body.to_owned().into()).unwrap(), SystemTime::UNIX_EPOCH).unwrap();
        verify(&callback, channel, &keys())
    }

    const FORM: &str = "order_id=EC1&amount=1320&free1=%20x%20&unhashed=1&sps_hashcode=";

    fn hash(channel: Channel) -> String {
        let fields = [
            ("amount", "1320"),
            ("order_id", "EC1"),
            ("free1", " x "),
            ("unhashed", "2"),
        ];
        report_hash(&keys(), channel, &fields).unwrap()
    }

    #[test]
    fn each_channel_takes_its_own_values_and_nothing_else() {
        for channel in [Channel::Notification, Channel::Return] {
            let hash = hash(channel);
            let report = check(Method::POST, channel, &format!("{FORM}{hash}"))
                .unwrap()
                .into_value();
            assert_eq!((report.value("amount"), report.value("order_id")), ("1320", "EC1"));
            assert_eq!((report.value("tax"), report.value("unhashed")), ("", ""));
            let shown = format!("{report:?}");
            assert!(shown.contains("channel") && !shown.contains("1320"), "{shown}");
            for case in [hash.to_uppercase(), hash.to_lowercase(), format!("+{hash}%20")] {
                assert!(check(Method::POST, channel, &format!("{FORM}{case}")).is_ok(), "{case}");
            }
            let other = FORM.replace("1320", "1321");
            let wrong = check(Method::POST, channel, &format!("{other}{hash}"));
            assert_eq!(wrong.map(drop), Err(VerifyError::Mismatch));
            let by_get = check(Method::GET, channel, &format!("{FORM}{hash}"));
            assert_eq!(by_get.map(drop), Err(VerifyError::Malformed("a result comes by POST")));
            for bad in [
                &hash[..39],
                &hash[..38],
                &format!("{hash}0"),
                &format!("{hash}00"),
                &"g".repeat(40),
                "",
            ] {
                let error = check(Method::POST, channel, &format!("{FORM}{bad}")).unwrap_err();
                assert!(matches!(error, VerifyError::Malformed(_)), "{bad}: {error}");
            }
        }
        let missing = check(Method::POST, Channel::Return, "order_id=EC1");
        assert_eq!(missing.map(drop), Err(VerifyError::Missing(HASH_FIELD)));
        let twice = format!("{FORM}{}&amount=1", hash(Channel::Return));
        let twice = check(Method::POST, Channel::Return, &twice);
        assert_eq!(
            twice.map(drop),
            Err(VerifyError::Malformed("a field is there more than once"))
        );
        let broken = check(Method::POST, Channel::Return, "order_id=%zz");
        assert_eq!(broken.map(drop), Err(VerifyError::Malformed("the body is not a form")));
    }

    #[test]
    fn a_wave_is_read_both_ways_on_the_notification_alone() {
        // 0x8160 is one character in Windows-31J and another in JIS, and UTF-8 tells them apart.
        for (text, channel, taken) in [
            ("\u{ff5e}", Channel::Notification, true),
            ("\u{301c}", Channel::Notification, true),
            ("\u{2014}", Channel::Notification, false),
        ] {
            let hash = report_hash(&keys(), channel, &[("item_name", text)]).unwrap();
            let body = format!("item_name=%81%60&sps_hashcode={hash}");
            assert_eq!(check(Method::POST, channel, &body).is_ok(), taken, "{text:?}");
        }
        let hash = report_hash(&keys(), Channel::Return, &[("item_name", "\u{ff5e}")]).unwrap();
        let body = format!("item_name=%81%60&sps_hashcode={hash}");
        assert!(check(Method::POST, Channel::Return, &body).is_ok());
    }

    #[test]
    fn the_self_check_passes_here() {
        assert_eq!(self_check(&keys(), SystemTime::UNIX_EPOCH), Ok(()));
    }
}
