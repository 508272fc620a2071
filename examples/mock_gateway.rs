//! A gateway of your own on this machine: API, hosted payment page and signed notifications.
//!
//! ```text
//! cargo run --example mock_gateway -- --port 4242 --endpoint http://127.0.0.1:3000/pay/stripe/notification
//! cargo run --example mock_gateway -- --gateway sbps --port 4243
//! ```
//!
//! | option | meaning |
//! | --- | --- |
//! | `--gateway NAME` | whose wire it speaks: `stripe` (without it), `gmopg`, `komoju`, `sbps` |
//! | `--port N` | the port to listen on; any free one without it |
//! | `--endpoint URL` | where notifications go; on this machine only. Stripe and KOMOJU: as often as there are places. SBPS: one, in place of the address that each form names. GMO-PG: one |
//! | `--language ja` | the language of the page where neither session nor browser names one |
//! | `--delay SECONDS` | how long a delayed payment takes; two days without it |
//!
//! It runs until Ctrl-C, and forgets everything then.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this program is its output")]

use std::process::ExitCode;
use std::time::Duration;

use kessai::mock::gmopg::MockGmoPg;
use kessai::mock::komoju::MockKomoju;
use kessai::mock::sbps::MockSbps;
use kessai::mock::stripe::MockStripe;

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}");
            eprintln!(
                "usage: mock_gateway [--gateway stripe|gmopg|komoju|sbps] [--port N] [--endpoint URL]... [--language en|ja] \
                 [--delay SECONDS] (see the top of examples/mock_gateway.rs)"
            );
            return ExitCode::from(2);
        }
    };
    let done = match options.gateway {
        Gateway::Stripe => stripe(options).await,
        Gateway::Komoju => komoju(options).await,
        Gateway::Sbps => sbps(options).await,
        Gateway::Gmopg => gmopg(options).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The same settings for each; the builders have no type in common.
macro_rules! start {
    ($builder:expr, $options:expr) => {{
        let mut builder = $builder.port($options.port);
        if let Some(language) = &$options.language {
            builder = builder.language(language);
        }
        if let Some(delay) = $options.delay {
            builder = builder.delayed_after(delay);
        }
        builder.start()?
    }};
}

async fn stripe(options: Options) -> Outcome {
    let mock = start!(MockStripe::builder(), options);
    let merchant = mock.merchant();
    let mut endpoints = Vec::new();
    for url in &options.endpoints {
        let endpoint = merchant.add_endpoint(url)?;
        endpoints.push((endpoint.url().to_owned(), endpoint.secret().to_owned()));
    }

    // These keys open nothing but this process, which is why they may be printed.
    println!("base URL        {}", mock.base_url());
    println!("API key         {}", merchant.api_key());
    println!("restricted key  {}", merchant.restricted_key());
    print_endpoints(&endpoints);
    until_the_end().await
}

async fn komoju(options: Options) -> Outcome {
    let mock = start!(MockKomoju::builder(), options);
    let merchant = mock.merchant();
    let mut endpoints = Vec::new();
    for url in &options.endpoints {
        let endpoint = merchant.add_endpoint(url)?;
        endpoints.push((endpoint.url().to_owned(), endpoint.secret().to_owned()));
    }
    println!("base URL        {}", mock.base_url());
    println!("API key         {}", merchant.api_key());
    print_endpoints(&endpoints);
    until_the_end().await
}

fn print_endpoints(endpoints: &[(String, String)]) {
    for (url, secret) in endpoints {
        println!("endpoint        {url}");
        println!("  its secret    {secret}");
    }
    if endpoints.is_empty() {
        println!("no endpoint: notifications go nowhere (--endpoint URL)");
    }
}

async fn sbps(options: Options) -> Outcome {
    let mock = start!(MockSbps::builder(), options);
    let merchant = mock.merchant();
    if let Some(endpoint) = options.only_endpoint()? {
        merchant.notify_at(endpoint)?;
    }

    // These keys open nothing but this process, which is why they may be printed.
    println!("form address    {}", mock.form_url());
    println!("API address     {}", mock.api_url());
    println!("merchant id     {}", merchant.merchant_id());
    println!("service id      {}", merchant.service_id());
    println!("hash key        {}", merchant.hash_key());
    println!("API password    {}", merchant.api_password());
    match options.endpoints.first() {
        Some(endpoint) => println!("results         {endpoint}"),
        None => println!("results         to the address in each form, on this machine only"),
    }
    until_the_end().await
}

async fn gmopg(options: Options) -> Outcome {
    let mock = start!(MockGmoPg::builder(), options);
    let merchant = mock.merchant();
    if let Some(endpoint) = options.only_endpoint()? {
        merchant.notify_at(endpoint)?;
    }
    println!("base URL        {}", mock.base_url());
    println!("shop id         {}", merchant.shop_id());
    println!("shop password   {}", merchant.shop_pass());
    println!("setting id      {}", merchant.config_id());
    match options.endpoints.first() {
        Some(endpoint) => println!("notifications   {endpoint}"),
        None => println!("no endpoint: notifications go nowhere (--endpoint URL)"),
    }
    until_the_end().await
}

async fn until_the_end() -> Outcome {
    println!(
        "cards           4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined, 4000 0025 0000 3155 asks for 3-D Secure"
    );
    println!("Ctrl-C ends it.");
    tokio::signal::ctrl_c().await?;
    Ok(())
}

#[derive(Default)]
enum Gateway {
    #[default]
    Stripe,
    Komoju,
    Sbps,
    Gmopg,
}

#[derive(Default)]
struct Options {
    gateway: Gateway,
    port: u16,
    language: Option<String>,
    delay: Option<Duration>,
    endpoints: Vec<String>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--gateway" => {
                    options.gateway = match value()?.as_str() {
                        "stripe" => Gateway::Stripe,
                        "komoju" => Gateway::Komoju,
                        "sbps" => Gateway::Sbps,
                        "gmopg" => Gateway::Gmopg,
                        other => return Err(format!("no gateway is called {other}")),
                    }
                }
                "--port" => options.port = number(&value()?)?,
                "--language" => options.language = Some(value()?),
                "--delay" => options.delay = Some(Duration::from_secs(number(&value()?)?)),
                "--endpoint" => options.endpoints.push(value()?),
                other => return Err(format!("unknown option {other}")),
            }
        }
        Ok(options)
    }

    /// Of a gateway that tells one place.
    fn only_endpoint(&self) -> Result<Option<&str>, &'static str> {
        match self.endpoints.as_slice() {
            [] => Ok(None),
            [endpoint] => Ok(Some(endpoint)),
            _ => Err("this gateway sends its notifications to one place"),
        }
    }
}

fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse()
        .map_err(|_| format!("{text} is not a number that fits here"))
}
