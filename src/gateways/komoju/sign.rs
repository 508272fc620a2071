//! `X-Komoju-Signature` (sheet section "Callback", 2026-11-23).
//!
//! ```text
//! X-Komoju-Signature: 99424ec9...     lower-case hex of HMAC-SHA-256 over the raw body under the webhook secret
//! ```
//!
//! The worked example is `wh_captured_card` in `tests/vectors/komoju.json`. There is no time in it, so age proves nothing
//! either way: a replay is an event that is known already.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::time::SystemTime;

use http::Method;

use crate::callback::Callback;
use crate::error::VerifyError;
use crate::gateway::SelfCheckError;
use crate::sign::{Mac, SigningKeys};
use crate::verified::Verified;

const HEADER: &str = "x-komoju-signature";
const TAG: usize = 32;

/// The header that KOMOJU would send with this body, signed with the current key. For a store's own tests.
///
/// ```
/// use kessai::gateways::komoju::signature_header;
/// use kessai::sign::SigningKeys;
///
/// let keys = SigningKeys::from_texts(["whsec-komoju-example-1"])?;
/// assert_eq!(signature_header(&keys, b"{}").len(), 64);
/// # Ok::<(), kessai::ConfigError>(())
/// ```
#[must_use]
pub fn signature_header(keys: &SigningKeys, body: &[u8]) -> String {
    base16ct::lower::encode_string(&keys.sign(Mac::HmacSha256, &[body]))
}

/// `wh_ping` of the vectors.
const KNOWN_KEY: &str = "whsec-komoju-shared-0123456789abcdef";
const KNOWN_TAG: &str = "8fab95e58691d80f2ee1e219841e07a4d812ee96f8f54290374eda96c07bebfc";
const KNOWN_BODY: &[u8] =
    br#"{"id":"evtping","type":"ping","resource":"event","data":{},"created_at":"2026-11-01T01:00:00Z","reason":null}"#;

/// Is the known message taken, is it taken with one byte changed, and is what the current key signs taken?
pub(super) fn self_check(keys: &SigningKeys, at: SystemTime) -> Result<(), SelfCheckError> {
    let taken = |keys: &SigningKeys, tag: &str, body: Vec<u8>| {
        let request = http::Request::post("/").header(HEADER, tag).body(body.into());
        let callback = request.ok().and_then(|request| Callback::new(request, at).ok());
        callback.is_some_and(|callback| verify(&callback, keys).is_ok())
    };
    let known = SigningKeys::from_texts([KNOWN_KEY]).map_err(|_| SelfCheckError::Known)?;
    let mut changed = KNOWN_BODY.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    SelfCheckError::judge(
        taken(&known, KNOWN_TAG, KNOWN_BODY.to_vec()),
        taken(&known, KNOWN_TAG, changed),
        taken(keys, &signature_header(keys, b"{}"), b"{}".to_vec()),
    )
}

/// Checks the signature over the raw body. Borrows the body and allocates nothing.
pub(super) fn verify<'c>(callback: &'c Callback, keys: &SigningKeys) -> Result<Verified<&'c [u8]>, VerifyError> {
    if callback.method() != Method::POST {
        return Err(VerifyError::Malformed("a webhook comes by POST"));
    }
    let header = callback.header_once(HEADER)?;
    let mut tag = [0_u8; TAG];
    // Upper case is refused, as the gateway's own plug-in does.
    if header.len() != 2 * TAG || base16ct::lower::decode(header, &mut tag).is_err() {
        return Err(VerifyError::Malformed("the signature is not 64 lower-case hex digits"));
    }
    keys.verify(Mac::HmacSha256, b"", callback.body(), &[tag], callback.received_at())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, header: &str, body: &'static [u8]) -> Result<(), VerifyError> {
        let keys = SigningKeys::from_texts(["whsec-komoju-0123456789"]).unwrap();
        let request = http::Request::builder().method(method).uri("/").header(HEADER, header);
        let callback = Callback::new(request.body(body.into()).unwrap(), SystemTime::UNIX_EPOCH).unwrap();
        verify(&callback, &keys).map(|proven| assert_eq!(*proven.value(), body))
    }

    #[test]
    fn only_the_whole_tag_of_this_body_in_small_letters_by_post_is_taken() {
        let keys = SigningKeys::from_texts(["whsec-komoju-0123456789"]).unwrap();
        let tag = signature_header(&keys, b"{}");
        assert_eq!(check(Method::POST, &tag, b"{}"), Ok(()));
        assert_eq!(check(Method::POST, &tag, b"[]"), Err(VerifyError::Mismatch));
        assert_eq!(check(Method::POST, &"0".repeat(64), b"{}"), Err(VerifyError::Mismatch));
        let by_get = check(Method::GET, &tag, b"{}");
        assert_eq!(by_get, Err(VerifyError::Malformed("a webhook comes by POST")));
        for bad in [
            String::new(),
            tag[..63].to_owned(),
            tag[..62].to_owned(),
            format!("{tag}0"),
            format!("{tag}00"),
            tag.to_uppercase(),
            "g".repeat(64),
        ] {
            let error = check(Method::POST, &bad, b"{}").unwrap_err();
            assert!(matches!(error, VerifyError::Malformed(_)), "{bad}: {error}");
        }
    }

    #[test]
    fn the_self_check_passes_here() {
        let keys = SigningKeys::from_texts(["whsec-komoju-0123456789"]).unwrap();
        assert_eq!(self_check(&keys, SystemTime::UNIX_EPOCH), Ok(()));
    }
}
