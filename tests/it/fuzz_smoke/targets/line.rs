//! A line to the gateways that answers what it was told to, and remembers what it was asked. One for each thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use kessai::transport::{BoxFuture, CallLimits, Transport, TransportError, TransportErrorKind};

#[derive(Debug)]
pub struct Line;

#[derive(Default)]
struct Talk {
    answers: VecDeque<http::Response<Bytes>>,
    asked: Vec<http::Request<Bytes>>,
}

thread_local! {
    static TALK: RefCell<Talk> = RefCell::default();
}

/// Starts anew: these answers, nothing asked yet.
pub fn set(answers: Vec<http::Response<Bytes>>) {
    TALK.set(Talk {
        answers: answers.into(),
        asked: Vec::new(),
    });
}

/// What was asked since then.
pub fn asked() -> Vec<http::Request<Bytes>> {
    TALK.with_borrow_mut(|talk| std::mem::take(&mut talk.asked))
}

impl Transport for Line {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: CallLimits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let answer = TALK.with_borrow_mut(|talk| {
            talk.asked.push(request);
            // Nobody is there when nothing was said.
            talk.answers.pop_front().ok_or(TransportErrorKind::Connect)
        });
        let answer = answer.and_then(|answer| {
            let fits = answer.body().len() <= limits.reply;
            fits.then_some(answer).ok_or(TransportErrorKind::Reply)
        });
        Box::pin(std::future::ready(answer.map_err(TransportError::new)))
    }

    fn pause(&self, _wait: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Nothing here waits for anything, so a future that is not ready soon never is.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..1000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("a future that has nothing to wait for is not ready");
}
