//! What a chain alone cannot show, and what a checkpoint shows: an end that was cut off, and a chain written anew.

use std::sync::{Arc, Mutex};

use kessai::ledger::{BreakReason, Checkpoint, CheckpointError, Head, KeptRecord, continues};

use super::encoding::{beginning, digest_of};
use super::sample::{Copied, Sample, at, broken, intact, key};
use crate::support::around::{Meddler, Surrounded};

/// Cuts the ledger off behind a position, and takes back the state as somebody would who knows the crate: what is left tells a
/// story without a contradiction.
fn cut(copy: &Copied, behind: u64) {
    let gone = format!("(SELECT attempt FROM records WHERE position > {behind} AND kind = ");
    copy.run(&format!(
        "DELETE FROM fulfilments WHERE attempt IN {gone} 'fulfilment'); \
         UPDATE fulfilments SET done_at = NULL WHERE attempt IN {gone} 'fulfilled'); \
         UPDATE attempts SET opened = 0, checkout = NULL, payment = NULL WHERE attempt IN {gone} 'opened'); \
         UPDATE attempts SET payment = NULL WHERE attempt IN {gone} 'applied'); \
         UPDATE attempts SET status = 'created' WHERE attempt IN {gone} 'applied') OR attempt IN {gone} 'closed'); \
         DELETE FROM notes WHERE attempt IN {gone} 'expected'); \
         DELETE FROM events_heard WHERE attempt IN {gone} 'expected'); \
         DELETE FROM attempts WHERE attempt IN {gone} 'expected'); \
         DELETE FROM records WHERE position > {behind}"
    ));
    let turned: i64 = copy
        .raw
        .query_row("SELECT count(*) FROM records WHERE kind = 'mode_changed'", (), |row| {
            row.get(0)
        })
        .unwrap();
    match turned {
        // Reopened, or never turned.
        0 | 2 => copy.run("UPDATE mode SET body = '{\"stopped\":null,\"asks_first\":null}'"),
        1 => copy.run(
            "UPDATE mode SET body = json_object('stopped', json_object('actor', 'the operator', 'reason', 'a drill', \
             'since', json_object('secs_since_epoch', 1795400030, 'nanos_since_epoch', 0)), 'asks_first', NULL)",
        ),
        _ => {}
    }
}

#[tokio::test]
async fn an_end_cut_off_at_any_length_is_shown_by_the_checkpoint_and_by_nothing_else() {
    let sample = Sample::make().await;
    let mut unseen = 0;
    for left in 0..sample.head().count {
        let copy = sample.copy("cut");
        cut(&copy, left);
        let found = copy.check(Some(&sample.checkpoint)).await;
        assert_eq!(broken(&found), Some((left + 1, BreakReason::Missing)), "{found:?}");
        // Without it the check says nothing is wrong, and that all of it is exposed.
        let digest = sample.digest_at(left);
        unseen += u64::from(copy.check(None).await == intact(Head { count: left, digest }, left));
    }
    // A cut between a record and its fellow of the same transaction leaves a state that never was.
    assert!(unseen > sample.head().count / 2, "{unseen}");
}

#[tokio::test]
async fn records_cut_off_and_their_state_left_are_named_without_a_checkpoint() {
    let sample = Sample::make().await;
    let copy = sample.copy("emptied");
    copy.run("DELETE FROM records");
    let found = copy.check(None).await;
    assert_eq!(broken(&found), Some((0, BreakReason::State)), "{found:?}");
}

/// Changes one record and writes every digest from there on anew, as the guide describes: no secret is needed for that.
fn write_anew(copy: &Copied, records: &[KeptRecord], from: u64) {
    let mut previous = beginning();
    for record in records {
        let mut record = record.clone();
        if record.position == from {
            record.at_micros += 1;
        }
        previous = digest_of(&previous, &record);
        copy.raw
            .execute(
                "UPDATE records SET at = ?2, digest = ?3 WHERE position = ?1",
                (record.position.cast_signed(), record.at_micros, previous.as_slice()),
            )
            .unwrap();
    }
}

fn is_note(record: &KeptRecord) -> bool {
    // The times of the others are also in the state.
    !["fulfilled", "mode_changed"].contains(&record.kind.as_str())
}

#[tokio::test]
async fn a_chain_written_anew_is_shown_by_the_checkpoint_and_by_nothing_else() {
    let sample = Sample::make().await;
    let count = sample.head().count;
    for record in sample.records.iter().filter(|record| is_note(record)) {
        let copy = sample.copy("anew");
        write_anew(&copy, &sample.records, record.position);
        let found = copy.check(Some(&sample.checkpoint)).await;
        assert_eq!(broken(&found), Some((count, BreakReason::Rewritten)), "{found:?}");
        let kessai::ledger::ChainCheck::Intact { head, exposed } = copy.check(None).await.unwrap() else {
            panic!("a chain alone cannot show this");
        };
        assert_ne!(head, sample.head());
        assert_eq!(exposed, count, "all of it could have been written anew");
    }
}

#[tokio::test]
async fn of_a_chain_that_was_written_anew_and_broken_later_the_earlier_place_is_named() {
    let sample = Sample::make().await;
    let count = sample.head().count;
    let checkpoint = Head {
        count: 5,
        digest: sample.digest_at(5),
    };
    let checkpoint = Checkpoint::make(&key(), checkpoint, at(60));
    for (altered, expected) in [
        (count, (5, BreakReason::Rewritten)),
        (6, (5, BreakReason::Rewritten)),
        (5, (5, BreakReason::Altered)),
        (4, (4, BreakReason::Altered)),
    ] {
        let copy = sample.copy("both");
        write_anew(&copy, &sample.records, 3);
        copy.run(&format!("UPDATE records SET at = at + 1 WHERE position = {altered}"));
        let found = copy.check(Some(&checkpoint)).await;
        assert_eq!(broken(&found), Some(expected), "{altered}: {found:?}");
    }
}

#[tokio::test]
async fn what_is_exposed_is_what_came_after_the_checkpoint() {
    let sample = Sample::make().await;
    let count = sample.head().count;
    for after in 0..=count {
        let digest = sample.digest_at(after);
        let checkpoint = Checkpoint::make(&key(), Head { count: after, digest }, at(200));
        let copy = sample.copy("exposed");
        assert_eq!(
            copy.check(Some(&checkpoint)).await,
            intact(sample.head(), count - after)
        );
        // And there the chain can be written anew without anybody knowing. It is said so, not hidden.
        let Some(record) = sample
            .records
            .iter()
            .find(|record| record.position > after && is_note(record))
        else {
            continue;
        };
        write_anew(&copy, &sample.records, record.position);
        let found = copy.check(Some(&checkpoint)).await.unwrap();
        let kessai::ledger::ChainCheck::Intact { head, exposed } = found else {
            panic!("{found:?}");
        };
        assert_eq!((head.count, exposed), (count, count - after));
        assert_ne!(head, sample.head());
    }
}

#[tokio::test]
async fn what_was_written_anew_before_the_last_checkpoint_is_shown_by_the_earlier_ones() {
    let sample = Sample::make().await;
    let head_at = |count| Head {
        count,
        digest: sample.digest_at(count),
    };
    let monday = Checkpoint::make(&key(), head_at(10), at(60));
    let copy = sample.copy("monday");
    write_anew(&copy, &sample.records, 3);
    // Whoever makes the next one without the one before signs what was written anew.
    let ledger = copy.ledger();
    let anew = continues(&ledger, None).await.unwrap().unwrap();
    drop(ledger);
    let tuesday = Checkpoint::make(&key(), anew, at(70));
    assert!(copy.check_all(&[tuesday]).await.unwrap().is_intact(), "one line alone");
    for all in [[monday, tuesday], [tuesday, monday]] {
        let found = copy.check_all(&all).await;
        assert_eq!(broken(&found), Some((10, BreakReason::Rewritten)), "{found:?}");
    }
    // And with the one before none would have been made.
    let refused = continues(&copy.ledger(), Some(&monday)).await.unwrap().unwrap_err();
    assert_eq!((refused.position, refused.why), (10, BreakReason::Rewritten));
}

#[tokio::test]
async fn a_chain_goes_on_from_every_checkpoint_of_its_and_from_no_other() {
    let sample = Sample::make().await;
    let count = sample.head().count;
    for from in 0..=count {
        let digest = sample.digest_at(from);
        let then = Checkpoint::make(&key(), Head { count: from, digest }, at(60));
        let copy = sample.copy("goes-on");
        assert_eq!(continues(&copy.ledger(), Some(&then)).await.unwrap(), Ok(sample.head()));
        if from == count {
            copy.run(&format!("DELETE FROM records WHERE position = {count}"));
            let found = continues(&copy.ledger(), Some(&then)).await.unwrap().unwrap_err();
            assert_eq!((found.position, found.why), (count, BreakReason::Missing));
            continue;
        }
        copy.run(&format!("UPDATE records SET at = at + 1 WHERE position = {from} + 1"));
        let found = continues(&copy.ledger(), Some(&then)).await.unwrap().unwrap_err();
        assert_eq!((found.position, found.why), (from + 1, BreakReason::Altered));
    }
}

#[tokio::test]
async fn what_goes_while_the_chain_is_walked_is_missed() {
    let sample = Sample::make().await;
    let count = sample.head().count;
    let copied = sample.copy("walked");
    let ledger = Arc::new(copied.ledger());
    let raw = Mutex::new(copied.raw);
    // The end is known by now, and the last record goes before it is read.
    let does = Box::new(move || {
        let sql = format!("DELETE FROM records WHERE position = {count}");
        raw.lock().unwrap().execute_batch(&sql).unwrap();
    });
    let ledger = Surrounded::new(ledger, Arc::new(Meddler { call: "records", does }));
    let found = continues(&ledger, None).await.unwrap().unwrap_err();
    assert_eq!((found.position, found.why), (count, BreakReason::Missing));
}

#[test]
fn who_writes_the_chain_anew_cannot_make_its_checkpoint_without_the_key() {
    let head = Head::empty().then(1, None, "mode_changed", "{}");
    let other = kessai::CheckpointKey::new("a key that the intruder thought of himself").unwrap();
    let own = Checkpoint::make(&key(), Head::empty(), at(0)).to_string();
    let foreign = Checkpoint::make(&other, head, at(0)).to_string();
    assert!(Checkpoint::read(&own, &key()).is_ok());
    assert_eq!(Checkpoint::read(&foreign, &key()), Err(CheckpointError::Tag));
    // The tag of a true one under another count and digest.
    let tag = own.rsplit_once(' ').unwrap().1;
    let moved = format!("{} {tag}", foreign.rsplit_once(' ').unwrap().0);
    assert_eq!(Checkpoint::read(&moved, &key()), Err(CheckpointError::Tag));
}
