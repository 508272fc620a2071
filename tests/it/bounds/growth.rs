//! Twice the input takes twice the time and no more, for every reader of bytes that come from outside.

use std::time::Duration;

use bytes::Bytes;
use cpu_time::ThreadTime;
use http::{Request, Response};
use kessai::RawParams;
use kessai::gateways::{komoju, stripe};
use kessai::sign::SigningKeys;
use kessai::{Callback, CallbackLimits, GatewayWord, Params, check_name, check_text};

use crate::fuzz_smoke::targets::line::{self, now};
use crate::fuzz_smoke::targets::shop::{self, Shop};

/// Four times the input: four times the time if it grows with the size, sixteen times if with its square.
const TIMES: u32 = 4;
const MOST: u32 = 9;
/// Below this, what is measured is the noise.
const FLOOR: Duration = Duration::from_micros(400);
/// Nothing takes longer at its limit, in a build without optimization.
const LONGEST: Duration = Duration::from_secs(2);

/// A repeated piece between a beginning and an end; `#` in the piece is its number.
struct Shape {
    name: &'static str,
    before: &'static str,
    piece: &'static str,
    after: &'static str,
}

const fn shape(name: &'static str, before: &'static str, piece: &'static str, after: &'static str) -> Shape {
    Shape {
        name,
        before,
        piece,
        after,
    }
}

impl Shape {
    fn of(&self, bytes: usize) -> Vec<u8> {
        let mut text = self.before.to_owned();
        let mut number = 0;
        while text.len() + self.piece.len() + self.after.len() + 8 < bytes {
            match self.piece.split_once('#') {
                Some((one, other)) => text.extend([one, &number.to_string(), other]),
                None => text.push_str(self.piece),
            }
            number += 1;
        }
        text.push_str(self.after);
        text.into_bytes()
    }
}

/// The shortest of a few tries, in time on a processor: other work on the machine hardly counts.
fn shortest(input: &[u8], run: &dyn Fn(&[u8])) -> Duration {
    let once = || {
        let started = ThreadTime::now();
        run(input);
        started.elapsed()
    };
    (0..3).map(|_| once()).min().unwrap_or_default()
}

/// Measures a reader over a shape, at a size and at four times that size.
fn grows_with_its_size(reader: &str, shape: &Shape, small: usize, run: &dyn Fn(&[u8])) {
    let (one, other) = (shape.of(small), shape.of(small * TIMES as usize));
    let (mut short, mut long) = (shortest(&one, run), shortest(&other, run));
    // A few times more, before a busy machine is taken for a slow reader.
    for _ in 0..10 {
        if long <= short.max(FLOOR) * MOST {
            break;
        }
        (short, long) = (short.min(shortest(&one, run)), long.min(shortest(&other, run)));
    }
    let memory = allocation_counter::measure(|| run(&other));
    println!(
        "{reader}, {}: {} bytes {short:.1?}, {} bytes {long:.1?}, at most {} bytes of memory",
        shape.name,
        one.len(),
        other.len(),
        memory.bytes_max
    );
    assert!(
        long <= short.max(FLOOR) * MOST,
        "{reader}, {}: {short:?} became {long:?}",
        shape.name
    );
    assert!(long < LONGEST, "{reader}, {}: {long:?}", shape.name);
    let most = 64 * 1024 + 64 * other.len() as u64;
    assert!(
        memory.bytes_max <= most,
        "{reader}, {}: {} bytes",
        shape.name,
        memory.bytes_max
    );
}

fn receive(shop: &Shop, headers: &[(&'static str, &str)], body: &[u8]) {
    let mut request = Request::post("/pay/notification");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Bytes::copy_from_slice(body)).unwrap();
    let callback = Callback::new(request, *shop::START_TIME).unwrap();
    let _ = now(shop.gateway.receive(&callback));
}

/// JSON that is signed, so that it is read.
const JSON: [Shape; 12] = [
    shape("[ in [", "", "[", ""),
    shape("{ in {", "", "{\"a\":", ""),
    shape("one-letter names", "{", "\"a\":1,", "\"b\":1}"),
    shape("names that differ", "{", "\"k#\":1,", "\"b\":1}"),
    shape("known names", "{", "\"id\":\"e\",", "\"b\":1}"),
    shape(
        "known names inside",
        "{\"id\":\"e\",\"object\":\"event\",\"type\":\"charge.refunded\",\"data\":{\"object\":{",
        "\"id\":1,",
        "\"b\":1}}}",
    ),
    shape(
        "objects inside",
        "{\"id\":\"e\",\"object\":\"event\",\"type\":\"charge.refunded\",\"data\":{\"object\":",
        "{\"latest_charge\":",
        "1}}}",
    ),
    shape("escapes", "{\"id\":\"", "\\u0061", "\"}"),
    shape("digits", "{\"id\":", "9", "}"),
    shape("a fraction", "{\"id\":0.", "9", "e9999}"),
    shape("spaces", "{", " ", "}"),
    shape(
        "refunds",
        "{\"id\":\"e\",\"type\":\"payment.captured\",\"resource\":\"event\",\"data\":{\"id\":\"p\",\"refunds\":[",
        "{\"id\":\"r\"},",
        "{}]}}",
    ),
];

const FORMS: [Shape; 9] = [
    shape("one-letter pairs", "", "a=1&", ""),
    shape("pairs that differ", "", "k#=1&", ""),
    shape("separators", "", "&", ""),
    shape("a long name", "", "a", "=1"),
    shape("a long value", "ShopID=", "a", ""),
    shape("escapes", "item_name=", "%81%60", ""),
    shape("broken escapes", "a=", "%", ""),
    shape("plus signs", "a=", "+", ""),
    shape("equals signs", "a", "=", ""),
];

/// A quarter of the limit for bodies, so that four times as much is still taken in.
fn quarter() -> usize {
    CallbackLimits::default().body / 4
}

#[test]
fn callbacks_are_read_in_time_that_grows_with_their_size() {
    let stripe_keys = SigningKeys::from_texts([shop::STRIPE_KEY]).unwrap();
    let komoju_keys = SigningKeys::from_texts([shop::KOMOJU_KEY]).unwrap();
    for json in &JSON {
        grows_with_its_size("stripe", json, quarter(), &|body| {
            let header = stripe::signature_header(&stripe_keys, *shop::START_TIME, body);
            receive(&shop::STRIPE, &[("stripe-signature", &header)], body);
        });
        grows_with_its_size("komoju", json, quarter(), &|body| {
            let header = komoju::signature_header(&komoju_keys, body);
            receive(&shop::KOMOJU, &[("x-komoju-signature", &header)], body);
        });
    }
    for form in &FORMS {
        grows_with_its_size("gmopg", form, quarter(), &|body| receive(&shop::GMOPG, &[], body));
        grows_with_its_size("sbps", form, quarter(), &|body| {
            let end = b"&sps_hashcode=BE33A23EC4B61A34545E0A485D0897E33383F4DE";
            receive(&shop::SBPS, &[], &[&body[..body.len() - end.len()], end].concat());
        });
    }
    // Headers have a limit of their own.
    for elements in [
        shape(
            "tags",
            "t=1795400000",
            ",v1=0000000000000000000000000000000000000000000000000000000000000000",
            "",
        ),
        shape("commas", "t=1795400000", ",", ""),
        shape("short tags", "t=1795400000", ",v1=0", ""),
        shape("digits", "t=", "0", ",v1=0"),
    ] {
        grows_with_its_size("the signature of stripe", &elements, 3_900, &|header| {
            receive(
                &shop::STRIPE,
                &[("stripe-signature", std::str::from_utf8(header).unwrap())],
                b"{}",
            );
        });
    }
}

#[test]
fn returns_are_read_in_time_that_grows_with_their_size() {
    for form in &FORMS {
        grows_with_its_size("params", form, quarter(), &|text| drop(Params::parse(text)));
        grows_with_its_size("raw params", form, quarter(), &|text| drop(RawParams::parse(text)));
        grows_with_its_size("the return of gmopg", form, quarter(), &|body| {
            let request = Request::post("/pay/gmopg/return")
                .body(Bytes::copy_from_slice(body))
                .unwrap();
            let _ = shop::GMOPG
                .gateway
                .returned(&Callback::new(request, *shop::START_TIME).unwrap());
        });
    }
}

fn ask(shop: &Shop, body: &[u8]) {
    line::set(vec![Response::new(Bytes::copy_from_slice(body))]);
    let _ = now(shop.gateway.status(&shop.attempt, *shop::START_TIME));
}

#[test]
fn answers_are_read_in_time_that_grows_with_their_size() {
    // The limit of an answer is 1 MiB; a build without optimization is given half of it.
    let quarter = 128 * 1024;
    for json in &JSON {
        grows_with_its_size("an answer of stripe", json, quarter, &|body| ask(&shop::STRIPE, body));
        grows_with_its_size("an answer of komoju", json, quarter, &|body| ask(&shop::KOMOJU, body));
    }
    for form in FORMS.iter().chain(&[
        shape("errors", "ErrCode=", "E01|", "&ErrInfo=E01390002"),
        shape("lists of errors", "[", "{\"ErrCode\":\"E01\"},", "{}]"),
    ]) {
        grows_with_its_size("an answer of gmopg", form, quarter, &|body| ask(&shop::GMOPG, body));
    }
    // A document has a limit of its own.
    for xml in [
        shape(
            "attributes",
            "<sps-api-response id=\"MG01-00101-101\"",
            " a#=\"1\"",
            "></sps-api-response>",
        ),
        shape(
            "equal attributes",
            "<sps-api-response",
            " a=\"1\"",
            "></sps-api-response>",
        ),
        shape(
            "namespaces",
            "<sps-api-response",
            " xmlns:n#=\"u\"",
            "></sps-api-response>",
        ),
        shape("elements", "<sps-api-response>", "<a/>", "</sps-api-response>"),
        shape("elements in elements", "<sps-api-response>", "<a>", ""),
        shape("references", "<sps-api-response>", "&amp;", "</sps-api-response>"),
        shape(
            "numbered references",
            "<sps-api-response>",
            "&#x41;",
            "</sps-api-response>",
        ),
        shape("comments", "<sps-api-response>", "<!---->", "</sps-api-response>"),
        shape(
            "character data",
            "<sps-api-response>",
            "<![CDATA[x]]>",
            "</sps-api-response>",
        ),
        shape("entities", "<!DOCTYPE a [", "<!ENTITY e# \"&e;\">", "]><a>&e1;</a>"),
        shape(
            "references in an attribute",
            "<sps-api-response id=\"",
            "&amp;",
            "\"></sps-api-response>",
        ),
    ] {
        grows_with_its_size("an answer of sbps", &xml, 15 * 1024, &|body| ask(&shop::SBPS_API, body));
    }
}

#[test]
fn card_data_is_looked_for_in_time_that_grows_with_the_text() {
    for text in [
        shape("digits", "", "4", ""),
        shape("digits and spaces", "", "4 ", ""),
        shape("groups", "", "4242-", ""),
        shape("groups that differ", "", "42#42 ", ""),
        shape("hex", "", "0123456789abcdef", ""),
        shape("hex words", "", "0123456789abcdef0123456789abcdef-", ""),
        shape("letters between", "", "4a", ""),
        shape("eight hex digits", "", "deadbee1-", ""),
        shape("spaces", "", " ", ""),
        shape("names", "", "cardnumber", ""),
        shape("parts of names", "", "card_", ""),
    ] {
        grows_with_its_size("text", &text, quarter(), &|text| {
            let _ = check_text("a text", std::str::from_utf8(text).unwrap());
        });
        grows_with_its_size("a name", &text, quarter(), &|text| {
            let _ = check_name("a name", std::str::from_utf8(text).unwrap());
        });
        grows_with_its_size("a word", &text, quarter(), &|text| {
            drop(GatewayWord::new(std::str::from_utf8(text).unwrap()));
        });
    }
}

/// The measure has to be able to fail.
#[test]
fn time_that_grows_with_the_square_is_found() {
    let square = |text: &[u8]| {
        let mut equal = 0_u64;
        for one in text {
            equal += text.iter().filter(|other| std::hint::black_box(one == *other)).count() as u64;
        }
        assert!(std::hint::black_box(equal) > 0);
    };
    let letters = shape("letters", "", "a", "");
    let found = std::panic::catch_unwind(|| grows_with_its_size("a square", &letters, 1024, &square));
    assert!(found.is_err());
}
