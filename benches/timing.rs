//! Does the time of a refusal tell how much of a tag was right? Every place that compares a tag or a token is timed with two kinds
//! of wrong ones, in random order: right up to the last byte, and wrong at the first. Their means are held against each other by
//! Welch's t, as dudect does (Reparaz, Balasch, Verbauwhede, 2017). It reports and judges nothing but itself: a comparison that
//! leaks on purpose is measured by the same code, and if that one is not caught the program fails.
//!
//! `cargo bench --bench timing`, with `-- --samples 1000000` for more than the 100,000 that each is given
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people who measure"
)]

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac as _};
use kessai::gateways::gmopg::GmoPg;
use kessai::gateways::komoju::{self, Komoju};
use kessai::gateways::sbps::{Channel, Sbps, ShopId, report_hash};
use kessai::gateways::stripe::{self, Stripe};
use kessai::ledger::{Checkpoint, CheckpointError, Head};
use kessai::sign::{Joined, JoinedHash, Mac, SigningKeys};
use kessai::{
    Addresses, ApiKey, Callback, CheckpointKey, Environment, Gateway, MerchantAccount, ReturnToken, SharedToken,
    SigningKey, VerifyError,
};
use sha2::{Digest, Sha256};

const KEY: &str = "whsec_0123456789abcdefTiming";
const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
const LEAST_SAMPLES: usize = 100_000;
/// So many calls are one sample: the clock's own steps are then small beside it.
const CALLS: u32 = 4;
/// dudect's own marks: from here on a difference is likely, and from there on certain.
const LIKELY: f64 = 4.5;
const CERTAIN: f64 = 10.0;

/// What is done to a right tag: a bit of its first byte and one of its last are turned, or left as they are. Always both, by the same
/// instructions: a branch on the class just before the clock starts would be seen in what is timed.
#[derive(Clone, Copy)]
struct Spoil {
    first: u8,
    last: u8,
}

impl Spoil {
    /// Never timed: it must not be refused as a mismatch, or what is timed is not the comparison.
    const NOTHING: Self = Self { first: 0, last: 0 };

    fn class(nearly_right: bool) -> Self {
        let last = u8::from(nearly_right);
        Self { first: 1 - last, last }
    }
}

fn main() -> ExitCode {
    let mut bench = Bench {
        samples: samples(),
        random: Random(seed()),
        worst: 0.0,
    };
    println!(
        "{} samples of {CALLS} calls each, seed {}",
        bench.samples, bench.random.0
    );
    let caught = controls(&mut bench);
    primitives(&mut bench);
    gateways(&mut bench);
    println!("largest |t| of a comparison of this crate: {:.1}", bench.worst);
    if caught {
        ExitCode::SUCCESS
    } else {
        println!("the comparison that leaks on purpose was not caught, so nothing above says anything");
        ExitCode::FAILURE
    }
}

/// The harness against itself: what leaks is caught, and two equal classes are not told apart.
fn controls(bench: &mut Bench) -> bool {
    let right = hmac_of(BODY);
    let found = bench.measure(
        "control: byte by byte, stops at the first difference",
        |spoil| spoiled(&right, spoil),
        |tag| !leaky(&hmac_of(BODY), tag),
    );
    bench.measure(
        "control: the same, both classes wrong at once",
        |spoil| {
            let both = spoil.first | spoil.last;
            spoiled(&right, Spoil { first: both, last: 0 })
        },
        |tag| !leaky(&hmac_of(BODY), tag),
    );
    bench.worst = 0.0;
    found.abs() >= CERTAIN
}

/// Refused for its tag, and not for anything before or after it.
fn mismatch<T>(outcome: &Result<T, VerifyError>) -> bool {
    matches!(outcome, Err(VerifyError::Mismatch))
}

/// What this crate must not do.
fn leaky(one: &[u8], other: &[u8]) -> bool {
    for (one, other) in one.iter().zip(other) {
        if black_box(*one) != black_box(*other) {
            return false;
        }
    }
    one.len() == other.len()
}

fn primitives(bench: &mut Bench) {
    let keys = SigningKeys::from_texts([KEY]).unwrap();
    for (name, mac) in [
        ("SigningKeys::verify, HMAC-SHA-256", Mac::HmacSha256),
        ("SigningKeys::verify, HMAC-SHA-512", Mac::HmacSha512),
    ] {
        let right = keys.sign(mac, &[b"1.", BODY]);
        bench.measure(
            name,
            |spoil| [spoiled(&right, spoil)],
            |tags| mismatch(&keys.verify(mac, b"1.", BODY, tags, UNIX_EPOCH)),
        );
    }
    keys_in_a_row(bench);
    let right = keys.hash_joined(JoinedHash::Sha1KeyLast, BODY);
    bench.measure(
        "SigningKeys::verify_joined, SHA-1",
        |spoil| spoiled(&right, spoil),
        |tag| mismatch(&keys.verify_joined(JoinedHash::Sha1KeyLast, Values, tag, UNIX_EPOCH)),
    );

    let key = CheckpointKey::new("the key that is kept on another machine").unwrap();
    let line = Checkpoint::make(&key, Head::empty(), UNIX_EPOCH).to_string();
    let (text, tag) = line.rsplit_once(' ').unwrap();
    bench.measure(
        "Checkpoint::read",
        |spoil| format!("{text} {}", spoiled_hex(tag, spoil)),
        |line| matches!(Checkpoint::read(line, &key), Err(CheckpointError::Tag)),
    );
    let token = SharedToken::new("0123456789abcdef0123456789abcdef").unwrap();
    bench.measure(
        "SharedToken::matches",
        |spoil| spoiled(b"0123456789abcdef0123456789abcdef", spoil),
        |candidate| !token.matches(candidate),
    );
    let token = ReturnToken::random().unwrap();
    bench.measure(
        "ReturnToken::matches",
        |spoil| String::from_utf8(spoiled(token.as_str().as_bytes(), spoil)).unwrap(),
        |candidate| !token.matches(candidate),
    );
}

/// While keys are rolled: does the time of a refusal tell at which key it was nearly right? All of them are tried before anything is
/// refused. (What is taken ends at the key that made it; only who has a genuine message can time that.)
fn keys_in_a_row(bench: &mut Bench) {
    let texts = [
        KEY,
        "whsec_0123456789abcdefOther1",
        "whsec_0123456789abcdefOther2",
        "whsec_0123456789abcdefOther3",
    ];
    let keys = SigningKeys::from_texts(texts).unwrap();
    let tag_by = |text: &str| {
        SigningKeys::from_texts([text])
            .unwrap()
            .sign(Mac::HmacSha256, &[b"1.", BODY])
    };
    let tags = [tag_by(texts[0]), tag_by(texts[3])];
    bench.measure(
        "SigningKeys::verify, nearly right by the first of four keys or by the last",
        |spoil| {
            let last = spoil.first | spoil.last;
            let tag = tags.get(usize::from(spoil.first)).unwrap();
            [spoiled(tag, Spoil { first: 0, last })]
        },
        |tags| mismatch(&keys.verify(Mac::HmacSha256, b"1.", BODY, tags, UNIX_EPOCH)),
    );
}

/// From the request as it came to the refusal.
fn gateways(bench: &mut Bench) {
    let at = UNIX_EPOCH + Duration::from_secs(1_795_400_000);
    let keys = SigningKeys::from_texts([KEY]).unwrap();
    let addresses = || Addresses::new("https://shop.example", "/pay").unwrap();

    let gateway = Stripe::builder(
        ApiKey::new("sk_test_0123456789abcdef").unwrap(),
        keys.clone(),
        addresses(),
    )
    .build()
    .unwrap();
    let header = stripe::signature_header(&keys, at, BODY);
    let (before, tag) = header.rsplit_once('=').unwrap();
    bench.measure(
        "Stripe, a notification",
        |spoil| {
            let header = format!("{before}={}", spoiled_hex(tag, spoil));
            callback(posted().header("Stripe-Signature", header), BODY, at)
        },
        |callback| mismatch(&gateway.verify(callback)),
    );

    let gateway = Komoju::builder(ApiKey::new("sk_test_0123456789").unwrap(), keys.clone(), addresses())
        .build()
        .unwrap();
    let tag = komoju::signature_header(&keys, BODY);
    bench.measure(
        "KOMOJU, a notification",
        |spoil| {
            let header = spoiled_hex(&tag, spoil);
            callback(posted().header("X-Komoju-Signature", header), BODY, at)
        },
        |callback| mismatch(&gateway.verify(callback)),
    );

    let keys = SigningKeys::new(SigningKey::new("0f3a7c5e19b24d6880aa5c3e71f2d4b69e8c1a07").unwrap());
    let gateway = Sbps::builder(
        Environment::Sandbox,
        ShopId::new("99661", "001").unwrap(),
        keys.clone(),
        addresses(),
    )
    .notifications_settle()
    .build()
    .unwrap();
    for (name, channel) in [
        ("SB Payment Service, a notification", Channel::Notification),
        ("SB Payment Service, a return", Channel::Return),
    ] {
        let tag = report_hash(&keys, channel, &[("merchant_id", "99661"), ("service_id", "001")])
            .unwrap()
            .to_lowercase();
        bench.measure(
            name,
            |spoil| {
                let hash = spoiled_hex(&tag, spoil);
                let body = format!("merchant_id=99661&service_id=001&sps_hashcode={hash}");
                callback(posted(), body.as_bytes(), at)
            },
            |callback| mismatch(&gateway.report(callback, channel)),
        );
    }

    let gateway = GmoPg::builder(
        MerchantAccount::new("9100000000001").unwrap(),
        ApiKey::new("kq7w2x9e").unwrap(),
        "shop01",
        Environment::Sandbox,
        addresses(),
    )
    .build()
    .unwrap();
    let text = Base64::encode_string(b"{\"transactionresult\":{\"OrderID\":\"EC1\"}}  ");
    let tag = base16ct::lower::encode_string(&Sha256::digest(format!("{text}kq7w2x9e")));
    bench.measure(
        "GMO-PG, a return",
        |spoil| {
            let target = format!("/pay/return?result={text}.{}", spoiled_hex(&tag, spoil));
            callback(http::Request::get(target), b"", at)
        },
        |callback| mismatch(&gateway.returned(callback)),
    );
}

struct Values;

impl Joined for Values {
    fn joined(&self) -> std::borrow::Cow<'_, [u8]> {
        std::borrow::Cow::Borrowed(BODY)
    }
}

fn posted() -> http::request::Builder {
    http::Request::post("/pay/notification")
}

fn callback(request: http::request::Builder, body: &[u8], at: SystemTime) -> Callback {
    Callback::new(request.body(Bytes::copy_from_slice(body)).unwrap(), at).unwrap()
}

fn hmac_of(body: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.chain_update(body).finalize().into_bytes().to_vec()
}

fn spoiled(right: &[u8], spoil: Spoil) -> Vec<u8> {
    let mut tag = right.to_vec();
    *tag.first_mut().unwrap() ^= spoil.first;
    *tag.last_mut().unwrap() ^= spoil.last;
    tag
}

/// The same in hex: a digit that changes stays one.
fn spoiled_hex(right: &str, spoil: Spoil) -> String {
    let mut tag = [0_u8; 64];
    let tag = base16ct::mixed::decode(right, &mut tag).unwrap();
    base16ct::lower::encode_string(&spoiled(tag, spoil))
}

struct Bench {
    samples: usize,
    random: Random,
    worst: f64,
}

impl Bench {
    /// Times `refused` over what `make` makes, and gives the t that is furthest from nothing. Making is not timed.
    fn measure<T>(&mut self, name: &str, make: impl Fn(Spoil) -> T, refused: impl Fn(&T) -> bool) -> f64 {
        assert!(!refused(&make(Spoil::NOTHING)), "{name}: the right tag was refused");
        let mut times: Vec<(bool, f64)> = Vec::with_capacity(self.samples);
        let warm = self.samples / 20;
        for round in 0..self.samples + warm {
            let near = self.random.bit();
            let input = make(Spoil::class(near));
            let mut wrong = true;
            let start = Instant::now();
            for _ in 0..CALLS {
                wrong &= refused(black_box(&input));
            }
            let nanos = u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX);
            assert!(wrong, "{name}: a wrong tag was taken");
            if round >= warm {
                times.push((near, f64::from(nanos) / f64::from(CALLS)));
            }
        }
        let (t, difference) = furthest(&mut times);
        let word = match t.abs() {
            t if t >= CERTAIN => "A DIFFERENCE",
            t if t >= LIKELY => "perhaps; measure again with more samples",
            _ => "none seen",
        };
        println!("{name:<75} t {t:>8.1}  {difference:>7.2} ns  {word}");
        self.worst = self.worst.max(t.abs());
        t
    }
}

/// Welch's t over all samples, and over the fastest parts of them: whatever else the machine does only ever makes slower. The
/// furthest from nothing counts, with the difference of its means.
fn furthest(times: &mut [(bool, f64)]) -> (f64, f64) {
    times.sort_by(|one, other| one.1.total_cmp(&other.1));
    let parts = [100, 99, 95, 90, 75, 50].map(|percent| times.len() * percent / 100);
    parts
        .into_iter()
        .filter_map(|length| {
            // Ties at the cut belong together: a cut through them would sort by class what the clock could not tell apart.
            let cut = times.get(length.checked_sub(1)?)?.1;
            welch(times.iter().take_while(|(_, time)| *time <= cut))
        })
        .max_by(|one, other| one.0.abs().total_cmp(&other.0.abs()))
        .unwrap_or((0.0, 0.0))
}

fn welch<'t>(times: impl Iterator<Item = &'t (bool, f64)>) -> Option<(f64, f64)> {
    let (mut near, mut far) = (Moments::default(), Moments::default());
    for (is_near, time) in times {
        if *is_near { near.add(*time) } else { far.add(*time) }
    }
    let spread = near.variance()? / near.count + far.variance()? / far.count;
    let difference = near.mean - far.mean;
    (spread > 0.0).then(|| (difference / spread.sqrt(), difference))
}

/// Mean and spread in one pass (Welford).
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    fn variance(&self) -> Option<f64> {
        (self.count > 1.0).then(|| self.squares / (self.count - 1.0))
    }
}

/// xorshift64*: the order of the classes has to be free of any pattern that caches could learn, and nothing more.
struct Random(u64);

impl Random {
    fn bit(&mut self) -> bool {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 63 == 1
    }
}

fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::from(since.subsec_nanos()) ^ since.as_secs() << 32 | 1
}

fn samples() -> usize {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--samples").skip(1);
    let asked = arguments.next().map_or(LEAST_SAMPLES, |number| number.parse().unwrap());
    asked.max(LEAST_SAMPLES)
}
