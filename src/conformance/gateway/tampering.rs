//! Messages that were changed on the way.

use super::alter::{Altered, cut_and_grown, flipped, other_fields, other_heads, other_orders, with_body};
use super::bench::Message;
use super::stand::{Found, Heard, Stand, ensure, nothing_for_it};

pub(super) async fn every_flipped_byte_is_refused(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        stand.hear_changed(&message, flipped(&message.callback)).await?;
    }
    Ok(())
}

pub(super) async fn every_cut_and_every_addition_is_refused(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        stand.hear_changed(&message, cut_and_grown(&message.callback)).await?;
    }
    Ok(())
}

pub(super) async fn every_changed_header_is_refused(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        stand.hear_changed(&message, other_heads(&message.callback)).await?;
    }
    Ok(())
}

pub(super) async fn every_changed_field_is_refused(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        let bodies = other_fields(stand.bench.style().shape, message.callback.body())?;
        stand.hear_changed(&message, unsigned(&message, bodies)).await?;
    }
    Ok(())
}

pub(super) async fn a_signed_message_that_lacks_something_says_no_more_than_the_whole(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        let mut lacking = Vec::new();
        for (what, body) in other_fields(stand.bench.style().shape, message.callback.body())? {
            let callback = stand.bench.signed(&body)?;
            lacking.push(Altered { what, callback });
        }
        stand.hear_lacking(&message, lacking).await?;
    }
    Ok(())
}

pub(super) async fn a_signed_message_without_its_amount_tells_none(stand: &Stand<'_>) -> Found {
    let style = stand.bench.style();
    if style.amount.is_empty() {
        return Err(nothing_for_it("field with an amount"));
    }
    for message in stand.genuine()? {
        let Heard::Proven(events) = stand.heard_genuine(&message).await? else {
            continue;
        };
        if events.iter().all(|event| event.snapshot.amount.is_none()) {
            continue;
        }
        let bodies = other_fields(style.shape, message.callback.body())?;
        for field in style.amount {
            let without: Vec<_> = bodies
                .iter()
                .filter(|(what, _)| {
                    ["dropped", "emptied", "null"]
                        .iter()
                        .any(|how| *what == format!("{field} {how}"))
                })
                .collect();
            ensure(
                !without.is_empty(),
                &format!("{}: the field {field} is there", message.name),
            )?;
            for (what, body) in without {
                match stand.hear(&stand.bench.signed(body)?).await? {
                    Ok(Heard::Proven(events)) if events.iter().all(|event| event.snapshot.amount.is_none()) => {
                        stand.tally.harmless();
                    }
                    Err(_) => stand.tally.refused(),
                    Ok(heard) => return Err(format!("{}, {what}: {heard:?}", message.name)),
                }
            }
        }
    }
    Ok(())
}

pub(super) async fn fields_in_another_order_are_taken_as_the_gateway_says(stand: &Stand<'_>) -> Found {
    let style = stand.bench.style();
    for message in stand.genuine()? {
        let bodies = other_orders(style.shape, message.callback.body())?;
        let whole = stand.heard_genuine(&message).await?;
        for Altered { what, callback } in unsigned(&message, bodies) {
            match (stand.hear(&callback).await?, style.any_order) {
                (Ok(heard), true) if heard == whole => stand.tally.harmless(),
                (Err(_), false) => stand.tally.refused(),
                (heard, _) => return Err(format!("{}, {what}: {heard:?}", message.name)),
            }
        }
    }
    Ok(())
}

/// The message with these bodies, under the signature of the genuine one.
fn unsigned(message: &Message, bodies: Vec<(String, bytes::Bytes)>) -> Vec<Altered> {
    let altered = |(what, body)| with_body(&message.callback, body).map(|callback| Altered { what, callback });
    bodies.into_iter().filter_map(altered).collect()
}
