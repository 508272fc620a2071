//! What a ledger has to do, said a second time: the model that every answer of a real one is held against.
//!
//! It shares no code with `src/ledger` and `src/payment`. Its tables are written out from their documentation, so that a change
//! there that was not meant shows here. Attempts and names are numbers, times are seconds.

use std::collections::{BTreeMap, HashMap, HashSet};

use kessai::PaymentStatus as S;
use kessai::ledger::{Applied, AskReason, Binding, HeldReason, Mismatch};

use super::steps::{Plan, Step, Tell, Turn, Twist, What};

/// What hearing a state means, by the state that is known: `>` news, `=` the same, `.` older, `!` late money, `?` no statement.
///
/// Written out from the design, section 4, and the documentation of `PaymentStatus` and `Move`; columns as the rows.
const MOVES: [(S, &str); 12] = [
    // Created Pending RequiresAction Authorized Captured PartiallyRefunded Refunded Cancelled Failed Expired Disputed Unknown
    (S::Created, "= > > > > > > > > > > ?"),
    (S::Pending, ". = > > > > > > > > > ?"),
    (S::RequiresAction, ". > = > > > > > > > > ?"),
    (S::Authorized, ". . . = > > > > > > > ?"),
    (S::Captured, ". . . . = > > . . . > ?"),
    (S::PartiallyRefunded, ". . . . . = > . . . > ?"),
    (S::Refunded, ". . . . . . = . . . > ?"),
    (S::Cancelled, ". . . ! ! ! ! = . . ! ?"),
    (S::Failed, ". . . ! ! ! ! . = . ! ?"),
    (S::Expired, ". . . ! ! ! ! . . = ! ?"),
    (S::Disputed, ". . . . . . . . . . = ?"),
    (S::Unknown, "> > > > > > > > > > > ?"),
];

fn hearing(now: S, next: S) -> char {
    let (_, row) = MOVES.iter().find(|(status, _)| *status == now).unwrap();
    let column = MOVES.iter().position(|(status, _)| *status == next).unwrap();
    row.chars().nth(2 * column).unwrap()
}

/// The states that are final, and where each may still go: money that was taken goes back, by a refund or by a dispute, and
/// nowhere else (PAY-35).
pub const FINAL: [(S, &[S]); 7] = [
    (S::Captured, &[S::PartiallyRefunded, S::Refunded, S::Disputed]),
    (S::PartiallyRefunded, &[S::Refunded, S::Disputed]),
    (S::Refunded, &[S::Disputed]),
    (S::Disputed, &[]),
    (S::Cancelled, &[]),
    (S::Failed, &[]),
    (S::Expired, &[]),
];

fn is_final(status: S) -> bool {
    FINAL.iter().any(|(end, _)| *end == status)
}

const MONEY: [S; 5] = [
    S::Authorized,
    S::Captured,
    S::PartiallyRefunded,
    S::Refunded,
    S::Disputed,
];
const GONE_BACK: [S; 3] = [S::PartiallyRefunded, S::Refunded, S::Disputed];

/// An attempt that no page was confirmed for stops blocking its order an hour after its end.
const GRACE: u64 = 3600;
const FIRST_ASK: u64 = 120;
const SECOND: u64 = 1_000_000;
/// How long a page can be used.
pub const PAGE: u64 = 30 * 60;

/// What can be seen of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub status: S,
    pub checkout: Option<u32>,
    pub payment: Option<u32>,
    pub opened: bool,
    pub expires: u64,
    pub asks: u32,
    pub asked: Option<u64>,
    /// In microseconds: a clock that stands still can make it a moment earlier.
    pub next_ask: Option<u64>,
}

/// An answer of a ledger, as far as it can be told beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The step was about something that was never made.
    Nothing,
    /// An error: what was asked for is not there.
    Refused,
    Done,
    Written,
    Blocked(u32),
    Paid(u32),
    Stopped,
    Bound(Binding),
    /// No attempt was found.
    Unfound,
    Told {
        attempt: u32,
        found: View,
        verdict: Applied,
    },
    Judged {
        attempt: u32,
        found: View,
    },
    Verdict(Applied),
    Attempts(Vec<(u32, View)>),
    First(bool),
    /// Attempt, how often it was handed out; nothing is due.
    Right(Option<(u32, u32)>),
    /// Stopped, asks first.
    Mode(bool, bool),
}

/// The whole state, to be compared now and then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub attempts: Vec<(u32, View)>,
    /// Order, attempt, deliveries, done at.
    pub rights: Vec<(u32, u32, u32, Option<u64>)>,
    pub records: usize,
    pub mode: (bool, bool),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Attempt {
    plan: Plan,
    view: View,
    lease: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    order: u32,
    attempt: u32,
    lease: Option<u64>,
    deliveries: u32,
    done: Option<u64>,
}

/// What a statement means for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Pays,
    Tells,
    Contradicts(Mismatch),
    Asks(AskReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    attempt: u32,
    tell: Tell,
    meaning: Meaning,
}

/// One line of the story: attempt, when, what.
pub type Line = (Option<u32>, u64, &'static str);

/// The model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// What the caller planned, written down or not.
    plans: BTreeMap<u32, Plan>,
    attempts: HashMap<u32, Attempt>,
    written: Vec<u32>,
    checkouts: HashMap<u32, u32>,
    payments: HashMap<u32, u32>,
    rights: Vec<Right>,
    /// With whether it said too little.
    heard: HashSet<(u32, Tell, bool)>,
    notes: HashSet<(u32, u8)>,
    kept: HashMap<u8, Kept>,
    stopped: bool,
    asks_first: bool,
    lines: Vec<Line>,
}

impl Model {
    /// What the ledger has to answer, and what is true afterwards.
    pub fn step(&mut self, step: &Step) -> Said {
        let at = step.at;
        match &step.what {
            What::Expect(plan) => self.expect(*plan),
            What::Open {
                attempt,
                checkout,
                payment,
                expires,
            } => self.open(at, *attempt, *checkout, *payment, *expires),
            What::Close { attempt } => self.close(at, *attempt),
            What::Tell(tell) => match self.judge(tell) {
                Err(said) => said,
                Ok(kept) => Said::Told {
                    attempt: kept.attempt,
                    found: self.attempts[&kept.attempt].view.clone(),
                    verdict: self.apply(at, kept),
                },
            },
            What::Judge { slot, tell } => match self.judge(tell) {
                Err(said) => said,
                Ok(kept) => {
                    self.kept.insert(*slot, kept);
                    Said::Judged {
                        attempt: kept.attempt,
                        found: self.attempts[&kept.attempt].view.clone(),
                    }
                }
            },
            What::ApplyKept { slot } => match self.kept.get(slot) {
                None => Said::Nothing,
                Some(kept) => Said::Verdict(self.apply(at, *kept)),
            },
            What::Sweep { lease, limit } => self.sweep(at, *lease, *limit),
            What::Asked {
                attempt,
                next,
                answered,
                stale,
            } => match self.attempts.get_mut(attempt) {
                None => self.nothing_or_refused(*attempt),
                Some(asked) => {
                    asked.answers(at, *next, *answered, *stale);
                    Said::Done
                }
            },
            What::Cue { attempt, proven } => match self.attempts.get_mut(attempt) {
                None => self.nothing_or_refused(*attempt),
                Some(cued) => {
                    cued.cue(at, *proven);
                    Said::Done
                }
            },
            What::NextFulfilment { lease } => {
                let next = self
                    .rights
                    .iter()
                    .find(|right| right.is_free(at))
                    .map(|right| right.attempt);
                Said::Right(next.map(|attempt| self.hand_out(at, *lease, attempt).unwrap()))
            }
            What::Fulfilled { attempt } => self.fulfilled(at, *attempt),
            What::Note { attempt, note } => {
                if !self.attempts.contains_key(attempt) {
                    return self.nothing_or_refused(*attempt);
                }
                let first = self.notes.insert((*attempt, *note));
                if first {
                    let word = if *note == 2 { "asked" } else { "returned" };
                    self.lines.push((Some(*attempt), at, word));
                }
                Said::First(first)
            }
            What::Switch(turn) => {
                match turn {
                    Turn::Stop => self.stopped = true,
                    Turn::AskFirst => self.asks_first = true,
                    Turn::Reopen => (self.stopped, self.asks_first) = (false, false),
                }
                self.lines.push((None, at, "mode_changed"));
                Said::Mode(self.stopped, self.asks_first)
            }
        }
    }

    /// Of rights that were made at once any may be the oldest: hands out that of this attempt, if it is free.
    pub fn hand_out(&mut self, at: u64, lease: u64, attempt: u32) -> Option<(u32, u32)> {
        let mut rights = self.rights.iter_mut();
        let right = rights.find(|right| right.attempt == attempt && right.is_free(at))?;
        right.lease = Some(at + lease);
        right.deliveries += 1;
        Some((right.attempt, right.deliveries))
    }

    /// Everything that can be read.
    pub fn whole(&self) -> Whole {
        let mut rights: Vec<_> = self
            .rights
            .iter()
            .map(|right| (right.order, right.attempt, right.deliveries, right.done))
            .collect();
        rights.sort_unstable();
        Whole {
            attempts: self.seen(self.written.iter().copied()),
            rights,
            records: self.lines.len(),
            mode: (self.stopped, self.asks_first),
        }
    }

    /// The story, from its first line.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Every order that anything was planned for.
    pub fn orders(&self) -> Vec<u32> {
        let mut orders: Vec<u32> = self.plans.values().map(|plan| plan.order).collect();
        orders.sort_unstable();
        orders.dedup();
        orders
    }

    fn seen(&self, attempts: impl Iterator<Item = u32>) -> Vec<(u32, View)> {
        attempts.map(|id| (id, self.attempts[&id].view.clone())).collect()
    }

    fn nothing_or_refused(&self, attempt: u32) -> Said {
        // What was planned has a reference, and the ledger knows none such.
        if self.plans.contains_key(&attempt) {
            Said::Refused
        } else {
            Said::Nothing
        }
    }

    /// The caller has made this plan; the ledger knows nothing of it yet.
    pub fn plan(&mut self, plan: Plan) {
        self.plans.insert(plan.attempt, plan);
    }

    fn expect(&mut self, plan: Plan) -> Said {
        self.plan(plan);
        let now = plan.created;
        if self.stopped {
            return Said::Stopped;
        }
        if let Some(right) = self.rights.iter().find(|right| right.order == plan.order) {
            return Said::Paid(right.attempt);
        }
        let blocks = |other: &Attempt| {
            let open = !is_final(other.view.status);
            open && (other.is_known() || now < other.view.expires + GRACE)
        };
        let mut of_order = self
            .written
            .iter()
            .filter(|id| self.attempts[id].plan.order == plan.order);
        if let Some(open) = of_order.find(|id| blocks(&self.attempts[id])) {
            return Said::Blocked(*open);
        }
        if self.attempts.contains_key(&plan.attempt) {
            return Said::Refused;
        }
        let view = View {
            status: S::Created,
            checkout: None,
            payment: None,
            opened: false,
            expires: now + PAGE,
            asks: 0,
            asked: None,
            next_ask: Some((now + FIRST_ASK) * SECOND),
        };
        let attempt = Attempt {
            plan,
            view,
            lease: None,
        };
        self.attempts.insert(plan.attempt, attempt);
        self.written.push(plan.attempt);
        self.lines.push((Some(plan.attempt), now, "expected"));
        Said::Written
    }

    fn open(&mut self, at: u64, id: u32, checkout: Option<u32>, payment: Option<u32>, expires: Option<u64>) -> Said {
        let Some(attempt) = self.attempts.get(&id) else {
            return self.nothing_or_refused(id);
        };
        let view = &attempt.view;
        let anothers = |names: &HashMap<u32, u32>, name: Option<u32>| {
            name.and_then(|name| names.get(&name)).is_some_and(|owner| *owner != id)
        };
        let conflict = anothers(&self.checkouts, checkout)
            || anothers(&self.payments, payment)
            || differ(view.checkout, checkout)
            || differ(view.payment, payment);
        if conflict {
            return Said::Bound(Binding::Conflict);
        }
        if matches!(view.status, S::Failed | S::Cancelled | S::Expired) {
            return Said::Bound(Binding::Over);
        }
        let learns = (view.checkout.is_none() && checkout.is_some()) || (view.payment.is_none() && payment.is_some());
        if view.opened && !learns {
            return Said::Bound(Binding::Already);
        }
        self.learn(id, checkout, payment);
        let view = &mut self.attempts.get_mut(&id).unwrap().view;
        view.opened = true;
        view.expires = expires.unwrap_or(view.expires);
        self.lines.push((Some(id), at, "opened"));
        Said::Bound(Binding::Now)
    }

    fn close(&mut self, at: u64, id: u32) -> Said {
        let Some(attempt) = self.attempts.get_mut(&id) else {
            return self.nothing_or_refused(id);
        };
        if !attempt.is_known() {
            attempt.view.status = S::Failed;
            attempt.view.next_ask = None;
            attempt.lease = None;
            self.lines.push((Some(id), at, "closed"));
        }
        Said::Done
    }

    /// Which attempt a statement is about, and what it means for it now.
    fn judge(&self, tell: &Tell) -> Result<Kept, Said> {
        if !self.plans.contains_key(&tell.about) {
            return Err(Said::Nothing);
        }
        let names_us = !matches!(tell.twist, Twist::NoAttempt | Twist::StrangeAttempt);
        let by_reference = names_us
            .then_some(tell.about)
            .filter(|id| self.attempts.contains_key(id));
        // The gateway's names mean something within their gateway and account only.
        let at_home = !matches!(tell.twist, Twist::Gateway | Twist::Account);
        let by_name = |names: &HashMap<u32, u32>, name: Option<u32>| {
            name.filter(|_| at_home).and_then(|name| names.get(&name).copied())
        };
        let attempt = by_reference
            .or_else(|| by_name(&self.checkouts, tell.checkout))
            .or_else(|| by_name(&self.payments, tell.payment));
        let attempt = attempt.ok_or(Said::Unfound)?;
        Ok(Kept {
            attempt,
            tell: *tell,
            meaning: self.meaning(attempt, tell),
        })
    }

    fn meaning(&self, id: u32, tell: &Tell) -> Meaning {
        let Attempt { plan, view, .. } = &self.attempts[&id];
        let another = tell.about != id;
        let names_attempt = tell.twist != Twist::NoAttempt;
        let same = |ours: Option<u32>, theirs: Option<u32>| ours.is_some() && ours == theirs;
        let contradictions = [
            (tell.twist == Twist::Gateway, Mismatch::Gateway),
            (tell.twist == Twist::Account, Mismatch::Account),
            (tell.twist == Twist::Environment, Mismatch::Environment),
            (
                tell.twist == Twist::StrangeAttempt || (names_attempt && another),
                Mismatch::Attempt,
            ),
            (
                tell.twist == Twist::Order || self.plans[&tell.about].order != plan.order,
                Mismatch::Reference,
            ),
            (tell.twist == Twist::Currency, Mismatch::Currency),
            (tell.twist == Twist::Amount, Mismatch::Amount),
            (
                differ(view.checkout, tell.checkout) || differ(view.payment, tell.payment),
                Mismatch::Reference,
            ),
            (
                !names_attempt && !same(view.checkout, tell.checkout) && !same(view.payment, tell.payment),
                Mismatch::Attempt,
            ),
        ];
        if let Some((_, mismatch)) = contradictions.into_iter().find(|(holds, _)| *holds) {
            return Meaning::Contradicts(mismatch);
        }
        if tell.status == S::Unknown {
            return Meaning::Asks(AskReason::StatusUnknown);
        }
        if MONEY.contains(&tell.status) && tell.twist == Twist::NoAmount {
            return Meaning::Asks(AskReason::AmountMissing);
        }
        // A store that captures later fulfils when the money is reserved.
        if tell.status == S::Captured || (plan.manual && tell.status == S::Authorized) {
            return Meaning::Pays;
        }
        Meaning::Tells
    }

    fn apply(&mut self, at: u64, kept: Kept) -> Applied {
        let Kept { attempt: id, tell, .. } = kept;
        // A contradiction stays one. Anything else is looked at again, because a name may have been bound since.
        let meaning = match kept.meaning {
            Meaning::Contradicts(_) => kept.meaning,
            Meaning::Pays | Meaning::Tells | Meaning::Asks(_) => self.meaning(id, &tell),
        };
        let unclear = matches!(self.meaning(id, &tell), Meaning::Asks(_));
        let (verdict, told) = match meaning {
            Meaning::Asks(reason) => (Applied::Ask(reason), false),
            Meaning::Contradicts(mismatch) => (Applied::Held(HeldReason::Mismatch(mismatch)), false),
            Meaning::Pays | Meaning::Tells => self.weigh(at, id, &tell, meaning == Meaning::Pays),
        };
        let first = self.heard.insert((id, tell, unclear));
        let word = match verdict {
            Applied::Held(_) => "held",
            Applied::Older | Applied::Already | Applied::Ask(_) if !told => "heard",
            _ => return verdict,
        };
        if first {
            self.lines.push((Some(id), at, word));
        }
        verdict
    }

    /// The verdict, and whether a name that was learned is on record as heard.
    fn weigh(&mut self, at: u64, id: u32, tell: &Tell, pays: bool) -> (Applied, bool) {
        let anothers = |names: &HashMap<u32, u32>, name: Option<u32>| {
            name.and_then(|name| names.get(&name)).is_some_and(|owner| *owner != id)
        };
        // One transaction belongs to one attempt for ever (PAY-27).
        if anothers(&self.checkouts, tell.checkout) || anothers(&self.payments, tell.payment) {
            return (Applied::Held(HeldReason::TransactionBound), false);
        }
        let order = self.attempts[&id].plan.order;
        let payer = self
            .rights
            .iter()
            .find(|right| right.order == order)
            .map(|right| right.attempt);
        let hears = hearing(self.attempts[&id].view.status, tell.status);
        match hears {
            '!' => return (Applied::Held(HeldReason::Late), false),
            '.' => {
                let told = self.learn(id, tell.checkout, tell.payment);
                if told {
                    self.lines.push((Some(id), at, "heard"));
                }
                return (Applied::Older, told);
            }
            _ => {}
        }
        let moves = hears == '>';
        if moves {
            let attempt = self.attempts.get_mut(&id).unwrap();
            attempt.view.status = tell.status;
            attempt.view.asks = 0;
            if is_final(tell.status) {
                attempt.view.next_ask = None;
                attempt.lease = None;
            }
            self.lines.push((Some(id), at, "applied"));
        }
        // A name is on record with what bound it: with the move, or as heard.
        let told = self.learn(id, tell.checkout, tell.payment) && !moves;
        if told {
            self.lines.push((Some(id), at, "heard"));
        }
        if payer.is_some_and(|payer| payer != id) && MONEY.contains(&tell.status) {
            return (Applied::Held(HeldReason::Excess), told);
        }
        if payer.is_none() && pays {
            self.rights.push(Right {
                order,
                attempt: id,
                lease: None,
                deliveries: 0,
                done: None,
            });
            self.lines.push((Some(id), at, "fulfilment"));
            return (Applied::Now, told);
        }
        if payer.is_none() && GONE_BACK.contains(&tell.status) {
            return (Applied::Held(HeldReason::Refunded), told);
        }
        (if moves { Applied::Moved } else { Applied::Already }, told)
    }

    fn sweep(&mut self, at: u64, lease: u64, limit: usize) -> Said {
        let mut due: Vec<(u64, usize, u32)> = Vec::new();
        for (place, id) in self.written.iter().enumerate() {
            let attempt = &self.attempts[id];
            let free = attempt.lease.is_none_or(|end| end <= at);
            if let Some(next) = attempt.view.next_ask.filter(|next| *next <= at * SECOND && free) {
                due.push((next, place, *id));
            }
        }
        due.sort_unstable();
        due.truncate(limit);
        for (_, _, id) in &due {
            let attempt = self.attempts.get_mut(id).unwrap();
            attempt.lease = Some(at + lease);
            attempt.view.asked = Some(at);
        }
        Said::Attempts(self.seen(due.into_iter().map(|(_, _, id)| id)))
    }

    fn fulfilled(&mut self, at: u64, id: u32) -> Said {
        let Some(right) = self.rights.iter_mut().find(|right| right.attempt == id) else {
            return self.nothing_or_refused(id);
        };
        if right.done.is_some() {
            return Said::First(false);
        }
        right.done = Some(at);
        self.lines.push((Some(id), at, "fulfilled"));
        Said::First(true)
    }

    /// What an attempt has no name for yet it takes from what was said. True if it took one.
    fn learn(&mut self, id: u32, checkout: Option<u32>, payment: Option<u32>) -> bool {
        let mut took = false;
        let view = &mut self.attempts.get_mut(&id).unwrap().view;
        for (names, place, name) in [
            (&mut self.checkouts, &mut view.checkout, checkout),
            (&mut self.payments, &mut view.payment, payment),
        ] {
            if let (None, Some(name)) = (*place, name) {
                *place = Some(name);
                names.insert(name, id);
                took = true;
            }
        }
        took
    }
}

impl Right {
    fn is_free(&self, at: u64) -> bool {
        self.done.is_none() && self.lease.is_none_or(|end| end <= at)
    }
}

impl Attempt {
    /// A question was answered, or not, by whoever knows the attempt as it is now, or as it was written.
    fn answers(&mut self, at: u64, next: Option<u64>, answered: bool, stale: bool) {
        let view = &mut self.view;
        let mine = !stale || view.asked.is_none();
        if mine {
            if !stale || view.next_ask == Some((self.plan.created + FIRST_ASK) * SECOND) {
                view.next_ask = next.map(|next| next * SECOND);
            }
            view.asked = Some(at);
            self.lease = None;
        }
        // What is over counts from one message to the next.
        view.asks = if answered && is_final(view.status) {
            0
        } else {
            view.asks + 1
        };
    }

    /// A message came. A question that will be begun later is enough of an answer to it.
    fn cue(&mut self, at: u64, proven: bool) {
        let view = &mut self.view;
        let wait = if is_final(view.status) {
            3600
        } else {
            3600.min(30 << view.asks.min(7))
        };
        let hinted = view.asked.map_or(at, |asked| at.max(asked + wait));
        let (now, wanted) = (at * SECOND, if proven { at } else { hinted } * SECOND);
        let begun = |due: u64| view.asked.is_some_and(|asked| asked * SECOND >= due);
        view.next_ask = match view.next_ask {
            Some(due) if due <= now && !begun(due) => return,
            Some(next) if next > now && next <= wanted => return,
            // Whoever asks at this moment sees that it is another one.
            Some(due) if due == wanted => Some(due - 1),
            _ => Some(wanted),
        };
    }

    /// Anything showed that the gateway knows of it.
    fn is_known(&self) -> bool {
        let View {
            status,
            checkout,
            payment,
            opened,
            ..
        } = &self.view;
        *opened || checkout.is_some() || payment.is_some() || *status != S::Created
    }
}

fn differ(ours: Option<u32>, theirs: Option<u32>) -> bool {
    matches!((ours, theirs), (Some(ours), Some(theirs)) if ours != theirs)
}
