//! Our public signer judged by Stripe's SDKs, and theirs by our verifier. No mock gateway in between.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kessai::gateways::stripe::signature_header;
use kessai::sign::SigningKeys;
use kessai::{Callback, VerifyError};

use super::sdk::Sdk;
use crate::support::{SIGNING_SECRET, start};

const OTHER_SECRET: &str = "whsec_fedcba9876543210OtherSecret";

/// Bodies that a lossy reader, a re-encoder or a trimmer would change.
fn bodies() -> Vec<String> {
    let event = |more: &str| format!(r#"{{"id":"evt_1","object":"event","type":"x.y","livemode":false{more}}}"#);
    vec![
        event(""),
        event(r#","note":"煎茶 100 g — “税込”, 𠮷野家 \u0000 \ud83c\udf75""#),
        event(r#","amount":1.10, "big":12345678901234567890,"dup":1,"dup":2"#),
        format!("\r\n\t{}\r\n ", event("\r\n")),
        event(&format!(r#","long":"{}""#, "あ".repeat(20_000))),
    ]
}

fn keys(secrets: &[&str]) -> SigningKeys {
    SigningKeys::from_texts(secrets.iter().copied()).unwrap()
}

fn verify(secrets: &[&str], header: &str, body: &str, at: SystemTime) -> Result<(), VerifyError> {
    let stripe = kessai::gateways::stripe::Stripe::builder(
        kessai::ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        keys(secrets),
        kessai::Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    );
    let request = http::Request::post("/pay/stripe/notification")
        .header("Stripe-Signature", header)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    let callback = Callback::new(request, at).unwrap();
    stripe.build().unwrap().verify(&callback).map(|_| ())
}

#[tokio::test]
async fn what_our_signer_makes_both_sdks_accept() {
    for mut sdk in Sdk::all() {
        for body in bodies() {
            let header = signature_header(&keys(&[SIGNING_SECRET]), start(), body.as_bytes());
            for age in [0, 1, 299, 300] {
                let at = start() + Duration::from_secs(age);
                let event = sdk.construct_event(body.as_bytes(), &header, SIGNING_SECRET, at).await;
                assert_eq!(event.unwrap()["id"], "evt_1", "{} {age}", sdk.name);
            }
        }
    }
}

#[tokio::test]
async fn what_our_signer_makes_both_sdks_refuse_once_anything_is_changed() {
    for mut sdk in Sdk::all() {
        let body = &bodies()[1];
        let header = signature_header(&keys(&[SIGNING_SECRET]), start(), body.as_bytes());
        let older = signature_header(
            &keys(&[SIGNING_SECRET]),
            start() - Duration::from_secs(1),
            body.as_bytes(),
        );
        let (_, tag) = header.split_once(",v1=").unwrap();
        let cut = |text: &str, end: usize| text[..text.len() - end].to_owned();
        let refused = [
            ("another secret", body.clone(), header.clone(), OTHER_SECRET, 0),
            (
                "a secret without its prefix",
                body.clone(),
                header.clone(),
                &SIGNING_SECRET[6..],
                0,
            ),
            (
                "a body with a space more",
                format!("{body} "),
                header.clone(),
                SIGNING_SECRET,
                0,
            ),
            (
                "a body with a byte less",
                cut(body, 1),
                header.clone(),
                SIGNING_SECRET,
                0,
            ),
            (
                "another time",
                body.clone(),
                older.replace(older.split_once(",v1=").unwrap().1, tag),
                SIGNING_SECRET,
                0,
            ),
            (
                "a tag with a digit less",
                body.clone(),
                cut(&header, 1),
                SIGNING_SECRET,
                0,
            ),
            (
                "another scheme",
                body.clone(),
                header.replace("v1=", "v0="),
                SIGNING_SECRET,
                0,
            ),
            ("no header", body.clone(), String::new(), SIGNING_SECRET, 0),
            ("one second too old", body.clone(), header.clone(), SIGNING_SECRET, 301),
        ];
        for (what, body, header, secret, age) in refused {
            let at = start() + Duration::from_secs(age);
            let answer = sdk.construct_event(body.as_bytes(), &header, secret, at).await;
            let class = answer.map_err(|refused| refused.class);
            assert_eq!(class.unwrap_err(), "SignatureVerificationError", "{} {what}", sdk.name);
            // And so do we.
            assert!(verify(&[secret], &header, &body, at).is_err(), "{what}");
        }
    }
}

#[tokio::test]
async fn what_the_sdks_sign_we_accept_and_it_is_what_we_sign() {
    for mut sdk in Sdk::all() {
        for body in bodies() {
            let header = sdk.sign(body.as_bytes(), SIGNING_SECRET, start()).await;
            assert_eq!(
                header,
                signature_header(&keys(&[SIGNING_SECRET]), start(), body.as_bytes()),
                "{}",
                sdk.name
            );
            for age in [0, 300] {
                let at = start() + Duration::from_secs(age);
                assert_eq!(
                    verify(&[SIGNING_SECRET], &header, &body, at),
                    Ok(()),
                    "{} {body}",
                    sdk.name
                );
                assert_eq!(
                    verify(&[OTHER_SECRET, SIGNING_SECRET], &header, &body, at),
                    Ok(()),
                    "{}",
                    sdk.name
                );
            }
            let late = start() + Duration::from_secs(301);
            assert_eq!(
                verify(&[SIGNING_SECRET], &header, &body, late),
                Err(VerifyError::Stale),
                "{}",
                sdk.name
            );
            assert_eq!(
                verify(&[OTHER_SECRET], &header, &body, start()),
                Err(VerifyError::Mismatch),
                "{}",
                sdk.name
            );
            let changed = format!("{body} ");
            assert_eq!(
                verify(&[SIGNING_SECRET], &header, &changed, start()),
                Err(VerifyError::Mismatch)
            );
        }
    }
}

/// A secret that is being rolled signs beside the old one.
#[tokio::test]
async fn two_signatures_in_one_header_are_accepted_with_either_secret() {
    for mut sdk in Sdk::all() {
        let body = &bodies()[1];
        let one = sdk.sign(body.as_bytes(), SIGNING_SECRET, start()).await;
        let two = sdk.sign(body.as_bytes(), OTHER_SECRET, start()).await;
        let both = format!("{one},{}", two.split_once(',').unwrap().1);
        for secret in [SIGNING_SECRET, OTHER_SECRET] {
            assert!(
                sdk.construct_event(body.as_bytes(), &both, secret, start())
                    .await
                    .is_ok(),
                "{}",
                sdk.name
            );
            assert_eq!(verify(&[secret], &both, body, start()), Ok(()));
        }
        let third = "whsec_neither0123456789";
        assert!(
            sdk.construct_event(body.as_bytes(), &both, third, start())
                .await
                .is_err(),
            "{}",
            sdk.name
        );
        assert_eq!(verify(&[third], &both, body, start()), Err(VerifyError::Mismatch));
    }
}
