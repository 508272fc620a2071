//! Forms: ordered pairs out, strict decoding in.
//!
//! Out: order and repeated names are kept, because some gateways sign in order and repeat names. In: a name that comes
//! twice, a broken escape or text that is not UTF-8 is an error and not a choice (PAY-03, PAY-36).

use std::borrow::Cow;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

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

/// A name and a value.
type Pair<'a, T> = (Cow<'a, T>, Cow<'a, T>);

/// A form as pairs of bytes, every name once: for messages in a charset of their own, and for hashes over bytes. Nothing is
/// taken for text.
#[derive(Clone, Default)]
pub struct RawParams<'a>(Vec<Pair<'a, [u8]>>);

impl<'a> RawParams<'a> {
    /// Splits at `&`, then at the first `=`, then undoes percent-escapes and `+`.
    pub fn parse(body: &'a [u8]) -> Result<Self, FormError> {
        Self::read(body, unescape)
    }

    /// The same for `a=1&b=2` whose values stand as they are.
    pub fn plain(body: &'a [u8]) -> Result<Self, FormError> {
        Self::read(body, |text| Ok(Cow::Borrowed(text)))
    }

    fn read(body: &'a [u8], decode: impl Fn(&'a [u8]) -> Result<Cow<'a, [u8]>, FormError>) -> Result<Self, FormError> {
        let mut pairs: Vec<Pair<'a, [u8]>> = Vec::new();
        for pair in body.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MOST_PAIRS {
                return Err(FormError::TooMany);
            }
            let mut halves = pair.splitn(2, |&byte| byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            pairs.push((name, value));
        }
        // Sorted once instead of compared each with each: linear time up to a logarithm, whatever the names (PAY-63).
        let mut names: Vec<&[u8]> = pairs.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        if names.windows(2).any(|two| two.first() == two.last()) {
            return Err(FormError::Duplicate);
        }
        Ok(Self(pairs))
    }

    /// The bytes under a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .0
            .iter()
            .find(|(candidate, _)| candidate.as_ref() == name.as_bytes());
        found.map(|(_, value)| value.as_ref())
    }
}

impl std::fmt::Debug for RawParams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawParams({} fields)", self.0.len())
    }
}

/// Undoes `%XX` and `+`. A `%` without two hex digits behind it is an error.
fn unescape(text: &[u8]) -> Result<Cow<'_, [u8]>, FormError> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    let digit = |byte: Option<&u8>| {
        byte.and_then(|byte| char::from(*byte).to_digit(16))
            .ok_or(FormError::Encoding)
    };
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let value = digit(rest.next())? * 16 + digit(rest.next())?;
                u8::try_from(value).map_err(|_| FormError::Encoding)?
            }
            other => other,
        });
    }
    Ok(Cow::Owned(bytes))
}

/// Decoded pairs of text in the order they came, every name once.
#[derive(Clone, Default)]
pub struct Params<'a>(Vec<Pair<'a, str>>);

impl<'a> Params<'a> {
    /// Decodes `a=1&b=2`, with `+` as space.
    pub fn parse(text: &'a [u8]) -> Result<Self, FormError> {
        let pairs = RawParams::parse(text)?.0.into_iter();
        let pairs = pairs.map(|(name, value)| Ok((utf8(name)?, utf8(value)?)));
        pairs.collect::<Result<_, _>>().map(Self)
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

fn utf8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, FormError> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
    .ok_or(FormError::Encoding)
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
///
/// `.` and `..` have a meaning in a path however they are written, so they become a segment that names nothing.
#[must_use]
pub fn path_segment(text: &str) -> String {
    if matches!(text, "." | "..") {
        return text.replace('.', "%252E");
    }
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
    fn bytes_are_held_to_the_same_rules_and_are_never_taken_for_text() {
        for (text, why) in [
            (&b"a=1&a=2"[..], FormError::Duplicate),
            (b"a=1&%61=2", FormError::Duplicate),
            (b"a=%", FormError::Encoding),
            (b"a=%4", FormError::Encoding),
            (b"a=%zz", FormError::Encoding),
            (b"a=%+1", FormError::Encoding),
            (b"%g1=1", FormError::Encoding),
        ] {
            assert_eq!(RawParams::parse(text).err(), Some(why), "{text:?}");
        }
        let many: String = (0..=MOST_PAIRS).fold(String::new(), |form, n| form + &format!("f{n}=1&"));
        assert_eq!(RawParams::parse(many.as_bytes()).err(), Some(FormError::TooMany));
        let params = RawParams::parse(b"a=%95%5C+x&b=a=b&raw=\x95\x5c&empty=&bare").unwrap();
        assert_eq!(params.value("a"), Some(&b"\x95\x5c x"[..]));
        assert_eq!(params.value("b"), Some(&b"a=b"[..]));
        assert_eq!(params.value("raw"), Some(&b"\x95\x5c"[..]));
        assert_eq!(
            (params.value("empty"), params.value("bare")),
            (Some(&b""[..]), Some(&b""[..]))
        );
        assert_eq!(params.value("missing"), None);
        let plain = RawParams::plain(b"a=%95+x&b=a=b").unwrap();
        assert_eq!(
            (plain.value("a"), plain.value("b")),
            (Some(&b"%95+x"[..]), Some(&b"a=b"[..]))
        );
        assert_eq!(RawParams::plain(b"a=1&a=2").err(), Some(FormError::Duplicate));
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
        for text in [".", "..", "../x", "a/b", "a?b", "a#b", "a@b", "a\r\nb", "%2f", "a\\b"] {
            let segment = path_segment(text);
            assert!(!segment.contains(['/', '?', '#', '@', '\r', '\n', '\\']), "{segment}");
            assert!(!segment.contains("%2f"), "{segment}");
            // As a client resolves it.
            let url = url::Url::parse(&format!("https://a.example/v1/x/{segment}/y")).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            assert_eq!(segments, ["v1", "x", &segment, "y"]);
        }
    }
}
