//! What clients say.

use std::borrow::Cow;

use chat_core::{
    BadRequest, Call, ChannelId, Command, Connect, Message, Payload, Publish, Refusal, Request, RequestId,
    SenderName, Subscribe,
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// How deep arrays and objects may stand in each other, the request itself counted.
const DEPTH: usize = 128;

/// The longest id, in bytes as it stands in the request.
const ID_BYTES: usize = 64;

/// The fields of every request, unread: which of them count depends on the type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow, default, rename = "type", deserialize_with = "present")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    channel_id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    echo: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    name: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    token: Option<&'a RawValue>,
}

/// A field that is there, be it null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

pub(super) fn request(message: Message<'_>) -> Result<Request, BadRequest> {
    let fields = fields(message).map_err(|refusal| BadRequest { id: None, refusal })?;
    let id = fields.id.map(id).transpose().map_err(|refusal| BadRequest { id: None, refusal })?;
    match command(&fields) {
        Ok(command) => Ok(Request { id, command }),
        Err(refusal) => Err(BadRequest { id, refusal }),
    }
}

fn fields(message: Message<'_>) -> Result<Fields<'_>, Refusal> {
    let Message::Text(text) = message else {
        return Err(Refusal::bad_request("only text frames are read"));
    };
    if is_too_deep(text) {
        return Err(Refusal::bad_request(format!("JSON deeper than {DEPTH}")));
    }
    // serde would read an array as the fields in their order.
    if !text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{') {
        return Err(Refusal::bad_request("a request is a JSON object"));
    }
    serde_json::from_str(text).map_err(|error| Refusal::bad_request(format!("no JSON request: {error}")))
}

fn command(fields: &Fields<'_>) -> Result<Command, Refusal> {
    let kind = string("type", fields.kind)?;
    Ok(match &*kind {
        "connect" => Command::Connect(Connect { name: name(fields)?, token: token(fields)? }),
        "subscribe" => Command::Subscribe(Subscribe { channel: channel(fields)?, echo: echo(fields)? }),
        "unsubscribe" => Command::Unsubscribe(channel(fields)?),
        "publish" => Command::Publish(Publish { channel: channel(fields)?, content: content(fields)? }),
        "call" => Command::Call(Call { method: string("method", fields.method)?.into(), data: data(fields) }),
        "ping" => Command::Ping,
        unknown => return Err(Refusal::bad_request(format!("unknown type {unknown:?}"))),
    })
}

/// An integer or a string, kept as it is written.
fn id(raw: &RawValue) -> Result<RequestId, Refusal> {
    let text = raw.get();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !integer && !text.starts_with('"') {
        return Err(Refusal::bad_request("id: neither an integer nor a string"));
    }
    let quotes = if integer { 0 } else { 2 };
    if text.len() > ID_BYTES + quotes {
        return Err(Refusal::bad_request(format!("id: more than {ID_BYTES} bytes")));
    }
    Ok(RequestId(text.into()))
}

fn channel(fields: &Fields<'_>) -> Result<ChannelId, Refusal> {
    (*string("channelId", fields.channel_id)?).try_into().map_err(|error| of_field("channelId", error))
}

fn name(fields: &Fields<'_>) -> Result<Option<SenderName>, Refusal> {
    let Some(raw) = fields.name else { return Ok(None) };
    (*string("name", Some(raw))?).try_into().map(Some).map_err(|error| of_field("name", error))
}

fn token(fields: &Fields<'_>) -> Result<Option<Box<str>>, Refusal> {
    let Some(raw) = fields.token else { return Ok(None) };
    string("token", Some(raw)).map(|token| Some(token.into()))
}

fn echo(fields: &Fields<'_>) -> Result<bool, Refusal> {
    match fields.echo.map(RawValue::get) {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(of_field("echo", "neither true nor false")),
    }
}

fn content(fields: &Fields<'_>) -> Result<Payload, Refusal> {
    let raw = fields.content.ok_or_else(|| of_field("content", "missing"))?;
    Ok(Payload::json(raw.get()))
}

fn data(fields: &Fields<'_>) -> Payload {
    fields.data.map_or_else(Payload::null, |raw| Payload::json(raw.get()))
}

fn string<'a>(field: &str, raw: Option<&'a RawValue>) -> Result<Cow<'a, str>, Refusal> {
    let raw = raw.ok_or_else(|| of_field(field, "missing"))?;
    let text: Text<'a> = serde_json::from_str(raw.get()).map_err(|_| of_field(field, "no string"))?;
    Ok(text.0)
}

fn of_field(field: &str, what: impl std::fmt::Display) -> Refusal {
    Refusal::bad_request(format!("{field}: {what}"))
}

/// Looks at brackets outside strings; whether the text is JSON at all is for others to say.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, BadRequest> {
        request(Message::Text(text))
    }

    fn refused(text: &str) -> (Option<String>, u16, String) {
        let bad = read(text).expect_err(text);
        (bad.id.map(|id| id.0.into()), bad.refusal.code, bad.refusal.message)
    }

    #[test]
    fn content_is_kept_to_the_byte() {
        for content in [r#"{ "a" : 1e400, "a":[ null ] }"#, r#""\u0000\ud800""#, "null", "-0.0"] {
            let text = format!(r#"{{"type":"publish","channelId":"a","content":{content}}}"#);
            let Command::Publish(publish) = read(&text).expect("a request").command else {
                panic!("a publish")
            };
            assert_eq!(publish.content, Payload::json(content));
        }
    }

    #[test]
    fn an_id_comes_back_as_it_was_written() {
        for id in ["7", "-7", r#""\u0041""#, "123456789012345678901234567890"] {
            let request = read(&format!(r#"{{"type":"ping","id":{id}}}"#)).expect("a request");
            assert_eq!(request.id, Some(RequestId(id.into())));
        }
        let long = format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(65));
        for bad in [r#"{"type":"ping","id":1.5}"#, r#"{"type":"ping","id":null}"#, r#"{"id":{}}"#, &long] {
            assert_eq!((refused(bad).0, refused(bad).1), (None, 107));
        }
    }

    #[test]
    fn an_error_names_the_field_and_has_the_requests_id() {
        let (id, code, message) = refused(r#"{"type":"publish","id":3,"channelId":"a"}"#);
        assert_eq!((id.as_deref(), code, &*message), (Some("3"), 107, "content: missing"));
        assert_eq!(refused(r#"{"type":"subscribe","channelId":7}"#).2, "channelId: no string");
        assert_eq!(refused(r#"{"type":"dance"}"#).2, r#"unknown type "dance""#);
        assert_eq!(refused(r#"["subscribe"]"#).2, "a request is a JSON object");
    }

    #[test]
    fn depth_128_is_read_and_129_is_not() {
        let nested = |n: usize| {
            format!(r#"{{"type":"publish","channelId":"a","content":{}{}}}"#, "[".repeat(n), "]".repeat(n))
        };
        assert!(read(&nested(127)).is_ok());
        assert!(refused(&nested(128)).2.contains("deeper"));
        assert!(read(&format!(r#"{{"type":"ping","x":"{}"}}"#, "[".repeat(500))).is_ok(), "in a string");
    }

    #[test]
    fn random_text_never_panics() {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0xC0FFEE_u64);
        let pieces =
            ["{", "}", "[", "\"", "type", ":", ",", "subscribe", "\\", "1", "null", "\u{0}", "é", " ", "id"];
        let mut state = seed;
        for _ in 0..50_000 {
            let mut text = String::new();
            for _ in 0..12 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.push_str(pieces[(state % pieces.len() as u64) as usize]);
            }
            assert!(read(&text).is_err() || text.contains("subscribe"), "seed {seed}: {text}");
        }
    }
}
