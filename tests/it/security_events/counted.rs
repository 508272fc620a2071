//! What is counted where, so that nothing an outsider can send hides what matters, and nothing the store does looks like a shopper.

use std::time::Duration;

use kessai::{Clock, GatewayId, OpenError, SweepPolicy};

use super::{OLD_SECRET, field, word, world};
use crate::support::order;
use crate::support::world::{event, session};

#[tokio::test]
async fn our_own_closings_say_nothing_about_shoppers() {
    let (world, kept) = world();
    let mut attempts = Vec::new();
    for n in 0..60 {
        attempts.push(world.open(&order(&format!("EC-{n}")), &format!("cs_test_{n}")).await);
    }
    let _ = kept.take();
    for attempt in &attempts {
        world.script.answer(200, session(attempt, "open", "unpaid").to_string());
        world
            .script
            .answer(200, session(attempt, "expired", "unpaid").to_string());
    }
    let report = world.cashier.expire_open().await;
    assert_eq!(report.closed.len(), 60);
    // Of some the gateway tells by a message as well.
    for (n, attempt) in attempts.iter().enumerate().take(5) {
        let expired = session(attempt, "expired", "unpaid");
        let told = event(&format!("evt_{n}"), "checkout.session.expired", &expired);
        assert_eq!(world.deliver(&told).await, 200);
    }
    let names = kept.names();
    assert!(!names.contains(&"payment.redirect.unused"), "{names:?}");
    assert!(!names.contains(&"payment.redirect.opened"), "{names:?}");
}

#[tokio::test]
async fn a_page_that_cannot_be_closed_is_told_as_an_unanswered_question() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    world.script.answer(500, String::new());
    let report = world.cashier.expire_open().await;
    assert_eq!(report.failed.len(), 1);
    assert_eq!(kept.words(), ["payment.query.unanswered unavailable"]);
}

#[tokio::test]
async fn a_key_that_opens_no_page_any_more_is_told() {
    let (world, kept) = world();
    let refusal = r#"{"error":{"type":"invalid_request_error","message":"Invalid API Key provided"}}"#;
    world.script.answer(401, refusal.to_owned());
    let refused = world.try_open(&order("EC-1")).await;
    assert!(matches!(refused, Err(OpenError::Gateway(_))), "{refused:?}");
    let events = kept.take();
    let told: Vec<_> = events.iter().map(word).collect();
    assert_eq!(told, ["payment.checkout.failed authentication"]);
    assert_eq!(field(&events[0], "order"), "EC-1");
}

#[tokio::test]
async fn what_was_only_counted_is_told_when_the_cashier_ends() {
    let (world, kept) = world();
    let callback = |n: u32| {
        let request = http::Request::post("/pay/stripe/notification")
            .header("Stripe-Signature", "t=1,v1=00")
            .body(bytes::Bytes::from(format!("{{\"n\":{n}}}")));
        request.unwrap()
    };
    for n in 0..20 {
        assert_ne!(world.deliver_raw(callback(n)).await, 200);
    }
    assert_eq!(kept.take().len(), 5);
    drop(world);
    let events = kept.take();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].name(), "payment.callback.refused_burst");
    assert_eq!(
        (field(&events[0], "count"), field(&events[0], "suppressed")),
        ("20".to_owned(), "15".to_owned())
    );
}

#[tokio::test]
async fn a_sighting_is_not_drowned_by_what_anybody_can_send_to_the_return_page() {
    let (world, kept) = world();
    for _ in 0..50 {
        let request = http::Request::get("/pay/stripe/return?cvv=123").body(bytes::Bytes::new());
        let callback = kessai::Callback::new(request.unwrap(), world.clock.now()).unwrap();
        let _ = world.cashier.returned(&GatewayId::STRIPE, callback).await;
    }
    let words = kept.words();
    assert!(
        words.contains(&"payment.card_data.unproven field_name".to_owned()),
        "{words:?}"
    );
    assert!(!words.iter().any(|word| word.contains("sighted")), "{words:?}");
    // A real one, and then many at one place: another place is told nevertheless.
    for place in ["the memo", "the name"] {
        for _ in 0..20 {
            let sighted = kessai::check_text(place, "4242 4242 4242 4242").unwrap_err();
            world.cashier.card_data_sighted(&sighted);
        }
        let told = kept.take();
        assert_eq!(told.len(), 5, "{place}");
        assert!(told.iter().all(|event| field(event, "place") == place));
    }
    world.clock.advance(Duration::from_secs(61));
    world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    let events = kept.take();
    let mut places: Vec<_> = events
        .iter()
        .filter(|event| event.name() == "payment.events.suppressed" && word(event).ends_with("number"))
        .map(|event| field(event, "place"))
        .collect();
    places.sort();
    assert_eq!(places, ["the memo", "the name"]);
}

#[tokio::test]
async fn card_data_beside_an_attempts_own_token_is_a_sighting() {
    let (world, kept) = world();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = kept.take();
    let target = format!(
        "/pay/stripe/return?attempt={}&state={}&cvv=123",
        attempt.expected.attempt,
        attempt.expected.return_token.as_str()
    );
    let request = http::Request::get(target).body(bytes::Bytes::new());
    let callback = kessai::Callback::new(request.unwrap(), world.clock.now()).unwrap();
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    let _ = world.cashier.returned(&GatewayId::STRIPE, callback).await;
    let words = kept.words();
    assert!(
        words.contains(&"payment.card_data.sighted field_name".to_owned()),
        "{words:?}"
    );
}

#[tokio::test]
async fn a_key_on_its_way_out_is_told_also_of_a_message_that_says_nothing_about_payments() {
    let (world, kept) = world();
    let other = event("evt_1", "customer.created", &serde_json::json!({"id": "cus_1"}));
    assert_eq!(world.deliver_signed_with(OLD_SECRET, &other).await, 200);
    assert_eq!(kept.words(), ["payment.key.retired_used"]);
    assert_eq!(world.deliver(&other).await, 200);
    assert!(kept.take().is_empty(), "the current one");
}
