//! The [`Transport`](super::Transport) made of reqwest.

/// Sends over one reused reqwest client.
#[derive(Clone, Debug)]
pub struct HttpTransport;

/// Builds an [`HttpTransport`].
#[derive(Debug)]
pub struct HttpTransportBuilder;
