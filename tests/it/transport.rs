//! The way to the gateway: what leaves, what is read, what is tried again, and what a failure says of the money.

mod addresses;
mod answers;
mod connections;
mod secrets;
mod server;
#[cfg(feature = "rustls")]
pub mod tls;
mod tries;

use std::time::Duration;

use bytes::Bytes;
use kessai::transport::{CallLimits, HttpTransport, Transport, TransportError, TransportErrorKind};

/// Enough for anything on this machine, and far below what a test that hangs would cost.
fn limits() -> CallLimits {
    within(Duration::from_secs(10))
}

fn within(total: Duration) -> CallLimits {
    CallLimits { total, reply: 1024 }
}

fn http() -> HttpTransport {
    HttpTransport::new().unwrap()
}

fn get(address: &str) -> http::Request<Bytes> {
    http::Request::get(address).body(Bytes::new()).unwrap()
}

async fn failure(address: &str, limits: CallLimits) -> TransportErrorKind {
    error(http().send(get(address), limits).await).kind
}

fn error(result: Result<http::Response<Bytes>, TransportError>) -> TransportError {
    match result {
        Ok(answer) => panic!("an answer came: {answer:?}"),
        Err(error) => error,
    }
}
