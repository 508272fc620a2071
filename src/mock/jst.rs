//! The times of the wire: 14 digits, in Japan, whatever the machine's zone is.

use std::time::{Duration, SystemTime};

use crate::mock::clock::unix;

/// Japan is nine hours ahead, all year.
const OFFSET: i64 = 9 * 60 * 60;
const DAY: i64 = 24 * 60 * 60;

/// `YYYYMMDDHHmmss`.
pub(super) fn digits(time: SystemTime) -> String {
    // Beyond the year 9999 there are no 14 digits; a clock sent there stays at its end.
    let local = (unix(time) + OFFSET).min(253_402_300_799);
    let (year, month, day) = date(local.div_euclid(DAY));
    let second = local.rem_euclid(DAY);
    format!(
        "{year:04}{month:02}{day:02}{:02}{:02}{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// The moment that 14 digits name; `None` if there is no such date or time.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) {
        return None;
    }
    let days = days(year, month, day);
    // The 31st of a short month would come back as another date.
    if date(days) != (year, month, day) {
        return None;
    }
    let unix = days * DAY + hour * 3600 + minute * 60 + second - OFFSET;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(unix).ok()?))
}

/// The last second of the day that comes so many days after this moment, in Japan.
pub(super) fn end_of_day(time: SystemTime, days_after: u64) -> SystemTime {
    let day = (unix(time) + OFFSET).div_euclid(DAY) + i64::try_from(days_after).unwrap_or(0);
    let end = u64::try_from((day + 1) * DAY - OFFSET - 1).unwrap_or(0);
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(end))
        .unwrap_or(time)
}

/// Year and month of a moment, in Japan, counted in months: what "the end of the third month" is counted in.
pub(super) fn months(time: SystemTime) -> i64 {
    let (year, month, _) = date((unix(time) + OFFSET).div_euclid(DAY));
    year * 12 + month - 1
}

/// Days since 1970 as a date of the Gregorian calendar. Years start in March, so that the leap day is the last one.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A date as days since 1970.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_japan_and_come_back_as_they_were() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_793_495_793);
        assert_eq!(digits(at), "20261101101633");
        assert_eq!(time("20261101101633"), Some(at));
        assert_eq!(digits(SystemTime::UNIX_EPOCH), "19700101090000");
        assert!(time("20280229000000").is_some());
    }

    #[test]
    fn a_day_ends_at_midnight_in_japan() {
        let evening = time("20261101235959").unwrap();
        assert_eq!(digits(end_of_day(evening, 0)), "20261101235959");
        assert_eq!(
            digits(end_of_day(evening + Duration::from_secs(1), 0)),
            "20261102235959"
        );
        assert_eq!(digits(end_of_day(evening, 30)), "20261201235959");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026110110163",
            "202611011016330",
            "20261131101633",
            "20270229000000",
            "20261301101633",
            "20261101241633",
            "20261101106033",
            "2026110110163x",
            "00001101101633",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
