//! The gateways, one folder and one feature each.

#[cfg(feature = "stripe")]
pub mod stripe;
