//! Runs a session on a connection whose 101 is sent.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use chat_core::Close;
use chat_core::transport::{ByteWriter, Connection};
use chat_websocket::{Messages, PollRead, WebSocket};
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf, WriteHalf};

use crate::admission::Opening;

/// Returns the session of an [`Opening`], to be awaited or spawned. It ends with the connection. `early` came
/// after the request's head.
///
/// Whoever publishes writes to `writer` at once if it has room. Whoever opens a connection by hand, with an
/// HTTP stack or checks of its own, gets an [`Opening`] from [`Gate::open`](crate::Gate::open) or
/// [`Gate::admit`](crate::Gate::admit), sends the 101, and calls this.
pub fn run<R, W>(
    opening: Opening,
    reader: R,
    writer: Arc<W>,
    early: Vec<u8>,
) -> impl Future<Output = Close> + Send
where
    R: PollRead + Send + Unpin + 'static,
    W: ByteWriter,
{
    let Opening { permit, protocol, credentials, limits } = opening;
    let input = Messages::new(reader, limits, early).counted(permit.intake());
    Connection::over_bytes(permit, protocol, Arc::new(WebSocket), credentials, input, writer)
}

/// Returns the session of an [`Opening`] over any stream of `futures-io`, such as TLS. Only the session's own
/// task writes, so [`run`] is faster where a socket can be written to from everywhere.
pub fn run_io<T>(opening: Opening, io: T, early: Vec<u8>) -> impl Future<Output = Close> + Send
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = io.split();
    run(opening, Reader(read), Arc::new(Writer(Mutex::new(write))), early)
}

/// Reads from the reading half of a stream.
struct Reader<T>(ReadHalf<T>);

impl<T: AsyncRead + Unpin> PollRead for Reader<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

/// Writes to the writing half of a stream, from the session's own task alone.
struct Writer<T>(Mutex<WriteHalf<T>>);

impl<T> Writer<T> {
    fn half(&self) -> MutexGuard<'_, WriteHalf<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: AsyncWrite + Send + Unpin + 'static> ByteWriter for Writer<T> {
    fn try_write(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.half()).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.half()).poll_flush(cx)
    }

    fn poll_close(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.half()).poll_close(cx)
    }
}
