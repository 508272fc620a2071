//! Every gateway of this crate on the bench of `kessai::conformance::gateway`. What is skipped says why.

mod faulty;
mod gmopg;
mod komoju;
mod sbps;
mod stripe;

use std::time::Duration;

use bytes::Bytes;
use kessai::conformance::gateway::{Bench, Case, Verdict, suite};
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{Addresses, Callback, CheckoutRequest, ExpectedPayment, LineItem, MerchantReference, Money, SigningKey};

use crate::support::{start, yen};

/// A key of ours whose time ended a minute ago, and one that still verifies for a day.
const PAST_KEY: &str = "whsec_0123456789abcdef0123456789OfThePast1";
const RETIRING_KEY: &str = "whsec_0123456789abcdef0123456789Retiring12";
const FOREIGN_KEY: &str = "whsec_0123456789abcdef0123456789OfAStranger";

fn key(text: &str) -> SigningKey {
    SigningKey::new(text).unwrap()
}

fn keys(current: &str) -> SigningKeys {
    SigningKeys::new(key(current))
        .and_until(key(RETIRING_KEY), start() + Duration::from_secs(86_400))
        .and_until(key(PAST_KEY), start() - Duration::from_secs(60))
}

fn one_key(text: &str) -> SigningKeys {
    SigningKeys::from_texts([text]).unwrap()
}

fn once() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    policy
}

fn tea() -> CheckoutRequest {
    of(yen(1980), None)
}

fn of(price: Money, valid_for: Option<Duration>) -> CheckoutRequest {
    let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
        .item(LineItem::new("Sencha", price, 1).unwrap());
    match valid_for {
        Some(valid_for) => request.valid_for(valid_for).build().unwrap(),
        None => request.build().unwrap(),
    }
}

/// Where the browser comes back to, without the store's origin.
fn way_back(addresses: &Addresses, expected: &ExpectedPayment, cancelled: bool) -> String {
    let url = if cancelled {
        addresses.cancel_url(expected)
    } else {
        addresses.return_url(expected)
    };
    url.strip_prefix("https://shop.example").unwrap().to_owned()
}

fn get(target: &str) -> Callback {
    let request = http::Request::get(target).body(Bytes::new()).unwrap();
    Callback::new(request, start()).unwrap()
}

fn post(target: &str, body: impl Into<Bytes>) -> Callback {
    let request = http::Request::post(target)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(body.into())
        .unwrap();
    Callback::new(request, start()).unwrap()
}

/// Runs the suite, prints its table, and holds it against what this gateway has shown before, so that no case is lost
/// without anybody noticing.
async fn passes(bench: &dyn Bench, skipped: usize, refused: usize) {
    let report = suite(bench).await;
    println!("{report}");
    assert_eq!(report.result(), Ok(()), "\n{report}");
    let found = report
        .cases
        .iter()
        .filter(|(_, verdict)| matches!(verdict, Verdict::Skipped(_)))
        .count();
    assert_eq!(found, skipped, "skipped cases:\n{report}");
    assert!(
        report.counts.refused >= refused,
        "fewer than {refused} were refused:\n{report}"
    );
    assert!(report.counts.refused > report.counts.accepted, "\n{report}");
    assert_eq!(report.cases.len(), Case::ALL.len());
}

#[test]
fn every_gateway_of_the_crate_is_on_the_bench() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in std::fs::read_dir(root.join("src/gateways")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let gateway = entry.file_name().into_string().unwrap();
            let bench = root.join(format!("tests/it/gateway_conformance/{gateway}.rs"));
            assert!(bench.exists(), "{gateway} has no bench");
        }
    }
}
