//! Times as people read them, in Japan's time, which has no summer time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const JAPAN: Duration = Duration::from_secs(9 * 3600);

/// `2026-11-23 17:05:09`.
pub(crate) fn full(time: SystemTime) -> String {
    let (date, clock) = parts(time);
    format!("{date} {clock}")
}

/// `20261123`, for order numbers.
pub(crate) fn compact_date(time: SystemTime) -> String {
    parts(time).0.replace('-', "")
}

fn parts(time: SystemTime) -> (String, String) {
    let seconds = (time + JAPAN)
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    let of_day = seconds % 86_400;
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60),
    )
}

/// Days since 1970 to a date: the calendar repeats every 400 years of 146,097 days, and a year that starts in March has its
/// odd day at the end.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_shown_as_they_were() {
        for (seconds, shown) in [
            (0, "1970-01-01 09:00:00"),
            (951_782_399, "2000-02-29 08:59:59"),
            (1_709_218_799, "2024-02-29 23:59:59"),
            (1_709_218_800, "2024-03-01 00:00:00"),
            (4_102_412_400, "2100-01-01 00:00:00"),
        ] {
            assert_eq!(full(UNIX_EPOCH + Duration::from_secs(seconds)), shown);
        }
        assert_eq!(compact_date(UNIX_EPOCH), "19700101");
    }
}
