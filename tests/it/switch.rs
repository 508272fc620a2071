//! The stop switch through the cashier (PAY-67), and the report of a window (PAY-68).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kessai::cashier::{Checked, ReopenError, Verdict};
use kessai::ledger::{SwitchText, Window};
use kessai::ledgers::SqliteLedger;
use kessai::report::Format;
use kessai::{Clock, GatewayId, MerchantAccount, OpenError, PaymentStatus, SweepPolicy};
use serde_json::{Value, json};

use crate::support::around::ByName;
use crate::support::order;
use crate::support::world::{World, event, paid, session, tell_a_story};

fn text(text: &str) -> SwitchText {
    SwitchText::new(text).unwrap()
}

#[tokio::test]
async fn a_stop_refuses_checkouts_at_once_and_a_hundred_open_ones_still_settle() {
    let world = World::new();
    let mut open = Vec::new();
    for n in 0..100 {
        open.push(world.open(&order(&format!("EC-{n}")), &format!("cs_test_{n}")).await);
    }
    let turned = world
        .cashier
        .stop(text("operator"), text("cards may have leaked"))
        .await
        .unwrap();
    assert_eq!(turned.open_attempts, Some(100));
    let listed = world.cashier.open_attempts(0, 1000).await.unwrap();
    assert_eq!(listed.len(), 100);
    match world.try_open(&order("EC-new")).await {
        Err(OpenError::Stopped(by)) => assert_eq!(by.reason.as_str(), "cards may have leaked"),
        other => panic!("not refused: {other:?}"),
    }
    // Not the page of an attempt that is open, either.
    assert!(matches!(
        world.try_open(&order("EC-5")).await,
        Err(OpenError::Stopped(_))
    ));
    assert!(world.script.requests().is_empty(), "nothing was sent");
    for (n, attempt) in open.iter().enumerate() {
        assert_eq!(world.deliver(&paid(&format!("evt_{n}"), attempt)).await, 200);
    }
    assert_eq!(world.fulfil_all().await.len(), 100);
    assert_eq!(world.cashier.open_attempts(0, 1000).await.unwrap().len(), 0);
    // Stopped again by somebody else, it is stopped by the first.
    let again = world.cashier.stop(text("another"), text("the same")).await.unwrap();
    assert_eq!(again.mode.stopped.unwrap().actor.as_str(), "operator");
}

#[tokio::test]
async fn a_stop_holds_on_every_node_and_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let open = || World::over(Arc::new(SqliteLedger::open(&path).unwrap()));
    let (one, other) = (open(), open());
    let _ = one.cashier.stop(text("operator"), text("a test")).await.unwrap();
    assert!(matches!(
        other.try_open(&order("EC-1")).await,
        Err(OpenError::Stopped(_))
    ));
    drop((one, other));
    let later = open();
    assert!(matches!(
        later.try_open(&order("EC-1")).await,
        Err(OpenError::Stopped(_))
    ));
    later
        .cashier
        .reopen(text("operator"), text("found and mended"), &[])
        .await
        .unwrap();
    later.open(&order("EC-1"), "cs_test_1").await;
    // Every turn is on record.
    let records = later.cashier.ledger().records(0, 100).await.unwrap();
    let turns = records.iter().filter(|record| record.kind == "mode_changed");
    let turns: Vec<Value> = turns
        .map(|record| serde_json::from_str(&record.body).unwrap())
        .collect();
    assert_eq!(turns.len(), 2);
    assert_eq!(
        (&turns[0]["switch"], &turns[1]["switch"]),
        (&"stop".into(), &"reopen".into())
    );
    assert_eq!(turns[1]["reason"], "found and mended");
}

#[tokio::test]
async fn while_asking_first_a_perfectly_signed_forgery_pays_nothing_and_an_answer_does() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    let _ = world
        .cashier
        .ask_before_apply(text("operator"), text("the key may be known"))
        .await
        .unwrap();
    // Signed with the right key, every field right: it is taken as a reason to ask.
    assert_eq!(world.deliver(&paid("evt_1", &attempt)).await, 200);
    assert!(world.fulfil_all().await.is_empty());
    let stored = world.attempts(&attempt.expected.order).await.remove(0);
    assert_eq!(stored.status, PaymentStatus::Created);
    // The gateway knows of nothing.
    world
        .script
        .answer(200, session(&attempt, "open", "unpaid").to_string());
    world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert!(world.fulfil_all().await.is_empty());
    assert_eq!(world.script.requests().len(), 1);
    // Later it does.
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(world.deliver(&paid("evt_2", &attempt)).await, 200);
    world
        .script
        .answer(200, session(&attempt, "complete", "paid").to_string());
    world.cashier.sweep(&SweepPolicy::default()).await.unwrap();
    assert_eq!(world.fulfil_all().await.len(), 1);
    // New checkouts go on: only what is believed changed.
    world.open(&order("EC-2"), "cs_test_2").await;
}

#[tokio::test]
async fn while_asking_first_a_message_about_what_is_over_is_asked_about_within_bounds() {
    let world = World::new();
    let attempt = world.open(&order("EC-1"), "cs_test_1").await;
    world.deliver(&paid("evt_1", &attempt)).await;
    let turned = world.cashier.ask_before_apply(text("operator"), text("a leak"));
    let _ = turned.await.unwrap();
    world.clock.advance(Duration::from_secs(600));
    let charge = json!({
        "id": "ch_1", "payment_intent": "pi_of_cs_test_1", "amount": 3960, "amount_captured": 3960,
        "amount_refunded": 3960, "currency": "jpy", "refunded": true, "livemode": false,
        "metadata": {"order_id": "EC-1", "attempt_id": attempt.reference().as_str()},
    });
    assert_eq!(world.deliver(&event("evt_2", "charge.refunded", &charge)).await, 200);
    let stored = || async { world.attempts(&attempt.expected.order).await.remove(0) };
    assert_eq!(stored().await.status, PaymentStatus::Captured, "nothing is believed");
    let mut answer = session(&attempt, "complete", "paid");
    answer["payment_intent"] = json!({
        "id": "pi_of_cs_test_1", "status": "succeeded",
        "latest_charge": {"amount": 3960, "amount_refunded": 3960, "currency": "jpy", "refunded": true},
    });
    world.script.answer(200, answer.to_string());
    assert_eq!(world.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked, 1);
    assert_eq!(stored().await.status, PaymentStatus::Refunded);
    let due = world.cashier.next_fulfilment().await.unwrap().unwrap();
    assert_eq!(
        due.status(),
        PaymentStatus::Refunded,
        "before anything leaves the house"
    );
    // Who knows the key can sign as many as they like.
    let mut questions = 0;
    for n in 0..600 {
        world.clock.advance(Duration::from_secs(60));
        world
            .deliver(&event(&format!("evt_f{n}"), "charge.refunded", &charge))
            .await;
        world.script.clear();
        world.script.answer(200, answer.to_string());
        questions += world.cashier.sweep(&SweepPolicy::default()).await.unwrap().asked;
    }
    assert!((1..=10).contains(&questions), "{questions} in ten hours");
}

#[tokio::test]
async fn a_store_is_not_reopened_while_its_ledger_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let world = World::over(Arc::new(SqliteLedger::open(&path).unwrap()));
    tell_a_story(&world).await;
    let good = world.cashier.self_check(&[]).await.unwrap();
    assert!(good.passed(), "{good}");
    for what in [
        Checked::Keys,
        Checked::Vector,
        Checked::Hosts,
        Checked::Clock,
        Checked::Environment,
        Checked::Chain,
        Checked::Events,
    ] {
        assert!(good.checks.iter().any(|check| check.what == what), "{what:?}");
    }
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("DROP TRIGGER records_do_not_change; UPDATE records SET at = at + 1 WHERE position = 3")
        .unwrap();
    let refused = world.cashier.reopen(text("operator"), text("in a hurry"), &[]).await;
    let Err(ReopenError::SelfCheck(check)) = refused else {
        panic!("reopened: {refused:?}")
    };
    assert!(check.to_string().contains("position 3"), "{check}");
    assert!(
        world.cashier.mode().await.unwrap().stopped.is_some(),
        "it stays as it was"
    );
}

#[tokio::test]
async fn pages_are_closed_on_request_and_who_paid_a_moment_ago_is_served() {
    let world = World::new();
    let paid_one = world.open(&order("EC-1"), "cs_test_1").await;
    let unused = world.open(&order("EC-2"), "cs_test_2").await;
    let broken = world.open(&order("EC-3"), "cs_test_3").await;
    let _ = world.cashier.stop(text("operator"), text("a test")).await.unwrap();
    world
        .script
        .answer(200, session(&paid_one, "complete", "paid").to_string());
    world.script.answer(200, session(&unused, "open", "unpaid").to_string());
    world
        .script
        .answer(200, session(&unused, "expired", "unpaid").to_string());
    world.script.answer(200, session(&broken, "open", "unpaid").to_string());
    world.script.answer(500, String::new());
    let report = world.cashier.expire_open().await;
    assert_eq!(report.paid, [paid_one.reference().clone()]);
    assert_eq!(report.closed, [unused.reference().clone()]);
    assert_eq!(report.failed.len(), 1);
    assert_eq!(report.failed[0].0, *broken.reference());
    assert_eq!(world.fulfil_all().await.len(), 1);
}

#[tokio::test]
async fn a_change_of_keys_is_on_record_without_any_key() {
    let world = World::new();
    let account = MerchantAccount::new("default").unwrap();
    let label = text("the keys of 23 November");
    world
        .cashier
        .keys_changed(GatewayId::STRIPE, account, text("operator"), label)
        .await
        .unwrap();
    let record = world.cashier.ledger().records(0, 10).await.unwrap().remove(0);
    assert_eq!((record.kind.as_str(), record.attempt), ("keys_changed", None));
    assert!(!record.body.contains("whsec"), "{}", record.body);
}

async fn written(world: &World, window: Window, format: Format) -> String {
    let mut out = Vec::new();
    world.cashier.report(window, format, &mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_report_equals_the_reference_list_over_ninety_days_and_repeats_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path().join("ledger.db")).unwrap();
    let world = World::over(Arc::new(ledger));
    let day = Duration::from_secs(24 * 3600);
    let mut reference = Vec::new();
    for n in 0..360_u32 {
        world.clock.advance(day / 4);
        let now = world.clock.now();
        let attempt = world.open(&order(&format!("EC-{n}")), &format!("cs_test_{n}")).await;
        if n % 3 == 0 {
            world.deliver(&paid(&format!("evt_{n}"), &attempt)).await;
        }
        reference.push((now, format!("EC-{n}")));
    }
    let start = reference[0].0;
    let at = |days: u32| start + day * days;
    for (from, to) in [(0, 90), (10, 52), (30, 31), (89, 200), (200, 300)] {
        let window = Window::new(at(from), at(to)).unwrap();
        let wanted: Vec<&str> = reference
            .iter()
            .filter(|(time, _)| window.contains(*time))
            .map(|(_, order)| order.as_str())
            .collect();
        let json = written(&world, window, Format::Json).await;
        let report: Value = serde_json::from_str(&json).unwrap();
        let told: Vec<&str> = report["attempts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|attempt| attempt["order"].as_str().unwrap())
            .collect();
        assert_eq!(told, wanted, "{from} to {to}");
        assert_eq!(report["count"], wanted.len());
        assert_eq!(report["chain"]["intact"], true);
        for format in [Format::Json, Format::Csv, Format::Html] {
            let once = written(&world, window, format).await;
            assert_eq!(once, written(&world, window, format).await, "{format:?}");
            assert!(!once.contains("whsec_") && !once.contains("sk_test"), "{format:?}");
        }
    }
}

#[tokio::test]
async fn a_report_over_broken_records_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let world = World::over(Arc::new(SqliteLedger::open(&path).unwrap()));
    tell_a_story(&world).await;
    let window = Window::new(SystemTime::UNIX_EPOCH, world.clock.now() + Duration::from_secs(1)).unwrap();
    let whole: Value = serde_json::from_str(&written(&world, window, Format::Json).await).unwrap();
    assert_eq!(whole["chain"]["intact"], true, "{}", whole["chain"]);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("DROP TRIGGER records_do_not_change; UPDATE records SET at = at + 1 WHERE position = 3")
        .unwrap();
    let broken: Value = serde_json::from_str(&written(&world, window, Format::Json).await).unwrap();
    assert_eq!(broken["chain"]["intact"], false);
    assert!(
        broken["chain"]["text"].as_str().unwrap().contains("position 3"),
        "{}",
        broken["chain"]
    );
}

#[tokio::test]
async fn an_attempt_that_nobody_confirmed_counts_only_until_it_no_longer_blocks_its_order() {
    let world = World::new();
    // The reply is lost: whether there is a page is not known.
    world.script.answer(500, String::new());
    assert!(matches!(
        world.try_open(&order("EC-1")).await,
        Err(OpenError::Gateway(_))
    ));
    world.open(&order("EC-2"), "cs_test_2").await;
    let open = world.cashier.open_attempts(0, 10).await.unwrap();
    assert_eq!(open.len(), 2);
    world.clock.advance(Duration::from_secs(48 * 3600));
    let open = world.cashier.open_attempts(0, 10).await.unwrap();
    let orders: Vec<_> = open
        .iter()
        .map(|(_, attempt)| attempt.expected.order.as_str())
        .collect();
    assert_eq!(
        orders,
        ["EC-2"],
        "its page was confirmed, so only the gateway can say that it is over"
    );
    // One at a time, and none is passed over.
    let (first, _) = world.cashier.open_attempts(0, 1).await.unwrap().remove(0);
    assert!(world.cashier.open_attempts(first, 1).await.unwrap().is_empty());
    let turned = world.cashier.stop(text("operator"), text("a test")).await.unwrap();
    assert_eq!(turned.open_attempts, Some(1));
}

#[tokio::test]
async fn a_gateway_that_gives_no_answers_holds_up_nobody_and_what_was_done_is_told_when_the_ledger_fails() {
    let (memory, ledger) = ByName::over_memory();
    let world = World::over(memory);
    let mut attempts = Vec::new();
    for n in 0..10 {
        attempts.push(world.open(&order(&format!("EC-{n}")), &format!("cs_test_{n}")).await);
    }
    // For each attempt a question and a closing, none of them answered.
    for _ in 0..6 {
        world.script.answer(500, String::new());
    }
    let report = world.cashier.expire_open().await;
    assert_eq!((report.failed.len(), report.left.len()), (3, 7));
    assert_eq!(world.script.requests().len(), 6, "and no more were sent");
    assert!(report.broke_off.is_none());
    // The ledger fails at the third.
    for attempt in &attempts[..2] {
        world.script.answer(200, session(attempt, "open", "unpaid").to_string());
        world
            .script
            .answer(200, session(attempt, "expired", "unpaid").to_string());
    }
    let third = session(&attempts[2], "open", "unpaid");
    world.script.answer(200, third.to_string());
    ledger.fail("apply", 4);
    let report = world.cashier.expire_open().await;
    assert_eq!(report.closed.len(), 2);
    assert!(report.broke_off.is_some());
    // Money that is on its way is neither closed nor something that the gateway cannot close.
    ledger.mend();
    let _ = world.script.requests();
    for attempt in &attempts[2..] {
        world
            .script
            .answer(200, session(attempt, "complete", "unpaid").to_string());
    }
    let report = world.cashier.expire_open().await;
    assert_eq!(report.undecided.len(), 8, "{report:?}");
    assert!(report.cannot.is_empty() && report.closed.is_empty(), "{report:?}");
    assert_eq!(
        world.script.requests().len(),
        8,
        "nobody was asked to close what was paid for"
    );
}

#[tokio::test]
async fn a_ledger_of_real_money_is_not_reopened_with_keys_of_the_sandbox() {
    use kessai::conformance::TestGateway;

    let ledger = Arc::new(kessai::ledgers::MemoryLedger::new());
    let world = World::over(ledger.clone());
    let of = |check: &kessai::cashier::SelfCheck| {
        let found = check.checks.iter().find(|check| check.what == Checked::Environment);
        found.unwrap().verdict
    };
    assert_eq!(
        of(&world.cashier.self_check(&[]).await.unwrap()),
        Verdict::Passed,
        "an empty ledger"
    );
    world.open(&order("EC-1"), "cs_test_1").await;
    assert_eq!(of(&world.cashier.self_check(&[]).await.unwrap()), Verdict::Passed);
    // The store sold for real money since.
    let gateway = TestGateway::new().unwrap();
    let mut expected = gateway.expected("EC-2", world.clock.now()).unwrap();
    expected.environment = kessai::Environment::Live;
    let ledger: Arc<dyn kessai::Ledger> = ledger;
    let _ = ledger.expect(&expected).await.unwrap();
    let refused = world.cashier.reopen(text("operator"), text("over"), &[]).await;
    let Err(ReopenError::SelfCheck(check)) = refused else {
        panic!("reopened: {refused:?}")
    };
    assert_eq!(of(&check), Verdict::Failed);
    assert!(check.to_string().contains("real money"), "{check}");
}
