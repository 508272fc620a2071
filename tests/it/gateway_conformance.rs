//! The conformance suite for gateways, run for every gateway of this crate. A case that cannot be tried has a written reason,
//! and every gateway refuses more messages than it accepts.

mod gmopg;
mod komoju;
mod sbps;
mod stripe;

use std::sync::Arc;
use std::time::SystemTime;

use kessai::conformance::gateway::{
    Answer, Bench, Ended, From, Message, Report, Says, Script, Skip, Worth, cases, run_all,
};
use kessai::ledger::StoredAttempt;
use kessai::transport::RetryPolicy;
use kessai::{CheckoutRequest, Currency, ExpectedPayment, Gateway, LineItem, MerchantReference, Money};

use crate::support::yen;

/// The gateways of this crate. A new one adds a line.
pub fn benches() -> Vec<(&'static str, Arc<dyn Bench>)> {
    vec![
        ("gmopg", Arc::new(gmopg::Gmopg)),
        ("komoju", Arc::new(komoju::KomojuBench)),
        ("sbps, asking", Arc::new(sbps::SbpsBench { settles: false })),
        ("sbps, settling", Arc::new(sbps::SbpsBench { settles: true })),
        ("stripe", Arc::new(stripe::StripeBench)),
    ]
}

fn tea(order: &str) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(order).unwrap())
        .item(LineItem::new("Sencha", yen(1980), 1).unwrap())
        .build()
        .unwrap()
}

fn of(amount: Money) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new("ORD-1").unwrap())
        .total(amount)
        .build()
        .unwrap()
}

fn euros() -> CheckoutRequest {
    of(Money::new(1980, Currency::EUR))
}

fn once() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 1;
    policy
}

fn transport(script: &Script) -> Arc<Script> {
    Arc::new(script.clone())
}

#[tokio::test]
async fn every_gateway_passes_every_case_or_says_why_not() {
    for (name, bench) in benches() {
        let report: Report = run_all(bench.as_ref()).await;
        println!("{name}\n{report}\n");
        assert!(report.passed(), "{name}\n{report}");
        assert_eq!(report.cases.len(), cases().len());
        for (case, why) in report.skipped() {
            assert!(
                why.len() > 20 && why.contains(' '),
                "{name}, {case}: {why:?} is no reason"
            );
        }
        assert!(report.refused > report.accepted, "{name}\n{report}");
        assert!(report.refused >= 30, "{name}\n{report}");
    }
}

#[test]
fn every_gateway_of_the_crate_is_on_the_bench() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateways");
    let on_bench: Vec<&str> = benches().iter().map(|(name, _)| *name).collect();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let gateway = entry.file_name().into_string().unwrap();
            assert!(
                on_bench.iter().any(|name| name.starts_with(&gateway)),
                "{gateway} has no bench"
            );
        }
    }
}

/// The suite has to be able to fail: a bench that claims something else than the gateway does.
struct Claims(stripe::StripeBench);

impl Bench for Claims {
    fn gateway(&self, script: &Script) -> Result<Arc<dyn Gateway>, String> {
        self.0.gateway(script)
    }
    fn secrets(&self) -> Vec<String> {
        vec!["Stripe".to_owned()]
    }
    fn request(&self, order: &str) -> Result<CheckoutRequest, String> {
        self.0.request(order)
    }
    fn refused(&self) -> Vec<(&'static str, CheckoutRequest)> {
        vec![("an order like any other", tea("ORD-1"))]
    }
    fn created(&self, _expected: &ExpectedPayment) -> Option<Answer> {
        None
    }
    fn message(&self, about: &ExpectedPayment, says: Says, _from: From, at: SystemTime) -> Result<Message, Skip> {
        // What "another merchant" and "yesterday" sent is genuine here.
        self.0.message(about, says, From::Gateway, at)
    }
    fn returned(&self, about: &ExpectedPayment, forged: bool) -> Result<Message, Skip> {
        self.0.returned(about, forged)
    }
    fn status(&self, about: &StoredAttempt, _says: Says) -> Result<Vec<Answer>, Skip> {
        self.0.status(about, Says::Paid)
    }
    fn bound(&self, attempt: StoredAttempt) -> StoredAttempt {
        self.0.bound(attempt)
    }
    fn worth(&self, _says: Says) -> Worth {
        Worth::Hint
    }
    fn acknowledgements(&self) -> [(u16, &'static [u8]); 3] {
        [(200, b"OK"), (200, b"OK"), (200, b"OK")]
    }
}

#[tokio::test]
async fn the_suite_finds_what_is_wrong() {
    let report = run_all(&Claims(stripe::StripeBench)).await;
    let failed: Vec<&str> = report
        .cases
        .iter()
        .filter(|(_, ended)| matches!(ended, Ended::Failed(_)))
        .map(|(name, _)| *name)
        .collect();
    for case in [
        "it_says_the_same_of_itself_and_prints_no_secret",
        "what_it_cannot_take_is_refused_before_anything_is_sent",
        "a_checkout_carries_its_attempt_and_leads_to_an_allowed_page",
        "a_genuine_message_is_worth_what_it_must_be",
        "a_message_for_another_merchant_is_no_proof",
        "a_message_of_yesterday_is_refused",
        "acknowledgements_are_exact",
        "an_answer_says_what_the_gateway_says",
        "an_answer_about_another_attempt_is_never_about_this_one",
    ] {
        assert!(failed.contains(&case), "{case} found nothing\n{report}");
    }
}
