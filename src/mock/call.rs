//! What a test sees of the calls of an API that speaks JSON.

/// One call of the API: what was asked for and how it ended. Neither parameters nor bodies nor keys of the API are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestView {
    /// `GET` or `POST`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// As it was sent.
    pub idempotency_key: Option<String>,
    /// What was answered, even if a fault kept the answer from arriving.
    pub status: u16,
}
