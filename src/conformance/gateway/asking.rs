//! Answers to the question what became of an attempt.

use super::bench::Asked;
use super::line::Answer;
use super::stand::{Found, Stand, ensure, nothing_for_it};
use crate::conformance::proofs::say;
use crate::error::{Error, Outcome};
use crate::event::PaymentEvent;
use crate::ledger::Judgement;
use crate::payment::PaymentStatus;
use crate::transport::TransportErrorKind;
use crate::verified::{Trust, Verified};

impl Stand<'_> {
    async fn ask(&self, answers: &[Answer]) -> Result<Verified<PaymentEvent>, Error> {
        self.line.script(answers);
        self.gateway.status(&self.attempt, self.bench.now()).await
    }

    fn answers(&self, what: Asked) -> Result<Vec<Answer>, String> {
        let answers = self.bench.answers(&self.attempt, what)?;
        answers
            .filter(|answers| !answers.is_empty())
            .ok_or_else(|| nothing_for_it("such answer"))
    }

    fn pays(&self, event: &Verified<PaymentEvent>) -> bool {
        matches!(self.attempt.judge(event.clone()), Judgement::Accepted(_))
    }
}

/// The script with another last answer.
pub(super) fn ending(answers: &[Answer], last: Answer) -> Vec<Answer> {
    let before = answers.len().saturating_sub(1);
    answers.iter().take(before).cloned().chain([last]).collect()
}

pub(super) async fn only_the_documented_word_is_paid(stand: &Stand<'_>) -> Found {
    let event = stand.ask(&stand.answers(Asked::Paid)?).await.map_err(say)?;
    ensure(!stand.line.sent().is_empty(), "a question is sent")?;
    ensure(
        event.trust() == Trust::StatusQuery,
        "an answer is proven by the question",
    )?;
    ensure(
        event.value().snapshot.status == PaymentStatus::Captured && stand.pays(&event),
        &format!("{:?} pays", event.value()),
    )?;
    stand.tally.accepted();

    let states = stand.bench.other_states(&stand.attempt)?;
    ensure(states.len() >= 3, "the bench has at least three other states")?;
    for (wanted, answers) in states {
        let event = stand
            .ask(&answers)
            .await
            .map_err(|error| format!("{wanted}: {}", say(error)))?;
        let found = event.value().snapshot.status;
        ensure(found == wanted, &format!("{wanted} is found, and not {found}"))?;
        ensure(
            wanted != PaymentStatus::Captured && !stand.pays(&event),
            &format!("{wanted} does not pay"),
        )?;
        stand.tally.accepted();
    }
    Ok(())
}

pub(super) async fn a_word_that_is_in_no_document_is_unknown(stand: &Stand<'_>) -> Found {
    let event = stand.ask(&stand.answers(Asked::UnknownWord)?).await.map_err(say)?;
    let found = event.value().snapshot.status;
    ensure(
        found == PaymentStatus::Unknown,
        &format!("it is unknown, and not {found}"),
    )?;
    stand.tally.refused();
    Ok(())
}

pub(super) async fn an_amount_that_is_missing_stays_missing(stand: &Stand<'_>) -> Found {
    match stand.ask(&stand.answers(Asked::NoAmount)?).await {
        Err(_) => {}
        Ok(event) => {
            let amount = event.value().snapshot.amount;
            ensure(
                amount.is_none() && !stand.pays(&event),
                &format!("there is no amount, and not {amount:?}"),
            )?;
        }
    }
    stand.tally.refused();
    Ok(())
}

pub(super) async fn another_amount_is_told_and_does_not_pay(stand: &Stand<'_>) -> Found {
    match stand.ask(&stand.answers(Asked::LessMoney)?).await {
        Err(_) => {}
        Ok(event) => {
            let amount = event.value().snapshot.amount;
            ensure(
                amount != Some(stand.expected.amount) && !stand.pays(&event),
                &format!("{amount:?} is another amount, and does not pay"),
            )?;
        }
    }
    stand.tally.refused();
    Ok(())
}

pub(super) async fn an_answer_about_another_order_is_an_error(stand: &Stand<'_>) -> Found {
    let answer = stand.ask(&stand.answers(Asked::OtherOrder)?).await;
    let outcome = answer.err().map(|error| error.outcome());
    ensure(
        outcome == Some(Outcome::Unknown),
        &format!("an error of unknown outcome, and not {outcome:?}"),
    )?;
    stand.tally.refused();
    Ok(())
}

pub(super) async fn what_is_no_answer_is_an_error_of_unknown_outcome(stand: &Stand<'_>) -> Found {
    let answers = stand.answers(Asked::Paid)?;
    for (what, last) in Stand::no_answers() {
        let answer = stand.ask(&ending(&answers, last)).await;
        let outcome = answer.err().map(|error| error.outcome());
        ensure(
            outcome == Some(Outcome::Unknown),
            &format!("{what}: an error of unknown outcome, and not {outcome:?}"),
        )?;
        stand.tally.refused();
    }
    for kind in [TransportErrorKind::Connect, TransportErrorKind::Refused] {
        let answer = stand.ask(&ending(&answers, Answer::lost(kind))).await;
        ensure(answer.is_err(), &format!("{kind:?}: is an error"))?;
        stand.tally.refused();
    }
    Ok(())
}

pub(super) async fn the_right_words_under_a_wrong_status_are_an_error(stand: &Stand<'_>) -> Found {
    let answers = stand.answers(Asked::Paid)?;
    let body = answers.last().and_then(Answer::body).cloned().unwrap_or_default();
    for status in [204, 302, 400, 401, 403, 404, 409, 429, 500, 503] {
        let answer = stand.ask(&ending(&answers, Answer::new(status, body.clone()))).await;
        ensure(answer.is_err(), &format!("{status}: is an error"))?;
        stand.tally.refused();
    }
    Ok(())
}

pub(super) async fn an_answer_that_was_cut_says_nothing_new(stand: &Stand<'_>) -> Found {
    let answers = stand.answers(Asked::Paid)?;
    let whole = stand.ask(&answers).await.map_err(say)?.into_value();
    let body = answers.last().and_then(Answer::body).cloned().unwrap_or_default();
    for length in 0..body.len() {
        match stand.ask(&ending(&answers, Answer::ok(body.slice(..length)))).await {
            Err(_) => stand.tally.refused(),
            Ok(event) if stand.pays(&event) => {
                let said = event.value();
                ensure(
                    said.snapshot == whole.snapshot && said.subject == whole.subject,
                    &format!("cut to {length} bytes it says {said:?}"),
                )?;
                stand.tally.harmless();
            }
            Ok(_) => stand.tally.harmless(),
        }
    }
    Ok(())
}
