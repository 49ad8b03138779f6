//! Lends Tokio's clock, timers and tasks to the core.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use chat_core::runtime::{Instant, Now, Runtime, Sleep};
use chat_http::{from_std, to_std};
use futures::future::BoxFuture;
use tokio::runtime::Handle;

/// Runs a hub on a Tokio runtime, be it multi-thread or current-thread. The hub may be called from any
/// thread, also from those that are none of the runtime's.
///
/// ```
/// use chat_core::{Hub, OpenChat};
/// use chat_tokio_adapter::TokioRuntime;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hub = Hub::builder(OpenChat::default()).build(TokioRuntime::current());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokioRuntime(Handle);

impl TokioRuntime {
    /// Returns the runtime that the caller is in.
    ///
    /// # Panics
    /// If the caller is in none.
    #[track_caller]
    pub fn current() -> Self {
        Self(Handle::current())
    }
}

impl From<Handle> for TokioRuntime {
    fn from(handle: Handle) -> Self {
        Self(handle)
    }
}

impl Runtime for TokioRuntime {
    fn now(&self) -> Now {
        Now { instant: self.instant(), utc: chrono::Utc::now() }
    }

    fn instant(&self) -> Instant {
        from_std(tokio::time::Instant::now().into_std())
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let _inside = self.0.enter();
        Box::pin(Timer(Box::pin(tokio::time::sleep_until(to_std(deadline).into()))))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.spawn(task);
    }

    /// Yields as Tokio does, which looks at its sockets before the task goes on; a task that wakes itself
    /// would come first.
    fn yield_now(&self) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

struct Timer(Pin<Box<tokio::time::Sleep>>);

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl Sleep for Timer {
    fn reset(mut self: Pin<&mut Self>, deadline: Instant) {
        self.0.as_mut().reset(to_std(deadline).into());
    }
}
