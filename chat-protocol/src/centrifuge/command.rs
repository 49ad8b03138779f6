//! What clients say.

use std::borrow::Cow;
use std::collections::HashMap;

use chat_core::{
    BadRequest, Call, ChannelId, Command, Connect, Epoch, HistoryRequest, Offset, Payload, Publish, Refusal,
    Request, SenderName, Since, Subscribe, Token,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::malformed;
use super::mark::Mark;
use crate::read::{DEPTH, is_object, is_too_deep, present};

/// What one line is.
pub(super) enum Heard {
    /// An answer to a ping.
    Pong,
    /// A command.
    Request(Request),
}

/// Stands for an epoch that no channel of ours has ever had; clients send `_` for a place that is to be forgotten.
const NO_EPOCH: Epoch = Epoch(0);

/// A line's fields: a number, and a method with what it takes.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    id: u32,
    #[serde(borrow)]
    connect: Option<&'a RawValue>,
    #[serde(borrow)]
    subscribe: Option<&'a RawValue>,
    #[serde(borrow)]
    unsubscribe: Option<&'a RawValue>,
    #[serde(borrow)]
    publish: Option<&'a RawValue>,
    #[serde(borrow)]
    presence: Option<&'a RawValue>,
    #[serde(borrow)]
    presence_stats: Option<&'a RawValue>,
    #[serde(borrow)]
    history: Option<&'a RawValue>,
    #[serde(borrow)]
    send: Option<&'a RawValue>,
    #[serde(borrow)]
    rpc: Option<&'a RawValue>,
    #[serde(borrow)]
    refresh: Option<&'a RawValue>,
    #[serde(borrow)]
    sub_refresh: Option<&'a RawValue>,
}

/// Reads one line. What is no command ends the session; a command whose fields are wrong is refused with 107, and counts as a strike.
pub(super) fn read(line: &str) -> Result<Heard, BadRequest> {
    if is_too_deep(line) {
        return Err(malformed(format!("JSON deeper than {DEPTH}")));
    }
    if !is_object(line) {
        return Err(malformed("a command is a JSON object"));
    }
    let line: Line<'_> =
        serde_json::from_str(line).map_err(|error| malformed(format!("no JSON: {error}")))?;
    match line.method() {
        Some(("send", raw)) => Ok(Heard::Request(Request::new(read_send(raw)?))),
        None if line.id == 0 => Ok(Heard::Pong),
        None => Err(malformed("no method that is known")),
        Some(_) if line.id == 0 => Err(malformed("a command has an id")),
        Some((method, raw)) => command(Mark::new(line.id, method), raw).map(Heard::Request),
    }
}

impl<'a> Line<'a> {
    /// The first method that is there, in the order of the protocol's schema.
    fn method(&self) -> Option<(&'static str, &'a RawValue)> {
        let methods = [
            ("connect", self.connect),
            ("subscribe", self.subscribe),
            ("unsubscribe", self.unsubscribe),
            ("publish", self.publish),
            ("presence", self.presence),
            ("presence_stats", self.presence_stats),
            ("history", self.history),
            ("send", self.send),
            ("rpc", self.rpc),
            ("refresh", self.refresh),
            ("sub_refresh", self.sub_refresh),
        ];
        methods.into_iter().find_map(|(method, raw)| Some((method, raw?)))
    }
}

fn command(mut mark: Mark<'_>, raw: &RawValue) -> Result<Request, BadRequest> {
    let command = match mark.method {
        "connect" => connect(raw),
        "subscribe" => subscribe(raw),
        "unsubscribe" => channel(raw).map(Command::Unsubscribe),
        "publish" => publish(raw),
        "presence" | "presence_stats" => channel(raw).map(Command::Presence),
        "history" => history(raw),
        "rpc" => rpc(raw),
        "refresh" => fields::<RefreshFields<'_>>(raw).map(|fields| Command::Refresh((*fields.token).into())),
        "sub_refresh" => sub_refresh(raw),
        _ => Err(Refusal::method_not_found(mark.method)),
    };
    match command {
        Ok(command) => {
            if let Command::Subscribe(Subscribe { since: Some(since), .. }) = &command {
                mark.since = Some(since.offset);
            }
            Ok(Request { id: Some(mark.id()), command })
        }
        Err(refusal) => Err(BadRequest::new(Some(mark.id()), refusal)),
    }
}

/// What a method takes.
fn fields<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Refusal> {
    if !is_object(raw.get()) {
        return Err(Refusal::bad_request("what a method takes is an object"));
    }
    serde_json::from_str(raw.get()).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn content(raw: Option<&RawValue>) -> Option<Payload> {
    raw.map(|raw| Payload::json(raw.get()))
}

/// What is empty is as if it were not there.
fn token(text: Cow<'_, str>) -> Option<Token> {
    (!text.is_empty()).then(|| (&*text).into())
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ConnectFields<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    subs: HashMap<Cow<'a, str>, Place<'a>>,
}

/// Where a client was in a channel.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Place<'a> {
    recover: bool,
    #[serde(borrow)]
    epoch: Cow<'a, str>,
    offset: u64,
}

/// Who a client without a token says it is.
#[derive(Deserialize)]
struct Named {
    name: SenderName,
}

fn connect(raw: &RawValue) -> Result<Command, Refusal> {
    let ConnectFields { token: proof, data, subs } = fields(raw)?;
    let named = data.filter(|data| is_object(data.get()));
    let named = named.and_then(|data| serde_json::from_str::<Named>(data.get()).ok());
    let since = subs.into_iter().filter(|(_, place)| place.recover);
    let since = since.map(|(channel, place)| Ok((channel.as_ref().try_into()?, place.since())));
    Ok(Command::Connect(Connect {
        name: named.map(|named| named.name),
        token: token(proof),
        data: content(data),
        since: since.collect::<Result<_, Refusal>>()?,
    }))
}

impl Place<'_> {
    /// Without an epoch, any will do.
    fn since(&self) -> Since {
        Since { epoch: epoch(&self.epoch), offset: Offset(self.offset) }
    }
}

/// None for any.
fn epoch(text: &str) -> Option<Epoch> {
    (!text.is_empty()).then(|| text.parse().unwrap_or(NO_EPOCH))
}

#[derive(Deserialize)]
struct SubscribeFields<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    join_leave: bool,
    #[serde(default, rename = "type")]
    kind: i64,
    #[serde(default)]
    recover: bool,
    #[serde(borrow, default)]
    epoch: Cow<'a, str>,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    flag: u64,
}

/// A subscriber that cannot be given all it missed wants to be refused, and will ask its application anew.
const REJECT_UNRECOVERED: u64 = 2;

fn subscribe(raw: &RawValue) -> Result<Command, Refusal> {
    let SubscribeFields { channel, token: proof, data, join_leave, kind, recover, epoch, offset, flag } =
        fields(raw)?;
    only_streams(kind)?;
    Ok(Command::Subscribe(Subscribe {
        since: recover.then(|| Place { recover, epoch, offset }.since()),
        whole: flag & REJECT_UNRECOVERED != 0,
        presence: join_leave,
        token: token(proof),
        data: content(data),
        ..Subscribe::to(name(&channel)?)
    }))
}

/// Channels of maps and of polls are not kept here.
fn only_streams(kind: i64) -> Result<(), Refusal> {
    (kind == 0).then_some(()).ok_or_else(|| Refusal::not_available("channels are streams here"))
}

fn name(channel: &str) -> Result<ChannelId, Refusal> {
    channel.try_into().map_err(|error| Refusal::bad_request(format!("channel: {error}")))
}

#[derive(Deserialize)]
struct ChannelFields<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
}

fn channel(raw: &RawValue) -> Result<ChannelId, Refusal> {
    name(&fields::<ChannelFields<'_>>(raw)?.channel)
}

#[derive(Deserialize)]
struct PublishFields<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(default, rename = "type")]
    kind: i64,
}

fn publish(raw: &RawValue) -> Result<Command, Refusal> {
    let PublishFields { channel, data, kind } = fields(raw)?;
    only_streams(kind)?;
    let said = content(data).ok_or_else(|| Refusal::bad_request("data: missing"))?;
    Ok(Command::Publish(Publish::to(name(&channel)?, said)))
}

#[derive(Deserialize)]
struct HistoryFields<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(default)]
    limit: i64,
    #[serde(default)]
    reverse: bool,
    #[serde(borrow)]
    since: Option<Place<'a>>,
}

/// Without a limit only the channel's place is asked for; a negative one is none, but for the server's own.
fn history(raw: &RawValue) -> Result<Command, Refusal> {
    let HistoryFields { channel, limit, reverse, since } = fields(raw)?;
    let since = since.map(|place| place.since());
    let from = since.map(|since| since.offset);
    let (after, before) = if reverse { (None, from) } else { (from, None) };
    Ok(Command::History(HistoryRequest {
        channel: name(&channel)?,
        after,
        before,
        epoch: since.and_then(|since| since.epoch),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
        reverse,
    }))
}

#[derive(Deserialize)]
struct RpcFields<'a> {
    #[serde(borrow, default)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

fn rpc(raw: &RawValue) -> Result<Command, Refusal> {
    let RpcFields { method, data } = fields(raw)?;
    Ok(Command::Call(Call { method: method.into(), data: content(data).unwrap_or_else(Payload::null) }))
}

/// A call that has no name and gets no answer.
fn read_send(raw: &RawValue) -> Result<Command, BadRequest> {
    let RpcFields { data, .. } = fields(raw).map_err(|refusal| BadRequest::new(None, refusal))?;
    Ok(Command::Call(Call { method: "".into(), data: content(data).unwrap_or_else(Payload::null) }))
}

#[derive(Deserialize)]
struct RefreshFields<'a> {
    #[serde(borrow)]
    token: Cow<'a, str>,
}

#[derive(Deserialize)]
struct SubRefreshFields<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    token: Cow<'a, str>,
}

fn sub_refresh(raw: &RawValue) -> Result<Command, Refusal> {
    let SubRefreshFields { channel, token } = fields(raw)?;
    Ok(Command::RefreshSubscription(name(&channel)?, (&*token).into()))
}
