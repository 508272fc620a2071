//! Values that are checked when they are made are not put together past the check.
use kessai::{Currency, FulfilmentKey, Money, RedirectUrl, ReturnToken};

fn money() -> Money {
    Money { minor_units: 1980, currency: Currency::JPY } //~ E0451
}

fn address(text: String, origin: String) -> RedirectUrl {
    RedirectUrl { text, origin } //~ E0451
}

fn read(event: kessai::Accepted) {
    let kessai::Accepted { attempt: _, event: _ } = event; //~ E0451
}

fn key(text: String) -> FulfilmentKey {
    FulfilmentKey { 0: text } //~ E0451
}

fn token(text: String) -> ReturnToken {
    ReturnToken { 0: text } //~ E0451
}

fn main() {}
