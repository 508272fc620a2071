//! How the shopper's browser gets to the hosted payment page: a link to follow, or a form that posts itself.
//!
//! Typed output instead of pasted strings: one target, fields in order, everything escaped, and the headers that go with
//! it (PAY-04, PAY-09). Only fields the gateway's code put in are in the form: no token and no cookie of the store.

use std::fmt;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::guard::{CardDataSighted, check_name};

/// Where the browser goes.
#[derive(Clone, Debug)]
pub enum Redirect {
    /// A link, answered as 303 so that the browser never posts the store's own form onward.
    Get(RedirectUrl),
    /// A form the browser posts.
    Post(PostForm),
}

/// Why an address is not one to send a shopper to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// Not an absolute HTTPS address (plain HTTP is for loopback only).
    #[error("the address is not an HTTPS address")]
    Scheme,
    /// Not one of the hosts this gateway's pages are on.
    #[error("the address is not on a host of this gateway's hosted payment page")]
    Host,
    /// Credentials, control characters or spaces in it.
    #[error("the address holds something that does not belong there")]
    Characters,
    /// The name of a form field that is for card data, which no store's page may carry (PAY-58).
    #[error(transparent)]
    CardData(#[from] CardDataSighted),
}

/// The hosts a gateway's hosted payment page may be on. Exact names: look-alikes, user-info tricks and other ports do not
/// match (PAY-05).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Origins such as `https://checkout.stripe.com`. Each must be HTTPS, or HTTP on a loopback host.
    pub fn new<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> Result<Self, RedirectError> {
        let parse = |origin: S| {
            let url = Url::parse(origin.as_ref()).map_err(|_| RedirectError::Scheme)?;
            if !is_safe_scheme(&url) {
                return Err(RedirectError::Scheme);
            }
            Ok(url.origin().ascii_serialization())
        };
        Ok(Self(origins.into_iter().map(parse).collect::<Result<_, _>>()?))
    }

    /// The origins.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// HTTPS anywhere, HTTP on this machine only.
pub(crate) fn is_safe_scheme(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(url),
        _ => false,
    }
}

/// Is the host this machine?
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An address a shopper may be sent to, exactly as the gateway gave it. It is a bearer token: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct RedirectUrl {
    text: String,
    origin: String,
}

impl RedirectUrl {
    /// Checks the address against the gateway's own origins. The text is kept as it came: a fragment belongs to it, and
    /// encoding it again could change it (Stripe sheet section 5).
    pub fn new(text: impl Into<String>, allowed: &AllowedOrigins) -> Result<Self, RedirectError> {
        let text = text.into();
        // Before parsing, because the parser forgives tabs and backslashes that a browser may read otherwise.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains('\\') {
            return Err(RedirectError::Characters);
        }
        let url = Url::parse(&text).map_err(|_| RedirectError::Scheme)?;
        if !is_safe_scheme(&url) {
            return Err(RedirectError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RedirectError::Characters);
        }
        let origin = url.origin().ascii_serialization();
        if !allowed.iter().any(|allowed| allowed == origin) {
            return Err(RedirectError::Host);
        }
        Ok(Self { text, origin })
    }

    /// The address as the gateway gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The address of a hosted payment page as a ledger keeps it, for a gateway that tells it only once. A bearer token: it
/// does not print, and reading it back checks it again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptLink(String);

impl KeptLink {
    /// Keeps the address.
    #[must_use]
    pub fn of(url: &RedirectUrl) -> Self {
        Self(url.text.clone())
    }

    /// The address again, if it still is one of this gateway's.
    pub fn open(&self, allowed: &AllowedOrigins) -> Result<RedirectUrl, RedirectError> {
        RedirectUrl::new(self.0.clone(), allowed)
    }
}

impl fmt::Debug for KeptLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptLink({} bytes)", self.0.len())
    }
}

impl fmt::Debug for RedirectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedirectUrl({}, {} bytes)", self.origin, self.text.len())
    }
}

/// A form for the browser to post: target, charset, and fields in the gateway's order, repeated names included.
#[derive(Clone, PartialEq, Eq)]
pub struct PostForm {
    target: RedirectUrl,
    charset: &'static str,
    fields: Vec<(String, String)>,
}

impl PostForm {
    /// A form in UTF-8.
    #[must_use]
    pub fn new(target: RedirectUrl) -> Self {
        Self {
            target,
            charset: "UTF-8",
            fields: Vec::new(),
        }
    }

    /// Another charset for the posted fields. The page itself is ASCII, so only `accept-charset` changes.
    #[must_use]
    pub fn with_charset(mut self, charset: &'static str) -> Self {
        self.charset = charset;
        self
    }

    /// Adds a field behind the others. Control characters are refused: a browser turns a line break into another one,
    /// and the signature over the value would no longer fit. Names of fields for card data are refused; values are the
    /// gateway's own, shop numbers and signatures among them, and are not searched.
    pub fn field(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self, RedirectError> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() || name.chars().chain(value.chars()).any(char::is_control) {
            return Err(RedirectError::Characters);
        }
        check_name("a form field's name", &name)?;
        self.fields.push((name, value));
        Ok(self)
    }

    /// The fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Where it is posted to.
    #[must_use]
    pub fn target(&self) -> &RedirectUrl {
        &self.target
    }

    /// The charset the browser posts in.
    #[must_use]
    pub fn charset(&self) -> &'static str {
        self.charset
    }

    /// The whole page. Pure ASCII: every character beyond it is a numeric reference, so no charset can change a value.
    /// The script is the constant one below; without scripts the shopper presses the button.
    #[must_use]
    pub fn page(&self, nonce: &Nonce, button: &str) -> String {
        let mut page = String::with_capacity(1024);
        page.push_str(
            "<!doctype html>\n<html><head><meta charset=\"us-ascii\"><meta name=\"robots\" content=\"noindex\">",
        );
        page.push_str("<meta name=\"viewport\" content=\"width=device-width\"><title>");
        escape_into(&mut page, button);
        page.push_str("</title></head><body>\n<form id=\"pay\" method=\"post\" action=\"");
        escape_into(&mut page, self.target.as_str());
        page.push_str("\" accept-charset=\"");
        page.push_str(self.charset);
        page.push_str("\">\n");
        for (name, value) in &self.fields {
            page.push_str("<input type=\"hidden\" name=\"");
            escape_into(&mut page, name);
            page.push_str("\" value=\"");
            escape_into(&mut page, value);
            page.push_str("\">\n");
        }
        page.push_str("<button type=\"submit\">");
        escape_into(&mut page, button);
        page.push_str("</button>\n</form>\n<script nonce=\"");
        escape_into(&mut page, nonce.as_str());
        page.push_str("\">");
        page.push_str(SUBMIT);
        page.push_str("</script>\n</body></html>\n");
        page
    }
}

/// The only script there is. `HTMLFormElement.prototype` because a field named `submit` would hide the method.
const SUBMIT: &str = "HTMLFormElement.prototype.submit.call(document.getElementById(\"pay\"));";

impl fmt::Debug for PostForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target,
            charset,
            fields,
        } = self;
        f.debug_struct("PostForm")
            .field("target", target)
            .field("charset", charset)
            .field("fields", &fields.len())
            .finish()
    }
}

/// A fresh random value that lets our one script run under the store's content policy.
#[derive(Clone)]
pub struct Nonce(String);

impl Nonce {
    /// A random one.
    pub fn random() -> Result<Self, crate::reference::RandomError> {
        Ok(Self(crate::reference::ReferenceFormat::RANDOM_128.random()?))
    }

    /// The store's own, if its policy is already set: letters, digits, `+`, `/`, `-`, `_` and `=`.
    #[must_use]
    pub fn of_policy(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
        (!text.is_empty() && text.len() <= 128 && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

impl Redirect {
    /// The origins that the store's own content policy has to allow in `form-action`. Browsers disagree on whether a
    /// redirect after a form post is held against it, so a link's origin is here as well (w3c/webappsec-csp #8).
    #[must_use]
    pub fn origins(&self) -> Vec<&str> {
        match self {
            Self::Get(url) => vec![&url.origin],
            Self::Post(form) => vec![&form.target.origin],
        }
    }

    /// The whole answer to the browser, headers included. The button is what a shopper without scripts presses.
    #[must_use]
    pub fn into_response(self, nonce: &Nonce, button: &str) -> Response<Bytes> {
        let mut headers = self.headers(nonce);
        let (status, body) = match self {
            Self::Get(url) => {
                // The text is visible ASCII, so it always is a header value.
                if let Ok(mut location) = HeaderValue::from_str(url.as_str()) {
                    // A bearer token, so it does not print with the response.
                    location.set_sensitive(true);
                    headers.insert(header::LOCATION, location);
                }
                (StatusCode::SEE_OTHER, Bytes::new())
            }
            Self::Post(form) => {
                headers.insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("text/html; charset=us-ascii"),
                );
                (StatusCode::OK, Bytes::from(form.page(nonce, button)))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// The headers that go with it: nothing kept, nothing told to the next site, no frame around it, one target.
    #[must_use]
    pub fn headers(&self, nonce: &Nonce) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let fixed: [(HeaderName, &'static str); 4] = [
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::X_FRAME_OPTIONS, "DENY"),
        ];
        for (name, value) in fixed {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let policy = format!(
            "default-src 'none'; script-src 'nonce-{}'; form-action {}; frame-ancestors 'none'; base-uri 'none'",
            nonce.as_str(),
            self.origins().join(" ")
        );
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
        headers
    }
}

/// Lossless: what a browser reads back is what went in. Everything but plain letters, digits and a few marks becomes a
/// numeric reference.
pub(crate) fn escape_into(page: &mut String, text: &str) {
    use fmt::Write as _;
    for c in text.chars() {
        if c.is_ascii_alphanumeric()
            || matches!(c, ' ' | '.' | ',' | '-' | '_' | '/' | ':' | '?' | '#' | '%' | '+' | '~')
        {
            page.push(c);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(page, "&#{};", u32::from(c));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> AllowedOrigins {
        AllowedOrigins::new(["https://checkout.stripe.com", "http://127.0.0.1:4242"]).unwrap()
    }

    #[test]
    fn only_exact_https_origins_of_the_gateway_are_followed() {
        for (text, why) in [
            ("http://checkout.stripe.com/c/pay/1", RedirectError::Scheme),
            ("//checkout.stripe.com/c", RedirectError::Scheme),
            ("/c/pay/1", RedirectError::Scheme),
            ("", RedirectError::Scheme),
            ("javascript:alert(1)", RedirectError::Scheme),
            ("data:text/html,x", RedirectError::Scheme),
            ("ftp://checkout.stripe.com/", RedirectError::Scheme),
            ("https://evil.example/c/pay/1", RedirectError::Host),
            ("https://checkout.stripe.com.evil.example/", RedirectError::Host),
            ("https://checkout.stripe.com./c", RedirectError::Host),
            ("https://checkout-stripe.com/c", RedirectError::Host),
            ("https://checkout.stripe.com:8443/c", RedirectError::Host),
            ("https://xn--chckout-9xa.stripe.com/c", RedirectError::Host),
            ("http://127.0.0.1:4243/c", RedirectError::Host),
            ("http://localhost:4242/c", RedirectError::Host),
            ("https://checkout.stripe.com@evil.example/", RedirectError::Characters),
            ("https://user@checkout.stripe.com/", RedirectError::Characters),
            ("https://user:pass@checkout.stripe.com/", RedirectError::Characters),
            ("https://checkout.stripe.com\\@evil.example/", RedirectError::Characters),
            (
                "https://checkout.stripe.com/\r\nSet-Cookie: a=b",
                RedirectError::Characters,
            ),
            ("https://checkout.stripe.com/a b", RedirectError::Characters),
            ("https://check\tout.stripe.com/", RedirectError::Characters),
            ("https://checkout.strıpe.com/", RedirectError::Characters),
        ] {
            let refused = RedirectUrl::new(text, &allowed()).err();
            // The user-info trick may be caught at the host or at the credentials; either refuses it.
            assert!(
                refused == Some(why) || (text.contains('@') && refused.is_some()),
                "{text:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_link_is_answered_with_303_and_its_fragment_untouched() {
        let text = "https://checkout.stripe.com/c/pay/cs_test_1#fidkdWxOYHwnPyd1blppbHNgWjA0S'%2F%3D";
        let redirect = Redirect::Get(RedirectUrl::new(text, &allowed()).unwrap());
        assert_eq!(redirect.origins(), ["https://checkout.stripe.com"]);
        let response = redirect.into_response(&Nonce::random().unwrap(), "Pay");
        assert_eq!(response.status(), 303);
        assert_eq!(response.headers()["location"], text);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("frame-ancestors 'none'") && policy.contains("form-action https://checkout.stripe.com;")
        );
    }

    #[test]
    fn a_form_keeps_order_and_repeats_and_escapes_without_loss() {
        let hostile = "\"></form><script>alert('x')</script>&amp;\u{3042}表ソ能";
        let target = RedirectUrl::new("https://checkout.stripe.com/form?a=1&b=2", &allowed()).unwrap();
        let form = PostForm::new(target)
            .with_charset("Shift_JIS")
            .field("b", hostile)
            .and_then(|form| form.field("a", "1"))
            .and_then(|form| form.field("b", "2"))
            .unwrap();
        let page = form.page(&Nonce::of_policy("abc123").unwrap(), "お支払いへ");
        assert!(page.is_ascii());
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("<form").count(), 1);
        assert!(page.contains("accept-charset=\"Shift_JIS\"") && page.contains("nonce=\"abc123\""));
        let names: Vec<_> = form.fields().map(|(name, _)| name).collect();
        assert_eq!(names, ["b", "a", "b"]);
        assert!(!format!("{form:?}").contains("alert"));
    }

    #[test]
    fn a_form_never_has_a_field_for_card_data() {
        let allowed = AllowedOrigins::new(["https://pay.shop.example"]).unwrap();
        let form = || PostForm::new(RedirectUrl::new("https://pay.shop.example/", &allowed).unwrap());
        for name in ["cvv", "card_number", "card[cvc]", "セキュリティコード", "exp_month"] {
            assert!(
                matches!(form().field(name, "1"), Err(RedirectError::CardData(_))),
                "{name}"
            );
        }
        for name in ["order_id", "amount", "item_name", "card_brand"] {
            assert!(form().field(name, "1").is_ok(), "{name}");
        }
    }

    #[test]
    fn line_breaks_and_foreign_nonces_are_refused() {
        let form = || PostForm::new(RedirectUrl::new("https://checkout.stripe.com/", &allowed()).unwrap());
        for (name, value) in [("", "1"), ("a\n", "1"), ("a", "1\r\n2"), ("a", "\0"), ("a", "\u{85}")] {
            assert!(form().field(name, value).is_err());
        }
        for text in ["", "a'b", "a b", "a\"", "a;script-src *", "é"] {
            assert!(Nonce::of_policy(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_redirect_prints_no_token() {
        let text = "https://checkout.stripe.com/c/pay/canary#canary";
        let shown = format!("{:?}", Redirect::Get(RedirectUrl::new(text, &allowed()).unwrap()));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
