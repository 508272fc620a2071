//! What an operation reads: it grows with what it is about, and not with the ledger around it.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use kessai::conformance::TestGateway;
use kessai::ledger::{AskDue, CloseReason, ModeChange, Note, Switch, SwitchText, Which, Window, WindowCursor};
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::{Client, Config, NoTls};
use kessai::{ExpectedPayment, Ledger, MerchantReference};

use super::{deliver, node, now, open, paid};

/// Orders beside the one that is looked at, each with four records, sold one in each second.
const MANY: u64 = 20_000;

/// How often each operation is done: after five times the server may keep one plan for all values.
const TIMES: usize = 8;

/// The tables that grow with what is sold.
const GROWING: [&str; 6] = ["orders", "attempts", "fulfilments", "events_heard", "notes", "records"];

/// A ledger of many paid orders, and a way to see what is read of it.
struct Large {
    server: Config,
    schema: String,
    own: Client,
    gateway: TestGateway,
    first: ExpectedPayment,
}

/// What was read since the tables were made.
#[derive(Clone, Copy)]
struct Reads {
    /// Rows that were read from end to end of a table.
    whole: i64,
    /// Pages of tables and indexes.
    pages: i64,
}

impl Large {
    /// One order is sold through the crate and multiplied beside it. The chain is not looked at here.
    async fn make() -> Option<Self> {
        let mut server = super::forgetful_server()?;
        let schema = super::schema("cost");
        let own = super::client(&server).await;
        server.application_name(&schema);
        let ledger = node(&server, &schema).connect(NoTls).await.unwrap();
        let gateway = TestGateway::new().unwrap();
        let first = open(&ledger, &gateway, "order-0").await;
        let _ = deliver(&ledger, &gateway, &paid(&first)).await.unwrap();
        let right = ledger.fulfilment_of(&first.order).await.unwrap().unwrap();
        assert!(ledger.done(&right.key, now()).await.unwrap());
        drop(ledger);
        // What the server tidies up by itself would be counted as well.
        let mut sql = format!("SET search_path = {schema};");
        for table in GROWING {
            let _ = write!(sql, "ALTER TABLE {table} SET (autovacuum_enabled = false);");
        }
        let maker = super::client(&server).await;
        maker.batch_execute(&sql).await.unwrap();
        let sql = format!(
            "SET session_replication_role = replica; \
             INSERT INTO orders SELECT 'order-' || i FROM generate_series(1, {MANY}) i; \
             INSERT INTO attempts (attempt, merchant_order, gateway, account, expected, created_at, status, checkout, \
             payment, opened, expires_at) SELECT 'many-' || i, 'order-' || i, gateway, account, (expected::jsonb || \
             jsonb_build_object('attempt', 'many-' || i, 'order', 'order-' || i))::text, created_at + i * 1000000::bigint, status, \
             'page-many-' || i, 'payment-many-' || i, opened, expires_at + i * 1000000::bigint \
             FROM attempts, generate_series(1, {MANY}) i WHERE seq = 1; \
             INSERT INTO fulfilments (merchant_order, attempt, key, deliveries, done_at) SELECT 'order-' || i, \
             'many-' || i, 'fulfil-many-' || i, deliveries, done_at FROM fulfilments, generate_series(1, {MANY}) i; \
             INSERT INTO events_heard SELECT 'many-' || i, event FROM events_heard, generate_series(1, {MANY}) i; \
             INSERT INTO records SELECT last * i + position, at + i * 1000000::bigint, 'many-' || i, kind, body, digest \
             FROM records, generate_series(1, {MANY}) i, (SELECT max(position) FROM records) AS of (last); \
             ANALYZE orders, attempts, fulfilments, events_heard, notes, records"
        );
        maker.batch_execute(&sql).await.unwrap();
        Some(Self {
            server,
            schema,
            own,
            gateway,
            first,
        })
    }

    /// The server counts what a connection read when it ends.
    async fn reads(&self) -> Reads {
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
        let clock = Instant::now();
        loop {
            let row = self.own.query_one(left, &[&self.schema]).await.unwrap();
            if row.get::<_, i64>(0) == 0 {
                break;
            }
            assert!(clock.elapsed() < Duration::from_secs(20), "a connection stays");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let sql = "SELECT sum(seq_tup_read)::bigint, \
                   (SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit) \
                   FROM pg_statio_user_tables WHERE schemaname = $1)::bigint \
                   FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = ANY($2)";
        let row = self.own.query_one(sql, &[&self.schema, &&GROWING[..]]).await.unwrap();
        Reads {
            whole: row.get(0),
            pages: row.get(1),
        }
    }

    /// What some work reads each time, on a connection of its own.
    async fn read_by(&self, work: impl AsyncFn(&PostgresLedger, usize)) -> Reads {
        let before = self.reads().await;
        let ledger = node(&self.server, &self.schema).connect(NoTls).await.unwrap();
        for number in 0..TIMES {
            work(&ledger, number).await;
        }
        drop(ledger);
        let after = self.reads().await;
        Reads {
            whole: after.whole - before.whole,
            pages: (after.pages - before.pages) / i64::try_from(TIMES).unwrap(),
        }
    }

    /// Nothing is read from end to end, and few pages for each of some operations.
    async fn reads_little(&self, name: &str, work: impl AsyncFn(&PostgresLedger, usize)) {
        let reads = self.read_by(work).await;
        println!("{name:>16}: {} pages", reads.pages);
        assert_eq!(reads.whole, 0, "{name} reads a table from end to end");
        assert!(reads.pages < 600, "{name} reads {} pages", reads.pages);
    }

    async fn pages_of(&self, work: impl AsyncFn(&PostgresLedger)) -> i64 {
        let reads = self
            .read_by(async |ledger: &PostgresLedger, _| work(ledger).await)
            .await;
        assert_eq!(reads.whole, 0, "a table is read from end to end");
        reads.pages
    }
}

#[tokio::test]
async fn no_operation_of_the_daily_work_reads_a_growing_table_from_end_to_end() {
    let Some(large) = Large::make().await else { return };
    let gateway = &large.gateway;
    let order = MerchantReference::new("order-777").unwrap();
    let lease = Duration::from_secs(60);

    large
        .reads_little("one sale", async |ledger, number| {
            let expected = open(ledger, gateway, &format!("sold-{number}")).await;
            let _ = deliver(ledger, gateway, &paid(&expected)).await.unwrap();
            let again = paid(&expected).heard_as("again").unwrap();
            let _ = deliver(ledger, gateway, &again).await.unwrap();
            let right = ledger.next_fulfilment(now(), lease).await.unwrap().unwrap();
            assert_eq!(right.order, expected.order);
            assert!(ledger.done(&right.key, now()).await.unwrap());
            assert!(ledger.note(&expected.attempt, Note::Returned, now()).await.unwrap());
        })
        .await;
    large
        .reads_little("a failure", async |ledger, number| {
            let expected = gateway.expected(&format!("closed-{number}"), now()).unwrap();
            let _ = ledger.expect(&expected).await.unwrap();
            ledger
                .close(&expected.attempt, CloseReason::Refused, now())
                .await
                .unwrap();
        })
        .await;
    large
        .reads_little("fulfilment_of", async |ledger, _| {
            assert!(ledger.fulfilment_of(&order).await.unwrap().is_some());
        })
        .await;
    large
        .reads_little("a return", async |ledger, _| {
            let attempts = ledger.attempts_of(&order).await.unwrap();
            let attempt = ledger.attempt(attempts[0].reference()).await.unwrap().unwrap();
            assert_eq!(ledger.timeline(attempt.reference()).await.unwrap().len(), 5);
        })
        .await;
    large
        .reads_little("find", async |ledger, _| {
            let said = paid(&large.first);
            let mut subject = gateway.prove(&said, now()).unwrap().value().subject.clone();
            subject.attempt = None;
            for _ in 0..2 {
                let found = ledger.find(&said.gateway, &said.account, &subject).await.unwrap();
                assert_eq!(found.unwrap().expected.order, large.first.order);
                // By the name of the page, and then by that of the payment.
                subject.checkout = None;
            }
        })
        .await;
    large
        .reads_little("a sweep", async |ledger, number| {
            let expected = open(ledger, gateway, &format!("swept-{number}")).await;
            let due = AskDue {
                gateway: gateway.id(),
                now: now() + Duration::from_secs(500),
                lease,
                limit: 20,
            };
            assert_eq!(ledger.attempts_to_ask(&due).await.unwrap().len(), 1);
            let _ = deliver(ledger, gateway, &paid(&expected)).await.unwrap();
        })
        .await;
    large
        .reads_little("the switch", async |ledger, number| {
            let change = ModeChange {
                switch: [Switch::AskBeforeApply, Switch::Reopen][number % 2],
                actor: SwitchText::new("operator-7").unwrap(),
                reason: SwitchText::new("incident 12").unwrap(),
            };
            ledger.set_mode(&change, now()).await.unwrap();
        })
        .await;
    large
        .reads_little("the lists", async |ledger, number| {
            open(ledger, gateway, &format!("open-{number}")).await;
            assert_eq!(ledger.latest(20).await.unwrap().len(), 20);
            assert_eq!(ledger.held(20).await.unwrap().len(), 0);
            let waiting = ledger.attempts_after(0, Which::Open, 20).await.unwrap();
            assert_eq!(waiting.len(), number + 1);
            ledger.mode().await.unwrap();
            ledger.head().await.unwrap();
        })
        .await;
    large
        .reads_little("pages of a check", async |ledger, _| {
            assert_eq!(ledger.records(40_000, 100).await.unwrap().len(), 100);
            assert_eq!(ledger.attempts_after(9_000, Which::All, 100).await.unwrap().len(), 100);
        })
        .await;
}

#[tokio::test]
async fn a_window_costs_what_is_in_it_and_not_what_is_around_it() {
    let Some(large) = Large::make().await else { return };
    let second = |n: u64| large.first.created_at + Duration::from_secs(n);
    let window = |from, to| Window::new(second(from), second(to)).unwrap();

    // Of the same size at the beginning, in the middle and at the end.
    let (mut rows, mut spans) = (Vec::new(), Vec::new());
    for from in [1, MANY / 2, MANY - 20] {
        let small = window(from, from + 20);
        let reads = large.pages_of(async |ledger| {
            assert_eq!(ledger.window(&small, None, 1).await.unwrap().len(), 1);
        });
        rows.push(reads.await);
        let reads = large.pages_of(async |ledger| {
            let (first, last) = ledger.window_span(&small).await.unwrap().unwrap();
            assert_eq!(last - first, 99);
        });
        spans.push(reads.await);
        let all = large.pages_of(async |ledger| {
            assert_eq!(ledger.window(&small, None, 20).await.unwrap().len(), 20);
        });
        println!("20 attempts of {MANY}, from second {from}: {} pages", all.await);
    }
    println!("the first of them {rows:?} pages, their span {spans:?}");
    assert!(rows.iter().chain(&spans).all(|pages| *pages < 100));

    // In a window of everything: a page far inside goes on where the last one ended, and does not begin anew.
    let all = window(0, MANY + 1);
    let before = second(MANY - 20).duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let late = WindowCursor {
        at_micros: i64::try_from(before.as_micros()).unwrap(),
        position: (MANY - 19) * 5,
    };
    let mut pages = Vec::new();
    for after in [None, Some(late)] {
        let reads = large.pages_of(async |ledger| {
            assert_eq!(ledger.window(&all, after, 1).await.unwrap().len(), 1);
        });
        pages.push(reads.await);
    }
    println!("one attempt at its beginning, one at its end: {pages:?} pages");
    assert!(pages.iter().all(|pages| *pages < 100));
}
