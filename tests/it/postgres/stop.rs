//! The stop switch on every node at once, and the chain that all nodes write.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kessai::conformance::TestGateway;
use kessai::ledger::{Expected, ModeChange, Switch, SwitchText, Which, verify};
use kessai::ledgers::tokio_postgres::NoTls;
use kessai::{Ledger, MerchantReference};

use super::{deliver, now, open, paid};

fn change(switch: Switch) -> ModeChange {
    ModeChange {
        switch,
        actor: SwitchText::new("operator-7").unwrap(),
        reason: SwitchText::new("incident 12").unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_on_one_node_refuses_on_the_other_from_the_moment_it_is_answered() {
    let Some(server) = super::server() else { return };
    let ledgers: [_; 2] = super::nodes(&server, &super::schema("stop")).await;
    let gateway = Arc::new(TestGateway::new().unwrap());
    let before = open(ledgers[1].as_ref(), &gateway, "order-before").await;
    let stopped = Arc::new(AtomicBool::new(false));
    let mut shoppers = Vec::new();
    for shopper in 0..8 {
        let (ledger, gateway) = (Arc::clone(&ledgers[1]), Arc::clone(&gateway));
        let stopped = Arc::clone(&stopped);
        shoppers.push(tokio::spawn(async move {
            let mut written = 0;
            for number in 0.. {
                let begun_after = stopped.load(Ordering::SeqCst);
                let expected = gateway.expected(&format!("order-{shopper}-{number}"), now()).unwrap();
                match ledger.expect(&expected).await.unwrap() {
                    Expected::Written if begun_after => panic!("opened after the stop was answered"),
                    Expected::Written => written += 1,
                    Expected::Stopped(by) => {
                        assert_eq!(by.actor.as_str(), "operator-7");
                        return (written, Instant::now());
                    }
                    other => panic!("{other:?}"),
                }
            }
            unreachable!()
        }));
    }
    tokio::time::sleep(Duration::from_millis(150)).await;
    let clock = Instant::now();
    let mode = ledgers[0].set_mode(&change(Switch::Stop), now()).await.unwrap();
    stopped.store(true, Ordering::SeqCst);
    assert!(mode.stopped.is_some());
    // All that was open at that moment is on the list: nothing comes to it afterwards.
    let listed = ledgers[0].attempts_after(0, Which::Open, 10_000).await.unwrap().len();
    let mut written = 0;
    for shopper in shoppers {
        let (own, refused_at) = shopper.await.unwrap();
        written += own;
        let late = refused_at.saturating_duration_since(clock);
        assert!(late < Duration::from_secs(1), "{late:?}");
    }
    println!(
        "{written} opened before the stop, the last was refused {:.1?} after it",
        clock.elapsed()
    );
    assert!(written > 8, "hardly anything was opened before");
    assert_eq!(listed, written + 1);
    let all = ledgers[1].records(0, 100_000).await.unwrap();
    let stop = all.iter().position(|record| record.kind == "mode_changed").unwrap();
    assert!(all[stop..].iter().all(|record| record.kind != "expected"));

    // Everything else goes on, on both.
    let applied = deliver(ledgers[1].as_ref(), &gateway, &paid(&before)).await.unwrap();
    assert_eq!(applied, kessai::Applied::Now);
    let right = ledgers[0]
        .next_fulfilment(now(), Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    assert!(ledgers[1].done(&right.key, now()).await.unwrap());

    let mode = ledgers[1].set_mode(&change(Switch::Reopen), now()).await.unwrap();
    assert!(mode.stopped.is_none());
    assert_eq!(ledgers[0].mode().await.unwrap(), mode);
    open(ledgers[0].as_ref(), &gateway, "order-after").await;
    let check = verify(ledgers[0].as_ref(), &[]).await.unwrap();
    assert!(check.is_intact(), "{check:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_chain_of_two_nodes_is_whole_and_a_change_in_it_is_named() {
    let Some(server) = super::server() else { return };
    let schema = super::schema("stop");
    let ledgers: [_; 2] = super::nodes(&server, &schema).await;
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut tasks = Vec::new();
    for number in 0..40 {
        let (ledger, gateway) = (Arc::clone(&ledgers[number % 2]), Arc::clone(&gateway));
        tasks.push(tokio::spawn(async move {
            let expected = open(ledger.as_ref(), &gateway, &format!("order-{number}")).await;
            deliver(ledger.as_ref(), &gateway, &paid(&expected)).await.unwrap()
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), kessai::Applied::Now);
    }
    let head = ledgers[0].head().await.unwrap();
    assert_eq!(head, ledgers[1].head().await.unwrap());
    // Expected, opened, applied and the right, forty times.
    assert_eq!(head.count, 160);
    assert!(verify(ledgers[0].as_ref(), &[]).await.unwrap().is_intact());

    let own = super::client(&server).await;
    for (at, change) in [
        (
            150,
            "UPDATE {s}.records SET body = replace(body, '{', '{ ') WHERE position = 150",
        ),
        (120, "UPDATE {s}.records SET at = at + 1 WHERE position = 120"),
        (90, "UPDATE {s}.records SET digest = sha256('') WHERE position = 90"),
        (60, "UPDATE {s}.records SET kind = 'heard' WHERE position = 60"),
        (30, "DELETE FROM {s}.records WHERE position = 30"),
        (1, "UPDATE {s}.records SET attempt = NULL WHERE position = 1"),
    ] {
        // As somebody who owns the database can.
        let sql = format!(
            "ALTER TABLE {schema}.records DISABLE TRIGGER USER; {}; ALTER TABLE {schema}.records ENABLE TRIGGER USER",
            change.replace("{s}", &schema)
        );
        own.batch_execute(&sql).await.unwrap();
        let check = verify(ledgers[1].as_ref(), &[]).await.unwrap();
        assert!(!check.is_intact(), "{change}");
        let shown = format!("{check:?}");
        assert!(shown.contains(&format!("position: {at},")), "{change}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_does_not_wait_for_a_connection_behind_everything_else() {
    let Some(server) = super::server() else { return };
    let schema = super::schema("stop_first");
    let node = super::node(&server, &schema).connections(NonZeroUsize::MIN);
    let ledger = Arc::new(node.connect(NoTls).await.unwrap());
    // The one connection there is stands still, and so does what waits for it.
    let own = super::client(&server).await;
    let lock = format!("BEGIN; LOCK TABLE {schema}.fulfilments IN ACCESS EXCLUSIVE MODE");
    own.batch_execute(&lock).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let ledger = Arc::clone(&ledger);
        let order = MerchantReference::new("order-1").unwrap();
        waiting.push(tokio::spawn(async move { ledger.fulfilment_of(&order).await }));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stop = change(Switch::Stop);
    let turned = tokio::time::timeout(Duration::from_secs(1), ledger.set_mode(&stop, now()));
    let mode = turned.await.expect("within a second").unwrap();
    assert!(mode.stopped.is_some());
    own.batch_execute("ROLLBACK").await.unwrap();
    for one in waiting {
        one.await.unwrap().unwrap();
    }
}
