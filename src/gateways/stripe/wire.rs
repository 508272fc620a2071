//! Stripe's own shapes and field names: only what the sheet names, everything optional that it calls optional. New fields
//! come without notice and are passed over; a known field that comes twice, or is of another type, refuses the message.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::VerifyError;

/// The envelope of a snapshot event (sheet section 7).
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) object: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    pub(super) created: Option<u64>,
    pub(super) livemode: Option<bool>,
    #[serde(borrow)]
    pub(super) api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) account: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) data: Option<EventData<'a>>,
}

#[derive(Deserialize)]
pub(super) struct EventData<'a> {
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    /// Reads the envelope out of verified bytes. Borrowed: nothing of the body is copied.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, VerifyError> {
        // The whole of it first: the parser would pass over bad bytes in a value that nobody reads.
        let body = std::str::from_utf8(body).map_err(|_| VerifyError::Payload("the body is not UTF-8"))?;
        let event: Self =
            object(body).ok_or(VerifyError::Payload("the body is not an event of the documented form"))?;
        if event.object != "event" {
            return Err(VerifyError::Payload("the body is not a snapshot event"));
        }
        Ok(event)
    }

    /// The resource inside.
    pub(super) fn resource<T: Deserialize<'a>>(&self) -> Result<Option<T>, VerifyError> {
        let Some(raw) = self.data.as_ref().and_then(|data| data.object) else {
            return Ok(None);
        };
        object(raw.get())
            .map(Some)
            .ok_or(VerifyError::Payload("the object inside is not of the documented form"))
    }
}

/// Reads a JSON object. The derived readers would take an array of the fields in order as well, which is not the form.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let starts = text.trim_ascii_start().starts_with('{');
    if starts { serde_json::from_str(text).ok() } else { None }
}

/// A Checkout Session, in an event or in an answer (sheet sections 4 and 8).
#[derive(Deserialize)]
pub(super) struct Session<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) mode: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) payment_status: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) payment_intent: Option<IdOr<'a, PaymentIntent<'a>>>,
    pub(super) amount_total: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Cow<'a, str>>,
    pub(super) livemode: Option<bool>,
    #[serde(borrow)]
    pub(super) client_reference_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) metadata: Option<Metadata<'a>>,
    pub(super) expires_at: Option<u64>,
}

/// A `PaymentIntent`.
#[derive(Deserialize)]
pub(super) struct PaymentIntent<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
    pub(super) amount: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Cow<'a, str>>,
    pub(super) livemode: Option<bool>,
    #[serde(borrow)]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    pub(super) latest_charge: Option<IdOr<'a, Charge<'a>>>,
}

/// A Charge.
#[derive(Deserialize)]
pub(super) struct Charge<'a> {
    #[serde(borrow)]
    pub(super) payment_intent: Option<IdOr<'a, Id<'a>>>,
    pub(super) amount: Option<u64>,
    pub(super) amount_refunded: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Cow<'a, str>>,
    pub(super) refunded: Option<bool>,
    pub(super) disputed: Option<bool>,
    pub(super) livemode: Option<bool>,
}

/// A Refund or a Dispute: only which payment it is about.
#[derive(Deserialize)]
pub(super) struct AboutPayment<'a> {
    #[serde(borrow)]
    pub(super) payment_intent: Option<IdOr<'a, Id<'a>>>,
    pub(super) livemode: Option<bool>,
}

/// A Refund as the answer to making one.
#[derive(Deserialize)]
pub(super) struct Refund<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) status: Option<Cow<'a, str>>,
}

/// Any object with an id.
#[derive(Deserialize)]
pub(super) struct Id<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
}

/// The two entries that we write into the metadata, of all that may be there.
#[derive(Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) order_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) attempt_id: Option<Cow<'a, str>>,
}

/// A plain id, or the object itself where it was expanded.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum IdOr<'a, T> {
    Id(#[serde(borrow)] Cow<'a, str>),
    Object(Box<T>),
}

impl<T> IdOr<'_, T> {
    pub(super) fn object(&self) -> Option<&T> {
        match self {
            Self::Object(object) => Some(object),
            Self::Id(_) => None,
        }
    }
}

impl IdOr<'_, PaymentIntent<'_>> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(intent) => &intent.id,
        }
    }
}

impl IdOr<'_, Id<'_>> {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Object(object) => &object.id,
        }
    }
}

/// The error envelope (sheet section 12).
#[derive(Deserialize)]
pub(super) struct ErrorBody<'a> {
    #[serde(borrow)]
    pub(super) error: ErrorDetail<'a>,
}

#[derive(Deserialize)]
pub(super) struct ErrorDetail<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) param: Option<Cow<'a, str>>,
}
