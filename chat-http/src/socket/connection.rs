//! Keeps the deadlines of a connection that HTTP is spoken on, whatever its socket is.
//!
//! ```text
//!   socket ──▶ Deadlines ──▶ HttpConnection ◀── requests, and the bodies of their answers
//! ```

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chat_core::Limits;
use chat_core::runtime::{Instant, Runtime, Sleep};
use http_body::{Body, Frame, SizeHint};

use crate::hub::HttpHub;

/// Knows what a connection is waiting for, and keeps what lasts as long as its socket. Cheap to clone: the
/// socket and its requests share it, the latter through their extensions.
#[derive(Clone, Debug, Default)]
pub struct HttpConnection(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stage: AtomicU8,
    overdue: AtomicBool,
    /// Ends the time for all that is still to be written.
    end: OnceLock<Instant>,
    kept: Mutex<Vec<Box<dyn Send>>>,
}

/// Says how far the next request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing of the request has come in.
    Idle,
    /// Its head has begun to come in.
    Head,
    /// The request is being answered.
    Served,
}

impl HttpConnection {
    /// Notes that a request is being answered, until the returned value is dropped: the client is not waited
    /// for.
    pub fn serve(&self) -> Serving {
        self.set_stage(Stage::Served);
        Serving(self.clone())
    }

    /// Returns whether its client took nothing for too long.
    pub fn is_overdue(&self) -> bool {
        self.0.overdue.load(Ordering::Acquire)
    }

    /// Keeps a value until the socket is closed.
    pub fn keep(&self, value: impl Send + 'static) {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(value));
    }

    /// Ends the connection at `deadline`, even if its client takes something now and then. The first call
    /// counts.
    pub fn end_by(&self, deadline: Instant) {
        let _ = self.0.end.set(deadline);
    }

    /// Drops what was [kept](Self::keep): the socket is closed.
    pub fn release(&self) {
        let kept = std::mem::take(&mut *self.0.kept.lock().unwrap_or_else(PoisonError::into_inner));
        drop(kept);
    }

    fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Idle,
            1 => Stage::Head,
            _ => Stage::Served,
        }
    }

    fn set_stage(&self, stage: Stage) {
        self.0.stage.store(stage as u8, Ordering::Release);
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("stage", &self.stage)
            .field("overdue", &self.overdue)
            .finish_non_exhaustive()
    }
}

/// Stands for a request that is being answered.
#[derive(Debug)]
pub struct Serving(HttpConnection);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.set_stage(Stage::Idle);
    }
}

/// Wraps the body of an answer: its request is answered once this is dropped.
#[derive(Debug)]
pub struct ServedBody<B> {
    body: Pin<Box<B>>,
    _serving: Serving,
}

impl<B> ServedBody<B> {
    /// Wraps the body of the answer to this request.
    pub fn new(body: B, serving: Serving) -> Self {
        Self { body: Box::pin(body), _serving: serving }
    }
}

impl<B: Body> Body for ServedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Ends a socket whose client lets it wait: a write that gets nothing across for
/// [`write_timeout`](Limits::write_timeout) fails, and a client that begins no request for
/// [`keep_alive_timeout`](crate::HttpLimits::keep_alive_timeout), or does not end a head within
/// [`handshake_timeout`](crate::HttpLimits::handshake_timeout), counts as gone.
///
/// An adapter's socket passes the outcome of each of its polls through it.
pub struct Deadlines {
    connection: HttpConnection,
    runtime: Arc<dyn Runtime>,
    write: Deadline,
    read: Deadline,
    /// Says what the deadline for reading was set for.
    awaited: Stage,
    patience: Patience,
}

#[derive(Clone, Copy)]
struct Patience {
    write: Duration,
    head: Duration,
    idle: Duration,
}

impl Deadlines {
    /// Begins to watch a connection to this hub.
    pub fn new(connection: HttpConnection, http: &HttpHub) -> Self {
        let (hub, limits) = (http.hub(), http.limits());
        let patience = Patience {
            write: Limits::or_never(hub.limits().write_timeout),
            head: limits.handshake_timeout,
            idle: Limits::or_never(limits.keep_alive_timeout),
        };
        let (write, read) = (Deadline::default(), Deadline::default());
        Self { connection, runtime: hub.runtime().clone(), write, read, awaited: Stage::Idle, patience }
    }

    /// Passes on the outcome of a read of so many bytes. Ready, as at the end of the stream, if it is pending
    /// and its client has let it wait for too long.
    pub fn after_read(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<()>>,
        bytes: usize,
    ) -> Poll<io::Result<()>> {
        if bytes > 0 && self.connection.stage() == Stage::Idle {
            self.connection.set_stage(Stage::Head);
        }
        if polled.is_pending() { self.poll_gone(cx).map(Ok) } else { polled }
    }

    /// Passes on the outcome of a write. Ready with [`TimedOut`](io::ErrorKind::TimedOut) if it is pending
    /// and nothing was taken for too long.
    pub fn after_write<R>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.write.clear();
            // A client that still takes an answer is not idle.
            if self.awaited == Stage::Idle {
                self.read.clear();
            }
            return polled;
        }
        let end = self.connection.0.end.get().copied();
        let deadline = || {
            let next = self.runtime.after(self.patience.write);
            end.map_or(next, |end| end.min(next))
        };
        ready!(self.write.poll(cx, &*self.runtime, deadline));
        self.connection.0.overdue.store(true, Ordering::Release);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Becomes ready once a request has been waited for too long.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let stage = self.connection.stage();
        if stage != self.awaited {
            self.awaited = stage;
            self.read.clear();
        }
        let patience = match stage {
            Stage::Idle => self.patience.idle,
            Stage::Head => self.patience.head,
            Stage::Served => return Poll::Pending,
        };
        self.read.poll(cx, &*self.runtime, || self.runtime.after(patience))
    }
}

impl std::fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deadlines").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Rings at a moment, once that is set.
#[derive(Default)]
struct Deadline {
    sleep: Option<Pin<Box<dyn Sleep>>>,
    set: bool,
}

impl Deadline {
    fn clear(&mut self) {
        self.set = false;
    }

    /// Sets the moment, unless it is set. Ready once it has come.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        runtime: &dyn Runtime,
        at: impl FnOnce() -> Instant,
    ) -> Poll<()> {
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if !self.set {
                    sleep.as_mut().reset(at());
                }
                sleep
            }
            none => none.insert(runtime.sleep_until(at())),
        };
        self.set = true;
        sleep.as_mut().poll(cx)
    }
}
