//! Notifications: signatures, retries, and every way they can go wrong (Stripe sheet §7).

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use kessai::mock::MockError;
use kessai::mock::stripe::{DeliveryFault, DeliveryOutcome, MockStripe, TestCard, signature_header};
use kessai::{Callback, VerifyError};

use super::shop::{DAY, HOUR, MINUTE, PATIENCE, Shop, Sink, callback_of, client_of, id_of, json, store_of};

const COMPLETED: &str = "checkout.session.completed";
const SUCCEEDED: &str = "payment_intent.succeeded";

fn signature(request: &Request<Bytes>) -> &str {
    request.headers()["stripe-signature"].to_str().unwrap()
}

fn completed(sink: &Sink) -> Vec<Request<Bytes>> {
    sink.received()
        .into_iter()
        .filter(|request| json(request.body())["type"] == COMPLETED)
        .collect()
}

/// A shop where one thing goes wrong with the `completed` of one paid order.
async fn struck(fault: DeliveryFault) -> Shop {
    let shop = Shop::open().await;
    let armed = shop.mock.delivery_fault(fault).on(COMPLETED).to(&shop.sink.url).arm();
    shop.paid().await;
    shop.quiet().await;
    assert_eq!(armed.hits(), 1);
    shop
}

#[tokio::test]
async fn a_delivery_is_what_the_sheet_says() {
    let shop = Shop::open().await;
    let attempt = shop.paid().await;
    shop.quiet().await;
    let request = completed(&shop.sink).remove(0);
    assert_eq!(request.method(), http::Method::POST);
    assert_eq!(request.headers()["content-type"], "application/json; charset=utf-8");
    let now = shop.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let header = signature(&request);
    assert!(header.starts_with(&format!("t={now},v1=")), "{header}");
    assert!(header.contains(",v0="), "test events carry a fake scheme");
    let ours = signature_header(shop.endpoint.secret(), i64::try_from(now).unwrap(), request.body());
    assert!(header.starts_with(&ours));
    let event = json(request.body());
    assert_eq!((&event["object"], &event["livemode"]), (&"event".into(), &false.into()));
    assert_eq!(event["data"]["object"]["id"], id_of(&attempt));
    assert_eq!(event["pending_webhooks"], 1);

    let same = shop
        .get(&format!("/v1/events/{}", event["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!((&same["data"], &same["pending_webhooks"]), (&event["data"], &0.into()));
    let view = shop
        .merchant
        .events()
        .into_iter()
        .find(|view| view.event_type == COMPLETED)
        .unwrap();
    assert_eq!((view.id.as_str(), view.pending), (event["id"].as_str().unwrap(), 0));
    assert_eq!(view.object, id_of(&attempt));
}

#[tokio::test]
async fn the_wrong_secret_a_changed_byte_and_an_old_time_verify_nowhere() {
    let shop = Shop::open().await;
    shop.paid().await;
    shop.quiet().await;
    let request = completed(&shop.sink).remove(0);
    let with = |header: &str, body: &[u8]| {
        let mut request = Request::new(Bytes::copy_from_slice(body));
        request
            .headers_mut()
            .insert("stripe-signature", header.parse().unwrap());
        *request.method_mut() = http::Method::POST;
        shop.stripe
            .verify(&Callback::new(request, shop.now()).unwrap())
            .map(drop)
    };
    let header = signature(&request).to_owned();
    assert!(with(&header, request.body()).is_ok());
    let mut changed = request.body().to_vec();
    for at in [0, changed.len() / 2, changed.len() - 1] {
        changed[at] ^= 1;
        assert_eq!(with(&header, &changed), Err(VerifyError::Mismatch), "byte {at}");
        changed[at] ^= 1;
    }
    let other = shop.merchant.add_endpoint("http://127.0.0.1:9/").unwrap();
    let now = i64::try_from(shop.now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    assert_ne!(other.secret(), shop.endpoint.secret());
    assert!(with(&signature_header(other.secret(), now, request.body()), request.body()).is_err());
    assert!(
        with(
            &signature_header(&shop.endpoint.secret()[6..], now, request.body()),
            request.body()
        )
        .is_err()
    );
    assert!(
        with(
            &signature_header(shop.endpoint.secret(), now - 301, request.body()),
            request.body()
        )
        .is_err()
    );
    assert!(
        with(
            &signature_header(shop.endpoint.secret(), now - 300, request.body()),
            request.body()
        )
        .is_ok()
    );
}

#[tokio::test]
async fn a_refused_delivery_comes_again_fresh_and_not_for_ever() {
    let shop = Shop::open().await;
    shop.sink.answer([200, 500, 400, 302, 503]);
    shop.paid().await;
    shop.quiet().await;
    assert_eq!(completed(&shop.sink).len(), 1);
    for (wait, tries) in [(4 * MINUTE, 1), (MINUTE, 2), (HOUR, 3), (3 * HOUR, 4), (3 * DAY, 4)] {
        shop.advance(wait);
        shop.quiet().await;
        assert_eq!(completed(&shop.sink).len(), tries);
    }
    let all = completed(&shop.sink);
    assert!(
        all.iter().all(|request| request.body() == all[0].body()),
        "the same bytes every time"
    );
    let headers: std::collections::HashSet<_> = all.iter().map(signature).collect();
    assert_eq!(headers.len(), 4, "a new time and a new signature every time");
    assert!(
        all.iter()
            .all(|request| shop.stripe.verify(&callback_of(request)).is_ok())
    );
    let tries: Vec<_> = shop
        .deliveries(COMPLETED)
        .iter()
        .map(|try_| (try_.attempt, try_.status))
        .collect();
    assert_eq!(tries, [(1, Some(500)), (2, Some(400)), (3, Some(302)), (4, Some(503))]);
    assert_eq!(shop.merchant.events().last().unwrap().pending, 1, "nobody ever took it");
}

#[tokio::test]
async fn a_delivery_that_is_taken_at_last_is_not_repeated() {
    let shop = Shop::open().await;
    shop.sink.answer([200, 500, 204]);
    shop.paid().await;
    shop.quiet().await;
    for _ in 0..4 {
        shop.advance(DAY);
        shop.quiet().await;
    }
    assert_eq!(completed(&shop.sink).len(), 2);
    assert!(shop.deliveries(COMPLETED)[1].acknowledged());
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_tried_again_too() {
    let mock = MockStripe::builder()
        .clock(kessai::mock::Clock::stopped_at(crate::support::start()))
        .retry_after(vec![MINUTE])
        .start()
        .unwrap();
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let endpoint = mock.merchant().add_endpoint(&format!("http://{nowhere}/")).unwrap();
    let stripe = client_of(&mock, &mock.merchant(), endpoint.secret()).build().unwrap();
    let request = crate::support::order("ORD-1");
    let expected = kessai::ExpectedPayment::plan(&stripe, &request, mock.clock().now()).unwrap();
    kessai::Gateway::checkout(&stripe, &expected, &request).await.unwrap();
    mock.merchant().expire(&mock.merchant().sessions()[0].id).unwrap();
    mock.quiet(PATIENCE).await.unwrap();
    mock.clock().advance(MINUTE);
    mock.quiet(PATIENCE).await.unwrap();
    let tries: Vec<_> = mock
        .merchant()
        .deliveries()
        .iter()
        .map(|it| (it.attempt, it.outcome.clone()))
        .collect();
    assert_eq!(tries, [(1, DeliveryOutcome::NoAnswer), (2, DeliveryOutcome::NoAnswer)]);
}

#[tokio::test]
async fn a_duplicate_is_the_same_event_again() {
    for fault in [DeliveryFault::Duplicate, DeliveryFault::TwiceAtOnce] {
        let shop = struck(fault).await;
        let all = completed(&shop.sink);
        assert_eq!(all.len(), 2, "{fault:?}");
        assert_eq!(all[0].body(), all[1].body());
        assert!(
            all.iter()
                .all(|request| shop.stripe.verify(&callback_of(request)).is_ok())
        );
        shop.advance(DAY);
        shop.quiet().await;
        assert_eq!(completed(&shop.sink).len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn reordered_events_arrive_the_wrong_way_round() {
    let shop = Shop::open().await;
    shop.mock.delivery_fault(DeliveryFault::Reordered).on(SUCCEEDED).arm();
    shop.paid().await;
    shop.quiet().await;
    assert_eq!(shop.sink.types(), [COMPLETED, SUCCEEDED]);
}

#[tokio::test]
async fn a_late_event_comes_when_its_time_has_come() {
    let shop = struck(DeliveryFault::Late(HOUR)).await;
    assert_eq!(shop.sink.types(), [SUCCEEDED]);
    shop.advance(59 * MINUTE);
    shop.quiet().await;
    assert_eq!(shop.sink.types(), [SUCCEEDED]);
    shop.advance(MINUTE);
    shop.quiet().await;
    assert_eq!(shop.sink.types(), [SUCCEEDED, COMPLETED]);
    assert!(
        shop.stripe.verify(&callback_of(&completed(&shop.sink)[0])).is_ok(),
        "signed when it is sent"
    );
}

#[tokio::test]
async fn a_dropped_event_never_comes_until_somebody_sends_it_again() {
    let shop = struck(DeliveryFault::Dropped).await;
    shop.advance(3 * DAY);
    shop.quiet().await;
    assert_eq!(shop.sink.types(), [SUCCEEDED]);
    let dropped = shop.deliveries(COMPLETED).remove(0);
    assert_eq!((dropped.outcome, dropped.status), (DeliveryOutcome::Dropped, None));
    shop.merchant.resend(&dropped.event).unwrap();
    shop.quiet().await;
    assert_eq!(shop.sink.types(), [SUCCEEDED, COMPLETED]);
    assert!(matches!(
        shop.merchant.resend("evt_none"),
        Err(MockError::Unknown { .. })
    ));
}

#[tokio::test]
async fn what_is_not_genuine_does_not_verify_and_its_retry_does() {
    for (fault, why) in [
        (
            DeliveryFault::OldTimestamp(Duration::from_secs(301)),
            VerifyError::Stale,
        ),
        (DeliveryFault::WrongSecret, VerifyError::Mismatch),
        (DeliveryFault::Tampered, VerifyError::Mismatch),
    ] {
        let shop = Shop::open().await;
        shop.mock.delivery_fault(fault).on(COMPLETED).arm();
        shop.sink.answer([200, 400]);
        shop.paid().await;
        shop.quiet().await;
        let first = shop.stripe.verify(&callback_of(&completed(&shop.sink)[0]));
        assert_eq!(first.err(), Some(why), "{fault:?}");
        shop.advance(5 * MINUTE);
        shop.quiet().await;
        let all = completed(&shop.sink);
        assert!(shop.stripe.verify(&callback_of(&all[1])).is_ok(), "{fault:?}");
        if fault == DeliveryFault::Tampered {
            assert_ne!(
                json(all[0].body())["data"]["object"]["amount_total"],
                json(all[1].body())["data"]["object"]["amount_total"]
            );
        }
    }
}

#[tokio::test]
async fn delivery_faults_hit_what_they_are_aimed_at() {
    let shop = Shop::open().await;
    let second = Sink::open(shop.mock.clock()).await;
    shop.merchant.add_endpoint(&second.url).unwrap();
    let elsewhere = shop
        .mock
        .delivery_fault(DeliveryFault::Dropped)
        .to("http://127.0.0.1:9/")
        .arm();
    let other_type = shop
        .mock
        .delivery_fault(DeliveryFault::Dropped)
        .on("charge.refunded")
        .arm();
    let here = shop
        .mock
        .delivery_fault(DeliveryFault::Dropped)
        .to(&second.url)
        .after(1)
        .times(1)
        .arm();
    let off = shop.mock.delivery_fault(DeliveryFault::Dropped).times(9).arm();
    off.disarm();
    shop.paid().await;
    shop.quiet().await;
    assert_eq!(
        (elsewhere.hits(), other_type.hits(), here.hits(), off.hits()),
        (0, 0, 1, 0)
    );
    assert_eq!(shop.sink.types(), [SUCCEEDED, COMPLETED]);
    assert_eq!(second.types(), [SUCCEEDED]);
}

#[tokio::test]
async fn while_a_secret_is_rolled_both_sign() {
    let shop = Shop::open().await;
    let new = shop.endpoint.roll_secret(HOUR);
    assert_ne!(new, shop.endpoint.secret());
    let renewed = client_of(&shop.mock, &shop.merchant, &new).build().unwrap();
    shop.paid().await;
    shop.quiet().await;
    let request = completed(&shop.sink).remove(0);
    assert_eq!(signature(&request).matches("v1=").count(), 2);
    assert!(shop.stripe.verify(&callback_of(&request)).is_ok());
    assert!(renewed.verify(&callback_of(&request)).is_ok());

    shop.advance(HOUR);
    shop.paid().await;
    shop.quiet().await;
    let request = completed(&shop.sink).pop().unwrap();
    assert_eq!(signature(&request).matches("v1=").count(), 1);
    assert_eq!(
        shop.stripe.verify(&callback_of(&request)).err(),
        Some(VerifyError::Mismatch)
    );
    assert!(renewed.verify(&callback_of(&request)).is_ok());
}

#[tokio::test]
async fn an_old_secret_lives_a_day_at_most_and_not_at_all_if_so_asked() {
    let shop = Shop::open().await;
    let second = shop.endpoint.roll_secret(30 * DAY);
    shop.advance(DAY);
    shop.paid().await;
    let third = shop.endpoint.roll_secret(Duration::ZERO);
    shop.paid().await;
    shop.quiet().await;
    assert_ne!(second, third);
    assert!(
        completed(&shop.sink)
            .iter()
            .all(|request| signature(request).matches("v1=").count() == 1)
    );
}

#[tokio::test]
async fn endpoints_choose_their_events_and_can_be_removed() {
    let shop = Shop::open().await;
    let picky = Sink::open(shop.mock.clock()).await;
    shop.merchant
        .add_endpoint_for(&picky.url, &["checkout.session.expired", COMPLETED])
        .unwrap();
    shop.paid().await;
    shop.quiet().await;
    assert_eq!(picky.types(), [COMPLETED]);
    shop.sink.answer([500]);
    shop.paid().await;
    shop.quiet().await;
    shop.endpoint.remove();
    let before = shop.sink.received().len();
    shop.paid().await;
    shop.advance(DAY);
    shop.quiet().await;
    assert_eq!(shop.sink.received().len(), before, "no retry either");
    assert_eq!(picky.types(), [COMPLETED; 3]);
}

#[tokio::test]
async fn nothing_outside_this_machine_is_ever_called() {
    let shop = Shop::open().await;
    for url in [
        "http://shop.example/notification",
        "http://192.0.2.1/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://127.0.0.1.shop.example/",
        "http://localhost.shop.example/",
        "http://127.0.0.1@shop.example/",
        "http://[2001:db8::1]/",
        "https://127.0.0.1/",
        "ftp://127.0.0.1/",
        "127.0.0.1:80",
        "/notification",
        "",
    ] {
        let refused = shop.merchant.add_endpoint(url).unwrap_err();
        assert!(
            matches!(refused, MockError::NotLoopback { .. } | MockError::BadUrl),
            "{url}: {refused}"
        );
        assert!(shop.mock.shopper().open(url).await.is_err(), "{url}");
    }
    for url in [
        "http://127.0.0.1:9/x",
        "http://127.9.9.9/",
        "http://localhost:9/",
        "http://[::1]:9/",
    ] {
        assert!(shop.merchant.add_endpoint(url).is_ok(), "{url}");
    }
}

#[tokio::test]
async fn waiting_for_quiet_has_an_end() {
    let shop = Shop::open().await;
    // Listens and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    shop.merchant
        .add_endpoint(&format!("http://{}/", listener.local_addr().unwrap()))
        .unwrap();
    shop.paid().await;
    let waited = shop.mock.quiet(Duration::from_millis(300)).await;
    assert!(matches!(waited, Err(MockError::NotQuiet(_))));
}

#[tokio::test]
async fn a_double_click_pays_once_and_says_so_once() {
    let shop = Shop::open().await;
    let (attempt, page) = shop.at_page().await;
    let (one, two, three) = tokio::join!(
        page.pay(TestCard::Succeeds),
        page.pay(TestCard::Succeeds),
        page.pay(TestCard::Declines)
    );
    let stores: Vec<_> = [one, two, three].into_iter().map(|landed| landed.unwrap()).collect();
    assert!(stores.iter().filter(|landed| landed.store().is_some()).count() >= 2);
    store_of(page.pay(TestCard::Succeeds).await.unwrap());
    shop.quiet().await;
    assert_eq!(completed(&shop.sink).len(), 1);
    let view = shop.merchant.session(id_of(&attempt)).unwrap();
    assert_eq!((view.captured, view.payment_status.as_str()), (3960, "paid"));
}
