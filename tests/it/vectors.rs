//! Every vector file against the code that ships. The files under `tests/vectors` run always; a directory named by
//! `KESSAI_VECTORS` runs too, in the same format.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `NAME.json` | callbacks, collected from the gateway's own libraries |
//! | `NAME-encoding.json` | parameters and the exact form they become |
//! | `NAME-own.json` | callbacks of our own, most of them to be refused |

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64ct::Encoding as _;
use bytes::Bytes;
use kessai::gateways::stripe::Stripe;
use kessai::sign::SigningKeys;
use kessai::{
    Addresses, ApiKey, Callback, CaptureMode, CheckoutRequest, Currency, Email, ExpectedPayment, FormBody, LineItem,
    Locale, MerchantReference, Money,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::support::scripted::Scripted;
use crate::support::stripe;
use crate::support::tree::Tree;

/// The gateways whose files are run. A new gateway adds one line here.
const GATEWAYS: &[(&str, Judge)] = &[
    ("stripe", stripe_case),
    ("gmopg", crate::gmopg::case),
    ("komoju", crate::komoju::case),
    ("sbps", crate::sbps::case),
];

/// Takes one case as it stands in the file and says in what it disagrees.
type Judge = fn(&RawValue) -> Result<(), String>;

/// What every case of every gateway has.
#[derive(Deserialize)]
struct Named {
    name: String,
}

fn stripe_case(case: &RawValue) -> Result<(), String> {
    let case: Case = serde_json::from_str(case.get()).map_err(|error| format!("is not a case: {error}"))?;
    judge(&case)
}

fn verify_stripe(case: &Case, callback: &Callback) -> Result<(), String> {
    let keys = SigningKeys::from_texts(&case.secrets.signing_secrets).map_err(|error| error.to_string())?;
    let stripe = Stripe::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        keys,
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    )
    // Nothing is sent, so no client is built.
    .transport(Arc::new(Scripted::new()))
    .build()
    .map_err(|error| error.to_string())?;
    stripe.verify(callback).map(drop).map_err(|error| error.to_string())
}

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: String,
    #[serde(default)]
    secrets: Secrets,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    encoding: String,
    body: String,
    now: Option<u64>,
    expect: Option<String>,
    params: Option<Tree>,
    pairs: Option<Vec<(String, String)>>,
}

#[derive(Default, Deserialize)]
struct Secrets {
    #[serde(default)]
    signing_secrets: Vec<String>,
}

/// What came out of a directory.
#[derive(Debug, Default)]
struct Outcome {
    /// `file: case`, for every case that was run.
    ran: Vec<String>,
    disagreements: Vec<String>,
    /// Files that are of no gateway here.
    unknown: Vec<String>,
}

impl Outcome {
    fn count(&self, file: &str) -> usize {
        self.ran
            .iter()
            .filter(|case| case.starts_with(&format!("{file}: ")))
            .count()
    }
}

/// Runs every vector file in a directory.
fn run(directory: &Path) -> Outcome {
    let mut outcome = Outcome::default();
    let mut names: Vec<String> = match fs::read_dir(directory) {
        Ok(entries) => entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect(),
        Err(error) => {
            outcome
                .disagreements
                .push(format!("{}: cannot be read: {error}", directory.display()));
            return outcome;
        }
    };
    names.sort();
    for file in names {
        let gateway = file.strip_suffix(".json").and_then(|stem| {
            GATEWAYS.iter().find(|(name, _)| {
                let rest = stem.strip_prefix(name);
                rest.is_some_and(|rest| matches!(rest, "" | "-encoding" | "-own"))
            })
        });
        let Some((_, judge)) = gateway else {
            outcome.unknown.push(file);
            continue;
        };
        let text = fs::read(directory.join(&file)).unwrap();
        match serde_json::from_slice::<Vec<Box<RawValue>>>(&text) {
            Ok(cases) => {
                for (at, case) in cases.iter().enumerate() {
                    let read = serde_json::from_str(case.get());
                    let name = read.map_or_else(|_| format!("number {at}"), |Named { name }| name);
                    if let Err(why) = judge(case) {
                        outcome.disagreements.push(format!("{file}: {name}: {why}"));
                    }
                    outcome.ran.push(format!("{file}: {name}"));
                }
            }
            Err(error) => outcome
                .disagreements
                .push(format!("{file}: is not a vector file: {error}")),
        }
    }
    outcome
}

fn judge(case: &Case) -> Result<(), String> {
    match case.kind.as_str() {
        "callback" => {
            let got = callback(case)?.and_then(|callback| verify_stripe(case, &callback));
            match (case.expect.as_deref(), got) {
                (Some("valid"), Ok(())) | (Some("invalid"), Err(_)) => Ok(()),
                (Some("valid"), Err(why)) => Err(format!("valid, and was refused: {why}")),
                (Some("invalid"), Ok(())) => Err("invalid, and was accepted".to_owned()),
                (other, _) => Err(format!("expects {other:?}, which is neither valid nor invalid")),
            }
        }
        "request_encoding" => encoding(case),
        other => Err(format!("is of the kind {other:?}, which nothing here runs")),
    }
}

/// The request as it would arrive. The inner error: it cannot even be taken in. The outer one: the case is no case.
fn callback(case: &Case) -> Result<Result<Callback, String>, String> {
    let body = match case.encoding.as_str() {
        "base64" => base64ct::Base64::decode_vec(&case.body).map_err(|_| "has a body that is not base64")?,
        "utf8" => case.body.clone().into_bytes(),
        other => return Err(format!("has an encoding of the name {other:?}")),
    };
    let now = UNIX_EPOCH + Duration::from_secs(case.now.ok_or("has no time")?);
    let mut request = http::Request::post("/pay/stripe/notification");
    for (name, value) in &case.headers {
        // As bytes, because a header is not bound to be text.
        request = request.header(name, value.as_bytes());
    }
    let request = request.body(Bytes::from(body)).map_err(|error| error.to_string());
    Ok(request.and_then(|request| Callback::new(request, now).map_err(|error| error.to_string())))
}

/// Writes the parameters with the encoder that writes every call, and holds the text and what a reader makes of it against
/// the case.
fn encoding(case: &Case) -> Result<(), String> {
    let (Some(params), Some(pairs)) = (&case.params, &case.pairs) else {
        return Err("has no params or no pairs".to_owned());
    };
    let flat = params.pairs();
    if flat != *pairs {
        return Err(format!("flattens to {flat:?}"));
    }
    let body = flat
        .iter()
        .fold(FormBody::new(), |form, (name, value)| form.pair(name, value))
        .into_string();
    if body != case.body {
        return Err(format!("is written as {body}"));
    }
    let read: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    if read != *pairs {
        return Err(format!("is read back as {read:?}"));
    }
    Ok(())
}

fn report(outcome: &Outcome) -> String {
    let mut text = format!("{} disagreements:\n", outcome.disagreements.len());
    for disagreement in &outcome.disagreements {
        let _ = writeln!(text, "  {disagreement}");
    }
    text
}

fn own() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"))
}

#[test]
fn every_vector_of_ours_agrees() {
    let outcome = run(own());
    assert!(outcome.disagreements.is_empty(), "{}", report(&outcome));
    assert_eq!(outcome.unknown, Vec::<String>::new());
    // So that it cannot pass on nothing.
    assert_eq!(outcome.count("gmopg.json"), 26);
    assert_eq!(outcome.count("komoju.json"), 24);
    assert_eq!(outcome.count("sbps.json"), 25);
    assert!(outcome.count("stripe.json") >= 31);
    assert!(outcome.count("stripe-encoding.json") >= 10);
    assert!(outcome.count("stripe-own.json") >= 200);
    let names: BTreeSet<&String> = outcome.ran.iter().collect();
    assert_eq!(names.len(), outcome.ran.len(), "two cases of one name");
}

#[test]
fn every_vector_of_the_named_directory_agrees() {
    let Some(directory) = std::env::var_os("KESSAI_VECTORS") else {
        println!("skipped: KESSAI_VECTORS names no directory");
        return;
    };
    let outcome = run(Path::new(&directory));
    for file in &outcome.unknown {
        println!("not run: {file} is of no gateway here");
    }
    println!("{} cases ran", outcome.ran.len());
    assert!(outcome.disagreements.is_empty(), "{}", report(&outcome));
    assert!(
        !outcome.ran.is_empty(),
        "no vector file of a gateway here is in the directory"
    );
}

/// Copies our files with one change, and runs the copy.
fn run_changed(file: &str, change: impl Fn(&mut serde_json::Value)) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read(own().join(file)).unwrap();
    let mut cases: serde_json::Value = serde_json::from_slice(&text).unwrap();
    change(&mut cases);
    fs::write(folder.path().join(file), cases.to_string()).unwrap();
    run(folder.path())
}

#[test]
fn a_file_that_disagrees_is_found_case_by_case() {
    // All verdicts turned around: as many disagreements as cases.
    let outcome = run_changed("stripe.json", |cases| {
        for case in cases.as_array_mut().unwrap() {
            let turned = if case["expect"] == "valid" { "invalid" } else { "valid" };
            case["expect"] = turned.into();
        }
    });
    assert_eq!(outcome.disagreements.len(), outcome.ran.len());
    assert!(outcome.ran.len() >= 31);
    let text = report(&outcome);
    assert!(
        text.contains("stripe.json: completed_paid_fresh: invalid, and was accepted"),
        "{text}"
    );
    assert!(
        text.contains("stripe.json: wrong_secret: valid, and was refused"),
        "{text}"
    );

    let one = |file: &str, at: usize, field: &str, to: serde_json::Value| {
        let outcome = run_changed(file, |cases| cases[at][field] = to.clone());
        assert_eq!(outcome.disagreements.len(), 1, "{file} {field}: {outcome:?}");
        outcome.disagreements[0].clone()
    };
    assert!(one("stripe.json", 0, "body", "{}".into()).contains("was refused"));
    assert!(one("stripe.json", 0, "now", 1_895_400_100_u64.into()).contains("tolerance"));
    assert!(one("stripe.json", 0, "expect", "maybe".into()).contains("neither"));
    assert!(one("stripe.json", 0, "kind", "return".into()).contains("nothing here runs"));
    assert!(one("stripe.json", 0, "now", serde_json::Value::Null).contains("no time"));
    assert!(one("stripe.json", 0, "encoding", "base64".into()).contains("not base64"));
    assert!(one("stripe.json", 0, "encoding", "latin1".into()).contains("of the name"));
}

#[test]
fn an_encoding_that_disagrees_is_found() {
    for (params, body, pairs, why) in [
        (r#"{"a":{"b":1}}"#, "a[b]=1", r#"[["a[b]","1"]]"#, None),
        (
            r#"{"a":{"b":1}}"#,
            "a[b]=2",
            r#"[["a[b]","1"]]"#,
            Some("is written as a[b]=1"),
        ),
        (
            r#"{"a":{"b":1}}"#,
            "a%5Bb%5D=1",
            r#"[["a[b]","1"]]"#,
            Some("is written as a[b]=1"),
        ),
        (
            r#"{"b":1,"a":2}"#,
            "a=2&b=1",
            r#"[["b","1"],["a","2"]]"#,
            Some("is written as b=1&a=2"),
        ),
        (r#"{"a":[1]}"#, "a[]=1", r#"[["a[]","1"]]"#, Some("flattens to")),
        ("null", "", "[]", Some("no params")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let case =
            format!(r#"[{{"name":"x","kind":"request_encoding","params":{params},"body":"{body}","pairs":{pairs}}}]"#);
        fs::write(folder.path().join("stripe-encoding.json"), case).unwrap();
        let outcome = run(folder.path());
        assert_eq!(outcome.ran.len(), 1);
        match why {
            None => assert!(outcome.disagreements.is_empty(), "{params} {body}: {outcome:?}"),
            Some(why) => {
                assert_eq!(outcome.disagreements.len(), 1, "{params} {body}");
                assert!(outcome.disagreements[0].contains(why), "{outcome:?}");
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_disagreement_and_an_unknown_one_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("stripe.json", "not json"),
        ("stripe-own.json", "{}"),
        ("stripe-certs.json", "[]"),
        ("stripes.json", "[]"),
        ("nobody.json", "[]"),
        ("stripe.txt", ""),
    ] {
        fs::write(folder.path().join(file), text).unwrap();
    }
    let outcome = run(folder.path());
    assert_eq!(outcome.disagreements.len(), 2, "{outcome:?}");
    assert_eq!(
        outcome.unknown,
        ["nobody.json", "stripe-certs.json", "stripe.txt", "stripes.json"]
    );
    assert_eq!(run(&folder.path().join("none")).disagreements.len(), 1);
}
#[test]
fn what_is_signed_and_is_no_event_is_refused_for_what_it_says() {
    // A slip in a case of ours would refuse it for its signature, and the reader would never be asked.
    let text = fs::read(own().join("stripe-own.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&text).unwrap();
    let mut count = 0;
    for case in cases.iter().filter(|case| case.name.starts_with("signed_")) {
        let refused = callback(case)
            .unwrap()
            .and_then(|callback| verify_stripe(case, &callback));
        let why = refused.unwrap_err();
        assert_eq!(
            why.starts_with("signed, but"),
            case.name != "signed_over_64_kib",
            "{}: {why}",
            case.name
        );
        count += 1;
    }
    assert!(count >= 90, "{count}");
}

#[test]
fn the_create_call_writes_the_very_bytes_of_the_encoding_vectors() {
    let text = fs::read(own().join("stripe-encoding.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_slice(&text).unwrap();
    let case = cases.iter().find(|case| case.name == "checkout_full").unwrap();

    let jpy = |amount| Money::new(amount, Currency::JPY);
    let request = CheckoutRequest::builder(MerchantReference::new("ORD-1001").unwrap())
        .item(LineItem::new("Tea 緑茶", jpy(500), 2).unwrap())
        .item(LineItem::new("O'Neil (gift)*!", jpy(0), 1).unwrap())
        .email(Email::new("a+b@example.com").unwrap())
        .locale(Locale::new("pt-BR").unwrap())
        .capture(CaptureMode::Manual)
        .valid_for(Duration::from_secs(24 * 3600))
        .build()
        .unwrap();
    let stripe = stripe()
        .methods(["card", "link"])
        .transport(Arc::new(Scripted::new()))
        .build()
        .unwrap();
    let at = UNIX_EPOCH + Duration::from_secs(1_795_400_000);
    let expected = ExpectedPayment::plan(&stripe, &request, at).unwrap();
    let call = stripe.create_session(&expected, &request);
    let sent: Vec<&str> = call.body().unwrap().split('&').collect();

    // The addresses are ours, and the entry that we never write is not there.
    let not_ours = |pair: &str| {
        ["success_url=", "cancel_url=", "metadata[key%20with%20space]="]
            .iter()
            .any(|name| pair.starts_with(name))
    };
    let wanted: Vec<&str> = case.body.split('&').filter(|pair| !not_ours(pair)).collect();
    assert_eq!(wanted.len(), 18);
    for pair in wanted {
        assert!(sent.contains(&pair), "{pair} is not among {sent:?}");
    }
    assert_eq!(
        sent.len(),
        18 + 2 + 2,
        "two addresses, and the attempt in two places: {sent:?}"
    );
}
