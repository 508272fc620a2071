//! PAY-24: whoever sees a plain hash can go on hashing from where it stopped, and so knows the hash of a longer text without the
//! key. That forges a message under a hash that begins with its key. SBPS's and GMO-PG's hashes end with theirs.

use bytes::Bytes;
use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::sbps::Channel;
use kessai::{Addresses, ApiKey, Callback, Environment, Gateway, MerchantAccount, VerifyError};
use sha2::{Digest, Sha256};

use crate::sbps::{accepted, body, post, settling, tea};
use crate::support::start;

/// The end that every text gets before it is hashed: a one bit, zeros, and its length in bits.
fn padding(length: usize) -> Vec<u8> {
    let mut end = vec![0x80];
    end.resize(1 + (119 - length % 64) % 64, 0);
    end.extend((length as u64 * 8).to_be_bytes());
    end
}

/// Hashes `more` from where `tag` stopped, as if `seen` bytes had been read before: one round of words at a time.
fn go_on<const WORDS: usize>(
    tag: &[u8],
    seen: usize,
    more: &[u8],
    round: fn(&mut [u32; WORDS], &[u32; 16]),
) -> Vec<u8> {
    let mut state = [0_u32; WORDS];
    for (word, bytes) in state.iter_mut().zip(tag.chunks(4)) {
        *word = u32::from_be_bytes(bytes.try_into().unwrap());
    }
    let text = [more, &padding(seen + more.len())].concat();
    for block in text.chunks(64) {
        let mut words = [0_u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks(4)) {
            *word = u32::from_be_bytes(bytes.try_into().unwrap());
        }
        round(&mut state, &words);
    }
    state.iter().flat_map(|word| word.to_be_bytes()).collect()
}

#[expect(clippy::many_single_char_names, reason = "as the standard names them")]
fn sha1_round(state: &mut [u32; 5], block: &[u32; 16]) {
    let mut words = block.to_vec();
    for at in 16..80 {
        let word = words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16];
        words.push(word.rotate_left(1));
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (at, word) in words.into_iter().enumerate() {
        let (mixed, constant) = match at / 20 {
            0 => ((b & c) | (!b & d), 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
            _ => (b ^ c ^ d, 0xca62_c1d6_u32),
        };
        let next = [mixed, e, constant, word]
            .into_iter()
            .fold(a.rotate_left(5), u32::wrapping_add);
        (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(more);
    }
}

/// The first 32 bits of the fractions of the cube roots of the first 64 primes.
fn constants() -> Vec<u32> {
    let primes = (2_u128..312).filter(|n| (2..*n).all(|d| n % d != 0));
    let root = |n: u128| {
        // The largest whole number whose cube is no more than n times 2 to the power of 96.
        let (mut low, mut high) = (0_u128, 1_u128 << 36);
        while low + 1 < high {
            let middle = u128::midpoint(low, high);
            if middle * middle * middle <= n << 96 {
                low = middle;
            } else {
                high = middle;
            }
        }
        u32::try_from(low & 0xffff_ffff).unwrap()
    };
    primes.map(root).collect()
}

#[expect(clippy::many_single_char_names, reason = "as the standard names them")]
fn sha256_round(state: &mut [u32; 8], block: &[u32; 16]) {
    let mut words = block.to_vec();
    for at in 16..64 {
        let (early, late) = (words[at - 15], words[at - 2]);
        let small = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3);
        let large = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10);
        let word = [small, words[at - 7], large]
            .into_iter()
            .fold(words[at - 16], u32::wrapping_add);
        words.push(word);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (word, constant) in words.into_iter().zip(constants()) {
        let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let first = [sum, (e & f) ^ (!e & g), constant, word]
            .into_iter()
            .fold(h, u32::wrapping_add);
        let sum = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = sum.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(first), c, b, a, first.wrapping_add(second));
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(more);
    }
}

/// What an attacker sends who takes the values for the key's other side: the longer text, and its true hash.
fn extended(text: &[u8], key: usize, more: &[u8]) -> Vec<u8> {
    [text, &padding(text.len() + key), more].concat()
}

#[test]
fn the_attack_works_where_the_key_comes_first() {
    let (key, text, more) = (b"kq7w2x9e", b"amount=1980", b"&amount=1");
    let tag = Sha256::new().chain_update(key).chain_update(text).finalize();
    let seen = key.len() + text.len();
    let forged = go_on(&tag, seen + padding(seen).len(), more, sha256_round);
    let honest = Sha256::new()
        .chain_update(key)
        .chain_update(extended(text, key.len(), more));
    assert_eq!(forged, honest.finalize().to_vec());
}

#[test]
fn a_longer_return_of_gmo_pg_is_refused() {
    let gateway = GmoPg::builder(
        MerchantAccount::new("tshop00099661").unwrap(),
        ApiKey::new("kq7w2x9e").unwrap(),
        "shop01",
        Environment::Sandbox,
        Addresses::new("https://shop.example", "/pay/gmo").unwrap(),
    );
    let gateway = gateway.build().unwrap();
    let returned = |result: &[u8]| {
        let body = [b"result=", result].concat();
        let request = http::Request::post("/pay/gmo/return").body(Bytes::from(body)).unwrap();
        gateway.returned(&Callback::new(request, start()).unwrap())
    };
    let text = b"eyJhIjoxfQ";
    let tag = Sha256::new().chain_update(text).chain_update("kq7w2x9e").finalize();
    let hex = |tag: &[u8]| base16ct::lower::encode_string(tag).into_bytes();
    let whole = [&text[..], b".", &hex(&tag)].concat();
    assert!(
        matches!(returned(&whole), Err(VerifyError::Payload(_))),
        "the hash is right, the content is none"
    );
    let seen = text.len() + 8;
    for more in [&b""[..], b"fQ", b"kq7w2x9e"] {
        let forged = go_on(&tag, seen + padding(seen).len(), more, sha256_round);
        let escaped: String = url::form_urlencoded::byte_serialize(&extended(text, 8, more)).collect();
        for longer in [escaped.as_bytes(), &[&text[..], more].concat()] {
            let refused = returned(&[longer, b".", &hex(&forged)].concat());
            assert!(
                matches!(refused, Err(VerifyError::Mismatch | VerifyError::Malformed(_))),
                "{refused:?}"
            );
        }
    }
}

#[test]
fn a_longer_notification_of_sbps_is_refused() {
    let sbps = settling();
    let expected = kessai::ExpectedPayment::plan(&sbps, &tea("EC-1"), start()).unwrap();
    let fields = accepted(&expected);
    let genuine = body(Channel::Notification, &fields);
    assert!(sbps.verify(&post("/pay/sbps/notification", genuine.clone())).is_ok());
    let tag = genuine.split_once("sps_hashcode=").unwrap().1;
    let tag = base16ct::mixed::decode_vec(tag).unwrap();
    // The values and the key, one behind the other, are as long as the attacker can count or try.
    let joined: usize = fields.iter().map(|(_, value)| value.trim().len()).sum();
    for key in [0, 40] {
        let seen = joined + key;
        for more in [&b"1"[..], b"OK", b""] {
            let forged = go_on(&tag, seen + padding(seen).len(), more, sha1_round);
            let forged = base16ct::lower::encode_string(&forged);
            let end: String = url::form_urlencoded::byte_serialize(&extended(b"600", key + joined - 3, more)).collect();
            for limit in [end, format!("600{}", String::from_utf8_lossy(more))] {
                let longer: Vec<String> = genuine
                    .split('&')
                    .map(|pair| match pair.split_once('=').unwrap() {
                        ("sps_hashcode", _) => format!("sps_hashcode={forged}"),
                        ("limit_second", _) => format!("limit_second={limit}"),
                        _ => pair.to_owned(),
                    })
                    .collect();
                let refused = sbps.verify(&post("/pay/sbps/notification", longer.join("&")));
                assert!(
                    matches!(refused, Err(VerifyError::Mismatch | VerifyError::Malformed(_))),
                    "{refused:?}"
                );
            }
        }
    }
}
