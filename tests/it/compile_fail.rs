//! What must not compile: the compiler refuses to hand the ledger anything unproven, to print a secret, and to mix up what
//! looks alike.
//!
//! Each case is a file in `tests/ui`. A line that ends in `//~ E0451` must be refused with that code, and nothing else in
//! the file may be: a case cannot pass because of a slip somewhere else in it. The compiler is asked itself, with the library
//! that this program was built with, so that a case takes a moment and nothing is built a second time.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Line and code, as they are marked or as the compiler reports them.
type Refusals = BTreeSet<(u64, String)>;

#[test]
fn nothing_unproven_compiles() {
    let library = library();
    let mut disagreements = String::new();
    let mut cases = 0;
    let mut lines = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (wanted, got) = (marked(&text), refused(&path, &library));
        if wanted.is_empty() || wanted != got {
            let _ = writeln!(disagreements, "{}: marked {wanted:?}, refused {got:?}", path.display());
        }
        cases += 1;
        lines += wanted.len();
    }
    assert!(disagreements.is_empty(), "{disagreements}");
    assert!(cases >= 19 && lines >= 40, "{cases} cases with {lines} lines ran");
}

#[test]
fn every_case_compiles_without_the_lines_that_must_not() {
    let library = library();
    let copies = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let kept: Vec<&str> = text
            .lines()
            .map(|line| match line.split_once("//~") {
                // A signature that must not compile goes with its body; a statement becomes one that does.
                Some((code, _)) if code.starts_with("fn ") => "",
                Some((code, _)) if code.trim_end().ends_with(';') => "    unreachable!();",
                Some(_) => "    unreachable!()",
                None => line,
            })
            .collect();
        let copy = copies.path().join(path.file_name().unwrap());
        fs::write(&copy, kept.join("\n")).unwrap();
        assert_eq!(refused(&copy, &library), Refusals::new(), "{}", path.display());
    }
}

#[test]
fn the_reader_of_refusals_sees_one_where_there_is_one() {
    let library = library();
    let folder = tempfile::tempdir().unwrap();
    let case = folder.path().join("case.rs");
    let check = |text: &str| {
        fs::write(&case, text).unwrap();
        refused(&case, &library)
    };
    assert_eq!(check("fn main() { let _ = kessai::Currency::JPY; }"), Refusals::new());
    assert_eq!(
        check("fn main() {\n    let _: u8 = kessai::Currency::JPY;\n}"),
        BTreeSet::from([(2, "E0308".to_owned())])
    );
    assert_eq!(check("fn main() {").len(), 1, "an error without a code is one too");
    assert_eq!(marked("a\nb //~ E0308\n"), BTreeSet::from([(2, "E0308".to_owned())]));
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ui"))
}

fn marked(text: &str) -> Refusals {
    let lines = (1..).zip(text.lines());
    lines
        .filter_map(|(number, line)| Some((number, line.split_once("//~")?.1)))
        .flat_map(|(number, codes)| codes.split_whitespace().map(move |code| (number, code.to_owned())))
        .collect()
}

/// What the compiler refuses in a file.
fn refused(case: &Path, library: &Path) -> Refusals {
    let out = tempfile::tempdir().unwrap();
    let output = compiler()
        .args([
            "--edition",
            "2024",
            "--emit",
            "metadata",
            "--error-format",
            "json",
            "--cap-lints",
            "allow",
        ])
        .arg("--out-dir")
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", library.parent().unwrap().display()))
        .arg("--extern")
        .arg(format!("kessai={}", library.display()))
        .arg(case)
        .output()
        .expect("the compiler runs");
    let text = String::from_utf8(output.stderr).unwrap();
    let mut refusals = Refusals::new();
    for line in text.lines() {
        let said: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("the compiler said: {line}"));
        let spans = said["spans"].as_array().unwrap();
        // The last line of an error is a summary without a place.
        if said["level"] == "error" && !spans.is_empty() {
            let primary = spans.iter().find(|span| span["is_primary"] == true).unwrap();
            let code = said["code"]["code"].as_str().unwrap_or("none");
            refusals.insert((primary["line_start"].as_u64().unwrap(), code.to_owned()));
        } else if said["code"].is_object() {
            panic!("an error without a place: {}", said["message"]);
        }
    }
    assert_eq!(
        refusals.is_empty(),
        output.status.success(),
        "{}: {text}",
        case.display()
    );
    refusals
}

/// The compiler that cargo was started with.
fn compiler() -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// The library beside this program: the newest one that has all features and is of this compiler.
fn library() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let mut candidates: Vec<_> = fs::read_dir(program.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("libkessai-")
                && Path::new(&name)
                    .extension()
                    .is_some_and(|extension| extension == "rlib")
        })
        .map(|entry| (entry.metadata().unwrap().modified().unwrap(), entry.path()))
        .collect();
    candidates.sort();
    let folder = tempfile::tempdir().unwrap();
    let probe = folder.path().join("probe.rs");
    fs::write(
        &probe,
        "use kessai::{conformance as _, gateways::stripe as _, ledgers::SqliteLedger as _};\nfn main() {}\n",
    )
    .unwrap();
    let found = candidates
        .into_iter()
        .rev()
        .map(|(_, path)| path)
        .find(|path| refused(&probe, path).is_empty());
    found.expect("the library is beside the program that was linked with it")
}

/// Traits through which a proof could be made, or a secret could get out, and that are not there. Where one of them is, the
/// compiler no longer knows which of two is meant, and this file does not compile.
mod not_implemented {
    use kessai::ledger::{Contradiction, News, Rejected};
    use kessai::{
        Accepted, ApiKey, Judgement, Money, Notification, PaymentEvent, Received, RedirectUrl, ReturnToken,
        SharedToken, SigningKey, Verified,
    };
    use serde::{Serialize, de::DeserializeOwned};

    macro_rules! without {
        ($($type:ty: $($bound:path),+;)+) => {$($(
            const _: fn() = || {
                trait Ambiguous<A> {
                    fn item() {}
                }
                struct Implemented;
                impl<T: ?Sized> Ambiguous<()> for T {}
                impl<T: $bound> Ambiguous<Implemented> for T {}
                let _ = <$type as Ambiguous<_>>::item;
            };
        )+)+};
    }

    without! {
        Verified<PaymentEvent>: Default, From<PaymentEvent>, DeserializeOwned, std::ops::DerefMut, AsMut<PaymentEvent>;
        Verified<Notification>: Default, From<Notification>, DeserializeOwned, std::ops::DerefMut, AsMut<Notification>;
        Accepted: Default, From<PaymentEvent>, From<Verified<PaymentEvent>>, From<News>, From<Contradiction>, From<Rejected>, DeserializeOwned;
        Judgement: Default, From<PaymentEvent>, From<Verified<PaymentEvent>>, From<Received>, DeserializeOwned;
        Received: Default, From<PaymentEvent>, From<Notification>, DeserializeOwned;
        Money: Default, From<u64>, From<f64>, std::ops::Add, std::ops::Mul, PartialOrd;
        RedirectUrl: Default, From<String>, std::str::FromStr, std::fmt::Display, Serialize, DeserializeOwned;
        ReturnToken: Default, std::fmt::Display, PartialEq, From<String>;
        SigningKey: Default, Copy, std::fmt::Display, PartialEq, std::hash::Hash, Serialize, DeserializeOwned, AsRef<str>, AsRef<[u8]>, std::ops::Deref, Into<String>;
        ApiKey: Default, Copy, std::fmt::Display, PartialEq, std::hash::Hash, Serialize, DeserializeOwned, AsRef<str>, AsRef<[u8]>, std::ops::Deref, Into<String>;
        SharedToken: Default, Copy, std::fmt::Display, PartialEq, std::hash::Hash, Serialize, DeserializeOwned, AsRef<str>, AsRef<[u8]>, std::ops::Deref, Into<String>;
    }
}
