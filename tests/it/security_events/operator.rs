//! What an operator does, and what the check of the ledger finds: told, whatever else fails.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kessai::cashier::{NoCheckpoint, ReopenError, ReportError};
use kessai::ledger::{Break, BreakReason, Window};
use kessai::ledgers::SqliteLedger;
use kessai::report::Format;
use kessai::security_event::SecurityPolicy;
use kessai::{CheckpointKey, Clock, OpenError};

use super::{Kept, field, text, word, world, world_with};
use crate::chain_tampering::sample::beside;
use crate::support::around::ByName;
use crate::support::order;
use crate::support::world::{World, paid, tell_a_story};

fn over_failing() -> (World, Kept, Arc<ByName>) {
    let (kept, (memory, ledger)) = (Kept::default(), ByName::over_memory());
    let world = world_with(memory, vec![Box::new(kept.clone())], SecurityPolicy::default());
    let _ = kept.take();
    (world, kept, ledger)
}

#[tokio::test]
async fn a_stop_holds_and_is_told_although_the_open_attempts_cannot_be_read() {
    for damaged in [false, true] {
        let (world, kept, ledger) = over_failing();
        world.open(&order("EC-1"), "cs_test_1").await;
        let _ = kept.take();
        // One row that has lost its form is enough for that.
        if damaged {
            ledger.damage("attempts_after", 0);
        } else {
            ledger.fail("attempts_after", 0);
        }
        let turned = world.cashier.stop(text("operator"), text("a test")).await.unwrap();
        assert!(turned.mode.stopped.is_some());
        assert_eq!(turned.open_attempts, None, "not known, and not none");
        assert_eq!(
            kept.words(),
            [
                "payment.stop.engaged",
                "payment.mode.changed stopped",
                "payment.ledger.failed"
            ]
        );
        assert!(matches!(
            world.try_open(&order("EC-2")).await,
            Err(OpenError::Stopped(_))
        ));
    }
}

#[tokio::test]
async fn the_switch_is_told_before_anything_behind_it_is_read() {
    let (world, kept, ledger) = over_failing();
    for _ in 0..3 {
        let number = world.cashier.ledger().head().await.unwrap().count;
        world
            .open(&order(&format!("EC-{number}")), &format!("cs_test_{number}"))
            .await;
    }
    let _ = kept.take();
    // The first page is read, and the one behind it is not.
    ledger.fail("attempts_after", 1);
    let turned = world.cashier.stop(text("operator"), text("a test")).await.unwrap();
    assert_eq!(turned.open_attempts, None);
    let names = kept.names();
    assert_eq!(
        names[..2],
        ["payment.stop.engaged", "payment.mode.changed"],
        "{names:?}"
    );
    ledger.mend();
    let again = world.cashier.stop(text("operator"), text("again")).await.unwrap();
    assert_eq!(again.open_attempts, Some(3));
}

#[tokio::test]
async fn every_step_at_which_the_ledger_fails_is_told() {
    let (world, kept, ledger) = over_failing();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    let _ = kept.take();
    let steps = |kept: &Kept| -> Vec<String> {
        let events = kept.take();
        let failed = events.iter().filter(|event| event.name() == "payment.ledger.failed");
        failed.map(|event| field(event, "during")).collect()
    };
    // Each at another minute: they are sampled.
    let minute = || world.clock.advance(Duration::from_secs(61));
    ledger.fail("set_mode", 0);
    assert!(world.cashier.stop(text("operator"), text("a test")).await.is_err());
    assert_eq!(steps(&kept), ["switch"]);
    minute();
    ledger.mend();
    ledger.fail("head", 0);
    ledger.fail("records", 0);
    let key = CheckpointKey::new("a key that is kept on another machine").unwrap();
    assert!(matches!(
        world.cashier.checkpoint(&key, None).await,
        Err(NoCheckpoint::Store(_))
    ));
    assert!(world.cashier.verify(&[]).await.is_err());
    assert!(world.cashier.self_check(&[]).await.is_err());
    let refused = world.cashier.reopen(text("operator"), text("a test"), &[]).await;
    assert!(matches!(refused, Err(ReopenError::Store(_))));
    assert_eq!(steps(&kept), ["check"; 4]);
    minute();
    ledger.mend();
    ledger.fail("window", 0);
    let window = Window::new(SystemTime::UNIX_EPOCH, world.clock.now()).unwrap();
    let refused = world.cashier.report(window, Format::Json, Vec::new()).await;
    assert!(matches!(refused, Err(ReportError::Store(_))));
    assert_eq!(steps(&kept), ["report"]);
    minute();
    ledger.mend();
    // The right is handed out, and then its attempt cannot be read.
    ledger.fail("attempt", 0);
    assert!(world.cashier.next_fulfilment().await.is_err());
    assert_eq!(steps(&kept), ["fulfil"]);
}

/// What is told of a ledger's file after somebody changed it.
async fn told_of(sql: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let kept = Kept::default();
    let ledger = Arc::new(SqliteLedger::open(&path).unwrap());
    let world = world_with(ledger, vec![Box::new(kept.clone())], SecurityPolicy::default());
    tell_a_story(&world).await;
    let key = CheckpointKey::new("a key that is kept on another machine").unwrap();
    let checkpoint = world.cashier.checkpoint(&key, None).await.unwrap();
    let names = kept.names();
    assert_eq!(names.last(), Some(&"payment.ledger.checkpoint"), "{names:?}");
    beside(&path).execute_batch(sql).unwrap();
    let check = world.cashier.verify(&[checkpoint]).await.unwrap();
    assert!(!check.is_intact(), "{sql}");
    let told = |events: Vec<kessai::security_event::SecurityEvent>| -> Vec<String> {
        let told = events.iter().map(|event| match event.name() {
            "payment.ledger.broken" => format!("{} {}", word(event), field(event, "position")),
            _ => word(event),
        });
        told.collect()
    };
    let found = told(kept.take());
    // A reopening that is refused for it says so, too, and the store stays stopped.
    let refused = world
        .cashier
        .reopen(text("operator"), text("in a hurry"), &[checkpoint])
        .await;
    assert!(matches!(refused, Err(ReopenError::SelfCheck(_))), "{refused:?}");
    let events = told(kept.take());
    let without_probes: Vec<_> = events.iter().filter(|event| !event.ends_with("probe")).collect();
    let wanted = [
        found.first().unwrap().clone(),
        "payment.self_check.failed chain".to_owned(),
    ];
    assert_eq!(without_probes, wanted.iter().collect::<Vec<_>>());
    assert!(world.cashier.mode().await.unwrap().stopped.is_some());
    found
}

#[tokio::test]
async fn a_broken_ledger_is_told_with_the_position_and_the_right_reason() {
    for (sql, wanted) in [
        (
            "UPDATE records SET at = at + 1 WHERE position = 3",
            "payment.ledger.broken altered 3",
        ),
        // A record out of the middle, and the end.
        (
            "DELETE FROM records WHERE position = 3",
            "payment.ledger.broken removed 3",
        ),
        (
            "DELETE FROM records WHERE position >= 9",
            "payment.ledger.broken removed 9",
        ),
        // Two that changed places.
        (
            "UPDATE records SET position = -1 WHERE position = 4; UPDATE records SET position = 4 WHERE position = 5; \
             UPDATE records SET position = 5 WHERE position = -1",
            "payment.ledger.broken altered 4",
        ),
    ] {
        assert_eq!(told_of(sql).await, [wanted], "{sql}");
    }
}

#[tokio::test]
async fn no_checkpoint_is_made_of_a_chain_that_does_not_go_on_from_the_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let kept = Kept::default();
    let ledger = Arc::new(SqliteLedger::open(&path).unwrap());
    let world = world_with(ledger, vec![Box::new(kept.clone())], SecurityPolicy::default());
    tell_a_story(&world).await;
    let key = CheckpointKey::new("a key that is kept on another machine").unwrap();
    let first = world.cashier.checkpoint(&key, None).await.unwrap();
    assert_eq!(kessai::ledger::Checkpoint::read(&first.to_string(), &key), Ok(first));
    let _ = world.cashier.stop(text("operator"), text("again")).await.unwrap();
    let second = world.cashier.checkpoint(&key, Some(&first)).await.unwrap();
    assert!(second.head().count > first.head().count);
    // Exposed is what came after the last of them, in whichever order they are given.
    let _ = world.cashier.stop(text("operator"), text("again")).await.unwrap();
    for all in [[first, second], [second, first]] {
        let check = world.cashier.verify(&all).await.unwrap();
        let kessai::ledger::ChainCheck::Intact { head, exposed } = check else {
            panic!("{check:?}")
        };
        assert_eq!(exposed, head.count - second.head().count);
        assert!(exposed > 0);
    }
    let _ = kept.take();
    let sql = "UPDATE records SET digest = zeroblob(32) WHERE position = ?1";
    let changed = beside(&path).execute(sql, [first.head().count.cast_signed()]);
    assert_eq!(changed, Ok(1));
    let refused = world.cashier.checkpoint(&key, Some(&first)).await;
    let Err(NoCheckpoint::Broken(Break { position, why, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((position, why), (first.head().count, BreakReason::Rewritten));
    assert_eq!(kept.words(), ["payment.ledger.broken altered"]);
}

#[tokio::test]
async fn a_row_that_is_not_what_its_records_tell_is_in_the_report_and_told() {
    for (set, what) in [
        ("payment = 'pi_of_nobody'", "payment"),
        ("checkout = 'cs_of_nobody'", "checkout"),
        ("status = 'refunded'", "status"),
        ("expected = replace(expected, '3960', '1')", "expected"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let kept = Kept::default();
        let ledger = Arc::new(SqliteLedger::open(&path).unwrap());
        let world = world_with(ledger, vec![Box::new(kept.clone())], SecurityPolicy::default());
        tell_a_story(&world).await;
        let window = Window::new(SystemTime::UNIX_EPOCH, world.clock.now() + Duration::from_secs(1)).unwrap();
        let whole = world.cashier.report(window, Format::Csv, Vec::new()).await.unwrap();
        assert!(whole.chain.intact, "{}", whole.chain.text);
        assert_eq!((whole.chain.differing, whole.chain.outside), (0, 0));
        let _ = kept.take();
        let changed = beside(&path)
            .execute(
                &format!("UPDATE attempts SET {set} WHERE merchant_order = 'EC-1' AND expected LIKE '%3960%'"),
                (),
            )
            .unwrap();
        assert_eq!(changed, 1, "{set}");
        for format in [Format::Json, Format::Csv, Format::Html] {
            let mut out = Vec::new();
            let reported = world.cashier.report(window, format, &mut out).await.unwrap();
            assert!(!reported.chain.intact, "{set}");
            assert_eq!(reported.chain.differing, 1, "{set}");
            let written = String::from_utf8(out).unwrap();
            assert_eq!(
                written.matches(&format!("differs: {what}")).count(),
                1,
                "{set} {format:?}: {written}"
            );
            assert_eq!(kept.words(), ["payment.ledger.broken altered"], "{set} {format:?}");
        }
    }
}

#[tokio::test]
async fn a_report_says_which_rows_rest_on_records_outside_of_what_it_followed() {
    let (world, kept) = world();
    let early = world.open(&order("EC-1"), "cs_test_1").await;
    world.clock.advance(Duration::from_secs(3600));
    world.open(&order("EC-2"), "cs_test_2").await;
    let since = world.clock.now();
    assert_eq!(world.deliver(&paid("evt_1", &early)).await, 200);
    let _ = kept.take();
    let window = Window::new(since, since + Duration::from_secs(1)).unwrap();
    let mut out = Vec::new();
    let reported = world.cashier.report(window, Format::Json, &mut out).await.unwrap();
    assert!(reported.chain.intact);
    assert_eq!((reported.chain.differing, reported.chain.outside), (0, 1));
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let checked: Vec<&str> = json["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["checked"].as_str().unwrap())
        .collect();
    assert_eq!(checked, ["as_recorded", "as_recorded_outside"]);
    assert!(
        json["chain"]["text"]
            .as_str()
            .unwrap()
            .contains("1 have records outside")
    );
    assert!(kept.take().is_empty());
}
