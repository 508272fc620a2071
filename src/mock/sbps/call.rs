//! What tests see of the calls of the API.

/// One call of the API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestView {
    /// The request id, such as `MG01-00101-101`; empty if the call was not read that far.
    pub id: String,
    /// The deal it was about.
    pub tracking_id: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// `res_err_code` of the answer; empty if all went well.
    pub error: String,
}
