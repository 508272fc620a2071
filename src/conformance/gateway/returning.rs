//! What the browser brings back. It has no word for "paid"; it must not lead astray either.

use super::alter::{Altered, at_target, cut_and_grown, flipped};
use super::stand::{Found, Heard, Stand, ensure, is_part_of, nothing_for_it};
use crate::conformance::proofs::say;
use crate::event::Subject;

pub(super) async fn a_return_is_a_hint_about_its_own_attempt(stand: &Stand<'_>) -> Found {
    let returns = stand.bench.returns(&stand.attempt)?;
    let own = stand.own_names();
    for (what, callback, cancelled) in [
        ("paid", &returns.genuine, false),
        ("given up", &returns.cancelled, true),
    ] {
        let hint = stand.gateway.returned(callback).map_err(say)?;
        ensure(
            hint.cancelled == cancelled,
            &format!("{what}: cancelled is {cancelled}"),
        )?;
        ensure(
            is_part_of(&hint.subject, &own),
            &format!("{what}: {:?} is this attempt", hint.subject),
        )?;
        stand.tally.accepted();
    }
    Ok(())
}

pub(super) async fn a_forged_return_leads_to_nothing(stand: &Stand<'_>) -> Found {
    let forged = stand.bench.returns(&stand.attempt)?.forged;
    if forged.is_empty() {
        return Err(nothing_for_it("forged return"));
    }
    for (what, callback) in forged {
        match stand.gateway.returned(&callback) {
            Err(_) => stand.tally.refused(),
            // The cashier shows nothing of an attempt for a return that names another.
            Ok(hint) => {
                ensure(
                    !stand.leads_to_ours(&hint.subject),
                    &format!("{what}: {:?} does not lead to the attempt", hint.subject),
                )?;
                stand.tally.refused();
            }
        }
    }
    Ok(())
}

pub(super) async fn every_change_to_a_signed_return_is_refused(stand: &Stand<'_>) -> Found {
    let style = stand.bench.style();
    if !style.signed_return {
        return Err(nothing_for_it("signed return"));
    }
    let genuine = stand.bench.returns(&stand.attempt)?.genuine;
    let whole = stand.gateway.returned(&genuine).map_err(say)?;
    ensure(stand.names_ours(&whole.subject), "a signed return names its attempt")?;
    for Altered { what, callback } in flipped(&genuine).into_iter().chain(cut_and_grown(&genuine)) {
        match stand.gateway.returned(&callback) {
            Err(_) => stand.tally.refused(),
            // Without what is signed it is a return like any other.
            Ok(hint) if hint.subject == Subject::new() => stand.tally.harmless(),
            Ok(hint) if hint == whole && stand.is_harmless(&genuine, &callback) => stand.tally.harmless(),
            Ok(hint) => return Err(format!("{what}: is taken as {hint:?}")),
        }
    }
    Ok(())
}

pub(super) async fn a_message_is_no_return_and_a_return_is_no_message(stand: &Stand<'_>) -> Found {
    let returns = stand.bench.returns(&stand.attempt)?;
    for message in stand.genuine()? {
        let replayed = at_target(
            &message.callback,
            returns.genuine.target().split('?').next().unwrap_or("/"),
        );
        let replayed = replayed.ok_or("a message cannot be sent to the return address")?;
        match stand.gateway.returned(&replayed) {
            Err(_) => stand.tally.refused(),
            Ok(hint) => {
                let name = message.name;
                ensure(
                    hint.subject == Subject::new(),
                    &format!("{name}: nothing is read out of it as a return"),
                )?;
                stand.tally.refused();
            }
        }
        for callback in [&returns.genuine, &returns.cancelled] {
            let replayed = at_target(callback, message.callback.target());
            let replayed = replayed.ok_or("a return cannot be sent to the address for messages")?;
            match stand.hear(&replayed).await? {
                Err(_) => stand.tally.refused(),
                Ok(Heard::Hint(_)) => stand.tally.harmless(),
                Ok(Heard::Proven(events)) => return Err(format!("a return proves {events:?}")),
            }
        }
    }
    Ok(())
}
