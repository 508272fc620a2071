//! Times as Japanese gateways write them: digits of the time in Japan, whatever the server's own zone is (sheets of SBPS and
//! GMO-PG, "Create hosted payment"). Japan is nine hours ahead of UTC all year.
#![allow(dead_code, reason = "GMO-PG writes minutes alone, and SBPS seconds alone")]

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// `YYYYMMDDHHMMSS`. `None` before 1970 and after 9999.
pub(super) fn digits(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok().filter(|time| time.as_second() >= 0)?;
    let digits = time.to_zoned(japan()).strftime("%Y%m%d%H%M%S").to_string();
    (digits.len() == 14).then_some(digits)
}

/// `YYYYMMDDHHMM`, rounded down: an end that is written so is never later than the one that was meant.
pub(super) fn minute(time: SystemTime) -> Option<String> {
    let mut digits = digits(time)?;
    digits.truncate(12);
    Some(digits)
}

/// The time of 14 digits. `None` for anything that no clock in Japan shows.
pub(super) fn time(digits: &str) -> Option<SystemTime> {
    if digits.len() != 14 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let time = DateTime::strptime("%Y%m%d%H%M%S", digits)
        .ok()?
        .to_zoned(japan())
        .ok()?;
    // A leap second is read as the one before it: what is not written again as it was read is none.
    let time = SystemTime::from(time.timestamp());
    (self::digits(time).as_deref() == Some(digits)).then_some(time)
}

fn japan() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(9))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

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
            assert_eq!(minute(at(seconds)).unwrap(), wanted[..12]);
        }
        assert_eq!(digits(at(300_000_000_000)), None);
        assert_eq!(digits(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(minute(at(300_000_000_000)), None);
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
