//! The shop: one router over one cashier. Everything a shopper, the gateway or the operator can reach is in [`app`].
//!
//! | file | what |
//! | --- | --- |
//! | `goods` | what is for sale |
//! | `book` | baskets and orders, in a file of the shop's own |
//! | `buying` | shelf, basket, checkout, orders |
//! | `ways` | the ways to pay, one for each gateway |
//! | `payment` | where the gateways send browsers and messages |
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
pub(crate) mod lang;
mod operator;
mod pages;
mod payment;
mod standing;
pub(crate) mod story;
pub(crate) mod time;
pub(crate) mod ways;
mod web;

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use kessai::integrations::axum::Intake;
use kessai::{Addresses, Cashier, Clock, ConfigError, Gateway as _, GatewayId};

use self::book::{Book, BookError};
use self::cookies::CookiePolicy;
use self::ways::Way;

/// The most bytes of a form of the shop's own.
const FORM_LIMIT: usize = 16 * 1024;

/// What a shop is made of.
pub(crate) struct Parts {
    pub(crate) cashier: Cashier,
    pub(crate) book: Book,
    pub(crate) clock: Arc<dyn Clock>,
    /// The origin as shoppers see it, such as `https://shop.example`.
    pub(crate) public_url: String,
    /// What the checkout page offers, the first one chosen already. Each gateway is one of the cashier's.
    pub(crate) ways: Vec<Way>,
    /// Nothing in here is for real, and the shop listens on this machine only. Its pages say so, and lead behind the counter.
    pub(crate) rehearsal: bool,
}

/// The open shop. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Shop(Arc<Inner>);

struct Inner {
    parts: Parts,
    first_way: Way,
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
    /// An origin, of the shop or of a payment page, is none.
    Origins,
    /// Nothing to pay with, or a way that the cashier does not know.
    Ways,
}

impl std::fmt::Display for OpeningError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Book(error) => error.fmt(f),
            Self::Address(error) => error.fmt(f),
            Self::Origins => f.write_str("an origin, of the shop or of a payment page, is none"),
            Self::Ways => f.write_str("the shop offers no way to pay, or one without a gateway"),
        }
    }
}

impl std::error::Error for OpeningError {}

impl Shop {
    /// Opens it. The keys for forms and for the operator's page are made once and kept in the book.
    pub(crate) fn open(parts: Parts) -> Result<Self, OpeningError> {
        // The same check as for the gateway's addresses: an origin, HTTPS unless it is this machine.
        Addresses::new(&parts.public_url, "/pay").map_err(OpeningError::Address)?;
        // What browsers send as `Host`: without the port that belongs to the scheme.
        let host = url::Url::parse(&parts.public_url)
            .map(|url| url.authority().to_owned())
            .map_err(|_| OpeningError::Origins)?;
        let first_way = parts.ways.first().ok_or(OpeningError::Ways)?.clone();
        // Browsers hold the redirect behind a form against the policy: every payment page is a target of our forms.
        let mut targets = String::new();
        for way in &parts.ways {
            let gateway = parts.cashier.gateways().find(way.gateway()).ok_or(OpeningError::Ways)?;
            for origin in gateway.pages().iter() {
                targets.push(' ');
                targets.push_str(origin);
            }
        }
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'"
        );
        let secret = |name| parts.book.secret(name).map_err(OpeningError::Book);
        Ok(Self(Arc::new(Inner {
            first_way,
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

    /// What the checkout page offers.
    pub(crate) fn ways(&self) -> &[Way] {
        &self.0.parts.ways
    }

    /// The one that is chosen until somebody chooses.
    pub(crate) fn first_way(&self) -> &Way {
        &self.0.first_way
    }

    /// The way of this name, if it is offered.
    pub(crate) fn way(&self, named: &str) -> Option<&Way> {
        self.ways().iter().find(|way| way.gateway().as_str() == named)
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

/// Which gateway's traffic a route takes.
#[derive(Clone, Debug)]
pub(crate) struct Till(GatewayId);

/// Everything there is to reach.
pub(crate) fn app(shop: Shop) -> Router {
    // What the gateways send is taken in raw and within kessai's own limits.
    let intake = Intake::new().clock(SharedClock(Arc::clone(&shop.0.parts.clock)));
    let mut gateways = Router::new();
    for way in shop.ways() {
        // Some browsers come back with a form, which the cashier turns into a GET of our own.
        let back = || get(payment::returned).post(payment::returned);
        let one = Router::new()
            .route(&way.paths().notification_path(), post(payment::notification))
            .route(&way.paths().return_path(), back())
            .route(&way.paths().cancel_path(), back())
            .layer(Extension(Till(way.gateway().clone())));
        gateways = gateways.merge(one);
    }
    let gateways = gateways.layer(Extension(intake));
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
        .merge(gateways)
        .fallback(web::nothing_here)
        .layer(middleware::from_fn_with_state(shop.clone(), web::around))
        .with_state(shop)
}
