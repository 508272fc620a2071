//! Events: their envelope, their signature, and how they reach the store (Stripe sheet §7, 2026-11-23).

use std::collections::{HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::fault::{ArmedDeliveryFault, DeliveryFault, strike_delivery};
use super::version::NEWEST;
use super::world::Shared;
use crate::mock::clock::unix;
use crate::mock::ids::Ids;

/// The value of `Stripe-Signature` for a body, as Stripe computes it: HMAC-SHA256 over `t.body`, keyed with the whole
/// secret text, prefix included.
///
/// For tests that want to send their own callbacks, genuine or nearly so.
#[must_use]
pub fn signature_header(secret: &str, timestamp: i64, body: &[u8]) -> String {
    format!("t={timestamp},v1={}", signature(secret, timestamp, body))
}

/// One delivery of one event to one endpoint, as the simulator saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryView {
    pub(super) account: String,
    /// The event, `evt_...`.
    pub event: String,
    /// Its type, such as `checkout.session.completed`.
    pub event_type: String,
    /// Where it went.
    pub endpoint: String,
    /// 1 for the first try; repeated tries of the same delivery count up.
    pub attempt: u32,
    /// When, by the simulator's clock.
    pub at: SystemTime,
    /// What the store answered; nothing if it did not, or if nothing was sent.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// The `Stripe-Signature` that was sent; empty if nothing was.
    pub signature: String,
    /// The body that was sent.
    pub body: Arc<[u8]>,
}

impl DeliveryView {
    /// Whether the store answered 2xx.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        matches!(self.outcome, DeliveryOutcome::Answered(200..=299))
    }
}

impl std::fmt::Debug for DeliveryView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            account: _,
            event,
            event_type,
            endpoint,
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
    pub(super) types: Vec<String>,
    /// The newest first; with it, until when it still signs (`None` for the current one).
    pub(super) secrets: Vec<(String, Option<SystemTime>)>,
}

impl Endpoint {
    pub(super) fn wants(&self, event_type: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == event_type)
    }

    /// One `t`, one `v1` per active secret, and the fake `v0` that test events carry.
    fn header(&self, timestamp: i64, now: SystemTime, body: &[u8]) -> String {
        let mut header = format!("t={timestamp}");
        for (secret, until) in &self.secrets {
            if until.is_none_or(|until| now < until) {
                // Writing into a String cannot fail.
                let _ = write!(header, ",v1={}", signature(secret, timestamp, body));
            }
        }
        let _ = write!(header, ",v0={}", signature("v0-is-no-secret", timestamp, body));
        header
    }
}

/// An event as it can be read again through the API.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) created: i64,
    pub(super) object: Value,
    pub(super) request: Option<(String, Option<String>)>,
    /// Endpoints that have not acknowledged it yet.
    pub(super) pending: HashSet<String>,
}

impl Event {
    pub(super) fn json(&self) -> Value {
        let (id, key) = match &self.request {
            Some((id, key)) => (Some(id), key.as_ref()),
            None => (None, None),
        };
        json!({
            "id": self.id,
            "object": "event",
            "api_version": NEWEST,
            "created": self.created,
            "data": { "object": self.object },
            "livemode": false,
            "pending_webhooks": self.pending.len(),
            "request": { "id": id, "idempotency_key": key },
            "type": self.kind,
        })
    }
}

/// What the first try of a delivery does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blemish {
    None,
    Old(Duration),
    WrongSecret,
    Tampered,
}

/// A delivery that is still to be made.
pub(super) struct Parcel {
    pub(super) account: String,
    endpoint: String,
    event: String,
    kind: String,
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
        now: SystemTime,
    ) {
        let parcel = || Parcel {
            account: account.to_owned(),
            endpoint: endpoint.id.clone(),
            event: event.id.clone(),
            kind: event.kind.clone(),
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
                    attempt: 1,
                    at: now,
                    status: None,
                    outcome: DeliveryOutcome::Dropped,
                    signature: String::new(),
                    body: body_of(event),
                });
            }
            Some(DeliveryFault::OldTimestamp(by)) => {
                self.queue.push_back(Parcel {
                    blemish: Blemish::Old(by),
                    ..parcel()
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
            let (timestamp, body) = match parcel.blemish {
                Blemish::Old(by) => (
                    unix(now.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)),
                    Arc::clone(&parcel.body),
                ),
                _ => (unix(now), Arc::clone(&parcel.body)),
            };
            let header = match parcel.blemish {
                Blemish::WrongSecret => signature_header("whsec_of_nobody", timestamp, &body),
                _ => endpoint.header(timestamp, now, &body),
            };
            let body = if parcel.blemish == Blemish::Tampered {
                tampered(&body)
            } else {
                body
            };
            (endpoint.url.clone(), header, body)
        });
    // None after the endpoint was removed.
    let Some((url, signature, body)) = prepared else { return };
    let sent = client
        .post(&url)
        .header("content-type", "application/json; charset=utf-8")
        .header("stripe-signature", &signature)
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
        attempt: parcel.attempt,
        at: now,
        status,
        outcome,
        signature,
        body,
    };
    let mut world = shared.lock();
    if delivery.acknowledged() {
        if let Some(event) = world.event_mut(&parcel.account, &parcel.event) {
            event.pending.remove(&parcel.endpoint);
        }
    } else if parcel.copies > 0 {
        world.outbox.retry(parcel, now);
    }
    world.outbox.log.push(delivery);
}

/// A new endpoint secret.
pub(super) fn new_secret(ids: &mut Ids) -> String {
    ids.make("whsec_", 32)
}

/// Pretty-printed, as Stripe sends it. Fixed when the event happens: a retry repeats the same bytes.
fn body_of(event: &Event) -> Arc<[u8]> {
    // A JSON value without exotic keys always prints.
    serde_json::to_vec_pretty(&event.json()).unwrap_or_default().into()
}

/// The same body with one digit changed: in the amount, if there is one.
fn tampered(body: &[u8]) -> Arc<[u8]> {
    let text = String::from_utf8_lossy(body);
    let amounts = ["\"amount_total\":", "\"amount\":", "\"amount"];
    let start = amounts.iter().find_map(|name| text.find(name)).unwrap_or(0);
    let mut bytes = body.to_vec();
    if let Some(digit) = bytes.iter_mut().skip(start).find(|byte| byte.is_ascii_digit()) {
        *digit = if *digit == b'9' { b'1' } else { *digit + 1 };
    }
    bytes.into()
}

fn signature(secret: &str, timestamp: i64, body: &[u8]) -> String {
    // HMAC takes keys of any length, so there is no error to report.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    let tag = mac
        .chain_update(timestamp.to_string())
        .chain_update(b".")
        .chain_update(body)
        .finalize()
        .into_bytes();
    tag.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
