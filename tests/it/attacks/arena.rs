//! A gateway's simulator with a store and a thief, who both hold merchant accounts with real money, and everything that was
//! ever sent between them, caught for use.

mod gmopg;
mod komoju;
mod sbps;
mod stripe;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use kessai::ledger::{Ledger, Opened, StoredAttempt};
use kessai::ledgers::MemoryLedger;
use kessai::mock::Clock;
use kessai::security_event::SecurityPolicy;
use kessai::transport::{BoxFuture, CallLimits, HttpTransport, Transport, TransportError, TransportErrorKind};
use kessai::{
    Callback, Cashier, CheckoutRequest, ExpectedPayment, Gateway, MerchantReference, PaymentStatus, PostForm, Redirect,
    ReturnPage, SecuritySink, Standing, SweepPolicy,
};

use super::Gw;
use crate::support::{start, yen};

/// Whose account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Store,
    Thief,
}

/// What becomes of an open page, other than a card that is taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Paid days later: at a till, by a transfer.
    Later,
    /// To be paid later, and it was not.
    Lapsed,
    Declined,
    /// Left alone until it closed.
    Closed,
    /// Paid, and taken back by the card holder's bank.
    Disputed,
}

impl Fate {
    pub const ALL: [Self; 5] = [Self::Later, Self::Lapsed, Self::Declined, Self::Closed, Self::Disputed];
}

/// What one gateway's simulator has to offer; everything else is the same for all of them.
pub trait Played: Send + Sync {
    fn clock(&self) -> Clock;

    /// A client of this account, with its notifications sent to this address.
    fn client(&self, whose: Whose, address: &str, wire: Wire) -> Arc<dyn Gateway>;

    /// A shopper pays, really. Gives what the browser brings back.
    fn pay<'a>(&'a self, redirect: &'a Redirect) -> BoxFuture<'a, Request<Bytes>>;

    /// The same with a page of this account to another end. False where the gateway has no such end, or tells nobody of it.
    fn live<'a>(&'a self, whose: Whose, page: &'a Open, fate: Fate) -> BoxFuture<'a, bool>;

    /// More messages about a payment that was taken: money sent back, where the account can do so.
    fn give_back(&self, attempt: &StoredAttempt);

    fn quiet(&self) -> BoxFuture<'_, ()>;

    /// Does the gateway show a page for this form with these fields changed? Only where there is a form.
    fn takes<'a>(&'a self, form: &'a PostForm, changed: &'a [(&'a str, &'a str)]) -> BoxFuture<'a, bool> {
        let _ = (form, changed);
        unreachable!("a link was expected")
    }

    /// The same message days later, as a gateway repeats itself: under another id and signed anew at this time. None where
    /// messages are not signed.
    fn again(&self, message: &Request<Bytes>, number: u32, at: SystemTime) -> Option<Request<Bytes>>;

    /// The words that say "taken", for a store that takes anything.
    fn taken(&self) -> &'static str;

    /// What the gateway's documents tell a store to compare: the fields of its answers that a payment hangs on.
    fn essential(&self) -> &'static [(&'static str, Hangs)];
}

/// How a payment hangs on a field of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangs {
    /// Without it, or with another value, nothing is paid.
    OnBeingThere,
    /// With another value nothing is paid. Something else binds the answer where it is missing.
    OnItsValue,
}

/// How the store is set up, where there is a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Usual,
    /// Without anybody to ask: a callback alone settles a payment.
    Settles,
    /// What is authorized is captured by an order of its own.
    OnDemand,
}

fn played(gateway: Gw, set: Set) -> Box<dyn Played> {
    match gateway {
        Gw::Stripe => Box::new(stripe::open()),
        Gw::Komoju => Box::new(komoju::open()),
        Gw::Sbps => Box::new(sbps::open(set)),
        Gw::Gmopg => Box::new(gmopg::open()),
    }
}

/// A payment that was really made, and what was sent about it.
#[derive(Clone)]
pub struct Paid {
    pub page: Open,
    pub callbacks: Vec<Request<Bytes>>,
    pub back: Request<Bytes>,
    /// What the gateway answers when it is asked about it.
    pub answers: Exchanges,
}

impl Paid {
    pub fn attempt(&self) -> &StoredAttempt {
        &self.page.attempt
    }
}

/// A checkout that was opened.
#[derive(Clone)]
pub struct Open {
    pub attempt: StoredAttempt,
    opened: Option<Opened>,
    /// None if no page was ever opened.
    pub redirect: Option<Redirect>,
}

pub struct Arena {
    pub gateway: Gw,
    /// Without anybody to ask: a callback alone settles a payment.
    settles: bool,
    pub played: Box<dyn Played>,
    pub store: Arc<dyn Gateway>,
    pub thief: Arc<dyn Gateway>,
    pub wire: Wire,
    pub clock: Clock,
    sent: PostBox,
    loot: PostBox,
    /// What the store says to nonsense.
    refusal: (u16, Bytes),
}

impl Arena {
    pub async fn open(gateway: Gw) -> Self {
        Self::open_as(gateway, Set::Usual).await
    }

    /// At the one gateway that a store can use without anybody to ask.
    pub async fn settling() -> Self {
        Self::open_as(Gw::Sbps, Set::Settles).await
    }

    /// For payments that are authorized first.
    pub async fn on_demand(gateway: Gw) -> Self {
        Self::open_as(gateway, Set::OnDemand).await
    }

    async fn open_as(gateway: Gw, kind: Set) -> Self {
        let played = played(gateway, kind);
        let settles = kind == Set::Settles;
        let (sent, loot) = (PostBox::open(played.taken()).await, PostBox::open(played.taken()).await);
        let wire = Wire::new();
        let store = played.client(Whose::Store, &sent.address, wire.clone());
        let thief = played.client(Whose::Thief, &loot.address, Wire::new());
        let clock = played.clock();
        played.quiet().await;
        let mut arena = Self {
            gateway,
            settles,
            played,
            store,
            thief,
            wire,
            clock,
            sent,
            loot,
            refusal: (0, Bytes::new()),
        };
        let nonsense = Request::post("/").body(Bytes::from_static(b"nonsense")).unwrap();
        let cell = arena.cell(&[]).await;
        let reply = cell.reply(&nonsense).await;
        arena.refusal = (reply.status().as_u16(), reply.into_body());
        arena
    }

    /// What a genuine callback about money does by itself.
    pub fn told_of_money(&self) -> Verdict {
        match self.gateway {
            Gw::Stripe | Gw::Komoju => Verdict::Paid,
            Gw::Sbps if self.settles => Verdict::Paid,
            // It asks before it believes.
            Gw::Sbps => Verdict::News,
            Gw::Gmopg => Verdict::Nothing,
        }
    }

    /// Is this the answer that nonsense gets?
    pub fn is_refusal(&self, status: u16, body: &Bytes) -> bool {
        (status, body) == (self.refusal.0, &self.refusal.1)
    }

    pub fn path(&self, what: &str) -> String {
        format!("/pay/{}/{what}", self.gateway.name())
    }

    pub fn request(order: &str, price: u64) -> CheckoutRequest {
        CheckoutRequest::builder(MerchantReference::new(order).unwrap())
            .total(yen(price))
            .build()
            .unwrap()
    }

    /// Opens a page at the gateway. Nothing is written into any ledger: a cell does that.
    pub async fn page(&self, order: &str, price: u64) -> Open {
        self.page_as(&self.store, order, price, |_| {}).await
    }

    /// The same with a client of one's own, and with other references than those drawn.
    pub async fn page_as(
        &self,
        client: &Arc<dyn Gateway>,
        order: &str,
        price: u64,
        forge: impl FnOnce(&mut ExpectedPayment),
    ) -> Open {
        let request = Self::request(order, price);
        let mut expected = ExpectedPayment::plan(&**client, &request, self.clock.now()).unwrap();
        forge(&mut expected);
        self.wire.live();
        Self::opened(client, expected, &request).await
    }

    /// A page for just this.
    pub async fn page_of(&self, expected: ExpectedPayment, request: &CheckoutRequest) -> Open {
        self.wire.live();
        Self::opened(&self.store, expected, request).await
    }

    async fn opened(client: &Arc<dyn Gateway>, expected: ExpectedPayment, request: &CheckoutRequest) -> Open {
        let checkout = client.checkout(&expected, request).await.unwrap();
        let mut attempt = StoredAttempt::new(expected);
        attempt.checkout.clone_from(&checkout.reference);
        let opened = checkout.confirmed.then(|| Opened {
            checkout: checkout.reference.clone(),
            payment: checkout.payment.clone(),
            expires_at: checkout.expires_at,
            link: None,
        });
        Open {
            attempt,
            opened,
            redirect: Some(checkout.redirect),
        }
    }

    /// Pays at an open page, and catches everything.
    pub async fn pay(&self, page: Open) -> Paid {
        let before = self.sent.count();
        let back = self.played.pay(page.redirect.as_ref().unwrap()).await;
        self.played.quiet().await;
        let callbacks = self.sent.since(before);
        assert!(!callbacks.is_empty(), "nothing was sent about a payment");
        let mut paid = Paid {
            page,
            callbacks,
            back,
            answers: Exchanges::default(),
        };
        paid.answers = self.asked(&paid).await;
        paid
    }

    /// Written down, and never opened at the gateway.
    pub fn planned(&self, order: &str, price: u64) -> Open {
        let request = Self::request(order, price);
        let expected = ExpectedPayment::plan(&*self.store, &request, self.clock.now()).unwrap();
        Open {
            attempt: StoredAttempt::new(expected),
            opened: None,
            redirect: None,
        }
    }

    pub async fn buy(&self, order: &str, price: u64) -> Paid {
        let page = self.page(order, price).await;
        self.pay(page).await
    }

    /// The callbacks about money that was sent back.
    pub async fn give_back(&self, paid: &Paid) -> Vec<Request<Bytes>> {
        let before = self.sent.count();
        self.played.give_back(paid.attempt());
        self.played.quiet().await;
        self.sent.since(before)
    }

    /// What was sent about a page that came to another end than payment; `None` where the gateway has none of the kind.
    pub async fn live(&self, page: &Open, fate: Fate) -> Option<Vec<Request<Bytes>>> {
        let before = self.sent.count();
        let lived = self.played.live(Whose::Store, page, fate).await;
        self.played.quiet().await;
        lived.then(|| self.sent.since(before))
    }

    /// The thief's own page: the same order, attempt, token and price, at his own account.
    async fn page_of_the_thief(&self, victim: &StoredAttempt) -> Open {
        let expected = &victim.expected;
        let (order, price) = (expected.order.as_str(), expected.amount.minor_units());
        self.page_as(&self.thief, order, price, |own| {
            own.attempt = expected.attempt.clone();
            own.return_token = expected.return_token.clone();
        })
        .await
    }

    /// What the thief hears when his own page comes to this end.
    pub async fn steal_by(&self, victim: &StoredAttempt, fate: Fate) -> Vec<Request<Bytes>> {
        let page = self.page_of_the_thief(victim).await;
        let before = self.loot.count();
        let _ = self.played.live(Whose::Thief, &page, fate).await;
        self.played.quiet().await;
        self.loot.since(before)
    }

    /// The thief pays himself.
    pub async fn steal(&self, victim: &StoredAttempt) -> (Vec<Request<Bytes>>, Request<Bytes>) {
        let page = self.page_of_the_thief(victim).await;
        let before = self.loot.count();
        let back = self.played.pay(page.redirect.as_ref().unwrap()).await;
        self.played.quiet().await;
        let callbacks = self.loot.since(before);
        assert!(!callbacks.is_empty(), "the thief heard nothing about his own payment");
        (callbacks, back)
    }

    /// The genuine return of an attempt, whoever paid: our own two values, and nothing of the gateway's.
    pub fn bare_return(&self, attempt: &StoredAttempt) -> Request<Bytes> {
        let expected = &attempt.expected;
        let (attempt, token) = (expected.attempt.as_str(), expected.return_token.as_str());
        let target = format!("{}?attempt={attempt}&state={token}", self.path("return"));
        Request::get(target).body(Bytes::new()).unwrap()
    }

    /// A store that has written these attempts down, and heard nothing since.
    pub async fn cell(&self, pages: &[&Open]) -> Cell<'_> {
        self.cell_over(Arc::new(MemoryLedger::new()), Nobody, pages).await
    }

    /// The same over this ledger, and with somebody who hears of what happens.
    pub async fn cell_over(&self, ledger: Arc<dyn Ledger>, sink: impl SecuritySink, pages: &[&Open]) -> Cell<'_> {
        let cell = self.told_over(ledger, sink, SecurityPolicy::default());
        for page in pages {
            cell.writes(page).await;
        }
        cell
    }

    /// A store that tells this sink what happens, and has written nothing down.
    pub fn told(&self, sink: impl SecuritySink, policy: SecurityPolicy) -> Cell<'_> {
        self.told_over(Arc::new(MemoryLedger::new()), sink, policy)
    }

    fn told_over(&self, ledger: Arc<dyn Ledger>, sink: impl SecuritySink, policy: SecurityPolicy) -> Cell<'_> {
        let clock = Clock::stopped_at(self.clock.now());
        let cashier = Cashier::builder_over(ledger)
            .shared_gateway(Arc::clone(&self.store))
            .clock(clock.clone())
            .security_sink(sink)
            .security_policy(policy)
            .build()
            .unwrap();
        Cell {
            arena: self,
            cashier,
            clock,
        }
    }

    /// A store that can ask about a payment: where only a message names it, that message has come, and it paid nothing.
    pub async fn asking(&self, paid: &Paid) -> Cell<'_> {
        let cell = self.cell(&[&paid.page]).await;
        if self.gateway == Gw::Sbps {
            for callback in &paid.callbacks {
                assert_ne!(cell.callback(callback).await, Verdict::Paid);
            }
        }
        cell
    }

    /// What is really answered when the store asks about a payment.
    async fn asked(&self, paid: &Paid) -> Exchanges {
        if self.settles {
            return Exchanges::default();
        }
        let cell = self.cell(&[&paid.page]).await;
        // Some payments cannot be asked about before a message has named them.
        self.wire.cut();
        for callback in &paid.callbacks {
            let _ = cell.reply(callback).await;
        }
        self.wire.live();
        let attempt = cell.attempt(paid.attempt()).await;
        let _ = self.store.status(&attempt, self.clock.now()).await.unwrap();
        self.wire.take()
    }
}

/// A store in a state of its own.
pub struct Cell<'a> {
    arena: &'a Arena,
    pub cashier: Cashier,
    /// Its own time, which begins with the simulator's and moves alone.
    pub clock: Clock,
}

/// What came of something that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// Answered as nonsense is, or shown to nobody.
    Refused,
    /// On record against somebody, for a human to look at.
    Held,
    /// Nothing is known that was not known before.
    Nothing,
    /// News that pays nothing.
    News,
    /// An order may be fulfilled by it.
    Paid,
}

impl Verdict {
    pub fn is_negative(self) -> bool {
        matches!(self, Self::Refused | Self::Held | Self::Nothing)
    }
}

#[derive(PartialEq)]
struct Picture {
    due: usize,
    held: usize,
    statuses: Vec<PaymentStatus>,
}

impl Cell<'_> {
    /// Writes an attempt down, and its page if one was opened.
    pub async fn writes(&self, page: &Open) {
        let (ledger, expected) = (self.cashier.ledger(), &page.attempt.expected);
        let _ = ledger.expect(expected).await.unwrap();
        if let Some(opened) = &page.opened {
            let _ = ledger
                .opened(&expected.attempt, opened, expected.created_at)
                .await
                .unwrap();
        }
    }

    /// Hands a callback in and gives the bare reply.
    pub async fn reply(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let Ok(callback) = Callback::new(request.clone(), self.clock.now()) else {
            let (status, body) = self.arena.refusal.clone();
            return Response::builder().status(status).body(body).unwrap();
        };
        self.cashier.callback(&self.arena.store.id(), callback).await
    }

    pub async fn callback(&self, request: &Request<Bytes>) -> Verdict {
        let before = self.picture().await;
        let reply = self.reply(request).await;
        let refused = self.arena.is_refusal(reply.status().as_u16(), reply.body());
        self.verdict(&before, refused).await
    }

    pub async fn page(&self, request: &Request<Bytes>) -> Option<ReturnPage> {
        let callback = Callback::new(request.clone(), self.clock.now()).ok()?;
        Some(self.cashier.returned(&self.arena.store.id(), callback).await)
    }

    pub async fn back(&self, request: &Request<Bytes>) -> Verdict {
        let before = self.picture().await;
        let page = self.page(request).await;
        let refused = page.is_none_or(|page| page.standing == Standing::Unknown);
        self.verdict(&before, refused).await
    }

    /// Asks about everything that is due by now.
    pub async fn sweep(&self) -> Verdict {
        let before = self.picture().await;
        let attempts = self.cashier.ledger().latest(1_000).await.unwrap();
        let next = attempts.iter().filter_map(|attempt| attempt.next_ask).min();
        if let Some(wait) = next.and_then(|next| next.duration_since(self.clock.now()).ok()) {
            self.clock.advance(wait);
        }
        self.cashier.sweep(&SweepPolicy::default()).await.unwrap();
        self.verdict(&before, false).await
    }

    pub async fn attempt(&self, attempt: &StoredAttempt) -> StoredAttempt {
        let ledger = self.cashier.ledger();
        ledger.attempt(attempt.reference()).await.unwrap().unwrap()
    }

    /// How often this order may be fulfilled: never, or once.
    pub async fn is_due(&self, attempt: &StoredAttempt) -> bool {
        let ledger = self.cashier.ledger();
        ledger.fulfilment_of(&attempt.expected.order).await.unwrap().is_some()
    }

    /// The orders that may be fulfilled; each is done.
    pub async fn fulfil(&self) -> Vec<String> {
        let mut orders = Vec::new();
        while let Some(due) = self.cashier.next_fulfilment().await.unwrap() {
            orders.push(due.order.as_str().to_owned());
            assert!(due.done().await.unwrap());
        }
        orders
    }

    async fn picture(&self) -> Picture {
        let ledger = self.cashier.ledger();
        let attempts = ledger.latest(1_000).await.unwrap();
        let mut due = 0;
        for attempt in &attempts {
            due += usize::from(self.is_due(attempt).await);
        }
        Picture {
            due,
            held: ledger.held(1_000).await.unwrap().len(),
            statuses: attempts.iter().map(|attempt| attempt.status).collect(),
        }
    }

    async fn verdict(&self, before: &Picture, refused: bool) -> Verdict {
        let after = self.picture().await;
        if after.due > before.due {
            Verdict::Paid
        } else if after.held > before.held {
            Verdict::Held
        } else if after.statuses != before.statuses {
            Verdict::News
        } else if refused {
            Verdict::Refused
        } else {
            Verdict::Nothing
        }
    }
}

/// Takes every message and keeps it.
struct PostBox {
    address: String,
    caught: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl PostBox {
    async fn open(taken: &'static str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let caught = Arc::new(Mutex::new(Vec::new()));
        let own = Arc::clone(&caught);
        let take = move |method: Method, uri: http::Uri, headers: HeaderMap, body: Bytes| async move {
            let mut request = Request::new(body);
            *request.method_mut() = method;
            *request.uri_mut() = uri.path().parse().unwrap();
            *request.headers_mut() = headers;
            own.lock().unwrap().push(request);
            taken
        };
        let app = axum::Router::new().fallback(take);
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, caught }
    }

    fn count(&self) -> usize {
        self.caught.lock().unwrap().len()
    }

    fn since(&self, before: usize) -> Vec<Request<Bytes>> {
        self.caught.lock().unwrap()[before..].to_vec()
    }
}

/// Answers by what was asked.
#[derive(Clone, Default)]
pub struct Exchanges(pub Vec<(Question, Response<Bytes>)>);

/// The address without what changes with the time, and the body where it does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question(String);

impl Question {
    fn of(request: &Request<Bytes>) -> Self {
        let body = String::from_utf8_lossy(request.body());
        // A question in XML carries its own time and hash; its address is the same for all of them, and its first element names its kind.
        let body = if body.trim_start().starts_with('<') {
            body.split("<merchant_id>").next().unwrap_or_default()
        } else {
            &*body
        };
        Self(format!("{} {} {body}", request.method(), request.uri()))
    }
}

/// What lies between a client and the gateway: the real network, nothing, or answers of the attacker's choice.
#[derive(Clone)]
pub struct Wire {
    real: Arc<HttpTransport>,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Default)]
struct Inside {
    mode: Mode,
    heard: Vec<(Question, Response<Bytes>)>,
    asked: usize,
}

#[derive(Default)]
enum Mode {
    #[default]
    Live,
    Cut(Option<TransportErrorKind>),
    Answers(HashMap<Question, Response<Bytes>>),
    /// The same whatever is asked.
    Always(Response<Bytes>),
    /// Of two questions that are asked at once each gets the answer to the other.
    Crossed(Arc<Crossing>),
}

/// Where an answer waits for another one.
#[derive(Default)]
struct Crossing(Mutex<Option<Waiting>>);

/// An answer, and where the other one goes.
type Waiting = (Response<Bytes>, tokio::sync::oneshot::Sender<Response<Bytes>>);

impl Crossing {
    async fn swap(&self, answer: Response<Bytes>) -> Response<Bytes> {
        let mut waits = {
            let mut place = self.0.lock().unwrap();
            if let Some((other, first)) = place.take() {
                first.send(answer).unwrap();
                return other;
            }
            let (first, waits) = tokio::sync::oneshot::channel();
            *place = Some((answer, first));
            waits
        };
        match tokio::time::timeout(Duration::from_millis(500), &mut waits).await {
            Ok(swapped) => swapped.unwrap(),
            // Nobody else asks any more, or is just about to.
            Err(_) => match self.0.lock().unwrap().take() {
                Some((own, _)) => own,
                None => waits.try_recv().unwrap(),
            },
        }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wire(..)")
    }
}

impl Wire {
    fn new() -> Self {
        Self {
            real: Arc::new(HttpTransport::new().unwrap()),
            inside: Arc::default(),
        }
    }

    fn set(&self, mode: Mode) {
        let mut inside = self.inside.lock().unwrap();
        *inside = Inside {
            mode,
            ..Inside::default()
        };
    }

    pub fn live(&self) {
        self.set(Mode::Live);
    }

    pub fn cut(&self) {
        self.set(Mode::Cut(None));
    }

    pub fn fails(&self, kind: TransportErrorKind) {
        self.set(Mode::Cut(Some(kind)));
    }

    pub fn answers(&self, exchanges: &Exchanges) {
        self.set(Mode::Answers(exchanges.0.iter().cloned().collect()));
    }

    pub fn always(&self, answer: Response<Bytes>) {
        self.set(Mode::Always(answer));
    }

    /// The real answers of the gateway, each to the other of two questions.
    pub fn crosses(&self) {
        self.set(Mode::Crossed(Arc::default()));
    }

    /// What was asked and answered since the mode was set.
    pub fn take(&self) -> Exchanges {
        Exchanges(std::mem::take(&mut self.inside.lock().unwrap().heard))
    }

    /// How many questions came since the mode was set.
    pub fn asked(&self) -> usize {
        self.inside.lock().unwrap().asked
    }
}

impl Transport for Wire {
    fn send(
        &self,
        request: Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let question = Question::of(&request);
        let mut crossing = None;
        let decided = {
            let mut inside = self.inside.lock().unwrap();
            inside.asked += 1;
            match &inside.mode {
                Mode::Live => None,
                Mode::Crossed(place) => {
                    crossing = Some(Arc::clone(place));
                    None
                }
                Mode::Cut(kind) => Some(Err(TransportError::new(kind.unwrap_or(TransportErrorKind::Connect)))),
                Mode::Always(answer) => Some(Ok(answer.clone())),
                Mode::Answers(answers) => {
                    let answer = answers.get(&question).cloned();
                    Some(answer.ok_or_else(|| TransportError::new(TransportErrorKind::Connect)))
                }
            }
        };
        Box::pin(async move {
            if let Some(decided) = decided {
                return decided;
            }
            let mut answer = self.real.send(request, limits).await?;
            if let Some(crossing) = crossing {
                answer = crossing.swap(answer).await;
            }
            self.inside.lock().unwrap().heard.push((question, answer.clone()));
            Ok(answer)
        })
    }

    fn pause(&self, _wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Hears and forgets.
#[derive(Debug)]
struct Nobody;

impl SecuritySink for Nobody {
    fn emit(
        &self,
        _record: &kessai::security_event::SecurityRecord<'_>,
    ) -> Result<(), kessai::security_event::SinkError> {
        Ok(())
    }
}

/// Where a simulator's time begins.
fn clock() -> Clock {
    Clock::stopped_at(start())
}

/// One try: each test says itself what is sent.
fn once() -> kessai::transport::RetryPolicy {
    let mut once = kessai::transport::RetryPolicy::default();
    once.tries = 1;
    once
}

/// What a browser brings back to this address.
fn brought_back(url: &str, posted: Option<Vec<u8>>) -> Request<Bytes> {
    let url = url::Url::parse(url).unwrap();
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let request = match &posted {
        Some(_) => Request::post(target).header("content-type", "application/x-www-form-urlencoded"),
        None => Request::get(target),
    };
    request.body(Bytes::from(posted.unwrap_or_default())).unwrap()
}

/// The same event in JSON under another id; its signature is none any more.
fn under_another_id(message: &Request<Bytes>, id: &str) -> Request<Bytes> {
    let mut event: serde_json::Value = serde_json::from_slice(message.body()).unwrap();
    assert!(event["id"].is_string());
    event["id"] = id.into();
    let mut again = message.clone();
    *again.body_mut() = Bytes::from(event.to_string());
    again.headers_mut().remove("content-length");
    again
}
