//! Card numbers among other numbers: which digits belong together.

use super::brands::{FEWEST, Issuer, MOST, card, issuer, luhn, number};
use super::signs::Sign;

/// Digits without anything visible between them.
#[derive(Clone, Copy, Debug)]
struct Group {
    start: usize,
    len: usize,
    /// What stands before it.
    gap: Gap,
}

/// What stands between two groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gap {
    /// Equal for equal gaps.
    key: u32,
    /// The last character of it.
    last: Option<char>,
    /// How many characters it has.
    len: usize,
    /// It parts the entries of a list rather than the digits of one number.
    list: bool,
    /// It holds a currency sign, so that amounts stand on either side.
    money: bool,
}

impl Gap {
    fn add(&mut self, c: char) {
        self.key = self
            .key
            .wrapping_mul(0x0100_0193)
            .wrapping_add(u32::from(c))
            .wrapping_add(1);
        let spaced = c == ' ' && self.last.is_some_and(|last| last != ' ');
        self.list |= spaced
            || matches!(
                c,
                '\n' | '\t' | ';' | '|' | '(' | ')' | '[' | ']' | '{' | '}' | '"' | ','
            );
        self.money |= matches!(c, '$' | '¢'..='¥' | '\u{20a0}'..='\u{20c0}');
        self.last = Some(c);
        self.len += 1;
    }

    fn is(&self, c: char) -> bool {
        self.len == 1 && self.last == Some(c)
    }
}

/// Digits in a row, in groups, without a letter between them.
#[derive(Debug, Default)]
struct Run {
    digits: Vec<u8>,
    groups: Vec<Group>,
    gap: Gap,
}

/// Whether a card number stands among these signs.
pub(super) fn holds_card_number(signs: &[Sign]) -> bool {
    let mut run = Run::default();
    let mut rest = signs;
    let mut inside_word = false;
    while let [sign, after @ ..] = rest {
        let skipped = if inside_word { 0 } else { random_reference(rest) };
        let ends = skipped > 0 || matches!(sign, Sign::Letter { .. });
        if ends && run.holds_card_number() {
            return true;
        }
        match *sign {
            _ if ends => run.clear(),
            Sign::Digit(digit) => run.digit(digit),
            Sign::Gap(c) => run.gap.add(c),
            Sign::Letter { .. } => {}
        }
        inside_word = !matches!(sign, Sign::Gap(_));
        rest = if skipped > 0 {
            rest.get(skipped..).unwrap_or_default()
        } else {
            after
        };
    }
    run.holds_card_number()
}

/// How many signs a random reference takes that starts here: a digest of 32 or more hex digits, or a UUID. Their digits come
/// in long rows by chance, which would refuse one in a thousand of them. Four letters tell them from numbers.
fn random_reference(signs: &[Sign]) -> usize {
    const UUID: usize = 36;
    let is_hex = |sign: &Sign| matches!(sign, Sign::Digit(_) | Sign::Letter { letter: 'a'..='f', .. });
    let is_dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
    let has_letters = |word: &[Sign]| {
        word.iter()
            .filter(|sign| matches!(sign, Sign::Letter { .. }))
            .take(4)
            .count()
            == 4
    };
    let plain = signs.iter().take_while(|sign| is_hex(sign)).count();
    let parted = signs.iter().take(UUID).enumerate().take_while(|(place, sign)| {
        if is_dash(*place) {
            **sign == Sign::Gap('-')
        } else {
            is_hex(sign)
        }
    });
    let len = match plain {
        8 if parted.count() == UUID => UUID,
        32.. => plain,
        _ => return 0,
    };
    let closed = !matches!(signs.get(len), Some(Sign::Letter { .. } | Sign::Digit(_)));
    let word = signs.get(..len).unwrap_or_default();
    if closed && has_letters(word) { len } else { 0 }
}

impl Run {
    fn digit(&mut self, digit: u8) {
        match self.groups.last_mut() {
            Some(group) if self.gap.len == 0 => group.len += 1,
            _ => self.groups.push(Group {
                start: self.digits.len(),
                len: 1,
                gap: std::mem::take(&mut self.gap),
            }),
        }
        self.digits.push(digit);
    }

    fn clear(&mut self) {
        self.digits.clear();
        self.groups.clear();
        self.gap = Gap::default();
    }

    fn holds_card_number(&self) -> bool {
        if self.digits.len() < FEWEST {
            return false;
        }
        self.alone() || self.laid_out() || self.disguised()
    }

    fn digits_of(&self, groups: &[Group]) -> &[u8] {
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else {
            return &[];
        };
        self.digits.get(first.start..last.start + last.len).unwrap_or_default()
    }

    /// One group that is a card number, or one with little stuck to it.
    fn alone(&self) -> bool {
        self.groups.iter().filter(|group| group.len >= FEWEST).any(|group| {
            let digits = self.digits_of(std::slice::from_ref(group));
            is_card(digits, &group.gap) || with_something_stuck_to_it(digits)
        })
    }

    /// Groups as card numbers are printed and typed, anywhere in the row.
    fn laid_out(&self) -> bool {
        (0..self.groups.len()).any(|first| {
            let rest = self.groups.get(first..).unwrap_or_default();
            let mut have = 0;
            for (place, group) in rest.iter().enumerate() {
                have += group.len;
                if have > MOST {
                    break;
                }
                let window = rest.get(..=place).unwrap_or_default();
                if self.is_card(window)
                    && is_usual(window)
                    && !(is_weak(window, have) && goes_on(window, rest.get(place + 1)))
                    && !self.counts(window)
                {
                    return true;
                }
            }
            false
        })
    }

    /// Any grouping at all, where nothing else stands in the row, or in one entry of a list.
    fn disguised(&self) -> bool {
        let entries = |parts: fn(&Gap) -> bool| {
            self.groups
                .chunk_by(move |_, next| !parts(&next.gap))
                .any(|entry| self.is_disguised(entry))
        };
        entries(|gap| gap.money) || entries(|gap| gap.money || gap.list)
    }

    /// Fours with a little stuck to the first or the last.
    fn is_stuck(&self, entry: &[Group]) -> bool {
        let [first, inner @ .., last] = entry else {
            return false;
        };
        let fours = inner.len() == 2 && inner.iter().all(|group| group.len == 4) && first.len >= 4 && last.len >= 4;
        fours && with_something_stuck_to_it(self.digits_of(entry))
    }

    fn is_disguised(&self, entry: &[Group]) -> bool {
        // Without the expiry month and the security code that may follow.
        let bare = |tail: usize| entry.get(..entry.len().saturating_sub(tail)).unwrap_or_default();
        let tails = [0, 2, 3];
        let with_tail = tails.into_iter().any(|tail| {
            let bare = bare(tail);
            let behind = entry.get(bare.len()..).unwrap_or_default();
            (tail == 0 || self.is_expiry(behind)) && self.is_card(bare) && !self.is_ordinary(bare)
        });
        with_tail || self.is_stuck(entry)
    }

    fn is_card(&self, groups: &[Group]) -> bool {
        groups
            .first()
            .is_some_and(|first| is_card(self.digits_of(groups), &first.gap))
    }

    fn value(&self, group: &Group) -> u64 {
        number(self.digits_of(std::slice::from_ref(group)))
    }

    /// `12/27`, `12/2027`, and a security code behind it.
    fn is_expiry(&self, groups: &[Group]) -> bool {
        let [month, year, code @ ..] = groups else {
            return false;
        };
        let code_fits = code.iter().all(|code| matches!(code.len, 3 | 4));
        month.len == 2
            && matches!(year.len, 2 | 4)
            && (1..=12).contains(&self.value(month))
            && (20..=60).contains(&(self.value(year) % 100))
            && code_fits
    }

    /// Rows of numbers that mean something else.
    fn is_ordinary(&self, groups: &[Group]) -> bool {
        self.counts(groups) || self.are_amounts(groups) || self.are_dates(groups) || is_order_id(groups)
    }

    /// `36 37 38 39`: numbers in equal steps, such as sizes.
    fn counts(&self, groups: &[Group]) -> bool {
        let mut steps = groups.windows(2).filter_map(|pair| match pair {
            [one, next] => Some(self.value(next).wrapping_sub(self.value(one))),
            _ => None,
        });
        let first = steps.next();
        groups.len() >= 4 && first != Some(0) && steps.all(|step| Some(step) == first)
    }

    /// `4,980 5,120 980`: at least two amounts, most of them with marks for thousands, and the same between all.
    fn are_amounts(&self, groups: &[Group]) -> bool {
        [',', '.'].into_iter().any(|mark| {
            let amounts = || groups.chunk_by(move |_, next| next.gap.is(mark));
            let fits = |amount: &[Group]| match amount {
                [first, rest @ ..] => {
                    let leading = self.digits.get(first.start).copied();
                    first.len <= 3 && leading != Some(0) && rest.len() <= 2 && rest.iter().all(|group| group.len == 3)
                }
                [] => false,
            };
            let gaps = || {
                amounts()
                    .skip(1)
                    .filter_map(|amount| amount.first().map(|first| first.gap))
            };
            let count = amounts().count();
            let marked = amounts().filter(|amount| amount.len() > 1).count();
            count >= 2 && marked * 2 > count && amounts().all(fits) && gaps().all(|gap| Some(gap) == gaps().next())
        })
    }

    /// Nothing but dates and times of day.
    fn are_dates(&self, groups: &[Group]) -> bool {
        let mut rest = groups;
        let mut seen = 0;
        while !rest.is_empty() {
            let taken = self.date(rest).or_else(|| self.time(rest));
            let Some(taken) = taken else {
                return false;
            };
            rest = rest.get(taken..).unwrap_or_default();
            seen += 1;
        }
        seen >= 2
    }

    fn date(&self, groups: &[Group]) -> Option<usize> {
        let [one, two, three, ..] = groups else {
            return None;
        };
        let mark = two.gap == three.gap && ['-', '/', '.'].into_iter().any(|mark| two.gap.is(mark));
        let reads = |year: &Group, month: &Group, day: &Group| {
            let short = [month, day].into_iter().all(|part| part.len <= 2);
            year.len == 4 && short && is_date(self.value(year), self.value(month), self.value(day))
        };
        (mark && (reads(one, two, three) || reads(three, two, one) || reads(three, one, two))).then_some(3)
    }

    fn time(&self, groups: &[Group]) -> Option<usize> {
        let [hour, rest @ ..] = groups else {
            return None;
        };
        let parts = rest
            .iter()
            .take(2)
            .take_while(|part| part.gap.is(':') && part.len == 2 && self.value(part) < 60)
            .count();
        (hour.len <= 2 && self.value(hour) <= 24 && parts >= 1).then_some(1 + parts)
    }
}

/// A card number, standing alone. Thirteen digits behind a plus sign are a phone number.
fn is_card(digits: &[u8], before: &Gap) -> bool {
    match card(digits) {
        Some(Issuer::Thirteen) => before.last != Some('+'),
        Some(Issuer::Common | Issuer::Rare) => true,
        None => false,
    }
}

/// Card numbers as they are printed and typed: in fours, or in the blocks of some brand, or in small equal blocks with the
/// same between all.
fn is_usual(groups: &[Group]) -> bool {
    const LAYOUTS: [&[usize]; 11] = [
        &[4, 6, 5],
        &[4, 6, 4],
        &[4, 4, 8],
        &[4, 8, 4],
        &[8, 4, 4],
        &[8, 8],
        &[4, 12],
        &[6, 10],
        &[6, 9],
        &[6, 13],
        &[6, 6, 4],
    ];
    let Some((last, front)) = groups.split_last() else {
        return false;
    };
    let Some((first, inner)) = front.split_first() else {
        return false;
    };
    let even = inner.iter().all(|group| group.len == first.len) && last.len <= first.len;
    let alike = inner.iter().all(|group| group.gap == last.gap);
    let fours = even && first.len == 4;
    let blocks = even && first.len <= 3 && alike;
    fours
        || blocks
        || LAYOUTS
            .iter()
            .any(|layout| groups.iter().map(|group| group.len).eq(layout.iter().copied()))
}

/// Few digits, or blocks of two or three: a list of numbers looks like that as well.
fn is_weak(groups: &[Group], digits: usize) -> bool {
    digits < 14 || groups.first().is_some_and(|first| matches!(first.len, 2 | 3))
}

/// Whether the gap within these groups also stands before or behind them, so that they are part of a longer row.
fn goes_on(groups: &[Group], next: Option<&Group>) -> bool {
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else {
        return false;
    };
    first.gap == last.gap || next.is_some_and(|next| next.gap == last.gap)
}

/// The order numbers of a large marketplace: 3, 7 and 7 digits. No card number is written so, and hardly any has 17 digits.
fn is_order_id(groups: &[Group]) -> bool {
    groups.iter().map(|group| group.len).eq([3, 7, 7])
}

/// A card number with digits directly before or behind it. Random digits of this length look like that too, so only a
/// little may be stuck on, or something that has a meaning of its own: an expiry month, a security code, leading zeros.
fn with_something_stuck_to_it(digits: &[u8]) -> bool {
    let sure = |digits: Option<&[u8]>| digits.is_some_and(|digits| card(digits) == Some(Issuer::Common));
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    if zeros > 0 && sure(digits.get(zeros..)) {
        return true;
    }
    // A date, or a date and a time, in front: what follows is a card number as a whole or a counter.
    if starts_with_date(digits) {
        return sure(digits.get(8..)) || sure(digits.get(14..));
    }
    [15, 16].into_iter().any(|len| {
        let (front, tail) = (digits.get(..len), digits.get(len..).unwrap_or_default());
        let back = digits.len().checked_sub(len).and_then(|start| digits.get(start..));
        let little = (1..=3).contains(&tail.len());
        (little && (sure(front) || sure(back))) || (is_expiry_and_code(tail) && sure(front))
    })
}

/// `1227`, `122027`, and a security code of 3 or 4 digits behind it.
fn is_expiry_and_code(tail: &[u8]) -> bool {
    let month = tail.get(..2).map_or(0, number);
    let expiry = |year: Option<&[u8]>| year.map(number).is_some_and(|year| (20..=60).contains(&(year % 100)));
    let year = match tail.len() {
        4 | 7 | 8 => tail.get(2..4),
        6 | 9 | 10 => tail.get(2..6).filter(|year| number(year) / 100 == 20),
        _ => None,
    };
    (1..=12).contains(&month) && expiry(year)
}

fn starts_with_date(digits: &[u8]) -> bool {
    let part = |from: usize, to: usize| digits.get(from..to).map_or(0, number);
    is_date(part(0, 4), part(4, 6), part(6, 8))
}

fn is_date(year: u64, month: u64, day: u64) -> bool {
    (1900..=2199).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// Whether these digits may be the number that the name of a card number announces: the length of one, and either the
/// issuer range or the check digit of one.
pub(super) fn could_be_card(digits: &[u8]) -> bool {
    (FEWEST + 1..=MOST).contains(&digits.len()) && (issuer(digits).is_some() || luhn(digits))
}
