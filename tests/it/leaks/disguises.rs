//! Card numbers in disguise, and names of fields for security codes.

use crate::support::forms::{base64, grouped, hex, percent};

/// Published test numbers of 13 to 19 digits and of several brands. None of them occurs anywhere else in what is searched.
pub const NUMBERS: [&str; 12] = [
    "4222222222222",
    "4012888888881881",
    "4000056655665556",
    "5105105105105100",
    "5200828282828210",
    "2223003122003222",
    "371449635398431",
    "3566002020360505",
    "38520000023237",
    "6011000990139424",
    "6205500000000000004",
    "6799990100000000019",
];

fn script(number: &str, zero: u32) -> String {
    let digit = |c: char| char::from_u32(zero + c.to_digit(10).unwrap()).unwrap();
    number.chars().map(digit).collect()
}

fn between(number: &str, gap: &str) -> String {
    number.chars().map(String::from).collect::<Vec<_>>().join(gap)
}

/// The number in every disguise, each with its name.
pub fn disguises(number: &str) -> Vec<(&'static str, String)> {
    let json = number
        .chars()
        .fold(String::new(), |out, c| format!("{out}\\u{:04x}", u32::from(c)));
    vec![
        ("plain", number.to_owned()),
        ("in a sentence", format!("please charge {number}, thanks")),
        ("in Japanese", format!("カードは{number}です")),
        ("spaced", grouped(number, " ")),
        ("two spaces", grouped(number, "  ")),
        ("hyphens", grouped(number, "-")),
        ("dots", grouped(number, ".")),
        ("slashes", grouped(number, "/")),
        ("underscores", grouped(number, "_")),
        ("each digit spaced", between(number, " ")),
        ("each digit hyphened", between(number, "-")),
        ("full width", script(number, 0xff10)),
        ("full width, spaced", grouped(&script(number, 0xff10), "\u{3000}")),
        ("full width, hyphens", grouped(&script(number, 0xff10), "－")),
        ("Arabic-Indic", script(number, 0x0660)),
        ("extended Arabic-Indic", script(number, 0x06f0)),
        ("Devanagari", script(number, 0x0966)),
        ("Bengali", script(number, 0x09e6)),
        ("Thai", script(number, 0x0e50)),
        ("mathematical", script(number, 0x1d7ce)),
        ("monospace", script(number, 0x1d7f6)),
        ("zero-width space", between(number, "\u{200b}")),
        ("zero-width joiner", grouped(number, "\u{200d}")),
        ("word joiner", grouped(number, "\u{2060}")),
        ("byte order mark", grouped(number, "\u{feff}")),
        ("soft hyphens", between(number, "\u{ad}")),
        ("no-break space", grouped(number, "\u{a0}")),
        ("thin space", grouped(number, "\u{2009}")),
        ("direction marks", grouped(number, "\u{202e}")),
        ("middle dots", grouped(number, "・")),
        ("tabs", grouped(number, "\t")),
        ("line breaks", grouped(number, "\n")),
        ("both line breaks", grouped(number, "\r\n")),
        ("line separators", grouped(number, "\u{2028}")),
        ("percent escapes", percent(number)),
        ("percent escapes, twice", percent(number).replace('%', "%25")),
        ("percent spaces", grouped(number, "%20")),
        ("base64", base64(number)),
        ("base64 of groups", base64(&grouped(number, " "))),
        ("hex", hex(number)),
        ("large hex of groups", hex(&grouped(number, "-")).to_uppercase()),
        ("JSON escapes", json),
        (
            "HTML entities",
            number
                .chars()
                .fold(String::new(), |out, c| format!("{out}&#{};", u32::from(c))),
        ),
        ("HTML spaces", grouped(number, "&nbsp;")),
        ("in an address", format!("https://shop.example/pay?no={number}&x=1")),
        (
            "in an address, escaped",
            format!("https://shop.example/pay?no={}", grouped(number, "%2D")),
        ),
        ("with expiry", format!("{number} 12/28")),
        ("with expiry and code", format!("{} 12/28 917", grouped(number, " "))),
        ("as JSON", format!("{{\"card\":\"{number}\"}}")),
        ("as form", format!("a=b&number={number}&c=d")),
        ("behind a label", format!("PAN:{number}")),
        ("in brackets", format!("[{number}]")),
    ]
}

/// Names under which security codes and cards are sent.
pub const NAMES: [&str; 28] = [
    "cvv",
    "CVV2",
    "cvc",
    "card_cvc",
    "cardCvv",
    "card[cvc]",
    "c.v.v",
    "cvn2",
    "csc",
    "securityCode",
    "security_code",
    "security-code",
    "SECURITY CODE",
    "card_verification_value",
    "cardNumber",
    "card_number",
    "ccnumber",
    "card[number]",
    "cardholder",
    "card_exp",
    "exp_month",
    "track2",
    "セキュリティコード",
    "セキュリティーコード",
    "ｾｷｭﾘﾃｨｺｰﾄﾞ",
    "セキュリティ番号",
    "カード番号",
    "カード名義人",
];

#[test]
fn there_are_more_than_forty_disguises_and_no_two_are_one() {
    let mut all: Vec<_> = NUMBERS
        .iter()
        .flat_map(|number| disguises(number))
        .map(|(_, text)| text)
        .collect();
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
    assert!(disguises(NUMBERS[0]).len() > 40);
    let lengths: std::collections::BTreeSet<_> = NUMBERS.iter().map(|number| number.len()).collect();
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [13, 14, 15, 16, 19]);
}
