//! Amounts as Stripe counts and shows them (Stripe sheet §10, 2026-11-23).

use crate::mock::markup::grouped;

/// Currencies without decimals.
const ZERO_DECIMAL: &[&str] = &[
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
];
/// Two decimals on the wire for compatibility, the fraction must be 00.
const WHOLE_ONLY: &[&str] = &["isk", "ugx"];
/// Three decimals, the last digit must be 0.
const THREE_DECIMAL: &[&str] = &["bhd", "jod", "kwd", "omr", "tnd"];

/// The published minimum charges. Others depend on the settlement currency and are not checked.
const MINIMUM: &[(&str, u64)] = &[
    ("usd", 50),
    ("eur", 50),
    ("gbp", 30),
    ("jpy", 50),
    ("nok", 300),
    ("sek", 300),
    ("dkk", 250),
    ("czk", 1500),
    ("huf", 17500),
    ("hkd", 400),
    ("mxn", 1000),
    ("myr", 200),
    ("pln", 200),
    ("ron", 200),
    ("thb", 1000),
    ("aed", 200),
];

/// Card amounts have up to 12 digits.
pub(super) const MAXIMUM: u64 = 999_999_999_999;

/// How many decimals an amount has on the wire.
pub(super) fn decimals(currency: &str) -> u32 {
    if ZERO_DECIMAL.contains(&currency) {
        0
    } else if THREE_DECIMAL.contains(&currency) {
        3
    } else {
        2
    }
}

/// Whether the fraction of `amount` is one that this currency allows.
pub(super) fn fraction_allowed(currency: &str, amount: u64) -> bool {
    if WHOLE_ONLY.contains(&currency) {
        amount.is_multiple_of(100)
    } else if THREE_DECIMAL.contains(&currency) {
        amount.is_multiple_of(10)
    } else {
        true
    }
}

/// The smallest amount that can be charged, where Stripe publishes one.
pub(super) fn minimum(currency: &str) -> Option<u64> {
    MINIMUM
        .iter()
        .find(|(code, _)| *code == currency)
        .map(|(_, least)| *least)
}

/// The amount as a shopper reads it.
pub(super) fn display(amount: u64, currency: &str, japanese: bool) -> String {
    let scale = 10_u64.pow(decimals(currency));
    let mut number = grouped(amount / scale);
    if scale > 1 && !WHOLE_ONLY.contains(&currency) {
        let width = decimals(currency) as usize;
        number = format!("{number}.{:0width$}", amount % scale);
    }
    match currency {
        "jpy" if japanese => format!("{number}円"),
        "jpy" => format!("¥{number}"),
        "usd" if japanese => format!("US${number}"),
        "usd" => format!("${number}"),
        "eur" => format!("€{number}"),
        "gbp" => format!("£{number}"),
        other => format!("{} {number}", other.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(display(1_234_567, "jpy", false), "¥1,234,567");
        assert_eq!(display(1_234_567, "jpy", true), "1,234,567円");
        assert_eq!(display(2599, "eur", false), "€25.99");
        assert_eq!(display(5, "usd", false), "$0.05");
        assert_eq!(display(5000, "kwd", false), "KWD 5.000");
        assert_eq!(display(500, "ugx", false), "UGX 5");
    }

    #[test]
    fn fractions_that_a_currency_does_not_have_are_seen() {
        assert!(!fraction_allowed("isk", 550));
        assert!(!fraction_allowed("kwd", 5001));
        assert!(fraction_allowed("kwd", 5010));
        assert!(fraction_allowed("jpy", 1));
    }
}
