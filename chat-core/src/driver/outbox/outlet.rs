//! Writes frames from an outbox to a transport: as bytes that can be written at once, or into a sink of
//! frames.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Sink;

use crate::driver::caught::caught;
use crate::driver::outbox::Outbox;
use crate::model::Frame;
use crate::port::ByteWriter;

/// Reports that the transport can never take anything more.
pub(crate) struct Disconnected;

/// Bounds the frames that go into a sink before other tasks have their turn, however many are queued
/// meanwhile.
const AT_ONCE: usize = 4096;

/// Writes a connection's frames to its transport.
pub(crate) trait Outlet: Unpin {
    /// Writes the waiting frames. Ready when nothing waits; the task is woken for further frames in either
    /// case.
    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<Result<(), Disconnected>>;

    /// Ends the transport's writing half.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Writes to a transport that can `try_write`. Whoever delivers writes most bytes itself; only bytes that did
/// not fit pass through here.
pub struct ByteOutlet(Arc<dyn ByteWriter>);

/// Writes to any sink of frames.
pub struct SinkOutlet<S> {
    sink: S,
    unflushed: bool,
}

impl ByteOutlet {
    pub(crate) fn new(writer: Arc<dyn ByteWriter>) -> Self {
        Self(writer)
    }
}

impl<S> SinkOutlet<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self { sink, unflushed: false }
    }
}

impl Outlet for ByteOutlet {
    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<Result<(), Disconnected>> {
        outbox.poll_write(cx, &*self.0).map_err(|_| Disconnected)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        caught(|| self.0.poll_close(cx).map(drop)).unwrap_or(Poll::Ready(()))
    }
}

impl<S: Sink<Frame> + Unpin> Outlet for SinkOutlet<S> {
    fn poll_write(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<Result<(), Disconnected>> {
        // The flag is cleared before the last look at the queue: no task would be woken for a frame that is
        // queued between that look and a later clearing.
        outbox.set_blocked(false);
        let mut left = AT_ONCE;
        let polled =
            caught(|| self.poll_frames(cx, outbox, &mut left)).unwrap_or(Poll::Ready(Err(Disconnected)));
        if polled.is_pending() && left > 0 {
            outbox.set_blocked(true);
        }
        polled
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        caught(|| Pin::new(&mut self.sink).poll_close(cx).map(drop)).unwrap_or(Poll::Ready(()))
    }
}

impl<S: Sink<Frame> + Unpin> SinkOutlet<S> {
    fn poll_frames(
        &mut self,
        cx: &mut Context<'_>,
        outbox: &Outbox,
        left: &mut usize,
    ) -> Poll<Result<(), Disconnected>> {
        loop {
            if outbox.is_abandoned() {
                return Poll::Ready(Err(Disconnected));
            }
            // The queue is checked first: a sink that is ready but gets nothing must not be asked for room
            // again and again.
            if !outbox.waits(cx) {
                break;
            }
            if *left == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            ready!(Pin::new(&mut self.sink).poll_ready(cx)).map_err(|_| Disconnected)?;
            if let Some(frame) = outbox.next_frame() {
                Pin::new(&mut self.sink).start_send(frame).map_err(|_| Disconnected)?;
                self.unflushed = true;
                *left -= 1;
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.sink).poll_flush(cx)).map_err(|_| Disconnected)?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for ByteOutlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteOutlet").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for SinkOutlet<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkOutlet").finish_non_exhaustive()
    }
}
