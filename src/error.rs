//! What can go wrong, sorted by the question the caller has.
//!
//! | type | when | the caller's question |
//! | --- | --- | --- |
//! | [`ConfigError`] | building a gateway or a cashier | what do I fix? |
//! | [`RequestError`](crate::RequestError) | building a checkout request | which field? |
//! | [`VerifyError`] | something came in | reject, or try later? |
//! | [`Mismatch`](crate::Mismatch) | proven, but not what was expected | attack, or my bug? |
//! | [`Error`] | something went out | **may money have moved?** |
//! | [`StoreError`](crate::StoreError) | the ledger | can the gateway deliver again? |

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use crate::money::MoneyError;
use crate::payment::GatewayWord;
use crate::reference::{RandomError, ReferenceError};
use crate::secret::SecretError;

/// Why a gateway, a transport or a cashier cannot be built. Names the setting and never its value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A secret is missing, blank, clipped or a placeholder.
    #[error("{setting} {reason}")]
    Secret {
        /// Which setting; several keys are counted from 0.
        setting: String,
        /// What is wrong with it.
        reason: SecretError,
    },
    /// A key of one environment beside the address, the key or the switch of another.
    #[error("{setting} belongs to another environment than {against}")]
    Environment {
        /// The setting that stands out.
        setting: &'static str,
        /// The setting it contradicts.
        against: &'static str,
    },
    /// A credential of the wrong kind, for instance a publishable key where a secret key belongs.
    #[error("{setting} is of the wrong kind: {hint}")]
    WrongKind {
        /// Which setting.
        setting: &'static str,
        /// What belongs there.
        hint: &'static str,
    },
    /// An address that is not HTTPS (plain HTTP is for loopback only), has no host, or carries credentials.
    #[error("{setting} is not a usable address: {hint}")]
    Address {
        /// Which setting.
        setting: &'static str,
        /// What is wrong.
        hint: &'static str,
    },
    /// Something that has to be chosen was not: there is no default, because the choice has consequences.
    #[error("{setting} has to be chosen: {hint}")]
    Choice {
        /// What has to be chosen.
        setting: &'static str,
        /// Between what.
        hint: &'static str,
    },
    /// A number outside its bounds.
    #[error("{setting} must be {bounds}")]
    Bounds {
        /// Which setting.
        setting: &'static str,
        /// The bounds, in words and with their unit.
        bounds: &'static str,
    },
    /// Two gateways under one id, or none at all.
    #[error("{0}")]
    Gateways(&'static str),
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be built")]
    Transport(#[source] Box<dyn StdError + Send + Sync>),
}

/// Why an inbound message proves nothing. To the outside all of these look the same; the detail is for the store's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A part that the proof needs is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part that the proof needs is there twice, or does not have its form.
    #[error("{0}")]
    Malformed(&'static str),
    /// No configured key made this signature over these bytes.
    #[error("the signature does not match under any configured key; was the body changed before it got here?")]
    Mismatch,
    /// Signed too long ago, or too far in the future.
    #[error("the signed time is outside the tolerance; compare the clocks")]
    Stale,
    /// The signature is right, but what it covers is not a message of this gateway.
    #[error("signed, but {0}")]
    Payload(&'static str),
    /// A key or certificate that the check needs cannot be had now. The gateway should deliver again.
    #[error("the key for the check cannot be had now: {0}")]
    Key(&'static str),
}

/// Something that went out did not come back as it should.
///
/// The first question is [`outcome`](Self::outcome): may the gateway have acted? Everything else is for logs and for
/// choosing what the shopper is told.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    message: String,
    retry_after: Option<Duration>,
    field: Option<String>,
    code: Option<String>,
    request_id: Option<String>,
    tries: u32,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The gateway is not set up for this call.
    Config,
    /// We asked for something the gateway does not accept.
    Request,
    /// The credential was refused, or lacks the permission.
    Authentication,
    /// The issuer or the gateway declined. Rare here: cards are typed on the gateway's own page.
    Declined,
    /// The gateway does not know what we asked about.
    NotFound,
    /// The thing is in a state that does not allow this, or another request about it is running.
    Conflict,
    /// Too many requests.
    RateLimited,
    /// The gateway has trouble.
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The connection failed.
    Transport,
    /// The answer is not what the gateway's documents describe.
    Protocol,
}

/// May the gateway have acted on the call that failed?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing left this machine, or no connection came to be. It did not act.
    NotSent,
    /// It answered and said no. It did not act.
    Refused,
    /// It may have acted. Ask for the status; do not send again without the same idempotency key.
    Unknown,
}

impl Error {
    /// A new error. `message` is lower case, without full stop, secret, body or query string.
    #[must_use]
    pub fn new(kind: ErrorKind, outcome: Outcome, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome,
            message: message.into(),
            retry_after: None,
            field: None,
            code: None,
            request_id: None,
            tries: 0,
            source: None,
        }))
    }

    /// An answer that is not what the documents describe. Whether the gateway acted cannot be told from it.
    #[must_use]
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Protocol, Outcome::Unknown, message)
    }

    /// A call that the set-up does not allow. Nothing was sent.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, Outcome::NotSent, message)
    }

    /// A request that cannot be put into the gateway's words. Nothing was sent.
    #[must_use]
    pub fn request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Request, Outcome::NotSent, message)
    }

    /// Adds how long the gateway asked us to wait.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// Adds the gateway's own error code. Control characters are dropped and the length is bounded.
    #[must_use]
    pub fn with_code(mut self, code: Option<&str>) -> Self {
        self.0.code = code.map(theirs);
        self
    }

    /// Adds the gateway's name of the field that it complains about.
    #[must_use]
    pub fn with_field(mut self, field: Option<&str>) -> Self {
        self.0.field = field.map(theirs);
        self
    }

    /// Adds the gateway's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: Option<&str>) -> Self {
        self.0.request_id = id.map(theirs);
        self
    }

    /// Takes out every word of the gateway's.
    #[must_use]
    pub(crate) fn withheld(mut self) -> Self {
        let Inner {
            field,
            code,
            request_id,
            ..
        } = &mut *self.0;
        for word in [field, code, request_id].into_iter().flatten() {
            WITHHELD.clone_into(word);
        }
        // What could not be read may be quoted by whoever could not read it.
        self.0.source = None;
        self
    }

    /// Adds how often the call was sent before this error was given up to.
    #[must_use]
    pub fn with_tries(mut self, tries: u32) -> Self {
        self.0.tries = tries;
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Changes whether the gateway may have acted, for a caller that knows better than the transport.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// What kind of trouble.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// May the gateway have acted?
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// How long the gateway asked us to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The gateway's own error code, for logs.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The gateway's name of the field that it complains about, for logs.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The gateway's id of the request: quote it to the gateway's support.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How often the call was sent.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.0.tries
    }
}

const WITHHELD: &str = "withheld";

/// Words come from outside and end in logs: one line, bounded, visible characters only (PAY-38), and nothing of one that echoes card
/// data (PAY-58).
fn theirs(text: &str) -> String {
    GatewayWord::new(text).as_str().to_owned()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(field) = &self.0.field {
            write!(f, ", field {field}")?;
        }
        if let Some(code) = &self.0.code {
            write!(f, " (code {code})")?;
        }
        if let Some(id) = &self.0.request_id {
            write!(f, " (request {id})")?;
        }
        match self.0.outcome {
            Outcome::Unknown => f.write_str("; the outcome is unknown, ask for the status"),
            Outcome::NotSent | Outcome::Refused => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            kind,
            outcome,
            message,
            retry_after,
            field,
            code,
            request_id,
            tries,
            source,
        } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("outcome", outcome)
            .field("message", message)
            .field("retry_after", retry_after)
            .field("field", field)
            .field("code", code)
            .field("request_id", request_id)
            .field("tries", tries)
            .field("source", source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<MoneyError> for Error {
    fn from(error: MoneyError) -> Self {
        Self::request("the amount cannot be sent to this gateway").with_source(error)
    }
}

impl From<ReferenceError> for Error {
    fn from(error: ReferenceError) -> Self {
        Self::request("a reference cannot be sent to this gateway").with_source(error)
    }
}

impl From<RandomError> for Error {
    fn from(error: RandomError) -> Self {
        Self::config("no attempt can be made").with_source(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_tells_all_that_it_was_given_and_hides_its_source_in_no_form() {
        let bare = Error::new(ErrorKind::Conflict, Outcome::Refused, "no");
        assert_eq!((bare.retry_after(), bare.code(), bare.field()), (None, None, None));
        assert_eq!((bare.request_id(), bare.tries()), (None, 0));
        assert!(bare.source().is_none());
        assert_eq!(bare.to_string(), "no");

        let wait = Duration::from_secs(7);
        let full = bare
            .with_retry_after(Some(wait))
            .with_field(Some("amount"))
            .with_code(Some("too_much"))
            .with_request_id(Some("req_1"))
            .with_tries(3)
            .with_source(fmt::Error)
            .with_outcome(Outcome::Unknown);
        assert_eq!((full.kind(), full.outcome()), (ErrorKind::Conflict, Outcome::Unknown));
        assert_eq!((full.retry_after(), full.tries()), (Some(wait), 3));
        assert_eq!((full.field(), full.code()), (Some("amount"), Some("too_much")));
        assert_eq!(full.request_id(), Some("req_1"));
        let source = full.source().map(ToString::to_string);
        assert_eq!(source, Some(fmt::Error.to_string()));
        let shown = "no, field amount (code too_much) (request req_1); the outcome is unknown, ask for the status";
        assert_eq!(full.to_string(), shown);
        let printed = format!("{full:?}");
        for part in ["Conflict", "Unknown", "7s", "amount", "too_much", "req_1", "tries: 3"] {
            assert!(printed.contains(part), "{part}: {printed}");
        }

        // Our own words and their meaning stay when theirs have to go.
        let kept = full.withheld();
        assert_eq!((kept.field(), kept.code()), (Some(WITHHELD), Some(WITHHELD)));
        assert_eq!(kept.request_id(), Some(WITHHELD));
        assert!(kept.source().is_none());
        assert_eq!((kept.kind(), kept.retry_after()), (ErrorKind::Conflict, Some(wait)));
    }
}
