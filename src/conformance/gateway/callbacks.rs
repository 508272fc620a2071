//! What comes to the notification address, genuine and broken.

use super::{Bench, Count, From, Message, Says, Skip, Table, Tried, Worth, now};
use crate::event::{PaymentEvent, Received};
use crate::gateway::Ack;
use crate::payment::PaymentStatus;

/// What a message said: as far as anything may hang on it.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Refused,
    Hint(crate::event::Subject),
    Proven(Vec<Said>),
}

type Said = (
    crate::event::Subject,
    PaymentStatus,
    Option<crate::Money>,
    crate::GatewayId,
    crate::MerchantAccount,
    crate::Environment,
);

fn said(event: &PaymentEvent) -> Said {
    (
        event.subject.clone(),
        event.snapshot.status,
        event.snapshot.amount,
        event.gateway.clone(),
        event.account.clone(),
        event.environment,
    )
}

async fn hear(table: &Table, message: &Message) -> Heard {
    let Some(callback) = message.callback(now()) else {
        return Heard::Refused;
    };
    match table.gateway.receive(&callback).await {
        Err(_) => Heard::Refused,
        Ok(Received::Hint(subject)) => Heard::Hint(subject),
        Ok(Received::Proven(notification)) => {
            let events = notification.into_events();
            Heard::Proven(events.into_iter().map(|event| said(event.value())).collect())
        }
    }
}

/// Is this no more than what the genuine message said?
fn harmless(genuine: &Heard, heard: &Heard) -> bool {
    match (genuine, heard) {
        (_, Heard::Refused | Heard::Hint(_)) => true,
        (genuine, heard) => genuine == heard,
    }
}

/// Tries spoilt messages against a genuine one.
async fn try_all(table: &Table, genuine: &Message, spoilt: Vec<(String, Message)>) -> Tried {
    let honest = hear(table, genuine).await;
    let mut count = Count::default();
    for (what, message) in spoilt {
        if message == *genuine {
            continue;
        }
        let heard = hear(table, &message).await;
        if !harmless(&honest, &heard) {
            return Err(format!("{what}: {heard:?}").into());
        }
        match heard {
            Heard::Proven(_) => count.accepted += 1,
            _ => count.refused += 1,
        }
    }
    Ok(count)
}

const SAYS: [Says; 4] = [Says::Paid, Says::Pending, Says::Failed, Says::OtherAmount];

pub(super) async fn a_genuine_message_is_worth_what_it_must_be(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let mut count = Count::default();
    let mut tried = 0;
    for says in SAYS {
        let Ok(message) = bench.message(&table.expected, says, From::Gateway, now()) else {
            continue;
        };
        tried += 1;
        let heard = hear(&table, &message).await;
        match (bench.worth(says), &heard) {
            (Worth::Nothing, Heard::Refused) => count.refused += 1,
            (Worth::Hint, Heard::Hint(subject)) => {
                if subject.attempt.as_ref() != Some(&table.expected.attempt) && subject.checkout.is_none() {
                    return Err(format!("{says:?}: the hint names nothing to ask about").into());
                }
                count.refused += 1;
            }
            (Worth::Proof(wanted), Heard::Proven(events)) => {
                let statuses: Vec<PaymentStatus> = events.iter().map(|said| said.1).collect();
                if statuses != wanted {
                    return Err(format!("{says:?} is {statuses:?}, and must be {wanted:?}").into());
                }
                for (_, status, amount, gateway, account, environment) in events {
                    let own = &table.gateway;
                    if (gateway, account, environment) != (&own.id(), own.account(), &own.environment()) {
                        return Err(
                            format!("{says:?} is said to be of another gateway, account or environment").into(),
                        );
                    }
                    let expected = *amount == Some(table.expected.amount);
                    if *status == PaymentStatus::Captured && expected != (says == Says::Paid) {
                        return Err(format!("{says:?} names {amount:?}").into());
                    }
                }
                count.accepted += 1;
            }
            (worth, heard) => return Err(format!("{says:?} must be {worth:?}, and is {heard:?}").into()),
        }
    }
    if tried < 2 {
        return Err("make at least two of the messages that this gateway sends"
            .to_owned()
            .into());
    }
    Ok(count)
}

pub(super) async fn a_changed_byte_is_refused_or_changes_nothing(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let genuine = bench.message(&table.expected, Says::Paid, From::Gateway, now())?;
    let mut spoilt = Vec::new();
    for at in 0..genuine.body.len() {
        for mask in [0x01, 0x20, 0x80] {
            let mut message = genuine.clone();
            if let Some(byte) = message.body.get_mut(at) {
                *byte ^= mask;
            }
            spoilt.push((format!("byte {at} of the body, by {mask:#x}"), message));
        }
    }
    for (index, (name, value)) in genuine.headers.iter().enumerate() {
        for at in 0..value.len() {
            let mut message = genuine.clone();
            let mut bytes = value.clone().into_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x01;
            }
            if let (Some(header), Ok(text)) = (message.headers.get_mut(index), String::from_utf8(bytes)) {
                header.1 = text;
                spoilt.push((format!("byte {at} of {name}"), message));
            }
        }
    }
    try_all(&table, &genuine, spoilt).await
}

pub(super) async fn a_message_cut_short_or_lengthened_is_refused_or_says_the_same(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let genuine = bench.message(&table.expected, Says::Paid, From::Gateway, now())?;
    let mut spoilt: Vec<(String, Message)> = (0..genuine.body.len())
        .map(|length| {
            let mut message = genuine.clone();
            message.body.truncate(length);
            (format!("cut to {length} bytes"), message)
        })
        .collect();
    for more in [
        &b"0"[..],
        b"\n",
        b" ",
        b"&",
        b"}",
        b"\0",
        b"&amount=1",
        b"&Status=CAPTURE",
    ] {
        let mut message = genuine.clone();
        message.body.extend_from_slice(more);
        spoilt.push((format!("with {more:?} behind it"), message));
    }
    try_all(&table, &genuine, spoilt).await
}

pub(super) async fn a_header_that_is_missing_empty_or_doubled_is_refused_or_changes_nothing(
    bench: &dyn Bench,
) -> Tried {
    let table = Table::set(bench)?;
    let genuine = bench.message(&table.expected, Says::Paid, From::Gateway, now())?;
    let mut spoilt = Vec::new();
    for (index, (name, value)) in genuine.headers.iter().enumerate() {
        let mut without = genuine.clone();
        without.headers.remove(index);
        spoilt.push((format!("without {name}"), without));
        let mut empty = genuine.clone();
        if let Some(header) = empty.headers.get_mut(index) {
            header.1 = String::new();
        }
        spoilt.push((format!("with an empty {name}"), empty));
        let mut doubled = genuine.clone();
        doubled.headers.push((name, value.clone()));
        spoilt.push((format!("with {name} twice"), doubled));
    }
    try_all(&table, &genuine, spoilt).await
}

pub(super) async fn a_field_that_is_missing_empty_or_doubled_is_refused_or_changes_nothing(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let genuine = bench.message(&table.expected, Says::Paid, From::Gateway, now())?;
    let form = genuine
        .headers
        .iter()
        .any(|(_, value)| value.contains("form-urlencoded"));
    if !form {
        return Err(Skip("the message is no form; changed bytes of it have a case of their own").into());
    }
    let body = String::from_utf8(genuine.body.clone()).map_err(|_| "a form is text".to_owned())?;
    let fields: Vec<&str> = body.split('&').collect();
    let mut spoilt = Vec::new();
    let mut push = |what: String, fields: Vec<String>| {
        let mut message = genuine.clone();
        message.body = fields.join("&").into_bytes();
        spoilt.push((what, message));
    };
    for (index, field) in fields.iter().enumerate() {
        let name = field.split('=').next().unwrap_or_default();
        let with = |own: Option<String>, more: Option<String>| -> Vec<String> {
            let others = fields
                .iter()
                .enumerate()
                .filter_map(|(at, other)| match (at == index, &own) {
                    (true, own) => own.clone(),
                    (false, _) => Some((*other).to_owned()),
                });
            others.chain(more).collect()
        };
        push(format!("without {name}"), with(None, None));
        push(format!("with an empty {name}"), with(Some(format!("{name}=")), None));
        push(
            format!("with {name} twice"),
            with(Some((*field).to_owned()), Some((*field).to_owned())),
        );
        push(
            format!("with another {name} behind"),
            with(Some((*field).to_owned()), Some(format!("{name}=1"))),
        );
    }
    try_all(&table, &genuine, spoilt).await
}

pub(super) async fn a_message_for_another_merchant_is_no_proof(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let message = bench.message(&table.expected, Says::Paid, From::OtherMerchant, now())?;
    match hear(&table, &message).await {
        Heard::Proven(_) => Err("what another merchant's key signed was taken as proven"
            .to_owned()
            .into()),
        _ => Ok(Count {
            accepted: 0,
            refused: 1,
        }),
    }
}

pub(super) async fn a_message_of_yesterday_is_refused(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let message = bench.message(&table.expected, Says::Paid, From::Yesterday, now())?;
    match hear(&table, &message).await {
        Heard::Refused => Ok(Count {
            accepted: 0,
            refused: 1,
        }),
        heard => Err(format!("it is {heard:?}").into()),
    }
}

pub(super) async fn nothing_at_all_is_refused(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let genuine = bench.message(&table.expected, Says::Paid, From::Gateway, now())?;
    let mut spoilt = Vec::new();
    for body in [
        &b""[..],
        b"{}",
        b"[]",
        b"null",
        b"=",
        b"&&&",
        b"\xff\xff",
        b"<xml/>",
        b"a=%zz",
    ] {
        let mut message = genuine.clone();
        message.body = body.to_vec();
        spoilt.push((format!("{body:?}"), message));
        spoilt.push((
            format!("{body:?} without headers"),
            Message::post("application/octet-stream", body),
        ));
    }
    let mut fetched = genuine.clone();
    fetched.method = http::Method::GET;
    fetched.body.clear();
    spoilt.push(("fetched instead of posted".to_owned(), fetched));
    let count = spoilt.len();
    for (what, message) in spoilt {
        if hear(&table, &message).await != Heard::Refused {
            return Err(format!("{what} was taken").into());
        }
    }
    Ok(Count {
        accepted: 0,
        refused: count,
    })
}

pub(super) async fn an_unknown_word_is_never_money(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let mut refused = 0;
    for says in [Says::UnknownWord, Says::NoAmount] {
        let Ok(message) = bench.message(&table.expected, says, From::Gateway, now()) else {
            continue;
        };
        if let Heard::Proven(events) = hear(&table, &message).await {
            for (_, status, amount, ..) in events {
                if says == Says::UnknownWord && status.has_money() {
                    return Err(format!("an unknown word is {status}").into());
                }
                if says == Says::NoAmount && amount.is_some() {
                    return Err(format!("a missing amount is {amount:?}").into());
                }
            }
        }
        refused += 1;
    }
    if refused == 0 {
        return Err(Skip("its messages are hints, whatever they say").into());
    }
    Ok(Count { accepted: 0, refused })
}

pub(super) async fn acknowledgements_are_exact(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let genuine = bench.message(&table.expected, Says::Paid, From::Gateway, now())?;
    let callback = genuine
        .callback(now())
        .ok_or_else(|| "no web server would take the message".to_owned())?;
    let received = table
        .gateway
        .receive(&callback)
        .await
        .map_err(|error| error.to_string())?;
    let broken = Message::post("application/octet-stream", "x").callback(now());
    let broken = broken.ok_or_else(|| "no web server would take anything".to_owned())?;
    let Err(refusal) = table.gateway.receive(&broken).await else {
        return Err("nonsense was taken".to_owned().into());
    };
    let [done, retry, refused] = bench.acknowledgements();
    for (what, reply, wanted) in [
        ("taken", table.gateway.acknowledge(Ok(&received), Ack::Done), done),
        (
            "to be sent again",
            table.gateway.acknowledge(Ok(&received), Ack::Retry),
            retry,
        ),
        (
            "refused",
            table.gateway.acknowledge(Err(&refusal), Ack::Refused),
            refused,
        ),
    ] {
        if (reply.status().as_u16(), reply.body().as_ref()) != wanted {
            let shown = String::from_utf8_lossy(reply.body()).into_owned();
            return Err(format!("{what}: {} and {shown:?}", reply.status()).into());
        }
    }
    Ok(Count {
        accepted: 1,
        refused: 1,
    })
}

pub(super) async fn receiving_asks_nobody(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let mut count = Count::default();
    for from in [From::Gateway, From::OtherMerchant] {
        if let Ok(message) = bench.message(&table.expected, Says::Paid, from, now()) {
            match hear(&table, &message).await {
                Heard::Proven(_) => count.accepted += 1,
                _ => count.refused += 1,
            }
        }
    }
    if table.script.take_asked().is_empty() {
        Ok(count)
    } else {
        Err("a message made the store ask the gateway".to_owned().into())
    }
}
