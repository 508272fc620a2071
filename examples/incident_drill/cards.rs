//! The markers: cards that exist nowhere else, and the forms in which a value can lie about.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding};

use super::Failure;

/// What one shopper types into the hosted page.
#[derive(Clone)]
pub(crate) struct Card {
    /// Sixteen digits with a right check digit.
    pub(crate) number: String,
    /// Twelve digits, so that a search cannot meet one by chance.
    pub(crate) code: String,
}

/// So many different cards, of a series that was never used before.
pub(crate) fn series(count: usize) -> Result<Vec<Card>, Failure> {
    let mut seed = [0_u8; 8];
    getrandom::fill(&mut seed).map_err(|error| format!("no randomness: {error}"))?;
    let seed = u64::from_be_bytes(seed);
    // 424242, five digits of this run, four that count, the check digit.
    let (run, codes) = (seed % 100_000, seed / 100_000 % 90_000_000 + 10_000_000);
    let cards = (0..count).map(|n| {
        let body = format!("424242{run:05}{n:04}");
        let check = check_digit(&body);
        let number = format!("{body}{check}");
        // Mixed, so that neighbours differ in more than the end.
        let code = format!("{:08}{:04}", (codes + n as u64 * 7_919) % 100_000_000, n);
        Card { number, code }
    });
    Ok(cards.collect())
}

fn check_digit(body: &str) -> u32 {
    let sum: u32 = body
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit) {
            (0, 0..=4) => digit * 2,
            (0, _) => digit * 2 - 9,
            _ => digit,
        })
        .sum();
    (10 - sum % 10) % 10
}

/// In groups of four.
pub(crate) fn grouped(value: &str, between: &str) -> String {
    let mut out = String::new();
    for (n, digit) in value.chars().enumerate() {
        if n > 0 && n % 4 == 0 {
            out.push_str(between);
        }
        out.push(digit);
    }
    out
}

pub(crate) fn hex(value: &str) -> String {
    written(value, "")
}

pub(crate) fn percent(value: &str) -> String {
    written(value, "%")
}

/// Each byte in hex, behind a mark.
fn written(value: &str, mark: &str) -> String {
    value.bytes().fold(String::new(), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{mark}{byte:02x}");
        out
    })
}

pub(crate) fn base64(value: &str) -> String {
    Base64::encode_string(value.as_bytes())
}

/// Base64 of the value behind so many bytes (0 to 2) of something else: the part that is the same whatever the neighbours are.
pub(crate) fn base64_inside(value: &str, behind: usize) -> String {
    let mut bytes = vec![0; behind];
    bytes.extend_from_slice(value.as_bytes());
    let (first, end) = ((8 * behind).div_ceil(6), 8 * bytes.len() / 6);
    bytes.extend_from_slice(&[0; 3]);
    let text = Base64::encode_string(&bytes);
    text.get(first..end).unwrap_or_default().to_owned()
}

/// Every form of a value that is searched for.
pub(crate) fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![
        value.to_owned(),
        hex(value),
        hex(value).to_uppercase(),
        percent(value),
        percent(value).to_uppercase(),
    ];
    forms.extend([" ", "-", "+", "%20"].map(|between| grouped(value, between)));
    forms.extend([0, 1, 2].map(|behind| base64_inside(value, behind)));
    forms.sort();
    forms.dedup();
    forms
}
