//! What a payment is at one moment, and which moves between such moments are believable.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::guard::check_text;
use crate::money::Money;

/// The state of one attempt to pay.
///
/// ```text
/// Created ─► RequiresAction ─► Pending ─► Authorized ─► Captured ─► PartiallyRefunded ─► Refunded ─► Disputed
///     └──────────────┴────────────┴───────────┴─► Cancelled | Failed | Expired
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PaymentStatus {
    /// The hosted payment page is open, or can be opened; nothing was paid.
    Created,
    /// The shopper chose a method that pays later (a slip, a transfer), or the gateway is working.
    Pending,
    /// The shopper has to do something more, such as 3-D Secure.
    RequiresAction,
    /// The money is reserved and not yet taken.
    Authorized,
    /// The money is taken. One-step hosted payments end here.
    Captured,
    /// Some of what was captured went back.
    PartiallyRefunded,
    /// All of what was captured went back.
    Refunded,
    /// The shopper, or the merchant before capture, gave it up.
    Cancelled,
    /// It ended without money.
    Failed,
    /// It ran out of time without money.
    Expired,
    /// The shopper's bank took the money back, or is about to.
    Disputed,
    /// The gateway said something this version has no word for, or nothing usable. Neither paid nor failed: ask again.
    Unknown,
}

/// What a piece of news means for what is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// News: the state changes.
    Forward,
    /// The same again.
    Same,
    /// Older than what is known. Nothing changes (PAY-35).
    Older,
    /// Money came after the attempt had ended without any. Nothing changes by itself: a human looks (PAY-48).
    Late,
    /// No statement at all ([`PaymentStatus::Unknown`]).
    Nothing,
}

impl PaymentStatus {
    /// Every state, for tables and tests.
    pub const ALL: [Self; 12] = [
        Self::Created,
        Self::Pending,
        Self::RequiresAction,
        Self::Authorized,
        Self::Captured,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Cancelled,
        Self::Failed,
        Self::Expired,
        Self::Disputed,
        Self::Unknown,
    ];

    /// What hearing `next` means when `self` is known. One pure function decides for every ledger.
    #[must_use]
    pub fn hearing(self, next: Self) -> Move {
        match (self, next) {
            (_, Self::Unknown) => Move::Nothing,
            (now, next) if now == next => Move::Same,
            (Self::Cancelled | Self::Failed | Self::Expired, next) if next.has_money() => Move::Late,
            // An end without money is news as long as no money was taken. An authorization can still lapse.
            (Self::Created | Self::Pending | Self::RequiresAction | Self::Authorized, end) if end.is_dead() => {
                Move::Forward
            }
            (now, next) if next.rank() > now.rank() => Move::Forward,
            // 3-D Secure can be asked for again, and a shopper can go back and choose another method.
            (Self::Pending, Self::RequiresAction) | (Self::RequiresAction, Self::Pending) => Move::Forward,
            // So ends without money do not turn into each other, nor back into anything open.
            _ => Move::Older,
        }
    }

    /// True where money was reserved or taken at some time, wherever it is now.
    #[must_use]
    pub fn has_money(self) -> bool {
        self.rank() >= Self::Authorized.rank()
    }

    /// True for the ends without money.
    #[must_use]
    pub fn is_dead(self) -> bool {
        matches!(self, Self::Cancelled | Self::Failed | Self::Expired)
    }

    /// True where nothing more is expected from the gateway for a purchase; refunds and disputes may still come.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.is_dead()
            || matches!(
                self,
                Self::Captured | Self::PartiallyRefunded | Self::Refunded | Self::Disputed
            )
    }

    /// What it means that a gateway calls a payment cancelled when `self` is known of it. Some say so of a sale that was
    /// called off: money that was taken went back then.
    #[cfg_attr(
        not(any(feature = "gmopg", feature = "sbps")),
        allow(dead_code, reason = "not every gateway does")
    )]
    pub(crate) fn called_off(self) -> Self {
        if self.rank() >= Self::Captured.rank() {
            Self::Refunded
        } else {
            Self::Cancelled
        }
    }

    /// The word used in records and on pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Pending => "pending",
            Self::RequiresAction => "requires_action",
            Self::Authorized => "authorized",
            Self::Captured => "captured",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Disputed => "disputed",
            Self::Unknown => "unknown",
        }
    }

    fn rank(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Created => 1,
            Self::RequiresAction | Self::Pending => 2,
            Self::Cancelled | Self::Failed | Self::Expired => 3,
            Self::Authorized => 4,
            Self::Captured => 5,
            Self::PartiallyRefunded => 6,
            Self::Refunded => 7,
            Self::Disputed => 8,
        }
    }
}

impl fmt::Display for PaymentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When the money is to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureMode {
    /// At once: the order may be fulfilled when the payment is captured.
    #[default]
    Automatic,
    /// Reserve only: the order may be fulfilled when the payment is authorized, and the store captures when it ships.
    Manual,
}

impl CaptureMode {
    /// Is this the state the store waits for before it may fulfil?
    #[must_use]
    pub fn is_paid_by(self, status: PaymentStatus) -> bool {
        match self {
            Self::Automatic => status == PaymentStatus::Captured,
            Self::Manual => matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured),
        }
    }
}

/// What the gateway says of one payment, true as of its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PaymentSnapshot {
    /// The state in our words.
    pub status: PaymentStatus,
    /// The state in the gateway's own words, for logs. Printable, bounded; nothing decides by it.
    pub gateway_status: GatewayWord,
    /// What the shopper was asked to pay, if the gateway said it. Absent means ask, never pass.
    pub amount: Option<Money>,
    /// How much of it went back, if the gateway said it.
    pub refunded: Option<Money>,
    /// When this was true: when the gateway made the event, or when it answered.
    pub as_of: SystemTime,
}

impl PaymentSnapshot {
    /// A snapshot with a state and no sums.
    #[must_use]
    pub fn new(status: PaymentStatus, gateway_status: GatewayWord, as_of: SystemTime) -> Self {
        Self {
            status,
            gateway_status,
            amount: None,
            refunded: None,
            as_of,
        }
    }

    /// Adds what the shopper was asked to pay.
    #[must_use]
    pub fn with_amount(mut self, amount: Option<Money>) -> Self {
        self.amount = amount;
        self
    }

    /// Adds how much went back.
    #[must_use]
    pub fn with_refunded(mut self, refunded: Option<Money>) -> Self {
        self.refunded = refunded;
        self
    }
}

/// A short word out of a gateway's message, made harmless: visible ASCII, at most 64 characters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String")]
pub struct GatewayWord(String);

impl GatewayWord {
    /// Keeps the visible ASCII of the text, or nothing of a text with card data in it (PAY-58).
    #[must_use]
    pub fn new(text: &str) -> Self {
        // Most words are plain already, and are taken as they are.
        let kept = if text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            text.to_owned()
        } else {
            text.chars().filter(char::is_ascii_graphic).take(64).collect()
        };
        let refused = |text: &str| check_text("the gateway's word", text).is_err();
        // What was kept is looked at too: letters that fell out between digits no longer keep them apart, and what is left of a
        // longer number may be a card's.
        if refused(text) || (kept != text && refused(&kept)) {
            return Self("withheld".to_owned());
        }
        Self(kept)
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for GatewayWord {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PaymentStatus as S;

    /// What is known by row and what is heard by column, both in the order of `ALL`: `F`orward, `=` the same, `o`lder, `L`ate,
    /// `.` nothing.
    const MOVES: [&str; 12] = [
        "=FFFFFFFFFF.", // created
        "o=FFFFFFFFF.", // pending
        "oF=FFFFFFFF.", // requires_action
        "ooo=FFFFFFF.", // authorized
        "oooo=FFoooF.", // captured
        "ooooo=FoooF.", // partially_refunded
        "oooooo=oooF.", // refunded
        "oooLLLL=ooL.", // cancelled
        "oooLLLLo=oL.", // failed
        "oooLLLLoo=L.", // expired
        "oooooooooo=.", // disputed
        "FFFFFFFFFFF.", // unknown
    ];

    #[test]
    fn every_pair_of_states_moves_as_the_table_says() {
        for (now, row) in S::ALL.into_iter().zip(MOVES) {
            for (next, letter) in S::ALL.into_iter().zip(row.chars()) {
                let expected = match letter {
                    'F' => Move::Forward,
                    '=' => Move::Same,
                    'o' => Move::Older,
                    'L' => Move::Late,
                    _ => Move::Nothing,
                };
                assert_eq!(now.hearing(next), expected, "{now} then {next}");
            }
        }
    }

    #[test]
    fn each_state_is_what_its_name_says() {
        let words = |is: fn(S) -> bool| {
            let those: Vec<_> = S::ALL.into_iter().filter(|state| is(*state)).map(S::as_str).collect();
            those.join(" ")
        };
        assert_eq!(
            words(S::has_money),
            "authorized captured partially_refunded refunded disputed"
        );
        assert_eq!(words(S::is_dead), "cancelled failed expired");
        assert!(S::ALL.iter().all(|state| state.to_string() == state.as_str()));
        assert_eq!(
            words(S::is_final),
            "captured partially_refunded refunded cancelled failed expired disputed"
        );
        assert_eq!(words(|state| CaptureMode::Automatic.is_paid_by(state)), "captured");
        assert_eq!(
            words(|state| CaptureMode::Manual.is_paid_by(state)),
            "authorized captured"
        );
    }

    #[test]
    fn what_is_called_off_went_back_if_it_was_taken() {
        let back: Vec<_> = S::ALL
            .into_iter()
            .filter(|state| state.called_off() == S::Refunded)
            .collect();
        assert_eq!(back, [S::Captured, S::PartiallyRefunded, S::Refunded, S::Disputed]);
        assert_eq!(S::Authorized.called_off(), S::Cancelled);
    }

    #[test]
    fn unknown_never_moves_anything() {
        for now in S::ALL {
            assert_eq!(now.hearing(S::Unknown), Move::Nothing, "{now}");
        }
    }

    #[test]
    fn what_was_paid_is_never_undone_by_older_news() {
        for paid in [S::Captured, S::PartiallyRefunded, S::Refunded, S::Disputed] {
            for older in [
                S::Created,
                S::Pending,
                S::RequiresAction,
                S::Authorized,
                S::Failed,
                S::Cancelled,
                S::Expired,
            ] {
                assert_eq!(paid.hearing(older), Move::Older, "{paid} then {older}");
            }
        }
        assert_eq!(S::Refunded.hearing(S::Captured), Move::Older);
        assert_eq!(S::Disputed.hearing(S::Refunded), Move::Older);
    }

    #[test]
    fn money_after_an_end_without_money_is_late_and_never_forward() {
        for dead in [S::Cancelled, S::Failed, S::Expired] {
            for money in [
                S::Authorized,
                S::Captured,
                S::PartiallyRefunded,
                S::Refunded,
                S::Disputed,
            ] {
                assert_eq!(dead.hearing(money), Move::Late, "{dead} then {money}");
            }
            for open in [S::Created, S::Pending, S::RequiresAction] {
                assert_eq!(dead.hearing(open), Move::Older, "{dead} then {open}");
            }
        }
    }

    #[test]
    fn forward_moves_never_run_in_a_circle_through_money() {
        // From any state with money, following forward moves never reaches a state without it.
        for from in S::ALL.into_iter().filter(|status| status.rank() >= S::Captured.rank()) {
            for to in S::ALL {
                if from.hearing(to) == Move::Forward {
                    assert!(to.has_money() && to.rank() > from.rank(), "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn the_ordinary_way_is_open() {
        for (now, next) in [
            (S::Created, S::Pending),
            (S::Created, S::Captured),
            (S::Pending, S::Captured),
            (S::Pending, S::Failed),
            (S::RequiresAction, S::Pending),
            (S::Created, S::Expired),
            (S::Authorized, S::Captured),
            (S::Authorized, S::Cancelled),
            (S::Captured, S::PartiallyRefunded),
            (S::PartiallyRefunded, S::Refunded),
            (S::Captured, S::Disputed),
            (S::Unknown, S::Created),
        ] {
            assert_eq!(now.hearing(next), Move::Forward, "{now} then {next}");
        }
    }

    #[test]
    fn only_captured_money_pays_an_automatic_attempt() {
        for status in S::ALL {
            assert_eq!(CaptureMode::Automatic.is_paid_by(status), status == S::Captured);
            assert_eq!(
                CaptureMode::Manual.is_paid_by(status),
                matches!(status, S::Captured | S::Authorized)
            );
        }
    }

    #[test]
    fn a_gateway_word_cannot_forge_a_log_line() {
        let word = GatewayWord::new("paid\r\n2026 INFO all good\u{1b}[31m\u{202e}支払");
        assert_eq!(word.as_str(), "paid2026INFOallgood[31m");
        assert_eq!(GatewayWord::new(&"x".repeat(1000)).as_str().len(), 64);
        for text in ["4242 4242 4242 4242", "4242あ4242あ4242あ4242", "declined: cvc 123"] {
            assert_eq!(GatewayWord::new(text).as_str(), "withheld", "{text}");
        }
        // Cut behind its sixteenth digit, a longer number is that of a card.
        let longer = format!("{},42424242424242429999", "x".repeat(47));
        assert!(check_text("a text", &longer).is_ok());
        assert_eq!(GatewayWord::new(&longer).as_str(), "withheld");
    }

    #[test]
    fn a_word_is_the_same_from_text_and_from_a_string() {
        assert_eq!(GatewayWord::from("paid".to_owned()).as_str(), "paid");
        assert_eq!(GatewayWord::from("4242 4242 4242 4242".to_owned()).as_str(), "withheld");
    }
}
