//! The forms in which a value can lie about, and the search for any of them. The leak tests search with this as well.

use std::fmt::Write as _;

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};
use base64ct::{Base64, Encoding};

/// In groups of four.
pub(crate) fn grouped(value: &str, between: &str) -> String {
    let mut out = String::new();
    for (n, letter) in value.chars().enumerate() {
        if n > 0 && n % 4 == 0 {
            out.push_str(between);
        }
        out.push(letter);
    }
    out
}

pub(crate) fn hex(value: &str) -> String {
    written(value, "")
}

pub(crate) fn percent(value: &str) -> String {
    written(value, "%")
}

/// Each byte in hex, behind a mark.
fn written(value: &str, mark: &str) -> String {
    value.bytes().fold(String::new(), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{mark}{byte:02x}");
        out
    })
}

pub(crate) fn base64(value: &str) -> String {
    Base64::encode_string(value.as_bytes())
}

/// Base64 of the value behind so many bytes (0 to 2) of something else: the part that is the same whatever the neighbours are.
pub(crate) fn base64_inside(value: &str, behind: usize) -> String {
    let mut bytes = vec![0; behind];
    bytes.extend_from_slice(value.as_bytes());
    let (first, end) = ((8 * behind).div_ceil(6), 8 * bytes.len() / 6);
    bytes.extend_from_slice(&[0; 3]);
    let text = Base64::encode_string(&bytes);
    text.get(first..end).unwrap_or_default().to_owned()
}

/// As it is and in groups, in hex, in percent escapes, as a list of bytes, and in base64 of both alphabets at every alignment.
pub(crate) fn forms(value: &str) -> Vec<String> {
    let bytes: Vec<_> = value.bytes().map(|byte| byte.to_string()).collect();
    let mut forms = vec![
        value.to_owned(),
        value.to_lowercase(),
        value.to_uppercase(),
        hex(value),
        hex(value).to_uppercase(),
        percent(value),
        percent(value).to_uppercase(),
        bytes.join(", "),
        bytes.join(","),
    ];
    forms.extend([" ", "-", "+", "%20"].map(|between| grouped(value, between)));
    for behind in 0..3 {
        let inside = base64_inside(value, behind);
        forms.push(inside.replace('+', "-").replace('/', "_"));
        forms.push(inside);
    }
    forms.sort();
    forms.dedup();
    forms
}

/// What is searched for, ready.
pub(crate) struct Finder {
    machine: AhoCorasick,
    /// For each pattern, which value it is a form of.
    of: Vec<usize>,
    longest: usize,
}

impl Finder {
    /// Finds any form of these values.
    pub(crate) fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Result<Self, BuildError> {
        let values = values.into_iter().enumerate();
        Self::of_forms(values.flat_map(|(n, value)| forms(value).into_iter().map(move |form| (n, form))))
    }

    /// Finds these forms, each of a value that has this number.
    pub(crate) fn of_forms(forms: impl IntoIterator<Item = (usize, String)>) -> Result<Self, BuildError> {
        let (of, patterns): (Vec<_>, Vec<_>) = forms.into_iter().unzip();
        let longest = patterns.iter().map(String::len).max().unwrap_or_default();
        let machine = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)?;
        Ok(Self { machine, of, longest })
    }

    pub(crate) fn patterns(&self) -> usize {
        self.of.len()
    }

    /// In bytes.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The numbers of the values that are there, each as often as it is.
    pub(crate) fn find<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
        let hits = self.machine.find_overlapping_iter(bytes);
        hits.filter_map(|hit| self.of.get(hit.pattern().as_usize()).copied())
    }
}
