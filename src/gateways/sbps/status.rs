//! What SBPS's words and numbers mean. Every documented value is listed; any other is `Unknown` and asks again.
#![expect(
    clippy::match_same_arms,
    reason = "tables are kept row by row, as the sheet has them"
)]

use crate::payment::{CaptureMode, PaymentStatus};

/// How a method pays (sheet, table of `res_result` and list of `pay_method`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// At once.
    Online,
    /// With a slip or a number, days later.
    Offline,
}

pub(super) fn class(method: &str) -> Option<Class> {
    match method {
        "webcvs" | "payeasy" | "banktransfer" => Some(Class::Offline),
        "credit" | "credit3d" | "credit3d2" | "unionpay" | "docomo" | "auone" | "softbank2" | "paypay" | "aupay"
        | "linepay" | "rakuten" | "recruit" | "alipay" | "paypal" | "applepay" => Some(Class::Online),
        _ => None,
    }
}

/// What the words of a result mean.
pub(super) fn said(result: &str, method: &str, payinfo: &str, capture: CaptureMode) -> PaymentStatus {
    // Rakuten Pay reports changes of amount and sales under the same result (sheet, below the table).
    let rakuten_news = method == "rakuten" && ["R01", "R02", "R03"].iter().any(|code| payinfo.starts_with(code));
    match (result, class(method)) {
        ("NG", _) => PaymentStatus::Failed,
        _ if rakuten_news => PaymentStatus::Unknown,
        ("OK", Some(Class::Online)) => match capture {
            CaptureMode::Automatic => PaymentStatus::Captured,
            CaptureMode::Manual => PaymentStatus::Authorized,
        },
        // A slip was printed. Nobody has paid.
        ("OK", Some(Class::Offline)) => PaymentStatus::Pending,
        ("PY", Some(Class::Offline)) => PaymentStatus::Captured,
        ("CN", Some(Class::Offline)) => PaymentStatus::Expired,
        _ => PaymentStatus::Unknown,
    }
}

/// Which status question a method has. The ids of the others are known as well, but not what their answers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Query {
    Credit,
    PayPay,
    Konbini,
}

impl Query {
    pub(super) fn of(method: &str) -> Option<Self> {
        match method {
            "credit" | "credit3d" | "credit3d2" => Some(Self::Credit),
            "paypay" => Some(Self::PayPay),
            "webcvs" => Some(Self::Konbini),
            _ => None,
        }
    }

    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Credit => "MG01-00101-101",
            Self::PayPay => "MG01-00101-311",
            Self::Konbini => "MG01-00101-701",
        }
    }
}

/// What an answer to the status question says: the tables of the sheet's "Status query".
pub(super) fn answered(query: Query, commit: Option<&str>, payment: Option<&str>) -> PaymentStatus {
    use PaymentStatus as S;
    match (query, commit, payment) {
        (Query::Credit, Some("0"), Some("1")) => S::Pending,
        (Query::Credit, Some("1"), Some("1")) => S::Authorized,
        (Query::Credit, Some("1"), Some("2")) => S::Captured,
        (Query::Credit, Some("1"), Some("3")) => S::Cancelled,
        (Query::Credit, Some("2" | "3"), _) => S::Cancelled,
        (Query::Credit, Some("1"), Some("4")) => S::Refunded,
        (Query::PayPay, _, Some("0")) => S::Pending,
        // Sales are running: the money is reserved and not yet taken.
        (Query::PayPay, _, Some("1" | "2")) => S::Authorized,
        (Query::PayPay, _, Some("3")) => S::Captured,
        (Query::PayPay, _, Some("4")) => S::Cancelled,
        (Query::PayPay, _, Some("5")) => S::Refunded,
        // In part is not paid; too much is not what was ordered, and stays open until somebody looks.
        (Query::Konbini, _, Some("1" | "2")) => S::Pending,
        (Query::Konbini, _, Some("3")) => S::Captured,
        (Query::Konbini, _, Some("9")) => S::Cancelled,
        _ => S::Unknown,
    }
}
