//! The shop without a browser: a scripted shopper goes through everything that happens to shops, and after each step it says
//! what the store knows. At the end every order is held against what had to become of it, in the shop's book, in the ledger
//! and at the gateway.
//!
//! `stripe` tells of everything that can happen at one gateway, `each` of what must go well at every one, `changes` of shoppers
//! who change their minds about how to pay.

mod changes;
mod each;
mod forger;
mod page;
mod story;
mod stripe;

use std::time::Duration;

use kessai::GatewayId;
use kessai::ledger::StoredAttempt;
use kessai::ledgers::SqliteLedger;
use kessai::mock::sbps::OrderStatus;
use tokio::net::TcpListener;

use self::page::Page;
use super::browser::Seen;
use super::shop::{self, Shop};
use super::wiring::{self, Failure, Mocks};

/// How long a delivery may take here, in real time.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than the cashier waits before it asks by itself.
const A_WHILE: Duration = Duration::from_secs(3 * 60);
/// Longer than what pays later takes here.
const DAYS: Duration = Duration::from_secs(3 * 24 * 3600);

/// Plays everything. True if every order ended as it had to.
pub(crate) async fn run() -> Result<bool, Failure> {
    let data = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mocks = Mocks::start(DAYS / 2, "en")?;
    let shop = wiring::against_mocks(data.path(), &mocks, &url)?;
    let server = tokio::spawn(axum::serve(listener, shop::app(shop.clone())).into_future());
    let stage = Stage { mocks, shop, url };
    let ended = stage.play_all().await;
    server.abort();

    println!("\n{:<56} {:<18} {:>7}  ended as", "", "order", "");
    for Ended {
        title,
        order,
        amount,
        how,
        ..
    } in &ended
    {
        println!("{title:<56} {order:<18} {amount:>7}  {how}");
    }
    let wrong = ended.iter().filter(|ended| !ended.as_it_must).count();
    println!("\n{} orders, {wrong} of them ended wrongly.", ended.len());
    SqliteLedger::open(data.path().join(wiring::LEDGER))?.check().await?;
    println!("The ledger checks its own file: every record is there, and they follow each other.");
    Ok(wrong == 0)
}

/// What has to become of an order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Paid once, shipped once, by the last of so many attempts.
    Shipped(usize),
    /// Nothing paid, nothing shipped, and the last attempt in this state.
    Unpaid(&'static str),
}

struct Stage {
    mocks: Mocks,
    shop: Shop,
    url: String,
}

/// How a story ended.
struct Ended {
    title: String,
    order: String,
    amount: String,
    how: String,
    as_it_must: bool,
}

impl Ended {
    #[expect(clippy::needless_pass_by_value, reason = "so that it fits `unwrap_or_else`")]
    fn broken_off(error: Failure) -> Self {
        println!("  THE STORY BREAKS OFF: {error}");
        Self {
            title: "(broken off)".to_owned(),
            order: String::new(),
            amount: String::new(),
            how: format!("IT MUST NOT: {error}"),
            as_it_must: false,
        }
    }
}

impl Stage {
    /// One after the other. A story that breaks off counts as ended wrongly, and the others are told all the same.
    async fn play_all(&self) -> Vec<Ended> {
        let mut ended = self.play_stripe().await;
        ended.extend(self.play_each().await);
        ended.extend(self.play_changes().await);
        ended
    }

    async fn quiet(&self) -> Result<(), Failure> {
        Ok(self.mocks.quiet(PATIENCE).await?)
    }

    /// The payment page that an answer of the shop leads to.
    async fn page(&self, answer: &Seen) -> Result<Page, Failure> {
        if let Some(form) = answer.onward() {
            require(form.charset == "Shift_JIS", "the form goes in another charset")?;
            let fields = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let body = kessai::charset::form_body(fields)?.into_bytes();
            let page = self.mocks.sbps.shopper().post(&form.target, body).await?;
            require(page.refused().is_none(), "the payment page refused the shop's form")?;
            return Ok(Page::Form(page, Some(form)));
        }
        let location = answer
            .location()
            .filter(|_| answer.status == 303)
            .ok_or_else(|| format!("the shop answered {} and no payment page", answer.status))?;
        let Mocks {
            stripe, komoju, gmopg, ..
        } = &self.mocks;
        if location.starts_with(gmopg.base_url().as_str()) {
            return Ok(Page::Form(gmopg.shopper().visit(location).await?, None));
        }
        let page = if location.starts_with(stripe.base_url().as_str()) {
            stripe.shopper().open(location).await?
        } else if location.starts_with(komoju.base_url().as_str()) {
            komoju.shopper().open(location).await?
        } else {
            return Err("the shop leads to a page of nobody".into());
        };
        Ok(Page::Link(page))
    }

    /// What the gateway took for an attempt, by its own books: yen, if anything.
    fn taken(&self, attempt: &StoredAttempt) -> u64 {
        let expected = &attempt.expected;
        let (order, reference) = (expected.order.as_str(), expected.attempt.as_str());
        if expected.gateway == GatewayId::STRIPE {
            let checkout = attempt.checkout.as_ref().map(ToString::to_string);
            let sessions = self.mocks.stripe.merchant().sessions();
            let ours = sessions.iter().filter(|session| {
                session.client_reference_id.as_deref() == Some(order) && Some(&session.id) == checkout.as_ref()
            });
            ours.map(|session| session.captured).sum()
        } else if expected.gateway == GatewayId::KOMOJU {
            let sessions = self.mocks.komoju.merchant().sessions();
            let ours = sessions.iter().filter(|session| {
                session.external_order_num.as_deref() == Some(reference)
                    && session.payment_status.as_deref() == Some("captured")
            });
            ours.map(|session| session.amount).sum()
        } else if expected.gateway == GatewayId::GMOPG {
            let order = self.mocks.gmopg.merchant().order(reference).ok();
            order.map_or(0, |order| order.taken)
        } else {
            let order = self.mocks.sbps.merchant().order(reference).ok();
            let sold = order.filter(|order| order.status == OrderStatus::Captured);
            sold.map_or(0, |order| order.captured)
        }
    }

    /// Every page that the gateways opened for an order, the ones that no attempt leads to included.
    fn pages(&self, attempts: &[StoredAttempt]) -> usize {
        let ours = |reference: Option<&str>| {
            attempts
                .iter()
                .any(|attempt| reference == Some(attempt.expected.attempt.as_str()))
        };
        let orders: Vec<&str> = attempts.iter().map(|attempt| attempt.expected.order.as_str()).collect();
        let stripe = self.mocks.stripe.merchant().sessions();
        let stripe = stripe.iter().filter(|session| {
            let order = session.client_reference_id.as_deref();
            order.is_some_and(|order| orders.contains(&order))
        });
        let komoju = self.mocks.komoju.merchant().sessions();
        let komoju = komoju
            .iter()
            .filter(|session| ours(session.external_order_num.as_deref()));
        let sbps = self.mocks.sbps.merchant().orders();
        let sbps = sbps.iter().filter(|order| ours(Some(&order.order_id)));
        let gmopg = self.mocks.gmopg.merchant().orders();
        let gmopg = gmopg.iter().filter(|order| ours(Some(&order.order_id)));
        stripe.count() + komoju.count() + sbps.count() + gmopg.count()
    }
}

fn require(fits: bool, otherwise: &str) -> Result<(), Failure> {
    if fits { Ok(()) } else { Err(otherwise.into()) }
}
