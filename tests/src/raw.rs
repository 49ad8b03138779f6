//! Sends any bytes to a server.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Holds a socket that sends any bytes.
#[derive(Debug)]
pub struct Raw(TcpStream);

/// Lists the headers of a valid handshake, without `Host`.
pub const HANDSHAKE: [(&str, &str); 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// Bounds the time of a read.
const PATIENCE: Duration = Duration::from_secs(30);

impl Raw {
    /// Connects.
    ///
    /// # Panics
    /// Panics, as all methods here do, if the server does not answer.
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self(socket)
    }

    /// Connects and opens a WebSocket.
    pub fn open(address: SocketAddr, target: &str) -> Self {
        let mut raw = Self::connect(address);
        raw.send(request("GET", target, address, &HANDSHAKE).as_bytes());
        assert_eq!(raw.status(), 101);
        raw
    }

    /// Sends bytes. A server that has closed the connection is no failure.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }

    /// Sends bytes; returns false if the server has closed the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Ends the sending side of the socket.
    pub fn end(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Reads the head of an answer, and returns its status; 0 if there is none.
    pub fn status(&mut self) -> u16 {
        let head = self.head();
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Returns the [`status`](Self::status), and reads the body of that length too.
    pub fn answer(&mut self) -> u16 {
        let head = self.head().to_lowercase();
        let length =
            head.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next()?.parse().ok());
        let _ = self.0.read_exact(&mut vec![0; length.unwrap_or_default()]);
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Reads the head of an answer; empty if there is none.
    pub fn head(&mut self) -> String {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return String::new(),
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    /// Reads the next frame of the server: its first byte and its payload; none at the end.
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.array()?)),
            127 => u64::from_be_bytes(self.array()?),
            short => u64::from(short),
        };
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[0], payload))
    }

    /// Returns the code of the server's close, whatever comes before; none if the connection ends without
    /// one.
    pub fn close_code(&mut self) -> Option<u16> {
        loop {
            if let (0x88, payload) = self.frame()? {
                return payload.first_chunk().map(|code| u16::from_be_bytes(*code));
            }
        }
    }

    /// Tells whether the server has ended the connection, with nothing left to read.
    ///
    /// # Panics
    /// Panics if the server sent something instead.
    pub fn is_over(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        let over = match self.0.read(&mut [0]) {
            Ok(0) => true,
            Ok(_) => panic!("it said something"),
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        self.0.set_read_timeout(Some(PATIENCE)).expect("a socket");
        over
    }

    /// Tells whether the server has answered something by now.
    pub fn is_answered(&mut self) -> bool {
        self.0.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
        let answered = self.0.peek(&mut [0]).is_ok_and(|bytes| bytes > 0);
        self.0.set_read_timeout(Some(PATIENCE)).expect("a socket");
        answered
    }

    /// Reads this number of bytes.
    ///
    /// # Panics
    /// Panics if the connection ends before.
    pub fn hear(&mut self, bytes: usize) -> Vec<u8> {
        let mut heard = vec![0; bytes];
        self.0.read_exact(&mut heard).expect("it says more");
        heard
    }

    /// Reads all that the server sends up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest);
        rest
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Requests a path, and returns the whole answer, head and body.
///
/// # Panics
/// Panics if the answer is not text.
pub fn get(address: SocketAddr, path: &str) -> String {
    let mut raw = Raw::connect(address);
    raw.send(request("GET", path, address, &[("Connection", "close")]).as_bytes());
    let mut answer = String::new();
    raw.0.read_to_string(&mut answer).expect("text");
    answer
}

/// Returns the head of a request, with the right `Host`.
pub fn request(method: &str, target: &str, host: SocketAddr, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n")
}

/// Returns a client's frame, masked, with this first byte (such as `0x81`, a whole text) and payload.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [7, 11, 13, 17];
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Posts JSON to a path with these headers, and returns the status and the JSON of the answer, or null.
///
/// # Panics
/// Panics if the answer has no head.
pub fn post_json(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let length = body.len().to_string();
    let own = [("content-length", length.as_str()), ("connection", "close")];
    let mut raw = Raw::connect(address);
    raw.send(format!("{}{body}", request("POST", path, address, &[headers, &own].concat())).as_bytes());
    let answer = String::from_utf8_lossy(&raw.rest()).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
}
