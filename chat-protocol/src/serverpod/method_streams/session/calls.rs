//! Follows the calls of one session: the frames that each has got, and the replies for which it waits.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use chat_core::protocol::{BadRequest, Command, Request};
use chat_core::{ChannelId, Close, Limits, Payload, Publish, Reason, Refusal, Subscribe};

use super::admission::{Admission, MESSAGES, PendingCall, Purpose, Step};
use super::subscriptions::{OpenStreams, Stream, Subscriptions};
use crate::serverpod::classes::{self, ClassError, Object};
use crate::serverpod::method_streams::context::ReplyContext;
use crate::serverpod::method_streams::frame::{Call, CloseReason, Frame, Input, Open, Opened};
use crate::serverpod::method_streams::{decode, encode};
use crate::serverpod::typed::Typed;

/// Bounds the unknown inputs that are remembered, so that none is answered twice.
const UNKNOWN_INPUTS: usize = 128;

/// Follows the calls of one session, and collects the frames and requests that are due.
#[derive(Debug)]
pub(super) struct Calls {
    admission: Admission,
    subscriptions: Subscriptions,
    open: HashMap<Arc<str>, OpenCall>,
    /// Holds the hashes of unknown inputs whose end the client was told; names may be long.
    unknown_inputs: VecDeque<u64>,
    hasher: RandomState,
    /// Holds the frames that are to be sent next.
    frames: VecDeque<Frame<'static>>,
    /// Holds the requests that are to be made next.
    requests: Vec<Request>,
    /// Tells that a message has named its sender: the first one names the session.
    named: bool,
    /// Counts the calls that ever opened.
    opened: u64,
    /// Bounds the calls that may be open at a time.
    max_calls: usize,
    /// Bounds the levels of arrays and objects in JSON.
    depth: usize,
    /// Bounds the bytes of a channel's name.
    name_bytes: usize,
}

#[derive(Debug)]
struct OpenCall {
    /// Counts the session's calls: another one may have the key while messages of this one wait.
    number: u64,
    call: Call<'static>,
    channel: ChannelId,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Waits for the reply to its subscribe; ends with that for this reason, if its client has closed it.
    Joining(Option<CloseReason>),
    /// Receives the publications of its channel.
    Subscribed,
    /// Publishes messages, and counts those without a reply; with `ended`, no more will come.
    Publishing { unanswered: usize, ended: bool },
}

impl Calls {
    pub(super) fn new(streams: Arc<OpenStreams>, limits: &Limits) -> Self {
        Self {
            admission: Admission::default(),
            subscriptions: Subscriptions::new(streams),
            open: HashMap::new(),
            unknown_inputs: VecDeque::new(),
            hasher: RandomState::new(),
            frames: VecDeque::new(),
            requests: Vec::new(),
            named: false,
            opened: 0,
            max_calls: limits.session_channels,
            depth: limits.json_depth,
            name_bytes: limits.channel_name_bytes,
        }
    }

    /// Takes the frames that are to be sent.
    pub(super) fn take_frames(&mut self) -> VecDeque<Frame<'static>> {
        std::mem::take(&mut self.frames)
    }

    /// Takes the requests that are to be made: among them a ping if there are frames, which go with its
    /// reply.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        self.admit();
        if !self.frames.is_empty() {
            self.requests.push(Request::new(Command::Ping));
        }
        std::mem::take(&mut self.requests)
    }

    /// Receives a frame of the client.
    ///
    /// # Errors
    /// Ends the session if the frame is none.
    pub(super) fn receive(&mut self, text: &str) -> Result<(), BadRequest> {
        match decode::frame(text, self.depth).ok_or(text).map_err(|text| self.bad(text))? {
            Frame::Ping => self.frames.push_back(Frame::Pong),
            Frame::Pong | Frame::Opened(..) => {}
            Frame::Open(open) => self.request_call(open),
            Frame::Value(_, None, _) => {
                return Err(self.bad("Server does not accept messages targeting the return stream."));
            }
            Frame::Value(call, Some(input), value) => match classes::read(&value) {
                Err(ClassError::Unknown) => return Err(self.bad(text)),
                read => self.input(call, input, read.ok()),
            },
            Frame::Exception(_, _, value) if is_unknown(&value) => return Err(self.bad(text)),
            // The close that always follows tells enough.
            Frame::Exception(..) => {}
            Frame::Close(call, input, reason) => self.close(&call, &input, reason),
            Frame::Bad(_) => return Err(closed("the client knows no such frame")),
        }
        Ok(())
    }

    /// Answers that a frame is none, and ends the session, as the protocol requires.
    pub(super) fn bad(&mut self, request: &str) -> BadRequest {
        self.frames.push_back(Frame::Bad(Cow::Owned(request.to_owned())));
        closed("no frame of method streams")
    }

    fn request_call(&mut self, open: Open<'_>) {
        let call = open.call.clone().into_owned();
        match PendingCall::of(open, self.depth, self.name_bytes) {
            Err(answer) => self.frames.push_back(Frame::Opened(call, answer)),
            Ok(_) if self.open.len() + self.admission.len() >= self.max_calls => {
                let most = self.max_calls;
                self.fail(call, &Refusal::limit_exceeded(format!("at most {most} calls are open at a time")));
            }
            Ok(pending) => self.admission.push(pending),
        }
    }

    /// Begins the calls whose turn it is.
    fn admit(&mut self) {
        while let Some(step) = self.admission.next() {
            match step {
                Step::Ask(command) => self.requests.push(request(ReplyContext::Auth, command)),
                Step::Begin(pending) => self.begin(pending),
            }
        }
    }

    fn begin(&mut self, PendingCall { call, purpose, .. }: PendingCall) {
        let key: Arc<str> = key(&call).into();
        // Serverpod would let the second of two calls take the place of the first, which would never end.
        let purpose = purpose.filter(|_| !self.open.contains_key(&key));
        let (channel, state) = match purpose {
            None => return self.frames.push_back(Frame::Opened(call, Opened::InvalidArguments)),
            Some(Purpose::Subscribe(channel)) => {
                self.subscriptions
                    .wait(&channel, Stream { key: key.clone(), head: encode::value_head(&call).into() });
                let command = Command::Subscribe(Subscribe::to(channel.clone()));
                self.requests.push(request(ReplyContext::Join(&key), command));
                (channel, State::Joining(None))
            }
            Some(Purpose::Publish(channel)) => {
                self.frames.push_back(Frame::Opened(call.clone(), Opened::Success));
                (channel, State::Publishing { unanswered: 0, ended: false })
            }
        };
        self.opened += 1;
        self.open.insert(key, OpenCall { number: self.opened, call, channel, state });
    }

    /// Receives a value for an input: a message to publish.
    fn input(&mut self, call: Call<'_>, input: Cow<'_, str>, object: Option<Object>) {
        let key = key(&call);
        let found = self.open.get_mut(&*key).filter(|_| input == MESSAGES);
        let Some(OpenCall { number, channel, state: State::Publishing { unanswered, ended: false }, .. }) =
            found
        else {
            return self.unknown_input(call, input);
        };
        match object {
            Some(Object::Message(to, content, name)) if to == *channel => {
                *unanswered += 1;
                let name = name.filter(|_| !std::mem::replace(&mut self.named, true));
                self.requests.extend(name.map(|name| Request::new(Command::Rename(name))));
                self.requests.push(publish(*number, &key, to, content));
            }
            _ => self.finish(&key, CloseReason::Error),
        }
    }

    /// Answers once that there is no such input: values that were on their way when a call ended come here.
    fn unknown_input(&mut self, call: Call<'_>, input: Cow<'_, str>) {
        let hash = self.hasher.hash_one((&call, &input));
        if self.unknown_inputs.contains(&hash) {
            return;
        }
        self.unknown_inputs.push_back(hash);
        if self.unknown_inputs.len() > UNKNOWN_INPUTS {
            self.unknown_inputs.pop_front();
        }
        let input = Some(Cow::Owned(input.into_owned()));
        self.frames.push_back(Frame::Close(call.into_owned(), input, CloseReason::Error));
    }

    /// Ends an input or a call for the client; one that does not exist has ended already.
    fn close(&mut self, call: &Call<'_>, input: &Input<'_>, reason: CloseReason) {
        if let Some(pending) = input.is_none().then(|| self.admission.take(call)).flatten() {
            self.frames.push_back(Frame::Opened(pending.call.clone(), Opened::Success));
            return self.frames.push_back(Frame::Close(pending.call, None, reason));
        }
        let key = key(call);
        let Some(found) = self.open.get_mut(&*key) else { return };
        match (&mut found.state, input.as_deref()) {
            (State::Joining(end), None) => {
                *end = Some(reason);
                self.subscriptions.mute(&found.channel, &key);
            }
            (State::Subscribed, None) => self.finish(&key, reason),
            (State::Publishing { .. }, None) => self.finish(&key, reason),
            (State::Publishing { unanswered, ended }, Some(MESSAGES)) => {
                *ended = true;
                if reason == CloseReason::Error || *unanswered == 0 {
                    self.finish(&key, reason);
                }
            }
            _ => {}
        }
    }

    /// Ends a call: first the call, then the input that is still open.
    fn finish(&mut self, key: &str, reason: CloseReason) {
        let Some(OpenCall { call, channel, state, .. }) = self.open.remove(key) else { return };
        let end = Frame::Close(call.clone(), None, reason);
        match state {
            State::Joining(_) | State::Subscribed => match self.subscriptions.close(&channel, key, end) {
                Some(end) => self.frames.push_back(end),
                None => self.leave(channel),
            },
            State::Publishing { ended, .. } => {
                self.frames.push_back(end);
                if !ended {
                    self.frames.push_back(Frame::Close(call, Some(Cow::Borrowed(MESSAGES)), reason));
                }
            }
        }
    }

    fn leave(&mut self, channel: ChannelId) {
        self.requests.push(request(ReplyContext::Leave, Command::Unsubscribe(channel)));
    }

    /// Refuses a call. Where the protocol has no answer for the refusal, the call opens and fails at once, as
    /// it does after an exception.
    fn fail(&mut self, call: Call<'static>, refusal: &Refusal) {
        let answer = match refusal.reason {
            Reason::Unauthorized | Reason::TokenExpired | Reason::Expired => Opened::AuthenticationFailed,
            Reason::PermissionDenied | Reason::Custom(_) => Opened::AuthorizationDeclined,
            Reason::UnknownChannel | Reason::BadRequest => Opened::InvalidArguments,
            Reason::MethodNotFound | Reason::NoMethods => Opened::EndpointNotFound,
            _ => Opened::Success,
        };
        self.frames.push_back(Frame::Opened(call.clone(), answer));
        if answer == Opened::Success {
            self.frames.push_back(Frame::Close(call, None, CloseReason::Error));
        }
    }

    /// Takes note that the endpoint has accepted the credentials.
    pub(super) fn granted(&mut self) {
        self.admission.granted();
    }

    /// Refuses a call that wanted to join a channel; one that has joined since ends with an error.
    pub(super) fn join_refused(&mut self, key: &str, refusal: &Refusal) {
        self.subscriptions.refused(key);
        let joining = |call: &OpenCall| matches!(call.state, State::Joining(_));
        match self.open.get(key).is_some_and(joining).then(|| self.open.remove(key)).flatten() {
            Some(OpenCall { call, .. }) => self.fail(call, refusal),
            None => self.finish(key, CloseReason::Error),
        }
    }

    /// Ends a call whose message was refused.
    pub(super) fn publish_refused(&mut self, number: u64, key: &str) {
        if self.is_open(number, key) {
            self.finish(key, CloseReason::Error);
        }
    }

    /// Refuses the calls that show the credentials that the endpoint refused.
    ///
    /// With 108 it has refused a refresh because it knows no tokens: then there is nothing to prove.
    pub(super) fn denied(&mut self, refusal: &Refusal) {
        if refusal.reason == Reason::NotAvailable {
            return self.admission.granted();
        }
        for pending in self.admission.denied() {
            self.fail(pending.call, refusal);
        }
    }

    /// Opens the call for which the session joined a channel.
    pub(super) fn joined(&mut self, key: &str, channel: &ChannelId) {
        let wanted = match self.open.get(key).map(|call| &call.state) {
            Some(State::Joining(end)) => end.is_none(),
            other => other.is_some(),
        };
        let leaves = self.subscriptions.joined(channel, key, wanted);
        self.opens(key);
        if leaves {
            self.leave(channel.clone());
        }
    }

    /// Opens the first call that waits for a channel into which the server put the session.
    pub(super) fn subscribed(&mut self, channel: &ChannelId) {
        let listed = self.subscriptions.subscribed(channel);
        listed.into_iter().for_each(|key| self.opens(&key));
    }

    /// Tells the client that a call is open, unless it knows; and that it is over, if it closed the call.
    fn opens(&mut self, key: &str) {
        let Some(OpenCall { call, state, .. }) = self.open.get_mut(key) else { return };
        let State::Joining(end) = *state else { return };
        *state = State::Subscribed;
        let call = call.clone();
        self.frames.push_back(Frame::Opened(call.clone(), Opened::Success));
        if let Some(reason) = end {
            self.open.remove(key);
            self.frames.push_back(Frame::Close(call, None, reason));
        }
    }

    /// Ends the calls that waited for the session to leave a channel.
    pub(super) fn left(&mut self, channel: &ChannelId) {
        self.frames.extend(self.subscriptions.left(channel));
    }

    /// Ends the calls on a channel from which the server removed the session.
    pub(super) fn removed(&mut self, channel: &ChannelId) {
        for stream in self.subscriptions.removed(channel) {
            if let Some(OpenCall { call, .. }) = self.open.remove(&stream.key) {
                self.frames.push_back(Frame::Close(call, None, CloseReason::Error));
            }
        }
    }

    /// Takes note that a message of a call is published; the last one ends a call that sends no more.
    pub(super) fn published(&mut self, number: u64, key: &str) {
        if !self.is_open(number, key) {
            return;
        }
        let Some(OpenCall { state: State::Publishing { unanswered, ended }, .. }) = self.open.get_mut(key)
        else {
            return;
        };
        *unanswered -= 1;
        if *ended && *unanswered == 0 {
            self.finish(key, CloseReason::Done);
        }
    }

    /// Returns true if the call of this number is still open; another one may have its key.
    fn is_open(&self, number: u64, key: &str) -> bool {
        self.open.get(key).is_some_and(|call| call.number == number)
    }
}

/// Joins the three names of a call to one, as Serverpod's servers do.
fn key(call: &Call<'_>) -> String {
    format!("{}:{}:{}", call.cid, call.endpoint, call.method)
}

fn request(context: ReplyContext<'_>, command: Command) -> Request {
    Request::new(command).with_id(context.to_id())
}

fn publish(number: u64, key: &str, channel: ChannelId, content: Payload) -> Request {
    request(ReplyContext::Publish { number, key }, Command::Publish(Publish::to(channel, content)))
}

fn is_unknown(value: &Typed<'_>) -> bool {
    classes::read(value) == Err(ClassError::Unknown)
}

fn closed(why: &'static str) -> BadRequest {
    BadRequest::new(None, Refusal::bad_request(why)).with_close(Close::BAD_REQUEST.with_message(why))
}

#[cfg(test)]
mod tests;
