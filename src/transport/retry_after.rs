//! Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// Nobody waits longer, and whoever adds it to a clock shall not overflow it.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How far the clock of whoever wrote this answer is ahead of `now`, in seconds, if the answer has a date.
pub(super) fn clock_ahead(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let date = headers.get(DATE).and_then(|date| unix_seconds(date.to_str().ok()?))?;
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    i64::try_from(date).ok()?.checked_sub(i64::try_from(now).ok()?)
}

/// The wait that was asked for, a week at most. Of several headers the longest counts; one that cannot be read counts for
/// nothing, because a default is at hand.
///
/// A date is measured against the `Date` of the same answer: both are the gateway's clock, and ours may be wrong. Only
/// without that header our clock has to do.
pub(super) fn asked_wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    headers
        .get_all(RETRY_AFTER)
        .iter()
        .filter_map(|value| {
            let text = value.to_str().ok()?.trim_matches([' ', '\t']);
            if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
                // Digits that do not fit are still a wait, and a long one.
                return Some(text.parse().map_or(LONGEST, Duration::from_secs));
            }
            let then = unix_seconds(text)?;
            let now = match headers.get(DATE).and_then(|date| unix_seconds(date.to_str().ok()?)) {
                Some(date) => date,
                None => now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs(),
            };
            Some(Duration::from_secs(then.saturating_sub(now)))
        })
        .max()
        .map(|wait| wait.min(LONGEST))
}

/// An IMF-fixdate such as `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that may be sent today. The weekday is not checked.
fn unix_seconds(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (weekday, rest) = text.split_once(", ")?;
    let rest = rest.strip_suffix(" GMT")?;
    let mut parts = rest.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || weekday.len() != 3 {
        return None;
    }
    let mut time = time.split(':');
    let (hour, minute, second) = (time.next()?, time.next()?, time.next()?);
    if time.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let (day, year) = (number(day, 2)?, number(year, 4)?);
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    // 60: a leap second.
    if !(1..=31).contains(&day) || year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Days since 1970 in the Gregorian calendar. The year is counted from March, so that the leap day comes last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month < 3 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    // 719468: the days from March of the year 0 to 1970.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails panics")]
mod tests {
    use super::*;

    fn wait(values: &[&str], date: Option<&str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, value.parse().unwrap());
        }
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        asked_wait(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770))
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(wait(&["0"], None), Some(Duration::ZERO));
        assert_eq!(wait(&["7"], None), Some(Duration::from_secs(7)));
        assert_eq!(wait(&[" 120 "], None), Some(Duration::from_secs(120)));
        assert_eq!(wait(&["3", "9", "5"], None), Some(Duration::from_secs(9)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(wait(&[date], None), Some(Duration::from_secs(7)), "by our clock");
        assert_eq!(
            wait(&[date], Some("Sun, 06 Nov 1994 08:49:35 GMT")),
            Some(Duration::from_secs(2)),
            "by the gateway's clock"
        );
        assert_eq!(
            wait(&[date], Some("Sun, 06 Nov 1994 08:50:00 GMT")),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn a_week_is_the_longest() {
        for value in [
            "604801",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999999999",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            assert_eq!(wait(&[value], None), Some(LONGEST), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_read_asks_for_nothing() {
        for value in [
            "",
            " ",
            "-1",
            "+1",
            "1.5",
            "1s",
            "0x10",
            "soon",
            "1,2",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Nov 1994 08:49:37:00 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov 0000 08:49:37 GMT",
            "Sun, 06 Jan 0000 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
        ] {
            assert_eq!(wait(&[value], None), None, "{value:?}");
        }
        assert_eq!(wait(&[], None), None);
        assert_eq!(
            wait(&["soon", "4"], None),
            Some(Duration::from_secs(4)),
            "the other one counts"
        );
    }

    #[test]
    fn dates_are_counted_like_the_calendar() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 1996 00:00:00 GMT", 825_552_000),
            ("Tue, 29 Feb 2000 12:00:00 GMT", 951_825_600),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Mon, 23 Nov 2026 09:30:00 GMT", 1_795_426_200),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
        ] {
            assert_eq!(unix_seconds(text), Some(seconds), "{text}");
        }
    }
}
