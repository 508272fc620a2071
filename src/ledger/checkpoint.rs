//! How far the ledger went at a moment, under a key that is kept elsewhere.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::chain::{Digest, Head};
use crate::secret::CheckpointKey;

/// How far a ledger went at a moment: how many records, the digest of the last one, the time, and a tag over all three.
///
/// It is one line of text. Send it to another machine regularly, also when nothing happened, and keep every line: each shows later
/// that what was there then is still there. It says nothing about what came after it, nor about what had been written anew before
/// it was made: that the earlier lines show.
///
/// A value of this type is genuine: it was made under a key, or read with the key under which it was made. There is no other
/// way to one, so nothing is ever checked against a line that somebody else wrote.
///
/// ```
/// use kessai::ledger::{Checkpoint, Head};
/// use kessai::CheckpointKey;
/// use std::time::{Duration, SystemTime};
///
/// let key = CheckpointKey::new("a key of at least 32 characters, kept on another machine")?;
/// let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000);
/// let line = Checkpoint::make(&key, Head::empty(), at).to_string();
/// assert!(line.starts_with("kessai-checkpoint-1 0 "));
/// let checkpoint = Checkpoint::read(&line, &key)?;
/// assert_eq!(checkpoint.at(), at);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq)]
pub struct Checkpoint {
    head: Head,
    at_micros: u64,
    tag: [u8; 32],
}

/// By hand for the tag's sake: comparing a line that somebody sent with one that is kept tells nothing by its time (PAY-20).
impl PartialEq for Checkpoint {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.at_micros == other.at_micros && bool::from(self.tag.ct_eq(&other.tag))
    }
}

/// A line that is no checkpoint, or not one of this key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The line has another form.
    #[error(
        "the line is not a checkpoint: kessai-checkpoint-1, count, digest, microseconds and tag, with one space between them"
    )]
    Form,
    /// It was changed, or made under another key. It says nothing about the ledger; look for how it came to be.
    #[error("the checkpoint was changed or made under another key: use the key it was made under, or an earlier line")]
    Tag,
}

const WORD: &str = "kessai-checkpoint-1";

impl Checkpoint {
    /// Makes one. The time is kept in microseconds; what lies before 1970 is kept as 1970.
    #[must_use]
    pub fn make(key: &CheckpointKey, head: Head, at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let at_micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        let tag = keyed(key, &signed_text(&head, at_micros)).map_or([0; 32], |mac| mac.finalize().into_bytes().into());
        Self { head, at_micros, tag }
    }

    /// Reads a line that was made under this key. A line break at its end may be there.
    pub fn read(line: &str, key: &CheckpointKey) -> Result<Self, CheckpointError> {
        let read = Self::parse(line).ok_or(CheckpointError::Form)?;
        let mac = keyed(key, &signed_text(&read.head, read.at_micros)).ok_or(CheckpointError::Tag)?;
        mac.verify_slice(&read.tag).map_err(|_| CheckpointError::Tag)?;
        Ok(read)
    }

    /// How far the ledger went.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        UNIX_EPOCH
            .checked_add(Duration::from_micros(self.at_micros))
            .unwrap_or(UNIX_EPOCH)
    }

    /// The parts of a line, of which nothing is known yet.
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.trim_end_matches(['\r', '\n']).split(' ');
        if parts.next()? != WORD {
            return None;
        }
        let number = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            text.parse::<u64>().ok().filter(|_| plain)
        };
        let count = number(parts.next()?)?;
        let digest = Digest::from_hex(parts.next()?)?;
        let at_micros = number(parts.next()?)?;
        let tag = *Digest::from_hex(parts.next()?)?.as_bytes();
        let head = Head { count, digest };
        parts.next().is_none().then_some(Self { head, at_micros, tag })
    }
}

fn signed_text(head: &Head, at_micros: u64) -> String {
    format!("{WORD} {} {} {at_micros}", head.count, head.digest)
}

fn keyed(key: &CheckpointKey, text: &str) -> Option<Hmac<Sha256>> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose().as_bytes()).ok()?;
    mac.update(text.as_bytes());
    Some(mac)
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = base16ct::lower::encode_string(&self.tag);
        write!(f, "{} {tag}", signed_text(&self.head, self.at_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> CheckpointKey {
        CheckpointKey::new(text).unwrap()
    }

    #[test]
    fn every_changed_character_makes_it_unreadable_or_false() {
        let own = key("the key that is kept on another machine");
        let head = Head::empty().then(5, None, "mode_changed", "{}");
        let line = Checkpoint::make(&own, head, UNIX_EPOCH + Duration::from_secs(7)).to_string();
        let read = Checkpoint::read(&line, &own).unwrap();
        assert_eq!((read.head(), read.at()), (head, UNIX_EPOCH + Duration::from_secs(7)));
        let other = key("another key that is kept somewhere");
        assert_eq!(Checkpoint::read(&line, &other), Err(CheckpointError::Tag));
        for at in 0..line.len() {
            for with in ["0", "1", "9", "a", "+", " ", ""] {
                // In the place of a character, and before it.
                for behind in [at + 1, at] {
                    let changed = format!("{}{with}{}", &line[..at], &line[behind..]);
                    if changed != line {
                        assert!(Checkpoint::read(&changed, &own).is_err(), "{changed}");
                    }
                }
            }
        }
        for text in [
            "",
            WORD,
            "kessai-checkpoint-2 0",
            &format!("{line} more"),
            &format!(" {line}"),
        ] {
            assert_eq!(Checkpoint::read(text, &own), Err(CheckpointError::Form), "{text}");
        }
        assert_eq!(Checkpoint::read(&format!("{line}\n"), &own), Ok(read));
        let changed = [
            Checkpoint::make(&own, Head::empty(), read.at()),
            Checkpoint::make(&own, head, UNIX_EPOCH),
            Checkpoint::make(&key("another key that is kept somewhere"), head, read.at()),
        ];
        assert!(changed.iter().all(|changed| *changed != read));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert!(CheckpointKey::new("31 characters are one too few..").is_err());
        assert!(CheckpointKey::new("32 characters are just long enou").is_ok());
    }

    #[test]
    fn checkpoints_are_the_same_only_if_all_of_them_is() {
        let one = Checkpoint {
            head: Head::empty(),
            at_micros: 1,
            tag: [1; 32],
        };
        assert_eq!(one, one);
        let later = Checkpoint { at_micros: 2, ..one };
        let other = Checkpoint { tag: [2; 32], ..one };
        let further = Checkpoint {
            head: Head {
                count: 1,
                ..Head::empty()
            },
            ..one
        };
        for changed in [later, other, further] {
            assert_ne!(one, changed);
        }
    }
}
