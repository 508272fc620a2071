//! What can go wrong with a simulator, as opposed to what it makes go wrong on purpose.

use std::time::Duration;

/// Why a simulator could not do what it was asked.
///
/// Faults injected on purpose never show up here: they reach the client over HTTP, as the gateway would send them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MockError {
    /// The port could not be taken.
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        /// The port that was asked for; 0 stands for any free one.
        port: u16,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system gave no random bytes, or no thread to run on.
    #[error("cannot start: {0}")]
    Start(String),
    /// A setting of the builder cannot be used.
    #[error("{setting}: {hint}")]
    Setting {
        /// Which one.
        setting: &'static str,
        /// What it has to be.
        hint: &'static str,
    },
    /// An address outside this machine: a simulator talks to loopback only.
    #[error("`{host}` is not a loopback address")]
    NotLoopback {
        /// The refused host.
        host: String,
    },
    /// The text is not an absolute `http` address.
    #[error("not an absolute http address")]
    BadUrl,
    /// No object with this id exists in this simulator.
    #[error("no such {kind}: {id}")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// The id that was given.
        id: String,
    },
    /// The object exists, but is not in a state that allows this.
    #[error("{0}")]
    State(String),
    /// The hosted page did not offer what the shopper wanted to do.
    #[error("the hosted page offers no {0}")]
    NotOffered(&'static str),
    /// More redirects than a browser would follow here.
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    /// The page could not be fetched.
    #[error("the page could not be fetched")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Deliveries were still under way after this long.
    #[error("not quiet after {0:?}")]
    NotQuiet(Duration),
}

impl MockError {
    pub(super) fn http(error: reqwest::Error) -> Self {
        // The address may carry a session id, which is a bearer token for the page.
        Self::Http(Box::new(error.without_url()))
    }
}
