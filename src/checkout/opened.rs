//! What a gateway makes of a request.

use std::time::SystemTime;

use crate::redirect::{KeptLink, Redirect};
use crate::reference::GatewayReference;

/// What the gateway made of it: where to send the shopper, and under which name to ask.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checkout {
    /// How the shopper's browser gets to the hosted payment page.
    pub redirect: Redirect,
    /// The gateway's name for this checkout, if it gave one.
    pub reference: Option<GatewayReference>,
    /// The gateway's name for the payment, if it is known this early.
    pub payment: Option<GatewayReference>,
    /// Until when the page can be used.
    pub expires_at: Option<SystemTime>,
    /// The way to the page once more, from a gateway that gives it only once: the ledger keeps it for the next click.
    pub kept: Option<KeptLink>,
    /// False if the redirect was made here and the gateway has not heard of it yet.
    pub confirmed: bool,
}

impl Checkout {
    /// A checkout with a way to the page and nothing else known.
    #[must_use]
    pub fn new(redirect: Redirect) -> Self {
        Self {
            redirect,
            reference: None,
            payment: None,
            expires_at: None,
            kept: None,
            confirmed: true,
        }
    }

    /// Says that the redirect was made here, without a word from the gateway. The attempt is not marked as opened, so it
    /// stops blocking its order some time after its expiry.
    #[must_use]
    pub fn unconfirmed(mut self) -> Self {
        self.confirmed = false;
        self
    }

    /// Adds the gateway's name for this checkout.
    #[must_use]
    pub fn with_reference(mut self, reference: GatewayReference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// Adds the gateway's name for the payment.
    #[must_use]
    pub fn with_payment(mut self, payment: Option<GatewayReference>) -> Self {
        self.payment = payment;
        self
    }

    /// Lets the ledger keep the link, because the gateway will not give it again. A form is never kept: it is made anew.
    #[must_use]
    pub fn with_link_kept(mut self) -> Self {
        if let Redirect::Get(url) = &self.redirect {
            self.kept = Some(KeptLink::of(url));
        }
        self
    }

    /// Adds until when the page can be used.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: Option<SystemTime>) -> Self {
        self.expires_at = expires_at;
        self
    }
}
