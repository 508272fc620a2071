//! The gateways, played on loopback: API, hosted payment page, signed callbacks, faults, a clock that tests move.
//!
//! A store's own tests start a simulator, point the store at it, send a scripted shopper through the hosted page and
//! break things on purpose. The simulators share no code with the gateways of this crate: they decode, validate and
//! sign on their own, from the gateway's documents, so that a mistake in the client is not repeated by its judge.
//!
//! A simulator listens on 127.0.0.1 without TLS, calls only loopback addresses, knows only test keys and answers
//! "bad key" to live ones. It cannot be mixed into a live set-up by accident.
//!
//! # Example
//!
//! A store with its own tests needs no account anywhere. This is a whole payment: opened by the store, paid by a scripted
//! shopper on the hosted page, and asked about afterwards.
//!
//! ```
//! use kessai::gateways::stripe::Stripe;
//! use kessai::ledgers::MemoryLedger;
//! use kessai::mock::stripe::{MockStripe, TestCard};
//! use kessai::sign::SigningKeys;
//! use kessai::{Addresses, ApiKey, Callback, Cashier, CheckoutRequest, Currency, GatewayId, MerchantReference, Money, Redirect};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mock = MockStripe::start()?;
//! let merchant = mock.merchant();
//! let endpoint = merchant.add_endpoint("http://127.0.0.1:9/pay/stripe/notification")?;
//! let stripe = Stripe::builder(
//!     ApiKey::new(merchant.api_key())?,
//!     SigningKeys::from_texts([endpoint.secret()])?,
//!     Addresses::new("http://127.0.0.1:3000", "/pay/stripe")?,
//! )
//! .endpoint(mock.base_url().as_str())
//! .pages([mock.base_url().origin().ascii_serialization()])
//! .build()?;
//! let cashier = Cashier::builder(MemoryLedger::new()).gateway(stripe).clock(mock.clock().clone()).build()?;
//!
//! let order = CheckoutRequest::builder(MerchantReference::new("ORD-1")?)
//!     .total(Money::new(3960, Currency::JPY))
//!     .build()?;
//! let checkout = cashier.open(&order, &GatewayId::STRIPE).await?;
//! let Redirect::Get(page) = &checkout.redirect else { return Err("a link was expected".into()) };
//!
//! // The card is declined, and the shopper takes another one.
//! let page = mock.shopper().open(page.as_str()).await?;
//! let again = page.pay(TestCard::Declines).await?;
//! assert!(again.page().is_some_and(|page| page.text().contains("declined")));
//! let landed = page.pay(TestCard::Succeeds).await?;
//!
//! // The browser comes back. That proves nothing, so the cashier asks.
//! let back = http::Request::get(landed.store().ok_or("sent back to the store")?).body(bytes::Bytes::new())?;
//! cashier.returned(&GatewayId::STRIPE, Callback::new(back, mock.clock().now())?).await;
//! let due = cashier.next_fulfilment().await?.ok_or("one order to fulfil")?;
//! assert_eq!(due.order.as_str(), "ORD-1");
//! due.done().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | gateway | type |
//! | --- | --- |
//! | GMO-PG, Link Type Plus | [`gmopg::MockGmoPg`] |
//! | KOMOJU sessions | [`komoju::MockKomoju`] |
//! | Stripe Checkout Sessions | [`stripe::MockStripe`] |
//! | SB Payment Service, link type | [`sbps::MockSbps`] |

mod armed;
mod booth;
mod call;
mod card;
mod clock;
mod error;
mod fault;
mod form;
mod front;
pub mod gmopg;
mod ids;
mod jst;
pub mod komoju;
mod language;
mod markup;
mod notification;
mod outbox;
mod posting;
pub mod sbps;
mod sheet;
mod shopper;

pub mod stripe;
mod web;
mod webhook;
mod words;

pub use armed::{Aim, Armed, Plan};
pub use card::TestCard;
pub use clock::Clock;
pub use error::MockError;
pub use outbox::Mishap;

use std::time::Duration;

use url::{Host, Url};

/// A client of the simulators: loopback only, so neither proxies nor redirects nor cookies have a place in it.
fn http_client(deadline: Duration) -> Result<reqwest::Client, MockError> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // Used from the runtime of a test and from our own: a connection kept in one would be dead in the other.
        .pool_max_idle_per_host(0)
        .connect_timeout(Duration::from_secs(5))
        .timeout(deadline);
    // Plain HTTP only, so there are no roots to load, which is slow.
    #[cfg(feature = "rustls")]
    let builder = builder.tls_certs_only([]);
    builder.build().map_err(|error| MockError::Start(error.to_string()))
}

/// Reads an address and refuses whatever is not on this machine.
fn loopback(text: &str) -> Result<Url, MockError> {
    let url = Url::parse(text).map_err(|_| MockError::BadUrl)?;
    if url.scheme() != "http" {
        return Err(MockError::BadUrl);
    }
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // The name is resolved by the machine's own table; RFC 6761 keeps it for loopback.
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        None => false,
    };
    if here {
        Ok(url)
    } else {
        Err(MockError::NotLoopback {
            host: url.host_str().unwrap_or_default().to_owned(),
        })
    }
}
