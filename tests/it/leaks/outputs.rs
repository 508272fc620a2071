//! Everything that comes out, and the search through it; and what shows that the search finds what is there.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error as StdError;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::support::forms::{Finder, forms};

/// What came out, by the way it came.
#[derive(Default)]
pub struct Outputs(BTreeMap<&'static str, Vec<u8>>);

impl Outputs {
    pub fn bytes(&mut self, way: &'static str, bytes: impl AsRef<[u8]>) {
        let all = self.0.entry(way).or_default();
        all.extend_from_slice(bytes.as_ref());
        // Nothing is found across the border of two texts.
        all.push(0);
    }

    pub fn debug(&mut self, value: &impl Debug) {
        self.bytes("debug", format!("{value:?}"));
        self.bytes("debug, on many lines", format!("{value:#?}"));
    }

    /// With all its causes. What an `unwrap` panics with is its `Debug` text (`redaction` holds that).
    pub fn error(&mut self, error: &(dyn StdError + 'static)) {
        self.debug(&error);
        let mut next = Some(error);
        while let Some(error) = next {
            self.bytes("display of errors and their causes", error.to_string());
            next = error.source();
        }
    }

    /// The body is looked at by itself: a page that the browser posts on holds what has to be posted.
    pub fn reply(&mut self, reply: &http::Response<bytes::Bytes>) {
        for (name, value) in reply.headers() {
            self.bytes("headers of replies", name);
            self.bytes("headers of replies", value);
        }
        self.bytes("bodies of replies", reply.body());
    }

    /// Every file below a folder.
    pub fn folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.folder(&path);
            } else {
                self.bytes("files of the ledger", std::fs::read(path).unwrap());
            }
        }
    }

    /// Where which of the values shows, in any form.
    pub fn showing<'a>(&self, values: &[&'a str]) -> BTreeSet<(&'static str, &'a str)> {
        let finder = Finder::new(values.iter().copied()).unwrap();
        let found = self.0.iter().flat_map(|(way, bytes)| {
            finder
                .find(bytes)
                .map(|value| (*way, values[value]))
                .collect::<Vec<_>>()
        });
        found.collect()
    }

    pub fn show_none_of(&self, values: &[&str]) {
        assert!(self.0.values().any(|bytes| bytes.len() > 1), "nothing came out");
        let shown = self.showing(values);
        let near = |way: &str, value: &str| {
            let finder = Finder::new([value]).unwrap();
            let texts = self.0[way].split(|byte| *byte == 0);
            let mut texts = texts.filter(|text| finder.find(text).next().is_some());
            String::from_utf8_lossy(texts.next().unwrap_or_default())
                .chars()
                .take(1500)
                .collect::<String>()
        };
        let told: Vec<_> = shown
            .iter()
            .map(|(way, value)| format!("{way}: {value}\n  {}", near(way, value)))
            .collect();
        assert!(shown.is_empty(), "{}", told.join("\n"));
    }
}

#[test]
fn the_search_finds_a_value_in_every_form_at_every_offset_and_in_every_way_out() {
    let ways = [
        "debug",
        "the log",
        "events",
        "files of the ledger",
        "reports",
        "bodies of replies",
    ];
    for value in ["sk_test_Canary9+/=Api", "4242424242424242", "Canary9"] {
        for form in forms(value) {
            for way in ways {
                for before in ["", "x", "xy", "\u{0}", "日本"] {
                    let mut outputs = Outputs::default();
                    for other in ways {
                        outputs.bytes(other, "nothing");
                    }
                    assert!(outputs.showing(&[value]).is_empty());
                    outputs.bytes(way, format!("{before}{form}{before}"));
                    assert_eq!(
                        outputs.showing(&[value, "another"]),
                        BTreeSet::from([(way, value)]),
                        "{form}"
                    );
                    assert!(catch_unwind(AssertUnwindSafe(|| outputs.show_none_of(&[value]))).is_err());
                }
            }
        }
    }
}

#[test]
fn the_search_finds_what_others_encoded() {
    use base64ct::Encoding as _;

    let value = "whsec_Canary9/Signing+5b2c";
    for before in ["", "a", "ab", "abc", "user:", "日本語"] {
        let text = format!("{before}{value}, and more");
        let bytes = text.as_bytes();
        let encoded = [
            base64ct::Base64::encode_string(bytes),
            base64ct::Base64Url::encode_string(bytes),
            base64ct::Base64Unpadded::encode_string(bytes),
            base16ct::lower::encode_string(bytes),
            base16ct::upper::encode_string(bytes),
            format!("{bytes:?}"),
            format!("{text:?}"),
            url::form_urlencoded::byte_serialize(value.replace(['/', '+'], "").as_bytes()).collect(),
        ];
        let plain = value.replace(['/', '+'], "");
        for text in encoded {
            let mut outputs = Outputs::default();
            outputs.bytes("debug", &text);
            assert!(!outputs.showing(&[value, &plain]).is_empty(), "{text}");
            assert!(outputs.showing(&["whsec_Canary9/Signing+5xyz"]).is_empty(), "{text}");
        }
    }
    // Nothing is found that is not there, and nothing across two texts.
    let mut outputs = Outputs::default();
    outputs.bytes("debug", &value[..10]);
    outputs.bytes("debug", &value[10..]);
    assert!(outputs.showing(&[value]).is_empty());
}
