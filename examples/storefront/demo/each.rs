//! What must go well at every gateway: a card, a slip where there are slips, a lost message, a forged one.

use kessai::GatewayId;
use kessai::mock::{Armed, gmopg, komoju, sbps};

use super::super::wiring::Failure;
use super::story::Story;
use super::{A_WHILE, DAYS, End, Ended, Stage, require};

/// A gateway as these stories see it.
struct Told {
    id: GatewayId,
    name: &'static str,
    /// What the shop answers to a message of somebody else. Where messages are unsigned it takes each of them, as a reason to
    /// ask.
    answer: (u16, &'static str),
    /// What such a message lacks.
    lie: &'static str,
    /// What becomes of an attempt whose page is left alone.
    left_alone: &'static str,
}

const TOLD: [Told; 3] = [
    Told {
        id: GatewayId::SBPS,
        name: "SB Payment Service",
        answer: (200, "NG,refused"),
        lie: "a guessed key",
        left_alone: "created",
    },
    Told {
        id: GatewayId::GMOPG,
        name: "GMO-PG",
        answer: (200, "0"),
        lie: "no key, as nothing is signed here: it is a reason to ask",
        left_alone: "expired",
    },
    Told {
        id: GatewayId::KOMOJU,
        name: "KOMOJU",
        answer: (401, ""),
        lie: "a guessed key",
        left_alone: "expired",
    },
];

impl Stage {
    /// Every gateway beside the one that everything is told of.
    pub(super) async fn play_each(&self) -> Vec<Ended> {
        let mut ended = Vec::new();
        for told in &TOLD {
            let gateway = &told.id;
            ended.push(self.pays_by_card(told).await.unwrap_or_else(Ended::broken_off));
            ended.push(self.pays_a_slip(told).await.unwrap_or_else(Ended::broken_off));
            ended.push(if *gateway == GatewayId::SBPS {
                self.loses_the_only_message(told)
                    .await
                    .unwrap_or_else(Ended::broken_off)
            } else {
                self.loses_a_message(told).await.unwrap_or_else(Ended::broken_off)
            });
            ended.push(self.is_lied_about(told).await.unwrap_or_else(Ended::broken_off));
        }
        ended
    }

    async fn pays_by_card(&self, told: &Told) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, format!("{}: buys", told.name)).await?;
        let page = story.checks_out(&told.id).await?;
        let back = page.pay().await?;
        self.quiet().await?;
        story.step("pays by card; the gateway's message arrives").await?;
        story.is_led_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.is_led_back(&back, "paid").await?;
        story.step("reloads the page").await?;
        story.end(End::Shipped(1)).await
    }

    async fn pays_a_slip(&self, told: &Told) -> Result<Ended, Failure> {
        let title = format!("{}: pays at the convenience store", told.name);
        let mut story = Story::begin(self, title).await?;
        let page = story.checks_out(&told.id).await?;
        let back = page.takes_a_slip().await?;
        self.quiet().await?;
        story.is_led_back(&back, "pending").await?;
        story
            .step("takes a slip for the convenience store and comes back")
            .await?;
        self.mocks.clock.advance(DAYS);
        self.quiet().await?;
        story.step("days later the slip was paid at the counter").await?;
        story.end(End::Shipped(1)).await
    }

    async fn loses_a_message(&self, told: &Told) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, format!("{}: the message is lost", told.name)).await?;
        let page = story.checks_out(&told.id).await?;
        let dropped = self.drop_messages(&told.id);
        page.pay().await?;
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

    /// Where a payment cannot be asked about before a message has named it.
    async fn loses_the_only_message(&self, told: &Told) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, format!("{}: the message is lost", told.name)).await?;
        let page = story.checks_out(&told.id).await?;
        let dropped = self.drop_messages(&told.id);
        let back = page.pay().await?;
        self.quiet().await?;
        story.step("pays by card; no message comes").await?;
        require(dropped.hits() > 0, "the message was not lost")?;
        dropped.disarm();
        story.is_led_back(&back, "confirming").await?;
        story
            .step("comes back; the gateway cannot be asked, as nothing has named the payment yet")
            .await?;
        let attempts = self.shop.cashier().ledger().attempts_of(story.order()?).await?;
        let attempt = attempts.last().ok_or("there is no attempt")?;
        let merchant = self.mocks.sbps.merchant();
        merchant.resend(attempt.reference().as_str())?;
        self.quiet().await?;
        story
            .step("the merchant screen lists it as not delivered, and somebody has it sent again")
            .await?;
        story.end(End::Shipped(1)).await
    }

    async fn is_lied_about(&self, told: &Told) -> Result<Ended, Failure> {
        let title = format!("{}: somebody else says that it is paid", told.name);
        let mut story = Story::begin(self, title).await?;
        let page = story.checks_out(&told.id).await?;
        let (status, body) = self.forge(story.order()?, &page).await?;
        let fits = (status, body.as_str()) == told.answer;
        require(fits, "a forged message was not answered as it must be")?;
        story
            .step(&format!(
                "somebody sends a message with every field right and {}",
                told.lie
            ))
            .await?;
        self.mocks.clock.advance(DAYS);
        self.quiet().await?;
        story.step("nobody pays until the page is over").await?;
        story.end(End::Unpaid(told.left_alone)).await
    }

    /// From now on no message of this gateway arrives.
    fn drop_messages(&self, gateway: &GatewayId) -> Armed {
        if *gateway == GatewayId::SBPS {
            let plan = self.mocks.sbps.delivery_fault(sbps::DeliveryFault::Dropped);
            plan.times(20).arm()
        } else if *gateway == GatewayId::GMOPG {
            let plan = self.mocks.gmopg.delivery_fault(gmopg::DeliveryFault::Dropped);
            plan.times(20).arm()
        } else {
            let plan = self.mocks.komoju.delivery_fault(komoju::DeliveryFault::Dropped);
            plan.times(20).arm()
        }
    }
}
