//! The tables refuse what no operation does, and errors name no values.

use kessai::Ledger;
use kessai::conformance::TestGateway;

use super::{deliver, now, open, paid, said};

#[tokio::test]
async fn the_tables_refuse_to_forget_and_to_change_what_was_written() {
    let Some(server) = super::server() else { return };
    let schema = super::schema("tables");
    let [ledger] = super::nodes(&server, &schema).await;
    let gateway = TestGateway::new().unwrap();
    let expected = open(ledger.as_ref(), &gateway, "order-1").await;
    let _paid = deliver(ledger.as_ref(), &gateway, &paid(&expected)).await.unwrap();
    let right = ledger.fulfilment_of(&expected.order).await.unwrap().unwrap();
    assert!(ledger.done(&right.key, now()).await.unwrap());
    let other = open(ledger.as_ref(), &gateway, "order-2").await;
    let before = ledger.timeline(&expected.attempt).await.unwrap();

    let own = super::client(&server).await;
    own.batch_execute(&format!("SET search_path = {schema}")).await.unwrap();
    for (sql, why) in [
        (
            "UPDATE attempts SET expected = '{}'",
            "what was expected does not change",
        ),
        (
            "UPDATE attempts SET merchant_order = 'order-9'",
            "what was expected does not change",
        ),
        (
            "UPDATE attempts SET created_at = 0",
            "what was expected does not change",
        ),
        (
            "UPDATE attempts SET account = 'acct-mine'",
            "what was expected does not change",
        ),
        (
            "UPDATE attempts SET checkout = 'page-9' WHERE checkout IS NOT NULL",
            "a name that was bound does not change",
        ),
        (
            "UPDATE attempts SET payment = NULL WHERE payment IS NOT NULL",
            "a name that was bound does not change",
        ),
        ("UPDATE attempts SET asks = -1", "attempts_asks_check"),
        ("UPDATE attempts SET next_ask = -1", "attempts_next_ask_check"),
        ("DELETE FROM attempts", "attempts are never deleted"),
        ("TRUNCATE attempts CASCADE", "never deleted"),
        (
            "UPDATE orders SET merchant_order = 'order-9'",
            "orders stay as they are",
        ),
        ("DELETE FROM orders", "orders stay as they are"),
        (
            "UPDATE fulfilments SET key = 'fulfil-9'",
            "a right to fulfil does not change",
        ),
        ("UPDATE fulfilments SET done_at = NULL", "what was fulfilled stays so"),
        ("DELETE FROM fulfilments", "rights to fulfil are never deleted"),
        ("TRUNCATE fulfilments", "rights to fulfil are never deleted"),
        ("UPDATE records SET body = '{}'", "records do not change"),
        ("UPDATE records SET at = 0 WHERE position = 1", "records do not change"),
        ("DELETE FROM records WHERE position = 1", "records are never deleted"),
        ("TRUNCATE records", "records are never deleted"),
        ("DELETE FROM mode", "the mode is never deleted"),
        (
            "INSERT INTO events_heard VALUES ('nobody', 'evt')",
            "events_heard_attempt_fkey",
        ),
    ] {
        let error = own.batch_execute(sql).await.expect_err(sql);
        assert!(said(&error).contains(why), "{sql}: {}", said(&error));
    }
    let (ours, theirs) = (expected.attempt.as_str(), other.attempt.as_str());
    for (sql, why) in [
        // A gap, a second one at a place, one at the beginning.
        (
            "SELECT max(position) + 2, 0, $1, 'closed', '{}', sha256('') FROM records",
            "a record goes behind the last one",
        ),
        (
            "SELECT max(position), 0, $1, 'closed', '{}', sha256('') FROM records",
            "a record goes behind the last one",
        ),
        (
            "SELECT 0, 0, $1, 'closed', '{}', sha256('')",
            "a record goes behind the last one",
        ),
    ] {
        let sql = format!("INSERT INTO records (position, at, attempt, kind, body, digest) {sql}");
        let error = own.execute(&sql, &[&ours]).await.expect_err(&sql);
        assert!(said(&error).contains(why), "{sql}: {}", said(&error));
    }
    // A second right for an order, and a gateway's name for a second attempt.
    let sql = "INSERT INTO fulfilments (merchant_order, attempt, key) VALUES ('order-1', $1, 'fulfil-9')";
    let error = own.execute(sql, &[&theirs]).await.unwrap_err();
    assert!(
        said(&error).contains("fulfilments_merchant_order_key"),
        "{}",
        said(&error)
    );
    let sql = "UPDATE attempts SET payment = (SELECT payment FROM attempts WHERE attempt = $1) WHERE attempt = $2";
    let error = own.execute(sql, &[&ours, &theirs]).await.unwrap_err();
    assert!(said(&error).contains("one_attempt_for_a_payment"), "{}", said(&error));

    assert_eq!(ledger.timeline(&expected.attempt).await.unwrap(), before);
    ledger.check().await.unwrap();
}

#[tokio::test]
async fn a_refusal_of_the_database_does_not_repeat_what_was_to_be_stored() {
    let Some(server) = super::server() else { return };
    let schema = super::schema("tables");
    let [ledger] = super::nodes(&server, &schema).await;
    let gateway = TestGateway::new().unwrap();
    // A rule of the owner's. What PostgreSQL says of it has the whole row in it.
    let own = super::client(&server).await;
    let sql = format!("ALTER TABLE {schema}.attempts ADD CONSTRAINT not_this_one CHECK (merchant_order <> 'order-2')");
    own.batch_execute(&sql).await.unwrap();
    let expected = gateway.expected("order-2", now()).unwrap();
    let error = ledger.expect(&expected).await.unwrap_err();
    let shown = format!("{} {error:?}", said(&error));
    assert!(shown.contains("SQLSTATE 23514 (not_this_one)"), "{shown}");
    let token = expected.return_token.as_str();
    for secret in [expected.attempt.as_str(), token, "order-2", "DETAIL", "Failing row"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(ledger.attempts_of(&expected.order).await.unwrap().is_empty());
    assert_eq!(format!("{ledger:?}"), "PostgresLedger(..)");
}

#[tokio::test]
async fn a_row_that_lost_its_form_is_an_error_and_never_a_payment() {
    let Some(server) = super::server() else { return };
    let schema = super::schema("tables");
    let [ledger] = super::nodes(&server, &schema).await;
    let gateway = TestGateway::new().unwrap();
    let own = super::client(&server).await;
    for (number, change) in [
        "status = 'paid'",
        "checkout = 'two words'",
        "next_ask = 9223372036854775807, asks = 4294967296",
        "link = 'no link'",
        "expected = replace(expected, 'order-', 'other-')",
        "expected = 'null'",
    ]
    .into_iter()
    .enumerate()
    {
        let expected = gateway.expected(&format!("order-{number}"), now()).unwrap();
        let _written = ledger.expect(&expected).await.unwrap();
        // As somebody who owns the database can.
        let sql = format!(
            "ALTER TABLE {schema}.attempts DISABLE TRIGGER USER; \
             UPDATE {schema}.attempts SET {change} WHERE attempt = '{}'; \
             ALTER TABLE {schema}.attempts ENABLE TRIGGER USER",
            expected.attempt
        );
        own.batch_execute(&sql).await.unwrap();
        assert!(ledger.attempt(&expected.attempt).await.is_err(), "{change}");
        let event = gateway.prove(&paid(&expected), now()).unwrap();
        let judgement = kessai::ledger::StoredAttempt::new(expected.clone()).judge(event);
        assert!(ledger.apply(&judgement, now()).await.is_err(), "{change}");
        assert!(
            ledger
                .next_fulfilment(now(), std::time::Duration::from_secs(1))
                .await
                .unwrap()
                .is_none()
        );
    }
    ledger.check().await.unwrap();
}
