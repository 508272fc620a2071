//! No amount without its currency, no fraction, and no sum that forgets either.
use kessai::{Currency, Money};

fn main() {
    let _ = Money::new(1980); //~ E0061
    let _ = Money::new(1980, "JPY"); //~ E0308
    let _ = Money::new(19.80, Currency::EUR); //~ E0308
    let _ = Money::new(-1980, Currency::JPY); //~ E0600
    let _ = Money::new(1, Currency::JPY) + Money::new(1, Currency::EUR); //~ E0369
}
