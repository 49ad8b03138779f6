//! Writes frames into responses of HTTP, and reads the commands that come beside them: for networks where no
//! WebSocket gets through.

use chat_core::Close;
use chat_core::transport::{Framing, Kind};
use serde::Deserialize;

use super::encode::push;
use super::protobuf;

/// Writes one object a line, into the body of a response that does not end.
///
/// ```
/// use chat_core::transport::{Framing, Kind};
/// use chat_protocol::centrifuge::HttpStream;
///
/// let mut body = Vec::new();
/// HttpStream.frame(Kind::Text, b"{}", &mut body);
/// assert_eq!(body, b"{}\n");
/// ```
#[allow(clippy::exhaustive_structs, reason = "a unit, which users write as a value")]
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpStream;

/// Writes one message of Protobuf after the other, each behind its length, into the body of a response that
/// does not end.
///
/// ```
/// use chat_core::transport::{Framing, Kind};
/// use chat_protocol::centrifuge::ByteStream;
///
/// let mut body = Vec::new();
/// ByteStream.frame(Kind::Binary, &[2, 8, 1], &mut body);
/// assert_eq!(body, [2, 8, 1], "the message has its length before it");
/// ```
#[allow(clippy::exhaustive_structs, reason = "a unit, which users write as a value")]
#[derive(Clone, Copy, Debug, Default)]
pub struct ByteStream;

/// Writes server-sent events, each with one object as its data (WHATWG HTML, §9.2.6).
///
/// ```
/// use chat_core::transport::{Framing, Kind};
/// use chat_protocol::centrifuge::EventStream;
///
/// let mut body = Vec::new();
/// EventStream.frame(Kind::Text, b"{}", &mut body);
/// assert_eq!(body, b"data: {}\n\n");
/// ```
#[allow(clippy::exhaustive_structs, reason = "a unit, which users write as a value")]
#[derive(Clone, Copy, Debug, Default)]
pub struct EventStream;

/// Holds commands that a client sends in a request of their own, beside the stream that it reads.
///
/// ```
/// use chat_protocol::centrifuge::Beside;
///
/// let body = br#"{"session":"k-1","node":"n-1","data":"{\"id\":2,\"rpc\":{}}"}"#;
/// let beside = Beside::read(body).expect("a body of this kind");
/// assert_eq!((&*beside.key, &*beside.node), ("k-1", "n-1"));
/// assert_eq!(beside.map(|commands| commands.len()).commands, 17);
/// assert!(Beside::read_bytes(&[10, 1, b'n', 18, 1, b's', 26, 1, 0]).is_some(), "the same in Protobuf");
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Deserialize)]
pub struct Beside<T = String> {
    /// Names the session, as its [`Stream`](super::Stream) does.
    #[serde(rename = "session")]
    pub key: String,
    /// Names the server on which that session is; empty if the client does not tell.
    #[serde(default)]
    pub node: String,
    /// Holds one frame of commands.
    #[serde(rename = "data")]
    pub commands: T,
}

impl Beside {
    /// Reads a body of JSON; none if it is another.
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

impl<T> Beside<T> {
    /// Replaces the commands by what `of` makes of them.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Beside<U> {
        let Self { key, node, commands } = self;
        Beside { key, node, commands: of(commands) }
    }
}

impl Beside<Vec<u8>> {
    /// Reads a body of Protobuf; none if it is another.
    pub fn read_bytes(body: &[u8]) -> Option<Self> {
        let (key, node, commands) = protobuf::beside(body)?;
        Some(Self { key, node, commands })
    }
}

/// Returns the first commands of a client that reads server-sent events: it cannot send a body, so they stand
/// in the query.
///
/// ```
/// use chat_protocol::centrifuge::first_commands;
///
/// let query = Some("cf_connect=%7B%22id%22%3A1%2C%22connect%22%3A%7B%7D%7D");
/// assert_eq!(first_commands(query).as_deref(), Some(r#"{"id":1,"connect":{}}"#));
/// assert_eq!(first_commands(None), None);
/// ```
pub fn first_commands(query: Option<&str>) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query?.as_bytes());
    pairs.find(|(key, _)| key == "cf_connect").map(|(_, commands)| commands.into_owned())
}

impl Framing for HttpStream {
    fn name(&self) -> &'static str {
        "http_stream"
    }

    fn frame(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
        frame(kind, payload, ["", "\n"], out);
    }

    fn answers_pings(&self) -> bool {
        false
    }

    fn answers_closes(&self) -> bool {
        false
    }
}

impl Framing for ByteStream {
    fn name(&self) -> &'static str {
        "byte_stream"
    }

    fn frame(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
        match kind {
            Kind::Binary => out.extend_from_slice(payload),
            Kind::Close => close_of(payload).iter().for_each(|close| protobuf::disconnect(close, out)),
            Kind::Text | Kind::Ping | Kind::Pong => {}
        }
    }

    fn answers_pings(&self) -> bool {
        false
    }

    fn answers_closes(&self) -> bool {
        false
    }
}

impl Framing for EventStream {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn frame(&self, kind: Kind, payload: &[u8], out: &mut Vec<u8>) {
        frame(kind, payload, ["data: ", "\n\n"], out);
    }

    fn answers_pings(&self) -> bool {
        false
    }

    fn answers_closes(&self) -> bool {
        false
    }
}

/// Writes a text, or a close as a push; such a stream holds nothing else.
fn frame(kind: Kind, payload: &[u8], [before, after]: [&str; 2], out: &mut Vec<u8>) {
    let close = match kind {
        Kind::Text => None,
        Kind::Close => match close_of(payload) {
            Some(close) => Some(close),
            None => return,
        },
        Kind::Binary | Kind::Ping | Kind::Pong => return,
    };
    out.reserve(payload.len() + 8);
    out.extend(before.as_bytes());
    match close {
        Some(close) => push::disconnect(&close, out),
        None => out.extend(payload),
    }
    out.extend(after.as_bytes());
}

/// Returns the close as these clients know it; none if they are to come back without one. Codes below 3000
/// are a WebSocket's own.
fn close_of(payload: &[u8]) -> Option<Close> {
    let (code, reason) = payload.split_first_chunk()?;
    match u16::from_be_bytes(*code) {
        1001 => Some(Close::new(3001, "shutdown")),
        code @ 3000.. => Some(Close::new(code, String::from_utf8_lossy(reason).into_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::centrifuge::tests::written;

    #[test]
    fn a_stream_ends_with_a_push_and_an_event_is_one_line() {
        let framed =
            |framing: &dyn Framing, kind, payload: &[u8]| written(|out| framing.frame(kind, payload, out));
        assert_eq!(framed(&HttpStream, Kind::Text, b"{}"), "{}\n");
        assert_eq!(framed(&EventStream, Kind::Text, b"{}"), "data: {}\n\n");
        let close = |close: Close| framed(&HttpStream, Kind::Close, &close.payload());
        assert_eq!(close(Close::SLOW), "{\"push\":{\"disconnect\":{\"code\":3008,\"reason\":\"slow\"}}}\n");
        assert!(close(Close::GOING_AWAY).contains("3001"));
        assert_eq!(close(Close::NORMAL) + &framed(&HttpStream, Kind::Ping, b""), "");
    }

    #[test]
    fn a_stream_of_bytes_holds_replies_as_they_are_and_ends_with_a_push() {
        let framed = |kind, payload: &[u8]| {
            let mut out = Vec::new();
            ByteStream.frame(kind, payload, &mut out);
            out
        };
        assert_eq!(framed(Kind::Binary, &[2, 8, 1]), [2, 8, 1]);
        let close = framed(Kind::Close, &Close::SLOW.payload());
        assert_eq!(close, [&[13, 34, 11, 90, 9, 8, 192, 23, 18, 4][..], b"slow"].concat());
        for (kind, payload) in
            [(Kind::Ping, &b""[..]), (Kind::Text, b"{}"), (Kind::Close, &Close::NORMAL.payload())]
        {
            assert_eq!(framed(kind, payload), [0; 0]);
        }
        let beside = Beside::read_bytes(&[10, 1, b'n', 18, 1, b's', 26, 2, 0xff, 0]).expect("a body");
        assert_eq!((&*beside.node, &*beside.key, beside.commands), ("n", "s", vec![0xff, 0]));
        assert!(Beside::read_bytes(b"{}").is_none());
    }
}
