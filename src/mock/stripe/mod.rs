//! Stripe Checkout Sessions on loopback (Stripe sheet, read 2026-11-23).
//!
//! The API validates like Stripe's, the hosted page is one a person can use, events are signed and retried like
//! Stripe's, and everything that can break on the way can be broken on purpose.
//!
//! | what | how |
//! | --- | --- |
//! | keys | [`Merchant::api_key`]; live and publishable keys get 401 |
//! | hosted page | on the same address, in Japanese or English |
//! | cards | `4242 4242 4242 4242` succeeds, `4000 0000 0000 0002` is declined, `4000 0025 0000 3155` asks for 3-D Secure; no other is taken |
//! | delayed payment | konbini for yen, a bank transfer for the rest; it arrives, or never does, after [`MockStripeBuilder::delayed_after`] |
//! | time | [`MockStripe::clock`] |
//! | faults | [`MockStripe::fault`], [`MockStripe::delivery_fault`] |
//! | other merchants | [`MockStripe::open_merchant`] |
//!
//! Played are the endpoints and parameters that this crate's gateway and the official libraries need for hosted payments:
//! sessions (create, read, list, expire), payment intents (read, capture, cancel), refunds and events. Parameters of
//! Stripe's beyond those are refused as unknown, rather than taken and ignored.

mod account;
mod api;
mod delivery;
mod desk;
mod error;
mod fault;
mod idempotency;
mod merchant;
mod money;
mod objects;
mod page;
mod params;
mod text;
mod validate;
mod version;
mod views;
mod webhook;
mod world;

use std::time::{Duration, SystemTime};

use url::Url;
use wiremock::Request;

pub use self::fault::{DeliveryFault, DeliveryFaultPlan, Fault, FaultPlan, Operation, RateLimit};
pub use self::merchant::{Endpoint, Merchant};
pub use self::views::{EventView, SessionView};
pub use self::webhook::signature_header;
pub use super::armed::Armed;
pub use super::call::RequestView;
use super::card::Taken;
pub use super::card::TestCard;
pub use super::outbox::DeliveryOutcome;
pub use super::shopper::{Landed, Page, Shopper};
pub use super::webhook::DeliveryView;

use self::account::Settings;
use self::world::{Shared, World};
use super::booth::Booth;
use super::front::Reply;
use super::ids::Ids;
use super::language::is_japanese;
use super::{Clock, MockError};

/// How long a store may take to acknowledge. Stripe publishes no figure (Stripe sheet §7).
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(10);

/// A Stripe of one's own, listening on 127.0.0.1 until it is dropped.
///
/// # Example
///
/// ```
/// use kessai::mock::stripe::MockStripe;
///
/// let mock = MockStripe::start()?;
/// assert!(mock.merchant().api_key().starts_with("sk_test_"));
/// assert_eq!(mock.base_url().host_str(), Some("127.0.0.1"));
/// # Ok::<(), kessai::mock::MockError>(())
/// ```
#[derive(Debug)]
pub struct MockStripe {
    booth: Booth<World>,
    merchant: Merchant,
}

impl MockStripe {
    /// Starts one on any free port, on the real time.
    pub fn start() -> Result<Self, MockError> {
        Self::builder().start()
    }

    /// Starts one with other settings.
    pub fn builder() -> MockStripeBuilder {
        MockStripeBuilder::default()
    }

    /// The address of the API and of the hosted page, `http://127.0.0.1:PORT/`.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.booth.base_url
    }

    /// The time in here. A clone can be shared with the store under test.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.booth.shared.clock
    }

    /// The first account.
    #[must_use]
    pub fn merchant(&self) -> Merchant {
        self.merchant.clone()
    }

    /// Opens another account, such as the attacker's own.
    #[must_use]
    pub fn open_merchant(&self, name: &str) -> Merchant {
        Merchant::open(&self.booth.shared, name)
    }

    /// Something that goes wrong between a client and the API. It is aimed first, and then armed.
    pub fn fault(&self, fault: Fault) -> FaultPlan {
        self.booth.shared.lock().faults.plan(fault)
    }

    /// Something that goes wrong with the delivery of an event. It is aimed first, and then armed.
    pub fn delivery_fault(&self, fault: DeliveryFault) -> DeliveryFaultPlan {
        self.booth.shared.lock().outbox.faults.plan(fault)
    }

    /// Somebody with a browser.
    #[must_use]
    pub fn shopper(&self) -> Shopper {
        Shopper::new(
            self.booth.client.clone(),
            self.booth.base_url.clone(),
            self.booth.shared.clock.clone(),
            "/c/",
        )
    }

    /// Every call of the API so far, of all merchants and of nobody (a wrong key), in order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        self.booth
            .shared
            .lock()
            .requests
            .iter()
            .map(|(_, request)| request.clone())
            .collect()
    }

    /// Waits until everything that is due has been done and delivered: at most this long, in real time.
    pub async fn quiet(&self, at_most: Duration) -> Result<(), MockError> {
        self.booth.shared.quiet(at_most).await
    }
}

/// Settings of a [`MockStripe`].
#[derive(Debug)]
#[must_use]
pub struct MockStripeBuilder {
    port: u16,
    clock: Clock,
    delayed: Duration,
    cards: Taken,
    retry_after: Vec<Duration>,
    language: String,
}

impl Default for MockStripeBuilder {
    fn default() -> Self {
        let hours = |count: u64| Duration::from_secs(count * 60 * 60);
        Self {
            port: 0,
            clock: Clock::live(),
            delayed: hours(48),
            cards: Taken::Test,
            // "Three times over a few hours" in a sandbox (Stripe sheet §7, retries).
            retry_after: vec![Duration::from_secs(5 * 60), hours(1), hours(3)],
            language: "en".to_owned(),
        }
    }
}

impl MockStripeBuilder {
    /// A fixed port instead of any free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// A clock that a test moves, instead of the real time.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Takes, besides the test cards, every number that begins with `424242` and has a right check digit, and security codes of
    /// up to twelve digits: enough different ones for a search that proves where they did not go.
    pub fn marked_cards(mut self) -> Self {
        self.cards = Taken::Marked;
        self
    }

    /// How long a delayed payment takes to arrive, or to fail; two days without this.
    pub fn delayed_after(mut self, delayed: Duration) -> Self {
        self.delayed = delayed;
        self
    }

    /// The waits before the second, third, ... try of a delivery; three over a few hours without this.
    pub fn retry_after(mut self, waits: Vec<Duration>) -> Self {
        self.retry_after = waits;
        self
    }

    /// The language of a page whose session and browser name none: `ja` or `en`.
    pub fn language(mut self, language: &str) -> Self {
        language.clone_into(&mut self.language);
        self
    }

    /// Listens.
    pub fn start(self) -> Result<MockStripe, MockError> {
        let japanese = is_japanese(&self.language)?;
        let ids = Ids::new()?;
        let world = |base| {
            let settings = Settings {
                delayed: self.delayed,
                cards: self.cards,
                japanese,
                base,
            };
            World::new(settings, ids, self.retry_after)
        };
        let booth = Booth::start(self.port, self.clock, ACKNOWLEDGE_WITHIN, world, answer)?;
        let merchant = Merchant::open(&booth.shared, "Kessai Test Store");
        Ok(MockStripe { booth, merchant })
    }
}

/// Answers what comes in.
fn answer(shared: &Shared, request: &Request) -> Reply {
    if request.url.path().starts_with("/v1/") {
        api::answer(shared, request)
    } else {
        page::answer(shared, request)
    }
}

/// The time as the event and session records show it.
fn at(unix: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(unix).unwrap_or_default())
}
