//! What clients are answered. A field that holds nothing is left out, but where the protocol never leaves it out.

use std::borrow::Cow;
use std::time::Duration;

use chat_core::{
    Answer, ChannelId, Connected, Expiry, HistoryPage, Offset, Payload, PresencePage, Recovery, Refusal,
    RequestId, SessionId, Subscribed,
};

use super::push::{client, data, said};
use crate::centrifuge::Stream;
use crate::centrifuge::context::Mark;
use crate::write::{list, number, string};

/// What a client is told when its session opens, beside what the core knows.
pub(in crate::centrifuge) struct Greeting<'a> {
    pub(in crate::centrifuge) stream: Option<&'a Stream>,
    pub(in crate::centrifuge) ping: u64,
    pub(in crate::centrifuge) since: Vec<(ChannelId, Offset)>,
}

impl Greeting<'_> {
    /// Where the client was in this channel.
    pub(in crate::centrifuge) fn was(&self, channel: &ChannelId) -> Option<Offset> {
        self.since.iter().find(|(name, _)| name == channel).map(|(_, offset)| *offset)
    }
}

/// The version that clients are told.
pub(in crate::centrifuge) const VERSION: &str = concat!("chat-core ", env!("CARGO_PKG_VERSION"));

/// A client is told to refresh a fifth of its time before that is over, or so long: the server waits no longer than it said.
const EARLY: Duration = Duration::from_secs(25);

/// Whether the protocol has words for this answer.
///
/// After a bad token it has none: the close that follows says it, and a client that was answered first would not hear that.
pub(in crate::centrifuge) fn has_words(id: &RequestId, answer: &Answer) -> bool {
    let connects = Mark::of(id).is_some_and(|mark| mark.method == "connect");
    !(connects && matches!(answer, Answer::Error(refusal) if refusal.code == 101))
}

pub(in crate::centrifuge) fn reply(id: &RequestId, session: SessionId, answer: &Answer, out: &mut Vec<u8>) {
    let Some(mark) = Mark::of(id) else { return };
    let mut reply = begin(mark, out);
    match answer {
        Answer::Error(refusal) if is_no_history(mark, refusal) => {
            reply.field(mark.method).extend(no_history().as_bytes());
        }
        Answer::Error(refusal) => error(&as_told(refusal), reply.field("error")),
        Answer::Subscribed(answer) => subscribed(answer, mark.since, reply.field(mark.method)),
        Answer::Refreshed { expires } => {
            let mut result = Object::begin(reply.field(mark.method));
            result.text("client", &session.to_string());
            result.text("version", VERSION);
            result.expiry(*expires);
            result.end();
        }
        Answer::SubscriptionRefreshed { expires, .. } => {
            let mut result = Object::begin(reply.field(mark.method));
            result.expiry(*expires);
            result.end();
        }
        Answer::Presence { page, .. } if mark.method == "presence_stats" => {
            let mut result = Object::begin(reply.field(mark.method));
            result.any_number("num_clients", page.sessions as u64);
            result.any_number("num_users", page.users as u64);
            result.end();
        }
        answer => write_result(answer, reply.field(mark.method)),
    }
    reply.end();
}

/// What an answer holds, as replies and the HTTP interfaces of such servers have it: of a history or of who is there, else `{}`.
pub fn result(answer: &Answer) -> String {
    let mut out = Vec::new();
    write_result(answer, &mut out);
    String::from_utf8(out).expect("all of it is text")
}

/// The history of a channel that is not there.
pub fn no_history() -> &'static str {
    r#"{"publications":[],"epoch":"","offset":0}"#
}

/// Whether a history is refused for no more than that its channel is not there: to clients of this protocol that is empty.
pub(in crate::centrifuge) fn is_no_history(mark: Mark<'_>, refusal: &Refusal) -> bool {
    mark.method == "history" && refusal.code == 102
}

/// A refusal in the protocol's own words: where nothing is offered to be called, no method is looked for.
pub(in crate::centrifuge) fn as_told(refusal: &Refusal) -> Cow<'_, Refusal> {
    match refusal.is_no_calls() {
        true => Cow::Owned(Refusal::not_available("there is nothing to call")),
        false => Cow::Borrowed(refusal),
    }
}

fn write_result(answer: &Answer, out: &mut Vec<u8>) {
    match answer {
        Answer::History { page, clamped, .. } => history(page, *clamped, out),
        Answer::Presence { page, .. } => presence(page, out),
        Answer::Result(answer) => {
            let mut result = Object::begin(out);
            data(answer, result.field("data"));
            result.end();
        }
        _ => out.extend(b"{}"),
    }
}

pub(in crate::centrifuge) fn connected(
    id: &RequestId,
    connected: &Connected,
    greeting: &Greeting<'_>,
    out: &mut Vec<u8>,
) {
    let Some(mark) = Mark::of(id) else { return };
    let mut reply = begin(mark, out);
    let mut result = Object::begin(reply.field(mark.method));
    result.text("client", &connected.session.to_string());
    result.text("version", VERSION);
    result.expiry(connected.expires);
    result.data(&connected.data);
    if !connected.subscriptions.is_empty() {
        let mut subs = Object::begin(result.field("subs"));
        for answer in &connected.subscriptions {
            subscribed(answer, greeting.was(&answer.channel), subs.field(answer.channel.as_str()));
        }
        subs.end();
    }
    if greeting.ping > 0 {
        result.number("ping", greeting.ping);
        result.mark("pong", true);
    }
    if let Some(stream) = greeting.stream {
        result.text("session", &stream.key);
        result.text("node", &stream.node);
    }
    result.end();
    reply.end();
}

/// A subscription. `since` is where the client wanted to go on; if it does, that is its place, and what it missed follows as pushes.
pub(in crate::centrifuge) fn subscribed(answer: &Subscribed, since: Option<Offset>, out: &mut Vec<u8>) {
    let recovered = answer.recovery == Some(Recovery::Recovered);
    let mut result = Object::begin(out);
    result.expiry(answer.expires);
    result.mark("recoverable", answer.keeps);
    result.mark("positioned", true);
    result.text("epoch", &answer.epoch.to_string());
    result.mark("recovered", recovered);
    result.number("offset", since.filter(|_| recovered).unwrap_or(answer.offset).0);
    result.mark("was_recovering", since.is_some());
    result.data(&answer.data);
    result.end();
}

/// One that was asked for more than is given says how many that is, which the clients do not mind.
fn history(page: &HistoryPage, clamped: Option<usize>, out: &mut Vec<u8>) {
    let mut result = Object::begin(out);
    list(&page.publications, |publication, out| said(publication, out), result.field("publications"));
    result.text("epoch", &page.epoch.to_string());
    result.any_number("offset", page.offset.0);
    if let Some(limit) = clamped {
        result.number("limit", limit as u64);
    }
    result.end();
}

/// One entry a session; of more users than one answer tells, the first, and then how many there are.
fn presence(page: &PresencePage, out: &mut Vec<u8>) {
    let mut result = Object::begin(out);
    let mut clients = Object::begin(result.field("presence"));
    for present in &page.present {
        for session in &present.sessions {
            let (key, name) = (session.to_string(), present.name.as_str());
            client(&key, present.user.as_str(), name, present.data.as_ref(), clients.field(&key));
        }
    }
    clients.end();
    if page.is_clamped() {
        result.number("users", page.users as u64);
    }
    result.end();
}

fn error(refusal: &Refusal, out: &mut Vec<u8>) {
    let mut error = Object::begin(out);
    error.number("code", refusal.code.into());
    error.text("message", if refusal.message.is_empty() { &refusal.reason } else { &refusal.message });
    error.mark("temporary", is_temporary(refusal));
    error.end();
}

/// Whether the same may be tried again after it.
pub(in crate::centrifuge) fn is_temporary(refusal: &Refusal) -> bool {
    matches!(refusal.code, 100 | 111)
}

/// In how many seconds a client is to refresh.
pub(in crate::centrifuge) fn ttl(Expiry { left, .. }: Expiry) -> u64 {
    left.saturating_sub(EARLY.min(left / 5)).as_secs().max(1)
}

fn begin<'a>(mark: Mark<'_>, out: &'a mut Vec<u8>) -> Object<'a> {
    let mut reply = Object::begin(out);
    reply.number("id", mark.id.into());
    reply
}

/// An object that is being written.
pub(in crate::centrifuge) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    pub(in crate::centrifuge) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub(in crate::centrifuge) fn end(self) {
        self.out.push(b'}');
    }

    /// Where to write the value of this field.
    pub(in crate::centrifuge) fn field(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        string(name, self.out);
        self.out.push(b':');
        self.out
    }

    pub(in crate::centrifuge) fn text(&mut self, name: &str, value: &str) {
        string(value, self.field(name));
    }

    /// Zero is left out.
    pub(in crate::centrifuge) fn number(&mut self, name: &str, value: u64) {
        if value > 0 {
            number(value, self.field(name));
        }
    }

    /// Zero stands there too.
    pub(in crate::centrifuge) fn any_number(&mut self, name: &str, value: u64) {
        number(value, self.field(name));
    }

    /// False is left out.
    pub(in crate::centrifuge) fn mark(&mut self, name: &str, value: bool) {
        if value {
            self.field(name).extend(b"true");
        }
    }

    fn data(&mut self, value: &Option<Payload>) {
        if let Some(value) = value {
            data(value, self.field("data"));
        }
    }

    fn expiry(&mut self, expires: Option<Expiry>) {
        if let Some(expires) = expires {
            self.mark("expires", true);
            self.number("ttl", ttl(expires));
        }
    }
}
