//! At which gateways the tests that the table names run. A test shows something of those and of no other.

use super::super::Gw::{self, Gmopg, Komoju, Sbps, Stripe};

/// Where the tests run whose names begin so. The longest beginning counts.
const RUNS: &[(&str, Runs)] = &[
    (
        "attacks::crossed::a_crossed_answer_does_not_pay_for_somebody_who_did_not_at_komoju",
        At(&[Komoju]),
    ),
    (
        "attacks::crossed::a_crossed_answer_does_not_pay_for_somebody_who_did_not_at_stripe",
        At(&[Stripe]),
    ),
    (
        "attacks::crossed::crossed_answers_about_other_amounts_pay_nothing_at_gmopg",
        At(&[Gmopg]),
    ),
    (
        "attacks::crossed::crossed_answers_of_two_paid_orders_pay_neither_at_komoju",
        At(&[Komoju]),
    ),
    (
        "attacks::crossed::crossed_answers_of_two_paid_orders_pay_neither_at_stripe",
        At(&[Stripe]),
    ),
    (
        "attacks::crossed::one_transaction_of_a_crossed_answer_pays_one_order_at_gmopg",
        At(&[Gmopg]),
    ),
    ("attacks::gmopg::", At(&[Gmopg])),
    ("attacks::komoju::", At(&[Komoju])),
    ("attacks::sbps::", At(&[Sbps])),
    ("attacks::settling::", At(&[Sbps])),
    ("attacks::stripe::", At(&[Stripe])),
    ("attacks::table::", Everywhere),
    ("attacks::verdicts::pay_24_sbps", At(&[Sbps])),
    ("attacks::verdicts::pay_39_gmopg", At(&[Gmopg])),
    ("axum_intake::", Everywhere),
    ("bounds::", Everywhere),
    ("bounds::flood::a_flood_at_gmopg", At(&[Gmopg])),
    ("bounds::flood::a_flood_at_komoju", At(&[Komoju])),
    ("bounds::flood::a_flood_at_sbps", At(&[Sbps])),
    ("bounds::flood::a_flood_at_stripe", At(&[Stripe])),
    ("bounds::flood::ten_thousand", Desk),
    ("bounds::unproven::an_unsigned_message_at_gmopg", At(&[Gmopg])),
    (
        "bounds::unproven::ten_thousand_unproven_messages_at_komoju",
        At(&[Komoju]),
    ),
    ("bounds::unproven::ten_thousand_unproven_messages_at_sbps", At(&[Sbps])),
    (
        "bounds::unproven::ten_thousand_unproven_messages_at_stripe",
        At(&[Stripe]),
    ),
    ("card_testing::", Desk),
    ("cashier::", Desk),
    ("cashier_crash::", Everywhere),
    ("chain_tampering::", Everywhere),
    ("comparisons::", Everywhere),
    ("compile_fail::", Everywhere),
    ("fuzz_smoke::", Everywhere),
    ("gmopg::", At(&[Gmopg])),
    ("guard::", Everywhere),
    ("incident_drill::", Everywhere),
    ("komoju::", At(&[Komoju])),
    ("leaks::", Everywhere),
    ("ledger::", Everywhere),
    ("ledger_crash::", Everywhere),
    ("ledger_race::", Everywhere),
    ("lib::", Everywhere),
    ("lib::gateways::gmopg::", At(&[Gmopg])),
    ("lib::gateways::komoju::", At(&[Komoju])),
    ("lib::gateways::sbps::", At(&[Sbps])),
    ("lib::gateways::stripe::", At(&[Stripe])),
    ("lib::sign::joined::", At(&[Sbps])),
    ("lib::xml::", At(&[Sbps])),
    ("mock_gmopg::", At(&[Gmopg])),
    ("mock_komoju::", At(&[Komoju])),
    ("mock_sbps::", At(&[Sbps])),
    ("mock_stripe::", At(&[Stripe])),
    ("model::", Everywhere),
    ("money::", Everywhere),
    ("ninety_days::", Everywhere),
    ("postgres::", Everywhere),
    ("properties::", Desk),
    ("properties::a_rotation_under_load", At(&[Stripe, Komoju, Sbps])),
    ("redaction::", Desk),
    ("sbps::", At(&[Sbps])),
    ("sbps_desk::", At(&[Sbps])),
    ("security_events::", Desk),
    ("security_events::flow::no_field_of_a_documented_return", Everywhere),
    ("self_check::", Everywhere),
    ("storefront::", Desk),
    ("stripe::", At(&[Stripe])),
    ("sweep::", At(&[Stripe, Komoju, Gmopg])),
    ("switch::", Desk),
    ("transport::", Everywhere),
    ("untrusted_peer::", Desk),
    ("verify_cost::", Desk),
];

#[derive(Clone, Copy)]
enum Runs {
    /// At every gateway, or without any.
    Everywhere,
    At(&'static [Gw]),
    /// The store itself, with Stripe at the other end. What it does by itself it does at any gateway; what it makes of a message or an
    /// answer is shown of Stripe's.
    Desk,
}

use Runs::{At, Desk, Everywhere};

/// Does this test show something of this gateway in this column? Nothing if nobody said where it runs.
pub fn runs_at(name: &str, gateway: Gw, column: char) -> Option<bool> {
    let own = RUNS.iter().filter(|(begin, _)| name.starts_with(begin));
    let (_, runs) = own.max_by_key(|(begin, _)| begin.len())?;
    Some(match runs {
        Everywhere => true,
        At(gateways) => gateways.contains(&gateway),
        Desk => column == 'O' || gateway == Stripe,
    })
}

#[test]
fn every_list_of_gateways_says_what_the_names_say() {
    for (begin, runs) in RUNS {
        let named = Gw::ALL.iter().filter(|gateway| {
            let parts = begin.split([':', '_']);
            parts.into_iter().any(|part| part == gateway.name())
        });
        let named: Vec<Gw> = named.copied().collect();
        match runs {
            At(gateways) if !named.is_empty() => assert_eq!(*gateways, named, "{begin}"),
            _ => assert!(named.is_empty(), "{begin}"),
        }
    }
    let twice = RUNS.windows(2).find(|two| two[0].0 >= two[1].0);
    assert!(twice.is_none(), "in order, and each once");
}
