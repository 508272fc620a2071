//! The report as a page to print. No script, nothing from elsewhere.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{ChainNote, Row, RowCheck, Totals, Window, words};
use crate::utc;

const STYLE: &str = "body{font:10pt/1.4 sans-serif;margin:2em;color:#111}table{border-collapse:collapse;width:100%}\
    th,td{border:1px solid #999;padding:.2em .4em;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
    th{background:#eee}td.n{text-align:right;white-space:nowrap}ul{margin:0;padding-left:1.1em}tr{break-inside:avoid}\
    .broken{border:2px solid #a00;padding:.5em;font-weight:bold}@media print{body{margin:0}thead{display:table-header-group}}";

pub(super) fn begin(to: &mut impl Write, window: &Window) -> io::Result<()> {
    let (from, until) = (utc::micros(window.from()), utc::micros(window.to()));
    write!(
        to,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"robots\" content=\"noindex\"><title>Payments {from} to {until}</title><style>{STYLE}</style></head><body>\
         <h1>Payments in a window of time</h1><p>From {from} up to {until}, not included. Times are UTC.</p>\
         <table><thead><tr><th>order and attempt</th><th>customer</th><th>gateway and account</th><th>amount</th><th>state now</th>\
         <th>the gateway's names</th><th>what happened in the window</th><th>checked</th></tr></thead><tbody>\n"
    )
}

pub(super) fn attempt(to: &mut impl Write, row: &Row<'_>) -> io::Result<()> {
    let Row {
        attempt,
        records,
        shopper: _,
        check,
    } = row;
    let class = match check {
        RowCheck::Differs(_) => " class=\"broken\"",
        RowCheck::AsRecorded | RowCheck::Outside => "",
    };
    let expected = &attempt.expected;
    let customer = expected.customer.as_ref().map(ToString::to_string).unwrap_or_default();
    let names: Vec<String> = [&attempt.checkout, &attempt.payment]
        .into_iter()
        .flatten()
        .map(ToString::to_string)
        .collect();
    let mut happened = String::new();
    for record in records {
        let detail = words(record);
        let colon = if detail.is_empty() { "" } else { ": " };
        // Writing into a String cannot fail.
        let _ = write!(
            happened,
            "<li>{} {}{colon}{}</li>",
            utc::micros(record.at),
            record.kind.as_str(),
            escaped(&detail)
        );
    }
    writeln!(
        to,
        "<tr><td>{}<br>{}</td><td>{}</td><td>{} {} ({})</td><td class=\"n\">{}</td><td>{}</td><td>{}</td><td><ul>{happened}</ul></td><td{class}>{check}</td></tr>",
        escaped(expected.order.as_str()),
        expected.attempt,
        escaped(&customer),
        escaped(expected.gateway.as_str()),
        escaped(expected.account.as_str()),
        expected.environment,
        expected.amount,
        attempt.status,
        escaped(&names.join(", ")),
    )
}

pub(super) fn end(to: &mut impl Write, totals: &Totals, chain: &ChainNote) -> io::Result<()> {
    writeln!(
        to,
        "</tbody></table><h2>Totals</h2><p>{} attempts. {} ways to a page were given out, and {} of them \
         show no sign of a shopper.</p><table><thead><tr><th>gateway</th><th>account</th><th>environment</th>\
         <th>state now</th><th>attempts</th><th>expected, in minor units</th><th>issued</th><th>never opened</th></tr></thead><tbody>",
        totals.attempts(),
        totals.issued(),
        totals.never_opened(),
    )?;
    for line in totals.lines() {
        writeln!(
            to,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{} {}</td>\
             <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            escaped(&line.gateway),
            escaped(&line.account),
            line.environment,
            line.status,
            line.attempts,
            line.expected_minor_units,
            line.currency,
            line.issued,
            line.never_opened,
        )?;
    }
    let class = if chain.intact { "" } else { " class=\"broken\"" };
    writeln!(
        to,
        "</tbody></table><h2>The record itself</h2><p{class}>{}</p></body></html>",
        escaped(&chain.text)
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}
