//! Result notifications A02-1: how they are written, and how they reach the store (SBPS sheet, "Callback", 2026-11-23).
//!
//! No automatic retry is described for a result; an optional service repeats deposit reports of methods that are paid
//! later. So `OK` and `NG` are sent once, and `PY` and `CN` as often as the shop has booked.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use reqwest::Response;

use super::fault::{ArmedDeliveryFault, DeliveryFault, strike_delivery};
use super::views::{DeliveryOutcome, DeliveryView};
use super::wire::{self, HASH, Over};
use super::world::{Shared, World};
use crate::mock::ids::Ids;

/// The longest reply that is read. `NG,` and a short reason need less.
const LONGEST_ACK: usize = 1024;

/// What there is to tell.
#[derive(Clone)]
pub(super) struct Report {
    pub(super) shop: usize,
    pub(super) order: usize,
    pub(super) order_id: String,
    pub(super) result: &'static str,
    pub(super) url: String,
    pub(super) fields: Vec<(&'static str, String)>,
}

#[derive(Clone)]
struct Parcel {
    report: Report,
    attempt: u32,
    due: SystemTime,
    /// 2 are sent at once; 0 marks the second of them, which is not retried.
    copies: u8,
    blemish: Option<DeliveryFault>,
}

/// Everything that is on its way, or was.
pub(super) struct Outbox {
    queue: VecDeque<Parcel>,
    held: Vec<Parcel>,
    busy: HashSet<String>,
    retry_after: Vec<Duration>,
    pub(super) log: Vec<DeliveryView>,
    pub(super) reports: Vec<Report>,
}

impl Outbox {
    pub(super) fn new(retry_after: Vec<Duration>) -> Self {
        Self {
            queue: VecDeque::new(),
            held: Vec::new(),
            busy: HashSet::new(),
            retry_after,
            log: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Whether nothing is due and nothing is under way.
    pub(super) fn quiet(&self, now: SystemTime) -> bool {
        self.busy.is_empty() && self.queue.iter().all(|parcel| parcel.due > now)
    }

    pub(super) fn publish(&mut self, report: Report, faults: &mut Vec<ArmedDeliveryFault>, now: SystemTime) {
        self.reports.push(report.clone());
        let parcel = Parcel {
            report,
            attempt: 1,
            due: now,
            copies: 1,
            blemish: None,
        };
        match strike_delivery(faults, parcel.report.result) {
            None => self.queue.push_back(parcel.clone()),
            Some(DeliveryFault::Duplicate) => self.queue.extend([parcel.clone(), parcel.clone()]),
            Some(DeliveryFault::TwiceAtOnce) => self.queue.push_back(Parcel {
                copies: 2,
                ..parcel.clone()
            }),
            Some(DeliveryFault::Reordered) => return self.held.push(parcel),
            Some(DeliveryFault::Late(by)) => self.queue.push_back(Parcel {
                due: now.checked_add(by).unwrap_or(now),
                ..parcel.clone()
            }),
            Some(DeliveryFault::Dropped) => {
                return self.log.push(view(&parcel, now, DeliveryOutcome::Dropped, Vec::new()));
            }
            blemish => self.queue.push_back(Parcel {
                blemish,
                ..parcel.clone()
            }),
        }
        let (overtaken, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| held.report.shop == parcel.report.shop);
        self.held = held;
        self.queue.extend(overtaken);
    }

    /// Takes out what is due, one batch per address that is not being served, and marks those as busy.
    fn collect(&mut self, now: SystemTime) -> Vec<(String, Vec<Parcel>)> {
        let mut batches: Vec<(String, Vec<Parcel>)> = Vec::new();
        let mut waiting = VecDeque::new();
        for parcel in self.queue.drain(..) {
            let url = &parcel.report.url;
            if parcel.due > now || self.busy.contains(url) {
                waiting.push_back(parcel);
            } else if let Some((_, batch)) = batches.iter_mut().find(|(busy, _)| busy == url) {
                batch.push(parcel);
            } else {
                batches.push((url.clone(), vec![parcel]));
            }
        }
        self.queue = waiting;
        self.busy.extend(batches.iter().map(|(url, _)| url.clone()));
        batches
    }

    /// Queues the next try of a deposit report; whether there is one.
    fn retry(&mut self, parcel: &Parcel, now: SystemTime) -> bool {
        if !matches!(parcel.report.result, "PY" | "CN") {
            return false;
        }
        let tried = usize::try_from(parcel.attempt).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(wait) = self.retry_after.get(tried) else {
            return false;
        };
        self.queue.push_back(Parcel {
            attempt: parcel.attempt.saturating_add(1),
            due: now.checked_add(*wait).unwrap_or(now),
            copies: 1,
            blemish: None,
            ..parcel.clone()
        });
        true
    }
}

/// Delivers for as long as the simulator lives: whenever something happened, the clock moved, or a moment passed.
pub(super) async fn deliver(shared: Arc<Shared>, client: reqwest::Client) {
    let mut clock = shared.clock.moves();
    loop {
        let batches = {
            let mut world = shared.lock();
            let now = shared.clock.now();
            world.pass_time(now);
            world.outbox.collect(now)
        };
        for (url, batch) in batches {
            drop(tokio::spawn(send_batch(
                Arc::clone(&shared),
                client.clone(),
                url,
                batch,
            )));
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            moved = clock.changed() => if moved.is_err() { return },
            // A running clock makes things due without telling anybody.
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    }
}

async fn send_batch(shared: Arc<Shared>, client: reqwest::Client, url: String, batch: Vec<Parcel>) {
    for parcel in batch {
        if parcel.copies > 1 {
            let twin = Parcel {
                copies: 0,
                ..parcel.clone()
            };
            let twin = tokio::spawn(send(Arc::clone(&shared), client.clone(), twin));
            send(Arc::clone(&shared), client.clone(), parcel).await;
            drop(twin.await);
        } else {
            send(Arc::clone(&shared), client.clone(), parcel).await;
        }
    }
    shared.lock().outbox.busy.remove(&url);
    shared.wake.notify_one();
}

async fn send(shared: Arc<Shared>, client: reqwest::Client, parcel: Parcel) {
    let now = shared.clock.now();
    let body = {
        let mut world = shared.lock();
        body(&mut world, &parcel)
    };
    let sent = client
        .post(&parcel.report.url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.clone())
        .send()
        .await;
    let outcome = match sent {
        Ok(response) => acknowledgement(response).await,
        Err(_) => DeliveryOutcome::NoAnswer,
    };
    let mut world = shared.lock();
    if outcome != DeliveryOutcome::Taken && parcel.copies > 0 && !world.outbox.retry(&parcel, now) {
        world.unreported((parcel.report.shop, parcel.report.order), parcel.report.result);
    }
    world.outbox.log.push(view(&parcel, now, outcome, body));
}

/// `OK,` and nothing else, as plain text with status 200; or `NG,` and a reason.
async fn acknowledgement(mut response: Response) -> DeliveryOutcome {
    let status = response.status().as_u16();
    let plain = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|mime| mime.trim().eq_ignore_ascii_case("text/plain"));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= LONGEST_ACK => body.extend_from_slice(&piece),
            Ok(None) => break,
            Ok(Some(_)) => return DeliveryOutcome::NotAnAck { status },
            Err(_) => return DeliveryOutcome::NoAnswer,
        }
    }
    let visible = |reason: &[u8]| reason.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    match (status, plain, body.as_slice()) {
        (200, true, b"OK,") => DeliveryOutcome::Taken,
        (200, true, [b'N', b'G', b',', reason @ ..]) if visible(reason) => {
            DeliveryOutcome::Refused(String::from_utf8_lossy(reason).into_owned())
        }
        _ => DeliveryOutcome::NotAnAck { status },
    }
}

/// The form in a random order of fields, in `Shift_JIS`, signed over UTF-8.
fn body(world: &mut World, parcel: &Parcel) -> Vec<u8> {
    let key = match (parcel.blemish, world.shops.get(parcel.report.shop)) {
        (Some(DeliveryFault::WrongKey), _) | (_, None) => "key-of-no-shop-at-all".to_owned(),
        (_, Some(shop)) => shop.hash_key.clone(),
    };
    let over = match parcel.blemish {
        Some(DeliveryFault::WrongChannel) => Over::ShiftJis,
        _ => Over::Utf8,
    };
    let mut fields = parcel.report.fields.clone();
    let hash = wire::result_hash(over, &fields, &key);
    match parcel.blemish {
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
    shuffle(&mut fields, &mut world.ids);
    wire::form_body(fields.iter().map(|(name, value)| (*name, value.as_str())))
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

fn view(parcel: &Parcel, at: SystemTime, outcome: DeliveryOutcome, body: Vec<u8>) -> DeliveryView {
    DeliveryView {
        shop: parcel.report.shop,
        order_id: parcel.report.order_id.clone(),
        result: parcel.report.result.to_owned(),
        url: parcel.report.url.clone(),
        attempt: parcel.attempt,
        at,
        outcome,
        body,
    }
}
