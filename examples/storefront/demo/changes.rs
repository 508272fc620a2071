//! Shoppers who change their minds about how to pay. One order is never open at two gateways.

use kessai::GatewayId;

use super::super::wiring::Failure;
use super::story::Story;
use super::{End, Ended, Stage, require};

impl Stage {
    /// What happens between gateways.
    pub(super) async fn play_changes(&self) -> Vec<Ended> {
        vec![
            self.takes_another_way().await.unwrap_or_else(Ended::broken_off),
            self.has_to_finish_first().await.unwrap_or_else(Ended::broken_off),
        ]
    }

    async fn takes_another_way(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Takes another way to pay").await?;
        let first = story.checks_out(&GatewayId::KOMOJU).await?;
        let back = first.cancel().await?;
        story.is_led_back(&back, "unpaid").await?;
        story.step("leaves KOMOJU's page by its way back").await?;
        let second = story.pays_again(Some(&GatewayId::STRIPE)).await?;
        require(!first.is_open_still().await?, "the page at KOMOJU is open still")?;
        self.quiet().await?;
        story
            .step("takes Stripe instead; the page at KOMOJU is closed first")
            .await?;
        let back = second.pay().await?;
        self.quiet().await?;
        story.is_led_back(&back, "paid").await?;
        story.step("pays by card and comes back").await?;
        story.end(End::Shipped(2)).await
    }

    async fn has_to_finish_first(&self) -> Result<Ended, Failure> {
        let mut story = Story::begin(self, "Wants another way, and the first one cannot be closed").await?;
        let page = story.checks_out(&GatewayId::SBPS).await?;
        let seen = story.presses_pay(Some(&GatewayId::STRIPE)).await?;
        require(
            seen.status == 200 && seen.standing() == Some("confirming"),
            "the shop led to a second payment page",
        )?;
        story
            .step(
                "wants Stripe instead; the page at SB Payment Service cannot be closed, so the shop asks for patience",
            )
            .await?;
        let back = page.pay().await?;
        self.quiet().await?;
        story
            .step("goes back to the tab that is open, and pays by card there")
            .await?;
        story.is_led_back(&back, "paid").await?;
        story.step("comes back").await?;
        story.end(End::Shipped(1)).await
    }
}
