//! Card data in free text, in every disguise that comes to mind, and the ordinary texts that have to pass (PAY-58).
//!
//! The card numbers are those that gateways publish for tests.

use std::time::{Duration, Instant};

use kessai::{CardDataKind, check_name, check_text};
use proptest::prelude::*;

const VISA: &str = "4242424242424242";

/// Published test numbers, every brand and every length that one is published for.
const PUBLISHED: [&str; 28] = [
    "4242424242424242",
    "4111111111111111",
    "4012888888881881",
    "4000056655665556",
    "4222222222222",
    "5555555555554444",
    "5105105105105100",
    "5200828282828210",
    "2223003122003222",
    "378282246310005",
    "371449635398431",
    "3530111333300000",
    "3566002020360505",
    "30569309025904",
    "38520000023237",
    "36227206271667",
    "3056930009020004",
    "6011111111111117",
    "6011000990139424",
    "6011981111111113",
    "6200000000000005",
    "6200000000000047",
    "6205500000000000004",
    "6759649826438453",
    "6799990100000000019",
    "6304000000000000",
    "6331101999990016",
    "5018000000000009",
];

fn kind(text: &str) -> Option<CardDataKind> {
    check_text("the item name", text).err().map(|sighted| sighted.kind)
}

/// The number with something between all its digits.
fn between(number: &str, gap: &str) -> String {
    number.chars().map(String::from).collect::<Vec<_>>().join(gap)
}

/// The number in fours with something between them.
fn fours(number: &str, gap: &str) -> String {
    let digits: Vec<char> = number.chars().collect();
    let groups: Vec<String> = digits.chunks(4).map(|four| four.iter().collect()).collect();
    groups.join(gap)
}

/// The number in the script whose digits begin at `zero`.
fn script(number: &str, zero: u32) -> String {
    let digit = |c: char| char::from_u32(zero + c.to_digit(10).unwrap()).unwrap();
    number.chars().map(digit).collect()
}

#[test]
fn every_published_test_number_is_refused_plain_and_in_a_sentence() {
    for number in PUBLISHED {
        for text in [
            number.to_owned(),
            format!("my card is {number}, thanks"),
            format!("カード{number}です"),
            format!("No.{number}"),
            fours(number, " "),
            fours(number, "-"),
        ] {
            assert_eq!(kind(&text), Some(CardDataKind::Number), "{text}");
        }
    }
}

#[test]
fn a_number_with_anything_between_its_digits_is_refused() {
    let gaps = [
        " ",
        "  ",
        "-",
        "--",
        " - ",
        ".",
        "/",
        "_",
        ",",
        ", ",
        ":",
        ";",
        "|",
        "+",
        "*",
        "~",
        "#",
        "=",
        "'",
        "\"",
        "%",
        "&",
        "\\",
        "\t",
        "\n",
        "\r\n",
        "\u{a0}",
        "\u{ad}",
        "\u{b7}",
        "\u{300}",
        "\u{301}",
        "\u{34f}",
        "\u{61c}",
        "\u{115f}",
        "\u{180e}",
        "\u{2002}",
        "\u{2003}",
        "\u{2007}",
        "\u{2009}",
        "\u{200a}",
        "\u{200b}",
        "\u{200c}",
        "\u{200d}",
        "\u{200e}",
        "\u{200f}",
        "\u{2010}",
        "\u{2011}",
        "\u{2012}",
        "\u{2013}",
        "\u{2014}",
        "\u{2015}",
        "\u{2022}",
        "\u{2028}",
        "\u{202a}",
        "\u{202e}",
        "\u{202f}",
        "\u{2044}",
        "\u{205f}",
        "\u{2060}",
        "\u{2066}",
        "\u{2069}",
        "\u{20dd}",
        "\u{20e3}",
        "\u{2212}",
        "\u{2800}",
        "\u{3000}",
        "\u{3001}",
        "\u{3002}",
        "\u{30fb}",
        "\u{3164}",
        "\u{fe0f}",
        "\u{feff}",
        "\u{ff0d}",
        "\u{ff0e}",
        "\u{ff0f}",
        "\u{ff3f}",
        "\u{ff65}",
        "\u{e0020}",
        "\u{fe0f}\u{20e3}",
        "%20",
        "%2D",
        "%09",
        "%0A",
        "%C2%A0",
        "%E2%80%8B",
        "%E3%80%80",
        "%2520",
        "&nbsp;",
        "&#160;",
        "&#xA0;",
        "&#32;",
        "&shy;",
        "&zwnj;",
        "&amp;nbsp;",
        "\\u00a0",
        "\\u{200b}",
        "\\x20",
        "\\n",
        "😀",
        "()",
        "→",
    ];
    for gap in gaps {
        for number in [VISA, "378282246310005", "30569309025904", "6205500000000000004"] {
            for text in [between(number, gap), fours(number, gap)] {
                assert_eq!(kind(&text), Some(CardDataKind::Number), "{text:?}");
            }
        }
    }
}

#[test]
fn a_number_in_any_script_is_refused() {
    let zeros = [
        0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x0e50, 0x0ed0,
        0x0f20, 0x1040, 0x17e0, 0x1810, 0x2080, 0xa620, 0xff10, 0x104a0, 0x11066, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
        0x1d7f6, 0x1e950, 0x1fbf0,
    ];
    for zero in zeros {
        for number in ["4012888888881881", "3530111333300000"] {
            let text = script(number, zero);
            for text in [text.clone(), between(&text, " "), format!("番号は{text}。")] {
                assert_eq!(kind(&text), Some(CardDataKind::Number), "{text}");
            }
        }
    }
    for text in [
        "④②④②④②④②④②④②④②④②",
        "⁴²⁴²⁴²⁴²⁴²⁴²⁴²⁴²",
        "⑷⑵⑷⑵⑷⑵⑷⑵⑷⑵⑷⑵⑷⑵⑷⑵",
        "⒋⒉⒋⒉⒋⒉⒋⒉⒋⒉⒋⒉⒋⒉⒋⒉",
        "❹❷❹❷❹❷❹❷❹❷❹❷❹❷❹❷",
        "㊷㊷㊷㊷㊷㊷㊷㊷",
        "四二四二四二四二四二四二四二四二",
        "四一一一　一一一一　一一一一　一一一一",
        "4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣4️⃣2️⃣",
        "4２٤२𝟒②⁴2４٢४𝟐4２٤२",
    ] {
        assert_eq!(kind(text), Some(CardDataKind::Number), "{text}");
    }
}

#[test]
fn an_escaped_number_is_refused() {
    let each = |escape: fn(char) -> String| VISA.chars().map(escape).collect::<Vec<_>>().concat();
    let percent = each(|c| format!("%{:02x}", u32::from(c)));
    let twice = percent.replace('%', "%25");
    let wide = each(|c| format!("%EF%BC%9{c}"));
    let entities = each(|c| format!("&#{};", u32::from(c)));
    let hex = each(|c| format!("&#x{:x};", u32::from(c)));
    let padded = each(|c| format!("&#00{}", u32::from(c)));
    let unicode = each(|c| format!("\\u{:04x}", u32::from(c)));
    let short = each(|c| format!("\\x{:02x}", u32::from(c)));
    let half = VISA.replace('2', "%32");
    let spaced = percent.replace("%32", "%32%20");
    for text in [
        percent, twice, wide, entities, hex, padded, unicode, short, half, spaced,
    ] {
        assert_eq!(kind(&text), Some(CardDataKind::Number), "{text}");
    }
}

#[test]
fn a_number_among_others_is_refused() {
    for text in [
        "2 4242 4242 4242 4242",
        "12, 4242-4242-4242-4242, 12/27",
        "4242 4242 4242 4242 12/27 123",
        "4242424242424242 12 27 123",
        "4242424242424242|12|2027|123",
        "4242424242424242=27121010000000000000",
        "%B4242424242424242^YAMADA/TARO^2712101000000000?",
        ";4242424242424242=2712101?",
        "4 24242 4242 424242 12/27",
        "42 4242 42424 24242, 12/2027",
        "items 10, 4 24242 4242 424242, 5",
        "3782 822463 10005",
        "3782-822463-10005 2027",
        "3056 930902 5904",
        "1 3056 930902 5904",
        "42424242 42424242",
        "7 42424242 42424242 7",
        "4242 424242424242",
        "424242 4242424242",
        "4242 4242 42424242",
        "1 4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2 9",
        "42 42 42 42 42 42 42 42",
        "4.242.424.242.424.242",
        "4,242,424,242,424,242",
        "4,242,424,242,424,242 JPY",
        "¥4242424242424242",
        "4242$4242$4242$4242",
        "x4242424242424242x",
        "a4242424242424242",
        "tok_4242424242424242",
        "4242-4242-4242-4242@shop.example",
        "https://shop.example/?n=4242424242424242&x=1",
    ] {
        assert_eq!(kind(text), Some(CardDataKind::Number), "{text}");
    }
}

#[test]
fn a_number_with_a_little_stuck_to_it_is_refused() {
    for text in [
        "994242424242424242",
        "94242424242424242",
        "9994242424242424242",
        "424242424242424299",
        "4242424242424242123",
        "42424242424242421227",
        "4242424242424242122027",
        "42424242424242421227123",
        "424242424242424212271234",
        "4242424242424242122027123",
        "994242-4242-4242-4242",
        "4242-4242-4242-4242123",
        "4242 4242 4242 42421227",
        "3782822463100051227",
        "37828224631000512271234",
        "0004242424242424242",
        "00000000000000004242424242424242",
        "202611234242424242424242",
        "202611230905234242424242424242",
    ] {
        assert_eq!(kind(text), Some(CardDataKind::Number), "{text}");
    }
}

#[test]
fn ordinary_texts_pass() {
    for text in [
        "",
        "Sencha 緑茶 100 g",
        "Order ORD-2026-000123",
        "EC20261101-000123",
        "20261123090523",
        "20261123090523123",
        "20261123-000123-01",
        "EC-20261123090523-000123",
        "2026-11-23",
        "2026/11/23 - 2026/11/25",
        "23/11/2026 - 25/11/2026",
        "23.11.2026-25.11.2026",
        "30/11/2026 - 02/12/2026",
        "11/30/2026 - 12/02/2026",
        "2026-11-23 10:30 - 2026-11-24 12:00",
        "2026-11-23T09:05:00.123456Z",
        "2026-11-23 09:05:00.123456",
        "2026-11-23T09:05:00+09:00",
        "1795424700123",
        "1795424700123456",
        "1795424700123456789",
        "10:30 11:30 12:30 13:30 14:30",
        "4901234567894",
        "JAN 4901234567894",
        "4901234000094",
        "4901234000193",
        "JAN: 4 901234 567894",
        "4512345678906 x 2",
        "4902778913215",
        "4987035332510",
        "ISBN 978-4-87311-856-7",
        "ISBN978-4-06-519128-3",
        "9784873118567",
        "03-5321-1111",
        "090-1234-5678",
        "0120-444-444",
        "tel 03-5321-1111 / fax 03-5321-1112",
        "+81 3-5321-1111",
        "+81-90-1234-5678",
        "+4915123456789",
        "+49 1512 3456789",
        "(03) 5321-1111",
        "〒163-8001 03-5321-1111",
        "〒100-0001",
        "100-0001 東京都千代田区千代田1-1",
        "1234-5678-9012",
        "ヤマト 4412-3456-7890",
        "佐川 501234567890",
        "お問い合わせ番号 681234567896",
        "1Z999AA10123456784",
        "550e8400-e29b-41d4-a716-446655440000",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "3f2a9c4d5e6b7a8090123456789abcdef0123456",
        "42424242-4242-4242-ab42-42424242cd42",
        "abcdef00000000004242424242424242",
        "d41d8cd98f00b204e9800998ecf8427e",
        "cs_test_a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "4242424242424241",
        "4111111111111112",
        "1234567890123456",
        "1234 5678 9012 3456",
        "9999 9999 9999 9999",
        "0000 0000 0000 0000",
        "7992739871300000",
        "1,000 2,000",
        "4,980 5,120 6,300 1,200",
        "¥4,980 ¥5,120 ¥3,000 ¥1,200",
        "$42.42 $42.42 $42.42 $42.42",
        "Size 36 37 38 39 40 41 42",
        "S/36/37/38/39/40/41/42",
        "1 2 3 4 5 6 7 8 9 10 11 12 13",
        "2021 2022 2023 2024",
        "4000 4500 5000 5500",
        "250-1234567-1234567",
        "503-1234567-1234567",
        "123456-20261123-0123456789",
        "コンビニ受付番号 123456",
        "払込票番号 1234567890123",
        "4242 in a row",
        "4242x4242x4242x4242",
        "10x20x30 cm, 40x50x60 cm",
        "192.168.100.200",
        "35.6812, 139.7671",
        "M4 x 20 (100 pcs)",
        "3.14159265358979",
        "v1.2.3-20261123",
        "taro.yamada1985@mail.example",
        "5% off 100%",
        "A&B &amp; C",
        "第二十三回 第四十二回",
        "一九八四年",
        "①②③④⑤",
        "50%20 50%30",
        "2026111200001",
        "No. 42, 42 and 42",
    ] {
        assert_eq!(kind(text), None, "{text}");
    }
}

#[test]
fn a_security_code_beside_its_name_is_refused() {
    for text in [
        "CVV: 123",
        "cvv 123",
        "cvv123",
        "CVV2 123",
        "cvv2=1234",
        "CVC 123",
        "CVC：123",
        "cvc is 123",
        "cvc-123",
        "card_cvc: 123",
        "cardCvc: 123",
        "C.V.V. 123",
        "c v v 1 2 3",
        "CVV（123）",
        "ＣＶＶ　１２３",
        "cv\u{200b}v 1\u{200b}23",
        "CAV2: 123",
        "security code 123",
        "Security Code: 1234",
        "security-code=123",
        "securityCode:123",
        "SECURITY_CODE 123",
        "the security code is 123",
        "security code no. 123",
        "card verification value 123",
        "csc: 123",
        "CVN = 1234",
        "セキュリティコード　１２３",
        "セキュリティコード：123",
        "セキュリティコードは123です",
        "セキュリティーコード 123",
        "セキュリティ コード 123",
        "ｾｷｭﾘﾃｨｺｰﾄﾞ 123",
        "セキュリティコート\u{3099} 123",
        "セキュリティコード【１２３】",
        "セキュリティ番号 123",
        "カード確認番号 123",
        "セキュリティコード 一二三",
        "cvv%3A%20123",
        "cvv&#58;&#32;&#49;&#50;&#51;",
    ] {
        assert_eq!(kind(text), Some(CardDataKind::SecurityCode), "{text}");
    }
}

#[test]
fn a_card_number_beside_its_name_is_refused_even_mistyped() {
    for text in [
        "card number: 4242424242424241",
        "Card No. 4242 4242 4242 4243",
        "cardnumber=4242424242424244",
        "カード番号：4242-4242-4242-4245",
        "カード番号は４２４２４２４２４２４２４２４６",
        "クレジットカード番号 4242424242424247",
        "ｶｰﾄﾞ番号 4242424242424248",
        "cc number 4242424242424241",
    ] {
        assert_eq!(kind(text), Some(CardDataKind::Number), "{text}");
    }
    for text in [
        "カード名義：YAMADA TARO",
        "カード名義人: 山田太郎",
        "cardholder: Taro Yamada",
        "Cardholder Name = T Yamada",
        "name on card: Yamada",
    ] {
        assert_eq!(kind(text), Some(CardDataKind::FieldName), "{text}");
    }
}

#[test]
fn the_words_alone_pass() {
    for text in [
        "CVC-Kit",
        "CVC Kit 300",
        "CVC 300ml",
        "CVC 12",
        "CVC 12345",
        "PVCVC 123",
        "recvv 123",
        "vitamin C VC 100",
        "security code generator 300",
        "security codex 123",
        "3-digit security code",
        "セキュリティコードは入力しません",
        "セキュリティコード3桁",
        "セキュリティコード入門 1,980円",
        "カード番号は聞きません",
        "カード番号下4桁 4242",
        "card number ending in 4242",
        "カードケース 123",
        "有効期限 2027/12",
        "賞味期限 2027.12.31",
        "expires 12/27",
        "カード名義変更のご案内",
        "gift card number 4242424242424241",
        "会員カード番号 4242424242424241",
        "CSC 101",
        "cid: 1234",
        "PAN 123",
        "pan 26 cm",
    ] {
        assert_eq!(kind(text), None, "{text}");
    }
}

#[test]
fn names_of_card_fields_are_refused_as_keys() {
    for name in [
        "cvv",
        "CVV",
        "cvv2",
        "cvc",
        "CVC2",
        "card_cvc",
        "card.cvv",
        "cardCvc",
        "card-cvc-code",
        "csc",
        "cvn",
        "cvd",
        "security_code",
        "securityCode",
        "SecurityCode",
        "security code",
        "card_security_code",
        "ｃｖｖ",
        "c_v_v",
        "cv\u{200b}c",
        "pan",
        "PAN",
        "card_number",
        "cardNumber",
        "CardNumber",
        "cardnumber",
        "card-no",
        "cc_number",
        "ccnum",
        "payment[card][number]",
        "credit_card_number",
        "primary_account_number",
        "card_holder",
        "cardholder_name",
        "name_on_card",
        "exp_month",
        "exp_year",
        "card_expiry",
        "ccExp",
        "track2",
        "track_data",
        "pin_block",
        "card_pin",
        "magstripe",
        "セキュリティコード",
        "ｾｷｭﾘﾃｨｺｰﾄﾞ",
        "セキュリティーコード",
        "カード番号",
        "クレジットカード番号",
        "ｶｰﾄﾞ番号",
        "カード名義",
        "カード名義人",
        "カード有効期限",
        "4242424242424242",
        "note 4242 4242 4242 4242",
    ] {
        let refused = check_name("a metadata key", name);
        assert!(refused.is_err(), "{name}");
    }
    for name in [
        "",
        "order_id",
        "attempt_id",
        "customer",
        "cid",
        "campaign_id",
        "company",
        "pan_size",
        "panel",
        "japan",
        "card_brand",
        "card_last4",
        "card_number_last4",
        "カード番号下4桁",
        "gift_card_number",
        "会員カード番号",
        "security",
        "code",
        "coupon_code",
        "expires_at",
        "number",
        "有効期限",
        "note",
        "trackingnumber",
        "tracking_number",
        "discvc",
        "discard_note",
    ] {
        assert_eq!(check_name("a metadata key", name), Ok(()), "{name}");
    }
}

#[test]
fn the_error_names_the_place_and_never_the_value() {
    for text in [VISA, "CVV: 739", "カード名義：YAMADA"] {
        let sighted = check_text("the item name", text).unwrap_err();
        for shown in [format!("{sighted}"), format!("{sighted:?}"), format!("{sighted:#?}")] {
            assert!(shown.contains("the item name"), "{shown}");
            assert!(
                !shown.chars().any(|c| c.is_ascii_digit()) && !shown.contains("YAMADA"),
                "{shown}"
            );
        }
    }
}

/// An issuer range: the first digits as numbers of four digits, and the lengths.
const RANGES: [(u32, u32, &[usize]); 16] = [
    (4000, 4999, &[13, 16, 19]),
    (5100, 5599, &[16]),
    (2221, 2720, &[16]),
    (3400, 3499, &[15]),
    (3700, 3799, &[15]),
    (3528, 3589, &[16, 17, 18, 19]),
    (3600, 3699, &[14, 16, 19]),
    (3800, 3999, &[14, 16, 19]),
    (3000, 3059, &[14, 16, 19]),
    (6011, 6011, &[16, 17, 18, 19]),
    (6440, 6599, &[16, 19]),
    (6200, 6299, &[16, 17, 18, 19]),
    (8100, 8199, &[16, 17, 18, 19]),
    (5000, 5099, &[16, 18, 19]),
    (5600, 5899, &[16, 18, 19]),
    (6759, 6759, &[12, 13, 14, 15, 16, 18, 19]),
];

/// What may stand between two digits. Letters may not: they keep numbers apart.
const GAPS: [&str; 44] = [
    "", "", "", "", "", "", "", "", " ", "  ", "-", ".", "/", "_", ",", ", ", ":", "\t", "\n", "\r\n", "\u{a0}",
    "\u{ad}", "\u{b7}", "\u{301}", "\u{2009}", "\u{200b}", "\u{200d}", "\u{200f}", "\u{2010}", "\u{2014}", "\u{202e}",
    "\u{202f}", "\u{2060}", "\u{2069}", "\u{20dd}", "\u{3000}", "\u{30fb}", "\u{fe0f}", "\u{feff}", "\u{ff0d}", "%20",
    "&nbsp;", "\\u00a0", "😀",
];

/// Zeros of scripts, and the letters' own way to write a digit.
const SCRIPTS: [u32; 12] = [
    0x30, 0x30, 0x30, 0xff10, 0x0660, 0x06f0, 0x0966, 0x0e50, 0x1d7ce, 0x1d7f6, 0x2080, 0x104a0,
];

/// The digit that makes the number pass, worked out apart from the crate: it is tried until the sum fits.
fn with_check_digit(mut digits: Vec<u32>) -> Vec<u32> {
    digits.push(0);
    while !luhn_sum(&digits).is_multiple_of(10) {
        *digits.last_mut().unwrap() += 1;
    }
    digits
}

fn luhn_sum(digits: &[u32]) -> u32 {
    const DOUBLED: [u32; 10] = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9];
    let from_the_right = digits.iter().rev().enumerate();
    from_the_right
        .map(|(place, &digit)| if place % 2 == 1 { DOUBLED[digit as usize] } else { digit })
        .sum()
}

/// Thirteen digits that are a valid article code as well are taken for one.
fn is_article_code(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(place, digit)| digit * [1, 3][place % 2])
        .sum();
    digits.len() == 13 && sum.is_multiple_of(10)
}

fn pans() -> impl Strategy<Value = Vec<u32>> {
    (
        0..RANGES.len(),
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        prop::collection::vec(0..10_u32, 19),
    )
        .prop_map(|(range, prefix, length, random)| {
            let (first, last, lengths) = RANGES[range];
            let prefix = first + u32::try_from(prefix.index((last - first + 1) as usize)).unwrap();
            let length = lengths[length.index(lengths.len())];
            let mut digits: Vec<u32> = prefix.to_string().chars().map(|c| c.to_digit(10).unwrap()).collect();
            digits.extend(random);
            digits.truncate(length - 1);
            with_check_digit(digits)
        })
        .prop_filter("an article code", |digits| !is_article_code(digits))
}

fn plain(digits: &[u32]) -> String {
    digits.iter().map(ToString::to_string).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_card_number_is_refused_in_any_disguise(
        pan in pans(),
        gaps in prop::collection::vec(0..GAPS.len(), 19),
        scripts in prop::collection::vec(0..SCRIPTS.len(), 19),
        around in 0..6_usize,
    ) {
        let mut text = String::new();
        for (place, &digit) in pan.iter().enumerate() {
            if place > 0 {
                text.push_str(GAPS[gaps[place]]);
            }
            text.push(char::from_u32(SCRIPTS[scripts[place]] + digit).unwrap());
        }
        let text = match around {
            0 => text,
            1 => format!("card {text}"),
            2 => format!("カード{text}です"),
            3 => format!("<{text}>"),
            4 => format!("n 7 x{text} thanks 1"),
            _ => format!("[{text}] pcs"),
        };
        prop_assert_eq!(kind(&text), Some(CardDataKind::Number), "{:?} of {}", text, plain(&pan));
    }

    #[test]
    fn any_card_number_is_refused_in_fours_among_other_numbers(
        pan in pans(),
        before in 0..1000_u32,
        after in 0..1000_u32,
        gap in prop::sample::select(vec![" ", "-", ".", "\u{3000}", "/", " - "]),
    ) {
        let text = format!("{before}, {}, {after}", fours(&plain(&pan), gap));
        prop_assert_eq!(kind(&text), Some(CardDataKind::Number), "{}", text);
    }

    #[test]
    fn sixteen_digits_with_a_wrong_check_digit_pass(
        digits in prop::collection::vec(0..10_u32, 16),
        wrong in 1..10_u32,
        gap in prop::sample::select(vec!["", " ", "-"]),
    ) {
        let mut digits = with_check_digit(digits[..15].to_vec());
        digits[15] = (digits[15] + wrong) % 10;
        // Fifteen of the sixteen may be a card number with one digit stuck to it.
        let amex = |part: &[u32]| part[0] == 3 && matches!(part[1], 4 | 7) && luhn_sum(part).is_multiple_of(10);
        prop_assume!(!amex(&digits[..15]) && !amex(&digits[1..]));
        prop_assert_eq!(kind(&fours(&plain(&digits), gap)), None);
    }

    #[test]
    fn digits_that_no_issuer_has_pass(rest in prop::collection::vec(0..10_u32, 15), first in prop::sample::select(vec![1_u32, 7, 9])) {
        let digits: Vec<u32> = std::iter::once(first).chain(rest.into_iter().take(13)).collect();
        prop_assert_eq!(kind(&plain(&with_check_digit(digits))), None);
    }

    #[test]
    fn any_text_is_answered_and_the_answer_holds_none_of_it(text in "\\PC{0,200}", number in pans()) {
        let text = format!("{text} {}", plain(&number));
        for refused in [check_text("a field", &text).err(), check_name("a field", &text).err()].into_iter().flatten() {
            let shown = format!("{refused} {refused:?}");
            prop_assert!(!shown.chars().any(|c| c.is_ascii_digit()), "{}", shown);
        }
    }

    #[test]
    fn any_text_without_digits_and_names_passes(text in "[a-bd-z あ-んア-カ.,%&-]{0,300}") {
        prop_assert_eq!(kind(&text), None);
    }
}

/// The time for one text.
fn time(text: &str) -> Duration {
    let start = Instant::now();
    let _ = std::hint::black_box(check_text("a field", std::hint::black_box(text)));
    start.elapsed()
}

// A search that took the square of the length would take minutes for a quarter of a MiB; the bound leaves room for a build without
// optimisation on a machine that does other things.
#[test]
fn the_time_grows_with_the_text_and_no_faster() {
    const SIZE: usize = 1 << 18;
    let mib = "4000000000000001".repeat(1 << 16);
    let long = (0..3).map(|_| time(&mib)).min().unwrap();
    println!("a MiB of digits: {long:?}");
    assert!(long < Duration::from_secs(60), "a MiB of digits: {long:?}");
    for (what, unit) in [
        ("digits", "1"),
        ("digits of an issuer", "4000000000000001"),
        ("single digits", "4 "),
        ("digits of all lengths", "4 24 242 4242 51 "),
        ("fours", "4242 "),
        ("gaps", "."),
        ("hex", "a1"),
        ("UUIDs", "550e8400-e29b-41d4-a716-446655440000 "),
        ("gaps between two digits", "4..............................."),
        ("percent signs", "%"),
        ("percent escapes", "%25"),
        ("percent digits", "%34"),
        ("open entities", "&"),
        ("nested entities", "&amp;"),
        ("entities", "&#52;"),
        ("zeros in entities", "&#000000000"),
        ("backslashes", "\\u"),
        ("names", "cvc "),
        ("spread names", "c.v.c."),
        ("letters of names", "c "),
        ("links", "cvc is is is is is is "),
        ("card numbers announced", "card number 1 "),
        ("katakana", "セキュリティコー"),
        ("voice marks", "\u{ff9e}"),
        ("zero width", "\u{200b}"),
        ("amounts", "4,000 "),
        ("dates", "23/11/2026 "),
    ] {
        // Three digits in front, so that no text is let through for having none.
        let long = time(&format!("1=1=1 {}", unit.repeat(SIZE / unit.len())));
        println!("a quarter of a MiB of {what}: {long:?}");
        assert!(long < Duration::from_secs(60), "{what}: {long:?}");
    }
}

/// The `SplitMix64` generator, so that the figures below are the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap()))
            .collect()
    }

    fn hex(&mut self, count: usize) -> String {
        (0..count)
            .map(|_| char::from(b"0123456789abcdef"[usize::try_from(self.below(16)).unwrap()]))
            .collect()
    }
}

/// Texts of one kind, and how many of 10,000 may be refused.
type Population = (&'static str, usize, fn(&mut Random) -> String);

fn jan(random: &mut Random) -> String {
    let body = format!(
        "4{}{}",
        [5, 9][usize::try_from(random.below(2)).unwrap()],
        random.digits(10)
    );
    let sum: u32 = body
        .chars()
        .enumerate()
        .map(|(place, c)| c.to_digit(10).unwrap() * [1, 3][place % 2])
        .sum();
    format!("{body}{}", (10 - sum % 10) % 10)
}

fn date(random: &mut Random) -> (u64, u64, u64) {
    (2020 + random.below(15), 1 + random.below(12), 1 + random.below(28))
}

fn price(random: &mut Random) -> String {
    format!("{},{}80", 1 + random.below(40), random.below(10))
}

fn phone(random: &mut Random) -> String {
    format!("0{}-{}-{}", random.digits(1), random.digits(4), random.digits(4))
}

#[test]
fn false_positives_stay_within_the_documented_figures() {
    // The figures in the documentation of `check_text` were measured with `KESSAI_SAMPLES=1000000`.
    let many = std::env::var("KESSAI_SAMPLES").map_or(10_000, |many| many.parse().unwrap());
    let populations: [Population; 30] = [
        ("order numbers as EC-20261123-000123", 0, |random| {
            let (year, month, day) = date(random);
            format!("EC-{year}{month:02}{day:02}-{}", random.digits(6))
        }),
        ("14 digits of date and time", 0, |random| {
            let (year, month, day) = date(random);
            format!(
                "{year}{month:02}{day:02}{:02}{:02}{:02}",
                random.below(24),
                random.below(60),
                random.below(60)
            )
        }),
        ("17 digits of date, time and counter", 0, |random| {
            let (year, month, day) = date(random);
            format!(
                "{year}{month:02}{day:02}{:02}{:02}{:02}{}",
                random.below(24),
                random.below(60),
                random.below(60),
                random.digits(3)
            )
        }),
        ("two dates as 23/11/2026 - 25/11/2026", 0, |random| {
            let ((year, month, day), (to_year, to_month, to_day)) = (date(random), date(random));
            format!("{day:02}/{month:02}/{year} - {to_day:02}/{to_month:02}/{to_year}")
        }),
        ("two dates with times of day", 0, |random| {
            let ((year, month, day), (to_year, to_month, to_day)) = (date(random), date(random));
            format!(
                "{year}-{month:02}-{day:02} {:02}:30 - {to_year}-{to_month:02}-{to_day:02} 12:00",
                random.below(24)
            )
        }),
        ("JAN codes", 0, jan),
        ("ISBN", 0, |random| {
            format!("978-4-{}-{}-{}", random.digits(4), random.digits(4), random.digits(1))
        }),
        ("phone numbers", 0, phone),
        ("two phone numbers", 5, |random| {
            format!("{} / {}", phone(random), phone(random))
        }),
        ("post code and phone number", 0, |random| {
            format!("〒1{}-{} {}", random.digits(2), random.digits(4), phone(random))
        }),
        ("phone numbers with a country code", 0, |random| {
            format!("+81-{}-{}-{}", 1 + random.below(9), random.digits(4), random.digits(4))
        }),
        ("parcels of 12 digits in fours", 5, |random| {
            format!("{}-{}-{}", random.digits(4), random.digits(4), random.digits(4))
        }),
        ("parcels of 12 digits", 5, |random| random.digits(12)),
        ("13 digits", 130, |random| random.digits(13)),
        ("14 digits", 60, |random| random.digits(14)),
        ("15 digits", 80, |random| random.digits(15)),
        ("16 digits", 500, |random| random.digits(16)),
        ("18 digits", 760, |random| random.digits(18)),
        ("20 digits", 25, |random| random.digits(20)),
        ("24 digits", 25, |random| random.digits(24)),
        ("40 digits", 2, |random| random.digits(40)),
        ("four prices as 4,980", 0, |random| {
            format!(
                "{} {} {} {}",
                price(random),
                price(random),
                price(random),
                price(random)
            )
        }),
        ("four numbers of four digits", 480, |random| {
            format!(
                "{} {} {} {}",
                random.digits(4),
                random.digits(4),
                random.digits(4),
                random.digits(4)
            )
        }),
        ("two numbers of eight digits", 480, |random| {
            format!("{} {}", random.digits(8), random.digits(8))
        }),
        ("eight numbers of up to three digits", 80, |random| {
            (0..8)
                .map(|_| random.below(1000).to_string())
                .collect::<Vec<_>>()
                .join(" ")
        }),
        ("eight numbers of up to four digits", 1700, |random| {
            (0..8)
                .map(|_| random.below(10_000).to_string())
                .collect::<Vec<_>>()
                .join(" ")
        }),
        ("random UUIDs", 3, |random| {
            format!(
                "{}-{}-4{}-a{}-{}",
                random.hex(8),
                random.hex(4),
                random.hex(3),
                random.hex(3),
                random.hex(12)
            )
        }),
        ("SHA-256 in hex", 5, |random| random.hex(64)),
        ("random references of 26 characters", 0, |random| {
            let alphabet = b"0123456789abcdefghjkmnpqrstvwxyz";
            (0..26)
                .map(|_| char::from(alphabet[usize::try_from(random.below(32)).unwrap()]))
                .collect()
        }),
        ("two numbers in a sentence", 2, |random| {
            format!("{} pieces of {} each", random.digits(6), random.digits(8))
        }),
    ];
    let mut random = Random(58);
    for (what, most, make) in populations {
        let refused = (0..many).filter(|_| kind(&make(&mut random)).is_some()).count();
        println!("{what}: {refused} of {many}");
        assert!(
            refused <= most * many / 10_000,
            "{what}: {refused} of {many} were refused"
        );
    }
}
