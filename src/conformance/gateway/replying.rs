//! The reply to a message.

use super::bench::Reply;
use super::stand::{Found, Stand, ensure};
use crate::conformance::proofs::say;
use crate::error::VerifyError;
use crate::gateway::Ack;

const ACKS: [Ack; 3] = [Ack::Done, Ack::Retry, Ack::Refused];

const REFUSALS: [VerifyError; 6] = [
    VerifyError::Missing("a header"),
    VerifyError::Malformed("the form cannot be read"),
    VerifyError::Mismatch,
    VerifyError::Stale,
    VerifyError::Payload("not a message"),
    VerifyError::Key("no certificate"),
];

pub(super) async fn the_reply_is_exact(stand: &Stand<'_>) -> Found {
    for message in stand.genuine()? {
        let received = stand.gateway.receive(&message.callback).await.map_err(say)?;
        for ack in ACKS {
            is_exact(stand, &stand.gateway.acknowledge(Ok(&received), ack), ack)?;
        }
    }
    ensure(
        stand.bench.reply(Ack::Done) != stand.bench.reply(Ack::Retry),
        "what was taken is answered otherwise than what has to come again",
    )
}

pub(super) async fn a_refusal_is_exact_and_gives_no_reason(stand: &Stand<'_>) -> Found {
    for refusal in REFUSALS {
        for ack in ACKS {
            is_exact(stand, &stand.gateway.acknowledge(Err(&refusal), ack), ack)?;
        }
    }
    Ok(())
}

fn is_exact(stand: &Stand<'_>, found: &http::Response<bytes::Bytes>, ack: Ack) -> Found {
    let Reply {
        status,
        content_type,
        body,
    } = stand.bench.reply(ack);
    let said = found.headers().get(http::header::CONTENT_TYPE);
    ensure(
        found.status().as_u16() == status && found.body().as_ref() == body,
        &format!(
            "{ack:?}: {status} with {:?}, and not {} with {:?}",
            body.escape_ascii().to_string(),
            found.status(),
            found.body().escape_ascii().to_string()
        ),
    )?;
    ensure(
        content_type.is_none_or(|wanted| said.is_some_and(|said| said == wanted)),
        &format!("{ack:?}: is of the type {content_type:?}, and not {said:?}"),
    )
}
