//! Reads many frames at little cost.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::raw::{HANDSHAKE, frame, request};

/// Is a client of the plain protocol that finds numbers in frames without parsing them, so that many clients
/// are little load.
#[derive(Debug)]
pub struct Light {
    socket: TcpStream,
    /// Holds bytes of the socket; those from `read` to `taken` are not read yet.
    bytes: Vec<u8>,
    read: usize,
    taken: usize,
}

/// Tells the meaning of a frame, as far as the client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Is a message, with its offset.
    Message(u64),
    /// Is a gap: a range of messages that the client does not get.
    Gap(u64, u64),
    /// Is any other frame.
    Other(String),
    /// Is a close, with its code.
    Close(u16),
    /// Is the end of the connection.
    End,
}

impl Light {
    /// Connects and opens a WebSocket, with a small kernel buffer for unread bytes.
    ///
    /// # Panics
    /// Panics if the server does not answer.
    pub fn open(address: SocketAddr, target: &str) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(16 * 1024).expect("a socket");
        socket.connect(&address.into()).expect("it listens");
        let mut socket = TcpStream::from(socket);
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        socket.write_all(request("GET", target, address, &HANDSHAKE).as_bytes()).expect("it takes a request");
        let mut light = Self { socket, bytes: Vec::new(), read: 0, taken: 0 };
        let head = loop {
            assert!(light.fill(1024), "it answers the handshake");
            let end = light.unread().windows(4).position(|end| end == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
        };
        assert!(light.unread().starts_with(b"HTTP/1.1 101"), "it lets in");
        light.read = head;
        light
    }

    /// Sends a request. A server that is gone is no failure.
    pub fn say(&mut self, text: &str) {
        let _ = self.socket.write_all(&frame(0x81, text.as_bytes()));
    }

    /// Returns the next frame.
    pub fn hear(&mut self) -> Said {
        self.hear_by(64 * 1024)
    }

    /// Returns the next frame, and takes at most this many bytes at once from the socket.
    pub fn hear_by(&mut self, most: usize) -> Said {
        loop {
            if let Some((first, payload)) = self.parse() {
                match understand(first, payload) {
                    Some(said) => return said,
                    None => continue,
                }
            }
            if !self.fill(most) {
                return Said::End;
            }
        }
    }

    /// Takes at most this many bytes from the socket; returns false if there will be no more.
    pub fn fill(&mut self, most: usize) -> bool {
        if self.read == self.taken {
            (self.read, self.taken) = (0, 0);
        }
        let end = self.taken + most;
        if self.bytes.len() < end {
            self.bytes.copy_within(self.read..self.taken, 0);
            (self.read, self.taken) = (0, self.taken - self.read);
            self.bytes.resize(self.bytes.len().max(self.taken + most), 0);
        }
        let room = &mut self.bytes[self.taken..];
        let most = most.min(room.len());
        let more = self.socket.read(&mut room[..most]).unwrap_or(0);
        self.taken += more;
        more > 0
    }

    fn unread(&self) -> &[u8] {
        &self.bytes[self.read..self.taken]
    }

    /// Returns the next complete frame that was taken.
    fn parse(&mut self) -> Option<(u8, &[u8])> {
        let (&[first, length], after) = self.unread().split_first_chunk::<2>()?;
        let (length, head) = match length {
            126 => (u64::from(u16::from_be_bytes(*after.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*after.first_chunk()?), 10),
            short => (u64::from(short), 2),
        };
        let (start, end) = (self.read + head, self.read + head + length as usize);
        if end > self.taken {
            return None;
        }
        self.read = end;
        Some((first, &self.bytes[start..end]))
    }
}

/// Returns the meaning of a frame; none for control frames.
fn understand(first: u8, payload: &[u8]) -> Option<Said> {
    let text = || String::from_utf8_lossy(&payload[..payload.len().min(300)]).into_owned();
    Some(match first {
        0x88 => Said::Close(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
        0x81 if payload.starts_with(br#"{"type":"message""#) => {
            Said::Message(number(&text(), "offset").expect("a message has an offset"))
        }
        0x81 if payload.starts_with(br#"{"type":"lost""#) => {
            let text = text();
            Said::Gap(number(&text, "from").expect("a first"), number(&text, "to").expect("a last"))
        }
        0x81 => Said::Other(text()),
        _ => return None,
    })
}

/// Finds a number in a frame.
pub fn number(text: &str, field: &str) -> Option<u64> {
    let (_, rest) = text.split_once(&format!("\"{field}\":"))?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// Finds a string without escapes in a frame.
pub fn word(text: &str, field: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\"{field}\":\""))?;
    rest.split_once('"').map(|(word, _)| word.to_owned())
}
