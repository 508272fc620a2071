//! kessai takes payments through a gateway's hosted payment page.
//!
//! > A store that uses kessai never touches card data. A paid order is fulfilled at most once, and only on evidence whose origin was
//! > proven with configured trust and whose gateway, merchant account, environment, order, attempt, amount, currency and final
//! > status equal what the store wrote down before the redirect. Nothing the browser says pays, fails or identifies anything.
//!
//! # One payment, from basket to fulfilment
//!
//! ```text
//! order ── CheckoutRequest ──► ExpectedPayment, written to the ledger ──► Gateway::checkout ──► Checkout { redirect, reference }
//! inbound ─ Callback ── Gateway::receive ──► Received::Proven(Verified<Notification>)   the signature covers what was read
//!                                        └─► Received::Hint(subject)                    a reason to ask, and no more
//! hint, return, sweep ── Gateway::status ──► Verified<PaymentEvent>                      asked under our credentials
//! Verified<PaymentEvent> ── StoredAttempt::judge ──► Judgement ── Ledger::apply, one transaction ──► Applied
//! Applied::Now, once per order ──► Fulfilment, at least once, under one key
//! ```
//!
//! There are two ways in. [`Cashier`] is the paved one: five methods, and every rule holds by construction. The parts
//! ([`Gateway`], [`Verified`], [`ExpectedPayment::accept`], [`Ledger`]) are for a store with an order machine of its own: the same
//! proofs, its own wiring.
//!
//! # Gateways
//!
//! | gateway | feature | redirect | notification | status query | more |
//! | --- | --- | --- | --- | --- | --- |
//! | Stripe Checkout Sessions | `stripe` | link | HMAC-SHA-256 | yes | expire, capture, void, refund |
//! | KOMOJU sessions | `komoju` | link | HMAC-SHA-256 | yes | expire, capture, void, refund |
//! | GMO Payment Gateway, Link Type Plus | `gmopg` | link | unsigned: a hint | yes | expire, capture, void, refund |
//! | SB Payment Service, link type | `sbps` | form in `Shift_JIS` | SHA-1 over joined values: a reason to ask, or by choice more | with the API type | capture, void, refund |
//!
//! # Features
//!
//! | feature | default | brings |
//! | --- | --- | --- |
//! | `reqwest` | yes | the HTTP client; without it, bring a [`Transport`](transport::Transport) |
//! | `rustls` | yes | TLS for it |
//! | `gmopg`, `komoju`, `sbps`, `stripe`, `all-gateways` | | the gateways |
//! | `sqlite` | | `ledgers::SqliteLedger` |
//! | `postgres` | | `ledgers::PostgresLedger` |
//! | `axum` | | an extractor that keeps the raw body, and responses |
//! | `tracing` | | notices, and security events where no other sink is set |
//! | `mock` | | the gateways, played on loopback, for tests |
//! | `conformance` | | the suites that every gateway and ledger passes |
//!
//! `default-features = false` with one gateway still builds redirects and verifies callbacks, and brings no HTTP client and no
//! runtime.
//!
//! # Handbook
//!
//! [`guide`] holds the decisions, how to add a gateway, the glossary, the security events and what a ledger keeps.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod addresses;
mod callback;
pub mod cashier;
#[cfg(feature = "__charset")]
pub mod charset;
mod checkout;
mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod event;
mod form;
mod gateway;
pub mod gateways;
mod guard;
pub mod guide;
#[cfg(feature = "axum")]
pub mod integrations;
pub mod ledger;
pub mod ledgers;
#[cfg(feature = "mock")]
pub mod mock;
mod money;
mod payment;
mod redirect;
mod reference;
pub mod report;
mod secret;
pub mod security_event;
pub mod sign;
mod trace;
pub mod transport;
mod utc;
mod verified;
#[cfg(feature = "__xml")]
mod xml;

pub use self::addresses::Addresses;
pub use self::callback::{Callback, CallbackError, CallbackLimits};
pub use self::cashier::{Cashier, OpenError, ReturnPage, Standing, SweepPolicy};
pub use self::checkout::{
    Checkout, CheckoutRequest, CheckoutRequestBuilder, ClientKey, ContentDigest, Email, LineItem, Locale, RequestError,
};
pub use self::clock::{Clock, SystemClock};
pub use self::error::{ConfigError, Error, ErrorKind, Outcome, VerifyError};
pub use self::event::{Notification, PaymentEvent, Received, ReturnHint, Subject};
pub use self::form::{FormBody, FormError, Params, RawParams, path_segment};
pub use self::gateway::{
    Abilities, Ack, AttemptPlan, Capture, Expire, Gateway, Gateways, Refund, RefundReceipt, SelfCheckError, Void,
};
pub use self::guard::{CardDataKind, CardDataSighted, check_name, check_text};
pub use self::ledger::{Accepted, Applied, ExpectedPayment, Judgement, Ledger, Mismatch, StoreError};
pub use self::money::{Currency, Money, MoneyError};
pub use self::payment::{CaptureMode, GatewayWord, Move, PaymentSnapshot, PaymentStatus};
pub use self::redirect::{AllowedOrigins, KeptLink, Nonce, PostForm, Redirect, RedirectError, RedirectUrl};
pub use self::reference::{
    AttemptReference, CustomerReference, Environment, EventId, FulfilmentKey, GatewayId, GatewayReference,
    IdempotencyKey, MerchantAccount, MerchantReference, RandomError, ReferenceError, ReferenceFormat, ReturnToken,
};
pub use self::secret::{ApiKey, CheckpointKey, SecretError, SharedToken, SigningKey};
pub use self::security_event::{SecurityEvent, SecuritySink};
pub use self::verified::{EvidenceDigest, KeySlot, Trust, Verified};

/// The README's example, compiled and run with the other documentation tests.
#[cfg(all(doctest, feature = "mock", feature = "sqlite", feature = "axum", feature = "stripe"))]
#[doc = include_str!("../README.md")]
mod readme {}
