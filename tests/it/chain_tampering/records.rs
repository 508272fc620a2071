//! Records changed, removed, moved, doubled, added and cut off in the file itself.

use std::collections::BTreeSet;

use kessai::ledger::{BreakReason, KeptRecord, verify};
use rusqlite::types::Value;

use super::sample::{Copied, Sample, broken};

/// The columns of a record with the bytes that are in them.
fn columns(record: &KeptRecord) -> Vec<(&'static str, Vec<u8>)> {
    let mut columns = vec![
        ("at", record.at_micros.to_be_bytes().to_vec()),
        ("kind", record.kind.clone().into_bytes()),
        ("body", record.body.clone().into_bytes()),
        ("digest", record.digest.as_bytes().to_vec()),
    ];
    if let Some(attempt) = &record.attempt {
        columns.push(("attempt", attempt.clone().into_bytes()));
    }
    columns
}

/// Puts bytes into a column of its own type, whether they make sense there or not.
fn put(copy: &Copied, position: u64, column: &str, bytes: &[u8]) {
    let (value, of) = match column {
        "at" => {
            let number = i64::from_be_bytes(bytes.try_into().unwrap());
            (Value::Integer(number), "?1")
        }
        "digest" => (Value::Blob(bytes.to_vec()), "?1"),
        // A text of any bytes.
        _ => (Value::Blob(bytes.to_vec()), "CAST(?1 AS TEXT)"),
    };
    let sql = format!("UPDATE records SET {column} = {of} WHERE position = ?2");
    let mut statement = copy.raw.prepare_cached(&sql).unwrap();
    assert_eq!(statement.execute((value, position.cast_signed())).unwrap(), 1);
}

#[tokio::test]
async fn every_flipped_bit_of_every_kind_of_record_is_named_by_its_position() {
    let sample = Sample::make().await;
    let copy = sample.copy("flipped");
    let ledger = copy.ledger();
    let (mut flips, start) = (0, std::time::Instant::now());
    let mut kinds = BTreeSet::new();
    for record in &sample.records {
        // The first of each kind whole; of the others the digest, which covers all of them.
        let whole = kinds.insert(record.kind.as_str());
        for (column, bytes) in columns(record) {
            if !whole && column != "digest" {
                continue;
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                put(&copy, record.position, column, &flipped);
                let found = verify(&ledger, &[]).await.map_err(|error| error.to_string());
                assert_eq!(
                    broken(&found),
                    Some((record.position, BreakReason::Altered)),
                    "{column} of {}, bit {bit}: {found:?}",
                    record.position
                );
                flips += 1;
            }
            put(&copy, record.position, column, &bytes);
        }
    }
    assert!(verify(&ledger, &[sample.checkpoint]).await.unwrap().is_intact());
    println!("{flips} flipped bits, each named, in {:.1?}", start.elapsed());
    assert!(flips > 15_000, "only {flips} bits");
}

#[tokio::test]
async fn every_flipped_bit_of_a_position_is_named_where_the_order_ends() {
    let sample = Sample::make().await;
    for record in &sample.records {
        for bit in 0..64 {
            let copy = sample.copy("position");
            let now = record.position.cast_signed() ^ (1 << bit);
            let was = record.position;
            copy.run(&format!(
                "UPDATE OR REPLACE records SET position = {now} WHERE position = {was}"
            ));
            // In front of the first record there is no place: the first one is not the first any more.
            let wanted = u64::try_from(now).unwrap_or(1).clamp(1, was);
            let found = copy.check(None).await;
            let at = broken(&found).map(|(position, _)| position);
            assert_eq!(at, Some(wanted), "{was} became {now}: {found:?}");
        }
    }
}

#[tokio::test]
async fn every_removed_record_is_named_also_when_the_others_close_the_gap() {
    let sample = Sample::make().await;
    let last = sample.head().count;
    for position in 1..=last {
        let copy = sample.copy("removed");
        copy.run(&format!("DELETE FROM records WHERE position = {position}"));
        let found = copy.check(Some(&sample.checkpoint)).await;
        let why = if position == last {
            BreakReason::Missing
        } else {
            BreakReason::Position
        };
        assert_eq!(broken(&found), Some((position, why)), "{found:?}");
        if position == last {
            continue;
        }
        // Moved up by way of negative positions, where nothing is in the way.
        copy.run(&format!(
            "UPDATE records SET position = -position WHERE position > {position}; \
             UPDATE records SET position = -position - 1 WHERE position < 0"
        ));
        let found = copy.check(None).await;
        assert_eq!(broken(&found), Some((position, BreakReason::Altered)), "{found:?}");
    }
}

#[tokio::test]
async fn every_two_swapped_records_are_named_at_the_first_of_them() {
    let sample = Sample::make().await;
    let last = sample.head().count;
    let copy = sample.copy("swapped");
    let ledger = copy.ledger();
    for one in 1..=last {
        for other in one + 1..=last {
            let swap = format!(
                "BEGIN; UPDATE records SET position = -1 WHERE position = {one}; \
                 UPDATE records SET position = {one} WHERE position = {other}; \
                 UPDATE records SET position = {other} WHERE position = -1; COMMIT"
            );
            copy.run(&swap);
            let found = verify(&ledger, &[]).await.map_err(|error| error.to_string());
            assert_eq!(
                broken(&found),
                Some((one, BreakReason::Altered)),
                "{one} and {other}: {found:?}"
            );
            copy.run(&swap);
        }
    }
    assert!(verify(&ledger, &[sample.checkpoint]).await.unwrap().is_intact());
}

#[tokio::test]
async fn every_doubled_and_every_added_record_is_named() {
    let sample = Sample::make().await;
    let last = sample.head().count;
    for position in 1..=last {
        // Behind the last one, at its own place and in front of all others.
        for (to, wanted) in [(last + 1, last + 1), (0, 1)] {
            let copy = sample.copy("doubled");
            copy.run(&format!(
                "INSERT INTO records SELECT {to}, at, attempt, kind, body, digest FROM records WHERE position = {position}"
            ));
            let found = copy.check(None).await;
            assert_eq!(
                broken(&found).map(|(at, _)| at),
                Some(wanted),
                "{position} at {to}: {found:?}"
            );
        }
        let copy = sample.copy("doubled");
        copy.run(&format!(
            "UPDATE records SET position = -position WHERE position > {position}; \
             UPDATE records SET position = -position + 1 WHERE position < 0; \
             INSERT INTO records SELECT {position} + 1, at, attempt, kind, body, digest FROM records \
             WHERE position = {position}"
        ));
        let found = copy.check(None).await;
        assert_eq!(broken(&found), Some((position + 1, BreakReason::Altered)), "{found:?}");
    }
    let copy = sample.copy("negative");
    copy.run("INSERT INTO records SELECT -7, at, attempt, kind, body, digest FROM records WHERE position = 1");
    let found = copy.check(None).await;
    assert_eq!(broken(&found).map(|(at, _)| at), Some(1), "{found:?}");
}

#[tokio::test]
async fn a_record_whose_columns_have_another_form_is_named() {
    let sample = Sample::make().await;
    for (column, value) in [
        ("at", "NULL"),
        ("at", "'noon'"),
        ("at", "1.5"),
        ("at", "-1"),
        ("kind", "NULL"),
        ("kind", "7"),
        ("kind", "x'00ff'"),
        ("body", "NULL"),
        ("body", "x'7b7d'"),
        ("attempt", "7"),
        ("attempt", "x'ff'"),
        ("digest", "NULL"),
        ("digest", "x''"),
        ("digest", "zeroblob(31)"),
        ("digest", "zeroblob(33)"),
        ("digest", "'text'"),
    ] {
        let copy = sample.copy("form");
        // A table that takes everything, under the name of the one that does not.
        copy.run(
            "CREATE TABLE loose (position INTEGER PRIMARY KEY, at, attempt, kind, body, digest); \
             INSERT INTO loose SELECT position, at, attempt, kind, body, digest FROM records; \
             DROP TABLE records; ALTER TABLE loose RENAME TO records",
        );
        assert!(copy.check(Some(&sample.checkpoint)).await.unwrap().is_intact());
        // The last one is also what the ledger's head is read from.
        for position in [sample.head().count, 5] {
            copy.run(&format!(
                "UPDATE records SET {column} = {value} WHERE position = {position}"
            ));
            let found = copy.check(None).await;
            assert_eq!(
                broken(&found),
                Some((position, BreakReason::Altered)),
                "{column} = {value}: {found:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_record_about_the_whole_store_that_gets_an_empty_name_is_named() {
    let sample = Sample::make().await;
    let copy = sample.copy("nameless");
    let first = "SELECT min(position) FROM records WHERE attempt IS NULL";
    let position: i64 = copy.raw.query_row(first, (), |row| row.get(0)).unwrap();
    copy.run(&format!("UPDATE records SET attempt = '' WHERE position = ({first})"));
    let found = copy.check(None).await;
    let position = u64::try_from(position).unwrap();
    assert_eq!(broken(&found), Some((position, BreakReason::Altered)), "{found:?}");
}
