//! Opening a checkout: written down first, sent second, bound third. A lost reply blocks a second attempt, and asking for
//! the same thing again leads to the same page (PAY-11).

use std::sync::Arc;
use std::time::Duration;

use super::Cashier;
use super::limits::{LimitedBy, Room};
use crate::checkout::{Checkout, CheckoutRequest};
use crate::error::{Error, Outcome};
use crate::gateway::Gateway;
use crate::ledger::{
    Binding, CloseReason, Expected, ExpectedPayment, Opened, PlanError, StoreError, StoredAttempt, Switched,
};
use crate::payment::PaymentStatus;
use crate::redirect::Redirect;
use crate::reference::{AttemptReference, GatewayId};
use crate::trace::notice;

/// Why no checkout was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// No gateway of this id is configured.
    #[error("no gateway {0} is configured")]
    UnknownGateway(GatewayId),
    /// The request cannot be asked of this gateway. Nothing was written and nothing was sent.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The store takes no new payments at the moment. Show the shopper so: it is nobody's fault, and it may take a while.
    #[error("the store takes no new payments at the moment")]
    Stopped(Switched),
    /// The order is paid. Show the shopper so.
    #[error("the order is paid already")]
    AlreadyPaid(AttemptReference),
    /// So many attempts were opened for this order, or by this client, or this page was opened again so many times, that another time
    /// has to wait ([`CheckoutLimits`](super::CheckoutLimits)). Nothing was written and nothing was sent. Show the shopper when to try again and
    /// how to reach you: honest people get here too.
    #[error("this {by} opened too many payment pages; try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Whose attempts they were.
        by: LimitedBy,
        /// When there is room again, unless others take it.
        retry_after: Duration,
    },
    /// Another attempt of this order could still be paid and could not be ended: money may be on its way. Show "being
    /// confirmed" and try again later.
    #[error("another attempt to pay this order is still under way ({status})")]
    Underway {
        /// That attempt.
        attempt: AttemptReference,
        /// What is known of it.
        status: PaymentStatus,
    },
    /// An earlier request for this order got no answer, so a page may exist. Open the same request again: it leads to that
    /// page. A changed one has to wait.
    #[error("an earlier attempt to pay this order is undecided; open the same request again, or wait")]
    Undecided(AttemptReference),
    /// The gateway gave a name to this checkout that belongs to another attempt.
    #[error("the gateway's reference belongs to another attempt")]
    ReferenceTaken(AttemptReference),
    /// The gateway did not open it. If the outcome is unknown, open the same request again.
    #[error("the gateway did not open a checkout")]
    Gateway(#[source] Error),
    /// The ledger could not be used. Nothing was sent, or the page that was made is not shown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What came of sending a checkout.
enum Sent {
    /// It was opened.
    Page(Checkout),
    /// The attempt ended before its page came: two callers sent it at once, and the one that was refused was first to say so. Nobody
    /// is shown that page, for the order may have another attempt by now.
    Over,
}

/// How often a given-up attempt may make room for a new one within one call. One is the rule; a second caller can come in
/// between once.
const ROUNDS: usize = 3;

impl Cashier {
    /// Opens a checkout for an order and says how the shopper's browser gets there.
    ///
    /// Opening the same request again, by a double click or after a lost reply, leads to the same page. A changed request,
    /// or another gateway, first ends the attempt that is open, so that no two pages of one order can be paid; if that
    /// cannot be done the call is refused.
    pub async fn open(&self, request: &CheckoutRequest, gateway: &GatewayId) -> Result<Checkout, OpenError> {
        let gateway = self
            .gateway(gateway)
            .ok_or_else(|| OpenError::UnknownGateway(gateway.clone()))?;
        let opened = self.open_page(request, gateway).await;
        opened.inspect_err(|error| self.tell_not_opened(error, gateway.as_ref(), request.order()))
    }

    async fn open_page(&self, request: &CheckoutRequest, gateway: &Arc<dyn Gateway>) -> Result<Checkout, OpenError> {
        let mut room = Some(self.room_for(request, gateway).await?);
        let mut round = 0;
        loop {
            round += 1;
            let expected = ExpectedPayment::plan(gateway.as_ref(), request, self.now())?;
            let (sent, expected, again) = match self.0.ledger.expect(&expected).await? {
                Expected::Written => {
                    if let Some(room) = room.take() {
                        room.used();
                    }
                    (self.send(gateway, &expected, request, true).await?, expected, false)
                }
                Expected::Paid(attempt) => return Err(OpenError::AlreadyPaid(attempt)),
                Expected::Stopped(stopped) => return Err(OpenError::Stopped(stopped)),
                Expected::Open(open) if self.is_same(&open, gateway, request) => {
                    match self.once_more(gateway, &open, request).await {
                        // A page that nobody has the way to is closed, where the gateway can, and another one is made.
                        Err(OpenError::Gateway(error)) if round < ROUNDS && !open.opened => {
                            if self.close_unconfirmed(gateway, &open).await? {
                                continue;
                            }
                            return Err(OpenError::Gateway(error));
                        }
                        sent => (sent?, open.expected, true),
                    }
                }
                Expected::Open(open) if round == ROUNDS => {
                    let (attempt, status) = (open.expected.attempt, open.status);
                    return Err(OpenError::Underway { attempt, status });
                }
                Expected::Open(open) => {
                    self.give_up(&open).await?;
                    continue;
                }
            };
            match sent {
                Sent::Page(checkout) => {
                    self.tell_issued(&expected, again);
                    return Ok(checkout);
                }
                Sent::Over if round == ROUNDS => return Err(OpenError::Undecided(expected.attempt)),
                Sent::Over => {}
            }
        }
    }

    /// Room for one more attempt within the limits. Asked for before anything is written or sent, and not for a page that is open.
    async fn room_for(&self, request: &CheckoutRequest, gateway: &Arc<dyn Gateway>) -> Result<Room<'_>, OpenError> {
        let (limits, client, now) = (&self.0.limits, request.client(), self.now());
        let known = self.0.ledger.attempts_of(request.order()).await?;
        let leads_on = |open: &StoredAttempt| open.status.has_money() || self.is_same(open, gateway, request);
        if known.iter().any(leads_on) {
            return Ok(limits.later(client, now));
        }
        let refused = |by, retry_after| OpenError::TooMany { by, retry_after };
        if let Some(wait) = limits.wait_of_order(&known, now) {
            return Err(refused(LimitedBy::Order, wait));
        }
        limits
            .room(client, now)
            .map_err(|wait| refused(LimitedBy::Client, wait))
    }

    /// Does this request lead to the page of that attempt, and can that page still be paid?
    fn is_same(&self, open: &StoredAttempt, gateway: &Arc<dyn Gateway>, request: &CheckoutRequest) -> bool {
        open.expected.gateway == gateway.id()
            && open.expected.account == *gateway.account()
            && open.expected.content == request.content()
            && matches!(open.status, PaymentStatus::Created | PaymentStatus::RequiresAction)
            && self.now() < open.expires_at
    }

    /// The same page again: by its link, if the gateway gave it only once, else by the same call under the same key.
    async fn once_more(
        &self,
        gateway: &Arc<dyn Gateway>,
        open: &StoredAttempt,
        request: &CheckoutRequest,
    ) -> Result<Sent, OpenError> {
        if let Some(checkout) = kept(gateway, open)? {
            return Ok(Sent::Page(checkout));
        }
        self.may_call_again(open)?;
        match self.send(gateway, &open.expected, request, false).await {
            // Of two clicks at once the other one may have got the only link there is.
            Err(OpenError::Gateway(error)) => {
                let now = self.0.ledger.attempt(open.reference()).await?;
                let checkout = now.map(|now| kept(gateway, &now)).transpose()?.flatten();
                checkout.map(Sent::Page).ok_or(OpenError::Gateway(error))
            }
            sent => sent,
        }
    }

    /// Sends the checkout and binds what comes back. `first` is true if this attempt was written down just now, so that
    /// nothing was sent for it before.
    async fn send(
        &self,
        gateway: &Arc<dyn Gateway>,
        expected: &ExpectedPayment,
        request: &CheckoutRequest,
        first: bool,
    ) -> Result<Sent, OpenError> {
        let checkout = match gateway.checkout(expected, request).await {
            Ok(checkout) => checkout,
            Err(error) => {
                notice!(attempt = %expected.attempt, error = %error, "the gateway did not open a checkout");
                // A refusal of a repeat says nothing about what became of the first. The other way round, somebody else may have sent a
                // repeat meanwhile that is granted: whoever comes to the ledger second is told so there.
                let why = match error.outcome() {
                    Outcome::NotSent if first => Some(CloseReason::NotSent),
                    Outcome::Refused if first => Some(CloseReason::Refused),
                    _ => None,
                };
                if let Some(why) = why {
                    self.0.ledger.close(&expected.attempt, why, self.now()).await?;
                }
                return Err(OpenError::Gateway(error));
            }
        };
        if !checkout.confirmed {
            return Ok(Sent::Page(checkout));
        }
        let opened = Opened {
            checkout: checkout.reference.clone(),
            payment: checkout.payment.clone(),
            expires_at: checkout.expires_at,
            link: checkout.kept.clone(),
        };
        match self.0.ledger.opened(&expected.attempt, &opened, self.now()).await? {
            Binding::Now | Binding::Already => Ok(Sent::Page(checkout)),
            Binding::Over => {
                notice!(attempt = %expected.attempt, "a page came for an attempt that was over; nobody is shown it");
                Ok(Sent::Over)
            }
            Binding::Conflict => {
                self.tell_reference_taken(expected);
                Err(OpenError::ReferenceTaken(expected.attempt.clone()))
            }
        }
    }

    /// Whoever opens an order again makes us call its gateway, and can do so without end (PAY-64).
    fn may_call_again(&self, open: &StoredAttempt) -> Result<(), OpenError> {
        let called = self.0.limits.call_again(open.reference(), self.now());
        called.map_err(|retry_after| OpenError::TooMany {
            by: LimitedBy::Order,
            retry_after,
        })
    }

    /// Ends an attempt so that its order can be tried anew: asks what became of it, and closes its page if that was not
    /// used. Fails if it may still be paid afterwards.
    async fn give_up(&self, open: &StoredAttempt) -> Result<(), OpenError> {
        let attempt = open.reference();
        let underway = |status| OpenError::Underway {
            attempt: attempt.clone(),
            status,
        };
        let gateway = self
            .gateway(&open.expected.gateway)
            .ok_or_else(|| underway(open.status))?;
        self.may_call_again(open)?;
        if !open.opened {
            if self.close_unconfirmed(gateway, open).await? {
                return Ok(());
            }
            return Err(OpenError::Undecided(attempt.clone()));
        }
        self.ask(open).await?;
        let now = self
            .0
            .ledger
            .attempt(attempt)
            .await?
            .ok_or_else(|| underway(open.status))?;
        if now.status.is_final() {
            return Ok(());
        }
        if !matches!(now.status, PaymentStatus::Created | PaymentStatus::RequiresAction) {
            return Err(underway(now.status));
        }
        let expire = gateway.abilities().expire.ok_or_else(|| underway(now.status))?;
        // A refusal usually means that it was paid a moment ago; then the next look at the ledger tells.
        self.closing(&now);
        match expire.expire(&now, self.now()).await {
            Ok(event) => {
                let _ = self.take_evidence(&now, event).await?;
            }
            Err(error) => {
                notice!(attempt = %attempt, error = %error, "the page could not be closed");
                self.tell_unanswered(&now, gateway.as_ref(), &error);
                self.ask(&now).await?;
            }
        }
        let after = self
            .0
            .ledger
            .attempt(attempt)
            .await?
            .ok_or_else(|| underway(now.status))?;
        if after.status.is_final() {
            Ok(())
        } else {
            Err(underway(after.status))
        }
    }
}

impl Cashier {
    /// Closes the page of an attempt whose confirmation was lost. Only gateways that know a page by our own reference can;
    /// with the others the attempt stays undecided.
    async fn close_unconfirmed(&self, gateway: &Arc<dyn Gateway>, open: &StoredAttempt) -> Result<bool, OpenError> {
        let Some(expire) = gateway.abilities().expire else {
            return Ok(false);
        };
        self.closing(open);
        let Ok(event) = expire.expire(open, self.now()).await else {
            return Ok(false);
        };
        let _ = self.take_evidence(open, event).await?;
        let now = self.0.ledger.attempt(open.reference()).await?;
        Ok(now.is_some_and(|now| now.status.is_final()))
    }
}

/// The checkout that the ledger can give by itself.
fn kept(gateway: &Arc<dyn Gateway>, attempt: &StoredAttempt) -> Result<Option<Checkout>, OpenError> {
    let Some(link) = &attempt.link else { return Ok(None) };
    let url = link.open(gateway.pages()).map_err(|error| {
        let message =
            "the page of this attempt is not on an allowed origin any more; allow it until the attempt is over";
        OpenError::Gateway(Error::config(message).with_source(error))
    })?;
    let mut checkout = Checkout::new(Redirect::Get(url))
        .with_payment(attempt.payment.clone())
        .with_expiry(Some(attempt.expires_at));
    checkout.reference.clone_from(&attempt.checkout);
    Ok(Some(checkout))
}
