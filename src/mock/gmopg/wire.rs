//! Texts and hashes of Link Type Plus (GMO-PG sheet, "Create hosted payment", "Return" and "Status query", 2026-11-23).
//!
//! Nothing here is shared with the client in `src/gateways`: what one of them gets wrong, the other one notices.

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::mock::form::Charset;
use crate::mock::front::{Reply, reply};

/// Of the pages and the JSON calls.
pub(super) const PAGES: Charset = Charset::Utf8;
/// Of the idPass calls.
pub(super) const ID_PASS: Charset = Charset::ShiftJis;

/// A pair of `ErrCode` and `ErrInfo`; the first is the start of the second.
pub(super) type Complaint = &'static str;

pub(super) const BAD_SHOP: Complaint = "E01030002";
pub(super) const ORDER_TOO_LONG: Complaint = "E01040003";
pub(super) const ORDER_USED: Complaint = "E01040010";
pub(super) const ORDER_CHARACTERS: Complaint = "E01040013";
pub(super) const NO_SUCH_ORDER: Complaint = "M01004002";
pub(super) const NOT_POSSIBLE: Complaint = "E11010003";
/// The sheet names texts E11010010 to E11010016 for this.
pub(super) const TOO_LATE: Complaint = "E11010010";
/// A refused card, as a card company refuses it.
pub(super) const CARD_REFUSED: Complaint = "42G120000";
/// Something is wrong with what a link was asked for. The sheet has two of these codes and no list.
pub(super) const LINK_INPUT: Complaint = "EZ1004001";
/// Something is wrong with an idPass call.
pub(super) const INPUT: Complaint = "E01010001";
/// An ignored item of a link.
pub(super) const IGNORED: Complaint = "EZ4136014";

fn code(info: &str) -> &str {
    info.get(..3).unwrap_or(info)
}

/// HTTP 400 and a list.
pub(super) fn json_error(info: &str) -> Reply {
    let list = json!([{ "ErrCode": code(info), "ErrInfo": info }]);
    reply(400, JSON, list.to_string().into_bytes())
}

pub(super) fn json(value: &Value) -> Reply {
    reply(200, JSON, value.to_string().into_bytes())
}

const JSON: &str = "application/json;charset=utf-8";

/// HTTP 200, whatever is wrong.
pub(super) fn pass_error(info: &str) -> Reply {
    pass(&[("ErrCode", code(info).to_owned()), ("ErrInfo", info.to_owned())])
}

/// One line, not percent-encoded.
pub(super) fn pass(fields: &[(&str, String)]) -> Reply {
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = ID_PASS.encode(&pairs.join("&")).into_owned();
    reply(200, "text/plain;charset=Windows-31J", body)
}

/// Base64 text, a dot, and the hash over that text and the shop's password. The alphabet is not confirmed; this is the
/// standard one.
pub(super) fn signed(text: &str, shop_pass: &str) -> String {
    let text = Base64::encode_string(text.as_bytes());
    let hash = hash(&text, shop_pass);
    format!("{text}.{hash}")
}

/// What a link of the parameter type carries, if it is this shop's.
pub(super) fn opened(segment: &str, shop_pass: &str) -> Option<Vec<u8>> {
    let (text, given) = segment.split_once('.')?;
    if given != hash(text, shop_pass) {
        return None;
    }
    Base64::decode_vec(text).ok()
}

fn hash(text: &str, shop_pass: &str) -> String {
    let mut sha = Sha256::new();
    sha.update(text);
    sha.update(shop_pass);
    base16ct::lower::encode_string(&sha.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_opens_with_its_own_password_and_no_other() {
        let segment = signed("{\"configid\":\"shop01\"}", "kq7w2x9e");
        assert_eq!(
            opened(&segment, "kq7w2x9e").as_deref(),
            Some(&b"{\"configid\":\"shop01\"}"[..])
        );
        for bad in [
            opened(&segment, "kq7w2x9f"),
            opened(&segment.replacen('e', "f", 1), "kq7w2x9e"),
            opened(&segment.to_uppercase(), "kq7w2x9e"),
            opened("", "kq7w2x9e"),
            opened(".", "kq7w2x9e"),
        ] {
            assert_eq!(bad, None);
        }
    }
}
