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
