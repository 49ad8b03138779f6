//! What clients hear unasked. Written field by field: what all subscribers hear alike is written once, and often.

use chat_core::{Answer, Arrival, ChannelId, Close, Payload, Publication, Refers, Refusal, UserId};

use super::reply::{Object, subscribed};
use crate::write::{number, payload, string, timestamp};

pub(in crate::centrifuge) fn publication(publication: &Publication, out: &mut Vec<u8>) {
    out.reserve(publication.message.content.as_bytes().len() + 192);
    begin(&publication.message.channel_id, out);
    out.extend(br#","pub":"#);
    said(publication, out);
    out.extend(b"}}");
}

/// A publication as it stands in pushes and in histories.
///
/// `info.user` is its author, with the name in `conn_info` if that is another; without an author the name alone. `info.client` is the session, empty unless
/// one said it and that is still known. What the protocol has no field for stands in `tags`: `time`, and where it applies `event`, `edits`, `deletes`, and `signal` for what has no place.
pub(in crate::centrifuge) fn said(publication: &Publication, out: &mut Vec<u8>) {
    let message = &publication.message;
    out.extend(br#"{"data":"#);
    data(&message.content, out);
    out.extend(br#","info":{"user":"#);
    let name = message.sender_name.as_str();
    let user = publication.author.as_ref().map_or(name, UserId::as_str);
    string(user, out);
    out.extend(br#","client":""#);
    publication.from.iter().for_each(|session| number(session.0, out));
    out.push(b'"');
    if user != name {
        out.extend(br#","conn_info":{"name":"#);
        string(name, out);
        out.push(b'}');
    }
    out.push(b'}');
    if !publication.ephemeral {
        out.extend(br#","offset":"#);
        number(publication.offset.0, out);
    }
    out.extend(br#","tags":{"time":""#);
    timestamp(&message.timestamp, out);
    out.push(b'"');
    tags(publication, out);
    out.extend(b"}}");
}

fn tags(publication: &Publication, out: &mut Vec<u8>) {
    if let Some(event) = publication.told_event() {
        out.extend(br#","event":"#);
        string(event.as_str(), out);
    }
    if let Some(refers) = publication.refers {
        out.extend(match refers {
            Refers::Edit(_) => &br#","edits":""#[..],
            Refers::Delete(_) => br#","deletes":""#,
        });
        number(refers.offset().0, out);
        out.push(b'"');
    }
    if publication.is_signal() {
        out.extend(br#","signal":"true""#);
    }
}

/// Content on one line: a line break ends a command, and in JSON it is only ever space between tokens.
pub(in crate::centrifuge) fn data(content: &Payload, out: &mut Vec<u8>) {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    match content {
        Payload::Json(text) if text.as_bytes().iter().any(is_break) => {
            out.extend(text.bytes().filter(|byte| !is_break(byte)));
        }
        content => payload(content, out),
    }
}

/// A session that came or went.
pub(in crate::centrifuge) fn moved(channel: &ChannelId, what: &str, who: &Arrival, out: &mut Vec<u8>) {
    begin(channel, out);
    out.extend([b",\"", what.as_bytes(), br#"":{"info":"#].concat());
    client(&who.session.to_string(), who.user.as_str(), who.name.as_str(), who.data.as_ref(), out);
    out.extend(b"}}}");
}

/// A session, and what others see of its user: what the endpoint lets them, or else the name, if the user's id does not tell it.
pub(in crate::centrifuge) fn client(
    session: &str,
    user: &str,
    name: &str,
    seen: Option<&Payload>,
    out: &mut Vec<u8>,
) {
    let mut object = Object::begin(out);
    object.text("user", user);
    object.text("client", session);
    match seen {
        Some(seen) => data(seen, object.field("conn_info")),
        None if name != user => {
            let mut info = Object::begin(object.field("conn_info"));
            info.text("name", name);
            info.end();
        }
        None => {}
    }
    object.end();
}

/// Whether the protocol has words for what is answered without being asked.
pub(in crate::centrifuge) fn has_words(answer: &Answer) -> bool {
    matches!(answer, Answer::Subscribed(_) | Answer::Unsubscribed { why: Some(_), .. } | Answer::Direct(_))
}

pub(in crate::centrifuge) fn unasked(answer: &Answer, out: &mut Vec<u8>) {
    match answer {
        Answer::Subscribed(answer) => {
            begin(&answer.channel, out);
            out.extend(br#","subscribe":"#);
            subscribed(answer, None, out);
        }
        Answer::Unsubscribed { channel, why: Some(why), .. } => {
            begin(channel, out);
            out.extend(br#","unsubscribe":"#);
            left(unsubscribe_code(why), &why.message, out);
        }
        Answer::Direct(said) => {
            out.extend(br#"{"push":{"message":{"data":"#);
            data(said, out);
            out.push(b'}');
        }
        _ => unreachable!("there are no words for it"),
    }
    out.extend(b"}}");
}

/// What a client makes of being taken out: from 2500 on it comes back, with a new token after 2501 and 2502; below it stays out.
pub(in crate::centrifuge) fn unsubscribe_code(why: &Refusal) -> u16 {
    match why.code {
        112 => 2500,
        110 => 2501,
        100 => 2502,
        _ => 2000,
    }
}

/// How a stream of HTTP ends, in place of a close frame.
pub(in crate::centrifuge) fn disconnect(close: &Close, out: &mut Vec<u8>) {
    out.extend(br#"{"push":{"disconnect":"#);
    left(close.code, &close.reason, out);
    out.extend(b"}}");
}

fn left(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.number("code", code.into());
    object.text("reason", reason);
    object.end();
}

fn begin(channel: &ChannelId, out: &mut Vec<u8>) {
    out.extend(br#"{"push":{"channel":"#);
    string(channel.as_str(), out);
}
