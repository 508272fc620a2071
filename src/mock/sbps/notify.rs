//! Result notifications A02-1: how they are written, and what an answer means (SBPS sheet, "Callback", 2026-11-23).
//!
//! No automatic retry is described for a result; an optional service repeats deposit reports of methods that are paid
//! later. So `OK` and `NG` are sent once, and `PY` and `CN` as often as the shop has booked.

use std::time::SystemTime;

use super::fault::DeliveryFault;
use super::wire::{self, CHARSET, HASH, Over};
use super::world::{DealState, World};
use crate::mock::ids::Ids;
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

    /// The form in a random order of fields, in `Shift_JIS`, signed over UTF-8.
    fn letter(&mut self, report: &Report, blemish: Option<DeliveryFault>, _now: SystemTime) -> Option<Letter> {
        let key = match (blemish, self.shops.get(report.at.0)) {
            (Some(DeliveryFault::WrongKey), _) | (_, None) => "key-of-no-shop-at-all".to_owned(),
            (_, Some(shop)) => shop.hash_key.clone(),
        };
        let over = match blemish {
            Some(DeliveryFault::WrongChannel) => Over::ShiftJis,
            _ => Over::Utf8,
        };
        let mut fields = report.fields.clone();
        let hash = wire::result_hash(over, &fields, &key);
        match blemish {
            Some(DeliveryFault::Tampered) => change(&mut fields, "amount", |amount| {
                let first = if amount.starts_with('9') { "1" } else { "9" };
                format!("{first}{}", amount.get(1..).unwrap_or_default())
            }),
            Some(DeliveryFault::MovedDigit) => {
                let amount = field(&fields, "amount");
                let (first, rest) = amount.split_at_checked(1).unwrap_or_default();
                change(&mut fields, "tax", |tax| format!("{tax}{first}"));
                change(&mut fields, "amount", |_| rest.to_owned());
            }
            _ => {}
        }
        fields.push((HASH, hash));
        shuffle(&mut fields, &mut self.ids);
        Some(notification::letter(CHARSET, &fields))
    }

    /// `OK,` and nothing else, as plain text with status 200; or `NG,` and a reason.
    fn judge(status: u16, plain: bool, body: &[u8]) -> DeliveryOutcome {
        let visible = |reason: &[u8]| reason.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
        match (status, plain, body) {
            (200, true, b"OK,") => DeliveryOutcome::Taken,
            (200, true, [b'N', b'G', b',', reason @ ..]) if visible(reason) => {
                DeliveryOutcome::Refused(String::from_utf8_lossy(reason).into_owned())
            }
            _ => DeliveryOutcome::NotAnAck { status },
        }
    }

    /// Nobody took the report of this sale.
    fn given_up(&mut self, report: &Report) {
        let undo = self.settings.undo_unreported && report.result == "OK";
        if let Some(deal) = self.order_mut(report.at).and_then(|order| order.deal.as_mut())
            && undo
        {
            deal.state = DealState::Cancelled;
            deal.due = None;
        }
    }
}

fn field(fields: &[(&'static str, String)], name: &str) -> String {
    let found = fields.iter().find(|(field, _)| *field == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

fn change(fields: &mut [(&'static str, String)], name: &str, into: impl FnOnce(&str) -> String) {
    if let Some((_, value)) = fields.iter_mut().find(|(field, _)| *field == name) {
        *value = into(value);
    }
}

fn shuffle(fields: &mut Vec<(&'static str, String)>, ids: &mut Ids) {
    let mut keyed: Vec<(String, (&'static str, String))> =
        fields.drain(..).map(|field| (ids.make("", 8), field)).collect();
    keyed.sort_by(|one, other| one.0.cmp(&other.0));
    fields.extend(keyed.into_iter().map(|(_, field)| field));
}
