//! The mock gateway speaking KOMOJU, judged from outside: by this crate's own cashier, by hand-made requests, and by a
//! shopper. Facts are those of the KOMOJU sheet, read 2026-11-23.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};

use kessai::gateways::komoju::Komoju;
use kessai::ledger::StoredAttempt;
use kessai::ledgers::MemoryLedger;
use kessai::mock::Clock;
use kessai::mock::komoju::{
    DeliveryFault, Endpoint, Fault, Landed, Merchant, MockKomoju, Operation, Page, TestCard, signature_header,
};
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, Callback, Capture, CaptureMode, Cashier, CheckoutRequest, Expire, GatewayId, IdempotencyKey,
    MerchantReference, PaymentStatus, Redirect, Refund, Standing, SweepPolicy, Void,
};
use serde_json::{Value, json};

use crate::support::{start, yen};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const PATIENCE: Duration = Duration::from_secs(20);
const SECRET: &str = "whsec-komoju-mock-test";

/// A store with a cashier, its notification address on a real socket.
struct Shop {
    mock: MockKomoju,
    merchant: Merchant,
    endpoint: Endpoint,
    komoju: Komoju,
    cashier: Arc<Cashier>,
    /// Answers given instead of the cashier's.
    instead: Arc<Mutex<VecDeque<u16>>>,
    http: reqwest::Client,
}

impl Shop {
    async fn open() -> Self {
        let mock = MockKomoju::builder().clock(Clock::stopped_at(start())).start().unwrap();
        let merchant = mock.merchant();
        let mut once = RetryPolicy::default();
        once.tries = 1;
        let komoju = Komoju::builder(
            ApiKey::new(merchant.api_key()).unwrap(),
            SigningKeys::from_texts([SECRET]).unwrap(),
            Addresses::new("http://127.0.0.1:3000", "/pay/komoju").unwrap(),
        )
        .endpoint(mock.base_url().origin().ascii_serialization())
        .pages([mock.base_url().origin().ascii_serialization()])
        .retry(once)
        .build()
        .unwrap();
        let cashier = Cashier::builder(MemoryLedger::new())
            .gateway(komoju.clone())
            .clock(mock.clock().clone())
            .build();
        let cashier = Arc::new(cashier.unwrap());
        let instead = Arc::new(Mutex::new(VecDeque::new()));
        let url = listen(&cashier, &instead, mock.clock()).await;
        let endpoint = merchant.add_endpoint_with(&url, SECRET).unwrap();
        mock.quiet(PATIENCE).await.unwrap();
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        Self {
            mock,
            merchant,
            endpoint,
            komoju,
            cashier,
            instead,
            http,
        }
    }

    async fn quiet(&self) {
        self.mock.quiet(PATIENCE).await.unwrap();
    }

    async fn advance(&self, by: Duration) {
        self.mock.clock().advance(by);
        self.quiet().await;
    }

    async fn page(&self, capture: CaptureMode) -> Page {
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
            .total(yen(3960))
            .capture(capture)
            .build()
            .unwrap();
        let checkout = self.cashier.open(&request, &GatewayId::KOMOJU).await.unwrap();
        let Redirect::Get(url) = &checkout.redirect else {
            panic!("a link was expected")
        };
        let page = self.mock.shopper().open(url.as_str()).await.unwrap();
        assert!(page.is_open());
        page
    }

    async fn paid(&self) -> StoredAttempt {
        let page = self.page(CaptureMode::Automatic).await;
        store(page.pay(TestCard::Succeeds).await.unwrap());
        self.quiet().await;
        self.attempt().await
    }

    async fn attempt(&self) -> StoredAttempt {
        let order = MerchantReference::new("EC-1").unwrap();
        self.cashier.ledger().attempts_of(&order).await.unwrap().pop().unwrap()
    }

    async fn status(&self) -> PaymentStatus {
        self.attempt().await.status
    }

    async fn come_back(&self, url: &str) -> Standing {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        let callback = Callback::new(request, self.mock.clock().now()).unwrap();
        self.cashier.returned(&GatewayId::KOMOJU, callback).await.standing
    }

    async fn sweep(&self) {
        self.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    }

    async fn fulfilled(&self) -> usize {
        let mut orders = 0;
        while let Some(due) = self.cashier.next_fulfilment().await.unwrap() {
            orders += 1;
            assert!(due.done().await.unwrap());
        }
        orders
    }

    /// What was delivered: type, try and answer.
    fn deliveries(&self) -> Vec<(String, u32, Option<u16>)> {
        let all = self.merchant.deliveries().into_iter().skip(1);
        all.map(|one| (one.event_type, one.attempt, one.status)).collect()
    }

    async fn post(&self, path: &str, body: &Value, key: Option<&str>) -> (u16, Value) {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("x-komoju-idempotency", key)));
        let user = format!("{}:", self.merchant.api_key());
        self.call(Method::POST, path, &body.to_string(), &user, &headers).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let user = format!("{}:", self.merchant.api_key());
        self.call(Method::GET, path, "", &user, &[]).await
    }

    async fn call(&self, method: Method, path: &str, body: &str, user: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let url = self.mock.base_url().join(&format!("/api/v1/{path}")).unwrap();
        let basic = format!("Basic {}", Base64::encode_string(user.as_bytes()));
        let mut request = self.http.request(method, url).header("authorization", basic);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = request.body(body.to_owned()).timeout(PATIENCE).send().await.unwrap();
        let status = sent.status().as_u16();
        (status, serde_json::from_slice(&sent.bytes().await.unwrap()).unwrap())
    }
}

/// The store's notification address.
async fn listen(cashier: &Arc<Cashier>, instead: &Arc<Mutex<VecDeque<u16>>>, clock: &Clock) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/pay/komoju/notification", listener.local_addr().unwrap());
    let (cashier, instead, clock) = (Arc::clone(cashier), Arc::clone(instead), clock.clone());
    let take = move |method: Method, headers: HeaderMap, body: Bytes| async move {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = "/pay/komoju/notification".parse().unwrap();
        *request.headers_mut() = headers;
        let callback = Callback::new(request, clock.now()).unwrap();
        let reply = cashier.callback(&GatewayId::KOMOJU, callback).await;
        let status = instead.lock().unwrap().pop_front();
        status.map_or(reply.status(), |status| StatusCode::from_u16(status).unwrap())
    };
    let app = axum::Router::new().fallback(take);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    url
}

fn store(landed: Landed) -> String {
    match landed {
        Landed::Store { url } => url,
        Landed::Page(page) => panic!("still at {page:?}: {}", page.text()),
    }
}

fn page(landed: Landed) -> Page {
    match landed {
        Landed::Page(page) => page,
        Landed::Store { url } => panic!("sent to {url}"),
    }
}

fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

fn session() -> Value {
    json!({ "amount": 1980, "currency": "JPY", "return_url": "http://127.0.0.1:3000/back?a=1" })
}

#[tokio::test]
async fn a_webhook_starts_with_a_ping_and_every_delivery_is_signed_over_its_raw_body() {
    let shop = Shop::open().await;
    shop.paid().await;
    let all = shop.merchant.deliveries();
    let kinds: Vec<_> = all.iter().map(|one| one.event_type.as_str()).collect();
    assert_eq!(kinds, ["ping", "payment.captured"]);
    for one in &all {
        assert!(one.acknowledged(), "{one:?}");
        assert_eq!(one.signature, signature_header(SECRET, &one.body));
        let body: Value = serde_json::from_slice(&one.body).unwrap();
        assert_eq!(
            (&body["resource"], &body["type"]),
            (&json!("event"), &json!(one.event_type))
        );
    }
    assert!(shop.merchant.add_endpoint_with(shop.endpoint.url(), "").is_err());
    assert!(shop.merchant.add_endpoint("http://203.0.113.5/hook").is_err());
}

#[tokio::test]
async fn a_card_payment_is_captured_and_fulfilled_once() {
    let shop = Shop::open().await;
    let open = shop.page(CaptureMode::Automatic).await;
    let back = store(open.pay(TestCard::Succeeds).await.unwrap());
    let id = shop.attempt().await.checkout.unwrap();
    assert!(back.ends_with(&format!("&session_id={id}")), "{back}");
    shop.quiet().await;
    assert_eq!(shop.status().await, PaymentStatus::Captured);
    assert_eq!(shop.come_back(&back).await, Standing::Paid);
    assert_eq!(shop.fulfilled().await, 1);
    // Reloaded and clicked again: nothing more comes of it.
    assert!(!open.reload().await.unwrap().is_open());
    store(open.pay(TestCard::Succeeds).await.unwrap());
    shop.quiet().await;
    assert_eq!(shop.deliveries().len(), 1);
    assert_eq!(shop.fulfilled().await, 0);
}

#[tokio::test]
async fn a_failed_try_inside_an_open_session_is_not_the_end() {
    let shop = Shop::open().await;
    let open = shop.page(CaptureMode::Automatic).await;
    let again = page(open.pay(TestCard::Declines).await.unwrap());
    assert!(again.is_open() && again.text().contains("declined"));
    shop.quiet().await;
    assert_eq!(shop.deliveries(), [("payment.failed".to_owned(), 1, Some(200))]);
    assert!(!shop.status().await.is_dead(), "{:?}", shop.status().await);
    let step = page(again.pay(TestCard::AsksForSecure).await.unwrap());
    assert!(step.asks_for_secure());
    let again = page(step.answer_secure(false).await.unwrap());
    assert!(again.has_card_form());
    let stale = page(step.answer_secure(true).await.unwrap());
    assert!(stale.has_card_form(), "what was asked is asked no more");
    let step = page(again.pay(TestCard::AsksForSecure).await.unwrap());
    store(step.answer_secure(true).await.unwrap());
    shop.quiet().await;
    assert_eq!(shop.status().await, PaymentStatus::Captured);
}

#[tokio::test]
async fn a_konbini_slip_is_unpaid_until_the_till_and_its_fee_is_on_top() {
    let shop = Shop::open().await;
    let slip = page(shop.page(CaptureMode::Automatic).await.pay_later(true).await.unwrap());
    assert!(
        slip.text().contains("Nothing is paid yet") && slip.text().contains("¥4,150"),
        "{}",
        slip.text()
    );
    let back = store(slip.to_store().await.unwrap());
    shop.quiet().await;
    assert_eq!(shop.status().await, PaymentStatus::Pending);
    assert_eq!(shop.come_back(&back).await, Standing::Pending);
    assert_eq!(shop.fulfilled().await, 0);
    let view = shop.merchant.sessions().pop().unwrap();
    assert_eq!(
        (view.status.as_str(), view.amount, view.total),
        ("completed", 3960, 4150)
    );
    assert_eq!(view.payment_status.as_deref(), Some("authorized"));
    // The session is over long before the slip is.
    shop.advance(47 * HOUR).await;
    assert!(shop.merchant.sessions().pop().unwrap().expired);
    assert_eq!(shop.status().await, PaymentStatus::Pending);
    shop.advance(HOUR).await;
    assert_eq!(shop.status().await, PaymentStatus::Captured);
    assert_eq!(shop.fulfilled().await, 1);
    assert!(slip.reload().await.unwrap().text().contains("was paid"));
    // Money paid at a till has no card to go back to.
    let (attempt, now) = (shop.attempt().await, shop.mock.clock().now());
    assert!(
        Refund::refund(&shop.komoju, &attempt, None, &key("r-1"), now)
            .await
            .is_err()
    );
    assert_eq!(shop.merchant.sessions().pop().unwrap().refunded, 0);
}

#[tokio::test]
async fn a_konbini_slip_that_nobody_pays_lapses() {
    let shop = Shop::open().await;
    let slip = page(shop.page(CaptureMode::Automatic).await.pay_later(false).await.unwrap());
    shop.advance(3 * DAY).await;
    // News of a try that came to nothing only asks.
    shop.sweep().await;
    assert_eq!(shop.status().await, PaymentStatus::Expired);
    assert_eq!(shop.fulfilled().await, 0);
    let id = shop.merchant.sessions().pop().unwrap().id;
    assert!(shop.merchant.settle(&id, true).is_err(), "too late");
    assert!(slip.reload().await.unwrap().text().contains("no longer valid"));
}

#[tokio::test]
async fn giving_up_leaves_the_session_open_and_says_nothing_about_money() {
    let shop = Shop::open().await;
    let open = shop.page(CaptureMode::Automatic).await;
    let back = store(open.cancel().await.unwrap());
    assert!(back.contains("session_id="), "{back}");
    assert_ne!(shop.come_back(&back).await, Standing::Paid);
    assert_eq!(shop.merchant.sessions().pop().unwrap().status, "pending");
    let attempt = shop.attempt().await;
    let event = Expire::expire(&shop.komoju, &attempt, shop.mock.clock().now())
        .await
        .unwrap();
    assert_eq!(event.value().snapshot.status, PaymentStatus::Cancelled);
    let closed = page(open.pay(TestCard::Succeeds).await.unwrap());
    assert!(!closed.is_open());
    assert_eq!(shop.fulfilled().await, 0);
}

#[tokio::test]
async fn a_page_closes_with_its_time_and_the_sweep_finds_out() {
    let shop = Shop::open().await;
    let open = shop.page(CaptureMode::Automatic).await;
    shop.advance(DAY).await;
    assert!(!open.reload().await.unwrap().is_open());
    assert!(!page(open.pay(TestCard::Succeeds).await.unwrap()).is_open());
    shop.sweep().await;
    assert_eq!(shop.status().await, PaymentStatus::Expired);
    assert!(shop.deliveries().is_empty());
}

#[tokio::test]
async fn a_lost_notification_is_made_up_for_by_the_sweep() {
    let shop = Shop::open().await;
    let armed = shop
        .mock
        .delivery_fault(DeliveryFault::Dropped)
        .on("payment.captured")
        .arm();
    shop.paid().await;
    assert_eq!(armed.hits(), 1);
    assert_ne!(shop.status().await, PaymentStatus::Captured);
    shop.advance(HOUR).await;
    shop.sweep().await;
    assert_eq!(shop.status().await, PaymentStatus::Captured);
    assert_eq!(shop.fulfilled().await, 1);
}

#[tokio::test]
async fn twice_delivered_is_fulfilled_once() {
    for fault in [DeliveryFault::Duplicate, DeliveryFault::TwiceAtOnce] {
        let shop = Shop::open().await;
        shop.mock.delivery_fault(fault).arm();
        shop.paid().await;
        assert_eq!(shop.deliveries().len(), 2);
        assert_eq!(shop.fulfilled().await, 1);
    }
}

#[tokio::test]
async fn what_is_signed_wrongly_is_refused_with_401_and_the_retry_is_genuine() {
    for fault in [DeliveryFault::Tampered, DeliveryFault::WrongSecret] {
        let shop = Shop::open().await;
        shop.mock.delivery_fault(fault).arm();
        shop.paid().await;
        assert_eq!(shop.deliveries(), [("payment.captured".to_owned(), 1, Some(401))]);
        assert_ne!(shop.status().await, PaymentStatus::Captured);
        shop.advance(5 * MINUTE).await;
        assert_eq!(shop.status().await, PaymentStatus::Captured);
        let ids: Vec<_> = shop.merchant.deliveries().into_iter().map(|one| one.delivery).collect();
        assert!(ids[1] == ids[2] && ids[0] != ids[1]);
    }
}

#[tokio::test]
async fn nothing_but_200_is_an_acknowledgement() {
    let shop = Shop::open().await;
    shop.instead.lock().unwrap().extend([204, 201, 500]);
    shop.paid().await;
    for wait in [5 * MINUTE, HOUR, 3 * HOUR, DAY] {
        shop.advance(wait).await;
    }
    let statuses: Vec<_> = shop
        .deliveries()
        .into_iter()
        .map(|(_, tries, status)| (tries, status))
        .collect();
    assert_eq!(
        statuses,
        [(1, Some(204)), (2, Some(201)), (3, Some(500)), (4, Some(200))]
    );
    assert_eq!(shop.fulfilled().await, 1);
}

#[tokio::test]
async fn late_and_reordered_news_move_nothing_back() {
    let shop = Shop::open().await;
    shop.mock
        .delivery_fault(DeliveryFault::Reordered)
        .on("payment.authorized")
        .arm();
    page(shop.page(CaptureMode::Automatic).await.pay_later(true).await.unwrap());
    shop.advance(2 * DAY).await;
    let kinds: Vec<_> = shop.deliveries().into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, ["payment.captured", "payment.authorized"]);
    assert_eq!(shop.status().await, PaymentStatus::Captured);

    let shop = Shop::open().await;
    shop.mock.delivery_fault(DeliveryFault::Late(HOUR)).arm();
    shop.paid().await;
    assert!(shop.deliveries().is_empty());
    shop.advance(HOUR).await;
    assert_eq!(shop.status().await, PaymentStatus::Captured);
}

#[tokio::test]
async fn another_merchants_message_pays_nothing() {
    let shop = Shop::open().await;
    let open = shop.page(CaptureMode::Automatic).await;
    let attacker = shop.mock.open_merchant("Attacker");
    attacker.add_endpoint(shop.endpoint.url()).unwrap();
    let user = format!("{}:", attacker.api_key());
    let mut body = session();
    body["amount"] = json!(3960);
    body["payment_data"] = json!({ "external_order_num": shop.attempt().await.reference().as_str() });
    let json_type = [("content-type", "application/json")];
    let (status, made) = shop
        .call(Method::POST, "sessions", &body.to_string(), &user, &json_type)
        .await;
    assert_eq!(status, 200, "{made}");
    let theirs = shop
        .mock
        .shopper()
        .open(made["session_url"].as_str().unwrap())
        .await
        .unwrap();
    store(theirs.pay(TestCard::Succeeds).await.unwrap());
    shop.quiet().await;
    let answers: Vec<_> = attacker.deliveries().into_iter().map(|one| one.status).collect();
    assert_eq!(answers, [Some(401), Some(401)]);
    assert_ne!(shop.status().await, PaymentStatus::Captured);
    assert_eq!(shop.fulfilled().await, 0);
    // Nor can one look into the other's books, and its return leads nowhere.
    let own = shop.merchant.sessions().pop().unwrap().id;
    let (status, _) = shop.call(Method::GET, &format!("sessions/{own}"), "", &user, &[]).await;
    assert_eq!(status, 404);
    assert!(open.reload().await.unwrap().is_open());
}

#[tokio::test]
async fn two_refunds_in_part_are_two_pieces_of_news() {
    let shop = Shop::open().await;
    let attempt = shop.paid().await;
    assert_eq!(shop.fulfilled().await, 1);
    let now = shop.mock.clock().now();
    let give = |amount, name| Refund::refund(&shop.komoju, &attempt, amount, name, now);
    let (first, second, third, rest) = (key("r-1"), key("r-2"), key("r-3"), key("r-4"));
    give(Some(yen(500)), &first).await.unwrap();
    give(Some(yen(500)), &first).await.unwrap();
    shop.quiet().await;
    assert_eq!(shop.status().await, PaymentStatus::PartiallyRefunded);
    give(Some(yen(700)), &second).await.unwrap();
    shop.quiet().await;
    let view = shop.merchant.sessions().pop().unwrap();
    assert_eq!(
        (view.refunded, view.payment_status.as_deref()),
        (1200, Some("captured"))
    );
    assert!(give(Some(yen(3000)), &third).await.is_err(), "more than is left");
    assert!(
        give(Some(yen(600)), &first).await.is_err(),
        "the same key for another amount"
    );
    give(None, &rest).await.unwrap();
    shop.quiet().await;
    assert_eq!(shop.status().await, PaymentStatus::Refunded);
    let kinds: Vec<_> = shop.deliveries().into_iter().map(|(kind, ..)| kind).collect();
    let refunds = ["payment.refund.created"; 3];
    assert_eq!(
        kinds,
        [&["payment.captured"][..], &refunds, &["payment.refunded"]].concat()
    );
    assert!(give(None, &key("r-5")).await.is_err(), "nothing is left");
}

#[tokio::test]
async fn authorized_money_is_captured_or_given_back_and_not_both() {
    for captures in [true, false] {
        let shop = Shop::open().await;
        store(
            shop.page(CaptureMode::Manual)
                .await
                .pay(TestCard::Succeeds)
                .await
                .unwrap(),
        );
        shop.quiet().await;
        assert_eq!(shop.status().await, PaymentStatus::Authorized);
        let (attempt, now) = (shop.attempt().await, shop.mock.clock().now());
        let (one, two) = (key("c-1"), key("c-2"));
        if captures {
            Capture::capture(&shop.komoju, &attempt, None, &one, now).await.unwrap();
            assert!(Void::void(&shop.komoju, &attempt, &two, now).await.is_err());
        } else {
            Void::void(&shop.komoju, &attempt, &one, now).await.unwrap();
            assert!(Capture::capture(&shop.komoju, &attempt, None, &two, now).await.is_err());
        }
        shop.quiet().await;
        shop.sweep().await;
        let wanted = if captures {
            PaymentStatus::Captured
        } else {
            PaymentStatus::Cancelled
        };
        assert_eq!(shop.status().await, wanted);
    }
}

#[tokio::test]
async fn a_chargeback_is_a_dispute() {
    let shop = Shop::open().await;
    shop.paid().await;
    let id = shop.merchant.sessions().pop().unwrap().id;
    shop.merchant.charge_back(&id).unwrap();
    shop.quiet().await;
    assert_eq!(shop.status().await, PaymentStatus::Disputed);
}

#[tokio::test]
async fn a_key_replays_its_answer_for_a_day_and_only_for_the_same_body() {
    let shop = Shop::open().await;
    let first = shop.post("sessions", &session(), Some("K-1")).await;
    assert_eq!(first.0, 200);
    assert_eq!(shop.post("sessions", &session(), Some("K-1")).await, first);
    let mut other = session();
    other["amount"] = json!(1);
    assert_eq!(shop.post("sessions", &other, Some("K-1")).await.0, 422);
    let path = format!("sessions/{}/cancel", first.1["id"].as_str().unwrap());
    assert_eq!(
        shop.post(&path, &session(), Some("K-1")).await.0,
        422,
        "unique over the account"
    );
    assert_eq!(shop.merchant.sessions().len(), 1);
    shop.advance(DAY).await;
    let later = shop.post("sessions", &session(), Some("K-1")).await;
    assert_ne!(later.1["id"], first.1["id"]);
    assert_eq!(shop.post("sessions", &session(), Some(&"k".repeat(101))).await.0, 400);
    assert_eq!(shop.post("sessions", &session(), Some("")).await.0, 400);
}

#[tokio::test]
async fn a_key_is_in_use_while_its_first_request_runs() {
    let shop = Shop::open().await;
    shop.mock.fault(Fault::Delay(Duration::from_secs(2))).arm();
    let body = session();
    let first = shop.post("sessions", &body, Some("K-1"));
    let second = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        shop.post("sessions", &body, Some("K-1")).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.0, second.0), (200, 409));
    assert_eq!(shop.post("sessions", &body, Some("K-1")).await, first);
}

#[tokio::test]
async fn an_order_survives_every_fault_of_the_api() {
    let drip = Fault::Drip {
        bytes: 64,
        pause: Duration::from_millis(2),
    };
    let faults = [
        (Fault::LostRequest, false),
        (Fault::LostReply, false),
        (Fault::BrokenOff, false),
        (Fault::TruncatedJson, false),
        (Fault::KeyInUse, false),
        (Fault::ServerError, false),
        (Fault::ServerErrorAfterWork, false),
        (Fault::BadGateway, false),
        (Fault::Unavailable, false),
        (Fault::HtmlPage, false),
        (Fault::HugeBody(16 * 1024 * 1024), false),
        (drip, true),
    ];
    for (fault, opens) in faults {
        let shop = Shop::open().await;
        let armed = shop.mock.fault(fault.clone()).on(Operation::CreateSession).arm();
        let request = CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap()).total(yen(3960));
        let opened = shop.cashier.open(&request.build().unwrap(), &GatewayId::KOMOJU).await;
        assert_eq!(opened.is_ok(), opens, "{fault:?}");
        assert_eq!(armed.hits(), 1);
        // The second click carries the same key, so there is one session whatever happened to the first reply.
        shop.paid().await;
        assert_eq!(shop.merchant.sessions().len(), 1, "{fault:?}");
        assert_eq!(shop.fulfilled().await, 1, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_about_another_session_is_not_believed() {
    let shop = Shop::open().await;
    shop.paid().await;
    shop.post("sessions", &session(), None).await;
    let attempt = shop.attempt().await;
    shop.mock.fault(Fault::Swapped).on(Operation::RetrieveSession).arm();
    let now = shop.mock.clock().now();
    assert!(kessai::Gateway::status(&shop.komoju, &attempt, now).await.is_err());
    assert!(kessai::Gateway::status(&shop.komoju, &attempt, now).await.is_ok());
}

#[tokio::test]
async fn who_has_no_key_gets_no_answer() {
    let shop = Shop::open().await;
    let own = shop.merchant.api_key();
    for user in [
        String::new(),
        ":".to_owned(),
        own.to_owned(),
        format!("{own}:password"),
        format!(":{own}"),
        "sk_test_of_nobody:".to_owned(),
        "sk_live_0123456789:".to_owned(),
        "pk_test_0123456789:".to_owned(),
    ] {
        let headers = [("content-type", "application/json")];
        let (status, body) = shop
            .call(Method::POST, "sessions", &session().to_string(), &user, &headers)
            .await;
        assert_eq!(
            (status, &body["error"]["code"]),
            (401, &json!("unauthorized")),
            "{user}"
        );
    }
    assert!(shop.merchant.sessions().is_empty());
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let shop = Shop::open().await;
    let cases = [
        ("mode", json!("customer"), 422),
        ("mode", json!("subscription"), 422),
        ("amount", json!(0), 422),
        ("amount", json!(-5), 422),
        ("amount", json!(19.8), 422),
        ("amount", json!("1980"), 422),
        ("amount", json!(null), 422),
        ("currency", json!("jpy"), 422),
        ("currency", json!("YENS"), 422),
        ("currency", json!(null), 422),
        ("return_url", json!("/back"), 422),
        ("return_url", json!("javascript:alert(1)"), 422),
        ("return_url", json!(null), 422),
        ("email", json!("hanako"), 422),
        ("expires_in_seconds", json!(86_401), 422),
        ("expires_in_seconds", json!(0), 422),
        ("default_locale", json!("fr"), 422),
        ("payment_types", json!("konbini"), 422),
        ("payment_types", json!([]), 422),
        ("payment_types", json!(["cash"]), 422),
        ("payment_types", json!(["paypay"]), 422),
        ("metadata", json!({ "k": 1 }), 422),
        ("metadata", json!({ "k".repeat(31): "v" }), 422),
        ("metadata", json!({ "k": "v".repeat(2001) }), 422),
        ("payment_data", json!([]), 422),
        ("fraud_details", json!("x"), 422),
        ("line_items", json!({}), 422),
        ("colour", json!("red"), 422),
    ];
    for (field, value, wanted) in cases {
        let mut body = session();
        body[field] = value.clone();
        let (status, answer) = shop.post("sessions", &body, None).await;
        assert_eq!(
            (status, &answer["error"]["param"]),
            (wanted, &json!(field)),
            "{field} {value}"
        );
    }
    for (field, value) in [
        ("capture", json!("later")),
        ("amount", json!(1)),
        ("currency", json!("USD")),
        ("order", json!("x")),
    ] {
        let mut body = session();
        body["payment_data"] = json!({ field: value });
        let (status, answer) = shop.post("sessions", &body, None).await;
        let param = format!("payment_data.{field}");
        assert_eq!((status, &answer["error"]["param"]), (422, &json!(param)));
    }
    assert!(shop.merchant.sessions().is_empty());
}

#[tokio::test]
async fn what_is_not_of_the_wire_is_refused() {
    let shop = Shop::open().await;
    let user = format!("{}:", shop.merchant.api_key());
    let post = Method::POST;
    let json_type = ("content-type", "application/json");
    for (body, headers) in [
        (
            "amount=1980",
            vec![("content-type", "application/x-www-form-urlencoded")],
        ),
        ("{", vec![json_type]),
        ("[]", vec![json_type]),
        ("\"x\"", vec![json_type]),
        ("{}", vec![json_type, ("x-komoju-api-version", "newest")]),
    ] {
        let (status, answer) = shop.call(post.clone(), "sessions", body, &user, &headers).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!("bad_request")),
            "{body}"
        );
    }
    let (status, answer) = shop.post("sessions", &json!({}), None).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("missing_parameter")));
    for path in [
        "sessions/nothing",
        "payments/nothing",
        "sessions",
        "refunds",
        "sessions/a/b/c",
    ] {
        assert_eq!(shop.get(path).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn a_state_that_does_not_allow_it_is_a_refusal() {
    let shop = Shop::open().await;
    let slip = page(shop.page(CaptureMode::Automatic).await.pay_later(true).await.unwrap());
    assert!(!slip.is_open());
    let view = shop.merchant.sessions().pop().unwrap();
    let (id, payment) = (view.id, view.payment.unwrap());
    assert_eq!(shop.get(&format!("payments/{payment}")).await.1["status"], "authorized");
    // A slip is nothing to capture, a completed session nothing to cancel, and unpaid money cannot go back.
    for path in [
        format!("payments/{payment}/capture"),
        format!("payments/{payment}/refund"),
        format!("sessions/{id}/cancel"),
    ] {
        assert_eq!(shop.post(&path, &json!({}), None).await.0, 422, "{path}");
    }
    let cancel = format!("payments/{payment}/cancel");
    assert_eq!(shop.post(&cancel, &json!({ "amount": 5 }), None).await.0, 422);
    assert_eq!(shop.post(&cancel, &json!({}), None).await.0, 200);
    assert_eq!(shop.post(&cancel, &json!({}), None).await.0, 422);
    shop.quiet().await;
    shop.sweep().await;
    assert_eq!(shop.status().await, PaymentStatus::Cancelled);
}

#[tokio::test]
async fn the_page_speaks_japanese_and_no_wrong_card_goes_further() {
    let shop = Shop::open().await;
    let open = shop.page(CaptureMode::Automatic).await;
    let japanese = shop.mock.shopper().language("ja");
    let url = shop.merchant.sessions().pop().unwrap().url;
    assert!(
        japanese
            .open(&url)
            .await
            .unwrap()
            .text()
            .contains("クレジットカードで支払う")
    );
    for (number, expiry, code, holder) in [
        ("4242 4242 4242 4241", "12/35", "123", "TARO"),
        ("4111 1111 1111 1111", "12/35", "123", "TARO"),
        ("4242 4242 4242 4242", "01/20", "123", "TARO"),
        ("4242 4242 4242 4242", "12/35", "12", "TARO"),
        ("4242 4242 4242 4242", "12/35", "123", " "),
    ] {
        let again = page(open.type_card(number, expiry, code, holder).await.unwrap());
        assert_eq!(again.status(), 422);
        assert!(!again.html().contains("4111"));
    }
    assert_eq!(shop.merchant.sessions().pop().unwrap().payment, None);
    assert!(shop.deliveries().is_empty());
}
