//! One payment, from basket to fulfilment, in one file: `cargo run --example minimal`.
//!
//! The gateway is played on loopback by [`MockStripe`], and so is the shopper, so nothing is needed but this program. What a
//! store writes are the five numbered lines.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use kessai::gateways::stripe::Stripe;
use kessai::integrations::axum::Reply;
use kessai::ledgers::MemoryLedger;
use kessai::mock::stripe::{Landed, MockStripe, TestCard};
use kessai::sign::SigningKeys;
use kessai::{
    Addresses, ApiKey, Callback, Cashier, CheckoutRequest, Currency, GatewayId, LineItem, MerchantReference, Money,
    Redirect, SweepPolicy,
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // The shop listens somewhere, and Stripe knows where. For a real account: its keys, and neither `endpoint` nor `pages`.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let addresses = Addresses::new(&format!("http://{}", listener.local_addr()?), "/pay/stripe")?;
    let mock = MockStripe::start()?;
    let endpoint = mock.merchant().add_endpoint(&addresses.notification_url())?;
    let stripe = Stripe::builder(
        ApiKey::new(mock.merchant().api_key())?,
        SigningKeys::from_texts([endpoint.secret()])?,
        addresses.clone(),
    )
    .endpoint(mock.base_url().as_str())
    .pages([mock.base_url().as_str()])
    .build()?;

    let cashier = Cashier::builder(MemoryLedger::new()).gateway(stripe).build()?;
    let shop = Router::new()
        .route(&addresses.notification_path(), post(notification))
        .route(&addresses.return_path(), get(returned))
        .with_state(cashier.clone());
    tokio::spawn(async move { axum::serve(listener, shop).await });

    // What the shopper wants. Prices are the store's own; a browser has no say in them.
    let order = CheckoutRequest::builder(MerchantReference::new("ORD-2026-000123")?)
        .item(LineItem::new("Sencha, 100 g", Money::new(1_980, Currency::JPY), 2)?)
        .build()?;

    // 1. Redirect. `checkout.redirect.into_response(..)` is the answer to the shopper's browser.
    let checkout = cashier.open(&order, &GatewayId::STRIPE).await?;
    println!("opened     {} for {}", order.order(), order.total());

    // The shopper pays on the gateway's page, and comes back.
    let Redirect::Get(page) = &checkout.redirect else {
        return Err("Stripe's page is a link".into());
    };
    let Landed::Store { url } = mock
        .shopper()
        .open(page.as_str())
        .await?
        .pay(TestCard::Succeeds)
        .await?
    else {
        return Err("the payment did not go through".into());
    };
    let standing = reqwest::get(url).await?.error_for_status()?.text().await?;
    println!("came back  the shop says {standing}");

    // 4. What callbacks missed, asked for. Every minute or so.
    let report = cashier.sweep(&SweepPolicy::default()).await?;
    println!("swept      {} questions were due", report.asked);

    // 5. The right to fulfil: at least once, always under the same key. Never because of what a browser said.
    let mut shipped = 0;
    while let Some(due) = cashier.next_fulfilment().await? {
        println!("shipped    {} for {} under key {}", due.order, due.amount, due.key);
        due.done().await?;
        shipped += 1;
    }
    if shipped == 1 {
        Ok(())
    } else {
        Err(format!("{shipped} orders were shipped, not 1").into())
    }
}

// 2. Gateway to store: checked, applied, and acknowledged exactly as the gateway expects it.
async fn notification(State(cashier): State<Cashier>, callback: Callback) -> Reply {
    cashier.callback(&GatewayId::STRIPE, callback).await.into()
}

// 3. Browser to store: which page to show, and no more.
async fn returned(State(cashier): State<Cashier>, callback: Callback) -> String {
    let page = cashier.returned(&GatewayId::STRIPE, callback).await;
    format!("{:?}", page.standing)
}
