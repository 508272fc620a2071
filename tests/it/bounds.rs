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
mod unproven;
