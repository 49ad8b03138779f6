//! Remembers of one socket which topics its client has joined, and under which join ref.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chat_core::protocol::{
    Answer, BadRequest, Command, Frames, Message, Reply, Request, Requests, SessionCodec, Subscribed,
};
use chat_core::{ChannelId, EventName, Publish, Reason, Refusal, Subscribe};

use super::context::{NO_REF, ReplyContext, ReplyKind, SOCKET, unquoted};
use super::decode::{self, Frame};
use super::encode::{self, Status, is_reserved, presence};

/// Follows each topic, as requests are read and as they are answered; the two differ while requests wait.
#[derive(Debug)]
pub(super) struct Session {
    only_text: bool,
    depth: usize,
    topics: HashMap<ChannelId, Topic>,
}

#[derive(Debug, Default)]
struct Topic {
    /// Holds the join ref of the last join that was read, unless a leave came after it.
    wanted: Option<JoinRef>,
    membership: Membership,
}

/// Holds a ref as JSON.
type JoinRef = Box<str>;

/// Tells whether the session is in the channel, by the last answer.
#[derive(Debug, Default, PartialEq, Eq)]
enum Membership {
    #[default]
    Out,
    /// Says that the server subscribed the session: its client has no such channel, or is just joining it.
    ByServer,
    Joined(JoinRef),
}

impl Session {
    pub(super) fn new(only_text: bool, depth: usize) -> Self {
        Self { only_text, depth, topics: HashMap::new() }
    }

    fn dispatch(&mut self, frame: &Frame<'_>, requests: &mut Requests) {
        match (&*frame.topic, &*frame.event) {
            (SOCKET, "heartbeat") => requests.push(heartbeat(frame)),
            (SOCKET, event) if event != "phx_leave" => requests.push(at_once(frame, ReplyKind::Unmatched)),
            (_, "phx_join") => self.join(frame, requests),
            (_, "phx_leave") => self.leave(frame, requests),
            _ => self.push(frame, requests),
        }
    }

    /// Joins a topic. A topic that is joined ends first, with the join ref that it had (socket.ex).
    fn join(&mut self, frame: &Frame<'_>, requests: &mut Requests) {
        let channel = match frame.topic.parse::<ChannelId>() {
            Ok(channel) => channel,
            Err(error) => {
                return requests.push(malformed(frame, Refusal::bad_request(format!("topic: {error}"))));
            }
        };
        let topic = self.topics.entry(channel.clone()).or_default();
        let before = topic.wanted.replace((&*frame.join_ref).into());
        let before = before.as_deref().or((topic.membership == Membership::ByServer).then_some(NO_REF));
        if let Some(join_ref) = before {
            let context = ReplyContext { join_ref, ..frame.context(ReplyKind::Close) };
            requests.push(request(context, Command::Unsubscribe(channel.clone())));
        }
        let subscribe = Subscribe::to(channel).with_presence(true).with_data(frame.payload.to_payload());
        requests.push(request(frame.context(ReplyKind::Join), Command::Subscribe(subscribe)));
    }

    /// Leaves a topic; to leave one that is not joined succeeds too (socket.ex).
    fn leave(&mut self, frame: &Frame<'_>, requests: &mut Requests) {
        let Some((channel, topic)) = self.wanted(&frame.topic) else {
            return requests.push(at_once(frame, ReplyKind::Ok));
        };
        if let Some(join_ref) = current(topic, frame) {
            topic.wanted = None;
            let context = ReplyContext { join_ref: &join_ref, ..frame.context(ReplyKind::Leave) };
            requests.push(request(context, Command::Unsubscribe(channel)));
        }
    }

    fn push(&mut self, frame: &Frame<'_>, requests: &mut Requests) {
        let Some((channel, topic)) = self.wanted(&frame.topic) else {
            return requests.push(at_once(frame, ReplyKind::Unmatched));
        };
        let Some(join_ref) = current(topic, frame) else { return };
        let event: EventName = match frame.event.parse() {
            Ok(_) if is_reserved(&frame.event) => {
                let refusal = Refusal::bad_request(format!("event: only the server says {:?}", frame.event));
                return requests.push(malformed(frame, refusal));
            }
            Ok(event) => event,
            Err(error) => {
                return requests.push(malformed(frame, Refusal::bad_request(format!("event: {error}"))));
            }
        };
        let publish = Publish::to(channel, frame.payload.to_payload()).with_event(event);
        let context = ReplyContext { join_ref: &join_ref, ..frame.context(ReplyKind::Push) };
        requests.push(request(context, Command::Event(publish)));
    }

    /// Finds a topic that the client has joined, or is joining.
    fn wanted(&mut self, topic: &str) -> Option<(ChannelId, &mut Topic)> {
        let (channel, _) = self.topics.get_key_value(topic)?;
        let channel = channel.clone();
        let topic = self.topics.get_mut(topic).filter(|topic| topic.wanted.is_some())?;
        Some((channel, topic))
    }

    fn is_joined(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| matches!(topic.membership, Membership::Joined(_)))
    }

    /// Changes a topic, and forgets it if it is neither joined nor wanted after that.
    fn change(&mut self, channel: &ChannelId, change: impl FnOnce(&mut Topic)) {
        let mut entry = match self.topics.entry(channel.clone()) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Topic::default()),
        };
        change(entry.get_mut());
        if entry.get().wanted.is_none() && entry.get().membership == Membership::Out {
            entry.remove();
        }
    }

    fn subscribed(&mut self, context: Option<&ReplyContext<'_>>, answer: &Subscribed, out: &mut Frames<'_>) {
        let Some(context) = context else {
            return self.change(&answer.channel, |topic| topic.membership = Membership::ByServer);
        };
        self.change(&answer.channel, |topic| topic.membership = Membership::Joined(context.join_ref.into()));
        match &answer.data {
            Some(data) => encode::response(context, Status::Ok, data, self.only_text, out),
            None => out.text(|out| encode::reply(context, Status::Ok, out, empty)),
        }
        let Some(page) = &answer.presence else { return };
        out.text(|out| presence::state(context.join_ref, &answer.channel, page, out));
        if page.is_clamped() {
            out.text(|out| presence::partial(context.join_ref, &answer.channel, page, out));
        }
    }

    /// Ends a channel that its client left; one that had ended before was told so then.
    fn left(&mut self, context: &ReplyContext<'_>, channel: &ChannelId, already: bool, out: &mut Frames<'_>) {
        self.change(channel, |topic| topic.membership = Membership::Out);
        if context.kind == ReplyKind::Leave {
            out.text(|out| encode::reply(context, Status::Ok, out, empty));
        }
        // A null ref would end whatever channel of that topic the client has now.
        let untold = !already && (context.kind == ReplyKind::Leave || context.join_ref != NO_REF);
        if untold {
            out.text(|out| encode::end(context.join_ref, channel, "phx_close", None, out));
        }
    }

    /// Ends a channel from which the server removed the session. After an error the client joins again, after
    /// a close it does not (channel.js).
    fn removed(&mut self, channel: &ChannelId, why: &Refusal, out: &mut Frames<'_>) {
        let mut before = Membership::Out;
        self.change(channel, |topic| {
            before = std::mem::take(&mut topic.membership);
            if matches!(&before, Membership::Joined(joined) if topic.wanted.as_ref() == Some(joined)) {
                topic.wanted = None;
            }
        });
        let event =
            if matches!(why.reason, Reason::Internal | Reason::Expired | Reason::UnrecoverablePosition) {
                "phx_error"
            } else {
                "phx_close"
            };
        if let Membership::Joined(join_ref) = before {
            out.text(|out| encode::end(&join_ref, channel, event, Some(why), out));
        }
    }

    fn refused(&mut self, context: Option<&ReplyContext<'_>>, why: &Refusal, out: &mut Frames<'_>) {
        let Some(context) = context else {
            return out.text(|out| {
                encode::push(NO_REF, SOCKET, "error", out, |out| {
                    encode::refusal(why.reason.as_str(), why, out);
                });
            });
        };
        let reason = match context.kind {
            ReplyKind::Join => {
                self.not_joined(context);
                // The reasons that the protocol's own server gives (socket.ex, server.ex).
                match why.reason {
                    Reason::Internal => "join crashed",
                    Reason::LimitExceeded => "too many channels joined",
                    _ => why.reason.as_str(),
                }
            }
            // A push that ends its channel gets no reply: the end itself tells enough (server.ex).
            ReplyKind::Push if why.reason == Reason::Internal && !self.is_joined(context.topic) => return,
            ReplyKind::Push if !self.is_joined(context.topic) => return unmatched(context, out),
            _ => why.reason.as_str(),
        };
        match &why.data {
            Some(data) => encode::response(context, Status::Error, data, self.only_text, out),
            None => out.text(|out| {
                encode::reply(context, Status::Error, out, |out| encode::refusal(reason, why, out));
            }),
        }
    }

    fn not_joined(&mut self, context: &ReplyContext<'_>) {
        let Ok(channel) = context.topic.parse() else { return };
        self.change(&channel, |topic| {
            topic.wanted.take_if(|wanted| **wanted == *context.join_ref);
        });
    }
}

impl SessionCodec for Session {
    fn decode(&mut self, message: Message<'_>, requests: &mut Requests) {
        match decode::read(message, self.depth) {
            Ok(frame) => self.dispatch(&frame, requests),
            Err(refusal) => requests.push(Err(BadRequest::new(None, refusal))),
        }
    }

    /// Writes nothing where this protocol has no frame for an answer. A goodbye is such an answer: the close
    /// that follows makes clients come back.
    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        let context = reply.id.as_ref().and_then(ReplyContext::of);
        match (&reply.answer, context) {
            (Answer::Connected(connected), _) => {
                connected.subscriptions.iter().for_each(|one| self.subscribed(None, one, out));
            }
            (Answer::Subscribed(answer), context) => self.subscribed(context.as_ref(), answer, out),
            (Answer::Unsubscribed { channel, why: Some(why), .. }, _) => self.removed(channel, why, out),
            (Answer::Unsubscribed { channel, already, .. }, Some(context)) => {
                self.left(&context, channel, *already, out);
            }
            (Answer::Published { offset, .. }, Some(context)) => out.text(|out| {
                encode::reply(&context, Status::Ok, out, |out| encode::published(*offset, out));
            }),
            (Answer::Result(data), Some(context)) => {
                encode::response(&context, Status::Ok, data, self.only_text, out);
            }
            (Answer::Pong, Some(context)) if context.kind == ReplyKind::Unmatched => unmatched(&context, out),
            (Answer::Pong, Some(context)) => out.text(|out| encode::reply(&context, Status::Ok, out, empty)),
            (Answer::Direct(data), _) => out.text(|out| encode::direct(data, out)),
            (Answer::Error(why), context) => self.refused(context.as_ref(), why, out),
            _ => {}
        }
    }
}

/// Returns the topic's join ref; none if the frame is of an earlier join, and is to be ignored.
///
/// A frame without a join ref is of any join (socket.ex). In a binary frame a ref is text, whatever it was in
/// the join.
fn current(topic: &Topic, frame: &Frame<'_>) -> Option<JoinRef> {
    let joined = unquoted(&frame.join_ref);
    topic.wanted.clone().filter(|wanted| joined.is_empty() || unquoted(wanted) == joined)
}

fn request(context: ReplyContext<'_>, command: Command) -> Result<Request, BadRequest> {
    Ok(Request::new(command).with_id(context.to_id()))
}

/// Asks for a reply that needs no work: ahead of requests that wait, and without a strike.
fn at_once(frame: &Frame<'_>, kind: ReplyKind) -> Result<Request, BadRequest> {
    request(frame.context(kind), Command::Ping)
}

/// Answers a heartbeat without a join ref, whichever it came with (socket.ex).
fn heartbeat(frame: &Frame<'_>) -> Result<Request, BadRequest> {
    request(ReplyContext { join_ref: NO_REF, ..frame.context(ReplyKind::Ok) }, Command::Ping)
}

/// Refuses a frame that could be read, which costs no strike: clients join again after each refusal.
fn malformed(frame: &Frame<'_>, refusal: Refusal) -> Result<Request, BadRequest> {
    Err(BadRequest::readable(Some(frame.context(ReplyKind::Malformed).to_id()), refusal))
}

/// Replies that a topic is not joined, without a join ref, whichever the request came with (socket.ex).
fn unmatched(context: &ReplyContext<'_>, out: &mut Frames<'_>) {
    let context = ReplyContext { join_ref: NO_REF, ..*context };
    out.text(|out| {
        encode::reply(&context, Status::Error, out, |out| out.extend(br#"{"reason":"unmatched topic"}"#));
    });
}

fn empty(out: &mut Vec<u8>) {
    out.extend(b"{}");
}
