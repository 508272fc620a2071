//! The vectors say what Stripe's own libraries make of each callback. Here the libraries are asked.

use std::time::{Duration, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use serde_json::Value;

use super::sdk::Sdk;

#[tokio::test]
async fn the_sdks_judge_every_vector_as_it_says_they_do() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/stripe.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let by = [("node", "stripe-node 23.1.0"), ("python", "stripe-python 16.1.0")];
    for mut sdk in Sdk::all() {
        let (_, library) = by.iter().find(|(name, _)| *name == sdk.name).unwrap();
        let mut asked = 0;
        for case in &cases {
            let Some(official) = case["official"][*library].as_str() else {
                continue;
            };
            let what = format!("{library}: {}", case["name"]);
            let text = case["body"].as_str().unwrap();
            let body = match case["encoding"].as_str() {
                Some("base64") => Base64::decode_vec(text).unwrap(),
                _ => text.as_bytes().to_vec(),
            };
            // Frameworks look a header up by its name in any case, and give an empty text for none.
            let headers = case["headers"].as_array().unwrap().iter();
            let header = headers
                .filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case("stripe-signature"))
                .map(|pair| pair[1].as_str().unwrap())
                .collect::<Vec<_>>()
                .join(",");
            let at = UNIX_EPOCH + Duration::from_secs(case["now"].as_u64().unwrap());
            let mut accepted = false;
            for secret in case["secrets"]["signing_secrets"].as_array().unwrap() {
                let judged = sdk.construct_event(&body, &header, secret.as_str().unwrap(), at).await;
                // The libraries hand out whatever JSON was signed; that it is an event, the envelope has to say.
                accepted |= judged.is_ok_and(|event| event["object"] == "event");
            }
            assert_eq!(accepted, official == "valid", "{what}");
            asked += 1;
        }
        assert!(asked >= 31, "{library} was asked about {asked} vectors only");
    }
}
