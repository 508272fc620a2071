//! Every fuzz target for a moment, on the stable toolchain: each seed, each kept regression, then changes of them.
//!
//! | variable | what it does | without it |
//! | --- | --- | --- |
//! | `KESSAI_FUZZ_SECONDS` | time for each target | 2 |
//! | `KESSAI_FUZZ_SEED` | the random numbers | drawn, and printed |
//! | `KESSAI_FUZZ_ONLY` | the targets whose name has this in it | all |
//!
//! An input that breaks a promise is printed in hex. Put its bytes into a file under `tests/it/fuzz_smoke/regressions/TARGET/`,
//! and it is tried first from then on. The same functions run under libFuzzer, see `fuzz/`.

mod changes;
pub mod targets;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use self::changes::{Dice, changed, truncations};
use self::targets::{TARGETS, Target};

/// No single input may take longer, on a machine that does other things too.
const SLOWEST: Duration = Duration::from_secs(20);

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn target(name: &str) -> &'static Target {
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("a target of this name")
}

/// Inputs that broke something once.
fn regressions(target: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/fuzz_smoke/regressions")
        .join(target);
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("a file")).collect()
}

struct Run {
    target: &'static Target,
    tried: u64,
    slowest: Duration,
}

impl Run {
    fn one(&mut self, input: &[u8], what: &str) {
        let started = Instant::now();
        let ended = catch_unwind(AssertUnwindSafe(|| (self.target.run)(input)));
        let took = started.elapsed();
        self.tried += 1;
        self.slowest = self.slowest.max(took);
        let hex = || {
            input.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        assert!(
            ended.is_ok(),
            "{}, {what}: this input breaks a promise: {}",
            self.target.name,
            hex()
        );
        assert!(
            took < SLOWEST,
            "{}, {what}: this input took {took:?}: {}",
            self.target.name,
            hex()
        );
    }
}

fn smoke(name: &str) {
    if let Some(only) = setting::<String>("KESSAI_FUZZ_ONLY")
        && !name.contains(&only)
    {
        println!("skipped: KESSAI_FUZZ_ONLY names other targets than {name}");
        return;
    }
    let target = target(name);
    let seconds = setting("KESSAI_FUZZ_SECONDS").unwrap_or(2.0_f64);
    let seed = setting("KESSAI_FUZZ_SEED").unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom(&mut bytes);
        u64::from_le_bytes(bytes)
    });
    println!("{name}: KESSAI_FUZZ_SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut run = Run {
        target,
        tried: 0,
        slowest: Duration::ZERO,
    };
    let mut seeds: Vec<Vec<u8>> = (target.seeds)();
    assert!(!seeds.is_empty());
    let mut known = HashSet::new();
    seeds.retain(|seed| known.insert(seed.clone()));
    for old in regressions(name) {
        run.one(&old, "a regression");
        seeds.push(old);
    }
    for seed in &seeds {
        run.one(seed, "a seed");
    }
    // Every truncation of the first seed, whatever the time.
    let started = Instant::now();
    let time = Duration::from_secs_f64(seconds);
    for end in 0..seeds[0].len().min(1500) {
        run.one(&seeds[0][..end], "the first seed, cut");
    }
    // Of the others in an order that no two runs have, for a third of the time.
    let all: usize = seeds.iter().map(Vec::len).sum();
    let mut cut = 0_usize;
    for (seed, end) in truncations(&seeds, &mut dice) {
        if started.elapsed() > time / 3 {
            break;
        }
        run.one(&seeds[seed][..end], "a seed, cut");
        cut += 1;
    }
    // Then changes of them, one on top of the other, until the time is over.
    let mut changes = 0_u64;
    while changes < 200 || started.elapsed() < time {
        let input = changed(&seeds, &mut dice);
        run.one(&input, "a changed seed");
        changes += 1;
    }
    println!(
        "{name}: {} inputs ({} seeds, {cut} of {all} truncations, {changes} changes) in {:.1?}, the slowest took {:.1?}",
        run.tried,
        seeds.len(),
        started.elapsed(),
        run.slowest
    );
}

fn getrandom(bytes: &mut [u8]) {
    // The library's own source of randomness, by way of what it makes of it.
    let nonce = kessai::Nonce::random().expect("random bytes");
    for (byte, letter) in bytes.iter_mut().zip(nonce.as_str().bytes()) {
        *byte = letter;
    }
}

macro_rules! smoke_tests {
    ($($test:ident: $name:literal;)+) => {
        $(#[test] fn $test() { smoke($name); })+

        #[test]
        fn every_target_is_run() {
            let run = [$($name),+];
            let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, run);
        }
    };
}

smoke_tests! {
    nothing_breaks_a_callback_of_stripe: "callback_stripe";
    nothing_breaks_a_callback_of_komoju: "callback_komoju";
    nothing_breaks_a_callback_of_gmopg: "callback_gmopg";
    nothing_breaks_a_callback_of_sbps: "callback_sbps";
    nothing_breaks_a_callback_of_sbps_that_is_asked_about: "callback_sbps_asking";
    no_signature_is_taken_but_the_right_one: "signatures";
    nothing_breaks_a_return: "returned";
    nothing_breaks_an_answer_of_stripe: "answer_stripe";
    nothing_breaks_an_answer_of_komoju: "answer_komoju";
    nothing_breaks_an_answer_of_gmopg: "answer_gmopg";
    nothing_breaks_an_answer_of_sbps: "answer_sbps";
    no_text_becomes_a_field: "hand_off";
    no_text_becomes_markup: "page";
    forms_are_read_as_they_were_written_or_refused: "forms";
    shift_jis_is_read_as_it_was_written_or_refused: "charsets";
    words_are_read_as_they_were_written_or_refused: "words";
    no_checkpoint_is_genuine_but_the_one_that_was_made: "checkpoint";
    records_are_read_as_they_were_written_or_refused: "record";
    no_record_follows_but_the_one_that_was_written: "walk";
}

/// The driver has to be able to find something.
#[test]
fn a_target_that_breaks_is_found_with_its_input() {
    let target = Box::leak(Box::new(Target {
        name: "control",
        run: |data| assert!(!data.windows(2).any(|two| two == b"%&"), "found"),
        seeds: || vec![b"a=1&b=%26&c=3".to_vec()],
    }));
    let mut run = Run {
        target,
        tried: 0,
        slowest: Duration::ZERO,
    };
    let mut dice = Dice::new(7);
    let seeds = (target.seeds)();
    let found = catch_unwind(AssertUnwindSafe(|| {
        for _ in 0..100_000 {
            let input = changed(&seeds, &mut dice);
            run.one(&input, "a changed seed");
        }
    }));
    let said = found.expect_err("it breaks on many inputs");
    let said = said.downcast_ref::<String>().expect("a text");
    assert!(
        said.contains("control, a changed seed") && said.contains("2526"),
        "{said}"
    );
}
