//! The readers of signatures alone: anything in the place of the signature, over a message that does not change.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderValue, Request};
use kessai::gateways::sbps::Channel;
use kessai::gateways::{komoju, stripe};
use kessai::sign::SigningKeys;
use kessai::{Callback, Received};

use super::line::now;
use super::shop::{self, Shop};

const BODY: &[u8] = b"{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"ping\",\"resource\":\"event\",\"created\":1}";

/// Only what holds the one right tag is taken, and only as it is written.
pub fn signatures(data: &[u8]) {
    static STRIPE: LazyLock<String> = LazyLock::new(|| {
        let keys = SigningKeys::from_texts([shop::STRIPE_KEY]).expect("a key");
        stripe::signature_header(&keys, *shop::START_TIME, BODY)
    });
    static KOMOJU: LazyLock<String> = LazyLock::new(|| {
        let keys = SigningKeys::from_texts([shop::KOMOJU_KEY]).expect("a key");
        komoju::signature_header(&keys, BODY)
    });
    let stripe_tag = STRIPE.rsplit('=').next().unwrap_or_default();
    taken(&shop::STRIPE, "stripe-signature", data, |text| {
        // Its time, and its tag as an element of its own.
        let elements: Vec<&str> = text.split(',').collect();
        let tag = format!("v1={stripe_tag}");
        elements.contains(&tag.as_str()) && elements.iter().any(|element| element.starts_with("t="))
    });
    taken(&shop::KOMOJU, "x-komoju-signature", data, |text| {
        text.contains(KOMOJU.as_str())
    });

    // The hash of a form, and the result of a return.
    let form = super::callbacks::report(&[], Channel::Notification);
    let (fields, hash) = form.split_once("&sps_hashcode=").expect("it is the last field");
    let escaped: String = url::form_urlencoded::byte_serialize(data).collect();
    let body = format!("{fields}&sps_hashcode={escaped}");
    let sbps = Request::post("/pay/sbps/notification")
        .body(Bytes::from(body))
        .expect("a request");
    if let Ok(callback) = Callback::new(sbps, *shop::START_TIME)
        && now(shop::SBPS.gateway.receive(&callback)).is_ok()
    {
        assert!(
            data.trim_ascii().eq_ignore_ascii_case(hash.as_bytes()),
            "a hash that nobody made"
        );
    }
    let gmopg = Request::post("/pay/gmopg/return")
        .body(Bytes::from(format!("result={escaped}")))
        .expect("a request");
    if let Ok(callback) = Callback::new(gmopg, *shop::START_TIME)
        && let Ok(hint) = shop::GMOPG.gateway.returned(&callback)
    {
        // What is no text is as good as absent, and names nothing.
        let known = "EC20261101-000123";
        assert!(
            hint.subject.attempt.is_none_or(|attempt| attempt.as_str() == known),
            "a result that nobody made"
        );
    }
}

fn taken(shop: &Shop, name: &'static str, value: &[u8], right: impl Fn(&str) -> bool) {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let mut request = Request::post("/pay/notification")
        .body(Bytes::from_static(BODY))
        .expect("a request");
    request.headers_mut().append(name, value.clone());
    let Ok(callback) = Callback::new(request, *shop::START_TIME) else {
        return;
    };
    if let Ok(Received::Proven(_)) = now(shop.gateway.receive(&callback)) {
        let text = String::from_utf8_lossy(value.as_bytes());
        assert!(right(&text), "{}: {text:?} is taken", shop.id());
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let stripe_keys = SigningKeys::from_texts([shop::STRIPE_KEY]).expect("a key");
    let stripe = stripe::signature_header(&stripe_keys, *shop::START_TIME, BODY);
    let komoju = komoju::signature_header(&SigningKeys::from_texts([shop::KOMOJU_KEY]).expect("a key"), BODY);
    let sbps = super::callbacks::report(&[], Channel::Notification);
    let sbps = sbps.rsplit('=').next().unwrap_or_default().to_owned();
    // `ret_paystart_left_page` of the vectors.
    let gmopg = "eyJ0cmFuc2FjdGlvbnJlc3VsdCI6eyJBY2Nlc3NJRCI6IiIsIkFjY2Vzc1Bhc3MiOiIqKioqKioqKioqKioqKioqKioqKioqKioqKioqKioqKi\
                 IsIk9yZGVySUQiOiJFQzIwMjYxMTAxLTAwMDEyMyIsIlJlc3VsdCI6IlBBWVNUQVJUIiwiUHJvY2Vzc2RhdGUiOiIyMDI2MTEwMTEwMTY0MCIsIkVy\
                 ckNvZGUiOiIiLCJFcnJJbmZvIjoiIiwiUGF5bWV0aG9kIjoiIn19.159dfe386664bc91ed59aaefa460bf929bdb0c5bc2807e321a97bf26d94d0fdd";
    [
        stripe.clone(),
        stripe.replace("t=", "t=0"),
        format!("{stripe},v1={},v0=1", "0".repeat(64)),
        stripe.replace(',', ", "),
        stripe.to_uppercase(),
        format!(
            "t=18446744073709551616,{}",
            stripe.split(',').next_back().unwrap_or_default()
        ),
        komoju.clone(),
        komoju.to_uppercase(),
        format!("sha256={komoju}"),
        sbps.clone(),
        sbps.to_lowercase(),
        gmopg.to_owned(),
        gmopg.replace('.', ".."),
        String::new(),
    ]
    .map(String::into_bytes)
    .into()
}
