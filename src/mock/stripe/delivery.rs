//! How an event is signed and sent, and what an answer means (Stripe sheet §7, 2026-11-23).

use std::time::SystemTime;

use super::fault::DeliveryFault;
use super::webhook::{SIGNATURE, signature_header};
use super::world::World;
use crate::mock::clock::unix;
use crate::mock::outbox::{DeliveryOutcome, Letter, Office};
use crate::mock::webhook::{Outbox, Posted, tampered};

impl Office for World {
    type Item = Posted;
    type Fault = DeliveryFault;

    fn pass_time(&mut self, now: SystemTime) {
        self.settle_what_is_due(now);
    }

    fn outbox(&mut self) -> &mut Outbox<DeliveryFault> {
        &mut self.outbox
    }

    /// Nothing once the endpoint was removed.
    fn letter(&mut self, posted: &Posted, blemish: Option<DeliveryFault>, now: SystemTime) -> Option<Letter> {
        let endpoint = self.endpoint(&posted.account, &posted.endpoint)?;
        let timestamp = match blemish {
            Some(DeliveryFault::OldTimestamp(by)) => unix(now.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)),
            _ => unix(now),
        };
        let header = match blemish {
            Some(DeliveryFault::WrongSecret) => signature_header("whsec_of_nobody", timestamp, &posted.body),
            _ => endpoint.header(timestamp, now, &posted.body),
        };
        let body = match blemish {
            Some(DeliveryFault::Tampered) => tampered(&posted.body, &["\"amount_total\":", "\"amount\":", "\"amount"]),
            _ => posted.body.clone(),
        };
        let headers = vec![
            ("content-type", "application/json; charset=utf-8".to_owned()),
            (SIGNATURE, header),
        ];
        Some(Letter { headers, body })
    }

    /// Any 2xx.
    fn judge(status: u16, _plain: bool, _body: &[u8]) -> DeliveryOutcome {
        match status {
            200..=299 => DeliveryOutcome::Taken,
            _ => DeliveryOutcome::NotAnAck { status },
        }
    }

    fn taken(&mut self, posted: &Posted) {
        if let Some(event) = self.event_mut(&posted.account, &posted.event) {
            event.pending.remove(&posted.endpoint);
        }
    }
}
