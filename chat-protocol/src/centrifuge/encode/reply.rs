//! Writes replies. A field that holds nothing is left out, unless the protocol never leaves it out.

use std::borrow::Cow;

use chat_core::protocol::{Answer, Connected, RequestId};
use chat_core::{HistoryPage, PresencePage, Reason, Refusal, SessionId};

use super::{Object, client, data, published, subscribed};
use crate::centrifuge::context::{ConnectContext, ReplyContext};
use crate::write::list;

/// Names the version that clients are told.
pub(in crate::centrifuge) const VERSION: &str = concat!("chat-core ", env!("CARGO_PKG_VERSION"));

/// Returns true if the protocol has a reply for this answer.
///
/// To a bad token there is none: the close that follows tells it, and clients ignore that after a reply.
pub(in crate::centrifuge) fn is_sent(id: &RequestId, answer: &Answer) -> bool {
    let connects = ReplyContext::of(id).is_some_and(|context| context.method == "connect");
    !(connects && matches!(answer, Answer::Error(refusal) if refusal.reason == Reason::Unauthorized))
}

/// Writes a reply; nothing if the id is of no command.
pub(in crate::centrifuge) fn reply(id: &RequestId, session: SessionId, answer: &Answer, out: &mut Vec<u8>) {
    let Some(context) = ReplyContext::of(id) else { return };
    let mut reply = begin(context, out);
    match answer {
        Answer::Error(refusal) if is_no_history(context, refusal) => {
            reply.field(context.method).extend(no_history().as_bytes());
        }
        Answer::Error(refusal) => error(&as_sent(refusal), reply.field("error")),
        Answer::Subscribed(answer) => subscribed(answer, context.since, reply.field(context.method)),
        Answer::Refreshed { expires } => {
            let mut result = Object::begin(reply.field(context.method));
            result.text("client", &session.to_string());
            result.text("version", VERSION);
            result.expiry(*expires);
            result.end();
        }
        Answer::SubscriptionRefreshed { expires, .. } => {
            let mut result = Object::begin(reply.field(context.method));
            result.expiry(*expires);
            result.end();
        }
        Answer::Presence { page, .. } if context.method == "presence_stats" => {
            let mut result = Object::begin(reply.field(context.method));
            result.any_number("num_clients", page.sessions as u64);
            result.any_number("num_users", page.users as u64);
            result.end();
        }
        answer => write_result(answer, reply.field(context.method)),
    }
    reply.end();
}

/// Returns an answer as replies and the HTTP interfaces of such servers have it.
///
/// That is the history, the presence or the data that the answer holds, and `{}` for any other.
///
/// ```
/// use chat_core::Payload;
/// use chat_core::protocol::Answer;
/// use chat_protocol::centrifuge::result;
///
/// assert_eq!(result(&Answer::Result(Payload::json("7"))), r#"{"data":7}"#);
/// assert_eq!(result(&Answer::Pong), "{}");
/// ```
pub fn result(answer: &Answer) -> String {
    let mut out = Vec::new();
    write_result(answer, &mut out);
    String::from_utf8(out).expect("all of it is text")
}

/// Returns the history of a channel that does not exist.
///
/// ```
/// use chat_protocol::centrifuge::no_history;
///
/// assert_eq!(no_history(), r#"{"publications":[],"epoch":"","offset":0}"#);
/// ```
pub fn no_history() -> &'static str {
    r#"{"publications":[],"epoch":"","offset":0}"#
}

/// Returns true if a history is refused because its channel does not exist: to clients of this protocol it is
/// empty.
pub(in crate::centrifuge) fn is_no_history(context: ReplyContext<'_>, refusal: &Refusal) -> bool {
    context.method == "history" && refusal.reason == Reason::UnknownChannel
}

/// Returns the refusal that a client is sent: a server without calls says so, and looks for no method.
pub(in crate::centrifuge) fn as_sent(refusal: &Refusal) -> Cow<'_, Refusal> {
    match refusal.reason == Reason::NoMethods {
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

/// Writes the reply to a connect; nothing if the id is of no command.
pub(in crate::centrifuge) fn connected(
    id: &RequestId,
    connected: &Connected,
    extra: &ConnectContext<'_>,
    out: &mut Vec<u8>,
) {
    let Some(context) = ReplyContext::of(id) else { return };
    let mut reply = begin(context, out);
    let mut result = Object::begin(reply.field(context.method));
    result.text("client", &connected.session.to_string());
    result.text("version", VERSION);
    result.expiry(connected.expires);
    result.data(&connected.data);
    if !connected.subscriptions.is_empty() {
        let mut subs = Object::begin(result.field("subs"));
        for answer in &connected.subscriptions {
            subscribed(answer, extra.since(&answer.channel), subs.field(answer.channel.as_str()));
        }
        subs.end();
    }
    if extra.ping > 0 {
        result.number("ping", extra.ping);
        result.flag("pong", true);
    }
    if let Some(stream) = extra.stream {
        result.text("session", &stream.key);
        result.text("node", &stream.node);
    }
    result.end();
    reply.end();
}

/// Writes a history; a clamped one with its limit, a field that the clients ignore.
fn history(page: &HistoryPage, clamped: Option<usize>, out: &mut Vec<u8>) {
    let mut result = Object::begin(out);
    list(&page.publications, |publication, out| published(publication, out), result.field("publications"));
    result.text("epoch", &page.epoch.to_string());
    result.any_number("offset", page.offset.0);
    if let Some(limit) = clamped {
        result.number("limit", limit as u64);
    }
    result.end();
}

/// Writes presence, one entry a session; a clamped page with the number of all users.
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
    error.number("code", refusal.code().into());
    error
        .text("message", if refusal.message.is_empty() { refusal.reason.as_str() } else { &refusal.message });
    error.flag("temporary", is_temporary(refusal));
    error.end();
}

/// Returns true if the same request may succeed later.
pub(in crate::centrifuge) fn is_temporary(refusal: &Refusal) -> bool {
    matches!(refusal.reason, Reason::Internal | Reason::TooManyRequests)
}

fn begin<'a>(context: ReplyContext<'_>, out: &'a mut Vec<u8>) -> Object<'a> {
    let mut reply = Object::begin(out);
    reply.number("id", context.id.into());
    reply
}
