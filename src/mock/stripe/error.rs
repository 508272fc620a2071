//! Refusals in Stripe's own words (Stripe sheet §12, 2026-11-23).

use serde_json::{Map, Value};

/// One error reply of the API.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    param: Option<String>,
    /// What was looked for and not found.
    missing: Option<Box<(&'static str, String)>>,
    /// Whether the endpoint had started executing: only then is the reply kept under the idempotency key.
    pub(super) executed: bool,
}

impl ApiError {
    /// 400 without a code.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            message: message.into(),
            param: None,
            missing: None,
            executed: false,
        }
    }

    /// 400 with a code.
    pub(super) fn coded(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            ..Self::invalid(message)
        }
    }

    /// 400 from an endpoint that looked at the object and found it in the wrong state.
    pub(super) fn state(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            executed: true,
            ..Self::coded(code, message)
        }
    }

    /// The same without a code, where the sheet names none.
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self {
            executed: true,
            ..Self::invalid(message)
        }
    }

    /// 404 for an id that does not exist, or belongs to somebody else: the two look the same.
    pub(super) fn no_such(kind: &'static str, id: &str, param: &str) -> Self {
        let missing = Some(Box::new((kind, id.to_owned())));
        Self {
            status: 404,
            missing,
            ..Self::coded("resource_missing", format!("No such {kind}: '{id}'"))
        }
        .at(param)
    }

    /// 404 for an address that leads nowhere.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: 404,
            ..Self::invalid(message)
        }
    }

    /// 401. The key appears with its last four characters only.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self {
            status: 401,
            ..Self::invalid(message)
        }
    }

    /// 403 for a restricted key.
    pub(super) fn forbidden() -> Self {
        Self {
            status: 403,
            ..Self::invalid("The provided key does not have the required permissions.")
        }
    }

    /// 400 or 409 about the idempotency key.
    pub(super) fn idempotency(status: u16, code: Option<&'static str>, message: &str) -> Self {
        Self {
            status,
            kind: "idempotency_error",
            code,
            ..Self::invalid(message)
        }
    }

    /// 429.
    pub(super) fn too_many(code: &'static str, message: &str) -> Self {
        Self {
            status: 429,
            ..Self::coded(code, message)
        }
    }

    /// 500. Kept under the idempotency key like any other result.
    pub(super) fn server() -> Self {
        Self {
            status: 500,
            kind: "api_error",
            executed: true,
            ..Self::invalid("Something went wrong on our side. (simulated)")
        }
    }

    /// Names the parameter at fault.
    pub(super) fn at(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// What went wrong, in words.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Kind and id of the object that does not exist.
    pub(super) fn missing(&self) -> Option<(&'static str, &str)> {
        self.missing.as_deref().map(|(kind, id)| (*kind, id.as_str()))
    }

    /// The body.
    pub(super) fn body(&self) -> Value {
        let mut error = Map::new();
        error.insert("type".into(), self.kind.into());
        error.insert("message".into(), self.message.clone().into());
        if let Some(code) = self.code {
            error.insert("code".into(), code.into());
            error.insert(
                "doc_url".into(),
                format!("https://docs.stripe.com/error-codes/{}", code.replace('_', "-")).into(),
            );
        }
        if let Some(param) = &self.param {
            error.insert("param".into(), param.clone().into());
        }
        serde_json::json!({ "error": error })
    }
}
