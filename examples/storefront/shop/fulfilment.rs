//! The loop beside the pages: asks about what callbacks missed, and ships what is paid.

use std::time::Duration;

use kessai::{PaymentStatus, StoreError, SweepPolicy};

use super::Shop;
use super::book::{BookError, Fulfilled};

/// How often to sweep. Whether anything is due then is the cashier's business.
const EVERY: Duration = Duration::from_secs(15);

/// Sweeps and ships until it is dropped. A round that fails is tried again with the next one.
pub(crate) async fn run(shop: Shop) {
    let mut rounds: u32 = 0;
    loop {
        if let Err(error) = round(&shop).await {
            tracing::error!(%error, "a round of the shop's work failed");
        }
        if rounds.is_multiple_of(240)
            && let Err(error) = shop.book().tidy(shop.now()).await
        {
            tracing::error!(%error, "old baskets could not be thrown away");
        }
        rounds = rounds.wrapping_add(1);
        // A bell rings when a message or a shopper came; then there may be something to ship at once.
        let until = tokio::time::sleep(EVERY);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => break,
                () = shop.bell().notified() => {
                    if let Err(error) = ship_all(&shop).await {
                        tracing::error!(%error, "what is paid could not be shipped");
                    }
                }
            }
        }
    }
}

/// One round.
pub(crate) async fn round(shop: &Shop) -> Result<u32, WorkError> {
    let report = shop.cashier().sweep(&SweepPolicy::default()).await?;
    if report.held() > 0 {
        tracing::warn!(
            held = report.held(),
            "evidence waits for a person; see the operator's page"
        );
    }
    ship_all(shop).await
}

/// Ships everything that may be shipped, and says how much that was.
///
/// The right comes at least once. Shipping twice is ruled out by the key: the book takes it once for each order, and where a
/// parcel service or a mail service is called, the key goes along as its idempotency key.
async fn ship_all(shop: &Shop) -> Result<u32, WorkError> {
    let mut shipped = 0;
    while let Some(due) = shop.cashier().next_fulfilment().await? {
        // Was this what was sold? An order is frozen when it is placed, so a difference means that somebody edited the book.
        let order = shop.book().order(due.order.clone()).await?;
        let as_sold = order
            .and_then(|order| order.request().ok())
            .is_some_and(|request| request.content() == due.content && request.total() == due.amount);
        if !as_sold {
            tracing::error!(order = %due.order, "the order is not what was paid for; it stays here for a person to look at");
            continue;
        }
        // The right to ship came with the money. If that went back since, somebody decides whether the parcel still leaves.
        if !may_leave(due.status()) {
            tracing::warn!(order = %due.order, "the money went back; the order stays here for a person to look at");
            continue;
        }
        match shop
            .book()
            .fulfil(due.order.clone(), due.key.clone(), shop.now())
            .await?
        {
            Fulfilled::Now | Fulfilled::Already => {
                // Only now: if the process dies before this line the right comes again, under the same key.
                due.done().await?;
                shipped += 1;
            }
            Fulfilled::Refused => tracing::error!(order = %due.order, "the order was shipped under another key"),
        }
    }
    Ok(shipped)
}

/// Is the money still here?
pub(crate) fn may_leave(status: PaymentStatus) -> bool {
    matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured)
}

/// What can go wrong with a round.
#[derive(Debug)]
pub(crate) enum WorkError {
    Ledger(StoreError),
    Book(BookError),
}

impl std::fmt::Display for WorkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ledger(error) => error.fmt(f),
            Self::Book(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WorkError {}

impl From<StoreError> for WorkError {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error)
    }
}

impl From<BookError> for WorkError {
    fn from(error: BookError) -> Self {
        Self::Book(error)
    }
}
