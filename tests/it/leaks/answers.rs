//! Answers of the gateways' APIs that repeat what no log may hold: our own secrets, in any writing, and card numbers. Errors are what
//! they are without a word of it, and a success that holds a secret is none.

use std::sync::Arc;

use super::players::{Answer, Says};
use kessai::ledger::StoredAttempt;
use kessai::transport::RetryPolicy;
use kessai::{Error, ErrorKind, Gateway, IdempotencyKey, Outcome};
use serde_json::{Value, json};

use super::disguises::{NUMBERS, disguises};
use super::outputs::Outputs;
use super::players::players;
use super::setup::Stage;
use crate::support::forms::{base64, hex, percent};
use crate::support::scripted::Scripted;
use crate::support::{order, start, stripe};

/// Error answers of every gateway's shape, with this text wherever a word of theirs can stand.
fn complaints(text: &str) -> Vec<(&'static str, String)> {
    let form: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let xml = text.replace('&', "&amp;").replace('<', "&lt;");
    let sbps = |id: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"Shift_JIS\"?><sps-api-response id=\"{id}\"><res_result>NG</res_result>\
             <res_err_code>{xml}</res_err_code><res_date>{xml}</res_date></sps-api-response>"
        )
    };
    let all = json!({"error": {
        "type": text, "code": text, "message": text, "param": text, "doc_url": text, "decline_code": text, "details": {"x": text},
    }});
    let within = format!("Invalid API Key provided: {text}.");
    let json = "application/json";
    vec![
        (json, all.to_string()),
        (
            json,
            json!({"error": {"type": "invalid_request_error", "message": within, "param": within}}).to_string(),
        ),
        (json, json!({"error": {"code": within, "message": "x"}}).to_string()),
        (json, json!([{"ErrCode": text, "ErrInfo": text}]).to_string()),
        (json, json!([{"errCode": "E01", "errInfo": within}]).to_string()),
        (json, json!({"status": text, "id": 7, "url": 7}).to_string()),
        ("text/plain", format!("ErrCode={text}&ErrInfo={text}")),
        ("text/plain", format!("ErrCode={form}&ErrInfo=E01|{form}")),
        ("text/xml", sbps("MG01-00101-101")),
        ("text/xml", sbps("ST02-00201-101")),
        ("text/html", format!("<html><body>{xml}</body></html>")),
        ("text/plain", text.to_owned()),
    ]
}

/// Every call that the gateway can be made to send about an attempt.
pub async fn call_all(stage: &Stage, attempt: &StoredAttempt, answer: &Answer, outputs: &mut Outputs) -> usize {
    let (gateway, script, at) = (&stage.gateway, &stage.script, start());
    let key = IdempotencyKey::new("kessai-0123456789abcdef0123456789").unwrap();
    let can = gateway.abilities();
    let ready = || {
        let _ = script.take_asked();
        script.answer([answer.clone(), answer.clone(), answer.clone()]);
    };
    let mut failed = 0;
    let mut take = |result: Result<String, Error>| match result {
        Ok(shown) => outputs.bytes("debug", shown),
        Err(error) => {
            failed += 1;
            outputs.error(&error);
            for word in [error.code(), error.field(), error.request_id()].into_iter().flatten() {
                outputs.bytes("words of errors", word);
            }
        }
    };
    ready();
    take(gateway.status(attempt, at).await.map(|event| format!("{event:?}")));
    if let Some(expire) = can.expire {
        ready();
        take(expire.expire(attempt, at).await.map(|event| format!("{event:?}")));
    }
    if let Some(capture) = can.capture {
        ready();
        take(capture.capture(attempt, None, &key, at).await.map(|()| String::new()));
    }
    if let Some(void) = can.void {
        ready();
        take(void.void(attempt, &key, at).await.map(|()| String::new()));
    }
    if let Some(refund) = can.refund {
        ready();
        take(
            refund
                .refund(attempt, None, &key, at)
                .await
                .map(|receipt| format!("{receipt:?}")),
        );
    }
    ready();
    let request = stage.player.request(attempt.expected.order.as_str()).unwrap();
    let made = gateway.checkout(&attempt.expected, &request).await;
    take(made.map(|checkout| format!("{checkout:?}")));
    failed
}

/// In which writings a gateway may repeat a secret.
fn writings(secret: &str) -> Vec<String> {
    let json = secret
        .chars()
        .fold(String::new(), |out, c| format!("{out}\\u{:04x}", u32::from(c)));
    vec![
        secret.to_owned(),
        secret.to_uppercase(),
        hex(secret),
        percent(secret),
        base64(secret),
        base64(&format!("{secret}:")),
        base64(&format!("user:{secret}")),
        json,
    ]
}

#[tokio::test]
async fn no_error_answer_of_any_gateway_brings_a_secret_or_a_card_into_an_error() {
    for (name, player) in players() {
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        let attempt = stage
            .opened(&stage.player.request("ORD-1").unwrap(), &mut outputs)
            .await;
        let secrets = stage.player.secrets();
        let cards = NUMBERS
            .iter()
            .flat_map(|number| disguises(number))
            .map(|(_, text)| text);
        // Fifteen and the number of disguises have no divisor in common, so all sorts are among them.
        let cards: Vec<String> = cards.step_by(15).collect();
        let texts = secrets
            .iter()
            .flat_map(|secret| writings(secret))
            .chain(cards.iter().cloned());
        let mut failed = 0;
        for (n, text) in texts.enumerate() {
            for (m, (mime, body)) in complaints(&text).into_iter().enumerate() {
                // All of them as they come with a refusal, and in turn with everything else.
                let other = [200, 401, 402, 403, 404, 409, 422, 429, 500, 503][(n + m) % 10];
                let statuses = if n < 8 * secrets.len() {
                    &[400, other][..]
                } else {
                    &[other]
                };
                for status in statuses.iter().copied() {
                    let answer = Answer {
                        status,
                        mime,
                        body: body.clone().into_bytes(),
                    };
                    failed += call_all(&stage, &attempt, &answer, &mut outputs).await;
                }
            }
        }
        println!("{name}: {failed} failed calls");
        assert!(
            failed > 1000 || stage.player.status(&attempt, Says::Paid).is_err(),
            "{name}: {failed}"
        );
        stage.end(&mut outputs).await;
        let values = secrets.iter().chain(&cards).map(String::as_str);
        outputs.show_none_of(&values.chain(NUMBERS).collect::<Vec<_>>());
    }
}

/// Each answer with one text in it replaced, of those that are read as words.
pub fn tampered(answer: &Answer, text: &str, ids_too: bool) -> Vec<Answer> {
    let is_id = |name: &str| {
        let name = name.to_ascii_lowercase();
        [
            "id",
            "url",
            "order",
            "intent",
            "attempt",
            "session",
            "secret",
            "reference",
        ]
        .iter()
        .any(|part| name.contains(part))
    };
    let with = |body: String| Answer {
        body: body.into_bytes(),
        ..answer.clone()
    };
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    if let Ok(value) = serde_json::from_str::<Value>(&body) {
        let mut places = Vec::new();
        leaves(&value, &mut String::new(), &mut places);
        let places = places.into_iter().filter(|place| ids_too || !is_id(place));
        return places
            .map(|place| {
                let mut value = value.clone();
                *value.pointer_mut(&place).unwrap() = text.into();
                with(value.to_string())
            })
            .collect();
    }
    if answer.mime.starts_with("text/plain") {
        let pairs: Vec<&str> = body.split('&').collect();
        let places = (0..pairs.len()).filter(|n| ids_too || !is_id(pairs[*n].split('=').next().unwrap()));
        return places
            .map(|n| {
                let mut pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
                let name = pairs[n].split('=').next().unwrap().to_owned();
                pairs[n] = format!("{name}={text}");
                with(pairs.join("&"))
            })
            .collect();
    }
    // An XML answer: the text of each element.
    let ends = body.match_indices("</").map(|(end, _)| end);
    ends.filter_map(|end| {
        let begin = body[..end].rfind('>')? + 1;
        let name = body[..begin].rsplit('<').next()?;
        (ids_too || !is_id(name)).then(|| with(format!("{}{text}{}", &body[..begin], &body[end..])))
    })
    .collect()
}

fn leaves(value: &Value, at: &mut String, places: &mut Vec<String>) {
    let mut inside = |name: &str, value: &Value| {
        let length = at.len();
        at.push('/');
        at.push_str(name);
        leaves(value, at, places);
        at.truncate(length);
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| inside(name, value)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(n, value)| inside(&n.to_string(), value)),
        _ => places.push(at.clone()),
    }
}

#[tokio::test]
async fn no_good_answer_with_a_secret_or_a_card_in_a_word_brings_it_further() {
    for (name, player) in players() {
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        let attempt = stage
            .opened(&stage.player.request("ORD-1").unwrap(), &mut outputs)
            .await;
        let secrets = stage.player.secrets();
        let mut answers: Vec<Answer> = stage.player.created(&attempt.expected).into_iter().collect();
        answers.extend(stage.player.status(&attempt, Says::Paid).unwrap_or_default());
        let mut tried = 0;
        for answer in &answers {
            for secret in &secrets {
                for writing in writings(secret) {
                    // Escaped for the body by whoever writes it.
                    for tampered in tampered(answer, &writing, true) {
                        call_all(&stage, &attempt, &tampered, &mut outputs).await;
                        tried += 1;
                    }
                }
            }
            for (n, number) in NUMBERS.iter().enumerate() {
                for (_, text) in disguises(number).into_iter().skip(n).step_by(NUMBERS.len()) {
                    for tampered in tampered(answer, &text, false) {
                        call_all(&stage, &attempt, &tampered, &mut outputs).await;
                        tried += 1;
                    }
                }
            }
        }
        println!("{name}: {tried} answers");
        assert!(tried > 100 || answers.is_empty(), "{name}: {tried}");
        stage.end(&mut outputs).await;
        outputs.show_none_of(&secrets.iter().map(String::as_str).chain(NUMBERS).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_refusal_that_quotes_the_key_keeps_its_meaning_and_loses_its_words() {
    const KEY: &str = "sk_test_0123456789abcdef";
    let script = Scripted::new();
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let stripe = stripe()
        .transport(Arc::new(script.clone()))
        .retry(once)
        .build()
        .unwrap();
    let expected = kessai::ExpectedPayment::plan(&stripe, &order("EC-1"), start()).unwrap();
    let refused = |status, body: Value, id: &str| {
        script.answer_with(status, &[("request-id", id)], body.to_string());
    };
    let open = async || stripe.checkout(&expected, &order("EC-1")).await.unwrap_err();
    // As Stripe does it: the middle is masked, so all words can stay.
    let masked = "Invalid API Key provided: sk_test_****************cdef";
    refused(
        401,
        json!({"error": {"type": "invalid_request_error", "message": masked, "param": "key"}}),
        "req_1",
    );
    let error = open().await;
    assert_eq!(error.kind(), ErrorKind::Authentication);
    assert_eq!(
        (error.code(), error.field()),
        (Some("invalid_request_error"), Some("key"))
    );
    assert_eq!(
        error.to_string(),
        "the gateway refused the API key, field key (code invalid_request_error) (request req_Test1)"
    );
    // Where the whole key stands anywhere, the words go.
    for (body, id) in [
        (
            json!({"error": {"type": "invalid_request_error", "message": KEY, "param": "key"}}),
            "req_1",
        ),
        (json!({"error": {"type": KEY, "param": format!("key[{KEY}]")}}), "req_1"),
        (json!({"error": {"type": "x", "param": "y".repeat(60) + KEY}}), "req_1"),
        (
            json!({"error": {"type": "x"}, "deep": [{"down": [base64(KEY)]}]}),
            "req_1",
        ),
    ] {
        refused(401, body, id);
        let error = open().await;
        assert_eq!(
            (error.kind(), error.outcome()),
            (ErrorKind::Authentication, Outcome::Refused)
        );
        assert_eq!(error.code(), Some("withheld"));
        assert_eq!(error.request_id(), Some("withheld"));
        assert!(std::error::Error::source(&error).is_none());
        assert!(!format!("{error:?}").contains("0123456789abcdef"), "{error:?}");
    }
    // A card number in a word costs that word and no other.
    refused(
        402,
        json!({"error": {"code": "card_declined", "param": "number 4012888888881881"}}),
        "req_1",
    );
    let error = open().await;
    assert_eq!((error.code(), error.field()), (Some("card_declined"), Some("withheld")));
}
