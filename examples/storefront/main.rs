//! A shop that takes payments through a hosted payment page: basket, checkout, return page, notifications, ledger, and a page for
//! the operator. `shop/mod.rs` is the place to start reading.
//!
//! ```text
//! cargo run --example storefront             plays the gateways on this machine, prints one address to open in a browser
//! cargo run --example storefront -- --demo   needs no browser: a scripted shopper buys; exits 0 if every order ended as it must
//! ```
//!
//! Settings, all of them optional:
//!
//! | variable | what | otherwise |
//! | --- | --- | --- |
//! | `LISTEN` | address and port to listen on | `127.0.0.1`, any free port |
//! | `SHOP_DATA` | folder for the shop's two files | a temporary one, gone afterwards |
//! | `DELAYED_SECONDS` | when the played gateways' delayed payments arrive, or turn out never to | 20 |
//! | `STRIPE_API_KEY` | `sk_test_...` or `rk_test_...`: runs against Stripe's own test mode; live keys are refused | all gateways are played |
//! | `STRIPE_SIGNING_SECRET` | `whsec_...` of the endpoint at `PUBLIC_URL/pay/stripe/notification`, needed with the key | |
//! | `PUBLIC_URL` | the shop's origin as browsers and Stripe see it, such as `https://shop.example`, used with the key | the address that is listened on |
#![allow(
    clippy::print_stdout,
    reason = "the address, and the demonstration, are what this program is for"
)]
#![allow(unreachable_pub, missing_docs, reason = "a program")]

mod browser;
mod demo;
mod shop;
mod wiring;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tracing::Level;

use self::wiring::{Failure, Mocks, StripeSettings};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let demo = arguments.iter().any(|argument| argument == "--demo");
    // Failures are part of the demonstration, and it tells about them itself.
    log(if demo { Level::ERROR } else { Level::INFO });
    let outcome = match arguments.len() {
        0 => open().await.map(|()| true),
        1 if demo => demo::run().await,
        _ => Err("usage: storefront [--demo]".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            tracing::error!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// Opens the shop until somebody presses Ctrl-C.
async fn open() -> Result<(), Failure> {
    let data = Data::of(setting("SHOP_DATA"))?;
    let listener = TcpListener::bind(setting("LISTEN").as_deref().unwrap_or("127.0.0.1:0")).await?;
    let address = listener.local_addr()?;
    // Kept until the end: dropping them closes the gateways.
    let mut played = None;
    let shop = if let Some(api_key) = setting("STRIPE_API_KEY") {
        let settings = StripeSettings {
            api_key,
            signing_secret: setting("STRIPE_SIGNING_SECRET").ok_or("STRIPE_SIGNING_SECRET is not set")?,
            public_url: setting("PUBLIC_URL").unwrap_or_else(|| origin(address)),
        };
        let url = settings.public_url.clone();
        let shop = wiring::against_stripe(data.path(), settings)?;
        println!("The shop is open at {url}/ and takes payments in Stripe's test mode.");
        // Whoever reads this started the program. The page is linked from nowhere.
        println!("The operator's page is {url}{}", shop.operator_path());
        shop
    } else {
        if !address.ip().is_loopback() {
            return Err("with played gateways the shop listens on this machine only; set LISTEN to 127.0.0.1".into());
        }
        let url = apart_from_the_gateways(address);
        let mocks = Mocks::start(delayed_after()?, "ja")?;
        let shop = wiring::against_mocks(data.path(), &mocks, &url)?;
        played = Some(mocks);
        println!("The shop is open at {url}/");
        shop
    };
    let work = tokio::spawn(shop::fulfilment::run(shop.clone()));
    let closing = Arc::new(tokio::sync::Notify::new());
    let closed = Arc::clone(&closing);
    let serving = axum::serve(listener, shop::app(shop)).with_graceful_shutdown(async move { closed.notified().await });
    let told_to_close = async {
        // Without a way to hear it the shop stays open, and closes with the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        closing.notify_one();
        // Who is being served is served to the end, but a browser that keeps its line open does not keep the shop open.
        tokio::time::sleep(Duration::from_secs(3)).await;
    };
    tokio::select! {
        served = serving => served?,
        () = told_to_close => {}
    }
    work.abort();
    drop(played);
    Ok(())
}

fn origin(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// The shop's origin beside played gateways. Cookies know hosts and no ports, so the shop and they need different names: under the
/// same one, browsers would send the shop's session along to the payment page.
fn apart_from_the_gateways(address: SocketAddr) -> String {
    if address.ip() == Ipv4Addr::LOCALHOST {
        format!("http://localhost:{}", address.port())
    } else {
        origin(address)
    }
}

/// After how long the played gateways' delayed money arrives, or turns out never to. Short, so that one can watch.
fn delayed_after() -> Result<Duration, Failure> {
    let Some(seconds) = setting("DELAYED_SECONDS") else {
        return Ok(Duration::from_secs(20));
    };
    let seconds = seconds
        .parse::<u32>()
        .map_err(|_| "DELAYED_SECONDS is not a number of seconds")?;
    Ok(Duration::from_secs(seconds.into()))
}

/// A setting that is there and not blank.
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Diagnostics go to standard error: names, statuses and references, never what was typed or sent.
fn log(level: Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .init();
}

/// The folder of the shop's files.
enum Data {
    Kept(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Data {
    fn of(folder: Option<String>) -> Result<Self, Failure> {
        Ok(match folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                Self::Kept(folder.into())
            }
            None => Self::Temporary(tempfile::tempdir()?),
        })
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
