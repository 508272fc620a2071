//! The handbook: why things are as they are, and how to add to them.

#[doc = include_str!("decisions.md")]
pub mod decisions {}

#[doc = include_str!("adding_a_gateway.md")]
pub mod adding_a_gateway {}

#[doc = include_str!("glossary.md")]
pub mod glossary {}

#[doc = include_str!("records.md")]
pub mod records {}

#[doc = include_str!("postgres.md")]
pub mod postgres {}

#[doc = include_str!("security_events.md")]
pub mod security_events {}

#[doc = include_str!("peers.md")]
pub mod peers {}

#[doc = include_str!("threats.md")]
pub mod threats {}

#[doc = include_str!("chain.md")]
pub mod chain {}

#[doc = include_str!("proof.md")]
pub mod proof {}
