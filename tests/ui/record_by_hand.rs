//! What is expected comes from a plan. It is not put together field by field, where one could be left out.
use kessai::ExpectedPayment;

fn change(genuine: ExpectedPayment, amount: kessai::Money) -> ExpectedPayment {
    ExpectedPayment { amount, ..genuine } //~ E0639
}

fn main() {}
