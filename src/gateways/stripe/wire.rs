//! Stripe's own shapes and field names: only what the sheet names, everything optional that it calls optional. New fields
//! come without notice and are passed over; a known field that comes twice, or is of another type, refuses the message.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
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
    data: Option<Braced<EventData<'a>>>,
}

#[derive(Deserialize)]
struct EventData<'a> {
    #[serde(borrow)]
    object: Option<&'a RawValue>,
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
        let Some(raw) = self.data.as_ref().and_then(|data| data.0.object) else {
            return Ok(None);
        };
        object(raw.get())
            .map(Some)
            .ok_or(VerifyError::Payload("the object inside is not of the documented form"))
    }
}

/// Reads a JSON object.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok().map(|Braced(value)| value)
}

/// A value that comes in braces. The derived readers would take an array of the fields in order as well, which is not the
/// documented form.
pub(super) struct Braced<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Braced<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Open<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Open<T> {
            type Value = Braced<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Braced)
            }
        }

        deserializer.deserialize_map(Open(PhantomData))
    }
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
    pub(super) metadata: Option<Braced<Metadata<'a>>>,
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
    pub(super) metadata: Option<Braced<Metadata<'a>>>,
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
pub(super) enum IdOr<'a, T> {
    Id(Cow<'a, str>),
    Object(Box<T>),
}

/// By hand, because the derived reader would first copy the value, and would take an array for the object.
impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for IdOr<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = IdOr<'de, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id or an object")
            }

            fn visit_borrowed_str<E>(self, id: &'de str) -> Result<Self::Value, E> {
                Ok(IdOr::Id(Cow::Borrowed(id)))
            }

            fn visit_str<E>(self, id: &str) -> Result<Self::Value, E> {
                Ok(IdOr::Id(Cow::Owned(id.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|object| IdOr::Object(Box::new(object)))
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
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
