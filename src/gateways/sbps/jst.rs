//! Times as SBPS writes them: `YYYYMMDDHHMMSS` in Japan, whatever the server's own zone is (sheet, "Create hosted payment").
//! Japan is nine hours ahead of UTC all year.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const AHEAD: u64 = 9 * 3600;
const DAY: u64 = 24 * 3600;

/// The 14 digits of a time. `None` before 1970 and after 9999.
pub(super) fn digits(time: SystemTime) -> Option<String> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs().checked_add(AHEAD)?;
    let (year, month, day) = date(seconds / DAY);
    if year > 9999 {
        return None;
    }
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    Some(format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}"))
}

/// The time of 14 digits. `None` for anything that no clock in Japan shows.
pub(super) fn time(digits: &str) -> Option<SystemTime> {
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days(year, month, day)?;
    // Not every day of 31 is in every month: what is not read back as it was written is none.
    if date(days) != (year, month, day) {
        return None;
    }
    let seconds = (days * DAY + hour * 3600 + minute * 60 + second).checked_sub(AHEAD)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Year, month and day of the day so many days after 1970-01-01. Counted in eras of 400 years from 1 March of year 0, so
/// that the leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let since = days + 719_468;
    let (era, of_era) = (since / 146_097, since % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * march + 2) / 5 + day - 1;
    let (era, year_of_era) = (year / 400, year % 400);
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    (era * 146_097 + of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_time_is_written_as_clocks_in_japan_show_it() {
        for (seconds, wanted) in [
            (0, "19700101090000"),
            (1_793_495_700, "20261101101500"),
            (1_709_132_400, "20240229000000"),
            (1_709_218_799, "20240229235959"),
            (1_735_657_199, "20241231235959"),
            (1_735_657_200, "20250101000000"),
            (951_750_000, "20000229000000"),
        ] {
            assert_eq!(digits(at(seconds)).unwrap(), wanted);
            assert_eq!(time(wanted), Some(at(seconds)));
        }
        assert_eq!(digits(at(300_000_000_000)), None);
        assert_eq!(digits(UNIX_EPOCH - Duration::from_secs(1)), None);
    }

    #[test]
    fn what_no_clock_shows_is_no_time() {
        for text in [
            "",
            "2026110110150",
            "202611011015000",
            "20261301000000",
            "20260001000000",
            "20260230000000",
            "20250229000000",
            "20260431000000",
            "20260400000000",
            "20261101240000",
            "20261101106000",
            "20261101101560",
            "2026110110150a",
            "+2026110110150",
            "２０２６１１０１１０１５００",
            "19700101000000",
            "00000101000000",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_time_is_read_back(seconds in 0_u64..250_000_000_000) {
            let written = digits(at(seconds)).unwrap();
            prop_assert_eq!(time(&written), Some(at(seconds)));
        }
    }
}
