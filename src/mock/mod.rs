//! The gateways, played on loopback: API, hosted payment page, signed callbacks, faults, a clock that tests move.
//!
//! A store's own tests start a simulator, point the store at it, send a scripted shopper through the hosted page and
//! break things on purpose. The simulators share no code with the gateways of this crate: they decode, validate and
//! sign on their own, from the gateway's documents, so that a mistake in the client is not repeated by its judge.
//!
//! A simulator listens on 127.0.0.1 without TLS, calls only loopback addresses, knows only test keys and answers
//! "bad key" to live ones. It cannot be mixed into a live set-up by accident.
//!
//! | gateway | type |
//! | --- | --- |
//! | Stripe Checkout Sessions | [`stripe::MockStripe`] |

mod clock;
mod error;
mod front;
pub mod stripe;

pub use clock::Clock;
pub use error::MockError;

use std::time::Duration;

use url::{Host, Url};

/// A client of the simulators: loopback only, so neither proxies nor redirects nor cookies have a place in it.
fn http_client(deadline: Duration) -> Result<reqwest::Client, MockError> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(deadline)
        .build()
        .map_err(|error| MockError::Start(error.to_string()))
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
