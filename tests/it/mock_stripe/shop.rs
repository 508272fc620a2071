//! A store around the mock gateway: a client, a place that notifications arrive at, and hand-made requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use kessai::gateways::stripe::{Stripe, StripeBuilder};
use kessai::ledger::StoredAttempt;
use kessai::mock::Clock;
use kessai::mock::stripe::{DeliveryView, Endpoint, Landed, Merchant, MockStripe, MockStripeBuilder, Page, TestCard};
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, Callback, CheckoutRequest, Error, ExpectedPayment, Gateway, GatewayReference, PaymentStatus,
    Redirect,
};
use serde_json::Value;

use crate::support::{order, start};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(60 * 60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Real time that a delivery may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Takes notifications and answers as told; 200 when nothing is left to say.
#[derive(Clone)]
pub struct Sink {
    pub url: String,
    inner: Arc<Mutex<Inbox>>,
}

/// When a notification came, by the gateway's clock.
#[derive(Clone, Copy)]
pub struct Arrived(pub SystemTime);

#[derive(Default)]
struct Inbox {
    received: Vec<Request<Bytes>>,
    answers: VecDeque<u16>,
}

impl Sink {
    pub async fn open(clock: &Clock) -> Self {
        let clock = clock.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/pay/stripe/notification", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inbox::default()));
        let inbox = Arc::clone(&inner);
        let take = move |method: Method, headers: HeaderMap, body: Bytes| async move {
            let mut request = Request::new(body);
            *request.method_mut() = method;
            *request.uri_mut() = "/pay/stripe/notification".parse().unwrap();
            *request.headers_mut() = headers;
            request.extensions_mut().insert(Arrived(clock.now()));
            let mut inbox = inbox.lock().unwrap();
            inbox.received.push(request);
            let status = StatusCode::from_u16(inbox.answers.pop_front().unwrap_or(200)).unwrap();
            // An address to go to, for those who follow redirects.
            (status, [("location", "/elsewhere")], "")
        };
        let app = axum::Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, inner }
    }

    pub fn answer(&self, statuses: impl IntoIterator<Item = u16>) {
        self.inner.lock().unwrap().answers.extend(statuses);
    }

    pub fn received(&self) -> Vec<Request<Bytes>> {
        self.inner.lock().unwrap().received.clone()
    }

    /// The types of the events that came, in order.
    pub fn types(&self) -> Vec<String> {
        let text = |request: &Request<Bytes>| json(request.body())["type"].as_str().unwrap().to_owned();
        self.received().iter().map(text).collect()
    }
}

/// A store with one merchant account, one endpoint and this crate's client.
pub struct Shop {
    pub mock: MockStripe,
    pub merchant: Merchant,
    pub endpoint: Endpoint,
    pub sink: Sink,
    pub stripe: Stripe,
    pub http: reqwest::Client,
}

impl Shop {
    /// On a clock that stands still.
    pub async fn open() -> Self {
        Self::with(MockStripe::builder()).await
    }

    pub async fn with(builder: MockStripeBuilder) -> Self {
        let mock = builder.clock(Clock::stopped_at(start())).start().unwrap();
        let merchant = mock.merchant();
        let sink = Sink::open(mock.clock()).await;
        let endpoint = merchant.add_endpoint(&sink.url).unwrap();
        let stripe = client_of(&mock, &merchant, endpoint.secret()).build().unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only([])
            .build()
            .unwrap();
        Self {
            mock,
            merchant,
            endpoint,
            sink,
            stripe,
            http,
        }
    }

    pub fn now(&self) -> SystemTime {
        self.mock.clock().now()
    }

    pub fn advance(&self, by: Duration) {
        self.mock.clock().advance(by);
    }

    pub async fn quiet(&self) {
        self.mock.quiet(PATIENCE).await.unwrap();
    }

    /// Writes an attempt down and opens it.
    pub async fn attempt(&self, request: &CheckoutRequest) -> (StoredAttempt, String) {
        let expected = ExpectedPayment::plan(&self.stripe, request, self.now()).unwrap();
        self.reopen(&expected, request).await.unwrap()
    }

    /// Opens what was written down, once more if need be.
    pub async fn reopen(
        &self,
        expected: &ExpectedPayment,
        request: &CheckoutRequest,
    ) -> Result<(StoredAttempt, String), Error> {
        let checkout = self.stripe.checkout(expected, request).await?;
        let Redirect::Get(url) = &checkout.redirect else {
            panic!("Stripe's redirect is a link")
        };
        let mut attempt = StoredAttempt::new(expected.clone());
        attempt.checkout.clone_from(&checkout.reference);
        Ok((attempt, url.as_str().to_owned()))
    }

    /// An order of 3960 yen with its page open.
    pub async fn at_page(&self) -> (StoredAttempt, Page) {
        let (attempt, url) = self.attempt(&order("ORD-1")).await;
        let page = self.mock.shopper().open(&url).await.unwrap();
        assert!(page.is_open());
        (attempt, page)
    }

    /// An order that was paid with the card that always works.
    pub async fn paid(&self) -> StoredAttempt {
        let (attempt, page) = self.at_page().await;
        assert!(page.pay(TestCard::Succeeds).await.unwrap().store().is_some());
        attempt
    }

    pub async fn status(&self, attempt: &StoredAttempt) -> PaymentStatus {
        self.snapshot(attempt).await.0
    }

    /// Our status and the gateway's own words.
    pub async fn snapshot(&self, attempt: &StoredAttempt) -> (PaymentStatus, String) {
        let event = self.stripe.status(attempt, self.now()).await.unwrap();
        let snapshot = &event.value().snapshot;
        (snapshot.status, snapshot.gateway_status.as_str().to_owned())
    }

    /// Everything that was delivered, verified by this crate: the gateway's type and our status, if it is news at all.
    pub fn heard(&self) -> Vec<(String, Option<PaymentStatus>)> {
        let read = |request: &Request<Bytes>| {
            let callback = callback_of(request);
            let verified = self.stripe.verify(&callback).expect("a genuine delivery");
            let said = verified.value();
            let status = said.events.first().map(|event| event.snapshot.status);
            (said.kind.as_str().to_owned(), status)
        };
        self.sink.received().iter().map(read).collect()
    }

    pub async fn call(&self, method: Method, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let key = self.merchant.api_key().to_owned();
        self.call_as(&key, method, path, body, headers).await
    }

    pub async fn call_as(&self, key: &str, method: Method, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {key}");
        let mut all = vec![("authorization", bearer.as_str())];
        if method == Method::POST {
            all.push(("content-type", "application/x-www-form-urlencoded"));
        }
        all.extend(headers);
        self.call_bare(method, path, body, &all).await.unwrap()
    }

    /// Exactly these headers.
    pub async fn call_bare(
        &self,
        method: Method,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let url = self.mock.base_url().join(path).unwrap();
        let sent = self
            .http
            .request(method, url)
            .headers(map)
            .body(body.to_owned())
            .timeout(PATIENCE)
            .send()
            .await?;
        let (status, headers) = (sent.status().as_u16(), sent.headers().clone());
        Ok(Answer {
            status,
            headers,
            text: sent.text().await?,
        })
    }

    pub async fn create(&self, form: &Form) -> Answer {
        self.call(Method::POST, "/v1/checkout/sessions", &form.to_string(), &[])
            .await
    }

    pub async fn create_with_key(&self, key: &str, form: &Form) -> Answer {
        self.call(
            Method::POST,
            "/v1/checkout/sessions",
            &form.to_string(),
            &[("idempotency-key", key)],
        )
        .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "", &[]).await
    }

    pub fn deliveries(&self, event_type: &str) -> Vec<DeliveryView> {
        let all = self.merchant.deliveries();
        all.into_iter()
            .filter(|delivery| delivery.event_type == event_type)
            .collect()
    }
}

/// This crate's client of a merchant, without retries: each test says itself what is sent.
pub fn client_of(mock: &MockStripe, merchant: &Merchant, secret: &str) -> StripeBuilder {
    let mut once = RetryPolicy::default();
    once.tries = 1;
    Stripe::builder(
        ApiKey::new(merchant.api_key()).unwrap(),
        SigningKeys::from_texts([secret]).unwrap(),
        Addresses::new("http://127.0.0.1:3000", "/pay/stripe").unwrap(),
    )
    .endpoint(mock.base_url().as_str())
    .pages([mock.base_url().origin().ascii_serialization()])
    .retry(once)
}

/// What came in, as the store takes it in.
pub fn callback_of(request: &Request<Bytes>) -> Callback {
    let Arrived(at) = *request.extensions().get().unwrap();
    Callback::new(request.clone(), at).unwrap()
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        json(self.text.as_bytes())
    }

    /// The id of the object, which has to be there.
    pub fn id(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()["id"].as_str().unwrap().to_owned()
    }

    /// Status, code (or type, where there is no code) and parameter of a refusal.
    pub fn refusal(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        assert!(!text(&error["message"]).is_empty(), "{}", self.text);
        let code = error["code"]
            .as_str()
            .map_or_else(|| text(&error["type"]), str::to_owned);
        (self.status, code, text(&error["param"]))
    }
}

pub fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| panic!("not JSON: {}", String::from_utf8_lossy(bytes)))
}

/// A body that makes a session, before a test spoils it.
#[derive(Clone)]
pub struct Form(Vec<(String, String)>);

impl Form {
    pub fn valid() -> Self {
        let pairs = [
            ("mode", "payment"),
            ("client_reference_id", "ORD-1"),
            (
                "success_url",
                "http://127.0.0.1:3000/return?session={CHECKOUT_SESSION_ID}",
            ),
            ("cancel_url", "http://127.0.0.1:3000/cancel"),
            ("line_items[0][quantity]", "2"),
            ("line_items[0][price_data][currency]", "jpy"),
            ("line_items[0][price_data][unit_amount]", "1980"),
            ("line_items[0][price_data][product_data][name]", "Sencha"),
        ];
        Self(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    /// Sets a field, or takes it out.
    pub fn with<'v>(mut self, name: &str, value: impl Into<Option<&'v str>>) -> Self {
        let value = value.into().map(str::to_owned);
        match (self.0.iter().position(|(own, _)| own == name), value) {
            (Some(at), Some(value)) => self.0[at].1 = value,
            (Some(at), None) => drop(self.0.remove(at)),
            (None, Some(value)) => self.0.push((name.to_owned(), value)),
            (None, None) => panic!("{name} was not there to be taken out"),
        }
        self
    }

    pub fn backwards(mut self) -> Self {
        self.0.reverse();
        self
    }
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            &url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs(&self.0)
                .finish(),
        )
    }
}

pub fn page_of(landed: Landed) -> Page {
    match landed {
        Landed::Page(page) => page,
        Landed::Store { url } => panic!("sent to {url}"),
    }
}

pub fn store_of(landed: Landed) -> String {
    match landed {
        Landed::Store { url } => url,
        Landed::Page(page) => panic!("still at {page:?}: {}", page.text()),
    }
}

pub fn id_of(attempt: &StoredAttempt) -> &str {
    attempt.checkout.as_ref().map(GatewayReference::as_str).unwrap()
}
