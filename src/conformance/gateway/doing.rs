//! What only some gateways can do.

use super::asking::ending;
use super::bench::Ability;
use super::stand::{Found, Stand, ensure, nothing_for_it};
use crate::conformance::proofs::say;
use crate::error::{Error, Outcome};
use crate::ledger::StoredAttempt;
use crate::reference::IdempotencyKey;

pub(super) async fn the_listed_abilities_are_those_that_work(stand: &Stand<'_>) -> Found {
    for ability in Ability::ALL {
        let granted = stand.bench.grants(&stand.attempt, ability)?;
        let used = match &granted {
            None => used(stand, &stand.attempt, ability).await?,
            Some((attempt, answers)) => {
                stand.line.script(answers);
                used(stand, attempt, ability).await?
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
            let outcome = match used(stand, &attempt, ability).await? {
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

/// Uses an ability on all of the attempt; `None` if it is not listed.
pub(super) async fn used(
    stand: &Stand<'_>,
    attempt: &StoredAttempt,
    ability: Ability,
) -> Result<Option<Result<(), Error>>, String> {
    let key = IdempotencyKey::random().map_err(say)?;
    let (listed, now) = (stand.gateway.abilities(), stand.bench.now());
    Ok(match ability {
        Ability::Expire => match listed.expire {
            Some(expire) => Some(expire.expire(attempt, now).await.map(drop)),
            None => None,
        },
        Ability::Capture => match listed.capture {
            Some(capture) => Some(capture.capture(attempt, None, &key, now).await),
            None => None,
        },
        Ability::Void => match listed.void {
            Some(void) => Some(void.void(attempt, &key, now).await),
            None => None,
        },
        Ability::Refund => match listed.refund {
            Some(refund) => Some(refund.refund(attempt, None, &key, now).await.map(drop)),
            None => None,
        },
    })
}
