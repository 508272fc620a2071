//! How a shop is put together: ledger, gateways, cashier. Once over the mocks, once over Stripe's test mode.

use std::path::Path;
use std::sync::Arc;

use kessai::gateways::stripe::Stripe;
use kessai::ledgers::SqliteLedger;
use kessai::mock::stripe::MockStripe;
use kessai::sign::SigningKeys;
use kessai::{ApiKey, Cashier, Clock, Environment, Gateway, GatewayId, SystemClock};

use super::shop::book::Book;
use super::shop::ways::Way;
use super::shop::{Parts, SharedClock, Shop};

/// The ledger's file, and the shop's own.
pub(crate) const LEDGER: &str = "ledger.sqlite";
const BOOK: &str = "book.sqlite";

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A shop whose gateways are played by this process. Shop and gateways share one clock.
pub(crate) fn against_mock(data: &Path, mock: &MockStripe, public_url: &str) -> Result<Shop, Failure> {
    let clock = mock.clock().clone();
    Counter::open(data, Arc::new(clock), public_url, true)
        .with(stripe(mock, public_url)?, "クレジットカード（Stripe）", "Card (Stripe)")?
        .shop()
}

fn stripe(mock: &MockStripe, public_url: &str) -> Result<Stripe, Failure> {
    let addresses = Way::addresses(public_url, &GatewayId::STRIPE)?;
    let endpoint = mock.merchant().add_endpoint(&addresses.notification_url())?;
    Ok(Stripe::builder(
        ApiKey::new(mock.merchant().api_key())?,
        SigningKeys::from_texts([endpoint.secret()])?,
        addresses,
    )
    .endpoint(mock.base_url().as_str())
    .pages([mock.base_url().origin().ascii_serialization()])
    .build()?)
}

/// What Stripe's test mode needs.
pub(crate) struct StripeSettings {
    pub(crate) api_key: String,
    pub(crate) signing_secret: String,
    pub(crate) public_url: String,
}

/// A shop over Stripe's own test mode.
pub(crate) fn against_stripe(data: &Path, settings: StripeSettings) -> Result<Shop, Failure> {
    let addresses = Way::addresses(&settings.public_url, &GatewayId::STRIPE)?;
    let stripe = Stripe::builder(
        ApiKey::new(settings.api_key)?,
        SigningKeys::from_texts([settings.signing_secret])?,
        addresses,
    )
    .build()?;
    if stripe.environment() != Environment::Sandbox {
        return Err("this is an example: it ships for play money, so it refuses live keys".into());
    }
    Counter::open(data, Arc::new(SystemClock), &settings.public_url, false)
        .with(stripe, "クレジットカード（Stripe）", "Card (Stripe)")?
        .shop()
}

/// A shop before it opens.
struct Counter<'a> {
    data: &'a Path,
    clock: Arc<dyn Clock>,
    public_url: &'a str,
    rehearsal: bool,
    gateways: Vec<Arc<dyn Gateway>>,
    ways: Vec<Way>,
}

impl<'a> Counter<'a> {
    fn open(data: &'a Path, clock: Arc<dyn Clock>, public_url: &'a str, rehearsal: bool) -> Self {
        Self {
            data,
            clock,
            public_url,
            rehearsal,
            gateways: Vec::new(),
            ways: Vec::new(),
        }
    }

    /// Offers one more way to pay, behind the others.
    fn with(mut self, gateway: impl Gateway, ja: &'static str, en: &'static str) -> Result<Self, Failure> {
        let id = gateway.id();
        let addresses = Way::addresses(self.public_url, &id)?;
        self.gateways.push(Arc::new(gateway));
        self.ways.push(Way::new(id, addresses, ja, en));
        Ok(self)
    }

    fn shop(self) -> Result<Shop, Failure> {
        let ledger = SqliteLedger::open(self.data.join(LEDGER))?;
        let mut cashier = Cashier::builder(ledger).clock(SharedClock(Arc::clone(&self.clock)));
        for gateway in self.gateways {
            cashier = cashier.shared_gateway(gateway);
        }
        Ok(Shop::open(Parts {
            cashier: cashier.build()?,
            book: Book::open(&self.data.join(BOOK))?,
            clock: self.clock,
            public_url: self.public_url.trim_end_matches('/').to_owned(),
            ways: self.ways,
            rehearsal: self.rehearsal,
        })?)
    }
}
