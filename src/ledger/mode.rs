//! The stop switch: whether new checkouts begin, and whether signed messages are believed (PAY-67).

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::guard::check_text;

/// What the store does at the moment. Kept by the ledger, so it holds on every node and over every restart.
///
/// The two are independent: a store that stopped can be told to ask first, and is stopped still.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mode {
    /// No new checkout begins. Callbacks, returns, questions and fulfilment go on: who has paid is served.
    pub stopped: Option<Switched>,
    /// Signed callbacks are reasons to ask and nothing more: for when the keys may be known to somebody else.
    pub asks_first: Option<Switched>,
}

/// Who turned the switch, why, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Switched {
    /// Who.
    pub actor: SwitchText,
    /// Why.
    pub reason: SwitchText,
    /// When.
    pub since: SystemTime,
}

/// A turn of the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeChange {
    /// Which way.
    pub switch: Switch,
    /// Who.
    pub actor: SwitchText,
    /// Why.
    pub reason: SwitchText,
}

/// Which way the switch is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Switch {
    /// No new checkout from now on.
    Stop,
    /// Ask before anything is applied.
    AskBeforeApply,
    /// As usual again: both are taken back.
    Reopen,
}

impl Mode {
    /// As usual: nothing was turned.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// What the mode is after a turn of the switch. Turned again, it keeps who turned it first, and when.
    #[must_use]
    pub fn after(&self, change: &ModeChange, at: SystemTime) -> Self {
        let switched = || Switched {
            actor: change.actor.clone(),
            reason: change.reason.clone(),
            since: at,
        };
        let Self { stopped, asks_first } = self.clone();
        match change.switch {
            Switch::Stop => Self {
                stopped: stopped.or_else(|| Some(switched())),
                asks_first,
            },
            Switch::AskBeforeApply => Self {
                stopped,
                asks_first: asks_first.or_else(|| Some(switched())),
            },
            Switch::Reopen => Self::default(),
        }
    }
}

/// A name or a reason that goes on record: one line of 1 to 200 characters, without card data and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SwitchText(String);

/// Why a text (an actor, a reason, a label) cannot go on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SwitchTextError {
    /// There is nothing in it to read.
    #[error("an actor, a reason or a label is empty, or nothing but spaces: say who, or why")]
    Blank,
    /// It has more than 200 characters.
    #[error("an actor, a reason or a label has more than 200 characters: shorten it")]
    TooLong,
    /// A line break, another control character, or one that hides or turns text round.
    #[error(
        "an actor, a reason or a label has a line break or an invisible character in it: write it in one plain line"
    )]
    Hidden,
    /// It looks like card data, which goes nowhere.
    #[error("an actor, a reason or a label has what looks like card data in it: leave that out")]
    CardData,
}

impl SwitchText {
    /// Checks the text and takes it.
    pub fn new(text: impl Into<String>) -> Result<Self, SwitchTextError> {
        let text = text.into();
        let length = text.chars().count();
        let hidden = |c: char| {
            c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        if text.trim().is_empty() {
            return Err(SwitchTextError::Blank);
        }
        if length > 200 {
            return Err(SwitchTextError::TooLong);
        }
        if text.chars().any(hidden) {
            return Err(SwitchTextError::Hidden);
        }
        match check_text("the reason", &text) {
            Ok(()) => Ok(Self(text)),
            Err(_) => Err(SwitchTextError::CardData),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SwitchText {
    type Error = SwitchTextError;
    fn try_from(text: String) -> Result<Self, SwitchTextError> {
        Self::new(text)
    }
}

impl From<SwitchText> for String {
    fn from(text: SwitchText) -> Self {
        text.0
    }
}

impl fmt::Display for SwitchText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switches_are_independent_and_remember_who_was_first() {
        let change = |switch, actor: &str| ModeChange {
            switch,
            actor: SwitchText::new(actor).unwrap(),
            reason: SwitchText::new("a test").unwrap(),
        };
        let (one, two) = (SystemTime::UNIX_EPOCH, SystemTime::now());
        let stopped = Mode::default().after(&change(Switch::Stop, "a"), one);
        assert!(!stopped.is_usual() && stopped.asks_first.is_none());
        assert_eq!(stopped.after(&change(Switch::Stop, "b"), two), stopped);
        let both = stopped.after(&change(Switch::AskBeforeApply, "b"), two);
        assert_eq!(both.stopped, stopped.stopped);
        assert_eq!(both.asks_first.as_ref().map(|by| by.actor.as_str()), Some("b"));
        assert!(both.after(&change(Switch::Reopen, "c"), two).is_usual());
    }

    #[test]
    fn what_is_no_name_and_no_reason_is_refused() {
        use SwitchTextError as Why;
        for (text, why) in [
            ("", Why::Blank),
            ("  ", Why::Blank),
            ("two\nlines", Why::Hidden),
            ("a\u{202e}b", Why::Hidden),
            ("bell\u{7}", Why::Hidden),
            ("seen 4242 4242 4242 4242 in a log", Why::CardData),
            (&"x".repeat(201), Why::TooLong),
        ] {
            assert_eq!(SwitchText::new(text).err(), Some(why), "{text:?}");
        }
        assert!(SwitchText::new("山田 花子").is_ok());
        assert!(SwitchText::new("the payment agency called at 03-5321-1111").is_ok());
    }

    #[test]
    fn who_and_why_are_printed_as_they_were_said() {
        assert_eq!(
            SwitchText::new("strange payments").unwrap().to_string(),
            "strange payments"
        );
    }
}
