//! The purchase request A01-1, judged as it arrived (SBPS sheet, "Create hosted payment", 2026-11-23).

use std::time::{Duration, SystemTime};

use base64ct::{Base64, Encoding};
use url::Url;

use super::wire::{self, CHARSET, HASH, Over};
use crate::mock::form::{self, Pair};
use crate::mock::jst;

/// How long a request stays acceptable that names no time itself (sheet, row n+1).
const DEFAULT_LIMIT: u64 = 600;
/// The payment methods that can be played here.
pub(super) const PLAYED: [&str; 7] = [
    "credit",
    "credit3d",
    "credit3d2",
    "paypay",
    "webcvs",
    "payeasy",
    "banktransfer",
];

/// How a method pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Card { secure: bool },
    Wallet,
    Later,
}

pub(super) fn way(method: &str) -> Option<Way> {
    match method {
        "credit" => Some(Way::Card { secure: false }),
        "credit3d" | "credit3d2" => Some(Way::Card { secure: true }),
        "paypay" => Some(Way::Wallet),
        "webcvs" | "payeasy" | "banktransfer" => Some(Way::Later),
        _ => None,
    }
}

/// Why a request leads to the error page. The names are for tests; what SBPS prints on its page is not published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not a form, or a broken escape in it.
    Form,
    /// A value is not `Shift_JIS`.
    Charset(String),
    /// An element of the table is not there; empty ones have to be sent too.
    Missing(String),
    /// An element that the table does not have, such as `div_settle`.
    Unknown(String),
    /// A field that is there twice.
    Repeated(String),
    /// A detail row that is not whole.
    Row,
    /// No such merchant and service.
    Shop,
    /// The hash is another one.
    Hash,
    /// A required value is empty.
    Empty(String),
    /// A value has letters that its element does not take.
    Letters(String),
    /// A value is too long.
    Length(String),
    /// A value has no meaning here.
    Value(String),
    /// A method that the shop has no contract for.
    Method,
    /// `request_date` is longer ago than `limit_second`.
    Old,
    /// The order id was used before.
    Used,
    /// The result address is not on this machine.
    Address,
}

impl Refusal {
    /// Names it on the page, for tests.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Form => "form".to_owned(),
            Self::Charset(field) => format!("charset {field}"),
            Self::Missing(field) => format!("missing {field}"),
            Self::Unknown(field) => format!("unknown {field}"),
            Self::Repeated(field) => format!("repeated {field}"),
            Self::Row => "row".to_owned(),
            Self::Shop => "shop".to_owned(),
            Self::Hash => "hash".to_owned(),
            Self::Empty(field) => format!("empty {field}"),
            Self::Letters(field) => format!("letters {field}"),
            Self::Length(field) => format!("length {field}"),
            Self::Value(field) => format!("value {field}"),
            Self::Method => "method".to_owned(),
            Self::Old => "old".to_owned(),
            Self::Used => "used".to_owned(),
            Self::Address => "address".to_owned(),
        }
    }
}

/// The letters an element takes, in the provider's own terms: X, M and 9.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Multi,
    Digits,
}

struct Element {
    name: &'static str,
    kind: Kind,
    /// In bytes of `Shift_JIS`, the narrow reading of "40" for names.
    most: usize,
    required: bool,
}

const fn element(name: &'static str, kind: Kind, most: usize, required: bool) -> Element {
    Element {
        name,
        kind,
        most,
        required,
    }
}

/// Lengths that the sheet calls unconfirmed are not enforced.
const OPEN: usize = usize::MAX;

const HEAD: [Element; 28] = [
    element("pay_method", Kind::Single, 1000, false),
    element("merchant_id", Kind::Digits, 5, true),
    element("service_id", Kind::Digits, 3, true),
    element("cust_code", Kind::Single, 64, true),
    element("sps_cust_no", Kind::Digits, 12, false),
    element("sps_payment_no", Kind::Digits, 3, false),
    element("order_id", Kind::Single, 38, true),
    element("item_id", Kind::Single, 32, true),
    element("pay_item_id", Kind::Single, OPEN, false),
    element("item_name", Kind::Multi, 40, false),
    element("tax", Kind::Digits, 7, false),
    element("amount", Kind::Digits, 7, true),
    element("pay_type", Kind::Digits, 1, true),
    element("auto_charge_type", Kind::Digits, 1, false),
    element("service_type", Kind::Digits, 1, true),
    element("div_settele", Kind::Digits, 1, false),
    element("last_charge_month", Kind::Digits, 6, false),
    element("camp_type", Kind::Single, OPEN, false),
    element("tracking_id", Kind::Digits, 14, false),
    element("terminal_type", Kind::Digits, 1, true),
    element("success_url", Kind::Single, OPEN, true),
    element("cancel_url", Kind::Single, OPEN, true),
    element("error_url", Kind::Single, OPEN, true),
    element("pagecon_url", Kind::Single, OPEN, true),
    element("free1", Kind::Multi, OPEN, false),
    element("free2", Kind::Multi, OPEN, false),
    element("free3", Kind::Multi, OPEN, false),
    element("free_csv", Kind::Single, OPEN, false),
];

/// One detail row, in the order in which its members are sent and hashed.
const ROW: [Element; 9] = [
    element("dtl_rowno", Kind::Digits, 3, true),
    element("dtl_item_id", Kind::Single, 20, false),
    element("dtl_item_name", Kind::Multi, 40, false),
    element("dtl_item_count", Kind::Digits, 6, false),
    element("dtl_tax", Kind::Digits, 7, false),
    element("dtl_amount", Kind::Digits, 7, false),
    element("dtl_free1", Kind::Multi, OPEN, false),
    element("dtl_free2", Kind::Multi, OPEN, false),
    element("dtl_free3", Kind::Multi, OPEN, false),
];

const TAIL: [Element; 2] = [
    element("request_date", Kind::Digits, 14, true),
    element("limit_second", Kind::Digits, 4, false),
];

fn singles() -> impl Iterator<Item = &'static Element> {
    HEAD.iter().chain(&TAIL)
}

/// A request as text. Who sent it, and whether it may be taken, is not known yet.
#[derive(Clone)]
pub(super) struct Purchase {
    values: Vec<(&'static str, String)>,
    rows: Vec<Vec<(&'static str, String)>>,
    hash: String,
}

/// A line of the order, as the page shows it.
pub(super) struct Line<'p> {
    pub(super) name: &'p str,
    pub(super) count: &'p str,
    pub(super) amount: u64,
}

impl Purchase {
    /// Reads the body as it came: names once, values in `Shift_JIS`, rows whole.
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        let pairs = form::pairs(body).ok_or(Refusal::Form)?;
        let mut values: Vec<(&'static str, String)> = Vec::new();
        let mut rows: Vec<Vec<(&'static str, String)>> = Vec::new();
        let mut hash = None;
        for pair in &pairs {
            let (name, value) = text(pair)?;
            if let Some(known) = singles().find(|element| element.name == name) {
                if values.iter().any(|(seen, _)| *seen == known.name) {
                    return Err(Refusal::Repeated(name));
                }
                values.push((known.name, value));
            } else if let Some(place) = ROW.iter().position(|element| element.name == name) {
                row(&mut rows, place, value)?;
            } else if name == HASH {
                if hash.replace(value).is_some() {
                    return Err(Refusal::Repeated(name));
                }
            } else {
                return Err(Refusal::Unknown(name));
            }
        }
        if rows.last().is_some_and(|row| row.len() != ROW.len()) {
            return Err(Refusal::Row);
        }
        for element in singles() {
            if !values.iter().any(|(name, _)| *name == element.name) {
                return Err(Refusal::Missing(element.name.to_owned()));
            }
        }
        let hash = hash.ok_or_else(|| Refusal::Missing(HASH.to_owned()))?;
        Ok(Self { values, rows, hash })
    }

    /// The value of an element of the table.
    pub(super) fn value(&self, name: &str) -> &str {
        let found = self.values.iter().find(|(field, _)| *field == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(super) fn amount(&self) -> u64 {
        self.value("amount").parse().unwrap_or(0)
    }

    /// The detail rows; the item name of the whole if there are none.
    pub(super) fn lines(&self) -> Vec<Line<'_>> {
        fn of<'r>(row: &'r [(&'static str, String)], name: &str) -> &'r str {
            row.iter()
                .find(|(field, _)| *field == name)
                .map_or("", |(_, value)| value.as_str())
        }
        if self.rows.is_empty() {
            return vec![Line {
                name: self.value("item_name"),
                count: "1",
                amount: self.amount(),
            }];
        }
        let line = |row| Line {
            name: of(row, "dtl_item_name"),
            count: of(row, "dtl_item_count"),
            amount: of(row, "dtl_amount").parse().unwrap_or(0),
        };
        self.rows.iter().map(|row| line(row.as_slice())).collect()
    }

    /// The methods that are offered; all that can be played if none is named.
    pub(super) fn methods(&self) -> Vec<String> {
        let named: Vec<String> = self
            .value("pay_method")
            .split(',')
            .map(|method| method.trim().to_owned())
            .filter(|method| !method.is_empty())
            .collect();
        if named.is_empty() {
            PLAYED.iter().map(|method| (*method).to_owned()).collect()
        } else {
            named
        }
    }

    /// Whether the store that has this key made it: SHA-1 over UTF-8 in the order of the table, although the form came in
    /// `Shift_JIS`.
    pub(super) fn is_signed_with(&self, key: &str) -> bool {
        let head = HEAD.iter().map(|element| self.value(element.name));
        let rows = self.rows.iter().flatten().map(|(_, value)| value.as_str());
        let tail = TAIL.iter().map(|element| self.value(element.name));
        let hash = wire::hash(Over::Utf8, head.chain(rows).chain(tail), key);
        wire::is_hash(self.hash.trim(), &hash)
    }

    /// Everything that is wrong with it in itself, at this time.
    pub(super) fn check(&self, now: SystemTime) -> Result<(), Refusal> {
        for element in singles() {
            check(element, self.value(element.name))?;
        }
        for row in &self.rows {
            for (element, (_, value)) in ROW.iter().zip(row) {
                check(element, value)?;
            }
        }
        let wrong = |name: &str| Err(Refusal::Value(name.to_owned()));
        if self.amount() == 0 {
            return wrong("amount");
        }
        let tax: u64 = self.value("tax").parse().unwrap_or(0);
        if tax > self.amount() {
            return wrong("tax");
        }
        // Recurring payments are not played; neither are the values that belong to them.
        for (name, only) in [("pay_type", "0"), ("service_type", "0"), ("terminal_type", "0")] {
            if self.value(name) != only {
                return wrong(name);
            }
        }
        for name in [
            "sps_cust_no",
            "sps_payment_no",
            "auto_charge_type",
            "div_settele",
            "tracking_id",
        ] {
            if !self.value(name).is_empty() {
                return wrong(name);
            }
        }
        for name in ["success_url", "cancel_url", "error_url", "pagecon_url"] {
            match Url::parse(self.value(name)) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => {}
                _ => return wrong(name),
            }
        }
        if !is_csv(self.value("free_csv")) {
            return wrong("free_csv");
        }
        if self.methods().iter().any(|method| way(method).is_none()) {
            return Err(Refusal::Method);
        }
        let Some(made) = jst::time(self.value("request_date")) else {
            return wrong("request_date");
        };
        let limit = self.value("limit_second").parse().unwrap_or(DEFAULT_LIMIT);
        if now.duration_since(made).unwrap_or_default() > Duration::from_secs(limit) {
            return Err(Refusal::Old);
        }
        Ok(())
    }
}

/// A member of a row. They come row by row, so the first member of the next one ends a row.
fn row(rows: &mut Vec<Vec<(&'static str, String)>>, place: usize, value: String) -> Result<(), Refusal> {
    if place == 0 {
        rows.push(Vec::with_capacity(ROW.len()));
    }
    let (Some(row), Some(element)) = (rows.last_mut(), ROW.get(place)) else {
        return Err(Refusal::Row);
    };
    // Each in its place, and each row after a whole one.
    if row.len() != place {
        return Err(Refusal::Row);
    }
    row.push((element.name, value));
    let at = rows.len().checked_sub(2);
    match at.and_then(|before| rows.get(before)) {
        Some(before) if before.len() != ROW.len() => Err(Refusal::Row),
        _ => Ok(()),
    }
}

fn text((name, value): &Pair) -> Result<(String, String), Refusal> {
    let name = String::from_utf8_lossy(name).into_owned();
    match CHARSET.decode(value) {
        Some(value) => Ok((name, value)),
        None => Err(Refusal::Charset(name)),
    }
}

fn check(element: &Element, value: &str) -> Result<(), Refusal> {
    let name = || element.name.to_owned();
    if value.trim().is_empty() {
        return if element.required {
            Err(Refusal::Empty(name()))
        } else {
            Ok(())
        };
    }
    let bytes = CHARSET.encode(value);
    let fits = match element.kind {
        Kind::Digits => value.bytes().all(|byte| byte.is_ascii_digit()),
        Kind::Single => value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '),
        Kind::Multi => !value.chars().any(char::is_control),
    };
    if !fits {
        return Err(Refusal::Letters(name()));
    }
    if bytes.len() > element.most {
        return Err(Refusal::Length(name()));
    }
    Ok(())
}

/// `KEY=value,KEY=value` in `Shift_JIS`, in base64 (sheet, `free_csv`).
fn is_csv(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let Some(plain) = Base64::decode_vec(text).ok().and_then(|bytes| CHARSET.decode(&bytes)) else {
        return false;
    };
    plain.split(',').all(|entry| {
        entry.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty()
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        })
    })
}
