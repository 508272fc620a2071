//! Messages from the gateway, and from everybody else.

use super::alter::with_body;
use super::bench::{Says, Wrong};
use super::stand::{Found, Heard, Stand, ensure, nothing_for_it};
use crate::conformance::proofs::say;
use crate::event::Received;
use crate::ledger::{ExpectedPayment, Judgement, StoredAttempt};

pub(super) async fn genuine_messages_say_what_they_must(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        let heard = stand.heard_genuine(&message).await?;
        let name = message.name;
        match (&message.says, &heard) {
            (Says::Hint, Heard::Hint(subject)) => {
                ensure(
                    stand.names_ours(subject),
                    &format!("{name}: {subject:?} is this attempt"),
                )?;
            }
            (Says::Proven(wanted), Heard::Proven(events)) => {
                let said: Vec<_> = events
                    .iter()
                    .map(|event| (event.snapshot.status, event.snapshot.amount))
                    .collect();
                ensure(said == *wanted, &format!("{name}: says {wanted:?}, and not {said:?}"))?;
                for event in events {
                    ensure(
                        stand.leads_to_ours(&event.subject) || event.subject.payment == stand.attempt.payment,
                        &format!("{name}: {:?} leads to this attempt", event.subject),
                    )?;
                }
            }
            (wanted, heard) => return Err(format!("{name}: wanted {wanted:?}, found {heard:?}")),
        }
    }
    Ok(())
}

pub(super) async fn the_same_message_again_is_the_same_fact(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        let (first, again) = (
            stand.heard_genuine(&message).await?,
            stand.heard_genuine(&message).await?,
        );
        ensure(
            first == again,
            &format!("{}: has the same events with the same ids", message.name),
        )?;
        let Heard::Proven(events) = first else { continue };
        let mut ids: Vec<_> = events.iter().map(|event| &event.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ensure(
            ids.len() == events.len(),
            &format!("{}: two events, two ids", message.name),
        )?;
    }
    Ok(())
}

pub(super) async fn proven_money_is_accepted_for_its_attempt_and_no_other(stand: &Stand<'_>) -> Found {
    let other = ExpectedPayment::plan(&stand.gateway, &stand.request, stand.bench.now()).map_err(say)?;
    let mut dearer = stand.attempt.clone();
    dearer.expected.amount = dearer
        .expected
        .amount
        .checked_add(dearer.expected.amount)
        .map_err(say)?;
    let mut accepted = 0;
    for message in stand.genuine()? {
        let Ok(Received::Proven(proven)) = stand.gateway.receive(&message.callback).await else {
            continue;
        };
        for event in proven.into_events() {
            if !matches!(stand.attempt.judge(event.clone()), Judgement::Accepted(_)) {
                continue;
            }
            accepted += 1;
            for (what, attempt) in [
                ("another attempt", &StoredAttempt::new(other.clone())),
                ("a dearer one", &dearer),
            ] {
                let judged = attempt.judge(event.clone());
                ensure(
                    !matches!(judged, Judgement::Accepted(_)),
                    &format!("{what} is not paid by it"),
                )?;
                stand.tally.refused();
            }
        }
    }
    ensure(accepted > 0, "a genuine message pays its attempt")
}

pub(super) async fn what_is_no_message_is_refused(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        for body in [
            &b""[..],
            b"null",
            b"{}",
            b"[]",
            b"a=b",
            b"=",
            b"&&&&",
            b"%",
            b"<!doctype html><html></html>",
            b"<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
            b"\xff\xfe\x00",
            b"{\"id\":\"1\",\"type\":\"paid\",\"amount\":1980}",
        ] {
            let Some(callback) = with_body(&message.callback, body) else {
                continue;
            };
            let heard = stand.hear(&callback).await?;
            ensure(heard.is_err(), &format!("{}: is refused", body.escape_ascii()))?;
            stand.tally.refused();
        }
    }
    Ok(())
}

pub(super) async fn a_foreign_key_signs_nothing(stand: &Stand<'_>) -> Found {
    is_wrong(stand, Wrong::Key).await
}

pub(super) async fn a_key_whose_time_is_over_signs_nothing(stand: &Stand<'_>) -> Found {
    is_wrong(stand, Wrong::KeyOfThePast).await
}

pub(super) async fn another_merchants_message_is_none_of_ours(stand: &Stand<'_>) -> Found {
    is_wrong(stand, Wrong::Merchant).await
}

pub(super) async fn an_old_message_is_refused(stand: &Stand<'_>) -> Found {
    is_wrong(stand, Wrong::Age).await
}

pub(super) async fn a_message_of_the_other_environment_is_none_of_ours(stand: &Stand<'_>) -> Found {
    is_wrong(stand, Wrong::Environment).await
}

async fn is_wrong(stand: &Stand<'_>, how: Wrong) -> Found {
    let callback = stand.bench.wrong(&stand.attempt, how)?;
    let callback = callback.ok_or_else(|| nothing_for_it("such message"))?;
    match stand.hear(&callback).await? {
        Err(_) => stand.tally.refused(),
        // It may say itself that it is about somebody else, and then nobody takes it for ours.
        Ok(Heard::Proven(events)) => {
            let says_so = matches!(how, Wrong::Merchant | Wrong::Environment);
            let ours = events.iter().any(|event| stand.is_ours(event));
            ensure(
                says_so && !ours && !events.is_empty(),
                "it is refused, or says that it is not ours",
            )?;
            stand.tally.refused();
        }
        Ok(Heard::Hint(subject)) => return Err(format!("it is taken as a hint about {subject:?}")),
    }
    Ok(())
}
