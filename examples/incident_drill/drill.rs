//! The drill itself: starts the processes, sells, attacks, operates, and searches.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kessai::CheckpointKey;
use kessai::ledger::Checkpoint;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::account::Account;
use super::attack::{self, Attacker, REFUSED, TAKEN, Tally, taken};
use super::cards::{self, Card};
use super::child::{Process, text};
use super::search::{Found, Search};
use super::tee::{Tee, Traffic};
use super::{Failure, PATIENCE};

const ORDERS: usize = 480;
/// Opened first and paid only after the reopening, one per gateway: what the attacker is after.
const VICTIMS: usize = 4;
/// Opened first and paid while the store is stopped, with the ones before them.
const OPEN_AT_THE_STOP: usize = 20;
/// After so many paid orders somebody notices something.
const NOTICED: usize = 280;
const SHOPPERS: usize = 8;
/// Within this the stop has to be heard by whoever opens a checkout.
const STOP_HEARD: Duration = Duration::from_secs(1);
/// Within this everything has to be over, the search included.
const WHOLE: Duration = Duration::from_secs(5 * 60);
/// The operator's. The store knows it only while a command of the operator's runs.
const CHECKPOINT_KEY: &str = "the checkpoint key, kept by the operator and nobody else";
const GATEWAYS: [&str; 4] = ["stripe", "komoju", "sbps", "gmopg"];

struct Stage {
    gateways: Process,
    store: Process,
    client: reqwest::Client,
    front: String,
    cards: Vec<Card>,
    /// True from the moment at which the stop was confirmed until just before the reopening.
    stopped: AtomicBool,
    bought: AtomicUsize,
    done: AtomicUsize,
    refused: AtomicUsize,
    /// Checkouts that were opened although the store was stopped.
    slipped: AtomicUsize,
    over: AtomicBool,
}

/// Where the store leads a shopper.
struct Onward {
    target: String,
    fields: Option<Vec<(String, String)>>,
}

pub(crate) async fn run() -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let account = Account::begin("Incident drill: 480 orders, 4 gateways, one stop");
    let sink = Process::start("sink", &folder.path().join("sink"))?;
    let gateways = Process::start("gateways", &folder.path().join("gateways"))?;
    let mut line = Line::start(&sink, &gateways).await?;
    let home = folder.path().join("store");
    let store = line.store(&home, false).await?;
    account.note("store, gateways and event sink are running, each as a process");
    let stage = Arc::new(Stage {
        gateways,
        store,
        client: client()?,
        front: line.front.origin(),
        cards: cards::series(ORDERS)?,
        stopped: AtomicBool::new(false),
        bought: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
        slipped: AtomicUsize::new(0),
        over: AtomicBool::new(false),
    });
    let begun = millis();
    let mut waiting = Vec::new();
    for order in 0..OPEN_AT_THE_STOP {
        waiting.push(stage.buy(order).await?.ok_or("the store is stopped already")?);
    }
    let mut victims = Vec::new();
    for order in 0..VICTIMS {
        victims.push(stage.attempt(order).await?);
    }
    let victims: [Value; VICTIMS] = victims.try_into().map_err(|_| "as many victims as gateways")?;
    let attacker = Attacker {
        // A connection on which the store hung up is not used again.
        client: builder().pool_max_idle_per_host(0).build()?,
        store: stage.front.clone(),
        victims: victims.clone(),
        known: line.known.clone(),
        traffic: line.traffic.clone(),
        tally: Tally::new(),
    };
    let attacks = tokio::spawn(attacks(attacker, Arc::clone(&stage)));
    let mut shoppers = JoinSet::new();
    for first in 0..SHOPPERS {
        shoppers.spawn(shop(Arc::clone(&stage), first));
    }
    account.note("shoppers pay, each with a card of their own, and an attacker tries what attackers try");
    while stage.done.load(Ordering::SeqCst) < NOTICED {
        broken(&mut shoppers)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage
        .operate(&account, &mut line, &home, begun, waiting, &victims)
        .await?;
    while let Some(ended) = shoppers.join_next().await {
        ended??;
    }
    stage.gateways.ask("quiet", Value::Null).await?;
    stage.settle(0..ORDERS).await?;
    stage.over.store(true, Ordering::SeqCst);
    let tally = attacks.await??;
    stage.sold(&account, &tally).await?;
    stage.close(&account).await?;
    let verified = stage.verify(&line).await?;
    account.held(
        true,
        &format!(
            "the chain of {} records is whole and fits the checkpoint",
            verified["records"]
        ),
    );

    // While the store lives.
    let events = folder.path().join("events.jsonl");
    let counts = sink.ask("keep", json!({"file": events})).await?;
    tell_events(&account, &counts);
    let search = Search::new(&stage.cards)?;
    account.note(&format!(
        "searching for {} forms of {ORDERS} numbers and {ORDERS} codes",
        search.patterns()
    ));
    let traffic = line.traffic.bytes();
    std::fs::write(folder.path().join("traffic.bin"), &traffic)?;
    let pid = stage.store.pid;
    let places = tokio::task::spawn_blocking(move || -> Result<Vec<Found>, Failure> {
        Ok(vec![
            search.memory(pid)?,
            search.folder("its files and logs", &home)?,
            search.bytes("its events", &std::fs::read(&events)?),
            search.bytes("what it sent and received", &traffic),
        ])
    })
    .await??;
    for found in &places {
        account.held(
            found.nothing() && found.bytes > 0 && found.unread * 100 < found.bytes,
            &format!("none of them in {}", shown(found)),
        );
    }
    let stage = Arc::into_inner(stage).ok_or("somebody still shops")?;
    stage.store.end().await?;

    control(&account, &mut line, &folder.path().join("leaky")).await?;
    stage.gateways.end().await?;
    sink.end().await?;
    Ok(account.end(WHOLE))
}

/// The same search over a store that takes cards itself.
async fn control(account: &Account, line: &mut Line, home: &Path) -> Result<(), Failure> {
    let store = line.store(home, true).await?;
    let cards = cards::series(ORDERS)?;
    let (client, url) = (client()?, format!("{}/card", line.front.origin()));
    for card in &cards {
        let body = format!("number={}&code={}", card.number, card.code);
        let form = "application/x-www-form-urlencoded";
        let answer = client.post(&url).header("content-type", form).body(body).send().await?;
        if answer.status() != 200 {
            return Err(format!("the leaky store answered {}", answer.status()).into());
        }
    }
    account.note("control: a store with a card form of its own took as many other cards");
    let search = Search::new(&cards)?;
    let (pid, traffic, home) = (store.pid, line.traffic.bytes(), home.to_owned());
    let places = tokio::task::spawn_blocking(move || -> Result<Vec<Found>, Failure> {
        Ok(vec![
            search.memory(pid)?,
            search.folder("its files and logs", &home)?,
            search.bytes("what it sent and received", &traffic),
        ])
    })
    .await??;
    for found in &places {
        let text = format!(
            "control: {} numbers and {} codes of {ORDERS} found in {}",
            found.numbers.len(),
            found.codes.len(),
            shown(found)
        );
        account.held(found.all(ORDERS), &text);
    }
    store.end().await
}

/// The lines between the store and everybody else, and what the store has to be told.
struct Line {
    traffic: Traffic,
    front: Tee,
    /// From the store to each gateway.
    backs: BTreeMap<&'static str, Tee>,
    known: Value,
    sink: String,
    checkpoint: String,
}

impl Line {
    async fn start(sink: &Process, gateways: &Process) -> Result<Self, Failure> {
        let traffic = Traffic::default();
        let front = Tee::start(&traffic).await?;
        let known = gateways.ask("open", json!({"store": front.origin()})).await?;
        let mut backs = BTreeMap::new();
        for gateway in GATEWAYS {
            let tee = Tee::start(&traffic).await?;
            tee.leads_to(address(text(&known[gateway], "origin")?)?);
            backs.insert(gateway, tee);
        }
        let sink = sink.ask("address", Value::Null).await?;
        Ok(Self {
            traffic,
            front,
            backs,
            known,
            sink: sink.as_str().ok_or("the sink has no address")?.to_owned(),
            checkpoint: String::new(),
        })
    }

    /// Starts a store behind the line.
    async fn store(&mut self, home: &Path, leaky: bool) -> Result<Process, Failure> {
        let store = Process::start("store", &home.join("logs"))?;
        let mut settings = self.known.clone();
        for (gateway, tee) in &self.backs {
            settings[gateway]["line"] = json!(tee.origin());
        }
        let api = text(&self.known["sbps"], "api")?;
        let direct = text(&self.known["sbps"], "origin")?;
        let through = self.backs.get("sbps").map(Tee::origin).unwrap_or_default();
        settings["sbps"]["api"] = json!(api.replacen(direct, &through, 1));
        settings["public"] = json!(self.front.origin());
        settings["sink"] = json!(self.sink);
        settings["folder"] = json!(home);
        settings["leaky"] = json!(leaky);
        let at = store.ask("open", settings).await?;
        self.front
            .leads_to(at.as_str().ok_or("the store has no address")?.parse()?);
        Ok(store)
    }
}

impl Stage {
    /// What the operator does, from the stop to the reopening.
    async fn operate(
        &self,
        account: &Account,
        line: &mut Line,
        home: &Path,
        begun: u64,
        waiting: Vec<Onward>,
        victims: &[Value; VICTIMS],
    ) -> Result<(), Failure> {
        let asked = Instant::now();
        let turned = self
            .store
            .ask("stop", json!({"reason": "card numbers may have leaked"}))
            .await?;
        self.stopped.store(true, Ordering::SeqCst);
        let took = asked.elapsed();
        // The shopper's own way tells when it is heard there: orders that are not among those of the drill, four more than there
        // are cards.
        let mut refused = usize::from(self.buy(ORDERS).await?.is_none());
        let heard = asked.elapsed();
        let open = turned["open"].as_u64().unwrap_or_default();
        account.held(
            open >= OPEN_AT_THE_STOP as u64,
            &format!(
                "stopped after {} paid orders, within {} ms; {open} open attempts listed",
                self.done.load(Ordering::SeqCst),
                took.as_millis()
            ),
        );
        account.held(
            refused == 1 && heard <= STOP_HEARD,
            &format!(
                "{} ms after the stop was asked for a checkout is refused; it has {} ms",
                heard.as_millis(),
                STOP_HEARD.as_millis()
            ),
        );
        for order in 1..GATEWAYS.len() {
            refused += usize::from(self.buy(ORDERS + order).await?.is_none());
        }
        account.held(
            refused == 4,
            "a new checkout is refused at each gateway, with words for the shopper",
        );
        // Those who were on a payment page at that moment pay.
        for (order, onward) in waiting.iter().enumerate().skip(VICTIMS) {
            self.pay(order, onward).await?;
        }
        self.settle(VICTIMS..OPEN_AT_THE_STOP).await?;
        account.held(true, "16 shoppers who were on a payment page have paid and were served");
        // Nobody is on a payment page any more but the four whom the attacker is after.
        while self.done.load(Ordering::SeqCst) + VICTIMS < self.bought.load(Ordering::SeqCst) {
            if asked.elapsed() > PATIENCE {
                return Err("somebody is still on a payment page".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.gateways.ask("quiet", Value::Null).await?;
        self.ship_all_paid().await?;

        let to = millis() + 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let asked = Instant::now();
        for name in ["report", "again"] {
            self.store
                .ask("report", json!({"from": begun - 1000, "to": to, "name": name}))
                .await?;
        }
        let report: Value = serde_json::from_slice(&std::fs::read(home.join("report.json"))?)?;
        let (told, bought) = (
            report["count"].as_u64().unwrap_or_default(),
            self.bought.load(Ordering::SeqCst),
        );
        account.held(
            told == bought as u64 && report["chain"]["intact"] == true,
            &format!(
                "the window report names all {told} attempts, twice within {} ms",
                asked.elapsed().as_millis()
            ),
        );
        let same = ["json", "csv", "html"].iter().all(|ending| {
            let read = |name: &str| std::fs::read(home.join(format!("{name}.{ending}"))).ok();
            read("report").is_some() && read("report") == read("again")
        });
        account.held(same, "as JSON, CSV and HTML it is the same byte for byte when repeated");

        let made = self.store.ask("checkpoint", json!({"key": CHECKPOINT_KEY})).await?;
        line.checkpoint = made.as_str().map(str::to_owned).ok_or("no checkpoint")?;
        let verified = self.verify(line).await?;
        account.held(
            Checkpoint::read(&line.checkpoint, &CheckpointKey::new(CHECKPOINT_KEY)?).is_ok(),
            &format!(
                "the chain of {} records is whole; a checkpoint was taken away",
                verified["records"]
            ),
        );
        self.change_keys(account, line, victims).await?;

        // From here on a checkout may be opened.
        self.stopped.store(false, Ordering::SeqCst);
        let check = self
            .store
            .ask("reopen", json!({"reason": "other keys, ledger whole"}))
            .await?;
        account.held(true, &format!("reopened: {} self-checks passed", check["checks"]));
        let slipped = self.slipped.load(Ordering::SeqCst);
        let refused = self.refused.load(Ordering::SeqCst);
        account.held(
            slipped == 0 && refused > 4,
            &format!("{refused} checkouts were refused meanwhile, {slipped} got through"),
        );
        for (order, onward) in waiting.iter().enumerate().take(VICTIMS) {
            // A form that was signed with the old key is refused at the gateway: the shopper loads the checkout again.
            let again = match onward.fields {
                Some(_) => self.buy(order).await?,
                None => None,
            };
            self.pay(order, again.as_ref().unwrap_or(onward)).await?;
        }
        Ok(())
    }

    /// The chain, held against the checkpoint that was taken away.
    async fn verify(&self, line: &Line) -> Result<Value, Failure> {
        let with = json!({"checkpoint": line.checkpoint, "key": CHECKPOINT_KEY});
        self.store.ask("verify", with).await
    }

    /// The keys may be known to somebody: their word alone counts for nothing, and then they are changed.
    async fn change_keys(&self, account: &Account, line: &Line, victims: &[Value; VICTIMS]) -> Result<(), Failure> {
        self.store
            .ask("ask first", json!({"reason": "the keys may be known"}))
            .await?;
        let keys = &line.known["keys"];
        let [stripe, komoju, sbps, _] = victims;
        let forged = || -> Result<[attack::Message; 3], Failure> {
            Ok([
                attack::stripe_says_paid(stripe, text(keys, "stripe")?, SystemTime::now())?,
                attack::komoju_says_paid(komoju, text(keys, "komoju")?)?,
                attack::sbps_says_paid(sbps, &line.known, text(keys, "sbps")?)?,
            ])
        };
        // SBPS can be asked only about what its own messages named: that one is not even kept, and has to come again.
        let mut as_meant = true;
        for (message, kept) in forged()?.into_iter().zip([true, true, false]) {
            let (status, answer) = attack::send(&self.client, &self.front, message).await?;
            as_meant &= taken(status, &answer) == kept;
        }
        self.store.ask("sweep", Value::Null).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let shipped = self.shipped().await?;
        let none = (0..VICTIMS).all(|order| !shipped.contains_key(&name(order)));
        account.held(
            none && as_meant,
            "asking first: three messages signed with the right keys settle nothing by themselves",
        );
        let fresh = self.gateways.ask("rotate", json!({"store": self.front})).await?;
        self.store.ask("rotate", fresh).await?;
        self.gateways.ask("quiet", Value::Null).await?;
        let mut none_taken = true;
        for message in forged()? {
            let (status, answer) = attack::send(&self.client, &self.front, message).await?;
            none_taken &= !taken(status, &answer);
        }
        account.held(
            none_taken,
            "the keys of all four gateways changed; what the old ones sign is refused",
        );
        Ok(())
    }

    /// The end of the day: some are still on a payment page, and nobody is to pay any more.
    async fn close(&self, account: &Account) -> Result<(), Failure> {
        let mut left = Vec::new();
        for order in 0..GATEWAYS.len() {
            // Behind those that were refused in the morning.
            let onward = self.buy(ORDERS + GATEWAYS.len() + order).await?;
            left.push(onward.ok_or("the store is stopped already")?);
        }
        let turned = self.store.ask("stop", json!({"reason": "the drill is over"})).await?;
        let expired = self.store.ask("expire", Value::Null).await?;
        let count = |name: &str| expired[name].as_u64().unwrap_or_default();
        let mut closed = 0;
        for onward in &left {
            closed += u64::from(self.pay(0, onward).await.is_err());
        }
        account.held(
            turned["open"] == 4
                && count("closed") + count("cannot") == 4
                && count("failed") == 0
                && count("closed") > 0
                && closed == count("closed"),
            &format!(
                "stopped again: of 4 open payment pages {} were closed and take no card any more; {} gateways cannot close one",
                count("closed"),
                count("cannot")
            ),
        );
        Ok(())
    }

    /// Opens a checkout. Nothing if the store takes none.
    async fn buy(&self, order: usize) -> Result<Option<Onward>, Failure> {
        let gateway = GATEWAYS.get(order % GATEWAYS.len()).ok_or("no such gateway")?;
        let url = format!(
            "{}/buy?gateway={gateway}&order={}&amount={}&customer=C-{order:04}",
            self.front,
            name(order),
            1000 + order
        );
        let was_stopped = self.stopped.load(Ordering::SeqCst);
        let answer = self.client.post(url).send().await?;
        let status = answer.status().as_u16();
        let location = answer
            .headers()
            .get("location")
            .map(|value| value.to_str().map(str::to_owned));
        let body = answer.text().await?;
        if status == 503 && body.contains("no new payments at the moment") {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Ok(None);
        }
        if was_stopped && self.stopped.load(Ordering::SeqCst) {
            self.slipped.fetch_add(1, Ordering::SeqCst);
        }
        self.bought.fetch_add(1, Ordering::SeqCst);
        match location {
            Some(target) => Ok(Some(Onward {
                target: target?,
                fields: None,
            })),
            None => form(&body)
                .map(Some)
                .ok_or_else(|| format!("{}: the store answered {status} and no payment page", name(order)).into()),
        }
    }

    /// Types the card into the hosted page and comes back to the store.
    async fn pay(&self, order: usize, onward: &Onward) -> Result<(), Failure> {
        let card = self.cards.get(order).ok_or("an order without a card")?;
        let page = json!({"target": onward.target, "fields": onward.fields, "number": card.number, "code": card.code});
        let back = self.gateways.ask("pay", page).await?;
        let url = text(&back, "url")?;
        let request = match text(&back, "body") {
            Ok(body) if !body.is_empty() => self
                .client
                .post(url)
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.to_owned()),
            _ => self.client.get(url),
        };
        let answer = request.send().await?;
        let onward = answer.headers().get("location").cloned();
        let answer = match onward {
            Some(path) => {
                self.client
                    .get(format!("{}{}", self.front, path.to_str()?))
                    .send()
                    .await?
            }
            None => answer,
        };
        if answer.status() != 200 {
            return Err(format!("{}: the return page answered {}", name(order), answer.status()).into());
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn attempt(&self, order: usize) -> Result<Value, Failure> {
        self.store.ask("attempt", json!({"order": name(order)})).await
    }

    async fn shipped(&self) -> Result<BTreeMap<String, u32>, Failure> {
        Ok(serde_json::from_value(self.store.ask("shipped", Value::Null).await?)?)
    }

    /// Waits until all of these were shipped.
    async fn settle(&self, orders: std::ops::Range<usize>) -> Result<(), Failure> {
        let start = Instant::now();
        loop {
            let shipped = self.shipped().await?;
            let missing: Vec<String> = orders
                .clone()
                .map(name)
                .filter(|order| !shipped.contains_key(order))
                .collect();
            let Some(first) = missing.first() else { return Ok(()) };
            if start.elapsed() > PATIENCE {
                return Err(format!("{} orders were not shipped, such as {first}", missing.len()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until everything that was paid until now was shipped.
    async fn ship_all_paid(&self) -> Result<(), Failure> {
        let start = Instant::now();
        while self.shipped().await?.len() < self.done.load(Ordering::SeqCst) {
            if start.elapsed() > PATIENCE {
                return Err("not everything that was paid was shipped".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn sold(&self, account: &Account, tally: &Tally) -> Result<(), Failure> {
        let shipped = self.shipped().await?;
        let once = shipped.values().all(|times| *times == 1);
        account.held(
            shipped.len() == ORDERS && once,
            &format!("{} orders shipped, each once", shipped.len()),
        );
        let books = self.gateways.ask("books", Value::Null).await?;
        let each = GATEWAYS.iter().all(|gateway| books[gateway] == ORDERS / GATEWAYS.len());
        account.held(each, &format!("the gateways' own books say the same: {books}"));
        for (kind, (all, taken)) in tally {
            let text = format!("attack: {kind}: {all} times, {taken} of them answered as taken");
            account.held(*taken == 0 || TAKEN.contains(kind), &text);
        }
        let tried = |kind: &&str| tally.get(kind).is_some_and(|(all, _)| *all > 0);
        account.held(
            REFUSED.iter().all(tried) && TAKEN.iter().all(tried) && tally.len() == REFUSED.len() + TAKEN.len(),
            "every kind of attack was tried, and shipped nothing",
        );
        Ok(())
    }
}

/// One of several who buy one order after the other.
async fn shop(stage: Arc<Stage>, first: usize) -> Result<(), Failure> {
    for order in (OPEN_AT_THE_STOP + first..ORDERS).step_by(SHOPPERS) {
        let onward = loop {
            match stage.buy(order).await? {
                Some(onward) => break onward,
                None => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        stage.pay(order, &onward).await?;
    }
    Ok(())
}

/// Attacks as long as the drill sells.
async fn attacks(mut attacker: Attacker, stage: Arc<Stage>) -> Result<Tally, Failure> {
    while !stage.over.load(Ordering::SeqCst) {
        attacker.round().await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(attacker.tally)
}

/// A shopper who could not go on ends the drill at once.
fn broken(shoppers: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(ended) = shoppers.try_join_next() {
        ended??;
    }
    Ok(())
}

fn tell_events(account: &Account, counts: &Value) {
    let all: u64 = counts
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    let seen = |name: &str| counts[name].as_u64().unwrap_or_default();
    let wanted = [
        "payment.stop.engaged",
        "payment.mode.changed",
        "payment.stop.released",
        "payment.key.rotated",
        "payment.ledger.checkpoint",
        "payment.callback.refused",
        "payment.return.forged",
        "payment.card_data.sighted",
        "payment.card_data.unproven",
    ];
    let told: Vec<String> = wanted
        .iter()
        .map(|name| format!("{} {}", name.trim_start_matches("payment."), seen(name)))
        .collect();
    account.held(
        wanted.iter().all(|name| seen(name) > 0),
        &format!("the sink received {all} events, among them: {}", told.join(", ")),
    );
}

fn shown(found: &Found) -> String {
    let Found {
        place, bytes, unread, ..
    } = found;
    match unread {
        0 => format!("{place} ({bytes} bytes)"),
        _ => format!("{place} ({bytes} bytes, {unread} unreadable)"),
    }
}

/// The form that a page of the store posts to a payment page.
fn form(page: &str) -> Option<Onward> {
    let (_, rest) = page.split_once("<form id=\"pay\" ")?;
    let (form, _) = rest.split_once("</form>")?;
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| unescaped(value))
    };
    let fields = form.split("<input ").skip(1);
    Some(Onward {
        target: attribute(form, "action")?,
        fields: Some(
            fields
                .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)))
                .collect(),
        ),
    })
}

/// The text of an attribute in which every odd character is a numeric reference.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let reference = part
            .split_once(';')
            .and_then(|(number, rest)| Some((char::from_u32(number.parse().ok()?)?, rest)));
        if let Some((character, rest)) = reference {
            plain.push(character);
            plain.push_str(rest);
        }
    }
    plain
}

fn name(order: usize) -> String {
    format!("DRILL-{order:04}")
}

fn address(origin: &str) -> Result<SocketAddr, Failure> {
    Ok(origin.trim_start_matches("http://").parse()?)
}

fn client() -> Result<reqwest::Client, Failure> {
    Ok(builder().build()?)
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
