//! Others meddle while a page is opened: what was given up, or what nobody confirmed, is there again each time. It ends, within so many
//! rounds, and no attempt that could be paid is left behind unseen.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kessai::gateways::gmopg::GmoPg;
use kessai::ledger::{CloseReason, Expected, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::transport::{RetryPolicy, TransportErrorKind};
use kessai::{
    Addresses, ApiKey, Cashier, CheckoutRequest, Environment, ExpectedPayment, GatewayId, Ledger, LineItem,
    MerchantAccount, OpenError, PaymentStatus, StoreError,
};
use serde_json::json;

use crate::support::around::{Meddler, Surrounded};
use crate::support::scripted::Scripted;
use crate::support::world::{TestClock, World, created, session};
use crate::support::{order, start, stripe, yen};

fn meddled(call: &'static str, memory: &Arc<MemoryLedger>, does: impl Fn() + Send + Sync + 'static) -> Arc<dyn Ledger> {
    let does = Box::new(does);
    Arc::new(Surrounded::new(
        Arc::clone(memory) as Arc<dyn Ledger>,
        Arc::new(Meddler { call, does }),
    ))
}

/// A memory answers at once.
fn now<T>(work: impl Future<Output = Result<T, StoreError>>) -> T {
    let mut work = std::pin::pin!(work);
    match work
        .as_mut()
        .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    {
        std::task::Poll::Ready(answer) => answer.unwrap(),
        std::task::Poll::Pending => panic!("a memory that waits"),
    }
}

fn once() -> RetryPolicy {
    let mut once = RetryPolicy::default();
    once.tries = 1;
    once
}

/// GMO-PG closes a page by our own name for it, also one that nobody confirmed.
fn gmopg(script: &Scripted) -> GmoPg {
    GmoPg::builder(
        MerchantAccount::new("tshop00099661").unwrap(),
        ApiKey::new("kq7w2x9e").unwrap(),
        "shop01",
        Environment::Sandbox,
        Addresses::new("https://shop.example", "/pay/gmo").unwrap(),
    )
    .transport(Arc::new(script.clone()))
    .retry(once())
    .build()
    .unwrap()
}

fn basket(yen_in_all: u64) -> CheckoutRequest {
    CheckoutRequest::builder(order("EC-1").order().clone())
        .item(LineItem::new("Sencha", yen(yen_in_all), 1).unwrap())
        .build()
        .unwrap()
}

const NO_SUCH_ORDER: &str = "ErrCode=M01&ErrInfo=M01004002";

/// The answers with which GMO-PG lets a page be closed that was not used.
fn lets_close(script: &Scripted, attempt: &ExpectedPayment) {
    let closed = json!({"OrderID": attempt.attempt.as_str(), "Status": "x"}).to_string();
    script.answer(200, closed).answer(200, NO_SUCH_ORDER);
}

/// Somebody else writes an attempt of the order down, time and again, right before ours would be.
struct Crowd {
    memory: Arc<MemoryLedger>,
    script: Scripted,
    cashier: Cashier,
    written: Arc<Mutex<u64>>,
}

impl Crowd {
    fn new(basket_of: fn(u64) -> u64, answers: fn(&Scripted, &ExpectedPayment)) -> Self {
        let (memory, script, written) = (Arc::new(MemoryLedger::new()), Scripted::new(), Arc::default());
        let (gateway, others) = (gmopg(&script), Scripted::new());
        let meddle = {
            let (memory, script, written) = (Arc::clone(&memory), script.clone(), Arc::<Mutex<u64>>::clone(&written));
            let gateway = gmopg(&others);
            move || {
                let mut count = written.lock().unwrap();
                *count += 1;
                assert!(*count < 9, "it has no end");
                let expected = ExpectedPayment::plan(&gateway, &basket(basket_of(*count)), start()).unwrap();
                assert!(matches!(now(memory.expect(&expected)), Expected::Written));
                answers(&script, &expected);
            }
        };
        let cashier = Cashier::builder_over(meddled("expect", &memory, meddle))
            .gateway(gateway)
            .clock(TestClock::new())
            .build()
            .unwrap();
        Self {
            memory,
            script,
            cashier,
            written,
        }
    }

    async fn states(&self) -> Vec<PaymentStatus> {
        let attempts = self.memory.attempts_of(basket(1320).order()).await.unwrap();
        attempts.into_iter().map(|attempt| attempt.status).collect()
    }

    fn paths(&self) -> Vec<String> {
        let requests = self.script.requests();
        requests.iter().map(|sent| sent.uri().path().to_owned()).collect()
    }
}

const CLOSE: &str = "/payment/RejectLinkplusUrlPayment.json";
const ASK: &str = "/payment/SearchTradeMulti.idPass";
const OPEN: &str = "/payment/GetLinkplusUrlPayment.json";

#[tokio::test]
async fn another_basket_that_is_there_each_time_is_given_up_twice_and_then_told() {
    let crowd = Crowd::new(|round| 1320 + round, lets_close);
    let refused = crowd.cashier.open(&basket(1320), &GatewayId::GMOPG).await.unwrap_err();
    assert!(
        matches!(
            &refused,
            OpenError::Underway {
                status: PaymentStatus::Created,
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(*crowd.written.lock().unwrap(), 3);
    assert_eq!(
        crowd.states().await,
        [PaymentStatus::Expired, PaymentStatus::Expired, PaymentStatus::Created]
    );
    assert_eq!(crowd.paths(), [CLOSE, ASK, CLOSE, ASK]);
}

#[tokio::test]
async fn the_same_basket_whose_link_is_lost_each_time_is_closed_twice_and_then_told() {
    let crowd = Crowd::new(
        |_| 1320,
        |script, attempt| {
            script.answer(400, json!([{"ErrCode": "E01", "ErrInfo": "E01040010"}]).to_string());
            lets_close(script, attempt);
        },
    );
    let refused = crowd.cashier.open(&basket(1320), &GatewayId::GMOPG).await.unwrap_err();
    assert!(matches!(refused, OpenError::Gateway(_)), "{refused:?}");
    assert_eq!(
        crowd.states().await,
        [PaymentStatus::Expired, PaymentStatus::Expired, PaymentStatus::Created]
    );
    assert_eq!(crowd.paths(), [OPEN, CLOSE, ASK, OPEN, CLOSE, ASK, OPEN]);
}

#[tokio::test]
async fn an_attempt_that_ends_before_its_page_comes_is_tried_three_times_and_shown_never() {
    let (memory, script, request) = (Arc::new(MemoryLedger::new()), Scripted::new(), order("EC-1"));
    let closes = {
        let (memory, order) = (Arc::clone(&memory), request.order().clone());
        move || {
            let attempts = now(memory.attempts_of(&order));
            let last = attempts.last().unwrap().reference();
            now(memory.close(last, CloseReason::Refused, start()));
        }
    };
    for number in 1..=4 {
        script.answer(200, created(&request, &format!("cs_test_{number}")).to_string());
    }
    let gateway = stripe()
        .transport(Arc::new(script.clone()))
        .retry(once())
        .build()
        .unwrap();
    let cashier = Cashier::builder_over(meddled("opened", &memory, closes))
        .gateway(gateway)
        .clock(TestClock::new())
        .build()
        .unwrap();
    let refused = cashier.open(&request, &GatewayId::STRIPE).await.unwrap_err();
    let attempts = memory.attempts_of(request.order()).await.unwrap();
    let last = attempts.last().unwrap().reference();
    assert!(
        matches!(&refused, OpenError::Undecided(attempt) if attempt == last),
        "{refused:?}"
    );
    assert_eq!(script.requests().len(), 3);
    let states: Vec<_> = attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(states, [PaymentStatus::Failed; 3]);
}

/// What was sent: the method and the path of each.
fn sent(script: &Scripted) -> Vec<String> {
    let requests = script.requests();
    let line = |sent: &http::Request<_>| format!("{} {}", sent.method(), sent.uri().path());
    requests.iter().map(line).collect()
}

#[tokio::test]
async fn a_repeat_that_was_not_sent_or_was_refused_does_not_end_the_attempt() {
    let world = World::new();
    let request = order("EC-1");
    world.script.fail(TransportErrorKind::Timeout);
    assert!(world.try_open(&request).await.is_err());
    let rate = json!({"error": {"type": "invalid_request_error", "code": "rate_limit"}});
    world
        .script
        .fail(TransportErrorKind::Connect)
        .answer(429, rate.to_string());
    for _ in 0..2 {
        assert!(world.try_open(&request).await.is_err());
        let attempts = world.attempts(request.order()).await;
        assert_eq!((attempts.len(), attempts[0].status), (1, PaymentStatus::Created));
    }
    let first = world.attempts(request.order()).await.remove(0);
    let opened = world.open(&request, "cs_test_1").await;
    assert_eq!(
        opened.reference(),
        first.reference(),
        "the first call may have been taken"
    );
}

#[tokio::test]
async fn a_page_is_led_to_until_its_end_and_not_at_it() {
    for (before, same) in [(Duration::from_secs(1), true), (Duration::ZERO, false)] {
        let world = World::new();
        let request = order("EC-1");
        let opened = world.open(&request, "cs_test_1").await;
        let until = |end: SystemTime| end.duration_since(start()).unwrap();
        world
            .clock
            .advance(until(opened.expires_at).checked_sub(before).unwrap());
        if !same {
            world
                .script
                .answer(200, session(&opened, "expired", "unpaid").to_string());
        }
        world.script.answer(
            200,
            created(&request, if same { "cs_test_1" } else { "cs_test_2" }).to_string(),
        );
        let _ = world.try_open(&request).await.unwrap();
        assert_eq!(world.attempts(request.order()).await.len(), if same { 1 } else { 2 });
    }
}

#[tokio::test]
async fn the_same_basket_at_another_account_does_not_lead_to_the_page_of_the_first() {
    let (memory, request) = (Arc::new(MemoryLedger::new()), order("EC-1"));
    let at = |account: &str| {
        let script = Scripted::new();
        let gateway = stripe()
            .account(MerchantAccount::new(account).unwrap())
            .transport(Arc::new(script.clone()))
            .retry(once());
        let cashier = Cashier::builder_over(Arc::clone(&memory) as Arc<dyn Ledger>)
            .gateway(gateway.build().unwrap())
            .clock(TestClock::new());
        (cashier.build().unwrap(), script)
    };
    let (first, second) = (at("acct_First"), at("acct_Second"));
    first.1.answer(200, created(&request, "cs_test_1").to_string());
    let _ = first.0.open(&request, &GatewayId::STRIPE).await.unwrap();
    let opened: StoredAttempt = memory.attempts_of(request.order()).await.unwrap().remove(0);

    // The second asks about it and tries to close it, and cannot: nothing that its account says is about that page.
    let about = session(&opened, "open", "unpaid").to_string();
    second.1.answer(200, &*about).answer(200, &*about).answer(200, &*about);
    let refused = second.0.open(&request, &GatewayId::STRIPE).await.unwrap_err();
    assert!(matches!(refused, OpenError::Underway { .. }), "{refused:?}");
    let sent = sent(&second.1);
    assert!(!sent.contains(&"POST /v1/checkout/sessions".to_owned()), "{sent:?}");
    assert!(sent.first().is_some_and(|first| first.starts_with("GET ")), "{sent:?}");
}
