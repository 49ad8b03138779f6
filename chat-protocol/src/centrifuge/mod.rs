//! The client protocol of Centrifuge and Centrifugo, version 2, in JSON and in Protobuf: for their clients as they are.
//!
//! ```text
//!   decode    what clients say, and what that comes to
//!   context   what of a command its answer needs
//!   encode    what they are answered, and what they hear unasked
//!   protobuf  the same in Protobuf
//!   http      how frames stand in HTTP streams and in server-sent events
//! ```

#[cfg(test)]
mod as_published;
mod context;
mod decode;
mod encode;
mod http;
mod protobuf;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chat_core::{
    Answer, BadRequest, ChannelId, Close, Command, Frames, Greeting, Limits, Message, Offset, Opener,
    PresenceChange, Protocol, Publication, Refusal, Reply, Request, SessionId, Talk, Welcome,
};

pub use encode::reply::{no_history, result};
use encode::{push, reply};
pub use http::{Beside, ByteStream, EventStream, HttpStream, first_commands};
use protobuf::Protobuf;

/// The protocol. Its pings are `{}`, which clients answer with the same.
///
/// The clients' `name` says which library they are, so it is nobody's name; who no token names may say `{"name":"ann"}` in `data`.
#[derive(Clone, Debug, Default)]
pub struct Centrifuge {
    stream: Option<Stream>,
    /// WebSocket's own pings ask whether a client is there that does not know the protocol's.
    frame_pings: bool,
}

/// How a client that reads a stream says what it says beside it.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Names its session: whoever knows it speaks for that.
    pub key: Arc<str>,
    /// Names the server, for as long as it runs.
    pub node: Arc<str>,
}

impl Centrifuge {
    /// For a session whose client sends its commands beside the stream that it reads, as it is told when it connects.
    pub fn beside(stream: Stream) -> Self {
        Self { stream: Some(stream), frame_pings: false }
    }

    /// The same in Protobuf.
    pub fn in_protobuf(self) -> Arc<dyn Protocol> {
        Arc::new(Protobuf(self))
    }
}

impl Protocol for Centrifuge {
    fn name(&self) -> &'static str {
        "centrifuge"
    }

    /// Who wants Protobuf, by subprotocol or by query, gets it. Tools that answer no pings but WebSocket's own say `cf_ws_frame_ping_pong=true`.
    fn welcome(&self, opening: &Opener<'_>) -> Option<Welcome> {
        let offers = |name: &str| opening.subprotocols.iter().any(|offered| offered == name);
        let query = opening.query.unwrap_or_default();
        let wants = |pair: &str| query.split('&').any(|each| each == pair);
        let chosen = ["centrifuge-protobuf", "centrifuge-json"].into_iter().find(|name| offers(name));
        let bytes = chosen == Some("centrifuge-protobuf")
            || wants("format=protobuf")
            || wants("cf_protocol=protobuf");
        let spoken = Self { frame_pings: wants("cf_ws_frame_ping_pong=true"), ..self.clone() };
        let protocol = match bytes {
            true => Some(spoken.in_protobuf()),
            false => spoken.frame_pings.then(|| Arc::new(spoken) as Arc<dyn Protocol>),
        };
        Some(Welcome { subprotocol: chosen, protocol, ..Welcome::default() })
    }

    fn greeting(&self) -> Greeting {
        Greeting::First
    }

    fn message_bytes(&self, limits: &Limits) -> usize {
        limits.batch_bytes()
    }

    fn talk(&self, session: SessionId, limits: &Limits) -> Box<dyn Talk> {
        Box::new(Conversation::new(session, self.clone(), limits))
    }

    fn encode_publication(&self, publication: &Publication, out: &mut Frames<'_>) {
        out.text(|out| push::publication(publication, out));
    }

    fn presence_by_session(&self) -> bool {
        true
    }

    /// One frame a session. A user who is there and changes its name or data has no words.
    fn encode_presence(&self, channel: &ChannelId, change: &PresenceChange, out: &mut Frames<'_>) {
        change.departed.iter().for_each(|who| out.text(|out| push::moved(channel, "leave", who, out)));
        change.arrived.iter().for_each(|who| out.text(|out| push::moved(channel, "join", who, out)));
    }
}

/// One session's side.
struct Conversation {
    session: SessionId,
    stream: Option<Stream>,
    /// Seconds from one of the protocol's pings to the next; 0 if there are none.
    ping: u64,
    /// How deep its JSON may be.
    depth: usize,
    /// Bytes that a command may have.
    most: usize,
    /// It has said `connect`.
    greeted: bool,
    /// Where it was in channels that the server may put it into.
    since: Vec<(ChannelId, Offset)>,
}

/// What one command is.
enum Heard {
    /// An answer to a ping.
    Pong,
    /// A command.
    Request(Request),
}

impl Conversation {
    fn new(session: SessionId, spoken: Centrifuge, limits: &Limits) -> Self {
        let Centrifuge { stream, frame_pings } = spoken;
        let seconds = limits.ping_interval.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
        let ping = if frame_pings { 0 } else { seconds };
        let (depth, most) = (limits.json_depth, limits.message_bytes);
        Self { session, stream, ping, depth, most, greeted: false, since: Vec::new() }
    }

    fn hear(&mut self, heard: Heard) -> Result<Option<Request>, BadRequest> {
        let Heard::Request(request) = heard else { return Ok(None) };
        match &request.command {
            Command::Connect(connect) => {
                self.greeted = true;
                self.since = connect.since.iter().map(|(name, since)| (name.clone(), since.offset)).collect();
            }
            _ if !self.greeted => return Err(malformed("the first command is connect")),
            _ => {}
        }
        Ok(Some(request))
    }

    fn fits(&self, bytes: usize) -> Result<(), BadRequest> {
        if bytes <= self.most {
            return Ok(());
        }
        let refusal = Refusal::bad_request(format!("a command has at most {} bytes", self.most));
        Err(BadRequest { close: Some(Close::TOO_BIG), ..BadRequest::new(None, refusal) })
    }

    fn greeting(&mut self) -> reply::Greeting<'_> {
        let since = std::mem::take(&mut self.since);
        reply::Greeting { stream: self.stream.as_ref(), ping: self.ping, since }
    }
}

/// False if it ends the session: what comes after it is not looked at.
fn take(heard: Result<Option<Request>, BadRequest>, requests: &mut Vec<Result<Request, BadRequest>>) -> bool {
    let ends = matches!(&heard, Err(bad) if bad.close.is_some());
    requests.extend(heard.transpose());
    !ends
}

impl Talk for Conversation {
    fn decode(&mut self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        let text = match message {
            Message::Text(text) => Ok(text),
            Message::Binary(bytes) => std::str::from_utf8(bytes),
        };
        let Ok(text) = text else { return requests.push(Err(malformed("commands are text"))) };
        let mut lines = text.split('\n').filter(|line| !line.trim_ascii().is_empty()).peekable();
        if lines.peek().is_none() {
            return requests.push(Err(malformed("a frame has a command")));
        }
        for line in lines {
            let read = self.fits(line.len()).and_then(|()| decode::read(line, self.depth));
            let heard = read.and_then(|heard| self.hear(heard));
            if !take(heard, requests) {
                return;
            }
        }
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        match (&reply.id, &reply.answer) {
            (Some(id), Answer::Connected(connected)) => {
                let greeting = self.greeting();
                out.text(|out| reply::connected(id, connected, &greeting, out));
            }
            (Some(id), answer) if reply::has_words(id, answer) => {
                out.text(|out| reply::reply(id, self.session, answer, out));
            }
            (None, answer) if push::has_words(answer) => out.text(|out| push::unasked(answer, out)),
            _ => {}
        }
    }

    fn encode_ping(&mut self, out: &mut Frames<'_>) {
        if self.ping > 0 {
            out.text(|out| out.extend(b"{}"));
        }
    }
}

/// What is no command ends the session, as clients expect: it would mean two sides that do not understand each other.
fn malformed(why: impl Into<String>) -> BadRequest {
    BadRequest { close: Some(Close::BAD_REQUEST), ..BadRequest::new(None, Refusal::bad_request(why)) }
}
