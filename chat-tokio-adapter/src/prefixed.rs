//! Reads the first request of a connection within its bounds, before an HTTP library looks at it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use chat_http::{HttpHub, Rejection, Remote, read_start, refuse, within};
use http::Method;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::socket::Tcp;

/// Holds a socket whose first request has come in whole, and reads that again before the rest.
pub(crate) struct Prefixed {
    socket: Tcp,
    head: Vec<u8>,
    read: usize,
}

impl Prefixed {
    /// Waits for a first request, within bounds, and returns where its client comes from beside it. A request
    /// over a bound is answered, and none is returned.
    pub(crate) async fn wait(
        socket: TcpStream,
        remote: Remote,
        http: &HttpHub,
    ) -> Option<(Self, Option<SocketAddr>)> {
        let (socket, hub, limits) = (Tcp(socket), http.hub(), http.limits());
        let runtime = &**hub.runtime();
        let mut reader = &socket;
        let start = read_start(remote, &mut reader, limits.into());
        let start = within(runtime, limits.handshake_timeout, start).await;
        match start.unwrap_or(Err(Some(Rejection::Timeout))) {
            Ok(start) => Some((Self { socket, head: start.head, read: 0 }, start.remote)),
            Err(rejection) => {
                if let Some(rejection) = rejection {
                    hub.acceptor().count_rejection(rejection.status().as_u16());
                    refuse(runtime, &mut &socket, &socket, rejection, &Method::GET).await;
                }
                None
            }
        }
    }

    /// Returns the socket, and those of its first bytes that were not read again.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.socket.0, self.head[self.read..].to_vec())
    }

    fn socket(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(&mut self.socket.0)
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read == this.head.len() {
            return this.socket().poll_read(cx, out);
        }
        let n = out.remaining().min(this.head.len() - this.read);
        out.put_slice(&this.head[this.read..this.read + n]);
        this.read += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.socket().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.socket().poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }
}
