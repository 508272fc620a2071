//! What only some gateways can do.

use super::asking::ending;
use super::bench::Ability;
use super::stand::{Found, Stand, ensure, nothing_for_it};
use crate::conformance::proofs::say;
use crate::error::{Error, Outcome};
use crate::ledger::StoredAttempt;
use crate::money::{Currency, Money};
use crate::reference::IdempotencyKey;

pub(super) async fn the_listed_abilities_are_those_that_work(stand: &Stand<'_>) -> Found {
    for ability in Ability::ALL {
        let granted = stand.bench.grants(&stand.attempt, ability)?;
        let used = match &granted {
            None => used(stand, &stand.attempt, ability, None).await?,
            Some((attempt, answers)) => {
                stand.line.script(answers);
                used(stand, attempt, ability, None).await?
            }
        };
        match (granted.is_some(), used) {
            (false, None) => {}
            (true, Some(answer)) => {
                answer.map_err(|error| format!("{ability:?}: {}", say(error)))?;
                ensure(!stand.line.sent().is_empty(), &format!("{ability:?}: is sent"))?;
            }
            (true, None) => return Err(format!("{ability:?}: is not listed")),
            (false, Some(_)) => {
                return Err(format!(
                    "{ability:?}: is listed, and {}",
                    nothing_for_it("answer to it")
                ));
            }
        }
    }
    Ok(())
}

pub(super) async fn a_lost_reply_to_an_ability_is_an_unknown_outcome(stand: &Stand<'_>) -> Found {
    let mut tried = 0;
    for ability in Ability::ALL {
        let Some((attempt, answers)) = stand.bench.grants(&stand.attempt, ability)? else {
            continue;
        };
        tried += 1;
        for (what, lost) in Stand::no_answers() {
            stand.line.script(&ending(&answers, lost));
            let outcome = match used(stand, &attempt, ability, None).await? {
                Some(Err(error)) => error.outcome(),
                other => return Err(format!("{ability:?}, {what}: {other:?}")),
            };
            ensure(
                outcome == Outcome::Unknown,
                &format!("{ability:?}, {what}: an unknown outcome, and not {outcome:?}"),
            )?;
            stand.tally.refused();
        }
    }
    ensure(tried > 0, "there is an ability to try")
}

pub(super) async fn what_is_no_part_of_the_payment_is_neither_captured_nor_given_back(stand: &Stand<'_>) -> Found {
    let whole = stand.expected.amount;
    let (sum, currency) = (whole.minor_units(), whole.currency());
    let other = [Currency::JPY, Currency::USD]
        .into_iter()
        .find(|other| *other != currency)
        .ok_or("there is no other currency")?;
    let no_parts = [
        ("nothing", Money::new(0, currency)),
        ("more than all", Money::new(sum.saturating_add(1), currency)),
        ("all of it in another currency", Money::new(sum, other)),
        ("a part in another currency", Money::new(1, other)),
    ];
    let mut tried = 0;
    for ability in [Ability::Capture, Ability::Refund] {
        let Some((attempt, answers)) = stand.bench.grants(&stand.attempt, ability)? else {
            continue;
        };
        for (what, amount) in no_parts {
            tried += 1;
            stand.line.script(&answers);
            let refused = match used(stand, &attempt, ability, Some(amount)).await? {
                Some(Err(error)) => error.outcome() == Outcome::NotSent,
                _ => false,
            };
            ensure(
                refused && stand.line.sent().is_empty(),
                &format!("{ability:?} of {what} is refused before anything is sent"),
            )?;
            stand.tally.refused();
        }
    }
    ensure(tried > 0, "there is an ability to try")
}

/// Uses an ability on so much of the attempt, or on all of it; `None` if it is not listed.
pub(super) async fn used(
    stand: &Stand<'_>,
    attempt: &StoredAttempt,
    ability: Ability,
    amount: Option<Money>,
) -> Result<Option<Result<(), Error>>, String> {
    let key = IdempotencyKey::random().map_err(say)?;
    let (listed, now) = (stand.gateway.abilities(), stand.bench.now());
    Ok(match ability {
        Ability::Expire => match listed.expire {
            Some(expire) => Some(expire.expire(attempt, now).await.map(drop)),
            None => None,
        },
        Ability::Capture => match listed.capture {
            Some(capture) => Some(capture.capture(attempt, amount, &key, now).await),
            None => None,
        },
        Ability::Void => match listed.void {
            Some(void) => Some(void.void(attempt, &key, now).await),
            None => None,
        },
        Ability::Refund => match listed.refund {
            Some(refund) => Some(refund.refund(attempt, amount, &key, now).await.map(drop)),
            None => None,
        },
    })
}
