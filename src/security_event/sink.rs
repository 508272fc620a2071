//! Where events go.

use std::fmt;
use std::sync::Arc;

use super::record::SecurityRecord;
use super::words::Reason;

/// Takes events to where somebody watches them.
///
/// It is called in the middle of a payment, so it is quick by contract: it hands on to memory, to a local file, to a socket that
/// does not block. Whatever may be slow goes behind [`Background`](super::Background). It is never called while a lock of this
/// crate is held, and may be called from several threads at once.
///
/// A sink that returns an error or panics changes no verdict: it is counted, the other sinks are told, and it is called again with
/// the next event.
pub trait SecuritySink: fmt::Debug + Send + Sync + 'static {
    /// Takes one event.
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError>;

    /// Did what was given so far arrive? For a sink that takes events first and delivers them later: it may wait for them, a
    /// second at most. Asked by the self-check, and by nothing in the middle of a payment.
    fn settle(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

impl<S: SecuritySink + ?Sized> SecuritySink for Box<S> {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        (**self).emit(record)
    }

    fn settle(&self) -> Result<(), SinkError> {
        (**self).settle()
    }
}

impl<S: SecuritySink + ?Sized> SecuritySink for Arc<S> {
    fn emit(&self, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
        (**self).emit(record)
    }

    fn settle(&self) -> Result<(), SinkError> {
        (**self).settle()
    }
}

/// A sink did not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// It could not be written or sent.
    #[error("the event could not be written")]
    Failed,
    /// There is no room for it now.
    #[error("there is no room for the event")]
    Full,
    /// The sink panicked. Said by whoever called it.
    #[error("the sink panicked")]
    Panicked,
}

impl From<std::io::Error> for SinkError {
    fn from(_: std::io::Error) -> Self {
        Self::Failed
    }
}

impl From<SinkError> for Reason {
    fn from(error: SinkError) -> Self {
        match error {
            SinkError::Failed => Self::Failed,
            SinkError::Full => Self::Full,
            SinkError::Panicked => Self::Panicked,
        }
    }
}

/// Gives a record to a sink and survives its panic.
///
/// Unwinding is safe to stop here: the sink is only reached through a shared reference, nothing of this crate is borrowed or
/// locked during the call, and what the panic left half done is the sink's own. If it went on, a panic in a log would lose the
/// reply to a gateway.
pub(super) fn give(sink: &dyn SecuritySink, record: &SecurityRecord<'_>) -> Result<(), SinkError> {
    survive(|| sink.emit(record))
}

/// Asks a sink whether everything arrived, and survives its panic in the same way.
pub(super) fn settle(sink: &dyn SecuritySink) -> Result<(), SinkError> {
    survive(|| sink.settle())
}

fn survive(call: impl FnOnce() -> Result<(), SinkError>) -> Result<(), SinkError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or(Err(SinkError::Panicked))
}
