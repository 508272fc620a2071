//! Bytes and hashes of the link type (SBPS sheet, "Create hosted payment" and "Callback", 2026-11-23).
//!
//! Nothing here is shared with the client in `src/gateways`: what one of them gets wrong, the other one notices.

use sha1::{Digest, Sha1};

use crate::mock::form::Charset;

/// Of pages, forms and the API alike.
pub(super) const CHARSET: Charset = Charset::ShiftJis;

pub(super) const HASH: &str = "sps_hashcode";

/// Where the form is posted to (sheet, "Endpoints").
pub(super) const FORM: &str = "/f01/FepBuyInfoReceive.do";

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
            Over::ShiftJis => sha.update(CHARSET.encode(value)),
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
}
