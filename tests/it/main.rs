//! Everything that is tested from outside the crate, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails panics"
)]
#![allow(
    clippy::print_stdout,
    reason = "a test tells what it measured, and why it was skipped"
)]
#![allow(clippy::too_many_lines, reason = "a table is as long as the sheet's")]
#![allow(unreachable_pub, reason = "one binary of modules, nothing is reached from outside")]

mod asked;
mod attacks;
mod axum_intake;
mod bounds;
mod browser;
mod card_testing;
mod cashier;
mod cashier_crash;
mod chain_tampering;
mod comparisons;
mod compile_fail;
mod damage;
mod examples;
mod fuzz_smoke;
mod gateway_conformance;
mod gmopg;
mod guard;
mod guide;
mod incident_drill;
mod interop;
mod kept_link;
mod komoju;
mod leaks;
mod ledger;
mod ledger_busy;
mod ledger_crash;
mod ledger_race;
mod length_extension;
mod mock_gmopg;
mod mock_komoju;
mod mock_sbps;
mod mock_stripe;
mod model;
mod money;
mod ninety_days;
mod opening;
mod postgres;
mod properties;
mod redaction;
mod rounds;
mod sbps;
mod sbps_desk;
mod security_events;
mod self_check;
mod storefront;
mod stripe;
mod support;
mod sweep;
mod switch;
mod transport;
mod untrusted_peer;
mod vectors;
mod verify_cost;
