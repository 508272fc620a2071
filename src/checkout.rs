//! What the store asks for: one order, its lines, and how it is to be paid. Built on the server from the store's own
//! prices (PAY-01), checked once, and then frozen.

mod client_key;
mod opened;
mod parts;
mod refusal;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::client_key::ClientKey;
pub use self::opened::Checkout;
pub use self::parts::{Email, LineItem, Locale};
pub use self::refusal::RequestError;
use crate::guard;
use crate::money::Money;
use crate::payment::CaptureMode;
use crate::reference::{CustomerReference, MerchantReference};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{Currency, MoneyError};

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
