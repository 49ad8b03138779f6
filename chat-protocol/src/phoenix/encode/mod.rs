//! Writes what the server sends: `[join_ref, ref, topic, event, payload]`, or the binary frames beside it
//! (v2_json_serializer.ex).

pub(super) mod presence;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chat_core::protocol::{Frames, Gap};
use chat_core::transport::Kind;
use chat_core::{ChannelId, Offset, Payload, Publication, Refusal};

use super::context::{NO_REF, ReplyContext, SOCKET, unquoted};
use crate::write::{message_fields, number, number_field, payload, string};

/// Begins a binary reply (serializer.js).
const REPLY: u8 = 1;

/// Begins a binary broadcast (serializer.js).
const BROADCAST: u8 = 2;

/// Tells whether a request was granted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Status {
    Ok,
    Error,
}

/// Writes a broadcast: the same for all who joined its topic, so without refs.
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
            frame([NO_REF, NO_REF], topic.as_str(), event, out, |out| value(content, out));
        }),
    }
}

/// Returns the event under which a publication goes out as its content alone.
///
/// None if that would not tell all of it, or if only the server may use the event: its own envelope names the
/// sender.
fn own_event(publication: &Publication) -> Option<&str> {
    let event = publication.event.as_ref()?.as_str();
    let enveloped = matches!(event, "message" | "signal") || is_reserved(event);
    (publication.refers.is_none() && !enveloped).then_some(event)
}

/// Writes a publication with its sender and its offset, as `message` or `signal`.
fn enveloped(publication: &Publication, out: &mut Vec<u8>) {
    let topic = publication.message.channel_id.as_str();
    let event = if publication.is_signal() { "signal" } else { "message" };
    out.reserve(publication.message.content.as_bytes().len() + 192);
    frame([NO_REF, NO_REF], topic, event, out, |out| {
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

/// Writes what a subscriber does not get.
pub(super) fn gap(lost: &Gap, out: &mut Vec<u8>) {
    frame([NO_REF, NO_REF], lost.channel().as_str(), "lost", out, |out| match lost {
        Gap::Publications { from, to, .. } => {
            out.extend(br#"{"from":"#);
            number(from.0, out);
            number_field("to", to.0, out);
            out.push(b'}');
        }
        Gap::Presence { .. } => out.extend(br#"{"presence":true}"#),
    });
}

/// Writes a reply as a text frame.
pub(super) fn reply(
    context: &ReplyContext<'_>,
    status: Status,
    out: &mut Vec<u8>,
    response: impl FnOnce(&mut Vec<u8>),
) {
    frame([context.join_ref, context.reference], context.topic, "phx_reply", out, |out| {
        out.extend(br#"{"status":""#);
        out.extend(status.name().as_bytes());
        out.extend(br#"","response":"#);
        response(out);
        out.push(b'}');
    });
}

/// Writes a reply with this response; a response of bytes as a binary frame.
pub(super) fn response(
    context: &ReplyContext<'_>,
    status: Status,
    data: &Payload,
    only_text: bool,
    out: &mut Frames<'_>,
) {
    match data {
        Payload::Binary(bytes) if !only_text => {
            let (join_ref, reference) = (unquoted(context.join_ref), unquoted(context.reference));
            let fields = [&*join_ref, &*reference, context.topic, status.name()];
            out.write(Kind::Binary, |out| binary(REPLY, &fields, bytes, out));
        }
        data => out.text(|out| reply(context, status, out, |out| value(data, out))),
    }
}

/// Returns true for an event that clients take for the protocol's own (channel.js, presence.js): only the
/// server sends it.
pub(super) fn is_reserved(event: &str) -> bool {
    event.starts_with("phx_")
        || event.starts_with("chan_reply_")
        || matches!(event, "presence_state" | "presence_diff" | "presence_partial" | "lost")
}

/// Writes the response to a push that was published; an ephemeral one has no offset.
pub(super) fn published(offset: Option<Offset>, out: &mut Vec<u8>) {
    out.push(b'{');
    if let Some(offset) = offset {
        out.extend(br#""offset":"#);
        number(offset.0, out);
    }
    out.push(b'}');
}

/// Writes a push to one client alone: of a channel or, without a join ref, of its socket.
pub(super) fn push(
    join_ref: &str,
    topic: &str,
    event: &str,
    out: &mut Vec<u8>,
    content: impl FnOnce(&mut Vec<u8>),
) {
    frame([join_ref, NO_REF], topic, event, out, content);
}

/// Writes the end of a channel, whose ref is the join's (socket.ex).
///
/// There is no binary form of it: bytes that the endpoint adds go as text.
pub(super) fn end(
    join_ref: &str,
    channel: &ChannelId,
    event: &str,
    why: Option<&Refusal>,
    out: &mut Vec<u8>,
) {
    frame([join_ref, join_ref], channel.as_str(), event, out, |out| match why {
        Some(Refusal { data: Some(data), .. }) => value(data, out),
        Some(why) => refusal(why.reason.as_str(), why, out),
        None => out.extend(b"{}"),
    });
}

/// Writes what the server sends to one user alone. No channel of a client has the topic: only a listener on
/// the socket gets it.
pub(super) fn direct(data: &Payload, out: &mut Vec<u8>) {
    push(NO_REF, SOCKET, "direct", out, |out| {
        out.extend(br#"{"data":"#);
        payload(data, out);
        out.push(b'}');
    });
}

/// Writes a refusal under this reason, as the response of a reply or the payload of an event.
pub(super) fn refusal(reason: &str, refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend(br#"{"reason":"#);
    string(reason, out);
    number_field("code", u64::from(refusal.code()), out);
    out.extend(br#","message":"#);
    string(&refusal.message, out);
    out.push(b'}');
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }
}

/// Writes a text frame. `refs` are JSON, as is what `content` writes.
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

/// Writes a binary frame: a kind, the lengths of the fields, the fields, and the payload.
fn binary(kind: u8, fields: &[&str], content: &[u8], out: &mut Vec<u8>) {
    out.reserve(1 + fields.iter().map(|field| 1 + field.len()).sum::<usize>() + content.len());
    out.push(kind);
    // Names and refs are held to 255 bytes where they are read.
    out.extend(fields.iter().map(|field| u8::try_from(field.len()).expect("no field is over 255 bytes")));
    fields.iter().for_each(|field| out.extend(field.as_bytes()));
    out.extend(content);
}

/// Writes content where only text can go: bytes in an object, which tells them from a string.
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
