//! Reads the requests of clients: one object each, of which `type` says what is asked.

pub(super) mod credentials;
mod fields;

use std::borrow::Cow;
use std::collections::HashMap;

use chat_core::protocol::{BadRequest, Command, Message, Request};
use chat_core::{
    Call, ChannelId, Connect, Epoch, HistoryRequest, KEY_BYTES, Overflow, Payload, Publish, Reference,
    Refusal, Since, Subscribe, Token,
};
use serde_json::value::RawValue;

use fields::{Fields, SinceFields, fields, flag, of_field, offset, parsed, string};

/// Bounds the messages of a history for which the client gives no limit.
const HISTORY_LIMIT: usize = 50;

/// Reads one request.
///
/// # Errors
/// 107, with the request's id if that much could be read.
pub(super) fn request(message: Message<'_>, depth: usize) -> Result<Request, BadRequest> {
    let fields = fields(message, depth).map_err(|refusal| BadRequest::new(None, refusal))?;
    let id = fields.id().map_err(|refusal| BadRequest::new(None, refusal))?;
    match command(&fields) {
        Ok(command) => Ok(Request::new(command).with_id(id)),
        Err(refusal) if fields.names_no_channel() => Err(BadRequest::readable(id, refusal)),
        Err(refusal) => Err(BadRequest::new(id, refusal)),
    }
}

fn command(fields: &Fields<'_>) -> Result<Command, Refusal> {
    let kind = string("type", fields.kind)?;
    Ok(match &*kind {
        "connect" => Command::Connect(connect(fields)?),
        "refresh" => {
            let token = (&*string("token", fields.token)?).into();
            match fields.channel_id {
                None => Command::Refresh(token),
                Some(_) => Command::RefreshSubscription(fields.channel()?, token),
            }
        }
        "subscribe" => Command::Subscribe(subscribe(fields)?),
        "unsubscribe" => Command::Unsubscribe(fields.channel()?),
        "publish" => Command::Publish(publish(fields)?),
        "history" => Command::History(history(fields)?),
        "presence" => Command::Presence(fields.channel()?),
        "read" => {
            let offset = offset("offset", fields.offset)?.ok_or_else(|| of_field("offset", "missing"))?;
            Command::Read(fields.channel()?, offset)
        }
        "call" => Command::Call(Call::new(string("method", fields.method)?.into(), fields.data())),
        "ping" => Command::Ping,
        unknown => return Err(Refusal::bad_request(format!("unknown type {unknown:?}"))),
    })
}

fn connect(fields: &Fields<'_>) -> Result<Connect, Refusal> {
    let name = fields.name.map(|raw| parsed("name", &string("name", Some(raw))?)).transpose()?;
    let since = fields.since.map(since_each).transpose()?.unwrap_or_default();
    Ok(Connect::default()
        .with_name(name)
        .with_token(token(fields)?)
        .with_data(fields.data.map(payload))
        .with_since(since))
}

fn token(fields: &Fields<'_>) -> Result<Option<Token>, Refusal> {
    fields.token.map(|raw| string("token", Some(raw)).map(|token| (&*token).into())).transpose()
}

fn payload(raw: &RawValue) -> Payload {
    Payload::json_unchecked(raw.get())
}

fn subscribe(fields: &Fields<'_>) -> Result<Subscribe, Refusal> {
    Ok(Subscribe::to(fields.channel()?)
        .with_echo(flag("echo", fields.echo, true)?)
        .with_since(fields.since.map(since).transpose()?)
        .with_whole(false)
        .with_latest(flag("latest", fields.latest, false)?)
        .with_presence(flag("presence", fields.presence, false)?)
        .with_overflow(overflow(fields)?)
        .with_token(token(fields)?)
        .with_data(fields.data.map(payload)))
}

/// Reads the places up to which a client has everything, channel by channel.
fn since_each(raw: &RawValue) -> Result<Vec<(ChannelId, Since)>, Refusal> {
    let wrong = |_| of_field("since", "no object of channels, each with an epoch and an offset");
    let places: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
    places.into_iter().map(|(channel, place)| Ok((parsed("since", &channel)?, since(place)?))).collect()
}

fn since(raw: &RawValue) -> Result<Since, Refusal> {
    let wrong = || of_field("since", "no object with an epoch and an offset");
    let since: SinceFields<'_> = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
    let epoch = Epoch::kept_by_client(&since.epoch);
    Ok(Since { epoch: Some(epoch), offset: chat_core::Offset(since.offset) })
}

fn epoch(raw: &RawValue) -> Result<Epoch, Refusal> {
    Ok(Epoch::kept_by_client(&string("epoch", Some(raw))?))
}

fn overflow(fields: &Fields<'_>) -> Result<Overflow, Refusal> {
    let Some(raw) = fields.overflow else { return Ok(Overflow::Disconnect) };
    Ok(match &*string("overflow", Some(raw))? {
        "disconnect" => Overflow::Disconnect,
        "drop oldest" => Overflow::DropOldest,
        "drop newest" => Overflow::DropNewest,
        "latest" => Overflow::Latest,
        "resync" => Overflow::Resync,
        unknown => return Err(of_field("overflow", format_args!("{unknown:?} is none"))),
    })
}

fn publish(fields: &Fields<'_>) -> Result<Publish, Refusal> {
    let refers = match (offset("edits", fields.edits)?, offset("deletes", fields.deletes)?) {
        (None, None) => None,
        (Some(edited), None) => Some(Reference::Edit(edited)),
        (None, Some(deleted)) => Some(Reference::Delete(deleted)),
        (Some(_), Some(_)) => return Err(of_field("deletes", "not beside edits")),
    };
    let content = match fields.content {
        Some(raw) => payload(raw),
        None if matches!(refers, Some(Reference::Delete(_))) => Payload::null(),
        None => return Err(of_field("content", "missing")),
    };
    let ephemeral = flag("ephemeral", fields.ephemeral, false)?;
    let event = fields.event.map(|raw| parsed("event", &string("event", Some(raw))?)).transpose()?;
    Ok(Publish::to(fields.channel()?, content)
        .with_event(event)
        .with_key(key(fields)?)
        .with_refers(refers)
        .with_ephemeral(ephemeral))
}

fn key(fields: &Fields<'_>) -> Result<Option<Box<str>>, Refusal> {
    let Some(raw) = fields.key else { return Ok(None) };
    let key = string("key", Some(raw))?;
    match key.len() {
        1..=KEY_BYTES => Ok(Some(key.into())),
        _ => Err(of_field("key", format_args!("a key has 1 to {KEY_BYTES} bytes"))),
    }
}

fn history(fields: &Fields<'_>) -> Result<HistoryRequest, Refusal> {
    let limit = fields.limit.map(|raw| raw.get().parse()).transpose();
    Ok(HistoryRequest::of(
        fields.channel()?,
        limit.map_err(|_| of_field("limit", "no count"))?.unwrap_or(HISTORY_LIMIT),
    )
    .with_after(offset("after", fields.after)?)
    .with_before(offset("before", fields.before)?)
    .with_epoch(fields.epoch.map(epoch).transpose()?)
    .with_reverse(flag("reverse", fields.reverse, false)?))
}

#[cfg(test)]
mod tests {
    use chat_core::protocol::RequestId;

    use super::*;

    fn read(text: &str) -> Result<Request, BadRequest> {
        request(Message::Text(text), 128)
    }

    fn refused(text: &str) -> (Option<String>, u16, String) {
        let bad = read(text).expect_err(text);
        (bad.id.map(|id| id.0.into()), bad.refusal.code(), bad.refusal.message)
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
