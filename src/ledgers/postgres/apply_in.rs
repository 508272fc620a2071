//! `apply` inside a transaction of the store's own.

use std::time::SystemTime;

use tokio_postgres::Transaction;

use super::db::{Db, Statements, Trouble};
use super::{PostgresLedger, TRIES, write};
use crate::ledger::{Applied, Judgement, StoreError};

impl PostgresLedger {
    /// [`Ledger::apply`](crate::Ledger::apply) inside a transaction of the store's own, in the same database: the store's order
    /// and the ledger move together, or neither does. What is returned holds once that transaction is committed, and not before.
    ///
    /// Once in a transaction, last, and the commit right behind it: from here on the other nodes wait. Whatever is locked
    /// afterwards, by a second `apply_in` too, is locked in an order that no other node keeps, and can end in a deadlock.
    ///
    /// From here to its end the transaction has the ledger's limits: it waits for no lock longer than the ledger's patience, the
    /// server ends it if nothing is said in it for that long, and its commit is durable. Stricter settings stay.
    ///
    /// On an error nothing of it stays, and the transaction can go on unless the database ended it. Choose `READ COMMITTED`; in
    /// a stricter transaction a conflict with another node is an error that only the store can answer, by doing the whole
    /// transaction again.
    pub async fn apply_in(
        &self,
        transaction: &mut Transaction<'_>,
        judgement: &Judgement,
        at: SystemTime,
    ) -> Result<Applied, StoreError> {
        // The store's connection outlives this call, and what is prepared on it here does not.
        let mut statements = Statements::new();
        let mut records = Vec::new();
        let mut tries = 1;
        loop {
            let savepoint = transaction.savepoint("kessai_apply").await.map_err(no)?;
            let mut db = Db {
                client: savepoint.client(),
                statements: &mut statements,
                records: &mut records,
                schema: self.pool.schema(),
            };
            let outcome = apply(&mut db, self.pool.settings(), judgement, at).await;
            match outcome {
                Ok(applied) => {
                    savepoint.commit().await.map_err(no)?;
                    return Ok(applied);
                }
                Err(trouble) => {
                    savepoint.rollback().await.map_err(no)?;
                    records.clear();
                    // Whoever has the name committed it, so the next try sees whose it is.
                    if !trouble.is_taken_name() || tries == TRIES {
                        return Err(trouble.into_store_error());
                    }
                    tries += 1;
                }
            }
        }
    }
}

async fn apply(db: &mut Db<'_>, settings: &str, judgement: &Judgement, at: SystemTime) -> Result<Applied, Trouble> {
    db.client.batch_execute(settings).await?;
    let applied = write::apply(db, judgement, at).await?;
    write::append(db).await?;
    Ok(applied)
}

fn no(error: tokio_postgres::Error) -> StoreError {
    Trouble::Sql(error).into_store_error()
}
