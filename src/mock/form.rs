//! Forms as browsers and gateways write them, in the charset of the gateway.
//!
//! Nothing here is shared with the clients in `src/gateways`: what one of them gets wrong, the other one notices.

use std::borrow::Cow;

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8};

use super::card::{Flaw, Presented, Taken, Typed};

/// The charset of a gateway's pages and forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    Utf8,
    /// In the reading of Windows, as browsers read it.
    ShiftJis,
}

impl Charset {
    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Utf8 => UTF_8,
            Self::ShiftJis => SHIFT_JIS,
        }
    }

    /// As pages and forms write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::ShiftJis => "Shift_JIS",
        }
    }

    /// Text as bytes; what the charset lacks as a character reference, which is what a page and a form both do.
    pub(super) fn encode(self, text: &str) -> Cow<'_, [u8]> {
        self.encoding().encode(text).0
    }

    /// Bytes as text. `None` for bytes that are none.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<String> {
        self.encoding()
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(Cow::into_owned)
    }
}

/// Name and value, both as they are on the wire before percent-encoding.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// The pairs of a form, as bytes. `None` for a broken escape: it is not repaired.
pub(super) fn pairs(body: &[u8]) -> Option<Vec<Pair>> {
    body.split(|byte| *byte == b'&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let end = piece.iter().position(|byte| *byte == b'=');
            let (name, value) = match end {
                Some(end) => (piece.get(..end)?, piece.get(end + 1..)?),
                None => (piece, &[][..]),
            };
            Some((plain(name)?, plain(value)?))
        })
        .collect()
}

fn plain(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            byte => out.push(*byte),
        }
    }
    Some(out)
}

/// A form as a browser writes it. What the charset lacks becomes `&#NNNN;`, and every line break is that of a form.
pub(super) fn write<'a>(charset: Charset, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push(b'&');
        }
        let value = value.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
        escape(&mut out, &charset.encode(name));
        out.push(b'=');
        escape(&mut out, &charset.encode(&value));
    }
    out
}

fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(*byte),
            byte => out.extend(format!("%{byte:02X}").bytes()),
        }
    }
}

/// What a person typed, borrowed for one request.
pub(super) struct Typing(Vec<(String, String)>);

impl Typing {
    pub(super) fn read(charset: Charset, body: &[u8]) -> Option<Self> {
        let text = |(name, value): Pair| Some((charset.decode(&name)?, charset.decode(&value)?));
        Some(Self(pairs(body)?.into_iter().map(text).collect::<Option<_>>()?))
    }

    /// The first value of this name; nothing is as good as empty.
    pub(super) fn value(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Reads the card from the form; the number is gone when this returns. `now` is in seconds since 1970.
    pub(super) fn card(&self, now: i64, taken: Taken) -> Result<Presented, Flaw> {
        Typed {
            number: self.value("number"),
            expiry: self.value("expiry"),
            code: self.value("code"),
            holder: self.value("holder"),
        }
        .read(now, taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_escape_is_refused_and_not_repaired() {
        for body in [&b"a=%"[..], b"a=%4", b"a=%zz", b"%=1", b"a=%4%31"] {
            assert_eq!(pairs(body), None, "{body:?}");
        }
        assert_eq!(
            pairs(b"a=%95%5C+b&c"),
            Some(vec![
                (b"a".to_vec(), vec![0x95, 0x5c, b' ', b'b']),
                (b"c".to_vec(), vec![])
            ])
        );
    }

    #[test]
    fn letters_with_a_backslash_or_a_bar_inside_survive_the_wire() {
        let body = write(Charset::ShiftJis, [("item_name", "表ソ能ポ")]);
        assert_eq!(body, b"item_name=%95%5C%83%5C%94%5C%83%7C");
        let pairs = super::pairs(&body).unwrap_or_default();
        assert_eq!(Charset::ShiftJis.decode(&pairs[0].1).as_deref(), Some("表ソ能ポ"));
    }

    #[test]
    fn bytes_that_are_no_shift_jis_have_no_reading() {
        for bytes in [&[0x95][..], &[0xff], &[0x81, 0x20], "注文".as_bytes()] {
            assert_eq!(Charset::ShiftJis.decode(bytes), None, "{bytes:?}");
        }
    }
}
