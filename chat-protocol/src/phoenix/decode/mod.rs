//! Takes the frames of clients apart: text and binary.

pub(super) mod credentials;

use std::borrow::Cow;
use std::fmt;

use chat_core::protocol::Message;
use chat_core::{Payload, Refusal};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::context::{NO_REF, ReplyContext, ReplyKind, quoted};
use crate::read::{Text, check_depth};

/// Bounds the bytes of a ref: a binary frame can hold no more.
const REF_BYTES: usize = 255;

/// Begins a binary push (serializer.js).
const PUSH: u8 = 0;

/// Holds the five fields of one frame of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// Holds any JSON, which is given back as it came.
    pub(super) join_ref: Cow<'a, str>,
    /// Holds any JSON, which is given back as it came.
    pub(super) reference: Cow<'a, str>,
    pub(super) topic: Cow<'a, str>,
    pub(super) event: Cow<'a, str>,
    pub(super) payload: Content<'a>,
}

impl Frame<'_> {
    /// Returns what a reply of this kind needs of the frame.
    pub(super) fn context(&self, kind: ReplyKind) -> ReplyContext<'_> {
        ReplyContext { kind, join_ref: &self.join_ref, reference: &self.reference, topic: &self.topic }
    }
}

/// Points to a payload within its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    /// Holds one JSON value.
    Json(&'a str),
    /// Holds bytes of no known format.
    Binary(&'a [u8]),
}

impl Content<'_> {
    pub(super) fn to_payload(self) -> Payload {
        match self {
            Self::Json(text) => Payload::json_unchecked(text),
            Self::Binary(bytes) => Payload::Binary(bytes.into()),
        }
    }
}

/// Reads one frame.
///
/// # Errors
/// 107 if it is no frame of this protocol.
pub(super) fn read(message: Message<'_>, depth: usize) -> Result<Frame<'_>, Refusal> {
    match message {
        Message::Text(text) => read_text(text, depth),
        Message::Binary(bytes) => read_binary(bytes).ok_or_else(|| Refusal::bad_request("no binary push")),
    }
}

/// Reads `[join_ref, ref, topic, event, payload]`, and ignores further elements (v2_json_serializer.ex).
fn read_text(text: &str, depth: usize) -> Result<Frame<'_>, Refusal> {
    check_depth(text, depth)?;
    let wrong = |error| Refusal::bad_request(format!("no array of five: {error}"));
    let Five([join_ref, reference, topic, event, payload]) = serde_json::from_str(text).map_err(wrong)?;
    Ok(Frame {
        join_ref: read_ref("join_ref", join_ref)?,
        reference: read_ref("ref", reference)?,
        topic: string("topic", topic)?,
        event: string("event", event)?,
        payload: Content::Json(payload.get()),
    })
}

/// Holds the first five elements of an array.
struct Five<'a>([&'a RawValue; 5]);

impl<'de> Deserialize<'de> for Five<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(FirstFive)
    }
}

/// Reads an array of five elements or more.
struct FirstFive;

impl<'de> Visitor<'de> for FirstFive {
    type Value = Five<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of five or more")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Five<'de>, A::Error> {
        let mut five = [RawValue::NULL; 5];
        for (n, element) in five.iter_mut().enumerate() {
            *element = array.next_element()?.ok_or_else(|| A::Error::invalid_length(n, &self))?;
        }
        while array.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Five(five))
    }
}

/// Reads a ref: a string in its shortest form, so that one ref is one text however it was escaped; anything
/// else as it stands.
fn read_ref<'a>(field: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, Refusal> {
    let text = raw.get();
    let is_string = text.starts_with('"');
    let read = if is_string { string(field, raw)? } else { Cow::Borrowed(text) };
    if read.len() > REF_BYTES {
        return Err(Refusal::bad_request(format!("{field}: more than {REF_BYTES} bytes")));
    }
    Ok(if is_string && text.contains('\\') { Cow::Owned(quoted(&read)) } else { Cow::Borrowed(text) })
}

fn string<'a>(field: &str, raw: &'a RawValue) -> Result<Cow<'a, str>, Refusal> {
    let text: Text<'a> =
        serde_json::from_str(raw.get()).map_err(|_| Refusal::bad_request(format!("{field}: no string")))?;
    Ok(text.0)
}

/// Reads a byte for the kind, four for the lengths, join ref, ref, topic and event; the rest is the payload
/// (v2_json_serializer.ex).
fn read_binary(bytes: &[u8]) -> Option<Frame<'_>> {
    let (&[kind, join_ref, reference, topic, event], mut rest) = bytes.split_first_chunk()?;
    if kind != PUSH {
        return None;
    }
    let mut take = |length: u8| {
        let (field, after) = rest.split_at_checked(length.into())?;
        rest = after;
        std::str::from_utf8(field).ok()
    };
    let (join_ref, reference) = (take(join_ref)?, take(reference)?);
    let (topic, event) = (take(topic)?.into(), take(event)?.into());
    let payload = Content::Binary(rest);
    Some(Frame { join_ref: ref_of(join_ref), reference: ref_of(reference), topic, event, payload })
}

/// Reads a ref of a binary frame, where an empty one is none.
fn ref_of(text: &str) -> Cow<'static, str> {
    if text.is_empty() { Cow::Borrowed(NO_REF) } else { Cow::Owned(quoted(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Result<Frame<'_>, Refusal> {
        read(Message::Text(text), 128)
    }

    #[test]
    fn a_text_push_is_five_fields_and_its_payload_is_kept_to_the_byte() {
        for payload in ["{}", r#"{ "a" : 1e400 }"#, r#""\ud800""#, "null"] {
            let frame = format!(r#"["3","4","room:1","evt",{payload}]"#);
            let frame = text(&frame).expect("a message");
            assert_eq!((&*frame.join_ref, &*frame.reference), (r#""3""#, r#""4""#));
            assert_eq!((&*frame.topic, &*frame.event), ("room:1", "evt"));
            assert_eq!(frame.payload, Content::Json(payload));
        }
    }

    #[test]
    fn the_same_ref_is_the_same_however_it_is_escaped() {
        let escaped = text(r#"["\u0033",null,"t","e",0]"#).expect("a message");
        assert_eq!((&*escaped.join_ref, &*escaped.reference), (r#""3""#, "null"));
    }

    #[test]
    fn a_ref_is_any_json_and_elements_after_the_payload_are_ignored() {
        for reference in ["1", "-0.5e3", "null", "true", r#"{"a": [1]}"#, "[]", r#""x""#] {
            for more in ["", ",6", r#",{"a":[]},null"#] {
                let frame = format!(r#"[ {reference} , {reference},"t","e",[0]{more}]"#);
                let frame = text(&frame).expect("a message");
                assert_eq!((&*frame.join_ref, &*frame.reference), (reference, reference));
                assert_eq!(frame.payload, Content::Json("[0]"));
            }
        }
    }

    #[test]
    fn a_message_that_is_no_frame_is_refused_with_the_reason() {
        let long = format!(r#"["{}",null,"t","e",0]"#, "x".repeat(256));
        let long_list = format!(r#"[null,[{}0],"t","e",0]"#, "0,".repeat(127));
        let deep = format!(r#"[null,null,"t","e",{}{}]"#, "[".repeat(128), "]".repeat(128));
        for (bad, why) in [
            (r#"[null,null,"t","e"]"#, "no array of five"),
            (r#"[null,null,"t","e",0,]"#, "no array of five"),
            (r#"[null,null,"t","e",0,0"#, "no array of five"),
            (r#"{"topic":"t"}"#, "no array of five"),
            (r#"[null,"\ud800","t","e",0]"#, "ref: no string"),
            (&*long_list, "ref: more than 255 bytes"),
            (r#"[null,null,null,"e",0]"#, "topic: no string"),
            (r#"[null,null,"t",7,0]"#, "event: no string"),
            (&*long, "join_ref: more than 255 bytes"),
            (&*deep, "JSON deeper than 128"),
        ] {
            let refusal = text(bad).expect_err(bad);
            assert!(refusal.code() == 107 && refusal.message.starts_with(why), "{bad}: {refusal}");
        }
    }

    #[test]
    fn a_binary_push_is_read_as_a_real_client_wrote_it() {
        let captured = b"\x00\x01\x01\x06\x033" as &[u8];
        let captured = [captured, b"5room:1bin\x01\x02"].concat();
        let frame = read(Message::Binary(&captured), 128).expect("a push");
        assert_eq!((&*frame.join_ref, &*frame.reference), (r#""3""#, r#""5""#));
        assert_eq!((&*frame.topic, &*frame.event), ("room:1", "bin"));
        assert_eq!(frame.payload, Content::Binary(&[1, 2]));
    }

    #[test]
    fn every_cut_of_a_binary_push_within_its_fields_is_refused() {
        let whole = b"\x00\x02\x03\x05\x0512123topicevent";
        for cut in 0..whole.len() {
            assert!(read(Message::Binary(&whole[..cut]), 128).is_err(), "{cut}");
        }
        assert_eq!(read(Message::Binary(whole), 128).expect("a push").payload, Content::Binary(&[]));
        for kind in 1..=255 {
            let other = [&[kind], &whole[1..]].concat();
            assert!(read(Message::Binary(&other), 128).is_err(), "{kind}");
        }
        assert!(read(Message::Binary(b"\x00\x00\x00\x01\x00\xff"), 128).is_err(), "no UTF-8");
    }
}
