//! Named events for an intrusion detection system: what the store's payments show of attacks and mistakes, as a closed list of
//! typed events.
//!
//! The page [`guide::security_events`](crate::guide::security_events) says what each means and what to do about it, and has rules
//! to start from.
//!
//! ```
//! use kessai::Cashier;
//! use kessai::security_event::JsonLines;
//! # use kessai::ledgers::MemoryLedger;
//!
//! let builder = Cashier::builder(MemoryLedger::new()).security_sink(JsonLines::new(std::io::stderr()));
//! # let _ = builder;
//! ```
//!
//! Several sinks can be added; each gets every event. A sink that fails changes no verdict: it is counted, the others are told, and
//! [`Cashier::security_health`](crate::Cashier::security_health) shows it. Without any, the events go to `tracing` if that feature is
//! on, else nowhere.

mod background;
mod emitter;
mod event;
mod json;
mod patterns;
mod peer;
mod policy;
mod rates;
mod record;
mod sampling;
mod show;
mod sink;
mod table;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
mod tests;
#[cfg(feature = "tracing")]
mod tracing;
mod words;

pub use self::background::Background;
pub(crate) use self::emitter::Emitter;
pub use self::emitter::{SecurityHealth, SinkHealth};
pub use self::event::{EVENTS, SecurityEvent};
pub use self::json::{ECS_VERSION, JsonLines};
pub(crate) use self::patterns::Turn;
pub(crate) use self::peer::untrusted;
pub use self::policy::{SecurityPolicy, TestingPolicy, UnusedPolicy};
pub use self::record::SecurityRecord;
pub use self::sampling::SAMPLED_PER_MINUTE;
pub use self::show::{AboutPayment, AtGateway, FieldValue};
pub use self::sink::{SecuritySink, SinkError};
pub use self::table::EventKind;
#[cfg(feature = "tracing")]
pub use self::tracing::TracingSink;
pub use self::words::{EventOutcome, EventText, Reason, Severity, Step};
