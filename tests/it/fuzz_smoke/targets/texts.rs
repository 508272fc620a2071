//! Every small reader: what it takes is written again as it was read, and read again as the same.

use std::fmt::Display;
use std::str::FromStr;

use kessai::RawParams;
use kessai::charset::{self, Reading};
use kessai::ledger::SwitchText;
use kessai::{
    AllowedOrigins, AttemptReference, ContentDigest, Currency, CustomerReference, Email, Environment, EventId,
    FormBody, FulfilmentKey, GatewayReference, GatewayWord, IdempotencyKey, Locale, MerchantAccount, MerchantReference,
    Money, Params, RedirectUrl, path_segment,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Queries and form bodies, in UTF-8 and as bytes.
pub fn forms(data: &[u8]) {
    // An independent reader of the same form. It forgives what ours refuse.
    let independent: Vec<(String, String)> = url::form_urlencoded::parse(data).into_owned().collect();
    let raw = RawParams::parse(data);
    if let Ok(params) = Params::parse(data) {
        let pairs: Vec<(String, String)> = params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        assert_eq!(pairs, independent, "two readers see two forms");
        let raw = raw.as_ref().expect("what is read as text can be read as bytes");
        for (name, value) in &pairs {
            assert_eq!(params.value(name), Some(value.as_str()));
            assert_eq!(raw.value(name), Some(value.as_bytes()));
        }
        let written = pairs
            .iter()
            .fold(FormBody::new(), |form, (name, value)| form.pair(name, value));
        let written = written.into_string();
        assert!(written.bytes().all(|byte| byte.is_ascii_graphic()));
        let again = Params::parse(written.as_bytes()).expect("what was written can be read");
        let again: Vec<(String, String)> = again.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        // A pair of two empty texts is written as `=`, which reads as one.
        assert_eq!(again, pairs);
    }
    if let Ok(raw) = &raw {
        let mut names: Vec<&String> = independent.iter().map(|(name, _)| name).collect();
        names.sort();
        // Names that are no text may look alike to a reader that replaces what it cannot read.
        if !names.iter().any(|name| name.contains('\u{fffd}')) {
            names.dedup();
            assert_eq!(names.len(), independent.len(), "a doubled name was read");
        }
        for (name, value) in &independent {
            if !name.contains('\u{fffd}') && !value.contains('\u{fffd}') {
                assert_eq!(raw.value(name), Some(value.as_bytes()));
            }
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let segment = path_segment(text);
        let read: Vec<u8> = percent_decoded(&segment);
        // These two mean something in a path however they are written.
        let unspeakable = matches!(text, "." | "..");
        assert_eq!(read == data, !unspeakable, "a path segment is another one");
        assert!(!segment.contains(['/', '?', '#', '\\', '\r', '\n']));
    }
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let (bytes, mut read) = (text.as_bytes(), Vec::new());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            read.push(u8::from_str_radix(&text[at + 1..at + 3], 16).expect("hex"));
            at += 3;
        } else {
            read.push(bytes[at]);
            at += 1;
        }
    }
    read
}

/// Text in `Shift_JIS`, both ways.
pub fn charsets(data: &[u8]) {
    let windows = charset::decode(data, Reading::Windows31J);
    let jis = charset::decode(data, Reading::Jis);
    assert_eq!(
        windows.is_ok(),
        jis.is_ok(),
        "one reading has text where the other has none"
    );
    if let (Ok(windows), Ok(jis)) = (&windows, &jis) {
        assert_eq!(windows == jis, !charset::differs_by_reading(data));
        assert_eq!(windows.chars().count(), jis.chars().count());
        if let Ok(bytes) = charset::encode(windows) {
            assert_eq!(charset::decode(&bytes, Reading::Windows31J).as_ref(), Ok(windows));
        }
    }
    let text = String::from_utf8_lossy(data);
    match charset::encode(&text) {
        Ok(bytes) => {
            assert_eq!(charset::decode(&bytes, Reading::Windows31J).as_deref(), Ok(&*text));
            let unambiguous = charset::encode_unambiguous(&text);
            assert_eq!(
                unambiguous.is_err(),
                charset::differs_by_reading(&bytes),
                "ambiguous or not"
            );
            let form = charset::form_body([("a", &*text), ("b", "1")]).expect("it was written before");
            let params = RawParams::parse(form.as_bytes()).expect("what was written can be read");
            assert_eq!(params.value("a"), Some(&*bytes));
            assert_eq!(params.value("b"), Some(&b"1"[..]), "a value became another field");
        }
        Err(_) => assert!(charset::encode_unambiguous(&text).is_err()),
    }
}

/// References, words, amounts.
pub fn words(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A gateway's word is shown in logs and pages: whatever it was, it is one line of plain text.
    let word = GatewayWord::new(&text);
    assert!(
        word.as_str()
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic()),
        "{word:?}"
    );
    assert_eq!(GatewayWord::new(word.as_str()), word);

    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    reference::<MerchantReference>(&text, plain);
    reference::<AttemptReference>(&text, plain);
    reference::<GatewayReference>(&text, |byte| byte.is_ascii_graphic());
    reference::<EventId>(&text, |byte| byte.is_ascii_graphic());
    reference::<IdempotencyKey>(&text, |byte| byte.is_ascii_graphic());
    reference::<FulfilmentKey>(&text, |byte| byte.is_ascii_graphic());
    reference::<MerchantAccount>(&text, |byte| byte.is_ascii_graphic());
    reference::<CustomerReference>(&text, |byte| byte.is_ascii_graphic());
    json::<GatewayReference>(data);
    json::<Environment>(data);
    json::<ContentDigest>(data);
    json::<Money>(data);

    if let Ok(email) = Email::new(&*text) {
        assert_eq!(email.as_str(), text);
        assert!(!text.contains(char::is_control) && text.contains('@'));
    }
    if let Ok(locale) = Locale::new(&*text) {
        assert_eq!(locale.as_str(), text);
        assert!(text.starts_with(locale.language()));
    }
    if let Ok(text) = SwitchText::new(&*text) {
        assert!(!text.to_string().contains(char::is_control));
    }
    if let Ok(currency) = text.parse::<Currency>() {
        assert_eq!(currency.code(), text);
    }
    for currency in [Currency::JPY, Currency::EUR, Currency::KWD] {
        if let Ok(money) = Money::parse(&text, currency) {
            let (units, exponent) = (money.minor_units().to_string(), usize::from(currency.exponent()));
            let digits: String = text.chars().filter(|c| *c != '.').collect();
            assert_eq!(
                digits.trim_start_matches('0'),
                units.trim_start_matches('0'),
                "{text:?}"
            );
            assert_eq!(text.find('.').map_or(0, |dot| text.len() - dot - 1), exponent);
        }
    }
    let allowed = AllowedOrigins::new(["https://pay.example", "https://checkout.stripe.com"]).unwrap();
    if let Ok(url) = RedirectUrl::new(&*text, &allowed) {
        assert_eq!(url.as_str(), text);
        // As a browser reads it.
        let read = url::Url::parse(&text).expect("it was read before");
        let origin = read.origin().ascii_serialization();
        assert!(
            allowed.iter().any(|allowed| allowed == origin),
            "{text:?} leads elsewhere"
        );
        assert!(http::HeaderValue::from_str(&text).is_ok());
    }
    if let Ok(origins) = AllowedOrigins::new([&*text]) {
        assert!(AllowedOrigins::new(origins.iter()).is_ok_and(|again| again == origins));
    }
    let _ = kessai::check_text("a text", &text);
    let _ = kessai::check_name("a name", &text);
}

fn reference<T>(text: &str, allowed: impl Fn(u8) -> bool)
where
    T: FromStr + Display + PartialEq + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let json = serde_json::to_string(text).expect("a text is JSON");
    match text.parse::<T>() {
        Ok(reference) => {
            assert!(text.bytes().all(allowed), "{text:?} is taken");
            assert_eq!(reference.to_string(), text);
            assert_eq!(serde_json::from_str::<T>(&json).ok().as_ref(), Some(&reference));
            assert_eq!(serde_json::to_string(&reference).ok(), Some(json));
        }
        Err(_) => assert!(
            serde_json::from_str::<T>(&json).is_err(),
            "a store can hold what nobody can say"
        ),
    }
}

fn json<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(data: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(data) {
        let written = serde_json::to_vec(&value).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<T>(&written).ok(), Some(value));
    }
}

pub fn seeds_forms() -> Vec<Vec<u8>> {
    let own: [&[u8]; 6] = [
        b"b=1+2&a=%E7%B7%91%20%26&empty=&bare&&x=a=b",
        b"a=1&%61=2",
        b"=&==&a",
        b"a=%&b=%4&c=%zz",
        b"a=%c0%af&b=%95%5C",
        b"attempt=fz0attempt0000000000000000&state=fz0return0token00000000000",
    ];
    let mut seeds: Vec<Vec<u8>> = own.map(<[u8]>::to_vec).into();
    // The bodies of the real ones.
    for seed in super::callbacks::seeds_sbps()
        .iter()
        .chain(&super::callbacks::seeds_gmopg())
        .take(12)
    {
        if let Some((request, _)) = super::wire::request(seed) {
            seeds.push(request.body().to_vec());
        }
    }
    seeds
}

pub fn seeds_charsets() -> Vec<Vec<u8>> {
    let own: [&[u8]; 8] = [
        b"\x8c\x70\x91\xb1\x89\xdb\x8b\xe0",
        b"\x81\x60\x81\x7c\x81\x61\x81\x91\x81\x92\x81\xca",
        b"\x95\x5c\x83\x5c|\\",
        b"\xb1\xb2\xb3",
        b"\xff\xfe\xfd\xa0\x80",
        b"\xef\xbb\xbfabc",
        "ご注文 ～〜 ￠¢ ￡£ ￢¬ ∥‖ －− ¥ ‾ 😀 é".as_bytes(),
        "緑茶 \u{3231} ① ⅰ 髙 﨑".as_bytes(),
    ];
    own.map(<[u8]>::to_vec).into()
}

pub fn seeds_words() -> Vec<Vec<u8>> {
    let own: [&str; 24] = [
        "EC20261101-000123",
        "fz0attempt0000000000000000",
        "cs_test_a1VectorSession",
        "80312789324672/credit3d2/1980",
        "buyer+1@shop.example",
        "pt-BR",
        "JPY",
        "1980",
        "19.80",
        "1.980",
        "18446744073709551616",
        "00.10",
        "{\"minor_units\":1980,\"currency\":\"JPY\"}",
        "\"sandbox\"",
        "https://pay.example/c/pay#fid%20",
        "https://pay.example@evil.example/",
        "https://PAY.EXAMPLE:443/\\evil",
        "https://pay.example.evil.example/",
        "//pay.example",
        "4242 4242 4242 4242",
        "=cmd|'/c calc'!A1",
        "a\r\nset-cookie: b\u{1b}[31m\u{202e}",
        "\u{feff}\u{0}１２３",
        "card_number",
    ];
    own.map(|text| text.as_bytes().to_vec()).into()
}
