//! What clients say.

use std::borrow::Cow;

use chat_core::{BadRequest, Payload, Refusal, Request};
use prost::Message;
use serde_json::value::RawValue;

use super::schema::{ChannelRequest, Command, RpcRequest, SubscribeRequest};
use crate::centrifuge::context::Mark;
use crate::centrifuge::decode::command as wish;
use crate::centrifuge::decode::command::Place;
use crate::centrifuge::{Heard, malformed};
use crate::read::is_deeper;

/// How many bytes the next command says that it has; none if it does not say.
pub(super) fn length(bytes: &[u8]) -> usize {
    prost::decode_length_delimiter(bytes).unwrap_or_default()
}

/// Reads the next command, and goes on to the one after it. Content is taken for JSON down to this depth.
pub(super) fn read(bytes: &mut &[u8], depth: usize) -> Result<Heard, BadRequest> {
    let command = Command::decode_length_delimited(bytes);
    let command = command.map_err(|error| malformed(format!("no command: {error}")))?;
    if command == Command::default() {
        return Ok(Heard::Pong);
    }
    if let Some(send) = command.send {
        return Ok(Heard::Request(Request::new(wish::send(call(send, depth)))));
    }
    if command.id == 0 {
        return Err(malformed("a command has an id"));
    }
    request(command, depth).map(Heard::Request)
}

fn request(command: Command, depth: usize) -> Result<Request, BadRequest> {
    let (method, asked) = if let Some(asked) = command.connect {
        let subs = asked.subs.into_iter().map(|(channel, place)| (Cow::Owned(channel), Some(place.into())));
        let (token, data) = (asked.token.into(), payload(asked.data, depth));
        ("connect", wish::connect(wish::ConnectFields { token, data, subs: subs.collect() }))
    } else if let Some(asked) = command.subscribe {
        ("subscribe", subscribe(asked, depth))
    } else if let Some(asked) = command.unsubscribe {
        ("unsubscribe", wish::unsubscribe(channel(asked)))
    } else if let Some(asked) = command.publish {
        let (channel, data, kind) = (asked.channel.into(), payload(asked.data, depth), asked.kind.into());
        ("publish", wish::publish(wish::PublishFields { channel, data, kind }))
    } else if let Some(asked) = command.presence {
        ("presence", wish::presence(channel(asked)))
    } else if let Some(asked) = command.presence_stats {
        ("presence_stats", wish::presence(channel(asked)))
    } else if let Some(asked) = command.history {
        let place = |since: super::schema::StreamPosition| Place {
            recover: true,
            epoch: since.epoch.into(),
            offset: since.offset,
        };
        let (limit, reverse, since) = (asked.limit.into(), asked.reverse, asked.since.map(place));
        let channel = asked.channel.into();
        ("history", wish::history(wish::HistoryFields { channel, limit, reverse, since }))
    } else if let Some(asked) = command.rpc {
        ("rpc", Ok(wish::call(call(asked, depth))))
    } else if let Some(asked) = command.refresh {
        let (channel, token) = (Cow::default(), asked.token.into());
        ("refresh", Ok(wish::refresh(wish::RefreshFields { channel, token })))
    } else if let Some(asked) = command.sub_refresh {
        let (channel, token) = (asked.channel.into(), asked.token.into());
        ("sub_refresh", wish::sub_refresh(wish::RefreshFields { channel, token }))
    } else {
        return Err(malformed("no method that is known"));
    };
    wish::request(Mark::new(command.id, method), asked)
}

fn subscribe(asked: SubscribeRequest, depth: usize) -> Result<chat_core::Command, Refusal> {
    wish::subscribe(wish::SubscribeFields {
        channel: asked.channel.into(),
        token: asked.token.into(),
        data: payload(asked.data, depth),
        join_leave: asked.join_leave,
        kind: asked.kind.into(),
        recover: asked.recover,
        epoch: asked.epoch.into(),
        offset: asked.offset,
        flag: asked.flag,
        filter: asked.filter.map(drop),
    })
}

impl From<SubscribeRequest> for Place<'_> {
    fn from(asked: SubscribeRequest) -> Self {
        Self { recover: asked.recover, epoch: asked.epoch.into(), offset: asked.offset }
    }
}

fn channel(asked: ChannelRequest) -> wish::ChannelFields<'static> {
    wish::ChannelFields { channel: asked.channel.into() }
}

fn call(asked: RpcRequest, depth: usize) -> wish::CallFields<'static> {
    wish::CallFields { method: asked.method.into(), data: payload(asked.data, depth) }
}

/// What is JSON is carried as such, so that clients of every protocol read it; all else as bytes.
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
