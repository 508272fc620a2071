//! What every gateway can say of itself before a store reopens.

use std::sync::Arc;
use std::time::SystemTime;

use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::komoju::Komoju;
use kessai::gateways::sbps::{Sbps, ShopId};
use kessai::gateways::stripe::Stripe;
use kessai::sign::SigningKeys;
use kessai::{
    Addresses, ApiKey, ConfigError, Environment, Gateway, GatewayId, Gateways, MerchantAccount, SelfCheckError,
    SigningKey,
};

fn addresses(path: &str) -> Addresses {
    Addresses::new("https://shop.example", path).unwrap()
}

fn key(text: &str) -> SigningKey {
    SigningKey::new(text).unwrap()
}

/// Every gateway with a hash key of its own, under these keys.
fn signed(keys: &SigningKeys) -> [Box<dyn Gateway>; 3] {
    let stripe = Stripe::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        keys.clone(),
        addresses("/pay/stripe"),
    );
    let komoju = Komoju::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        keys.clone(),
        addresses("/pay/komoju"),
    );
    let sbps = Sbps::builder(
        Environment::Sandbox,
        ShopId::new("99661", "001").unwrap(),
        keys.clone(),
        addresses("/pay/sbps"),
    );
    [
        Box::new(stripe.build().unwrap()),
        Box::new(komoju.build().unwrap()),
        Box::new(sbps.notifications_settle().build().unwrap()),
    ]
}

#[test]
fn every_gateway_knows_a_genuine_message_from_another_under_its_own_key() {
    let now = SystemTime::now();
    let keys = SigningKeys::new(key("whsec_0123456789abcdef0123456789abcdef01234567"));
    for gateway in signed(&keys) {
        assert_eq!(gateway.self_check(now), Ok(()), "{}", gateway.id());
        assert_eq!(gateway.clock_ahead(), None, "{}: nothing was asked yet", gateway.id());
        let printed = format!("{gateway:?}");
        assert!(printed.contains("Sandbox") && printed.contains("/pay/"), "{printed}");
    }
    let gmopg = GmoPg::builder(
        MerchantAccount::new("tshop00099661").unwrap(),
        ApiKey::new("kq7w2x9f").unwrap(),
        "shop01",
        Environment::Sandbox,
        addresses("/pay/gmopg"),
    );
    let gmopg = gmopg.build().unwrap();
    assert_eq!(gmopg.self_check(now), Ok(()));
    let printed = format!("{gmopg:?}");
    assert!(
        printed.contains("Sandbox") && printed.contains("tshop00099661"),
        "{printed}"
    );
}

#[test]
fn a_store_has_each_of_its_gateways_once() {
    let keys = SigningKeys::new(key("whsec_0123456789abcdef0123456789abcdef01234567"));
    let mut store = Gateways::new();
    assert_eq!(store.iter().count(), 0);
    for gateway in signed(&keys) {
        store.add(Arc::from(gateway)).unwrap();
    }
    let ids: Vec<_> = store.iter().map(|gateway| gateway.id().to_string()).collect();
    assert_eq!(ids, ["komoju", "sbps", "stripe"]);
    for gateway in signed(&keys) {
        let id = gateway.id();
        assert_eq!(store.find(&id).map(Gateway::id).as_ref(), Some(&id));
        let again = store.add(Arc::from(gateway));
        assert!(matches!(again, Err(ConfigError::Gateways(_))), "{id}: {again:?}");
    }
    assert_eq!(store.iter().count(), 3);
    assert!(store.find(&GatewayId::from_static("gmopg")).is_none());
}

#[test]
fn one_changed_message_that_is_taken_outweighs_everything() {
    for (known, changed, own, verdict) in [
        (true, false, true, Ok(())),
        (true, true, true, Err(SelfCheckError::Changed)),
        (false, true, false, Err(SelfCheckError::Changed)),
        (false, false, true, Err(SelfCheckError::Known)),
        (true, false, false, Err(SelfCheckError::OwnKey)),
    ] {
        assert_eq!(SelfCheckError::judge(known, changed, own), verdict);
    }
}
