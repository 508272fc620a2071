//! Whose keys open what (Stripe sheet §3, §12 and §13), and an attacker with an account of his own.

use http::Method;
use kessai::gateways::stripe::Stripe;
use kessai::sign::SigningKeys;
use kessai::{Addresses, ApiKey, ConfigError, Environment, ErrorKind, Gateway, GatewayReference, VerifyError};

use super::shop::{Form, Shop, Sink, callback_of, client_of, id_of, json};

const SESSIONS: &str = "/v1/checkout/sessions";

#[tokio::test]
async fn keys_that_are_not_an_accounts_own_open_nothing() {
    let shop = Shop::open().await;
    let body = Form::valid().to_string();
    let own = shop.merchant.api_key().to_owned();
    let (live, live_restricted) = (own.replace("_test_", "_live_"), own.replace("sk_test_", "rk_live_"));
    let (public, shorter) = (own.replace("sk_", "pk_"), own[..own.len() - 1].to_owned());
    let longer = format!("{own}x");
    for key in [
        &live,
        &live_restricted,
        &public,
        &shorter,
        &longer,
        "sk_test_",
        "x",
        shop.endpoint.secret(),
    ] {
        for method in [Method::GET, Method::POST] {
            let answer = shop.call_as(key, method, SESSIONS, &body, &[]).await;
            assert_eq!(answer.refusal().0, 401, "{key}");
            assert!(!answer.text.contains(key) || key.len() < 5, "the key is not repeated");
        }
    }
    for header in ["", "Bearer", "Bearer ", "Token abc", &own, &format!("Digest {own}")] {
        let answer = shop
            .call_bare(Method::GET, SESSIONS, "", &[("authorization", header)])
            .await
            .unwrap();
        assert_eq!(answer.refusal().0, 401, "{header:?}");
    }
    for key in [&live, &live_restricted] {
        let answer = shop.call_as(key, Method::GET, SESSIONS, "", &[]).await;
        assert!(
            answer.text.contains("a live key"),
            "it says what is wrong: {}",
            answer.text
        );
    }
    let answer = shop.call_bare(Method::GET, SESSIONS, "", &[]).await.unwrap();
    assert_eq!(answer.refusal().0, 401);
    assert_eq!(shop.merchant.sessions(), []);
    assert_eq!(shop.merchant.requests(), [], "they were nobody's");
    assert!(shop.mock.requests().iter().all(|request| request.status == 401));
    assert!(shop.mock.requests().len() > 20);
}

#[tokio::test]
async fn the_key_may_also_be_a_user_name() {
    use base64ct::{Base64, Encoding};

    let shop = Shop::open().await;
    let basic = |pair: String| format!("Basic {}", Base64::encode_string(pair.as_bytes()));
    let own = shop.merchant.api_key();
    for (pair, status) in [
        (format!("{own}:"), 200),
        (format!("{own}:password"), 401),
        (format!(":{own}"), 401),
        (own.to_owned(), 401),
    ] {
        let header = basic(pair);
        let answer = shop
            .call_bare(Method::GET, SESSIONS, "", &[("authorization", &header)])
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{header}");
    }
    let broken = shop
        .call_bare(Method::GET, SESSIONS, "", &[("authorization", "Basic %%%")])
        .await
        .unwrap();
    assert_eq!(broken.status, 401);
}

#[tokio::test]
async fn a_live_key_cannot_even_be_pointed_here() {
    let shop = Shop::open().await;
    let live = shop.merchant.api_key().replace("_test_", "_live_");
    let refused = Stripe::builder(
        ApiKey::new(live).unwrap(),
        SigningKeys::from_texts([shop.endpoint.secret()]).unwrap(),
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    )
    .endpoint(shop.mock.base_url().as_str())
    .build();
    assert!(matches!(refused, Err(ConfigError::Environment { .. })));
    assert_eq!(shop.stripe.environment(), Environment::Sandbox);
}

#[tokio::test]
async fn a_restricted_key_opens_checkouts_and_moves_no_money() {
    let shop = Shop::open().await;
    let attempt = shop.paid().await;
    let intent = shop.merchant.session(id_of(&attempt)).unwrap().payment_intent.unwrap();
    let key = shop.merchant.restricted_key();
    for (method, path, body, status) in [
        (Method::POST, SESSIONS.to_owned(), Form::valid().to_string(), 200),
        (
            Method::GET,
            format!("{SESSIONS}/{}", id_of(&attempt)),
            String::new(),
            200,
        ),
        (Method::GET, format!("/v1/payment_intents/{intent}"), String::new(), 200),
        (
            Method::POST,
            "/v1/refunds".to_owned(),
            format!("payment_intent={intent}"),
            403,
        ),
        (
            Method::POST,
            format!("/v1/payment_intents/{intent}/capture"),
            String::new(),
            403,
        ),
        (
            Method::POST,
            format!("/v1/payment_intents/{intent}/cancel"),
            String::new(),
            403,
        ),
    ] {
        let answer = shop.call_as(key, method, &path, &body, &[]).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
    }
    assert_eq!(shop.merchant.session(id_of(&attempt)).unwrap().refunded, 0);
}

#[tokio::test]
async fn one_merchants_key_sees_nothing_of_another() {
    let shop = Shop::open().await;
    let attacker = shop.mock.open_merchant("Attacker");
    assert_eq!(attacker.name(), "Attacker");
    assert_ne!(attacker.id(), shop.merchant.id());
    let attempt = shop.paid().await;
    let session = id_of(&attempt);
    let intent = shop.merchant.session(session).unwrap().payment_intent.unwrap();
    let refund = shop.merchant.refund(session, Some(1)).unwrap();
    let event = shop.merchant.events().remove(0).id;
    let key = attacker.api_key();
    for path in [
        format!("{SESSIONS}/{session}"),
        format!("/v1/payment_intents/{intent}"),
        format!("/v1/refunds/{refund}"),
        format!("/v1/events/{event}"),
    ] {
        assert_eq!(
            shop.call_as(key, Method::GET, &path, "", &[]).await.refusal().0,
            404,
            "{path}"
        );
        assert_eq!(shop.get(&path).await.status, 200, "{path}");
    }
    for (path, body) in [
        (format!("{SESSIONS}/{session}/expire"), String::new()),
        (format!("/v1/payment_intents/{intent}/capture"), String::new()),
        (format!("/v1/payment_intents/{intent}/cancel"), String::new()),
        ("/v1/refunds".to_owned(), format!("payment_intent={intent}")),
    ] {
        assert_eq!(
            shop.call_as(key, Method::POST, &path, &body, &[]).await.refusal().0,
            404,
            "{path}"
        );
    }
    for path in [
        SESSIONS.to_owned(),
        format!("{SESSIONS}?payment_intent={intent}"),
        "/v1/refunds".to_owned(),
    ] {
        let list = shop.call_as(key, Method::GET, &path, "", &[]).await.json();
        assert_eq!(list["data"].as_array().unwrap().len(), 0, "{path}");
    }
    assert!(attacker.session(session).is_err());
    assert!(attacker.refund(session, None).is_err());
    assert!(attacker.dispute(session).is_err());
    assert!(attacker.resend(&event).is_err());
    assert_eq!(
        (attacker.sessions(), attacker.events(), attacker.deliveries().len()),
        (vec![], vec![], 0)
    );
    assert_eq!(shop.merchant.session(session).unwrap().refunded, 1);
}

#[tokio::test]
async fn real_money_in_the_attackers_account_proves_nothing_to_the_store() {
    let shop = Shop::open().await;
    let attacker = shop.mock.open_merchant("Attacker");
    let inbox = Sink::open(shop.mock.clock()).await;
    let endpoint = attacker.add_endpoint(&inbox.url).unwrap();
    let (attempt, _) = shop.at_page().await;
    // The same order, the same amount, the same references, paid for real, to himself.
    let theirs = Form::valid()
        .with("metadata[order_id]", attempt.expected.order.as_str())
        .with("metadata[attempt_id]", attempt.reference().as_str());
    let made = shop
        .call_as(attacker.api_key(), Method::POST, SESSIONS, &theirs.to_string(), &[])
        .await;
    let page = shop
        .mock
        .shopper()
        .open(made.json()["url"].as_str().unwrap())
        .await
        .unwrap();
    page.pay(kessai::mock::stripe::TestCard::Succeeds).await.unwrap();
    shop.quiet().await;
    assert_eq!(shop.sink.received().len(), 0);
    let stolen = inbox.received().pop().unwrap();
    assert_eq!(json(stolen.body())["data"]["object"]["payment_status"], "paid");

    // Sent to the store: signed, but with a secret that is not the store's.
    assert_eq!(
        shop.stripe.verify(&callback_of(&stolen)).err(),
        Some(VerifyError::Mismatch)
    );
    let his = client_of(&shop.mock, &attacker, endpoint.secret()).build().unwrap();
    assert!(his.verify(&callback_of(&stolen)).is_ok());

    // Named in a return: the store asks with its own key, and there is no such session.
    let mut fooled = attempt.clone();
    fooled.checkout = Some(GatewayReference::new(made.id()).unwrap());
    let error = shop.stripe.status(&fooled, shop.now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(shop.status(&attempt).await, kessai::PaymentStatus::Created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulator_and_its_shoppers_work_from_many_tasks_at_once() {
    use std::sync::Arc;

    let shop = Arc::new(Shop::open().await);
    let buy = |_| {
        let shop = Arc::clone(&shop);
        tokio::spawn(async move {
            let attempt = shop.paid().await;
            shop.quiet().await;
            shop.status(&attempt).await
        })
    };
    for task in (0..24).map(buy).collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), kessai::PaymentStatus::Captured);
    }
    shop.quiet().await;
    assert_eq!(shop.merchant.sessions().len(), 24);
    assert_eq!(shop.sink.received().len(), 48);
    assert!(
        shop.merchant
            .deliveries()
            .iter()
            .all(kessai::mock::stripe::DeliveryView::acknowledged)
    );
}
