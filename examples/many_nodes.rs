//! One shop on two nodes, one PostgreSQL behind them, and one of the nodes is killed: `cargo run --example many_nodes`.
//!
//! This program starts a private PostgreSQL (or uses the one in `KESSAI_POSTGRES_URL`, on this machine), a mock gateway, and
//! itself twice more as the nodes. In front of them is one address for the gateway and for browsers, as a load balancer gives it:
//! a node that sends a checkout again after another one must say the same. Both nodes take orders, messages and returns, and both
//! ship. Every message of the gateway goes to both. In the middle of the sale one node is killed with SIGKILL. At the end every order that was paid must have
//! been shipped exactly once, a stop must be heard by the node that is left, and the records must be whole: exit code 0 only
//! then. Without PostgreSQL it says what to install, with exit code 2.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]
#![allow(unreachable_pub, reason = "a program")]

#[path = "../tests/postgres/server.rs"]
mod server;

use std::collections::BTreeMap;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use kessai::gateways::stripe::Stripe;
use kessai::integrations::axum::Reply;
use kessai::ledger::{ModeChange, Switch, SwitchText, verify};
use kessai::ledgers::PostgresLedger;
use kessai::ledgers::tokio_postgres::{self, NoTls};
use kessai::mock::stripe::{Landed, MockStripe, TestCard};
use kessai::sign::SigningKeys;
use kessai::{
    Addresses, ApiKey, Callback, Cashier, CheckoutRequest, Currency, GatewayId, Ledger, LineItem, MerchantReference,
    Money, Redirect, SweepPolicy,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use self::server::Server;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const ORDERS: usize = 48;
/// After so many paid orders one node dies.
const KILL_AFTER: usize = 16;
const SHOPPERS: usize = 6;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let private = match std::env::var("KESSAI_POSTGRES_URL") {
                Ok(_) => None,
                Err(_) => match Server::start() {
                    Ok(server) => Some(server),
                    Err(why) => {
                        eprintln!("no database: {why}; or set KESSAI_POSTGRES_URL");
                        return ExitCode::from(2);
                    }
                },
            };
            let database = match &private {
                Some(server) => server.config().to_owned(),
                None => std::env::var("KESSAI_POSTGRES_URL").unwrap_or_default(),
            };
            sell(&database).await
        }
        ["node", name, schema] => node(name, schema).await.map(|()| true),
        _ => Err("usage: many_nodes".into()),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text = format!("{text}: {cause}");
                source = cause.source();
            }
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

// --- a node: what a store runs on each machine -------------------------------------------------------------------------

#[derive(Clone)]
struct Shop {
    cashier: Cashier,
}

async fn node(name: &str, schema: &str) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    // Its settings come from whoever started it; a real one takes them from its secret manager.
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    let mut setting = async || Ok::<_, Failure>(input.next_line().await?.ok_or("a setting is missing")?);
    let (database, front, base) = (setting().await?, setting().await?, setting().await?);
    let (key, secret) = (setting().await?, setting().await?);
    let addresses = Addresses::new(&front, "/pay/stripe")?;
    let database: tokio_postgres::Config = database.parse()?;

    let ledger = PostgresLedger::builder(database.clone())
        .schema(schema)
        .connect(NoTls)
        .await?;
    let stripe = Stripe::builder(ApiKey::new(key)?, SigningKeys::from_texts([secret])?, addresses.clone())
        .endpoint(&base)
        .pages([base.as_str()])
        .build()?;
    let cashier = Cashier::builder(ledger).gateway(stripe).build()?;
    let shop = Router::new()
        .route("/buy/{order}", post(buy))
        .route(&addresses.notification_path(), post(notification))
        .route(&addresses.return_path(), get(returned))
        .with_state(Shop {
            cashier: cashier.clone(),
        });
    tokio::spawn(async move { axum::serve(listener, shop).await });
    tokio::spawn(sweep(cashier.clone()));
    let shipping = tokio::spawn(ship(cashier, database, schema.to_owned(), name.to_owned()));
    // Nobody is left behind: when the one who started it is gone, so is the node.
    tokio::select! {
        shipped = shipping => shipped?,
        _ = input.next_line() => Ok(()),
    }
}

async fn buy(State(shop): State<Shop>, Path(order): Path<String>) -> Result<String, (StatusCode, String)> {
    let open = async {
        let order = CheckoutRequest::builder(MerchantReference::new(order)?)
            .item(LineItem::new("Sencha, 100 g", Money::new(1_980, Currency::JPY), 2)?)
            .build()?;
        let checkout = shop.cashier.open(&order, &GatewayId::STRIPE).await?;
        let Redirect::Get(page) = &checkout.redirect else {
            return Err("Stripe's page is a link".into());
        };
        Ok::<_, Failure>(page.as_str().to_owned())
    };
    open.await
        .map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
}

async fn notification(State(shop): State<Shop>, callback: Callback) -> Reply {
    shop.cashier.callback(&GatewayId::STRIPE, callback).await.into()
}

async fn returned(State(shop): State<Shop>, callback: Callback) -> String {
    format!(
        "{:?}",
        shop.cashier.returned(&GatewayId::STRIPE, callback).await.standing
    )
}

async fn sweep(cashier: Cashier) {
    loop {
        if let Err(error) = cashier.sweep(&SweepPolicy::default()).await {
            eprintln!("the sweep failed: {error}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Takes what is to be fulfilled and writes it into the store's own table, under the key that never changes. A key that is
/// there already was shipped by a node that died before it could say so.
async fn ship(cashier: Cashier, database: tokio_postgres::Config, schema: String, node: String) -> Result<(), Failure> {
    let (client, connection) = database.connect(NoTls).await?;
    tokio::spawn(connection);
    let sql = format!("INSERT INTO {schema}_shop.shipped VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
    let sql = client.prepare(&sql).await?;
    loop {
        // The lease is short, so that the example is: a real one is longer than shipping takes.
        let lease = Duration::from_secs(2);
        let Some(right) = cashier.ledger().next_fulfilment(SystemTime::now(), lease).await? else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (key, order) = (right.key.as_str(), right.order.as_str());
        client.execute(&sql, &[&key, &order, &node]).await?;
        tokio::time::sleep(Duration::from_millis(120)).await;
        cashier.ledger().done(&right.key, SystemTime::now()).await?;
    }
}

// --- the sale ----------------------------------------------------------------------------------------------------------

/// A node as a process of its own.
struct Node {
    name: String,
    address: String,
    process: tokio::sync::Mutex<Child>,
    // Closed, it tells the node to end.
    stdin: ChildStdin,
    alive: AtomicBool,
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Node {
    async fn start(name: &str, schema: &str, database: &str, front: &str, mock: &MockStripe) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["node", name, schema])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut stdin = process.stdin.take().ok_or("no input")?;
        let mut stdout = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let address = stdout.next_line().await?.ok_or("the node did not start")?;
        // Messages go to each node by itself, so that both have to deal with every one.
        let addresses = Addresses::new(&format!("http://{address}"), "/pay/stripe")?;
        let endpoint = mock.merchant().add_endpoint(&addresses.notification_url())?;
        let (base, key) = (mock.base_url(), mock.merchant());
        let settings = format!(
            "{database}\n{front}\n{base}\n{}\n{}\n",
            key.api_key(),
            endpoint.secret()
        );
        stdin.write_all(settings.as_bytes()).await?;
        let node = Self {
            name: name.to_owned(),
            address,
            process: tokio::sync::Mutex::new(process),
            stdin,
            alive: AtomicBool::new(true),
            _stdout: stdout,
        };
        node.is_up().await?;
        Ok(node)
    }

    /// It takes requests once it has its settings and its database.
    async fn is_up(&self) -> Result<(), Failure> {
        let url = format!("http://{}/", self.address);
        let answer = tokio::time::timeout(Duration::from_secs(20), reqwest::get(url)).await?;
        answer.map(drop).map_err(Into::into)
    }

    async fn kill(&self) -> Result<u32, Failure> {
        let mut process = self.process.lock().await;
        let id = process.id().ok_or("it is gone already")?;
        self.alive.store(false, Ordering::SeqCst);
        process.start_kill()?;
        process.wait().await?;
        Ok(id)
    }

    async fn end(self) -> Result<(), Failure> {
        drop(self.stdin);
        self.process.into_inner().wait().await?;
        Ok(())
    }
}

/// One address for both nodes: each connection goes to one of them in turn, and to the other one if that does not answer.
async fn balance(listener: TcpListener, nodes: [String; 2]) -> std::io::Result<()> {
    for turn in 0.. {
        let (mut client, _) = listener.accept().await?;
        let [one, other] = nodes.clone();
        let (first, second) = if turn % 2 == 0 { (one, other) } else { (other, one) };
        tokio::spawn(async move {
            let node = match TcpStream::connect(first).await {
                Ok(node) => Ok(node),
                Err(_) => TcpStream::connect(second).await,
            };
            if let Ok(mut node) = node {
                drop(tokio::io::copy_bidirectional(&mut client, &mut node).await);
            }
        });
    }
    Ok(())
}

/// What the shoppers saw.
#[derive(Default)]
struct Seen {
    paid: AtomicUsize,
    asked_twice: AtomicUsize,
    other_node: AtomicUsize,
    return_lost: AtomicUsize,
}

async fn sell(database: &str) -> Result<bool, Failure> {
    let schema = format!("many_nodes_{}", std::process::id());
    let config: tokio_postgres::Config = database.parse()?;
    let ledger = PostgresLedger::builder(config.clone())
        .schema(&schema)
        .connect(NoTls)
        .await?;
    let (own, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let table = format!(
        "CREATE SCHEMA {schema}_shop; \
         CREATE TABLE {schema}_shop.shipped (key text PRIMARY KEY, merchant_order text NOT NULL, node text NOT NULL)"
    );
    own.batch_execute(&table).await?;

    let retries = [300, 600, 1200].map(Duration::from_millis).to_vec();
    let mock = Arc::new(MockStripe::builder().retry_after(retries).start()?);
    let balancer = TcpListener::bind("127.0.0.1:0").await?;
    let front = format!("http://{}", balancer.local_addr()?);
    let first = Node::start("north", &schema, database, &front, &mock).await?;
    let second = Node::start("south", &schema, database, &front, &mock).await?;
    let nodes = Arc::new([first, second]);
    let balancing = tokio::spawn(balance(balancer, nodes.each_ref().map(|node| node.address.clone())));
    println!("opened     two nodes on one PostgreSQL, {ORDERS} orders, {SHOPPERS} shoppers at a time");

    let start = Instant::now();
    let seen = Arc::new(Seen::default());
    let next = Arc::new(AtomicUsize::new(0));
    let mut shoppers = tokio::task::JoinSet::new();
    for _ in 0..SHOPPERS {
        let (nodes, mock) = (Arc::clone(&nodes), Arc::clone(&mock));
        let (seen, next) = (Arc::clone(&seen), Arc::clone(&next));
        shoppers.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= ORDERS {
                    return Ok::<_, Failure>(());
                }
                shop(&nodes, &mock, &seen, number).await?;
            }
        });
    }
    while seen.paid.load(Ordering::SeqCst) < KILL_AFTER && !shoppers.is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let victim = nodes.first().ok_or("two nodes were started")?;
    let id = victim.kill().await?;
    println!(
        "killed     {} (process {id}) after {} paid orders",
        victim.name,
        seen.paid.load(Ordering::SeqCst)
    );
    while let Some(done) = shoppers.join_next().await {
        done??;
    }
    println!(
        "sold       {} orders in {:.1?}; {} were sent to the other node, \
         {} buttons were pressed at both nodes at once, {} returns were lost with the node",
        seen.paid.load(Ordering::SeqCst),
        start.elapsed(),
        seen.other_node.load(Ordering::SeqCst),
        seen.asked_twice.load(Ordering::SeqCst),
        seen.return_lost.load(Ordering::SeqCst)
    );

    let fulfilled = until_fulfilled(&ledger).await?;
    let sold = account(&ledger, &own, &schema, fulfilled).await?;
    let stopped = stop(&ledger, nodes.last().ok_or("two nodes were started")?).await?;
    let chain = verify(&ledger, &[]).await?;
    println!("the chain  {chain:?}");
    let ok = sold && stopped && chain.is_intact();
    balancing.abort();
    for node in Arc::into_inner(nodes).ok_or("a shopper is still there")? {
        node.end().await?;
    }
    if ok {
        let drop = format!("DROP SCHEMA {schema} CASCADE; DROP SCHEMA {schema}_shop CASCADE");
        own.batch_execute(&drop).await?;
        println!("it held    every paid order was shipped exactly once, and the stop was heard");
    }
    Ok(ok)
}

/// One shopper, one order: opens the page at a node, or at the other one, pays, and comes back.
async fn shop(nodes: &[Node; 2], mock: &MockStripe, seen: &Seen, number: usize) -> Result<(), Failure> {
    let order = name_of(number);
    let [first, second] = if number.is_multiple_of(2) { [0, 1] } else { [1, 0] };
    let (first, second) = (nodes.get(first).ok_or("no node")?, nodes.get(second).ok_or("no node")?);
    let mut page = None;
    if number.is_multiple_of(4) && first.alive.load(Ordering::SeqCst) && second.alive.load(Ordering::SeqCst) {
        // The button is pressed twice and reaches both nodes. One page, whoever made it; a node that cannot tell yet says so.
        let (one, other) = tokio::join!(open_at(first, &order), open_at(second, &order));
        if let (Ok(one), Ok(other)) = (&one, &other)
            && one != other
        {
            return Err(format!("{order} got two pages").into());
        }
        seen.asked_twice.fetch_add(1, Ordering::SeqCst);
        page = one.or(other).ok();
    }
    // As a load balancer does: at one node, and if that fails at the other.
    for _ in 0..20 {
        if page.is_some() {
            break;
        }
        page = open_at(first, &order).await.ok();
        if page.is_none() {
            page = open_at(second, &order).await.ok();
            seen.other_node.fetch_add(usize::from(page.is_some()), Ordering::SeqCst);
        }
        if page.is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let page = page.ok_or("no node opens a page")?;
    let landed = mock.shopper().open(&page).await?.pay(TestCard::Succeeds).await?;
    let Landed::Store { url } = landed else {
        return Err("the payment did not go through".into());
    };
    seen.paid.fetch_add(1, Ordering::SeqCst);
    if reqwest::get(url).await.is_err() {
        seen.return_lost.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

async fn open_at(node: &Node, order: &str) -> Result<String, Failure> {
    let url = format!("http://{}/buy/{order}", node.address);
    let answer = reqwest::Client::new().post(url).send().await?.error_for_status()?;
    Ok(answer.text().await?)
}

fn name_of(number: usize) -> String {
    format!("ORD-2026-{number:06}")
}

/// The operator stops payments at a place of their own; the node that is left hears of it, and of the reopening.
async fn stop(ledger: &PostgresLedger, node: &Node) -> Result<bool, Failure> {
    let turn = async |switch| {
        let (actor, reason) = (SwitchText::new("operator-7")?, SwitchText::new("drill")?);
        let change = ModeChange { switch, actor, reason };
        ledger.set_mode(&change, SystemTime::now()).await.map_err(Failure::from)
    };
    turn(Switch::Stop).await?;
    let start = Instant::now();
    let refused = open_at(node, "ORD-2026-STOPPED").await.is_err();
    let took = start.elapsed();
    turn(Switch::Reopen).await?;
    let reopened = open_at(node, "ORD-2026-REOPENED").await.is_ok();
    let not_written = ledger
        .attempts_of(&MerchantReference::new("ORD-2026-STOPPED")?)
        .await?
        .is_empty();
    println!(
        "stopped    {} refused a new checkout: {refused}, in {took:.1?}; reopened, it takes them again: {reopened}",
        node.name
    );
    Ok(refused && not_written && reopened && took < Duration::from_secs(1))
}

/// How many orders are fulfilled, once all are or half a minute is over.
async fn until_fulfilled(ledger: &PostgresLedger) -> Result<usize, Failure> {
    let start = Instant::now();
    loop {
        let mut fulfilled = 0;
        for number in 0..ORDERS {
            let order = MerchantReference::new(name_of(number))?;
            let right = ledger.fulfilment_of(&order).await?;
            fulfilled += usize::from(right.is_some_and(|right| right.done_at.is_some()));
        }
        if fulfilled == ORDERS || start.elapsed() > Duration::from_secs(30) {
            return Ok(fulfilled);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// What the ledger and the store's own table say at the end.
async fn account(
    ledger: &PostgresLedger,
    own: &tokio_postgres::Client,
    schema: &str,
    fulfilled: usize,
) -> Result<bool, Failure> {
    let rows = own
        .query(&format!("SELECT merchant_order, node FROM {schema}_shop.shipped"), &[])
        .await?;
    let (mut shipped, mut by_node) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, usize>::new());
    for row in &rows {
        *shipped.entry(row.try_get(0)?).or_default() += 1;
        *by_node.entry(row.try_get(1)?).or_default() += 1;
    }
    let (mut again, mut rights, mut wrong) = (0, 0, Vec::new());
    for number in 0..ORDERS {
        let order = MerchantReference::new(name_of(number))?;
        let attempts = ledger.attempts_of(&order).await?;
        let mut lines = 0;
        for attempt in &attempts {
            let timeline = ledger.timeline(attempt.reference()).await?;
            lines += timeline
                .iter()
                .filter(|record| record.kind.as_str() == "fulfilment")
                .count();
        }
        rights += lines;
        let deliveries = ledger.fulfilment_of(&order).await?.map_or(0, |right| right.deliveries);
        again += usize::from(deliveries > 1);
        if lines != 1 || shipped.get(order.as_str()) != Some(&1) {
            wrong.push(order);
        }
    }
    ledger.check().await?;
    println!("the ledger {rights} rights to fulfil, {fulfilled} done, {again} handed out again after the kill");
    println!("shipped    {} times, by node: {by_node:?}", rows.len());
    println!("held       {} things for a human", ledger.held(99).await?.len());
    for order in &wrong {
        println!("WRONG      {order} was not shipped exactly once");
    }
    Ok(wrong.is_empty() && fulfilled == ORDERS && rows.len() == ORDERS && rights == ORDERS)
}
