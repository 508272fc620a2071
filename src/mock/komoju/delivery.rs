//! How an event is signed and sent, and what an answer means (KOMOJU sheet, "Callback", 2026-11-23).

use std::time::SystemTime;

use super::fault::DeliveryFault;
use super::webhook::{SIGNATURE, signature_header};
use super::world::World;
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
    fn letter(&mut self, posted: &Posted, blemish: Option<DeliveryFault>, _now: SystemTime) -> Option<Letter> {
        let endpoint = self.endpoint(&posted.account, &posted.endpoint)?;
        let signature = match blemish {
            Some(DeliveryFault::WrongSecret) => signature_header("a secret of nobody", &posted.body),
            _ => signature_header(&endpoint.secret, &posted.body),
        };
        let body = match blemish {
            Some(DeliveryFault::Tampered) => tampered(&posted.body, &["\"total\":", "\"amount\":"]),
            _ => posted.body.clone(),
        };
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "Komoju-Webhook".to_owned()),
            (SIGNATURE, signature),
            ("x-komoju-id", posted.delivery.clone()),
            ("x-komoju-event", posted.kind.clone()),
        ];
        Some(Letter { headers, body })
    }

    /// 200; the sheet knows no other acknowledgement.
    fn judge(status: u16, _plain: bool, _body: &[u8]) -> DeliveryOutcome {
        match status {
            200 => DeliveryOutcome::Taken,
            _ => DeliveryOutcome::NotAnAck { status },
        }
    }
}
