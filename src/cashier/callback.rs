//! A message from the gateway: checked, judged, applied, acknowledged. In that order: of what is about an attempt of ours, `Done`
//! is only ever said once it is on record, or once the ledger holds that its attempt is to be asked about (PAY-40).

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::Cashier;
use crate::callback::Callback;
use crate::error::VerifyError;
use crate::event::{PaymentEvent, Received, Subject};
use crate::gateway::{Ack, Gateway};
use crate::ledger::{Applied, Cue, StoreError, StoredAttempt};
use crate::payment::PaymentStatus;
use crate::reference::GatewayId;
use crate::security_event::Step;
use crate::trace::notice;
use crate::verified::{Trust, Verified};

impl Cashier {
    /// Takes a server-to-server message and gives the exact reply that the gateway waits for.
    ///
    /// A message that proves nothing is refused without a reason, before anything is looked up and without a trace in the
    /// ledger. A proven one is answered with success once it is on record, whether it changed anything or not; one that is a
    /// reason to ask, once its attempt is due for the sweep. If the ledger fails, the gateway is asked to deliver again; and so it
    /// is while the store asks first, if nobody could be asked about the attempt without what the message says.
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
                    Ok(Kept::Yes) => Ack::Done,
                    Ok(Kept::No) => Ack::Retry,
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

    async fn take(&self, gateway: &Arc<dyn Gateway>, received: &Received) -> Result<Kept, StoreError> {
        match received {
            Received::Hint(subject) => self.take_hint(gateway, subject).await,
            Received::Proven(notification) => {
                self.tell_key(gateway.as_ref(), notification);
                // All of them, or the whole delivery comes again: applying one twice changes nothing.
                let mut kept = Kept::Yes;
                for event in notification.clone().into_events() {
                    if self.take_event(gateway, event).await? == Kept::No {
                        kept = Kept::No;
                    }
                }
                if let Some(subject) = &notification.value().failed_try {
                    self.take_failed_try(gateway, subject).await?;
                }
                Ok(kept)
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

    async fn take_event(&self, gateway: &Arc<dyn Gateway>, event: Verified<PaymentEvent>) -> Result<Kept, StoreError> {
        let said = event.value();
        // Test messages reach live endpoints in some set-ups. Acknowledged, so that they stop coming, and ignored.
        if said.environment != gateway.environment() {
            notice!(gateway = %gateway.id(), "a message of the other environment was ignored");
            self.tell_environment(gateway.as_ref(), said.environment);
            return Ok(Kept::Yes);
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
            return Ok(Kept::Yes);
        };
        if self.0.ledger.mode().await?.asks_first.is_some() {
            // The key may be known to somebody else: what it signed is a reason to ask, and nothing more (PAY-67).
            notice!(attempt = %attempt.reference(), "a signed callback is asked about before anything is applied");
            self.0
                .ledger
                .make_due(attempt.reference(), Cue::Hint, self.now())
                .await?;
            return Ok(if is_only_carrier(&attempt, event.trust(), said.snapshot.status) {
                Kept::No
            } else {
                Kept::Yes
            });
        }
        let applied = self.take_evidence(&attempt, event).await?;
        notice!(attempt = %attempt.reference(), applied = %Shown(applied), "a callback was applied");
        if matches!(applied, Applied::Ask(_)) {
            // Not asked here: the gateway waits for its reply, and the sweep is told.
            self.0
                .ledger
                .make_due(attempt.reference(), Cue::Proven, self.now())
                .await?;
        }
        Ok(Kept::Yes)
    }

    /// Nothing of it is believed; if it names an attempt of ours, the sweep asks. Also about one that is over: money can come late,
    /// and go back.
    async fn take_hint(&self, gateway: &Arc<dyn Gateway>, subject: &Subject) -> Result<Kept, StoreError> {
        if let Some(attempt) = self.0.ledger.find(&gateway.id(), gateway.account(), subject).await? {
            self.0
                .ledger
                .make_due(attempt.reference(), Cue::Hint, self.now())
                .await?;
        }
        Ok(Kept::Yes)
    }
}

/// Is what a message said, or the question that it is a reason for, on record?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Yes,
    /// It has to come again.
    No,
}

/// While asking first nothing of a message is kept, for somebody else may have written it, not even the gateway's names in it: who
/// chooses what is asked about chooses the answer. So what cannot be asked about without the message has to come again, after the
/// reopening: where the gateway has named nothing yet, and where a keyed hash settles because there is nobody to ask.
fn is_only_carrier(attempt: &StoredAttempt, trust: Trust, says: PaymentStatus) -> bool {
    let named = attempt.opened || attempt.checkout.is_some() || attempt.payment.is_some();
    let decides = says.is_final() || says.has_money();
    !named || (trust == Trust::KeyedHash && decides)
}

/// For notices.
struct Shown(Applied);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::conformance::TestGateway;
    use crate::reference::GatewayReference;

    #[test]
    fn while_asking_first_a_message_is_kept_back_if_nothing_else_could_carry_its_news() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000);
        let unnamed = StoredAttempt::new(TestGateway::new().unwrap().expected("EC-1", at).unwrap());
        let name = || Some(GatewayReference::new("of-the-gateway").unwrap());
        let (mut opened, mut with_checkout, mut with_payment) = (unnamed.clone(), unnamed.clone(), unnamed.clone());
        opened.opened = true;
        with_checkout.checkout = name();
        with_payment.payment = name();

        let (signed, keyed) = (Trust::Signature, Trust::KeyedHash);
        for status in PaymentStatus::ALL {
            let decides = status.is_final() || status.has_money();
            assert!(is_only_carrier(&unnamed, signed, status), "{status}");
            assert!(is_only_carrier(&unnamed, keyed, status), "{status}");
            for named in [&opened, &with_checkout, &with_payment] {
                assert!(!is_only_carrier(named, signed, status), "{status}");
                assert_eq!(is_only_carrier(named, keyed, status), decides, "{status}");
            }
        }
    }
}
