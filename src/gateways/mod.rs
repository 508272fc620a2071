//! The gateways, one folder and one feature each.

#[cfg(feature = "gmopg")]
pub mod gmopg;
#[cfg(any(feature = "gmopg", feature = "sbps"))]
mod jst;
#[cfg(feature = "komoju")]
pub mod komoju;
#[cfg(feature = "sbps")]
pub mod sbps;
#[allow(dead_code, reason = "a build may have no gateway")]
mod setup;
#[cfg(feature = "stripe")]
pub mod stripe;
