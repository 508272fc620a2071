//! The mock gateway speaking Stripe, judged from outside: by this crate's own client, by hand-made requests, and by a
//! shopper. Facts are those of the Stripe sheet, read 2026-11-23.

mod deliveries;
mod faults;
mod flow;
mod idempotency;
mod merchants;
mod page;
mod refusals;
mod secrecy;
mod shop;
