//! Runs many clients at once on blocking sockets, a thread each.

use std::net::{SocketAddr, TcpStream};
use std::thread;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// Is a client of the plain protocol that waits for every answer.
pub struct Member(WebSocket<TcpStream>);

impl Member {
    /// Connects under a name.
    ///
    /// # Panics
    /// Panics, as all methods here do, if the server does not behave as expected.
    pub fn connect(address: SocketAddr, name: &str) -> Self {
        Self::connect_to(address, &format!("/?name={name}"))
    }

    /// Connects to a path.
    pub fn connect_to(address: SocketAddr, target: &str) -> Self {
        let socket = TcpStream::connect(address).expect("it listens");
        socket.set_nodelay(true).expect("a socket");
        Self(tungstenite::client(format!("ws://{address}{target}"), socket).expect("a handshake").0)
    }

    /// Sends a request.
    pub fn say(&mut self, request: &Value) {
        self.0.send(Message::text(request.to_string())).expect("it takes requests");
    }

    /// Returns the next frame.
    pub fn hear(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().expect("it says something") {
                return serde_json::from_str(&text).expect("JSON");
            }
        }
    }

    /// Joins a channel.
    pub fn subscribe(&mut self, channel: &str) {
        self.say(&json!({"type":"subscribe","channelId":channel}));
        assert_eq!(self.hear()["type"], "subscribed");
    }

    /// Publishes numbered messages, at most `window` of them without an answer.
    pub fn publish_all(&mut self, channel: &str, count: u64, window: u64) {
        for n in 0..count + window {
            if n < count {
                self.say(&json!({"type":"publish","id":n,"channelId":channel,"content":n}));
            }
            if n >= window {
                let answer = self.hear();
                assert_eq!((&answer["type"], &answer["id"]), (&json!("published"), &json!(n - window)));
            }
        }
    }
}

/// Runs `count` members at once, each on a thread of its own, and collects their results.
///
/// # Panics
/// Panics if one of them does.
pub fn at_once<T: Send>(count: usize, member: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let member = &member;
    thread::scope(|scope| {
        let all: Vec<_> = (0..count).map(|n| scope.spawn(move || member(n))).collect();
        all.into_iter().map(|thread| thread.join().expect("no member panics")).collect()
    })
}
