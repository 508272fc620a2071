//! What can happen to a ledger, as data: a history is a list of steps that can be made again from its seed, cut and tried anew.

use kessai::PaymentStatus as S;

/// When the histories begin, in seconds since 1970.
pub const START: u64 = 1_790_000_000;

/// An attempt as the store means it. The number is its name in the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    pub attempt: u32,
    pub order: u32,
    /// Captured when the store ships.
    pub manual: bool,
    pub created: u64,
}

/// What the gateway says. Two that are equal are the same fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tell {
    pub about: u32,
    pub status: S,
    pub checkout: Option<u32>,
    pub payment: Option<u32>,
    pub twist: Twist,
    /// By which way it was heard: another way is another event.
    pub way: u8,
}

/// In what it is not the plain truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Twist {
    None,
    Gateway,
    Account,
    Environment,
    Order,
    Amount,
    Currency,
    NoAmount,
    NoAttempt,
    StrangeAttempt,
}

const TWISTS: [Twist; 9] = [
    Twist::Gateway,
    Twist::Account,
    Twist::Environment,
    Twist::Order,
    Twist::Amount,
    Twist::Currency,
    Twist::NoAmount,
    Twist::NoAttempt,
    Twist::StrangeAttempt,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Stop,
    AskFirst,
    Reopen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Expect(Plan),
    Open {
        attempt: u32,
        checkout: Option<u32>,
        payment: Option<u32>,
        expires: Option<u64>,
    },
    Close {
        attempt: u32,
    },
    /// Found, judged and applied at once, as a callback is.
    Tell(Tell),
    /// Found and judged; applied later, or more than once.
    Judge {
        slot: u8,
        tell: Tell,
    },
    ApplyKept {
        slot: u8,
    },
    Sweep {
        lease: u64,
        limit: usize,
    },
    Asked {
        attempt: u32,
        next: Option<u64>,
        answered: bool,
        /// Whoever asked knows the attempt as it was written, and nothing of what came since.
        stale: bool,
    },
    /// A message came that is a reason to ask.
    Cue {
        attempt: u32,
        proven: bool,
    },
    NextFulfilment {
        lease: u64,
    },
    Fulfilled {
        attempt: u32,
    },
    Note {
        attempt: u32,
        note: u8,
    },
    Switch(Turn),
}

/// What becomes of the caller meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Luck {
    /// It asks and gets its answer.
    Good,
    /// It never sees the answer and asks again.
    LostReply,
    /// It dies at the so manieth moment of waiting, and starts again.
    Dies(u32),
    /// It died before, between two steps.
    Died,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: u64,
    pub what: What,
    pub luck: Luck,
}

impl Step {
    pub fn new(at: u64, what: What) -> Self {
        Self {
            at,
            what,
            luck: Luck::Good,
        }
    }
}

/// Numbers that can be had again from their seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub fn of<T: Copy>(&mut self, among: &[T]) -> T {
        among[usize::try_from(self.below(among.len() as u64)).unwrap()]
    }
}

/// A history of so many steps. The same seed makes the same one. Of a thousand steps `deaths` meet the caller's death.
pub fn history(seed: u64, steps: usize, deaths: u64) -> Vec<Step> {
    let mut maker = Maker {
        random: Random::new(seed),
        now: START,
        plans: Vec::new(),
        told: Vec::new(),
    };
    (0..steps).map(|number| maker.step(number, deaths)).collect()
}

struct Maker {
    random: Random,
    now: u64,
    plans: Vec<Plan>,
    told: Vec<Tell>,
}

impl Maker {
    fn step(&mut self, number: usize, deaths: u64) -> Step {
        self.move_clock();
        let what = self.what(number);
        let luck = match self.random.below(1000) {
            draw if draw < deaths / 2 => Luck::Died,
            draw if draw < deaths => Luck::Dies(u32::try_from(self.random.below(8)).unwrap()),
            draw if draw < deaths + 50 => Luck::LostReply,
            _ => Luck::Good,
        };
        Step {
            at: self.now,
            what,
            luck,
        }
    }

    /// Mostly a little on; sometimes far, sometimes back, never before the beginning.
    fn move_clock(&mut self) {
        const HOUR: u64 = 3600;
        let random = &mut self.random;
        self.now = match random.below(100) {
            0..=1 => self.now + 4 * 24 * HOUR,
            2 => self.now + 100 * 24 * HOUR,
            3..=8 => self.now + 2 * HOUR,
            9..=12 => self.now.saturating_sub(30),
            13..=14 => self.now.saturating_sub(2 * HOUR),
            15 => self.now.saturating_sub(10 * 24 * HOUR),
            _ => self.now + random.below(45),
        }
        .max(START);
    }

    fn what(&mut self, number: usize) -> What {
        let draw = self.random.below(100);
        if draw < 12 || self.plans.is_empty() {
            return self.expect(number);
        }
        let attempt = self.recent().attempt;
        match draw {
            12..=13 => What::Expect(self.recent()),
            14..=25 => self.open(attempt),
            26..=27 => What::Close { attempt },
            28..=61 => What::Tell(self.tell()),
            62..=64 => What::Judge {
                slot: self.slot(),
                tell: self.tell(),
            },
            65..=68 => What::ApplyKept { slot: self.slot() },
            69..=74 => What::Sweep {
                lease: self.random.of(&[0, 60, 60, 600]),
                limit: self.random.of(&[0, 1, 3, 100]),
            },
            75..=79 => {
                let next = self.now + self.random.below(7200);
                if self.random.one_in(3) {
                    return What::Cue {
                        attempt,
                        proven: self.random.one_in(2),
                    };
                }
                What::Asked {
                    attempt,
                    next: Some(next).filter(|_| !self.random.one_in(5)),
                    answered: !self.random.one_in(3),
                    stale: self.random.one_in(4),
                }
            }
            80..=87 => What::NextFulfilment {
                lease: self.random.of(&[0, 30, 60, 60, 3600]),
            },
            88..=93 => What::Fulfilled { attempt },
            94..=96 => What::Note {
                attempt,
                note: self.random.of(&[0, 1, 2]),
            },
            // Reopened more often than stopped, or nothing would be sold.
            _ => What::Switch(self.random.of(&[
                Turn::Stop,
                Turn::AskFirst,
                Turn::Reopen,
                Turn::Reopen,
                Turn::Reopen,
                Turn::Reopen,
            ])),
        }
    }

    fn slot(&mut self) -> u8 {
        self.random.of(&[0, 1, 2])
    }

    /// One of the orders of this time, and a fresh attempt for it.
    fn expect(&mut self, number: usize) -> What {
        let order = u32::try_from(number / 30).unwrap() + self.random.of(&[0, 1, 2, 3]);
        let plan = Plan {
            attempt: u32::try_from(self.plans.len()).unwrap(),
            order,
            manual: order % 3 == 2,
            created: self.now,
        };
        self.plans.push(plan);
        What::Expect(plan)
    }

    /// Mostly one of the latest plans: what is going on is told about most.
    fn recent(&mut self) -> Plan {
        let last = self.plans.len() as u64;
        let back = if self.random.one_in(10) { last } else { last.min(7) };
        let chosen = last - 1 - self.random.below(back);
        self.plans[usize::try_from(chosen).unwrap()]
    }

    fn open(&mut self, attempt: u32) -> What {
        let (checkout, payment) = (self.checkout(attempt), self.payment(attempt));
        What::Open {
            attempt,
            checkout,
            payment: payment.filter(|_| self.random.one_in(4)),
            expires: self.random.one_in(3).then_some(self.now + 900),
        }
    }

    /// Its own page, mostly; none, or another's.
    fn checkout(&mut self, attempt: u32) -> Option<u32> {
        match self.random.below(100) {
            0..=9 => None,
            10..=15 => Some(self.recent().attempt),
            _ => Some(attempt),
        }
    }

    /// Its own payment, mostly; none, a second one of the same page, or another's.
    fn payment(&mut self, attempt: u32) -> Option<u32> {
        match self.random.below(100) {
            0..=14 => None,
            15..=20 => Some(2 * attempt + 1),
            21..=28 => Some(2 * self.recent().attempt),
            _ => Some(2 * attempt),
        }
    }

    fn tell(&mut self) -> Tell {
        // Gateways repeat themselves, for days.
        if !self.told.is_empty() && self.random.one_in(4) {
            let last = self.told.len() as u64;
            let back = last.min(40);
            return self.told[usize::try_from(last - 1 - self.random.below(back)).unwrap()];
        }
        let about = self.recent().attempt;
        let status = self.random.of(&[
            S::Created,
            S::Pending,
            S::Pending,
            S::RequiresAction,
            S::Authorized,
            S::Authorized,
            S::Captured,
            S::Captured,
            S::Captured,
            S::Captured,
            S::Captured,
            S::PartiallyRefunded,
            S::Refunded,
            S::Cancelled,
            S::Failed,
            S::Expired,
            S::Disputed,
            S::Unknown,
        ]);
        let tell = Tell {
            about,
            status,
            checkout: self.checkout(about),
            payment: self.payment(about),
            twist: if self.random.one_in(6) {
                self.random.of(&TWISTS)
            } else {
                Twist::None
            },
            way: self.random.of(&[0, 0, 1]),
        };
        self.told.push(tell);
        tell
    }
}
