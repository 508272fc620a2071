//! The Wycheproof vectors for HMAC, against the comparison that every gateway uses: what is whole agrees, and what was cut
//! short is refused, although the vectors call it valid for those who cut (PAY-19).

#![allow(clippy::unwrap_used, reason = "a test that fails panics")]

use hmac::{Hmac, KeyInit};
use sha2::{Sha256, Sha512};
use wycheproof::TestResult;
use wycheproof::mac::{TestName, TestSet};

use super::mac::{Mac, MacVerifier, keyed};

/// How many cases have their whole tag, and how many a part of it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    whole: usize,
    cut: usize,
}

fn play(name: TestName, whole: usize, check: impl Fn(&[u8], &[u8], &[u8]) -> bool) -> Count {
    let set = TestSet::load(name).unwrap();
    let mut count = Count::default();
    for group in &set.test_groups {
        for case in &group.tests {
            let accepted = check(&case.key, &case.msg, &case.tag);
            if group.tag_size / 8 == whole {
                count.whole += 1;
                let valid = case.result == TestResult::Valid;
                assert_eq!(accepted, valid, "{name:?} {}: {}", case.tc_id, case.comment);
            } else {
                count.cut += 1;
                assert!(!accepted, "{name:?} {}: {}", case.tc_id, case.comment);
            }
        }
    }
    count
}

fn checks<M: hmac::Mac + KeyInit>(key: &[u8], message: &[u8], tag: &[u8]) -> bool {
    keyed::<M>(key, &[message]).is_some_and(|mac| mac.verify_slice(tag).is_ok())
}

#[test]
fn whole_tags_agree_and_shortened_ones_are_refused() {
    let verifier = |mac| {
        move |key: &[u8], message: &[u8], tag: &[u8]| {
            let verifier = MacVerifier::with_key_bytes(mac, key, &[message]);
            verifier.is_some_and(|verifier| verifier.check(tag).is_some())
        }
    };
    let sha256 = play(TestName::HmacSha256, 32, verifier(Mac::HmacSha256));
    let sha512 = play(TestName::HmacSha512, 64, verifier(Mac::HmacSha512));
    // No gateway here signs with this one; the same functions would serve it.
    let sha1 = play(TestName::HmacSha1, 20, checks::<Hmac<sha1::Sha1>>);
    assert_eq!(sha256, Count { whole: 87, cut: 87 });
    assert_eq!(sha512, Count { whole: 87, cut: 87 });
    assert_eq!(sha1, Count { whole: 87, cut: 83 });
    // The library itself, without our wrapping.
    play(TestName::HmacSha256, 32, checks::<Hmac<Sha256>>);
    play(TestName::HmacSha512, 64, checks::<Hmac<Sha512>>);
}
