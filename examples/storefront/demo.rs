//! The shop without a browser: a scripted shopper goes through everything that happens to shops, and after each step it says
//! what the store knows. At the end every order is held against what had to become of it, in the shop's book, in the ledger
//! and at the gateway.

use std::collections::HashSet;
use std::time::Duration;

use kessai::gateways::stripe::signature_header;
use kessai::ledgers::SqliteLedger;
use kessai::mock::stripe::{DeliveryFault, Fault, Landed, MockStripe, Operation, Page, TestCard};
use kessai::sign::SigningKeys;
use kessai::{MerchantReference, PaymentStatus};
use tokio::net::TcpListener;

use super::browser::{Browser, Seen};
use super::shop::{self, Shop, fulfilment, goods, story};
use super::wiring::{self, Failure};

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
    let mock = MockStripe::builder().delayed_after(DAYS / 2).start()?;
    let shop = wiring::against_mock(data.path(), &mock, &url)?;
    let server = tokio::spawn(axum::serve(listener, shop::app(shop.clone())).into_future());
    let stage = Stage { mock, shop, url };
    let ended = stage.play_all().await;
    server.abort();

    println!("\n{:<40} {:<18} {:>7}  ended as", "", "order", "");
    for Ended {
        title,
        order,
        amount,
        how,
        ..
    } in &ended
    {
        println!("{title:<40} {order:<18} {amount:>7}  {how}");
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
    /// Paid once, shipped once.
    Shipped,
    /// Nothing paid, nothing shipped, and the last attempt in this state.
    Unpaid(&'static str),
}

struct Stage {
    mock: MockStripe,
    shop: Shop,
    url: String,
}

/// How a story ended.
struct Ended {
    title: &'static str,
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
            title: "(broken off)",
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
        vec![
            self.buys().await.unwrap_or_else(Ended::broken_off),
            self.is_declined_then_pays().await.unwrap_or_else(Ended::broken_off),
            self.passes_3d_secure().await.unwrap_or_else(Ended::broken_off),
            self.fails_3d_secure_then_pays().await.unwrap_or_else(Ended::broken_off),
            self.cancels_then_pays().await.unwrap_or_else(Ended::broken_off),
            self.closes_the_tab().await.unwrap_or_else(Ended::broken_off),
            self.comes_back_before_the_message()
                .await
                .unwrap_or_else(Ended::broken_off),
            self.loses_the_message().await.unwrap_or_else(Ended::broken_off),
            self.presses_twice().await.unwrap_or_else(Ended::broken_off),
            self.loses_the_answer().await.unwrap_or_else(Ended::broken_off),
            self.pays_later().await.unwrap_or_else(Ended::broken_off),
            self.never_pays().await.unwrap_or_else(Ended::broken_off),
            self.walks_away().await.unwrap_or_else(Ended::broken_off),
            self.is_robbed_in_vain().await.unwrap_or_else(Ended::broken_off),
        ]
    }

    async fn buys(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Buys").await?;
        let page = story.checks_out().await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.step("pays by card; the gateway's message arrives").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.comes_back(&back, "paid").await?;
        story.step("reloads the page").await?;
        story.end(End::Shipped).await
    }

    async fn is_declined_then_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Is declined, then pays").await?;
        let page = story.checks_out().await?;
        let page = still_there(page.pay(TestCard::Declines).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.step("pays with a card that the bank declines").await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.step("takes another card").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.end(End::Shipped).await
    }

    async fn passes_3d_secure(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Is asked for 3-D Secure").await?;
        let page = story.checks_out().await?;
        let asked = still_there(page.pay(TestCard::AsksForSecure).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story
            .step("pays by card; the bank asks whether it is really them")
            .await?;
        let back = store(asked.answer_secure(true).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.step("answers the bank").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.end(End::Shipped).await
    }

    async fn fails_3d_secure_then_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Fails 3-D Secure, then pays").await?;
        let page = story.checks_out().await?;
        let asked = still_there(page.pay(TestCard::AsksForSecure).await?)?;
        let page = still_there(asked.answer_secure(false).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.step("does not get past the bank's question").await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.step("takes another card").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.end(End::Shipped).await
    }

    async fn cancels_then_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Cancels, then pays").await?;
        let page = story.checks_out().await?;
        let back = store(page.cancel().await?)?;
        story.comes_back(&back, "cancelled").await?;
        story.step("follows the link back to the shop").await?;
        let page = story.pays_again().await?;
        story.step("presses \"Pay again\"").await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.comes_back(&back, "paid").await?;
        story.step("pays by card and comes back").await?;
        story.end(End::Shipped).await
    }

    async fn closes_the_tab(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Closes the tab").await?;
        let page = story.checks_out().await?;
        store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story
            .step("pays by card and closes the tab; the gateway's message arrives")
            .await?;
        story.end(End::Shipped).await
    }

    async fn comes_back_before_the_message(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Is faster than the message").await?;
        let page = story.checks_out().await?;
        let late = self.mock.delivery_fault(DeliveryFault::Late(A_WHILE)).times(20).arm();
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        story.step("pays by card; the message is held up on its way").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back; the shop asks the gateway").await?;
        self.mock.clock().advance(A_WHILE);
        self.mock.quiet(PATIENCE).await?;
        story.step("three minutes later the message arrives").await?;
        require(late.hits() > 0, "the message was not held up")?;
        late.disarm();
        story.end(End::Shipped).await
    }

    async fn loses_the_message(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Closes the tab, and the message is lost").await?;
        let page = story.checks_out().await?;
        let dropped = self.mock.delivery_fault(DeliveryFault::Dropped).times(20).arm();
        store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story
            .step("pays by card and closes the tab; no message ever comes")
            .await?;
        require(dropped.hits() > 0, "the message was not lost")?;
        dropped.disarm();
        self.mock.clock().advance(A_WHILE);
        story.step("three minutes later the sweep asks the gateway").await?;
        story.end(End::Shipped).await
    }

    async fn presses_twice(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Presses the button twice").await?;
        let (one, other) = tokio::join!(story.browser.check_out(), story.browser.check_out());
        let (one, other) = (one?, other?);
        story.found_order().await?;
        story
            .step("fills the basket and presses \"Place the order and pay\" twice at once")
            .await?;
        require(
            one.status == 303 && one.location() == other.location(),
            "pressing twice led to two places",
        )?;
        let page = self.page(&one).await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.comes_back(&back, "paid").await?;
        story.step("pays by card and comes back").await?;
        story.end(End::Shipped).await
    }

    async fn loses_the_answer(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "The gateway's answer is lost").await?;
        let lost = self
            .mock
            .fault(Fault::LostReply)
            .on(Operation::CreateSession)
            .times(20)
            .arm();
        let answer = story.browser.check_out().await?;
        story.found_order().await?;
        require(lost.hits() > 0, "the answer was not lost")?;
        lost.disarm();
        require(
            answer.standing() == Some("no-page"),
            "the shop did not say that it has no payment page",
        )?;
        story
            .step("checks out; the gateway opens a page, and the connection breaks before it can say so")
            .await?;
        let page = story.pays_again().await?;
        story
            .step("presses \"Try again\" and gets the page that was opened")
            .await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.comes_back(&back, "paid").await?;
        story.step("pays by card and comes back").await?;
        story.end(End::Shipped).await
    }

    async fn pays_later(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Pays at the convenience store").await?;
        let page = story.checks_out().await?;
        let back = store(page.pay_later(true).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.comes_back(&back, "pending").await?;
        story.step("chooses to pay at the counter and comes back").await?;
        self.mock.clock().advance(DAYS);
        self.mock.quiet(PATIENCE).await?;
        story.step("two days later the money has arrived").await?;
        story.end(End::Shipped).await
    }

    async fn never_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Never goes to the convenience store").await?;
        let page = story.checks_out().await?;
        let back = store(page.pay_later(false).await?)?;
        self.mock.quiet(PATIENCE).await?;
        story.comes_back(&back, "pending").await?;
        story.step("chooses to pay at the counter and comes back").await?;
        self.mock.clock().advance(DAYS);
        self.mock.quiet(PATIENCE).await?;
        story.step("days later no money has arrived").await?;
        story.end(End::Unpaid("failed")).await
    }

    async fn walks_away(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Walks away").await?;
        story.checks_out().await?;
        self.mock.clock().advance(DAYS);
        self.mock.quiet(PATIENCE).await?;
        story.step("leaves the payment page open until it expires").await?;
        story.end(End::Unpaid("expired")).await
    }

    async fn is_robbed_in_vain(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Somebody else says that it is paid").await?;
        let page = story.checks_out().await?;
        let back = store(page.cancel().await?)?.replace("/cancel?", "/return?");

        let seen = story.browser.get(&back).await?;
        require(
            seen.standing() == Some("unpaid"),
            "an address typed by hand changed what the shop shows",
        )?;
        story.step("opens the return address without having paid").await?;

        let stranger = Browser::new(&self.url, "en")?;
        let seen = stranger.get(&back).await?;
        require(
            seen.status == 404 && !seen.body.contains(story.order()?.as_str()),
            "a stranger was shown the order",
        )?;
        story.step("a stranger opens that address too").await?;

        let status = self.forge(story.order()?).await?;
        require(status == 400, "a forged message was not refused")?;
        story
            .step("and sends a message that is signed with another key")
            .await?;

        self.mock.clock().advance(DAYS);
        self.mock.quiet(PATIENCE).await?;
        story.step("the page expires").await?;
        story.end(End::Unpaid("expired")).await
    }

    /// What somebody can send who knows everything about an order but the signing secret.
    async fn forge(&self, order: &MerchantReference) -> Result<u16, Failure> {
        let attempts = self.shop.cashier().ledger().attempts_of(order).await?;
        let attempt = attempts.last().ok_or("there is no attempt")?;
        let session = attempt.checkout.as_ref().map(ToString::to_string).unwrap_or_default();
        let expected = &attempt.expected;
        let body = serde_json::json!({
            "id": "evt_forged", "object": "event", "type": "checkout.session.completed", "livemode": false,
            "data": {"object": {
                "id": session, "object": "checkout.session", "mode": "payment", "livemode": false,
                "status": "complete", "payment_status": "paid", "payment_intent": "pi_forged",
                "amount_total": expected.amount.minor_units(), "currency": "jpy", "client_reference_id": order.as_str(),
                "metadata": {"order_id": order.as_str(), "attempt_id": expected.attempt.as_str()},
            }},
        })
        .to_string();
        let keys = SigningKeys::from_texts(["whsec_aGuessOfSomebodyElse"])?;
        let answer = reqwest::Client::new()
            .post(format!("{}/pay/stripe/notification", self.url))
            .header(
                "Stripe-Signature",
                signature_header(&keys, self.shop.now(), body.as_bytes()),
            )
            .body(body)
            .send()
            .await?;
        Ok(answer.status().as_u16())
    }

    /// The payment page that an answer of the shop leads to.
    async fn page(&self, answer: &Seen) -> Result<Page, Failure> {
        let location = answer
            .location()
            .filter(|location| answer.status == 303 && location.starts_with(self.mock.base_url().as_str()))
            .ok_or_else(|| format!("the shop answered {} and no payment page", answer.status))?;
        Ok(self.mock.shopper().open(location).await?)
    }
}

/// One shopper, one order.
struct Story<'s> {
    stage: &'s Stage,
    title: &'static str,
    browser: Browser,
    order: Option<MerchantReference>,
    /// The records that were told already.
    told: HashSet<u64>,
}

impl<'s> Story<'s> {
    async fn begin(stage: &'s Stage, title: &'static str) -> Result<Self, Failure> {
        println!("\n{title}");
        let browser = Browser::new(&stage.url, "en")?;
        browser.choose("sencha", "1").await?;
        browser.choose("hojicha", "2").await?;
        Ok(Self {
            stage,
            title,
            browser,
            order: None,
            told: HashSet::new(),
        })
    }

    async fn checks_out(&mut self) -> Result<Page, Failure> {
        let answer = self.browser.check_out().await?;
        let page = self.stage.page(&answer).await?;
        self.found_order().await?;
        self.step("fills the basket and checks out").await?;
        Ok(page)
    }

    async fn pays_again(&self) -> Result<Page, Failure> {
        let path = format!("/orders/{}/pay", self.order()?);
        let answer = self.browser.post(&path, &[]).await?;
        self.stage.page(&answer).await
    }

    /// Follows the gateway's redirect to the shop, and looks what the shop says.
    async fn comes_back(&self, address: &str, standing: &str) -> Result<(), Failure> {
        let seen = self.browser.get(address).await?;
        // Shipping is quick here: a page that is loaded after it may say so.
        let shown = seen.standing().unwrap_or("nothing");
        let fits = shown == standing || (standing == "paid" && shown == "shipped");
        require(fits, &format!("the shop shows {shown}, and should show {standing}"))
    }

    async fn found_order(&mut self) -> Result<(), Failure> {
        self.order = Some(MerchantReference::new(self.browser.latest_order().await?)?);
        Ok(())
    }

    fn order(&self) -> Result<&MerchantReference, Failure> {
        self.order.as_ref().ok_or_else(|| "no order was placed".into())
    }

    /// Says what happened, lets the shop do its work, and tells what the store knows now.
    async fn step(&mut self, what: &str) -> Result<(), Failure> {
        println!("  {what}");
        fulfilment::round(&self.stage.shop).await?;
        let ledger = self.stage.shop.cashier().ledger();
        let (mut news, mut known) = (false, "nothing".to_owned());
        for attempt in ledger.attempts_of(self.order()?).await? {
            for record in ledger.timeline(attempt.reference()).await? {
                if self.told.insert(record.position) {
                    news = true;
                    let passed = record
                        .at
                        .duration_since(attempt.expected.created_at)
                        .unwrap_or_default();
                    let (heading, basis) = story::english(&record.kind);
                    println!("    {:>10}  {heading}: {basis}", after(passed));
                }
            }
            known = format!("{}, {}", attempt.status, meaning(attempt.status));
        }
        if !news {
            println!("    {:>10}  nothing new reached the store", "");
        }
        println!("    {:>10}  the store knows: {known}", "");
        Ok(())
    }

    /// Holds the order against what had to become of it.
    async fn end(self, end: End) -> Result<Ended, Failure> {
        let reference = self.order()?.clone();
        let (shop, ledger) = (&self.stage.shop, self.stage.shop.cashier().ledger());
        let order = shop
            .book()
            .order(reference.clone())
            .await?
            .ok_or("the book lost the order")?;
        let right = ledger.fulfilment_of(&reference).await?;
        let attempts = ledger.attempts_of(&reference).await?;
        let mut shipped = 0;
        for attempt in &attempts {
            let timeline = ledger.timeline(attempt.reference()).await?;
            shipped += timeline
                .iter()
                .filter(|record| record.kind.as_str() == "fulfilled")
                .count();
        }
        let sessions = self.stage.mock.merchant().sessions();
        let ours = sessions
            .iter()
            .filter(|session| session.client_reference_id.as_deref() == Some(reference.as_str()));
        let taken: u64 = ours.clone().map(|session| session.captured).sum();
        let seen = self.browser.get(&format!("/orders/{reference}")).await?;
        let status = attempts.last().map_or("none", |attempt| attempt.status.as_str());

        let total = order.total();
        let as_it_must = match end {
            End::Shipped => {
                let done = right.is_some_and(|right| {
                    right.done_at.is_some() && order.fulfilled_under.as_deref() == Some(right.key.as_str())
                });
                done && shipped == 1
                    && taken == total.minor_units()
                    && ours.count() == 1
                    && seen.standing() == Some("shipped")
            }
            End::Unpaid(expected) => {
                right.is_none() && shipped == 0 && taken == 0 && order.fulfilled_under.is_none() && status == expected
            }
        };
        let how = match (as_it_must, end) {
            (true, End::Shipped) => "it must: paid once, shipped once".to_owned(),
            (true, End::Unpaid(_)) => format!("it must: {status}, nothing taken, nothing shipped"),
            (false, _) => {
                let page = seen.standing().unwrap_or("nothing");
                format!("IT MUST NOT: {status}, {taken} taken, shipped {shipped} times, the page says {page}")
            }
        };
        Ok(Ended {
            title: self.title,
            order: reference.to_string(),
            amount: goods::shown(total, shop::lang::Lang::En),
            how,
            as_it_must,
        })
    }
}

fn store(landed: Landed) -> Result<String, Failure> {
    match landed {
        Landed::Store { url } => Ok(url),
        Landed::Page(page) => Err(format!("the shopper is still on the payment page: {}", page.text()).into()),
    }
}

fn still_there(landed: Landed) -> Result<Page, Failure> {
    match landed {
        Landed::Page(page) => Ok(page),
        Landed::Store { .. } => Err("the shopper was sent back to the shop too early".into()),
    }
}

/// What a state means for the order.
fn meaning(status: PaymentStatus) -> &'static str {
    match status {
        PaymentStatus::Created | PaymentStatus::RequiresAction => "not paid: it keeps the goods and waits",
        PaymentStatus::Pending => "money is on its way: it keeps the goods and waits",
        PaymentStatus::Captured => "paid",
        PaymentStatus::Cancelled | PaymentStatus::Failed | PaymentStatus::Expired => "over without money",
        _ => "undecided",
    }
}

fn require(fits: bool, otherwise: &str) -> Result<(), Failure> {
    if fits { Ok(()) } else { Err(otherwise.into()) }
}

/// `+0.123 s`, or in days where days pass.
fn after(passed: Duration) -> String {
    let seconds = passed.as_secs();
    match seconds {
        0..=59 => format!("+{}.{:03} s", seconds, passed.subsec_millis()),
        60..=3599 => format!("+{} min", seconds / 60),
        3600..=86_399 => format!("+{} h", seconds / 3600),
        _ => format!("+{} d", seconds / 86_400),
    }
}
