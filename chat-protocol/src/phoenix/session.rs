//! One socket: which topics its client has joined, and under which join ref.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chat_core::{
    Answer, BadRequest, ChannelId, Command, Frames, Message, Publish, Refusal, Reply, Request, Subscribe,
    Subscribed, Talk,
};

use super::context::{Due, Mark};
use super::decode::{self, Said, unquoted};
use super::encode::{self, Status, presence};
use super::{NULL, SOCKET, is_reserved};

/// What is known of each topic, as requests are read and as they are answered; the two differ while requests wait.
#[derive(Debug)]
pub(super) struct PhoenixTalk {
    only_text: bool,
    depth: usize,
    topics: HashMap<ChannelId, Topic>,
}

#[derive(Debug, Default)]
struct Topic {
    /// Under which join ref the client wants to be in, by what was read of it last.
    wanted: Option<JoinRef>,
    live: Live,
}

/// As JSON.
type JoinRef = Box<str>;

/// Whether the session is in the channel, by what was answered last.
#[derive(Debug, Default, PartialEq, Eq)]
enum Live {
    #[default]
    Out,
    /// The server put it in: its client has no channel of that topic, or is just joining.
    Put,
    Joined(JoinRef),
}

type Requests = Vec<Result<Request, BadRequest>>;

impl PhoenixTalk {
    pub(super) fn new(only_text: bool, depth: usize) -> Self {
        Self { only_text, depth, topics: HashMap::new() }
    }

    fn hear(&mut self, said: &Said<'_>, requests: &mut Requests) {
        match (&*said.topic, &*said.event) {
            (SOCKET, "heartbeat") => requests.push(heartbeat(said)),
            (SOCKET, event) if event != "phx_leave" => requests.push(at_once(said, Due::Unmatched)),
            (_, "phx_join") => self.join(said, requests),
            (_, "phx_leave") => self.leave(said, requests),
            _ => self.push(said, requests),
        }
    }

    /// A join of what is joined ends that first, with the join ref that it had (socket.ex).
    fn join(&mut self, said: &Said<'_>, requests: &mut Requests) {
        let channel = match said.topic.parse::<ChannelId>() {
            Ok(channel) => channel,
            Err(error) => return requests.push(wrong(said, Refusal::bad_request(format!("topic: {error}")))),
        };
        let topic = self.topics.entry(channel.clone()).or_default();
        let before = topic.wanted.replace((&*said.join_ref).into());
        let before = before.as_deref().or((topic.live == Live::Put).then_some(NULL));
        if let Some(join_ref) = before {
            let mark = Mark { due: Due::Closed, join_ref, ..said.mark(Due::Closed) };
            requests.push(marked(mark, Command::Unsubscribe(channel.clone())));
        }
        let wish =
            Subscribe { presence: true, data: Some(said.payload.to_payload()), ..Subscribe::to(channel) };
        requests.push(marked(said.mark(Due::Joined), Command::Subscribe(wish)));
    }

    /// A leave of what is not joined is well too (socket.ex).
    fn leave(&mut self, said: &Said<'_>, requests: &mut Requests) {
        let Some((channel, topic)) = self.wanted(&said.topic) else {
            return requests.push(at_once(said, Due::Fine));
        };
        if let Some(join_ref) = current(topic, said) {
            topic.wanted = None;
            let mark = Mark { join_ref: &join_ref, ..said.mark(Due::Left) };
            requests.push(marked(mark, Command::Unsubscribe(channel)));
        }
    }

    fn push(&mut self, said: &Said<'_>, requests: &mut Requests) {
        let Some((channel, topic)) = self.wanted(&said.topic) else {
            return requests.push(at_once(said, Due::Unmatched));
        };
        let Some(join_ref) = current(topic, said) else { return };
        let event = match said.event.parse() {
            Ok(_) if is_reserved(&said.event) => {
                let refusal = Refusal::bad_request(format!("event: only the server says {:?}", said.event));
                return requests.push(wrong(said, refusal));
            }
            Ok(event) => event,
            Err(error) => return requests.push(wrong(said, Refusal::bad_request(format!("event: {error}")))),
        };
        let publish = Publish { event: Some(event), ..Publish::to(channel, said.payload.to_payload()) };
        let mark = Mark { join_ref: &join_ref, ..said.mark(Due::Pushed) };
        requests.push(marked(mark, Command::Event(publish)));
    }

    /// A topic that the client has joined, or is joining.
    fn wanted(&mut self, topic: &str) -> Option<(ChannelId, &mut Topic)> {
        let (channel, _) = self.topics.get_key_value(topic)?;
        let channel = channel.clone();
        let topic = self.topics.get_mut(topic).filter(|topic| topic.wanted.is_some())?;
        Some((channel, topic))
    }

    fn is_live(&self, topic: &str) -> bool {
        self.topics.get(topic).is_some_and(|topic| matches!(topic.live, Live::Joined(_)))
    }

    /// What is not in and not wanted is forgotten.
    fn change(&mut self, channel: &ChannelId, change: impl FnOnce(&mut Topic)) {
        let mut entry = match self.topics.entry(channel.clone()) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Topic::default()),
        };
        change(entry.get_mut());
        if entry.get().wanted.is_none() && entry.get().live == Live::Out {
            entry.remove();
        }
    }

    fn subscribed(&mut self, mark: Option<&Mark<'_>>, answer: &Subscribed, out: &mut Frames<'_>) {
        let Some(mark) = mark else {
            return self.change(&answer.channel, |topic| topic.live = Live::Put);
        };
        self.change(&answer.channel, |topic| topic.live = Live::Joined(mark.join_ref.into()));
        match &answer.data {
            Some(data) => encode::response(mark, Status::Ok, data, self.only_text, out),
            None => out.text(|out| encode::reply(mark, Status::Ok, out, nothing)),
        }
        let Some(page) = &answer.presence else { return };
        out.text(|out| presence::state(mark.join_ref, &answer.channel, page, out));
        if page.is_clamped() {
            out.text(|out| presence::partial(mark.join_ref, &answer.channel, page, out));
        }
    }

    /// It is out because its client wanted that. One that was out before has heard of its end.
    fn left(&mut self, mark: &Mark<'_>, channel: &ChannelId, already: bool, out: &mut Frames<'_>) {
        self.change(channel, |topic| topic.live = Live::Out);
        if mark.due == Due::Left {
            out.text(|out| encode::reply(mark, Status::Ok, out, nothing));
        }
        // A null would end whatever channel of that topic the client has now.
        let unheard = !already && (mark.due == Due::Left || mark.join_ref != NULL);
        if unheard {
            out.text(|out| encode::end(mark.join_ref, channel, "phx_close", None, out));
        }
    }

    /// It is out because the server took it out. After an error its client joins again, after a close it does not (channel.js).
    fn removed(&mut self, channel: &ChannelId, why: &Refusal, out: &mut Frames<'_>) {
        let mut live = Live::Out;
        self.change(channel, |topic| {
            live = std::mem::take(&mut topic.live);
            if matches!(&live, Live::Joined(joined) if topic.wanted.as_ref() == Some(joined)) {
                topic.wanted = None;
            }
        });
        let event = if matches!(why.code, 100 | 110 | 112) { "phx_error" } else { "phx_close" };
        if let Live::Joined(join_ref) = live {
            out.text(|out| encode::end(&join_ref, channel, event, Some(why), out));
        }
    }

    fn refused(&mut self, mark: Option<&Mark<'_>>, why: &Refusal, out: &mut Frames<'_>) {
        let Some(mark) = mark else {
            return out.text(|out| {
                encode::push(NULL, SOCKET, "error", out, |out| encode::refusal(&why.reason, why, out));
            });
        };
        let reason = match mark.due {
            Due::Joined => {
                self.not_joined(mark);
                // In the words of the server that this protocol is of (socket.ex, server.ex).
                match why.code {
                    100 => "join crashed",
                    106 => "too many channels joined",
                    _ => &why.reason,
                }
            }
            // The push is not answered upon which a channel ends: that it ended is all that was said (server.ex).
            Due::Pushed if why.code == 100 && !self.is_live(mark.topic) => return,
            Due::Pushed if !self.is_live(mark.topic) => return unmatched(mark, out),
            _ => &why.reason,
        };
        match &why.data {
            Some(data) => encode::response(mark, Status::Error, data, self.only_text, out),
            None => out.text(|out| {
                encode::reply(mark, Status::Error, out, |out| encode::refusal(reason, why, out));
            }),
        }
    }

    fn not_joined(&mut self, mark: &Mark<'_>) {
        let Ok(channel) = mark.topic.parse() else { return };
        self.change(&channel, |topic| {
            topic.wanted.take_if(|wanted| **wanted == *mark.join_ref);
        });
    }
}

impl Talk for PhoenixTalk {
    fn decode(&mut self, message: Message<'_>, requests: &mut Vec<Result<Request, BadRequest>>) {
        match decode::read(message, self.depth) {
            Ok(said) => self.hear(&said, requests),
            Err(refusal) => requests.push(Err(BadRequest::new(None, refusal))),
        }
    }

    /// What its clients do not ask for is not answered, and a goodbye has no words here: the close that follows brings them back.
    fn encode_reply(&mut self, reply: &Reply, out: &mut Frames<'_>) {
        let mark = reply.id.as_ref().and_then(Mark::of);
        match (&reply.answer, mark) {
            (Answer::Connected(connected), _) => {
                connected.subscriptions.iter().for_each(|one| self.subscribed(None, one, out));
            }
            (Answer::Subscribed(answer), mark) => self.subscribed(mark.as_ref(), answer, out),
            (Answer::Unsubscribed { channel, why: Some(why), .. }, _) => self.removed(channel, why, out),
            (Answer::Unsubscribed { channel, already, .. }, Some(mark)) => {
                self.left(&mark, channel, *already, out);
            }
            (Answer::Published { offset, .. }, Some(mark)) => out.text(|out| {
                encode::reply(&mark, Status::Ok, out, |out| encode::published(*offset, out));
            }),
            (Answer::Result(data), Some(mark)) => {
                encode::response(&mark, Status::Ok, data, self.only_text, out)
            }
            (Answer::Pong, Some(mark)) if mark.due == Due::Unmatched => unmatched(&mark, out),
            (Answer::Pong, Some(mark)) => out.text(|out| encode::reply(&mark, Status::Ok, out, nothing)),
            (Answer::Direct(data), _) => out.text(|out| encode::direct(data, out)),
            (Answer::Error(why), mark) => self.refused(mark.as_ref(), why, out),
            _ => {}
        }
    }
}

impl Said<'_> {
    fn mark(&self, due: Due) -> Mark<'_> {
        Mark { due, join_ref: &self.join_ref, reference: &self.reference, topic: &self.topic }
    }
}

/// The topic's join ref; none if the message is of an earlier join, and is to be ignored. One without a join ref is of any (socket.ex). In a binary frame
/// a ref is text, whatever it was in the join.
fn current(topic: &Topic, said: &Said<'_>) -> Option<JoinRef> {
    let joined = unquoted(&said.join_ref);
    topic.wanted.clone().filter(|wanted| joined.is_empty() || unquoted(wanted) == joined)
}

fn marked(mark: Mark<'_>, command: Command) -> Result<Request, BadRequest> {
    Ok(Request { id: Some(mark.to_id()), command })
}

/// What is answered as a ping is: whoever else waits, and without a strike.
fn at_once(said: &Said<'_>, due: Due) -> Result<Request, BadRequest> {
    marked(said.mark(due), Command::Ping)
}

/// Its reply has no join ref, whichever it came with (socket.ex).
fn heartbeat(said: &Said<'_>) -> Result<Request, BadRequest> {
    marked(Mark { join_ref: NULL, ..said.mark(Due::Fine) }, Command::Ping)
}

fn wrong(said: &Said<'_>, refusal: Refusal) -> Result<Request, BadRequest> {
    Err(BadRequest::new(Some(said.mark(Due::Wrong).to_id()), refusal))
}

/// Whatever join ref it came with, it is none now (socket.ex).
fn unmatched(mark: &Mark<'_>, out: &mut Frames<'_>) {
    let mark = Mark { join_ref: NULL, ..*mark };
    out.text(|out| {
        encode::reply(&mark, Status::Error, out, |out| out.extend(br#"{"reason":"unmatched topic"}"#));
    });
}

fn nothing(out: &mut Vec<u8>) {
    out.extend(b"{}");
}
