//! Publishes over the HTTP API of a server, and keeps what was acknowledged.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::listener::Place;

/// Holds one connection to the API, which is opened again when it is lost.
pub(super) struct Speaker {
    address: SocketAddr,
    line: Option<BufReader<TcpStream>>,
}

impl Speaker {
    pub(super) fn to(address: SocketAddr) -> Self {
        Self { address, line: None }
    }

    /// Publishes a number; returns its place if it is acknowledged.
    pub(super) fn publish(&mut self, channel: &str, content: u64) -> Option<Place> {
        let answer = self.ask(&json!({ "channel": channel, "data": content }))?;
        let epoch = answer["result"]["epoch"].as_str()?.to_owned();
        Some((channel.to_owned(), epoch, answer["result"]["offset"].as_u64()?))
    }

    fn ask(&mut self, body: &Value) -> Option<Value> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => BufReader::new(TcpStream::connect(self.address).ok()?),
        };
        line.get_ref().set_read_timeout(Some(Duration::from_secs(20))).ok()?;
        let body = body.to_string();
        let head = format!(
            "POST /api/publish HTTP/1.1\r\nHost: {}\r\nX-API-Key: key\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        );
        line.get_mut().write_all(head.as_bytes()).ok()?;
        let answer = read_answer(&mut line)?;
        self.line = Some(line);
        serde_json::from_slice(&answer).ok()
    }

    /// Publishes so many numbers a second until the time is over; returns what was acknowledged.
    pub(super) fn speak(
        &mut self,
        channels: &[String],
        each: Duration,
        until: impl Fn() -> bool,
        number: impl Fn() -> u64,
    ) -> Vec<(Place, u64)> {
        let (mut said, mut next) = (Vec::new(), Instant::now());
        while !until() {
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            // What could not be said in time is not said later.
            next = (next + each).max(Instant::now());
            let content = number();
            let channel = &channels[fastrand::usize(..channels.len())];
            said.extend(self.publish(channel, content).map(|place| (place, content)));
        }
        said
    }
}

fn read_answer(line: &mut impl BufRead) -> Option<Vec<u8>> {
    let (mut length, mut head) = (0, String::new());
    loop {
        head.clear();
        line.read_line(&mut head).ok().filter(|bytes| *bytes > 0)?;
        if let Some(value) = head.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if head == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    line.read_exact(&mut body).ok()?;
    Some(body)
}
