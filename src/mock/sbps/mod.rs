//! SB Payment Service, link type, on loopback (SBPS sheet, read 2026-11-23).
//!
//! The purchase request is judged on the bytes that came, the hosted page is one a person can use, results are signed and
//! acknowledged like SBPS's, the API type answers, and everything that can break on the way can be broken on purpose.
//!
//! | what | how |
//! | --- | --- |
//! | keys | [`Merchant::hash_key`], [`Merchant::api_password`]; every other key is nobody's, real ones included |
//! | form (A01-1) | [`MockSbps::form_url`]; a wrong one gets the error page, [`Page::refused`] says why |
//! | hosted page | on the same address, in `Shift_JIS`, in Japanese or English |
//! | cards | `4242 4242 4242 4242` succeeds, `4000 0000 0000 0002` is declined, `4000 0025 0000 3155` asks for 3-D Secure; no other is taken |
//! | konbini, Pay-easy, transfers | a slip, then `PY` or `CN` after [`MockSbpsBuilder::delayed_after`], or by [`Merchant::settle`] |
//! | result (A02-1) | to `pagecon_url`, or [`Merchant::notify_at`]; taken by `200`, `text/plain` and exactly `OK,` |
//! | return (A03-1) | [`Landed::Store`]: what the browser is to post |
//! | API type | [`MockSbps::api_url`]: status, capture, cancel, refund in parts |
//! | time | [`MockSbps::clock`] |
//! | faults | [`MockSbps::fault`], [`MockSbps::delivery_fault`] |
//! | other merchants | [`MockSbps::open_merchant`] |
//!
//! What the sheet leaves open is played like this: lengths without a source are not enforced; a length counts bytes; nothing is
//! posted to the cancel address; a declined card ends the order; an `OK` or `NG` is sent once, `PY` and `CN` again if
//! [`MockSbpsBuilder::retry_after`] says so; a sale stays whatever the store answers, unless
//! [`MockSbpsBuilder::undo_unreported`]; the status of PayPay and konbini stands in `payment_status`; the last three
//! characters of an error code are `999`.

mod api;
mod call;
mod fault;
mod html;
mod merchant;
mod notify;
mod page;
mod purchase;
mod views;
mod wire;
mod world;
mod xml;

use std::time::Duration;

use url::Url;
use wiremock::Request;

pub use self::call::RequestView;
pub use self::fault::{DeliveryFault, DeliveryFaultPlan, Fault, FaultPlan, Operation};
pub use self::merchant::Merchant;
pub use self::purchase::Refusal;
pub use self::views::{OrderStatus, OrderView};
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
use super::web;
use super::{Clock, MockError};

/// Where the API type is (sheet, "Endpoints").
const API: &str = "/api/xmlapi.do";

/// An SBPS of one's own, listening on 127.0.0.1 until it is dropped.
///
/// # Example
///
/// ```
/// use kessai::mock::sbps::MockSbps;
///
/// let mock = MockSbps::start()?;
/// assert_eq!(mock.merchant().hash_key().len(), 40);
/// assert!(mock.form_url().starts_with("http://127.0.0.1:"));
/// # Ok::<(), kessai::mock::MockError>(())
/// ```
#[derive(Debug)]
pub struct MockSbps {
    booth: Booth<World>,
    merchant: Merchant,
}

impl MockSbps {
    /// Starts one on any free port, on the real time.
    pub fn start() -> Result<Self, MockError> {
        Self::builder().start()
    }

    /// Starts one with other settings.
    pub fn builder() -> MockSbpsBuilder {
        MockSbpsBuilder::default()
    }

    /// The address of everything, `http://127.0.0.1:PORT/`.
    #[must_use]
    pub fn base_url(&self) -> &Url {
        &self.booth.base_url
    }

    /// Where the purchase request is posted to.
    #[must_use]
    pub fn form_url(&self) -> String {
        self.booth.url(wire::FORM)
    }

    /// Where a purchase request can be checked without being taken.
    #[must_use]
    pub fn check_url(&self) -> String {
        self.booth.url(page::CHECK)
    }

    /// Where the API type is.
    #[must_use]
    pub fn api_url(&self) -> String {
        self.booth.url(API)
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

    /// Something that goes wrong with the delivery of a result. It is aimed first, and then armed.
    pub fn delivery_fault(&self, fault: DeliveryFault) -> DeliveryFaultPlan {
        self.booth.shared.lock().outbox.faults.plan(fault)
    }

    /// Somebody with a browser.
    #[must_use]
    pub fn shopper(&self) -> Shopper {
        Shopper::new(
            self.booth.client.clone(),
            self.booth.shared.clock.clone(),
            wire::CHARSET,
        )
    }

    /// Why purchase requests were not taken, in order.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.booth.shared.lock().refusals.clone()
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

/// Settings of a [`MockSbps`].
#[derive(Debug)]
#[must_use]
pub struct MockSbpsBuilder {
    port: u16,
    clock: Clock,
    delayed: Duration,
    cards: Taken,
    retry_after: Vec<Duration>,
    undo_unreported: bool,
    language: String,
}

impl Default for MockSbpsBuilder {
    fn default() -> Self {
        Self {
            port: 0,
            clock: Clock::live(),
            delayed: Duration::from_secs(48 * 60 * 60),
            cards: Taken::Test,
            retry_after: Vec::new(),
            undo_unreported: false,
            language: "ja".to_owned(),
        }
    }
}

impl MockSbpsBuilder {
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

    /// The optional service that repeats deposit reports (`PY`, `CN`): the waits before the second, third, ... try. Without
    /// this there is no retry of anything (sheet, "Retries").
    pub fn retry_after(mut self, waits: Vec<Duration>) -> Self {
        self.retry_after = waits;
        self
    }

    /// A sale is undone whose `OK` the store did not take. Whether SBPS does that is unconfirmed, so a store should survive
    /// both.
    pub fn undo_unreported(mut self) -> Self {
        self.undo_unreported = true;
        self
    }

    /// The language of a page whose browser names none: `ja` (without this) or `en`.
    pub fn language(mut self, language: &str) -> Self {
        language.clone_into(&mut self.language);
        self
    }

    /// Listens.
    pub fn start(self) -> Result<MockSbps, MockError> {
        let japanese = is_japanese(&self.language)?;
        let ids = Ids::new()?;
        let world = |base| {
            let settings = Settings {
                delayed: self.delayed,
                cards: self.cards,
                japanese,
                undo_unreported: self.undo_unreported,
                base,
            };
            World::new(settings, ids, self.retry_after)
        };
        let booth = Booth::start(self.port, self.clock, web::ANSWER_WITHIN, world, answer)?;
        let merchant = Merchant::open(&booth.shared, "Kessai Test Store");
        Ok(MockSbps { booth, merchant })
    }
}

/// Answers what comes in.
fn answer(shared: &Shared, request: &Request) -> Reply {
    if request.url.path() == API {
        api::answer(shared, request)
    } else {
        page::answer(shared, request)
    }
}
