//! The report as a table: one line for each attempt.

use std::io::{self, Write};

use super::{Row, words};
use crate::utc;

const COLUMNS: usize = 16;

const HEADING: [&str; COLUMNS] = [
    "order",
    "customer",
    "attempt",
    "gateway",
    "account",
    "environment",
    "amount_minor_units",
    "currency",
    "created_at",
    "status",
    "checkout",
    "payment",
    "records",
    "last_record",
    "shopper_seen",
    "checked",
];

pub(super) fn begin(to: &mut impl Write) -> io::Result<()> {
    line(to, &HEADING.map(str::to_owned))
}

pub(super) fn attempt(to: &mut impl Write, row: &Row<'_>) -> io::Result<()> {
    let Row {
        attempt,
        records,
        shopper,
        check,
    } = row;
    let expected = &attempt.expected;
    let name = |name: Option<&crate::reference::GatewayReference>| name.map(ToString::to_string).unwrap_or_default();
    let last = records.last().map(|record| {
        let detail = words(record);
        let colon = if detail.is_empty() { "" } else { ": " };
        format!("{} {}{colon}{detail}", utc::micros(record.at), record.kind.as_str())
    });
    line(
        to,
        &[
            expected.order.to_string(),
            expected.customer.as_ref().map(ToString::to_string).unwrap_or_default(),
            expected.attempt.to_string(),
            expected.gateway.to_string(),
            expected.account.to_string(),
            expected.environment.to_string(),
            expected.amount.minor_units().to_string(),
            expected.amount.currency().to_string(),
            utc::micros(expected.created_at),
            attempt.status.to_string(),
            name(attempt.checkout.as_ref()),
            name(attempt.payment.as_ref()),
            records.len().to_string(),
            last.unwrap_or_default(),
            if *shopper { "yes" } else { "no" }.to_owned(),
            check.to_string(),
        ],
    )
}

/// RFC 4180, every value in quotes.
fn line(to: &mut impl Write, values: &[String; COLUMNS]) -> io::Result<()> {
    for (index, value) in values.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // A spreadsheet would run it.
        let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
        let mark = if formula { "'" } else { "" };
        write!(to, "{comma}\"{mark}{}\"", value.replace('"', "\"\""))?;
    }
    to.write_all(b"\r\n")
}
