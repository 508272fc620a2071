//! Whole flows of every gateway: opened, paid, forged, returned, asked, reported. Secrets and cards stand wherever an outsider can put
//! them, and nowhere in what comes out.

use std::time::Duration;

use super::players::{From, Message, Says};
use ::axum::body::Body;
use ::axum::extract::FromRequest as _;
use ::axum::response::IntoResponse as _;
use kessai::gateways::{komoju, stripe};
use kessai::integrations::axum::{Intake, Reply};
use kessai::ledger::{Checkpoint, Ledger as _};
use kessai::ledgers::{MemoryLedger, PostgresLedger};
use kessai::sign::SigningKeys;
use kessai::{
    Callback, CheckoutRequest, CheckpointKey, ClientKey, CustomerReference, Email, LineItem, MerchantReference, Nonce,
    Redirect, ReturnToken, SharedToken, SweepPolicy,
};
use serde_json::{Value, json};

use super::disguises::{NUMBERS, disguises};
use super::outputs::Outputs;
use super::players::players;
use super::setup::{Log, Stage};
use crate::postgres;
use crate::support::forms::{base64, hex};
use crate::support::{SIGNING_SECRET, start, yen};

/// Free text of an outsider, in body, query and headers.
const FREE: [&str; 4] = ["Canary9Body", "Canary9Query", "Canary9Header", "Canary9Cookie"];

/// The genuine message with an outsider's texts around it, and messages that are not genuine with them inside.
fn hostile(message: &Message, texts: &[String]) -> Vec<Message> {
    let mut all = Vec::new();
    for text in texts {
        let escaped: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let ascii: String = text.chars().filter(char::is_ascii_graphic).collect();
        let around = |mut message: Message| {
            message.target = format!("{}?x=Canary9Query&y={escaped}", message.target);
            message = message.header("cookie", format!("Canary9Cookie={ascii}"));
            message.header("x-note", format!("Canary9Header {ascii}"))
        };
        all.push(around(message.clone()));
        let inside = |body: String| {
            let mut message = message.clone();
            message.body = body.into_bytes();
            around(message)
        };
        let body = String::from_utf8_lossy(&message.body).into_owned();
        if let Ok(Value::Object(mut fields)) = serde_json::from_str(&body) {
            fields.insert("note".to_owned(), json!(format!("Canary9Body {text}")));
            fields.insert(text.clone(), json!(1));
            all.push(inside(Value::Object(fields).to_string()));
            all.push(inside(
                json!({"id": text, "type": text, "data": {"object": {"id": text}}}).to_string(),
            ));
        } else {
            all.push(inside(format!("{body}&note=Canary9Body&{escaped}={escaped}")));
            all.push(inside(
                body.split('&')
                    .flat_map(|pair| [pair.split('=').next().unwrap(), "=", &escaped, "&"])
                    .collect(),
            ));
        }
        all.push(inside(format!("Canary9Body {text}")));
    }
    all
}

#[tokio::test]
async fn a_whole_flow_of_every_gateway_shows_nothing_of_what_outsiders_put_in() {
    for (name, player) in players() {
        whole(name, Stage::new(player)).await;
    }
}

#[tokio::test]
async fn the_rows_of_a_database_hold_nothing_of_what_outsiders_put_in_either() {
    let Some(server) = postgres::server() else { return };
    let schema = postgres::schema("leaks");
    let [ledger] = postgres::nodes(&server, &schema).await;
    let mut values = Vec::new();
    for (name, player) in players()
        .into_iter()
        .filter(|(name, _)| ["komoju", "stripe"].contains(name))
    {
        let stage = Stage::over(player, ledger.clone(), tempfile::tempdir().unwrap());
        let request = stage.player.request(&format!("ORD-{name}")).unwrap();
        values.extend(stage.player.secrets());
        whole_of(name, stage, request).await;
    }
    let own = postgres::client(&server).await;
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = $1";
    let mut rows = Outputs::default();
    for table in own.query(tables, &[&schema]).await.unwrap() {
        let table: String = table.get(0);
        for row in own
            .query(&format!("SELECT t::text FROM {schema}.{table} t"), &[])
            .await
            .unwrap()
        {
            rows.bytes("rows", row.get::<_, String>(0));
        }
    }
    assert!(!rows.showing(&["ORD-stripe"]).is_empty(), "the rows were read");
    let values: Vec<&str> = values.iter().map(String::as_str).chain(NUMBERS).chain(FREE).collect();
    rows.show_none_of(&values);
}

async fn whole(name: &str, stage: Stage) {
    let request = stage.player.request("ORD-1").unwrap();
    whole_of(name, stage, request).await;
}

async fn whole_of(name: &str, stage: Stage, request: CheckoutRequest) {
    let mut outputs = Outputs::default();
    let secrets = stage.player.secrets();
    let twice = |secret: &String| [secret.clone(), base64(secret)];
    let mut texts: Vec<String> = secrets.iter().flat_map(twice).collect();
    let cards = NUMBERS.iter().enumerate();
    let some = |(n, number): (usize, &&str)| disguises(number).into_iter().skip(2 * n).step_by(25);
    texts.extend(cards.flat_map(some).map(|(_, text)| text));

    outputs.debug(&request);
    let attempt = stage.opened(&request, &mut outputs).await;
    outputs.debug(&attempt);
    let about = &attempt.expected;
    let (token, key) = (about.return_token.as_str(), about.idempotency_key.as_str().to_owned());

    // Messages: of another merchant, tampered with, genuine, and again.
    let mut statuses = Vec::new();
    for from in [From::OtherMerchant, From::Gateway] {
        for says in [
            Says::UnknownWord,
            Says::OtherAmount,
            Says::OtherAttempt,
            Says::Paid,
            Says::Paid,
            Says::Failed,
        ] {
            let Ok(message) = stage.player.message(about, says, from, start()) else {
                continue;
            };
            let around = if [Says::Paid, Says::UnknownWord].contains(&says) {
                &texts[..]
            } else {
                &[]
            };
            for hostile in hostile(&message, around) {
                statuses.push(stage.deliver(&hostile, &mut outputs).await);
            }
            statuses.push(stage.deliver(&message, &mut outputs).await);
        }
    }
    assert!(statuses.len() > 50, "{name}: {}", statuses.len());

    // Returns: with what the gateway adds, with the right token and a wrong one, by GET and by POST.
    let mut returns = vec![Message::post("application/x-www-form-urlencoded", "")];
    returns.extend(
        [true, false]
            .into_iter()
            .filter_map(|forged| stage.player.returned(about, forged).ok()),
    );
    let mut pages = Outputs::default();
    for message in returns {
        for hostile in hostile(&message, &texts) {
            for state in [token, "Canary9Query"] {
                for method in [http::Method::GET, http::Method::POST] {
                    let mut message = hostile.clone();
                    message.method = method;
                    message.target = format!("{}&attempt={}&state={state}", message.target, about.attempt);
                    stage.returns(&message, &mut pages).await;
                }
            }
        }
    }

    // The gateway is asked, with answers that say everything, and nobody there.
    for says in [Says::Paid, Says::UnknownWord, Says::NoAmount, Says::OtherAmount] {
        stage.clock.advance(Duration::from_secs(3600));
        if let Ok(answers) = stage.player.status(&attempt, says) {
            stage.script.answer(answers);
        }
        outputs.debug(&stage.cashier.sweep(&SweepPolicy::default()).await.unwrap());
        let _ = stage.script.take_asked();
    }
    while let Some(due) = stage.cashier.next_fulfilment().await.unwrap() {
        outputs.debug(&due);
        assert!(due.done().await.unwrap());
    }
    outputs.debug(&stage.cashier.ledger().timeline(&about.attempt).await.unwrap());
    outputs.debug(&stage.cashier.self_check(&[]).await.unwrap());
    let checkpoint_key = CheckpointKey::new("Canary9CheckpointKey-0123456789abcdef").unwrap();
    outputs.debug(&stage.cashier.checkpoint(&checkpoint_key, None).await.unwrap());

    // What ties the browser to the attempt is in the ledger and in our own return address, and in nothing else.
    let mut others = Outputs::default();
    let events = stage.end(&mut others).await;
    assert!(
        events.iter().any(|event| event.name() == "payment.callback.refused") || name == "gmopg",
        "{name}"
    );
    let values = secrets.iter().map(String::as_str).chain(NUMBERS).chain(FREE);
    let values: Vec<&str> = values.chain(["Canary9CheckpointKey-0123456789abcdef"]).collect();
    let long: Vec<&str> = texts
        .iter()
        .filter(|text| text.chars().count() > 12)
        .map(String::as_str)
        .collect();
    for outputs in [&outputs, &pages, &others] {
        outputs.show_none_of(&values);
        outputs.show_none_of(&long);
    }
    let allowed = ["files of the ledger", "bodies of replies"];
    let mut shown: Vec<_> = outputs
        .showing(&[token])
        .into_iter()
        .chain(others.showing(&[token, &key]))
        .collect();
    // The idempotency key is no credential: it may be in `Debug`, and has no business anywhere else.
    shown.retain(|(way, value)| !(allowed.contains(way) || *value == key && way.starts_with("debug")));
    assert!(shown.is_empty(), "{name}: {shown:?}");
}

/// PAY-09: a 303 or a form, without a word about where the shopper came from, and without the shopper in the address.
#[tokio::test]
async fn no_hand_off_carries_a_secret_or_the_shopper_in_its_address_or_tells_where_it_came_from() {
    for (name, player) in players() {
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        let request = CheckoutRequest::builder(MerchantReference::new("ORD-1").unwrap())
            .item(LineItem::new("Canary9Item", yen(1980), 1).unwrap())
            .email(Email::new("canary9mail@shop.example").unwrap())
            .customer(CustomerReference::new("Canary9Customer").unwrap())
            .client(ClientKey::new("Canary9Client").unwrap())
            .build()
            .unwrap();
        outputs.debug(&request);
        let attempt = stage.opened(&request, &mut outputs).await;
        outputs.debug(&attempt.checkout);
        let _ = stage.script.take_asked();
        stage.script.answer(stage.player.created(&attempt.expected));
        let checkout = stage.cashier.open(&request, &stage.id()).await.unwrap();
        let nonce = Nonce::of_policy("0123456789abcdef0123456789abcdef").unwrap();
        let mut address = match &checkout.redirect {
            Redirect::Get(url) => url.as_str().to_owned(),
            Redirect::Post(form) => form.target().as_str().to_owned(),
        };
        let reply = checkout.redirect.into_response(&nonce, "Pay");
        let headers = reply.headers();
        assert!([200, 303].contains(&reply.status().as_u16()), "{name}");
        assert_eq!(reply.status() == 303, headers.contains_key("location"), "{name}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{name}");
        assert_eq!(headers["cache-control"], "no-store", "{name}");
        if let Some(location) = headers.get("location") {
            address += location.to_str().unwrap();
        }
        let mut addresses = Outputs::default();
        addresses.bytes("the address", address);
        let secrets = stage.player.secrets();
        let shopper = ["Canary9Item", "canary9mail", "Canary9Client"];
        let all: Vec<&str> = secrets
            .iter()
            .map(String::as_str)
            .chain(shopper)
            .chain(["Canary9Customer"])
            .collect();
        addresses.show_none_of(&all);
        let mut bodies = Outputs::default();
        bodies.bytes("bodies of replies", reply.body());
        bodies.bytes("bodies of replies", "read");
        bodies.show_none_of(
            &secrets
                .iter()
                .map(String::as_str)
                .chain(["Canary9Client"])
                .collect::<Vec<_>>(),
        );
        let mut left = Outputs::default();
        stage.end(&mut left).await;
        left.show_none_of(&shopper);
    }
}

/// PAY-40: a sender learns nothing from how it is refused.
#[tokio::test]
async fn all_refusals_of_a_gateway_are_one_and_the_same_reply() {
    for (name, player) in players() {
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        let attempt = stage
            .opened(&stage.player.request("ORD-1").unwrap(), &mut outputs)
            .await;
        let about = &attempt.expected;
        let genuine = stage.player.message(about, Says::Paid, From::Gateway, start()).unwrap();
        let mut refused = Vec::new();
        for from in [From::OtherMerchant, From::Yesterday] {
            refused.extend(stage.player.message(about, Says::Paid, from, start()).ok());
        }
        let change = |of: fn(&mut Message)| {
            let mut message = genuine.clone();
            of(&mut message);
            message
        };
        refused.extend([
            change(|message| message.headers.retain(|(name, _)| *name == "content-type")),
            change(|message| message.headers.extend(message.headers.clone())),
            change(|message| message.headers.iter_mut().for_each(|(_, value)| value.push('0'))),
            change(|message| message.headers.iter_mut().for_each(|(_, value)| value.clear())),
            change(|message| message.body.clear()),
            change(|message| message.body = b"Canary9Body".to_vec()),
            change(|message| message.body.push(b' ')),
            change(|message| message.body.truncate(message.body.len() / 2)),
            change(|message| message.body = message.body.iter().rev().copied().collect()),
            change(|message| message.body = vec![0xff; 100]),
            change(|message| message.body = b"{}".to_vec()),
            change(|message| message.method = http::Method::GET),
            change(|message| message.method = http::Method::PUT),
            change(|message| message.body = b"a=1&a=1".to_vec()),
            change(|message| message.body = b"<a/>".to_vec()),
            change(|message| message.body = vec![b'['; 10_000]),
        ]);
        let mut replies = std::collections::BTreeMap::new();
        for message in &refused {
            let reply = stage
                .cashier
                .callback(&stage.id(), super::setup::callback(message))
                .await;
            let reply = format!("{} {:?} {:?}", reply.status(), reply.headers(), reply.body());
            *replies.entry(reply).or_insert(0) += 1;
        }
        println!("{name}: {replies:?}");
        let accepted = stage
            .cashier
            .callback(&stage.id(), super::setup::callback(&genuine))
            .await;
        let accepted = format!("{} {:?} {:?}", accepted.status(), accepted.headers(), accepted.body());
        // What is taken as genuine (a header that is sent twice and does not matter, say) is answered as such; all else alike.
        let taken = replies.remove(&accepted).unwrap_or(0);
        assert_eq!(replies.len(), 1, "{name}");
        let count: usize = replies.values().sum();
        assert!(count >= 10, "{name}: {count} were refused, {taken} were taken");
        assert_eq!(count + taken, refused.len());
        let mut left = Outputs::default();
        stage.end(&mut left).await;
        left.show_none_of(&["Canary9Body"]);
    }
}

/// The ways are really searched: an order's name shows wherever orders are named.
#[tokio::test]
async fn a_marker_that_may_show_is_found_in_every_way_out() {
    for (name, player) in players() {
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        let marker = hex("4012888888881881x");
        let request = CheckoutRequest::builder(MerchantReference::new("Canary9Order").unwrap())
            .item(LineItem::new("Sencha", yen(1980), 1).unwrap())
            .customer(CustomerReference::new(format!("Canary9Customer-{}", &marker[..12])).unwrap())
            .build()
            .unwrap();
        let attempt = stage.opened(&request, &mut outputs).await;
        if let Ok(message) = stage
            .player
            .message(&attempt.expected, Says::Paid, From::Gateway, start())
        {
            stage.deliver(&message, &mut outputs).await;
        }
        stage.script.fail(kessai::transport::TransportErrorKind::Timeout, 9);
        stage.clock.advance(Duration::from_secs(3600));
        outputs.debug(&stage.cashier.sweep(&SweepPolicy::default()).await.unwrap());
        outputs.debug(&attempt);
        stage.end(&mut outputs).await;
        let found: Vec<_> = outputs
            .showing(&["Canary9Order"])
            .into_iter()
            .map(|(way, _)| way)
            .collect();
        for way in [
            "debug",
            "debug, on many lines",
            "events",
            "files of the ledger",
            "reports",
            "the log",
        ] {
            assert!(found.contains(&way), "{name}: not in {way}, only in {found:?}");
        }
        let customers: Vec<_> = outputs
            .showing(&["Canary9Customer"])
            .into_iter()
            .map(|(way, _)| way)
            .collect();
        assert!(
            customers.contains(&"reports") && !customers.contains(&"events") && !customers.contains(&"the log"),
            "{name}: {customers:?}"
        );
    }
}

/// Names, notes and billing details of a genuine message are nobody's business here.
#[tokio::test]
async fn what_a_gateway_says_beside_the_point_is_dropped() {
    for (name, player) in players() {
        if !["stripe", "komoju"].contains(&name) {
            continue;
        }
        let stage = Stage::new(player);
        let mut outputs = Outputs::default();
        let secrets = stage.player.secrets();
        let attempt = stage
            .opened(&stage.player.request("ORD-1").unwrap(), &mut outputs)
            .await;
        let genuine = stage
            .player
            .message(&attempt.expected, Says::Paid, From::Gateway, start())
            .unwrap();
        let mut settled = 0;
        let cards = NUMBERS.iter().map(|number| (*number).to_owned());
        let control = [
            "\r\nINFO forged",
            "\u{1b}[31mred",
            "\u{202e}right to left",
            "'; DROP TABLE attempts; --",
            "=1+1",
            "<script>",
        ];
        let texts = cards.chain(control.map(|text| format!("Canary9Note{text}")));
        for (n, text) in texts.enumerate() {
            let mut event: Value = serde_json::from_slice(&genuine.body).unwrap();
            event["id"] = json!(format!("evt_{n}"));
            let data = if name == "stripe" {
                &mut event["data"]["object"]
            } else {
                &mut event["data"]
            };
            data["customer_details"] = json!({"name": text, "email": text, "address": {"line1": text}});
            data["payment_details"]["last_four_digits"] = json!(text);
            data["payment_details"]["holder"] = json!(text);
            data["description"] = json!(text);
            data["custom_fields"] = json!([{"key": text, "text": {"value": text}}]);
            data["cvc"] = json!(text);
            event["note"] = json!(text);
            let body = event.to_string();
            let keys = SigningKeys::from_texts([secrets[usize::from(name != "stripe" && secrets.len() > 9)].as_str()])
                .unwrap();
            let message = if name == "stripe" {
                let keys = SigningKeys::from_texts([SIGNING_SECRET]).unwrap();
                Message::post("application/json", body.clone()).header(
                    "stripe-signature",
                    stripe::signature_header(&keys, start(), body.as_bytes()),
                )
            } else {
                Message::post("application/json", body.clone())
                    .header("x-komoju-signature", komoju::signature_header(&keys, body.as_bytes()))
            };
            settled += usize::from(stage.deliver(&message, &mut outputs).await == 200);
        }
        assert_eq!(settled, 18, "{name}: all of them are genuine");
        stage.end(&mut outputs).await;
        let values = ["Canary9Note", "INFO forged", "DROP TABLE"];
        outputs.show_none_of(&[&NUMBERS[..], &values].concat());
    }
}

#[tokio::test]
async fn the_axum_extractor_shows_nothing_of_a_request_whether_it_takes_it_or_not() {
    let log = Log::begin();
    let mut outputs = Outputs::default();
    let card = NUMBERS[1];
    let request = |body: Body, encoding: Option<&str>, query: usize| {
        let mut request = http::Request::post(format!("/pay?card={card}&x={}", "Canary9Query".repeat(query)))
            .header("stripe-signature", SIGNING_SECRET)
            .header("authorization", "Bearer Canary9Header")
            .header("cookie", format!("Canary9Cookie={card}"));
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        request.body(body).unwrap()
    };
    let body = || Body::from(format!("{{\"number\":\"{card}\",\"cvc\":\"Canary9Body\"}}"));
    let large = Body::from(format!("Canary9Body {card} ").repeat(10_000));
    let (mut taken, mut refused) = (0, 0);
    for mut request in [
        request(body(), None, 1),
        request(body(), Some("Canary9Header"), 1),
        request(body(), Some("gzip"), 1),
        request(large, None, 1),
        request(body(), None, 2000),
    ] {
        request.extensions_mut().insert(Intake::new());
        match Callback::from_request(request, &()).await {
            Ok(callback) => {
                taken += 1;
                outputs.debug(&callback);
                outputs.error(&callback.header_once("content-length").unwrap_err());
            }
            Err(error) => {
                refused += 1;
                outputs.error(&error);
                let reply = error.into_response();
                outputs.debug(&reply);
                let body = axum::body::to_bytes(reply.into_body(), 1 << 16).await.unwrap();
                assert!(body.is_empty());
            }
        }
    }
    assert_eq!((taken, refused), (1, 4));
    outputs.debug(&Intake::new());
    let reply = http::Response::builder()
        .header("set-cookie", "x")
        .body(bytes::Bytes::from_static(b"OK"))
        .unwrap();
    outputs.debug(&Reply(reply));
    log.into(&mut outputs);
    outputs.show_none_of(&[&FREE[..], &[card, SIGNING_SECRET]].concat());
}

#[tokio::test]
async fn the_password_of_the_database_and_the_other_secrets_print_nowhere() {
    const PASSWORD: &str = "Canary9DatabasePassword";
    let log = Log::begin();
    let mut outputs = Outputs::default();
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [
        format!("postgres://kessai:{PASSWORD}@127.0.0.1:{}/kessai", closed.port()),
        format!(
            "host=127.0.0.1 port={} user=kessai password={PASSWORD} dbname=kessai connect_timeout=1",
            closed.port()
        ),
        format!("postgres://kessai:{PASSWORD}@db.shop.example/kessai"),
    ] {
        let config: kessai::ledgers::tokio_postgres::Config = address.parse().unwrap();
        let builder = PostgresLedger::builder(config.clone());
        outputs.debug(&builder);
        outputs.error(
            &PostgresLedger::connect(config, kessai::ledgers::tokio_postgres::NoTls)
                .await
                .unwrap_err(),
        );
    }
    let odd = CheckpointKey::new("short-Canary9Checkpoint").unwrap_err();
    outputs.error(&odd);
    let key = CheckpointKey::new("Canary9Checkpoint-0123456789abcdef-0123").unwrap();
    outputs.debug(&key);
    let ledger = MemoryLedger::new();
    let head = ledger.head().await.unwrap();
    outputs.debug(&Checkpoint::make(&key, head, start()));
    outputs.debug(&SharedToken::new("Canary9Token-0123456789").unwrap());
    outputs.debug(&Nonce::of_policy("Canary9Nonce0123456789abcdef0123").unwrap());
    let token = ReturnToken::random().unwrap();
    outputs.debug(&token);
    log.into(&mut outputs);
    let values = [
        PASSWORD,
        "Canary9Checkpoint",
        "Canary9Token",
        "Canary9Nonce",
        token.as_str(),
    ];
    outputs.show_none_of(&values);
}
