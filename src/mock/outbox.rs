//! How messages reach a store: one try after the other, as its gateway makes them, with whatever goes wrong on the way.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
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
    /// The world, brought up to now.
    pub(super) fn current(&self) -> MutexGuard<'_, W> {
        let mut world = self.lock();
        world.pass_time(self.clock.now());
        world
    }

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
    /// What it delivers.
    type Item: Item;
    /// What can go wrong with a delivery of this gateway's.
    type Fault: Copy + Into<Mishap> + Send + 'static;

    /// Does everything that has become due.
    fn pass_time(&mut self, now: SystemTime);

    fn outbox(&mut self) -> &mut Outbox<Self::Item, Self::Fault>;

    /// What is sent in one try; nothing if nobody wants it any more.
    fn letter(&mut self, item: &Self::Item, blemish: Option<Self::Fault>, now: SystemTime) -> Option<Letter>;

    /// What a store's answer means: status, whether it is plain text, and body.
    fn judge(status: u16, plain: bool, body: &[u8]) -> DeliveryOutcome;

    /// The store has it.
    fn taken(&mut self, _item: &Self::Item) {}

    /// Nobody took it, and it is not sent again.
    fn given_up(&mut self, _item: &Self::Item) {}
}

/// Something to deliver.
pub(super) trait Item: Clone + Send + 'static {
    /// The gateway's word for what happened.
    fn result(&self) -> &str;

    fn url(&self) -> &str;

    /// Whether the same shop (or endpoint of it) gets both.
    fn is_for_the_same_as(&self, other: &Self) -> bool;

    /// Whether it is sent again if the store does not take it.
    fn repeats(&self) -> bool {
        true
    }
}

/// What goes over the wire.
pub(super) struct Letter {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
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

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryOutcome {
    /// What the gateway's documents ask for.
    Taken,
    /// A refusal as the documents have it, with its reason if there is one.
    Refused(String),
    /// An answer that is neither: another status, or where the body counts, another type or a line break too many.
    NotAnAck {
        /// Its status.
        status: u16,
    },
    /// No answer: refused connection, time-out, broken reply.
    NoAnswer,
    /// Never sent, on purpose.
    Dropped,
}

/// One try that was made, or dropped on purpose.
pub(super) struct Delivery<I> {
    pub(super) item: I,
    pub(super) attempt: u32,
    pub(super) at: SystemTime,
    pub(super) outcome: DeliveryOutcome,
    /// Of the answer.
    pub(super) status: Option<u16>,
    /// What was sent, if anything was.
    pub(super) letter: Option<Letter>,
}

#[derive(Clone)]
struct Parcel<I, F> {
    item: I,
    attempt: u32,
    due: SystemTime,
    /// 2 are sent at once; 0 marks the second of them, which is not retried.
    copies: u8,
    blemish: Option<F>,
}

/// Everything that is on its way, or was.
pub(super) struct Outbox<I, F> {
    queue: VecDeque<Parcel<I, F>>,
    /// Held back until the same shop has had something else.
    held: Vec<Parcel<I, F>>,
    /// Addresses that are being served: deliveries to one go one after the other.
    busy: HashSet<String>,
    /// The waits before the second, third, ... try.
    retry_after: Vec<Duration>,
    /// By the result of an item.
    pub(super) faults: Arc<Quiver<F, String>>,
    /// Whatever was to be delivered, in order.
    pub(super) published: Vec<I>,
    pub(super) log: Vec<Delivery<I>>,
}

impl<I: Item, F: Copy + Into<Mishap>> Outbox<I, F> {
    pub(super) fn new(retry_after: Vec<Duration>) -> Self {
        Self {
            queue: VecDeque::new(),
            held: Vec::new(),
            busy: HashSet::new(),
            retry_after,
            faults: Arc::default(),
            published: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Whether nothing is due and nothing is under way.
    fn is_quiet(&self, now: SystemTime) -> bool {
        self.busy.is_empty() && self.queue.iter().all(|parcel| parcel.due > now)
    }

    /// Queues it, with whatever fault is armed for it.
    pub(super) fn publish(&mut self, item: I, now: SystemTime) {
        self.published.push(item.clone());
        let fault = self.faults.strike_delivery(item.result(), item.url());
        let parcel = Parcel {
            item,
            attempt: 1,
            due: now,
            copies: 1,
            blemish: None,
        };
        let next = match fault.map(Into::into) {
            None => vec![parcel],
            Some(Mishap::Duplicate) => vec![parcel.clone(), parcel],
            Some(Mishap::TwiceAtOnce) => vec![Parcel { copies: 2, ..parcel }],
            Some(Mishap::Reordered) => return self.held.push(parcel),
            Some(Mishap::Late(by)) => vec![Parcel {
                due: now.checked_add(by).unwrap_or(now),
                ..parcel
            }],
            Some(Mishap::Dropped) => {
                return self.log.push(Delivery {
                    item: parcel.item,
                    attempt: parcel.attempt,
                    at: now,
                    outcome: DeliveryOutcome::Dropped,
                    status: None,
                    letter: None,
                });
            }
            Some(Mishap::Inside) => vec![Parcel {
                blemish: fault,
                ..parcel
            }],
        };
        let is_passed = |held: &Parcel<I, F>| next.iter().any(|next| next.item.is_for_the_same_as(&held.item));
        let (overtaken, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held).into_iter().partition(is_passed);
        self.held = held;
        self.queue.extend(next);
        self.queue.extend(overtaken);
    }

    /// Takes out what is due, one batch per address that is not being served, and marks those as busy.
    fn collect(&mut self, now: SystemTime) -> Vec<(String, Vec<Parcel<I, F>>)> {
        let mut batches: Vec<(String, Vec<Parcel<I, F>>)> = Vec::new();
        let mut waiting = VecDeque::new();
        for parcel in self.queue.drain(..) {
            let url = parcel.item.url();
            if parcel.due > now || self.busy.contains(url) {
                waiting.push_back(parcel);
            } else if let Some((_, batch)) = batches.iter_mut().find(|(busy, _)| busy == url) {
                batch.push(parcel);
            } else {
                batches.push((url.to_owned(), vec![parcel]));
            }
        }
        self.queue = waiting;
        self.busy.extend(batches.iter().map(|(url, _)| url.clone()));
        batches
    }

    /// Queues the next try; whether there is one.
    fn retry(&mut self, parcel: &Parcel<I, F>, now: SystemTime) -> bool {
        let tried = usize::try_from(parcel.attempt).unwrap_or(usize::MAX).saturating_sub(1);
        let wait = self.retry_after.get(tried).filter(|_| parcel.item.repeats());
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
    batch: Vec<Parcel<W::Item, W::Fault>>,
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

async fn send<W: Office>(shared: Arc<Shared<W>>, client: reqwest::Client, parcel: Parcel<W::Item, W::Fault>) {
    let now = shared.clock.now();
    let letter = shared.lock().letter(&parcel.item, parcel.blemish, now);
    let Some(letter) = letter else { return };
    let mut request = client.post(parcel.item.url()).body(letter.body.clone());
    for (name, value) in &letter.headers {
        request = request.header(*name, value);
    }
    let (status, outcome) = match request.send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            (Some(status), acknowledgement::<W>(status, response).await)
        }
        Err(_) => (None, DeliveryOutcome::NoAnswer),
    };
    let mut world = shared.lock();
    if outcome == DeliveryOutcome::Taken {
        world.taken(&parcel.item);
    } else if parcel.copies > 0 && !world.outbox().retry(&parcel, now) {
        world.given_up(&parcel.item);
    }
    world.outbox().log.push(Delivery {
        item: parcel.item,
        attempt: parcel.attempt,
        at: now,
        outcome,
        status,
        letter: Some(letter),
    });
}

async fn acknowledgement<W: Office>(status: u16, mut response: Response) -> DeliveryOutcome {
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
