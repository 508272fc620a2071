//! Card testing (PAY-66): one order and one client open so many payment pages and no more, the signs of it are told once each, and
//! shoppers notice nothing of either.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kessai::cashier::{CheckoutLimits, LimitedBy};
use kessai::gateways::komoju::{Komoju, signature_header};
use kessai::ledger::{Ledger, StoredAttempt, SwitchText};
use kessai::ledgers::MemoryLedger;
use kessai::security_event::{EVENTS, SecurityEvent, SecurityPolicy, TestingPolicy};
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, Callback, Cashier, CheckoutRequest, ClientKey, ConfigError, CustomerReference, ExpectedPayment,
    GatewayId, LineItem, MerchantReference, OpenError, RequestError,
};
use serde_json::json;

use crate::security_events::{Kept, field};
use crate::support::scripted::Scripted;
use crate::support::world::{TestClock, World, created, event, paid, session};
use crate::support::{start, stripe, yen};

fn text(text: &str) -> SwitchText {
    SwitchText::new(text).unwrap()
}

const WINDOW: Duration = Duration::from_secs(600);

/// A store over this ledger, and what it tells.
fn store(ledger: Arc<dyn Ledger>, limits: CheckoutLimits) -> (World, Kept) {
    let (script, clock, kept) = (Scripted::new(), TestClock::new(), Kept::default());
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let gateway = stripe().transport(Arc::new(script.clone())).retry(once);
    let cashier = Cashier::builder_over(ledger)
        .gateway(gateway.build().unwrap())
        .clock(clock.clone())
        .security_sink(kept.clone())
        .checkout_limits(limits)
        .build()
        .unwrap();
    (World { cashier, script, clock }, kept)
}

fn new_store() -> (World, Kept) {
    store(Arc::new(MemoryLedger::new()), CheckoutLimits::default())
}

fn buying(n: usize, amount: u64, client: Option<&str>) -> CheckoutRequest {
    let mut builder = CheckoutRequest::builder(MerchantReference::new(format!("EC-{n}")).unwrap())
        .item(LineItem::new("Sencha", yen(amount), 1).unwrap());
    if let Some(client) = client {
        builder = builder.client(ClientKey::new(client).unwrap());
    }
    builder.build().unwrap()
}

/// Opens if the store lets, and gives the attempt.
async fn opens(world: &World, request: &CheckoutRequest, session: &str) -> Result<StoredAttempt, OpenError> {
    world.script.clear();
    world.script.answer(200, created(request, session).to_string());
    let _ = world.try_open(request).await?;
    Ok(world.attempts(request.order()).await.pop().unwrap())
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

/// Everything told that has to do with card testing, as words.
fn signs(kept: &Kept) -> Vec<String> {
    let of_this = |event: &SecurityEvent| event.kind().pay.contains(&"PAY-66") || event.kind().pay.contains(&"PAY-06");
    let quiet = ["payment.redirect.issued", "payment.redirect.opened"];
    let told = kept.take().into_iter();
    let told = told.filter(|event| of_this(event) && !quiet.contains(&event.name()));
    let word = |event: SecurityEvent| format!("{} {}", event.name(), event.reason().map_or("", |why| why.as_str()));
    told.map(word).collect()
}

fn times(signs: &[String], sign: &str) -> usize {
    signs.iter().filter(|one| *one == sign).count()
}

#[tokio::test]
async fn a_thousand_declined_attempts_of_one_client_reach_the_limit_and_are_told_once_per_sign() {
    let (world, kept) = new_store();
    let (mut opened, mut refused, mut sent) = (0, 0, 0);
    for n in 0..1000 {
        let request = buying(n, 100, Some("203.0.113.7"));
        match opens(&world, &request, &format!("cs_test_{n}")).await {
            Ok(attempt) => {
                opened += 1;
                declines(&world, n, &attempt).await;
            }
            Err(OpenError::TooMany { by, retry_after }) => {
                refused += 1;
                assert_eq!((by, retry_after), (LimitedBy::Client, WINDOW));
                assert!(
                    world.attempts(request.order()).await.is_empty(),
                    "nothing was written down"
                );
            }
            Err(error) => panic!("{error:?}"),
        }
        sent += world.script.requests().len();
    }
    assert_eq!((opened, refused, sent), (30, 970, 30), "what is refused never leaves");
    let signs = signs(&kept);
    for sign in ["decline_rate", "same_amount"] {
        assert_eq!(
            times(&signs, &format!("payment.testing.suspected {sign}")),
            1,
            "{signs:?}"
        );
    }
    // The limit itself is told a few times a minute, whoever runs into it.
    assert_eq!(times(&signs, "payment.checkout.limited same_client"), 5, "{signs:?}");
    assert_eq!(signs.len(), 7, "{signs:?}");
}

/// At KOMOJU cards that are tried on one open page end no attempt, so nothing but these messages tells of them.
#[tokio::test]
async fn failed_tries_inside_one_session_are_a_sign() {
    const SECRET: &str = "whsec-komoju-shared-0123456789abcdef";
    let keys = || SigningKeys::from_texts([SECRET]).unwrap();
    let gateway = Komoju::builder(
        ApiKey::new("sk_test_sample0001").unwrap(),
        keys(),
        Addresses::new("https://shop.example", "/pay/komoju").unwrap(),
    );
    let gateway = gateway.transport(Arc::new(Scripted::new())).build().unwrap();
    let (memory, kept) = (Arc::new(MemoryLedger::new()), Kept::default());
    let expected = ExpectedPayment::plan(&gateway, &buying(1, 1980, None), start()).unwrap();
    let _ = memory.expect(&expected).await.unwrap();
    let cashier = Cashier::builder_over(memory)
        .gateway(gateway)
        .clock(TestClock::new())
        .security_sink(kept.clone())
        .security_policy(SecurityPolicy::default().testing(TestingPolicy::default().declined(3, 50)))
        .build()
        .unwrap();
    let _ = kept.take();
    let mut told = Vec::new();
    for number in 0..5 {
        let failed = json!({
            "id": format!("payment{number}"), "resource": "payment", "status": "failed", "amount": 1980, "tax": 0,
            "payment_method_fee": 0, "total": 1980, "currency": "JPY", "external_order_num": expected.attempt.as_str(),
            "amount_refunded": 0, "session": "a1b2c3d4e5f6g7h8i9j0k1l2m",
        });
        let body =
            json!({"id": format!("evt-{number}"), "type": "payment.failed", "resource": "event", "data": failed});
        let body = body.to_string();
        let message = http::Request::post("/pay/komoju/notification")
            .header("X-Komoju-Signature", signature_header(&keys(), body.as_bytes()))
            .body(Bytes::from(body))
            .unwrap();
        let message = Callback::new(message, start()).unwrap();
        assert_eq!(cashier.callback(&GatewayId::KOMOJU, message).await.status(), 200);
        told.push(kept.words());
    }
    let suspected = "payment.testing.suspected decline_rate".to_owned();
    let when: Vec<_> = told.iter().map(|words| words.contains(&suspected)).collect();
    assert_eq!(when, [false, false, true, false, false], "{told:?}");
    assert!(told[0].contains(&"payment.redirect.opened".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_thousand_different_shoppers_notice_nothing_and_no_sign_is_told() {
    let (world, kept) = new_store();
    for n in 0..1000 {
        let request = buying(n, 500 + (n as u64 % 40) * 10, Some(&format!("session {n}")));
        let attempt = opens(&world, &request, &format!("cs_test_{n}")).await.unwrap();
        match n % 10 {
            0 => declines(&world, n, &attempt).await,
            1 | 2 => expires(&world, n, &attempt).await,
            _ => assert_eq!(world.deliver(&paid(&format!("evt_{n}"), &attempt)).await, 200),
        }
        if n % 5 == 0 {
            world.clock.advance(Duration::from_secs(10));
        }
    }
    assert_eq!(signs(&kept), Vec::<String>::new());
}

#[tokio::test]
async fn a_thousand_clicks_at_once_open_no_more_pages_than_one_after_another() {
    let (world, _) = new_store();
    for n in 0..30 {
        world
            .script
            .answer(200, created(&buying(n, 100, None), &format!("cs_test_{n}")).to_string());
    }
    let requests: Vec<_> = (0..1000).map(|n| buying(n, 100, Some("one bot"))).collect();
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let cashier = world.cashier.clone();
            tokio::spawn(async move { cashier.open(&request, &GatewayId::STRIPE).await })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        refused += usize::from(matches!(task.await.unwrap(), Err(OpenError::TooMany { .. })));
    }
    assert_eq!(refused, 970);
    assert_eq!(world.script.requests().len(), 30);
}

#[tokio::test]
async fn an_order_has_one_page_at_a_time_and_so_many_within_the_window_whoever_asks() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let (world, kept) = store(ledger.clone(), CheckoutLimits::default());
    for n in 0..20 {
        let request = buying(1, 100, Some(&format!("client {n}")));
        let attempt = opens(&world, &request, &format!("cs_test_{n}")).await.unwrap();
        // The way back to the open page is not counted, and not refused.
        for _ in 0..50 {
            opens(&world, &request, &format!("cs_test_{n}")).await.unwrap();
        }
        assert_eq!(world.attempts(request.order()).await.len(), n + 1);
        expires(&world, n, &attempt).await;
        world.clock.advance(Duration::from_secs(1));
    }
    let _ = world.script.requests();
    for client in [None, Some("client 0"), Some("a new one")] {
        let refused = opens(&world, &buying(1, 100, client), "cs_test_x").await.unwrap_err();
        let OpenError::TooMany { by, retry_after } = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (by, retry_after.as_secs()),
            (LimitedBy::Order, 580),
            "the first of the twenty was 20 s ago"
        );
        assert!(refused.to_string().contains("try again in 580 seconds"), "{refused}");
    }
    assert!(world.script.requests().is_empty());
    assert_eq!(times(&signs(&kept), "payment.checkout.limited same_order"), 3);
    // It is counted in the ledger: another machine, or the next start, knows.
    let (other, _) = store(ledger, CheckoutLimits::default());
    other.clock.advance(Duration::from_secs(20));
    let refused = opens(&other, &buying(1, 100, None), "cs_test_x").await;
    assert!(matches!(
        refused,
        Err(OpenError::TooMany {
            by: LimitedBy::Order,
            ..
        })
    ));
    // And it ends by itself.
    world.clock.advance(Duration::from_secs(580));
    opens(&world, &buying(1, 100, None), "cs_test_y").await.unwrap();
}

#[tokio::test]
async fn a_client_has_room_again_after_the_window_and_on_a_machine_that_has_not_met_it() {
    let limits = CheckoutLimits::default().per_client(2).window(Duration::from_secs(60));
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let (world, _) = store(ledger.clone(), limits.clone());
    let client = Some("client 1");
    let mut n = 0;
    let mut next = async |world: &World| {
        n += 1;
        opens(world, &buying(n, 100, client), &format!("cs_test_{n}"))
            .await
            .is_ok()
    };
    assert!(next(&world).await && next(&world).await && !next(&world).await);
    // As the documentation says: clients are counted by each machine for itself.
    let (other, _) = store(ledger, limits);
    assert!(next(&other).await && next(&other).await && !next(&other).await);
    world.clock.advance(Duration::from_secs(59));
    assert!(!next(&world).await);
    world.clock.advance(Duration::from_secs(1));
    assert!(next(&world).await);
}

#[tokio::test]
async fn what_opened_nothing_is_not_counted() {
    let (world, _) = store(Arc::new(MemoryLedger::new()), CheckoutLimits::default().per_client(1));
    let request = buying(1, 100, Some("client"));
    let _ = world.cashier.stop(text("an operator"), text("a drill")).await.unwrap();
    for _ in 0..50 {
        assert!(matches!(world.try_open(&request).await, Err(OpenError::Stopped(_))));
    }
    world.script.clear();
    world
        .cashier
        .reopen(text("an operator"), text("it is over"), &[])
        .await
        .unwrap();
    let attempt = opens(&world, &request, "cs_test_1").await.unwrap();
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    // Whoever has paid is told so, and not to wait.
    for _ in 0..50 {
        assert!(matches!(world.try_open(&request).await, Err(OpenError::AlreadyPaid(_))));
    }
    assert!(matches!(
        opens(&world, &buying(2, 100, Some("client")), "cs_test_2").await,
        Err(OpenError::TooMany { .. })
    ));
    // A page that the gateway refused was asked for, and counts.
    let (world, _) = store(Arc::new(MemoryLedger::new()), CheckoutLimits::default().per_client(1));
    world
        .script
        .answer(400, r#"{"error":{"type":"invalid_request_error"}}"#);
    assert!(matches!(world.try_open(&request).await, Err(OpenError::Gateway(_))));
    assert!(matches!(world.try_open(&request).await, Err(OpenError::TooMany { .. })));
}

#[tokio::test]
async fn the_client_key_goes_nowhere() {
    const KEY: &str = "canary7-198.51.100.77-agent";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let ledger = Arc::new(kessai::ledgers::SqliteLedger::open(&file).unwrap());
    let (world, kept) = store(ledger, CheckoutLimits::default().per_client(1));
    let request = buying(1, 100, Some(KEY));
    world.script.answer(200, created(&request, "cs_test_1").to_string());
    let checkout = world.try_open(&request).await.unwrap();
    let attempt = world.attempts(request.order()).await.pop().unwrap();
    let sent = world.script.requests();
    let refused = world.try_open(&buying(2, 100, Some(KEY))).await.unwrap_err();
    let told = kept.take();
    assert!(told.iter().any(|event| event.name() == "payment.checkout.limited"));
    let limited = told
        .iter()
        .find(|event| event.name() == "payment.checkout.limited")
        .unwrap();
    let fields = ["order", "limit", "window_seconds"].map(|name| field(limited, name));
    assert_eq!(fields, ["EC-2", "1", "600"]);
    let mut shown = format!(
        "{request:?} {checkout:?} {attempt:?} {refused} {refused:?} {told:?} {:?}",
        world.cashier
    );
    for request in sent {
        let headers = format!("{:?}", request.headers());
        shown.push_str(&headers);
        shown.push_str(&String::from_utf8_lossy(request.body()));
    }
    assert!(
        !shown.contains("canary7") && !shown.contains("198.51.100.77"),
        "{shown}"
    );
    // Not the content either: the same basket from another address is the same basket.
    assert_eq!(request.content(), buying(1, 100, None).content());
    assert_ne!(request, buying(1, 100, Some("another")));
    drop(world);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"canary7"));
    }
}

#[test]
fn a_client_key_with_card_data_is_refused_and_limits_without_bounds_do_not_build() {
    assert!(matches!(
        ClientKey::new("4242424242424242"),
        Err(RequestError::CardData(_))
    ));
    let builder = || Cashier::builder(MemoryLedger::new()).gateway(stripe().build().unwrap());
    for limits in [
        CheckoutLimits::default().per_client(0),
        CheckoutLimits::default().per_order(0),
        CheckoutLimits::default().clients(0),
        CheckoutLimits::default().clients(u32::MAX),
        CheckoutLimits::default().window(Duration::ZERO),
    ] {
        let refused = builder().checkout_limits(limits).build().unwrap_err();
        assert!(matches!(refused, ConfigError::Bounds { .. }), "{refused}");
    }
}

/// Rates are told, and nobody is refused for one: without a client key and with different orders the store's own limits decide.
#[tokio::test]
async fn without_a_client_key_the_signs_are_told_and_nobody_is_refused() {
    let (world, kept) = new_store();
    for n in 0..200 {
        let mut builder = CheckoutRequest::builder(MerchantReference::new(format!("EC-{n}")).unwrap());
        builder = builder
            .total(yen(100))
            .customer(CustomerReference::new("cust-1").unwrap());
        let attempt = opens(&world, &builder.build().unwrap(), &format!("cs_test_{n}"))
            .await
            .unwrap();
        declines(&world, n, &attempt).await;
    }
    let signs = signs(&kept);
    assert_eq!(signs.len(), 3, "{signs:?}");
    assert!(
        EVENTS
            .iter()
            .any(|kind| kind.name == "payment.checkout.limited" && kind.sampled)
    );
}
