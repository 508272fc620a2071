//! Result notifications: what they say, and what an answer means (sheet, "Callback", 2026-11-23). Nothing in them is
//! signed, and the two passwords are stars.

use std::time::SystemTime;

use super::fault::DeliveryFault;
use super::wire::PAGES;
use super::world::World;
use crate::mock::notification::{self, Outbox, Report};
use crate::mock::outbox::{DeliveryOutcome, Letter, Office};

impl Office for World {
    type Item = Report;
    type Fault = DeliveryFault;

    fn pass_time(&mut self, now: SystemTime) {
        self.settle_what_is_due(now);
    }

    fn outbox(&mut self) -> &mut Outbox<DeliveryFault> {
        &mut self.outbox
    }

    fn letter(&mut self, report: &Report, blemish: Option<DeliveryFault>, _now: SystemTime) -> Option<Letter> {
        let mut fields = report.fields.clone();
        let mut set = |name: &str, into: &str| {
            for (_, value) in fields.iter_mut().filter(|(field, _)| *field == name) {
                into.clone_into(value);
            }
        };
        match blemish {
            Some(DeliveryFault::OtherShop) => set("ShopID", "tshop99999999"),
            Some(DeliveryFault::OtherAmount) => set("Amount", "1"),
            Some(DeliveryFault::SaysPaid) => set("Status", "CAPTURE"),
            Some(DeliveryFault::Doubled) => fields.push(("Status", "CAPTURE".to_owned())),
            _ => {}
        }
        // Every value of these is ASCII, so the charset, which is not confirmed, makes no difference.
        Some(notification::letter(PAGES, &fields))
    }

    /// 200 and exactly one digit, whatever its type.
    fn judge(status: u16, _plain: bool, body: &[u8]) -> DeliveryOutcome {
        match (status, body) {
            (200, b"0") => DeliveryOutcome::Taken,
            (200, b"1") => DeliveryOutcome::Refused(String::new()),
            _ => DeliveryOutcome::NotAnAck { status },
        }
    }
}
