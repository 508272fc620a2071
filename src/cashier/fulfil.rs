//! The right to fulfil: handed out at least once, under a key that never changes.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::Cashier;
use crate::clock::Clock;
use crate::ledger::{Fulfilment, Ledger, StoreError};
use crate::payment::PaymentStatus;
use crate::security_event::{Emitter, SecurityEvent, Step};

/// How long a right is reserved for whoever took it. If it is not done by then, it is handed out again.
const LEASE: Duration = Duration::from_secs(5 * 60);

/// An order that may be fulfilled, reserved for the caller.
///
/// Ship, mail or credit under [`Fulfilment::key`] as the idempotency key of that system, then call [`done`](Self::done). If
/// the process dies in between, the same right comes again with the same key.
pub struct Due {
    fulfilment: Fulfilment,
    status: PaymentStatus,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    events: Arc<Emitter>,
}

impl Due {
    /// What is known of the payment now. The right was given when the money came, and stays; but the money may have gone back
    /// since, by a refund or a dispute, and then a person should look before anything leaves the house.
    #[must_use]
    pub fn status(&self) -> PaymentStatus {
        self.status
    }

    /// The order was fulfilled. True the first time.
    pub async fn done(self) -> Result<bool, StoreError> {
        let done = self.ledger.done(&self.fulfilment.key, self.clock.now()).await;
        self.tell(done.as_ref());
        done
    }

    fn tell(&self, done: Result<&bool, &StoreError>) {
        match done {
            Ok(true) => self.events.emit(SecurityEvent::Fulfilled {
                attempt: self.fulfilment.attempt.clone(),
                order: self.fulfilment.order.clone(),
                deliveries: u64::from(self.fulfilment.deliveries),
            }),
            Ok(false) => {}
            Err(_) => self.events.emit(SecurityEvent::LedgerFailed { during: Step::Fulfil }),
        }
    }
}

impl Deref for Due {
    type Target = Fulfilment;

    fn deref(&self) -> &Fulfilment {
        &self.fulfilment
    }
}

impl fmt::Debug for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Due")
            .field(&self.fulfilment)
            .field(&self.status)
            .finish()
    }
}

impl Cashier {
    /// The next order that may be fulfilled, oldest first, or nothing.
    ///
    /// An error of which [`StoreError::is_damage`] is true concerns one right alone, whose row has lost its form: go on calling, the
    /// others come. That one is named by [`verify`](Self::verify), and comes again when its time is over.
    pub async fn next_fulfilment(&self) -> Result<Option<Due>, StoreError> {
        let (ledger, clock) = (Arc::clone(&self.0.ledger), Arc::clone(&self.0.clock));
        let next = ledger.next_fulfilment(self.now(), LEASE).await;
        let Some(fulfilment) = next.inspect_err(self.ledger_failed(Step::Fulfil))? else {
            return Ok(None);
        };
        let attempt = ledger.attempt(&fulfilment.attempt).await;
        let attempt = attempt.inspect_err(self.ledger_failed(Step::Fulfil))?;
        let status = attempt.map_or(PaymentStatus::Unknown, |attempt| attempt.status);
        Ok(Some(Due {
            fulfilment,
            status,
            ledger,
            clock,
            events: Arc::clone(&self.0.events),
        }))
    }
}
