//! Everything that can go wrong between a client and the API: what the wire shows, and whether the work was done.

use std::time::{Duration, Instant};

use http::Method;
use kessai::mock::stripe::{Fault, Operation, RateLimit, TestCard};
use kessai::transport::RetryPolicy;
use kessai::{ErrorKind, ExpectedPayment, Gateway, Outcome};

use super::shop::{Form, Shop, client_of, id_of, page_of, store_of};
use crate::support::order;

const SESSIONS: &str = "/v1/checkout/sessions";

/// One fault, once, on the way to a new session; the answer, and how many sessions there are afterwards.
async fn struck(fault: Fault) -> (Result<super::shop::Answer, reqwest::Error>, usize) {
    let shop = Shop::open().await;
    let armed = shop.mock.fault(fault).on(Operation::CreateSession).arm();
    assert_eq!(shop.get(SESSIONS).await.status, 200, "another operation is not hit");
    let key = format!("Bearer {}", shop.merchant.api_key());
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let answer = shop
        .call_bare(Method::POST, SESSIONS, &Form::valid().to_string(), &headers)
        .await;
    assert_eq!(armed.hits(), 1);
    let made = shop.merchant.sessions().len();
    assert_eq!(shop.create(&Form::valid()).await.status, 200, "once is once");
    (answer, made)
}

#[tokio::test]
async fn a_broken_connection_hides_whether_the_work_was_done() {
    for (fault, done) in [(Fault::LostReply, 1), (Fault::LostRequest, 0), (Fault::BrokenOff, 1)] {
        let (answer, made) = struck(fault.clone()).await;
        assert!(answer.is_err(), "{fault:?}");
        assert_eq!(made, done, "{fault:?}");
    }
}

#[tokio::test]
async fn rate_limits_say_why() {
    for (reason, wire) in [
        (RateLimit::GlobalRate, "global-rate"),
        (RateLimit::EndpointRate, "endpoint-rate"),
        (RateLimit::GlobalConcurrency, "global-concurrency"),
        (RateLimit::EndpointConcurrency, "endpoint-concurrency"),
        (RateLimit::ResourceSpecific, "resource-specific"),
    ] {
        let (answer, made) = struck(Fault::RateLimited(reason)).await;
        let answer = answer.unwrap();
        assert_eq!((answer.refusal().0, made), (429, 0));
        assert_eq!(answer.headers["stripe-rate-limited-reason"], wire);
        assert!(answer.headers.contains_key("request-id"));
    }
    let (answer, made) = struck(Fault::LockTimeout).await;
    let answer = answer.unwrap();
    assert_eq!(
        (answer.refusal().1.as_str(), answer.status, made),
        ("lock_timeout", 429, 0)
    );
    assert!(!answer.headers.contains_key("stripe-rate-limited-reason"));
}

#[tokio::test]
async fn trouble_has_a_status_and_not_always_json() {
    let (answer, made) = struck(Fault::KeyInUse).await;
    assert_eq!(
        (answer.unwrap().refusal().1.as_str(), made),
        ("idempotency_key_in_use", 0)
    );
    for (fault, done) in [(Fault::ServerError, 0), (Fault::ServerErrorAfterWork, 1)] {
        let (answer, made) = struck(fault).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, made), (500, done));
        assert_eq!(answer.json()["error"]["type"], "api_error");
    }
    for (fault, status) in [(Fault::Unavailable, 503), (Fault::HtmlPage, 200)] {
        let (answer, made) = struck(fault).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, made), (status, 0));
        assert_eq!(answer.headers["content-type"], "text/html");
        assert!(serde_json::from_str::<serde_json::Value>(&answer.text).is_err());
    }
    let target = url::Url::parse("https://elsewhere.example/v1/checkout/sessions").unwrap();
    let (answer, made) = struck(Fault::Redirect(target.clone())).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, made), (302, 0));
    assert_eq!(answer.headers["location"], target.as_str());
}

#[tokio::test]
async fn a_reply_can_be_huge_cut_or_about_somebody_else() {
    let (answer, made) = struck(Fault::HugeBody(3_000_000)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.text.len(), made), (3_000_000, 1));
    assert_eq!(answer.json()["object"], "checkout.session");

    let (answer, made) = struck(Fault::TruncatedJson).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, made), (200, 1));
    assert!(serde_json::from_str::<serde_json::Value>(&answer.text).is_err());

    let shop = Shop::open().await;
    let first = shop.create(&Form::valid()).await.id();
    let second = shop.create(&Form::valid()).await.id();
    shop.mock.fault(Fault::Swapped).on(Operation::RetrieveSession).arm();
    assert_eq!(shop.get(&format!("{SESSIONS}/{first}")).await.id(), second);
    assert_eq!(shop.get(&format!("{SESSIONS}/{first}")).await.id(), first);
}

#[tokio::test]
async fn a_reply_can_be_late_or_slow_in_real_time() {
    let start = Instant::now();
    let (answer, made) = struck(Fault::Delay(Duration::from_millis(400))).await;
    assert_eq!((answer.unwrap().status, made), (200, 1));
    assert!(start.elapsed() >= Duration::from_millis(400));
    let start = Instant::now();
    let drip = Fault::Drip {
        bytes: 200,
        pause: Duration::from_millis(50),
    };
    let (answer, made) = struck(drip).await;
    assert_eq!((answer.unwrap().status, made), (200, 1));
    assert!(
        start.elapsed() >= Duration::from_millis(300),
        "a session is more than six pieces long"
    );
}

#[tokio::test]
async fn faults_are_counted_aimed_and_can_be_called_off() {
    let shop = Shop::open().await;
    let path = format!("{SESSIONS}/{}", shop.create(&Form::valid()).await.id());
    let armed = shop
        .mock
        .fault(Fault::LockTimeout)
        .on(Operation::RetrieveSession)
        .after(1)
        .times(2)
        .arm();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(shop.get(&path).await.status);
    }
    assert_eq!((statuses, armed.hits()), (vec![200, 429, 429, 200], 2));

    let armed = shop.mock.fault(Fault::LockTimeout).times(9).arm();
    assert_eq!(shop.get(&path).await.status, 429);
    armed.disarm();
    assert_eq!((shop.get(&path).await.status, armed.hits()), (200, 1));

    // Not armed, no fault.
    drop(shop.mock.fault(Fault::LockTimeout).times(9));
    assert_eq!(shop.get(&path).await.status, 200);
}

#[tokio::test]
async fn the_client_knows_of_each_fault_whether_money_may_have_moved() {
    let elsewhere = url::Url::parse("https://elsewhere.example/").unwrap();
    let drip = Fault::Drip {
        bytes: 20,
        pause: Duration::from_millis(100),
    };
    for (fault, outcome, kind) in [
        (Fault::LostReply, Outcome::Unknown, None),
        (Fault::LostRequest, Outcome::Unknown, None),
        (Fault::BrokenOff, Outcome::Unknown, None),
        (
            Fault::RateLimited(RateLimit::GlobalRate),
            Outcome::Refused,
            Some(ErrorKind::RateLimited),
        ),
        (Fault::LockTimeout, Outcome::Refused, Some(ErrorKind::RateLimited)),
        (Fault::KeyInUse, Outcome::Unknown, Some(ErrorKind::Conflict)),
        (Fault::ServerError, Outcome::Unknown, Some(ErrorKind::Unavailable)),
        (
            Fault::ServerErrorAfterWork,
            Outcome::Unknown,
            Some(ErrorKind::Unavailable),
        ),
        (Fault::Unavailable, Outcome::Unknown, Some(ErrorKind::Unavailable)),
        (Fault::HtmlPage, Outcome::Unknown, Some(ErrorKind::Protocol)),
        (Fault::TruncatedJson, Outcome::Unknown, Some(ErrorKind::Protocol)),
        (Fault::Swapped, Outcome::Unknown, Some(ErrorKind::Protocol)),
        (Fault::Redirect(elsewhere), Outcome::Unknown, Some(ErrorKind::Protocol)),
        (Fault::Delay(Duration::from_secs(5)), Outcome::Unknown, None),
        (drip, Outcome::Unknown, None),
    ] {
        let shop = Shop::open().await;
        let mut hasty = RetryPolicy::default();
        (hasty.tries, hasty.per_try) = (1, Duration::from_millis(700));
        let stripe = client_of(&shop.mock, &shop.merchant, shop.endpoint.secret())
            .retry(hasty)
            .build()
            .unwrap();
        let request = order("ORD-1");
        let expected = ExpectedPayment::plan(&stripe, &request, shop.now()).unwrap();
        shop.mock.fault(fault.clone()).arm();
        let error = stripe.checkout(&expected, &request).await.unwrap_err();
        assert_eq!(error.outcome(), outcome, "{fault:?}: {error:?}");
        assert!(kind.is_none_or(|kind| error.kind() == kind), "{fault:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_status_about_another_session_is_no_status() {
    let shop = Shop::open().await;
    let unpaid = shop.at_page().await.0;
    let paid = shop.paid().await;
    shop.mock.fault(Fault::Swapped).on(Operation::RetrieveSession).arm();
    let error = shop.stripe.status(&unpaid, shop.now()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_ne!(id_of(&unpaid), id_of(&paid));
    assert_eq!(shop.status(&unpaid).await, kessai::PaymentStatus::Created);
}

#[tokio::test]
async fn the_page_can_break_too_and_the_card_is_charged_or_not() {
    let shop = Shop::open().await;
    // Unaimed faults leave the page alone.
    let (_, page) = shop.at_page().await;
    let unaimed = shop.mock.fault(Fault::ServerError).arm();
    assert!(page.reload().await.unwrap().is_open());
    assert_eq!(unaimed.hits(), 0);
    assert_eq!((shop.create(&Form::valid()).await.status, unaimed.hits()), (500, 1));

    for (fault, paid) in [
        (Fault::ServerError, false),
        (Fault::LostRequest, false),
        (Fault::Unavailable, false),
        (Fault::ServerErrorAfterWork, true),
        (Fault::LostReply, true),
    ] {
        let (attempt, page) = shop.at_page().await;
        let armed = shop.mock.fault(fault.clone()).on(Operation::HostedPage).arm();
        match page.pay(TestCard::Succeeds).await {
            Ok(landed) => assert!(page_of(landed).status() >= 500, "{fault:?}"),
            Err(error) => assert!(matches!(error, kessai::mock::MockError::Http(_)), "{fault:?}: {error}"),
        }
        assert_eq!(armed.hits(), 1);
        let view = shop.merchant.session(id_of(&attempt)).unwrap();
        assert_eq!(view.payment_status == "paid", paid, "{fault:?}");
        // Whoever tries again is charged once, and ends in the store either way.
        store_of(page.pay(TestCard::Succeeds).await.unwrap());
        let view = shop.merchant.session(id_of(&attempt)).unwrap();
        assert_eq!((view.payment_status.as_str(), view.captured), ("paid", 3960));
    }
}

#[tokio::test]
async fn rubbish_on_the_wire_harms_nobody_else() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let shop = Shop::open().await;
    let address = (
        shop.mock.base_url().host_str().unwrap(),
        shop.mock.base_url().port().unwrap(),
    );
    for rubbish in [
        &b""[..],
        b"\0\0\0\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET /v1/checkout/sessions HTTP/9.9\r\n\r\n",
        b"POST /v1/checkout/sessions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\nmode=",
        b"POST /v1/checkout/sessions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(rubbish).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(super::shop::PATIENCE, stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the connection ends: {rubbish:?}");
        assert!(
            !answer.starts_with(b"HTTP/1.1 2"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    // Connections that say nothing take nobody's place.
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    assert_eq!(shop.create(&Form::valid()).await.status, 200);
    assert_eq!(shop.merchant.sessions().len(), 1);
}
