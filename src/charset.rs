//! Text in the charset of older Japanese interfaces: `Shift_JIS` as Windows reads it (Windows-31J, code page 932).
//!
//! Out: what the charset cannot carry is refused and never replaced, because a browser would put a numeric reference in
//! its place and the hash over the text would no longer fit (SBPS sheet, "Redirect"). In: bytes stay bytes until somebody
//! asks for text, because hashes go over bytes and several characters have `\` or `|` as their second byte.

use std::borrow::Cow;

use encoding_rs::SHIFT_JIS;

/// Why a text cannot be sent, or bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CharsetError {
    /// A character that the charset does not have.
    #[error("a character that Shift_JIS does not have")]
    Unmappable,
    /// One of the six characters that Windows and JIS read differently.
    #[error("a character that Shift_JIS systems read in two ways")]
    Ambiguous,
    /// Bytes that are no text in this charset.
    #[error("bytes that are not Shift_JIS")]
    Malformed,
}

/// Which character stands at the six places where Windows-31J and JIS X 0208 differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As Windows, Java's `Windows-31J` and .NET read them: ～ is U+FF5E.
    Windows31J,
    /// As Ruby's and Java's `Shift_JIS` read them: 〜 is U+301C.
    Jis,
}

/// The six places (SBPS sheet, "Pitfalls"): bytes, the Windows character, the JIS character.
const TWO_WAYS: [([u8; 2], char, char); 6] = [
    ([0x81, 0x60], '\u{ff5e}', '\u{301c}'),
    ([0x81, 0x7c], '\u{ff0d}', '\u{2212}'),
    ([0x81, 0x61], '\u{2225}', '\u{2016}'),
    ([0x81, 0x91], '\u{ffe0}', '\u{00a2}'),
    ([0x81, 0x92], '\u{ffe1}', '\u{00a3}'),
    ([0x81, 0xca], '\u{ffe2}', '\u{00ac}'),
];

/// The bytes of a text. Refuses what would not come back as it went: `¥` for instance, which an encoder may put down as `\`.
pub fn encode(text: &str) -> Result<Cow<'_, [u8]>, CharsetError> {
    let (bytes, _, replaced) = SHIFT_JIS.encode(text);
    if replaced || decode(&bytes, Reading::Windows31J)? != text {
        return Err(CharsetError::Unmappable);
    }
    Ok(bytes)
}

/// The bytes of a text that every reader of `Shift_JIS` reads alike.
pub fn encode_unambiguous(text: &str) -> Result<Cow<'_, [u8]>, CharsetError> {
    let odd = |c: char| TWO_WAYS.iter().any(|(_, windows, jis)| c == *windows || c == *jis);
    if text.chars().any(odd) {
        return Err(CharsetError::Ambiguous);
    }
    encode(text)
}

/// The text of some bytes, or an error: nothing is replaced and nothing is dropped.
pub fn decode(bytes: &[u8], reading: Reading) -> Result<Cow<'_, str>, CharsetError> {
    let plain = |bytes| SHIFT_JIS.decode_without_bom_handling_and_without_replacement(bytes);
    if reading == Reading::Windows31J || !differs_by_reading(bytes) {
        return plain(bytes).ok_or(CharsetError::Malformed);
    }
    let mut text = String::with_capacity(bytes.len());
    for unit in units(bytes) {
        match TWO_WAYS.iter().find(|(pair, ..)| pair == unit) {
            Some((_, _, jis)) => text.push(*jis),
            None => text.push_str(&plain(unit).ok_or(CharsetError::Malformed)?),
        }
    }
    Ok(Cow::Owned(text))
}

/// Is there a character in these bytes on which the readings differ? Looks at whole characters: 0x81 may be a second byte.
#[must_use]
pub fn differs_by_reading(bytes: &[u8]) -> bool {
    units(bytes).any(|unit| TWO_WAYS.iter().any(|(pair, ..)| pair == unit))
}

/// The bytes character by character. A lead byte without a second one stands alone and is refused by the decoder.
fn units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let first = *rest.first()?;
        let length = if matches!(first, 0x81..=0x9f | 0xe0..=0xfc) {
            2
        } else {
            1
        };
        let (unit, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        Some(unit)
    })
}

/// What a browser posts for these fields under `accept-charset="Shift_JIS"`: the bytes of each text, percent-encoded as
/// the URL standard's form serializer does it.
pub fn form_body<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<String, CharsetError> {
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        body.extend(url::form_urlencoded::byte_serialize(&encode(name)?));
        body.push('=');
        body.extend(url::form_urlencoded::byte_serialize(&encode(value)?));
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_charset_cannot_carry_is_refused_and_never_replaced() {
        for text in [
            "😀",
            "é",
            "한국",
            "¥100",
            "‾",
            "\u{301c}",
            "\u{2212}",
            "\u{2016}",
            "髙\u{fe00}",
            "\u{e000}",
            "ñ",
        ] {
            assert_eq!(encode(text).err(), Some(CharsetError::Unmappable), "{text}");
        }
        for text in [
            "",
            "ascii \\ | ~",
            "表ソ能ポ",
            "ご注文商品一式",
            "ｶﾀｶﾅ",
            "～－∥￠￡￢",
            "①髙﨑Ⅳ",
            "コーヒー豆 200g",
        ] {
            let bytes = encode(text).unwrap();
            assert_eq!(decode(&bytes, Reading::Windows31J).unwrap(), text);
        }
        for text in ["～", "－", "∥", "￠", "￡", "￢", "a\u{301c}", "\u{2212}1"] {
            assert_eq!(encode_unambiguous(text).err(), Some(CharsetError::Ambiguous), "{text}");
        }
    }

    #[test]
    fn the_six_places_are_read_both_ways_and_nothing_else_is() {
        let bytes = [0x81, 0x60, 0x81, 0x7c, 0x81, 0x61, 0x81, 0x91, 0x81, 0x92, 0x81, 0xca];
        assert_eq!(decode(&bytes, Reading::Windows31J).unwrap(), "～－∥￠￡￢");
        assert_eq!(
            decode(&bytes, Reading::Jis).unwrap(),
            "\u{301c}\u{2212}\u{2016}\u{a2}\u{a3}\u{ac}"
        );
        // The second byte of one character and the first of the next look like one of the six, and are not.
        let plain = encode("ア").unwrap(); // 83 41
        assert!(!differs_by_reading(&plain));
        let straddling = [0x83, 0x81, 0x60]; // メ, then a grave accent
        assert!(!differs_by_reading(&straddling));
        assert_eq!(decode(&straddling, Reading::Jis).unwrap(), "メ`");
        let both = encode("表～能").unwrap();
        assert!(differs_by_reading(&both));
        assert_eq!(decode(&both, Reading::Jis).unwrap(), "表\u{301c}能");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        for bytes in [
            &[0x81][..],
            &[0xff],
            &[0xa0],
            &[0xfd],
            &[0x81, 0x20],
            &[0x85, 0x40],
            &[0x41, 0xe0],
        ] {
            for reading in [Reading::Windows31J, Reading::Jis] {
                assert_eq!(
                    decode(bytes, reading).err(),
                    Some(CharsetError::Malformed),
                    "{bytes:x?}"
                );
            }
        }
        assert!(decode(&[0x81, 0x60, 0x81], Reading::Jis).is_err());
    }

    #[test]
    fn a_form_is_posted_byte_for_byte_as_browsers_do_it() {
        let body = form_body([("n", "表ソ能 & 1"), ("e", "")]).unwrap();
        assert_eq!(body, "n=%95%5C%83%5C%94%5C+%26+1&e=");
        assert!(form_body([("n", "😀")]).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_what_is_read_is_written_back(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes, Reading::Jis);
            if let Ok(text) = decode(&bytes, Reading::Windows31J)
                && let Ok(again) = encode(&text)
            {
                prop_assert_eq!(decode(&again, Reading::Windows31J).unwrap(), &text[..]);
            }
        }

        #[test]
        fn every_text_is_carried_whole_or_refused(text in "\\PC{0,24}") {
            if let Ok(bytes) = encode(&text) {
                prop_assert_eq!(decode(&bytes, Reading::Windows31J).unwrap(), &text[..]);
            }
        }
    }
}
