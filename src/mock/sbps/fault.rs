//! Where faults can be aimed, and what can go wrong with a delivery.

use std::time::Duration;

use crate::mock::armed::{Aim, Plan};
pub use crate::mock::fault::Fault;
use crate::mock::outbox::Mishap;

/// A [`Fault`] being aimed. Its `Refused` takes the two characters of an error type, such as `80` for system trouble or `96`
/// for a double request (sheet, "Errors").
pub type FaultPlan = Plan<Fault, Operation>;

/// A [`DeliveryFault`] being aimed, at all results or at one `res_result`: `OK`, `NG`, `PY` or `CN`.
pub type DeliveryFaultPlan = Plan<DeliveryFault, String>;

/// What a request asks for; where a [`Fault`] can be aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `MG01-00101-...`.
    Status,
    /// `ST02-00201-101`.
    Capture,
    /// `ST02-00303-101`.
    Cancel,
    /// `ST02-00307-101`.
    PartialRefund,
    /// The purchase request and every page after it.
    HostedPage,
}

impl Aim for Operation {
    fn is_hit_without_aim(&self) -> bool {
        *self != Self::HostedPage
    }
}

/// Something that goes wrong with the delivery of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFault {
    /// Delivered once more after it was delivered.
    Duplicate,
    /// Delivered twice at the same moment, over two connections.
    TwiceAtOnce,
    /// Held back until the next result of the same shop was delivered.
    Reordered,
    /// Delivered this much later, by the simulator's clock.
    Late(Duration),
    /// Never delivered, nor retried.
    Dropped,
    /// Signed with a key that no shop has.
    WrongKey,
    /// Signed as a return is, over `Shift_JIS`.
    WrongChannel,
    /// One digit of the amount is changed after signing.
    Tampered,
    /// The first digit of the amount becomes the tax: the hash stays right.
    MovedDigit,
}

impl From<DeliveryFault> for Mishap {
    fn from(fault: DeliveryFault) -> Self {
        match fault {
            DeliveryFault::Duplicate => Self::Duplicate,
            DeliveryFault::TwiceAtOnce => Self::TwiceAtOnce,
            DeliveryFault::Reordered => Self::Reordered,
            DeliveryFault::Late(by) => Self::Late(by),
            DeliveryFault::Dropped => Self::Dropped,
            DeliveryFault::WrongKey
            | DeliveryFault::WrongChannel
            | DeliveryFault::Tampered
            | DeliveryFault::MovedDigit => Self::Inside,
        }
    }
}
