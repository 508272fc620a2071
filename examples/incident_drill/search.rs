//! The search: is any of the values anywhere in there, in any form?

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Failure;
use super::cards::Card;
use super::forms::Finder;

/// What is searched for, ready: of each card its number and its code.
pub(crate) struct Search(Finder);

/// What was found where.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) place: String,
    pub(crate) bytes: u64,
    /// Bytes that are there and could not be read.
    pub(crate) unread: u64,
    pub(crate) numbers: BTreeSet<usize>,
    pub(crate) codes: BTreeSet<usize>,
}

const PIECE: usize = 1 << 20;

impl Search {
    pub(crate) fn new(cards: &[Card]) -> Result<Self, Failure> {
        let values = cards.iter().flat_map(|card| [card.number.as_str(), card.code.as_str()]);
        Ok(Self(Finder::new(values)?))
    }

    pub(crate) fn patterns(&self) -> usize {
        self.0.patterns()
    }

    fn look(&self, bytes: &[u8], found: &mut Found) {
        for value in self.0.find(bytes) {
            let kind = if value % 2 == 0 {
                &mut found.numbers
            } else {
                &mut found.codes
            };
            kind.insert(value / 2);
        }
    }

    /// Bytes in one piece.
    pub(crate) fn bytes(&self, place: &str, bytes: &[u8]) -> Found {
        let mut found = Found::at(place);
        found.bytes = bytes.len() as u64;
        self.look(bytes, &mut found);
        found
    }

    /// Every file below a folder.
    pub(crate) fn folder(&self, place: &str, folder: &Path) -> Result<Found, Failure> {
        let mut found = Found::at(place);
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let mut bytes = Vec::new();
                    File::open(path)?.read_to_end(&mut bytes)?;
                    found.bytes += bytes.len() as u64;
                    self.look(&bytes, &mut found);
                }
            }
        }
        Ok(found)
    }

    /// Everything a living process can read of its own memory.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self, pid: u32) -> Result<Found, Failure> {
        use std::os::unix::fs::FileExt as _;

        let mut found = Found::at("the store's memory");
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let memory = File::open(format!("/proc/{pid}/mem"))?;
        let mut piece = vec![0; PIECE + self.0.longest()];
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let range = words.next().and_then(|range| range.split_once('-'));
            let rights = words.next().unwrap_or_default();
            // The kernel's own pages, of which no process can write any.
            if !rights.starts_with('r') || line.contains("[vvar") || line.contains("[vsyscall") {
                continue;
            }
            let (from, to) = range.ok_or("a map without a range")?;
            let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
            let mut at = from;
            while at < to {
                // The pieces overlap, so that nothing lies between two of them.
                let wanted = usize::try_from(to - at)?.min(piece.len());
                let window = piece.get_mut(..wanted).ok_or("a piece that is too long")?;
                match memory.read_at(window, at) {
                    Ok(read) if read > 0 => {
                        self.look(window.get(..read).unwrap_or_default(), &mut found);
                        let next = if read < wanted || at + read as u64 >= to {
                            read
                        } else {
                            PIECE
                        };
                        found.bytes += next as u64;
                        at += next as u64;
                    }
                    _ => {
                        let page = 4096.min(to - at);
                        found.unread += page;
                        at += page;
                    }
                }
            }
        }
        Ok(found)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn memory(&self, _: u32) -> Result<Found, Failure> {
        Err("the memory of a process can be searched on Linux only".into())
    }
}

impl Found {
    fn at(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn nothing(&self) -> bool {
        self.numbers.is_empty() && self.codes.is_empty()
    }

    pub(crate) fn all(&self, of: usize) -> bool {
        self.numbers.len() == of && self.codes.len() == of
    }
}
