//! Web frameworks: how a request becomes a [`Callback`](crate::Callback) there, and how our answers leave.

#[cfg(feature = "axum")]
pub mod axum;
