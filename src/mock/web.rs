//! What the hosted pages of the gateways have in common as answers: headers, content policy, language.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use http::{HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};
use url::{Host, Url};
use wiremock::Request;

use super::form::Charset;
use super::front::{Reply, reply};
use super::language::speaks_japanese;
use super::sheet;

/// How long a simulator waits for a store's answer where its gateway publishes no figure.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A page in this charset.
pub(super) fn page(status: u16, charset: Charset, html: &str) -> Reply {
    let mime = match charset {
        Charset::Utf8 => "text/html; charset=utf-8",
        Charset::ShiftJis => "text/html; charset=Shift_JIS",
    };
    let mut reply = reply(status, mime, charset.encode(html).into_owned());
    set(&mut reply, header::CACHE_CONTROL, "no-store");
    set(&mut reply, header::REFERRER_POLICY, "no-referrer");
    reply
}

/// On to another page, so that a reload repeats nothing.
pub(super) fn see_other(to: &str) -> Reply {
    let mut reply = page(303, Charset::Utf8, "");
    set(&mut reply, header::LOCATION, to);
    reply
}

/// The connection that carried a card goes away with its memory.
pub(super) fn closing(mut reply: Reply) -> Reply {
    set(&mut reply, header::CONNECTION, "close");
    reply
}

/// Nothing from elsewhere; forms go to this gateway and to the store; one script, if it is the page that leads back.
pub(super) fn guard(mut reply: Reply, stores: &[&str], leads_back: bool) -> Reply {
    let stores: Vec<String> = stores
        .iter()
        .filter_map(|url| Url::parse(url).ok())
        .map(|url| source(&url))
        .collect();
    let scripts = if leads_back {
        let hash = Base64::encode_string(&Sha256::digest(sheet::SUBMIT));
        format!("script-src 'sha256-{hash}'; ")
    } else {
        String::new()
    };
    let policy = format!(
        "default-src 'none'; {scripts}style-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        stores.join(" ")
    );
    set(&mut reply, header::CONTENT_SECURITY_POLICY, &policy);
    reply
}

/// An origin as a content policy writes it. It has no way to write an IPv6 address, so those get their scheme.
fn source(url: &Url) -> String {
    match url.host() {
        Some(Host::Ipv6(_)) | None => format!("{}:", url.scheme()),
        Some(_) => url.origin().ascii_serialization(),
    }
}

/// Whether this browser is spoken to in Japanese.
pub(super) fn japanese(request: &Request, wished: Option<&str>, otherwise: bool) -> bool {
    let accepted = request
        .headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    speaks_japanese(wished, accepted, otherwise)
}

/// The style of every page.
pub(super) fn style() -> Reply {
    reply(200, "text/css; charset=utf-8", include_bytes!("page.css").to_vec())
}

/// Whether the body says that it is of this type.
pub(super) fn is_type(request: &Request, wanted: &str) -> bool {
    request
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|mime| mime.trim().eq_ignore_ascii_case(wanted))
}

fn set(reply: &mut Reply, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        reply.headers.push((name, value));
    }
}
