//! What breaks on the way: an error, never a wrong answer, and doing it again is always right.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kessai::conformance::TestGateway;
use kessai::ledger::Judgement;
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::config::Host;
use kessai::ledgers::tokio_postgres::{Client, Config, NoTls};
use kessai::{Applied, ExpectedPayment, Ledger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{deliver, node, now, open, paid, said};

/// A way to the server that can be made to lose the answer to a commit, or to stand still before one.
struct Way {
    config: Config,
    loses_answers: Arc<AtomicBool>,
    freezes: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
}

const SOCKET: &str = ".s.PGSQL.5432";

impl Way {
    fn to(server: &Config) -> Self {
        let [Host::Unix(real)] = server.get_hosts() else {
            panic!("the server of the tests has one socket");
        };
        let real = real.join(SOCKET);
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let loses_answers = Arc::new(AtomicBool::new(false));
        let freezes = Arc::new(AtomicBool::new(false));
        let faults = [Arc::clone(&loses_answers), Arc::clone(&freezes)];
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&real).await.unwrap();
                tokio::spawn(relay(near, far, faults.clone()));
            }
        });
        let mut config = Config::new();
        config
            .host_path(folder.path())
            .user(server.get_user().unwrap())
            .dbname(server.get_dbname().unwrap());
        Self {
            config,
            loses_answers,
            freezes,
            _folder: folder,
        }
    }
}

async fn relay(near: UnixStream, far: UnixStream, [loses, freezes]: [Arc<AtomicBool>; 2]) {
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
    let lost = Arc::new(AtomicBool::new(false));
    let answers_lost = Arc::clone(&lost);
    let back = async move {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from_far.read(&mut buffer).await {
            if answers_lost.load(Ordering::SeqCst) || to_near.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    let there = async move {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from_near.read(&mut buffer).await {
            let says_commit = buffer[..length].windows(7).any(|word| word == b"COMMIT\0");
            if says_commit && freezes.swap(false, Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if says_commit && loses.swap(false, Ordering::SeqCst) {
                lost.store(true, Ordering::SeqCst);
            }
            if to_far.write_all(&buffer[..length]).await.is_err() {
                return;
            }
        }
    };
    // When one side ends, both are cut.
    tokio::select! {
        () = back => {}
        () = there => {}
    }
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_called_unknown_and_the_repeat_finds_it_done() {
    let Some(server) = super::server() else { return };
    let way = Way::to(&server);
    let schema = super::schema("faults");
    let ledger = node(&way.config, &schema).connect(NoTls).await.unwrap();
    let gateway = TestGateway::new().unwrap();
    let expected = open(&ledger, &gateway, "order-1").await;
    way.loses_answers.store(true, Ordering::SeqCst);
    let error = deliver(&ledger, &gateway, &paid(&expected)).await.unwrap_err();
    assert!(
        error.to_string().contains("not known whether the database committed"),
        "{error}"
    );
    // The gateway got no acknowledgement, so it delivers again. The right is there already, and is no second one.
    assert_eq!(
        deliver(&ledger, &gateway, &paid(&expected)).await.unwrap(),
        Applied::Already
    );
    let right = ledger
        .next_fulfilment(now(), Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    way.loses_answers.store(true, Ordering::SeqCst);
    assert!(ledger.done(&right.key, now()).await.is_err());
    assert!(
        !ledger.done(&right.key, now()).await.unwrap(),
        "it was done the first time"
    );
    ledger.check().await.unwrap();
}

/// Cuts some of the connections that go by this name.
async fn cut(own: &Client, application: &str, most: i64) -> u64 {
    let sql = "SELECT pg_terminate_backend(pid) FROM \
               (SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY random() LIMIT $2) AS chosen";
    own.execute(sql, &[&application, &most]).await.unwrap()
}

#[tokio::test]
async fn connections_that_broke_while_nobody_used_them_are_replaced_and_nobody_notices() {
    let Some(mut server) = super::server() else { return };
    let schema = super::schema("faults");
    server.application_name(&schema);
    let [ledger] = super::nodes(&server, &schema).await;
    let gateway = TestGateway::new().unwrap();
    let expected = open(ledger.as_ref(), &gateway, "order-1").await;
    let mut plain = server.clone();
    plain.application_name("the test");
    let own = super::client(&plain).await;
    for round in 0..5 {
        assert!(
            cut(&own, &schema, 99).await > 0,
            "round {round}: there was nothing to cut"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
        let applied = deliver(ledger.as_ref(), &gateway, &paid(&expected)).await.unwrap();
        assert_eq!(applied, if round == 0 { Applied::Now } else { Applied::Already });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_cut_in_the_middle_of_the_work_give_errors_and_no_wrong_answers() {
    const ORDERS: usize = 60;
    let Some(mut server) = super::server() else { return };
    let schema = super::schema("faults");
    server.application_name(&schema);
    let ledgers: [_; 2] = super::nodes(&server, &schema).await;
    let gateway = Arc::new(TestGateway::new().unwrap());
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        orders.push(open(ledgers[0].as_ref(), &gateway, &format!("order-{number}")).await);
    }
    let mut plain = server.clone();
    plain.application_name("the test");
    let own = super::client(&plain).await;
    let working = Arc::new(AtomicBool::new(true));
    let cutting = tokio::spawn({
        let working = Arc::clone(&working);
        async move {
            let mut all = 0;
            while working.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                all += cut(&own, &schema, 2).await;
            }
            all
        }
    });
    let mut tasks = Vec::new();
    for (number, expected) in orders.iter().enumerate() {
        for caller in 0..4 {
            let (ledger, gateway) = (Arc::clone(&ledgers[caller % 2]), Arc::clone(&gateway));
            let said = paid(expected);
            tasks.push(tokio::spawn(async move {
                let (mut failures, mut unknown) = (0, 0);
                loop {
                    match deliver(ledger.as_ref(), &gateway, &said).await {
                        Ok(applied) => return (number, applied, failures, unknown),
                        Err(error) => {
                            failures += 1;
                            unknown += usize::from(error.to_string().contains("not known"));
                        }
                    }
                    assert!(failures < 200, "it never succeeds");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }));
        }
    }
    let (mut paid, mut failures, mut unknown) = ([0; ORDERS], 0, 0);
    for task in tasks {
        let (number, applied, failed, in_doubt) = task.await.unwrap();
        match applied {
            Applied::Now => paid[number] += 1,
            Applied::Already => {}
            other => panic!("{other:?}"),
        }
        failures += failed;
        unknown += in_doubt;
    }
    working.store(false, Ordering::Relaxed);
    let all = cutting.await.unwrap();
    println!("{all} connections cut: {failures} operations failed, {unknown} of them with an unknown end");
    assert!(all > 0 && failures > 0, "nothing was cut in the middle");
    // Each order once; where the answer to the commit was lost, nobody may have been told.
    assert!(paid.iter().all(|times| *times <= 1), "{paid:?}");
    let untold = paid.iter().filter(|times| **times == 0).count();
    assert!(
        untold <= unknown,
        "{untold} orders were paid and nobody was told, with {unknown} commits in doubt"
    );
    for expected in &orders {
        let timeline = ledgers[0].timeline(&expected.attempt).await.unwrap();
        let lines = timeline.iter().filter(|record| record.kind.as_str() == "fulfilment");
        assert_eq!(lines.count(), 1, "{}", expected.order);
    }
    ledgers[1].check().await.unwrap();
}

/// A store that applied a payment in its own transaction, and does not come to the end of it.
struct Hanging {
    ledger: PostgresLedger,
    gateway: TestGateway,
    client: Client,
    judgement: Judgement,
    ours: ExpectedPayment,
    theirs: ExpectedPayment,
}

const PATIENCE: Duration = Duration::from_millis(700);

impl Hanging {
    async fn new(server: &Config) -> Self {
        let builder = node(server, &super::schema("faults")).connections(NonZeroUsize::new(2).unwrap());
        let ledger = builder.patience(PATIENCE).connect(NoTls).await.unwrap();
        let gateway = TestGateway::new().unwrap();
        let ours = open(&ledger, &gateway, "order-1").await;
        let theirs = open(&ledger, &gateway, "order-2").await;
        let event = gateway.prove(&paid(&theirs), now()).unwrap();
        let stored = ledger.attempt(&theirs.attempt).await.unwrap().unwrap();
        Self {
            judgement: stored.judge(event),
            client: super::client(server).await,
            ledger,
            gateway,
            ours,
            theirs,
        }
    }
}

#[tokio::test]
async fn a_store_that_hangs_in_its_own_transaction_is_cut_off_by_the_server_and_the_others_go_on() {
    let Some(server) = super::server() else { return };
    let mut shop = Hanging::new(&server).await;
    let (ledger, gateway) = (&shop.ledger, &shop.gateway);
    let mut hangs = shop.client.transaction().await.unwrap();
    let applied = ledger.apply_in(&mut hangs, &shop.judgement, now()).await.unwrap();
    assert_eq!(applied, Applied::Now);
    let clock = Instant::now();
    let mut refused = 0;
    while let Err(error) = deliver(ledger, gateway, &paid(&shop.ours)).await {
        let shown = said(&error);
        assert!(
            shown.contains("did not answer in time") || shown.contains("55P03"),
            "{shown}"
        );
        refused += 1;
        assert!(refused < 3, "nobody ends it");
    }
    let waited = clock.elapsed();
    assert!(waited < 4 * PATIENCE, "{waited:?}");
    assert!(hangs.commit().await.is_err(), "it was cut off");
    // What it had not committed is not there, and its repeat is the first.
    assert_eq!(
        deliver(ledger, gateway, &paid(&shop.theirs)).await.unwrap(),
        Applied::Now
    );
    ledger.check().await.unwrap();
}

#[tokio::test]
async fn a_store_that_goes_on_working_behind_apply_in_makes_others_wait_no_longer_than_their_patience() {
    let Some(server) = super::server() else { return };
    let mut shop = Hanging::new(&server).await;
    let (ledger, gateway) = (&shop.ledger, &shop.gateway);
    let mut busy = shop.client.transaction().await.unwrap();
    let applied = ledger.apply_in(&mut busy, &shop.judgement, now()).await.unwrap();
    assert_eq!(applied, Applied::Now);
    let works = async {
        // Five times the patience of the others.
        busy.batch_execute("SELECT pg_sleep(3.5)").await.unwrap();
        busy.commit().await.unwrap();
    };
    let wait = async {
        let clock = Instant::now();
        for _ in 0..2 {
            let error = deliver(ledger, gateway, &paid(&shop.ours)).await.unwrap_err();
            let shown = said(&error);
            assert!(
                shown.contains("did not answer in time") || shown.contains("55P03"),
                "{shown}"
            );
        }
        assert!(clock.elapsed() < 4 * PATIENCE, "{:?}", clock.elapsed());
        // Reading goes on meanwhile, and nothing was written.
        let stored = ledger.attempt(&shop.ours.attempt).await.unwrap().unwrap();
        assert_eq!(stored.status, kessai::PaymentStatus::Created);
    };
    tokio::join!(works, wait);
    assert_eq!(deliver(ledger, gateway, &paid(&shop.ours)).await.unwrap(), Applied::Now);
    assert_eq!(
        deliver(ledger, gateway, &paid(&shop.theirs)).await.unwrap(),
        Applied::Already
    );
    ledger.check().await.unwrap();
}

#[tokio::test]
async fn a_node_that_stands_still_before_its_commit_is_cut_off_by_the_server() {
    let Some(server) = super::server() else { return };
    let way = Way::to(&server);
    let schema = super::schema("faults");
    let slow = node(&way.config, &schema).patience(Duration::from_secs(1));
    let slow = Arc::new(slow.connect(NoTls).await.unwrap());
    let [other] = super::nodes(&server, &schema).await;
    let gateway = Arc::new(TestGateway::new().unwrap());
    let theirs = open(slow.as_ref(), &gateway, "order-1").await;
    let ours = open(other.as_ref(), &gateway, "order-2").await;
    way.freezes.store(true, Ordering::SeqCst);
    let stuck = tokio::spawn({
        let (slow, gateway, said) = (Arc::clone(&slow), Arc::clone(&gateway), paid(&theirs));
        async move { deliver(slow.as_ref(), &gateway, &said).await }
    });
    while way.freezes.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It holds the head, and its connection stays open: only the server can end this.
    let clock = Instant::now();
    assert_eq!(
        deliver(other.as_ref(), &gateway, &paid(&ours)).await.unwrap(),
        Applied::Now
    );
    let waited = clock.elapsed();
    assert!(
        waited > Duration::from_millis(300) && waited < Duration::from_secs(4),
        "{waited:?}"
    );
    assert!(stuck.await.unwrap().is_err());
    // What it had not committed is not there, and its repeat is the first.
    assert_eq!(
        deliver(slow.as_ref(), &gateway, &paid(&theirs)).await.unwrap(),
        Applied::Now
    );
    other.check().await.unwrap();
}

#[tokio::test]
async fn whoever_reads_a_table_that_is_locked_waits_no_longer_than_the_patience_on_the_server_too() {
    let Some(mut server) = super::server() else { return };
    let schema = super::schema("faults");
    let own = super::client(&server).await;
    server.application_name(&schema);
    let ledger = node(&server, &schema).patience(PATIENCE).connect(NoTls).await.unwrap();
    let gateway = TestGateway::new().unwrap();
    let expected = open(&ledger, &gateway, "order-1").await;
    // As long as somebody rewrites the table.
    let lock = format!("BEGIN; LOCK TABLE {schema}.attempts");
    own.batch_execute(&lock).await.unwrap();
    let clock = Instant::now();
    for _ in 0..3 {
        assert!(ledger.attempt(&expected.attempt).await.is_err());
    }
    assert!(clock.elapsed() < 6 * PATIENCE, "{:?}", clock.elapsed());
    // Otherwise the connections would pile up that nobody waits for any more.
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
    while own.query_one(sql, &[&schema]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(clock.elapsed() < 20 * PATIENCE, "they wait on the server for ever");
        tokio::time::sleep(PATIENCE / 10).await;
    }
    own.batch_execute("COMMIT").await.unwrap();
    assert!(ledger.attempt(&expected.attempt).await.unwrap().is_some());
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_half_done() {
    let Some(server) = super::server() else { return };
    let ledger: PostgresLedger = node(&server, &super::schema("faults")).connect(NoTls).await.unwrap();
    let gateway = TestGateway::new().unwrap();
    let mut given_up = 0;
    for number in 0..60 {
        let expected = open(&ledger, &gateway, &format!("order-{number}")).await;
        let delivery = paid(&expected);
        let patience = Duration::from_micros(200 * number);
        let told = tokio::time::timeout(patience, deliver(&ledger, &gateway, &delivery)).await;
        given_up += usize::from(told.is_err());
        let again = deliver(&ledger, &gateway, &paid(&expected)).await.unwrap();
        assert!(matches!(again, Applied::Now | Applied::Already), "{again:?}");
        let timeline = ledger.timeline(&expected.attempt).await.unwrap();
        let lines = timeline.iter().filter(|record| record.kind.as_str() == "fulfilment");
        assert_eq!(lines.count(), 1, "{}", expected.order);
    }
    println!("{given_up} of 60 were given up");
    assert!(given_up > 5, "hardly anybody went away");
    ledger.check().await.unwrap();
}
