//! What clients ask for, whichever way it was written.

use std::borrow::Cow;
use std::collections::HashMap;

use chat_core::{
    BadRequest, Call, ChannelId, Command, Connect, Epoch, HistoryRequest, Offset, Payload, Publish, Refusal,
    Request, SenderName, Since, Subscribe, Token,
};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::centrifuge::context::Mark;
use crate::read::{Text, is_object};

/// A subscriber that cannot be given all it missed wants to be refused, and will ask its application anew.
const REJECT_UNRECOVERED: i64 = 2;

/// What a command comes to, with the mark that its answer needs.
pub(in crate::centrifuge) fn request(
    mut mark: Mark<'_>,
    asked: Result<Command, Refusal>,
) -> Result<Request, BadRequest> {
    match asked {
        Ok(command) => {
            if let Command::Subscribe(Subscribe { since: Some(since), .. }) = &command {
                mark.since = Some(since.offset);
            }
            Ok(Request { id: Some(mark.id()), command })
        }
        Err(refusal) => Err(BadRequest::new(Some(mark.id()), refusal)),
    }
}

/// Content, if there is any.
fn content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    let raw = Option::<&'de RawValue>::deserialize(deserializer)?;
    Ok(raw.map(|raw| Payload::json_unchecked(raw.get())))
}

/// Content, be it null.
fn any_content<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    let raw = <&'de RawValue>::deserialize(deserializer)?;
    Ok(Some(Payload::json_unchecked(raw.get())))
}

/// A field that is null is as if it were not there, as the protocol's own server reads it.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The same of text, which is borrowed where it has no escapes.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    Option::<Text<'de>>::deserialize(deserializer).map(|text| text.map(|Text(text)| text).unwrap_or_default())
}

/// Whether there is anything but null.
fn anything<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<()>, D::Error> {
    Option::<IgnoredAny>::deserialize(deserializer).map(|any| any.map(drop))
}

/// What is empty is as if it were not there.
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

/// Where a client was in a channel.
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

/// Who a client without a token says it is.
#[derive(Deserialize)]
struct Named {
    name: SenderName,
}

pub(in crate::centrifuge) fn connect(fields: ConnectFields<'_>) -> Result<Command, Refusal> {
    let ConnectFields { token: proof, data, subs } = fields;
    let subs = subs.into_iter().filter_map(|(channel, place)| Some((channel, place?)));
    let since =
        subs.filter(|(_, place)| place.recover).map(|(channel, place)| Ok((name(&channel)?, place.since())));
    Ok(Command::Connect(Connect {
        name: data.as_ref().and_then(named),
        token: token(&proof),
        since: since.collect::<Result<_, Refusal>>()?,
        data,
    }))
}

fn named(data: &Payload) -> Option<SenderName> {
    let Payload::Json(text) = data else { return None };
    let named = is_object(text).then(|| serde_json::from_str::<Named>(text).ok());
    named.flatten().map(|named| named.name)
}

impl Place<'_> {
    /// Without an epoch, any will do.
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
    /// A filter by tags: it is looked at no further.
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
    Ok(Command::Subscribe(Subscribe {
        since: recover.then(|| Place { recover, epoch, offset }.since()),
        whole: flag & REJECT_UNRECOVERED != 0,
        presence: join_leave,
        token: token(&proof),
        data,
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
    let said = fields.data.ok_or_else(|| Refusal::bad_request("data: missing"))?;
    Ok(Command::Publish(Publish::to(name(&fields.channel)?, said)))
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

/// Without a limit only the channel's place is asked for; a negative one is none, but for the server's own.
pub(in crate::centrifuge) fn history(fields: HistoryFields<'_>) -> Result<Command, Refusal> {
    let HistoryFields { channel, limit, reverse, since } = fields;
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
    Command::Call(Call { method: fields.method.into(), data })
}

/// A call that has no name and gets no answer.
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
