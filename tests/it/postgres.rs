//! The PostgreSQL ledger, on a server of its own that this process starts and that ends with it.
//!
//! Without PostgreSQL these tests say `skipped: why`; with `KESSAI_CI=1` they fail instead.

mod apply_in;
mod cost;
mod crash;
mod faults;
mod migrate;
mod nodes;
mod processes;
#[path = "../postgres/server.rs"]
mod server;
mod settings;
mod stop;
mod suite;
mod tables;
mod tampering;
mod windows;
mod worker;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use kessai::conformance::{Statement, TestGateway};
use kessai::ledger::{Expected, Opened};
use kessai::ledgers::tokio_postgres::{Client, Config, NoTls};
use kessai::ledgers::{PostgresLedger, PostgresLedgerBuilder};
use kessai::{Applied, ExpectedPayment, Ledger, PaymentStatus, StoreError};

use self::server::Server;

/// How to reach the server of this process, which is started for the first test that asks.
pub fn server() -> Option<Config> {
    reached(started())
}

/// Another one, which forces nothing to disk: for tests that ask what is written in a hundred thousand steps.
pub fn forgetful_server() -> Option<Config> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    reached(SERVER.get_or_init(Server::start_forgetful))
}

fn reached(started: &Result<Server, String>) -> Option<Config> {
    match started {
        Ok(server) => Some(server.config().parse().unwrap()),
        Err(why) => {
            println!("skipped: {why}");
            assert!(
                std::env::var_os("KESSAI_CI").is_none_or(|value| value != "1"),
                "nothing may be skipped here: {why}"
            );
            None
        }
    }
}

fn started() -> &'static Result<Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

/// The same, for a process that this one starts.
fn server_text() -> String {
    started().as_ref().unwrap().config().to_owned()
}

/// A name for a schema that no other test of this process has.
pub fn schema(test: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{test}_{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

pub fn node(server: &Config, schema: &str) -> PostgresLedgerBuilder {
    PostgresLedger::builder(server.clone()).schema(schema)
}

/// Several nodes on one schema, each with connections of its own.
pub async fn nodes<const N: usize>(server: &Config, schema: &str) -> [Arc<PostgresLedger>; N] {
    let mut ledgers = Vec::new();
    for _ in 0..N {
        let builder = node(server, schema).connections(NonZeroUsize::new(8).unwrap());
        ledgers.push(Arc::new(builder.connect(NoTls).await.unwrap()));
    }
    ledgers.try_into().unwrap()
}

/// A connection of the test's own.
pub async fn client(server: &Config) -> Client {
    let (client, connection) = server.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// An attempt whose page exists.
async fn open(ledger: &dyn Ledger, gateway: &TestGateway, order: &str) -> ExpectedPayment {
    let expected = gateway.expected(order, now()).unwrap();
    let written = ledger.expect(&expected).await.unwrap();
    assert!(matches!(written, Expected::Written), "{written:?}");
    let opened = Opened {
        checkout: Some(Statement::page_of(&expected.attempt).unwrap()),
        ..Opened::default()
    };
    let _bound = ledger.opened(&expected.attempt, &opened, now()).await.unwrap();
    expected
}

/// What a store does with proven news: finds the attempt, judges, applies.
async fn deliver(ledger: &dyn Ledger, gateway: &TestGateway, said: &Statement) -> Result<Applied, StoreError> {
    let event = gateway.prove(said, now()).unwrap();
    let found = ledger.find(&said.gateway, &said.account, &event.value().subject);
    let judgement = found.await?.expect("the attempt is known").judge(event);
    ledger.apply(&judgement, now()).await
}

fn paid(expected: &ExpectedPayment) -> Statement {
    Statement::about(expected, PaymentStatus::Captured).unwrap()
}

/// The whole error, its causes included.
pub fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
