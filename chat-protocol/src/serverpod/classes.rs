//! Reads and writes the classes of the original design, as both protocols carry them.

use chat_core::{ChannelId, ChatMessage, Payload, Publication, Reference, SenderName};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::io::Write;

use super::typed::{Typed, typed};
use crate::read::{object, string as read_string};
use crate::write::{field, payload, string, timestamp};

/// Names the endpoint that has these classes.
pub(super) const ENDPOINT: &str = "chat";

const MESSAGE: &str = "ChatMessage";
const SUBSCRIPTION: &str = "ChannelSubscription";

/// Holds an object that the endpoint accepts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// Holds a `ChatMessage`: its channel, its content, and its sender if that is a name.
    Message(ChannelId, Payload, Option<SenderName>),
    /// Holds a `ChannelSubscription`: its channel, and true to join, false to leave.
    Subscription(ChannelId, bool),
}

/// Tells why an object is none that the endpoint accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClassError {
    /// Says that no client of this endpoint has the class.
    Unknown,
    /// Says that the data does not fit the class.
    Malformed,
}

/// Holds the fields that are read: the server sets the time of a message, and for most sessions its sender.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    channel_id: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    subscribe: Option<&'a RawValue>,
    #[serde(borrow)]
    sender_name: Option<&'a RawValue>,
}

/// Reads an object. `__className__` may stand in it or not: clients write it since 3.0.
pub(super) fn read(value: &Typed<'_>) -> Result<Object, ClassError> {
    let read = match &*value.class {
        MESSAGE => message_of,
        SUBSCRIPTION => subscription_of,
        _ if value.is_built_in() => return Err(ClassError::Malformed),
        _ => return Err(ClassError::Unknown),
    };
    object(value.data.get()).and_then(read).ok_or(ClassError::Malformed)
}

fn message_of(fields: Fields<'_>) -> Option<Object> {
    let content = fields.content?.get();
    let channel = channel(fields.channel_id?)?;
    let name = fields.sender_name.and_then(read_string).and_then(|name| (&*name).try_into().ok());
    content.starts_with('"').then(|| Object::Message(channel, Payload::json_unchecked(content), name))
}

fn subscription_of(fields: Fields<'_>) -> Option<Object> {
    // A bool may come as a number (Serverpod's `BoolJsonExtension`).
    let subscribe = match fields.subscribe?.get() {
        "true" | "1" => true,
        "false" | "0" => false,
        _ => return None,
    };
    channel(fields.channel_id?).map(|channel| Object::Subscription(channel, subscribe))
}

pub(super) fn channel(raw: &RawValue) -> Option<ChannelId> {
    (&*read_string(raw)?).try_into().ok()
}

/// Returns true for a publication that can be a `ChatMessage`: neither a signal nor a deletion.
pub(super) fn is_sent(publication: &Publication) -> bool {
    !publication.is_signal() && !matches!(publication.refers, Some(Reference::Delete(_)))
}

/// Writes a message beside its class.
pub(super) fn message(message: &ChatMessage, out: &mut Vec<u8>) {
    let fill = |out: &mut Vec<u8>| {
        out.extend(br#"{"__className__":"ChatMessage","senderName":"#);
        string(message.sender_name.as_str(), out);
        out.extend(br#","content":"#);
        content(&message.content, out);
        out.extend(br#","timestamp":""#);
        date_time(&message.timestamp, out);
        out.push(b'"');
        field("channelId", message.channel_id.as_str(), out);
        out.push(b'}');
    };
    typed(MESSAGE, fill, out);
}

/// Writes a subscription, requested or granted, beside its class.
pub(super) fn subscription(channel: &ChannelId, subscribe: bool, out: &mut Vec<u8>) {
    let fill = |out: &mut Vec<u8>| {
        out.extend(br#"{"__className__":"ChannelSubscription""#);
        field("channelId", channel.as_str(), out);
        out.extend(if subscribe { &br#","subscribe":true}"#[..] } else { br#","subscribe":false}"# });
    };
    typed(SUBSCRIPTION, fill, out);
}

/// Writes content into a field that is a `String` in Dart: JSON that is no string goes as its text.
fn content(content: &Payload, out: &mut Vec<u8>) {
    match content {
        Payload::Json(text) if !text.trim_start().starts_with('"') => string(text, out),
        content => payload(content, out),
    }
}

/// Writes a time as Dart's `toIso8601String` does in UTC: three digits of a second, or six if there are
/// microseconds.
fn date_time(time: &DateTime<Utc>, out: &mut Vec<u8>) {
    timestamp(time, out);
    let micros = time.timestamp_subsec_micros() % 1000;
    if micros > 0 {
        out.pop();
        write!(out, "{micros:03}Z").expect("a Vec takes it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    fn parsed(text: &str) -> Result<Object, ClassError> {
        let raw: &RawValue = serde_json::from_str(text).expect("JSON");
        read(&Typed::read(raw).expect("a value"))
    }

    #[test]
    fn a_message_stands_as_the_generated_class_writes_it() {
        let of = |content: Payload, micros| ChatMessage {
            sender_name: "ann".parse().expect("a name"),
            content,
            timestamp: DateTime::from_timestamp_micros(micros).expect("a time"),
            channel_id: "room".parse().expect("a name"),
        };
        let text = |content, micros| written(|out| message(&of(content, micros), out));
        assert_eq!(
            text(Payload::json(r#""hi \u00e9""#), 1_704_164_645_678_000),
            r#"{"className":"ChatMessage","data":{"__className__":"ChatMessage","senderName":"ann","content":"hi \u00e9","timestamp":"2024-01-02T03:04:05.678Z","channelId":"room"}}"#
        );
        assert!(text(Payload::json(r#"{"a":[1,"b"]}"#), 0).contains(r#""content":"{\"a\":[1,\"b\"]}""#));
        assert!(text(Payload::Binary([0xff].into()), 0).contains(r#""content":"/w==""#));
        assert!(text(Payload::null(), 1_000_001).contains(r#""timestamp":"1970-01-01T00:00:01.000001Z""#));
        let subscription = written(|out| subscription(&"room".parse().expect("a name"), true, out));
        assert_eq!(
            subscription,
            r#"{"className":"ChannelSubscription","data":{"__className__":"ChannelSubscription","channelId":"room","subscribe":true}}"#
        );
        assert_eq!(parsed(&subscription), Ok(Object::Subscription("room".parse().expect("a name"), true)));
    }

    #[test]
    fn objects_are_read_with_and_without_their_own_name_and_with_bools_that_are_numbers() {
        let room: ChannelId = "room".parse().expect("a name");
        for own in [r#""__className__":"ChatMessage","#, ""] {
            let text = format!(
                r#"{{"className":"ChatMessage","data":{{{own}"senderName":"eve","content":"\ud800","channelId":"room"}}}}"#
            );
            let (content, eve) = (Payload::json(r#""\ud800""#), "eve".parse().ok());
            assert_eq!(parsed(&text), Ok(Object::Message(room.clone(), content, eve)));
        }
        let encoded = |subscribe| {
            format!(
                r#"{{"data":{{"subscribe":{subscribe},"channelId":"room"}},"className":"ChannelSubscription"}}"#
            )
        };
        assert_eq!(parsed(&encoded("0")), Ok(Object::Subscription(room, false)));
        assert_eq!(parsed(&encoded("2")), Err(ClassError::Malformed));
        for (text, why) in [
            (r#"{"className":"ChatMessage","data":{"content":7,"channelId":"room"}}"#, ClassError::Malformed),
            (r#"{"className":"ChatMessage","data":{"content":"a","channelId":""}}"#, ClassError::Malformed),
            (r#"{"className":"ChatMessage","data":["room","a",true]}"#, ClassError::Malformed),
            (r#"{"className":"int","data":1}"#, ClassError::Malformed),
            (r#"{"className":"SimpleData","data":{"num":1}}"#, ClassError::Unknown),
        ] {
            assert_eq!(parsed(text), Err(why), "{text}");
        }
    }
}
