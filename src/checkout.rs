//! What the store asks for: one order, its lines, and how it is to be paid. Built on the server from the store's own
//! prices (PAY-01), checked once, and then frozen.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::client_key::ClientKey;
use crate::guard::{self, CardDataSighted};
use crate::money::{Money, MoneyError};
use crate::payment::CaptureMode;
use crate::redirect::{KeptLink, Redirect};
use crate::reference::{CustomerReference, GatewayReference, MerchantReference};

/// Why a checkout request is refused. Names the field and never repeats its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The field is empty.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// The field is longer than the gateway, or anybody, takes.
    #[error("{field} is longer than {max} characters")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// The most characters it may have.
        max: usize,
    },
    /// The field holds characters it must not hold.
    #[error("{field} holds {what}")]
    Characters {
        /// Which field.
        field: &'static str,
        /// What was found there, in general words.
        what: &'static str,
    },
    /// More lines, or fewer, than can be asked for.
    #[error("{field} must be {bounds}")]
    Bounds {
        /// Which field.
        field: &'static str,
        /// The bounds, in words and with their unit.
        bounds: &'static str,
    },
    /// The lines do not add up to the total.
    #[error("the items do not add up to the total")]
    Total,
    /// The amount cannot be expressed, or this gateway cannot take it.
    #[error("the amount cannot be asked for: {0}")]
    Money(#[source] MoneyError),
    /// The gateway does not offer what was asked for.
    #[error("this gateway does not offer {0}")]
    Unsupported(&'static str),
    /// Card data in a text. The store must never see any (PAY-58).
    #[error(transparent)]
    CardData(#[from] CardDataSighted),
}

impl From<MoneyError> for RequestError {
    fn from(error: MoneyError) -> Self {
        Self::Money(error)
    }
}

/// One line of the order, shown on the hosted payment page.
#[derive(Clone, PartialEq, Eq)]
pub struct LineItem {
    name: String,
    unit_price: Money,
    quantity: u32,
}

impl LineItem {
    /// A line: name, price of one, and how many.
    pub fn new(name: impl Into<String>, unit_price: Money, quantity: u32) -> Result<Self, RequestError> {
        let name = name.into();
        check_text("the item name", &name, 500)?;
        if quantity == 0 {
            return Err(RequestError::Bounds {
                field: "the item quantity",
                bounds: "at least 1",
            });
        }
        Ok(Self {
            name,
            unit_price,
            quantity,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The price of one.
    #[must_use]
    pub fn unit_price(&self) -> Money {
        self.unit_price
    }

    /// How many.
    #[must_use]
    pub fn quantity(&self) -> u32 {
        self.quantity
    }
}

impl fmt::Debug for LineItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            unit_price,
            quantity,
        } = self;
        write!(f, "LineItem({quantity} x {unit_price}, name of {} bytes)", name.len())
    }
}

/// The shopper's e-mail address, for the gateway to prefill. Personal data: it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Takes an address. Only what would break a form or a header is refused; the gateway judges the rest.
    pub fn new(text: impl Into<String>) -> Result<Self, RequestError> {
        const FIELD: &str = "the customer e-mail";
        let text = text.into();
        check_text(FIELD, &text, 254)?;
        let odd = text
            .chars()
            .any(|c| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ',' | ';' | '\\'));
        let halves = text
            .split_once('@')
            .filter(|(local, domain)| !local.is_empty() && domain.contains('.'));
        if odd || text.matches('@').count() != 1 || halves.is_none() {
            return Err(RequestError::Characters {
                field: FIELD,
                what: "something other than one plain address",
            });
        }
        Ok(Self(text))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(..)")
    }
}

/// The language of the hosted payment page, as a BCP 47 tag such as `ja`, `en-GB` or `zh-Hant-TW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locale(String);

impl Locale {
    /// Takes a tag: letters, digits and `-`, at most 35 characters (RFC 5646 section 4.4.1).
    pub fn new(tag: impl Into<String>) -> Result<Self, RequestError> {
        let tag = tag.into();
        let parts_fit = tag.split('-').all(|part| (1..=8).contains(&part.len()));
        let letters_first = tag.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        let plain = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if tag.len() > 35 || !parts_fit || !letters_first || !plain {
            return Err(RequestError::Characters {
                field: "the locale",
                what: "something other than a language tag",
            });
        }
        guard::check_text("the locale", &tag)?;
        Ok(Self(tag))
    }

    /// The whole tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language alone: `zh` of `zh-TW`.
    #[must_use]
    pub fn language(&self) -> &str {
        self.0.split('-').next().unwrap_or(&self.0)
    }
}

/// What the store asks for. Make one with [`CheckoutRequest::builder`].
///
/// ```
/// use kessai::{CheckoutRequest, Currency, LineItem, MerchantReference, Money};
///
/// let tea = Money::new(1980, Currency::JPY);
/// let request = CheckoutRequest::builder(MerchantReference::new("EC20261101-000123")?)
///     .item(LineItem::new("Sencha 緑茶 100 g", tea, 2)?)
///     .build()?;
/// assert_eq!(request.total(), Money::new(3960, Currency::JPY));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckoutRequest {
    order: MerchantReference,
    items: Vec<LineItem>,
    total: Money,
    email: Option<Email>,
    locale: Option<Locale>,
    capture: CaptureMode,
    valid_for: Option<Duration>,
    customer: Option<CustomerReference>,
    client: Option<ClientKey>,
}

/// Collects a [`CheckoutRequest`].
#[derive(Clone, Debug)]
#[must_use]
pub struct CheckoutRequestBuilder {
    order: MerchantReference,
    items: Vec<LineItem>,
    total: Option<Money>,
    email: Option<Email>,
    locale: Option<Locale>,
    capture: CaptureMode,
    valid_for: Option<Duration>,
    customer: Option<CustomerReference>,
    client: Option<ClientKey>,
}

/// Stripe takes 100 lines (sheet section 4) and is the most generous of the gateways read so far.
const MOST_ITEMS: usize = 100;

impl CheckoutRequest {
    /// Starts a request for an order.
    pub fn builder(order: MerchantReference) -> CheckoutRequestBuilder {
        CheckoutRequestBuilder {
            order,
            items: Vec::new(),
            total: None,
            email: None,
            locale: None,
            capture: CaptureMode::Automatic,
            valid_for: None,
            customer: None,
            client: None,
        }
    }

    /// The order.
    #[must_use]
    pub fn order(&self) -> &MerchantReference {
        &self.order
    }

    /// The lines, in order; at least one.
    #[must_use]
    pub fn items(&self) -> &[LineItem] {
        &self.items
    }

    /// What all lines cost together.
    #[must_use]
    pub fn total(&self) -> Money {
        self.total
    }

    /// The shopper's e-mail address, if given.
    #[must_use]
    pub fn email(&self) -> Option<&Email> {
        self.email.as_ref()
    }

    /// The language of the hosted payment page, if given.
    #[must_use]
    pub fn locale(&self) -> Option<&Locale> {
        self.locale.as_ref()
    }

    /// When the money is to be taken.
    #[must_use]
    pub fn capture(&self) -> CaptureMode {
        self.capture
    }

    /// How long the hosted payment page may be used, if the store said.
    #[must_use]
    pub fn valid_for(&self) -> Option<Duration> {
        self.valid_for
    }

    /// The store's own key of the customer, if given.
    #[must_use]
    pub fn customer(&self) -> Option<&CustomerReference> {
        self.customer.as_ref()
    }

    /// Who asks for it, if given.
    #[must_use]
    pub fn client(&self) -> Option<&ClientKey> {
        self.client.as_ref()
    }

    /// A digest of everything that is sold and how. Who asks is no part of it. Two requests with equal digests ask for the same thing; a basket that
    /// was edited after the redirect has another one (PAY-46).
    #[must_use]
    pub fn content(&self) -> ContentDigest {
        let Self {
            order,
            items,
            total,
            email,
            locale,
            capture,
            valid_for,
            customer,
            // Kept nowhere, and the same order from another address leads to the same page.
            client: _,
        } = self;
        let mut hash = Sha256::new();
        // Every part goes in behind its length, so that no two requests give the same bytes (PAY-02).
        let mut part = |bytes: &[u8]| {
            hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(bytes);
        };
        part(b"kessai content 1");
        part(order.as_str().as_bytes());
        part(&total.minor_units().to_be_bytes());
        part(total.currency().code().as_bytes());
        part(&[u8::from(*capture == CaptureMode::Manual)]);
        part(&valid_for.map_or(0, |valid| valid.as_secs()).to_be_bytes());
        for text in [
            email.as_ref().map_or("", Email::as_str),
            locale.as_ref().map_or("", Locale::as_str),
            customer.as_ref().map_or("", CustomerReference::as_str),
        ] {
            part(text.as_bytes());
        }
        for LineItem {
            name,
            unit_price,
            quantity,
        } in items
        {
            part(name.as_bytes());
            part(&unit_price.minor_units().to_be_bytes());
            part(&quantity.to_be_bytes());
        }
        ContentDigest(base16ct::lower::encode_string(&hash.finalize()))
    }
}

impl CheckoutRequestBuilder {
    /// Adds a line.
    pub fn item(mut self, item: LineItem) -> Self {
        self.items.push(item);
        self
    }

    /// States the total. With lines it has to equal their sum; without any it becomes one line that names the order.
    pub fn total(mut self, total: Money) -> Self {
        self.total = Some(total);
        self
    }

    /// The shopper's e-mail address, prefilled on the hosted payment page where the gateway can.
    pub fn email(mut self, email: Email) -> Self {
        self.email = Some(email);
        self
    }

    /// The language of the hosted payment page. A gateway that does not speak it falls back to the browser's.
    pub fn locale(mut self, locale: Locale) -> Self {
        self.locale = Some(locale);
        self
    }

    /// When the money is to be taken. Default: at once.
    pub fn capture(mut self, capture: CaptureMode) -> Self {
        self.capture = capture;
        self
    }

    /// How long the hosted payment page may be used. Default: the gateway's own. A gateway refuses what it cannot do.
    pub fn valid_for(mut self, valid_for: Duration) -> Self {
        self.valid_for = Some(valid_for);
        self
    }

    /// The store's own key of the customer, kept in the ledger for reports and sent to no one.
    pub fn customer(mut self, customer: CustomerReference) -> Self {
        self.customer = Some(customer);
        self
    }

    /// Who asks, as far as the store can tell: a session, an account, an address. It is counted under this name
    /// ([`CheckoutLimits`](crate::cashier::CheckoutLimits)), and the name goes nowhere.
    pub fn client(mut self, client: ClientKey) -> Self {
        self.client = Some(client);
        self
    }

    /// Checks the whole and freezes it.
    pub fn build(self) -> Result<CheckoutRequest, RequestError> {
        let Self {
            order,
            mut items,
            total,
            email,
            locale,
            capture,
            valid_for,
            customer,
            client,
        } = self;
        guard::check_text("the merchant reference", order.as_str())?;
        if let Some(customer) = &customer {
            guard::check_text("the customer reference", customer.as_str())?;
        }
        if items.is_empty() {
            let total = total.ok_or(RequestError::Empty { field: "the total" })?;
            items.push(LineItem::new(format!("Order {order}"), total, 1)?);
        }
        if items.len() > MOST_ITEMS {
            return Err(RequestError::Bounds {
                field: "the number of items",
                bounds: "at most 100",
            });
        }
        let mut sum: Option<Money> = None;
        for LineItem {
            unit_price, quantity, ..
        } in &items
        {
            let line = unit_price.checked_mul(*quantity)?;
            sum = Some(sum.map_or(Ok(line), |so_far| so_far.checked_add(line))?);
        }
        let sum = sum.ok_or(RequestError::Empty { field: "the items" })?;
        if total.is_some_and(|total| total != sum) {
            return Err(RequestError::Total);
        }
        if sum.is_zero() {
            return Err(RequestError::Bounds {
                field: "the total",
                bounds: "more than nothing",
            });
        }
        Ok(CheckoutRequest {
            order,
            items,
            total: sum,
            email,
            locale,
            capture,
            valid_for,
            customer,
            client,
        })
    }
}

/// A digest of what is sold. See [`CheckoutRequest::content`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContentDigest(String);

impl ContentDigest {
    /// Lower-case hex, 64 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the gateway made of it: where to send the shopper, and under which name to ask.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checkout {
    /// How the shopper's browser gets to the hosted payment page.
    pub redirect: Redirect,
    /// The gateway's name for this checkout, if it gave one.
    pub reference: Option<GatewayReference>,
    /// The gateway's name for the payment, if it is known this early.
    pub payment: Option<GatewayReference>,
    /// Until when the page can be used.
    pub expires_at: Option<SystemTime>,
    /// The way to the page once more, from a gateway that gives it only once: the ledger keeps it for the next click.
    pub kept: Option<KeptLink>,
    /// False if the redirect was made here and the gateway has not heard of it yet.
    pub confirmed: bool,
}

impl Checkout {
    /// A checkout with a way to the page and nothing else known.
    #[must_use]
    pub fn new(redirect: Redirect) -> Self {
        Self {
            redirect,
            reference: None,
            payment: None,
            expires_at: None,
            kept: None,
            confirmed: true,
        }
    }

    /// Says that the redirect was made here, without a word from the gateway. The attempt is not marked as opened, so it
    /// stops blocking its order some time after its expiry.
    #[must_use]
    pub fn unconfirmed(mut self) -> Self {
        self.confirmed = false;
        self
    }

    /// Adds the gateway's name for this checkout.
    #[must_use]
    pub fn with_reference(mut self, reference: GatewayReference) -> Self {
        self.reference = Some(reference);
        self
    }

    /// Adds the gateway's name for the payment.
    #[must_use]
    pub fn with_payment(mut self, payment: Option<GatewayReference>) -> Self {
        self.payment = payment;
        self
    }

    /// Lets the ledger keep the link, because the gateway will not give it again. A form is never kept: it is made anew.
    #[must_use]
    pub fn with_link_kept(mut self) -> Self {
        if let Redirect::Get(url) = &self.redirect {
            self.kept = Some(KeptLink::of(url));
        }
        self
    }

    /// Adds until when the page can be used.
    #[must_use]
    pub fn with_expiry(mut self, expires_at: Option<SystemTime>) -> Self {
        self.expires_at = expires_at;
        self
    }
}

/// Text that goes into forms and pages: not empty, bounded, without control and direction characters, without card data.
fn check_text(field: &'static str, text: &str, max: usize) -> Result<(), RequestError> {
    if text.trim().is_empty() {
        return Err(RequestError::Empty { field });
    }
    if text.chars().count() > max {
        return Err(RequestError::TooLong { field, max });
    }
    if text.chars().any(|c| c.is_control() || is_direction_mark(c)) {
        return Err(RequestError::Characters {
            field,
            what: "control or text-direction characters",
        });
    }
    guard::check_text(field, text)?;
    Ok(())
}

fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Currency;

    fn yen(amount: u64) -> Money {
        Money::new(amount, Currency::JPY)
    }

    fn order() -> CheckoutRequestBuilder {
        CheckoutRequest::builder(MerchantReference::new("EC-1").unwrap())
    }

    #[test]
    fn requests_that_do_not_add_up_are_refused() {
        let tea = || LineItem::new("tea", yen(100), 3).unwrap();
        assert_eq!(order().build(), Err(RequestError::Empty { field: "the total" }));
        assert_eq!(order().item(tea()).total(yen(299)).build(), Err(RequestError::Total));
        assert_eq!(
            order().item(tea()).total(Money::new(300, Currency::EUR)).build(),
            Err(RequestError::Total)
        );
        let euro = LineItem::new("tea", Money::new(1, Currency::EUR), 1).unwrap();
        assert_eq!(
            order().item(tea()).item(euro).build(),
            Err(RequestError::Money(MoneyError::CurrencyMismatch))
        );
        let much = LineItem::new("tea", yen(u64::MAX), 2).unwrap();
        assert_eq!(
            order().item(much).build(),
            Err(RequestError::Money(MoneyError::Overflow))
        );
        assert!(matches!(
            order().total(yen(0)).build(),
            Err(RequestError::Bounds { .. })
        ));
        let many = (0..101).fold(order(), |order, _| order.item(tea()));
        assert!(matches!(many.build(), Err(RequestError::Bounds { .. })));
        assert!(LineItem::new("tea", yen(1), 0).is_err());
        assert_eq!(order().item(tea()).total(yen(300)).build().unwrap().total(), yen(300));
    }

    #[test]
    fn texts_that_could_break_out_are_refused() {
        for text in [
            "",
            "  ",
            "a\r\nb",
            "a\0",
            "a\u{1b}[0m",
            "\u{202e}abc",
            "a\u{2028}b",
            &"x".repeat(501),
        ] {
            assert!(LineItem::new(text, yen(1), 1).is_err(), "{text:?}");
        }
        for text in [
            "",
            "a",
            "a@",
            "@b.example",
            "a@b",
            "a@b@c.example",
            "a b@c.example",
            "a@c.example\r\nBcc: x@y.example",
        ] {
            assert!(Email::new(text).is_err(), "{text:?}");
        }
        for text in ["", "-", "ja-", "日本", "ja_JP", "1a", "aaaaaaaaa", "en\n"] {
            assert!(Locale::new(text).is_err(), "{text:?}");
        }
        assert!(LineItem::new("表ソ能 \"quotes\" & <b>", yen(1), 1).is_ok());
        assert_eq!(Locale::new("zh-TW").unwrap().language(), "zh");
    }

    #[test]
    fn card_data_is_refused_in_every_text() {
        const NUMBER: &str = "4242424242424242";
        let tea = || LineItem::new("tea", yen(100), 1).unwrap();
        let sighted = |refused: RequestError, place: &str| {
            assert!(
                matches!(&refused, RequestError::CardData(sighted) if sighted.field == place),
                "{refused:?}"
            );
            assert!(!format!("{refused} {refused:?}").contains("4242"));
        };
        sighted(LineItem::new(NUMBER, yen(1), 1).unwrap_err(), "the item name");
        sighted(LineItem::new("CVV: 123", yen(1), 1).unwrap_err(), "the item name");
        sighted(
            Email::new(format!("{NUMBER}@shop.example")).unwrap_err(),
            "the customer e-mail",
        );
        sighted(Locale::new("a-42424242-42424242").unwrap_err(), "the locale");
        let order = MerchantReference::new("4242-4242-4242-4242").unwrap();
        let refused = CheckoutRequest::builder(order).item(tea()).build().unwrap_err();
        sighted(refused, "the merchant reference");
        let order = MerchantReference::new("EC-1").unwrap();
        let customer = CustomerReference::new(NUMBER).unwrap();
        let refused = CheckoutRequest::builder(order).item(tea()).customer(customer).build();
        sighted(refused.unwrap_err(), "the customer reference");
    }

    #[test]
    fn the_content_digest_changes_with_everything_that_is_sold() {
        let base = || order().item(LineItem::new("tea", yen(100), 3).unwrap());
        let digest = |builder: CheckoutRequestBuilder| builder.build().unwrap().content();
        let same = digest(base());
        assert_eq!(digest(base()), same);
        for other in [
            order().item(LineItem::new("tea", yen(300), 1).unwrap()),
            order().item(LineItem::new("te", yen(100), 3).unwrap()),
            base().item(LineItem::new("cup", yen(1), 1).unwrap()),
            base().capture(CaptureMode::Manual),
            base().email(Email::new("a@b.example").unwrap()),
            base().locale(Locale::new("ja").unwrap()),
            base().valid_for(Duration::from_secs(3600)),
            base().customer(CustomerReference::new("c-1").unwrap()),
        ] {
            assert_ne!(digest(other), same);
        }
    }

    #[test]
    fn personal_data_does_not_print() {
        let request = order()
            .item(LineItem::new("canary-item", yen(1), 1).unwrap())
            .email(Email::new("canary@shop.example").unwrap())
            .build()
            .unwrap();
        assert!(!format!("{request:?}").contains("canary"));
    }
}
