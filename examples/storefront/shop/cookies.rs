//! The shop's two cookies: an anonymous session and the language. Neither means anything to anybody else.
//!
//! The session is a random value; the shop's database knows only its digest. `SameSite=Lax` keeps it at home when another
//! site posts something here, and still sends it when the shopper comes back from the hosted payment page.

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

/// How cookies are set: over HTTPS with the prefix that ties them to this very host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CookiePolicy {
    pub(crate) secure: bool,
}

/// A browser, as far as the shop knows it.
#[derive(Clone)]
pub(crate) struct Session {
    id: String,
    /// True if this request made it, so that the answer has to set the cookie.
    pub(crate) fresh: bool,
}

impl Session {
    /// The session of a request, or a new one.
    pub(crate) fn of(headers: &HeaderMap, policy: CookiePolicy) -> Result<Self, getrandom::Error> {
        let known = value(headers, policy.session_name()).filter(|id| plausible(id));
        if let Some(id) = known {
            return Ok(Self {
                id: id.to_owned(),
                fresh: false,
            });
        }
        Ok(Self {
            id: random_hex::<16>()?,
            fresh: true,
        })
    }

    /// What the database knows it by.
    pub(crate) fn digest(&self) -> String {
        base16ct::lower::encode_string(&Sha256::digest(self.id.as_bytes()))
    }

    /// The value itself, to derive the form token from.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl CookiePolicy {
    fn session_name(self) -> &'static str {
        if self.secure { "__Host-session" } else { "session" }
    }

    /// `Set-Cookie` for the session.
    pub(crate) fn session(self, session: &Session) -> Option<HeaderValue> {
        self.cookie(self.session_name(), &session.id, "; HttpOnly")
    }

    /// `Set-Cookie` for the language.
    pub(crate) fn lang(self, tag: &str) -> Option<HeaderValue> {
        self.cookie(super::lang::COOKIE, tag, "")
    }

    fn cookie(self, name: &str, value: &str, more: &str) -> Option<HeaderValue> {
        let secure = if self.secure { "; Secure" } else { "" };
        HeaderValue::from_str(&format!(
            "{name}={value}; Path=/; Max-Age=2592000; SameSite=Lax{more}{secure}"
        ))
        .ok()
    }
}

/// The value of a cookie; the first one counts.
pub(crate) fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

fn plausible(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Random bytes as hex.
pub(crate) fn random_hex<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(base16ct::lower::encode_string(&bytes))
}
