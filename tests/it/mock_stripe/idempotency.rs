//! Replies kept under the idempotency key (Stripe sheet §3).

use std::time::Duration;

use http::Method;
use kessai::mock::stripe::{Fault, Operation};

use super::shop::{Form, Shop, id_of};
use crate::support::order;

const SESSIONS: &str = "/v1/checkout/sessions";

#[tokio::test]
async fn the_same_request_under_the_same_key_is_answered_once() {
    let shop = Shop::open().await;
    let first = shop.create_with_key("key-1", &Form::valid()).await;
    let again = shop.create_with_key("key-1", &Form::valid()).await;
    // The order of the parameters is no difference.
    let shuffled = shop.create_with_key("key-1", &Form::valid().backwards()).await;
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    assert_eq!(first.text, shuffled.text);
    assert_eq!(again.headers["idempotency-key"], "key-1");
    assert_ne!(first.headers["request-id"], again.headers["request-id"]);
    assert_eq!(shop.merchant.sessions().len(), 1);
    let other = shop.create_with_key("key-2", &Form::valid()).await;
    assert_ne!(other.id(), first.id());
    assert_ne!(
        shop.create(&Form::valid()).await.id(),
        shop.create(&Form::valid()).await.id()
    );
}

#[tokio::test]
async fn the_replay_is_of_that_time_and_not_of_now() {
    let shop = Shop::open().await;
    let first = shop.create_with_key("key-1", &Form::valid()).await;
    shop.merchant.expire(&first.id()).unwrap();
    assert_eq!(
        shop.create_with_key("key-1", &Form::valid()).await.json()["status"],
        "open"
    );
    assert_eq!(
        shop.get(&format!("{SESSIONS}/{}", first.id())).await.json()["status"],
        "expired"
    );
}

#[tokio::test]
async fn a_key_cannot_be_used_for_anything_else() {
    let shop = Shop::open().await;
    let id = shop.create_with_key("key-1", &Form::valid()).await.id();
    for other in [
        Form::valid().with("client_reference_id", "ORD-2"),
        Form::valid().with("client_reference_id", None),
        Form::valid().with("metadata[a]", "b"),
    ] {
        let refused = shop.create_with_key("key-1", &other).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["type"]),
            (400, &"idempotency_error".into()),
            "{other}"
        );
    }
    let headers = [("idempotency-key", "key-1")];
    let elsewhere = shop
        .call(Method::POST, &format!("{SESSIONS}/{id}/expire"), "", &headers)
        .await;
    assert_eq!(elsewhere.json()["error"]["type"], "idempotency_error");
    assert_eq!(shop.merchant.sessions().len(), 1);
    assert_eq!(shop.merchant.session(&id).unwrap().status, "open");
}

#[tokio::test]
async fn keys_have_a_length_and_belong_to_one_merchant() {
    let shop = Shop::open().await;
    let long = "k".repeat(256);
    for key in ["", long.as_str()] {
        let refused = shop.create_with_key(key, &Form::valid()).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["type"]),
            (400, &"idempotency_error".into()),
            "{key}"
        );
    }
    let own = shop.create_with_key(&long[1..], &Form::valid()).await.id();
    let other = shop.mock.open_merchant("Other");
    let headers = [("idempotency-key", &long[1..])];
    let theirs = shop
        .call_as(
            other.api_key(),
            Method::POST,
            SESSIONS,
            &Form::valid().to_string(),
            &headers,
        )
        .await;
    assert_ne!(theirs.id(), own);
}

#[tokio::test]
async fn a_refusal_before_any_work_is_not_kept() {
    let shop = Shop::open().await;
    let refused = shop
        .create_with_key("key-1", &Form::valid().with("success_url", None))
        .await;
    assert_eq!(refused.status, 400);
    assert_eq!(shop.create_with_key("key-1", &Form::valid()).await.status, 200);
    for fault in [Fault::LockTimeout, Fault::KeyInUse, Fault::Unavailable, Fault::HtmlPage] {
        let key = format!("{fault:?}");
        shop.mock.fault(fault).arm();
        let hit = shop.create_with_key(&key, &Form::valid()).await;
        assert!(hit.status != 200 || hit.text.starts_with("<!doctype html>"), "{key}");
        assert_eq!(shop.create_with_key(&key, &Form::valid()).await.status, 200, "{key}");
    }
}

#[tokio::test]
async fn a_refusal_after_work_is_kept() {
    let shop = Shop::open().await;
    let id = shop.create(&Form::valid()).await.id();
    shop.merchant.expire(&id).unwrap();
    let path = format!("{SESSIONS}/{id}/expire");
    let first = shop
        .call(Method::POST, &path, "", &[("idempotency-key", "key-1")])
        .await;
    let again = shop
        .call(Method::POST, &path, "", &[("idempotency-key", "key-1")])
        .await;
    assert_eq!((first.status, first.text), (400, again.text));
}

#[tokio::test]
async fn a_stored_500_is_replayed_whether_or_not_the_work_was_done() {
    for (fault, made) in [(Fault::ServerError, 0), (Fault::ServerErrorAfterWork, 1)] {
        let shop = Shop::open().await;
        let armed = shop.mock.fault(fault.clone()).on(Operation::CreateSession).arm();
        let first = shop.create_with_key("key-1", &Form::valid()).await;
        let again = shop.create_with_key("key-1", &Form::valid()).await;
        assert_eq!((first.status, again.status), (500, 500), "{fault:?}");
        assert_eq!(first.text, again.text);
        assert_eq!(first.json()["error"]["type"], "api_error");
        assert_eq!(armed.hits(), 1, "the second one is a replay");
        assert_eq!(shop.merchant.sessions().len(), made, "{fault:?}");
        assert_eq!(shop.create_with_key("key-2", &Form::valid()).await.status, 200);
    }
}

#[tokio::test]
async fn a_key_is_in_use_until_its_reply_has_left() {
    let shop = Shop::open().await;
    let armed = shop
        .mock
        .fault(Fault::Delay(Duration::from_millis(1500)))
        .on(Operation::CreateSession)
        .arm();
    let form = Form::valid();
    let slow = shop.create_with_key("key-1", &form);
    let fast = async {
        while armed.hits() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shop.create_with_key("key-1", &Form::valid()).await
    };
    let (slow, fast) = tokio::join!(slow, fast);
    assert_eq!(fast.refusal().1, "idempotency_key_in_use");
    assert_eq!(fast.status, 409);
    let later = shop.create_with_key("key-1", &Form::valid()).await;
    assert_eq!(later.text, slow.text);
    assert_eq!(shop.merchant.sessions().len(), 1);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day() {
    let shop = Shop::open().await;
    let first = shop.create_with_key("key-1", &Form::valid()).await.id();
    shop.advance(Duration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(shop.create_with_key("key-1", &Form::valid()).await.id(), first);
    shop.advance(Duration::from_secs(1));
    assert_ne!(shop.create_with_key("key-1", &Form::valid()).await.id(), first);
}

#[tokio::test]
async fn the_client_that_lost_a_reply_gets_the_same_page_again() {
    let shop = Shop::open().await;
    let request = order("ORD-1");
    let expected = kessai::ExpectedPayment::plan(&shop.stripe, &request, shop.now()).unwrap();
    shop.mock.fault(Fault::LostReply).arm();
    let lost = shop.reopen(&expected, &request).await.unwrap_err();
    assert_eq!(lost.outcome(), kessai::Outcome::Unknown);
    let (attempt, _) = shop.reopen(&expected, &request).await.unwrap();
    let sessions = shop.merchant.sessions();
    assert_eq!(sessions.len(), 1);
    assert_eq!(sessions[0].id, id_of(&attempt));
}
