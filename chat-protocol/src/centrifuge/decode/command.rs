//! Turns the fields of each method into a command, whichever encoding they came in.

use std::borrow::Cow;
use std::collections::HashMap;

use chat_core::protocol::{BadRequest, Command, Request};
use chat_core::{
    Call, ChannelId, Connect, Epoch, HistoryRequest, Offset, Payload, Publish, Refusal, SenderName, Since,
    Subscribe, Token,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::centrifuge::context::ReplyContext;
use crate::read::{Text, is_object};

/// Flags a subscriber that asks to be refused if it cannot be given all that it missed.
const REJECT_UNRECOVERED: i64 = 2;

/// Makes a request of a command, with the context that its reply needs. A command that is refused although
/// its fields could be read costs no strike.
pub(in crate::centrifuge) fn request(
    mut context: ReplyContext<'_>,
    command: Result<Command, Refusal>,
) -> Result<Request, BadRequest> {
    match command {
        Ok(command) => {
            if let Command::Subscribe(Subscribe { since: Some(since), .. }) = &command {
                context.since = Some(since.offset);
            }
            Ok(Request::new(command).with_id(context.to_id()))
        }
        Err(refusal) => Err(BadRequest::readable(Some(context.to_id()), refusal)),
    }
}

/// Reads content, if there is any.
fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
    Ok(raw.map(|raw| Payload::json_unchecked(raw.get())))
}

/// Reads content, be it null.
fn any_content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(Some(Payload::json_unchecked(raw.get())))
}

/// Reads a field that is null as one that is missing, as the protocol's own server does.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads text that is null as text that is missing; borrows it where it has no escapes.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    Option::<Text<'de>>::deserialize(deserializer).map(|text| text.map(|Text(text)| text).unwrap_or_default())
}

/// Reads whether a field is there and not null.
fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<()>, D::Error> {
    Option::<IgnoredAny>::deserialize(deserializer).map(|any| any.map(drop))
}

/// Reads an empty token as none.
fn token(text: &str) -> Option<Token> {
    (!text.is_empty()).then(|| text.into())
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct ConnectFields<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) token: Cow<'a, str>,
    #[serde(deserialize_with = "content")]
    pub(in crate::centrifuge) data: Option<Payload>,
    #[serde(borrow, deserialize_with = "or_none")]
    pub(in crate::centrifuge) subs: HashMap<Cow<'a, str>, Option<Place<'a>>>,
}

/// Holds where a client was in a channel.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct Place<'a> {
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) recover: bool,
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) epoch: Cow<'a, str>,
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) offset: u64,
}

/// Holds the name that a client without a token gives itself.
#[derive(Deserialize)]
struct Named {
    name: SenderName,
}

pub(in crate::centrifuge) fn connect(fields: ConnectFields<'_>) -> Result<Command, Refusal> {
    let ConnectFields { token: proof, data, subs } = fields;
    let subs = subs.into_iter().filter_map(|(channel, place)| Some((channel, place?)));
    let since =
        subs.filter(|(_, place)| place.recover).map(|(channel, place)| Ok((name(&channel)?, place.since())));
    Ok(Command::Connect(
        Connect::named(data.as_ref().and_then(named))
            .with_token(token(&proof))
            .with_since(since.collect::<Result<_, Refusal>>()?)
            .with_data(data),
    ))
}

fn named(data: &Payload) -> Option<SenderName> {
    let Payload::Json(text) = data else { return None };
    let named = is_object(text).then(|| serde_json::from_str::<Named>(text).ok());
    named.flatten().map(|named| named.name)
}

impl Place<'_> {
    /// Returns where to resume; without an epoch, in any.
    fn since(&self) -> Since {
        let epoch = (!self.epoch.is_empty()).then(|| Epoch::kept_by_client(&self.epoch));
        Since { epoch, offset: Offset(self.offset) }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct SubscribeFields<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) token: Cow<'a, str>,
    #[serde(deserialize_with = "content")]
    pub(in crate::centrifuge) data: Option<Payload>,
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) join_leave: bool,
    #[serde(rename = "type", deserialize_with = "or_none")]
    pub(in crate::centrifuge) kind: i64,
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) recover: bool,
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) epoch: Cow<'a, str>,
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) offset: u64,
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) flag: i64,
    /// Tells whether there is a filter by tags, which is refused.
    #[serde(rename = "tf", deserialize_with = "anything")]
    pub(in crate::centrifuge) filter: Option<()>,
}

pub(in crate::centrifuge) fn subscribe(fields: SubscribeFields<'_>) -> Result<Command, Refusal> {
    let SubscribeFields {
        channel,
        token: proof,
        data,
        join_leave,
        kind,
        recover,
        epoch,
        offset,
        flag,
        filter,
    } = fields;
    only_streams(kind)?;
    if filter.is_some() {
        return Err(Refusal::not_available("publications are not filtered here"));
    }
    Ok(Command::Subscribe(
        Subscribe::to(name(&channel)?)
            .with_since(recover.then(|| Place { recover, epoch, offset }.since()))
            .with_whole(flag & REJECT_UNRECOVERED != 0)
            .with_presence(join_leave)
            .with_token(token(&proof))
            .with_data(data),
    ))
}

/// Refuses channels of maps and of polls.
fn only_streams(kind: i64) -> Result<(), Refusal> {
    (kind == 0).then_some(()).ok_or_else(|| Refusal::not_available("channels are streams here"))
}

fn name(channel: &str) -> Result<ChannelId, Refusal> {
    channel.try_into().map_err(|error| Refusal::bad_request(format!("channel: {error}")))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct ChannelFields<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) channel: Cow<'a, str>,
}

pub(in crate::centrifuge) fn unsubscribe(fields: ChannelFields<'_>) -> Result<Command, Refusal> {
    name(&fields.channel).map(Command::Unsubscribe)
}

pub(in crate::centrifuge) fn presence(fields: ChannelFields<'_>) -> Result<Command, Refusal> {
    name(&fields.channel).map(Command::Presence)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct PublishFields<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) channel: Cow<'a, str>,
    #[serde(deserialize_with = "any_content")]
    pub(in crate::centrifuge) data: Option<Payload>,
    #[serde(rename = "type", deserialize_with = "or_none")]
    pub(in crate::centrifuge) kind: i64,
}

pub(in crate::centrifuge) fn publish(fields: PublishFields<'_>) -> Result<Command, Refusal> {
    only_streams(fields.kind)?;
    let content = fields.data.ok_or_else(|| Refusal::bad_request("data: missing"))?;
    Ok(Command::Publish(Publish::to(name(&fields.channel)?, content)))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct HistoryFields<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) channel: Cow<'a, str>,
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) limit: i64,
    #[serde(deserialize_with = "or_none")]
    pub(in crate::centrifuge) reverse: bool,
    #[serde(borrow)]
    pub(in crate::centrifuge) since: Option<Place<'a>>,
}

/// Asks for a history: without a limit for the offset alone, with a negative one for all that the server
/// gives.
pub(in crate::centrifuge) fn history(fields: HistoryFields<'_>) -> Result<Command, Refusal> {
    let HistoryFields { channel, limit, reverse, since } = fields;
    let since = since.map(|place| place.since());
    let from = since.map(|since| since.offset);
    let (after, before) = if reverse { (None, from) } else { (from, None) };
    Ok(Command::History(
        HistoryRequest::of(name(&channel)?, usize::try_from(limit).unwrap_or(usize::MAX))
            .with_after(after)
            .with_before(before)
            .with_epoch(since.and_then(|since| since.epoch))
            .with_reverse(reverse),
    ))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct CallFields<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) method: Cow<'a, str>,
    #[serde(deserialize_with = "content")]
    pub(in crate::centrifuge) data: Option<Payload>,
}

pub(in crate::centrifuge) fn call(fields: CallFields<'_>) -> Command {
    let data = fields.data.unwrap_or_else(Payload::null);
    Command::Call(Call::new(fields.method.into(), data))
}

/// Calls without a method's name, and gets no reply.
pub(in crate::centrifuge) fn send(fields: CallFields<'_>) -> Command {
    call(CallFields { method: "".into(), ..fields })
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(in crate::centrifuge) struct RefreshFields<'a> {
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) channel: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "text")]
    pub(in crate::centrifuge) token: Cow<'a, str>,
}

pub(in crate::centrifuge) fn refresh(fields: RefreshFields<'_>) -> Command {
    Command::Refresh((&*fields.token).into())
}

pub(in crate::centrifuge) fn sub_refresh(fields: RefreshFields<'_>) -> Result<Command, Refusal> {
    Ok(Command::RefreshSubscription(name(&fields.channel)?, (&*fields.token).into()))
}
