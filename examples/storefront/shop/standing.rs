//! What an order's page says about its payment: read from the ledger, and from nowhere else.

use kessai::{PaymentStatus, StoreError};

use super::book::Order;
use super::ways::Way;
use super::{Shop, fulfilment};

/// Where an order stands, for the shopper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrderStanding {
    /// Paid, and on its way out.
    Paid,
    /// Paid and sent.
    Shipped,
    /// The money went back.
    Refunded,
    /// The shopper did what was to be done; the money is on its way, or a person has to look at it.
    Pending,
    /// It could not be found out just now.
    Confirming,
    /// Not paid, as far as is known. It can be tried, again or for the first time.
    Unpaid(Why),
}

/// The way to pay that an order was last tried by, as the ledger has it; before the first try, and for a way that is no longer
/// offered, the first one of the shop.
pub(crate) async fn latest_way<'s>(shop: &'s Shop, order: &Order) -> Result<&'s Way, StoreError> {
    let attempts = shop.cashier().ledger().attempts_of(&order.reference).await?;
    let latest = attempts
        .last()
        .and_then(|attempt| shop.way(attempt.expected.gateway.as_str()));
    Ok(latest.unwrap_or_else(|| shop.first_way()))
}

/// Why an order is not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Nothing happened yet.
    Untried,
    /// The shopper left the payment page by its way back, and the gateway says that nothing was paid.
    Left,
    /// The same, as far as the browser says. The gateway could not be asked just now.
    SaidToHaveLeft,
    /// The payment failed.
    Failed,
    /// The payment page ran out of time.
    Expired,
}

impl OrderStanding {
    /// Where this order stands now.
    pub(crate) async fn of(shop: &Shop, order: &Order) -> Result<Self, StoreError> {
        let ledger = shop.cashier().ledger();
        let attempts = ledger.attempts_of(&order.reference).await?;
        if attempts.iter().any(|attempt| attempt.status == PaymentStatus::Refunded) {
            return Ok(Self::Refunded);
        }
        if order.fulfilled_at.is_some() {
            return Ok(Self::Shipped);
        }
        if let Some(right) = ledger.fulfilment_of(&order.reference).await? {
            let paying = attempts.iter().find(|attempt| *attempt.reference() == right.attempt);
            let stays = paying.is_some_and(|attempt| fulfilment::may_leave(attempt.status));
            // Otherwise a person looks at it before anything is sent.
            return Ok(if stays { Self::Paid } else { Self::Pending });
        }
        let Some(latest) = attempts.last() else {
            return Ok(Self::Unpaid(Why::Untried));
        };
        Ok(match latest.status {
            PaymentStatus::Created | PaymentStatus::RequiresAction => Self::Unpaid(Why::Untried),
            PaymentStatus::Cancelled => Self::Unpaid(Why::Left),
            PaymentStatus::Failed => Self::Unpaid(Why::Failed),
            PaymentStatus::Expired => Self::Unpaid(Why::Expired),
            PaymentStatus::Unknown => Self::Confirming,
            // Also money that came and may not be shipped for: a person looks at it, and the shopper does not pay twice.
            _ => Self::Pending,
        })
    }

    /// After how many seconds the page looks again by itself, if it should.
    pub(crate) fn refresh(self) -> Option<u32> {
        match self {
            Self::Paid | Self::Confirming => Some(3),
            Self::Pending => Some(15),
            Self::Shipped | Self::Refunded | Self::Unpaid(_) => None,
        }
    }
}
