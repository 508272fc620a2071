//! What goes around every page: headers, limits, the guard for forms, and pages for what went wrong.

use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::book::BookError;
use super::cookies::Session;
use super::lang::Lang;
use super::{Shop, pages};

/// The most time for one answer. Longer than the gateway's own deadline, so that a slow gateway gets its own page.
const DEADLINE: Duration = Duration::from_secs(60);

/// Who is looking, as far as the shop knows: a browser and a language.
pub(crate) struct Visitor {
    pub(crate) lang: Lang,
    pub(crate) session: Session,
    /// They chose the language with this request: it is kept in a cookie.
    chose: bool,
    /// Where they are, for the language switch.
    pub(crate) path: String,
    /// What their forms have to bring along. It is derived from the session, goes into no address, and is sent to nobody
    /// but this shop.
    pub(crate) form_token: String,
}

impl FromRequestParts<Shop> for Visitor {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, shop: &Shop) -> Result<Self, Trouble> {
        let session = Session::of(&parts.headers, shop.cookies()).map_err(|_| Trouble::NoRandom)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(shop.form_key()).map_err(|_| Trouble::NoRandom)?;
        mac.update(session.id().as_bytes());
        let chosen = parts.uri.query().and_then(Lang::chosen);
        Ok(Self {
            lang: chosen.unwrap_or_else(|| Lang::of(&parts.headers)),
            chose: chosen.is_some(),
            form_token: base16ct::lower::encode_string(&mac.finalize().into_bytes()),
            path: parts.uri.path().to_owned(),
            session,
        })
    }
}

impl Visitor {
    /// Was this form one of ours, on this visitor's screen?
    pub(crate) fn check(&self, token: &str) -> Result<(), Trouble> {
        let same = bool::from(self.form_token.as_bytes().ct_eq(token.as_bytes()));
        if same && !self.session.fresh {
            Ok(())
        } else {
            Err(Trouble::ForeignForm(self.lang))
        }
    }

    /// A page for this visitor, with the session cookie if it is a new one.
    pub(crate) fn page(&self, shop: &Shop, status: StatusCode, page: String) -> Response {
        let mut response = (status, Html(page)).into_response();
        if self.session.fresh
            && let Some(cookie) = shop.cookies().session(&self.session)
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        if self.chose
            && let Some(cookie) = shop.cookies().lang(self.lang.tag())
        {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

/// What went wrong, as a page. The reason goes to the log, not to the browser.
#[derive(Debug)]
pub(crate) enum Trouble {
    NotFound(Lang),
    ForeignForm(Lang),
    /// Not a form of ours: a field is missing, doubled or too long.
    BadForm(Lang, StatusCode),
    Book(BookError),
    Ledger(kessai::StoreError),
    NoRandom,
}

impl From<BookError> for Trouble {
    fn from(error: BookError) -> Self {
        Self::Book(error)
    }
}

impl From<kessai::StoreError> for Trouble {
    fn from(error: kessai::StoreError) -> Self {
        Self::Ledger(error)
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let (status, page) = match self {
            Self::NotFound(lang) => (StatusCode::NOT_FOUND, pages::trouble::not_found(lang)),
            Self::ForeignForm(lang) => (StatusCode::FORBIDDEN, pages::trouble::foreign_form(lang)),
            Self::BadForm(lang, status) => (status, pages::trouble::bad_form(lang)),
            Self::Book(error) => {
                tracing::error!(%error, "the book could not be used");
                (StatusCode::SERVICE_UNAVAILABLE, pages::trouble::later())
            }
            Self::Ledger(error) => {
                tracing::error!(%error, "the ledger could not be used");
                (StatusCode::SERVICE_UNAVAILABLE, pages::trouble::later())
            }
            Self::NoRandom => {
                tracing::error!("no random numbers");
                (StatusCode::SERVICE_UNAVAILABLE, pages::trouble::later())
            }
        };
        (status, Html(page)).into_response()
    }
}

/// Whatever is nowhere.
pub(crate) async fn nothing_here(visitor: Visitor) -> Trouble {
    Trouble::NotFound(visitor.lang)
}

/// A 303 within the shop.
pub(crate) fn see_other(path: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(path) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Around everything: who may ask, how long it may take, and the headers of the answer.
pub(crate) async fn around(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    let payment = request.uri().path().starts_with(super::ways::PATHS);
    if !payment && !shop.is_own_host(request.headers()) {
        // Another name that was pointed at this address (DNS rebinding).
        return (StatusCode::MISDIRECTED_REQUEST, "This shop has another address.").into_response();
    }
    if !payment && request.method() == Method::POST && from_elsewhere(request.headers()) {
        return Trouble::ForeignForm(Lang::of(request.headers())).into_response();
    }
    let mut response = tokio::time::timeout(DEADLINE, next.run(request))
        .await
        .unwrap_or_else(|_| (StatusCode::SERVICE_UNAVAILABLE, Html(pages::trouble::later())).into_response());
    let headers = response.headers_mut();
    let fixed: [(HeaderName, &'static str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Within the shop only: the return address holds a token, and the gateway needs to know nothing of our pages.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert_with(|| shop.content_policy().clone());
    response
}

/// Browsers say where a form comes from. A missing header is left to the form token.
fn from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site.as_bytes() != b"same-origin")
}
