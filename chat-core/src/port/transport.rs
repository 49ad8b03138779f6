//! The fast way out, for transports that can write without waiting.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// The writing half of a byte stream that many may hold and one at a time uses.
///
/// The core never calls it under a lock and never from two threads at once. It must not panic.
pub trait ByteWriter: Send + Sync + 'static {
    /// Writes what the peer's buffers take now; [`io::ErrorKind::WouldBlock`] if that is nothing.
    ///
    /// What it takes must be on its way: a stream that keeps bytes until it is flushed takes none here, and all by [`poll_write`](Self::poll_write).
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// As [`try_write`](Self::try_write), and wakes the task of `cx` when there is room again.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Sends what earlier writes left in buffers of the stream's own, as TLS has them, and wakes the task of `cx` when it can go on. The session's task asks
    /// after what it wrote, until it is ready: only then all is written, and while it is not the peer counts as one that takes nothing.
    ///
    /// Ready unless told otherwise, as for a stream that keeps nothing.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Sends what is buffered and ends the stream.
    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
