//! What tests see of the calls of the API.

/// One call of the API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestView {
    /// The last part of the path, such as `SearchTradeMulti.idPass`.
    pub call: String,
    /// The order or the deal it was about.
    pub about: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// `ErrInfo` of the answer; empty if all went well.
    pub error: String,
}
