//! Remembers of one session whether it has connected, and where it was before. Reads and writes JSON.

use chat_core::protocol::{
    Answer, BadRequest, Command, Frames, Message, Reply, Request, Requests, SessionCodec,
};
use chat_core::{ChannelId, Close, Limits, Offset, Refusal, SessionId};

use super::context::{ConnectContext, Stream};
use super::decode::{self, Decoded, malformed};
use super::encode::{push, reply};

/// Holds how the protocol is spoken with one client, as the opening of its transport decides.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) stream: Option<Stream>,
    /// Tells that WebSocket's own pings ask whether the client is there, which does not know the protocol's.
    pub(super) frame_pings: bool,
}

/// Remembers of a session what both encodings have to know.
#[derive(Debug)]
pub(super) struct State {
    pub(super) session: SessionId,
    /// Bounds the levels of arrays and objects in JSON.
    pub(super) depth: usize,
    stream: Option<Stream>,
    /// Counts the seconds from one of the protocol's pings to the next; 0 if there are none.
    ping: u64,
    /// Bounds the bytes of a command.
    command_bytes: usize,
    connected: bool,
    /// Holds where the client was in channels into which the server may put it.
    since: Vec<(ChannelId, Offset)>,
}

/// Reads the commands of one session in JSON, and writes its replies.
#[derive(Debug)]
pub(super) struct Session(State);

impl State {
    pub(super) fn new(session: SessionId, options: Options, limits: &Limits) -> Self {
        let Options { stream, frame_pings } = options;
        let seconds = limits.ping_interval.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
        Self {
            session,
            depth: limits.json_depth,
            stream,
            ping: if frame_pings { 0 } else { seconds },
            command_bytes: limits.message_bytes,
            connected: false,
            since: Vec::new(),
        }
    }

    /// Refuses a command that is too long, and ends the session.
    pub(super) fn check_length(&self, bytes: usize) -> Result<(), BadRequest> {
        if bytes <= self.command_bytes {
            return Ok(());
        }
        let refusal = Refusal::bad_request(format!("a command has at most {} bytes", self.command_bytes));
        Err(BadRequest::new(None, refusal).with_close(Close::TOO_BIG))
    }

    /// Adds a command to the requests. Returns false if no further command is read, because this one ends the
    /// session or is one too many.
    pub(super) fn push(&mut self, decoded: Result<Decoded, BadRequest>, requests: &mut Requests) -> bool {
        let request = decoded.and_then(|decoded| self.accept(decoded));
        let ends = matches!(&request, Err(bad) if bad.close.is_some());
        match request.transpose() {
            Some(request) => requests.push(request),
            None => requests.count(),
        }
        !ends && !requests.is_full()
    }

    fn accept(&mut self, decoded: Decoded) -> Result<Option<Request>, BadRequest> {
        let Decoded::Request(request) = decoded else { return Ok(None) };
        match &request.command {
            Command::Connect(connect) => {
                self.connected = true;
                self.since = connect.since.iter().map(|(name, since)| (name.clone(), since.offset)).collect();
            }
            _ if !self.connected => return Err(malformed("the first command is connect")),
            _ => {}
        }
        Ok(Some(request))
    }

    /// Takes what the reply to a connect adds.
    pub(super) fn connect_context(&mut self) -> ConnectContext<'_> {
        let since = std::mem::take(&mut self.since);
        ConnectContext { stream: self.stream.as_ref(), ping: self.ping, since }
    }

    pub(super) fn pings(&self) -> bool {
        self.ping > 0
    }
}

impl Session {
    pub(super) fn new(state: State) -> Self {
        Self(state)
    }
}

impl SessionCodec for Session {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
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
            let decoded = self.0.check_length(line.len()).and_then(|()| decode::read(line, self.0.depth));
            if !self.0.push(decoded, requests) {
                return;
            }
        }
    }

    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        match (&reply.id, &reply.answer) {
            (Some(id), Answer::Connected(connected)) => {
                let context = self.0.connect_context();
                out.text(|out| reply::connected(id, connected, &context, out));
            }
            (Some(id), answer) if reply::is_sent(id, answer) => {
                out.text(|out| reply::reply(id, self.0.session, answer, out));
            }
            (None, answer) if push::is_sent(answer) => out.text(|out| push::unasked(answer, out)),
            _ => {}
        }
    }

    fn encode_ping(&mut self, out: &mut Frames<'_>) {
        if self.0.pings() {
            out.text(|out| out.extend(b"{}"));
        }
    }
}
