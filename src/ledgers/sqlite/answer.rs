//! One value on its way from a thread to a future. No runtime is needed, and none is preferred.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The two ends. A sender that goes away unused answers with nothing, so that nobody waits for ever.
pub(super) fn channel<T>() -> (Sender<T>, Answer<T>) {
    let shared = Arc::new(Mutex::new(Slot::Waiting(None)));
    (Sender(Arc::clone(&shared)), Answer(shared))
}

/// The thread's end.
pub(super) struct Sender<T>(Arc<Mutex<Slot<T>>>);

/// The future's end. Dropped early it takes nothing with it: the value is dropped where it arrives.
pub(super) struct Answer<T>(Arc<Mutex<Slot<T>>>);

enum Slot<T> {
    Waiting(Option<Waker>),
    Here(T),
    Over,
}

impl<T> Sender<T> {
    /// Gives the answer.
    pub(super) fn send(self, value: T) {
        settle(&self.0, Slot::Here(value));
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        settle(&self.0, Slot::Over);
    }
}

/// Only a slot that still waits takes something: after [`Sender::send`] the drop changes nothing.
fn settle<T>(shared: &Mutex<Slot<T>>, with: Slot<T>) {
    let mut slot = lock(shared);
    let Slot::Waiting(waker) = &mut *slot else { return };
    let waker = waker.take();
    *slot = with;
    drop(slot);
    // Outside the lock: waking can run the waiting side at once.
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T> Future for Answer<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = lock(&self.0);
        if let Slot::Waiting(waker) = &mut *slot {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *slot, Slot::Over) {
            Slot::Here(value) => Poll::Ready(Some(value)),
            Slot::Waiting(_) | Slot::Over => Poll::Ready(None),
        }
    }
}

fn lock<T>(shared: &Mutex<Slot<T>>) -> MutexGuard<'_, Slot<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll<T>(answer: &mut Answer<T>) -> Poll<Option<T>> {
        Pin::new(answer).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_sender_that_goes_away_answers_with_nothing() {
        let (sender, mut answer) = channel::<u8>();
        assert!(poll(&mut answer).is_pending());
        drop(sender);
        assert_eq!(poll(&mut answer), Poll::Ready(None));
    }

    #[test]
    fn an_answer_that_went_away_hurts_nobody() {
        let (sender, mut answer) = channel();
        assert!(poll(&mut answer).is_pending());
        drop(answer);
        sender.send(1);
    }

    #[test]
    fn the_value_comes_once() {
        let (sender, mut answer) = channel();
        sender.send(7);
        assert_eq!(poll(&mut answer), Poll::Ready(Some(7)));
        assert_eq!(poll(&mut answer), Poll::Ready(None));
    }
}
