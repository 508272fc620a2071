//! Card data refused in free text (PAY-58).

mod brands;
mod digits;
mod names;
mod numbers;
mod signs;

use self::signs::{Reading, has_escapes};

/// What was seen.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CardDataKind {
    /// A card number.
    Number,
    /// A security code beside its name.
    SecurityCode,
    /// The name of a field for card data.
    FieldName,
}

/// Card data was seen where none belongs. Carries the place and never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} holds what looks like card data; the store must never handle any")]
pub struct CardDataSighted {
    /// Where.
    pub field: &'static str,
    /// What.
    pub kind: CardDataKind,
}

/// Refuses free text with card data in it.
pub fn check_text(field: &'static str, text: &str) -> Result<(), CardDataSighted> {
    match look(text) {
        Some(kind) => Err(CardDataSighted { field, kind }),
        None => Ok(()),
    }
}

/// Refuses the name of a field, such as a key of a map, that is for card data or holds some.
pub fn check_name(field: &'static str, name: &str) -> Result<(), CardDataSighted> {
    if names::is_card_field(&signs::signs(name, Reading::Unescaped)) {
        let kind = CardDataKind::FieldName;
        return Err(CardDataSighted { field, kind });
    }
    check_text(field, name)
}

fn look(text: &str) -> Option<CardDataKind> {
    // Most texts end here, after one pass over the bytes: no name of a field can be followed by its value, and there are too
    // few characters for a card number. A character outside ASCII may stand for two digits (a circled 42).
    let (digits, marks) = text.bytes().fold((0_usize, false), |(digits, marks), byte| match byte {
        b'0'..=b'9' => (digits + 1, marks),
        b':' | b'=' | b'%' | b'&' | b'\\' => (digits, true),
        0xc0.. => (digits + 2, marks),
        _ => (digits, marks),
    });
    if digits < 3 && !marks {
        return None;
    }
    // Every name of a field with a value has a c in it.
    if digits < brands::FEWEST && text.is_ascii() && !has_escapes(text) && !text.contains(['c', 'C']) {
        return None;
    }
    let plain = signs::signs(text, Reading::Plain);
    judge(&plain).or_else(|| {
        has_escapes(text)
            .then(|| judge(&signs::signs(text, Reading::Unescaped)))
            .flatten()
    })
}

fn judge(signs: &[signs::Sign]) -> Option<CardDataKind> {
    if numbers::holds_card_number(signs) {
        return Some(CardDataKind::Number);
    }
    names::named_value(signs)
}
