//! Before the shopper leaves.

use super::{Answer, Bench, Count, Skip, Table, Tried, now};
use crate::error::Outcome;
use crate::ledger::ExpectedPayment;
use crate::redirect::Redirect;
use crate::transport::TransportErrorKind;

pub(super) async fn it_says_the_same_of_itself_and_prints_no_secret(bench: &dyn Bench) -> Tried {
    let (one, two) = (Table::set(bench)?, Table::set(bench)?);
    let says = |table: &Table| {
        let gateway = &table.gateway;
        (gateway.id(), gateway.account().clone(), gateway.environment())
    };
    if says(&one) != says(&two) {
        return Err("two of the same settings say different things of themselves"
            .to_owned()
            .into());
    }
    if one.gateway.pages().iter().next().is_none() {
        return Err("it names no page, so no redirect is allowed".to_owned().into());
    }
    let shown = format!("{:?} {:#?} {:?}", one.gateway, one.gateway, one.expected);
    match bench.secrets().iter().find(|secret| shown.contains(secret.as_str())) {
        Some(_) => Err("a secret prints".to_owned().into()),
        None => Ok(Count::default()),
    }
}

pub(super) async fn its_own_check_passes(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    table.gateway.self_check(now()).map_err(|error| error.to_string())?;
    Ok(Count {
        accepted: 2,
        refused: 1,
    })
}

pub(super) async fn what_it_cannot_take_is_refused_before_anything_is_sent(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let refused = bench.refused();
    if refused.is_empty() {
        return Err("every gateway has bounds: name an order beyond them".to_owned().into());
    }
    for (what, request) in &refused {
        if ExpectedPayment::plan(table.gateway.as_ref(), request, now()).is_ok() {
            return Err(format!("{what} was taken").into());
        }
    }
    if !table.script.take_asked().is_empty() {
        return Err("planning asked somebody".to_owned().into());
    }
    Ok(Count {
        accepted: 0,
        refused: refused.len(),
    })
}

pub(super) async fn a_checkout_carries_its_attempt_and_leads_to_an_allowed_page(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    table.script.answer(bench.created(&table.expected));
    let checkout = table.gateway.checkout(&table.expected, &table.request).await;
    let checkout = checkout.map_err(|error| format!("no checkout: {error}"))?;
    let asked = table.script.take_asked();
    let attempt = table.expected.attempt.as_str();
    let carried = asked.iter().any(|request| {
        String::from_utf8_lossy(request.body()).contains(attempt) || request.uri().to_string().contains(attempt)
    });
    let (target, in_form) = match &checkout.redirect {
        Redirect::Get(url) => (url.as_str().to_owned(), false),
        Redirect::Post(form) => (
            form.target().as_str().to_owned(),
            form.fields().any(|(_, value)| value == attempt),
        ),
    };
    // A link that is built here may carry it encoded; then nothing was asked.
    if !carried && !in_form && !asked.is_empty() {
        return Err("the attempt was not sent, so what comes back cannot be tied to it"
            .to_owned()
            .into());
    }
    let allowed = table.gateway.pages().iter().any(|page| target.starts_with(page));
    if !allowed {
        return Err(format!("the redirect leads to {target}, which is not an allowed page").into());
    }
    Ok(Count {
        accepted: 1,
        refused: 0,
    })
}

pub(super) async fn another_request_than_the_one_written_down_is_refused(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let other = bench.request("ORD-2026-000999")?;
    table.script.answer(bench.created(&table.expected));
    if table.gateway.checkout(&table.expected, &other).await.is_ok() {
        return Err("a request that was not written down was sent".to_owned().into());
    }
    if !table.script.take_asked().is_empty() {
        return Err("it was refused only after it was sent".to_owned().into());
    }
    Ok(Count {
        accepted: 0,
        refused: 1,
    })
}

pub(super) async fn a_lost_or_broken_answer_to_a_checkout_is_unknown(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let Some(good) = bench.created(&table.expected) else {
        return Err(Skip("the page is built without a call").into());
    };
    let mut refused = 0;
    for kind in [
        TransportErrorKind::Timeout,
        TransportErrorKind::Broken,
        TransportErrorKind::Reply,
    ] {
        table.script.fail(kind, 9);
        unknown(
            table.gateway.checkout(&table.expected, &table.request).await,
            &format!("{kind:?}"),
        )?;
        let _ = table.script.take_asked();
        refused += 1;
    }
    for (what, answer) in broken(&good) {
        table.script.answer(std::iter::repeat_n(answer, 9));
        unknown(table.gateway.checkout(&table.expected, &table.request).await, what)?;
        let _ = table.script.take_asked();
        refused += 1;
    }
    Ok(Count { accepted: 0, refused })
}

/// Answers that nobody can read as the good one.
pub(super) fn broken(good: &Answer) -> Vec<(&'static str, Answer)> {
    let with = |status, body: &[u8]| Answer {
        status,
        mime: good.mime,
        body: body.to_vec(),
    };
    let half = good.body.get(..good.body.len() / 2).unwrap_or_default();
    vec![
        ("an empty answer", with(200, b"")),
        ("half an answer", with(200, half)),
        ("a page of a proxy", with(200, b"<!doctype html><title>Welcome</title>")),
        ("bytes of no charset", with(200, &[0xff, 0xfe, 0x00, 0x81])),
        ("trouble at the gateway", with(500, b"")),
        ("a page of a load balancer", with(503, b"<h1>Service Unavailable</h1>")),
    ]
}

fn unknown<T>(sent: Result<T, crate::Error>, what: &str) -> Result<(), String> {
    match sent {
        Ok(_) => Err(format!("{what} was taken for a page")),
        Err(error) if error.outcome() == Outcome::Unknown => Ok(()),
        Err(error) => Err(format!("after {what} the outcome is {:?}: {error}", error.outcome())),
    }
}
