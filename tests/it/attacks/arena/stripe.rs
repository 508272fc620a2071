//! Stripe, played.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use kessai::gateways::stripe::Stripe;
use kessai::ledger::StoredAttempt;
use kessai::mock::Clock;
use kessai::mock::stripe::{Landed, Merchant, MockStripe, TestCard, signature_header};
use kessai::sign::SigningKeys;
use kessai::transport::BoxFuture;
use kessai::{Addresses, ApiKey, Gateway, Redirect};

use super::{Fate, Hangs, Open, Played, Whose, Wire, brought_back, clock, once, under_another_id};
use crate::support::inbox::PATIENCE;

struct Play {
    mock: MockStripe,
    thief: Merchant,
    /// With which the store's messages are signed.
    secret: Mutex<String>,
}

pub fn open() -> impl Played {
    let mock = MockStripe::builder().clock(clock()).start().unwrap();
    let thief = mock.open_merchant("Thief");
    Play {
        mock,
        thief,
        secret: Mutex::default(),
    }
}

impl Play {
    fn merchant(&self, whose: Whose) -> Merchant {
        match whose {
            Whose::Store => self.mock.merchant(),
            Whose::Thief => self.thief.clone(),
        }
    }
}

impl Played for Play {
    fn clock(&self) -> Clock {
        self.mock.clock().clone()
    }

    fn client(&self, whose: Whose, address: &str, wire: Wire) -> Arc<dyn Gateway> {
        let merchant = self.merchant(whose);
        let endpoint = merchant
            .add_endpoint(&format!("{address}/pay/stripe/notification"))
            .unwrap();
        if whose == Whose::Store {
            endpoint.secret().clone_into(&mut self.secret.lock().unwrap());
        }
        let client = Stripe::builder(
            ApiKey::new(merchant.api_key()).unwrap(),
            SigningKeys::from_texts([endpoint.secret()]).unwrap(),
            Addresses::new(address, "/pay/stripe").unwrap(),
        )
        .endpoint(self.mock.base_url().as_str())
        .pages([self.mock.base_url().origin().ascii_serialization()])
        .transport(Arc::new(wire))
        .retry(once());
        Arc::new(client.build().unwrap())
    }

    fn pay<'a>(&'a self, redirect: &'a Redirect) -> BoxFuture<'a, Request<Bytes>> {
        Box::pin(async move {
            let Redirect::Get(url) = redirect else {
                panic!("a link was expected")
            };
            let page = self.mock.shopper().open(url.as_str()).await.unwrap();
            match page.pay(TestCard::Succeeds).await.unwrap() {
                Landed::Store { url } => brought_back(&url, None),
                Landed::Page(page) => panic!("still there: {}", page.text()),
            }
        })
    }

    fn live<'a>(&'a self, whose: Whose, page: &'a Open, fate: Fate) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(Redirect::Get(url)) = &page.redirect else {
                panic!("a link was expected")
            };
            let (merchant, session) = (self.merchant(whose), page.attempt.checkout.as_ref().unwrap().as_str());
            let open = self.mock.shopper().open(url.as_str()).await.unwrap();
            match fate {
                Fate::Later | Fate::Lapsed => {
                    let _ = open.pay_later(false).await.unwrap();
                    merchant.settle(session, fate == Fate::Later).unwrap();
                }
                Fate::Declined => drop(open.pay(TestCard::Declines).await.unwrap()),
                Fate::Closed => merchant.expire(session).unwrap(),
                Fate::Disputed => {
                    let _ = open.pay(TestCard::Succeeds).await.unwrap();
                    let _ = merchant.dispute(session).unwrap();
                }
            }
            true
        })
    }

    fn give_back(&self, attempt: &StoredAttempt) {
        let session = attempt.checkout.as_ref().unwrap();
        let _ = self.mock.merchant().refund(session.as_str(), None).unwrap();
    }

    fn quiet(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.mock.quiet(PATIENCE).await.unwrap() })
    }

    fn again(&self, message: &Request<Bytes>, number: u32, at: SystemTime) -> Option<Request<Bytes>> {
        let mut again = under_another_id(message, &format!("evt_again{number}"));
        let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let signed = signature_header(
            &self.secret.lock().unwrap(),
            i64::try_from(seconds).unwrap(),
            again.body(),
        );
        again.headers_mut().insert("stripe-signature", signed.parse().unwrap());
        Some(again)
    }

    fn taken(&self) -> &'static str {
        ""
    }

    fn essential(&self) -> &'static [(&'static str, Hangs)] {
        &[
            ("id", Hangs::OnBeingThere),
            ("amount_total", Hangs::OnBeingThere),
            ("currency", Hangs::OnBeingThere),
            ("payment_status", Hangs::OnBeingThere),
            ("livemode", Hangs::OnBeingThere),
            ("metadata.attempt_id", Hangs::OnItsValue),
        ]
    }
}
