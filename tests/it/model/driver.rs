//! Does to a real ledger what a step says, and holds the answer against the model.
//!
//! A caller that dies in the middle does not know whether its step was done. Then both are possible, and the driver goes on with
//! two models, until an answer of the ledger rules one of them out.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use kessai::conformance::ledger::LedgerSource;
use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{
    AskDue, Asked, CloseReason, Cue, Expected, Fulfilment, Judgement, ModeChange, Note, Opened, RecordKind, StoreError,
    StoredAttempt, Switch, SwitchText, Which, verify,
};
use kessai::ledgers::MemoryLedger;
use kessai::{
    AttemptReference, CaptureMode, Currency, Environment, EventId, ExpectedPayment, FulfilmentKey, GatewayId,
    GatewayReference, Ledger, MerchantAccount, MerchantReference, Money, PaymentEvent, ReferenceFormat, Verified,
};

use tokio::sync::Barrier;

use super::linear::{Heard, Search};
use super::reference::{FINAL, Line, Model, Said, View, Whole};
use super::steps::{Luck, Plan, Step, Tell, Turn, Twist, What};

/// What differs, as text.
pub type Found<T = ()> = Result<T, String>;

/// A ledger and all the models that could be its own.
pub struct Driver {
    ledger: Arc<dyn Ledger>,
    /// It is still there after the end of a process.
    keeps: bool,
    /// How often the whole state is compared, in steps.
    audit_every: usize,
    hands: Hands,
    models: Vec<Model>,
    steps: usize,
    /// What happened, so that a run can say that it showed something.
    pub tally: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub steps: usize,
    pub paid: usize,
    pub held: usize,
    pub older: usize,
    pub done: usize,
    pub lost_replies: usize,
    pub deaths: usize,
    /// How often both were possible after a death.
    pub doubts: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        for (ours, theirs) in [
            (&mut self.steps, other.steps),
            (&mut self.paid, other.paid),
            (&mut self.held, other.held),
            (&mut self.older, other.older),
            (&mut self.done, other.done),
            (&mut self.lost_replies, other.lost_replies),
            (&mut self.deaths, other.deaths),
            (&mut self.doubts, other.doubts),
        ] {
            *ours += theirs;
        }
    }
}

impl Driver {
    pub fn new(ledger: Arc<dyn Ledger>, keeps: bool, audit_every: usize) -> Self {
        Self {
            ledger,
            keeps,
            audit_every,
            hands: Hands::new(),
            models: vec![Model::default()],
            steps: 0,
            tally: Tally::default(),
        }
    }

    /// The same caller with its plans and proofs, before a ledger that is empty.
    pub fn begin_again(&mut self, ledger: Arc<dyn Ledger>) {
        self.ledger = ledger;
        self.models = vec![Model::default()];
        self.hands.kept.clear();
        self.steps = 0;
    }

    /// One step, and whether the ledger did what one of the models does.
    pub async fn step(&mut self, source: &dyn LedgerSource, step: &Step) -> Found {
        self.steps += 1;
        self.tally.steps += 1;
        match step.luck {
            Luck::Good => self.compare(step).await?,
            Luck::LostReply => {
                self.tally.lost_replies += 1;
                let _nobody_heard = self.hands.perform(self.ledger.as_ref(), step).await;
                for model in &mut self.models {
                    model.step(step);
                }
                self.compare(step).await?;
            }
            Luck::Died => {
                self.restart(source).await?;
                self.compare(step).await?;
            }
            Luck::Dies(moment) => {
                self.die(step, moment).await;
                self.restart(source).await?;
            }
        }
        if self.steps.is_multiple_of(self.audit_every) {
            self.audit().await?;
        }
        Ok(())
    }

    async fn compare(&mut self, step: &Step) -> Found {
        let said = self.hands.perform(self.ledger.as_ref(), step).await?;
        self.tally.count(&said);
        let mut wanted = Vec::new();
        let mut fitting: Vec<Model> = Vec::with_capacity(self.models.len());
        for mut model in self.models.drain(..) {
            let predicted = model.step(step);
            if predicted != said {
                wanted.push(predicted);
            } else if !fitting.contains(&model) {
                fitting.push(model);
            }
        }
        self.models = fitting;
        if self.models.is_empty() {
            return Err(format!("the ledger said {said:?}, the model {wanted:?}"));
        }
        Ok(())
    }

    /// The caller dies while it waits. It was done, or it was not: whatever comes first will tell.
    async fn die(&mut self, step: &Step, moment: u32) {
        self.tally.deaths += 1;
        // What was kept in the hands of the caller is not the ledger's.
        let kept = self.hands.kept.clone();
        {
            let mut work = pin!(self.hands.perform(self.ledger.as_ref(), step));
            let mut left = moment;
            std::future::poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                match work.as_mut().poll(context) {
                    Poll::Ready(_) => Poll::Ready(()),
                    // The last look was in vain: it is not waited for any longer.
                    Poll::Pending if left == 0 => Poll::Ready(()),
                    Poll::Pending => Poll::Pending,
                }
            })
            .await;
        }
        if matches!(step.what, What::Judge { .. }) {
            self.hands.kept = kept;
            return;
        }
        if let What::Expect(plan) = step.what {
            // What was planned was planned, whether it was written down or not.
            self.hands.plan(plan);
            for model in &mut self.models {
                model.plan(plan);
            }
        }
        let mut models = std::mem::take(&mut self.models);
        for model in &models.clone() {
            let mut done = model.clone();
            done.step(step);
            if !models.contains(&done) {
                models.push(done);
            }
        }
        self.tally.doubts += usize::from(models.len() > 1);
        self.models = models;
    }

    /// As the end of a process, and another one that opens what was kept.
    async fn restart(&mut self, source: &dyn LedgerSource) -> Found {
        if self.keeps {
            let old = std::mem::replace(&mut self.ledger, Arc::new(MemoryLedger::new()));
            let opened = source.reopen(old).await?;
            self.ledger = opened.ok_or("a ledger on disk kept nothing")?;
        }
        self.audit().await
    }

    /// The whole state, against what every model says.
    pub async fn audit(&mut self) -> Found {
        let Some(model) = self.models.first() else {
            return Err("no model is left".to_owned());
        };
        let whole = self.hands.whole(self.ledger.as_ref(), &model.orders()).await?;
        let wanted = model.whole();
        self.models.retain(|model| model.whole() == whole);
        if self.models.is_empty() {
            return Err(difference(&whole, &wanted));
        }
        Ok(())
    }

    /// The end of a history: the state, the story line by line, the chain, and what must hold whatever any model says.
    pub async fn finish(&mut self) -> Found {
        self.audit().await?;
        let (lines, kinds) = self.story().await?;
        if !self.models.iter().any(|model| model.lines() == lines) {
            let wanted = self.models[0].lines();
            let place = wanted.iter().zip(&lines).position(|(wanted, line)| wanted != line);
            return Err(format!("the story differs, first at {place:?} of {}", lines.len()));
        }
        self.invariants(&lines, &kinds).await?;
        let check = verify(self.ledger.as_ref(), &[]).await.map_err(text)?;
        if !check.is_intact() {
            return Err(format!("the chain: {check:?}"));
        }
        Ok(())
    }

    /// Everything that is on record, in the model's words and in the ledger's.
    async fn story(&self) -> Found<(Vec<Line>, Vec<RecordKind>)> {
        let records = self.ledger.records(0, 1_000_000).await.map_err(text)?;
        let kinds: Vec<RecordKind> = records
            .iter()
            .map(|record| serde_json::from_str(&record.body).map_err(|error| error.to_string()))
            .collect::<Result<_, _>>()?;
        let mut lines = Vec::with_capacity(records.len());
        for (record, kind) in records.iter().zip(&kinds) {
            let attempt = record
                .attempt
                .as_ref()
                .map(|name| self.hands.number(name))
                .transpose()?;
            let at = u64::try_from(record.at_micros).unwrap() / 1_000_000;
            lines.push((attempt, at, kind.as_str()));
        }
        Ok((lines, kinds))
    }

    /// Several callers at once, each with its own steps: was there an order of all of them in which the model says what each of
    /// them heard? What was over before something began comes before it.
    pub async fn race(&mut self, callers: &[Vec<Step>]) -> Found {
        for step in callers.iter().flatten() {
            if let What::Expect(plan) = step.what {
                self.hands.plan(plan);
                for model in &mut self.models {
                    model.plan(plan);
                }
            }
        }
        let (moment, start) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(callers.len())));
        let mut running = Vec::new();
        for steps in callers.iter().cloned() {
            let (mut hands, ledger) = (self.hands.fork(), Arc::clone(&self.ledger));
            let (moment, start) = (Arc::clone(&moment), Arc::clone(&start));
            running.push(tokio::spawn(async move {
                start.wait().await;
                let mut heard = Vec::new();
                for step in steps {
                    let begun = moment.fetch_add(1, Ordering::SeqCst);
                    let said = hands.perform(ledger.as_ref(), &step).await?;
                    let ended = moment.fetch_add(1, Ordering::SeqCst);
                    heard.push(Heard {
                        step,
                        said,
                        begun,
                        ended,
                    });
                }
                Ok::<_, String>(heard)
            }));
        }
        let mut heard = Vec::new();
        for caller in running {
            heard.push(caller.await.map_err(|error| error.to_string())??);
        }
        for heard in heard.iter().flatten() {
            self.tally.steps += 1;
            self.tally.count(&heard.said);
        }
        let (story, _) = self.story().await?;
        let mut search = Search::new(&heard, &story);
        for model in std::mem::take(&mut self.models) {
            search.go(model, &vec![0; heard.len()]);
        }
        if search.ends.is_empty() {
            return Err(format!(
                "no order explains what was said and what is on record:\n{}\n{story:?}",
                listed(&heard)
            ));
        }
        self.tally.doubts += usize::from(search.ends.len() > 1);
        self.models = search.ends;
        Ok(())
    }

    /// Read out of what the ledger wrote, without a model.
    async fn invariants(&self, lines: &[(Option<u32>, u64, &'static str)], kinds: &[RecordKind]) -> Found {
        let (mut paid, mut fulfilled) = (HashMap::new(), HashMap::new());
        for ((attempt, _, _), kind) in lines.iter().zip(kinds) {
            let Some(attempt) = attempt else { continue };
            let order = self.hands.plans[attempt].0.order;
            let twice = match kind {
                RecordKind::Fulfilment { key } => paid.insert(order, key.clone()).is_some(),
                RecordKind::Fulfilled { key } => {
                    fulfilled.insert(order, key.clone()).is_some() || paid.get(&order) != Some(key)
                }
                RecordKind::Applied { from, to, .. } => {
                    let leaves = FINAL.iter().find(|(end, _)| end == from);
                    leaves.is_some_and(|(_, ways)| !ways.contains(to))
                }
                _ => false,
            };
            if twice {
                return Err(format!(
                    "order {order}, attempt {attempt}: {kind:?} must never come after what came before"
                ));
            }
        }
        let mut owners = HashMap::new();
        for (_, attempt) in self
            .ledger
            .attempts_after(0, Which::All, 1_000_000)
            .await
            .map_err(text)?
        {
            let names = [("page", &attempt.checkout), ("payment", &attempt.payment)];
            for (what, name) in names {
                let Some(name) = name else { continue };
                if owners
                    .insert((what, name.clone()), attempt.reference().clone())
                    .is_some()
                {
                    return Err(format!("the {what} {name} is bound to two attempts"));
                }
            }
        }
        Ok(())
    }
}

impl Tally {
    fn count(&mut self, said: &Said) {
        use kessai::Applied as A;
        match said {
            Said::Told { verdict, .. } | Said::Verdict(verdict) => match verdict {
                A::Now => self.paid += 1,
                A::Held(_) => self.held += 1,
                A::Older => self.older += 1,
                _ => {}
            },
            Said::First(true) => self.done += 1,
            _ => {}
        }
    }
}

fn difference(found: &Whole, wanted: &Whole) -> String {
    if found.attempts != wanted.attempts {
        let pairs = found.attempts.iter().zip(&wanted.attempts);
        let first = pairs.into_iter().find(|(found, wanted)| found != wanted);
        return format!(
            "{} attempts, the model has {}; first difference {first:?}",
            found.attempts.len(),
            wanted.attempts.len()
        );
    }
    if found.rights != wanted.rights {
        return format!("rights {:?}, the model has {:?}", found.rights, wanted.rights);
    }
    format!(
        "{} records and mode {:?}, the model has {} and {:?}",
        found.records, found.mode, wanted.records, wanted.mode
    )
}

/// The caller's side: its plans, the gateway that signs for it, and what it holds in its hands.
struct Hands {
    gateway: TestGateway,
    plans: BTreeMap<u32, (Plan, ExpectedPayment)>,
    numbers: HashMap<AttemptReference, u32>,
    proofs: HashMap<Tell, Verified<PaymentEvent>>,
    kept: HashMap<u8, Judgement>,
}

impl Hands {
    fn new() -> Self {
        Self {
            gateway: TestGateway::new().unwrap(),
            plans: BTreeMap::new(),
            numbers: HashMap::new(),
            proofs: HashMap::new(),
            kept: HashMap::new(),
        }
    }

    /// Of another caller of the same store, with empty hands.
    fn fork(&self) -> Self {
        Self {
            gateway: TestGateway::new().unwrap(),
            plans: self.plans.clone(),
            numbers: self.numbers.clone(),
            proofs: self.proofs.clone(),
            kept: HashMap::new(),
        }
    }

    fn plan(&mut self, plan: Plan) -> ExpectedPayment {
        if let Some((_, expected)) = self.plans.get(&plan.attempt) {
            return expected.clone();
        }
        let mut expected = self
            .gateway
            .expected(&order_name(plan.order), time(plan.created))
            .unwrap();
        if plan.manual {
            expected.capture = CaptureMode::Manual;
        }
        self.numbers.insert(expected.attempt.clone(), plan.attempt);
        self.plans.insert(plan.attempt, (plan, expected.clone()));
        expected
    }

    fn attempt(&self, number: u32) -> Option<AttemptReference> {
        self.plans.get(&number).map(|(_, expected)| expected.attempt.clone())
    }

    fn number(&self, name: &str) -> Found<u32> {
        let attempt = AttemptReference::new(name).map_err(|error| error.to_string())?;
        self.number_of(&attempt)
    }

    fn number_of(&self, attempt: &AttemptReference) -> Found<u32> {
        let number = self.numbers.get(attempt).copied();
        number.ok_or_else(|| format!("{attempt} was never planned"))
    }

    /// Does it, and says in the model's words what the ledger said.
    async fn perform(&mut self, ledger: &dyn Ledger, step: &Step) -> Found<Said> {
        let at = time(step.at);
        match &step.what {
            What::Expect(plan) => {
                let expected = self.plan(*plan);
                Ok(match ledger.expect(&expected).await {
                    Ok(Expected::Written) => Said::Written,
                    Ok(Expected::Open(other)) => Said::Blocked(self.number_of(other.reference())?),
                    Ok(Expected::Paid(other)) => Said::Paid(self.number_of(&other)?),
                    Ok(Expected::Stopped(_)) => Said::Stopped,
                    // A database says by itself that the attempt is there, and its error has a cause.
                    Err(_) => Said::Refused,
                })
            }
            What::Open {
                attempt,
                checkout,
                payment,
                expires,
            } => {
                let Some(attempt) = self.attempt(*attempt) else {
                    return Ok(Said::Nothing);
                };
                let opened = Opened {
                    checkout: checkout.map(page),
                    payment: payment.map(payment_name),
                    expires_at: expires.map(time),
                    link: None,
                };
                or_refused(ledger.opened(&attempt, &opened, at).await.map(Said::Bound))
            }
            What::Close { attempt } => {
                let Some(attempt) = self.attempt(*attempt) else {
                    return Ok(Said::Nothing);
                };
                let closed = ledger.close(&attempt, CloseReason::NotSent, at).await;
                or_refused(closed.map(|()| Said::Done))
            }
            What::Tell(tell) => {
                let Some(found) = self.find(ledger, tell).await? else {
                    return Ok(self.unfound(tell));
                };
                let judgement = found.judge(self.prove(tell));
                let verdict = ledger.apply(&judgement, at).await.map_err(text)?;
                let (attempt, found) = self.view(&found)?;
                Ok(Said::Told {
                    attempt,
                    found,
                    verdict,
                })
            }
            What::Judge { slot, tell } => {
                let Some(found) = self.find(ledger, tell).await? else {
                    return Ok(self.unfound(tell));
                };
                let judgement = found.judge(self.prove(tell));
                self.kept.insert(*slot, judgement);
                let (attempt, found) = self.view(&found)?;
                Ok(Said::Judged { attempt, found })
            }
            What::ApplyKept { slot } => match self.kept.get(slot) {
                None => Ok(Said::Nothing),
                Some(kept) => ledger.apply(kept, at).await.map(Said::Verdict).map_err(text),
            },
            What::Sweep { lease, limit } => {
                let due = AskDue {
                    gateway: self.gateway.id(),
                    now: at,
                    lease: Duration::from_secs(*lease),
                    limit: *limit,
                };
                let handed_out = ledger.attempts_to_ask(&due).await.map_err(text)?;
                let views: Found<Vec<_>> = handed_out.iter().map(|attempt| self.view(attempt)).collect();
                Ok(Said::Attempts(views?))
            }
            What::Asked {
                attempt,
                next,
                answered,
                stale,
            } => {
                let Some((_, expected)) = self.plans.get(attempt) else {
                    return Ok(Said::Nothing);
                };
                let as_written = StoredAttempt::new(expected.clone());
                let now = ledger.attempt(as_written.reference()).await.map_err(text)?;
                let seen = now.filter(|_| !stale).unwrap_or(as_written);
                let asked = Asked {
                    answered: *answered,
                    next: next.map(time),
                };
                or_refused(ledger.asked(&seen, &asked, at).await.map(|()| Said::Done))
            }
            What::Cue { attempt, proven } => {
                let Some(attempt) = self.attempt(*attempt) else {
                    return Ok(Said::Nothing);
                };
                let cue = if *proven { Cue::Proven } else { Cue::Hint };
                or_refused(ledger.make_due(&attempt, cue, at).await.map(|()| Said::Done))
            }
            What::NextFulfilment { lease } => {
                let right = ledger.next_fulfilment(at, Duration::from_secs(*lease)).await;
                let Some(right) = right.map_err(text)? else {
                    return Ok(Said::Right(None));
                };
                Ok(Said::Right(Some((self.checked(&right)?, right.deliveries))))
            }
            What::Fulfilled { attempt } => {
                let Some(attempt) = self.attempt(*attempt) else {
                    return Ok(Said::Nothing);
                };
                or_refused(ledger.done(&FulfilmentKey::of(&attempt), at).await.map(Said::First))
            }
            What::Note { attempt, note } => {
                let Some(attempt) = self.attempt(*attempt) else {
                    return Ok(Said::Nothing);
                };
                let note = [Note::Returned, Note::Cancelled, Note::Unanswered][usize::from(*note)];
                or_refused(ledger.note(&attempt, note, at).await.map(Said::First))
            }
            What::Switch(turn) => {
                let change = ModeChange {
                    switch: match turn {
                        Turn::Stop => Switch::Stop,
                        Turn::AskFirst => Switch::AskBeforeApply,
                        Turn::Reopen => Switch::Reopen,
                    },
                    actor: SwitchText::new("the model").unwrap(),
                    reason: SwitchText::new("a step of a history").unwrap(),
                };
                let mode = ledger.set_mode(&change, at).await.map_err(text)?;
                Ok(Said::Mode(mode.stopped.is_some(), mode.asks_first.is_some()))
            }
        }
    }

    async fn whole(&self, ledger: &dyn Ledger, orders: &[u32]) -> Found<Whole> {
        let attempts = ledger.attempts_after(0, Which::All, 1_000_000).await.map_err(text)?;
        let views: Found<Vec<_>> = attempts.iter().map(|(_, attempt)| self.view(attempt)).collect();
        let mut rights = Vec::new();
        for order in orders {
            let name = MerchantReference::new(order_name(*order)).unwrap();
            if let Some(right) = ledger.fulfilment_of(&name).await.map_err(text)? {
                let attempt = self.checked(&right)?;
                rights.push((*order, attempt, right.deliveries, right.done_at.map(seconds)));
            }
        }
        let mode = ledger.mode().await.map_err(text)?;
        Ok(Whole {
            attempts: views?,
            rights,
            records: usize::try_from(ledger.head().await.map_err(text)?.count).unwrap(),
            mode: (mode.stopped.is_some(), mode.asks_first.is_some()),
        })
    }

    /// The attempt a right belongs to, if the right is the one that was planned, under its own stable key.
    fn checked(&self, right: &Fulfilment) -> Found<u32> {
        let number = self.number_of(&right.attempt)?;
        let (plan, expected) = &self.plans[&number];
        let as_planned = right.key == FulfilmentKey::of(&expected.attempt)
            && right.order.as_str() == order_name(plan.order)
            && right.amount == expected.amount
            && right.content == expected.content;
        if as_planned {
            return Ok(number);
        }
        Err(format!(
            "the right of attempt {number} is not the planned one: {right:?}"
        ))
    }

    fn view(&self, attempt: &StoredAttempt) -> Found<(u32, View)> {
        let view = View {
            status: attempt.status,
            checkout: attempt.checkout.as_ref().map(number_in),
            payment: attempt.payment.as_ref().map(number_in),
            opened: attempt.opened,
            expires: seconds(attempt.expires_at),
            asks: attempt.asks,
            asked: attempt.asked_at.map(seconds),
            next_ask: attempt.next_ask.map(micros),
        };
        Ok((self.number_of(attempt.reference())?, view))
    }

    fn unfound(&self, tell: &Tell) -> Said {
        if self.plans.contains_key(&tell.about) {
            Said::Unfound
        } else {
            Said::Nothing
        }
    }

    async fn find(&mut self, ledger: &dyn Ledger, tell: &Tell) -> Found<Option<StoredAttempt>> {
        if !self.plans.contains_key(&tell.about) {
            return Ok(None);
        }
        let event = self.prove(tell);
        let said = event.value();
        let found = ledger.find(&said.gateway, &said.account, &said.subject).await;
        found.map_err(text)
    }

    /// The statement, signed and verified as every message is.
    fn prove(&mut self, tell: &Tell) -> Verified<PaymentEvent> {
        if let Some(proof) = self.proofs.get(tell) {
            return proof.clone();
        }
        let (_, expected) = &self.plans[&tell.about];
        let said = Statement::about(expected, tell.status).unwrap().but(|said| {
            said.id = event_id(tell);
            said.checkout = tell.checkout.map(page);
            said.payment = tell.payment.map(payment_name);
            match tell.twist {
                Twist::None => {}
                Twist::Gateway => said.gateway = GatewayId::from_static("another"),
                Twist::Account => said.account = MerchantAccount::new("acct-another").unwrap(),
                Twist::Environment => said.environment = Environment::Live,
                Twist::Order => said.order = Some(MerchantReference::new("order-another").unwrap()),
                Twist::Amount => said.amount = Some(Money::new(1, Currency::JPY)),
                Twist::Currency => said.amount = Some(Money::new(1980, Currency::USD)),
                Twist::NoAmount => said.amount = None,
                Twist::NoAttempt => said.attempt = None,
                Twist::StrangeAttempt => {
                    said.attempt = Some(AttemptReference::random(ReferenceFormat::RANDOM_128).unwrap());
                }
            }
        });
        let proof = self.gateway.prove(&said, time(super::steps::START)).unwrap();
        self.proofs.insert(*tell, proof.clone());
        proof
    }
}

/// Each caller's steps, a line for each.
fn listed(heard: &[Vec<Heard>]) -> String {
    let mut text = String::new();
    for (caller, steps) in heard.iter().enumerate() {
        for Heard {
            step,
            said,
            begun,
            ended,
        } in steps
        {
            let _ = writeln!(text, "{caller}, {begun} to {ended}: {:?} => {said:?}", step.what);
        }
    }
    text
}

fn event_id(tell: &Tell) -> EventId {
    let name = |name: Option<u32>| name.map_or_else(|| "none".to_owned(), |name| name.to_string());
    let Tell {
        about,
        status,
        twist,
        way,
        ..
    } = tell;
    let (checkout, payment) = (name(tell.checkout), name(tell.payment));
    EventId::new(format!("evt-{about}-{status}-{checkout}-{payment}-{twist:?}-{way}")).unwrap()
}

fn order_name(order: u32) -> String {
    format!("order-{order}")
}

fn page(number: u32) -> GatewayReference {
    GatewayReference::new(format!("page-{number}")).unwrap()
}

fn payment_name(number: u32) -> GatewayReference {
    GatewayReference::new(format!("pay-{number}")).unwrap()
}

fn number_in(name: &GatewayReference) -> u32 {
    name.as_str()
        .rsplit('-')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap()
}

fn time(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn micros(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros()).unwrap()
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// An error without a cause: what was asked for is not there. Any other is a failure of the ledger, or of the model.
fn refused(error: StoreError) -> Found<Said> {
    if std::error::Error::source(&error).is_none() {
        return Ok(Said::Refused);
    }
    Err(text(error))
}

fn or_refused(answer: Result<Said, StoreError>) -> Found<Said> {
    answer.or_else(refused)
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn text(error: StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
