//! The time and room that a client has for its first request, before anything else looks at it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use chat_core::Hub;
use chat_http::{HeadLimits, HeadScanner, Rejection, to_bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A socket whose first request has come in whole; reads it again before the rest.
pub(crate) struct Entered {
    socket: TcpStream,
    head: Vec<u8>,
    read: usize,
}

impl Entered {
    /// Waits for a first request, within bounds. One over them is told so, and none is returned.
    pub(crate) async fn wait(mut socket: TcpStream, hub: &Hub) -> Option<Self> {
        let limits = hub.limits();
        let reading = read_head(&mut socket, HeadLimits::from(limits));
        let head = timeout(limits.handshake_timeout, reading).await.unwrap_or(Err(Some(Rejection::Timeout)));
        match head {
            Ok(head) => Some(Self { socket, head, read: 0 }),
            Err(rejection) => {
                if let Some(rejection) = rejection {
                    hub.count_rejection(rejection.status().as_u16());
                    refuse(socket, rejection).await;
                }
                None
            }
        }
    }

    /// The socket, and what of the first bytes was not read.
    pub(crate) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        (self.socket, self.head[self.read..].to_vec())
    }
}

/// Reads on until the head is whole; what comes with it comes along. No rejection if the client is gone.
async fn read_head(socket: &mut TcpStream, limits: HeadLimits) -> Result<Vec<u8>, Option<Rejection>> {
    let mut scanner = HeadScanner::new(limits);
    let mut head = Vec::with_capacity(1024);
    loop {
        let before = head.len();
        match socket.read_buf(&mut head).await {
            Ok(0) | Err(_) => return Err(None),
            Ok(_) => {}
        }
        if scanner.follow(&head[before..])?.is_some() {
            return Ok(head);
        }
    }
}

/// Says why, then reads on for a moment: closing a socket with unread bytes would reset it, and the answer be lost.
async fn refuse(mut socket: TcpStream, rejection: Rejection) {
    let _ = timeout(rejection.linger(), async {
        socket.write_all(&to_bytes(&rejection.response())).await?;
        socket.shutdown().await?;
        let mut scrap = [0; 1024];
        for _ in 0..256 {
            if socket.read(&mut scrap).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    })
    .await;
}

impl AsyncRead for Entered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.read == this.head.len() {
            return Pin::new(&mut this.socket).poll_read(cx, out);
        }
        let n = out.remaining().min(this.head.len() - this.read);
        out.put_slice(&this.head[this.read..this.read + n]);
        this.read += n;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Entered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
