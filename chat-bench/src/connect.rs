//! Opens connections in batches, blocking, before the event loop takes them over.

use crate::account::Account;
use crate::loopback::loopback;
use crate::wire::Wire;
use crate::workload::Shape;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chat_tokio_adapter::Listen;

/// Sets how many connections open at once.
const BATCH: usize = 64;
/// Bounds the time of one step of opening.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bounds the bytes of an answer to a handshake.
const ANSWER: usize = 16 << 10;

/// Names the server's address and its wire, or the addresses of several servers that are one chat.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Names the server's wire.
    pub(crate) wire: Wire,
    addresses: Vec<SocketAddr>,
    path: String,
    /// Keeps the text that was parsed.
    text: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or((text, ""));
        let wire = Wire::of_scheme(scheme).ok_or(
            "a target starts with ws://, centrifuge://, phoenix://, raw://, nats://, sio:// or floor://",
        )?;
        let (hosts, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let addresses = hosts.split(',').map(address).collect::<Result<_, _>>()?;
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { wire, addresses, path: path.to_owned(), text: text.to_owned() })
    }
}

fn address(host: &str) -> Result<SocketAddr, String> {
    let place: Listen = host.parse().map_err(|error| format!("{host}: {error}"))?;
    loopback(&place).map_err(|error| error.to_string())
}

impl Target {
    /// Returns the address for a connection: subscribers are dealt to the servers in turns, and publishers
    /// are all at the first.
    fn address(&self, shape: &Shape, index: usize) -> SocketAddr {
        let turn = if index < shape.subscribers { index } else { 0 };
        self.addresses[turn % self.addresses.len()]
    }
}

/// Holds one connection of the load.
pub(crate) struct Connection {
    /// Holds the socket, which does not block.
    pub(crate) stream: mio::net::TcpStream,
    /// Names the channel of a subscriber; `None` for a publisher.
    pub(crate) channel: Option<usize>,
    /// Tracks the messages that a subscriber received.
    pub(crate) account: Account,
    /// Holds the beginning of an incomplete frame.
    pub(crate) tail: Vec<u8>,
    /// Holds the bytes that are not sent yet.
    pub(crate) out: Vec<u8>,
    /// Counts the subscriptions that the connection asked for.
    pub(crate) joins: usize,
}

/// Opens all subscribers, then all publishers; each sends its subscriptions.
pub(crate) fn open_all(target: &Target, shape: &Shape) -> io::Result<Vec<Connection>> {
    open(target, shape, shape.subscribers + shape.publishers, None)
}

/// Opens all subscribers again; each asks for the messages that it missed in this epoch of its channel.
pub(crate) fn reopen(target: &Target, shape: &Shape, epoch: &str) -> io::Result<Vec<Connection>> {
    open(target, shape, shape.subscribers, Some(epoch))
}

fn open(target: &Target, shape: &Shape, count: usize, epoch: Option<&str>) -> io::Result<Vec<Connection>> {
    let mut connections = Vec::with_capacity(count);
    while connections.len() < count {
        let start = connections.len();
        let mut batch = Vec::with_capacity(BATCH);
        for index in start..count.min(start + BATCH) {
            batch.push(begin(target, target.address(shape, index))?);
        }
        for (index, stream) in (start..).zip(batch) {
            connections.push(finish(target, stream, shape, index, epoch)?);
        }
    }
    Ok(connections)
}

/// Connects, and asks for an upgrade.
fn begin(target: &Target, address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    if target.wire != Wire::Floor {
        let path = &target.path;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
    }
    Ok(stream)
}

/// Reads the answer to the upgrade, and subscribes.
fn finish(
    target: &Target,
    mut stream: TcpStream,
    shape: &Shape,
    index: usize,
    epoch: Option<&str>,
) -> io::Result<Connection> {
    let mut tail = if target.wire == Wire::Floor { Vec::new() } else { upgraded(&mut stream)? };
    let mut out = Vec::new();
    if let Some(answer) = target.wire.greet(&mut out) {
        stream.write_all(&std::mem::take(&mut out))?;
        await_words(&mut stream, answer, &mut tail)?;
    }
    let channel = (index < shape.subscribers).then(|| index / shape.per_channel);
    let joins = match channel {
        Some(channel) => {
            match epoch {
                None => target.wire.subscribe(&mut out, shape.first_channel + channel),
                Some(epoch) => target.wire.resume(&mut out, channel, epoch),
            }
            1
        }
        None => target.wire.introduce(&mut out, &shape.names_of(index - shape.subscribers)),
    };
    stream.write_all(&out)?;
    acknowledge_when_read(&stream)?;
    stream.set_nonblocking(true)?;
    let stream = mio::net::TcpStream::from_std(stream);
    Ok(Connection { stream, channel, account: Account::default(), tail, out: Vec::new(), joins })
}

/// Sets the same mode of acknowledgement on every socket. Otherwise the kernel treats sockets that had a
/// handshake as interactive and acknowledges on the server's core, but for the floor on the load's.
fn acknowledge_when_read(stream: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_quickack(true)
}

/// Reads until these bytes have come, and drops all that was read.
fn await_words(stream: &mut TcpStream, words: &[u8], held: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 1024];
    while !held.windows(words.len()).any(|window| window == words) {
        let size = stream.read(&mut chunk)?;
        if size == 0 || held.len() > ANSWER {
            return Err(io::Error::other("the server did not answer the greeting"));
        }
        held.extend_from_slice(&chunk[..size]);
    }
    held.clear();
    Ok(())
}

/// Reads the answer to the upgrade, and returns the bytes after it.
fn upgraded(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    loop {
        let size = stream.read(&mut chunk)?;
        answer.extend_from_slice(&chunk[..size]);
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            if !answer.starts_with(b"HTTP/1.1 101") {
                break;
            }
            return Ok(answer.split_off(end + 4));
        }
        if size == 0 || answer.len() > ANSWER {
            break;
        }
    }
    let line = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
    Err(io::Error::other(format!("the server did not upgrade: {line:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Workload;

    #[test]
    fn targets_are_on_loopback() {
        let target: Target = "ws://127.0.0.1:80/ws".parse().expect("a target");
        assert_eq!((target.wire, target.path.as_str()), (Wire::Chat, "/ws"));
        let target: Target = "floor://127.0.0.1:81".parse().expect("a target");
        assert_eq!((target.wire, target.addresses[0].port()), (Wire::Floor, 81));
        let target: Target = "ws://127.0.0.1:80,127.0.0.1:81/ws".parse().expect("a target");
        let shape = Workload::IdleFew.shape();
        let ports = [0, 1, shape.subscribers + 1].map(|index| target.address(&shape, index).port());
        assert_eq!(ports, [80, 81, 80]);
        assert!("ws://192.0.2.1:80/ws".parse::<Target>().is_err());
        let target: Target = "ws://localhost:80/ws".parse().expect("a target");
        assert!(target.addresses[0].ip().is_loopback());
        assert!("http://127.0.0.1:80".parse::<Target>().is_err());
    }
}
