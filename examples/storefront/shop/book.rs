//! The shop's own book: baskets and orders in one SQLite file. What was paid is the ledger's business; here stands what was
//! sold, to whom, and that it was sent.
//!
//! An order is frozen when it is placed: names, prices and quantities are copied into it and never change. A basket that is
//! edited afterwards becomes another order.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kessai::{
    CheckoutRequest, ClientKey, Email, FulfilmentKey, LineItem, Locale, MerchantReference, Money, RequestError,
};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use super::cookies::random_hex;
use super::goods::{self, Article};
use super::lang::Lang;
use super::time;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS baskets (
    session TEXT PRIMARY KEY, draft TEXT NOT NULL, touched INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS basket_lines (
    session TEXT NOT NULL REFERENCES baskets ON DELETE CASCADE, article TEXT NOT NULL, quantity INTEGER NOT NULL,
    PRIMARY KEY (session, article)
) STRICT;
CREATE TABLE IF NOT EXISTS orders (
    reference TEXT PRIMARY KEY, session TEXT NOT NULL, draft TEXT NOT NULL,
    -- Of the draft and everything in the order: pressing the button twice finds the first order again.
    fingerprint TEXT NOT NULL UNIQUE,
    placed_at INTEGER NOT NULL, lang TEXT NOT NULL, recipient TEXT NOT NULL, email TEXT NOT NULL, address TEXT NOT NULL,
    fulfilled_under TEXT UNIQUE, fulfilled_at INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS orders_of_session ON orders (session, placed_at);
CREATE TABLE IF NOT EXISTS order_lines (
    reference TEXT NOT NULL REFERENCES orders, position INTEGER NOT NULL, name TEXT NOT NULL,
    yen INTEGER NOT NULL, quantity INTEGER NOT NULL,
    PRIMARY KEY (reference, position)
) STRICT;
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
";

/// How long the hosted payment page of an order may be used.
const PAGE_VALID_FOR: Duration = Duration::from_secs(3600);
/// Baskets nobody touched for so long are thrown away.
const BASKETS_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// What can go wrong with the book. Prints no content.
#[derive(Debug)]
pub(crate) enum BookError {
    Sql(rusqlite::Error),
    Random,
    /// A row that this program did not write.
    Damaged(&'static str),
    /// The thread that was asked is gone.
    Gone,
}

impl std::fmt::Display for BookError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sql(error) => write!(f, "the shop's book: {error}"),
            Self::Random => f.write_str("the shop's book: no random numbers"),
            Self::Damaged(what) => write!(f, "the shop's book is damaged: {what}"),
            Self::Gone => f.write_str("the shop's book did not answer"),
        }
    }
}

impl std::error::Error for BookError {}

impl From<rusqlite::Error> for BookError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<getrandom::Error> for BookError {
    fn from(_: getrandom::Error) -> Self {
        Self::Random
    }
}

/// What is in a basket. Prices are looked up, never kept.
#[derive(Clone, Default)]
pub(crate) struct Basket {
    /// Names this filling of the basket; another one after it was paid for.
    pub(crate) draft: String,
    pub(crate) lines: Vec<(&'static Article, u32)>,
}

impl Basket {
    pub(crate) fn count(&self) -> u32 {
        self.lines.iter().map(|(_, quantity)| quantity).sum()
    }

    /// In yen. Bounded by the catalogue and [`goods::MOST`], far below any overflow.
    pub(crate) fn goods_yen(&self) -> u32 {
        self.lines
            .iter()
            .map(|(article, quantity)| article.yen() * quantity)
            .sum()
    }

    pub(crate) fn delivery_yen(&self) -> u32 {
        if self.goods_yen() >= goods::FREE_DELIVERY_FROM {
            0
        } else {
            goods::DELIVERY
        }
    }

    pub(crate) fn total(&self) -> Money {
        goods::yen(self.goods_yen() + self.delivery_yen())
    }

    /// Freezes it.
    pub(crate) fn order_lines(&self, lang: Lang) -> Vec<OrderLine> {
        let goods = self.lines.iter().map(|(article, quantity)| OrderLine {
            name: article.name(lang).to_owned(),
            yen: article.yen(),
            quantity: *quantity,
        });
        let delivery = self.delivery_yen();
        let delivery = (delivery > 0).then(|| OrderLine {
            name: lang.pick("送料", "Delivery").to_owned(),
            yen: delivery,
            quantity: 1,
        });
        goods.chain(delivery).collect()
    }
}

/// Where an order goes. Checked before it gets here.
#[derive(Clone)]
pub(crate) struct Recipient {
    pub(crate) name: String,
    pub(crate) email: Email,
    pub(crate) address: String,
}

/// One line of an order, as it was sold.
#[derive(Clone)]
pub(crate) struct OrderLine {
    pub(crate) name: String,
    pub(crate) yen: u32,
    pub(crate) quantity: u32,
}

/// An order, as it was placed.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) reference: MerchantReference,
    pub(crate) session: String,
    pub(crate) placed_at: SystemTime,
    pub(crate) lang: Lang,
    pub(crate) recipient: Recipient,
    pub(crate) lines: Vec<OrderLine>,
    pub(crate) fulfilled_under: Option<String>,
    pub(crate) fulfilled_at: Option<SystemTime>,
}

impl Order {
    /// What is asked of the gateway. Made from what is frozen here, every time anew and every time the same.
    pub(crate) fn request(&self) -> Result<CheckoutRequest, RequestError> {
        let mut request = CheckoutRequest::builder(self.reference.clone())
            .email(self.recipient.email.clone())
            .locale(Locale::new(self.lang.tag())?)
            .valid_for(PAGE_VALID_FOR)
            // One browser opens so many payment pages and no more. Whoever throws the cookie away counts anew: a store that is
            // tested with stolen cards takes the address into it.
            .client(ClientKey::new(&self.session)?);
        for line in &self.lines {
            request = request.item(LineItem::new(line.name.as_str(), goods::yen(line.yen), line.quantity)?);
        }
        request.build()
    }

    pub(crate) fn total(&self) -> Money {
        goods::yen(self.lines.iter().map(|line| line.yen * line.quantity).sum())
    }
}

/// What fulfilling did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fulfilled {
    Now,
    /// Under the same key, before.
    Already,
    /// There is no such order, or it was fulfilled under another key. Nothing changed.
    Refused,
}

/// The open book. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Book(Arc<Mutex<Connection>>);

impl Book {
    /// Opens the file, or makes one.
    pub(crate) fn open(path: &Path) -> Result<Self, BookError> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// The secret of this name; made the first time.
    pub(crate) fn secret(&self, name: &str) -> Result<String, BookError> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        connection.execute(
            "INSERT OR IGNORE INTO secrets (name, value) VALUES (?, ?)",
            params![name, random_hex::<32>()?],
        )?;
        Ok(connection.query_row("SELECT value FROM secrets WHERE name = ?", [name], |row| row.get(0))?)
    }

    /// The basket of a session; empty if there is none.
    pub(crate) async fn basket(&self, session: String) -> Result<Basket, BookError> {
        self.run(move |transaction| basket(transaction, &session)).await
    }

    /// Changes how many of an article are in the basket: `add` to what is there, or that many in all.
    pub(crate) async fn put(
        &self,
        session: String,
        article: &'static Article,
        quantity: u32,
        add: bool,
        now: SystemTime,
    ) -> Result<(), BookError> {
        self.run(move |transaction| {
            transaction.execute(
                "INSERT INTO baskets (session, draft, touched) VALUES (?1, ?2, ?3)
                 ON CONFLICT (session) DO UPDATE SET touched = ?3",
                params![session, random_hex::<16>()?, seconds(now)],
            )?;
            let kept: Option<u32> = transaction
                .query_row(
                    "SELECT quantity FROM basket_lines WHERE session = ? AND article = ?",
                    params![session, article.id],
                    |row| row.get(0),
                )
                .optional()?;
            let kept = if add { kept.unwrap_or(0) } else { 0 };
            match kept.saturating_add(quantity).min(goods::MOST) {
                0 => transaction.execute(
                    "DELETE FROM basket_lines WHERE session = ? AND article = ?",
                    params![session, article.id],
                )?,
                wanted => transaction.execute(
                    "INSERT OR REPLACE INTO basket_lines (session, article, quantity) VALUES (?, ?, ?)",
                    params![session, article.id, wanted],
                )?,
            };
            Ok(())
        })
        .await
    }

    /// Places an order for what is in the basket, or finds the one that was placed for exactly this before. `None` if the
    /// basket is empty.
    pub(crate) async fn place(
        &self,
        session: String,
        recipient: Recipient,
        lang: Lang,
        now: SystemTime,
    ) -> Result<Option<Order>, BookError> {
        self.run(move |transaction| {
            let basket = basket(transaction, &session)?;
            if basket.lines.is_empty() {
                return Ok(None);
            }
            let order = Order {
                reference: new_reference(now)?,
                session,
                placed_at: now,
                lang,
                recipient,
                lines: basket.order_lines(lang),
                fulfilled_under: None,
                fulfilled_at: None,
            };
            let fingerprint = fingerprint(&order, &basket.draft);
            let earlier: Option<String> = transaction
                .query_row(
                    "SELECT reference FROM orders WHERE fingerprint = ?",
                    [&fingerprint],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(reference) = earlier {
                return read(transaction, &reference);
            }
            write(transaction, &order, &basket.draft, &fingerprint)?;
            Ok(Some(order))
        })
        .await
    }

    /// The order of this number.
    pub(crate) async fn order(&self, reference: MerchantReference) -> Result<Option<Order>, BookError> {
        self.run(move |transaction| read(transaction, reference.as_str())).await
    }

    /// The orders of a session, newest first.
    pub(crate) async fn orders_of(&self, session: String) -> Result<Vec<Order>, BookError> {
        self.run(move |transaction| {
            let mut statement = transaction.prepare(
                "SELECT reference FROM orders WHERE session = ? ORDER BY placed_at DESC, rowid DESC LIMIT 50",
            )?;
            let references = statement
                .query_map([session], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            references
                .iter()
                .filter_map(|reference| read(transaction, reference).transpose())
                .collect()
        })
        .await
    }

    /// Sends an order out, once: the same key again changes nothing. Empties the basket it came from.
    pub(crate) async fn fulfil(
        &self,
        reference: MerchantReference,
        key: FulfilmentKey,
        now: SystemTime,
    ) -> Result<Fulfilled, BookError> {
        self.run(move |transaction| {
            let changed = transaction.execute(
                "UPDATE orders SET fulfilled_under = ?, fulfilled_at = ? WHERE reference = ? AND fulfilled_under IS NULL",
                params![key.as_str(), seconds(now), reference.as_str()],
            )?;
            if changed == 1 {
                transaction.execute(
                    "DELETE FROM baskets WHERE (session, draft) = (SELECT session, draft FROM orders WHERE reference = ?)",
                    [reference.as_str()],
                )?;
                return Ok(Fulfilled::Now);
            }
            let under = read(transaction, reference.as_str())?.and_then(|order| order.fulfilled_under);
            Ok(if under.as_deref() == Some(key.as_str()) {
                Fulfilled::Already
            } else {
                Fulfilled::Refused
            })
        })
        .await
    }

    /// Throws away baskets nobody came back to.
    pub(crate) async fn tidy(&self, now: SystemTime) -> Result<(), BookError> {
        self.run(move |transaction| {
            let since = seconds(now).saturating_sub(seconds(UNIX_EPOCH + BASKETS_KEPT_FOR));
            transaction.execute("DELETE FROM baskets WHERE touched < ?", [since])?;
            Ok(())
        })
        .await
    }

    /// Runs one transaction on a thread that may wait.
    async fn run<T, F>(&self, work: F) -> Result<T, BookError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, BookError> + Send + 'static,
    {
        let connection = Arc::clone(&self.0);
        let job = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        tokio::task::spawn_blocking(job).await.unwrap_or(Err(BookError::Gone))
    }
}

fn basket(transaction: &Transaction<'_>, session: &str) -> Result<Basket, BookError> {
    let draft: Option<String> = transaction
        .query_row("SELECT draft FROM baskets WHERE session = ?", [session], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(draft) = draft else {
        return Ok(Basket::default());
    };
    let mut statement = transaction.prepare("SELECT article, quantity FROM basket_lines WHERE session = ?")?;
    let kept = statement
        .query_map([session], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?)))?
        .collect::<Result<Vec<_>, _>>()?;
    // In the catalogue's order. What is no longer for sale falls out.
    let lines = goods::CATALOGUE.iter().filter_map(|article| {
        let (_, quantity) = kept.iter().find(|(id, _)| id == article.id)?;
        Some((article, *quantity))
    });
    Ok(Basket {
        draft,
        lines: lines.collect(),
    })
}

fn read(transaction: &Transaction<'_>, reference: &str) -> Result<Option<Order>, BookError> {
    type Row = (String, i64, String, String, String, String, Option<String>, Option<i64>);
    let row: Option<Row> = transaction
        .query_row(
            "SELECT session, placed_at, lang, recipient, email, address, fulfilled_under, fulfilled_at
             FROM orders WHERE reference = ?",
            [reference],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                    row.get(6)?,
                    row.get(7)?,
                ))
            },
        )
        .optional()?;
    let Some((session, placed_at, lang, name, email, address, fulfilled_under, fulfilled_at)) = row else {
        return Ok(None);
    };
    let mut statement =
        transaction.prepare("SELECT name, yen, quantity FROM order_lines WHERE reference = ? ORDER BY position")?;
    let lines = statement
        .query_map([reference], |row| {
            Ok(OrderLine {
                name: row.get(0)?,
                yen: row.get(1)?,
                quantity: row.get(2)?,
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(Order {
        reference: MerchantReference::new(reference).map_err(|_| BookError::Damaged("an order number"))?,
        session,
        placed_at: since_1970(placed_at),
        lang: Lang::named(&lang).ok_or(BookError::Damaged("a language"))?,
        recipient: Recipient {
            name,
            email: Email::new(email).map_err(|_| BookError::Damaged("an e-mail address"))?,
            address,
        },
        lines,
        fulfilled_under,
        fulfilled_at: fulfilled_at.map(since_1970),
    }))
}

fn write(transaction: &Transaction<'_>, order: &Order, draft: &str, fingerprint: &str) -> Result<(), BookError> {
    transaction.execute(
        "INSERT INTO orders (reference, session, draft, fingerprint, placed_at, lang, recipient, email, address)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            order.reference.as_str(),
            order.session,
            draft,
            fingerprint,
            seconds(order.placed_at),
            order.lang.tag(),
            order.recipient.name,
            order.recipient.email.as_str(),
            order.recipient.address,
        ],
    )?;
    for (position, line) in (1_u32..).zip(&order.lines) {
        transaction.execute(
            "INSERT INTO order_lines (reference, position, name, yen, quantity) VALUES (?, ?, ?, ?, ?)",
            params![order.reference.as_str(), position, line.name, line.yen, line.quantity],
        )?;
    }
    Ok(())
}

/// Every part goes in behind its length, so that no two orders give the same bytes.
fn fingerprint(order: &Order, draft: &str) -> String {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text.as_bytes());
    };
    part(draft);
    part(&order.session);
    part(order.lang.tag());
    part(&order.recipient.name);
    part(order.recipient.email.as_str());
    part(&order.recipient.address);
    for line in &order.lines {
        part(&line.name);
        part(&line.yen.to_string());
        part(&line.quantity.to_string());
    }
    base16ct::lower::encode_string(&hash.finalize())
}

/// `T20261123-KMQRWXYZ`: the day, and letters that are not mistaken for each other on the telephone. It is no secret: the
/// order's page asks for the session as well.
fn new_reference(now: SystemTime) -> Result<MerchantReference, BookError> {
    const LETTERS: &[u8; 16] = b"BCDFGHJKMPRTVWXZ";
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    let letters: String = bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte & 15)))
        .map(|letter| char::from(*letter))
        .collect();
    MerchantReference::new(format!("T{}-{letters}", time::compact_date(now)))
        .map_err(|_| BookError::Damaged("a new order number"))
}

fn seconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

fn since_1970(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
