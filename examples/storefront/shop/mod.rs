//! The shop: one router over one cashier. Everything a shopper, the gateway or the operator can reach is in [`app`].
//!
//! | file | what |
//! | --- | --- |
//! | `goods` | what is for sale |
//! | `book` | baskets and orders, in a file of the shop's own |
//! | `buying` | shelf, basket, checkout, orders |
//! | `payment` | where the gateway sends browsers and messages |
//! | `standing` | what an order's page says about its payment |
//! | `fulfilment` | the loop beside the pages: sweep, ship |
//! | `operator`, `story` | every attempt with its timeline |
//! | `web`, `cookies`, `lang`, `html`, `time` | what goes around every page |
//! | `pages` | the pages |

pub(crate) mod book;
mod buying;
mod cookies;
pub(crate) mod fulfilment;
pub(crate) mod goods;
mod html;
mod lang;
mod operator;
mod pages;
mod payment;
mod standing;
pub(crate) mod story;
pub(crate) mod time;
mod web;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use kessai::integrations::axum::Intake;
use kessai::{Addresses, Cashier, Clock, ConfigError};

use self::book::{Book, BookError};
use self::cookies::CookiePolicy;

/// Below this path the gateway sends browsers and messages.
pub(crate) const PAYMENT_PATH: &str = "/pay/stripe";

/// The most bytes of a form of the shop's own.
const FORM_LIMIT: usize = 16 * 1024;

/// What a shop is made of.
pub(crate) struct Parts {
    pub(crate) cashier: Cashier,
    pub(crate) book: Book,
    pub(crate) clock: Arc<dyn Clock>,
    /// The origin as shoppers see it, such as `https://shop.example`.
    pub(crate) public_url: String,
    /// The origins of the hosted payment page: browsers hold the redirect behind a form against the content policy.
    pub(crate) page_origins: Vec<String>,
    /// Nothing in here is for real, and the shop listens on this machine only. Its pages say so, and lead behind the counter.
    pub(crate) rehearsal: bool,
}

/// The open shop. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Shop(Arc<Inner>);

struct Inner {
    parts: Parts,
    host: String,
    form_key: String,
    operator_token: String,
    content_policy: HeaderValue,
    paid: tokio::sync::Notify,
}

/// Why the shop does not open.
#[derive(Debug)]
pub(crate) enum OpeningError {
    Book(BookError),
    Address(ConfigError),
    /// An origin, of the shop or of the payment page, is none.
    Origins,
}

impl std::fmt::Display for OpeningError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Book(error) => error.fmt(f),
            Self::Address(error) => error.fmt(f),
            Self::Origins => f.write_str("an origin, of the shop or of the payment page, is none"),
        }
    }
}

impl std::error::Error for OpeningError {}

impl Shop {
    /// Opens it. The keys for forms and for the operator's page are made once and kept in the book.
    pub(crate) fn open(parts: Parts) -> Result<Self, OpeningError> {
        // The same check as for the gateway's addresses: an origin, HTTPS unless it is this machine.
        Addresses::new(&parts.public_url, PAYMENT_PATH).map_err(OpeningError::Address)?;
        // What browsers send as `Host`: without the port that belongs to the scheme.
        let host = url::Url::parse(&parts.public_url)
            .map(|url| url.authority().to_owned())
            .map_err(|_| OpeningError::Origins)?;
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
            parts.page_origins.join(" ")
        );
        let secret = |name| parts.book.secret(name).map_err(OpeningError::Book);
        Ok(Self(Arc::new(Inner {
            host,
            form_key: secret("forms")?,
            operator_token: secret("operator")?,
            content_policy: HeaderValue::from_str(&policy).map_err(|_| OpeningError::Origins)?,
            paid: tokio::sync::Notify::new(),
            parts,
        })))
    }

    /// Where the operator looks. Whoever has this address sees every attempt.
    ///
    /// The token in it is the lock: 256 random bits, kept in the shop's file and shown to whoever starts the program. A real
    /// shop puts the page behind its own log-in, or on a port that is reachable from inside only.
    pub(crate) fn operator_path(&self) -> String {
        format!("/operator/{}", self.0.operator_token)
    }

    pub(crate) fn cashier(&self) -> &Cashier {
        &self.0.parts.cashier
    }

    pub(crate) fn book(&self) -> &Book {
        &self.0.parts.book
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.0.parts.clock.now()
    }

    pub(crate) fn is_rehearsal(&self) -> bool {
        self.0.parts.rehearsal
    }

    /// Rings when something may be ready to be shipped.
    pub(crate) fn bell(&self) -> &tokio::sync::Notify {
        &self.0.paid
    }

    fn cookies(&self) -> CookiePolicy {
        CookiePolicy {
            secure: self.0.parts.public_url.starts_with("https://"),
        }
    }

    fn form_key(&self) -> &[u8] {
        self.0.form_key.as_bytes()
    }

    fn operator_token(&self) -> &str {
        &self.0.operator_token
    }

    fn content_policy(&self) -> &HeaderValue {
        &self.0.content_policy
    }

    /// Was the shop asked for by its own name?
    fn is_own_host(&self, headers: &HeaderMap) -> bool {
        headers
            .get(header::HOST)
            .is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(self.0.host.as_bytes()))
    }
}

/// The shop's clock, for the parts that take one by value.
#[derive(Clone, Debug)]
pub(crate) struct SharedClock(pub(crate) Arc<dyn Clock>);

impl Clock for SharedClock {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

/// Everything there is to reach.
pub(crate) fn app(shop: Shop) -> Router {
    // What the gateway sends is taken in raw and within kessai's own limits.
    let gateway = Router::new()
        .route(&format!("{PAYMENT_PATH}/notification"), post(payment::notification))
        .route(
            &format!("{PAYMENT_PATH}/return"),
            get(payment::returned).post(payment::returned),
        )
        .route(&format!("{PAYMENT_PATH}/cancel"), get(payment::returned))
        .layer(Extension(
            Intake::new().clock(SharedClock(Arc::clone(&shop.0.parts.clock))),
        ));
    Router::new()
        .route("/", get(buying::shelf))
        .route("/basket", get(buying::basket).post(buying::change_basket))
        .route("/checkout", get(buying::checkout).post(buying::place))
        .route("/orders", get(buying::orders))
        .route("/orders/{order}", get(buying::order))
        .route("/orders/{order}/pay", post(buying::pay))
        .route("/operator/{token}", get(operator::attempts))
        .route("/goods/{picture}", get(pages::assets::picture))
        .route("/shop.css", get(pages::assets::stylesheet))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .merge(gateway)
        .fallback(web::nothing_here)
        .layer(middleware::from_fn_with_state(shop.clone(), web::around))
        .with_state(shop)
}
