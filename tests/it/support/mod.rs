//! What several test modules share.

pub mod around;
#[allow(dead_code, reason = "the drill, whose search it is, uses all of it")]
#[path = "../../../examples/incident_drill/forms.rs"]
pub mod forms;
pub mod inbox;
pub mod scripted;
pub mod told;
pub mod tree;
pub mod world;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kessai::gateways::stripe::{Stripe, StripeBuilder};
use kessai::sign::SigningKeys;
use kessai::{Addresses, ApiKey, CheckoutRequest, Currency, LineItem, MerchantReference, Money};

pub const SIGNING_SECRET: &str = "whsec_0123456789abcdefTestSecret";

/// A point in time that every test starts from.
pub fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_400_000)
}

pub fn yen(amount: u64) -> Money {
    Money::new(amount, Currency::JPY)
}

/// A Stripe of the sandbox whose hosted payment page is where the sheet says.
pub fn stripe() -> StripeBuilder {
    Stripe::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        SigningKeys::from_texts([SIGNING_SECRET]).unwrap(),
        Addresses::new("https://shop.example", "/pay/stripe").unwrap(),
    )
}

pub fn order(reference: &str) -> CheckoutRequest {
    CheckoutRequest::builder(MerchantReference::new(reference).unwrap())
        .item(LineItem::new("Sencha 緑茶", yen(1980), 2).unwrap())
        .build()
        .unwrap()
}
