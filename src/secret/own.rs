//! Our own secrets in what a gateway answers.

use std::fmt;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::ApiKey;
use crate::error::Error;
use crate::sign::SigningKeys;

/// Every secret of a gateway's set-up, so that an answer that repeats one is known (PAY-52).
#[derive(Clone)]
pub(crate) struct OwnSecrets {
    forms: Vec<Form>,
    /// The bytes with which one of them begins.
    begins: [bool; 256],
}

/// One way to write a secret.
#[derive(Clone)]
struct Form {
    text: SecretString,
    /// Small letters stand for large ones as well.
    folded: bool,
    /// Too short to be no chance in the middle of a word.
    short: bool,
}

/// A shorter one can be part of an honest word by chance.
const UNMISTAKABLE: usize = 16;

/// How an answer repeats a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Repeats {
    Not,
    /// A short one, as part of a longer word.
    Perhaps,
    Surely,
}

impl Default for OwnSecrets {
    fn default() -> Self {
        Self {
            forms: Vec::new(),
            begins: [false; 256],
        }
    }
}

impl OwnSecrets {
    /// What a gateway is set up with: what it sends, and what it checks messages with.
    pub(crate) fn of(api_key: &ApiKey, signing_keys: Option<&SigningKeys>) -> Self {
        let secrets = Self::default().and([api_key.expose()]);
        secrets.and(signing_keys.into_iter().flat_map(SigningKeys::texts))
    }

    fn and<'a>(mut self, texts: impl IntoIterator<Item = &'a str>) -> Self {
        for text in texts {
            self.add(text.to_owned(), true, text.len() < UNMISTAKABLE);
            self.add(base16ct::lower::encode_string(text.as_bytes()), true, false);
            for form in (0..3).flat_map(|behind| base64_inside(text.as_bytes(), behind)) {
                self.add(form, false, false);
            }
        }
        self
    }

    fn add(&mut self, text: String, folded: bool, short: bool) {
        let Some(first) = text.bytes().next() else { return };
        let firsts = [first.to_ascii_lowercase(), first.to_ascii_uppercase()];
        for first in if folded { firsts } else { [first; 2] } {
            if let Some(begins) = self.begins.get_mut(usize::from(first)) {
                *begins = true;
            }
        }
        let text = text.into();
        self.forms.push(Form { text, folded, short });
    }

    /// Reads an answer. One that repeats a secret of ours is no answer, for its words go on record and its address to a browser; of a
    /// refusal only what it means is kept.
    pub(crate) fn guard<T>(
        &self,
        answer: http::Response<Bytes>,
        read: impl FnOnce(http::Response<Bytes>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.forms.is_empty() {
            return read(answer);
        }
        let repeats = self.repeated_by(&answer);
        match read(answer) {
            Ok(_) if repeats == Repeats::Surely => Err(Error::protocol("the answer repeats a secret of ours")),
            Err(error) if repeats != Repeats::Not => Err(error.withheld()),
            read => read,
        }
    }

    fn repeated_by(&self, answer: &http::Response<Bytes>) -> Repeats {
        let headers = answer.headers().values().map(http::HeaderValue::as_bytes);
        let texts = headers.chain([&answer.body()[..]]);
        texts.map(|text| self.repeated_in(text)).max().unwrap_or(Repeats::Not)
    }

    /// As it is, in hex, in base64, and behind escapes. Nothing is copied that has none.
    fn repeated_in(&self, text: &[u8]) -> Repeats {
        let found = self.look(text);
        if found == Repeats::Surely || !text.iter().any(|byte| matches!(byte, b'\\' | b'%' | b'&')) {
            return found;
        }
        found.max(self.look(&unescaped(text)))
    }

    /// One pass over the text, whatever the number of secrets: only where a letter begins one is more than that letter compared.
    fn look(&self, text: &[u8]) -> Repeats {
        let starts = text
            .iter()
            .enumerate()
            .filter(|(_, byte)| self.begins.get(usize::from(**byte)) == Some(&true));
        let mut found = Repeats::Not;
        for (at, _) in starts {
            let rest = text.get(at..).unwrap_or_default();
            for form in &self.forms {
                let Some(behind) = form.stripped_from(rest) else {
                    continue;
                };
                let before = at.checked_sub(1).and_then(|before| text.get(before));
                let stuck = [before, behind.first()]
                    .into_iter()
                    .flatten()
                    .any(u8::is_ascii_alphanumeric);
                if !form.short || !stuck {
                    return Repeats::Surely;
                }
                found = Repeats::Perhaps;
            }
        }
        found
    }
}

impl Form {
    /// What is behind it, if the text begins with it.
    fn stripped_from<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let own = self.text.expose_secret().as_bytes();
        let (head, behind) = text.split_at_checked(own.len())?;
        let same = if self.folded {
            head.eq_ignore_ascii_case(own)
        } else {
            head.starts_with(own)
        };
        same.then_some(behind)
    }
}

impl fmt::Debug for OwnSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnSecrets(..)")
    }
}

/// What a text says once the escapes of JSON, forms and XML are read. Anything that is no escape stays.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let (byte, next) = escape(first, after).unwrap_or((first, after));
        out.push(byte);
        rest = next;
    }
    out
}

/// The byte that an escape stands for, and what is behind it. Secrets are ASCII, so nothing else is looked for.
fn escape(first: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    let number = |digits: &[u8], radix| {
        let code = u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
        u8::try_from(code).ok().filter(u8::is_ascii)
    };
    match (first, after) {
        (b'\\', [b'u', rest @ ..]) => Some((number(rest.get(..4)?, 16)?, rest.get(4..)?)),
        (b'\\', [mark @ (b'/' | b'"' | b'\\'), rest @ ..]) => Some((*mark, rest)),
        (b'%', rest) => Some((number(rest.get(..2)?, 16)?, rest.get(2..)?)),
        (b'&', [b'#', rest @ ..]) => {
            let (radix, rest) = match rest {
                [b'x' | b'X', rest @ ..] => (16, rest),
                _ => (10, rest),
            };
            let end = rest.iter().take(8).position(|byte| *byte == b';')?;
            Some((number(rest.get(..end)?, radix)?, rest.get(end + 1..)?))
        }
        _ => None,
    }
}

/// Base64 in both alphabets of what stands behind so many other bytes (0 to 2): the characters that no neighbour changes.
fn base64_inside(bytes: &[u8], behind: usize) -> [String; 2] {
    let bits = |n: usize| {
        let byte = n
            .checked_div(8)
            .and_then(|at| bytes.get(at))
            .copied()
            .unwrap_or_default();
        (byte >> (7 - n % 8)) & 1
    };
    // The first character whose six bits all are of these bytes.
    let skipped = (8 * behind).div_ceil(6) * 6 - 8 * behind;
    let letters = (8 * bytes.len()).saturating_sub(skipped) / 6;
    let sixes = (0..letters).map(|n| (0..6).fold(0, |six, bit| six << 1 | bits(skipped + 6 * n + bit)));
    let sixes: Vec<u8> = sixes.collect();
    [(b'+', b'/'), (b'-', b'_')].map(|(plus, slash)| {
        let letter = |six: &u8| match six {
            0..=25 => b'A' + six,
            26..=51 => b'a' + six - 26,
            52..=61 => b'0' + six - 52,
            62 => plus,
            _ => slash,
        };
        sixes.iter().map(letter).map(char::from).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn an_answer_that_repeats_a_secret_is_known_in_every_form() {
        let secret = "sk_test_Canary/7+ApiKey3f9a";
        let ours = OwnSecrets::default().and([secret]);
        let is_in = |text: &str| {
            let answer = http::Response::new(Bytes::from(text.to_owned()));
            let mut header = http::Response::new(Bytes::new());
            let value = http::HeaderValue::from_bytes(text.as_bytes()).unwrap();
            header.headers_mut().insert("x-request-id", value);
            assert_eq!(ours.repeated_by(&answer), ours.repeated_by(&header), "{text}");
            ours.repeated_by(&answer) == Repeats::Surely
        };
        let every = |mark: &str, end: &str| {
            let escaped = secret.bytes().map(|byte| format!("{mark}{byte:02x}{end}"));
            escaped.collect::<String>()
        };
        for text in [
            secret.to_owned(),
            secret.to_uppercase(),
            secret.replace('/', "\\/"),
            format!("say {secret}."),
            format!("a{secret}b"),
            every("\\u00", ""),
            every("%", ""),
            every("&#x", ";"),
            every("", ""),
            every("", "").to_uppercase(),
            secret.replace('_', "%5F"),
            secret.replace('s', "&#115;"),
        ] {
            assert!(is_in(&text), "{text}");
        }
        for text in [
            "",
            "sk_test_",
            "sk_test_Canary/7+ApiKey3f9",
            "\\u00",
            "%",
            "%4",
            "&#",
            "&#x73",
            "\\",
        ] {
            assert!(!is_in(text), "{text}");
        }
        let answer = http::Response::new(Bytes::from_static(b"x"));
        assert_eq!(OwnSecrets::default().repeated_by(&answer), Repeats::Not);
    }

    #[test]
    fn the_api_key_and_every_signing_key_are_secrets_of_ours() {
        let api_key = ApiKey::new("sk_test_canary-api-key-3f9a").unwrap();
        let keys = ["whsec_canary-current-8c21", "whsec_canary-retiring-77d0"];
        let ours = OwnSecrets::of(&api_key, Some(&SigningKeys::from_texts(keys).unwrap()));
        let unsigned = OwnSecrets::of(&api_key, None);
        let is_in = |ours: &OwnSecrets, text: &'static str| {
            ours.repeated_by(&http::Response::new(Bytes::from_static(text.as_bytes()))) == Repeats::Surely
        };
        assert!(is_in(&ours, "denied: sk_test_canary-api-key-3f9a"));
        assert!(is_in(&unsigned, "denied: sk_test_canary-api-key-3f9a"));
        for key in keys {
            assert!(is_in(&ours, key), "{key}");
            assert!(!is_in(&unsigned, key), "{key}");
        }
    }

    #[test]
    fn an_answer_is_no_answer_if_it_repeats_one_and_a_refusal_keeps_its_meaning() {
        let ours = OwnSecrets::default().and(["sk_test_canary-api-key-3f9a"]);
        let saying = |text: &'static str| http::Response::new(Bytes::from_static(text.as_bytes()));
        let taken = |_| Ok("paid");
        let refused = |_| Err::<&str, _>(Error::protocol("no").with_code(Some("sk_test_canary-api-key-3f9a")));
        assert_eq!(ours.guard(saying("all is well"), taken).unwrap(), "paid");
        assert!(ours.guard(saying("sk_test_canary-api-key-3f9a"), taken).is_err());
        let kept = ours.guard(saying("sk_test_canary-api-key-3f9a"), refused).unwrap_err();
        assert_eq!(kept.kind(), ErrorKind::Protocol);
        assert!(!format!("{kept:?} {kept}").contains("canary"), "{kept:?}");
        let plain = |_| Err::<&str, _>(Error::protocol("no").with_code(Some("E01")));
        let kept = ours.guard(saying("all is well"), plain).unwrap_err();
        assert_eq!(kept.code(), Some("E01"), "nothing was repeated, so nothing is withheld");
        assert_eq!(format!("{ours:?}"), "OwnSecrets(..)");
        // Without a secret there is nothing to look for.
        assert_eq!(
            OwnSecrets::default()
                .guard(saying("sk_test_canary-api-key-3f9a"), taken)
                .unwrap(),
            "paid"
        );
    }

    #[test]
    fn base64_is_known_at_every_offset_and_in_both_alphabets() {
        // "?>~" makes the two letters in which the alphabets differ.
        let secret = "key?>~?>~??>>~~-0123";
        let ours = OwnSecrets::default().and([secret]);
        let table = [
            ("a2V5Pz5+Pz5+Pz8+Pn5+LTAxMjM=", true),
            ("a2V5Pz5-Pz5-Pz8-Pn5-LTAxMjM", true),
            ("eGtleT8+fj8+fj8/Pj5+fi0wMTIz", true),
            ("eHhrZXk/Pn4/Pn4/Pz4+fn4tMDEyMw==", true),
            ("eHhrZXk_Pn4_Pn4_Pz4-fn4tMDEyMw", true),
            ("eHhrZXk_Pn4_Pn4_Pz4-fn4tMDEy", false),
            // Another first letter of it, at each offset.
            ("b2V5Pz5+Pz5+Pz8+Pn5+LTAxMjM=", false),
            ("eGuleT8+fj8+fj8/Pj5+fi0wMTIz", false),
            ("eHhsZXk/Pn4/Pn4/Pz4+fn4tMDEyMw==", false),
        ];
        for (text, found) in table {
            let answer = http::Response::new(Bytes::from(format!("(Basic {text})")));
            assert_eq!(ours.repeated_by(&answer) == Repeats::Surely, found, "{text}");
        }
    }

    #[test]
    fn a_short_secret_inside_a_word_is_chance_unless_nothing_hangs_on_it() {
        let ours = OwnSecrets::default().and(["shop0001"]);
        for (text, found) in [
            ("tshop00012", Repeats::Perhaps),
            ("pass=shop0001&", Repeats::Surely),
            ("tshop00012, SHOP0001", Repeats::Surely),
            ("shop0001", Repeats::Surely),
            ("shop000", Repeats::Not),
        ] {
            let answer = http::Response::new(Bytes::from(text));
            assert_eq!(ours.repeated_by(&answer), found, "{text}");
        }
        // From sixteen characters on it is no chance.
        for (secret, found) in [
            ("shop0001-secret", Repeats::Perhaps),
            ("shop0001-secret9", Repeats::Surely),
        ] {
            let ours = OwnSecrets::default().and([secret]);
            let answer = http::Response::new(Bytes::from(format!("x{secret}x")));
            assert_eq!(ours.repeated_by(&answer), found, "{secret}");
        }
    }
}
