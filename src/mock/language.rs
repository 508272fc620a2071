//! The language of a hosted page, and the words that every one of them has.

use super::MockError;
use super::card::Flaw;

/// What is wrong with a typed card, for the shopper.
pub(super) fn flaw(flaw: Flaw, japanese: bool) -> &'static str {
    let (english, in_japanese) = match flaw {
        Flaw::Number => ("This is not a card number.", "カード番号が正しくありません。"),
        Flaw::NotATestCard => (
            "This is not one of the test cards, and nothing else is taken here. Never type a real card.",
            "テスト用カードの番号ではありません。実在のカード番号は入力しないでください。",
        ),
        Flaw::Expiry => (
            "The expiry is not a month in the future.",
            "有効期限が正しくないか、過ぎています。",
        ),
        Flaw::Code => (
            "The security code has three or four digits.",
            "セキュリティコードは3桁か4桁です。",
        ),
        Flaw::Holder => ("The name on the card is missing.", "カード名義人を入力してください。"),
    };
    if japanese { in_japanese } else { english }
}

/// Whether a simulator speaks Japanese by this setting.
pub(super) fn is_japanese(setting: &str) -> Result<bool, MockError> {
    match setting {
        "ja" => Ok(true),
        "en" => Ok(false),
        _ => Err(MockError::Setting {
            setting: "the language",
            hint: "it is ja or en",
        }),
    }
}

/// Whether to speak Japanese: the session says so, else the browser, else the simulator's own setting.
pub(super) fn speaks_japanese(locale: Option<&str>, accept_language: Option<&str>, otherwise: bool) -> bool {
    match locale {
        Some("ja") => return true,
        None | Some("auto") => {}
        Some(_) => return false,
    }
    let mut best: Option<(u16, bool)> = None;
    for entry in accept_language.unwrap_or_default().split(',') {
        let mut parts = entry.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default().to_ascii_lowercase();
        let japanese = match tag.split('-').next() {
            Some("ja") => true,
            Some("en") => false,
            _ => continue,
        };
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, thousandths);
        // The first of equals wins, and a weight of 0 means "not this one".
        if weight > 0 && best.is_none_or(|(heaviest, _)| weight > heaviest) {
            best = Some((weight, japanese));
        }
    }
    best.map_or(otherwise, |(_, japanese)| japanese)
}

/// A weight between 0 and 1 with at most three decimals; anything else weighs nothing.
fn thousandths(text: &str) -> u16 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 {
        return 0;
    }
    let fraction = format!("{fraction:0<3}").parse().unwrap_or(0_u16);
    match whole {
        "1" => 1000,
        "0" => fraction,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_decides_the_language_before_the_browser() {
        assert!(speaks_japanese(Some("ja"), Some("en"), false));
        assert!(!speaks_japanese(Some("en"), Some("ja"), true));
        assert!(!speaks_japanese(Some("fr"), Some("ja"), true));
        assert!(speaks_japanese(Some("auto"), Some("ja"), false));
    }

    #[test]
    fn the_heaviest_language_of_the_browser_wins_whatever_its_place() {
        for (header, japanese) in [
            ("ja", true),
            ("ja-JP,ja;q=0.9,en;q=0.8", true),
            ("en;q=0.4, ja;q=0.9", true),
            ("en-GB,ja;q=0.9", false),
            ("fr,en;q=0.2", false),
            ("fr, ja;q=0", false),
            ("jam", false),
            ("", false),
            ("ja;q=x", false),
        ] {
            assert_eq!(speaks_japanese(None, Some(header), false), japanese, "{header}");
        }
        assert!(speaks_japanese(None, None, true));
        assert!(speaks_japanese(None, Some("fr"), true));
    }
}
