//! What only shows in many payments together: card testing (PAY-66) and redirects that lead nowhere (PAY-06).

use std::time::Duration;

use kessai::ledger::StoredAttempt;
use kessai::security_event::{SecurityEvent, SecurityPolicy, TestingPolicy, UnusedPolicy};
use kessai::{CheckoutRequest, CustomerReference, LineItem, MerchantReference};
use serde_json::json;

use super::{Kept, MINUTE, field, word, world, world_by};
use crate::support::world::{World, event, paid, session};
use crate::support::yen;

fn buying(reference: &str, amount: u64, customer: Option<&str>) -> CheckoutRequest {
    let mut builder = CheckoutRequest::builder(MerchantReference::new(reference).unwrap())
        .item(LineItem::new("Sencha", yen(amount), 1).unwrap());
    if let Some(customer) = customer {
        builder = builder.customer(CustomerReference::new(customer).unwrap());
    }
    builder.build().unwrap()
}

async fn opens(world: &World, n: usize, amount: u64, customer: Option<&str>) -> StoredAttempt {
    let reference = format!("EC-{n}");
    world
        .open(&buying(&reference, amount, customer), &format!("cs_test_{n}"))
        .await
}

async fn declines(world: &World, n: usize, attempt: &StoredAttempt) {
    let object = session(attempt, "complete", "unpaid");
    let message = event(&format!("evt_{n}"), "checkout.session.async_payment_failed", &object);
    assert_eq!(world.deliver(&message).await, 200);
}

async fn expires(world: &World, n: usize, attempt: &StoredAttempt) {
    let object = session(attempt, "expired", "unpaid");
    let message = event(&format!("evt_{n}"), "checkout.session.expired", &object);
    assert_eq!(world.deliver(&message).await, 200);
}

async fn pays(world: &World, n: usize, attempt: &StoredAttempt) {
    assert_eq!(world.deliver(&paid(&format!("evt_{n}"), attempt)).await, 200);
}

fn suspicions(kept: &Kept) -> Vec<SecurityEvent> {
    let all = kept.take().into_iter();
    all.filter(|event| ["payment.testing.suspected", "payment.redirect.unused"].contains(&event.name()))
        .collect()
}

fn words(kept: &Kept) -> Vec<String> {
    suspicions(kept).iter().map(word).collect()
}

#[tokio::test]
async fn a_thousand_declined_attempts_are_told_once_per_sign() {
    let (world, kept) = world();
    for n in 0..1000 {
        let attempt = opens(&world, n, 100, Some("cust-1")).await;
        declines(&world, n, &attempt).await;
    }
    let events = suspicions(&kept);
    let mut signs: Vec<_> = events.iter().map(word).collect();
    signs.sort();
    let name = "payment.testing.suspected";
    assert_eq!(
        signs,
        [
            format!("{name} decline_rate"),
            format!("{name} same_amount"),
            format!("{name} same_customer")
        ]
    );
    let rate = events
        .iter()
        .find(|event| word(event).ends_with("decline_rate"))
        .unwrap();
    assert_eq!(
        (field(rate, "count").as_str(), field(rate, "of").as_str()),
        ("20", "20")
    );
    assert_eq!(field(rate, "window_seconds"), "600");
    // It was quiet, and it begins again.
    world.clock.advance(Duration::from_secs(3600));
    for n in 1000..1100 {
        let attempt = opens(&world, n, 100, Some("cust-1")).await;
        pays(&world, n, &attempt).await;
    }
    assert_eq!(words(&kept), Vec::<String>::new());
    world.clock.advance(Duration::from_secs(3600));
    for n in 1100..1130 {
        let attempt = opens(&world, n, 100 + n as u64, None).await;
        declines(&world, n, &attempt).await;
    }
    assert_eq!(
        words(&kept),
        [format!("{name} decline_rate")],
        "amounts that differ are no cluster"
    );
}

#[tokio::test]
async fn normal_traffic_raises_no_suspicion() {
    let (world, kept) = world();
    for n in 0..1000 {
        let customer = format!("cust-{}", n % 300);
        // One price is the most sold; of ten attempts seven are paid, one is declined, two are left.
        let amount = if n % 3 == 0 { 1980 } else { 500 + (n as u64 % 40) * 10 };
        let attempt = opens(&world, n, amount, Some(&customer)).await;
        match n % 10 {
            0 => declines(&world, n, &attempt).await,
            1 | 2 => expires(&world, n, &attempt).await,
            _ => pays(&world, n, &attempt).await,
        }
        if n % 5 == 0 {
            world.clock.advance(Duration::from_secs(10));
        }
    }
    assert_eq!(words(&kept), Vec::<String>::new());
}

#[tokio::test]
async fn a_customer_who_pays_is_not_counted_and_a_double_click_is_one_attempt() {
    let (world, kept) = world();
    for n in 0..30 {
        let attempt = opens(&world, n, 100, Some("cust-1")).await;
        if n % 6 == 5 {
            pays(&world, n, &attempt).await;
        }
    }
    for _ in 0..30 {
        opens(&world, 100, 100, Some("cust-2")).await;
    }
    assert_eq!(words(&kept), Vec::<String>::new());
}

#[tokio::test]
async fn a_cluster_of_one_amount_shows_in_much_good_traffic() {
    let (world, kept) = world();
    for n in 0..400 {
        let declined = n % 20 == 0;
        let attempt = opens(&world, n, if declined { 1 } else { 500 + n as u64 }, None).await;
        if declined {
            declines(&world, n, &attempt).await;
        } else {
            pays(&world, n, &attempt).await;
        }
    }
    let events = suspicions(&kept);
    assert_eq!(
        events.iter().map(word).collect::<Vec<_>>(),
        ["payment.testing.suspected same_amount"]
    );
    assert_eq!(field(&events[0], "count"), "10");
}

#[tokio::test]
async fn redirects_that_nobody_follows_are_told_once_until_it_is_better() {
    let unused = UnusedPolicy::default().window(60 * MINUTE).unused(20, 80);
    let (world, kept) = world_by(SecurityPolicy::default().unused(unused));
    let mut n = 0;
    let mut many = async |used: usize, left: usize| {
        for of in 0..used + left {
            n += 1;
            let attempt = opens(&world, n, 100 + n as u64, None).await;
            if of < used {
                pays(&world, n, &attempt).await;
            } else {
                expires(&world, n, &attempt).await;
            }
        }
    };
    many(30, 30).await;
    assert_eq!(
        words(&kept),
        Vec::<String>::new(),
        "half of the shoppers leave, as always"
    );
    world.clock.advance(Duration::from_secs(2 * 3600));
    many(2, 40).await;
    let events = suspicions(&kept);
    assert_eq!(events.iter().map(word).collect::<Vec<_>>(), ["payment.redirect.unused"]);
    assert_eq!(
        (field(&events[0], "count").as_str(), field(&events[0], "of").as_str()),
        ("20", "22")
    );
    many(50, 0).await;
    world.clock.advance(Duration::from_secs(2 * 3600));
    many(0, 30).await;
    assert_eq!(words(&kept), ["payment.redirect.unused"]);
}

#[tokio::test]
async fn the_limits_are_the_stores_to_set() {
    let testing = TestingPolicy::default()
        .window(MINUTE)
        .declined(3, 100)
        .same_amount(1000)
        .same_customer(1000);
    let (world, kept) = world_by(SecurityPolicy::default().testing(testing));
    for n in 0..6 {
        let attempt = opens(&world, n, 100, Some("cust-1")).await;
        declines(&world, n, &attempt).await;
        world.clock.advance(Duration::from_secs(40));
    }
    assert_eq!(words(&kept), Vec::<String>::new(), "never three within a minute");
    for n in 10..13 {
        let attempt = opens(&world, n, 100, Some("cust-1")).await;
        declines(&world, n, &attempt).await;
    }
    assert_eq!(words(&kept), ["payment.testing.suspected decline_rate"]);
}

#[tokio::test]
async fn cards_that_are_tried_one_after_another_on_one_page_are_told() {
    let (world, kept) = world();
    let attempt = opens(&world, 1, 100, None).await;
    let expected = &attempt.expected;
    let before = world.timeline(&attempt).await;
    let tried = |n: usize, livemode: bool| {
        let intent = json!({
            "id": "pi_of_cs_test_1", "status": "requires_payment_method", "amount": 100, "currency": "jpy",
            "livemode": livemode,
            "metadata": {"order_id": expected.order.as_str(), "attempt_id": expected.attempt.as_str()},
        });
        let mut message = event(&format!("evt_{n}"), "payment_intent.payment_failed", &intent);
        message["livemode"] = json!(livemode);
        message
    };
    for n in 0..100 {
        assert_eq!(world.deliver(&tried(n, true)).await, 200);
    }
    assert_eq!(words(&kept), Vec::<String>::new(), "of the other environment");
    for n in 0..100 {
        assert_eq!(world.deliver(&tried(n, false)).await, 200);
    }
    let mut signs = words(&kept);
    signs.sort();
    let name = "payment.testing.suspected";
    assert_eq!(signs, [format!("{name} decline_rate"), format!("{name} same_amount")]);
    assert_eq!(world.timeline(&attempt).await, before, "nothing of it is on record");
    pays(&world, 1, &attempt).await;
    assert_eq!(world.fulfil_all().await.len(), 1, "and the page can still be paid");
}
