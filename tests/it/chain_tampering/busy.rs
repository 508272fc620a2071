//! The check beside a store that goes on selling: it raises no false alarm, and still sees what is wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kessai::Ledger;
use kessai::conformance::TestGateway;
use kessai::ledger::{BreakReason, ChainCheck, Switch, verify};
use kessai::ledgers::{MemoryLedger, SqliteLedger};

use super::sample::{beside, broken, pay, turn};

/// Each of four sellers sells at most so much: a check reads everything, so what is sold has to stay small.
const MOST: u64 = 80;

/// Sells, fulfils and turns the switch until told to end.
async fn sell(ledger: Arc<dyn Ledger>, name: &str, ends: Arc<AtomicBool>) -> u64 {
    let gateway = TestGateway::new().unwrap();
    let mut sold = 0;
    while !ends.load(Ordering::Relaxed) && sold < MOST {
        let expected = pay(ledger.as_ref(), &gateway, &format!("{name}-{sold}"), sold).await;
        let due = ledger.fulfilment_of(&expected.order).await.unwrap().unwrap();
        ledger.done(&due.key, super::sample::at(sold)).await.unwrap();
        let switch = if sold % 2 == 0 {
            Switch::AskBeforeApply
        } else {
            Switch::Reopen
        };
        ledger.set_mode(&turn(switch), super::sample::at(sold)).await.unwrap();
        sold += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    sold
}

async fn raises_no_false_alarm(ledger: Arc<dyn Ledger>) {
    let ends = Arc::new(AtomicBool::new(false));
    let sellers: Vec<_> = (0..4)
        .map(|n| {
            let (ledger, ends) = (Arc::clone(&ledger), Arc::clone(&ends));
            tokio::spawn(async move { sell(ledger, &format!("seller{n}"), ends).await })
        })
        .collect();
    let (mut checks, mut grew, mut before, start) = (0, 0, 0, Instant::now());
    while !sellers.iter().all(tokio::task::JoinHandle::is_finished) {
        let found = verify(ledger.as_ref(), &[]).await.unwrap();
        let ChainCheck::Intact { head, .. } = found else {
            panic!("a false alarm: {found:?}");
        };
        assert!(head.count >= before);
        grew += u32::from(head.count > before);
        before = head.count;
        checks += 1;
        assert!(start.elapsed() < Duration::from_secs(120), "it does not come to an end");
    }
    ends.store(true, Ordering::Relaxed);
    let mut sold = 0;
    for seller in sellers {
        sold += seller.await.unwrap();
    }
    println!(
        "{checks} checks while {sold} orders were sold, in {:.1?}",
        start.elapsed()
    );
    assert!(grew >= 3, "{grew} checks saw something new: too few to show anything");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_check_while_others_write_raises_no_false_alarm_on_memory() {
    raises_no_false_alarm(Arc::new(MemoryLedger::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_check_while_others_write_raises_no_false_alarm_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(folder.path().join("busy.db")).unwrap();
    raises_no_false_alarm(Arc::new(ledger)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_switch_turned_beside_the_records_is_named_while_others_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("switch.db");
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(&path).unwrap());
    ledger
        .set_mode(&turn(Switch::Stop), super::sample::at(0))
        .await
        .unwrap();
    ledger
        .set_mode(&turn(Switch::Reopen), super::sample::at(1))
        .await
        .unwrap();
    let raw = beside(&path);
    raw.execute_batch(
        "UPDATE mode SET body = json_object('stopped', json_object('actor', 'nobody', 'reason', 'none', \
         'since', json_object('secs_since_epoch', 5, 'nanos_since_epoch', 0)), 'asks_first', NULL)",
    )
    .unwrap();
    let ends = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let notes = {
        let (ledger, ends, written) = (Arc::clone(&ledger), Arc::clone(&ends), Arc::clone(&written));
        tokio::spawn(async move {
            let gateway = TestGateway::new().unwrap();
            let keys = kessai::ledger::StoreNote::KeysChanged {
                gateway: kessai::GatewayId::from_static("conformance"),
                account: gateway.account().clone(),
                actor: super::sample::text("the operator"),
                label: super::sample::text("keys"),
            };
            while !ends.load(Ordering::Relaxed) && written.load(Ordering::Relaxed) < 20_000 {
                ledger.note_store(&keys, super::sample::at(2)).await.unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let (mut missed, mut checks, start) = (Vec::new(), 0, Instant::now());
    while (written.load(Ordering::Relaxed) < 100 || checks < 20) && start.elapsed() < Duration::from_secs(60) {
        checks += 1;
        let found = verify(ledger.as_ref(), &[]).await.map_err(|error| error.to_string());
        if broken(&found).map(|(_, why)| why) != Some(BreakReason::State) {
            missed.push(found);
        }
    }
    ends.store(true, Ordering::Relaxed);
    notes.await.unwrap();
    assert!(
        written.load(Ordering::Relaxed) >= 100 && checks >= 20,
        "too few to show anything"
    );
    assert!(
        missed.is_empty(),
        "{} of {checks} checks saw nothing: {:?}",
        missed.len(),
        missed.first()
    );
}
