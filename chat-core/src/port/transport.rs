//! The fast way out, for transports that can write without waiting.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// The writing half of a byte stream that many may hold and one at a time uses.
///
/// The core never calls it under a lock and never from two threads at once. It must not panic.
pub trait ByteWriter: Send + Sync + 'static {
    /// Writes what the peer's buffers take now; [`io::ErrorKind::WouldBlock`] if that is nothing.
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// As [`try_write`](Self::try_write), and wakes the task of `cx` when there is room again.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Sends what is buffered and ends the stream.
    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
