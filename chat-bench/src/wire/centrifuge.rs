//! Speaks the client protocol of Centrifuge, in JSON.

use super::kind::Kind;
use super::websocket::{TEXT, masked};

/// Opens the session; further commands may follow in the same frame.
const CONNECT: &str = r#"{"id":1,"connect":{}}"#;

pub(super) fn kind(payload: &[u8]) -> Kind {
    let holds = |word: &[u8]| payload.windows(word.len()).any(|window| window == word);
    match payload {
        b"{}" => Kind::Asked,
        _ if payload.starts_with(br#"{"push":"#) => Kind::Delivery,
        _ if holds(br#""error":"#) => Kind::Refused,
        _ if holds(br#""subscribe":"#) => Kind::Joined,
        _ => Kind::Other,
    }
}

pub(super) fn subscribe(out: &mut Vec<u8>, channel: usize) {
    masked(out, TEXT, format!("{CONNECT}\n{}", wish(channel)).as_bytes());
}

/// Connects and joins all channels, since only members may publish.
pub(super) fn introduce(out: &mut Vec<u8>, channels: &[usize]) {
    masked(out, TEXT, CONNECT.as_bytes());
    channels.iter().for_each(|&channel| masked(out, TEXT, wish(channel).as_bytes()));
}

fn wish(channel: usize) -> String {
    format!(r#"{{"id":2,"subscribe":{{"channel":"c-{channel}"}}}}"#)
}

pub(super) fn publish(out: &mut Vec<u8>, channel: usize, content: &str) {
    let text = format!(r#"{{"id":3,"publish":{{"channel":"c-{channel}","data":"{content}"}}}}"#);
    masked(out, TEXT, text.as_bytes());
}

pub(super) fn reply(out: &mut Vec<u8>) {
    masked(out, TEXT, b"{}");
}
