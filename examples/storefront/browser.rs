//! A browser without a screen, for the demonstration and for the tests: it keeps cookies, follows nothing by itself, and
//! fills in the shop's forms with the token that the shop's own page gave it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, LOCATION, SET_COOKIE};

use super::wiring::Failure;

/// Somebody's browser.
pub(crate) struct Browser {
    client: reqwest::Client,
    shop: String,
    language: &'static str,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What it types at checkout.
const DELIVERY: [(&str, &str); 3] = [
    ("name", "山田 花子"),
    ("email", "hanako@shopper.example"),
    ("address", "〒606-0000 京都市左京区 1-2-3"),
];

/// A form that an answer of the shop makes the browser post elsewhere.
#[derive(Clone)]
pub(crate) struct Onward {
    pub(crate) target: String,
    pub(crate) charset: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// An answer of the shop.
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Browser {
    /// A browser that was never here. `shop` is the shop's origin.
    pub(crate) fn new(shop: &str, language: &'static str) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(15))
            .build()?;
        Ok(Self {
            client,
            shop: shop.to_owned(),
            language,
            cookies: Mutex::default(),
        })
    }

    /// Opens a path of the shop, or a whole address that leads there.
    pub(crate) async fn get(&self, path: &str) -> Result<Seen, Failure> {
        self.send(self.client.get(self.address(path))).await
    }

    /// Sends a form of the shop's, with the token of the shop's own pages.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Result<Seen, Failure> {
        let token = self.form_token().await?;
        let mut form = vec![("form_token", token.as_str())];
        form.extend(fields);
        self.post_bare(path, &form).await
    }

    /// Sends a form as it is.
    pub(crate) async fn post_bare(&self, path: &str, fields: &[(&str, &str)]) -> Result<Seen, Failure> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .client
            .post(self.address(path))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        self.send(request).await
    }

    /// The token that the shop's forms carry for this browser.
    pub(crate) async fn form_token(&self) -> Result<String, Failure> {
        let page = self.get("/").await?;
        page.between("name=\"form_token\" value=\"", "\"")
            .map(str::to_owned)
            .ok_or_else(|| "no form on the shelf".into())
    }

    /// Puts something into the basket.
    pub(crate) async fn choose(&self, article: &str, quantity: &str) -> Result<(), Failure> {
        let fields = [("article", article), ("quantity", quantity), ("more", "true")];
        let seen = self.post("/basket", &fields).await?;
        if seen.status == 303 {
            Ok(())
        } else {
            Err(format!("the basket answered {}", seen.status).into())
        }
    }

    /// Sends a form as another site makes the browser do it: without the shop's cookies, which stay at home
    /// (`SameSite=Lax`). The shop's answer to it is followed, with them.
    pub(crate) async fn come_from_elsewhere(&self, url: &str, body: Vec<u8>) -> Result<Seen, Failure> {
        let request = self
            .client
            .post(url)
            .header("accept-language", self.language)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await?;
        let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        match location.filter(|_| answer.status().as_u16() == 303) {
            Some(location) => self.get(location).await,
            None => Err(format!("the shop answered {} to a form from elsewhere", answer.status()).into()),
        }
    }

    /// Confirms the order and presses the button, with whatever way to pay is chosen already.
    pub(crate) async fn check_out(&self) -> Result<Seen, Failure> {
        self.post("/checkout", &DELIVERY).await
    }

    /// The same by this way to pay.
    pub(crate) async fn check_out_by(&self, way: &str) -> Result<Seen, Failure> {
        let mut fields = DELIVERY.to_vec();
        fields.push(("way", way));
        self.post("/checkout", &fields).await
    }

    /// The number of this browser's latest order.
    pub(crate) async fn latest_order(&self) -> Result<String, Failure> {
        let orders = self.get("/orders").await?;
        orders
            .between("href=\"/orders/", "\"")
            .map(str::to_owned)
            .ok_or_else(|| "no order is listed".into())
    }

    fn address(&self, path: &str) -> String {
        if path.starts_with('/') {
            format!("{}{path}", self.shop)
        } else {
            path.to_owned()
        }
    }

    /// What it sends as `Cookie`.
    pub(crate) fn cookies(&self) -> String {
        let jar = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep_cookies(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let mut jar = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for cookie in headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Seen, Failure> {
        let request = request
            .header("accept-language", self.language)
            .header(COOKIE, self.cookies());
        let answer = request.send().await?;
        self.keep_cookies(answer.headers())?;
        Ok(Seen {
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.text().await?,
        })
    }
}

impl Seen {
    /// Where it leads.
    pub(crate) fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// What the page says about the payment: the word in `data-standing`.
    pub(crate) fn standing(&self) -> Option<&str> {
        self.between("data-standing=\"", "\"")
    }

    /// The form that leads to a payment page.
    pub(crate) fn onward(&self) -> Option<Onward> {
        let form = self.between("<form id=\"pay\" ", "</form>")?;
        let attribute = |text: &str, name: &str| {
            let (_, rest) = text.split_once(&format!("{name}=\""))?;
            rest.split_once('"').map(|(value, _)| unescaped(value))
        };
        let inputs = form.split("<input ").skip(1);
        Some(Onward {
            target: attribute(form, "action")?,
            charset: attribute(form, "accept-charset")?,
            fields: inputs
                .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)))
                .collect(),
        })
    }

    /// The first text between two others.
    pub(crate) fn between(&self, before: &str, after: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(before)?;
        rest.split_once(after).map(|(found, _)| found)
    }
}

/// The text of an attribute in which every odd character is a numeric reference.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let reference = part
            .split_once(';')
            .and_then(|(number, rest)| Some((char::from_u32(number.parse().ok()?)?, rest)));
        if let Some((character, rest)) = reference {
            plain.push(character);
            plain.push_str(rest);
        } else {
            plain.push_str("&#");
            plain.push_str(part);
        }
    }
    plain
}
