//! The mock gateway speaking GMO-PG's Link Type Plus, judged from outside: by this crate's own client behind a store that
//! listens, by hand-made requests, and by a shopper. Facts are those of the GMO-PG sheet, read 2026-11-23.

mod api;
mod deliveries;
mod flow;
mod shop;
