//! What happened in a span of time, and what is not over.

use std::collections::BTreeSet;

use super::LedgerSource;
use super::desk::{Desk, Found, at, ensure, same};
use crate::conformance::proofs::say;
use crate::ledger::{Note, Which, Window};
use crate::payment::PaymentStatus;

pub(super) async fn a_window_hands_out_each_attempt_once_and_no_other(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    // Written out of order, as by machines whose clocks differ; something happens to each of them twice more.
    let mut attempts = Vec::new();
    for minute in [50_u64, 10, 40, 20, 30, 0, 60] {
        let expected = desk.written_at(&format!("order-{minute}"), at(minute * 60)).await?;
        for later in [1, 3] {
            let note = if later == 1 { Note::Returned } else { Note::Cancelled };
            let when = at(minute * 60 + later * 400);
            desk.ledger.note(&expected.attempt, note, when).await.map_err(say)?;
        }
        attempts.push((minute, expected.attempt));
    }
    for (from, to) in [(0, 10_000), (600, 2_401), (601, 602), (9_000, 10_000), (1_200, 1_200)] {
        let window = Window::new(at(from), at(to)).map_err(say)?;
        let inside = |second: u64| from <= second && second < to;
        let wanted: BTreeSet<_> = attempts
            .iter()
            .filter(|(minute, _)| [0, 400, 1200].iter().any(|later| inside(minute * 60 + later)))
            .map(|(_, attempt)| attempt.clone())
            .collect();
        for size in [1, 3, 100] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = desk.ledger.window(&window, after, size).await.map_err(say)?;
                ensure(page.len() <= size, "no more than was asked for")?;
                let Some(last) = page.last() else { break };
                ensure(after < Some(last.cursor), "it goes on")?;
                after = Some(last.cursor);
                for row in page {
                    let all = desk.timeline(row.attempt.reference()).await?;
                    same("its records", &row.records, &all)?;
                    found.push(row.attempt.reference().clone());
                }
            }
            same("how many", &found.len(), &wanted.len())?;
            same("which", &found.into_iter().collect(), &wanted)?;
        }
        let span = desk.ledger.window_span(&window).await.map_err(say)?;
        let records = desk.ledger.records(0, 1000).await.map_err(say)?;
        let (from, to) = (micros(from), micros(to));
        let positions = records
            .iter()
            .filter(|record| from <= record.at_micros && record.at_micros < to);
        let positions: Vec<u64> = positions.map(|record| record.position).collect();
        let ends = positions.first().copied().zip(positions.last().copied());
        same("the span", &span, &ends)?;
    }
    Ok(())
}

fn micros(second: u64) -> i64 {
    let since = at(second).duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

pub(super) async fn open_attempts_are_those_that_are_not_over(source: &dyn LedgerSource) -> Found {
    let desk = Desk::fresh(source).await?;
    let mut open = BTreeSet::new();
    for (number, status) in PaymentStatus::ALL.into_iter().enumerate() {
        let expected = desk.open(&format!("order-{number}")).await?;
        let _ = desk.hears(&expected, status).await?;
        if !desk.status(&expected.attempt).await?.is_final() {
            open.insert(expected.attempt);
        }
    }
    ensure(open.len() > 2, "some are open")?;
    for (which, count) in [(Which::All, PaymentStatus::ALL.len()), (Which::Open, open.len())] {
        for size in [1, 5, 100] {
            let (mut found, mut after) = (Vec::new(), 0);
            loop {
                let page = desk.ledger.attempts_after(after, which, size).await.map_err(say)?;
                let Some((last, _)) = page.last() else { break };
                ensure(after < *last, "it goes on")?;
                after = *last;
                found.extend(page.into_iter().map(|(_, attempt)| attempt.reference().clone()));
            }
            same("how many", &found.len(), &count)?;
            if which == Which::Open {
                same("which", &found.into_iter().collect(), &open)?;
            }
        }
    }
    Ok(())
}
