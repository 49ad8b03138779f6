//! Speaks Socket.IO 5 over Engine.IO 4, in text frames.

use super::kind::Kind;
use super::websocket::{TEXT, masked};

/// Begins the answer to [`connect`].
pub(super) const CONNECTED: &[u8] = b"40{";

pub(super) fn kind(payload: &[u8]) -> Kind {
    match payload {
        b"2" => Kind::Asked,
        _ if payload.starts_with(br#"42["message","#) => Kind::Delivery,
        _ if payload.starts_with(br#"42["ok""#) => Kind::Joined,
        _ if payload.starts_with(b"44") => Kind::Refused,
        _ => Kind::Other,
    }
}

pub(super) fn connect(out: &mut Vec<u8>) {
    masked(out, TEXT, b"40");
}

pub(super) fn subscribe(out: &mut Vec<u8>, channel: usize) {
    masked(out, TEXT, format!(r#"42["subscribe","c-{channel}"]"#).as_bytes());
}

pub(super) fn publish(out: &mut Vec<u8>, channel: usize, content: &str) {
    masked(out, TEXT, format!(r#"42["publish",{{"room":"c-{channel}","content":"{content}"}}]"#).as_bytes());
}

pub(super) fn reply(out: &mut Vec<u8>) {
    masked(out, TEXT, b"3");
}
