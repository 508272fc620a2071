//! Which characters stand for a digit, in any script and dress.

/// The zero of every run of ten decimal digits, Unicode general category Nd (version 17). Each zero is followed by its nine
/// others. The five mathematical alphabets at U+1D7CE follow each other without a gap.
const ZEROS: [u32; 77] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0de6,
    0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0,
    0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60, 0x16ac0, 0x16b50, 0x16d70,
    0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// Digits in dress: first character, last character, value of the first. Superscripts, subscripts, circles, brackets, full
/// stops, commas, and the counting signs of a few scripts that have no zero.
const DRESSED: [(u32, u32, u8); 36] = [
    (0x00b2, 0x00b3, 2),
    (0x00b9, 0x00b9, 1),
    (0x1369, 0x1371, 1),
    (0x19da, 0x19da, 1),
    (0x2070, 0x2070, 0),
    (0x2074, 0x2079, 4),
    (0x2080, 0x2089, 0),
    (0x2460, 0x2473, 1),
    (0x2474, 0x2487, 1),
    (0x2488, 0x249b, 1),
    (0x24ea, 0x24ea, 0),
    (0x24eb, 0x24f4, 11),
    (0x24f5, 0x24fe, 1),
    (0x24ff, 0x24ff, 0),
    (0x2776, 0x277f, 1),
    (0x2780, 0x2789, 1),
    (0x278a, 0x2793, 1),
    (0x3007, 0x3007, 0),
    (0x3021, 0x3029, 1),
    (0x3220, 0x3229, 1),
    (0x3248, 0x3248, 10),
    (0x3249, 0x3249, 20),
    (0x324a, 0x324a, 30),
    (0x324b, 0x324b, 40),
    (0x324c, 0x324c, 50),
    (0x324d, 0x324d, 60),
    (0x324e, 0x324e, 70),
    (0x324f, 0x324f, 80),
    (0x3251, 0x325f, 21),
    (0x3280, 0x3289, 1),
    (0x32b1, 0x32bf, 36),
    (0x10a40, 0x10a43, 1),
    (0x10e60, 0x10e68, 1),
    (0x11052, 0x1105a, 1),
    (0x1f100, 0x1f100, 0),
    (0x1f101, 0x1f10a, 0),
];

/// The digits that one character stands for: one, or two for a circled number from ten on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Digits {
    One(u8),
    Two(u8, u8),
}

/// The digits that a character stands for, if any.
pub(super) fn digits_of(c: char) -> Option<Digits> {
    if c.is_ascii() {
        return c
            .to_digit(10)
            .and_then(|digit| u8::try_from(digit).ok())
            .map(Digits::One);
    }
    let code = u32::from(c);
    let value = decimal(code).or_else(|| dressed(code)).or_else(|| kanji(c))?;
    Some(if value < 10 {
        Digits::One(value)
    } else {
        Digits::Two(value / 10, value % 10)
    })
}

fn decimal(code: u32) -> Option<u8> {
    let after = ZEROS.partition_point(|&zero| zero <= code);
    let zero = *ZEROS.get(after.checked_sub(1)?)?;
    u8::try_from(code - zero).ok().filter(|value| *value < 10)
}

fn dressed(code: u32) -> Option<u8> {
    if matches!(code, 0x1f10b | 0x1f10c) {
        return Some(0);
    }
    let after = DRESSED.partition_point(|&(first, _, _)| first <= code);
    let &(first, last, value) = DRESSED.get(after.checked_sub(1)?)?;
    let offset = u8::try_from(code - first).ok()?;
    (code <= last).then(|| value.saturating_add(offset))
}

/// Numbers written digit by digit in kanji, as in vertical text.
fn kanji(c: char) -> Option<u8> {
    Some(match c {
        '零' => 0,
        '一' => 1,
        '二' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_in_order_and_do_not_overlap() {
        assert!(ZEROS.windows(2).all(|pair| pair[0] + 10 <= pair[1]));
        assert!(DRESSED.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(DRESSED.iter().all(|(first, last, _)| first <= last));
    }

    #[test]
    fn every_entry_is_a_number_to_the_standard_library_and_no_ten_reach_beyond_their_script() {
        for c in (0x80..=0x10_ffff).filter_map(char::from_u32) {
            if digits_of(c).is_some() && kanji(c).is_none() {
                // The newest scripts are not numeric yet to an older compiler; they are not letters either way.
                assert!(c.is_numeric() || !c.is_alphabetic(), "{:x}", u32::from(c));
            }
        }
    }

    #[test]
    fn letters_and_signs_are_no_digits() {
        for c in "aZ-. ½Ⅳ十百千㊎".chars() {
            assert_eq!(digits_of(c), None, "{c:?}");
        }
    }

    #[test]
    fn digits_in_dress_keep_their_value() {
        for (text, value) in [
            ("４", 4),
            ("٤", 4),
            ("४", 4),
            ("𝟒", 4),
            ("⁴", 4),
            ("₄", 4),
            ("④", 4),
            ("⑷", 4),
            ("⒋", 4),
            ("❹", 4),
            ("四", 4),
            ("〇", 0),
            ("⓪", 0),
            ("🄌", 0),
            ("🄅", 4),
            ("²", 2),
            ("¹", 1),
        ] {
            let c = text.chars().next().unwrap();
            assert_eq!(digits_of(c), Some(Digits::One(value)), "{text}");
        }
        for (text, tens, ones) in [
            ("⑩", 1, 0),
            ("⑳", 2, 0),
            ("㊷", 4, 2),
            ("㉑", 2, 1),
            ("⓫", 1, 1),
            ("❿", 1, 0),
        ] {
            let c = text.chars().next().unwrap();
            assert_eq!(digits_of(c), Some(Digits::Two(tens, ones)), "{text}");
        }
    }

    #[test]
    fn every_digit_has_its_kanji() {
        for (digit, c) in (0..).zip("零一二三四五六七八九".chars()) {
            assert_eq!(digits_of(c), Some(Digits::One(digit)), "{c}");
        }
        assert_eq!(digits_of('十'), None);
    }
}
