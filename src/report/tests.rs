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
        writer.attempt(attempt, records, RowCheck::AsRecorded).unwrap();
    }
    writer.end(ChainNote::new(true, "3 records, intact")).unwrap();
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

/// A line of RFC 4180, read back: every value in quotes, a quote within doubled.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut chars) = (Vec::new(), line.chars().peekable());
    loop {
        assert_eq!(chars.next(), Some('"'), "{line}");
        let mut field = String::new();
        loop {
            match chars.next() {
                Some('"') if chars.peek() == Some(&'"') => field.extend(chars.next()),
                Some('"') => break,
                Some(c) => field.push(c),
                None => panic!("no end: {line}"),
            }
        }
        fields.push(field);
        match chars.next() {
            Some(',') => {}
            None => return fields,
            other => panic!("{other:?}: {line}"),
        }
    }
}

#[test]
fn nothing_in_a_name_breaks_out_of_its_place() {
    let window = Window::new(at(0), at(1000)).unwrap();
    for (nasty, in_a_table) in [
        ("=cmd|'/c_calc'!A0", "'=cmd|'/c_calc'!A0"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\"b,c", "a\"b,c"),
        ("\",\"=1+1", "\",\"=1+1"),
        ("&amp;\"onload='x'", "&amp;\"onload='x'"),
    ] {
        let mut attempts = sample("EC-1", "CUST-7");
        let stored = &mut attempts[0].0;
        stored.payment = Some(GatewayReference::new(nasty).unwrap());
        stored.expected.account = MerchantAccount::new(nasty).unwrap();
        let csv = written(Format::Csv, window, &attempts);
        assert_eq!(csv.lines().count(), 2, "{csv}");
        let (heading, line) = (csv.lines().next().unwrap(), csv.lines().nth(1).unwrap());
        let row: Vec<(String, String)> = fields(heading).into_iter().zip(fields(line)).collect();
        assert_eq!((row.len(), fields(line).len()), (16, 16), "{nasty}: {csv}");
        for name in ["account", "payment"] {
            let (_, value) = row.iter().find(|(heading, _)| heading == name).unwrap();
            assert_eq!(value, in_a_table, "{name}");
        }
        let html = written(Format::Html, window, &attempts);
        assert!(
            !html.contains("<script>") && !html.contains("\"onload"),
            "{nasty}: {html}"
        );
        let escaped = nasty.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        assert!(html.contains(&escaped.replace('"', "&quot;")), "{nasty}: {html}");
        let json = written(Format::Json, window, &attempts);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["attempts"][0]["payment"], nasty);
        assert_eq!(json["totals"][0]["account"], nasty);
    }
}

#[test]
fn every_format_says_which_row_is_not_as_recorded_and_the_end_says_how_many() {
    let window = Window::new(at(0), at(1000)).unwrap();
    let attempts = sample("EC-1", "CUST-7");
    for (check, word) in [
        (RowCheck::AsRecorded, "as_recorded"),
        (RowCheck::Outside, "as_recorded_outside"),
        (RowCheck::Differs("payment"), "differs: payment"),
    ] {
        for format in FORMATS {
            let mut out = Vec::new();
            let mut writer = ReportWriter::begin(format, window, &mut out).unwrap();
            writer.attempt(&attempts[0].0, &attempts[0].1, check).unwrap();
            let mut note = ChainNote::new(false, "one of 1 differs");
            note.differing = 1;
            let reported = writer.end(note.clone()).unwrap();
            assert_eq!((reported.chain, reported.totals.attempts()), (note, 1), "{format:?}");
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(word), "{format:?}: {text}");
            if format == Format::Json {
                let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(json["attempts"][0]["checked"], word);
                assert_eq!(
                    (&json["chain"]["differing"], &json["chain"]["outside"]),
                    (&1.into(), &0.into())
                );
            }
        }
    }
}

#[test]
fn ways_to_a_page_that_led_no_shopper_there_are_counted() {
    let window = Window::new(at(0), at(1000)).unwrap();
    let silent = attempt("EC-1", "C", PaymentStatus::Expired);
    let seen = attempt("EC-2", "C", PaymentStatus::Created);
    let never_sent = attempt("EC-3", "C", PaymentStatus::Failed);
    let record = |attempt: &StoredAttempt, second, kind| {
        Record::new(second, at(second), Some(attempt.reference().clone()), kind)
    };
    let expected = |attempt: &StoredAttempt| record(attempt, 1, RecordKind::expected(&attempt.expected));
    let opened = RecordKind::Opened {
        checkout: None,
        payment: None,
    };
    let rows = [
        (
            silent.clone(),
            vec![expected(&silent), record(&silent, 2, opened.clone())],
        ),
        // That the browser came back after the window is a sign, too.
        (
            seen.clone(),
            vec![
                expected(&seen),
                record(&seen, 2, opened),
                record(&seen, 2000, RecordKind::Returned { cancelled: false }),
            ],
        ),
        (
            never_sent.clone(),
            vec![
                expected(&never_sent),
                record(&never_sent, 2, RecordKind::Closed { refused: true }),
            ],
        ),
    ];
    for format in FORMATS {
        let mut out = Vec::new();
        let mut writer = ReportWriter::begin(format, window, &mut out).unwrap();
        for (attempt, records) in &rows {
            writer.attempt(attempt, records, RowCheck::AsRecorded).unwrap();
        }
        let totals = writer.end(ChainNote::new(true, "intact")).unwrap().totals;
        assert_eq!((totals.issued(), totals.never_opened()), (2, 1), "{format:?}");
        let text = String::from_utf8(out).unwrap();
        match format {
            Format::Json => {
                let json: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&json["issued"], &json["never_opened"]), (&2.into(), &1.into()));
                assert_eq!(json["totals"].as_array().unwrap().len(), 3);
                assert_eq!(json["attempts"][0]["shopper_seen"], false);
                assert_eq!(json["attempts"][1]["shopper_seen"], true);
            }
            Format::Csv => {
                let seen: Vec<String> = text.lines().skip(1).map(|line| fields(line)[14].clone()).collect();
                assert_eq!(seen, ["no", "yes", "no"]);
            }
            Format::Html => assert!(
                text.contains("2 ways to a page were given out, and 1 of them show no sign"),
                "{text}"
            ),
        }
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
        writer.attempt(&attempt, &records, RowCheck::AsRecorded).unwrap();
    }
    let totals = writer.end(ChainNote::new(false, "broken")).unwrap().totals;
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
