//! Tags and tokens are compared in constant time and nowhere else (PAY-20): read out of the source, so that a shortcut that no
//! other test can see still fails here. How long the comparisons take is measured by `benches/timing.rs`.

use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use kessai::sign::{MacVerifier, SigningKeys};
use kessai::{ApiKey, CheckpointKey, ReturnToken, SharedToken, SigningKey};

/// Names of what an outsider could guess byte by byte. A digest of what is no secret is none of them.
const GUESSABLE: [&str; 20] = [
    "hash",
    "hash_of",
    "hashcode",
    "hmac",
    "mac",
    "password",
    "return_token",
    "secret",
    "shop_pass",
    "signature",
    "signatures",
    "signing_key",
    "sps_hashcode",
    "state",
    "tag",
    "tags",
    "token",
    "tokens",
    "expose",
    "into_tag",
];

/// Where a comparison may be, and what it is called in the measurement.
const PLACES: [(&str, &[&str]); 5] = [
    ("ledger/checkpoint.rs", &["Checkpoint::read"]),
    ("reference.rs", &["ReturnToken::matches"]),
    ("secret.rs", &["SharedToken::matches"]),
    (
        "sign/key_last.rs",
        &[
            "SigningKeys::verify_joined, SHA-1",
            "SB Payment Service, a notification",
            "GMO-PG, a return",
        ],
    ),
    (
        "sign/mac.rs",
        &[
            "SigningKeys::verify, HMAC-SHA-256",
            "SigningKeys::verify, HMAC-SHA-512",
            "Stripe, a notification",
            "KOMOJU, a notification",
        ],
    ),
];

/// What a store can set at its gateways, its desk, its intake, its keys and its client: each was looked at, and none of them turns a
/// check off (PAY-54). A new one fails here until somebody has looked at it too.
const SETTINGS: &[(&str, &str)] = &[
    ("callback", "with_peer"),
    (
        "cashier/mod",
        "ask_budget ask_times checkout_limits clock gateway security_policy security_sink shared_gateway",
    ),
    (
        "gateways/gmopg/config",
        "endpoint link method methods pages partial_refunds retry sources transport",
    ),
    (
        "gateways/komoju/config",
        "account endpoint methods pages retry transport version",
    ),
    // `notifications_settle` is a choice of what settles and not of what is checked: a forged notification is refused in both.
    (
        "gateways/sbps/config",
        "api api_endpoint api_user capture details form_url item_id item_name methods notifications_settle partial_refunds retry transport",
    ),
    // `tolerance` has a bound, and none can be left out.
    (
        "gateways/stripe/config",
        "account endpoint methods pages retry tolerance transport version",
    ),
    ("integrations/axum", "clock deadline limits"),
    ("sign/mac", "and and_until"),
    // A further root is trusted beside the others, for a proxy of the store's own; names and dates are checked all the same.
    (
        "transport/reqwest/build",
        "add_root_certificate connect_timeout pool_idle user_agent_suffix",
    ),
];

/// What a switch of that kind would be called.
const OFF: [&str; 22] = [
    "accept_any",
    "allow",
    "assume",
    "blind",
    "bypass",
    "danger",
    "disable",
    "enable",
    "force",
    "ignore",
    "insecure",
    "invalid",
    "lenient",
    "off",
    "relax",
    "relaxed",
    "skip",
    "trusting",
    "unchecked",
    "unverified",
    "weak",
    "without_check",
];

#[test]
fn no_public_function_turns_a_check_off() {
    let mut settings = std::collections::BTreeMap::new();
    let mut seen = 0;
    for (file, text) in sources() {
        let file = file.trim_end_matches(".rs");
        for (at, _) in text.match_indices("pub ") {
            let item = text[at + 4..].trim_start_matches("const ").trim_start_matches("async ");
            let Some(name) = item.strip_prefix("fn ") else { continue };
            let end = name
                .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .unwrap();
            let (name, rest) = name.split_at(end);
            seen += 1;
            let off = OFF.iter().find(|word| {
                let name = format!("_{name}_");
                name.contains(&format!("_{word}_"))
            });
            assert_eq!(off, None, "{file}: {name}");
            let arguments = rest.split_once('(').unwrap().1.trim_start();
            if arguments.starts_with("mut self") || arguments.starts_with("self,") {
                let names: &mut std::collections::BTreeSet<String> = settings.entry(file.to_owned()).or_default();
                names.insert(name.to_owned());
            }
        }
        // Nor does the environment, in a library that reads none.
        let reads = ["env::var", "option_env!", "debug_assertions"];
        let tests_only = file.starts_with("mock/") || file.starts_with("conformance/");
        assert!(
            tests_only || !reads.iter().any(|read| text.contains(read)),
            "{file} asks its surroundings"
        );
    }
    assert!(seen > 300, "{seen} public functions");
    for (file, known) in SETTINGS {
        let found: Vec<&str> = settings.get(*file).into_iter().flatten().map(String::as_str).collect();
        assert_eq!(found.join(" "), *known, "{file}");
    }
    let configured = settings
        .keys()
        .filter(|file| file.ends_with("/config") && file.starts_with("gateways/"));
    for file in configured {
        assert!(
            SETTINGS.iter().any(|(known, _)| known == file),
            "{file} has settings that nobody looked at"
        );
    }
}

#[test]
fn no_tag_and_no_token_is_compared_with_an_operator() {
    let mut lines = 0;
    for (file, text) in sources() {
        // For tests: one plays the gateway on this machine, the other looks for secrets in what is printed.
        if file.starts_with("mock/") || file.starts_with("conformance/") {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            lines += 1;
            assert_eq!(shortcut(line), None, "src/{file}:{}: {line}", number + 1);
        }
        assert_eq!(derived(&text), None, "src/{file}");
    }
    assert!(lines > 10_000, "only {lines} lines were read");
}

#[test]
fn the_reading_sees_every_kind_of_shortcut() {
    for line in [
        "if tag == made {",
        "if made != *tag {",
        "if &self.tag[..] == made.as_slice() {",
        "found.tags.iter().any(|tag| tag == made)",
        "if signature.as_bytes() == made {",
        "given == hash_of(text, key)",
        "hash.eq(made)",
        "made.cmp(&tag)",
        "text.starts_with(token)",
        "memcmp(tag, made); tag.starts_with(made)",
        "assert_eq!(x, y) && hmac == y",
        "if self.return_token.as_str() == candidate {",
        "self.secret.expose() == candidate",
    ] {
        assert!(shortcut(line).is_some(), "{line}");
    }
    for line in [
        "if hash.len() == 64 {",
        "if 2 * TAG != header.len() {",
        "let tag = made; // tag == made",
        "if count == 0 { tag }",
        "/// `tag == made`",
        "if tags.is_empty() == true {",
        "if stage == Stage::Open {",
        "x = \"tag == made\";",
    ] {
        assert_eq!(shortcut(line), None, "{line}");
    }
    for text in [
        "#[derive(Clone, PartialEq)]\npub struct Sent {\n    pub tag: [u8; 32],\n}\n",
        "#[derive(PartialEq)]\nstruct Sent {\n    at: u64,\n    token: String,\n}\n",
    ] {
        assert!(derived(text).is_some(), "{text}");
    }
    assert_eq!(
        derived("#[derive(PartialEq)]\nstruct Sent {\n    at: u64,\n}\nstruct Tag {\n    tag: u8,\n}\n"),
        None
    );
}

#[test]
fn every_place_that_compares_is_known_and_measured() {
    let measured = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/timing.rs")).unwrap();
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| {
            text.lines()
                .map(code)
                .any(|line| line.contains(".ct_eq(") || line.contains("verify_slice("))
        })
        .map(|(file, _)| file)
        .filter(|file| !file.starts_with("mock/"))
        .collect();
    assert_eq!(found, PLACES.map(|(file, _)| file));
    for (file, names) in PLACES {
        for name in names {
            assert!(
                measured.contains(&format!("\"{name}\"")),
                "{name} of src/{file} is not measured"
            );
        }
    }
}

#[test]
fn what_holds_a_secret_has_no_operators() {
    assert!(Probe::<String>::new().comparable() && Probe::<String>::new().prints());
    assert!(!(&Probe::<SigningKey>::new()).comparable());
    assert!(!(&Probe::<ApiKey>::new()).comparable());
    assert!(!(&Probe::<CheckpointKey>::new()).comparable());
    assert!(!(&Probe::<SharedToken>::new()).comparable());
    assert!(!(&Probe::<ReturnToken>::new()).comparable());
    assert!(!(&Probe::<SigningKeys>::new()).comparable());
    assert!(!(&Probe::<MacVerifier>::new()).comparable());
    assert!(!(&Probe::<SigningKey>::new()).prints());
    assert!(!(&Probe::<ApiKey>::new()).prints());
    assert!(!(&Probe::<CheckpointKey>::new()).prints());
    assert!(!(&Probe::<SharedToken>::new()).prints());
    assert!(!(&Probe::<ReturnToken>::new()).prints());
}

/// Says whether a type has a trait: a method of its own is found before one of a trait on the reference to it.
struct Probe<T>(PhantomData<T>);

impl<T> Probe<T> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: PartialEq> Probe<T> {
    #[allow(clippy::unused_self, reason = "which method is found is the answer")]
    fn comparable(&self) -> bool {
        true
    }
}

impl<T: fmt::Display> Probe<T> {
    #[allow(clippy::unused_self, reason = "which method is found is the answer")]
    fn prints(&self) -> bool {
        true
    }
}

trait Otherwise {
    fn comparable(&self) -> bool {
        false
    }
    fn prints(&self) -> bool {
        false
    }
}

impl<T> Otherwise for &Probe<T> {}

/// Every source file up to its unit tests, with its path under `src`, in order.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                let text = fs::read_to_string(&path).unwrap();
                if name.ends_with("tests.rs") || name == "sign/wycheproof.rs" {
                    continue;
                }
                let before_tests = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                found.push((name, before_tests.to_owned()));
            }
        }
    }
    found.sort();
    found
}

/// The line without its comment and without what stands in quotes.
fn code(line: &str) -> String {
    let line = line.split("//").next().unwrap_or_default();
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

/// The guessable name that an operator, or a method that stops early, is used on.
fn shortcut(line: &str) -> Option<String> {
    let code = code(line);
    for operator in [
        " == ",
        " != ",
        ".eq(",
        ".ne(",
        ".cmp(",
        ".starts_with(",
        ".ends_with(",
        ".contains(",
    ] {
        for (at, _) in code.match_indices(operator) {
            let left = code[..at]
                .rsplit(|c: char| c.is_whitespace() || matches!(c, '{' | '|' | '!' | ','))
                .next();
            let right = code[at + operator.len()..]
                .split(|c: char| c.is_whitespace() || matches!(c, '{' | '|' | ','))
                .next();
            for side in [left, right].into_iter().flatten() {
                if let Some(name) = guessable(side) {
                    return Some(name.to_owned());
                }
            }
        }
    }
    None
}

/// A length or an emptiness says nothing of the bytes.
fn guessable(expression: &str) -> Option<&str> {
    let plain = [".len()", ".is_empty()", ".is_some()", ".is_none()", ".count()"];
    if plain
        .iter()
        .any(|end| expression.trim_end_matches(')').ends_with(end.trim_end_matches(')')))
    {
        return None;
    }
    let mut words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.find(|word| GUESSABLE.contains(word))
}

/// The guessable field of a struct whose comparison is derived.
fn derived(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find("#[derive(") {
        rest = &rest[at + 9..];
        let (traits, after) = rest.split_once(')')?;
        if traits.split(", ").any(|one| one == "PartialEq") {
            let body = after.split("\n}").next().unwrap_or_default();
            // The next item begins where another derive does.
            let body = body.split("#[derive(").next().unwrap_or_default();
            let fields = body
                .lines()
                .filter_map(|line| line.trim().split_once(": ").map(|(name, _)| name));
            for field in fields {
                let name = field.rsplit(' ').next().unwrap_or_default();
                if GUESSABLE.contains(&name) && !field.starts_with("//") {
                    return Some(name.to_owned());
                }
            }
        }
    }
    None
}
