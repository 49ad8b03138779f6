//! Lends the clock, timers and tasks of async-std and of smol to the core. Both have async-io's timers.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_io::Timer;
use chat_core::runtime::{Instant, Now, Runtime, Sleep};
use chat_http::{from_std, to_std};
use futures::future::BoxFuture;

/// Runs a hub on async-std's global executor, which may be called from anywhere.
#[cfg(feature = "async-std")]
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to set")]
pub struct AsyncStdRuntime;

/// Runs a hub on smol's global executor, which may be called from anywhere. It has as many threads as
/// `SMOL_THREADS` in the environment says, or one.
#[cfg(feature = "smol")]
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to set")]
pub struct SmolRuntime;

#[cfg(feature = "async-std")]
impl Runtime for AsyncStdRuntime {
    fn now(&self) -> Now {
        Now { instant: instant(), utc: chrono::Utc::now() }
    }

    fn instant(&self) -> Instant {
        instant()
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Alarm::at(deadline))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        async_std::task::spawn(task);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        Box::pin(yield_now())
    }
}

#[cfg(feature = "smol")]
impl Runtime for SmolRuntime {
    fn now(&self) -> Now {
        Now { instant: instant(), utc: chrono::Utc::now() }
    }

    fn instant(&self) -> Instant {
        instant()
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Alarm::at(deadline))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        smol::spawn(task).detach();
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        Box::pin(yield_now())
    }
}

fn instant() -> Instant {
    from_std(std::time::Instant::now())
}

/// Waits for a timer, since timers ring where sockets are looked at. A task that only wakes itself goes on
/// up to 200 times before that.
async fn yield_now() {
    let mut timer = None;
    poll_fn(|cx| {
        if timer.is_some() {
            return Poll::Ready(());
        }
        let soon = timer.insert(Timer::after(Duration::from_micros(1)));
        if Pin::new(soon).poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// Rings at its deadline.
struct Alarm {
    timer: Timer,
    deadline: std::time::Instant,
}

/// Bounds by how much the clock of one core may be behind that of another. Virtual machines that were
/// restored from a snapshot were seen with 24 ms. The reactor forgets a timer when it rings by the clock of
/// its own core; polled on a core that is behind, the timer would wait for a ring that has been.
const SKEW: Duration = Duration::from_millis(100);

impl Alarm {
    fn at(deadline: Instant) -> Self {
        let deadline = to_std(deadline);
        Self { timer: Timer::at(deadline), deadline }
    }
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = Pin::new(&mut self.timer).poll(cx).map(drop);
        let left = self.deadline.saturating_duration_since(std::time::Instant::now());
        if polled.is_pending() && left < SKEW {
            // Registers the timer again, in case that the reactor has forgotten it.
            let deadline = self.deadline;
            self.timer.set_at(deadline);
        }
        polled
    }
}

impl Sleep for Alarm {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.deadline = to_std(deadline);
        let deadline = self.deadline;
        self.timer.set_at(deadline);
    }
}
