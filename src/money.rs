//! Money: an integer count of minor units together with its currency. There is no floating point, no default currency
//! and no arithmetic beyond what an order total needs.
//!
//! The exponents are those of ISO 4217. Where a gateway disagrees with the standard (Stripe sends MGA without decimals
//! and ISK with two), the exception sits in that gateway's own folder and never here.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ISO 4217 currency that this crate knows the exponent of.
///
/// ```
/// use kessai::Currency;
///
/// assert_eq!(Currency::JPY.exponent(), 0);
/// assert_eq!("KWD".parse::<Currency>()?.exponent(), 3);
/// assert!("jpy".parse::<Currency>().is_err(), "codes are upper case; a gateway's own spelling is its own business");
/// # Ok::<(), kessai::MoneyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

/// Why a number or a code is not money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// The code is not three upper-case letters of a currency in ISO 4217.
    #[error("unknown currency code; use an upper-case code of ISO 4217")]
    UnknownCurrency,
    /// The text is not plain digits with at most one decimal point.
    #[error("amount is not plain ASCII digits with at most one decimal point")]
    Malformed,
    /// The text has more or fewer decimals than the currency.
    #[error("amount does not have the number of decimals its currency has")]
    Precision,
    /// The result does not fit.
    #[error("amount is too large")]
    Overflow,
    /// Two amounts of different currencies met.
    #[error("amounts of two currencies cannot be combined")]
    CurrencyMismatch,
}

/// ISO 4217 codes whose minor unit is not a hundredth (list one, as of the 2025 amendments).
const EXPONENT_0: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF",
    "XPF",
];
const EXPONENT_3: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];
const EXPONENT_4: &[&str] = &["CLF", "UYW"];
/// The rest of the active codes: two decimals.
const EXPONENT_2: &[&str] = &[
    "AED", "AFN", "ALL", "AMD", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BMD", "BND", "BOB",
    "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CNY", "COP", "COU", "CRC",
    "CUP", "CVE", "CZK", "DKK", "DOP", "DZD", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP",
    "GMD", "GTQ", "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW",
    "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR",
    "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "PAB", "PEN", "PGK", "PHP",
    "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD",
    "SSP", "STN", "SVC", "SYP", "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "USN",
    "UYU", "UZS", "VED", "VES", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG",
];

impl Currency {
    /// Euro.
    pub const EUR: Self = Self::known(*b"EUR", 2);
    /// Pound sterling.
    pub const GBP: Self = Self::known(*b"GBP", 2);
    /// Yen, which has no minor unit: one minor unit is one yen.
    pub const JPY: Self = Self::known(*b"JPY", 0);
    /// Kuwaiti dinar, in thousandths.
    pub const KWD: Self = Self::known(*b"KWD", 3);
    /// United States dollar.
    pub const USD: Self = Self::known(*b"USD", 2);

    const fn known(code: [u8; 3], exponent: u8) -> Self {
        Self { code, exponent }
    }

    /// The three-letter code, upper case.
    #[must_use]
    pub fn code(&self) -> &str {
        // The code came from the table below, so it is ASCII; the fallback is unreachable and harmless.
        std::str::from_utf8(&self.code).unwrap_or("XXX")
    }

    /// How many decimals the major unit has: 0 for yen, 2 for euro, 3 for Kuwaiti dinar.
    #[must_use]
    pub fn exponent(&self) -> u8 {
        self.exponent
    }

    /// Every currency of the table, in no promised order.
    pub fn all() -> impl Iterator<Item = Self> {
        [(EXPONENT_0, 0), (EXPONENT_2, 2), (EXPONENT_3, 3), (EXPONENT_4, 4)]
            .into_iter()
            .flat_map(|(codes, exponent)| codes.iter().filter_map(move |code| Self::tabled(code, exponent)))
    }

    fn tabled(code: &str, exponent: u8) -> Option<Self> {
        Some(Self {
            code: code.as_bytes().try_into().ok()?,
            exponent,
        })
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(code: &str) -> Result<Self, MoneyError> {
        for (codes, exponent) in [(EXPONENT_2, 2), (EXPONENT_0, 0), (EXPONENT_3, 3), (EXPONENT_4, 4)] {
            if codes.binary_search(&code).is_ok() {
                return Self::tabled(code, exponent).ok_or(MoneyError::UnknownCurrency);
            }
        }
        Err(MoneyError::UnknownCurrency)
    }
}

impl TryFrom<String> for Currency {
    type Error = MoneyError;
    fn try_from(code: String) -> Result<Self, MoneyError> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.code().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An amount in minor units of one currency. Never negative.
///
/// ```
/// use kessai::{Currency, Money};
///
/// let price = Money::new(1980, Currency::JPY);
/// assert_eq!(price.to_string(), "1980 JPY");
/// assert_eq!(Money::parse("19.80", Currency::EUR)?.minor_units(), 1980);
/// assert!(Money::parse("19.8", Currency::EUR).is_err(), "decimals are written out, so a slip of the point is seen");
/// # Ok::<(), kessai::MoneyError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    minor_units: u64,
    currency: Currency,
}

impl Money {
    /// So many minor units (yen, cents, fils) of `currency`.
    #[must_use]
    pub const fn new(minor_units: u64, currency: Currency) -> Self {
        Self { minor_units, currency }
    }

    /// Reads a decimal text in major units. The text has exactly the decimals of the currency, ASCII digits only: no
    /// sign, exponent, grouping or locale.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(MoneyError::Malformed),
            Some((whole, fraction)) => (whole, fraction),
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(MoneyError::Malformed);
        }
        if fraction.len() != usize::from(currency.exponent) {
            return Err(MoneyError::Precision);
        }
        let mut minor_units: u64 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            minor_units = minor_units
                .checked_mul(10)
                .and_then(|so_far| so_far.checked_add(u64::from(digit - b'0')))
                .ok_or(MoneyError::Overflow)?;
        }
        Ok(Self { minor_units, currency })
    }

    /// The integer amount, in the smallest unit of the currency.
    #[must_use]
    pub const fn minor_units(self) -> u64 {
        self.minor_units
    }

    /// The currency.
    #[must_use]
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// True for an amount of nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.minor_units == 0
    }

    /// The sum, if both are of one currency and it fits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch);
        }
        let minor_units = self
            .minor_units
            .checked_add(other.minor_units)
            .ok_or(MoneyError::Overflow)?;
        Ok(Self { minor_units, ..self })
    }

    /// This amount, `quantity` times.
    pub fn checked_mul(self, quantity: u32) -> Result<Self, MoneyError> {
        let minor_units = self
            .minor_units
            .checked_mul(u64::from(quantity))
            .ok_or(MoneyError::Overflow)?;
        Ok(Self { minor_units, ..self })
    }
}

/// Decimal text and code, for people and logs: `19.80 EUR`. Not a wire format of any gateway.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = self.currency.exponent;
        if exponent == 0 {
            return write!(f, "{} {}", self.minor_units, self.currency);
        }
        let scale = 10_u64.pow(u32::from(exponent));
        let (whole, fraction) = (self.minor_units / scale, self.minor_units % scale);
        write!(
            f,
            "{whole}.{fraction:0width$} {}",
            self.currency,
            width = usize::from(exponent)
        )
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_every_spelling_that_is_not_plain_digits() {
        for text in [
            "",
            " ",
            "-1",
            "+1",
            "1e3",
            "1,000",
            "1 000",
            "１００",
            "0x10",
            ".",
            "1.",
            ".5",
            "1.0.0",
            "NaN",
            "inf",
            "1_000",
        ] {
            assert!(Money::parse(text, Currency::JPY).is_err(), "{text:?}");
            assert!(Money::parse(text, Currency::EUR).is_err(), "{text:?}");
        }
    }

    #[test]
    fn refuses_decimals_the_currency_does_not_have() {
        assert_eq!(Money::parse("1000.00", Currency::JPY), Err(MoneyError::Precision));
        assert_eq!(Money::parse("1000", Currency::EUR), Err(MoneyError::Precision));
        assert_eq!(Money::parse("1.00", Currency::KWD), Err(MoneyError::Precision));
        assert_eq!(Money::parse("1.0000", Currency::KWD), Err(MoneyError::Precision));
    }

    #[test]
    fn refuses_what_does_not_fit_instead_of_wrapping() {
        assert_eq!(
            Money::parse("18446744073709551616", Currency::JPY),
            Err(MoneyError::Overflow)
        );
        let most = Money::new(u64::MAX, Currency::JPY);
        assert_eq!(
            most.checked_add(Money::new(1, Currency::JPY)),
            Err(MoneyError::Overflow)
        );
        assert_eq!(most.checked_mul(2), Err(MoneyError::Overflow));
        assert_eq!(
            most.checked_add(Money::new(0, Currency::EUR)),
            Err(MoneyError::CurrencyMismatch)
        );
    }

    #[test]
    fn refuses_currencies_it_does_not_know() {
        for code in ["", "jpy", "JP", "JPYY", "XXX", "BTC", "ＪＰＹ", "US$", "392"] {
            assert_eq!(code.parse::<Currency>(), Err(MoneyError::UnknownCurrency), "{code:?}");
        }
    }

    #[test]
    fn writes_and_reads_with_zero_two_three_and_four_decimals() {
        for (minor_units, code, text) in [
            (5, "JPY", "5"),
            (5, "USD", "0.05"),
            (1_234_567, "KWD", "1234.567"),
            (1, "CLF", "0.0001"),
        ] {
            let currency: Currency = code.parse().unwrap();
            let money = Money::new(minor_units, currency);
            assert_eq!(money.to_string(), format!("{text} {code}"));
            assert_eq!(Money::parse(text, currency), Ok(money));
        }
    }
}
