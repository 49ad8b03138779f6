//! Speaks the protocol of NATS, in binary WebSocket frames that may hold several messages.

use super::kind::Kind;
use super::websocket::{BINARY, masked};

/// Opens the connection: without answers to publishes, and without its own messages.
const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\n";

pub(super) fn kind(payload: &[u8]) -> Kind {
    match payload {
        _ if payload.starts_with(b"MSG ") => Kind::Delivery,
        _ if payload.starts_with(b"PONG") => Kind::Joined,
        _ if payload.starts_with(b"PING") => Kind::Asked,
        _ if payload.starts_with(b"-ERR") => Kind::Refused,
        _ => Kind::Other,
    }
}

pub(super) fn subscribe(out: &mut Vec<u8>, channel: usize) {
    masked(out, BINARY, format!("{CONNECT}SUB c-{channel} 1\r\nPING\r\n").as_bytes());
}

pub(super) fn introduce(out: &mut Vec<u8>) {
    masked(out, BINARY, format!("{CONNECT}PING\r\n").as_bytes());
}

pub(super) fn publish(out: &mut Vec<u8>, channel: usize, content: &str) {
    masked(out, BINARY, format!("PUB c-{channel} {}\r\n{content}\r\n", content.len()).as_bytes());
}

pub(super) fn reply(out: &mut Vec<u8>) {
    masked(out, BINARY, b"PONG\r\n");
}
