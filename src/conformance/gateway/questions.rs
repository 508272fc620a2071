//! What the gateway answers when it is asked.

use super::checkouts::broken;
use super::{Bench, Count, Says, Table, Tried, now};
use crate::error::{Error, Outcome};
use crate::event::PaymentEvent;
use crate::payment::PaymentStatus;
use crate::reference::IdempotencyKey;
use crate::transport::TransportErrorKind;
use crate::verified::{Trust, Verified};

async fn ask(table: &Table, bench: &dyn Bench) -> Result<Verified<PaymentEvent>, Error> {
    let answer = table.gateway.status(&table.stored(bench), now()).await;
    let _ = table.script.take_asked();
    answer
}

pub(super) async fn an_answer_says_what_the_gateway_says(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let stored = table.stored(bench);
    let mut count = Count::default();
    for (says, wanted) in [
        (Says::Paid, PaymentStatus::Captured),
        (Says::Pending, PaymentStatus::Pending),
        (Says::Failed, PaymentStatus::Failed),
        (Says::OtherAmount, PaymentStatus::Captured),
    ] {
        let answers = match bench.status(&stored, says) {
            Ok(answers) => answers,
            Err(skip) if says == Says::Paid => return Err(skip.into()),
            Err(_) => continue,
        };
        table.script.answer(answers);
        let event = ask(&table, bench).await.map_err(|error| format!("{says:?}: {error}"))?;
        let said = event.value();
        if event.trust() != Trust::StatusQuery {
            return Err("an answer to our own question is not said to be one".to_owned().into());
        }
        let over = matches!(said.snapshot.status, PaymentStatus::Expired | PaymentStatus::Cancelled);
        if said.snapshot.status != wanted && !(says == Says::Failed && over) {
            return Err(format!("{says:?} is {}, and must be {wanted}", said.snapshot.status).into());
        }
        let own = &table.gateway;
        if (&said.gateway, &said.account, said.environment) != (&own.id(), own.account(), own.environment()) {
            return Err(format!("{says:?} is said to be of another gateway, account or environment").into());
        }
        if says == Says::OtherAmount && said.snapshot.amount == Some(table.expected.amount) {
            return Err("another amount is said to be the expected one".to_owned().into());
        }
        if says == Says::Paid && said.snapshot.amount != Some(table.expected.amount) {
            return Err(format!("the amount is {:?}", said.snapshot.amount).into());
        }
        count.accepted += 1;
    }
    Ok(count)
}

pub(super) async fn an_unknown_or_incomplete_answer_is_never_the_expected_payment(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let stored = table.stored(bench);
    let mut refused = 0;
    let mut skipped = None;
    for says in [Says::UnknownWord, Says::NoAmount] {
        let answers = match bench.status(&stored, says) {
            Ok(answers) => answers,
            Err(skip) => {
                skipped = Some(skip);
                continue;
            }
        };
        table.script.answer(answers);
        if let Ok(event) = ask(&table, bench).await {
            let said = &event.value().snapshot;
            if says == Says::UnknownWord && said.status.has_money() {
                return Err(format!("an unknown word is {}", said.status).into());
            }
            if says == Says::NoAmount && said.amount.is_some() {
                return Err(format!("a missing amount is {:?}", said.amount).into());
            }
        }
        refused += 1;
    }
    match (refused, skipped) {
        (0, Some(skip)) => Err(skip.into()),
        _ => Ok(Count { accepted: 0, refused }),
    }
}

pub(super) async fn an_answer_about_another_attempt_is_never_about_this_one(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    table
        .script
        .answer(bench.status(&table.stored(bench), Says::OtherAttempt)?);
    if let Ok(event) = ask(&table, bench).await {
        let subject = &event.value().subject;
        if subject.attempt.as_ref() == Some(&table.expected.attempt) || subject.attempt.is_none() {
            return Err("an answer about another attempt is taken for one about this"
                .to_owned()
                .into());
        }
    }
    Ok(Count {
        accepted: 0,
        refused: 1,
    })
}

pub(super) async fn a_broken_answer_is_unknown(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let good = bench.status(&table.stored(bench), Says::Paid)?;
    let mut refused = 0;
    for kind in [
        TransportErrorKind::Timeout,
        TransportErrorKind::Broken,
        TransportErrorKind::Reply,
        TransportErrorKind::Connect,
    ] {
        table.script.fail(kind, 20);
        match ask(&table, bench).await {
            Ok(event) => return Err(format!("{kind:?} is {}", event.value().snapshot.status).into()),
            Err(_) => refused += 1,
        }
    }
    let Some(last) = good.last() else {
        return Err("an answer that pays has at least one part".to_owned().into());
    };
    for (what, answer) in broken(last) {
        table.script.answer(std::iter::repeat_n(answer, 20));
        match ask(&table, bench).await {
            // An answer of lines without an end can be readable when it is cut. Without its amount it pays nothing.
            Ok(event) if event.value().snapshot.amount.is_none() => refused += 1,
            Ok(event) => return Err(format!("{what} is {}", event.value().snapshot.status).into()),
            Err(error) if error.outcome() != Outcome::Unknown => {
                return Err(format!("after {what} the outcome is {:?}", error.outcome()).into());
            }
            Err(_) => refused += 1,
        }
    }
    Ok(Count { accepted: 0, refused })
}

pub(super) async fn an_ability_without_a_clear_answer_did_nothing_for_certain(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let stored = table.stored(bench);
    let key = IdempotencyKey::random().map_err(|error| error.to_string())?;
    let mut refused = 0;
    let abilities = table.gateway.abilities();
    for kind in [TransportErrorKind::Timeout, TransportErrorKind::Broken] {
        let mut wrong = None;
        let mut look = |what: &'static str, done: bool| {
            refused += 1;
            if done {
                wrong = Some(what);
            }
        };
        table.script.fail(kind, 20);
        if let Some(expire) = abilities.expire {
            look("expire", expire.expire(&stored, now()).await.is_ok());
        }
        table.script.fail(kind, 20);
        if let Some(capture) = abilities.capture {
            look("capture", capture.capture(&stored, None, &key, now()).await.is_ok());
        }
        table.script.fail(kind, 20);
        if let Some(void) = abilities.void {
            look("void", void.void(&stored, &key, now()).await.is_ok());
        }
        table.script.fail(kind, 20);
        if let Some(refund) = abilities.refund {
            look("refund", refund.refund(&stored, None, &key, now()).await.is_ok());
        }
        let _ = table.script.take_asked();
        if let Some(what) = wrong {
            return Err(format!("{what} is said to be done, and nobody answered").into());
        }
    }
    if refused == 0 {
        return Err(super::Skip("it has no abilities beside asking").into());
    }
    Ok(Count { accepted: 0, refused })
}
