//! The sweep over several gateways: what callbacks missed is found, within bounds, and said (PAY-69).

use std::time::Duration;

use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::komoju::Komoju;
use kessai::gateways::stripe::Stripe;
use kessai::ledger::rules::AskTimes;
use kessai::ledgers::MemoryLedger;
use kessai::mock::gmopg::MockGmoPg;
use kessai::mock::komoju::MockKomoju;
use kessai::mock::stripe::MockStripe;
use kessai::mock::{Clock, TestCard, gmopg, komoju};
use kessai::sign::SigningKeys;
use kessai::transport::RetryPolicy;
use kessai::{
    Addresses, ApiKey, Cashier, Environment, GatewayId, MerchantAccount, MerchantReference, PaymentStatus, Redirect,
    SweepPolicy,
};

use crate::support::{SIGNING_SECRET, order, start};

const HOUR: Duration = Duration::from_secs(60 * 60);
const MINUTES: Duration = Duration::from_secs(3 * 60);

/// A store whose address nobody told the gateways: no message ever comes.
struct Deaf {
    clock: Clock,
    gmopg: MockGmoPg,
    komoju: MockKomoju,
    stripe: MockStripe,
    cashier: Cashier,
}

/// What a shopper does on the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    Pays,
    IsDeclined,
    PaysDaysLater,
    NeverPays,
    Leaves,
}

impl Deaf {
    fn open() -> Self {
        let clock = Clock::stopped_at(start());
        let gmopg = MockGmoPg::builder().clock(clock.clone()).start().unwrap();
        let komoju = MockKomoju::builder().clock(clock.clone()).start().unwrap();
        let stripe = MockStripe::builder().clock(clock.clone()).start().unwrap();
        let mut once = RetryPolicy::default();
        once.tries = 1;
        let origin = gmopg.base_url().origin().ascii_serialization();
        let addresses = |path| Addresses::new("http://127.0.0.1:3000", path).unwrap();
        let first = GmoPg::builder(
            MerchantAccount::new(gmopg.merchant().shop_id()).unwrap(),
            ApiKey::new(gmopg.merchant().shop_pass()).unwrap(),
            gmopg.merchant().config_id(),
            Environment::Sandbox,
            addresses("/pay/gmopg"),
        )
        .methods(["credit", "cvs"])
        .endpoint(origin.clone())
        .pages([origin])
        .retry(once)
        .build()
        .unwrap();
        let origin = komoju.base_url().origin().ascii_serialization();
        let second = Komoju::builder(
            ApiKey::new(komoju.merchant().api_key()).unwrap(),
            SigningKeys::from_texts(["nobody-will-use-this-secret"]).unwrap(),
            addresses("/pay/komoju"),
        )
        .methods(["credit_card", "konbini"])
        .endpoint(origin.clone())
        .pages([origin])
        .retry(once)
        .build()
        .unwrap();
        let third = Stripe::builder(
            ApiKey::new(stripe.merchant().api_key()).unwrap(),
            SigningKeys::from_texts([SIGNING_SECRET]).unwrap(),
            addresses("/pay/stripe"),
        )
        .endpoint(stripe.base_url().as_str())
        .pages([stripe.base_url().origin().ascii_serialization()])
        .retry(once)
        .build()
        .unwrap();
        let cashier = Cashier::builder(MemoryLedger::new())
            .gateway(first)
            .gateway(second)
            .gateway(third)
            .clock(clock.clone())
            .ask_times(AskTimes::default())
            .build()
            .unwrap();
        Self {
            clock,
            gmopg,
            komoju,
            stripe,
            cashier,
        }
    }

    /// An order at one of them, and what its shopper does.
    async fn order(&self, name: &str, gateway: &GatewayId, does: Does) {
        let checkout = self.cashier.open(&order(name), gateway).await.unwrap();
        let Redirect::Get(url) = &checkout.redirect else {
            panic!("a link was expected")
        };
        let later = does == Does::PaysDaysLater;
        let card = if does == Does::Pays {
            TestCard::Succeeds
        } else {
            TestCard::Declines
        };
        if *gateway == GatewayId::GMOPG {
            let page = self.gmopg.shopper().visit(url.as_str()).await.unwrap();
            match does {
                Does::Pays | Does::IsDeclined => drop(page.pay(card).await.unwrap()),
                Does::PaysDaysLater | Does::NeverPays => drop(page.pay_later(later).await.unwrap()),
                Does::Leaves => {}
            }
        } else {
            let page = if *gateway == GatewayId::KOMOJU {
                self.komoju.shopper().open(url.as_str()).await.unwrap()
            } else {
                self.stripe.shopper().open(url.as_str()).await.unwrap()
            };
            match does {
                Does::Pays | Does::IsDeclined => drop(page.pay(card).await.unwrap()),
                Does::PaysDaysLater | Does::NeverPays => drop(page.pay_later(later).await.unwrap()),
                Does::Leaves => {}
            }
        }
    }

    fn questions(&self) -> usize {
        let asked = |call: &str| call.starts_with("SearchTrade");
        let gmopg = self.gmopg.merchant().requests();
        let gmopg = gmopg.iter().filter(|request| asked(&request.call)).count();
        let komoju = self.komoju.merchant().requests();
        let komoju = komoju.iter().filter(|request| request.method == "GET").count();
        let stripe = self.stripe.merchant().requests();
        gmopg + komoju + stripe.iter().filter(|request| request.method == "GET").count()
    }

    async fn status(&self, name: &str) -> PaymentStatus {
        let order = MerchantReference::new(name).unwrap();
        let attempts = self.cashier.ledger().attempts_of(&order).await.unwrap();
        attempts.last().unwrap().status
    }

    async fn fulfil_all(&self) -> Vec<String> {
        let mut orders = Vec::new();
        while let Some(due) = self.cashier.next_fulfilment().await.unwrap() {
            orders.push(due.order.to_string());
            assert!(due.done().await.unwrap());
        }
        orders.sort();
        orders
    }
}

#[tokio::test]
async fn after_a_week_without_any_message_the_store_equals_the_gateways_and_asked_little() {
    let store = Deaf::open();
    let gateways = [GatewayId::GMOPG, GatewayId::KOMOJU, GatewayId::STRIPE];
    let all = [
        Does::Pays,
        Does::IsDeclined,
        Does::PaysDaysLater,
        Does::NeverPays,
        Does::Leaves,
    ];
    let mut orders = Vec::new();
    for gateway in &gateways {
        for does in all {
            for n in 0..3 {
                let name = format!("EC-{gateway}-{does:?}-{n}").replace(':', "-");
                store.order(&name, gateway, does).await;
                orders.push((name, does));
            }
        }
    }
    let mut drift = Vec::new();
    for _ in 0..(7 * 24) {
        store.clock.advance(HOUR);
        let report = store.cashier.sweep(&SweepPolicy::default()).await.unwrap();
        assert_eq!((report.held(), report.left, report.unanswered), (0, 0, 0));
        drift.extend(report.drift);
    }
    let mut paid = Vec::new();
    for (name, does) in &orders {
        let status = store.status(name).await;
        let wanted: &[PaymentStatus] = match does {
            Does::Pays | Does::PaysDaysLater => &[PaymentStatus::Captured],
            // A declined card ends the order here and leaves the page open there, until its time is over.
            Does::IsDeclined => &[PaymentStatus::Failed, PaymentStatus::Expired],
            Does::NeverPays | Does::Leaves => {
                &[PaymentStatus::Expired, PaymentStatus::Failed, PaymentStatus::Cancelled]
            }
        };
        assert!(wanted.contains(&status), "{name}: {status}");
        // Every difference was said, in the order in which it was found.
        let told: Vec<_> = drift.iter().filter(|drift| drift.order.as_str() == name).collect();
        assert_eq!(told.last().expect("a difference").after, status, "{name}");
        for two in told.windows(2) {
            assert_eq!(two[0].after, two[1].before, "{name}");
        }
        if status == PaymentStatus::Captured {
            paid.push(name.clone());
        }
    }
    paid.sort();
    assert_eq!(store.fulfil_all().await, paid);
    // By the hour it would be more than 7,500. A question to GMO-PG is asked once for each method.
    let questions = store.questions();
    assert!(questions < 900, "{questions}");
    // Nothing is asked about what is over.
    store.clock.advance(HOUR * 48);
    assert_eq!(store.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked, 0);
}

#[tokio::test]
async fn a_gateway_that_is_down_takes_no_share_of_the_others() {
    let store = Deaf::open();
    for n in 0..20 {
        store.order(&format!("EC-A{n}"), &GatewayId::GMOPG, Does::Pays).await;
    }
    for n in 0..5 {
        store.order(&format!("EC-B{n}"), &GatewayId::KOMOJU, Does::Pays).await;
    }
    let down = store.gmopg.fault(gmopg::Fault::Unavailable).times(1000).arm();
    store.clock.advance(MINUTES);
    let report = store.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!((report.asked, report.unanswered, report.paid), (8, 3, 5), "{report:?}");
    assert_eq!(report.left, 17);
    // Those were left as they were: they are due again as soon as nobody has them.
    down.disarm();
    store.clock.advance(MINUTES);
    let report = store.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert!(report.paid >= 17, "{report:?}");
    store.clock.advance(HOUR);
    store.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!(store.fulfil_all().await.len(), 25);
}

#[tokio::test]
async fn one_gateways_share_and_the_whole_are_bounded_and_the_run_says_how_far_it_is() {
    let store = Deaf::open();
    for n in 0..8 {
        store.order(&format!("EC-A{n}"), &GatewayId::GMOPG, Does::Leaves).await;
        store.order(&format!("EC-B{n}"), &GatewayId::KOMOJU, Does::Leaves).await;
    }
    store.clock.advance(MINUTES);
    let policy = SweepPolicy::default().per_gateway(5).lease(MINUTES);
    let mut seen = Vec::new();
    let report = store
        .cashier
        .sweep_watched(&policy, |report| seen.push(report.asked))
        .await
        .unwrap();
    assert_eq!((report.asked, report.left), (10, 6));
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    // Those that were left are nobody's: whoever comes next finds them, and no other.
    let rest = store.cashier.sweep(&policy).await.unwrap();
    assert_eq!((rest.asked, rest.left), (6, 0));
    assert_eq!(store.cashier.sweep(&policy).await.unwrap().asked, 0);
    let asked = store.komoju.merchant().requests();
    let asked = asked.iter().filter(|request| request.method == "GET");
    assert_eq!(asked.count(), 8, "each one once");
    let none = SweepPolicy::default().most(0);
    assert_eq!(store.cashier.sweep(&none).await.unwrap().asked, 0);
}

#[tokio::test]
async fn money_on_its_way_is_asked_about_less_often_than_an_open_page() {
    let store = Deaf::open();
    store.order("EC-1", &GatewayId::KOMOJU, Does::PaysDaysLater).await;
    let lost = store
        .komoju
        .delivery_fault(komoju::DeliveryFault::Dropped)
        .times(9)
        .arm();
    let mut waits = Vec::new();
    for _ in 0..40 {
        let reference = MerchantReference::new("EC-1").unwrap();
        let attempt = store.cashier.ledger().attempts_of(&reference).await.unwrap().remove(0);
        if attempt.status != PaymentStatus::Created && attempt.status != PaymentStatus::Pending {
            break;
        }
        let wait = attempt
            .next_ask
            .unwrap()
            .duration_since(kessai::Clock::now(&store.clock))
            .unwrap();
        waits.push(wait);
        store.clock.advance(wait);
        store.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    }
    drop(lost);
    assert_eq!(store.status("EC-1").await, PaymentStatus::Captured);
    assert!(waits.iter().any(|wait| *wait > HOUR), "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= HOUR * 6), "{waits:?}");
}
