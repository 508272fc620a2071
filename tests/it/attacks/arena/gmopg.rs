//! GMO Payment Gateway, played.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use kessai::gateways::gmopg::GmoPg;
use kessai::ledger::StoredAttempt;
use kessai::mock::Clock;
use kessai::mock::gmopg::{Landed, Merchant, MockGmoPg, TestCard};
use kessai::transport::BoxFuture;
use kessai::{Addresses, ApiKey, Environment, Gateway, MerchantAccount, Redirect};

use super::{Fate, Hangs, Open, Played, Whose, Wire, brought_back, clock, once};
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
        .methods(["credit", "cvs"])
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

    fn live<'a>(&'a self, whose: Whose, page: &'a Open, fate: Fate) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(Redirect::Get(url)) = &page.redirect else {
                panic!("a link was expected")
            };
            let (merchant, order) = (self.merchant(whose), page.attempt.reference().as_str());
            let open = self.mock.shopper().visit(url.as_str()).await.unwrap();
            match fate {
                Fate::Later | Fate::Lapsed => {
                    let _ = open.pay_later(false).await.unwrap();
                    merchant.settle(order, fate == Fate::Later).unwrap();
                }
                Fate::Declined => drop(open.pay(TestCard::Declines).await.unwrap()),
                // Neither is told to anybody.
                Fate::Closed | Fate::Disputed => return false,
            }
            true
        })
    }

    /// Money goes back through the API only, and no message tells of it.
    fn give_back(&self, _attempt: &StoredAttempt) {}

    fn quiet(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.mock.quiet(PATIENCE).await.unwrap() })
    }

    fn again(&self, _message: &Request<Bytes>, _number: u32, _at: SystemTime) -> Option<Request<Bytes>> {
        None
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
