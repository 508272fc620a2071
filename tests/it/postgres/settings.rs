//! What holds inside every transaction that writes, whatever the server, its users or something in between prefer.

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use kessai::conformance::TestGateway;
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::{Client, Config, NoTls};
use kessai::{Applied, ExpectedPayment, Ledger};

use super::{deliver, node, now, open, paid};

/// A ledger on one connection, of a user who would not wait for the disk. Its owner writes down what is set in each
/// transaction, and then takes it away from the connection: as a proxy does that lends connections for one transaction.
struct Watched {
    ledger: PostgresLedger,
    gateway: TestGateway,
    user: Config,
    own: Client,
    schema: String,
}

const HASTY: &str = "synchronous_commit = off";

impl Watched {
    /// `prefers` is what the user prefers.
    async fn new(prefers: &[&str]) -> Option<Self> {
        let server = super::server()?;
        let schema = super::schema("settings");
        drop(node(&server, &schema).connect(NoTls).await.unwrap());
        let own = super::client(&server).await;
        let mut sql = format!(
            "CREATE ROLE {schema}_hasty LOGIN; GRANT USAGE ON SCHEMA {schema} TO {schema}_hasty; \
             GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {schema}_hasty; \
             CREATE TABLE {schema}_seen (durable text, wait text, idle text); \
             GRANT INSERT ON {schema}_seen TO {schema}_hasty; \
             CREATE FUNCTION {schema}.watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO {schema}_seen SELECT current_setting('synchronous_commit'), current_setting('lock_timeout'), \
             current_setting('idle_in_transaction_session_timeout'); \
             PERFORM set_config(name, value, false) FROM (VALUES ('synchronous_commit', 'off'), ('lock_timeout', '0'), \
             ('idle_in_transaction_session_timeout', '0')) AS lost (name, value); RETURN NEW; END $$; \
             CREATE TRIGGER watch AFTER INSERT ON {schema}.records FOR EACH STATEMENT EXECUTE FUNCTION {schema}.watch();"
        );
        for setting in prefers {
            let _ = write!(sql, "ALTER ROLE {schema}_hasty SET {setting};");
        }
        own.batch_execute(&sql).await.unwrap();
        let mut user = server;
        user.user(format!("{schema}_hasty"));
        let builder = node(&user, &schema).connections(NonZeroUsize::MIN);
        let ledger = builder.patience(Duration::from_secs(7)).connect(NoTls).await.unwrap();
        Some(Self {
            ledger,
            gateway: TestGateway::new().unwrap(),
            user,
            own,
            schema,
        })
    }

    async fn sell(&self, order: &str) -> ExpectedPayment {
        let expected = open(&self.ledger, &self.gateway, order).await;
        let applied = deliver(&self.ledger, &self.gateway, &paid(&expected)).await.unwrap();
        assert_eq!(applied, Applied::Now);
        expected
    }

    async fn seen(&self) -> Vec<[String; 3]> {
        let sql = format!("SELECT durable, wait, idle FROM {}_seen", self.schema);
        let rows = self.own.query(&sql, &[]).await.unwrap();
        rows.iter().map(|row| [0, 1, 2].map(|column| row.get(column))).collect()
    }
}

#[tokio::test]
async fn every_transaction_is_durable_and_waits_only_so_long_also_where_a_connection_forgets_its_settings() {
    let Some(watched) = Watched::new(&[HASTY]).await else {
        return;
    };
    for order in ["order-1", "order-2", "order-3"] {
        watched.sell(order).await;
    }
    let seen = watched.seen().await;
    assert_eq!(seen.len(), 9);
    for settings in seen {
        assert_eq!(settings, ["on", "7s", "7s"]);
    }
}

#[tokio::test]
async fn what_the_server_asks_for_more_strictly_stays() {
    let strict = [
        "synchronous_commit = remote_apply",
        "lock_timeout = '2s'",
        "idle_in_transaction_session_timeout = '3s'",
    ];
    let Some(watched) = Watched::new(&strict).await else {
        return;
    };
    watched.sell("order-1").await;
    assert_eq!(watched.seen().await[0], ["remote_apply", "2s", "3s"]);
}

#[tokio::test]
async fn the_stores_own_transaction_is_durable_from_apply_in_on_and_waits_only_so_long() {
    let Some(watched) = Watched::new(&[HASTY]).await else {
        return;
    };
    let expected = open(&watched.ledger, &watched.gateway, "order-1").await;
    let event = watched.gateway.prove(&paid(&expected), now()).unwrap();
    let stored = watched.ledger.attempt(&expected.attempt).await.unwrap().unwrap();
    let mut client = super::client(&watched.user).await;
    let mut transaction = client.transaction().await.unwrap();
    let judgement = stored.judge(event);
    let applied = watched.ledger.apply_in(&mut transaction, &judgement, now()).await;
    assert_eq!(applied.unwrap(), Applied::Now);
    transaction.commit().await.unwrap();
    assert_eq!(watched.seen().await.pop().unwrap(), ["on", "7s", "7s"]);
}
