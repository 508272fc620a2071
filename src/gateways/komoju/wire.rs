//! KOMOJU's own shapes and field names: only what the sheet names, everything optional that can be missing.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]
#![allow(clippy::struct_field_names, reason = "the names are the gateway's")]

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// `POST /sessions` (sheet section "Create hosted payment").
#[derive(Serialize)]
pub(super) struct CreateSession<'a> {
    pub(super) mode: &'static str,
    pub(super) amount: u64,
    pub(super) currency: &'a str,
    pub(super) return_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default_locale: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_in_seconds: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(super) payment_types: &'a [String],
    pub(super) payment_data: PaymentData<'a>,
    pub(super) metadata: Metadata<'a>,
}

#[derive(Serialize)]
pub(super) struct PaymentData<'a> {
    pub(super) external_order_num: &'a str,
    pub(super) capture: &'static str,
}

#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) order: &'a str,
}

/// The body of a refund.
#[derive(Serialize)]
pub(super) struct CreateRefund {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<u64>,
}

/// A webhook event (sheet section "Callback").
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) resource: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) data: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Session<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) expired: Option<bool>,
    pub(super) amount: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) session_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) return_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) metadata: Option<Echo<'a>>,
    #[serde(borrow)]
    pub(super) payment: Option<Payment<'a>>,
}

/// Our metadata, as it comes back.
#[derive(Deserialize)]
pub(super) struct Echo<'a> {
    #[serde(borrow)]
    pub(super) order: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
pub(super) struct Payment<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) payment_details: Option<Details<'a>>,
    pub(super) payment_method_fee: Option<u64>,
    pub(super) total: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) external_order_num: Option<Cow<'a, str>>,
    pub(super) amount_refunded: Option<u64>,
    #[serde(borrow)]
    pub(super) session: Option<Cow<'a, str>>,
    #[serde(borrow)]
    refunds: Option<Vec<Refund<'a>>>,
}

impl<'a> Payment<'a> {
    /// None and an empty list are the same.
    pub(super) fn refunds(&self) -> &[Refund<'a>] {
        self.refunds.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
pub(super) struct Details<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
pub(super) struct Refund<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) chargeback: Option<bool>,
}

#[derive(Deserialize)]
pub(super) struct ErrorBody<'a> {
    #[serde(borrow)]
    pub(super) error: ErrorDetail<'a>,
}

#[derive(Deserialize)]
pub(super) struct ErrorDetail<'a> {
    #[serde(borrow)]
    pub(super) code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) param: Option<Cow<'a, str>>,
}

/// Reads a JSON object in UTF-8. The derived readers would take an array of the fields in order as well, which is not the
/// form.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let text = std::str::from_utf8(body).ok()?;
    text.trim_start()
        .starts_with('{')
        .then(|| serde_json::from_str(text).ok())?
}
