//! Reads the start of a connection: the header of a proxy, where one is expected, and the head of the first
//! request.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Poll, ready};

use chat_websocket::PollRead;

use super::listener::Remote;
use crate::admission::Rejection;
use crate::head::{HeadLimits, HeadScanner, ProxyHeader};

/// Holds the start of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Start {
    /// Holds where the client comes from: what a proxy said of it, or else where the connection comes from.
    pub remote: Option<SocketAddr>,
    /// Holds the head of the first request, and what came after it.
    pub head: Vec<u8>,
}

/// Reads until the head of the first request is whole, and the header of the PROXY protocol before it if the
/// connection is one that [begins with it](super::Listener::proxy_protocol). Both together are within
/// `limits.bytes`.
///
/// # Errors
/// Returns the first bound that is broken, or [`Rejection::ProxyHeader`]; no rejection if the client is gone.
pub async fn read_start<R: PollRead>(
    remote: Remote,
    reader: &mut R,
    limits: HeadLimits,
) -> Result<Start, Option<Rejection>> {
    let mut bytes = Vec::with_capacity(1024);
    let mut client = None;
    let mut left = limits;
    if remote.is_proxy {
        let header = read_proxy_header(reader, limits.bytes, &mut bytes).await?;
        bytes.drain(..header.bytes);
        client = header.client;
        left.bytes -= header.bytes;
    }
    let head = read_on(reader, left, bytes).await?;
    Ok(Start { remote: client.or(remote.address), head })
}

/// Reads until a head is whole, and returns it with what came after it.
///
/// # Errors
/// Returns the first bound that is broken; no rejection if the client is gone.
pub async fn read_head<R: PollRead>(
    reader: &mut R,
    limits: HeadLimits,
) -> Result<Vec<u8>, Option<Rejection>> {
    read_on(reader, limits, Vec::with_capacity(1024)).await
}

async fn read_proxy_header<R: PollRead>(
    reader: &mut R,
    most: usize,
    bytes: &mut Vec<u8>,
) -> Result<ProxyHeader, Option<Rejection>> {
    loop {
        read_more(reader, bytes).await?;
        let header = ProxyHeader::read(bytes, most).map_err(|_| Some(Rejection::ProxyHeader))?;
        if let Some(header) = header {
            return Ok(header);
        }
    }
}

/// Reads a head of which these bytes are there already.
async fn read_on<R: PollRead>(
    reader: &mut R,
    limits: HeadLimits,
    mut head: Vec<u8>,
) -> Result<Vec<u8>, Option<Rejection>> {
    let (mut scanner, mut followed) = (HeadScanner::new(limits), 0);
    loop {
        if scanner.follow(&head[followed..])?.is_some() {
            return Ok(head);
        }
        followed = head.len();
        read_more(reader, &mut head).await?;
    }
}

async fn read_more<R: PollRead>(reader: &mut R, into: &mut Vec<u8>) -> Result<(), Option<Rejection>> {
    if matches!(read(reader, into).await, Ok(1..)) { Ok(()) } else { Err(None) }
}

/// Appends what comes next, and returns how many bytes; 0 at the end.
pub(super) async fn read<R: PollRead>(reader: &mut R, into: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut buffer = [0; 1024];
        let n = ready!(reader.poll_read(cx, &mut buffer))?;
        into.extend_from_slice(&buffer[..n]);
        Poll::Ready(Ok(n))
    })
    .await
}
