//! A shop with the four gateways and one open attempt to pay at each, under names that never change, so that an input is
//! worth the same in every run.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::komoju::Komoju;
use kessai::gateways::sbps::{Sbps, ShopId};
use kessai::gateways::stripe::Stripe;
use kessai::ledger::{Binding, Expected, Head, Ledger, Opened, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, Cashier, CheckoutRequest, Clock, Currency, Environment, ExpectedPayment, Gateway, GatewayId,
    GatewayReference, LineItem, MerchantAccount, MerchantReference, Money,
};

use super::line::{Line, now};

/// The time of everything that does not say another.
pub const START: u64 = 1_795_400_000;
pub const TOTAL: u64 = 1980;
/// The same as a time.
pub static START_TIME: LazyLock<SystemTime> = LazyLock::new(|| UNIX_EPOCH + Duration::from_secs(START));

pub const STRIPE_KEY: &str = "whsec_0123456789abcdefTestSecret";
pub const STRIPE_SESSION: &str = "cs_test_a1FuzzSession";
pub const KOMOJU_KEY: &str = "whsec-komoju-shared-0123456789abcdef";
pub const KOMOJU_SESSION: &str = "a1b2c3d4e5f6g7h8i9j0k1l2m";
pub const GMOPG_SHOP: &str = "tshop00099661";
pub const GMOPG_PASS: &str = "kq7w2x9e";
pub const SBPS_KEY: &str = "0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07";
pub const SBPS_TRACKING: &str = "80312789324672";

/// The name of the attempt and the token of its return, at every gateway.
pub const ATTEMPT: &str = "fz0attempt0000000000000000";
pub const TOKEN: &str = "fz0return0token00000000000";

pub struct Shop {
    pub gateway: Arc<dyn Gateway>,
    pub request: CheckoutRequest,
    /// The attempt as the ledger has it once its page was opened.
    pub attempt: StoredAttempt,
}

pub static STRIPE: LazyLock<Shop> = LazyLock::new(|| {
    // The vectors' keys too, so that their messages are genuine here.
    let keys = [
        STRIPE_KEY,
        "whsec_5WbX2vectorSharedSecretAlpha0123456789",
        "whsec_own0Vector0Key0Alpha0123456789",
    ];
    let stripe = Stripe::builder(api_key(), SigningKeys::from_texts(keys).unwrap(), addresses("stripe"));
    let stripe = stripe.transport(Arc::new(Line)).retry(twice()).build().unwrap();
    Shop::new(Arc::new(stripe), Some(STRIPE_SESSION), None)
});

pub static KOMOJU: LazyLock<Shop> = LazyLock::new(|| {
    let keys = SigningKeys::from_texts([KOMOJU_KEY]).unwrap();
    let komoju = Komoju::builder(api_key(), keys, addresses("komoju"));
    let komoju = komoju.transport(Arc::new(Line)).retry(twice()).build().unwrap();
    Shop::new(Arc::new(komoju), Some(KOMOJU_SESSION), None)
});

pub static GMOPG: LazyLock<Shop> = LazyLock::new(|| {
    let shop = MerchantAccount::new(GMOPG_SHOP).unwrap();
    let pass = ApiKey::new(GMOPG_PASS).unwrap();
    let gmopg = GmoPg::builder(shop, pass, "shop01", Environment::Sandbox, addresses("gmopg"));
    let gmopg = gmopg.transport(Arc::new(Line)).retry(twice()).build().unwrap();
    Shop::new(Arc::new(gmopg), None, None)
});

/// Without the API type: what it is told settles.
pub static SBPS: LazyLock<Shop> = LazyLock::new(|| {
    let sbps = sbps().notifications_settle().build().unwrap();
    Shop::new(Arc::new(sbps), None, None)
});

/// With the API type: what it is told is asked about.
pub static SBPS_API: LazyLock<Shop> = LazyLock::new(|| {
    let sbps = sbps().api(ApiKey::new("basic-word-of-the-api-type").unwrap());
    let sbps = sbps.transport(Arc::new(Line)).retry(twice()).build().unwrap();
    let deal = format!("{SBPS_TRACKING}/credit3d2/{TOTAL}");
    Shop::new(Arc::new(sbps), Some(&deal), Some(SBPS_TRACKING))
});

fn sbps() -> kessai::gateways::sbps::SbpsBuilder {
    let shop = ShopId::new("99661", "001").unwrap();
    let keys = SigningKeys::from_texts([SBPS_KEY]).unwrap();
    Sbps::builder(Environment::Sandbox, shop, keys, addresses("sbps"))
}

fn api_key() -> ApiKey {
    ApiKey::new("sk_test_0123456789abcdef").unwrap()
}

fn addresses(gateway: &str) -> Addresses {
    Addresses::new("https://shop.example", &format!("/pay/{gateway}")).unwrap()
}

fn twice() -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    policy.tries = 2;
    policy
}

impl Shop {
    fn new(gateway: Arc<dyn Gateway>, checkout: Option<&str>, payment: Option<&str>) -> Self {
        let item = LineItem::new("Sencha", Money::new(TOTAL, Currency::JPY), 1).unwrap();
        let request = CheckoutRequest::builder(MerchantReference::new("EC-7").unwrap()).item(item);
        let request = request.build().unwrap();
        let at = UNIX_EPOCH + Duration::from_secs(START);
        let mut expected = ExpectedPayment::plan(gateway.as_ref(), &request, at).unwrap();
        expected.attempt = ATTEMPT.parse().unwrap();
        expected.idempotency_key = "fz0key00000000000000000000".parse().unwrap();
        expected.return_token = serde_json::from_value(TOKEN.into()).unwrap();
        let mut attempt = StoredAttempt::new(expected);
        attempt.checkout = checkout.map(|name| GatewayReference::new(name).unwrap());
        attempt.payment = payment.map(|name| GatewayReference::new(name).unwrap());
        attempt.opened = true;
        Self {
            gateway,
            request,
            attempt,
        }
    }

    pub fn id(&self) -> GatewayId {
        self.gateway.id()
    }
}

/// A fresh ledger in which the attempt is open.
pub fn ledger(shop: &Shop) -> Arc<dyn Ledger> {
    let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
    let expected = &shop.attempt.expected;
    let written = now(ledger.expect(expected)).unwrap();
    assert!(matches!(written, Expected::Written));
    let opened = Opened {
        checkout: shop.attempt.checkout.clone(),
        payment: shop.attempt.payment.clone(),
        ..Opened::default()
    };
    let bound = now(ledger.opened(&expected.attempt, &opened, expected.created_at)).unwrap();
    assert_eq!(bound, Binding::Now);
    ledger
}

/// Such a ledger, and a cashier over it whose clock stands still.
pub struct World {
    pub cashier: Cashier,
    pub ledger: Arc<dyn Ledger>,
}

impl World {
    pub fn new(shop: &Shop, at: SystemTime) -> Self {
        let ledger = ledger(shop);
        let cashier = Cashier::builder_over(Arc::clone(&ledger));
        let cashier = cashier.shared_gateway(Arc::clone(&shop.gateway)).clock(Stopped(at));
        Self {
            cashier: cashier.build().unwrap(),
            ledger,
        }
    }

    pub fn head(&self) -> Head {
        now(self.ledger.head()).unwrap()
    }

    pub fn paid(&self) -> bool {
        now(self.ledger.fulfilment_of(&"EC-7".parse().unwrap()))
            .unwrap()
            .is_some()
    }

    /// The chain and the state beside it.
    pub fn is_intact(&self) -> bool {
        now(kessai::ledger::verify(self.ledger.as_ref(), &[]))
            .unwrap()
            .is_intact()
    }
}

#[derive(Debug)]
struct Stopped(SystemTime);

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        self.0
    }
}
