//! Speaks the plain protocol of this project.

use super::kind::Kind;
use super::websocket::{TEXT, masked};

pub(super) fn kind(payload: &[u8]) -> Kind {
    match payload {
        _ if payload.starts_with(br#"{"type":"message""#) => Kind::Delivery,
        _ if payload.starts_with(br#"{"type":"subscribed""#) => Kind::Joined,
        _ if payload.starts_with(br#"{"type":"error""#) => Kind::Refused,
        _ => Kind::Other,
    }
}

pub(super) fn subscribe(out: &mut Vec<u8>, channel: usize, echo: bool) {
    let echo = if echo { "" } else { r#","echo":false"# };
    let text = format!(r#"{{"type":"subscribe","id":1,"channelId":"c-{channel}"{echo}}}"#);
    masked(out, TEXT, text.as_bytes());
}

pub(super) fn resume(out: &mut Vec<u8>, channel: usize, epoch: &str) {
    let since = format!(r#"{{"epoch":"{epoch}","offset":0}}"#);
    let text = format!(r#"{{"type":"subscribe","id":1,"channelId":"c-{channel}","since":{since}}}"#);
    masked(out, TEXT, text.as_bytes());
}

pub(super) fn epoch(payload: &[u8]) -> Option<String> {
    let text = str::from_utf8(payload).ok()?;
    let (_, rest) = text.split_once(r#""epoch":""#)?;
    rest.split('"').next().map(str::to_owned)
}

pub(super) fn publish(out: &mut Vec<u8>, channel: usize, content: &str) {
    let text = format!(r#"{{"type":"publish","channelId":"c-{channel}","content":"{content}"}}"#);
    masked(out, TEXT, text.as_bytes());
}
