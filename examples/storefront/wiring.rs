//! How a shop is put together: ledger, gateways, cashier. Once over the mocks, once over Stripe's test mode.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::komoju::Komoju;
use kessai::gateways::sbps::{Sbps, ShopId};
use kessai::gateways::stripe::Stripe;
use kessai::ledgers::SqliteLedger;
use kessai::mock::gmopg::MockGmoPg;
use kessai::mock::komoju::MockKomoju;
use kessai::mock::sbps::MockSbps;
use kessai::mock::stripe::MockStripe;
use kessai::mock::{self, MockError};
use kessai::sign::SigningKeys;
use kessai::{ApiKey, Cashier, Clock, Environment, Gateway, GatewayId, MerchantAccount, SystemClock};

use super::shop::book::Book;
use super::shop::ways::Way;
use super::shop::{Parts, SharedClock, Shop};

/// The ledger's file, and the shop's own.
pub(crate) const LEDGER: &str = "ledger.sqlite";
const BOOK: &str = "book.sqlite";

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The gateways, played by this process until this is dropped. All of them live in one time.
pub(crate) struct Mocks {
    pub(crate) clock: mock::Clock,
    pub(crate) stripe: MockStripe,
    pub(crate) komoju: MockKomoju,
    pub(crate) sbps: MockSbps,
    pub(crate) gmopg: MockGmoPg,
}

impl Mocks {
    /// Starts them, each on any free port of this machine. What is paid later arrives after `delayed`.
    pub(crate) fn start(delayed: Duration, language: &str) -> Result<Self, MockError> {
        let clock = mock::Clock::live();
        Ok(Self {
            stripe: MockStripe::builder()
                .clock(clock.clone())
                .delayed_after(delayed)
                .language(language)
                .start()?,
            komoju: MockKomoju::builder()
                .clock(clock.clone())
                .delayed_after(delayed)
                .language(language)
                .start()?,
            gmopg: MockGmoPg::builder()
                .clock(clock.clone())
                .delayed_after(delayed)
                .language(language)
                .start()?,
            sbps: MockSbps::builder()
                .clock(clock.clone())
                .delayed_after(delayed)
                .language(language)
                .start()?,
            clock,
        })
    }

    /// Waits until everything that is due has been done and delivered, by all of them.
    #[allow(dead_code, reason = "the open shop waits for nothing")]
    pub(crate) async fn quiet(&self, at_most: Duration) -> Result<(), MockError> {
        self.stripe.quiet(at_most).await?;
        self.komoju.quiet(at_most).await?;
        self.gmopg.quiet(at_most).await?;
        self.sbps.quiet(at_most).await
    }
}

/// A shop whose gateways are played by this process. Shop and gateways share one clock.
pub(crate) fn against_mocks(data: &Path, mocks: &Mocks, public_url: &str) -> Result<Shop, Failure> {
    Counter::open(data, Arc::new(mocks.clock.clone()), public_url, true)
        .with(
            stripe(&mocks.stripe, public_url)?,
            "クレジットカード（Stripe）",
            "Card (Stripe)",
        )?
        .with(
            sbps(&mocks.sbps, public_url)?,
            "クレジットカード・コンビニ（SBペイメントサービス）",
            "Card or convenience store (SB Payment Service)",
        )?
        .with(
            gmopg(&mocks.gmopg, public_url)?,
            "クレジットカード・コンビニ（GMOペイメントゲートウェイ）",
            "Card or convenience store (GMO Payment Gateway)",
        )?
        .with(
            komoju(&mocks.komoju, public_url)?,
            "クレジットカード・コンビニ（KOMOJU）",
            "Card or convenience store (KOMOJU)",
        )?
        .shop()
}

fn komoju(mock: &MockKomoju, public_url: &str) -> Result<Komoju, Failure> {
    let addresses = Way::addresses(public_url, &GatewayId::KOMOJU)?;
    let endpoint = mock.merchant().add_endpoint(&addresses.notification_url())?;
    Ok(Komoju::builder(
        ApiKey::new(mock.merchant().api_key())?,
        SigningKeys::from_texts([endpoint.secret()])?,
        addresses,
    )
    .methods(["credit_card", "konbini"])
    .endpoint(mock.base_url().as_str())
    .pages([mock.base_url().origin().ascii_serialization()])
    .build()?)
}

fn gmopg(mock: &MockGmoPg, public_url: &str) -> Result<GmoPg, Failure> {
    let merchant = mock.merchant();
    let addresses = Way::addresses(public_url, &GatewayId::GMOPG)?;
    // Set in the shop admin screen of the real one.
    merchant.notify_at(&addresses.notification_url())?;
    let origin = mock.base_url().origin().ascii_serialization();
    Ok(GmoPg::builder(
        MerchantAccount::new(merchant.shop_id())?,
        ApiKey::new(merchant.shop_pass())?,
        merchant.config_id(),
        Environment::Sandbox,
        addresses,
    )
    .methods(["credit", "cvs"])
    .endpoint(origin.clone())
    .pages([origin])
    .build()?)
}

fn sbps(mock: &MockSbps, public_url: &str) -> Result<Sbps, Failure> {
    let merchant = mock.merchant();
    Ok(Sbps::builder(
        Environment::Sandbox,
        ShopId::new(merchant.merchant_id(), merchant.service_id())?,
        SigningKeys::from_texts([merchant.hash_key()])?,
        Way::addresses(public_url, &GatewayId::SBPS)?,
    )
    .methods(["credit3d2", "webcvs"])
    // What a notification says is asked about before anything is shipped.
    .api(ApiKey::new(merchant.api_password())?)
    .api_endpoint(mock.api_url())
    .form_url(mock.form_url())
    .item_name("お茶と道具")
    .details()
    .build()?)
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
