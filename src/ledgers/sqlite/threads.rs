//! The threads that own the connections: one that writes, in groups, and a few that read.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::answer::{self, Sender};
use super::open::is_busy;
use super::{BUSY, Trouble};
use crate::ledger::StoreError;

/// How many operations may wait. Callers wait for their answers, so this many callers are far more than a machine that
/// keeps up can have; beyond it a caller is told to come again and memory stays bounded (PAY-64).
const QUEUE: usize = 8192;

/// The writing side.
pub(super) struct Writer {
    crew: Crew<Box<dyn WriteJob>>,
    ahead: Ahead,
}

/// What goes before everything that waits: the switch, which an operator turns because too much comes in.
type Ahead = Arc<Mutex<VecDeque<Box<dyn WriteJob>>>>;

impl Writer {
    /// Starts the thread. At most `group` operations share one commit, and none waits longer than `patience` for a file that
    /// somebody else holds.
    pub(super) fn start(connection: Connection, group: NonZeroUsize, patience: Duration) -> Result<Self, StoreError> {
        let ahead = Ahead::default();
        let line = Arc::clone(&ahead);
        let serve = move |jobs: &Mutex<Receiver<Box<dyn WriteJob>>>| {
            let jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
            write_in_groups(&connection, &jobs, &line, group, patience);
        };
        let crew = Crew::start("kessai-ledger-writer", vec![serve])?;
        Ok(Self { crew, ahead })
    }

    /// Runs the work in the thread, inside a transaction. The answer comes when that transaction is on the disk.
    ///
    /// If the future is dropped the work is done all the same, whole or not at all.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = answer::channel();
        self.crew.submit(Write::job(work, sender))?;
        answer.await.unwrap_or(Err(GONE))
    }

    /// The same before everything that waits, however much that is.
    pub(super) async fn run_first<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = answer::channel();
        self.put_ahead(Write::job(work, sender))?;
        // Wakes the thread if it waits. Where the queue is full it does not.
        let (sender, _) = answer::channel();
        drop(self.crew.submit(Write::job(|_| Ok(()), sender)));
        answer.await.unwrap_or(Err(GONE))
    }

    fn put_ahead(&self, job: Box<dyn WriteJob>) -> Result<(), StoreError> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.len() >= MOST_AHEAD {
            return Err(FULL);
        }
        ahead.push_back(job);
        Ok(())
    }
}

/// The reading side.
pub(super) struct Readers(Crew<ReadJob>);

type ReadJob = Box<dyn FnOnce(&Connection) + Send>;

impl Readers {
    /// Starts one thread for each connection.
    pub(super) fn start(connections: Vec<Connection>) -> Result<Self, StoreError> {
        let serve = |connection: Connection| {
            move |jobs: &Mutex<Receiver<ReadJob>>| {
                loop {
                    // The lock is held while waiting for a job, not while doing it.
                    let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) => job(&connection),
                        Err(_) => return,
                    }
                }
            }
        };
        Crew::start("kessai-ledger-reader", connections.into_iter().map(serve).collect()).map(Self)
    }

    /// Runs the work in a thread, on one state of the file.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answer) = answer::channel();
        self.0.submit(Box::new(move |connection: &Connection| {
            let read = || {
                let snapshot = connection.unchecked_transaction()?;
                let value = work(&snapshot)?;
                snapshot.finish()?;
                Ok(value)
            };
            sender.send(read().map_err(Trouble::into_store_error));
        }))?;
        answer.await.unwrap_or(Err(GONE))
    }
}

/// What an operation waited for its turn it has waited: behind a file that somebody else holds a queue would wait once for each
/// of those in it.
fn wait_no_longer(connection: &Connection, since: Instant, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience.saturating_sub(since.elapsed()))
}

/// Nobody turns a switch so often.
const MOST_AHEAD: usize = 64;

const FULL: StoreError = StoreError::missing("more is waiting than it can take; try again");

const GONE: StoreError = StoreError::missing("its thread is gone; open it again");

/// Threads and the way to them.
struct Crew<J> {
    jobs: Option<SyncSender<J>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static> Crew<J> {
    fn start<F>(name: &str, members: Vec<F>) -> Result<Self, StoreError>
    where
        F: FnOnce(&Mutex<Receiver<J>>) + Send + 'static,
    {
        let (sender, receiver) = sync_channel(QUEUE);
        let receiver = Arc::new(Mutex::new(receiver));
        let mut crew = Self {
            jobs: Some(sender),
            threads: Vec::with_capacity(members.len()),
        };
        for serve in members {
            let receiver = Arc::clone(&receiver);
            let thread = thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || serve(&receiver))
                .map_err(|error| StoreError::new("its thread cannot be started", error))?;
            crew.threads.push(thread);
        }
        Ok(crew)
    }

    fn submit(&self, job: J) -> Result<(), StoreError> {
        match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(FULL),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(GONE),
        }
    }
}

impl<J> Drop for Crew<J> {
    fn drop(&mut self) {
        // Without a sender the threads do what is left and end.
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // Waking a task can drop the last owner of the ledger right here, and a thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                // A thread that panicked has told so already; its callers got an error.
                let _ = thread.join();
            }
        }
    }
}

/// One operation of a group.
trait WriteJob: Send {
    /// When it was handed over.
    fn since(&self) -> Instant;

    /// Does it and keeps the result. True if what it wrote is to stay.
    fn run(&mut self, transaction: &Connection) -> bool;

    /// Answers the caller, once it is known what became of the transaction.
    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>);
}

struct Write<T, W> {
    since: Instant,
    work: Option<W>,
    result: Option<Result<T, StoreError>>,
    sender: Sender<Result<T, StoreError>>,
}

impl<T, W> Write<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
{
    fn job(work: W, sender: Sender<Result<T, StoreError>>) -> Box<dyn WriteJob> {
        Box::new(Self {
            since: Instant::now(),
            work: Some(work),
            result: None,
            sender,
        })
    }
}

impl<T, W> WriteJob for Write<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T, Trouble> + Send,
{
    fn since(&self) -> Instant {
        self.since
    }

    fn run(&mut self, transaction: &Connection) -> bool {
        let result = self.work.take().map(|work| work(transaction));
        let stays = matches!(result, Some(Ok(_)));
        self.result = result.map(|result| result.map_err(Trouble::into_store_error));
        stays
    }

    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>) {
        let failed = |why: &str| Err(StoreError::new("nothing could be written", why));
        self.sender.send(match (committed, self.result) {
            // What went wrong with this one alone is told as it is.
            (_, Some(Err(error))) => Err(error),
            (Ok(()), Some(done)) => done,
            (Ok(()), None) => failed("it was not tried"),
            (Err(error), _) if is_busy(error) => Err(StoreError::new(BUSY, error.to_string())),
            (Err(error), _) => failed(&error.to_string()),
        });
    }
}

/// Takes what waits, does all of it in one transaction, commits once, and only then answers. A disk syncs as fast for
/// sixty operations as for one.
fn write_in_groups(
    connection: &Connection,
    jobs: &Receiver<Box<dyn WriteJob>>,
    ahead: &Ahead,
    group: NonZeroUsize,
    patience: Duration,
) {
    while let Ok(job) = jobs.recv() {
        let mut waiting = Some(job);
        // Whatever went ahead of it, the one that was taken has its turn before the next is waited for.
        while waiting.is_some() {
            let mut next = || {
                let first = ahead.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                first.or_else(|| waiting.take()).or_else(|| jobs.try_recv().ok())
            };
            let Some(first) = next() else { break };
            let mut tried = Vec::new();
            let begun = wait_no_longer(connection, first.since(), patience)
                .and_then(|()| Transaction::new_unchecked(connection, TransactionBehavior::Immediate));
            let committed = write_group(begun, first, &mut next, group, &mut tried);
            for job in tried {
                job.answer(committed.as_ref().copied());
            }
        }
    }
}

/// Every job that was taken ends up in `tried`, whatever happens.
fn write_group(
    begun: rusqlite::Result<Transaction<'_>>,
    first: Box<dyn WriteJob>,
    next: &mut dyn FnMut() -> Option<Box<dyn WriteJob>>,
    group: NonZeroUsize,
    tried: &mut Vec<Box<dyn WriteJob>>,
) -> rusqlite::Result<()> {
    let transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            tried.push(first);
            return Err(error);
        }
    };
    let mut current = Some(first);
    while let Some(mut job) = current {
        let done = write_one(&transaction, job.as_mut());
        tried.push(job);
        done?;
        current = (tried.len() < group.get()).then(&mut *next).flatten();
    }
    transaction.commit()
}

/// One operation of a group: it stays whole, or leaves nothing behind and the others do not notice.
fn write_one(transaction: &Connection, job: &mut dyn WriteJob) -> rusqlite::Result<()> {
    let say = |sql| transaction.prepare_cached(sql)?.execute(()).map(drop);
    say("SAVEPOINT one")?;
    let stays = job.run(transaction);
    // A full disk and the like make SQLite roll back everything by itself. What came after would stand alone.
    if transaction.is_autocommit() {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT),
            Some("the transaction was rolled back".to_owned()),
        ));
    }
    if !stays {
        say("ROLLBACK TO one")?;
    }
    say("RELEASE one")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// Work that writes its name down.
    fn named(
        name: &'static str,
        done: &Arc<Mutex<Vec<&'static str>>>,
    ) -> impl FnOnce(&Connection) -> Result<(), Trouble> + use<> {
        let done = Arc::clone(done);
        move |_: &Connection| {
            done.lock().unwrap().push(name);
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_goes_first_goes_before_a_full_queue_and_loses_nobodys_turn() {
        for group in [1, 2, 64] {
            let connection = Connection::open_in_memory().unwrap();
            let group = NonZeroUsize::new(group).unwrap();
            let writer = Writer::start(connection, group, Duration::from_secs(9)).unwrap();
            let done = Arc::new(Mutex::new(Vec::new()));
            let ((begun, has_begun), (go_on, may_go_on)) = (channel(), channel());
            let hold = writer.run(move |_| {
                begun.send(()).unwrap();
                may_go_on.recv().unwrap();
                Ok(())
            });
            let mut hold = Box::pin(hold);
            let mut waiting: Vec<_> = (0..QUEUE)
                .map(|_| Box::pin(writer.run(named("waited", &done))))
                .collect();
            let mut first = Box::pin(writer.run_first(named("first", &done)));
            // Asked once each, so that each is in its line: the queue is full behind the one that holds everything up.
            let asked = std::future::poll_fn(|context| {
                assert!(hold.as_mut().poll(context).is_pending());
                has_begun.recv().unwrap();
                for one in &mut waiting {
                    assert!(one.as_mut().poll(context).is_pending());
                }
                assert!(first.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            });
            asked.await;
            let more = writer.run(named("one too many", &done)).await;
            assert!(more.unwrap_err().to_string().contains("try again"));
            go_on.send(()).unwrap();
            hold.await.unwrap();
            first.await.unwrap();
            for one in waiting {
                one.await.unwrap();
            }
            let done = done.lock().unwrap();
            assert_eq!((done[0], done.len()), ("first", QUEUE + 1));
            assert!(done[1..].iter().all(|name| *name == "waited"));
        }
    }
}
