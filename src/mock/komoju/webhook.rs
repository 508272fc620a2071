//! Events: their signature, and how they reach the store (KOMOJU sheet, "Callback", 2026-11-23).

use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::fault::{ArmedDeliveryFault, DeliveryFault, strike_delivery};
use super::world::Shared;

/// The value of `X-Komoju-Signature` for a body: lower-case hex of HMAC-SHA256 over the raw body, keyed with the bytes of
/// the webhook secret.
///
/// For tests that want to send their own callbacks, genuine or nearly so.
#[must_use]
pub fn signature_header(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of any length, so there is no error to report.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    let tag = mac.chain_update(body).finalize().into_bytes();
    tag.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// One delivery of one event to one endpoint, as the simulator saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryView {
    pub(super) account: String,
    /// The event, as its body names it.
    pub event: String,
    /// Its type, such as `payment.captured`.
    pub event_type: String,
    /// Where it went.
    pub endpoint: String,
    /// `X-Komoju-ID`; repeated tries of the same delivery keep it.
    pub delivery: String,
    /// 1 for the first try; repeated tries of the same delivery count up.
    pub attempt: u32,
    /// When, by the simulator's clock.
    pub at: SystemTime,
    /// What the store answered; nothing if it did not, or if nothing was sent.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// The `X-Komoju-Signature` that was sent; empty if nothing was.
    pub signature: String,
    /// The body that was sent.
    pub body: Arc<[u8]>,
}

impl DeliveryView {
    /// Whether the store answered 200. The sheet knows no other acknowledgement.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        matches!(self.outcome, DeliveryOutcome::Answered(200))
    }
}

impl std::fmt::Debug for DeliveryView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            account: _,
            event,
            event_type,
            endpoint,
            delivery,
            attempt,
            at,
            status: _,
            outcome,
            signature: _,
            body,
        } = self;
        f.debug_struct("DeliveryView")
            .field("event", event)
            .field("event_type", event_type)
            .field("endpoint", endpoint)
            .field("delivery", delivery)
            .field("attempt", attempt)
            .field("at", at)
            .field("outcome", outcome)
            .field("body_bytes", &body.len())
            .finish_non_exhaustive()
    }
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// The store answered with this status.
    Answered(u16),
    /// No answer: refused connection, time-out, broken reply.
    NoAnswer,
    /// Never sent, because of [`DeliveryFault::Dropped`].
    Dropped,
}

/// A place a merchant wants events delivered to.
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) secret: String,
}

/// Something that happened.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: SystemTime,
    pub(super) json: Value,
}

/// What the first try of a delivery does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blemish {
    None,
    WrongSecret,
    Tampered,
}

/// A delivery that is still to be made.
pub(super) struct Parcel {
    pub(super) account: String,
    endpoint: String,
    event: String,
    kind: String,
    delivery: String,
    body: Arc<[u8]>,
    attempt: u32,
    due: SystemTime,
    copies: u32,
    blemish: Blemish,
}

/// Deliveries to be made, deliveries made.
pub(super) struct Outbox {
    queue: VecDeque<Parcel>,
    /// Held back until the endpoint has had another event.
    held: Vec<Parcel>,
    /// Endpoints that are being served: deliveries to one endpoint go one after the other.
    busy: HashSet<String>,
    pub(super) log: Vec<DeliveryView>,
    pub(super) retry_after: Vec<Duration>,
}

impl Outbox {
    pub(super) fn new(retry_after: Vec<Duration>) -> Self {
        Self {
            queue: VecDeque::new(),
            held: Vec::new(),
            busy: HashSet::new(),
            log: Vec::new(),
            retry_after,
        }
    }

    /// Whether nothing is due and nothing is on its way.
    pub(super) fn quiet(&self, now: SystemTime) -> bool {
        self.busy.is_empty() && self.queue.iter().all(|parcel| parcel.due > now)
    }

    /// Queues an event for one endpoint, with whatever fault is armed for it.
    pub(super) fn post(
        &mut self,
        faults: &mut Vec<ArmedDeliveryFault>,
        account: &str,
        endpoint: &Endpoint,
        event: &Event,
        delivery: String,
        now: SystemTime,
    ) {
        let parcel = || Parcel {
            account: account.to_owned(),
            endpoint: endpoint.id.clone(),
            event: event.id.clone(),
            kind: event.kind.clone(),
            delivery: delivery.clone(),
            body: body_of(event),
            attempt: 1,
            due: now,
            copies: 1,
            blemish: Blemish::None,
        };
        let fault = strike_delivery(faults, &event.kind, &endpoint.url);
        match fault {
            None => self.queue.push_back(parcel()),
            Some(DeliveryFault::Duplicate) => self.queue.extend([parcel(), parcel()]),
            Some(DeliveryFault::TwiceAtOnce) => self.queue.push_back(Parcel { copies: 2, ..parcel() }),
            Some(DeliveryFault::Reordered) => return self.held.push(parcel()),
            Some(DeliveryFault::Late(by)) => {
                self.queue.push_back(Parcel {
                    due: now.checked_add(by).unwrap_or(now),
                    ..parcel()
                });
            }
            Some(DeliveryFault::Dropped) => {
                return self.log.push(DeliveryView {
                    account: account.to_owned(),
                    event: event.id.clone(),
                    event_type: event.kind.clone(),
                    endpoint: endpoint.url.clone(),
                    delivery,
                    attempt: 1,
                    at: now,
                    status: None,
                    outcome: DeliveryOutcome::Dropped,
                    signature: String::new(),
                    body: body_of(event),
                });
            }
            Some(DeliveryFault::WrongSecret) => {
                self.queue.push_back(Parcel {
                    blemish: Blemish::WrongSecret,
                    ..parcel()
                });
            }
            Some(DeliveryFault::Tampered) => self.queue.push_back(Parcel {
                blemish: Blemish::Tampered,
                ..parcel()
            }),
        }
        let (overtaken, held) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| held.endpoint == endpoint.id);
        self.held = held;
        self.queue.extend::<Vec<_>>(overtaken);
    }

    /// Takes out what is due, one batch per endpoint that is not being served, and marks those as busy.
    fn collect(&mut self, now: SystemTime) -> Vec<(String, Vec<Parcel>)> {
        let mut batches: Vec<(String, Vec<Parcel>)> = Vec::new();
        let mut waiting = VecDeque::new();
        for parcel in self.queue.drain(..) {
            if parcel.due > now || self.busy.contains(&parcel.endpoint) {
                waiting.push_back(parcel);
            } else if let Some((_, batch)) = batches.iter_mut().find(|(endpoint, _)| *endpoint == parcel.endpoint) {
                batch.push(parcel);
            } else {
                batches.push((parcel.endpoint.clone(), vec![parcel]));
            }
        }
        self.queue = waiting;
        self.busy.extend(batches.iter().map(|(endpoint, _)| endpoint.clone()));
        batches
    }

    /// Queues the next try, unless all are used up.
    fn retry(&mut self, parcel: Parcel, now: SystemTime) {
        let tried = usize::try_from(parcel.attempt).unwrap_or(usize::MAX).saturating_sub(1);
        if let Some(wait) = self.retry_after.get(tried) {
            let due = now.checked_add(*wait).unwrap_or(now);
            let attempt = parcel.attempt.saturating_add(1);
            self.queue.push_back(Parcel {
                attempt,
                due,
                copies: 1,
                blemish: Blemish::None,
                ..parcel
            });
        }
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
        for (endpoint, batch) in batches {
            drop(tokio::spawn(send_batch(
                Arc::clone(&shared),
                client.clone(),
                endpoint,
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

async fn send_batch(shared: Arc<Shared>, client: reqwest::Client, endpoint: String, batch: Vec<Parcel>) {
    for parcel in batch {
        if parcel.copies > 1 {
            let twin = tokio::spawn(send(Arc::clone(&shared), client.clone(), parcel.twin()));
            send(Arc::clone(&shared), client.clone(), parcel).await;
            drop(twin.await);
        } else {
            send(Arc::clone(&shared), client.clone(), parcel).await;
        }
    }
    shared.lock().outbox.busy.remove(&endpoint);
    shared.wake.notify_one();
}

impl Parcel {
    /// The second of two copies; only the first is retried.
    fn twin(&self) -> Self {
        Self {
            account: self.account.clone(),
            endpoint: self.endpoint.clone(),
            event: self.event.clone(),
            kind: self.kind.clone(),
            delivery: self.delivery.clone(),
            body: Arc::clone(&self.body),
            attempt: self.attempt,
            due: self.due,
            copies: 0,
            blemish: self.blemish,
        }
    }
}

async fn send(shared: Arc<Shared>, client: reqwest::Client, parcel: Parcel) {
    let now = shared.clock.now();
    let prepared = shared
        .lock()
        .endpoint(&parcel.account, &parcel.endpoint)
        .map(|endpoint| {
            let signature = match parcel.blemish {
                Blemish::WrongSecret => signature_header("a secret of nobody", &parcel.body),
                _ => signature_header(&endpoint.secret, &parcel.body),
            };
            let body = match parcel.blemish {
                Blemish::Tampered => tampered(&parcel.body),
                _ => Arc::clone(&parcel.body),
            };
            (endpoint.url.clone(), signature, body)
        });
    // None after the endpoint was removed.
    let Some((url, signature, body)) = prepared else { return };
    let sent = client
        .post(&url)
        .header("content-type", "application/json")
        .header("user-agent", "Komoju-Webhook")
        .header("x-komoju-signature", &signature)
        .header("x-komoju-id", &parcel.delivery)
        .header("x-komoju-event", &parcel.kind)
        .body(body.to_vec())
        .send()
        .await;
    let outcome = match sent {
        Ok(response) => DeliveryOutcome::Answered(response.status().as_u16()),
        Err(_) => DeliveryOutcome::NoAnswer,
    };
    let status = match outcome {
        DeliveryOutcome::Answered(status) => Some(status),
        _ => None,
    };
    let delivery = DeliveryView {
        account: parcel.account.clone(),
        event: parcel.event.clone(),
        event_type: parcel.kind.clone(),
        endpoint: url,
        delivery: parcel.delivery.clone(),
        attempt: parcel.attempt,
        at: now,
        status,
        outcome,
        signature,
        body,
    };
    let mut world = shared.lock();
    if !delivery.acknowledged() && parcel.copies > 0 {
        world.outbox.retry(parcel, now);
    }
    world.outbox.log.push(delivery);
}

/// Compact. Fixed when the event happens: a retry repeats the same bytes.
fn body_of(event: &Event) -> Arc<[u8]> {
    // A JSON value without exotic keys always prints.
    serde_json::to_vec(&event.json).unwrap_or_default().into()
}

/// The same body with one digit changed: in the amount, if there is one.
fn tampered(body: &[u8]) -> Arc<[u8]> {
    let text = String::from_utf8_lossy(body);
    let amounts = ["\"total\":", "\"amount\":"];
    let start = amounts.iter().find_map(|name| text.find(name)).unwrap_or(0);
    let mut bytes = body.to_vec();
    if let Some(digit) = bytes.iter_mut().skip(start).find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'1' } else { *digit + 1 };
    }
    bytes.into()
}
