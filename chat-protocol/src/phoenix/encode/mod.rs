//! What the server says: `[join_ref, ref, topic, event, payload]`, or the binary frames beside it (v2_json_serializer.ex).

pub(super) mod presence;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_core::{ChannelId, Frames, Kind, Lost, Offset, Payload, Publication, Refusal};

use super::context::Mark;
use super::decode::unquoted;
use super::{NULL, SOCKET, is_reserved};
use crate::write::{message_fields, number, number_field, payload, string};

/// The first bytes of binary frames (serializer.js).
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

/// What a reply says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Status {
    Ok,
    Error,
}

/// A broadcast: the same for all who joined its topic, so without refs.
pub(super) fn publication(publication: &Publication, only_text: bool, out: &mut Frames<'_>) {
    let topic = &publication.message.channel_id;
    let Some(event) = own_event(publication) else {
        return out.text(|out| enveloped(publication, out));
    };
    match &publication.message.content {
        Payload::Binary(bytes) if !only_text => {
            let fields = [topic.as_str(), event];
            out.write(Kind::Binary, |out| binary(BROADCAST, &fields, bytes, out));
        }
        content => out.text(|out| {
            out.reserve(content.as_bytes().len() + topic.as_str().len() + event.len() + 24);
            frame([NULL, NULL], topic.as_str(), event, out, |out| value(content, out));
        }),
    }
}

/// The event under which a publication goes out as its content alone. None if that would not say all of it, or would say what only the server may: its
/// own envelope among that, which says who spoke.
fn own_event(publication: &Publication) -> Option<&str> {
    let event = publication.event.as_ref()?.as_str();
    let enveloped = matches!(event, "message" | "signal") || is_reserved(event);
    (publication.refers.is_none() && !enveloped).then_some(event)
}

/// With its sender and its place, for clients that come to a chat.
fn enveloped(publication: &Publication, out: &mut Vec<u8>) {
    let topic = publication.message.channel_id.as_str();
    let event = if publication.is_signal() { "signal" } else { "message" };
    out.reserve(publication.message.content.as_bytes().len() + 192);
    frame([NULL, NULL], topic, event, out, |out| {
        out.push(b'{');
        message_fields(publication, out);
        out.extend(br#","channelId":"#);
        string(topic, out);
        if !publication.ephemeral {
            number_field("offset", publication.offset.0, out);
        }
        out.push(b'}');
    });
}

pub(super) fn lost(lost: &Lost, out: &mut Vec<u8>) {
    frame([NULL, NULL], lost.channel().as_str(), "lost", out, |out| match lost {
        Lost::Publications { from, to, .. } => {
            out.extend(br#"{"from":"#);
            number(from.0, out);
            number_field("to", to.0, out);
            out.push(b'}');
        }
        Lost::Presence { .. } => out.extend(br#"{"presence":true}"#),
    });
}

/// A reply in text.
pub(super) fn reply(mark: &Mark<'_>, status: Status, out: &mut Vec<u8>, response: impl FnOnce(&mut Vec<u8>)) {
    frame([mark.join_ref, mark.reference], mark.topic, "phx_reply", out, |out| {
        out.extend(br#"{"status":""#);
        out.extend(status.word().as_bytes());
        out.extend(br#"","response":"#);
        response(out);
        out.push(b'}');
    });
}

/// A reply with this response: in binary if it is bytes.
pub(super) fn response(
    mark: &Mark<'_>,
    status: Status,
    data: &Payload,
    only_text: bool,
    out: &mut Frames<'_>,
) {
    match data {
        Payload::Binary(bytes) if !only_text => {
            let (join_ref, reference) = (unquoted(mark.join_ref), unquoted(mark.reference));
            let fields = [&*join_ref, &*reference, mark.topic, status.word()];
            out.write(Kind::Binary, |out| binary(REPLY, &fields, bytes, out));
        }
        data => out.text(|out| reply(mark, status, out, |out| value(data, out))),
    }
}

/// The response to a push that was published.
pub(super) fn published(offset: Offset, out: &mut Vec<u8>) {
    out.extend(br#"{"offset":"#);
    number(offset.0, out);
    out.push(b'}');
}

/// A push to one client alone, of this channel's or, without a join ref, of its socket's.
pub(super) fn push(
    join_ref: &str,
    topic: &str,
    event: &str,
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>),
) {
    frame([join_ref, NULL], topic, event, out, content);
}

/// The end of a channel; its ref is the join's (socket.ex). It has no binary form: bytes that the endpoint says with it go as text.
pub(super) fn end(
    join_ref: &str,
    channel: &ChannelId,
    event: &str,
    why: Option<&Refusal>,
    out: &mut Vec<u8>,
) {
    frame([join_ref, join_ref], channel.as_str(), event, out, |out| match why {
        Some(Refusal { data: Some(data), .. }) => value(data, out),
        Some(why) => refusal(&why.reason, why, out),
        None => out.extend(b"{}"),
    });
}

/// What the server says to this user alone. No channel of a client's has the topic, so only those hear it who listen to the socket.
pub(super) fn direct(data: &Payload, out: &mut Vec<u8>) {
    push(NULL, SOCKET, "direct", out, |out| {
        out.extend(br#"{"data":"#);
        payload(data, out);
        out.push(b'}');
    });
}

pub(super) fn refusal(reason: &str, refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend(br#"{"reason":"#);
    string(reason, out);
    number_field("code", u64::from(refusal.code), out);
    out.extend(br#","message":"#);
    string(&refusal.message, out);
    out.push(b'}');
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// `refs` are JSON.
pub(super) fn frame(
    refs: [&str; 2],
    topic: &str,
    event: &str,
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>),
) {
    out.push(b'[');
    for reference in refs {
        out.extend(reference.as_bytes());
        out.push(b',');
    }
    string(topic, out);
    out.push(b',');
    string(event, out);
    out.push(b',');
    content(out);
    out.push(b']');
}

/// A kind, the fields' lengths, the fields, and the rest is the payload.
fn binary(kind: u8, fields: &[&str], content: &[u8], out: &mut Vec<u8>) {
    out.reserve(1 + fields.iter().map(|field| 1 + field.len()).sum::<usize>() + content.len());
    out.push(kind);
    // Names and refs are held to 255 bytes where they are read.
    out.extend(fields.iter().map(|field| u8::try_from(field.len()).expect("no field is over 255 bytes")));
    fields.iter().for_each(|field| out.extend(field.as_bytes()));
    out.extend(content);
}

/// Bytes where only text can go are told from a string that somebody wrote.
fn value(content: &Payload, out: &mut Vec<u8>) {
    match content {
        Payload::Json(text) => out.extend(text.as_bytes()),
        Payload::Binary(bytes) => {
            out.extend(br#"{"base64":"#);
            string(&STANDARD.encode(bytes), out);
            out.push(b'}');
        }
    }
}
