//! Times as a store keeps them: whole microseconds since 1970, UTC. What does not fit is refused, never bent.

use std::time::{Duration, SystemTime};

use crate::ledger::StoreError;

/// The microseconds since 1970.
pub(super) fn micros(at: SystemTime) -> Result<i64, StoreError> {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_err(|_| StoreError::missing("a time before 1970 cannot be kept"))?;
    i64::try_from(since.as_micros()).map_err(|_| StoreError::missing("a time is too far in the future to be kept"))
}

/// A window in whole microseconds, as times are kept: each bound is the first one that is not before it. What lies before 1970
/// begins in 1970.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) fn bounds(window: &crate::ledger::Window) -> Result<(i64, i64), StoreError> {
    let up = |at: SystemTime| {
        if at < SystemTime::UNIX_EPOCH {
            return Ok(0);
        }
        let whole = micros(at)?;
        Ok(whole.saturating_add(i64::from(time_of(whole)? < at)))
    };
    Ok((up(window.from())?, up(window.to())?))
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
}
