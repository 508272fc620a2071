//! What leaves for the gateway: texts that a shopper typed stay texts, whatever is in them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use kessai::{
    CheckoutRequest, Currency, CustomerReference, Email, ExpectedPayment, LineItem, Locale, MerchantReference, Money,
    Nonce, PostForm, Redirect,
};
use serde_json::Value;

use super::line::{self, now};
use super::shop::{self, Shop};

/// Five lines: item, order, e-mail address, language, customer. A line that cannot be what it should be is left out.
pub fn hand_off(data: &[u8]) {
    let Some(texts) = Texts::read(data) else { return };
    let Some(request) = texts.request(texts.item.clone()) else {
        return;
    };
    // The same order with a harmless name: what leaves may differ in values and in nothing else.
    let plain = texts.request("Sencha".to_owned()).expect("a harmless name");
    for shop in [&shop::STRIPE, &shop::KOMOJU, &shop::GMOPG, &shop::SBPS] {
        let (Some(sent), Some(harmless)) = (sent(shop, &request), sent(shop, &plain)) else {
            continue;
        };
        assert_eq!(names(&sent), names(&harmless), "{}: a text became a field", shop.id());
        if let Some(email) = &texts.email
            && shop.id().as_str() == "stripe"
        {
            assert!(
                sent.iter().any(|(_, value)| value == email.as_str()),
                "the address is another one"
            );
        }
        if shop.id().as_str() == "stripe" {
            let items: Vec<&str> = sent
                .iter()
                .filter(|(name, _)| name.ends_with("[product_data][name]"))
                .map(|(_, value)| value.as_str())
                .collect();
            assert_eq!(items, [texts.item.as_str()], "the item's name is another one");
        }
    }
}

struct Texts {
    item: String,
    order: MerchantReference,
    email: Option<Email>,
    locale: Option<Locale>,
    customer: Option<CustomerReference>,
}

impl Texts {
    fn read(data: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(data).ok()?;
        // Line breaks have to be possible inside a name, so lines end in something else.
        let mut lines = text.split('\u{1e}');
        let item = lines.next()?.to_owned();
        let mut next = || lines.next().unwrap_or_default();
        Some(Self {
            item,
            order: MerchantReference::new(next()).unwrap_or_else(|_| "EC-7".parse().expect("a reference")),
            email: Email::new(next()).ok(),
            locale: Locale::new(next()).ok(),
            customer: CustomerReference::new(next()).ok(),
        })
    }

    fn request(&self, item: String) -> Option<CheckoutRequest> {
        let item = LineItem::new(item, Money::new(shop::TOTAL, Currency::JPY), 1).ok()?;
        let mut builder = CheckoutRequest::builder(self.order.clone()).item(item);
        if let Some(email) = &self.email {
            builder = builder.email(email.clone());
        }
        if let Some(locale) = &self.locale {
            builder = builder.locale(locale.clone());
        }
        if let Some(customer) = &self.customer {
            builder = builder.customer(customer.clone());
        }
        builder.build().ok()
    }
}

/// Every name and value that leaves, read by an independent reader; nothing if the gateway cannot take the order.
fn sent(shop: &Shop, request: &CheckoutRequest) -> Option<Vec<(String, String)>> {
    line::set(Vec::new());
    let expected = ExpectedPayment::plan(shop.gateway.as_ref(), request, *shop::START_TIME).ok()?;
    let checkout = now(shop.gateway.checkout(&expected, request));
    if let Ok(checkout) = checkout {
        let Redirect::Post(form) = &checkout.redirect else {
            panic!("a link without an answer")
        };
        return Some(super::page::read(form, &Nonce::of_policy("abc").expect("plain"), "Pay"));
    }
    let requests = line::asked();
    let request = requests.first().expect("a checkout that failed was at least tried");
    let body = std::str::from_utf8(request.body()).expect("what we send is text");
    if body.starts_with('{') {
        let value: Value = serde_json::from_str(body).expect("what we send is JSON");
        // A doubled name would be lost on the way.
        assert_eq!(value.to_string().len(), body.len(), "a name is there twice: {body}");
        let mut pairs = Vec::new();
        flatten("", &value, &mut pairs);
        return Some(pairs);
    }
    Some(url::form_urlencoded::parse(body.as_bytes()).into_owned().collect())
}

fn flatten(name: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(inner, value)| flatten(&format!("{name}.{inner}"), value, into)),
        Value::Array(values) => values
            .iter()
            .for_each(|value| flatten(&format!("{name}[]"), value, into)),
        Value::String(text) => into.push((name.to_owned(), text.clone())),
        other => into.push((name.to_owned(), other.to_string())),
    }
}

fn names(pairs: &[(String, String)]) -> Vec<&str> {
    let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    let once: BTreeSet<&str> = names.iter().copied().filter(|name| !name.ends_with("[]")).collect();
    names.sort_unstable();
    assert!(
        once.iter()
            .all(|name| names.iter().filter(|other| *other == name).count() == 1),
        "{names:?}"
    );
    names
}

/// Where the forms of these pages go.
static ALLOWED: LazyLock<kessai::AllowedOrigins> =
    LazyLock::new(|| kessai::AllowedOrigins::new(["https://pay.example"]).expect("an origin"));

/// The page of a form: target, nonce, button, then names and values, each ended by a record separator.
pub fn page(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.split('\u{1e}');
    let mut next = || parts.next().unwrap_or_default();
    let Ok(target) = kessai::RedirectUrl::new(next(), &ALLOWED) else {
        return;
    };
    let nonce = Nonce::of_policy(next()).unwrap_or_else(|| Nonce::of_policy("abc").expect("plain"));
    let button = next().to_owned();
    let mut form = PostForm::new(target).with_charset("Shift_JIS");
    let mut fields = Vec::new();
    while let Some(name) = parts.next() {
        let value = parts.next().unwrap_or_default();
        if let Ok(longer) = form.clone().field(name, value) {
            assert!(!name.contains(char::is_control) && !value.contains(char::is_control));
            form = longer;
            fields.push((name.to_owned(), value.to_owned()));
        }
    }
    assert_eq!(
        super::page::read(&form, &nonce, &button),
        fields,
        "a browser would post other fields"
    );
}

pub fn seeds_hand_off() -> Vec<Vec<u8>> {
    let items = [
        "Sencha 緑茶",
        "x&amount=1",
        "x=1&line_items[0][price_data][unit_amount]=1",
        "\"},\"amount\":1,\"x\":{\"",
        "a\r\nb",
        "a\0b",
        "<script>alert(1)</script>",
        "\"><input name=amount value=1>",
        "１９８０円",
        "¥100 〜",
        "😀",
        "\\u0022",
        "=1+1",
        "%26amount%3D1",
        "//evil.example",
    ];
    let rest = "\u{1e}EC20261101-000123\u{1e}buyer+1@shop.example\u{1e}ja-JP\u{1e}c-1";
    items.map(|item| format!("{item}{rest}").into_bytes()).into()
}

pub fn seeds_page() -> Vec<Vec<u8>> {
    [
        "https://pay.example/f01/FepBuyInfoReceive.do\u{1e}abc\u{1e}Pay\u{1e}a\u{1e}1\u{1e}item_name\u{1e}表 & \"<'>`",
        "https://pay.example/?a=1&amp;b=\"'\u{1e}Zm9v+/=\u{1e}</button><script>\u{1e}submit\u{1e}1\u{1e}pay\u{1e}\u{2028}",
        "https://pay.example/#\u{1e}a\"b\u{1e}支払う\u{1e}n\"=\u{1e}&#38;&quot;&\u{1e}a\u{1e}\u{1e}a\u{1e}2",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
