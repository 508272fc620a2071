//! Bytes and hashes of the link type (SBPS sheet, "Create hosted payment" and "Callback", 2026-11-23).
//!
//! Nothing here is shared with the client in `src/gateways`: what one of them gets wrong, the other one notices.

use std::borrow::Cow;

use encoding_rs::SHIFT_JIS;
use sha1::{Digest, Sha1};

pub(super) const HASH: &str = "sps_hashcode";

/// The fields of a result in the order of its hash (sheet, "Callback").
pub(super) const RESULT: [&str; 34] = [
    "pay_method",
    "merchant_id",
    "service_id",
    "cust_code",
    "sps_cust_no",
    "sps_payment_no",
    "order_id",
    "item_id",
    "pay_item_id",
    "item_name",
    "tax",
    "amount",
    "pay_type",
    "auto_charge_type",
    "service_type",
    "div_settele",
    "last_charge_month",
    "camp_type",
    "tracking_id",
    "terminal_type",
    "free1",
    "free2",
    "free3",
    "request_date",
    "res_pay_method",
    "res_result",
    "res_tracking_id",
    "res_sps_cust_no",
    "res_sps_payment_no",
    "res_payinfo_key",
    "res_payment_date",
    "res_err_code",
    "res_date",
    "limit_second",
];

/// Name and value, both as they are on the wire before percent-encoding.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The pairs of a form, as bytes. `None` for a broken escape: it is not repaired.
pub(super) fn form(body: &[u8]) -> Option<Vec<Pair>> {
    body.split(|byte| *byte == b'&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let end = piece.iter().position(|byte| *byte == b'=');
            let (name, value) = match end {
                Some(end) => (piece.get(..end)?, piece.get(end + 1..)?),
                None => (piece, &[][..]),
            };
            Some((plain(name)?, plain(value)?))
        })
        .collect()
}

fn plain(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            byte => out.push(*byte),
        }
    }
    Some(out)
}

/// A form as a browser or SBPS writes it, in `Shift_JIS`. What the charset lacks becomes `&#NNNN;`, and every line break
/// is that of a form, as in a browser.
pub(super) fn form_body<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(b'&');
        }
        let value = value.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        escape(&mut out, &encode(name));
        out.push(b'=');
        escape(&mut out, &encode(&value));
    }
    out
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(*byte),
            byte => out.extend(format!("%{byte:02X}").bytes()),
        }
    }
}

/// Text as `Shift_JIS`, in the reading of Windows; what it lacks as a character reference, which is what a page and a form both do.
pub(super) fn encode(text: &str) -> Cow<'_, [u8]> {
    SHIFT_JIS.encode(text).0
}

/// `Shift_JIS` as text. `None` for bytes that are none.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    SHIFT_JIS
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(Cow::into_owned)
}

/// Which of the three hashes is meant; they differ in what is done to the text before SHA-1 (sheet, "Known traps", 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// A01-1 and A02-1.
    Utf8,
    /// A03-1 and the API type.
    ShiftJis,
}

/// SHA-1 over the values, trimmed, one behind the other, and the key behind them.
pub(super) fn hash<'a>(over: Over, values: impl IntoIterator<Item = &'a str>, key: &str) -> [u8; 20] {
    let mut sha = Sha1::new();
    for value in values {
        let value = value.trim_matches(|c: char| c.is_ascii_whitespace());
        match over {
            Over::Utf8 => sha.update(value.as_bytes()),
            Over::ShiftJis => sha.update(encode(value)),
        }
    }
    sha.update(key.as_bytes());
    sha.finalize().into()
}

/// Whether 40 hex digits, of either case, are this hash.
pub(super) fn is_hash(text: &str, hash: &[u8; 20]) -> bool {
    text.eq_ignore_ascii_case(&base16ct::lower::encode_string(hash))
}

/// The hash of a result with these fields: capitals in a notification, small letters through the browser, as published.
pub(super) fn result_hash(over: Over, fields: &[(&'static str, String)], key: &str) -> String {
    let values = RESULT.iter().map(|name| {
        let field = fields.iter().find(|(field, _)| field == name);
        field.map_or("", |(_, value)| value.as_str())
    });
    let hash = hash(over, values, key);
    match over {
        Over::Utf8 => base16ct::upper::encode_string(&hash),
        Over::ShiftJis => base16ct::lower::encode_string(&hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Published proof for step 4" of the sheet.
    #[test]
    fn the_published_hashes_come_out() {
        let text = "19788001498b1fd98ebeb074ff1d50f2e2720a1a9eb2fced282c5bfc67c2417217ca2682Item ID継続課金9802000020150807161004\
                    OK803127893246712015080716102120150807161021600";
        let key = "398a58952baf329cac5efbae97ea84ba17028d02";
        assert!(is_hash(
            "BE33A23EC4B61A34545E0A485D0897E33383F4DE",
            &hash(Over::Utf8, [text], key)
        ));
        assert!(is_hash(
            "c27fa2286c6fcc2cef2ce31def31386c2e39783e",
            &hash(Over::ShiftJis, [text], key)
        ));
    }

    #[test]
    fn a_broken_escape_is_refused_and_not_repaired() {
        for body in [&b"a=%"[..], b"a=%4", b"a=%zz", b"%=1", b"a=%4%31"] {
            assert_eq!(form(body), None, "{body:?}");
        }
        assert_eq!(
            form(b"a=%95%5C+b&c"),
            Some(vec![
                (b"a".to_vec(), vec![0x95, 0x5c, b' ', b'b']),
                (b"c".to_vec(), vec![])
            ])
        );
    }

    #[test]
    fn letters_with_a_backslash_or_a_bar_inside_survive_the_wire() {
        let body = form_body([("item_name", "表ソ能ポ")]);
        assert_eq!(body, b"item_name=%95%5C%83%5C%94%5C%83%7C");
        let pairs = form(&body).unwrap_or_default();
        assert_eq!(decode(&pairs[0].1).as_deref(), Some("表ソ能ポ"));
    }

    #[test]
    fn bytes_that_are_no_shift_jis_have_no_reading() {
        for bytes in [&[0x95][..], &[0xff], &[0x81, 0x20], "注文".as_bytes()] {
            assert_eq!(decode(bytes), None, "{bytes:?}");
        }
    }
}
