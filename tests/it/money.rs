//! The currency table against another library's.

use kessai::Currency;

#[test]
fn every_exponent_agrees_with_an_independent_table_of_iso_4217() {
    let mut compared = 0;
    for currency in Currency::all() {
        let Ok(theirs) = currency.code().parse::<iso_currency::Currency>() else {
            continue;
        };
        if let Some(exponent) = theirs.exponent() {
            assert_eq!(u16::from(currency.exponent()), exponent, "{currency}");
            compared += 1;
        }
    }
    assert!(compared > 150, "only {compared} currencies were compared");
}
