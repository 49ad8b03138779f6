//! Defines the direct output, for transports that can write without waiting.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

/// Writes a byte stream that many may hold and one at a time uses.
///
/// The core never calls it under a lock, and never from two threads at once. It must not panic.
///
/// ```
/// use std::io::{self, IoSlice};
/// use std::sync::Mutex;
/// use std::task::{Context, Poll};
///
/// use chat_core::transport::ByteWriter;
///
/// /// Takes all bytes and keeps them in memory.
/// #[derive(Default)]
/// struct Memory(Mutex<Vec<u8>>);
///
/// impl ByteWriter for Memory {
///     fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
///         let mut all = self.0.lock().expect("no thread panicked");
///         let before = all.len();
///         bytes.iter().for_each(|slice| all.extend_from_slice(slice));
///         Ok(all.len() - before)
///     }
///
///     fn poll_write(&self, _: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
///         Poll::Ready(self.try_write(bytes))
///     }
///
///     fn poll_close(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
/// }
///
/// let memory = Memory::default();
/// assert_eq!(memory.try_write(&[IoSlice::new(b"ab"), IoSlice::new(b"c")])?, 3);
/// assert_eq!(*memory.0.lock().expect("no thread panicked"), b"abc");
/// # Ok::<(), io::Error>(())
/// ```
pub trait ByteWriter: Send + Sync + 'static {
    /// Writes what the peer's buffers take now; fails with [`io::ErrorKind::WouldBlock`] if they take
    /// nothing.
    ///
    /// Bytes that are taken must be on their way: a stream that keeps bytes until it is flushed takes none
    /// here, and all by [`poll_write`](Self::poll_write).
    fn try_write(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Writes as [`try_write`](Self::try_write) does, and wakes the task of `cx` when there is room again.
    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;

    /// Sends what earlier writes left in buffers of the stream's own, as TLS has them, and wakes the task of
    /// `cx` when it can continue. The session's task polls this after its writes until it is ready: only then
    /// all is written, and until then the peer counts as one that takes nothing.
    ///
    /// By default it is ready, as for a stream that buffers nothing.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Sends what is buffered and ends the stream.
    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
