//! Times as reports and monitoring systems read them.

use std::time::{SystemTime, UNIX_EPOCH};

/// RFC 3339 in UTC with microseconds. What lies outside the years 1970 to 9999 is shown as the nearest second within.
pub(crate) fn micros(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:06}Z", seconds(since.as_secs()), since.subsec_micros())
}

/// The same with milliseconds.
pub(crate) fn millis(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:03}Z", seconds(since.as_secs()), since.subsec_millis())
}

/// Date and time without a zone.
fn seconds(since_1970: u64) -> String {
    const LAST: u64 = 253_402_300_799;
    let seconds = since_1970.min(LAST);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a count of days since 1970, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    // Whole periods of 400 years have the same number of days.
    const PERIOD: u64 = 146_097;
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    // Reference: `date -u -d @SECONDS +%FT%TZ`.
    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000007Z"),
            (68_169_599, "1972-02-28T23:59:59.000007Z"),
            (68_169_600, "1972-02-29T00:00:00.000007Z"),
            (951_782_400, "2000-02-29T00:00:00.000007Z"),
            (951_868_800, "2000-03-01T00:00:00.000007Z"),
            (1_795_400_000, "2026-11-23T02:13:20.000007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000007Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000007Z"),
            (300_000_000_000, "9999-12-31T23:59:59.000007Z"),
        ] {
            let at = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(7);
            assert_eq!(micros(at), expected);
            let millis_expected = expected.replace(".000007Z", ".000Z");
            assert_eq!(millis(at), millis_expected);
        }
        assert_eq!(
            millis(UNIX_EPOCH + Duration::from_micros(1_007_999)),
            "1970-01-01T00:00:01.007Z"
        );
        assert_eq!(
            micros(UNIX_EPOCH - Duration::from_secs(5)),
            "1970-01-01T00:00:00.000000Z"
        );
    }
}
