//! Test cards: what a number typed on the page stands for. The number itself goes no further than this file.

/// A card that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestCard {
    /// Is paid at once.
    Succeeds,
    /// Is declined by its bank.
    Declines,
    /// Is paid after a 3-D Secure step.
    AsksForSecure,
}

impl TestCard {
    pub(super) fn number(self) -> &'static str {
        match self {
            Self::Succeeds => "4242 4242 4242 4242",
            Self::Declines => "4000 0000 0000 0002",
            Self::AsksForSecure => "4000 0025 0000 3155",
        }
    }
}

/// The brand on a receipt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Brand {
    Visa,
}

impl Brand {
    pub(super) fn wire(self) -> &'static str {
        match self {
            Self::Visa => "visa",
        }
    }

    pub(super) fn display(self) -> &'static str {
        match self {
            Self::Visa => "Visa",
        }
    }
}

/// What happens to a payment with a test card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Behaviour {
    Succeeds,
    Declines,
    AsksForSecure,
}

/// What is left of a typed card once the number is forgotten.
pub(super) struct Presented {
    pub(super) behaviour: Behaviour,
    pub(super) brand: Brand,
    pub(super) last4: String,
}

/// The fields of the card form, borrowed from the request and dropped with it.
pub(super) struct Typed<'a> {
    pub(super) number: &'a str,
    pub(super) expiry: &'a str,
    pub(super) code: &'a str,
    pub(super) holder: &'a str,
}

/// What is wrong with a typed card, before anybody is asked for money.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flaw {
    Number,
    NotATestCard,
    Expiry,
    Code,
    Holder,
}

/// Which cards a simulator takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Taken {
    /// The test cards, with codes of three or four digits.
    #[default]
    Test,
    /// Besides them every number that begins like the first of them, and codes of up to twelve digits: so many different ones
    /// that a search for them elsewhere cannot find one by chance. They are paid at once.
    Marked,
}

impl Typed<'_> {
    /// Reads the card; `now` is in seconds since 1970.
    pub(super) fn read(&self, now: i64, taken: Taken) -> Result<Presented, Flaw> {
        let (year, month) = year_and_month(now);
        self.read_in(year, month, taken)
    }

    fn read_in(&self, year: i64, month: u32, taken: Taken) -> Result<Presented, Flaw> {
        let digits: String = self
            .number
            .chars()
            .filter(|c| !c.is_whitespace() && *c != '-')
            .collect();
        if !(12..=19).contains(&digits.len()) || !luhn(&digits) {
            return Err(Flaw::Number);
        }
        let behaviour = match digits.as_str() {
            "4242424242424242" => Behaviour::Succeeds,
            "4000000000000002" => Behaviour::Declines,
            "4000002500003155" => Behaviour::AsksForSecure,
            marked if taken == Taken::Marked && marked.len() == 16 && marked.starts_with("424242") => {
                Behaviour::Succeeds
            }
            // A real number must not slip through, let alone work.
            _ => return Err(Flaw::NotATestCard),
        };
        if !expires_later(self.expiry, year, month) {
            return Err(Flaw::Expiry);
        }
        let code = self.code.trim();
        let longest = match taken {
            Taken::Test => 4,
            Taken::Marked => 12,
        };
        if !(3..=longest).contains(&code.len()) || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Flaw::Code);
        }
        if self.holder.trim().is_empty() {
            return Err(Flaw::Holder);
        }
        let last4 = digits.get(digits.len() - 4..).unwrap_or_default().to_owned();
        Ok(Presented {
            behaviour,
            brand: Brand::Visa,
            last4,
        })
    }
}

/// The check digit of a card number.
fn luhn(digits: &str) -> bool {
    let mut sum = 0;
    for (place, digit) in digits.chars().rev().enumerate() {
        let Some(digit) = digit.to_digit(10) else { return false };
        sum += match (place % 2, digit) {
            (0, _) => digit,
            (_, 0..=4) => digit * 2,
            _ => digit * 2 - 9,
        };
    }
    sum % 10 == 0
}

/// `MM/YY` or `MM/YYYY`, this month included. The slash may be missing: the digit pad of a phone has none.
fn expires_later(text: &str, year: i64, month: u32) -> bool {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let parts = compact.split_once('/').or_else(|| match compact.len() {
        4 | 6 => compact.split_at_checked(2),
        _ => None,
    });
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let Some((month_text, year_text)) = parts.filter(|(month, year)| digits(month) && digits(year)) else {
        return false;
    };
    let (Ok(its_month), Ok(its_year)) = (month_text.parse::<u32>(), year_text.parse::<i64>()) else {
        return false;
    };
    let its_year = match year_text.len() {
        2 => its_year + year - year % 100,
        4 => its_year,
        _ => return false,
    };
    (1..=12).contains(&its_month) && (its_year, its_month) >= (year, month) && its_year <= year + 50
}

/// Year and month of a count of seconds since 1970 (days to civil date, proleptic Gregorian calendar).
pub(super) fn year_and_month(unix: i64) -> (i64, u32) {
    // A clock that was sent beyond the year 9999 must not keep us counting.
    let mut days = unix.clamp(0, 253_402_300_799).div_euclid(86_400);
    let mut year = 1970;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month)
}

fn leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: &str, expiry: &str, code: &str, holder: &str) -> Result<Behaviour, Flaw> {
        Typed {
            number,
            expiry,
            code,
            holder,
        }
        .read_in(2026, 11, Taken::Test)
        .map(|card| card.behaviour)
    }

    #[test]
    fn marked_cards_are_taken_only_where_they_were_asked_for() {
        let read = |number, code, taken| {
            let typed = Typed {
                number,
                expiry: "12/30",
                code,
                holder: "A",
            };
            typed.read_in(2026, 11, taken).map(|card| card.behaviour)
        };
        let (marked, code) = ("4242 4200 0000 0000", "900000000001");
        assert_eq!(read(marked, code, Taken::Marked), Ok(Behaviour::Succeeds));
        assert_eq!(read(marked, "123", Taken::Test), Err(Flaw::NotATestCard));
        assert_eq!(read("4242424242424242", code, Taken::Test), Err(Flaw::Code));
        assert_eq!(
            read("4111 1111 1111 1111", code, Taken::Marked),
            Err(Flaw::NotATestCard)
        );
        assert_eq!(read("4242 4200 0000 0001", code, Taken::Marked), Err(Flaw::Number));
        assert_eq!(read(marked, "9000000000012", Taken::Marked), Err(Flaw::Code));
    }

    #[test]
    fn a_card_that_is_not_a_test_card_is_refused_however_plausible() {
        assert_eq!(
            read("4111 1111 1111 1111", "12/30", "123", "A"),
            Err(Flaw::NotATestCard)
        );
        assert_eq!(read("4242 4242 4242 4241", "12/30", "123", "A"), Err(Flaw::Number));
        assert_eq!(read("", "12/30", "123", "A"), Err(Flaw::Number));
        assert_eq!(read("４２４２424242424242", "12/30", "123", "A"), Err(Flaw::Number));
    }

    #[test]
    fn past_and_impossible_expiry_dates_are_refused() {
        for expiry in [
            "10/26",
            "13/30",
            "00/30",
            "1330",
            "12345",
            "12/3",
            "12/030",
            "x/y",
            "",
            "12/2099",
            "+1/+30",
            "１２/３０",
        ] {
            assert_eq!(
                read("4242424242424242", expiry, "123", "A"),
                Err(Flaw::Expiry),
                "{expiry}"
            );
        }
        assert_eq!(read("4242424242424242", "11 / 26", "123", "A"), Ok(Behaviour::Succeeds));
    }

    #[test]
    fn a_security_code_of_the_wrong_shape_and_a_missing_name_are_refused() {
        assert_eq!(read("4242424242424242", "12/30", "12", "A"), Err(Flaw::Code));
        assert_eq!(read("4242424242424242", "12/30", "12a", "A"), Err(Flaw::Code));
        assert_eq!(read("4242424242424242", "12/30", "123", "  "), Err(Flaw::Holder));
    }

    #[test]
    fn months_are_counted_across_leap_years() {
        assert_eq!(year_and_month(0), (1970, 1));
        assert_eq!(year_and_month(951_782_400), (2000, 2)); // 29 February 2000
        assert_eq!(year_and_month(1_795_500_000), (2026, 11));
    }
}
