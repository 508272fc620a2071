//! Text as the search sees it: digits, letters and gaps, with everything invisible taken out and spellings made equal.

use super::digits::{Digits, digits_of};

/// One thing in the text that can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A digit in any script.
    Digit(u8),
    /// A letter, in lower case and in ordinary width; `capital` tells what it was.
    Letter { letter: char, capital: bool },
    /// Anything else: spaces, dashes, punctuation, symbols, line breaks.
    Gap(char),
}

/// Whether escapes are taken for what they stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Every character for itself.
    Plain,
    /// `%34`, `&#52;` and `\u0034` for the digit, and the like for what stands between digits.
    Unescaped,
}

/// Reads the text. Linear: every character is looked at a bounded number of times.
pub(super) fn signs(text: &str, reading: Reading) -> Vec<Sign> {
    let mut signs = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let escape = (reading == Reading::Unescaped).then(|| unescape(rest)).flatten();
        let (c, taken) = escape.unwrap_or((c, c.len_utf8()));
        push(&mut signs, c);
        rest = rest.get(taken..).unwrap_or_default();
    }
    signs
}

/// Whether the second reading can differ from the first.
pub(super) fn has_escapes(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'%' | b'&' | b'\\'))
}

fn push(signs: &mut Vec<Sign>, c: char) {
    match digits_of(c) {
        Some(Digits::One(digit)) => return signs.push(Sign::Digit(digit)),
        Some(Digits::Two(tens, ones)) => return signs.extend([Sign::Digit(tens), Sign::Digit(ones)]),
        None => {}
    }
    if is_voice_mark(c) {
        return voice(signs, c);
    }
    if is_invisible(c) {
        return;
    }
    let c = narrow(c);
    if c.is_alphabetic() {
        // A letter whose lower case is several letters is in none of the names that are looked for.
        let letter = c.to_lowercase().next().unwrap_or(c);
        let capital = letter != c;
        signs.push(Sign::Letter { letter, capital });
    } else {
        signs.push(Sign::Gap(gap(c)));
    }
}

/// Full-width forms to ASCII, half-width katakana to katakana.
fn narrow(c: char) -> char {
    const KATAKANA: &str = "ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン";
    let code = u32::from(c);
    match code {
        0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(c),
        0xff66..=0xff9d => usize::try_from(code - 0xff66)
            .ok()
            .and_then(|place| KATAKANA.chars().nth(place))
            .unwrap_or(c),
        _ => c,
    }
}

fn is_voice_mark(c: char) -> bool {
    matches!(c, '\u{ff9e}' | '\u{ff9f}' | '\u{3099}' | '\u{309a}')
}

/// Joins a voicing mark to the kana before it: in Unicode the voiced one follows next, the half-voiced one after that.
fn voice(signs: &mut [Sign], mark: char) {
    let step = if matches!(mark, '\u{ff9e}' | '\u{3099}') { 1 } else { 2 };
    if let Some(Sign::Letter { letter, .. }) = signs.last_mut()
        && matches!(*letter, 'か'..='ほ' | 'カ'..='ホ')
    {
        *letter = char::from_u32(u32::from(*letter) + step).unwrap_or(*letter);
    }
}

/// One space for all spaces and one dash for all dashes, so that "the same between all digits" can be asked.
fn gap(c: char) -> char {
    match c {
        '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        '\t' => '\t',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{2043}' | '\u{fe58}' | '\u{fe63}' | '\u{2e3a}' | '\u{2e3b}' => '-',
        '\u{3001}' | '\u{ff64}' => ',',
        '\u{2044}' | '\u{2215}' => '/',
        _ if c.is_whitespace() || c == '\u{2800}' => ' ',
        _ => c,
    }
}

/// Characters that leave no mark of their own: format and direction characters, joiners, variation selectors, fillers,
/// tags, and marks that are set on the character before.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{ad}'
        | '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{600}'..='\u{605}'
        | '\u{61c}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6dd}' | '\u{70f}' | '\u{8e2}' | '\u{115f}' | '\u{1160}'
        | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{20d0}'..='\u{20ff}'
        | '\u{302a}'..='\u{302f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d165}'..='\u{1d169}' | '\u{1d16d}'..='\u{1d182}' | '\u{e0000}'..='\u{e0fff}')
}

/// The most of anything that one escape is read over, so that reading stays linear.
const LONGEST_ESCAPE: usize = 49;

/// The character an escape at the start stands for, and how many bytes it takes. Only what is a digit, stands between
/// digits or lies outside ASCII counts: `%42` stays a percent sign and 42.
fn unescape(text: &str) -> Option<(char, usize)> {
    let (c, taken) = match text.as_bytes().first()? {
        b'%' => percent(text)?,
        b'&' => entity(text)?,
        b'\\' => backslash(text)?,
        _ => return None,
    };
    (!c.is_ascii_alphabetic()).then_some((c, taken))
}

/// `%34`, `%EF%BC%94`, and either of them escaped once more: `%2534`.
fn percent(text: &str) -> Option<(char, usize)> {
    let mut bytes = [0_u8; 4];
    let mut at = 0;
    let mut length = 1;
    let mut have = 0;
    while have < length {
        let mut hex = text.get(at..)?.strip_prefix('%')?;
        at += 1;
        while let Some(inner) = hex.strip_prefix("25").filter(|_| at < LONGEST_ESCAPE) {
            hex = inner;
            at += 2;
        }
        let byte = u8::try_from(hexadecimal(hex.get(..2)?)?).ok()?;
        at += 2;
        if have == 0 {
            length = match byte {
                0..=0x7f => 1,
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => return None,
            };
        }
        *bytes.get_mut(have)? = byte;
        have += 1;
    }
    let c = std::str::from_utf8(bytes.get(..length)?).ok()?.chars().next()?;
    Some((c, at))
}

/// `&#52;`, `&#x34;`, the names of spaces and dashes, and any of them behind `&amp;`.
fn entity(text: &str) -> Option<(char, usize)> {
    const NAMES: [(&str, char); 24] = [
        ("nbsp;", ' '),
        ("ensp;", ' '),
        ("emsp;", ' '),
        ("thinsp;", ' '),
        ("hairsp;", ' '),
        ("numsp;", ' '),
        ("puncsp;", ' '),
        ("Tab;", ' '),
        ("NewLine;", ' '),
        ("shy;", '\u{ad}'),
        ("zwj;", '\u{200d}'),
        ("zwnj;", '\u{200c}'),
        ("ZeroWidthSpace;", '\u{200b}'),
        ("NoBreak;", '\u{2060}'),
        ("lrm;", '\u{200e}'),
        ("rlm;", '\u{200f}'),
        ("hyphen;", '-'),
        ("dash;", '-'),
        ("ndash;", '-'),
        ("mdash;", '-'),
        ("minus;", '-'),
        ("period;", '.'),
        ("sol;", '/'),
        ("middot;", '.'),
    ];
    let mut body = text.strip_prefix('&')?;
    while let Some(inner) = body
        .strip_prefix("amp;")
        .filter(|_| text.len() - body.len() < LONGEST_ESCAPE)
    {
        body = inner;
    }
    let before = text.len() - body.len();
    if let Some(numeric) = body.strip_prefix('#') {
        let (hex, digits) = match numeric.strip_prefix(['x', 'X']) {
            Some(hex) => (true, hex),
            None => (false, numeric),
        };
        let count = digits
            .bytes()
            .take(10)
            .take_while(|byte| {
                if hex {
                    byte.is_ascii_hexdigit()
                } else {
                    byte.is_ascii_digit()
                }
            })
            .count();
        let digits = digits.get(..count)?;
        let code = if hex {
            hexadecimal(digits)?
        } else {
            digits.parse().ok()?
        };
        let head = before + 1 + usize::from(hex) + count;
        let closed = text.get(head..).is_some_and(|rest| rest.starts_with(';'));
        return Some((char::from_u32(code)?, head + usize::from(closed)));
    }
    let (name, c) = NAMES.iter().find(|(name, _)| body.starts_with(name))?;
    Some((*c, before + name.len()))
}

/// `\u0034`, `\u{34}` and `\x34`; `\n`, `\r` and `\t` as written in source text.
fn backslash(text: &str) -> Option<(char, usize)> {
    let body = text.strip_prefix('\\')?;
    let (head, digits) = if let Some(braced) = body.strip_prefix("u{") {
        let end = braced.bytes().take(7).position(|byte| byte == b'}')?;
        let code = hexadecimal(braced.get(..end)?)?;
        return Some((char::from_u32(code)?, 3 + end + 1));
    } else if let Some(rest) = body.strip_prefix('u') {
        (2, rest.get(..4)?)
    } else if let Some(rest) = body.strip_prefix('x') {
        (2, rest.get(..2)?)
    } else {
        return body.starts_with(['n', 'r', 't']).then_some((' ', 2));
    };
    Some((char::from_u32(hexadecimal(digits)?)?, head + digits.len()))
}

fn hexadecimal(digits: &str) -> Option<u32> {
    let fits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, reading: Reading) -> String {
        let shown = |sign| match sign {
            Sign::Digit(digit) => char::from(b'0' + digit),
            Sign::Letter { letter, .. } => letter,
            Sign::Gap(c) => c,
        };
        signs(text, reading).into_iter().map(shown).collect()
    }

    #[test]
    fn spellings_become_equal() {
        for (text, plain) in [
            ("ＣＶＶ　１２", "cvv 12"),
            ("ｾｷｭﾘﾃｨｺｰﾄﾞ", "セキュリティコード"),
            ("カート\u{3099}", "カード"),
            ("ﾊﾟ", "パ"),
            ("4\u{200b}2\u{ad}\u{301}", "42"),
            ("4\u{2014}2\u{3000}4", "4-2 4"),
            ("㊷", "42"),
        ] {
            assert_eq!(read(text, Reading::Plain), plain, "{text:?}");
        }
    }

    #[test]
    fn an_escape_is_read_only_where_it_hides_digits_or_what_stands_between_them() {
        for (text, plain) in [
            ("%34%32", "42"),
            ("%2534", "4"),
            ("%EF%BC%94", "4"),
            ("4%E2%80%8B2", "42"),
            ("&#52;&#x32;", "42"),
            ("&amp;#52;", "4"),
            ("4&nbsp;2", "4 2"),
            ("\\u0034\\x32\\u{34}", "424"),
        ] {
            assert_eq!(read(text, Reading::Unescaped), plain, "{text:?}");
        }
        for text in [
            "%",
            "%4",
            "%42",
            "%zz",
            "%e3%81",
            "%ff",
            "%f4%90%80%80",
            "%ed%a0%80",
            "&",
            "&#",
            "&#;",
            "&#x;",
            "&#x110000;",
            "&#9999999999;",
            "&unknown;",
            "\\",
            "\\u",
            "\\u{",
            "\\u{}",
            "\\ud800",
            "\\u{110000}",
            "\\x4",
            "\\u+034",
            "%+4",
        ] {
            assert_eq!(read(text, Reading::Unescaped), read(text, Reading::Plain), "{text:?}");
        }
    }

    #[test]
    fn what_is_escaped_again_and_again_is_read_so_far_and_no_further() {
        let percent = |times: usize| format!("%{}34", "25".repeat(times));
        let entity = |times: usize| format!("&{}#52;", "amp;".repeat(times));
        assert_eq!(read(&percent(24), Reading::Unescaped), "4");
        assert_eq!(read(&entity(12), Reading::Unescaped), "4");
        assert_eq!(read(&percent(25), Reading::Unescaped), "%34");
        assert_eq!(read(&entity(13), Reading::Unescaped), read(&entity(13), Reading::Plain));
    }

    #[test]
    fn slashes_and_dashes_of_every_kind_are_the_same() {
        for (text, plain) in [
            ("1/2", "1/2"),
            ("1⁄2", "1/2"),
            ("1∕2", "1/2"),
            ("1–2", "1-2"),
            ("1、2", "1,2"),
        ] {
            assert_eq!(read(text, Reading::Plain), plain, "{text}");
        }
    }
}
