//! A message from the gateway: checked, judged, applied, acknowledged. In that order: `Done` is only ever said of what is
//! on record (PAY-40).

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::Cashier;
use crate::callback::Callback;
use crate::error::VerifyError;
use crate::event::{PaymentEvent, Received, Subject};
use crate::gateway::{Ack, Gateway};
use crate::ledger::{Applied, StoreError};
use crate::reference::GatewayId;
use crate::security_event::Step;
use crate::trace::notice;
use crate::verified::Verified;

impl Cashier {
    /// Takes a server-to-server message and gives the exact reply that the gateway waits for.
    ///
    /// A message that proves nothing is refused without a reason, before anything is looked up and without a trace in the
    /// ledger. A proven one is answered with success once it is on record, whether it changed anything or not; if the
    /// ledger fails, the gateway is asked to deliver again.
    pub async fn callback(&self, gateway: &GatewayId, callback: Callback) -> Response<Bytes> {
        let Some(gateway) = self.gateway(gateway) else {
            let mut nothing = Response::new(Bytes::new());
            *nothing.status_mut() = StatusCode::NOT_FOUND;
            return nothing;
        };
        match gateway.receive(&callback).await {
            Err(error) => {
                notice!(gateway = %gateway.id(), error = %error, "a callback was refused");
                self.tell_refused(gateway.as_ref(), error);
                // Only a key that could not be fetched is our trouble and not the sender's.
                let ack = if matches!(error, VerifyError::Key(_)) {
                    Ack::Retry
                } else {
                    Ack::Refused
                };
                gateway.acknowledge(Err(&error), ack)
            }
            Ok(received) => {
                let ack = match self.take(gateway, &received).await {
                    Ok(()) => Ack::Done,
                    Err(error) => {
                        notice!(gateway = %gateway.id(), error = %error, "a callback could not be recorded");
                        self.ledger_failed(Step::Callback)(&error);
                        Ack::Retry
                    }
                };
                gateway.acknowledge(Ok(&received), ack)
            }
        }
    }

    async fn take(&self, gateway: &Arc<dyn Gateway>, received: &Received) -> Result<(), StoreError> {
        match received {
            Received::Hint(subject) => self.take_hint(gateway, subject).await,
            Received::Proven(notification) => {
                // All of them, or the whole delivery comes again: applying one twice changes nothing.
                for event in notification.clone().into_events() {
                    self.take_event(gateway, event).await?;
                }
                match &notification.value().failed_try {
                    Some(subject) => self.take_failed_try(gateway, subject).await,
                    None => Ok(()),
                }
            }
        }
    }

    /// Counted, and nothing else: the page is still open.
    async fn take_failed_try(&self, gateway: &Arc<dyn Gateway>, subject: &Subject) -> Result<(), StoreError> {
        let found = self.0.ledger.find(&gateway.id(), gateway.account(), subject).await?;
        if let Some(attempt) = found {
            self.tell_failed_try(&attempt);
        }
        Ok(())
    }

    async fn take_event(&self, gateway: &Arc<dyn Gateway>, event: Verified<PaymentEvent>) -> Result<(), StoreError> {
        let said = event.value();
        self.tell_key(gateway.as_ref(), &event);
        // Test messages reach live endpoints in some set-ups. Acknowledged, so that they stop coming, and ignored.
        if said.environment != gateway.environment() {
            notice!(gateway = %gateway.id(), "a message of the other environment was ignored");
            self.tell_environment(gateway.as_ref(), said.environment);
            return Ok(());
        }
        let Some(attempt) = self
            .0
            .ledger
            .find(&gateway.id(), gateway.account(), &said.subject)
            .await?
        else {
            // Authentic and about nothing of ours: other systems of the store use the same account.
            notice!(gateway = %gateway.id(), "a message about nothing of ours was ignored");
            self.tell_unmatched(gateway.as_ref());
            return Ok(());
        };
        if self.0.ledger.mode().await?.asks_first.is_some() {
            // The key may be known to somebody else: what it signed is a reason to ask, and nothing more (PAY-67).
            notice!(attempt = %attempt.reference(), "a signed callback is asked about before anything is applied");
            return if attempt.status.is_final() {
                Ok(())
            } else {
                self.ask_soon(&attempt).await
            };
        }
        let applied = self.take_evidence(&attempt, event).await?;
        notice!(attempt = %attempt.reference(), applied = %Shown(applied), "a callback was applied");
        if matches!(applied, Applied::Ask(_)) {
            // Not asked here: the gateway waits for its reply, and the sweep is told.
            self.ask_soon(&attempt).await?;
        }
        Ok(())
    }

    /// Nothing of it is believed; if it names an attempt that is not over, the sweep asks.
    async fn take_hint(&self, gateway: &Arc<dyn Gateway>, subject: &Subject) -> Result<(), StoreError> {
        match self.0.ledger.find(&gateway.id(), gateway.account(), subject).await? {
            Some(attempt) if !attempt.status.is_final() => self.ask_soon(&attempt).await,
            _ => Ok(()),
        }
    }
}

/// For notices.
struct Shown(Applied);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
