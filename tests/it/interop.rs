//! Judges we did not write: Stripe's own SDKs, and a mock server made from Stripe's API description. They live in
//! `tests/interop`; where they are not installed these tests say `skipped: why`, and with `KESSAI_CI=1` they fail instead.

mod answers;
mod client;
mod description;
mod prism;
mod refusals;
mod sdk;
mod signatures;
mod tools;
mod vectors;
mod webhooks;
