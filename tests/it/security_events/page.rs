//! The page of the handbook and the table of events say the same, and the rules on the page use names that exist.

use std::collections::{BTreeMap, BTreeSet};

use kessai::security_event::{
    EVENTS, EventKind, Reason, SAMPLED_PER_MINUTE, SecurityEvent, SecurityPolicy, Severity, TestingPolicy, UnusedPolicy,
};

use super::MINUTE;

const PAGE: &str = include_str!("../../../src/guide/security_events.md");

/// The names, fields and reasons of version 1. A change of what is here breaks rules of stores: raise the version, or do not.
const VERSION_1: &str = include_str!("version_1.txt");

fn row(kind: &EventKind) -> String {
    let reasons: Vec<_> = kind.reasons.iter().map(|reason| reason.as_str()).collect();
    format!(
        "{} | {} | {} | {} | {} | {}",
        kind.name,
        kind.severity,
        kind.outcome,
        kind.pay.join(" "),
        kind.fields.join(" "),
        reasons.join(" ")
    )
}

#[test]
fn names_fields_and_reasons_are_those_of_the_version() {
    assert_eq!(SecurityEvent::VERSION, 1);
    let rows: Vec<_> = EVENTS.iter().map(row).map(|row| row.trim_end().to_owned()).collect();
    let known: Vec<_> = VERSION_1.lines().collect();
    assert_eq!(rows, known, "\n{}\n", rows.join("\n"));
}

#[test]
fn every_word_is_one_that_monitoring_systems_know() {
    // Elastic Common Schema 8.17, allowed values of `event.category` and `event.type`.
    let categories = [
        "api",
        "authentication",
        "configuration",
        "database",
        "driver",
        "email",
        "file",
        "host",
        "iam",
        "intrusion_detection",
        "library",
        "malware",
        "network",
        "package",
        "process",
        "registry",
        "session",
        "threat",
        "vulnerability",
        "web",
    ];
    let types = [
        "access",
        "admin",
        "allowed",
        "change",
        "connection",
        "creation",
        "deletion",
        "denied",
        "end",
        "error",
        "group",
        "indicator",
        "info",
        "installation",
        "protocol",
        "start",
        "user",
    ];
    // OWASP's logging vocabulary, those that are used.
    let owasp = [
        "authz_admin",
        "excess_rate_limit_exceeded",
        "input_validation_fail",
        "input_validation_discrete_fail",
        "malicious_direct_reference",
        "malicious_extraneous",
        "sensitive_update",
        "sequence_fail",
        "sys_monitor_disabled",
        "sys_monitor_enabled",
        "sys_startup",
    ];
    for kind in EVENTS {
        assert!(
            !kind.category.is_empty() && kind.category.iter().all(|word| categories.contains(word)),
            "{}",
            kind.name
        );
        assert!(
            !kind.types.is_empty() && kind.types.iter().all(|word| types.contains(word)),
            "{}",
            kind.name
        );
        assert!(kind.owasp.is_none_or(|word| owasp.contains(&word)), "{}", kind.name);
        for pay in kind.pay {
            let number: u8 = pay.strip_prefix("PAY-").unwrap().parse().unwrap();
            assert!((1..=70).contains(&number), "{}", kind.name);
        }
        let plain = |byte: u8| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_');
        assert!(
            kind.name.starts_with("payment.") && kind.name.bytes().all(plain),
            "{}",
            kind.name
        );
    }
}

/// Name to text, of each section about an event.
fn sections() -> BTreeMap<&'static str, String> {
    let events = PAGE
        .split("## The events\n")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let mut sections = BTreeMap::new();
    for section in events.split("### `").skip(1) {
        let (name, text) = section.split_once("`\n").unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(sections.insert(name, text).is_none(), "{name} is there twice");
    }
    sections
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[test]
fn the_page_says_of_every_event_what_the_table_says_and_of_no_other() {
    let sections = sections();
    let names: BTreeSet<_> = EVENTS.iter().map(|kind| kind.name).collect();
    assert_eq!(sections.keys().copied().collect::<BTreeSet<_>>(), names);
    for kind in EVENTS {
        let text = &sections[kind.name];
        let sampled = if kind.sampled { ", sampled" } else { "" };
        let fields = if kind.fields.is_empty() {
            "none".to_owned()
        } else {
            quoted(kind.fields)
        };
        let mut lines = vec![
            format!(
                "- {}, {}, {}{sampled} -",
                kind.severity,
                kind.outcome,
                kind.pay.join(", ")
            ),
            format!(
                "- OWASP: {} -",
                kind.owasp.map_or("no word".to_owned(), |word| format!("`{word}`"))
            ),
            format!("- ECS: {} / {} -", quoted(kind.category), quoted(kind.types)),
            format!("- Fields: {fields} "),
        ];
        let reasons: Vec<_> = kind.reasons.iter().map(|reason| reason.as_str()).collect();
        if reasons.is_empty() {
            assert!(!text.contains("Reasons:"), "{}", kind.name);
        } else {
            lines.push(format!("- Reasons: {} What", quoted(&reasons)));
        }
        for line in lines {
            assert!(text.contains(&line), "{}: not on the page: {line}\n{text}", kind.name);
        }
        let (meaning, _) = text.split_once(" - ").unwrap();
        let (_, action) = text.split_once("What to do: ").unwrap();
        assert!(meaning.len() > 20 && action.len() > 20, "{}", kind.name);
    }
}

#[test]
fn the_numbers_on_the_page_are_those_of_the_code() {
    assert_eq!(SAMPLED_PER_MINUTE, 5);
    assert!(PAGE.contains("place and reason five are told in each minute"));
    let refusals = EVENTS
        .iter()
        .find(|kind| kind.name == "payment.callback.refused")
        .unwrap();
    let most = u64::try_from(refusals.reasons.len()).unwrap() * (SAMPLED_PER_MINUTE + 1);
    assert!(
        PAGE.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains(&format!("at most {most} events a minute"))
    );
    for severity in Severity::ALL {
        assert!(
            PAGE.contains(&format!("{} {severity}", severity.as_number())),
            "{severity}"
        );
    }
}

#[test]
fn the_defaults_on_the_page_are_those_of_the_code() {
    let policy = SecurityPolicy::default();
    assert_eq!(policy.heartbeat, 5 * MINUTE);
    let testing = TestingPolicy::default().window(10 * MINUTE).declined(20, 50);
    assert_eq!(policy.testing, testing.same_amount(10).same_customer(10));
    assert_eq!(
        policy.unused,
        UnusedPolicy::default().window(60 * MINUTE).unused(50, 90)
    );
    for told in [
        "within ten minutes at least 20 declined, and half",
        "within an hour at least 50 expired",
    ] {
        assert!(PAGE.contains(told), "{told}");
    }
}

/// Lines of a block as (depth, key, value); an entry of a list has no key. A small part of YAML, and all that the rules need.
fn read(block: &str) -> Vec<(usize, &str, &str)> {
    block
        .lines()
        .map(|line| {
            let text = line.trim_start();
            let depth = line.len() - text.len();
            assert!(depth % 4 == 0 && !line.contains('\t'), "{line}");
            if let Some(entry) = text.strip_prefix("- ") {
                return (depth, "", entry);
            }
            let (key, value) = text.split_once(':').unwrap_or_else(|| panic!("{line}"));
            assert!(value.is_empty() || value.starts_with(' '), "{line}");
            assert!(!value.contains(": ") && !value.contains('#'), "{line}");
            (depth, key, value.trim())
        })
        .collect()
}

fn field_exists(name: &str) -> bool {
    let nested = ["gateway", "account", "attempt", "order"];
    let known = name.strip_prefix("kessai.").is_some_and(|name| {
        nested.contains(&name) || EVENTS.iter().any(|kind| kind.fields.contains(&name)) || name == "severity"
    });
    known || ["event.action", "event.reason", "event.code", "event.severity"].contains(&name)
}

#[test]
fn the_rules_use_names_and_reasons_that_exist() {
    let blocks: Vec<_> = PAGE
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 6, "{}", blocks.len());
    let (mut ids, mut names, mut actions) = (BTreeSet::new(), BTreeSet::new(), 0);
    for block in blocks {
        let lines = read(block);
        let top = |wanted: &str| {
            lines
                .iter()
                .find(|(depth, key, _)| *depth == 0 && *key == wanted)
                .map(|(_, _, value)| *value)
        };
        for needed in ["title", "id", "description", "level"] {
            assert!(top(needed).is_some_and(|value| !value.is_empty()), "{needed}\n{block}");
        }
        assert!(
            Severity::ALL.iter().any(|level| Some(level.as_str()) == top("level")),
            "{block}"
        );
        let id = top("id").unwrap();
        assert!(id.len() == 36 && ids.insert(id), "{id}");
        names.extend(top("name"));
        assert!(top("detection").is_some() != top("correlation").is_some(), "{block}");
        // Each action with the reasons beside it.
        let (mut list, mut chosen, mut reasons): (_, Vec<&str>, Vec<&str>) = ("", Vec::new(), Vec::new());
        let mut selections = Vec::new();
        let mut inside = false;
        for (depth, key, value) in &lines {
            if *depth == 0 {
                inside = *key == "detection";
            }
            if inside && *depth == 4 && value.is_empty() {
                selections.push(*key);
                check(&chosen, &reasons, block);
                (chosen, reasons) = (Vec::new(), Vec::new());
            }
            if inside && *depth == 8 {
                assert!(field_exists(key), "{key}\n{block}");
                list = key;
            }
            if inside && *depth >= 8 && !value.is_empty() {
                match list {
                    "event.action" => chosen.push(value),
                    "event.reason" => reasons.push(value),
                    _ => {}
                }
            }
            if inside && *key == "condition" {
                let selected = value.split(' ').filter(|word| !["or", "and", "not"].contains(word));
                assert_eq!(selected.collect::<Vec<_>>(), selections, "{block}");
                actions += 1;
            }
            if key.is_empty() && list == "rules" {
                assert!(names.contains(value), "{value} names no rule above it");
            }
            if *depth == 4 {
                list = key;
            }
        }
        check(&chosen, &reasons, block);
    }
    assert!(actions >= 5, "{actions} rules detect something");
}

fn check(actions: &[&str], reasons: &[&str], block: &str) {
    let kinds: Vec<_> = actions
        .iter()
        .map(|action| {
            EVENTS
                .iter()
                .find(|kind| kind.name == *action)
                .unwrap_or_else(|| panic!("{action}\n{block}"))
        })
        .collect();
    for reason in reasons {
        let known = |kind: &&EventKind| kind.reasons.iter().any(|known: &Reason| known.as_str() == *reason);
        assert!(kinds.iter().any(known), "{reason} is a reason of none of {actions:?}");
    }
}

#[test]
fn the_page_is_no_wider_than_the_others() {
    for line in PAGE.lines() {
        assert!(line.chars().count() <= 130, "{line}");
    }
}
