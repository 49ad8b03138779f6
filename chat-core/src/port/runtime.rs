//! Defines the interface to an async runtime: time, timers, tasks and randomness.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::model::{Instant, Now, later};

/// Provides time, timers and tasks to a hub, from the runtime that it runs in.
///
/// ```
/// use std::future::Future;
/// use std::pin::Pin;
/// use std::sync::{Arc, mpsc};
/// use std::task::{Context, Poll, Wake, Waker};
/// use std::thread::{self, Thread};
/// use std::time::{Duration, SystemTime};
///
/// use chat_core::{Hub, OpenChat};
/// use chat_core::runtime::{Instant, Now, Runtime, Sleep};
/// use futures::future::BoxFuture;
///
/// /// Runs each task on a thread of its own.
/// struct Threads(std::time::Instant);
///
/// impl Runtime for Threads {
///     fn now(&self) -> Now {
///         Now { instant: Instant::START + self.0.elapsed(), utc: SystemTime::now().into() }
///     }
///
///     fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
///         Box::pin(Timer { begin: self.0, deadline })
///     }
///
///     fn spawn(&self, mut task: BoxFuture<'static, ()>) {
///         thread::spawn(move || {
///             let waker = Waker::from(Arc::new(Unpark(thread::current())));
///             while task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
///                 thread::park();
///             }
///         });
///     }
/// }
///
/// struct Unpark(Thread);
///
/// impl Wake for Unpark {
///     fn wake(self: Arc<Self>) {
///         self.0.unpark();
///     }
/// }
///
/// struct Timer {
///     begin: std::time::Instant,
///     deadline: Instant,
/// }
///
/// impl Future for Timer {
///     type Output = ();
///
///     fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
///         let now = Instant::START + self.begin.elapsed();
///         let left = self.deadline.saturating_duration_since(now);
///         if left.is_zero() {
///             return Poll::Ready(());
///         }
///         let waker = cx.waker().clone();
///         thread::spawn(move || {
///             thread::sleep(left);
///             waker.wake();
///         });
///         Poll::Pending
///     }
/// }
///
/// impl Sleep for Timer {
///     fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
///         self.deadline = deadline;
///     }
/// }
///
/// let hub = Hub::builder(OpenChat::default()).build(Threads(std::time::Instant::now()));
/// let (sender, receiver) = mpsc::channel();
/// let timer = hub.runtime().sleep_until(hub.runtime().after(Duration::from_millis(1)));
/// hub.runtime().spawn(Box::pin(async move {
///     timer.await;
///     sender.send("a millisecond later").expect("the test waits");
/// }));
/// assert_eq!(receiver.recv(), Ok("a millisecond later"));
/// ```
pub trait Runtime: Send + Sync + 'static {
    /// Returns the present time.
    fn now(&self) -> Now;

    /// Returns the present time for deadlines, the first half of [`now`](Self::now). A runtime that reads it
    /// without the other saves a hub one of two clock reads in most places.
    fn instant(&self) -> Instant {
        self.now().instant
    }

    /// Returns the instant that is `by` later than now, bounded as in [`Now::after`].
    fn after(&self, by: Duration) -> Instant {
        later(self.instant(), by)
    }

    /// Returns a timer that is ready at `deadline`, or at once if that has passed.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>>;

    /// Runs a task to its end, beside the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);

    /// Returns a future that is ready once other work has had a turn: tasks that can run, and sockets that
    /// have events. It is for a task with much to do.
    ///
    /// By default the future is ready when it is polled again, which may be before the runtime has polled its
    /// sockets.
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

    /// Returns a number that nobody can guess, from which epochs are made.
    fn random(&self) -> u64 {
        RandomState::new().hash_one(0)
    }
}

/// Waits until a deadline that can be moved.
pub trait Sleep: Future<Output = ()> + Send {
    /// Moves the deadline, whether or not the last one has passed.
    fn reset(self: Pin<&mut Self>, deadline: Instant);
}
