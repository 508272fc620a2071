//! Where faults can be aimed, and what can go wrong with a delivery.

use std::time::Duration;

use crate::mock::armed::{Aim, Plan};
pub use crate::mock::fault::Fault;
use crate::mock::outbox::Mishap;

/// A [`Fault`] being aimed. Its `Refused` takes an `ErrInfo`, such as `E90010001` (sheet, "Errors").
pub type FaultPlan = Plan<Fault, Operation>;

/// A [`DeliveryFault`] being aimed, at all notifications or at those with one `Status`, such as `CAPTURE`.
pub type DeliveryFaultPlan = Plan<DeliveryFault, String>;

/// What a request asks for; where a [`Fault`] can be aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// `GetLinkplusUrlPayment.json`.
    Create,
    /// `RejectLinkplusUrlPayment.json`.
    Reject,
    /// `SearchTrade.idPass` and `SearchTradeMulti.idPass`.
    Search,
    /// `AlterTran.idPass`.
    Alter,
    /// `ChangeTran.idPass`.
    Change,
    /// Every page that a browser sees.
    HostedPage,
}

impl Aim for Operation {
    fn is_hit_without_aim(&self) -> bool {
        *self != Self::HostedPage
    }
}

/// Something that goes wrong with the delivery of a notification. None is signed, so anybody can send any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryFault {
    /// Delivered once more after it was delivered.
    Duplicate,
    /// Delivered twice at the same moment, over two connections.
    TwiceAtOnce,
    /// Held back until the next notification of the same shop was delivered.
    Reordered,
    /// Delivered this much later, by the simulator's clock.
    Late(Duration),
    /// Never delivered, nor retried.
    Dropped,
    /// Says that it is about another shop.
    OtherShop,
    /// Names another amount.
    OtherAmount,
    /// Says `CAPTURE`, whatever happened.
    SaysPaid,
    /// Has its status twice.
    Doubled,
}

impl From<DeliveryFault> for Mishap {
    fn from(fault: DeliveryFault) -> Self {
        match fault {
            DeliveryFault::Duplicate => Self::Duplicate,
            DeliveryFault::TwiceAtOnce => Self::TwiceAtOnce,
            DeliveryFault::Reordered => Self::Reordered,
            DeliveryFault::Late(by) => Self::Late(by),
            DeliveryFault::Dropped => Self::Dropped,
            DeliveryFault::OtherShop
            | DeliveryFault::OtherAmount
            | DeliveryFault::SaysPaid
            | DeliveryFault::Doubled => Self::Inside,
        }
    }
}
