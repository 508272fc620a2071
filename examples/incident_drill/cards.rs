//! The markers: cards that exist nowhere else.

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
