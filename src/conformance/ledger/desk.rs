//! What the cases share: a fresh ledger beside the test gateway, and comparing without panics.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use super::LedgerSource;
use crate::conformance::proofs::{Statement, TestGateway, say};
use crate::ledger::{
    Applied, Asked, Binding, Expected, ExpectedPayment, Fulfilment, Judgement, Ledger, Opened, Record, StoredAttempt,
};
use crate::payment::PaymentStatus;
use crate::reference::{AttemptReference, MerchantReference};

pub(super) type Found = Result<(), String>;

/// A moment so many seconds after the time at which the cases begin.
pub(super) fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
}

pub(super) struct Desk {
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) gateway: TestGateway,
}

impl Desk {
    pub(super) async fn fresh(source: &dyn LedgerSource) -> Result<Self, String> {
        Ok(Self {
            ledger: source.fresh().await?,
            gateway: TestGateway::new()?,
        })
    }

    /// An attempt that was written down at the beginning, and no more.
    pub(super) async fn written(&self, order: &str) -> Result<ExpectedPayment, String> {
        self.written_at(order, at(0)).await
    }

    pub(super) async fn written_at(&self, order: &str, when: SystemTime) -> Result<ExpectedPayment, String> {
        let expected = self.gateway.expected(order, when)?;
        self.write(&expected).await?;
        Ok(expected)
    }

    pub(super) async fn write(&self, expected: &ExpectedPayment) -> Found {
        match self.ledger.expect(expected).await.map_err(say)? {
            Expected::Written => Ok(()),
            other => Err(format!("a fresh attempt was not written: {other:?}")),
        }
    }

    /// An attempt whose page exists.
    pub(super) async fn open(&self, order: &str) -> Result<ExpectedPayment, String> {
        let expected = self.written(order).await?;
        let opened = Opened {
            checkout: Some(Statement::page_of(&expected.attempt)?),
            ..Opened::default()
        };
        let binding = self.ledger.opened(&expected.attempt, &opened, at(1)).await;
        same("opening", &binding.map_err(say)?, &Binding::Now)?;
        Ok(expected)
    }

    /// An attempt that paid its order.
    pub(super) async fn paid(&self, order: &str) -> Result<ExpectedPayment, String> {
        let expected = self.open(order).await?;
        let applied = self.hears(&expected, PaymentStatus::Captured).await?;
        same("the first money", &applied, &Applied::Now)?;
        Ok(expected)
    }

    /// What a statement means for an attempt as it stands now.
    pub(super) async fn judge(&self, attempt: &AttemptReference, statement: &Statement) -> Result<Judgement, String> {
        let event = self.gateway.prove(statement, at(2))?;
        Ok(self.stored(attempt).await?.judge(event))
    }

    /// Judges and applies a statement.
    pub(super) async fn tell(&self, attempt: &AttemptReference, statement: &Statement) -> Result<Applied, String> {
        let judgement = self.judge(attempt, statement).await?;
        self.ledger.apply(&judgement, at(2)).await.map_err(say)
    }

    /// Judges and applies the plain statement that the attempt is in this state.
    pub(super) async fn hears(&self, expected: &ExpectedPayment, status: PaymentStatus) -> Result<Applied, String> {
        self.tell(&expected.attempt, &Statement::about(expected, status)?).await
    }

    pub(super) async fn asked(&self, attempt: &AttemptReference, next: Option<SystemTime>) -> Found {
        let asked = Asked { answered: true, next };
        let seen = self.stored(attempt).await?;
        self.ledger.asked(&seen, &asked, at(2)).await.map_err(say)
    }

    pub(super) async fn stored(&self, attempt: &AttemptReference) -> Result<StoredAttempt, String> {
        let stored = self.ledger.attempt(attempt).await.map_err(say)?;
        stored.ok_or_else(|| format!("{attempt} is not there"))
    }

    pub(super) async fn status(&self, attempt: &AttemptReference) -> Result<PaymentStatus, String> {
        Ok(self.stored(attempt).await?.status)
    }

    pub(super) async fn timeline(&self, attempt: &AttemptReference) -> Result<Vec<Record>, String> {
        self.ledger.timeline(attempt).await.map_err(say)
    }

    /// The kinds of an attempt's records, oldest first.
    pub(super) async fn kinds(&self, attempt: &AttemptReference) -> Result<Vec<&'static str>, String> {
        let timeline = self.timeline(attempt).await?;
        Ok(timeline.iter().map(|record| record.kind.as_str()).collect())
    }

    pub(super) async fn fulfilment_of(&self, order: &MerchantReference) -> Result<Option<Fulfilment>, String> {
        self.ledger.fulfilment_of(order).await.map_err(say)
    }

    /// No right to fulfil exists for the order, and none is handed out.
    pub(super) async fn is_not_to_be_fulfilled(&self, order: &MerchantReference) -> Found {
        same("the right to fulfil", &self.fulfilment_of(order).await?, &None)
    }

    pub(super) async fn held(&self) -> Result<usize, String> {
        Ok(self.ledger.held(usize::MAX).await.map_err(say)?.len())
    }
}

/// Compares and says what it is about.
pub(super) fn same<T: PartialEq + Debug>(what: &str, found: &T, wanted: &T) -> Found {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, wanted {wanted:?}"))
}

pub(super) fn ensure(holds: bool, what: &str) -> Found {
    if holds { Ok(()) } else { Err(format!("not so: {what}")) }
}

/// The call has to fail.
pub(super) fn refused<T: Debug, E>(what: &str, answer: &Result<T, E>) -> Found {
    match answer {
        Ok(value) => Err(format!("{what} was not refused but gave {value:?}")),
        Err(_) => Ok(()),
    }
}

pub(super) fn count<T: PartialEq>(of: &T, among: &[T]) -> usize {
    among.iter().filter(|one| *one == of).count()
}

/// Polls all of them until all are done, in one task: as concurrent as it gets without a runtime.
pub(super) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    Together {
        places: futures
            .into_iter()
            .map(|future| Place::Runs(Box::pin(future)))
            .collect(),
    }
    .await
}

/// As [`together`], for what can fail.
pub(super) async fn all<T, F: Future<Output = Result<T, String>>>(
    futures: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, String> {
    together(futures).await.into_iter().collect()
}

struct Together<F: Future> {
    places: Vec<Place<F>>,
}

enum Place<F: Future> {
    Runs(Pin<Box<F>>),
    Done(Option<F::Output>),
}

// Nothing in it is pinned in place: the futures are in boxes of their own.
impl<F: Future> Unpin for Together<F> {}

impl<F: Future> Future for Together<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut waiting = false;
        for place in &mut self.places {
            let Place::Runs(future) = place else { continue };
            match future.as_mut().poll(context) {
                Poll::Ready(value) => *place = Place::Done(Some(value)),
                Poll::Pending => waiting = true,
            }
        }
        if waiting {
            return Poll::Pending;
        }
        let taken = self.places.iter_mut().filter_map(|place| match place {
            Place::Done(value) => value.take(),
            Place::Runs(_) => None,
        });
        Poll::Ready(taken.collect())
    }
}
