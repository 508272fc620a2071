//! The dated API version of a request (Stripe sheet §1, 2026-11-23).

use super::error::ApiError;

/// The newest version of the sheet, and the default of every account here.
pub(super) const NEWEST: &str = "2026-10-28.endive";

/// A version such as `2026-10-28.endive`. Dates of one width compare as text.
#[derive(Clone)]
pub(super) struct Version(String);

impl Version {
    pub(super) fn newest() -> Self {
        Self(NEWEST.to_owned())
    }

    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let (date, train) = text.split_once('.').unwrap_or((text, "none"));
        let dated = date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| {
                if at == 4 || at == 7 {
                    byte == b'-'
                } else {
                    byte.is_ascii_digit()
                }
            });
        let named = !train.is_empty() && train.bytes().all(|byte| byte.is_ascii_lowercase());
        if dated && named {
            Ok(Self(text.to_owned()))
        } else {
            Err(ApiError::invalid(format!("Invalid Stripe API version: {text}")))
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// From `2026-03-25.dahlia` on the hosted page is called `hosted_page`.
    pub(super) fn hosted_ui_mode(&self) -> &'static str {
        if self.since("2026-03-25") {
            "hosted_page"
        } else {
            "hosted"
        }
    }

    /// From `2026-09-30.endive` on methods are filtered, no longer listed.
    pub(super) fn has_allowed_methods(&self) -> bool {
        self.since("2026-09-30")
    }

    fn since(&self, date: &str) -> bool {
        self.0.get(..10).is_some_and(|own| own >= date)
    }
}
