//! Tokio's clock, timers and tasks.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use chat_core::{Now, Runtime, Sleep};
use futures::future::BoxFuture;

/// The Tokio runtime that the caller is in, multi- or current-thread. The hub's methods that spawn are to be called within it.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioRuntime;

impl Runtime for TokioRuntime {
    fn now(&self) -> Now {
        Now { instant: tokio::time::Instant::now().into_std(), utc: chrono::Utc::now() }
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Timer(Box::pin(tokio::time::sleep_until(deadline.into()))))
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        // Outside a runtime there is nobody left to run it: the process is ending.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task);
        }
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
        self.0.as_mut().reset(deadline.into());
    }
}
