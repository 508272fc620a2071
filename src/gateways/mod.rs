//! The gateways, one folder and one feature each.

#[cfg(feature = "sbps")]
pub mod sbps;
#[cfg(feature = "stripe")]
pub mod stripe;
