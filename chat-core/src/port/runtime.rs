//! The seam to an async runtime: time, timers, tasks and randomness.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::Poll;

use futures::future::BoxFuture;

use crate::model::{Instant, Now};

/// What a hub borrows from the runtime that it lives in.
pub trait Runtime: Send + Sync + 'static {
    /// The present.
    fn now(&self) -> Now;

    /// A timer that is ready at `deadline`, or at once if that has passed.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>>;

    /// Runs a task to its end, beside the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Ready once the others have had a turn: tasks that can run, and sockets that have something to tell. For a task with much to do.
    ///
    /// By default ready when it is polled again, which may be before the runtime has looked at its sockets.
    fn yield_now(&self) -> BoxFuture<'static, ()> {
        let mut given = false;
        Box::pin(std::future::poll_fn(move |cx| {
            if std::mem::replace(&mut given, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }))
    }

    /// A number that nobody can guess: epochs are made of one.
    fn random(&self) -> u64 {
        RandomState::new().hash_one(0)
    }
}

/// A timer that can be set anew.
pub trait Sleep: Future<Output = ()> + Send {
    /// Moves the deadline, whether or not the last one has passed.
    fn reset(self: Pin<&mut Self>, deadline: Instant);
}
