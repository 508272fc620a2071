//! A small ledger with every kind of record in it, copies of its file, and a way into them beside the ledger.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{
    Break, BreakReason, ChainCheck, Checkpoint, CloseReason, Digest, Expected, Head, KeptRecord, ModeChange, Note,
    Opened, StoreError, StoreNote, Switch, SwitchText, verify,
};
use kessai::ledgers::SqliteLedger;
use kessai::{CheckpointKey, ExpectedPayment, GatewayId, Ledger, Money, PaymentStatus};
use rusqlite::Connection;
use tempfile::TempDir;

pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_400_000 + seconds)
}

pub fn key() -> CheckpointKey {
    CheckpointKey::new("a key of these tests, kept on another machine").unwrap()
}

pub fn text(text: &str) -> SwitchText {
    SwitchText::new(text).unwrap()
}

pub fn turn(switch: Switch) -> ModeChange {
    ModeChange {
        switch,
        actor: text("the operator"),
        reason: text("a drill"),
    }
}

pub async fn write(ledger: &dyn Ledger, gateway: &TestGateway, order: &str, when: u64) -> ExpectedPayment {
    let expected = gateway.expected(order, at(when)).unwrap();
    let written = ledger.expect(&expected).await.unwrap();
    assert!(matches!(written, Expected::Written), "{written:?}");
    expected
}

pub async fn open(ledger: &dyn Ledger, gateway: &TestGateway, order: &str, when: u64) -> ExpectedPayment {
    let expected = write(ledger, gateway, order, when).await;
    let opened = Opened {
        checkout: Some(Statement::page_of(&expected.attempt).unwrap()),
        ..Opened::default()
    };
    let _ = ledger.opened(&expected.attempt, &opened, at(when + 1)).await.unwrap();
    expected
}

pub async fn tell(ledger: &dyn Ledger, gateway: &TestGateway, expected: &ExpectedPayment, said: Statement, when: u64) {
    let event = gateway.prove(&said, at(when)).unwrap();
    let stored = ledger.attempt(&expected.attempt).await.unwrap().unwrap();
    let _ = ledger.apply(&stored.judge(event), at(when)).await.unwrap();
}

/// Sells an order and gives the right to fulfil it.
pub async fn pay(ledger: &dyn Ledger, gateway: &TestGateway, order: &str, when: u64) -> ExpectedPayment {
    let expected = open(ledger, gateway, order, when).await;
    let paid = Statement::about(&expected, PaymentStatus::Captured).unwrap();
    tell(ledger, gateway, &expected, paid, when + 2).await;
    expected
}

/// Every kind of record, in a ledger of some thirty.
pub async fn fill(ledger: &dyn Ledger) {
    let gateway = TestGateway::new().unwrap();
    let done = pay(ledger, &gateway, "order-done", 0).await;
    let due = ledger.fulfilment_of(&done.order).await.unwrap().unwrap();
    assert!(ledger.done(&due.key, at(3)).await.unwrap());
    ledger.note(&done.attempt, Note::Returned, at(4)).await.unwrap();
    let again = Statement::about(&done, PaymentStatus::Captured).unwrap();
    tell(ledger, &gateway, &done, again.heard_as("again").unwrap(), 5).await;

    pay(ledger, &gateway, "order-paid", 10).await;

    let odd = open(ledger, &gateway, "order-held", 20).await;
    let more = Money::new(odd.amount.minor_units() + 1, odd.amount.currency());
    let said = Statement::about(&odd, PaymentStatus::Captured).unwrap();
    tell(ledger, &gateway, &odd, said.but(|said| said.amount = Some(more)), 22).await;
    ledger.note(&odd.attempt, Note::Cancelled, at(23)).await.unwrap();

    ledger.set_mode(&turn(Switch::Stop), at(30)).await.unwrap();
    let keys = StoreNote::KeysChanged {
        gateway: GatewayId::from_static("conformance"),
        account: gateway.account().clone(),
        actor: text("山田 花子"),
        label: text("keys of november"),
    };
    ledger.note_store(&keys, at(31)).await.unwrap();
    ledger.set_mode(&turn(Switch::Reopen), at(32)).await.unwrap();

    let closed = write(ledger, &gateway, "order-closed", 40).await;
    ledger
        .close(&closed.attempt, CloseReason::Refused, at(41))
        .await
        .unwrap();
    let waiting = open(ledger, &gateway, "order-open", 50).await;
    ledger.note(&waiting.attempt, Note::Unanswered, at(52)).await.unwrap();
    let failed = open(ledger, &gateway, "order-failed", 60).await;
    let said = Statement::about(&failed, PaymentStatus::Failed).unwrap();
    tell(ledger, &gateway, &failed, said, 62).await;
    ledger.set_mode(&turn(Switch::AskBeforeApply), at(70)).await.unwrap();
}

/// A ledger's file that nobody has open.
pub struct Sample {
    folder: TempDir,
    path: PathBuf,
    pub records: Vec<KeptRecord>,
    /// Made when it was complete.
    pub checkpoint: Checkpoint,
}

impl Sample {
    pub async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.db");
        let ledger = SqliteLedger::open(&path).unwrap();
        fill(&ledger).await;
        let records = ledger.records(0, 1000).await.unwrap();
        let kinds: BTreeSet<&str> = records.iter().map(|record| record.kind.as_str()).collect();
        assert_eq!(kinds.len(), 12, "every kind of record is in it: {kinds:?}");
        let head = ledger.head().await.unwrap();
        assert_eq!(records.last().map(|record| record.position), Some(head.count));
        let checkpoint = Checkpoint::make(&key(), head, at(100));
        let sample = Self {
            folder,
            path,
            records,
            checkpoint,
        };
        drop(ledger);
        // What follows shows something only if nothing is wrong yet.
        let count = head.count;
        assert_eq!(sample.copy("whole").check(None).await, intact(head, count));
        assert_eq!(
            sample.copy("whole").check(Some(&sample.checkpoint)).await,
            intact(head, 0)
        );
        sample
    }

    pub fn head(&self) -> Head {
        self.checkpoint.head()
    }

    pub fn digest_at(&self, count: u64) -> Digest {
        let last = self.records.iter().take_while(|record| record.position <= count).last();
        last.map_or_else(Digest::beginning, |record| record.digest)
    }

    /// The position of the last record about the attempt of an order.
    pub fn last_of(&self, order: &str) -> u64 {
        let quoted = format!("\"{order}\"");
        let first = self
            .records
            .iter()
            .find(|record| record.body.contains(&quoted))
            .unwrap();
        let own = self.records.iter().filter(|record| record.attempt == first.attempt);
        own.map(|record| record.position).max().unwrap()
    }

    pub fn copy(&self, name: &str) -> Copied {
        let path = self.folder.path().join(format!("{name}.db"));
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
        std::fs::copy(&self.path, &path).unwrap();
        Copied {
            raw: beside(&path),
            path,
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "what a check of a copy gives")]
pub fn intact(head: Head, exposed: u64) -> Result<ChainCheck, String> {
    Ok(ChainCheck::Intact { head, exposed })
}

/// What a check has to say: where, and why. [`Break`] is made by the crate alone.
pub fn broken(found: &Result<ChainCheck, String>) -> Option<(u64, BreakReason)> {
    match found {
        Ok(ChainCheck::Broken(Break { position, why, .. })) => Some((*position, *why)),
        _ => None,
    }
}

/// A connection of somebody who may write the file and minds no rule of it.
pub fn beside(path: &Path) -> Connection {
    let raw = Connection::open(path).unwrap();
    raw.execute_batch(
        "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF; \
         PRAGMA busy_timeout = 5000",
    )
    .unwrap();
    let triggers: Vec<String> = raw
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map((), |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(triggers.len() > 5, "the schema lost its triggers");
    for trigger in triggers {
        raw.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
    }
    raw
}

/// A copy of the sample's file, with a way into it.
pub struct Copied {
    path: PathBuf,
    pub raw: Connection,
}

impl Copied {
    pub fn run(&self, sql: &str) {
        self.raw
            .execute_batch(sql)
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub fn ledger(&self) -> SqliteLedger {
        SqliteLedger::open(&self.path).unwrap()
    }

    /// Holds the copy against several checkpoints.
    pub async fn check_all(&self, checkpoints: &[Checkpoint]) -> Result<ChainCheck, String> {
        let ledger = self.ledger();
        verify(&ledger, checkpoints).await.map_err(|error| error.to_string())
    }

    pub async fn check(&self, checkpoint: Option<&Checkpoint>) -> Result<ChainCheck, String> {
        let said = |error: StoreError| format!("{error}: {:?}", std::error::Error::source(&error));
        verify(&self.ledger(), checkpoint.copied().as_slice())
            .await
            .map_err(said)
    }
}
