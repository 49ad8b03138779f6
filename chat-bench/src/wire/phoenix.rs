//! Speaks Phoenix Channels, V2, in text.

use super::kind::Kind;
use super::websocket::{TEXT, masked};

/// Bounds the bytes of a frame in which its event is looked for.
const HEAD: usize = 64;

pub(super) fn kind(payload: &[u8]) -> Kind {
    let head = &payload[..payload.len().min(HEAD)];
    let holds = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    match payload {
        _ if payload.starts_with(b"[null,null,") && holds(br#","said",{"#) => Kind::Delivery,
        _ if payload.starts_with(br#"["1","1","#) && holds(br#""status":"ok""#) => Kind::Joined,
        _ if holds(br#""status":"error""#) => Kind::Refused,
        _ => Kind::Other,
    }
}

/// Joins a topic; all topics share one join reference.
pub(super) fn subscribe(out: &mut Vec<u8>, channel: usize) {
    masked(out, TEXT, format!(r#"["1","1","c-{channel}","phx_join",{{}}]"#).as_bytes());
}

pub(super) fn publish(out: &mut Vec<u8>, channel: usize, content: &str) {
    let text = format!(r#"["1","2","c-{channel}","said",{{"text":"{content}"}}]"#);
    masked(out, TEXT, text.as_bytes());
}
