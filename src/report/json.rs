//! The report as one JSON object, written piece by piece.

use std::io::{self, Write};

use serde::Serialize;

use super::{ChainNote, Line, Row, Totals, Window, words};
use crate::reference::CustomerReference;
use crate::utc;

/// The version of this form. A change that a reader would notice changes it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Told<'a> {
    attempt: &'a str,
    order: &'a str,
    customer: Option<&'a str>,
    gateway: String,
    account: String,
    environment: String,
    amount_minor_units: u64,
    currency: String,
    created_at: String,
    status: String,
    checkout: Option<String>,
    payment: Option<String>,
    records: Vec<Entry>,
    shopper_seen: bool,
    checked: String,
}

#[derive(Serialize)]
struct Entry {
    position: u64,
    at: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    detail: String,
}

#[derive(Serialize)]
struct Chain<'a> {
    intact: bool,
    differing: u64,
    outside: u64,
    text: &'a str,
}

pub(super) fn begin(to: &mut impl Write, window: &Window) -> io::Result<()> {
    write!(
        to,
        "{{\"version\":{VERSION},\"from\":\"{}\",\"to\":\"{}\",\"attempts\":[",
        utc::micros(window.from()),
        utc::micros(window.to())
    )
}

pub(super) fn attempt(to: &mut impl Write, row: &Row<'_>, first: bool) -> io::Result<()> {
    let Row {
        attempt,
        records,
        shopper,
        check,
    } = row;
    let expected = &attempt.expected;
    let line = Told {
        attempt: expected.attempt.as_str(),
        order: expected.order.as_str(),
        customer: expected.customer.as_ref().map(CustomerReference::as_str),
        gateway: expected.gateway.to_string(),
        account: expected.account.to_string(),
        environment: expected.environment.to_string(),
        amount_minor_units: expected.amount.minor_units(),
        currency: expected.amount.currency().to_string(),
        created_at: utc::micros(expected.created_at),
        status: attempt.status.to_string(),
        checkout: attempt.checkout.as_ref().map(ToString::to_string),
        payment: attempt.payment.as_ref().map(ToString::to_string),
        records: records
            .iter()
            .map(|record| Entry {
                position: record.position,
                at: utc::micros(record.at),
                kind: record.kind.as_str(),
                detail: words(record),
            })
            .collect(),
        shopper_seen: *shopper,
        checked: check.to_string(),
    };
    to.write_all(if first { b"\n" } else { b",\n" })?;
    serde_json::to_writer(to, &line).map_err(io::Error::from)
}

pub(super) fn end(to: &mut impl Write, totals: &Totals, chain: &ChainNote) -> io::Result<()> {
    let lines: Vec<Line> = totals.lines().collect();
    write!(
        to,
        "\n],\"count\":{},\"issued\":{},\"never_opened\":{},\"totals\":",
        totals.attempts(),
        totals.issued(),
        totals.never_opened()
    )?;
    serde_json::to_writer(&mut *to, &lines)?;
    to.write_all(b",\"chain\":")?;
    let ChainNote {
        intact,
        ref text,
        differing,
        outside,
    } = *chain;
    let chain = Chain {
        intact,
        differing,
        outside,
        text,
    };
    serde_json::to_writer(&mut *to, &chain)?;
    to.write_all(b"}\n")
}
