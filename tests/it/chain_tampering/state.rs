//! State changed beside the records: what an intruder gains by it, and that the check names it.

use kessai::ledger::BreakReason;

use super::sample::{Sample, broken};

#[tokio::test]
async fn state_that_the_records_do_not_tell_is_named() {
    let sample = Sample::make().await;
    let of = |order: &str| format!("(SELECT attempt FROM attempts WHERE merchant_order = '{order}')");
    let (open, paid, done) = (of("order-open"), of("order-paid"), of("order-done"));
    let last = |order: &str| sample.last_of(order);
    let cases = [
        // A status without a proof, and one taken back.
        (
            "paid without a proof",
            "UPDATE attempts SET status = 'captured' WHERE merchant_order = 'order-open'".to_owned(),
            last("order-open"),
        ),
        (
            "unpaid in spite of one",
            "UPDATE attempts SET status = 'created' WHERE merchant_order = 'order-paid'".to_owned(),
            last("order-paid"),
        ),
        (
            "open again after it failed",
            "UPDATE attempts SET status = 'pending' WHERE merchant_order = 'order-failed'".to_owned(),
            last("order-failed"),
        ),
        (
            "open again after it was closed",
            "UPDATE attempts SET status = 'created' WHERE merchant_order = 'order-closed'".to_owned(),
            last("order-closed"),
        ),
        (
            "a page that was never opened",
            "UPDATE attempts SET opened = 1 WHERE merchant_order = 'order-closed'".to_owned(),
            last("order-closed"),
        ),
        (
            "a page that was never closed",
            "UPDATE attempts SET opened = 0 WHERE merchant_order = 'order-open'".to_owned(),
            last("order-open"),
        ),
        (
            "another page",
            "UPDATE attempts SET checkout = 'page-of-somebody' WHERE merchant_order = 'order-open'".to_owned(),
            last("order-open"),
        ),
        (
            "no page",
            "UPDATE attempts SET checkout = NULL WHERE merchant_order = 'order-open'".to_owned(),
            last("order-open"),
        ),
        // Goods for nothing, goods twice, goods never.
        (
            "a right without money",
            format!(
                "INSERT INTO fulfilments (merchant_order, attempt, key) \
                 SELECT 'order-open', attempt, 'fulfil-' || attempt FROM attempts WHERE attempt = {open}"
            ),
            last("order-open"),
        ),
        (
            "a right without money, under the name of an order that is nobody's",
            format!(
                "INSERT INTO fulfilments (merchant_order, attempt, key) \
                 SELECT 'order-of-nobody', attempt, 'fulfil-' || attempt FROM attempts WHERE attempt = {open}"
            ),
            last("order-open"),
        ),
        (
            "a right given to another order",
            "UPDATE fulfilments SET merchant_order = 'order-of-nobody' WHERE merchant_order = 'order-paid'".to_owned(),
            last("order-paid"),
        ),
        (
            "a right given to another attempt",
            format!("UPDATE fulfilments SET attempt = {open} WHERE merchant_order = 'order-paid'"),
            last("order-paid"),
        ),
        (
            "another key: goods twice",
            "UPDATE fulfilments SET key = 'fulfil-again' WHERE merchant_order = 'order-done'".to_owned(),
            last("order-done"),
        ),
        (
            "another payment: the agency looks for the wrong cards",
            format!("UPDATE attempts SET payment = 'pay-of-nobody' WHERE attempt = {paid}"),
            last("order-paid"),
        ),
        (
            "a payment forgotten",
            format!("UPDATE attempts SET payment = NULL WHERE attempt = {done}"),
            last("order-done"),
        ),
        (
            "a payment for an attempt that has none",
            format!("UPDATE attempts SET payment = 'pay-of-nobody' WHERE attempt = {open}"),
            last("order-open"),
        ),
        (
            "another checkout",
            format!("UPDATE attempts SET checkout = 'page-of-nobody' WHERE attempt = {open}"),
            last("order-open"),
        ),
        (
            "a right removed",
            format!("DELETE FROM fulfilments WHERE attempt = {paid}"),
            last("order-paid"),
        ),
        (
            "done, and nobody did it",
            format!("UPDATE fulfilments SET done_at = 1795400090000000 WHERE attempt = {paid}"),
            last("order-paid"),
        ),
        (
            "to be done again: goods twice",
            format!("UPDATE fulfilments SET done_at = NULL WHERE attempt = {done}"),
            last("order-done"),
        ),
        (
            "done at another time",
            format!("UPDATE fulfilments SET done_at = done_at + 1 WHERE attempt = {done}"),
            last("order-done"),
        ),
    ];
    for (name, sql, position) in cases {
        let copy = sample.copy("state");
        copy.run(&sql);
        assert_ne!(copy.raw.changes(), 0, "{name}: nothing was changed");
        let found = copy.check(Some(&sample.checkpoint)).await;
        assert_eq!(
            broken(&found),
            Some((position, BreakReason::State)),
            "{name}: {found:?}"
        );
    }
}

#[tokio::test]
async fn what_was_expected_cannot_be_changed_removed_or_invented() {
    let sample = Sample::make().await;
    let expected_at = |order: &str| {
        let quoted = format!("\"order\":\"{order}\"");
        let mut records = sample.records.iter();
        let record = records.find(|record| record.kind == "expected" && record.body.contains(&quoted));
        record.unwrap().position
    };
    for (name, sql, position) in [
        (
            "a smaller amount",
            "UPDATE attempts SET expected = replace(expected, '1980', '1') WHERE merchant_order = 'order-open'",
            expected_at("order-open"),
        ),
        (
            "removed whole",
            "DELETE FROM attempts WHERE merchant_order = 'order-open'",
            expected_at("order-open"),
        ),
        (
            "removed with its right",
            "DELETE FROM fulfilments WHERE merchant_order = 'order-paid'; \
             DELETE FROM attempts WHERE merchant_order = 'order-paid'",
            expected_at("order-paid"),
        ),
        (
            "one removed and one invented",
            "UPDATE attempts SET attempt = 'invented', expected = json_set(expected, '$.attempt', 'invented') \
             WHERE merchant_order = 'order-closed'",
            0,
        ),
        (
            "invented",
            "INSERT INTO attempts (attempt, merchant_order, gateway, account, expected, created_at, status, expires_at) \
             SELECT 'invented', merchant_order, gateway, account, json_set(expected, '$.attempt', 'invented'), created_at, \
             'captured', expires_at FROM attempts WHERE merchant_order = 'order-closed'",
            0,
        ),
    ] {
        let copy = sample.copy("expected");
        copy.run(sql);
        let found = copy.check(Some(&sample.checkpoint)).await;
        assert_eq!(
            broken(&found),
            Some((position, BreakReason::State)),
            "{name}: {found:?}"
        );
    }
}

#[tokio::test]
async fn an_attempt_that_has_lost_its_form_is_named_and_not_only_an_error() {
    let sample = Sample::make().await;
    for sql in [
        "UPDATE attempts SET expected = '{}' WHERE merchant_order = 'order-open'",
        "UPDATE attempts SET expected = CAST(x'ff' AS TEXT) WHERE merchant_order = 'order-open'",
        "UPDATE attempts SET status = 'rich' WHERE merchant_order = 'order-open'",
        "UPDATE attempts SET account = 'acct-else' WHERE merchant_order = 'order-open'",
        "UPDATE attempts SET expires_at = -1 WHERE merchant_order = 'order-open'",
        "UPDATE attempts SET asks = -1 WHERE merchant_order = 'order-open'",
        "UPDATE attempts SET link = 'no link' WHERE merchant_order = 'order-open'",
    ] {
        let copy = sample.copy("form");
        copy.run(sql);
        let found = copy.check(None).await;
        assert_eq!(broken(&found), Some((0, BreakReason::State)), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn a_switch_turned_beside_the_records_is_named() {
    let sample = Sample::make().await;
    let last = sample.head().count;
    for sql in [
        "DELETE FROM mode",
        "UPDATE mode SET body = '{\"stopped\":null,\"asks_first\":null}'",
        "UPDATE mode SET body = json_set(body, '$.stopped', json_extract(body, '$.asks_first'))",
        "UPDATE mode SET body = replace(body, 'the operator', 'somebody')",
        "UPDATE mode SET body = 'open'",
        "UPDATE mode SET body = CAST(x'ff' AS TEXT)",
    ] {
        let copy = sample.copy("mode");
        copy.run(sql);
        let found = copy.check(Some(&sample.checkpoint)).await;
        assert_eq!(broken(&found), Some((last, BreakReason::State)), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn a_right_under_the_name_of_another_order_is_never_handed_out() {
    use std::time::Duration;

    use kessai::Ledger;

    let sample = Sample::make().await;
    let copy = sample.copy("ghost");
    copy.run(
        "DELETE FROM fulfilments; INSERT INTO fulfilments (merchant_order, attempt, key) \
         SELECT 'order-of-nobody', attempt, 'fulfil-' || attempt FROM attempts WHERE merchant_order = 'order-open'",
    );
    let found = copy
        .ledger()
        .next_fulfilment(super::sample::at(500), Duration::from_secs(60))
        .await;
    assert!(found.is_err(), "{found:?}");
}

#[tokio::test]
async fn a_ledger_of_many_pages_is_held_against_its_records_to_the_last_attempt() {
    use kessai::conformance::TestGateway;
    use kessai::ledger::verify;
    use kessai::ledgers::MemoryLedger;

    use super::sample::write;

    let ledger = MemoryLedger::new();
    let gateway = TestGateway::new().unwrap();
    for order in 0..1_001 {
        let _ = write(&ledger, &gateway, &format!("order-{order}"), 0).await;
    }
    let found = verify(&ledger, &[]).await.unwrap();
    assert!(found.is_intact(), "{found:?}");
}
