//! Nobody outside can make the store spend without bounds: time grows with the size of an input and not faster, memory stays
//! within a multiple of a limit, a flood leaves nothing behind, and whatever is too much is refused with its own error
//! (PAY-61 to PAY-65).
//!
//! What a single transport or extractor refuses is tested beside it (`transport/answers.rs`, `axum_intake.rs`). Here it is the
//! whole way: a request over a socket, an answer through a gateway, a million messages at the cashier.
//!
//! `KESSAI_FLOOD` is the number of forged messages for each gateway.

mod flood;
mod growth;
mod inbound;
mod outbound;

use std::time::{Duration, Instant};

/// Time that this thread was on a processor: other work on the machine does not count. By the clock where that is not told.
fn processor_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanos = told.ok().and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}
