//! What the browser brings back: a hint at best, and only about its own attempt.

use super::{Bench, Count, Table, Tried, now};

pub(super) async fn a_return_names_its_attempt_and_nothing_else(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let message = bench.returned(&table.expected, false)?;
    let callback = message
        .callback(now())
        .ok_or_else(|| "no web server would take the return".to_owned())?;
    let hint = table.gateway.returned(&callback).map_err(|error| error.to_string())?;
    match &hint.subject.attempt {
        Some(attempt) if *attempt != table.expected.attempt => {
            return Err(format!("it names {attempt}, and came back from {}", table.expected.attempt).into());
        }
        _ => {}
    }
    if !table.script.take_asked().is_empty() {
        return Err("reading a return asked somebody".to_owned().into());
    }
    Ok(Count {
        accepted: 1,
        refused: 0,
    })
}

pub(super) async fn a_forged_return_names_nothing(bench: &dyn Bench) -> Tried {
    let table = Table::set(bench)?;
    let genuine = bench.returned(&table.expected, false)?;
    let forged = bench.returned(&table.expected, true)?;
    let mut refused = 0;
    let mut spoilt = vec![forged];
    for at in 0..genuine.body.len() {
        let mut message = genuine.clone();
        if let Some(byte) = message.body.get_mut(at) {
            *byte ^= 0x01;
        }
        spoilt.push(message);
    }
    let honest = genuine
        .callback(now())
        .and_then(|callback| table.gateway.returned(&callback).ok());
    let honest = honest.map(|hint| hint.subject);
    for message in spoilt {
        let Some(callback) = message.callback(now()) else {
            continue;
        };
        match table.gateway.returned(&callback) {
            Err(_) => refused += 1,
            Ok(hint) => {
                let nothing = hint.subject.attempt.is_none() && hint.subject.payment.is_none();
                if !nothing && Some(&hint.subject) != honest.as_ref() {
                    return Err("a changed return names something else".to_owned().into());
                }
            }
        }
    }
    if refused == 0 {
        return Err("nothing that was forged or changed was refused".to_owned().into());
    }
    Ok(Count { accepted: 0, refused })
}
