//! Stripe's SDKs as judges of the mock gateway's webhooks: what a genuine delivery is, they say.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::extract::{Request, State};
use bytes::Bytes;
use kessai::Callback;
use kessai::gateways::stripe::Stripe;
use kessai::mock::Clock;
use kessai::mock::stripe::{DeliveryFault, Merchant, MockStripe, TestCard};
use kessai::sign::SigningKeys;
use serde_json::{Value, json};

use super::sdk::Sdk;

/// What the sheet lists (section 7), and the simulator sends. It opens and closes disputes and never changes one in between.
const TYPES: [&str; 17] = [
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.expired",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "refund.created",
    "refund.failed",
    "refund.updated",
];

#[tokio::test]
async fn every_event_the_mock_sends_is_accepted_with_its_secret_and_no_other() {
    for mut sdk in Sdk::all() {
        let shop = Shop::open().await;
        let endpoint = shop.merchant.add_endpoint(&shop.address).unwrap();
        let elsewhere = shop.merchant.add_endpoint_for(&shop.address, &["none.such"]).unwrap();
        shop.live(&mut sdk).await;

        let deliveries = shop.deliveries().await;
        let mut types = BTreeSet::new();
        for delivery in &deliveries {
            let what = format!("{} {}", sdk.name, delivery.event["type"]);
            let event = delivery
                .judged_by(&mut sdk, endpoint.secret())
                .await
                .unwrap_or_else(|why| panic!("{what}: {why}"));
            assert_eq!(event, delivery.event, "{what}");
            assert_eq!(event["api_version"], "2026-10-28.endive", "{what}");
            types.insert(event["type"].as_str().unwrap().to_owned());
            assert_eq!(
                delivery.judged_by_us(endpoint.secret()),
                Ok(event["type"].as_str().unwrap().to_owned()),
                "{what}"
            );
            for secret in [elsewhere.secret(), &endpoint.secret()[6..]] {
                let refused = delivery.judged_by(&mut sdk, secret).await;
                assert_eq!(refused, Err("SignatureVerificationError".to_owned()), "{what}");
            }
            // Genuine, but not now.
            let mut late = delivery.clone();
            late.at += Duration::from_secs(301);
            let refused = late.judged_by(&mut sdk, endpoint.secret()).await;
            assert_eq!(refused, Err("SignatureVerificationError".to_owned()), "{what}");
            assert!(late.judged_by_us(endpoint.secret()).is_err(), "{what}");
        }
        assert_eq!(types, TYPES.map(str::to_owned).into(), "{}", sdk.name);
        assert_eq!(deliveries.len(), shop.merchant.events().len(), "{}", sdk.name);
    }
}

#[tokio::test]
async fn spoiled_deliveries_are_refused_and_their_retries_accepted() {
    for mut sdk in Sdk::all() {
        let faults = [
            (DeliveryFault::Tampered, false),
            (DeliveryFault::WrongSecret, false),
            (DeliveryFault::OldTimestamp(Duration::from_secs(301)), false),
            (DeliveryFault::OldTimestamp(Duration::from_secs(300)), true),
        ];
        for (fault, accepted) in faults {
            let what = format!("{} {fault:?}", sdk.name);
            let shop = Shop::open().await;
            let endpoint = shop.merchant.add_endpoint(&shop.address).unwrap();
            let armed = shop.mock.delivery_fault(fault).on("checkout.session.completed").arm();
            shop.answers.store(400, Ordering::SeqCst);
            shop.paid(&mut sdk, json!({})).await;
            let first = shop.completed().await;
            assert_eq!(armed.hits(), 1, "{what}");
            let judged = first.judged_by(&mut sdk, endpoint.secret()).await;
            assert_eq!(
                (judged.is_ok(), first.judged_by_us(endpoint.secret()).is_ok()),
                (accepted, accepted),
                "{what}"
            );
            if !accepted {
                assert_eq!(judged, Err("SignatureVerificationError".to_owned()), "{what}");
            }

            shop.answers.store(200, Ordering::SeqCst);
            shop.mock.clock().advance(Duration::from_secs(5 * 60));
            let again = shop.completed().await;
            assert_ne!(again.header, first.header, "{what}");
            assert_eq!(again.event["id"], first.event["id"], "{what}");
            assert!(again.judged_by(&mut sdk, endpoint.secret()).await.is_ok(), "{what}");
            assert!(again.judged_by_us(endpoint.secret()).is_ok(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_refused_delivery_comes_again_with_the_same_bytes_and_a_new_signature() {
    for mut sdk in Sdk::all() {
        let shop = Shop::open().await;
        let endpoint = shop.merchant.add_endpoint(&shop.address).unwrap();
        shop.answers.store(503, Ordering::SeqCst);
        shop.paid(&mut sdk, json!({})).await;
        let mut tries = vec![shop.completed().await];
        for wait in [5 * 60, 3600] {
            shop.mock.clock().advance(Duration::from_secs(wait));
            tries.push(shop.completed().await);
        }
        shop.answers.store(200, Ordering::SeqCst);
        for one in &tries {
            assert_eq!(one.body, tries[0].body, "{}", sdk.name);
            assert!(one.judged_by(&mut sdk, endpoint.secret()).await.is_ok(), "{}", sdk.name);
        }
        let headers: BTreeSet<_> = tries.iter().map(|one| &one.header).collect();
        assert_eq!(headers.len(), 3, "{}", sdk.name);
        // The first signature is worth nothing an hour later.
        let mut stale = tries[0].clone();
        stale.at = tries[2].at;
        assert!(
            stale.judged_by(&mut sdk, endpoint.secret()).await.is_err(),
            "{}",
            sdk.name
        );
    }
}

#[tokio::test]
async fn while_a_secret_is_rolled_either_one_is_right() {
    for mut sdk in Sdk::all() {
        let name = sdk.name;
        let shop = Shop::open().await;
        let endpoint = shop.merchant.add_endpoint(&shop.address).unwrap();
        let old = endpoint.secret().to_owned();
        let new = endpoint.roll_secret(Duration::from_secs(3600));
        shop.paid(&mut sdk, json!({})).await;
        let both = shop.completed().await;
        assert_eq!(both.header.matches(",v1=").count(), 2, "{name}");
        for secret in [&old, &new] {
            assert!(both.judged_by(&mut sdk, secret).await.is_ok(), "{name}");
            assert!(both.judged_by_us(secret).is_ok(), "{name}");
        }
        shop.mock.clock().advance(Duration::from_secs(3601));
        shop.paid(&mut sdk, json!({})).await;
        let after = shop.completed().await;
        assert_eq!(after.header.matches(",v1=").count(), 1, "{name}");
        assert!(after.judged_by(&mut sdk, &new).await.is_ok(), "{name}");
        assert!(after.judged_by(&mut sdk, &old).await.is_err(), "{name}");
        assert!(after.judged_by_us(&old).is_err(), "{name}");
    }
}

/// One delivery, as it came over the wire.
#[derive(Clone)]
struct Delivery {
    header: String,
    body: Bytes,
    event: Value,
    at: SystemTime,
}

impl Delivery {
    /// The event, or the class of the error.
    async fn judged_by(&self, sdk: &mut Sdk, secret: &str) -> Result<Value, String> {
        let judged = sdk.construct_event(&self.body, &self.header, secret, self.at).await;
        judged.map_err(|refused| refused.class)
    }

    /// The event's type, or the error.
    fn judged_by_us(&self, secret: &str) -> Result<String, kessai::VerifyError> {
        let builder = Stripe::builder(
            kessai::ApiKey::new("sk_test_0123456789abcdef").unwrap(),
            SigningKeys::from_texts([secret]).unwrap(),
            kessai::Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
        );
        let request = http::Request::post("/pay/stripe/notification")
            .header("Stripe-Signature", &self.header)
            .body(self.body.clone())
            .unwrap();
        let callback = Callback::new(request, self.at).unwrap();
        let verified = builder.build().unwrap().verify(&callback)?;
        Ok(verified.value().kind.as_str().to_owned())
    }
}

/// A mock gateway whose clock stands still, and a store that keeps what is delivered.
struct Shop {
    mock: MockStripe,
    merchant: Merchant,
    address: String,
    answers: Arc<AtomicU16>,
    inbox: Arc<Mutex<Vec<Delivery>>>,
}

#[derive(Clone)]
struct Door {
    clock: Clock,
    answers: Arc<AtomicU16>,
    inbox: Arc<Mutex<Vec<Delivery>>>,
}

async fn deliver(State(door): State<Door>, request: Request) -> axum::http::StatusCode {
    let header = request.headers()["stripe-signature"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let event = serde_json::from_slice(&body).unwrap();
    let at = door.clock.now();
    door.inbox.lock().unwrap().push(Delivery {
        header,
        body,
        event,
        at,
    });
    axum::http::StatusCode::from_u16(door.answers.load(Ordering::SeqCst)).unwrap()
}

impl Shop {
    async fn open() -> Self {
        let mock = MockStripe::builder().clock(Clock::stopped()).start().unwrap();
        let answers = Arc::new(AtomicU16::new(200));
        let inbox = Arc::<Mutex<Vec<Delivery>>>::default();
        let door = Door {
            clock: mock.clock().clone(),
            answers: Arc::clone(&answers),
            inbox: Arc::clone(&inbox),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/hook", listener.local_addr().unwrap());
        let routes = axum::Router::new().fallback(deliver).with_state(door);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let merchant = mock.merchant();
        Self {
            mock,
            merchant,
            address,
            answers,
            inbox,
        }
    }

    /// What has come since the last look, once nothing more is due.
    async fn deliveries(&self) -> Vec<Delivery> {
        self.mock.quiet(Duration::from_secs(20)).await.unwrap();
        std::mem::take(&mut self.inbox.lock().unwrap())
    }

    /// The one delivery of a completed session.
    async fn completed(&self) -> Delivery {
        let mut all = self.deliveries().await;
        all.retain(|delivery| delivery.event["type"] == "checkout.session.completed");
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    async fn session(&self, sdk: &mut Sdk, more: Value) -> (String, String) {
        let mut params = json!({
            "mode": "payment", "success_url": "https://shop.example/return",
            "metadata": {"order_id": "EC-1", "note": "煎茶 — “税込” 𠮷 \\ \" \u{2028}"},
            "line_items": [{"quantity": 1, "price_data": {
                "currency": "jpy", "unit_amount": 3960, "product_data": {"name": "煎茶"},
            }}],
        });
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let mut client = sdk.client(&self.mock, self.merchant.api_key());
        let made = client.call("checkout.sessions.create", params).await.unwrap();
        (
            made["id"].as_str().unwrap().to_owned(),
            made["url"].as_str().unwrap().to_owned(),
        )
    }

    async fn paid(&self, sdk: &mut Sdk, more: Value) -> String {
        let (id, url) = self.session(sdk, more).await;
        let page = self.mock.shopper().open(&url).await.unwrap();
        page.pay(TestCard::Succeeds).await.unwrap();
        id
    }

    /// Everything that can become of a session.
    async fn live(&self, sdk: &mut Sdk) {
        let manual = json!({"payment_intent_data": {"capture_method": "manual"}});
        // Declined, paid, refunded in two parts of which one comes back.
        let (id, url) = self.session(sdk, json!({})).await;
        let page = self.mock.shopper().open(&url).await.unwrap();
        page.pay(TestCard::Declines).await.unwrap();
        page.pay(TestCard::Succeeds).await.unwrap();
        let refund = self.merchant.refund(&id, Some(960)).unwrap();
        self.merchant.refund(&id, None).unwrap();
        self.merchant.fail_refund(&refund).unwrap();
        // Disputed, once won and once lost.
        for won in [true, false] {
            let dispute = self.merchant.dispute(&self.paid(sdk, json!({})).await).unwrap();
            self.merchant.close_dispute(&dispute, won).unwrap();
        }
        // Authorized: captured, let go, and forgotten for a week.
        self.merchant
            .capture(&self.paid(sdk, manual.clone()).await, Some(3000))
            .unwrap();
        self.merchant.cancel(&self.paid(sdk, manual.clone()).await).unwrap();
        self.paid(sdk, manual).await;
        // Paid later, or never.
        for arrives in [true, false] {
            let (id, url) = self.session(sdk, json!({})).await;
            let page = self.mock.shopper().open(&url).await.unwrap();
            page.pay_later(arrives).await.unwrap();
            self.merchant.settle(&id, arrives).unwrap();
        }
        // Closed by the store.
        let (id, _) = self.session(sdk, json!({})).await;
        self.merchant.expire(&id).unwrap();
        self.mock.quiet(Duration::from_secs(20)).await.unwrap();
        self.mock.clock().advance(Duration::from_secs(7 * 24 * 3600 + 1));
        self.mock.quiet(Duration::from_secs(20)).await.unwrap();
    }
}
