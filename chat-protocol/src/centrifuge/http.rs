//! How frames stand in a response of HTTP, for networks where no WebSocket gets through.

use chat_core::{Close, Framing, Kind};

use serde::Deserialize;

use super::encode::push;
use super::protobuf;

/// One object a line, in the body of an answer that does not end.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpStream;

/// One message of Protobuf after the other, each behind its length, in the body of an answer that does not end.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByteStream;

/// Server-sent events: each object is the data of one (WHATWG HTML, §9.2.6).
#[derive(Clone, Copy, Debug, Default)]
pub struct EventStream;

/// What a client says beside the stream that it reads, in the body of a request of its own: text, or bytes of Protobuf.
#[derive(Clone, Debug, Deserialize)]
pub struct Beside<T = String> {
    /// The key of its session.
    #[serde(rename = "session")]
    pub key: String,
    /// The server that it was told of.
    #[serde(default)]
    pub node: String,
    /// A frame of commands.
    #[serde(rename = "data")]
    pub commands: T,
}

impl Beside {
    /// None if it is no such body.
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

impl<T> Beside<T> {
    /// The same, with its commands as what this makes of them.
    pub fn map<U>(self, of: impl FnOnce(T) -> U) -> Beside<U> {
        let Self { key, node, commands } = self;
        Beside { key, node, commands: of(commands) }
    }
}

impl Beside<Vec<u8>> {
    /// Reads a body of Protobuf; none if it is no such body.
    pub fn read_bytes(body: &[u8]) -> Option<Self> {
        let (key, node, commands) = protobuf::read_beside(body)?;
        Some(Self { key, node, commands })
    }
}

/// The first commands of a client that reads server-sent events: it cannot send a body, so they stand in the query.
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
            Kind::Close => farewell(payload).iter().for_each(|close| protobuf::disconnect(close, out)),
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

/// Only text stands in such a stream; a close is said by a push.
fn frame(kind: Kind, payload: &[u8], [before, after]: [&str; 2], out: &mut Vec<u8>) {
    let close = match kind {
        Kind::Text => None,
        Kind::Close => match farewell(payload) {
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

/// The close as such clients know it; none if they are to hear of none, and come back. Codes below 3000 are a WebSocket's own.
fn farewell(payload: &[u8]) -> Option<Close> {
    let (code, reason) = payload.split_first_chunk()?;
    match u16::from_be_bytes(*code) {
        1001 => Some(Close::new(3001, "shutdown")),
        code @ 3000.. => Some(Close::new(code, String::from_utf8_lossy(reason).into_owned())),
        _ => None,
    }
}
