//! Stripe's own shapes and field names: only what the sheet names, everything optional that it calls optional. New fields
//! come without notice and are passed over; a known field that comes twice, or is of another type, refuses the message.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::value::{Error as Unreadable, MapAccessDeserializer, MapDeserializer};
use serde::de::{self, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use crate::error::VerifyError;

/// The envelope of a snapshot event (sheet section 7).
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) object: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Text<'a>,
    pub(super) created: Option<u64>,
    pub(super) livemode: Option<bool>,
    #[serde(borrow)]
    pub(super) api_version: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) account: Option<Text<'a>>,
    #[serde(borrow)]
    data: Option<Braced<EventData<'a>>>,
}

#[derive(Deserialize)]
struct EventData<'a> {
    #[serde(borrow)]
    object: Option<Resource<'a>>,
}

impl<'a> Event<'a> {
    /// Reads the envelope out of verified bytes. Borrowed: nothing of the body is copied.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, VerifyError> {
        // The whole of it first: the parser would pass over bad bytes in a value that nobody reads.
        let body = std::str::from_utf8(body).map_err(|_| VerifyError::Payload("the body is not UTF-8"))?;
        let event: Self =
            object(body).ok_or(VerifyError::Payload("the body is not an event of the documented form"))?;
        if &*event.object != "event" {
            return Err(VerifyError::Payload("the body is not a snapshot event"));
        }
        Ok(event)
    }

    /// The resource inside.
    pub(super) fn resource<T: Deserialize<'a>>(&self) -> Result<Option<T>, VerifyError> {
        let Some(resource) = self.data.as_ref().and_then(|data| data.0.object.as_ref()) else {
            return Ok(None);
        };
        T::deserialize(MapAccessDeserializer::new(resource.fields()))
            .map(Some)
            .map_err(|_| VerifyError::Payload("the object inside is not of the documented form"))
    }
}

/// A resource of a type that is not known yet, because the event's type comes behind it: the fields that any of ours reads,
/// each as it is. So the body is gone through once, and a resource of a type that nobody reads may hold what it likes.
struct Resource<'a>(Vec<(&'static str, Node<'a>)>);

/// Every field of the resources below. The most frequent ones first, because they are searched from the front.
const READ: &[&str] = &[
    "id",
    "status",
    "amount",
    "currency",
    "livemode",
    "metadata",
    "mode",
    "amount_total",
    "payment_status",
    "payment_intent",
    "client_reference_id",
    "order_id",
    "attempt_id",
    "latest_charge",
    "amount_refunded",
    "refunded",
    "disputed",
];

/// A value that was read, and not yet judged.
enum Node<'a> {
    Null,
    Truth(bool),
    Number(u64),
    Text(Text<'a>),
    Object(Resource<'a>),
    /// A list, or a number that is no count: none of ours.
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Resource<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Resource<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                // A name that comes twice is kept twice, and refused by whoever reads it.
                let mut fields = Vec::with_capacity(READ.len());
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    match READ.iter().find(|known| **known == &*name) {
                        Some(known) => fields.push((*known, map.next_value()?)),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Resource(fields))
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Node<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Node::Null)
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Self::Value, E> {
                Ok(Node::Truth(truth))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Node::Number(number))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Node::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(Node::Other)
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Node::Text(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Node::Text(Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Node::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Resource::deserialize(MapAccessDeserializer::new(map)).map(Node::Object)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl<'de> IntoDeserializer<'de, Unreadable> for &Node<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Resource<'de> {
    fn fields(&self) -> MapDeserializer<'de, impl Iterator<Item = (&'static str, &Node<'de>)>, Unreadable> {
        MapDeserializer::new(self.0.iter().map(|(name, node)| (*name, node)))
    }
}

/// Hands a value on to the reader of a resource.
impl<'de> Deserializer<'de> for &Node<'de> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self {
            Node::Null => visitor.visit_unit(),
            Node::Truth(truth) => visitor.visit_bool(*truth),
            Node::Number(number) => visitor.visit_u64(*number),
            Node::Text(Text(Cow::Borrowed(text))) => visitor.visit_borrowed_str(text),
            Node::Text(Text(Cow::Owned(text))) => visitor.visit_str(text),
            Node::Object(resource) => visitor.visit_map(resource.fields()),
            Node::Other => Err(de::Error::custom("a list, or a number that is no count")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier
    }
}

/// A text, borrowed from the body unless it has escapes. (A plain `Cow` inside an `Option` would always be copied.)
pub(super) struct Text<'a>(Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrow)
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
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) url: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) mode: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) payment_status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) payment_intent: Option<IdOr<'a, PaymentIntent<'a>>>,
    pub(super) amount_total: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Text<'a>>,
    pub(super) livemode: Option<bool>,
    #[serde(borrow)]
    pub(super) client_reference_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) metadata: Option<Braced<Metadata<'a>>>,
    pub(super) expires_at: Option<u64>,
}

/// A `PaymentIntent`.
#[derive(Deserialize)]
pub(super) struct PaymentIntent<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    pub(super) amount: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Text<'a>>,
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
    pub(super) amount_captured: Option<u64>,
    pub(super) amount_refunded: Option<u64>,
    #[serde(borrow)]
    pub(super) currency: Option<Text<'a>>,
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
    pub(super) id: Text<'a>,
    #[serde(borrow)]
    pub(super) status: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) payment_intent: Option<IdOr<'a, Id<'a>>>,
}

/// Any object with an id.
#[derive(Deserialize)]
pub(super) struct Id<'a> {
    #[serde(borrow)]
    pub(super) id: Text<'a>,
}

/// The two entries that we write into the metadata, of all that may be there.
#[derive(Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) order_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) attempt_id: Option<Text<'a>>,
}

/// A plain id, or the object itself where it was expanded.
pub(super) enum IdOr<'a, T> {
    Id(Text<'a>),
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
                Ok(IdOr::Id(Text(Cow::Borrowed(id))))
            }

            fn visit_str<E>(self, id: &str) -> Result<Self::Value, E> {
                Ok(IdOr::Id(Text(Cow::Owned(id.to_owned()))))
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
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) param: Option<Text<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> String {
        format!(
            "{{\"id\":\"evt_1\",\"object\":\"event\",\"api_version\":\"2026-10-28.endive\",\"account\":\"acct_1\",\"data\":{data},\"type\":\"x.y\"}}"
        )
    }

    #[test]
    fn nothing_of_the_body_is_copied_unless_it_has_escapes() {
        let body = event(
            "{\"object\":{\"id\":\"cs_1\",\"url\":null,\"mode\":\"payment\",\"status\":\"complete\",\"payment_status\":\"paid\",
            \"payment_intent\":{\"id\":\"pi_1\",\"currency\":\"eur\"},\"currency\":\"jpy\",\"client_reference_id\":\"緑茶\",
            \"metadata\":{\"attempt_id\":\"a1\"},\"line_items\":[{\"id\":7}]}}",
        );
        let event = Event::read(body.as_bytes()).unwrap();
        let session: Session<'_> = event.resource().unwrap().unwrap();
        let Some(IdOr::Object(intent)) = &session.payment_intent else {
            panic!("the payment was there in full");
        };
        let metadata = &session.metadata.as_ref().unwrap().0;
        let texts = [
            Some(&event.id),
            Some(&event.object),
            Some(&event.kind),
            event.api_version.as_ref(),
            event.account.as_ref(),
            Some(&session.id),
            session.mode.as_ref(),
            session.status.as_ref(),
            session.payment_status.as_ref(),
            session.currency.as_ref(),
            session.client_reference_id.as_ref(),
            Some(&intent.id),
            intent.currency.as_ref(),
            metadata.attempt_id.as_ref(),
        ];
        for text in texts {
            let text = text.unwrap();
            assert!(matches!(text.0, Cow::Borrowed(_)), "{}", &**text);
            assert!(body.as_bytes().as_ptr_range().contains(&text.as_ptr()), "{}", &**text);
        }
        let escaped = body.replace("evt_1", "evt\\u005f1").replace("cs_1", "cs\\u005f1");
        let event = Event::read(escaped.as_bytes()).unwrap();
        assert_eq!(&*event.id, "evt_1");
        assert_eq!(&*event.resource::<Session<'_>>().unwrap().unwrap().id, "cs_1");
    }

    #[test]
    fn a_resource_is_judged_by_whoever_reads_it() {
        // Of no type of ours: it may hold what it likes.
        let body = event("{\"object\":{\"id\":7,\"status\":[],\"status\":{}}}");
        let event = Event::read(body.as_bytes()).unwrap();
        assert!(event.resource::<Session<'_>>().is_err());
        assert!(event.resource::<AboutPayment<'_>>().unwrap().is_some());
        for data in [
            "{\"object\":[]}",
            "{\"object\":\"x\"}",
            "{\"object\":7}",
            "[]",
            "[{}]",
            "7",
        ] {
            assert!(Event::read(self::event(data).as_bytes()).is_err(), "{data}");
        }
        for data in ["null", "{}", "{\"object\":null}"] {
            let body = self::event(data);
            let event = Event::read(body.as_bytes()).unwrap();
            assert!(event.resource::<Session<'_>>().unwrap().is_none(), "{data}");
        }
    }
}
