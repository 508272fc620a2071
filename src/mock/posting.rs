//! A shopper of a gateway that sends the browser back by a form: reads the hosted page and does what it offers, and nothing
//! it does not.

use std::sync::Arc;
use std::time::Duration;

use http::header;
use reqwest::RequestBuilder;
use url::Url;

use crate::mock::card::{TestCard, year_and_month};
use crate::mock::clock::{Clock, unix};
use crate::mock::form::{self, Charset};
use crate::mock::markup::{between, readable, unescaped};
use crate::mock::{MockError, loopback};
use crate::redirect::PostForm;

/// How many redirects a browser follows here.
const REDIRECTS: usize = 5;

/// A scripted shopper. Its browser keeps no cookies and stays on this machine.
#[derive(Clone)]
pub struct Shopper {
    client: reqwest::Client,
    clock: Clock,
    language: Option<Arc<str>>,
    /// Of the gateway's pages and of what they post.
    charset: Charset,
}

/// Where the browser is after a step.
#[derive(Clone, Debug)]
pub enum Landed {
    /// It is to post to the store. That was not sent: it is the test's move.
    Store(Visit),
    /// It is still with the gateway.
    Page(Page),
}

impl Landed {
    /// What it is to post to the store, if it was sent there.
    #[must_use]
    pub fn store(&self) -> Option<&Visit> {
        match self {
            Self::Store(visit) => Some(visit),
            Self::Page(_) => None,
        }
    }

    /// The page, if it is still with the gateway.
    #[must_use]
    pub fn page(&self) -> Option<&Page> {
        match self {
            Self::Page(page) => Some(page),
            Self::Store(_) => None,
        }
    }
}

/// A post of the browser's to the store.
#[derive(Clone)]
pub struct Visit {
    /// Where to, exactly as the store wrote it.
    pub url: String,
    /// The form, in the charset of the gateway; empty if nothing is posted along.
    pub body: Vec<u8>,
}

/// It holds a hash that the store takes for a hint.
impl std::fmt::Debug for Visit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url: _, body } = self;
        f.debug_struct("Visit")
            .field("body_bytes", &body.len())
            .finish_non_exhaustive()
    }
}

impl Shopper {
    pub(super) fn new(client: reqwest::Client, clock: Clock, charset: Charset) -> Self {
        Self {
            client,
            clock,
            language: None,
            charset,
        }
    }

    /// The same shopper with this `Accept-Language`.
    #[must_use]
    pub fn language(self, accept_language: &str) -> Self {
        Self {
            language: Some(accept_language.into()),
            ..self
        }
    }

    /// Presses the button of the store's form, in the charset that the form asks for, and follows where it leads.
    pub async fn open(&self, form: &PostForm) -> Result<Page, MockError> {
        let fields: Vec<(&str, &str)> = form.fields().collect();
        let charset = if form.charset().eq_ignore_ascii_case("shift_jis") {
            Charset::ShiftJis
        } else {
            Charset::Utf8
        };
        self.post(form.target().as_str(), form::write(charset, fields)).await
    }

    /// Posts these bytes as a form, and follows where it leads.
    pub async fn post(&self, url: &str, body: Vec<u8>) -> Result<Page, MockError> {
        let request = self
            .client
            .post(loopback(url)?)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(Duration::from_secs(30))
            .body(body);
        self.browse(request).await
    }

    /// Opens an address of the gateway's.
    pub async fn visit(&self, url: &str) -> Result<Page, MockError> {
        self.browse(self.client.get(loopback(url)?)).await
    }

    async fn browse(&self, request: RequestBuilder) -> Result<Page, MockError> {
        let mut request = request;
        for _ in 0..=REDIRECTS {
            if let Some(language) = &self.language {
                request = request.header(header::ACCEPT_LANGUAGE, &**language);
            }
            let response = request.send().await.map_err(MockError::http)?;
            let target = response
                .headers()
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok());
            if let Some(target) = target.filter(|_| response.status().is_redirection()) {
                let target = response.url().join(target).map_err(|_| MockError::BadUrl)?;
                request = self.client.get(loopback(target.as_str())?);
                continue;
            }
            let (status, url) = (response.status().as_u16(), response.url().clone());
            let bytes = response.bytes().await.map_err(MockError::http)?;
            let html = self
                .charset
                .decode(&bytes)
                .unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned());
            let text = readable(&html);
            return Ok(Page {
                shopper: self.clone(),
                url,
                status,
                html,
                text,
            });
        }
        Err(MockError::TooManyRedirects(REDIRECTS))
    }

    /// Some month in the future of the gateway's clock.
    fn expiry(&self) -> String {
        let (year, _) = year_and_month(unix(self.clock.now()));
        format!("12/{:02}", (year + 3) % 100)
    }
}

impl std::fmt::Debug for Shopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            client: _,
            clock: _,
            language,
            charset: _,
        } = self;
        f.debug_struct("Shopper")
            .field("language", language)
            .finish_non_exhaustive()
    }
}

/// A page in the shopper's browser, as it was when it was loaded.
#[derive(Clone)]
pub struct Page {
    shopper: Shopper,
    url: Url,
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

    /// Why what the store sent was not taken, if this is the error page: one word, and the element it is about.
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        between(&self.html, "data-reason=\"", "\"").map(unescaped)
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

    /// The page, decoded.
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

    /// Whether this is a slip, or a number, to be paid elsewhere.
    #[must_use]
    pub fn is_slip(&self) -> bool {
        self.kind() == Some("slip")
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
        let answer = if passed { "pass" } else { "fail" };
        self.submit(action, &[("token", token), ("answer", answer)]).await
    }

    /// Pays with the wallet.
    pub async fn pay_by_wallet(&self) -> Result<Landed, MockError> {
        let action = self.form("wallet").ok_or(MockError::NotOffered("wallet"))?;
        self.submit(action, &[]).await
    }

    /// Chooses to pay later, by the first such method, and does so or not. Leads to the slip.
    pub async fn pay_later(&self, arrives: bool) -> Result<Landed, MockError> {
        let action = self.form("slip").ok_or(MockError::NotOffered("way to pay later"))?;
        self.submit(action, &[("arrives", if arrives { "true" } else { "false" })])
            .await
    }

    /// Presses the button that leads back to the store: from the slip.
    pub fn back_to_store(&self) -> Result<Visit, MockError> {
        self.visit_of().ok_or(MockError::NotOffered("way back to the store"))
    }

    /// Goes back to the store without paying.
    pub async fn cancel(&self) -> Result<Landed, MockError> {
        let action = self
            .form("cancel")
            .ok_or(MockError::NotOffered("way back to the store"))?;
        self.submit(action, &[]).await
    }

    /// Loads the same page again, as a reload or the back button does.
    pub async fn reload(&self) -> Result<Landed, MockError> {
        let page = self.shopper.visit(self.url.as_str()).await?;
        Ok(page.land())
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
        actions.find(|action| action.starts_with('/') && action.rsplit('/').next() == Some(step))
    }

    async fn submit(&self, action: &str, fields: &[(&str, &str)]) -> Result<Landed, MockError> {
        let url = self.url.join(action).map_err(|_| MockError::BadUrl)?;
        let body = form::write(self.shopper.charset, fields.iter().copied());
        let page = self.shopper.post(url.as_str(), body).await?;
        Ok(page.land())
    }

    /// A browser runs the script that posts the result.
    fn land(self) -> Landed {
        match (self.kind(), self.visit_of()) {
            (Some("return"), Some(visit)) => Landed::Store(visit),
            _ => Landed::Page(self),
        }
    }

    /// What the form that leads to the store would post.
    fn visit_of(&self) -> Option<Visit> {
        let (before, form) = self.html.split_once("data-do=\"return\">")?;
        let (_, tag) = before.rsplit_once("<form")?;
        let url = unescaped(between(tag, "action=\"", "\"")?);
        let (form, _) = form.split_once("</form>")?;
        let fields: Vec<(String, String)> = form
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .filter_map(|input| {
                let (name, rest) = input.split_once('"')?;
                Some((name.to_owned(), unescaped(between(rest, "value=\"", "\"")?)))
            })
            .collect();
        let body = {
            let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            form::write(self.shopper.charset, fields)
        };
        Some(Visit { url, body })
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
