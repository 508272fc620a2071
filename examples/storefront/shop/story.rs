//! The ledger's records in words.

use kessai::Trust;
use kessai::ledger::RecordKind;

use super::goods::shown;
use super::lang::Lang;

/// What a record says, in English.
pub(crate) fn english(kind: &RecordKind) -> (String, String) {
    told(kind, Lang::En)
}

/// What a record says: a heading, and what it rests on.
pub(crate) fn told(kind: &RecordKind, lang: Lang) -> (String, String) {
    match kind {
        RecordKind::Expected {
            order,
            gateway,
            account,
            environment,
            amount,
            ..
        } => (
            lang.pick("支払いの予定を記録", "Written down").to_owned(),
            format!(
                "{} · {order} · {gateway}/{account} · {environment}",
                shown(*amount, lang)
            ),
        ),
        RecordKind::Opened { checkout, payment: _ } => (
            lang.pick("決済ページを作成", "Payment page opened").to_owned(),
            checkout.as_ref().map(ToString::to_string).unwrap_or_default(),
        ),
        RecordKind::Closed { refused } => (
            lang.pick("決済ページなしで終了", "Closed without a page").to_owned(),
            if *refused {
                lang.pick("決済会社が拒否", "the gateway refused it").to_owned()
            } else {
                lang.pick("送信されず", "it was never sent").to_owned()
            },
        ),
        RecordKind::Returned { cancelled } => (
            if *cancelled {
                lang.pick(
                    "ブラウザが中止の入口から戻る",
                    "The browser came back by the cancel address",
                )
                .to_owned()
            } else {
                lang.pick("ブラウザが戻る", "The browser came back").to_owned()
            },
            lang.pick("支払いの証拠にはならない", "which proves nothing").to_owned(),
        ),
        RecordKind::Asked { answered } => (
            lang.pick("決済会社に照会", "The gateway was asked").to_owned(),
            if *answered {
                lang.pick("決め手なし", "the answer decides nothing").to_owned()
            } else {
                lang.pick("返答なし", "no answer").to_owned()
            },
        ),
        RecordKind::Applied {
            from,
            to,
            trust,
            event,
            gateway_status,
            ..
        } => (
            format!("{from} → {to}"),
            format!("{} · {} · {event}", proven(*trust, lang), gateway_status.as_str()),
        ),
        RecordKind::Heard {
            status, trust, event, ..
        } => (
            format!("{} ({status})", lang.pick("既知の知らせ", "Nothing new")),
            format!("{} · {event}", proven(*trust, lang)),
        ),
        RecordKind::Held {
            reason,
            status,
            trust,
            event,
            amount,
            payment: _,
            evidence: _,
        } => (
            format!("{}: {reason}", lang.pick("保留、人の確認待ち", "Held for a person")),
            format!(
                "{status} · {} · {event}{}",
                proven(*trust, lang),
                amount
                    .map(|amount| format!(" · {}", shown(amount, lang)))
                    .unwrap_or_default()
            ),
        ),
        RecordKind::Fulfilment { key } => (
            lang.pick("発送の権利が成立", "May be shipped").to_owned(),
            key.to_string(),
        ),
        RecordKind::Fulfilled { key } => (lang.pick("発送済み", "Shipped").to_owned(), key.to_string()),
        other => (other.as_str().to_owned(), String::new()),
    }
}

fn proven(trust: Trust, lang: Lang) -> &'static str {
    match trust {
        Trust::Signature => lang.pick("署名つき通知", "signed callback"),
        Trust::KeyedHash => lang.pick("ハッシュつき通知", "hashed callback"),
        Trust::StatusQuery => lang.pick("照会への返答", "answer to our question"),
    }
}
