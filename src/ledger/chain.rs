//! Every record carries the digest of the one before it, so that nobody can change, remove, add or move one without breaking
//! what follows (PAY-60). The encoding is specified in the guide ([`crate::guide::chain`]), for auditors without this crate.
//!
//! A chain alone does not show that its end was cut off, nor that it was written anew as a whole: whoever can write the
//! database can do both. A [`Checkpoint`](super::Checkpoint) that is kept elsewhere shows both, if they happened after it was made:
//! so all of them are kept, and checked.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Ledger, StoreError};

/// A digest of a record and of everything before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first record follows.
    #[must_use]
    pub fn beginning() -> Self {
        Self(Sha256::digest(b"kessai.ledger.1\n").into())
    }

    /// From its 32 bytes, for ledgers.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes, for ledgers.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 64 lower-case hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let read = base16ct::lower::decode(text, &mut bytes).ok()?;
        (read.len() == 32).then_some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// How far a ledger goes: how many records, and the digest of the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many records there are.
    pub count: u64,
    /// The digest of the last one.
    pub digest: Digest,
}

impl Head {
    /// Of a ledger without records.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            count: 0,
            digest: Digest::beginning(),
        }
    }

    /// The head after one more record.
    #[must_use]
    pub fn then(&self, at_micros: i64, attempt: Option<&str>, kind: &str, body: &str) -> Self {
        let position = self.count.saturating_add(1);
        let digest = digest(&self.digest, position, at_micros, attempt, kind, body);
        Self {
            count: position,
            digest,
        }
    }
}

/// The digest of a record: SHA-256 over the parts of the guide, one behind the other.
fn digest(previous: &Digest, position: u64, at_micros: i64, attempt: Option<&str>, kind: &str, body: &str) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"kessai.record.1\n");
    hash.update(previous.0);
    hash.update(position.to_be_bytes());
    hash.update(at_micros.to_be_bytes());
    for text in [attempt.unwrap_or_default(), kind, body] {
        // Lengths go first, so that no two records have the same bytes.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    Digest(hash.finalize().into())
}

/// A record exactly as it is kept, for checking: nothing is interpreted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRecord {
    /// Its position.
    pub position: u64,
    /// When, in microseconds since 1970, UTC.
    pub at_micros: i64,
    /// The attempt, if it is about one.
    pub attempt: Option<String>,
    /// The word for what happened.
    pub kind: String,
    /// What happened, as JSON, byte for byte as it was written.
    pub body: String,
    /// The digest that was kept with it.
    pub digest: Digest,
}

/// Where a ledger stops being what was written, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ledger is broken at position {position}: {why}")]
#[non_exhaustive]
pub struct Break {
    /// The first position that is not as it was written.
    pub position: u64,
    /// In which way.
    pub why: BreakReason,
}

/// In which way a ledger is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BreakReason {
    /// A later position is where this one has to be: a record was removed. (One that was added or moved has another's digest.)
    #[error("another record is in its place")]
    Position,
    /// Its digest is not that of its content behind the record before it: it, or one before it, was changed.
    #[error("it was changed, or does not follow the record before it")]
    Altered,
    /// Records that a checkpoint counted are not there.
    #[error("records that were there at the checkpoint are missing")]
    Missing,
    /// At the position of the checkpoint the chain has another digest: it was written anew.
    #[error("the chain is another one than at the checkpoint")]
    Rewritten,
    /// The state beside the records is another one than they tell. The position is that of the attempt's last record, or 0.
    #[error("the state beside the records is not the one that they tell")]
    State,
}

/// Follows a chain record by record.
#[derive(Clone, Copy, Debug)]
pub struct Walk(Head);

impl Walk {
    /// From the first record on.
    #[must_use]
    pub fn from_the_beginning() -> Self {
        Self(Head::empty())
    }

    /// From the record behind this head on. The head is believed.
    #[must_use]
    pub fn behind(head: Head) -> Self {
        Self(head)
    }

    /// Takes the next record.
    pub fn step(&mut self, record: &KeptRecord) -> Result<(), Break> {
        let position = self.0.count.saturating_add(1);
        let broken = |why| Err(Break { position, why });
        if record.position != position {
            return broken(BreakReason::Position);
        }
        let next = self
            .0
            .then(record.at_micros, record.attempt.as_deref(), &record.kind, &record.body);
        // A name of no length has the same bytes as none, and nobody writes one.
        if next.digest != record.digest || record.attempt.as_deref() == Some("") {
            return broken(BreakReason::Altered);
        }
        self.0 = next;
        Ok(())
    }

    /// How far it came.
    #[must_use]
    pub fn head(&self) -> Head {
        self.0
    }
}

/// How many records are read at a time: memory stays flat.
const PAGE: usize = 1000;

/// Walks from behind one head to a position, or to the end, and calls `seen` with each record that was right.
pub(crate) async fn walk(
    ledger: &dyn Ledger,
    from: Head,
    to: Option<u64>,
    mut seen: impl FnMut(&KeptRecord) + Send,
) -> Result<Result<Head, Break>, StoreError> {
    let mut walk = Walk::behind(from);
    loop {
        let page = ledger.records(walk.head().count, PAGE).await?;
        if page.is_empty() {
            return Ok(Ok(walk.head()));
        }
        for record in &page {
            if to.is_some_and(|to| walk.head().count >= to) {
                return Ok(Ok(walk.head()));
            }
            if let Err(broken) = walk.step(record) {
                return Ok(Err(broken));
            }
            seen(record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(records: usize) -> Vec<KeptRecord> {
        let mut head = Head::empty();
        (0_i64..)
            .take(records)
            .map(|n| {
                let (attempt, body) = (format!("attempt{n}"), format!("{{\"kind\":\"returned\",\"n\":{n}}}"));
                head = head.then(1000 + n, Some(&attempt), "returned", &body);
                KeptRecord {
                    position: head.count,
                    at_micros: 1000 + n,
                    attempt: Some(attempt),
                    kind: "returned".to_owned(),
                    body,
                    digest: head.digest,
                }
            })
            .collect()
    }

    fn checked(records: &[KeptRecord]) -> Result<Head, Break> {
        let mut walk = Walk::from_the_beginning();
        for record in records {
            walk.step(record)?;
        }
        Ok(walk.head())
    }

    /// Every byte of a record as it is kept, so that each can be flipped.
    fn bytes(record: &KeptRecord) -> usize {
        8 + 8 + record.attempt.as_ref().map_or(0, String::len) + record.kind.len() + record.body.len() + 32
    }

    fn flip(record: &mut KeptRecord, bit: usize) -> bool {
        let (byte, mask) = (bit / 8, 1_u8 << (bit % 8));
        let mut at = byte;
        if at < 8 {
            let mut position = record.position.to_be_bytes();
            position[at] ^= mask;
            record.position = u64::from_be_bytes(position);
            return true;
        }
        at -= 8;
        if at < 8 {
            let mut micros = record.at_micros.to_be_bytes();
            micros[at] ^= mask;
            record.at_micros = i64::from_be_bytes(micros);
            return true;
        }
        at -= 8;
        let mut text = |text: &mut String| {
            let mut bytes = std::mem::take(text).into_bytes();
            let inside = at < bytes.len();
            if inside {
                bytes[at] ^= mask;
            } else {
                at -= bytes.len();
            }
            // What is no text any more could not even be read.
            *text = String::from_utf8(bytes).unwrap_or_else(|_| "\u{fffd}".to_owned());
            inside
        };
        let attempt = record.attempt.as_mut().is_some_and(&mut text);
        if attempt || text(&mut record.kind) || text(&mut record.body) {
            return true;
        }
        let mut digest = *record.digest.as_bytes();
        digest[at] ^= mask;
        record.digest = Digest::from_bytes(digest);
        true
    }

    #[test]
    fn a_name_of_no_length_is_not_the_same_as_none() {
        let mut record = chain(1).remove(0);
        record.attempt = None;
        record.digest = Head::empty()
            .then(record.at_micros, None, &record.kind, &record.body)
            .digest;
        assert_eq!(checked(&[record.clone()]).unwrap().count, 1);
        record.attempt = Some(String::new());
        let found = checked(&[record]).unwrap_err();
        assert_eq!((found.position, found.why), (1, BreakReason::Altered));
    }

    #[test]
    fn every_flipped_bit_is_found_at_its_record() {
        let whole = chain(6);
        assert!(checked(&whole).is_ok());
        for index in 0..whole.len() {
            for bit in 0..bytes(&whole[index]) * 8 {
                let mut changed = whole.clone();
                assert!(flip(&mut changed[index], bit));
                let broken = checked(&changed).expect_err("changed");
                assert_eq!(broken.position, whole[index].position, "bit {bit}");
            }
        }
    }

    #[test]
    fn removed_swapped_doubled_and_added_records_are_found_where_they_begin() {
        let whole = chain(6);
        for one in 0..6 {
            let mut removed = whole.clone();
            removed.remove(one);
            if one < 5 {
                assert_eq!(checked(&removed).expect_err("removed").position, one as u64 + 1);
            }
            let mut doubled = whole.clone();
            doubled.insert(one, whole[one].clone());
            assert_eq!(checked(&doubled).expect_err("doubled").position, one as u64 + 2);
            for other in one + 1..6 {
                let mut swapped = whole.clone();
                swapped.swap(one, other);
                assert_eq!(checked(&swapped).expect_err("swapped").position, one as u64 + 1);
                // Also if their positions are put right.
                swapped[one].position = one as u64 + 1;
                swapped[other].position = other as u64 + 1;
                assert_eq!(checked(&swapped).expect_err("swapped").position, one as u64 + 1);
            }
        }
    }

    #[test]
    fn a_digest_reads_as_it_is_shown() {
        let digest = Digest::beginning();
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
        for text in ["", "00", &digest.to_string().to_uppercase(), &format!("{digest}00")] {
            assert_eq!(Digest::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn a_digest_prints_its_hex_digits() {
        let digest = Head::empty().digest;
        assert_eq!(format!("{digest:?}"), format!("Digest({digest})"));
        assert_eq!(digest.to_string().len(), 64);
    }
}
