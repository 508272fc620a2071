//! GMO Payment Gateway, played.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use kessai::gateways::gmopg::GmoPg;
use kessai::ledger::StoredAttempt;
use kessai::mock::Clock;
use kessai::mock::gmopg::{Landed, Merchant, MockGmoPg, TestCard};
use kessai::transport::BoxFuture;
use kessai::{Addresses, ApiKey, Environment, Gateway, MerchantAccount, Redirect};

use super::{Hangs, Played, Whose, Wire, brought_back, clock, once};
use crate::support::inbox::PATIENCE;

struct Play {
    mock: MockGmoPg,
    thief: Merchant,
}

pub fn open() -> impl Played {
    let mock = MockGmoPg::builder().clock(clock()).start().unwrap();
    let thief = mock.open_merchant("Thief");
    Play { mock, thief }
}

impl Played for Play {
    fn clock(&self) -> Clock {
        self.mock.clock().clone()
    }

    fn client(&self, whose: Whose, address: &str, wire: Wire) -> Arc<dyn Gateway> {
        let merchant = match whose {
            Whose::Store => self.mock.merchant(),
            Whose::Thief => self.thief.clone(),
        };
        merchant
            .notify_at(&format!("{address}/pay/gmopg/notification"))
            .unwrap();
        let client = GmoPg::builder(
            MerchantAccount::new(merchant.shop_id()).unwrap(),
            ApiKey::new(merchant.shop_pass()).unwrap(),
            merchant.config_id(),
            Environment::Sandbox,
            Addresses::new(address, "/pay/gmopg").unwrap(),
        )
        .endpoint(self.mock.base_url().origin().ascii_serialization())
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
            let page = self.mock.shopper().visit(url.as_str()).await.unwrap();
            match page.pay(TestCard::Succeeds).await.unwrap() {
                Landed::Store(visit) => brought_back(&visit.url, Some(visit.body)),
                Landed::Page(page) => panic!("still there: {}", page.text()),
            }
        })
    }

    /// Money goes back through the API only, and no message tells of it.
    fn give_back(&self, _attempt: &StoredAttempt) {}

    fn quiet(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.mock.quiet(PATIENCE).await.unwrap() })
    }

    fn taken(&self) -> &'static str {
        "0"
    }

    fn essential(&self) -> &'static [(&'static str, Hangs)] {
        &[
            ("Status", Hangs::OnBeingThere),
            ("Amount", Hangs::OnBeingThere),
            ("Tax", Hangs::OnItsValue),
        ]
    }
}
