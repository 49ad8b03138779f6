//! Serves the floor, the least a server can do: reads a message, and sends it to each subscriber.
//!
//! A client's first line is `S <channel>` (answered with an empty frame) or `P`. A publisher then sends
//! `u32 channel, u32 length, bytes`, a subscriber gets `u32 length, bytes`, all little-endian.

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;

const LISTENER: Token = Token(usize::MAX);
/// Bounds the bytes that wait for a subscriber; more close it.
const WAITING: usize = 16 << 20;
/// Bounds the bytes of a message, and the number of channels.
const LONGEST: usize = 64 << 10;
const CHANNELS: usize = 1 << 20;
/// Bounds the connections that wait to be accepted, beside the kernel's own bound.
const BACKLOG: i32 = 16 << 10;

enum Role {
    Unknown,
    Subscriber(usize),
    Publisher,
}

struct Peer {
    stream: TcpStream,
    role: Role,
    held: Vec<u8>,
    waiting: Vec<u8>,
}

struct Floor {
    poll: Poll,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    channels: Vec<Vec<usize>>,
    scratch: Vec<u8>,
    frames: Vec<u8>,
    join: usize,
}

/// Serves until the process is killed.
pub(crate) fn serve(listen: SocketAddr, join: usize) -> io::Result<()> {
    let mut listener = TcpListener::bind(listen)?;
    // Clients without a handshake do not wait for answers: more connect at once than the default backlog
    // holds, and those beyond it would try again a second later.
    SockRef::from(&listener).listen(BACKLOG)?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut floor = Floor {
        poll,
        peers: Vec::new(),
        free: Vec::new(),
        channels: Vec::new(),
        scratch: vec![0; 256 << 10],
        frames: Vec::new(),
        join,
    };
    let mut events = Events::with_capacity(1024);
    loop {
        match floor.poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener)?,
                Token(index) => floor.turn(index, event.is_writable(), event.is_read_closed()),
            }
        }
    }
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.peers.len());
            self.poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            let peer = Peer { stream, role: Role::Unknown, held: Vec::new(), waiting: Vec::new() };
            if index == self.peers.len() {
                self.peers.push(None);
            }
            self.peers[index] = Some(peer);
        }
    }

    /// Handles the events of one peer, and closes it on an error.
    fn turn(&mut self, index: usize, writable: bool, closed: bool) {
        let Some(peer) = self.peers.get_mut(index).and_then(Option::as_mut) else { return };
        let flushed = if writable { flush(&self.poll, index, peer) } else { Ok(()) };
        if flushed.and_then(|()| self.receive(index, closed)).is_err() {
            self.close(index);
        }
    }

    fn receive(&mut self, index: usize, closed: bool) -> io::Result<()> {
        loop {
            let Some(peer) = self.peers[index].as_mut() else { return Ok(()) };
            let size = match peer.stream.read(&mut self.scratch) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(size) => size,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let mut held = std::mem::take(&mut peer.held);
            held.extend_from_slice(&self.scratch[..size]);
            let used = self.take(index, &held)?;
            held.drain(..used);
            if let Some(peer) = self.peers[index].as_mut() {
                peer.held = held;
            }
            // A short read has emptied the socket; further bytes raise another event.
            if size < self.scratch.len() && !closed {
                return Ok(());
            }
        }
    }

    /// Handles all complete input, and returns how many bytes that was.
    fn take(&mut self, index: usize, bytes: &[u8]) -> io::Result<usize> {
        let Some(peer) = self.peers[index].as_mut() else { return Ok(0) };
        match peer.role {
            Role::Subscriber(_) => Ok(bytes.len()),
            Role::Publisher => self.relay(bytes),
            Role::Unknown => {
                let Some(end) = bytes.iter().take(32).position(|&byte| byte == b'\n') else { return Ok(0) };
                self.introduce(index, &bytes[..end])?;
                Ok(end + 1 + self.take(index, &bytes[end + 1..])?)
            }
        }
    }

    fn introduce(&mut self, index: usize, line: &[u8]) -> io::Result<()> {
        let Some(peer) = self.peers[index].as_mut() else { return Ok(()) };
        if line == b"P" {
            peer.role = Role::Publisher;
            return Ok(());
        }
        let number =
            std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("S ")?.parse::<usize>().ok());
        let Some(channel) = number.filter(|&channel| channel < CHANNELS) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        peer.role = Role::Subscriber(channel);
        if self.channels.len() <= channel {
            self.channels.resize_with(channel + 1, Vec::new);
        }
        self.channels[channel].push(index);
        send(&self.poll, index, peer, &0_u32.to_le_bytes())
    }

    /// Sends consecutive messages of one channel together.
    fn relay(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (mut used, mut count, mut current) = (0, 0, 0);
        while let Some((channel, frame)) = message(&bytes[used..])? {
            if count == self.join || channel != current {
                self.send_joined(current);
                count = 0;
            }
            self.frames.extend_from_slice(&bytes[used..][frame.clone()]);
            (used, count, current) = (used + frame.end, count + 1, channel);
        }
        self.send_joined(current);
        Ok(used)
    }

    fn send_joined(&mut self, channel: usize) {
        let mut failed = Vec::new();
        if !self.frames.is_empty() {
            for &index in self.channels.get(channel).map_or(&[][..], Vec::as_slice) {
                let Some(peer) = self.peers[index].as_mut() else { continue };
                if send(&self.poll, index, peer, &self.frames).is_err() {
                    failed.push(index);
                }
            }
        }
        self.frames.clear();
        failed.into_iter().for_each(|index| self.close(index));
    }

    fn close(&mut self, index: usize) {
        let Some(mut peer) = self.peers[index].take() else { return };
        // Dropping the socket closes it in any case.
        let _ = self.poll.registry().deregister(&mut peer.stream);
        if let Role::Subscriber(channel) = peer.role {
            self.channels[channel].retain(|&other| other != index);
        }
        self.free.push(index);
    }
}

/// Finds the first message: its channel, and the range of its length and bytes.
fn message(bytes: &[u8]) -> io::Result<Option<(usize, Range<usize>)>> {
    let (Some(channel), Some(length)) = (bytes.first_chunk(), bytes.get(4..).and_then(<[u8]>::first_chunk))
    else {
        return Ok(None);
    };
    let (channel, length) = (u32::from_le_bytes(*channel) as usize, u32::from_le_bytes(*length) as usize);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((bytes.len() >= 8 + length).then_some((channel, 4..8 + length)))
}

/// Sends the bytes that the socket takes at once, and keeps the rest.
fn send(poll: &Poll, index: usize, peer: &mut Peer, bytes: &[u8]) -> io::Result<()> {
    if !peer.waiting.is_empty() {
        peer.waiting.extend_from_slice(bytes);
        let full = peer.waiting.len() > WAITING;
        return if full { Err(io::ErrorKind::OutOfMemory.into()) } else { Ok(()) };
    }
    let sent = match peer.stream.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        other => other?,
    };
    if sent < bytes.len() {
        peer.waiting.extend_from_slice(&bytes[sent..]);
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().reregister(&mut peer.stream, Token(index), both)?;
    }
    Ok(())
}

/// Sends the bytes that were kept.
fn flush(poll: &Poll, index: usize, peer: &mut Peer) -> io::Result<()> {
    while !peer.waiting.is_empty() {
        match peer.stream.write(&peer.waiting) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            other => drop(peer.waiting.drain(..other?)),
        }
    }
    peer.waiting = Vec::new();
    poll.registry().reregister(&mut peer.stream, Token(index), Interest::READABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_once_it_is_complete() {
        let bytes = [7, 0, 0, 0, 2, 0, 0, 0, b'h', b'i'];
        assert!((0..bytes.len()).all(|end| message(&bytes[..end]).expect("a message").is_none()));
        assert_eq!(message(&bytes).expect("a message"), Some((7, 4..10)));
        assert!(message(&[0, 0, 0, 0, 255, 255, 255, 255]).is_err());
    }
}
