//! One shopper, one order: what happens, what the store knows after each step, and how it ends.

use std::collections::HashSet;
use std::time::Duration;

use kessai::{GatewayId, MerchantReference, PaymentStatus};

use super::super::browser::{Browser, Seen};
use super::super::shop::lang::Lang;
use super::super::shop::{fulfilment, goods, story};
use super::super::wiring::Failure;
use super::page::{Back, Page};
use super::{End, Ended, Stage, require};

/// One shopper, one order.
pub(super) struct Story<'s> {
    stage: &'s Stage,
    title: String,
    pub(super) browser: Browser,
    order: Option<MerchantReference>,
    /// The records that were told already.
    told: HashSet<u64>,
}

impl<'s> Story<'s> {
    pub(super) async fn begin(stage: &'s Stage, title: impl Into<String>) -> Result<Self, Failure> {
        let title = title.into();
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

    /// Confirms the order with this way to pay.
    pub(super) async fn checks_out(&mut self, way: &GatewayId) -> Result<Page, Failure> {
        let answer = self.browser.check_out_by(way.as_str()).await?;
        let page = self.stage.page(&answer).await?;
        self.found_order().await?;
        self.step("fills the basket and checks out").await?;
        Ok(page)
    }

    /// Presses the button on the order's page: by the way that is chosen there, or by another one.
    pub(super) async fn presses_pay(&self, way: Option<&GatewayId>) -> Result<Seen, Failure> {
        let path = format!("/orders/{}/pay", self.order()?);
        let fields: Vec<(&str, &str)> = way.map(|way| ("way", way.as_str())).into_iter().collect();
        self.browser.post(&path, &fields).await
    }

    pub(super) async fn pays_again(&self, way: Option<&GatewayId>) -> Result<Page, Failure> {
        let answer = self.presses_pay(way).await?;
        self.stage.page(&answer).await
    }

    /// Follows the gateway's redirect to the shop, and looks what the shop says.
    pub(super) async fn comes_back(&self, address: &str, standing: &str) -> Result<(), Failure> {
        let seen = self.browser.get(address).await?;
        shows(&seen, standing)
    }

    /// The same by whatever leads back.
    pub(super) async fn is_led_back(&self, back: &Back, standing: &str) -> Result<(), Failure> {
        match back {
            Back::Link(address) => self.comes_back(address, standing).await,
            Back::Form(visit) => {
                let body = visit.body.clone();
                shows(&self.browser.come_from_elsewhere(&visit.url, body).await?, standing)
            }
        }
    }

    pub(super) async fn found_order(&mut self) -> Result<(), Failure> {
        self.order = Some(MerchantReference::new(self.browser.latest_order().await?)?);
        Ok(())
    }

    pub(super) fn order(&self) -> Result<&MerchantReference, Failure> {
        self.order.as_ref().ok_or_else(|| "no order was placed".into())
    }

    /// Says what happened, lets the shop do its work, and tells what the store knows now.
    pub(super) async fn step(&mut self, what: &str) -> Result<(), Failure> {
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
    pub(super) async fn end(self, end: End) -> Result<Ended, Failure> {
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
        let pages = self.stage.pages(&attempts);
        let sums: Vec<u64> = attempts.iter().map(|attempt| self.stage.taken(attempt)).collect();
        let taken: u64 = sums.iter().sum();
        let seen = self.browser.get(&format!("/orders/{reference}")).await?;
        let status = attempts.last().map_or("none", |attempt| attempt.status.as_str());

        let total = order.total();
        let as_it_must = match end {
            End::Shipped(tries) => {
                let done = right.is_some_and(|right| {
                    right.done_at.is_some() && order.fulfilled_under.as_deref() == Some(right.key.as_str())
                });
                done && shipped == 1
                    && taken == total.minor_units()
                    && sums.last() == Some(&taken)
                    && attempts.len() == tries
                    && pages <= tries
                    && seen.standing() == Some("shipped")
            }
            End::Unpaid(expected) => {
                right.is_none() && shipped == 0 && taken == 0 && order.fulfilled_under.is_none() && status == expected
            }
        };
        let how = match (as_it_must, end) {
            (true, End::Shipped(_)) => "it must: paid once, shipped once".to_owned(),
            (true, End::Unpaid(_)) => format!("it must: {status}, nothing taken, nothing shipped"),
            (false, _) => {
                let page = seen.standing().unwrap_or("nothing");
                format!("IT MUST NOT: {status}, {taken} taken, shipped {shipped} times, the page says {page}")
            }
        };
        Ok(Ended {
            title: self.title,
            order: reference.to_string(),
            amount: goods::shown(total, Lang::En),
            how,
            as_it_must,
        })
    }
}

fn shows(seen: &Seen, standing: &str) -> Result<(), Failure> {
    // Shipping is quick here: a page that is loaded after it may say so.
    let shown = seen.standing().unwrap_or("nothing");
    let fits = shown == standing || (standing == "paid" && shown == "shipped");
    require(fits, &format!("the shop shows {shown}, and should show {standing}"))
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
