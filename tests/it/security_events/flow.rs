//! What a cashier decides, and the event it tells of it.

use bytes::Bytes;
use kessai::gateways::stripe::signature_header;
use kessai::sign::SigningKeys;
use kessai::transport::TransportErrorKind;
use kessai::{Callback, Clock as _, GatewayId, LineItem, OpenError, Standing, SweepPolicy, check_name, check_text};
use serde_json::{Value, json};

use super::{Kept, MINUTE, OLD_SECRET, Written, field, lines, word, world, world_with};
use crate::support::world::{World, created, event, paid, session};
use crate::support::{SIGNING_SECRET, order, yen};

fn back(world: &World, method: &str, target: &str, body: &str) -> Callback {
    let request = http::Request::builder()
        .method(method)
        .uri(target)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    Callback::new(request, world.clock.now()).unwrap()
}

async fn returned(world: &World, query: &str) -> Standing {
    let callback = back(world, "GET", &format!("/pay/stripe/return?{query}"), "");
    world.cashier.returned(&GatewayId::STRIPE, callback).await.standing
}

#[tokio::test]
async fn a_payment_that_goes_well_tells_its_story() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let events = kept.take();
    assert_eq!(events.iter().map(word).collect::<Vec<_>>(), ["payment.redirect.issued"]);
    for (name, expected) in [
        ("gateway", "stripe"),
        ("order", "EC-1"),
        ("attempt", attempt.reference().as_str()),
        ("account", attempt.expected.account.as_str()),
        ("again", "false"),
    ] {
        assert_eq!(field(&events[0], name), expected);
    }
    world
        .script
        .answer(200, created(&order("EC-1"), "cs_test_1").to_string());
    let _ = world.try_open(&order("EC-1")).await.unwrap();
    assert_eq!(field(&kept.take()[0], "again"), "true");

    let state = attempt.expected.return_token.as_str();
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    for _ in 0..3 {
        returned(&world, &format!("attempt={}&state={state}", attempt.reference())).await;
    }
    assert_eq!(
        kept.words(),
        ["payment.redirect.opened"],
        "once, however often it is reloaded"
    );

    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    let events = kept.take();
    assert_eq!(events.iter().map(word).collect::<Vec<_>>(), ["payment.accepted"]);
    assert_eq!(field(&events[0], "trust"), "signature");
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    assert_eq!(kept.words(), ["payment.callback.replayed already"]);

    assert_eq!(world.fulfil_all().await.len(), 1);
    let events = kept.take();
    assert_eq!(events.iter().map(word).collect::<Vec<_>>(), ["payment.fulfilled"]);
    assert_eq!(field(&events[0], "deliveries"), "1");
}

#[tokio::test]
async fn a_sign_of_the_shopper_may_come_from_the_gateway_alone() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    assert_eq!(kept.words(), ["payment.accepted", "payment.redirect.opened"]);
    let other = world.open(&order("EC-2"), "cs_test_2").await;
    let _ = kept.take();
    let expired = event(
        "evt_2",
        "checkout.session.expired",
        &session(&other, "expired", "unpaid"),
    );
    assert_eq!(world.deliver(&expired).await, 200);
    assert_eq!(kept.words(), Vec::<String>::new(), "nobody was there");
}

#[tokio::test]
async fn every_refused_message_is_told_with_its_reason() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    let body = paid("evt_1", &attempt).to_string();
    let keys = SigningKeys::from_texts([SIGNING_SECRET]).unwrap();
    let now = world.clock.now();
    let signed = |body: &str| signature_header(&keys, now, body.as_bytes());
    let old = signature_header(&keys, now - 6 * MINUTE, body.as_bytes());
    let attacker = SigningKeys::from_texts(["whsec_the_attackers_own_endpoint"]).unwrap();
    let forged = signature_header(&attacker, now, body.as_bytes());
    for (header, body, reason) in [
        (None, body.as_str(), "missing"),
        (Some("t=1".to_owned()), &body, "missing"),
        (Some("=".to_owned()), &body, "missing"),
        (Some(forged), &body, "signature"),
        (Some(signed(&body)), &body.replace("3960", "1"), "signature"),
        (Some(old), &body, "stale"),
        (Some(signed("[]")), "[]", "payload"),
    ] {
        let mut request = http::Request::post("/pay/stripe/notification");
        if let Some(header) = &header {
            request = request.header("Stripe-Signature", header);
        }
        let status = world
            .deliver_raw(request.body(Bytes::from(body.to_owned())).unwrap())
            .await;
        assert_eq!(status, 400);
        let events = kept.take();
        let [refused] = &events[..] else { panic!("{events:?}") };
        assert_eq!(refused.name(), "payment.callback.refused");
        assert_eq!(refused.reason().unwrap().as_str(), reason, "{header:?}");
    }
    let mut twice = http::Request::new(Bytes::from(body.clone()));
    *twice.method_mut() = http::Method::POST;
    for _ in 0..2 {
        twice
            .headers_mut()
            .append("stripe-signature", signed(&body).parse().unwrap());
    }
    assert_eq!(world.deliver_raw(twice).await, 400);
    assert_eq!(kept.words(), ["payment.callback.refused malformed"]);
}

#[tokio::test]
async fn genuine_messages_that_contradict_the_record_are_held_and_told() {
    for (pointer, value, told) in [
        ("/data/object/amount_total", json!(3959), ["held amount", "PAY-25"]),
        ("/data/object/currency", json!("usd"), ["held currency", "PAY-25"]),
        (
            "/data/object/client_reference_id",
            json!("EC-2"),
            ["held reference", "PAY-27"],
        ),
        ("/account", json!("acct_attacker"), ["held account", "PAY-26"]),
        (
            "/data/object/metadata/attempt_id",
            json!("0000000000000000000000000a"),
            ["held attempt", "PAY-32"],
        ),
    ] {
        let (world, kept) = world();
        let attempt = world.open(&order("EC-1"), "cs_test_1").await;
        let _ = kept.take();
        let mut message = paid("evt_1", &attempt);
        match message.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => message["account"] = value,
        }
        assert_eq!(world.deliver(&message).await, 200);
        let events = kept.take();
        let [held] = &events[..] else { panic!("{events:?}") };
        assert_eq!(word(held), format!("payment.evidence.{}", told[0]));
        assert_eq!(held.pay(), told[1]);
        assert_eq!(field(held, "order"), "EC-1", "the payment it was held against");
        assert_eq!(world.deliver(&message).await, 200);
        assert_eq!(kept.words(), ["payment.callback.replayed already"], "held once");
    }
}

#[tokio::test]
async fn two_attempts_that_claim_the_same_are_a_conflict_and_the_evidence_is_held() {
    let (world, kept) = world();
    let first = world.open(&order("EC-1"), "cs_test_1").await;
    let second = world.open(&order("EC-2"), "cs_test_2").await;
    assert_eq!(world.deliver(&paid("evt_1", &first)).await, 200);
    let _ = kept.take();
    let mut again = session(&second, "complete", "paid");
    again["payment_intent"] = json!("pi_of_cs_test_1");
    let message = event("evt_2", "checkout.session.completed", &again);
    assert_eq!(world.deliver(&message).await, 200);
    let events = kept.take();
    assert_eq!(
        events.iter().map(word).collect::<Vec<_>>(),
        [
            "payment.apply.conflict transaction_bound",
            "payment.evidence.held transaction_bound"
        ]
    );
    assert_eq!(
        (events[0].pay(), field(&events[0], "order").as_str()),
        ("PAY-27", "EC-2")
    );
    assert_eq!(world.fulfil_all().await.len(), 1);

    // The gateway gives a new checkout the name of an old one.
    world
        .script
        .answer(200, created(&order("EC-3"), "cs_test_1").to_string());
    let _ = kept.take();
    let refused = world.try_open(&order("EC-3")).await.unwrap_err();
    assert!(matches!(refused, OpenError::ReferenceTaken(_)));
    assert_eq!(
        kept.words(),
        ["payment.apply.conflict reference"],
        "and no redirect was issued"
    );
}

#[tokio::test]
async fn messages_of_the_other_environment_and_about_nothing_of_ours_are_told() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    let mut live = paid("evt_1", &attempt);
    live["livemode"] = json!(true);
    live["data"]["object"]["livemode"] = json!(true);
    assert_eq!(world.deliver(&live).await, 200);
    let events = kept.take();
    assert_eq!(
        events.iter().map(word).collect::<Vec<_>>(),
        ["payment.environment.mismatch"]
    );
    assert_eq!(field(&events[0], "environment"), "live");

    let mut foreign = session(&attempt, "complete", "paid");
    foreign["id"] = json!("cs_test_of_another_system");
    foreign["metadata"] = json!({"cart": "77"});
    foreign["client_reference_id"] = json!("a cart of somebody else");
    foreign["payment_intent"] = json!("pi_of_another_system");
    assert_eq!(
        world
            .deliver(&event("evt_2", "checkout.session.completed", &foreign))
            .await,
        200
    );
    assert_eq!(kept.words(), ["payment.callback.unmatched"]);
}

#[tokio::test]
async fn what_decides_nothing_is_told_without_the_value() {
    for (pointer, value, reason) in [
        ("/data/object/payment_status", json!("Paid-by-canary"), "status_unknown"),
        ("/data/object/amount_total", json!(null), "amount_missing"),
    ] {
        let kept = Kept::default();
        let written = Written::default();
        let world = world_with(
            std::sync::Arc::new(kessai::ledgers::MemoryLedger::new()),
            vec![Box::new(kept.clone()), Box::new(lines(&written))],
            kessai::security_event::SecurityPolicy::default(),
        );
        let attempt = world.open(&order("EC-1"), "cs_test_1").await;
        let _ = kept.take();
        let mut message = paid("evt_1", &attempt);
        *message.pointer_mut(pointer).unwrap() = value;
        assert_eq!(world.deliver(&message).await, 200);
        assert_eq!(kept.words(), [format!("payment.status.unknown {reason}")]);
        assert!(!written.take().contains("canary"));
    }
}

#[tokio::test]
async fn a_key_on_its_way_out_is_told_and_works() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    assert_eq!(
        world.deliver_signed_with(OLD_SECRET, &paid("evt_1", &attempt)).await,
        200
    );
    let events = kept.take();
    assert_eq!(word(&events[0]), "payment.key.retired_used");
    assert_eq!(field(&events[0], "slot"), "1");
    assert_eq!(word(&events[1]), "payment.accepted");
}

#[tokio::test]
async fn forged_returns_are_told_with_what_is_wrong_and_genuine_ones_are_not() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let other = world.open(&order("EC-2"), "cs_test_2").await;
    let _ = kept.take();
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    let foreign = other.expected.return_token.as_str();
    for (query, reason) in [
        (String::new(), "token"),
        (format!("attempt={name}"), "token"),
        (format!("attempt={name}&state="), "token"),
        (format!("attempt={name}&state={foreign}"), "token"),
        (format!("attempt={name}&state={state}x"), "token"),
        (format!("attempt={name}&state={state}&state={state}"), "malformed"),
        (format!("state={state}"), "malformed"),
        (format!("attempt={name}&state={state}&x=%zz"), "malformed"),
        (format!("attempt=EC-1&state={state}"), "unknown_attempt"),
        (
            format!("attempt={name}&state={state}&session_id=cs_test_2"),
            "other_checkout",
        ),
    ] {
        assert_eq!(returned(&world, &query).await, Standing::Unknown, "{query}");
        let events = kept.take();
        let [forged] = &events[..] else {
            panic!("{query}: {events:?}")
        };
        assert_eq!(forged.name(), "payment.return.forged");
        let told = forged.reason().unwrap().as_str();
        assert!(
            told == reason || (told == "token" && reason == "malformed"),
            "{query}: {told}"
        );
        // Five of a kind are told in a minute; each here is on its own.
        world.clock.advance(MINUTE);
    }
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    returned(&world, &format!("attempt={name}&state={state}&session_id=cs_test_1")).await;
    assert_eq!(kept.words(), ["payment.redirect.opened"]);
}

#[tokio::test]
async fn a_flood_of_forged_returns_is_counted() {
    let (world, kept) = world();
    for _ in 0..10_000 {
        assert_eq!(returned(&world, "attempt=x&state=y").await, Standing::Unknown);
    }
    assert_eq!(kept.take().len(), 5);
    world.clock.advance(MINUTE);
    world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    let events = kept.take();
    assert_eq!(word(&events[0]), "payment.events.suppressed unknown_attempt");
    assert_eq!(field(&events[0], "event"), "payment.return.forged");
    assert_eq!(
        (
            field(&events[0], "count").as_str(),
            field(&events[0], "suppressed").as_str()
        ),
        ("10000", "9995")
    );
    assert!(world.script.requests().is_empty());
}

#[tokio::test]
async fn a_flood_of_forged_messages_costs_no_record_no_question_and_few_events() {
    const FORGED: u64 = 20_000;
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let before = world.timeline(&attempt).await;
    let _ = kept.take();
    let body = paid("evt_1", &attempt).to_string();
    let header = format!("t=1795400000,v1={}", "0".repeat(64));
    for _ in 0..FORGED {
        let request = http::Request::post("/pay/stripe/notification")
            .header("Stripe-Signature", &header)
            .body(Bytes::from(body.clone()))
            .unwrap();
        assert_eq!(world.deliver_raw(request).await, 400);
    }
    assert_eq!(kept.words(), vec!["payment.callback.refused signature"; 5]);
    world.clock.advance(MINUTE);
    world.cashier.sweep(&SweepPolicy::default().most(0)).await.unwrap();
    let events = kept.take();
    assert_eq!(word(&events[0]), "payment.callback.refused_burst signature");
    assert_eq!(field(&events[0], "count"), FORGED.to_string());
    assert_eq!(word(&events[1]), "payment.monitor.heartbeat");
    assert_eq!(field(&events[1], "refused"), FORGED.to_string());
    assert_eq!(world.timeline(&attempt).await, before);
    assert!(world.script.requests().is_empty());
}

#[tokio::test]
async fn card_data_is_told_by_its_place_and_never_by_its_value() {
    let kept = Kept::default();
    let written = Written::default();
    let world = world_with(
        std::sync::Arc::new(kessai::ledgers::MemoryLedger::new()),
        vec![Box::new(kept.clone()), Box::new(lines(&written))],
        kessai::security_event::SecurityPolicy::default(),
    );
    let _ = kept.take();
    // What the store's own code refused, handed over.
    let sighted = check_text("the remark", "4242 4242 4242 4242").unwrap_err();
    world.cashier.card_data_sighted(&sighted);
    let sighted = check_name("a key", "cvv").unwrap_err();
    world.cashier.card_data_sighted(&sighted);
    let refused = LineItem::new("card 4242424242424242", yen(1), 1).unwrap_err();
    let kessai::RequestError::CardData(sighted) = refused else {
        panic!("{refused:?}")
    };
    world.cashier.card_data_sighted(&sighted);
    let events = kept.take();
    let words: Vec<_> = events.iter().map(word).collect();
    let name = "payment.card_data.sighted";
    assert_eq!(
        words,
        [
            format!("{name} number"),
            format!("{name} field_name"),
            format!("{name} number")
        ]
    );
    assert_eq!(field(&events[0], "place"), "the remark");

    // A card form that was pointed at the return page.
    for (query, body) in [
        ("card_number=4242424242424242&cvv=999", ""),
        ("x=1", "cardNumber=4242424242424242&exp_month=12&cvc=999"),
    ] {
        let target = format!("/pay/stripe/return?{query}");
        let page = world
            .cashier
            .returned(&GatewayId::STRIPE, back(&world, "POST", &target, body))
            .await;
        assert_eq!(page.standing, Standing::Unknown);
        // Nothing shows that it came from a page of ours.
        assert_eq!(kept.words()[0], "payment.card_data.unproven field_name");
    }
    let text = written.take();
    assert!(!text.contains("4242") && !text.contains("999"), "{text}");
}

#[test]
fn no_field_of_a_documented_return_is_taken_for_card_data() {
    let mut looked_at = 0;
    for file in ["sbps", "gmopg", "komoju"] {
        let path = format!("{}/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let vectors: Value = serde_json::from_str(&text).unwrap();
        let mut bodies = Vec::new();
        texts(&vectors, &mut bodies);
        for body in bodies.iter().filter(|body| body.contains('=') && body.contains('&')) {
            let Ok(params) = kessai::Params::parse(body.as_bytes()) else {
                continue;
            };
            for (name, _) in params.iter() {
                looked_at += 1;
                assert!(check_name("a return's field", name).is_ok(), "{name}");
            }
        }
    }
    assert!(looked_at > 50, "{looked_at}");
}

fn texts<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(members) => members.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn questions_without_a_usable_answer_and_repaired_differences_are_told() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    let mut other_session = session(&attempt, "complete", "paid");
    other_session["id"] = json!("cs_test_of_somebody_else");
    for (answer, reason) in [
        (Err(TransportErrorKind::Timeout), "timeout"),
        (Err(TransportErrorKind::Connect), "transport"),
        (Ok((500, "{}".to_owned())), "unavailable"),
        (
            Ok((401, "{\"error\":{\"type\":\"invalid_request_error\"}}".to_owned())),
            "authentication",
        ),
        (Ok((200, other_session.to_string())), "protocol"),
        (Ok((200, "<html>".to_owned())), "protocol"),
    ] {
        world.clock.advance(60 * MINUTE);
        match answer {
            Err(kind) => world.script.fail(kind),
            Ok((status, body)) => world.script.answer(status, body),
        };
        world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
        let words = kept.words();
        assert!(
            words.contains(&format!("payment.query.unanswered {reason}")),
            "{reason}: {words:?}"
        );
        assert!(!words.iter().any(|word| word.starts_with("payment.accepted")));
    }
    world.clock.advance(60 * MINUTE);
    world
        .script
        .answer(200, session(&attempt, "complete", "paid").to_string());
    world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    let events = kept.take();
    let accepted = events.iter().find(|event| event.name() == "payment.accepted").unwrap();
    assert_eq!(field(accepted, "trust"), "status_query");
    let drift = events
        .iter()
        .find(|event| event.name() == "payment.drift.repaired")
        .unwrap();
    assert_eq!(
        (field(drift, "before").as_str(), field(drift, "after").as_str()),
        ("created", "captured")
    );
}

#[tokio::test]
async fn a_heartbeat_comes_with_the_sweep_and_not_more_often_than_it_may() {
    let (world, kept) = world();
    let beats = |kept: &Kept| {
        kept.take()
            .into_iter()
            .filter(|event| event.name() == "payment.monitor.heartbeat")
            .count()
    };
    let sweep = async || world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    sweep().await;
    assert_eq!(beats(&kept), 1);
    for _ in 0..20 {
        sweep().await;
    }
    assert_eq!(beats(&kept), 0);
    for _ in 0..20 {
        world.clock.advance(MINUTE);
        sweep().await;
    }
    assert_eq!(beats(&kept), 4, "every five minutes");
}

#[tokio::test]
async fn an_answer_that_contradicts_the_record_is_told_once_however_often_it_is_asked_for() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let mut answer = session(&attempt, "complete", "paid");
    answer["amount_total"] = json!(1);
    for _ in 0..10 {
        world.clock.advance(60 * MINUTE);
        world.script.answer(200, answer.to_string());
        world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    }
    let asked = world.script.requests().len();
    assert!(asked > 5, "{asked}");
    let held = kept
        .words()
        .into_iter()
        .filter(|word| word.starts_with("payment.evidence.held"))
        .count();
    assert_eq!(held, 1);
}
