//! The chain on a real file: whatever somebody who can write the database changes is named (PAY-60).

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kessai::ledger::{BreakReason, ChainCheck, Checkpoint, Note, verify};
use kessai::ledgers::SqliteLedger;
use kessai::{CheckpointKey, Ledger};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::support::world::World;

/// A ledger with a story in it, closed.
async fn sample(path: &Path) {
    let world = World::over(Arc::new(SqliteLedger::open(path).unwrap()));
    crate::support::world::tell_a_story(&world).await;
}

fn edit(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    let mut triggers = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap();
    let names: Vec<String> = triggers
        .query_map((), |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for name in names {
        db.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    db.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON")
        .unwrap();
    db.execute_batch(sql).unwrap();
}

async fn checked(path: &Path, checkpoint: Option<&Checkpoint>) -> Result<ChainCheck, String> {
    let ledger = SqliteLedger::open(path).map_err(|error| error.to_string())?;
    verify(&ledger, checkpoint).await.map_err(|error| error.to_string())
}

/// The first bad position; 0 if it could not even be read.
async fn broken(path: &Path, checkpoint: Option<&Checkpoint>) -> (u64, Option<BreakReason>) {
    match checked(path, checkpoint).await {
        Ok(ChainCheck::Broken(found)) => (found.position, Some(found.why)),
        Ok(intact) => panic!("nothing was noticed: {intact:?}"),
        Err(_) => (0, None),
    }
}

struct Sample {
    folder: tempfile::TempDir,
    count: u64,
    checkpoint: Checkpoint,
}

impl Sample {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("whole.db");
        sample(&path).await;
        let ledger = SqliteLedger::open(&path).unwrap();
        let head = ledger.head().await.unwrap();
        assert!(head.count >= 12, "{head:?}");
        let key = CheckpointKey::new("a key that is kept on another machine").unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000);
        let checkpoint = Checkpoint::make(&key, head, at);
        drop(ledger);
        // One file: the log is empty once the last connection is closed.
        assert!(checked(&path, Some(&checkpoint)).await.unwrap().is_intact());
        Self {
            folder,
            count: head.count,
            checkpoint,
        }
    }

    fn copy(&self) -> std::path::PathBuf {
        let copy = self.folder.path().join("changed.db");
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(self.folder.path().join(format!("changed.db{end}")));
        }
        std::fs::copy(self.folder.path().join("whole.db"), &copy).unwrap();
        copy
    }
}

#[tokio::test]
async fn every_record_that_is_changed_is_named_by_its_position() {
    let sample = Sample::new().await;
    for position in 1..=sample.count {
        for (what, set) in [
            ("a time", "at = at + 1"),
            ("an attempt", "attempt = NULL"),
            ("a kind", "kind = kind || 'x'"),
            ("a body", "body = replace (body, ':', ': ')"),
            ("a digest", "digest = randomblob (32)"),
        ] {
            let path = sample.copy();
            edit(&path, &format!("UPDATE records SET {set} WHERE position = {position}"));
            if what == "an attempt" && unchanged(&sample, &path) {
                continue;
            }
            let (found, _) = broken(&path, None).await;
            assert_eq!(found, position, "{what}");
        }
    }
}

/// A record about the whole store has no attempt to lose.
fn unchanged(sample: &Sample, path: &Path) -> bool {
    let all = |path: &Path| -> Vec<(i64, Option<String>)> {
        let db = Connection::open(path).unwrap();
        let mut rows = db
            .prepare("SELECT position, attempt FROM records ORDER BY position")
            .unwrap();
        rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    all(path) == all(&sample.folder.path().join("whole.db"))
}

#[tokio::test]
async fn removed_swapped_doubled_and_cut_off_records_are_named() {
    let sample = Sample::new().await;
    let last = sample.count;
    for position in 1..=last {
        let path = sample.copy();
        edit(&path, &format!("DELETE FROM records WHERE position = {position}"));
        if position < last {
            assert_eq!(broken(&path, None).await.0, position, "removed");
        }
        assert_eq!(broken(&path, Some(&sample.checkpoint)).await.0, position, "removed");

        let path = sample.copy();
        edit(&path, &format!("DELETE FROM records WHERE position >= {position}"));
        let (found, why) = broken(&path, Some(&sample.checkpoint)).await;
        assert_eq!((found, why), (position, Some(BreakReason::Missing)), "cut off");

        let path = sample.copy();
        edit(
            &path,
            &format!(
                "UPDATE records SET position = -position WHERE position > {position};
                 UPDATE records SET position = 1 - position WHERE position < 0;
                 INSERT INTO records SELECT {position} + 1, at, attempt, kind, body, digest FROM records WHERE position = {position}"
            ),
        );
        assert_eq!(broken(&path, None).await.0, position + 1, "doubled");

        if position < last {
            let path = sample.copy();
            edit(
                &path,
                &format!(
                    "UPDATE records SET position = -1 WHERE position = {position};
                     UPDATE records SET position = {position} WHERE position = {position} + 1;
                     UPDATE records SET position = {position} + 1 WHERE position = -1"
                ),
            );
            assert_eq!(broken(&path, None).await.0, position, "swapped");
        }
    }
}

#[tokio::test]
async fn a_state_that_was_changed_beside_the_records_is_noticed() {
    let sample = Sample::new().await;
    for sql in [
        "UPDATE attempts SET status = 'captured' WHERE status <> 'captured'",
        "UPDATE attempts SET status = 'refunded' WHERE status = 'captured'",
        "UPDATE attempts SET opened = 1 - opened",
        "UPDATE attempts SET expected = replace (expected, '3960', '1')",
        "DELETE FROM fulfilments",
        "UPDATE fulfilments SET done_at = NULL",
        "UPDATE fulfilments SET done_at = 5 WHERE done_at IS NULL; UPDATE fulfilments SET done_at = NULL WHERE done_at > 5",
        "INSERT INTO fulfilments (merchant_order, attempt, key) SELECT merchant_order, attempt, 'fulfil-' || attempt FROM attempts \
         WHERE status = 'expired'",
        "DELETE FROM mode",
        "UPDATE mode SET body = '{\"stopped\":null,\"asks_first\":null}'",
    ] {
        let path = sample.copy();
        println!("{sql}");
        edit(&path, sql);
        let (_, why) = broken(&path, Some(&sample.checkpoint)).await;
        assert!(why.is_none_or(|why| why == BreakReason::State), "{sql}: {why:?}");
    }
}

#[tokio::test]
async fn a_chain_that_was_written_anew_is_whole_by_itself_and_betrayed_by_the_checkpoint() {
    let sample = Sample::new().await;
    let path = sample.copy();
    // Somebody takes a record out and computes every digest behind it anew, with this crate's own encoding.
    let kept: Vec<Kept> = rows(&path).into_iter().filter(|kept| kept.kind != "returned").collect();
    edit(&path, "DELETE FROM records");
    let db = Connection::open(&path).unwrap();
    let mut previous = beginning();
    for (position, kept) in (1_i64..).zip(&kept) {
        previous = link(&previous, position, kept);
        db.execute(
            "INSERT INTO records VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                position,
                kept.at,
                &kept.attempt,
                &kept.kind,
                &kept.body,
                previous.as_slice(),
            ),
        )
        .unwrap();
    }
    drop(db);
    assert!(
        checked(&path, None).await.unwrap().is_intact(),
        "a chain alone cannot show it"
    );
    let (position, why) = broken(&path, Some(&sample.checkpoint)).await;
    assert!(
        matches!(why, Some(BreakReason::Missing | BreakReason::Rewritten)),
        "{position} {why:?}"
    );
}

#[tokio::test]
async fn what_came_after_the_checkpoint_is_said_to_be_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let world = World::over(Arc::new(SqliteLedger::open(&path).unwrap()));
    crate::support::world::tell_a_story(&world).await;
    let key = CheckpointKey::new("a key that is kept on another machine").unwrap();
    let point = world.cashier.checkpoint(&key).await.unwrap();
    assert_eq!(Checkpoint::read(&point.to_string(), &key), Ok(point));
    let attempt = world.cashier.ledger().latest(1).await.unwrap().remove(0);
    let now = point.at();
    for note in [Note::Returned, Note::Cancelled, Note::Unanswered] {
        let _ = world
            .cashier
            .ledger()
            .note(attempt.reference(), note, now)
            .await
            .unwrap();
    }
    let ChainCheck::Intact { head, exposed } = world.cashier.verify(Some(&point)).await.unwrap() else {
        panic!("nothing was changed")
    };
    assert_eq!(exposed, head.count - point.head().count);
    assert!(exposed > 0);
}

// What follows is the encoding as the guide specifies it, written without this crate.

struct Kept {
    at: i64,
    attempt: Option<String>,
    kind: String,
    body: String,
    digest: Vec<u8>,
}

fn rows(path: &Path) -> Vec<Kept> {
    let db = Connection::open(path).unwrap();
    let sql = "SELECT at, attempt, kind, body, digest FROM records ORDER BY position";
    let mut rows = db.prepare(sql).unwrap();
    rows.query_map((), |row| {
        Ok(Kept {
            at: row.get(0)?,
            attempt: row.get(1)?,
            kind: row.get(2)?,
            body: row.get(3)?,
            digest: row.get(4)?,
        })
    })
    .unwrap()
    .map(Result::unwrap)
    .collect()
}

fn beginning() -> Vec<u8> {
    Sha256::digest(b"kessai.ledger.1\n").to_vec()
}

fn link(previous: &[u8], position: i64, kept: &Kept) -> Vec<u8> {
    let mut bytes = b"kessai.record.1\n".to_vec();
    bytes.extend(previous);
    bytes.extend(position.to_be_bytes());
    bytes.extend(kept.at.to_be_bytes());
    for text in [kept.attempt.as_deref().unwrap_or(""), &kept.kind, &kept.body] {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    Sha256::digest(&bytes).to_vec()
}

#[tokio::test]
async fn an_auditor_without_this_crate_comes_to_the_same_digests() {
    let sample = Sample::new().await;
    let mut previous = beginning();
    for (position, kept) in (1_i64..).zip(rows(&sample.folder.path().join("whole.db"))) {
        previous = link(&previous, position, &kept);
        assert_eq!(previous, kept.digest, "{position}");
    }
}

#[test]
fn the_example_of_the_guide_is_right() {
    let page = include_str!("../../src/guide/chain.md");
    let hex = |bytes: &[u8]| base16ct::lower::encode_string(bytes);
    assert!(page.contains(&hex(&beginning())), "{}", hex(&beginning()));
    let kept = Kept {
        at: 1_795_400_000_000_000,
        attempt: Some("65erm263k1nrh7t3nphtpbnt30".to_owned()),
        kind: "returned".to_owned(),
        body: r#"{"kind":"returned","cancelled":false}"#.to_owned(),
        digest: Vec::new(),
    };
    let digest = hex(&link(&beginning(), 1, &kept));
    assert!(page.contains(&digest), "{digest}");
    assert!(page.contains(&kept.body));
}
