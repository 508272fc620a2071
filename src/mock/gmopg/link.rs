//! What a link to the hosted page was asked for (sheet, "Create hosted payment"), read as strictly as the sheet allows.

use std::time::SystemTime;

use serde_json::{Map, Value};
use url::Url;

use super::wire::{Complaint, LINK_INPUT, ORDER_CHARACTERS, ORDER_TOO_LONG};
use crate::mock::jst;

/// A link, as it was asked for.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) order_id: String,
    pub(super) amount: u64,
    pub(super) tax: u64,
    pub(super) methods: Vec<Method>,
    pub(super) ret_url: String,
    pub(super) complete_url: String,
    pub(super) cancel_url: String,
    pub(super) client_fields: [String; 3],
    pub(super) overview: String,
    /// Absolute, at the end of that minute.
    pub(super) expires: Option<SystemTime>,
    /// Days after the first visit.
    pub(super) expire_days: Option<u64>,
    /// Straight back to the store, without GMO-PG's own result page.
    pub(super) skips_result: bool,
    pub(super) lang: Option<String>,
    /// `CAPTURE` or `AUTH`.
    pub(super) job: &'static str,
    /// Whether the bank is asked (`TdFlag` 2).
    pub(super) secure: bool,
    /// Whether something was ignored, which the answer says in its `WarnList`.
    pub(super) warned: bool,
}

impl Link {
    /// What the shopper pays.
    pub(super) fn total(&self) -> u64 {
        self.amount + self.tax
    }
}

/// A method the page can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Credit,
    Cvs,
    PayPay,
}

impl Method {
    pub(super) const ALL: [Self; 3] = [Self::Credit, Self::Cvs, Self::PayPay];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Cvs => "cvs",
            Self::PayPay => "paypay",
        }
    }

    pub(super) fn pay_type(self) -> &'static str {
        match self {
            Self::Credit => "0",
            Self::Cvs => "3",
            Self::PayPay => "45",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// The names a `transaction` can have. An unknown one is ignored with a warning.
const TRANSACTION: [&str; 19] = [
    "OrderID",
    "Amount",
    "Tax",
    "ClientField1",
    "ClientField2",
    "ClientField3",
    "Overview",
    "Detail",
    "PayMethods",
    "RetUrl",
    "CompleteUrl",
    "CancelUrl",
    "NotifyMailaddress",
    "ExpireDays",
    "PaymentExpireDate",
    "ResultSkipFlag",
    "TranDetailShowFlag",
    "ConfirmSkipFlag",
    "confirmkipflag",
];

/// Every method name of the sheet; those that cannot be played are not offered.
const METHODS: [&str; 18] = [
    "credit",
    "cvs",
    "payeasy",
    "docomo",
    "au",
    "sb",
    "epospay",
    "dcc",
    "linepay",
    "famipay",
    "merpay",
    "rakutenid",
    "rakutenpayv2",
    "paypay",
    "virtualaccount",
    "aupay",
    "ganb",
    "unionpay",
];

/// Reads the object. Who the shop is was settled before.
pub(super) fn read(body: &Map<String, Value>) -> Result<Link, Complaint> {
    // Trap 3: at the top level, in lower case.
    text(body, "configid").filter(|id| !id.is_empty()).ok_or(LINK_INPUT)?;
    let transaction = object(body, "transaction")?.ok_or(LINK_INPUT)?;
    let order_id = text(transaction, "OrderID")
        .filter(|id| !id.is_empty())
        .ok_or(LINK_INPUT)?;
    if order_id.len() > 27 {
        return Err(ORDER_TOO_LONG);
    }
    if !order_id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    {
        return Err(ORDER_CHARACTERS);
    }
    let amount = yen(transaction, "Amount")?.ok_or(LINK_INPUT)?;
    let tax = yen(transaction, "Tax")?.unwrap_or(0);
    if amount == 0 || amount + tax > 9_999_999 {
        return Err(LINK_INPUT);
    }
    let methods = methods(transaction)?;
    let address = |name| address(transaction, name);
    let (ret_url, complete_url, cancel_url) = (address("RetUrl")?, address("CompleteUrl")?, address("CancelUrl")?);
    let flag = |name| flag(transaction, name);
    let credit = object(body, "credit")?;
    let by_card = methods.contains(&Method::Credit);
    let job = match credit.and_then(|credit| text(credit, "JobCd")) {
        Some("CAPTURE") => "CAPTURE",
        Some("AUTH") => "AUTH",
        None if !by_card => "CAPTURE",
        // Required for cards; CHECK takes no money and is not played.
        _ => return Err(LINK_INPUT),
    };
    let days = match number(transaction, "ExpireDays")? {
        Some(days) if days > 0 && days <= 999 => Some(days),
        None => None,
        Some(_) => return Err(LINK_INPUT),
    };
    let expires = match text(transaction, "PaymentExpireDate") {
        None => None,
        // yyyyMMddHHmm: the page can be used until that minute is over.
        Some(minute) => Some(jst::time(&format!("{minute}59")).ok_or(LINK_INPUT)?),
    };
    let known = |names: &[&str], map: &Map<String, Value>| map.keys().all(|key| names.contains(&key.as_str()));
    Ok(Link {
        order_id: order_id.to_owned(),
        amount,
        tax,
        client_fields: ["ClientField1", "ClientField2", "ClientField3"]
            .map(|name| text(transaction, name).unwrap_or_default().to_owned()),
        overview: text(transaction, "Overview").unwrap_or_default().to_owned(),
        complete_url: complete_url.or_else(|| ret_url.clone()).unwrap_or_default(),
        cancel_url: cancel_url.or_else(|| ret_url.clone()).unwrap_or_default(),
        ret_url: ret_url.unwrap_or_default(),
        expires,
        expire_days: days,
        skips_result: flag("ResultSkipFlag")?,
        lang: object(body, "displaysetting")?
            .and_then(|shown| text(shown, "Lang"))
            .map(str::to_owned),
        job,
        secure: credit.and_then(|credit| text(credit, "TdFlag")) == Some("2"),
        warned: !known(&TRANSACTION, transaction),
        methods,
    })
}

fn methods(transaction: &Map<String, Value>) -> Result<Vec<Method>, Complaint> {
    let Some(named) = transaction.get("PayMethods") else {
        return Ok(Method::ALL.to_vec());
    };
    let named = named.as_array().filter(|named| !named.is_empty()).ok_or(LINK_INPUT)?;
    let mut methods = Vec::new();
    for name in named {
        let name = name.as_str().filter(|name| METHODS.contains(name)).ok_or(LINK_INPUT)?;
        methods.extend(Method::of(name));
    }
    Ok(methods)
}

fn object<'v>(map: &'v Map<String, Value>, name: &str) -> Result<Option<&'v Map<String, Value>>, Complaint> {
    match map.get(name) {
        None => Ok(None),
        Some(value) => value.as_object().map(Some).ok_or(LINK_INPUT),
    }
}

pub(super) fn text<'v>(map: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    map.get(name).and_then(Value::as_str)
}

/// A number, or digits; both are in use.
fn number(map: &Map<String, Value>, name: &str) -> Result<Option<u64>, Complaint> {
    match map.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => number.as_u64().map(Some).ok_or(LINK_INPUT),
        Some(Value::String(digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| LINK_INPUT)
        }
        Some(_) => Err(LINK_INPUT),
    }
}

/// At most seven digits.
fn yen(map: &Map<String, Value>, name: &str) -> Result<Option<u64>, Complaint> {
    match number(map, name)? {
        Some(yen) if yen > 9_999_999 => Err(LINK_INPUT),
        yen => Ok(yen),
    }
}

fn flag(map: &Map<String, Value>, name: &str) -> Result<bool, Complaint> {
    match text(map, name) {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => Err(LINK_INPUT),
    }
}

fn address(map: &Map<String, Value>, name: &str) -> Result<Option<String>, Complaint> {
    let Some(text) = text(map, name) else { return Ok(None) };
    let url = Url::parse(text).map_err(|_| LINK_INPUT)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(LINK_INPUT);
    }
    Ok(Some(text.to_owned()))
}
