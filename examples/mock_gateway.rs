//! A gateway of your own on this machine: API, hosted payment page and signed notifications, speaking Stripe.
//!
//! ```text
//! cargo run --example mock_gateway -- --port 4242 --endpoint http://127.0.0.1:3000/pay/stripe/notification
//! ```
//!
//! | option | meaning |
//! | --- | --- |
//! | `--port N` | the port to listen on; any free one without it |
//! | `--endpoint URL` | where notifications go, as often as there are places; on this machine only |
//! | `--language ja` | the language of the page where neither session nor browser names one |
//! | `--delay SECONDS` | how long a delayed payment takes; two days without it |
//!
//! It runs until Ctrl-C, and forgets everything then.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this program is its output")]

use std::process::ExitCode;
use std::time::Duration;

use kessai::mock::stripe::{Endpoint, MockStripe, MockStripeBuilder};

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            eprintln!(
                "usage: mock_gateway [--port N] [--endpoint URL]... [--language en|ja] [--delay SECONDS] (see the top of \
                 examples/mock_gateway.rs)"
            );
            return ExitCode::from(2);
        }
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let mock = options.builder.start()?;
    let merchant = mock.merchant();
    let endpoints: Vec<Endpoint> = options
        .endpoints
        .iter()
        .map(|url| merchant.add_endpoint(url))
        .collect::<Result<_, _>>()?;

    // These keys open nothing but this process, which is why they may be printed.
    println!("base URL        {}", mock.base_url());
    println!("API key         {}", merchant.api_key());
    println!("restricted key  {}", merchant.restricted_key());
    for endpoint in &endpoints {
        println!("endpoint        {}", endpoint.url());
        println!("  its secret    {}", endpoint.secret());
    }
    if endpoints.is_empty() {
        println!("no endpoint: notifications go nowhere (--endpoint URL)");
    }
    println!(
        "cards           4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined, 4000 0025 0000 3155 asks for 3-D Secure"
    );
    println!("Ctrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    Ok(())
}

struct Options {
    builder: MockStripeBuilder,
    endpoints: Vec<String>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            builder: MockStripe::builder(),
            endpoints: Vec::new(),
        };
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            let builder = std::mem::take(&mut options.builder);
            options.builder = match name.as_str() {
                "--port" => builder.port(number(&value()?)?),
                "--language" => builder.language(&value()?),
                "--delay" => builder.delayed_after(Duration::from_secs(number(&value()?)?)),
                "--endpoint" => {
                    options.endpoints.push(value()?);
                    builder
                }
                other => return Err(format!("unknown option {other}")),
            };
        }
        Ok(options)
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text} is not a number that fits here"))
}
