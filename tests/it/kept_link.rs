//! A gateway that gives the link to its page only once: the ledger keeps it for the next click.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use kessai::gateways::stripe::Stripe;
use kessai::ledger::StoredAttempt;
use kessai::ledgers::MemoryLedger;
use kessai::transport::{BoxFuture, RetryPolicy};
use kessai::{
    Abilities, Ack, AllowedOrigins, AttemptPlan, Callback, Cashier, Checkout, CheckoutRequest, Environment, Error,
    ErrorKind, ExpectedPayment, Gateway, GatewayId, Ledger, MerchantAccount, OpenError, PaymentEvent, Received,
    Redirect, RequestError, ReturnHint, SelfCheckError, Verified, VerifyError,
};

use crate::support::scripted::Scripted;
use crate::support::world::{TestClock, created};
use crate::support::{order, stripe};

/// Stripe, but for a link that is given once.
#[derive(Debug)]
struct GivesItOnce(Stripe, AllowedOrigins);

impl Gateway for GivesItOnce {
    fn id(&self) -> GatewayId {
        self.0.id()
    }
    fn account(&self) -> &MerchantAccount {
        self.0.account()
    }
    fn environment(&self) -> Environment {
        self.0.environment()
    }
    fn pages(&self) -> &AllowedOrigins {
        &self.1
    }
    fn plan(&self, request: &CheckoutRequest) -> Result<AttemptPlan, RequestError> {
        self.0.plan(request)
    }
    fn checkout<'a>(
        &'a self,
        expected: &'a ExpectedPayment,
        request: &'a CheckoutRequest,
    ) -> BoxFuture<'a, Result<Checkout, Error>> {
        Box::pin(async move { Ok(self.0.checkout(expected, request).await?.with_link_kept()) })
    }
    fn receive<'a>(&'a self, callback: &'a Callback) -> BoxFuture<'a, Result<Received, VerifyError>> {
        self.0.receive(callback)
    }
    fn returned(&self, callback: &Callback) -> Result<ReturnHint, VerifyError> {
        self.0.returned(callback)
    }
    fn acknowledge(&self, about: Result<&Received, &VerifyError>, ack: Ack) -> http::Response<Bytes> {
        self.0.acknowledge(about, ack)
    }
    fn status<'a>(
        &'a self,
        attempt: &'a StoredAttempt,
        at: SystemTime,
    ) -> BoxFuture<'a, Result<Verified<PaymentEvent>, Error>> {
        self.0.status(attempt, at)
    }
    fn self_check(&self, at: SystemTime) -> Result<(), SelfCheckError> {
        self.0.self_check(at)
    }
    fn clock_ahead(&self) -> Option<i64> {
        self.0.clock_ahead()
    }
    fn abilities(&self) -> Abilities<'_> {
        self.0.abilities()
    }
}

#[tokio::test]
async fn a_link_that_is_given_once_is_kept_for_the_next_click_and_checked_again() {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let script = Scripted::new();
    let clock = TestClock::new();
    let cashier = |pages: &str| {
        let mut once = RetryPolicy::default();
        once.tries = 1;
        let stripe = stripe()
            .transport(Arc::new(script.clone()))
            .retry(once)
            .build()
            .unwrap();
        Cashier::builder_over(Arc::clone(&ledger))
            .gateway(GivesItOnce(stripe, AllowedOrigins::new([pages]).unwrap()))
            .clock(clock.clone())
            .build()
            .unwrap()
    };
    let shop = cashier("https://checkout.stripe.com");
    let request = order("EC-1");
    script.answer(200, created(&request, "cs_test_1").to_string());
    let first = shop.open(&request, &GatewayId::STRIPE).await.unwrap();
    // Nothing more is scripted: a second call would fail.
    let second = shop.open(&request, &GatewayId::STRIPE).await.unwrap();
    let link = |checkout: &Checkout| match &checkout.redirect {
        Redirect::Get(url) => url.as_str().to_owned(),
        Redirect::Post(_) => panic!("a link was expected"),
    };
    assert_eq!(link(&first), link(&second));
    assert_eq!(first.reference, second.reference);
    assert_eq!(script.requests().len(), 1);

    // A link that is not on an allowed origin any more leads nowhere, whatever the ledger holds.
    let moved = cashier("https://elsewhere.example");
    let error = moved.open(&request, &GatewayId::STRIPE).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Gateway(error) if error.kind() == ErrorKind::Config),
        "{error:?}"
    );
    assert!(!format!("{:?}", ledger.attempts_of(request.order()).await).contains("cs_test_1#"));
    assert!(script.requests().is_empty());
}
