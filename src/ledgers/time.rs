//! Times as a store keeps them: whole microseconds since 1970, UTC. What does not fit is refused, never bent.

use std::time::{Duration, SystemTime};

use crate::ledger::StoreError;

/// The microseconds since 1970. The last of all numbers is no time: it is the end of a window without end.
pub(super) fn micros(at: SystemTime) -> Result<i64, StoreError> {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| StoreError::missing("a time before 1970 cannot be kept"))?;
    let micros = i64::try_from(since.as_micros())
        .ok()
        .filter(|micros| *micros < i64::MAX);
    micros.ok_or(StoreError::missing("a time is too far in the future to be kept"))
}

/// A window in whole microseconds, as times are kept: each bound is the first one that is not before it. What lies before 1970
/// begins in 1970, and what ends beyond all times that can be kept has all of them in it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) fn bounds(window: &crate::ledger::Window) -> (i64, i64) {
    let up = |at: SystemTime| {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_nanos().div_ceil(1000)).unwrap_or(i64::MAX)
    };
    (up(window.from()), up(window.to()))
}

/// The time that was kept.
pub(super) fn time_of(micros: i64) -> Result<SystemTime, StoreError> {
    u64::try_from(micros)
        .ok()
        .and_then(|micros| SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros)))
        .ok_or(StoreError::damaged("a time on record is not one"))
}

/// The time as it will be read back.
pub(super) fn kept(at: SystemTime) -> Result<SystemTime, StoreError> {
    time_of(micros(at)?)
}

/// The end of a lease.
pub(super) fn lease_end(at: SystemTime, lease: Duration) -> Result<SystemTime, StoreError> {
    let end = at
        .checked_add(lease)
        .ok_or(StoreError::missing("a lease is too long to be kept"))?;
    kept(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_does_not_fit_is_refused_and_never_bent() {
        let epoch = SystemTime::UNIX_EPOCH;
        assert!(micros(epoch - Duration::from_micros(1)).is_err());
        assert!(micros(epoch + Duration::from_secs(10_000_000_000_000)).is_err());
        assert!(time_of(-1).is_err());
        assert!(time_of(i64::MIN).is_err());
        assert!(lease_end(epoch, Duration::MAX).is_err());
        assert_eq!(micros(epoch).unwrap(), 0);
        let odd = epoch + Duration::from_nanos(1_234_567_891);
        assert_eq!(kept(odd).unwrap(), epoch + Duration::from_micros(1_234_567));
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    #[test]
    fn a_window_may_begin_and_end_where_no_time_can_be_kept() {
        let epoch = SystemTime::UNIX_EPOCH;
        let bounds = |from, to| bounds(&crate::ledger::Window::new(from, to).unwrap());
        let beyond = epoch + Duration::from_secs(10_000_000_000_000);
        assert_eq!(bounds(epoch - Duration::from_secs(1), beyond), (0, i64::MAX));
        assert_eq!(bounds(beyond, beyond), (i64::MAX, i64::MAX));
        let (odd, whole) = (Duration::from_nanos(1_001), Duration::from_micros(7));
        assert_eq!(bounds(epoch + odd, epoch + whole), (2, 7));
        let last = epoch + Duration::from_micros(i64::MAX.unsigned_abs() - 1);
        assert_eq!(micros(last).unwrap(), i64::MAX - 1);
        assert!(micros(last + Duration::from_micros(1)).is_err());
    }
}
