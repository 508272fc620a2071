//! A store around the mock gateway: a cashier behind an address that results are really delivered to.

use std::time::Duration;

use bytes::Bytes;
use kessai::gateways::sbps::{Sbps, SbpsBuilder, ShopId, purchase_hash};
use kessai::ledger::{RecordKind, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::mock::Clock;
use kessai::mock::sbps::{Landed, Merchant, MockSbps, MockSbpsBuilder, Page, TestCard, Visit};
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, Callback, Cashier, CheckoutRequest, Environment, GatewayId, MerchantReference, PaymentStatus,
    PostForm, Redirect, ReturnPage, SweepPolicy,
};

use crate::support::inbox::Inbox;
pub use crate::support::inbox::{PATIENCE, Words};
use crate::support::{order, start};

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub struct Store {
    pub mock: MockSbps,
    pub merchant: Merchant,
    pub sbps: Sbps,
    pub cashier: Cashier,
    inbox: Inbox,
}

impl Store {
    /// A shop with the API type, which asks before it believes.
    pub async fn open() -> Self {
        Self::with(MockSbps::builder(), |shop| shop).await
    }

    pub async fn with(builder: MockSbpsBuilder, settings: impl FnOnce(SbpsBuilder) -> SbpsBuilder) -> Self {
        let mock = builder.clock(Clock::stopped_at(start())).start().unwrap();
        let merchant = mock.merchant();
        let (inbox, address) = Inbox::listen(GatewayId::SBPS, mock.clock().clone()).await;
        let sbps = settings(client_of(&mock, &merchant, &address)).build().unwrap();
        let cashier = Cashier::builder(MemoryLedger::new())
            .gateway(sbps.clone())
            .clock(mock.clock().clone())
            .build()
            .unwrap();
        inbox.hand_to(&cashier);
        Self {
            mock,
            merchant,
            sbps,
            cashier,
            inbox,
        }
    }

    /// The next results get these answers, whatever the cashier would say; it does not hear of them.
    pub fn answer(&self, words: impl IntoIterator<Item = Words>) {
        self.inbox.answer(words);
    }

    /// The bodies that came, in order.
    pub fn received(&self) -> Vec<Bytes> {
        self.inbox.received()
    }

    /// `res_result` of what came, in order.
    pub fn results(&self) -> Vec<String> {
        self.received().iter().map(|body| field(body, "res_result")).collect()
    }

    pub fn advance(&self, by: Duration) {
        self.mock.clock().advance(by);
    }

    pub async fn quiet(&self) {
        self.mock.quiet(PATIENCE).await.unwrap();
    }

    pub async fn form(&self, request: &CheckoutRequest) -> PostForm {
        let checkout = self.cashier.open(request, &GatewayId::SBPS).await.unwrap();
        match checkout.redirect {
            Redirect::Post(form) => form,
            Redirect::Get(_) => panic!("a form was expected"),
        }
    }

    /// An order of 3960 yen with its page open.
    pub async fn at_page(&self) -> Page {
        let form = self.form(&order("ORD-1")).await;
        let page = self.mock.shopper().open(&form).await.unwrap();
        assert!(page.is_open(), "{:?}", page.refused());
        page
    }

    /// An order that was paid by card, reported and asked about.
    pub async fn paid(&self) -> StoredAttempt {
        let page = self.at_page().await;
        visit_of(page.pay(TestCard::Succeeds).await.unwrap());
        self.quiet().await;
        self.sweep().await;
        self.attempt().await
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
        self.cashier.returned(&GatewayId::SBPS, callback).await
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
    pub async fn there(&self) -> kessai::mock::sbps::OrderView {
        let attempt = self.attempt().await;
        self.merchant.order(attempt.expected.attempt.as_str()).unwrap()
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

    pub async fn held(&self) -> Vec<String> {
        let held = self.cashier.ledger().held(100).await.unwrap();
        held.into_iter()
            .map(|held| match held.record.kind {
                RecordKind::Held { reason, .. } => reason,
                other => panic!("not held: {other:?}"),
            })
            .collect()
    }
}

/// This crate's client of a shop, without retries: each test says itself what is sent.
pub fn client_of(mock: &MockSbps, merchant: &Merchant, store: &str) -> SbpsBuilder {
    let mut once = RetryPolicy::default();
    once.tries = 1;
    Sbps::builder(
        Environment::Sandbox,
        ShopId::new(merchant.merchant_id(), merchant.service_id()).unwrap(),
        keys(merchant),
        Addresses::new(store, "/pay/sbps").unwrap(),
    )
    .form_url(mock.form_url())
    .api(ApiKey::new(merchant.api_password()).unwrap())
    .api_endpoint(mock.api_url())
    .retry(once)
}

pub fn keys(merchant: &Merchant) -> SigningKeys {
    SigningKeys::from_texts([merchant.hash_key()]).unwrap()
}

/// A value of a form, as text.
pub fn field(body: &[u8], name: &str) -> String {
    let params = kessai::RawParams::parse(body).unwrap();
    let bytes = params.value(name).unwrap_or_default();
    kessai::charset::decode(bytes, kessai::charset::Reading::Windows31J)
        .unwrap()
        .into_owned()
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

/// A purchase request, before a test spoils it.
#[derive(Clone)]
pub struct Request {
    pub fields: Vec<(String, String)>,
}

impl Request {
    /// A good one, as a store writes it that does not use this crate.
    pub fn valid(merchant: &Merchant) -> Self {
        let store = "http://127.0.0.1:9";
        let fields = [
            ("pay_method", "credit3d2"),
            ("merchant_id", merchant.merchant_id()),
            ("service_id", merchant.service_id()),
            ("cust_code", "CUST000042"),
            ("sps_cust_no", ""),
            ("sps_payment_no", ""),
            ("order_id", "EC-000123"),
            ("item_id", "SHOP-ORDER"),
            ("pay_item_id", ""),
            ("item_name", "表ソ能ポ"),
            ("tax", "120"),
            ("amount", "1320"),
            ("pay_type", "0"),
            ("auto_charge_type", ""),
            ("service_type", "0"),
            ("div_settele", ""),
            ("last_charge_month", ""),
            ("camp_type", ""),
            ("tracking_id", ""),
            ("terminal_type", "0"),
            ("success_url", &format!("{store}/success")),
            ("cancel_url", &format!("{store}/cancel")),
            ("error_url", &format!("{store}/error")),
            ("pagecon_url", &format!("{store}/result")),
            ("free1", ""),
            ("free2", ""),
            ("free3", ""),
            ("free_csv", ""),
            ("request_date", "20261123111320"),
            ("limit_second", "600"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        Self { fields }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        let field = self.fields.iter_mut().find(|(own, _)| own == name).unwrap();
        value.clone_into(&mut field.1);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(own, _)| own != name);
        self
    }

    /// Puts fields in front of the last two.
    pub fn and(mut self, more: &[(&str, &str)]) -> Self {
        let at = self.fields.len() - 2;
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.fields.splice(at..at, more);
        self
    }

    pub fn borrowed(&self) -> Vec<(&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// The body, signed as it stands.
    pub fn signed(&self, merchant: &Merchant) -> Vec<u8> {
        let hash = purchase_hash(&keys(merchant), &self.borrowed());
        self.body_with(&hash)
    }

    pub fn body_with(&self, hash: &str) -> Vec<u8> {
        let mut fields = self.borrowed();
        fields.push(("sps_hashcode", hash));
        kessai::charset::form_body(fields).unwrap().into_bytes()
    }
}
