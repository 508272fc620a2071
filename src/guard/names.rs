//! Names of fields for card data: alone as the key of a map, or in a text with their value behind them.

use super::CardDataKind;
use super::brands::MOST;
use super::digits::{Digits, digits_of};
use super::numbers::could_be_card;
use super::signs::Sign;

/// A name in small letters and without anything between them, and what has to follow it in a text.
struct Name {
    letters: &'static str,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// Three or four digits.
    Code,
    /// Three or four digits behind a colon or an equals sign: the name has other meanings.
    MarkedCode,
    /// The digits of a card number, with or without the right check digit.
    Number,
    /// A word behind a colon or an equals sign.
    Holder,
    /// Nothing makes it card data in a text; it is a name only.
    NameOnly,
}

const fn name(letters: &'static str, value: Value) -> Name {
    Name { letters, value }
}

/// A longer name stands before the shorter one it begins with. `cid` is missing on purpose: it is most often a customer's
/// or a campaign's id.
const NAMES: [Name; 59] = [
    name("cvv2", Value::Code),
    name("cvv", Value::Code),
    name("cvc2", Value::Code),
    name("cvc", Value::Code),
    name("cav2", Value::Code),
    name("securitycode", Value::Code),
    name("cardverificationcode", Value::Code),
    name("cardverificationvalue", Value::Code),
    name("cardverificationnumber", Value::Code),
    name("cardvalidationcode", Value::Code),
    name("cardcode", Value::MarkedCode),
    name("cvn2", Value::MarkedCode),
    name("cvn", Value::MarkedCode),
    name("cvd", Value::MarkedCode),
    name("csc", Value::MarkedCode),
    name("セキュリティコード", Value::Code),
    name("セキュリティーコード", Value::Code),
    name("セキュリティ番号", Value::Code),
    name("セキュリティナンバー", Value::Code),
    name("カード確認番号", Value::Code),
    name("カード検証番号", Value::Code),
    name("カード認証番号", Value::Code),
    name("creditcardnumber", Value::Number),
    name("creditcardno", Value::Number),
    name("debitcardnumber", Value::Number),
    name("cardnumber", Value::Number),
    name("cardnum", Value::Number),
    name("cardno", Value::Number),
    name("ccnumber", Value::Number),
    name("ccnum", Value::Number),
    name("ccno", Value::Number),
    name("primaryaccountnumber", Value::Number),
    name("カード番号", Value::Number),
    name("カードナンバー", Value::Number),
    name("cardholdername", Value::Holder),
    name("cardholder", Value::Holder),
    name("nameoncard", Value::Holder),
    name("カード名義人", Value::Holder),
    name("カード名義", Value::Holder),
    name("pan", Value::NameOnly),
    name("cardexpirationdate", Value::NameOnly),
    name("cardexpiration", Value::NameOnly),
    name("cardexpirydate", Value::NameOnly),
    name("cardexpiry", Value::NameOnly),
    name("cardexp", Value::NameOnly),
    name("ccexp", Value::NameOnly),
    name("expmonth", Value::NameOnly),
    name("expyear", Value::NameOnly),
    name("expirymonth", Value::NameOnly),
    name("expiryyear", Value::NameOnly),
    name("カード有効期限", Value::NameOnly),
    name("カードの有効期限", Value::NameOnly),
    name("cardpin", Value::NameOnly),
    name("pinblock", Value::NameOnly),
    name("track1", Value::NameOnly),
    name("track2", Value::NameOnly),
    name("trackdata", Value::NameOnly),
    name("magstripe", Value::NameOnly),
    name("magneticstripe", Value::NameOnly),
];

/// The letters that a name begins with.
const FIRST: &str = "csdpnetmセカ";

/// Cards that do not pay through a card network: their numbers are the store's own business.
const OTHER_CARDS: [&str; 12] = [
    "gift",
    "member",
    "membership",
    "loyalty",
    "point",
    "points",
    "rewards",
    "library",
    "ギフト",
    "会員",
    "ポイント",
    "メンバーズ",
];

/// What may stand between a name and its value.
const LINKS: [&str; 10] = [
    "is",
    "code",
    "number",
    "num",
    "no",
    "value",
    "は",
    "番号",
    "コード",
    "が",
];
/// Characters between a name and its value, at most.
const FURTHEST: usize = 24;
/// Characters between two letters of a name, at most.
const WIDEST: usize = 4;

/// The value that stands beside its name in a text.
pub(super) fn named_value(signs: &[Sign]) -> Option<CardDataKind> {
    starts(signs).find_map(|at| {
        let rest = signs.get(at..)?;
        // Hardly any word goes on like a name, so the second letter saves nearly all comparisons.
        let second = match rest.get(1 + gap_at(rest, 1)) {
            Some(Sign::Letter { letter, .. }) => *letter,
            _ => return None,
        };
        NAMES
            .iter()
            .filter(|name| name.letters.chars().nth(1) == Some(second))
            .find_map(|name| {
                let taken = spelled(rest, name.letters)?;
                let value = rest.get(taken..)?;
                let kind = match name.value {
                    Value::Code if ends_word(rest, taken) && has_code(value, false) => CardDataKind::SecurityCode,
                    Value::MarkedCode if ends_word(rest, taken) && has_code(value, true) => CardDataKind::SecurityCode,
                    Value::Number if !is_of_another_card(signs, at) && has_number(value) => CardDataKind::Number,
                    Value::Holder if has_word(value) => CardDataKind::FieldName,
                    _ => return None,
                };
                Some(kind)
            })
    })
}

/// Whether this name, as a whole or in one of its words, is that of a field for card data.
pub(super) fn is_card_field(signs: &[Sign]) -> bool {
    let harmless = ["last4", "lastfour", "lastdigits", "下4桁", "下四桁"];
    let is_end = |at: usize| {
        harmless
            .iter()
            .any(|end| signs.get(at..).is_some_and(|rest| spelled(rest, end).is_some()))
    };
    starts(signs).any(|at| {
        let rest = signs.get(at..).unwrap_or_default();
        NAMES.iter().any(|name| {
            let Some(taken) = spelled(rest, name.letters) else {
                return false;
            };
            let is_whole = at == 0 && taken == rest.len();
            match name.value {
                Value::NameOnly if name.letters == "pan" => is_whole,
                Value::Number => {
                    let tail = at + taken + gap_at(signs, at + taken);
                    ends_word(rest, taken) && !is_end(tail) && !is_of_another_card(signs, at)
                }
                _ => ends_word(rest, taken),
            }
        })
    })
}

/// Where a name may begin: at a letter that does not continue a word. Scripts without spaces begin anywhere.
fn starts(signs: &[Sign]) -> impl Iterator<Item = usize> + '_ {
    let before = std::iter::once(Sign::Gap(' ')).chain(signs.iter().copied());
    before.zip(signs).enumerate().filter_map(|(at, pair)| match pair {
        (_, Sign::Letter { letter, .. }) if !FIRST.contains(*letter) => None,
        (
            Sign::Letter { letter, capital },
            Sign::Letter {
                letter: next,
                capital: rises,
            },
        ) => {
            let continues = letter.is_ascii() && next.is_ascii() && (capital || !rises);
            (!continues).then_some(at)
        }
        (_, Sign::Letter { .. }) => Some(at),
        _ => None,
    })
}

/// How many signs spell these letters out, if they do. Between two letters may stand a little that is no letter; within a
/// short name either nowhere or everywhere, so that the end of one word and the start of the next make no name.
fn spelled(signs: &[Sign], letters: &str) -> Option<usize> {
    let mut at = 0;
    let mut parted = 0;
    let mut count = 0;
    for wanted in letters.chars() {
        let gap = if count == 0 { 0 } else { gap_at(signs, at) };
        if gap > WIDEST {
            return None;
        }
        parted += usize::from(gap > 0);
        at += gap;
        let same = match *signs.get(at)? {
            Sign::Letter { letter, .. } => letter == wanted,
            Sign::Digit(digit) => digits_of(wanted) == Some(Digits::One(digit)),
            Sign::Gap(_) => false,
        };
        if !same {
            return None;
        }
        at += 1;
        count += 1;
    }
    let short = letters.is_ascii() && count <= 4;
    (!short || parted == 0 || parted + 1 >= count).then_some(at)
}

fn gap_at(signs: &[Sign], at: usize) -> usize {
    let rest = signs.get(at..).unwrap_or_default();
    rest.iter()
        .take(WIDEST + 1)
        .take_while(|sign| matches!(sign, Sign::Gap(_)))
        .count()
}

/// Whether the name that takes this many signs is not continued by another letter.
fn ends_word(signs: &[Sign], taken: usize) -> bool {
    let Some(last) = taken.checked_sub(1).and_then(|last| signs.get(last)) else {
        return false;
    };
    match (last, signs.get(taken)) {
        (
            Sign::Letter { letter, capital },
            Some(Sign::Letter {
                letter: next,
                capital: rises,
            }),
        ) => !letter.is_ascii() || !next.is_ascii() || (!capital && *rises),
        _ => true,
    }
}

/// Skips what may stand between a name and its value. Tells whether a colon or an equals sign was there.
fn value_after(signs: &[Sign]) -> (&[Sign], bool) {
    let mut rest = signs;
    let mut marked = false;
    loop {
        let far = signs.len() - rest.len() >= FURTHEST;
        match rest {
            [Sign::Gap(c), after @ ..] if !far => {
                marked |= matches!(c, ':' | '=');
                rest = after;
            }
            [Sign::Letter { .. }, ..] if !far => {
                let link = LINKS
                    .iter()
                    .find_map(|link| spelled(rest, link).filter(|taken| ends_word(rest, *taken)));
                match link.and_then(|taken| rest.get(taken..)) {
                    Some(after) => rest = after,
                    None => return (rest, marked),
                }
            }
            _ => return (rest, marked),
        }
    }
}

/// Three or four digits, together or one by one, that nothing makes a quantity or part of a longer number.
fn has_code(signs: &[Sign], needs_mark: bool) -> bool {
    let (value, marked) = value_after(signs);
    if needs_mark && !marked {
        return false;
    }
    let is_digit = |sign: &Sign| matches!(sign, Sign::Digit(_));
    let together = value.iter().take(5).take_while(|sign| is_digit(sign)).count();
    let taken = if together == 1 {
        let pairs = value.get(1..).unwrap_or_default().chunks_exact(2).take(4);
        1 + 2 * pairs
            .take_while(|pair| matches!(pair, [Sign::Gap(_), Sign::Digit(_)]))
            .count()
    } else {
        together
    };
    let digits = if together == 1 { taken.div_ceil(2) } else { together };
    let unit = match value.get(taken) {
        Some(Sign::Digit(_)) => true,
        Some(Sign::Letter { letter, .. }) => letter.is_ascii() || "円個枚件点本台".contains(*letter),
        _ => false,
    };
    (3..=4).contains(&digits) && !unit
}

fn has_number(signs: &[Sign]) -> bool {
    let (value, _) = value_after(signs);
    let row = value
        .iter()
        .take(4 * MOST)
        .take_while(|sign| !matches!(sign, Sign::Letter { .. }));
    let digits: Vec<u8> = row
        .filter_map(|sign| match sign {
            Sign::Digit(digit) => Some(*digit),
            _ => None,
        })
        .collect();
    could_be_card(&digits)
}

fn has_word(signs: &[Sign]) -> bool {
    let (value, marked) = value_after(signs);
    marked && matches!(value.first(), Some(Sign::Letter { .. }))
}

/// Whether the word before says that it is a card of another sort.
fn is_of_another_card(signs: &[Sign], at: usize) -> bool {
    let before = signs.get(..at).unwrap_or_default();
    let gaps = before
        .iter()
        .rev()
        .take(WIDEST)
        .take_while(|sign| matches!(sign, Sign::Gap(_)))
        .count();
    let end = before.len() - gaps;
    OTHER_CARDS.iter().any(|word| {
        let start = end.checked_sub(word.chars().count());
        start
            .and_then(|start| before.get(start..end))
            .is_some_and(|rest| spelled(rest, word).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_begins_with_a_letter_that_is_looked_for() {
        for name in &NAMES {
            assert!(name.letters.starts_with(|c| FIRST.contains(c)), "{}", name.letters);
        }
    }

    #[test]
    fn every_latin_name_has_the_letter_that_the_short_way_asks_for() {
        for name in NAMES
            .iter()
            .filter(|name| name.letters.is_ascii() && name.value != Value::NameOnly)
        {
            assert!(name.letters.contains('c'), "{}", name.letters);
        }
    }

    #[test]
    fn no_name_is_hidden_behind_a_shorter_one() {
        for (place, name) in NAMES.iter().enumerate() {
            let before = NAMES.iter().take(place);
            let hides = |earlier: &Name| name.letters.starts_with(earlier.letters);
            assert!(!before.into_iter().any(hides), "{}", name.letters);
        }
    }
}
