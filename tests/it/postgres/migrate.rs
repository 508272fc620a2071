//! Making the tables: once, whoever starts at the same moment, and never over something else.

use std::time::Duration;

use kessai::conformance::TestGateway;
use kessai::ledger::{AskDue, CloseReason, ModeChange, Note, Switch, SwitchText, Window, verify};
use kessai::ledgers::tokio_postgres::NoTls;
use kessai::ledgers::{ConnectError, PostgresLedger};
use kessai::{Applied, Ledger};

use super::{deliver, node, now, open, paid, said};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_nodes_that_start_at_once_one_makes_the_tables() {
    let Some(server) = super::server() else { return };
    let schema = super::schema("migrate");
    let mut starts = Vec::new();
    for _ in 0..12 {
        let node = node(&server, &schema);
        starts.push(tokio::spawn(async move { node.connect(NoTls).await }));
    }
    let gateway = TestGateway::new().unwrap();
    for (number, start) in starts.into_iter().enumerate() {
        let ledger = start.await.unwrap().unwrap();
        open(&ledger, &gateway, &format!("order-{number}")).await;
    }
    let ledger = node(&server, &schema).connect(NoTls).await.unwrap();
    assert_eq!(ledger.latest(99).await.unwrap().len(), 12);
    ledger.check().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_something_else_is_refused_and_left_alone() {
    let Some(server) = super::server() else { return };
    let own = super::client(&server).await;
    let tables = async |schema: &str| -> i64 {
        let sql = "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = $1::text::regnamespace";
        own.query_one(sql, &[&schema]).await.unwrap().get(0)
    };
    let schema = super::schema("migrate");
    own.batch_execute(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {schema}.orders (number text)"
    ))
    .await
    .unwrap();
    let refused = node(&server, &schema).connect(NoTls).await.unwrap_err();
    assert!(matches!(refused, ConnectError::OtherApplication), "{refused:?}");
    assert_eq!(tables(&schema).await, 1);

    // Newer than this version.
    let schema = super::schema("migrate");
    let ledger = node(&server, &schema).connect(NoTls).await.unwrap();
    drop(ledger);
    let before = tables(&schema).await;
    own.batch_execute(&format!("UPDATE {schema}.kessai_ledger SET version = version + 1"))
        .await
        .unwrap();
    let refused = node(&server, &schema).connect(NoTls).await.unwrap_err();
    assert!(
        matches!(refused, ConnectError::NewerSchema { found, known } if found == known + 1),
        "{refused:?}"
    );
    assert_eq!(tables(&schema).await, before);

    // An empty schema that somebody made for it is taken.
    let schema = super::schema("migrate");
    own.batch_execute(&format!("CREATE SCHEMA {schema}")).await.unwrap();
    node(&server, &schema)
        .connect(NoTls)
        .await
        .unwrap()
        .check()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_user_who_may_not_make_tables_is_refused_and_one_who_need_not_is_served() {
    let Some(server) = super::server() else { return };
    let own = super::client(&server).await;
    let schema = super::schema("migrate");
    own.batch_execute(&format!("CREATE ROLE {schema}_clerk LOGIN PASSWORD 'open-sesame-7'"))
        .await
        .unwrap();
    let mut clerk = server.clone();
    clerk.user(format!("{schema}_clerk")).password("open-sesame-7");
    let refused = node(&clerk, &schema).connect(NoTls).await.unwrap_err();
    let shown = format!("{} {refused:?} {:?}", said(&refused), node(&clerk, &schema));
    assert!(shown.contains("SQLSTATE 42501"), "{shown}");
    assert!(!shown.contains("open-sesame"), "{shown}");

    drop(node(&server, &schema).connect(NoTls).await.unwrap());
    let grants = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {schema}_clerk; \
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {schema}_clerk"
    );
    own.batch_execute(&grants).await.unwrap();
    let ledger = node(&clerk, &schema).connect(NoTls).await.unwrap();
    does_everything(&ledger).await;
}

/// Each operation that writes, and the lists.
async fn does_everything(ledger: &PostgresLedger) {
    let gateway = TestGateway::new().unwrap();
    let expected = open(ledger, &gateway, "order-1").await;
    assert!(ledger.note(&expected.attempt, Note::Returned, now()).await.unwrap());
    let due = AskDue {
        gateway: expected.gateway.clone(),
        now: now() + Duration::from_secs(500),
        lease: Duration::from_secs(60),
        limit: 9,
    };
    assert_eq!(ledger.attempts_to_ask(&due).await.unwrap().len(), 1);
    assert_eq!(deliver(ledger, &gateway, &paid(&expected)).await.unwrap(), Applied::Now);
    let right = ledger.next_fulfilment(now(), due.lease).await.unwrap().unwrap();
    assert!(ledger.done(&right.key, now()).await.unwrap());
    let refused = gateway.expected("order-2", now()).unwrap();
    let _written = ledger.expect(&refused).await.unwrap();
    let why = CloseReason::Refused;
    ledger.close(&refused.attempt, why, now()).await.unwrap();
    let stop = ModeChange {
        switch: Switch::Stop,
        actor: SwitchText::new("operator-7").unwrap(),
        reason: SwitchText::new("incident 12").unwrap(),
    };
    assert!(ledger.set_mode(&stop, now()).await.unwrap().stopped.is_some());
    let window = Window::new(now(), now() + Duration::from_secs(1)).unwrap();
    assert_eq!(ledger.window(&window, None, 9).await.unwrap().len(), 2);
    ledger.check().await.unwrap();
    assert!(verify(ledger, &[]).await.unwrap().is_intact());
}

#[tokio::test]
async fn a_schema_that_was_made_for_the_shops_user_needs_no_right_to_make_schemas() {
    let Some(server) = super::server() else { return };
    let own = super::client(&server).await;
    let schema = super::schema("migrate");
    let (owner, clerk) = (format!("{schema}_owner"), format!("{schema}_clerk"));
    own.batch_execute(&format!(
        "CREATE ROLE {owner} LOGIN; CREATE ROLE {clerk} LOGIN; CREATE SCHEMA {schema} AUTHORIZATION {owner}"
    ))
    .await
    .unwrap();
    let [mut as_owner, mut as_clerk] = [server.clone(), server.clone()];
    as_owner.user(&owner);
    as_clerk.user(&clerk);
    drop(node(&as_owner, &schema).connect(NoTls).await.unwrap());
    // The owner of the tables need not be who sells.
    let maker = super::client(&as_owner).await;
    let grants = format!(
        "GRANT USAGE ON SCHEMA {schema} TO {clerk}; \
         GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {clerk}"
    );
    maker.batch_execute(&grants).await.unwrap();
    does_everything(&node(&as_clerk, &schema).connect(NoTls).await.unwrap()).await;
    let ledger = node(&as_owner, &schema).connect(NoTls).await.unwrap();
    assert_eq!(ledger.latest(9).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_not_there_is_an_error_within_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = kessai::ledgers::tokio_postgres::Config::new();
    config.host_path(folder.path()).user("shop").password("open-sesame-7");
    let clock = std::time::Instant::now();
    let error = PostgresLedger::connect(config, NoTls).await.unwrap_err();
    let shown = format!("{} {error:?}", said(&error));
    assert!(matches!(error, ConnectError::Store(_)), "{shown}");
    assert!(
        shown.contains("cannot be reached") && !shown.contains("open-sesame"),
        "{shown}"
    );
    assert!(clock.elapsed() < Duration::from_secs(5));
}
