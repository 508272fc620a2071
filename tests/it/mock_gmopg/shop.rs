//! A store around the mock gateway: a cashier behind an address that notifications are really delivered to.

use std::time::Duration;

use bytes::Bytes;
use kessai::gateways::gmopg::{GmoPg, GmoPgBuilder};
use kessai::ledger::StoredAttempt;
use kessai::ledgers::MemoryLedger;
use kessai::mock::Clock;
use kessai::mock::gmopg::{Landed, Merchant, MockGmoPg, MockGmoPgBuilder, OrderView, Page, Visit};
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, Callback, Cashier, CheckoutRequest, Environment, GatewayId, MerchantAccount, MerchantReference,
    PaymentStatus, Redirect, ReturnPage, SweepPolicy,
};

use crate::support::inbox::{Inbox, PATIENCE};
use crate::support::{order, start};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Store {
    pub mock: MockGmoPg,
    pub merchant: Merchant,
    pub gmopg: GmoPg,
    pub cashier: Cashier,
    pub inbox: Inbox,
}

impl Store {
    pub async fn open() -> Self {
        Self::with(MockGmoPg::builder(), |shop| shop).await
    }

    pub async fn with(builder: MockGmoPgBuilder, settings: impl FnOnce(GmoPgBuilder) -> GmoPgBuilder) -> Self {
        let mock = builder.clock(Clock::stopped_at(start())).start().unwrap();
        let merchant = mock.merchant();
        let (inbox, address) = Inbox::listen(GatewayId::GMOPG, mock.clock().clone()).await;
        merchant
            .notify_at(&format!("{address}/pay/gmopg/notification"))
            .unwrap();
        let gmopg = settings(client_of(&mock, &merchant, &address)).build().unwrap();
        let cashier = Cashier::builder(MemoryLedger::new())
            .gateway(gmopg.clone())
            .clock(mock.clock().clone())
            .build()
            .unwrap();
        inbox.hand_to(&cashier);
        Self {
            mock,
            merchant,
            gmopg,
            cashier,
            inbox,
        }
    }

    /// `Status` of what came, in order.
    pub fn statuses(&self) -> Vec<String> {
        self.inbox.received().iter().map(|body| field(body, "Status")).collect()
    }

    pub fn advance(&self, by: Duration) {
        self.mock.clock().advance(by);
    }

    pub async fn quiet(&self) {
        self.mock.quiet(PATIENCE).await.unwrap();
    }

    pub async fn link(&self, request: &CheckoutRequest) -> String {
        let checkout = self.cashier.open(request, &GatewayId::GMOPG).await.unwrap();
        match checkout.redirect {
            Redirect::Get(url) => url.as_str().to_owned(),
            Redirect::Post(_) => panic!("a link was expected"),
        }
    }

    /// An order of 3960 yen with its page open.
    pub async fn at_page(&self) -> Page {
        let link = self.link(&order("ORD-1")).await;
        let page = self.mock.shopper().visit(&link).await.unwrap();
        assert!(page.is_open(), "{}", page.text());
        page
    }

    pub async fn sweep(&self) {
        self.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    }

    /// The browser posts what the gateway gave it.
    pub async fn come_back(&self, visit: &Visit) -> ReturnPage {
        let url = url::Url::parse(&visit.url).unwrap();
        let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let request = http::Request::post(target)
            .body(Bytes::from(visit.body.clone()))
            .unwrap();
        let callback = Callback::new(request, self.mock.clock().now()).unwrap();
        self.cashier.returned(&GatewayId::GMOPG, callback).await
    }

    /// The newest attempt of the one order.
    pub async fn attempt(&self) -> StoredAttempt {
        let order = MerchantReference::new("ORD-1").unwrap();
        self.cashier.ledger().attempts_of(&order).await.unwrap().pop().unwrap()
    }

    pub async fn status(&self) -> PaymentStatus {
        self.attempt().await.status
    }

    /// The gateway's view of the newest attempt.
    pub async fn there(&self) -> OrderView {
        let attempt = self.attempt().await;
        self.merchant.order(attempt.reference().as_str()).unwrap()
    }

    /// How many orders may be fulfilled; each is done.
    pub async fn fulfil_all(&self) -> usize {
        let mut orders = 0;
        while let Some(due) = self.cashier.next_fulfilment().await.unwrap() {
            orders += 1;
            assert!(due.done().await.unwrap());
        }
        orders
    }
}

/// This crate's client of a shop, without retries: each test says itself what is sent.
pub fn client_of(mock: &MockGmoPg, merchant: &Merchant, store: &str) -> GmoPgBuilder {
    let mut once = RetryPolicy::default();
    once.tries = 1;
    GmoPg::builder(
        MerchantAccount::new(merchant.shop_id()).unwrap(),
        ApiKey::new(merchant.shop_pass()).unwrap(),
        merchant.config_id(),
        Environment::Sandbox,
        Addresses::new(store, "/pay/gmopg").unwrap(),
    )
    .endpoint(mock.base_url().origin().ascii_serialization())
    .pages([mock.base_url().origin().ascii_serialization()])
    .partial_refunds()
    .retry(once)
}

/// A value of a form.
pub fn field(body: &[u8], name: &str) -> String {
    let found = url::form_urlencoded::parse(body).find(|(field, _)| field == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

pub fn visit_of(landed: Landed) -> Visit {
    match landed {
        Landed::Store(visit) => visit,
        Landed::Page(page) => panic!("still at {page:?}: {}", page.text()),
    }
}

pub fn page_of(landed: Landed) -> Page {
    match landed {
        Landed::Page(page) => page,
        Landed::Store(visit) => panic!("sent to {}", visit.url),
    }
}
