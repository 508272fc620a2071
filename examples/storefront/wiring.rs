//! How a shop is put together: ledger, gateway, cashier. Once over the mock, once over Stripe's test mode.

use std::path::Path;
use std::sync::Arc;

use kessai::gateways::stripe::Stripe;
use kessai::ledgers::SqliteLedger;
use kessai::mock::stripe::MockStripe;
use kessai::sign::SigningKeys;
use kessai::{Addresses, ApiKey, Cashier, Clock, Environment, Gateway, SystemClock};

use super::shop::book::Book;
use super::shop::{PAYMENT_PATH, Parts, SharedClock, Shop};

/// The ledger's file, and the shop's own.
pub(crate) const LEDGER: &str = "ledger.sqlite";
const BOOK: &str = "book.sqlite";

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A shop whose gateway is played by this process. Shop and gateway share the mock's clock.
pub(crate) fn against_mock(data: &Path, mock: &MockStripe, public_url: &str) -> Result<Shop, Failure> {
    let addresses = Addresses::new(public_url, PAYMENT_PATH)?;
    let endpoint = mock.merchant().add_endpoint(&addresses.notification_url())?;
    let pages = mock.base_url().origin().ascii_serialization();
    let stripe = Stripe::builder(
        ApiKey::new(mock.merchant().api_key())?,
        SigningKeys::from_texts([endpoint.secret()])?,
        addresses,
    )
    .endpoint(mock.base_url().as_str())
    .pages([pages.as_str()])
    .build()?;
    shop(data, stripe, Arc::new(mock.clock().clone()), public_url, &pages, true)
}

/// What Stripe's test mode needs.
pub(crate) struct StripeSettings {
    pub(crate) api_key: String,
    pub(crate) signing_secret: String,
    pub(crate) public_url: String,
}

/// A shop over Stripe's own test mode.
pub(crate) fn against_stripe(data: &Path, settings: StripeSettings) -> Result<Shop, Failure> {
    let addresses = Addresses::new(&settings.public_url, PAYMENT_PATH)?;
    let stripe = Stripe::builder(
        ApiKey::new(settings.api_key)?,
        SigningKeys::from_texts([settings.signing_secret])?,
        addresses,
    )
    .build()?;
    if stripe.environment() != Environment::Sandbox {
        return Err("this is an example: it ships for play money, so it refuses live keys".into());
    }
    shop(
        data,
        stripe,
        Arc::new(SystemClock),
        &settings.public_url,
        "https://checkout.stripe.com",
        false,
    )
}

fn shop(
    data: &Path,
    stripe: Stripe,
    clock: Arc<dyn Clock>,
    public_url: &str,
    pages: &str,
    rehearsal: bool,
) -> Result<Shop, Failure> {
    let cashier = Cashier::builder(SqliteLedger::open(data.join(LEDGER))?)
        .gateway(stripe)
        .clock(SharedClock(Arc::clone(&clock)))
        .build()?;
    Ok(Shop::open(Parts {
        cashier,
        book: Book::open(&data.join(BOOK))?,
        clock,
        public_url: public_url.trim_end_matches('/').to_owned(),
        page_origins: vec![pages.to_owned()],
        rehearsal,
    })?)
}
