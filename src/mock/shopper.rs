//! A shopper with a browser: reads the hosted page and does what it offers, and nothing it does not.

use std::sync::Arc;
use std::time::Duration;

use http::header;
use reqwest::{RequestBuilder, Response};
use url::Url;

use crate::mock::card::{TestCard, year_and_month};
use crate::mock::clock::{Clock, unix};
use crate::mock::markup::{between, readable, unescaped};
use crate::mock::{MockError, loopback};

/// How many redirects a browser follows here.
const REDIRECTS: usize = 5;

/// A scripted shopper. Its browser keeps no cookies and stays on this machine.
#[derive(Clone)]
pub struct Shopper {
    browser: Arc<Browser>,
}

struct Browser {
    client: reqwest::Client,
    gateway: Url,
    clock: Clock,
    language: Option<String>,
    /// What the path of every page of the gateway starts with.
    pages: &'static str,
}

/// Where the browser is after a step.
#[derive(Clone, Debug)]
pub enum Landed {
    /// It was sent to the store. The address was not fetched: that is the test's move.
    Store {
        /// Where to, exactly as the gateway wrote it.
        url: String,
    },
    /// It is still with the gateway.
    Page(Page),
}

impl Landed {
    /// The store's address, if it was sent there.
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        match self {
            Self::Store { url } => Some(url),
            Self::Page(_) => None,
        }
    }

    /// The page, if it is still with the gateway.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        match self {
            Self::Page(page) => Some(page),
            Self::Store { .. } => None,
        }
    }
}

impl Shopper {
    pub(super) fn new(client: reqwest::Client, gateway: Url, clock: Clock, pages: &'static str) -> Self {
        let language = None;
        let browser = Browser {
            client,
            gateway,
            clock,
            language,
            pages,
        };
        Self {
            browser: Arc::new(browser),
        }
    }

    /// The same shopper with this `Accept-Language`.
    #[must_use]
    pub fn language(self, accept_language: &str) -> Self {
        let Browser {
            client,
            gateway,
            clock,
            language: _,
            pages,
        } = &*self.browser;
        let (client, gateway, clock) = (client.clone(), gateway.clone(), clock.clone());
        Self {
            browser: Arc::new(Browser {
                client,
                gateway,
                clock,
                language: Some(accept_language.to_owned()),
                pages,
            }),
        }
    }

    /// Opens an address: the hosted page, or one of the store's that leads there.
    pub async fn open(&self, url: &str) -> Result<Page, MockError> {
        let url = loopback(url)?;
        match self.browse(self.browser.client.get(url), true).await? {
            Landed::Page(page) => Ok(page),
            // `browse` was told to follow to the end.
            Landed::Store { .. } => Err(MockError::TooManyRedirects(REDIRECTS)),
        }
    }

    /// Sends a request and follows where it leads; to the store only if told so.
    async fn browse(&self, request: RequestBuilder, to_store: bool) -> Result<Landed, MockError> {
        let mut request = request;
        for _ in 0..=REDIRECTS {
            if let Some(language) = &self.browser.language {
                request = request.header(header::ACCEPT_LANGUAGE, language);
            }
            let response = request.send().await.map_err(MockError::http)?;
            let Some(location) = location(&response) else {
                return self.read(response).await;
            };
            let target = response.url().join(&location).map_err(|_| MockError::BadUrl)?;
            let at_gateway =
                target.origin() == self.browser.gateway.origin() && target.path().starts_with(self.browser.pages);
            if !at_gateway && !to_store {
                return Ok(Landed::Store { url: location });
            }
            request = self.browser.client.get(loopback(target.as_str())?);
        }
        Err(MockError::TooManyRedirects(REDIRECTS))
    }

    async fn read(&self, response: Response) -> Result<Landed, MockError> {
        let (status, url) = (response.status().as_u16(), response.url().to_string());
        let html = response.text().await.map_err(MockError::http)?;
        let text = readable(&html);
        Ok(Landed::Page(Page {
            shopper: self.clone(),
            url,
            status,
            html,
            text,
        }))
    }

    /// Some month in the future of the gateway's clock.
    fn expiry(&self) -> String {
        let (year, _) = year_and_month(unix(self.browser.clock.now()));
        format!("12/{:02}", (year + 3) % 100)
    }
}

impl std::fmt::Debug for Shopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Browser {
            client: _,
            gateway: _,
            clock: _,
            language,
            pages: _,
        } = &*self.browser;
        f.debug_struct("Shopper")
            .field("language", language)
            .finish_non_exhaustive()
    }
}

/// A page in the shopper's browser, as it was when it was loaded.
#[derive(Clone)]
pub struct Page {
    shopper: Shopper,
    url: String,
    status: u16,
    html: String,
    text: String,
}

impl Page {
    /// Whether something can still be paid on it: the form, or the 3-D Secure step.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.kind(), Some("pay" | "secure"))
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What a person reads, without markup.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The page as it came.
    #[must_use]
    pub fn html(&self) -> &str {
        &self.html
    }

    /// Whether a card can be typed.
    #[must_use]
    pub fn has_card_form(&self) -> bool {
        self.form("card").is_some()
    }

    /// Whether the bank asks whether it is really the card holder.
    #[must_use]
    pub fn asks_for_secure(&self) -> bool {
        self.kind() == Some("secure")
    }

    /// Types a test card and pays.
    pub async fn pay(&self, card: TestCard) -> Result<Landed, MockError> {
        let expiry = self.shopper.expiry();
        self.type_card(card.number(), &expiry, "123", "TARO YAMADA").await
    }

    /// Types whatever a shopper might type and pays.
    pub async fn type_card(&self, number: &str, expiry: &str, code: &str, holder: &str) -> Result<Landed, MockError> {
        let action = self.form("card").ok_or(MockError::NotOffered("card form"))?;
        let fields = [
            ("number", number),
            ("expiry", expiry),
            ("code", code),
            ("holder", holder),
        ];
        self.submit(action, &fields).await
    }

    /// Answers the 3-D Secure step.
    pub async fn answer_secure(&self, passed: bool) -> Result<Landed, MockError> {
        const STEP: MockError = MockError::NotOffered("3-D Secure step");
        let action = self.form("secure").ok_or(STEP)?;
        let token = between(&self.html, "name=\"token\" value=\"", "\"").ok_or(STEP)?;
        self.submit(
            action,
            &[("token", token), ("answer", if passed { "pass" } else { "fail" })],
        )
        .await
    }

    /// Chooses to pay later, and does so or not.
    pub async fn pay_later(&self, arrives: bool) -> Result<Landed, MockError> {
        let action = self.form("later").ok_or(MockError::NotOffered("way to pay later"))?;
        self.submit(action, &[("arrives", if arrives { "true" } else { "false" })])
            .await
    }

    /// Leaves a page with nothing more to do, such as a slip, by its link to the store.
    #[expect(clippy::unused_async, reason = "a step of the shopper like the others")]
    pub async fn to_store(&self) -> Result<Landed, MockError> {
        let link = between(&self.html, "data-do=\"return\" href=\"", "\"");
        let link = link.ok_or(MockError::NotOffered("way on to the store"))?;
        Ok(Landed::Store { url: unescaped(link) })
    }

    /// Confirms an order over nothing.
    pub async fn confirm(&self) -> Result<Landed, MockError> {
        let action = self.form("confirm").ok_or(MockError::NotOffered("order to confirm"))?;
        self.submit(action, &[]).await
    }

    /// Follows the link back to the store. The link alone is followed: the gateway hears nothing of it.
    #[expect(clippy::unused_async, reason = "a step of the shopper like the others")]
    pub async fn cancel(&self) -> Result<Landed, MockError> {
        let link = between(&self.html, "data-do=\"cancel\" href=\"", "\"");
        let link = link.ok_or(MockError::NotOffered("way back to the store"))?;
        Ok(Landed::Store { url: unescaped(link) })
    }

    /// Loads the same page again, as a reload or the back button does.
    pub async fn reload(&self) -> Result<Self, MockError> {
        self.shopper.open(&self.url).await
    }

    fn kind(&self) -> Option<&str> {
        between(&self.html, "data-page=\"", "\"")
    }

    /// The path that a form of the page sends to.
    fn form(&self, step: &str) -> Option<&str> {
        let mut actions = self
            .html
            .split("action=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        actions.find(|action| action.starts_with(self.shopper.browser.pages) && action.rsplit('/').next() == Some(step))
    }

    async fn submit(&self, action: &str, fields: &[(&str, &str)]) -> Result<Landed, MockError> {
        let url = loopback(&self.url)?.join(action).map_err(|_| MockError::BadUrl)?;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .shopper
            .browser
            .client
            .post(url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(Duration::from_secs(30))
            .body(body);
        self.shopper.browse(request, false).await
    }
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address opens the page to whoever has it.
        let Self {
            shopper: _,
            url: _,
            status,
            html,
            text: _,
        } = self;
        f.debug_struct("Page")
            .field("kind", &self.kind())
            .field("status", status)
            .field("bytes", &html.len())
            .finish_non_exhaustive()
    }
}

fn location(response: &Response) -> Option<String> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    response.status().is_redirection().then(|| location.to_owned())
}
