//! What an attempt looks like here, before anything is sent.

use std::collections::HashSet;

use super::stand::{Found, Stand, ensure, nothing_for_it};
use crate::checkout::CheckoutRequest;
use crate::conformance::proofs::say;
use crate::ledger::ExpectedPayment;
use crate::money::Money;
use crate::reference::AttemptReference;

pub(super) async fn a_reference_fits_the_gateways_grammar_and_is_drawn_anew(stand: &Stand<'_>) -> Found {
    let plan = stand.gateway.plan(&stand.request).map_err(say)?;
    let mut drawn = HashSet::new();
    for _ in 0..1000 {
        let reference = AttemptReference::random(plan.format).map_err(say)?;
        ensure(
            stand.bench.takes_reference(reference.as_str()),
            &format!("{reference} fits the gateway's grammar"),
        )?;
        ensure(drawn.insert(reference), "no reference comes twice")?;
    }
    ensure(
        !stand.bench.takes_reference("") && !stand.bench.takes_reference(&"x".repeat(1000)),
        "the bench's grammar refuses something",
    )?;
    ensure(!plan.valid_for.is_zero(), "a page can be used for a while")
}

pub(super) async fn what_it_cannot_take_is_refused_before_anything_is_sent(stand: &Stand<'_>) -> Found {
    let nothing =
        CheckoutRequest::builder(stand.expected.order.clone()).total(Money::new(0, stand.expected.amount.currency()));
    ensure(nothing.build().is_err(), "nothing cannot be asked for")?;
    let requests = stand.bench.requests_to_refuse()?;
    if requests.is_empty() {
        return Err(nothing_for_it("request that is refused"));
    }
    for (what, request) in requests {
        ensure(stand.gateway.plan(&request).is_err(), &format!("{what}: is refused"))?;
        let planned = ExpectedPayment::plan(&stand.gateway, &request, stand.bench.now());
        ensure(planned.is_err(), &format!("{what}: no attempt is made"))?;
        stand.tally.refused();
    }
    ensure(stand.line.sent().is_empty(), "a plan sends nothing")
}

pub(super) async fn a_foreign_currency_is_refused(stand: &Stand<'_>) -> Found {
    let request = stand.bench.request_in_a_foreign_currency()?;
    let request = request.ok_or_else(|| nothing_for_it("request in a foreign currency"))?;
    ensure(
        stand.gateway.plan(&request).is_err(),
        "a currency that it does not take is refused",
    )?;
    stand.tally.refused();
    Ok(())
}
