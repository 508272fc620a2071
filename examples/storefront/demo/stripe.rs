//! Everything that can happen at one gateway, told of Stripe.

use kessai::GatewayId;
use kessai::mock::stripe::{DeliveryFault, Fault, Landed, Operation, Page, TestCard};

use super::super::browser::Browser;
use super::super::wiring::Failure;
use super::story::Story;
use super::{A_WHILE, DAYS, End, Ended, Stage, require};

impl Stage {
    /// What happens at Stripe.
    pub(super) async fn play_stripe(&self) -> Vec<Ended> {
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
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story.step("pays by card; the gateway's message arrives").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.comes_back(&back, "paid").await?;
        story.step("reloads the page").await?;
        story.end(End::Shipped(1)).await
    }

    async fn is_declined_then_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Is declined, then pays").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let page = still_there(page.pay(TestCard::Declines).await?)?;
        self.quiet().await?;
        story.step("pays with a card that the bank declines").await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story.step("takes another card").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.end(End::Shipped(1)).await
    }

    async fn passes_3d_secure(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Is asked for 3-D Secure").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let asked = still_there(page.pay(TestCard::AsksForSecure).await?)?;
        self.quiet().await?;
        story
            .step("pays by card; the bank asks whether it is really them")
            .await?;
        let back = store(asked.answer_secure(true).await?)?;
        self.quiet().await?;
        story.step("answers the bank").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.end(End::Shipped(1)).await
    }

    async fn fails_3d_secure_then_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Fails 3-D Secure, then pays").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let asked = still_there(page.pay(TestCard::AsksForSecure).await?)?;
        let page = still_there(asked.answer_secure(false).await?)?;
        self.quiet().await?;
        story.step("does not get past the bank's question").await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story.step("takes another card").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.end(End::Shipped(1)).await
    }

    async fn cancels_then_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Cancels, then pays").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let back = store(page.cancel().await?)?;
        story.comes_back(&back, "cancelled").await?;
        story.step("follows the link back to the shop").await?;
        let page = story.pays_again(None).await?.link()?;
        story.step("presses \"Pay again\"").await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story.comes_back(&back, "paid").await?;
        story.step("pays by card and comes back").await?;
        story.end(End::Shipped(1)).await
    }

    async fn closes_the_tab(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Closes the tab").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story
            .step("pays by card and closes the tab; the gateway's message arrives")
            .await?;
        story.end(End::Shipped(1)).await
    }

    async fn comes_back_before_the_message(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Is faster than the message").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let late = self
            .mocks
            .stripe
            .delivery_fault(DeliveryFault::Late(A_WHILE))
            .times(20)
            .arm();
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        story.step("pays by card; the message is held up on its way").await?;
        story.comes_back(&back, "paid").await?;
        story.step("comes back; the shop asks the gateway").await?;
        self.mocks.clock.advance(A_WHILE);
        self.quiet().await?;
        story.step("three minutes later the message arrives").await?;
        require(late.hits() > 0, "the message was not held up")?;
        late.disarm();
        story.end(End::Shipped(1)).await
    }

    async fn loses_the_message(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Closes the tab, and the message is lost").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let dropped = self.mocks.stripe.delivery_fault(DeliveryFault::Dropped).times(20).arm();
        store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story
            .step("pays by card and closes the tab; no message ever comes")
            .await?;
        require(dropped.hits() > 0, "the message was not lost")?;
        dropped.disarm();
        self.mocks.clock.advance(A_WHILE);
        story.step("three minutes later the sweep asks the gateway").await?;
        story.end(End::Shipped(1)).await
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
        let page = self.page(&one).await?.link()?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story.comes_back(&back, "paid").await?;
        story.step("pays by card and comes back").await?;
        story.end(End::Shipped(1)).await
    }

    async fn loses_the_answer(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "The gateway's answer is lost").await?;
        let lost = self
            .mocks
            .stripe
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
        let page = story.pays_again(None).await?.link()?;
        story
            .step("presses \"Try again\" and gets the page that was opened")
            .await?;
        let back = store(page.pay(TestCard::Succeeds).await?)?;
        self.quiet().await?;
        story.comes_back(&back, "paid").await?;
        story.step("pays by card and comes back").await?;
        story.end(End::Shipped(1)).await
    }

    async fn pays_later(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Pays at the convenience store").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let back = store(page.pay_later(true).await?)?;
        self.quiet().await?;
        story.comes_back(&back, "pending").await?;
        story.step("chooses to pay at the counter and comes back").await?;
        self.mocks.clock.advance(DAYS);
        self.quiet().await?;
        story.step("two days later the money has arrived").await?;
        story.end(End::Shipped(1)).await
    }

    async fn never_pays(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Never goes to the convenience store").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?.link()?;
        let back = store(page.pay_later(false).await?)?;
        self.quiet().await?;
        story.comes_back(&back, "pending").await?;
        story.step("chooses to pay at the counter and comes back").await?;
        self.mocks.clock.advance(DAYS);
        self.quiet().await?;
        story.step("days later no money has arrived").await?;
        story.end(End::Unpaid("failed")).await
    }

    async fn walks_away(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Walks away").await?;
        story.checks_out(&GatewayId::STRIPE).await?;
        self.mocks.clock.advance(DAYS);
        self.quiet().await?;
        story.step("leaves the payment page open until it expires").await?;
        story.end(End::Unpaid("expired")).await
    }

    async fn is_robbed_in_vain(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Somebody else says that it is paid").await?;
        let page = story.checks_out(&GatewayId::STRIPE).await?;
        let back = store(page.clone().link()?.cancel().await?)?.replace("/cancel?", "/return?");

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

        let (status, body) = self.forge(story.order()?, &page).await?;
        require(status == 400 && body.is_empty(), "a forged message was not refused")?;
        story
            .step("and sends a message that is signed with another key")
            .await?;

        self.mocks.clock.advance(DAYS);
        self.quiet().await?;
        story.step("the page expires").await?;
        story.end(End::Unpaid("expired")).await
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
