//! Who it says it is, and what it must not tell.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::time::SystemTime;

use super::bench::{Ability, Asked};
use super::doing::used;
use super::line::Answer;
use super::stand::{Found, Heard, Stand, ensure};
use crate::conformance::proofs::say;
use crate::error::Error;
use crate::redirect::is_safe_scheme;

pub(super) async fn its_name_account_and_environment_are_in_every_event(stand: &Stand<'_>) -> Found {
    let id = stand.gateway.id();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure(
        !id.as_str().is_empty() && id.as_str().bytes().all(plain),
        "its id is of lower-case letters, digits and '-'",
    )?;
    ensure(
        stand.gateway.pages().iter().next().is_some(),
        "it has an origin for its pages",
    )?;
    ensure(
        stand.expected.gateway == id
            && stand.expected.account == *stand.gateway.account()
            && stand.expected.environment == stand.gateway.environment(),
        "an attempt carries its id, its account and its environment",
    )?;
    for message in stand.genuine()? {
        if let Heard::Proven(events) = stand.heard_genuine(&message).await? {
            for event in &events {
                ensure(
                    stand.is_ours(event),
                    &format!("{}: {event:?} is of this gateway", message.name),
                )?;
            }
        }
    }
    if let Some(answers) = stand.bench.answers(&stand.attempt, Asked::Paid)? {
        stand.line.script(&answers);
        let event = stand
            .gateway
            .status(&stand.attempt, stand.bench.now())
            .await
            .map_err(|error| error.to_string())?;
        ensure(stand.is_ours(event.value()), "an answer is of this gateway")?;
    }
    Ok(())
}

pub(super) async fn it_still_tells_a_genuine_message_from_another(stand: &Stand<'_>) -> Found {
    stand.gateway.self_check(stand.bench.now()).map_err(say)?;
    ensure(stand.line.sent().is_empty(), "it checks itself without a call")?;
    ensure(
        stand.gateway.clock_ahead().is_none(),
        "it knows no clock before an answer",
    )
}

pub(super) async fn it_tells_the_gateways_clock_by_its_last_answer(stand: &Stand<'_>) -> Found {
    for (date, unix) in [
        ("Fri, 01 Jan 2100 00:00:00 GMT", 4_102_444_800_i64),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 946_684_800),
    ] {
        // A refusal has a date like any answer.
        stand.line.script(&[Answer::new(400, "").dated(date)]);
        let _ = stand.gateway.status(&stand.attempt, stand.bench.now()).await;
        ensure(!stand.line.sent().is_empty(), "a question is sent")?;
        let ours = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(say)?;
        let ahead = unix - i64::try_from(ours.as_secs()).map_err(say)?;
        let told = stand.gateway.clock_ahead();
        ensure(
            told.is_some_and(|told| told.abs_diff(ahead) < 60),
            &format!("its clock is {ahead} s ahead, which it tells as {told:?}"),
        )?;
    }
    Ok(())
}

pub(super) async fn nothing_that_prints_holds_a_secret(stand: &Stand<'_>) -> Found {
    let secrets = stand.bench.secrets();
    ensure(
        !secrets.is_empty() && secrets.iter().all(|secret| secret.len() >= 6),
        "the bench names its secrets",
    )?;
    let gateway = &stand.gateway;
    stand.prints_no_secret("the gateway", &format!("{gateway:?} {gateway:#?}"))?;
    for message in stand.genuine()? {
        let heard = gateway.receive(&message.callback).await;
        stand.prints_no_secret("a message", &format!("{heard:?}"))?;
    }
    // An answer that repeats what it should not, also where the gateway's own words are meant to be printed.
    for status in [200, 400, 401, 500] {
        let echo = secrets.join(" ");
        let envelope = serde_json::json!({"error": {"code": echo, "message": echo}, "message": echo, "code": echo});
        for body in [echo.clone(), envelope.to_string()] {
            stand.line.script(&[Answer::new(status, body)]);
            let checkout = gateway.checkout(&stand.expected, &stand.request).await;
            let printed = match checkout {
                Ok(checkout) => format!("{checkout:?}"),
                Err(error) => whole(&error),
            };
            stand.prints_no_secret("a checkout", &printed)?;
            let printed = match gateway.status(&stand.attempt, stand.bench.now()).await {
                Ok(event) => format!("{event:?}"),
                Err(error) => whole(&error),
            };
            stand.prints_no_secret("an answer to a question", &printed)?;
        }
    }
    Ok(())
}

pub(super) async fn everything_is_sent_over_https_and_no_secret_in_an_address(stand: &Stand<'_>) -> Found {
    let mut sent = Vec::new();
    let page = stand.page()?;
    if let Some(answers) = stand.bench.granted(&stand.expected, &page) {
        stand.line.script(&answers);
        let _ = stand.gateway.checkout(&stand.expected, &stand.request).await;
        sent.extend(stand.line.sent());
    }
    if let Some(answers) = stand.bench.answers(&stand.attempt, Asked::Paid)? {
        stand.line.script(&answers);
        let _ = stand.gateway.status(&stand.attempt, stand.bench.now()).await;
        sent.extend(stand.line.sent());
    }
    for ability in Ability::ALL {
        if let Some((attempt, answers)) = stand.bench.grants(&stand.attempt, ability)? {
            stand.line.script(&answers);
            let _ = used(stand, &attempt, ability, None).await;
            sent.extend(stand.line.sent());
        }
    }
    ensure(!sent.is_empty(), "something is sent at all")?;
    for request in sent {
        let address = request.uri().to_string();
        let safe = url::Url::parse(&address).is_ok_and(|url| is_safe_scheme(&url));
        ensure(safe, "every call is sent over HTTPS")?;
        stand.prints_no_secret("an address", &address)?;
    }
    Ok(())
}

/// An error with all its causes, both ways of printing.
fn whole(error: &Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, " {inner} {inner:?}");
        cause = inner.source();
    }
    text
}
