//! Checks a callback without any network: no HTTP client, no runtime, no ledger of ours.
//!
//! For a store that has an order machine of its own and wants only the proofs. In its manifest:
//!
//! ```toml
//! kessai = { version = "0.1", default-features = false, features = ["stripe"] }
//! ```
//!
//! `cargo run --example verify_only` plays both sides: the store that expects a payment, and Stripe that signs a message about
//! it. Then somebody else tries.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kessai::gateways::stripe::{Stripe, signature_header};
use kessai::sign::SigningKeys;
use kessai::{
    Addresses, ApiKey, Callback, CheckoutRequest, Currency, ExpectedPayment, LineItem, MerchantReference, Money,
};
use serde_json::json;

type Failure = Box<dyn std::error::Error>;

// These open nothing: they are the examples of the documentation. Yours come from where you keep secrets.
const API_KEY: &str = "sk_test_0123456789abcdefOfNoAccount";
const SIGNING_SECRET: &str = "whsec_0123456789abcdefOfNoEndpoint";

fn main() -> Result<(), Failure> {
    let addresses = Addresses::new("https://shop.example", "/pay/stripe")?;
    let stripe = Stripe::builder(
        ApiKey::new(API_KEY)?,
        SigningKeys::from_texts([SIGNING_SECRET])?,
        addresses,
    )
    .build()?;

    // 1. What is expected is written down before the shopper leaves. The body of the create call is plain data: send it with
    //    whatever client the store has.
    let order = CheckoutRequest::builder(MerchantReference::new("ORD-2026-000123")?)
        .item(LineItem::new("Sencha, 100 g", Money::new(1_980, Currency::JPY), 2)?)
        .build()?;
    let now = SystemTime::now();
    let expected = ExpectedPayment::plan(&stripe, &order, now)?;
    let create = stripe.create_session(&expected, &order);
    println!(
        "expected  {} for {}, {} bytes to send",
        expected.amount,
        expected.order,
        create.body()?.len()
    );

    // 2. A message arrives. It is a pile of bytes until the signature over these very bytes is checked.
    let body = message(&expected, 3_960);
    let keys = SigningKeys::from_texts([SIGNING_SECRET])?;
    let notification = stripe.verify(&callback(&signature_header(&keys, now, &body), &body, now)?)?;
    println!(
        "verified  {:?}, by {:?}",
        notification.value().kind.as_str(),
        notification.trust()
    );

    // 3. A genuine message can still be about something else: all eight things are compared.
    for event in notification.into_events() {
        let accepted = expected.accept(event)?;
        let status = accepted.event().value().snapshot.status;
        println!("accepted  {}: {status}, ship it once", expected.order);
    }

    // And what is refused.
    let stranger = SigningKeys::from_texts(["whsec_somebodyElsesSecret000"])?;
    let forged = callback(&signature_header(&stranger, now, &body), &body, now)?;
    refused("signed with another key", stripe.verify(&forged).err())?;

    let header = signature_header(&keys, now, &body);
    let altered = callback(&header, &message(&expected, 1), now)?;
    refused(
        "one yen, under the signature of another body",
        stripe.verify(&altered).err(),
    )?;

    let old = signature_header(&keys, now - Duration::from_secs(600), &body);
    refused("ten minutes old", stripe.verify(&callback(&old, &body, now)?).err())?;

    let cheap = message(&expected, 1);
    let genuine = stripe.verify(&callback(&signature_header(&keys, now, &cheap), &cheap, now)?)?;
    for event in genuine.into_events() {
        refused("genuine, and of one yen", expected.accept(event).err())?;
    }
    Ok(())
}

/// A request as a web framework hands it over. Keep the body as it came: parsed and written again it is another body.
fn callback(signature: &str, body: &Bytes, at: SystemTime) -> Result<Callback, Failure> {
    let request = http::Request::post("/pay/stripe/notification")
        .header("Stripe-Signature", signature)
        .body(body.clone())?;
    Ok(Callback::new(request, at)?)
}

/// What Stripe sends when a checkout was paid.
fn message(expected: &ExpectedPayment, yen: u64) -> Bytes {
    let (order, attempt) = (expected.order.as_str(), expected.attempt.as_str());
    Bytes::from(
        json!({
            "id": "evt_1ExampleOfAnEvent", "object": "event", "type": "checkout.session.completed",
            "created": 1_795_400_000, "livemode": false,
            "data": {"object": {
                "id": "cs_test_a1ExampleOfASession", "object": "checkout.session", "mode": "payment", "livemode": false,
                "status": "complete", "payment_status": "paid", "payment_intent": "pi_3ExampleOfAPayment",
                "amount_total": yen, "currency": "jpy", "client_reference_id": order,
                "metadata": {"order_id": order, "attempt_id": attempt},
            }},
        })
        .to_string(),
    )
}

/// A refusal is what this program expects here: it fails if there is none.
fn refused(what: &str, error: Option<impl std::error::Error>) -> Result<(), Failure> {
    let error = error.ok_or_else(|| format!("{what}: this should have been refused"))?;
    println!("refused   {what}: {error}");
    Ok(())
}
