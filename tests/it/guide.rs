//! The handbook names tests and files; each of them exists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const THREATS: &str = include_str!("../../src/guide/threats.md");

const PAGES: [(&str, &str); 3] = [
    ("src/guide/peers.md", include_str!("../../src/guide/peers.md")),
    ("src/guide/threats.md", THREATS),
    ("README.md", include_str!("../../README.md")),
];

/// What is written in backticks inside tables and lists.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.lines()
        .filter(|line| line.starts_with('|') || line.starts_with('-'))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn functions(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| {
            line.trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("async ")
                .strip_prefix("fn ")
        })
        .filter_map(|rest| rest.split(['(', '<']).next())
        .collect()
}

#[test]
fn every_test_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = BTreeMap::new();
    let (mut found, mut missing) = (0, Vec::new());
    for (page, text) in PAGES {
        for word in quoted(text) {
            let Some((file, name)) = word.rsplit_once("::").filter(|(_, name)| name.contains('_')) else {
                continue;
            };
            let file = &file.replace("::", "/");
            let path = if file.starts_with("src/") {
                file.clone()
            } else if file.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '/')) {
                format!("tests/it/{file}.rs")
            } else {
                continue;
            };
            let source: &String = sources
                .entry(path.clone())
                .or_insert_with(|| fs::read_to_string(root.join(&path)).unwrap_or_default());
            // A page also names functions of the crate, such as `stripe::signature_header`.
            let is_test = functions(source).contains(&name) || is_public_function(root, file, name);
            if is_test {
                found += 1;
            } else {
                missing.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
    assert!(found > 60, "only {found} names were looked up");
}

fn is_public_function(root: &Path, module: &str, name: &str) -> bool {
    let folder = root.join("src/gateways").join(module);
    let Ok(files) = fs::read_dir(folder) else { return false };
    files
        .flatten()
        .any(|file| fs::read_to_string(file.path()).is_ok_and(|text| text.contains(&format!("pub fn {name}("))))
}

#[test]
fn the_threat_model_has_every_attack_of_the_catalogue_once_each_with_a_test() {
    let rows: Vec<&str> = THREATS.lines().filter(|line| line.starts_with("| PAY-")).collect();
    assert_eq!(rows.len(), 70);
    for (number, row) in (1..).zip(rows) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, stopped, shown] = cells[..] else {
            panic!("{row}")
        };
        assert_eq!(id, format!("PAY-{number:02}"));
        assert!(stopped.len() > 15, "{row}");
        assert!(shown.contains("::"), "{row}");
    }
}

#[test]
fn every_file_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    let mut found = 0;
    for (page, text) in PAGES {
        for word in quoted(text) {
            let file = word.split("::").next().unwrap();
            let of_ours = ["src/", "tests/", "examples/", "benches/", ".ci/"];
            if !of_ours.iter().any(|start| file.starts_with(start)) || file.contains(['*', ' ']) {
                continue;
            }
            found += 1;
            if !root.join(file).exists() {
                missing.push(format!("{page}: {word}"));
            }
        }
    }
    // A bare word in the last column is a whole file of tests.
    for line in PAGES[0].1.lines().filter(|line| line.starts_with("| ")) {
        let last = line.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        for word in last.split('`').skip(1).step_by(2) {
            let bare = word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            if bare && last.starts_with('`') {
                found += 1;
                let is_there =
                    root.join(format!("tests/it/{word}.rs")).exists() || root.join("src").join(word).exists();
                if !is_there {
                    missing.push(format!("{}: {word}", PAGES[0].0));
                }
            }
        }
    }
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
    assert!(found > 60, "only {found} files were looked up");
}

/// Names of security events have three words.
#[test]
fn every_security_event_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = fs::read_to_string(root.join("src/security_event/event.rs")).unwrap();
    let pages = fs::read_dir(root.join("src/guide"))
        .unwrap()
        .flatten()
        .map(|file| file.path());
    let mut missing = Vec::new();
    let mut found = 0;
    for page in pages.chain([root.join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            if !word.starts_with("payment.") || word.split('.').count() != 3 || word.contains([' ', '*', '\n']) {
                continue;
            }
            found += 1;
            if !known.contains(&format!("\"{word}\"")) {
                missing.push(format!("{}: {word}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "named and not there:\n{}", missing.join("\n"));
    assert!(found > 30, "only {found} names were looked up");
}
