use std::time::{Duration, SystemTime};

use super::*;
use crate::checkout::CheckoutRequest;
use crate::ledger::{ExpectedPayment, RecordKind};
use crate::money::{Currency, Money};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, Environment};
use crate::reference::{
    CustomerReference, FulfilmentKey, GatewayId, GatewayReference, IdempotencyKey, MerchantAccount, MerchantReference,
    ReferenceFormat, ReturnToken,
};

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000 + second)
}

fn attempt(order: &str, customer: &str, status: PaymentStatus) -> StoredAttempt {
    let request = CheckoutRequest::builder(MerchantReference::new(order).unwrap())
        .total(Money::new(3960, Currency::JPY))
        .customer(CustomerReference::new(customer).unwrap())
        .build()
        .unwrap();
    let mut stored = StoredAttempt::new(ExpectedPayment {
        gateway: GatewayId::STRIPE,
        account: MerchantAccount::new("default").unwrap(),
        environment: Environment::Sandbox,
        order: request.order().clone(),
        attempt: AttemptReference::random(ReferenceFormat::RANDOM_128).unwrap(),
        amount: request.total(),
        capture: request.capture(),
        idempotency_key: IdempotencyKey::random().unwrap(),
        return_token: ReturnToken::random().unwrap(),
        content: request.content(),
        customer: request.customer().cloned(),
        created_at: at(0),
        expires_at: at(3600),
        expiry_asked: false,
    });
    stored.status = status;
    stored.payment = Some(GatewayReference::new("pi_3VectorIntent").unwrap());
    stored
}

fn story(attempt: &StoredAttempt) -> Vec<Record> {
    let key = FulfilmentKey::of(attempt.reference());
    let kinds = [
        RecordKind::expected(&attempt.expected),
        RecordKind::Returned { cancelled: false },
        RecordKind::Fulfilment { key },
    ];
    (0_u64..)
        .zip(kinds)
        .map(|(n, kind)| Record::new(n + 1, at(n * 100), Some(attempt.reference().clone()), kind))
        .collect()
}

fn written(format: Format, window: Window, attempts: &[(StoredAttempt, Vec<Record>)]) -> String {
    let mut out = Vec::new();
    let mut writer = ReportWriter::begin(format, window, &mut out).unwrap();
    for (attempt, records) in attempts {
        writer.attempt(attempt, records).unwrap();
    }
    writer.end(&ChainNote::new(true, "3 records, intact")).unwrap();
    String::from_utf8(out).unwrap()
}

fn sample(order: &str, customer: &str) -> Vec<(StoredAttempt, Vec<Record>)> {
    let paid = attempt(order, customer, PaymentStatus::Captured);
    let records = story(&paid);
    vec![(paid, records)]
}

const FORMATS: [Format; 3] = [Format::Json, Format::Csv, Format::Html];

#[test]
fn every_format_tells_the_attempt_and_no_secret_of_it_and_the_same_again() {
    let window = Window::new(at(0), at(200)).unwrap();
    let attempts = sample("EC-1", "CUST-7");
    let expected = &attempts[0].0.expected;
    for format in FORMATS {
        let text = written(format, window, &attempts);
        for told in [
            "EC-1",
            "CUST-7",
            expected.attempt.as_str(),
            "pi_3VectorIntent",
            "captured",
            "2026-11-23T02:1",
        ] {
            assert!(text.contains(told), "{format:?} lacks {told}: {text}");
        }
        for secret in [expected.return_token.as_str(), expected.idempotency_key.as_str()] {
            assert!(!text.contains(secret), "{format:?}");
        }
        assert_eq!(text, written(format, window, &attempts), "{format:?}");
    }
    let json: serde_json::Value = serde_json::from_str(&written(Format::Json, window, &attempts)).unwrap();
    // The third record is the first moment after the window.
    assert_eq!(json["attempts"][0]["records"].as_array().unwrap().len(), 2);
    assert_eq!(json["totals"][0]["attempts"], 1);
    assert_eq!(json["chain"]["intact"], true);
}

#[test]
fn nothing_in_a_name_breaks_out_of_its_place() {
    let window = Window::new(at(0), at(1000)).unwrap();
    for nasty in [
        "=cmd|'/c calc'!A0",
        "+1",
        "-1",
        "@SUM(A1)",
        "<script>alert(1)</script>",
        "a\"b,c",
    ] {
        let Ok(customer) = CustomerReference::new(nasty) else {
            continue;
        };
        let attempts = sample("EC-1", customer.as_str());
        let csv = written(Format::Csv, window, &attempts);
        let fields: Vec<&str> = csv.lines().nth(1).unwrap().split("\",\"").collect();
        assert_eq!(fields.len(), 14, "{nasty}: {csv}");
        assert!(!fields[1].starts_with(['=', '+', '-', '@']), "{nasty}");
        let html = written(Format::Html, window, &attempts);
        assert!(!html.contains("<script>"), "{nasty}");
        let json = written(Format::Json, window, &attempts);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["attempts"][0]["customer"], nasty);
    }
}

#[test]
fn a_window_that_ends_before_it_begins_is_refused_and_an_empty_one_is_a_report() {
    assert_eq!(Window::new(at(1), at(0)), Err(WindowError));
    let empty = Window::new(at(1), at(1)).unwrap();
    assert!(!empty.contains(at(1)));
    for format in FORMATS {
        assert!(!written(format, empty, &[]).is_empty());
    }
    let json: serde_json::Value = serde_json::from_str(&written(Format::Json, empty, &[])).unwrap();
    assert_eq!(
        (&json["count"], json["attempts"].as_array().unwrap().len()),
        (&0.into(), 0)
    );
}

#[test]
fn totals_are_by_gateway_account_and_state() {
    let mut out = Vec::new();
    let window = Window::new(at(0), at(1000)).unwrap();
    let mut writer = ReportWriter::begin(Format::Csv, window, &mut out).unwrap();
    for status in [PaymentStatus::Captured, PaymentStatus::Captured, PaymentStatus::Failed] {
        let attempt = attempt("EC-1", "C", status);
        let records = story(&attempt);
        writer.attempt(&attempt, &records).unwrap();
    }
    let totals = writer.end(&ChainNote::new(false, "broken")).unwrap();
    let lines: Vec<_> = totals
        .lines()
        .map(|line| (line.status, line.attempts, line.expected_minor_units))
        .collect();
    assert_eq!(
        lines,
        [("captured".to_owned(), 2, 7920), ("failed".to_owned(), 1, 3960)]
    );
    assert_eq!(totals.accounts().collect::<Vec<_>>(), [("stripe", "default")]);
}
