//! KOMOJU sessions on loopback (KOMOJU sheet, read 2026-11-23).
//!
//! The API validates, the hosted page is one a person can use, webhooks are signed over their raw body and retried, and
//! everything that can break on the way can be broken on purpose.
//!
//! | what | how |
//! | --- | --- |
//! | keys | [`Merchant::api_key`], as the user of Basic; live and publishable keys get 401 |
//! | hosted page | on the same address, under `/sessions/`, in Japanese or English |
//! | cards | `4242 4242 4242 4242` succeeds, `4000 0000 0000 0002` is declined, `4000 0025 0000 3155` asks for 3-D Secure; no other is taken |
//! | slips | konbini, bank transfer and Pay-easy, for yen: `authorized` and unpaid at first, with a fee on top; paid after [`MockKomojuBuilder::delayed_after`], or lapsed after [`MockKomojuBuilder::slip_valid_for`] |
//! | time | [`MockKomoju::clock`] |
//! | faults | [`MockKomoju::fault`], [`MockKomoju::delivery_fault`] |
//! | other merchants | [`MockKomoju::open_merchant`] |
//!
//! Played are the endpoints that this crate's gateway needs: sessions (create, read, cancel) and payments (read, capture,
//! cancel, refund). Fields that the sheet does not name are refused, rather than taken and ignored.
//!
//! Where the sheet is silent, this is what is played: webhooks are retried after 5 minutes, 1 hour and 3 hours; a key that
//! comes with another body gets 422; a slip costs 190 yen and lives three days; capture takes the whole amount; money paid
//! on a slip does not go back by `refund`, as that needs the shopper's bank account.

mod account;
mod api;
mod ask;
mod delivery;
mod desk;
mod error;
mod fault;
mod html;
mod idempotency;
mod merchant;
mod objects;
mod page;
mod views;
mod webhook;
mod world;

use std::time::{Duration, SystemTime};

use url::Url;
use wiremock::Request;

pub use self::fault::{DeliveryFault, DeliveryFaultPlan, Fault, FaultPlan, Operation};
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

/// How long a store may take to acknowledge. The sheet knows no figure.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(10);

/// A KOMOJU of one's own, listening on 127.0.0.1 until it is dropped.
///
/// # Example
///
/// ```
/// use kessai::mock::komoju::MockKomoju;
///
/// let mock = MockKomoju::start()?;
/// assert!(mock.merchant().api_key().starts_with("sk_test_"));
/// assert_eq!(mock.base_url().host_str(), Some("127.0.0.1"));
/// # Ok::<(), kessai::mock::MockError>(())
/// ```
#[derive(Debug)]
pub struct MockKomoju {
    booth: Booth<World>,
    merchant: Merchant,
}

impl MockKomoju {
    /// Starts one on any free port, on the real time.
    pub fn start() -> Result<Self, MockError> {
        Self::builder().start()
    }

    /// Starts one with other settings.
    pub fn builder() -> MockKomojuBuilder {
        MockKomojuBuilder::default()
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
            "/sessions/",
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

/// Settings of a [`MockKomoju`].
#[derive(Debug)]
#[must_use]
pub struct MockKomojuBuilder {
    port: u16,
    clock: Clock,
    delayed: Duration,
    cards: Taken,
    slip_valid: Duration,
    slip_fee: u64,
    retry_after: Vec<Duration>,
    language: String,
}

impl Default for MockKomojuBuilder {
    fn default() -> Self {
        let hours = |count: u64| Duration::from_secs(count * 60 * 60);
        Self {
            port: 0,
            clock: Clock::live(),
            delayed: hours(48),
            cards: Taken::Test,
            slip_valid: hours(72),
            slip_fee: 190,
            // The sheet knows neither count nor waits.
            retry_after: vec![Duration::from_secs(5 * 60), hours(1), hours(3)],
            language: "en".to_owned(),
        }
    }
}

impl MockKomojuBuilder {
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

    /// How long a shopper takes to pay a slip; two days without this.
    pub fn delayed_after(mut self, delayed: Duration) -> Self {
        self.delayed = delayed;
        self
    }

    /// How long a slip can be paid; three days without this.
    pub fn slip_valid_for(mut self, valid: Duration) -> Self {
        self.slip_valid = valid;
        self
    }

    /// What a slip costs the shopper on top of the amount; 190 yen without this.
    pub fn slip_fee(mut self, fee: u64) -> Self {
        self.slip_fee = fee;
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
    pub fn start(self) -> Result<MockKomoju, MockError> {
        let japanese = is_japanese(&self.language)?;
        let ids = Ids::new()?;
        let world = |base| {
            let settings = Settings {
                delayed: self.delayed,
                cards: self.cards,
                slip_valid: self.slip_valid,
                slip_fee: self.slip_fee,
                japanese,
                base,
            };
            World::new(settings, ids, self.retry_after)
        };
        let booth = Booth::start(self.port, self.clock, ACKNOWLEDGE_WITHIN, world, answer)?;
        let merchant = Merchant::open(&booth.shared, "Kessai Test Store");
        Ok(MockKomoju { booth, merchant })
    }
}

/// Answers what comes in.
fn answer(shared: &Shared, request: &Request) -> Reply {
    if request.url.path().starts_with("/api/") {
        api::answer(shared, request)
    } else {
        page::answer(shared, request)
    }
}

/// The time as the event and session records show it.
fn at(unix: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(unix).unwrap_or_default())
}
