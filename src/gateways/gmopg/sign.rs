//! GMO-PG's keyed concatenations, pure (sheet sections "Create hosted payment" and "Return", 2026-11-23).
//!
//! ```text
//! return:          result = base64 text "." lower-case hex of SHA-256 (base64 text as received, then the shop password)
//! parameter link:  .../v1/plus/{ShopID}/checkout/{α}.{γ}    α = base64 of the JSON, γ = SHA-256 (α, then the shop password)
//! ```
//!
//! A plain hash over text and a short password is no MAC: what it covers is a hint and never a proof (PAY-24).
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding as _};
use sha2::Sha256;

use crate::error::VerifyError;
use crate::gateway::SelfCheckError;
use crate::secret::ApiKey;
use crate::sign::{key_last, same_tag};

/// Checks a `result` value and gives the bytes it carries. The text is hashed as it came, before anything is decoded.
pub(super) fn open_result(result: &str, shop_pass: &ApiKey) -> Result<Vec<u8>, VerifyError> {
    let malformed = || VerifyError::Malformed("the result is not a text and a hash with one dot between");
    let (text, hash) = result.split_once('.').ok_or_else(malformed)?;
    let hex = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.is_empty() || !hex {
        return Err(malformed());
    }
    if !same_tag(hash_of(text, shop_pass).as_bytes(), hash.as_bytes()) {
        return Err(VerifyError::Mismatch);
    }
    decode(text).ok_or(VerifyError::Payload("the result is not base64"))
}

/// `ret_paystart_left_page` of the vectors.
const KNOWN_PASS: &str = "kq7w2x9e";
const KNOWN_RESULT: &str = concat!(
    "eyJ0cmFuc2FjdGlvbnJlc3VsdCI6eyJBY2Nlc3NJRCI6IiIsIkFjY2Vzc1Bhc3MiOiIqKioqKioqKioqKioqKioqKioqKioqKioq",
    "KioqKioqKiIsIk9yZGVySUQiOiJFQzIwMjYxMTAxLTAwMDEyMyIsIlJlc3VsdCI6IlBBWVNUQVJUIiwiUHJvY2Vzc2RhdGUiOiIy",
    "MDI2MTEwMTEwMTY0MCIsIkVyckNvZGUiOiIiLCJFcnJJbmZvIjoiIiwiUGF5bWV0aG9kIjoiIn19",
    ".159dfe386664bc91ed59aaefa460bf929bdb0c5bc2807e321a97bf26d94d0fdd"
);

/// Is the known result taken, is it taken with one byte changed, and is what the configured password signs taken?
pub(super) fn self_check(shop_pass: &ApiKey) -> Result<(), SelfCheckError> {
    let known = ApiKey::new(KNOWN_PASS).map_err(|_| SelfCheckError::Known)?;
    let changed = KNOWN_RESULT.replacen('e', "f", 1);
    let own = format!("e30.{}", hash_of("e30", shop_pass));
    SelfCheckError::judge(
        open_result(KNOWN_RESULT, &known).is_ok(),
        open_result(&changed, &known).is_ok(),
        open_result(&own, shop_pass).is_ok(),
    )
}

/// Either alphabet, with or without padding: which one GMO-PG uses is unconfirmed, and the hash covers the text as it came.
fn decode(text: &str) -> Option<Vec<u8>> {
    let decoded = match (text.contains(['-', '_']), text.ends_with('=')) {
        (false, true) => Base64::decode_vec(text),
        (false, false) => Base64Unpadded::decode_vec(text),
        (true, true) => Base64Url::decode_vec(text),
        (true, false) => Base64UrlUnpadded::decode_vec(text),
    };
    decoded.ok()
}

/// The last path segment of a parameter link. The JSON gets spaces at its end until its base64 text has no character that
/// could mean something in a path, because the alphabet is unconfirmed.
pub(super) fn parameter_segment(json: &str, shop_pass: &ApiKey) -> Option<String> {
    // A space inside shifts what follows, so besides the end the beginning is tried.
    let candidates = (0..3).flat_map(|before| (0..3).map(move |after| (before, after)));
    let text = candidates
        .map(|(before, after)| {
            let inner = json.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))?;
            Some(format!("{{{}{inner}{}}}", " ".repeat(before), " ".repeat(after)))
        })
        .map(|padded| padded.map(|padded| Base64::encode_string(padded.as_bytes())))
        .find(|text| text.as_ref().is_none_or(|text| !text.contains(['+', '/', '='])))
        .flatten()?;
    let hash = hash_of(&text, shop_pass);
    Some(format!("{text}.{hash}"))
}

fn hash_of(text: &str, shop_pass: &ApiKey) -> String {
    base16ct::lower::encode_string(&key_last::<Sha256>(text.as_bytes(), shop_pass.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass() -> ApiKey {
        ApiKey::new("kq7w2x9e").unwrap()
    }

    fn signed(text: &str) -> String {
        format!("{text}.{}", hash_of(text, &pass()))
    }

    #[test]
    fn only_a_text_and_its_own_whole_hash_are_opened() {
        let good = signed("e30");
        assert_eq!(open_result(&good, &pass()).unwrap(), b"{}");
        for bad in [
            String::new(),
            ".".to_owned(),
            "e30".to_owned(),
            "e30.".to_owned(),
            good[3..].to_owned(),
            format!("{good}."),
            format!("{good}0"),
            good[..good.len() - 1].to_owned(),
            good.to_uppercase(),
            format!("e31.{}", &good[4..]),
            format!(" {good}"),
            signed("e30").replace('.', ".."),
        ] {
            assert!(open_result(&bad, &pass()).is_err(), "{bad}");
        }
        let other = ApiKey::new("another9").unwrap();
        assert_eq!(open_result(&good, &other), Err(VerifyError::Mismatch));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let good = signed("eyJhIjoxfQ");
        for at in 0..good.len() {
            for bit in 0..7 {
                let mut bytes = good.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                if let Ok(text) = String::from_utf8(bytes) {
                    assert!(open_result(&text, &pass()).is_err(), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_base64_is_refused_although_it_is_signed() {
        for text in ["e3", "e30==", "e3 0", "{}", "e30=\u{3000}", "+-8"] {
            assert!(open_result(&signed(text), &pass()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_segment_is_safe_in_a_path() {
        for json in [
            "{\"a\":\"1\"}",
            "{\"a\":\"ご注文\"}",
            "{\"a\":\"???>>>\"}",
            "{\"a\":\"~~~~\"}",
        ] {
            if let Some(segment) = parameter_segment(json, &pass()) {
                let (text, hash) = segment.split_once('.').unwrap();
                assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{segment}");
                assert_eq!(hash.len(), 64);
                assert!(open_result(&segment, &pass()).is_ok());
            }
        }
        assert!(parameter_segment("no object", &pass()).is_none());
    }

    #[test]
    fn what_is_no_hash_is_told_apart_from_a_wrong_one() {
        let good = signed("e30");
        let short = &good[..good.len() - 1];
        let long = format!("{good}0");
        let letters = format!("e30.{}", "g".repeat(64));
        for bad in [short, &long, &letters, &good.to_uppercase(), &signed(""), "e30"] {
            let error = open_result(bad, &pass()).unwrap_err();
            assert!(matches!(error, VerifyError::Malformed(_)), "{bad}: {error}");
        }
        let zeros = format!("e30.{}", "0".repeat(64));
        assert_eq!(open_result(&zeros, &pass()), Err(VerifyError::Mismatch));
    }

    #[test]
    fn either_alphabet_is_read_with_and_without_padding() {
        for text in ["-_8=", "-_8", "+/8=", "+/8"] {
            assert_eq!(open_result(&signed(text), &pass()).unwrap(), [0xfb, 0xff], "{text}");
        }
        for text in ["-/8=", "+_8", "-_8==", "+/8=="] {
            assert!(open_result(&signed(text), &pass()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_parameter_segment_carries_the_json_and_spaces_alone() {
        for json in ["{\"a\":\"1\"}", "{\"a\":\"12\"}", "{\"a\":\"123\"}"] {
            let segment = parameter_segment(json, &pass()).unwrap();
            let opened = open_result(&segment, &pass()).unwrap();
            let opened = std::str::from_utf8(&opened).unwrap();
            assert_eq!(opened.replace(' ', ""), json);
            assert!(opened.starts_with('{') && opened.ends_with('}'), "{opened}");
        }
    }

    #[test]
    fn the_self_check_passes_here() {
        assert_eq!(self_check(&pass()), Ok(()));
    }
}
