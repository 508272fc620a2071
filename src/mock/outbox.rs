//! How notifications reach a store: one try after the other, as its gateway makes them, with whatever goes wrong on the way.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use reqwest::Response;
use tokio::sync::Notify;

use super::armed::Quiver;
use super::{Clock, MockError};

/// The longest reply that is read. The longest acknowledgement is a word and a short reason.
const LONGEST_ACK: usize = 1024;

/// What the server, the background task and every handle of one simulator share.
pub(super) struct Shared<W> {
    pub(super) clock: Clock,
    /// Wakes the task that delivers.
    pub(super) wake: Notify,
    world: Mutex<W>,
}

impl<W> Shared<W> {
    pub(super) fn new(clock: Clock, world: W) -> Self {
        Self {
            clock,
            wake: Notify::new(),
            world: Mutex::new(world),
        }
    }

    /// A panic in a test that holds the lock must not take the simulator down with it.
    pub(super) fn lock(&self) -> MutexGuard<'_, W> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Office> Shared<W> {
    /// Waits until everything that is due has been done and delivered: at most this long, in real time.
    pub(super) async fn quiet(&self, at_most: Duration) -> Result<(), MockError> {
        let settled = async {
            loop {
                {
                    let mut world = self.lock();
                    let now = self.clock.now();
                    world.pass_time(now);
                    if world.outbox().is_quiet(now) {
                        return;
                    }
                }
                self.wake.notify_one();
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        tokio::time::timeout(at_most, settled)
            .await
            .map_err(|_| MockError::NotQuiet(at_most))
    }
}

/// The part of a simulated gateway that has something to deliver.
pub(super) trait Office: Send + 'static {
    /// What can go wrong with a delivery of this gateway's.
    type Fault: Copy + Into<Mishap> + Send + 'static;

    /// Does everything that has become due.
    fn pass_time(&mut self, now: SystemTime);

    fn outbox(&mut self) -> &mut Outbox<Self::Fault>;

    /// The body of one delivery.
    fn letter(&mut self, report: &Report, blemish: Option<Self::Fault>) -> Vec<u8>;

    /// What a store's answer means: status, whether it is plain text, and body.
    fn judge(status: u16, plain: bool, body: &[u8]) -> DeliveryOutcome;

    /// Nobody took it, and it is not sent again.
    fn given_up(&mut self, report: &Report);
}

/// What goes wrong with one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Delivered once more after it was delivered.
    Duplicate,
    /// Delivered twice at the same moment.
    TwiceAtOnce,
    /// Held back until the next of the same shop was delivered.
    Reordered,
    /// Delivered this much later.
    Late(Duration),
    /// Never delivered.
    Dropped,
    /// Something is wrong with what it says.
    Inside,
}

/// What there is to tell.
#[derive(Clone)]
pub(super) struct Report {
    /// Shop and order.
    pub(super) at: (usize, usize),
    pub(super) order_id: String,
    /// The gateway's word for what happened.
    pub(super) result: &'static str,
    pub(super) url: String,
    pub(super) fields: Vec<(&'static str, String)>,
    /// Whether it is sent again if the store does not take it.
    pub(super) repeats: bool,
}

#[derive(Clone)]
struct Parcel<F> {
    report: Report,
    attempt: u32,
    due: SystemTime,
    /// 2 are sent at once; 0 marks the second of them, which is not retried.
    copies: u8,
    blemish: Option<F>,
}

/// Everything that is on its way, or was.
pub(super) struct Outbox<F> {
    queue: VecDeque<Parcel<F>>,
    held: Vec<Parcel<F>>,
    busy: HashSet<String>,
    /// The waits before the second, third, ... try.
    retry_after: Vec<Duration>,
    /// By the `result` of a report.
    pub(super) faults: Arc<Quiver<F, String>>,
    pub(super) log: Vec<DeliveryView>,
    pub(super) reports: Vec<Report>,
}

impl<F: Copy + Into<Mishap>> Outbox<F> {
    pub(super) fn new(retry_after: Vec<Duration>) -> Self {
        Self {
            queue: VecDeque::new(),
            held: Vec::new(),
            busy: HashSet::new(),
            retry_after,
            faults: Arc::default(),
            log: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Whether nothing is due and nothing is under way.
    fn is_quiet(&self, now: SystemTime) -> bool {
        self.busy.is_empty() && self.queue.iter().all(|parcel| parcel.due > now)
    }

    pub(super) fn publish(&mut self, report: Report, now: SystemTime) {
        self.reports.push(report.clone());
        let shop = report.at.0;
        let fault = self.faults.strike(&report.result.to_owned());
        let parcel = Parcel {
            report,
            attempt: 1,
            due: now,
            copies: 1,
            blemish: None,
        };
        match fault.map(Into::into) {
            None => self.queue.push_back(parcel),
            Some(Mishap::Duplicate) => self.queue.extend([parcel.clone(), parcel]),
            Some(Mishap::TwiceAtOnce) => self.queue.push_back(Parcel { copies: 2, ..parcel }),
            Some(Mishap::Reordered) => return self.held.push(parcel),
            Some(Mishap::Late(by)) => self.queue.push_back(Parcel {
                due: now.checked_add(by).unwrap_or(now),
                ..parcel
            }),
            Some(Mishap::Dropped) => {
                return self.log.push(view(&parcel, now, DeliveryOutcome::Dropped, Vec::new()));
            }
            Some(Mishap::Inside) => self.queue.push_back(Parcel {
                blemish: fault,
                ..parcel
            }),
        }
        let (overtaken, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|held| held.report.at.0 == shop);
        self.held = held;
        self.queue.extend(overtaken);
    }

    /// Sends the last report of an order once more; whether there is one.
    pub(super) fn resend(&mut self, at: (usize, usize), now: SystemTime) -> bool {
        let last = self.reports.iter().rev().find(|report| report.at == at).cloned();
        let known = last.is_some();
        if let Some(report) = last {
            self.publish(report, now);
        }
        known
    }

    /// Every delivery to this shop, in order.
    pub(super) fn of_shop(&self, shop: usize) -> Vec<DeliveryView> {
        let own = self.log.iter().filter(|delivery| delivery.shop == shop);
        own.cloned().collect()
    }

    /// Takes out what is due, one batch per address that is not being served, and marks those as busy.
    fn collect(&mut self, now: SystemTime) -> Vec<(String, Vec<Parcel<F>>)> {
        let mut batches: Vec<(String, Vec<Parcel<F>>)> = Vec::new();
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

    /// Queues the next try; whether there is one.
    fn retry(&mut self, parcel: &Parcel<F>, now: SystemTime) -> bool {
        let tried = usize::try_from(parcel.attempt).unwrap_or(usize::MAX).saturating_sub(1);
        let wait = self.retry_after.get(tried).filter(|_| parcel.report.repeats);
        let Some(wait) = wait else { return false };
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
pub(super) async fn deliver<W: Office>(shared: Arc<Shared<W>>, client: reqwest::Client) {
    let mut clock = shared.clock.moves();
    loop {
        let batches = {
            let mut world = shared.lock();
            let now = shared.clock.now();
            world.pass_time(now);
            world.outbox().collect(now)
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

async fn send_batch<W: Office>(
    shared: Arc<Shared<W>>,
    client: reqwest::Client,
    url: String,
    batch: Vec<Parcel<W::Fault>>,
) {
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
    shared.lock().outbox().busy.remove(&url);
    shared.wake.notify_one();
}

async fn send<W: Office>(shared: Arc<Shared<W>>, client: reqwest::Client, parcel: Parcel<W::Fault>) {
    let now = shared.clock.now();
    let body = shared.lock().letter(&parcel.report, parcel.blemish);
    let sent = client
        .post(&parcel.report.url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.clone())
        .send()
        .await;
    let outcome = match sent {
        Ok(response) => acknowledgement::<W>(response).await,
        Err(_) => DeliveryOutcome::NoAnswer,
    };
    let mut world = shared.lock();
    if outcome != DeliveryOutcome::Taken && parcel.copies > 0 && !world.outbox().retry(&parcel, now) {
        world.given_up(&parcel.report);
    }
    world.outbox().log.push(view(&parcel, now, outcome, body));
}

async fn acknowledgement<W: Office>(mut response: Response) -> DeliveryOutcome {
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
    W::judge(status, plain, &body)
}

fn view<F>(parcel: &Parcel<F>, at: SystemTime, outcome: DeliveryOutcome, body: Vec<u8>) -> DeliveryView {
    DeliveryView {
        shop: parcel.report.at.0,
        order_id: parcel.report.order_id.clone(),
        result: parcel.report.result.to_owned(),
        url: parcel.report.url.clone(),
        attempt: parcel.attempt,
        at,
        outcome,
        body,
    }
}

/// What nobody has taken of these: order id and result.
pub(super) fn untaken(deliveries: &[DeliveryView]) -> Vec<(String, String)> {
    let mut missing: Vec<(String, String)> = Vec::new();
    for delivery in deliveries {
        let about = (delivery.order_id.clone(), delivery.result.clone());
        missing.retain(|known| *known != about);
        if delivery.outcome != DeliveryOutcome::Taken {
            missing.push(about);
        }
    }
    missing
}

/// One delivery of one notification, as the simulator saw it.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeliveryView {
    shop: usize,
    /// The order it was about.
    pub order_id: String,
    /// The gateway's word for what it reports.
    pub result: String,
    /// Where it went.
    pub url: String,
    /// 1 for the first try; repeated tries of the same delivery count up.
    pub attempt: u32,
    /// When, by the simulator's clock.
    pub at: SystemTime,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// The body that was sent; empty if nothing was.
    pub body: Vec<u8>,
}

impl DeliveryView {
    /// Whether the store took it.
    #[must_use]
    pub fn acknowledged(&self) -> bool {
        self.outcome == DeliveryOutcome::Taken
    }
}

/// It holds what the customer bought; its length is shown.
impl std::fmt::Debug for DeliveryView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            shop: _,
            order_id,
            result,
            url,
            attempt,
            at,
            outcome,
            body,
        } = self;
        f.debug_struct("DeliveryView")
            .field("order_id", order_id)
            .field("result", result)
            .field("url", url)
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
    /// Exactly what the gateway's documents ask for.
    Taken,
    /// A refusal as the documents have it, with its reason if there is one.
    Refused(String),
    /// An answer that is neither: another status, another type, a line break too many.
    NotAnAck {
        /// Its status.
        status: u16,
    },
    /// No answer: refused connection, time-out, broken reply.
    NoAnswer,
    /// Never sent, on purpose.
    Dropped,
}
