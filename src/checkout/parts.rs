//! What a request is made of: lines, an address, a language. Each is checked when it is made.

use std::fmt;

use super::refusal::RequestError;
use crate::guard;
use crate::money::Money;

/// One line of the order, shown on the hosted payment page.
#[derive(Clone, PartialEq, Eq)]
pub struct LineItem {
    pub(super) name: String,
    pub(super) unit_price: Money,
    pub(super) quantity: u32,
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
}
