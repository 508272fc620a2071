//! The desk: what it opens, what it takes, what it refuses, and that every channel ends at the same gate.

use std::time::Duration;

use bytes::Bytes;
use kessai::gateways::stripe::signature_header;
use kessai::ledger::StoredAttempt;
use kessai::sign::SigningKeys;
use kessai::transport::TransportErrorKind;
use kessai::{
    Callback, Cashier, CheckoutRequest, Clock, GatewayId, LineItem, MerchantReference, OpenError, PaymentStatus,
    Standing, SweepPolicy,
};
use serde_json::{Value, json};

use crate::support::world::{World, created, event, paid, session};
use crate::support::{SIGNING_SECRET, order, start, yen};

fn other_basket(reference: &str) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(reference).unwrap())
        .item(LineItem::new("Hojicha", yen(500), 1).unwrap())
        .build()
        .unwrap()
}

// ----- open -----

#[tokio::test]
async fn a_paid_order_is_fulfilled_once_and_its_story_is_on_record() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    assert_eq!(
        world.fulfil_all().await,
        Vec::<String>::new(),
        "nothing before evidence"
    );
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    assert_eq!(world.fulfil_all().await, [format!("fulfil-{}", attempt.reference())]);
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    assert_eq!(world.deliver(&paid("evt_2", &attempt)).await, 200);
    assert_eq!(world.fulfil_all().await, Vec::<String>::new());
    let kinds = world.kinds(&attempt).await;
    assert_eq!(
        kinds,
        ["expected", "opened", "applied", "fulfilment", "fulfilled", "heard"]
    );
    assert!(world.script.requests().is_empty(), "a callback asks nothing");
}

#[tokio::test]
async fn a_lost_reply_blocks_the_order_until_the_same_call_was_repeated_under_the_same_key() {
    for lost in [
        TransportErrorKind::Broken,
        TransportErrorKind::Timeout,
        TransportErrorKind::Reply,
    ] {
        let world = World::new();
        world.script.fail(lost);
        let OpenError::Gateway(error) = world.try_open(&order("EC-1")).await.unwrap_err() else {
            panic!()
        };
        assert_eq!(error.outcome(), kessai::Outcome::Unknown);
        let first = world.script.one_request();

        // Something else for the same order has to wait, and nothing is sent for it.
        let refused = world.try_open(&other_basket("EC-1")).await.unwrap_err();
        assert!(matches!(refused, OpenError::Undecided(_)), "{refused:?}");
        assert!(world.script.requests().is_empty());

        world
            .script
            .answer(200, created(&order("EC-1"), "cs_test_1").to_string());
        let _ = world.try_open(&order("EC-1")).await.unwrap();
        let second = world.script.one_request();
        assert_eq!(second.headers()["idempotency-key"], first.headers()["idempotency-key"]);
        assert_eq!(
            second.body(),
            first.body(),
            "the same key with other parameters would be refused"
        );
        assert_eq!(world.attempts(order("EC-1").order()).await.len(), 1);
    }
}

#[tokio::test]
async fn an_attempt_that_was_refused_or_never_sent_makes_room_for_another() {
    let world = World::new();
    world.script.answer(
        400,
        "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"url_invalid\"}}",
    );
    assert!(world.try_open(&order("EC-1")).await.is_err());
    let refused = world.script.one_request();
    world.script.fail(TransportErrorKind::Connect);
    assert!(world.try_open(&order("EC-1")).await.is_err());
    let unsent = world.script.one_request();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    assert_ne!(
        refused.headers()["idempotency-key"],
        unsent.headers()["idempotency-key"]
    );
    assert_eq!(attempt.status, PaymentStatus::Created);
    let statuses: Vec<_> = world
        .attempts(order("EC-1").order())
        .await
        .iter()
        .map(|attempt| attempt.status)
        .collect();
    assert_eq!(
        statuses,
        [PaymentStatus::Failed, PaymentStatus::Failed, PaymentStatus::Created]
    );
}

#[tokio::test]
async fn a_refused_repeat_says_nothing_about_the_first_send() {
    let world = World::new();
    world.script.fail(TransportErrorKind::Broken);
    assert!(world.try_open(&order("EC-1")).await.is_err());
    world.script.answer(
        401,
        "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"api_key_expired\"}}",
    );
    assert!(world.try_open(&order("EC-1")).await.is_err());
    let refused = world.try_open(&other_basket("EC-1")).await.unwrap_err();
    assert!(
        matches!(refused, OpenError::Undecided(_)),
        "still undecided: {refused:?}"
    );
}

#[tokio::test]
async fn a_double_click_leads_to_the_same_page() {
    let world = World::new();
    for _ in 0..2 {
        world
            .script
            .answer(200, created(&order("EC-1"), "cs_test_1").to_string());
        let checkout = world.try_open(&order("EC-1")).await.unwrap();
        assert_eq!(checkout.reference.unwrap().as_str(), "cs_test_1");
    }
    let requests = world.script.requests();
    assert_eq!(
        requests[0].headers()["idempotency-key"],
        requests[1].headers()["idempotency-key"]
    );
    assert_eq!(world.attempts(order("EC-1").order()).await.len(), 1);
}

#[tokio::test]
async fn a_changed_basket_closes_the_open_page_before_another_one_opens() {
    let world = World::new();
    let first = world.open(&order("EC-1"), "cs_test_1").await;
    world
        .script
        .answer(200, session(&first, "open", "unpaid").to_string())
        .answer(200, session(&first, "expired", "unpaid").to_string())
        .answer(200, created(&other_basket("EC-1"), "cs_test_2").to_string());
    let _ = world.try_open(&other_basket("EC-1")).await.unwrap();
    let paths: Vec<_> = world
        .script
        .requests()
        .iter()
        .map(|request| request.uri().path().to_owned())
        .collect();
    assert_eq!(
        paths,
        [
            "/v1/checkout/sessions/cs_test_1",
            "/v1/checkout/sessions/cs_test_1/expire",
            "/v1/checkout/sessions"
        ]
    );
    // Money on the page that was closed is kept for a human.
    assert_eq!(world.deliver(&paid("evt_1", &first)).await, 200);
    assert_eq!(world.held_reasons().await, ["late"]);
    assert!(world.fulfil_all().await.is_empty());
}

#[tokio::test]
async fn a_page_that_was_paid_meanwhile_is_found_out_and_no_second_one_opens() {
    let world = World::new();
    let first = world.open(&order("EC-1"), "cs_test_1").await;
    world
        .script
        .answer(200, session(&first, "complete", "paid").to_string());
    let refused = world.try_open(&other_basket("EC-1")).await.unwrap_err();
    assert!(matches!(refused, OpenError::AlreadyPaid(_)), "{refused:?}");
    assert_eq!(world.fulfil_all().await.len(), 1);
    let _ = world.script.requests();
    assert!(matches!(
        world.try_open(&order("EC-1")).await,
        Err(OpenError::AlreadyPaid(_))
    ));
    assert!(world.script.requests().is_empty());
}

#[tokio::test]
async fn a_page_that_cannot_be_closed_blocks() {
    let world = World::new();
    let first = world.open(&order("EC-1"), "cs_test_1").await;
    for answers in [
        vec![
            Err(TransportErrorKind::Broken),
            Err(TransportErrorKind::Broken),
            Err(TransportErrorKind::Broken),
        ],
        vec![
            Ok(session(&first, "open", "unpaid")),
            Err(TransportErrorKind::Timeout),
            Ok(session(&first, "open", "unpaid")),
        ],
        // A delayed method: money is on its way.
        vec![Ok(session(&first, "complete", "unpaid"))],
    ] {
        for answer in answers {
            match answer {
                Ok(session) => world.script.answer(200, session.to_string()),
                Err(kind) => world.script.fail(kind),
            };
        }
        let refused = world.try_open(&other_basket("EC-1")).await.unwrap_err();
        assert!(matches!(refused, OpenError::Underway { .. }), "{refused:?}");
        let sent = world.script.requests();
        assert!(
            sent.iter()
                .all(|request| request.uri().path() != "/v1/checkout/sessions"),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn an_unconfirmed_attempt_stops_blocking_an_hour_after_its_page_expired() {
    let world = World::new();
    world.script.fail(TransportErrorKind::Broken);
    assert!(world.try_open(&order("EC-1")).await.is_err());
    world.clock.advance(Duration::from_secs(24 * 3600 + 3599));
    assert!(matches!(
        world.try_open(&other_basket("EC-1")).await,
        Err(OpenError::Undecided(_))
    ));
    world.clock.advance(Duration::from_secs(1));
    let _ = world.script.requests();
    world
        .script
        .answer(200, created(&other_basket("EC-1"), "cs_test_2").to_string());
    assert!(world.try_open(&other_basket("EC-1")).await.is_ok());
}

#[tokio::test]
async fn a_gateway_that_is_not_configured_is_refused() {
    let world = World::new();
    let unknown = GatewayId::from_static("unknown");
    assert!(matches!(
        world.cashier.open(&order("EC-1"), &unknown).await,
        Err(OpenError::UnknownGateway(_))
    ));
    let callback = Callback::new(http::Request::post("/").body(Bytes::new()).unwrap(), start()).unwrap();
    assert_eq!(world.cashier.callback(&unknown, callback.clone()).await.status(), 404);
    assert_eq!(
        world.cashier.returned(&unknown, callback).await.standing,
        Standing::Unknown
    );
    assert!(
        Cashier::builder(kessai::ledgers::MemoryLedger::new()).build().is_err(),
        "no gateway at all"
    );
}

// ----- callbacks -----

/// Everything that a forger, a tamperer or a wrong key can send. None of it leaves a trace.
#[tokio::test]
async fn what_proves_nothing_is_refused_alike_and_leaves_no_trace() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let before = world.timeline(&attempt).await;
    let body = paid("evt_1", &attempt).to_string();
    let keys = SigningKeys::from_texts([SIGNING_SECRET]).unwrap();
    let now = world.clock.now();
    let genuine = signature_header(&keys, now, body.as_bytes());
    let (time, tag) = genuine.split_once(",v1=").unwrap();
    let post = |header: Option<&str>, body: &str| {
        let mut request = http::Request::post("/pay/stripe/notification");
        if let Some(header) = header {
            request = request.header("Stripe-Signature", header);
        }
        request.body(Bytes::from(body.to_owned())).unwrap()
    };
    let old = signature_header(&keys, now - Duration::from_secs(301), body.as_bytes());
    let future = signature_header(&keys, now + Duration::from_secs(301), body.as_bytes());
    let foreign = signature_header(
        &SigningKeys::from_texts(["whsec_the_attackers_own_endpoint"]).unwrap(),
        now,
        body.as_bytes(),
    );
    let mut refused = vec![
        post(None, &body),
        post(Some(""), &body),
        post(Some("t=1"), &body),
        post(Some(&format!("{time},v1=")), &body),
        post(Some(&format!("{time},v0={tag}")), &body),
        post(Some(&format!("{time},v1={}", tag.to_uppercase())), &body),
        post(Some(&old), &body),
        post(Some(&future), &body),
        post(Some(&foreign), &body),
        post(Some(&genuine), &body.replace("3960", "3961")),
        post(Some(&genuine), &format!("{body} ")),
        post(Some(&genuine), ""),
    ];
    for length in 0..tag.len() {
        refused.push(post(Some(&format!("{time},v1={}", &tag[..length])), &body));
    }
    let mut twice = post(Some(&genuine), &body);
    twice.headers_mut().append("stripe-signature", genuine.parse().unwrap());
    refused.push(twice);

    for request in refused {
        let shown = format!("{:?}", request.headers());
        assert_eq!(world.deliver_raw(request).await, 400, "{shown}");
    }
    assert_eq!(world.timeline(&attempt).await, before);
    assert!(world.script.requests().is_empty());
    assert!(world.fulfil_all().await.is_empty());
    // And the genuine one still works.
    assert_eq!(world.deliver_raw(post(Some(&genuine), &body)).await, 200);
    assert_eq!(world.fulfil_all().await.len(), 1);
}

/// Authentic, and not the expected payment: on record where it is about us, and it never pays.
#[tokio::test]
async fn a_genuine_message_that_differs_from_what_was_expected_never_pays() {
    type Change = (&'static str, Value, &'static str);
    let changes: [Change; 12] = [
        ("/data/object/amount_total", json!(3959), "amount"),
        ("/data/object/amount_total", json!(3961), "amount"),
        ("/data/object/amount_total", json!(0), "amount"),
        ("/data/object/currency", json!("usd"), "currency"),
        ("/data/object/currency", json!("krw"), "currency"),
        ("/data/object/client_reference_id", json!("EC-2"), "reference"),
        ("/data/object/id", json!("cs_test_other"), "reference"),
        ("/account", json!("acct_attacker"), "account"),
        ("/data/object/amount_total", json!(null), "asked"),
        ("/data/object/currency", json!("zzz"), "asked"),
        ("/data/object/payment_status", json!("Paid"), "asked"),
        (
            "/data/object/metadata/attempt_id",
            json!("0000000000000000000000000a"),
            "attempt",
        ),
    ];
    for (pointer, value, outcome) in changes {
        let world = World::new();
        let attempt = world.open(&order("EC-1"), "cs_test_1").await;
        let mut message = paid("evt_1", &attempt);
        if let Some(place) = message.pointer_mut(pointer) {
            *place = value.clone();
        } else {
            message["account"] = value.clone();
        }
        assert_eq!(world.deliver(&message).await, 200, "{pointer} {value}");
        assert!(world.fulfil_all().await.is_empty(), "{pointer} {value}");
        let stored = world.attempts(&attempt.expected.order).await.remove(0);
        assert_eq!(stored.status, PaymentStatus::Created, "{pointer} {value}");
        let held = world.held_reasons().await;
        match outcome {
            "asked" => assert!(
                held.is_empty() && stored.next_ask <= Some(world.clock.now()),
                "{pointer} {value}"
            ),
            reason => assert_eq!(held, [reason], "{pointer} {value}"),
        }
        // Delivered again, it is held once.
        assert_eq!(world.deliver(&message).await, 200);
        assert!(world.held_reasons().await.len() <= 1);
        assert!(world.script.requests().is_empty());
    }
}

#[tokio::test]
async fn a_message_of_the_other_mode_is_acknowledged_and_ignored() {
    for pointers in [
        &["/livemode"][..],
        &["/data/object/livemode"],
        &["/livemode", "/data/object/livemode"],
    ] {
        let world = World::new();
        let attempt = world.open(&order("EC-1"), "cs_test_1").await;
        let before = world.timeline(&attempt).await;
        let mut message = paid("evt_1", &attempt);
        for pointer in pointers {
            *message.pointer_mut(pointer).unwrap() = json!(true);
        }
        assert_eq!(world.deliver(&message).await, 200);
        assert_eq!(world.timeline(&attempt).await, before);
        assert!(world.fulfil_all().await.is_empty());
    }
}

#[tokio::test]
async fn genuine_messages_about_nothing_of_ours_are_acknowledged() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let before = world.timeline(&attempt).await;
    let mut foreign = session(&attempt, "complete", "paid");
    foreign["id"] = json!("cs_test_of_another_system");
    foreign["metadata"] = json!({"cart": "77"});
    foreign["client_reference_id"] = json!("somebody's cart");
    foreign["payment_intent"] = json!("pi_of_another_system");
    assert_eq!(
        world
            .deliver(&event("evt_1", "checkout.session.completed", &foreign))
            .await,
        200
    );
    assert_eq!(
        world
            .deliver(&event("evt_2", "customer.created", &json!({"id": "cus_1"})))
            .await,
        200
    );
    assert_eq!(
        world.deliver(&event("evt_3", "invented.yesterday", &json!({}))).await,
        200
    );
    assert_eq!(world.timeline(&attempt).await, before);
}

#[tokio::test]
async fn two_tabs_cannot_swap_their_payments() {
    let world = World::new();
    let cheap = world.open(&other_basket("EC-1"), "cs_test_cheap").await;
    let dear = world.open(&order("EC-2"), "cs_test_dear").await;
    // The cheap payment under the dear attempt's name, and the other way round.
    let mut swapped = session(&cheap, "complete", "paid");
    swapped["metadata"]["attempt_id"] = json!(dear.reference().as_str());
    assert_eq!(
        world
            .deliver(&event("evt_1", "checkout.session.completed", &swapped))
            .await,
        200
    );
    let mut swapped = session(&dear, "complete", "paid");
    swapped["metadata"]["attempt_id"] = json!(cheap.reference().as_str());
    assert_eq!(
        world
            .deliver(&event("evt_2", "checkout.session.completed", &swapped))
            .await,
        200
    );
    assert!(world.fulfil_all().await.is_empty());
    assert_eq!(world.held_reasons().await.len(), 2);
    // The same transaction for two attempts: one of them.
    let mut one = session(&cheap, "complete", "paid");
    let mut other = session(&dear, "complete", "paid");
    one["payment_intent"] = json!("pi_shared");
    other["payment_intent"] = json!("pi_shared");
    assert_eq!(
        world.deliver(&event("evt_3", "checkout.session.completed", &one)).await,
        200
    );
    assert_eq!(
        world
            .deliver(&event("evt_4", "checkout.session.completed", &other))
            .await,
        200
    );
    assert_eq!(world.fulfil_all().await, [format!("fulfil-{}", cheap.reference())]);
}

#[tokio::test]
async fn older_and_later_news_never_undo_or_repeat_a_payment() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    world.deliver(&paid("evt_1", &attempt)).await;
    for (n, (kind, status, payment_status)) in [
        ("checkout.session.expired", "expired", "unpaid"),
        ("checkout.session.async_payment_failed", "complete", "unpaid"),
        ("checkout.session.completed", "complete", "unpaid"),
    ]
    .into_iter()
    .enumerate()
    {
        let message = event(
            &format!("evt_old_{n}"),
            kind,
            &session(&attempt, status, payment_status),
        );
        assert_eq!(world.deliver(&message).await, 200);
    }
    let stored = world.attempts(&attempt.expected.order).await.remove(0);
    assert_eq!(stored.status, PaymentStatus::Captured);
    assert_eq!(world.fulfil_all().await.len(), 1);
}

#[tokio::test]
async fn a_delayed_payment_is_pending_until_the_money_is_there() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let slip = session(&attempt, "complete", "unpaid");
    world
        .deliver(&event("evt_1", "checkout.session.completed", &slip))
        .await;
    assert!(world.fulfil_all().await.is_empty());
    assert_eq!(
        world.attempts(&attempt.expected.order).await[0].status,
        PaymentStatus::Pending
    );
    world.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let money = session(&attempt, "complete", "paid");
    world
        .deliver(&event("evt_2", "checkout.session.async_payment_succeeded", &money))
        .await;
    assert_eq!(world.fulfil_all().await.len(), 1);
}

#[tokio::test]
async fn a_refund_is_heard_as_a_sign_and_found_out_by_asking() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    world.deliver(&paid("evt_1", &attempt)).await;
    world.fulfil_all().await;
    assert_eq!(
        world.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked,
        0,
        "over, so not asked about"
    );
    let refund = json!({"id": "re_1", "payment_intent": "pi_of_cs_test_1"});
    assert_eq!(world.deliver(&event("evt_2", "refund.created", &refund)).await, 200);
    let mut answer = session(&attempt, "complete", "paid");
    answer["payment_intent"] = json!({
        "id": "pi_of_cs_test_1", "status": "succeeded",
        "latest_charge": {"amount": 3960, "amount_refunded": 1000, "currency": "jpy", "refunded": false},
    });
    world.script.answer(200, answer.to_string());
    let report = world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((report.asked, report.moved(), report.paid), (1, 1, 0));
    assert_eq!(
        world.attempts(&attempt.expected.order).await[0].status,
        PaymentStatus::PartiallyRefunded
    );
    assert!(world.fulfil_all().await.is_empty());
}

#[tokio::test]
async fn a_right_tells_that_the_money_went_back_before_anything_left_the_house() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    world.deliver(&paid("evt_1", &attempt)).await;
    let due = world.cashier.next_fulfilment().await.unwrap().unwrap();
    assert_eq!(due.status(), PaymentStatus::Captured);

    let charge = json!({
        "id": "ch_1", "payment_intent": "pi_of_cs_test_1", "amount": 3960, "amount_captured": 3960,
        "amount_refunded": 3960, "currency": "jpy", "refunded": true, "livemode": false,
        "metadata": {"order_id": "EC-1", "attempt_id": attempt.reference().as_str()},
    });
    assert_eq!(world.deliver(&event("evt_2", "charge.refunded", &charge)).await, 200);
    assert_eq!(
        world.attempts(&attempt.expected.order).await[0].status,
        PaymentStatus::Refunded
    );
    // Nobody did it, so it comes again, and says so.
    drop(due);
    world.clock.advance(Duration::from_secs(600));
    let due = world.cashier.next_fulfilment().await.unwrap().unwrap();
    assert_eq!((due.status(), due.deliveries), (PaymentStatus::Refunded, 2));
}

// ----- returns -----

fn back(world: &World, method: &str, target: &str) -> Callback {
    let request = http::Request::builder()
        .method(method)
        .uri(target)
        .body(Bytes::new())
        .unwrap();
    Callback::new(request, world.clock.now()).unwrap()
}

#[tokio::test]
async fn a_return_with_every_success_looking_parameter_pays_nothing() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    let target = format!(
        "/pay/stripe/return?attempt={name}&state={state}&session_id=cs_test_1&status=paid&payment_status=paid&success=true"
    );
    let page = world
        .cashier
        .returned(&GatewayId::STRIPE, back(&world, "GET", &target))
        .await;
    assert_eq!(page.standing, Standing::NotPaid);
    assert_eq!(page.order.unwrap().as_str(), "EC-1");
    assert!(world.fulfil_all().await.is_empty());
    assert_eq!(world.script.requests().len(), 1, "at most one question");
}

#[tokio::test]
async fn returns_with_a_wrong_token_all_look_alike_and_ask_nothing() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let other = world.open(&order("EC-2"), "cs_test_2").await;
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    let foreign = other.expected.return_token.as_str();
    let before = world.timeline(&attempt).await;
    for query in [
        String::new(),
        format!("attempt={name}"),
        format!("state={state}"),
        format!("attempt={name}&state="),
        format!("attempt={name}&state=%20"),
        format!("attempt={name}&state={}", &state[1..]),
        format!("attempt={name}&state={state}x"),
        format!("attempt={name}&state={foreign}"),
        format!("attempt={}&state={state}", other.reference()),
        format!("attempt={name}&state={state}&state={state}"),
        format!("attempt={name}&attempt={name}&state={state}"),
        format!("attempt={name}&state={state}&session_id=cs_test_2"),
        format!("attempt={name}&state={state}&session_id=cs_test_1&session_id=cs_test_2"),
        format!("attempt={name}&state={state}&x=%zz"),
        "attempt=EC-1&state=EC-1".to_owned(),
    ] {
        for path in ["return", "cancel"] {
            let target = format!("/pay/stripe/{path}?{query}");
            let page = world
                .cashier
                .returned(&GatewayId::STRIPE, back(&world, "GET", &target))
                .await;
            assert_eq!(page.standing, Standing::Unknown, "{target}");
            assert!(
                page.order.is_none() && page.attempt.is_none() && page.see_other.is_none(),
                "{target}"
            );
        }
    }
    assert!(world.script.requests().is_empty());
    assert_eq!(world.timeline(&attempt).await, before);
}

#[tokio::test]
async fn ten_thousand_returns_of_one_attempt_ask_within_the_budget() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    let target = format!("/pay/stripe/return?attempt={name}&state={state}&session_id=cs_test_1");
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    for _ in 0..10_000 {
        let page = world
            .cashier
            .returned(&GatewayId::STRIPE, back(&world, "GET", &target))
            .await;
        assert!(matches!(page.standing, Standing::NotPaid | Standing::AskAgain));
    }
    assert_eq!(world.script.requests().len(), 1);
    assert_eq!(
        world.kinds(&attempt).await,
        ["expected", "opened", "returned", "heard"],
        "and the disk does not fill"
    );
}

#[tokio::test]
async fn a_cross_site_post_return_becomes_a_get_that_carries_only_our_own_values() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    world.script.fail(TransportErrorKind::Timeout);
    let target = format!("/pay/stripe/return?attempt={name}&state={state}&session_id=cs_test_1&more=1");
    let page = world
        .cashier
        .returned(&GatewayId::STRIPE, back(&world, "POST", &target))
        .await;
    assert_eq!(
        page.standing,
        Standing::AskAgain,
        "no answer is neither paid nor failed"
    );
    let reply = page.see_other.unwrap();
    assert_eq!(reply.status(), 303);
    assert_eq!(
        reply.headers()["location"],
        format!("/pay/stripe/return?attempt={name}&state={state}")
    );
    assert_eq!(reply.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn a_return_is_sent_on_to_no_path_that_is_another_host() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    let own = format!("?attempt={name}&state={state}");
    world.script.fail(TransportErrorKind::Timeout);
    for (path, kept) in [
        ("/pay/stripe/return", "/pay/stripe/return"),
        ("//evil.example/pay/stripe/return", ""),
        ("///evil.example", ""),
        ("/pay/\u{301c}", ""),
    ] {
        let page = world
            .cashier
            .returned(&GatewayId::STRIPE, back(&world, "POST", &format!("{path}{own}")))
            .await;
        let reply = page.see_other.unwrap();
        assert_eq!(reply.headers()["location"], format!("{kept}{own}"), "{path}");
    }
}

#[tokio::test]
async fn the_standing_follows_the_evidence() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    let target = format!("/pay/stripe/return?attempt={name}&state={state}&session_id=cs_test_1");
    let cancel = format!("/pay/stripe/cancel?attempt={name}&state={state}");
    let mut seen = Vec::new();
    for (target, status, payment_status) in [
        (&cancel, "open", "unpaid"),
        (&target, "complete", "unpaid"),
        (&target, "complete", "paid"),
    ] {
        world.clock.advance(Duration::from_secs(10));
        world
            .script
            .answer(200, session(&attempt, status, payment_status).to_string());
        let page = world
            .cashier
            .returned(&GatewayId::STRIPE, back(&world, "GET", target))
            .await;
        seen.push((page.standing, page.cancelled));
    }
    assert_eq!(
        seen,
        [
            (Standing::NotPaid, true),
            (Standing::Pending, false),
            (Standing::Paid, false)
        ]
    );
    assert_eq!(
        world.fulfil_all().await.len(),
        1,
        "paid by the answer, not by the browser"
    );
    // Reloading the page asks nothing any more.
    let _ = world.script.requests();
    let page = world
        .cashier
        .returned(&GatewayId::STRIPE, back(&world, "GET", &target))
        .await;
    assert_eq!(page.standing, Standing::Paid);
    assert!(world.script.requests().is_empty());
}

async fn standing(world: &World, target: &str) -> Standing {
    let callback = back(world, "GET", target);
    world.cashier.returned(&GatewayId::STRIPE, callback).await.standing
}

#[tokio::test]
async fn money_that_a_human_has_to_look_at_is_not_asked_for_again() {
    // Another sum than the expected one was captured, as the answer says.
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
    let target = format!("/pay/stripe/return?attempt={name}&state={state}&session_id=cs_test_1");
    let mut other = session(&attempt, "complete", "paid");
    other["amount_total"] = json!(3959);
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(10));
        world.script.answer(200, other.to_string());
        assert_eq!(standing(&world, &target).await, Standing::Pending);
        assert_eq!(world.held_reasons().await, ["amount"]);
    }
    // Later answers may say less. What is held is held.
    world.clock.advance(Duration::from_secs(10));
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    assert_eq!(standing(&world, &target).await, Standing::Pending);

    // Money came after the end; a second attempt of the order was opened, and given up.
    let world = World::new();
    let first = world.open(&order("EC-1"), "cs_test_1").await;
    let expired = session(&first, "expired", "unpaid");
    world
        .deliver(&event("evt_1", "checkout.session.expired", &expired))
        .await;
    let target = |attempt: &StoredAttempt| {
        let (name, state) = (attempt.reference(), attempt.expected.return_token.as_str());
        format!("/pay/stripe/cancel?attempt={name}&state={state}")
    };
    assert_eq!(standing(&world, &target(&first)).await, Standing::NotPaid);
    world.deliver(&paid("evt_2", &first)).await;
    assert_eq!(world.held_reasons().await, ["late"]);
    let second = world.open(&order("EC-1"), "cs_test_2").await;
    for attempt in [&first, &second] {
        world.script.answer(200, session(&second, "open", "unpaid").to_string());
        assert_eq!(standing(&world, &target(attempt)).await, Standing::Pending);
        world.script.clear();
    }
    // It went back. Now the order can be paid again.
    let charge = json!({
        "id": "ch_1", "payment_intent": "pi_of_cs_test_1", "amount": 3960, "amount_captured": 3960,
        "amount_refunded": 3960, "currency": "jpy", "refunded": true, "livemode": false,
        "metadata": {"order_id": "EC-1", "attempt_id": first.reference().as_str()},
    });
    world.deliver(&event("evt_3", "charge.refunded", &charge)).await;
    assert_eq!(standing(&world, &target(&first)).await, Standing::NotPaid);

    // What is held and is no money holds up nobody.
    let third = world.open(&order("EC-2"), "cs_test_3").await;
    let mut odd = session(&third, "expired", "unpaid");
    odd["amount_total"] = json!(3959);
    world.deliver(&event("evt_4", "checkout.session.expired", &odd)).await;
    assert_eq!(world.held_reasons().await.first().map(String::as_str), Some("amount"));
    let expired = session(&third, "expired", "unpaid");
    world
        .deliver(&event("evt_5", "checkout.session.expired", &expired))
        .await;
    assert_eq!(standing(&world, &target(&third)).await, Standing::NotPaid);
}

// ----- sweep -----

#[tokio::test]
async fn what_callbacks_missed_is_found_by_asking() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    assert_eq!(
        world.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked,
        0,
        "not at once"
    );
    world.clock.advance(Duration::from_secs(119));
    assert_eq!(world.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked, 0);
    world.clock.advance(Duration::from_secs(1));
    world
        .script
        .answer(200, session(&attempt, "complete", "paid").to_string());
    let report = world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((report.asked, report.paid), (1, 1));
    assert_eq!(world.fulfil_all().await.len(), 1);
    // The callback that comes after all changes nothing.
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    assert!(world.fulfil_all().await.is_empty());
}

#[tokio::test]
async fn no_usable_answer_is_neither_paid_nor_failed_and_is_asked_again_later() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let mut crossed = session(&attempt, "complete", "paid");
    crossed["id"] = json!("cs_test_2");
    let answers: Vec<Result<(u16, String), TransportErrorKind>> = vec![
        Err(TransportErrorKind::Connect),
        Err(TransportErrorKind::Timeout),
        Err(TransportErrorKind::Broken),
        Err(TransportErrorKind::Reply),
        Ok((
            429,
            "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"lock_timeout\"}}".to_owned(),
        )),
        Ok((500, String::new())),
        Ok((503, "<html>".to_owned())),
        Ok((200, "<html>".to_owned())),
        Ok((200, String::new())),
        Ok((200, "{}".to_owned())),
        Ok((
            404,
            "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"resource_missing\"}}".to_owned(),
        )),
        Ok((200, crossed.to_string())),
        Ok((200, session(&attempt, "complete", "newly_invented").to_string())),
    ];
    let mut waits = Vec::new();
    for answer in answers {
        match &answer {
            Ok((status, body)) => world.script.answer(*status, body.clone()),
            Err(kind) => world.script.fail(*kind),
        };
        let due = world.attempts(&attempt.expected.order).await[0].next_ask.unwrap();
        world
            .clock
            .advance(due.duration_since(world.clock.now()).unwrap_or_default());
        let report = world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
        assert_eq!(
            (report.asked, report.unanswered, report.moved()),
            (1, 1, 0),
            "{answer:?}"
        );
        let stored = world.attempts(&attempt.expected.order).await.remove(0);
        assert_eq!(stored.status, PaymentStatus::Created, "{answer:?}");
        waits.push(stored.next_ask.unwrap().duration_since(world.clock.now()).unwrap());
    }
    assert!(
        waits
            .iter()
            .all(|wait| *wait >= Duration::from_secs(120) && *wait <= Duration::from_secs(3600)),
        "{waits:?}"
    );
    assert!(waits.last() > waits.first(), "{waits:?}");
    assert!(world.fulfil_all().await.is_empty());
    let requests = world.script.requests().len();
    assert_eq!(world.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked, 0);
    assert_eq!((requests, world.script.requests().len()), (13, 0));
}

#[tokio::test]
async fn a_sweep_stops_at_its_bound() {
    let world = World::new();
    let mut sessions = Vec::new();
    for n in 0..25 {
        sessions.push(world.open(&order(&format!("EC-{n}")), &format!("cs_test_{n}")).await);
    }
    world.clock.advance(Duration::from_secs(120));
    for _ in 0..12 {
        world.script.fail(TransportErrorKind::Connect);
    }
    let report = world
        .cashier
        .sweep(&SweepPolicy::default().most(12).give_up_after(20))
        .await
        .unwrap();
    assert_eq!((report.asked, report.unanswered), (12, 12));
}

#[tokio::test]
async fn money_after_expiry_is_held_and_listed() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    world
        .deliver(&event(
            "evt_1",
            "checkout.session.expired",
            &session(&attempt, "expired", "unpaid"),
        ))
        .await;
    world.deliver(&paid("evt_2", &attempt)).await;
    assert_eq!(world.held_reasons().await, ["late"]);
    assert!(world.fulfil_all().await.is_empty());
}
