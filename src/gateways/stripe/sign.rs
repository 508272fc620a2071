//! `Stripe-Signature`, step by step (sheet section 7, read 2026-11-23).
//!
//! ```text
//! Stripe-Signature: t=1795400100,v1=9136d9c7...,v1=24d67ed3...,v0=6f6f6f6f...
//! signed text:      1795400100.{"id":"evt_...           decimal t, a dot, the raw body
//! tag:              lower-case hex of HMAC-SHA-256 under the whole secret, whsec_ included
//! ```
//!
//! The worked example is `completed_paid_fresh` in `tests/vectors/stripe.json`.
#![cfg_attr(not(test), warn(clippy::arithmetic_side_effects))]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Method;

use crate::callback::Callback;
use crate::error::VerifyError;
use crate::gateway::SelfCheckError;
use crate::sign::{Mac, SigningKeys};
use crate::verified::Verified;

pub(super) const HEADER: &str = "stripe-signature";

/// One signature per secret that is being rolled; more than these are not read.
const MOST_TAGS: usize = 16;
const TAG: usize = 32;

/// The header that Stripe would send with this body, signed with the current key. For a store's own tests: what it makes
/// goes through the same check as a genuine delivery.
///
/// ```
/// use std::time::SystemTime;
/// use kessai::gateways::stripe::signature_header;
/// use kessai::sign::SigningKeys;
///
/// let keys = SigningKeys::from_texts(["whsec_0123456789abcdef"])?;
/// let header = signature_header(&keys, SystemTime::now(), b"{}");
/// assert!(header.starts_with("t=") && header.contains(",v1="));
/// # Ok::<(), kessai::ConfigError>(())
/// ```
#[must_use]
pub fn signature_header(keys: &SigningKeys, at: SystemTime, body: &[u8]) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let tag = keys.sign(Mac::HmacSha256, &[format!("{seconds}.").as_bytes(), body]);
    format!("t={seconds},v1={}", base16ct::lower::encode_string(&tag))
}

/// `compact_json_async_succeeded` of the vectors.
const KNOWN_KEY: &str = "whsec_5WbX2vectorSharedSecretAlpha0123456789";
const KNOWN_HEADER: &str = "t=1795400100,v1=11d9fd5a1187ddb7ba6fd663dffab018ffd37dc69e774c59d01bed906b0655c8";
const KNOWN_BODY: &[u8] = include_bytes!("known.json");

/// Is the known message taken, is it taken with one byte changed, and is what the current key signs taken?
pub(super) fn self_check(keys: &SigningKeys, at: SystemTime) -> Result<(), SelfCheckError> {
    let taken = |keys: &SigningKeys, at: SystemTime, header: &str, body: Vec<u8>| {
        let request = http::Request::post("/").header(HEADER, header).body(body.into());
        let callback = request.ok().and_then(|request| Callback::new(request, at).ok());
        callback.is_some_and(|callback| verify(&callback, keys, Duration::from_secs(300)).is_ok())
    };
    let then = UNIX_EPOCH
        .checked_add(Duration::from_secs(1_795_400_100))
        .ok_or(SelfCheckError::Known)?;
    let known = SigningKeys::from_texts([KNOWN_KEY]).map_err(|_| SelfCheckError::Known)?;
    let mut changed = KNOWN_BODY.to_vec();
    if let Some(last) = changed.last_mut() {
        *last ^= 1;
    }
    let own = signature_header(keys, at, b"{}");
    SelfCheckError::judge(
        taken(&known, then, KNOWN_HEADER, KNOWN_BODY.to_vec()),
        taken(&known, then, KNOWN_HEADER, changed),
        taken(keys, at, &own, b"{}".to_vec()),
    )
}

/// Checks the signature over the raw body, then its age. Borrows the body and allocates nothing.
pub(super) fn verify<'c>(
    callback: &'c Callback,
    keys: &SigningKeys,
    tolerance: Duration,
) -> Result<Verified<&'c [u8]>, VerifyError> {
    if callback.method() != Method::POST {
        return Err(VerifyError::Malformed("a webhook comes by POST"));
    }
    let header = Header::read(callback.header_once(HEADER)?)?;
    let mut prefix = [0_u8; 21];
    let prefix = decimal_dot(header.timestamp, &mut prefix);
    let at = callback.received_at();
    let proven = keys.verify(Mac::HmacSha256, prefix, callback.body(), header.tags(), at)?;
    // The age after the signature, so that "stale" is only ever said of a genuine message.
    let signed_at = UNIX_EPOCH
        .checked_add(Duration::from_secs(header.timestamp))
        .ok_or(VerifyError::Stale)?;
    if distance_in_seconds(signed_at, at) > tolerance.as_secs() {
        Err(VerifyError::Stale)
    } else {
        Ok(proven)
    }
}

/// The difference in whole seconds, whichever is later. Stripe's clock counts whole seconds, so ours does here: an age of
/// exactly the tolerance is accepted.
fn distance_in_seconds(one: SystemTime, other: SystemTime) -> u64 {
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    seconds(one).abs_diff(seconds(other))
}

struct Header {
    timestamp: u64,
    tags: [[u8; TAG]; MOST_TAGS],
    count: usize,
}

impl Header {
    /// Nothing is trimmed: `t=1, v1=...` has no `v1`, as in all of Stripe's libraries.
    fn read(value: &[u8]) -> Result<Self, VerifyError> {
        let mut timestamp = None;
        let mut header = Self {
            timestamp: 0,
            tags: [[0; TAG]; MOST_TAGS],
            count: 0,
        };
        let mut has_scheme = false;
        for element in value.split(|&byte| byte == b',') {
            let Some(at) = element.iter().position(|&byte| byte == b'=') else {
                continue;
            };
            let (name, rest) = element.split_at(at);
            let text = rest.get(1..).unwrap_or_default();
            match name {
                b"t" if timestamp.is_some() => {
                    // Stripe's own libraries disagree on which of two counts, so neither does.
                    return Err(VerifyError::Malformed(
                        "the signature header has more than one timestamp",
                    ));
                }
                b"t" => timestamp = Some(seconds(text)?),
                b"v1" => {
                    has_scheme = true;
                    header.take(text)?;
                }
                // Every other scheme is ignored; v0 is a fake that comes with test events.
                _ => {}
            }
        }
        header.timestamp = timestamp.ok_or(VerifyError::Missing("the signature's timestamp"))?;
        if !has_scheme {
            return Err(VerifyError::Missing("a v1 signature"));
        }
        Ok(header)
    }

    /// Keeps a tag of 64 lower-case hex digits. Any other is skipped: another one may still match.
    fn take(&mut self, text: &[u8]) -> Result<(), VerifyError> {
        if text.len() != 2 * TAG {
            return Ok(());
        }
        let slot = self
            .tags
            .get_mut(self.count)
            .ok_or(VerifyError::Malformed("the header has too many signatures"))?;
        if base16ct::lower::decode(text, slot).is_ok() {
            self.count = self.count.saturating_add(1);
        }
        Ok(())
    }

    fn tags(&self) -> &[[u8; TAG]] {
        self.tags.get(..self.count).unwrap_or_default()
    }
}

/// ASCII digits that fit a signed 64-bit integer, nothing else: no sign, no space, no point.
fn seconds(text: &[u8]) -> Result<u64, VerifyError> {
    const WRONG: VerifyError = VerifyError::Malformed("the signature's timestamp is not a number");
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    let mut seconds: i64 = 0;
    for digit in text {
        let digit = i64::from(digit.wrapping_sub(b'0'));
        seconds = seconds
            .checked_mul(10)
            .and_then(|so_far| so_far.checked_add(digit))
            .ok_or(WRONG)?;
    }
    u64::try_from(seconds).map_err(|_| WRONG)
}

/// Writes `n.` at the end of the buffer and returns that part. 20 digits and the dot always fit.
fn decimal_dot(mut n: u64, buffer: &mut [u8; 21]) -> &[u8] {
    let mut start = buffer.len();
    for (at, place) in buffer.iter_mut().enumerate().rev() {
        start = at;
        if at == 20 {
            *place = b'.';
            continue;
        }
        *place = b'0' | u8::try_from(n % 10).unwrap_or(0);
        n /= 10;
        if n == 0 {
            break;
        }
    }
    buffer.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_prefix_is_the_plain_decimal_and_a_dot() {
        for n in [0, 1, 9, 10, 1_795_400_100, u64::MAX, 10_000_000_000_000_000_000] {
            let mut buffer = [0; 21];
            assert_eq!(decimal_dot(n, &mut buffer), format!("{n}.").as_bytes());
        }
    }

    #[test]
    fn timestamps_that_are_not_plain_numbers_are_refused() {
        for text in [
            "",
            "-1",
            "+1",
            "1.0",
            "1e3",
            " 1",
            "1 ",
            "0x1",
            "9223372036854775808",
            "99999999999999999999",
            "１",
        ] {
            assert!(seconds(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(seconds(b"0001795400100"), Ok(1_795_400_100));
        assert_eq!(seconds(b"9223372036854775807"), Ok(9_223_372_036_854_775_807));
    }

    #[test]
    fn headers_without_one_timestamp_and_one_signature_are_refused() {
        let tag = "a".repeat(64);
        for value in [
            String::new(),
            ",".to_owned(),
            format!("v1={tag}"),
            "t=1".to_owned(),
            format!("t=1,v0={tag}"),
            format!("t=1, v1={tag}"),
            format!("t=1;v1={tag}"),
            format!(" t=1,v1={tag}"),
            format!("T=1,v1={tag}"),
            format!("t=1,V1={tag}"),
            format!("t=1,t=1,v1={tag}"),
            format!("t=1,v1={tag},t=2"),
            format!("t=,v1={tag}"),
            format!("t,v1={tag}"),
        ] {
            assert!(Header::read(value.as_bytes()).is_err(), "{value}");
        }
        let many = format!("t=1{}", format!(",v1={tag}").repeat(MOST_TAGS + 1));
        assert!(Header::read(many.as_bytes()).is_err());
    }

    #[test]
    fn unreadable_signatures_are_skipped_and_the_readable_one_is_kept() {
        let tag = "a".repeat(64);
        let upper = "A".repeat(64);
        let value = format!("v1=,v1={upper},v1=zz,t=1,v1={tag},v1={}", &tag[1..]);
        let header = Header::read(value.as_bytes()).unwrap();
        assert_eq!(header.tags(), [[0xaa; 32]]);
    }

    fn keys() -> SigningKeys {
        SigningKeys::from_texts(["whsec_0123456789abcdefSign"]).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn check(method: Method, header: &str, body: &'static [u8], now: SystemTime) -> Result<(), VerifyError> {
        let request = http::Request::builder().method(method).uri("/").header(HEADER, header);
        let callback = Callback::new(request.body(body.into()).unwrap(), now).unwrap();
        verify(&callback, &keys(), Duration::from_secs(300)).map(|proven| assert_eq!(*proven.value(), body))
    }

    #[test]
    fn the_age_may_be_the_tolerance_either_way_and_no_second_more() {
        let header = signature_header(&keys(), at(10_000), b"{}");
        for (now, expected) in [
            (10_000, Ok(())),
            (10_300, Ok(())),
            (9_700, Ok(())),
            (10_301, Err(VerifyError::Stale)),
            (9_699, Err(VerifyError::Stale)),
            (0, Err(VerifyError::Stale)),
        ] {
            assert_eq!(check(Method::POST, &header, b"{}", at(now)), expected, "{now}");
        }
        // A fraction of a second is none of Stripe's, and what is signed is judged before its age is.
        assert_eq!(
            check(Method::POST, &header, b"{}", at(10_300) + Duration::from_millis(999)),
            Ok(())
        );
        assert_eq!(
            check(Method::POST, &header, b"[]", at(20_000)),
            Err(VerifyError::Mismatch)
        );
        let far = header.replace("t=10000", "t=9223372036854775807");
        assert_eq!(check(Method::POST, &far, b"{}", at(10_000)), Err(VerifyError::Mismatch));
    }

    #[test]
    fn only_a_post_with_a_right_tag_among_sixteen_is_taken() {
        let header = signature_header(&keys(), at(10_000), b"{}");
        let (time, tag) = header.split_once(",v1=").unwrap();
        let wrong = "0".repeat(64);
        for method in [Method::GET, Method::PUT, Method::HEAD] {
            let refused = check(method, &header, b"{}", at(10_000));
            assert_eq!(refused, Err(VerifyError::Malformed("a webhook comes by POST")));
        }
        let among = |count: usize| format!("{time}{},v1={tag}", format!(",v1={wrong}").repeat(count));
        assert_eq!(check(Method::POST, &among(15), b"{}", at(10_000)), Ok(()));
        assert!(check(Method::POST, &among(16), b"{}", at(10_000)).is_err());
        let others = format!("{time},v1={wrong},v0={tag},v1={}", &tag[2..]);
        assert_eq!(
            check(Method::POST, &others, b"{}", at(10_000)),
            Err(VerifyError::Mismatch)
        );
    }

    #[test]
    fn the_self_check_passes_here() {
        assert_eq!(self_check(&keys(), at(10_000)), Ok(()));
    }
}
