//! Refusals in KOMOJU's envelope (KOMOJU sheet, "Errors", 2026-11-23). The messages are ours.

use serde_json::{Value, json};

/// One error reply of the API.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    code: &'static str,
    message: String,
    param: Option<String>,
    /// What was looked for and not found.
    missing: Option<(&'static str, String)>,
    /// Whether the endpoint had started: only then is the reply kept under the idempotency key.
    pub(super) executed: bool,
}

impl ApiError {
    fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            param: None,
            missing: None,
            executed: false,
        }
    }

    /// 400: cannot be read at all.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "unauthorized", message)
    }

    /// 404 for an id that does not exist, or belongs to somebody else: the two look the same.
    pub(super) fn not_found(kind: &'static str, id: &str) -> Self {
        Self {
            missing: Some((kind, id.to_owned())),
            ..Self::new(404, "not_found", format!("There is no such {kind}."))
        }
    }

    /// 422 about one field.
    pub(super) fn unprocessable(param: &str, message: impl Into<String>) -> Self {
        Self::new(422, "unprocessable_entity", message).at(param)
    }

    pub(super) fn missing(param: &str) -> Self {
        Self::new(422, "missing_parameter", format!("{param} is required.")).at(param)
    }

    /// 422 from an endpoint that looked at the object and found it in the wrong state.
    pub(super) fn state(message: impl Into<String>) -> Self {
        Self {
            executed: true,
            ..Self::new(422, "unprocessable_entity", message)
        }
    }

    /// 409 while the first request with a key runs. The sheet gives the status; the code is ours.
    pub(super) fn key_in_use() -> Self {
        Self::new(
            409,
            "idempotency_in_progress",
            "The first request with this key is still running.",
        )
    }

    /// A key with another body. That it is refused is in the sheet; which status it gets is not.
    pub(super) fn key_reused() -> Self {
        Self::new(
            422,
            "unprocessable_entity",
            "This key came with another request before.",
        )
    }

    pub(super) fn server() -> Self {
        Self::new(500, "internal_server_error", "Something went wrong. (simulated)")
    }

    pub(super) fn bad_gateway() -> Self {
        Self::new(502, "bad_gateway", "The upstream failed. (simulated)")
    }

    /// Names the field at fault.
    pub(super) fn at(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Kind and id of what does not exist.
    pub(super) fn absent(&self) -> Option<(&'static str, &str)> {
        self.missing.as_ref().map(|(kind, id)| (*kind, id.as_str()))
    }

    pub(super) fn body(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message, "param": self.param } })
    }
}
