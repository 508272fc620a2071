//! Digits that are written as hex or base64: what a store does with a value that it wants out of sight.

use super::brands::FEWEST;

/// Shorter rows of letters and digits hold no card number: base64 of the fewest digits, without its padding.
pub(super) const SHORTEST: usize = (FEWEST * 8).div_ceil(6);

/// What a row of letters and digits can be made of.
pub(super) fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The rows of digits, with what people write between them, that the text holds in hex or base64, at whatever offset. Rows of so many
/// digits do not come about by chance: of a million random texts of 64 letters and digits none has one.
pub(super) fn decoded(text: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for run in text.as_bytes().split(|byte| !is_part(*byte)) {
        if run.len() < SHORTEST {
            continue;
        }
        for offset in 0..2 {
            let pairs = run.get(offset..).unwrap_or_default().chunks_exact(2);
            collect(
                pairs.map(|pair| {
                    std::str::from_utf8(pair)
                        .ok()
                        .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                }),
                &mut rows,
            );
        }
        for offset in 0..4 {
            let fours = run.get(offset..).unwrap_or_default().chunks(4);
            collect(fours.flat_map(bytes_of), &mut rows);
        }
    }
    rows
}

fn collect(bytes: impl Iterator<Item = Option<u8>>, rows: &mut Vec<String>) {
    let mut row = String::new();
    let mut digits = 0;
    for byte in bytes.chain([None]) {
        if let Some(byte @ (b'0'..=b'9' | b' ' | b'-' | b'.')) = byte {
            row.push(char::from(byte));
            digits += usize::from(byte.is_ascii_digit());
            continue;
        }
        if digits >= FEWEST {
            rows.push(std::mem::take(&mut row));
        }
        row.clear();
        digits = 0;
    }
}

/// Up to three bytes; fewer of a group that is cut short.
fn bytes_of(group: &[u8]) -> [Option<u8>; 3] {
    let mut bits = 0_u32;
    let mut known = 0_u32;
    for letter in group {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            // 62 or 63, by the alphabet: no digit nor anything between digits has such a part.
            _ => 63,
        };
        bits = bits << 6 | u32::from(six);
        known += 6;
    }
    [8, 16, 24].map(|end| {
        let value = bits >> u32::checked_sub(known, end)?;
        u8::try_from(value & 0xff).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_base64_are_read_at_every_offset() {
        // base64 of "4242424242424242" behind nothing, one and two letters, as `base64` of coreutils writes it.
        for text in [
            "NDI0MjQyNDI0MjQyNDI0Mg==",
            "eDQyNDI0MjQyNDI0MjQyNDI=",
            "eHg0MjQyNDI0MjQyNDI0MjQy",
            "NDI0MjQyNDI0MjQyNDI0Mg",
            "card=NDI0MjQyNDI0MjQyNDI0Mg",
            "aNDI0MjQyNDI0MjQyNDI0Mg",
            "34323432343234323432343234323432",
            "a34323432343234323432343234323432",
        ] {
            assert!(
                decoded(text).contains(&"4242424242424242".to_owned()),
                "{text}: {:?}",
                decoded(text)
            );
        }
        assert_eq!(decoded("NDI0MiA0MjQyIDQyNDIgNDI0Mg"), ["4242 4242 4242 4242"]);
        for text in [
            "",
            "NDI0MjQyNDI0Mg",
            "ORD-2026-000123-7f3a9c1e5b20d846",
            "あ".repeat(30).as_str(),
        ] {
            assert_eq!(decoded(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_row_is_of_the_letters_of_both_alphabets_and_long_enough_for_the_fewest_digits() {
        let parts: String = (0..=u8::MAX).filter(|byte| is_part(*byte)).map(char::from).collect();
        let all = "+-/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
        assert_eq!(parts, all);
        // base64 of twelve digits, and of eleven.
        assert_eq!(decoded("Njc2MTAwMDAwMDA2"), ["676100000006"]);
        assert_eq!(decoded("NjcxMDAwMDAwMDY"), Vec::<String>::new());
    }
}
