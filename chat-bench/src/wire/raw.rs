//! Speaks the bare wire: `S <channel>`, `P`, then `<channel> <content>`; the server sends the content alone.

use super::content::MARKER;
use super::kind::Kind;
use super::websocket::{TEXT, masked};

pub(super) fn kind(payload: &[u8]) -> Kind {
    match payload {
        b"ok" => Kind::Joined,
        _ if payload.starts_with(MARKER) => Kind::Delivery,
        _ => Kind::Other,
    }
}

pub(super) fn subscribe(out: &mut Vec<u8>, channel: usize) {
    masked(out, TEXT, format!("S {channel}").as_bytes());
}

pub(super) fn publish(out: &mut Vec<u8>, channel: usize, content: &str) {
    masked(out, TEXT, format!("{channel} {content}").as_bytes());
}
