//! Card data refused in free text and in names of fields (PAY-58). The rule and its limits stand at [`check_text`].
//!
//! [`signs`] makes a text comparable, [`digits`] knows what stands for a digit, [`brands`] what a card number is, [`numbers`] which
//! digits belong together, [`encoded`] finds digits in hex and base64, and [`names`] knows what fields for card data are called.

mod brands;
mod digits;
mod encoded;
mod names;
mod numbers;
mod signs;

use self::signs::{Reading, has_escapes};
use crate::trace::notice;

/// What was seen.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CardDataKind {
    /// A card number.
    Number,
    /// A security code beside its name.
    SecurityCode,
    /// The name of a field that is for card data.
    FieldName,
}

impl CardDataKind {
    /// One word for it, for notices and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::SecurityCode => "security_code",
            Self::FieldName => "field_name",
        }
    }
}

/// Card data was seen where none belongs. Carries the place and never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} holds what looks like card data; the store must never handle any")]
pub struct CardDataSighted {
    /// Where.
    pub field: &'static str,
    /// What.
    pub kind: CardDataKind,
}

/// Refuses free text with card data in it. `field` says in the error where it was.
///
/// Everything that kessai sends, stores or logs as free text goes through here: item names, e-mail address, locale, the store's
/// references, labels of accounts, and words out of a gateway's messages. A store can use it for texts of its own, such as a remark
/// of the shopper.
///
/// ```
/// use kessai::{CardDataKind, check_text};
///
/// assert!(check_text("the remark", "ORD-2026-000123, call 03-5321-1111").is_ok());
/// assert!(check_text("the remark", "JAN 4901234567894, 2 × ¥1,980").is_ok());
///
/// for text in ["4242 4242 4242 4242", "４２４２－４２４２－４２４２－４２４２", "%34242\u{200b}4242.4242_4242"] {
///     assert_eq!(check_text("the remark", text).unwrap_err().kind, CardDataKind::Number);
/// }
/// let sighted = check_text("the remark", "セキュリティコード　１２３").unwrap_err();
/// assert_eq!(sighted.kind, CardDataKind::SecurityCode);
/// assert_eq!(sighted.to_string(), "the remark holds what looks like card data; the store must never handle any");
/// ```
///
/// # What is refused
///
/// *A card number*: digits that begin as an issuer's do, have the number of digits that this issuer's cards have, and end in the right
/// check digit. All three are needed, so an order number that merely passes the check is none. The digits may be of any script,
/// superscript, circled or kanji, and anything but letters may stand between them: spaces, dashes, punctuation, line breaks, invisible
/// characters and marks, as themselves or escaped for an address, for HTML or for source text; the whole may also be written in hex or
/// base64. Among other numbers it is found when it
/// is written together, as cards print it (4-4-4-4, 4-6-5, 4-6-4 and the like) or digit by digit; in any other grouping when it stands
/// alone in its row or its entry of a list, an expiry month and a security code behind it not counting. Up to three digits stuck to it,
/// leading zeros, a date in front, or an expiry month and a security code behind do not hide it.
///
/// *A security code*: its name (`CVV`, `CVC`, `security code`, `セキュリティコード`, ...) with three or four digits behind it. Nothing
/// can find a security code without its name.
///
/// *A named field*: the name of a card number with a row of digits that is nearly one (mistyped), and the name of a card holder with a
/// word behind a colon.
///
/// # What passes
///
/// - Thirteen digits that are a valid article code (JAN, EAN-13). Japanese ones begin with 45 or 49, as Visa numbers of thirteen digits
///   did, which are issued no longer. Thirteen digits behind a plus sign are a phone number.
/// - Rows that are nothing but dates and times, amounts with thousands marks, or numbers in equal steps (sizes).
/// - UUIDs, and digests of 32 or more hex digits: their digits come in long rows by chance.
/// - Maestro numbers of fewer than 16 digits outside the nine prefixes that Maestro itself used, for parcel and company numbers have
///   that many.
/// - An expiry month alone: food has one too. `cid`, which is most often a customer's id.
/// - The last four digits beside the words "card number".
///
/// # What it cannot do
///
/// Letters keep digits apart, so `4242x4242x4242x4242` passes, and so does a number in odd groups between other numbers, one in the
/// middle of a longer row of digits, and one spread over two fields. This stops card data that got into the wrong place, not somebody
/// who writes the store's code. Digits cannot be told from a card number where they are one by chance; of so many random texts of a kind
/// are refused:
///
/// | text | refused |
/// | --- | --- |
/// | order numbers as `EC-20261123-000123`; 14 digits of date and time, and 17 with a counter; two dates, with or without times of day; JAN codes; ISBN; one or two phone numbers, also with post or country code; four prices; UUIDs; SHA-256 in hex; references of 26 letters and digits; two numbers in a sentence | 0 of 200,000 each |
/// | 12 digits, together or in fours | 0.007 % |
/// | 13 digits | 0.9 % |
/// | 14 digits | 0.4 % |
/// | 15 digits | 0.6 % |
/// | 16 digits, together, in fours or in eights | 3.9 to 4.3 % |
/// | 18 digits | 6.7 % |
/// | 20 or 24 digits | 0.1 % |
/// | 40 digits | 0 of 200,000 |
/// | eight numbers below 1,000 in a row | 0.01 % |
/// | eight numbers below 10,000 in a row | 14 % |
///
/// (`KESSAI_SAMPLES=200000 cargo test --test it guard::false_positives -- --nocapture`.) A store whose order numbers are long rows of random
/// digits puts a letter in.
///
/// The time grows with the length of the text and no faster. A text with fewer than three digits takes one pass over
/// its bytes and no memory.
pub fn check_text(field: &'static str, text: &str) -> Result<(), CardDataSighted> {
    look(text).map_or(Ok(()), |kind| refuse(field, kind))
}

/// Refuses the name of a field, such as a key of a map, that is for card data or holds some.
///
/// ```
/// use kessai::check_name;
///
/// for name in ["cvv", "card_number", "cardCvc", "card[exp_month]", "ＣＶＣ２", "ｾｷｭﾘﾃｨｺｰﾄﾞ", "4242424242424242"] {
///     assert!(check_name("a key", name).is_err());
/// }
/// for name in ["order_id", "card_last4", "gift_card_number", "company", "expires_at"] {
///     assert!(check_name("a key", name).is_ok());
/// }
/// ```
pub fn check_name(field: &'static str, name: &str) -> Result<(), CardDataSighted> {
    if names::is_card_field(&signs::signs(name, Reading::Unescaped)) {
        return refuse(field, CardDataKind::FieldName);
    }
    check_text(field, name)
}

fn refuse(field: &'static str, kind: CardDataKind) -> Result<(), CardDataSighted> {
    notice!(field = %field, kind = %kind.as_str(), "card data was refused");
    Err(CardDataSighted { field, kind })
}

fn look(text: &str) -> Option<CardDataKind> {
    // Most texts end here, after one pass over the bytes: no name of a field can be followed by its value, and there are too
    // few characters for a card number. A character outside ASCII may stand for two digits (a circled 42).
    let (mut digits, mut marks, mut row, mut longest) = (0_usize, false, 0_usize, 0);
    for byte in text.bytes() {
        digits += match byte {
            b'0'..=b'9' => 1,
            0xc0.. => 2,
            _ => 0,
        };
        marks |= matches!(byte, b':' | b'=' | b'%' | b'&' | b'\\');
        row = if encoded::is_part(byte) { row + 1 } else { 0 };
        longest = longest.max(row);
    }
    let is_long = longest >= encoded::SHORTEST;
    if digits < 3 && !marks && !is_long {
        return None;
    }
    // Every name of a field with a value has a c in it.
    if digits < brands::FEWEST && !is_long && is_plain(text) && !text.contains(['c', 'C']) {
        return None;
    }
    let plain = signs::signs(text, Reading::Plain);
    judge(&plain).or_else(|| {
        has_escapes(text)
            .then(|| judge(&signs::signs(text, Reading::Unescaped)))
            .flatten()
            .or_else(|| is_long.then(|| in_disguise(text)).flatten())
    })
}

/// Is every letter of it there to be seen?
fn is_plain(text: &str) -> bool {
    text.is_ascii() && !has_escapes(text)
}

fn in_disguise(text: &str) -> Option<CardDataKind> {
    let mut rows = encoded::decoded(text).into_iter();
    let holds = |row: String| numbers::holds_card_number(&signs::signs(&row, Reading::Plain));
    rows.any(holds).then_some(CardDataKind::Number)
}

fn judge(signs: &[signs::Sign]) -> Option<CardDataKind> {
    if numbers::holds_card_number(signs) {
        return Some(CardDataKind::Number);
    }
    names::named_value(signs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<CardDataKind> {
        check_text("the text", text).err().map(|sighted| sighted.kind)
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        assert_eq!(CardDataKind::Number.as_str(), "number");
        assert_eq!(CardDataKind::SecurityCode.as_str(), "security_code");
        assert_eq!(CardDataKind::FieldName.as_str(), "field_name");
    }

    #[test]
    fn the_short_ways_around_the_search_miss_nothing() {
        for (text, expected) in [
            // The fewest digits that a card has, and nothing else.
            ("676100000006", Some(CardDataKind::Number)),
            ("676100000007", None),
            // base64 of a number, without a digit, a mark or a c in it; and in hex.
            ("NDAwMDAwMDAwMDAwMDAwMg", Some(CardDataKind::Number)),
            ("NDAwMDAwMDAwMDAwMDAwMw", None),
            ("34303030303030303030303030303032", Some(CardDataKind::Number)),
            // A name in another script.
            ("セキュリティコード123", Some(CardDataKind::SecurityCode)),
            ("セキュリティ123", None),
            // Nothing but a word behind a mark.
            ("cardholder: Taro", Some(CardDataKind::FieldName)),
            ("cardholder Taro", None),
            ("カード名義:A", Some(CardDataKind::FieldName)),
            ("カード名義A", None),
            // Circled, each character stands for two digits.
            ("㊷㊷㊷㊷㊷㊷㊷㊷", Some(CardDataKind::Number)),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    /// Each of these is decided by one rule alone, found by changing the rules one at a time and searching for a text that
    /// tells the change.
    #[test]
    fn every_rule_has_a_text_that_it_decides() {
        use CardDataKind::{FieldName, Number, SecurityCode};
        for (text, expected) in [
            // Numbers in kanji among others.
            ("676190零65299", Some(Number)),
            ("67619006五299", Some(Number)),
            ("5526983609八44965", Some(Number)),
            // A security code is three or four digits, together or one by one, and not far behind its name.
            ("cvc 2 5 3 3", Some(SecurityCode)),
            ("cvc 2 5 3 3 1", None),
            ("c v c0、2、9、4、1", None),
            ("cav29:5:59", None),
            ("cvc is is 123", Some(SecurityCode)),
            // A card number's name, and digits that are as many as a card's.
            ("primaryaccountnumber6/485225/64096/3166 0620", None),
            ("カードナンバー0", None),
            ("カード番号676186455839", None),
            ("ccnum66131321607", None),
            ("カード番号6761864558391", Some(Number)),
            // Gaps of another kind part a list.
            ("0::5500111101111 010", None),
            ("442100- 2305500;8", None),
            ("300,253730316991;1", None),
            // A random reference is skipped as a whole, and only as a whole.
            ("ab4242424242424242cd000000000000", None),
            (" 3b313b313b3130303b39200627960298", None),
            ("4abcdef0123456789abcdef012345678 242 4242 4242 4242", None),
            ("deadbeef 46.5.15/2101 8.10/8 24-2056", Some(Number)),
            // Something stuck to fours.
            ("417017218-72072803", None),
            ("4170-17-218-72072803", None),
            ("40011001011101039", Some(Number)),
            ("35281011001101894", Some(Number)),
            // What looks like an expiry behind a number has a month and a year.
            ("47281245820:26/8.42", None),
            ("360439578324:60.7-20", None),
            // Numbers in equal steps.
            ("3600 3602,3604,3606", None),
            ("4000 4003 4006 4009", None),
            // Amounts.
            ("49564,271\n20,877", Some(Number)),
            ("6,375,14.681,7.091.478", Some(Number)),
            ("4.161,1,735,5.574,7.387", None),
            // Dates and times of day, with a year of four digits.
            ("30/01/2026 11:01:05", None),
            ("30/01/02026 11:03:05", Some(Number)),
            ("30/001/2026 11:04:05", Some(Number)),
            ("3:00:00 2026/01/11 4:08", None),
            ("3:00:00 2026/01/011 4:05", Some(Number)),
            ("3:00:00 2026/001/11 4:04", Some(Number)),
            ("3:00:00 02026/1/11 4:01", Some(Number)),
            ("3:00:00 11/12/2026 1:08", None),
            ("3:00:00 001/01/2026 1:05", Some(Number)),
            ("3:00:00 01/001/2026 1:06", Some(Number)),
            ("3:00:00 1/1/02026 11:04", Some(Number)),
            ("3:00:00 12/31/2026 1:06", None),
            ("4026.13.24.1:36:19", Some(Number)),
            ("30.02/2026 2103-4-2", Some(Number)),
            ("4-4-1999;1999/5/15", None),
            ("4:03:33\n1999.03.28", None),
            ("41/04/2026;3:12:36", Some(Number)),
            ("3:00.02:22:12.18:56:57", None),
            ("4 11 26 2100/11/21", Some(Number)),
            ("45:26 1119715:45", Some(Number)),
            ("45:26 11:19/7:15:45", Some(Number)),
            ("4:24:22 13:27:45 9:60:13", Some(Number)),
            ("3:00 1:30:60 23:42:49", Some(Number)),
            ("30:05:13\n54492255", Some(Number)),
            // Spaces and escapes.
            ("564;9178305;4264402", None),
            ("3003445 4752547\n0", Some(Number)),
            ("8\t81408660054364 88", Some(Number)),
            ("5= 551010101000001、4", None),
            ("63766463736322%367%F0%9D%9F%9D", None),
        ] {
            assert_eq!(kind(text), expected, "{text:?}");
        }
        // So far, and no further.
        let apart = |gap: &str, times: usize, text: &str| kind(&format!("cvc{}{text}", gap.repeat(times)));
        assert_eq!(apart(" ", 24, "123"), Some(SecurityCode));
        assert_eq!(apart(" ", 25, "123"), None);
        assert_eq!(apart(" ", 23, "is123"), Some(SecurityCode));
        assert_eq!(apart(" ", 24, "is123"), None);
        let spread = |times: usize| kind(&["c", "v", "c 123"].join(&" ".repeat(times)));
        assert_eq!((spread(4), spread(5)), (Some(SecurityCode), None));

        for (name, expected) in [
            ("order card expiry", Some(FieldName)),
            ("ccexp9", Some(FieldName)),
            ("my pan", None),
            ("pan", Some(FieldName)),
            ("Tカードナンバー", Some(FieldName)),
            ("csc員", Some(FieldName)),
            ("cscx", None),
            ("cardnumber     last4", None),
            ("cardnumber      last4", Some(FieldName)),
        ] {
            let found = check_name("the name", name).err().map(|sighted| sighted.kind);
            assert_eq!(found, expected, "{name}");
        }
    }
}
