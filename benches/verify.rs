//! What it costs to prove a webhook: Stripe's whole path from the request as it came to the notification, beside its floor.
//! The floor is what nobody can leave out: HMAC-SHA-256 over the same bytes, and one borrowed parse of the same fields.
//!
//! `cargo bench --bench verify`
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people who measure"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use hmac::{Hmac, KeyInit, Mac as _};
use kessai::gateways::stripe::{Stripe, signature_header};
use kessai::sign::SigningKeys;
use kessai::{Addresses, ApiKey, Callback};
use serde::Deserialize;
use sha2::Sha256;

const SECRET: &str = "whsec_0123456789abcdefBench";
const SECONDS: u64 = 1_795_400_000;
const ROUNDS: usize = 200;

fn main() {
    let keys = SigningKeys::from_texts([SECRET]).unwrap();
    let stripe = Stripe::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        keys.clone(),
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    )
    .build()
    .unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(SECONDS);

    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let mut lines = Vec::new();
    for size in [1024, 4 * 1024, 64 * 1024] {
        let body = event(size);
        let request = http::Request::post("/pay/stripe/notification")
            .header("Stripe-Signature", signature_header(&keys, at, body.as_bytes()))
            .header("Content-Type", "application/json; charset=utf-8")
            .body(Bytes::from(body.clone()))
            .unwrap();
        let callback = Callback::new(request, at).unwrap();
        let mac = keyed().chain_update(format!("{SECONDS}.")).chain_update(&body);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let verify = || stripe.verify(black_box(&callback)).unwrap().into_value().events.len();
        let floor = || floor(black_box(body.as_bytes()), black_box(&tag));
        assert_eq!((verify(), floor()), (1, 3960));

        let mut group = criterion.benchmark_group(format!("{size} bytes"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("verify", |bencher| bencher.iter(verify));
        group.bench_function("floor", |bencher| bencher.iter(floor));
        group.finish();

        // In turns, so that whatever else the machine does hits both; the middle of many rounds, so that one bad one does
        // not count.
        let count = 2_000_000 / size;
        let mut rounds: Vec<(Duration, Duration)> =
            (0..ROUNDS).map(|_| (time(count, verify), time(count, floor))).collect();
        let mut middle = |of: fn(&(Duration, Duration)) -> f64| {
            rounds.sort_by(|one, other| of(one).total_cmp(&of(other)));
            rounds.get(ROUNDS / 2).map_or(0.0, of)
        };
        let each = 1e9 / f64::from(u32::try_from(count).unwrap());
        let ratio = middle(|(verify, floor)| verify.as_secs_f64() / floor.as_secs_f64());
        let (verify, floor) = (
            middle(|round| round.0.as_secs_f64()),
            middle(|round| round.1.as_secs_f64()),
        );
        lines.push(format!(
            "{size:>6} bytes: verify {:.0} ns, floor {:.0} ns, ratio {ratio:.2}",
            verify * each,
            floor * each
        ));
    }
    for line in lines {
        println!("{line}");
    }
}

fn time<T>(count: usize, mut run: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        black_box(run());
    }
    start.elapsed()
}

fn keyed() -> Hmac<Sha256> {
    Hmac::new_from_slice(SECRET.as_bytes()).unwrap()
}

/// The floor.
fn floor(body: &[u8], tag: &[u8; 32]) -> u64 {
    let mac = keyed().chain_update(b"1795400000.").chain_update(body);
    mac.verify_slice(tag).unwrap();
    let event: Event<'_> = serde_json::from_slice(body).unwrap();
    let session = &event.data.object;
    let metadata = &session.metadata;
    for text in [
        event.id,
        event.object,
        event.kind,
        event.api_version,
        session.id,
        session.mode,
        session.status,
    ] {
        black_box(text);
    }
    for text in [
        session.payment_status,
        session.payment_intent,
        session.currency,
        session.client_reference_id,
    ] {
        black_box(text);
    }
    black_box((
        metadata.order_id,
        metadata.attempt_id,
        event.created,
        event.livemode,
        session.livemode,
    ));
    session.amount_total
}

#[derive(Deserialize)]
struct Event<'a> {
    id: &'a str,
    object: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    created: u64,
    livemode: bool,
    api_version: &'a str,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Session<'a>,
}

#[derive(Deserialize)]
struct Session<'a> {
    id: &'a str,
    mode: &'a str,
    status: &'a str,
    payment_status: &'a str,
    payment_intent: &'a str,
    amount_total: u64,
    currency: &'a str,
    livemode: bool,
    client_reference_id: &'a str,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    order_id: &'a str,
    attempt_id: &'a str,
}

/// A session that was paid, written as Stripe writes it, with line items that nobody reads up to the size.
fn event(size: usize) -> String {
    let head = r#"{
  "id": "evt_1BenchBenchBench",
  "object": "event",
  "api_version": "2026-10-28.endive",
  "created": 1795399999,
  "data": {
    "object": {
      "id": "cs_test_a1BenchSession",
      "object": "checkout.session",
      "amount_total": 3960,
      "client_reference_id": "EC-2026-1",
      "currency": "jpy",
      "livemode": false,
      "metadata": {
        "order_id": "EC-2026-1",
        "attempt_id": "4f6f0d8e5a0b4bb49a536a9f8c1a2b3c"
      },
      "mode": "payment",
      "payment_intent": "pi_3BenchIntent",
      "payment_status": "paid",
      "status": "complete",
      "line_items": ["#;
    let tail = "]\n    }\n  },\n  \"livemode\": false,\n  \"type\": \"checkout.session.completed\"\n}";
    let mut body = head.to_owned();
    for number in 0.. {
        let mut item = String::new();
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            item,
            "{comma}\n        {{\n          \"id\": \"li_{number}\",\n          \"quantity\": 1,\n          \"description\": \"Sencha 緑茶\"\n        }}"
        );
        if body.len() + item.len() + tail.len() > size {
            break;
        }
        body.push_str(&item);
    }
    let spaces = size - body.len() - tail.len();
    body.push_str(&" ".repeat(spaces));
    body.push_str(tail);
    assert_eq!(body.len(), size);
    body
}
