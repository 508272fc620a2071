//! Forms: ordered pairs out, strict decoding in.
//!
//! Out: order and repeated names are kept, because some gateways sign in order and repeat names. In: a name that comes
//! twice, a broken escape or text that is not UTF-8 is an error and not a choice (PAY-03, PAY-36).

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode};

/// Why a query or a form body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// A `%` without two hex digits behind it, or bytes that are not UTF-8.
    #[error("a form value is not valid percent-encoded UTF-8")]
    Encoding,
    /// The same name twice: two readers could see two values.
    #[error("a form name is there more than once")]
    Duplicate,
    /// More pairs than any gateway sends.
    #[error("the form has too many fields")]
    TooMany,
}

/// How many pairs are read before giving up. The widest message of the gateways read so far has under 60.
const MOST_PAIRS: usize = 200;

/// Decoded pairs in the order they came, every name once.
#[derive(Clone, Default)]
pub struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    /// Decodes `a=1&b=2`, with `+` as space.
    pub fn parse(text: &'a [u8]) -> Result<Self, FormError> {
        let mut pairs: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in text.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST_PAIRS {
                return Err(FormError::TooMany);
            }
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            pairs.push((name, value));
        }
        // Sorted once instead of compared each with each: linear time up to a logarithm, whatever the names (PAY-63).
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if names.windows(2).any(|two| two.first() == two.last()) {
            return Err(FormError::Duplicate);
        }
        Ok(Self(pairs))
    }

    /// The value under a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_ref())
    }

    /// The pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

impl std::fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Params({} fields)", self.0.len())
    }
}

fn decode(text: &[u8]) -> Result<Cow<'_, str>, FormError> {
    let escapes = text.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    for (at, _) in escapes {
        let hex = text.get(at + 1..at + 3).ok_or(FormError::Encoding)?;
        if !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(FormError::Encoding);
        }
    }
    if text.contains(&b'+') {
        let spaced: Vec<u8> = text
            .iter()
            .map(|&byte| if byte == b'+' { b' ' } else { byte })
            .collect();
        let decoded: Vec<u8> = percent_decode(&spaced).collect();
        return String::from_utf8(decoded)
            .map(Cow::Owned)
            .map_err(|_| FormError::Encoding);
    }
    percent_decode(text).decode_utf8().map_err(|_| FormError::Encoding)
}

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The same, with the brackets of nested names left as they are.
const RESERVED_BUT_BRACKETS: &AsciiSet = &RESERVED.remove(b'[').remove(b']');

/// Writes an ordered form body or query, percent-encoding everything but unreserved characters.
#[derive(Clone, Default)]
pub struct FormBody(String);

impl FormBody {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair. Brackets stay raw in names and values, which both Stripe's own client and its server are content
    /// with (sheet section 3, `vectors/stripe-encoding.json`).
    #[must_use]
    pub fn pair(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        for (text, separator) in [(name, "="), (value, "")] {
            // Writing to a String cannot fail.
            let _ = write!(
                self.0,
                "{}",
                percent_encoding::utf8_percent_encode(text, RESERVED_BUT_BRACKETS)
            );
            self.0.push_str(separator);
        }
        self
    }

    /// Adds a pair if there is a value.
    #[must_use]
    pub fn pair_if(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.pair(name, value),
            None => self,
        }
    }

    /// The text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl std::fmt::Debug for FormBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FormBody({} bytes)", self.0.len())
    }
}

/// One path segment, percent-encoded so that it stays one (PAY-56).
#[must_use]
pub fn path_segment(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ambiguous_and_broken_forms_are_refused() {
        for (text, why) in [
            (&b"a=1&a=2"[..], FormError::Duplicate),
            (b"a=1&b=2&a=1", FormError::Duplicate),
            (b"a=1&%61=2", FormError::Duplicate),
            (b"a=%", FormError::Encoding),
            (b"a=%4", FormError::Encoding),
            (b"a=%zz", FormError::Encoding),
            (b"%g1=1", FormError::Encoding),
            (b"a=%ff", FormError::Encoding),
            (b"a=%c0%af", FormError::Encoding),
            (b"a=\xff", FormError::Encoding),
            (b"a=+\xff", FormError::Encoding),
        ] {
            assert_eq!(Params::parse(text).err(), Some(why), "{text:?}");
        }
        let many: String = (0..=MOST_PAIRS).fold(String::new(), |form, n| form + &format!("f{n}=1&"));
        assert_eq!(Params::parse(many.as_bytes()).err(), Some(FormError::TooMany));
    }

    #[test]
    fn pairs_come_back_in_order_and_decoded() {
        let params = Params::parse(b"b=1+2&a=%E7%B7%91%20%26&empty=&bare&&x=a=b").unwrap();
        let pairs: Vec<_> = params.iter().collect();
        assert_eq!(
            pairs,
            [("b", "1 2"), ("a", "緑 &"), ("empty", ""), ("bare", ""), ("x", "a=b")]
        );
        assert_eq!(params.value("missing"), None);
    }

    #[test]
    fn a_path_segment_cannot_become_two() {
        for text in ["../x", "a/b", "a?b", "a#b", "a@b", "a\r\nb", "%2f", "a\\b"] {
            let segment = path_segment(text);
            assert!(!segment.contains(['/', '?', '#', '@', '\r', '\n', '\\']), "{segment}");
            assert!(!segment.contains("%2f"), "{segment}");
        }
    }
}
