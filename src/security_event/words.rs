//! The words of events: severities, outcomes and reasons, each from a closed list, and the one kind of free text there is.

use std::fmt;

use crate::callback::CallbackError;
use crate::error::{ErrorKind, VerifyError};
use crate::guard::{CardDataKind, check_text};
use crate::ledger::{AskReason, HeldReason, Mismatch};

/// Makes an enum of words, with the list of all of them and the text of each.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $name { $($(#[$word_doc])* $word,)+ }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$word,)+];

            /// The word, as it is sent.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// How much an event matters. The words are the levels of Sigma rules.
    Severity {
        /// The normal course of things, for counting.
        Informational = "informational",
        /// Happens to honest people as well. Worth a look when there are many.
        Low = "low",
        /// Somebody should look at it within the day.
        Medium = "medium",
        /// Somebody should look at it now.
        High = "high",
        /// Wake somebody up.
        Critical = "critical",
    }
}

impl Severity {
    /// As a number for `event.severity`, from 10 to 90.
    #[must_use]
    pub const fn as_number(self) -> u64 {
        match self {
            Self::Informational => 10,
            Self::Low => 30,
            Self::Medium => 50,
            Self::High => 70,
            Self::Critical => 90,
        }
    }
}

words! {
    /// How it went, from the store's side: the three words of `event.outcome`.
    EventOutcome {
        /// As it should.
        Success = "success",
        /// It was refused, or it failed.
        Failure = "failure",
        /// It is not known, or there is nothing to succeed in.
        Unknown = "unknown",
    }
}

words! {
    /// During which step of the flow something happened.
    Step {
        /// A checkout was being opened.
        Open = "open",
        /// The gateway's message was being taken.
        Callback = "callback",
        /// The shopper's browser came back.
        Return = "return",
        /// The gateway was being asked.
        Query = "query",
        /// The sweep was running.
        Sweep = "sweep",
        /// A right to fulfil was being handed out or closed.
        Fulfil = "fulfil",
        /// The switch was being turned, or what it needs was being read.
        Switch = "switch",
        /// The ledger was being checked, or a checkpoint made.
        Check = "check",
        /// A report was being written.
        Report = "report",
    }
}

words! {
    /// Why. Which reasons an event can have is said in [`EVENTS`](super::EVENTS).
    Reason {
        // --- a message that proves nothing
        /// A part that the proof needs is missing.
        Missing = "missing",
        /// A part that the proof needs does not have its form, or is there twice.
        Malformed = "malformed",
        /// No configured key made the signature.
        Signature = "signature",
        /// Signed too long ago, or too far in the future.
        Stale = "stale",
        /// The signature is right, and what it covers is no message of this gateway.
        Payload = "payload",
        /// The key for the check could not be had.
        Key = "key",
        /// It is larger than a message may be.
        TooLarge = "too_large",
        /// Its body is encoded, so that nothing could be checked.
        Encoded = "encoded",
        /// Its body did not arrive whole, or not in time.
        Incomplete = "incomplete",
        // --- a message that changes nothing
        /// Known already.
        Already = "already",
        /// Older than what is known.
        Older = "older",
        // --- evidence that contradicts the record
        /// Another gateway.
        Gateway = "gateway",
        /// Another merchant account.
        Account = "account",
        /// Test instead of live, or the reverse.
        Environment = "environment",
        /// Another order, checkout or payment.
        Reference = "reference",
        /// Another attempt, or none.
        Attempt = "attempt",
        /// Another amount.
        Amount = "amount",
        /// Another currency.
        Currency = "currency",
        /// Everything else is equal, and nothing was paid.
        Status = "status",
        /// Money came after the attempt had ended without any.
        Late = "late",
        /// The order had been paid by another attempt.
        Excess = "excess",
        /// The gateway's transaction belongs to another attempt.
        TransactionBound = "transaction_bound",
        /// The money had gone back before the order could be fulfilled.
        Refunded = "refunded",
        // --- neither paid nor failed
        /// The amount is not said.
        AmountMissing = "amount_missing",
        /// The status is one that this version has no word for, or it is only a sign that something changed.
        StatusUnknown = "status_unknown",
        // --- a return that belongs to no attempt
        /// The token is missing, wrong or doubled.
        Token = "token",
        /// There is no such attempt.
        UnknownAttempt = "unknown_attempt",
        /// The gateway's part names another checkout or attempt.
        OtherCheckout = "other_checkout",
        // --- a call to the gateway that failed
        /// The gateway is not set up for this call, or the address is not allowed.
        Config = "config",
        /// The gateway does not accept the request.
        Request = "request",
        /// The credential was refused.
        Authentication = "authentication",
        /// Declined.
        Declined = "declined",
        /// The gateway does not know what was asked about.
        NotFound = "not_found",
        /// The thing is in a state that does not allow this.
        Conflict = "conflict",
        /// Too many requests.
        RateLimited = "rate_limited",
        /// The gateway has trouble.
        Unavailable = "unavailable",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection failed.
        Transport = "transport",
        /// The answer is not what the gateway's documents describe, or it is about something else than was asked.
        Protocol = "protocol",
        /// The peer's certificate is not trusted, expired, or of another name.
        Certificate = "certificate",
        /// The peer does not speak TLS as it must.
        Tls = "tls",
        // --- signs of card testing
        /// Many attempts end declined.
        DeclineRate = "decline_rate",
        /// Many declined attempts of one amount.
        SameAmount = "same_amount",
        /// Many attempts of one customer, none of them paid.
        SameCustomer = "same_customer",
        /// More attempts of one order than are allowed.
        SameOrder = "same_order",
        /// More attempts of one client than are allowed.
        SameClient = "same_client",
        // --- card data
        /// A card number.
        Number = "number",
        /// A security code.
        SecurityCode = "security_code",
        /// The name of a field for card data.
        FieldName = "field_name",
        // --- a sink
        /// It returned an error.
        Failed = "failed",
        /// It is full, or does not keep up.
        Full = "full",
        /// It panicked.
        Panicked = "panicked",
        // --- a broken record
        /// A record is not the one that was written.
        Altered = "altered",
        /// Records are missing.
        Removed = "removed",
        // --- modes of the store
        /// Payments are taken.
        Normal = "normal",
        /// No new payments.
        Stopped = "stopped",
        /// Messages are a reason to ask and no more.
        AskBeforeApply = "ask_before_apply",
        // --- parts of the self-check
        /// Keys.
        Keys = "keys",
        /// Addresses of gateways.
        Hosts = "hosts",
        /// The machine's clock.
        ClockSkew = "clock_skew",
        /// A known signed message.
        Vector = "vector",
        /// The chain of records.
        Chain = "chain",
        /// A sink of events.
        Sink = "sink",
    }
}

impl From<VerifyError> for Reason {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Missing(_) => Self::Missing,
            VerifyError::Malformed(_) => Self::Malformed,
            VerifyError::Mismatch => Self::Signature,
            VerifyError::Stale => Self::Stale,
            VerifyError::Payload(_) => Self::Payload,
            VerifyError::Key(_) => Self::Key,
        }
    }
}

impl From<CallbackError> for Reason {
    fn from(error: CallbackError) -> Self {
        match error {
            CallbackError::TooLarge(_) => Self::TooLarge,
            CallbackError::Encoded => Self::Encoded,
            CallbackError::Incomplete => Self::Incomplete,
        }
    }
}

impl From<HeldReason> for Reason {
    fn from(reason: HeldReason) -> Self {
        match reason {
            HeldReason::Mismatch(mismatch) => match mismatch {
                Mismatch::Gateway => Self::Gateway,
                Mismatch::Account => Self::Account,
                Mismatch::Environment => Self::Environment,
                Mismatch::Reference => Self::Reference,
                Mismatch::Attempt => Self::Attempt,
                Mismatch::Amount => Self::Amount,
                Mismatch::Currency => Self::Currency,
                Mismatch::Status => Self::Status,
            },
            HeldReason::Late => Self::Late,
            HeldReason::Excess => Self::Excess,
            HeldReason::TransactionBound => Self::TransactionBound,
            HeldReason::Refunded => Self::Refunded,
        }
    }
}

impl From<AskReason> for Reason {
    fn from(reason: AskReason) -> Self {
        match reason {
            AskReason::AmountMissing => Self::AmountMissing,
            AskReason::StatusUnknown => Self::StatusUnknown,
        }
    }
}

impl From<ErrorKind> for Reason {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config => Self::Config,
            ErrorKind::Request => Self::Request,
            ErrorKind::Authentication => Self::Authentication,
            ErrorKind::Declined => Self::Declined,
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::RateLimited => Self::RateLimited,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Timeout => Self::Timeout,
            ErrorKind::Transport => Self::Transport,
            ErrorKind::Protocol => Self::Protocol,
        }
    }
}

impl From<CardDataKind> for Reason {
    fn from(kind: CardDataKind) -> Self {
        match kind {
            CardDataKind::Number => Self::Number,
            CardDataKind::SecurityCode => Self::SecurityCode,
            CardDataKind::FieldName => Self::FieldName,
        }
    }
}

/// A short text that an operator wrote, such as a name: at most 64 characters, on one line, without control, invisible or
/// direction characters, and `withheld` in place of card data (PAY-38, PAY-58).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EventText(String);

impl EventText {
    /// Keeps what can be shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let kept: String = text.chars().filter(|c| !is_unseen(*c)).take(64).collect();
        let refused = |text: &str| check_text("the text of an event", text).is_err();
        // Looked at before and after: what fell out between two digits no longer keeps them apart.
        if refused(text) || refused(&kept) {
            return Self("withheld".to_owned());
        }
        Self(kept)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventText({:?})", self.0)
    }
}

/// Control characters, line and paragraph separators, and what changes direction or cannot be seen.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_numbers_from_10_to_90_in_their_order() {
        let numbers: Vec<_> = Severity::ALL.iter().map(|severity| severity.as_number()).collect();
        assert_eq!(numbers, [10, 30, 50, 70, 90]);
    }

    #[test]
    fn a_text_is_one_short_visible_line_and_holds_no_card_data() {
        assert_eq!(EventText::new("佐藤 花子").as_str(), "佐藤 花子");
        let hostile = "a\nb\r\u{1b}[31mc\u{2028}d\u{202e}e\u{200b}f\u{0}g\u{85}h";
        assert_eq!(EventText::new(hostile).as_str(), "ab[31mcdefgh");
        assert_eq!(EventText::new(&"長".repeat(500)).as_str().chars().count(), 64);
        for card in ["4242 4242 4242 4242", "4242\u{200b}4242\n4242\u{2028}4242", "cvv: 123"] {
            assert_eq!(EventText::new(card).as_str(), "withheld", "{card:?}");
        }
    }

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        words.sort_unstable();
        let all = words.len();
        words.dedup();
        assert_eq!(words.len(), all);
        assert!(
            words
                .iter()
                .all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
    }
}
