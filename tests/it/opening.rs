//! One order is opened at two nodes at once, and the gateway's answers come in an unlucky order. And: whoever opens an order again and
//! again makes the gateway called so often and no more.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kessai::cashier::LimitedBy;
use kessai::ledgers::MemoryLedger;
use kessai::transport::{BoxFuture, CallLimits, RetryPolicy, Transport, TransportError};
use kessai::{Cashier, Checkout, CheckoutRequest, GatewayId, Ledger, OpenError, PaymentStatus, Redirect};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};

use crate::support::world::{TestClock, World, created, session};
use crate::support::{order, stripe, yen};

/// A wire on which the test answers when it wants to.
#[derive(Debug)]
struct Held {
    asked: mpsc::UnboundedSender<()>,
    answers: Mutex<mpsc::UnboundedReceiver<http::Response<Bytes>>>,
}

/// The test's end of it.
struct Wire {
    asked: mpsc::UnboundedReceiver<()>,
    answers: mpsc::UnboundedSender<http::Response<Bytes>>,
}

fn wire() -> (Held, Wire) {
    let ((asked, was_asked), (answers, to_answer)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let held = Held {
        asked,
        answers: Mutex::new(to_answer),
    };
    let wire = Wire {
        asked: was_asked,
        answers,
    };
    (held, wire)
}

impl Wire {
    async fn until_asked(&mut self) {
        self.asked.recv().await.unwrap();
    }

    fn answer(&self, status: u16, body: &Value) {
        let answer = http::Response::builder().status(status);
        self.answers
            .send(answer.body(Bytes::from(body.to_string())).unwrap())
            .unwrap();
    }
}

impl Transport for Held {
    fn send(
        &self,
        _request: http::Request<Bytes>,
        _limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        Box::pin(async move {
            self.asked.send(()).unwrap();
            Ok(self.answers.lock().await.recv().await.unwrap())
        })
    }

    fn pause(&self, _wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn node(ledger: &Arc<dyn Ledger>, clock: &TestClock) -> (Cashier, Wire) {
    let (held, wire) = wire();
    let mut once = RetryPolicy::default();
    once.tries = 1;
    let gateway = stripe().transport(Arc::new(held)).retry(once).build().unwrap();
    let cashier = Cashier::builder_over(Arc::clone(ledger)).gateway(gateway);
    (cashier.clock(clock.clone()).build().unwrap(), wire)
}

/// The click, on its way.
fn click(cashier: &Cashier, request: &CheckoutRequest) -> tokio::task::JoinHandle<Result<Checkout, OpenError>> {
    let (cashier, request) = (cashier.clone(), request.clone());
    tokio::spawn(async move { cashier.open(&request, &GatewayId::STRIPE).await })
}

fn page(checkout: &Checkout) -> String {
    match &checkout.redirect {
        Redirect::Get(url) => url.as_str().to_owned(),
        Redirect::Post(_) => panic!("a link was expected"),
    }
}

#[tokio::test]
async fn of_two_nodes_that_send_one_attempt_the_refused_one_does_not_make_the_page_of_the_other_worthless() {
    let (ledger, clock, request) = (
        Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>,
        TestClock::new(),
        order("EC-1"),
    );
    let ((north, mut at_north), (south, mut at_south)) = (node(&ledger, &clock), node(&ledger, &clock));
    // North writes the attempt down and sends it; South finds it and sends it again, under the same key.
    let from_north = click(&north, &request);
    at_north.until_asked().await;
    let from_south = click(&south, &request);
    at_south.until_asked().await;
    // The gateway takes South's. North's is refused, and its answer comes first.
    at_north.answer(
        429,
        &json!({"error": {"type": "invalid_request_error", "code": "rate_limit"}}),
    );
    let refused = from_north.await.unwrap().unwrap_err();
    assert!(matches!(refused, OpenError::Gateway(_)), "{refused:?}");
    at_south.answer(200, &created(&request, "cs_test_late"));
    // North has ended that attempt, so its page is shown to nobody: a payment there would be held.
    at_south.until_asked().await;
    at_south.answer(200, &created(&request, "cs_test_new"));
    let opened = from_south.await.unwrap().unwrap();
    assert!(page(&opened).ends_with("cs_test_new"), "{}", page(&opened));

    let attempts = ledger.attempts_of(request.order()).await.unwrap();
    let states: Vec<_> = attempts
        .iter()
        .map(|attempt| (attempt.status, attempt.opened))
        .collect();
    assert_eq!(states, [(PaymentStatus::Failed, false), (PaymentStatus::Created, true)]);
    // And that page pays the order.
    let paid = session(&attempts[1], "complete", "paid");
    let back = comes_back(&south, &attempts[1]);
    at_south.until_asked().await;
    at_south.answer(200, &paid);
    back.await.unwrap();
    assert!(south.next_fulfilment().await.unwrap().is_some());
}

/// The browser comes back, and the gateway is asked.
fn comes_back(cashier: &Cashier, attempt: &kessai::ledger::StoredAttempt) -> tokio::task::JoinHandle<()> {
    let expected = &attempt.expected;
    let back = format!(
        "/pay/stripe/return?attempt={}&state={}",
        expected.attempt,
        expected.return_token.as_str()
    );
    let back = http::Request::get(back).body(Bytes::new()).unwrap();
    let back = kessai::Callback::new(back, crate::support::start()).unwrap();
    let cashier = cashier.clone();
    tokio::spawn(async move {
        let _ = cashier.returned(&GatewayId::STRIPE, back).await;
    })
}

#[tokio::test]
async fn a_page_that_was_bound_first_outlives_the_refusal_of_the_other_node() {
    let (ledger, clock, request) = (
        Arc::new(MemoryLedger::new()) as Arc<dyn Ledger>,
        TestClock::new(),
        order("EC-1"),
    );
    let ((north, mut at_north), (south, mut at_south)) = (node(&ledger, &clock), node(&ledger, &clock));
    let from_north = click(&north, &request);
    at_north.until_asked().await;
    let from_south = click(&south, &request);
    at_south.until_asked().await;
    at_south.answer(200, &created(&request, "cs_test_1"));
    let opened = from_south.await.unwrap().unwrap();
    at_north.answer(
        429,
        &json!({"error": {"type": "invalid_request_error", "code": "rate_limit"}}),
    );
    from_north.await.unwrap().unwrap_err();
    assert!(page(&opened).ends_with("cs_test_1"));
    let attempts = ledger.attempts_of(request.order()).await.unwrap();
    assert_eq!(
        (attempts.len(), attempts[0].status, attempts[0].opened),
        (1, PaymentStatus::Created, true)
    );
}

#[tokio::test]
async fn opening_again_calls_the_gateway_so_often_and_no_more() {
    let world = World::new();
    let request = order("EC-1");
    world.open(&request, "cs_test_1").await;
    let mut refused = 0;
    for _ in 0..100 {
        world.script.answer(200, created(&request, "cs_test_1").to_string());
        match world.try_open(&request).await {
            Ok(checkout) => assert!(page(&checkout).ends_with("cs_test_1")),
            Err(OpenError::TooMany { by, retry_after }) => {
                assert_eq!((by, retry_after), (LimitedBy::Order, Duration::from_secs(600)));
                refused += 1;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((refused, world.script.requests().len()), (40, 60));
    world.clock.advance(Duration::from_secs(600));
    assert!(world.try_open(&request).await.is_ok());
    assert_eq!(world.script.requests().len(), 1);
}

#[tokio::test]
async fn another_choice_while_money_is_on_its_way_asks_so_often_and_no_more() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let pending = session(&attempt, "complete", "unpaid");
    let changed = CheckoutRequest::builder(attempt.expected.order.clone())
        .total(yen(9))
        .build()
        .unwrap();
    let mut limited = 0;
    for _ in 0..100 {
        world.script.clear();
        world.script.answer(200, pending.to_string());
        match world.try_open(&changed).await.unwrap_err() {
            OpenError::Underway { status, .. } => assert_eq!(status, PaymentStatus::Pending),
            OpenError::TooMany {
                by: LimitedBy::Order, ..
            } => limited += 1,
            error => panic!("{error:?}"),
        }
    }
    assert_eq!((limited, world.script.requests().len()), (40, 60));
}
