//! `apply` inside the store's own transaction: both move, or neither.

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{HeldReason, Judgement};
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::{Client, IsolationLevel};
use kessai::{Applied, ExpectedPayment, Ledger, PaymentStatus};

use super::{deliver, now, open, paid};

struct Shop {
    ledger: std::sync::Arc<PostgresLedger>,
    gateway: TestGateway,
    /// The store's own table, in the same database.
    own: Client,
    schema: String,
}

impl Shop {
    async fn new() -> Option<Self> {
        let server = super::server()?;
        let schema = super::schema("apply_in");
        let [ledger] = super::nodes(&server, &schema).await;
        let own = super::client(&server).await;
        let sql = format!("CREATE SCHEMA {schema}_shop; CREATE TABLE {schema}_shop.orders (number text, state text)");
        own.batch_execute(&sql).await.unwrap();
        let gateway = TestGateway::new().unwrap();
        Some(Self {
            ledger,
            gateway,
            own,
            schema,
        })
    }

    async fn judgement(&self, expected: &ExpectedPayment, said: &Statement) -> Judgement {
        let event = self.gateway.prove(said, now()).unwrap();
        self.ledger
            .attempt(&expected.attempt)
            .await
            .unwrap()
            .unwrap()
            .judge(event)
    }

    async fn orders_paid(&self) -> i64 {
        let sql = format!("SELECT count(*) FROM {}_shop.orders WHERE state = 'paid'", self.schema);
        self.own.query_one(&sql, &[]).await.unwrap().get(0)
    }

    fn write(&self) -> String {
        format!("INSERT INTO {}_shop.orders VALUES ('order-1', 'paid')", self.schema)
    }

    /// Everything that the ledger has of an order.
    async fn kept(&self, expected: &ExpectedPayment) -> String {
        let attempt = self.ledger.attempt(&expected.attempt).await.unwrap();
        let timeline = self.ledger.timeline(&expected.attempt).await.unwrap();
        let right = self.ledger.fulfilment_of(&expected.order).await.unwrap();
        format!("{attempt:?} {timeline:?} {right:?}")
    }
}

#[tokio::test]
async fn a_rollback_leaves_nothing_and_a_commit_moves_both() {
    let Some(mut shop) = Shop::new().await else { return };
    let expected = open(shop.ledger.as_ref(), &shop.gateway, "order-1").await;
    let judgement = shop.judgement(&expected, &paid(&expected)).await;
    let before = shop.kept(&expected).await;
    let (ledger, write) = (std::sync::Arc::clone(&shop.ledger), shop.write());

    let mut transaction = shop.own.transaction().await.unwrap();
    transaction.batch_execute(&write).await.unwrap();
    let applied = ledger.apply_in(&mut transaction, &judgement, now()).await.unwrap();
    assert_eq!(applied, Applied::Now);
    transaction.rollback().await.unwrap();
    assert_eq!(shop.kept(&expected).await, before);
    assert_eq!(shop.orders_paid().await, 0);
    shop.ledger.check().await.unwrap();

    // Dropped is rolled back, too.
    let mut transaction = shop.own.transaction().await.unwrap();
    let applied = ledger.apply_in(&mut transaction, &judgement, now()).await.unwrap();
    assert_eq!(applied, Applied::Now);
    drop(transaction);
    shop.own.batch_execute("").await.unwrap();
    assert_eq!(shop.kept(&expected).await, before);

    let mut transaction = shop.own.transaction().await.unwrap();
    let applied = ledger.apply_in(&mut transaction, &judgement, now()).await.unwrap();
    assert_eq!(applied, Applied::Now);
    transaction.batch_execute(&write).await.unwrap();
    transaction.commit().await.unwrap();
    // What held until then holds no longer: the connection is the store's.
    let shown = shop.own.query_one("SHOW lock_timeout", &[]).await.unwrap();
    assert_eq!(shown.get::<_, &str>(0), "0");
    assert_eq!(shop.orders_paid().await, 1);
    assert!(shop.ledger.fulfilment_of(&expected.order).await.unwrap().is_some());
    shop.ledger.check().await.unwrap();

    // The same again, on the store's way and on the ledger's own.
    let mut transaction = shop.own.transaction().await.unwrap();
    let applied = ledger.apply_in(&mut transaction, &judgement, now()).await.unwrap();
    assert_eq!(applied, Applied::Already);
    transaction.commit().await.unwrap();
    let again = deliver(ledger.as_ref(), &shop.gateway, &paid(&expected)).await.unwrap();
    assert_eq!(again, Applied::Already);
}

#[tokio::test]
async fn what_fails_leaves_the_stores_transaction_as_it_was() {
    let Some(mut shop) = Shop::new().await else { return };
    let expected = open(shop.ledger.as_ref(), &shop.gateway, "order-1").await;
    let judgement = shop.judgement(&expected, &paid(&expected)).await;
    let (ledger, write) = (std::sync::Arc::clone(&shop.ledger), shop.write());
    let mut transaction = shop.own.transaction().await.unwrap();
    transaction.batch_execute(&write).await.unwrap();
    // A time that cannot be kept.
    let too_early = std::time::SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1);
    assert!(ledger.apply_in(&mut transaction, &judgement, too_early).await.is_err());
    // The database itself refuses: this is another ledger's attempt.
    let [other] = super::nodes(&super::server().unwrap(), &super::schema("apply_in")).await;
    let error = other.apply_in(&mut transaction, &judgement, now()).await.unwrap_err();
    assert!(error.to_string().contains("no such attempt"), "{error}");
    transaction.commit().await.unwrap();
    assert_eq!(shop.orders_paid().await, 1);
    assert_eq!(shop.ledger.fulfilment_of(&expected.order).await.unwrap(), None);
}

#[tokio::test]
async fn money_that_is_held_is_held_in_the_stores_transaction_too() {
    let Some(mut shop) = Shop::new().await else { return };
    let first = open(shop.ledger.as_ref(), &shop.gateway, "order-1").await;
    let second = open(shop.ledger.as_ref(), &shop.gateway, "order-2").await;
    let theirs = paid(&second).but(|said| said.payment = paid(&first).payment);
    let judgement = shop.judgement(&second, &theirs).await;
    let ledger = std::sync::Arc::clone(&shop.ledger);
    assert_eq!(
        deliver(ledger.as_ref(), &shop.gateway, &paid(&first)).await.unwrap(),
        Applied::Now
    );
    let mut transaction = shop.own.transaction().await.unwrap();
    let applied = ledger.apply_in(&mut transaction, &judgement, now()).await.unwrap();
    assert_eq!(applied, Applied::Held(HeldReason::TransactionBound));
    transaction.commit().await.unwrap();
    assert_eq!(ledger.held(9).await.unwrap().len(), 1);
    assert_eq!(ledger.fulfilment_of(&second.order).await.unwrap(), None);
}

#[tokio::test]
async fn a_transaction_that_sees_the_past_fails_and_decides_nothing_wrongly() {
    let Some(mut shop) = Shop::new().await else { return };
    let expected = open(shop.ledger.as_ref(), &shop.gateway, "order-1").await;
    let judgement = shop.judgement(&expected, &paid(&expected)).await;
    let ledger = std::sync::Arc::clone(&shop.ledger);
    for (level, status) in [
        (IsolationLevel::RepeatableRead, PaymentStatus::Pending),
        (IsolationLevel::Serializable, PaymentStatus::Captured),
    ] {
        let builder = shop.own.build_transaction().isolation_level(level);
        let mut transaction = builder.start().await.unwrap();
        // From here on it sees the database as it is now.
        transaction
            .batch_execute("SELECT 1 FROM pg_catalog.pg_class")
            .await
            .unwrap();
        let news = Statement::about(&expected, status)
            .unwrap()
            .heard_as("meanwhile")
            .unwrap();
        let meanwhile = deliver(ledger.as_ref(), &shop.gateway, &news).await.unwrap();
        assert!(matches!(meanwhile, Applied::Moved | Applied::Now), "{meanwhile:?}");
        let error = ledger.apply_in(&mut transaction, &judgement, now()).await.unwrap_err();
        assert!(super::said(&error).contains("40001"), "{}", super::said(&error));
        transaction.rollback().await.unwrap();
    }
    ledger.check().await.unwrap();
}
