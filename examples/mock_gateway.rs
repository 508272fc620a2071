//! A gateway of your own on this machine: API, hosted payment page and signed notifications, speaking
//! Stripe or KOMOJU.
//!
//! ```text
//! cargo run --example mock_gateway -- --port 4242 --endpoint http://127.0.0.1:3000/pay/stripe/notification
//! ```
//!
//! | option | meaning |
//! | --- | --- |
//! | `--gateway NAME` | whose wire it speaks: `stripe` (without it) or `komoju` |
//! | `--port N` | the port to listen on; any free one without it |
//! | `--endpoint URL` | where notifications go, as often as there are places; on this machine only |
//! | `--language ja` | the language of the page where neither session nor browser names one |
//! | `--delay SECONDS` | how long a delayed payment takes; two days without it |
//!
//! It runs until Ctrl-C, and forgets everything then.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this program is its output")]

use std::process::ExitCode;
use std::time::Duration;

use kessai::mock::komoju::MockKomoju;
use kessai::mock::stripe::MockStripe;
use url::Url;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            eprintln!(
                "usage: mock_gateway [--gateway stripe|komoju] [--port N] [--endpoint URL]... [--language en|ja] [--delay SECONDS] \
                 (see the top of examples/mock_gateway.rs)"
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
    // Held until the end: a gateway that is dropped stops listening.
    if options.gateway == "komoju" {
        let _mock = options.komoju()?;
        wait().await?;
    } else {
        let _mock = options.stripe()?;
        wait().await?;
    }
    Ok(())
}

async fn wait() -> Result<(), std::io::Error> {
    println!(
        "cards           4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined, 4000 0025 0000 3155 asks for 3-D Secure"
    );
    println!("Ctrl-C ends it.");
    tokio::signal::ctrl_c().await
}

// The keys that are printed open nothing but this process.
fn print_keys(base: &Url, keys: &[(&str, &str)], endpoints: &[(String, String)]) {
    println!("base URL        {base}");
    for (name, key) in keys {
        println!("{name:<16}{key}");
    }
    for (url, secret) in endpoints {
        println!("endpoint        {url}");
        println!("  its secret    {secret}");
    }
    if endpoints.is_empty() {
        println!("no endpoint: notifications go nowhere (--endpoint URL)");
    }
}

struct Options {
    gateway: String,
    port: u16,
    language: String,
    delay: Duration,
    endpoints: Vec<String>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            gateway: "stripe".to_owned(),
            port: 0,
            language: "en".to_owned(),
            delay: Duration::from_secs(2 * 24 * 60 * 60),
            endpoints: Vec::new(),
        };
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--gateway" => options.gateway = known(value()?)?,
                "--port" => options.port = number(&value()?)?,
                "--language" => options.language = value()?,
                "--delay" => options.delay = Duration::from_secs(number(&value()?)?),
                "--endpoint" => options.endpoints.push(value()?),
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(options)
    }

    fn stripe(&self) -> Result<MockStripe, kessai::mock::MockError> {
        let builder = MockStripe::builder().port(self.port).language(&self.language);
        let mock = builder.delayed_after(self.delay).start()?;
        let merchant = mock.merchant();
        let mut endpoints = Vec::new();
        for url in &self.endpoints {
            let endpoint = merchant.add_endpoint(url)?;
            endpoints.push((endpoint.url().to_owned(), endpoint.secret().to_owned()));
        }
        let keys = [
            ("API key", merchant.api_key()),
            ("restricted key", merchant.restricted_key()),
        ];
        print_keys(mock.base_url(), &keys, &endpoints);
        Ok(mock)
    }

    fn komoju(&self) -> Result<MockKomoju, kessai::mock::MockError> {
        let builder = MockKomoju::builder().port(self.port).language(&self.language);
        let mock = builder.delayed_after(self.delay).start()?;
        let merchant = mock.merchant();
        let mut endpoints = Vec::new();
        for url in &self.endpoints {
            let endpoint = merchant.add_endpoint(url)?;
            endpoints.push((endpoint.url().to_owned(), endpoint.secret().to_owned()));
        }
        print_keys(mock.base_url(), &[("API key", merchant.api_key())], &endpoints);
        Ok(mock)
    }
}

fn known(gateway: String) -> Result<String, String> {
    if ["stripe", "komoju"].contains(&gateway.as_str()) {
        Ok(gateway)
    } else {
        Err(format!("no gateway is called {gateway}"))
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text} is not a number that fits here"))
}
