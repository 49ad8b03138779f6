//! Reads the commands of clients in Protobuf.

use std::borrow::Cow;

use chat_core::protocol::{BadRequest, Request};
use chat_core::{Payload, Refusal};
use prost::Message;
use serde_json::value::RawValue;

use super::schema::{Beside, ChannelRequest, Command, RpcRequest, StreamPosition, SubscribeRequest};
use crate::centrifuge::context::ReplyContext;
use crate::centrifuge::decode::command::{self, Place};
use crate::centrifuge::decode::{Decoded, malformed};
use crate::read::is_deeper;

/// Returns the length of the next command, as it stands before it; 0 if there is none.
pub(super) fn length(bytes: &[u8]) -> usize {
    prost::decode_length_delimiter(bytes).unwrap_or_default()
}

/// Reads the next command, and moves `bytes` behind it. Content nested deeper than `depth` is no JSON.
///
/// # Errors
/// Ends the session if there is no command. A command whose fields are wrong is refused with 107.
pub(super) fn read(bytes: &mut &[u8], depth: usize) -> Result<Decoded, BadRequest> {
    let command = Command::decode_length_delimited(bytes);
    let command = command.map_err(|error| malformed(format!("no command: {error}")))?;
    if command == Command::default() {
        return Ok(Decoded::Pong);
    }
    if let Some(send) = command.send {
        return Ok(Decoded::Request(Request::new(command::send(call(send, depth)))));
    }
    if command.id == 0 {
        return Err(malformed("a command has an id"));
    }
    request(command, depth).map(Decoded::Request)
}

fn request(command: Command, depth: usize) -> Result<Request, BadRequest> {
    let id = command.id;
    let (method, command) = if let Some(fields) = command.connect {
        let subs = fields.subs.into_iter().map(|(channel, place)| (Cow::Owned(channel), Some(place.into())));
        let (token, data) = (fields.token.into(), payload(fields.data, depth));
        ("connect", command::connect(command::ConnectFields { token, data, subs: subs.collect() }))
    } else if let Some(fields) = command.subscribe {
        ("subscribe", subscribe(fields, depth))
    } else if let Some(fields) = command.unsubscribe {
        ("unsubscribe", command::unsubscribe(channel(fields)))
    } else if let Some(fields) = command.publish {
        let (channel, data, kind) = (fields.channel.into(), payload(fields.data, depth), fields.kind.into());
        ("publish", command::publish(command::PublishFields { channel, data, kind }))
    } else if let Some(fields) = command.presence {
        ("presence", command::presence(channel(fields)))
    } else if let Some(fields) = command.presence_stats {
        ("presence_stats", command::presence(channel(fields)))
    } else if let Some(fields) = command.history {
        let place =
            |since: StreamPosition| Place { recover: true, epoch: since.epoch.into(), offset: since.offset };
        let (limit, reverse, since) = (fields.limit.into(), fields.reverse, fields.since.map(place));
        let channel = fields.channel.into();
        ("history", command::history(command::HistoryFields { channel, limit, reverse, since }))
    } else if let Some(fields) = command.rpc {
        ("rpc", Ok(command::call(call(fields, depth))))
    } else if let Some(fields) = command.refresh {
        let (channel, token) = (Cow::default(), fields.token.into());
        ("refresh", Ok(command::refresh(command::RefreshFields { channel, token })))
    } else if let Some(fields) = command.sub_refresh {
        let (channel, token) = (fields.channel.into(), fields.token.into());
        ("sub_refresh", command::sub_refresh(command::RefreshFields { channel, token }))
    } else {
        return Err(malformed("no method that is known"));
    };
    command::request(ReplyContext::new(id, method), command)
}

fn subscribe(fields: SubscribeRequest, depth: usize) -> Result<chat_core::protocol::Command, Refusal> {
    command::subscribe(command::SubscribeFields {
        channel: fields.channel.into(),
        token: fields.token.into(),
        data: payload(fields.data, depth),
        join_leave: fields.join_leave,
        kind: fields.kind.into(),
        recover: fields.recover,
        epoch: fields.epoch.into(),
        offset: fields.offset,
        flag: fields.flag,
        filter: fields.filter.map(drop),
    })
}

impl From<SubscribeRequest> for Place<'_> {
    fn from(fields: SubscribeRequest) -> Self {
        Self { recover: fields.recover, epoch: fields.epoch.into(), offset: fields.offset }
    }
}

fn channel(fields: ChannelRequest) -> command::ChannelFields<'static> {
    command::ChannelFields { channel: fields.channel.into() }
}

fn call(fields: RpcRequest, depth: usize) -> command::CallFields<'static> {
    command::CallFields { method: fields.method.into(), data: payload(fields.data, depth) }
}

/// Reads the body of a request beside a stream: the session's key, the server and the commands; none if it is
/// no such body.
pub(in crate::centrifuge) fn beside(body: &[u8]) -> Option<(String, String, Vec<u8>)> {
    let Beside { session, node, data } = Beside::decode(body).ok()?;
    Some((session, node, data))
}

/// Reads content: JSON as such, so that clients of every protocol can read it, and all else as bytes.
pub(super) fn payload(bytes: Vec<u8>, depth: usize) -> Option<Payload> {
    if bytes.is_empty() {
        return None;
    }
    let is_json = |text: &&str| !is_deeper(text, depth) && serde_json::from_str::<&RawValue>(text).is_ok();
    let text = std::str::from_utf8(&bytes).ok().filter(is_json);
    Some(text.map_or_else(|| Payload::Binary(bytes.as_slice().into()), Payload::json_unchecked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_128_is_json_and_129_is_bytes() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(payload(nested(128).into(), 128), Some(Payload::json(nested(128))));
        assert_eq!(payload(nested(129).into(), 128), Some(Payload::Binary(nested(129).into_bytes().into())));
    }
}
