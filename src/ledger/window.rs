//! Spans of time, and what a ledger hands out about one.

use std::time::SystemTime;

use super::{Fulfilment, Record, StoredAttempt};

/// A span of time: from its first moment on, up to its last one and not with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    from: SystemTime,
    to: SystemTime,
}

/// A span of time that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the window ends before it begins; give the earlier time first")]
pub struct WindowError;

impl Window {
    /// From one moment up to another. An empty window is one; one that ends before it begins is refused.
    pub fn new(from: SystemTime, to: SystemTime) -> Result<Self, WindowError> {
        if to < from {
            Err(WindowError)
        } else {
            Ok(Self { from, to })
        }
    }

    /// Its first moment.
    #[must_use]
    pub fn from(&self) -> SystemTime {
        self.from
    }

    /// The first moment after it.
    #[must_use]
    pub fn to(&self) -> SystemTime {
        self.to
    }

    /// Is this moment in it?
    #[must_use]
    pub fn contains(&self, at: SystemTime) -> bool {
        self.from <= at && at < self.to
    }
}

/// Where a reading of a window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowCursor {
    /// The time of the first record of the last attempt that was handed out, in microseconds since 1970.
    pub at_micros: i64,
    /// Its position.
    pub position: u64,
}

/// An attempt with which something happened in a window.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WindowRow {
    /// Where to go on after it.
    pub cursor: WindowCursor,
    /// The attempt as it stands now.
    pub attempt: StoredAttempt,
    /// Everything on record about it, inside the window and outside.
    pub records: Vec<Record>,
    pub(super) right: RightRead,
}

/// Was the right that an attempt gives read along with it?
#[derive(Clone, Debug)]
pub(super) enum RightRead {
    No,
    Yes(Option<Fulfilment>),
}

impl WindowRow {
    /// A row, for ledgers.
    #[must_use]
    pub fn new(cursor: WindowCursor, attempt: StoredAttempt, records: Vec<Record>) -> Self {
        Self {
            cursor,
            attempt,
            records,
            right: RightRead::No,
        }
    }

    /// The right that this attempt gives was read along with it, or that it gives none: one question less for whoever checks the
    /// row. Without this the ledger is asked.
    #[must_use]
    pub fn with_right(mut self, right: Option<Fulfilment>) -> Self {
        self.right = RightRead::Yes(right);
        self
    }
}
