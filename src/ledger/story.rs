//! What the records of an attempt tell, and in what the attempt differs from that.

use std::time::SystemTime;

use super::record::whole;
use super::{Fulfilment, Record, RecordKind, StoredAttempt};
use crate::payment::PaymentStatus;
use crate::reference::{FulfilmentKey, GatewayReference};

/// In what an attempt is not as its records tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The position of the record that tells it otherwise; 0 if none does.
    pub(crate) position: u64,
    /// A word for it.
    pub(crate) what: &'static str,
}

/// What the records of an attempt tell.
#[derive(Default)]
pub(super) struct Story {
    /// The position of the record that wrote it down; 0 if there is none.
    pub(super) written: u64,
    whole: Option<String>,
    status: Option<PaymentStatus>,
    opened: bool,
    /// True if every name that was bound is in the records.
    names: bool,
    checkout: Option<GatewayReference>,
    payment: Option<GatewayReference>,
    right: Option<FulfilmentKey>,
    done: Option<SystemTime>,
}

impl Story {
    pub(super) fn of(records: &[Record]) -> Self {
        let mut story = Self::default();
        for record in records {
            match record.kind.clone() {
                RecordKind::Expected { whole, names, .. } => {
                    story.names = names;
                    story.written = record.position;
                    story.whole = Some(whole);
                    story.status = Some(PaymentStatus::Created);
                }
                RecordKind::Opened { checkout, payment } => {
                    story.opened = true;
                    story.hear_names(checkout, payment);
                }
                RecordKind::Closed { .. } => story.status = Some(PaymentStatus::Failed),
                RecordKind::Applied {
                    to, checkout, payment, ..
                } => {
                    story.status = Some(to);
                    story.hear_names(checkout, payment);
                }
                RecordKind::Heard { checkout, payment, .. } => story.hear_names(checkout, payment),
                RecordKind::Fulfilment { key } => story.right = Some(key),
                RecordKind::Fulfilled { .. } => story.done = Some(record.at),
                _ => {}
            }
        }
        story
    }

    /// A name is bound once, by whatever names it first.
    fn hear_names(&mut self, checkout: Option<GatewayReference>, payment: Option<GatewayReference>) {
        self.checkout = self.checkout.take().or(checkout);
        self.payment = self.payment.take().or(payment);
    }

    /// Is the state the one that is told? If not, it differs from the record at the position.
    pub(super) fn agrees_with(
        &self,
        attempt: &StoredAttempt,
        right: Option<&Fulfilment>,
        last: u64,
    ) -> Result<(), Difference> {
        if self.whole.as_deref() != Some(whole(&attempt.expected).as_str()) {
            return Err(Difference {
                position: self.written,
                what: "expected",
            });
        }
        let right = right.filter(|right| right.attempt == *attempt.reference());
        // Before names were kept, one that was bound by a later proof was in no record.
        let same_name = |told: &Option<_>, kept: &Option<_>| told == kept || (!self.names && told.is_none());
        let differing = [
            (self.status != Some(attempt.status), "status"),
            (self.opened != attempt.opened, "opened"),
            (!same_name(&self.checkout, &attempt.checkout), "checkout"),
            (!same_name(&self.payment, &attempt.payment), "payment"),
            (self.right.as_ref() != right.map(|right| &right.key), "fulfilment"),
            (self.done != right.and_then(|right| right.done_at), "fulfilled"),
        ];
        let differing = differing.into_iter().find(|(differs, _)| *differs);
        match differing {
            Some((_, what)) => Err(Difference { position: last, what }),
            None => Ok(()),
        }
    }
}
