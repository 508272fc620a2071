//! Behind the counter.

use kessai::ledger::{HeldEvidence, Record, StoredAttempt};

use super::super::goods;
use super::super::html::esc;
use super::super::story;
use super::super::time;
use super::super::web::Visitor;
use super::super::{Shop, lang::Lang};
use super::Frame;

/// Every attempt, newest first, each with its story.
pub(crate) fn attempts(
    shop: &Shop,
    visitor: &Visitor,
    stories: &[(StoredAttempt, Vec<Record>)],
    held: &[HeldEvidence],
) -> String {
    let lang = visitor.lang;
    let title = lang.pick("カウンターの裏側", "Behind the counter");
    let waiting = held
        .iter()
        .map(|held| {
            let (heading, basis) = story::told(&held.record.kind, lang);
            format!(
                "<li><b>{}</b> {} <span class=\"quiet\">{}</span></li>\n",
                held.order,
                esc(&heading),
                esc(&basis)
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let waiting = if waiting.is_empty() {
        String::new()
    } else {
        format!(
            "<section class=\"notice wait\" data-test=\"held\"><h2>{}</h2><ul>\n{waiting}</ul></section>\n",
            lang.pick("人の確認を待っている証拠", "Evidence that waits for a person")
        )
    };
    let attempts = stories
        .iter()
        .map(|(attempt, timeline)| one(shop, attempt, timeline, lang))
        .collect::<Vec<_>>()
        .concat();
    let attempts = if attempts.is_empty() {
        format!("<p>{}</p>", lang.pick("まだ何もありません。", "Nothing yet."))
    } else {
        attempts
    };
    // The token in the address stays in the address: the switch keeps the path.
    Frame::of(shop, visitor, title).page(&format!(
        r#"<h1>{title}</h1><p class="quiet">{}</p>
{waiting}{attempts}"#,
        lang.pick(
            "台帳の記録そのものです。お名前やお届け先は載りません。",
            "The ledger's own records. No names and no addresses."
        )
    ))
}

fn one(shop: &Shop, attempt: &StoredAttempt, timeline: &[Record], lang: Lang) -> String {
    let expected = &attempt.expected;
    let start = expected.created_at;
    let rows = timeline
        .iter()
        .map(|record| {
            let (heading, basis) = story::told(&record.kind, lang);
            let after = record.at.duration_since(start).map_or(0, |passed| passed.as_millis());
            format!(
                r#"<li class="{}"><time title="{}">+{}.{:03} s</time><span><b>{}</b> <span class="quiet">{}</span></span></li>
"#,
                record.kind.as_str(),
                time::full(record.at),
                after / 1000,
                after % 1000,
                esc(&heading),
                esc(&basis),
            )
        })
        .collect::<Vec<_>>().concat();
    let payment = attempt.payment.as_ref().map(ToString::to_string).unwrap_or_default();
    format!(
        r#"<article class="attempt" data-test="attempt" data-order="{order}" data-status="{status}" data-way="{gateway}">
<h2>{order} <span class="price">{amount}</span> <span class="tag {tone}">{status}</span></h2>
<p class="quiet">{placed} · {way} · {reference} {payment}</p>
<ol class="timeline">
{rows}</ol></article>
"#,
        order = expected.order,
        status = attempt.status,
        amount = goods::shown(expected.amount, lang),
        tone = if attempt.status.has_money() {
            "good"
        } else if attempt.status.is_dead() {
            "open"
        } else {
            "wait"
        },
        placed = time::full(start),
        gateway = expected.gateway,
        way = shop.way(expected.gateway.as_str()).map_or("", |way| way.name(lang)),
        reference = esc(expected.attempt.as_str()),
        payment = esc(&payment),
    )
}
