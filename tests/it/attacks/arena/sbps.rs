//! SB Payment Service, played.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::Request;
use kessai::charset;
use kessai::gateways::sbps::{Channel, Sbps, ShopId, report_hash};
use kessai::ledger::StoredAttempt;
use kessai::mock::Clock;
use kessai::mock::sbps::{Landed, Merchant, MockSbps, TestCard};
use kessai::sign::SigningKeys;
use kessai::transport::BoxFuture;
use kessai::{Addresses, ApiKey, CaptureMode, Environment, Gateway, PostForm, RawParams, Redirect};

use super::{Fate, Hangs, Open, Played, Set, Whose, Wire, brought_back, clock, once};
use crate::support::inbox::PATIENCE;

struct Play {
    mock: MockSbps,
    thief: Merchant,
    set: Set,
}

pub fn open(set: Set) -> impl Played {
    let mock = MockSbps::builder().clock(clock()).start().unwrap();
    let thief = mock.open_merchant("Thief");
    if set == Set::OnDemand {
        mock.merchant().sell_on_demand();
    }
    Play { mock, thief, set }
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
        let client = Sbps::builder(
            Environment::Sandbox,
            ShopId::new(merchant.merchant_id(), merchant.service_id()).unwrap(),
            SigningKeys::from_texts([merchant.hash_key()]).unwrap(),
            Addresses::new(address, "/pay/sbps").unwrap(),
        )
        .methods(["credit3d2", "webcvs"])
        .form_url(self.mock.form_url());
        // Without the API nobody can be asked, and a notification settles a payment by itself.
        if self.set == Set::Settles {
            return Arc::new(client.notifications_settle().build().unwrap());
        }
        let client = client
            .api(ApiKey::new(merchant.api_password()).unwrap())
            .api_endpoint(self.mock.api_url())
            .transport(Arc::new(wire))
            .retry(once());
        let client = match self.set {
            Set::OnDemand => client.capture(CaptureMode::Manual),
            Set::Usual | Set::Settles => client,
        };
        Arc::new(client.build().unwrap())
    }

    fn pay<'a>(&'a self, redirect: &'a Redirect) -> BoxFuture<'a, Request<Bytes>> {
        Box::pin(async move {
            let Redirect::Post(form) = redirect else {
                panic!("a form was expected")
            };
            let page = self.mock.shopper().open(form).await.unwrap();
            assert!(page.is_open(), "{:?}", page.refused());
            match page.pay(TestCard::Succeeds).await.unwrap() {
                Landed::Store(visit) => brought_back(&visit.url, Some(visit.body)),
                Landed::Page(page) => panic!("still there: {}", page.text()),
            }
        })
    }

    fn live<'a>(&'a self, whose: Whose, page: &'a Open, fate: Fate) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let Some(Redirect::Post(form)) = &page.redirect else {
                panic!("a form was expected")
            };
            let (merchant, order) = (self.merchant(whose), page.attempt.reference().as_str());
            let open = self.mock.shopper().open(form).await.unwrap();
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

    fn takes<'a>(&'a self, form: &'a PostForm, changed: &'a [(&'a str, &'a str)]) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let mut other = PostForm::new(form.target().clone()).with_charset(form.charset());
            for (name, value) in form.fields() {
                let changed = changed.iter().find(|(changed, _)| *changed == name);
                other = other.field(name, changed.map_or(value, |(_, value)| *value)).unwrap();
            }
            let page = self.mock.shopper().open(&other).await.unwrap();
            assert_eq!(page.is_open(), page.refused().is_none());
            page.is_open()
        })
    }

    /// It has no id of its own, but a time at which it was made.
    fn again(&self, message: &Request<Bytes>, number: u32, _at: SystemTime) -> Option<Request<Bytes>> {
        let form = RawParams::parse(message.body()).unwrap();
        let names = message.body().split(|byte| *byte == b'&');
        let names = names.map(|pair| std::str::from_utf8(pair).unwrap().split('=').next().unwrap());
        let mut fields: Vec<(&str, String)> = names
            .filter(|name| *name != "sps_hashcode")
            .map(|name| {
                let value = charset::decode(form.value(name).unwrap(), charset::Reading::Windows31J).unwrap();
                (name, value.into_owned())
            })
            .collect();
        let made = fields.iter_mut().find(|(name, _)| *name == "res_date").unwrap();
        made.1 = format!("20300101{number:06}");
        let keys = SigningKeys::from_texts([self.mock.merchant().hash_key()]).unwrap();
        let mut pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let hash = report_hash(&keys, Channel::Notification, &pairs).unwrap();
        pairs.push(("sps_hashcode", &hash));
        let mut again = message.clone();
        *again.body_mut() = Bytes::from(charset::form_body(pairs).unwrap());
        again.headers_mut().remove("content-length");
        Some(again)
    }

    fn taken(&self) -> &'static str {
        "OK,"
    }

    fn essential(&self) -> &'static [(&'static str, Hangs)] {
        &[
            ("res_result", Hangs::OnBeingThere),
            ("payment_status", Hangs::OnBeingThere),
            ("commit_status", Hangs::OnBeingThere),
        ]
    }
}
