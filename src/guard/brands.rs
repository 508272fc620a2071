//! What makes a row of digits a card number: its issuer range, the length of that range, and the check digit.

/// The fewest digits of a card number (Maestro), and the most of any (ISO/IEC 7812-1).
pub(super) const FEWEST: usize = 12;
pub(super) const MOST: usize = 19;

/// How sure an issuer range makes us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Issuer {
    /// A range and a length that practically all cards in circulation have. Strong enough to be looked for among digits
    /// that are stuck to it.
    Common,
    /// A wide or rare range. Enough where the digits stand alone.
    Rare,
    /// Thirteen digits starting with 4: no longer issued, and the shape of an article code (JAN, EAN-13) and of an
    /// international phone number.
    Thirteen,
}

/// The issuer range of these digits, if one fits their number and the check digit is right.
pub(super) fn card(digits: &[u8]) -> Option<Issuer> {
    let issuer = issuer(digits)?;
    (luhn(digits) && !(digits.len() == 13 && is_article_code(digits))).then_some(issuer)
}

/// The table of issuer ranges, by the first four digits and the length.
pub(super) fn issuer(digits: &[u8]) -> Option<Issuer> {
    let prefix = number(digits.get(..4)?);
    let known = match (prefix, digits.len()) {
        // Visa 16; Mastercard; American Express; JCB; Discover; UnionPay 62.
        (4000..=4999 | 5100..=5599 | 2221..=2720 | 3528..=3589 | 6011 | 6440..=6599 | 6200..=6299, 16)
        | (3400..=3499 | 3700..=3799, 15) => Issuer::Common,
        (4000..=4999, 13) => Issuer::Thirteen,
        // Visa 19; JCB and Discover beyond 16; Diners Club; UnionPay; the ranges that Maestro shares with domestic schemes.
        (4000..=4999, 19)
        | (3528..=3589, 17..=19)
        | (3000..=3059 | 3600..=3699 | 3800..=3999, 14..=19)
        | (8100..=8199 | 5000..=5099 | 5600..=5899 | 6000..=6999, 16..=19)
        // Below 16 digits only the ranges that Maestro itself used: parcels have 12 digits, article codes 13, and the
        // registered numbers of French firms 14 with the same check digit.
        | (5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763, 12..=15) => Issuer::Rare,
        _ => return None,
    };
    Some(known)
}

/// ISO/IEC 7812-1 annex B: from the right every second digit is doubled, and the digits of all products add up to a multiple
/// of ten.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let mut sum = 0_u32;
    for (place, &digit) in digits.iter().rev().enumerate() {
        let digit = u32::from(digit);
        sum += match (place % 2, digit) {
            (0, _) => digit,
            (_, 0..=4) => digit * 2,
            _ => digit * 2 - 9,
        };
    }
    !digits.is_empty() && sum.is_multiple_of(10)
}

/// GS1's check digit: from the right, weights 1 and 3.
fn is_article_code(digits: &[u8]) -> bool {
    let weighted = digits.iter().rev().enumerate();
    let sum: usize = weighted
        .map(|(place, &digit)| usize::from(digit) * if place % 2 == 0 { 1 } else { 3 })
        .sum();
    sum.is_multiple_of(10)
}

/// The value of at most nineteen decimal digits.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0_u64, |value, &digit| {
        value.wrapping_mul(10).wrapping_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn a_card_number_needs_range_length_and_check_digit() {
        for (text, expected) in [
            ("4242424242424242", Some(Issuer::Common)),
            ("2223003122003222", Some(Issuer::Common)),
            ("378282246310005", Some(Issuer::Common)),
            ("30569309025904", Some(Issuer::Rare)),
            ("6799990100000000019", Some(Issuer::Rare)),
            ("4222222222222", Some(Issuer::Thirteen)),
            // The check digit is wrong.
            ("4242424242424241", None),
            ("378282246310006", None),
            // The check digit is right, the length is not one of the range.
            ("424242424242424", None),
            ("42424242424242426", None),
            // The check digit is right, no issuer has the range.
            ("0000000000000000", None),
            ("1234567812345670", None),
            ("7992739871000004", None),
            ("9999999999999995", None),
            // Below and above the Mastercard series that begins with 2.
            ("2220999999999991", None),
            ("2721000000000004", None),
            // A Japanese article code that passes the check of a card number as well.
            ("4901234000094", None),
            ("", None),
            ("4", None),
        ] {
            assert_eq!(card(&digits(text)), expected, "{text}");
        }
    }

    #[test]
    fn the_check_digit_catches_every_single_wrong_digit() {
        let right = digits("4242424242424242");
        for place in 0..right.len() {
            for step in 1..10 {
                let mut wrong = right.clone();
                wrong[place] = (wrong[place] + step) % 10;
                assert!(!luhn(&wrong), "{wrong:?}");
            }
        }
        assert!(luhn(&right));
        assert!(!luhn(&[]));
    }
}
