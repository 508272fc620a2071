//! No secret in anything that prints. Everything is built with marker secrets, and every text that comes out of it is
//! searched for them: `Debug`, `Display`, chains of causes, the captured log, pages, replies, panics, and the file of the
//! ledger.

use std::error::Error as StdError;
use std::fmt::{Debug, Write as _};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::Encoding as _;
use bytes::Bytes;
use kessai::gateways::stripe::{Stripe, StripeBuilder, signature_header};
use kessai::ledger::{ExpectedPayment, Fulfilment, StoredAttempt};
use kessai::ledgers::{MemoryLedger, SqliteLedger};
use kessai::sign::{Mac, MacVerifier, SigningKeys};
use kessai::transport::{Call as _, Client, HttpTransport, RetryPolicy, TransportErrorKind};
use kessai::{
    Addresses, AllowedOrigins, ApiKey, Callback, Cashier, CheckoutRequest, Email, Environment, FormBody, Gateway as _,
    GatewayId, GatewayReference, IdempotencyKey, LineItem, Locale, MerchantAccount, MerchantReference, Nonce, Params,
    PostForm, Received, Redirect, RedirectUrl, ReturnToken, SharedToken, SigningKey, SweepPolicy, check_text,
    path_segment,
};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::support::scripted::Scripted;
use crate::support::world::{TestClock, created, event, session};
use crate::support::{start, yen};

const API_KEY: &str = "sk_test_Canary7ApiKey3f9a";
const SIGNING: &str = "whsec_Canary7Signing5b2c";
const RETIRING: &str = "whsec_Canary7Retiring81de";
const TOKEN: &str = "Canary7SharedToken66ab";
/// A gateway whose passwords are short.
const SHOP_PASSWORD: &str = "canary7pw";
/// In callbacks and answers, where nobody reads it.
const BODY: &str = "Canary7FreeText40cf";
const HEADER: &str = "Canary7Header19be";
const QUERY: &str = "Canary7Query77d0";
const EMAIL: &str = "canary7mail@shop.example";
const ITEM: &str = "Canary7ItemName2ac4";
/// In the address of the hosted payment page, which is a bearer token.
const PAGE: &str = "Canary7Page93ef";
const FIELD: &str = "Canary7FormField58aa";
/// In a setting that was put in the wrong place.
const SETTING: &str = "Canary7Setting0e1d";

/// Finds a marker in a text: as it is, as hexadecimal, as base64 in each of its three alignments, as a list of bytes, or
/// percent-encoded. Says in which form.
fn leak(text: &str, marker: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if lower.contains(&marker.to_ascii_lowercase()) {
        return Some("plain");
    }
    if lower.contains(&base16ct::lower::encode_string(marker.as_bytes())) {
        return Some("hex");
    }
    let numbers: Vec<String> = marker.bytes().map(|byte| byte.to_string()).collect();
    if text.contains(&numbers.join(", "))
        || text.contains(&numbers.join(","))
        || without_space(text).contains(&numbers.join(","))
    {
        return Some("bytes");
    }
    let escaped = marker.bytes().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "%{byte:02x}");
        text
    });
    if lower.contains(&escaped) {
        return Some("percent");
    }
    for shift in 0..3 {
        let shifted = [&b"\0\0\0"[..shift], marker.as_bytes()].concat();
        // The characters at both ends depend on the neighbours as well; those between are the marker's alone.
        let first = (shift * 8).div_ceil(6);
        let last = shifted.len() * 8 / 6;
        let plain = base64ct::Base64Unpadded::encode_string(&shifted);
        let url = base64ct::Base64UrlUnpadded::encode_string(&shifted);
        if text.contains(&plain[first..last]) || text.contains(&url[first..last]) {
            return Some("base64");
        }
    }
    None
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Texts that came out, each with where it came from.
#[derive(Default)]
struct Texts(Vec<(String, String)>);

impl Texts {
    fn text(&mut self, of: &str, text: impl Into<String>) {
        self.0.push((of.to_owned(), text.into()));
    }

    fn debug(&mut self, of: &str, value: &impl Debug) {
        self.text(of, format!("{value:?}"));
        self.text(of, format!("{value:#?}"));
    }

    fn error(&mut self, of: &str, error: &(dyn StdError + 'static)) {
        self.debug(of, &error);
        let mut next = Some(error);
        while let Some(error) = next {
            self.text(of, error.to_string());
            next = error.source();
        }
    }

    /// Fails with every place where a marker shows.
    fn hold_none_of(&self, markers: &[&str]) {
        assert!(!self.0.is_empty());
        let mut leaks = String::new();
        for (of, text) in &self.0 {
            for marker in markers {
                if let Some(form) = leak(text, marker) {
                    let _ = writeln!(leaks, "{of} shows {marker} ({form}): {text:.600}");
                }
            }
        }
        assert!(leaks.is_empty(), "{leaks}");
    }
}

const SECRETS: [&str; 5] = [API_KEY, SIGNING, RETIRING, TOKEN, SHOP_PASSWORD];
const ALL: [&str; 13] = [
    SHOP_PASSWORD,
    API_KEY,
    SIGNING,
    RETIRING,
    TOKEN,
    BODY,
    HEADER,
    QUERY,
    EMAIL,
    ITEM,
    PAGE,
    FIELD,
    SETTING,
];

fn keys() -> SigningKeys {
    SigningKeys::new(SigningKey::new(SIGNING).unwrap())
        .and_until(SigningKey::new(RETIRING).unwrap(), start() + Duration::from_secs(3600))
}

fn builder() -> StripeBuilder {
    Stripe::builder(
        ApiKey::new(API_KEY).unwrap(),
        keys(),
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    )
}

fn scripted() -> (Stripe, Scripted) {
    let script = Scripted::new();
    let mut policy = RetryPolicy::default();
    policy.tries = 2;
    let stripe = builder().transport(Arc::new(script.clone())).retry(policy);
    (stripe.build().unwrap(), script)
}

fn request() -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new(ITEM, yen(1980), 2).unwrap())
        .email(Email::new(EMAIL).unwrap())
        .locale(Locale::new("ja").unwrap())
        .build()
        .unwrap()
}

fn callback(target: &str, body: &str, signed_by: &SigningKeys) -> Callback {
    let request = http::Request::post(target)
        .header(
            "Stripe-Signature",
            signature_header(signed_by, start(), body.as_bytes()),
        )
        .header("X-Forwarded", HEADER)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    Callback::new(request, start()).unwrap()
}

fn stored(stripe: &Stripe) -> StoredAttempt {
    let mut stored = StoredAttempt::new(ExpectedPayment::plan(stripe, &request(), start()).unwrap());
    stored.checkout = Some(GatewayReference::new("cs_test_1").unwrap());
    stored.payment = Some(GatewayReference::new("pi_1").unwrap());
    stored
}

/// The event of this attempt's payment, with a text in it that nobody reads.
fn paid_body(attempt: &StoredAttempt) -> String {
    let mut object = session(attempt, "complete", "paid");
    object["customer_details"] = json!({"name": BODY, "email": EMAIL});
    event("evt_1", "checkout.session.completed", &object).to_string()
}

#[test]
fn the_detector_finds_a_leak_in_every_form_and_at_every_offset() {
    for before in ["", "a", "ab", "abc", "abcd"] {
        let text = format!("{before}{SIGNING}xyz");
        let bytes = text.as_bytes();
        let forms = [
            ("plain", text.clone()),
            ("plain", text.to_uppercase()),
            ("hex", base16ct::lower::encode_string(bytes)),
            ("hex", base16ct::upper::encode_string(bytes)),
            ("bytes", format!("{bytes:?}")),
            ("bytes", format!("{bytes:#?}")),
            ("base64", base64ct::Base64::encode_string(bytes)),
            ("base64", base64ct::Base64Url::encode_string(bytes)),
            (
                "percent",
                bytes
                    .iter()
                    .fold(String::new(), |text, byte| format!("{text}%{byte:02X}")),
            ),
        ];
        for (form, shown) in forms {
            assert_eq!(leak(&format!("({shown})"), SIGNING), Some(form), "{before} {shown}");
            assert_eq!(leak(&shown, RETIRING), None);
        }
    }
    assert_eq!(leak("nothing here", SIGNING), None);
    // And the search as a whole fails on one text among many.
    let mut texts = Texts::default();
    texts.debug("a secret", &SigningKey::new(SIGNING).unwrap());
    texts.hold_none_of(&ALL);
    texts.debug("a leaking type", &Some(SIGNING));
    assert!(catch_unwind(AssertUnwindSafe(|| texts.hold_none_of(&ALL))).is_err());
}

#[test]
fn the_markers_really_are_in_what_is_searched() {
    let (stripe, _) = scripted();
    let attempt = stored(&stripe);
    let call = stripe.create_session(&attempt.expected, &request());
    let sent = call.request().unwrap();
    let authorization = sent.headers()["authorization"].to_str().unwrap();
    assert_eq!(leak(authorization, API_KEY), Some("plain"));
    assert_eq!(leak(call.body().unwrap(), ITEM), Some("plain"));
    assert_eq!(leak(&call.body().unwrap().replace("%40", "@"), EMAIL), Some("plain"));
    let callback = callback(&format!("/pay?{QUERY}"), &paid_body(&attempt), &keys());
    assert_eq!(leak(std::str::from_utf8(callback.body()).unwrap(), BODY), Some("plain"));
    assert_eq!(leak(callback.target(), QUERY), Some("plain"));
    assert_eq!(
        leak(callback.headers()["x-forwarded"].to_str().unwrap(), HEADER),
        Some("plain")
    );
}

#[test]
fn nothing_that_holds_a_secret_prints_it() {
    let mut texts = Texts::default();
    texts.debug("SigningKey", &SigningKey::new(SIGNING).unwrap());
    texts.debug("ApiKey", &ApiKey::new(API_KEY).unwrap());
    texts.debug("SharedToken", &SharedToken::new(TOKEN).unwrap());
    texts.debug("SigningKeys", &keys());
    let verifier = MacVerifier::over(Mac::HmacSha256, &SigningKey::new(SIGNING).unwrap(), &[BODY.as_bytes()]);
    texts.debug("MacVerifier", &verifier);
    let (stripe, script) = scripted();
    texts.debug("Stripe", &stripe);
    texts.debug("StripeBuilder", &builder());
    texts.debug(
        "StripeBuilder with a transport",
        &builder().transport(Arc::new(script.clone())).version(SETTING),
    );
    texts.debug("Client", &Client::new(Arc::new(script), RetryPolicy::default()));
    texts.debug("HttpTransport", &HttpTransport::new().unwrap());

    let gmopg = || {
        kessai::gateways::gmopg::GmoPg::builder(
            MerchantAccount::new("tshop00000001").unwrap(),
            ApiKey::new(SHOP_PASSWORD).unwrap(),
            "shop01",
            Environment::Sandbox,
            Addresses::new("https://shop.example", "/pay/gmo").unwrap(),
        )
    };
    texts.debug("GmoPgBuilder", &gmopg());
    texts.debug("GmoPg", &gmopg().build().unwrap());

    let request = request();
    texts.debug("CheckoutRequest", &request);
    texts.debug("LineItem", &LineItem::new(ITEM, yen(1), 1).unwrap());
    texts.debug("Email", &Email::new(EMAIL).unwrap());
    let attempt = stored(&stripe);
    texts.debug("StoredAttempt", &attempt);
    texts.debug("ExpectedPayment", &attempt.expected);
    texts.debug("Fulfilment", &Fulfilment::of(&attempt.expected));
    let create = stripe.create_session(&attempt.expected, &request);
    texts.debug("CreateSession", &create);
    texts.debug("the headers of CreateSession", create.request().unwrap().headers());
    let retrieve = stripe.retrieve_session(&attempt, start()).unwrap();
    texts.debug("RetrieveSession", &retrieve);
    texts.debug("the request of RetrieveSession", &retrieve.request().unwrap());

    let allowed = AllowedOrigins::new(["https://checkout.stripe.com"]).unwrap();
    let url = RedirectUrl::new(format!("https://checkout.stripe.com/{PAGE}#{PAGE}"), &allowed).unwrap();
    let form = PostForm::new(url.clone()).field(FIELD, FIELD).unwrap();
    texts.debug("RedirectUrl", &url);
    texts.debug("PostForm", &form);
    texts.debug("Redirect::Get", &Redirect::Get(url.clone()));
    texts.debug("Redirect::Post", &Redirect::Post(form.clone()));
    texts.debug(
        "the redirect's response",
        &Redirect::Get(url).into_response(&Nonce::random().unwrap(), "Pay"),
    );
    texts.debug("Nonce", &Nonce::of_policy(FIELD).unwrap());

    let body = paid_body(&attempt);
    let callback = callback(&format!("/pay/stripe/notification?{QUERY}"), &body, &keys());
    texts.debug("Callback", &callback);
    let message = body.as_bytes();
    let tag = keys().sign(Mac::HmacSha256, &[message]);
    let proven = keys().verify(Mac::HmacSha256, b"", message, &[&tag], start()).unwrap();
    texts.debug("Verified bytes", &proven);
    let received = stripe.verify(&callback).map(Received::Proven).unwrap();
    texts.debug("Received", &received);
    if let Received::Proven(notification) = received {
        for event in notification.into_events() {
            texts.debug("Judgement", &attempt.judge(event));
        }
    }
    let query = format!("session_id=cs_test_1&x={QUERY}");
    texts.debug("Params", &Params::parse(query.as_bytes()).unwrap());
    texts.debug("FormBody", &FormBody::new().pair("x", FIELD));
    let returned = http::Request::get(format!("/pay/stripe/return?{query}"))
        .body(Bytes::new())
        .unwrap();
    texts.debug(
        "ReturnHint",
        &stripe.returned(&Callback::new(returned, start()).unwrap()).unwrap(),
    );

    // What an attempt is tied to the browser with, and what a signature is made of, print nowhere either.
    let state = attempt.expected.return_token.as_str();
    let hex = base16ct::lower::encode_string(&tag);
    let markers: Vec<&str> = ALL.iter().copied().chain([state, hex.as_str()]).collect();
    texts.hold_none_of(&markers);
}

#[test]
fn no_error_repeats_what_it_refuses() {
    let mut texts = Texts::default();
    let spaced = |text: &str| format!("{text}\n");
    for text in ["", " "] {
        texts.error("SecretError", &SigningKey::new(text).unwrap_err());
    }
    texts.error("SecretError", &SigningKey::new(spaced(SIGNING)).unwrap_err());
    texts.error("SecretError", &ApiKey::new(spaced(API_KEY)).unwrap_err());
    texts.error("SecretError", &ApiKey::new(format!("changeme{API_KEY}")).unwrap_err());
    texts.error(
        "signing keys",
        &SigningKeys::from_texts([SIGNING, &spaced(RETIRING)]).unwrap_err(),
    );
    texts.error("signing keys", &SigningKeys::from_texts([SIGNING; 6]).unwrap_err());

    let addresses = || Addresses::new("https://shop.example", "/pay").unwrap();
    let with_keys = |api: &str, signing: &str| {
        let keys = SigningKeys::from_texts([signing]).unwrap();
        Stripe::builder(ApiKey::new(api).unwrap(), keys, addresses())
            .build()
            .unwrap_err()
    };
    texts.error("swapped keys", &with_keys(SIGNING, API_KEY));
    texts.error("publishable key", &with_keys(&API_KEY.replace("sk_", "pk_"), SIGNING));
    texts.error("API key as signing key", &with_keys(API_KEY, API_KEY));
    for endpoint in [
        format!("https://user:{SETTING}@api.stripe.com"),
        format!("http://{SETTING}.example"),
        format!("https://api.stripe.com/?{SETTING}"),
        format!("https://api.stripe.com/{SETTING}"),
        SETTING.to_owned(),
    ] {
        texts.error("endpoint", &builder().endpoint(endpoint.clone()).build().unwrap_err());
        texts.error(
            "pages",
            &builder()
                .pages([format!("http://{SETTING}.example")])
                .build()
                .unwrap_err(),
        );
        texts.error(
            "Addresses",
            &Addresses::new(&endpoint.replace("https://api", "http://api"), "/pay").unwrap_err(),
        );
    }
    texts.error(
        "Addresses",
        &Addresses::new("https://shop.example", &format!("/{SETTING}?")).unwrap_err(),
    );
    texts.error(
        "version",
        &builder().version(format!("{SETTING}\r\n")).build().unwrap_err(),
    );
    texts.error("methods", &builder().methods([SETTING]).build().unwrap_err());

    let bad = format!("{ITEM}\u{7}");
    texts.error("LineItem", &LineItem::new(bad.clone(), yen(1), 1).unwrap_err());
    texts.error("LineItem", &LineItem::new(ITEM.repeat(50), yen(1), 1).unwrap_err());
    texts.error("Email", &Email::new(EMAIL.replace('@', "@@")).unwrap_err());
    texts.error("Locale", &Locale::new(ITEM.to_owned() + "!").unwrap_err());
    texts.error("MerchantReference", &MerchantReference::new(bad.clone()).unwrap_err());
    texts.error(
        "GatewayReference",
        &GatewayReference::new(format!("{ITEM} ")).unwrap_err(),
    );
    texts.error("IdempotencyKey", &IdempotencyKey::new(bad).unwrap_err());
    if let Err(error) = check_text("the note", &format!("{ITEM}: 4242 4242 4242 4242")) {
        texts.error("card data", &error);
    }
    texts.error("Params", &Params::parse(format!("x={QUERY}%").as_bytes()).unwrap_err());

    let allowed = AllowedOrigins::new(["https://checkout.stripe.com"]).unwrap();
    for address in [
        format!("https://{PAGE}.example/"),
        format!("http://checkout.stripe.com/{PAGE}"),
        format!("https://{PAGE}@checkout.stripe.com/"),
        format!("https://checkout.stripe.com/{PAGE} "),
    ] {
        texts.error("RedirectUrl", &RedirectUrl::new(address, &allowed).unwrap_err());
    }
    let url = RedirectUrl::new("https://checkout.stripe.com/", &allowed).unwrap();
    texts.error(
        "PostForm",
        &PostForm::new(url).field("x", format!("{FIELD}\n")).unwrap_err(),
    );

    let (stripe, _) = scripted();
    let attempt = stored(&stripe);
    let stranger = SigningKeys::from_texts(["whsec_of-somebody-else-000"]).unwrap();
    texts.error(
        "a forged callback",
        &stripe
            .verify(&callback("/", &paid_body(&attempt), &stranger))
            .unwrap_err(),
    );
    texts.error(
        "no event",
        &stripe
            .verify(&callback("/", &format!("{{\"id\":\"{BODY}\""), &keys()))
            .unwrap_err(),
    );
    let mut wide = http::Request::get(format!("/{}", QUERY.repeat(1000)))
        .body(Bytes::new())
        .unwrap();
    texts.error("Callback", &Callback::new(wide.clone(), start()).unwrap_err());
    *wide.uri_mut() = "/".parse().unwrap();
    wide.headers_mut().insert("content-encoding", HEADER.parse().unwrap());
    texts.error("Callback", &Callback::new(wide, start()).unwrap_err());
    texts.hold_none_of(&ALL);
}

#[tokio::test]
async fn no_failed_call_repeats_what_was_sent_or_answered() {
    let mut texts = Texts::default();
    let (stripe, script) = scripted();
    let attempt = stored(&stripe);
    // The gateway repeats our key and our texts, and the error does not.
    let echo = |kind: &str| {
        let message = format!("Invalid API Key provided: {API_KEY}; {ITEM}; {EMAIL}");
        json!({"error": {"type": kind, "message": message, "doc_url": PAGE, "request_log_url": PAGE, "param": "line_items[0]"}})
    };
    for status in [400, 401, 402, 403, 404, 409, 429, 500, 503] {
        script.answer(status, echo("invalid_request_error").to_string());
        script.answer(status, echo("invalid_request_error").to_string());
        texts.error("status", &stripe.status(&attempt, start()).await.unwrap_err());
        script.clear();
    }
    for answer in [
        BODY.to_owned(),
        format!("{{\"id\":\"{BODY}\"}}"),
        format!("{{\"id\":7,\"x\":\"{BODY}\"}}"),
    ] {
        script.answer(200, answer.clone());
        texts.error("status", &stripe.status(&attempt, start()).await.unwrap_err());
        script.answer(200, answer);
        texts.error(
            "checkout",
            &stripe.checkout(&attempt.expected, &request()).await.unwrap_err(),
        );
        script.clear();
    }
    let mut elsewhere = created(&request(), "cs_test_1");
    elsewhere["url"] = json!(format!("https://evil.example/{PAGE}"));
    script.answer(200, elsewhere.to_string());
    texts.error(
        "another page",
        &stripe.checkout(&attempt.expected, &request()).await.unwrap_err(),
    );
    for kind in [
        TransportErrorKind::Refused,
        TransportErrorKind::Connect,
        TransportErrorKind::Timeout,
        TransportErrorKind::Broken,
        TransportErrorKind::Reply,
    ] {
        script.fail(kind).fail(kind);
        texts.error("transport", &stripe.status(&attempt, start()).await.unwrap_err());
        script.clear();
    }

    // And over the real client, to a port where nobody listens.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let real = builder()
        .endpoint(format!("http://{closed}"))
        .retry(once)
        .build()
        .unwrap();
    let error = real.status(&attempt, start()).await.unwrap_err();
    texts.error("the real client", &error);
    texts.error(
        "the real client",
        &real.checkout(&attempt.expected, &request()).await.unwrap_err(),
    );
    texts.debug("Stripe over the real client", &real);
    let state = attempt.expected.return_token.as_str();
    let markers: Vec<&str> = ALL.iter().copied().chain([state, "/v1/checkout", "expand"]).collect();
    texts.hold_none_of(&markers);
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_whole_flow_leaves_no_secret_in_the_log_the_replies_the_debug_output_or_the_file() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut texts = Texts::default();
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(SqliteLedger::open(folder.path().join("ledger.db")).unwrap());
    let (stripe, script) = scripted();
    let cashier = Cashier::builder_over(ledger.clone())
        .gateway(stripe)
        .clock(TestClock::new())
        .build()
        .unwrap();
    let id = GatewayId::STRIPE;

    // Refused, then broken, then open.
    script.answer(
        401,
        json!({"error": {"type": "invalid_request_error", "message": API_KEY}}).to_string(),
    );
    texts.error("open, refused", &cashier.open(&request(), &id).await.unwrap_err());
    script.fail(TransportErrorKind::Broken).fail(TransportErrorKind::Broken);
    texts.error("open, broken", &cashier.open(&request(), &id).await.unwrap_err());
    script.clear();
    let mut answer = created(&request(), "cs_test_1");
    answer["url"] = json!(format!("https://checkout.stripe.com/{PAGE}"));
    script.answer(200, answer.to_string());
    let checkout = cashier.open(&request(), &id).await.unwrap();
    texts.debug("Checkout", &checkout);
    let nonce = Nonce::random().unwrap();
    let reply = checkout.redirect.into_response(&nonce, "Pay");
    texts.debug("the redirect", &reply);

    // Forged, foreign, old key, genuine, again.
    let attempt = cashier
        .ledger()
        .attempts_of(request().order())
        .await
        .unwrap()
        .pop()
        .unwrap();
    let body = paid_body(&attempt);
    let target = format!("/pay/stripe/notification?{QUERY}");
    let stranger = SigningKeys::from_texts(["whsec_of-somebody-else-000"]).unwrap();
    let retiring = SigningKeys::from_texts([RETIRING]).unwrap();
    let foreign = event(
        "evt_9",
        "checkout.session.completed",
        &json!({"id": "cs_other", "status": BODY, "livemode": false}),
    );
    let live = body.replace("\"livemode\":false", "\"livemode\":true");
    for (callback, status) in [
        (callback(&target, &body, &stranger), 400),
        (callback(&target, &format!("{{{BODY}"), &keys()), 400),
        (callback(&target, &foreign.to_string(), &keys()), 200),
        (callback(&target, &live, &keys()), 200),
        (callback(&target, &body, &retiring), 200),
        (callback(&target, &body, &keys()), 200),
    ] {
        let reply = cashier.callback(&id, callback).await;
        assert_eq!(reply.status(), status);
        texts.debug("the reply", &reply);
    }

    // Back with the right token by POST, with a wrong one, and with two.
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str().to_owned());
    for query in [
        format!("attempt={name}&state={state}&session_id=cs_test_1&x={QUERY}"),
        format!("attempt={name}&state={QUERY}"),
        format!("attempt={name}&state={state}&state={QUERY}"),
    ] {
        for method in ["GET", "POST"] {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("/pay/stripe/return?{query}"));
            let request = request
                .header("cookie", HEADER)
                .body(Bytes::from_static(BODY.as_bytes()))
                .unwrap();
            let page = cashier.returned(&id, Callback::new(request, start()).unwrap()).await;
            texts.debug("ReturnPage", &page);
        }
    }
    texts.debug("SweepReport", &cashier.sweep(&SweepPolicy::default()).await);
    let due = cashier.next_fulfilment().await.unwrap().expect("the order was paid");
    texts.debug("Due", &due);
    assert!(due.done().await.unwrap());

    texts.debug("Cashier", &cashier);
    texts.debug("the gateways", cashier.gateways());
    texts.debug("the ledger", &ledger);
    texts.debug("the memory ledger", &MemoryLedger::new());
    let records = cashier.ledger().timeline(attempt.reference()).await.unwrap();
    assert!(records.len() > 2);
    texts.debug("the timeline", &records);
    texts.text(
        "the timeline as JSON",
        format!("{:?}", cashier.ledger().held(100).await.unwrap()),
    );
    for marker in [state.as_str(), attempt.expected.idempotency_key.as_str()] {
        assert_eq!(leak(&log.text(), marker), None, "{}", log.text());
    }
    let log = log.text();
    assert!(
        log.contains("a callback was refused") && log.contains("a callback was applied"),
        "the log was captured: {log}"
    );
    texts.text("the log", log);
    let markers: Vec<&str> = ALL.iter().copied().chain([state.as_str()]).collect();
    texts.hold_none_of(&markers);

    // The file, and what is beside it. What ties the browser to the attempt is kept there, and nothing else of these.
    drop((cashier, ledger));
    let mut files = Texts::default();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        files.text(&path.display().to_string(), String::from_utf8_lossy(&bytes));
    }
    assert!(
        files
            .0
            .iter()
            .any(|(_, text)| text.contains(attempt.reference().as_str())),
        "the file was read"
    );
    files.hold_none_of(&ALL);
}

#[tokio::test]
async fn the_real_client_logs_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::debug!("the log is captured");
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    let stripe = builder()
        .endpoint(format!("http://{closed}"))
        .retry(policy)
        .build()
        .unwrap();
    let attempt = stored(&stripe);
    assert!(stripe.status(&attempt, start()).await.is_err());
    assert!(stripe.checkout(&attempt.expected, &request()).await.is_err());
    let mut texts = Texts::default();
    assert!(log.text().contains("the log is captured"));
    texts.text("the log", log.text());
    texts.hold_none_of(&ALL);
}

#[test]
fn a_page_and_a_reply_hold_only_what_was_put_into_them() {
    let (stripe, _) = scripted();
    let attempt = stored(&stripe);
    let allowed = AllowedOrigins::new(["https://pay.example"]).unwrap();
    let url = RedirectUrl::new("https://pay.example/post", &allowed).unwrap();
    let form = PostForm::new(url)
        .field("order", attempt.expected.order.as_str())
        .unwrap();
    let mut texts = Texts::default();
    let nonce = Nonce::random().unwrap();
    texts.text("the page", form.page(&nonce, "Pay"));
    let reply = Redirect::Post(form).into_response(&nonce, "Pay");
    texts.text("the reply", String::from_utf8_lossy(reply.body()));
    texts.debug("the reply's headers", reply.headers());
    let create = stripe.create_session(&attempt.expected, &request());
    // The form to the gateway holds the shopper's data, and none of the store's secrets.
    let mut secrets = Texts::default();
    secrets.text("the create call's form", create.body().unwrap());
    secrets.hold_none_of(&SECRETS);
    texts.text("a path", path_segment("cs_test_1"));
    let state = attempt.expected.return_token.as_str();
    let markers: Vec<&str> = ALL.iter().copied().chain([state]).collect();
    texts.hold_none_of(&markers);
}

/// What a slip in a store's code does with a value of ours.
fn unwrap_the_other<T: Debug>(value: T) {
    std::hint::black_box(Err::<(), T>(value)).unwrap();
}

#[test]
fn a_panic_over_any_of_it_says_nothing() {
    let (stripe, _) = scripted();
    let attempt = stored(&stripe);
    let body = paid_body(&attempt);
    let callback = callback("/", &body, &keys());
    let mut texts = Texts::default();
    let mut panics = |of: &str, run: &dyn Fn()| {
        let thrown = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
        let message = thrown.downcast_ref::<String>().cloned();
        texts.text(of, message.expect("a message with something in it"));
    };
    panics("Stripe", &|| unwrap_the_other(stripe.clone()));
    panics("SigningKeys", &|| unwrap_the_other(keys()));
    panics("ApiKey", &|| unwrap_the_other(ApiKey::new(API_KEY).unwrap()));
    panics("Callback", &|| unwrap_the_other(callback.clone()));
    panics("Received", &|| unwrap_the_other(stripe.verify(&callback)));
    panics("StoredAttempt", &|| unwrap_the_other(attempt.clone()));
    panics("ReturnToken", &|| unwrap_the_other(ReturnToken::random().unwrap()));
    panics("CheckoutRequest", &|| unwrap_the_other(request()));
    panics("a swapped key", &|| drop(builder().endpoint(SETTING).build().unwrap()));
    panics("CreateSession", &|| {
        unwrap_the_other(stripe.create_session(&attempt.expected, &request()));
    });
    let state = attempt.expected.return_token.as_str();
    let markers: Vec<&str> = ALL.iter().copied().chain([state]).collect();
    texts.hold_none_of(&markers);
}

#[tokio::test]
async fn a_signed_form_shows_its_hash_and_neither_the_key_nor_the_password() {
    use kessai::gateways::sbps::{Sbps, ShopId};

    const HASH_KEY: &str = "canary7hash0f3a7c5e19b24d6880aa5c3e71f2d4";
    let (script, mut texts) = (Scripted::new(), Texts::default());
    let shop = || {
        Sbps::builder(
            Environment::Sandbox,
            ShopId::new("99661", "001").unwrap(),
            SigningKeys::from_texts([HASH_KEY]).unwrap(),
            Addresses::new("https://shop.example", "/pay/sbps").unwrap(),
        )
        .api(ApiKey::new(API_KEY).unwrap())
        .transport(Arc::new(script.clone()))
    };
    texts.debug("SbpsBuilder", &shop());
    let sbps = shop().build().unwrap();
    texts.debug("Sbps", &sbps);
    // Without the e-mail address, which the form would hold because the shopper's own browser posts it.
    let tea = LineItem::new("Sencha 緑茶", yen(1980), 1).unwrap();
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap()).item(tea);
    let request = request.build().unwrap();
    let expected = ExpectedPayment::plan(&sbps, &request, start()).unwrap();
    let checkout = sbps.checkout(&expected, &request).await.unwrap();
    texts.debug("Checkout", &checkout);
    let Redirect::Post(form) = &checkout.redirect else {
        panic!("a form was expected")
    };
    let page = form.page(&Nonce::random().unwrap(), "Pay");
    assert!(page.contains("sps_hashcode"), "the form is signed");
    texts.text("the page", page);
    let reply = checkout.redirect.into_response(&Nonce::random().unwrap(), "Pay");
    texts.debug("the reply", &reply);
    texts.text("the reply's body", String::from_utf8_lossy(reply.body()));
    let markers: Vec<&str> = ALL.iter().copied().chain([HASH_KEY]).collect();
    texts.hold_none_of(&markers);
}
