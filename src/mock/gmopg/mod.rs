//! GMO Payment Gateway, Link Type Plus, on loopback (GMO-PG sheet, read 2026-11-23).
//!
//! Links are asked for by JSON or built by the store, the hosted page is one a person can use, the browser goes back with a
//! signed result, notifications are sent unsigned and sent again, `SearchTradeMulti` answers, and everything that can break
//! on the way can be broken on purpose.
//!
//! | what | how |
//! | --- | --- |
//! | keys | [`Merchant::shop_id`], [`Merchant::shop_pass`]; every other pair is nobody's, real ones included |
//! | links | `GetLinkplusUrlPayment.json`, `RejectLinkplusUrlPayment.json`, and links of the parameter type |
//! | hosted page | on the same address, in UTF-8, in Japanese or English |
//! | cards | `4242 4242 4242 4242` succeeds, `4000 0000 0000 0002` is declined, `4000 0025 0000 3155` asks for 3-D Secure; no other is taken |
//! | konbini | a slip, then `PAYSUCCESS` or `EXPIRED` after [`MockGmoPgBuilder::delayed_after`], or by [`Merchant::settle`] |
//! | notifications | to [`Merchant::notify_at`]; taken by `200` and exactly `0`; else again after 60 minutes, five times |
//! | return | [`Landed::Store`]: what the browser is to post |
//! | calls | `SearchTrade`, `SearchTradeMulti`, `AlterTran`, `ChangeTran` |
//! | time | [`MockGmoPg::clock`] |
//! | faults | [`MockGmoPg::fault`], [`MockGmoPg::delivery_fault`] |
//! | other merchants | [`MockGmoPg::open_merchant`] |
//!
//! What the sheet leaves open is played like this: a deal is registered when the shopper submits a way to pay; a refused card
//! leaves it `UNPROCESSED` with an error beside it and uses the order id up; the way back leaves the page open; a deal is
//! called off by `VOID` on the day of its sale in Japan, by `RETURN` in its month and by `RETURNX` within 180 days; every input
//! error of a link is `EZ1004001` and every input error of another call `E01010001`, where the sheet has no better one;
//! `AccessPass` is masked on the way back; methods other than `credit`, `cvs` and `paypay` are accepted and not offered.

mod api;
mod books;
mod call;
mod fault;
mod html;
mod link;
mod merchant;
mod notify;
mod page;
mod views;
mod wire;
mod world;

use std::time::Duration;

use url::Url;
use wiremock::Request;

pub use self::call::RequestView;
pub use self::fault::{DeliveryFault, DeliveryFaultPlan, Fault, FaultPlan, Operation};
pub use self::merchant::Merchant;
pub use self::views::{OrderView, PageStatus};
use self::world::{Settings, Shared, World};
pub use super::armed::Armed;
use super::booth::Booth;
use super::card::Taken;
pub use super::card::TestCard;
use super::front::Reply;
use super::ids::Ids;
use super::language::is_japanese;
pub use super::notification::DeliveryView;
pub use super::outbox::DeliveryOutcome;
pub use super::posting::{Landed, Page, Shopper, Visit};
use super::{Clock, MockError};

/// How long a store may take to acknowledge (sheet, "Callback").
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(15);
/// "About every 60 minutes, up to 5 times" (same place).
const RETRIES: [Duration; 5] = [Duration::from_secs(60 * 60); 5];

/// A GMO-PG of one's own, listening on 127.0.0.1 until it is dropped.
///
/// # Example
///
/// ```
/// use kessai::mock::gmopg::MockGmoPg;
///
/// let mock = MockGmoPg::start()?;
/// assert_eq!(mock.merchant().shop_id().len(), 13);
/// # Ok::<(), kessai::mock::MockError>(())
/// ```
#[derive(Debug)]
pub struct MockGmoPg {
    booth: Booth<World>,
    merchant: Merchant,
}

impl MockGmoPg {
    /// Starts one on any free port, on the real time.
    pub fn start() -> Result<Self, MockError> {
        Self::builder().start()
    }

    /// Starts one with other settings.
    pub fn builder() -> MockGmoPgBuilder {
        MockGmoPgBuilder::default()
    }

    /// The address of everything, `http://127.0.0.1:PORT/`.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.booth.base_url
    }

    /// The time in here. A clone can be shared with the store under test.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.booth.shared.clock
    }

    /// The first shop.
    #[must_use]
    pub fn merchant(&self) -> Merchant {
        self.merchant.clone()
    }

    /// Opens another shop, such as the attacker's own.
    #[must_use]
    pub fn open_merchant(&self, name: &str) -> Merchant {
        Merchant::open(&self.booth.shared, name)
    }

    /// Something that goes wrong between a client and the API. It is aimed first, and then armed.
    pub fn fault(&self, fault: Fault) -> FaultPlan {
        self.booth.shared.lock().faults.plan(fault)
    }

    /// Something that goes wrong with the delivery of a notification. It is aimed first, and then armed.
    pub fn delivery_fault(&self, fault: DeliveryFault) -> DeliveryFaultPlan {
        self.booth.shared.lock().outbox.faults.plan(fault)
    }

    /// Somebody with a browser.
    #[must_use]
    pub fn shopper(&self) -> Shopper {
        Shopper::new(self.booth.client.clone(), self.booth.shared.clock.clone(), wire::PAGES)
    }

    /// Every call of the API so far, of all shops and of nobody (a wrong password), in order.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestView> {
        let world = self.booth.shared.lock();
        world.requests.iter().map(|(_, request)| request.clone()).collect()
    }

    /// Waits until everything that is due has been done and delivered: at most this long, in real time.
    pub async fn quiet(&self, at_most: Duration) -> Result<(), MockError> {
        self.booth.shared.quiet(at_most).await
    }
}

/// Settings of a [`MockGmoPg`].
#[derive(Debug)]
#[must_use]
pub struct MockGmoPgBuilder {
    port: u16,
    clock: Clock,
    delayed: Duration,
    cards: Taken,
    retry_after: Vec<Duration>,
    language: String,
}

impl Default for MockGmoPgBuilder {
    fn default() -> Self {
        Self {
            port: 0,
            clock: Clock::live(),
            delayed: Duration::from_secs(48 * 60 * 60),
            cards: Taken::Test,
            retry_after: RETRIES.to_vec(),
            language: "ja".to_owned(),
        }
    }
}

impl MockGmoPgBuilder {
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

    /// How long a slip takes to be paid, or to lapse; two days without this.
    pub fn delayed_after(mut self, delayed: Duration) -> Self {
        self.delayed = delayed;
        self
    }

    /// Other waits before the second, third, ... try of a notification.
    pub fn retry_after(mut self, waits: Vec<Duration>) -> Self {
        self.retry_after = waits;
        self
    }

    /// The language of a page whose link and browser name none: `ja` (without this) or `en`.
    pub fn language(mut self, language: &str) -> Self {
        language.clone_into(&mut self.language);
        self
    }

    /// Listens.
    pub fn start(self) -> Result<MockGmoPg, MockError> {
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
        Ok(MockGmoPg { booth, merchant })
    }
}

/// Answers what comes in.
fn answer(shared: &Shared, request: &Request) -> Reply {
    if request.url.path().starts_with(api::PATH) {
        api::answer(shared, request)
    } else {
        page::answer(shared, request)
    }
}
