//! The calls of one session: what each has been told, and what it still has to be.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use chat_core::{
    BadRequest, ChannelId, Close, Command, Limits, Payload, Publish, Refusal, Request, RequestId, Subscribe,
};

use super::admission::{Gate, MESSAGES, Next, Opening, Wish};
use super::subscriptions::{Rooms, Stream, Streams};
use crate::serverpod::classes::{self, NoObject, Object};
use crate::serverpod::method_streams::frame::{Call, Frame, Input, Open, Opened, Reason};
use crate::serverpod::typed::Typed;

/// Marks the answer to who the client is.
pub(in crate::serverpod::method_streams) const AUTH: &str = "auth";

/// Marks, before a call's key, the answer to its wish to join.
const JOIN: &str = "join ";

/// Marks, before a call's number and key, the answer to what it says.
const SAY: &str = "say ";

/// Marks that the session is to leave a channel.
const LEAVE: &str = "leave";

/// So many strangers are remembered, lest one be told twice that it is none.
const STRANGERS: usize = 128;

pub(in crate::serverpod::method_streams) struct Calls {
    gate: Gate,
    rooms: Rooms,
    ongoing: HashMap<Arc<str>, Ongoing>,
    /// Inputs of no call, whose sender was told so: their hashes, because a name may be long.
    strangers: VecDeque<u64>,
    marks: RandomState,
    /// What is to be said next.
    words: VecDeque<Frame<'static>>,
    /// What is to be asked next.
    next: Vec<Request>,
    /// So many calls have begun.
    /// A message has said whom it is from.
    named: bool,
    begun: u64,
    /// So many calls may be open.
    most: usize,
    /// How deep its JSON may be.
    depth: usize,
    /// How long the name of a channel may be.
    name_bytes: usize,
}

struct Ongoing {
    /// Which of the session's calls it is: its key may be another's while what that one said waits for its answer.
    number: u64,
    call: Call<'static>,
    channel: ChannelId,
    state: State,
}

enum State {
    /// A subscribe that is not answered; it is to end so, if its client does not want it any more.
    Joining(Option<Reason>),
    /// A subscribe that is.
    Hearing,
    /// A publish, and how many messages are not answered. `ended`: no more will come.
    Saying { unanswered: usize, ended: bool },
}

impl Calls {
    pub(in crate::serverpod::method_streams) fn new(streams: Arc<Streams>, limits: &Limits) -> Self {
        Self {
            gate: Gate::default(),
            rooms: Rooms::new(streams),
            ongoing: HashMap::new(),
            strangers: VecDeque::new(),
            marks: RandomState::new(),
            words: VecDeque::new(),
            next: Vec::new(),
            begun: 0,
            named: false,
            most: limits.session_channels,
            depth: limits.json_depth,
            name_bytes: limits.channel_name_bytes,
        }
    }

    /// What is to be said.
    pub(in crate::serverpod::method_streams) fn take_words(&mut self) -> VecDeque<Frame<'static>> {
        std::mem::take(&mut self.words)
    }

    /// What is to be asked. A ping is the way to be asked for words when none is due otherwise.
    pub(in crate::serverpod::method_streams) fn take_next(&mut self) -> Vec<Request> {
        self.go_on();
        if !self.words.is_empty() {
            self.next.push(Request::new(Command::Ping));
        }
        std::mem::take(&mut self.next)
    }

    pub(in crate::serverpod::method_streams) fn hear(&mut self, text: &str) -> Result<(), BadRequest> {
        match Frame::read(text, self.depth).ok_or(text).map_err(|text| self.bad(text))? {
            Frame::Ping => self.words.push_back(Frame::Pong),
            Frame::Pong | Frame::Opened(..) => {}
            Frame::Open(open) => self.open(open),
            Frame::Value(_, None, _) => {
                return Err(self.bad("Server does not accept messages targeting the return stream."));
            }
            Frame::Value(call, Some(input), value) => match classes::read(&value) {
                Err(NoObject::Unknown) => return Err(self.bad(text)),
                read => self.take_in(call, input, read.ok()),
            },
            Frame::Exception(_, _, value) if is_unknown(&value) => return Err(self.bad(text)),
            // The end that always follows tells enough.
            Frame::Exception(..) => {}
            Frame::Close(call, input, reason) => self.close(&call, &input, reason),
            Frame::Bad(_) => return Err(closed("the client knows no such frame")),
        }
        Ok(())
    }

    /// Tells that a frame is none, and ends the session, as the protocol has it.
    pub(in crate::serverpod::method_streams) fn bad(&mut self, request: &str) -> BadRequest {
        self.words.push_back(Frame::Bad(Cow::Owned(request.to_owned())));
        closed("no frame of method streams")
    }

    fn open(&mut self, open: Open<'_>) {
        let call = open.call.clone().into_owned();
        match Opening::of(open, self.depth, self.name_bytes) {
            Err(answer) => self.words.push_back(Frame::Opened(call, answer)),
            Ok(_) if self.ongoing.len() + self.gate.len() >= self.most => {
                let most = self.most;
                self.fail(call, &Refusal::limit_exceeded(format!("at most {most} calls are open at a time")));
            }
            Ok(opening) => self.gate.push(opening),
        }
    }

    /// Lets in the calls that can be.
    fn go_on(&mut self) {
        while let Some(next) = self.gate.next() {
            match next {
                Next::Ask(command) => self.next.push(marked(AUTH.to_owned(), command)),
                Next::Begin(opening) => self.begin(opening),
            }
        }
    }

    fn begin(&mut self, Opening { call, wish, .. }: Opening) {
        let key: Arc<str> = key(&call).into();
        // Serverpod would let the second of two calls take the place of the first, which would never end.
        let wish = wish.filter(|_| !self.ongoing.contains_key(&key));
        let (channel, state) = match wish {
            None => return self.words.push_back(Frame::Opened(call, Opened::InvalidArguments)),
            Some(Wish::Subscribe(channel)) => {
                self.rooms.wait(&channel, Stream { key: key.clone(), head: call.head().into() });
                let command = Command::Subscribe(Subscribe::to(channel.clone()));
                self.next.push(marked(format!("{JOIN}{key}"), command));
                (channel, State::Joining(None))
            }
            Some(Wish::Publish(channel)) => {
                self.words.push_back(Frame::Opened(call.clone(), Opened::Success));
                (channel, State::Saying { unanswered: 0, ended: false })
            }
        };
        self.begun += 1;
        self.ongoing.insert(key, Ongoing { number: self.begun, call, channel, state });
    }

    /// A value for an input: a message if it is one.
    fn take_in(&mut self, call: Call<'_>, input: Cow<'_, str>, object: Option<Object>) {
        let key = key(&call);
        let found = self.ongoing.get_mut(&*key).filter(|_| input == MESSAGES);
        let Some(Ongoing { number, channel, state: State::Saying { unanswered, ended: false }, .. }) = found
        else {
            return self.is_stranger(call, input);
        };
        match object {
            Some(Object::Message(to, content, name)) if to == *channel => {
                *unanswered += 1;
                let name = name.filter(|_| !std::mem::replace(&mut self.named, true));
                self.next.extend(name.map(|name| Request::new(Command::Rename(name))));
                self.next.push(say(*number, &key, to, content));
            }
            _ => self.finish(&key, Reason::Error),
        }
    }

    /// Tells once that there is no such input: what was on its way when a call ended comes by here.
    fn is_stranger(&mut self, call: Call<'_>, input: Cow<'_, str>) {
        let mark = self.marks.hash_one((&call, &input));
        if self.strangers.contains(&mark) {
            return;
        }
        self.strangers.push_back(mark);
        if self.strangers.len() > STRANGERS {
            self.strangers.pop_front();
        }
        let input = Some(Cow::Owned(input.into_owned()));
        self.words.push_back(Frame::Close(call.into_owned(), input, Reason::Error));
    }

    /// The client ends an input, or a call. What it ends that is not there has ended already.
    fn close(&mut self, call: &Call<'_>, input: &Input<'_>, reason: Reason) {
        if let Some(opening) = input.is_none().then(|| self.gate.take(call)).flatten() {
            self.words.push_back(Frame::Opened(opening.call.clone(), Opened::Success));
            return self.words.push_back(Frame::Close(opening.call, None, reason));
        }
        let key = key(call);
        let Some(ongoing) = self.ongoing.get_mut(&*key) else { return };
        match (&mut ongoing.state, input.as_deref()) {
            (State::Joining(end), None) => {
                *end = Some(reason);
                self.rooms.hush(&ongoing.channel, &key);
            }
            (State::Hearing, None) => self.finish(&key, reason),
            (State::Saying { .. }, None) => self.finish(&key, reason),
            (State::Saying { unanswered, ended }, Some(MESSAGES)) => {
                *ended = true;
                if reason == Reason::Error || *unanswered == 0 {
                    self.finish(&key, reason);
                }
            }
            _ => {}
        }
    }

    /// Ends a call: the call first, then what it still takes.
    fn finish(&mut self, key: &str, reason: Reason) {
        let Some(Ongoing { call, channel, state, .. }) = self.ongoing.remove(key) else { return };
        let end = Frame::Close(call.clone(), None, reason);
        match state {
            State::Joining(_) | State::Hearing => match self.rooms.close(&channel, key, end) {
                Some(end) => self.words.push_back(end),
                None => self.leave(channel),
            },
            State::Saying { ended, .. } => {
                self.words.push_back(end);
                if !ended {
                    self.words.push_back(Frame::Close(call, Some(Cow::Borrowed(MESSAGES)), reason));
                }
            }
        }
    }

    fn leave(&mut self, channel: ChannelId) {
        self.next.push(marked(LEAVE.to_owned(), Command::Unsubscribe(channel)));
    }

    /// A call does not open. Of what the protocol has no answer for, it fails at once after it opened, as it does of an exception.
    fn fail(&mut self, call: Call<'static>, refusal: &Refusal) {
        let answer = match refusal.code {
            101 | 109 | 110 => Opened::AuthenticationFailed,
            103 | 400.. => Opened::AuthorizationDeclined,
            102 | 107 => Opened::InvalidArguments,
            104 => Opened::EndpointNotFound,
            _ => Opened::Success,
        };
        self.words.push_back(Frame::Opened(call.clone(), answer));
        if answer == Opened::Success {
            self.words.push_back(Frame::Close(call, None, Reason::Error));
        }
    }

    /// The endpoint said who the client is.
    pub(in crate::serverpod::method_streams) fn granted(&mut self) {
        self.gate.granted();
    }

    /// A request was refused.
    pub(in crate::serverpod::method_streams) fn refused(&mut self, id: &str, refusal: &Refusal) {
        if id == AUTH {
            return self.denied(refusal);
        }
        let Some(key) = id.strip_prefix(JOIN) else {
            return self.saying(id).into_iter().for_each(|key| self.finish(key, Reason::Error));
        };
        self.rooms.refused(key);
        let joining = |ongoing: &Ongoing| matches!(ongoing.state, State::Joining(_));
        match self.ongoing.get(key).is_some_and(joining).then(|| self.ongoing.remove(key)).flatten() {
            Some(Ongoing { call, .. }) => self.fail(call, refusal),
            None => self.finish(key, Reason::Error),
        }
    }

    /// 108 on a refresh: the endpoint knows no tokens, so there is nothing to prove.
    fn denied(&mut self, refusal: &Refusal) {
        if refusal.code == 108 {
            return self.gate.granted();
        }
        for opening in self.gate.denied() {
            self.fail(opening.call, refusal);
        }
    }

    /// The session is in a channel, for this call or because the server says so.
    pub(in crate::serverpod::method_streams) fn joined(&mut self, id: Option<&str>, channel: &ChannelId) {
        let Some(key) = id.and_then(|id| id.strip_prefix(JOIN)) else {
            let on_list = self.rooms.put_in(channel);
            return on_list.into_iter().for_each(|key| self.is_open(&key));
        };
        let wanted = match self.ongoing.get(key).map(|ongoing| &ongoing.state) {
            Some(State::Joining(end)) => end.is_none(),
            other => other.is_some(),
        };
        let leaves = self.rooms.joined(channel, key, wanted);
        self.is_open(key);
        if leaves {
            self.leave(channel.clone());
        }
    }

    /// Tells that a call is open, if it was not told; and that it is over, if it is not wanted any more.
    fn is_open(&mut self, key: &str) {
        let Some(Ongoing { call, state, .. }) = self.ongoing.get_mut(key) else { return };
        let State::Joining(end) = *state else { return };
        *state = State::Hearing;
        let call = call.clone();
        self.words.push_back(Frame::Opened(call.clone(), Opened::Success));
        if let Some(reason) = end {
            self.ongoing.remove(key);
            self.words.push_back(Frame::Close(call, None, reason));
        }
    }

    /// The session is out of a channel, as it asked for or because the server says so.
    pub(in crate::serverpod::method_streams) fn left(&mut self, asked: bool, channel: &ChannelId) {
        if asked {
            return self.words.extend(self.rooms.left(channel));
        }
        for stream in self.rooms.taken_out(channel) {
            if let Some(Ongoing { call, .. }) = self.ongoing.remove(&stream.key) {
                self.words.push_back(Frame::Close(call, None, Reason::Error));
            }
        }
    }

    /// A message was said.
    pub(in crate::serverpod::method_streams) fn said(&mut self, id: &str) {
        let Some(key) = self.saying(id) else { return };
        let Some(Ongoing { state: State::Saying { unanswered, ended }, .. }) = self.ongoing.get_mut(key)
        else {
            return;
        };
        *unanswered -= 1;
        if *ended && *unanswered == 0 {
            self.finish(key, Reason::Done);
        }
    }

    /// The key of the call that said what is marked so; none if it is over, whoever has its key now.
    fn saying<'a>(&self, id: &'a str) -> Option<&'a str> {
        let (number, key) = id.strip_prefix(SAY)?.split_once(' ')?;
        let ongoing = self.ongoing.get(key)?;
        (number.parse() == Ok(ongoing.number)).then_some(key)
    }
}

/// All that says which call it is, as Serverpod's servers join it.
fn key(call: &Call<'_>) -> String {
    format!("{}:{}:{}", call.cid, call.endpoint, call.method)
}

fn marked(id: String, command: Command) -> Request {
    Request { id: Some(RequestId(id.into())), command }
}

fn say(number: u64, key: &str, channel: ChannelId, content: Payload) -> Request {
    marked(format!("{SAY}{number} {key}"), Command::Publish(Publish::to(channel, content)))
}

fn is_unknown(value: &Typed<'_>) -> bool {
    classes::read(value) == Err(NoObject::Unknown)
}

fn closed(why: &'static str) -> BadRequest {
    BadRequest {
        close: Some(Close::new(Close::BAD_REQUEST.code, why)),
        ..BadRequest::new(None, Refusal::bad_request(why))
    }
}

#[cfg(test)]
mod tests;
