//! Why a request is refused.

use crate::guard::CardDataSighted;
use crate::money::MoneyError;

/// Why a checkout request is refused. Names the field and never repeats its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The field is empty.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// The field is longer than the gateway, or anybody, takes.
    #[error("{field} is longer than {max} characters")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// The most characters it may have.
        max: usize,
    },
    /// The field holds characters it must not hold.
    #[error("{field} holds {what}")]
    Characters {
        /// Which field.
        field: &'static str,
        /// What was found there, in general words.
        what: &'static str,
    },
    /// More lines, or fewer, than can be asked for.
    #[error("{field} must be {bounds}")]
    Bounds {
        /// Which field.
        field: &'static str,
        /// The bounds, in words and with their unit.
        bounds: &'static str,
    },
    /// The lines do not add up to the total.
    #[error("the items do not add up to the total")]
    Total,
    /// The amount cannot be expressed, or this gateway cannot take it.
    #[error("the amount cannot be asked for: {0}")]
    Money(#[source] MoneyError),
    /// The gateway does not offer what was asked for.
    #[error("this gateway does not offer {0}")]
    Unsupported(&'static str),
    /// Card data in a text. The store must never see any (PAY-58).
    #[error(transparent)]
    CardData(#[from] CardDataSighted),
}

impl From<MoneyError> for RequestError {
    fn from(error: MoneyError) -> Self {
        Self::Money(error)
    }
}
