//! A time as monitoring systems read it.

use std::time::{SystemTime, UNIX_EPOCH};

/// RFC 3339 in UTC with milliseconds. What lies outside the years 1970 to 9999 is shown as the nearest time within.
pub(super) fn utc(at: SystemTime) -> String {
    const LAST: u64 = 253_402_300_799;
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs().min(LAST);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let milliseconds = since.subsec_millis();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// Year, month and day of a count of days since 1970. Counted by years and months: a few hundred steps at most for any date that
/// comes up, and nothing to get wrong.
fn date(mut days: u64) -> (u64, u64, u64) {
    // Whole periods of 400 years have the same number of days.
    const PERIOD: u64 = 146_097;
    let mut year = 1970 + days / PERIOD * 400;
    days %= PERIOD;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shown(seconds: u64, millis: u64) -> String {
        utc(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(millis))
    }

    // Reference: `date -u -d @SECONDS +%FT%TZ`.
    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (68_169_599, "1972-02-28T23:59:59.000Z"),
            (68_169_600, "1972-02-29T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_795_400_000, "2026-11-23T02:13:20.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(shown(seconds, 0), expected);
        }
        assert_eq!(shown(1, 7), "1970-01-01T00:00:01.007Z");
    }

    #[test]
    fn times_out_of_bounds_are_shown_at_the_bound() {
        assert_eq!(utc(UNIX_EPOCH - Duration::from_secs(5)), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(300_000_000_000, 0), "9999-12-31T23:59:59.000Z");
    }
}
