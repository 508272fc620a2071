//! Messages changed in every way that can be counted: bytes, lengths, headers, fields.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use serde_json::Value;

use super::bench::Shape;
use crate::callback::Callback;

/// A changed message, with what was changed.
pub(super) struct Altered {
    pub(super) what: String,
    pub(super) callback: Callback,
}

/// The bits that are flipped in every byte: the lowest, the one that tells capitals apart, and the highest.
const BITS: [u8; 3] = [0x01, 0x20, 0x80];

/// Behind the end.
const TAILS: [&[u8]; 8] = [b"\0", b" ", b"\n", b"&", b"}", b"0", b"&amount=1", b"{}"];

/// Every byte of the body and of every header value, flipped.
pub(super) fn flipped(callback: &Callback) -> Vec<Altered> {
    let body = callback.body();
    let mut all: Vec<Altered> = flips(body)
        .filter_map(|(at, changed)| altered(format!("byte {at} of the body"), with_body(callback, changed)))
        .collect();
    for (index, (name, value)) in callback.headers().iter().enumerate() {
        // What a byte of a header that proves nothing says, proves nothing.
        for (at, changed) in flips(value.as_bytes()) {
            // Some bytes cannot be in a header: no such message can arrive.
            let Ok(changed) = HeaderValue::from_bytes(&changed) else {
                continue;
            };
            let headers = replaced(callback.headers(), index, &[changed]);
            all.extend(altered(
                format!("byte {at} of {name}"),
                with_headers(callback, &headers),
            ));
        }
    }
    all
}

/// Cut at every length, and with something behind.
pub(super) fn cut_and_grown(callback: &Callback) -> Vec<Altered> {
    let body = callback.body();
    let cut = (0..body.len()).map(|length| (format!("cut to {length} bytes"), body.slice(..length)));
    let grown = TAILS.iter().map(|tail| {
        let longer = [body.as_ref(), tail].concat();
        (format!("{} behind the end", tail.escape_ascii()), Bytes::from(longer))
    });
    cut.chain(grown)
        .filter_map(|(what, body)| altered(what, with_body(callback, body)))
        .collect()
}

/// Each header dropped, emptied, doubled, and all of them dropped; and by another method.
pub(super) fn other_heads(callback: &Callback) -> Vec<Altered> {
    let headers = callback.headers();
    let mut all = Vec::new();
    for (index, (name, value)) in headers.iter().enumerate() {
        for (what, values) in [
            ("dropped", vec![]),
            ("emptied", vec![HeaderValue::from_static("")]),
            ("doubled", vec![value.clone(), value.clone()]),
            ("contradicted", vec![value.clone(), HeaderValue::from_static("0")]),
        ] {
            let headers = replaced(headers, index, &values);
            all.extend(altered(format!("{name} {what}"), with_headers(callback, &headers)));
        }
    }
    all.extend(altered(
        "no header".to_owned(),
        with_headers(callback, &HeaderMap::new()),
    ));
    for method in [Method::GET, Method::PUT] {
        let what = format!("by {method}");
        all.extend(altered(
            what,
            rebuilt(callback, &method, callback.headers(), callback.body().clone()),
        ));
    }
    all
}

/// Bodies with each field dropped, emptied, doubled and contradicted. Nothing is signed.
pub(super) fn other_fields(shape: Shape, body: &[u8]) -> Result<Vec<(String, Bytes)>, String> {
    let changed = match shape {
        Shape::Form => form_fields(body),
        Shape::Json => json_fields(body)?,
    };
    Ok(changed.into_iter().filter(|(_, changed)| changed != body).collect())
}

/// Bodies with the fields in another order.
pub(super) fn other_orders(shape: Shape, body: &[u8]) -> Result<Vec<(String, Bytes)>, String> {
    let changed = match shape {
        Shape::Form => {
            let pairs = pairs_of(body);
            (1..pairs.len())
                .map(|by| {
                    let mut turned = pairs.clone();
                    turned.rotate_left(by);
                    (format!("turned by {by}"), turned.join(&b'&'))
                })
                .chain(std::iter::once((
                    "backwards".to_owned(),
                    pairs.iter().rev().copied().collect::<Vec<_>>().join(&b'&'),
                )))
                .collect()
        }
        Shape::Json => {
            let object = object(body)?;
            let backwards: Vec<String> = object.iter().rev().map(|(name, value)| member(name, value)).collect();
            vec![(
                "backwards".to_owned(),
                format!("{{{}}}", backwards.join(",")).into_bytes(),
            )]
        }
    };
    let changed = changed.into_iter().map(|(what, body)| (what, Bytes::from(body)));
    Ok(changed.filter(|(_, changed)| changed != body).collect())
}

/// The same message with another body.
pub(super) fn with_body(callback: &Callback, body: impl Into<Bytes>) -> Option<Callback> {
    rebuilt(callback, callback.method(), callback.headers(), body.into())
}

/// The same message at another address.
pub(super) fn at_target(callback: &Callback, target: &str) -> Option<Callback> {
    let mut request = Request::builder().method(callback.method()).uri(target);
    request.headers_mut()?.clone_from(callback.headers());
    let request = request.body(callback.body().clone()).ok()?;
    Callback::new(request, callback.received_at()).ok()
}

fn with_headers(callback: &Callback, headers: &HeaderMap) -> Option<Callback> {
    rebuilt(callback, callback.method(), headers, callback.body().clone())
}

/// `None` if it cannot even be taken in.
fn rebuilt(callback: &Callback, method: &Method, headers: &HeaderMap, body: Bytes) -> Option<Callback> {
    let mut request = Request::builder().method(method).uri(callback.target());
    request.headers_mut()?.clone_from(headers);
    let changed = Callback::new(request.body(body).ok()?, callback.received_at()).ok()?;
    Some(match callback.peer() {
        Some(peer) => changed.with_peer(peer),
        None => changed,
    })
}

fn altered(what: String, callback: Option<Callback>) -> Option<Altered> {
    callback.map(|callback| Altered { what, callback })
}

fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    let places = (0..bytes.len()).flat_map(|at| BITS.map(|bit| (at, bit)));
    places.filter_map(move |(at, bit)| {
        let mut changed = bytes.to_vec();
        *changed.get_mut(at)? ^= bit;
        Some((at, changed))
    })
}

/// The headers with other values for the one at this place.
fn replaced(headers: &HeaderMap, place: usize, values: &[HeaderValue]) -> HeaderMap {
    let mut changed: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (index, (name, value)) in headers.iter().enumerate() {
        if index == place {
            changed.extend(values.iter().map(|value| (name.clone(), value.clone())));
        } else {
            changed.push((name.clone(), value.clone()));
        }
    }
    let mut headers = HeaderMap::new();
    for (name, value) in changed {
        headers.append(name, value);
    }
    headers
}

fn pairs_of(body: &[u8]) -> Vec<&[u8]> {
    body.split(|&byte| byte == b'&').collect()
}

fn form_fields(body: &[u8]) -> Vec<(String, Bytes)> {
    let pairs = pairs_of(body);
    let mut all = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default();
        let with = |between: &[&[u8]], behind: &[&[u8]]| {
            let (before, after) = (pairs.iter().take(index), pairs.iter().skip(index + 1));
            let all: Vec<&[u8]> = before.chain(between).chain(after).chain(behind).copied().collect();
            Bytes::from(all.join(&b'&'))
        };
        let (empty, other) = ([name, b"="].concat(), [name, b"=1"].concat());
        let shown = name.escape_ascii();
        all.push((format!("{shown} dropped"), with(&[], &[])));
        all.push((format!("{shown} emptied"), with(&[&empty], &[])));
        all.push((format!("{shown} doubled"), with(&[pair], &[pair])));
        all.push((format!("{shown} contradicted"), with(&[pair], &[&other])));
        all.push((format!("{shown} contradicted before"), with(&[&other, pair], &[])));
    }
    all
}

fn json_fields(body: &[u8]) -> Result<Vec<(String, Bytes)>, String> {
    let whole = object(body)?;
    let mut all = Vec::new();
    fields_of(&whole, "", &mut |text| text, &mut all);
    Ok(all
        .into_iter()
        .map(|(what, text)| (what, Bytes::from(text.into_bytes())))
        .collect())
}

type Object = serde_json::Map<String, Value>;

fn object(body: &[u8]) -> Result<Object, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err("a genuine body is said to be a JSON object and is none".to_owned()),
    }
}

/// Every member of the object and of the objects in it, changed. `around` writes what is around the object.
fn fields_of(object: &Object, path: &str, around: &mut dyn FnMut(String) -> String, all: &mut Vec<(String, String)>) {
    for (name, value) in object {
        let mut with = |replacement: &[String]| {
            let members = object.iter().filter(|(other, _)| *other != name);
            let mut members: Vec<String> = members.map(|(name, value)| member(name, value)).collect();
            members.extend_from_slice(replacement);
            around(format!("{{{}}}", members.join(",")))
        };
        let (same, null) = (member(name, value), member(name, &Value::Null));
        let (empty, other) = (member(name, &Value::from("")), member(name, &Value::from(1)));
        for (what, replacement) in [
            ("dropped", vec![]),
            ("emptied", vec![empty]),
            ("null", vec![null]),
            ("doubled", vec![same.clone(), same.clone()]),
            ("contradicted", vec![same.clone(), other.clone()]),
            ("contradicted before", vec![other, same]),
        ] {
            all.push((format!("{path}{name} {what}"), with(&replacement)));
        }
        if let Value::Object(inner) = value {
            let mut inside = |text: String| with(&[format!("{}:{text}", Value::from(name.as_str()))]);
            fields_of(inner, &format!("{path}{name}."), &mut inside, all);
        }
    }
}

fn member(name: &str, value: &Value) -> String {
    format!("{}:{value}", Value::from(name))
}
