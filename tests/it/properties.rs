//! Whatever comes in, nothing panics and nothing is believed that was not signed; whatever goes out is read back as it was.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use kessai::gateways::stripe::{Stripe, signature_header};
use kessai::ledger::StoredAttempt;
use kessai::sign::{Mac, SigningKeys};
use kessai::transport::RetryPolicy;
use kessai::{
    AllowedOrigins, Callback, CallbackLimits, CheckoutRequest, Currency, CustomerReference, Email, Environment,
    ExpectedPayment, FormBody, Gateway, GatewayReference, GatewayWord, LineItem, Locale, MerchantReference, Money,
    Move, Nonce, Params, PaymentStatus, PostForm, RedirectUrl, SigningKey, VerifyError, path_segment,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::support::scripted::Scripted;
use crate::support::{SIGNING_SECRET, order, start, stripe, yen};

const SESSION: &str = "cs_test_property";

static STRIPE: LazyLock<Stripe> = LazyLock::new(|| {
    stripe()
        .transport(Arc::new(Scripted::new()))
        .build()
        .expect("the settings are right")
});
static KEYS: LazyLock<SigningKeys> =
    LazyLock::new(|| SigningKeys::from_texts([SIGNING_SECRET]).expect("a good secret"));

/// A request that may be anything HTTP can carry.
fn request(method: &str, target: &str, headers: &[(&str, Vec<u8>)], body: Vec<u8>) -> Option<Callback> {
    let mut request = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, value.as_slice());
    }
    let request = request.body(Bytes::from(body)).ok()?;
    Callback::new(request, start()).ok()
}

fn signed(body: &[u8]) -> Callback {
    let header = signature_header(&KEYS, start(), body).into_bytes();
    request(
        "POST",
        "/pay/stripe/notification",
        &[("stripe-signature", header)],
        body.to_vec(),
    )
    .unwrap()
}

fn session() -> Value {
    json!({
        "id": SESSION, "object": "checkout.session", "mode": "payment", "livemode": false, "status": "complete",
        "payment_status": "paid", "amount_total": 3960, "currency": "jpy", "client_reference_id": "EC-1",
        "metadata": {"order_id": "EC-1", "attempt_id": "a1"},
        "payment_intent": {
            "id": "pi_1", "status": "succeeded", "amount": 3960, "currency": "jpy", "livemode": false,
            "latest_charge": {"amount": 3960, "amount_refunded": 0, "currency": "jpy", "refunded": false, "disputed": false},
        },
    })
}

fn event() -> Value {
    json!({
        "id": "evt_1", "object": "event", "type": "checkout.session.completed", "created": 1_795_400_000,
        "livemode": false, "api_version": "2026-10-28.endive", "data": {"object": session()},
    })
}

/// Something that looks like a part of a signature header.
fn header_part() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("t=1795400000".to_owned()),
        Just("t=".to_owned()),
        "t=[0-9]{0,22}",
        "v1=[0-9a-f]{64}",
        "v1=[0-9A-Fa-f]{0,130}",
        "v0=[0-9a-f]{64}",
        "[a-z0-9=, ]{0,12}",
        "\\PC{0,8}",
    ]
}

/// One change to a text.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, usize),
    /// A value of one place put at another.
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let pieces = select(vec![
        "null",
        "[]",
        "{}",
        "\"\"",
        "-1",
        "1e999",
        "18446744073709551616",
        "true",
        ",",
        ":",
        "\"",
        "\\u0000",
        "\\ud800",
        "{\"a\":",
        "[[[[",
        "0.1",
        "\u{feff}",
        " ",
        "\"id\":\"x\",",
    ]);
    prop_oneof![
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), pieces).prop_map(|(at, piece)| Change::Insert(at, piece.as_bytes().to_vec())),
        (any::<Index>(), 1..40_usize).prop_map(|(at, count)| Change::Cut(at, count)),
        (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn changed(value: &Value, changes: &[Change]) -> Vec<u8> {
    let mut value = value.clone();
    for change in changes {
        if let Change::Swap(one, other) = change {
            let places = places(&value);
            let (from, to) = (one.get(&places).clone(), other.get(&places).clone());
            let taken = value.pointer(&from).unwrap().clone();
            *value.pointer_mut(&to).unwrap() = taken;
        }
    }
    let mut text = value.to_string().into_bytes();
    for change in changes {
        match change {
            Change::Flip(at, bit) if !text.is_empty() => {
                let at = at.index(text.len());
                text[at] ^= 1 << bit;
            }
            Change::Insert(at, piece) => {
                let at = at.index(text.len() + 1);
                text.splice(at..at, piece.iter().copied());
            }
            Change::Cut(at, count) if !text.is_empty() => {
                let at = at.index(text.len());
                let end = (at + count).min(text.len());
                text.drain(at..end);
            }
            _ => {}
        }
    }
    text
}

/// Every place of a JSON value, as a pointer.
fn places(value: &Value) -> Vec<String> {
    fn collect(value: &Value, place: &str, places: &mut Vec<String>) {
        places.push(place.to_owned());
        if let Some(fields) = value.as_object() {
            for (name, value) in fields {
                collect(value, &format!("{place}/{name}"), places);
            }
        }
    }
    let mut all = Vec::new();
    collect(value, "", &mut all);
    all
}

/// The answer to a status question whose body is this.
fn asked(answer: Vec<u8>, status: u16) -> Result<Option<GatewayReference>, kessai::Error> {
    let script = Scripted::new();
    script.answer_bytes(status, answer);
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let stripe = stripe().transport(Arc::new(script)).retry(once).build().unwrap();
    let mut attempt = StoredAttempt::new(ExpectedPayment::plan(&stripe, &order("EC-1"), start()).unwrap());
    attempt.checkout = Some(GatewayReference::new(SESSION).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let event = runtime.block_on(stripe.status(&attempt, start()))?;
    Ok(event.into_value().subject.checkout)
}

fn settings() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    }
}

proptest! {
    #![proptest_config(settings())]

    #[test]
    fn random_requests_never_verify_and_never_panic(
        method in select(vec!["GET", "POST", "PUT", "DELETE", "post", "X"]),
        names in prop::collection::vec(select(vec!["stripe-signature", "Stripe-Signature", "content-type", "content-encoding", "x"]), 0..4),
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 4),
        body in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let headers: Vec<_> = names.into_iter().zip(values).collect();
        if let Some(callback) = request(method, "/", &headers, body) {
            prop_assert!(STRIPE.verify(&callback).is_err());
            let _ = format!("{callback:?}");
        }
    }

    #[test]
    fn headers_that_look_right_never_verify(parts in prop::collection::vec(header_part(), 0..20)) {
        let header = parts.join(",").into_bytes();
        let body = event().to_string().into_bytes();
        if let Some(callback) = request("POST", "/", &[("stripe-signature", header)], body) {
            let refused = STRIPE.verify(&callback).unwrap_err();
            let of_the_header = matches!(refused, VerifyError::Missing(_) | VerifyError::Malformed(_) | VerifyError::Mismatch);
            prop_assert!(of_the_header, "{refused}");
        }
    }

    #[test]
    fn every_flipped_bit_under_the_signature_is_refused(
        pad in prop::collection::vec(any::<u8>(), 0..300), at in any::<Index>(), bit in 0..8_u8,
    ) {
        // Of an event, and of bytes that are none: the signature is looked at first.
        let mut whole = event();
        whole["pad"] = Value::from(String::from_utf8_lossy(&pad));
        for mut body in [whole.to_string().into_bytes(), [&b"x"[..], &pad].concat()] {
            let header = signature_header(&KEYS, start(), &body).into_bytes();
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            let callback = request("POST", "/", &[("stripe-signature", header)], body).unwrap();
            prop_assert_eq!(STRIPE.verify(&callback).err(), Some(VerifyError::Mismatch));
        }
    }

    #[test]
    fn every_flipped_bit_of_the_signature_header_is_refused(at in any::<Index>(), bit in 0..8_u8) {
        let body = event().to_string().into_bytes();
        let mut header = signature_header(&KEYS, start(), &body).into_bytes();
        let at = at.index(header.len());
        header[at] ^= 1 << bit;
        if let Some(callback) = request("POST", "/", &[("stripe-signature", header)], body) {
            prop_assert!(STRIPE.verify(&callback).is_err());
        }
    }

    #[test]
    fn a_tag_verifies_its_own_bytes_under_its_own_key_and_nothing_else(
        key in "[!-~]{16,40}", other in "[!-~]{16,40}", prefix in prop::collection::vec(any::<u8>(), 0..20),
        message in prop::collection::vec(any::<u8>(), 0..200), cut in any::<Index>(),
    ) {
        let (Ok(right), Ok(wrong)) = (SigningKey::new(key.clone()), SigningKey::new(other.clone())) else { return Ok(()) };
        let (right, wrong) = (SigningKeys::new(right), SigningKeys::new(wrong));
        for mac in [Mac::HmacSha256, Mac::HmacSha512] {
            let tag = right.sign(mac, &[&prefix, &message]);
            let proven = right.verify(mac, &prefix, &message, &[&tag], start()).unwrap();
            prop_assert!(std::ptr::eq(*proven.value(), message.as_slice()), "the very bytes, not a copy");
            prop_assert_eq!(wrong.verify(mac, &prefix, &message, &[&tag], start()).is_ok(), key == other);
            let short = &tag[..cut.index(tag.len())];
            prop_assert!(right.verify(mac, &prefix, &message, &[short], start()).is_err());
        }
    }

    #[test]
    fn a_changed_event_that_is_signed_again_is_an_event_or_is_refused(changes in prop::collection::vec(change(), 1..6)) {
        let body = changed(&event(), &changes);
        match STRIPE.verify(&signed(&body)) {
            Err(refused) => prop_assert!(matches!(refused, VerifyError::Payload(_)), "{}", refused),
            Ok(proven) => {
                // What was read is JSON to a reader of all of it as well, and says what that one finds. Half of a surrogate pair
                // in a value that nobody reads is the one thing they differ in.
                let read: Value = match serde_json::from_slice(&body) {
                    Ok(read) => read,
                    Err(error) => {
                        let text = String::from_utf8_lossy(&body).to_ascii_lowercase();
                        prop_assert!(text.contains("\\ud"), "{}", error);
                        return Ok(());
                    }
                };
                let notification = proven.into_value();
                let kind = read["type"].as_str().unwrap();
                prop_assert_eq!(&notification.kind, &GatewayWord::new(kind));
                for event in notification.events {
                    let live = read["livemode"] == true || read["data"]["object"]["livemode"] == true;
                    prop_assert!(!live || event.environment == Environment::Live);
                    if let Some(amount) = event.snapshot.amount {
                        let said = &read["data"]["object"]["amount_total"];
                        prop_assert_eq!(Some(amount), said.as_u64().map(|said| Money::new(said, amount.currency())));
                    }
                    if event.snapshot.status == PaymentStatus::Captured {
                        let said = &read["data"]["object"]["payment_status"];
                        prop_assert!(said == "paid" || said == "no_payment_required");
                    }
                }
            }
        }
    }

    #[test]
    fn a_changed_answer_is_about_the_session_that_was_asked_for_or_is_an_error(
        changes in prop::collection::vec(change(), 0..6), status in select(vec![200_u16, 200, 200, 201, 302, 400, 404, 429, 500]),
    ) {
        if let Ok(checkout) = asked(changed(&session(), &changes), status) {
            prop_assert_eq!(checkout.map(String::from), Some(SESSION.to_owned()));
            prop_assert_eq!(status, 200);
        }
    }

    #[test]
    fn random_answers_prove_nothing(answer in prop::collection::vec(any::<u8>(), 0..500), status in 200..600_u16) {
        prop_assert!(asked(answer, status).is_err());
    }

    #[test]
    fn random_returns_never_panic_and_say_no_more_than_a_session(
        path in select(vec!["/pay/stripe/return", "/pay/stripe/cancel", "/", "/x"]),
        query in "[ -~&=%?]{0,300}",
    ) {
        if let Some(callback) = request("GET", &format!("{path}?{query}"), &[], Vec::new())
            && let Ok(hint) = STRIPE.returned(&callback)
        {
            prop_assert_eq!(hint.cancelled, path == "/pay/stripe/cancel");
            prop_assert!(hint.subject.order.is_none() && hint.subject.attempt.is_none() && hint.subject.payment.is_none());
            if let Some(session) = hint.subject.checkout {
                prop_assert!(!session.as_str().is_empty() && session.as_str().len() <= GatewayReference::MAX_LENGTH);
            }
        }
    }

    #[test]
    fn a_return_names_the_session_it_carries(session in "[A-Za-z0-9_-]{1,100}", before in "[a-z]{1,5}=[a-z0-9%20]{0,9}") {
        let target = format!("/pay/stripe/return?{before}&session_id={session}");
        let callback = request("GET", &target, &[], Vec::new()).unwrap();
        if let Ok(hint) = STRIPE.returned(&callback) {
            prop_assert_eq!(hint.subject.checkout.map(String::from), Some(session));
        }
    }

    #[test]
    fn random_forms_are_read_or_refused(text in prop::collection::vec(any::<u8>(), 0..500)) {
        if let Ok(params) = Params::parse(&text) {
            let names: Vec<&str> = params.iter().map(|(name, _)| name).collect();
            let once: BTreeSet<&str> = names.iter().copied().collect();
            prop_assert_eq!(names.len(), once.len());
            // The lenient reader of another crate sees the same, wherever ours sees anything.
            let theirs: Vec<(String, String)> = url::form_urlencoded::parse(&text).into_owned().collect();
            let ours: Vec<(String, String)> = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn a_form_is_read_back_as_it_was_written(pairs in prop::collection::vec((any::<String>(), any::<String>()), 0..30)) {
        let text = pairs.iter().fold(FormBody::new(), |form, (name, value)| form.pair(name, value)).into_string();
        prop_assert!(text.is_ascii());
        let theirs: Vec<(String, String)> = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        prop_assert_eq!(&theirs, &pairs);
        let once: BTreeSet<&String> = pairs.iter().map(|(name, _)| name).collect();
        match Params::parse(text.as_bytes()) {
            Ok(params) => {
                let ours: Vec<(&str, &str)> = params.iter().collect();
                let written: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                prop_assert_eq!(ours, written);
                prop_assert_eq!(once.len(), pairs.len());
            }
            Err(_) => prop_assert!(once.len() < pairs.len()),
        }
    }

    #[test]
    fn a_path_segment_stays_one_and_is_read_back(text in any::<String>()) {
        let segment = path_segment(&text);
        prop_assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)));
        let read = percent_encoding::percent_decode_str(&segment).decode_utf8().unwrap().into_owned();
        prop_assert_eq!(read, text);
    }

    #[test]
    fn money_of_every_currency_is_read_back_as_it_was_written(amount in prop_oneof![any::<u64>(), 0..100_000_u64]) {
        let mut count = 0;
        for currency in Currency::all() {
            let money = Money::new(amount, currency);
            let text = money.to_string();
            let (digits, code) = text.split_once(' ').unwrap();
            prop_assert_eq!(code, currency.code());
            prop_assert_eq!(code.parse::<Currency>(), Ok(currency));
            prop_assert_eq!(Money::parse(digits, currency), Ok(money));
            prop_assert_eq!(serde_json::from_str::<Money>(&serde_json::to_string(&money).unwrap()).unwrap(), money);
            // One decimal more or less is another precision, never another amount.
            for wrong in [format!("{digits}0"), digits[..digits.len() - 1].to_owned()] {
                let read = Money::parse(&wrong, currency);
                prop_assert!(currency.exponent() == 0 || read.is_err(), "{wrong} {currency}: {read:?}");
            }
            count += 1;
        }
        prop_assert!(count > 150);
    }

    #[test]
    fn random_text_is_money_only_in_its_one_spelling(text in "[-+0-9.,eE ]{0,24}", at in any::<Index>()) {
        let all: Vec<Currency> = Currency::all().collect();
        let currency = *at.get(&all);
        if let Ok(money) = Money::parse(&text, currency) {
            // Leading zeros are the only freedom there is.
            let (read, written) = (format!("{text} {currency}"), money.to_string());
            prop_assert_eq!(read.trim_start_matches('0'), written.trim_start_matches('0'));
        }
    }

    #[test]
    fn sums_never_lose_or_mix_anything(one in any::<u64>(), other in any::<u64>(), times in any::<u32>()) {
        let sum = yen(one).checked_add(yen(other)).ok().map(Money::minor_units);
        prop_assert_eq!(sum, one.checked_add(other));
        let product = yen(one).checked_mul(times).ok().map(Money::minor_units);
        prop_assert_eq!(product, one.checked_mul(u64::from(times)));
        prop_assert!(yen(one).checked_add(Money::new(other, Currency::EUR)).is_err());
    }

    #[test]
    fn a_payment_never_moves_backwards(heard in prop::collection::vec(select(PaymentStatus::ALL.to_vec()), 0..40)) {
        let mut now = PaymentStatus::Created;
        for next in heard {
            let heard = now.hearing(next);
            prop_assert_eq!(heard, now.hearing(next));
            if heard == Move::Forward {
                prop_assert!(!now.is_dead(), "an end without money was left: {} to {}", now, next);
                prop_assert!(height(next) >= height(now), "{} to {}", now, next);
                prop_assert!(!taken(now) || taken(next), "money was forgotten: {} to {}", now, next);
                now = next;
            }
            prop_assert!(now != PaymentStatus::Unknown);
        }
    }

    #[test]
    fn the_order_of_news_does_not_matter_on_the_way_up(
        heard in prop::collection::vec(select(vec![
            PaymentStatus::Created, PaymentStatus::Pending, PaymentStatus::Authorized, PaymentStatus::Captured,
            PaymentStatus::PartiallyRefunded, PaymentStatus::Refunded, PaymentStatus::Disputed, PaymentStatus::Unknown,
        ]), 0..12).prop_shuffle(),
    ) {
        let end = heard.iter().fold(PaymentStatus::Created, |now, next| {
            if now.hearing(*next) == Move::Forward { *next } else { now }
        });
        let highest = heard.iter().copied().chain([PaymentStatus::Created]).max_by_key(|status| height(*status)).unwrap();
        prop_assert_eq!(end, highest);
    }

    #[test]
    fn a_browser_reads_the_form_as_it_was_written(
        fields in prop::collection::vec(("\\PC{1,20}", "\\PC{0,60}"), 0..12),
        fragment in "[!-~]{0,60}", button in "\\PC{0,40}",
    ) {
        let allowed = AllowedOrigins::new(["https://pay.example"]).unwrap();
        let Ok(target) = RedirectUrl::new(format!("https://pay.example/{fragment}"), &allowed) else { return Ok(()) };
        let address = target.as_str().to_owned();
        let mut form = PostForm::new(target);
        let mut written = Vec::new();
        for (name, value) in fields {
            // A field is refused or kept whole.
            if let Ok(longer) = form.clone().field(name.clone(), value.clone()) {
                form = longer;
                written.push((name, value));
            }
        }
        let page = form.page(&Nonce::random().unwrap(), &button);
        prop_assert!(page.is_ascii());
        let html = scraper::Html::parse_document(&page);
        let every = |selector: &str| {
            let selector = scraper::Selector::parse(selector).unwrap();
            html.select(&selector).collect::<Vec<_>>()
        };
        let forms = every("form");
        prop_assert_eq!(forms.len(), 1);
        prop_assert_eq!(forms[0].attr("action"), Some(address.as_str()));
        let read: Vec<(String, String)> = every("form input")
            .iter()
            .map(|input| (input.attr("name").unwrap().to_owned(), input.attr("value").unwrap().to_owned()))
            .collect();
        prop_assert_eq!(read, written);
        prop_assert_eq!(every("script").len(), 1);
        prop_assert_eq!(every("form button")[0].text().collect::<String>(), button);
        let tags: BTreeSet<&str> = every("body *").iter().map(|element| element.value().name()).collect();
        prop_assert!(tags.is_subset(&BTreeSet::from(["form", "input", "button", "script"])), "{:?}", tags);
    }

    #[test]
    fn a_checkout_request_of_any_texts_is_built_or_refused(
        reference in any::<String>(), name in prop_oneof![any::<String>(), "\\PC{1,40}"], email in prop_oneof![any::<String>(), "[a-z]{1,9}@[a-z.]{1,9}"],
        locale in prop_oneof![any::<String>(), "[a-z]{2}(-[A-Z]{2})?"], customer in any::<String>(),
        price in any::<u64>(), quantity in any::<u32>(), total in any::<u64>(), seconds in any::<u64>(),
    ) {
        let reference = MerchantReference::new(reference).unwrap_or_else(|_| MerchantReference::new("EC-1").unwrap());
        let mut builder = CheckoutRequest::builder(reference).valid_for(Duration::from_secs(seconds));
        let item = LineItem::new(name.clone(), yen(price), quantity).ok();
        if let Some(item) = item.clone() {
            prop_assert!(!name.is_empty() && !name.chars().any(char::is_control));
            builder = builder.item(item);
        }
        if let Ok(email) = Email::new(email) { builder = builder.email(email); }
        if let Ok(locale) = Locale::new(locale) { builder = builder.locale(locale); }
        if let Ok(customer) = CustomerReference::new(customer) { builder = builder.customer(customer); }
        let stated = builder.clone().total(yen(total));
        for builder in [builder, stated] {
            let Ok(request) = builder.build() else { continue };
            let sum = request.items().iter().try_fold(yen(0), |sum, item| sum.checked_add(item.unit_price().checked_mul(item.quantity())?));
            prop_assert_eq!(sum, Ok(request.total()));
            if let Ok(expected) = ExpectedPayment::plan(&*STRIPE, &request, start()) {
                let call = STRIPE.create_session(&expected, &request);
                let body = call.body().unwrap().to_owned();
                let sent: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
                let names: Vec<&String> = sent.iter().filter(|(field, _)| field.ends_with("[product_data][name]")).map(|(_, value)| value).collect();
                prop_assert_eq!(names, request.items().iter().map(LineItem::name).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn limits_hold_for_any_limit(body in 0..3000_usize, limit in 0..3000_usize) {
        let mut limits = CallbackLimits::default();
        limits.body = limit;
        let request = http::Request::post("/").body(Bytes::from(vec![b' '; body])).unwrap();
        prop_assert_eq!(Callback::within(limits, request, start()).is_ok(), body <= limit);
    }
}

/// How far a payment has come, from the drawing in the documentation.
fn height(status: PaymentStatus) -> u8 {
    match status {
        PaymentStatus::Created => 1,
        PaymentStatus::RequiresAction | PaymentStatus::Pending => 2,
        PaymentStatus::Authorized => 3,
        PaymentStatus::Captured => 4,
        PaymentStatus::PartiallyRefunded => 5,
        PaymentStatus::Refunded => 6,
        PaymentStatus::Disputed => 7,
        PaymentStatus::Cancelled | PaymentStatus::Failed | PaymentStatus::Expired => 8,
        _ => 0,
    }
}

/// True once money was taken, and not only reserved.
fn taken(status: PaymentStatus) -> bool {
    (4..=7).contains(&height(status))
}

/// Keys are rolled while messages come in on every thread (PAY-53): what the gateway signs is taken throughout, by the old key until
/// its end and by the new one from before its first use, and what the old one signs at its end or later is not.
#[test]
fn a_rotation_under_load_refuses_nothing_genuine_and_takes_nothing_expired() {
    use std::sync::RwLock;
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

    const THREADS: usize = 4;
    const AT_LEAST: usize = 200;
    let keys = |text: &str| SigningKeys::from_texts([text]).unwrap();
    let (old, new) = (
        "0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07",
        "70a1c8e96b4d2f17e3c5aa0886d42b91e5c7a3f0",
    );
    let end = start() + Duration::from_secs(3600);
    let rolled = keys(new).and_until(SigningKey::new(old).unwrap(), end);
    for (name, sent, verifier) in ROLLED {
        let store = RwLock::new(verifier(keys(old)));
        let (by_new, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let (seconds, done) = (AtomicU64::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while !over.load(SeqCst) {
                        // The time first: when it is past the end, the gateway signs with the new key.
                        let at = start() + Duration::from_secs(seconds.load(SeqCst));
                        let signed_by = if by_new.load(SeqCst) { new } else { old };
                        let genuine = sent(&keys(signed_by), at);
                        let late = sent(&keys(old), at);
                        let store = store.read().unwrap();
                        assert!(store(&genuine), "{name}: a genuine message was refused");
                        assert_eq!(store(&late), at < end, "{name}: the old key at {at:?}");
                        done.fetch_add(1, SeqCst);
                    }
                });
            }
            let wait = || {
                let until = done.load(SeqCst) + AT_LEAST * THREADS;
                let begun = std::time::Instant::now();
                while done.load(SeqCst) < until {
                    assert!(begun.elapsed() < Duration::from_secs(60), "{name}: the threads stopped");
                    std::thread::yield_now();
                }
            };
            wait();
            *store.write().unwrap() = verifier(rolled.clone());
            wait();
            by_new.store(true, SeqCst);
            wait();
            seconds.store(3599, SeqCst);
            wait();
            seconds.store(3600, SeqCst);
            wait();
            over.store(true, SeqCst);
        });
    }
}

type Verifier = Box<dyn Fn(&Callback) -> bool + Send + Sync>;
type Sent = fn(&SigningKeys, std::time::SystemTime) -> Callback;
type Rolled = (&'static str, Sent, fn(SigningKeys) -> Verifier);

/// Each gateway that signs: a message of it, and its check under these keys.
const ROLLED: [Rolled; 3] = [
    (
        "stripe",
        |keys, at| posted(&[("stripe-signature", signature_header(keys, at, b"{}"))], "{}", at),
        |keys| {
            let key = kessai::ApiKey::new("sk_test_0123456789abcdef").unwrap();
            let addresses = kessai::Addresses::new("https://shop.example", "/pay/stripe").unwrap();
            let gateway = Stripe::builder(key, keys, addresses).build().unwrap();
            Box::new(move |callback| not_for_its_tag(gateway.verify(callback).err()))
        },
    ),
    (
        "komoju",
        |keys, at| {
            let tag = kessai::gateways::komoju::signature_header(keys, b"{}");
            posted(&[("x-komoju-signature", tag)], "{}", at)
        },
        |keys| {
            let key = kessai::ApiKey::new("sk_test_0123456789").unwrap();
            let addresses = kessai::Addresses::new("https://shop.example", "/pay/komoju").unwrap();
            let gateway = kessai::gateways::komoju::Komoju::builder(key, keys, addresses)
                .build()
                .unwrap();
            Box::new(move |callback| not_for_its_tag(gateway.verify(callback).err()))
        },
    ),
    (
        "sbps",
        |keys, at| {
            use kessai::gateways::sbps::{Channel, report_hash};
            let named = [("merchant_id", "99661"), ("service_id", "001")];
            let hash = report_hash(keys, Channel::Notification, &named).unwrap();
            posted(
                &[],
                &format!("merchant_id=99661&service_id=001&sps_hashcode={hash}"),
                at,
            )
        },
        |keys| {
            use kessai::gateways::sbps::{Channel, Sbps, ShopId};
            let addresses = kessai::Addresses::new("https://shop.example", "/pay/sbps").unwrap();
            let shop = ShopId::new("99661", "001").unwrap();
            let gateway = Sbps::builder(Environment::Sandbox, shop, keys, addresses)
                .notifications_settle()
                .build()
                .unwrap();
            Box::new(move |callback| not_for_its_tag(gateway.report(callback, Channel::Notification).err()))
        },
    ),
];

fn posted(headers: &[(&'static str, String)], body: &str, at: std::time::SystemTime) -> Callback {
    let mut request = http::Request::post("/pay/notification");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    Callback::new(request.body(Bytes::from(body.to_owned())).unwrap(), at).unwrap()
}

/// An empty message is genuine, and says nothing: it is the tag that counts here.
fn not_for_its_tag(refused: Option<VerifyError>) -> bool {
    matches!(refused, None | Some(VerifyError::Payload(_) | VerifyError::Missing(_)))
}
